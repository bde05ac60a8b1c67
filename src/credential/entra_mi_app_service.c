
/*
 * Copyright (C) nginx-entra authors
 *
 * Managed identity in App Service, Functions, Container Apps, Automation:
 * api-version 2019-08-01.
 */

#include <stdlib.h>

#include "entra_env.h"
#include "entra_mi_source.h"


static int
entra_mi_app_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    return entra_env_get(env, "IDENTITY_ENDPOINT")
           && entra_env_get(env, "IDENTITY_HEADER");
}


static int
entra_mi_app_init(entra_credential_t *c, entra_err_t *err)
{
    return entra_mi_endpoint(c, "IDENTITY_ENDPOINT", "IDENTITY_HEADER", err);
}


static entra_next_e
entra_mi_app_step(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    if (a->step) {
        return entra_mi_finish(a);
    }

    /* Metadata is for Azure Automation, which shares the variables */

    if (entra_mi_get(a, "2019-08-01") != 0
        || entra_mi_header(a, "X-IDENTITY-HEADER", mi->secret) != 0
        || entra_mi_header(a, "Metadata", "true") != 0)
    {
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_HTTP;
}


const entra_mi_source_t  entra_mi_app_service = {
    .name = "App Service",
    .names = { NULL, "client_id", "object_id", "mi_res_id" },
    .detect = entra_mi_app_detect,
    .init = entra_mi_app_init,
    .step = entra_mi_app_step
};
