#!/usr/bin/perl

# The support of the tests itself, with nginx but without the module.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new;
my $e = $t->emulator;

my $conf = <<'EOC';
server {
    listen 127.0.0.1:%%PORT%%;
    location /tls/ {
        proxy_pass https://localhost:%%UPSTREAM%%/;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate %%CA%%;
        proxy_ssl_name localhost;
        proxy_ssl_server_name on;
    }
    location / { proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /version { return 200 one; }
}
EOC

$t->accepts('good', $conf);
$t->refuses('bad', "\n\nnonsense;\n", qr/"nonsense".*nginx\.conf:3$/m);

$t->start($conf);

my $r = $t->get('/a?b=c', headers => ['X-Test' => 'yes']);
is($r->status, 200, 'an answer');
is($r->json->{target}, '/a?b=c', 'the upstream echoes');
is_deeply([$r->seen('x-test')], ['yes'], 'and its headers');
is($t->http(uri => '/x', body => 'abc')->json->{body}, 'abc', 'a body');
is($t->get('/tls/')->json->{sni}, 'localhost', 'upstream over TLS');
is($e->count(at => 'upstream'), 3, 'requests are recorded');

my $first = $t->get('/', keepalive => 1);
my $second = $t->get('/', socket => $first->{socket});
is($second->status, 200, 'a connection is used twice');

my @many = $t->many(200, uri => '/');
is(scalar(grep { $_->status == 200 } @many), 200, 'many at once');

my $load = $t->load('/version', clients => 2);
ok($t->reload($conf =~ s/one/two/r, wait => 1), 'reload');
is($t->get('/version')->body, 'two', 'the new configuration');
ok($t->upgrade, 'binary upgrade');
is($t->get('/version')->body, 'two', 'the new binary answers');
my $sum = $load->stop;
cmp_ok($sum->{total}, '>', 5, 'load in the background');

my ($worker) = $t->workers;
$t->expect(qr/worker process $worker exited on signal 9/);
$t->signal(KILL => $worker);
ok(wait_until(sub { my @w = $t->workers;
                    @w == 2 && !grep { $_ == $worker } @w }),
   'a killed worker is replaced');

$e->stop;
is($t->get('/')->status, 502, 'the upstream is gone');
$e->restart;
is($t->get('/')->status, 200, 'and back on the same port');

is($t->curl('-d', 'xyz', 'http://127.0.0.1:%%PORT%%/c')->json->{body}, 'xyz',
   'curl');

$t->finish;
