#!/usr/bin/perl

# Many requests, many workers, one fetch; and what waits, waits bounded.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new->module;
my $e = $t->emulator;

# lazy: nothing is fetched before the first request
my ($credentials, $locations, %id) = ('', '');
for my $name (qw(fast slow herd hang abort killed fail reload)) {
    $id{$name} = sprintf '%08x-0000-4000-8000-000000000000', 1 + keys %id;
    $e->app(client_id => $id{$name}, secrets => [{ value => 's' }]);
    $t->write('s.secret', 's');
    $credentials .= "entra_credential $name client_secret {\n"
        . " authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;\n"
        . " client_id $id{$name}; client_secret_file %%DIR%%/s.secret;\n"
        . " scope aml; upstreams 127.0.0.1; policies none; preload off;\n}\n";
    $locations .= "location /$name { entra_auth $name;"
        . " proxy_pass https://echo.test; }\n";
}
my $conf = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_wait 10s;
entra_fetch_timeout 3s;
$credentials
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; keepalive 64; }
server {
    listen 127.0.0.1:%%PORT%% reuseport backlog=2048;
    include %%PROXY%%;
    $locations
    location = /short { entra_auth hang; entra_wait 500ms;
                        proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
    location = /pid { return 200 \$pid; }
}
EOC
$t->start($conf);

sub asked { return $e->count(at => 'token', client_id => $id{ $_[0] }) }
sub ok200 { return scalar grep { $_->status == 200 } @_ }

is($e->count(at => 'token'), 0, 'preload off: nothing is fetched at start');
my %pid = map { $_->body => 1 } $t->many(50, uri => '/pid');
is(scalar keys %pid, 2, 'two workers take requests');

my @r = $t->many(1000, uri => '/fast');
is(ok200(@r), 1000, '1000 first requests at once: all answered');
is(asked('fast'), 1, 'with one token request');
my %token;
$token{ ($_->seen('authorization'))[0] }++ for @r;
is(scalar keys %token, 1, 'and one token');

$e->fault({ client_id => $id{slow}, delay => 1 });
@r = $t->many(1000, uri => '/slow');
is(ok200(@r), 1000, '1000 with a slow provider: all answered');
is(asked('slow'), 1, 'with one token request');
my ($max) = sort { $b <=> $a } map { $_->{time} } @r;
diag sprintf 'slowest of them: %.2f s', $max;

# waiting is bounded, in time and for each request of its own
$e->fault({ client_id => $id{hang}, hang => 1 });
my $r = $t->get('/short');
is($r->status, 503, 'entra_wait is over: 503');
ok($r->{time} < $t->seconds(2), 'in time');
cmp_ok($r->{time}, '>=', 0.45, 'and not before');
like($r->header('content-type'), qr{^application/problem\+json}, 'a problem');
is($r->json->{status}, 503, 'that says its status');
cmp_ok($r->header('retry-after'), '>=', 1, 'and Retry-After');
my $begin = time;
is($t->get('/fast')->status, 200, 'others are not held up');
cmp_ok(time - $begin, '<', 1, 'at all');
$e->clear_faults;

# clients that go away while they wait
$e->fault({ client_id => $id{abort}, delay => 1 });
my @gone = map { EntraTest::HTTP::connect_to(port => $t->port) } 1 .. 50;
syswrite $_, "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n" for @gone;
ok(wait_until(sub { asked('abort') }), 'a fetch is under way');
close $_ for @gone;
is($t->get('/abort')->status, 200, 'waiters gone, the next one is answered');
is(asked('abort'), 1, 'with the same fetch');
ok(wait_until(sub { my $n = () = slurp($t->dir('access.log'))
                        =~ m{"GET /abort [^"]*" 499}g;
                    $n >= 50 }), 'they are logged as 499');

# failures: the herd gets its answer, the provider is not stormed
$e->fault({ client_id => $id{fail}, error => 7000215 });
@r = $t->many(200, uri => '/fail');
is((grep { $_->status == 503 } @r), 200, 'a refused credential: 503 for all');
cmp_ok(asked('fail'), '<=', 2, 'and no storm');
ok($t->wait_log(qr/AADSTS7000215/), 'the reason is in the log');
my $lines = () = $t->log =~ /AADSTS7000215/g;
cmp_ok($lines, '<=', 3, 'once for each attempt');

# a worker dies in the middle of a fetch
$e->fault({ client_id => $id{killed}, delay => 2 });
my @s = map { EntraTest::HTTP::connect_to(port => $t->port) } 1 .. 20;
syswrite $_, "GET /killed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for @s;
ok(wait_until(sub { asked('killed') }), 'a fetch is under way');
for my $worker ($t->workers) {
    $t->expect(qr/worker process $worker exited on signal 9/);
    $t->signal(KILL => $worker);
}
ok(wait_until(sub { my @w = $t->workers; @w == 2 }), 'new workers');
$r = $t->get('/killed');
is($r->status, 200, 'the fetch is taken over') or diag $r->body;
cmp_ok(asked('killed'), '<=', 3, 'once');
is($t->get('/fast')->status, 200, 'tokens outlive their workers');
is(asked('fast'), 1, 'without another fetch');
close $_ for @s;

# a reload in the middle of a fetch
$e->fault({ client_id => $id{reload}, delay => 2 });
my $child = fork // die;
if ($child == 0) {
    my $code = $t->get('/reload')->status;
    require POSIX;
    POSIX::_exit($code == 200 ? 0 : 1);
}
ok(wait_until(sub { asked('reload') }), 'a fetch is under way');
ok($t->reload($conf), 'a reload');
@r = $t->many(100, uri => '/reload');
is(ok200(@r), 100, 'new workers answer');
waitpid $child, 0;
is($?, 0, 'and the old one too');
cmp_ok(asked('reload'), '<=', 2, 'no storm');

$t->finish;
