#!/usr/bin/perl

# A token exists in the upstream request and nowhere else: what asks for it in
# any other directive is refused by nginx -t, and what asks at run time, by
# name, gets nothing, however the request ends.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1, level => 'debug')->module;
my $e = $t->emulator;

my $credentials = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml arm;
    upstreams 127.0.0.1 echo.test http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream nobody.test { server 127.0.0.1:1; }
EOC


# 1. Directives that evaluate variables: all in the sources of nginx 1.18 to
# 1.31 (ngx_http_compile_complex_value, ngx_http_set_complex_value_slot,
# ngx_http_script_compile, ngx_http_get_variable_index and what calls them).
# One that this nginx does not have is left out.

my %directive = (
    http => [
        'log_format x "TOKEN";',        # a warning: always empty there
        'map TOKEN $m { default 1; }',
        'map $uri $m { default TOKEN; }',
        'geo TOKEN $g { default 1; }',
        'split_clients TOKEN $s { 50% a; * b; }',
        'limit_req_zone TOKEN zone=r:1m rate=9r/s;',
        'limit_conn_zone TOKEN zone=l:1m;',
        'upstream h { hash TOKEN; server 127.0.0.1:1; }',
        'js_set $j TOKEN;',
        'perl_set $p TOKEN;',
    ],
    location => [
        map({ "$_;" }
            'root /srv/TOKEN', 'alias /srv/TOKEN', 'limit_rate TOKEN',
            'limit_rate_after TOKEN', 'return 200 "TOKEN"',
            'return 302 /TOKEN', 'rewrite ^/(.*)$ /TOKEN',
            'set $x "[TOKEN]"', 'try_files /TOKEN =404',
            'error_page 404 /TOKEN', 'auth_basic TOKEN',
            'auth_basic_user_file /srv/TOKEN', 'access_log /tmp/TOKEN.log',
            'access_log /tmp/x.log combined if=TOKEN',
            'add_header X-Tok "[TOKEN]" always', 'add_trailer X-Tok TOKEN',
            'expires TOKEN', 'sub_filter a TOKEN', 'sub_filter TOKEN b',
            'secure_link TOKEN', 'secure_link_md5 TOKEN', 'charset TOKEN',
            'index TOKEN', 'mirror /TOKEN', 'auth_request /TOKEN',
            'auth_request_set $x TOKEN', 'early_hints TOKEN',
            'image_filter rotate TOKEN', 'image_filter_jpeg_quality TOKEN',
            'xslt_param a TOKEN', 'xslt_string_param a TOKEN',
            'xslt_stylesheet /srv/TOKEN', 'memcached_bind TOKEN',
            'gunzip_buffers TOKEN', 'userid_domain TOKEN',
            'http2_push /TOKEN', 'js_content TOKEN', 'js_body_filter TOKEN',
            'js_header_filter TOKEN', 'js_var $j TOKEN', 'dav_access TOKEN',
            'stub_status TOKEN', 'ssi_value_length TOKEN'),
        'if (TOKEN) { return 204; }',
        'if ($uri = "TOKEN") { return 204; }',
        'limit_except GET { auth_basic TOKEN; }',
        map({ my $p = $_; map { "${p}_$_;" }
              'pass TOKEN', 'bind TOKEN', 'cache TOKEN',
              'cache_key "$uri|TOKEN"', 'cache_bypass TOKEN',
              'no_cache TOKEN', 'store /srv/TOKEN', 'method TOKEN',
              'ssl_name TOKEN', 'ssl_certificate /srv/TOKEN',
              'ssl_certificate_key /srv/TOKEN', 'redirect / /TOKEN',
              'cookie_domain a TOKEN', 'cookie_path / TOKEN',
              'cookie_flags TOKEN secure', 'limit_rate TOKEN',
              'cache_purge TOKEN', 'index TOKEN',
              'socket_keepalive TOKEN', 'ssl_crl TOKEN' }
            qw(proxy grpc fastcgi uwsgi scgi)),
        'proxy_pass https://echo.test/?sig=TOKEN;',
    ],
);

my ($refused, $unknown) = (0, 0);
for my $where (sort keys %directive) {
    for my $text (@{ $directive{$where} }) {
        # the second form declares its variable after it is used
        for my $token ('$entra_authorization', '${second}') {
            my $line = $text =~ s/TOKEN/$token/r;
            my $http = $where eq 'http' ? $line : '';
            my $location = $where eq 'http' ? '' : $line;
            my ($ok, $out) = $t->check($credentials . <<"EOC");
$http
server {
    listen 127.0.0.1:%%PORT%%;
    location / {
        entra_auth app;
$location
    }
    location /other { entra_token \$second app; }
}
EOC
            if ($out =~ /unknown directive|not allowed here|invalid number of/)
            {
                $unknown++;
                next;
            }
            my ($name) = $text =~ /^(\w+)/;
            ($name) = $text =~ /\{ (\w+)/ if $text =~ /^(upstream|limit_exc)/;
            $refused++;
            if ($name eq 'log_format') {
                ok($ok, "$line: passes") or diag $out;
                like($out, qr/\[warn\].*has no value in "log_format"/,
                     "$line: with a warning");
                next;
            }
            ok(!$ok, "$line: refused");
            my $number = $where eq 'http' ? 13 : 18;
            $text =~ /default TOKEN/
                ? like($out, qr/has no value in a block such as "map"/,
                       "$line: says where")
                : $out =~ /has no value in/
                ? like($out, qr/has no value in "$name".*:$number$/m,
                       "$line: names it, and the line")
                : ok($out =~ /:$number$/m || $token eq '${second}',
                     "$line: refused by nginx itself");
        }
    }
}
cmp_ok($refused, '>', 150, "$refused forms were tried");
note("$unknown that this nginx does not have");

# where it may be, wherever the variable is declared
for my $header ('proxy_set_header X-Other TOKEN', 'fastcgi_param A "b TOKEN"',
                'uwsgi_param A TOKEN', 'scgi_param A TOKEN',
                'grpc_set_header X-Other "${TOKEN"', 'proxy_set_body TOKEN')
{
    for my $first (0, 1) {
        my $line = $header =~ s/\$\{TOKEN/\${second}/r =~ s/TOKEN/\$second/r;
        next if $line =~ /grpc/ && `$t->{nginx} -V 2>&1` !~ /http_v2_module/;
        my $declared = 'entra_token $second app;';
        my ($ok, $out) = $t->check(
            $credentials . 'server { listen 127.0.0.1:%%PORT%%; '
            . ($first ? "$declared $line;" : "$line; $declared") . ' }');
        ok($ok, "$line: declared " . ($first ? 'before' : 'after'))
            or diag $out;
        is($out =~ s/.*(?:test is successful|syntax is ok|sends no token).*//gr
               =~ s/\s//gr, '',
           'without a warning');
    }
}

# a private name that somebody writes is not one
my ($ok, $out) = $t->check($credentials . <<'EOC');
server { listen 127.0.0.1:%%PORT%%; add_header A $entra_token_1; }
EOC
ok(!$ok, 'no private name can be written') or diag $out;


# 2. At run time: by name through SSI, in the pages of errors before the
# upstream request is made, while it is, and after.

my $ask = '[<!--#echo var="entra_authorization" default=""-->'
    . '<!--#echo var="second" default=""-->]';
my $h2 = `$t->{nginx} -V 2>&1` =~ /http_v2_module/ ? 'http2' : '';
$t->start($credentials . <<"EOC");
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
log_format all '\$uri \$status \$entra_token_status [\$entra_authorization]'
               ' [\$second]';
access_log %%DIR%%/all.log all;
server {
    listen 127.0.0.1:%%PORT%%;
    listen 127.0.0.1:%%PORT2%% $h2;
    client_max_body_size 1k;
    include %%PROXY%%;
    proxy_set_header X-Second \$second;
    entra_auth app;
    entra_token \$second app scope=arm;
    ssi on;
    ssi_types text/plain;
    default_type text/plain;
    error_page 400 413 500 502 503 504 = \@e;
    location / { proxy_pass https://echo.test; }
    location /plain/ { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /down { proxy_cache c; proxy_cache_valid any 1m;
                     proxy_pass https://nobody.test; }
    location /cached { proxy_cache c; proxy_cache_valid any 1m;
                       proxy_cache_key \$uri; proxy_cache_lock on;
                       proxy_pass https://echo.test; }
    location /unbuffered { proxy_request_buffering off;
                           proxy_pass https://echo.test; }
    location /sub { return 200 'a<!--#include virtual="/down" -->b$ask'; }
    location \@e { return 200 '$ask'; }
    location = /entra/ready { entra_auth off; entra_status ready; }
}
EOC
$t->ready;

sub tokens { return map { $_->{token} } $e->tokens }

sub canaries { my ($text) = @_;
               return grep { index($text, $_) >= 0 }
                   map { $_, substr($_, -40) } tokens() }

my @case = (
    ['a malformed chunk', raw => "POST /x HTTP/1.1\r\nHost: a\r\n"
        . "Transfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ['a malformed chunk, unbuffered', raw => "POST /unbuffered HTTP/1.1\r\n"
        . "Host: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ['a chunked body that is too large', raw => "POST /x HTTP/1.1\r\n"
        . "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n"
        . 'x' x 2048 . "\r\n0\r\n\r\n"],
    ['a body that is too large', uri => '/x', body => 'x' x 2048],
    ['an upstream that is down', uri => '/down'],
    ['its error from the cache', uri => '/down'],
    ['a subrequest to it', uri => '/sub'],
    ['an error of the upstream', uri => '/x?status=500'],
    ['a bad header', raw => "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n"],
    ['an error of the cache', uri => '/cached/x?status=404'],
    ['the same again', uri => '/cached/x?status=404'],
);
for my $case (@case) {
    my ($name, %o) = @$case;
    my $r = $t->http(%o);
    my $own = $o{uri} && $o{uri} =~ m{^/(x|cached)} ? 'an echo' : '';
    ok($r->status, "$name: an answer (" . $r->status . ')');
    is(scalar canaries($own ? '' : $r->body), 0, "$name: no token in the body");
    is(scalar canaries(join "\n", map { "$_->[0]: $_->[1]" }
                       @{ $r->{list} }), 0, "$name: none in the headers");
    is($r->body, '[]', "$name: asked for, empty")
        if $r->body =~ /^\[/;
}

SKIP: {
    skip 'nginx has no HTTP/2', 3 unless $h2;
    for my $case (['a length that is a lie', '-H', 'Content-Length: 5'],
                  ['a body that is too large']) {
        my ($name, @more) = @$case;
        my $out = $t->curl('--http2-prior-knowledge', @more, '-d',
                           'x' x 3000, 'http://127.0.0.1:'
                           . $t->port('PORT2') . '/x');
        is(scalar canaries($out->body), 0, "HTTP/2: $name");
    }
    my $out = $t->curl('--http2-prior-knowledge', 'http://127.0.0.1:'
                       . $t->port('PORT2') . '/down');
    is($out->body, '[]', 'HTTP/2: an upstream that is down');
}

my $r = $t->get('/x');
is(scalar(grep { 'Bearer ' . $_ eq ($r->seen('authorization'))[0] } tokens()),
   1, 'the upstream gets the token');
is(scalar(grep { $_ eq ($r->seen('x-second'))[0] } tokens()), 1,
   'and the second one');

# everything that was written
is(scalar canaries($t->log), 0, 'no token in the error log, at debug level');
like($t->log, qr/\[debug\].*http script var/, 'which has lines of requests')
    if `$t->{nginx} -V 2>&1` =~ /--with-debug/;
is(scalar canaries(slurp($t->dir('all.log'))), 0, 'none in the access log');
my @files = grep { -f } map { chomp; $_ }
    `find $t->{dir}/cache $t->{dir}/proxy $t->{dir}/body -type f`;
# what an echo answers is cached, with what it received
is(scalar(grep { canaries((split /\n\r?\n/, slurp($_))[0]) } @files), 0,
   'none in the keys and headers of cached files');

$t->finish;
