
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_json.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
must(int condition)
{
    if (!condition) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_buf_t    a, b;
    entra_str_t    text = { size, (const char *) data };
    entra_json_t  *root;

    entra_buf_init(&a, 8 * size + 16);
    entra_buf_init(&b, 8 * size + 16);

    /* what is accepted is the one spelling of what it says */

    if (entra_dec_base64url(&a, text) == 0) {
        entra_enc_base64url(&b, a.data, a.len);
        must(entra_str_eq(entra_buf_str(&b), text));
    }

    /* what is written can be read */

    entra_buf_reset(&a);
    entra_buf_reset(&b);
    entra_enc_base64url(&a, data, size);
    must(entra_dec_base64url(&b, entra_buf_str(&a)) == 0);
    must(entra_str_eq(entra_buf_str(&b), text));

    entra_buf_reset(&a);
    entra_buf_reset(&b);
    entra_enc_base64(&a, data, size);
    must(entra_dec_base64_lenient(&b, entra_buf_str(&a)) == 0);
    must(entra_str_eq(entra_buf_str(&b), text));

    entra_buf_reset(&b);
    (void) entra_dec_base64_lenient(&b, text);

    /* any bytes give a JSON string; only NUL is refused when reading */

    entra_buf_reset(&a);
    entra_enc_json(&a, text);
    root = entra_json_parse(entra_buf_str(&a), 0, 0);
    must(root != NULL || (size && memchr(data, 0, size)));
    entra_json_free(root);

    entra_buf_reset(&a);
    entra_enc_form(&a, text);
    must(entra_buf_ok(&a));

    entra_buf_free(&a);
    entra_buf_free(&b);

    return 0;
}
