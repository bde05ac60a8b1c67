#!/usr/bin/perl

# Tokens that somebody made up, changed, or got for something else: each is
# 401, also where nobody asked for a token.  Made by lib/attacks.py.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;

plan(skip_all => 'no python3-jwt')
    if system('/usr/bin/python3 -c "import jwt" 2>/dev/null') != 0;

my $audience = '7a7a7a7a-0000-4000-8000-00000000000a';
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
large_client_header_buffers 4 64k;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies anybody;
}
entra_caller_token {
    tenant_id       %%TENANT%%;
    audience        api://gateway $audience;
    authority_host  %%AUTHORITY%%;
}
entra_policy anybody { locations any; grant; }
entra_policy token   { locations any; grant all token; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    entra_wait 60s;
    location / { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /token { entra_policies token;
                      proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->ready;

my $out = $t->dir('attacks.json');
my $iss2 = $t->value('AUTHORITY') . '/' . $t->value('TENANT') . '/v2.0';
my $iss1 = 'https://sts.windows.net/' . $t->value('TENANT') . '/';
is(system("/usr/bin/python3 $FindBin::Bin/lib/attacks.py "
          . "@{[ $t->dir('emulator1') ]} $iss1 $iss2 "
          . "@{[ $t->value('TENANT') ]} $audience > $out"), 0, 'tokens made');

my @cases = @{ JSON::PP::decode_json(slurp($out)) };
cmp_ok(scalar(@cases), '>', 200, scalar(@cases) . ' of them');
my $fetched = $e->count(at => 'keys');
my $sent = $e->count(at => 'upstream');
my $good = 0;
for my $case (@cases) {
    my ($name, $want, $token) = @$case;
    my ($any, $token_) = map {
        $t->get($_, headers => [Authorization => "Bearer $token"])
    } '/', '/token';
    my $got = $any->status . ' ' . $token_->status;
    # what is no header is nginx's to refuse
    $got = '401 401' if $token =~ /[\0-\x1f]/ && $got eq '400 400';
    is($got, "$want $want", $name);
    $good += 2 if $want == 200;
}
is($e->count(at => 'upstream'), $sent + $good,
   'only requests with a good one went on');
# three name a key that there might be, in each worker
cmp_ok($e->count(at => 'keys') - $fetched, '<=', 2 * 3 * 2,
       'and no other key was asked for because of them');
unlike($t->log, qr/eyJ/, 'none is in the log');
unlike($t->log, qr/UNION SELECT|evil\.test\/k/, 'nor what they say of keys');

$t->finish;
