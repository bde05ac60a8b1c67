#!/usr/bin/perl

# An authorization server that somebody else wrote, npm's oidc-provider, gives
# the gateway its tokens: for a secret, for a certificate (it verifies our
# assertion), for a device code and for a code with PKCE.  What it signed is
# what the upstream gets.

use FindBin;
use lib "$FindBin::Bin/../lib";
use EntraTest;
use JSON::PP ();
use Time::HiRes 'sleep';

# the last one for the Node.js of Debian 12
my $version = '8.8.1';

chomp(my $modules = `$FindBin::Bin/npm oidc-provider $version`);
BAIL_OUT("npm could not install oidc-provider $version") if $? != 0;

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;               # for its upstream, which takes any token
my $tenant = $t->{vars}{TENANT};
my $port = $t->port('PORT2');
my $page = 'http://127.0.0.1:' . $t->port . '/entra/sign-in';
my $life = 8;

sub openssl {
    system('openssl', @_) == 0 or die 'openssl';
}

sub pem {
    my ($name, @args) = @_;
    my $dir = $t->dir;
    open my $err, '>&', \*STDERR;
    open STDERR, '>', '/dev/null';
    openssl(qw(req -x509 -newkey rsa:2048 -nodes -days 2 -keyout),
            "$dir/$name.key", '-out', "$dir/$name.pem", '-subj', "/CN=$name",
            @args);
    open STDERR, '>&', $err;
    $t->write("$name.both", slurp("$dir/$name.key")
                            . slurp("$dir/$name.pem"));
}

pem('localhost', '-addext', 'subjectAltName=DNS:localhost');
pem('app');
pem('stranger');
chomp(my $jwk = `node -e 'console.log(JSON.stringify(require("crypto")
    .createPublicKey(require("fs").readFileSync(process.argv[1]))
    .export({ format: "jwk" })))' @{[ $t->dir('app.pem') ]}`);

$t->write('ca.pem', slurp($t->dir('localhost.pem')));
$t->write('one.secret', "a~secret.of+/=&% this\n");
$t->write('wrong.secret', "another\n");
$t->write('provider.json', JSON::PP::encode_json({
    port => $port, tenant => $tenant, life => $life,
    tls_key => $t->dir('localhost.key'),
    tls_certificate => $t->dir('localhost.pem'),
    secret => 'a~secret.of+/=&% this',
    certificate => JSON::PP::decode_json($jwk),
    callback => "$page/callback" }));

my $provider = fork // die "fork: $!";
if ($provider == 0) {
    open STDOUT, '>', $t->dir('provider.log');
    open STDERR, '>&', \*STDOUT;
    exec 'node', '--experimental-global-webcrypto',
         "$FindBin::Bin/oidc_provider.mjs", $modules, $t->dir('provider.json')
        or die "node: $!";
}
END { local ($?, $!); kill KILL => $provider if $provider; }

ok(wait_until(sub { slurp($t->dir('provider.log')) =~ /^ready$/m }, 60),
   'the provider is there') or diag slurp($t->dir('provider.log'));

my $common = 'scope aml; upstreams 127.0.0.1; policies none;'
    . " authority_host https://localhost:$port; tenant_id $tenant;";
my %credential = (
    secret => 'client_secret { client_id secret;'
        . ' client_secret_file %%DIR%%/one.secret;',
    certificate => 'client_certificate { client_id certificate;'
        . ' client_certificate %%DIR%%/app.both;',
    device => 'device_code { client_id device;',
    browser => 'interactive_browser { client_id browser;'
        . " redirect_uri $page/callback;",
    wrong => 'client_secret { client_id secret;'
        . ' client_secret_file %%DIR%%/wrong.secret;',
    stranger => 'client_certificate { client_id certificate;'
        . ' client_certificate %%DIR%%/stranger.both;',
    chain => 'client_certificate { client_id certificate;'
        . ' client_certificate %%DIR%%/app.both; send_certificate_chain on;',
    rs256 => 'client_certificate { client_id certificate;'
        . ' client_certificate %%DIR%%/app.both; signing_algorithm RS256;',
);
my ($credentials, $locations) = ('', '');
for (sort keys %credential) {
    $credentials .= "entra_credential $_ $credential{$_} $common }\n";
    $locations .= "location = /$_ { entra_auth $_;"
        . " proxy_pass https://echo.test; }\n";
}

$t->start(<<"EOC");
entra_trusted_certificate %%DIR%%/ca.pem;
$credentials
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 5s;
    $locations
    location /entra/sign-in { entra_sign_in; }
    location = /entra/status { entra_status; }
}
EOC

# the claims of what the upstream got, when the provider has signed it:
# PyJWT and the provider's own keys tell
my $verify = <<'END';
import json, ssl, sys, urllib.request
import jwt
url, ca, token = sys.argv[1:]
get = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(
        context=ssl.create_default_context(cafile=ca))).open
keys = json.load(get(url))['keys']
key = jwt.algorithms.RSAAlgorithm.from_jwk(json.dumps(keys[0]))
print(json.dumps(jwt.decode(token, key, algorithms=['RS256'],
                            audience='https://ml.azure.com')))
END

sub token {
    my ($r) = @_;
    my ($auth) = $r->seen('authorization');
    return ($auth // '') =~ /^Bearer ([^ ]+)$/ ? $1 : '';
}

sub verified {
    my ($r) = @_;

    my $pid = open my $out, '-|', '/usr/bin/python3', '-c', $verify,
        "https://localhost:$port/$tenant/discovery/v2.0/keys",
        $t->dir('ca.pem'), token($r) or die "python3: $!";
    my $text = do { local $/; <$out> } // '';
    return close $out ? JSON::PP::decode_json($text) : {};
}


# --- an application

for my $name (qw(secret certificate chain)) {
    my $r = $t->get("/$name");
    is($r->status, 200, "$name: a token") or diag $t->log,
        slurp($t->dir('provider.log'));
    my $client = $name eq 'chain' ? 'certificate' : $name;
    is(verified($r)->{client_id}, $client, "$name: signed, and of whom");
}

# each assertion is good for once: another one is made for the next token
my $first = token($t->get('/certificate'));
my $r = $t->get('/certificate?status=401');
isnt(token($r), $first, 'certificate: a second assertion is another one');
is(verified($r)->{client_id}, 'certificate', 'certificate: and accepted, too');

# a wrong secret, another key, another algorithm than the registered one
for my $name (qw(wrong stranger rs256)) {
    is($t->get("/$name")->status, 503, "$name: no token");
    like($t->credential($name)->{last_error}{text}, qr/invalid_client/,
         "$name: refused");
}


# --- a person

our @jar = ('--cacert', $t->dir('ca.pem'), '-b', $t->dir('jar'),
           '-c', $t->dir('jar'));

# the last page that curl comes to, and its address
sub browse {
    my (@args) = @_;

    open my $out, '-|', 'curl', '-sS', '-L', '--noproxy', '*', @jar,
        '--max-time', $t->seconds(30), '-w', "\n%{http_code} %{url_effective}",
        @args or die "curl: $!";
    my $text = do { local $/; <$out> } // '';
    close $out;
    my ($body, $status, $url) = $text =~ /^(.*)\n(\d+) (\S+)$/s;
    return { status => $status, url => $url, body => $body };
}

sub field {
    my ($page, $name) = @_;
    my ($value) = $page->{body} =~ /name="\Q$name\E" value="([^"]+)"/;
    return $value;
}

sub begin {
    my ($name) = @_;
    my $csrf = field(browse($page), 'csrf');
    return browse('--data-urlencode', "csrf=$csrf", '-d',
                  "credential=$name", "$page/begin");
}

sub signed_in {
    my ($name) = @_;
    ok(wait_until(sub {
           ($t->credential($name)->{state} // '') eq 'valid' }, 30),
       "$name: signed in") or diag $t->log, slurp($t->dir('provider.log'));
    my $r = $t->get("/$name");
    my $claims = verified($r);
    is($claims->{client_id}, $name, "$name: signed, for whom");
    is($claims->{sub}, 'alice', "$name: and of whom");
    return token($r);
}

# its token lives for seconds: it is refreshed, and each refresh token is good
# for one use
sub goes_on {
    my ($name, $seen) = @_;
    my %seen = ($seen => 1);
    my $failures = $t->credential($name)->{failures};
    ok(wait_until(sub {
        my $r = $t->get("/$name");
        $seen{ token($r) } = 1 if $r->status == 200;
        sleep 0.3;
        return keys %seen >= 4;
    }, 60), "$name: refreshed, thrice");
    is($t->credential($name)->{failures}, $failures,
       "$name: without a failure");
}

my $seen = $t->get('/device');
is($seen->status, 503, 'device: nobody has signed in');

my $shown = begin('device');
$shown = browse($page) if $shown->{body} !~ /class="code"/;
my ($code) = $shown->{body} =~ m{<p class="code">([^<]+)</p>};
my ($uri) = $shown->{body} =~ m{<a href="(https://[^"]+)"};
is($uri, "https://localhost:$port/device", 'device: where to go');
like($code, qr/^\w{4}-\w{4}$/, 'device: the code');

# on another device: another jar
{
    local @jar = ('--cacert', $t->dir('ca.pem'), '-b', $t->dir('other'),
                  '-c', $t->dir('other'));
    my $ask = browse($uri);
    my $confirm = browse('-d', 'xsrf=' . field($ask, 'xsrf'), '-d',
                         "user_code=$code", $uri);
    my $end = browse('-d', 'xsrf=' . field($confirm, 'xsrf'), '-d',
                     "user_code=$code", '-d', 'confirm=yes', $uri);
    is($end->{status}, 200, 'device: approved');
}
my $device = signed_in('device');
like(browse($page)->{body}, qr/Signed in as <b>alice\@example.com</,
     'device: the page says who');

is($t->get('/browser')->status, 503, 'browser: nobody has signed in');
$shown = begin('browser');
my ($authorize) = $shown->{body} =~ m{<a href="(https://[^"]+/authorize[^"]*)};
$authorize =~ s/&amp;/&/g;
like($authorize, qr/code_challenge=[\w-]{43}&code_challenge_method=S256/,
     'browser: PKCE');
my $back = browse($authorize);
is($back->{status}, 200, 'browser: and back');
like($back->{url}, qr{^\Q$page\E}, 'browser: to the page');
my $browser = signed_in('browser');

goes_on('device', $device);
goes_on('browser', $browser);

my $log = $t->log . $t->get('/entra/status')->body;
unlike($log, qr/eyJ|\Q$browser\E|code_verifier|a~secret/,
       'no token or secret in log and status');
unlike(slurp($t->dir('provider.log')), qr/server_error|interaction:/,
       'the provider had no trouble');

kill TERM => $provider;
waitpid $provider, 0;
$provider = 0;

$t->finish;
