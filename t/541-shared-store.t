#!/usr/bin/perl

# The store that workers share, too small for the callers who come: each gets
# his own token all the same, whoever is evicted and whoever is killed, and
# the configuration's own token is not one of those that have to go.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use MIME::Base64 'decode_base64url';
use Time::HiRes qw(time sleep);

my $t = EntraTest->new->module;
my $e = $t->emulator;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};

sub conf { return <<"EOC" }
entra_trusted_certificate %%CA%%;
entra_shared_zone zone=small:$_[0];
entra_caller_token {
    tenant_id $tenant; audience $client; authority_host %%AUTHORITY%%;
}
entra_credential behalf on_behalf_of {
    %%CREDENTIAL%%
    scope https://management.azure.com/user_impersonation;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies none;
}
server {
    listen 127.0.0.1:%%PORT%% reuseport;
    include %%PROXY%%;
    entra_wait 30s;
    add_header X-Worker \$pid always;
    location / { entra_auth behalf;
                 proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /app { entra_auth app;
                    proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

sub visitor {
    my ($oid) = @_;
    return $e->mint(user => \1, scope => 'access_as_user', claims => {
        aud => $client, oid => $oid, sub => $oid, name => $oid,
        preferred_username => "$oid\@example.com", exp => int(time) + 3600 });
}

sub oid {
    my ($r) = @_;
    my ($auth) = $r->seen('authorization');
    my ($token) = ($auth // '') =~ /^Bearer ([^ ]+)$/ or return '';
    my $claims = eval { JSON::PP::decode_json(
        decode_base64url((split /\./, $token)[1] // '')) };
    return $claims ? $claims->{oid} // '' : 'something else';
}

my %wrong;

# all of them at once, each several times; how many got their own
sub visit {
    my ($times, %token) = @_;

    my @who = map { my $w = $_; ($w) x $times } sort keys %token;
    my @r = $t->many(scalar @who, each => sub { (uri => '/', headers =>
        [Authorization => "Bearer $token{$who[$_[0]]}"]) });
    my $own = 0;
    for my $i (0 .. $#who) {
        my $oid = oid($r[$i]);
        $own++ if $oid eq $who[$i];
        $wrong{"$who[$i] went as $oid"}++ if length $oid && $oid ne $who[$i];
    }
    return $own;
}

sub full { return scalar(() = $t->log =~ /zone "small" is full/g) }


# --- more callers than there is room for, and some who stay

$t->start(conf('128k'));
$t->ready;

# at their refresh those who stay look at the store, not at a copy
$e->settings(expires_in => 4);
my %stay = map { +"stays$_" => visitor("stays$_") } 1 .. 8;
is(visit(4, %stay), 32, 'eight callers');

my ($asked, $got) = (0, 0);
my $begin = time;
my $until = time + $t->seconds(10);
for (my $round = 1; time < $until || $round <= 8; $round++) {
    my %new = map { +"new$round-$_" => visitor("new$round-$_") } 1 .. 40;
    $asked += 40 + 16;
    $got += visit(1, %new);
    $got += visit(2, %stay);
}
is($got, $asked, 'many others come and go: each gets what is his');
is(join("\n", %wrong), '', 'nobody goes as another');
cmp_ok(full(), '<=', 2 * (1 + int((time - $begin) / 60)),
       'a worker logs it once a minute');

# the token of the configuration was not evicted
$e->settings(expires_in => 3600);
$e->forget;
is($t->get('/app')->status, 200, 'the shared credential') for 1 .. 10;
is((grep { ($_->{form}{grant_type} // '') eq 'client_credentials' }
    $e->requests(at => 'token')), 0, 'whose token was in the store all along');

# --- a worker that is killed among them

$t->expect(qr/exited on signal 9/);
$e->settings(expires_in => 8);
for my $round (1 .. 6) {
    my %new = map { +"k$round-$_" => visitor("k$round-$_") } 1 .. 30;
    my $load = $t->load('/', clients => 4, headers => [Authorization =>
        'Bearer ' . (values %new)[0]]);
    my ($worker) = $t->workers;
    $t->signal(KILL => $worker);
    visit(1, %new);
    $load->stop;
    ok(wait_until(sub { $t->workers == 2 && !grep { $_ == $worker }
                        $t->workers }, 10), 'another worker');
    is(visit(1, %new), 30, 'all are served after it');
    is(visit(2, %stay), 16, 'those who stay too');
}
is(join("\n", %wrong), '', 'nobody went as another');
ok(defined $t->stop, 'nginx stops');


# --- what callers cost a worker: nothing, once it has as many as it keeps

sub private {
    my ($kb) = slurp("/proc/" . ($t->workers)[0] . "/smaps_rollup")
        =~ /^Private_Dirty:\s+(\d+)/m;
    return $kb;
}

SKIP: {
    skip 'memory is another matter', 5
        if $t->sanitized || $ENV{ENTRA_VALGRIND} || $ENV{ENTRA_PRELOAD};

    $t->{workers} = 1;
    $e->settings(expires_in => 3600);
    $t->write('error.log', '');
    $t->start(conf('128k'));
    $t->ready;

    # a worker keeps 1,024 of them: in turn, each one is new to it each time
    my %token = map { +"c$_" => visitor("c$_") } 1 .. 1200;
    my $began = time;
    my $turn = sub {
        my @who = sort keys %token;
        my $own = 0;
        while (my @some = splice @who, 0, 50) {
            $own += visit(1, map { $_ => $token{$_} } @some);
        }
        return $own;
    };
    is($turn->(), 1200, 'each of 1,200 callers gets his own');
    my $before = private();
    is($turn->(), 1200, 'and once more');
    cmp_ok(private() - $before, '<', 1000, 'which costs no more memory')
        or diag "from $before kB to ", private(), ' kB';
    cmp_ok(full(), '<=', 1 + int((time - $began) / 60), 'nor lines in the log');
}

$t->finish;
