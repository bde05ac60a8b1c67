#!/usr/bin/perl

# azure_cli with the real Azure CLI.  It signs in at an emulator that it takes
# for login.microsoftonline.com: a proxy, which the environment names, leads
# it there.

use FindBin;
use lib "$FindBin::Bin/../lib";
use EntraTest;
use EntraTest::Proxy;

my $az = '/usr/bin/az';
BAIL_OUT("no $az: make interop installs it") unless -x $az;

my $t = EntraTest->new->module;
my $e = $t->emulator;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my $secret = slurp($t->{vars}{SECRET_FILE}) =~ s/\s//gr;
my $subscription = '99999999-9999-4999-8999-999999999999';
my $public = '04b07795-8ddb-461a-bbee-02f9e1bf7b46';      # of the CLI itself

$e->app(client_id => $public, public => \1,
        redirect_uris => ['http://localhost']);
$e->settings(device => 'auto');

my $proxy = EntraTest::Proxy->new(
    port => $t->port('PORT2'), log => $t->dir('proxy.log'),
    hosts => { 'login.microsoftonline.com:443' => $e->port('entra'),
               'management.azure.com:443' => $e->port('upstream') });

my %env = (PATH => '/usr/bin:/bin', HOME => $t->dir, LANG => 'C.UTF-8',
           HTTPS_PROXY => 'http://127.0.0.1:' . $t->port('PORT2'),
           NO_PROXY => 'localhost,127.0.0.1',
           REQUESTS_CA_BUNDLE => $t->{vars}{CA},
           AZURE_CORE_COLLECT_TELEMETRY => 'false');

# directories of a session each, which the workers own as an operator's are
my @sessions = qw(nobody principal person hasty);
my ($uid, $gid) = $> == 0 ? (getpwnam 'www-data')[2, 3] : ($>, $));

sub own {
    for my $name (@sessions) {
        mkdir $t->dir($name);
        chmod 0700, $t->dir($name);
        next if $> != 0;
        system 'chown', '-R', "$uid", $t->dir($name);
    }
}

# az as an operator runs it: (exit code, output)
sub az {
    my ($session, @args) = @_;

    my $pid = open my $out, '-|';
    die "fork: $!" unless defined $pid;
    if ($pid == 0) {
        %ENV = (%env, AZURE_CONFIG_DIR => $t->dir($session));
        open STDERR, '>&', \*STDOUT;
        exec $az, @args or die "$az: $!";
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($?, $text);
}

# conformance.md says with which this was tried
my ($has) = (az('nobody', 'version'))[1] =~ /"azure-cli": "([\d.]+)"/;
my ($tried) = slurp("$t->{root}/docs/developers/conformance.md")
    =~ /Azure CLI of Debian, ([\d.]+)/;
sub number { return eval "v$_[0]" }
ok(number($has // 0) ge number($tried // 9), 'Azure CLI ' . ($has // 'none')
   . ', tried with ' . ($tried // 'none'));

sub given {
    my ($name, $session, $lines) = @_;
    return <<"EOC";
entra_credential $name azure_cli {
    config_dir %%DIR%%/$session; process_timeout 60s; $lines
    scope aml; upstreams 127.0.0.1; policies none; preload off;
}
EOC
}

own();

my %credentials = (
    nobody => given('nobody', 'nobody', ''),
    principal => given('principal', 'principal', ''),
    named => given('named', 'principal', 'subscription Emulated;'),
    unknown => given('unknown', 'principal', 'subscription "Another one";'),
    tenant => given('tenant', 'principal', "tenant_id $tenant;"),
    person => given('person', 'person', ''),
    impatient => given('impatient', 'hasty', 'process_timeout 100ms;')
        =~ s/process_timeout 60s; //r,
);
my $all = join '', map { $credentials{$_} } sort keys %credentials;
my $locations = join '', map { "location = /$_ { entra_auth $_;"
    . " proxy_pass https://echo.test; }\n" } sort keys %credentials;

sub conf { return <<"EOC" }
entra_trusted_certificate %%CA%%;
$all
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 60s;
    $locations
    location = /entra/status { entra_status; }
}
EOC

# a first failure is enough: whoever waits for a second one would wait long
sub fails {
    my ($name, $why) = @_;
    my $before = $t->credential($name)->{failures} // 0;
    my $r = $t->get("/$name", timeout => 0.5);
    ok(wait_until(sub { $t->credential($name)->{failures} > $before }, 90),
       "$name: no token");
    like($t->credential($name)->{last_error}{text}, $why, "$name: why");
}


# an operator signs in: as a service principal, and as a person

my ($rc, $said) = az('principal', qw(login --service-principal
    --allow-no-subscriptions -u), $client, '-p', $secret, '--tenant', $tenant);
is($rc, 0, 'az login --service-principal') or diag $said;
like($said, qr/"name": "Emulated"/, 'has a subscription');
($rc, $said) = az('person', qw(login --use-device-code
    --allow-no-subscriptions --tenant), $tenant);
is($rc, 0, 'az login --use-device-code') or diag $said;
own();

$t->start(conf(), env => {
    %env, TZ => 'America/New_York',
    # whatever is set where the test runs
    map { $_ => '' } qw(AZURE_CONFIG_DIR https_proxy no_proxy SSL_CERT_FILE
                        SSL_CERT_DIR) });


# whose token, and for how long

for my $name (qw(principal named tenant)) {
    my $r = $t->get("/$name", timeout => $t->seconds(90));
    is($r->status, 200, "$name: a token") or diag $t->log;
    my $claims = claims($r);
    is($claims->{appid} // $claims->{azp}, $client, "$name: of whom");
    like($claims->{aud}, qr{^https://ml\.azure\.com}, "$name: for what");
    my $left = $t->credential($name)->{expires_in};
    cmp_ok($left, '>', 3000, "$name: an hour, wherever nginx stands");
    cmp_ok($left, '<=', 3600, "$name: and not more");
}
my $r = $t->get('/person', timeout => $t->seconds(90));
is($r->status, 200, 'person: a token') or diag $t->log;
like(claims($r)->{scp} // '', qr/\w/, 'person: a delegated one');
ok((grep { $_ eq 'login.microsoftonline.com:443' } $proxy->asked),
   'az knew whom to ask');


# nobody, no such subscription, too slow

fails('nobody', qr/^nobody has signed in to the Azure CLI$/);
ok($t->wait_log(qr/"nobody".*run "az login" as the user of nginx's workers/),
   'what to do is in the log');
fails('unknown', qr/subscription.*Another one/i);
fails('impatient', qr/^the Azure CLI did not finish within 100 ms$/);
ok(wait_until(sub { !processes() }, 20), 'nothing of it is left');

# pythons that run az for a worker
sub processes {
    my $n = 0;
    for my $worker ($t->workers) { $n += () = EntraTest::children($worker) }
    return $n;
}


# a session that has ended, a secret that has been replaced

$e->control(POST => 'refresh_tokens/revoke', {});
$e->secrets(client_id => $client, secrets => ['another']);

# az has its own cache; another resource is not in it
my $arm = $all =~ s/scope aml;/scope storage;/gr;
$t->reload(conf() =~ s/\Q$all\E/$arm/r);

fails('person', qr/AADSTS\d+/);
is($t->credential('person')->{last_error}{class} // 'denied', 'denied',
   'person: a refusal');
like($t->credential('person')->{last_error}{aadsts}, qr/^AADSTS\d+$/,
     'person: its number');
fails('principal', qr/AADSTS7000215/);
is($t->credential('principal')->{last_error}{aadsts}, 'AADSTS7000215',
   'principal: its number');

# and signs in again
($rc, $said) = az('principal', qw(login --service-principal
    --allow-no-subscriptions -u), $client, qw(-p another --tenant), $tenant);
is($rc, 0, 'signed in again') or diag $said;
own();
ok(wait_until(sub {
    $t->get('/principal', timeout => $t->seconds(60))->status == 200;
}, 90), 'and the gateway goes on');

unlike($t->log, qr/eyJ|\Q$secret/, 'no token or secret in the log');
unlike($t->get('/entra/status')->body, qr/eyJ|\Q$secret/, 'or the status');

$t->finish;
