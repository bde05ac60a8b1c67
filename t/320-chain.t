#!/usr/bin/perl

# chain and default through a real nginx: who is asked, who wins, what the
# status and the log say of the others.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1, workers => 1)->module;
my $e = $t->emulator;
my $d = $t->dir;

my $closed = 'http://127.0.0.1:' . $t->port('PORT2');
my $local = 'http://127.0.0.1:' . $e->port('identity');
my $system = 'f0000000-0000-4000-8000-000000000001';
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my $secret = slurp($t->{vars}{SECRET_FILE}) =~ s/\s//gr;

# no tools of a developer, whatever this machine has; no workload identity
my %env = (PATH => "$d/bin", HOME => $d, AZURE_CONFIG_DIR => "$d/azure",
           AZURE_POD_IDENTITY_AUTHORITY_HOST => $closed);

$t->write('stale.secret', 'stale');

sub conf {
    my ($credentials, $wait) = @_;
    $wait //= '10s';
    return <<"EOC";
entra_trusted_certificate %%CA%%;
entra_fetch_timeout 5s;
$credentials
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait $wait;
    location / { entra_auth c; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
}
EOC
}

my $common = "scope aml; upstreams 127.0.0.1; policies none;";
my $members = <<"EOC";
entra_credential mi managed_identity { $common preload off; }
entra_credential good client_secret {
    %%CREDENTIAL%%
    $common preload off;
}
entra_credential stale client_secret {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;
    client_id %%CERT_CLIENT%%;
    client_secret_file %%DIR%%/stale.secret;
    $common preload off;
}
EOC

sub chain { return "entra_credential c chain { use @_; $common }\n$members" }
sub default { return "entra_credential c default { @_ $common }\n" }

sub whose {
    my ($r) = @_;
    my $claims = claims($r);
    return $claims->{appid} // $claims->{azp};
}


# unavailable goes on

$t->start(conf(chain('mi good')), env => \%env);
my $r = $t->get('/');
is($r->status, 200, 'the second one has a token') or diag $t->log;
is(whose($r), $client, 'its own');
my $note = $t->credential('c')->{note};
like($note, qr/^"good" \(client_secret\) is used/, 'the status tells who won');
like($note, qr/not: "mi" \(managed_identity\): /, 'and why not the other');

# the winner stays: IMDS is there now, and nobody asks it

$e->forget;
$e->fault({ at => 'token', preset => 'unavailable', times => 1 });
$e->revoke;
$t->get('/?status=401');
ok(wait_until(sub { $e->count(at => 'token') >= 2 }, 10),
   'a failing winner is asked again');
is($e->count(at => 'identity'), 0, 'nobody else is');
$t->stop;


# refused stops

$t->start(conf(chain('stale good'), '300ms'), env => \%env);
is($t->get('/')->status, 503, 'refused: no token');
my $c = $t->credential('c');
like($c->{last_error}{aadsts}, qr/7000215/, 'the refusal is in the status')
    or diag explain $c;
like($c->{note}, qr/^"stale" \(client_secret\): /, 'of whom');
is($e->count(at => 'token', client_id => $client), 2,
   'the one behind it was not asked again');
$t->stop;


# nobody

$e->forget;
$t->start(conf(chain('mi'), '300ms'), env => \%env);
is($t->get('/')->status, 503, 'nobody is there');
ok($t->wait_log(qr/1 credentials is available: "mi" \(managed_identity\): /),
   'each reason is in the log');
$t->stop;


# configuration

for (['c', qr/names the chain itself/], ['nobody', qr/no entra_credential/]) {
    my ($use, $want) = @$_;
    $t->refuses("use $use", conf(chain($use)), $want, env => \%env);
}

$t->refuses('a circle', conf(chain('b')
    . "entra_credential b chain { use c; $common }\n"),
    qr/chains that use each other/, env => \%env);


# default: the environment first

my %sp = (%env, AZURE_TENANT_ID => $tenant, AZURE_CLIENT_ID => $client,
          AZURE_CLIENT_SECRET => $secret,
          AZURE_AUTHORITY_HOST => $t->{vars}{AUTHORITY});

$t->start(conf(default()), env => \%sp);
$r = $t->get('/');
is($r->status, 200, 'default: the environment') or diag $t->log;
is(whose($r), $client, 'its application');
is($t->credential('c')->{note}, 'EnvironmentCredential is used',
   'and the status');
$t->stop;

$t->start(conf(default(), '300ms'),
          env => { %sp, AZURE_CLIENT_SECRET => 'wrong',
                   AZURE_POD_IDENTITY_AUTHORITY_HOST => $local });
$e->forget;
is($t->get('/')->status, 503, 'a wrong secret stops the walk');
is($e->count(at => 'identity'), 0, 'the machine is not asked');
$t->stop;

# then workload identity

my %pod = (%env, AZURE_TENANT_ID => $tenant,
           AZURE_CLIENT_ID => $t->{vars}{FEDERATED_CLIENT},
           AZURE_FEDERATED_TOKEN_FILE => $t->{vars}{FEDERATED_FILE},
           AZURE_AUTHORITY_HOST => $t->{vars}{AUTHORITY} . '/');

$t->start(conf(default()), env => \%pod);
$r = $t->get('/');
is($r->status, 200, 'default: a pod') or diag $t->log;
is(whose($r), $pod{AZURE_CLIENT_ID}, 'its application');
like($t->credential('c')->{note},
     qr/^WorkloadIdentityCredential is used; not: EnvironmentCredential: /,
     'and the status');
$t->stop;

# then the machine

$t->start(conf(default()),
          env => { %env, AZURE_POD_IDENTITY_AUTHORITY_HOST => $local });
$r = $t->get('/');
is($r->status, 200, 'default: a machine') or diag $t->log;
is(whose($r), $system, 'its identity');
like($t->credential('c')->{note},
     qr/^ManagedIdentityCredential is used; not: /,
     'and the status');
$t->stop;

# AZURE_TOKEN_CREDENTIALS

$t->start(conf(default()),
          env => { %sp, AZURE_POD_IDENTITY_AUTHORITY_HOST => $local,
                   AZURE_CLIENT_ID => '',
                   AZURE_TOKEN_CREDENTIALS => ' managedIdentityCredential ' });
is(whose($t->get('/')), $system, 'one class, by its name');
is($t->credential('c')->{note}, 'ManagedIdentityCredential is used',
   'and the status');
$t->stop;

$t->refuses('AZURE_TOKEN_CREDENTIALS=all', conf(default()),
            qr/is "all"; it can be dev, prod, EnvironmentCredential/,
            env => { %env, AZURE_TOKEN_CREDENTIALS => 'all' });

# nobody at all

$t->start(conf(default(), '300ms'), env => \%env);
is($t->get('/')->status, 503, 'default: nobody');
ok($t->wait_log(qr/none of 6 credentials is available/), 'is in the log');
my ($line) = $t->log =~ /^(.*none of 6 credentials.*)$/m;
like($line, qr/$_: /, "with the reason of $_") for qw(EnvironmentCredential
    WorkloadIdentityCredential ManagedIdentityCredential AzureCliCredential
    AzurePowerShellCredential AzureDeveloperCliCredential);
diag($line) if $ENV{TEST_VERBOSE};
$t->stop;

unlike($t->log, qr/eyJ|\Q$secret/, 'no token or secret in the log');

$t->finish;
