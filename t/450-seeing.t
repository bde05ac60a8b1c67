#!/usr/bin/perl

# Who was denied, and why: variables in access_log, one line in the error log,
# counters; report-only policies are seen everywhere and change nothing.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $shop = '6fec8e78-0000-4000-8000-000000000000';

# report-only policies enough to fill every bound: 60 beside the others
my @crowd = map { "crowd-$_" } 1 .. 60;
my $crowd = join '', map {
    "entra_policy $_ { state report_only; operations \"POST /score\" "
    . join(' ', map { "\"GET /many/$_/*\"" } 1 .. 20) . "; block; }\n"
} @crowd;

$t->write('config.json', '{"subscription_id": '
          . '"99999999-9999-4999-8999-999999999999", "resource_group": "rg", '
          . '"workspace_name": "ws"}');

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_caller_token {
    tenant_id %%TENANT%%;
    audience api://gateway;
    authority_host %%AUTHORITY%%;
}
entra_caller shop { token appid=$shop; }
entra_named_location office { 127.0.0.0/8; }
entra_named_location desk { 127.0.0.1/32; }
entra_policy outside { locations any except office; block; }
entra_policy score { operations "POST /score" "GET /a/*" "GET /b"; grant; }
entra_policy step-up { operations "GET /mfa"; grant all token amr=mfa; }
entra_policy callers { callers shop; operations "GET /shop"; grant; }
entra_policy ro-block { state report_only; operations "POST /score"; block; }
entra_policy ro-mfa { state report_only until=2035-01-01;
                      operations any except "GET /b";
                      grant all certificate amr=mfa; }
entra_policy ro-grant { state report_only; operations "GET /nope"; grant; }
entra_policy off { state disabled; block; }
entra_policy second { operations "GET /b" "GET /second"; grant; }
$crowd
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1 echo.test;
    policies outside score step-up callers ro-block ro-mfa ro-grant off;
}
entra_credential plain client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1 echo.test;
    policies outside score step-up callers;
}
entra_credential many client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1 echo.test;
    policies score @crowd;
}
entra_credential other client_secret {
    %%CREDENTIAL%%
    scope arm; upstreams 127.0.0.1 echo.test;
    policies second;
}
entra_credential free client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1 echo.test; policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
map \$uri \$whose { default \$arg_c; ~^/decoded/(?<rest>.*) \$rest; }
log_format vars '\$msec\\t\$status\\t\$entra_decision\\t\$entra_denied_by\\t'
                '\$entra_would_deny\\t\$entra_caller\\t\$entra_operation\\t'
                '\$entra_location\\t\$entra_credential\\t'
                '\$entra_token_status\\t\$entra_reason\\tend';
log_format none escape=none '\$entra_decision|\$entra_operation|'
                            '\$entra_caller|\$entra_location|end';
log_format object escape=none '\$entra_decision_json';
log_format nested escape=json '{"decision":"\$entra_decision",'
                              '"object":"\$entra_decision_json"}';
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    access_log %%DIR%%/vars.log vars;
    access_log %%DIR%%/none.log none;
    access_log %%DIR%%/object.log object if=\$entra_decision_json;
    access_log %%DIR%%/nested.log nested;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    large_client_header_buffers 4 32k;

    location / { entra_auth app; proxy_pass https://echo.test; }
    location /plain/ { entra_auth plain; proxy_pass https://echo.test/; }
    location /page/ { entra_auth app; proxy_pass https://echo.test;
                      error_page 403 /sorry.html; }
    location = /sorry.html { return 403 "sorry\\n"; }
    location /named/ { entra_auth app; proxy_pass https://echo.test;
                       error_page 403 = \@named; }
    location \@named { return 200 "named\\n"; }
    location /other/ { entra_auth app; proxy_pass https://echo.test;
                       error_page 403 /free/x; }
    location /free/ { entra_auth free; proxy_pass https://echo.test; }
    location /teapot/ { entra_auth free;
                        proxy_pass https://echo.test;
                        proxy_intercept_errors on;
                        error_page 418 /sorry.html; }
    location /many/ { entra_auth many; proxy_pass https://echo.test; }
    location = /many-score { entra_auth many;
                             proxy_pass https://echo.test/score; }
    location = /b { entra_auth app; entra_token \$other_token other;
                    proxy_pass https://echo.test; }
    location = /a/second { entra_auth app; entra_token \$other_token other;
                           proxy_pass https://echo.test; }
    location ~ ^/subscriptions { entra_auth free;
                                 entra_workspace %%DIR%%/config.json confine;
                                 proxy_pass https://echo.test; }
    location /raw/ { entra_path raw; entra_auth app;
                     proxy_pass https://echo.test; }
    location /decoded/ { entra_path raw; entra_auth \$whose;
                         proxy_pass https://echo.test; }
    location /entra/ { return 404; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
    location = /off { return 200; }
}
EOC
$t->ready;

my $json = JSON::PP->new->utf8;

# a request: its status, its line of each log, its lines of the error log
sub ask {
    my ($uri, %o) = @_;

    my @logs = qw(vars.log none.log object.log nested.log error.log);
    my %before = map { $_ => length slurp($t->dir($_)) } @logs;
    my $r = $t->http(uri => $uri, %o);
    wait_until(sub { length slurp($t->dir('nested.log'))
                     > $before{'nested.log'} });
    my %new = map { $_ => substr slurp($t->dir($_)), $before{$_} } @logs;
    my %line;
    @line{qw(msec status decision denied_by would_deny caller operation
             location credential token reason)} = split /\t/, $new{'vars.log'};
    return { r => $r, status => $r->status, %line, new => \%new,
             object => length $new{'object.log'} ? $new{'object.log'} : undef,
             errors => [grep { /\[error\]/ && !/entra_caller_token: / }
                        split /\n/, $new{'error.log'}] };
}

# the one line that tells an operator why
sub denied {
    my ($uri, $want, $status, %o) = @_;

    my $name = $o{name} // $uri;
    my $a = ask($uri, %o);
    is($a->{status}, $status, "$name: $status");
    is($a->{decision}, $o{decision} // 'deny', "$name: \$entra_decision");
    is($a->{token}, 'BLOCKED', "$name: \$entra_token_status");
    like($a->{reason}, $o{reason} // qr/^(block|controls|no_grant)$/,
         "$name: \$entra_reason");
    is(scalar @{ $a->{errors} }, 1, "$name: one line");
    like($a->{errors}[0], $want, "$name: which says why");
    unlike($a->{r}->body, qr/outside|step-up|office|crowd/,
           "$name: the client learns nothing of it");
    return $a;
}

sub allowed {
    my ($uri, %o) = @_;

    my $a = ask($uri, %o);
    is($a->{status}, 200, "$uri: passes");
    is($a->{decision}, 'allow', "$uri: \$entra_decision");
    is($a->{reason}, '-', "$uri: \$entra_reason");
    is_deeply($a->{errors}, [], "$uri: no line");
    return $a;
}

# an object of the log: on one line, whole, bounded
sub object {
    my ($a, $name) = @_;

    my $text = $a->{object} // '';
    is(($text =~ tr/\n//), 1, "$name: one object, one line");
    unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f]/,
           "$name: no control characters");
    cmp_ok(length $text, '<=', 32 * 1024 + 1, "$name: bounded");
    my $o = eval { $json->decode($text) };
    ok($o, "$name: is JSON") or diag substr $text, 0, 300;
    return $o || {};
}

# allowed, with what report-only policies would have done
my $a = allowed('/score', body => '{}');
is($a->{denied_by}, '-', 'nobody denied');
is($a->{would_deny}, 'ro-block,ro-mfa', 'who would have');
is($a->{caller}, '-', 'an unknown caller');
is($a->{operation}, 'POST /score', 'the operation');
is($a->{location}, 'office,desk', 'all named locations');
is($a->{credential}, 'app', 'the credential');
my $o = object($a, 'allowed');
is_deeply([@$o{qw(decision httpStatus conditionalAccessStatus credential
                  ipAddress peerAddress method path operation location)}],
          ['allow', 200, 'success', 'app', '127.0.0.1', '127.0.0.1', 'POST',
           '/score', 'POST /score', '/'], 'what the object says');
is_deeply($o->{networkNames}, [qw(office desk)], 'networks');
is_deeply({ map { $_->{displayName} => $_->{result} }
                @{ $o->{appliedConditionalAccessPolicies} } },
          { score => 'success', 'ro-block' => 'reportOnlyFailure',
            'ro-mfa' => 'reportOnlyFailure' }, 'policies and results');
my ($mfa) = grep { $_->{displayName} eq 'ro-mfa' }
    @{ $o->{appliedConditionalAccessPolicies} };
is_deeply($mfa->{grantControlsNotSatisfied}, [qw(certificate amr=mfa)],
          'which controls were not met');
like($o->{createdDateTime}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'when');

# escape=json around it is an object in a string
my ($nested) = $a->{new}{'nested.log'} =~ /(.*)/;
is($json->decode($json->decode($nested)->{object})->{decision}, 'allow',
   'an object in a string, with escape=json');

# denied by a block, by the lack of a grant, for a control, a credential
$a = denied('/score', qr/credential[ ]"app":[ ]denied:[ ]policy[ ]"outside"
                         [ ]\(block\);[ ]client[ ]203\.0\.113\.9,
                         [ ]peer[ ]127\.0\.0\.1,[ ]caller[ ]-,
                         [ ]operation[ ]POST[ ]\/score/x, 403,
            body => '{}', headers => ['X-Forwarded-For' => '203.0.113.9'],
            reason => qr/^block$/);
is($a->{denied_by}, 'outside', 'denied by');
is($a->{location}, '-', 'in no named location');
is(object($a, 'block')->{reason}, 'block', 'reason');

$a = denied('/nope', qr/denied: no grant applies: "score" \(not: operations\)/,
            403, reason => qr/^no_grant$/);
is($a->{denied_by}, '-', 'denied by no policy');
is($a->{would_deny}, 'ro-mfa', 'report-only is told beside it');
$o = object($a, 'no grant');
is($o->{reason}, 'noGrant', 'reason');
my ($grant) = grep { $_->{displayName} eq 'score' }
    @{ $o->{appliedConditionalAccessPolicies} };
is_deeply([@$grant{qw(result conditionsNotSatisfied)}],
          ['notApplied', ['operations']], 'what the grants lacked');

$a = denied('/mfa', qr/policy[ ]"step-up"[ ]\(grant[ ]without[ ]token,
                       [ ]amr=mfa\);[ ]not[ ]presented:[ ]token/x, 401);
is($a->{denied_by}, 'step-up', 'denied by');
is_deeply(object($a, 'step-up')->{notPresented}, ['token'], 'what to present');
like($a->{r}->header('www-authenticate') // '', qr/^Bearer/, 'a challenge');

denied('/shop', qr/not presented: token/, 401);

# callers, and why their tokens are refused
my $token = $e->mint(claims => { aud => 'api://gateway', azp => $shop,
                                 idtyp => 'app', oid => $shop });
$a = allowed('/shop', headers => [Authorization => "Bearer $token"]);
is($a->{caller}, "oid=$shop appid=$shop", '$entra_caller');
is(object($a, 'caller')->{caller}{names}, 'shop', 'and its name here');
my $good = $token;
my %bad = (
    'the wrong audience' => [qr/audience/,
        $e->mint(claims => { aud => 'https://ml.azure.com' })],
    'an expired one' => [qr/expired/, $e->mint(claims => {
        aud => 'api://gateway', exp => time - 7200, nbf => time - 9000,
        iat => time - 9000 })],
    'garbage' => [qr/not base64url/, 'a.b.c'],
);
for my $name (sort keys %bad) {
    my ($why, $token) = @{ $bad{$name} };
    my $a = denied('/score', qr/caller's token is invalid: .*$why/, 401,
                   name => $name, body => '{}', reason => qr/^invalid_token$/,
                   headers => [Authorization => "Bearer $token"]);
    is($a->{caller}, 'token=invalid', "$name: the caller");
    my $o = object($a, $name);
    is($o->{reason}, 'invalidToken', "$name: reason");
    like($o->{failureReason}, $why, "$name: in words");
}

# another page for the error hides nothing from the log
for my $uri (qw(/page/x /named/x)) {
    $a = ask($uri);
    is($a->{decision}, 'deny', "$uri: with error_page");
    is($a->{operation}, "GET $uri", "$uri: the operation");
    is($a->{token}, 'BLOCKED', "$uri: \$entra_token_status");
    is($a->{credential}, 'app', "$uri: the credential");
    is(object($a, $uri)->{location}, $uri =~ s/x$//r, "$uri: the location");
}
$a = ask('/other/x');
is_deeply([@$a{qw(status decision credential token)}], [403, '-', 'free',
          'HIT'], 'the page has a credential of its own');
$a = ask('/teapot/x?status=418');
is_deeply([@$a{qw(status credential token)}], [418, 'free', 'HIT'],
          'an upstream\'s error with a page: the credential is known');

# a second token: whose policies denied
$a = denied('/a/second', qr/credential "other": denied: no grant/, 403);
is(object($a, 'second')->{credential}, 'other', 'the credential that denied');
allowed('/b');

# another workspace
my $ws = '/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups/'
    . 'rg/providers/Microsoft.MachineLearningServices/workspaces/';
is(ask("${ws}ws/jobs")->{status}, 200, 'the workspace');
$a = denied("${ws}other/jobs", qr/denied:[ ]the[ ]request[ ]is[ ]not[ ]for
            [ ]the[ ]workspace.*;[ ]client[ ]127\.0\.0\.1.*operation[ ]\S+/x,
            403,
            name => 'another workspace', reason => qr/^other_workspace$/);
is(object($a, 'another workspace')->{reason}, 'otherWorkspace', 'reason');

# nothing to decide
$a = ask('/off');
is_deeply([@$a{qw(decision denied_by would_deny caller operation location)}],
          [('-') x 6], 'all of them "-"');
like($a->{new}{'none.log'}, qr/^-\|-\|-\|-\|end$/, 'with escape=none too');
is($a->{object}, undef, 'if= leaves the line out');

# what a client sends cannot forge a line
my %hostile = (
    'a quote' => '/raw/"x%22', 'UTF-8' => "/raw/\xc3\xa9\xe2\x82\xac",
    'half a character' => "/raw/\xc3", 'bytes' => "/raw/\xff\xfe",
    'CRLF' => '/raw/%0d%0a2026/11/26%20[error]%20forged',
    'ANSI' => '/raw/%1b[31mred%1b[0m%9b1m', 'NEL' => '/raw/%c2%85%e2%80%a8',
    'a backslash' => '/raw/\\x\\', 'pipes' => '/raw/|end|x',
    'markup' => '/raw/<script>alert(1)</script>',
);
for my $name (sort keys %hostile) {
    my $uri = $hostile{$name};
    my $a = denied($uri, qr/no grant|"step-up"/, 403, name => $name,
                   headers => ['User-Agent' => "\x1b[31m\"</a>\xff",
                               'X-Forwarded-For' => "\x1b]0;x"]);
    my $o = object($a, $name);
    is($o->{path}, defined $o->{path} ? $o->{path} : '', $name);
    like($a->{errors}[0], qr/^\d{4}\/\d\d\/\d\d [\d:]+ \[error\]/,
         "$name: the line is ours");
    my ($ours) = $a->{errors}[0] =~ /(entra credential.*?), client: /;
    unlike($ours // "\n", qr/[^ -~]/, "$name: printable");
    is(scalar(() = $a->{new}{'none.log'} =~ /\n/g), 1, "$name: one line");
    my ($op) = $a->{new}{'none.log'} =~ /^deny\|(.*)\|-\|\S*\|end$/;
    unlike($op // "\n", qr/[^ -~]/, "$name: \$entra_operation is printable");
}
$a = ask("/decoded/%0d%0aforged%1b[31m%22");
is($a->{status}, 403, 'a variable that names no credential');
is(scalar @{ $a->{errors} }, 1, 'one line');
unlike($a->{errors}[0] =~ s/, client: .*//r, qr/[^ -~]/, 'printable');
like($a->{errors}[0], qr/names no credential/, 'says so');
is($a->{reason}, 'no_credential', 'in a word, too');

# claims are what somebody else wrote
my $evil = "x\r\n2026/11/26 [error] forged\x1b[31m\"\xc3\xa9";
$token = $e->mint(claims => { aud => 'api://gateway', idtyp => 'app',
                              azp => $evil, oid => $evil, uti => $evil });
$a = ask('/nope', headers => [Authorization => "Bearer $token"]);
is($a->{status}, 403, 'claims with control characters');
object($a, 'claims');
is(scalar @{ $a->{errors} }, 1, 'one line');
unlike($a->{errors}[0] =~ s/, client: .*//r, qr/[^ -~]/, 'printable');
unlike($a->{new}{'none.log'} =~ s/\n$//r, qr/[^ -~]/, '$entra_caller too');
like($a->{caller}, qr/forged/, 'which is there');

# long ones
$a = denied('/nope/' . 'x' x 8000, qr/no grant applies.*client 127\.0\.0\.1/,
            403, name => '8 kB');
cmp_ok(length $a->{operation}, '<', 600, '8 kB: bounded');
cmp_ok(length $a->{errors}[0], '<=', 2048, '8 kB: the line is whole');
$o = object($a, '8 kB');
cmp_ok(length $o->{path}, '<=', 512, '8 kB: the path is cut');

# more policies than an object of the log can hold
$a = ask('/many-score', body => '{}');
is($a->{status}, 200, '61 policies: passes');
$o = object($a, '61 policies');
is(scalar @{ $o->{appliedConditionalAccessPolicies} } + ($o->{omitted} || 0),
   61, '61 policies: each is there or counted');
is(scalar(split /,/, $a->{would_deny}), 60, '61 policies: all are named');
$a = ask('/many/21/x');
is($a->{status}, 403, '61 policies: denied');
object($a, '61 policies, denied');

# counters: what was asked is what is counted
sub policy {
    my ($name, $status) = @_;
    my ($p) = grep { $_->{name} eq $name } @{ $status->{policies} };
    return $p;
}
my $before = $t->status;
ask('/score', body => '{}') for 1 .. 3;
ask('/nope') for 1 .. 2;
ask('/page/x');
my $after = $t->status;
my %more = map { my $p = policy($_, $before)->{results};
                 my $q = policy($_, $after)->{results};
                 $_ => { map { $q->{$_} > $p->{$_}
                               ? ($_ => $q->{$_} - $p->{$_}) : ()
                         } keys %$q } }
    qw(outside score ro-block ro-mfa ro-grant off);
is_deeply(\%more, {
    outside => { notApplied => 6 },
    score => { success => 3, notApplied => 3 },
    'ro-block' => { reportOnlyFailure => 3, reportOnlyNotApplied => 3 },
    'ro-mfa' => { reportOnlyFailure => 6 },
    'ro-grant' => { reportOnlySuccess => 2, reportOnlyNotApplied => 4 },
    off => { notEnabled => 6 } }, 'evaluations per policy and result');
is($after->{decisions}{allow} - $before->{decisions}{allow}, 3, 'allowed');
is($after->{decisions}{deny} - $before->{decisions}{deny}, 3, 'denied');
is($after->{denials}{no_grant} - $before->{denials}{no_grant}, 3,
   'for this reason');
cmp_ok($after->{denials}{$_}, '>=', 1, "$_: counted before")
    for qw(block controls invalid_token other_workspace);
is($after->{denials}{too_many_policies}, 0, 'and not for others');
is(policy('ro-mfa', $after)->{would_deny}
   - policy('ro-mfa', $before)->{would_deny}, 6, 'would have denied');
my $text = $t->get('/entra/status?format=prometheus')->body;
for my $name (qw(score ro-mfa ro-block)) {
    my $p = policy($name, $t->status)->{results};
    for my $result (sort keys %$p) {
        like($text, qr/^entra_policy_evaluations_total\{policy="$name",
             result="$result"\}\ $p->{$result}$/mx,
             "the same for Prometheus: $name, $result");
    }
}

# the last denials, on the page and in JSON
ask('/raw/<script>alert(1)</script>');
ask('/nope?secret=1');
my $last = $t->status->{last_denials};
is(scalar @$last, 20, 'the last 20 denials');
is_deeply([@{ $last->[0] }{qw(status reason credential)}],
          [403, 'no_grant', 'app'], 'the newest one first');
like($last->[0]{text}, qr/^denied: no grant.*operation GET \/nope$/, 'why');
cmp_ok(abs($last->[0]{time} - time), '<', 30, 'when');
like($last->[1]{text}, qr/<script>/, 'whatever it says');
ok(!(grep { $last->[$_]{time} > $last->[$_ - 1]{time} } 1 .. 19), 'in order');
my $page = $t->get('/entra/status?format=html')->body;
like($page, qr{<h2>Last denials</h2>.*operation GET /nope</td>}s, 'on the page');
unlike($page, qr/<script/, 'as text');
ok($t->reload(undef, wait => 1), 'a reload');
is_deeply($t->status->{last_denials}, $last, 'keeps them');

# report-only changes nothing: "plain" has the same policies without them
for my $one (['GET', '/a/x'], ['POST', '/score'], ['GET', '/nope'],
             ['GET', '/mfa'], ['GET', '/shop'], ['GET', '/b'],
             ['DELETE', '/score'],
             ['GET', '/shop', Authorization => "Bearer " . $e->mint(
                 claims => { aud => 'api://gateway', azp => $shop,
                             idtyp => 'app' })],
             ['GET', '/a/x', 'X-Forwarded-For' => '203.0.113.9'],
             ['GET', '/a/x', 'X-Forwarded-For' => 'nonsense'],
             ['GET', '/a/x', Authorization => 'Bearer x.y.z'])
{
    my ($method, $path, @headers) = @$one;
    my %o = (method => $method, headers => \@headers,
             $method eq 'POST' ? (body => '{}') : ());
    my ($x, $y) = map { $t->http(uri => $_, %o) } $path, "/plain$path";
    is_deeply([map { [$_->status, $_->header('www-authenticate'),
                      $_->header('retry-after')] } $x],
              [map { [$_->status, $_->header('www-authenticate'),
                      $_->header('retry-after')] } $y],
              "@$one[0, 1] @headers: as without report-only");
}

# keys that never came: the gateway cannot tell, and says so
$t->stop;
$e->fault({ at => 'discovery', status => 503, body => '{}' });
$t->start;
ok(wait_until(sub { $t->get('/entra/ready')->body =~ /entra_caller_token/
                    && $t->get('/a/x')->status == 200 }), 'no keys, a token');

$a = denied('/shop', qr/undetermined,.*:[ ]no[ ]grant[ ]applies:.*
                        "callers"[ ]\(unknown:[ ]callers\).*caller[ ]
                        token=unknown/x, 503, decision => 'undetermined',
            name => 'no keys', reason => qr/^undetermined$/, headers => [Authorization => "Bearer $good"]);
like($a->{r}->header('retry-after') // '', qr/^[1-9]\d*$/, 'Retry-After');
is($a->{denied_by}, '-', 'denied by no policy');
is($a->{caller}, 'token=unknown', 'the caller');
$o = object($a, 'no keys');
is_deeply([@$o{qw(decision httpStatus conditionalAccessStatus)}],
          ['undetermined', 503, 'failure'], 'the object');
my ($callers) = grep { $_->{displayName} eq 'callers' }
    @{ $o->{appliedConditionalAccessPolicies} };
is_deeply($callers->{conditionsUnknown}, ['callers'], 'what is unknown');
is($t->status->{decisions}{undetermined}, 1, 'and counted');

my $all = join '', map { slurp($t->dir($_)) }
    qw(vars.log none.log object.log nested.log error.log);
ok(!(grep { index($all, $_->{token}) >= 0 } $e->tokens), 'no token in a log');

$t->finish;
