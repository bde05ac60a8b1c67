#!/usr/bin/perl

# entra_status: JSON, Prometheus, ready.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use EntraTest qw(wait_until slurp);

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $bad = 'bad00000-0000-4000-8000-000000000000';
$e->app(client_id => $bad, secrets => [{ value => 'right' }]);
$t->write('bad.secret', 'wrong');

my $conf = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_credential good client_secret {
    %%CREDENTIAL%%
    scope aml arm;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential bad client_secret {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id $bad;
    client_secret_file %%DIR%%/bad.secret;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential lazy client_secret {
    %%CREDENTIAL%%
    scope graph;
    upstreams 127.0.0.1;
    policies none;
    preload off;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
upstream fraud.westeurope.inference.ml.azure.com {
    server 127.0.0.1:%%UPSTREAM%%;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 500ms;
    location /good { entra_auth good; proxy_pass https://echo.test; }
    location /bad { entra_auth bad; proxy_pass https://echo.test; }
    location /score {
        entra_auth good;
        entra_replay off;
        proxy_pass https://fraud.westeurope.inference.ml.azure.com;
    }
    location /evil { entra_auth good; proxy_pass https://\$arg_h; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC
$t->start($conf);

sub one {
    my ($name, $scope) = @_;
    my @found = grep { $_->{credential} eq $name
                       && (!$scope || $_->{scope} eq $scope) }
        @{ $t->status->{credentials} };
    return $found[0] || {};
}

ok(wait_until(sub { one('good')->{fetches} && one('bad')->{failures} }),
   'both were tried');

my $r = $t->get('/entra/status');
is($r->status, 200, 'status');
like($r->header('content-type'), qr{^application/json}, 'is JSON');
my $aml = 'https://ml.azure.com/.default';
my $good = one('good', $aml);
is($good->{type}, 'client_secret', 'type');
is($good->{state}, 'valid', 'state');
cmp_ok($good->{expires_in}, '>', 3000, 'seconds to expiry');
cmp_ok($good->{refresh_in}, '>', 0, 'seconds to refresh');
cmp_ok($good->{refresh_in}, '<', $good->{expires_in}, 'which comes first');
is($good->{fetches}, 1, 'fetches');
is($good->{failures}, 0, 'failures');
is($good->{last_error}, undef, 'no error');
ok(%{ one('good', 'https://management.azure.com/.default') },
   'each scope has its own');
ok(%{ one('lazy') }, 'a credential in waiting is shown');

my $b = one('bad');
like($b->{state}, qr/^fail/, 'one that fails');
cmp_ok($b->{failures}, '>=', 1, 'is counted');
is($b->{last_error}{aadsts}, 'AADSTS7000215', 'its last error');
my ($asked) = $e->requests(at => 'token', client_id => $bad);
my ($id) = map { $_->[1] } grep { lc $_->[0] eq 'client-request-id' }
    @{ $asked->{headers} };
like($b->{last_error}{correlation_id} // '', qr/^[0-9a-f-]{36}$/,
     'with a correlation id');
ok((grep { my $r = $_; grep { $_->[1] eq $b->{last_error}{correlation_id} }
           @{ $r->{headers} } } $e->requests(at => 'token',
                                             client_id => $bad)),
   'which is that of our request');
like($b->{last_error}{text}, qr/AADSTS7000215|secret/i, 'and words');
unlike($r->body, qr/[\x00-\x08\x0b\x0c\x0e-\x1f]/, 'no control characters');

# counting
$t->get('/good') for 1 .. 3;
$t->get('/bad');
$t->get("/evil?h=127.0.0.2:$t->{vars}{UPSTREAM}");
is(one('good', $aml)->{requests}{HIT}, 3, 'HIT');
is($t->status->{egress_blocked}, 1, 'egress');
is(one('good', $aml)->{requests}{BLOCKED}, 1, 'BLOCKED');
is($t->get('/score', body => '{}')->status, 200, 'scored');
$e->endpoint(name => 'fraud', busy => \1);
is($t->get('/score', body => '{}')->status, 429, '429 passes');
$e->endpoint(name => 'fraud', busy => \0, failing => \1);
$r = $t->get('/score', body => '{}');
is($r->status, 424, '424 passes');
ok($r->header('ms-azureml-model-error-reason'), 'unchanged');
$e->endpoint(name => 'fraud', failing => \0);
$e->app(client_id => $e->info('client_id'), actions => []);
$r = $t->get('/score', body => '{}');
is($r->status, 403, '403 passes');
is($r->json->{error}{code}, 'AuthorizationFailed', 'unchanged');
my $up = one('good', $aml)->{upstream};
is_deeply([@$up{qw(403 424 429)}], [1, 1, 1], 'they are counted');

# ready
$r = $t->get('/entra/ready');
is($r->status, 503, 'not ready');
like($r->body, qr/"bad"/, 'says which credential');
unlike($r->body, qr/"lazy"|"good"/, 'and no other');

# Prometheus
my $text = $t->get('/entra/status?format=prometheus');
like($text->header('content-type'), qr{^text/plain}, 'Prometheus');
$text = $text->body;
like($text, qr/^$_/m, "metric $_") for
    qr/entra_token_expiry_seconds\{[^}]*credential="good"[^}]*\} \d/,
    qr/entra_token_refresh_total\{[^}]*result="success"[^}]*\} [1-9]/,
    qr/entra_token_refresh_total\{[^}]*result="\w*(fail|error)\w*"[^}]*\} [1-9]/,
    qr/entra_token_fetch_seconds/,
    qr/entra_requests_total\{[^}]*"good"[^}]*status="HIT"[^}]*\} \d/,
    qr/entra_decisions_total/,
    qr/entra_egress_blocked_total 1/,
    qr/entra_replays_total/;
my %typed = map { $_ => 1 } $text =~ /^# TYPE (\S+)/mg;
my %named = map { s/_(bucket|sum|count)$//r => 1 } $text =~ /^(\w+)[{ ]/mg;
is_deeply([grep { !$typed{$_} } sort keys %named], [], 'each has its TYPE');
my @odd = grep { !/^(#|$)/
    && !/^[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})?
          \ [0-9.eE+-]+$/x } split /\n/, $text;
is_deeply(\@odd, [], 'each line is of the format');
my %line;
$line{$_}++ for $text =~ /^([a-z_]+\{[^}]*\}|[a-z_]+) /mg;
is_deeply([grep { $line{$_} > 1 } keys %line], [], 'none is there twice');
is($t->get('/entra/status', headers => [
       Accept => 'application/openmetrics-text;q=0.8,text/plain;q=0.5'])
   ->header('content-type') =~ /text\/plain|openmetrics/, 1,
   'a scraper is recognized');

# another worker, another reload: the same counters
my %n;
$n{ one('good', $aml)->{requests}{HIT} }++ for 1 .. 20;
is(scalar keys %n, 1, 'all workers say the same');
ok($t->reload($conf, wait => 1), 'reload');
is(one('good', $aml)->{state}, 'valid', 'the token is still there');
is($t->http(uri => '/entra/status', method => 'POST', body => '')->status,
   405, 'POST is not allowed');
is($t->http(uri => '/entra/status', method => 'HEAD')->status, 200, 'HEAD');

# it gets well
$e->secrets(client_id => $bad, secrets => ['wrong']);
ok(wait_until(sub { $t->get('/entra/ready')->status == 200 }, 70), 'ready');
is(one('bad')->{state}, 'valid', 'valid');

my $all = $t->get('/entra/status')->body . $text
    . $t->get('/entra/status?format=html')->body;
ok(!(grep { index($all, $_->{token}) >= 0 } $e->tokens), 'no token in it');
unlike($all, qr/\Q@{[slurp($t->{vars}{SECRET_FILE}) =~ s,\n,,r]}/,
       'no secret');

$t->finish;
