#!/usr/bin/perl

# Who calls is known to limit_req, limit_conn and the key of a cache, whatever
# policies say: $entra_caller_id is a caller's own, and nobody else has it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use EntraTest qw(wait_until slurp);

my $t = EntraTest->new->module;
my $e = $t->emulator;

my $tenant = $t->value('TENANT');
my $audience = '7a7a7a7a-0000-4000-8000-00000000000a';
my ($anna, $bert, $carl) = map { "0d0d0d0d-0000-4000-8000-00000000000$_" }
    1 .. 3;
my $to = 'proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;';
my $http = <<"EOC";
entra_trusted_certificate %%CA%%;
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
}
entra_policy token { locations any; grant all token; }
map \$http_x_role \$role { default \$entra_caller_id; }
limit_req_zone  \$entra_caller_id zone=ids:1m rate=1r/m;
limit_req_zone  \$entra_caller zone=names:1m rate=1r/m;
limit_req_zone  \$entra_caller_id zone=open:1m rate=1r/m;
limit_conn_zone \$entra_caller_id zone=conns:1m;
limit_req_status 429;
limit_conn_status 429;
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
log_format id '\$uri \$entra_caller_id';
access_log %%DIR%%/id.log id;
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    entra_wait 60s;
    add_header X-Id \$entra_caller_id always;
    add_header X-Caller \$entra_caller always;
    add_header X-Role \$role always;
    add_header X-Cache \$upstream_cache_status always;
    location /none { $to }
    location /off { entra_auth off; return 200 off; }
    location /token { entra_policies token; $to }
    location /ids { limit_req zone=ids; entra_policies token; $to }
    location /names { limit_req zone=names; entra_policies token; $to }
    location /open { limit_req zone=open; $to }
    location /conns { limit_conn conns 1; entra_policies token; $to }
    location /cached { proxy_cache c; proxy_cache_valid 200 1h;
                       proxy_cache_key "\$uri \$entra_caller_id"; $to }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->start($http);
ok(wait_until(sub { $t->get('/entra/ready')->status == 200 }), 'ready');

sub token {
    my ($oid, %o) = @_;
    my $version = delete $o{version} // 2;
    return $e->mint(version => $version, claims => {
        aud => $version == 1 ? 'api://gateway' : $audience, oid => $oid,
        %{ delete $o{claims} // {} } }, %o);
}
sub ask {
    my ($uri, $token) = @_;
    return $t->get($uri, headers => defined $token
                   ? [Authorization => "Bearer $token"] : []);
}
sub status { return ask(@_)->status }
sub id { return ask(@_)->header('x-id') }

# what it is
my %good = (
    'v2.0' => token($anna), 'v1.0' => token($anna, version => 1),
    'another token' => token($anna), 'a user' => token($anna, user => \1));
for my $uri ('/none', '/off', '/token') {
    is(id($uri, $good{$_}), "oid:$tenant/$anna", "$uri: of $_")
        for sort keys %good;
    is(id($uri, token($bert)), "oid:$tenant/$bert", "$uri: another one's");
}
is(ask('/none', $good{'v2.0'})->header('x-role'), "oid:$tenant/$anna",
   'behind a map');
like(ask('/none', $good{'v2.0'})->header('x-caller'), qr/^oid=$anna appid=/,
     '$entra_caller where nothing is decided');
is(id('/none', token(undef, claims => { sub => 'a/b c' })),
   "sub:$tenant/a%2Fb%20c", 'a token without oid');

# who is nobody
my $stranger = '22222222-2222-4222-8222-222222222222';
my %bad = (
    nonsense => 'x.y.z', forged => token($anna, key => 'foreign'),
    'alg none' => token($anna, alg => 'none'),
    expired => token($anna, claims => { exp => int time - 7200 }),
    'for others' => token($anna, claims => { aud => 'api://other' }),
    "another tenant's" => token($anna, claims => { tid => $stranger }),
    'another issuer of the same oid' => token($anna, claims => {
        tid => $stranger,
        iss => $t->value('AUTHORITY') . "/$stranger/v2.0" }),
    'an unknown key' => token($anna, header => { kid => 'nobody-has-it' }),
);
for my $name (sort keys %bad) {
    is(id('/none', $bad{$name}), 'invalid:127.0.0.1', "$name: is nobody");
    isnt(ask('/none', $bad{$name})->header('x-caller') =~ /oid=/, 1,
         '  and has no name');
}
is(id('/none'), 'none:127.0.0.1', 'no token');
is(ask('/none')->header('x-caller'), '-', '  no name');
is(ask('/token', $bad{nonsense})->status, 401, 'a policy refuses it');
ok(wait_until(sub { slurp($t->dir('id.log'))
                    =~ m{^/token invalid:127\.0\.0\.1$}m }), 'in the log');

# rates: garbage uses up its own
for my $uri ('/ids', '/names') {
    my @got = map { $_->status } $t->many(30, uri => $uri, each => sub {
        (headers => [Authorization => "Bearer x.y.$_[0]"]) });
    is(scalar(grep { $_ != 401 && $_ != 429 } @got), 0, "$uri: garbage");
    cmp_ok(scalar(grep { $_ == 429 } @got), '>', 20, '  is limited');
    my ($a, $again) = (token($anna), token($anna));
    is(status($uri, $a), 200, '  a caller is not');
    is(status($uri, $a), 429, '  his second request is');
    is(status($uri, $again), 429, '  with another token too');
    is(status($uri, token($bert)), 200, '  another caller is not');
    is(status($uri, token($anna, key => 'foreign')), 429,
       '  whoever claims to be him uses up nothing of his');
}
is(status('/open', token($carl)), 200, 'policies none: one');
is(status('/open', token($carl)), 429, '  limited');
is(status('/open', token($anna)), 200, '  another');
is(status('/open'), 200, '  nobody, of this address');

# a token is looked at once, also where limits, policies and a log ask
my $before = () = $t->log =~ /the caller's token is refused/g;
status('/token', 'once.only.x') for 1 .. 3;
my $after = () = $t->log =~ /the caller's token is refused/g;
is($after - $before, 3, 'a token is looked at once');

# concurrency
$e->fault({ at => 'upstream', path => '/conns', delay => 6 });
my @two = (token($anna), token($anna), token($bert), token($carl));
my @got = $t->many(4, uri => '/conns', each => sub {
    (headers => [Authorization => "Bearer $two[$_[0]]"]) });
is(join(' ', sort map { $_->status } @got[0, 1]), '200 429',
   'two at once of one caller');
is(join(' ', map { $_->status } @got[2, 3]), '200 200', '  one of others');
$e->clear_faults;

# a key that has to be fetched: the limit waits to know who it is
$e->rotate_keys(keep => \1);
my $dora = '0d0d0d0d-0000-4000-8000-000000000004';
my $r = ask('/ids', token($dora));
is($r->status, 200, 'a new key');
is($r->header('x-id'), "oid:$tenant/$dora", '  is known to the limit');
is(status('/ids', token($dora)), 429, '  that counts it as hers');

# many that wait for keys: the rest is limited as unknown
$e->fault({ at => 'discovery', delay => 3 });
my @crowd = map { token($anna, header => { kid => "crowd-$_" }) } 1 .. 300;
@got = $t->many(300, uri => '/ids', each => sub {
    (headers => [Authorization => "Bearer $crowd[$_[0]]"]) });
is(scalar(grep { $_->status != 401 && $_->status != 429 } @got), 0,
   'a crowd with made up keys');
ok(wait_until(sub { slurp($t->dir('id.log'))
                    =~ m{^/ids unknown:127\.0\.0\.1$}m }),
   '  does not all wait before limits');
$e->clear_faults;
is(status('/names', token($carl)), 200, '  and others are served');

# a cache
sub cached { my $r = ask('/cached', @_); return $r->header('x-cache') }
is(cached(token($anna)), 'MISS', 'a cache: first');
is(cached(token($anna)), 'HIT', '  the same caller');
is(cached(token($bert)), 'MISS', '  another caller');
is(cached(), 'MISS', '  nobody');
is(cached($bad{$_}), $_ eq (sort keys %bad)[0] ? 'MISS' : 'HIT',
   "  $_: never a caller's") for sort keys %bad;
is(cached(token(undef, claims => { sub => "$anna" })), 'MISS',
   '  a subject that is named like an object');

# what nginx -t says of a cache that could answer with another one's
sub says {
    my ($location, $server) = @_;
    return $t->check(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_caller_token { tenant_id %%TENANT%%; audience $audience;
                     authority_host %%AUTHORITY%%; }
entra_caller shop { token oid=$anna; }
entra_caller till { certificate san_dns=till.example; }
entra_caller both { certificate san_dns=till.example token oid=$anna; }
entra_policy all  { locations any; grant; }
entra_policy shop { callers shop; grant; }
entra_policy till { callers till; grant; }
entra_policy both { callers both; grant; }
entra_policy but  { callers any except shop; grant; }
entra_policy report { state report_only; callers shop; grant; }
entra_policy soon { state report_only until=2999-01-01; callers shop; grant; }
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies all;
}
entra_credential obo on_behalf_of {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies all;
}
map \$http_x_which \$which { default app; o obo; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    @{[ $server // '' ]}
    location /x { $location $to }
}
EOC
}
my $on = 'proxy_cache c;';
my $by = 'proxy_cache_key "$uri $entra_caller_id";';
my $http_by = 'proxy_cache_key "$uri ${http_authorization}";';
my $cert = 'proxy_cache_key $uri$ssl_client_fingerprint;';
my ($app, $obo) = map { "entra_auth $_;" } qw(app obo);
my %sound = (
    'no cache' => $obo, 'off' => "$obo proxy_cache off;",
    'answers for all' => "$app $on",
    'on_behalf_of, by caller' => "$obo $on $by",
    'on_behalf_of, by header' => "$obo $on $http_by",
    'callers' => "$app $on $by entra_policies shop till;",
    'callers by token' => "$app $on $http_by entra_policies shop but;",
    'callers by certificate' => "$app $on $cert entra_policies till;",
    'a caller of both' => "$app $on $cert entra_policies both;",
    'report-only' => "$app $on entra_policies report;",
);
for my $name (sort keys %sound) {
    my ($ok, $out) = says($sound{$name});
    ok($ok, "nginx -t: $name") or diag $out;
    unlike($out, qr/the cache of location/, '  without a word');
}
my %wrong = (
    'on_behalf_of' => "$obo $on",
    'by address' => "$obo $on proxy_cache_key \$uri\$remote_addr;",
    'by a name' => "$obo $on proxy_cache_key \$uri\$entra_caller;",
    'by mere text' => "$obo $on proxy_cache_key \${uri}entra_caller_id;",
    'by certificate' => "$obo $on $cert",
    'on_behalf_of by a variable' => "entra_auth \$which; $on",
    'a cache of a variable' => "$obo proxy_cache \$http_x_zone;",
    'callers' => "$app $on entra_policies shop;",
    'callers but' => "$app $on entra_policies but;",
    'callers by certificate, key by token' =>
        "$app $on $http_by entra_policies till;",
    'callers by token, key by certificate' =>
        "$app $on $cert entra_policies shop;",
    'one day' => "$app $on entra_policies soon;",
);
for my $name (sort keys %wrong) {
    my ($ok, $out) = says($wrong{$name});
    ok(!$ok, "nginx -t: $name");
    like($out, qr/\[emerg\].*cache of location "\/x".*\$entra_caller_id/,
         '  says what to write');
}
my ($ok, $out) = says("$obo entra_policies all;", $on);
ok(!$ok && $out =~ /cache of location "\/x"/, 'nginx -t: inherited');
($ok, $out) = says("$obo", "$on $by");
ok($ok, '  with its key') or diag $out;
($ok, $out) = says("$obo proxy_cache_key \$uri;", "$on $by");
ok(!$ok, '  that the location replaces');
($ok, $out) = says("$obo proxy_cache off;", $on);
ok($ok, '  but not used') or diag $out;

# keys that cannot be fetched: a value of the address, no error
$e->fault({ at => 'keys', status => 500, body => 'x' },
          { at => 'discovery', status => 500, body => 'x' });
$t->stop;
$t->start($http =~ s/entra_wait 60s/entra_wait 1s/r);
is(id('/none', token($anna)), 'unknown:127.0.0.1', 'no keys: unknown');
is(status('/token', token($anna)), 503, '  503 by a policy');
is(id('/none', 'x.y.z'), 'invalid:127.0.0.1', '  garbage is garbage');
$e->clear_faults;

$t->finish;
