
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_token.h"
#include "tap.h"


static void
test_set(void)
{
    char           big[ENTRA_TOKEN_MAX + 1];
    entra_err_t    err;
    entra_token_t  t;

    entra_err_clear(&err);
    entra_token_init(&t);

    ok(entra_token_set(&t, entra_str("abc"), 3599, 1800, &err) == 0, "set");
    ok(t.len == 3 && t.lifetime == 3599 && t.refresh_in == 1800, "as given");
    is(t.value, "abc", "value");
    ok(entra_token_set(&t, entra_str("x"), 100, 100, &err) == 0
       && t.refresh_in == 0, "refresh_in at the end is none");
    ok(entra_token_set(&t, entra_str("x"), 100, -5, &err) == 0
       && t.refresh_in == 0, "negative refresh_in is none");
    ok(entra_token_set(&t, entra_str("x"), INT64_MAX, 0, &err) == 0
       && t.lifetime == ENTRA_LIFETIME_MAX, "lifetime is bounded");

    ok(entra_token_set(&t, entra_str(""), 1, 0, &err) != 0, "empty");
    ok(entra_token_set(&t, entra_str("a b"), 1, 0, &err) != 0, "space");
    ok(entra_token_set(&t, entra_str("a\r\nX: y"), 1, 0, &err) != 0, "CRLF");
    ok(entra_token_set(&t, entra_str("a\xc3\xa4"), 1, 0, &err) != 0,
       "not ASCII");
    ok(entra_token_set(&t, entra_str("a\0b"), 1, 0, &err) != 0, "NUL");
    ok(entra_token_set(&t, entra_str("a"), 0, 0, &err) != 0, "no life");
    ok(entra_token_set(&t, entra_str("a"), -1, 0, &err) != 0, "past");
    ok(err.class == ENTRA_ERR_PROTOCOL, "class");
    is(t.value, "x", "the one before is kept");

    memset(big, 'x', sizeof(big));
    ok(entra_token_set(&t, (entra_str_t) { ENTRA_TOKEN_MAX, big }, 1, 0, &err)
       == 0, "largest");
    ok(entra_token_set(&t, (entra_str_t) { ENTRA_TOKEN_MAX + 1, big }, 1, 0,
                       &err) != 0, "too large");

    entra_token_free(&t);
    ok(t.value == NULL, "freed");
}


/* whatever the life and the dice: in time, and not in a loop */

static void
test_refresh(void)
{
    int       bad = 0;
    int64_t   life, after;
    unsigned  i;

    ok(entra_token_refresh_after(3600, 0, 0) == 3300, "five minutes before");
    ok(entra_token_refresh_after(3600, 1800, 0) == 1800, "refresh_in");
    ok(entra_token_refresh_after(3600, 3599, 0) == 3300, "a late refresh_in");
    ok(entra_token_refresh_after(86400, 0, 0) == 86100, "a day");
    ok(entra_token_refresh_after(1200, 0, 0) == 900, "1200 s: the border");
    ok(entra_token_refresh_after(1199, 0, 0) == 899, "just below");
    ok(entra_token_refresh_after(400, 0, 0) == 300, "three quarters");
    ok(entra_token_refresh_after(60, 0, 0) == 45, "a minute");
    ok(entra_token_refresh_after(60, 0, UINT32_MAX) >= 41, "jitter");
    ok(entra_token_refresh_after(3, 0, 7) == 2, "3 s");
    ok(entra_token_refresh_after(2, 0, 7) == 1, "2 s");
    ok(entra_token_refresh_after(1, 0, 7) == 0, "1 s");

    for (life = 1; life < 100000; life = life * 5 / 4 + 1) {
        for (i = 0; i < 1000; i++) {
            after = entra_token_refresh_after(life, i % 2 ? life / 2 : 0,
                                              i * 2654435761u);

            bad += after >= life || after < (life > 1)
                   || after < life / 2 - life / 10 - 300
                   || (i % 2 == 0 && life > 10 && after < life / 2);
        }
    }

    ok(bad == 0, "always within the life");
}


static void
test_backoff(void)
{
    int          bad = 0;
    int64_t      ms;
    unsigned     fails, i;
    entra_err_t  err;

    entra_err_clear(&err);
    err.class = ENTRA_ERR_TRANSIENT;

    ok(entra_token_backoff(&err, 1, 250) == 1000, "a second");
    ok(entra_token_backoff(&err, 3, 1000) == 4000, "doubles");
    ok(entra_token_backoff(&err, 1000000000, 15000) == 60000, "to a minute");
    ok(entra_token_backoff(&err, 0, 250) == 1000, "0 fails count as one");

    for (fails = 1; fails < 20; fails++) {
        for (i = 0; i < 1000; i++) {
            ms = entra_token_backoff(&err, fails, i * 2654435761u);
            bad += ms < 750 || ms > 75000;
        }
    }

    ok(bad == 0, "jitter stays within a quarter");

    err.retry_after = 120;
    ok(entra_token_backoff(&err, 1, 0) == 120000, "Retry-After");
    err.retry_after = 1;
    ok(entra_token_backoff(&err, 10, 15000) == 60000, "a short one");
    err.retry_after = 1000000;
    ok(entra_token_backoff(&err, 1, 0) == 120000, "a long one is capped");
    err.class = ENTRA_ERR_THROTTLED;
    ok(entra_token_backoff(&err, 1, 0) == 900000, "later when throttled");
    err.retry_after = 600;
    ok(entra_token_backoff(&err, 1, 0) == 600000, "or kept to");

    err.retry_after = -1;
    err.class = ENTRA_ERR_DENIED;
    ok(entra_token_backoff(&err, 1, 2500) == 10000, "denied: ten seconds");
    err.class = ENTRA_ERR_CONFIG;
    ok(entra_token_backoff(&err, 2, 5000) == 20000, "then twenty");
}


int
main(void)
{
    test_set();
    test_refresh();
    test_backoff();

    return done();
}
