#!/usr/bin/perl

# Where the token, the secret and the client's own credential must not turn
# up: logs (debug level too), error pages, answers, status, other upstreams.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

# one worker: nginx's own debug lines are told apart by where they begin
my $t = EntraTest->new(warnings => 1, level => 'debug', workers => 1)->module;
my $e = $t->emulator;
my $secret = slurp($t->{vars}{SECRET_FILE}) =~ s/\n//r;

$t->start(<<'EOC');
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential cert client_certificate {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id %%CERT_CLIENT%%;
    client_certificate %%CERT_FILE%%;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
log_format all '$remote_user|$http_authorization|$entra_authorization|'
    '$upstream_http_authorization|$sent_http_x_leak|$request|$status|$aml';
access_log %%DIR%%/all.log all;
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
upstream nobody.test { server 127.0.0.1:1; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    add_header X-Leak "$entra_token_status" always;
    ssi on;
    default_type text/html;
    location / { entra_token $aml cert; proxy_pass https://echo.test; }
    location /cached { entra_token $aml cert; proxy_cache c;
                       proxy_cache_valid 1m; proxy_pass https://echo.test; }
    location /cert { entra_auth cert; proxy_pass https://echo.test; }
    location /down { entra_token $aml cert; proxy_pass https://nobody.test; }
    location /said { return 200 '[<!--#echo var="entra_authorization"
        default=""--><!--#echo var="aml" default=""-->]'; }
    location /set { set $how proxied;
                    add_header X-Leak "$how"; proxy_pass https://echo.test; }
    location /headers { entra_token $aml cert;
                        proxy_set_header Authorization $entra_authorization;
                        proxy_set_header X-Other "$aml";
                        proxy_pass https://echo.test; }
    location /page { error_page 502 503 /error.html; entra_token $aml cert;
                     proxy_pass https://nobody.test; }
    location /error.html { internal; entra_token $aml cert;
        return 200 'sorry <!--#echo var="entra_authorization" -->
            <!--#echo var="aml" -->'; }
    location /mirrored { mirror /copy; proxy_pass https://echo.test; }
    location /copy { internal; entra_auth off;
        proxy_set_header Authorization "$entra_authorization";
        proxy_set_header X-Copy "$aml";
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /checked { auth_request /check; proxy_pass https://echo.test; }
    location /check { internal; entra_auth off;
        proxy_set_header Authorization "$entra_authorization";
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /fcgi { entra_auth off; fastcgi_param HTTP_AUTHORIZATION
        $entra_authorization; fastcgi_pass 127.0.0.1:1; }
    location = /entra/status { entra_auth off; entra_status; }
    location = /entra/ready { entra_auth off; entra_status ready; }
    location = /entra/what { entra_auth off; entra_what_if; }
}
EOC
$t->ready;

# what must not be seen
my @tokens = map { $_->{token} } $e->tokens;
cmp_ok(scalar @tokens, '>=', 2, 'tokens were issued');
my $own = 'client-own-credential-Zx81';
sub leaks {
    my ($text) = @_;
    return grep { index($text, $_) >= 0 }
        map { $_, substr($_, -40) } @tokens;
}
sub clean {
    my ($name, $text) = @_;
    is(scalar(leaks($text)), 0, "$name: no token")
        or diag join "\n", map { substr $_, 0, 160 }
                grep { leaks($_) } split /\n/, $text;
}

my @own = (headers => [Authorization => "Bearer $own"]);
my %status = (
    '/' => 200, '/cached' => 200, '/cert' => 200, '/down' => 502,
    '/said' => 200, '/set' => 200, '/headers' => 200, '/page' => undef,
    '/mirrored' => 200, '/checked' => 200, '/fcgi' => 502,
    '/entra/status' => 200, '/entra/status?format=prometheus' => 200,
    '/entra/status?format=html' => 200, '/entra/ready' => 200,
    '/entra/what' => undef);
for my $uri (sort(keys %status), '/cached') {
    my $r = $t->get($uri, @own);
    is($r->status, $status{$uri}, "$uri: answered") if $status{$uri};
    # what an echo received is the upstream's own business
    my $said = $r->header('x-leak') // '';
    clean("$uri: header", join "\n", map { "$_->[0]: $_->[1]" }
          @{ $r->{list} });
    clean("$uri: body", $r->body)
        unless $uri =~ m{^/(cert|cached|set|headers|mirrored|checked)?$};
    unlike($r->body, qr/\Q$own/, "$uri: the client's own is nowhere");
}
is($t->get('/said')->body, '[]', 'the variable has no value there');

# what other upstreams were given
for my $r (grep { $_->{listener} eq 'upstream_plain' }
           $e->requests(at => 'upstream'))
{
    clean("$r->{path} upstream", join "\n",
          map { "$_->[0]: $_->[1]" } @{ $r->{headers} });
}
for my $r ($e->requests(at => 'upstream')) {
    ok(!(grep { $_->[1] =~ /\Q$own/ } @{ $r->{headers} }),
       "$r->{path}: the client's own did not pass");
}

# errors at the provider, with everything in their answers
$e->fault({ error => 7000215 });
$t->reload or fail 'reload';
$e->app(client_id => $e->info('client_id'), secrets => [{ value => 'x' }]);

# the log, at debug level, where nginx writes the upstream request
my $log = $t->log;
like($log, qr/http script var/, 'debug lines are written')
    if `$t->{nginx} -V 2>&1` =~ /--with-debug/;
clean('error log', $log);
my $mine = join "\n", grep { /entra/ } split /\n/, $t->log;
clean('lines of ours', $mine);
for my $what ($secret, $own) {
    unlike($log =~ s/http header: [^\n]*//gr, qr/\Q$what/,
           'error log: no secret');
}
my @assertions = map { $_->{form}{client_assertion} // () }
    $e->requests(at => 'token');
ok(@assertions, 'an assertion was made');
ok(!(grep { index($log, $_) >= 0 } @assertions), 'and not logged');

# a core, and the memory that others of the same user may read
SKIP: {
    skip 'not root', 1 if $> != 0;
    is((stat "/proc/$_/environ")[4], 0, 'a worker leaves no core')
        for $t->workers;
}

my $access = slurp($t->dir('all.log'));
clean('access log', $access);
my $shown = `$t->{nginx} -T -p $t->{dir} -c $t->{dir}/nginx.conf 2>&1`;
clean('nginx -T', $shown);
unlike($shown, qr/\Q$secret/, 'nginx -T: no secret');

$t->finish;
