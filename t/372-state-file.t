#!/usr/bin/perl

# state_file: a sign-in that outlives nginx, and what becomes of it when the
# file, its key or its directory are not as they should be.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

use EntraTest qw(wait_until slurp);
use EntraTest::Browser;

my $t = EntraTest->new->module;
my $e = $t->emulator(settings => { device => 'auto', device_polls => 0,
                                   device_interval => 1,
                                   refresh_token_reuse => JSON::PP::false });
my ($uid, $gid) = $> == 0 ? (getpwnam 'www-data')[2, 3] : ($>, $) + 0);
my $dir = $t->dir('state');
my $file = "$dir/alice";

mkdir $dir, 0700;
chown $uid, $gid, $dir if $> == 0;
$t->write('state.key', "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", 0600);

my $conf = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_credential alice device_code {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id %%PUBLIC_CLIENT%%;
    scope aml;
    state_file state/alice;
    state_key_file state.key;
    upstreams 127.0.0.1;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 2s;
    location /in { entra_sign_in; }
    location / { entra_auth alice; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
}
EOC

my $b = EntraTest::Browser->new(port => $t->port);

sub section { return EntraTest::Browser::section($b->get('/in'), 'alice') }

sub sign_in {
    $b->sign_in('/in', 'alice');
    return wait_until(sub { section() =~ /Done: alice/ })
        && wait_until(sub { $t->get('/')->status == 200 });
}

sub restart {
    $t->stop;
    $t->start;
    return $t;
}

sub refreshes {
    return grep { $_->{body} =~ /grant_type=refresh_token/ }
        $e->requests(at => 'token');
}

$t->start($conf);
is $t->get('/')->status, 503, 'nobody has signed in';
ok !-e $file, 'nothing to keep yet';
ok sign_in(), 'alice signs in';
my @stat = stat $file;
ok wait_until(sub { -e $file }), 'there is a state file';
@stat = stat $file;
is sprintf('%o', $stat[2] & 07777), '600', 'for its owner only';
is $stat[4], $uid, "its owner is the workers' user";
my $text = slurp($file);
like $text, qr/^entra-state 1\n/, 'it says what it is';
unlike $text, qr/refresh|alice|0\.A|eyJ/, 'and nothing else';


# a restart, and what an interrupted one would leave

my $n = refreshes();
restart();
ok wait_until(sub { $t->get('/')->status == 200 }), 'a restart: a token';
cmp_ok scalar(refreshes()), '>', $n, 'with the refresh token';
like section(), qr/Signed in as <b>alice\@contoso\.example</, 'and the page says who';
ok wait_until(sub { (stat $file)[1] != $stat[1] }),
    'the new refresh token came in a new file';
is_deeply [glob "$dir/*"], [$file], 'no other file is left';

$t->write('state/alice.1.tmp', 'half of');
my ($master, @workers) = ($t->pid, $t->workers);
kill KILL => $master, @workers;
wait_until(sub { !grep { EntraTest::alive($_) } $master, @workers });
$t->start;
ok wait_until(sub { $t->get('/')->status == 200 }), 'a crash: a token';
unlink "$dir/alice.1.tmp";

ok $t->reload(undef, wait => 1), 'a reload';
$n = refreshes();
is $t->get('/')->status, 200, 'the token is kept';
is scalar(refreshes()), $n, 'nothing is refreshed';


# a new key: the file is written with it, at once

$text = slurp($file);
$t->write('state.key', "YW5vdGhlciBrZXkgb2YgdGhpcnR5LXR3byBieXRlcw==\n",
          $> == 0 ? 0644 : 0600);
ok wait_until(sub { slurp($file) ne $text }), 'another key: written anew';
restart();
ok wait_until(sub { $t->get('/')->status == 200 }), 'and readable with it';
$t->write('state.key', slurp($t->dir('state.key')), 0600);


# what is of no use is told, and left as it is

$t->stop;
my $good = slurp($file);
my $flipped = $good;
substr($flipped, -20, 1) ^= "\1";
my $foreign = do {
    my $other = $conf =~ s/entra_credential alice/entra_credential other/r;
    $other =~ s/entra_auth alice/entra_auth other/;
    $other =~ s{state/alice}{state/other};
    $t->start($other);
    $b->sign_in('/in', 'other');
    wait_until(sub { -e "$dir/other" });
    $t->stop;
    my $text = slurp("$dir/other");
    unlink "$dir/other";
    $t->conf($conf);
    $text;
};
like $foreign, qr/^entra-state/, "another credential's state file";

my @broken = (
    ['changed', $flipped, qr/cannot be decrypted/],
    ['truncated', substr($good, 0, 60), qr/cannot be decrypted/],
    ['another file', "not one of ours\n" x 30, qr/cannot be decrypted/],
    ["another credential's", $foreign, qr/cannot be decrypted/],
    ['empty', '', qr/cannot be decrypted/],
    ['too large', 'x' x 40000, qr/40,000 bytes, at most 32,768/],
    ['open to others', $good, qr/others than its owner/, 0644],
);

sub put {
    my ($text, $mode) = @_;
    open my $f, '>', $file or die "$file: $!";
    print $f $text;
    close $f;
    chmod $mode // 0600, $file;
    chown $uid, $gid, $file if $> == 0;
}

for (@broken) {
    my ($name, $text, $says, $mode) = @$_;
    put($text, $mode);
    my ($ok, $out) = $t->check($conf =~ s{(state/|state\.key)}{%%DIR%%/$1}gr);
    ok $ok, "$name: nginx starts";
    like $out, qr/\[warn\] .*credential "alice": state_file.*$says/,
        "$name: nginx -t says so";
}

put(@{ $broken[0] }[1, 3]);
$t->start;
is $t->get('/')->status, 503, 'changed: no token';
ok wait_until(sub {
    ($t->status->{credentials}[0]{last_error}{text} // '') =~ /cannot be decrypted/
}), 'the status says why';
like section(), qr/Sign-in is due.*cannot be decrypted/s, 'and so does the page';
ok slurp($file) eq $flipped, 'the file is left alone';
put($good);
ok wait_until(sub { $t->get('/')->status == 200 }, 40),
    'the right one is put back: a token, without a restart';
$t->stop;

put($foreign);
$t->start;
is $t->get('/')->status, 503, 'foreign: no token';
ok sign_in(), 'somebody signs in';
ok slurp($file) ne $foreign, 'which replaces it';
is sprintf('%o', (stat $file)[2] & 07777), '600', 'for its owner only';

unlink $file;
symlink '/etc/passwd', $file;
my ($ok, $out) = $t->check($conf =~ s{(state/|state\.key)}{%%DIR%%/$1}gr);
like $out, qr/\[warn\].*cannot open state_file/, 'a symbolic link is not followed';
unlink $file;
system 'mkfifo', '-m', '600', $file;
($ok, $out) = $t->check($conf =~ s{(state/|state\.key)}{%%DIR%%/$1}gr);
like $out, qr/\[warn\].*not a regular file/, 'nothing waits at a pipe';
unlink $file;


# a directory that workers cannot write: signed in, until nginx ends

SKIP: {
    skip 'needs root', 3 unless $> == 0;
    chown 0, 0, $dir;
    chmod 0755, $dir;
    ok sign_in(), 'signed in all the same';
    ok $t->wait_log(qr/cannot create the temporary file of state_file .*Permission denied.*will not survive a restart/),
        'the log says that it will not last';
    ok !-e $file, 'there is no file';
    chown $uid, $gid, $dir;
}
ok sign_in(), 'again, with a directory to write to';
ok -s $file, 'kept';


# Entra ends it: the file goes, too

$e->control(POST => 'refresh_tokens/revoke', {});
restart();
is $t->get('/')->status, 503, 'revoked meanwhile: no token';
ok wait_until(sub { !-e $file }), 'the file is removed';
like section(), qr/Sign-in is due\.<\/b>.*AADSTS50173/, 'the page says why';
is scalar(@{ [$t->log =~ /\[error\].*AADSTS50173/g] }), 1, 'the log once';

# policies, a second factor, a locked account and the like do not: they may pass
ok sign_in(), 'alice signs in';
ok -s $file, 'kept';
for my $code (53003, 50072, 50074, 50078, 50097, 50105, 50131, 53002, 53004,
              53011, 90094, 500021) {
    $e->clear_faults;
    $e->fault({ at => 'token', status => 400, json => {
        error => 'invalid_grant', error_codes => [$code],
        error_description => "AADSTS$code: No. Trace ID: x" } });
    restart();
    ok wait_until(sub {
        ($t->status->{credentials}[0]{last_error}{aadsts} // '')
            eq "AADSTS$code"
    }), "AADSTS$code refuses";
    ok -s $file, 'the file stays';
}
$e->clear_faults;
ok wait_until(sub { $t->get('/')->status == 200 }, 60), 'and is good again';


# what nginx -t refuses

sub refuses {
    my ($change, $says, $name) = @_;
    local $_ = $conf =~ s{(state/|state\.key)}{%%DIR%%/$1}gr;
    $change->();
    my ($ok, $out) = $t->check($_);
    like $out, $says, $name;
    return $ok;
}
ok !refuses(sub { s/state_key_file \S+;// },
    qr{there is no file "\Q$file\E\.key": make it with "openssl rand -base64 32"},
    'no key'), 'refused';
ok !refuses(sub { s{state/alice}{none/alice} },
    qr/directory of state_file .* does not exist/, 'no directory'), 'refused';
ok !refuses(sub { s{(entra_credential) (alice)(.*?\n\})}{$1 $2$3\n$1 bob$3}s },
    qr/credential "bob": state_file .* is that of credential "alice"/,
    'two credentials, one file'), 'refused';
ok !refuses(sub { s{location /in}{location = /in} },
    qr/"entra_sign_in" directive needs a location that begins alike/,
    'a location for one address'), 'refused';
ok !refuses(sub { s{location /in}{location ~ /in} },
    qr/"entra_sign_in" directive needs a location that begins alike/,
    'a regular expression'), 'refused';
ok refuses(sub { s{entra_sign_in;}{return 204;} },
    qr/\[warn\] .*credential "alice": there is no page/, 'no page'), 'a warning';
$t->write('short.key', "tooshort\n", 0600);
ok !refuses(sub { s/state\.key/short.key/ }, qr/holds less than 32 bytes/,
    'a short key'), 'refused';

unlike $t->log, qr/eyJ[\w-]+\.|0\.A[\w-]{20}/, 'no token in the log';
$t->finish;
