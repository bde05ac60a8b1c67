#!/usr/bin/perl

# A log in the directory of a secret: its lines are no changes of files, and a
# log at debug level does not feed itself.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(sleep);

my $t = EntraTest->new(warnings => 1, level => 'debug')->module;
my $e = $t->emulator;
$t->write('a.secret', slurp($t->{vars}{SECRET_FILE}));

$t->start(<<'EOC');
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%; client_id %%CLIENT%%;
    client_secret_file %%DIR%%/a.secret;
    scope aml; upstreams 127.0.0.1; policies none;
}
server { listen 127.0.0.1:%%PORT%%;
         location / { entra_status ready; } }
EOC
ok(wait_until(sub { $t->get('/')->status == 200 }), 'ready');

# files are looked at in this time, too
my $size = -s $t->dir('error.log');
sleep 3;
my $grown = -s $t->dir('error.log');
$grown -= $size;
cmp_ok($grown, '<', 500_000, "at rest the log grew by $grown bytes in 3 s");

$t->finish;
