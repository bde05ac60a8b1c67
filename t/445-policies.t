#!/usr/bin/perl

# Policies in a running nginx: states, how they are combined, controls, time
# windows, what is seen of them, and what of them is refused by nginx -t.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use POSIX 'strftime';

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my %fake = $t->faketime;

# windows around this minute, and others, in UTC and elsewhere
sub window {
    my ($from, $to, $offset) = @_;      # hours from now; minutes
    my ($a, $b) = map { strftime '%H:%M',
        gmtime time + $_ * 3600 + ($offset // 0) * 60 } $from, $to;
    return "$a-$b" . (!defined $offset ? '' : sprintf ' %s%02d:%02d',
        $offset < 0 ? '-' : '+', abs($offset) / 60, abs($offset) % 60);
}
my @day = map { lc strftime '%a', gmtime time + $_ * 86400 } 0 .. 6;
my $yesterday = strftime '%Y-%m-%d', gmtime time - 86400;
my $next = strftime '%Y-%m-%d', gmtime time + 30 * 86400;

# "in" is the location of the caller, "out" another one
my %policy = (
    'g'          => 'grant;',
    'g-in'       => 'locations in; grant;',
    'g-out'      => 'locations out; grant;',
    'g-off'      => 'state disabled; grant;',
    'g-report'   => 'state report_only; grant;',
    'b'          => 'block;',
    'b-in'       => 'locations in; block;',
    'b-out'      => 'locations out; block;',
    'b-off'      => 'state disabled; block;',
    'b-report'   => 'state report_only; block;',
    'b-until'    => "state report_only until=$next; block;",
    'b-past'     => "state report_only until=$yesterday; block;",
    'b-not-in'   => 'locations any except in; block;',
    'b-not-out'  => 'locations any except out; block;',
    'b-but'      => 'locations in out except 127.0.0.0/8; block;',
    'g-token'    => 'grant token;',
    'g-cert'     => 'grant certificate;',
    'g-all'      => 'grant all token certificate;',
    'g-or'       => 'grant any token certificate;',
    'g-mfa'      => 'grant all token amr=mfa;',
    'g-op'       => 'operations "GET /ok/*"; grant;',
    'b-op'       => 'operations "GET /ok/bad"; block;',
    'b-caller'   => 'callers any except friend; block;',
    'b-foe'      => 'callers foe; block;',
    'g-friend'   => 'callers friend; grant;',
    't-now'      => 'time ' . window(-2, 2) . '; grant;',
    't-later'    => 'time ' . window(2, 4) . '; grant;',
    't-before'   => 'time ' . window(-4, -2) . '; grant;',
    't-east'     => 'time ' . window(-2, 2, 330) . '; grant;',
    't-west'     => 'time ' . window(-2, 2, -210) . '; grant;',
    't-east-not' => 'time ' . window(2, 4, 330) . '; grant;',
    't-two'      => 'time ' . window(2, 4) . '; time ' . window(-2, 2)
                  . '; grant;',
    't-days'     => "time $day[6]-$day[1] 00:00-24:00; grant;",
    't-other'    => "time $day[3] 00:00-24:00; grant;",
    't-block'    => 'time ' . window(-2, 2) . '; block;',
    't-clock'    => 'time ' . window(-2, 2) . '; operations "GET /clock/*";'
                  . ' grant;',
);
my %want = (
    'g' => 200, 'g-in' => 200, 'g-out' => 403, 'g-off' => 403,
    'g-report' => 403, 'b' => 403, 'b-out' => 403, 'b-off' => 403,
    'g b' => 403, 'g b-in' => 403, 'g b-out' => 200, 'g b-off' => 200,
    'g b-report' => 200, 'g b-until' => 200, 'g-out g-in' => 200,
    'g-out b-out' => 403, 'g g-out' => 200, 'g b-not-in' => 200,
    'g b-not-out' => 403, 'g b-but' => 200, 'g-off g' => 200,
    'g b-report b-in' => 403, 'g g-report b-off' => 200,
    'g-token' => 401, 'g-cert' => 401, 'g-all' => 401, 'g-or' => 401,
    'g-mfa' => 401, 'g g-token' => 401, 'g-token b-in' => 403,
    'g b-caller' => '40[13]', 'g b-foe' => 200, 'g-friend' => 401,
    'g g-friend' => 200, 'g-op' => 200, 'g-op b-op' => 200,
    't-now' => 200, 't-later' => 403, 't-before' => 403, 't-east' => 200,
    't-west' => 200, 't-east-not' => 403, 't-two' => 200, 't-days' => 200,
    't-other' => 403, 'g t-block' => 403, 'g t-later' => 200,
    'g b-past' => 200,
);

my $rules = join '', map { "entra_policy $_ { $policy{$_} }\n" }
    sort keys %policy;
my (%cred, $credentials);
for my $policies (sort(keys %want), 't-clock', 'b-op g-op', 'g-friend b-in',
                  'g b-report g-report b-until') {
    for my $order ($policies, join ' ', reverse split / /, $policies) {
        my $name = $cred{$order} //= 'c' . keys %cred;
        next if $credentials && $credentials =~ /credential $name /;
        $credentials .= "entra_credential $name client_secret {\n"
            . "%%CREDENTIAL%%\nscope aml; upstreams 127.0.0.1;\n"
            . "policies $order; }\n";
    }
}

$t->clock('+0');
my $http = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_caller_token { tenant_id %%TENANT%%; audience api://gateway;
                     authority_host %%AUTHORITY%%; }
entra_named_location in { 127.0.0.0/8; }
entra_named_location out { 192.0.2.0/24; 2001:db8::/32; }
entra_caller friend { token roles=Friend; }
entra_caller foe { token roles=Foe; }
$rules
$credentials
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
log_format json escape=none '\$entra_decision_json';
log_format vars '\$uri|\$entra_decision|\$entra_denied_by|\$entra_would_deny'
                '|\$entra_caller|\$entra_location|\$entra_operation';
access_log %%DIR%%/json.log json;
access_log %%DIR%%/vars.log vars;
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    proxy_ssl_name echo.test;
    entra_auth \$http_x_cred;
    location / { proxy_pass https://echo.test; }
    location /any { satisfy any; allow all; proxy_pass https://echo.test; }
    location /added { entra_policies b-in; proxy_pass https://echo.test;
                      location /added/more { entra_policies g-token;
                                         proxy_pass https://echo.test; } }
    location = /entra/status { entra_auth off; entra_status; }
    location = /entra/ready { entra_auth off; entra_status ready; }
    location = /what { entra_auth off; entra_what_if; }
}
EOC
$t->start($http, %fake);
like(slurp($t->dir('stderr.log')), qr/b-past.*$yesterday|b-past.*until|past/,
     'a date that has passed is reported');
$t->ready(20);

sub ask {
    my ($policies, $uri, @headers) = @_;
    return $t->get($uri, headers => ['X-Cred' => $cred{$policies}, @headers]);
}
my $friend = $e->mint(claims => { aud => 'api://gateway',
                                  roles => ['Friend'], idtyp => 'app' });
my $foe = $e->mint(claims => { aud => 'api://gateway', roles => ['Foe'],
                               idtyp => 'app' });
my @friend = (Authorization => "Bearer $friend");
my @foe = (Authorization => "Bearer $foe");

# the truth table, in both orders
for my $policies (sort keys %want) {
    my $n = $e->count(at => 'upstream');
    for my $order ($policies, join ' ', reverse split / /, $policies) {
        my $r = ask($order, '/ok/x');
        like($r->status, qr/^(?:$want{$policies})$/, "$order");
        is($r->header('www-authenticate'), $r->status == 401
           ? 'Bearer' : undef, "$order: challenge");
    }
    is($e->count(at => 'upstream') - $n, $want{$policies} eq 200 ? 2 : 0,
       "$policies: what arrived");
}
is(ask('g-op b-op', '/ok/bad')->status, 403, 'a block of an operation');
is(ask('b-op g-op', '/ok/bad')->status, 403, 'in any order');
is(ask('g-op', '/other')->status, 403, 'what no policy grants');

# callers: an exception is for those who are known
is(ask('g b-caller', '/ok/x', @friend)->status, 200, 'except friend');
is(ask('g b-caller', '/ok/x', @foe)->status, 403, 'but no other');
like(ask('g b-caller', '/ok/x')->status, qr/^40[13]$/, 'nor nobody');
is(ask('g b-foe', '/ok/x', @foe)->status, 403, 'a block of one caller');
is(ask('g-friend', '/ok/x', @friend)->status, 200, 'a grant for one');
is(ask('g-friend', '/ok/x', @foe)->status, 403, 'is not for another');
is(ask('g-friend b-in', '/ok/x', @friend)->status, 403, 'a block wins');
is(ask('g b-foe', '/ok/x', Authorization => 'Bearer x.y.z')->status, 401,
   'what is not valid is nobody');
is(ask('g-token', '/ok/x', @foe)->status, 200, 'a control that is met');
is(ask('g-or', '/ok/x', @foe)->status, 200, 'one of two');
is(ask('g-all', '/ok/x', @foe)->status, 401, 'both of two');
is(ask('g-mfa', '/ok/x', @foe)->status, 403, 'a claim is missing');

# "satisfy any": denied twice, told once
my $r = ask('g-token', '/any');
is($r->status, 401, 'satisfy any: 401');
is(scalar(grep { lc $_->[0] eq 'www-authenticate' } @{ $r->{list} }), 1,
   'satisfy any: one challenge');
is(ask('g', '/any')->status, 200, 'satisfy any: allowed');

# those of a location add to the credential's
is(ask('g', '/added/x')->status, 403, 'entra_policies add');
is(ask('g', '/added/more', @foe)->status, 403, 'and are inherited');
is(ask('g-out', '/added/x')->status, 403, 'to whatever there is');

# the variables
my $seen = slurp($t->dir('vars.log'));
like($seen, qr{^/ok/x\|allow\|-?\|b-report\|-?\|in\|}m, 'would deny');
like($seen, qr{^/ok/x\|deny\|b-in\|}m, 'denied by');
like($seen, qr{^/ok/x\|allow\|-?\|-?\|oid=\S+ appid=\S+\|in\|}m, 'the caller');

# the decision as JSON, whatever the request says
my $size = -s $t->dir('json.log');
my @odd = ("a\e[31mb", "a\"b\\c", "\xff\xfe", "x\x01y", 'x' x 3000,
           "\xe2\x80\xa8", '<script>', "tab\there");
for my $value (@odd) {
    $t->get('/ok/x', headers => ['X-Cred' => $cred{'g-op b-op'},
        'azureml-model-deployment' => $value, 'User-Agent' => $value]);
}
$t->http(raw => "GET /ok/%22%5c%1b%0a%00'\"<> HTTP/1.1\r\nHost: x\r\n"
         . "X-Cred: $cred{'g-op'}\r\nConnection: close\r\n\r\n");
my @lines;
wait_until(sub {
    @lines = split /\n/, substr(slurp($t->dir('json.log')), $size), -1;
    pop @lines;
    return @lines > @odd;
}, 5);
is(scalar(@lines), @odd + 1, 'one line each');
my @bad = grep { $_ ne '' && $_ ne '-'
    && (!eval { JSON::PP->new->utf8->decode($_) } || /[\0-\x1f\x7f]/
        || length > 17000) } @lines;
is(join("\n", @bad), '', 'each of them is JSON, short, without controls');
my ($json) = grep { ref } map { scalar eval { JSON::PP::decode_json($_) } }
    @lines;
is($json->{conditionalAccessStatus}, 'success', 'as in sign-in logs');
is(ref $json->{appliedConditionalAccessPolicies}, 'ARRAY', 'policies');
unlike(slurp($t->dir('json.log')), qr/eyJ/, 'no token in it');

# what a caller is told
for my $policies ('g b-in', 'g-token', 't-later', 'g-friend') {
    $r = ask($policies, '/ok/x');
    unlike($r->{raw}, qr/b-in|g-token|t-later|friend|\bc\d+\b|127\.0\.0/i,
           "$policies: the answer names nothing");
    like($r->header('content-type'), qr{^application/problem\+json},
         "$policies: a problem");
}

# counters, and their number is bounded
sub metrics { $t->get('/entra/status?format=prometheus')->body }
my $before = metrics();
my ($denied) = $before =~ /entra_decisions_total\{decision="deny"\} (\d+)/;
ask('g b-in', "/ok/$_", 'User-Agent' => "x$_") for 1 .. 30;
my $after = metrics();
my ($now) = $after =~ /entra_decisions_total\{decision="deny"\} (\d+)/;
is($now - $denied, 30, 'each denial is counted once');
is(scalar(() = $after =~ /\n/g), scalar(() = $before =~ /\n/g),
   'as many lines as before');
like($after, qr/entra_policy_evaluations_total\{policy="b-in",
                result="failure"\}\ [1-9]/x, 'per policy');
like($after, qr/entra_policy_evaluations_total\{policy="b-report",
                result="report[^"]*[Ff]ailure"\}\ [1-9]/x, 'report-only too');
ask('g-token', '/any');
my ($once) = metrics() =~ /entra_decisions_total\{decision="deny"\} (\d+)/;
is($once - $now, 1, 'satisfy any: counted once');

# what-if says the same
for my $policies (grep { $want{$_} =~ /^(?:200|403)$/ && !/report|past/ }
                  sort keys %want) {
    $r = $t->get("/what?credential=$cred{$policies}&address=127.0.0.1"
                 . '&peer=127.0.0.1&method=GET&path=/ok/x&token=none'
                 . '&certificate=none');
    is($r->json->{decision}{decision}, $want{$policies} == 200 ? 'allow' : 'deny',
       "what-if: $policies");
}

# time passes, on one connection
SKIP: {
    skip 'libfaketime is not installed, or does not mix', 4 unless %fake;
    my $s = EntraTest::HTTP::connect_to(port => $t->port);
    my $clock = sub { $t->get('/clock/x', socket => $s, keepalive => 1,
                              headers => ['X-Cred' => $cred{'t-clock'}]) };
    is($clock->()->status, 200, 'in the window');
    my $n = $e->count(at => 'upstream');
    $t->clock('+3h');
    ok(wait_until(sub { $clock->()->status == 403 }, 10),
       'it closes, for an open connection too');
    $n = $e->count(at => 'upstream');
    $clock->() for 1 .. 3;
    is($e->count(at => 'upstream'), $n, 'nothing arrives');
    $t->clock('+0');
    ok(wait_until(sub { $clock->()->status == 200 }, 10), 'it opens again');
}

# what is refused when it is read
sub refused {
    my ($what, $text, $why) = @_;
    $t->refuses($what, $text, $why // qr/nginx\.conf:\d+/);
}
refused('no location', "entra_named_location x { }\n");
refused('no networks in a policy', "entra_policy x { locations; grant; }\n");
refused('no callers', "entra_policy x { callers; grant; }\n");
refused('no operations', "entra_policy x { operations; grant; }\n");
refused('an empty list', "entra_operations x { }\n");
refused('except nothing', "entra_policy x { locations any except; grant; }\n");
refused('no control', "entra_policy x { locations any; }\n");
refused('both', "entra_policy x { grant; block; }\n");
refused('an unknown location', "entra_policy x { locations nowhere; grant; }\n"
        . "entra_credential c client_secret { %%CREDENTIAL%% scope aml;"
        . " policies x; }\n", qr/nowhere/);
refused('a window without zone nonsense',
        "entra_policy x { time mon-fri 25:00-26:00; grant; }\n");
refused('an empty window', "entra_policy x { time 08:00-08:00; grant; }\n");
refused('an unknown state', "entra_policy x { state on; grant; }\n");
refused('the same twice', "entra_policy x { grant; }\n"
        . "entra_policy x { block; }\n");
refused('an operation in lower case',
        "entra_policy x { operations \"get /\"; grant; }\n");
refused('an operation with a query',
        "entra_policy x { operations \"GET /a?b\"; grant; }\n", qr/query/);
refused('an ambiguous operation',
        "entra_policy x { operations \"GET /a/../b\"; grant; }\n", qr/dot/);
refused('an unknown preset',
        "entra_policy x { operations preset all; grant; }\n", qr/score, read/);

$t->finish;
