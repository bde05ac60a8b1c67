package EntraTest::Chromium;

# A headless Chromium, driven over its DevTools pipe: opens pages, clicks
# where a person would, and says what is to be seen.
#
#   my $c = EntraTest::Chromium->new(dir => ..., trust => [$spki, ...]);
#   $c->open('https://localhost:1234/');
#   $c->click('button');
#   like $c->text, qr/.../;

use strict;
use warnings;

use IO::Handle;
use JSON::PP ();
use MIME::Base64 'decode_base64';
use POSIX ();
use Time::HiRes qw(time sleep);

my $json = JSON::PP->new->utf8->allow_nonref;

sub available {
    return (grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH})[0];
}

sub new {
    my ($class, %o) = @_;

    my $self = bless { id => 0, owner => $$, buffer => '', events => [],
                       seconds => 60, %o }, $class;
    $self->start;
    return $self;
}

sub start {
    my ($self) = @_;

    my @command = (available(), '--headless=new', '--remote-debugging-pipe',
        '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
        '--disable-background-networking', '--disable-component-update',
        '--window-size=900,760', "--user-data-dir=$self->{dir}",
        '--ignore-certificate-errors-spki-list='
            . join(',', @{ $self->{trust} || [] }),
        $> == 0 ? '--no-sandbox' : (), @{ $self->{args} || [] },
        'about:blank');
    pipe my $child_in, my $out or die "pipe: $!";
    pipe my $in, my $child_out or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        setpgrp;
        $ENV{HOME} = $self->{dir};
        open STDERR, '>', "$self->{dir}.log";
        open STDOUT, '>&', \*STDERR;
        open STDIN, '<', '/dev/null';

        # out of the way first: they may be 3 and 4 themselves
        POSIX::dup2(fileno $child_in, 30);
        POSIX::dup2(fileno $child_out, 31);
        POSIX::dup2(30, 3);
        POSIX::dup2(31, 4);
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    close $child_in;
    close $child_out;
    $out->autoflush(1);
    @$self{qw(pid in out)} = ($pid, $in, $out);
    my ($page) = grep { $_->{type} eq 'page' }
        @{ $self->call('Target.getTargets')->{targetInfos} };
    $self->{session} = $self->call('Target.attachToTarget',
        targetId => $page->{targetId}, flatten => JSON::PP::true)->{sessionId};
    $self->call("$_.enable") for qw(Page DOM Runtime);
    return $self;
}

sub receive {
    my ($self, $until) = @_;

    while (1) {
        if ($self->{buffer} =~ s/^([^\0]*)\0//) {
            my $m = $json->decode($1);
            push @{ $self->{events} }, $m if $m->{method};
            return $m;
        }
        my $left = $until - time;
        return if $left <= 0;
        my $bits = '';
        vec($bits, fileno $self->{in}, 1) = 1;
        next if select($bits, undef, undef, $left) <= 0;
        sysread $self->{in}, $self->{buffer}, 1 << 20,
            length $self->{buffer} or die "chromium is gone, see $self->{dir}.log\n";
    }
}

sub call {
    my ($self, $method, %params) = @_;

    my $id = ++$self->{id};
    print { $self->{out} } $json->encode({
        id => $id, method => $method, params => \%params,
        $self->{session} ? (sessionId => $self->{session}) : () }), "\0";
    my $until = time + $self->{seconds};
    while (my $m = $self->receive($until)) {
        next unless ($m->{id} // 0) == $id;
        die "$method: $m->{error}{message}\n" if $m->{error};
        return $m->{result};
    }
    die "$method: no answer\n";
}

# scripts of pages run, or do not
sub scripts {
    my ($self, $on) = @_;
    $self->call('Emulation.setScriptExecutionDisabled',
                value => $on ? JSON::PP::false : JSON::PP::true);
}

sub open {
    my ($self, $url) = @_;
    return $self->call('Page.navigate', url => $url);
}

sub node {
    my ($self, $selector) = @_;
    my $root = $self->call('DOM.getDocument')->{root}{nodeId};
    return $self->call('DOM.querySelector', nodeId => $root,
                       selector => $selector)->{nodeId};
}

# the page as it is now, and what of it is text
sub html {
    my ($self) = @_;
    my $html = eval {
        my $root = $self->call('DOM.getDocument')->{root}{nodeId};
        $self->call('DOM.getOuterHTML', nodeId => $root)->{outerHTML};
    };
    return $html // '';
}

sub text {
    my ($self) = @_;
    my $text = $self->html =~ s/<(style|head).*?<\/\1>//gsr;
    return $text =~ s/<[^>]*>/ /gr =~ s/\s+/ /gr;
}

sub url {
    my ($self) = @_;
    my $tree = $self->call('Page.getFrameTree')->{frameTree};
    return $tree->{frame}{unreachableUrl} || $tree->{frame}{url};
}

# the frames of other sites in the page, which have processes of their own
sub frames {
    my ($self) = @_;

    my @frames;
    local $self->{session} = $self->{session};
    my ($all) = $self->call('Target.getTargets')->{targetInfos};
    for (grep { $_->{type} eq 'iframe' } @$all) {
        delete $self->{session};
        $self->{session} = $self->call('Target.attachToTarget',
            targetId => $_->{targetId}, flatten => JSON::PP::true)->{sessionId};
        push @frames, $self->call('Page.getFrameTree')->{frameTree}{frame};
    }
    return @frames;
}

# until the page says so; then what it says
sub sees {
    my ($self, $what, $seconds) = @_;
    my $text;
    my $ok = EntraTest::wait_until(sub { ($text = $self->text) =~ $what },
                                   $seconds // 20);
    return $ok ? $text : undef;
}

# a click with the mouse, at the middle of what is to be seen
sub click {
    my ($self, $selector) = @_;

    my $node;
    EntraTest::wait_until(sub { $node = eval { $self->node($selector) } }, 20)
        or die "no $selector on the page\n";
    $self->call('DOM.scrollIntoViewIfNeeded', nodeId => $node);
    my $q = $self->call('DOM.getBoxModel', nodeId => $node)->{model}{content};
    my ($x, $y) = (($q->[0] + $q->[4]) / 2, ($q->[1] + $q->[5]) / 2);
    $self->call('Input.dispatchMouseEvent', type => $_, x => $x, y => $y,
                button => 'left', clickCount => 1)
        for qw(mousePressed mouseReleased);
}

sub screenshot {
    my ($self, $file) = @_;
    my $png = decode_base64(
        $self->call('Page.captureScreenshot', format => 'png')->{data});
    CORE::open my $f, '>', $file or die "$file: $!";
    binmode $f;
    print $f $png;
    close $f;
    return length $png;
}

sub cookies {
    my ($self) = @_;
    return @{ $self->call('Network.getCookies')->{cookies} };
}

sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;
    local ($?, $!, $@);
    my $pid = delete $self->{pid} or return;
    local $SIG{PIPE} = 'IGNORE';
    eval { delete $self->{session}; print { $self->{out} }
           $json->encode({ id => 0, method => 'Browser.close' }), "\0" };
    EntraTest::wait_until(sub { waitpid($pid, 1) != 0 }, 5)
        or do { kill KILL => -$pid; waitpid $pid, 0 };
}

1;
