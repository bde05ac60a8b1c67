#!/usr/bin/perl

# What Azure refuses: passed on as it is, counted, and told apart from what
# the gateway itself refuses.  What Entra refuses: in status and log, with
# what to do.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->need('http_ssl_module')->module;
my $e = $t->emulator;
my $blocked = 'c0000000-5300-4300-8300-000000000003';
$e->app(client_id => $blocked, name => 'blocked', blocked => \1,
        secrets => [{ value => 'any-secret-will-do' }]);
$t->write('blocked.secret', "any-secret-will-do\n");
$e->endpoint(name => 'failing', auth_mode => 'aad_token', failing => \1,
             deployments => ['blue']);
$e->endpoint(name => 'busy', auth_mode => 'aad_token', busy => \1,
             deployments => ['blue']);

my $who = 'authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;';
my $common = 'policies none; upstreams 127.0.0.1 management.azure.com'
    . ' *.inference.ml.azure.com;';
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_credential app client_secret { %%CREDENTIAL%% scope aml arm; $common }
entra_credential weak client_secret {
    $who client_id %%WEAK_CLIENT%%; client_secret_file %%SECRET_FILE%%;
    scope aml arm; $common
}
entra_credential blocked client_secret {
    $who client_id $blocked; client_secret_file %%DIR%%/blocked.secret;
    scope aml; preload off; $common
}
map \$uri \$azure {
    ~^/fraud    fraud.westeurope.inference.ml.azure.com;
    ~^/failing  failing.westeurope.inference.ml.azure.com;
    ~^/busy     busy.westeurope.inference.ml.azure.com;
    ~^/sub      management.azure.com;
}
upstream azure { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    proxy_set_header Host \$azure;
    proxy_ssl_name \$azure;
    proxy_ssl_session_reuse off;
    entra_wait 2s;
    location /app/ { entra_auth app; rewrite ^/app(/.*) \$1 break;
                     proxy_pass https://azure; }
    location /weak/ { entra_auth weak; rewrite ^/weak(/.*) \$1 break;
                      proxy_pass https://azure; }
    location /arm/ { entra_auth weak scope=arm; rewrite ^/arm(/.*) \$1 break;
                     proxy_pass https://azure; }
    location /wrong/ { entra_auth app scope=arm;
                       rewrite ^/wrong(/.*) \$1 break;
                       proxy_pass https://azure; }
    location /blocked/ { entra_auth blocked; proxy_pass https://azure; }
    location = /entra/status { entra_auth off; entra_status; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->ready(20);

sub ask { return $t->http(uri => $_[0], body => '{"data":[]}', method =>
    $_[1] // 'POST', headers => ['Content-Type' => 'application/json']) }


# the model fails

my $r = ask('/app/failing/score');
is($r->status, 424, '424: passed on');
is($r->header('ms-azureml-model-error-statuscode'), 500,
   "424: with the container's status");
is($r->header('ms-azureml-model-error-reason'), 'model_error',
   '424: and reason');
like($r->body, qr/unexpected error occurred in scoring script/,
     "424: and body");
is($e->count(at => 'upstream.aml'), 1, '424: asked once');


# too many

$r = ask('/app/busy/score');
is($r->status, 429, '429: passed on');
is($r->header('retry-after'), 3, '429: with Retry-After');
is($r->json->{error}{code}, 'TooManyRequests', '429: and body');
is($e->count(at => 'upstream.aml'), 2, '429: asked once');


# Azure RBAC.  A role that is missing is 401 in Azure ML's table of status
# codes, and 403 where ARM's check is what answers: both are passed on.

$e->settings(score_refused => 403);
$r = ask('/weak/fraud/score');
is($r->status, 403, '403: passed on');
is($r->json->{error}{code}, 'AuthorizationFailed', '403: its code');
like($r->json->{error}{message},
     qr{'Microsoft\.MachineLearningServices/workspaces/
        onlineEndpoints/score/action'}x, '403: and the action');
my $ws = '/subscriptions/99999999-9999-4999-8999-999999999999/'
    . 'resourceGroups/rg/providers/Microsoft.MachineLearningServices/'
    . 'workspaces/ws';
$r = ask("/arm$ws/jobs?api-version=1", 'GET');
is($r->status, 403, '403 of Resource Manager: passed on');
like($r->json->{error}{message},
     qr{'Microsoft\.MachineLearningServices/workspaces/jobs/read'},
     'and the action');
unlike($r->header('content-type'), qr/problem/, "it is not the gateway's");
is($e->count(at => 'token', client_id => $t->value('WEAK_CLIENT')), 2,
   'no other token is tried');


# the first mistake of every new user: it leads to the page on roles, and not
# to a new token for each request

my $weak = $t->value('WEAK_CLIENT');
$e->settings(score_refused => 401);
my $n = $e->count(at => 'token', client_id => $weak);
my $mark = length $t->log;
$r = ask('/weak/fraud/score') for 1 .. 5;
is($r->status, 401, '401 without the role: passed on');
like($r->body, qr{onlineEndpoints/score/action}, 'with its text');
is($e->count(at => 'token', client_id => $weak) - $n, 1,
   'one forced fetch, as it could be the token');
my $hint = 'the upstream answered 401 to a new token, too';
like(substr($t->log, $mark), qr{"weak": $hint.*score/action.*azure-ml\.md},
     'the log says what it is');


# a token for something else: 401, and no storm

$n = $e->count(at => 'token');
$r = ask('/wrong/fraud/score') for 1 .. 5;
is($r->status, 401, '401: passed on');
like($r->header('www-authenticate'), qr/error="invalid_token"/,
     "401: with the endpoint's challenge");
cmp_ok($e->count(at => 'token') - $n, '<=', 1, '401: one forced fetch');


# counted

is_deeply($t->credential('app', 'ml')->{upstream},
          { 401 => 0, 403 => 0, 424 => 1, 429 => 1 }, 'JSON: app');
is($t->credential('weak', 'ml')->{upstream}{403}, 1, 'JSON: weak, aml');
is($t->credential('weak', 'management')->{upstream}{403}, 1,
   'JSON: weak, arm');
cmp_ok($t->credential('app', 'management')->{upstream}{401}, '>=', 5,
       'JSON: 401');
my $text = $t->get('/entra/status?format=prometheus')->body;
my $aml = 'scope="https://ml\.azure\.com/\.default"';
like($text, qr/^# TYPE entra_upstream_refused_total counter$/m,
     'Prometheus: the metric');
for (['app', 424, 1], ['app', 429, 1], ['app', 403, 0], ['weak', 403, 1]) {
    my ($name, $status, $count) = @$_;
    like($text, qr/^entra_upstream_refused_total\{credential="$name",$aml,
         status="$status"\}\ $count$/mx, "Prometheus: $name, $status");
}


# blocked by Conditional Access of Entra

$r = ask('/blocked/x');
is($r->status, 503, "53003: the gateway's own answer");
like($r->header('content-type'), qr/problem\+json/, '53003: a problem');
unlike($r->body, qr/AADSTS|53003|blocked/, '53003: the client learns nothing');
my $c = $t->credential('blocked');
is($c->{last_error}{aadsts}, 'AADSTS53003', '53003: in the status');
like($c->{last_error}{text}, qr/blocked by Conditional Access/,
     '53003: with its text');
like($c->{last_error}{text}, qr/Policy: c0a0b1de-53c0-4b1d-[-0-9a-f]+/,
     '53003: and which policy it is');
like($c->{last_error}{correlation_id}, qr/^[0-9a-f-]{36}$/,
     '53003: and the correlation id');
like($t->log, qr/entra credential "blocked".*AADSTS53003/,
     '53003: in the log');
like($t->log, qr/AADSTS53003.*(?:egress address|named location)/i,
     '53003: with what to do');
like($c->{last_error}{advice}, qr/named location/i,
     '53003: also in the status');
like($t->get('/entra/status', headers => [Accept => 'text/html'])->body,
     qr/53003/, '53003: and on the page');
$n = $e->count(at => 'token', client_id => $blocked);
ask('/blocked/x') for 1 .. 3;
cmp_ok($e->count(at => 'token', client_id => $blocked) - $n, '<=', 1,
       '53003: not asked for by each request');
$e->app(client_id => $blocked, blocked => \0);

$t->finish;
