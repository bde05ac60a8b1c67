#!/usr/bin/perl

# The decision is bound to the token: whatever way a request takes through
# nginx, a caller that the policies deny gets no token onto any request.
#
# The caller's address is inside or outside of a named location; each road is
# taken by both.  What counts is what the upstreams received.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes 'sleep';

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $built = `$t->{nginx} -V 2>&1`;
my $slice = $built =~ /http_slice/;
my $addition = $built =~ /http_addition/;
my $h2 = $built =~ /http_v2/ && `curl --version 2>/dev/null` =~ /HTTP2/;

mkdir $t->dir('site');
mkdir $t->dir('origin');
chmod 0755, $t->dir($_) for qw(site origin);
$t->write('site/page.shtml', '[<!--#include virtual="/part" -->]');
$t->write('site/stub.shtml', '<!--#block name="s" -->none<!--#endblock -->'
          . '[<!--#include virtual="/part" stub="s" -->]');
$t->write('site/set.shtml',
          '<!--#include virtual="/part" set="v" --><!--#echo var="v" -->');
$t->write('site/plain.txt', 'plain');
$t->write('site/index.cred', 'x');
$t->write('origin/slices', join '', map { sprintf "%09d\n", $_ } 1 .. 30);

my $conf = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_named_location inside { 10.0.0.0/8; }
entra_policy inside { locations inside; grant; }
entra_policy outside { locations any except inside; block; }
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1 http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies inside outside;
}
entra_credential second client_secret {
    %%CREDENTIAL%%
    scope arm;
    upstreams 127.0.0.1;
    policies inside;
}
entra_credential anybody client_secret {
    %%CREDENTIAL%%
    scope storage;
    upstreams 127.0.0.1;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; keepalive 4; }
upstream localhost { server 127.0.0.1:%%PORT3%%; }
map $arg_c $which { default app; a anybody; }
map $http_upgrade $upgrade { default upgrade; "" ""; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
log_format origin '$http_range|$http_authorization';
set_real_ip_from 127.0.0.1;
real_ip_header X-Real-IP;

server {
    listen 127.0.0.1:%%PORT%%;
    root %%DIR%%/site;
    include %%PROXY%%;
    proxy_set_header Host echo.test;
    proxy_ssl_name echo.test;
    client_max_body_size 0;
    ssi_types text/plain;

    # the way in front
    location /plain { entra_auth app; proxy_pass https://echo.test; }
    location /variable { entra_auth $which; proxy_pass https://echo.test; }
    location /two { entra_auth anybody; entra_token $other second;
                    proxy_set_header Authorization $entra_authorization;
                    proxy_set_header Host echo.test;
                    proxy_set_header X-Other $other;
                    proxy_pass https://echo.test; }
    location /only-second { entra_token $third second;
                            proxy_set_header Host echo.test;
                            proxy_set_header Authorization "";
                            proxy_set_header X-Other $third;
                            proxy_pass https://echo.test; }
    location /added { entra_auth anybody; entra_policies inside;
                      proxy_pass https://echo.test; }

    # access rules of nginx
    location /satisfy { satisfy any; allow all; entra_auth app;
                        proxy_pass https://echo.test; }
    location /allowed-check { satisfy any; allow all; deny all;
                              auth_request /yes; entra_auth app;
                              proxy_pass https://echo.test; }
    location = /yes { internal; return 204; }

    # subrequests
    location /auth { auth_request /check; root %%DIR%%/site;
                     rewrite ^ /plain.txt break; }
    location /auth2 { auth_request /check; try_files /plain.txt =404; }
    location = /check { internal; entra_auth app;
                        proxy_pass_request_body off;
                        proxy_pass https://echo.test; }
    location /mirrored { mirror /copy;
                         proxy_set_header Authorization "";
                         proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /mirror-file { mirror /copy; mirror_request_body off;
                            try_files /plain.txt =404; }
    location /mirror-second { mirror /copy; entra_auth app;
                              proxy_pass https://echo.test; }
    location = /copy { internal; entra_auth app;
                       proxy_pass https://echo.test$request_uri; }
    location ~ \.shtml$ { ssi on; }
    location = /part { entra_auth app; proxy_pass https://echo.test; }
    #ADDITION

    # other locations
    location /error-page { error_page 403 404 = /plain/error;
                           try_files /nothing =404; }
    location /error-named { error_page 418 = @named; return 418; }
    location /error-again { entra_auth app; error_page 403 = /plain/again;
                            proxy_pass https://echo.test; }
    location /error-loop { entra_auth app; error_page 403 = /error-loop/x;
                           recursive_error_pages on;
                           proxy_pass https://echo.test; }
    location /error-off { entra_auth app; error_page 403 = @off;
                          proxy_pass https://echo.test; }
    location @off { entra_auth off;
                    proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location @named { entra_auth app; proxy_pass https://echo.test; }
    location /upstream-error { proxy_intercept_errors on;
                               error_page 500 = @named;
                               proxy_set_header Authorization "";
                               proxy_pass
                          http://127.0.0.1:%%UPSTREAM_PLAIN%%/?status=500&; }
    location /rewrite-last { rewrite ^ /plain/last last; }
    location /rewrite-break { entra_auth app; rewrite ^ /to/break break;
                              proxy_pass https://echo.test; }
    location /try { try_files /nothing @named; }
    location /try-uri { try_files /nothing /plain/try; }
    location /try-file { entra_auth app; try_files /plain.txt =404;
                         proxy_pass https://echo.test; }
    location /index/ { alias %%DIR%%/site/; index index.cred; }
    location ~ \.cred$ { entra_auth app; proxy_pass https://echo.test; }
    location /accel { proxy_set_header Authorization "";
                      proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%/?header=X-Accel-Redirect:/internal/x&; }
    location /accel-named { proxy_set_header Authorization "";
                      proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%/?header=X-Accel-Redirect:@named&; }
    location /accel-any { proxy_set_header Authorization "";
                          proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%/?header=X-Accel-Redirect:@entra-replay-$arg_n; }
    location /guarded { entra_auth app; if ($arg_key != secret) { return 403; }
                        proxy_pass https://echo.test; }
    location /internal/ { internal; entra_auth app;
                          proxy_pass https://echo.test; }

    # blocks in a location
    location /if { set $x 1;
                   if ($x) { entra_auth app; proxy_pass https://echo.test; } }
    location /if-off { entra_auth app;
                       if ($arg_x) { set $y 1; }
                       proxy_pass https://echo.test; }
    location /if-policy { entra_auth anybody;
                          if ($arg_strict) { entra_policies inside; }
                          proxy_pass https://echo.test; }
    location /except { entra_auth app; limit_except POST { deny all; }
                       proxy_pass https://echo.test; }
    location /except-pass { entra_auth app;
                            limit_except POST {
                                proxy_pass https://echo.test;
                            }
                            proxy_pass https://echo.test; }

    # answers of nginx's own
    location = /return { entra_auth app;
                         ssi on; default_type text/html;
        return 200 '[<!--#echo var="entra_authorization" default="" -->]'; }

    # caches
    location /cached { entra_auth app; proxy_cache c;
                       proxy_cache_valid 1h; proxy_pass https://echo.test; }
    location /stale { entra_auth app; proxy_cache c;
                      proxy_cache_key stale; proxy_cache_valid 1s;
                      proxy_cache_use_stale updating error http_500;
                      proxy_cache_background_update on;
                      add_header X-Cache $upstream_cache_status;
                      proxy_pass https://echo.test; }
    #SLICE

    # what stays open, what comes slowly
    location /ws { entra_auth app; proxy_pass https://echo.test;
                   proxy_set_header Host echo.test;
                   proxy_set_header Authorization $entra_authorization;
                   proxy_set_header Upgrade $http_upgrade;
                   proxy_set_header Connection $upgrade; }
    location /unbuffered { entra_auth app; proxy_request_buffering off;
                           proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
server {
    listen 127.0.0.1:%%PORT3%% ssl #H2UP;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    root %%DIR%%/origin;
    location = /slices { access_log %%DIR%%/origin.log origin; }
    location / { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;
                 proxy_set_header X-Origin grpc; }
}
#H2
EOC
$conf =~ s/#SLICE/<<'EOS'/e if $slice;
location = /slices { entra_auth app; slice 100; proxy_cache c;
        proxy_cache_key $uri$slice_range; proxy_cache_valid 200 206 1h;
        proxy_set_header Range $slice_range;
        proxy_set_header Host localhost;
        proxy_set_header Authorization $entra_authorization;
        proxy_ssl_name localhost; proxy_pass https://localhost; }
EOS
$conf =~ s/#ADDITION/<<'EOS'/e if $addition;
location = /plain.txt { }
    location /addition { try_files /plain.txt =404; add_before_body /part;
                         default_type text/html; types { } }
EOS
$conf =~ s/#H2UP/http2/ if $h2;
$conf =~ s/#H2UP//;
$conf =~ s/#H2/<<'EOS'/e if $h2;
server {
    listen 127.0.0.1:%%PORT2%% http2;
    include %%PROXY%%;
    proxy_set_header Host echo.test;
    proxy_ssl_name echo.test;
    location / { entra_auth app; proxy_pass https://echo.test; }
    location /grpc { include %%GRPC%%; entra_auth app;
                     grpc_pass grpcs://localhost; }
}
EOS

$t->start($conf);
$t->ready;

my @in = ('X-Real-IP' => '10.1.2.3');
my @out = ('X-Real-IP' => '203.0.113.9');

# tokens that arrived at upstreams since request $n
sub tokens {
    my ($n) = @_;
    return scalar grep { my $r = $_; grep {
        lc $_->[0] eq 'authorization' && $_->[1] =~ /^Bearer /
        || lc $_->[0] eq 'x-other' && $_->[1] } @{ $r->{headers} }
    } arrived($n);
}
sub arrived {
    my ($n) = @_;
    return $e->requests(at => 'upstream', since => $n);
}
sub last_n { my @r = $e->requests(last => 1); return @r ? $r[-1]{n} : 0 }

# A road, taken by both.  want: what the denied caller gets; all: nothing at
# all arrives from it, not even without a token
sub road {
    my ($what, $want, $send, %o) = @_;

    my $n = last_n();
    my $r = $send->(@out);
    like($r->status, qr/^(?:$want)$/, "$what: denied");
    sleep 0.1 if $o{later};
    is(tokens($n), 0, "$what: and no token was sent");
    is(scalar(arrived($n)), $o{arrive} // 0, "$what: what arrived otherwise");
    unlike($r->{raw} // '', qr/Bearer eyJ|eyJ0eXA/, "$what: nor is one shown");

    $n = last_n();
    $r = $send->(@in);
    ok(wait_until(sub { tokens($n) == ($o{tokens} // 1) }, 5),
       "$what: allowed, with a token") or diag tokens($n), ' ', $r->{raw};
    like($r->status, $o{allowed} // qr/^200$/, "$what: allowed");
}
sub uri {
    my ($uri, $want, %o) = @_;
    road($o{name} // $uri, $want, sub {
        $t->get($uri, $o{post} ? (body => $o{post}) : (), headers => [@_]) },
        %o);
}

uri('/plain/x', 403);
uri('/plain/x', 403, post => 'body', name => 'POST');
uri('/variable/x', 403);
uri('/two', 403);
uri('/only-second', 403);
uri('/added', 403);
is($t->get('/variable/x?c=a', headers => \@out)->status, 200,
   'a credential with "policies none"');

uri('/satisfy', 403);
uri('/allowed-check', 403);

uri('/auth', 403);
uri('/auth2', 403);
uri('/mirrored', 200, later => 1, arrive => 1);
uri('/mirrored', 200, later => 1, arrive => 1, post => 'x' x 100_000,
    name => 'a mirror with a body');
uri('/mirror-file', 200, later => 1);
uri('/mirror-second', 403, later => 1, tokens => 2);
uri('/page.shtml', 200);
uri('/stub.shtml', 200);
uri('/set.shtml', 200);
SKIP: {
    skip 'nginx without the addition module', 6 unless $addition;
    uri('/addition', 200);
}

uri('/error-page', 403);
uri('/error-named', 403);
uri('/error-again', 403);
uri('/error-loop', '403|500');
uri('/error-off', 200, arrive => 1);
uri('/upstream-error', 403, arrive => 1);
uri('/rewrite-last', 403);
uri('/rewrite-break', 403);
uri('/try', 403);
uri('/try-uri', 403);
uri('/try-file', 403);
uri('/index/', 403);
uri('/accel', 403, arrive => 1);
uri('/accel-named', 403, arrive => 1);
is($t->get('/internal/x', headers => \@in)->status, 404, 'internal');

# the copies of locations that the module makes for itself have no rewrite
# rules: an upstream cannot send requests there
my $at = last_n();
my %answer = map { $t->get("/accel-any?n=$_", headers => \@in)->status => 1 }
    0 .. 90;
is(tokens($at), 0, 'X-Accel-Redirect to a location with a hidden name');
is(join(' ', sort keys %answer), '500', 'is refused');
is($t->get('/guarded', headers => \@in)->status, 403, 'what "if" guards');
is($t->get('/guarded?key=secret', headers => \@in)->status, 200,
   'and lets pass');

uri('/if', 403);
uri('/if-off?x=1', 403);
uri('/if-policy?strict=1', 403);
is($t->get('/if-policy', headers => \@out)->status, 200,
   'entra_policies in an "if" that is not entered');
uri('/except', 403, post => 'x');
uri('/except-pass', 403);
uri('/except-pass', 403, post => 'x', name => 'limit_except, the method');

for my $headers (\@in, \@out) {
    is($t->get('/return', headers => $headers)->body, '[]',
       'return shows no token');
    my $r = $t->get('/header', headers => $headers);
    unlike($r->{raw}, qr/Bearer/, 'nor does add_header');
}

# a body does not reach the upstream before the decision
my $s = EntraTest::HTTP::connect_to(port => $t->port);
my $n = last_n();
my $c = $e->counters->{'connections.upstream'};
syswrite $s, "POST /unbuffered HTTP/1.1\r\nHost: x\r\n@{[join ': ', @out]}\r\n"
    . "Content-Length: 1000000\r\n\r\n" . 'x' x 1000;
my $r = EntraTest::HTTP::read_response($s);
is($r && $r->status, 403, 'denied before the body has come');
is($e->counters->{'connections.upstream'}, $c, 'no connection was made');
is(scalar(arrived($n)), 0, 'nothing was sent');
close $s;

# each request of a connection is judged on its own
$s = EntraTest::HTTP::connect_to(port => $t->port);
for ([\@in, 200, 1], [\@out, 403, 0], [\@in, 200, 1], [\@out, 403, 0]) {
    my ($headers, $status, $tokens) = @$_;
    $n = last_n();
    $r = $t->get('/plain/keep', socket => $s, keepalive => 1,
                 headers => $headers);
    is($r->status, $status, "on one connection: $status");
    is(tokens($n), $tokens, "on one connection: $tokens tokens");
}
close $s;

# two requests at once on one connection
$s = EntraTest::HTTP::connect_to(port => $t->port);
$n = last_n();
syswrite $s, join '', map { "GET /plain/pipe HTTP/1.1\r\nHost: x\r\n"
    . join(': ', @$_) . "\r\n\r\n" } \@in, \@out;
wait_until(sub { scalar(arrived($n)) >= 1 }, 5);
sleep 0.2;
is(tokens($n), 1, 'pipelined: one token');
close $s;

# caches
is($t->get('/cached/a', headers => \@in)->status, 200, 'into the cache');
$n = last_n();
is($t->get('/cached/a', headers => \@in)->status, 200, 'from the cache');
is(scalar(arrived($n)), 0, 'as nothing arrives');
$r = $t->get('/cached/a', headers => \@out);
is($r->status, 403, 'who is denied gets nothing from the cache');
unlike($r->body, qr/headers/, 'no part of it');

is($t->get('/stale', headers => \@in)->status, 200, 'into the cache');
sleep 2.1;
$n = last_n();
is($t->get('/stale', headers => \@out)->status, 403, 'denied, although stale');
sleep 0.2;
is(scalar(arrived($n)), 0, 'and nothing is updated for it');
$r = $t->get('/stale', headers => \@in);
is($r->header('x-cache'), 'STALE', 'a stale answer');
ok(wait_until(sub { tokens($n) == 1 }, 5),
   'the update in the background has a token');
is($t->get('/stale', headers => \@in)->header('x-cache'), 'HIT',
   'and it succeeded');

SKIP: {
    skip 'nginx without the slice module', 6 unless $slice;
    is($t->get('/slices', headers => \@out)->status, 403, 'slices: denied');
    is(slurp($t->dir('origin.log')), '', 'slices: nothing arrives');
    $r = $t->get('/slices', headers => \@in);
    is($r->status, 200, 'slices: allowed');
    is($r->body, slurp($t->dir('origin/slices')), 'slices: all of it');
    my @log;
    wait_until(sub { @log = split /\n/, slurp($t->dir('origin.log'));
                     return @log >= 3 }, 5);
    is(scalar(@log), 3, 'slices: three requests');
    is(scalar(grep { /^bytes=\d+-\d+\|Bearer / } @log), 3,
       'slices: with a token each');
}

# WebSocket
sub upgrade {
    my $s = EntraTest::HTTP::connect_to(port => $t->port);
    syswrite $s, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        . join(': ', @_) . "\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Version: 13\r\n"
        . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    return EntraTest::HTTP::read_response($s)
        // bless { status => 0 }, 'EntraTest::HTTP::Response';
}
road('WebSocket', 403, \&upgrade, allowed => qr/^101$/);

# HTTP/2 and gRPC
SKIP: {
    skip 'curl or nginx without HTTP/2', 18 unless $h2;
    my @h2 = ('--http2-prior-knowledge');
    road('HTTP/2', 403, sub { $t->curl(@h2, '-H', join(': ', @_),
                                       'http://127.0.0.1:%%PORT2%%/x') });
    road('HTTP/2, body', '403|000', sub {       # which curl may not wait for
        $t->curl(@h2, '-H', join(': ', @_), '-d', 'x' x 1000,
                 'http://127.0.0.1:%%PORT2%%/x') });
    road('gRPC', '403|000', sub {
        $t->curl(@h2, '-H', join(': ', @_), '-H', 'te: trailers', '-H',
                 'content-type: application/grpc', '-d', 'x',
                 'http://127.0.0.1:%%PORT2%%/grpc.S/M') });
}

# an absolute URL in an answer is the client's to follow
$n = last_n();
$r = $t->get('/plain/r?status=307&header=Location:https://echo.test/other',
             headers => \@in);
is($r->status, 307, 'a redirect goes to the client');
like($r->header('location') // '', qr{^https?://.*/other$}, 'as it is');
is(scalar(arrived($n)), 1, 'and is not followed');

# the answer of a denial tells nothing
$r = $t->get('/plain/x', headers => \@out);
like($r->header('content-type'), qr{^application/problem\+json}, 'a problem');
unlike($r->{raw}, qr/inside|outside|\bapp\b|10\.|203\.0\.113/,
       'without names of policies, credentials, addresses');
$r = $t->get('/satisfy', headers => \@out);
is(scalar(grep { lc $_->[0] eq 'content-type' } @{ $r->{list} }), 1,
   'once, also where it was denied twice');
my $status = $t->status;
like($t->log, qr/entra credential "app": .*outside/, 'the log says which');

# a reload under way: the old workers decide by the old rules
$s = EntraTest::HTTP::connect_to(port => $t->port);
syswrite $s, "POST /plain/reload HTTP/1.1\r\nHost: x\r\n"
    . join(': ', @in) . "\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab";
sleep 0.3;
(my $closed = $conf) =~ s/locations inside; grant;/locations 192.0.2.1; grant;/;
$n = last_n();
ok($t->reload($closed), 'reloaded with another rule');
is($t->get('/plain/reload', headers => \@in)->status, 403,
   'which holds for new requests');
is(tokens($n), 0, 'at once');
syswrite $s, 'cd';
$r = EntraTest::HTTP::read_response($s);
is($r && $r->status, 200, 'the request of before is served');
is(tokens($n), 1, 'with its token');

$t->finish;
