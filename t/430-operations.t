#!/usr/bin/perl

# Policies about what is done: method and path, actions of Azure RBAC,
# presets, the deployment header; judged as the upstream receives them.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;

# a credential for each policy; X-Cred says which
my %policy = (
    score       => 'operations "POST /score"; grant;',
    get         => 'operations "GET /a/*"; grant;',
    head        => 'operations "HEAD /a/*"; grant;',
    methods     => 'operations "PUT,DELETE /a/*/b"; grant;',
    every       => 'operations "* /a/*"; grant;',
    named       => 'operations two; grant;',
    but         => 'operations any except two; grant;',
    'arm-score' => 'operations arm Microsoft.MachineLearningServices/'
                 . 'workspaces/onlineEndpoints/score/action; grant;',
    'arm-read'  => 'operations arm Microsoft.MachineLearningServices/'
                 . 'workspaces/*/read; grant;',
    'arm-wide'  => 'operations arm Microsoft.MachineLearningServices/'
                 . 'workspaces/onlineEndpoints/*/action; grant;',
    'p-score'   => 'operations preset score; grant;',
    'p-read'    => 'operations preset read; grant;',
    'p-secrets' => 'operations preset secrets; grant;',
    'p-escape'  => 'operations preset escape; grant;',
    blue        => 'operations "POST /score"; deployments blue; grant;',
    undeployed  => 'operations "POST /score"; deployments none; grant;',
);
my @block = ('no-secrets' => 'operations preset secrets preset escape; block;',
             'no-put' => 'operations "PUT /a/*"; block;');
my $rules = '';
for my $name (sort keys %policy) {
    $rules .= "entra_policy $name { $policy{$name} }\n"
        . credential($name, $name);
}
$rules .= "entra_policy everything { grant; }\n" . credential("free", "everything");
while (my ($name, $text) = splice @block, 0, 2) {
    $rules .= "entra_policy $name { $text }\n"
        . credential($name, "everything $name");
}
sub credential {
    my ($name, $policies) = @_;
    return "entra_credential $name client_secret { %%CREDENTIAL%%\n"
        . "scope aml; upstreams 127.0.0.1; policies $policies; }\n";
}

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_operations two { "GET /a/x"; arm Microsoft.Compute/*/read;
                       preset secrets; }
$rules
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream localhost { server 127.0.0.1:%%PORT3%%; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
log_format ops escape=none '\$entra_operation|\$entra_decision|\$entra_denied_by';
access_log %%DIR%%/ops.log ops;
map \$request_length \$from_body { volatile; default /a/x;
                                  "~^[0-9]{4}" /secret; }
map \$request_length \$method_body { volatile; default GET;
                                    "~^[0-9]{4}" DELETE; }
underscores_in_headers on;
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    proxy_ssl_name echo.test;
    entra_auth \$http_x_cred;
    location / { proxy_pass https://echo.test; }
    location /method { proxy_method \$http_x_method;
                       rewrite ^/method(/.*) \$1 break;
                       proxy_pass https://echo.test; }
    location /put { proxy_method PUT; rewrite ^/put(/.*) \$1 break;
                    proxy_pass https://echo.test; }
    location /body { mirror /mirror;
                     proxy_pass https://echo.test\$from_body; }
    location /body-method { mirror /mirror;
                     rewrite ^ /a/x break; proxy_method \$method_body;
                     proxy_pass https://echo.test; }
    location = /mirror { internal; entra_auth off; return 204; }
    location /cached/ { proxy_cache c; proxy_cache_valid 1m;
                        proxy_pass https://echo.test/a/; }
    location /as-blue { rewrite ^ /score break;
        proxy_set_header Authorization \$entra_authorization;
        proxy_set_header azureml-model-deployment blue;
        proxy_pass https://echo.test; }
    location /as-green { rewrite ^ /score break;
        proxy_set_header Authorization \$entra_authorization;
        proxy_set_header AzureML-Model-Deployment green;
        proxy_pass https://echo.test; }
    location /as-arg { rewrite ^ /score break;
        proxy_set_header Authorization \$entra_authorization;
        proxy_set_header azureml-model-deployment \$arg_d;
        proxy_pass https://echo.test; }
    location /as-none { rewrite ^ /score break;
        proxy_set_header Authorization \$entra_authorization;
        proxy_set_header azureml-model-deployment "";
        proxy_pass https://echo.test; }
    location /without { rewrite ^ /score break;
        proxy_pass_request_headers off;
        proxy_pass https://echo.test; }
    location /own { rewrite ^/own(/.*) \$1 break;
        proxy_set_header Authorization \$entra_authorization;
        proxy_pass https://echo.test; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
server {
    listen 127.0.0.1:%%PORT2%% http2;
    proxy_method GET;
    location / { include %%GRPC%%; entra_auth \$http_x_cred;
                 grpc_pass grpcs://localhost; }
}
server {
    listen 127.0.0.1:%%PORT3%% ssl http2;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    location / { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
}
EOC
$t->ready;

# the answer, and whether a token arrived: "200 token", "403"
sub does {
    my ($cred, $line, @headers) = @_;

    my ($method, $uri) = split / /, $line, 2;
    my $before = tokens();
    my $r = $t->http(method => $method, uri => $uri,
                     headers => ['X-Cred' => $cred, @headers],
                     $method =~ /POST|PUT|PATCH/ ? (body => 'x') : ());
    my $n = tokens() - $before;
    return $r->status . ($n ? " token" x $n : '');
}
my $seen = 0;
sub tokens {
    $seen += grep { sent($_, 'authorization') } news();
    return $seen;
}
my $last = 0;
sub news {
    my @r = $e->requests(at => 'upstream', since => $last);
    $last = $r[-1]{n} if @r;
    return @r;
}
sub allows {
    my ($cred, @lines) = @_;
    is(does($cred, $_), '200 token', "$cred: $_") for @lines;
}
sub denies {
    my ($cred, @lines) = @_;
    like(does($cred, $_), qr/^40[03]$/, "$cred: not $_") for @lines;
}

# method and path
allows(score => 'POST /score', 'POST /score?x=/other', 'POST /score?',
       'POST /%73core');
denies(score => 'GET /score', 'POST /score/', 'POST /Score', 'POST /scores',
       'POST /score/x', 'POST /', 'PUT /score', 'OPTIONS /score',
       'POST /x?/score', 'POST /scor%65%2e' =~ s/%2e//r . '/', 'FOO /score');
allows(get => 'GET /a/x', 'GET /a/x/y', 'GET /a/b%20c', 'HEAD /a/x');
denies(get => 'GET /a', 'GET /a/', 'GET /A/x', 'POST /a/x', 'GET /ab/x',
       'DELETE /a/x', 'PROPFIND /a/x');
allows(head => 'HEAD /a/x');
denies(head => 'GET /a/x');
allows(methods => 'PUT /a/x/b', 'DELETE /a/x/b');
denies(methods => 'PUT /a/x/y/b', 'PUT /a/b', 'GET /a/x/b', 'PATCH /a/x/b');
allows('every' => 'GET /a/x', 'DELETE /a/x', 'FOO /a/x', 'PURGE /a/x');
allows(named => 'GET /a/x', 'POST /x/listKeys');
denies(named => 'GET /a/y', 'POST /a/x');
denies(but => 'GET /a/x', 'POST /x/listKeys', 'GET /A/X');
allows(but => 'GET /a/y', 'POST /a/x');
denies('no-put' => 'PUT /a/x', 'PUT /A/X', 'PUT /a/%58/', 'PUT /%41/x');
allows('no-put' => 'PUT /b', 'POST /a/x');
is(does('every' => 'get /a/x'), 400, 'methods in lower case are refused by nginx');
is(does('every' => 'Get /a/x'), 400, 'in either');
is(does('every' => ('A' x 9000) . ' /a/x'), 414, 'endless ones too');

# Resource Manager
my $ws = '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups'
    . '/g/providers/Microsoft.MachineLearningServices/workspaces/w';
my $ep = "$ws/onlineEndpoints/fraud";
my $v = '?api-version=2024-04-01';
allows('arm-score' => "POST $ep/score$v", 'POST ' . lc("$ep/score") . $v,
       'POST ' . uc("$ep/score"), "POST $ep/SCORE/");
denies('arm-score' => "POST $ep/listKeys$v", "GET $ep/score", "POST $ep",
       "POST $ws/onlineEndpoints/score", "POST $ep/token",
       "POST $ws/batchEndpoints/fraud/score", 'POST /score', 'POST /batch',
       "POST $ep/listKeys?x=/score", "POST $ep/score/providers/x/y",
       "POST $ep/deployments/score", "PUT $ep/score",
       "POST $ep%2fscore",
       "POST $ep/%E2%84%AAscore", "POST $ws/onlineEndpoints/fraud//score",
       "POST $ws/../w/onlineEndpoints/fraud/score",
       "POST /providers/Microsoft.MachineLearningServices/score");
allows('arm-wide' => "POST $ep/score", "POST $ep/listKeys", "POST $ep/token");
allows('arm-read' => "GET $ep", "HEAD $ep", "GET $ws/jobs/j",
       "GET $ep/deployments/blue");
denies('arm-read' => "PUT $ep", "POST $ep/score", "GET /subscriptions/s",
       "GET /subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/"
       . "virtualMachines/v", "OPTIONS $ep", "MERGE $ep",
       "GET $ws/providers/Microsoft.Authorization/roleAssignments/r",
       "GET $ws/jobs/providers");

# presets
allows('p-score' => 'POST /score', "POST $ep/score",
       'POST /v2/models/m/infer', 'POST /v1/chat/completions');
denies('p-score' => 'GET /score', 'POST /score/x', "POST $ep/listKeys",
       'POST /v2/repository/models/m/load', "POST $ws/score");
allows('p-read' => 'GET /x', "GET $ep", 'HEAD /x');
denies('p-read' => 'POST /x', "GET $ws/secrets", 'GET /secrets/name',
       'GET /Secrets/name', "GET $ws/metadata/m/secrets/s", "PUT $ep",
       "GET $ws/listNotebookAccessToken", 'DELETE /x');
my @secrets = ("POST $ep/listKeys", "POST $ep/LISTKEYS", "POST $ep/token",
    "POST $ep/regenerateKeys", "POST $ws/listStorageAccountKeys",
    "POST $ws/datastores/d/listSecrets",
    "POST $ws/connections/c/listsecrets", "POST $ws/computes/c/listKeys",
    "POST $ws/environments/e/readSecrets",
    "GET $ws/listNotebookAccessToken", 'GET /secrets/db',
    "POST $ws/serverlessEndpoints/s/listKeys");
my @escape = ('POST /batch', 'POST /BATCH/', "POST /batch$v",
    'PUT /subscriptions/s/resourcegroups/g/providers/Microsoft.Resources'
    . '/deployments/d',
    "PUT $ws/providers/Microsoft.Authorization/roleAssignments/r",
    'POST /providers/Microsoft.ResourceGraph/resources',
    'POST /subscriptions/s/resourceGroups/g/moveResources',
    'POST /v1.0/$batch', 'POST /v1.0/%24batch');
allows('p-secrets' => @secrets);
allows('p-escape' => @escape);
denies('no-secrets' => @secrets, @escape, "POST $ep/listKey%73",
       "POST $ep/list%E2%84%AAeys", "POST $ep/token/");
allows('no-secrets' => "POST $ep/score", "GET $ep", 'POST /score');

# the method that is sent
is(does(get => 'POST /method/a/x', 'X-Method' => 'GET'), '200 token',
   'proxy_method: the one that is sent counts');
is(does(get => 'GET /method/a/x', 'X-Method' => 'DELETE'), 403,
   'and not the one that came');
is(does(get => 'GET /method/a/x', 'X-Method' => 'get'), 403,
   'in the letter case in which it is sent');
is(does(get => 'GET /put/a/x'), 403, 'a fixed one');
is(does(methods => 'GET /put/a/x/b'), '200 token', 'allowed');

# values that change when the body is there
for my $uri ('/body', '/body-method') {
    is(body($uri, 'good'), '200 1', "$uri: what the body allows");
    is(body($uri, 'x' x 2000), '403 0', "$uri: what it does not");
}
sub body {
    my ($uri, $body) = @_;
    my $before = tokens();
    my $r = $t->http(method => 'POST', uri => $uri, body => $body, headers => [
        'X-Cred' => $uri eq '/body' ? 'every' : 'get']);
    return $r->status . ' ' . (tokens() - $before);
}

# a HEAD that the cache makes a GET
is(does(get => 'HEAD /cached/x'), '200 token', 'HEAD, as GET, allowed');
is(does(head => 'HEAD /cached/y'), '403', 'HEAD, as GET, not');
is((grep { $_->{method} eq 'HEAD' } $e->requests(at => 'upstream',
    path => '/a/x', last => 1)), 0, 'the upstream got a GET');

# the deployment
my $d = 'azureml-model-deployment';
is(does(blue => 'POST /score', $d => 'blue'), '200 token', 'deployment');
is(does(blue => 'POST /score', uc $d => ' blue '), '200 token', 'trimmed');
is(does(blue => 'POST /score'), 403, 'not without');
for my $other ('green', 'Blue', 'BLUE', 'blue,green', 'blue;x', 'bluer', '') {
    is(does(blue => 'POST /score', $d => $other), 403, "not \"$other\"");
}
is(does(blue => 'POST /score', $d => 'blue', $d => 'green'), 403, 'not two');
is(does(blue => 'POST /score', $d => 'blue', $d => 'blue'), 403,
   'not twice the same');
is(does(blue => 'POST /score', $d => 'blue', $d =~ tr/-/_/r => 'green'), 403,
   'not with underscores beside it');
is(does(undeployed => 'POST /score'), '200 token', 'none: without');
is(does(undeployed => 'POST /score', $d => 'blue'), 403, 'none: not with');
is(does(undeployed => 'POST /score', $d =~ tr/-/_/r => 'blue'), 403,
   'none: nor with underscores');
is(does(blue => 'POST /as-blue'), '200 token', 'the one that is set counts');
is(does(blue => 'POST /as-blue', $d => 'green'), '200 token',
   "and not the client's");
is(does(blue => 'POST /as-blue', $d =~ tr/-/_/r => 'green'), 403,
   'but beside underscores');
is(does(blue => 'POST /as-green', $d => 'blue'), 403, 'another one');
is(does(blue => 'POST /as-arg?d=blue'), '200 token', 'of a variable');
is(does(blue => 'POST /as-arg?d=green', $d => 'blue'), 403, 'another');
is(does(blue => 'POST /as-arg', $d => 'blue'), 403, 'an empty one is none');
is(does(undeployed => 'POST /as-arg', $d => 'blue'), '200 token', 'allowed as such');
is(does(undeployed => 'POST /as-none', $d => 'blue'), '200 token', 'taken away');
is(does(blue => 'POST /as-none', $d => 'blue'), 403, 'so it is not there');
is(does(blue => 'POST /without', $d => 'blue'), 403,
   'proxy_pass_request_headers off: nor here');

# headers that ask the upstream for another method or path
for my $h ('X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override',
           'X-Original-URL', 'X-Rewrite-URL')
{
    my $value = $h =~ /URL/ ? '/secret' : 'DELETE';
    my $before = $last;
    is(does(get => 'GET /a/x', $h => $value), '200 token',
       "$h: entra_proxy.conf removes it");
    my ($r) = $e->requests(at => 'upstream', last => 1);
    is_deeply([sent($r, lc $h)], [], "$h: indeed");
    is(does(get => 'GET /own/a/x', $h => $value), 403,
       "$h: where it would be passed on, it counts");
    is(does('no-put' => 'GET /own/a/x', $h => 'PUT'), 403,
       "$h: for a block too");
    is(does(get => 'GET /a/x', $h =~ tr/-/_/r => $value), 403,
       "$h: and with underscores");
    is(does(free => 'GET /own/a/x', $h => $value), '200 token',
       "$h: where no operation is asked for, it does not");
}
is(does(get => 'GET /own/a/x'), '200 token', 'without one');

# the upstream gets one Authorization, ours
my $r = $t->get('/a/x', headers => ['X-Cred' => 'get', Authorization =>
                                    'Bearer theirs']);
is(join(' ', $r->seen('authorization')) =~ /theirs/, '', "not the client's");
is(scalar($r->seen('authorization')), 1, 'one');
is(does(get => 'GET /a/x', Connection => 'close, authorization'), '200 token',
   'Connection: authorization takes nothing away');

# requests that are read in two ways: at most one arrives with a token, it is
# the one that is granted, and no Authorization but ours is on it
my $ours = "X-Cred: get\r\n";
my %raw = (
    'a space before the colon' => ["Authorization : Bearer theirs\r\n"],
    'a folded line' => ["X-A: b\r\n Authorization: Bearer theirs\r\n"],
    'a folded name' => ["Authorization:\r\n Bearer theirs\r\n"],
    'twice' => ["Authorization: a\r\nAuthorization: Bearer theirs\r\n"],
    'underscores' => ["_Authorization: Bearer theirs\r\n"],
    'a NUL' => ["Authorization\0: Bearer theirs\r\n"],
    'a line feed alone' => ["X: y\nAuthorization: Bearer theirs\r\n"],
    'a carriage return alone' => ["X: y\rAuthorization: Bearer theirs\r\n"],
    'a list of Connection' => ["Connection: X-Cred, Authorization\r\n"],
    'length and chunks' => ["Content-Length: 4\r\n"
        . "Transfer-Encoding: chunked\r\n",
        "0\r\n\r\nDELETE /secret HTTP/1.1\r\nHost: x\r\n\r\n"],
    'two lengths' => ["Content-Length: 4\r\nContent-Length: 5\r\n", 'aaaaa'],
    'a strange coding' => ["Transfer-Encoding: xchunked\r\n",
        "0\r\n\r\nDELETE /secret HTTP/1.1\r\nHost: x\r\n\r\n"],
    'a trailer' => ["Transfer-Encoding: chunked\r\n",
        "1\r\na\r\n0\r\nAuthorization: Bearer theirs\r\n\r\n"],
    'a chunk extension' => ["Transfer-Encoding: chunked\r\n",
        "1;a=\"\r\nb\"\r\na\r\n0\r\n\r\n"],
    'two hosts' => ["Host: y\r\n"],
    'an odd host' => ["X-A: b\r\n", '', 'GET http://h@evil/a/x'],
    'another host in the line' => ["X-A: b\r\n", '',
                                   'GET http://evil.test:81/a/x'],
    'an authority' => ["X-A: b\r\n", '', 'CONNECT evil.test:443'],
    'an asterisk' => ["X-A: b\r\n", '', 'OPTIONS *'],
    'no host, no path' => ["X-A: b\r\n", '', 'GET http://evil.test?/a/x'],
    'HTTP/0.9' => ["", '', "GET /a/x\r\n"],
    'a fragment' => ["X-A: b\r\n", '', 'GET /secret#/a/x'],
    'a fragment behind' => ["X-A: b\r\n", '', 'GET /a/x#/secret'],
);
my $granted = 0;
for my $what (sort keys %raw) {
    my ($headers, $body, $line) = @{ $raw{$what} };
    $line //= 'GET /a/x';
    news();
    my $r = $t->http(raw => "$line HTTP/1.1\r\nHost: x\r\n${ours}Connection: "
                     . "close\r\n$headers\r\n" . ($body // ''));
    my @all = news();
    my @with = grep { sent($_, 'authorization') } @all;
    cmp_ok(scalar(@with), '<=', 1, "$what: $r->{status}, at most one");
    is(join(' ', map { "$_->{method} $_->{target} $_->{host}" } @with),
       @with ? 'GET /a/x echo.test' : '', "$what: which is granted");
    my @theirs = grep { lc $_->[0] =~ /authorization/
        && $_->[1] !~ /^Bearer eyJ/ } map { @{ $_->{headers} } } @all;
    is(scalar(grep { lc $_->[0] eq 'authorization' } @theirs), 0,
       "$what: no Authorization of theirs");
    $granted += @with;
}
cmp_ok($granted, '>', 0, "of all these, $granted are granted");

SKIP: {
    skip 'curl or nginx without HTTP/2', 2
        unless `curl --version 2>/dev/null` =~ /HTTP2/
               && `$t->{nginx} -V 2>&1` =~ /http_v2/;
    for (['get', 403], ['every', 200]) {
        my ($cred, $status) = @$_;
        is($t->curl('--http2-prior-knowledge', '-H', "X-Cred: $cred", '-H',
                    'te: trailers', '-H', 'content-type: application/grpc',
                    '-d', '', 'http://127.0.0.1:%%PORT2%%/a/M')->status,
           $status, "gRPC is POST, whatever proxy_method says: $cred");
    }
}

# seeing it
my $log = EntraTest::slurp($t->dir('ops.log'));
like($log, qr{^POST /score\|allow\|}m, '$entra_operation: method and path');
like($log, qr{^microsoft\.machinelearningservices/workspaces/onlineendpoints
              /listkeys/action\|deny\|}mx, '$entra_operation: an action');
like($log, qr{\|deny\|no-put$}m, '$entra_denied_by');
like(EntraTest::slurp($t->dir('stderr.log')), qr/underscores_in_headers on/, 'a warning about underscores');

# FastCGI and its like say elsewhere what is done
for my $pass (qw(fastcgi uwsgi scgi)) {
    my $http = "entra_policy score { operations \"POST /score\"; grant; }\n"
        . credential('app', 'score')
        =~ s/upstreams 127/upstreams http:\/\/127/r
        . "server { listen 127.0.0.1:%%PORT%%; location / {\n"
        . "entra_auth app; ${pass}_param X \$entra_authorization;\n"
        . "${pass}_pass 127.0.0.1:9; } }\n";
    $t->refuses("${pass}_pass and operations", $http,
                qr/operations.*proxy_pass.*nginx\.conf:\d+/);
    $t->accepts("${pass}_pass without operations",
                $http =~ s/operations "POST \/score"; //r);
}

$t->finish;
