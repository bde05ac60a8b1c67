#!/usr/bin/perl

# A binary upgrade while Entra is down: the new master begins with the tokens
# of the old one, and nobody else gets at them.  What is not such a copy is
# refused, and costs nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX 'WNOHANG';
use Test::More;
use EntraTest qw(wait_until slurp);

my $t = EntraTest->new->module;
plan(skip_all => 'valgrind does not follow it') if $ENV{ENTRA_VALGRIND};
my $python = 'import os, fcntl; os.memfd_create; fcntl.F_GET_SEALS';
plan(skip_all => 'no memfd, or no Python to make one')
    if system("python3 -c '$python' 2>/dev/null") != 0;

my $e = $t->emulator;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my $dir = $t->dir('tool');
mkdir $dir;
chmod 0777, $dir;
my $cli = $t->write($t->tools . '/az', <<"EOS", 0755);
#!/bin/sh
ls -l /proc/self/fd > $dir/fds
tr '\\0' '\\n' < /proc/self/environ > $dir/env
cat <<'END'
{"accessToken":"a-token-of-the-tool","tokenType":"Bearer",
"tenant":"$tenant","expires_on":4102444800}
END
EOS

my $conf = <<"EOC";
entra_trusted_certificate %%CA%%;
entra_caller_token {
    tenant_id $tenant; audience $client; authority_host %%AUTHORITY%%;
}
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%; policies none;
}
entra_credential behalf on_behalf_of {
    %%CREDENTIAL%%
    scope https://management.azure.com/user_impersonation;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%; policies none;
}
entra_credential tool azure_cli {
    executable $cli; preload off;
    scope arm; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%; policies none;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    location / { entra_auth app;
                 proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /behalf { entra_auth behalf;
                       proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /tool { entra_auth tool;
                     proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready app; }
}
EOC

my $user = $e->mint(user => \1, scope => 'access_as_user', claims => {
    aud => $client, exp => int(time) + 3600 });
my @caller = (headers => [Authorization => "Bearer $user"]);

sub ready { return wait_until(sub { $t->get('/entra/ready')->status == 200 }) }
sub sent  { return ($_[0]->seen('authorization'))[0] // '' }
sub took  { return $t->log =~ /took over (\d+) tokens and sign-ins from process \Q$_[0]\E,/
                   ? $1 : 0 }

# what an open descriptor of nginx's processes refers to
sub descriptors {
    my (@pids) = @_;
    return grep { /memfd/ } map { readlink($_) // () }
           map { glob "/proc/$_/fd/*" } @pids;
}

# the new master has taken over, the old one is still there
sub both {
    my $old = $t->pid;
    $t->signal('USR2');
    ok(wait_until(sub {
        -e $t->dir('nginx.pid.oldbin') && ($t->pid // $old) != $old
            && $t->workers == $t->{workers} }), 'a new master beside the old');
    $t->{masters}{ $t->pid } = 1;
    return ($old, $t->pid);
}


# --- an outage, and an upgrade

$t->start($conf);
ok(ready(), 'ready');
is($t->get('/behalf', @caller)->status, 200, 'a caller');
my $token = sent($t->get('/'));
my $theirs = sent($t->get('/behalf', @caller));
like($token, qr/^Bearer ./, 'a token');
isnt($theirs, $token, "and a caller's");

$e->fault({ at => $_, status => 503, json => {} }) for qw(token keys);
$e->forget;
my $load = $t->load('/', clients => 4);
my ($old, $new) = both();

# before anybody was told to leave, either may answer
is(join(' ', descriptors($old, $new, $t->workers($old), $t->workers)), '',
   'nobody keeps a descriptor of the copy');
cmp_ok(took($old), '>=', 3, 'what was taken over is told')
    or diag($t->log);

$t->signal('QUIT', $old);
ok(wait_until(sub { !EntraTest::alive($old) }), 'the old master has left');
my $r = $t->get('/behalf', @caller);
is($r->status, 200, 'a caller, whose keys nobody gives any more');
is(sent($r), $theirs, 'goes with the token that the old workers got');
is(sent($t->get('/')), $token, "and so does the configuration's own")
    for 1 .. 5;
my $sum = $load->stop;
is($sum->{failed}, 0, "0 of $sum->{total} failed")
    or diag explain $sum->{bad};
is($e->count(at => 'token'), 0, 'no request to the provider');

# a child of the workers
is($t->get('/tool')->status, 200, 'a command-line tool runs');
unlike(slurp("$dir/fds"), qr/memfd/, 'without a descriptor of it');
like(slurp("$dir/env"), qr/^PATH=/m, 'with an environment');
unlike(slurp("$dir/env"), qr/memfd|nginx-entra/i, 'that does not name it');


# --- the new one has to go again

($old, $new) = both();
$t->signal('QUIT', $new);
ok(wait_until(sub { !EntraTest::alive($new) && ($t->pid // 0) == $old }),
   'a rollback');
is(sent($t->get('/')), $token, 'the old one has its tokens') for 1 .. 5;
ok($t->reload, 'is reloaded');
is(sent($t->get('/')), $token, 'and keeps them');

($old, $new) = both();
$t->signal('QUIT', $old);
ok(wait_until(sub { !EntraTest::alive($old) }), 'and is replaced after all');
is(sent($t->get('/')), $token, 'with its tokens') for 1 .. 5;
is($e->count(at => 'token'), 0, 'still no request to the provider');


# --- another configuration has other tokens

my $other = $t->expand($conf) =~ s/scope aml/scope graph/r;
$t->conf($other);
($old, $new) = both();
$t->signal('QUIT', $old);
ok(wait_until(sub { !EntraTest::alive($old) }), 'another configuration');
like($t->log, qr/from process $old, [1-9]\d* are of no use here/,
     'what it does not name is left behind');
is($t->get('/')->status, 503, 'and not used for another scope');
$e->clear_faults;
ok(ready(), 'until the provider is back');
ok(defined $t->stop, 'stopped');

# --- what is not a copy of tokens

# executes nginx as an upgrade does, with such memory
my $exec = $t->write('exec.py', <<'EOS');
import fcntl, os, socket, sys

port, seal, content = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("127.0.0.1", port))
listening.listen()
listening.setblocking(False)
memory = os.memfd_create("nginx-entra", os.MFD_ALLOW_SEALING)
os.write(memory, open(content, "rb").read())
if seal:
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, 15)
listening.set_inheritable(True)
os.set_inheritable(memory, True)
os.environ["NGINX"] = "%d;" % listening.fileno()
os.execv(sys.argv[4], sys.argv[4:])
EOS

sub executed {
    my ($content, $seal) = @_;

    my $file = $t->write('content', $content);
    $t->write('error.log', '');
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $ENV{LD_PRELOAD} = $ENV{ENTRA_PRELOAD} if $ENV{ENTRA_PRELOAD};
        open STDERR, '>>', $t->dir('stderr.log');
        open STDOUT, '>&', \*STDERR;
        exec 'python3', $exec, $t->port, $seal, $file, $t->command;
    }
    $t->{masters}{$pid} = 1;
    return $pid if wait_until(sub {
        ($t->pid // 0) == $pid && $t->workers == $t->{workers} });
    return 0;
}

sub ended {
    my ($pid) = @_;
    kill QUIT => $pid;
    return wait_until(sub { waitpid($pid, WNOHANG) == $pid }) && $? == 0;
}

my $head = 'nginx-entra copy' . pack('LLQ', 1, 104, 8);
my $valid = pack('x[32]');
for (['garbage', "\xff" x 5000, 1, qr/\[warn\].*is not used: it is damaged/],
     ['too short', 'nginx-entra', 1, qr/\[warn\].*is not used: it is damaged/],
     ['empty', '', 1, qr/\[warn\].*is not used: it is empty/],
     ['its hash', $head . $valid . '12345678', 1,
      qr/\[warn\].*is not used: it is damaged/],
     ['can be changed', $head . $valid . '12345678', 0,
      qr/\[warn\].*is not used: it is not sealed/],
     ['another version', 'nginx-entra copy' . pack('LLQ', 999, 104, 8)
      . $valid . '12345678', 1,
      qr/\[notice\].*another version of the module; they are fetched anew/])
{
    my ($what, $content, $seal, $line) = @$_;
    $t->conf($conf);
    my $pid = executed($content, $seal);
    ok($pid, "$what: nginx starts") or next;
    my @lines = grep { /process \d+ (handed over|holds)/ || /took over/ }
                split /\n/, $t->log;
    is(scalar @lines, 1, "$what: one line");
    like($lines[0], $line, "$what: that says it");
    is(join(' ', descriptors($pid, $t->workers)), '', "$what: closed");
    ok(ready(), "$what: tokens are fetched");
    ok(ended($pid), "$what: and it stops");
}

$t->finish;
