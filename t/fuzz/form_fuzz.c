
/*
 * Copyright (C) nginx-entra authors
 *
 * What a browser sends to the sign-in page: a query or form, and cookies.
 * What comes out of the former is what goes in encoded; what is shown of it
 * has no character that means something in HTML.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_form.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check_again(entra_str_t value)
{
    entra_buf_t  text, again;

    entra_buf_init(&text, 4 * ENTRA_FORM_MAX);
    entra_buf_init(&again, ENTRA_FORM_MAX);

    entra_enc_form_pair(&text, "x", entra_str("y"));
    entra_enc_form_pair(&text, "state", value);

    if (text.len <= ENTRA_FORM_MAX
        && (entra_form_field(entra_buf_str(&text), "state", &again) != 1
            || !entra_str_eq(entra_buf_str(&again), value)))
    {
        abort();
    }

    entra_buf_free(&text);
    entra_buf_free(&again);
}


static void
check_html(entra_str_t value)
{
    entra_buf_t  html;

    entra_buf_init(&html, 8 * ENTRA_FORM_MAX);
    entra_enc_html(&html, value);

    if (!entra_buf_ok(&html) || (html.data && strpbrk(html.data, "<>\"'\r\n")))
    {
        abort();
    }

    entra_buf_free(&html);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_str_t  text, cookie;
    entra_buf_t  value;

    text.data = (const char *) data;
    text.len = size;

    entra_buf_init(&value, ENTRA_FORM_MAX);

    if (entra_form_field(text, "state", &value) == 1) {
        if (value.len && memchr(value.data, '\0', value.len)) {
            abort();
        }

        check_again(entra_buf_str(&value));
        check_html(entra_buf_str(&value));
    }

    entra_buf_free(&value);

    if (size <= ENTRA_FORM_MAX) {
        check_html(text);
    }

    cookie = entra_form_cookie(text, "state");

    if (cookie.len && (cookie.data < text.data
                       || cookie.data + cookie.len > text.data + text.len
                       || memchr(cookie.data, ';', cookie.len)))
    {
        abort();
    }

    return 0;
}
