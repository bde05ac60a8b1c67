#!/usr/bin/perl

# nginx -t tells of every file with a secret that others can read or write,
# or replace: which one, of which credential, and the command to write.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

use EntraTest qw(slurp);

my $t = EntraTest->new->module;
my $e = $t->emulator;
my $group = $> == 0 ? 'chown root:www-data \S+; chmod 640' : 'chmod 600';
my ($tenant, $client) = @{ $t->{vars} }{qw(TENANT CLIENT)};
my $who = "tenant_id $tenant; client_id $client;";
my $dir = $t->dir('secrets');

mkdir $dir;
sub file { return $t->write("secrets/$_[0]", $_[1]) }

my %files = map { $_ => file($_, "a-secret-of-nobody\n") } qw(a b password);
$files{json} = file('json', qq({"clientId": "$client", "clientSecret": "x-secret",)
                    . qq( "tenantId": "$tenant"}));
$files{env} = file('env', "AZURE_TENANT_ID=$tenant\nAZURE_CLIENT_ID=$client\n"
                   . "AZURE_CLIENT_SECRET=x-secret\n");
$files{pem} = file('pem', slurp($t->{vars}{CERT_FILE}));
$files{jwt} = file('jwt', slurp($t->{vars}{FEDERATED_FILE}));
$files{key} = file('key', 'x' x 40);

# the credential's type, its lines, and the files that are told of
my @kinds = (
    [client_secret => "$who client_secret_file $files{a};", 'a'],
    [client_secret => "$who client_secret_file $files{a} $files{b};", 'b'],
    [client_secret => "service_principal_file $files{json};", 'json'],
    [client_certificate => "$who client_certificate $files{pem};", 'pem'],
    [client_certificate => "$who client_certificate $files{pem};"
     . " client_certificate_password_file $files{password};", 'password'],
    [workload_identity => "$who federated_token_file $files{jwt};", 'jwt'],
    [environment => "dotenv $files{env};", 'env'],
    [endpoint_key => "key_file $files{a} $files{b};", 'b'],
    [device_code => "$who state_file $dir/state; state_key_file $files{key};",
     'key'],
    [on_behalf_of => "$who client_secret_file $files{a};", 'a'],
);

sub says {
    my ($type, $lines, %o) = @_;
    my $scope = $type eq 'endpoint_key' ? '' : 'scope aml;';
    my ($ok, $said) = $t->check("\nentra_credential c $type { $lines $scope"
        . " upstreams 127.0.0.1; policies none; }\n"
        . ($type eq 'on_behalf_of' ? "entra_caller_token { $who audience x;"
           =~ s/client_id \S+;//r . " }\n" : ''), %o);
    ok($ok, "$type: nginx -t passes") or diag $said;
    return grep { /\[warn\].*can be/ } split /\n/, $said;
}

for (@kinds) {
    my ($type, $lines, $name) = @$_;
    my $file = $files{$name};
    my $where = qr/ in \S*nginx\.conf:2$/;

    is_deeply([says($type, $lines)], [], "$type: nothing to tell");

    chmod 0644, $file;
    my @said = says($type, $lines);
    is(scalar @said, 1, "$type: one warning") or diag "@said";
    my $can = "credential \"c\": \"\Q$file\E\" can be read by everybody on"
        . ' this machine:';
    like($said[0] // '', qr/$can "$group \Q$file\E"$where/,
         'can be read: which file, what to do, where');

    chmod 0662, $file;
    like(join('', says($type, $lines)), qr/"\Q$file\E" can be written by every/,
         'can be written');
    EntraTest::ours_only($file);
}

# directories: that of a link, and that of a file that is made later

my $link = $t->dir('links');
mkdir $link;
chmod 0777, $link;
symlink $files{a}, "$link/secret" or die $!;
my @said = says(client_secret => "$who client_secret_file $link/secret;");
is(scalar @said, 1, 'one warning') or diag "@said";
like($said[0] // '', qr/the directory "\Q$link\E" can be written by everybody/,
     'a directory');
like($said[0] // '', qr/"chmod go-w \Q$link\E"/, 'and what to do');
chmod 01777, $link;
is_deeply([says(client_secret => "$who client_secret_file $link/secret;")],
          [], 'a sticky one is not');
chmod 0777, $link;
@said = says(device_code => "$who state_file $link/state;"
             . " state_key_file $files{key};");
like("@said", qr/the directory "\Q$link\E" can be written/, 'of state_file');

# groups

SKIP: {
    skip 'not root', 9 unless $> == 0;
    my $line = "$who client_secret_file $files{a};";

    chown 0, 4711, $files{a};
    chmod 0640, $files{a};
    like(join('', says(client_secret => $line)), qr/can be read by a group that is not/,
         'a group that is not the workers\'');
    chown 0, 0, $files{a};
    is_deeply([says(client_secret => $line)], [], 'that of root');
    chmod 0660, $files{a};
    like(join('', says(client_secret => $line)), qr/written by its group/,
         'a file that a group can write');
    chmod 0660, $files{a};
    chmod 0750, $dir;
    is_deeply([says(client_secret => $line)], [],
              'in a directory where others do not come');
    chmod 0755, $dir;
    EntraTest::ours_only($files{a});
}

# what a chain or "default" has found, too

chmod 0644, $files{jwt};
@said = says('default' => '', env => {
    AZURE_TENANT_ID => $tenant, AZURE_CLIENT_ID => $client,
    AZURE_FEDERATED_TOKEN_FILE => $files{jwt} });
is(scalar @said, 1, 'default: one warning') or diag "@said";
like("@said", qr/"\Q$files{jwt}\E" can be read by everybody/, 'its file');

done_testing;
