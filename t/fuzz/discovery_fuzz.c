
/*
 * Copyright (C) nginx-entra authors
 *
 * A discovery document: whatever it says, keys come from the authority.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_discovery.h"
#include "entra_url.h"


#define TENANT  "11111111-2222-4333-8444-555555555555"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_err_t        err;
    entra_str_t        text = { size, (const char *) data };
    entra_url_t        url;
    entra_discovery_t  d;

    if (entra_discovery_parse(&d, text, "https://localhost:8443", TENANT, &err)
        != 0)
    {
        return 0;
    }

    if (entra_url_parse(entra_str_c(d.jwks_uri), &url) != 0 || !url.https
        || !entra_str_case_eq_c(url.host, "localhost")
        || !entra_str_eq_c(url.port, "8443")
        || strstr(d.issuer, TENANT) == NULL
        || !entra_issuer_ok(entra_str_c(d.issuer)))
    {
        abort();
    }

    entra_discovery_free(&d);

    return 0;
}
