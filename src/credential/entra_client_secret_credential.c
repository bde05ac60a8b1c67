
/*
 * Copyright (C) nginx-entra authors
 *
 * ClientSecretCredential: an application with a secret.
 */

#include "entra_client_auth.h"


const entra_credential_type_t  entra_client_secret_credential = {
    .name = "client_secret",
    .azure_name = "ClientSecretCredential",
    .params = { entra_client_secret_params, entra_service_principal_params },
    .client_auth = ENTRA_CLIENT_AUTH_SECRET,
    .init = entra_client_auth_init,
    .step = entra_client_auth_step,
    ENTRA_CLIENT_AUTH_TYPE
};
