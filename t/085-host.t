#!/usr/bin/perl

# Front ends choose the service by Host: it is part of the egress guard, and
# the upstream gets one Host and one Authorization, those that were checked.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->need('http_ssl_module')->module;
my $e = $t->emulator;
my $h2 = `$t->{nginx} -V 2>&1` =~ /http_v2_module/;

my $credentials = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1 echo.test *.good.test http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_credential narrow client_secret {
    %%CREDENTIAL%%
    scope arm;
    upstreams 127.0.0.1;
    policies none;
}
upstream block { server 127.0.0.1:%%UPSTREAM%%; }
upstream second { server 127.0.0.1:%%UPSTREAM%%; }
EOC

sub location {
    my ($lines) = @_;
    return $credentials . <<"END";
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    location / {
        entra_auth app;
$lines
        proxy_pass https://block;
    }
}
END
}

# what nginx -t knows
for my $case (
    ['proxy_set_header Host evil.test;', qr/"Host: evil\.test".*upstreams.*:27$/m],
    ['proxy_set_header Host evil.test:443;', qr/"Host: evil\.test:443".*:27$/m],
    ['proxy_set_header host EVIL.test;', qr/"Host: EVIL\.test".*:27$/m],
    ['proxy_set_header Host second;', qr/"Host: second"/],
    ['proxy_set_header Host "";', qr/"Host: ".*:27$/m],
    ["proxy_set_header Host echo.test;\nproxy_set_header Host \$host;",
     qr/header "Host" more than once.*:28$/m],
    ["proxy_set_header Authorization \$entra_authorization;\n"
     . 'proxy_set_header authorization "Bearer abc";',
     qr/header "Authorization" more than once.*:28$/m],
    ["proxy_set_header Authorization 'Bearer abc';\n"
     . 'proxy_set_header Authorization $entra_authorization;',
     qr/header "Authorization" more than once.*:27$/m],
    ["include %%PROXY%%;\nproxy_set_header Authorization 'Bearer abc';",
     qr/header "Authorization" more than once.*:28$/m],
    ['proxy_set_header Host echo.test;', undef],
    ['proxy_set_header Host a.b.good.test;', undef],
    ['proxy_set_header Host ECHO.test:443;', undef],
    ['proxy_set_header Host block;', undef],
    ['proxy_set_header Host $proxy_host;', undef],
    ['proxy_set_header Host $http_host;', undef],
    ["proxy_set_header Authorization \$entra_authorization;\n"
     . 'proxy_set_header Authorization "";', undef],
) {
    my ($lines, $want) = @$case;
    my $name = $lines =~ s/\n/ /r;
    my ($ok, $out) = $t->check(location($lines));
    ok($want ? !$ok : $ok, "$name: " . ($want ? 'refused' : 'passes'))
        or diag $out;
    like($out, $want, "$name: says what and where") if $want;
}
# without a token it is nobody's business
my ($ok, $out) = $t->check(<<'EOC');
server { listen 127.0.0.1:%%PORT%%;
         proxy_set_header Host a.test; proxy_set_header Host $host;
         proxy_set_header Authorization a; proxy_set_header Authorization b;
         location / { proxy_pass http://127.0.0.1:1; } }
EOC
ok($ok, 'a location without entra_auth') or diag $out;

# at run time
my $grpc = $h2 ? <<'EOC' : '';
server {
    listen 127.0.0.1:%%PORT2%% http2;
    include %%GRPC%%;
    entra_auth app;
    grpc_ssl_name localhost;
    location / { grpc_set_header Host $http_x_name;
                 grpc_set_header Authorization $entra_authorization;
                 grpc_pass grpcs://127.0.0.1:%%PORT3%%; }
}
server {
    listen 127.0.0.1:%%PORT3%% ssl http2;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    location / { return 200 "[$http_host]"; }
}
EOC
$t->start($credentials . <<"EOC");
map \$request_id \$other { default \$arg_h; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    proxy_ssl_name echo.test;
    proxy_set_header Host \$http_host;
    location / { proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location /plain { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /arg { proxy_set_header Authorization \$entra_authorization;
                    proxy_set_header Host \$other;
                    proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location /two { entra_token \$t2 narrow;
                    proxy_set_header Authorization \$entra_authorization;
                    proxy_set_header Host \$arg_h;
                    proxy_set_header X-Two \$t2;
                    proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location /block { proxy_set_header Authorization \$entra_authorization;
                      proxy_set_header Host \$arg_h;
                      proxy_pass https://block; }
    location /off { entra_auth off;
                    proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location /default { proxy_set_header Authorization \$entra_authorization;
                        proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
$grpc
EOC
ok(wait_until(sub { $t->get('/entra/ready', host => 'a')->status == 200 }),
   'ready');

sub arrived { return $e->count(at => 'upstream') }

for my $path ('/', '/plain') {
    for my $host ('evil.test', 'evil.test:443', 'good.test', 'echo.test.evil',
                  '[::1]', 'localhost', '127.0.0.1.evil.test', 'block')
    {
        my $before = arrived();
        my $r = $t->get($path, host => $host);
        is($r->status, 500, "$path with Host $host");
        is(arrived(), $before, 'and no byte was sent');
    }
    for my $host ('echo.test', 'ECHO.test', 'echo.test:443', 'a.good.test',
                  '127.0.0.1')
    {
        my $r = $t->get($path, host => $host);
        is($r->status, 200, "$path with Host $host");
        is(join(',', $r->seen('host')), $host, 'which arrived, once');
        is(scalar(() = $r->seen('authorization')), 1, 'with one token');
    }
}
like($t->log, qr/the token of credential "app" does not go to "evil\.test": Host/,
     'the log says why');

is($t->get('/block?h=block')->status, 200, 'the upstream block itself');
is($t->get('/block?h=second')->status, 500, 'and not another one');

is($t->get('/arg?h=evil.test')->status, 500, 'whatever holds the name');
is($t->get('/arg?h=')->status, 500, 'none at all');
is($t->get('/arg?h=a.good.test')->status, 200, 'a good one');
is($t->get('/two?h=echo.test')->status, 500,
   'each token has its own upstreams');
is($t->get('/two?h=127.0.0.1')->status, 200, 'a host of both');
is($t->get('/off', host => 'evil.test')->status, 200, 'without a token');
is(join(',', $t->get('/off', host => 'evil.test')->seen('host')), 'evil.test',
   'it is as it was');
is($t->get('/default', host => 'evil.test')->status, 200,
   "nginx's own Host is the upstream's");

SKIP: {
    skip 'nginx has no HTTP/2', 2 unless $h2;
    for my $case (['evil.test', 500], ['echo.test', 200]) {
        my $r = $t->curl('--http2-prior-knowledge', '-H',
                         "X-Name: $case->[0]", 'http://127.0.0.1:%%PORT2%%/');
        is($r->status, $case->[1], "gRPC: $case->[0]");
    }
}

$t->finish;
