package EntraTest::Emulator;

# An emulator process of one test, and its control API.

use strict;
use warnings;

use JSON::PP ();
use EntraTest::HTTP ();

sub new {
    my ($class, %o) = @_;

    my $self = bless { owner => $$, %o }, $class;
    mkdir $self->{dir};
    $self->start;
    return $self;
}

sub start {
    my ($self) = @_;

    my $dir = $self->{dir};
    my @args = ('--state-dir', $dir, '--ready-file', "$dir/ready.json");
    while (my ($name, $port) = each %{ $self->{ports} }) {
        push @args, '--' . ($name =~ tr/_/-/r) . '-port', $port;
    }
    if ($self->{config}) {
        open my $f, '>', "$dir/config.json" or die "config.json: $!";
        print $f JSON::PP::encode_json($self->{config});
        close $f;
        push @args, '--config', "$dir/config.json";
    }
    unlink "$dir/ready.json";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDOUT, '>>', "$dir/emulator.log";
        open STDERR, '>&', \*STDOUT;
        my $program = "$self->{root}/t/emulator/entra-emulator";
        exec { $program } $program, @args or die "$program: $!";
    }
    $self->{pid} = $pid;
    EntraTest::wait_until(sub { -s "$dir/ready.json" || $self->gone }, 30);
    open my $f, '<', "$dir/ready.json"
        or die "the emulator did not start, see $dir/emulator.log\n"
               . EntraTest::slurp("$dir/emulator.log");
    local $/;
    $self->{info} = JSON::PP::decode_json(<$f>);
    return $self;
}

sub gone { my $self = shift; return waitpid($self->{pid}, 1) != 0 }

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill TERM => $pid;
    EntraTest::wait_until(sub { waitpid($pid, 1) != 0 }, 5)
        or do { kill KILL => $pid; waitpid $pid, 0 };
}

# the identity provider goes away and comes back, with the same keys
sub restart { $_[0]->stop; $_[0]->start }

sub port { $_[0]{info}{ports}{ $_[1] } }
sub info { $_[0]{info}{ $_[1] } }

sub control {
    my ($self, $method, $path, $data) = @_;

    my $r = EntraTest::HTTP::request(
        port => $self->port('control'), method => $method,
        uri => "/control/$path",
        defined $data ? (body => JSON::PP->new->allow_nonref->utf8
                                 ->encode($data)) : ());
    die "control $method $path: $r->{status} $r->{body}\n"
        if $r->{status} != 200;
    return JSON::PP->new->utf8->decode($r->{body});
}

# fault('throttle'), fault({ preset => ..., times => 1 }, ...)
sub fault {
    my ($self, @rules) = @_;
    return $self->control(POST => 'faults', \@rules);
}

sub clear_faults { $_[0]->control(DELETE => 'faults') }
sub settings     { my $s = shift; $s->control(POST => 'settings', { @_ }) }
sub secrets      { my $s = shift; $s->control(POST => 'secrets', { @_ }) }
sub app          { my $s = shift; $s->control(POST => 'apps', { @_ }) }
sub endpoint     { my $s = shift; $s->control(POST => 'endpoints', { @_ }) }
# Azure roles or actions, for the app of %%CLIENT%%
sub grant        { my $s = shift; $s->app(client_id => $s->info('client_id'),
                                          actions => [@_]) }
# redirect URIs of the app of %%PUBLIC_CLIENT%%, native ones
sub redirects    { my $s = shift; $s->app(
                       client_id => $s->info('public_client_id'),
                       redirect_uris => [@_]) }
sub rotate_keys  { my $s = shift; $s->control(POST => 'keys/rotate', { @_ }) }
sub revoke       { my $s = shift; $s->control(POST => 'tokens/revoke',
                                              @_ ? { @_ }
                                              : { all => \1 }) }
sub tokens       { @{ $_[0]->control(GET => 'tokens') } }
sub mint         { my $s = shift; $s->control(POST => 'mint', { @_ })
                                    ->{token} }

# requests(at => 'token', client_id => ...): what came in, oldest first
sub escape { return $_[0] =~ s/([^\w\/.-])/sprintf '%%%02X', ord $1/ger }

sub requests {
    my ($self, %filter) = @_;

    my $query = join '&', map { "$_=" . escape($filter{$_}) }
        sort keys %filter;
    return @{ $self->control(GET => "requests?$query") };
}

sub count  { my $self = shift; return scalar(() = $self->requests(@_)) }
sub forget { $_[0]->control(DELETE => 'requests') }
sub counters { $_[0]->control(GET => 'counters') }

sub DESTROY { local ($?, $!); $_[0]->stop if $_[0]{owner} == $$ }

1;
