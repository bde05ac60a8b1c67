#!/usr/bin/perl

# make demo leaves nothing behind, however it ends.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->module;
plan(skip_all => 'the demo loads the module') if $ENV{ENTRA_STATIC};

my $demo = "$FindBin::Bin/demo/run";
my $dir = $t->dir('demo');
$ENV{TMPDIR} = $dir;

# all that it started, and its files
sub left {
    my @left = (EntraTest::naming("$dir/"), glob "$dir/*");
    return @left;
}

sub leaves_nothing {
    my ($how) = @_;

    wait_until(sub { !left() }, 30);
    is(join(' ', left()), '', "$how: nothing is left");
}

mkdir $dir;
chmod 0755, $dir;

my $said = `$demo --help`;
is($?, 0, '--help is help');
like($said, qr/^Usage: make demo/, 'and says how');
like(`$demo nonsense 2>&1`, qr/^Usage:/, 'so does what it does not know');
is($? >> 8, 2, 'and fails');

like(`$demo 2>/dev/null | head -n 3`, qr/nginx-entra/, 'make demo | head');
leaves_nothing('head');

for my $signal (qw(INT TERM KILL)) {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec $demo or die "$demo: $!";
    }
    ok(wait_until(sub { () = glob "$dir/entra-test-*/nginx.pid" }, 30),
       "$signal: it runs");
    kill $signal => $pid;
    waitpid $pid, 0;
    leaves_nothing($signal);
}

$t->finish;
