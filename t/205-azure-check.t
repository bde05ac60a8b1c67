#!/usr/bin/perl

# docs/azure-check.sh, which somebody with a subscription runs, against the
# emulator: all is as expected, and all that it makes is deleted.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new->need('http_ssl_module')->module;
for my $tool (qw(jq curl openssl)) {
    plan skip_all => "no $tool" if system "which $tool >/dev/null 2>&1";
}
plan skip_all => 'it loads a module' if $ENV{ENTRA_STATIC};
my $e = $t->emulator;
$e->settings(propagation => 1);

my $bin = $t->tools;
my $control = $e->port('control');
$t->write("$bin/az", "#!/bin/sh\nAZ_CONTROL=$control AZ_LOG="
          . $t->dir('az.log') . " exec $FindBin::Bin/lib/EntraTest/az \"\$@\"\n",
          0755);

sub check {
    my (%env) = @_;
    my %all = (
        PATH => "$bin:$ENV{PATH}", NGINX => $t->{nginx},
        AZURE_AUTHORITY_HOST => $e->info('authority_host'),
        CHECK_CA => $e->info('ca'), CHECK_PORT => $t->port('PORT'),
        CHECK_ADDRESS => '127.0.0.1:' . $e->port('upstream'),
        CHECK_ARM => 'https://management.localhost:' . $e->port('upstream'),
        CHECK_IDENTITY => 'http://127.0.0.1:' . $e->port('identity'),
        AZURE_POD_IDENTITY_AUTHORITY_HOST =>
            'http://127.0.0.1:' . $e->port('identity'),
        CHECK_PATIENCE => $t->seconds(60), %env);
    my $set = join ' ', map { "$_='$all{$_}'" } sort keys %all;
    my $text = `env $set $t->{root}/docs/azure-check.sh -g rg -w ws \\
                    -m $t->{so} -o @{[$t->dir('seen')]} 2>&1`;
    return ($? >> 8, $text);
}

my ($rc, $text) = check();
is($rc, 0, 'all is as expected') or diag $text, $t->dir;
like($text, qr/^All as expected/m, 'and it says so');
for my $row ('a token by: secret', 'a token by: certificate',
             'a token by: cli', 'a token by: managed', 'a wrong secret',
             'score, no role', 'score, with the role', 'listKeys',
             'the key of an endpoint', 'a new secret in the file') {
    like($text, qr/^\Q$row\E .*\| ok$/m, $row);
}
like($text, qr/its text .*score\/action/, 'what Azure answers is shown');

my @calls = split /\n/, slurp($t->dir('az.log'));
my ($app) = map { /credential reset (\S+)/ } @calls;
for my $made (map { /^rest  put (\S+)/ ? $1 : () } @calls) {
    ok((grep { $_ eq "rest  delete $made" } @calls), "$made is deleted");
}
ok((grep { /^ad app delete \Q$app/ } @calls), 'so is the application');
ok((grep { /^role assignment delete \Q$app/ } @calls), 'and its role');
my $left = join '', map { slurp($_) } glob $t->dir('seen') . '/*';
unlike($left, qr/eyJ[\w-]{40}|az8Q~/, 'no token or secret is left');

# Azure that is not as expected

$e->settings(propagation => 0);
$e->fault({ at => 'upstream.aml', status => 500 });
($rc, $text) = check(CHECK_PATIENCE => 2);
is($rc, 1, 'something differs');
like($text, qr/^score, no role .*\| 500 .*\| differs$/m, 'which the table says');
like($text, qr/^Deleting what was made/m, 'and all is deleted');

$t->finish;
