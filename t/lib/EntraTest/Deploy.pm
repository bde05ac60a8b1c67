package EntraTest::Deploy;

# For t/deploy: a fresh Debian, and commands in it.
#
#   my $dir = base();               # once a run of the tests; not to be changed
#   my $ok = run('command', ...);   # or ($status, $output)

use strict;
use warnings;

use Cwd 'abs_path';
use Exporter 'import';
use File::Basename 'dirname';
use Test::More;

our @EXPORT_OK = qw(base build_dir run top);

my $top = dirname(dirname(dirname(dirname(abs_path(__FILE__)))));

sub top { return $top }

# where packages, roots and images are built
sub build_dir {
    my $build = $ENV{ENTRA_BUILD} || "$top/build";

    mkdir $_ for $build, "$build/deploy";
    return "$build/deploy";
}

sub run {
    my (@command) = @_;

    my $out = `{ @command ; } 2>&1`;
    diag("@command: $out") if $? && !wantarray;
    return wantarray ? ($?, $out) : $? == 0;
}

# a fresh Debian of this machine's suite, from the mirror that apt has here
sub base {
    my $dir = build_dir() . '/base';

    return $dir if -e "$dir/.complete";

    my ($mirror) = split ' ', `apt-get indextargets --format '\$(SITE)' \\
                               'Created-By: Packages'`;
    my ($suite) = split ' ', `. /etc/os-release; echo \$VERSION_CODENAME`;

    run("rm -rf --one-file-system $dir");
    run("debootstrap --variant=minbase --include=ca-certificates"
        . " $suite $dir $mirror && chroot $dir apt-get clean")
        or BAIL_OUT("debootstrap fails, and there is nothing to test in");

    # no service is started when it is installed: it would serve this machine
    open my $file, '>', "$dir/usr/sbin/policy-rc.d" or die "policy-rc.d: $!";
    print $file "#!/bin/sh\nexit 101\n";
    close $file;
    chmod 0755, "$dir/usr/sbin/policy-rc.d";

    open $file, '>', "$dir/.complete" or die "$dir: $!";
    return $dir;
}

1;
