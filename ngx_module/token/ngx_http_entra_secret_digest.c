
/*
 * Copyright (C) nginx-entra authors
 *
 * Which secrets a worker has known: a token that was obtained with one of them
 * is good here.
 */

#include "ngx_http_entra_conf.h"


ngx_uint_t
ngx_http_entra_secret_digest(ngx_http_entra_credential_t *credential)
{
    u_char      digest[32];
    ngx_uint_t  i;

    entra_credential_secret_digest(credential->core, digest);

    for (i = 0; i < credential->ndigests; i++) {
        if (ngx_memcmp(credential->digests[i], digest, 32) == 0) {

            /* the current one is the first: as a rule it is already */

            if (i == 0) {
                return 0;
            }

            ngx_memmove(credential->digests[1], credential->digests[0],
                        i * 32);
            ngx_memcpy(credential->digests[0], digest, 32);
            return 1;
        }
    }

    if (credential->ndigests < 4) {
        credential->ndigests++;
    }

    ngx_memmove(credential->digests[1], credential->digests[0],
                (credential->ndigests - 1) * 32);
    ngx_memcpy(credential->digests[0], digest, 32);

    return 1;
}
