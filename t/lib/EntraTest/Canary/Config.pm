package EntraTest::Canary::Config;

# Random http blocks.  Everything that is drawn comes from rand(), so that a
# seed makes the same block again.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(one chance number);

# every variable of nginx 1.18 to 1.31 that has a name of its own; but for
# $http_authorization, which is the caller's own, and for
# $upstream_cache_last_modified and _etag, which nginx has for itself: in a log
# they crash it after an error_page from an expired entry of a cache
my @nginx = qw(
    ancient_browser arg_c arg_bytes args binary_remote_addr body_bytes_sent
    bytes_sent connection connection_requests connection_time content_length
    content_type cookie_a date_gmt date_local document_root document_uri
    fastcgi_path_info fastcgi_script_name gzip_ratio host hostname
    http2 http3 http_cookie http_host http_referer http_user_agent http_via
    http_x_forwarded_for http_x_second https invalid_referer is_args
    is_request_port
    limit_conn_status limit_rate limit_req_status memcached_key
    modern_browser msec msie nginx_version pid pipe proxy_add_x_forwarded_for
    proxy_host proxy_internal_body_length proxy_internal_chunked proxy_port
    proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr
    proxy_protocol_server_port query_string realip_remote_addr
    realip_remote_port realpath_root remote_addr remote_port remote_user
    request request_body request_body_file request_completion
    request_filename request_id request_length request_method request_port
    request_time request_uri scheme secure_link secure_link_expires
    sent_http_authorization sent_http_cache_control sent_http_connection
    sent_http_content_length sent_http_content_type sent_http_keep_alive
    sent_http_last_modified sent_http_link sent_http_location
    sent_http_transfer_encoding sent_http_x_all sent_trailer_x_all
    server_addr server_name server_port server_protocol session_log_id
    slice_range ssl_alpn_protocol ssl_cipher ssl_ciphers ssl_client_cert
    ssl_client_escaped_cert ssl_client_fingerprint ssl_client_i_dn
    ssl_client_raw_cert ssl_client_s_dn ssl_client_serial ssl_client_v_end
    ssl_client_verify ssl_curve ssl_curves ssl_early_data ssl_ech_status
    ssl_protocol ssl_server_name ssl_session_id ssl_session_reused status
    tcpinfo_rtt time_iso8601 time_local uid_got uid_reset uid_set
    upstream_addr upstream_bytes_received upstream_bytes_sent
    upstream_cache_age upstream_cache_key upstream_cache_status
    upstream_connect_time
    upstream_cookie_a upstream_first_byte_time upstream_header_time
    upstream_http_authorization upstream_http_x_a upstream_last_addr
    upstream_last_server_name upstream_queue_time upstream_response_length
    upstream_response_time upstream_status upstream_trailer_a uri
);

# what asks for the tokens by name, when the page is sent; and in a way that
# nginx -t refuses where it sees it
my $ask = '[<!--#echo var="entra_authorization" default="" -->'
    . '<!--#echo var="second" default="" -->'
    . '<!--#echo var="third" default="" -->]';
my $ask_more = $ask . '[<!--#set var="a" value="$entra_authorization" -->'
    . '<!--#set var="b" value="$second$third" --><!--#echo var="a" -->'
    . '<!--#echo var="b" encoding="none" --><!--#if expr="$second" -->'
    . '<!--#include virtual="/ask/$entra_authorization" --><!--#endif -->]';

sub one    { return $_[int rand @_] }
sub chance { return rand() < $_[0] }
sub number { my ($from, $to) = @_; return $from + int rand($to - $from + 1) }
sub maybe  { my ($p, @lines) = @_; return chance($p) ? one(@lines) : '' }
sub ask    { return $ask_more }

# o: h2: nginx has HTTP/2; variables: those that it has; binary: its content
sub new {
    my ($class, %o) = @_;
    my $self = bless { locations => [], guards => {}, %o }, $class;
    $self->{count} = number(5, 12);
    # first servers that answer after the token's end
    $self->{late} = chance(0.25);
    $self->{server} = $self->server_lines;
    $self->{http} = $self->http_lines;
    push @{ $self->{locations} }, $self->location($_)
        for 0 .. $self->{count} - 1;
    $self->{helpers} = $self->helpers;
    return $self;
}

# names of this nginx among all, by what nginx -t says of them
sub variables {
    my ($t) = @_;

    my $own = EntraTest::slurp(
        "$t->{root}/ngx_module/request/ngx_http_entra_variables.c");
    my $binary = EntraTest::slurp($t->{nginx});
    my @own = $own =~ /ngx_string\("(entra_\w+)"\)/g;
    my @names = grep { index($binary, $_) >= 0
                       || /^(?:arg|http|cookie|sent|up)/ } @nginx;
    while (@names) {
        my ($ok, $out) = $t->check(
            "log_format all '" . join(' ', map { "\$$_" } @names)
            . "'; server { listen 127.0.0.1:%%PORT%%; access_log x all; }");
        last if $ok;
        my ($unknown) = $out =~ /unknown "(\w+)" variable/ or die $out;
        @names = grep { $_ ne $unknown } @names;
    }
    return (@own, @names);
}


# what stands before the servers

my $head = <<'EOC';
entra_trusted_certificate %%CA%%;
entra_caller_token {
    tenant_id %%TENANT%%; audience %%CLIENT%%; authority_host %%AUTHORITY%%;
}
entra_credential app client_secret {
    %%CREDENTIAL%% scope aml arm; policies none;
    upstreams 127.0.0.1 echo.test twice.test late.test mute.test
              http://127.0.0.1:%%PORT4%%;
}
entra_credential cert client_certificate {
    authority_host %%AUTHORITY%%; tenant_id %%TENANT%%;
    client_id %%CERT_CLIENT%%; client_certificate %%CERT_FILE%%;
    scope storage; policies none;
    upstreams 127.0.0.1 echo.test twice.test late.test mute.test
              http://127.0.0.1:%%PORT4%%;
}
entra_credential guard client_secret {
    %%CREDENTIAL%% scope keyvault; policies p1 p2; preload off;
    upstreams 127.0.0.1 echo.test twice.test late.test mute.test;
}
entra_credential behalf on_behalf_of {
    %%CREDENTIAL%% policies none;
    scope https://management.azure.com/user_impersonation;
    upstreams 127.0.0.1 echo.test twice.test late.test mute.test;
}
entra_caller people { token idtyp=user; token scp=access_as_user; }
entra_policy p3 { state report_only; callers any except people; block; }
map $arg_c $cred { default app; b cert; g guard; o behalf; n ""; x nope; }
map $request_method $benign { default "$uri"; POST "$arg_c-$status"; }
entra_policy p4 { grant; }
map $arg_h $any { default ""; }
map $arg_h $got { default ""; }
map $arg_c $skip { default 0; b 1; s 1; }
split_clients $request_id $half { 50% 1; * 0; }
limit_req_zone $binary_remote_addr zone=req:1m rate=40r/s;
limit_conn_zone $arg_c zone=conn:1m;
proxy_cache_path %%DIR%%/cache keys_zone=c:1m inactive=1m;
proxy_cache_path %%DIR%%/cache2 levels=1:2 keys_zone=d:1m use_temp_path=off;
fastcgi_cache_path %%DIR%%/cache3 keys_zone=f:1m;
upstream nobody.test { server 127.0.0.1:1; }
upstream echo.test { server 127.0.0.1:%%UPSTREAM%% max_fails=0; }
proxy_connect_timeout 1s; proxy_send_timeout 1s;
fastcgi_connect_timeout 1s; fastcgi_read_timeout 1s; scgi_read_timeout 1s;
uwsgi_read_timeout 1s; grpc_connect_timeout 1s; grpc_read_timeout 1s;
client_body_timeout 1s; client_header_timeout 1s; lingering_timeout 1s;
lingering_time 2s; keepalive_timeout 1s; send_timeout 2s; resolver_timeout 1s;
default_type text/html;
root %%DIR%%/html;
EOC

# the variables are there in any case
my $tail = <<'EOC';
server { listen 127.0.0.1:%%PORT3%%; location / {
         entra_token $second app; entra_token $third cert; } }
EOC

sub text {
    my ($self) = @_;
    return $head . $self->{http} . $self->{server}
        . join('', map { $_->{text} } @{ $self->{locations} })
        . $self->{helpers} . "}\n" . $tail;
}

sub http_lines {
    my ($self) = @_;

    my @servers = map { "    server 127.0.0.1:$_ max_fails=0;\n" }
        $self->{late} ? '%%UPSTREAM%%' : one(1, '%%UPSTREAM%%'),
        '%%UPSTREAM%%',
        (chance(0.3) ? '%%UPSTREAM%% backup' : ());
    s/( backup)( max_fails=0)/$2$1/ for @servers;
    my $twice = "upstream twice.test {\n@servers"
        . maybe(0.3, "least_conn;\n", "random two;\n", "hash \$uri;\n",
                "ip_hash;\n") . maybe(0.6, "keepalive 4;\n") . "}\n";
    $twice =~ s/ip_hash;/least_conn;/ if $twice =~ /backup/;
    $twice =~ s/(?:random|hash)[^;]*;// if $twice =~ /backup/;

    my $policies = 'entra_policy p1 { grant; ' . maybe(0.4,
        'locations 127.0.0.0/8;', 'operations "GET /*";', 'callers people;')
        . " }\nentra_policy p2 { block; "
        . one('operations "DELETE /*";', 'locations 10.0.0.0/8;',
              'callers people;') . " }\n";

    return $policies . $twice
        . 'log_format every ' . maybe(0.3, 'escape=json', 'escape=none') . " '"
        . join(' ', map { "\$$_" } @{ $self->{variables} }) . "'\n"
        . "    ' [\$entra_authorization] [\$second] [\$third]';\n"
        . "access_log %%DIR%%/every.log every;\n"
        . "resolver 127.0.0.1:%%DNS%% ipv6=off valid=1s;\n"
        . ($self->{late} ? "proxy_read_timeout 3s;\n"
           : "proxy_read_timeout 1s; proxy_next_upstream_timeout 3s;\n")
        . maybe(0.3, "merge_slashes off;\n", "server_tokens off;\n",
                "underscores_in_headers on;\n",
                "ignore_invalid_headers off;\n",
                "variables_hash_max_size 2048;\n")
        . "server {\n    listen 127.0.0.1:%%PORT%%;\n"
        . ($self->{h2} ? "    listen 127.0.0.1:%%PORT2%% http2;\n" : '');
}

# what locations inherit, or not
sub server_lines {
    my ($self) = @_;
    return "    include %%PROXY%%;\n"
        . ($self->{h2} ? "    include %%GRPC%%;\n" : '')
        . maybe(0.4, "    entra_auth app;\n")
        . maybe(0.4, "    entra_wait 500ms;\n", "    entra_wait 50ms;\n")
        . maybe(0.4, "    add_header X-All \"\$benign \$entra_token_status"
                . " \$entra_decision_json \$upstream_status\" always;\n")
        . maybe(0.5, "    ssi on; ssi_types *;\n")
        . maybe(0.5, "    error_page 400 403 413 500 502 503 504 = \@e;\n",
                "    error_page 502 503 504 /page.html;\n",
                "    error_page 400 413 500 502 503 =200 /ask/e;\n")
        . maybe(0.3, "    recursive_error_pages on;\n")
        . maybe(0.3, "    gzip on; gzip_min_length 1;\n")
        . maybe(0.3, "    client_body_in_file_only on;\n",
                "    client_body_buffer_size 1k;\n")
        . maybe(0.2, "    entra_policies p3 p4;\n")
        . maybe(0.2, "    if (\$skip) { set \$any \$benign; }\n",
                "    rewrite ^/never/ /l0/ last;\n");
}

# locations that others lead to
sub helpers {
    my ($self) = @_;

    my $off = $self->off;
    my $to = '127.0.0.1:%%UPSTREAM_PLAIN%%';
    return <<"EOC";
    location \@e { ssi on; ssi_types *; return 200 '$ask'; }
    location \@proxied {
        entra_auth app; @{[ $self->headers('app aml') ]}
        proxy_pass https://echo.test; }
    location \@off { $off proxy_pass http://$to; }
    location /page.html { ssi on; ssi_types *; }
    location /ask { ssi on; ssi_types *; entra_token \$third cert;
                    return 200 '$ask'; }
    location = /mirror { internal; $off proxy_pass http://$to\$request_uri; }
    location = /mirror2 { internal; entra_auth app;
        @{[ $self->headers('app aml') ]} proxy_pass https://echo.test; }
    location = /auth { internal; $off proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_pass http://$to/auth?bytes=1; }
    location = /auth2 { internal; entra_auth cert;
        proxy_pass_request_body off;
        @{[ $self->headers('cert storage') ]}
        proxy_set_header Content-Length "";
        proxy_pass https://echo.test; }
    location /sub { $off proxy_pass http://$to/sub?bytes=30; }
    location /xa/ { internal; entra_auth cert; ssi on; ssi_types *;
        @{[ $self->headers('cert storage') ]} proxy_pass https://echo.test/; }
    location = /entra/ready { entra_auth off; entra_status ready; }
    location = /entra/status { entra_auth off; entra_status; }
    location = /entra/what { entra_auth off; entra_what_if; }
EOC
}

# no credential here, whatever is inherited, and all headers ask for one
sub off {
    return <<'EOC';
entra_auth off;
        proxy_set_header Authorization "$entra_authorization";
        proxy_set_header X-Third "[$third]";
        proxy_set_header X-Off 1;
EOC
}

# X-Want: whose token it has to be, in the upstream's opinion
sub headers {
    my ($self, $want, %o) = @_;

    return "include %%PROXY%%;\n        proxy_set_header X-Want \"$want\";\n"
        . ($o{second} ? "        proxy_set_header X-Second \"\$second\";\n"
           : '')
        . ($o{third} ? "        proxy_set_header X-Third a\${third};\n" : '')
        . maybe(0.2, "        proxy_set_header X-All \"\$benign"
                . " \$entra_token_status \$upstream_status\";\n");
}


# a location: its text, and the URI that leads to it

my %scope = (app => 'aml', cert => 'storage', guard => 'keyvault',
             behalf => 'obo');

sub location {
    my ($self, $n) = @_;

    my $kind = one(qw(echo echo echo echo echo twice twice down named late
                      off off page static params params grpc));
    $kind = 'twice' if $self->{late} && $n < 2;
    $kind = 'down' if $kind eq 'grpc' && !$self->{h2};
    my (@lines, $want);

    if ($kind eq 'off') {
        push @lines, $self->off;
    } else {
        my $name = one(qw(app app cert guard behalf), '$cred');
        my $scope = $name eq 'app' && chance(0.3) ? ' scope=arm' : '';
        $want = $name eq '$cred' ? '*'
            : "$name " . ($scope ? 'arm' : $scope{$name});
        push @lines, "entra_auth $name$scope;\n";
        my %o = (second => chance(0.5), third => chance(0.3));
        push @lines, "entra_token \$second app scope=arm;\n"
            if $o{second} && chance(0.8);
        push @lines, "entra_token \$third cert;\n" if $o{third}
            && chance(0.8);
        push @lines, $self->headers($want, %o);
    }
    push @lines, grep { $self->known($_) } $self->content($kind);
    push @lines, $self->modifiers($kind);

    my $uri = one("/l$n/", "/l$n/", "^~ /l$n/", "~ ^/l$n(?<rest>/.*)\$");
    return { kind => $kind, uri => "/l$n/", want => $want, n => $n,
             text => "    location $uri {    # $n $kind\n"
                 . join('', map { "        $_" } @lines) . "    }\n" };
}

sub content {
    my ($self, $kind) = @_;

    my $up = '127.0.0.1:%%UPSTREAM%%';
    my $plain = '127.0.0.1:%%UPSTREAM_PLAIN%%';
    return one("proxy_pass https://echo.test;\n",
               "proxy_pass https://echo.test;\n",
               "proxy_ssl_name echo.test; proxy_pass https://$up;\n",
               "proxy_pass https://echo.test\$request_uri;\n",
               "proxy_method POST; proxy_pass https://echo.test;\n",
               "proxy_set_body \"a=\$benign\";"
               . " proxy_pass https://echo.test;\n",
               "proxy_set_body \"\$second\"; proxy_pass https://echo.test;\n")
        if $kind eq 'echo';
    return "proxy_next_upstream error timeout http_500 http_503 http_404"
        . maybe(0.5, ' non_idempotent') . ";\n"
        . "        proxy_pass https://twice.test;\n" if $kind eq 'twice';
    return one("proxy_pass https://nobody.test;\n",
               "proxy_ssl_name echo.test; proxy_pass https://127.0.0.1:1;\n")
        if $kind eq 'down';
    return "set \$to echo.test;\n        proxy_pass https://\$to"
        . one('', '$request_uri', '$uri$is_args$args') . ";\n"
        if $kind eq 'named';
    return "set \$to " . one('late.test', 'late.test', 'mute.test',
                             'evil.test', '$arg_h') . ";\n"
        . "        proxy_pass https://\$to:%%UPSTREAM%%"
        . one('', '$request_uri') . ";\n" if $kind eq 'late';
    return one("proxy_pass http://$plain;\n",
               "proxy_ssl_name echo.test; proxy_pass https://$up;\n",
               "fastcgi_param A \"\$entra_authorization\$third\";"
               . " fastcgi_pass 127.0.0.1:%%PORT5%%;\n",
               "scgi_param A \"\$entra_authorization\";"
               . " scgi_param B \$request_method;"
               . " scgi_pass 127.0.0.1:%%PORT5%%;\n",
               "uwsgi_param A \"\$entra_authorization\";"
               . " uwsgi_pass 127.0.0.1:%%PORT5%%;\n",
               "memcached_pass 127.0.0.1:1; set \$memcached_key \$uri;\n")
        . "        fastcgi_pass_request_headers off;"
        . " scgi_pass_request_headers off; uwsgi_pass_request_headers off;\n"
        if $kind eq 'off';
    return 'return ' . one(200, 200, 404, 503)
        . " '$ask';\n" if $kind eq 'page';
    return one("try_files \$uri /page.html;\n", "try_files \$uri \@proxied;\n",
               "try_files /nothing \@off;\n", "autoindex on;\n",
               "empty_gif;\n", "stub_status;\n", "entra_status;\n",
               "dav_methods PUT DELETE; create_full_put_path on;\n")
        if $kind eq 'static';
    if ($kind eq 'params') {
        my $p = one(qw(fastcgi scgi uwsgi));
        my $port = one('%%PORT4%%', '%%PORT4%%', '%%PORT5%%', 1);
        return "${p}_param HTTP_AUTHORIZATION \$entra_authorization;\n"
            . "        ${p}_param B \$request_method;\n"
            . "        ${p}_pass 127.0.0.1:$port;\n"
            . maybe($p eq 'fastcgi' ? 0.4 : 0,
                    "        ${p}_cache f; ${p}_cache_key \$uri;"
                    . " ${p}_cache_valid any 2s;\n")
            . maybe(0.3, "        ${p}_buffering off;\n",
                    "        ${p}_intercept_errors on;\n",
                    "        ${p}_pass_request_headers off;\n")
            . maybe(0.3, "        ${p}_next_upstream error timeout"
                    . " invalid_header;\n");
    }
    return "include %%GRPC%%; grpc_ssl_name echo.test;\n        grpc_pass "
        . one("grpcs://$up", 'grpcs://127.0.0.1:1', 'grpcs://echo.test')
        . ";\n";
}

sub modifiers {
    my ($self, $kind) = @_;

    my $page = $kind eq 'page';
    my @m = (
        maybe(0.35, 'proxy_buffering off;', 'proxy_buffers 4 4k;',
              'proxy_buffer_size 1k; proxy_buffers 2 1k;'
              . ' proxy_busy_buffers_size 1k;', 'proxy_max_temp_file_size 0;'),
        maybe(0.25, 'proxy_request_buffering off;'),
        maybe(0.4, 'error_page 401 404 413 500 502 503 504 = @e;',
              'error_page 502 503 504 = @proxied;', 'error_page 502 = @off;',
              'error_page 400 413 500 502 503 504 /page.html;',
              'error_page 500 502 503 504 =200 /ask/$status;',
              'error_page 401 403 404 500 = /l0/x?bytes=10;'),
        maybe(0.3, 'proxy_intercept_errors on;'),
        maybe(0.3, 'ssi on; ssi_types *; ssi_silent_errors on;'),
        # not mirror_request_body off: the mirror's upstream ends the time-out
        # of the client's body, and nginx waits for that without an end
        maybe(0.2, 'mirror /mirror;', 'mirror /mirror2;',
              'mirror /mirror; mirror /mirror2;'),
        maybe(0.2, 'auth_request /auth;', 'auth_request /auth2;',
              'auth_request /auth2; auth_request_set $got'
              . ' $upstream_http_authorization;'),
        maybe(0.25, 'rewrite ^/(l\d+)/again(.*)$ /l1$2 last;',
              'rewrite ^(/l\d+)/b(.*)$ $1/c$2 break;',
              'if ($arg_c = b) { set $any "$benign"; }',
              'if ($skip) { add_header X-If $uri; }',
              'if ($request_method = PUT) { return 405; }',
              'if ($half) { rewrite ^ /l2/half?bytes=3 last; }',
              'set $any "$uri$entra_credential"; set $any "$any$args";'),
        maybe(0.15, 'limit_except GET POST { deny all; }',
              'limit_except GET { auth_basic x; auth_basic_user_file'
              . ' %%DIR%%/html/passwords; }'),
        maybe(0.15, 'satisfy any; deny all; auth_request /auth;',
              'satisfy any; allow all; auth_basic x;'
              . ' auth_basic_user_file %%DIR%%/html/passwords;',
              'satisfy any; deny all; auth_basic x;'
              . ' auth_basic_user_file %%DIR%%/html/passwords;'),
        maybe(0.2, 'sub_filter x y; sub_filter_once off; sub_filter_types *;',
              'sub_filter "Bearer" "$entra_credential$uri";'
              . ' sub_filter_types *;'),
        maybe(0.3, 'add_header X-All "$benign $entra_decision_json $status'
              . ' $upstream_addr $upstream_cache_status $any" always;',
              'add_trailer X-All "$upstream_status $entra_token_status";',
              'expires 1s;'),
        maybe(0.1, 'limit_req zone=req burst=3 nodelay;',
              'limit_req zone=req burst=5;', 'limit_conn conn 2;'),
        maybe(0.2, 'client_max_body_size 100;', 'client_max_body_size 3k;'),
        maybe(0.15, 'entra_replay off;'),
        maybe(0.2, 'entra_wait 10ms;', 'entra_wait 1s;', 'entra_wait 0;'),
        maybe(0.15, 'entra_path raw;'),
        maybe(0.15, 'entra_policies p3 p4;', 'entra_policies p1;',
              'entra_policies p2 p4;', 'entra_policies p2;'),
        maybe(0.15, 'client_body_in_file_only on;',
              'client_body_in_single_buffer on;',
              'client_body_buffer_size 128;'),
        maybe(0.2, 'proxy_ignore_headers X-Accel-Redirect Cache-Control;',
              'proxy_ignore_client_abort on;', 'proxy_pass_header Server;',
              'proxy_hide_header X-A;', 'proxy_socket_keepalive on;',
              'proxy_redirect / /x/;', 'proxy_cookie_path / /$benign;',
              'proxy_limit_rate 20k;', 'limit_rate 30k;',
              'postpone_output 0;', 'chunked_transfer_encoding off;',
              'proxy_force_ranges on;', 'output_buffers 1 512;',
              'add_before_body /sub; addition_types *;',
              'add_after_body /ask/add; addition_types *;',
              'gunzip on;', 'if_modified_since off;',
              'reset_timedout_connection on;'),
        maybe(0.15, 'access_log %%DIR%%/other.log every if=$half;',
              'access_log off;', 'access_log %%DIR%%/store/$arg_c.log every;',
              'log_subrequest on;'),
    );
    push @m, 'ssi on; ssi_types *;' if $page and !grep { /^ssi/ } @m;
    @m = grep { !/^auth_request/ } @m if grep { /^satisfy/ } @m;
    push @m, $self->caching if chance(0.35) && !$page;
    push @m, 'proxy_store %%DIR%%/store$uri;' if !grep { /proxy_cache/ } @m
        and chance(0.05);
    @m = grep { !/^proxy_re(?:direct|quest)/ } @m
        if $kind =~ /^(?:static|params|off|grpc|page)$/;
    return map { "$_\n" } grep { length && $self->known($_) } @m;
}

# of a module that this nginx may lack
sub known {
    my ($self, $line) = @_;
    my ($name) = $line =~ /^\s*(\w+)/;
    return $name !~ /^(?:sub_|add_[ab]|slice|auth_req|gunzip|dav|stub)/
        || index($self->{binary}, $name) >= 0;
}

sub caching {
    my ($self) = @_;

    return grep { length }
        'proxy_cache ' . one(qw(c c d)) . ';',
        'proxy_cache_valid ' . one('200 1s', 'any 1s', 'any 1m', '200 502 3s')
            . ';',
        maybe(0.6, 'proxy_cache_key "$uri$arg_c";', 'proxy_cache_key one;',
              'proxy_cache_key "$uri$is_args$args$benign$entra_caller";'),
        maybe(0.6, 'proxy_cache_lock on;',
              'proxy_cache_lock on; proxy_cache_lock_age 300ms;'
              . ' proxy_cache_lock_timeout 400ms;'),
        maybe(0.4, 'proxy_cache_use_stale error timeout updating http_500'
              . ' http_503;', 'proxy_cache_use_stale updating;'
              . ' proxy_cache_background_update on;'),
        maybe(0.3, 'proxy_cache_bypass $skip;', 'proxy_cache_bypass $half;',
              'proxy_no_cache $skip $arg_c;'),
        maybe(0.3, 'proxy_cache_methods GET HEAD POST;',
              'proxy_cache_revalidate on;', 'proxy_cache_min_uses 2;',
              'proxy_cache_convert_head off;', 'proxy_cache_max_range_offset'
              . ' 10;'),
        maybe(0.2, 'slice 100;'),
        maybe(0.4, 'proxy_ignore_headers Cache-Control Expires Vary'
              . ' Set-Cookie;');
}


# Where a token must not be.  TOKEN becomes one, and in the neighbour a
# variable that may be there.

my @forbidden = (
    'add_header X-T "[TOKEN]" always;', 'add_trailer X-T TOKEN;',
    'return 200 "aTOKEN";', 'set $x "TOKEN$uri";', 'root %%DIR%%/TOKEN;',
    'rewrite ^ /x/TOKEN;', 'if (TOKEN) { return 204; }',
    'if ($uri = "TOKEN") { return 204; }', 'if (-f TOKEN) { return 204; }',
    'if ($uri ~ a) { set $x TOKEN; }', 'error_page 404 /TOKEN;',
    'proxy_cache_key "$uri|TOKEN";', 'proxy_cache_bypass $skip TOKEN;',
    'proxy_no_cache TOKEN;', 'proxy_method TOKEN;',
    'proxy_cookie_domain a TOKEN;', 'proxy_cookie_path / TOKEN;',
    'proxy_redirect / /TOKEN;', 'proxy_store %%DIR%%/store/TOKEN;',
    'fastcgi_cache_key TOKEN;', 'uwsgi_cache_key "TOKEN";',
    'scgi_cache_bypass TOKEN;', 'fastcgi_no_cache TOKEN;',
    'sub_filter a "TOKEN";', 'sub_filter TOKEN b;', 'auth_basic "a TOKEN";',
    'access_log %%DIR%%/TOKEN.log;', 'access_log %%DIR%%/b.log every'
    . ' if=TOKEN;', 'try_files /TOKEN =404;', 'limit_rate TOKEN;',
    'expires TOKEN;', 'userid_domain TOKEN;', 'secure_link_md5 "TOKEN$uri";',
    'auth_request_set $x TOKEN;', 'charset TOKEN;', 'index TOKEN;',
    'proxy_ssl_certificate %%DIR%%/TOKEN;', 'limit_except GET {'
    . ' auth_basic TOKEN; }', 'proxy_bind TOKEN;', 'grpc_bind "TOKEN";',
    'mirror /TOKEN;',
);

# (what is refused, what passes): two lines for a location
sub forbidden {
    my $line = one(@forbidden);
    my $name = one('entra_authorization', 'second', 'third',
                   'Entra_Authorization', 'SECOND', 'ENTRA_AUTHORIZATION');
    my $token = one("\$$name", "\${$name}");
    my $other = one('$benign', '${entra_credential}', '$entra_token_status');
    return ($line =~ s/TOKEN/$token/r, $line =~ s/TOKEN/$other/r);
}

1;
