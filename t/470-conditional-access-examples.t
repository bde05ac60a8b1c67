#!/usr/bin/perl

# conf/examples/conditional-access, each file as it is shipped: who gets
# through, with the gateway's token and not with its own, and who does not,
# of whom nothing arrives.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use EntraTest::Examples;

plan(skip_all => 'no IO::Socket::SSL')
    unless eval { require IO::Socket::SSL; 1 };

my $t = EntraTest->new->need('http_ssl_module')->need('http_realip_module')
    ->module;
my $e = $t->emulator;
$e->grant('AzureML Data Scientist');
my %fake = $t->faketime;
my $x = EntraTest::Examples->new($t);
system('/usr/bin/python3', "$FindBin::Bin/lib/certificates.py", $t->dir) == 0
    or plan(skip_all => 'no python3-cryptography');
$t->copy($t->dir('ca.pem'), 'entra/callers-ca.crt');

my ($aml, $arm) = ('https://ml.azure.com', 'https://management.azure.com');
my ($port, $tls, $aud);         # of the example that is running
my $ws = '/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups/'
    . 'rg/providers/Microsoft.MachineLearningServices/workspaces/ws';
my $v = '?api-version=2023-10-01';

# An example by itself, in a fresh nginx.  change: its text, where it depends
# on this machine; clock: seconds that its clock and Entra's are ahead.
sub example {
    my ($name, %o) = @_;

    $t->stop if $t->pid;
    my $text = $x->text("conditional-access/$name");
    ($port) = $text =~ /%%PORT(\d+)%%/;
    $tls = $text =~ /listen [^;]* ssl/;
    ($aud) = $text =~ /scope +arm/ ? $arm : $aml;
    $text = $o{change}->($text) if $o{change};
    my %o2 = $x->options;
    if (defined $o{clock}) {
        my $preload = "$fake{env}{LD_PRELOAD} $o2{env}{LD_PRELOAD}";
        $o2{main} .= $fake{main};
        $o2{env} = { %{ $o2{env} }, %{ $fake{env} }, LD_PRELOAD => $preload };
    }
    $t->start($text . <<'EOC', %o2);
server {
    listen 127.0.0.1:%%PORT%%;
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC
    $t->ready(20, "$name.conf: ready");
}

sub ask {
    my ($method, $uri, %o) = @_;

    $uri .= $v if $uri =~ m{^/subscriptions/};
    return $t->http(port => $x->port($port), method => $method, uri => $uri,
        $tls ? (tls => 1, ca => $t->dir('entra/gateway.crt')) : (),
        $method eq 'GET' ? () : (body => '{}'), %o,
        $o{cert} ? (cert => $t->dir("$o{cert}.pem")) : (),
        headers => [$o{token} ? (Authorization => "Bearer $o{token}") : (),
                    @{ $o{headers} || [] }]);
}

sub arrived {
    my ($since) = @_;
    return $e->requests(at => 'upstream', $since ? (since => $since) : ());
}

sub last_one {
    my ($last) = $e->requests(at => 'upstream', last => 1);
    return $last ? $last->{n} : 0;
}

# gets through, once, with the gateway's token and nothing of the caller's
sub passes {
    my ($what, @request) = @_;

    my $n = last_one();
    my $r = ask(@request);
    is(int $r->status / 100, 2, "$what: passes") or diag $r->status, $r->body;
    my @got = arrived($n);
    is(scalar @got, 1, "$what: arrives once");
    my @auth = sent($got[0] || {}, 'authorization');
    is(claims($auth[0])->{aud}, $aud, "$what: with the gateway's token");
    my %o = @request[2 .. $#request];
    unlike(JSON::PP::encode_json($got[0] || {}), qr/\Q$o{token}/,
           "$what: without the caller's") if $o{token};
    return $got[0] || {};
}

# does not: nothing arrives
sub denied {
    my ($status, $what, @request) = @_;

    my $n = last_one();
    my $r = ask(@request);
    is($r->status, $status, "$what: $status") or diag $r->body;
    is(scalar(() = arrived($n)), 0, "$what: nothing arrives");
    unlike($r->body, qr/eyJ|spiffe|applications|outside|never|working|Score/i,
           "$what: and nothing is told");
    like($r->header('www-authenticate') // '', qr/^Bearer/, "$what: a "
         . 'challenge') if $status == 401;
    return $r;
}

my @score = ('POST', '/score');


# outside-office.conf: 10.0.0.4 is the load balancer, here 127.0.0.2; an
# office's computer is 127.0.0.3

sub balancer { return $_[0] =~ s/\b10\.0\.0\.4\b/127.0.0.2/gr }
my $offices = "# offices\n198.51.100.0/24\n2001:db8:10::/48\n";
$t->write('entra/offices.cidr', "${offices}127.0.0.3/32\n");
example('outside-office', change => \&balancer);

sub through {
    my (@addresses) = @_;
    return (from => '127.0.0.2',
            headers => [map { ('X-Forwarded-For' => $_) } @addresses]);
}
passes('an office', @score, from => '127.0.0.3');
passes('an office behind the balancer', @score, through('198.51.100.7'));
passes('IPv6', @score, through('2001:db8:10::7'));
passes('two balancers', @score, through('198.51.100.7, 127.0.0.2'));
denied(403, 'elsewhere', @score);
denied(403, 'elsewhere behind the balancer', @score,
       through('203.0.113.9'));
denied(403, 'elsewhere, IPv6', @score, through('2001:db8:11::7'));
denied(403, 'who claims to be an office', @score,
       headers => ['X-Forwarded-For' => '198.51.100.7']);
denied(403, 'who claims it to the balancer', @score,
       through('198.51.100.7, 203.0.113.9'));
denied(403, 'an address that is none', @score, through('office'));
denied(403, 'a balancer that says nothing', @score, from => '127.0.0.2');
denied(403, 'another method', 'GET', '/score', from => '127.0.0.3');
denied(404, 'another path', 'POST', '/other', from => '127.0.0.3');

# the same file as Graph gives it
$t->write('entra/offices.cidr', JSON::PP::encode_json({
    '@odata.type' => '#microsoft.graph.ipNamedLocation', id => 'x',
    displayName => 'Offices', isTrusted => JSON::PP::true,
    ipRanges => [{ '@odata.type' => '#microsoft.graph.iPv4CidrRange',
                   cidrAddress => '203.0.113.0/24' }] }));
ok(wait_until(sub { ask(@score, through('203.0.113.9'))->status == 200 }, 15),
   'the JSON of Graph is used within seconds');
denied(403, 'an office no more', @score, through('198.51.100.7'));
$t->write('entra/offices.cidr', "not an address\n");
ok($t->wait_log(qr/offices\.cidr.*last good/, 15), 'a broken list is told')
    or diag $t->log;
passes('the last good one is kept', @score, through('203.0.113.9'));


# require-mfa.conf

my $group = '5fec8e78-0000-4000-8000-000000000000';
sub person {
    my ($amr, %claims) = @_;
    return (token => $e->mint(version => 1, user => \1, scope => 'x',
        claims => { aud => 'api://gateway', amr => $amr,
                    groups => [$group], %claims }));
}
example('require-mfa');
my @operator = person(['pwd', 'mfa']);
my @password = person(['pwd']);
my @stranger = person(['pwd', 'mfa'], groups => [
    '6fec8e78-0000-4000-8000-000000000000']);
my @many = person(['pwd', 'mfa'], groups => undef,
    _claim_names => { groups => 'src1' },
    _claim_sources => { src1 => { endpoint => 'https://graph.invalid/' } });
my $job = "$ws/jobs/train";

passes('reading with a password', 'GET', $ws, @password);
passes('reading with the second factor', 'GET', $ws, @operator);
passes('a change with it', 'PUT', $job, @operator);
denied(403, 'a change with a password', 'PUT', $job, @password);
denied(403, 'deleting with a password', 'DELETE', $job, @password);
denied(403, 'reading, of another group', 'GET', $ws, @stranger);
denied(403, 'a change, of another group', 'PUT', $job, @stranger);
denied(403, 'reading, with too many groups', 'GET', $ws, @many);
denied(403, 'a change, with too many groups', 'PUT', $job, @many);
denied(401, 'reading, of nobody', 'GET', $ws);
denied(401, 'a change, of nobody', 'PUT', $job);
for my $key ('onlineEndpoints/e/listKeys', 'onlineEndpoints/e/token',
             'onlineEndpoints/e/regenerateKeys', 'listKeys',
             'datastores/d/listSecrets', 'listNotebookAccessToken')
{
    denied(403, $key, 'POST', "$ws/$key", @operator);
}
denied(403, 'a role assignment', 'PUT',
       "$ws/providers/Microsoft.Authorization/roleAssignments/x", @operator);
denied(403, 'a template', 'PUT', $ws =~ s{Microsoft.*}{Microsoft.Resources/}r
       . 'deployments/x', @operator);
denied(404, 'a batch', 'POST', '/batch', @operator);
denied(401, 'a token for another', 'GET', $ws,
       person(['pwd', 'mfa'], aud => $arm));
denied(401, 'one of another tenant', 'GET', $ws,
       person(['pwd', 'mfa'], tid => $group));
denied(401, 'an expired one', 'GET', $ws, person(['pwd', 'mfa'],
       map { $_ => time - 7200 } qw(iat nbf exp)));
denied(401, 'one with another key', 'GET', $ws, token => $e->mint(
       version => 1, user => \1, key => 'foreign', claims => {
       aud => 'api://gateway', groups => [$group], amr => ['mfa'] }));


# applications.conf: the credential is a managed identity

my $shop = '6fec8e78-0000-4000-8000-000000000000';
sub application {
    my (%claims) = @_;
    return (token => $e->mint(version => 1, claims => {
        aud => 'api://gateway', appid => $shop, idtyp => 'app',
        roles => ['Score.Invoke'], %claims }));
}
example('applications');
passes('by its token', @score, application());
passes('by its certificate', @score, cert => 'shop');
passes('by both', @score, cert => 'shop', application());

# known, and not allowed: that a certificate would do too is no help
denied(403, 'another application', @score,
       application(appid => '7fec8e78-0000-4000-8000-000000000000'));
denied(403, 'without the role', @score, application(roles => undef));
denied(403, 'another role', @score, application(roles => ['Score.Read']));
denied(403, 'a person in the application', @score, token => $e->mint(
       version => 1, user => \1, claims => { aud => 'api://gateway',
       appid => $shop, idtyp => 'user', roles => ['Score.Invoke'] }));
denied(403, 'a token that does not tell', @score, application(
       idtyp => undef));
denied(403, "another's certificate", @score, cert => 'on-call');
denied(403, 'a certificate with names that are near', @score, cert => 'near');
denied(401, 'nobody', @score);
denied(401, 'a bad token beside a good certificate', @score, cert => 'shop',
       token => 'x.y.z');
denied(403, 'another method', 'GET', '/score', application());
denied(404, 'another path', 'POST', '/score/x', application());

# a certificate of another CA is nginx's own to refuse, or 401
my $n = last_one();
cmp_ok(ask(@score, cert => $_)->status, '>=', 400, "a certificate: $_")
    for qw(stranger self impostor expired);
is(scalar(() = arrived($n)), 0, 'nothing arrives');

# that is nginx's own handshake with a signature that is wrong
$t->expect(qr/ignoring stale global SSL error .*EVP lib/);


# least-privilege.conf

example('least-privilege');
my $blue = passes('scoring', @score);
is_deeply([sent($blue, 'azureml-model-deployment')], ['blue'],
          'the deployment is set');
$blue = passes('scoring, with a deployment of its own', @score,
               headers => ['azureml-model-deployment' => 'green']);
is_deeply([sent($blue, 'azureml-model-deployment')], ['blue'],
          'it is the same, and one');
denied(403, 'another method', 'GET', '/score');
denied(403, 'another method in a header', 'GET', '/score',
       headers => ['X-HTTP-Method-Override' => 'POST']);
denied(404, 'another path', 'POST', '/v1/models');
denied(400, 'an ambiguous path', 'POST', '/x/..%2fscore');

# without the line that sets it, it is for the policy to deny
example('least-privilege', change => sub {
    my ($text) = @_;
    $text =~ s/proxy_set_header +azureml-model-deployment[^;]*;// or die;
    return $text;
});
passes('the deployment that is granted', @score,
       headers => ['azureml-model-deployment' => 'blue']);
denied(403, 'another', @score,
       headers => ['azureml-model-deployment' => 'green']);
denied(403, 'none', @score);


# report-only.conf

example('report-only');
my $log = $t->dir('decisions.log');
sub decision {
    ok(wait_until(sub { slurp($log) =~ /\n/ }), 'a line') or return {};
    my $o = eval { JSON::PP::decode_json(slurp($log)) } || {};
    $t->write('decisions.log', '');
    $t->signal('USR1');
    wait_until(sub { $t->log =~ /reopening logs/ });
    return $o;
}
passes('scoring from outside', @score);
my $o = decision();
is($o->{decision}, 'allow', 'the log: allowed');
is_deeply({ map { $_->{displayName} => $_->{result} }
            @{ $o->{appliedConditionalAccessPolicies} } },
          { scoring => 'success', 'outside-datacenter' =>
            'reportOnlyFailure' }, 'it would have been denied');
my ($p) = grep { $_->{name} eq 'outside-datacenter' }
    @{ $t->status->{policies} };
is($p->{would_deny}, 1, 'entra_status says so too');
like($t->get('/entra/status?format=prometheus')->body,
     qr/policy="outside-datacenter",result="reportOnlyFailure"\} 1$/m,
     'and the metrics');
denied(403, 'what nothing grants', 'GET', '/score');

sub what_if {
    my ($query) = @_;
    return ask('GET', "/entra/what-if?credential=scoring&$query")->json;
}
for my $one (['203.0.113.9', 'reportOnlyFailure'],
             ['10.20.1.1', 'reportOnlyNotApplied'],
             ['2001:db8:20::1', 'reportOnlyNotApplied'])
{
    my ($address, $want) = @$one;
    my $w = what_if("address=$address&method=POST&path=/score");
    my ($got) = grep { $_->{displayName} eq 'outside-datacenter' }
        @{ $w->{decision}{appliedConditionalAccessPolicies} };
    is($got->{result}, $want, "what if from $address");
    is($w->{decision}{decision}, 'allow', '  allowed all the same');
}
denied(403, 'what-if, not from this machine', 'GET',
       '/entra/what-if?credential=scoring', from => '127.0.0.5');


# docs/conditional-access.md: its snippets together are a configuration, and
# the role is as narrow as it says

my $doc = slurp("$t->{root}/docs/conditional-access.md");
my $snippets = join "\n", $doc =~ /^```nginx\n(.*?)^```/msg;
my ($role) = $doc =~ /^```json\n(.*?)^```/ms;
$role = eval { JSON::PP::decode_json($role // '') } || {};
my ($score) = @{ $role->{Actions} || [] };
is(scalar @{ $role->{Actions} || [] }, 1, 'the role has one action');
is_deeply([sort keys %$role], [qw(Actions AssignableScopes DataActions
          Description Name NotActions NotDataActions)], 'and what az wants');
my ($wide) = $doc =~ m{`(Microsoft\S+/onlineEndpoints/\*/action)`};
ok($wide, "Microsoft's sample is named");

$snippets =~ s/\b(?:TENANT|GROUP-ID|APP-ID)\b/$group/g;
my @names = $snippets =~ /^entra_policy (\S+)/mg;
cmp_ok(scalar @names, '>=', 10, 'policies of the page');
$snippets .= <<"EOC";
entra_named_location datacenter { 10.20.0.0/16; 2001:db8:20::/48; }
entra_policy literal { operations arm $score; grant; }
entra_policy sample { operations arm $wide; grant; }
EOC
$snippets .= join '', map { "entra_credential for-$_ managed_identity "
                            . "{ scope arm; policies $_; }\n" }
    qw(literal sample), @names;
$t->stop;
$t->write('entra/offices.cidr', $offices);
$t->start("entra_trusted_certificate %%CA%%;\n$snippets" . <<'EOC', $x->options);
server {
    listen 127.0.0.1:%%PORT%%;
    location = /entra/what-if { entra_what_if; }
}
EOC
for my $do (qw(score listKeys token regenerateKeys)) {
    my %got = map {
        my $r = $t->get("/entra/what-if?credential=for-$_&method=POST&path="
                        . "$ws/onlineEndpoints/e/$do&address=127.0.0.1");
        $_ => $r->json->{decision}{decision};
    } qw(literal sample);
    is($got{literal}, $do eq 'score' ? 'allow' : 'deny', "the role: $do");
    is($got{sample}, 'allow', "Microsoft's sample: $do");
}


# working-hours.conf

SKIP: {
    skip 'libfaketime is not installed, or does not mix', 1 unless %fake;

    # days from now at a time, UTC, 0: Sunday
    my $now = time;
    my $at = sub {
        my ($day, $h, $m, $s) = @_;
        my @now = gmtime $now;
        my $ahead = (($day - $now[6]) % 7 || 7) * 86400;
        return $ahead + $h * 3600 + $m * 60 + $s
            - ($now[2] * 3600 + $now[1] * 60 + $now[0]);
    };
    my $clock = sub {
        my ($offset, $status, @request) = @_;
        $t->clock("+$offset");
        $e->settings(clock_offset => $offset);
        return wait_until(sub { ask(@request)->status == $status }, 15);
    };
    $e->settings(expires_in => 14 * 86400);
    my $noon = $at->(3, 12, 0, 0);
    $t->clock("+$noon");
    $e->settings(clock_offset => $noon);
    example('working-hours', clock => 1);

    my @change = ('PUT', $job);
    my ($operator, $on_call) = ([cert => 'shop'], [cert => 'on-call']);

    passes('Wednesday noon: a change', @change, @$operator);
    passes('Wednesday noon: on call', @change, @$on_call);
    passes('Wednesday noon: reading', 'GET', $ws, @$operator);
    denied(401, 'Wednesday noon: a change of nobody', @change);
    denied(401, 'Wednesday noon: reading, of nobody', 'GET', $ws);

    my $sunday = $at->(0, 12, 0, 0);
    $sunday += 7 * 86400 if $sunday < $noon;
    ok($clock->($sunday, 403, @change, @$operator), 'Sunday');
    denied(403, 'Sunday: a change', @change, @$operator);
    denied(401, 'Sunday: a change of nobody', @change);
    passes('Sunday: a change, on call', @change, @$on_call);
    passes('Sunday: reading', 'GET', $ws, @$operator);
    for my $cert ([], $operator, $on_call) {
        denied(403, 'Sunday: keys', 'POST', "$ws/onlineEndpoints/e/listKeys", @$cert);
        denied(403, 'Sunday: a role assignment', 'PUT',
               "$ws/providers/Microsoft.Authorization/roleAssignments/x",
               @$cert);
    }

    # both ends of the window, an hour east of UTC
    my $day = $noon - 12 * 3600;
    for my $one ([403, 5, 59], [200, 6, 1], [200, 17, 59], [403, 18, 1]) {
        my ($want, $h, $m) = @$one;
        ok($clock->($day + $h * 3600 + $m * 60, $want, @change, @$operator),
           sprintf 'Wednesday %d:%02d +01:00: %d', $h + 1, $m, $want);
    }
}

unlike($t->log, qr/eyJ/, 'no token in the log');

$t->finish;
