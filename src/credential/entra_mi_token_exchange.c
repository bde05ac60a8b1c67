
/*
 * Copyright (C) nginx-entra authors
 *
 * Managed identity in a pod with workload identity: Azure Identity exchanges
 * the pod's token there, in place of asking the node's metadata service.
 */

#include <stdlib.h>

#include "entra_env.h"
#include "entra_mi_source.h"


extern const entra_credential_type_t  entra_workload_identity_credential;


static int
entra_mi_exchange_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    return entra_env_get(env, "AZURE_AUTHORITY_HOST")
           && entra_env_get(env, "AZURE_TENANT_ID")
           && entra_env_get(env, "AZURE_FEDERATED_TOKEN_FILE");
}


static int
entra_mi_exchange_init(entra_credential_t *c, entra_err_t *err)
{
    unsigned             i;
    entra_mi_t          *mi = c->conf;
    entra_credential_t  *inner;

    inner = entra_credential_create(&entra_workload_identity_credential,
                                    entra_str_c(c->name), c->env);

    if (inner == NULL) {
        return entra_err_no_memory(err);
    }

    mi->exchange = inner;

    inner->cloud = c->cloud;
    inner->cloud_given = c->cloud_given;

    if (entra_credential_default(&inner->client_id, c->client_id) != 0
        || entra_credential_default(&inner->tenant_id, c->tenant_id) != 0
        || entra_credential_default(&inner->authority_host, c->authority_host)
           != 0)
    {
        return entra_err_no_memory(err);
    }

    for (i = 0; i < c->nscopes; i++) {
        if (entra_credential_default(&inner->scopes[i], c->scopes[i]) != 0) {
            return entra_err_no_memory(err);
        }

        inner->nscopes++;
    }

    return entra_credential_init_inner(c, inner, err);
}


static entra_next_e
entra_mi_exchange_step(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    if (a->step == 0) {
        a->other = mi->exchange;
        return ENTRA_NEXT_CREDENTIAL;
    }

    if (a->inner->err.class != ENTRA_ERR_NONE) {
        a->err = a->inner->err;
        return ENTRA_NEXT_FAILED;
    }

    a->token = a->inner->token;
    entra_token_init(&a->inner->token);

    return ENTRA_NEXT_DONE;
}


const entra_mi_source_t  entra_mi_token_exchange = {
    .name = "the token exchange of workload identity",
    .names = { NULL, "client_id", NULL, NULL },
    .refusal = "the pod's token belongs to a client id: write \"client_id "
               "ID;\", or unset AZURE_FEDERATED_TOKEN_FILE to use the node's "
               "identities",
    .detect = entra_mi_exchange_detect,
    .init = entra_mi_exchange_init,
    .step = entra_mi_exchange_step
};
