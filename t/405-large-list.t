#!/usr/bin/perl

# A list of 100,000 ranges: read at start, and again when it changes, without
# a pause for those who are being served.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time);

my $t = EntraTest->new(warnings => 1)->module->need('http_realip_module');
my $e = $t->emulator;

# 10.0.0.0/31, 10.0.0.4/31, ... in no order; $shift moves all of them
my $n = 100_000;
sub list {
    my ($shift) = @_;
    return join '', map { my $i = $_ * 7919 % $n * 4 + $shift;
        sprintf "10.%d.%d.%d/31\n", $i >> 16, $i >> 8 & 255, $i & 255 }
        0 .. $n - 1;
}
sub memory {
    my ($pid) = @_;
    my ($kb) = slurp("/proc/$pid/smaps_rollup") =~ /^Private_Dirty:\s*(\d+)/m;
    return $kb // 0;
}

$t->write('large.cidr', list(0));
my $begin = time;
$t->start(<<'EOC');
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies in;
}
entra_named_location large { file %%DIR%%/large.cidr; }
entra_policy in { locations large; grant; }
server {
    listen 127.0.0.1:%%PORT%% reuseport;
    add_header X-Worker $pid always;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    location / { include %%PROXY%%; entra_auth app;
                 proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /ping { return 200 pong; }
    location = /entra/ready { entra_status ready; }
    location = /entra/status { entra_status; }
}
EOC
cmp_ok(time - $begin, '<', $t->seconds(10), 'nginx starts with it');
$t->ready;

sub from {
    my ($address) = @_;
    return $t->get('/', headers => ['X-Forwarded-For' => $address]);
}
sub status { return from(@_)->status }
sub right {
    my ($shift, $what) = @_;
    my $wrong = 0;
    for my $k (map { ($_ * 997 + 1) % $n } 0 .. 19) {
        for my $byte (0 .. 3) {
            my $i = $k * 4 + $byte;
            my $want = ($byte - $shift) % 4 < 2 ? 200 : 403;
            $wrong++ if status(sprintf '10.%d.%d.%d', $i >> 16, $i >> 8 & 255,
                               $i & 255) != $want;
        }
    }
    is($wrong, 0, "$what: 80 addresses");
}
right(0, 'at start');
is(status('9.255.255.255') . status('10.6.26.128'), '403403', 'the ends');
is($t->get('/entra/status')->json->{named_locations}[0]{entries}, $n,
   'entries in the status');

my %before = map { $_ => memory($_) } $t->workers;
my $load = $t->load('/ping', clients => 2);
$begin = time;
$t->write('large.cidr', list(2));
ok($t->wait_log(qr/"large": new list, 100000 ranges/, 20), 'a new list');
ok(wait_until(sub { $t->statuses(sub { from('10.0.0.2') }) eq '200' }),
   'in all workers');
my $took = time - $begin;
my $sum = $load->stop;
cmp_ok($took, '<', $t->seconds(10), "within seconds: $took");
is($sum->{failed}, 0, 'all were served meanwhile');
cmp_ok($sum->{total}, '>', 50, "$sum->{total} of them");
# a bound that a busy machine keeps; that it is read in pieces is counted in
# t/unit/entra_named_location_test.c
cmp_ok($sum->{max}, '<', $t->seconds(1), "the slowest took $sum->{max} s");
right(2, 'the new list');
SKIP: {
    skip 'AddressSanitizer gives nothing back for a while', 2 if $t->sanitized;
    for my $pid (keys %before) {
        my $more = memory($pid) - $before{$pid};
        cmp_ok($more, '<', 12_000, "a worker grew by $more KB");
    }
}

$t->finish;
