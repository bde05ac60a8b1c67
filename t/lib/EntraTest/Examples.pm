package EntraTest::Examples;

# The files of conf/examples as they are shipped, against the emulator: names
# of Azure's hosts resolve to this machine and have its ports, credentials
# have the emulator's tenant, logs are in the test's directory.  Nothing else
# is changed.
#
#   my $x = EntraTest::Examples->new($t);       # after $t->emulator
#   $t->start($x->text('workspace', 'mlflow'), $x->options);
#   $x->port(8443);                             # where "listen 8443" went

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use EntraTest qw(slurp);

my $azure = qr/[a-z0-9]+(?:\.[a-z0-9]+)*
               \.(?:azure\.com|azureml\.ms|windows\.net)/x;

sub new {
    my ($class, $t, %o) = @_;

    my ($wrapper) = glob '/usr/lib/*/libnss_wrapper.so';
    plan(skip_all => 'no libnss_wrapper') unless $wrapper;
    plan(skip_all => 'ASan and a preloaded library') if $t->sanitized;

    my $self = bless { t => $t, wrapper => $wrapper, owner => $$, %o },
        $class;
    my $v = $t->{vars};
    my %names = map { $_ => 1 } map { slurp($_) =~ /\b($azure)\b/g }
        glob "$t->{root}/conf/examples/{,*/}*.conf";
    $t->write('hosts', join '', map { "127.0.0.1 $_\n" } 'localhost',
              sort keys %names);

    mkdir $t->dir('entra');
    $t->copy($v->{SECRET_FILE}, "entra/$_.secret")
        for qw(scoring churn batch workspace blobs);
    $t->copy($t->dir('emulator1/workspace.json'), 'entra/config.json');
    $self->certificate('entra/gateway', 'localhost');
    $t->write('all-ca.pem', slurp($v->{CA}) . slurp($t->dir(
              'entra/gateway.crt')));
    return $self;
}

# a certificate of its own for names
sub certificate {
    my ($self, $file, @names) = @_;

    my $path = $self->{t}->dir($file);
    my $names = join ',', 'IP:127.0.0.1', map { "DNS:$_" } @names;
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj"
           . " /CN=$names[0] -addext subjectAltName=$names"
           . " -keyout $path.key -out $path.crt 2>$path.log") == 0
        or die slurp("$path.log");
    chmod 0644, "$path.key";
}

# where the example's "listen N" is, and the upstream's port
sub port { return $_[0]{t}->port("PORT$_[1]") }
sub upstream { return $_[0]{upstream} || $_[0]{t}{vars}{UPSTREAM} }

sub options {
    my ($self) = @_;
    return (main => "env NSS_WRAPPER_HOSTS;\n"
                    . "env AZURE_POD_IDENTITY_AUTHORITY_HOST;\n",
            env => { LD_PRELOAD => $self->{wrapper},
                     NSS_WRAPPER_HOSTS => $self->{t}->dir('hosts'),
                     AZURE_POD_IDENTITY_AUTHORITY_HOST =>
                         "http://127.0.0.1:$self->{t}{vars}{IDENTITY}" });
}

sub text {
    my ($self, @names) = @_;

    return join "\n", "entra_trusted_certificate %%CA%%;",
        map { $self->one($_) } @names;
}

sub one {
    my ($self, $name) = @_;

    my $up = $self->upstream;
    my $text = slurp("$self->{t}{root}/conf/examples/$name.conf")
        or die "no example $name\n";
    $text =~ s/^ *#.*\n//mg;
    $text =~ s/(\btenant_id +)[^;]+/$1%%TENANT%%/g;
    $text =~ s/(\bclient_id +)[^;]+/$1%%CLIENT%%/g;
    my $authority = 'authority_host %%AUTHORITY%%;';
    $text =~ s/(entra_credential \S+ client_secret \{)/$1 $authority/g;
    $text =~ s/(entra_caller_token \{)/$1 $authority/g;
    $text =~ s{/var/log/nginx/}{%%DIR%%/}g;
    my $manager = "resource_manager https://management.azure.com:$up;";
    $text =~ s/(using +\S+;)/$1 $manager/g;
    $text =~ s/\b($azure|\$ml_host):443/$1:$up/g;
    $text =~ s{(proxy_pass +https://(?:$azure|\$ml_host))(?=[/;])}{$1:$up}g;
    $text =~ s/(listen +)(\d+)/${1}127.0.0.1:%%PORT$2%%/g;
    $text =~ s{(resolver +)[^;]+}{$1 . $self->resolver . ' ipv6=off'}ge;
    return $text;
}

# A name server that knows one address, this machine's.
sub resolver {
    my ($self) = @_;

    return $self->{resolver} if $self->{resolver};
    my $s = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
        or die "resolver: $!";
    $self->{resolver_pid} = fork // die "fork: $!";
    if ($self->{resolver_pid} == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        while (defined $s->recv(my $q, 512)) {
            my ($name) = substr($q, 12) =~ /^((?:[^\0]+)?\0....)/s or next;
            my $a = unpack('n', substr $name, -4, 2) == 1;
            $s->send(substr($q, 0, 2) . pack('n5', 0x8180, 1, $a ? 1 : 0, 0,
                     0) . $name . ($a ? pack('n3Nnn2', 0xc00c, 1, 1, 60, 4,
                     0x7f00, 1) : ''));
        }
        require POSIX;
        POSIX::_exit(0);
    }
    return $self->{resolver} = '127.0.0.1:' . $s->sockport;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!);
    kill KILL => $self->{resolver_pid}
        if $self->{resolver_pid} && $self->{owner} == $$;
}

1;
