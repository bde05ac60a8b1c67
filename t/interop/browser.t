#!/usr/bin/perl

# entra_sign_in in a headless Chromium: a person signs in without JavaScript;
# other sites can neither frame the page nor send its forms.  With
# ENTRA_SCREENSHOTS=DIR pictures of it are left there.

use FindBin;
use lib "$FindBin::Bin/../lib";
use EntraTest;

use EntraTest qw(wait_until slurp);
use EntraTest::Browser;
use EntraTest::Chromium;

my $t = EntraTest->new(warnings => 1)->module;
plan skip_all => 'no chromium' unless EntraTest::Chromium::available();
my $e = $t->emulator(settings => { sign_in => 'ask', device_interval => 1 });
my ($here, $evil) = map { $t->port($_) } qw(PORT PORT2);
$e->redirects("https://localhost:$here/in/callback");

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
entra_credential pipeline device_code {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id %%PUBLIC_CLIENT%%;
    scope arm;
    upstreams 127.0.0.1;
    policies none;
}
ssl_certificate %%DIR%%/emulator1/server.pem;
ssl_certificate_key %%DIR%%/emulator1/server.key;
server {
    listen 127.0.0.1:%%PORT%% ssl http2;
    location /in { entra_sign_in; }
    location = /status { entra_status; }
}

# another site
server {
    listen 127.0.0.1:%%PORT2%% ssl;
    default_type text/html;
    location = /frame {
        return 200 '<title>evil</title><iframe width=800 height=500 src="https://localhost:%%PORT%%/in"></iframe>';
    }
    location = /form {
        return 200 '<title>evil</title><form method=post action="https://localhost:%%PORT%%/in/begin"><input name=csrf value=$arg_csrf><input name=credential value=pipeline></form><script>document.forms[0].submit()</script>';
    }
    location = /text {
        return 200 '<title>evil</title><form method=post enctype="text/plain" action="https://localhost:%%PORT%%/in/begin"><input name="csrf=$arg_csrf&credential=pipeline&x" value="y"></form><script>document.forms[0].submit()</script>';
    }
    location = /link {
        return 200 '<title>evil</title><a href="https://localhost:%%PORT%%/in">come</a>';
    }
}
EOC

my $dir = $t->dir('chromium');
mkdir $dir;
my $spki = `openssl x509 -in $t->{dir}/emulator1/server.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`;
chomp $spki;
my $c = EntraTest::Chromium->new(dir => $dir, trust => [$spki],
                                 seconds => $t->seconds(60));
my $page = "https://localhost:$here/in";

sub shot {
    my ($name) = @_;
    $c->screenshot("$ENV{ENTRA_SCREENSHOTS}/$name.png")
        if $ENV{ENTRA_SCREENSHOTS};
}


# a person, without JavaScript

$c->scripts(0);
$c->open($page);
ok $c->sees(qr/alice.*Sign-in is due.*pipeline.*Sign-in is due/), 'the page';
shot('page');
my $style = $c->call('CSS.enable')
    && $c->call('CSS.getComputedStyleForNode', nodeId => $c->node('section'));
my %css = map { @$_{qw(name value)} } @{ $style->{computedStyle} };
is $css{'border-top-style'}, 'solid', 'its style is let through by its own policy';

$c->click('button[value=alice]');
ok $c->sees(qr/Sign in as alice\@contoso\.example\?/),
    'a click leads to Entra, by itself';
my ($asked) = $e->requests(at => 'authorize');
is scalar(grep { lc $_->[0] eq 'referer' } @{ $asked->{headers} }), 0,
    'which does not learn where from';
$c->click('button[value=accept]');
ok $c->sees(qr/You are signed in as alice\@contoso\.example/), 'and back';
shot('signed-in');
ok $c->sees(qr/alice.*Signed in as alice\@contoso\.example since 20/),
    'then to the page';
is $c->url, $page, 'without code and state in its address';

$c->click('button[value=pipeline]');
my $text = $c->sees(qr/enter the code [A-Z0-9]{9}/);
ok $text, 'a device code';
shot('device-code');
my ($code) = $text =~ /enter the code (\S+)/;
$e->control(POST => 'device', { user_code => $code, state => 'approved' });
ok $c->sees(qr/pipeline.*Done: alice\@contoso\.example has signed in/),
    'the page looks by itself';
shot('done');
for ($c->cookies) {
    my $name = $_->{name};
    like $name, qr/^__Host-entra-/, "$name: of this host only";
    ok $_->{secure} && $_->{httpOnly}, "$name: Secure and HttpOnly";
    is $_->{sameSite}, $name =~ /csrf/ ? 'Strict' : 'Lax', "$name: SameSite";
}
is scalar($c->cookies), 2, 'two cookies';


# other sites, with all the JavaScript that they like

$c->scripts(1);
my ($csrf) = $c->html =~ /name="csrf" value="([\w-]{43})"/;
my $n = $e->count(at => 'devicecode');
for my $how ('form', 'text') {
    $c->open("https://127.0.0.1:$evil/$how?csrf=$csrf");
    ok $c->sees(qr/Not accepted|Not understood/),
        "$how: a form of another site, even with the right token";
}
is $e->count(at => 'devicecode'), $n, 'nothing came of it';

$c->open("https://127.0.0.1:$evil/frame");
my $frame;
ok wait_until(sub { ($frame) = $c->frames; $frame && $frame->{unreachableUrl} }),
    'a frame: refused by the browser';
is $frame->{unreachableUrl}, $page, 'it is our page';
like slurp($t->dir('access.log')), qr{"GET /in HTTP/2.0" 200 \d+ "https://127.0.0.1:$evil/"},
    'which nginx did send';
shot('framed');

$c->open("https://127.0.0.1:$evil/link");
$c->sees(qr/come/);
$c->click('a');
ok $c->sees(qr/alice.*Signed in as/), 'a link from elsewhere opens it';
$c->click('button[value=pipeline]');
ok $c->sees(qr/enter the code [A-Z0-9]{9}/), 'and its form works then';


# what the identity provider says is text

my $evil_text = EntraTest::Browser::escape(
    q{<img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script>});
$c->open($page);
$c->sees(qr/alice/);
$c->click('button[value=alice]');
$c->sees(qr/Sign in as alice/);
my %q = EntraTest::Browser::query($c->url);
$c->open("$page/callback?error=access_denied&error_description=$evil_text&state=$q{state}");
ok $c->sees(qr/did not sign you in: access_denied, &lt;img src=x/), 'as text';
is scalar(() = $c->html =~ /<title>Sign-in failed/g), 1, 'no script of it ran';
shot('failed');

# script that got into the page after all would not run
$c->open($page);
$c->sees(qr/alice/);
my $ran = $c->call('Runtime.evaluate', returnByValue => JSON::PP::true,
    expression => q{(() => { const s = document.createElement('script');
        s.textContent = 'window.ran = 1'; document.body.append(s);
        return window.ran === 1 })()});
ok !$ran->{result}{value}, 'Content-Security-Policy: no inline script';
my $sent = $c->call('Runtime.evaluate', awaitPromise => JSON::PP::true,
    returnByValue => JSON::PP::true, expression =>
    q{fetch('/in').then(() => 'sent', () => 'refused')});
is $sent->{result}{value}, 'refused', 'and no request of one';

# the status: its style is used, and nothing else

$c->call('Log.enable');         # which repeats what has been
@{ $c->{events} } = ();
$c->open("https://localhost:$here/status");
ok $c->sees(qr/nginx-entra.*Credentials/), 'the status page';
my $font = $c->call('Runtime.evaluate', returnByValue => JSON::PP::true,
    expression => q{getComputedStyle(document.querySelector('h2')).fontSize});
isnt $font->{result}{value}, '24px', 'looks as its style says';
is_deeply [grep { $_->{method} =~ /^Log\.|exception|console/ }
           @{ $c->{events} }], [], 'nothing on the console';
shot('status');

undef $c;
$t->finish;
