#!/usr/bin/perl

# Lists of addresses in files: used within seconds of a change, and the last
# good one stays when the new one is broken.  What nginx -t refuses.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $t = EntraTest->new->module;
my $e = $t->emulator;

my $head = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml;
    upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies in;
}
EOC
my $server = <<'EOC';
server {
    listen 127.0.0.1:%%PORT%% reuseport;
    add_header X-Worker $pid always;
    location /in { include %%PROXY%%; entra_auth app;
                   proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

# nginx -t

sub conf {
    my ($list, $policy) = @_;
    return "$head\nentra_named_location list { $list }\n"
        . ($policy // 'entra_policy in { locations list; grant; }')
        . "\n$server";
}
sub refused {
    my ($list, $why, $policy) = @_;
    return $t->refuses(substr($policy // $list, 0, 60),
                       conf($list, $policy), $why);
}
sub file { $t->write(@_) }

refused('198.51.100.7/24;',
        qr{write "198\.51\.100\.0/24" .*"198\.51\.100\.7/32".*conf:1[0-9]$}m);
refused('10.0.0.0/7;', qr{wider than /8.*"any"});
refused('0.0.0.0/0;', qr{wider than /8});
refused('::/0;', qr{wider than /16});
refused('::ffff:0:0/95;', qr{conf:1[0-9]$}m);
refused('010.1.1.1;', qr{no leading zeros});
refused('10.1/16;', qr{is not an address or a CIDR});
refused('10.1.1.1-10.1.1.9;', qr{is not an address or a CIDR});
refused('10.1.1.0/024;', qr{is not an address});
refused('fe80::1%eth0;', qr{zones});
refused('localhost;', qr{is not an address});
refused('', qr{an empty block.*conf:1[0-9]$}m);
refused('10.0.0.0/8;', qr{unknown location "lst", did you mean "list"\?},
        'entra_policy in { locations lst; grant; }');
refused('10.0.0.0/8;', qr{needs "any" or names.*conf:1[0-9]$}m,
        'entra_policy in { locations; grant; }');
refused('10.0.0.0/8;', qr{"except"},
        'entra_policy in { locations any except; grant; }');
refused('file none.cidr;', qr{cannot open ".*/check\d+/none.cidr".*conf:1[0-9]$}m);
refused('file;', qr{"file PATH"});

my %broken = (
    empty => ['', qr{list.cidr" is empty}], blank => ["\n \n", qr{is empty}],
    comments => ["# nothing\n", qr{there is no range in it}],
    word => ["10.0.0.0/8\noffice\n", qr{list.cidr:2: "office" is not}],
    'host bits' => ["10.0.0.0/8\n\n10.1.1.1/24\n", qr{list.cidr:3: .*host}],
    crlf => ["10.0.0.0/8\r\n10.1.1.1/24\r\n", qr{list.cidr:2: }],
    nul => ["10.0.0.0/8\n10.1.1.0/24\0\n", qr{list.cidr:2: }],
    long => ['1' x 1_000_000 . "\n", qr{list.cidr:1: }],
    'cut off' => ["10.0.0.0/8\n10.1.1.0/2", qr{list.cidr:2: .*wider}],
    columns => ["10.0.0.0/8 office\n", qr{list.cidr:1: }],
    json => ['{"ipRanges": [', qr{list.cidr: not JSON}],
    country => ['{"@odata.type": "#microsoft.graph.countryNamedLocation",
                  "countriesAndRegions": ["DE"]}', qr{by country}],
    'no ranges' => ['{"displayName": "x", "ipRanges": []}', qr{no range}],
    'odd range' => ['{"ipRanges": [{"cidrAddress": "10.0.0.0/8"},
                     {"lowerAddress": "10.0.0.9", "upperAddress":
                      "10.0.0.1"}]}', qr{element 2: .*ends before}],
    list => ['{"value": [{"displayName": "A", "ipRanges": []},
              {"displayName": "B", "ipRanges": []}]}',
             qr{display_name=NAME" with one of "A", "B"}],
    page => ['{"value": [], "@odata.nextLink": "x"}', qr{a page of a longer}],
);
for my $case (sort keys %broken) {
    my ($text, $why) = @{ $broken{$case} };
    file('list.cidr', $text);
    my $out = refused('file %%DIR%%/list.cidr;', $why);
    like($out, qr{list.cidr(:\d+|"|:).*conf:1[0-9]$}m, "  with file and line: $case");
}
mkdir $t->dir('folder');
refused('file %%DIR%%/folder;', qr{not a regular file});

file('graph.json', '{"@odata.context": "x", "value": [
    {"@odata.type": "#microsoft.graph.ipNamedLocation", "displayName": "Lab",
     "isTrusted": true, "ipRanges": [
        {"@odata.type": "#microsoft.graph.iPv4CidrRange",
         "cidrAddress": "127.0.7.0/24"},
        {"@odata.type": "#microsoft.graph.iPv6CidrRange",
         "cidrAddress": "2001:db8::/48"}]},
    {"@odata.type": "#microsoft.graph.countryNamedLocation",
     "displayName": "DE", "countriesAndRegions": ["DE"]}]}');
$t->accepts('one of a list of Graph',
            conf('file %%DIR%%/graph.json display_name=Lab;'));
refused('file %%DIR%%/graph.json display_name=lab;', qr{there are: "Lab"});
refused('file %%DIR%%/graph.json display_name=DE;', qr{by country});

$t->refuses('a trusted proxy is no range',
            conf('10.0.0.0/8;') . "entra_trusted_proxies 10.1.1.1/24;\n",
            qr/entra_trusted_proxies: "10.1.1.1\/24" has bits/);
like($t->accepts('a proxy inside an allowed location', conf('10.0.0.0/8;')
                 . "entra_trusted_proxies 10.1.1.1 unix;\n"),
     qr/\[warn\].*prox/, 'with a warning');

# A relative name is beside nginx.conf, a list may be in an included file
mkdir $t->dir('lists');
file('lists/rel.cidr', "127.0.0.0/24\n");
file('lists/more.conf', "127.0.9.0/24;\n");
$t->accepts('relative names',
            conf('file ../lists/rel.cidr; include ../lists/more.conf;'));

# a running nginx

file('list.cidr', "# the lab\n127.0.1.0/24   # first\n\n");
file('two.cidr', "127.0.8.0/24\n");
$t->start(conf('file %%DIR%%/list.cidr; 127.0.2.0/24; file two.cidr;'));
$t->ready;

sub answers {
    my ($from) = @_;
    return $t->statuses(sub {
        my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            LocalAddr => $from, PeerPort => $t->port, Proto => 'tcp');
        return $t->get('/in', socket => $c);
    });
}
sub within {
    my ($from, $want, $what, $begin) = @_;
    my $begin_ = time;
    ok(wait_until(sub { answers($from) eq $want }, 10), $what);
    cmp_ok(time - $begin_, '<', $t->seconds(8), '  within seconds');
}
is(answers('127.0.1.9'), '200', 'of the file');
is(answers('127.0.2.9'), '200', 'of the block');
is(answers('127.0.8.9'), '200', 'of the second file');
is(answers('127.0.3.9'), '403', 'of none');

file('list.cidr', "127.0.3.0/24");
within('127.0.3.9', '200', 'a new list');
within('127.0.1.9', '403', 'replaces the old one, in each worker');
is(answers('127.0.2.9'), '200', 'the block stays');
ok($t->wait_log(qr/\[notice\].*"list": new list, 3 ranges/), 'it is logged');

# in place, as an editor or cp does
open my $f, '>', $t->dir('list.cidr') or die;
print $f "127.0.4.0/24\n";
close $f;
within('127.0.4.9', '200', 'written in place');

# A slow writer: what is half there is not used
open $f, '>', $t->dir('list.cidr') or die;
$f->autoflush(1);
my ($half, $until) = (0, time + 5);
print $f "127.0.4.0/24\n127.0.5.0/24\n127.0.";
while (time < $until) {
    utime undef, undef, $t->dir('list.cidr');
    $half++ if answers('127.0.5.9') ne '403';
    $half++ if answers('127.0.4.9') ne '200';
    sleep 0.3;
    print $f '';
}
is($half, 0, 'nothing of a file that is being written');
print $f "6.0/24\n";
close $f;
within('127.0.6.9', '200', 'all of it when it is done');

my @live = ('empty', 'host bits', 'json');
my $logged = 0;
for my $case (@live) {
    file('list.cidr', $broken{$case}[0]);
    my @lines;
    ok(wait_until(sub { @lines = $t->log =~ /(.*last good list stays.*)/g;
                        @lines > $logged }, 10), "broken, $case: logged");
    is(@lines, ++$logged, '  once');
    like($lines[-1], qr/\[error\].*$broken{$case}[1]/, '  with the reason');
    is(answers('127.0.6.9') . answers('127.0.9.9'), '200403',
       '  the last good list stays');
}
my ($l) = $t->get('/entra/status')->json->{named_locations}[0];
is($l->{entries}, 5, 'status: ranges');
cmp_ok($l->{failures}, '>', 0, 'failures');
like($l->{error}, qr/list\.cidr/, 'and the last error');

unlink $t->dir('list.cidr');
ok($t->wait_log(qr/cannot open ".*list\.cidr".*last good list stays/), 'gone');
is(answers('127.0.6.9'), '200', 'the list stays');
mkdir $t->dir('list.cidr');
ok($t->wait_log(qr/list\.cidr" is a directory, not a regular file/), 'a directory');
is(answers('127.0.6.9'), '200', 'the list stays');
rmdir $t->dir('list.cidr');

# a symbolic link that is moved, as Kubernetes does
file('a.cidr', "127.0.10.0/24\n");
file('b.cidr', "127.0.11.0/24\n");
symlink 'a.cidr', $t->dir('list.cidr');
within('127.0.10.9', '200', 'a link');
is($t->get('/entra/status')->json->{named_locations}[0]{error}, undef,
   'no error any more');
symlink 'b.cidr', $t->dir('link.new');
rename $t->dir('link.new'), $t->dir('list.cidr');
within('127.0.11.9', '200', 'the link leads elsewhere');
within('127.0.10.9', '403', 'not there any more');

# a reload with a broken file changes nothing
file('b.cidr', "garbage\n");
$t->expect(qr/\[emerg\].*"list": .*list\.cidr:1:/);
my @workers = $t->workers;
$t->signal('HUP');
ok($t->wait_log(qr/\[emerg\].*list\.cidr:1: "garbage"/), 'a reload fails');
is("@{[ $t->workers ]}", "@workers", 'and the workers stay');
is(answers('127.0.11.9'), '200', 'with the last good list');

file('b.cidr', "\xef\xbb\xbf127.0.12.0/24\r\n127.0.13.0/24\r\n");
within('127.0.13.9', '200', 'a byte order mark and CRLF');
file('b.cidr', '{"displayName": "Lab", "ipRanges": [
    {"cidrAddress": "127.0.14.0/24"},
    {"lowerAddress": "127.0.15.4", "upperAddress": "127.0.15.6"}]}');
within('127.0.14.9', '200', 'JSON of Graph in its place');
within("127.0.15.$_", /[46]/ ? 200 : 403, "a range of it: $_") for 3, 4, 6, 7;

$t->finish;
