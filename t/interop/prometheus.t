#!/usr/bin/perl

# A real Prometheus scrapes the gateway while all sorts of things go wrong:
# the metrics are clean by promtool, the alert rules pass their unit tests and
# load, and each query of the rules and of the Grafana dashboard is run.

use FindBin;
use lib "$FindBin::Bin/../lib";
use EntraTest;
use JSON::PP ();

my $root = "$FindBin::Bin/../..";
my %tool = map { my $tool = $_; $tool => (grep { -x } map { "$_/$tool" }
                                          split /:/, $ENV{PATH})[0] }
    qw(prometheus promtool);
my $t = EntraTest->new(warnings => 1)->module;
plan skip_all => 'no prometheus' if grep { !$tool{$_} } keys %tool;
my $e = $t->emulator;
my $bad = 'bad00000-0000-4000-8000-000000000000';
$e->app(client_id => $bad, secrets => [{ value => 'right' }]);
$t->write('bad.secret', 'wrong');
$t->write('office.cidr', "127.0.0.0/8\n");
my $json = JSON::PP->new;

# what the repository ships
my $rules = "$root/conf/prometheus/entra-alerts.yml";
my $out = `cd $root/conf/prometheus && $tool{promtool} test rules entra-alerts.test.yml 2>&1`;
is($?, 0, 'the unit tests of the alert rules') or diag $out;
my @named = slurp($rules) =~ /- alert: (\w+)/g;
my $tests = slurp("$root/conf/prometheus/entra-alerts.test.yml");
is_deeply([grep { $tests !~ /alertname: $_\n\s+exp_alerts:\n\s+- / } @named],
          [], 'each of which is raised by one of them') or diag "@named";

$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_named_location office { file %%DIR%%/office.cidr; }
entra_caller_token { tenant_id %%TENANT%%; audience api://gateway;
                     authority_host %%AUTHORITY%%; }
entra_policy outside { locations any except office; block; }
entra_policy score { operations "GET /good" "POST /score"; grant; }
entra_policy trial { state report_only; block; }
entra_credential good client_secret {
    %%CREDENTIAL%%
    scope aml arm; upstreams 127.0.0.1; policies outside score trial;
}
entra_credential bad client_secret {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%; client_id $bad;
    client_secret_file %%DIR%%/bad.secret;
    scope aml; upstreams 127.0.0.1; policies none;
}
entra_credential lazy client_secret {
    %%CREDENTIAL%%
    scope graph; upstreams 127.0.0.1; policies none; preload off;
}
entra_credential cert client_certificate {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;
    client_id %%CERT_CLIENT%%; client_certificate %%CERT_FILE%%;
    scope aml; upstreams 127.0.0.1; policies none;
}
entra_credential alice interactive_browser {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;
    client_id %%PUBLIC_CLIENT%%;
    redirect_uri http://localhost:%%PORT%%/entra/sign-in/callback;
    scope aml; upstreams 127.0.0.1; policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 100ms;
    location / { entra_auth good; proxy_pass https://echo.test; }
    location /bad { entra_auth bad; proxy_pass https://echo.test; }
    location /evil { entra_auth cert; proxy_pass https://\$arg_h; }
    location /entra/sign-in { entra_sign_in; }
    location = /entra/status { entra_status; }
}
EOC
ok(wait_until(sub { my $s = $t->status->{states};
                    $s->{valid} == 3 && $s->{failing} && $s->{sign_in_due} }),
   'of each state some') or diag $t->get('/entra/status')->body;

# what it says, by promtool
sub metrics { return $t->get('/entra/status?format=prometheus')->body }
sub lint {
    $t->write('metrics', metrics());
    return `$tool{promtool} check metrics < @{[ $t->dir('metrics') ]} 2>&1`;
}
is(lint(), '', 'promtool check metrics has nothing to say');

# a Prometheus of its own
my $port = $t->free_port;
my $dir = $t->dir('prometheus');
mkdir $dir;
$t->write('prometheus.yml', <<"EOC");
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ $rules ]
scrape_configs:
  - job_name: nginx-entra
    metrics_path: /entra/status
    params: { format: [ prometheus ] }
    static_configs: [ { targets: [ "127.0.0.1:@{[ $t->port ]}" ] } ]
EOC
$out = `$tool{promtool} check config @{[ $t->dir('prometheus.yml') ]} 2>&1`;
is($?, 0, 'its configuration, as docs and rules show it') or diag $out;

my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDERR, '>', "$dir.log";
    open STDOUT, '>&', \*STDERR;
    exec $tool{prometheus}, '--config.file=' . $t->dir('prometheus.yml'),
        "--storage.tsdb.path=$dir", "--web.listen-address=127.0.0.1:$port",
        '--log.level=warn' or exit 127;
}
my $owner = $$;
END { if ($pid && $owner && $$ == $owner) { local $?; kill KILL => $pid;
                                            waitpid $pid, 0 } }

sub escape { return $_[0] =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger }

sub api {
    my ($path) = @_;
    my $r = eval { EntraTest::HTTP::request(port => $port, timeout => 30,
                                            uri => "/api/v1/$path") };
    return {} if !$r || !$r->status;
    return eval { $json->decode($r->body) } || {};
}

sub query { return api('query?query=' . escape($_[0])) }

sub results { return @{ query($_[0])->{data}{result} || [] } }

ok(wait_until(sub { results('entra_ready == 0') }, 60), 'it scrapes')
    or diag slurp("$dir.log");
is((results('scrape_samples_scraped'))[0]{value}[1],
   scalar(() = metrics() =~ /^\w/mg), 'each sample is taken');

# something of everything, over some scrapes
for (1 .. 4) {
    my $n = (results('count_over_time(entra_ready[1h])'))[0]{value}[1];
    $t->get('/good');
    $t->get('/nope');
    $t->get('/bad');
    $t->get('/x//y');
    $t->get("/evil?h=127.0.0.2:$t->{vars}{UPSTREAM}");
    wait_until(sub { (results('count_over_time(entra_ready[1h])'))[0]
                     {value}[1] > $n });
}
$t->write('office.cidr', "no address\n");
$t->write('bad.secret', "two\nlines\n");
ok(wait_until(sub { results('entra_list_stale == 1')
                    && results('entra_credential_stale_files == 1') }),
   'files that cannot be used');
is(lint(), '', 'promtool has still nothing to say');

# the rules
my $loaded = api('rules')->{data}{groups}[0]{rules};
is_deeply([sort map { $_->{name} } @$loaded], [sort @named], 'all are loaded');
ok(wait_until(sub { !grep { $_->{health} ne 'ok' }
                    @{ api('rules')->{data}{groups}[0]{rules} } }),
   'and evaluated') or diag explain(api('rules'));
my %state;
ok(wait_until(sub {
    %state = map { $_->{name} => $_->{state} }
        @{ api('rules')->{data}{groups}[0]{rules} };
    !grep { $state{$_} eq 'inactive' }
        qw(EntraNotReady EntraTokenExpiring EntraSignInDue EntraStaleFile
           EntraListStale EntraEgressBlocked) }), 'what is wrong is noticed')
    or diag explain(\%state);
is_deeply([grep { $state{$_} ne 'inactive' }
           qw(EntraCertificateExpiring EntraListOld EntraUndetermined)], [],
          'what is not wrong is not');

# the dashboard
my $dashboard = $json->decode(slurp("$root/conf/grafana/nginx-entra.json"));
my %value = (job => '.*', instance => '.*', __rate_interval => '30s');
my ($n, %ids) = (0);
for my $panel (@{ $dashboard->{panels} }) {
    ok(!$ids{ $panel->{id} }++, "panel $panel->{id}: an id of its own");
    for my $target (@{ $panel->{targets} || [] }) {
        my $q = $target->{expr} =~ s/\$(\w+)/$value{$1} \/\/ die $1/ger;
        my $name = "$panel->{title}: $q";
        my $answer = query($q);
        is($answer->{status}, 'success', $name)
            or diag explain($answer), next;
        my @r = @{ $answer->{data}{result} };
        ok(scalar @r, 'has a result') or diag $q;
        ok(!(grep { $_->{value}[1] eq 'NaN' && $q !~ /quantile|\// } @r),
           'which is a number');
        $n++;
    }
}
cmp_ok($n, '>', 30, 'queries');
for my $variable (grep { $_->{type} eq 'query' }
                  @{ $dashboard->{templating}{list} })
{
    my ($metric, $label) = $variable->{definition}
        =~ /^label_values\((\w+)[^,]*, (\w+)\)$/ or fail('a variable');
    is(scalar @{ api("label/$label/values?match[]=$metric")->{data} || [] }, 1,
       "variable $variable->{name}");
}

# all that is shown is used somewhere, all that is used is shown
my %shown = map { $_ => 1 } metrics() =~ /^# TYPE (\S+)/mg;
my %used = map { s/_(bucket|sum|count)$//r => 1 }
    (slurp($rules) . join ' ', map { map { $_->{expr} } @{ $_->{targets} || [] } }
     @{ $dashboard->{panels} }) =~ /\b(entra_\w+)/g;
delete @used{qw(entra_sign_in entra_status)};
is_deeply([grep { !$shown{$_} } sort keys %used], [], 'no query is in vain');
is_deeply([grep { !$used{$_} } sort keys %shown],
          ['entra_caller_keys_age_seconds'], 'no metric is');
my $docs = slurp("$root/docs/directives.md");
is_deeply([grep { $docs !~ /`$_\b/ } sort keys %shown], [],
          'each is in docs/directives.md');

$t->finish;
