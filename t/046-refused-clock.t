#!/usr/bin/perl

# An upstream that answers 401 whatever the token is (Azure ML without the
# role to score): fetches for that reason get rarer.  The workers' clocks run
# twenty times as fast (libfaketime).

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new(workers => 1)->module;
my $fast = 20;
my %fake = $t->faketime(FAKETIME => "+0 x$fast")
    or plan(skip_all => 'libfaketime is not installed, or does not mix');
my $e = $t->emulator;
$e->settings(expires_in => 86400);
$e->grant;

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

ok(wait_until(sub { score() == 401 }), 'refused for want of a role');
my $begin = $t->status->{time};
my $first = asked();
my $until = time + 32;
my %got;
while (time < $until) {
    $got{ score() }++;
    sleep 0.05;
}
my $seconds = $t->status->{time} - $begin;
cmp_ok($seconds, '>', 400, "for $seconds s of the workers");
is_deeply([keys %got], [401], 'all the time') or diag explain \%got;
cmp_ok(asked() - $first, '>=', 2, 'it could be the token: another is tried');
cmp_ok(asked() - $first, '<=', 6, 'after 30 s, 60 s, 120 s and so on');

# the role is there: nothing has to be waited for
$e->grant('AzureML Data Scientist');
is(score(), 200, 'with the role');

$t->finish;
