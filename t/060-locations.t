#!/usr/bin/perl

# Which token goes on which request: every road a request can take through
# nginx.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;

my ($credentials, %id) = ('');
for my $name (qw(red green blue)) {
    $id{$name} = sprintf '%08x-0000-4000-8000-000000000000', 1 + keys %id;
    $e->app(client_id => $id{$name}, secrets => [{ value => 's' }]);
    $t->write('s.secret', 's');
    $credentials .= "entra_credential $name client_secret {\n"
        . " authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;\n"
        . " client_id $id{$name}; client_secret_file %%DIR%%/s.secret;\n"
        . " scope aml arm; policies none;\n"
        . " upstreams 127.0.0.1 127.0.0.2 echo.test;\n}\n";
}
my %name = reverse %id;

$t->write('site/page.shtml', '') if mkdir $t->dir('site');
$t->write('site/page.shtml',
          'a<!--#include virtual="/ssi-part" -->b');

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
$credentials
log_format vars '\$uri cred=\$entra_credential scope=\$entra_scope '
    'status=\$entra_token_status left=\$entra_token_expires_in '
    'auth=[\$entra_authorization] replayed=\$entra_replayed';
access_log %%DIR%%/vars.log vars;
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream pool { server 127.0.0.1:%%UPSTREAM%%; keepalive 4; }
upstream two { server 127.0.0.1:1 max_fails=0; server 127.0.0.1:%%UPSTREAM%%; }
map \$arg_who \$who { default ""; r red; g green; b blue; x nobody; }
map \$http_upgrade \$connection_upgrade { default upgrade; "" ""; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;

server {
    listen 127.0.0.1:%%PORT%%;
    server_name inherit;
    include %%PROXY%%;
    entra_auth red;
    root %%DIR%%/site;
    client_max_body_size 0;

    location / { proxy_pass https://echo.test; }
    location /green { entra_auth green; proxy_pass https://echo.test; }
    location /nested/ {
        entra_auth green;
        proxy_pass https://echo.test;
        location /nested/in { proxy_pass https://echo.test; }
        location /nested/blue { entra_auth blue;
                                proxy_pass https://echo.test; }
        location /nested/off {
            entra_auth off;
            proxy_pass https://echo.test;
        }
    }
    location /off { entra_auth off; proxy_pass https://echo.test; }
    location /map { entra_auth \$who; proxy_pass https://echo.test; }
    location /arm { entra_auth red scope=arm; proxy_pass https://echo.test; }
    location /block { proxy_pass https://pool; proxy_ssl_name echo.test; }
    location /variable { set \$h pool; proxy_ssl_name echo.test;
                         proxy_pass https://\$h\$request_uri; }
    location /two { proxy_pass https://two; proxy_ssl_name echo.test; }
    location /rewrite { rewrite ^/rewrite/(.*)\$ /to/\$1 break;
                        proxy_pass https://echo.test; }
    location /uri/ { proxy_pass https://echo.test/base/; }
    location /try { try_files /nothing \@named; }
    location \@named { entra_auth blue; proxy_pass https://echo.test; }
    location /named-inherit { try_files /nothing \@plain; }
    location \@plain { proxy_pass https://echo.test; }
    location /jump { return 418; error_page 418 = /green/jumped; }
    location /fails { entra_auth green; proxy_intercept_errors on;
                      error_page 500 = \@named;
                      proxy_pass https://echo.test/?status=500&; }
    location /if {
        entra_auth red;
        if (\$arg_g) { entra_auth green; proxy_pass https://echo.test; }
        proxy_pass https://echo.test;
    }
    location /ws {
        proxy_pass https://echo.test;
        proxy_http_version 1.1;
        proxy_set_header Authorization \$entra_authorization;
        proxy_set_header Upgrade \$http_upgrade;
        proxy_set_header Connection \$connection_upgrade;
    }
    location /unbuffered { proxy_request_buffering off; proxy_buffering off;
                           proxy_pass https://echo.test; }
    location /sse { proxy_buffering off; proxy_pass https://echo.test; }
    location /checked { auth_request /check; entra_auth green;
                        proxy_pass https://echo.test; }
    location = /check { internal; entra_auth blue;
                        proxy_pass https://echo.test; }
    location /mirrored { mirror /copy; entra_auth green;
                         proxy_pass https://echo.test; }
    location = /copy { internal; entra_auth off;
                       proxy_set_header X-Copy yes;
                       proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /page.shtml { entra_auth off; ssi on; default_type text/html; }
    location = /ssi-part { entra_auth blue; proxy_pass https://echo.test; }
    location /cached { proxy_cache c; proxy_cache_valid 1m;
                       entra_auth green; proxy_pass https://echo.test; }
    location /second {
        entra_auth red;
        entra_token \$aml_token green;
        proxy_set_header Authorization \$entra_authorization;
        proxy_set_header x-azureml-token \$aml_token;
        proxy_pass https://echo.test;
    }
    location = /nowhere { entra_auth red;
                          ssi on; default_type text/html;
        return 200 '[<!--#echo var="entra_authorization" default="" -->]'; }
    location = /entra/ready { entra_auth off; entra_status ready; }
    location = /entra/status { entra_auth off; entra_status; }
}
server {
    listen 127.0.0.1:%%PORT2%% http2;
    client_max_body_size 0;
    include %%PROXY%%;
    entra_auth red;
    location / { proxy_pass https://echo.test; }
    location /grpc { include %%GRPC%%; entra_auth green;
                     grpc_pass grpcs://localhost; }
}
# a gRPC service: nginx itself, which tells the echo what it got
upstream localhost { server 127.0.0.1:%%PORT3%%; }
server {
    listen 127.0.0.1:%%PORT3%% ssl http2;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    location / { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
}
EOC

$t->ready;

# whose token the upstream got: a colour, "none", or the wrong value
sub whose {
    my ($r) = @_;

    my @auth = $r->seen('authorization');
    return "$r->{status}" if $r->{status} != 200;
    return 'none' unless @auth;
    my $c = claims($auth[0]);
    return $auth[0] unless %$c;
    my $aud = $c->{aud} eq 'https://ml.azure.com' ? '' : " $c->{aud}";
    return join ' ', ($name{ $c->{appid} } // '?') . $aud,
        @auth > 1 ? 'twice' : ();
}

my %want = (
    '/' => 'red', '/green/x' => 'green', '/nested/x' => 'green',
    '/nested/in' => 'green', '/nested/blue' => 'blue',
    '/map?who=r' => 'red', '/map?who=g' => 'green', '/map?who=b' => 'blue',
    '/map?who=x' => 403, '/map' => 403,
    '/arm' => 'red https://management.azure.com',
    '/block' => 'red', '/variable?x=1' => 'red', '/two' => 'red',
    '/rewrite/a' => 'red', '/uri/x' => 'red', '/try' => 'blue',
    '/named-inherit' => 'red', '/jump' => 'green', '/fails' => 'blue',
    '/if' => 'red', '/if?g=1' => 'green', '/unbuffered' => 'red',
    '/checked' => 'green', '/mirrored' => 'green', '/cached' => 'green',
    '/second' => 'red',
);
for my $uri (sort keys %want) {
    is(whose($t->get($uri)), $want{$uri}, "$uri: $want{$uri}");
}
for my $uri ('/off', '/nested/off') {
    is(whose($t->get($uri)), 'none', "$uri: no token");
    is(whose($t->get($uri, headers => [Authorization => 'Bearer x'])), 'none',
       "$uri: nor the client's, as the header is set");
}
is($t->get('/rewrite/a?b')->json->{target}, '/to/a?b', 'a rewritten path');
is($t->get('/uri/x?y')->json->{target}, '/base/x?y', 'a replaced prefix');

my $r = $t->get('/map?who=x');
is($r->status, 403, 'an unknown name is refused');
like($r->header('content-type'), qr{^application/problem\+json}, 'a problem');
is($r->header('x-content-type-options'), 'nosniff', 'nothing else');
is($r->header('cache-control'), 'no-store', 'not to be kept');
unlike($r->body, qr/nobody|\bred\b|green/, 'that names no credential');

# the client's own
for my $h (['Authorization', 'Bearer evil'], ['authorization', 'Basic evil'],
           ['AUTHORIZATION', 'x'])
{
    is(whose($t->get('/', headers => $h)), 'red', "$h->[0] is replaced");
}
is($t->get('/', headers => [Authorization => 'a', Authorization => 'b'])
   ->status, 400, 'two are refused by nginx');

# subrequests
my $n = $e->count;
$t->get('/checked');
my @r = $e->requests(at => 'upstream', since => $n);
is(scalar(grep { $_->{path} eq '/check' } @r), 1, 'auth_request was made');
$t->get('/mirrored', body => 'abc');
ok(wait_until(sub { grep { $_->{listener} eq 'upstream_plain' }
                    $e->requests(at => 'upstream') }), 'a mirror was made');
my ($copy) = grep { $_->{listener} eq 'upstream_plain' }
    $e->requests(at => 'upstream');
is_deeply([sent($copy, 'authorization')], [], 'and got no token');
$r = $t->get('/page.shtml');
like($r->body, qr/^a\{.*\}b/s, 'SSI');
($r) = $e->requests(at => 'upstream', path => '/ssi-part');
ok((grep { /^Bearer / } sent($r, 'authorization')),
   'with the token of its own location');

# bodies
for my $size (0, 1, 100_000, 3_000_000) {
    my $body = join '', map { chr 33 + $_ % 90 } 1 .. $size;
    for my $uri ('/', '/unbuffered', '/rewrite/b') {
        my $j = $t->http(uri => $uri, body => $body)->json;
        is($j->{body_length}, $size, "$uri: a body of $size bytes");
    }
}
is($t->http(uri => '/', method => 'POST', headers => [
       'Transfer-Encoding' => 'chunked'], body => "3\r\nabc\r\n0\r\n\r\n")
   ->json->{body}, 'abc', 'a chunked body');
is($t->http(uri => '/', method => 'PATCH', body => 'p')->json->{method},
   'PATCH', 'the method is kept');

# connections to the upstream are used again, with the right token on each
$t->get('/block') for 1 .. 10;
my @nth = map { $_->{nth_on_connection} }
    $e->requests(at => 'upstream', path => '/block', last => 10);
cmp_ok((sort { $b <=> $a } @nth)[0], '>', 1, 'keepalive to the upstream');

# cached answers: no second request, no token needed
$n = $e->count(at => 'upstream', path => '/cached');
is($t->get('/cached')->status, 200, 'a cached answer');
is($e->count(at => 'upstream', path => '/cached'), $n, 'is one');

# a second token
$r = $t->get('/second');
my ($aml) = $r->seen('x-azureml-token');
like($aml // '', qr/^[^. ]+\.[^. ]+\.[^. ]+$/, 'a second token, bare');
is(claims($aml)->{appid}, $id{green}, "of its own credential");
is($t->get('/', headers => ['x-azureml-token' => 'evil'])
   ->seen('x-azureml-token'), 0, "a client's does not pass");

# WebSocket
my $s = EntraTest::HTTP::connect_to(port => $t->port);
syswrite $s, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    . "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
$r = EntraTest::HTTP::read_response($s);
is($r && $r->status, 101, 'WebSocket upgrade');
is($r && $r->header('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
   'the handshake is right');
syswrite $s, 'both ways';
my $got = '';
wait_until(sub { my $b = ''; vec($b, fileno $s, 1) = 1;
    select($b, undef, undef, 0.1) and sysread $s, $got, 100, length $got;
    length $got >= 9 }, 5);
is($got, 'both ways', 'bytes pass');
close $s;
($r) = $e->requests(at => 'upstream', path => '/ws');
ok((grep { /^Bearer / } sent($r, 'authorization')), 'with a token');

# events as they come
$s = EntraTest::HTTP::connect_to(port => $t->port);
syswrite $s, "GET /sse?sse=3&interval=1 HTTP/1.1\r\nHost: x\r\n"
    . "Connection: close\r\n\r\n";
$got = '';
my $first;
wait_until(sub { my $b = ''; vec($b, fileno $s, 1) = 1;
    select($b, undef, undef, 0.1) or return 0;
    my $n = sysread $s, $got, 65536, length $got;
    $first //= $got =~ /"n": 0/ && $got !~ /"n": 2/ if $got =~ /"n": 0/;
    return !$n }, 10);
ok($first, 'server-sent events are not held back');
like($got, qr/\[DONE\]/, 'to the end');

# HTTP/2 and gRPC
SKIP: {
    my $v = `curl --version 2>/dev/null`;
    skip 'curl without HTTP/2', 4 unless $v =~ /HTTP2/;
    skip 'nginx without HTTP/2', 4 unless
        `$t->{nginx} -V 2>&1` =~ /http_v2/;
    $r = $t->curl('--http2-prior-knowledge', '-H', 'Authorization: Basic x',
                  '-d', 'body', 'http://127.0.0.1:%%PORT2%%/x');
    is(whose($r), 'red', 'HTTP/2 client');
    is($r->json->{body}, 'body', 'with a body');
    $t->write('large', 'x' x 300_000);
    my @h2 = map { $t->curl('--http2-prior-knowledge', '-d', '@%%DIR%%/large',
                            'http://127.0.0.1:%%PORT2%%/x') } 1 .. 2;
    is($h2[1]->json->{body_length}, 300_000, 'and a large one');
    $r = $t->curl('--http2-prior-knowledge', '-H', 'te: trailers',
                  '-H', 'content-type: application/grpc',
                  '-d', 'frame', 'http://127.0.0.1:%%PORT2%%/grpc.Service/M');
    is(whose($r), 'green', 'gRPC');
}

# variables
is($t->get('/nowhere')->body, '[]',
   'the token is nothing without an upstream request');
my $log = EntraTest::slurp($t->dir('vars.log'));
like($log, qr{^/green/x\ cred=green\ scope=https://ml.azure.com/.default }m,
     'variables in the log');
like($log, qr{^/green/x .* status=HIT left=\d+ auth=\[-?\] replayed=}m,
     'all of them');
unlike($log, qr/Bearer|eyJ/, 'never the token');
like($log, qr{^/arm .*scope=https://management}m, 'the scope in use');
like($log, qr{^/off cred=-? }m, 'none where it is off');
like($log, qr{^/map .*status=BLOCKED}m, 'BLOCKED where refused');

$t->finish;
