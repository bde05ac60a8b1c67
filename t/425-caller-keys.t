#!/usr/bin/perl

# The keys that callers' tokens are checked with: fetched in the background,
# anew because of an unknown kid at most every 2 seconds, kept when the
# provider is down.  Without any the gateway cannot tell: 503.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;

my %fake = $t->faketime;

# the clock of nginx, and of the tokens that are made
sub clock {
    my ($seconds, $tokens) = @_;
    $t->clock(sprintf '%+d', $seconds);
    $e->settings(clock_offset => $tokens // $seconds);
}
clock(0);

my $audience = '7a7a7a7a-0000-4000-8000-00000000000a';
my $http = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_caller_token {
    tenant_id       %%TENANT%%;
    audience        api://gateway $audience;
    authority_host  %%AUTHORITY%%;
}
entra_policy anybody { locations any; grant; }
entra_policy token   { locations any; grant all token; }
entra_policy either  { locations any; grant any token certificate; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    entra_wait 1s;
    location /anybody { entra_policies anybody;
                        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /token { entra_policies token;
                      proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /patient { entra_policies token; entra_wait 60s;
                        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /either { entra_policies either;
                       proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/ready { entra_auth off; entra_status ready; }
    location = /entra/status { entra_auth off; entra_status; }
}
EOC

sub token {
    my (%o) = @_;
    return $e->mint(version => 2, claims => { aud => $audience }, %o);
}
sub ask {
    my ($uri, $token) = @_;
    return $t->get($uri, headers => defined $token
                   ? [Authorization => "Bearer $token"] : []);
}
sub status { return ask(@_)->status }
sub asked { return $e->count(at => 'keys') + $e->count(at => 'discovery') }
sub again {
    $t->stop if $t->pid;
    $t->write('error.log', '');
    $t->start($http, %fake);
}
# a kid that nobody has seen, nothing else is wrong with the token
my $made_up = 0;
sub made_up { return token(header => { kid => 'made-up-' . $made_up++ }) }

# never loaded
$e->fault({ at => 'discovery', status => 503, body => 'x' });
again();
ok($t->wait_log(qr/entra_caller_token: .*, discovery document of v1 tokens/),
   'down')
    or diag $t->log;
my $good = token();
for my $uri ('/token', '/either') {
    my $r = ask($uri, $good);
    is($r->status, 503, "$uri: keys that never came");
    like($r->header('retry-after') // '', qr/^[1-9]\d*$/, '  Retry-After');
    like($r->header('content-type'), qr{application/problem\+json}, '  JSON');
}
is(status('/token'), 401, 'no token: 401 all the same');
is(status('/token', 'x.y.z'), 401, 'nonsense too');
is(status('/token', token(alg => 'none')), 401, 'and alg none');
is(status('/token', token(claims => { aud => 'x' })), 401,
   'and one for others');
is(status('/anybody'), 200, 'where none is shown');
is(status('/anybody', $good), 200, 'or where no policy looks at it');
is($t->get('/entra/ready')->status, 503, 'not ready');
like($t->get('/entra/ready')->body, qr/entra_caller_token/, 'and says why');
my $load = $t->load('/anybody', clients => 1, pause => 0.05);
$e->clear_faults;
ok(wait_until(sub { status('/token', $good) == 200 }, 20), 'they come');
$t->ready(5);
my $sum = $load->stop;
is($sum->{failed}, 0, 'others never noticed') or diag explain $sum;

# documents that are not believed
my $port = $t->value('ENTRA');
my $tenant = $t->value('TENANT');
my $key = EntraTest::HTTP::request(port => $port, tls => 1, uri =>
    "/$tenant/discovery/v2.0/keys")->json->{keys}[0];
my %other = (%$key, n => $key->{n} =~ s/^(.)/$1 eq 'z' ? 'y' : 'z'/er);
my %bad = (
    'HTML' => [{ at => 'keys', preset => 'html' }, qr/not a JSON object/],
    'a redirect' => [{ at => 'keys', preset => 'redirect' },
        qr/redirect \(status 30\d\)/],
    '10 MB' => [{ at => 'keys', oversized => 10_000_000 }, qr/large|bytes/],
    'no keys' => [{ at => 'keys', json => { keys => [] } }, qr/no usable/],
    'two of a kid' => [{ at => 'keys', json => { keys => [$key, \%other] } },
        qr/no usable key/],
    'a private key' => [{ at => 'keys', json => { keys =>
        [{ %$key, d => 'AQAB' }] } }, qr/no usable key/],
    'for encryption' => [{ at => 'keys', json => { keys =>
        [{ %$key, use => 'enc' }] } }, qr/no usable key/],
    'an issuer of another tenant' => [{ at => 'discovery', set => { issuer =>
        'https://sts.windows.net/22222222-2222-4222-8222-222222222222/' } },
        qr/is not of the tenant/],
    'keys on another host' => [{ at => 'discovery', set => { jwks_uri =>
        "https://127.0.0.2:$port/$tenant/discovery/keys" } },
        qr/points to another host/],
    'keys over http' => [{ at => 'discovery', set => { jwks_uri =>
        "http://localhost:$port/$tenant/discovery/keys" } }, qr/not https/],
);
for my $case (sort keys %bad) {
    my ($fault, $why) = @{ $bad{$case} };
    $e->clear_faults;
    $e->fault($fault);
    again();
    ok($t->wait_log(qr/\[error\].*entra_caller_token.*$why/), "$case: refused")
        or diag $t->log;
    is(status('/token', $good), 503, '  and nothing is believed');
}
$e->clear_faults;

ok($t->wait_log(qr/entra_caller_token: got the keys of callers' tokens for/),
   'the log tells what came');

# a key that names another issuer signs for that one only
my $iss = 'https://localhost:1/' . $tenant . '/v2.0';
$e->fault({ at => 'keys', json => { keys => [{ %$key, issuer => $iss }] } });
again();
ok(wait_until(sub { status('/token', $good) == 401 }, 10),
   'a key of another issuer');
ok($t->wait_log(qr/key signs for another issuer/), 'is why');
$e->clear_faults;

# rotation
again();
ok(wait_until(sub { status('/token', $good) == 200 }), 'the old key');
my $n = asked();
$e->rotate_keys(keep => \1);
my $new = token();
is(status('/patient', $new), 200, 'a new key: its first request');
is(asked() - $n, 4, 'one look at two documents and two key sets');
is(status('/token', $good), 200, 'the old one is still published');
is(status('/token', token()), 200, 'others with the new one');
is(asked() - $n, 4, 'and nobody is asked for them');

# one that is made up
my $odd = made_up();
my $r = ask('/patient', $odd);
is($r->status, 401, 'a made up kid: 401');
is($r->header('www-authenticate'), 'Bearer error="invalid_token"', '  so');
is(asked() - $n, 8, '  after a look');
my @again = $t->many(20, uri => '/patient', headers =>
                     [Authorization => "Bearer $odd"]);
is(scalar(grep { $_->status != 401 } @again), 0, '  again and again');
cmp_ok(asked() - $n, '<=', 12, '  after one more at most, of the other worker');
$n = asked();
is(status('/patient', token(header => { kid => 'foreign' },
                            claims => { aud => 'x' })), 401,
   'one for others');
is(status('/patient', token(header => { kid => 'expired' },
                            claims => { exp => int time - 3600 })), 401,
   'or of yesterday');
is(asked(), $n, '  is not worth a look');

# a rotation while others make kids up, in two workers
again();
ok(wait_until(sub { status('/token', $good) == 200 }), 'a new start');
for my $round (1 .. 3) {
    $n = asked();
    my $begin = time;
    $e->rotate_keys(keep => \1);
    $new = token();
    my @tokens = map { $_ % 10 ? made_up() : $new } 1 .. 100;
    my @got = $t->many(scalar @tokens, uri => '/patient', each => sub {
        (headers => [Authorization => "Bearer $tokens[$_[0]]"]) });
    my (%genuine, %other);
    $tokens[$_] eq $new ? $genuine{ $got[$_]->status }++
                        : $other{ $got[$_]->status }++ for 0 .. $#got;
    is_deeply(\%genuine, { 200 => 10 }, "rotation $round: the new key");
    is_deeply(\%other, { 401 => 90 }, '  what is made up is refused');
    my $most = int((time - $begin) / 2) + 2;
    cmp_ok(asked() - $n, '<=', 4 * $most, "  at most $most looks");
}
$n = asked();
ok($t->reload($http, %fake, wait => 1), 'reload');
is(status('/token', $new), 200, 'with the keys at hand');
is(asked() - $n, 0, 'nobody is asked');

# withdrawn: found out with the next look
is(status('/token', $good), 200, 'the oldest key, once more');
$e->rotate_keys(keep => \0);
is(status('/patient', token()), 200, 'all others were withdrawn');
is(status('/patient', $_), 401, 'and are gone, validated before or not')
    for $good, $new;
$new = token();

# down
$e->fault({ at => 'keys', status => 500, body => 'x' },
          { at => 'discovery', status => 500, body => 'x' });
again();
is(status('/token', $new), 503, 'down at the start: 503');
$e->clear_faults;
ok(wait_until(sub { status('/token', $new) == 200 }, 60), 'and up');
$e->fault({ at => 'keys', status => 500, body => 'x' },
          { at => 'discovery', status => 500, body => 'x' });
$n = asked();
my $begin = time;
my @got = $t->many(20, uri => '/token', each => sub { (headers =>
    [Authorization => 'Bearer ' . ($_[0] % 2 ? $new : made_up())]) });
my %known = map { $got[$_ * 2 + 1]->status => 1 } 0 .. 9;
my %unknown = map { $got[$_ * 2]->status => 1 } 0 .. 9;
is_deeply(\%known, { 200 => 1 }, 'down: known keys serve');
is_deeply(\%unknown, { 503 => 1 }, 'unknown ones cannot be told');
cmp_ok(asked() - $n, '<=', 3 + 2 * (time - $begin), 'few attempts');
ok($t->reload($http, %fake, wait => 1), 'reload while it is down');
is(status('/token', $new), 200, 'the keys stay');
ok($t->wait_log(qr/entra_caller_token: .*the last keys are used/),
   'the log says so');
$e->rotate_keys(keep => \1);
my $newest = token();
is(status('/token', $newest), 503, 'a new key meanwhile');
$e->clear_faults;
ok(wait_until(sub { status('/token', $newest) == 200 }, 120),
   'is accepted when the provider is back');

SKIP: {
    skip 'libfaketime is not installed, or does not mix', 1 unless %fake;

    # the clock
    clock(7200, 0);
    wait_until(sub { abs($t->status->{time} - time - 7200) < 60 });
    is(status('/token', $new), 401, 'two hours on: it has expired');
    clock(-7200, 0);
    wait_until(sub { abs($t->status->{time} - time + 7200) < 60 });
    is(status('/token', token()), 401, 'two hours back: not valid yet');
    clock(0);
    wait_until(sub { abs($t->status->{time} - time) < 60 });
    is(status('/token', token()), 200, 'and back');
}

$t->finish;
