#!/usr/bin/perl

# server.pl PORT LOG    an HTTP server, and a proxy, with bad manners; the path
# says which.  Each line of the log is a request.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ':sys_wait_h';
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep);

my ($port, $log) = @ARGV;
my ($now, $most) = (0, 0);

$SIG{CHLD} = sub { while (waitpid(-1, WNOHANG) > 0) { $now-- } };
$SIG{PIPE} = 'IGNORE';

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
    LocalPort => $port, Listen => 1024, ReuseAddr => 1) or die "$port: $!";

while (1) {
    my $client = $server->accept or next;
    $most = $now if ++$now > $most;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{CHLD} = 'DEFAULT';
        close $server;
        eval { serve($client) };
        exit 0;
    }
    close $client;
}

sub note {
    open my $f, '>>', $log or return;
    syswrite $f, "@_\n";
}

sub say_all {
    my ($c, $text) = @_;
    while (length $text) {
        my $n = syswrite $c, $text or die "gone\n";
        substr($text, 0, $n, '');
    }
}

sub answer {
    my ($c, $status, $headers, $body) = @_;
    my $length = length $body;
    say_all($c, "HTTP/1.1 $status X\r\nContent-Length: $length\r\n"
                . "$headers\r\n$body");
}

sub until_gone {
    my ($c) = @_;
    1 while sysread $c, my $data, 4096;
    note('gone');
}

sub serve {
    my ($c) = @_;

    my $in = '';
    until ($in =~ /\r\n\r\n/) {
        sysread $c, $in, 65536, length $in or return note('nothing');
    }
    my ($head, $body) = split /\r\n\r\n/, $in, 2;
    my ($method, $uri) = $head =~ m{^(\S+) (\S+) HTTP/1\.1};
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;
    while (length $body < ($length // 0)) {
        sysread $c, $body, 65536, length $body or return note('cut');
    }
    note("$method $uri");
    return tunnel($c, $uri, $head) if $method eq 'CONNECT';
    $uri =~ s{^http://[^/]+}{};
    my ($path, $args) = split /\?/, $uri, 2;
    my %arg = map { split /=/, $_, 2 } split /&/, $args // '';

    if ($path eq '/echo') {
        answer($c, 200, "Content-Type: text/plain\r\n",
               "$head\n\n" . (length $body > 1000 ? length $body : $body));
    }
    elsif ($path eq '/status') {
        answer($c, $arg{code}, "WWW-Authenticate: Basic realm=one\r\n"
            . "www-authenticate: Bearer two\r\nLocation: /elsewhere\r\n"
            . "CONTENT-TYPE:application/json; charset=utf-8\r\n"
            . (defined $arg{retry} ? "retry-after: " . $arg{retry} =~ s/_/ /gr
               . "\r\n" : ''), '{"error":1}');
    }
    elsif ($path eq '/max') { answer($c, 200, '', $most) }
    elsif ($path eq '/slow') {
        sleep $arg{ms} / 1000;
        answer($c, 200, '', 'slow');
    }
    elsif ($path eq '/never') { until_gone($c) }
    elsif ($path eq '/drip') {
        say_all($c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        for (1 .. 100) { say_all($c, 'x'); sleep 1 }
    }
    elsif ($path eq '/drip-head') {
        for (split //, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") {
            say_all($c, $_);
            sleep 1;
        }
    }
    elsif ($path eq '/big') { answer($c, 200, '', 'x' x $arg{size}) }
    elsif ($path eq '/chunks') {
        say_all($c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        say_all($c, sprintf "%x\r\n%s\r\n", 1000, 'y' x 1000)
            for 1 .. $arg{n};
        say_all($c, "0\r\n\r\n");
    }
    elsif ($path eq '/cut') {
        say_all($c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort");
    }
    elsif ($path eq '/reset') {
        setsockopt $c, SOL_SOCKET, SO_LINGER, pack 'II', 1, 0;
    }
    elsif ($path eq '/empty') { }
    elsif ($path eq '/garbage') {
        say_all($c, "\x00\x01\x02\x1b[31mgarbage\r\n\r\n" x 10);
    }
    elsif ($path eq '/headers') {
        say_all($c, "HTTP/1.1 200 OK\r\n");
        say_all($c, 'X-Head: ' . 'h' x 1000 . "\r\n") for 1 .. 100000;
    }
    elsif ($path eq '/long') {
        answer($c, 200, 'Location: /' . 'l' x 20000 . "\r\n", 'long');
    }
    elsif ($path eq '/interim') {
        say_all($c, "HTTP/1.1 103 Early Hints\r\nLocation: /early\r\n"
                    . "Retry-After: 99\r\n\r\n");
        sleep 0.1;
        answer($c, 200, '', 'final');
    }
    else { answer($c, 404, '', 'not found') }
}

# any name leads to loopback: the port is what counts
sub tunnel {
    my ($c, $to, $head) = @_;

    note("proxy $1") if $head =~ /^Proxy-Authorization: (.*?)\r?$/mi;
    return answer($c, 407, "Proxy-Authenticate: Basic realm=x\r\n", '')
        if $to =~ /^refused/;
    my ($port) = $to =~ /:(\d+)$/;
    my $up = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                   PeerPort => $port)
        or return answer($c, 502, '', '');
    say_all($c, "HTTP/1.1 200 Connected\r\nX-Proxy: yes\r\n\r\n");
    while (1) {
        my $bits = '';
        vec($bits, fileno $_, 1) = 1 for $c, $up;
        select $bits, undef, undef, undef;
        for ([$c, $up], [$up, $c]) {
            my ($from, $into) = @$_;
            next unless vec $bits, fileno $from, 1;
            sysread $from, my $data, 65536 or return;
            say_all($into, $data);
        }
    }
}
