
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_challenge.h"
#include "entra_json.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_buf_t        b;
    entra_str_t        header = { size, (const char *) data };
    entra_json_t      *root;
    entra_challenge_t  ch;

    entra_buf_init(&b, 2 * ENTRA_CHALLENGE_MAX);

    entra_challenge_parse(header, &ch);

    if (ch.claims && entra_challenge_claims(ch.claims, 1, &b) == 0) {
        root = entra_json_parse(entra_buf_str(&b), 0, ENTRA_JSON_OBJECT);

        if (root == NULL
            || entra_json_member(entra_json_member(root, "access_token"),
                                 "xms_cc") == NULL)
        {
            abort();
        }

        entra_json_free(root);
    }

    entra_challenge_free(&ch);

    /* and the text as claims themselves */

    entra_buf_reset(&b);
    entra_buf_add(&b, data, size);

    if (entra_buf_ok(&b) && b.len) {
        entra_buf_t  out;

        entra_buf_init(&out, 4 * ENTRA_CLAIMS_MAX);
        (void) entra_challenge_claims(b.data, 1, &out);
        entra_buf_free(&out);
    }

    entra_buf_free(&b);

    return 0;
}
