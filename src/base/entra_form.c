
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_form.h"


/* one character at s: its value and its length, or -1 */

static int
entra_form_char(entra_str_t s, size_t *len)
{
    *len = 1;

    if (s.data[0] == '+') {
        return ' ';
    }

    if (s.data[0] != '%') {
        return (unsigned char) s.data[0];
    }

    if (s.len < 3) {
        return -1;
    }

    *len = 3;

    return entra_hex_byte(s.data + 1);
}


static int
entra_form_is(entra_str_t s, const char *name)
{
    int     c;
    size_t  n;

    while (s.len) {
        c = entra_form_char(s, &n);

        if (c <= 0 || c != (unsigned char) *name) {
            return 0;
        }

        name++;
        s.data += n;
        s.len -= n;
    }

    return *name == '\0';
}


int
entra_form_decode(entra_str_t text, entra_buf_t *out)
{
    int     c;
    size_t  n;

    while (text.len) {
        c = entra_form_char(text, &n);

        if (c <= 0) {
            return -1;
        }

        entra_buf_add_char(out, (char) c);
        text.data += n;
        text.len -= n;
    }

    return entra_buf_ok(out) ? 0 : -1;
}


int
entra_form_field(entra_str_t text, const char *name, entra_buf_t *out)
{
    int          found = 0;
    entra_str_t  pair, key;

    if (text.len > ENTRA_FORM_MAX) {
        return -1;
    }

    while (text.len) {
        pair = entra_str_cut(&text, '&');
        key = entra_str_cut(&pair, '=');

        if (!entra_form_is(key, name)) {
            continue;
        }

        if (found || entra_form_decode(pair, out) != 0) {
            return -1;
        }

        found = 1;
    }

    return found;
}


entra_str_t
entra_form_cookie(entra_str_t header, const char *name)
{
    unsigned     found = 0;
    entra_str_t  pair, key, value = entra_str_null;

    while (header.len) {
        pair = entra_str_trim(entra_str_cut(&header, ';'));
        key = entra_str_cut(&pair, '=');

        if (entra_str_eq_c(key, name)) {
            found++;
            value = pair;
        }
    }

    return found == 1 ? value : entra_str_null;
}
