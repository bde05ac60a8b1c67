#!/usr/bin/perl

# The emulator against what Entra documents, and against Microsoft's own
# client where Debian's python3-azure is installed.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use MIME::Base64 qw(encode_base64url encode_base64);
use Time::HiRes qw(time sleep);

my $t = EntraTest->new;
my $e = $t->emulator;
my $tenant = $e->info('tenant_id');
my $client = $e->info('client_id');
my $secret = slurp($e->info('client_secret_file'));
chomp $secret;
my $aml = 'https://ml.azure.com/.default';

sub escape {
    my ($text) = @_;
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub post {
    my ($path, %form) = @_;

    my $headers = delete $form{_headers} || [];
    return EntraTest::HTTP::request(
        port => $e->port('entra'), tls => 1, ca => $e->info('ca'),
        host => 'localhost:' . $e->port('entra'), uri => $path,
        headers => ['Content-Type' => 'application/x-www-form-urlencoded',
                    @$headers],
        body => join '&', map { "$_=" . escape($form{$_}) }
                          sort keys %form);
}

sub fetch {
    my ($path) = @_;
    return EntraTest::HTTP::request(
        port => $e->port('entra'), tls => 1, ca => $e->info('ca'),
        host => 'localhost:' . $e->port('entra'), uri => $path);
}

sub token {
    my (%form) = @_;
    my $tid = delete $form{_tenant} || $tenant;
    return post("/$tid/oauth2/v2.0/token",
        grant_type => 'client_credentials', client_id => $client,
        client_secret => $secret, scope => $aml, %form);
}

sub refused {
    my ($name, $r, $status, $error, $code) = @_;

    my $j = $r->json;
    is($r->status, $status, "$name: status");
    is($j->{error}, $error, "$name: error");
    is_deeply($j->{error_codes}, [$code], "$name: code");
    like($j->{error_description},
         qr/^AADSTS$code: .*\r\nTrace ID: .*\r\nCorrelation ID: /s,
         "$name: text");
}


# client credentials

my $r = token();
is($r->status, 200, 'a token');
my $claims = claims($r->json->{access_token});
is($r->json->{token_type}, 'Bearer', 'token_type');
is($r->json->{expires_in}, 3599, 'expires_in is a number');
ok(!exists $r->json->{refresh_token}, 'no refresh token for an app');
is($claims->{aud}, 'https://ml.azure.com', 'aud');
is($claims->{appid}, $client, 'appid');
is($claims->{tid}, $tenant, 'tid');
is($claims->{idtyp}, 'app', 'idtyp');
is($claims->{iss}, "https://sts.windows.net/$tenant/", 'iss of a v1 token');

my $id = '6a1c5f3e-0000-4000-8000-0123456789ab';
$r = token(client_secret => 'nonsense',
           _headers => ['client-request-id' => $id]);
refused('wrong secret', $r, 401, 'invalid_client', 7000215);
is($r->json->{correlation_id}, $id, 'client-request-id comes back');
like($r->json->{timestamp}, qr/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/,
     'timestamp');
like($r->json->{error_uri}, qr/error\?code=7000215$/, 'error_uri');

refused('unknown tenant', token(_tenant => 'nowhere.example'), 400,
        'invalid_request', 90002);
refused('common', token(_tenant => 'common'), 400, 'invalid_request',
        9001023);
refused('unknown app', token(client_id =>
        '12345678-0000-4000-8000-000000000000'), 400, 'unauthorized_client',
        700016);
refused('not .default', token(scope => 'https://ml.azure.com/score'), 400,
        'invalid_scope', 1002012);
refused('two resources', token(scope =>
        "$aml https://management.azure.com/.default"), 400,
        'invalid_request', 28000);
refused('unknown resource', token(scope => 'https://x.example/.default'),
        400, 'invalid_resource', 500011);
refused('resource on v2', token(resource => 'https://ml.azure.com'), 400,
        'invalid_request', 901002);
refused('no credential', token(client_secret => ''), 401, 'invalid_client',
        7000216);
refused('no grant type', token(grant_type => ''), 400, 'invalid_request',
        900144);
is(token(scope => "$aml openid offline_access profile")->status, 200,
   'OIDC scopes are ignored');
is(claims(token(scope => 'https://management.azure.com//.default')
    ->json->{access_token})->{aud}, 'https://management.azure.com/',
   'a trailing slash of the resource is kept');

$e->secrets(secrets => [{ value => 'old', expires => 1 },
                        { value => $secret }, { value => 'new' }]);
refused('expired secret', token(client_secret => 'old'), 401,
        'invalid_client', 7000222);
is(token(client_secret => 'new')->status, 200, 'a second secret');

$r = post("/$tenant/oauth2/token", grant_type => 'client_credentials',
          client_id => $client, client_secret => $secret,
          resource => 'https://management.azure.com/');
is($r->json->{expires_in}, '3599', 'v1 endpoint');
like($r->body, qr/"expires_in": "3599"/, 'v1: numbers are strings');


# client assertions, signed by openssl

my $pem = $e->info('client_certificate');
my $der = `openssl x509 -in $pem -outform DER`;

sub sha { my ($alg) = @_; return do {
    open my $f, '|-', "openssl dgst -$alg -binary >" . $t->dir('digest');
    binmode $f; print $f $der; close $f; slurp($t->dir('digest')) } }

sub assertion {
    my (%o) = @_;

    my %header = (alg => 'PS256', typ => 'JWT', %{ $o{header} || {
        'x5t#S256' => encode_base64url(sha('sha256')) } });
    my $url = "https://localhost:" . $e->port('entra')
        . "/$tenant/oauth2/v2.0/token";
    my %claims = (aud => $url, iss => $e->info('certificate_client_id'),
        sub => $e->info('certificate_client_id'), jti => rand,
        nbf => int time, exp => 600 + int time, %{ $o{claims} || {} });
    my $data = join '.', map { encode_base64url(JSON::PP::encode_json($_)) }
        \%header, \%claims;
    $t->write('data', $data);
    my $pss = $header{alg} eq 'PS256'
        ? '-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:'
          . ($o{salt} || 32) : '';
    system("openssl dgst -sha256 $pss -sign $pem -out " . $t->dir('sig')
           . ' ' . $t->dir('data')) == 0 or die 'openssl';
    return $data . '.' . encode_base64url($o{signature}
                                          // slurp($t->dir('sig')));
}

sub with_certificate {
    my (%o) = @_;
    return post("/$tenant/oauth2/v2.0/token",
        grant_type => 'client_credentials', scope => $aml,
        client_id => $e->info('certificate_client_id'),
        client_assertion_type =>
            'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion => assertion(%o));
}

is(with_certificate()->status, 200, 'PS256 with x5t#S256');
is(with_certificate(header => { 'x5t#S256' =>
       encode_base64(sha('sha256'), '') })->status, 200,
   'a padded thumbprint is taken too');
is(with_certificate(header => { alg => 'RS256',
       x5t => encode_base64url(sha('sha1')) })->status, 200,
   'RS256 with x5t');
is(with_certificate(claims => { exp => '' . (600 + int time) })->status, 200,
   'dates may be strings of digits');
refused('salt of 20', with_certificate(salt => 20), 401, 'invalid_client',
        700027);
refused('bad signature', with_certificate(signature => 'x' x 256), 401,
        'invalid_client', 700027);
refused('unknown certificate', with_certificate(header => {
        'x5t#S256' => encode_base64url('x' x 32) }), 401, 'invalid_client',
        700027);
refused('alg none', with_certificate(header => { alg => 'none',
        'x5t#S256' => encode_base64url(sha('sha256')) }), 401,
        'invalid_client', 50027);
for my $aud ('https://login.example/token',
             "https://login.microsoftonline.us/$tenant/oauth2/v2.0/token",
             "https://login.microsoftonline.com/$tenant/oauth2/v2.0/token",
             $e->info('authority_host') . "/$tenant/oauth2/token",
             $e->info('authority_host') . "/$tenant/v2.0",
             $e->info('authority_host')) {
    refused("audience $aud", with_certificate(claims => { aud => $aud }), 401,
            'invalid_client', 700023);
}
refused('no jti', with_certificate(claims => { jti => undef }), 401,
        'invalid_client', 50027);
refused('no typ', with_certificate(header => { typ => 'at+jwt',
        'x5t#S256' => encode_base64url(sha('sha256')) }), 401,
        'invalid_client', 50027);
refused('a life of a month', with_certificate(claims => {
        exp => 30 * 86400 + int time }), 401, 'invalid_client', 700024);
refused('expired', with_certificate(claims => { exp => int(time) - 10 }),
        401, 'invalid_client', 700024);
refused('not yet', with_certificate(claims => { nbf => int(time) + 900 }),
        401, 'invalid_client', 700024);
refused('sub is another', with_certificate(claims => { sub => $client }),
        401, 'invalid_client', 700021);

sub federated {
    my ($jwt) = @_;
    return post("/$tenant/oauth2/v2.0/token",
        grant_type => 'client_credentials', scope => $aml,
        client_id => $e->info('federated_client_id'),
        client_assertion_type =>
            'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion => $jwt);
}

my $jwt = slurp($e->info('federated_token_file'));
is(federated($jwt)->status, 200, 'a federated token');
my @part = split /\./, $jwt;
for ([iss => 700211], [sub => 700213], [aud => 700212]) {
    my ($member, $code) = @$_;
    my $c = claims($jwt);
    $c->{$member} = 'another';
    refused("federated $member", federated(join '.', $part[0],
            encode_base64url(JSON::PP::encode_json($c)), $part[2]), 400,
            'invalid_request', $code);
}


# discovery and keys

my $doc = fetch("/$tenant/v2.0/.well-known/openid-configuration")->json;
is($doc->{issuer}, $e->info('authority_host') . "/$tenant/v2.0",
   'issuer of v2');
like($doc->{jwks_uri}, qr{/discovery/v2\.0/keys$}, 'jwks_uri');
is(fetch("/$tenant/.well-known/openid-configuration")->json->{issuer},
   "https://sts.windows.net/$tenant/", 'issuer of v1');
my $keys = fetch("/$tenant/discovery/v2.0/keys")->json->{keys};
is(scalar @$keys, 1, 'one key');
is($keys->[0]{issuer}, $doc->{issuer}, 'the key names its issuer');
ok($keys->[0]{x5c}[0], 'and carries its certificate');
$e->rotate_keys;
my $after = fetch("/$tenant/discovery/v2.0/keys")->json->{keys};
is(scalar @$after, 2, 'a rotation publishes both');
isnt($after->[0]{kid}, $keys->[0]{kid}, 'the new one signs');


# faults

$e->fault({ preset => 'throttle', times => 1 });
$r = token();
is($r->status, 429, 'throttled');
is($r->header('retry-after'), 5, 'with Retry-After');
is(token()->status, 200, 'once');

$e->fault({ set => { expires_in => '17' }, unset => ['ext_expires_in'],
            times => 1 });
like(token()->body, qr/"expires_in": "17"/, 'a changed member');
$e->fault({ preset => 'malformed', times => 1 });
ok(!%{ token()->json }, 'malformed');
$e->fault({ preset => 'oversized', times => 1 });
cmp_ok(length token()->body, '>', 2_000_000, 'oversized');
$e->fault({ claims => { tid => 'another' }, times => 1 });
is(claims(token()->json->{access_token})->{tid}, 'another', 'a lie');
$e->fault({ cut => 'body', times => 1 });
ok(!token()->{complete}, 'cut in the middle');
$e->fault({ connection => 'cut', times => 1 });
is(token()->status, 0, 'cut before TLS');
$e->fault({ delay => 0.5, times => 1 });
cmp_ok(token()->{time}, '>=', 0.5, 'slow');
$e->fault({ drip => 0.0005, times => 1 });
is(token()->status, 200, 'byte by byte');
$e->fault({ client_id => 'another', status => 500 });
is(token()->status, 200, 'a fault for another client');
$e->clear_faults;


# a person

sub pkce { encode_base64url(do {
    open my $f, '|-', 'openssl dgst -sha256 -binary >' . $t->dir('digest');
    print $f $_[0]; close $f; slurp($t->dir('digest')) }) }

my $verifier = 'v' x 43;
my $public = $e->info('public_client_id');
my $scope = escape(
    'openid offline_access https://management.azure.com/.default');
sub code {
    my $r = fetch("/$tenant/oauth2/v2.0/authorize?response_type=code"
        . "&client_id=$public&redirect_uri=http%3A%2F%2Flocalhost%2Fcb"
        . "&scope=$scope&state=s1&nonce=n1&code_challenge_method=S256"
        . '&code_challenge=' . pkce($verifier));
    my ($code) = ($r->header('location') // '') =~ /[?&]code=([^&]+)/;
    like($r->header('location'), qr/state=s1/, 'state comes back');
    return $code;
}

sub redeem {
    return post("/$tenant/oauth2/v2.0/token", client_id => $public,
        grant_type => 'authorization_code',
        redirect_uri => 'http://localhost/cb', code_verifier => $verifier,
        @_);
}

my $code = code();
$r = redeem(code => $code);
is($r->status, 200, 'code redeemed') or diag $r->body;
my $refresh = $r->json->{refresh_token};
ok($refresh, 'refresh token');
is(claims($r->json->{id_token})->{nonce}, 'n1', 'nonce in the id token');
is(claims($r->json->{access_token})->{scp}, 'user_impersonation', 'scp');
refused('code twice', redeem(code => $code), 400, 'invalid_grant', 54005);
refused('wrong verifier', redeem(code => code(), code_verifier => 'w' x 43),
        400, 'invalid_grant', 501481);

sub renew {
    return post("/$tenant/oauth2/v2.0/token", client_id => $public,
        grant_type => 'refresh_token', refresh_token => $_[0],
        scope => 'offline_access https://ml.azure.com/.default');
}

$r = renew($refresh);
is($r->status, 200, 'refreshed');
is(claims($r->json->{access_token})->{aud}, 'https://ml.azure.com',
   'for another resource');
isnt($r->json->{refresh_token}, $refresh, 'the refresh token rotates');
$e->restart;
is(renew($refresh)->status, 200, 'refresh tokens outlive a restart');
$e->control(POST => 'refresh_tokens/revoke', {});
refused('revoked', renew($refresh), 400, 'invalid_grant', 50173);

$e->settings(device_interval => 1);
$r = post("/$tenant/oauth2/v2.0/devicecode", client_id => $public,
          scope => 'https://management.azure.com/.default');
my $device = $r->json->{device_code};
is($r->json->{interval}, 1, 'device code');
sub poll { return post("/$tenant/oauth2/v2.0/token", client_id => $public,
    grant_type => 'urn:ietf:params:oauth:grant-type:device_code',
    device_code => $device) }
refused('pending', poll(), 400, 'authorization_pending', 70016);
refused('too fast', poll(), 400, 'slow_down', 70016);
$e->control(POST => 'device', { state => 'approved' });
is(poll()->status, 200, 'approved');
refused('used', poll(), 400, 'bad_verification_code', 7000014);


# a confidential client has to prove who it is for a device code, too

$r = post("/$tenant/oauth2/v2.0/devicecode", client_id => $client,
          scope => 'https://management.azure.com/.default');
$device = $r->json->{device_code};
$e->control(POST => 'device', { state => 'approved' });
sub confidential { return post("/$tenant/oauth2/v2.0/token",
    client_id => $client, device_code => $device,
    grant_type => 'urn:ietf:params:oauth:grant-type:device_code', @_) }
refused('no secret', confidential(), 401, 'invalid_client', 7000218);
is(confidential(client_secret => $secret)->status, 200, 'with its secret');


# redirect URIs: to the letter, and what platform they are registered for

sub sent_back {
    my ($uri) = @_;
    return fetch("/$tenant/oauth2/v2.0/authorize?response_type=code"
        . "&client_id=$public&redirect_uri=" . escape($uri)
        . "&scope=$scope&state=s1");
}
for (['http://localhost:31337/cb', 302, 'any port of loopback'],
     ['http://localhost/other', 400, 'another path'],
     ['https://localhost/cb', 400, 'another scheme'],
     ['https://evil.example/cb', 400, 'another host']) {
    is(sent_back($_->[0])->status, $_->[1], "redirect URI: $_->[2]");
}
my $gateway = 'https://gateway.example/in/callback';
for (['web', 401, 'invalid_client', 7000218],
     ['spa', 400, 'invalid_request', 9002327], ['native']) {
    my ($type, @wanted) = @$_;
    $e->redirects({ uri => $gateway, type => $type });
    my ($code) = sent_back($gateway)->header('location') =~ /code=([^&]+)/;
    my $r = redeem(code => $code, redirect_uri => $gateway,
                   code_verifier => '');
    @wanted ? refused("$type, no secret", $r, @wanted)
            : is($r->status, 200, "$type: redeemed");
}
$e->redirects('http://localhost', 'http://localhost/cb');


# a person: consent, assignment, multifactor authentication, policies, each
# said as Entra says it

$refresh = do {
    my ($code) = (sent_back('http://localhost/cb')->header('location') // '')
        =~ /code=([^&]+)/;
    redeem(code => $code, code_verifier => '')->json->{refresh_token};
};

sub as_recorded {
    my ($what, $change, $code, $suberror, $text, $policy) = @_;
    $e->app(client_id => $public, %$change);
    my $r = renew($refresh);
    refused($what, $r, 400, 'invalid_grant', $code);
    is($r->json->{suberror}, $suberror, "$what: suberror");
    like($r->json->{error_description}, qr/^AADSTS$code: $text/,
         "$what: words");
    my $claims = $r->json->{claims};
    is($claims && JSON::PP::decode_json($claims)
       ->{access_token}{capolids}{essential}, $policy,
       "$what: claims " . ($policy ? 'with the policy' : '- none'));
    $e->app(client_id => $public, map { $_ => undef } keys %$change);
    $e->app(client_id => $public, consent => \1) if exists $change->{consent};
}

# MicrosoftDocs/azure-docs issue 39189
as_recorded('consent', { consent => \0 }, 65001, 'consent_required',
            'The user or administrator has not consented to use the '
            . 'application with ID \'[-0-9a-f]+\' named \'[^\']+\'. Send an '
            . 'interactive authorization request for this user and resource.');
as_recorded('consent of an administrator', { consent => 'admin' }, 90094,
            'consent_required', 'An administrator of');
# AzureAD/microsoft-authentication-library-for-js issue 5491
as_recorded('multifactor', { mfa => \1 }, 50076, 'basic_action',
            'Due to a configuration change made by your administrator, or '
            . 'because you moved to a new location, you must use multi-factor '
            . 'authentication to access', JSON::PP::true());
as_recorded('a policy', { blocked => \1 }, 53003, 'message_only',
            'Access has been blocked by Conditional Access policies. The '
            . 'access policy does not allow token issuance.',
            JSON::PP::true());
as_recorded('an assignment', { assignment_required => \1 }, 50105, undef,
            'Your administrator has configured the application');
is(renew($refresh)->status, 200, 'and none of it ends the sign-in');


# an application: policy, assignment, loops, what Entra does not know yet

$e->app(client_id => $client, blocked => \1);
$r = token();
refused('a workload identity that is blocked', $r, 400, 'invalid_grant',
        53003);
is($r->json->{suberror}, 'message_only', 'with a suberror');
like($r->json->{claims}, qr/capolids/, 'and the policy');
$e->app(client_id => $client, blocked => \0, assignment_required => \1);
refused('an app role is required', token(), 400, 'invalid_grant', 501051);
$e->app(client_id => $client, assignment_required => \0);

$e->settings(loop => 5);
token() for 1 .. 5;
refused('a loop', token(), 400, 'invalid_grant', 50196);
is(token(scope => 'https://storage.azure.com/.default')->status, 200,
   'of equal requests only');
# one is never known in time for this test, the other before long
my %new = (late => 'abababab-abab-4bab-8bab-abababababab',
           soon => 'acacacac-acac-4cac-8cac-acacacacacac');
for (['late', 3600], ['soon', 1]) {
    my ($name, $seconds) = @$_;
    $e->settings(loop => undef, propagation => $seconds);
    $e->secrets(secrets => [$secret, $name]);
    $e->app(client_id => $new{$name}, secrets => [{ value => $name }]);
}
is(token(client_secret => $secret)->status, 200, 'the old secret, for now');
refused('a fresh secret', token(client_secret => 'late'), 401,
        'invalid_client', 7000215);
refused('a new application', token(client_id => $new{late},
        client_secret => 'late'), 400, 'unauthorized_client', 700016);
ok(wait_until(sub { token(client_secret => 'soon')->status == 200 }, 60),
   'the secret is known later');
ok(wait_until(sub { token(client_id => $new{soon}, client_secret => 'soon')
                    ->status == 200 }, 60), 'and the application');
$e->settings(propagation => 0);
$e->secrets(secrets => [$secret]);
refused('a tenant with a typing mistake', post('/my-tenant/oauth2/v2.0/token',
        grant_type => 'client_credentials', client_id => $client,
        client_secret => $secret, scope => $aml), 400, 'invalid_request',
        900023);


# this machine's identity

sub here {
    my ($uri, @headers) = @_;
    return EntraTest::HTTP::request(port => $e->port('identity'),
                                    uri => $uri, headers => \@headers);
}

my $imds = '/metadata/identity/oauth2/token?api-version=2018-02-01'
    . '&resource=https%3A%2F%2Fml.azure.com';
is(here($imds)->status, 400, 'IMDS wants its header');
$r = here($imds, Metadata => 'true');
is($r->status, 200, 'IMDS');
like($r->body, qr/"expires_in": "\d+"/, 'IMDS: numbers are strings');
is(here("$imds&client_id=nobody", Metadata => 'true')->status, 400,
   'IMDS: unknown identity');
is(here("$imds&client_id=f1000000-0000-4000-8000-000000000001",
        Metadata => 'true')->json->{client_id},
   'f1000000-0000-4000-8000-000000000001', 'IMDS: user-assigned');
my $first = here($imds, Metadata => 'true')->json;
$e->settings(clock_offset => 60);
my $second = here($imds, Metadata => 'true')->json;
is($second->{access_token}, $first->{access_token}, 'IMDS keeps its tokens');
cmp_ok($first->{expires_in} - $second->{expires_in}, '>=', 59,
       'and says what is left');
$e->settings(clock_offset => 50000);
isnt(here($imds, Metadata => 'true')->json->{access_token},
     $first->{access_token}, 'until half of it is over');
$e->settings(clock_offset => 0);
for (['api-version=nonsense', qr/newest-versions/],
     ['api-version=2018-02-01&client_id='
      . 'f1000000-0000-4000-8000-000000000001&object_id='
      . 'f1000000-0000-4000-8000-000000000002', qr/Identity not found/],
     ['api-version=2018-02-01&principal_id=x', qr/Identity not found/]) {
    $r = here('/metadata/identity/oauth2/token?resource='
              . "https%3A%2F%2Fml.azure.com&$_->[0]", Metadata => 'true');
    is($r->status, 400, "IMDS: $_->[0]");
    like($r->body, $_->[1], 'and why');
}
$e->settings(identity_rate => 2);
my @status = map { here($imds, Metadata => 'true')->status } 1 .. 5;
is(scalar(grep { $_ == 429 } @status), 3, "IMDS throttles: @status");
$e->settings(identity_rate => undef);
$r = here('/appservice/msi/token?api-version=2019-08-01'
    . '&resource=https://ml.azure.com',
    'X-IDENTITY-HEADER' => 'emulator-identity-header');
is($r->status, 200, 'App Service');
ok(!exists $r->json->{expires_in}, 'App Service: no expires_in');


# Azure ML

sub azure {
    my ($host, $uri, %o) = @_;
    return EntraTest::HTTP::request(port => $e->port('upstream'), tls => 1,
        ca => $e->info('ca'), sni => $host, host => $host, uri => $uri, %o);
}

my $score = 'fraud.westeurope.inference.ml.azure.com';
my $bearer = token(client_secret => $secret)->json->{access_token};
my @auth = (Authorization => "Bearer $bearer");
$r = azure($score, '/score', body => '{"a":1}', headers => \@auth);
is($r->status, 200, 'scoring');
is($r->json->{token}{claims}{appid}, $client, 'who scored');
unlike($r->body, qr/\Q$bearer/, 'the token itself is not shown');
is(azure($score, '/score', body => '{}')->status, 401, 'no token');
my $arm = token(scope => 'https://management.azure.com/.default')
    ->json->{access_token};
is(azure($score, '/score', body => '{}', headers =>
         [Authorization => "Bearer $arm"])->status, 401, 'wrong audience');
is(azure('management.azure.com', '/subscriptions/99999999-9999-4999-8999-'
         . '999999999999/resourceGroups/rg/providers/Microsoft.'
         . 'MachineLearningServices/workspaces/ws?api-version=2023-10-01',
         headers => [Authorization => "Bearer $arm"])->json->{error}{code},
   'AuthorizationFailed', 'from the start it may score, and nothing else');
my $other = '22222222-2222-4222-8222-222222222222';
sub elsewhere { return post("/$other/oauth2/v2.0/token",
    grant_type => 'client_credentials', client_id => $client,
    client_secret => $secret, scope => $_[0])->json->{access_token} }
$e->app(client_id => $client, tenant => $other, multitenant => \1);
is(azure($score, '/score', body => '{}', headers => [Authorization =>
   'Bearer ' . elsewhere($aml)])->status, 401, 'another tenant');
is(azure('management.azure.com', '/subscriptions?api-version=2022-12-01',
         headers => [Authorization => 'Bearer '
         . elsewhere('https://management.azure.com/.default')])
   ->json->{error}{code}, 'InvalidAuthenticationTokenTenant',
   'another tenant: Resource Manager');
is(azure('mlstore.blob.core.windows.net', '/azureml/x', headers =>
         ['x-ms-version' => '2021-08-06', Authorization => 'Bearer '
          . elsewhere('https://storage.azure.com/.default')])->status, 401,
   'another tenant: storage');
$e->app(client_id => $client, tenant => $tenant, multitenant => \0);
my $china = token(scope => 'https://ml.azure.cn/.default')
    ->json->{access_token};
is(azure($score, '/score', body => '{}', headers =>
         [Authorization => "Bearer $china"])->status, 401,
   'the audience of another cloud');
$e->grant;
$r = azure($score, '/score', body => '{}', headers => \@auth);
is($r->status, 401, 'no role: 401, as in the table of Azure ML');
like($r->body, qr{onlineEndpoints/score/action}, 'no role: the action');
$e->settings(score_refused => 403);
is(azure($score, '/score', body => '{}', headers => \@auth)
   ->json->{error}{code}, 'AuthorizationFailed', 'or 403');
$e->settings(score_refused => 401);

$e->revoke(client_id => $client);
$r = azure($score, '/score', body => '{}', headers => \@auth);
is($r->status, 401, 'revoked');
like($r->header('www-authenticate'), qr/insufficient_claims.*claims="/,
     'with a claims challenge');

$arm = token(scope => 'https://management.azure.com/.default')
    ->json->{access_token};
my @arm = (headers => [Authorization => "Bearer $arm"]);
my $ws = '/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups'
    . '/rg/providers/Microsoft.MachineLearningServices/workspaces/ws';
my $v = 'api-version=2023-10-01';
is(azure('management.azure.com', "$ws?$v", @arm)->json->{error}{code},
   'AuthorizationFailed', 'no role: Resource Manager');
$e->grant('Reader');
is(azure('management.azure.com', "$ws?$v", @arm)->status, 200, 'a reader');
is(azure('management.azure.com', "$ws/jobs/j?$v", @arm, method => 'PUT',
         body => '{}')->status, 403, 'reads only');
$e->grant('AzureML Data Scientist');
is(azure('management.azure.com', "$ws?$v", @arm)->json->{name}, 'ws',
   'a workspace');
is(azure('management.azure.com', $ws, @arm)->json->{error}{code},
   'MissingApiVersionParameter', 'without api-version');
$r = azure('management.azure.com', "$ws/onlineEndpoints/keyed/listKeys?$v",
           @arm, method => 'POST', body => '');
my $key = $r->json->{primaryKey};
ok($key, 'listKeys');
is(azure('keyed.westeurope.inference.ml.azure.com', '/score', body => '{}',
         headers => [Authorization => "Bearer $key"])->status, 200,
   'scoring with a key');
like(azure('management.azure.com', "$ws/onlineEndpoints?$v", @arm)
     ->json->{nextLink}, qr{^https://management\.azure\.com/}, 'nextLink');


# Microsoft's own client

SKIP: {
    system('/usr/bin/python3 -c "import azure.identity" 2>/dev/null') == 0
        or skip 'python3-azure is not installed', 3;
    my $script = $t->write('client.py', <<'PY');
import logging, sys
logging.disable()
from azure.identity import ClientSecretCredential, CertificateCredential
kind, authority, tenant, client, secret = sys.argv[1:]
make = {'secret': lambda: ClientSecretCredential(
            tenant, client, secret, authority=authority,
            disable_instance_discovery=True, instance_discovery=False),
        'certificate': lambda: CertificateCredential(
            tenant, client, secret, authority=authority,
            disable_instance_discovery=True, instance_discovery=False)}
try:
    print(make[kind]().get_token('https://ml.azure.com/.default').token)
except Exception as e:
    print(type(e).__name__, e)
PY
    my $run = sub {
        local $ENV{REQUESTS_CA_BUNDLE} = $e->info('ca');
        open my $f, '-|', '/usr/bin/python3', $script, $_[0],
            $e->info('authority_host'), $tenant, @_[1, 2];
        return join '', <$f>;
    };
    is(eval { claims($run->('secret', $client, $secret))->{appid} }, $client,
       'ClientSecretCredential');
    is(eval { claims($run->('certificate', $e->info('certificate_client_id'),
                            $pem))->{appid} },
       $e->info('certificate_client_id'), 'CertificateCredential');
    like($run->('secret', $client, 'wrong'),
         qr/ClientAuthenticationError.*AADSTS7000215/s,
         'its error is understood');
}

$t->finish;
