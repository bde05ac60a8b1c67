#!/usr/bin/perl

# "What is this file?"  Every file that the module reads, written in the ways
# in which tools, shells and proxies write them otherwise than meant: nginx -t
# names the file, what it is and what writes the right one, and repeats
# nothing of it.  A running nginx keeps the last good one and says the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64);
use Test::More;

use EntraTest qw(slurp wait_until);

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my $who = "tenant_id $tenant; client_id $client;";
my $dir = $t->dir('files');
my $pem = slurp($t->{vars}{CERT_FILE});
my $jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodW50ZXIyIn0.aHVudGVyMg';

mkdir $dir;

sub utf16 { return "\xff\xfe" . join('', map { "$_\0" } split //, $_[0]) }

# az 2.x writes the warning to stderr
my $warning = "WARNING: The output includes credentials that you must protect."
    . " Be sure that you do not include these credentials in your code or"
    . " check the credentials into your source control.\n";
my $json = <<"EOJ";
{
  "appId": "$client",
  "displayName": "gateway",
  "password": "hunter2~abcdefghijklmnopqrstuvwxyz",
  "tenant": "$tenant"
}
EOJ
my %kinds = (
    'UTF-16' => [utf16("hunter2\r\n"), qr/is UTF-16.*iconv/],
    html => ["<!DOCTYPE html>\n<html><title>hunter2</title></html>\n",
             qr/is HTML.*proxy/],
    colours => ["\e[93mhunter2\e[0m\n", qr/colours of a terminal/],
    messages => [$warning . "hunter2\n", qr/WARNING or ERROR lines.*2>&1/],
    error => ["ERROR: Please run 'az login' to setup account.\n",
              qr/WARNING or ERROR lines/],
    json => [$json, qr/is JSON/],
    array => [qq([\n  "hunter2"\n]\n), qr/is a JSON array/],
    quotes => [qq("hunter2"\n), qr/has quotes around it.*-o tsv/],
    null => ["null\n", qr/found nothing/],
    yaml => ["primaryKey: hunter2\nsecondaryKey: hunter2\n", qr/is YAML/],
    assignment => ["AZURE_CLIENT_SECRET=hunter2\n", qr/is an assignment/],
    lines => ["hunter2\nhunter2\n", qr/more than one line/],
    pem => [$pem, qr/is a certificate or key \(PEM\)/],
    cert => ["-----BEGIN CERTIFICATE-----\nhunter2\n", qr/\(PEM\)/],
    jwt => [$jwt, qr/is a token \(JWT\)/],
    bearer => ['Bearer hunter2', qr/begins with "Bearer"/],
    der => ['MIIK' . 'hunter2' x 40, qr/base64 of a cert.*base64 -d/],
    base64 => [encode_base64($pem), qr/base64 of PEM.*base64 -d/],
    escaped => [$pem =~ s/\n/\\n/gr, qr/in place of line ends/],
    bytes => ["hunter2\0\1", qr/control character|binary/],
    empty => ["\xef\xbb\xbf\n", qr/is empty/],
    large => ['x' x 300_000, qr/is 300,000 bytes, at most [\d,]+ are/],
    huge => ['x' x 40_000_000, qr/is 40,000,000 bytes, at most 33,554,432 /],
);
my @any = ('UTF-16', 'html', 'empty');
my @tools = (@any, qw(colours messages error));
my @value = (@tools, qw(large lines bytes der base64));

# the kind of file, its credential, what is said to make it, what is wrong
my @files = (
    ['client_secret_file', 'client_secret', "$who client_secret_file FILE;",
     qr/az ad app credential reset/,
     @value, qw(json array quotes null yaml assignment pem jwt bearer)],
    ['key_file', 'endpoint_key', 'key_file FILE;',
     qr/az ml online-endpoint get-credentials/,
     @value, qw(json array quotes null yaml assignment pem bearer)],
    ['federated_token_file', 'workload_identity',
     "$who federated_token_file FILE;", qr/kubectl create token/,
     @value, qw(json quotes null yaml pem bearer)],
    ['client_certificate', 'client_certificate',
     "$who client_certificate FILE;", qr/az keyvault secret download/,
     @tools, qw(large der base64 json array quotes yaml escaped)],
    ['client_certificate_password_file', 'client_certificate',
     "$who client_certificate $t->{vars}{CERT_FILE};"
     . ' client_certificate_password_file FILE;',
     qr/the certificate's password only/,
     @any, qw(large messages lines pem bytes)],
    ['service_principal_file', 'client_secret',
     'service_principal_file FILE;', qr/az ad sp create-for-rbac/,
     @tools, qw(large array quotes null yaml assignment pem)],
    ['dotenv', 'environment', 'dotenv FILE;', qr/NAME=value/,
     @any, qw(large json yaml colours pem bytes)],
    ['state_key_file', 'device_code',
     "$who state_file $dir/state; state_key_file FILE;",
     qr/openssl rand -base64 32/, qw(html empty large cert)],
    ['workspace', 'endpoint_key', 'endpoint x; workspace FILE; using other;',
     qr/a workspace's config\.json/,
     @tools, qw(large array quotes null yaml pem)],
    ['file', undef, 'entra_named_location c { file FILE; }',
     qr/a CIDR a line/, @any, qw(huge colours messages error pem)],
);

# these name something else that fits the content
my %instead = (
    'UTF-16' => qr/it should hold/, der => qr/\.pfx/, base64 => qr/\.pem/,
    escaped => qr/printf/, bearer => qr/leave it out/, empty => qr//,
    large => qr//, huge => qr//, jwt => qr/federated_token_file/,
    json => qr/service_principal_file|-o tsv|it should hold/,
    pem => qr/it should hold .*; /,
);

sub conf {
    my ($type, $lines) = @_;
    return "$lines\n" unless $type;
    my $scope = $type eq 'endpoint_key' ? '' : 'scope aml;';
    return "entra_credential c $type { $lines $scope upstreams 127.0.0.1;"
        . " policies none; }\nentra_credential other client_secret { $who"
        . " client_secret_file $t->{vars}{SECRET_FILE}; scope arm;"
        . " policies none; }\n";
}

for (@files) {
    my ($name, $type, $lines, $make, @wrong) = @$_;
    my $file = "$dir/$name";
    my $conf = conf($type, $lines =~ s/FILE/$file/r);
    my @bad;

    for my $kind (@wrong) {
        my ($text, $says) = @{ $kinds{$kind} };
        $t->write("files/$name", $text);
        my ($ok, $out) = $t->check($conf);
        my ($message) = $out =~ /^(.*\[emerg\].*)$/m;
        my $want = $instead{$kind} // $make;
        push @bad, "$kind ($want): $out"
            if $ok || ($message // '') !~ /files\/$name/
                || $message !~ $says || $message !~ $want
                || $out =~ /hunter2|Sanitizer/;
    }
    ok(!@bad, "$name: " . @wrong . ' kinds') or diag @bad;
}


# what is not even a file

system('mkfifo', "$dir/fifo") == 0 or die 'mkfifo';
for (['/dev/null', 'a device'], ["$dir/fifo", 'a FIFO'],
     [$dir, 'a directory']) {
    my ($node, $is) = @$_;
    for my $conf (conf('client_secret', "$who client_secret_file $node;"),
                  conf(undef, "entra_named_location c { file $node; }")) {
        my ($ok, $out) = $t->check($conf);
        ok(!$ok && $out =~ /"\Q$node\E" is $is, not a regular file/, $is)
            or diag $out;
    }
}


# halves of a pair, and what looks wrong and is not

sub certificate {
    my ($name, $text, $more) = @_;
    my $file = $t->write("files/$name", $text);
    return $t->check(conf('client_certificate',
                          "$who client_certificate $file;" . ($more // '')));
}

my ($key) = $pem =~ /(-----BEGIN [A-Z ]*PRIVATE KEY.*?END [A-Z ]*KEY-----\n)/s;
my ($cert) = $pem =~ /(-----BEGIN CERTIFICATE.*?END CERTIFICATE-----\n)/s;
my ($ok, $out) = certificate('half', $cert);
ok(!$ok && $out =~ /holds no private key: put certificate and key/, 'no key')
    or diag $out;
($ok, $out) = certificate('half', $key);
ok(!$ok && $out =~ /holds no certificate: put certificate and key/,
   'no certificate') or diag $out;
($ok, $out) = certificate('bom', "\xef\xbb\xbf$pem");
ok($ok, 'a byte order mark before PEM') or diag $out;
my $quoted = $t->write('files/quoted', qq("password"\n));
($ok, $out) = certificate('pem', $pem,
                          " client_certificate_password_file $quoted;");
ok($ok, 'quotes may be part of a password') or diag $out;


# while it runs: the last good one, and a line

my $secret = $t->write('files/secret', slurp($t->{vars}{SECRET_FILE}));
$t->start("entra_trusted_certificate %%CA%%;\n"
          . "entra_credential c client_secret { $who client_secret_file $secret;"
          . " scope aml; authority_host %%AUTHORITY%%;"
          . " upstreams 127.0.0.1; policies none; }\n"
          . 'server { listen 127.0.0.1:%%PORT%%;'
          . ' location /entra/status { entra_status; } }');
ok(wait_until(sub { ($t->status->{credentials}[0]{state} // '') eq 'valid' }),
   'a token') or diag explain $t->status;
$t->expect(qr/is UTF-16/);
$t->write('files/secret', utf16('hunter2'));
ok($t->wait_log(qr/files\/secret" is UTF-16.*iconv/), 'UTF-16, in its place');
unlike($t->log, qr/hunter2/, 'nothing of it in the log');

$t->finish;
