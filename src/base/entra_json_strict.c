
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_enc.h"
#include "entra_json_strict.h"


static const char  entra_json_digits[] = "0123456789";


/* the set's bytes at s, which is shortened by them; how many */

static size_t
entra_json_skip(entra_str_t *s, const char *set)
{
    size_t  n = 0;

    while (n < s->len && s->data[n] && strchr(set, s->data[n])) {
        n++;
    }

    s->data += n;
    s->len -= n;

    return n;
}


static int
entra_json_number_ok(entra_str_t s)
{
    if (s.data[0] == '-') {
        s.data++;
        s.len--;
    }

    if (s.len > 1 && s.data[0] == '0' && entra_is_digit(s.data[1])) {
        return 0;
    }

    if (entra_json_skip(&s, entra_json_digits) == 0) {
        return 0;
    }

    if (s.len && s.data[0] == '.') {
        s.data++;
        s.len--;

        if (entra_json_skip(&s, entra_json_digits) == 0) {
            return 0;
        }
    }

    if (s.len && (s.data[0] == 'e' || s.data[0] == 'E')) {
        s.data++;
        s.len--;

        if (s.len && (s.data[0] == '+' || s.data[0] == '-')) {
            s.data++;
            s.len--;
        }

        if (entra_json_skip(&s, entra_json_digits) == 0) {
            return 0;
        }
    }

    return s.len == 0;
}


/* s is behind the opening quote, then behind the closing one */

static int
entra_json_string_ok(entra_str_t *s)
{
    size_t  n;

    while (s->len) {

        if (s->data[0] == '"') {
            s->data++;
            s->len--;
            return 1;
        }

        if (s->data[0] == '\\' && s->len > 1) {
            s->data++;
            s->len--;
        }

        n = entra_utf8_len((const unsigned char *) s->data, s->len);
        if (n == 0) {
            return 0;
        }

        s->data += n;
        s->len -= n;
    }

    return 0;
}


int
entra_json_strict(entra_str_t text)
{
    entra_str_t  word;

    for ( ;; ) {

        (void) entra_json_skip(&text, " \t\r\n,:[]{}");

        if (text.len == 0) {
            return 1;
        }

        if (text.data[0] == '"') {
            text.data++;
            text.len--;

            if (!entra_json_string_ok(&text)) {
                return 0;
            }

            continue;
        }

        word = text;
        word.len = entra_json_skip(&text, "0123456789+-.abcdefghijklmnopqrst"
                                          "uvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

        if (word.len == 0) {
            return 0;
        }

        if (entra_str_eq_c(word, "true") || entra_str_eq_c(word, "false")
            || entra_str_eq_c(word, "null") || entra_json_number_ok(word))
        {
            continue;
        }

        return 0;
    }
}
