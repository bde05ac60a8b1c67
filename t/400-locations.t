#!/usr/bin/perl

# Where a request comes from: named locations inline, client and peer, what
# proxies say (X-Forwarded-For, PROXY protocol), IPv4, IPv6 and unix sockets.
# An address that cannot be told is nobody's.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(inet_pton AF_INET AF_INET6 pack_sockaddr_in6 PF_INET6
              SOCK_STREAM);

my $t = EntraTest->new(warnings => 1)->module->need('http_realip_module');
my $e = $t->emulator;

my $s6;
my $v6 = socket($s6, PF_INET6, SOCK_STREAM, 0)
    && bind($s6, pack_sockaddr_in6(0, inet_pton(AF_INET6, '::1')));

# a policy and a location for each: /in/NAME is granted to that location only
my %locations = (
    net => '127.0.1.0/24;', host => '127.0.3.7;',
    halves => '127.0.4.0/25; 127.0.4.128/25;',
    nested => '127.0.5.0/24 127.0.5.64/26; 127.0.5.128/32;',
    ten => '10.1.1.0/24;', loop => '127.0.0.0/8;', all4 => '8.0.0.0/8;
        9.0.0.0/8; 10.0.0.0/8; 127.0.0.0/8; 203.0.113.0/24;',
    six => '::1; 2001:db8:10::/48;', socket => 'unix;',
    both => '127.0.0.1; unix;',
);
my ($rules, $places) = ('', '');
for my $name (sort keys %locations) {
    $rules .= "entra_named_location $name { $locations{$name} }\n"
        . "entra_policy in-$name { locations $name; grant; }\n"
        . "entra_policy out-$name { locations any except $name; grant; }\n"
        . "entra_policy no-$name { locations $name; block; }\n"
        . "entra_policy peer-$name { peers $name; grant; }\n";
    for my $kind (qw(in out peer)) {
        $places .= "location /$kind/$name { entra_policies $kind-$name; "
            . "proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n";
    }
    $places .= "location /no/$name { entra_policies anybody no-$name; "
        . "proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n";
}
$t->write('places.conf', <<"EOC");
include %%PROXY%%;
entra_auth app;
add_header X-Client \$remote_addr always;
add_header X-Location \$entra_location always;
add_header X-Decision \$entra_decision always;
add_header X-Json \$entra_decision_json always;
location /any { entra_policies anybody;
                proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
$places
EOC

my $six = $v6 ? 'listen [::]:%%PORT2%% ipv6only=off;' : '';
my $http = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_policy anybody { locations any; grant; }
$rules
server {
    listen 127.0.0.1:%%PORT%%;
    listen unix:%%DIR%%/plain.sock;
    $six
    include %%DIR%%/places.conf;
    location = /entra/ready { entra_auth off; entra_status ready; }
}
server {                                # behind proxies
    listen 127.0.0.1:%%PORT3%%;
    listen unix:%%DIR%%/proxied.sock;
    set_real_ip_from 127.0.0.1;
    set_real_ip_from 127.0.0.2;
    set_real_ip_from unix:;
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
    include %%DIR%%/places.conf;
}
server {                                # one hop only
    listen 127.0.0.1:%%PORT4%%;
    set_real_ip_from 127.0.0.1;
    set_real_ip_from 127.0.0.2;
    real_ip_header X-Forwarded-For;
    include %%DIR%%/places.conf;
}
server {
    listen 127.0.0.1:%%PORT5%%;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    include %%DIR%%/places.conf;
}
server {
    listen 127.0.0.1:%%PORT6%% proxy_protocol;
    set_real_ip_from 127.0.0.1;
    real_ip_header proxy_protocol;
    include %%DIR%%/places.conf;
}
entra_trusted_proxies 127.0.0.1 127.0.0.2 unix;
EOC

$t->start($http);
$t->ready;

# a request from that address, over that listener
sub ask {
    my ($uri, %o) = @_;

    my $socket = $o{unix}
        ? IO::Socket::UNIX->new(Peer => $t->dir($o{unix}))
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
              PeerPort => $t->port($o{port} || 'PORT'),
              $o{from} ? (LocalAddr => $o{from}) : ());
    return $t->get($uri, socket => $socket, headers => $o{headers} || [],
                   $o{preamble} ? (raw => $o{preamble}
                       . "GET $uri HTTP/1.1\r\nHost: localhost\r\n"
                       . "Connection: close\r\n\r\n") : ());
}

my $got = sub {
    my ($r) = @_;
    my $token = grep { /^Bearer \S+\.\S+\.\S+$/ } $r->seen('authorization');
    return $r->status == 200 && $token ? 'in'
         : $r->status == 403 ? 'out' : 'status ' . $r->status;
};

sub is_in  { is($got->(ask(@_)), 'in',  join ' ', map { ref $_ ? "@$_" : $_ }
                                          @_) }
sub is_out { is($got->(ask(@_)), 'out', join ' ', map { ref $_ ? "@$_" : $_ }
                                          @_) }

# the trusted proxies are unknown as clients: PORT serves others
sub edges {
    my ($name, %want) = @_;
    for my $from (sort keys %want) {
        my $in = $want{$from};
        is($got->(ask("/in/$name", from => $from)), $in ? 'in' : 'out',
           "$name: $from is " . ($in ? 'in' : 'out'));
        is($got->(ask("/out/$name", from => $from)), $in ? 'out' : 'in',
           '  and except');
    }
}

edges(net => '127.0.0.255' => 0, '127.0.1.0' => 1, '127.0.1.255' => 1,
             '127.0.2.0' => 0);
edges(host => '127.0.3.6' => 0, '127.0.3.7' => 1, '127.0.3.8' => 0);
edges(halves => '127.0.3.255' => 0, '127.0.4.127' => 1, '127.0.4.128' => 1,
                '127.0.4.255' => 1, '127.0.5.0' => 0);
edges(nested => '127.0.5.0' => 1, '127.0.5.63' => 1, '127.0.5.64' => 1,
                '127.0.5.127' => 1, '127.0.5.255' => 1, '127.0.6.0' => 0);
edges(ten => '127.0.1.1' => 0);
is($got->(ask('/no/net', from => '127.0.1.1')), 'out', 'a block inside');
is($got->(ask('/no/net', from => '127.0.2.1')), 'in', 'none outside');

# a spoofed header from a peer that is no proxy says nothing
for my $header ('X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'True-Client-IP',
                'X-Client-IP', 'X-Original-Forwarded-For')
{
    my @spoof = (headers => [$header => '10.1.1.1']);
    is_out('/in/ten', from => '127.0.0.9', @spoof);
    is_out('/in/ten', from => '127.0.0.9', port => 'PORT3', @spoof);
}
is_out('/in/ten', from => '127.0.0.9', port => 'PORT5',
       headers => ['X-Real-IP' => '10.1.1.1']);
my $r = ask('/in/ten', from => '127.0.0.9', port => 'PORT3',
            headers => ['X-Forwarded-For' => '10.1.1.1']);
is($r->header('x-client'), '127.0.0.9', 'the peer stays the client');

# what a trusted proxy says
sub forwarded {
    my ($xff, $want, $port, %o) = @_;
    my @ask = (port => $port || 'PORT3', from => '127.0.0.1',
               headers => [map { ('X-Forwarded-For' => $_) }
                           ref $xff ? @$xff : $xff], %o);
    my ($address) = @ask;
    my $text = ref $xff ? join ' | ', @$xff : "\"$xff\"";
    is($got->(ask('/in/ten', @ask)), $want eq 'ten' ? 'in' : 'out',
       "X-Forwarded-For: $text: $want");
    # unknown is in no list, and outside of none
    if ($want eq 'unknown') {
        is($got->(ask('/in/all4', @ask)), 'out', '  not the proxy');
        is($got->(ask('/out/six', @ask)), 'out', '  not outside either');
        is($got->(ask('/no/six', @ask)), 'out', '  a block applies');
        is($got->(ask('/any', @ask)), 'in', '  "any" is any');
    }
}
forwarded('10.1.1.1', 'ten');
forwarded('10.1.1.255, 127.0.0.2', 'ten');
forwarded('10.1.1.1, 203.0.113.9', 'other');
forwarded(['10.1.1.1', '203.0.113.9'], 'other');
forwarded('10.1.1.1:4711', 'ten');
forwarded('::ffff:10.1.1.1', 'ten');
forwarded('[::ffff:10.1.1.1]:80', 'ten');
forwarded($_, 'unknown') for '10.1.1.1, garbage', 'garbage', '',
    '10.1.1.1, 127.0.0.2, unknown', '0xa.1.1.1', '10.1', '167837953',
    'unix:', '10.1.1.1%eth0', 'fe80::1%eth0', '10.1.1.1, _hidden', '127.0.0.1',
    '127.0.0.2, 127.0.0.1', '999.1.1.1', '10.1.1.1/24';
forwarded([], 'unknown');
forwarded($_, 'other') for '2002:0a01:0101::1', '64:ff9b::10.1.1.1',
    '::10.1.1.1', '2001:db8:10::1', '::ffff:0:10.1.1.1';
forwarded('10.1.1.1', 'ten', 'PORT4');
forwarded('10.1.1.1, 127.0.0.2', 'unknown', 'PORT4');
forwarded('10.1.1.1, garbage', 'unknown', 'PORT4');

$r = ask('/in/ten', port => 'PORT3', from => '127.0.0.1', headers =>
         ['X-Forwarded-For' => '10.1.1.1']);
is($r->header('x-location'), 'all4,ten', '$entra_location');
is($r->header('x-decision'), 'allow', '$entra_decision');
like($r->header('x-json'), qr/"ipAddress":"10\.1\.1\.1"/, 'in the JSON too');
$r = ask('/in/all4', port => 'PORT3', from => '127.0.0.1', headers =>
         ['X-Forwarded-For' => 'x']);
is($r->header('x-location'), '-', 'unknown: in none');
ok($t->wait_log(qr/denied:\ no\ grant\ applies:\ "in-all4"
                   \ \(unknown:\ locations\);
                   \ client\ unknown,\ peer\ 127\.0\.0\.1/x),
   'the log says why');

# IPv6 forms in the header
is_in('/in/six', port => 'PORT3', from => '127.0.0.2',
      headers => ['X-Forwarded-For' => '2001:DB8:10:ffff:ffff::ffff']);
is_in('/in/six', port => 'PORT3', from => '127.0.0.2',
      headers => ['X-Forwarded-For' => '[2001:db8:10::1]:443']);
is_out('/in/six', port => 'PORT3', from => '127.0.0.2',
       headers => ['X-Forwarded-For' => '2001:db8:11::']);
is_out('/in/six', port => 'PORT3', from => '127.0.0.2',
       headers => ['X-Forwarded-For' => '2001:db8:f:ffff::1']);

# X-Real-IP: one that is there twice says nothing
is_in('/in/ten', port => 'PORT5', headers => ['X-Real-IP' => '10.1.1.1']);
is_out('/in/ten', port => 'PORT5', headers => ['X-Real-IP' => '10.1.1.1',
                                         'X-Real-IP' => '203.0.113.9']);
is_out('/in/all4', port => 'PORT5', headers => ['X-Real-IP' => '10.1.1.1',
                                         'X-Real-IP' => '203.0.113.9']);
is_out('/in/ten', port => 'PORT5', headers => ['X-Real-IP' =>
                                               '10.1.1.1, 203.0.113.9']);

# peers are not clients
is_in('/peer/loop', port => 'PORT3', from => '127.0.0.1',
      headers => ['X-Forwarded-For' => '203.0.113.9']);
is_in('/peer/loop', port => 'PORT3', from => '127.0.0.1',
      headers => ['X-Forwarded-For' => 'garbage']);
is_out('/peer/ten', port => 'PORT3', from => '127.0.0.1',
       headers => ['X-Forwarded-For' => '10.1.1.1']);
is_in('/peer/host', from => '127.0.3.7', port => 'PORT3');
is_out('/peer/host', from => '127.0.3.8', port => 'PORT3');
is_in('/peer/host', from => '127.0.3.7');

# each request of a connection for itself
my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                              PeerPort => $t->port('PORT3'));
my @seq = map { $t->get('/in/ten', socket => $c, keepalive => 1,
                        headers => $_)->status }
    ['X-Forwarded-For' => '10.1.1.1'], [], ['X-Forwarded-For' => '10.1.1.9'],
    ['X-Forwarded-For' => '10.1.2.1'], ['X-Forwarded-For' => '10.1.1.1'];
is("@seq", '200 403 200 403 200', 'keepalive: no decision outlives its request');

# PROXY protocol
sub binary {
    my ($command, $family, $body) = @_;
    return "\r\n\r\n\0\r\nQUIT\n" . pack 'CCn/a', 0x20 | $command, $family,
        $body;
}
my $ip = sub { inet_pton(AF_INET, shift) };
my $ip6 = sub { inet_pton(AF_INET6, shift) };
my %proxied = (
    'v1' => ["PROXY TCP4 10.1.1.1 10.0.0.1 1111 80\r\n", 'in'],
    'v1, other' => ["PROXY TCP4 10.1.2.1 10.0.0.1 1111 80\r\n", 'out'],
    'v1 UNKNOWN' => ["PROXY UNKNOWN\r\n", 'out'],
    'v1 UNKNOWN with addresses' =>
        ["PROXY UNKNOWN 10.1.1.1 10.0.0.1 1111 80\r\n", 'out'],
    'v1, no address' => ["PROXY TCP4 999.1.1.1 10.0.0.1 1111 80\r\n", 'out'],
    'v1, mapped' => ["PROXY TCP6 ::ffff:10.1.1.1 ::1 1111 80\r\n", 'in'],
    'v1, 6to4' => ["PROXY TCP6 2002:0a01:0101::1 ::1 1111 80\r\n", 'out'],
    'v2' => [binary(1, 0x11, $ip->('10.1.1.1') . $ip->('10.0.0.1')
                         . pack('nn', 1111, 80)), 'in'],
    'v2, IPv6' => [binary(1, 0x21, $ip6->('::ffff:10.1.1.1') . $ip6->('::1')
                               . pack('nn', 1111, 80)), 'in'],
    'v2 LOCAL' => [binary(0, 0x11, $ip->('10.1.1.1') . $ip->('10.0.0.1')
                               . pack('nn', 1111, 80)), 'out'],
    'v2 LOCAL, unspecified' => [binary(0, 0, ''), 'out'],
);
for my $case (sort keys %proxied) {
    my ($preamble, $want) = @{ $proxied{$case} };
    is($got->(ask('/in/ten', port => 'PORT6', preamble => $preamble)), $want,
       "PROXY protocol, $case: $want");
    next unless $case =~ /UNKNOWN|no address|LOCAL/;
    is($got->(ask('/in/loop', port => 'PORT6', preamble => $preamble)), 'out',
       '  not the proxy');
}
is($got->(ask('/in/ten', port => 'PORT6', from => '127.0.0.9',
              preamble => $proxied{v1}[0])), 'out',
   'PROXY protocol of a peer that is no proxy');
is(ask('/in/ten', port => 'PORT6')->status, 0, 'without it: closed');

# unix sockets
is($got->(ask('/in/ten', unix => 'proxied.sock', headers =>
              ['X-Forwarded-For' => '10.1.1.1'])), 'in',
   'a proxy on a unix socket');
is($got->(ask('/in/socket', unix => 'proxied.sock', headers =>
              ['X-Forwarded-For' => 'garbage'])), 'out', 'that errs');
is($got->(ask('/peer/socket', unix => 'plain.sock')), 'in', 'peers unix');
is($got->(ask('/peer/socket')), 'out', 'TCP is not');
ok($t->reload($http =~ s/ unix;\s*\z/;/r, wait => 1), 'unix is no proxy now');
for my $case (['/in/socket', 'in'], ['/in/both', 'in'], ['/in/loop', 'out'],
              ['/in/all4', 'out'], ['/no/socket', 'out'], ['/out/all4', 'in'])
{
    is($got->(ask($case->[0], unix => 'plain.sock')), $case->[1],
       "a client of a unix socket: $case->[0]");
}
is($got->(ask('/in/ten', unix => 'proxied.sock', headers =>
              ['X-Forwarded-For' => '10.1.1.1'])), 'out',
   'a proxy that is not trusted');

# IPv6 and dual-stack
SKIP: {
    skip 'no IPv6 here', 7 unless $v6;
    my $curl = sub { $t->curl(@_) };
    my $over6 = sub { $got->($t->curl('-g', "http://[::1]:%%PORT2%%$_[0]")) };
    is($over6->('/in/six'), 'in', 'an IPv6 client');
    is($over6->('/in/loop'), 'out', 'is in no IPv4 list');
    is($over6->('/no/loop'), 'in', 'nor blocked by one');
    for my $case (['/in/net', 'in'], ['/no/net', 'out'], ['/in/six', 'out']) {
        is($got->($t->curl('--interface', '127.0.1.9',
                           "http://127.0.0.1:%%PORT2%%$case->[0]")),
           $case->[1], "IPv4 on a dual-stack listener: $case->[0]");
    }
    is($got->($t->curl('--interface', '127.0.2.9',
                       'http://127.0.0.1:%%PORT2%%/in/net')), 'out',
       'mapped, outside');
}

# no denied request went anywhere with a token
my %seen;
for my $q ($e->requests(at => 'upstream')) {
    $seen{ sent($q, 'authorization') ? 'with' : 'without' }++;
}
ok(!$seen{without}, 'each request that went out carries a token');

$t->finish;
