
/*
 * Copyright (C) nginx-entra authors
 *
 * The shared store, step by step; entra_store_model_test.c does it at random.
 */

#include <stdlib.h>

#include "entra_store.h"
#include "tap.h"


#define SIZE  (128 * 1024)


static void           *memory;
static entra_store_t   store, other;
static unsigned char   digest[ENTRA_STORE_DIGEST] = "a secret";


static void
begin(void)
{
    free(memory);
    memory = calloc(1, SIZE);

    ok(entra_store_format(memory, SIZE) == 0, "formatted");

    entra_store_open(&store, memory);
    store.process = 1;
    store.pid = 101;
    entra_store_join(&store);

    entra_store_open(&other, memory);
    other.process = 2;
    other.pid = 102;
    entra_store_join(&other);
}


static entra_store_ref_t
ref_of(unsigned n, entra_store_kind_e kind)
{
    entra_store_ref_t  ref;

    memset(&ref, 0, sizeof(ref));
    memcpy(ref.key, &n, sizeof(n));
    ref.kind = kind;
    ref.index = (uint32_t) -1;

    return ref;
}


static int
leased(entra_store_t *s, entra_store_ref_t *ref, int64_t now)
{
    entra_buf_t          text;
    entra_store_lease_e  rc;

    entra_buf_init(&text, 1024);
    rc = entra_store_lease(s, ref, now, digest, &text, &text);
    entra_buf_free(&text);

    return rc;
}


static int
succeed(entra_store_t *s, entra_store_ref_t *ref, int64_t now, int64_t life)
{
    char                   text[1500];
    entra_store_success_t  success = { .member = NULL };

    memset(text, 'x', sizeof(text));
    memset(&success, 0, sizeof(success));
    success.value = (entra_str_t) { sizeof(text), text };
    success.digest = digest;
    success.note = "";
    success.now = now;
    success.expires = now + life;
    success.refresh = now + life / 2;

    return entra_store_success(s, ref, &success);
}


static void
fail(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_err_class_e class)
{
    entra_err_t            err;
    entra_store_failure_t  failure = { .member = NULL };

    entra_err_clear(&err);
    err.retry_after = -1;
    (void) entra_err_set(&err, class, "it failed");

    memset(&failure, 0, sizeof(failure));
    failure.err = &err;
    failure.note = "the second of two";
    failure.now = now;
    failure.wall = 1;

    entra_store_failure(s, ref, &failure);
}


static entra_store_snapshot_t
shot(entra_store_t *s, entra_store_ref_t *ref, int64_t now)
{
    entra_store_snapshot_t  snapshot;

    (void) entra_store_snapshot(s, ref, now, &snapshot, NULL);

    return snapshot;
}


static int
has(entra_store_t *s, entra_store_ref_t ref, int64_t now)
{
    int                  rc;
    entra_buf_t          value;
    entra_store_value_t  v;

    entra_buf_init(&value, 4096);
    rc = entra_store_read(s, &ref, now, &value, &v);
    entra_buf_free(&value);

    return rc;
}


static void
states(void)
{
    entra_store_ref_t  mine, theirs;

    begin();
    mine = theirs = ref_of(1, ENTRA_STORE_SHARED);

    ok(has(&store, mine, 1) == -1, "no record");
    ok(entra_store_attach(&store, &mine, 7, 1) == 0
       && entra_store_attach(&other, &theirs, 7, 1) == 0, "attached by two");
    ok(mine.index == theirs.index, "the same one");
    ok(shot(&store, &mine, 1).state == ENTRA_STORE_EMPTY, "empty");

    ok(leased(&store, &mine, 1) == ENTRA_STORE_LEASED, "one fetches");
    ok(leased(&other, &theirs, 2) == ENTRA_STORE_BUSY, "the other waits");
    ok(shot(&other, &theirs, 2).state == ENTRA_STORE_FETCHING, "fetching");
    ok(has(&other, theirs, 2) == 0, "nothing to read");

    ok(succeed(&store, &mine, 10, 100) == 0, "there it is");
    ok(shot(&other, &theirs, 11).state == ENTRA_STORE_VALID, "valid");
    ok(has(&other, theirs, 11) == 1, "can be read");
    ok(leased(&other, &theirs, 12) == ENTRA_STORE_NOT_DUE, "not due");
    ok(leased(&other, &theirs, 60) == ENTRA_STORE_LEASED, "due");
    ok(shot(&store, &mine, 60).state == ENTRA_STORE_REFRESHING, "refreshing");

    fail(&other, &theirs, 61, ENTRA_ERR_TRANSIENT);
    ok(shot(&store, &mine, 62).state == ENTRA_STORE_VALID
       && shot(&store, &mine, 62).fails == 1, "still valid");
    is(shot(&store, &mine, 62).error_text, "it failed", "what happened");
    is(shot(&store, &mine, 62).note, "the second of two", "the note");
    ok(shot(&store, &mine, 110).state == ENTRA_STORE_FAILING, "expired");
    ok(has(&store, mine, 110) == 0, "what has expired cannot be read");

    ok(leased(&store, &mine, 110) == ENTRA_STORE_NOT_DUE, "backs off");
    ok(entra_store_retry(&store, &mine, 110) == 1
       && entra_store_retry(&store, &mine, 110) == 0, "until a retry");
    ok(leased(&store, &mine, 110) == ENTRA_STORE_LEASED, "leased");
    fail(&store, &mine, 111, ENTRA_ERR_THROTTLED);
    ok(entra_store_retry(&store, &mine, 112) == 0,
       "not against a provider that throttles");

    ok(leased(&store, &mine, 90000) == ENTRA_STORE_LEASED, "leased again");
    ok(leased(&other, &theirs, 90000 + ENTRA_STORE_LEASE)
       == ENTRA_STORE_LEASED, "a lease ends");
    entra_store_join(&other);
    ok(leased(&store, &mine, 90001 + ENTRA_STORE_LEASE)
       == ENTRA_STORE_LEASED, "and with its process");
    entra_store_detach(&store, &mine);
    ok(shot(&other, &theirs, 90002).lease == 0, "or when it is detached");
    ok(entra_store_attach(&other, &theirs, 8, 90003) == 0
       && shot(&other, &theirs, 90003).fails == 0,
       "another configuration forgets failures");
}


static void
refused(void)
{
    entra_store_ref_t       ref;
    entra_store_snapshot_t  s;

    begin();
    ref = ref_of(1, ENTRA_STORE_SHARED);
    (void) entra_store_attach(&store, &ref, 7, 1);
    (void) leased(&store, &ref, 1);
    (void) succeed(&store, &ref, 1, 100000);
    s = shot(&store, &ref, 2);

    ok(entra_store_invalidate(&store, &ref, s.generation, entra_str("{}"), 3)
       == ENTRA_STORE_FETCH, "a refused token is due");
    ok(leased(&store, &ref, 4) == ENTRA_STORE_LEASED, "fetched");
    ok(entra_store_invalidate(&other, &ref, s.generation, entra_str(""), 5)
       == ENTRA_STORE_NEWER, "who comes second waits for it");
    (void) succeed(&store, &ref, 6, 100000);
    ok(entra_store_invalidate(&other, &ref, s.generation, entra_str(""), 7)
       == ENTRA_STORE_NEWER, "or finds it");
    s = shot(&store, &ref, 8);
    ok(entra_store_invalidate(&store, &ref, s.generation, entra_str(""), 9)
       == ENTRA_STORE_TOO_SOON, "not all the time");
}


static void
shares(void)
{
    unsigned               i, n;
    entra_store_ref_t      ref, first, app;
    const unsigned char    key[ENTRA_STORE_KEY] = "a sign-in";

    begin();

    app = ref_of(1, ENTRA_STORE_SHARED);
    (void) entra_store_attach(&store, &app, 7, 1);
    (void) leased(&store, &app, 1);
    (void) succeed(&store, &app, 1, 1000000);
    ok(entra_store_put(&store, key, entra_str("Alice"), 0, 1) == 0,
       "a sign-in");

    first = ref_of(1000, ENTRA_STORE_CALLER);
    (void) entra_store_attach(&store, &first, 7, 2);

    for (i = 1001; i < 3000; i++) {
        ref = ref_of(i, ENTRA_STORE_CALLER);

        if (entra_store_attach(&store, &ref, 7, i) != 0
            || leased(&store, &ref, i) != ENTRA_STORE_LEASED
            || succeed(&store, &ref, i, 1000000) != 0)
        {
            break;
        }

        entra_store_detach(&store, &ref);

        /* one of them comes all the time, and does not lock for it */

        ref = ref_of(1001, ENTRA_STORE_CALLER);
        if (has(&store, ref, i) == 1) {
            (void) entra_store_read(&store, &ref, i, &(entra_buf_t) { 0 },
                                    &(entra_store_value_t) { 0 });
            entra_store_atomics(&store, &ref)->used = i;
        }
    }

    ok(i == 3000, "callers come and go");

    for (n = 0, i = 1000; i < 3000; i++) {
        n += has(&store, ref_of(i, ENTRA_STORE_CALLER), 3000) == 1;
    }

    ok(n > 15 && n < 60, "%u of them have a token", n);
    ok(has(&store, ref_of(1001, ENTRA_STORE_CALLER), 3000) == 1,
       "among them the one that was used all the time");
    ok(has(&store, ref_of(2999, ENTRA_STORE_CALLER), 3000) == 1
       && has(&store, ref_of(2990, ENTRA_STORE_CALLER), 3000) == 1,
       "and the last ones");
    ok(has(&store, ref_of(1002, ENTRA_STORE_CALLER), 3000) == -1,
       "not the oldest");
    ok(has(&store, first, 3000) == 0, "what is attached is not evicted");
    ok(has(&other, app, 3000) == 1, "nor is the configuration's");
    ok(entra_store_get(&other, key, 3000, 0, NULL) == 1, "nor a sign-in");

    for (i = 1; i < 60; i++) {
        ref = ref_of(i, ENTRA_STORE_SHARED);
        if (entra_store_attach(&store, &ref, 7, 4000) != 0) {
            break;
        }
    }

    ok(i > 30, "the configuration's come before callers'");
}


static void
layout(void)
{
    begin();

    ok(entra_store_check(memory, SIZE) == 0, "of this layout");
    ok(entra_store_check(memory, SIZE / 2) != 0, "another size");
    ((unsigned char *) memory)[0] ^= 1;
    ok(entra_store_check(memory, SIZE) != 0, "another magic");
    ok(entra_store_format(memory, 100) != 0, "too small");
    free(memory);
    memory = NULL;
}


static void
sooner(void)
{
    entra_store_ref_t       ref;
    entra_store_snapshot_t  s;

    begin();
    ref = ref_of(1, ENTRA_STORE_SHARED);
    (void) entra_store_attach(&store, &ref, 7, 1);
    (void) leased(&store, &ref, 1);
    (void) succeed(&store, &ref, 2, 100000);
    s = shot(&store, &ref, 3);

    ok(s.begun <= s.obtained, "when its fetch began");
    ok(entra_store_refresh_at(&store, &ref, s.generation + 1, 4, 3) != 0,
       "another generation: nothing to do");
    ok(entra_store_refresh_at(&other, &ref, s.generation, 2000, 3) == 0
       && leased(&store, &ref, 1999) == ENTRA_STORE_NOT_DUE,
       "due, but not now");
    ok(entra_store_refresh_at(&store, &ref, s.generation, 3000, 4) == 0
       && leased(&store, &ref, 2000) == ENTRA_STORE_LEASED,
       "who wants it later delays nobody");
    (void) succeed(&store, &ref, 2001, 100000);
    ok(leased(&store, &ref, 3000) == ENTRA_STORE_NOT_DUE, "once");
}


int
main(void)
{
    states();
    refused();
    sooner();
    shares();
    layout();

    return done();
}
