
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "entra_err.h"


void
entra_err_clear(entra_err_t *err)
{
    memset(err, 0, sizeof(entra_err_t));
    err->retry_after = -1;
}


void
entra_err_clean(char *dst, size_t size, entra_str_t src)
{
    size_t  i, n;

    n = src.len < size - 1 ? src.len : size - 1;

    for (i = 0; i < n; i++) {
        dst[i] = src.data[i] >= ' ' && src.data[i] < 0x7f ? src.data[i] : ' ';
    }

    dst[n] = '\0';
}


size_t
entra_err_word(entra_str_t s)
{
    size_t  n;

    for (n = 0; n < s.len; n++) {
        if (!(s.data[n] >= '0' && s.data[n] <= '9')
            && !(s.data[n] >= 'a' && s.data[n] <= 'z')
            && !(s.data[n] >= 'A' && s.data[n] <= 'Z')
            && (s.data[n] == '\0' || strchr("-_.~+/=%", s.data[n]) == NULL))
        {
            break;
        }
    }

    return n;
}


static void
entra_err_vset(entra_err_t *err, entra_err_class_e class, const char *fmt,
    va_list args)
{
    int   n;
    char  text[sizeof(err->text)];

    n = vsnprintf(text, sizeof(text), fmt, args);
    if (n < 0) {
        text[0] = '\0';
    }

    err->class = class;
    entra_err_clean(err->text, sizeof(err->text), entra_str_c(text));
}


int
entra_err_set(entra_err_t *err, entra_err_class_e class, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    entra_err_vset(err, class, fmt, args);
    va_end(args);

    return -1;
}


int
entra_err_no_memory(entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_TRANSIENT, "no memory");
}


int
entra_err_unavailable(entra_err_t *err, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    entra_err_vset(err, ENTRA_ERR_CONFIG, fmt, args);
    va_end(args);

    err->unavailable = 1;

    return -1;
}


const char *
entra_err_class_name(entra_err_class_e class)
{
    switch (class) {
    case ENTRA_ERR_NONE:
        return "none";
    case ENTRA_ERR_CONFIG:
        return "configuration";
    case ENTRA_ERR_DENIED:
        return "denied";
    case ENTRA_ERR_THROTTLED:
        return "throttled";
    case ENTRA_ERR_TRANSIENT:
        return "transient";
    case ENTRA_ERR_PROTOCOL:
        return "protocol";
    }

    return "unknown";
}


void
entra_err_line(const entra_err_t *err, entra_buf_t *out)
{
    entra_buf_add_c(out, err->text);

    if (err->aadsts) {
        entra_buf_addf(out, ", AADSTS%u", (unsigned) err->aadsts);
    }

    if (err->correlation_id[0]) {
        entra_buf_addf(out, ", correlation id %s", err->correlation_id);
    }

    if (err->advice) {
        entra_buf_addf(out, "; %s", err->advice);
    }
}
