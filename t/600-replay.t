#!/usr/bin/perl

# A 401 of the upstream: the request is sent once more with another token, and
# nothing of the first answer is seen.  Where that cannot be, the 401 passes.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Digest::SHA 'sha256_hex';
use JSON::PP ();
use Time::HiRes qw(time sleep);

my $t = EntraTest->new(warnings => 1)->need('http_ssl_module')->module;
my $e = $t->emulator;

# a credential for each location, so that none has been forced before
my @names = qw(plain small rewrite try variable block unbuffered never claims
               many steady down second intercept page satisfy mirror same
               cache head h2 chunked sub ignore uri two next gone jump);
my $credentials = join '', map { <<"END" } @names;
entra_credential $_ client_secret {
    %%CREDENTIAL%% scope aml arm; policies none;
    upstreams 127.0.0.1 127.0.0.2 echo.test;
}
END
my %here = (
    plain      => 'proxy_pass https://echo.test;',
    small      => 'client_body_buffer_size 1k; proxy_pass https://echo.test;',
    rewrite    => 'rewrite ^/rewrite/(.*)$ /to/$1?more=1 break;
                   proxy_pass https://echo.test;',
    variable   => 'set $h echo.test; proxy_pass https://$h$request_uri;',
    block      => 'proxy_pass https://pool;',
    unbuffered => 'proxy_request_buffering off; proxy_pass https://echo.test;',
    never      => 'entra_replay off; proxy_pass https://echo.test;',
    intercept  => 'proxy_intercept_errors on; error_page 401 = @own;
                   proxy_pass https://echo.test;',
    page       => 'error_page 401 /own.html; proxy_pass https://echo.test;',
    satisfy    => 'satisfy all; allow 127.0.0.1; deny all; auth_request /yes;
                   proxy_pass https://echo.test;',
    mirror     => 'mirror /copy; proxy_pass https://echo.test;',
    cache      => 'proxy_cache c; proxy_cache_valid 200 1m;
                   proxy_cache_valid 401 1m; proxy_pass https://echo.test;',
    ignore     => 'proxy_ignore_headers X-Accel-Redirect;
                   proxy_pass https://echo.test;',
    uri        => 'proxy_pass https://echo.test/base/;',
    two        => 'proxy_pass https://two;',
    next       => 'proxy_next_upstream error timeout http_403 http_500
                   non_idempotent; proxy_pass https://two;',
);
my $locations = join "\n", map {
    "location /$_/ { entra_auth $_; "
    . ($here{$_} || 'proxy_pass https://echo.test;') . ' }'
} grep { !/^(?:try|jump|sub)$/ } @names;

$t->write('own.html', 'a page of our own');
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
$credentials
log_format replay '\$uri \$status replayed=\$entra_replayed '
                  'upstream=\$upstream_status auth=[\$entra_authorization]';
access_log %%DIR%%/replay.log replay;
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream pool { server 127.0.0.1:%%UPSTREAM%%; keepalive 4; }
upstream two { server 127.0.0.1:1 max_fails=0; server 127.0.0.1:%%UPSTREAM%%;
               server 127.0.0.1:%%UPSTREAM%% max_fails=0; }
map \$request_method \$h2 { default 1; }
server {
    listen 127.0.0.1:%%PORT%%;
    listen 127.0.0.1:%%PORT2%% http2;
    client_max_body_size 10m;
    entra_wait 10s;
    include %%PROXY%%;
    proxy_ssl_name echo.test;
    root %%DIR%%;
    ssi_types application/json;
    $locations
    location /try/ { try_files /nothing \@try; }
    location \@try { entra_auth try; proxy_pass https://echo.test; }
    location /jump/ { return 418; error_page 418 = /jumped/to; }
    location /jumped/ { entra_auth jump; proxy_pass https://echo.test; }
    location \@own { return 200 "intercepted"; }
    location = /own.html { internal; }
    location = /yes { return 204; }
    location = /copy {
        internal;
        entra_auth off;
        proxy_set_header Authorization "";
        proxy_set_header X-Copy yes;
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    }
    location /with-sub/ { ssi on; root %%DIR%%/site; default_type text/html; }
    location = /part { entra_auth sub; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
}
EOC

wait_until(sub { !grep { $_->{state} ne 'valid' }
                 @{ $t->status->{credentials} } }, 10);

my $marker = 0;

# an answer of 401 to the next requests for this path, with headers that must
# not be seen later
sub refuse {
    my ($path, %o) = @_;
    my $slow = delete $o{slow};     # the client would notice it
    return $e->fault({ at => 'upstream', path => $path, status => 401,
        body => 'refused', times => 1, headers => {
            'WWW-Authenticate' => 'Bearer error="invalid_token"',
            'Set-Cookie' => 'stale=1', 'Cache-Control' => 'max-age=60',
            'X-Stale' => 'yes', 'Location' => 'https://stale.test/',
            'Expires' => 'Thu, 01 Jan 2099 00:00:00 GMT',
            'Last-Modified' => 'Thu, 01 Jan 2015 00:00:00 GMT',
            'ETag' => '"stale"', 'Content-Disposition' => 'attachment',
            $slow ? ('X-Accel-Limit-Rate' => '1') : () },
        %o });
}

sub asked { my ($path) = @_;
            return $e->requests(at => 'upstream', path => $path) }

sub auth { return join ',', sent($_[0], 'authorization') }

# one request that is refused and healed; the upstream gets the same twice
sub healed {
    my ($name, $uri, %o) = @_;

    my $seen = delete $o{seen} || $uri;
    my $fetched = $e->count(at => 'token');
    refuse($seen =~ s/\?.*//r, slow => 1);
    $e->forget;
    my $r = delete $o{curl} ? $t->curl(@{ $o{args} })
                            : $t->http(uri => $uri, %o);
    is($r->status, 200, "$name: 200") or diag $r->body . $t->log;
    my @two = asked($seen =~ s/\?.*//r);
    is(scalar @two, 2, "$name: asked twice") or return $r;
    is($two[0]{method}, $two[1]{method}, "$name: the method");
    is($two[1]{target}, $seen, "$name: the target");
    is($two[0]{target}, $two[1]{target}, "$name: the same target");
    is($two[0]{body_sha256}, $two[1]{body_sha256}, "$name: the same body");
    is($two[1]{body_sha256}, sha256_hex($o{body} // ''),
       "$name: the client's body") unless $o{headers} || $o{args};
    isnt(auth($two[0]), auth($two[1]), "$name: another token");
    is($e->count(at => 'token'), 1, "$name: one token request");
    no_trace($name, $r);
    return $r;
}

sub no_trace {
    my ($name, $r) = @_;

    is(join(' ', grep { defined $r->header($_) } qw(www-authenticate
            set-cookie cache-control x-stale location expires last-modified
            etag content-disposition)), '',
       "$name: nothing of the refused answer");
    unlike($r->body, qr/refused/, "$name: nor of its body");
}


# the same request again

my $big = join '', map { chr(32 + $_ % 90) } 1 .. 300_000;

healed('GET', '/plain/a?b=c&d=%20');
is($t->credential('plain', qr/ml\.azure/)->{replays}, 1, 'counted');
healed('HEAD', '/head/x', method => 'HEAD');
healed('body in memory', '/block/p', method => 'PUT', body => '{"a":1}');
healed('body in a file', '/small/p?q', method => 'POST', body => $big);
healed('rewrite', '/rewrite/one?two', seen => '/to/one?more=1&two',
       method => 'PATCH', body => 'x' x 70_000);
healed('try_files', '/try/x?y', method => 'PUT', body => 'x' x 5000);
healed('variable', '/variable/%41%20b?c', method => 'POST', body => $big);
healed('URI of proxy_pass', '/uri/rest?a', seen => '/base/rest?a',
       method => 'POST', body => 'abc');
healed('error_page before', '/jump/x', seen => '/jumped/to');
healed('satisfy', '/satisfy/x', method => 'POST', body => 'abc');
healed('X-Accel-Redirect is ignored', '/ignore/x', method => 'POST',
       body => 'abc');
healed('the next server', '/two/x', method => 'PUT', body => 'abc');
healed('chunked', '/chunked/x', method => 'POST',
       headers => ['Transfer-Encoding' => 'chunked'],
       body => "5\r\nhello\r\n0\r\n\r\n");
healed('HTTP/2', '/h2/x?y', curl => 1,
       args => ['--http2-prior-knowledge', '-X', 'PUT', '-d', 'x' x 50_000,
                '-H', 'Expect:', 'http://127.0.0.1:%%PORT2%%/h2/x?y']);

my $r = healed('mirror', '/mirror/x', method => 'POST', body => 'abc');
wait_until(sub { $e->requests(at => 'upstream', path => '/copy') > 0 }, 3);
is_deeply([map { auth($_) } $e->requests(at => 'upstream',
                                         path => '/copy')],
          [('') x $e->requests(at => 'upstream', path => '/copy')],
          'mirror: copies without a token');

healed('cache', '/cache/x');
$r = $t->get('/cache/x');
is($r->status, 200, 'cache: not the 401');

# connections of the client go on
my $s = EntraTest::HTTP::connect_to(port => $t->port);
refuse('/same/1');
$r = $t->http(uri => '/same/1', body => 'abc', socket => $s, keepalive => 1);
is($r->status, 200, 'keepalive: healed');
$r = $t->http(uri => '/same/2', body => 'def', socket => $s, keepalive => 1);
is($r->status, 200, 'keepalive: the next request');
is($r->json->{body}, 'def', 'keepalive: is the next request');
close $s;


# a claims challenge

$e->forget;
refuse('/claims/', headers => { 'WWW-Authenticate' =>
    'Bearer realm="", error="insufficient_claims", claims='
    . '"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOi'
    . 'IxNjA0MTA2NjUxIn19fQ=="' });
is($t->http(uri => '/claims/x', body => 'abc')->status, 200,
   'claims: 200');
my ($q) = $e->requests(at => 'token');
my $claims = eval { JSON::PP::decode_json($q->{form}{claims}) } || {};
is($claims->{access_token}{nbf}{value}, '1604106651',
   'claims: what was asked for');
is_deeply($claims->{access_token}{xms_cc}, { values => ['cp1'] },
   'claims: merged with the capability') or diag explain $q->{form};


# a hundred at once

$e->forget;
# so slow that the last of them has come before the first is sent again
refuse('/many/', times => 100, delay => $t->seconds(1.5));
my $file = substr $big, 0, 20_000;      # more than fits into memory
my @all = $t->many(100, uri => '/many/x', method => 'POST', body => $file);
is(scalar(grep { $_->status == 200 } @all), 100, 'a hundred: healed')
    or diag join ' ', map { $_->status } @all;
is($e->count(at => 'token'), 1, 'a hundred: one fetch');
is($e->count(at => 'upstream', path => '/many/'), 200,
   'a hundred: each of them twice');
is(scalar(grep { $_->json->{body_sha256} eq sha256_hex($file) } @all), 100,
   'a hundred: with its body');


# passed

sub passes {
    my ($name, $r) = @_;
    is($r->status, 401, "$name: 401");
    is($r->body, 'refused', "$name: its body");
    is($r->header('www-authenticate'), 'Bearer error="invalid_token"',
       "$name: its WWW-Authenticate");
    is($r->header('x-stale'), 'yes', "$name: its headers");
    is($r->header('set-cookie'), 'stale=1', "$name: its cookie");
}

$e->clear_faults;
$e->forget;
refuse('/unbuffered/');
passes('not buffered', $t->http(uri => '/unbuffered/x', body => $big));
is(scalar(asked('/unbuffered/')), 1, 'not buffered: once');
ok(wait_until(sub { $e->count(at => 'token') == 1 }, 3),
   'not buffered: the next one has another token');
is($t->http(uri => '/unbuffered/x', body => $big)->status, 200,
   'not buffered: and is served');
refuse('/unbuffered/none');
is($t->get('/unbuffered/none')->status, 401,
   'no replay in the next 30 s, without a body too');

$e->forget;
refuse('/never/');
passes('entra_replay off', $t->http(uri => '/never/x', body => 'abc'));
is(scalar(asked('/never/')), 1, 'entra_replay off: once');

$e->clear_faults;
$e->forget;
refuse('/second/', times => 2);
passes('a second 401', $t->http(uri => '/second/x', body => 'abc'));
is(scalar(asked('/second/')), 2, 'a second 401: no third try');

$e->clear_faults;
$e->forget;
refuse('/steady/', times => 1000);
my @steady = map { $t->http(uri => "/steady/$_", body => 'x') } 1 .. 20;
is(scalar(grep { $_->status == 401 } @steady), 20, 'steady: 401 for each');
passes('steady', $steady[-1]);
is($e->count(at => 'token'), 1, 'steady: one fetch');
is(scalar(asked('/steady/')), 21, 'steady: one replay');
@steady = $t->many(50, uri => '/steady/many', body => 'x');
is(scalar(grep { $_->status == 401 } @steady), 50, 'steady: at once');
is($e->count(at => 'token'), 1, 'steady: still one fetch');
my $steady = $t->credential('steady', qr/ml\.azure/);
is($steady->{state}, 'valid', 'steady: the token stays valid');
cmp_ok($steady->{upstream_401} // 0, '>', 60, 'steady: counted')
    if exists $steady->{upstream_401};


# the provider is down at that moment

$e->clear_faults;
refuse('/down/', times => 2);
$e->fault({ connection => 'cut' });
$e->forget;
passes('provider down', $t->http(uri => '/down/x', body => 'abc'));
$e->clear_faults;
$r = $t->get('/down/y');
is($r->status, 200, 'provider down: the token is not lost');

$e->clear_faults;
refuse('/gone/', times => 1);
$e->fault({ at => 'token', status => 503, body => '', delay => 1 });
$r = $t->http(uri => '/gone/x', body => 'abc');
is($r->status, 200, 'provider fails: the old token once more')
    or diag $r->body;
$e->clear_faults;

# their next attempts are not to be counted below
ok(wait_until(sub { !grep { $_->{failures_in_a_row} || $_->{fetching} }
                    map { $t->credential($_, qr/ml\.azure/) } qw(down gone) }, 40),
   'provider up again: fetched without being asked');


# error_page

healed('error_page', '/page/x', method => 'POST', body => 'abc');
$e->clear_faults;
refuse('/page/', times => 3);
passes('error_page without proxy_intercept_errors', $t->get('/page/x'));

$e->clear_faults;
healed('proxy_intercept_errors', '/intercept/x', method => 'POST',
       body => 'abc');
refuse('/intercept/', times => 2);
$r = $t->get('/intercept/x');
is($r->body, 'intercepted', 'proxy_intercept_errors: a 401 that stays');

$e->clear_faults;
refuse('/next/', times => 1);
is($t->http(uri => '/next/x', method => 'PUT', body => 'abc')->status, 200,
   'proxy_next_upstream: healed');


# a subrequest is not repeated, the page is there

mkdir $t->dir('site');
mkdir $t->dir('site/with-sub');
$t->write('site/with-sub/a.html', 'a<!--#include virtual="/part" -->b');
$e->clear_faults;
refuse('/part');
$r = $t->get('/with-sub/a.html');
like($r->body, qr/^a.*b$/s, 'subrequest: the page');

my $log = EntraTest::slurp($t->dir('replay.log'));
like($log, qr{^/plain/a 200 replayed=1 }m, '$entra_replayed');
like($log, qr{^/second/x 401 replayed=1 }m, '$entra_replayed of a 401');
like($log, qr{^/never/x 401 replayed=(?:|0|-) }m, '$entra_replayed, not');
unlike($log . $t->log, qr/Bearer [\w.-]|eyJ/, 'no token in the logs');
like($t->log, qr/"plain": the upstream answered 401, the request is sent/,
     'the log says so');

$t->finish;
