
/*
 * Copyright (C) nginx-entra authors
 *
 * The types of credentials: to add one, two lines here and a file.
 */

#include "entra_credential.h"


extern const entra_credential_type_t  entra_client_secret_credential;
extern const entra_credential_type_t  entra_client_certificate_credential;
extern const entra_credential_type_t  entra_environment_credential;
extern const entra_credential_type_t  entra_on_behalf_of_credential;
extern const entra_credential_type_t  entra_workload_identity_credential;
extern const entra_credential_type_t  entra_managed_identity_credential;
extern const entra_credential_type_t  entra_azure_cli_credential;
extern const entra_credential_type_t  entra_azure_developer_cli_credential;
extern const entra_credential_type_t  entra_azure_powershell_credential;
extern const entra_credential_type_t  entra_device_code_credential;
extern const entra_credential_type_t  entra_interactive_browser_credential;
extern const entra_credential_type_t  entra_chained_token_credential;
extern const entra_credential_type_t  entra_default_azure_credential;
extern const entra_credential_type_t  entra_endpoint_key_credential;
extern const entra_credential_type_t  entra_endpoint_token_credential;


static const entra_credential_type_t  *const entra_credential_types[] = {
    &entra_client_secret_credential,
    &entra_client_certificate_credential,
    &entra_environment_credential,
    &entra_on_behalf_of_credential,
    &entra_workload_identity_credential,
    &entra_managed_identity_credential,
    &entra_azure_cli_credential,
    &entra_azure_developer_cli_credential,
    &entra_azure_powershell_credential,
    &entra_device_code_credential,
    &entra_interactive_browser_credential,
    &entra_chained_token_credential,
    &entra_default_azure_credential,
    &entra_endpoint_key_credential,
    &entra_endpoint_token_credential,
    NULL
};


const entra_credential_type_t *
entra_credential_type_nth(unsigned n)
{
    const unsigned  count = sizeof(entra_credential_types)
                            / sizeof(entra_credential_types[0]);

    return n < count ? entra_credential_types[n] : NULL;
}


const entra_credential_type_t *
entra_credential_type(entra_str_t name)
{
    unsigned                        n;
    const entra_credential_type_t  *type;

    for (n = 0; (type = entra_credential_type_nth(n)) != NULL; n++) {
        if (entra_str_eq_c(name, type->name)) {
            return type;
        }
    }

    return NULL;
}
