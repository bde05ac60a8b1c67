#!/usr/bin/perl

# entra_shared_zone ... state_file=FILE: a restart while Entra is down, and
# what becomes of it when the file, its key or its directory are not as they
# should be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use EntraTest qw(wait_until slurp);

use constant CREDENTIALS => 150;        # more than one step of the writer

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my ($uid, $gid) = $> == 0 ? (getpwnam 'www-data')[2, 3] : ($>, $) + 0);
my $dir = $t->dir('state');
my $file = "$dir/tokens";

mkdir $dir, 0700;
chown $uid, $gid, $dir if $> == 0;
my $key = $t->write('state.key',
                    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", 0600);

my $zone = "entra_shared_zone zone=entra:2m state_file=$file"
           . " state_key_file=$key;\n";
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
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 1s;
    location / { entra_auth app;
                 proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location /behalf { entra_auth behalf;
                       proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready app; }
}
EOC
my $many = join '', map { <<"EOC" } 1 .. CREDENTIALS;
entra_credential many$_ client_secret {
    %%CREDENTIAL%%
    scope arm; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%; policies none;
}
EOC

my $user = $e->mint(user => \1, scope => 'access_as_user', claims => {
    aud => $client, exp => int(time) + 3600 });
my @caller = (headers => [Authorization => "Bearer $user"]);

sub ready { return wait_until(sub { $t->get('/entra/ready')->status == 200 }) }
sub sent  { return ($t->get('/')->seen('authorization'))[0] // '' }
sub valid { return scalar grep { $_->{state} eq 'valid' }
                   @{ $t->status->{credentials} } }
sub took  { return $t->log =~ /took (\d+) tokens from state_file "\Q$file\E", (\d+) are/
                   ? ($1, $2) : () }

sub down {
    $e->fault({ at => $_, status => 503, json => {} }) for qw(token keys);
    $e->forget;
}

# with a log of its own
sub begin {
    my ($text) = @_;
    $t->write('error.log', '');
    $t->start($text);
}

# the file has changed since
sub written {
    my ($was) = @_;
    return wait_until(sub { -s $file && slurp($file) ne $was });
}


# --- a restart, once Entra is down

$t->start($zone . $many . $conf);
ok(wait_until(sub { valid() >= CREDENTIALS + 1 }, 60), 'all tokens are there');
is($t->get('/behalf', @caller)->status, 200, 'a caller has his own');
my $token = sent();
like($token, qr/^Bearer \S{100}/, 'a token');
ok(defined $t->stop, 'stopped');

ok(-f $file, 'there is a file');
my @stat = stat $file;
is(sprintf('%o', $stat[2] & 07777), '600', 'for its owner only');
is($stat[4], $uid, 'who is the user of the workers');
my $text = slurp($file);
like($text, qr/^entra-tokens 1\n/, 'of tokens');
my @parts = map { split /[.]/ } $token =~ /(\S+)$/;
is(scalar(grep { index($text, substr $_, 0, 24) >= 0 } @parts), 0,
   'none of which can be read in it');
unlike($text, qr/eyJ0|Bearer|many7/, 'nor any other, nor a name');
is(join(' ', glob "$dir/*"), $file, 'and nothing else');

down();
begin($zone . $many . $conf);
is($t->get('/')->status, 200, 'at once') for 1 .. 5;
is(sent(), $token, 'with the same token');
cmp_ok(valid(), '>=', CREDENTIALS + 1, 'all are there');
cmp_ok((took())[0], '>=', CREDENTIALS + 1, 'as the log says');
is($e->count(at => 'token'), 0, 'no request to the provider');
is($t->get('/behalf', @caller)->status, 503,
   'callers have to be asked for again');

# before anything has changed, and a few times
for (1 .. 2) {
    ok(defined $t->stop, 'stopped');
    begin($zone . $many . $conf);
    is(sent(), $token, 'and again');
}
is(slurp($file), $text, 'a file that says what it said is not written');

# another secret has other tokens
ok(defined $t->stop, 'stopped');
my $second = $t->write('second.secret', 'second');
begin($zone . $t->expand($conf)
      =~ s/client_secret_file \S+;/client_secret_file $second;/gr);
is($t->get('/')->status, 503, 'a token of another secret is not used');
ok(defined $t->stop, 'stopped');


# --- the file is not as it was

sub put {
    my ($content, $mode) = @_;
    unlink $file;
    open my $f, '>', $file or die "$file: $!";
    print $f $content;
    close $f;
    chmod $mode // 0600, $file;
    chown $uid, $gid, $file if $> == 0;
}

my $other = $t->write('other.key', 'another key of more than 32 bytes', 0600);
my $small = length $text;
for (['changed', $text ^ ("\0" x ($small - 40) . "\1"), 0600,
      qr/cannot be decrypted/],
     ['cut', substr($text, 0, -100), 0600, qr/cannot be decrypted/],
     ['without its last frame', substr($text, 0, 20000), 0600,
      qr/cannot be decrypted/],
     ['empty', '', 0600, qr/cannot be decrypted/],
     ['something else', "x" x 5000, 0600, qr/cannot be decrypted/],
     ['open to others', $text, 0640, qr/others than its owner may read or write it/],
     ['of another key', $text, 0600, qr/cannot be decrypted/, $other],
     ['of another version', $text =~ s/^entra-tokens 1/entra-tokens 7/r,
      0600, qr/is of another version of the module/])
{
    my ($name, $content, $mode, $says, $key2) = @$_;
    my $with = $key2 ? $zone =~ s/state_key_file=\S+;/state_key_file=$key2;/r
                     : $zone;
    $e->clear_faults;
    put($content, $mode);
    my $inode = (stat $file)[1];
    my ($ok, $out) = $t->check($with . $conf);
    ok($ok, "$name: nginx -t passes");
    like($out, $says, "$name: and says so") unless $name =~ /version/;
    is((stat $file)[1], $inode, "$name: the file is the same");
    is(slurp($file), $content, "$name: with what was in it");

    begin($with . $conf);
    ok(ready(), "$name: tokens are fetched");
    my @lines = grep { /state_file/ } split /\n/,
                $t->log . slurp($t->dir('stderr.log'));
    cmp_ok(scalar(grep { $_ =~ $says } @lines), '>=', 1, "$name: the log");
    ok(written($content), "$name: it is written anew");
    is(sprintf('%o', (stat $file)[2] & 07777), '600', "$name: for its owner");

    if ($key2) {
        # the token of right now, in the file before nginx ends
        my $now = sent();
        ok(defined $t->stop, 'stopped');
        down();
        begin($with . $conf);
        is(sent(), $now, "$name: and good for a restart");
    }
    ok(defined $t->stop, "$name: stopped");
    $t->write('stderr.log', '');
}

# what is not a file is left alone
for (['a symbolic link', sub { symlink '/etc/hostname', $file }],
     ['a pipe', sub { system 'mkfifo', '-m', '600', $file }])
{
    my ($name, $make) = @$_;
    $e->clear_faults;
    unlink $file;
    $make->();
    my ($ok, $out) = $t->check($zone . $conf);
    ok($ok, "$name: nginx -t passes");
    like($out, qr/\[warn\].*state_file.*(Too many levels|not a regular file)/,
         "$name: and says so");
    ok(-l $file || -p $file, "$name: it is left alone");
}
unlink $file;

# a directory in which workers cannot make it
SKIP: {
    skip 'needs root', 3 unless $> == 0;
    chown 0, 0, $dir;
    chmod 0755, $dir;
    begin($zone . $conf);
    ok(ready(), 'a directory that is not the workers\': tokens');
    ok($t->wait_log(qr/cannot create the temporary file of state_file .*Permission denied.*will not survive a restart/),
       'the log says that there is no file');
    ok(!-e $file, 'there is none');
    chown $uid, $gid, $dir;
    ok(wait_until(sub { -s $file }), 'it is written as soon as it can be');
    ok(defined $t->stop, 'stopped');
}


# --- tokens that have ended meanwhile

$e->clear_faults;
$e->settings(expires_in => 6);
unlink $file;
begin($zone . $conf);
ok(ready(), 'a token of six seconds');
ok(defined $t->stop, 'stopped');
my $until = time + 8;
down();
ok(wait_until(sub { time > $until }), 'it ends');
begin($zone . $conf);
is($t->get('/')->status, 503, 'and is not used');
my ($n, $useless) = took();
cmp_ok($useless, '>=', 1, 'as the log says');
ok(defined $t->stop, 'stopped');


# --- what nginx -t refuses

sub refuses {
    my ($line, $says, $name) = @_;
    my ($ok, $out) = $t->check("entra_shared_zone $line;\n$conf");
    ok(!$ok, $name);
    like($out, $says, "$name: what to write");
}

refuses("zone=e:2m state_file=$file", qr/there is no file "\Q$file\E\.key": make it with "openssl rand -base64 32"/,
        'no key');
refuses("zone=e:2m state_file=$dir/none/x state_key_file=$key",
        qr/directory of state_file ".*" does not exist: make it/,
        'no directory');
refuses("zone=e:2m state_file=$key state_key_file=$key", qr/are the same/,
        'one file for both');
refuses("zone=e:2m state_key_file=$key", qr/state_key_file without state_file/,
        'a key alone');
refuses("state_file=$file state_key_file=$key", qr/needs zone=NAME:SIZE/,
        'no zone');
refuses("zone=e:2m state=$file", qr/invalid parameter "state=/, 'a typo');
$t->write('short.key', 'short', 0600);
refuses("zone=e:2m state_file=$file state_key_file=" . $t->dir('short.key'),
        qr/holds less than 32 bytes/, 'a short key');
my ($ok, $out) = $t->check($zone . $conf);
ok($ok, 'and not this one');
unlike($out, qr/\[warn\].*entra_shared_zone/, 'without a warning');
chmod 0644, $key;
($ok, $out) = $t->check($zone . $conf);
like($out, qr/\[warn\].*\Q$key\E.*can be read by everybody/,
     'a key that everybody can read');

$t->finish;
