#!/usr/bin/perl

# Every file in conf/ is taken by nginx -t as it is shipped; only names
# resolve to this machine, and the files that it names are made.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;
use File::Find;

use EntraTest qw(slurp);

my $t = EntraTest->new->module;
my ($wrapper) = glob '/usr/lib/*/libnss_wrapper.so';

plan skip_all => 'no libnss_wrapper' unless $wrapper;
plan skip_all => 'ASan and a preloaded library' if $t->sanitized;

my $load = $t->{load} // '';
my @examples;
find(sub { push @examples, $File::Find::name if /\.conf$/ },
     "$t->{root}/conf/examples");

my %names;
$names{$_}++ for map { slurp($_) =~ /\b([a-z0-9]+(?:\.[a-z0-9]+)*
                       \.(?:azure\.com|azureml\.ms|windows\.net))\b/gx }
                 @examples, "$t->{root}/conf/nginx.conf.example";
$t->write('hosts', join '', map { "127.0.0.1 $_\n" } 'localhost', keys %names);

mkdir $t->dir($_) for qw(entra entra/state);
$t->write('entra/state.key', "a key of thirty-two bytes or more\n", 0600);
$t->write('entra/config.json', '{"subscription_id": '
          . '"99999999-9999-4999-8999-999999999999", "resource_group": "rg", '
          . '"workspace_name": "ws"}');
$t->write("entra/$_.secret", "not-a-secret-of-anything\n")
    for qw(scoring churn batch workspace blobs);
$t->write('entra/offices.cidr', "198.51.100.0/24\n2001:db8:10::/48\n");
system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=gateway -days 2 "
       . "-keyout $t->{dir}/entra/gateway.key "
       . "-out $t->{dir}/entra/gateway.crt 2>/dev/null") == 0
    or die 'openssl';
system("cp $t->{dir}/entra/gateway.crt $t->{dir}/entra/callers-ca.crt");
system("cp $t->{root}/conf/entra_*.conf $t->{dir}/");

sub says {
    my ($conf) = @_;

    local $ENV{LD_PRELOAD} = $wrapper;
    local $ENV{NSS_WRAPPER_HOSTS} = $t->dir('hosts');
    my $out = `$t->{nginx} -t -p $t->{dir} -c $conf 2>&1`;
    my $ok = $? == 0;
    my @lines = grep { !/syntax is ok|test is successful/ } split /\n/, $out;

    # "http2 on" is not known before 1.25.1, from there on it is preferred
    @lines = grep { !/"listen \.\.\. http2" directive is deprecated/ } @lines
        if $t->version >= 1025001;
    return ($ok, join "\n", @lines);
}

for my $example (sort @examples) {
    my ($name) = $example =~ m{/conf/(.*)};
    $t->write('example.conf', <<END);
$load
pid $t->{dir}/example.pid;
error_log stderr;
events { }
http {
    access_log off;
    include $example;
}
END
    $t->write('example.conf', slurp($t->dir('example.conf'))
              =~ s{include \Q$example\E;}{text($example)}er);
    my ($ok, $said) = says($t->dir('example.conf'));
    ok $ok, $name;
    is $said, '', "$name: nothing to remark";
}

# an example's own log goes to a directory that may not be there

sub text {
    return slurp($_[0]) =~ s{/var/log/nginx/}{$t->{dir}/}gr;
}

my $whole = text("$t->{root}/conf/nginx.conf.example");
$whole =~ s/^load_module [^;]*;/$load/m;
$whole =~ s/^(events)/pid $t->{dir}\/example.pid; error_log stderr;\n$1/m;
$t->write('example.conf', $whole);
my ($ok, $said) = says($t->dir('example.conf'));
ok $ok, 'nginx.conf.example';
is $said, '', 'nginx.conf.example: nothing to remark';

done_testing;
