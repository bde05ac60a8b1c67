#!/usr/bin/perl

# entra_sign_in with device_code (RFC 8628): how it polls, and what the page
# shows meanwhile, whichever worker is asked.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

use EntraTest qw(wait_until slurp);
use EntraTest::Browser;

my $t = EntraTest->new(warnings => 1)->module;
my $e = $t->emulator(settings => { device_interval => 1 });
my @names = qw(one slow declined expired late reload broken);

$t->start(join '', "entra_trusted_certificate %%CA%%;\n",
    (map { <<"EOC" } @names), <<'EOC');
entra_credential $_ device_code {
    authority_host %%AUTHORITY%%;
    tenant_id %%TENANT%%;
    client_id %%PUBLIC_CLIENT%%;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
    preload @{[ $_ eq 'one' ? 'on' : 'off' ]};
}
EOC
add_header X-Worker $pid always;
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_wait 10ms;
    location /in { entra_sign_in; }
    location / { entra_auth one; proxy_pass https://echo.test; }
    location = /entra/status { entra_status; }
    location = /entra/ready { entra_status ready; }
}
EOC

my $b = EntraTest::Browser->new(port => $t->port);

sub section { return EntraTest::Browser::section($b->get('/in'), $_[0]) }

# the code that the page shows for a credential
sub user_code { return section($_[0]) =~ /class="code">([^<]+)</ ? $1 : '' }

# what came to the token endpoint for a device code, oldest first
sub polls {
    my ($code) = @_;
    return grep { $_->{body} =~ /device_code=\Q$code\E(?:&|$)/ }
        $e->requests(at => 'token');
}

# begins, and gives the emulator's record of it
sub begin {
    my ($name) = @_;
    my $r = $b->sign_in('/in', $name);
    is $r->status, 303, "$name: begun";
    is $r->header('location'), '/in', "$name: to the page, without a host";
    my $code = user_code($name);
    my ($device) = grep { $_->{user_code} eq $code }
        @{ $e->control(GET => 'device') };
    ok $device, "$name: the page shows the code";
    return $device;
}

is $t->get('/entra/ready')->status, 503, 'not ready';

# all of them at once: their clocks run side by side

my %device = map { $_ => begin($_) } qw(one slow declined);
my $page = $b->get('/in');
like $page->body, qr/http-equiv="refresh" content="5">/,
    'the page looks by itself';
like $page->body, qr{<a href="https://localhost:\d+/devicelogin" target="_blank" rel="noopener">},
    'where to go';
my ($asked) = $e->requests(at => 'devicecode');
is $asked->{body}, 'client_id=' . $t->value('PUBLIC_CLIENT')
    . '&scope=https%3A%2F%2Fml.azure.com%2F.default%20openid%20profile%20offline_access',
    'what Entra was asked for';
my $other = EntraTest::Browser->new(port => $t->port);
unlike $other->get('/in')->body, qr/class="code"/,
    'another browser sees no code';

# authorization_pending, then approved

ok wait_until(sub { $e->count(at => 'token') >= 6 }), 'it polls';
my ($poll) = $e->requests(at => 'token');
like $poll->{body}, qr/grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code/,
    'with the grant of RFC 8628';

# slow_down: 5 s more

$e->fault({ at => 'token', times => 1, status => 400,
            json => { error => 'slow_down' } });
my $slowed;
ok wait_until(sub {
    ($slowed) = grep { defined $_->{fault} } $e->requests(at => 'token');
}), 'slow_down';
$e->clear_faults;
my ($slow_code) = $slowed->{body} =~ /device_code=([^&]+)/;
sub later { return grep { $_->{n} > $slowed->{n} } polls($slow_code) }

$e->control(POST => 'device', { user_code => $device{declined}{user_code},
                                state => 'declined' });
ok wait_until(sub { section('declined') =~ /role="alert">The sign-in was declined/ }),
    'declined, and the page says so';
is $t->get('/')->status, 503, 'nobody has signed in yet';

ok wait_until(sub { later() }, 20), 'it polls again';
cmp_ok +(later())[0]{time} - $slowed->{time}, '>=', 5.9,
    'slow_down: 5 seconds more between two polls';

$e->control(POST => 'device', { user_code => $device{$_}{user_code},
                                state => 'approved' }) for qw(one slow);
ok wait_until(sub { section('one')
    =~ /Done: alice\@contoso\.example has signed in/ }, 20), 'approved';
like section('one'), qr/class="good">Signed in as <b>alice\@contoso\.example</,
    'and the page says so';
ok wait_until(sub { $t->get('/')->status == 200 }), 'a token';
ok wait_until(sub { $t->get('/entra/ready')->status == 200 }), 'ready';
ok wait_until(sub { section('slow') =~ /Done: alice/ }, 20), 'the slow one, too';
unlike $b->get('/in')->body, qr/http-equiv="refresh"/,
    'nothing is waited for any more';


# expired: Entra says so, or nobody has to

$device{expired} = begin('expired');
$e->control(POST => 'device', { user_code => $device{expired}{user_code},
                                state => 'expired' });
$e->settings(device_expires_in => 2);
$device{late} = begin('late');
$e->settings(device_expires_in => 900);
ok wait_until(sub { section($_) =~ /The code expired before anybody/ }),
    "$_: expired" for qw(expired late);


# an outage is no reason to give up, and a reload none either

$device{broken} = begin('broken');
$e->fault({ at => 'token', status => 503, times => 1, body => 'busy' });
ok wait_until(sub { $e->control(GET => 'faults')->[0]{hits} }), 'an outage';
$e->clear_faults;
$device{reload} = begin('reload');
ok $t->reload(undef, wait => 1), 'reload';
$e->control(POST => 'device', { user_code => $device{$_}{user_code},
                                state => 'approved' }) for qw(broken reload);
ok wait_until(sub { section($_) =~ /Done: alice/ }, 40),
    "$_: another worker goes on with it" for qw(reload broken);


# a worker that shuts down waits for what its last poll brings

$e->fault({ at => 'token', delay => 2, times => 1 });
my $last = begin('late');
$e->control(POST => 'device', { user_code => $last->{user_code},
                                state => 'approved' });
ok wait_until(sub { $e->control(GET => 'faults')->[0]{hits} }), 'a poll';
ok $t->reload, 'reload meanwhile';
ok wait_until(sub { section('late') =~ /Done: alice/ }, 30),
    'its answer is not lost';


# what Entra could answer instead of a device code

my $link = 'javascript:alert(1)';
for ([{ set => { verification_uri => $link } }, 'a link that is none'],
     [{ set => { verification_uri => 'http://evil.example/' } }, 'plain http'],
     [{ set => { user_code => "A\nB" } }, 'a code with a line break'],
     [{ unset => ['device_code'] }, 'no device code'],
     [{ set => { device_code => 'x' x 5000 } }, 'a long device code'],
     [{ status => 200, body => '<html>hotel</html>' }, 'a page'])
{
    my ($fault, $name) = @$_;
    $e->fault({ at => 'devicecode', times => 1, %$fault });
    my $r = $b->sign_in('/in', 'expired');
    is $r->status, 502, "$name: refused";
    like $r->body, qr/the answer is not a device code/, "$name: and why";
    unlike $r->body, qr/javascript:|evil/, "$name: not shown";
}
$e->fault({ at => 'devicecode', times => 1,
            set => { user_code => '<b>"&' } });
$b->sign_in('/in', 'expired');
like section('expired'), qr/class="code">&lt;b&gt;&quot;&amp;</, 'escaped';
$e->clear_faults;
$e->app(client_id => $t->value('PUBLIC_CLIENT'), disabled => \1);
$e->fault({ at => 'devicecode', error => 7000112, times => 1 });
my $r = $b->sign_in('/in', 'expired');
is $r->status, 502, 'refused by Entra';
like $r->body, qr/AADSTS7000112/, 'in its words';
$e->app(client_id => $t->value('PUBLIC_CLIENT'), disabled => \0);

unlike $t->log, qr/eyJ[\w-]+\.|0\.A[\w-]{20}|\Q$slow_code\E/,
    'no token and no code in the log';
$t->finish;
