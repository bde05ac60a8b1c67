#!/usr/bin/perl

# Mistakes of people who write nginx.conf: each is refused or warned about, at
# the line of the fault, with what to write; its correct neighbour is passed
# without a word.
#
# A case is a configuration of below, a part of it, what a user writes there
# by mistake, and what is right there (undef: the part itself).  The line is
# that on which the mistake begins, that of "@" in it, or the first with the
# text that is given last.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Storable qw(store retrieve);
use Test::More;
use EntraTest qw(slurp);

use constant JOBS => 4;

my $t = EntraTest->new->need('http_ssl_module')->module;
my $d = $t->dir;
my $root = $> == 0;
my $tenant = '11111111-1111-4111-8111-111111111111';
my $client = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
my $oid = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';

sub openssl {
    system("openssl $_[0] >>$d/openssl.log 2>&1") == 0 or die "openssl $_[0]";
}

openssl("req -x509 -newkey rsa:2048 -nodes -keyout $d/a.key -out $d/a.crt"
        . ' -days 30 -subj /CN=a');
openssl("x509 -in $d/a.crt -signkey $d/a.key -days -1 -out $d/old.crt");
$t->write($$_[0], $$_[1], $$_[2]) for
    ['secret', "s3cr3t~value\n"], ['second', "other\n"], ['empty', ''],
    ['two', "one\ntwo\n"], ['open', "s3cr3t~value\n", 0644],
    ['group', "s3cr3t~value\n", 0660], ['root', "s3cr3t~value\n", 0600],
    ['a.pem', slurp("$d/a.key") . slurp("$d/a.crt")],
    ['old.pem', slurp("$d/a.key") . slurp("$d/old.crt")],
    ['nokey.pem', slurp("$d/a.crt")], ['key', "a-key-of-an-endpoint\n"],
    ['list', "192.0.2.0/24\n2001:db8::/32\n"],
    ['bad.list', "192.0.2.0/24\nnonsense\n"],
    ['root.list', "192.0.2.0/24\n2001:db8::/32\n", 0600],
    ['ws.json', '{"subscription_id": "99999999-9999-4999-8999-999999999999",'
     . ' "resource_group": "rg", "workspace_name": "ws"}'],
    ['state.key', "a key of thirty-two bytes or more\n", 0600],
    ['entra_proxy.conf', slurp("$t->{root}/conf/entra_proxy.conf"), 0644],
    ['entra_grpc.conf', slurp("$t->{root}/conf/entra_grpc.conf"), 0644];
mkdir $t->dir($_) for qw(closed state locked);
$t->write('closed/secret', "s3cr3t~value\n");
chmod 0700, $t->dir('closed'), $t->dir('locked');
$root ? chown scalar getpwnam('www-data'), -1, $t->dir('state') : 1;
chmod 0700, $t->dir('state');

my %base;

$base{plain} = <<"EOC";
entra_credential app client_secret {
    tenant_id $tenant;
    client_id $client;
    client_secret_file $d/secret;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
server {
    listen 127.0.0.1:%%PORT%%;
    location / {
        entra_auth app;
        include $d/entra_proxy.conf;
        proxy_pass https://127.0.0.1:9;
    }
}
EOC

$base{policies} = <<"EOC";
entra_caller_token {
    tenant_id $tenant;
    audience api://gateway;
}
entra_named_location office {
    192.0.2.0/24;
    2001:db8::/32;
}
entra_caller apps {
    token oid=$oid;
}
entra_caller machines {
    certificate san_dns=shop.example;
}
entra_operations scoring {
    "POST /score";
}
entra_policy days {
    locations office;
    callers apps;
    operations scoring;
    time mon-fri 07:00-19:00;
    grant token;
}
entra_policy shop {
    callers machines;
    operations preset score;
    grant certificate;
}
entra_policy trial {
    state report_only until=2999-12-31;
    locations any except office;
    block;
}
entra_credential app client_secret {
    tenant_id $tenant;
    client_id $client;
    client_secret_file $d/secret;
    scope aml;
    upstreams 127.0.0.1;
    policies days shop;
}
server {
    listen 127.0.0.1:%%PORT%% ssl;
    ssl_certificate $d/a.crt;
    ssl_certificate_key $d/a.key;
    ssl_client_certificate $d/a.crt;
    ssl_verify_client optional;
    location / {
        entra_auth app;
        entra_policies trial;
        include $d/entra_proxy.conf;
        proxy_pass https://127.0.0.1:9;
    }
}
EOC

$base{pages} = <<"EOC";
entra_credential app client_secret {
    tenant_id $tenant;
    client_id $client;
    client_secret_file $d/secret;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential me device_code {
    tenant_id $tenant;
    state_file $d/state/me;
    state_key_file $d/state.key;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
server {
    listen %%PORT%%;
    location / {
        entra_auth app;
        include $d/entra_proxy.conf;
        proxy_pass https://127.0.0.1:9;
    }
    location /me {
        entra_auth me;
        include $d/entra_proxy.conf;
        proxy_pass https://127.0.0.1:9;
    }
    location /status {
        entra_status;
        allow 127.0.0.1;
        deny all;
    }
    location /what-if {
        entra_what_if;
        auth_basic gateway;
        auth_basic_user_file $d/users;
    }
    location /sign-in {
        entra_sign_in;
        allow 10.0.0.0/8;
        deny all;
    }
    location /ready {
        entra_status ready app;
    }
}
EOC

$base{many} = <<"EOC";
entra_credential secret client_secret {
    tenant_id $tenant;
    client_id $client;
    client_secret_file $d/secret;
    scope aml;
    policies none;
}
entra_credential certificate client_certificate {
    tenant_id $tenant;
    client_id $client;
    client_certificate $d/a.pem;
    scope aml;
    policies none;
}
entra_credential identity managed_identity {
    client_id $client;
    scope aml;
    policies none;
}
entra_credential all chain {
    use secret certificate identity;
    scope aml;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential endpoint endpoint_key {
    key_file $d/key;
    upstreams 127.0.0.1;
    policies none;
}
entra_credential user on_behalf_of {
    tenant_id $tenant;
    client_id $client;
    client_secret_file $d/secret;
    scope arm;
    upstreams 127.0.0.1;
    policies users;
}
entra_caller_token {
    tenant_id $tenant;
    audience api://gateway;
}
entra_policy users {
    grant token;
}
upstream scoring {
    server 127.0.0.1:443;
}
server {
    listen 127.0.0.1:%%PORT%%;
    include $d/entra_proxy.conf;
    location / {
        entra_auth all;
        entra_token \$second secret;
        proxy_pass https://127.0.0.1:9;
    }
    location /endpoint {
        entra_auth endpoint;
        proxy_pass https://scoring;
    }
    location /user {
        entra_auth user;
        proxy_pass https://127.0.0.1:9;
    }
}
EOC
$base{many} =~ s/entra_token \$second secret;/entra_token \\\$second secret;/;
$base{many} =~ s/\\\$/\$/g;
$base{many} =~ s/(    scope aml;\n)(    policies none;\n\}\nentra_credential certificate)/$1    upstreams 127.0.0.1;\n$2/;
$base{many} =~ s/(entra_token .*\n)/$1        proxy_set_header Authorization \$entra_authorization;\n        proxy_set_header X-Second \$second;\n/;

my @cases;

sub refused { push @cases, ['emerg', @_] }
sub warned  { push @cases, ['warn', @_] }


# names and parameters

refused('a parameter with a letter too few', 'plain', 'scope aml', 'scop aml',
        undef, qr/unknown parameter "scop" of entra_credential "app", did you mean "scope"\?/);
refused('tenant', 'plain', 'tenant_id', 'tennant_id', undef,
        qr/did you mean "tenant_id"\?/);
refused('two letters swapped', 'plain', 'client_id', 'cleint_id', undef,
        qr/did you mean "client_id"\?/);
refused('a parameter in capitals', 'plain', 'scope aml', 'Scope aml', undef,
        qr/did you mean "scope"\?/);
refused('a parameter of the module', 'plain', 'upstreams', 'upstream', undef,
        qr/did you mean "upstreams"\?/);
refused('policy for policies', 'plain', 'policies none', 'policy none', undef,
        qr/did you mean "policies"\?/);
refused('a hyphen', 'plain', 'client_secret_file', 'client-secret-file', undef,
        qr/did you mean "client_secret_file"\?/);
refused('a parameter that is nothing like one', 'plain', 'scope aml',
        'nonsense aml', undef, qr/unknown parameter "nonsense".* has /);
refused("another type's parameter", 'plain', "client_secret_file $d/secret",
        "client_certificate $d/a.pem", undef,
        qr/belongs to the type "client_certificate"/);
refused('a directive of locations', 'plain', 'scope aml;',
        "scope aml;\n    \@entra_auth app;", undef,
        qr/unknown parameter "entra_auth"/);
refused('a type', 'plain', 'client_secret {', 'client_secrets {', undef,
        qr/unknown credential type "client_secrets", did you mean "client_secret"\?/);
refused('a type by its SDK name', 'many', 'managed_identity', 'managedidentity',
        undef, qr/did you mean "managed_identity"\?/);
refused('a type that is none', 'plain', 'client_secret {', 'oauth {', undef,
        qr/unknown credential type "oauth"; write one of .*client_secret/);
refused('a scope', 'plain', 'scope aml', 'scope amll', undef,
        qr/unknown scope "amll", did you mean "aml"\?/);
refused('a scope in capitals', 'plain', 'scope aml', 'scope Storage',
        'scope storage', qr/did you mean "storage"\?/);
refused('a resource for a scope', 'plain', 'scope aml',
        'scope https://ml.azure.com', 'scope https://ml.azure.com/.default',
        qr{write "https://ml.azure.com/.default"});
refused('a cloud', 'plain', 'scope aml;', 'scope aml; cloud usgo;',
        'scope aml; cloud usgov;', qr/unknown cloud "usgo", did you mean "usgov"\?/);
refused('a cloud that is none', 'plain', 'scope aml;', 'scope aml; cloud mars;',
        'scope aml; cloud public;', qr/unknown cloud "mars": write public/);
refused('a credential', 'plain', 'entra_auth app', 'entra_auth ap', undef,
        qr/unknown credential "ap", did you mean "app"\?/);
refused('a credential in other letters', 'plain', 'entra_auth app',
        'entra_auth APP', undef, qr/did you mean "app"\?/);
refused('a credential that is nowhere', 'plain', 'entra_auth app',
        'entra_auth production', undef,
        qr/unknown credential "production"; define it with/);
refused('the credential of a second token', 'many', '$second secret',
        '$second secert', undef, qr/did you mean "secret"\?/);
refused('a member of a chain', 'many', 'use secret certificate',
        'use secret certifcate', undef,
        qr/"certifcate", but there is no .* did you mean "certificate"\?/);
refused('the credential of ready', 'pages', 'ready app', 'ready apq', undef,
        qr/no such credential, did you mean "app"\?/);
refused('a parameter of a policy', 'policies', 'locations office',
        'location office', undef,
        qr/unknown parameter "location" of entra_policy "days", did you mean "locations"\?/);
refused('granted', 'policies', 'grant token', 'grants token', undef,
        qr/did you mean "grant"\?/);
refused('a state', 'policies', 'report_only', 'report-only', undef,
        qr/did you mean "report_only"\?/);
refused('a control', 'policies', 'grant token', 'grant tokn', undef,
        qr/unknown control "tokn", did you mean "token"\?/);
refused('a control that is a claim', 'policies', 'grant token',
        'grant arm=mfa', 'grant amr=mfa', qr/did you mean "amr=\.\.\."\?/);
refused('a named location', 'policies', 'locations office', 'locations ofice',
        undef, qr/unknown location "ofice", did you mean "office"\?/);
refused('a location behind except', 'policies', 'except office',
        'except offices', undef, qr/did you mean "office"\?/);
refused('a caller', 'policies', 'callers apps', 'callers app', undef,
        qr/unknown caller "app", did you mean "apps"\?/);
refused('operations', 'policies', 'operations scoring;', 'operations scorings;',
        undef, qr/unknown operations "scorings", did you mean "scoring"\?/);
refused('a preset', 'policies', 'preset score', 'preset scores', undef,
        qr/unknown preset "scores", did you mean "score"\?/);
refused('a policy', 'policies', 'policies days shop', 'policies day shop',
        undef, qr/unknown policy "day", did you mean "days"\?/);
refused("a location's policy", 'policies', 'entra_policies trial',
        'entra_policies trail', undef, qr/did you mean "trial"\?/);
refused('a key of a certificate', 'policies', 'san_dns=', 'sandns=', undef,
        qr/unknown key "sandns=shop.example" of a certificate, did you mean "san_dns"\?/);
refused('a claim', 'policies', 'token oid=', 'token iod=', undef,
        qr/did you mean "oid=\.\.\."\?/);
refused('a claim that anybody can choose', 'policies', "token oid=$oid",
        'token upn=me@example.com', undef, qr/upn.*use oid/);
refused('the kind of a caller', 'policies', 'certificate san_dns',
        'certifcate san_dns', undef, qr/did you mean "certificate"\?/);
refused('a parameter of entra_caller_token', 'policies', 'audience',
        'audiance', undef,
        qr/unknown parameter "audiance" of entra_caller_token, did you mean "audience"\?/);


# a semicolon that is not there

my $semicolon = qr/is a ';' missing before it\?/;
refused('scope and what follows', 'plain', "scope aml;\n", "scope aml\n\@",
        undef, qr/"upstreams" in "scope"/, $semicolon);
refused('tenant_id and what follows', 'plain', "tenant_id $tenant;\n",
        "tenant_id $tenant\n\@", undef, qr/"client_id" in "tenant_id"/,
        $semicolon);
refused('a file and what follows', 'plain', "$d/secret;\n", "$d/secret\n\@",
        undef, qr/"scope" in "client_secret_file"/, $semicolon);
refused('upstreams on one line', 'plain', "upstreams 127.0.0.1;\n   ",
        'upstreams 127.0.0.1', undef, qr/"policies" in "upstreams"/,
        $semicolon);
refused('policies and another', 'plain', 'policies none;',
        'policies none preload off;', 'policies none; preload off;',
        qr/"preload" in "policies"/, $semicolon);
refused('names of policies and another', 'policies', "policies days shop;\n",
        "policies days shop preload off;\n",
        "policies days shop; preload off;\n", qr/unknown policy "preload"/,
        $semicolon);
refused('audience and another', 'policies', 'audience api://gateway;',
        'audience api://gateway leeway 30s;',
        'audience api://gateway; leeway 30s;', qr/"leeway" in "audience"/,
        $semicolon);
refused('locations and another', 'policies', "locations office;\n",
        "locations office\n\@", undef, qr/"callers"/, $semicolon);
refused('the last but one', 'policies',
        "operations preset score;\n    grant certificate;",
        "operations preset score\n    \@grant;", undef, qr/"grant"/,
        $semicolon);
refused('state and another', 'policies',
        "until=2999-12-31;\n", "until=2999-12-31\n\@", undef,
        qr/"locations" in "state"/, $semicolon);
refused('time and another', 'policies', "07:00-19:00;\n", "07:00-19:00\n\@",
        undef, qr/"grant" in "time"/, $semicolon);


# identifiers

(my $short = $client) =~ s/.$//;
refused('an application ID one digit short', 'plain', $client, $short, undef,
        qr/client_id "$short" is not a GUID \(35 characters\)/);
refused('one digit too many', 'plain', $client, "${client}0", undef,
        qr/is not a GUID \(37 characters\)/);
refused('a letter that is none of a GUID', 'plain', $client,
        $client =~ s/^a/o/r, undef, qr/is not a GUID \(36 characters\)/);
refused('of a certificate', 'many', "client_id $client;\n    client_cert",
        "client_id $short;\n    client_cert", undef, qr/\(35 characters\)/);
warned('a name instead of the ID', 'plain', "client_id $client",
       'client_id gateway', undef,
       qr/client_id "gateway" is not a GUID \(7 characters\)/);
warned('of a managed identity', 'many',
       "managed_identity {\n    client_id $client",
       "managed_identity {\n    \@client_id a", undef,
       qr/client_id "a" is not a GUID \(1 characters?\)/);
(my $short_tenant = $tenant) =~ s/.$//;
refused('a tenant one digit short', 'plain', "tenant_id $tenant;\n    client",
        "tenant_id $short_tenant;\n    client",
        "tenant_id contoso.onmicrosoft.com;\n    client",
        qr/tenant_id "$short_tenant" is not a GUID \(35 characters\)/);
refused('a tenant in a URL', 'plain', "tenant_id $tenant",
        "tenant_id https://login.microsoftonline.com/$tenant", undef,
        qr/is not a tenant id/);
refused('a tenant for users', 'plain', "tenant_id $tenant",
        'tenant_id common', undef, qr/tenant_id "common" is for users/);
refused('an object ID', 'policies', "oid=$oid", 'oid=' . substr($oid, 1),
        undef, qr/oid is a GUID/);
refused('the tenant of callers', 'policies',
        "entra_caller_token {\n    tenant_id $tenant",
        "entra_caller_token {\n    \@tenant_id contoso.com", undef,
        qr/GUID|directory/);
refused('a placeholder', 'plain', $client, '<client-id>', undef,
        qr/client_id|GUID/);


# files: what they are, and who may read them

refused('a secret that is not there', 'plain', "$d/secret", "$d/nowhere",
        undef, qr{\Q$d/nowhere});
refused('an empty secret', 'plain', "$d/secret", "$d/empty", undef,
        qr/empty/);
refused('two lines', 'plain', "$d/secret", "$d/two", undef,
        qr/more than one line/);
refused('a directory', 'plain', "$d/secret", $d, undef,
        qr/directory|regular file/);
refused('one file twice', 'plain', "$d/secret", "$d/secret $d/secret",
        "$d/secret $d/second", qr/same/);
refused('a literal secret', 'plain', "client_secret_file $d/secret",
        'client_secret hunter2', undef, qr/client_secret_file FILE/);
refused('a variable that is not set', 'plain', "client_secret_file $d/secret",
        'client_secret_env NOT_THERE', undef, qr/NOT_THERE/);
refused('file and variable', 'plain', "client_secret_file $d/secret;",
        "client_secret_file $d/secret; client_secret_env X;", undef,
        qr/client_secret_(env|file)/);
refused('a certificate without its key', 'many', "$d/a.pem", "$d/nokey.pem",
        undef, qr/key/);
warned('an expired certificate', 'many', "$d/a.pem", "$d/old.pem", undef,
       qr/expired/);
warned('a secret that all can read', 'plain', "$d/secret", "$d/open", undef,
       qr/"\Q$d\E\/open" can be read by everybody.*chmod/);
warned('a secret that its group can write', 'plain', "$d/secret", "$d/group",
       undef, qr/written by its group/);
refused('a key file that is not there', 'many', "$d/key", "$d/no.key", undef,
        qr/no\.key/);
refused('a list that is not there', 'policies', '192.0.2.0/24;',
        "file $d/no.list;", "file $d/list;", qr/no\.list/);
refused('a list that is none', 'policies', '192.0.2.0/24;',
        "file $d/bad.list;", "file $d/list;", qr/bad\.list|nonsense/);
if ($root) {
    warned('a secret that root alone can read', 'plain', "$d/secret",
           "$d/root", undef, qr/"\Q$d\E\/root" is read again when it changes, which user "www-data".*chown root:www-data .*chmod 640/);
    warned("a directory that is root's alone", 'plain', "$d/secret",
           "$d/closed/secret", undef,
           qr/cannot enter the directory "\Q$d\E\/closed": "chown/);
    warned("a list that is root's alone", 'policies', '192.0.2.0/24;',
           "file $d/root.list;", "file $d/list;",
           qr/"\Q$d\E\/root.list" is read again when it changes/);
    warned('a state that nobody can write', 'pages', "$d/state/me",
           "$d/locked/me", undef, qr/cannot be written by user "www-data"/);
}


# what has no effect

my $unused = <<"EOC";
entra_credential spare client_secret {
    tenant_id $tenant;
    client_id $client;
    client_secret_file $d/secret;
    policies none;
}
EOC
warned('a credential that nobody uses', 'plain', "server {\n",
       "\@${unused}server {\n", undef,
       qr/credential "spare" is not used: write "entra_auth spare;"/);
warned('a policy that nobody uses', 'policies', 'entra_policies trial;', '',
       undef, qr/entra_policy "trial" is not used/, 'entra_policy trial');
warned('a caller that nobody uses', 'policies', 'entra_caller machines {',
       "entra_caller others {\n    token oid=$oid;\n}\nentra_caller machines {",
       undef, qr/entra_caller "others" is not used/);
warned('a named location that nobody uses', 'policies',
       'entra_caller machines {',
       "entra_named_location lab {\n    10.0.0.0/8;\n}\nentra_caller machines {",
       undef, qr/entra_named_location "lab" is not used/);
warned('operations that nobody uses', 'policies', 'entra_policy days {',
       "entra_operations listing {\n    \"GET /\";\n}\nentra_policy days {",
       undef, qr/entra_operations "listing" is not used/);
warned('a location that proxies nothing', 'plain', "    location / {\n",
       "    location /x {\n        \@entra_auth app;\n    return 204;\n    }\n"
       . "    location / {\n",
       undef, qr/"entra_auth" sends no token/);
warned('a second token that goes nowhere', 'many', "    location / {\n",
       "    location /x {\n        \@entra_token \$third secret;\n"
       . "        return 204;\n    }\n    location / {\n",
       undef, qr/"entra_token" sends no token/);
warned('policies without a credential', 'policies', "    location / {\n",
       "    location /x {\n        \@entra_policies trial;\n"
       . "        proxy_pass http://127.0.0.1:9;\n    }\n    location / {\n",
       undef, qr/"entra_policies" has no effect, and nobody is denied/);
warned('a location that forgets the header', 'plain',
       "        include $d/entra_proxy.conf;\n        proxy_pass",
       "        proxy_ssl_verify on;\n        proxy_ssl_trusted_certificate"
       . " /etc/ssl/certs/ca-certificates.crt;\n        \@proxy_pass",
       undef, qr/requests go out without the token/);
warned('a header that hides it', 'plain', 'proxy_pass https://127.0.0.1:9;',
       "location /x {\n proxy_set_header X y;\n"
       . " \@proxy_pass https://127.0.0.1:9;\n}\nproxy_pass"
       . ' https://127.0.0.1:9;', undef, qr/without the token/);


# conditions that no request can meet

warned('a caller by certificate where none is asked for', 'policies',
       "    ssl_verify_client optional;\n", '', undef,
       qr/entra_policy "shop" asks for a certificate, but no server/,
       'grant certificate');
warned('the same without the control', 'policies',
       ["    ssl_verify_client optional;\n", '    grant certificate;'],
       ['', '    grant;'], ["    ssl_verify_client optional;\n", '    grant;'],
       qr/entra_policy "shop" names caller "machines", who is known by a certificate/,
       'callers machines');
warned('TLS where there is none', 'plain',
       ['policies none', 'server {'],
       ['policies p', "entra_policy p {\n    \@grant tls=1.3 ;\n}\nserver {"],
       undef, qr/entra_policy "p" asks for TLS, but no server/);
refused('a token where none is looked at', 'plain',
        ['policies none', 'server {'],
        ['policies p', "entra_policy p {\n    \@grant token;\n}\nserver {"],
        undef, qr/"p" asks for a token.*entra_caller_token/);
refused('a caller by token where none is looked at', 'plain',
        ['policies none', 'server {'],
        ['policies p', "entra_caller c {\n    \@token oid=$oid;\n}\n"
         . "entra_policy p {\n    callers c;\n    grant;\n}\nserver {"],
        undef, qr/"c" asks for a token.*entra_caller_token/);
refused('on_behalf_of where no token is looked at', 'many',
        ["entra_caller_token {\n    tenant_id $tenant;\n"
         . "    audience api://gateway;\n}\n", 'grant token;'],
        ['', 'grant;'], undef, qr/exchanges the caller's token.*entra_caller_token/,
        'entra_credential user');
refused('mfa in capitals', 'policies', 'grant token', 'grant amr=MFA',
        'grant amr=mfa', qr/amr is in lower case/);
warned('a method that is none', 'policies', 'grant token', 'grant amr=mfaa',
       'grant amr=mfa', qr/"amr=mfaa", which is none.*did you mean "mfa"\?/);
warned('a method of a caller', 'policies', "token oid=$oid",
       "token oid=$oid amr=2fa", "token oid=$oid amr=mfa",
       qr/entra_caller "apps" asks for "amr=2fa"/);
for my $context ('c0', 'c100', 'C1', 'strong') {
    warned("the context $context", 'policies', 'grant token',
           "grant acrs=$context", 'grant acrs=c1',
           qr/acrs=$context", which is none of Entra's .*c1 to c99/);
}
refused('a time that is empty', 'policies', '07:00-19:00', '07:00-07:00',
        undef, qr/HH:MM-HH:MM/);
refused('a time that is none', 'policies', '07:00-19:00', '7:00-19:00', undef,
        qr/HH:MM-HH:MM/);
refused('a day that is none', 'policies', 'mon-fri', 'mon-fry', undef,
        qr/mon-fri/);
warned('a date that is past', 'policies', '2999-12-31', '2020-12-31', undef,
       qr/report_only until 2021-01-01.*past/);
refused('a date that is none', 'policies', '2999-12-31', '31.12.2999', undef,
        qr/until=2026-12-31/);
warned('nothing is left', 'policies', 'locations office',
       'locations office except office', undef,
       qr/can never apply: "except" takes away/);
refused('a policy without outcome', 'policies', "    block;\n", '', undef,
        qr/write "block;" or "grant;"/, "}\nentra_credential app");
refused('two outcomes', 'policies', "    block;\n",
        "    block;\n    \@grant;\n", undef, qr/one outcome/);
warned('a grant behind a block', 'policies',
       "policies days shop;\n}\n", "policies days shop all;\n}\n"
       . "entra_policy all {\n    block;\n}\n", undef,
       qr/"shop" can never grant/, 'entra_policy shop');
refused('policies none and others', 'policies', 'policies days shop',
        'policies none days shop', undef, qr/none/);


# more than is meant is sent, or goes somewhere else

refused('a second Authorization', 'plain',
        "include $d/entra_proxy.conf;",
        "include $d/entra_proxy.conf;\n        \@proxy_set_header"
        . ' Authorization "Bearer abc";', undef,
        qr/"Authorization" more than once/);
refused('in other letters', 'plain', "include $d/entra_proxy.conf;",
        "include $d/entra_proxy.conf;\n        \@proxy_set_header"
        . ' authorization "Basic abc";', undef, qr/more than once/);
refused('of the server, where the location adds one', 'plain',
        ["    listen", "        include $d/entra_proxy.conf;\n"],
        ["    proxy_set_header Authorization \$entra_authorization;\n"
         . "    \@proxy_set_header Authorization \"Bearer abc\";\n    listen",
         "        proxy_ssl_verify on;\n        proxy_ssl_trusted_certificate"
         . " /etc/ssl/certs/ca-certificates.crt;\n"], undef,
        qr/more than once/);
refused('a host of somebody else', 'plain', 'proxy_pass https://127.0.0.1:9',
        'proxy_pass https://127.0.0.2:9', undef,
        qr/"app" must not go to "127\.0\.0\.2"/);
refused('plain http', 'plain', 'proxy_pass https://', 'proxy_pass http://',
        undef, qr/plain http/);
refused('no verification', 'plain', "include $d/entra_proxy.conf;",
        'proxy_set_header Authorization $entra_authorization;', undef,
        qr/proxy_ssl_verify on/, 'proxy_pass');
refused('another Host', 'plain', "include $d/entra_proxy.conf;",
        "include $d/entra_proxy.conf;\n        \@proxy_set_header Host"
        . ' evil.example;', undef, qr/"Host: evil\.example"/);
refused('the Host of another upstream block', 'many',
        ["upstream scoring {\n", 'proxy_pass https://scoring;'],
        ["upstream other {\n    server 127.0.0.1:444;\n}\nupstream scoring {\n",
         "proxy_set_header Authorization \$entra_authorization;\n"
         . "        \@proxy_set_header Host other;\n"
         . "        proxy_pass https://scoring;"],
        ["upstream other {\n    server 127.0.0.1:444;\n}\nupstream scoring {\n",
         "proxy_set_header Authorization \$entra_authorization;\n"
         . "        proxy_set_header Host scoring;\n"
         . "        proxy_pass https://scoring;"],
        qr/"Host: other"/);
refused('gRPC with what is for HTTP', 'plain',
        'proxy_pass https://127.0.0.1:9', 'grpc_pass grpcs://127.0.0.1:9',
        undef, qr/entra_grpc\.conf/);
refused('upstreams with a path', 'plain', 'upstreams 127.0.0.1',
        'upstreams https://127.0.0.1/score', 'upstreams https://127.0.0.1',
        qr/HOST:PORT/);
refused('upstreams with a range', 'plain', 'upstreams 127.0.0.1',
        'upstreams 127.0.0.0/8', undef, qr/invalid upstream/);
refused('all upstreams', 'plain', 'upstreams 127.0.0.1', 'upstreams *', undef,
        qr/invalid upstream/);
warned('an upstream block without the port', 'many',
       'server 127.0.0.1:443;', 'server 127.0.0.1;', undef,
       qr/"server 127\.0\.0\.1;" is port 80.*write "server 127\.0\.0\.1:443;"/);
warned('an upstream block that is not named', 'many',
       ["key;\n    upstreams 127.0.0.1;", 'server 127.0.0.1:443;'],
       ["key;\n    upstreams localhost;", 'server localhost:443;'],
       ["key;\n    upstreams 127.0.0.1 localhost;", 'server 127.0.0.1:443;'],
       qr/asked for as "scoring".*proxy_set_header Host localhost;.*proxy_ssl_name localhost;/,
       'proxy_pass https://scoring;');
refused('everybody is a trusted proxy', 'policies', "server {\n",
       "\@entra_trusted_proxies 0.0.0.0/0;\nserver {\n",
       "entra_trusted_proxies 10.0.0.0/8;\nserver {\n",
       qr/entra_trusted_proxies.*wider than/);
warned('suffixes that anybody can have', 'plain', 'upstreams 127.0.0.1',
       'upstreams 127.0.0.1 *.windows.net',
       'upstreams 127.0.0.1 *.westeurope.inference.ml.azure.com',
       qr/"\*\.windows\.net".*anybody/);


# pages

warned('a status that is open', 'pages',
       "        entra_status;\n        allow 127.0.0.1;\n        deny all;\n",
       "        entra_status;\n", undef,
       qr/anybody can open "entra_status" in location "\/status".*"allow ADDRESS;".*"deny all;"/);
warned('allow alone', 'pages',
       "entra_status;\n        allow 127.0.0.1;\n        deny all;\n",
       "entra_status;\n        allow 127.0.0.1;\n", undef,
       qr/anybody can open "entra_status"/);
warned('what_if', 'pages',
       "entra_what_if;\n        auth_basic gateway;\n"
       . "        auth_basic_user_file $d/users;\n", "entra_what_if;\n", undef,
       qr/anybody can open "entra_what_if"/);
warned('auth_basic off', 'pages',
       "entra_what_if;\n        auth_basic gateway;\n",
       "entra_what_if;\n        auth_basic off;\n", undef,
       qr/anybody can open "entra_what_if"/);
warned('sign_in', 'pages',
       "entra_sign_in;\n        allow 10.0.0.0/8;\n        deny all;\n",
       "entra_sign_in;\n",
       "entra_sign_in;\n        satisfy any;\n        auth_basic x;\n"
       . "        auth_basic_user_file $d/users;\n",
       qr/anybody can open "entra_sign_in".*replace the identity/);
warned('a certificate that may be left out', 'pages',
       ["    listen %%PORT%%;\n", "        allow 127.0.0.1;\n"
        . "        deny all;\n"],
       ["    listen %%PORT%%;\n    ssl_verify_client optional;\n"
        . "    ssl_client_certificate $d/a.crt;\n", ''],
       ["    listen %%PORT%% ssl;\n    ssl_verify_client on;\n"
        . "    ssl_certificate $d/a.crt;\n    ssl_certificate_key $d/a.key;\n"
        . "    ssl_client_certificate $d/a.crt;\n", ''],
       qr/anybody can open "entra_status"/, 'entra_status;');
warned('no page to sign in', 'pages',
       "    location /sign-in {\n        entra_sign_in;\n"
       . "        allow 10.0.0.0/8;\n        deny all;\n    }\n", '', undef,
       qr/no page on which/, 'entra_credential me');


# directives

refused('entra_auth twice', 'plain', 'entra_auth app;',
        "entra_auth app;\n        \@entra_auth app;", undef, qr/duplicate/);
refused('a parameter twice', 'plain', 'scope aml;',
        "scope aml;\n    \@scope arm;", 'scope aml arm;', qr/duplicate/);
refused('off with a scope', 'plain', 'entra_auth app;',
        'entra_auth off scope=aml;', 'entra_auth app scope=aml;',
        qr/takes no scope/);
refused('a scope without its name', 'plain', 'entra_auth app;',
        'entra_auth app aml;', 'entra_auth app scope=aml;', qr/scope=SCOPE/);
refused('a zone without a name', 'plain', "server {\n",
        "\@entra_shared_zone 2m;\nserver {\n",
        "entra_shared_zone zone=entra:2m;\nserver {\n", qr/zone=NAME:SIZE/);
refused('a zone too small', 'plain', "server {\n",
        "\@entra_shared_zone zone=x:4k;\nserver {\n",
        "entra_shared_zone zone=x:1m;\nserver {\n", qr/at least 64k/);
refused('a password in the proxy', 'plain', "server {\n",
        "\@entra_http_proxy http://u:hunter2\@p:1;\nserver {\n" =~ s/\@p/\\AT\\p/r,
        "entra_http_proxy http://127.0.0.1:1;\nserver {\n", qr/password/);
refused('a token without its dollar', 'many', '$second secret',
        'second secret', undef, qr/\$name/);
refused('a member twice', 'many', 'use secret certificate',
        'use all secret certificate', undef, qr/chain itself/);
refused('a name twice', 'many', 'entra_credential certificate',
        'entra_credential secret', undef, qr/duplicate credential "secret"/);


# what nginx says of each, some at once

$t->port;
$t->write('users', "u:{PLAIN}p\n");

sub changed {
    my ($base, $old, $new) = @_;

    my @old = ref $old ? @$old : $old;
    my @new = ref $new ? @$new : $new;
    my ($text, $at) = ($base);
    for my $i (0 .. $#old) {
        my $begin = index $text, $old[$i];
        die "no \"$old[$i]\" there\n" if $begin < 0;
        my $mark = index $new[$i], '@';
        my $piece = $new[$i] =~ s/\@//r =~ s/\\AT\\/\@/r;
        substr $text, $begin, length $old[$i], $piece;
        $at = $begin + ($mark < 0 ? 0 : $mark) if $mark >= 0 || $i == 0;
    }
    my $line = 1 + (substr($text, 0, $at) =~ tr/\n//);
    return ($text, $line);
}

my @run;                                # texts, each once
my %seen;

sub run { $seen{ $_[0] } //= push(@run, $_[0]) && $#run }

my @todo;
for my $case (@cases) {
    my ($severity, $name, $base, $old, $wrong, $right, @says) = @$case;
    my ($text, $line) = changed($base{$base}, $old, $wrong);
    my ($good) = defined $right ? changed($base{$base}, $old, $right)
                                : $base{$base};
    my ($given) = map { 1 + (substr($text, 0, index $text, $_) =~ tr/\n//) }
        grep { !ref } @says;
    push @todo, { severity => $severity, name => $name, wrong => run($text),
                  right => run($good), line => $given // $line,
                  says => [grep { ref } @says] };
}

my @pids;
for my $job (0 .. JOBS - 1) {
    my $pid = fork // die "fork: $!";
    push @pids, $pid and next if $pid;
    $t->{checks} = 10_000 * ($job + 1);
    my %result;
    for (my $i = $job; $i < @run; $i += JOBS) {
        $result{$i} = [$t->check($run[$i])];
    }
    store \%result, $t->dir("result.$job");
    require POSIX;
    POSIX::_exit(0);
}
my %result;
for my $job (0 .. JOBS - 1) {
    waitpid $pids[$job], 0;
    %result = (%result, %{ retrieve($t->dir("result.$job")) });
}

sub lines {
    my ($out) = @_;
    return grep { /\[(warn|error|emerg|alert|crit)\]/ } split /\n/, $out;
}

is($result{$seen{$base{$_}}}[0], 1, "the configuration \"$_\" is right")
    or diag $result{$seen{$base{$_}}}[1] for grep { defined $seen{$base{$_}} }
    sort keys %base;

for my $case (@todo) {
    my ($ok, $out) = @{ $result{ $case->{wrong} } };
    my @lines = grep { /\[$case->{severity}\]/ } lines($out);
    for my $says (qr/nginx\.conf:$case->{line}$/, @{ $case->{says} }) {
        @lines = grep { $_ =~ $says } @lines;
    }
    my $good = @lines && ($case->{severity} eq 'warn' ? $ok : !$ok)
        && $out !~ /hunter2|Sanitizer|signal/;
    ok($good, "$case->{severity}: $case->{name}, line $case->{line}")
        or diag join "\n", "at $case->{line}: @{ $case->{says} }", lines($out);

    ($ok, $out) = @{ $result{ $case->{right} } };
    ok($ok && !lines($out), "not what is right: $case->{name}") or diag $out;
}
cmp_ok(scalar @todo, '>=', 120, 'a hundred and twenty of them');

done_testing;
