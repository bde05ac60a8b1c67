#!/usr/bin/perl

# The clock steps under a running nginx (libfaketime): tokens neither live
# longer than Entra said, nor die of it.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new->module;
my %fake = $t->faketime
    or plan(skip_all => 'libfaketime is not installed, or does not mix');
my $e = $t->emulator;
$e->settings(expires_in => 8);

$t->clock('+0');

$t->start(<<'EOC', %fake);
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
    location / {
        entra_auth app;
        include %%PROXY%%;
        proxy_pass https://fraud.westeurope.inference.ml.azure.com;
    }
    location = /entra/status { entra_status; }
}
EOC

sub score { $t->http(uri => '/score', body => '{}')->status }
sub asked { $e->count(at => 'token') }

ok(wait_until(sub { score() == 200 }), 'a token');
is($t->status->{time} > time - 60, 1, 'the clock of the workers is ours');

for my $step ('+2h', '-2h', '+1y') {
    my $n = asked();
    $t->clock($step);
    my $faked = wait_until(sub { abs($t->status->{time} - time) > 3600 }, 5);
    ok($faked, "the clock steps to $step");
    my $until = time + 10;
    my %got;
    while (time < $until) {
        $got{ score() }++;
        sleep 0.1;
    }
    is_deeply([keys %got], [200], "$step: all requests are answered")
        or diag explain \%got;
    cmp_ok(asked() - $n, '>=', 1, "$step: the token is refreshed in time");
    cmp_ok(asked() - $n, '<=', 6, "$step: and not all the time");
    $t->clock('+0');
    wait_until(sub { abs($t->status->{time} - time) < 60 }, 5);
}

$t->finish;
