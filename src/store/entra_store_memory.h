
/*
 * Copyright (C) nginx-entra authors
 *
 * Private to this room: what the store's memory looks like.
 *
 * A record is "torn" while it is changed, and the store "busy" while it is
 * locked.  A process that is killed in between leaves both behind: whoever
 * locks the store next drops the torn records and rebuilds lists, index and
 * free memory from the others.
 */

#ifndef ENTRA_STORE_MEMORY_H
#define ENTRA_STORE_MEMORY_H


#include "entra_store.h"


#define ENTRA_STORE_NONE   0xffffffff
#define ENTRA_STORE_CELL   512
#define ENTRA_STORE_DATA   (ENTRA_STORE_CELL - 2 * sizeof(uint32_t))


/* of values, claims and texts: a chain of them */

typedef struct entra_store_cell_s {
    uint32_t               next;
    uint32_t               owner;               /* record + 1, 0: free */
    unsigned char          data[ENTRA_STORE_DATA];
} entra_store_cell_t;


typedef struct {
    uint32_t               first;
    uint32_t               len;                 /* bytes, 0: nothing */
} entra_store_chain_t;


typedef struct entra_store_record_s {
    entra_store_atomics_t  atomics;

    uint32_t               torn;
    uint32_t               kind;                /* entra_store_kind_e */
    unsigned char          key[ENTRA_STORE_KEY];

    uint32_t               bucket;              /* the next one in it */
    uint32_t               before;              /* in the list of its kind, */
    uint32_t               after;               /* most recently used first */
    int64_t                queued;              /* "used" when put there */
    uint64_t               attached[ENTRA_STORE_PROCESSES / 64];

    entra_store_state_e    state;
    entra_store_chain_t    value;
    unsigned char          digest[ENTRA_STORE_DIGEST];
    int64_t                obtained;
    int64_t                begun;          /* its fetch */
    int64_t                expires;
    int64_t                refresh;

    int64_t                lease;               /* 0: nobody's */
    int64_t                pid;                 /* whose */
    uint32_t               process;

    uint32_t               config;
    uint32_t               fails;
    int64_t                next;
    int64_t                forced;
    unsigned long          forced_generation;   /* that was refused, */
    unsigned long          healed_generation;   /* that came instead */
    uint32_t               vain;                /* it was refused, too */
    entra_store_chain_t    claims;

    int64_t                since;               /* of failures in a row */
    unsigned long          refused;             /* requests, until then */
    int64_t                told;                /* in a log, and what */
    uint32_t               told_class;
    uint32_t               told_usable;

    int64_t                tried;
    int64_t                failed;
    uint32_t               error_class;
    uint32_t               error_status;
    uint32_t               error_aadsts;
    uint32_t               error_remedy;
    char                   error_name[32];
    entra_store_chain_t    texts;               /* each with its NUL */

    unsigned long          fetches;
    unsigned long          failures;
    unsigned long          fetch_ms;
    unsigned long          took[ENTRA_STORE_TOOK];
} entra_store_record_t;


typedef struct {
    uint32_t               first;
    uint32_t               last;
    uint32_t               records;
    uint32_t               cells;
} entra_store_list_t;


typedef struct entra_store_head_s {
    uint32_t               magic;
    uint32_t               record_size;
    uint64_t               size;
    uint32_t               records;
    uint32_t               cells;
    uint32_t               buckets;             /* a power of two */

    uint32_t               busy;
    uint32_t               rebuilds;
    uint32_t               lost;
    uint32_t               changes;             /* of shared values */
    unsigned long          generation;          /* the last one */

    uint32_t               free_record;
    uint32_t               free_cell;
    uint32_t               free_cells;          /* number */
    uint32_t               fresh_cell;          /* never used, as all behind */
    entra_store_list_t     lists[ENTRA_STORE_KINDS];

    volatile unsigned long counters[ENTRA_STORE_TOTALS];
} entra_store_head_t;


/*
 * For tests: called between two writes to the memory, and told when a lock is
 * taken or given back
 */
#ifndef ENTRA_STORE_POINT
#define ENTRA_STORE_POINT()
#endif

/* compilers keep the order of what a killed process leaves behind */
#define entra_store_write()                                                   \
    do {                                                                      \
        __asm__ volatile ("" ::: "memory");                                   \
        ENTRA_STORE_POINT();                                                  \
    } while (0)


void entra_store_lock(entra_store_t *s);
void entra_store_unlock(entra_store_t *s);

/* all that follows: under the lock */

entra_store_record_t *entra_store_find(entra_store_t *s,
    const unsigned char *key, entra_store_kind_e kind);

/* an empty one, to be filled before entra_store_end(); NULL: full */
entra_store_record_t *entra_store_make(entra_store_t *s,
    const unsigned char *key, entra_store_kind_e kind, int64_t now);
void entra_store_evict(entra_store_t *s, entra_store_record_t *rec);

/* moves it to the front of its list */
void entra_store_front(entra_store_t *s, entra_store_record_t *rec,
    int64_t now);

/* around changes of a record */
void entra_store_begin(entra_store_record_t *rec);
void entra_store_end(entra_store_record_t *rec);

/* replaces; data NULL: empties.  0, or -1: empty, as there is no room */
int entra_store_set(entra_store_t *s, entra_store_record_t *rec,
    entra_store_chain_t *chain, const void *data, size_t len, int64_t now);
void entra_store_append(entra_store_t *s, const entra_store_chain_t *chain,
    entra_buf_t *out);


#endif /* ENTRA_STORE_MEMORY_H */
