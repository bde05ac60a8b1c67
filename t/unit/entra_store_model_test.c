
/*
 * Copyright (C) nginx-entra authors
 *
 * Workers that attach, fetch, evict, expire and die at any point, over a store
 * with room for a few.  What each of them reads has to be of the key that it
 * asked for, what it has attached has to stay, and memory has to add up.
 *
 * ENTRA_STORE_STEPS, ENTRA_STORE_KILLS and ENTRA_STORE_SEED change how long.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* the faults of old: a place is trusted, and what is attached is evicted */

#define FAULT_KEY       1
#define FAULT_ATTACHED  2

static int   model_fault;
static void  model_point(void);

#define ENTRA_STORE_POINT()  model_point()
#define ENTRA_STORE_IS(rec, ref)                                              \
    ((rec)->kind == (ref)->kind                                               \
     && ((model_fault & FAULT_KEY)                                            \
         || memcmp((rec)->key, (ref)->key, ENTRA_STORE_KEY) == 0))
#define ENTRA_STORE_IS_ATTACHED(rec)                                          \
    (!(model_fault & FAULT_ATTACHED) && entra_store_is_attached(rec))

#include "../../src/store/entra_store_memory.c"
#include "../../src/store/entra_store.c"

#include "tap.h"


#define WORKERS   4
#define KEYS      24            /* of the configuration first */
#define SHARED    4
#define SIGN_INS  4
#define MEMORY    (24 * 1024)
#define TEXT_MAX  1600


/* what a worker remembers of a key */

typedef struct {
    entra_store_ref_t      ref;
    entra_store_atomics_t *record;
    unsigned long          generation;
    int                    holds;       /* attached it, and */
    unsigned               lost;        /* so many had been lost then */
    int64_t                leased;      /* until then */
} known_t;


typedef struct {
    entra_store_t  store;
    known_t        known[KEYS];
    int            locked;
} worker_t;


static worker_t        workers[WORKERS];
static worker_t       *current;
static unsigned char   memory[MEMORY] __attribute__((aligned(16)));
static int64_t         now;
static int64_t         next_pid;
static long            fuse;            /* points until the worker dies */
static jmp_buf         death;
static uint64_t        seed;
static const char     *broken;
static unsigned long   reads, evicted, deaths, leases, full;
static int             apart;           /* real ones, each with its own time */


const char *__asan_default_options(void);


/* who dies does not free what he has on his heap */

const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}


static unsigned
rnd(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (unsigned) (seed >> 20) % n;
}


static void
model_point(void)
{
    if (fuse && --fuse == 0) {
        longjmp(death, 1);
    }
}


static void
model_lock(void *data)
{
    unsigned  i;

    for (i = 0; i < WORKERS; i++) {
        if (workers[i].locked) {
            broken = "locked twice";
        }
    }

    ((worker_t *) data)->locked = 1;
}


static void
model_unlock(void *data)
{
    ((worker_t *) data)->locked = 0;
}


static int
model_alive(int64_t pid)
{
    unsigned  i;

    for (i = 0; i < WORKERS; i++) {
        if (workers[i].store.pid == pid) {
            return 1;
        }
    }

    return 0;
}


static void
key_of(unsigned n, unsigned char *key)
{
    memset(key, 'a' + n, ENTRA_STORE_KEY);

    /* a few of them in one bucket */
    key[0] = n % 3;
}


/* a text of a key: "k7 k7 k7 ..." */

static entra_str_t
text_of(unsigned n, char *buf, size_t max)
{
    char    word[16];
    size_t  i, len, want;

    len = sprintf(word, "k%u ", n);
    want = 1 + rnd(max - len - 1);

    for (i = 0; i < want; i += len) {
        memcpy(buf + i, word, len);
    }

    return (entra_str_t) { i, buf };
}


static int
is_of(unsigned n, const char *text, size_t size)
{
    char    word[16];
    size_t  i, len;

    len = sprintf(word, "k%u ", n);

    for (i = 0; i < size; i++) {
        if (text[i] != word[i % len]) {
            return 0;
        }
    }

    return 1;
}


static void
start(worker_t *w)
{
    unsigned  i, process;
    known_t  *k;

    process = w - workers;

    memset(w, 0, sizeof(worker_t));
    entra_store_open(&w->store, memory);

    w->store.lock = model_lock;
    w->store.unlock = model_unlock;
    w->store.alive = model_alive;
    w->store.data = w;
    w->store.process = process;
    w->store.pid = ++next_pid;

    for (i = 0; i < KEYS; i++) {
        k = &w->known[i];
        key_of(i, k->ref.key);
        k->ref.kind = i < SHARED ? ENTRA_STORE_SHARED : ENTRA_STORE_CALLER;
        k->ref.index = rnd(2) ? (uint32_t) -1 : rnd(w->store.head->records);
    }

    entra_store_join(&w->store);
}


/* --- what always holds ---------------------------------------------------- */

static uint32_t
count_chain(entra_store_t *s, uint32_t i, const entra_store_chain_t *chain)
{
    if (!entra_store_intact(s, &s->records[i], chain)) {
        broken = "a chain is not whole";
    }

    return entra_store_cells(chain->len);
}


static void
check_records(entra_store_t *s)
{
    uint32_t               i, n, cells, total, at;
    unsigned               kind;
    entra_store_head_t    *head = s->head;
    entra_store_record_t  *rec;

    total = 0;

    for (kind = 1; kind < ENTRA_STORE_KINDS; kind++) {
        n = 0;
        cells = 0;

        for (at = head->lists[kind].first; at != ENTRA_STORE_NONE;
             at = rec->after)
        {
            rec = &s->records[at];
            n++;
            cells += count_chain(s, at, &rec->value)
                     + count_chain(s, at, &rec->claims)
                     + count_chain(s, at, &rec->texts);

            if (rec->torn || rec->kind != kind
                || entra_store_find(s, rec->key, kind) != rec)
            {
                broken = "a record in a list is not what it should be";
            }
        }

        if (n != head->lists[kind].records || cells != head->lists[kind].cells)
        {
            broken = "a list's sums are wrong";
        }

        total += cells;
    }

    if (total + head->free_cells != head->cells) {
        broken = "cells are missing";
    }

    if (head->lists[ENTRA_STORE_CALLER].records
        > head->records - head->records / 4
        || head->lists[ENTRA_STORE_CALLER].cells
           > head->cells - head->cells / 4)
    {
        broken = "callers take more than their share";
    }

    n = head->cells - head->fresh_cell;

    for (i = head->free_cell; i != ENTRA_STORE_NONE; i = s->cells[i].next) {
        n++;

        for (at = 0; at < ENTRA_STORE_DATA; at++) {
            if (s->cells[i].data[at]) {
                broken = "free memory is not wiped";
            }
        }
    }

    if (n != head->free_cells) {
        broken = "free cells are missing";
    }
}


static void
check_known(worker_t *w)
{
    unsigned               i;
    known_t               *k;
    entra_store_record_t  *rec;

    for (i = 0; i < KEYS; i++) {
        k = &w->known[i];

        if (k->holds && k->lost == w->store.head->lost
            && !(model_fault & FAULT_KEY))
        {
            rec = &w->store.records[k->ref.index];

            if (rec->kind != k->ref.kind
                || memcmp(rec->key, k->ref.key, ENTRA_STORE_KEY) != 0)
            {
                broken = "what was attached was given to another";
            }
        }

        /* the request path: what is equal needs no lock */

        if (k->record && k->generation
            && k->generation == k->record->generation
            && !(model_fault & FAULT_KEY))
        {
            rec = (entra_store_record_t *) k->record;

            if (memcmp(rec->key, k->ref.key, ENTRA_STORE_KEY) != 0) {
                broken = "a generation came twice";
            }
        }
    }
}


static void
check(void)
{
    unsigned        i;
    entra_store_t  *s = &workers[0].store;

    if (s->head->busy) {
        return;
    }

    check_records(s);

    for (i = 0; i < WORKERS; i++) {
        check_known(&workers[i]);
    }
}


/* --- what workers do ------------------------------------------------------ */

static void
attach(worker_t *w, known_t *k)
{
    unsigned  before;

    before = w->store.head->lists[k->ref.kind].records;

    if (entra_store_attach(&w->store, &k->ref, 1, now) != 0) {
        full++;
        return;
    }

    evicted += w->store.head->lists[k->ref.kind].records == before;

    if (k->lost != w->store.head->lost) {
        k->leased = 0;
    }

    k->holds = 1;
    k->lost = w->store.head->lost;
    k->record = entra_store_atomics(&w->store, &k->ref);
}


static void
detach(worker_t *w, known_t *k)
{
    k->holds = 0;
    k->leased = 0;
    entra_store_detach(&w->store, &k->ref);
}


static void
look(worker_t *w, known_t *k, unsigned n)
{
    int                  rc;
    entra_buf_t          value;
    entra_store_value_t  v;

    if (k->record && k->generation == k->record->generation) {
        return;
    }

    entra_buf_init(&value, TEXT_MAX);
    rc = entra_store_read(&w->store, &k->ref, now, &value, &v);

    k->record = rc == -1 ? NULL : entra_store_atomics(&w->store, &k->ref);
    k->generation = v.generation;

    if (rc == 1) {
        reads++;

        if (!entra_buf_ok(&value) || !is_of(n, value.data, value.len)) {
            broken = "another key's token was read";
        }

        if (v.digest[0] != n || v.expires <= now) {
            broken = "another key's secret, or a token that has expired";
        }
    }

    entra_buf_free(&value);
}


static void
snapshot(worker_t *w, known_t *k, unsigned n)
{
    entra_buf_t             claims;
    entra_store_snapshot_t  shot;

    entra_buf_init(&claims, TEXT_MAX);

    if (entra_store_snapshot(&w->store, &k->ref, now, &shot, &claims) == 0) {

        if (!is_of(n, shot.error_text, strlen(shot.error_text))
            || !is_of(n, shot.note, strlen(shot.note))
            || !is_of(n, shot.error_name, strlen(shot.error_name))
            || !is_of(n, claims.data, claims.len))
        {
            broken = "another key's error was read";
        }

        if ((shot.state == ENTRA_STORE_FETCHING
             || shot.state == ENTRA_STORE_REFRESHING) != (shot.lease > now)
            || (shot.state == ENTRA_STORE_FAILING && shot.fails == 0))
        {
            broken = "a state that does not go with what it is made of";
        }
    }

    entra_buf_free(&claims);
}


static void
lease(worker_t *w, known_t *k, unsigned n)
{
    unsigned        i;
    known_t        *other;
    entra_buf_t     claims, refused;
    unsigned char   digest[ENTRA_STORE_DIGEST];

    entra_buf_init(&claims, TEXT_MAX);
    entra_buf_init(&refused, TEXT_MAX);
    memset(digest, n, sizeof(digest));

    if (entra_store_lease(&w->store, &k->ref, now, digest, &claims, &refused)
        == ENTRA_STORE_LEASED)
    {
        leases++;

        for (i = 0; i < WORKERS; i++) {
            other = &workers[i].known[n];

            if (other->leased > now && other->holds && !apart
                && other->lost == w->store.head->lost)
            {
                broken = "two fetch the same";
            }
        }

        k->leased = now + ENTRA_STORE_LEASE;

        if (!is_of(n, claims.data, claims.len)
            || !is_of(n, refused.data, refused.len))
        {
            broken = "another key's claims or token were read";
        }
    }

    entra_buf_free(&claims);
    entra_buf_free(&refused);
}


static void
fetched(worker_t *w, known_t *k, unsigned n)
{
    char                   text[TEXT_MAX], note[64], claims[512];
    entra_err_t            err;
    unsigned char          digest[ENTRA_STORE_DIGEST];
    entra_store_failure_t  failure = { .member = NULL };
    entra_store_success_t  success = { .member = NULL };

    k->leased = 0;
    note[text_of(n, note, sizeof(note)).len] = '\0';

    if (rnd(3)) {
        memset(digest, n, sizeof(digest));
        success.value = text_of(n, text, TEXT_MAX);
        success.digest = digest;
        success.note = note;
        success.now = now;
        success.wall = 1;
        success.took = 1;
        success.expires = now + 1 + rnd(30000);
        success.refresh = now + rnd(10000);

        (void) entra_store_success(&w->store, &k->ref, &success);
        k->generation = success.generation;
        k->record = entra_store_atomics(&w->store, &k->ref);
        return;
    }

    entra_err_clear(&err);
    err.class = 1 + rnd(5);
    err.text[text_of(n, err.text, 900).len] = '\0';
    err.error[text_of(n, err.error, 30).len] = '\0';

    claims[text_of(n, claims, sizeof(claims) - 1).len] = '\0';

    memset(&failure, 0, sizeof(failure));
    failure.err = &err;
    failure.note = note;
    failure.claims = rnd(2) ? claims : NULL;
    failure.now = now;
    failure.wall = 1;
    failure.random = rnd(1000);

    entra_store_failure(&w->store, &k->ref, &failure);
}


static void
sign_in(worker_t *w)
{
    int            rc;
    char           text[TEXT_MAX];
    unsigned       n;
    int64_t        expires;
    entra_buf_t    got;
    unsigned char  key[ENTRA_STORE_KEY];

    n = KEYS + rnd(SIGN_INS);
    key_of(n, key);
    expires = rnd(4) ? now + rnd(20000) : 0;

    switch (rnd(4)) {

    case 0:
        (void) entra_store_put(&w->store, key, text_of(n, text, TEXT_MAX),
                               expires, now);
        break;

    case 1:
        (void) entra_store_add(&w->store, key, text_of(n, text, TEXT_MAX),
                               expires, now);
        break;

    default:
        entra_buf_init(&got, TEXT_MAX);
        rc = entra_store_get(&w->store, key, now, rnd(2), &got);

        if (rc == 1 && (got.len == 0 || !is_of(n, got.data, got.len))) {
            broken = "another sign-in was read";
        }

        entra_buf_free(&got);
    }
}


static void
act(worker_t *w)
{
    char       text[256];
    known_t   *k;
    unsigned   n;

    n = rnd(KEYS);
    k = &w->known[n];

    switch (rnd(16)) {

    case 0:
        now += rnd(3000);
        break;

    case 1:
        if (rnd(8) == 0) {
            detach(w, k);
        }
        break;

    case 2:

        /* what nobody waits for: most callers' */

        for (n = SHARED; n < KEYS; n++) {
            if (!w->known[n].leased && rnd(4)) {
                detach(w, &w->known[n]);
            }
        }
        break;

    case 3:
    case 4:
        attach(w, k);
        break;

    case 5:
    case 6:
        attach(w, k);
        if (k->holds) {
            lease(w, k, n);
        }
        break;

    case 7:
    case 8:
        for (n = 0; n < KEYS; n++) {
            if (w->known[n].leased) {
                fetched(w, &w->known[n], n);
                break;
            }
        }
        break;

    case 9:
        if (k->holds) {
            (void) entra_store_invalidate(&w->store, &k->ref, k->generation,
                                          text_of(n, text, sizeof(text)),
                                          now);
        }
        break;

    case 10:
        snapshot(w, k, n);
        break;

    case 11:
        sign_in(w);
        break;

    case 12:
        if (k->record) {
            k->record->used = now;
        }

        if (k->leased > now) {
            entra_store_renew(&w->store, &k->ref, now);
            k->leased = now + ENTRA_STORE_LEASE;
        }

        (void) entra_store_retry(&w->store, &k->ref, now);
        break;

    default:
        look(w, k, n);
    }
}


/* NULL, or what was broken */

static const char *
run(unsigned long steps, uint64_t with, int faults)
{
    unsigned long  i;

    model_fault = faults;
    seed = with * 2654435761u + 88172645463325252u;
    broken = NULL;
    fuse = 0;
    now = 1;

    memset(memory, 0, sizeof(memory));
    memset(workers, 0, sizeof(workers));

    if (entra_store_format(memory, sizeof(memory)) != 0) {
        return "no format";
    }

    for (i = 0; i < WORKERS; i++) {
        start(&workers[i]);
    }

    for (i = 0; i < steps && broken == NULL; i++) {
        current = &workers[rnd(WORKERS)];

        if (rnd(50) == 0) {
            fuse = 1 + rnd(200);
        }

        if (setjmp(death) == 0) {
            act(current);

        } else {
            deaths++;
            start(current);
        }

        check();
    }

    return broken;
}


/* --- with real processes, and SIGKILL ------------------------------------- */

typedef struct {
    volatile int   lock;
    unsigned char  memory[MEMORY] __attribute__((aligned(16)));
} region_t;


static void
spin(void *data)
{
    region_t  *region = data;

    while (__sync_val_compare_and_swap(&region->lock, 0, getpid()) != 0) {
        usleep(1);
    }
}


static void
unspin(void *data)
{
    region_t  *region = data;

    region->lock = 0;
}


static int
always(int64_t pid)
{
    return kill((pid_t) pid, 0) == 0;
}


static void
join(worker_t *w, region_t *region, unsigned process)
{
    memset(w, 0, sizeof(worker_t));
    start(w);
    entra_store_open(&w->store, region->memory);

    w->store.lock = spin;
    w->store.unlock = unspin;
    w->store.alive = always;
    w->store.data = region;
    w->store.process = process;
    w->store.pid = getpid();

    entra_store_join(&w->store);
}


/* never returns; ends with 3 when something is broken */

static void
serve(region_t *region, unsigned process)
{
    worker_t  *w = &workers[process];

    seed = (uint64_t) getpid() * 2654435761u + 1;
    join(w, region, process);

    for ( ;; ) {
        now = 1 + (int64_t) time(NULL) * 1000 % 100000 + rnd(20000);
        act(w);

        if (broken) {
            printf("# %s\n", broken);
            fflush(stdout);
            _exit(3);
        }
    }
}


static int
kills(unsigned n)
{
    int        status, failed;
    pid_t      pid[WORKERS];
    unsigned   i, p;
    worker_t   looks;
    region_t  *region;

    region = mmap(NULL, sizeof(region_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED
        || entra_store_format(region->memory, MEMORY) != 0)
    {
        return -1;
    }

    model_fault = 0;
    apart = 1;
    broken = NULL;
    fuse = 0;
    failed = 0;
    memset(pid, 0, sizeof(pid));
    memset(workers, 0, sizeof(workers));

    for (i = 0; i < n + WORKERS && !failed; i++) {
        p = i % WORKERS;

        if (pid[p]) {
            usleep(rnd(3000));
            (void) kill(pid[p], SIGKILL);
            (void) waitpid(pid[p], &status, 0);
            failed = WIFEXITED(status);

            /* as nginx's master does it */
            (void) __sync_bool_compare_and_swap(&region->lock, pid[p], 0);
        }

        pid[p] = i < n ? fork() : 0;

        if (i < n && pid[p] == 0) {
            serve(region, p);
        }
    }

    for (p = 0; p < WORKERS; p++) {
        if (pid[p] > 0) {
            (void) kill(pid[p], SIGKILL);
            (void) waitpid(pid[p], &status, 0);
        }
    }

    /* what they have left, looked at by one who comes after them */

    apart = 0;
    region->lock = 0;
    memset(&looks, 0, sizeof(looks));
    entra_store_open(&looks.store, region->memory);
    looks.store.process = 0;
    entra_store_join(&looks.store);
    check_records(&looks.store);

    printf("# %u kills, %u in the middle of a change, %u records lost\n", n,
           looks.store.head->rebuilds, looks.store.head->lost);

    return failed || broken ? -1 : 0;
}


/* in a process of its own: what is broken may break anything */

static int
finds(int faults, unsigned long steps)
{
    int          status, fds[2];
    pid_t        pid;
    char         text[128];
    ssize_t      n;
    const char  *what;

    if (pipe(fds) != 0) {
        return 0;
    }

    pid = fork();

    if (pid == 0) {
        (void) !freopen("/dev/null", "w", stderr);
        alarm(120);
        what = run(steps, 7, faults);

        if (what) {
            (void) !write(fds[1], what, strlen(what));
        }

        _exit(what ? 3 : 0);
    }

    close(fds[1]);
    (void) waitpid(pid, &status, 0);
    n = read(fds[0], text, sizeof(text));
    close(fds[0]);

    printf("# found: %.*s\n", n > 0 ? (int) n : 9, n > 0 ? text : "a crash");

    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}


static unsigned long
number(const char *name, unsigned long otherwise)
{
    const char  *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : otherwise;
}


int
main(void)
{
    const char     *what;
    unsigned long   steps, with;

    steps = number("ENTRA_STORE_STEPS", 60000);
    with = number("ENTRA_STORE_SEED", 1);

    what = run(steps, with, 0);

    ok(what == NULL, "%lu steps: %s", steps, what ? what : "all as it should");
    printf("# %u records, %u cells\n", workers[0].store.head->records,
           workers[0].store.head->cells);
    printf("# %lu reads of a token, %lu leases, %lu evictions, %lu times full,"
           " %lu deaths, %u rebuilds\n", reads, leases, evicted, full, deaths,
           workers[0].store.head->rebuilds);
    ok(reads > steps / 100 && evicted > steps / 1000 && deaths > steps / 1000
       && full && workers[0].store.head->rebuilds,
       "in which all of it happens");

    ok(kills(number("ENTRA_STORE_KILLS", 100)) == 0,
       "processes that are killed leave a store that can be used");

    ok(finds(FAULT_KEY, steps), "keys that are not compared are found");
    ok(finds(FAULT_ATTACHED, steps), "attached ones that are evicted are");
    ok(finds(FAULT_KEY|FAULT_ATTACHED, steps), "the fault of old is found");

    return done();
}
