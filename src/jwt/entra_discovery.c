
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_discovery.h"
#include "entra_json.h"
#include "entra_url.h"


#define ENTRA_ALIASES_MAX  5


/* names of one authority, from MSAL's list of known authorities */

static const char *const  entra_aliases[][ENTRA_ALIASES_MAX] = {
    { "login.microsoftonline.com", "login.windows.net", "login.microsoft.com",
      "sts.windows.net", NULL },
    { "login.microsoftonline.us", "login.usgovcloudapi.net", NULL },
    { "login.chinacloudapi.cn", "login.partner.microsoftonline.cn", NULL }
};


void
entra_discovery_url(const char *authority_host, const char *tenant_id,
    entra_token_version_e version, entra_buf_t *out)
{
    entra_buf_addf(out, "%s/%s%s/.well-known/openid-configuration",
                   authority_host, tenant_id,
                   version == ENTRA_TOKEN_V2 ? "/v2.0" : "");
}


void
entra_discovery_free(entra_discovery_t *d)
{
    free(d->issuer);
    free(d->jwks_uri);
    memset(d, 0, sizeof(entra_discovery_t));
}


static int
entra_discovery_alias(const char *const *names, entra_str_t host)
{
    for ( /* void */ ; *names; names++) {
        if (entra_str_case_eq_c(host, *names)) {
            return 1;
        }
    }

    return 0;
}


static entra_str_t
entra_discovery_port(const entra_url_t *url)
{
    return url->port.len ? url->port : entra_str("443");
}


static int
entra_discovery_same_host(const entra_url_t *a, const entra_url_t *b)
{
    size_t  i;

    if (!entra_str_eq(entra_discovery_port(a), entra_discovery_port(b))) {
        return 0;
    }

    if (entra_str_case_eq(a->host, b->host)) {
        return 1;
    }

    for (i = 0; i < sizeof(entra_aliases) / sizeof(entra_aliases[0]); i++) {
        if (entra_discovery_alias(entra_aliases[i], a->host)
            && entra_discovery_alias(entra_aliases[i], b->host))
        {
            return 1;
        }
    }

    return 0;
}


static int
entra_discovery_jwks_uri(entra_str_t text, const char *authority_host,
    entra_err_t *err)
{
    entra_url_t  url, authority;

    if (entra_url_parse(text, &url) != 0 || !url.https) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "jwks_uri is missing, malformed or not https");
    }

    if (entra_url_parse(entra_str_c(authority_host), &authority) != 0
        || !entra_discovery_same_host(&url, &authority))
    {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "jwks_uri points to another host, \"%.*s\"",
                             (int) url.origin.len, url.origin.data);
    }

    return 0;
}


/* one segment of the path, whole */

static int
entra_discovery_names_tenant(const entra_url_t *url, const char *tenant_id)
{
    size_t       i, start = 0;
    entra_str_t  segment;

    for (i = 0; i <= url->target.len; i++) {

        if (i < url->target.len && url->target.data[i] != '/') {
            continue;
        }

        segment.data = url->target.data + start;
        segment.len = i - start;

        if (entra_str_eq_c(segment, tenant_id)) {
            return 1;
        }

        start = i + 1;
    }

    return 0;
}


static int
entra_discovery_issuer(entra_str_t text, const char *tenant_id,
    entra_err_t *err)
{
    entra_url_t  url;

    if (!entra_issuer_ok(text) || entra_url_parse(text, &url) != 0
        || !url.https || url.has_query)
    {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "issuer is missing, malformed or not https");
    }

    if (!entra_discovery_names_tenant(&url, tenant_id)) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "issuer \"%.*s\" is not of the tenant %s",
                             (int) text.len, text.data, tenant_id);
    }

    return 0;
}


int
entra_discovery_parse(entra_discovery_t *d, entra_str_t document,
    const char *authority_host, const char *tenant_id, entra_err_t *err)
{
    int            rc = -1;
    entra_str_t    issuer, jwks_uri;
    entra_json_t  *root;

    memset(d, 0, sizeof(entra_discovery_t));

    root = entra_json_parse(document, 0,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the discovery document is not a JSON object");
    }

    issuer = entra_json_member_string(root, "issuer");
    jwks_uri = entra_json_member_string(root, "jwks_uri");

    if (entra_discovery_issuer(issuer, tenant_id, err) == 0
        && entra_discovery_jwks_uri(jwks_uri, authority_host, err) == 0)
    {
        d->issuer = entra_str_dup(issuer);
        d->jwks_uri = entra_str_dup(jwks_uri);

        if (d->issuer && d->jwks_uri) {
            rc = 0;

        } else {
            entra_discovery_free(d);
            (void) entra_err_no_memory(err);
        }
    }

    entra_json_free(root);

    return rc;
}
