#!/usr/bin/perl

# conf/examples, each as it is shipped, with what it is for: what the client
# asked, what the upstream received, and that no other host, path, method or
# workspace is reached through it.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes 'sleep';
use EntraTest::Examples;

my $t = EntraTest->new->need('http_ssl_module')->need('http_sub_module')
    ->need('http_v2_module')->module;
my $e = $t->emulator;
my @roles = ('AzureML Data Scientist', 'Storage Blob Data Contributor');
$e->grant(@roles);
$e->control(POST => 'user', { actions => \@roles });
my $x = EntraTest::Examples->new($t);
my $d = $t->dir;

my $sub = '99999999-9999-4999-8999-999999999999';
my $rg = "/subscriptions/$sub/resourceGroups/rg";
my $ml = 'providers/Microsoft.MachineLearningServices';
my $ws = "$rg/$ml/workspaces/ws";
my $v = 'api-version=2023-10-01';
my $inference = 'westeurope.inference.ml.azure.com';

# gRPC: nginx itself is the service, and tells the emulator what it got
$x->certificate('grpc', "fraud.$inference");
my $grpc_port = $t->port('PORT50051');
my $grpc = $x->one('grpc') =~ s/(grpcs:[^;]+:)\d+/$1$grpc_port/r;
$t->write('entra_grpc.conf', slurp("$t->{root}/conf/entra_grpc.conf")
          =~ s{/etc/ssl/certs/ca-certificates.crt}{$d/grpc.crt}r);

$t->start($x->text(qw(online-endpoint online-endpoints batch-endpoint
                      endpoint-key workspace mlflow datastore second-token
                      websocket)) . $grpc . <<'EOC', $x->options);
server {
    listen 127.0.0.1:%%PORT%%;
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
server {
    listen 127.0.0.1:%%PORT50051%% ssl http2;
    server_name ~.;
    ssl_certificate grpc.crt;
    ssl_certificate_key grpc.key;
    location / {
        proxy_set_header Host grpc.test;
        proxy_set_header X-Host $http_host;
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    }
}
EOC

$t->ready(20);


# one request through an example's port

my %tls = map { $_ => 1 } 8443 .. 8446;

sub ask {
    my ($port, $method, $uri, %o) = @_;

    return $t->http(port => $x->port($port), method => $method, uri => $uri,
        $tls{$port} ? (tls => 1, ca => "$d/entra/gateway.crt") : (), %o,
        headers => [Authorization => 'Bearer the-clients-own',
                    @{ $o{headers} || [] }]);
}

# ... passes: the upstream's host and path, and the audience of its token
sub passes {
    my ($port, $method, $uri, $host, $path, $aud, %o) = @_;

    my ($last) = $e->requests(last => 1, at => 'upstream');
    my $r = ask($port, $method, $uri, %o);
    my @got = $e->requests(at => 'upstream', since => $last ? $last->{n} : 0);
    @got = grep { ($_->{status} // 0) != 401 } @got;
    my $what = "$port: $method $uri";
    is($r->status, $o{want} || 200, "$what: an answer") or diag $r->body;
    is(scalar @got, 1, "$what: one request arrives");
    my $got = $got[0] || {};
    is($got->{method}, $method, "$what: by its method");
    is(($got->{host} // '') =~ s/:\d+$//r, $host, "$what: at $host");
    is($got->{sni}, $host, "$what: over TLS with that name")
        unless $host eq 'grpc.test';
    is($got->{target}, $path, "$what: as $path");
    my @auth = sent($got, 'authorization');
    is(scalar @auth, 1, "$what: one Authorization");
    unlike($auth[0] // '', qr/clients-own/, "$what: not the client's");
    is(claims($auth[0])->{aud}, $aud, "$what: a token for $aud")
        if $aud;
    return ($r, $got);
}

# ... does not: nothing arrives anywhere
sub refused {
    my ($port, $method, $uri, $status, %o) = @_;

    my ($last) = $e->requests(last => 1, at => 'upstream');
    my $r = ask($port, $method, $uri, %o);
    is($r->status, $status, "$port: $method $uri: $status") or diag $r->body;
    is($e->count(at => 'upstream', since => $last ? $last->{n} : 0), 0,
       "$port: $method $uri: nothing arrives");
    unlike($r->body, qr/eyJ/, "$port: $method $uri: no token in the answer");
}

my ($aml, $arm) = ('https://ml.azure.com', 'https://management.azure.com');
my ($r, $got);


# online-endpoint.conf

my $fraud = "fraud.$inference";
($r, $got) = passes(8081, 'POST', '/score', $fraud, '/score', $aml,
    body => '{"data":[1]}', headers => [
        'Content-Type' => 'application/json', Cookie => 'a=b',
        'azureml-model-deployment' => 'green', 'X-HTTP-Method' => 'DELETE',
        'x-azureml-token' => 'mine', 'api-key' => 'mine']);
is($got->{body}, '{"data":[1]}', 'the body arrives');
is($r->header('azureml-model-deployment'), 'green', 'a deployment is chosen');
is_deeply([map { sent($got, $_) } qw(cookie x-azureml-token api-key
                                       x-http-method)], [],
          'what else could be a credential does not arrive');
refused(8081, 'GET', '/score', 403);
refused(8081, 'PUT', '/score', 403, body => 'x');
refused(8081, 'POST', '/score/x', 404);
refused(8081, 'POST', '/', 404);
refused(8081, 'POST', '/v1/../score', 400);
refused(8081, 'DELETE', '/v1/models', 403);

# a Host of the client's own changes nothing
passes(8081, 'POST', '/score?x=1', $fraud, '/score?x=1', $aml, body => '{}',
       headers => [Host => "churn.northeurope.inference.ml.azure.com"]);
passes(8081, 'POST', "https://$inference/score", $fraud, '/score', $aml,
       body => '{}');

# events come as they are sent: the first before the last exists

sub first_event_alone {
    my $s = EntraTest::HTTP::connect_to(port => $x->port(8081));
    my $body = '{"stream": true}';
    syswrite $s, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
        . "Content-Length: " . length($body)
        . "\r\nConnection: close\r\n\r\n$body";
    my ($all, $alone) = ('', 0);
    wait_until(sub {
        my $bits = '';
        vec($bits, fileno $s, 1) = 1;
        select($bits, undef, undef, 0.1) or return 0;
        my $n = sysread $s, $all, 65536, length $all;
        $alone ||= $all =~ /"n": 0/ && $all !~ /"n": 4/;
        return !$n;
    }, 10);
    like($all, qr/"n": 4.*\[DONE\]/s, 'all events arrive');
    return $alone;
}
my $tries = 0;
ok(wait_until(sub { $tries++ > 5 || first_event_alone() }, 60)
   && $tries <= 5, 'the first arrives before the last is sent');


# online-endpoints.conf

my $churn = 'churn.northeurope.inference.ml.azure.com';
$e->endpoint(name => 'churn', auth_mode => 'aad_token',
             deployments => ['blue']);
passes(8082, 'POST', '/fraud/score', $fraud, '/score', $aml, body => '{}');
passes(8082, 'POST', '/churn/score', $churn, '/score', $aml, body => '{}');
passes(8082, 'POST', '/score', $churn, '/score', $aml, body => '{}',
       headers => [Host => 'churn.ml.example']);
passes(8082, 'POST', '/score', $fraud, '/score', $aml, body => '{}',
       headers => [Host => 'FRAUD.ml.example']);
refused(8082, 'POST', '/score', 403, body => '{}');
refused(8082, 'POST', '/score', 403, body => '{}',
        headers => [Host => $fraud]);
refused(8082, 'POST', '/other/score', 404, body => '{}');
refused(8082, 'POST', '/fraud/churn/score', 404, body => '{}');
refused(8082, 'POST', '/fraud%2f/score', 400, body => '{}');
refused(8082, 'GET', '/fraud/score', 403);
refused(8082, 'POST', '/score', 403, body => '{}',
        headers => [Host => 'x.fraud.ml.example']);


# batch-endpoint.conf

my $nightly = "nightly.$inference";
my $gateway = '127.0.0.1:' . $x->port(8083);
($r) = passes(8083, 'POST', '/jobs', $nightly, '/jobs', $aml, want => 201,
    body => '{}', headers => [Host => $gateway]);
my $location = $r->header('location') // '';
like($location, qr{^http://\Q$gateway\E/jobs/batchjob-},
     'the job is at the gateway');
is($r->json->{properties}{interactionEndpoints}{Tracking}{endpoint},
   $location, 'in the body too');
my ($job) = $location =~ m{(/jobs/[^/]+)$};
passes(8083, 'GET', $job, $nightly, $job, $aml);
ask(8083, 'POST', '/jobs', body => '{}');
($r) = passes(8083, 'GET', '/jobs', $nightly, '/jobs', $aml,
              headers => [Host => $gateway, 'Accept-Encoding' => 'gzip']);
is($r->json->{nextLink}, "http://$gateway/jobs?\$skip=1",
   'and so is the next page');
refused(8083, 'DELETE', $job, 403);
refused(8083, 'POST', "$job/cancel", 403, body => '');
refused(8083, 'POST', '/jobsx', 403, body => '');
refused(8083, 'POST', '/score', 404, body => '{}');


# endpoint-key.conf

for my $name (qw(keyed tokened)) {
    ($r, $got) = passes(8084, 'POST', "/$name/score", "$name.$inference",
                        '/score', undef, body => '{}');
    refused(8084, 'GET', "/$name/score", 403);
    refused(8084, 'POST', "/$name/score/x", 404, body => '{}');
}
refused(8084, 'POST', '/score', 404, body => '{}');


# workspace.conf

my $host = 'management.azure.com';
my $at = '127.0.0.1:' . $x->port(8443);
my @at = (headers => [Host => $at]);
($r) = passes(8443, 'GET', "$ws?$v", $host, "$ws?$v", $arm);
is($r->json->{name}, 'ws', 'the workspace');
passes(8443, 'GET', uc($ws) . "?$v", $host, uc($ws) . "?$v", $arm);
($r) = passes(8443, 'PUT', "$ws/jobs/train?$v", $host,
              "$ws/jobs/train?$v", $arm, want => 201, body => '{}');
ask(8443, 'PUT', "$ws/jobs/t$_?$v", body => '{}') for 1 .. 3;

# pages
($r) = passes(8443, 'GET', "$ws/jobs?$v", $host, "$ws/jobs?$v", $arm, @at,
              headers => [Host => $at, 'Accept-Encoding' => 'gzip, br']);
my $next = $r->json->{nextLink} // '';
like($next, qr{^https://\Q$at$ws\E/jobs\?}, 'the next page is at the gateway');
my ($path) = $next =~ m{^https://[^/]+(/.*)};
is($path && ask(8443, 'GET', $path)->status, 200, 'and can be asked for');

# operations that take long
($r) = passes(8443, 'DELETE', "$ws/jobs/train?$v", $host,
              "$ws/jobs/train?$v", $arm, want => 202, @at);
my $operation = "/subscriptions/$sub/$ml/locations/westeurope/";
my @states;
for my $name (qw(Azure-AsyncOperation Location)) {
    my $url = $r->header($name) // '';
    like($url, qr{^https://\Q$at$operation\EmfeOperation},
         "$name is at the gateway");
    push @states, $url =~ m{^https://[^/]+(/.*)};
}
for my $state (@states) {
    passes(8443, 'GET', $state, $host, $state, $arm,
           want => 200);
    refused(8443, 'POST', $state, 403, body => '{}');
    refused(8443, 'DELETE', $state, 403);
    refused(8443, 'GET', $state =~ s/$sub/$sub =~ tr{9}{8}r/er, 403);
}
is(ask(8443, 'GET', $states[0])->json->{status}, 'Succeeded', 'it ends');

# another method than the one that was judged
ask(8443, 'POST', "$ws/jobs/t1/cancel?$v", body => '',
    headers => ['X-HTTP-Method-Override' => 'DELETE', 'X-HTTP-Method' =>
                'DELETE', 'X-Method-Override' => 'DELETE']);
(my $last) = $e->requests(at => 'upstream.arm', last => 1);
is_deeply([$last->{method}, grep { $_->[0] =~ /method/i }
           @{ $last->{headers} }], ['POST'], 'no other method in a header');

refused(8443, 'GET', "$rg/$ml/workspaces/other?$v", 403);
refused(8443, 'GET', "$rg/$ml/workspaces?$v", 403);
refused(8443, 'GET', "$rg?$v", 403);
refused(8443, 'GET', "/subscriptions/$sub?$v", 403);
refused(8443, 'GET', "/subscriptions?$v", 404);
refused(8443, 'GET', "/tenants?$v", 404);
refused(8443, 'POST', "/batch?$v", 404, body => '{}');
refused(8443, 'DELETE', "$ws?$v", 403);
refused(8443, 'POST', "$ws/listKeys?$v", 403, body => '');
refused(8443, 'POST', "$ws/onlineEndpoints/keyed/listkeys?$v", 403,
        body => '');
refused(8443, 'POST', "$ws/datastores/d/listSecrets?$v", 403, body => '');
refused(8443, 'PUT', "$ws/onlineEndpoints/new?$v", 403, body => '{}');
refused(8443, 'PUT', "$ws/providers/Microsoft.Authorization/"
        . "roleAssignments/x?$v", 403, body => '{}');
refused(8443, 'GET', "$ws/$ml/workspaces/other?$v", 403);


# mlflow.conf

my $regional = 'westeurope.api.azureml.ms';
my $flow = "/mlflow/v1.0$ws/api/2.0/mlflow";
my @json = (headers => ['Content-Type' => 'application/json']);
($r) = passes(8444, 'POST', "$flow/experiments/create", $regional,
              "$flow/experiments/create", $arm, body => '{"name":"e"}', @json);
my $id = $r->json->{experiment_id};
($r) = passes(8444, 'POST', "$flow/runs/create", $regional,
              "$flow/runs/create", $arm, @json,
              body => "{\"experiment_id\":\"$id\"}");
my $run = $r->json->{run}{info}{run_id};
ok($run, 'a run');
passes(8444, 'POST', "$flow/runs/log-metric", $regional,
       "$flow/runs/log-metric", $arm, @json,
       body => "{\"run_id\":\"$run\",\"key\":\"m\",\"value\":1,"
       . '"timestamp":1}');
($r) = passes(8444, 'GET', "$flow/runs/get?run_id=$run", $regional,
              "$flow/runs/get?run_id=$run", $arm);
is($r->json->{run}{data}{metrics}[0]{key}, 'm', 'the metric was logged');
passes(8444, 'GET', "/history/v1.0$ws/experiments", $regional,
       "/history/v1.0$ws/experiments", $arm);
refused(8444, 'POST', $flow =~ s/\bws\b/other/r . '/runs/create', 403,
        body => '{}');
refused(8444, 'PUT', "$flow/runs/create", 403, body => '{}');
refused(8444, 'DELETE', "/history/v1.0$ws/experiments", 403);
refused(8444, 'GET', "/execution/v1.0$ws", 404);
refused(8444, 'GET', $ws, 404);


# datastore.conf

my $store = 'mlstore.blob.core.windows.net';
my $blob = '/azureml-blobstore/a/model.bin';
my $aud = 'https://storage.azure.com';
my @put = ('x-ms-blob-type' => 'BlockBlob', 'x-ms-version' => '2023-11-03');
($r, $got) = passes(8445, 'PUT', $blob, $store, $blob, $aud, want => 201,
                    body => 'weights', headers => \@put);
is_deeply([sent($got, 'x-ms-version')], ['2023-11-03'],
          "the client's version of the API");
($r, $got) = passes(8445, 'GET', $blob, $store, $blob, $aud);
is($r->body, 'weights', 'the blob comes back');
is_deeply([sent($got, 'x-ms-version')], ['2021-08-06'], 'or one that does');
my $list = '/azureml-blobstore?restype=container&comp=list';
($r) = passes(8445, 'GET', $list, $store, $list, $aud);
like($r->body, qr{<Name>a/model.bin</Name>}, 'it is in the list');
refused(8445, 'DELETE', $blob, 403);
refused(8445, 'GET', '/other/model.bin', 404);
refused(8445, 'GET', '/?comp=list', 404);
refused(8445, 'PUT', '/azureml-blobstore?restype=container', 403, body => '');
refused(8445, 'GET', '/azureml-blobstore/../other/x', 404);
refused(8445, 'GET', '/azureml-blobstore/%2e%2e/other/x', 404);
refused(8445, 'GET', '/azureml-blobstore/x%2f..%2f../other/x', 404);
refused(8445, 'GET', '/azureml-blobstore/a%2fb', 400);
refused(8445, 'GET', '/azureml-blobstore/a%252e', 400);
my $odd = '/azureml-blobstore/a/%C3%A9%20%2B.bin';
passes(8445, 'PUT', $odd, $store, $odd, $aud, want => 201, body => 'x',
       headers => \@put);
refused(8445, 'GET', '/azureml-blobstorex/a', 404);
ask(8445, 'PUT', $blob, body => '', headers => [@put,
    'x-ms-copy-source' => "https://$store/secret/blob",
    'x-ms-copy-source-authorization' => 'Bearer x',
    'x-ms-rename-source' => '/secret/blob']);
($got) = $e->requests(at => 'upstream.blob', last => 1);
is_deeply([map { sent($got, $_) } qw(x-ms-copy-source x-ms-rename-source
           x-ms-copy-source-authorization)], [],
          'no other container through a copy');


# second-token.conf

my ($submit) = "$ws/jobs/as-me?$v";
($r, $got) = passes(8446, 'PUT', $submit, $host, $submit, $arm, want => 201,
    body => '{}', headers => ['x-azureml-token' => 'mine']);
my @second = sent($got, 'x-azureml-token');
is(scalar @second, 1, 'one second token');
is(claims($second[0])->{aud}, $aml, 'of Azure ML');
refused(8446, 'GET', "$ws?$v", 403);
refused(8446, 'POST', "$ws/onlineEndpoints/keyed/listKeys?$v", 403,
        body => '');


# websocket.conf: the emulator's scoring stand-in has none; what counts is
# that upgrade and token arrive

my $n = $e->count(at => 'upstream.aml');
ask(8085, 'GET', '/ws/chat', headers => [Connection => 'Upgrade',
    Upgrade => 'websocket', 'Sec-WebSocket-Version' => 13,
    'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==']);
($got) = $e->requests(at => 'upstream.aml', last => 1);
is($got->{path}, '/ws/chat', 'WebSocket: it arrives');
is_deeply([map { sent($got, $_) } qw(upgrade connection)],
          [qw(websocket upgrade)], 'as an upgrade');
is(claims(sent($got, 'authorization'))->{aud}, $aml,
   'with a token');
for my $other ('h2c', 'websocket, h2c', 'websockets', 'TLS/1.2') {
    ask(8085, 'GET', '/ws/chat', headers => [Connection => 'Upgrade',
        Upgrade => $other]);
    ($got) = $e->requests(at => 'upstream.aml', last => 1);
    is_deeply([map { sent($got, $_) } qw(upgrade connection)], [],
              "$other: as any other request");
}
refused(8085, 'POST', '/ws/chat', 403, body => '');
refused(8085, 'GET', '/score', 404);


# grpc.conf

SKIP: {
    skip 'curl without HTTP/2', 6 unless `curl --version` =~ /HTTP2/;

    my $call = '/inference.GRPCInferenceService/ModelInfer';
    my @grpc = ('--http2-prior-knowledge', '-H', 'te: trailers', '-H',
                'content-type: application/grpc', '-H',
                'authorization: Bearer the-clients-own');
    my $base = 'http://127.0.0.1:' . $x->port(8086);
    $r = $t->curl(@grpc, '-d', 'frame', "$base$call");
    is($r->status, 200, 'gRPC: an answer');
    ($got) = $e->requests(at => 'upstream.echo', last => 1);
    is($got->{path}, $call, 'gRPC: the call');
    like((sent($got, 'x-host'))[0], qr/^\Q$fraud\E(?::\d+)?$/,
         'gRPC: at the endpoint');
    is(claims(sent($got, 'authorization'))->{aud}, $aml,
       'gRPC: with a token');
    $n = $e->count(at => 'upstream');

    # without a body: nginx does not wait for one that it has no use for, and
    # curl fails if it cannot send it

    is($t->curl(@grpc, '-X', 'POST', "$base/other.Service/M")->status, 404,
       'gRPC: no other service');
    is($e->count(at => 'upstream'), $n, 'gRPC: nothing arrives');
}


# an upload: it goes on while it comes, and takes no memory or disk

my $size = 300 * 1024 * 1024;
sub upload {
    my ($watch) = @_;
    my $s = EntraTest::HTTP::connect_to(port => $x->port(8445), tls => 1,
        ca => "$d/entra/gateway.crt") or die "connect: $!";
    my $chunk = 'x' x (1024 * 1024);
    print $s "PUT /azureml-blobstore/large HTTP/1.1\r\nHost: x\r\n"
        . "x-ms-blob-type: BlockBlob\r\nx-ms-version: 2023-11-03\r\n"
        . "Content-Length: $size\r\nConnection: close\r\n\r\n";
    for my $mb (1 .. $size / length $chunk) {
        print $s $chunk or last;
        $watch->() if $mb % 50 == 0;
    }
    return EntraTest::HTTP::read_response($s, timeout => $t->seconds(60));
}

sub used {
    my %used = (memory => 0, disk => 0);
    for my $pid ($t->workers) {
        my ($kb) = slurp("/proc/$pid/status") =~ /VmRSS:\s+(\d+)/ or next;
        $used{memory} += $kb;
    }
    for my $file (map { glob "$_/*" } "$d/body", "$d/body/*", "$d/body/*/*") {
        $used{disk} += -s $file if -f $file;
    }
    $used{disk}++ if grep { (readlink($_) // '') =~ m{\Q$d\E/body/} }
        map { glob "/proc/$_/fd/*" } $t->workers;
    return %used;
}

my %before = used();
my ($most, $on_disk) = (0, 0);
$r = upload(sub { my %now = used();
    my $more = $now{memory} - $before{memory};
    $most = $more if $more > $most;
    $on_disk += $now{disk} });
is($r && $r->status, 201, '300 MB are stored');
is($r && $r->header('x-emulator-length'), $size, 'all of them');
cmp_ok($most, '<', 20_000, 'with little memory') unless
    $ENV{ENTRA_VALGRIND};
is($on_disk, 0, 'and nothing on disk');


# who was asked for tokens, and nothing in the log

my $log = $t->log;
unlike($log, qr/eyJ|Bearer ey|clients-own/, 'no token in the log');
my %asked = map { ($_->{form}{scope} // '') => 1 } $e->requests(
    at => 'token');
is_deeply([sort keys %asked], [map { "$_/.default" } $arm, $aml, $aud],
          'Entra was asked for three audiences');

$t->finish;
