#!/usr/bin/perl

# Upstreams that speak HTTP/2: grpc_pass, and proxy_http_version 2 from nginx
# 1.29.4 on.  The token is there, and a 401 is healed as with HTTP/1.1.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Digest::SHA 'sha256_hex';

my $t = EntraTest->new->need('http_v2_module')->module;
my $e = $t->emulator;
my %pass = (grpc => 'grpc_pass grpcs://localhost;');

if ($t->version >= 1029004) {
    $t->write('http2.conf', slurp($t->{vars}{PROXY})
              =~ s/proxy_http_version  1\.1;/proxy_http_version 2;/r);
    $pass{proxy} = 'proxy_pass https://localhost;';
}

my @names = map { my $way = $_; map { "$way-$_" } qw(get small large chunked
                                                  stays denied) } keys %pass;
my $locations = join "\n", map {
    my ($way) = /^(\w+)-/;
    my $include = $way eq 'grpc' ? '%%GRPC%%' : '%%DIR%%/http2.conf';
    my $add = /large/ ? 'client_body_buffer_size 1k;'
        : /denied/ ? 'entra_policies nobody;' : '';
    "location /$_/ { include $include; entra_auth $_; $add $pass{$way} }"
} @names;
my $credentials = join '', map { <<"EOC" } @names;
entra_credential $_ client_secret {
    %%CREDENTIAL%% scope aml; policies none; upstreams 127.0.0.1;
}
EOC

# the upstream is nginx itself, in front of the emulator's
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_policy nobody { locations 192.0.2.1; grant; }
$credentials
upstream localhost { server 127.0.0.1:%%PORT2%%; keepalive 4; }
log_format hop '\$uri \$server_protocol';
server {
    listen 127.0.0.1:%%PORT%%;
    client_max_body_size 10m;
    entra_wait 10s;
    $locations
    location = /entra/status { entra_status; }
}
server {
    listen 127.0.0.1:%%PORT2%% ssl http2;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    client_max_body_size 10m;
    access_log %%DIR%%/hop.log hop;
    location / { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
}
EOC

wait_until(sub { !grep { $_->{state} ne 'valid' }
                 @{ $t->status->{credentials} } }, 10);

sub refuse {
    my ($path, $times) = @_;

    $e->clear_faults;
    $e->fault({ at => 'upstream', path => $path, status => 401,
                body => 'refused', times => $times, headers => {
                    'WWW-Authenticate' => 'Bearer error="invalid_token"',
                    'X-Stale' => 'yes' } });
    $e->forget;
}

sub auth { return join ',', sent($_[0], 'authorization') }

sub healed {
    my ($path, $body, %o) = @_;

    refuse($path, 1);
    my $r = $t->http(uri => "$path?a=%20b", %o);
    is($r->status, 200, "$path: healed") or diag $r->{raw};
    my @two = $e->requests(at => 'upstream', path => $path);
    is(scalar @two, 2, "$path: sent twice") or return;
    is($two[$_]{target}, "$path?a=%20b", "$path: the target") for 0, 1;
    is($two[$_]{body_sha256}, sha256_hex($body), "$path: the body") for 0, 1;
    like(auth($two[$_]), qr/^Bearer [\w.-]+$/, "$path: a token") for 0, 1;
    isnt(auth($two[0]), auth($two[1]), "$path: another one");
    is($r->header('x-stale'), undef, "$path: nothing of the first answer");
    unlike($r->body, qr/refused/, "$path: nor of its body");
    is($t->get("$path?a=%20b")->status, 200, "$path: and then goes on");
}

my $large = join '', map { chr(32 + $_ % 90) } 1 .. 300_000;

for my $way (sort keys %pass) {
    healed("/$way-get/x", '');
    healed("/$way-small/x", 'abc', method => 'PUT', body => 'abc');

    # a body that comes later: grpc_pass never waits for the whole of it
    if ($way eq 'grpc') {
        refuse("/$way-large/x", 1);
        my $r = $t->http(uri => "/$way-large/x", method => 'POST',
                         body => $large);
        is($r->status, 401, 'gRPC: a body that is gone, the 401 passes');
        ok(wait_until(sub { $e->count(at => 'token') == 1 }, 10),
           'gRPC: but another token is fetched');
        is($t->http(uri => "/$way-large/x", method => 'POST',
                    body => $large)->status, 200, 'gRPC: and used');

    } else {
        healed("/$way-large/x", $large, method => 'POST', body => $large);
        healed("/$way-chunked/x", 'hello', method => 'POST',
               headers => ['Transfer-Encoding' => 'chunked'],
               body => "5\r\nhello\r\n0\r\n\r\n");
    }

    refuse("/$way-stays/x", 2);
    my $r = $t->get("/$way-stays/x");
    is($r->status, 401, "$way: a 401 that stays");
    is($r->header('x-stale'), 'yes', "$way: as it came");
    is($e->count(at => 'upstream', path => "/$way-stays/x"), 2,
       "$way: after one more try");

    $e->clear_faults;
    $e->forget;
    is($t->get("/$way-denied/x")->status, 403, "$way: denied");
    is($e->count(at => 'upstream'), 0, "$way: and nothing is sent");
}

my @hop = split /\n/, slurp($t->dir('hop.log'));
is(scalar(grep { !m{ HTTP/2\.0$} } @hop), 0, 'all of it was HTTP/2')
    or diag join "\n", @hop;

$t->finish;
