#!/usr/bin/perl

# workload_identity through a real nginx: the federated token's file, its
# rotation, AADSTS700024, AKS's proxy of identity bindings.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use File::Copy ();
use JSON::PP ();
use MIME::Base64 'encode_base64url';

my $t = EntraTest->new(workers => 1)->module;
my $e = $t->emulator;
my $d = $t->dir;
my $token = slurp($t->{vars}{FEDERATED_FILE});
my $key = $d . '/emulator1/federated.pem';

my %aks = (
    AZURE_TENANT_ID => $t->{vars}{TENANT},
    AZURE_CLIENT_ID => $t->{vars}{FEDERATED_CLIENT},
    AZURE_AUTHORITY_HOST => $t->{vars}{AUTHORITY} . '/',
    AZURE_FEDERATED_TOKEN_FILE => "$d/projected/token",
);

# as the kubelet does it: a symlink to a directory is swapped
my $generation = 0;
sub project {
    my ($text) = @_;

    my $dir = 'generation' . ++$generation;
    mkdir "$d/$dir";
    mkdir "$d/projected";
    $t->write("$dir/token", $text);
    symlink "../$dir/token", "$d/projected/new" or die $!;
    rename "$d/projected/new", "$d/projected/token" or die $!;
}

# a federated token with these claims, signed by the cluster of the emulator
sub federated {
    my (%claims) = @_;

    my $now = time;
    my %all = (iss => 'https://oidc.example/cluster/',
               sub => 'system:serviceaccount:default:gateway',
               aud => ['api://AzureADTokenExchange'],
               iat => $now, nbf => $now, exp => $now + 3600, %claims);
    my $head = (split /\./, $token)[0];
    my $text = "$head." . encode_base64url(JSON::PP::encode_json(\%all));
    $t->write('tbs', $text);
    my $sig = `openssl dgst -sha256 -sign $key $d/tbs`;
    die 'openssl' if $? != 0;
    return "$text." . encode_base64url($sig);
}

sub conf {
    my ($lines) = @_;
    return <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential wi workload_identity {
    $lines
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    location / { entra_auth wi; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
}
EOC
}


# what can be known at nginx -t

$t->refuses('a missing file', conf(''), qr{cannot open ".*/projected/token"},
            env => \%aks);
$t->refuses('no file', conf(''), qr/write "federated_token_file FILE;"/,
            env => { %aks, AZURE_FEDERATED_TOKEN_FILE => '' });
project(federated(aud => 'api://other'));
like($t->accepts('another audience', conf(''), env => \%aks),
     qr{audience is not api://AzureADTokenExchange,}, 'with a warning');
$t->refuses('half a proxy', conf(''), qr/AZURE_KUBERNETES_TOKEN_PROXY/,
            env => { %aks, AZURE_KUBERNETES_CA_FILE => '/x' });


# a pod of AKS

my $first = federated();
project("\n$first\n");
$t->start(conf(''), env => \%aks);
is($t->get('/')->status, 200, 'an answer') or diag $t->log;
my ($q) = $e->requests(at => 'token');
is($q->{form}{client_assertion}, $first, 'the token of the file, trimmed');
is($q->{form}{client_assertion_type},
   'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', 'its type');
is($q->{form}{scope}, 'https://ml.azure.com/.default', 'scope');


# a new file is used without a reload, and asks for nothing by itself

my $second = federated(jti => 'second');
project($second);
sleep 3;
is($e->count(at => 'token'), 1, 'a new file alone is no reason to ask');
$e->revoke;
$e->settings(expires_in => 3);
is($t->get('/?status=401')->status, 401, 'the upstream refuses the token');
ok(wait_until(sub { $e->count(at => 'token') >= 2 }, 10), 'asked again');
is(($e->requests(at => 'token'))[1]{form}{client_assertion}, $second,
   'with the new token');


# a file that is empty for a moment

$t->write('projected/empty', ' ');
rename "$d/projected/empty", "$d/projected/token" or die $!;
ok($t->wait_log(qr{projected/token" is empty; the last good}, 10),
   'an empty file is reported');
my $n = $e->count(at => 'token');
ok(wait_until(sub { $e->count(at => 'token') > $n }, 10),
   'tokens are refreshed all the same');
is(($e->requests(at => 'token'))[-1]{form}{client_assertion}, $second,
   'with the last good one');
is($t->get('/')->status, 200, 'an answer');


# expired while the request is under way: read again, and asked once more

$e->settings(expires_in => 3599);
$t->stop;
project(federated(iat => time - 7200, nbf => time - 7200, exp => time - 3600));
my $fresh = federated(jti => 'fresh');
$e->forget;
$e->fault({ at => 'token', delay => 2, times => 1 });
$t->start(conf(''), env => \%aks);
ok(wait_until(sub { $e->count(at => 'token') == 1 }, 10),
   'an expired one is under way');
project($fresh);
ok(wait_until(sub { $t->get('/')->status == 200 }, 10),
   'AADSTS700024 was healed');
my @q = $e->requests(at => 'token');
is(scalar @q, 2, 'by one more request');
is($q[1]{form}{client_assertion}, $fresh, 'with the new token');
$e->clear_faults;
$t->stop;

project(federated(exp => time - 3600));
$t->start(conf(''), env => \%aks);
ok($t->wait_log(qr/AADSTS700024.*still being renewed/), 'what to do is told');
ok($t->wait_log(qr/denied error|configuration error/), 'it is no time-out');
project(federated());
ok(wait_until(sub { $t->get('/')->status == 200 }, 30),
   'and a new file ends it');
$t->stop;


# managed_identity in such a pod exchanges the pod's token

$e->forget;
$t->start(conf('') =~ s/workload_identity/managed_identity/r, env => \%aks);
is($t->get('/')->status, 200, 'managed_identity in a pod');
is($e->count(at => 'token', client_id => $aks{AZURE_CLIENT_ID}), 1,
   'is the workload\'s');
$t->stop;


# identity bindings: a proxy in the cluster, under another name

$e->forget;
my $proxy = 'https://127.0.0.1:' . $e->port('entra') . '/';
$t->start(conf("authority_host https://login.microsoftonline.com;"
               . "tenant_id $aks{AZURE_TENANT_ID};")
          =~ s/^entra_trusted_certificate.*;//r,
          env => { %aks, AZURE_KUBERNETES_TOKEN_PROXY => $proxy,
                   AZURE_KUBERNETES_SNI_NAME => 'proxy.ests.aks',
                   AZURE_KUBERNETES_CA_FILE => $t->{vars}{CA} });
is($t->get('/')->status, 200, 'through the proxy') or diag $t->log;
($q) = $e->requests(at => 'token');
is($q->{sni}, 'proxy.ests.aks', 'the name of its certificate')
    if exists $q->{sni};
is($q->{path}, "/$aks{AZURE_TENANT_ID}/oauth2/v2.0/token", 'path');
is($q->{host}, '127.0.0.1:' . $e->port('entra'), 'Host is the proxy\'s');

unlike($t->log, qr/eyJ/, 'no token in the log');

$t->finish;
