
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_service_principal.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_err_t                err;
    entra_service_principal_t  sp;

    entra_err_clear(&err);

    if (entra_service_principal_parse(&sp,
                             (entra_str_t) { size, (const char *) data },
                             &err)
        == 0)
    {
        if (sp.client_id == NULL || sp.tenant_id == NULL
            || (sp.secret == NULL && sp.certificate == NULL))
        {
            abort();
        }

    } else if (err.class == ENTRA_ERR_NONE) {
        abort();
    }

    entra_service_principal_free(&sp);

    return 0;
}
