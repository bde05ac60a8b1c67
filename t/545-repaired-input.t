#!/usr/bin/perl

# What is wrong with a file is over when the file is right: nobody waits for
# the end of a back-off then, whatever the type, and whether the file is the
# credential's own or that of one that it asks.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use MIME::Base64 'encode_base64url';
use Time::HiRes 'time';

my $t = EntraTest->new->module;
my $e = $t->emulator;
$e->grant('AzureML Data Scientist');
my $d = $t->dir;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my $good = slurp($t->{vars}{FEDERATED_FILE});
my $secret = slurp($t->{vars}{SECRET_FILE});

# signed by the emulator's cluster, but out of its time
my $ended = join '.', (split /\./, $good)[0], encode_base64url(
    JSON::PP::encode_json({ iss => 'https://oidc.example/cluster/',
        sub => 'system:serviceaccount:default:gateway',
        aud => ['api://AzureADTokenExchange'], iat => int(time) - 7200,
        nbf => int(time) - 7200, exp => int(time) - 3600 } ));
$t->write('tbs', $ended);
$ended .= '.' . encode_base64url(
    scalar `openssl dgst -sha256 -sign $d/emulator1/federated.pem $d/tbs`);

# as the kubelet does it
my $generation = 0;
sub project {
    my ($what) = @_;
    my $dir = '..' . ++$generation;
    mkdir "$d/$_" for 'pod', "pod/$dir";
    $t->write("pod/$dir/token", $what);
    symlink $dir, "$d/pod/..new" or die $!;
    rename "$d/pod/..new", "$d/pod/..data" or die $!;
    symlink '..data/token', "$d/pod/token" unless -l "$d/pod/token";
}

system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $d/arm.key -out"
       . " $d/arm.crt -days 2 -subj /CN=localhost -addext"
       . " subjectAltName=DNS:localhost >$d/openssl.log 2>&1") == 0
    or die slurp("$d/openssl.log");
$t->write('ca.pem', slurp($t->{vars}{CA}) . slurp("$d/arm.crt"));
$t->write('workspace.json', slurp("$d/emulator1/workspace.json"));

my $lines = 'authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;';
my $up = 'upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%; policies none;';

sub location {
    my ($name) = @_;
    return "location /$name { entra_auth $name;"
        . ' proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%/echo; }';
}

project($ended);
$t->write('secret', 'wrong');
my @names = qw(secret pod chain key behalf);

$t->start(<<"EOC" . join('', map { location($_) } @names) . "}\n");
entra_trusted_certificate %%DIR%%/ca.pem;
entra_caller_token {
    tenant_id $tenant; audience $client; authority_host %%AUTHORITY%%;
}
entra_credential secret client_secret {
    $lines client_id $client; client_secret_file $d/secret;
    scope arm aml; $up
}
entra_credential pod workload_identity {
    $lines client_id %%FEDERATED_CLIENT%%; federated_token_file $d/pod/token;
    scope aml; $up
}
entra_credential chain chain { use pod; scope aml; $up }
entra_credential key endpoint_key {
    endpoint keyed; workspace $d/workspace.json; using secret;
    resource_manager https://localhost:%%PORT2%%/; $up
}
entra_credential behalf on_behalf_of {
    $lines client_id $client; client_secret_file $d/secret;
    scope https://management.azure.com/user_impersonation; $up
}
server {
    listen 127.0.0.1:%%PORT2%% ssl;
    ssl_certificate $d/arm.crt;
    ssl_certificate_key $d/arm.key;
    location / {
        proxy_set_header Host management.azure.com;
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    }
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 300ms;
    location = /entra/status { entra_status; }
EOC

my $caller = $e->mint(user => \1, scope => 'access_as_user', claims => {
    aud => $client, oid => 'alice', sub => 'alice', name => 'Alice',
    preferred_username => 'alice@example.com' });

sub ask {
    my ($name) = @_;
    return $t->get("/$name", headers => $name eq 'behalf'
                   ? [Authorization => "Bearer $caller"] : [])->status;
}

# all that is fetched ahead has failed once
ok(wait_until(sub {
    my %fails = map { $_->{credential} => $_ } grep { $_->{last_error} }
        @{ $t->status->{credentials} };
    return keys %fails >= 4;
}, 20), 'all of them fail') or diag $t->log;

my %wait = map { $_->{credential} => $_->{next_attempt_in} }
    @{ $t->status->{credentials} };
is(ask($_), 503, "$_: no token") for @names;
cmp_ok($wait{$_}, '>=', 5, "$_: and none soon") for qw(secret pod chain key);

$t->write('secret', $secret);
project($good);
my $begin = time;

for my $name (@names) {
    ok(wait_until(sub { ask($name) == 200 }, 20), "$name: a token");
    cmp_ok(time - $begin, '<', $t->seconds(4.5), "$name: without a wait")
        or diag $t->log;
}

unlike($t->log, qr/eyJ/, 'no token in the log');

$t->finish;
