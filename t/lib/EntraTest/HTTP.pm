package EntraTest::HTTP;

# A plain HTTP/1.1 client for tests: it sends what it is told and hides
# nothing.  Also many clients at once, and load in the background.

use strict;
use warnings;

use Errno qw(EINPROGRESS EAGAIN EINTR);
use Exporter 'import';
use IO::Poll qw(POLLIN POLLOUT POLLHUP POLLERR);
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time sleep);

our @EXPORT_OK = qw(request connect_to read_response many load_start);

# the text of a request; headers: [name => value, ...]
sub format_request {
    my (%o) = @_;

    my $method = $o{method} || (defined $o{body} ? 'POST' : 'GET');
    my @headers = @{ $o{headers} || [] };
    my %has = map { lc($headers[$_ * 2]) => 1 } 0 .. @headers / 2 - 1;
    unshift @headers, Host => $o{host} || "localhost:$o{port}"
        unless $has{host} || $o{no_host};
    push @headers, 'Content-Length' => length $o{body}
        if defined $o{body} && !$has{'content-length'}
           && !$has{'transfer-encoding'};
    push @headers, Connection => $o{keepalive} ? 'keep-alive' : 'close'
        unless $has{connection};

    my $text = "$method $o{uri} HTTP/" . ($o{version} || '1.1') . "\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }
    return "$text\r\n" . ($o{body} // '');
}

sub connect_to {
    my (%o) = @_;

    if ($o{tls}) {
        require IO::Socket::SSL;
        return IO::Socket::SSL->new(
            PeerAddr => $o{address} || '127.0.0.1', PeerPort => $o{port},
            $o{from} ? (LocalAddr => $o{from}) : (),
            SSL_hostname => $o{sni} || 'localhost',
            SSL_verifycn_name => $o{sni} || 'localhost',
            SSL_ca_file => $o{ca},
            SSL_verify_mode => $o{ca} ? 1 : 0,
            $o{cert} ? (SSL_cert_file => $o{cert}, SSL_key_file =>
                        $o{key} || $o{cert}) : (),
            Timeout => 10);
    }
    return IO::Socket::INET->new(
        PeerAddr => $o{address} || '127.0.0.1', PeerPort => $o{port},
        $o{from} ? (LocalAddr => $o{from}) : (),
        Proto => 'tcp', Timeout => 10);
}

# A response, or undef when the connection gave none in time.
sub read_response {
    my ($socket, %o) = @_;

    my $until = time + ($o{timeout} || 30);
    my ($buffer, $end) = ('', 0);
    while (1) {
        my $r = parse_response($buffer, $end, $o{method} || 'GET');
        return $r if $r;
        return if $end;
        my $pending = ref $socket eq 'IO::Socket::SSL' && $socket->pending;
        unless ($pending) {
            my $left = $until - time;
            return if $left <= 0;
            my $bits = '';
            vec($bits, fileno $socket, 1) = 1;
            next if select($bits, undef, undef, $left) <= 0;
        }
        my $n = sysread $socket, $buffer, 65536, length $buffer;
        $end = 1 if !$n && !($! == EAGAIN || $! == EINTR);
    }
}

sub parse_response {
    my ($text, $end, $method) = @_;

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    return unless defined $body;
    my ($status_line, @lines) = split /\r\n/, $head;
    my ($status) = $status_line =~ m{^HTTP/\d\.\d (\d+)} or return;
    return parse_response($body, $end, $method) if $status == 100;

    my (%headers, @list);
    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/ or next;
        push @list, [$name, $value];
        $headers{lc $name} = exists $headers{lc $name}
            ? "$headers{lc $name}, $value" : $value;
    }
    my $r = bless {
        status => $status, line => $status_line, headers => \%headers,
        list => \@list, body => $body, complete => 0, raw => $text,
    }, 'EntraTest::HTTP::Response';

    if ($method eq 'HEAD' || $status == 204 || $status == 304
        || $status == 101)
    {
        $r->{complete} = 1;
        return $r;
    }
    if (($headers{'transfer-encoding'} // '') eq 'chunked') {
        my ($data, $whole) = dechunk($body);
        return unless $whole || $end;
        @$r{qw(body complete)} = ($data, $whole);
        return $r;
    }
    if (defined(my $length = $headers{'content-length'})) {
        return if length $body < $length && !$end;
        $r->{complete} = length $body >= $length;
        $r->{body} = substr $body, 0, $length;
        return $r;
    }
    return unless $end;
    $r->{complete} = 1;
    return $r;
}

sub dechunk {
    my ($text) = @_;

    my $data = '';
    while ($text =~ s/^([0-9a-fA-F]+)[^\r\n]*\r\n//) {
        my $n = hex $1;
        return ($data, 1) if $n == 0;
        return ($data . substr($text, 0, $n), 0) if length $text < $n + 2;
        $data .= substr $text, 0, $n;
        substr($text, 0, $n + 2) = '';
    }
    return ($data, 0);
}

# One request.  socket: an open connection to use; keepalive: leaves it open.
sub request {
    my (%o) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $begin = time;
    my $socket = $o{socket} || connect_to(%o)
        or return bless { status => 0, headers => {}, body => '',
                          error => "$!" }, 'EntraTest::HTTP::Response';
    my $text = $o{raw} // format_request(%o);
    while (length $text) {
        my $n = syswrite $socket, $text;
        last unless defined $n;
        substr($text, 0, $n) = '';
    }
    my $r = read_response($socket, %o)
        || bless { status => 0, headers => {}, body => '',
                   error => 'no answer' }, 'EntraTest::HTTP::Response';
    @$r{qw(socket time)} = ($socket, time - $begin);
    unless ($o{keepalive} || $o{socket}) {
        drain($socket) if $r->{status} >= 200;
        close $socket;
    }
    return $r;
}

# To the end of the connection: nginx writes its logs before it closes, and
# a line that comes later would be taken for the next request's.
sub drain {
    my ($socket) = @_;

    my $until = time + 2;
    while ((my $left = $until - time) > 0) {
        my $bits = '';
        vec($bits, fileno $socket, 1) = 1;
        next if select($bits, undef, undef, $left) <= 0;
        my $n = sysread $socket, my $rest, 65536;
        last if !$n && !($! == EAGAIN || $! == EINTR);
    }
}

# $n requests at once, each on its own connection; the responses in order.
sub many {
    my ($n, %o) = @_;

    my $poll = IO::Poll->new;
    my (@out, %by_fd);
    my $until = time + ($o{timeout} || 60);
    for my $i (0 .. $n - 1) {
        my %one = (%o, $o{each} ? $o{each}->($i) : ());
        my $socket = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $one{port}, Proto => 'tcp',
            Blocking => 0) or die "connect: $!";
        $by_fd{fileno $socket} = {
            i => $i, socket => $socket, in => '', begin => time,
            out => format_request(%one), method => $one{method} || 'GET' };
        $poll->mask($socket => POLLOUT);
    }
    while (%by_fd && time < $until) {
        $poll->poll(1) > 0 or next;
        for my $socket ($poll->handles(POLLIN | POLLOUT | POLLHUP | POLLERR)) {
            my $c = $by_fd{fileno $socket};
            if (length $c->{out}) {
                my $w = syswrite $socket, $c->{out};
                substr($c->{out}, 0, $w) = '' if $w;
                if (!defined $w && $! != EAGAIN && $! != EINPROGRESS) {
                    $c->{end} = 1;
                }
                $poll->mask($socket => POLLIN) unless length $c->{out};
                next unless $c->{end};
            }
            my $r = sysread $socket, $c->{in}, 65536, length $c->{in};
            next if !defined $r && ($! == EAGAIN || $! == EINTR);
            next if $r;
            $poll->remove($socket);
            delete $by_fd{fileno $socket};
            close $socket;
            $out[$c->{i}] = parse_response($c->{in}, 1, $c->{method})
                || bless { status => 0, headers => {}, body => '',
                           error => 'no answer' },
                         'EntraTest::HTTP::Response';
            $out[$c->{i}]{time} = time - $c->{begin};
        }
    }
    for my $c (values %by_fd) {
        $out[$c->{i}] = bless { status => 0, headers => {}, body => '',
                                error => 'time-out' },
                              'EntraTest::HTTP::Response';
    }
    return @out;
}

# Clients that send until stop(); then { total, failed, status => {}, max,
# bad => [first few responses that were not as wanted] }.
sub load_start {
    my (%o) = @_;

    my $clients = $o{clients} || 4;
    my @children;
    for (1 .. $clients) {
        pipe my $in, my $out or die "pipe: $!";
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            close $in;
            load_child($out, %o);
        }
        close $out;
        push @children, [$pid, $in];
    }
    return bless { children => \@children }, 'EntraTest::HTTP::Load';
}

sub load_child {
    my ($out, %o) = @_;

    my ($go, %sum) = (1, total => 0, failed => 0, max => 0, bad => []);
    local $SIG{TERM} = sub { $go = 0 };
    my $want = $o{want} || 200;
    while ($go) {
        my $r = request(%o);
        $sum{total}++;
        $sum{status}{$r->{status}}++;
        $sum{max} = $r->{time} if ($r->{time} || 0) > $sum{max};
        push @{ $sum{times} }, int(1e6 * ($r->{time} || 0));
        if ($r->{status} != $want || !$r->{complete}) {
            $sum{failed}++;
            push @{ $sum{bad} }, "$r->{status} " . ($r->{error} // '')
                . substr($r->{body}, 0, 200) if @{ $sum{bad} } < 3;
        }
        sleep $o{pause} if $o{pause};
    }
    print $out JSON::PP::encode_json(\%sum);
    close $out;
    require POSIX;
    POSIX::_exit(0);
}


package EntraTest::HTTP::Load;

sub stop {
    my ($self) = @_;

    my %sum = (total => 0, failed => 0, max => 0, status => {}, bad => [],
               times => []);
    kill TERM => map { $_->[0] } @{ $self->{children} };
    for (@{ $self->{children} }) {
        my ($pid, $in) = @$_;
        local $/;
        my $one = eval { JSON::PP::decode_json(<$in>) } || { total => 0,
            failed => 1, max => 0, bad => ['client died'], status => {} };
        waitpid $pid, 0;
        $sum{$_} += $one->{$_} for qw(total failed);
        $sum{status}{$_} += $one->{status}{$_} for keys %{ $one->{status} };
        $sum{max} = $one->{max} if $one->{max} > $sum{max};
        push @{ $sum{bad} }, @{ $one->{bad} };
        push @{ $sum{times} }, @{ $one->{times} || [] };
    }
    $self->{children} = [];
    return \%sum;
}

sub DESTROY {
    my ($self) = @_;
    kill KILL => map { $_->[0] } @{ $self->{children} };
}


package EntraTest::HTTP::Response;

sub status { $_[0]{status} }
sub body   { $_[0]{body} }
sub header { $_[0]{headers}{ lc $_[1] } }

# the body as JSON, or an empty hash
sub json {
    my ($self) = @_;
    return eval { JSON::PP->new->decode($self->{body}) } || {};
}

# what the echo upstream saw: the values of one request header
sub seen {
    my ($self, $name) = @_;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $self->json->{headers} || [] };
}

1;
