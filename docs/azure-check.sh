#!/usr/bin/env bash
#
# The gateway against a real tenant and workspace: see azure-check.md.
#
#   az login
#   docs/azure-check.sh -g RESOURCE-GROUP -w WORKSPACE [-m MODULE.so] [-o DIR]
#
# Makes an application, two endpoints without deployments (which cost nothing)
# and role assignments; deletes them when it ends, however it ends.

set -u
shopt -s extglob

usage() { sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 2; }

group='' workspace='' out='' keep=''
module=/usr/lib/nginx/modules/ngx_http_entra_module.so
nginx=${NGINX:-nginx}
unset NGINX                             # nginx has a use of its own for it

while getopts g:w:m:o:k option; do
    case $option in
        g) group=$OPTARG ;;
        w) workspace=$OPTARG ;;
        m) module=$(realpath "$OPTARG") ;;
        o) out=$OPTARG ;;
        k) keep=1 ;;
        *) usage ;;
    esac
done

if [ -z "$group" ] || [ -z "$workspace" ]; then usage; fi

# where another cloud, or the emulator of the tests, is told from Azure
authority=${AZURE_AUTHORITY_HOST:-https://login.microsoftonline.com}
ca=${CHECK_CA:-/etc/ssl/certs/ca-certificates.crt}
address=${CHECK_ADDRESS:-}          # host:port of all of Azure's hosts
identity=${CHECK_IDENTITY:-http://169.254.169.254}
port=${CHECK_PORT:-18080}
patience=${CHECK_PATIENCE:-300}     # seconds until a role has to count
root=$(cd "$(dirname "$0")/.." && pwd)

for tool in az curl jq openssl; do
    command -v "$tool" >/dev/null || { echo "$tool is missing"; exit 1; }
done

[ -e "$module" ] || { echo "no module at $module: write -m"; exit 1; }

dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
out=${out:-$dir/seen}
mkdir -p "$out"
id=$(openssl rand -hex 4)
name=nginx-entra-check-$id
rc=0 app='' made='' pid=''


# --- what was made is deleted

cleanup() {
    trap - EXIT INT TERM
    [ -n "$pid" ] && kill "$pid" 2>/dev/null

    if [ -n "$keep" ]; then
        echo "kept: application $app, endpoints$made, $dir"
        exit "$rc"
    fi

    echo 'Deleting what was made ...'
    for endpoint in $made; do
        rest delete "$ws/onlineEndpoints/$endpoint" >/dev/null 2>&1 \
            || echo "NOT deleted: endpoint $endpoint"
    done
    [ -z "$app" ] || az role assignment delete --assignee "$app" \
        --scope "$ws" >/dev/null 2>&1 || echo 'NOT deleted: role assignments'
    [ -z "$app" ] || az ad app delete --id "$app" >/dev/null 2>&1 \
        || echo "NOT deleted: application $app"

    # answers have no secrets in them and stay, where somebody asked for them
    rm -f "$dir"/*.secret "$dir"/*.pem
    case $out in "$dir"/*) rm -rf "$dir" ;; esac
    exit "$rc"
}

trap cleanup EXIT
trap 'rc=130; exit 130' INT TERM


# --- the table

row() {         # what, expected, seen: a pattern of the shell says if it is so
    local verdict=differs

    # shellcheck disable=SC2254
    case $3 in $2) verdict=ok ;; esac
    [ "$verdict" = ok ] || rc=1
    printf '%-34s | %-34s | %-34s | %s\n' "$1" "${4:-$2}" "$3" "$verdict"
}

note() { printf '%-34s | %-34s | %s\n' "$1" 'not known: please report' "$2"; }


# --- Azure

rest() { az rest --method "$1" --url "$arm$2?api-version=2023-10-01" \
         "${@:3}"; }

fail() { echo "$1"; rc=1; exit 1; }

# shellcheck disable=SC2312
arm=${CHECK_ARM:-https://management.azure.com}
tenant=$(az account show --query tenantId -o tsv) || fail 'run az login first'
subscription=$(az account show --query id -o tsv)
ws=/subscriptions/$subscription/resourceGroups/$group/providers
ws=$ws/Microsoft.MachineLearningServices/workspaces/$workspace
region=$(rest get "$ws" --query location -o tsv) \
    || fail "no workspace $workspace in $group"

echo "Making application and endpoints $name (some minutes) ..."
app=$(az ad app create --display-name "$name" --query appId -o tsv) \
    || fail 'no application could be made'
az ad sp create --id "$app" >/dev/null || fail 'no service principal'

secret() { (umask 077; az ad app credential reset --id "$app" --append \
            --display-name "$1" --query password -o tsv >"$dir/$1.secret"); }

secret one || fail 'no secret could be made'
(umask 077
 openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" \
    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
 cat "$dir/key.pem" "$dir/cert.pem" >"$dir/client.pem")
az ad app credential reset --id "$app" --append --cert "@$dir/cert.pem" \
    >/dev/null || fail 'the certificate could not be uploaded'
(umask 077; printf '%s\n' 'not-the-secret-of-anybody' >"$dir/wrong.secret")

endpoint() {
    rest put "$ws/onlineEndpoints/$1" --body "{\"location\": \"$region\",
        \"identity\": {\"type\": \"SystemAssigned\"},
        \"properties\": {\"authMode\": \"$2\"}}" >/dev/null \
        || fail "endpoint $1 could not be made"
    made="$made $1"
}

entra=chk-aad-$id keyed=chk-key-$id
endpoint "$entra" AADToken
endpoint "$keyed" Key

for endpoint in "$entra" "$keyed"; do
    for _ in $(seq 60); do
        state=$(rest get "$ws/onlineEndpoints/$endpoint" \
                --query properties.provisioningState -o tsv)
        [ "$state" = Succeeded ] && break
        sleep 5
    done
    [ "$state" = Succeeded ] || fail "endpoint $endpoint: $state"
done


# --- the gateway

host=$entra.$region.inference.ml.azure.com
keyed_host=$keyed.$region.inference.ml.azure.com
gateway=http://127.0.0.1:$port
upstreams=''
[ -z "$address" ] || upstreams="upstreams ${address%:*} management.azure.com
    *.inference.ml.azure.com;"
sed "s#/etc/ssl/certs/ca-certificates.crt#$ca#" \
    "$root/conf/entra_proxy.conf" >"$dir/entra_proxy.conf"
cat >"$dir/workspace.json" <<JSON
{"subscription_id": "$subscription", "resource_group": "$group",
 "workspace_name": "$workspace"}
JSON

who="tenant_id $tenant; client_id $app; authority_host $authority;
        cloud public; policies none;"
place() {       # location, credential, host
    echo "location = /$1 { entra_auth $2; include $dir/entra_proxy.conf;
        proxy_set_header Host $3; proxy_ssl_name $3;
        proxy_pass https://$1/$4; }"
}

managed=''
if curl -s -m 2 -o "$out/imds.json" -H 'Metadata: true' "$identity/metadata/\
identity/oauth2/token?api-version=2018-02-01&resource=https://ml.azure.com" \
    && jq -e .access_token "$out/imds.json" >/dev/null 2>&1; then
    managed="entra_credential managed managed_identity {
        scope aml; policies none; $upstreams }"
fi
rm -f "$out/imds.json"              # a token

write_conf() {
cat >"$dir/nginx.conf" <<CONF
load_module $module;
$([ "$(id -u)" = 0 ] && echo 'user root;')
env AZURE_CONFIG_DIR; env HOME; env AZURE_POD_IDENTITY_AUTHORITY_HOST;
env NSS_WRAPPER_HOSTS;
worker_processes 1;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log info;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $dir/body;  proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;   uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    entra_trusted_certificate $ca;
    entra_credential secret client_secret {
        $who client_secret_file $dir/one.secret; scope aml arm; $upstreams }
    entra_credential certificate client_certificate {
        $who client_certificate $dir/client.pem; scope aml; $upstreams }
    entra_credential wrong client_secret {
        $who client_secret_file $dir/wrong.secret; scope aml; $upstreams }
    entra_credential missing client_secret {
        $who client_secret_file $dir/one.secret;
        scope https://nginx-entra-check.example/.default;
        upstreams 127.0.0.1; }
    entra_credential cli azure_cli {
        executable $(command -v az); scope arm; policies none; $upstreams }
    entra_credential key endpoint_key {
        endpoint $keyed; workspace $dir/workspace.json; using secret;
        ${CHECK_ARM:+resource_manager $arm;} policies none; $upstreams }
    $managed
    upstream score    { server ${address:-$host:443}; }
    upstream keyed    { server ${address:-$keyed_host:443}; }
    upstream audience { server ${address:-$host:443}; }
    upstream resource { server ${address:-management.azure.com:443}; }
    server {
        listen 127.0.0.1:$port;
        $(place score secret "$host" score)
        $(place keyed key "$keyed_host" score)
        $(place audience 'secret scope=arm' "$host" score)
        location ~ ^/subscriptions/ {
            entra_auth secret scope=arm; include $dir/entra_proxy.conf;
            proxy_set_header Host management.azure.com;
            proxy_ssl_name management.azure.com;
            proxy_pass https://resource; }
        location = /status { entra_status; }
    }
}
CONF
}

write_conf
"$nginx" -t -p "$dir" -c "$dir/nginx.conf" >"$out/nginx-t.txt" 2>&1 \
    || fail "nginx -t: $(cat "$out/nginx-t.txt")"
"$nginx" -p "$dir" -c "$dir/nginx.conf" 2>"$out/stderr.txt" &
pid=$!

status() { curl -s "$gateway/status" | jq -r "$1"; }
of() { status ".credentials[] | select(.credential == \"$1\")
               | select(.scope // \"\" | contains(\"${3:-}\")) | $2" \
       | head -n 1; }

wait_for() {    # seconds, command ...: until it succeeds
    local end=$((SECONDS + $1))

    while ! "${@:2}"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 1
    done
}

# Entra's replicas take their time with a new secret
is() { [ "$(of "$1" "$2")" = "$3" ]; }

call() {        # name, then arguments for curl: the status
    curl -s -m 60 -D "$out/$1.headers" -o "$out/$1.body" -w '%{http_code}' \
        "${@:2}"
}


# --- what is seen

echo
printf '%-34s | %-34s | %-34s |\n' what expected seen
printf -- '-%.0s' $(seq 110); echo

for credential in secret certificate cli ${managed:+managed}; do
    wait_for "$patience" is "$credential" .state valid
    row "a token by: $credential" valid "$(of "$credential" .state)"
done
[ -n "$managed" ] || echo 'no managed identity on this machine: not tried'

wait_for "$patience" is wrong .last_error.aadsts AADSTS7000215
row 'a wrong secret' AADSTS7000215 "$(of wrong .last_error.aadsts)"
wait_for "$patience" is missing .last_error.aadsts AADSTS500011
row 'a resource that there is not' AADSTS500011 \
    "$(of missing .last_error.aadsts)"
row 'life of a token' '[1-9]*' "$(of secret .expires_in ml.azure)" 'seconds'

# the first mistake of every new user

seen=$(call no-role "$gateway/score" -d '{}')
row 'score, no role' '40[13]' "$seen" '401 (documented) or 403'
note '  its text' "$(head -c 200 "$out/no-role.body" | tr '\r\n' '  ')"
note '  its challenge' \
    "$(grep -i '^www-authenticate' "$out/no-role.headers" | tr -d '\r')"
before=$(of secret .fetches ml.azure)
for _ in $(seq 20); do call no-role "$gateway/score" -d '{}' >/dev/null; done
more=$(($(of secret .fetches ml.azure) - before))
row '  fetches for 20 more of them' '[01]' "$more" 'at most 1'

seen=$(call arm-no-role "$gateway$ws?api-version=2023-10-01")
row 'Resource Manager, no role' 403 "$seen"
row '  its code' AuthorizationFailed \
    "$(jq -r .error.code "$out/arm-no-role.body" 2>/dev/null)"

# claims challenges of Azure ML, if it knows any: a token for another resource

seen=$(call audience "$gateway/audience" -d '{}')
row 'a token for another resource' '@(401|500)' "$seen" '401, or 500: the guard'
[ "$seen" = 500 ] || note '  its challenge' \
    "$(grep -i '^www-authenticate' "$out/audience.headers" | tr -d '\r')"

# with the role

az role assignment create --assignee "$app" --scope "$ws" \
    --role 'AzureML Data Scientist' >/dev/null || fail 'no role assignment'
began=$SECONDS
counts() { case $(call role "$gateway/score" -d '{}') in
           401 | 403) return 1 ;; esac; }
wait_for "$patience" counts
row 'score, with the role' '@(404|424|200)' "$(call role "$gateway/score" -d '{}')" \
    '404 (no deployment)'
note '  the role counts after' "$((SECONDS - began)) s"
readable() { [ "$(call arm "$gateway$ws?api-version=2023-10-01")" = 200 ]; }
wait_for "$patience" readable
row 'Resource Manager, with the role' 200 \
    "$(call arm "$gateway$ws?api-version=2023-10-01")"
note '  its throttling headers' \
    "$(grep -i ratelimit "$out/arm.headers" | tr -d '\r' | tr '\n' ' ')"

seen=$(call list-keys -X POST -H 'Content-Length: 0' "$gateway$ws/\
onlineEndpoints/$keyed/listKeys?api-version=2023-10-01")
row 'listKeys' 200 "$seen"
rm -f "$out/list-keys.body"         # keys
wait_for "$patience" is key .state valid
row 'the key of an endpoint' valid "$(of key .state)"
row '  scoring with it' '@(404|424|200)' "$(call keyed "$gateway/keyed" -d '{}')" \
    '404 (no deployment)'

# a new secret, without a reload

secret two && generation=$(of secret .generation ml.azure) \
    && cat "$dir/two.secret" >"$dir/one.secret"
renewed() { [ "$(of secret .generation ml.azure)" != "$generation" ]; }
wait_for "$patience" renewed
row 'a new secret in the file' valid "$(of secret .state ml.azure)"

# Entra's own words, for the tests of the product

ask() {
    curl -s -m 30 ${CHECK_CA:+--cacert "$ca"} -o "$out/entra-$1.json" \
        "$authority/${2}/oauth2/v2.0/token" -d client_id="$app" \
        --data-urlencode client_secret@"$dir/wrong.secret" \
        -d grant_type=client_credentials -d "scope=$3"
    jq -r '[.error, .suberror // "-", (.error_codes | map(tostring)
            | join(","))] | join(" ")' "$out/entra-$1.json"
}

row 'Entra: a wrong secret' 'invalid_client - 7000215' \
    "$(ask secret "$tenant" https://ml.azure.com/.default)"
row 'Entra: no such tenant' 'invalid_request - 90002' \
    "$(ask tenant 00000000-0000-4000-8000-000000000001 \
       https://ml.azure.com/.default)"
row 'Entra: no tenant at all' 'invalid_request - 900023' \
    "$(ask name not-a-tenant https://ml.azure.com/.default)"

if grep -qE 'eyJ[A-Za-z0-9_-]{40}' "$dir/error.log"; then
    row 'no token in the log' none found
else
    row 'no token in the log' none none
fi

cp "$dir/error.log" "$out/error.log"
echo
[ "$rc" = 0 ] && echo 'All as expected.' || echo 'Something differs.'
case $out in "$dir"/*) ;; *) echo "The answers are in $out" ;; esac
