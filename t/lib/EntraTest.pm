package EntraTest;

# Tests with a real nginx: see t/README.md.
#
#   use EntraTest;              # strict, warnings, Test::More, wait_until ...
#   my $t = EntraTest->new->module;         # skips when there is no module
#   my $e = $t->emulator;                   # Entra and an upstream
#   $t->start($http_block);                 # %%NAME%% are filled in
#   is($t->get('/')->status, 200);
#   $t->finish;                             # no alerts in the log

use strict;
use warnings;

use Cwd 'abs_path';
use File::Basename 'dirname';
use File::Path ();
use File::Temp 'tempdir';
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 'decode_base64url';
use POSIX 'WNOHANG';
use Test::More;
use Time::HiRes qw(time sleep);

use EntraTest::Emulator;
use EntraTest::HTTP;

our @EXPORT_OK = qw(wait_until slurp claims sent);

my $root = dirname(dirname(dirname(abs_path(__FILE__))));
my $slow = $ENV{ENTRA_VALGRIND} || $ENV{ENTRA_SLOW} ? 6 : 1;
my @alive;
my $owner = $$;

# so that END runs, and nothing is left behind
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

# "use EntraTest;" is all that a test begins with; with names, only these
sub import {
    my ($class, @names) = @_;

    my $caller = caller;
    unless (@names) {
        strict->import;
        warnings->import;
        Test::More->export_to_level(1);
        @names = @EXPORT_OK;
    }
    no strict 'refs';
    *{"${caller}::$_"} = \&$_ for @names;
}

sub new {
    my ($class, %o) = @_;

    my $dir = tempdir('entra-test-XXXXXX', TMPDIR => 1,
                      CLEANUP => !$ENV{ENTRA_KEEP});
    chmod 0755, $dir;
    mkdir "$dir/logs";          # where an nginx of upstream's begins its log
    my $self = bless {
        dir => $dir, root => $root, level => 'info', workers => 2,
        nginx => $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx',
        so => $ENV{ENTRA_MODULE} || "$root/build/ngx_http_entra_module.so",
        vars => {}, expected => [], emulators => 0, checks => 0, starts => 0,
        masters => {}, %o,
    }, $class;
    diag("keeping $dir") if $ENV{ENTRA_KEEP};
    plan(skip_all => "no nginx at $self->{nginx}") unless -x $self->{nginx};
    $self->var(DIR => $dir, ROOT => $root);
    push @alive, $self;
    return $self;
}

# The test needs the module: skips it when that was not built.  ENTRA_STATIC
# says that nginx has it built in.
sub module {
    my ($self) = @_;

    return $self if $ENV{ENTRA_STATIC};
    plan(skip_all => "$self->{so} was not built") unless -e $self->{so};
    $self->{load} = "load_module $self->{so};\n";
    return $self;
}

# nginx has this in its configure arguments, or the test is skipped
sub need {
    my ($self, $what) = @_;

    my $have = `$self->{nginx} -V 2>&1`;
    plan(skip_all => "nginx was built without $what")
        unless $have =~ /\Q$what/;
    return $self;
}

# whether it was built with a sanitizer, which tolerates no preloaded library
sub sanitized {
    my ($self) = @_;
    return $self->{sanitized} //= `$self->{nginx} -V 2>&1` =~ /-fsanitize/;
}

# What start() needs for a clock that is as far ahead as clock() says, or as
# %env tells libfaketime; nothing where that is not installed or does not mix:
# AddressSanitizer asks for the time while it starts, and may then wait for
# itself.
sub faketime {
    my ($self, %env) = @_;

    my ($lib) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';
    return if !$lib || $ENV{ENTRA_PRELOAD} || $ENV{ENTRA_VALGRIND}
        || $self->sanitized;
    %env = (FAKETIME_TIMESTAMP_FILE => $self->dir('clock'),
            map { $_ => 1 } qw(FAKETIME_NO_CACHE DONT_FAKE_MONOTONIC
                               FAKETIME_DONT_FAKE_MONOTONIC)) unless %env;
    $env{LD_PRELOAD} = $lib;
    return (env => \%env, main => join '', map { "env $_;\n" } sort keys %env);
}

sub clock { my ($self, $ahead) = @_; return $self->write('clock', "$ahead\n") }

# of nginx, as nginx itself counts: 1025001
sub version {
    my ($self) = @_;

    my @v = `$self->{nginx} -v 2>&1` =~ m{nginx/(\d+)\.(\d+)\.(\d+)};
    return @v ? $v[0] * 1_000_000 + $v[1] * 1000 + $v[2] : 0;
}

# seconds, more of them where everything is slow
sub seconds { return $_[-1] * $slow }


# files and names

sub dir  { return $_[0]{dir} . (defined $_[1] ? "/$_[1]" : '') }

sub var {
    my ($self, %vars) = @_;
    $self->{vars}{$_} = $vars{$_} for keys %vars;
    return $self;
}

sub expand {
    my ($self, $text) = @_;

    $text =~ s/%%(\w+)%%/$self->value($1)/ge;
    return $text;
}

sub value {
    my ($self, $name) = @_;

    return $self->{vars}{$name} if defined $self->{vars}{$name};
    return $self->port($name) if $name =~ /^PORT\d*$/;
    die "%%$name%% is not known\n";
}

# A directory above which all belongs to root, or to whom nginx is started by,
# and nobody else can write: tools that are run have to be in one.  Not in
# /tmp, then.
sub tools {
    my ($self) = @_;

    return $self->{tools} if $self->{tools};
    for my $base ($ENV{ENTRA_BUILD} || "$root/build", '/var/lib', $ENV{HOME}) {
        next unless defined $base && -w $base && ours(abs_path($base));
        my $dir = tempdir('entra-tools-XXXXXX', DIR => abs_path($base),
                          CLEANUP => !$ENV{ENTRA_KEEP});
        chmod 0755, $dir;
        return $self->{tools} = $dir;
    }
    plan(skip_all => 'no directory that nobody else can write');
}

sub ours {
    my ($path) = @_;
    while (1) {
        my @s = stat $path or return 0;
        return 0 if ($s[2] & 022) || !($s[2] & 1) || ($s[4] && $s[4] != $>);
        return 1 if $path eq '/';
        $path = dirname($path);
    }
}

# Readable by root and workers, as secrets have to be.
sub ours_only {
    my (@files) = @_;
    my $group = $> == 0 ? getgrnam('www-data') : undef;
    chown 0, $group, @files if defined $group;
    return chmod defined $group ? 0640 : 0600, @files;
}

# Writes a file in the test's directory, in one rename, readable by workers.
sub write {
    my ($self, $file, $text, $mode) = @_;

    my $path = $file =~ m{^/} ? $file : $self->dir($file);
    open my $f, '>', "$path.new" or die "$path: $!";
    binmode $f;
    print $f $self->expand($text);
    close $f;
    defined $mode ? chmod $mode, "$path.new" : ours_only("$path.new");
    rename "$path.new", $path or die "$path: $!";
    return $path;
}

sub slurp {
    my ($path) = @_;
    open my $f, '<', $path or return '';
    local $/;
    return scalar(<$f>) // '';
}

# A port that no other test takes: a UDP socket on it is the lock.
sub free_port {
    my ($self) = @_;

    for (1 .. 500) {
        my $port = 10000 + int rand 20000;
        my $lock = IO::Socket::INET->new(Proto => 'udp',
            LocalAddr => '127.0.0.1', LocalPort => $port) or next;
        my $try = IO::Socket::INET->new(Proto => 'tcp', Listen => 1,
            LocalAddr => '127.0.0.1', LocalPort => $port) or next;
        push @{ $self->{locks} }, $lock;
        return $port;
    }
    die "no free port\n";
}

# the port behind %%PORT%%, %%PORT2%%, ...
sub port {
    my ($self, $name) = @_;
    $name //= 'PORT';
    return $self->{vars}{$name} //= $self->free_port;
}


# the emulator

# Starts one.  The first gives %%CA%%, %%ENTRA%%, %%UPSTREAM%%,
# %%UPSTREAM_PLAIN%%, %%AUTHORITY%%, %%TENANT%%, %%CLIENT%%,
# %%SECRET_FILE%%, ...; the second the same with _2.
sub emulator {
    my ($self, %config) = @_;

    my $n = ++$self->{emulators};
    my $dir = $self->dir("emulator$n");
    my %ports = map { $_ => $self->free_port }
        qw(entra upstream upstream_plain identity identity_tls control);
    my $e = EntraTest::Emulator->new(
        root => $root, dir => $dir, ports => \%ports,
        %config ? (config => \%config) : ());
    my $x = $n == 1 ? '' : "_$n";
    my $i = $e->{info};
    $self->var(
        (map { uc($_) . $x => $ports{$_} } keys %ports),
        "CA$x" => $i->{ca}, "AUTHORITY$x" => $i->{authority_host},
        "TENANT$x" => $i->{tenant_id}, "CLIENT$x" => $i->{client_id},
        "CERT_CLIENT$x" => $i->{certificate_client_id},
        "FEDERATED_CLIENT$x" => $i->{federated_client_id},
        "PUBLIC_CLIENT$x" => $i->{public_client_id},
        "WEAK_CLIENT$x" => $i->{weak_client_id},
        "SECRET_FILE$x" => $self->copy($i->{client_secret_file},
                                       "client$x.secret"),
        "CERT_FILE$x" => $self->copy($i->{client_certificate},
                                     "client$x.pem"),
        "FEDERATED_FILE$x" => $self->copy($i->{federated_token_file},
                                          "federated$x.jwt"));
    $self->proxy_conf($_, $x) for qw(proxy grpc);

    # what every credential of a test begins with
    $self->var("CREDENTIAL$x" => $self->expand(
        "authority_host %%AUTHORITY$x%%;\n"
        . "        tenant_id %%TENANT$x%%;\n"
        . "        client_id %%CLIENT$x%%;\n"
        . "        client_secret_file %%SECRET_FILE$x%%;"));
    $self->{emulator} //= $e;
    return $e;
}

# conf/entra_proxy.conf with the emulator's CA, as %%PROXY%%; and %%GRPC%%
sub proxy_conf {
    my ($self, $kind, $x) = @_;

    my $text = slurp("$root/conf/entra_$kind.conf") or return;
    $text =~ s{/etc/ssl/certs/ca-certificates.crt}{$self->{vars}{"CA$x"}};
    $self->var(uc($kind) . $x =>
               $self->write("entra_$kind$x.conf", $text));
}

sub copy {
    my ($self, $from, $to) = @_;
    my $text = slurp($from);
    open my $f, '>', $self->dir($to) or die "$to: $!";
    print $f $text;
    close $f;
    ours_only($self->dir($to));
    return $self->dir($to);
}


# nginx

# the whole nginx.conf around an http block's content
sub conf_text {
    my ($self, $http, %o) = @_;

    my $dir = $o{dir} || $self->{dir};
    my $level = $o{level} || $self->{level};
    my $user = $> == 0 ? "user www-data;\n" : '';
    my $main = $o{main} // '';

    # for the binary that an upgrade executes
    $main .= join '', map { "env ${_}_OPTIONS;\n" } qw(ASAN LSAN UBSAN)
        if $ENV{ENTRA_STATIC};
    my $load = $self->{load} // '';
    chomp(my $hard = `sh -c 'ulimit -Hn'`);
    my $files = !$ENV{ENTRA_VALGRIND} && ($hard eq 'unlimited'
                                          || $hard >= 8192)
        ? "worker_rlimit_nofile 8192;\n" : '';

    # nginx keeps TLS sessions of upstreams and never frees them: a leak for
    # LeakSanitizer, which cannot tell them from ours
    my $sessions = join '', map { "    ${_}_ssl_session_reuse off;\n" }
        $self->sanitized ? qw(proxy grpc) : ();

    return $self->expand(<<"CONF" . $http . "}\n");
$load$user$main${files}worker_processes $self->{workers};
pid $dir/nginx.pid;
error_log $dir/error.log $level;
events { worker_connections 4096; }
http {
    access_log $dir/access.log;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
$sessions    # the content of the test begins here
CONF
}

sub conf {
    my ($self, $http, %o) = @_;
    return $self->write('nginx.conf', $self->conf_text($http, %o));
}

# nginx -t of an http block's content: (passed, output).  The lines of the
# block count from 1 in the output: nginx.conf:1 is its first line.
sub check {
    my ($self, $http, %o) = @_;

    my $n = ++$self->{checks};
    my $dir = $self->dir("check$n");
    mkdir $_ for $dir, "$dir/logs";
    my $text = $self->conf_text($http, %o, dir => $dir);
    $self->write("check$n/nginx.conf", $text);
    my ($head) = $text =~ /^(.*begins here\n)/s;
    my $offset = ($head =~ tr/\n//);
    my $env = join ' ', map { "$_='$o{env}{$_}'" } sort keys %{ $o{env} };
    my $out = `$env $self->{nginx} -t -p $dir -c $dir/nginx.conf 2>&1`;
    my $ok = $? == 0;
    $out =~ s/(nginx\.conf:)(\d+)/$1 . ($2 - $offset)/ge;
    return ($ok, $out);
}

sub command {
    my ($self) = @_;

    my @command = ($self->{nginx}, '-p', $self->{dir}, '-c',
                   $self->dir('nginx.conf'));
    if ($ENV{ENTRA_VALGRIND}) {
        my $suppress = "$root/t/valgrind.suppress";
        unshift @command, '/usr/bin/valgrind', '-q', '--num-callers=20',
            '--log-file=' . $self->dir('valgrind.%p'),
            -e $suppress ? "--suppressions=$suppress" : ();
    }
    return @command;
}

# Starts nginx with an http block's content (or the conf() of before).
# env => { NAME => value } is the environment of the master.
sub start {
    my ($self, $http, %o) = @_;

    $self->conf($http, %o) if defined $http;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $ENV{$_} = $o{env}{$_} for keys %{ $o{env} || {} };
        $ENV{LD_PRELOAD} = $ENV{ENTRA_PRELOAD} if $ENV{ENTRA_PRELOAD};
        open STDERR, '>>', $self->dir('stderr.log');
        open STDOUT, '>&', \*STDERR;
        my @command = $self->command;
        exec { $command[0] } @command or die "exec: $!";
    }
    unless (wait_until(sub { waitpid($pid, WNOHANG) == $pid }, 60)) {
        kill KILL => $pid;
        waitpid $pid, 0;
    }
    die "nginx did not start:\n" . slurp($self->dir('stderr.log'))
        . $self->log if $? != 0;
    wait_until(sub { $self->workers == $self->{workers} }, 20)
        or die "no workers:\n" . $self->log;
    $self->{masters}{ $self->pid } = 1;
    $self->{warned} = [$self->warnings] unless $self->{starts}++;
    return $self;
}

# What the module warns of when it reads a configuration: the one that a test
# starts with is right, unless it says EntraTest->new(warnings => 1).
sub warnings {
    my ($self) = @_;
    return if $self->{warnings};
    return grep { /\[warn\].*(?:entra_|credential "|upstream ").* in \S+:\d+$/ }
        split /\n/, slurp($self->dir('stderr.log'))
                    . slurp($self->dir('error.log'));
}

sub pid {
    my ($self, $file) = @_;
    my ($pid) = slurp($self->dir($file || 'nginx.pid')) =~ /(\d+)/;
    return $pid;
}

# pids of processes whose parent is this, with their titles
sub children {
    my ($parent) = @_;

    my %found;
    opendir my $d, '/proc' or die "/proc: $!";
    for my $pid (grep { /^\d+$/ } readdir $d) {
        my ($state, $ppid) = slurp("/proc/$pid/stat")
            =~ /^\d+ \(.*\) (\S) (\d+)/s or next;
        next unless $ppid == $parent && $state ne 'Z';
        $found{$pid} = slurp("/proc/$pid/cmdline") =~ tr/\0/ /r;
    }
    return %found;
}

# workers that take connections, not those that are shutting down
sub workers {
    my ($self, $master) = @_;

    my @pids;                           # none while there is no nginx.pid
    $master //= $self->pid // return @pids;
    my %of = children($master);
    if ($ENV{ENTRA_VALGRIND}) {         # which hides the titles
        my $log = $self->log;
        my %worker = map { $_ => 1 } $log =~ /start worker process (\d+)/g;
        delete @worker{ $log =~ /(\d+)#\d+: gracefully shutting down/g };
        return grep { $worker{$_} } keys %of;
    }
    @pids = sort { $a <=> $b }
        grep { $of{$_} =~ /worker process/ && $of{$_} !~ /shutting down/ }
        keys %of;
    return @pids;
}

sub signal {
    my ($self, $name, $pid) = @_;
    kill $name => $pid // $self->pid or die "kill $name: $!";
}

# SIGHUP, until other workers have taken over; wait => 1: until the old ones
# are gone too
sub reload {
    my ($self, $http, %o) = @_;

    $self->conf($http, %o) if defined $http;
    my %old = map { $_ => 1 } $self->workers;
    $self->signal('HUP');
    my $ok = wait_until(sub {
        my @now = $self->workers;
        return @now == $self->{workers} && !grep { $old{$_} } @now;
    }, 20);
    $ok &&= wait_until(sub { !grep { alive($_) } keys %old },
                       $o{linger} || 20) if $o{wait};
    return $ok;
}

# Changes the binary under way: USR2, then QUIT of the old master.
sub upgrade {
    my ($self) = @_;

    my $old = $self->pid;
    $self->signal('USR2');
    wait_until(sub {
        -e $self->dir('nginx.pid.oldbin') && ($self->pid // $old) != $old
            && $self->workers == $self->{workers};
    }, 20) or return 0;
    $self->{masters}{ $self->pid } = 1;
    $self->signal('QUIT', $old);
    return wait_until(sub { !alive($old) }, 20);
}

sub alive {
    my ($pid) = @_;
    my ($state) = slurp("/proc/$pid/stat") =~ /^\d+ \(.*\) (\S)/s;
    return defined $state && $state ne 'Z';
}

# A graceful shutdown; how long it took, or undef when it took too long.
sub stop {
    my ($self, %o) = @_;

    my $pid = $self->pid or return;
    my %workers = children($pid);
    my $begin = time;
    $self->signal($o{signal} || 'QUIT');
    my $ok = wait_until(sub { !grep { alive($_) } $pid, keys %workers },
                        $o{within} || 10);
    my $time = time - $begin;
    kill KILL => $pid, keys %workers unless $ok;
    return $ok ? $time : undef;
}


# asking

sub http {
    my ($self, %o) = @_;
    return EntraTest::HTTP::request(port => $self->port,
                                    timeout => $self->seconds(30), %o);
}

sub get  { my ($t, $uri, %o) = @_; return $t->http(uri => $uri, %o) }

sub many {
    my ($t, $n, %o) = @_;
    return EntraTest::HTTP::many($n, port => $t->port,
                                 timeout => $t->seconds(60), %o);
}

sub load {
    my ($t, $uri, %o) = @_;
    return EntraTest::HTTP::load_start(port => $t->port, uri => $uri,
                                       timeout => $t->seconds(30), %o);
}

# curl, for HTTP/2: a response as of http()
sub curl {
    my ($self, @args) = @_;

    open my $out, '-|', 'curl', '-sS', '-i', '--noproxy', '*',
        '--max-time', $self->seconds(30), map { $self->expand($_) } @args
        or die "curl: $!";
    binmode $out;
    my $text = do { local $/; <$out> } // '';
    close $out;
    $text =~ s{^HTTP/2 (\d+)}{HTTP/1.1 $1};
    return EntraTest::HTTP::parse_response($text, 1, 'GET')
        || EntraTest::HTTP::parse_response("HTTP/1.1 000 none\r\n\r\n", 1,
                                           'GET');
}

# What all workers say: asks until each has answered, which its response shows
# in X-Worker (the listener has "reuseport", so that connections are spread).
sub statuses {
    my ($self, $ask) = @_;

    my %status;
    my %silent = map { $_ => 1 } $self->workers;
    for (1 .. 100) {
        my $r = $ask->();
        $status{ $r->status }++;
        delete $silent{ $r->header('x-worker') // '' };
        last unless %silent;
    }
    return join ' ', sort keys %status;
}

# The slowest answer of a while, less what nobody got because the machine was
# busy: a worker that is blocked is one that has the processor or wants none.
sub slowest {
    my ($self, $uri, $seconds) = @_;

    my @pids = ($$, $self->workers);
    my ($until, $slowest) = (time + $seconds, 0);
    while (time < $until) {
        my ($queued, $begin) = (queued(@pids), time);
        my $r = $self->get($uri);
        my $took = time - $begin - (queued(@pids) - $queued);
        return 99 unless $r && $r->status == 200;
        $slowest = $took if $took > $slowest;
        sleep 0.01;
    }
    return $slowest;
}

# seconds that processes were ready to run and did not, by the kernel's
# scheduler, or the host's
sub queued {
    my (@pids) = @_;

    my $ns = 0;
    $ns += (split ' ', slurp("/proc/$_/schedstat") || '0 0 0')[1] for @pids;
    my $steal = (split ' ', slurp('/proc/stat'))[8] // 0;
    return $ns / 1e9 + $steal / 100;
}

# what entra_status says, as JSON
sub status {
    my ($self, $uri) = @_;
    return $self->get($uri // '/entra/status')->json;
}

# and of one credential, in a scope like this; an empty hash: of none
sub credential {
    my ($self, $name, $scope) = @_;
    my ($one) = grep { $_->{credential} eq $name
                       && (!defined $scope || $_->{scope} =~ $scope) }
        @{ $self->status->{credentials} };
    return $one || {};
}

# waits until entra_status says at /entra/ready that all tokens are there
sub ready {
    my ($self, $seconds, $name) = @_;
    my $r;
    return ok(wait_until(sub { $r = $self->get('/entra/ready');
                               $r->status == 200 }, $seconds),
              $name // 'ready') || diag($r->body, $self->log);
}

# that nginx -t passes, or fails and says why; what it said
sub accepts {
    my ($self, $name, $http, %o) = @_;
    my ($ok, $out) = $self->check($http, %o);
    ok($ok, "$name: nginx -t passes") || diag($out);
    return $out;
}

sub refuses {
    my ($self, $name, $http, $why, %o) = @_;
    my ($ok, $out) = $self->check($http, %o);
    ok(!$ok, "$name: nginx -t fails") || diag($out);
    like($out, $why, "$name: and says why");
    return $out;
}


# tokens and headers

# of a JWT, "Bearer" and all, or of that which an upstream has seen; an empty
# hash where there is none
sub claims {
    my ($jwt) = @_;

    ($jwt) = $jwt->seen('authorization') if ref $jwt;
    my ($part) = ($jwt // '') =~ /^(?:Bearer )?[^. ]+\.([^. ]+)\.[^. ]+$/;
    return $part && eval { JSON::PP::decode_json(decode_base64url($part)) }
        || {};
}

# the values of a header in a request that the emulator got
sub sent {
    my ($request, $name) = @_;
    return map { $_->[1] } grep { lc $_->[0] eq $name }
        @{ $request->{headers} };
}


# the end

sub log { return slurp($_[0]->dir('error.log')) }

sub wait_log {
    my ($self, $what, $seconds) = @_;
    return wait_until(sub { $self->log =~ $what }, $seconds);
}

# Polls a condition; its value, or false after so many seconds.
sub wait_until {
    my ($condition, $seconds) = @_;

    my $until = time + ($seconds // 30) * $slow;
    while (1) {
        my $value = $condition->();
        return $value if $value;
        return $value if time > $until;
        sleep 0.02;
    }
}

# a line that would fail the test is part of it
sub expect { my ($self, @what) = @_; push @{ $self->{expected} }, @what }

sub bad_lines {
    my ($self) = @_;

    my @bad;
    for my $file (glob $self->dir('{error.log,stderr.log,valgrind.*}')) {
        for my $line (split /\n/, slurp($file)) {
            next unless $file =~ /valgrind/ && $line =~ /==\d+==\s+\S/
                || $line =~ /\[(alert|emerg)\]|Sanitizer|runtime error:/
                || $line =~ /open socket|exited on signal|signal 11/;
            next if grep { $line =~ $_ } @{ $self->{expected} };
            push @bad, $line;
        }
    }
    return @bad;
}

# Ends nginx and the test: fails on alerts and on a shutdown that hangs.
sub finish {
    my ($self) = @_;

    if ($self->pid && alive($self->pid)) {
        ok(defined $self->stop, 'nginx shuts down in time');
    }
    my @bad = $self->bad_lines;
    is(join("\n", @bad), '', 'no alerts in the error log');
    is(join("\n", @{ $self->{warned} || [] }), '',
       'nothing to warn of in the configuration');
    $self->{finished} = 1;
    done_testing();
}

# A process that cleans up when this one is killed: ends all that names the
# test's directory, and removes that.
sub guard {
    my ($self) = @_;

    pipe my $in, $self->{guard} or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    return if $pid;

    close $self->{guard};
    open $_, '+<', '/dev/null' for \(*STDIN, *STDOUT, *STDERR);
    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
    sysread $in, my $byte, 1;   # until the other end is gone

    wait_until(sub { !kill KILL => naming($self->{dir}) }, 10);
    wait_until(sub { File::Path::remove_tree($self->{dir}, { safe => 0 });
                     return !-e $self->{dir} }, 10);
    POSIX::_exit(0);
}

# processes whose command line has this text, but this one
sub naming {
    my ($text) = @_;

    return grep { $_ != $$ && slurp("/proc/$_/cmdline") =~ /\Q$text/ }
        map { m{(\d+)$} } glob '/proc/[0-9]*';
}

sub cleanup {
    my ($self) = @_;

    for my $master (keys %{ $self->{masters} }, $self->pid // ()) {
        next unless alive($master);
        my %of = children($master);
        kill KILL => $master, keys %of;
    }
    if (!$self->{finished} && length $self->log) {
        my @lines = split /\n/, $self->log;
        splice @lines, 0, -30;
        diag(join "\n", 'the last of the error log:', @lines);
    }
}

END {
    local ($?, $!, $@);
    @alive = () if $$ != $owner;
    $_->cleanup for @alive;
    @alive = ();
}

1;
