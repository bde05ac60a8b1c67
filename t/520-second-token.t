#!/usr/bin/perl

# entra_token: a second token on the same request, with policies and an egress
# guard of its own.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1)->need('http_ssl_module')->module;
my $e = $t->emulator;

# clients of their own, to tell tokens apart
my $i = 1;
my %id = map { $_ => sprintf 'c%07d-1111-4111-8111-111111111111', $i++ }
    qw(first second strict narrow slow);
$e->app(client_id => $id{$_}, name => $_,
        secrets => [{ value => "secret-of-$_" }]) for keys %id;
$t->write("$_.secret", "secret-of-$_\n") for keys %id;

my $credentials = 'entra_trusted_certificate %%CA%%;';
my %more = (
    first => 'scope arm;', second => 'scope arm aml;',
    strict => 'scope aml;', narrow => 'scope aml;',
    slow => 'scope aml; preload off;',
);
sub credential {
    my ($name, $policies, $upstreams) = @_;
    return <<"END";
entra_credential $name client_secret {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;
    client_id $id{$name}; client_secret_file %%DIR%%/$name.secret;
    $more{$name} policies $policies; upstreams $upstreams;
}
END
}
my $hosts = '127.0.0.1 echo.test';
$credentials .= credential(first => 'none', $hosts)
    . credential(second => 'none', $hosts)
    . credential(strict => 'jobs', $hosts)
    . credential(narrow => 'none', 'elsewhere.test')
    . credential(slow => 'none', $hosts) . <<'END';
entra_policy jobs { operations "PUT /jobs/*"; grant; }
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
END

sub block {
    my ($locations) = @_;
    return $credentials . <<"END";
log_format vars '\$uri [\$aml] [\$other] \$entra_token_status';
server {
    listen 127.0.0.1:%%PORT%%;
    access_log %%DIR%%/vars.log vars;
    include %%PROXY%%;
    entra_auth first;
    $locations
}
END
}

my $set = 'proxy_set_header x-azureml-token $aml;'
    . ' proxy_set_header x-other $other;';
$t->start(block(<<"EOC"));
    entra_token \$aml second scope=aml;
    $set
    location / { proxy_pass https://echo.test; }
    location /two { entra_token \$aml second scope=aml;
                    entra_token \$other slow;
                    proxy_pass https://echo.test; }
    location /jobs { entra_token \$aml strict; proxy_pass https://echo.test; }
    location /variable { proxy_pass https://\$arg_h; }
    location /narrow { entra_token \$aml narrow; proxy_pass https://\$arg_h; }
    location /only { entra_auth off; proxy_pass https://echo.test; }
    location /none { entra_token \$other second;
                     proxy_pass https://echo.test; }
    location /return { ssi on; default_type text/html; return 200
        '[<!--#echo var="aml" default=""-->][<!--#echo var="other" default=""-->]';
    }
    location /slow { entra_token \$other slow; entra_wait 500ms;
                     proxy_pass https://echo.test; }
    location = /entra/status { entra_auth off; entra_status; }
    location = /entra/ready { entra_auth off; entra_status ready; }
EOC
$t->ready(20);

# who a token is of, and for what
sub whose {
    my ($r, $header) = @_;

    my @all = $r->seen($header);
    return 'none' unless @all;
    return 'several' if @all > 1;
    return 'not bare' if $header ne 'authorization' && $all[0] =~ / /;
    my $c = claims($all[0]);
    return $all[0] unless %$c;
    my ($name) = grep { $id{$_} eq $c->{appid} } keys %id;
    return "$name " . $c->{aud} =~ s{https://(\w+)\..*}{$1}r;
}

sub arrived { return $e->count(at => 'upstream') }

my $r = $t->get('/x', headers => ['x-azureml-token' => 'mine',
                                  Authorization => 'Bearer mine']);
is($r->status, 200, 'an answer');
is(whose($r, 'authorization'), 'first management', 'the first token');
is(whose($r, 'x-azureml-token'), 'second ml', 'the second, bare');

$r = $t->get('/none');
is(whose($r, 'x-azureml-token'), 'none',
   "a location's own replace those of the level above");
is(whose($r, 'x-other'), 'second management', 'scope: the first by default');

$r = $t->get('/only');
is(whose($r, 'authorization'), 'none', 'without entra_auth');
is(whose($r, 'x-azureml-token'), 'second ml', 'the second alone');
is($t->get('/return')->body, '[][]', 'nothing where no request is made');

# waited for as the first is, by one fetch for all
$e->forget;
my @r = $t->many(50, uri => '/two');
is(scalar(grep { $_->status == 200 } @r), 50, 'a third one is waited for');
is(whose($r[0], 'x-other'), 'slow ml', 'and is there');
is(whose($r[0], 'x-azureml-token'), 'second ml', 'beside the second');
is($e->count(at => 'token', client_id => $id{slow}), 1, 'by one fetch');

# its policies decide as well
is($t->http(uri => '/jobs/a', method => 'PUT', body => '{}')->status, 200,
   'granted by the policies of both');
my $n = arrived();
my $at = length $t->log;
$r = $t->get('/jobs/a');
is($r->status, 403, 'denied by those of the second');
is(arrived(), $n, 'nothing arrives, the first token neither');
like(substr($t->log, $at), qr/entra credential "strict": /,
     'the log names its credential');
unlike($r->body, qr/strict|jobs/, 'the answer names nothing');

# and its egress guard
is($t->get('/variable?h=echo.test')->status, 200, 'a host of both');
for my $uri ('/narrow?h=echo.test', '/narrow?h=elsewhere.test',
             '/variable?h=elsewhere.test')
{
    $n = arrived();
    $at = length $t->log;
    is($t->get($uri)->status, 500, "$uri: a host of one of them only");
    is(arrived(), $n, "$uri: nothing arrives");
    like(substr($t->log, $at), qr/egress guard: /, "$uri: a line in the log");
}

# none to be had: the first does not go alone
$e->fault({ at => 'token', client_id => $id{slow}, status => 503,
            json => {} });
$t->stop;
$t->start;
$n = arrived();
$r = $t->get('/slow');
is($r->status, 503, 'no second token: 503');
ok($r->header('retry-after'), 'with Retry-After');
is(arrived(), $n, 'nothing arrives');
$e->clear_faults;
ok(wait_until(sub { $t->get('/slow')->status == 200 }, 20), 'it recovers');

cmp_ok($t->credential('slow')->{failures}, '>=', 1, 'the status tells of it');

# refused by nginx -t
for (['entra_token aml second;', qr/needs a variable first/, 'no variable'],
     ['entra_token $ second;', qr/needs a variable first/, 'no name'],
     ['entra_token $host second;', qr/duplicate "host" variable/,
      "one of nginx's"],
     ['entra_token $aml nobody;', qr/"nobody"/, 'nobody'],
     ['entra_token $aml $who;', qr/not a variable/, 'a variable'],
     ['entra_token $aml second; entra_token $aml strict;',
      qr/is duplicate/, 'twice'],
     ['entra_token $aml second scope=nonsense;', qr/scope.*nonsense/s,
      'no such scope'],
     ['entra_token $aml narrow; proxy_pass https://echo.test;',
      qr/egress|must not go|not one of/, 'a host that is not its'],
     ['entra_token $aml second; proxy_ssl_verify off;'
      . ' proxy_pass https://echo.test;', qr/verif/, 'without verified TLS'])
{
    my ($line, $want, $what) = @$_;
    $t->refuses($what, block("location / { $line }"), $want);
}
my ($ok, $said) = $t->check(block('location / { entra_auth first;'
    . ' entra_token $aml obo; include %%PROXY%%;'
    . ' proxy_pass https://echo.test; }')
    . 'entra_credential obo on_behalf_of { %%CREDENTIAL%% scope aml;'
    . ' policies none; upstreams echo.test 127.0.0.1; }'
    . 'entra_caller_token { tenant_id %%TENANT%%; audience x;'
    . ' authority_host %%AUTHORITY%%; }');
ok(!$ok, 'nginx -t: on_behalf_of') or diag $said;
like($said, qr/entra_token cannot use credential "obo": .*write "entra_auth/,
     'what to write instead');

my $log = slurp($t->dir('vars.log'));
like($log, qr{^/x \[-?\] \[-?\] HIT$}m, 'nothing in the access log');
unlike($log . $t->log, qr/eyJ/, 'no token in a log');

$t->finish;
