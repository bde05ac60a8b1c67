
/*
 * Copyright (C) nginx-entra authors
 *
 * ClientCertificateCredential: an application with a certificate.
 */

#include "entra_client_auth.h"


const entra_credential_type_t  entra_client_certificate_credential = {
    .name = "client_certificate",
    .azure_name = "ClientCertificateCredential",
    .params = { entra_client_certificate_params,
                entra_service_principal_params },
    .client_auth = ENTRA_CLIENT_AUTH_CERTIFICATE,
    .init = entra_client_auth_init,
    .step = entra_client_auth_step,
    ENTRA_CLIENT_AUTH_TYPE
};
