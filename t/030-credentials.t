#!/usr/bin/perl

# Each service-principal credential against the emulator: what Entra was
# asked, and whose token the upstream received.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use MIME::Base64 'decode_base64url';

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $d = $t->dir;
my ($tenant, $secret_file, $pem)
    = @{ $t->{vars} }{qw(TENANT SECRET_FILE CERT_FILE)};
my $secret = slurp($secret_file) =~ s/\n//r;

sub openssl {
    system("openssl $_ >>$d/openssl.log 2>&1") == 0 or die "openssl $_"
        for @_;
}

openssl("pkcs12 -export -inkey $pem -in $pem -out $d/client.p12"
        . ' -passout pass:pw');
chmod 0644, "$d/client.p12";
$t->write('password', "pw\n");

# an application for each, as credentials of one application share a token
my %id;
sub app {
    my ($name, %more) = @_;
    $id{$name} = sprintf '%08x-0000-4000-8000-000000000000', 1 + keys %id;
    $e->app(client_id => $id{$name}, secrets => [{ value => $secret }],
            certificates => ['client.pem'], actions => ['*/score/action'],
            %more);
    return $id{$name};
}

$t->write('sp.json', JSON::PP::encode_json({
    appId => app('sp'), displayName => 'x', password => $secret,
    tenant => $tenant }));
$t->write('sp-json-auth.json', JSON::PP::encode_json({
    clientId => app('sp-auth'), clientSecret => $secret, tenantId => $tenant,
    activeDirectoryEndpointUrl => $e->info('authority_host'),
    resourceManagerEndpointUrl => 'https://management.azure.com/' }));
$t->write('sp-cert.json', JSON::PP::encode_json({
    appId => app('sp-cert'), password => undef, tenant => $tenant,
    fileWithCertAndPrivateKey => $pem }));
$t->write('dotenv', <<"EOD");
# as python-dotenv reads it
AZURE_AUTHORITY_HOST=$t->{vars}{AUTHORITY}
export AZURE_TENANT_ID='$tenant'
AZURE_CLIENT_ID="@{[app('dotenv')]}"
AZURE_CLIENT_SECRET='$secret' # the value
EOD
$t->write('dotenv-cert', <<"EOD");
AZURE_TENANT_ID=$tenant
AZURE_CLIENT_ID=@{[app('dotenv-cert')]}
AZURE_CLIENT_CERTIFICATE_PATH=$pem
EOD

my @names;
my ($credentials, $locations) = ('', '');
sub credential {
    my ($name, $type, $lines) = @_;
    push @names, $name;
    $credentials .= "entra_credential $name $type {\n"
        . ($lines =~ /authority_host/ ? '' : "authority_host %%AUTHORITY%%;\n")
        . ($lines =~ /scope/ ? '' : "scope aml;\n")
        . "$lines upstreams 127.0.0.1;\n policies none;\n}\n";
    $locations .= "location /$name { entra_auth $name;"
        . " proxy_pass https://echo.test; }\n";
}


my $file = "client_secret_file $secret_file;";
sub ids { return "tenant_id $tenant; client_id " . app(@_) . ';' }
credential(secret => 'client_secret', ids('secret') . $file);
credential(env => 'client_secret',
           ids('env') . ' client_secret_env GATEWAY_SECRET;');
credential(sp => 'client_secret', "service_principal_file $d/sp.json;");
credential('sp-auth' => 'client_secret',
           "authority_host %%AUTHORITY%%; "
           . "service_principal_file $d/sp-json-auth.json;");
credential(dotenv => 'environment', "dotenv $d/dotenv;");
credential(cert => 'client_certificate',
           ids('cert') . " client_certificate $pem;");
credential(p12 => 'client_certificate', ids('p12')
           . " client_certificate $d/client.p12;"
           . " client_certificate_password_file $d/password;");
credential(chain => 'client_certificate', ids('chain')
           . " client_certificate $pem; send_certificate_chain on;");
credential('sp-cert' => 'client_certificate',
           "service_principal_file $d/sp-cert.json;");
credential('dotenv-cert' => 'environment', "dotenv $d/dotenv-cert;");
credential(federated => 'workload_identity',
           "tenant_id $tenant; client_id %%FEDERATED_CLIENT%%;"
           . ' federated_token_file %%FEDERATED_FILE%%;');
$id{federated} = $e->info('federated_client_id');
credential(domain => 'client_secret', 'tenant_id contoso.example;'
           . ' client_id ' . app('domain') . ";$file");
credential(arm => 'client_secret', ids('arm') . "scope arm; $file");
credential(slash => 'client_secret', ids('slash')
           . "scope https://management.azure.com//.default; $file");
# one of two secrets is right, whichever it is
$t->write('stale.secret', 'stale');
credential(two => 'client_secret', ids('two')
           . "client_secret_file $d/stale.secret $secret_file;");

$t->start(<<"EOC", env => { GATEWAY_SECRET => $secret });
entra_trusted_certificate %%CA%%;
$credentials
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    $locations
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

$t->ready(20, 'every credential gets its token without being asked');

my %aud = (arm => 'https://management.azure.com',
           slash => 'https://management.azure.com/');
for my $name (@names) {
    my $r = $t->get("/$name", headers => [Authorization => 'Basic evil']);
    is($r->status, 200, "$name: an answer");
    my @auth = $r->seen('authorization');
    is(scalar @auth, 1, "$name: one Authorization");
    my $claims = claims($auth[0]);
    is($claims->{appid}, $id{$name}, "$name: its own token");
    is($claims->{aud}, $aud{$name} || 'https://ml.azure.com',
       "$name: for its scope");
}

# what Entra was asked

my @asked = $e->requests(at => 'token');
my @refused = grep { $_->{status} != 200 } @asked;
is_deeply([map { $_->{form}{client_secret} } @refused], ['stale'],
          'nothing was refused but the stale secret');
my %seen;
for my $r (@asked) {
    my %h = map { lc $_->[0] => $_->[1] } @{ $r->{headers} };
    my $f = $r->{form};
    $seen{method}{ $r->{method} }++;
    $seen{type}{ $h{'content-type'} =~ s/;.*//r }++;
    $seen{grant}{ $f->{grant_type} }++;
    $seen{id}{ $h{'client-request-id'} // '' }++;
    $seen{path}{ $r->{path} }++;
    $seen{auth}++ if exists $h{authorization};
    $seen{fields}{ join ' ', sort keys %$f }++;
}
is_deeply([keys %{ $seen{method} }], ['POST'], 'POST');
is_deeply([keys %{ $seen{type} }], ['application/x-www-form-urlencoded'],
          'a form');
is_deeply([keys %{ $seen{grant} }], ['client_credentials'], 'grant type');
is_deeply([sort keys %{ $seen{path} }],
          ["/$tenant/oauth2/v2.0/token",
           '/contoso.example/oauth2/v2.0/token'], 'paths');
ok(!$seen{auth}, 'no Authorization header');
is_deeply([sort keys %{ $seen{fields} }],
          ['client_assertion client_assertion_type client_id grant_type scope',
           'client_id client_secret grant_type scope'], 'fields, no others')
    or diag explain $seen{fields};
my @ids = keys %{ $seen{id} };
is(scalar(grep { /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/ } @ids),
   scalar @asked, 'each has a client-request-id of its own');

my @assertions = map { $_->{form}{client_assertion} // () } @asked;
my (%jti, $x5c);
for my $jwt (@assertions) {
    my ($h, $c) = map { JSON::PP::decode_json(decode_base64url($_)) }
        (split /\./, $jwt)[0, 1];
    next if $c->{iss} eq 'https://oidc.example/cluster/';
    is($h->{alg}, 'PS256', 'assertion: alg');
    is($h->{typ}, 'JWT', 'assertion: typ');
    like($h->{'x5t#S256'}, qr/^[A-Za-z0-9_-]{43}$/, 'assertion: thumbprint');
    is($c->{iss}, $c->{sub}, 'assertion: iss and sub');
    is($c->{aud}, $e->info('authority_host') . "/$tenant/oauth2/v2.0/token",
       'assertion: aud');
    cmp_ok($c->{exp} - $c->{nbf}, '<=', 900, 'assertion: short-lived');
    $jti{ $c->{jti} }++;
    $x5c++ if $h->{x5c};
    like($h->{x5c}[0], qr{^[A-Za-z0-9+/]+=*$}, 'x5c is base64 of DER')
        if $h->{x5c};
}
is(scalar(grep { $_ > 1 } values %jti), 0, 'jti is used once');
is($x5c, 1, 'the chain is sent where asked');
ok((grep { $_ eq slurp($t->{vars}{FEDERATED_FILE}) } @assertions),
   'the federated token as it is in its file');


# a secret changes, without a reload

my $since = ($e->requests(last => 1))[0]{n};
$e->secrets(client_id => $id{$_}, secrets => [$secret, 'new+secret&=%~'])
    for qw(secret domain arm slash two);
$t->write($secret_file, "new+secret&=%~\n");
ok(wait_until(sub { grep { ($_->{form}{client_secret} // '')
                           eq 'new+secret&=%~' }
                    $e->requests(at => 'token', since => $since) }, 30),
   'a changed secret is used by itself');
ok(!(grep { $_->{status} != 200 && $_->{form}{client_secret} ne 'stale' }
     $e->requests(at => 'token', since => $since)), 'and is right');
is($t->get('/secret')->status, 200, 'requests go on');

# a certificate does

my ($key2, $cert2) = ("$d/new.key", "$d/new.crt");
openssl("req -x509 -newkey rsa:2048 -nodes -keyout $key2 -out $cert2"
        . ' -days 30 -subj /CN=new');
my $new = slurp($key2) . slurp($cert2);
$e->app(client_id => $_, certificates => ['client.pem', $new])
    for grep { $_ ne $id{federated} } values %id;
$since = ($e->requests(last => 1))[0]{n};
$t->write($pem, $new);
ok(wait_until(sub { grep { $_->{client_id} eq $id{cert} }
                    $e->requests(at => 'token', since => $since) }, 30),
   'a changed certificate is used by itself');
is($t->get('/cert')->status, 200, 'requests go on');
ok(wait_until(sub { !grep { !defined $_->{status} }
                    $e->requests(at => 'token', since => $since) }, 5)
   && !(grep { $_->{status} != 200 }
        $e->requests(at => 'token', since => $since)), 'and is right');

unlike($t->log, qr/\Q$secret/, 'no secret in the log');
$t->finish;
