package EntraTest::Canary::Search;

# Looks for canaries in whatever a round left: files, what clients got, what
# upstreams received.

use strict;
use warnings;

use JSON::PP ();
use MIME::Base64 'decode_base64url';

# tokens: as the emulator lists them; secrets: of the gateway; own: what
# callers showed
sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, found => [] }, $class;
    my @tokens = map { (substr($_, -40), substr($_, -120, 40)) }
        map { $_->{token} } @{ $o{tokens} };
    $self->{issued} = any(@tokens, @{ $o{secrets} });
    $self->{callers} = any(@{ $o{own} });
    return $self;
}

sub any {
    my $text = join '|', map { quotemeta } sort { $b cmp $a } @_;
    return qr/$text/;
}

sub found {
    my ($self, $where, $what) = @_;

    push @{ $self->{found} }, "$where: "
        . (substr($what, 0, 300) =~ s/[^ -~]/./gr) if @{ $self->{found} } < 50;
}

# text that must have nothing of the kind
sub text {
    my ($self, $where, $text) = @_;

    for my $kind (qw(issued callers)) {
        next unless $text =~ /$self->{$kind}/;
        my $from = $-[0] > 120 ? $-[0] - 120 : 0;
        $self->found("$where ($kind)", substr $text, $from, 300);
    }
}

# nginx says at debug level what a client sends, and at info what it sends
# twice: that is the client's own
my $clients_own = qr/\[debug\] .*?(?:http\ header:|http2\ )
                     |sent\ duplicate\ header\ line/x;

sub error_log {
    my ($self, $where, $log) = @_;

    if ($log =~ /$self->{issued}/) {
        my $from = $-[0] > 200 ? $-[0] - 200 : 0;
        $self->found("$where (issued)", substr $log, $from, 400);
    }
    return unless $log =~ /$self->{callers}/;
    for my $line (split /\n/, $log) {
        $self->found("$where (callers)", $line)
            if $line =~ /$self->{callers}/ && $line !~ $clients_own;
    }
}

# what an upstream received, by the emulator's records
sub received {
    my ($self, $r) = @_;

    my %header;
    my $name = "$r->{listener} $r->{method} $r->{target}";
    push @{ $header{ lc $_->[0] } }, $_->[1] for @{ $r->{headers} };
    my ($want) = @{ delete $header{'x-want'} || [''] };

    # what may have a token, where it may be
    my @tokens;
    if ($r->{listener} eq 'upstream' && $want) {
        push @tokens, @{ delete $header{authorization} || [] };
        $self->owner($name, $want, $r, $_) for @tokens;
        $self->found("$name (count)", "@tokens") if @tokens > 1;
        push @tokens, map { @{ delete $header{$_} || [] } }
            qw(x-second x-third);
        delete $r->{body};
        $self->found("$name (passed)", $_)
            for @{ $header{'proxy-authorization'} || [] };
    }
    $self->text("received: $name", join "\n", $r->{target}, $r->{body} // '',
                map { my $h = $_; map { "$h: $_" } @{ $header{$h} } }
                sort keys %header);
    $self->text("received: $name", "$_")
        for grep { /$self->{callers}/ } @tokens;
    $self->valid($name, $r, $_) for @tokens;
}

sub claims {
    my ($token) = @_;
    my ($part) = $token =~ /^(?:Bearer |a)?[^. ]+\.([^. ]+)\.[^. ]+$/
        or return {};
    return eval { JSON::PP::decode_json(decode_base64url($part)) } || {};
}

# issued as it is, and not expired
sub valid {
    my ($self, $name, $r, $value) = @_;

    $self->{by} ||= { map { $_->{token} => $_ } @{ $self->{tokens} } };
    my $token = $value =~ s/^(?:Bearer |a)//r;
    return if $token eq '';
    return $self->found("received: $name (not a token)", $value)
        unless $self->{by}{$token};
    my $left = claims($token)->{exp} - $r->{time};
    $self->found("received: $name (expired)", $left) if $left < -$self->{late};
    $self->{tokens_received}++;
}

# of the credential of its location, or of its caller
my %audience = (aml => qr/ml\.azure/, arm => qr/management/,
                storage => qr/storage/, keyvault => qr/vault/,
                obo => qr/management/);
sub owner {
    my ($self, $name, $want, $r, $value) = @_;

    my $claims = claims($value);
    my ($credential, $scope) = split / /, $want;
    return if $want eq '*' || !$claims->{aud};
    my $app = $claims->{appid} // $claims->{azp} // '';
    my $right = $credential eq 'cert' ? $self->{cert} : $self->{client};
    my $ok = $app eq $right && $claims->{aud} =~ $audience{$scope};
    if ($scope eq 'obo') {
        my ($visitor) = map { $_->[1] }
            grep { lc $_->[0] eq 'x-visitor' } @{ $r->{headers} };
        $ok &&= ($visitor // '') eq ($claims->{oid} // '-');
    }
    $self->found("received: $name (whose?)", "$want: $app $claims->{aud} "
                 . ($claims->{oid} // '')) unless $ok;
}

1;
