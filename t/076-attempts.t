#!/usr/bin/perl

# nginx tries one server after the other with the request that it has made
# once, and may wait long before it sends it: no attempt carries a token that
# has expired by then.  And a token that is replaced while a request is made
# is not read after it was freed.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new->need('http_ssl_module')->module;
my $e = $t->emulator;
$e->settings(expires_in => 5);

# answers names only when it is told to
my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
    or die "udp: $!";

my $d = $dns->sockport;
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%% scope aml arm; policies none;
    upstreams 127.0.0.1 echo.test late.test;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%% max_fails=0;
                     server 127.0.0.1:%%UPSTREAM%% max_fails=0; }
upstream slow.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream mute.test { server 127.0.0.1:%%UPSTREAM%%; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    entra_wait 1s;
    entra_token \$other app scope=arm;
    proxy_set_header X-Other \$other;
    proxy_next_upstream error timeout http_500 http_503 non_idempotent;
    proxy_ssl_name echo.test;
    location / { proxy_pass https://echo.test; }
    # without connections that are kept
    location /tls { proxy_pass https://slow.test; }
    location /none-unsent { proxy_pass https://mute.test; }
    location /late { resolver 127.0.0.1:$d ipv6=off; resolver_timeout 30s;
                     set \$late late.test;
                     proxy_pass https://\$late:%%UPSTREAM%%; }
    location /stale { proxy_cache c; proxy_cache_key stale;
                      proxy_cache_valid 200 1s;
                      proxy_cache_use_stale error http_500 timeout;
                      add_header X-Cache \$upstream_cache_status;
                      proxy_pass https://slow.test; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->ready;

# seconds of life that a token had left when it came, by its own "exp"
sub left {
    my ($authorization, $at) = @_;
    return (claims($authorization)->{exp} // 0) - $at;
}

sub header { return join ',', sent(@_) }

sub seen { my ($path) = @_;
           return $e->requests(at => 'upstream', path => $path) }

# both tokens of all requests for this path were valid when they came
sub valid {
    my ($path, $n, $name) = @_;
    my @seen = seen($path);
    is(scalar @seen, $n, "$name: $n requests came");
    for my $r (@seen) {
        my $at = $r->{time};
        cmp_ok(left(header($r, $_), $at), '>', -1, "$name: $_ was valid")
            for qw(authorization x-other);
    }
    return @seen;
}


# the first server keeps the request longer than the token lives

for my $method ('GET', 'POST') {
    my $path = "/next-$method";
    $e->fault({ at => 'upstream', path => $path, delay => 6, status => 503,
                times => 1 });
    my $r = $t->http(uri => $path, method => $method,
                     $method eq 'POST' ? (body => 'x' x 20000) : (),
                     timeout => $t->seconds(30));
    is($r->status, 200, "$method: the second server answers");
    my @seen = valid($path, 2, $method);
    isnt(header($seen[0], 'authorization'), header($seen[1], 'authorization'),
         "$method: with another token");
    is($r->json->{body_length}, $method eq 'POST' ? 20000 : 0,
       "$method: with the body");
}

# without the provider there is no second attempt
$e->fault({ at => 'upstream', path => '/none', delay => 6, status => 503,
            times => 1 });
my $down = $e->fault({ at => 'token', status => 503, json => {} });
my $r = $t->get('/none', timeout => $t->seconds(30));
is($r->status, 503, 'no token for a second attempt: 503');
is($r->header('content-type'), 'application/problem+json', "the module's own");
is(scalar seen('/none'), 1, 'and no second request');

# the last attempt has failed, the token has expired, and there is no other:
# the cache's answer needs none
$e->clear_faults;
ok(wait_until(sub { $t->get('/stale')->status == 200 }), 'an answer to cache');
sleep 2.1;                      # it is stale after 1 s, in whole seconds
ok(wait_until(sub { $t->get('/x')->status == 200 }, 5), 'a token');
$e->fault({ at => 'upstream', path => '/stale', status => 500, delay => 6 });
$e->fault({ at => 'token', status => 503, json => {} });
$r = $t->get('/stale', timeout => $t->seconds(40));
is($r->status, 200, 'a stale answer, when the only attempt outlives its token');
is($r->header('x-cache'), 'STALE', 'from the cache');
is($t->get('/x')->status, 503, 'and there is no token');
$e->clear_faults;
ok(wait_until(sub { $t->get('/x')->status == 200 }, 20), 'well again');


# the request waits, unsent, for a connection, a handshake, or an address

sub asks {
    my ($uri) = @_;
    my $socket = EntraTest::HTTP::connect_to(port => $t->port);
    syswrite $socket, EntraTest::HTTP::format_request(uri => $uri,
                                                      port => $t->port);
    return $socket;
}

sub answer {
    my ($socket) = @_;
    return EntraTest::HTTP::read_response($socket,
                                          timeout => $t->seconds(30));
}

$e->fault({ at => 'any', connection => 'slow', seconds => 6.5,
            listener => 'upstream', times => 1 });
$r = $t->get('/tls', timeout => $t->seconds(30));
is($r->status, 200, 'a handshake that takes long');
valid('/tls', 1, 'handshake');

my $query = '';
my $client = asks('/late');
my $peer = recv $dns, $query, 512, 0;
sleep 6.5;
my ($id, $question) = unpack 'n x10 a*', $query;
($question) = $question =~ /^(.*?\0....)/s;
send $dns, pack('n n n n n n', $id, 0x8180, 1, 1, 0, 0) . $question
     . pack('n n n N n C4', 0xc00c, 1, 1, 60, 4, 127, 0, 0, 1), 0, $peer;
$r = answer($client);
is($r->status, 200, 'a name that is resolved late');
valid('/late', 1, 'late');

# and with no provider the request is ended when its token is
ok(wait_until(sub { $t->get('/x')->status == 200 }, 20), 'a token');
$e->fault({ at => 'token', status => 503, json => {} });
$e->fault({ at => 'any', connection => 'hang', seconds => 40,
            listener => 'upstream', times => 2 });
my $begin = time;
$r = $t->get('/none-unsent', timeout => $t->seconds(30));
is($r->status, 503, 'unsent, and without a token: 503');
cmp_ok(time - $begin, '<', $t->seconds(20), 'before the handshake ends');
is(scalar seen('/none-unsent'), 0, 'and nothing was sent');
$e->clear_faults;
ok(wait_until(sub { $t->get('/x')->status == 200 }, 20), 'well again');


# tokens are replaced each second, and requests wait between looking at them
# and being made

$e->settings(expires_in => 3);
my @tokens;
my $until = time + 8;
my $n = 0;
while (time < $until) {
    my @r = $t->many(8, uri => '/fast?' . $n++);
    push @tokens, map { ($_->seen('authorization'))[0] // '',
                        'Bearer ' . (($_->seen('x-other'))[0] // '') }
        grep { $_->status == 200 } @r;
}
my %issued = map { ("Bearer $_->{token}" => 1) } $e->tokens;
cmp_ok(scalar @tokens, '>', 50, scalar(@tokens) . ' tokens came');
is(scalar(grep { !$issued{$_} } @tokens), 0, 'each one that was issued, whole');

$t->expect(qr/no access token|entra/);
$t->finish;
