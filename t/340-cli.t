#!/usr/bin/perl

# azure_cli, azure_developer_cli and azure_powershell through a real nginx,
# with tools that behave in every way: what they are given, what becomes of
# what they say, and what is left of them.  The real az: t/interop/az.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use JSON::PP ();
use MIME::Base64 'decode_base64';
use Time::HiRes 'time';

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $said = $t->dir('said');
mkdir $_ for $said, $t->dir('home');
my $tools = $t->tools;
chmod 0777, $said;

my $tenant = '11111111-1111-4111-8111-111111111111';
my $life = 3600;
my %type = (az => 'azure_cli', azd => 'azure_developer_cli',
            pwsh => 'azure_powershell');
my ($credentials, $locations) = ('', '');

# /bin/sh is a tool here.  It notes its pid, what it was given, and then does
# what the test says.
sub tool {
    my ($name, $script) = @_;
    return $t->write("$tools/$name", <<"EOS" . $script . "\n", 0755);
#!/bin/sh
echo \$\$ >> $said/$name.pid
printf '%s\\n' "\$@" > $said/$name.args
tr '\\0' '\\n' < /proc/self/environ > $said/$name.env
pwd > $said/$name.pwd
readlink /proc/self/fd/0 > $said/$name.stdin
EOS
}

sub az_says {
    my ($token, $more) = @_;
    return "cat <<'END'\n" . JSON::PP->new->canonical->encode({
        accessToken => $token, tokenType => 'Bearer', tenant => $tenant,
        expires_on => int(time) + $life,
        expiresOn => '2001-01-01 00:00:00.000000', %{ $more || {} },
    }) . "\nEND\n";
}

sub iso {
    my ($s, $m, $h, $d, $mon, $y) = gmtime($_[0]);
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $y + 1900, $mon + 1, $d,
                   $h, $m, $s;
}

# a credential with its tool, and a location of the same name
sub given {
    my ($name, $kind, $script, %o) = @_;
    my $path = $o{path} // tool($name, $script);
    my $executable = $o{nowhere} ? '' : "executable $path;";
    my $lines = $o{lines} // '';
    $credentials .= <<"EOC";
entra_credential $name $type{$kind} {
    $executable $lines
    scope aml; upstreams 127.0.0.1; policies none; preload off;
}
EOC
    my $wait = $o{wait} // '';
    $locations .= "location = /$name { entra_auth $name; $wait"
        . ' proxy_pass https://echo.test; }' . "\n";
}

sub conf {
    return <<"EOC";
entra_trusted_certificate %%CA%%;
$credentials
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 7s;
    location = /hello { return 200 hello; }
    location = /entra/status { entra_status; }
    $locations
}
EOC
}

sub bearer { my ($r) = @_;
             return ($r->seen('authorization'))[0] // 'none' }

sub pids { return split /\n/, slurp("$said/$_[0].pid") }

sub gone { my @pids = @_;
           return @pids && wait_until(sub {
               !grep { EntraTest::alive($_) } @pids }) }


# --- who says what

given('az', 'az', az_says('TOKEN-az', { tenant => 'x' }),
      lines => "config_dir %%DIR%%/home;");
given('azd', 'azd', 'echo \'{"token":"TOKEN-azd","expiresOn":"'
      . iso(time + $life) . '"}\'', lines => "tenant_id $tenant;");
given('pwsh', 'pwsh', 'echo WARNING: noise; echo; echo \'nginx-entra:{"token"'
      . ':"TOKEN-pwsh","expires_on":' . int(time + $life) . '}\'; echo bye',
      lines => "tenant_id $tenant; subscription \"My Subscription\";");
given('tenant', 'az', az_says('TOKEN-tenant'), lines => "tenant_id $tenant;");
given('subscription', 'az', az_says('TOKEN-subscription'),
      lines => 'subscription "My Subscription 1";');
given('old', 'az', az_says('TOKEN-old', { expires_on => undef,
      expiresOn => iso(time + 1800) =~ tr/TZ/ /dr . '.123456' }));

given('anonymous', 'az',
      q{echo "ERROR: Please run 'az login' to setup account." >&2; exit 1});
given('nothing', 'az', q{echo "ERROR: No subscription found. Run 'az account}
      . q{ set' to select a subscription." >&2; exit 1});
given('wrong', 'az', q{echo "ERROR: The subscription of 'x' doesn't exist in}
      . q{ cloud 'AzureCloud'." >&2; exit 1}, lines => 'subscription x;');
given('expired', 'az', 'echo "ERROR: AADSTS700082: The refresh token has'
      . ' expired due to inactivity. Trace ID: 1" >&2; echo "Please run:'
      . ' az login" >&2; exit 1');
given('azd_anonymous', 'azd', <<'END');
cat >&2 <<'JSON'
{"type":"consoleMessage","data":{"message":"\nERROR: not logged in, run `azd auth login` to login\n"}}
JSON
exit 1
END
given('azd_mfa', 'azd', <<'END');
cat >&2 <<'JSON'
{"error":"reauthentication required, run `azd auth login` to log in","message":"Authentication with Azure failed.","suggestion":"Run 'azd auth login' to sign in again."}
JSON
exit 1
END
# as azd 1.23.7 to 1.23.15 write it (Azure/azure-dev#7857)
given('azd_tenant', 'azd', <<'END');
cat >&2 <<'JSON'
{"type":"consoleMessage","timestamp":"2026-04-13T17:43:24.7558297-07:00","data":{"message":"\n"}}
{"error":"fetching token: failed to authenticate:\n(invalid_tenant) AADSTS90002: Tenant 'test' not found.","links":[{"title":"azd auth login reference","url":"https://learn.microsoft.com/azure/developer/azure-developer-cli/reference#azd-auth-login"}],"message":"Authentication with Azure failed.","suggestion":"Run 'azd auth login' to sign in again."}
JSON
exit 1
END
given('pwsh_anonymous', 'pwsh', 'echo "Get-AzAccessToken: Run'
      . ' Connect-AzAccount to login." >&2; exit 1');
given('pwsh_module', 'pwsh', q{echo 'nginx-entra:{"problem":"module"}'});
given('pwsh_context', 'pwsh',
      q{echo 'nginx-entra:{"problem":"subscription"}'},
      lines => 'subscription other;');
given('nowhere', 'azd', '', nowhere => 1);
given('removed', 'az', 'true');
given('loose', 'az', az_says('TOKEN-loose'));
given('shell', 'az', 'exec /no/such/interpreter');
given('garbage', 'az', 'echo "Welcome to this machine"');
given('stale', 'az', az_says('TOKEN-stale', { expires_on => 1000000000 }));
given('pop', 'az', az_says('TOKEN-pop', { tokenType => 'pop' }));
given('split', 'az', az_says("TOKEN\nX-Injected: 1"));
given('careless', 'az', az_says('eyJhbGciOiJub25lIn0.SECRET-careless')
      . 'echo "{\"accessToken\": \"eyJhbGciOiJub25lIn0.SECRET-careless\"}"'
      . " >&2; printf 'ERROR: \\033[31mred\\033[0m accessToken: "
      . "eyJhbGciOiJub25lIn0.SECRET-careless\\r\\n' >&2; exit 3");
given('killed', 'az', 'kill -9 $$');


# --- who does what

given('slow', 'az', "sleep 61 & echo \$! >> $said/slow.pid;"
      . ' sleep 62; true', lines => 'process_timeout 500ms;');
given('deaf', 'az', "trap '' TERM; while :; do sleep 1; done",
      lines => 'process_timeout 500ms;');
given('huge', 'az', 'exec yes', lines => 'process_timeout 30s;');
given('loud', 'az', 'exec yes >&2', lines => 'process_timeout 30s;');
given('parent', 'az', "sleep 63 & echo \$! >> $said/parent.pid\n"
      . az_says('TOKEN-parent'), lines => 'process_timeout 30s;');
given('daemon', 'az', "setsid sleep 3 &\n" . az_says('TOKEN-daemon'),
      lines => 'process_timeout 30s;');
given('once', 'az', "sleep 0.5\n" . az_says('TOKEN-once'));
given('short', 'az', "cat $said/short.json");
given('running', 'az', 'sleep 64', lines => 'process_timeout 2m;',
      wait => 'entra_wait 300ms;');

sub short { $t->write("$said/short.json", JSON::PP::encode_json({
    accessToken => $_[0], tokenType => 'Bearer',
    expires_on => int(time) + $_[1] })) }

# what nginx has in its own environment, and what a tool gets of it
$t->start(conf(), env => {
    PATH => '/nowhere', HOME => $t->dir('home'), TZ => 'America/New_York',
    LD_LIBRARY_PATH => '/nowhere', PYTHONPATH => '/nowhere',
    AZURE_CLIENT_SECRET => 'secret-of-nginx', HTTPS_PROXY => 'http://p:1',
    REQUESTS_CA_BUNDLE => '', SSL_CERT_FILE => '', SSL_CERT_DIR => '',
    NO_PROXY => '', https_proxy => '', no_proxy => '',
    BASH_ENV => '/nowhere', ENTRA_TENANT => 'x' });
unlink "$tools/removed";
chmod 0775, "$tools/loose";


# --- the token, and how it was asked for

my $left;
for my $name (qw(az azd pwsh tenant subscription old)) {
    my $r = $t->get("/$name");
    is($r->status, 200, "$name: an answer") or diag $t->log;
    is(bearer($r), "Bearer TOKEN-$name", "$name: its token");
    $left = $t->credential($name)->{expires_in};
    cmp_ok($left, '<=', $name eq 'old' ? 1800 : $life, "$name: its life");
    cmp_ok($left, '>', ($name eq 'old' ? 1800 : $life) - $t->seconds(60),
           "$name: all of it");
}

sub args { return join ' ', split /\n/, slurp("$said/$_[0].args") }

my $get = 'account get-access-token --output json --resource'
    . ' https://ml.azure.com';
is(args('az'), $get, 'az: arguments');
is(args('tenant'), "$get --tenant $tenant", 'az: a tenant');
like(slurp("$said/subscription.args"), qr/^--subscription\nMy Subscription 1$/m,
     'az: a subscription is one argument');
is(args('azd'), 'auth token --output json --no-prompt --scope'
   . " https://ml.azure.com/.default --tenant-id $tenant", 'azd: arguments');
my @pwsh = split /\n/, slurp("$said/pwsh.args");
is("@pwsh[0 .. 2]", '-NoProfile -NonInteractive -EncodedCommand',
   'pwsh: arguments');
my $script = decode_base64($pwsh[3]) =~ tr/\0//dr;
like($script, qr/Get-AzAccessToken \@ask/, 'pwsh: a script');
unlike($script, qr/My Subscription|\Q$tenant/,
       'pwsh: into which nothing was written');

my %env = map { split /=/, $_, 2 } split /\n/, slurp("$said/az.env");
is(join(' ', sort grep { !/^(_|PWD|OLDPWD|SHLVL)$/ } keys %env),
   'AZURE_CONFIG_DIR AZURE_CORE_COLLECT_TELEMETRY AZURE_CORE_NO_COLOR'
   . ' AZURE_CORE_SURVEY_MESSAGE HOME HTTPS_PROXY LANG PATH TZ',
   'az: its environment, and no other');
is($env{AZURE_CONFIG_DIR}, $t->dir('home'), 'az: config_dir');
is($env{TZ}, 'UTC', 'az: a zone');
like($env{PATH}, qr{^/usr/local/sbin:}, 'az: a PATH');
unlike(slurp("$said/$_.env"), qr/secret-of-nginx|nowhere/,
       "$_: nothing of nginx's") for qw(az azd pwsh);
like(slurp("$said/pwsh.env"), qr/^ENTRA_SUBSCRIPTION=My Subscription$/m,
     'pwsh: a subscription');
like(slurp("$said/pwsh.env"), qr/^ENTRA_TENANT=\Q$tenant\E$/m,
     'pwsh: its tenant');
unlike(slurp("$said/az.env"), qr/^ENTRA_/m, 'az: none of it');
is(slurp("$said/az.pwd"), "/\n", 'az: a directory that is nobody\'s');
is(slurp("$said/az.stdin"), "/dev/null\n", 'az: nothing to read');


# --- no token, and why

my @failing = (
    ['anonymous', qr/nobody has signed in to the Azure CLI\b/],
    ['nothing', qr/the Azure CLI has no subscription to use/],
    ['wrong', qr/failed \(exit code 1\): The subscription of 'x' doesn't/],
    ['expired', qr/AADSTS700082: The refresh token has expired/],
    ['azd_anonymous', qr/nobody has signed in to the Azure Developer CLI/],
    ['azd_mfa', qr/reauthentication required/],
    ['azd_tenant', qr/: \(invalid_tenant\) AADSTS90002: Tenant 'test' not/],
    ['pwsh_anonymous', qr/nobody has signed in to Azure PowerShell/],
    ['pwsh_module', qr/PowerShell has no module Az.Accounts 2.2.0 or later/],
    ['pwsh_context', qr/has no context with the subscription "other"/],
    ['nowhere', qr/Developer CLI was not found at any of .*bin\/azd/],
    ['loose', qr/executable \S+loose" can be replaced by a group, as.*chmod/],
    ['removed', qr/could not be run: \S+removed: No such file/],
    ['shell', qr/could not be run: .*(not found|No such file)/],
    ['garbage', qr/exited 0, but its output \(24 bytes\) is not a token/],
    ['stale', qr/gave a token that has expired/],
    ['pop', qr/its output \(\d+ bytes\) is not a token/],
    ['split', qr/token/],
    ['careless', qr/failed \(exit code 3\): /],
    ['killed', qr/was killed by signal 9/],
    ['slow', qr/did not finish within 500 ms/],
    ['deaf', qr/did not finish within 500 ms/],
    ['huge', qr/wrote more than 65536 bytes/],
    ['loud', qr/wrote more than 65536 bytes/],
);

# not all at once: a worker runs so many processes at a time
while (my @some = splice @failing, 0, 8) {
    my @r = $t->many(@some + 0, each => sub { (uri => "/$some[$_[0]][0]") });
    for (@some) {
        my ($name, $why) = @$_;
        my $r = shift @r;
        is($r->status, 503, "$name: no token");
        ok($r->header('retry-after'), "$name: Retry-After");
        like($t->credential($name)->{last_error}{text}, $why, "$name: why");
        ok($t->wait_log(qr/"\Q$name\E".*$why/), "$name: in the log");
    }
}

is($t->credential('expired')->{last_error}{aadsts}, 'AADSTS700082',
   'expired: its number');
like($t->log, qr/run "az login" as the user of nginx's workers/,
     'what to do is in the log');
like($t->log, qr/install the Azure Developer CLI, or write "executable/,
     'also of a tool that is missing');
unlike($t->log, qr/SECRET-careless|TOKEN-/, 'no token in the log');
unlike($t->get('/entra/status')->body, qr/SECRET-careless|TOKEN-|\033/,
       'nor in the status');
unlike($t->log, qr/\033|\\x1b/i, 'nor control characters');

ok(gone(pids('slow')), 'slow: it and its child have ended');
is(scalar(() = pids('slow')) % 2, 0, 'slow: both of each');
ok(gone(pids($_)), "$_: it has ended") for qw(deaf huge loud);


# --- tools that leave something behind

for my $name (qw(parent daemon)) {
    my $begin = time;
    is(bearer($t->get("/$name")), "Bearer TOKEN-$name", "$name: its token");
    cmp_ok(time - $begin, '<', $t->seconds(2.5),
           "$name: nobody waits for what it left behind");
}
ok(gone(pids('parent')), 'parent: its child has ended, too');


# --- how often

my @many = $t->many(40, uri => '/once');
is((grep { $_->status == 200 } @many), 40, 'a cold start');
is(scalar(() = pids('once')), 1, 'runs the tool once');

short('TOKEN-short1', 4);
is(bearer($t->get('/short')), 'Bearer TOKEN-short1', 'a short life');
short('TOKEN-short2', 3600);
ok(wait_until(sub { $t->credential('short')->{expires_in} > 60 }),
   'is renewed without being asked');
is(bearer($t->get('/short')), 'Bearer TOKEN-short2', 'and used');

short('TOKEN-short3', 3600);
my $r = $t->get('/short?status=401');
is(bearer($r), 'Bearer TOKEN-short3',
   'refused by the upstream: the tool is asked again');


# --- the worker's own children, and nginx's

tool('removed', 'true');          # or nginx -t would say so
chmod 0755, "$tools/loose";
is($t->get('/running')->status, 503, 'a tool runs longer than somebody waits');
ok(EntraTest::alive(pids('running')), 'and goes on');
ok($t->reload(undef, wait => 1), 'a reload');
ok(gone(pids('running')), 'ends it');

# the master hears of its workers' ends, a worker of its tools'
my ($victim) = $t->workers;
$t->expect(qr/worker process $victim exited on signal 9/);
$t->signal(KILL => $victim);
ok(wait_until(sub { my @now = $t->workers;
                    @now == 2 && !grep { $_ == $victim } @now }),
   'a worker that was killed is replaced');
is(bearer($t->get('/az')), 'Bearer TOKEN-az', 'and tools go on');
ok(wait_until(sub {
    !grep { my %of = EntraTest::children($_); keys %of } $t->workers;
}), 'no process is left');

# nginx looks once more for those that it has met already: at level info
unlike($t->log, qr/\[(?!info).*waitpid\(\) failed/, 'nor was one lost');


# --- what cannot be given to a tool is known at nginx -t

$t->write('az', "#!/bin/sh\n", 0755);
$t->write("$tools/open", "#!/bin/sh\n", 0777);
$t->write("$tools/plain", "#!/bin/sh\n", 0644);
my $az = "$tools/az";

for (
    ['az', "executable $az; subscription \"x; id\";", qr/subscription can/],
    ['az', "executable $az; subscription '\$(id)';", qr/subscription can/],
    ['az', "executable $az; subscription --debug;", qr/subscription can/],
    ['az', "executable $az; subscription \"a\\nb\";", qr/a control character/],
    ['az', "executable $az; subscription 'a/b';", qr/subscription can/],
    ['az', "executable $az; tenant_id --debug;", qr/tenant_id/],
    ['az', "executable $az; tenant_id 'x\$(id)';", qr/not a tenant id/],
    ['az', "executable $az; tenant_id 'x y';", qr/not a tenant id/],
    ['az', "executable $az; tenant_id $tenant; subscription x;",
     qr/az takes one of them/],
    ['az', "executable $az; client_id x;", qr/client_id has no meaning/],
    ['azd', "executable $az; subscription x;", qr/azd knows none/],
    ['az', 'executable az;', qr/"az" is not an absolute path/],
    ['az', "executable '$az --debug';", qr/does not exist/],
    ['az', "executable $tools;", qr/is not a regular file/],
    ['az', "executable $tools/open;", qr/by everybody.*chmod go-w/],
    ['az', 'executable %%DIR%%/az;', qr/executable "\/.*\/az" is in "/],
    ['az', "executable $tools/plain;", qr/cannot be executed/],
    ['az', "executable $az; config_dir %%DIR%%/none;", qr/not a directory/],
    ['az', "executable $az; process_timeout 1ms;", qr/between 100ms and 5m/],
    ['az', "executable $az; scope 'https://x/\$(id)/.default';",
     qr/scope/],
    ['pwsh', "executable $az; scope \"https://x/'/.default\";", qr/scope/],
) {
    my ($kind, $lines, $want) = @$_;
    my $scope = $lines =~ /scope/ ? '' : 'scope aml;';
    my $out = $t->refuses($lines, "entra_credential c $type{$kind} { $lines"
        . " $scope upstreams 127.0.0.1; policies none; }\n", $want);
    like($out, qr/nginx\.conf:1\b/, 'and where');
}

$t->finish;
