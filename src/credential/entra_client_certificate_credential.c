
/*
 * Copyright (C) nginx-entra authors
 *
 * ClientCertificateCredential: an application with a certificate.
 */

#include "entra_client_auth.h"


static const entra_param_t  entra_client_certificate_params[] = {
    ENTRA_CLIENT_AUTH_CERTIFICATE_PARAMS(0),
    ENTRA_CLIENT_AUTH_PRINCIPAL_PARAM(0),
    { NULL, 0, 0 }
};


static int
entra_client_certificate_load(entra_credential_t *c, entra_err_t *err)
{
    return entra_client_auth_load(c, c->conf, err);
}


static int
entra_client_certificate_init(entra_credential_t *c, entra_err_t *err)
{
    return entra_client_auth_init(c, c->conf, ENTRA_CLIENT_AUTH_CERTIFICATE,
                                  err);
}


static void
entra_client_certificate_conf_free(entra_credential_t *c)
{
    entra_client_auth_free(c->conf);
}


static entra_next_e
entra_client_certificate_step(entra_acquire_t *a)
{
    return entra_client_auth_step(a, a->credential->conf, a->state,
                                  "client_credentials", NULL);
}


static int
entra_client_certificate_conf_watch(entra_credential_t *c, entra_err_t *err)
{
    return entra_client_auth_watch(c, c->conf, err);
}


static void
entra_client_certificate_files(const entra_credential_t *c,
    entra_file_visit_pt visit, void *data)
{
    entra_client_auth_files(c->conf, visit, data);
}


static void
entra_client_certificate_material(const entra_credential_t *c,
    entra_buf_t *out)
{
    entra_client_auth_material(c->conf, out);
}


const entra_credential_type_t  entra_client_certificate_credential = {
    .name = "client_certificate",
    .azure_name = "ClientCertificateCredential",
    .conf_size = sizeof(entra_client_auth_t),
    .state_size = sizeof(entra_client_auth_state_t),
    .params = entra_client_certificate_params,
    .needs_tenant = 1,
    .needs_client_id = 1,
    .load = entra_client_certificate_load,
    .init = entra_client_certificate_init,
    .free = entra_client_certificate_conf_free,
    .step = entra_client_certificate_step,
    .watch = entra_client_certificate_conf_watch,
    .files = entra_client_certificate_files,
    .material = entra_client_certificate_material
};
