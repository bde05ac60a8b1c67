#!/usr/bin/perl

# managed_identity through a real nginx: each source that the environment can
# name, what it was asked, and whose token the upstream received.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->module;

my $arc = '/var/opt/azcmagent/tokens';
my $had_arc = -d $arc;

my $e = $t->emulator;
my $local = 'http://127.0.0.1:' . $e->port('identity');
my $secret = 'emulator-identity-header';
my $system = 'f0000000-0000-4000-8000-000000000001';
my %user = (
    client_id   => 'f1000000-0000-4000-8000-000000000001',
    object_id   => 'f1000000-0000-4000-8000-000000000002',
    resource_id => '/subscriptions/99999999-9999-4999-8999-999999999999'
        . '/resourceGroups/rg/providers/Microsoft.ManagedIdentity'
        . '/userAssignedIdentities/gateway');

my %env = (
    fabric => { IDENTITY_ENDPOINT => 'https://localhost:'
                    . $e->port('identity_tls')
                    . '/sf/metadata/identity/oauth2/token',
                IDENTITY_HEADER => $secret,
                IDENTITY_SERVER_THUMBPRINT =>
                    $e->info('sha1') =~ s/(..)(?=.)/$1:/gr },
    app    => { IDENTITY_ENDPOINT => "$local/appservice/msi/token",
                IDENTITY_HEADER => $secret },
    aml    => { MSI_ENDPOINT => "$local/aml/msi/token",
                MSI_SECRET => $secret },
    shell  => { MSI_ENDPOINT => "$local/cloudshell/oauth2/token" },
    arc    => { IDENTITY_ENDPOINT =>
                    "$local/arc/metadata/identity/oauth2/token",
                IMDS_ENDPOINT => $local },
    imds   => { AZURE_POD_IDENTITY_AUTHORITY_HOST => "$local/" },
);

sub conf {
    my ($lines, $wait) = @_;
    $wait //= '10s';
    return <<"EOC";
entra_trusted_certificate %%CA%%;
# nobody listens there: whatever is asked through it fails
entra_http_proxy http://127.0.0.1:1;
entra_credential mi managed_identity {
    $lines
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait $wait;
    location / { entra_auth mi; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
}
EOC
}

# one nginx with this environment: the client id in the upstream's token, and
# the request of the source
sub run {
    my ($name, $lines, $what) = @_;

    my $env = ref $name ? $name : $env{$name};
    $e->forget;
    $t->start(conf($lines), env => $env);
    my $r = $t->get('/');
    is($r->status, 200, "$what: an answer") or diag $t->log;
    my @asked = $e->requests(at => 'identity');
    my $claims = claims($r);
    like($claims->{aud}, qr{^https://ml\.azure\.com}, "$what: audience");
    my $status = $t->status->{credentials}[0];
    ok(defined $t->stop, "$what: nginx stops");
    return ($claims->{appid} // $claims->{azp}, $asked[-1], $asked[0],
            scalar @asked, $status);
}

sub header { return join ',', sent(@_) }


# each source, its system-assigned identity

my ($id, $q) = run('app', '', 'App Service');
is($id, $system, 'App Service: whose token');
is(header($q, 'x-identity-header'), $secret, 'App Service: its header');
is($q->{query}{'api-version'}, '2019-08-01', 'App Service: version');
is($q->{query}{resource}, 'https://ml.azure.com', 'App Service: resource');

($id, $q) = run('aml', '', 'Azure ML');
is($id, $system, 'Azure ML: whose token');
is(header($q, 'secret'), $secret, 'Azure ML: its header');
is($q->{query}{'api-version'}, '2017-09-01', 'Azure ML: version');

($id, $q) = run({ %{ $env{aml} },
                  DEFAULT_IDENTITY_CLIENT_ID => $user{client_id} }, '',
                'Azure ML, default identity');
is($id, $user{client_id}, 'Azure ML: the default identity');
is($q->{query}{clientid}, $user{client_id}, 'Azure ML: clientid');

($id, $q) = run('shell', '', 'Cloud Shell');
is($id, $system, 'Cloud Shell: whose token');
is($q->{method}, 'POST', 'Cloud Shell: method');

($id, $q) = run('fabric', '', 'Service Fabric');
is($id, $system, 'Service Fabric: whose token, from a pinned server');
is($q->{listener}, 'identity_tls', 'Service Fabric: over TLS');

($id, $q) = run('imds', '', 'IMDS');
is($id, $system, 'IMDS: whose token');
is(header($q, 'metadata'), 'true', 'IMDS: Metadata');
is(header($q, 'x-forwarded-for'), '', 'IMDS: no proxy header');


# user-assigned ones, in each source's own words

for (['imds', 'client_id', 'client_id'], ['imds', 'object_id', 'object_id'],
     ['imds', 'resource_id', 'msi_res_id'], ['app', 'client_id', 'client_id'],
     ['app', 'object_id', 'object_id'], ['app', 'resource_id', 'mi_res_id'],
     ['aml', 'client_id', 'clientid']) {
    my ($source, $kind, $word) = @$_;
    ($id, $q) = run($source, "$kind $user{$kind};", "$source by $kind");
    is($id, $user{client_id}, "$source by $kind: whose token");
    is($q->{query}{$word}, $user{$kind}, "$source by $kind: $word");
}


# what cannot be is known at nginx -t

sub refused {
    my ($env, $lines, $want) = @_;
    $t->refuses($want, conf($lines), $want, env => $env{$env} // $env);
}

refused(shell  => 'client_id a;', qr/Cloud Shell knows only the identity/);
refused(fabric => 'object_id a;', qr/Service Fabric chooses the identity/);
refused(aml    => 'resource_id /a;', qr/finds identities by client id only/);
refused(imds   => 'client_id a; object_id b;',
        qr/client_id and object_id are mutually exclusive/);
refused({ MSI_ENDPOINT => 'nothing' }, '', qr/MSI_ENDPOINT is not a URL/);


# another certificate than the pinned one

$t->expect(qr/Service Fabric/);
$t->start(conf('', '200ms'), env => { %{ $env{fabric} },
    IDENTITY_SERVER_THUMBPRINT => '0' x 40 });
is($t->get('/')->status, 503, 'a server with another thumbprint');
ok($t->wait_log(qr/Service Fabric: /), 'is in the log');
unlike($t->log, qr/\Q$secret/, 'without the secret');
$t->stop;


# IMDS that is not ready yet, and one that refuses

$e->forget;
$e->fault({ at => 'identity', status => 404, json => {}, times => 1 },
          { at => 'identity', status => 429, json => {}, times => 1 });
$t->start(conf(''), env => $env{imds});
is($t->get('/')->status, 200, 'after a 404 and a 429');
is($e->count(at => 'identity'), 3, 'three requests');
$t->stop;
$e->clear_faults;

$t->start(conf('client_id 00000000-0000-0000-0000-000000000000;',
               '200ms'),
          env => $env{imds});
is($t->get('/')->status, 503, 'an identity that is not assigned');
ok($t->wait_log(qr/Identity not found; assign this user-assigned identity/),
   'what to do is in the log');
$t->stop;


# life of a day: refreshed after half of it

my $status;
(undef, undef, undef, undef, $status) = run('imds', '', 'refresh');
cmp_ok($status->{expires_in}, '>', 86000, 'a day');
cmp_ok($status->{refresh_in}, '<', 43201, 'refreshed before its half');
cmp_ok($status->{refresh_in}, '>', 38000, 'but not much');


# Azure Arc reads the agent's directory, which only root can make

SKIP: {
    skip 'not root: no token directory of an Arc agent', 8 if $> != 0;

    ($id, $q, my $first, my $n) = run('arc', '', 'Arc');
    is($id, $system, 'Arc: whose token');
    is($n, 2, 'Arc: challenged');
    is(header($first, 'authorization'), '', 'Arc: nothing at first');
    like(header($q, 'authorization'), qr/^Basic [0-9a-f]{64}$/,
         'Arc: the content of the key file');

    ($id, $q) = run('arc', "client_id $user{client_id};", 'Arc, client id');
    is($id, $user{client_id}, 'Arc: a user-assigned identity');

    $e->fault({ at => 'identity', unset => ['client_id'] });
    $t->start(conf("client_id $user{client_id};", '200ms'),
              env => $env{arc});
    is($t->get('/')->status, 503, 'Arc: an answer that does not name it');
    ok($t->wait_log(qr/without saying that it is of the user-assigned/),
       'Arc: is not used');
    $t->stop;
    $e->clear_faults;

    $e->fault({ at => 'identity', status => 401, headers =>
                { 'WWW-Authenticate' => 'Basic realm=/etc/passwd' } });
    $t->start(conf('', '200ms'), env => $env{arc});
    is($t->get('/')->status, 503, 'Arc: a challenge for another file');
    ok($t->wait_log(qr/names a file that is not in/), 'Arc: is not answered');
    $t->stop;
    $e->clear_faults;
}

END {
    if (defined $arc && !$had_arc && $> == 0) {
        unlink glob "$arc/*.key";
        rmdir $_ for $arc, '/var/opt/azcmagent';
    }
}

unlike($t->log, qr/eyJ/, 'no token in the log');

$t->finish;
