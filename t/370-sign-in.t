#!/usr/bin/perl

# entra_sign_in with interactive_browser: authorization code with PKCE, as a
# browser, the identity provider and somebody with bad intentions see it.
# Device codes: 371-device-code.t; what survives a restart: 372-state-file.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Digest::SHA 'sha256';
use MIME::Base64 'encode_base64url';

use EntraTest qw(wait_until slurp);
use EntraTest::Browser;

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $port = $t->port;
$e->redirects("https://localhost:$port/in/callback");

$t->start(<<'EOC');
entra_trusted_certificate %%CA%%;
entra_credential alice interactive_browser {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id %%PUBLIC_CLIENT%%;
    redirect_uri https://localhost:%%PORT%%/in/callback;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential bob interactive_browser {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id %%PUBLIC_CLIENT%%;
    redirect_uri https://localhost:%%PORT%%/in/callback;
    scope arm;
    upstreams 127.0.0.1;
    policies none;
}
add_header X-Worker $pid always;
server {
    listen 127.0.0.1:%%PORT%% ssl;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    location /in { entra_sign_in; }
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT2%%;
    include %%PROXY%%;
    entra_wait 10ms;
    location /in/ { entra_sign_in; }
    location /alice { entra_auth alice; proxy_pass https://echo.test; }
    location /bob { entra_auth bob; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

sub browser {
    return EntraTest::Browser->new(port => $port, tls => 1, ca => $e->info('ca'),
                                   @_);
}

sub plain { return $t->get($_[0], port => $t->port('PORT2')) }

sub status_of {
    my ($name) = @_;
    my ($c) = grep { $_->{credential} eq $name }
        @{ plain('/entra/status')->json->{credentials} };
    return $c || {};
}

# the way over the identity provider: the path that it sends back to
sub entra {
    my ($url) = @_;
    my ($path) = $url =~ m{^https://[^/]+(/.*)};
    my $r = EntraTest::HTTP::request(port => $e->port('entra'), tls => 1,
                                     ca => $e->info('ca'), uri => $path);
    my ($back) = ($r->header('location') // '') =~ m{^https://[^/]+(/.*)};
    return $back // '';
}

# so that the next connection is taken by the other worker
sub only {
    my ($worker) = @_;
    kill CONT => $worker;
    for my $other (grep { $_ != $worker } $t->workers) {
        kill STOP => $other;

        # until then it may still take a connection
        wait_until(sub { slurp("/proc/$other/stat") =~ /^\d+ \(.*\) T/s });
    }
}


# before anybody has signed in

is plain('/entra/ready')->status, 503, 'not ready';
is plain('/alice')->status, 503, 'no token, no request';
is $e->count(at => 'token'), 0, 'nobody asks Entra without a sign-in';
like status_of('alice')->{last_error}{text}, qr{sign-in is due: open https://localhost:$port/in$},
    'the status says what is due, and where';

my $b = browser();
my $page = $b->get('/in');
is $page->status, 200, 'the page';
like EntraTest::Browser::section($page, $_), qr/Sign-in is due/, "$_: due"
    for qw(alice bob);
my %headers = (
    'cache-control' => 'no-store', 'x-frame-options' => 'DENY',
    'x-content-type-options' => 'nosniff', 'referrer-policy' => 'same-origin',
    'cross-origin-opener-policy' => 'same-origin',
    'content-type' => 'text/html; charset=utf-8');
is $page->header($_), $headers{$_}, $_ for sort keys %headers;
like $page->header('content-security-policy'),
    qr/default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'sha256-/,
    'content-security-policy';
like $page->header('set-cookie'), qr/^__Host-entra-csrf=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/,
    'the cookie of the form';
unlike $page->body, qr/<script|javascript:/i, 'no script';

is $b->get('/in/')->status, 200, 'with a slash at the end';
is $b->get('/in/other')->status, 404, 'another path';
is $b->get('/inbegin')->status, 404, 'a name that only begins alike';
is $b->get('/in/begin')->status, 405, 'begin is for forms';
is $b->send(uri => '/in', method => 'HEAD')->status, 200, 'HEAD';
is $b->send(uri => '/in', method => 'PUT', body => 'x')->status, 405, 'PUT';


# forgery

my ($action, $fields) = EntraTest::Browser::fields($page, 'alice');
is $action, '/in/begin', 'where the form goes';
my @bad = (
    ['another origin', $fields, [Origin => 'https://evil.example']],
    ['no origin', $fields, [Origin => 'null']],
    ['the same host, another port', $fields, [Origin => 'https://localhost:1']],
    ['plain http', $fields, [Origin => "http://localhost:$port"]],
    ['another site', $fields, ['Sec-Fetch-Site' => 'cross-site']],
    ['another host of the site', $fields, ['Sec-Fetch-Site' => 'same-site']],
    ['no token', { credential => 'alice' }, []],
    ['another token', { %$fields, csrf => 'A' x 43 }, []],
    ['a token of another browser', { %$fields, csrf =>
        (EntraTest::Browser::fields(browser()->get('/in'), 'alice'))[1]{csrf} },
     []],
);
for (@bad) {
    my ($name, $form, $headers) = @$_;
    is $b->post($action, $form, headers => $headers)->status, 403,
        "a form from elsewhere: $name";
}
is browser()->post($action, $fields)->status, 403, 'without the cookie';
is $b->send(uri => $action, method => 'POST', body => EntraTest::Browser::form(
    %$fields), headers => ['Content-Type' => 'text/plain'])->status, 400,
    'not a form';
is $b->send(uri => $action, method => 'POST', body => 'x' x 5000)->status, 413,
    'too long a form';
is $b->send(uri => $action, method => 'POST',
            headers => ['Transfer-Encoding' => 'chunked', 'Content-Type' =>
                        'application/x-www-form-urlencoded'],
            body => sprintf("%x\r\n%s\r\n0\r\n\r\n", 5000, 'x' x 5000))
    ->status, 413, 'too long, and nobody said so';
is $b->post($action, { %$fields, credential => 'eve' })->status, 404,
    'no such credential';
is $e->count(at => 'token') + $e->count(at => 'devicecode'), 0,
    'nothing came of it';


# from one worker to the other

my @workers = $t->workers;
only($workers[0]);
my $r = $b->sign_in('/in', 'alice');
is $r->header('x-worker'), $workers[0], 'begun in one worker';
is $r->status, 200, 'a page that leads away';
like $r->header('set-cookie'), qr/^__Host-entra-sign-in=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/,
    'the cookie of the sign-in';
my $url = $b->leave($r);
like $url, qr{^\Q@{[$t->value('AUTHORITY')]}/@{[$t->value('TENANT')]}\E/oauth2/v2\.0/authorize\?},
    'away to Entra';
my %q = EntraTest::Browser::query($url);
is $q{redirect_uri}, "https://localhost:$port/in/callback", 'redirect_uri';
is $q{response_type}, 'code', 'response_type';
is $q{code_challenge_method}, 'S256', 'PKCE';
is $q{scope}, 'https://ml.azure.com/.default openid profile offline_access',
    'scope';
isnt $q{state}, $q{nonce}, 'state and nonce';

my $back = entra($url);
like $back, qr{^/in/callback\?}, 'Entra sends the browser back';
only($workers[1]);

is browser()->get($back)->status, 403, 'a stranger comes back with it';
is $b->get('/in/callback?code=x&state=' . 'A' x 43)->status, 400,
    'another state';
is $b->get('/in/callback?code=x')->status, 400, 'no state';
is $b->get('/in/callback')->status, 400, 'nothing';
is $e->count(at => 'token'), 0, 'no code was sent to Entra for these';

$r = $b->get($back);
is $r->header('x-worker'), $workers[1], 'ended in the other one';
is $r->status, 200, 'signed in';
like $r->body, qr/You are signed in as alice\@contoso\.example/, 'as whom';
is $r->header('cache-control'), 'no-store', 'not for caches';
kill CONT => @workers;

my ($asked) = $e->requests(at => 'token', last => 0);
my %sent = EntraTest::Browser::query('?' . $asked->{body});
is $sent{grant_type}, 'authorization_code', 'grant_type';
is $sent{redirect_uri}, $q{redirect_uri}, 'the same redirect_uri';
is encode_base64url(sha256($sent{code_verifier})), $q{code_challenge},
    'the verifier of the challenge';

ok wait_until(sub { plain('/alice')->status == 200 }), 'requests have a token';
like((plain('/alice')->seen('authorization'))[0], qr/^Bearer ey/,
     'and the upstream gets it');
ok wait_until(sub { (status_of('alice')->{note} // '') =~
    /signed in as alice\@contoso\.example since 20/ }), 'the status says who';
is plain('/bob')->status, 503, 'the other credential is not signed in';
is plain('/entra/ready')->status, 503, 'not ready yet';

is $b->get($back)->status, 400, 'the same answer again: used';
is $e->count(at => 'token', client_id => $t->value('PUBLIC_CLIENT')), 2,
    'a code, a refresh, and no more';


# a code that somebody else has got: injected into a sign-in of this browser

my $victim = browser();
my $mine = browser();
my ($code) = entra($mine->leave($mine->sign_in('/in', 'bob')))
    =~ /[?&]code=([^&]*)/;
my %v = EntraTest::Browser::query($victim->leave(
    $victim->sign_in('/in', 'bob')));
$r = $victim->get("/in/callback?code=$code&state=$v{state}");
is $r->status, 502, 'a foreign code';
like $r->body, qr/AADSTS501481/, 'PKCE finds out';
like EntraTest::Browser::section($b->get('/in'), 'bob'), qr/Sign-in is due/,
    'bob is still not signed in';
ok !(grep { index($t->log, $_) >= 0 } $code, $sent{code_verifier}, $v{state}),
    'nothing of it in the log';


# a provider that answers with somebody else's ID token

$e->fault({ at => 'token', times => 1, set => { id_token => 'e30.' .
    encode_base64url('{"aud":"' . $t->value('PUBLIC_CLIENT') . '","exp":'
                     . (time + 3600) . ',"nonce":"stolen"}') . '.c2ln' } });
$r = $mine->get(entra($mine->leave($mine->sign_in('/in', 'bob'))));
is $r->status, 502, 'another nonce';
like $r->body, qr/of another sign-in/, 'and it says so';
$e->clear_faults;


# declined, and what a provider or an attacker could write into the answer

%v = EntraTest::Browser::query($victim->leave($victim->sign_in('/in', 'bob')));
my $script = EntraTest::Browser::escape(
    qq{AADSTS65004: <script>alert(1)</script>"'><img src=x onerror=alert(2)>\r\nSet-Cookie: a=b});
$r = $victim->get("/in/callback?error=access_denied&error_description=$script"
                  . "&state=$v{state}");
is $r->status, 400, 'declined';
like $r->body, qr/did not sign you in: access_denied, AADSTS65004: &lt;script&gt;alert/,
    'in its words, as text';
unlike $r->body, qr/<script|<img/, 'and nothing but text';
is $r->header('set-cookie'), undef, 'no header of it';
is scalar(() = $t->log =~ /^Set-Cookie/mg), 0, 'no line of it in the log';
$r = $victim->get("/in/callback?error=x&error_description=$script");
unlike $r->body, qr/alert/, 'without a state it is not shown at all';


# Host, X-Forwarded-Host and the like say nothing about where Entra sends

for my $host ('evil.example', 'evil.example:443', "localhost:$port\@evil.example") {
    my $eve = browser();
    my $r = $eve->get('/in', headers => ['X-Forwarded-Host' => $host],
                      host => $host);
    unlike $r->body, qr/evil\.example/, "Host: $host: not in the page";
    my ($to, $f) = EntraTest::Browser::fields($r, 'bob');
    next if $r->status == 400;
    $r = $eve->post($to, $f, host => $host, headers => []);
    my %q = EntraTest::Browser::query($eve->leave($r));
    is $q{redirect_uri}, "https://localhost:$port/in/callback",
        "Host: $host: redirect_uri is the configured one";
}

# open redirects

for my $path ('/in//evil.example', '/in/callback?url=https://evil.example',
              '/in?next=//evil.example', '//evil.example/in')
{
    my $r = $b->get($path);
    unlike join("\n", map { $_->[1] } @{ $r->{list} }) . $r->body,
        qr/evil\.example/, "$path: nothing leads there";
}

# over plain http the cookies cannot be Secure, and the form works

my $http = EntraTest::Browser->new(port => $t->port('PORT2'));
$r = $http->get('/in/');
like $r->header('set-cookie'), qr/^entra-csrf=[^;]*; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/,
    'plain http: the cookie';
($action) = EntraTest::Browser::fields($r, 'bob');
is $action, '/in/begin', 'a location with a slash: the form';
is $http->leave($http->sign_in('/in/', 'bob')), "https://localhost:$port/in",
    'where Entra would not send the browser back to: to the page that is there';

# a form of a browser that a proxy in front gives another name

($action, $fields) = EntraTest::Browser::fields($b->get('/in'), 'bob');
is $b->post($action, $fields, host => 'gateway', headers =>
            [Origin => $b->origin, 'Sec-Fetch-Site' => 'same-origin'])
    ->status, 200, 'a proxy in front that changes Host';


# bob: and a reload while Entra thinks

$r = $b->sign_in('/in', 'bob');
$back = entra($b->leave($r));
$e->settings(expires_in => 3, refresh_token_reuse => \0);
$e->fault({ at => 'token', delay => 2, times => 1 });
my $n = $e->count(at => 'token');
pipe my $in, my $out or die;
my $pid = fork // die;
if ($pid == 0) {
    my $r = $b->get($back);
    syswrite $out, $r->status . ' ' . $r->body;
    require POSIX;
    POSIX::_exit(0);
}
close $out;
ok wait_until(sub { $e->counters->{'connections.entra'} && plain('/entra/status')
    && $e->control(GET => 'faults')->[0]{hits} }), 'the code is on its way';
ok $t->reload, 'reload meanwhile';
my $answer = do { local $/; <$in> };
waitpid $pid, 0;
like $answer, qr/^200 .*You are signed in as alice/s,
    'the browser gets its answer';
ok wait_until(sub { plain('/bob')->status == 200 }),
    'and the new workers a token';
ok wait_until(sub { plain('/entra/ready')->status == 200 }), 'ready';
like EntraTest::Browser::section($b->get('/in'), 'bob'),
    qr/Signed in as <b>alice\@contoso\.example<\/b> since 20/, 'on the page';


# a refresh token that is good once: each refresh uses the one before's

sub refreshes {
    return map { +{ EntraTest::Browser::query("?$_->{body}") } }
        grep { $_->{body} =~ /grant_type=refresh_token/
               && $_->{body} =~ /management/ } $e->requests(at => 'token');
}

ok wait_until(sub { refreshes() >= 3 }, 20), 'it is refreshed';
my %used;
$used{ $_->{refresh_token} }++ for refreshes();
is scalar(grep { $_ > 1 } values %used), 0, 'no refresh token is used twice';
is status_of('bob')->{failures_in_a_row}, 0, 'and none is refused';


# the sign-in ends: the page and the status say so, once and for all workers

$e->control(POST => 'refresh_tokens/revoke', {});
ok wait_until(sub {
    (status_of('bob')->{last_error}{aadsts} // '') eq 'AADSTS50173' }),
    'the status says why';
like status_of('bob')->{last_error}{text}, qr/^sign-in is due[ :]/,
    'and what is to be done';
like status_of('bob')->{note}, qr/^sign-in is due[ :]/,
    'not who was signed in';
like EntraTest::Browser::section($b->get('/in'), 'bob'),
    qr/Sign-in is due\.<\/b>.*AADSTS50173/, 'and so does the page';
ok wait_until(sub { plain('/bob')->status == 503 }), 'nothing expired is sent';
$n = refreshes();
ok wait_until(sub { status_of('bob')->{failures_in_a_row} > 1 }, 30),
    'tried once more';
is scalar(refreshes()), $n, 'but not at Entra, without a refresh token';
ok !plain('/entra/ready')->json->{ready}, 'not ready';
$e->settings(expires_in => 3599);
$r = $b->get(entra($b->leave($b->sign_in('/in', 'bob'))));
like $r->body, qr/You are signed in/, 'bob signs in again';
ok wait_until(sub { plain('/bob')->status == 200 }), 'and all is well';

unlike $t->log, qr/eyJ[\w-]+\.|0\.A[\w-]{20}/, 'no token in the log';
$t->finish;
