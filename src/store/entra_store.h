
/*
 * Copyright (C) nginx-entra authors
 *
 * What all workers share: tokens by the SHA-256 of all that they depend on,
 * callers' tokens, sign-ins, counters.  One region of memory, without pointers
 * in it; whoever maps it gives the lock and the number of its process.
 *
 * What is read or written under the lock belongs to the key that was asked
 * for: each function compares it.  A record that somebody has attached is not
 * given to another key.  One that nobody has attached may be evicted while a
 * worker still knows its place: its memory stays a record, and no generation
 * comes twice, so that equal generations mean the same value of the same key.
 *
 * Times are of one clock that all processes share, in ms.
 */

#ifndef ENTRA_STORE_H
#define ENTRA_STORE_H


#include "entra_err.h"


#define ENTRA_STORE_KEY        32
#define ENTRA_STORE_DIGEST     32
#define ENTRA_STORE_PROCESSES  256      /* that may attach, numbered from 0 */
#define ENTRA_STORE_COUNTERS   10       /* of a record */
#define ENTRA_STORE_TOTALS     64       /* of the whole store */
#define ENTRA_STORE_TOOK       9        /* buckets of how long a fetch took */
#define ENTRA_STORE_LEASE      15000    /* ms, renewed while fetching */
#define ENTRA_STORE_FORCE      30000    /* ms between forced fetches, */
#define ENTRA_STORE_VAIN       7        /* doubled so often at most: 1 h */
#define ENTRA_STORE_CLAIMS     4096     /* bytes */
#define ENTRA_STORE_TELL       300000   /* ms, what goes on is told again */


typedef enum {
    ENTRA_STORE_FREE = 0,
    ENTRA_STORE_SHARED,         /* of the configuration */
    ENTRA_STORE_CALLER,         /* three quarters of the memory at most */
    ENTRA_STORE_SIGN_IN,        /* half of it at most */
    ENTRA_STORE_KINDS
} entra_store_kind_e;


typedef enum {
    ENTRA_STORE_EMPTY = 0,      /* never fetched */
    ENTRA_STORE_FETCHING,       /* without a token: requests wait */
    ENTRA_STORE_VALID,
    ENTRA_STORE_REFRESHING,     /* with one that is still valid */
    ENTRA_STORE_FAILING,        /* the next attempt has its time */
    ENTRA_STORE_EXPIRED
} entra_store_state_e;


/* the only part of a record that is touched without the lock */

typedef struct {
    volatile unsigned long   generation;        /* 0: never anything */
    volatile int64_t         used;
    volatile unsigned long   waits;
    volatile unsigned long   replays;
    volatile unsigned long   upstream_401;
    volatile unsigned long   upstream_403;
    volatile unsigned long   upstream_424;
    volatile unsigned long   upstream_429;
    volatile unsigned long   counters[ENTRA_STORE_COUNTERS];
} entra_store_atomics_t;


/* a process's view */

typedef struct {
    struct entra_store_head_s    *head;
    uint32_t                     *buckets;
    struct entra_store_record_s  *records;
    struct entra_store_cell_s    *cells;

    void                        (*lock)(void *data);        /* NULL: private */
    void                        (*unlock)(void *data);
    int                         (*alive)(int64_t pid);
    void                         *data;

    unsigned                      process;      /* its number */
    int64_t                       pid;          /* 0: joins no more */
} entra_store_t;


/* what a worker knows of a record */

typedef struct {
    unsigned char       key[ENTRA_STORE_KEY];
    entra_store_kind_e  kind;
    uint32_t            index;          /* where it was */
    unsigned            attached:1;
} entra_store_ref_t;


typedef struct {
    unsigned long       generation;
    int64_t             expires;
    int64_t             refresh;
    unsigned char       digest[ENTRA_STORE_DIGEST];     /* of the secret */
} entra_store_value_t;


/* a copy of all but the value */

typedef struct {
    entra_store_state_e  state;
    unsigned long        generation;
    unsigned char        digest[ENTRA_STORE_DIGEST];
    int64_t              obtained;
    int64_t              begun;         /* its fetch, 0: not known */
    int64_t              expires;       /* 0: there was no token */
    int64_t              refresh;
    int64_t              lease;         /* 0: nobody fetches */
    int64_t              next;          /* no attempt before */
    unsigned             fails;         /* in a row */

    int64_t              tried;         /* wall clock, 0: never */
    int64_t              failed;        /* wall clock, 0: none */
    entra_err_class_e    error_class;   /* of the last failure */
    unsigned             error_status;
    uint32_t             error_aadsts;
    unsigned             error_remedy;          /* entra_remedy_e */
    char                 error_name[32];        /* OAuth "error" */
    char                 error_id[64];          /* correlation id */
    char                 error_text[512];
    char                 error_advice[256];
    char                 note[512];             /* which of a chain won */
    char                 member[64];            /* its name alone */

    unsigned long        fetches;
    unsigned long        failures;
    unsigned long        fetch_ms;              /* sum */
    unsigned long        took[ENTRA_STORE_TOOK];
    unsigned long        waits;
    unsigned long        replays;
    unsigned long        upstream_401;
    unsigned long        upstream_403;
    unsigned long        upstream_424;
    unsigned long        upstream_429;
    unsigned long        counters[ENTRA_STORE_COUNTERS];
} entra_store_snapshot_t;


/* --- the memory ----------------------------------------------------------- */

/* memory: all zero.  0, or -1: too small for anything */
int entra_store_format(void *memory, size_t size);

/* 0: of this layout and size */
int entra_store_check(const void *memory, size_t size);

void entra_store_open(entra_store_t *s, void *memory);

/*
 * A process begins, or has ended: what an earlier one of its number had
 * attached or leased is so no more
 */
void entra_store_join(entra_store_t *s);

/* how often a process died in the middle of a change, and what that lost */
unsigned entra_store_rebuilds(const entra_store_t *s, unsigned *lost);

/* how often a shared value was stored */
uint32_t entra_store_changes(const entra_store_t *s);

/* upper bounds of took[], ms; the last bucket has none */
extern const int64_t  entra_store_took[ENTRA_STORE_TOOK - 1];

/* of the whole store, ENTRA_STORE_TOTALS; atomics */
volatile unsigned long *entra_store_counters(entra_store_t *s);

/* one of a single record, on the heap; NULL: no memory */
entra_store_t *entra_store_private(void);
void entra_store_private_free(entra_store_t *s);


/* --- tokens --------------------------------------------------------------- */

/*
 * Finds or makes the record, which stays until detach.  What has failed under
 * another configuration (a number) may be tried at once.  0, or -1: full.
 */
int entra_store_attach(entra_store_t *s, entra_store_ref_t *ref,
    uint32_t config, int64_t now);

/* ends a lease of this process too */
void entra_store_detach(entra_store_t *s, entra_store_ref_t *ref);

/* of the place in ref: what is counted may have become another's */
entra_store_atomics_t *entra_store_atomics(entra_store_t *s,
    const entra_store_ref_t *ref);

/*
 * Adds the token to value (or NULL).  1; 0: there is none, only v->generation
 * is set; -1: there is no record.
 */
int entra_store_read(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_buf_t *value, entra_store_value_t *v);

/* 0, or -1: there is no record, all is zero; claims (or NULL) are added to */
int entra_store_snapshot(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_store_snapshot_t *snapshot, entra_buf_t *claims);

/* the same without the texts and the counters */
int entra_store_peek(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_store_snapshot_t *snapshot);


typedef enum {
    ENTRA_STORE_LEASED = 0,     /* this process is to fetch */
    ENTRA_STORE_BUSY,           /* another one does */
    ENTRA_STORE_NOT_DUE
} entra_store_lease_e;

/*
 * digest: of the secret that is in use.  claims: that are to be asked for;
 * refused: the value that an upstream refused, if that is why.  What Entra
 * asked of a caller is not asked of Entra.
 */
entra_store_lease_e entra_store_lease(entra_store_t *s, entra_store_ref_t *ref,
    int64_t now, const unsigned char *digest, entra_buf_t *claims,
    entra_buf_t *refused);
void entra_store_renew(entra_store_t *s, entra_store_ref_t *ref, int64_t now);

/* the fetch could not begin */
void entra_store_release(entra_store_t *s, entra_store_ref_t *ref,
    int64_t next);


typedef struct {
    entra_str_t           value;
    const unsigned char  *digest;
    const char           *note;         /* or NULL */
    const char           *member;       /* or NULL */
    int64_t               now;
    int64_t               wall;         /* seconds */
    int64_t               took;
    int64_t               expires;
    int64_t               refresh;
    unsigned              fails;        /* out: before */
    int64_t               since;        /* out: of the first of them */
    unsigned long         refused;      /* out: requests, until then */
    unsigned long         generation;   /* out */
    unsigned              first:1;      /* out: there was never one before */
} entra_store_success_t;

/* 0, or -1: there was no room for it */
int entra_store_success(entra_store_t *s, entra_store_ref_t *ref,
    entra_store_success_t *success);


typedef struct {
    const entra_err_t    *err;
    const char           *note;         /* or NULL */
    const char           *member;       /* or NULL */
    const char           *claims;       /* that Entra asks of a caller */
    int64_t               now;
    int64_t               wall;
    int64_t               took;
    int                   usable;       /* there is a token all the same */
    uint32_t              random;
    unsigned long         refused;      /* requests without a token, ever */
    unsigned              fails;        /* out: with this one */
    int                   tell;         /* out: it is worth a line in a log */
    int64_t               delay;        /* out: to the next attempt */
} entra_store_failure_t;

void entra_store_failure(entra_store_t *s, entra_store_ref_t *ref,
    entra_store_failure_t *failure);


typedef enum {
    ENTRA_STORE_FETCH = 0,      /* it is due now */
    ENTRA_STORE_NEWER,          /* there is another one, or it is fetched */
    ENTRA_STORE_TOO_SOON
} entra_store_invalidate_e;

/* an upstream refused this generation; claims: that it asks for, or nothing */
entra_store_invalidate_e entra_store_invalidate(entra_store_t *s,
    entra_store_ref_t *ref, unsigned long generation, entra_str_t claims,
    int64_t now);

/*
 * This generation is fetched anew at when, if not sooner.  0; -1: there is
 * another one by now, or no record.
 */
int entra_store_refresh_at(entra_store_t *s, entra_store_ref_t *ref,
    unsigned long generation, int64_t when, int64_t now);

/*
 * There is another secret: what failed with the old one is due.  1: there is
 * a token.
 */
int entra_store_renewed(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    const unsigned char *digest);

/*
 * What a fetch is made of has changed: 1 and due, when it was to wait for its
 * next attempt, and not because the provider asked for it
 */
int entra_store_retry(entra_store_t *s, entra_store_ref_t *ref, int64_t now);


/* --- sign-ins ------------------------------------------------------------- */

/* replaces; expires 0: never.  0, or -1: no room */
int entra_store_put(entra_store_t *s, const unsigned char *key,
    entra_str_t text, int64_t expires, int64_t now);

/* 1: there is one already */
int entra_store_add(entra_store_t *s, const unsigned char *key,
    entra_str_t text, int64_t expires, int64_t now);

/* 1: text (or NULL) was added to; take: and it is removed; 0: there is none */
int entra_store_get(entra_store_t *s, const unsigned char *key, int64_t now,
    int take, entra_buf_t *text);


#endif /* ENTRA_STORE_H */
