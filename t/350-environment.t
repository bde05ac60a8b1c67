#!/usr/bin/perl

# environment through a real nginx: from nginx's own variables, from a .env
# file, and from one that changes.  default is in t/320-chain.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use MIME::Base64 'decode_base64url';

my $t = EntraTest->new->module;
my $e = $t->emulator;
my ($tenant, $client, $authority) = @{ $t->{vars} }{qw(TENANT CLIENT
                                                         AUTHORITY)};
my $secret = slurp($t->{vars}{SECRET_FILE}) =~ s/\s//gr;

sub conf {
    my ($lines) = @_;
    return <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential env environment {
    $lines
    scope aml; upstreams 127.0.0.1; policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 8s;
    location / { entra_auth env; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC
}

sub whose {
    my $claims = claims($t->get('/'));
    return $claims->{appid} // $claims->{azp};
}

# whatever is set where the test runs
my %none = map { $_ => '' } qw(AZURE_TENANT_ID AZURE_CLIENT_ID
    AZURE_CLIENT_SECRET AZURE_CLIENT_CERTIFICATE_PATH AZURE_AUTHORITY_HOST
    AZURE_CLIENT_CERTIFICATE_PASSWORD AZURE_CLIENT_SEND_CERTIFICATE_CHAIN);

# a secret, before a certificate
$t->start(conf(''), env => { %none, AZURE_TENANT_ID => $tenant,
    AZURE_CLIENT_ID => $client, AZURE_CLIENT_SECRET => $secret,
    AZURE_CLIENT_CERTIFICATE_PATH => '/nonexistent',
    AZURE_AUTHORITY_HOST => "$authority/" });
is(whose(), $client, 'a secret of the environment') or diag $t->log;
is($t->get('/entra/ready')->status, 200, 'ready');
$t->stop;

# a certificate, with its chain
$e->forget;
$t->start(conf(''), env => { %none, AZURE_TENANT_ID => $tenant,
    AZURE_CLIENT_ID => $t->{vars}{CERT_CLIENT},
    AZURE_CLIENT_CERTIFICATE_PATH => $t->{vars}{CERT_FILE},
    AZURE_CLIENT_SEND_CERTIFICATE_CHAIN => 'TRUE',
    AZURE_AUTHORITY_HOST => $authority });
is(whose(), $t->{vars}{CERT_CLIENT}, 'a certificate of the environment');
my ($sent) = $e->requests(at => 'token', last => 1);
my $header = JSON::PP::decode_json(decode_base64url(
    (split /\./, $sent->{form}{client_assertion})[0]));
ok($header->{x5c}, 'with its chain');
$t->stop;

# nothing, and a part of it
for (['AZURE_TENANT_ID', {}],
     ['AZURE_CLIENT_ID', { AZURE_TENANT_ID => $tenant }],
     ['AZURE_CLIENT_SECRET', { AZURE_TENANT_ID => $tenant,
                               AZURE_CLIENT_ID => $client }]) {
    my ($what, $env) = @$_;
    $t->refuses("without $what", conf(''), qr/\b$what\b/,
                env => { %none, %$env });
}

# a file in the syntax of python-dotenv, instead of all that
my $dotenv = <<"END";
# of this gateway
export AZURE_TENANT_ID=$tenant
AZURE_CLIENT_ID = "$client"   # comment
HOST=$authority
AZURE_AUTHORITY_HOST="\${HOST}/"
AZURE_CLIENT_SECRET='$secret'
END
# as python-dotenv does: what is odd is skipped, and told without its content
$t->write('odd.env', "set -a\nMy notes: hunter2 is old\nMY KEY=hunter2\n$dotenv");
my ($odd_ok, $odd) = $t->check(conf('dotenv ' . $t->dir('odd.env') . ';'));
ok($odd_ok, 'odd lines do not refuse a .env file') or diag $odd;
like($odd, qr/\[warn\].*odd\.env": line 1 is skipped: no "=" after the name; line 2/,
     'they are told');
unlike($odd, qr/hunter2/, 'without their content');

$t->write('gateway.env', $dotenv);
$t->start(conf('dotenv %%DIR%%/gateway.env;'),
          env => { %none, AZURE_CLIENT_SECRET => 'of-the-environment',
                   AZURE_CLIENT_ID => 'another' });
is(whose(), $client, 'a .env file') or diag $t->log;

# its secret changes, at Entra and in the file
$e->secrets(client_id => $client, secrets => ['the-next-one']);
$e->forget;
$t->write('gateway.env', $dotenv =~ s/'\Q$secret\E'/the-next-one/r);
ok(wait_until(sub {
    grep { ($_->{form}{client_secret} // '') eq 'the-next-one'
           && $_->{status} == 200 } $e->requests(at => 'token');
}, 15), 'is used without a reload');
is(whose(), $client, 'and its token');

unlike($t->log, qr/eyJ|\Q$secret\E|the-next-one/, 'no secret in the log');

$t->finish;
