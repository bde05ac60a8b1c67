#!/usr/bin/perl

# The Debian package in a fresh root: built twice to the same bytes, installed,
# upgraded while nginx serves, removed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA ();
use File::Basename 'basename';
use Test::More;
use Time::HiRes 'time';
use EntraTest qw(wait_until slurp);
use EntraTest::Deploy qw(base build_dir run top);

plan(skip_all => 'debootstrap needs root') if $>;

my $debs = build_dir();
my $name = 'libnginx-mod-http-entra';

chdir top() or die "chdir: $!";


# --- the package

# builds it; the package, copied to where the next one does not remove it
sub build {
    my ($version) = @_;

    run('DEB_VERSION=' . ($version // '') . " BUILD=$debs .ci/deb")
        or BAIL_OUT('the package is not built');
    my ($deb) = glob "$debs/deb/${name}_*.deb";
    my $kept = "$debs/" . basename($deb);
    rename $deb, $kept or die "rename: $!";
    return $kept;
}

sub hash { return Digest::SHA->new(256)->addfile($_[0])->hexdigest }

my $old = build('0.0.9-0upstream1');
my $new = build();
my $hash = hash($new);

is(hash(build()), $hash, 'two builds, one hash');

my $found = `cd $debs/deb && cp $new . && lintian --allow-root *.changes 2>&1`;
unlike($found, qr/^[EW]:/m, 'lintian finds no error, and warns of nothing');
diag($found) if $found =~ /^[EW]:/m;

my $control = `dpkg-deb -f $new`;
like($control, qr/^Depends:.*\bnginx-abi-/m, "it needs nginx's ABI");
ok(glob("$debs/deb/$name-dbgsym_*.deb"), 'symbols are in a package of their own');
run("rm -rf $debs/unpacked");
ok(run("dpkg-deb -x $new $debs/unpacked"), 'it can be unpacked');
unlike(`readelf -SW $debs/unpacked/usr/lib/nginx/modules/*.so`, qr/\.symtab/,
       'its module is stripped');


# --- a machine

my $t = EntraTest->new;
my $root = "$debs/root";

run("rm -rf --one-file-system $root && cp -a " . base() . " $root")
    or BAIL_OUT('no root to test in');

sub inside { return run("chroot $root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin"
                        . " DEBIAN_FRONTEND=noninteractive @_") }

# the scripts of services look into /proc, and ask whether they may run

ok(inside("sh -c 'apt-get -q update && apt-get -q -y install"
          . " --no-install-recommends nginx iproute2'"), 'a fresh Debian');
my $proc = run("mount -t proc proc $root/proc || mount --bind /proc $root/proc");

put('/usr/sbin/policy-rc.d', "#!/bin/sh\nexit 0\n", 0755);

my $started;

END {
    my $status = $?;
    inside('/etc/init.d/nginx stop') if $started;
    run("umount $root/proc") if $proc;
    run("rm -rf --one-file-system $root");
    $? = $status;
}

sub put {
    my ($path, $text, $mode) = @_;

    open my $file, '>', "$root$path" or die "$path: $!";
    print $file $text;
    close $file;
    chmod $mode // 0644, "$root$path";
}

my $e = $t->emulator;
unlink glob "$root/etc/nginx/sites-enabled/*";

sub install {
    my ($deb) = @_;
    run("cp $deb $root/tmp/") or die;
    return inside('apt-get -q -y install --no-install-recommends /tmp/'
                  . basename($deb));
}

ok(install($old), 'it is installed');
ok(-l "$root/etc/nginx/modules-enabled/50-mod-http-entra.conf",
   'the module is loaded');

my @directory = stat "$root/etc/nginx/entra";
my $group = (getgrnam 'www-data')[2];
is(sprintf('%o %d %d', $directory[2] & 07777, @directory[4, 5]), "750 0 $group",
   '/etc/nginx/entra: root writes, www-data reads, nobody else looks in');

put('/etc/nginx/entra/ca.pem', slurp($t->value('CA')));
put('/etc/nginx/entra/app.secret', slurp($t->value('SECRET_FILE')), 0640);
chown 0, $group, "$root/etc/nginx/entra/app.secret";
put('/etc/nginx/conf.d/gateway.conf', $t->expand(<<'EOC'));
entra_trusted_certificate /etc/nginx/entra/ca.pem;
entra_credential app client_secret {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%; client_id %%CLIENT%%;
    client_secret_file /etc/nginx/entra/app.secret;
    scope aml; policies none; upstreams 127.0.0.1 echo.test;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include entra_proxy.conf;
    location / {
        entra_auth app;
        proxy_ssl_trusted_certificate /etc/nginx/entra/ca.pem;
        proxy_pass https://echo.test;
    }
    location = /entra/ready { entra_status ready; allow 127.0.0.1; deny all; }
}
EOC

my ($rc, $said) = inside('nginx -t');
is($rc, 0, 'nginx takes a configuration with it');
unlike($said, qr/\[warn\]/, 'without a warning');

$started = inside('/etc/init.d/nginx start');
ok($started, 'nginx starts');
ok(wait_until(sub { ($t->get('/entra/ready') // return 0)->status == 200 }, 20),
   'a token comes');
like(join(' ', $t->get('/x')->seen('authorization')), qr/^Bearer \S+/,
     'the upstream gets it');

# whose workers answer
sub master { return slurp("$root/run/nginx.pid") =~ /(\d+)/ ? $1 : 0 }

my $before = master();
my $load = $t->load('/x');
ok(install($new), 'an upgrade, under load');

SKIP: {
    skip 'a container that may not mount /proc', 2 unless $proc;
    ok(wait_until(sub { my $now = master(); $now && $now != $before }, 30),
       'a new master runs the new module');
    ok(wait_until(sub { !kill 0, $before }, 60), 'the old one is gone');
}

ok(wait_until(sub { $t->get('/x')->status == 200 }, 20), 'requests are answered');
my $sent = $load->stop;
is($sent->{failed}, 0, "none of $sent->{total} requests was lost or refused")
    or diag(explain($sent->{bad}));

is(slurp("$root/etc/nginx/entra/app.secret"),
   slurp($t->value('SECRET_FILE')), 'the secret is where it was');

ok(inside("dpkg -r $name"), 'it is removed');
ok(!-e "$root/usr/lib/nginx/modules/ngx_http_entra_module.so", 'the module');
ok(!-e "$root/etc/nginx/modules-enabled/50-mod-http-entra.conf", 'and its line');
ok(-e "$root/etc/nginx/entra/app.secret", 'not the secrets');
unlink "$root/etc/nginx/conf.d/gateway.conf";
ok(inside('nginx -t'), 'nginx takes its configuration without it');

ok(inside("dpkg -P $name"), 'it is purged');
ok(!-e "$root/etc/nginx/entra_proxy.conf", 'with its files');
ok(-e "$root/etc/nginx/entra/app.secret", 'still not the secrets');

my $log = slurp("$root/var/log/nginx/error.log");
unlike($log, qr/\[(alert|emerg|crit)\]|open socket/, 'the error log is clean');

done_testing();
