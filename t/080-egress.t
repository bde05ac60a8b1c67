#!/usr/bin/perl

# The egress guard at run time: a token goes to the hosts it is meant for,
# over verified TLS, or nothing is sent at all.  What can be known from the
# configuration is refused there: see 020-config.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $other = $t->emulator;       # a host with a CA that is not trusted

$t->start(<<'EOC');
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1 echo.test *.good.test
              http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_credential anyhow client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1 verify=off;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream evil.test { server 127.0.0.2:%%UPSTREAM%%; }
upstream half { server 127.0.0.1:%%UPSTREAM%%;
                server 127.0.0.2:%%UPSTREAM%% down; }
upstream stranger.test { server 127.0.0.1:%%UPSTREAM_2%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    location /ok { proxy_pass https://echo.test; }
    location /plain-ok { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /to/ { proxy_pass $arg_u; }
    location /scheme { proxy_ssl_name echo.test;
                       proxy_pass $arg_s://127.0.0.1:%%UPSTREAM%%; }
    location /name { proxy_ssl_session_reuse off; proxy_ssl_name $arg_n;
                     proxy_pass https://127.0.0.1:%%UPSTREAM%%; }
    location /unverified { proxy_ssl_verify off; set $u https://echo.test;
                           proxy_pass $u; }
    location /anyhow { entra_auth anyhow; proxy_ssl_verify off;
                       proxy_pass https://stranger.test; }
    location /stranger { proxy_pass https://stranger.test; }
    location /off/ { entra_auth off; proxy_pass $arg_u; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC
$t->ready;

my ($tls, $plain) = @{ $t->{vars} }{qw(UPSTREAM UPSTREAM_PLAIN)};

sub arrived { return $e->count(at => 'upstream') }
sub connections { my $c = $e->counters;
    return $c->{'connections.upstream'} + $c->{'connections.upstream_plain'} }

sub passes {
    my ($uri) = @_;
    my $r = $t->get($uri);
    is($r->status, 200, "$uri: passes") or diag $r->body;
    is(scalar(grep { /^Bearer / } $r->seen('authorization')), 1,
       "$uri: with its token");
}

my $blocked = 0;
sub blocked {
    my ($uri, $status) = @_;

    my ($before, $connected) = (arrived(), connections());
    my $length = length $t->log;
    my $r = $t->get($uri);
    is($r->status, $status // 500, "$uri: refused");
    is(arrived(), $before, "$uri: nothing arrives");
    is(connections(), $connected, "$uri: no connection is made");
    like($r->header('content-type') // '', qr{^application/problem\+json},
         "$uri: a problem");
    like(substr($t->log, $length), qr/egress guard: .*"app"/,
         "$uri: a log line");
    $blocked++;
    is($t->status->{egress_blocked}, $blocked, "$uri: counted");
}

passes('/ok');
passes('/plain-ok');
passes('/to/x?u=https://echo.test');
passes('/to/x?u=https://ECHO.test');
passes("/to/x?u=http://127.0.0.1:$plain");
passes('/scheme?s=https');
passes('/name?n=echo.test');
passes('/name?n=a.good.test');

blocked("/to/x?u=https://127.0.0.2:$tls");
blocked('/to/x?u=https://evil.test');
blocked('/to/x?u=https://half');
blocked("/to/x?u=http://127.0.0.1:$tls");
blocked('/to/x?u=http://echo.test');
blocked("/to/x?u=https://169.254.169.254");
blocked("/to/x?u=http://169.254.169.254/metadata/identity");
blocked("/to/x?u=https://127.0.0.1.evil.test:$tls");
blocked("/to/x?u=https://[::1]:$tls");
blocked('/to/x?u=http://unix:/tmp/x.sock:');
blocked('/scheme?s=http');
blocked('/name?n=elsewhere.test');
blocked('/name?n=good.test.evil');
blocked('/unverified');

# TLS that does not hold what it promises: nothing is sent
my $n = $other->count(at => 'upstream');
is($t->get('/stranger')->status, 502, 'a certificate of an unknown CA');
is($other->count(at => 'upstream'), $n, 'nothing arrives');
$e->control(POST => 'tls', { expired => \1 });
$n = arrived();
is($t->get('/ok')->status, 502, 'an expired certificate');
is(arrived(), $n, 'nothing arrives');
$e->control(POST => 'tls', { expired => \0, strict => \1 });
is($t->get('/ok')->status, 502, 'a certificate of another name');
is(arrived(), $n, 'nothing arrives');
$e->control(POST => 'tls', { strict => \0 });
passes('/ok');
passes('/anyhow');

# entra_auth off has nothing to guard
my $r = $t->get("/off/x?u=http://127.0.0.1:$plain/x",
                headers => [Authorization => 'Basic mine']);
is($r->status, 200, 'off: proxied');
is($r->seen('authorization'), 0, 'off: without a token');

# the provider's own TLS is verified too
$e->control(POST => 'tls', { strict => \0, expired => \1 });
my $since = ($e->requests(at => 'token'))[-1]{n};
$e->revoke;
$t->stop;
$t->start;
ok(wait_until(sub { my ($c) = @{ $t->status->{credentials} || [] };
                    $c && $c->{failures} }, 20),
   "a provider's expired certificate is refused");
is($e->count(at => 'token', since => $since), 0,
   'and the secret was not sent');
like($t->log, qr/certificate/, 'the log says why');

$t->finish;
