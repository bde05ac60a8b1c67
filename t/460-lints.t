#!/usr/bin/perl

# What nginx -t says of policies that do not do what they seem to do: each
# with the place, what to write, once; and nothing about the sound variant.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1)->module->need('http_realip');
my $e = $t->emulator;

my $defs = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_caller_token { tenant_id %%TENANT%%; audience api://gateway;
                     authority_host %%AUTHORITY%%; }
entra_caller shop { token oid=11111111-1111-4111-8111-111111111111; }
entra_caller guest { certificate san_dns=guest.example; }
entra_named_location corp { 10.0.0.0/8; }
entra_named_location lab { 10.1.0.0/16; }
entra_named_location both { 10.0.0.0/8; 2001:db8::/32; }
EOC
my $n = ($defs =~ tr/\n//);

# a whole http block; the rules begin on line $n + 1
sub conf {
    my ($rules, %o) = @_;

    my $listen = $o{listen} // 'listen 127.0.0.1:%%PORT%%;';
    my $policies = $o{policies} // join ' ', $rules =~ /entra_policy (\S+)/g;
    my $location = $o{location} // '';
    my $server = $o{server} // '';
    my $more = $o{more} // '';
    return $defs . $rules . <<"EOC";
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope aml; upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    policies $policies;
}
server {
    $listen
    include %%PROXY%%;
    $server
    location /x {
        entra_auth app;
        $location
        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%;
    }
    $more
}
EOC
}

sub warnings {
    my ($rules, %o) = @_;

    # what all configurations here have, and some do not need
    return grep { /\[warn\]/ && !/" is not used: |no server in which it decides/ }
        split /\n/, $t->accepts('it', conf($rules, %o), %o);
}

# "..." stands for anything
sub phrase {
    my $re = join '.*', map { quotemeta } split / \.\.\. /, $_[0];
    return qr/$re/;
}

# line: counted from the first line of the rules
sub fires {
    my ($name, $rules, $line, $want, %o) = @_;

    my @said = warnings($rules, %o);
    is(scalar @said, 1, "$name: one warning") or diag join "\n", @said;
    like($said[0] // '', phrase($want), "$name: says what to write");
    my $place = $line =~ /\D/ ? $line : 'nginx.conf:' . ($n + $line);
    like($said[0] // '', qr/ in \S*\Q$place\E$/, "$name: and where");
}

sub silent {
    my ($name, $rules, %o) = @_;
    is(join("\n", warnings($rules, %o)), '', "$name: nothing to say");
}

my $g = "entra_policy g { operations \"POST /score\"; grant; }\n";
my $dual = 'listen 127.0.0.1:%%PORT%%; listen [::]:%%PORT%% ipv6only=off;';

# a policy that can never apply
fires('except takes all', "$g\nentra_policy p {\n    locations lab except "
      . "corp;\n    block;\n}\n", 4,
      'entra_policy "p" can never apply: ... locations ... ; take '
      . 'something out of "except"');
fires('of callers', "entra_policy g { operations \"GET /a\"; grant all token;"
      . " }\nentra_policy p { callers shop except shop; block; }\n", 2,
      '"p" can never apply ... take something out');
fires('of operations', $g . 'entra_policy p { operations "GET /a" except '
      . "\"GET /a\" \"GET /b\"; block; }\n", 2, '"p" can never apply');
silent('something is left',
       $g . "entra_policy p { locations corp except lab; block; }\n");
silent('nobody uses it', $g . "entra_policy p { locations lab except corp; "
       . "block; }\n", policies => 'g');
silent('it is disabled', $g . "entra_policy p { state disabled; locations "
       . "lab except corp; block; }\n");

# a grant that is never reached
fires('a block of the same', "entra_policy p { locations corp; block; }\n"
      . "entra_policy q { locations lab; operations \"GET /a\"; grant; }\n"
      . $g, 2,
      'credential "app": entra_policy "q" can never grant: '
      . 'entra_policy "p" blocks ... ; write ... "except" of the block');
silent('a block of less', "entra_policy p { locations lab; block; }\n"
       . "entra_policy q { locations corp; operations \"GET /a\"; grant; }\n");
fires('no grant at all', "entra_policy p { locations corp; block; }\n",
      2,
      'credential "app": none of ... grants anything ... ; add a '
      . 'policy with "grant;"');
fires('only one that reports', "entra_policy p { state report_only; "
      . "operations any; grant; }\n", 3 - 1, 'none of its enabled policies');
fires('everything for everybody', "entra_policy p { grant; }\n", 1,
      'entra_policy "p" grants everybody everything ... ; write who or what');

# a block that is escaped by saying less
fires('a block by identity', "entra_policy p { callers guest; block; }\n$g",
      1,
      '"p" blocks callers who can escape it by presenting no '
      . 'credential, as entra_policy "g" ... ; name the callers that '
      . 'are allowed');
silent('the grant asks for one', "entra_policy p { callers guest; block; }\n"
       . "entra_policy q { operations \"GET /a\"; grant all token; }\n");
silent('all but some are blocked', "entra_policy p { callers any except "
       . "shop; block; }\n$g");

# report_only past its date
fires('past its date', "$g\n\nentra_policy p { state report_only "
      . "until=2020-01-31; block; }\n", 4,
      '"p" was to be report_only until 2020-0 ... , which is past '
      . '... ; write "state enabled;"');
silent('before it', $g . "entra_policy p { state report_only "
       . "until=2099-01-31; block; }\n");
silent('without one', $g . "entra_policy p { state report_only; block; }\n");

# an authentication context by its name
fires('of a policy', "entra_policy p { operations \"GET /a\"; grant all token "
      . "acrs=Strong; }\n", 1, 'entra_policy "p" asks for "acrs=Strong", which '
      . 'is none of Entra\'s ... , c1 to c99; write the ID');
fires('of a caller', "entra_caller vip { token acrs=C1; }\nentra_policy p { "
      . "callers vip; operations \"GET /a\"; grant; }\n", 1,
      'entra_caller "vip" asks for "acrs=C1"');
silent('by its ID', "entra_policy p { operations \"GET /a\"; grant all token "
       . "acrs=c1; }\n");

# IPv4 only
SKIP: {
    skip 'no IPv6', 12 unless -e '/proc/net/if_inet6';
    fires('a list of IPv4', "$g" . "entra_policy p { locations any except "
          . "corp; block; }\n", 2,
      'entra_policy "p": named location "corp" has only IPv4 ranges, '
      . 'and ... ; add the IPv6 ranges',
          listen => $dual);
    fires('in the policy', $g . "entra_policy p { peers 10.0.0.0/8; block; }"
          . "\n", 2, 'its addresses are only IPv4 ranges',
          listen => $dual);
    silent('both families', $g . "entra_policy p { locations any except "
           . "both; block; }\n", listen => $dual);
    silent('IPv4 listeners', $g . "entra_policy p { locations any except "
           . "corp; block; }\n");
}

# a trusted proxy inside
my $behind = "entra_trusted_proxies 10.0.0.4/32;\n";
fires('a proxy in a grant', "${behind}entra_policy p { locations corp; "
      . "operations \"GET /a\"; grant; }\n", 2,
      'a trusted proxy is in the locations that entra_policy '
      . '"p" grants ... ; remove it');
fires('a proxy in an exception', "$behind${g}entra_policy p { locations any "
      . "except corp; block; }\n", 3, '"p" excepts; remove its address');
silent('a proxy outside', "${behind}entra_policy p { locations lab; "
       . "operations \"GET /a\"; grant; }\n");
silent('a proxy that is excepted', "${behind}entra_policy p { locations corp "
       . "except 10.0.0.4/32; operations \"GET /a\"; grant; }\n");

# realip, and nobody says who may
my $inside = "entra_policy p { locations any except corp; block; }\n$g";
fires('realip alone', $inside, 2 + 12,
      '"set_real_ip_from" without "entra_trusted_proxies": ... "p" '
      . '... write "entra_trusted_proxies 10.9.0.4;"',
      server => 'set_real_ip_from 10.9.0.4;');
silent('with trusted proxies', "entra_trusted_proxies 192.0.2.4/32;\n$inside",
       server => 'set_real_ip_from 192.0.2.4;');
silent('where no policy looks at addresses', $g,
       server => 'set_real_ip_from 10.9.0.4;');

# satisfy any
fires('satisfy any', $g, 1 + 14,
      'location "/x" has "satisfy any" beside a credential ... ; '
      . 'write "satisfy all;"',
      location => 'satisfy any; allow 10.0.0.0/8; deny all;');
silent('satisfy all', $g, location => 'satisfy all; allow 127.0.0.0/8; '
       . 'deny all;');
silent('satisfy any elsewhere', $g, more => 'location /y { satisfy any; '
       . 'allow 127.0.0.0/8; deny all; return 200; }');

# one mistake is told once, however many locations it is in
fires('in many locations', "entra_policy p { locations corp; block; }\n", 2,
      'credential "app": none of its enabled policies', more => join '', map {
          "location /$_ { entra_auth app; proxy_pass "
          . "http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n" } 1 .. 20);

# a location's own policies: the place is where they are written
fires('policies of a location', $g . "entra_policy p { block; }\n", 1,
      'credential "app" in location "/x": entra_policy "g" can never',
      policies => 'g', location => 'entra_policies p;');
# where a variable names the credential, and of a second token
my $other = 'entra_credential other client_secret { %%CREDENTIAL%% scope arm;'
    . ' upstreams http://127.0.0.1:%%UPSTREAM_PLAIN%%; policies p; }' . "\n";
fires('a variable', $g . "entra_policy p { locations corp; block; }\n$other",
      'nginx.conf:' . ($n + 3), 'credential "other": none of its enabled',
      policies => 'g', more => 'location /v { entra_auth $arg_c; '
      . 'proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }');
fires('a second token', $g . "entra_policy p { locations corp; block; }\n"
      . $other, 'nginx.conf:' . ($n + 3), '"other": none of its enabled',
      policies => 'g', location => 'entra_token $second other;');

# mistakes that are no warnings have a place too
sub refused {
    my ($name, $want, $rules, %o) = @_;
    $t->refuses($name, conf($rules, %o), phrase($want));
}
refused('an unknown location',
      'entra_policy "p", "locations": unknown location "crop", did '
      . 'you mean "corp"? in ... nginx.conf:',
        $g . "entra_policy p { locations crop; block; }\n");
refused('an unknown policy',
      'unknown policy "q"; there are: g in ... nginx.conf:', $g,
        policies => 'q');

# too many of them
my @many = map { "p$_" } 1 .. 65;
my $many = join '', map { "entra_policy $_ { state report_only; block; }\n" }
    @many;
refused('65 policies',
      '65 policies decide about credential "app" in location "/x", '
      . 'where 64 are possible; join some ... nginx.conf:', $many,
        policies => "@many");
silent('64 policies', $g . $many =~ s/^.*\n.*\n//r,
       policies => "g @many[2 .. 64]");

# thousands are defined and used, a few of them each time
my @crowd = map { "c$_" } 1 .. 2000;
my $crowd = join '', map { "entra_policy $_ { state report_only; block; }\n" }
    @crowd;
my $locations = join '', map {
    my $first = $_ * 50;
    "location /l$_ { entra_auth app; entra_policies "
    . "@crowd[$first .. $first + 49]; proxy_pass "
    . "http://127.0.0.1:%%UPSTREAM_PLAIN%%; }\n" } 0 .. 39;
my @said = warnings("$g$crowd", policies => 'g', more => $locations);
is(scalar @said, 1, '2,000 policies: one warning');
like($said[0] // '', phrase(
      'zone "entra" may be too small for 2 tokens and the counters '
      . 'of 2001 policies; write "entra_shared_zone zone=entra:5m"'),
     '2,000 policies: the zone');

my $conf = conf("$g$crowd", policies => 'g', more => "$locations
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }");
$t->start("entra_shared_zone zone=entra:8m;\n$conf");
ok(wait_until(sub { $t->get('/entra/ready')->status == 200 }), 'they run');
is($t->get('/l39/x')->status, 403, 'and decide');
my $s = $t->status;
is(scalar @{ $s->{policies} }, 2001, 'the status shows all');
is($s->{policies}[2000]{would_deny}, 1, 'with their counters');
like($t->get('/entra/status?format=prometheus')->body,
     qr/policy="c2000",result="reportOnlyFailure"\} 1$/m, 'metrics too');
is($t->get('/entra/status?format=html')->status, 200, 'and the page');

$t->finish;
