#!/usr/bin/perl

# Reload, upgrade, a killed worker, shutdown; and a provider that holds
# everything up except nginx.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $scope = 'https://ml.azure.com/.default';

my $conf = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
upstream fraud.westeurope.inference.ml.azure.com {
    server 127.0.0.1:%%UPSTREAM%%;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    location /score {
        entra_auth app;
        proxy_pass https://fraud.westeurope.inference.ml.azure.com;
    }
    location = /version { return 200 one; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

sub asked { return $e->count(at => 'token') }

$t->start($conf);
$t->ready;
is(asked(), 1, 'one token request at start');

# reloads under load
my $load = $t->load('/score', body => '{}', clients => 4);
for my $n (1 .. 5) {
    $t->reload($conf =~ s/200 one/200 $n/r) or fail "reload $n";
    wait_until(sub { $t->get('/version')->body eq $n }, 5)
        or fail "configuration $n";
}
my $sum = $load->stop;
is($sum->{failed}, 0, "reloads under load: 0 of $sum->{total} failed")
    or diag explain $sum->{bad};
is(asked(), 1, 'the token is kept: no request to the provider');

# a configuration that is wrong changes nothing
$t->expect(qr/nonsense/);
$t->conf($conf . "nonsense;\n");
$t->signal('HUP');
ok($t->wait_log(qr/unknown directive "nonsense"/), 'a wrong configuration');
is($t->http(uri => '/score', body => '{}')->status, 200, 'the old one stays');

# what tokens depend on
my $second = $t->write('second.secret', 'second');
$e->secrets(secrets => ['second', EntraTest::slurp(
    $t->{vars}{SECRET_FILE}) =~ s/\n//r]);
for (['client id', sub { s/client_id .*/client_id %%WEAK_CLIENT%%;/ }],
     ['tenant', sub { s/tenant_id .*/tenant_id contoso.example;/ }],
     ['secret', sub { s/client_secret_file .*/client_secret_file $second;/ }],
     ['scope', sub { s/scope aml/scope arm/ }],
     ['authority', sub { s/localhost/127.0.0.1/ }])
{
    my ($what, $change) = @$_;
    my $n = asked();
    local $_ = $t->expand($conf);
    $change->();
    $t->reload($_, wait => 1) or fail 'reload';
    ok(wait_until(sub { asked() > $n }), "another $what: another token");
    $t->reload($conf, wait => 1) or fail 'reload back';
    $t->ready;
}
my ($weak) = $e->requests(at => 'token',
                          client_id => $e->info('weak_client_id'));
ok($weak, 'for the other client');

# a worker dies
my $n = asked();
for my $worker ($t->workers) {
    $t->expect(qr/worker process $worker exited on signal 9/);
    $t->signal(KILL => $worker);
    ok(wait_until(sub { my @w = $t->workers;
                        @w == 2 && !grep { $_ == $worker } @w }),
       'a worker is killed and replaced');
    is($t->http(uri => '/score', body => '{}')->status, 200, 'answered');
}
is(asked(), $n, 'the token is kept');

# upgrade of the binary: another master has other memory
$load = $t->load('/score', body => '{}', clients => 4);
SKIP: {
    skip 'not under valgrind', 3 if $ENV{ENTRA_VALGRIND};
    ok($t->upgrade, 'binary upgrade');
    $sum = $load->stop;
    is($sum->{failed}, 0, "under load: 0 of $sum->{total} failed")
        or diag explain $sum->{bad};
    $t->ready;
}
$load->stop;

# a provider that never answers
$t->stop;
$e->fault({ hang => 1 });
$t->start($conf);
ok(wait_until(sub { asked() > $n }), 'a fetch hangs');
cmp_ok($t->slowest('/version', 3), '<', $t->seconds(0.5), 'nobody else waits');
my $r = $t->http(uri => '/score', body => '{}');
is($r->status, 503, 'who needs the token gets 503');
cmp_ok($r->{time}, '<', $t->seconds(4.5), 'within entra_wait');
my $took = $t->stop;
ok(defined $took && $took < $t->seconds(3), 'and nginx stops at once')
    or diag $took;

# before TLS, and a byte a second
for my $fault ({ connection => 'hang' }, { drip => 1 }) {
    $e->clear_faults;
    $e->fault($fault);
    my $name = join ' ', %$fault;
    my $before = $e->counters->{'connections.entra'};
    $t->start("entra_fetch_timeout 3s;\n$conf");
    ok(wait_until(sub { $e->counters->{'connections.entra'} > $before }),
       "$name: a fetch is under way");
    cmp_ok($t->slowest('/version', 2), '<', $t->seconds(0.5),
           "$name: nobody else waits");
    ok(wait_until(sub { my ($c) = @{ $t->status->{credentials} };
                        $c->{failures} }, 10), "$name: it is given up");
    ok(wait_until(sub { $e->counters->{'connections.entra'} > $before + 1 },
                  10), "$name: and tried again");
    $e->clear_faults;
    $t->ready;
    $took = $t->stop;
    ok(defined $took, "$name: nginx stops");
}

# a resolver that swallows questions: getaddrinfo takes eight seconds
SKIP: {
    my $so = $t->dir('slow.so');
    $t->write('slow.c', <<'EOS');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
        struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "blackhole.test") == 0) {
        sleep(8);
        return EAI_AGAIN;
    }
    return real(node, service, hints, res);
}
EOS
    skip 'no compiler', 5 if system("cc -shared -fPIC -o $so "
        . $t->dir('slow.c') . ' -ldl 2>/dev/null') != 0;
    skip 'not with sanitizers', 5 if $ENV{ENTRA_PRELOAD};
    $t->start("entra_fetch_timeout 2s;\n" . $t->expand($conf)
              =~ s{https://localhost}{https://blackhole.test}r,
              main => "env LD_PRELOAD;\n", env => { LD_PRELOAD => $so });
    cmp_ok($t->slowest('/version', 5), '<', $t->seconds(0.5),
           'black-holed DNS: nobody else waits');
    my ($c) = @{ $t->status->{credentials} };
    cmp_ok($c->{failures}, '>=', 1, 'the fetch timed out');
    $r = $t->http(uri => '/score', body => '{}');
    is($r->status, 503, 'a request gets 503');
    my $begin = time;
    ok($t->reload(undef, wait => 1), 'a reload');
    cmp_ok(time - $begin, '<', $t->seconds(4), 'is not held up');
    $took = $t->stop;
    ok(defined $took && $took < $t->seconds(4), 'nor is the end')
        or diag $took;
}

# SIGTERM in the middle of a fetch
$e->fault({ hang => 1 });
$n = asked();
$t->start($conf);
ok(wait_until(sub { asked() > $n }), 'a fetch hangs');
ok(defined $t->stop(signal => 'TERM', within => 3), 'SIGTERM ends it');

$t->finish;
