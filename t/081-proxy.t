#!/usr/bin/perl

# entra_http_proxy with a user and password, which are in a file; and what is
# said when the proxy refuses them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64);
use Test::More;

use EntraTest qw(wait_until);
use EntraTest::Proxy;

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $password = 'hunter2:@/%# x';
my $port = $t->port('PORT2');
my $entra = 'localhost:' . $e->port('entra');
my $proxy = EntraTest::Proxy->new(
    port => $port, log => $t->dir('proxy.log'),
    hosts => { $entra => $e->port('entra') },
    auth => encode_base64("me:$password", ''));

sub conf {
    my ($file) = @_;
    return "entra_trusted_certificate %%CA%%;\n"
        . "entra_http_proxy http://127.0.0.1:$port"
        . ($file ? " credentials=$file" : '') . ";\n"
        . "entra_credential app client_secret { %%CREDENTIAL%% scope aml;"
        . " upstreams 127.0.0.1; policies none; }\n"
        . 'server { listen 127.0.0.1:%%PORT%%;'
        . ' location /entra/status { entra_status; } }';
}

sub state { return $t->status->{credentials}[0]{state} // '' }

my $good = $t->write('good', "me:$password\n", 0600);
$t->write('wrong', "me:wrong\n", 0600);

$t->start(conf('%%DIR%%/good'));
ok(wait_until(sub { state() eq 'valid' }), 'a token through the proxy')
    or diag $t->log;
like(join(' ', $proxy->asked), qr/\Q$entra\E/, 'which was asked');

for ('', '%%DIR%%/wrong') {
    $t->stop;
    $t->expect(qr/status 407/);
    $t->start(conf($_));
    my $name = $_ ? 'a wrong password' : 'no password';
    ok(wait_until(sub { state() eq 'failing' }), "$name: failing");
    my $last = $t->status->{credentials}[0]{last_error};
    is($last->{class}, 'configuration', "$name: somebody has to change something")
        or diag explain $last;
    like($last->{text}, qr/the proxy refuses its user and password/, $name);
    ok($t->wait_log(qr/status 407.*credentials=FILE/), "$name: and what to do");
}
unlike($t->log, qr/hunter2|bWU6/, 'nothing of them in the log');

for (['me', qr/should hold USER:PASSWORD/], ["\xff\xfem\0e\0:\0x\0", qr/UTF-16/],
     ["a:b\nc:d\n", qr/more than one line/], ['', qr/is empty/]) {
    my ($text, $says) = @$_;
    my $file = $t->write('odd', $text, 0600);
    my ($ok, $out) = $t->check(conf($file));
    ok(!$ok && $out =~ /\[emerg\].*$says/, "refused: $says") or diag $out;
}
my ($ok, $out) = $t->check(conf($good) =~ s/credentials=/x=/r);
ok(!$ok && $out =~ /takes a URL and "credentials=FILE"/, 'another parameter');

$t->finish;
