
/*
 * Copyright (C) nginx-entra authors
 *
 * Managed identity of Azure ML compute: instances, clusters, containers of
 * online endpoints.  App Service's old API 2017-09-01, with its own ways.
 */

#include <stdlib.h>

#include "entra_env.h"
#include "entra_mi_source.h"


static int
entra_mi_aml_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    return entra_env_get(env, "MSI_ENDPOINT")
           && entra_env_get(env, "MSI_SECRET");
}


static int
entra_mi_aml_init(entra_credential_t *c, entra_err_t *err)
{
    const char  *id;
    entra_mi_t  *mi = c->conf;

    /*
     * A cluster with several identities has a default one, which the
     * endpoint does not know by itself.
     */

    if (mi->kind == ENTRA_MI_SYSTEM) {
        id = entra_env_get(c->env, "DEFAULT_IDENTITY_CLIENT_ID");

        if (id) {
            mi->default_id = entra_str_dup(entra_str_c(id));
            if (mi->default_id == NULL) {
                return entra_err_no_memory(err);
            }

            mi->selector = mi->default_id;
            mi->kind = ENTRA_MI_CLIENT_ID;
        }
    }

    return entra_mi_endpoint(c, "MSI_ENDPOINT", "MSI_SECRET", err);
}


static entra_next_e
entra_mi_aml_step(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    return entra_mi_simple(a, "2017-09-01", "secret", mi->secret);
}


const entra_mi_source_t  entra_mi_azure_ml = {
    .name = "Azure Machine Learning",
    .names = { NULL, "clientid", NULL, NULL },
    .refusal = "Azure Machine Learning compute finds identities by client id "
               "only: write \"client_id ID;\" with the identity's client id",
    .detect = entra_mi_aml_detect,
    .init = entra_mi_aml_init,
    .step = entra_mi_aml_step
};
