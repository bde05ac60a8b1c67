
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_token.h"


#define ENTRA_REFRESH_SHORT         1200    /* seconds */
#define ENTRA_JITTER_MAX            300     /* seconds */
#define ENTRA_BACKOFF_FIRST_CONFIG  10000   /* ms */


void
entra_token_init(entra_token_t *token)
{
    memset(token, 0, sizeof(entra_token_t));
}


void
entra_token_free(entra_token_t *token)
{
    entra_free_secret(token->value);
    entra_token_init(token);
}


int
entra_token_set(entra_token_t *token, entra_str_t value, int64_t lifetime,
    int64_t refresh_in, entra_err_t *err)
{
    char    *copy;
    size_t   i;

    if (value.len == 0) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL, "empty token");
    }

    if (value.len > ENTRA_TOKEN_MAX) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "a token of %zu bytes is more than %d",
                             value.len, ENTRA_TOKEN_MAX);
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < 0x21 || value.data[i] > 0x7e) {
            return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                                 "a token with a character that no header"
                                 " can hold");
        }
    }

    if (lifetime <= 0) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "a token that has expired already");
    }

    copy = entra_str_dup(value);
    if (copy == NULL) {
        return entra_err_no_memory(err);
    }

    if (lifetime > ENTRA_LIFETIME_MAX) {
        lifetime = ENTRA_LIFETIME_MAX;
    }

    entra_token_free(token);

    token->value = copy;
    token->len = value.len;
    token->lifetime = lifetime;
    token->refresh_in = refresh_in > 0 && refresh_in < lifetime ? refresh_in
                                                                : 0;
    return 0;
}


int64_t
entra_token_refresh_after(int64_t lifetime, int64_t refresh_in,
    uint32_t random)
{
    int64_t  due, jitter;

    if (lifetime < ENTRA_REFRESH_SHORT) {
        due = lifetime * 3 / 4;

    } else {
        due = lifetime - ENTRA_REFRESH_MARGIN;
    }

    if (refresh_in > 0 && refresh_in < due) {
        due = refresh_in;
    }

    jitter = due / 10 < ENTRA_JITTER_MAX ? due / 10 : ENTRA_JITTER_MAX;
    due -= (int64_t) (random % (uint32_t) (jitter + 1));

    if (due < 1) {
        due = lifetime > 1 ? 1 : 0;
    }

    return due;
}


int64_t
entra_token_backoff(const entra_err_t *err, unsigned fails, uint32_t random)
{
    int64_t  ms, after, most;

    ms = err->class == ENTRA_ERR_CONFIG || err->class == ENTRA_ERR_DENIED
         ? ENTRA_BACKOFF_FIRST_CONFIG : ENTRA_BACKOFF_FIRST;

    while (fails > 1 && ms < ENTRA_BACKOFF_MAX) {
        ms *= 2;
        fails--;
    }

    if (ms > ENTRA_BACKOFF_MAX) {
        ms = ENTRA_BACKOFF_MAX;
    }

    /* 75 % to 125 % of it */
    ms = ms * 3 / 4 + random % (uint32_t) (ms / 2 + 1);

    if (err->retry_after > 0) {
        most = err->class == ENTRA_ERR_THROTTLED ? ENTRA_RETRY_AFTER_LONG
                                                 : ENTRA_RETRY_AFTER_MAX;
        after = err->retry_after < most ? err->retry_after : most;

        if (ms < after * 1000) {
            ms = after * 1000;
        }
    }

    return ms;
}
