#!/usr/bin/perl

# entra_what_if says of a described request what the gateway does with the
# real one; and bears what is put to it.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();

my $t = EntraTest->new->module->need('http_realip');
my $e = $t->emulator;
my $shop = '6fec8e78-0000-4000-8000-000000000000';
my $group = '5fec8e78-0000-4000-8000-000000000000';

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_caller_token {
    tenant_id %%TENANT%%;
    audience api://gateway;
    authority_host %%AUTHORITY%%;
}
entra_trusted_proxies 127.0.0.1/32;
entra_caller shop { token appid=$shop; }
entra_caller people { token groups=$group; }
entra_named_location office { 198.51.100.0/24; 2001:db8::/32; }
entra_policy outside { locations any except office; block; }
entra_policy score { operations "POST /score"; deployments none blue; grant; }
entra_policy shop { callers shop; operations "GET /shop/*"; grant; }
entra_policy people { callers people; operations "GET /people";
                      grant all token amr=mfa; }
entra_policy peers { peers 10.0.0.0/8; block; }
entra_policy night { state report_only; time 00:00-24:00; block; }
entra_policy extra { operations "GET /shop/closed"; block; }
entra_policy other { operations "GET /b"; grant; }
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies outside score shop people peers night;
}
entra_credential other client_secret {
    %%CREDENTIAL%%
    scope arm; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies other;
}
entra_credential free client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
server {
    listen 127.0.0.1:%%PORT%%;
    server_name localhost;
    include %%PROXY%%;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    location / { entra_auth app;
                 proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /shop/ { entra_auth app; entra_policies extra;
                      proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /b { entra_auth free; entra_token \$second other;
                    proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/what-if { entra_what_if; client_max_body_size 4m; }
    location = /entra/ready { entra_status ready; }
    location = /entra/status { entra_status; }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    server_name two.example;
    include %%PROXY%%;
    location /shop/ { entra_auth app;
                      proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
}
EOC
$t->ready;

my $json = JSON::PP->new->utf8->canonical;

sub escape { return join '&', map {
    my ($n, $v) = @$_;
    "$n=" . ($v =~ s/([^\w.~\/:-])/sprintf '%%%02X', ord $1/ger)
} @_ }

# both forms of a query; they have to say the same
sub what_if {
    my (@pairs) = @_;

    my (@list, %object);
    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @list, [$name, $_] for ref $value eq 'ARRAY' ? @$value : $value;
        $object{$name} = $value;
    }
    my $get = $t->get('/entra/what-if?' . escape(@list));
    my $post = $t->http(uri => '/entra/what-if', body =>
                        $json->encode(\%object));
    my ($x, $y) = map { $_->json } $get, $post;
    delete $_->{decision}{createdDateTime}
        for grep { ref $_->{decision} } $x, $y;
    is_deeply($y, $x, 'GET and POST agree') or diag $post->body;
    return $get->json;
}

sub token {
    my (%claims) = @_;
    return (Authorization => 'Bearer ' . $e->mint(
        version => 1, claims => { aud => 'api://gateway', %claims }));
}

# [method, path, headers, what the query says beside method and path]
my @from = ('X-Forwarded-For' => '198.51.100.7');
my @in = (address => '198.51.100.7', peer => '127.0.0.1');
my @shop = (appid => $shop, idtyp => 'app');
my @people = (idtyp => 'user', groups => [$group], oid => $group,
              appid => $shop);
my @table = (
    ['POST', '/score', [@from], [@in]],
    ['POST', '/score', ['X-Forwarded-For' => '203.0.113.9'],
     [address => '203.0.113.9', peer => '127.0.0.1']],
    ['POST', '/score', ['X-Forwarded-For' => '2001:db8::7'],
     [address => '2001:db8::7', peer => '127.0.0.1']],
    ['POST', '/score', [], [address => '127.0.0.1', peer => '127.0.0.1']],
    ['POST', '/score', ['X-Forwarded-For' => 'nonsense'],
     [address => 'unknown', peer => '127.0.0.1']],
    ['GET', '/score', [@from], [@in]],
    ['POST', '/Score', [@from], [@in]],
    ['POST', '/score/', [@from], [@in]],
    ['POST', '/score?x=/score', [@from], [@in]],
    ['POST', '/nope', [@from], [@in]],
    ['POST', '/score', [@from, 'azureml-model-deployment' => 'blue'],
     [@in, deployment => 'blue']],
    ['POST', '/score', [@from, 'azureml-model-deployment' => 'green'],
     [@in, deployment => 'green']],
    ['POST', '/score', [@from, 'azureml-model-deployment' => 'blue,green'],
     [@in, deployment => 'blue,green']],
    ['POST', '/score', [@from, 'azureml-model-deployment' => 'blue',
                        'azureml-model-deployment' => 'green'],
     [@in, deployment => ['blue', 'green']]],
    ['GET', '/shop/1', [@from], [@in, location => '/shop/']],
    ['GET', '/shop/1', [@from, token(@shop)],
     [@in, location => '/shop/', server => 'localhost', @shop]],
    ['GET', '/shop/closed', [@from, token(@shop)],
     [@in, location => '/shop/', server => 'localhost', @shop]],
    ['GET', '/shop/1', [@from, token(appid => $group, idtyp => 'app')],
     [@in, location => '/shop/', server => 'localhost', appid => $group,
      idtyp => 'app']],
    ['GET', '/shop/1', [@from, token(appid => $shop, idtyp => undef)],
     [@in, location => '/shop/', server => 'localhost', appid => $shop]],
    ['GET', '/shop/1', [@from, Authorization => 'Bearer x.y.z'],
     [@in, location => '/shop/', server => 'localhost', token => 'invalid']],
    ['GET', '/people', [@from], [@in]],
    ['GET', '/people', [@from, token(@people, amr => ['pwd'])],
     [@in, @people, amr => ['pwd']]],
    ['GET', '/people', [@from, token(@people, amr => ['pwd', 'mfa'])],
     [@in, @people, amr => ['pwd', 'mfa']]],
    ['GET', '/people', [@from, token(idtyp => 'user', groups => undef,
        appid => $shop, oid => $group,
        _claim_names => { groups => 'src1' }, amr => ['mfa'])],
     [@in, idtyp => 'user', oid => $group, appid => $shop, amr => ['mfa'],
      groups_overage => JSON::PP::true]],
);
my %seen;
for my $row (@table) {
    my ($method, $path, $headers, $said) = @$row;

    my $name = join ' ', $method, $path,
        map { ref eq 'ARRAY' ? "@$_" : $_ } @$said;
    my $r = $t->http(method => $method, uri => $path, headers => $headers,
                     $method eq 'POST' ? (body => '{}') : ());
    my %has = @$said;
    my @rest = @$said;
    push @rest, location => '/' if !$has{location};
    push @rest, server => 'localhost' if !$has{server};
    my $w = what_if(credential => 'app', method => $method, path => $path,
                    @rest);
    my $d = $w->{decision};
    is($d->{httpStatus}, $r->status, "$name: $r->{status}")
        or diag $json->encode($w);
    is($d->{decision}, $r->status == 200 ? 'allow' : $d->{decision},
       "$name: the word for it");
    $seen{ $r->status }++;
}
is(join(' ', sort keys %seen), '200 401 403', 'of each kind some');

# of a second token's credential, and of one that everybody may use
my $w = what_if(credential => 'other', location => '/b', method => 'GET',
                path => '/b', @in);
is($w->{decision}{decision}, 'allow', 'a second token: allowed');
is($t->get('/b')->status, 200, 'as it is');
$w = what_if(credential => 'other', location => '/b', method => 'POST',
             path => '/b', @in);
is($w->{decision}{decision}, 'deny', 'a second token: denied');
is($t->http(uri => '/b', body => '')->status, 403, 'as it is');

# each policy with its result, and all that it lacked
$w = what_if(credential => 'app', method => 'POST', path => '/score',
             address => '203.0.113.9', peer => '10.0.0.4');
my %result = map { $_->{displayName} => $_ }
    @{ $w->{decision}{appliedConditionalAccessPolicies} };
is(join(' ', sort keys %result), 'night outside peers people score shop',
   'all policies');
is($result{outside}{result}, 'failure', 'the one that denies');
is($result{night}{result}, 'reportOnlyFailure', 'the one that would');
is_deeply($result{people}{conditionsNotSatisfied}, [qw(callers operations)],
          'every condition that failed');
like($w->{explanation}, qr/denied: policy "outside" \(block/, 'in words');
$w = what_if(credential => 'app');
is_deeply([grep { /address|peer|method|path/ } @{ $w->{notGiven} }],
          [qw(address peer method path)], 'what was not said');
is($w->{decision}{decision}, 'deny', 'and does not help');

# another time
for my $one (['2026-11-23T12:00:00Z', 'reportOnlyFailure']) {
    $w = what_if(credential => 'app', time => $one->[0]);
    my ($n) = grep { $_->{displayName} eq 'night' }
        @{ $w->{decision}{appliedConditionalAccessPolicies} };
    is($n->{result}, $one->[1], $one->[0]);
    is($t->get("/entra/what-if?credential=app&time=$one->[0]")
       ->json->{decision}{createdDateTime}, $one->[0], 'it is the time');
}

# it asks for what it needs
sub refused {
    my ($name, $want, $status, %o) = @_;
    my $r = $t->http(uri => '/entra/what-if', %o);
    is($r->status, $status, "$name: $status") or diag $r->body;
    like($r->body, $want, "$name: says why") if $want;
    unlike($r->body =~ s/\r\n/\n/gr, qr/[\x00-\x08\x0b-\x1f]/,
           "$name: printable");
}
refused('nothing', qr/names no credential/, 400);
refused('another credential', qr/no credential has this name/, 400,
        uri => '/entra/what-if?credential=nobody');
refused('everybody may', qr/policies none/, 400,
        uri => '/entra/what-if?credential=free');
refused('another location', qr/no location of this name/, 400,
        uri => '/entra/what-if?credential=app&location=/nowhere');
refused('two servers', qr/several servers.*say ."server/, 400,
        uri => '/entra/what-if?credential=app&location=/shop/');
refused('an unknown name', qr/unknown parameter .*there are address, peer/,
        400, uri => '/entra/what-if?credential=app&colour=red');
refused('a bad address', qr/is an address/, 400,
        uri => '/entra/what-if?credential=app&address=10.1');
refused('twice', qr/is given twice/, 400,
        uri => '/entra/what-if?credential=app&credential=other');
refused('a bad percent', qr/two hexadecimal/, 400,
        uri => '/entra/what-if?credential=%zz');
refused('an empty body', qr/body is empty/, 400, body => '');
refused('no object', qr/no credential|not a JSON|unknown/, 400,
        body => '["credential"]');
refused('a name twice', qr/duplicate/, 400,
        body => '{"credential":"app","credential":"app"}');
refused('deep', qr/not a JSON object/, 400,
        body => '{"credential":' . '[' x 5000 . ']' x 5000 . '}');
refused('an object in it', qr/is text/, 400,
        body => '{"credential":{"a":1}}');
refused('too many values', qr/more than \d+ values|too many/, 400,
        body => $json->encode({ credential => 'app',
                                roles => [('r') x 5000] }));
refused('NUL', qr/or a NUL/, 400,
        uri => '/entra/what-if?credential=a%00b');
refused('forged lines', qr/credential|parameter/, 400,
        uri => '/entra/what-if?%0d%0aforged%1b[31m=x');
refused('PUT', undef, 405, method => 'PUT', body => '{}');
refused('1 MB', undef, 413, body => '{"credential":"' . 'a' x 1048576 . '"}');
refused('1 MB in chunks', undef, 413, method => 'POST',
        headers => ['Transfer-Encoding' => 'chunked'],
        body => join('', map { "10000\r\n" . 'a' x 65536 . "\r\n" } 1 .. 16)
            . "0\r\n\r\n");
is($t->http(uri => '/entra/what-if?credential=app', method => 'HEAD')
   ->status, 200, 'HEAD');

# larger than a buffer of nginx: from a file
my $big = $t->http(uri => '/entra/what-if', body => $json->encode({
    credential => 'app', method => 'GET', path => '/x' . 'y' x 40000 }));
is($big->status, 200, 'a query of 40 kB');
is($big->json->{decision}{decision}, 'deny', 'is answered');
cmp_ok(length $big->body, '<', 262144, 'and the answer is bounded');

# for a browser: a form, then the answer below it
my @html = (headers => [Accept => 'text/html,*/*;q=0.8']);
my $form = $t->get('/entra/what-if', @html);
is($form->status, 200, 'a browser gets a form');
like($form->header('content-type'), qr{^text/html}, 'as HTML');
is($form->header('vary'), 'Accept', 'which caches are told');
like($form->header('content-security-policy') // '', qr/^default-src 'none'/,
     'that loads nothing');
like($form->body, qr/<option>app<\/option>/, 'it knows the credentials');
my $sent = '/entra/what-if?format=html&credential=app&method=POST&path=%2Fscore'
    . '&address=203.0.113.9&peer=10.0.0.4&location=&server=&time=&deployment='
    . '&certificate=&token=&roles=';
my $answer = $t->get($sent, @html);
is($answer->status, 200, 'what the form sends, empty fields and all');
like($answer->body, qr{<span class="bad">deny</span>, 403}, 'is decided');
like($answer->body, qr{<b>outside</b></td><td[^>]*>block</td><td[^>]*><span
     [ ]class="bad">failure</span>}x, 'each policy in a row');
like($answer->body, qr{<b>people</b>.*not[ ]met:[ ]</i>callers,[ ]operations
     .*controls[ ]not[ ]met:</i>[ ]token,[ ]amr=mfa}x, 'and what it lacks');
like($answer->body, qr{name="address"[^>]* value="203.0.113.9"},
     'the form still says what was asked');
$answer = $t->get("$sent&x=%22%3E%3Cscript%3E&oid=%22%3E%3Cscript%3E", @html);
is($answer->status, 400, 'what makes no sense is an error');
like($answer->body, qr/role="alert">.*unknown parameter/, 'in words');
unlike($answer->body, qr/<script/, 'and all of it is text');
is($t->get('/entra/what-if?credential=app&format=json', @html)
   ->header('content-type'), 'application/json', 'format=json');
is($t->http(uri => '/entra/what-if', headers => $html[1], body =>
            '{"credential":"app"}')->header('content-type'),
   'application/json', 'a POST is for programs');

# it counts nothing and asks nobody
my ($before, $n) = ($t->status->{decisions}, $e->count(at => 'token'));
what_if(credential => 'app', method => 'POST', path => '/score', @in)
    for 1 .. 3;
is_deeply($t->status->{decisions}, $before, 'nothing is counted');
is($e->count(at => 'token'), $n, 'no token is fetched');

$t->finish;
