#!/usr/bin/perl

# entra_workspace: which config.json is read, what it gives, and "confine":
# a location that is bound to a workspace is of no use for another one.

use FindBin;
use lib "$FindBin::Bin/lib";
use EntraTest;

my $t = EntraTest->new(warnings => 1)->need('http_ssl_module')->module;
my $e = $t->emulator;
my $d = $t->dir;

my $sub = '0b8b5b0c-1111-4222-8333-444455556666';
my $ml = 'providers/Microsoft.MachineLearningServices';
my $rg = "/subscriptions/$sub/resourceGroups/rg-1";
my $ws = "$rg/$ml/workspaces/ws_1";

sub config {
    my ($name) = @_;
    return "{\"subscription_id\": \"$sub\", \"resource_group\": \"rg-1\","
        . " \"workspace_name\": \"$name\", \"tenant_id\": \"ignored\"}";
}

sub made {
    my ($file, $text) = @_;
    my ($dir) = "$d/$file" =~ m{(.*)/};
    system('mkdir', '-p', $dir);
    $t->write($file, $text);
}


# which file: that of nginx.conf's directory, or found as MLClient does

my $deep = 'tree/a/b/c';
made("$deep/config.json", config('here'));
made('both/config.json', config('plain'));
made('both/project.json', config('project'));
made('both/sub/x', '');
made('azureml/.azureml/config.json', config('dotted'));
made('azureml/near/config.json', config('near'));
made('aml/aml_config/project.json', config('aml-project'));
made('aml/config.json', config('plain'));
made('up/config.json', config('above'));
made('up/1/2/3/4/5/6/x', '');
made('direct/any-name.json', config('any'));
made('old/config.json', "{\"Scope\": \"$rg/$ml/workspaces/scoped\"}");
made('bom/config.json', "\xef\xbb\xbf" . config('marked'));

my %found = (
    'both' => 'plain', 'both/sub' => 'plain', $deep => 'here',
    'both/project.json' => 'project', 'azureml/near' => 'dotted',
    'aml' => 'aml-project', 'up/1/2/3/4/5/6' => 'above',
    'direct/any-name.json' => 'any', 'old' => 'scoped', 'bom' => 'marked',
    "$d/both/config.json" => 'plain',
);
my @paths = sort keys %found;
my $variables = '';
for my $i (0 .. $#paths) {
    $variables .= "    location = /var/$i { entra_workspace $paths[$i];"
        . ' return 200 "$entra_subscription_id $entra_resource_group'
        . ' $entra_workspace_name $entra_workspace_path"; }' . "\n";
}


# refused, with the file's name and what is wrong

made('bad/empty.json', '');
made('bad/text.json', 'subscription_id: x');
made('bad/array.json', '[]');
made('bad/cut.json', substr config('x'), 0, 60);
made('bad/missing.json', '{"subscription_id": "x", "resource_group": "y"}');
made('bad/number.json', config('x') =~ s/"x"/7/r);
made('bad/blank.json', config(''));
made('bad/slash.json', config('ws/../other'));
made('bad/dots.json', config('..'));
made('bad/encoded.json', config('ws%2fother'));
made('bad/twice.json', config('x') =~ s/\}$/, "workspace_name": "y"}/r);
made('bad/scope.json', '{"Scope": "/subscriptions/x/resourceGroups/y"}');
made('bad/provider.json', '{"Scope": "/subscriptions/x/resourceGroups/y/'
     . 'providers/Microsoft.Storage/storageAccounts/z"}');
made('bad/large.json', config('x') . ' ' x 70_000);
made('bad/dir/x', '');
sub bad_workspace {
    my ($name, $workspace, $why) = @_;
    $t->refuses($name, "server { location / { entra_workspace $workspace; } }",
                $why);
}
for my $file (map { s{.*/}{}r } sort glob "$d/bad/*.json") {
    bad_workspace($file, "$d/bad/$file", qr/\Q$file\E.*nginx\.conf:1\b/s);
}
bad_workspace('no such file', "$d/nowhere.json",
        qr/there is no workspace file.*nowhere\.json.*Download/s);
bad_workspace('none in a directory', "$d/bad/dir",
        qr/no config\.json of an Azure ML workspace in/);
bad_workspace('a word that is none', "$d/both tight", qr/only "confine"/);
bad_workspace('two', "$d/both; entra_workspace $d/both", qr/is duplicate/);


# confined

made('entra/config.json', config('ws_1'));
made('entra/names.json', qq({"subscription_id": "other-sub", "resource_group":)
     . qq( "R\xc3\xa4ume(prod)", "workspace_name": "ws"}));
$t->start(<<'EOC' . $variables . <<'EOC2');
entra_trusted_certificate %%CA%%;
entra_credential app client_secret {
    %%CREDENTIAL%%
    scope arm;
    upstreams 127.0.0.1 echo.test;
    policies none;
}
upstream echo.test { server 127.0.0.1:%%UPSTREAM%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    include %%PROXY%%;
    entra_auth app;
    entra_workspace entra/config.json confine;

    location / { proxy_pass https://echo.test; }
    location /rewrite/ { rewrite ^/rewrite(/.*) $1 break;
                         proxy_pass https://echo.test; }
    location /variable { proxy_pass https://echo.test$arg_p; }
    location /fixed { proxy_pass
        https://echo.test$entra_workspace_path/onlineEndpoints; }
    location /jump { rewrite ^/jump(/.*) $1 last; }
    location /named { try_files /nothing @named; }
    location @named { rewrite ^/named(/.*) $1 break;
                      proxy_pass https://echo.test; }
    location /fails { error_page 404 = @named2; return 404; }
    location @named2 { rewrite ^/fails(/.*) $1 break;
                       proxy_pass https://echo.test; }
    location /any { satisfy any; allow all; rewrite ^/any(/.*) $1 break;
                    proxy_pass https://echo.test; }
    location /checked { entra_auth off; auth_request /sub;
                        proxy_pass http://127.0.0.1:%%UPSTREAM_PLAIN%%; }
    location = /sub { internal; proxy_pass https://echo.test$http_x_p; }
    location /subscriptions/other-sub/ {
        entra_workspace entra/names.json confine;
        proxy_pass https://echo.test;
    }
    location = /names {
        entra_workspace entra/names.json confine;
        proxy_pass https://echo.test$entra_workspace_path/jobs;
    }
    location /free/ { entra_workspace entra/config.json;
                      proxy_pass https://echo.test/; }
    location = /entra/ready { entra_auth off; entra_status ready; }
EOC
}
server {
    listen 127.0.0.1:%%PORT2%%;
    include %%PROXY%%;
    entra_auth app;
    entra_workspace entra/config.json confine;
    entra_path raw;
    merge_slashes off;
    location / { proxy_pass https://echo.test; }
}
EOC2
$t->ready(20);

for my $i (0 .. $#paths) {
    my $name = $found{ $paths[$i] };
    is($t->get("/var/$i")->body, "$sub rg-1 $name $rg/$ml/workspaces/$name",
       "$paths[$i]: $name");
}

sub arrived { return $e->count(at => 'upstream') }

sub passes {
    my ($uri, $as) = @_;
    my $r = $t->get($uri);
    is($r->status, 200, "$uri: passes") or diag $r->body, $t->log;
    is($r->json->{target}, $as // $uri, "$uri: as it is");
}

sub refused {
    my ($uri, $status, %o) = @_;
    my $n = arrived();
    my $r = $t->http(uri => $uri, %o);
    is($r->status, $status // 403, "$uri: refused");
    is(arrived(), $n, "$uri: nothing arrives");
    unlike($r->body, qr/ws_1|app/, "$uri: says nothing of the workspace");
}

passes($_) for $ws, "$ws/", "$ws/jobs/x?api-version=1", uc $ws, lc $ws,
    "$ws?a=/workspaces/other", "$ws/jobs/a%20b", "/mlflow/v1.0$ws/api/2.0/x",
    "/subscriptions/$sub/$ml/locations/westeurope/mfeOperationsStatus/oe:1",
    "$ws/x/$ml/workspaces/WS_1", $ws =~ s/ws_1/ws%5f1/r,
    $ws =~ s/_1/_%31/r, $ws =~ s/subs/sub%73/r;

# what clients make of parentheses and letters: azure-cli#799
my $names = "/subscriptions/other-sub/resourceGroups/%s/$ml/workspaces/ws/jobs";
passes(sprintf $names, $_)
    for 'R%C3%A4ume(prod)', 'R%C3%A4ume%28prod%29', 'r%c3%a4ume%28PROD%29';
refused(sprintf($names, $_))
    for 'R%C3%A4ume', 'R%C3%A5ume%28prod%29', 'Raume(prod)';
refused(sprintf($names, 'R%C3%A4ume%28prod%29%2F'), 400);
passes('/names', sprintf $names, 'R%C3%A4ume(prod)');

my $other = $ws =~ s/ws_1/ws_2/r;
my @others = ($other, "${ws}2", $rg, "$rg/$ml/workspaces",
    "/subscriptions/$sub", '/', '/batch', '/batch?api-version=1',
    "/batch$ws", "/providers$ws", "/tenants",
    $ws =~ s/rg-1/rg-2/r, $ws =~ s/$sub/other/r, $ws =~ s/Machine/Other/r,
    "$other?$ws", "/x?$ws", "/subscriptions/$sub?x=$ws",
    "$ws/$ml/workspaces/ws_2", "$ws/" . lc("$ml/workspaces/ws_2/jobs"),
    "$ws/$ml/%77orkspaces/ws_2", "$ws/$ml/workspaces/ws_%32",
    "/mlflow/v1.0$other/api/2.0/x", "/x/mlflow/v1.0$ws",
    $ws =~ s/ws_1/ws%5f2/r, $ws =~ s/_1/_%32/r, $ws =~ s/subs/sub%74/r,
    "/subscriptions/$sub/$ml/locations/westeurope/usages",
    "/subscriptions/x/$ml/locations/westeurope/mfeOperationsStatus/oe:1",
);
refused($_) for @others;
refused('/batch', 403, method => 'POST', body => '{"requests":[]}');

# ambiguous: 400 where paths are looked at, refused as well where not
my @tricks = ("$ws/../ws_2", "$ws/%2e%2e/ws_2", "$ws%2f..%2fws_2",
    "$ws/..;/ws_2", "$ws//x", "/$ws", "$ws/x/../../ws_2", "$ws/%252e%252e/x",
    "$ws\\..\\ws_2", "$ws/.", "$ws/%00", "$ws/..%5cws_2", "$ws;/../ws_2");
refused($_, 400) for @tricks;
refused($_, m{%00|/x/\.\./\.\./\.\./} ? 400 : 403, port => $t->port('PORT2'))
    for @tricks, $other, "$ws/..%2fws_2";
refused("https://management.azure.com$other");

# whatever way the path came to be
passes("/rewrite$ws/x", "$ws/x");
refused("/rewrite$other");
passes("/variable?p=$ws/x", "$ws/x");
refused("/variable?p=$other");
refused("/variable$ws?p=$other");
refused("/variable?p=$ws/../ws_2");
passes('/fixed', "$ws/onlineEndpoints");
passes("/jump$ws", $ws);
refused("/jump$other");
passes("/named$ws", $ws);
refused("/named$other");
passes("/fails$ws", $ws);
refused("/fails$other");
passes("/any$ws", $ws);
refused("/any$other");
is($t->get('/checked', headers => ['X-P' => $ws])->status, 200,
   'a subrequest for it');
is($t->get('/checked', headers => ['X-P' => $other])->status, 403,
   'none for another one');
is(scalar(grep { $_->{target} eq $other } $e->requests(at => 'upstream')), 0,
   'nothing arrives');
passes("/free$other", $other);

$t->finish;
