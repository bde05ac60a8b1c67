
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_caller_token.h"
#include "entra_suggest.h"


typedef struct {
    const char  *audience;                  /* app id, or host of the URI */
    const char  *service;
} entra_foreign_t;


/*
 * Tokens for these are meant for Microsoft's own services.  A gateway that
 * takes them as proof of a caller is a confused deputy: whoever can make a
 * caller call that service, or runs it, holds such tokens.
 */

static const entra_foreign_t  entra_foreign[] = {

    { "0736f41a-0425-4b46-bdb5-1563eff02385", "Azure Machine Learning" },
    { "18a66f5f-dbdf-4c17-9dd7-1634712a9cbe", "Azure Machine Learning" },
    { "ml.azure.com", "Azure Machine Learning" },
    { "ml.azure.cn", "Azure Machine Learning" },
    { "ml.azure.us", "Azure Machine Learning" },
    { "ai.azure.com", "Azure AI Foundry" },

    { "797f4846-ba00-4fd7-ba43-dac1f8f63013", "Azure Resource Manager" },
    { "management.azure.com", "Azure Resource Manager" },
    { "management.core.windows.net", "Azure Resource Manager" },
    { "management.chinacloudapi.cn", "Azure Resource Manager" },
    { "management.core.chinacloudapi.cn", "Azure Resource Manager" },
    { "management.usgovcloudapi.net", "Azure Resource Manager" },
    { "management.core.usgovcloudapi.net", "Azure Resource Manager" },

    { "00000003-0000-0000-c000-000000000000", "Microsoft Graph" },
    { "00000002-0000-0000-c000-000000000000", "Azure AD Graph" },
    { "graph.microsoft.com", "Microsoft Graph" },
    { "graph.microsoft.us", "Microsoft Graph" },
    { "dod-graph.microsoft.us", "Microsoft Graph" },
    { "microsoftgraph.chinacloudapi.cn", "Microsoft Graph" },
    { "graph.windows.net", "Azure AD Graph" },

    { "e406a681-f3d4-42a8-90b6-c2b029497af1", "Azure Storage" },
    { "storage.azure.com", "Azure Storage" },
    { "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault" },
    { "vault.azure.net", "Azure Key Vault" },
    { "vault.azure.cn", "Azure Key Vault" },
    { "vault.usgovcloudapi.net", "Azure Key Vault" },
    { "cognitiveservices.azure.com", "Azure AI services" },

    { "azureadtokenexchange", "workload identity federation" },
    { "azureadtokenexchangechina", "workload identity federation" },
    { "azureadtokenexchangeusgov", "workload identity federation" },

    { NULL, NULL }
};


void
entra_caller_token_conf_init(entra_caller_token_conf_t *conf)
{
    memset(conf, 0, sizeof(entra_caller_token_conf_t));
    conf->leeway = -1;
}


void
entra_caller_token_conf_free(entra_caller_token_conf_t *conf)
{
    unsigned  i;

    for (i = 0; i < conf->naudiences; i++) {
        free(conf->audiences[i]);
    }

    free(conf->tenant_id);
    free(conf->authority_host);

    entra_caller_token_conf_init(conf);
}


/* a copy; of a GUID in lower case, as Entra writes it into tokens */

static char *
entra_caller_token_copy(entra_str_t text)
{
    return entra_str_is_guid(text) ? entra_str_dup_lower(text)
                                   : entra_str_dup(text);
}


static int
entra_caller_token_tenant(entra_caller_token_conf_t *conf, entra_str_t value,
    entra_err_t *err)
{
    if (conf->tenant_id) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "duplicate \"tenant_id\": tokens of one tenant"
                             " are accepted");
    }

    if (!entra_str_is_guid(value)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id \"%.*s\" is not a GUID: tokens name"
                             " their tenant by its id, write the \"Tenant ID\""
                             " of its overview page, not a domain, \"common\""
                             " or \"organizations\"",
                             (int) (value.len < 80 ? value.len : 80),
                             value.data);
    }

    conf->tenant_id = entra_caller_token_copy(value);

    return conf->tenant_id ? 0 : entra_err_no_memory(err);
}


/* what entra_foreign[] lists: the GUID, or the host of an URI */

static entra_str_t
entra_caller_token_subject(entra_str_t audience)
{
    size_t       i;
    entra_str_t  s = audience;

    for (i = 0; i + 2 < s.len; i++) {
        if (memcmp(s.data + i, "://", 3) == 0) {
            s.data += i + 3;
            s.len -= i + 3;
            break;
        }
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '/' || s.data[i] == ':') {
            s.len = i;
        }
    }

    return s;
}


static int
entra_caller_token_foreign(entra_str_t audience, entra_err_t *err)
{
    entra_str_t             subject;
    const entra_foreign_t  *f;

    subject = entra_caller_token_subject(audience);

    for (f = entra_foreign; f->audience; f++) {
        if (!entra_str_case_eq_c(subject, f->audience)) {
            continue;
        }

        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "audience \"%.*s\" is %s: a token issued for it"
                             " proves nothing here (any service that receives"
                             " one could replay it). Register an application"
                             " for the gateway, let callers request its scope,"
                             " and write its client id or its Application ID"
                             " URI",
                             (int) audience.len, audience.data, f->service);
    }

    return 0;
}


static int
entra_caller_token_audience(entra_caller_token_conf_t *conf,
    entra_str_t value, entra_err_t *err)
{
    char      *copy;
    size_t     i;
    unsigned   n;

    if (value.len == 0 || value.len > ENTRA_AUDIENCE_LEN) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "an audience has 1 to %d characters",
                             ENTRA_AUDIENCE_LEN);
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~') {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "blank or special character in audience");
        }
    }

    if (entra_str_ends(value, "/.default")) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "audience \"%.*s\" is a scope: write it without"
                             " \"/.default\"", (int) value.len, value.data);
    }

    if (entra_caller_token_foreign(value, err) != 0) {
        return -1;
    }

    if (conf->naudiences == ENTRA_AUDIENCES_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "more than %d audiences",
                             ENTRA_AUDIENCES_MAX);
    }

    copy = entra_caller_token_copy(value);
    if (copy == NULL) {
        return entra_err_no_memory(err);
    }

    for (n = 0; n < conf->naudiences; n++) {
        if (strcmp(copy, conf->audiences[n]) == 0) {
            free(copy);
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "duplicate audience \"%s\"",
                                 conf->audiences[n]);
        }
    }

    conf->audiences[conf->naudiences++] = copy;

    return 0;
}


static int
entra_caller_token_authority(entra_caller_token_conf_t *conf,
    entra_str_t value, entra_err_t *err)
{
    if (conf->authority_host) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "duplicate \"authority_host\"");
    }

    conf->authority_host = entra_cloud_authority(value, err);

    return conf->authority_host ? 0 : -1;
}


static int
entra_caller_token_cloud(entra_caller_token_conf_t *conf, entra_str_t value,
    entra_err_t *err)
{
    char  *name;

    if (conf->cloud) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "duplicate \"cloud\"");
    }

    name = entra_str_dup(value);
    if (name == NULL) {
        return entra_err_no_memory(err);
    }

    conf->cloud = entra_cloud_find(name);
    free(name);

    if (conf->cloud == NULL) {
        return entra_cloud_unknown(value, err);
    }

    return 0;
}


static int
entra_caller_token_leeway(entra_caller_token_conf_t *conf, entra_str_t value,
    entra_err_t *err)
{
    int64_t  n, unit = 1;

    if (conf->leeway != -1) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "duplicate \"leeway\"");
    }

    if (entra_str_ends(value, "s") && !entra_str_ends(value, "ms")) {
        value.len--;

    } else if (entra_str_ends(value, "m")) {
        value.len--;
        unit = 60;
    }

    if (value.len > 4 || entra_str_int(value, &n) != 0
        || n * unit > ENTRA_LEEWAY_MAX)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "leeway is a time from 0s to %ds, as \"60s\"",
                             ENTRA_LEEWAY_MAX);
    }

    conf->leeway = n * unit;

    return 0;
}


static const char *const  entra_caller_token_names[] = {
    "tenant_id", "audience", "authority_host", "cloud", "leeway", NULL
};


int
entra_caller_token_is_param(entra_str_t name)
{
    unsigned  i;

    for (i = 0; entra_caller_token_names[i]; i++) {
        if (entra_str_eq_c(name, entra_caller_token_names[i])) {
            return 1;
        }
    }

    return 0;
}


static int
entra_caller_token_one(entra_caller_token_conf_t *conf, entra_str_t name,
    entra_str_t value, entra_err_t *err)
{
    char  meant[ENTRA_SUGGEST_TEXT];

    if (entra_str_eq_c(name, "tenant_id")) {
        return entra_caller_token_tenant(conf, value, err);
    }

    if (entra_str_eq_c(name, "authority_host")) {
        return entra_caller_token_authority(conf, value, err);
    }

    if (entra_str_eq_c(name, "cloud")) {
        return entra_caller_token_cloud(conf, value, err);
    }

    if (entra_str_eq_c(name, "leeway")) {
        return entra_caller_token_leeway(conf, value, err);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "unknown parameter \"%.*s\" of entra_caller_token%s",
                         (int) (name.len < 80 ? name.len : 80), name.data,
                         entra_suggest(meant, name, entra_caller_token_names)
                             ? meant
                             : "; it has tenant_id, audience, authority_host,"
                               " cloud, leeway");
}


int
entra_caller_token_conf_param(entra_caller_token_conf_t *conf,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    unsigned  i;

    if (entra_str_eq_c(words[0], "audience") && nwords > 1) {
        for (i = 1; i < nwords; i++) {
            if (entra_caller_token_audience(conf, words[i], err) != 0) {
                return -1;
            }
        }

        return 0;
    }

    if (nwords != 2) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "invalid number of arguments in \"%.*s\"",
                             (int) (words[0].len < 80 ? words[0].len : 80),
                             words[0].data);
    }

    return entra_caller_token_one(conf, words[0], words[1], err);
}


int
entra_caller_token_conf_done(entra_caller_token_conf_t *conf,
    entra_err_t *err)
{
    if (conf->tenant_id == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "entra_caller_token has no tenant_id: write the"
                             " id of the tenant that issues callers' tokens");
    }

    if (conf->naudiences == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "entra_caller_token has no audience: write the"
                             " client id or the Application ID URI that is"
                             " registered for this gateway");
    }

    if (conf->cloud == NULL) {
        conf->cloud = entra_cloud_find(NULL);
    }

    if (conf->authority_host == NULL) {
        conf->authority_host =
                      entra_str_dup(entra_str_c(conf->cloud->authority_host));
        if (conf->authority_host == NULL) {
            return entra_err_no_memory(err);
        }
    }

    if (conf->leeway == -1) {
        conf->leeway = ENTRA_LEEWAY;
    }

    return 0;
}


void
entra_caller_token_challenge(const entra_caller_token_conf_t *conf,
    entra_buf_t *out)
{
    unsigned     i;
    entra_str_t  id;

    entra_buf_addf(out, "authorization_uri=\"%s/%s/oauth2/v2.0/authorize\"",
                   conf->authority_host, conf->tenant_id);

    for (i = 0; i < conf->naudiences; i++) {
        id = entra_str_c(conf->audiences[i]);

        if (entra_str_starts(id, "api://")) {
            id.data += 6;
            id.len -= 6;
        }

        if (entra_str_is_guid(id)) {
            entra_buf_add_c(out, ", client_id=\"");
            entra_buf_add_str(out, id);
            entra_buf_add_c(out, "\"");
            return;
        }
    }
}
