
/*
 * Copyright (C) nginx-entra authors
 *
 * DeviceCodeCredential: a person signs in on any device, with a code that the
 * gateway's page shows.
 */

#include <stddef.h>

#include "entra_signed_in.h"


static int
entra_device_code_load(entra_credential_t *c, entra_err_t *err)
{
    if (entra_credential_default(&c->client_id, ENTRA_SIGNED_IN_CLIENT) != 0) {
        return entra_err_no_memory(err);
    }

    return entra_signed_in_load_common(c, err);
}


static const entra_param_t  entra_device_code_params[] = {
    ENTRA_SIGNED_IN_PARAMS,
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_device_code_credential = {
    .name = "device_code",
    .azure_name = "DeviceCodeCredential",
    .conf_size = sizeof(entra_signed_in_conf_t),
    .state_size = sizeof(entra_signed_in_state_t),
    .params = { entra_device_code_params },
    .interactive = 1,
    .delegated = 1,
    .load = entra_device_code_load,
    .init = entra_signed_in_init,
    .free = entra_signed_in_conf_free,
    .step = entra_signed_in_step,
    .state_free = entra_signed_in_state_free,
    .watch = entra_signed_in_watch,
    .identity = entra_signed_in_identity,
    .secrets = entra_signed_in_secrets
};
