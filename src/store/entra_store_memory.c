
/*
 * Copyright (C) nginx-entra authors
 *
 * The store's memory: records, cells, who is evicted, and what is done after
 * a process was killed in the middle of a change.
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "entra_store_memory.h"


#define ENTRA_STORE_MAGIC     0x656e7411        /* changes with the layout */

/* cells for each two records: tokens take three or four each */
#define ENTRA_STORE_CELLS     7
#define ENTRA_STORE_PRIVATE   8                 /* cells */

/* in one search, so that it does not take long: recently used ones */
#define ENTRA_STORE_SPARED    64

#define ENTRA_STORE_KEEP      0x80000000        /* of a cell's owner */

#define entra_store_cells(len)                                                \
    ((uint32_t) (((len) + ENTRA_STORE_DATA - 1) / ENTRA_STORE_DATA))

/* for tests, which put an old fault back */
#ifndef ENTRA_STORE_IS_ATTACHED
#define ENTRA_STORE_IS_ATTACHED(rec)  entra_store_is_attached(rec)
#endif


static int entra_store_layout(size_t size, entra_store_head_t *head);
static void entra_store_rebuild(entra_store_t *s);
static void entra_store_sort_in(entra_store_t *s, entra_store_record_t *rec);
static int entra_store_intact(entra_store_t *s, entra_store_record_t *rec,
    const entra_store_chain_t *chain);
static void entra_store_keep(entra_store_t *s, entra_store_record_t *rec,
    const entra_store_chain_t *chain);
static uint32_t *entra_store_bucket(entra_store_t *s,
    const unsigned char *key);
static void entra_store_link(entra_store_t *s, entra_store_record_t *rec);
static void entra_store_unlink(entra_store_t *s, entra_store_record_t *rec);
static void entra_store_blank(entra_store_t *s, entra_store_record_t *rec);
static int entra_store_room(entra_store_t *s, entra_store_kind_e kind,
    uint32_t records, uint32_t cells, entra_store_record_t *except,
    int64_t now);
static entra_store_record_t *entra_store_oldest(entra_store_t *s,
    entra_store_kind_e kind, entra_store_record_t *except);
static entra_store_record_t *entra_store_ended(entra_store_t *s,
    entra_store_record_t *except, int64_t now);
static int entra_store_is_attached(const entra_store_record_t *rec);
static uint32_t entra_store_cell(entra_store_t *s);
static void entra_store_free(entra_store_t *s, entra_store_record_t *rec,
    entra_store_chain_t *chain);


int
entra_store_format(void *memory, size_t size)
{
    uint32_t             i;
    entra_store_t        s;
    entra_store_head_t  *head = memory;

    if (size < sizeof(entra_store_head_t)
        || entra_store_layout(size, head) != 0)
    {
        return -1;
    }

    entra_store_open(&s, memory);

    /* all of it is free; memory that nobody uses is not even touched */

    head->busy = 1;
    entra_store_rebuild(&s);
    head->busy = 0;

    for (i = 0; i < ENTRA_STORE_TOTALS; i++) {
        head->counters[i] = 0;
    }

    head->generation = 0;
    head->lost = 0;
    head->magic = ENTRA_STORE_MAGIC;

    return 0;
}


static int
entra_store_layout(size_t size, entra_store_head_t *head)
{
    size_t  one, n;

    one = sizeof(entra_store_record_t) + 2 * sizeof(uint32_t);
    n = (size - sizeof(entra_store_head_t))
        / (one + ENTRA_STORE_CELLS * ENTRA_STORE_CELL / 2);

    if (n == 0 || n > ENTRA_STORE_KEEP / ENTRA_STORE_CELLS) {
        return -1;
    }

    memset(head, 0, sizeof(entra_store_head_t));

    head->record_size = sizeof(entra_store_record_t);
    head->size = size;
    head->records = n;
    head->cells = (size - sizeof(entra_store_head_t) - n * one)
                  / ENTRA_STORE_CELL;

    for (head->buckets = 2; head->buckets * 2 <= n * 2; head->buckets *= 2) {
        /* void */
    }

    return 0;
}


int
entra_store_check(const void *memory, size_t size)
{
    entra_store_head_t         want;
    const entra_store_head_t  *head = memory;

    if (size < sizeof(entra_store_head_t)
        || entra_store_layout(size, &want) != 0)
    {
        return -1;
    }

    return head->magic == ENTRA_STORE_MAGIC
           && head->record_size == want.record_size
           && head->size == want.size
           && head->records == want.records
           && head->cells == want.cells
           && head->buckets == want.buckets ? 0 : -1;
}


void
entra_store_open(entra_store_t *s, void *memory)
{
    entra_store_head_t  *head = memory;

    memset(s, 0, sizeof(entra_store_t));

    s->head = head;
    s->records = (entra_store_record_t *) (head + 1);
    s->cells = (entra_store_cell_t *) (s->records + head->records);
    s->buckets = (uint32_t *) (s->cells + head->cells);
    s->process = ENTRA_STORE_PROCESSES;
}


entra_store_t *
entra_store_private(void)
{
    size_t          size;
    entra_store_t  *s;

    size = sizeof(entra_store_head_t) + sizeof(entra_store_record_t)
           + 2 * sizeof(uint32_t) + ENTRA_STORE_PRIVATE * ENTRA_STORE_CELL;

    s = calloc(1, sizeof(entra_store_t) + size);

    if (s == NULL || entra_store_format(s + 1, size) != 0) {
        free(s);
        return NULL;
    }

    entra_store_open(s, s + 1);
    s->process = 0;

    return s;
}


void
entra_store_private_free(entra_store_t *s)
{
    if (s) {
        entra_wipe(s + 1, s->head->size);
        free(s);
    }
}


void
entra_store_lock(entra_store_t *s)
{
    if (s->lock) {
        s->lock(s->data);
    }

    if (s->head->busy) {
        entra_store_rebuild(s);
        s->head->rebuilds++;
    }

    s->head->busy = 1;
    entra_store_write();
}


void
entra_store_unlock(entra_store_t *s)
{
    entra_store_write();
    s->head->busy = 0;
    entra_store_write();

    if (s->unlock) {
        s->unlock(s->data);
    }
}


/*
 * Whoever was killed left records that are whole and at most a few that are
 * torn; lists, index and free memory may be anything.  May be killed itself.
 */

static void
entra_store_rebuild(entra_store_t *s)
{
    uint32_t               i;
    entra_store_head_t    *head;
    entra_store_cell_t    *cell;
    entra_store_record_t  *rec;

    head = s->head;

    for (i = 0; i < head->fresh_cell; i++) {
        s->cells[i].owner &= ~ENTRA_STORE_KEEP;
    }

    for (i = 0; i < head->buckets; i++) {
        s->buckets[i] = ENTRA_STORE_NONE;
    }

    for (i = 0; i < ENTRA_STORE_KINDS; i++) {
        head->lists[i].first = ENTRA_STORE_NONE;
        head->lists[i].last = ENTRA_STORE_NONE;
        head->lists[i].records = 0;
        head->lists[i].cells = 0;
    }

    head->free_record = ENTRA_STORE_NONE;
    head->free_cell = ENTRA_STORE_NONE;
    head->free_cells = head->cells - head->fresh_cell;

    for (i = head->records; i-- > 0; /* void */) {
        rec = &s->records[i];
        entra_store_write();
        entra_store_sort_in(s, rec);
    }

    for (i = head->fresh_cell; i-- > 0; /* void */) {
        cell = &s->cells[i];

        if (cell->owner & ENTRA_STORE_KEEP) {
            cell->owner &= ~ENTRA_STORE_KEEP;
            continue;
        }

        entra_wipe(cell, sizeof(entra_store_cell_t));
        cell->next = head->free_cell;
        head->free_cell = i;
        head->free_cells++;
        entra_store_write();
    }
}


static void
entra_store_sort_in(entra_store_t *s, entra_store_record_t *rec)
{
    if (rec->kind != ENTRA_STORE_FREE && rec->kind < ENTRA_STORE_KINDS
        && !rec->torn
        && entra_store_intact(s, rec, &rec->value)
        && entra_store_intact(s, rec, &rec->claims)
        && entra_store_intact(s, rec, &rec->texts))
    {
        entra_store_keep(s, rec, &rec->value);
        entra_store_keep(s, rec, &rec->claims);
        entra_store_keep(s, rec, &rec->texts);
        entra_store_link(s, rec);
        return;
    }

    if (rec->kind != ENTRA_STORE_FREE || rec->torn) {
        s->head->lost++;
        rec->atomics.generation = ++s->head->generation;
    }

    entra_store_blank(s, rec);
}


static int
entra_store_intact(entra_store_t *s, entra_store_record_t *rec,
    const entra_store_chain_t *chain)
{
    uint32_t  i, n;

    i = chain->first;

    for (n = entra_store_cells(chain->len); n; n--) {

        if (i >= s->head->fresh_cell
            || s->cells[i].owner != (uint32_t) (rec - s->records) + 1)
        {
            return 0;
        }

        i = s->cells[i].next;
    }

    return 1;
}


static void
entra_store_keep(entra_store_t *s, entra_store_record_t *rec,
    const entra_store_chain_t *chain)
{
    uint32_t  i, n;

    i = chain->first;

    for (n = entra_store_cells(chain->len); n; n--) {
        s->cells[i].owner |= ENTRA_STORE_KEEP;
        s->head->lists[rec->kind].cells++;
        i = s->cells[i].next;
    }
}


unsigned
entra_store_rebuilds(const entra_store_t *s, unsigned *lost)
{
    *lost = s->head->lost;

    return s->head->rebuilds;
}


uint32_t
entra_store_changes(const entra_store_t *s)
{
    return s->head->changes;
}


volatile unsigned long *
entra_store_counters(entra_store_t *s)
{
    return s->head->counters;
}


/* --- records -------------------------------------------------------------- */

static uint32_t *
entra_store_bucket(entra_store_t *s, const unsigned char *key)
{
    uint32_t  hash;

    memcpy(&hash, key, sizeof(hash));

    return &s->buckets[hash & (s->head->buckets - 1)];
}


entra_store_record_t *
entra_store_find(entra_store_t *s, const unsigned char *key,
    entra_store_kind_e kind)
{
    uint32_t               i;
    entra_store_record_t  *rec;

    for (i = *entra_store_bucket(s, key); i != ENTRA_STORE_NONE;
         i = rec->bucket)
    {
        rec = &s->records[i];

        if (rec->kind == kind && memcmp(rec->key, key, ENTRA_STORE_KEY) == 0)
        {
            return rec;
        }
    }

    return NULL;
}


entra_store_record_t *
entra_store_make(entra_store_t *s, const unsigned char *key,
    entra_store_kind_e kind, int64_t now)
{
    entra_store_record_t  *rec;

    if (entra_store_room(s, kind, 1, 0, NULL, now) != 0) {
        return NULL;
    }

    rec = &s->records[s->head->free_record];
    s->head->free_record = rec->after;
    entra_store_write();

    entra_store_begin(rec);

    memset((char *) rec + offsetof(entra_store_record_t, state), 0,
           sizeof(entra_store_record_t)
           - offsetof(entra_store_record_t, state));
    memset(rec->attached, 0, sizeof(rec->attached));

    memset((void *) &rec->atomics.waits, 0,
           sizeof(entra_store_atomics_t)
           - offsetof(entra_store_atomics_t, waits));

    rec->atomics.used = now;
    rec->atomics.generation = ++s->head->generation;
    rec->kind = kind;
    memcpy(rec->key, key, ENTRA_STORE_KEY);

    entra_store_link(s, rec);

    return rec;
}


static void
entra_store_link(entra_store_t *s, entra_store_record_t *rec)
{
    uint32_t            *bucket, i;
    entra_store_list_t  *list;

    i = rec - s->records;

    bucket = entra_store_bucket(s, rec->key);
    rec->bucket = *bucket;
    *bucket = i;
    entra_store_write();

    list = &s->head->lists[rec->kind];

    rec->queued = rec->atomics.used;
    rec->before = ENTRA_STORE_NONE;
    rec->after = list->first;

    if (list->first != ENTRA_STORE_NONE) {
        s->records[list->first].before = i;

    } else {
        list->last = i;
    }

    list->first = i;
    list->records++;
}


static void
entra_store_unlink(entra_store_t *s, entra_store_record_t *rec)
{
    uint32_t            *at, i;
    entra_store_list_t  *list;

    i = rec - s->records;

    for (at = entra_store_bucket(s, rec->key); *at != i;
         at = &s->records[*at].bucket)
    {
        /* void */
    }

    *at = rec->bucket;
    entra_store_write();

    list = &s->head->lists[rec->kind];

    if (rec->before != ENTRA_STORE_NONE) {
        s->records[rec->before].after = rec->after;

    } else {
        list->first = rec->after;
    }

    if (rec->after != ENTRA_STORE_NONE) {
        s->records[rec->after].before = rec->before;

    } else {
        list->last = rec->before;
    }

    list->records--;
    entra_store_write();
}


void
entra_store_front(entra_store_t *s, entra_store_record_t *rec, int64_t now)
{
    if (rec->atomics.used < now) {
        rec->atomics.used = now;
    }

    entra_store_unlink(s, rec);
    entra_store_link(s, rec);
}


void
entra_store_evict(entra_store_t *s, entra_store_record_t *rec)
{
    entra_store_begin(rec);

    /* whoever knows its place sees that it is another one */

    rec->atomics.generation = ++s->head->generation;

    entra_store_free(s, rec, &rec->value);
    entra_store_free(s, rec, &rec->claims);
    entra_store_free(s, rec, &rec->texts);

    entra_store_unlink(s, rec);
    entra_store_blank(s, rec);
}


static void
entra_store_blank(entra_store_t *s, entra_store_record_t *rec)
{
    memset(rec->key, 0, ENTRA_STORE_KEY);
    memset(rec->digest, 0, ENTRA_STORE_DIGEST);

    rec->kind = ENTRA_STORE_FREE;
    entra_store_end(rec);

    rec->after = s->head->free_record;
    s->head->free_record = rec - s->records;
    entra_store_write();
}


void
entra_store_begin(entra_store_record_t *rec)
{
    rec->torn = 1;
    entra_store_write();
}


void
entra_store_end(entra_store_record_t *rec)
{
    entra_store_write();
    rec->torn = 0;
    entra_store_write();
}


/* --- who is evicted ------------------------------------------------------- */

static int
entra_store_room(entra_store_t *s, entra_store_kind_e kind, uint32_t records,
    uint32_t cells, entra_store_record_t *except, int64_t now)
{
    uint32_t               most[ENTRA_STORE_KINDS], limit[ENTRA_STORE_KINDS];
    entra_store_head_t    *head;
    entra_store_list_t    *list;
    entra_store_record_t  *rec;

    head = s->head;
    list = &head->lists[kind];

    most[ENTRA_STORE_SHARED] = head->records;
    most[ENTRA_STORE_CALLER] = head->records - head->records / 4;
    most[ENTRA_STORE_SIGN_IN] = head->records - head->records / 2;

    limit[ENTRA_STORE_SHARED] = head->cells;
    limit[ENTRA_STORE_CALLER] = head->cells - head->cells / 4;
    limit[ENTRA_STORE_SIGN_IN] = head->cells - head->cells / 2;

    if (records > most[kind] || cells > limit[kind]) {
        return -1;
    }

    for ( ;; ) {

        if (list->records + records > most[kind]
            || list->cells + cells > limit[kind])
        {
            /* it is for its own kind to go */

            rec = kind == ENTRA_STORE_SIGN_IN
                  ? entra_store_ended(s, except, now)
                  : entra_store_oldest(s, kind, except);

        } else if (head->free_cells < cells
                   || (records && head->free_record == ENTRA_STORE_NONE))
        {
            rec = NULL;

            if (kind != ENTRA_STORE_CALLER) {
                rec = entra_store_ended(s, except, now);
            }

            if (rec == NULL && kind != ENTRA_STORE_CALLER) {
                rec = entra_store_oldest(s, ENTRA_STORE_SHARED, except);
            }

            if (rec == NULL) {
                rec = entra_store_oldest(s, ENTRA_STORE_CALLER, except);
            }

        } else {
            return 0;
        }

        if (rec == NULL) {
            return -1;
        }

        entra_store_evict(s, rec);
    }
}


/*
 * The list is in the order in which records were put to its front.  That of
 * callers' tokens is not kept up to date by requests, which do not lock: what
 * was used since is put to the front now.
 */

static entra_store_record_t *
entra_store_oldest(entra_store_t *s, entra_store_kind_e kind,
    entra_store_record_t *except)
{
    uint32_t               n, spared;
    entra_store_record_t  *rec, *first;

    first = NULL;
    spared = 0;

    for (n = s->head->lists[kind].records; n; n--) {
        rec = &s->records[s->head->lists[kind].last];

        if (rec != except && !ENTRA_STORE_IS_ATTACHED(rec)) {

            if (rec->atomics.used <= rec->queued) {
                return rec;
            }

            if (first == NULL) {
                first = rec;
            }

            if (++spared == ENTRA_STORE_SPARED) {
                break;
            }
        }

        entra_store_unlink(s, rec);
        entra_store_link(s, rec);
    }

    return first;
}


/* a sign-in whose time is over */

static entra_store_record_t *
entra_store_ended(entra_store_t *s, entra_store_record_t *except, int64_t now)
{
    uint32_t               i;
    entra_store_record_t  *rec;

    for (i = s->head->lists[ENTRA_STORE_SIGN_IN].last; i != ENTRA_STORE_NONE;
         i = rec->before)
    {
        rec = &s->records[i];

        if (rec != except && rec->expires && rec->expires <= now) {
            return rec;
        }
    }

    return NULL;
}


static int
entra_store_is_attached(const entra_store_record_t *rec)
{
    unsigned  i;

    for (i = 0; i < ENTRA_STORE_PROCESSES / 64; i++) {
        if (rec->attached[i]) {
            return 1;
        }
    }

    return 0;
}


/* --- chains --------------------------------------------------------------- */

int
entra_store_set(entra_store_t *s, entra_store_record_t *rec,
    entra_store_chain_t *chain, const void *data, size_t len, int64_t now)
{
    size_t               n;
    uint32_t             i, *link;
    entra_store_cell_t  *cell;

    entra_store_free(s, rec, chain);

    if (data == NULL || len == 0) {
        return 0;
    }

    if (len > INT32_MAX
        || entra_store_room(s, rec->kind, 0, entra_store_cells(len), rec, now)
           != 0)
    {
        return -1;
    }

    chain->len = len;
    link = &chain->first;

    for ( /* void */ ; len; len -= n) {
        i = entra_store_cell(s);
        cell = &s->cells[i];

        cell->owner = (rec - s->records) + 1;
        s->head->lists[rec->kind].cells++;
        *link = i;
        link = &cell->next;
        entra_store_write();

        n = len < ENTRA_STORE_DATA ? len : ENTRA_STORE_DATA;
        memcpy(cell->data, data, n);
        data = (const char *) data + n;
        entra_store_write();
    }

    *link = ENTRA_STORE_NONE;

    return 0;
}


/* there is one */

static uint32_t
entra_store_cell(entra_store_t *s)
{
    uint32_t             i;
    entra_store_head_t  *head;

    head = s->head;
    head->free_cells--;

    if (head->free_cell == ENTRA_STORE_NONE) {
        return head->fresh_cell++;
    }

    i = head->free_cell;
    head->free_cell = s->cells[i].next;
    entra_store_write();

    return i;
}


static void
entra_store_free(entra_store_t *s, entra_store_record_t *rec,
    entra_store_chain_t *chain)
{
    uint32_t             i, n, next;
    entra_store_cell_t  *cell;

    i = chain->first;
    n = entra_store_cells(chain->len);

    chain->first = ENTRA_STORE_NONE;
    chain->len = 0;
    entra_store_write();

    for ( ; n; n--, i = next) {
        cell = &s->cells[i];
        next = cell->next;

        entra_wipe(cell, sizeof(entra_store_cell_t));
        entra_store_write();

        cell->next = s->head->free_cell;
        s->head->free_cell = i;
        s->head->free_cells++;
        s->head->lists[rec->kind].cells--;
        entra_store_write();
    }
}


void
entra_store_append(entra_store_t *s, const entra_store_chain_t *chain,
    entra_buf_t *out)
{
    size_t    n, len;
    uint32_t  i;

    entra_buf_reserve(out, out->len + chain->len);

    i = chain->first;

    for (len = chain->len; len; len -= n) {
        n = len < ENTRA_STORE_DATA ? len : ENTRA_STORE_DATA;
        entra_buf_add(out, s->cells[i].data, n);
        i = s->cells[i].next;
    }
}
