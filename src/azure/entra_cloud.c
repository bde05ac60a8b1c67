
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
#include "entra_cloud.h"
#include "entra_suggest.h"
#include "entra_url.h"


#define ENTRA_SCOPE_MAX      1024
#define ENTRA_AUTHORITY_MAX  280
#define ENTRA_TENANT_MAX     253            /* a domain name, RFC 1035 */


typedef struct {
    const char     *cloud;
    const char     *resource;
    const char     *hosts[ENTRA_CLOUD_HOSTS_MAX];
} entra_cloud_hosts_t;


static const char  entra_default[] = "/.default";


static const entra_cloud_t  entra_clouds[] = {

    { "public",
      "https://login.microsoftonline.com",
      "https://management.azure.com",
      "https://ml.azure.com",
      "https://storage.azure.com",
      "https://vault.azure.net",
      "https://graph.microsoft.com",
      "api://AzureADTokenExchange" },

    { "china",
      "https://login.chinacloudapi.cn",
      "https://management.chinacloudapi.cn",
      "https://ml.azure.cn",
      "https://storage.azure.com",
      "https://vault.azure.cn",
      "https://microsoftgraph.chinacloudapi.cn",
      "api://AzureADTokenExchangeChina" },

    { "usgov",
      "https://login.microsoftonline.us",
      "https://management.usgovcloudapi.net",
      "https://ml.azure.us",
      "https://storage.azure.com",
      "https://vault.usgovcloudapi.net",
      "https://graph.microsoft.us",
      "api://AzureADTokenExchangeUSGov" },

    { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }
};


static const entra_cloud_hosts_t  entra_hosts[] = {

    { "public", "https://ml.azure.com",
      { "*.inference.ml.azure.com" } },

    { "public", "https://management.azure.com",
      { "management.azure.com", "*.api.azureml.ms" } },

    { "public", "https://management.core.windows.net",
      { "management.azure.com", "*.api.azureml.ms" } },

    { "public", "https://storage.azure.com",
      { "*.blob.core.windows.net", "*.dfs.core.windows.net",
        "*.file.core.windows.net", "*.queue.core.windows.net",
        "*.table.core.windows.net" } },

    { "public", "https://vault.azure.net", { "*.vault.azure.net" } },

    { "public", "https://graph.microsoft.com", { "graph.microsoft.com" } },

    { "china", "https://ml.azure.cn", { "*.inference.ml.azure.cn" } },

    { "china", "https://management.chinacloudapi.cn",
      { "management.chinacloudapi.cn", "*.api.ml.azure.cn" } },

    { "china", "https://management.core.chinacloudapi.cn",
      { "management.chinacloudapi.cn", "*.api.ml.azure.cn" } },

    { "china", "https://storage.azure.com",
      { "*.blob.core.chinacloudapi.cn", "*.dfs.core.chinacloudapi.cn",
        "*.file.core.chinacloudapi.cn", "*.queue.core.chinacloudapi.cn",
        "*.table.core.chinacloudapi.cn" } },

    { "china", "https://vault.azure.cn", { "*.vault.azure.cn" } },

    { "china", "https://microsoftgraph.chinacloudapi.cn",
      { "microsoftgraph.chinacloudapi.cn" } },

    { "usgov", "https://ml.azure.us", { "*.inference.ml.azure.us" } },

    { "usgov", "https://management.usgovcloudapi.net",
      { "management.usgovcloudapi.net", "*.api.ml.azure.us" } },

    { "usgov", "https://management.core.usgovcloudapi.net",
      { "management.usgovcloudapi.net", "*.api.ml.azure.us" } },

    { "usgov", "https://storage.azure.com",
      { "*.blob.core.usgovcloudapi.net", "*.dfs.core.usgovcloudapi.net",
        "*.file.core.usgovcloudapi.net", "*.queue.core.usgovcloudapi.net",
        "*.table.core.usgovcloudapi.net" } },

    { "usgov", "https://vault.usgovcloudapi.net",
      { "*.vault.usgovcloudapi.net" } },

    { "usgov", "https://graph.microsoft.us", { "graph.microsoft.us" } },

    { NULL, NULL, { NULL } }
};


const entra_cloud_t *
entra_cloud_find(const char *name)
{
    const entra_cloud_t  *cloud;

    if (name == NULL) {
        return &entra_clouds[0];
    }

    for (cloud = entra_clouds; cloud->name; cloud++) {
        if (strcmp(cloud->name, name) == 0) {
            return cloud;
        }
    }

    return NULL;
}


static const char *
entra_cloud_named(const entra_cloud_t *cloud, entra_str_t name)
{
    if (entra_str_eq_c(name, "aml")) {
        return cloud->aml;
    }

    if (entra_str_eq_c(name, "arm")) {
        return cloud->resource_manager;
    }

    if (entra_str_eq_c(name, "storage")) {
        return cloud->storage;
    }

    if (entra_str_eq_c(name, "keyvault")) {
        return cloud->keyvault;
    }

    if (entra_str_eq_c(name, "graph")) {
        return cloud->graph;
    }

    return NULL;
}


/* the scope-token of RFC 6749, section 3.3 */

static int
entra_scope_chars(entra_str_t name, entra_err_t *err)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < name.len; i++) {
        c = (unsigned char) name.data[i];

        if (c == ' ' || c == ',') {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "one scope names one resource, and this one"
                                 " holds several: write them as separate"
                                 " words, \"scope A/.default B/.default;\"");
        }

        if (c < 0x21 || c > 0x7e || c == '"' || c == '\\') {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%.*s\" has a character that no scope can"
                                 " have", (int) name.len, name.data);
        }
    }

    return 0;
}


/* "https://host", "https://host/", "api://id": nothing after the authority */

static int
entra_scope_is_bare(entra_str_t name)
{
    size_t  i;

    for (i = 0; i + 2 < name.len; i++) {
        if (memcmp(name.data + i, "://", 3) == 0) {
            break;
        }
    }

    if (i + 2 >= name.len) {
        return 0;
    }

    for (i += 3; i < name.len; i++) {
        if (name.data[i] == '/') {
            return i + 1 == name.len;
        }
    }

    return 1;
}


static int
entra_scope_check(entra_str_t name, entra_err_t *err)
{
    int          n = (int) name.len;
    char         meant[ENTRA_SUGGEST_TEXT];
    entra_str_t  resource;

    static const char *const  entra_scope_names[] = {
        "aml", "arm", "storage", "keyvault", "graph", NULL
    };

    if (entra_scope_is_bare(name)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is a resource, not a scope: write"
                             " \"%.*s/.default\"", n, name.data, n,
                             name.data);
    }

    if (!entra_str_ends(name, entra_default)) {

        if (memchr(name.data, '/', name.len) == NULL) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "unknown scope \"%.*s\"%s", n, name.data,
                                 entra_suggest(meant, name, entra_scope_names)
                                     ? meant
                                     : ": write aml, arm, storage, keyvault,"
                                       " graph or the resource's URI followed"
                                       " by \"/.default\"");
        }

        return 0;
    }

    resource = entra_cloud_resource(name);

    if (resource.len == 0 || entra_str_eq_c(resource, "/")) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "no resource before \"/.default\" in \"%.*s\"",
                             n, name.data);
    }

    if (entra_str_ends(resource, entra_default)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "duplicate \"/.default\": write \"%.*s\"",
                             (int) resource.len, resource.data);
    }

    return 0;
}


char *
entra_cloud_scope(const entra_cloud_t *cloud, entra_str_t name,
    entra_err_t *err)
{
    char         *scope;
    const char   *resource;
    entra_buf_t   b;

    if (name.len == 0 || name.len > ENTRA_SCOPE_MAX) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG, "%s: write aml, arm,"
                             " storage, keyvault, graph or the resource's URI"
                             " followed by \"/.default\"",
                             name.len ? "too long a scope" : "empty scope");
        return NULL;
    }

    entra_buf_init(&b, ENTRA_SCOPE_MAX);
    resource = entra_cloud_named(cloud, name);

    if (resource) {
        entra_buf_add_c(&b, resource);
        entra_buf_add_c(&b, entra_default);

    } else {
        if (entra_scope_chars(name, err) != 0
            || entra_scope_check(name, err) != 0)
        {
            return NULL;
        }

        entra_buf_add_str(&b, name);
    }

    scope = entra_buf_steal(&b);

    if (scope == NULL) {
        (void) entra_err_no_memory(err);
    }

    return scope;
}


unsigned
entra_cloud_hosts(const entra_cloud_t *cloud, const char *scope,
    const char *hosts[ENTRA_CLOUD_HOSTS_MAX])
{
    unsigned                    n;
    entra_str_t                 resource;
    const entra_cloud_hosts_t  *h;

    resource = entra_cloud_resource(entra_str_c(scope));

    if (entra_str_ends(resource, "/")) {
        resource.len--;
    }

    for (h = entra_hosts; h->cloud; h++) {

        if (strcmp(h->cloud, cloud->name) != 0
            || !entra_str_case_eq_c(resource, h->resource))
        {
            continue;
        }

        for (n = 0; n < ENTRA_CLOUD_HOSTS_MAX && h->hosts[n]; n++) {
            hosts[n] = h->hosts[n];
        }

        return n;
    }

    return 0;
}


entra_str_t
entra_cloud_resource(entra_str_t scope)
{
    if (entra_str_ends(scope, entra_default)) {
        scope.len -= sizeof(entra_default) - 1;
    }

    return scope;
}


static int
entra_authority_check(entra_str_t host, entra_str_t rest, entra_err_t *err)
{
    unsigned     port;
    entra_str_t  path;

    if (host.len == 0 || host.len > ENTRA_TENANT_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "no valid host name in authority_host: write"
                             " \"https://login.microsoftonline.com\" or"
                             " another host");
    }

    if (rest.len && rest.data[0] == ':') {
        if (memchr(rest.data, '@', rest.len)) {
            return entra_err_set(err, ENTRA_ERR_CONFIG, "authority_host is a"
                                 " host only, without user and password");
        }

        path = rest;
        rest = entra_str_cut(&path, '/');

        if (entra_url_port(rest, &port) != 0) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "invalid port in authority_host");
        }

        /* the tenant is what is wrong with HOST:443/TENANT */

        host.len += rest.len;
        rest = path;
    }

    if (rest.len) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "authority_host is a host only, \"https://%.*s\":"
                             " the tenant belongs in tenant_id",
                             (int) host.len, host.data);
    }

    return 0;
}


char *
entra_cloud_authority(entra_str_t text, entra_err_t *err)
{
    char         *url;
    entra_str_t   host, rest;
    entra_buf_t   b;

    if (text.len >= 7 && entra_str_case_eq_c((entra_str_t) { 7, text.data },
                                             "http://"))
    {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "authority_host is http: secrets and tokens go"
                             " over TLS only, write https://");
        return NULL;
    }

    if (text.len >= 8 && entra_str_case_eq_c((entra_str_t) { 8, text.data },
                                             "https://"))
    {
        text.data += 8;
        text.len -= 8;
    }

    if (text.len && text.data[text.len - 1] == '/') {
        text.len--;
    }

    host.data = text.data;
    host.len = entra_url_host(text);
    rest.data = text.data + host.len;
    rest.len = text.len - host.len;

    if (entra_authority_check(host, rest, err) != 0) {
        return NULL;
    }

    entra_buf_init(&b, ENTRA_AUTHORITY_MAX);
    entra_buf_add_c(&b, "https://");
    entra_buf_add_str(&b, text);
    url = entra_buf_steal(&b);

    if (url == NULL) {
        (void) entra_err_no_memory(err);
        return NULL;
    }

    entra_str_lower(url, entra_str_c(url));

    return url;
}


int
entra_cloud_unknown(entra_str_t name, entra_err_t *err)
{
    char  meant[ENTRA_SUGGEST_TEXT];

    static const char *const  names[] = { "public", "china", "usgov", NULL };

    return entra_err_set(err, ENTRA_ERR_CONFIG, "unknown cloud \"%.*s\"%s",
                         (int) name.len, name.data,
                         entra_suggest(meant, name, names)
                             ? meant
                             : ": write public, china or usgov; for any other,"
                               " authority_host and full scope URIs");
}


int
entra_cloud_tenant_ok(entra_str_t tenant)
{
    size_t  i;

    if (tenant.len == 0 || tenant.len > ENTRA_TENANT_MAX) {
        return 0;
    }

    for (i = 0; i < tenant.len; i++) {

        if (tenant.data[i] == '.') {

            /* "." and ".." are segments that a URL loses */

            if (i == 0 || i + 1 == tenant.len || tenant.data[i - 1] == '.') {
                return 0;
            }

            continue;
        }

        if (!entra_is_alnum(tenant.data[i]) && tenant.data[i] != '-') {
            return 0;
        }
    }

    return 1;
}
