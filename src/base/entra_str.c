
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "entra_ascii.h"
#include "entra_str.h"


#define ENTRA_BUF_FIRST  256


/* strncasecmp() follows the locale, identifiers of Azure do not */

int
entra_str_case_eq(entra_str_t a, entra_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return 0;
    }

    /* mostly they are written alike */

    if (entra_str_eq(a, b)) {
        return 1;
    }

    for (i = 0; i < a.len; i++) {
        if (entra_lower(a.data[i]) != entra_lower(b.data[i])) {
            return 0;
        }
    }

    return 1;
}


/* eight bytes at a time: each request's path goes through here */

void
entra_str_lower(char *out, entra_str_t s)
{
    size_t    i;
    uint64_t  word, low, upper;

    static const uint64_t  ones = 0x0101010101010101;

    for (i = 0; s.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.data + i, sizeof(word));

        /* the top bits: at least "A", but not more than "Z", and ASCII */

        low = word & 0x7f * ones;
        upper = (low + (0x80 - 'A') * ones) ^ (low + (0x7f - 'Z') * ones);
        word |= (upper & ~word & 0x80 * ones) >> 2;

        memcpy(out + i, &word, sizeof(word));
    }

    for ( /* void */ ; i < s.len; i++) {
        out[i] = (char) entra_lower(s.data[i]);
    }
}


char *
entra_str_dup_lower(entra_str_t s)
{
    char  *copy;

    copy = entra_str_dup(s);

    if (copy) {
        entra_str_lower(copy, s);
    }

    return copy;
}


int
entra_str_starts(entra_str_t s, const char *prefix)
{
    size_t  n = strlen(prefix);

    return s.len >= n && memcmp(s.data, prefix, n) == 0;
}


int
entra_str_ends(entra_str_t s, const char *suffix)
{
    size_t  n = strlen(suffix);

    return s.len >= n && memcmp(s.data + s.len - n, suffix, n) == 0;
}


int
entra_str_has(entra_str_t s, const char *part)
{
    size_t  i, n = strlen(part);

    for (i = 0; i + n <= s.len; i++) {
        if (memcmp(s.data + i, part, n) == 0) {
            return 1;
        }
    }

    return 0;
}


int
entra_str_is_word(entra_str_t s, const char *more)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (!entra_is_alnum(s.data[i])
            && (s.data[i] == '\0' || strchr(more, s.data[i]) == NULL))
        {
            return 0;
        }
    }

    return s.len != 0;
}


int
entra_str_is_guid(entra_str_t s)
{
    size_t  i;

    if (s.len != ENTRA_GUID_LEN) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23
            ? s.data[i] != '-' : entra_hex_digit(s.data[i]) < 0)
        {
            return 0;
        }
    }

    return 1;
}


int
entra_str_is_nearly_guid(entra_str_t s)
{
    size_t  i, digits, hyphens;

    if (s.len < ENTRA_GUID_LEN - 6 || s.len > ENTRA_GUID_LEN + 6
        || entra_str_is_guid(s))
    {
        return 0;
    }

    digits = hyphens = 0;

    for (i = 0; i < s.len; i++) {
        digits += entra_hex_digit(s.data[i]) >= 0;
        hyphens += s.data[i] == '-';
    }

    return hyphens >= 3 && digits + hyphens + 2 >= s.len;
}


int
entra_str_has_control(entra_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (entra_is_control(s.data[i])) {
            return 1;
        }
    }

    return 0;
}


int
entra_str_is_visible(entra_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (!entra_is_visible(s.data[i])) {
            return 0;
        }
    }

    return 1;
}


entra_str_t
entra_str_trim(entra_str_t s)
{
    while (s.len && entra_is_space(s.data[0])) {
        s.data++;
        s.len--;
    }

    while (s.len && entra_is_space(s.data[s.len - 1])) {
        s.len--;
    }

    return s;
}


entra_str_t
entra_str_cut(entra_str_t *rest, char separator)
{
    const char   *end;
    entra_str_t   part;

    end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;

    part.data = rest->data;
    part.len = end ? (size_t) (end - rest->data) : rest->len;

    rest->data += part.len + (end != NULL);
    rest->len -= part.len + (end != NULL);

    return part;
}


char *
entra_str_dup(entra_str_t s)
{
    char  *copy;

    copy = malloc(s.len + 1);
    if (copy == NULL) {
        return NULL;
    }

    if (s.len) {
        memcpy(copy, s.data, s.len);
    }

    copy[s.len] = '\0';

    return copy;
}


int
entra_str_int(entra_str_t s, int64_t *value)
{
    size_t   i;
    int64_t  n = 0;

    if (s.len == 0) {
        return -1;
    }

    for (i = 0; i < s.len; i++) {
        if (!entra_is_digit(s.data[i])) {
            return -1;
        }

        if (n > (INT64_MAX - (s.data[i] - '0')) / 10) {
            return -1;
        }

        n = n * 10 + (s.data[i] - '0');
    }

    *value = n;

    return 0;
}


void
entra_buf_init(entra_buf_t *b, size_t max)
{
    memset(b, 0, sizeof(entra_buf_t));
    b->max = max;
}


void
entra_buf_free(entra_buf_t *b)
{
    size_t  max = b->max;

    if (b->data) {
        entra_wipe(b->data, b->cap);
        free(b->data);
    }

    entra_buf_init(b, max);
}


void
entra_buf_reset(entra_buf_t *b)
{
    if (b->data) {
        entra_wipe(b->data, b->len);
    }

    b->len = 0;
    b->failed = 0;
}


int
entra_buf_ok(const entra_buf_t *b)
{
    return !b->failed;
}


/* realloc() would leave an unwiped copy behind */

static int
entra_buf_resize(entra_buf_t *b, size_t cap)
{
    char  *data;

    data = malloc(cap);
    if (data == NULL) {
        return -1;
    }

    if (b->data) {
        memcpy(data, b->data, b->len + 1);
        entra_wipe(b->data, b->cap);
        free(b->data);
    }

    b->data = data;
    b->cap = cap;

    return 0;
}


static int
entra_buf_grow(entra_buf_t *b, size_t need)
{
    size_t  cap;

    cap = b->cap ? b->cap : ENTRA_BUF_FIRST;

    while (cap < need) {
        cap *= 2;
    }

    return entra_buf_resize(b, cap);
}


void
entra_buf_reserve(entra_buf_t *b, size_t len)
{
    if (len <= b->max && len + 1 > b->cap
        && entra_buf_resize(b, len + 1) != 0)
    {
        b->failed = 1;
    }
}


void
entra_buf_add(entra_buf_t *b, const void *data, size_t len)
{
    if (b->failed || len > b->max - b->len) {
        b->failed = 1;
        return;
    }

    if (b->len + len + 1 > b->cap && entra_buf_grow(b, b->len + len + 1) != 0) {
        b->failed = 1;
        return;
    }

    if (len) {
        memcpy(b->data + b->len, data, len);
    }

    b->len += len;
    b->data[b->len] = '\0';
}


void
entra_buf_add_str(entra_buf_t *b, entra_str_t s)
{
    entra_buf_add(b, s.data, s.len);
}


void
entra_buf_add_c(entra_buf_t *b, const char *text)
{
    entra_buf_add(b, text, strlen(text));
}


void
entra_buf_add_char(entra_buf_t *b, char c)
{
    entra_buf_add(b, &c, 1);
}


void
entra_buf_addf(entra_buf_t *b, const char *fmt, ...)
{
    int      n;
    char     small[256], *big;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);

    if (n < 0) {
        b->failed = 1;
        return;
    }

    if ((size_t) n < sizeof(small)) {
        entra_buf_add(b, small, (size_t) n);
        entra_wipe(small, (size_t) n);
        return;
    }

    big = malloc((size_t) n + 1);
    if (big == NULL) {
        b->failed = 1;
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(big, (size_t) n + 1, fmt, args);
    va_end(args);

    entra_buf_add(b, big, (size_t) n);
    entra_wipe(big, (size_t) n);
    entra_wipe(small, sizeof(small));
    free(big);
}


entra_str_t
entra_buf_str(const entra_buf_t *b)
{
    return (entra_str_t) { b->len, b->data ? b->data : "" };
}


char *
entra_buf_steal(entra_buf_t *b)
{
    char  *data;

    if (b->failed) {
        entra_buf_free(b);
        return NULL;
    }

    if (b->data == NULL) {
        return entra_str_dup(entra_str_null);
    }

    /* what stays takes no more than it has to */

    if (b->cap > 2 * (b->len + 1)) {
        (void) entra_buf_resize(b, b->len + 1);
    }

    data = b->data;
    entra_buf_init(b, b->max);

    return data;
}


void
entra_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}


void
entra_free_secret(char *text)
{
    if (text) {
        entra_wipe(text, strlen(text));
        free(text);
    }
}
