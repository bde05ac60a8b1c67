#!/usr/bin/perl

# The probe of the metadata service on its own address, 169.254.169.254: in a
# network namespace of the test's own, so as root only.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes 'time';

BEGIN {
    plan(skip_all => 'not root: no network namespace') if $> != 0;
    if (!$ENV{ENTRA_TEST_NAMESPACE}) {
        plan(skip_all => 'no ip or unshare here')
            if system('unshare -n true 2>/dev/null && ip -V >/dev/null') != 0;
        $ENV{ENTRA_TEST_NAMESPACE} = 1;
        exec 'unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"',
            'sh', $^X, "-I$FindBin::Bin/lib", $0;
    }
}

use EntraTest qw(wait_until slurp);

my $t = EntraTest->new(workers => 1)->module;
my $e = $t->emulator;
my $d = $t->dir;
my %env = (PATH => "$d/bin", HOME => $d);

sub ip { system("ip $_[0]") == 0 or die "ip $_[0]" }

sub conf {
    my ($type, $lines, $more) = @_;
    $more //= '';
    return <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential c $type {
    $lines scope aml; upstreams 127.0.0.1; policies none;
}
$more
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 10s;
    location / { entra_auth c; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
}
EOC
}

my $secret = "entra_credential good client_secret {\n %%CREDENTIAL%%\n"
    . " scope aml; preload off; upstreams 127.0.0.1; policies none; }\n"
    . "entra_credential mi managed_identity { preload off;"
    . " scope aml; upstreams 127.0.0.1; policies none; }\n";

sub winner { return $t->status->{credentials}[0]{note} }


# no route to it

$t->start(conf(chain => 'use mi good;', $secret), env => \%env);
my $begin = time;
is($t->get('/')->status, 200, 'no route: the next one') or diag $t->log;
cmp_ok(time - $begin, '<', $t->seconds(3), 'in no time');
like(winner(), qr/"good" .* is used; not: "mi" .* does not answer/, 'note');
$t->stop;


# an address that swallows all that is sent to it

ip('link add dark type veth peer name light');
ip("link set $_ up") for qw(dark light);
ip('addr add 169.254.0.1/16 dev dark');
ip('neigh add 169.254.169.254 lladdr 02:00:00:00:00:01 dev dark nud permanent');

$t->start(conf(chain => 'use mi good;', $secret), env => \%env);
$begin = time;
is($t->get('/')->status, 200, 'a black hole: the next one') or diag $t->log;
my $took = time - $begin;
cmp_ok($took, '<', $t->seconds(4), "after a second ($took)");
$t->stop;


# there it is

ip('link del dark');
ip('addr add 169.254.169.254/32 dev lo');

SKIP: {
    skip 'no socat', 8 if system('socat -V >/dev/null 2>&1') != 0;

    my $pid = fork // die;
    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        exec 'socat', 'TCP-LISTEN:80,bind=169.254.169.254,reuseaddr,fork',
            'TCP:127.0.0.1:' . $e->port('identity');
    }
    wait_until(sub { IO::Socket::INET->new('169.254.169.254:80') }, 10);

    for (['chain', 'use mi good;', $secret], ['default', '', '']) {
        my ($type, $lines, $more) = @$_;
        $e->forget;
        $t->start(conf($type, $lines, $more), env => \%env);
        is($t->get('/')->status, 200, "$type: an answer") or diag $t->log;
        my @q = $e->requests(at => 'identity');
        is(scalar @q, 2, "$type: a probe and a request");
        my @metadata = map { scalar(() = sent($_, 'metadata')) } @q;
        is_deeply(\@metadata, [0, 1], "$type: the probe has no Metadata");
        $t->stop;
    }

    $e->forget;
    $t->start(conf(managed_identity => ''), env => \%env);
    is($t->get('/')->status, 200, 'alone: an answer');
    is($e->count(at => 'identity'), 1, 'alone: no probe');
    $t->stop;

    kill TERM => $pid;
    waitpid $pid, 0;
}

$t->finish;
