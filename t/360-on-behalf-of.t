#!/usr/bin/perl

# on_behalf_of through a real nginx: each caller's own token is exchanged, for
# that caller alone.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use MIME::Base64 'decode_base64url';
use Time::HiRes 'time';

my $t = EntraTest->new->module;
my $e = $t->emulator;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_caller_token {
    tenant_id $tenant; audience $client; authority_host %%AUTHORITY%%;
}
entra_credential behalf on_behalf_of {
    %%CREDENTIAL%%
    scope https://management.azure.com/user_impersonation;
    upstreams 127.0.0.1;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 30s;
    location / { entra_auth behalf; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

sub visitor {
    my ($oid, %o) = @_;
    my $claims = delete $o{claims} // {};
    return $e->mint(user => \1, scope => 'access_as_user', %o, claims => {
        aud => $client, oid => $oid, sub => $oid, name => $oid,
        preferred_username => "$oid\@example.com", %$claims });
}

sub ask {
    my ($token, $uri) = @_;
    return $t->get($uri // '/',
                   headers => [Authorization => "Bearer $token"]);
}

sub exchanges { return grep { ($_->{form}{grant_type} // '') =~ /jwt-bearer/ }
                $e->requests(at => 'token') }


# --- each caller's own

$t->ready(30, 'nothing to fetch ahead of callers');
my $alice = visitor('alice');
my $bob = visitor('bob');

my $r = ask($alice);
is($r->status, 200, 'Alice: an answer') or diag $t->log;
is(claims($r)->{oid}, 'alice', 'of whom the token is');
like(claims($r)->{aud}, qr/management\.azure\.com/, 'and for what');
unlike(($r->seen('authorization'))[0], qr/\Q$alice/,
       'her own does not reach the upstream');
my ($sent) = map { $_->{form} } $e->requests(at => 'token', last => 1);
is($sent->{assertion}, $alice, 'it was exchanged');
is($sent->{requested_token_use}, 'on_behalf_of', 'on behalf of her');

$r = ask($bob);
is(claims($r)->{oid}, 'bob', 'Bob: his own');

# the same caller again, in both workers, with other words
$e->forget;
is(claims(ask($alice))->{oid}, 'alice', 'Alice again') for 1 .. 10;
$r = $t->get('/', headers => [Authorization => "bearer   $alice "]);
is(claims($r)->{oid}, 'alice', 'with blanks around her token');
is($e->count(at => 'token'), 0, 'no exchange for a token that is held');

# all at once
my @visitors = map { visitor("caller$_") } 1 .. 12;
my @r = $t->many(96, each => sub { (uri => '/', headers => [Authorization =>
    "Bearer $visitors[$_[0] % 12]"]) });
is((grep { claims($r[$_])->{oid} eq 'caller' . (1 + $_ % 12) } 0 .. 95), 96,
   'nobody gets another one\'s token');
is($e->count(at => 'token'), 12, 'one exchange for each of them');


# --- callers without a token that is good

$e->forget;
for (
    ['none', []],
    ['another scheme', [Authorization => 'Basic YTpi']],
    ['no token', [Authorization => 'Bearer ']],
    ['garbage', [Authorization => 'Bearer abc']],
    ['expired', [Authorization => 'Bearer '
                 . visitor('alice', claims => { exp => time - 3600 })]],
    ['another audience', [Authorization => 'Bearer '
                          . visitor('alice', claims => { aud => 'other' })]],
    ['another key', [Authorization => 'Bearer '
                     . visitor('alice', key => 'foreign')]],
    ['unsigned', [Authorization => 'Bearer '
                  . visitor('alice', alg => 'none')]],
) {
    my ($what, $headers) = @$_;
    my $r = $t->get('/', headers => $headers);
    is($r->status, 401, "$what: refused");
    like($r->header('www-authenticate'), qr/^Bearer/, "$what: and how");
}
is($e->count(at => 'token'), 0, 'nothing of it was sent to Entra');
is($t->get('/', headers => [Authorization => "Bearer $alice", Authorization =>
    "Bearer $bob"])->status =~ /^4/ ? 1 : 0, 1, 'two of them: refused');


# --- Entra refuses one caller: the others go on

$e->fault({ at => 'token', error => 500133, times => 1 });
my $carol = visitor('carol');
$r = ask($carol);
is($r->status, 401, 'an assertion that is out of its time');
cmp_ok($r->{time}, '<', $t->seconds(6), 'waits for no retry');
is(ask($carol)->status, 401, 'nor the next time');
like($r->header('www-authenticate'), qr/^Bearer.*error="invalid_token"/,
     'get another one');
is(claims(ask($alice))->{oid}, 'alice', 'Alice goes on');
$e->clear_faults;

# Entra wants something of one caller, who is told what; it is not told to get
# an equal token, which would be refused like this one

my $challenge = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
my $capolids = '{"access_token":{"capolids":{"values":["p"]}}}';

for (
    # invalid_grant with claims: AzureAD/microsoft-authentication-library-for-js
    # issue 5491; interaction_required: earlier
    ['multifactor', 'invalid_grant', 'basic_action', 50076, $challenge,
     401, 'insufficient_claims', 'interactively', 'multifactor'],
    ['multifactor, as it was', 'interaction_required', undef, 50076,
     $challenge, 401, 'insufficient_claims', 'interactively', 'multifactor'],
    ['a policy, with claims', 'invalid_grant', 'message_only', 53003,
     $capolids, 401, 'insufficient_claims', 'policy',
     'blocks this user, not the application'],
    ['multifactor without claims', 'invalid_grant', 'basic_action', 50079,
     undef, 401, 'insufficient_user_authentication', 'interactively',
     'multifactor'],
    ['an unknown number', 'invalid_grant', undef, 4711, undef, 401,
     'insufficient_user_authentication', 'interactively', 'only the user'],
    # MicrosoftDocs/azure-docs issue 39189
    ['consent', 'invalid_grant', 'consent_required', 65001, undef, 403, undef,
     'consented', 'Grant admin consent'],
    ['a policy', 'invalid_grant', 'message_only', 53003, undef, 403, undef,
     'policy', 'blocks this user, not the application'],
    ['an assignment', 'invalid_grant', undef, 50105, undef, 403, undef,
     'policy', 'assign the user'],
    ['a session that was revoked', 'invalid_grant', 'bad_token', 50173, undef,
     401, 'invalid_token', 'another one', 'get a new token'],
    # MicrosoftDocs/azure-docs issue 16399
    ['a dead assertion', 'invalid_grant', undef, '70002,500133', undef, 401,
     'invalid_token', 'another one', 'get a new one'],
) {
    my ($what, $error, $suberror, $codes, $claims, $status, $challenged,
        $detail, $log) = @$_;
    my @codes = split /,/, $codes;
    $e->fault({ at => 'token', status => 400, json => {
        error => $error, error_codes => [map { 0 + $_ } @codes],
        error_description => "AADSTS$codes[0]: $what",
        $suberror ? (suberror => $suberror) : (),
        $claims ? (claims => $claims) : () } });
    my $dave = visitor("dave-$codes");
    $e->forget;
    my $mark = length $t->log;
    my $r = ask($dave);
    is($r->status, $status, "$what: $status");
    my $header = $r->header('www-authenticate') // '';
    my ($told) = $header =~ /error="([^"]+)"/;
    is($told, $challenged, "$what: " . ($challenged // 'no challenge'));
    my ($given) = $header =~ /claims="([^"]+)"/;
    is($given && decode_base64url($given), $claims, "$what: its claims");
    like($r->body, qr/"detail":"[^"]*\Q$detail/, "$what: says so");
    unlike($r->body, qr/AADSTS|dave/, "$what: and no more");
    like(substr($t->log, $mark), qr/"behalf".*AADSTS$codes[-1].*\Q$log/,
         "$what: the log says what to do");

    # an equal token is not asked for again, in no worker
    ask($dave) for 1 .. 6;
    is($e->count(at => 'token'), 1, "$what: Entra is asked once");
    is(claims(ask($bob))->{oid}, 'bob', "$what: Bob goes on");
    $e->clear_faults;
}

# what is wrong with the gateway is not the caller's fault
$e->fault({ at => 'token', error => 7000215 });
$r = ask(visitor('erin'));
is($r->status, 503, 'a secret that is refused');
ok($r->header('retry-after'), 'is the gateway\'s');
is(claims(ask($alice))->{oid}, 'alice', 'Alice goes on');
$e->clear_faults;


# --- their life

$e->settings(expires_in => 4);
my $frank = visitor('frank');
my $first = (ask($frank)->seen('authorization'))[0];
ok(wait_until(sub {
    my $r = ask($frank);
    $r->status == 200 && ($r->seen('authorization'))[0] ne $first;
}, 15), 'one that ends is exchanged anew');
$e->settings(expires_in => 3600);

# refused by the upstream
my $grace = visitor('grace');
$first = (ask($grace)->seen('authorization'))[0];
$r = ask($grace, '/?status=401');
isnt(($r->seen('authorization'))[0], $first, 'refused: exchanged anew');
is(claims($r)->{oid}, 'grace', 'hers');

# how many are kept is bounded, and there is room for those who come
$e->forget;
my $n = 1500;
my $ok = 0;
for my $part (0 .. 29) {
    my @some = map { visitor("many$part-$_") } 1 .. 50;
    my @r = $t->many(50, each => sub { (uri => '/', headers => [
        Authorization => "Bearer $some[$_[0]]"]) });
    $ok += grep { claims($r[$_])->{oid} eq "many$part-" . ($_ + 1) } 0 .. 49;
}
is($ok, $n, "$n callers, one after the other");
is(claims(ask($alice))->{oid}, 'alice', 'Alice, after all of them');

# nginx repeats a duplicate header itself
unlike($t->log =~ s/^.*duplicate header line.*$//mgr, qr/eyJ/,
       'no token in the log');
my $page = $t->get('/entra/status')->body;
unlike($page, qr/eyJ|alice/, 'nor in the status');
cmp_ok(length $page, '<', 20000, 'which callers do not fill');

$t->finish;
