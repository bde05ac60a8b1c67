#!/usr/bin/perl

# Processes of a worker: what they get, what comes back, and that nothing of
# them is left, however they or the worker end.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);
use EntraTest::Transport;

my $t = EntraTest::Transport->new;
my $open = $t->dir('open');

# a worker that waits for the process takes all the time of the probes, 0.4 s
my $fast = $t->seconds(0.25);

my $http = <<'EOC';
server {
    listen 127.0.0.1:%%PORT%%;
    location = /fetch { test_fetch; }
    location = /run { test_run; }
    location = /hello { return 200 hello; }
}
EOC

# /bin/sh is the program here, not a way to start one
sub sh { my ($script, @more) = @_;
         return $t->run('/bin/sh', arg => '-c', arg => $script, @more) }

# pids that a script wrote to a file, one a line
sub pids {
    my ($file, $n) = @_;
    wait_until(sub { (() = slurp("$open/$file") =~ /\n/g) >= $n });
    return split /\n/, slurp("$open/$file");
}

sub gone { my @pids = @_;
           return wait_until(sub { !grep { EntraTest::alive($_) } @pids }) }

$t->start($http);
is($t->get('/hello')->body, 'hello', 'nginx answers');
my ($worker) = $t->workers;
my $descriptors = EntraTest::Transport::descriptors($worker);


# --- what a process gets

my $r = $t->run('/usr/bin/env', env => 'HOME=/nowhere', env => 'A=b=c d');
is($r->{started}, 1, 'started');
is($r->{status}, 0, 'success');
is($r->{body}, "HOME=/nowhere\nA=b=c d\n", 'the environment, and no other');
is($t->run('/bin/echo', arg => 'one', arg => '$HOME; id', arg => '')->{body},
   "one \$HOME; id \n", 'arguments as they are');

my $cat = `which cat`;
chomp $cat;
$r = $t->run($cat, arg => '/proc/self/status');
like($r->{body}, qr/^SigBlk:\s+0+$/m, 'no signal is blocked');

# but 32 and 33, which libc keeps to itself: what was ignored where the test
# was started stays so
like($r->{body}, qr/^SigIgn:\s+0+1?8?0{7,}$/m, 'or ignored');
like($r->{body}, qr/^Umask:\s+0077$/m, 'a umask');
my ($pid) = $r->{body} =~ /^Pid:\s+(\d+)$/m;
like($r->{body}, qr/^NSsid:\s+$pid$/m, 'a session of its own');
like($r->{body}, qr/^NSpgid:\s+$pid$/m, 'and a process group');
like($t->run($cat, arg => '/proc/self/limits')->{body},
     qr/^Max core file size\s+0\s+0\s/m, 'no core');
is($t->run('/bin/pwd')->{body}, "/\n", 'the root directory');
$r = $t->run('/bin/ls', arg => '-l', arg => '/proc/self/fd');
my @links = sort map { / (\d+ -> .*)/ ? $1 : () } split /\n/, $r->{body};
like("@links[0 .. 2]", qr{^0 -> /dev/null 1 -> pipe:\S+ 2 -> pipe:},
     'standard input, output and error');
pop @links if $ENV{ENTRA_VALGRIND};      # its log
ok(@links == 4 && $links[3] =~ m{^3 -> /proc/}, 'and nothing else of nginx')
    or diag $r->{body};
is(sh('cat')->{status}, 0, 'standard input is empty');


# --- what comes back

is(sh("exit $_")->{status}, $_, "exit status $_") for 0, 1, 126, 127, 255;
is(sh('kill -9 $$')->{status}, 137, 'killed');
is(sh('kill -15 $$')->{status}, 143, 'terminated');
$r = sh('printf out; printf err >&2; printf OUT; exit 3');
is("$r->{status} $r->{body}", '3 outOUTerr', 'both outputs of a failure');
is("$r->{out_len} $r->{err_len}", '6 3', 'and which is which');
$r = sh('head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2');
is("$r->{status} $r->{out_len} $r->{err_len} $r->{too_large}", '0 65536 65536 0',
   'as much as allowed');

my $begin = time;
for (["$open/none", qr/No such file/], [$open, qr/Permission denied/],
     ['/etc/passwd', qr/Permission denied/],
     [$t->write('open/interpreter', "#!/no/such/shell\n", 0755),
      qr/No such file/],
     [$t->write('open/format', "\0\1\2", 0755), qr/Exec format/])
{
    my ($path, $why) = @$_;
    next if $ENV{ENTRA_VALGRIND} && $path =~ /interpreter/;   # it gives up
    $r = $t->run($path);
    is($r->{started}, 0, "$path is not started");
    is($r->{status}, -1, 'and has no status');
    like($r->{body}, $why, "but a reason: $r->{body}");
}
cmp_ok(time - $begin, '<', $t->seconds(3), 'without a time-out');


# --- what does not end

my $s = $t->begin('/run', path => '/bin/sleep', arg => 30, timeout => 700);
$begin = time;
cmp_ok($t->slowest(0.4), '<', $fast, 'others do not wait');
$r = $t->answer($s, $begin);
is("$r->{timed_out} $r->{status}", '1 -1', 'a time-out');
cmp_ok($r->{time}, '>', 0.6, 'not before its time');
cmp_ok($r->{time}, '<', $t->seconds(1.2), 'and not later');

$r = sh("(echo \$\$; exec sleep 31) & sleep 32 & echo \$! >> $open/tree;"
        . "sh -c 'echo \$\$ >> $open/tree; sleep 33; true' &"
        . "echo \$\$ >> $open/tree; wait", timeout => 500);
is($r->{timed_out}, 1, 'a tree of processes');
ok(gone(pids('tree', 3)), 'is felled');

$r = sh("trap '' TERM; echo \$\$ > $open/deaf; while :; do sleep 1; done",
        timeout => 300);
is($r->{timed_out}, 1, 'one that ignores SIGTERM');
ok(gone(pids('deaf', 1)), 'is killed');

$r = sh("trap 'echo bye >> $open/polite; exit 0' TERM;"
        . "echo \$\$ > $open/trap; while :; do sleep 0.05; done",
        timeout => 300);
is($r->{timed_out}, 1, 'one that wants to tidy up');
ok(gone(pids('trap', 1)), 'ends');
is(slurp("$open/polite"), "bye\n", 'as it likes');

$begin = time;
$r = sh("sleep 34 & echo \$! > $open/left; echo ready");
is("$r->{status} $r->{body}", "0 ready\n", 'one that leaves another behind');
cmp_ok(time - $begin, '<', $t->seconds(1), 'is not waited for');
ok(gone(pids('left', 1)), 'and the other ends with it');

SKIP: {
    skip 'no setsid', 7 if system('setsid true') != 0;

    # a daemon: a session of its own, its parent gone, and a child of its own
    my $daemon = "setsid sh -c 'echo \$\$ >> $open/FILE; sleep 34 &"
                 . " echo \$! >> $open/FILE; wait' >/dev/null 2>&1 &"
                 . " while ! test -s $open/FILE; do sleep 0.01; done;";
    $begin = time;
    $r = sh($daemon =~ s/FILE/daemon/gr . ' echo ready');
    is("$r->{status} $r->{body}", "0 ready\n", 'one that starts a daemon');
    cmp_ok(time - $begin, '<', $t->seconds(1), 'is not waited for, either');
    ok(gone(pids('daemon', 2)), 'and the daemon ends, with its child');

    $r = sh($daemon =~ s/FILE/daemon2/gr . ' sleep 35', timeout => 500);
    is($r->{timed_out}, 1, 'one that hangs beside its daemon');
    ok(gone(pids('daemon2', 2)), 'is killed with it');

    $s = $t->begin('/run', path => '/bin/sh', arg => '-c',
                   arg => $daemon =~ s/FILE/daemon3/gr . ' sleep 35');
    my @daemon = pids('daemon3', 2);
    close $s;
    ok(gone(@daemon), 'so is that of a client that goes away');
    ok(wait_until(sub { !EntraTest::children($worker) }),
       'and no process is left');
}

$r = sh("exec >&- 2>&-; sleep 0.3; exit 4");
is($r->{status}, 4, 'closed outputs are not the end');

$begin = time;
$r = sh("echo \$\$ > $open/yes; exec yes");
is("$r->{too_large} $r->{status}", '1 -1', 'output without an end');
cmp_ok(time - $begin, '<', $t->seconds(1), 'is cut');
ok(gone(pids('yes', 1)), 'and its source too');
is(sh('head -c 65537 /dev/zero >&2')->{too_large}, 1, 'errors likewise');

$s = $t->begin('/run', path => '/bin/sh', arg => '-c',
               arg => "echo \$\$ > $open/client; exec sleep 35");
my @client = pids('client', 1);
close $s;
ok(gone(@client), 'a client that goes away ends its process');

my @many = map {
    $t->begin('/run', path => '/bin/sleep', arg => 1)
} 1 .. 18;
my @answers = map { $t->answer($_) } @many;
is((grep { ($_->{status} // '') eq '0' } @answers), 16, '16 at a time');
is((grep { $_->{http} == 503 } @answers), 2, 'no more');
is(sh('exit 5')->{status}, 5, 'and then others');
sh('true') for 1 .. 20;

ok(wait_until(sub { !EntraTest::children($worker) }), 'no process is left');
ok(wait_until(sub {
       EntraTest::Transport::descriptors($worker) <= $descriptors }),
   'nor a descriptor');
is(($t->workers)[0], $worker, 'it was one worker all the time');


# --- the end of a worker

for my $how (qw(HUP QUIT TERM KILL)) {
    ($worker) = $t->workers;
    $s = $t->begin('/run', path => '/bin/sh', arg => '-c',
                   arg => "echo \$\$ > $open/$how; exec sleep 36");
    my @pids = pids($how, 1);

    # nothing but a process is under way
    close $s if $how ne 'KILL';
    if ($how eq 'KILL') {
        $t->expect(qr/worker process $worker exited on signal 9/);
        $t->signal(KILL => $worker);
    }
    elsif ($how eq 'HUP') { $t->reload(undef, wait => 1) }
    else {
        $t->stop(signal => $how);
        $t->start;
    }
    ok(gone(@pids), "SIG$how of a worker ends its process");
}

my $conf = $t->expand($http);
for my $events ('worker_connections 32; accept_mutex on;',
                'worker_connections 32; use poll;',
                'worker_connections 32; use select;')
{
    my ($method) = $events =~ /(use \w+;)/;
    next if $method && !$t->knows($method);

    $t->configure($http, events => $events,
                  main => "worker_shutdown_timeout 500ms;\n");
    ok($t->stop, 'nginx stops');
    $t->start;
    $r = sh('head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2; exit 6');
    is("$r->{status} $r->{out_len} $r->{err_len}", '6 60000 60000',
       "$events output and status");
    @answers = map { $t->answer($_) } map {
        $t->begin('/run', path => '/bin/sleep', arg => 0.3)
    } 1 .. 10;
    my $ok = grep { ($_->{status} // '') eq '0' } @answers;
    cmp_ok($ok, '>', 2, "as many as there are connections: $ok");
    is(sh('sleep 37', timeout => 200)->{timed_out}, 1, 'a time-out');
}

$t->finish;
