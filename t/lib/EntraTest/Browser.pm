package EntraTest::Browser;

# A person's browser without JavaScript: it keeps cookies, follows what a
# page says, and fills in its forms.
#
#   my $b = EntraTest::Browser->new(port => ..., tls => 1);
#   my $r = $b->get('/in');
#   $r = $b->sign_in('/in', 'alice');       # presses alice's button
#   my $url = $b->leave($r);                # where that page leads to

use strict;
use warnings;

use EntraTest::HTTP ();

sub new {
    my ($class, %o) = @_;
    return bless { jar => {}, host => 'localhost', %o }, $class;
}

sub send {
    my ($self, %o) = @_;

    my @cookies = map { "$_=$self->{jar}{$_}" } sort keys %{ $self->{jar} };
    my $r = EntraTest::HTTP::request(
        port => $self->{port}, tls => $self->{tls}, ca => $self->{ca},
        host => "$self->{host}:$self->{port}", timeout => 60, %o,
        headers => [@cookies ? (Cookie => join '; ', @cookies) : (),
                    @{ $o{headers} || [] }]);
    for (map { $_->[1] } grep { lc $_->[0] eq 'set-cookie' } @{ $r->{list} }) {
        my ($name, $value) = /^([^=]+)=([^;]*)/;
        next if /; Secure/ && !$self->{tls};
        $self->{jar}{$name} = $value;
    }
    return $r;
}

sub get { my ($self, $uri, %o) = @_; return $self->send(uri => $uri, %o) }

sub origin {
    my ($self) = @_;
    return ($self->{tls} ? 'https' : 'http')
        . "://$self->{host}:$self->{port}";
}

sub post {
    my ($self, $uri, $fields, %o) = @_;

    return $self->send(uri => $uri, method => 'POST',
        body => form(%$fields), %o,
        headers => ['Content-Type' => 'application/x-www-form-urlencoded',
                    @{ $o{headers} || [Origin => $self->origin] }]);
}

sub form {
    my (%fields) = @_;
    return join '&', map { escape($_) . '=' . escape($fields{$_}) }
        sort keys %fields;
}

sub escape {
    my ($text) = @_;
    $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub unescape {
    my ($text) = @_;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

sub text {
    my ($html) = @_;
    my %is = (amp => '&', lt => '<', gt => '>', quot => '"', '#39' => "'");
    $html =~ s/&(amp|lt|gt|quot|#39);/$is{$1}/g;
    return $html;
}

# the section of a credential on the page
sub section {
    my ($r, $name) = @_;
    return (grep { m{<h2>\Q$name\E</h2>} }
            $r->body =~ m{<section>(.*?)</section>}gs)[0] // '';
}

# what its form would send, and where to
sub fields {
    my ($r, $name) = @_;

    my $part = section($r, $name);
    my ($action) = $part =~ /<form method="post" action="([^"]*)"/;
    my ($csrf) = $part =~ /name="csrf" value="([^"]*)"/;
    return (text($action // ''), { csrf => $csrf // '', credential => $name });
}

# opens the page and presses the button of a credential
sub sign_in {
    my ($self, $uri, $name) = @_;
    return $self->post(fields($self->get($uri), $name));
}

# where a page leads to: Location, or the link in it
sub leave {
    my ($self, $r) = @_;
    return $r->header('location') if $r->header('location');
    my ($url) = $r->body =~ /http-equiv="refresh" content="\d+;url=([^"]*)"/;
    return text($url // '');
}

# the parameters of a URL
sub query {
    my ($url) = @_;
    my ($query) = $url =~ /\?(.*)/;
    return map { map { unescape($_) } split /=/, $_, 2 }
        split /&/, $query // '';
}

1;
