
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_time.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t      at, again;
    entra_buf_t  b;
    entra_str_t  text = { size, (const char *) data };

    (void) entra_time_retry_after(text, 1700000000);
    (void) entra_time_expiry(text, 1700000000, &at);
    (void) entra_time_rfc3339(text, &at);

    if (entra_time_parse(text, &at) != 0) {
        return 0;
    }

    /* what was read can be written, and read again */

    entra_buf_init(&b, 64);
    entra_time_format(at, &b);

    if (entra_time_rfc3339(entra_buf_str(&b), &again) != 0 || again != at) {
        abort();
    }

    entra_buf_free(&b);

    return 0;
}
