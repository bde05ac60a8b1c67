#!/usr/bin/perl

# What nginx -t refuses: with the file, the line, and what to write instead;
# and what it must not refuse.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->module;

# no emulator is needed to read a configuration
my $tenant = '11111111-1111-4111-8111-111111111111';
my $client = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
my $secret = $t->write('good.secret', "s3cr3t~value\n");
my $second = $t->write('second.secret', 'other');
my $empty = $t->write('empty.secret', '');
my $blank = $t->write('blank.secret', "\n");
$t->write('entra_proxy.conf',
          EntraTest::slurp("$t->{root}/conf/entra_proxy.conf"));

sub openssl {
    my $log = $t->dir('openssl.log');
    system("openssl $_ >>$log 2>&1") == 0 or die "openssl $_" for @_;
}

my $d = $t->dir;
openssl("req -x509 -newkey rsa:2048 -nodes -keyout $d/a.key -out $d/a.crt"
        . ' -days 30 -subj /CN=a',
        "req -x509 -newkey rsa:2048 -nodes -keyout $d/b.key -out $d/b.crt"
        . ' -days 30 -subj /CN=b',
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        . " -keyout $d/ec.key -out $d/ec.crt -days 30 -subj /CN=ec",
        "x509 -in $d/a.crt -signkey $d/a.key -days -1 -out $d/old.crt",
        "pkcs12 -export -inkey $d/a.key -in $d/a.crt -out $d/a.p12"
        . ' -passout pass:pw',
        "rsa -in $d/a.key -aes128 -passout pass:pw -out $d/enc.key");
EntraTest::ours_only("$d/a.p12");
my %text = map { $_ => EntraTest::slurp("$d/$_") }
    qw(a.key a.crt b.crt ec.key ec.crt old.crt enc.key);
$t->write('entra_grpc.conf',
          EntraTest::slurp("$t->{root}/conf/entra_grpc.conf"));
$t->write('a.pem', $text{'a.key'} . $text{'a.crt'});
$t->write('mixed.pem', $text{'a.key'} . $text{'b.crt'});
$t->write('ec.pem', $text{'ec.key'} . $text{'ec.crt'});
$t->write('old.pem', $text{'a.key'} . $text{'old.crt'});
$t->write('nokey.pem', $text{'a.crt'});
$t->write('nocert.pem', $text{'a.key'});
$t->write('enc.pem', $text{'enc.key'} . $text{'a.crt'});
$t->write('password', "pw\n");
$t->write('wrong.password', "no\n");
$t->write('garbage.pem', "-----BEGIN CERTIFICATE-----\nxx\n");

my $base = <<"EOC";
    tenant_id $tenant;
    client_id $client;
    client_secret_file $secret;
    scope aml;
    policies none;
EOC

# a credential block of lines
sub credential {
    my ($lines, $type, $name) = @_;
    $type //= 'client_secret';
    $name //= 'app';
    return "entra_credential $name $type {\n$lines}\n";
}

# the same with one line of $base changed or (undef) left out
sub with {
    my (%change) = @_;

    my @lines;
    for my $line (split /\n/, $base) {
        my ($word) = $line =~ /^\s*(\w+)/;
        $line = $change{$word} if exists $change{$word};
        push @lines, $line if defined $line;
    }
    push @lines, @{ $change{add} || [] };
    return credential(join('', map { "$_\n" } @lines));
}

sub passes {
    my ($name, $conf, %o) = @_;

    my ($ok, $out) = $t->check($conf, env => $o{env} || {});
    ok($ok, "$name: passes") or diag $out;

    # most blocks here stand alone
    $out =~ s/^.*\[warn\].*credential "\w+" is not used.*\n//mg;
    like($out, $o{says}, "$name: says") if $o{says};
    unlike($out, qr/\[warn\]/, "$name: no warning") unless $o{says};
}

# line: of the message; says: what has to be in it
sub refuses {
    my ($name, $conf, %o) = @_;

    my ($ok, $out) = $t->check($conf, env => $o{env} || {});
    my ($message) = $out =~ /^(.*\[emerg\].*)$/m;
    $message //= '';
    my $good = !$ok && $out !~ /Sanitizer|signal/;
    $good &&= $message =~ /nginx\.conf:$o{line}\b/ if $o{line};
    for my $says (ref $o{says} eq 'ARRAY' ? @{ $o{says} } : $o{says} // ()) {
        $good &&= $message =~ $says;
    }
    ok($good, "$name: refused") or diag $out;
    unlike($out, qr/hunter2/, "$name: does not repeat a secret");
}


# credentials that are right

passes('client_secret', with());
passes('two secret files',
       with(client_secret_file => "client_secret_file $secret $second;"));
passes('secret from the environment',
       with(client_secret_file => 'client_secret_env MY_SECRET;'),
       env => { MY_SECRET => 'x' });
passes('AZURE_TENANT_ID and AZURE_CLIENT_ID',
       with(tenant_id => undef, client_id => undef),
       env => { AZURE_TENANT_ID => $tenant, AZURE_CLIENT_ID => $client });
passes('cloud', with(add => ['cloud usgov;']));
passes('authority_host with a slash',
       with(add => ['authority_host https://login.microsoftonline.us/;',
                    'cloud usgov;']));
passes('bare authority_host',
       with(add => ['authority_host login.microsoftonline.com;']));
passes('several scopes', with(scope => 'scope aml arm storage keyvault graph'
                              . ' api://x/.default;',
                              add => ['upstreams x.example;']));
$t->write('bom.secret', "\xef\xbb\xbfs3cr3t\r\n");
passes('a secret saved with a byte order mark',
       with(client_secret_file => "client_secret_file $d/bom.secret;"));
passes('a domain as tenant', with(tenant_id => 'tenant_id contoso.com;'));
passes('preload', with(add => ['preload off;']));

my %sp = (
    'sp-default.json' => qq({"appId": "$client", "displayName": "x",
        "password": "p", "tenant": "$tenant"}),
    'sp-json-auth.json' => qq({"clientId": "$client", "clientSecret": "p",
        "subscriptionId": "s", "tenantId": "$tenant",
        "activeDirectoryEndpointUrl": "https://login.microsoftonline.com",
        "resourceManagerEndpointUrl": "https://management.azure.com/",
        "galleryEndpointUrl": null}),
);
for my $file (sort keys %sp) {
    $t->write($file, $sp{$file});
    passes("service_principal_file $file", credential(
        "service_principal_file $d/$file;\nscope aml;\npolicies none;\n"));
}
$t->write('sp-cert.json', qq({"clientId": "$client",
    "clientCertificate": "$d/a.pem", "tenantId": "$tenant"}));
$t->write('sp-cert2.json', qq({"appId": "$client", "password": null,
    "fileWithCertAndPrivateKey": "$d/a.pem", "tenant": "$tenant"}));
passes("service_principal_file $_", credential(
       "service_principal_file $d/$_;\nscope aml;\npolicies none;\n",
       'client_certificate')) for qw(sp-cert.json sp-cert2.json);

my $cert = "tenant_id $tenant;\nclient_id $client;\nscope aml;\n"
    . "policies none;\n";
passes('certificate', credential("${cert}client_certificate $d/a.pem;\n"
       . "send_certificate_chain on;\n", 'client_certificate'));
passes('PKCS#12', credential("${cert}client_certificate $d/a.p12;\n"
       . "client_certificate_password_file $d/password;\n",
       'client_certificate'));
passes('encrypted key', credential("${cert}client_certificate $d/enc.pem;\n"
       . "client_certificate_password_file $d/password;\n",
       'client_certificate'));
passes('an expired certificate is a warning',
       credential("${cert}client_certificate $d/old.pem;\n",
                  'client_certificate'), says => qr/\[warn\].*expired/);

$t->write('env', "# a comment\nexport AZURE_TENANT_ID='$tenant'\n"
    . "AZURE_CLIENT_ID=\"$client\"\nAZURE_CLIENT_SECRET=x # y\n");
passes('environment with dotenv', credential(
       "dotenv $d/env;\nscope aml;\npolicies none;\n", 'environment'));
passes('environment', credential("scope aml;\npolicies none;\n",
       'environment'), env => { AZURE_TENANT_ID => $tenant,
       AZURE_CLIENT_ID => $client, AZURE_CLIENT_SECRET => 'x' });


# and those that are not

refuses('a literal secret',
        with(client_secret_file => 'client_secret hunter2;'), line => 4,
        says => [qr/client_secret_file/, qr/client_secret_env/]);
refuses('a secret instead of its file',
        with(client_secret_file => 'client_secret_file wQ8~x_y-z.12345;'),
        line => '[14]', says => qr/client_secret_file|cannot open/);
# as Entra makes them; what looks like one is not repeated
my $pasted = 'hunter2~' . 'Qx8' x 10;
refuses('a secret where its file belongs',
        with(client_secret_file => "client_secret_file $pasted;"),
        line => 4, says => qr/name of a file.*secret itself/);
for my $name ($pasted, '$MY_SECRET', '7UP', 'A-B') {
    refuses("client_secret_env $name",
            with(client_secret_file => "client_secret_env $name;"), line => 4,
            says => qr/client_secret_env is the name of an environment/);
}
refuses('a password', with(client_secret_file => 'password hunter2;'),
        line => 4, says => qr/client_secret_file/);
$t->write('huge.secret', 'x' x 100_000);
$t->write('nul.secret', "a\0b");
$t->write('two.secret', "one\ntwo\n");
for (['huge.secret', qr/is 100,000 bytes, at most 8,192/], ['nul.secret', qr/control character/],
     ['two.secret', qr/more than one line/])
{
    my ($file, $says) = @$_;
    refuses($file, with(client_secret_file => "client_secret_file $d/$file;"),
            line => 4, says => [qr/\Q$file/, $says]);
}
refuses('a device', with(client_secret_file =>
        'client_secret_file /dev/zero;'), says => qr/not a regular file/);
refuses('three files', with(client_secret_file =>
        "client_secret_file $secret $second $empty;"), line => 4,
        says => qr/FILE \[FILE2\]/);
refuses('the same file twice', with(client_secret_file =>
        "client_secret_file $secret $secret;"), line => 4, says => qr/same/);
for my $name ('$x', 'off', '"a b"', 'a/b', "'a\"b'", 'x' x 65) {
    refuses("a credential named $name", credential($base, undef, $name),
            line => 1, says => qr/cannot be named .*; write /);
}
refuses('a block without a type', "entra_credential app {\n$base}\n",
        line => 1);
refuses('no semicolon', with(tenant_id => "tenant_id $tenant"), line => 3,
        says => qr/"client_id" in "tenant_id".*is a ';' missing before it/);
refuses('a directive of locations', with(add => ['entra_auth app;']),
        line => 7, says => qr/unknown parameter "entra_auth"/);
refuses('a block in a block', with(add => ['foo { bar; }']), line => 7);
for ("https://login.microsoftonline.com/$tenant", "{$tenant}", '<tenant-id>',
     'TENANT_ID', '$tenant')
{
    refuses("tenant_id $_", with(tenant_id => qq(tenant_id "$_";)),
            line => 2, says => qr/is not a tenant id: write/);
}
refuses("tenant_id $_", with(tenant_id => "tenant_id $_;"), line => 2,
        says => qr/is for users/) for qw(organizations consumers);
refuses('unknown type', credential($base, 'secret'), line => 1,
        says => [qr/"secret"/, qr/client_secret/, qr/managed_identity/]);
refuses('unknown parameter', with(add => ['client_secret_fil x;']),
        line => 7, says => [qr/client_secret_fil\b/, qr/client_secret_file/]);
refuses("another type's parameter",
        with(add => ["client_certificate $d/a.pem;"]), line => 7,
        says => qr/client_certificate/);
refuses('no tenant', with(tenant_id => undef), says => qr/tenant_id/);
refuses('no client', with(client_id => undef), says => qr/client_id/);
refuses('no secret', with(client_secret_file => undef),
        says => qr/client_secret_file/);
refuses('no scope', with(scope => undef, add => ['upstreams 127.0.0.1;'])
        . "server {\n listen 127.0.0.1:%%PORT%%;\n location / {\n"
        . " entra_auth app;\n include $d/entra_proxy.conf;\n"
        . " proxy_pass https://127.0.0.1:9;\n}\n}\n", says => qr/scope/);
refuses('no policies', with(policies => undef),
        says => [qr/policies/, qr/policies none;/]);
refuses('policies none and others', with(policies => 'policies none x;'),
        says => qr/none/);
refuses('a policy twice', "entra_policy p { grant; }\n"
        . with(policies => 'policies p p;'), line => 7,
        says => qr/duplicate "p"/);
refuses('no names', with(policies => 'policies;'), line => 6,
        says => qr/none/);
refuses('unknown policy', with(policies => 'policies office;'),
        says => qr/office/);
refuses('tenant with a slash', with(tenant_id => 'tenant_id a/b;'),
        says => qr/tenant/);
refuses('tenant common', with(tenant_id => 'tenant_id common;'),
        says => qr/tenant/);
refuses('given twice', with(add => ["tenant_id $tenant;"]), line => 7,
        says => qr/tenant_id.*twice|duplicate/);
refuses('no value', with(tenant_id => 'tenant_id;'), line => 2,
        says => qr/tenant_id/);
refuses('two credentials of one name', with() . with(), line => 8,
        says => qr/app/);
refuses('missing file', with(client_secret_file =>
        "client_secret_file $d/nowhere;"), says => qr{$d/nowhere});
refuses('empty file', with(client_secret_file =>
        "client_secret_file $empty;"), says => [qr/\Q$empty/, qr/empty/]);
refuses('blank file', with(client_secret_file =>
        "client_secret_file $blank;"), says => qr/\Q$blank/);
refuses('a directory', with(client_secret_file => "client_secret_file $d;"),
        says => qr/\Q$d/);
refuses('file and environment',
        with(add => ['client_secret_env X;']), env => { X => 'x' },
        says => qr/client_secret_(env|file)/);
refuses('unset environment variable',
        with(client_secret_file => 'client_secret_env NOT_THERE;'),
        says => qr/NOT_THERE/);
refuses('http authority', with(add => ['authority_host http://x.example;']),
        line => 7, says => qr/https/);
for (["https://login.microsoftonline.com/$tenant", qr/host only/],
     ['https://u:hunter2@x.example', qr/host only/],
     ['https://x.example:0', qr/port/], ['https://x.example:99999', qr/port/],
     ['"https://a b"', qr/host only/])
{
    my ($url, $says) = @$_;
    refuses("authority_host $url", with(add => ["authority_host $url;"]),
            line => 7, says => $says);
}
refuses('unknown cloud', with(add => ['cloud mars;']), line => 7,
        says => [qr/mars/, qr/public/, qr/china/, qr/usgov/]);
refuses('authority of another cloud', with(add => [
        'cloud china;', 'authority_host https://login.microsoftonline.us;']),
        says => qr/cloud/);
refuses('preload maybe', with(add => ['preload maybe;']), line => 7,
        says => qr/on.*off/);

for (['https://ml.azure.com', qr/\.default/], ['azureml', qr/aml/],
     ['https://ml.azure.com/score', qr/\.default/],
     ['aml aml', qr/twice|duplicate/], ['AML', qr/aml/], ['$s', qr/aml/],
     ['"aml arm"', qr/separate words/], [$client, qr/\.default/],
     ['.default', qr/URI/], ['openid', qr/aml/],
     ['aml https://ml.azure.com/.default', qr/duplicate/])
{
    my ($scope, $says) = @$_;
    refuses("scope $scope", with(scope => "scope $scope;"), line => '[15]',
            says => $says);
}
refuses('a scope that knows no hosts',
        with(scope => 'scope api://x/.default;')
        . "server {\n listen 127.0.0.1:%%PORT%%;\n location / {\n"
        . " entra_auth app;\n include $d/entra_proxy.conf;\n"
        . " proxy_pass https://127.0.0.1:9;\n}\n}\n",
        says => qr/upstreams/);
for (['ftp://x', qr/./], ['http://', qr/./], ['x.example/path', qr/./],
     ['*', qr/./], ['verify=maybe', qr/verify/],
     ['https://x.example/score', qr/HOST:PORT/], ['x.*.example', qr/SUFFIX/],
     ['x.example:abc', qr/HOST:PORT/], ['10.0.0.0/8', qr/HOST/],
     ['$host', qr/HOST/], ['unix:/x', qr{http://unix:PATH}], ['', qr/hosts/])
{
    my ($host, $says) = @$_;
    refuses("upstreams $host", with(add => ["upstreams $host;"]), line => 7,
            says => $says);
}

for (['mixed.pem', qr/match|belong/], ['nokey.pem', qr/key/],
     ['nocert.pem', qr/certificate/], ['ec.pem', qr/RSA/],
     ['garbage.pem', qr/garbage\.pem/], ['enc.pem', qr/password/],
     ['nowhere.pem', qr/nowhere\.pem/])
{
    my ($file, $says) = @$_;
    refuses("certificate $file", credential(
        "${cert}client_certificate $d/$file;\n", 'client_certificate'),
        says => [qr/\Q$file/, $says]);
}
refuses('wrong password', credential("${cert}client_certificate $d/a.p12;\n"
        . "client_certificate_password_file $d/wrong.password;\n",
        'client_certificate'), says => qr/password/);
refuses('no certificate', credential($cert, 'client_certificate'),
        says => qr/client_certificate/);

$t->write('sp-broken.json', '{"clientId": ');
$t->write('sp-half.json', qq({"clientId": "$client"}));
$t->write('sp-array.json', '[]');
refuses("service_principal_file $_", credential(
        "service_principal_file $d/$_;\nscope aml;\npolicies none;\n"),
        says => qr/\Q$_\E|tenant/)
    for qw(sp-broken.json sp-half.json sp-array.json);
refuses('environment without variables', credential(
        "scope aml;\npolicies none;\n", 'environment'),
        says => qr/AZURE_(TENANT|CLIENT)_ID|AZURE_CLIENT_SECRET/);
refuses('no such dotenv', credential(
        "dotenv $d/no.env;\nscope aml;\npolicies none;\n", 'environment'),
        says => qr/no\.env/);


# directives

sub location {
    my ($lines, $more) = @_;
    return with(add => ['upstreams 127.0.0.1;']) . ($more // '')
        . "server {\n listen 127.0.0.1:%%PORT%%;\n location / {\n"
        . "$lines}\n}\n";
}

my $auth = "  entra_auth app;\n  include $d/entra_proxy.conf;\n";
my $pass = "  proxy_pass https://127.0.0.1:9;\n";

passes('a location', location($auth . $pass));
refuses('entra_auth of nothing', location("  entra_auth nobody;\n"),
        line => 12, says => [qr/nobody/]);
refuses('entra_auth of a name in other letters', location(
        "  entra_auth App;\n"), line => 12, says => qr/"App"/);
refuses('entra_auth twice', location("  entra_auth app;\n  entra_auth app;\n"),
        line => 13, says => qr/duplicate/);
refuses('entra_auth off with a scope', location(
        "  entra_auth off scope=aml;\n"), line => 12, says => qr/no scope/);
refuses('an empty scope', location("  entra_auth app scope=;\n"), line => 12,
        says => qr/scope=SCOPE/);
refuses('entra_auth outside of http', "}\nentra_auth app;\nhttp {\n",
        says => qr/not allowed here/);
refuses('a credential in a server', "server {\n" . with() . "}\n", line => 2,
        says => qr/not allowed here/);
refuses('a negative wait', location("  entra_wait -1s;\n"), line => 12);
refuses('replay maybe', location("  entra_replay maybe;\n"), line => 12,
        says => qr/"on" or "off"/);
refuses('a token without a dollar', location("  entra_token x app;\n"),
        line => 12, says => qr/\$name/);
refuses('a token named as a variable of nginx', location(
        "  entra_token \$host app;\n"), line => 12, says => qr/host/);
refuses('a workspace that is not there', location(
        "  entra_workspace $d/no.json;\n"), line => 12, says => qr/no\.json/);
$t->write('half.json', '{"subscription_id": "x"}');
refuses('half a workspace', location("  entra_workspace $d/half.json;\n"),
        line => 12, says => [qr/half\.json/, qr/resource_group/]);
for (['zone=x', qr/zone=NAME:SIZE/], ['2m', qr/zone=NAME:SIZE/],
     ['zone=x:abc', qr/size/], ['zone=x:32k', qr/at least 64k/],
     ['zone=:2m', qr/zone=/])
{
    my ($zone, $says) = @$_;
    refuses("entra_shared_zone $zone", "entra_shared_zone $zone;\n" . with(),
            line => 1, says => $says);
}
passes('a zone too small for its tokens is a warning',
       "entra_shared_zone zone=x:64k;\n" . join('', map {
           credential($base, undef, "c$_") } 1 .. 30),
       says => qr/\[warn\].*too small.*zone=x:1m/);
for (['entra_http_proxy proxy:3128', qr{http://HOST:PORT}],
     ['entra_http_proxy socks5://p:1', qr{http://HOST:PORT}],
     ['entra_http_proxy http://u:hunter2@p:1', qr/user and password/],
     ['entra_connect_timeout 0', qr/0/], ['entra_fetch_timeout 5x', qr/./],
     ['entra_trusted_certificate /etc/ssl/certs', qr/regular file/],
     ["entra_trusted_certificate $empty", qr/empty/],
     ['entra_trusted_proxies lb.example.com', qr/CIDR/])
{
    my ($line, $says) = @$_;
    refuses($line, "$line;\n" . with(), line => 1, says => $says);
}
refuses('entra_auth with a stray word', location(
        "  entra_auth app now;\n"), line => 12, says => qr/scope=/);
refuses('a scope that is none', location("  entra_auth app scope=nope;\n"),
        line => 12, says => qr/nope/);
refuses('entra_wait', location("  entra_wait soon;\n"), line => 12);
refuses('entra_path', location("  entra_path lax;\n"), line => 12,
        says => qr/lax/);
refuses('entra_status', location("  entra_status all;\n"), line => 12,
        says => qr/ready/);
refuses('entra_shared_zone', "entra_shared_zone zone=x:1k;\n" . with(),
        line => 1);
refuses('a CA file that is not there',
        "entra_trusted_certificate $d/no.ca;\n" . with(),
        says => qr/no\.ca/);
refuses('a CA file without one', "entra_trusted_certificate $secret;\n"
        . with(), line => 1, says => qr/PEM|good\.secret/);
refuses('two tokens of one name', location(
        "  entra_token \$x app;\n  entra_token \$x app;\n"),
        line => 13, says => qr/x/);
refuses('a token of nobody', location("  entra_token \$x nobody;\n"),
        line => 12, says => qr/nobody/);

passes('an error in an included file names that file', with());
$t->write('bad.conf', "\n\n$base");
$t->write('bad.conf', "\nentra_credential app client_secret {\n"
          . "    client_secret hunter2;\n}\n");
$t->refuses('an included file', "include $d/bad.conf;\n", qr/bad\.conf:3/);


# policies: more in t/4*.t

for (['locations corp; grant', qr/locations.*unknown location "corp"/],
     ['callers bob; grant', qr/unknown caller "bob"/],
     ['operations score; grant', qr/unknown operations "score"/],
     ['locations 10.0.0.1/8; grant', qr{10\.0\.0\.0/8}],
     ['location any; grant', qr/unknown parameter "location".*locations/],
     ['operations POST /score; grant', qr/in quotes/],
     ['operations "post /score"; grant', qr/upper case/],
     ['time 25:00-26:00; grant', qr/HH:MM-HH:MM/],
     ['state on; grant', qr/report_only/], ['grant mfa', qr/amr/],
     ['locations any', qr/"block;" or "grant;"/],
     ['block; grant', qr/one outcome/])
{
    my ($lines, $says) = @$_;
    refuses("a policy: $lines", "entra_policy p { $lines; }\n"
            . with(policies => 'policies p;'), line => 1, says => $says);
}
refuses('two policies of one name', "entra_policy p { grant; }\n" x 2
        . with(policies => 'policies p;'), line => 2, says => qr/duplicate/);
refuses('a policy about tokens that nobody can have',
        "entra_policy p { grant token; }\n"
        . with(policies => 'policies p;'), line => 1,
        says => [qr/"p"/, qr/entra_caller_token/]);


# where a token would go, as far as it is written there

refuses('another host', location($auth
        . "  proxy_pass https://evil.example;\n",
        "upstream evil.example { server 127.0.0.2:9; }\n"), line => 15,
        says => [qr/app/, qr/127\.0\.0\.2/, qr/upstreams/]);
refuses('plain http', location($auth . "  proxy_pass http://127.0.0.1:9;\n"),
        line => 14, says => qr/http/);
refuses('unverified TLS', location("  entra_auth app;\n"
        . "  proxy_set_header Authorization \$entra_authorization;\n$pass"),
        line => 14, says => qr/proxy_ssl_verify/);
refuses('another port', with(add => ['upstreams 127.0.0.1:8;'])
        . "server {\n listen 127.0.0.1:%%PORT%%;\n location / {\n$auth$pass"
        . "}\n}\n", line => 14, says => qr/port/);
refuses('an upstream block by http', location($auth
        . "  proxy_pass http://two;\n",
        "upstream two { server 127.0.0.1:9; }\n"), line => 15,
        says => qr/http/);
my $grpc = "  grpc_pass grpcs://127.0.0.1:9;\n";
passes('gRPC', location("  entra_auth app;\n  include $d/entra_grpc.conf;\n"
       . $grpc));
refuses('gRPC with what is for HTTP', location($auth . $grpc), line => 14,
        says => qr/entra_grpc\.conf/);
refuses('gRPC without TLS', location("  entra_auth app;\n"
        . "  include $d/entra_grpc.conf;\n  grpc_pass grpc://127.0.0.1:9;\n"),
        line => 14, says => qr/http/);
passes('gRPC that sets the header of HTTP requests is reported', location(
       "$auth  grpc_ssl_verify on;\n  grpc_ssl_trusted_certificate"
       . " /etc/ssl/certs/ca-certificates.crt;\n$grpc"),
       says => qr/\[warn\].*without the token.*include entra_grpc\.conf/);
passes('headers of gRPC do not hide those of HTTP', location(
       "$auth$pass  location /x {\n   grpc_set_header X y;\n"
       . "   proxy_pass https://127.0.0.1:9;\n  }\n"));
refuses('a backup server elsewhere', location($auth
        . "  proxy_pass https://two;\n", "upstream two {\n"
        . " server 127.0.0.1:9;\n server 127.0.0.2:9 backup;\n}\n"),
        says => qr/127\.0\.0\.2/);
refuses("a default list's stranger", with()
        . "server {\n listen 127.0.0.1:%%PORT%%;\n location / {\n$auth$pass"
        . "}\n}\n", says => qr/127\.0\.0\.1/);
passes("a default list's host", with() . "server {\n"
       . " listen 127.0.0.1:%%PORT%%;\n location / {\n$auth"
       . "  resolver 127.0.0.1;\n"
       . "  proxy_pass https://e.westeurope.inference.ml.azure.com\$uri;\n"
       . "}\n}\n");
passes('plain http where the list says so', with(add => [
       'upstreams http://127.0.0.1:9;']) . "server {\n"
       . " listen 127.0.0.1:%%PORT%%;\n location / {\n$auth"
       . "  proxy_pass http://127.0.0.1:9;\n}\n}\n");
passes('verify=off', with(add => ['upstreams 127.0.0.1 verify=off;'])
       . "server {\n listen 127.0.0.1:%%PORT%%;\n location / {\n"
       . "  entra_auth app;\n"
       . "  proxy_set_header Authorization \$entra_authorization;\n"
       . "$pass}\n}\n", says => qr/^/);
passes('entra_auth off is not judged', location(
       "  entra_auth off;\n  proxy_pass http://127.0.0.2:9;\n"));
passes('a location that forgets the header is reported', location(
       "  entra_auth app;\n  proxy_ssl_verify on;\n"
       . "  proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;"
       . "\n$pass"), says => qr/\[warn\].*without the token.*nginx\.conf:15/);
passes('and one whose own header hides it', location(
       "$auth$pass  location /x {\n   proxy_set_header X y;\n"
       . "   proxy_pass https://127.0.0.1:9;\n  }\n"),
       says => qr/\[warn\].*"\/x".*without the token/);

$t->finish;
