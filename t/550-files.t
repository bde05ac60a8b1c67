#!/usr/bin/perl

# Changes of files, however they are made, are seen in time; and credentials
# whose files do not change cost nothing, how many they may be.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes 'time';

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator;
my $d = $t->dir;
my $many = 1000;

my ($credentials, $locations, %id) = ('', '');
sub credential {
    my ($name, $file, $lines) = @_;
    $id{$name} = sprintf '%08x-0000-4000-8000-000000000000', 1 + keys %id;
    $e->app(client_id => $id{$name}, secrets => [{ value => "new-$name" }]);
    $credentials .= "entra_credential $name client_secret {\n"
        . "    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;\n"
        . "    client_id $id{$name}; client_secret_file $file;\n"
        . "    scope aml; upstreams 127.0.0.1; policies none;\n"
        . ($lines // '') . "}\n";
    $locations .= "location = /$name { entra_auth $name;"
                  . " proxy_pass https://echo.test; }\n";
}

sub put {
    my ($path, $text) = @_;
    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f;
    chmod 0644, $path;
}

sub tree { my ($path) = @_; mkdir $path or die "$path: $!";
           chmod 0755, $path; return $path }

# each begins with a secret that is refused, and how it becomes the right one
my %change = (
    rewritten => sub { put("$d/rewritten/secret", 'new-rewritten') },
    renamed => sub { put("$d/renamed/.new", 'new-renamed');
                     rename "$d/renamed/.new", "$d/renamed/secret" },
    kubernetes => sub {
        tree("$d/kubernetes/..2026");
        put("$d/kubernetes/..2026/secret", 'new-kubernetes');
        symlink '..2026', "$d/kubernetes/..tmp";
        rename "$d/kubernetes/..tmp", "$d/kubernetes/..data";
        unlink "$d/kubernetes/..2025/secret";
        rmdir "$d/kubernetes/..2025";
    },
    directory => sub {
        tree("$d/new");
        tree("$d/new/in");
        put("$d/new/in/secret", 'new-directory');
        rename "$d/directory", "$d/old" or die;
        rename "$d/new", "$d/directory" or die;
    },
    missing => sub { put("$d/missing/secret", 'new-missing') },
    elsewhere => sub {
        put("$d/other/secret.new", 'new-elsewhere');
        rename "$d/other/secret.new", "$d/other/secret";
    },

    # a file with two names: the directory that is watched does not change
    twice => sub { put("$d/second/name", 'new-twice') },
);

tree("$d/$_") for keys %change, 'other';
tree("$d/kubernetes/..2025");
tree("$d/directory/in");
put("$d/$_/secret", "old-$_") for qw(rewritten renamed missing);
put("$d/kubernetes/..2025/secret", 'old-kubernetes');
symlink '..2025', "$d/kubernetes/..data";
symlink '..data/secret', "$d/kubernetes/secret";
put("$d/directory/in/secret", 'old-directory');
put("$d/other/secret", 'old-elsewhere');
symlink "$d/other/secret", "$d/elsewhere/secret";
tree("$d/second");
put("$d/second/name", 'old-twice');
link "$d/second/name", "$d/twice/secret" or die "link: $!";

credential($_, $_ eq 'directory' ? "$d/directory/in/secret"
               : "$d/$_/secret") for sort keys %change;

my $server = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_shared_zone zone=entra:16m;
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    location = /hello { return 200 hello; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
EOC

$t->start("$credentials$server$locations}\n");

for my $name (sort keys %change) {
    ok($t->wait_log(qr/"$name".*denied error/), "$name: a secret is refused");
}

unlink "$d/missing/secret";
ok($t->wait_log(qr/"missing".*cannot open/), 'missing: its file is gone');

for my $name (sort keys %change) {
    my $begin = time;
    $change{$name}->();
    ok(wait_until(sub { $t->get("/$name")->status == 200 }, 20),
       "$name: the right secret is used");
    cmp_ok(time - $begin, '<', $t->seconds(2.8), sprintf 'after %.1f s',
           time - $begin);
}

# a second change of what was replaced
$e->secrets(client_id => $id{kubernetes}, secrets => [{ value => 'third' }]);
$e->forget;
put("$d/kubernetes/..2026/secret", 'third');
ok(wait_until(sub { grep { $_->{status} == 200 }
                    $e->requests(at => 'token',
                                 client_id => $id{kubernetes}) }, 10),
   'the new directory is watched');


# --- many

tree("$d/many");
$credentials = '';
for my $i (1 .. $many) {
    $credentials .= "entra_credential m$i client_secret {\n"
        . "    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;\n"
        . "    client_id %%CLIENT%%; client_secret_file $d/many/$i;\n"
        . "    scope aml; upstreams 127.0.0.1; policies none;\n}\n";
}
my $secret = slurp($t->value('SECRET_FILE'));
put("$d/many/$_", $secret) for 1 .. $many;

ok(defined $t->stop, 'nginx stops');
put("$d/error.log", '');
# however slow an emulator may be on a machine that does other things, too
$t->start("entra_connect_timeout 60s;\nentra_fetch_timeout 60s;\n"
          . "$credentials$server}\n");

$t->ready(120, "$many credentials: all get their token");
unlike($t->log, qr/\[(error|crit)\]/, 'and no error is logged');

SKIP: {
    skip 'memory is another matter', 1
        if $t->sanitized || $ENV{ENTRA_VALGRIND} || $ENV{ENTRA_PRELOAD};

    # what is configured is shared, what fetches needed is given back
    my $kb;
    ok(wait_until(sub { $kb = private(); $kb < 10_000 }, 40),
       "a worker has little of its own: $kb kB");
}

my ($workers) = scalar $t->workers;
my ($every_round, $opened) = $many * $workers * 4 / 2;

# the last of the start may still be under way
ok(wait_until(sub { $opened = opened("$d/many", 4);
                    return $opened < $every_round / 5 }, 40),
   "their files are not read in every round: $opened in 4 s");

sub private {
    my $kb = 0;
    $kb += $_ for slurp("/proc/" . ($t->workers)[0] . "/smaps_rollup")
        =~ /^Private_\w+:\s+(\d+)/mg;
    return $kb;
}

# how often files of a directory are opened in so many seconds
sub opened {
    my ($dir, $seconds) = @_;

    my $count = `python3 - $dir $seconds <<'EOP'
import ctypes, os, select, struct, sys, time
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, sys.argv[1].encode(), 0x20)
end, n = time.time() + float(sys.argv[2]), 0
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        data, at = os.read(fd, 65536), 0
        while at < len(data):
            at += 16 + struct.unpack_from('iIII', data, at)[3]
            n += 1
print(n)
EOP`;
    chomp $count;
    return $count;
}

$t->finish;
