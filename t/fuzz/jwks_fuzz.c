
/*
 * Copyright (C) nginx-entra authors
 *
 * A key set, from the provider and from the shared memory: what is accepted
 * from the one is written for the other, and read back equal.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_jwks.h"


#define ISSUER  "https://x/11111111-2222-4333-8444-555555555555"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_again(const entra_keyset_t *set)
{
    entra_buf_t     a, b;
    entra_err_t     err;
    entra_keyset_t  again;

    entra_buf_init(&a, ENTRA_KEYSET_MAX);
    entra_buf_init(&b, ENTRA_KEYSET_MAX);
    entra_keyset_init(&again);

    if (entra_keyset_write(set, &a) != 0
        || entra_keyset_read(&again, entra_buf_str(&a), &err) != 0
        || entra_keyset_write(&again, &b) != 0
        || !entra_str_eq(entra_buf_str(&a), entra_buf_str(&b)))
    {
        abort();
    }

    entra_keyset_free(&again);
    entra_buf_free(&a);
    entra_buf_free(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned        i;
    entra_err_t     err;
    entra_str_t     text = { size, (const char *) data };
    entra_keyset_t  set;

    entra_keyset_init(&set);
    (void) entra_keyset_read(&set, text, &err);
    entra_keyset_free(&set);

    entra_keyset_init(&set);

    for (i = 0; i < ENTRA_TOKEN_VERSIONS; i++) {
        (void) entra_keyset_issuer(&set, (entra_token_version_e) i,
                                   entra_str(ISSUER), &err);
        (void) entra_keyset_add_jwks(&set, (entra_token_version_e) i, text,
                                     &err);
    }

    for (i = 0; i < set.n; i++) {
        if (set.keys[i].pkey == NULL || set.keys[i].versions == 0
            || !entra_kid_ok(entra_str_c(set.keys[i].kid)))
        {
            abort();
        }

        (void) entra_keyset_signs_for(&set, &set.keys[i], ENTRA_TOKEN_V1,
                                      entra_str("tenant"));
    }

    fuzz_again(&set);
    entra_keyset_free(&set);

    return 0;
}
