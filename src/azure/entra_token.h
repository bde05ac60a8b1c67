
/*
 * Copyright (C) nginx-entra authors
 *
 * A token as it was received, and the rules for its life: when to refresh,
 * how long to wait after a failure.  Pure: time and randomness are arguments.
 */

#ifndef ENTRA_TOKEN_H
#define ENTRA_TOKEN_H


#include "entra_err.h"


/* RFC 6750 token: 16 KB is more than any Entra token and any nginx header */
#define ENTRA_TOKEN_MAX          (16 * 1024)

#define ENTRA_REFRESH_MARGIN     300        /* seconds, as MSAL */
#define ENTRA_BACKOFF_FIRST      1000       /* ms */
#define ENTRA_BACKOFF_MAX        (60 * 1000)
#define ENTRA_RETRY_AFTER_MAX    120        /* seconds */
#define ENTRA_RETRY_AFTER_LONG   900        /* when throttled */
#define ENTRA_LIFETIME_MAX       (30 * 24 * 3600)


typedef struct {
    char     *value;            /* owned, bytes checked: RFC 6750 b64token */
    size_t    len;
    int64_t   lifetime;         /* seconds from receipt, > 0 */
    int64_t   refresh_in;       /* seconds from receipt, 0: not given */
} entra_token_t;


void entra_token_init(entra_token_t *token);
void entra_token_free(entra_token_t *token);                    /* wipes */

/*
 * Takes a copy of value.  Only visible ASCII is accepted, so that the value
 * cannot end its header or begin another one.  0, or -1 and err (protocol).
 */
int entra_token_set(entra_token_t *token, entra_str_t value, int64_t lifetime,
    int64_t refresh_in, entra_err_t *err);

/*
 * Seconds from receipt until the refresh is due: refresh_in when given and
 * sane, else lifetime - 300, for tokens shorter than 1200 s three quarters
 * of the life.  Jitter only ever makes it earlier, by at most a tenth (and at
 * most 300 s); at least 1 s.  Always < lifetime (lifetime 1: 0).
 */
int64_t entra_token_refresh_after(int64_t lifetime, int64_t refresh_in,
    uint32_t random);

/*
 * Milliseconds until the next attempt after the fails-th failure in a row
 * (1, 2, ...): doubling from 1 s to 60 s with +-25 % jitter; a configuration
 * or denied error starts at 10 s; a Retry-After is a minimum, up to 900 s when
 * throttled and 120 s otherwise: a date of another clock or a typo is not to
 * cost a gateway its token for an hour.
 */
int64_t entra_token_backoff(const entra_err_t *err, unsigned fails,
    uint32_t random);


#endif /* ENTRA_TOKEN_H */
