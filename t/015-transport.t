#!/usr/bin/perl

# Requests of a worker: that they never hold it up, whatever the other side
# does, and that nothing of them is left behind.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);
use EntraTest::Transport;

my $t = EntraTest::Transport->new->server;

plan(skip_all => 'no openssl') if system('openssl version >/dev/null 2>&1');

for my $name (qw(one two)) {
    system("cd " . $t->dir . " && openssl req -x509 -newkey rsa:2048 -nodes"
        . " -days 2 -subj /CN=$name -addext subjectAltName=DNS:localhost"
        . " -keyout $name.key -out $name.crt 2>/dev/null") == 0
        or die "no certificate\n";
    chmod 0644, $t->dir("$name.key");
}
my ($pin) = `openssl x509 -in @{[$t->dir('one.crt')]} -noout -fingerprint -sha1`
    =~ /=(.*)/;
$pin =~ s/://g;

my $servers = <<'EOC';
keepalive_timeout 60;
server {
    listen 127.0.0.1:%%PORT%%;
    location = /fetch { test_fetch; }
    location = /hello { return 200 hello; }
    location = /held {
        proxy_pass http://127.0.0.1:%%SERVER%%/never;
        proxy_http_version 1.1;
    }
}
server {
    listen 127.0.0.1:%%TLS%% ssl;
    ssl_certificate %%DIR%%/one.crt;
    ssl_certificate_key %%DIR%%/one.key;
    location / { return 200 "tls $http_x_secret"; }
}
EOC
$t->port('TLS');
my $main = "env TEST_FAIL;\nenv https_proxy=http://127.0.0.1:1;\n"
           . "env no_proxy=*;\n";
my $tls = 'https://localhost:%%TLS%%/';

# so that a busy machine does not fail the test
my $fast = $t->seconds(0.1);

$t->configure($servers, main => $main);
$t->start(undef, $t->breakers);


# --- what is sent, and what comes back

my $r = $t->bad('/echo', header => 'X-None:', header => 'X-Test:a value');
is($r->{status}, 200, 'an answer');
is($r->{error}, '', 'and no error');
like($r->{body}, qr/^X-Test: a value$/m, 'a header');
like($r->{body}, qr/^X-None:\r$/m, 'a header without a value');
like($r->{body}, qr{^User-Agent: nginx-entra/\d+\.\d+\.\d+\r$}m, 'who we are');
unlike($r->{body}, qr/^(Accept-Encoding|Expect|Connection: keep)/m,
       'nothing that is not needed');
is($r->{content_type}, 'text/plain', 'its content type');
is($r->{retry_after}, -1, 'no Retry-After');

$r = $t->bad('/echo', method => 'POST', body => 'a=b&c=d');
like($r->{body}, qr{^POST /echo HTTP/1\.1\r.*\na=b&c=d$}s, 'POST');
like($r->{body}, qr{^Content-Type: application/x-www-form-urlencoded}m,
     'a form, unless it says otherwise');
$r = $t->bad('/echo', method => 'POST', body_size => 200000,
             header => 'Content-Type:application/json');
like($r->{body}, qr{\n200000$}, 'a large body');
like($r->{body}, qr{^Content-Type: application/json\r$}m, 'and its type');
unlike($r->{body}, qr{form-urlencoded|Expect}, 'not two types');
like($t->bad('/echo', method => 'POST')->{body}, qr/^Content-Length: 0\r$/m,
     'an empty body');
like($t->bad('/echo', method => 'PUT', body => 'abc')->{body},
     qr{^PUT .*\nabc$}s, 'PUT');
like($t->bad('/echo', method => 'DELETE')->{body}, qr{^DELETE }, 'DELETE');
$r = $t->bad('/echo', method => 'HEAD');
is("$r->{status}$r->{body}", '200', 'HEAD');

$r = $t->bad('/status?code=401&retry=17');
is($r->{status}, 401, 'a refusal is an answer');
is($r->{body}, '{"error":1}', 'with its body');
is($r->{retry_after}, 17, 'Retry-After in seconds');
is($r->{www_authenticate}, 'Basic realm=one', 'the first WWW-Authenticate');
is($r->{content_type}, 'application/json; charset=utf-8', 'Content-Type');
is($r->{location}, '/elsewhere', 'Location');
my $date = `LC_ALL=C date -u -d '+100 seconds' '+%a,_%d_%b_%Y_%H:%M:%S_GMT'`;
chomp $date;
$r = $t->bad("/status?code=503&retry=$date");
cmp_ok(abs($r->{retry_after} - 99), '<=', 3, 'Retry-After as a date');
$r = $t->bad('/status?code=503&retry=Sun,_06_Nov_1994_08:49:37_GMT');
is($r->{retry_after}, 0, 'a date that is past');
is($t->bad('/status?code=503&retry=soon')->{retry_after}, -1, 'nonsense');
is($t->bad('/status?code=302')->{status}, 302, 'redirects are not followed');
$r = $t->bad('/interim');
is($r->{status}, 200, 'an interim answer is not the answer');
is("$r->{location}$r->{retry_after}", '-1', 'nor are its headers');
is($t->bad('/chunks?n=200')->{body}, 'y' x 200000, 'chunks');
is(length $t->bad('/big?size=262144')->{body}, 262144, 'as much as allowed');
$r = $t->bad('/long');
is("$r->{status}$r->{location}", '200', 'a header that is too long is none');


# --- what goes wrong

$r = $t->bad('/big?size=262145');
is($r->{too_large}, 1, 'a byte more');
is($r->{body}, '', 'is no body');
is($t->bad('/chunks?n=10000')->{too_large}, 1, 'more and more');
$r = $t->bad('/headers');
is($r->{status}, 0, 'headers without an end');
like($r->{error}, qr/headers.*too large/, 'are said to be');

for (['/cut', qr/closed|end of|outstanding/i], ['/empty', qr/empty/i],
     ['/reset', qr/reset|recv/i], ['/garbage', qr/HTTP/i])
{
    my ($path, $what) = @$_;
    $r = $t->bad($path);
    is($r->{status}, 0, "$path is no answer");
    like($r->{error}, $what, "and said to be: $r->{error}");
    is($r->{body}, '', 'without a body');
}

my $nobody = $t->port('NOBODY');
$r = $t->fetch("http://127.0.0.1:$nobody/", local => 1);
is($r->{refused}, 1, 'refused');
like($r->{error}, qr/Connection refused/, 'and why');
cmp_ok($r->{time}, '<', 1, 'at once');
$r = $t->fetch('http://127.0.0.1:%%SERVER%%/echo');
is($r->{status}, 0, 'plain http only to what is local');
like($r->{error}, qr/http/, $r->{error});
is($t->fetch('file:///etc/passwd', local => 1)->{body}, '', 'no files');
is($t->fetch('http://a:b@127.0.0.1:%%SERVER%%/echo', local => 1)->{status}, 0,
   'no password in a URL');
is($t->fetch('not a url', local => 1)->{status}, 0, 'not a URL');
$r = $t->fetch('https://does-not-exist.invalid/');
like($r->{error}, qr/resolve/i, 'no such name');
unlike($t->seen, qr{GET /etc}, 'nothing of that was sent');


# --- what does not come

for (['/never', 700], ['/drip', 1500], ['/drip-head', 1500]) {
    my ($path, $timeout) = @$_;
    my $begin = time;
    my $s = $t->begin('/fetch', timeout => $timeout, local => 1,
                      url => $t->expand("http://127.0.0.1:%%SERVER%%$path"));
    my $slowest = $t->slowest($timeout / 1000 - 0.2);
    cmp_ok($slowest, '<', $fast, "$path: others do not wait");
    $r = $t->answer($s, $begin);
    is("$r->{status}$r->{timed_out}", '01', 'a time-out');
    cmp_ok($r->{time}, '>', $timeout / 1000 - 0.05, 'not before its time');
    cmp_ok($r->{time}, '<', $timeout / 1000 + $t->seconds(0.5),
           'and not later');
}

SKIP: {
    skip 'libasan', 8 unless $t->breakable;

    my $begin = time;
    my $s = $t->begin('/fetch', url => 'https://blackhole.test/',
                      timeout => 1000);
    cmp_ok($t->slowest(0.8), '<', $fast,
           'a name server does not answer: others do not wait');
    $r = $t->answer($s, $begin);
    is("$r->{status}$r->{timed_out}", '01', 'a time-out');
    like($r->{error}, qr/resolv/i, "which says: $r->{error}");
    cmp_ok($r->{time}, '<', $t->seconds(1.5), 'in time');

    # a client that goes away while a name is looked up
    $s = $t->begin('/fetch', url => 'https://blackhole.test/');
    sleep 0.2;
    close $s;
    cmp_ok($t->slowest(0.5), '<', $fast, 'nor when that is given up');

    # libcurl breaks
    $s = $t->begin('/fetch', local => 1, n => 3,
             url => $t->expand('http://127.0.0.1:%%SERVER%%/slow?ms=300'));
    sleep 0.1;
    $t->write('open/fail', 'x');
    is(join(' ', @{ $t->answer($s)->{all} }), '0 0 0', 'libcurl fails');
    like($t->log, qr/\[error\].*libcurl failed \(.*3 requests/, 'is logged');
    is($t->bad('/slow?ms=10')->{status}, 200, 'and works again');
}

$t->seen_clear;
my $s = $t->begin('/fetch', local => 1, n => 100,
                  url => $t->expand('http://127.0.0.1:%%SERVER%%/never'));
ok(wait_until(sub { (() = $t->seen =~ /never/g) == 64 }),
   '64 at a time to one authority');
is($t->fetch('http://localhost:%%SERVER%%/echo', local => 1)->{status}, 200,
   'another one does not wait for them');
close $s;
ok(wait_until(sub { (() = $t->seen =~ /gone/g) == 64 }), 'given up at once');
is((() = $t->seen =~ /never/g), 64, 'those in the queue too');
is($t->bad('/slow?ms=1')->{status}, 200, 'and there is room again');


# --- whom a worker trusts

$r = $t->fetch($tls);
is($r->{status}, 0, 'an unknown certificate');
like($r->{error}, qr/certificate/i, "refused: $r->{error}");
is($t->fetch($tls, ca => $t->dir('one.crt'))->{body}, 'tls ',
   'trusted by the request');
is($t->fetch($tls, ca => $t->dir('two.crt'))->{status}, 0, 'not by another');
like($t->fetch($tls, ca => $t->dir('one.key'))->{error},
     qr/CA certificates.*could not be read/, 'a key is no CA');
$r = $t->fetch('https://127.0.0.1:%%TLS%%/', ca => $t->dir('one.crt'));
is($r->{status}, 0, 'another name');
like($r->{error}, qr/name/i, "refused: $r->{error}");
is($t->fetch('https://127.0.0.1:%%TLS%%/', pin => $pin)->{body}, 'tls ',
   'the thumbprint of its certificate');
is($t->fetch($tls, pin => lc $pin)->{body}, 'tls ', 'in small letters');
$r = $t->fetch($tls, pin => $pin =~ tr/0-9A-F/1-9A-F0/r);
like($r->{error}, qr/expected thumbprint/, 'another thumbprint');
$r = $t->fetch($tls, pin => substr $pin, 2);
like($r->{error}, qr/40 hex digits/, 'half a thumbprint');

for (['test_ca_pem %%DIR%%/one.crt;', 200], ['test_ca_pem %%DIR%%/two.crt;', 0],
     ['test_ca_file %%DIR%%/one.crt;', 200],
     ['test_ca_file %%DIR%%/two.crt;', 0])
{
    my ($line, $status) = @$_;
    $t->configure("$line\n$servers", main => $main);
    ok($t->reload(undef, wait => 1), "reload: $line");
    is($t->fetch($tls)->{status}, $status, "gives $status");
    is($t->fetch($tls)->{status}, $status, 'twice');
}
is($t->fetch($tls, ca => $t->dir('one.crt'))->{status}, 200,
   'the CA of a request comes first');


# --- through a proxy

$t->configure("test_proxy http://me:secret%40word\@127.0.0.1:%%SERVER%%;\n"
              . "test_ca_pem %%DIR%%/one.crt;\n$servers", main => $main);
ok($t->reload(undef, wait => 1), 'reload: with a proxy');
$t->seen_clear;
$r = $t->fetch($tls, header => 'X-Secret:of-the-request');
is($r->{body}, 'tls of-the-request', 'an answer through it');
my $tls_port = $t->port('TLS');
like($t->seen, qr/^CONNECT localhost:$tls_port$/m, 'the proxy was asked');
like($t->seen, qr/^proxy Basic bWU6c2VjcmV0QHdvcmQ=$/m, 'with its password');
unlike($t->seen, qr/of-the-request/, 'and saw nothing of the request');
$t->seen_clear;
is($t->fetch($tls, local => 1)->{status}, 200, 'what is local');
is($t->seen, '', 'does not go there');
$r = $t->fetch('https://refused.example/');
is($r->{status}, 0, 'refused by the proxy');
like($r->{error}, qr/407/, "and why: $r->{error}");
$t->configure("test_proxy nonsense://me:secret\@127.0.0.1:1;\n$servers",
              main => $main);
ok($t->reload(undef, wait => 1), 'reload: a proxy that is none');
$r = $t->fetch($tls);
ok($r->{status} == 0 && $r->{error} !~ /secret/,
   "no password in the error: $r->{error}");


# --- few connections, other event methods

for my $events ('worker_connections 64;',
                'worker_connections 64; accept_mutex on;',
                'worker_connections 64; use poll;',
                'worker_connections 64; use select;',
                'worker_connections 64; use poll; accept_mutex on;')
{
    my ($method) = $events =~ /(use \w+;)/;
    next if $method && !$t->knows($method);

    $t->configure($servers, main => $main, events => $events);
    ok($t->stop, 'nginx stops');
    $t->start(undef, $t->breakers);
    $t->seen_clear;

    $s = $t->begin('/fetch', local => 1, n => 50,
               url => $t->expand('http://127.0.0.1:%%SERVER%%/slow?ms=200'));
    cmp_ok($t->slowest(0.3), '<', $fast, "$events 50 at once");
    is((grep { $_ == 200 } @{ $t->answer($s)->{all} }), 50, 'have an answer');

    is($t->bad('/never', timeout => 300)->{timed_out}, 1, 'a time-out');
    is($t->bad('/big?size=999999')->{too_large}, 1, 'too large');
    is($t->fetch("http://127.0.0.1:$nobody/", local => 1)->{refused}, 1,
       'refused');
    is($t->fetch($tls, ca => $t->dir('one.crt'))->{status}, 200, 'TLS');

    $s = $t->begin('/fetch', local => 1, n => 5,
                   url => $t->expand('http://127.0.0.1:%%SERVER%%/never'));
    ok(wait_until(sub { (() = $t->seen =~ /never/g) >= 6 }), 'under way');
    close $s;
    ok(wait_until(sub { (() = $t->seen =~ /gone/g) >= 6 }), 'given up');

    # clients that have taken almost all connections
    my @idle = map { EntraTest::HTTP::connect_to(port => $t->port) } 1 .. 54;
    print $_ "GET /hello HTTP/1.1\r\nHost: x\r\n" for @idle;
    sleep 0.2;
    $s = $t->begin('/fetch', local => 1, n => 10,
               url => $t->expand('http://127.0.0.1:%%SERVER%%/slow?ms=50'));
    is((grep { $_ == 200 } @{ $t->answer($s)->{all} }), 10,
       'answers without a free connection');
    print $_ "Connection: close\r\n\r\n" for @idle;
    is((grep { my $a = EntraTest::HTTP::read_response($_);
               $a && $a->status == 200 } @idle), 54,
       'and no client was put out');
}


# --- no descriptors

$t->configure($servers, main => $main);
my $few = slurp($t->dir('nginx.conf'));
if ($few =~ s/^worker_rlimit_nofile 8192;$/worker_rlimit_nofile 40;/m) {
    ok($t->stop, 'nginx stops');
    $t->write('nginx.conf', $few);
    $t->start(undef, $t->breakers);
    my ($worker) = $t->workers;
    my $free = sub { 40 - grep { m{/(\d+)$} && $1 < 40 }
                     glob "/proc/$worker/fd/*" };
    $t->get('/hello');

    # what was closed here is closed there, too
    my $settled = sub {
        my ($last, $same) = (-1, 0);
        wait_until(sub { my $now = $free->();
                         $same = $now == $last ? $same + 1 : 0;
                         $last = $now;
                         return $same == 10 }, 20);
        return $last;
    };

    for (['http://127.0.0.1:%%SERVER%%/echo', 'a socket'],
         [$tls, 'a resolver'])
    {
        my ($url, $what) = @$_;

        # one is left, for the client of this request
        my @idle = map { EntraTest::HTTP::connect_to(port => $t->port) }
            2 .. $settled->();
        ok(wait_until(sub { $free->() == 1 }, 10), 'few descriptors');
        $r = $t->fetch($url, local => 1);
        is("$r->{status}$r->{no_files}$r->{refused}", '010',
           "none is left for $what");
        like($r->{error}, qr/Too many open files/, 'which is said');
        close $_ for @idle;
        ok(wait_until(sub { $free->() > 10 }, 10), 'there are more');
    }
    is($t->fetch('http://127.0.0.1:%%SERVER%%/echo', local => 1)->{status},
       200, 'then it is answered');
}


# --- the end of a worker

$t->configure("test_on_start http://127.0.0.1:%%SERVER%%/slow?ms=1;\n$servers",
              main => $main);
ok($t->reload(undef, wait => 1), 'reload: a request from the first moment');
ok($t->wait_log(qr/first fetch: 200/), 'is answered');

$t->configure("test_on_start http://127.0.0.1:%%SERVER%%/never;\n$servers",
              main => $main);
ok(defined $t->stop, 'nginx stops');

for my $how (qw(HUP QUIT TERM)) {
    $t->seen_clear;
    $t->start(undef, $t->breakers);
    ok(wait_until(sub { $t->seen =~ /never/ }), "$how: a request under way");
    my $begin = time;
    $how eq 'HUP' ? $t->reload(undef, wait => 1) : $t->stop(signal => $how);
    cmp_ok(time - $begin, '<', $t->seconds(2), 'does not delay it');
    ok(wait_until(sub { $t->seen =~ /gone/ }), 'and ends with it');
    $t->stop if $how eq 'HUP';
}

$t->configure($servers, main => "$main\nworker_shutdown_timeout 500ms;\n");
$t->start(undef, $t->breakers);
$t->seen_clear;
my $held = $t->begin('/held');
$s = $t->begin('/fetch', local => 1, n => 100,
               url => $t->expand('http://127.0.0.1:%%SERVER%%/never'));
ok(wait_until(sub { (() = $t->seen =~ /never/g) == 65 }),
   'worker_shutdown_timeout');
ok(defined $t->stop, 'ends everything');

SKIP: {
    skip 'libasan', 2 unless $t->breakable;

    $t->configure($servers, main => $main);
    $t->start(undef, $t->breakers);
    $s = $t->begin('/fetch', url => 'https://blackhole.test/', timeout => 200);
    is($t->answer($s)->{timed_out}, 1, 'a name is still looked up');
    my $took = $t->stop;
    ok(defined $took && $took < $t->seconds(2), 'when nginx stops');
}

$t->finish;
