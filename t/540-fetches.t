#!/usr/bin/perl

# Many fetches at once: a slow or dead identity provider delays its own tokens
# only, callers do not keep shared credentials waiting, and fetches share an
# HTTP/2 connection.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use IO::Socket::INET;
use Time::HiRes 'time';

my $t = EntraTest->new(workers => 1)->module->need('http_v2_module');
my $e = $t->emulator;
my ($tenant, $client, $ca) = @{ $t->{vars} }{qw(TENANT CLIENT CA)};

plan(skip_all => 'no openssl') if system('openssl version >/dev/null 2>&1');

my ($callers, $dead) = (300, 400);

# nginx as an identity provider that speaks HTTP/2
system("cd " . $t->dir . " && openssl req -x509 -newkey rsa:2048 -nodes"
    . " -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    . " -keyout front.key -out front.crt 2>/dev/null"
    . " && cat front.crt $ca > both.pem && chmod 644 both.pem front.key") == 0
    or die "no certificate\n";

# listens, and accepts nobody: with its backlog full, as one that is not there
my $hole = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
    or die "listen: $!";
my @backlog = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Blocking => 0,
                          PeerPort => $hole->sockport)
} 1 .. 4;
$t->var(HOLE => $hole->sockport);
$t->port('FRONT');

sub credential {
    my ($name, $type, $authority, @more) = @_;
    return "entra_credential $name $type {\n"
        . "    authority_host $authority;\n"
        . "    tenant_id %%TENANT%%; client_id %%CLIENT%%;\n"
        . "    client_secret_file %%SECRET_FILE%%;\n"
        . "    upstreams 127.0.0.1; policies none;\n"
        . join('', map { "    $_;\n" } @more) . "}\n";
}

my ($credentials, $locations) = ('', '');
for (['one', '%%AUTHORITY%%'], ['two', 'https://localhost:%%FRONT%%']) {
    my ($http, $authority) = @$_;
    $credentials .= credential("behalf_$http", 'on_behalf_of', $authority,
        'scope https://management.azure.com/user_impersonation');
    $credentials .= credential("cold_$http", 'client_secret', $authority,
                               'scope aml', 'preload off');
    $locations .= "location = /$_/$http { entra_auth ${_}_$http;"
                  . " proxy_pass https://echo.test; }\n" for qw(behalf cold);
}

my $common = <<'EOC';
entra_trusted_certificate %%DIR%%/both.pem;
entra_shared_zone zone=entra:8m;
log_format front '$connection $server_protocol';
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; keepalive 32; }
upstream provider { server 127.0.0.1:%%ENTRA%%; keepalive 400; }
server {
    listen 127.0.0.1:%%FRONT%% ssl http2;
    ssl_certificate %%DIR%%/front.crt;
    ssl_certificate_key %%DIR%%/front.key;
    access_log %%DIR%%/front.log front;
    location / {
        proxy_pass https://provider;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
        proxy_http_version 1.1;
    }
}
EOC

$t->start(<<"EOC");
entra_caller_token {
    tenant_id $tenant; audience $client; authority_host %%AUTHORITY%%;
}
$common
$credentials
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait @{[$t->seconds(12)]}s;
    $locations
}
EOC

my $tokens = 0;
sub visitor {
    my $oid = 'v' . $tokens++;
    return $e->mint(user => \1, scope => 'access_as_user', claims => {
        aud => $client, oid => $oid, sub => $oid, name => $oid });
}

sub ask { my ($uri, $token) = @_;
          return $t->get($uri, headers => [Authorization => "Bearer $token"]) }

for my $http (qw(one two)) {
    my @tokens = map { visitor() } 1 .. $callers;
    is(ask("/behalf/$http", visitor())->status, 200,
       "HTTP/$http: the keys of callers' tokens are there");
    $e->fault({ at => 'token', delay => 2 });
    truncate $t->dir('front.log'), 0;

    my @r = $t->many($callers + 1, each => sub {
        my $i = shift;
        return (uri => "/cold/$http") if $i == $callers;
        return (uri => "/behalf/$http",
                headers => [Authorization => "Bearer $tokens[$i]"]);
    });
    my $cold = pop @r;
    is((grep { $_->status == 200 } @r), $callers,
       "$callers callers at once, and answers after 2 s: all are served");
    is($cold->status, 200, 'so is a shared credential');
    my ($last) = sort { $b <=> $a } map { $_->{time} } @r;
    cmp_ok($cold->{time}, '<', $last + $t->seconds(0.5),
           'which does not wait for them');

    if ($http eq 'two') {
        my @lines = split /\n/, slurp($t->dir('front.log'));
        my %connections = map { (split ' ')[0] => 1 } @lines;
        is((grep { / HTTP\/2\.0$/ } @lines), @lines, 'all over HTTP/2');
        cmp_ok(scalar(keys %connections), '<', $callers / 2, 'on fewer connections: '
               . scalar(keys %connections));
    }
    $e->clear_faults;
}


# --- one that is not there

my $holes = join '', map {
    credential("dead$_", 'client_secret', 'https://localhost:%%HOLE%%',
               'scope aml')
} 1 .. $dead;
ok(defined $t->stop, 'nginx stops');
$t->write('error.log', '');

$e->fault({ at => 'token', scope => 'https://management.azure.com/.default',
            status => 503, body => 'down',
            headers => { 'Retry-After' => 'Fri, 01 Feb 2036 00:00:00 GMT' } });
$t->start(<<"EOC");
$common
$holes
@{[credential('healthy', 'client_secret', '%%AUTHORITY%%', 'scope aml')]}
@{[credential('late', 'client_secret', '%%AUTHORITY%%', 'scope arm')]}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait @{[$t->seconds(3)]}s;
    location = / { entra_auth healthy; proxy_pass https://echo.test; }
    location = /dead { entra_auth dead7; proxy_pass https://echo.test; }
    location = /hello { return 200 hello; }
}
EOC

my $begin = time;
is($t->get('/')->status, 200, "$dead credentials of a provider that is dead");
cmp_ok(time - $begin, '<', $t->seconds(2), 'the other one is not delayed: '
       . sprintf '%.2f s', time - $begin);
cmp_ok($t->slowest('/hello', 1), '<', $t->seconds(1), 'nor are clients');
ok($t->wait_log(qr/"dead\d+".*transient error/), 'the dead one is logged');
is($t->get('/dead')->status, 503, 'and has no token');
ok($t->wait_log(qr/"late".*status 503.*next attempt in 120 s/),
   'a Retry-After in 2036 is not taken for an order');

$t->finish;
