
/*
 * Copyright (C) nginx-entra authors
 *
 * DeviceCodeCredential: a person signs in on any device, with a code that the
 * gateway's page shows.
 */

#include "entra_signed_in.h"


static int
entra_device_code_load(entra_credential_t *c, entra_err_t *err)
{
    if (entra_credential_default(&c->client_id, ENTRA_SIGNED_IN_CLIENT) != 0
        || entra_credential_default(&c->tenant_id, ENTRA_SIGNED_IN_TENANT)
           != 0)
    {
        return entra_err_no_memory(err);
    }

    return 0;
}


const entra_credential_type_t  entra_device_code_credential = {
    .name = "device_code",
    .azure_name = "DeviceCodeCredential",
    .load = entra_device_code_load,
    ENTRA_SIGNED_IN_TYPE
};
