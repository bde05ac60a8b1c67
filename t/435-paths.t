#!/usr/bin/perl

# What is judged is what the upstream receives.  Every way of writing a path
# that servers read in two ways, through every kind of location and
# proxy_pass: whatever arrives with a token must be allowed also for an
# upstream that decodes, folds and normalises as much as it can.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;

# the ways in which locations pass requests on; each is given the location's
# prefix, and says what becomes of PREFIX/REST
my @ways = (
    [plain    => 'location /%s/', 'proxy_pass https://echo.test;'],
    [uri      => 'location /%s/', 'proxy_pass https://echo.test/;'],
    [base     => 'location /%s/', 'proxy_pass https://echo.test/open/;'],
    [bare     => 'location /%s/', 'proxy_pass https://echo.test/open;'],
    [noslash  => 'location /%s',  'proxy_pass https://echo.test/open/;'],
    [nested   => 'location /%s/', 'location /nested/open/ {
                     proxy_pass https://echo.test/; }'],
    [regex    => 'location ~ ^/%s/', 'proxy_pass https://echo.test;'],
    [icase    => 'location ~* ^/%s/', 'proxy_pass https://echo.test;'],
    [capture  => 'location ~ ^/%s/(.*)$',
                 'proxy_pass https://echo.test/$1;'],
    [captured => 'location ~ ^/%s/(.*)$',
                 'proxy_pass https://echo.test/open/$1;'],
    [decoded  => 'location /%s/', 'proxy_pass https://echo.test$uri;'],
    [request  => 'location /%s/', 'proxy_pass https://echo.test$request_uri;'],
    [argument => 'location /%s/', 'proxy_pass https://echo.test$arg_p;'],
    [header   => 'location /%s/', 'proxy_pass https://echo.test$http_x_path;'],
    [break    => 'location /%s/', 'rewrite ^/[^/]+(/.*)$ $1 break;
                     proxy_pass https://echo.test;'],
    [breakuri => 'location /%s/', 'rewrite ^/[^/]+(/.*)$ $1 break;
                     proxy_pass https://echo.test/secret/;'],
    [query    => 'location /%s/', 'rewrite ^/[^/]+(/.*)$ $1?x=$1 break;
                     proxy_pass https://echo.test;'],
    [queried  => 'location /%s/', 'rewrite ^/[^/]+(/.*)$ $1?x=$uri break;
                     proxy_pass https://echo.test;'],
    [last     => 'location /%s/', 'rewrite ^/[^/]+/(.*)$ /plain/$1 last;'],
    [if       => 'location /%s/', 'if ($request_method ~ .) {
                     rewrite ^/[^/]+(/.*)$ $1 break;
                     proxy_pass https://echo.test; }'],
    [try      => 'location /%s/', 'try_files /nothing @named;'],
    [errors   => 'location /%s/', 'error_page 418 = @named; return 418;'],
    [sets     => 'location /%s/', 'set $there $uri;
                     proxy_pass https://echo.test$there;'],
    [block    => 'location /%s/', 'set $there block;
                     proxy_pass https://$there;'],
    [asis     => 'location /%s/', 'set $there block;
                     proxy_pass https://$there/open/;'],
);

# REST: with %s where /open/ or /secret/ is
my @rest = map { my $r = $_; map { sprintf $r, $_ } qw(open secret) } (
    '%s/x', '%s', '%s/', '/%s/x', '%s//x', './%s/x', 'a/../%s/x',
    '../%s/x', '..%%2f%s/x', '%%2e%%2e/%s/x', '%%2e%%2e%%2f%s%%2fx',
    '..%%252f%s/x', '%%252e%%252e%%252f%s/x', '%%25%%32%%66%s/x',
    '..%%5c%s%%5cx', '..\\%s\\x', '%s%%2fx', '%s%%252fx', '%s;a=b/x',
    ';/%s/x', '..;/%s/x', 'a/..;/%s/x', 'a/..;x=y/%s/x', 'a;/../%s/x',
    '%s/x#y', '#/../%s/x', '%s%%23/x', '%s%%3fx', '%s%%3f/../x', '%s?x',
    '?/%s/x', '%s%%00/x', '%%00/../%s/x', '%s%%0d%%0aX:%%20y/x',
    'x%%20HTTP/1.1%%0d%%0aHost:%%20echo.test%%0d%%0a%%0d%%0aGET%%20/%s/x',
    'x%%20HTTP/1.1%%20/%s/x', '%s%%09/x', '%s%%20/x', '%s%%20', '%s./x',
    '%s../x', '%s%%2e/x', '%s/%%2e/x', '%s/.%%2e/%s/x' =~ s/%s\/\.%%2e/a\/.%%2e/r,
    'a/%%2e%%2e/%s/x', '%%c0%%af../%s/x', '..%%c0%%af%s/x',
    '%%e0%%80%%af%s/x', '%%u002f%s/x', '%%ff%s/x', "\xc3\xa4/%s/x",
    '%%ef%%bc%%8f%s/x', '%%2f%%2f%s/x', '%%2F%s%%2Fx', '\\%s\\x',
) ;
push @rest, 'OPEN/x', 'Secret/x', 'SECRET/x', '%73ecret/x', '%53ecret/x',
    's%65cret/x', 'secre%74', 'open/%2e%2e/secret/x', 'open/..%2fsecret/x',
    'open/..;/secret/x', 'open/x/../../secret/x', 'open%2f..%2fsecret/x',
    '%c5%bfecret/x', 'open/%252e%252e/secret/x', 'open/..%5csecret/x',
    'open/..%255csecret/x', 'open//../secret/x', 'open/.%00./secret/x',
    'open/..%00/secret/x', 'open/..%20/secret/x', 'open/%20../secret/x',
    'open/...//secret/x', 'open/..%c0%afsecret/x', 'open/..%ef%bc%8fsecret';

my %methods = (GET => 1);
my $locations = '';
for my $mode (qw(strict raw)) {
    for my $policy (qw(grant block none)) {
        my $p = "$mode-$policy";
        for (@ways) {
            my ($name, $location, $inside) = @$_;
            my $l = sprintf $location, "$p-$name";
            $inside =~ s{/nested/}{/$p-nested/};
            $inside =~ s{/plain/}{/$p-plain/};
            $inside =~ s{\@named}{\@$p};
            $locations .= "$l { entra_path $mode; entra_auth $policy;\n"
                . "$inside }\n";
        }
        $locations .= "location \@$p { entra_path $mode; entra_auth $policy;"
            . " rewrite ^/[^/]+(/.*)\$ \$1 break;"
            . " proxy_pass https://echo.test; }\n";
    }
}

my $conf = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_policy open { operations "GET /open/*"; grant; }
entra_policy all { grant; }
entra_policy secret { operations "* /secret" "* /secret/*"; block; }
entra_credential grant client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1; policies open;
}
entra_credential block client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1; policies all secret;
}
entra_credential none client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams 127.0.0.1; policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream block { server 127.0.0.1:%%UPSTREAM%%; }
variables_hash_max_size 2048;
server {
    listen 127.0.0.1:%%PORT%%;
    merge_slashes on;
    include %%PROXY%%;
    proxy_ssl_name echo.test;
    $locations
    location = /entra/ready { entra_status ready; }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    merge_slashes off;
    include %%PROXY%%;
    proxy_ssl_name echo.test;
    $locations
}
EOC
$t->start($conf);
$t->ready;

# all that a lenient server could make of a path
my %readings;
sub readings {
    my ($path) = @_;

    return @{ $readings{$path} //= [readings_of($path)] };
}
sub readings_of {
    my ($path) = @_;

    my @all;
    $path =~ s/[?].*//s;
    for my $fragment (0, 1) {
        for my $rounds (0 .. 3) {
            for my $slash (0, 1) {
                my $p = $path;
                $p =~ s/#.*//s if $fragment;
                $p = decode($p) for 1 .. $rounds;
                $p =~ s/[?#].*//s if $fragment;
                $p =~ s/%u([0-9a-f]{4})/chr(hex($1) & 0x7f)/gei if $rounds;
                $p =~ s/\xc0\xaf|\xe0\x80\xaf|\xef\xbc\x8f/\//g if $rounds;
                $p =~ s/\xc5\xbf/s/g if $rounds;
                $p =~ tr{\\}{/} if $slash;
                $p =~ s/\0.*//s if $rounds && $fragment;
                push @all, resolve($p), resolve($p =~ s/;[^\/]*//gr),
                    resolve($p =~ s/[\0-\x20]//gr);
            }
        }
    }
    my %one = map { $_ => 1 } @all;
    return keys %one;
}
sub decode {
    my ($p) = @_;
    $p =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
    return $p;
}
sub resolve {
    my ($p) = @_;
    my @out;
    for (split m{/+}, lc $p) {
        s/[. ]+$// unless /^\.+$/;
        next if $_ eq '.' || $_ eq '';
        if ($_ eq '..') { pop @out; next }
        push @out, $_;
    }
    return '/' . join '/', @out;
}

# what must not be with a token, and why
sub wrong {
    my ($policy, $r) = @_;

    my $line = "$r->{method} $r->{target}";
    return "bytes: $line" if $r->{target} =~ /[\0-\x20\x7f]/;
    my @is = readings($r->{target});
    if ($policy eq 'grant') {
        my @bad = grep { !m{^/open/.} } @is;
        return "not /open/: $line is $bad[0]" if @bad;
        return "method: $line" if $line !~ /^(?:GET|HEAD) /;
    } elsif ($policy eq 'block') {
        my @bad = grep { m{^/secret(?:/|$)} } @is;
        return "/secret: $line is $bad[0]" if @bad;
    }
    return;
}

my (%status, %passed);
for my $port (qw(PORT PORT2)) {
    for my $mode (qw(strict raw)) {
        for my $policy (qw(grant block none)) {
            for my $way (map { $_->[0] } @ways) {
                next if $port eq 'PORT2' && $way !~ /^(?:plain|uri|capture
                                                      |decoded|request)$/x;
                next if $policy eq 'none' && $way !~ /capture|decoded|request
                                              |argument|header|break|query
                                              |sets/x;
                try_way($port, $mode, $policy, $way);
            }
        }
    }
}

sub try_way {
    my ($port, $mode, $policy, $way) = @_;

    my $first = "/$mode-$policy-$way";
    my $n = last_n();
    my @texts = map { my $rest = $_;
        my @x = $way eq 'argument'
            ? ("$first/x?p=/" . $rest, '') : $way eq 'header'
            ? ("$first/x", $rest =~ /[\r\n\0]/ ? '' : "X-Path: /$rest\r\n")
            : ("$first/$rest", '');
        "GET $x[0] HTTP/1.1\r\nHost: x\r\n$x[1]\r\n" } @rest;
    push @texts, "GET http://x$first/secret/x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://x/secret/x HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST $first/open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "FOO $first/open/x HTTP/1.1\r\nHost: x\r\n\r\n"
        if $way !~ /argument|header/;
    my @r = send_all($t->port($port), @texts);
    my %answers;
    $answers{ $_->status }++ for @r;

    my @seen = grep { sent($_, 'authorization') }
        $e->requests(at => 'upstream', since => $n);
    my @wrong = grep { defined } map { wrong($policy, $_) } @seen;
    push @wrong, 'more requests than were sent'
        if @seen > ($answers{200} || 0);
    is(join("\n", @wrong), '', "$port $mode $policy $way: "
       . scalar(@seen) . ' of ' . scalar(@texts) . ' with a token, all right');
    my @odd = grep { !/^(?:200|301|400|403|404|405|500)$/ } keys %answers;
    is("@odd", '', "$port $mode $policy $way: answers")
        or diag explain \%answers;
    $passed{"$mode-$policy-$way"} += @seen;
}

# one after the other on as few connections as it takes
sub send_all {
    my ($port, @texts) = @_;

    my (@answers, $s);
    for my $text (@texts) {
        my $r;
        for (1, 2) {
            $s //= EntraTest::HTTP::connect_to(port => $port);
            $r = EntraTest::HTTP::request(raw => $text, socket => $s,
                                          timeout => $t->seconds(20));
            last if $r->status;
            undef $s;
        }
        push @answers, $r;
        undef $s if !$r->status
            || ($r->header('connection') // '') eq 'close';
    }
    return @answers;
}

sub last_n { my @r = $e->requests(last => 1); return @r ? $r[-1]{n} : 0 }

# it does let through what is meant, in each way
for my $mode (qw(strict raw)) {
    for my $way (map { $_->[0] } @ways) {

        # for some, what arrives never begins with /open/
        next unless $way =~ /^(?:uri|base|captured?|argument|header|break
                             |query|if|errors)$/x;
        cmp_ok($passed{"$mode-grant-$way"}, '>', 0,
               "$mode $way: what is granted passes");
    }
    for my $way (map { $_->[0] } @ways) {
        next if $way eq 'noslash';
        cmp_ok($passed{"$mode-block-$way"}, '>', 0,
               "$mode $way: what is not blocked passes");
    }
}

# each of which is a space or a control character that was decoded
like($t->log, qr/the request line for the upstream would have a space/,
     'what would have split the request line is refused and logged');

$t->finish;
