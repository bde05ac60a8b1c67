
/*
 * Copyright (C) nginx-entra authors
 *
 * ManagedIdentityCredential: the platform says who the gateway is.  Which
 * platform it is, the environment tells; the order is that of MSAL, with
 * Azure Identity's token exchange (AKS) before the metadata service.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_mi_source.h"


#define ENTRA_MI_VALUE_MAX  1024


static const entra_mi_source_t  *const entra_mi_sources[] = {
    &entra_mi_service_fabric,
    &entra_mi_app_service,
    &entra_mi_azure_ml,
    &entra_mi_cloud_shell,
    &entra_mi_arc,
    &entra_mi_token_exchange,
    &entra_mi_imds,
    NULL
};


static const char  *const entra_mi_kinds[] = {
    "", "client_id", "object_id", "resource_id"
};


static int
entra_mi_select(entra_mi_t *mi, entra_mi_kind_e kind, const char *value,
    entra_err_t *err)
{
    if (value == NULL) {
        return 0;
    }

    if (mi->selector) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s and %s are mutually exclusive: an identity is "
                             "chosen by client_id, object_id or resource_id",
                             entra_mi_kinds[mi->kind], entra_mi_kinds[kind]);
    }

    if (strlen(value) > ENTRA_MI_VALUE_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "%s is too long",
                             entra_mi_kinds[kind]);
    }

    if (kind == ENTRA_MI_RESOURCE_ID && value[0] != '/') {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "resource_id is the identity's path in Azure: "
                             "/subscriptions/.../resourceGroups/.../providers/"
                             "Microsoft.ManagedIdentity/"
                             "userAssignedIdentities/NAME");
    }

    mi->kind = kind;
    mi->selector = value;

    return 0;
}


static int
entra_mi_init(entra_credential_t *c, entra_err_t *err)
{
    unsigned                  i;
    entra_mi_t               *mi = c->conf;
    const entra_mi_source_t  *source;

    if (entra_mi_select(mi, ENTRA_MI_CLIENT_ID, c->client_id, err) != 0
        || entra_mi_select(mi, ENTRA_MI_OBJECT_ID, mi->object_id, err) != 0
        || entra_mi_select(mi, ENTRA_MI_RESOURCE_ID, mi->resource_id, err)
           != 0)
    {
        return -1;
    }

    for (i = 0; !entra_mi_sources[i]->detect(mi, c->env); i++) { /* void */ }

    source = entra_mi_sources[i];

    if (mi->selector && source->names[mi->kind] == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s, the source of managed identities according "
                             "to the environment, does not support %s: %s",
                             source->name, entra_mi_kinds[mi->kind],
                             source->refusal);
    }

    mi->source = source;

    return source->init(c, err);
}


static void
entra_mi_free(entra_credential_t *c)
{
    entra_mi_t  *mi = c->conf;

    entra_credential_free(mi->exchange);
    entra_free_secret(mi->secret);
    free(mi->endpoint);
    free(mi->thumbprint);
    free(mi->default_id);
}


static entra_next_e
entra_mi_step(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    return mi->source->step(a);
}


static int
entra_mi_watch(entra_credential_t *c, entra_err_t *err)
{
    entra_mi_t  *mi = c->conf;

    return mi->exchange ? mi->exchange->type->watch(mi->exchange, err) : 0;
}


static void
entra_mi_files(const entra_credential_t *c, entra_file_visit_pt visit,
    void *data)
{
    const entra_mi_t  *mi = c->conf;

    if (mi->exchange) {
        mi->exchange->type->files(mi->exchange, visit, data);
    }
}


/* the source, too: another one gives tokens of another identity */

static void
entra_mi_identity(const entra_credential_t *c, entra_buf_t *out)
{
    entra_mi_t  *mi = c->conf;

    entra_buf_addf(out, "%s %s %s=%s", mi->source ? mi->source->name : "",
                   mi->endpoint ? mi->endpoint : "",
                   entra_mi_kinds[mi->kind],
                   mi->selector ? mi->selector : "");

    if (mi->exchange && mi->exchange->type->identity) {
        mi->exchange->type->identity(mi->exchange, out);
    }
}


static const entra_param_t  entra_mi_params[] = {
    { "object_id", ENTRA_PARAM_STRING, offsetof(entra_mi_t, object_id) },
    { "resource_id", ENTRA_PARAM_STRING, offsetof(entra_mi_t, resource_id) },
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_managed_identity_credential = {
    .name = "managed_identity",
    .azure_name = "ManagedIdentityCredential",
    .conf_size = sizeof(entra_mi_t),
    .state_size = sizeof(entra_mi_state_t),
    .params = { entra_mi_params },
    .init = entra_mi_init,
    .free = entra_mi_free,
    .step = entra_mi_step,
    .watch = entra_mi_watch,
    .files = entra_mi_files,
    .identity = entra_mi_identity
};
