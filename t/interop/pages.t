#!/usr/bin/perl

# The pages in a headless Chromium: status, what-if and sign-in, on a
# telephone and on a wall, in both colour schemes, with one, 50 and 10,000
# credentials.  With ENTRA_SCREENSHOTS=DIR pictures are left there.

use FindBin;
use lib "$FindBin::Bin/../lib";
use EntraTest;
use JSON::PP ();

use EntraTest qw(wait_until);
use EntraTest::Chromium;

my $t = EntraTest->new->module;
plan skip_all => 'no chromium' unless EntraTest::Chromium::available();
my $e = $t->emulator;
my $id = sub { sprintf '%s00000-0000-4000-8000-000000000000', $_[0] };
$e->app(client_id => $id->('bad'), secrets => [{ value => 'right' }]);
$e->app(client_id => $id->('cab'), secrets => [{ value => 'right' }]);
$t->write('bad.secret', 'wrong');
$t->write('turns.secret', 'right');
$t->write('office.cidr', "127.0.0.0/8\n");

sub client {
    my ($name, $id, $file, @more) = @_;
    return <<"EOC";
entra_credential $name client_secret {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id $id;
    client_secret_file %%DIR%%/$file;
    scope aml;
    upstreams 127.0.0.1;
    @more
}
EOC
}

my $rules = <<'EOC';
entra_named_location office { file %%DIR%%/office.cidr; }
entra_caller_token { tenant_id %%TENANT%%; audience api://gateway;
                     authority_host %%AUTHORITY%%; }
entra_policy outside { locations any except office; block; }
entra_policy score { operations "POST /score" "GET /good"; grant; }
entra_policy trial { state report_only until=2099-01-01; block; }
entra_policy people { operations "GET /people"; grant all token amr=mfa; }
EOC

my $server = <<'EOC';
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 200ms;
    location /good { entra_auth good; proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
    location = /entra/what-if { entra_what_if; }
    location /entra/sign-in { entra_sign_in; }
}
EOC

my %conf = (
    none => 'entra_trusted_certificate %%CA%%;' . $server =~ s/location .good.*//r
        =~ s/.*entra_sign_in.*//r,
    one => "entra_trusted_certificate %%CA%%;\n"
        . "entra_credential good client_secret { %%CREDENTIAL%% scope aml; "
        . "upstreams 127.0.0.1; policies none; }\n"
        . $server =~ s/.*entra_sign_in.*//r,
);
my $mixed = "entra_trusted_certificate %%CA%%;\n" . $rules
    . "entra_credential good client_secret { %%CREDENTIAL%% scope aml arm; "
    . "upstreams 127.0.0.1; policies outside score trial people; }\n"
    . client('bad', $id->('bad'), 'bad.secret', 'policies none;')
    . client('turns', $id->('cab'), 'turns.secret', 'policies none;')
    . "entra_credential alice interactive_browser { "
    . "authority_host %%AUTHORITY%%; tenant_id %%TENANT%%; "
    . "client_id %%PUBLIC_CLIENT%%; "
    . "redirect_uri http://localhost:%%PORT%%/entra/sign-in/callback; "
    . "scope aml; upstreams 127.0.0.1; policies none; }\n"
    . "entra_credential pipeline device_code { authority_host %%AUTHORITY%%; "
    . "tenant_id %%TENANT%%; client_id %%PUBLIC_CLIENT%%; scope arm; "
    . "upstreams 127.0.0.1; policies none; }\n"
    . "entra_credential best chain { use alice good; scope arm; "
    . "upstreams 127.0.0.1; policies none; }\n";

sub crowd {
    my ($n, @more) = @_;
    return join '', map {
        "entra_credential app-$_ client_secret { %%CREDENTIAL%% scope graph; "
        . "upstreams 127.0.0.1; policies none; @more }\n" } 1 .. $n;
}
$conf{fifty} = $mixed . crowd(44) . $server;
$conf{many} = "entra_shared_zone zone=entra:64m;\n" . $mixed
    . crowd(9994, 'preload off;') . $server;

my $dir = $t->dir('chromium');
mkdir $dir;
my $c = EntraTest::Chromium->new(dir => $dir, seconds => $t->seconds(60));
$c->call('Log.enable');

sub js {
    my ($text) = @_;
    my $r = $c->call('Runtime.evaluate', returnByValue => JSON::PP::true,
                     expression => $text);
    die $r->{exceptionDetails}{text} if $r->{exceptionDetails};
    return $r->{result}{value};
}

# every text against what is behind it (WCAG 2.2, 1.4.3)
my $contrast = <<'EOJ';
(() => {
    const channel = v => (v /= 255) <= .04045 ? v / 12.92
        : ((v + .055) / 1.055) ** 2.4;
    const parse = s => s.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g)
        + .0722 * channel(b);
    const behind = e => {
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0) return c;
        }
        return [255, 255, 255];
    };
    const bad = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType == 3
                                              && n.data.trim());
        if (!own || !e.getClientRects().length) continue;
        const style = getComputedStyle(e);
        const a = light(parse(style.color)), b = light(behind(e));
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) bad.push(e.tagName + '.' + e.className + ' '
                                  + ratio.toFixed(2));
    }
    return [...new Set(bad)].join(', ');
})()
EOJ

# wider than the window, or cut off
my $wide = <<'EOJ';
(() => {
    const w = document.documentElement.clientWidth, bad = [];
    if (document.documentElement.scrollWidth > w)
        bad.push('the page is ' + document.documentElement.scrollWidth);
    for (const e of document.querySelectorAll('body *')) {
        const head = e.closest('thead');        // is for ears alone there
        if (head && head.offsetWidth == 1) continue;
        const r = e.getBoundingClientRect();
        if (r.right > w + 1) bad.push(e.tagName + '.' + e.className + ' '
                                      + Math.round(r.right));
    }
    return bad.slice(0, 5).join(', ');
})()
EOJ

sub look {
    my ($name, $uri, %o) = @_;

    for my $width (375, 1600) {
        for my $scheme ('light', 'dark') {
            my $what = "$name, $width, $scheme";
            $c->{events} = [];
            $c->call('Emulation.setDeviceMetricsOverride', width => $width,
                     height => 900, deviceScaleFactor => 1,
                     mobile => JSON::PP::false);
            $c->call('Emulation.setEmulatedMedia', features => [
                { name => 'prefers-color-scheme', value => $scheme }]);
            $c->open("http://localhost:" . $t->port . $uri);
            ok($c->sees($o{sees}), "$what: is there")
                or diag $c->text;
            wait_until(sub { js('document.readyState') eq 'complete' });
            is(js($wide), '', "$what: nothing is wider than the window");
            is(js($contrast), '', "$what: contrast");
            is(js('[...document.querySelectorAll("[style],script")].length'),
               0, "$what: neither scripts nor styles of elements");
            is(js('[...document.images].length'), 0, "$what: no images");
            my @log = map { $_->{params}{entry}{text} }
                grep { $_->{method} eq 'Log.entryAdded'
                       && $_->{params}{entry}{text} !~ /favicon/ }
                @{ $c->{events} };
            is("@log", $o{log} // '', "$what: the browser has no complaint");
            next unless $ENV{ENTRA_SCREENSHOTS};
            my $height = js('Math.min(document.documentElement.scrollHeight,'
                            . '3000)');
            $c->call('Emulation.setDeviceMetricsOverride', width => $width,
                     height => $height, deviceScaleFactor => 1,
                     mobile => JSON::PP::false);
            (my $file = "$name-$width-$scheme") =~ s/\W+/-/g;
            $c->screenshot("$ENV{ENTRA_SCREENSHOTS}/$file.png");
        }
    }
}

$t->start($conf{none});
look('empty', '/entra/status?format=html&refresh=off',
     sees => qr/There are no credentials/);
$t->stop;

$t->start($conf{one});
ok(wait_until(sub { $t->get('/entra/ready')->status == 200 }), 'one');
$t->get('/good') for 1 .. 3;
look('one', '/entra/status?format=html&refresh=off', sees => qr/good.*valid/);
$t->stop;

$t->start($conf{fifty});
ok(wait_until(sub { $t->status->{states}{valid} >= 47 }), 'fifty');
$t->get('/good') for 1 .. 3;
$t->http(uri => '/good', method => 'POST', body => '');
$t->write('turns.secret', 'wrong');
$t->write('office.cidr', "127.0.0.0/8\n<b>'\"&\n");
ok(wait_until(sub { my $s = $t->status;
                    $s->{states}{failing_valid} && $s->{states}{sign_in_due}
                    && $s->{states}{failing}
                    && $s->{named_locations}[0]{failures} }),
   'of each state some') or diag $t->get('/entra/status')->body;
look('fifty', '/entra/status?format=html&refresh=off',
     sees => qr/bad.*failing.*sign-in due.*valid, refresh failing/);
look('failing', '/entra/status?format=html&refresh=off&state=failing',
     sees => qr/bad.*AADSTS7000215/);
look('what-if', '/entra/what-if', sees => qr/Decide/);
look('what-if answer', '/entra/what-if?credential=good&method=POST&path=/score'
     . '&address=203.0.113.9&peer=10.0.0.4', sees => qr/deny.*outside.*failure/);
look('what-if error', '/entra/what-if?credential=nobody&format=html',
     sees => qr/no credential has this name/,
     log => 'Failed to load resource: the server responded with a status of '
         . '400 (Bad Request)');
look('sign-in', '/entra/sign-in', sees => qr/alice.*Sign-in is due/);

# by itself, without a script
$c->scripts(0);
$c->open("http://localhost:" . $t->port . '/entra/status?format=html&refresh=1');
ok($c->sees(qr/HIT 3/), 'a page that is left open');
$t->get('/good');
ok($c->sees(qr/HIT 4/), 'loads itself anew');
$c->scripts(1);

# by keyboard alone
$c->open("http://localhost:" . $t->port . '/entra/status?format=html&refresh=off');
$c->sees(qr/Credentials/);
$c->call('Input.dispatchKeyEvent', type => $_, key => 'Tab', code => 'Tab',
         windowsVirtualKeyCode => 9) for qw(keyDown keyUp);
is(js('document.activeElement.tagName'), 'A', 'the key Tab leads to a link');
like(js('getComputedStyle(document.activeElement).outlineStyle'), qr/solid/,
     'which shows that it has the focus');
$t->stop;

$t->write('office.cidr', "127.0.0.0/8\n");
$t->start($conf{many});
ok(wait_until(sub { $t->get('/entra/ready')->body =~ /"failing"/ }, 30),
   'ten thousand');
look('many', '/entra/status?format=html&refresh=off',
     sees => qr/bad.*Page 1 of 201 Next/);
look('search', '/entra/status?format=html&refresh=off&search=APP-777',
     sees => qr/app-777.*app-7770/);
cmp_ok(length $t->get('/entra/status?format=html')->body, '<', 100_000,
       'a page of many is no larger');

undef $c;
$t->finish;
