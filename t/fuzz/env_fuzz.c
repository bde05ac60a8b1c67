
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_env.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_err_t   err;
    entra_env_t  *env, *outer;

    entra_err_clear(&err);

    outer = entra_env_create(NULL, 0);
    (void) entra_env_set(outer, entra_str("A"), entra_str("outer"));

    env = entra_env_create(outer, 0);

    if (entra_env_parse(env, (entra_str_t) { size, (const char *) data },
                        NULL, &err) != 0
        && err.class == ENTRA_ERR_NONE)
    {
        abort();
    }

    if (entra_env_get(env, "A") == NULL) {
        abort();
    }

    entra_env_free(env);
    entra_env_free(outer);

    return 0;
}
