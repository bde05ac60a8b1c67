
/*
 * Copyright (C) nginx-entra authors
 *
 * The identity of the person in an Azure Cloud Shell.
 */

#include <stdlib.h>

#include "entra_cloud.h"
#include "entra_enc.h"
#include "entra_env.h"
#include "entra_mi_source.h"


static int
entra_mi_shell_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    return entra_env_get(env, "MSI_ENDPOINT") != NULL;
}


static int
entra_mi_shell_init(entra_credential_t *c, entra_err_t *err)
{
    return entra_mi_endpoint(c, "MSI_ENDPOINT", NULL, err);
}


static entra_next_e
entra_mi_shell_step(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    if (a->step) {
        return entra_mi_finish(a);
    }

    a->request.method = "POST";
    a->request.local = 1;
    a->request.url = entra_str_dup(entra_str_c(mi->endpoint));

    entra_enc_form_pair(&a->request.body, "resource",
                        entra_cloud_resource(entra_str_c(a->scope)));

    if (a->request.url == NULL || !entra_buf_ok(&a->request.body)) {
        entra_err_no_memory(&a->err);
        return ENTRA_NEXT_FAILED;
    }

    if (entra_mi_header(a, "Metadata", "true") != 0
        || entra_mi_header(a, "Content-Type",
                           "application/x-www-form-urlencoded") != 0)
    {
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_HTTP;
}


const entra_mi_source_t  entra_mi_cloud_shell = {
    .name = "Cloud Shell",
    .refusal = "Cloud Shell knows only the identity of its user: remove the "
               "parameter",
    .detect = entra_mi_shell_detect,
    .init = entra_mi_shell_init,
    .step = entra_mi_shell_step
};
