#!/usr/bin/perl

# The token over HTTP/3: requests that end early, in a Chromium that speaks
# it.  Debian's nginx does not: this is for one built with http_v3_module.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use EntraTest::Chromium;

my $t = EntraTest->new(level => 'debug', workers => 1)
    ->need('http_v3_module')->module;
plan skip_all => 'no chromium' unless EntraTest::Chromium::available();
my $e = $t->emulator;

# the lock of a port is a UDP socket on it, which nginx needs here
$t->port('PORT');
close pop @{ $t->{locks} };

my $ask = '[<!--#echo var="entra_authorization" default=""-->'
    . '<!--#echo var="second" default=""-->]';

# what each request gave, as text of the page
$t->write('page.html', '<!doctype html><p id=out>...</p>'
          . '<script src=/page.js></script>');
$t->write('page.js', <<'EOC');
const cases = [
  ['/x?bytes=9', {}],
  ['/x?bytes=9&status=500', {}],
  ['/x?bytes=9', {method: 'POST', body: 'x'.repeat(900)}],
  ['/x?bytes=9', {method: 'POST', body: 'x'.repeat(3000)}],
  ['/down', {}], ['/down', {}],
  ['/cached?bytes=9&status=404', {}], ['/cached?bytes=9&status=404', {}],
  ['/sub', {}],
];
(async () => {
  const lines = [];
  for (const [url, init] of cases) {
    const r = await fetch(url, init);
    const all = [...r.headers].map(h => h.join(': ')).join(' ');
    const body = await r.text();
    const seen = performance.getEntriesByType('resource').pop();
    lines.push([url, r.status, seen.nextHopProtocol, all, body].join(' | '));
  }
  out.textContent = lines.join(' ## ') + ' ## done';
})();
EOC

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%% scope aml arm; upstreams 127.0.0.1; policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream nobody.test { server 127.0.0.1:1; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
server {
    listen 127.0.0.1:%%PORT%% quic;
    listen 127.0.0.1:%%PORT%% ssl;
    ssl_certificate %%DIR%%/emulator1/server.pem;
    ssl_certificate_key %%DIR%%/emulator1/server.key;
    ssl_protocols TLSv1.3;
    add_header Alt-Svc 'h3=":%%PORT%%"; ma=86400' always;
    client_max_body_size 1k;
    root %%DIR%%;
    location = /page.html { }
    location = /page.js { }
    location / {
        include %%PROXY%%;
        proxy_set_header X-Second \$second;
        entra_auth app;
        entra_token \$second app scope=arm;
        ssi on;
        ssi_types text/plain;
        default_type text/plain;
        error_page 413 500 502 503 = \@e;
        location /x { proxy_pass https://echo.test; }
        location /down { proxy_cache c; proxy_cache_valid any 1m;
                         proxy_pass https://nobody.test; }
        location /cached { proxy_cache c; proxy_cache_valid any 1m;
                           proxy_pass https://echo.test; }
        location /sub {
            return 200 'a<!--#include virtual="/down" -->b$ask'; }
    }
    location \@e { ssi on; ssi_types text/plain; default_type text/plain;
                  entra_auth app; entra_token \$second app scope=arm;
                  return 200 '$ask'; }
    location = /entra/ready { entra_status ready; }
}
EOC
ok(wait_until(sub {
    `curl -sk https://127.0.0.1:$t->{vars}{PORT}/entra/ready -o /dev/null -w '%{http_code}'`
        eq '200' }), 'ready');

my $spki = `openssl x509 -in $t->{dir}/emulator1/server.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`;
chomp $spki;
mkdir $t->dir('chromium');
my $c = EntraTest::Chromium->new(dir => $t->dir('chromium'), trust => [$spki],
    args => ['--enable-quic', '--no-proxy-server',
             '--host-resolver-rules=MAP localhost 127.0.0.1',
             "--origin-to-force-quic-on=localhost:$t->{vars}{PORT}"]);
$c->open("https://localhost:$t->{vars}{PORT}/page.html");
ok(wait_until(sub { $c->text =~ /done/ }, 30), 'all requests were answered')
    or diag $c->text;

my @lines = grep { /\|/ } split / ## /, $c->text;
is(scalar @lines, 9, 'nine answers');
for my $line (@lines) {
    my ($url, $status, $protocol) = split / \| /, $line;
    $url =~ s/^\s+//;
    is($protocol, 'h3', "$url: $status over HTTP/3");
    is(scalar(grep { index($line, $_->{token}) >= 0
                     || index($line, substr $_->{token}, -40) >= 0 }
              $e->tokens), 0, 'without a token in it');
}
cmp_ok(scalar(grep { /\[\]/ } @lines), '>=', 4, 'asked by name: empty');

# the upstream got both
my ($r) = $e->requests(at => 'upstream', path => '/x');
my %h = map { lc $_->[0] => $_->[1] } @{ $r->{headers} };
my %issued = map { $_->{token} => 1 } $e->tokens;
ok($issued{ $h{authorization} =~ s/^Bearer //r }, 'the upstream has the token');
ok($issued{ $h{'x-second'} }, 'and the second one');

my $log = $t->log;
is(scalar(grep { index($log, $_->{token}) >= 0 } $e->tokens), 0,
   'none in the log at debug level');

undef $c;
$t->finish;
