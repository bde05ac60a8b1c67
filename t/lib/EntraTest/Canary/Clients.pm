package EntraTest::Canary::Clients;

# Random requests, many at once, of clients that do it wrong: each is a text
# that is sent as it is.  What comes back is kept, to the byte.

use strict;
use warnings;

use Errno qw(EAGAIN EINPROGRESS EINTR);
use IO::Poll qw(POLLIN POLLOUT POLLHUP POLLERR);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);
use EntraTest::Canary::Config qw(one chance number);

# o: locations; own, what the callers' credential is; callers: tokens by oid
sub request {
    my (%o) = @_;

    my $l = one(@{ $o{locations} });
    my $method = one(qw(GET GET GET GET HEAD POST POST PUT DELETE OPTIONS));
    my $uri = target($l);
    my $version = chance(0.1) ? '1.0' : '1.1';
    my @headers = ('Host: ' . one('gate.test', 'gate.test', 'echo.test',
                                  'evil.test'));
    my ($name, $caller) = %{ one(@{ $o{callers} }) };
    push @headers, chance(0.4) ? ("Authorization: Bearer $caller",
                                  "X-Visitor: $name")
        : chance(0.5) ? 'Authorization: ' . one('Bearer ', 'Basic ', '')
                        . $o{own} : ();
    push @headers, "Proxy-Authorization: Bearer other" if chance(0.05);
    push @headers, one('Range: bytes=0-50', 'Range: bytes=10-',
                       'If-None-Match: "a"', 'Accept-Encoding: gzip',
                       'Cookie: a=b', 'Expect: 100-continue',
                       "X-Accel-Redirect: /xa/x?bytes=2", 'TE: trailers',
                       'Upgrade: h2c', 'If-Modified-Since: Thu, 01 Jan 1970'
                       . ' 00:00:00 GMT') if chance(0.25);
    push @headers, 'Connection: ' . one('close', 'close', 'keep-alive')
        if chance(0.8);

    my $body = body(\@headers, $method =~ /^(?:POST|PUT)/ || chance(0.05));
    my $text = join("\r\n", "$method $uri HTTP/$version", @headers)
        . "\r\n\r\n" . $body;
    $text .= join "\r\n", 'GET ' . target(one(@{ $o{locations} }))
        . ' HTTP/1.1', 'Host: a', '', '' if chance(0.1) && length $body == 0;
    return { text => $text, method => $method, location => $l,
             chance(0.15) ? (leave => rand 0.4) : (),
             chance(0.1) ? (stop => number(1, length $text)) : (),
             chance(0.1) ? (pause => number(1, length $text)) : () };
}

# what the echo and the configuration are asked for
sub target {
    my ($l) = @_;

    return one('/entra/status', '/entra/status?format=html',
               '/entra/what', '/entra/ready', '/page.html', '/', '/ask/x',
               "/l$l->{n}", '/xa/x') if chance(0.08);

    my @args = 'bytes=' . one(0, 1, 20, 300, 5000, 60000);
    push @args, 'c=' . one(qw(b g o n x s b)) if chance(0.3);
    push @args, 'status=' . one(401, 401, 404, 500, 503, 200, 206, 302)
        if chance(0.2);
    push @args, 'delay=' . one(0.05, 0.2, 0.5, 1.5, 2.6) if chance(0.15);
    push @args, 'header=' . one('X-Accel-Redirect:/xa/x%3Fbytes=9',
        'X-Accel-Redirect:@proxied', 'X-Accel-Redirect:/page.html',
        'X-Accel-Redirect:@entra-replay-' . number(0, 9),
        'X-Accel-Redirect:/l1/x', 'X-Accel-Expires:1', 'X-A:b',
        'Cache-Control:max-age=1', 'Set-Cookie:a=b', 'ETag:"a"',
        'Content-Type:text/html', 'X-Accel-Buffering:no',
        'Authorization:x', 'WWW-Authenticate:Bearer%20error=%22x%22',
        'X-Accel-Limit-Rate:9000', 'Vary:X-Visitor',
        'Transfer-Encoding:chunked') if chance(0.3);
    push @args, 'sse=2&interval=0.02' if chance(0.03);
    push @args, 'h=' . one('late.test', 'evil.test', 'mute.test')
        if chance(0.1);
    return $l->{uri} . one('x', 'x', 'y', 'b/z', 'again/x', 'w%20x', 'ssi',
                           'ssi', 'fault', 'fault', 'a%2Fb', 'x/../y',
                           '') . '?' . join '&', @args;
}

sub body {
    my ($headers, $has) = @_;

    return '' unless $has;
    my $data = 'x' x one(0, 1, 90, 90, 2000, 20_000, 70_000);
    my $length = length $data;
    my $kind = one(qw(length length length chunked chunked short long bad
                      bad huge both));
    if ($kind =~ /^(?:length|short|long)$/) {
        $length += number(1, 50) if $kind eq 'short';
        $length = int($length / 2) if $kind eq 'long';
        push @$headers, "Content-Length: $length";
        return $data;
    }
    if ($kind eq 'huge') {
        push @$headers, 'Content-Length: ' . one(2_000_000, '9' x 20);
        return $data;
    }
    push @$headers, 'Transfer-Encoding: chunked';
    push @$headers, "Content-Length: $length" if $kind eq 'both';
    my $text = '';
    while (length $data) {
        my $part = substr $data, 0, number(1, 9000), '';
        $text .= sprintf("%x\r\n", length $part) . "$part\r\n";
    }
    return $text . "0\r\n\r\n" if $kind ne 'bad';
    return $text . one("zz\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\n",
                       "5\r\nabc", "5\r\nabcdefgh\r\n0\r\n\r\n", "0\r\n");
}

# Sends all of them, so many at once, until a time; what each client got is
# in its {got}.  at: [seconds, what is done then].
sub run {
    my ($port, $requests, %o) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $poll = IO::Poll->new;
    my ($begin, %open) = (time);
    my @waiting = @$requests;
    my @at = sort { $a->[0] <=> $b->[0] } @{ $o{at} || [] };
    my $until = $begin + $o{seconds};

    while ((@waiting || %open) && time < $until) {
        while (@waiting && keys %open < $o{clients}) {
            my $c = shift @waiting;
            my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => $port, Proto => 'tcp', Blocking => 0) or next;
            @$c{qw(socket out got begin)} = ($socket, $c->{text}, '', time);
            substr($c->{out}, $c->{stop}) = '' if $c->{stop};
            $open{fileno $socket} = $c;
            $poll->mask($socket => POLLOUT | POLLIN);
        }
        while (@at && time - $begin >= $at[0][0]) {
            (shift @at)->[1]->();
        }
        $poll->poll(0.02);
        $_->{begin} + ($_->{leave} // 4) < time and leave($poll, \%open, $_)
            for values %open;
        for my $socket ($poll->handles(POLLIN | POLLOUT | POLLHUP | POLLERR)) {
            my $c = $open{fileno $socket // -1} or next;
            serve($poll, $c) or leave($poll, \%open, $c);
        }
    }
    leave($poll, \%open, $_) for values %open;
    $_->[1]->() for @at;
}

# false at its end
sub serve {
    my ($poll, $c) = @_;

    my $n = sysread $c->{socket}, $c->{got}, 65536, length $c->{got};
    return 0 if defined $n ? !$n : $! != EAGAIN && $! != EINTR;
    return 1 unless length $c->{out};

    my $sent = length($c->{text}) - length($c->{out});
    my $most = $c->{pause} && time < $c->{begin} + 0.15
        ? $c->{pause} - $sent : length $c->{out};
    return 1 if $most <= 0;
    my $w = syswrite $c->{socket}, $c->{out}, $most;
    substr($c->{out}, 0, $w) = '' if $w;
    $poll->mask($c->{socket} => POLLIN) unless length $c->{out};
    return defined $w || $! == EAGAIN || $! == EINPROGRESS || $! == EINTR;
}

sub leave {
    my ($poll, $open, $c) = @_;

    my $socket = delete $c->{socket} or return;
    delete $open->{fileno $socket};
    $poll->remove($socket);
    close $socket;
}

# statuses of all answers in what a client got
sub statuses {
    my ($got) = @_;
    return length $got ? $got =~ m{^HTTP/\d(?:\.\d)? (\d\d\d)}gm : 'none';
}

# Over HTTP/2: curl, many of them at once; their output is in files.
sub http2 {
    my ($t, $dir, $n, %o) = @_;

    my @args;
    for my $i (1 .. $n) {
        my $l = one(@{ $o{locations} });
        my ($name, $caller) = %{ one(@{ $o{callers} }) };
        my @body = chance(0.4) ? ('-d', 'x' x one(0, 10, 3000, 30_000)) : ();
        push @body, '-H', 'Content-Length: ' . one(1, 5, 40_000)
            if @body && chance(0.3);
        push @args, @args ? '--next' : (), '-s', '-i', '--max-time', 3,
            '--http2-prior-knowledge', '--path-as-is', '-o', "$dir/h2.$i",
            chance(0.5) ? ('-H', "Authorization: Bearer $caller", '-H',
                           "X-Visitor: $name")
                        : ('-H', "Authorization: Bearer $o{own}"),
            @body, 'http://127.0.0.1:' . $t->port('PORT2') . target($l);
    }
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        open STDOUT, '>&', \*STDERR;
        exec 'curl', '--noproxy', '*', '--parallel', '--parallel-max', 4,
            @args or POSIX::_exit(127);
    }
    return $pid;
}

1;
