
/*
 * Copyright (C) nginx-entra authors
 *
 * ClientSecretCredential: an application with a secret.
 */

#include "entra_client_auth.h"


const entra_credential_type_t  entra_client_secret_credential = {
    .name = "client_secret",
    .azure_name = "ClientSecretCredential",
    .conf_size = sizeof(entra_client_auth_conf_t),
    .state_size = sizeof(entra_client_auth_state_t),
    .params = { entra_client_secret_params, entra_service_principal_params },
    .client_auth = ENTRA_CLIENT_AUTH_SECRET,
    .needs_tenant = 1,
    .needs_client_id = 1,
    .load = entra_client_auth_load,
    .init = entra_client_auth_init,
    .free = entra_client_auth_free,
    .step = entra_client_auth_step,
    .watch = entra_client_auth_watch,
    .files = entra_client_auth_files,
    .secrets = entra_client_auth_secrets
};
