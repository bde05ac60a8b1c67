#!/usr/bin/perl

# endpoint_key and endpoint_token through a real nginx: who asks Resource
# Manager, what the endpoint receives, keys that are regenerated, tokens that
# are refreshed when their answer says so.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->need('http_ssl_module')->module;
my $e = $t->emulator(settings => { aml_token_lifetime => 3600 });
$e->grant('AzureML Data Scientist');
my $d = $t->dir;
my $base = '/subscriptions/99999999-9999-4999-8999-999999999999/'
    . 'resourceGroups/rg/providers/Microsoft.MachineLearningServices/'
    . 'workspaces/ws';

$t->write('workspace.json', slurp("$d/emulator1/workspace.json"));

# Resource Manager under a name that resolves here: a server of this nginx
# gives requests their Host
system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $d/arm.key -out"
       . " $d/arm.crt -days 2 -subj /CN=localhost -addext"
       . " subjectAltName=DNS:localhost >$d/openssl.log 2>&1") == 0
    or die slurp("$d/openssl.log");
$t->write('ca.pem', slurp($t->{vars}{CA}) . slurp("$d/arm.crt"));

my $common = 'policies none; upstreams 127.0.0.1 *.inference.ml.azure.com;';
my $ask = 'workspace %%DIR%%/workspace.json; using control;'
    . ' resource_manager https://localhost:%%PORT2%%/;';

my $key_files = '';
my $using = '%%CREDENTIAL%%';

sub conf {
    return <<"EOC";
entra_trusted_certificate %%DIR%%/ca.pem;
entra_connect_timeout 20s;      # the other end is this nginx, under valgrind
entra_fetch_timeout 30s;
entra_credential keyed endpoint_key { endpoint keyed; $ask $common }
entra_credential tokened endpoint_token { endpoint tokened; $ask $common }
entra_credential control client_secret {
    $using
    scope arm; preload off; policies none;
}
$key_files
# one for each name: nginx keeps TLS sessions by peer
upstream ml { server 127.0.0.1:%%UPSTREAM%%; }
upstream ml2 { server 127.0.0.1:%%UPSTREAM%%; }
map \$uri \$host_of {
    ~^/tokened  tokened.westeurope.inference.ml.azure.com;
    default     keyed.westeurope.inference.ml.azure.com;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    proxy_set_header Host \$host_of;
    proxy_ssl_name \$host_of;
    entra_wait 30s;
    location /keyed/ { entra_auth keyed; proxy_pass https://ml/score; }
    location /tokened/ { entra_auth tokened; proxy_pass https://ml2/score; }
    location /files/ {
        entra_auth files;
        proxy_pass https://ml/score;
    }
    location = /entra/status { entra_status; }
}
server {
    listen 127.0.0.1:%%PORT2%% ssl;
    server_name localhost;
    ssl_certificate %%DIR%%/arm.crt;
    ssl_certificate_key %%DIR%%/arm.key;
    location / {
        proxy_set_header Host management.azure.com;
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    }
}
EOC
}

sub arm { return $e->requests(at => 'upstream.arm', @_) }

sub regenerate {
    my ($which) = @_;
    my $token = $e->mint(claims => { aud => 'https://management.azure.com' });
    my $r = $t->http(port => $e->port('upstream_plain'), method => 'POST',
        uri => "$base/onlineEndpoints/keyed/regenerateKeys?api-version=1",
        headers => [Host => 'management.azure.com',
                    'Content-Type' => 'application/json',
                    Authorization => "Bearer $token"],
        body => "{\"keyType\":\"$which\"}");
    die "regenerate: $r->{status} $r->{body}" if $r->status >= 300;
}

sub keys {
    my $token = $e->mint(claims => { aud => 'https://management.azure.com' });
    return @{ $t->http(port => $e->port('upstream_plain'), method => 'POST',
        uri => "$base/onlineEndpoints/keyed/listKeys?api-version=1",
        headers => [Host => 'management.azure.com',
                    Authorization => "Bearer $token",
                    'Content-Length' => 0])->json }
        {qw(primaryKey secondaryKey)};
}

my @keys = &keys;
$e->forget;

$key_files = "entra_credential files endpoint_key { key_file $d/k1 $d/k2;"
    . " $common }";
$t->write('k1', "stale\n");
$t->write('k2', "$keys[1]\n");
$t->start(conf());


# asked for

my $r = $t->http(uri => '/keyed/', method => 'POST', body => '{"data":[]}',
                 headers => [Authorization => 'Bearer mine']);
is($r->status, 200, 'key: an answer') or diag $t->log;
my @q = arm(path => "$base/onlineEndpoints/keyed");
is(scalar @q, 1, 'key: Resource Manager was asked once');
is($q[0]{path}, "$base/onlineEndpoints/keyed/listKeys", 'key: for what');
is($q[0]{method}, 'POST', 'key: how');
my %header = map { lc $_->[0] => $_->[1] } @{ $q[0]{headers} };
is($header{'content-length'}, '0', 'key: without a body');
is($header{authorization}, undef, 'key: its token is not recorded')
    if !exists $header{authorization};

is($t->http(uri => '/tokened/', method => 'POST', body => '{}')->status, 200,
   'token: an answer') or diag $t->log;
@q = arm(path => "$base/onlineEndpoints/tokened");
is($q[0]{path}, "$base/onlineEndpoints/tokened/token", 'token: from where');

my $c = $t->credential('tokened');
cmp_ok($c->{expires_in}, '>', 3500, 'token: its life');
cmp_ok($c->{refresh_in}, '<', 2701, 'token: refreshed as its answer says');
$c = $t->credential('keyed');
cmp_ok($c->{refresh_in}, '<', 3601, 'key: looked at again in an hour');
cmp_ok($c->{expires_in}, '>', 86400, 'key: and kept for longer');

my @many = $t->many(100, uri => '/keyed/', method => 'POST', body => '{}');
is(scalar(grep { $_->status == 200 } @many), 100, 'a hundred requests')
    or diag join ' ', map { $_->status . $_->body } grep { $_->status != 200 }
        @many;
is(scalar(arm(path => "$base/onlineEndpoints/keyed")), 1, 'ask for nothing');


# regenerated: the next request is answered with the new one

regenerate('Primary');
$e->forget;
@many = $t->many(50, uri => '/keyed/', method => 'POST', body => '{"a":1}');
is(scalar(grep { $_->status == 200 } @many), 50, 'regenerated: healed');
is(scalar(arm(path => "$base/onlineEndpoints/keyed")), 1,
   'by one request');


# files: the first is refused, the second is used; then the first is renewed

$r = $t->http(uri => '/files/', method => 'POST', body => '{}');
is($r->status, 200, 'files: the other one') or diag $r->body;

regenerate('Secondary');
@keys = &keys;
$t->write('k1', "$keys[0]\n");
ok(wait_until(sub {
    $t->http(uri => '/files/', method => 'POST', body => '{}')->status == 200
}, 10), 'files: a changed one is used');


# a short-lived token is refreshed ahead, at its refreshAfterTimeUtc

$e->settings(aml_token_lifetime => 8);
$t->stop;
$t->start;
$e->forget;
my $load = $t->load('/tokened/', method => 'POST', body => '{}', clients => 2,
                    pause => 0.05);
ok(wait_until(sub {
    @q = arm(path => "$base/onlineEndpoints/tokened");
    return @q >= 3;
}, 40), 'token: asked for again and again');
my $done = $load->stop;
is($done->{failed}, 0, 'token: and no request notices')
    or diag join "\n", @{ $done->{bad} };
cmp_ok($q[-1]{time} - $q[-2]{time}, '<', 7.9, 'token: before it expires');
cmp_ok($q[-1]{time} - $q[-2]{time}, '>', 3, 'token: and not at once');
is($t->credential('tokened')->{upstream}{401}, 0, 'token: without a 401');


# refused

$t->stop;
$using = 'authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;'
    . ' client_id %%WEAK_CLIENT%%; client_secret_file %%SECRET_FILE%%;';
$t->start(conf() =~ s/entra_wait 30s/entra_wait 300ms/r);
is($t->get('/keyed/')->status, 503, 'no right to the keys');
ok($t->wait_log(qr{AuthorizationFailed.*listKeys/action}s),
   'the log names the action');
$t->stop;

$t->refuses('no endpoint', conf() =~ s/endpoint keyed;//r,
            qr/"endpoint" is missing/);
$t->refuses('using nobody', conf() =~ s/using control/using nobody/r,
            qr/"using nobody" names no entra_credential/);
$t->refuses('a scope', conf() =~ s/entra_auth files/$& scope=aml/r,
            qr/scope/);

like($t->log, qr/entra credential "files": got a token for/,
     'its line in the log, without a scope that it has not');
unlike($t->log, qr/keys of callers' tokens/, 'and is not taken for another');
unlike($t->log, qr/eyJ|\Q$keys[0]\E|\Q$keys[1]\E/, 'no key in the log');

$t->finish;
