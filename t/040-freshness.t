#!/usr/bin/perl

# Tokens stay fresh: ahead of need, through failures, and never past their
# end.  The regressions here were seen in other products.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use Time::HiRes qw(time sleep);

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $d = $t->dir;

# one application per case, so that each has its own life and its own faults
my ($credentials, $locations, %id) = ('', '');
sub case {
    my ($name, %app) = @_;
    my $more = delete $app{more} // '';
    $id{$name} = sprintf '%08x-0000-4000-8000-000000000000', 1 + keys %id;
    $e->app(client_id => $id{$name}, secrets => [{ value => "s-$name" }],
            actions => ['*/score/action'], %app);
    $t->write("$name.secret", "s-$name\n");
    $credentials .= <<"EOC";
entra_credential $name client_secret {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id $id{$name};
    client_secret_file %%DIR%%/$name.secret;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
    $more
}
EOC
    $locations .= "location /$name { entra_auth $name;"
        . " proxy_pass https://fraud.westeurope.inference.ml.azure.com/score;"
        . " }\n";
}

sub asked { my ($name) = @_; return $e->requests(at => 'token',
                                                 client_id => $id{$name}) }
sub score { my ($name, %o) = @_; return $t->get("/$name", body => '{}', %o) }
case('short', expires_in => 4);
case('middling', expires_in => 400);
case('hour');
case('refresh_in', refresh_in => 3);
case('once', expires_in => 6);
case('outage', expires_in => 6);
case('down');
case('retry_after');
case('other');
case('short_end', expires_in => 3);
my %answers = (
    malformed  => { preset => 'malformed' },
    empty      => { preset => 'empty' },
    html       => { preset => 'html' },
    oversized  => { preset => 'oversized' },
    wrong_type => { preset => 'wrong_token_type' },
    no_token   => { preset => 'no_token' },
    redirect   => { preset => 'redirect' },
    cut        => { cut => 'body' },
    array      => { body => '[]', status => 200,
                    content_type => 'application/json' },
    null_token => { set => { access_token => undef } },
    number     => { set => { access_token => 42 } },
    crlf       => { set => { access_token => "a\r\nX-Evil: 1" } },
    zero       => { set => { expires_in => 0 } },
    negative   => { set => { expires_in => -5 } },
    word       => { set => { expires_in => 'soon' } },
);
case($_) for sort keys %answers;
case('string', expires_in => 5);
case('float');
case('huge');
case('no_expiry');

for my $name (keys %answers) {
    $e->fault({ client_id => $id{$name}, %{ $answers{$name} } });
}
$e->fault({ client_id => $id{down}, status => 503, body => 'down' });
$e->fault({ client_id => $id{string}, set => { expires_in => '5' } });
$e->fault({ client_id => $id{float}, set => { expires_in => 3599.7 } });
$e->fault({ client_id => $id{huge}, set => { expires_in => 1e15 } });
$e->fault({ client_id => $id{no_expiry}, unset => ['expires_in'] });

my $begin = time;
$t->start(<<"EOC");
entra_trusted_certificate %%CA%%;
entra_fetch_timeout 2s;
entra_wait 1s;
$credentials
upstream fraud.westeurope.inference.ml.azure.com {
    server 127.0.0.1:%%UPSTREAM%%;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    $locations
    location = /scoped {
        entra_auth hour scope=arm;
        proxy_pass https://fraud.westeurope.inference.ml.azure.com/score;
    }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

ok(wait_until(sub { score('hour')->status == 200 }), 'a token is there');


# the provider is down at start, or talks nonsense

for my $name ('down', sort keys %answers) {
    my $r = score($name);
    is($r->status, 503, "$name at start: 503");
    like($r->header('content-type') // '', qr{^application/problem\+json},
         "$name: a problem");
    cmp_ok($r->header('retry-after') // 0, '>=', 1, "$name: Retry-After");
}
my $n = asked('down');
ok(wait_until(sub { asked('down') > $n }, 20),
   'attempts go on without requests');
$e->clear_faults;
$e->fault({ client_id => $id{string}, set => { expires_in => '5' } });
$e->fault({ client_id => $id{no_expiry}, unset => ['expires_in'] });
for my $name ('down', sort keys %answers) {
    ok(wait_until(sub { score($name)->status == 200 }, 70),
       "$name: heals by itself");
}


# expires_in in every dress

is(score($_)->status, 200, "expires_in as $_") for qw(string float huge);
my $r = score('no_expiry');
ok($r->status == 200 || $r->status == 503, 'no expires_in: answered');
ok($t->credential('huge')->{expires_in} > 0, 'huge: bounded');
ok($t->credential('huge')->{expires_in} <= 30 * 86400, 'huge: not for ever');


# lives shorter than the margin

is(scalar asked('middling'), 1,
   'a life under twice the margin is no reason to fetch again and again');
is(scalar asked('hour'), 1, 'nor an hour');
my $until = time + 10;
my ($total, $failed) = (0, 0);
while (time < $until) {
    $total++;
    $failed++ if score('short')->status != 200;
    sleep 0.05;
}
is($failed, 0, "$total requests over three lives of a short token");
my $seconds = time - $begin;
$n = asked('short');
cmp_ok($n, '>=', int($seconds / 4), 'refreshed in time');
cmp_ok($n, '<=', 2 + $seconds / 2, 'and not all the time');
$n = asked('refresh_in');
cmp_ok($n, '>=', int($seconds / 4), 'refresh_in is followed');
cmp_ok($n, '<=', 2 + $seconds / 1.8, 'and not overdone');


# failures while a token is held

$e->fault({ client_id => $id{once}, status => 500, times => 1 });
$n = asked('once');
ok(wait_until(sub { asked('once') > $n + 2 }, 20),
   'one failed refresh does not end the loop');
is(score('once')->status, 200, 'and costs nothing');

ok(wait_until(sub { $t->credential('outage')->{expires_in} >= 3 }),
   'a fresh token');
$e->fault({ client_id => $id{outage}, status => 503 });
$failed = 0;
my $left = $t->credential('outage')->{expires_in};
$until = time + $left - 0.5;
while (time < $until) {
    $failed++ if score('outage')->status != 200;
    sleep 0.1;
}
is($failed, 0, 'an outage is not noticed while the token lives');
ok($t->credential('outage')->{failures} > 0, 'but counted');
ok(wait_until(sub { score('outage')->status == 503 }, 10),
   'after that there is none');
is(score('other')->status, 200, 'another credential does not mind');
$e->clear_faults;
ok(wait_until(sub { score('outage')->status == 200 }, 70), 'until it is back');

# never sent expired: the stand-in judges by the token's own end
$e->fault({ client_id => $id{short_end}, hang => 1 });
my %got;
$until = time + 7;
while (time < $until) {
    $got{ score('short_end')->status }++;
    sleep 0.05;
}
ok(!$got{401}, 'an expired token is never sent') or diag explain \%got;
ok($got{503}, 'it ended indeed');
$e->clear_faults;


# throttled

$e->revoke(client_id => $id{retry_after});
$e->fault({ client_id => $id{retry_after}, preset => 'throttle',
            headers => { 'Retry-After' => '4' }, times => 1 });
$n = asked('retry_after');
score('retry_after');           # 401 makes it fetch
ok(wait_until(sub { asked('retry_after') > $n }), 'throttled');
my $at = time;
score('retry_after') for 1 .. 5;
ok(wait_until(sub { asked('retry_after') > $n + 1 }, 20), 'tried again');
my @two = (asked('retry_after'))[-2, -1];
cmp_ok($two[1]{time} - $two[0]{time}, '>=', 3.9, 'not before Retry-After');


# the scope is part of the key

$r = $t->get('/scoped', body => '{}');
is($r->status, 401, 'a token of another scope is another token');
my %scopes = map { $_->{form}{scope} => 1 } asked('hour');
is_deeply([sort keys %scopes],
          ['https://management.azure.com/.default',
           'https://ml.azure.com/.default'], 'both scopes were asked for');
is(score('hour')->status, 200, 'the first is unharmed');


# the secret's file

sub uses {
    my ($secret, $from) = @_;
    return wait_until(sub { grep { $_->{form}{client_secret} eq $secret
                                   && $_->{n} > $from } asked('other') }, 30);
}

my $file = "$d/other.secret";
$e->app(client_id => $id{other}, secrets => [map { { value => $_ } }
    's-other', 'with newline', 'crlf', join('-', 'written', 'in', 'steps',
    'a' .. 'z'), 'linked', 'after']);
my $since = (asked('other'))[-1]{n};
$t->write($file, "with newline\n");
ok(uses('with newline', $since), 'the newline at its end is not part of it');
$t->write($file, "crlf\r\n");
ok(uses('crlf', $since), 'nor CR LF');

# in many steps, some of which workers see

{
    my $whole = join '-', 'written', 'in', 'steps', 'a' .. 'z';
    open my $f, '>', $file or die "$file: $!";
    for my $part (split //, $whole) {
        syswrite $f, $part;
        select undef, undef, undef, 0.1;
    }
    close $f;
    ok(uses($whole, $since), 'a secret that is long in the writing');
    is_deeply([grep { !/^(?:s-other|with newline|crlf|\Q$whole\E)$/ }
               map { $_->{form}{client_secret} } asked('other')], [],
              'no part of it was sent');
}

$t->write('real.1', "linked\n");
symlink "$d/real.1", "$d/link" or die;
rename "$d/link", $file or die;
ok(uses('linked', $since), 'a symbolic link took its place');
$t->write($file, '');
ok($t->wait_log(qr/other\.secret.*empty|empty.*other\.secret/i, 30),
   'an empty file is reported');
is(score('other')->status, 200, 'the token stays');
sleep 1;
my $lines = () = $t->log =~ /other\.secret.*empty|empty.*other\.secret/gi;
cmp_ok($lines, '<=', 2, 'once, not each time');
unlink $file;
is(score('other')->status, 200, 'a missing one too');
$t->write($file, 'after');
ok(uses('after', $since), 'the next good value is taken');
ok(!(grep { $_->{form}{client_secret} eq '' } asked('other')),
   'an empty secret was never sent');

$t->finish;
