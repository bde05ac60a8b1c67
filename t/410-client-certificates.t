#!/usr/bin/perl

# Callers that show a client certificate: by SAN, by SHA-256 of the key or of
# the certificate; and every way of showing one that proves nothing.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();

plan(skip_all => 'no IO::Socket::SSL')
    unless eval { require IO::Socket::SSL; 1 };

my $t = EntraTest->new(warnings => 1)->module->need('http_ssl_module');
my $e = $t->emulator;

system('/usr/bin/python3', "$FindBin::Bin/lib/certificates.py", $t->dir) == 0
    or plan(skip_all => 'no python3-cryptography');
chmod 0644, $t->dir('server.pem');
my %digest = %{ JSON::PP::decode_json(slurp($t->dir('digests.json'))) };
(my $colons = uc $digest{rsa}{cert}) =~ s/(..)(?!$)/$1:/g;

my %callers = (
    uri => 'certificate san_uri=spiffe://corp.example/shop;',
    segment => 'certificate san_uri=spiffe://corp.example/*/scoring;',
    dns => 'certificate san_dns=shop.example.com;',
    label => 'certificate san_dns=*.example.com;',
    spki => "certificate spki_sha256=$digest{shop}{spki};",
    base64 => "certificate spki_sha256=$digest{shop}{spki64};",
    sha => "certificate cert_sha256=$colons;",
    two => 'certificate san_uri=spiffe://corp.example/shop'
           . " spki_sha256=$digest{shop}{spki};",
    contrary => 'certificate san_uri=spiffe://corp.example/shop'
           . " spki_sha256=$digest{rsa}{spki};",
    either => "certificate cert_sha256=$digest{plain}{cert};
               certificate san_dns=x.y.example.com;",
    verified => 'certificate;',
);
my ($rules, $places) = ('', '');
for my $name (sort keys %callers) {
    $rules .= "entra_caller $name { $callers{$name} }\n"
        . "entra_policy for-$name { callers $name; grant; }\n"
        . "entra_policy but-$name { callers any except $name; grant; }\n"
        . "entra_policy not-$name { callers $name; block; }\n";
    $places .= "location /for/$name { entra_policies for-$name; "
        . "proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n"
        . "location /but/$name { entra_policies but-$name; "
        . "proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n"
        . "location /not/$name { entra_policies anybody not-$name; "
        . "proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n";
}
$t->write('places.conf', <<"EOC");
include %%PROXY%%;
entra_auth app;
add_header X-Caller \$entra_caller always;
add_header X-Id \$entra_caller_id always;
add_header X-Json \$entra_decision_json always;
add_header X-Reused \$ssl_session_reused always;
location /any { entra_policies anybody;
                proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
location /control { entra_policies control;
                    proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
$places
EOC
my $tls = "ssl_certificate %%DIR%%/server.pem;\n"
    . "    ssl_certificate_key %%DIR%%/server.pem;\n"
    . "    ssl_protocols TLSv1.2 TLSv1.3;\n"
    . "    include %%DIR%%/places.conf;";

my $http = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_policy anybody { locations any; grant; }
entra_policy control { operations any; grant all certificate; }
$rules
ssl_session_cache shared:tls:1m;
ssl_verify_depth 3;
server {                                # the default of its port
    listen 127.0.0.1:%%PORT%% ssl http2;
    server_name a.test;
    ssl_client_certificate %%DIR%%/ca.pem;
    ssl_verify_client optional;
    $tls
}
server {
    listen 127.0.0.1:%%PORT%% ssl http2;
    server_name b.test *.b.test;
    ssl_client_certificate %%DIR%%/other-ca.pem;
    ssl_verify_client optional;
    $tls
}
server {
    listen 127.0.0.1:%%PORT%% ssl http2;
    server_name anything.test;
    ssl_client_certificate %%DIR%%/ca.pem;
    ssl_verify_client optional_no_ca;
    $tls
}
server {
    listen 127.0.0.1:%%PORT%% ssl http2;
    server_name crl.test;
    ssl_client_certificate %%DIR%%/ca.pem;
    ssl_crl %%DIR%%/crl.pem;
    ssl_verify_client optional;
    $tls
}
server {
    listen 127.0.0.1:%%PORT%% ssl http2;
    server_name off.test;
    $tls
}
server {
    listen 127.0.0.1:%%PORT2%%;
    include %%DIR%%/places.conf;
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->start($http);
ok(wait_until(sub { $t->http(uri => '/entra/ready', port => $t->port('PORT2'))
                    ->status == 200 }), 'ready');

sub ask {
    my ($uri, $cert, %o) = @_;

    my $sni = $o{sni} // 'a.test';
    return $t->http(uri => $uri, tls => 1, sni => $sni, host => $sni,
                    $cert ? (cert => $t->dir("$cert.pem")) : (), %o);
}
sub status { return ask(@_)->status }

# the callers that each certificate is
my %is = (
    shop => 'base64 dns label spki two uri verified',
    rsa => 'either sha verified', deep => 'uri verified',
    eu => 'segment verified', plain => 'either verified',
    common => 'verified', near => 'verified', star => 'verified',
    kinds => 'verified',
);
for my $cert (sort keys %is) {
    my %of = map { $_ => 1 } split ' ', $is{$cert};
    my @got = grep { status("/for/$_", $cert) == 200 } sort keys %callers;
    is("@got", $is{$cert}, "$cert: $is{$cert}");
    my @but = grep { status("/but/$_", $cert) == 200 } sort keys %callers;
    is("@but", join(' ', grep { !$of{$_} } sort keys %callers), '  and except');
    my ($names) = ask('/any', $cert)->header('x-json') =~ /"names":"(.*?)"/;
    is(join(' ', sort split /,/, $names // ''), $is{$cert}, '  in the JSON');
}
is(ask('/any', 'shop')->header('x-caller'),
   'san_uri=spiffe://corp.example/shop', '$entra_caller: a URI');
is(ask('/any', 'rsa')->header('x-caller'), 'san_dns=x.y.example.com',
   'or a name');
is(ask('/any', 'plain')->header('x-caller'),
   "spki_sha256=$digest{plain}{spki}", 'or the key');
is(ask('/any')->header('x-caller'), '-', 'or nobody');
is(ask('/any', $_)->header('x-id'), "cert:$digest{$_}{cert}",
   "\$entra_caller_id: the certificate $_") for qw(shop rsa plain);
is(ask('/any')->header('x-id'), 'none:127.0.0.1', 'or an address');
is(status('/not/uri', 'shop'), 403, 'a block');
is(status('/not/uri', 'rsa'), 200, 'for others not');
is(status('/control', 'plain'), 200, 'a control: any verified certificate');
my ($auth) = ask('/for/uri', 'shop')->seen('authorization');
like($auth, qr/^Bearer eyJ/, 'the upstream gets a token');

# without one
for my $uri ('/for/uri', '/for/verified', '/control') {
    my $r = ask($uri);
    is($r->status, 401, "$uri without a certificate");
    is($r->header('www-authenticate'), 'Bearer', '  WWW-Authenticate');
    is($t->http(uri => $uri, port => $t->port('PORT2'))->status, 401,
       '  or without TLS');
}
is(status('/any'), 200, 'where none is asked for');
is(status('/but/uri'), 200, 'nobody is not the shop');
is(status('/for/uri', undef, headers => [@$_]), 401, "a header is none: $$_[0]")
    for ['X-Forwarded-Client-Cert' => "By=x;URI=spiffe://corp.example/shop"],
        ['X-SSL-Client-Verify' => 'SUCCESS'], ['X-ARR-ClientCert' => 'MIIB'],
        ['X-Client-Cert' => 'x'], ['Client-Cert' => ':MIIB:'];

# one that cannot be verified: nginx refuses it
for my $cert ('expired', 'future', 'stranger', 'impostor', 'self',
              'wrong-use')
{
    is(status('/any', $cert), 400, "$cert: nginx refuses");
    my $r = ask('/any', $cert, sni => 'anything.test');
    ok($r->status == 401 || $r->status == 400,
       "$cert, optional_no_ca: invalid, not anonymous") or diag $r->status;
    isnt(status('/for/uri', $cert, sni => 'anything.test'), 200,
         '  nor the shop');
}
my $r = ask('/any', 'self', sni => 'anything.test');
is($r->status, 401, 'optional_no_ca: 401');
like($r->header('content-type'), qr{application/problem\+json}, 'a problem');
ok($t->wait_log(qr/denied: the client certificate is invalid/), 'in the log');
is(status('/for/uri', 'shop', sni => 'anything.test'), 200,
   'optional_no_ca and one that verifies');
is(status('/for/uri', 'revoked'), 200, 'no CRL here');
is(status('/for/uri', 'revoked', sni => 'crl.test'), 400, 'revoked');
is(status('/for/uri', 'shop', sni => 'crl.test'), 200, 'not revoked');

# names that can be read in two ways
for my $cert ('nul', 'utf8', 'line', 'nothing') {
    is(status('/any', $cert), 401, "alternative names, $cert: invalid");
    is(status('/for/uri', $cert), 401, '  whatever else is in it');
}
isnt(status('/any', 'junk'), 200, 'names that cannot be read');
is(status('/for/uri', 'many'), 403, 'more names than are looked at: unknown');
is(status('/but/uri', 'many'), 403, '  not outside either');
is(status('/not/uri', 'many'), 403, '  and blocked');
is(status('/for/verified', 'many'), 200, '  but verified');

# another server's rules
is(status('/for/uri', 'stranger', sni => 'b.test'), 200,
   'verified by the rules of b.test');
is(status('/for/uri', 'shop', sni => 'b.test'), 400, 'those are not of a.test');
for my $case (['a.test', 'b.test', 'shop'], ['b.test', 'a.test', 'stranger'],
              ['anything.test', 'a.test', 'self'],
              ['b.test', 'off.test', 'stranger'],
              ['off.test', 'a.test', undef], ['a.test', 'x.test', 'shop'],
              ['x.b.test', 'b.test', 'stranger'])
{
    my ($sni, $host, $cert) = @$case;
    my $got = status('/for/uri', $cert, sni => $sni, host => $host);
    ok($got == 421 || $got == 401, "handshake for $sni, request for $host")
        or diag $got;
}
is(status('/for/uri', 'shop', host => 'A.Test.:' . $t->port), 200,
   'the same name in another spelling');

# that is nginx's own handshake with a signature that is wrong
$t->expect(qr/ignoring stale global SSL error .*EVP lib/);

# without SNI the default server has verified it
sub no_sni {
    my ($cert, $host) = @_;
    my $s = IO::Socket::SSL->new(
        PeerAddr => '127.0.0.1', PeerPort => $t->port, SSL_hostname => '',
        SSL_verify_mode => 0, SSL_cert_file => $t->dir("$cert.pem"),
        SSL_key_file => $t->dir("$cert.pem")) or return 'no TLS';
    return $t->http(uri => '/for/uri', socket => $s, host => $host)->status;
}
is(no_sni('shop', 'a.test'), 200, 'no SNI, the default server');
isnt(no_sni('shop', 'b.test'), 200, 'no SNI, another server');
isnt(no_sni('shop', 'anything.test'), 200, 'or a lax one');

# a session that is resumed belongs to the name that it was made for
sub session {
    my ($version, $sni, $cert, $file, $uri, $in) = @_;
    my @cert = $cert ? ('-cert', $t->dir("$cert.pem"), '-key',
                        $t->dir("$cert.pem")) : ();
    my $request = "GET $uri HTTP/1.1\\r\\nHost: $sni\\r\\n"
        . "Connection: close\\r\\n\\r\\n";
    my $which = $in ? '-sess_in' : '-sess_out';
    my $out = `{ printf '$request'; sleep 0.5; } | openssl s_client -quiet \\
        -ign_eof -$version -connect 127.0.0.1:@{[ $t->port ]} \\
        -servername $sni $which $file @cert 2>&1`;
    my ($status) = $out =~ m{HTTP/1.1 (\d+)};
    my ($reused) = $out =~ m{^X-Reused: (\S*)}mi;
    return ($status // 0, $reused // '');
}
for my $version ('tls1_2', 'tls1_3') {
    my $file = $t->dir("session.$version");
    my ($status) = session($version, 'a.test', 'shop', $file, '/for/uri');
    is($status, 200, "$version: a session");
    ($status, my $reused) = session($version, 'a.test', undef, $file,
                                    '/for/uri', 1);
    is("$status $reused", '200 r', "$version: resumed at the same name");
    for my $sni ('b.test', 'crl.test', 'anything.test', 'off.test') {
        ($status, $reused) = session($version, $sni, undef, $file,
                                     '/for/uri', 1);
        isnt($status, 200, "$version: resumed at $sni ($status $reused)");
    }
}
is(status('/for/uri', 'shop', SSL_version => 'TLSv1_2'), 200, 'TLS 1.2');

# HTTP/2, and each request of a connection
SKIP: {
    skip 'curl without HTTP/2', 3 unless `curl --version` =~ /HTTP2/;
    my @curl = ('-k', '--http2', '--cert', '%%DIR%%/shop.pem', '--connect-to',
                '::127.0.0.1:%%PORT%%');
    is($t->curl(@curl, "https://a.test:%%PORT%%/for/uri")->status, 200,
       'HTTP/2');
    my $got = $t->curl(@curl, '-H', 'Host: b.test',
                       "https://a.test:%%PORT%%/for/uri")->status;
    ok($got == 421 || $got == 401, ':authority is of another server')
        or diag $got;
    $got = $t->curl(@curl, "https://a.test:%%PORT%%/for/segment")->status;
    is($got, 403, 'another caller');
}

# nginx -t
my %wrong = (
    'san_uri=shop' => qr{write the whole URI},
    'san_dns=' => qr{1 to \d+ visible}, 'san_dns=*.com' => qr{first label},
    'san_dns=shop.*.com' => qr{first label}, 'san_dns=*' => qr{first label},
    'san_uri=spiffe://*/shop' => qr{whole segment},
    'spki_sha256=abc' => qr{not a SHA-256}, 'cn=shop' => qr{unknown key "cn},
    'cert_sha256=0123456789012345678901234567890123456789' =>
        qr{not a SHA-256},
);
for my $key (sort keys %wrong) {
    $t->refuses($key, "entra_caller x {\ncertificate $key;\n}\n",
                qr/$wrong{$key}.*conf:2$/m);
}
$t->refuses('nothing', "entra_caller x { }\n", qr/"x": an empty block/);

$t->finish;
