
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_file_kind.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the first byte is the form; nothing of the content is repeated */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                rc;
    char              *copy;
    entra_err_t        err;
    entra_file_want_t  want;

    if (size == 0) {
        return 0;
    }

    memset(&want, 0, sizeof(entra_file_want_t));
    want.form = (entra_form_e) (data[0] % (ENTRA_FORM_KEY + 1));
    want.what = "it";
    want.jwt = data[0] & 0x80 ? "x" : NULL;

    /* of its own, so that a read behind it is seen */

    copy = malloc(size > 1 ? size - 1 : 1);
    memcpy(copy, data + 1, size - 1);

    entra_err_clear(&err);
    rc = entra_file_kind_check(&want, "f", (entra_str_t) { size - 1, copy },
                               &err);

    if (rc != 0 && (rc != -1 || err.class != ENTRA_ERR_CONFIG
                    || strlen(err.text) > 300))
    {
        abort();
    }

    free(copy);

    return 0;
}
