#!/usr/bin/perl

# A good start is seen at "notice": a line for the first token of each
# credential and scope, a few lines and a number when there are many; those
# that follow, and those that a reload finds, are not told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use EntraTest qw(wait_until);

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $many = 60;

sub conf {
    my ($n) = @_;
    return "entra_trusted_certificate %%CA%%;\n" . join('', map {
        "entra_credential c$_ client_secret { %%CREDENTIAL%% scope aml;"
        . " upstreams 127.0.0.1; policies none; }\n" } 1 .. $n)
        . 'server { listen 127.0.0.1:%%PORT%%;'
        . ' location = /entra/ready { entra_status ready; } }';
}

sub ready { return $t->get('/entra/ready')->status == 200 }
sub lines { my @all = $t->log =~ /\[notice\].*: got a token for/g;
            return scalar @all }
sub rest { my $n = 0;
           $n += $_ for $t->log =~ /\[notice\].*entra: (\d+) more credentials/g;
           return $n }

$t->start(conf(2));
ok(wait_until(\&ready), 'two credentials');
ok(wait_until(sub { lines() == 2 }), 'a line each') or diag $t->log;
is(rest(), 0, 'and no sum');
$t->reload;
ok(wait_until(\&ready), 'after a reload');
is(lines(), 2, 'what was kept is not told again');

$t->stop;
$t->start(conf($many));
ok(wait_until(\&ready), 'many credentials');
ok(wait_until(sub { lines() + rest() >= 2 + $many }), 'all are told')
    or diag lines() . ' ' . rest();
cmp_ok(lines(), '<=', 2 + 10 * 2, 'a few lines of each worker');
cmp_ok(rest(), '>', 0, 'and the number of the rest');
is(lines() + rest(), 2 + $many, 'each once');

$t->finish;
