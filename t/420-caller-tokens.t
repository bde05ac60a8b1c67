#!/usr/bin/perl

# Callers that show an access token of Entra's: v1.0 and v2.0, who they are by
# its claims, what they are answered without one, and that it ends here.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;

my $app = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
my $other = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';
my $audience = '7a7a7a7a-0000-4000-8000-00000000000a';
my $oid = '0d0d0d0d-0000-4000-8000-000000000001';
my $group = '96096096-0000-4000-8000-000000000001';
my $wid = '3d3d3d3d-0000-4000-8000-000000000001';

my %callers = (
    app => "token appid=$app;", oid => "token oid=\U$oid;",
    role => 'token roles=Score.Invoke;', group => "token groups=$group;",
    scp => 'token scp=Score.Read;', user => 'token idtyp=user;',
    ownapp => 'token idtyp=app;', cert => 'token azpacr=2;',
    mfa => 'token amr=mfa;', wid => "token wids=$wid;",
    young => 'token max_age=5m;', tenant => 'token tid=%%TENANT%%;',
    both => "token appid=$app roles=Score.Invoke;",
    either => "token oid=$oid; token roles=Score.Invoke;",
    through => "token idtyp=user appid=$app scp=Score.Read;",
);
my ($rules, $places) = ('', '');
my $to = 'proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;';
for my $name (sort keys %callers) {
    $rules .= "entra_caller $name { $callers{$name} }\n"
        . "entra_policy for-$name { callers $name; grant; }\n"
        . "entra_policy but-$name { callers any except $name; grant; }\n";
    $places .= "location /for/$name { entra_policies for-$name; $to }\n"
        . "location /but/$name { entra_policies but-$name; $to }\n";
}
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
large_client_header_buffers 4 64k;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_caller_token {
    tenant_id       %%TENANT%%;
    audience        api://gateway $audience;
    authority_host  %%AUTHORITY%%;
    leeway          1s;
}
entra_policy anybody { locations any; grant; }
entra_policy token   { locations any; grant all token; }
entra_policy strong  { locations any; grant all token amr=mfa; }
entra_policy c1      { locations any; grant all token acrs=c1; }
entra_policy report  { state report_only; locations any; grant all acrs=c1; }
$rules
log_format full '\$uri \$entra_caller \$entra_decision \$entra_decision_json '
    '[\$entra_authorization]';
access_log %%DIR%%/full.log full;
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    add_header X-Caller \$entra_caller always;
    add_header X-Would \$entra_would_deny always;
    location /anybody { entra_policies anybody; $to }
    location /none { $to }
    location /token { entra_policies token; $to }
    location /strong { entra_policies strong; $to }
    location /c1 { entra_policies c1; $to }
    location /report { entra_policies anybody report; $to }
    location /off { entra_auth off; $to }
    location /check { auth_request /token; entra_auth off; $to }
    $places
    location = /entra/status { entra_auth off; entra_status; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->ready;

my %app = (claims => { aud => $audience, idtyp => 'app' });
sub token {
    my ($version, $user, %claims) = @_;
    return $e->mint(version => $version, $user ? (user => \1) : (),
                    claims => { aud => $version == 1 ? 'api://gateway'
                                                     : $audience, %claims });
}
sub ask {
    my ($uri, $token, %o) = @_;
    return $t->get($uri, headers => [defined $token
        ? (Authorization => "Bearer $token") : ()], %o);
}
sub status { return ask(@_)->status }

# both versions, and what the upstream gets
for my $version (1, 2) {
    for my $user (0, 1) {
        my $token = token($version, $user);
        my $what = ($user ? 'a user' : 'an application') . ", v$version";
        for my $n (1 .. 3) {
            my $r = ask('/token', $token);
            is($r->status, 200, "$what: $n") or diag $t->log;
            my @auth = $r->seen('authorization');
            is(scalar @auth, 1, '  one Authorization goes on');
            unlike("@auth", qr/\Q$token/, '  not the caller\'s');
            unlike($r->body, qr/\Q$token/, '  nowhere in the request');
        }
        like(ask('/token', $token)->header('x-caller'),
             qr/^oid=[0-9a-f-]{36} appid=$app$/, '  $entra_caller');
    }
}
my $good = token(2, 0);
is(status('/for/tenant', $good), 200, 'its tenant');
unlike(ask('/none', $good)->body, qr/\Q$good/, 'no policy: not passed on');
unlike(ask('/off', $good)->body, qr/\Q$good/, 'entra_auth off: neither');
is(ask('/check', $good)->status, 200, 'auth_request: the subrequest asks');
is(ask('/check')->status, 401, 'and answers for the request');

# nothing, something else, something bad
for my $uri ('/token', '/for/app') {
    my $r = ask($uri);
    is($r->status, 401, "$uri without a token");
    is($r->header('www-authenticate'), 'Bearer', '  WWW-Authenticate');
    like($r->header('content-type'), qr{application/problem\+json}, '  JSON');
    is($r->json->{status}, 401, '  with the status');
    unlike($r->body, qr/for-app|Score|policy/i, '  and no more');
}
is(status('/anybody'), 200, 'where none is asked for');
is(status('/but/app'), 200, 'nobody is not the app');
for my $basic ('Basic YTpi', 'Digest x', 'Bearerx y', 'x') {
    is($t->get('/anybody', headers => [Authorization => $basic])->status, 200,
       "\"$basic\" is no token");
    is($t->get('/token', headers => [Authorization => $basic])->status, 401,
       '  and does for none');
}
for my $bad ('', 'x', 'x.y.z', 'null', "$good.", "$good x", ".$good",
             "$good,$good", "Bearer $good", substr($good, 0, -8))
{
    for my $uri ('/anybody', '/token', '/but/app') {
        my $r = ask($uri, $bad);
        is($r->status, 401, "$uri: \"" . substr($bad, -20) . '" is invalid');
        is($r->header('www-authenticate'), 'Bearer error="invalid_token"',
           '  and told so');
    }
}
is($t->get('/token', headers => [Authorization => "$_$good"])->status, 200,
   "\"$_\"") for 'bearer ', 'BEARER ', 'Bearer   ';
isnt($t->get('/token', headers => [Authorization => "Bearer $good",
     Authorization => 'Bearer x'])->status, 200, 'two headers');
my $query = token(2, 0);
is($t->get("/token?access_token=$query")->status, 401, 'not in the query');
is($t->get('/token', headers => [Cookie => "token=$good",
    'X-Forwarded-Authorization' => "Bearer $good",
    'X-MS-Client-Principal' => 'eyJ', 'X-Ms-Token-Aad-Access-Token' => $good])
   ->status, 401, 'nor elsewhere');

# who it is
sub is_caller {
    my ($what, $token, %want) = @_;
    for my $name (sort keys %want) {
        my ($for, $but) = (status("/for/$name", $token),
                           status("/but/$name", $token));
        is("$for $but", $want{$name}, "$what: for and but $name");
    }
}
my ($yes, $no, $unknown) = ('200 403', '403 200', '403 403');
is_caller('an application', token(2, 0, roles => ['Score.Invoke', 'X']),
    app => $yes, role => $yes, both => $yes, either => $yes, ownapp => $yes,
    user => $no, scp => $no, group => $no, wid => $no, cert => $no,
    oid => $no, mfa => $no, young => $yes, through => $no);
is_caller('the same, v1', token(1, 0, roles => ['Score.Invoke']),
    app => $yes, role => $yes, both => $yes, ownapp => $yes, cert => $no);
is_caller('another', token(2, 0, azp => $other, oid => $oid,
                           roles => ['score.invoke']),
    app => $no, oid => $yes, role => $no, both => $no, either => $yes);
is_caller('with a certificate', token(2, 0, azpacr => '2'), cert => $yes);
is_caller('v1, with a certificate', token(1, 0, appidacr => '2'),
    cert => $yes);
is_caller('a user of the application',
    token(2, 1, scp => 'User.Read Score.Read', oid => $oid),
    app => $unknown, oid => $yes, scp => $yes, user => $yes, ownapp => $no,
    through => $yes, both => $unknown x 0 || $no);
is_caller('v1, with mfa', token(1, 1, amr => ['pwd', 'mfa'], scp => 'x'),
    mfa => $yes, user => $yes, scp => $no);
is_caller('without mfa', token(1, 1, amr => ['pwd']), mfa => $no);
is_caller('idtyp=user beats none', token(2, 0, idtyp => 'user'),
    app => $unknown, user => $yes, ownapp => $no);
is_caller('it does not tell', token(2, 0, idtyp => undef),
    app => $unknown, user => $unknown, ownapp => $unknown, role => $no);
is_caller('groups', token(2, 1, groups => [$other, uc $group]),
    group => $yes);
is_caller('other groups', token(2, 1, groups => [$other]), group => $no);
my $overage = { groups => 'src1' };
is_caller('overage', token(2, 1, _claim_names => $overage, _claim_sources =>
    { src1 => { endpoint => 'https://graph.windows.net/x' } }),
    group => $unknown);
is_caller('overage of the implicit flow', token(2, 1, hasgroups => \1),
    group => $unknown);
is_caller('overage beside the group', token(2, 1, groups => [$group],
    _claim_names => $overage), group => $yes);
is_caller('roles of the directory', token(2, 1, wids => [$other, $wid]),
    wid => $yes);
is_caller('an old one', token(2, 0, iat => time - 400, nbf => time - 400),
    young => $no);
is_caller('200 groups', token(2, 1, groups => [map {
    sprintf '%08x-0000-4000-8000-000000000000', $_ } 1 .. 199], oid => $oid,
    scp => 'Score.Read'), group => $no, oid => $yes, scp => $yes);
for my $claim (qw(roles groups wids amr acrs)) {
    is(status('/token', token(2, 1, $claim => 'Score.Invoke')), 401,
       "$claim as a string: refused");
    is(status('/token', token(2, 1, $claim => [1])), 401, '  or of numbers');
}
is(status('/token', token(2, 1, scp => ['Score.Read'])), 401, 'scp as a list');
is(status('/token', token(2, 1, oid => 7)), 401, 'oid as a number');

# controls, and stepping up
is(status('/strong', token(1, 1, amr => ['mfa'])), 200, 'amr=mfa is met');
is(status('/strong', token(1, 1, amr => ['pwd'])), 403, 'or not');
is(status('/strong'), 401, 'or cannot be, without a token');
is(status('/c1', token(2, 1, acrs => ['c2', 'c1'])), 200, 'acrs=c1 is met');
is(status('/c1', token(2, 1)), 403, 'or not');
like(ask('/c1', token(2, 1))->body, qr/authentication context.*xms_cc/,
     'and why it is not offered');
like($t->log, qr/only acrs=c1 is missing, and .*xms_cc/, 'which the log says');
my $r = ask('/c1', token(2, 1, xms_cc => ['cp1']));
is($r->status, 401, 'a client that says it can step up');
like($r->body, qr/authentication context.*the claims challenge asks for it/,
     'which the answer says');
like($t->log, qr/only acrs=c1 is missing, and the caller is asked for it/,
     'and the log');
my ($authority, $tid) = @{ $t->{vars} }{qw(AUTHORITY TENANT)};
my ($claims) = ($r->header('www-authenticate') // '')
    =~ m{^Bearer\ authorization_uri="\Q$authority/$tid\E/oauth2/v2\.0/authorize",
         \ client_id="$audience",\ error="insufficient_claims",
         \ claims="(.*)",\ cc_type="authcontext"$}x;
is_deeply(JSON::PP::decode_json(decode_base64($claims // '') || '{}'),
    { access_token => { acrs => { essential => JSON::PP::true,
                                  value => 'c1' } } }, 'is told what for');
$r = ask('/report', token(2, 1, xms_cc => ['cp1']));
is($r->status, 200, 'report-only denies nobody');
is($r->header('x-would'), 'report', 'and says that it would');
is($r->header('www-authenticate'), undef, 'without a challenge');

# dates, with 1 s of leeway
my %dates = (
    'expired' => [[exp => -5], 401], 'not yet' => [[nbf => 30], 401],
    'issued tomorrow' => [[iat => 86400], 401], 'a day' => [[exp => 86400], 200],
);
for my $case (sort keys %dates) {
    my ($claim, $want) = @{ $dates{$case} };
    is(status('/token', token(2, 0, $claim->[0] => time + $claim->[1])),
       $want, "dates: $case");
}
my $short = token(2, 0, exp => time + 3);
is(status('/token', $short), 200, 'three seconds left');
ok(wait_until(sub { status('/token', $short) == 401 }, 10),
   'it expires, though it was seen before');

# for somebody else
for my $aud ('https://management.azure.com', 'https://ml.azure.com',
             '00000003-0000-0000-c000-000000000000', 'api://gateway/',
             'API://GATEWAY', 'api://gatewayx', "$audience/", '', \0)
{
    is(status('/anybody', token(2, 0, aud => $aud)), 401,
       'audience ' . (ref $aud ? 'false' : "\"$aud\""));
}
is(status('/token', token(2, 0, aud => ['api://gateway', $audience])), 200,
   'a list of ours');
is(status('/token', token(2, 0, aud => ['api://gateway', 'x'])), 401,
   'a list that is not all ours');

# sizes
is(status('/token', token(2, 0, x => 'y' x 9_000)), 200, 'a large token');
is(status('/anybody', token(2, 0, x => 'y' x 40_000)), 401, 'one too large');

# nothing of them is written anywhere
my $logs = $t->log . slurp($t->dir('full.log')) . slurp($t->dir('access.log'));
# nginx itself logs what is asked for, and at level info a header it refuses
$logs =~ s/access_token=\Q$query//g;
$logs =~ s/client sent duplicate header line: .*//g;
for my $part (split(/\./, $good), 'eyJ0eX', 'eyJhbG') {
    my $n = () = $logs =~ /\Q$part/g;
    is($n, 0, 'no part of a token in a log: ' . substr $part, 0, 8);
}
like($logs, qr{^/c1 oid=\S+ appid=\S+ deny \{}m, 'who it was is');
like($t->log, qr/denied: the caller's token is invalid/, 'and why not');
unlike($t->get('/entra/status')->body, qr/eyJ/, 'nor in the status');
ok((grep { $_->{credential} // $_->{name} // '' eq 'entra_caller_token' }
    @{ $t->get('/entra/status')->json->{credentials} || [] }),
   'the status tells of the keys') or diag $t->get('/entra/status')->body;

# nginx -t
my $tenant = 'tenant_id 11111111-1111-4111-8111-111111111111;';
my %wrong = (
    '' => qr{has no tenant_id}, $tenant => qr{has no audience},
    'tenant_id contoso.com; audience x;' => qr{is not a GUID},
    'tenant_id common; audience x;' => qr{is not a GUID},
    "$tenant $tenant audience x;" => qr{duplicate "tenant_id"},
    "$tenant audience https://management.azure.com;" => qr{Resource Manager},
    "$tenant audience https://ml.azure.com/;" => qr{Machine Learning},
    "$tenant audience 00000003-0000-0000-c000-000000000000;" => qr{Graph},
    "$tenant audience api://x/.default;" => qr{is a scope},
    "$tenant audience x; leeway 2h;" => qr{leeway is a time},
    "$tenant audience x; leeway -1;" => qr{leeway is a time},
    "$tenant audience x; authority_host http://x;" => qr{https},
    "$tenant audience x; cloud mars;" => qr{unknown cloud},
    "$tenant audience x; issuer y;" => qr{unknown parameter "issuer"},
);
for my $text (sort keys %wrong) {
    $t->refuses("\"$text\"", "entra_caller_token { $text }\n",
                qr/$wrong{$text}.*nginx\.conf:1$/m);
}
for my $key ('upn=a@b.c', 'email=x', 'preferred_username=x', 'appid=x',
             'oid=me', 'idtyp=robot', 'azpacr=3', 'max_age=0', 'foo=x', '')
{
    $t->refuses("token $key", "entra_caller x { token $key; }\n",
                qr/\[emerg\].*nginx\.conf:1$/m);
}
$t->refuses('tokens without entra_caller_token',
            "entra_caller x { token oid=$oid; }\n"
            . "entra_policy p { callers x; grant; }\n",
            qr/"x" asks for a token .* write "entra_caller_token/);
$t->refuses('such a control', "entra_policy p { locations any; "
            . "grant any certificate amr=mfa; }\n", qr/"p" asks for a token/);

$t->finish;
