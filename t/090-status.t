#!/usr/bin/perl

# entra_status: JSON, Prometheus, ready.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Digest::SHA 'sha256';
use MIME::Base64 'encode_base64';
use JSON::PP ();

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $bad = 'bad00000-0000-4000-8000-000000000000';
$e->app(client_id => $bad, secrets => [{ value => 'right' }]);
$t->write('bad.secret', 'wrong');
$t->write('office.cidr', "127.0.0.0/8\n::1/128\n");

my $conf = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential good client_secret {
    %%CREDENTIAL%%
    scope aml arm;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential bad client_secret {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id $bad;
    client_secret_file %%DIR%%/bad.secret;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential lazy client_secret {
    %%CREDENTIAL%%
    scope graph;
    upstreams 127.0.0.1;
    policies none;
    preload off;
}
entra_named_location office { file %%DIR%%/office.cidr; }
entra_caller_token { tenant_id %%TENANT%%; audience api://gateway;
                     authority_host %%AUTHORITY%%; }
entra_policy outside { locations any except office; block; }
entra_policy score { operations "POST /p"; grant; }
entra_policy trial { state report_only; block; }
entra_policy unused { block; }
entra_credential judged client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1;
    policies outside score trial;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream fraud.westeurope.inference.ml.azure.com {
    server 127.0.0.1:%%UPSTREAM%%;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 500ms;
    add_header X-Reason \$entra_reason always;
    location /good { entra_auth good; proxy_pass https://echo.test; }
    location /p { entra_auth judged; proxy_pass https://echo.test; }
    location /bad { entra_auth bad; proxy_pass https://echo.test; }
    location /score {
        entra_auth good;
        entra_replay off;
        proxy_pass https://fraud.westeurope.inference.ml.azure.com;
    }
    location /evil { entra_auth good; proxy_pass https://\$arg_h; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
    location = /entra/ready/good { entra_status ready good judged; }
    location = /entra/ready/bad { entra_status ready good bad; }
    location = /entra/live { entra_status live; }
}
EOC
$t->start($conf);

ok(wait_until(sub { $t->credential('good')->{fetches}
                    && $t->credential('bad')->{failures} }),
   'both were tried');

my $r = $t->get('/entra/status');
is($r->status, 200, 'status');
like($r->header('content-type'), qr{^application/json}, 'is JSON');
my $aml = 'https://ml.azure.com/.default';
my $good = $t->credential('good', $aml);
is($good->{type}, 'client_secret', 'type');
is($good->{state}, 'valid', 'state');
is($t->credential('lazy')->{state}, 'empty', 'one that nobody has asked for');
is($t->status->{ready}, JSON::PP::false, 'ready, in the status too');
my $states = $t->status->{states};
is_deeply([@$states{qw(valid failing empty)}], [3, 1, 1], 'how many of each');
is_deeply([map { $_->{credential} } @{ $t->get('/entra/status?search=LAZ')
    ->json->{credentials} }], ['lazy'], 'search');
is_deeply([map { $_->{credential} } @{ $t->get('/entra/status?state=failing')
    ->json->{credentials} }], ['bad'], 'by state');
is(scalar @{ $t->get('/entra/status?search=%00&state=x')->json->{credentials} },
   5, 'what makes no sense is not asked for');
cmp_ok($good->{expires_in}, '>', 3000, 'seconds to expiry');
cmp_ok($good->{refresh_in}, '>', 0, 'seconds to refresh');
cmp_ok($good->{refresh_in}, '<', $good->{expires_in}, 'which comes first');
is($good->{fetches}, 1, 'fetches');
is($good->{failures}, 0, 'failures');
is($good->{last_error}, undef, 'no error');
ok(%{ $t->credential('good', 'https://management.azure.com/.default') },
   'each scope has its own');
ok(%{ $t->credential('lazy') }, 'a credential in waiting is shown');

my $b = $t->credential('bad');
like($b->{state}, qr/^fail/, 'one that fails');
cmp_ok($b->{failures}, '>=', 1, 'is counted');
is($b->{last_error}{aadsts}, 'AADSTS7000215', 'its last error');
my ($asked) = $e->requests(at => 'token', client_id => $bad);
my ($id) = sent($asked, 'client-request-id');
like($b->{last_error}{correlation_id} // '', qr/^[0-9a-f-]{36}$/,
     'with a correlation id');
ok((grep { my $r = $_; grep { $_->[1] eq $b->{last_error}{correlation_id} }
           @{ $r->{headers} } } $e->requests(at => 'token',
                                             client_id => $bad)),
   'which is that of our request');
like($b->{last_error}{text}, qr/AADSTS7000215|secret/i, 'and words');
unlike($r->body, qr/[\x00-\x08\x0b\x0c\x0e-\x1f]/, 'no control characters');

# counting
$t->get('/good') for 1 .. 3;
is($t->get('/bad')->header('x-reason'), 'no_token', 'why in a word: no token');
is($t->get("/evil?h=127.0.0.2:$t->{vars}{UPSTREAM}")->header('x-reason'),
   'egress', 'the egress guard');
is($t->get('/good//x')->header('x-reason'), 'ambiguous_path', 'a path');
is($t->credential('good', $aml)->{requests}{HIT}, 3, 'HIT');
is($t->status->{egress_blocked}, 1, 'egress');
is($t->credential('good', $aml)->{requests}{BLOCKED}, 1, 'BLOCKED');
is($t->get('/score', body => '{}')->status, 200, 'scored');
$e->endpoint(name => 'fraud', busy => \1);
is($t->get('/score', body => '{}')->status, 429, '429 passes');
$e->endpoint(name => 'fraud', busy => \0, failing => \1);
$r = $t->get('/score', body => '{}');
is($r->status, 424, '424 passes');
ok($r->header('ms-azureml-model-error-reason'), 'unchanged');
$e->endpoint(name => 'fraud', failing => \0);
$e->settings(score_refused => 403);
$e->grant;
$r = $t->get('/score', body => '{}');
is($r->status, 403, '403 passes');
is($r->json->{error}{code}, 'AuthorizationFailed', 'unchanged');
my $up = $t->credential('good', $aml)->{upstream};
is_deeply([@$up{qw(403 424 429)}], [1, 1, 1], 'they are counted');

# ready
$r = $t->get('/entra/ready');
is($r->status, 503, 'not ready');
like($r->body, qr/"bad"/, 'says which credential');
unlike($r->body, qr/"lazy"|"good"/, 'and no other');

is($t->get('/entra/ready/good')->status, 200, 'ready, of chosen ones');
$r = $t->get('/entra/ready/bad');
is($r->status, 503, 'one of which is not');
is_deeply([map { $_->{credential} } @{ $r->json->{not_ready} }], ['bad'],
          'says so, and nothing of the others');
is($r->json->{not_ready}[0]{state}, 'failing', 'with its state');
is($r->header('retry-after'), 1, 'to be asked again soon');
$r = $t->get('/entra/live');
is($r->status, 200, 'live, ready or not');
is($r->body, qq({"live":true}\n), 'and no more');
for my $one (['ready nobody', qr/names credential "nobody": there is no such/],
             ['ready lazy', qr/names credential "lazy": with "preload off"/],
             ['alive', qr/takes no parameter, "live", or "ready"/])
{
    my ($words, $why) = @$one;
    my $out = $t->refuses("entra_status $words",
        $conf =~ s/entra_status live/entra_status $words/r, $why);
    like($out, qr/in \S+nginx\.conf:\d+/, 'and the line');
}

# Prometheus
my $text = $t->get('/entra/status?format=prometheus');
like($text->header('content-type'), qr{^text/plain}, 'Prometheus');
$text = $text->body;
like($text, qr/^$_/m, "metric $_") for
    qr/entra_token_expiry_seconds\{[^}]*credential="good"[^}]*\} \d/,
    qr/entra_token_refresh_total\{[^}]*result="success"[^}]*\} [1-9]/,
    qr/entra_token_refresh_total\{[^}]*result="\w*(fail|error)\w*"[^}]*\} [1-9]/,
    qr/entra_token_fetch_seconds/,
    qr/entra_requests_total\{[^}]*"good"[^}]*status="HIT"[^}]*\} \d/,
    qr/entra_decisions_total/,
    qr/entra_egress_blocked_total 1/,
    qr/entra_replays_total/,
    qr/entra_build_info\{version="[\d.]+",nginx="[\d.]+"\} 1\n/,
    qr/entra_ready 0\n/,
    qr/entra_tokens\{state="failing"\} 1\n/,
    qr/entra_token_consecutive_failures\{[^}]*"bad"[^}]*\} [1-9]/,
    qr/entra_token_consecutive_failures\{[^}]*"good"[^}]*\} 0\n/,
    qr/entra_token_fetch_seconds_bucket\{[^}]*"good"[^}]*le="\+Inf"\} 1\n/,
    qr/entra_token_fetch_seconds_count\{[^}]*"good"[^}]*\} 1\n/,
    qr/entra_credential_stale_files\{credential="good"\} 0\n/,
    qr/entra_denials_total\{reason="block"\} 0\n/,
    qr/entra_list_stale\{name="office"\} 0\n/;
unlike($text, qr/^entra_token_expiry_seconds\{[^}]*"lazy"/m,
       'no alarm for what nobody has asked for');
my @le = $text =~ /^entra_token_fetch_seconds_bucket\{credential="good",
    scope="[^"]*ml[^"]*",le="[^"]+"\}\ (\d+)$/mgx;
is(scalar @le, 9, 'buckets');
is_deeply([sort { $::a <=> $::b } @le], \@le, 'which are cumulative');
my %typed = map { $_ => 1 } $text =~ /^# TYPE (\S+)/mg;
my %named = map { s/_(bucket|sum|count)$//r => 1 } $text =~ /^(\w+)[{ ]/mg;
is_deeply([grep { !$typed{$_} } sort keys %named], [], 'each has its TYPE');
my @odd = grep { !/^(#|$)/
    && !/^[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})?
          \ [0-9.eE+-]+$/x } split /\n/, $text;
is_deeply(\@odd, [], 'each line is of the format');
# the format, strictly (text exposition format 0.0.4): of each family HELP,
# TYPE and then its samples, once; labels that are escaped; numbers
sub exposition {
    my ($text) = @_;

    my (@wrong, %family, %sample, %help, $now);
    push @wrong, 'does not end with a line feed' unless $text =~ /\n\z/;
    for (split /\n/, $text) {
        if (/^# HELP ([a-zA-Z_:][\w:]*) (.+)$/) {
            push @wrong, "HELP of $1 twice" if $help{$1}++;
            push @wrong, "HELP of $1: $2" if $2 =~ /\\(?![\\n])/;
            $now = $1;
        } elsif (/^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/) {
            push @wrong, "TYPE of $1 twice" if $family{$1};
            push @wrong, "TYPE of $1 before its HELP" unless $help{$1};
            $family{$1} = $2;
            $now = $1;
        } elsif (/^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*=
                   "(?:[^"\\\n]|\\[\\"n])*"(?:,(?!\})|(?=\})))*)\})?
                  \ ([-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|Inf)|NaN)$/x)
        {
            my ($name, $labels, $value) = ($1, $2 // '', $3);
            my $base = ($family{$now // ''} // '') eq 'histogram'
                ? $name =~ s/_(bucket|sum|count)$//r : $name;
            push @wrong, "$name is not of the family " . ($now // 'none')
                unless defined $now && $base eq $now;
            push @wrong, "$name without TYPE" unless $family{$base};
            push @wrong, "$name\{$labels} twice" if $sample{"$name $labels"}++;
            push @wrong, "$name: a counter ends in _total"
                if $family{$base} && $family{$base} eq 'counter'
                   && $name !~ /_total$/;
            push @wrong, "$name: $value" if $value < 0;
        } else {
            push @wrong, "no line of the format: $_";
        }
    }
    return @wrong;
}
is(join("\n", exposition($text)), '', 'the exposition format, strictly');
ok(scalar exposition("x 1\n"), 'of which the check knows something');
ok(scalar exposition("# HELP x_total x\n# TYPE x_total counter\n"
                     . "x_total{a=\"b\\c\"} 1\n"), 'and of escapes');
like($text, qr/^entra_caller_keys [1-9]/m, 'keys of callers');
like($text, qr/^entra_caller_keys_age_seconds \d/m, 'and their age');
like($text, qr/^entra_list_entries\{name="office"\} 2$/m, 'lists');
unlike($text, qr/"entra_caller_token"|"unused"/, 'nothing that is not meant');

# its size is bounded by the configuration, not by what clients send
my $series = () = $text =~ /^\w/mg;
$t->get("/good/$_?x=$_", headers => ['User-Agent' => "x$_"]) for 1 .. 20;
my $again = $t->get('/entra/status?format=prometheus')->body;
is(scalar(() = $again =~ /^\w/mg), $series, 'as many series as before');

my %line;
$line{$_}++ for $text =~ /^([a-z_]+\{[^}]*\}|[a-z_]+) /mg;
is_deeply([grep { $line{$_} > 1 } keys %line], [], 'none is there twice');
# who gets what
my $chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,'
    . 'image/avif,image/webp,image/apng,*/*;q=0.8';
for my $one (
    [undef, 'application/json'], ['*/*', 'application/json'],
    ['', 'application/json'], ['application/json', 'application/json'],
    [$chrome, 'text/html'], ['TEXT/HTML', 'text/html'],
    ['application/json, text/plain, */*', 'application/json'],
    ['text/html;q=0.5, application/json', 'application/json'],
    ['text/html;q=0, */*', 'application/json'],
    ['text/plain', 'text/plain'],
    ['application/openmetrics-text;version=1.0.0;q=0.5,'
     . 'text/plain;version=0.0.4;q=0.3,*/*;q=0.1', 'text/plain'],
    ['application/vnd.google.protobuf;proto=io.prometheus.client.'
     . 'MetricFamily;encoding=delimited;q=0.6,text/plain;q=0.5,*/*;q=0.1',
     'text/plain'],
    ['text/html;q=x', 'text/html'], [',;,q=;', 'application/json'],
    ['text/html' . ';q=0.1' x 500, 'text/html'])
{
    my ($accept, $want) = @$one;
    my $r = $t->get('/entra/status', headers => [
        defined $accept ? (Accept => $accept) : ()]);
    like($r->header('content-type') // '', qr{^\Q$want\E},
         'Accept: ' . substr($accept // 'none', 0, 60) . " gets $want");
    is($r->header('vary'), 'Accept', 'which caches are told');
    is($r->header('cache-control'), 'no-store', 'and not to keep it');
    is($r->header('x-content-type-options'), 'nosniff', 'nor to guess');
}
$r = $t->get('/entra/status?format=html',
             headers => [Accept => 'application/json']);
like($r->header('content-type'), qr{^text/html}, 'format= wins');
$r = $t->get('/entra/status?format=xml');
is($r->status, 400, 'an unknown format');
like($r->body, qr/format is json, prometheus or html/, 'says which there are');

# the page
is($t->http(uri => '/p', body => '')->status, 200, 'a decision');
$t->write('office.cidr', "127.0.0.0/8\n<script>'\"&\n");
ok(wait_until(sub { $t->status->{named_locations}[0]{failures} }),
   'a list that is broken');
$r = $t->get('/entra/status?format=html');
my $page = $r->body;
like($page, qr/^<!doctype html>/, 'a page');
my ($style) = $page =~ m{<style>(.*?)</style>}s;
is($r->header('content-security-policy'), "default-src 'none'; base-uri 'none';"
   . " form-action 'self'; frame-ancestors 'none'; style-src 'sha256-"
   . encode_base64(sha256($style), '') . "'", 'which may use its style only');
is($r->header('referrer-policy'), 'no-referrer', 'tells nobody of itself');
unlike($page, qr/<[^>]+\sstyle=/, 'and has no other style');
unlike($page, qr/<script|javascript:|\son\w+=|https?:\/\/[^<]*\.(js|css)/,
       'without scripts, and from nowhere else');
like($page, qr/&lt;script&gt;&#39;&quot;&amp;/, 'what files say is escaped');
like($page, qr/>Not ready: 1 of/, 'is it ready?');
like($page, qr/AADSTS7000215.*correlation id [0-9a-f-]{36}/, 'the last error');

# its text, as tables of cells
sub rows {
    my ($heading) = @_;
    my ($table) = $page =~ m{<h2>\Q$heading\E</h2>\n(?:<form.*\n)?<table.*?
        <tbody>(.*?)</tbody>}sx or return;
    return map { [map { s/<[^>]+>//gr } m{<td[^>]*>(.*?)</td>}g] }
        grep { length } split /\n/, $table;
}
my %blocks = map { $_->[0] => $_ } rows('Policies that block');
my %grants = map { $_->[0] => $_ } rows('Policies that grant');
is_deeply([sort keys %blocks], [qw(outside trial unused)], 'what blocks');
is_deeply($blocks{trial}, ['trial', 'report_only', 0, 0, 1],
          'what a report-only policy would have denied');
is($blocks{unused}[1], 'not used', 'one in vain');
is_deeply($grants{score}, ['score', 'enabled', 1, 0, 0, 0],
          'apart from what grants');
my %lists = map { $_->[0] => $_ } rows('Lists and keys');
is_deeply([@{ $lists{office} }[1, 2]], ['named location', 2],
          'the list that stays in use');
is($lists{entra_caller_token}[1], "keys of callers' tokens", 'keys');
my @rows = rows('Credentials');
like($rows[0][0], qr{^bad client_secret}, 'what fails comes first');
like($rows[0][0], qr{https://ml\.azure\.com/\.default$}, 'for what');
like($rows[0][1], qr/^failing [1-9]\d* failures?, next attempt in \d+ /,
     'how often, and when it is tried again');
like($rows[1][0], qr/^Failing \(20\d\d-.*AADSTS7000215/, 'and why below it');
like($page, qr{<svg[ ]class="times"[^>]*aria-label="of[ ]the[ ]last
     [ ]([1-9]\d*)[ ]attempts[ ]\1[ ]failed"><rect[ ]class="bad"}x,
     'the last attempts, a bar each');
my ($shown) = grep { $_->[0] =~ m{^good .*ml\.azure} } @rows;
like($shown->[1], qr/^valid next attempt in \d+ /, 'one that is valid');
like($shown->[2], qr/^expires in \d+ min, refresh in \d+ min$/,
     'for how long');
like($shown->[3], qr/^1 \d\.\d\d s each$/, 'fetches');
like($shown->[4], qr/HIT \d+.*BLOCKED 1/, 'requests by status');
is($shown->[5], '403: 1, 424: 1, 429: 1', 'what the upstream refused');
my @open;
my $crossed = 0;
while ($page =~ m{<(/?)(table|tr|td|th|div|p|h1|h2|span|a|b|html|head|body|
                   main|thead|tbody|ul|li|small|i|form|button|svg|
                   style|title)\b[^>]*>}xg) {
    if (!$1) { push @open, $2 } else { $crossed++ if pop @open ne $2 }
}
is(join(' ', @open, $crossed), '0', 'every element is closed');

# JSON says the same
my $s = $t->status;
is($s->{caller_keys}{state}, 'valid', 'keys in JSON');
cmp_ok($s->{caller_keys}{entries}, '>=', 1, 'how many');
like($s->{caller_keys}{age}, qr/^\d+$/, 'how old');
ok(!(grep { $_->{credential} eq 'entra_caller_token' }
     @{ $s->{credentials} }), 'which are no credential');
is($s->{named_locations}[0]{entries}, 2, 'entries of a list');
like($s->{named_locations}[0]{error}, qr/office\.cidr:2/, 'its error');
my ($trial) = grep { $_->{name} eq 'trial' } @{ $s->{policies} };
is($trial->{would_deny}, 1, 'would_deny');
like($t->get('/entra/status?format=prometheus')->body,
     qr/^entra_list_stale\{name="office"\} 1$/m, 'a list that is stale');
$t->write('office.cidr', "127.0.0.0/8\n");
ok(wait_until(sub { $t->get('/entra/status?format=prometheus')->body
                    =~ /^entra_list_stale\{name="office"\} 0$/m }),
   'until it is not');

# a secret that cannot be used
my $secret = slurp($t->{vars}{SECRET_FILE});
$t->write('bad.secret', "two\nlines\n");
ok(wait_until(sub { $t->credential('bad')->{files_stale} == 1 }),
   'a stale file');
like($t->get('/entra/status?format=prometheus')->body,
     qr/^entra_credential_stale_files\{credential="bad"\} 1$/m, 'is counted');
$t->write('bad.secret', 'wrong');
ok(wait_until(sub { $t->credential('bad')->{files_stale} == 0 }),
   'until it is as it was');

# another worker, another reload: the same counters
my %n;
$n{ $t->credential('good', $aml)->{requests}{HIT} }++ for 1 .. 20;
is(scalar keys %n, 1, 'all workers say the same');
ok($t->reload($conf, wait => 1), 'reload');
is($t->credential('good', $aml)->{state}, 'valid', 'the token is still there');
is($t->http(uri => '/entra/status', method => 'POST', body => '')->status,
   405, 'POST is not allowed');
is($t->http(uri => '/entra/status', method => 'HEAD')->status, 200, 'HEAD');

# it gets well
$e->secrets(client_id => $bad, secrets => ['wrong']);
$t->ready(70);
is($t->credential('bad')->{state}, 'valid', 'valid');

my $all = $t->get('/entra/status')->body . $text
    . $t->get('/entra/status?format=html')->body;
ok(!(grep { index($all, $_->{token}) >= 0 } $e->tokens), 'no token in it');
unlike($all, qr/\Q@{[slurp($t->{vars}{SECRET_FILE}) =~ s,\n,,r]}/,
       'no secret');

$t->finish;
