
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_enc.h"
#include "entra_json_write.h"


static void
entra_json_key(entra_buf_t *out, const char *name)
{
    char  last;

    last = out->len ? out->data[out->len - 1] : '{';

    if (last != '{' && last != '[') {
        entra_buf_add_char(out, ',');
    }

    if (name) {
        entra_buf_addf(out, "\"%s\":", name);
    }
}


void
entra_json_open(entra_buf_t *out, const char *name, char bracket)
{
    entra_json_key(out, name);
    entra_buf_add_char(out, bracket);
}


void
entra_json_add(entra_buf_t *out, const char *name, entra_str_t value)
{
    entra_json_key(out, name);
    entra_enc_json(out, value);
}


void
entra_json_add_c(entra_buf_t *out, const char *name, const char *value)
{
    entra_json_add(out, name, entra_str_c(value));
}


void
entra_json_add_int(entra_buf_t *out, const char *name, int64_t value)
{
    entra_json_key(out, name);
    entra_buf_addf(out, "%lld", (long long) value);
}


void
entra_json_add_true(entra_buf_t *out, const char *name)
{
    entra_json_add_raw(out, name, entra_str("true"));
}


void
entra_json_add_raw(entra_buf_t *out, const char *name, entra_str_t json)
{
    entra_json_key(out, name);
    entra_buf_add_str(out, json);
}
