#!/usr/bin/perl

# What an outage of the provider writes into the log: a line when it begins,
# one when requests begin to fail, one when it ends, at nginx's default level.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(level => 'notice')->module;
my $e = $t->emulator;
$e->settings(expires_in => 8);

$t->start(<<'EOC');
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%% scope aml; upstreams 127.0.0.1; policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    entra_wait 10ms;
    location / { proxy_pass https://echo.test; }
    location = /entra/ready { entra_auth off; entra_status ready; }
    location = /entra/status { entra_auth off; entra_status; }
}
EOC
$t->ready(20);

sub lines { return grep { /credential "app"/ } split /\n/, $t->log }

is(join("\n", lines()) =~ s/^.*\[notice\].*: got a token for \d+ s, .*$/told/r,
   'told', 'a good start is one line');

$e->fault({ at => 'token', status => 503, json => {} });
my $refused = 0;
ok(wait_until(sub { $t->get('/')->status == 503 && ++$refused > 20 }, 60),
   'the token ends, and requests are refused');
ok(wait_until(sub {
    my ($c) = @{ $t->status->{credentials} };
    return $c->{failures} >= 5;
}, 60), 'further attempts fail');
$e->clear_faults;
ok(wait_until(sub { $t->get('/')->status == 200 }, 60), 'the provider is back');
ok($t->wait_log(qr/the failure is over/), 'it is over');

my (undef, @lines) = lines();
note($_) for @lines;
like($lines[0], qr/\[warn\].*transient error.*still valid/,
     'it begins with a warning');
is(scalar(grep { /\[warn\]/ } @lines), 1, 'one');
my @failed = grep { /\[error\].*transient error.*no valid token/ } @lines;
is(scalar @failed, 1, 'one error when there is no token');
my @said = grep { /the request is refused/ } @lines;
cmp_ok(scalar @said, '<=', 2, 'a line of refusals for each worker at most');
my ($over) = grep { /\[notice\].*the failure is over/ } @lines;
like($over, qr/over after \d+ s and \d+ attempts, \d+ requests were refused/,
     'how long it was');
my ($n) = $over =~ /(\d+) requests/;
cmp_ok($n, '>=', $refused, 'and how many requests were refused');
is(scalar(@lines), 3 + @said, 'and nothing else');

$t->finish;
