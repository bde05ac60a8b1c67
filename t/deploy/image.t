#!/usr/bin/perl

# The image: built, run as it would be, with the configuration of
# docker/compose.yaml, and asked for its health.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use EntraTest qw(wait_until slurp);
use EntraTest::Deploy qw(base build_dir run top);

plan(skip_all => 'a root for images needs root') if $>;

my $store = build_dir() . '/images';
my $buildah = "buildah --storage-driver vfs --root $store/root"
    . " --runroot $store/run";
my @containers;
my $gateway;

END {
    my $status = $?;
    kill TERM => $gateway if $gateway;
    run("$buildah rm -a");
    run("rm -rf --one-file-system $store");
    $? = $status;
}

sub from {
    my ($image) = @_;

    my (undef, $name) = run("$buildah from --pull-never $image");
    chomp $name;
    return $name;
}

chdir top() or die "chdir: $!";
run("rm -rf --one-file-system $store; mkdir -p $store");


# --- building it

my $empty = from('scratch');
run("$buildah copy -q $empty " . base() . ' /')
    && run("$buildah commit -q --rm $empty localhost/debian")
    or BAIL_OUT('no image to build from');

ok(run("$buildah bud --isolation chroot --network host --format docker"
       . ' --build-arg BASE=localhost/debian -t localhost/nginx-entra'
       . ' -f docker/Dockerfile .'), 'it is built');

my (undef, $sizes) = run("$buildah images --format '{{.Name}} {{.Size}}'");
note($sizes);

my (undef, $config) = run("$buildah inspect --type image localhost/nginx-entra");
like($config, qr/"User": "www-data"/, 'it does not run as root');
like($config, qr/"StopSignal": "SIGQUIT"/, 'it is stopped gracefully');
like($config, qr/healthcheck/, 'it knows whether it is healthy');


# --- running it

my $t = EntraTest->new;
my $e = $t->emulator;
my $state = $t->dir('state');
my $conf = slurp('docker/nginx.conf');

# as the emulator's image leaves them in the volume of both
mkdir $state;
run("cp " . $t->value('CA') . " $state/ca.pem");
run("cp " . $t->value('SECRET_FILE') . " $state/client.secret");
run("chmod 600 $state/*; chown -R www-data: $state");
like(slurp('docker/Dockerfile.emulator'),
     qr/^RUN install -d -o www-data .*\nUSER www-data$/m,
     "the emulator's files are the workers' to read");

# the emulator is on this machine, and knows itself by an address
my %here = (
    'https://emulator:8443' => $t->value('AUTHORITY'),
    'emulator:9443' => '127.0.0.1:' . $t->value('UPSTREAM'),
    '11111111-1111-4111-8111-111111111111' => $t->value('TENANT'),
    'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa' => $t->value('CLIENT'),
    'emulator' => '127.0.0.1',
    'listen 8080' => 'listen ' . $t->port,

    # an engine gives both to the user of the image; this is none
    '/dev/stdout' => '/tmp/access.log',
    '/dev/stderr' => '/tmp/error.log',
);
for my $name (sort { length $b <=> length $a } keys %here) {
    ok($conf =~ s/\Q$name\E/$here{$name}/g, "docker/nginx.conf has $name");
}
$t->write('nginx.conf', $conf);

my $container = from('localhost/nginx-entra');
my $logs = $t->dir('logs');
chmod 0777, $logs;
my $mounts = "-v $state:/state:ro -v $logs:/tmp"
    . ' -v ' . $t->dir('nginx.conf') . ':/etc/nginx/nginx.conf:ro';
my $inside = "$buildah run --isolation chroot --network host"
    . ' --env HEALTH_PORT=' . $t->port;

my ($rc, $said) = run("$inside $mounts $container nginx -t");
is($rc, 0, 'nginx -t') or diag($said);
unlike($said, qr/entra.*\[warn\]|\[warn\].*entra/, 'without a warning of ours');

isnt(scalar(run("$inside $container healthcheck 2>/dev/null")), 1,
     'it is not healthy before it runs');

$gateway = fork // die "fork: $!";
if ($gateway == 0) {
    exec "exec $inside $mounts $container nginx -g 'daemon off;' 2>/dev/null";
}

ok(wait_until(sub { ($t->get('/entra/ready') // return 0)->status == 200 }, 30),
   'it is ready') or diag(slurp("$logs/error.log"));
ok(run("$inside $container healthcheck"), 'and healthy');

my $r = $t->http(method => 'POST', uri => '/score', body => '{"data": [[1, 2]]}',
                 headers => ['Content-Type' => 'application/json', Cookie => 'a=b']);
is($r->status, 200, 'a request is answered') or diag($r->body);
is($e->count(at => 'upstream', path => '/score'), 1, 'by the endpoint');
is($t->get('/score')->status, 403, 'what no policy grants is denied');

my @sent = $e->requests(at => 'upstream', path => '/score');
my ($cookie) = grep { lc $_->[0] eq 'cookie' } @{ $sent[0]{headers} };
is($cookie, undef, "the client's own headers stay behind");

unlike(slurp("$logs/error.log"), qr/\[(alert|emerg|crit|error)\] (?!.*denied)/,
       'its log is clean');

done_testing();
