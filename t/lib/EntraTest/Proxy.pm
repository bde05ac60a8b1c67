package EntraTest::Proxy;

# An http proxy that leads programs which only know Azure's names to an
# emulator: CONNECT to a host of its table goes to a port of this machine, and
# any other is refused.  A process of its own.
#
#   my $p = EntraTest::Proxy->new(port => 8888,
#               hosts => { 'login.microsoftonline.com:443' => $port });
#   (auth => base64 of "user:password": others are answered with 407)
#   $p->asked;          # 'login.microsoftonline.com:443', ...: all, in order

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;

sub new {
    my ($class, %o) = @_;

    my $self = bless { owner => $$, %o }, $class;
    my $listen = IO::Socket::INET->new(Listen => 50, ReuseAddr => 1,
        LocalAddr => '127.0.0.1', LocalPort => $o{port})
        or die "port $o{port}: $!";
    open my $log, '>', $o{log} or die "$o{log}: $!";
    $log->autoflush(1);
    $self->{pid} = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        $SIG{TERM} = 'DEFAULT';
        $SIG{CHLD} = 'IGNORE';
        while (my $client = $listen->accept // next) {
            my $pid = fork;
            next unless defined $pid && $pid == 0;
            close $listen;
            $self->serve($client, $log);
            exec '/bin/true';           # without anybody's END
        }
    }
    return $self;
}

sub serve {
    my ($self, $client, $log) = @_;

    my $head = '';
    while ($head !~ /\r\n\r\n/) {
        sysread $client, $head, 4096, length $head or return;
    }
    my ($where) = $head =~ /^CONNECT (\S+) / or return;
    print $log "$where\n";
    if ($self->{auth}
        && $head !~ /^Proxy-Authorization: Basic \Q$self->{auth}\E\r$/mi) {
        syswrite $client, "HTTP/1.1 407 Proxy Authentication Required\r\n"
            . "Proxy-Authenticate: Basic realm=\"proxy\"\r\n"
            . "Content-Length: 0\r\n\r\n";
        return;
    }
    my $server = $self->{hosts}{$where} && IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{hosts}{$where});
    syswrite $client, 'HTTP/1.1 ' . ($server ? '200 OK' : '403 Forbidden')
                      . "\r\n\r\n";
    return unless $server;
    my $select = IO::Select->new($client, $server);
    while (my @ready = $select->can_read(60)) {
        for my $from (@ready) {
            my $to = $from == $client ? $server : $client;
            my $n = sysread $from, my $data, 65536 or return;
            my $done = 0;
            while ($done < $n) {
                $done += syswrite($to, $data, $n - $done, $done) // return;
            }
        }
    }
}

sub asked { return split /\n/, EntraTest::slurp($_[0]{log}) }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill TERM => $pid;
    waitpid $pid, 0;
}

sub DESTROY { local ($?, $!); $_[0]->stop if $_[0]{owner} == $$ }

1;
