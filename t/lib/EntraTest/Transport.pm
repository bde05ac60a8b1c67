package EntraTest::Transport;

# nginx with the test module of t/transport: what a worker does when it is
# asked to send requests and to run processes.

use strict;
use warnings;

use EntraTest qw(wait_until slurp);
use EntraTest::HTTP;
use Test::More;
use Time::HiRes qw(time sleep);

our @ISA = ('EntraTest');

sub new {
    my ($class, %o) = @_;

    # under ASan it is the module itself that all other tests run; this one
    # is for make test and make valgrind
    plan(skip_all => 'the test module is loaded, not linked in')
        if $ENV{ENTRA_STATIC};

    my $t = EntraTest->new(workers => 1,
                           level => $ENV{ENTRA_LEVEL} || 'info', %o);
    my $build = ($ENV{ENTRA_BUILD} || "$t->{root}/build") . '/transport-test';
    my $log = "$build.log";
    mkdir $build =~ s{/transport-test$}{}r;
    if (system("$t->{root}/t/transport/build $build >$log 2>&1") != 0) {
        my @lines = split /\n/, slurp($log);
        plan(skip_all => 'no nginx sources')
            if grep { /There are no nginx sources/ } @lines;
        diag(join "\n", splice @lines, @lines > 20 ? -20 : 0);
        BAIL_OUT('the test module does not build');
    }
    $t->{preload} = "$build/preload.so";
    $t->{load} =
        "load_module $build/objs/ngx_http_entra_transport_test_module.so;\n";
    mkdir $t->dir('open');
    chmod 0777, $t->dir('open');

    # valgrind's logs of what a worker forks
    chmod 0777, $t->dir if $ENV{ENTRA_VALGRIND};
    return bless $t, $class;
}

# nginx.conf: http and main of EntraTest, and the content of events
sub configure {
    my ($t, $http, %o) = @_;

    my $text = $t->conf_text($http, %o);
    $text =~ s/^events \{.*?\}$/events { $o{events} }/m if $o{events};
    $t->write('nginx.conf', $text);
    return $t;
}

# whether nginx was built with this event method
sub knows {
    my ($t, $method) = @_;

    my $conf = "pid %%DIR%%/method.pid;\nevents { $method }\n";
    $t->write('method.conf', $conf);
    my $out = `$t->{nginx} -t -e stderr -p $t->{dir} -c $t->{dir}/method.conf 2>&1`;
    diag("nginx knows no \"$method\"") if $? != 0;
    return $? == 0;
}

# the preloaded library does not go together with ASan's
sub breakable {
    my ($t) = @_;
    return !$ENV{ENTRA_PRELOAD} && !$t->sanitized;
}

sub breakers {
    my ($t) = @_;
    return (env => { LD_PRELOAD => $t->{preload},
                     TEST_FAIL => $t->dir('open/fail') }) if $t->breakable;
    return ();
}

# the server with bad manners
sub server {
    my ($t) = @_;

    my $port = $t->port('SERVER');
    my $log = $t->dir('server.log');
    $t->{server_pid} = fork // die "fork: $!";
    if ($t->{server_pid} == 0) {
        open STDERR, '>', $t->dir('server.err');
        exec $^X, "$t->{root}/t/transport/server.pl", $port, $log;
        die "exec: $!";
    }
    wait_until(sub { EntraTest::HTTP::connect_to(port => $port) }, 10)
        or die "the server does not start\n";
    return $t;
}

sub seen { return slurp($_[0]->dir('server.log')) }
sub seen_clear { my ($t) = @_; truncate $t->dir('server.log'), 0 }

sub query {
    my (@args) = @_;

    my @query;
    while (my ($name, $value) = splice @args, 0, 2) {
        $value =~ s/([^\w.:\/-])/sprintf '%%%02X', ord $1/ge;
        push @query, "$name=$value";
    }
    return join '&', @query;
}

# sends a request to the module, to be read with answer()
sub begin {
    my ($t, $uri, @args) = @_;

    my $s = EntraTest::HTTP::connect_to(port => $t->port)
        or die "connect: $!";
    my $text = EntraTest::HTTP::format_request(port => $t->port,
                   uri => "$uri?" . query(@args));
    print $s $text;
    $s->flush;
    return $s;
}

# the lines of the answer as a hash; status: [...] in all, body, time
sub answer {
    my ($t, $s, $begin) = @_;

    my $r = EntraTest::HTTP::read_response($s, timeout => $t->seconds(30))
        or return { http => 0, all => [] };
    my ($head, $body) = split /\n\n/, $r->body . "\n\n", 2;
    my %a = (http => $r->status, all => []);
    for (split /\n/, $head) {
        my ($name, $value) = /^(\w+): (.*)/ or next;
        $a{$name} = $value;
        push @{ $a{all} }, $value if $name eq 'status';
    }
    $body =~ s/\n\n$//;
    $a{body} = $body;
    $a{time} = time - $begin if $begin;
    return \%a;
}

sub fetch {
    my ($t, $url, @args) = @_;
    my $begin = time;
    return $t->answer($t->begin('/fetch', url => $t->expand($url), @args,
                          connect_timeout => $t->seconds(3) * 1000,
                          timeout => $t->seconds(10) * 1000), $begin);
}

sub bad { my ($t, $path, @args) = @_;
          return $t->fetch("http://127.0.0.1:%%SERVER%%$path", local => 1,
                           @args) }

sub run {
    my ($t, $path, @args) = @_;
    my $begin = time;
    return $t->answer($t->begin('/run', path => $path, @args), $begin);
}

# how long the slowest of some small requests took, in the next seconds
sub slowest {
    my ($t, $seconds) = @_;
    return $t->SUPER::slowest('/hello', $seconds);
}

sub descriptors {
    my ($pid) = @_;
    my @all = glob "/proc/$pid/fd/*";
    return scalar @all;
}

sub cleanup {
    my ($t) = @_;
    kill KILL => $t->{server_pid} if $t->{server_pid};
    $t->SUPER::cleanup;
}

1;
