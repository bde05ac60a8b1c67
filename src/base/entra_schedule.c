
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "entra_schedule.h"
#include "entra_url.h"


#define ENTRA_SCHEDULE_BUCKETS  64
#define ENTRA_SCHEDULE_KNOWN    64      /* authorities without fetches */
#define ENTRA_SCHEDULE_SHARE    4       /* times what is free */
#define ENTRA_SCHEDULE_FAILS    3       /* in a row: failing */


typedef struct entra_links_s  entra_links_t;

struct entra_links_s {
    entra_links_t        *prev;
    entra_links_t        *next;
};


/* in the ring of a class while a fetch of it waits; else idle or active only */

struct entra_authority_s {
    entra_links_t         ring[ENTRA_FETCH_CLASSES];
    entra_links_t         idle;
    entra_authority_t    *chain;        /* of its bucket */

    entra_fetch_t        *first[ENTRA_FETCH_CLASSES];
    entra_fetch_t        *last[ENTRA_FETCH_CLASSES];
    unsigned              active[ENTRA_FETCH_CLASSES];
    unsigned              own[ENTRA_FETCH_CLASSES];
    unsigned              sharing;      /* active with share */
    unsigned              joinable;     /* of these, connected */
    unsigned              fetches;      /* waiting and active */

    int64_t               alive;        /* ms, of the last answer */
    unsigned              reached:1;
    unsigned              multiplexed:1;
    unsigned              suspect:1;    /* its shared connection */
    unsigned              failing:1;    /* its last fetches had no answer */
    unsigned              fails;        /* in a row */

    uint32_t              hash;
    size_t                len;
    char                  name[];
};


struct entra_schedule_s {
    entra_schedule_limits_t   limits;
    entra_links_t             ring[ENTRA_FETCH_CLASSES];
    entra_links_t             idle;     /* longest first */
    entra_authority_t        *buckets[ENTRA_SCHEDULE_BUCKETS];

    unsigned                  active;
    unsigned                  own;
    unsigned                  failing;      /* active, of failing ones */
    unsigned                  failing_own;
    unsigned                  waiting[ENTRA_FETCH_CLASSES];
    unsigned                  known;        /* idle ones */
};


static entra_authority_t *
entra_authority_of(const entra_links_t *links, size_t offset)
{
    return (entra_authority_t *) ((char *) links - offset);
}


/* whose link in the ring of a class it is */

static entra_authority_t *
entra_authority_in_ring(const entra_links_t *links, unsigned class)
{
    return entra_authority_of(links, offsetof(entra_authority_t, ring)
                                     + class * sizeof(entra_links_t));
}


static void
entra_links_init(entra_links_t *list)
{
    list->prev = list;
    list->next = list;
}


static void
entra_links_append(entra_links_t *list, entra_links_t *links)
{
    links->prev = list->prev;
    links->next = list;
    links->prev->next = links;
    list->prev = links;
}


static void
entra_links_remove(entra_links_t *links)
{
    links->prev->next = links->next;
    links->next->prev = links->prev;
    entra_links_init(links);
}


static entra_authority_t *
entra_authority_idle(const entra_schedule_t *s)
{
    return entra_authority_of(s->idle.next,
                              offsetof(entra_authority_t, idle));
}


entra_schedule_t *
entra_schedule_create(const entra_schedule_limits_t *limits)
{
    unsigned           class;
    entra_schedule_t  *s;

    s = calloc(1, sizeof(entra_schedule_t));
    if (s == NULL) {
        return NULL;
    }

    s->limits = *limits;
    entra_links_init(&s->idle);

    for (class = 0; class < ENTRA_FETCH_CLASSES; class++) {
        entra_links_init(&s->ring[class]);
    }

    return s;
}


static void
entra_authority_free(entra_schedule_t *s, entra_authority_t *a)
{
    entra_authority_t  **at;

    at = &s->buckets[a->hash % ENTRA_SCHEDULE_BUCKETS];

    while (*at != a) {
        at = &(*at)->chain;
    }

    *at = a->chain;

    entra_links_remove(&a->idle);
    s->known--;
    free(a);
}


void
entra_schedule_free(entra_schedule_t *s)
{
    if (s == NULL) {
        return;
    }

    while (s->idle.next != &s->idle) {
        entra_authority_free(s, entra_authority_idle(s));
    }

    free(s);
}


/* scheme://host:port in small letters; what is no URL is an authority, too */

static void
entra_authority_name(entra_str_t text, entra_buf_t *name)
{
    size_t       i;
    char         c;
    entra_url_t  url;

    if (entra_url_parse(text, &url) != 0) {
        entra_buf_add_str(name, text);
        return;
    }

    entra_buf_add_c(name, url.https ? "https://" : "http://");

    for (i = 0; i < url.host.len; i++) {
        c = url.host.data[i];
        entra_buf_add_char(name, c >= 'A' && c <= 'Z' ? c + 32 : c);
    }

    entra_buf_add_char(name, ':');

    if (url.port.len) {
        entra_buf_add_str(name, url.port);

    } else {
        entra_buf_add_c(name, url.https ? "443" : "80");
    }
}


static uint32_t
entra_authority_hash(entra_str_t name)
{
    size_t    i;
    uint32_t  hash = 2166136261U;

    for (i = 0; i < name.len; i++) {
        hash = (hash ^ (unsigned char) name.data[i]) * 16777619U;
    }

    return hash;
}


static entra_authority_t *
entra_authority_create(entra_schedule_t *s, entra_str_t name, uint32_t hash)
{
    unsigned             class;
    entra_authority_t   *a, **bucket;

    a = calloc(1, sizeof(entra_authority_t) + name.len);
    if (a == NULL) {
        return NULL;
    }

    a->hash = hash;
    a->len = name.len;
    memcpy(a->name, name.data, name.len);
    entra_links_init(&a->idle);

    for (class = 0; class < ENTRA_FETCH_CLASSES; class++) {
        entra_links_init(&a->ring[class]);
    }

    bucket = &s->buckets[hash % ENTRA_SCHEDULE_BUCKETS];
    a->chain = *bucket;
    *bucket = a;

    return a;
}


static entra_authority_t *
entra_authority_find(entra_schedule_t *s, entra_str_t url)
{
    uint32_t            hash;
    entra_buf_t         buf;
    entra_str_t         name;
    entra_authority_t  *a;

    entra_buf_init(&buf, 2 * ENTRA_URL_MAX);
    entra_authority_name(url, &buf);

    if (!entra_buf_ok(&buf)) {
        entra_buf_free(&buf);
        return NULL;
    }

    name = entra_buf_str(&buf);
    hash = entra_authority_hash(name);

    for (a = s->buckets[hash % ENTRA_SCHEDULE_BUCKETS]; a; a = a->chain) {
        if (a->hash == hash && a->len == name.len
            && memcmp(a->name, name.data, name.len) == 0)
        {
            break;
        }
    }

    if (a == NULL) {
        a = entra_authority_create(s, name, hash);

    } else if (a->fetches == 0) {
        entra_links_remove(&a->idle);
        s->known--;
    }

    entra_buf_free(&buf);

    return a;
}


/* remembered for the next fetch, the longest idle forgotten */

static void
entra_authority_release(entra_schedule_t *s, entra_authority_t *a)
{
    if (--a->fetches) {
        return;
    }

    entra_links_append(&s->idle, &a->idle);

    if (++s->known > ENTRA_SCHEDULE_KNOWN) {
        entra_authority_free(s, entra_authority_idle(s));
    }
}


int
entra_schedule_add(entra_schedule_t *s, entra_fetch_t *f, entra_str_t url,
    entra_fetch_class_e class, unsigned shareable)
{
    entra_authority_t  *a;

    if (s->waiting[class] >= s->limits.waiting[class]) {
        return -1;
    }

    a = entra_authority_find(s, url);
    if (a == NULL) {
        return -1;
    }

    a->fetches++;

    f->authority = a;
    f->class = class;
    f->state = ENTRA_FETCH_WAITING;
    f->shareable = shareable ? 1 : 0;
    f->share = 0;
    f->own = 0;
    f->connected = 0;

    f->next = NULL;
    f->prev = a->last[class];

    if (f->prev) {
        f->prev->next = f;

    } else {
        a->first[class] = f;
        entra_links_append(&s->ring[class], &a->ring[class]);
    }

    a->last[class] = f;
    s->waiting[class]++;

    return 0;
}


static void
entra_schedule_unqueue(entra_schedule_t *s, entra_fetch_t *f)
{
    entra_authority_t  *a = f->authority;

    if (f->prev) {
        f->prev->next = f->next;

    } else {
        a->first[f->class] = f->next;
    }

    if (f->next) {
        f->next->prev = f->prev;

    } else {
        a->last[f->class] = f->prev;
    }

    f->prev = NULL;
    f->next = NULL;
    s->waiting[f->class]--;

    if (a->first[f->class] == NULL) {
        entra_links_remove(&a->ring[f->class]);
    }
}


static unsigned
entra_authority_sum(const unsigned *of)
{
    unsigned  class, sum;

    sum = 0;

    for (class = 0; class < ENTRA_FETCH_CLASSES; class++) {
        sum += of[class];
    }

    return sum;
}


/* what the time that has passed says about an authority */

static void
entra_authority_look(entra_authority_t *a, int64_t now)
{
    if (now - a->alive > ENTRA_SCHEDULE_IDLE
        && entra_authority_sum(a->active) == 0)
    {
        a->reached = 0;
        a->multiplexed = 0;
    }

    if (a->sharing && now - a->alive > ENTRA_SCHEDULE_STALL) {
        a->suspect = 1;
    }
}


/* of a limit, for a class; callers leave an eighth to shared credentials */

static unsigned
entra_schedule_free_of(unsigned limit, unsigned used, entra_fetch_class_e class)
{
    if (class == ENTRA_FETCH_CALLER) {
        limit -= limit / 8;
    }

    return limit > used ? limit - used : 0;
}


/* there is an HTTP/2 connection that works, as far as anybody knows */

static int
entra_authority_joinable(const entra_authority_t *a)
{
    return a->multiplexed && a->joinable && !a->suspect;
}


static int
entra_schedule_may_start(const entra_schedule_t *s, const entra_authority_t *a,
    entra_fetch_class_e class)
{
    unsigned              room, tries;
    const entra_fetch_t  *f;

    f = a->first[class];

    room = s->limits.active - s->limits.active / 4;

    if (a->failing && s->failing >= room) {
        return 0;
    }

    room = entra_schedule_free_of(s->limits.active, s->active, class);

    if (a->active[class] >= ENTRA_SCHEDULE_SHARE * room
        || a->active[class] >= (class == ENTRA_FETCH_SHARED
                                ? ENTRA_SCHEDULE_SHARED
                                : ENTRA_SCHEDULE_CALLERS))
    {
        return 0;
    }

    if (f->shareable && entra_authority_joinable(a)) {
        return 1;
    }

    room = s->limits.connections - s->limits.connections / 4;

    if (a->failing && s->failing_own >= room) {
        return 0;
    }

    room = entra_schedule_free_of(s->limits.connections, s->own, class);

    if (a->own[class] >= ENTRA_SCHEDULE_SHARE * room) {
        return 0;
    }

    /* with HTTP/2 some wait for a connection to join */

    if (a->reached && !(f->shareable && a->multiplexed && !a->suspect)) {
        return 1;
    }

    /* many unreachable authorities still leave room for one that works */

    tries = room / 16 + 1;

    return a->active[class] < (tries < ENTRA_SCHEDULE_TRIES
                               ? tries : ENTRA_SCHEDULE_TRIES);
}


static void
entra_schedule_start(entra_schedule_t *s, entra_fetch_t *f, int64_t now)
{
    entra_authority_t  *a = f->authority;

    entra_schedule_unqueue(s, f);

    f->state = ENTRA_FETCH_ACTIVE;
    f->share = f->shareable && !a->suspect;
    f->own = !(f->share && entra_authority_joinable(a));

    a->active[f->class]++;
    s->active++;
    s->failing += a->failing;

    if (f->own) {
        a->own[f->class]++;
        s->own++;
        s->failing_own += a->failing;
    }

    if (f->share && a->sharing++ == 0) {
        a->alive = now;
    }
}


entra_fetch_t *
entra_schedule_next(entra_schedule_t *s, int64_t now)
{
    unsigned            class;
    entra_links_t      *ring, *links;
    entra_fetch_t      *f;
    entra_authority_t  *a;

    for (class = 0; class < ENTRA_FETCH_CLASSES; class++) {
        ring = &s->ring[class];

        for (links = ring->next; links != ring; links = links->next) {
            a = entra_authority_in_ring(links, class);

            entra_authority_look(a, now);

            if (!entra_schedule_may_start(s, a, class)) {
                continue;
            }

            /* the others first, the next time */

            entra_links_remove(links);
            entra_links_append(ring, links);

            f = a->first[class];
            entra_schedule_start(s, f, now);

            return f;
        }
    }

    return NULL;
}


void
entra_schedule_connected(entra_fetch_t *f, unsigned multiplexed)
{
    entra_authority_t  *a = f->authority;

    if (f->state != ENTRA_FETCH_ACTIVE || f->connected) {
        return;
    }

    f->connected = 1;
    a->reached = 1;

    if (f->share) {
        a->joinable++;
        a->multiplexed = multiplexed ? 1 : 0;
    }
}


static void
entra_authority_failing(entra_schedule_t *s, entra_authority_t *a,
    entra_fetch_end_e how)
{
    unsigned  failing;

    a->fails = how == ENTRA_FETCH_ANSWERED ? 0 : a->fails + 1;
    failing = a->fails >= ENTRA_SCHEDULE_FAILS;

    if (a->failing == failing) {
        return;
    }

    a->failing = failing;

    if (failing) {
        s->failing += entra_authority_sum(a->active);
        s->failing_own += entra_authority_sum(a->own);

    } else {
        s->failing -= entra_authority_sum(a->active);
        s->failing_own -= entra_authority_sum(a->own);
    }
}


static void
entra_authority_learn(entra_schedule_t *s, entra_authority_t *a,
    const entra_fetch_t *f, entra_fetch_end_e how, int64_t now)
{
    if (how != ENTRA_FETCH_CANCELLED) {
        entra_authority_failing(s, a, how);
    }

    if (how == ENTRA_FETCH_ANSWERED) {
        a->reached = 1;

        /* an answer on another connection says nothing about the shared one */

        if (f->share || a->sharing == 0) {
            a->alive = now;
        }

    } else if (how == ENTRA_FETCH_FAILED && !f->connected) {
        a->reached = 0;
        a->multiplexed = 0;

    } else if (how == ENTRA_FETCH_FAILED && f->share) {
        a->suspect = 1;
    }

    /* the shared connection ended with the last of its fetches */

    if (a->sharing == 0) {
        a->suspect = 0;
    }
}


void
entra_schedule_end(entra_schedule_t *s, entra_fetch_t *f,
    entra_fetch_end_e how, int64_t now)
{
    entra_authority_t  *a = f->authority;

    if (f->state == ENTRA_FETCH_NONE) {
        return;
    }

    if (f->state == ENTRA_FETCH_WAITING) {
        entra_schedule_unqueue(s, f);

    } else {
        a->active[f->class]--;
        s->active--;
        s->failing -= a->failing;

        if (f->own) {
            a->own[f->class]--;
            s->own--;
            s->failing_own -= a->failing;
        }

        if (f->share) {
            a->sharing--;
            a->joinable -= f->connected;
        }

        entra_authority_learn(s, a, f, how, now);
    }

    f->state = ENTRA_FETCH_NONE;
    f->authority = NULL;

    entra_authority_release(s, a);
}


entra_fetch_t *
entra_schedule_waiting(const entra_schedule_t *s)
{
    unsigned              class;
    const entra_links_t  *links;

    for (class = 0; class < ENTRA_FETCH_CLASSES; class++) {
        links = s->ring[class].next;

        if (links != &s->ring[class]) {
            return entra_authority_in_ring(links, class)->first[class];
        }
    }

    return NULL;
}


unsigned
entra_schedule_active(const entra_schedule_t *s)
{
    return s->active;
}


unsigned
entra_schedule_connections(const entra_schedule_t *s)
{
    return s->own;
}
