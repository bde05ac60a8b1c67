
/*
 * Copyright (C) nginx-entra authors
 *
 * Limits, order, fairness; then ENTRA_SCHEDULE_STEPS (300000) random steps
 * from ENTRA_SCHEDULE_SEED on: adds, connections, ends and cancels at any
 * time, on authorities that answer, refuse or never do.
 */

#include <stdlib.h>

#include "entra_schedule.h"
#include "tap.h"


#define AUTHORITIES  40
#define FETCHES      3000


typedef struct {
    entra_fetch_t    fetch;             /* first */
    unsigned         authority;
    unsigned         serial;
    int64_t          since;             /* of its state */
} item_t;


static item_t    items[FETCHES];
static unsigned  active_of[AUTHORITIES][ENTRA_FETCH_CLASSES];
static unsigned  waiting_of[AUTHORITIES][ENTRA_FETCH_CLASSES];
static unsigned  failing_of[AUTHORITIES];
static unsigned  last_of[AUTHORITIES][ENTRA_FETCH_CLASSES];
static uint32_t  seed = 1;
static unsigned  serial;


static unsigned
rnd(unsigned n)
{
    seed = seed * 1103515245 + 12345;

    return (seed >> 16) % n;
}


static int
add(entra_schedule_t *s, item_t *item, unsigned authority,
    entra_fetch_class_e class, unsigned shareable, int64_t now)
{
    char  url[64];

    snprintf(url, sizeof(url), "https://a%u.example/t/oauth2", authority);

    if (entra_schedule_add(s, &item->fetch, entra_str_c(url), class, shareable)
        != 0)
    {
        return -1;
    }

    item->authority = authority;
    item->serial = ++serial;
    item->since = now;
    waiting_of[authority][class]++;

    return 0;
}


static item_t *
next(entra_schedule_t *s, int64_t now)
{
    item_t  *item;

    item = (item_t *) entra_schedule_next(s, now);

    if (item) {
        item->since = now;
        waiting_of[item->authority][item->fetch.class]--;
        active_of[item->authority][item->fetch.class]++;
    }

    return item;
}


static void
end(entra_schedule_t *s, item_t *item, entra_fetch_end_e how, int64_t now)
{
    if (item->fetch.state == ENTRA_FETCH_WAITING) {
        waiting_of[item->authority][item->fetch.class]--;

    } else {
        active_of[item->authority][item->fetch.class]--;

        if (how != ENTRA_FETCH_CANCELLED) {
            failing_of[item->authority] = how == ENTRA_FETCH_FAILED
                                          ? failing_of[item->authority] + 1
                                          : 0;
        }
    }

    entra_schedule_end(s, &item->fetch, how, now);
}


static unsigned
start_all(entra_schedule_t *s, int64_t now)
{
    unsigned  n;

    for (n = 0; next(s, now); n++) { /* void */ }

    return n;
}


static void
end_all(entra_schedule_t *s, int64_t now)
{
    unsigned  i;

    for (i = 0; i < FETCHES; i++) {
        if (items[i].fetch.state != ENTRA_FETCH_NONE) {
            end(s, &items[i], ENTRA_FETCH_CANCELLED, now);
        }
    }
}


static const entra_schedule_limits_t  limits = { 1024, 512, { 4000, 2048 } };


static void
test_callers(void)
{
    unsigned           i;
    entra_schedule_t  *s;

    s = entra_schedule_create(&limits);

    for (i = 0; i < 300; i++) {
        (void) add(s, &items[i], 0, ENTRA_FETCH_CALLER, 1, 0);
    }

    ok(start_all(s, 0) == ENTRA_SCHEDULE_TRIES,
       "a few try, until an authority is reached");

    (void) add(s, &items[300], 0, ENTRA_FETCH_SHARED, 1, 0);
    ok(next(s, 0) == &items[300], "a shared credential is first");

    entra_schedule_connected(&items[0].fetch, 0);
    ok(start_all(s, 10) == 292, "reached over HTTP/1.1: 300 callers start");
    ok(entra_schedule_connections(s) == 301, "a connection each");
    end_all(s, 20);

    for (i = 0; i < 300; i++) {
        (void) add(s, &items[i], 1, ENTRA_FETCH_CALLER, 1, 0);
    }

    (void) start_all(s, 100);
    entra_schedule_connected(&items[0].fetch, 1);
    ok(start_all(s, 110) == 292, "the same with HTTP/2");
    ok(entra_schedule_connections(s) == ENTRA_SCHEDULE_TRIES,
       "on the few connections that are there");
    end_all(s, 120);

    for (i = 0; i < 20; i++) {
        (void) add(s, &items[i], 1, ENTRA_FETCH_CALLER, 1, 125);
    }

    ok(start_all(s, 125) == ENTRA_SCHEDULE_TRIES,
       "which have ended: a few make new ones");
    end_all(s, 126);

    ok(add(s, &items[0], 1, ENTRA_FETCH_CALLER, 0, 130) == 0
       && next(s, 130) == &items[0] && items[0].fetch.own
       && !items[0].fetch.share, "one that may not share does not");
    end_all(s, 140);

    entra_schedule_free(s);
}


static void
test_black_hole(void)
{
    unsigned           i;
    entra_schedule_t  *s;

    s = entra_schedule_create(&limits);

    for (i = 0; i < 400; i++) {
        (void) add(s, &items[i], 0, ENTRA_FETCH_SHARED, 1, 0);
    }

    ok(start_all(s, 0) == ENTRA_SCHEDULE_TRIES, "400 of a black hole");

    (void) add(s, &items[400], 1, ENTRA_FETCH_SHARED, 1, 1);
    ok(next(s, 1) == &items[400], "another authority starts at once");

    /* which answered, and does not any more */

    end(s, &items[400], ENTRA_FETCH_ANSWERED, 2);

    for (i = 0; i < 20; i++) {
        (void) add(s, &items[400 + i], 1, ENTRA_FETCH_SHARED, 1, 10);
    }

    ok(start_all(s, 10) == 20, "one that was reached gets all");
    end(s, &items[400], ENTRA_FETCH_FAILED, 20);
    (void) add(s, &items[400], 1, ENTRA_FETCH_SHARED, 1, 20);
    ok(next(s, 20) == NULL, "until a connection fails");

    entra_schedule_connected(&items[401].fetch, 0);
    ok(next(s, 30) == &items[400], "and again when one succeeds");
    end_all(s, 40);

    /* one that accepts, and is silent */

    for (i = 0; i < 1000; i++) {
        (void) add(s, &items[i], 2, ENTRA_FETCH_CALLER, 0, 40);
    }

    (void) next(s, 40);
    entra_schedule_connected(&items[0].fetch, 0);
    ok(start_all(s, 40) > 300, "many callers of one that is silent");

    for (i = 1000; i < 1020; i++) {
        (void) add(s, &items[i], 3 + i % 20, ENTRA_FETCH_CALLER, 0, 41);
    }

    ok(start_all(s, 41) == 20, "do not keep those of others waiting");
    end_all(s, 45);

    /* forty black holes, each with a hundred */

    for (i = 0; i < 3000; i++) {
        (void) add(s, &items[i], i % 39, ENTRA_FETCH_SHARED, 1, 50);
    }

    ok(start_all(s, 100000) <= 39 * ENTRA_SCHEDULE_TRIES
       && entra_schedule_connections(s) < 512, "39 of them leave room");
    end(s, &items[0], ENTRA_FETCH_FAILED, 100000);
    (void) add(s, &items[0], 39, ENTRA_FETCH_SHARED, 1, 100000);
    (void) start_all(s, 100001);
    ok(items[0].fetch.state == ENTRA_FETCH_ACTIVE, "for the fortieth");
    end_all(s, 0);

    entra_schedule_free(s);
}


static void
test_suspect(void)
{
    entra_schedule_t  *s;

    s = entra_schedule_create(&limits);

    (void) add(s, &items[0], 0, ENTRA_FETCH_SHARED, 1, 0);
    (void) next(s, 0);
    entra_schedule_connected(&items[0].fetch, 1);

    (void) add(s, &items[1], 0, ENTRA_FETCH_SHARED, 1, 0);
    (void) next(s, 4000);
    ok(items[1].fetch.share && !items[1].fetch.own, "joins a connection");

    (void) add(s, &items[2], 0, ENTRA_FETCH_SHARED, 1, 0);
    (void) next(s, 6000);
    ok(!items[2].fetch.share && items[2].fetch.own,
       "but not one that is silent");

    end(s, &items[2], ENTRA_FETCH_ANSWERED, 6100);
    (void) add(s, &items[2], 0, ENTRA_FETCH_SHARED, 1, 6200);
    (void) next(s, 6200);
    ok(!items[2].fetch.share, "though others bring answers");
    end(s, &items[2], ENTRA_FETCH_ANSWERED, 6300);

    end(s, &items[0], ENTRA_FETCH_FAILED, 10000);
    (void) add(s, &items[0], 0, ENTRA_FETCH_SHARED, 1, 10000);
    (void) next(s, 10000);
    ok(!items[0].fetch.share, "while any of its fetches is left");
    end(s, &items[1], ENTRA_FETCH_FAILED, 14000);

    (void) add(s, &items[1], 0, ENTRA_FETCH_SHARED, 1, 14000);
    (void) next(s, 14000);
    ok(items[1].fetch.share, "a new one is shared again");
    end_all(s, 15000);

    entra_schedule_free(s);
}


static void
test_names(void)
{
    unsigned           i, n;
    entra_fetch_t      f[6];
    entra_schedule_t  *s;

    static const char *const  urls[] = {
        "https://Login.example/a", "https://login.example:443/b",
        "https://login.example", "http://login.example/",
        "https://login.example:8443/", "not a url"
    };

    s = entra_schedule_create(&limits);
    memset(f, 0, sizeof(f));

    for (i = 0; i < 6; i++) {
        (void) entra_schedule_add(s, &f[i], entra_str_c(urls[i]),
                                  ENTRA_FETCH_SHARED, 1);
    }

    ok(f[0].authority == f[1].authority && f[1].authority == f[2].authority,
       "one authority, however written");

    for (n = 0, i = 3; i < 6; i++) {
        n += f[i].authority != f[0].authority;
    }

    ok(n == 3 && f[3].authority != f[4].authority, "and others");

    for (i = 0; i < 6; i++) {
        entra_schedule_end(s, &f[i], ENTRA_FETCH_CANCELLED, 0);
    }

    entra_schedule_end(s, &f[0], ENTRA_FETCH_CANCELLED, 0);
    ok(entra_schedule_waiting(s) == NULL, "an end twice is one");

    entra_schedule_free(s);
    entra_schedule_free(NULL);
}


static void
test_full(void)
{
    unsigned                 i, n;
    entra_schedule_t        *s;
    entra_schedule_limits_t  few = { 16, 16, { 10, 5 } };

    s = entra_schedule_create(&few);

    for (n = 0, i = 0; i < 20; i++) {
        n += add(s, &items[i], i, ENTRA_FETCH_CALLER, 1, 0) == 0;
    }

    ok(n == 5, "so many callers wait");
    ok(add(s, &items[20], 0, ENTRA_FETCH_SHARED, 1, 0) == 0,
       "and shared credentials beside them");
    end_all(s, 0);
    entra_schedule_free(s);
}


/* what holds after each step; 0, or what does not */

static const char *
check(entra_schedule_t *s, const entra_schedule_limits_t *l)
{
    unsigned  i, class, active, callers, own;

    active = callers = own = 0;

    for (i = 0; i < AUTHORITIES; i++) {
        for (class = 0; class < ENTRA_FETCH_CLASSES; class++) {
            active += active_of[i][class];
        }

        callers += active_of[i][ENTRA_FETCH_CALLER];

        if (active_of[i][ENTRA_FETCH_SHARED] > ENTRA_SCHEDULE_SHARED
            || active_of[i][ENTRA_FETCH_CALLER] > ENTRA_SCHEDULE_CALLERS)
        {
            return "the limit of an authority";
        }
    }

    for (i = 0; i < FETCHES; i++) {
        own += items[i].fetch.state == ENTRA_FETCH_ACTIVE
               && items[i].fetch.own;
    }

    return active != entra_schedule_active(s) ? "active"
           : own != entra_schedule_connections(s) ? "connections"
           : active > l->active ? "the limit of all"
           : own > l->connections ? "the limit of connections"
           : callers > l->active - l->active / 8 ? "the limit of callers"
           : NULL;
}


/* nothing starts: nobody with nothing under way may be waiting for that */

static const char *
starved(entra_schedule_t *s, const entra_schedule_limits_t *l)
{
    unsigned  i, failing, own;

    failing = own = 0;

    for (i = 0; i < FETCHES; i++) {
        if (items[i].fetch.state == ENTRA_FETCH_ACTIVE
            && failing_of[items[i].authority] >= 3)
        {
            failing++;
            own += items[i].fetch.own;
        }
    }

    if (entra_schedule_active(s) == l->active
        || entra_schedule_connections(s) == l->connections)
    {
        return NULL;
    }

    for (i = 0; i < AUTHORITIES; i++) {
        if (waiting_of[i][ENTRA_FETCH_SHARED]
            && active_of[i][ENTRA_FETCH_SHARED] == 0
            && !(failing_of[i] >= 3 && (failing >= l->active * 3 / 4
                                   || own >= l->connections * 3 / 4)))
        {
            return "starved";
        }
    }

    return NULL;
}


/* authority % 4: 0, 1 answer, 2 is a black hole, 3 accepts and is silent */

static void
advance(entra_schedule_t *s, item_t *item, int64_t now)
{
    int64_t            took;
    entra_fetch_end_e  how;

    if (item->fetch.state != ENTRA_FETCH_ACTIVE) {
        return;
    }

    took = now - item->since;

    if (item->authority % 4 != 2 && took > 5 && !item->fetch.connected) {
        entra_schedule_connected(&item->fetch, item->authority % 2);
    }

    if (item->authority % 4 < 2) {
        how = rnd(50) ? ENTRA_FETCH_ANSWERED : ENTRA_FETCH_FAILED;

        if (took > 50) {
            end(s, item, how, now);
        }

    } else if (took > 3000) {
        end(s, item, ENTRA_FETCH_FAILED, now);
    }
}


static const char *
step(entra_schedule_t *s, const entra_schedule_limits_t *l, int64_t now)
{
    item_t               *item, *started;
    unsigned              class, authority;
    const char           *wrong;

    item = &items[rnd(FETCHES)];

    if (item->fetch.state == ENTRA_FETCH_NONE) {

        /* a flood is for a few authorities */

        authority = rnd(3) ? rnd(4) : rnd(AUTHORITIES);
        (void) add(s, item, authority, rnd(4) ? ENTRA_FETCH_CALLER
                                              : ENTRA_FETCH_SHARED,
                   rnd(8), now);

    } else if (rnd(200) == 0) {
        end(s, item, ENTRA_FETCH_CANCELLED, now);

    } else {
        advance(s, item, now);
    }

    while (rnd(4)) {
        started = next(s, now);

        if (started == NULL) {
            return starved(s, l);
        }

        class = started->fetch.class;

        if (started->serial < last_of[started->authority][class]) {
            return "order";
        }

        last_of[started->authority][class] = started->serial;

        wrong = check(s, l);

        if (wrong) {
            return wrong;
        }
    }

    return NULL;
}


static void
test_model(const entra_schedule_limits_t *l, unsigned steps, int64_t most,
    const char *name)
{
    int64_t            now, longest, wait;
    unsigned           i, j;
    const char        *wrong;
    entra_schedule_t  *s;

    s = entra_schedule_create(l);
    memset(last_of, 0, sizeof(last_of));
    memset(failing_of, 0, sizeof(failing_of));
    wrong = NULL;
    longest = 0;
    now = 1000000;

    for (i = 0; i < steps && wrong == NULL; i++) {
        now += rnd(8) == 0;
        wrong = step(s, l, now);

        /*
         * Of an authority that answers and is not flooded itself, once it
         * is known which do not answer.
         */

        if (i % 100 == 0 && i > steps / 2) {
            for (j = 0; j < FETCHES; j++) {
                wait = now - items[j].since;

                if (items[j].fetch.state == ENTRA_FETCH_WAITING
                    && items[j].fetch.class == ENTRA_FETCH_SHARED
                    && items[j].authority % 4 < 2
                    && items[j].authority > 4 && wait > longest)
                {
                    longest = wait;
                }
            }
        }
    }

    ok(wrong == NULL, "%s: %u steps%s%s", name, i, wrong ? ": " : "",
       wrong ? wrong : "");
    ok(longest < most, "a shared credential of one that answers waits at most "
       "%d ms", (int) longest);

    end_all(s, now);
    ok(entra_schedule_active(s) == 0 && entra_schedule_connections(s) == 0
       && entra_schedule_waiting(s) == NULL, "nothing is left");
    entra_schedule_free(s);
}


int
main(void)
{
    unsigned     steps;
    const char  *env;

    static const entra_schedule_limits_t  small = { 64, 24, { 500, 300 } };
    static const entra_schedule_limits_t  few = { 1024, 48, { 4000, 500 } };

    env = getenv("ENTRA_SCHEDULE_STEPS");
    steps = env ? (unsigned) atoi(env) : 300000;
    env = getenv("ENTRA_SCHEDULE_SEED");
    seed = env ? (unsigned) atoi(env) : 1;

    test_callers();
    test_black_hole();
    test_suspect();
    test_names();
    test_full();
    /* a fetch takes half a second here, and twenty authorities answer */

    test_model(&limits, steps, 100, "large limits");
    test_model(&small, steps, 5000, "small limits");
    test_model(&few, steps, 5000, "few connections");

    return done();
}
