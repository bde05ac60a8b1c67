
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_credential_types.h"


/* to add a type: its file, and one line here */

#define ENTRA_CREDENTIAL_TYPES(type)                                         \
    type(client_secret)                                                      \
    type(client_certificate)                                                 \
    type(environment)                                                        \
    type(on_behalf_of)                                                       \
    type(workload_identity)                                                  \
    type(managed_identity)                                                   \
    type(azure_cli)                                                          \
    type(azure_developer_cli)                                                \
    type(azure_powershell)                                                   \
    type(device_code)                                                        \
    type(interactive_browser)                                                \
    type(chained_token)                                                      \
    type(default_azure)                                                      \
    type(endpoint_key)                                                       \
    type(endpoint_token)

#define entra_declare(type)                                                  \
    extern const entra_credential_type_t  entra_##type##_credential;

#define entra_pointer(type)  &entra_##type##_credential,


ENTRA_CREDENTIAL_TYPES(entra_declare)


const entra_credential_type_t  *const entra_credential_types[] = {
    ENTRA_CREDENTIAL_TYPES(entra_pointer)
    NULL
};


const entra_credential_type_t *
entra_credential_type(entra_str_t name)
{
    const entra_credential_type_t  *const *type;

    for (type = entra_credential_types; *type; type++) {
        if (entra_str_eq_c(name, (*type)->name)) {
            return *type;
        }
    }

    return NULL;
}
