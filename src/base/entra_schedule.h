
/*
 * Copyright (C) nginx-entra authors
 *
 * Which fetch may start next: a bounded, fair queue in front of a transport.
 * Pure: time is an argument, and it sends nothing itself.
 *
 * Fetches are grouped by authority (scheme, host, port).  Each takes a share
 * of what is still free, never all of it: an authority that answers late or
 * never delays its own fetches only.  Shared credentials go before callers,
 * for whom an eighth of everything is out of reach; authorities whose last
 * fetch failed have three quarters among them.
 *
 * An authority is "reached" while connections to it succeed; until then a few
 * fetches at a time try.  Fetches share its HTTP/2 connection where it has
 * one, but none joins a connection that has brought nothing for a while, or
 * on which a fetch failed: it may be dead, and would stay as long as others
 * keep joining it.
 */

#ifndef ENTRA_SCHEDULE_H
#define ENTRA_SCHEDULE_H


#include "entra_str.h"


#define ENTRA_SCHEDULE_SHARED   64      /* per authority, at a time */
#define ENTRA_SCHEDULE_CALLERS  512
#define ENTRA_SCHEDULE_TRIES    8       /* not reached, per class */
#define ENTRA_SCHEDULE_STALL    5000    /* ms without an answer */
#define ENTRA_SCHEDULE_IDLE     30000   /* ms, then reached is forgotten */


typedef enum {
    ENTRA_FETCH_SHARED = 0,
    ENTRA_FETCH_CALLER,
    ENTRA_FETCH_CLASSES
} entra_fetch_class_e;


typedef enum {
    ENTRA_FETCH_NONE = 0,               /* not in the schedule */
    ENTRA_FETCH_WAITING,
    ENTRA_FETCH_ACTIVE
} entra_fetch_state_e;


typedef enum {
    ENTRA_FETCH_ANSWERED = 0,           /* with whatever status */
    ENTRA_FETCH_FAILED,
    ENTRA_FETCH_CANCELLED
} entra_fetch_end_e;


typedef struct entra_schedule_s   entra_schedule_t;
typedef struct entra_authority_s  entra_authority_t;
typedef struct entra_fetch_s      entra_fetch_t;


/* zeroed by its owner, in whose structure it lies; read only from outside */

struct entra_fetch_s {
    entra_fetch_t        *prev;
    entra_fetch_t        *next;
    entra_authority_t    *authority;
    entra_fetch_class_e   class;
    entra_fetch_state_e   state;
    unsigned              shareable:1;  /* may share its connection */
    unsigned              share:1;      /* does: set when it starts */
    unsigned              own:1;        /* counts as a connection */
    unsigned              connected:1;
};


typedef struct {
    unsigned              active;       /* fetches at a time */
    unsigned              connections;  /* of those, with one of their own */
    unsigned              waiting[ENTRA_FETCH_CLASSES];
} entra_schedule_limits_t;


/* NULL: no memory */
entra_schedule_t *entra_schedule_create(const entra_schedule_limits_t *limits);

/* of an empty schedule; NULL is allowed */
void entra_schedule_free(entra_schedule_t *s);

/*
 * Queues it for the authority of an absolute URL.  0; or -1: too many are
 * waiting, or no memory.
 */
int entra_schedule_add(entra_schedule_t *s, entra_fetch_t *f, entra_str_t url,
    entra_fetch_class_e class, unsigned shareable);

/* takes the next one as started; NULL: none may start now */
entra_fetch_t *entra_schedule_next(entra_schedule_t *s, int64_t now);

/* its connection is there; multiplexed: others may share it */
void entra_schedule_connected(entra_fetch_t *f, unsigned multiplexed);

/* takes it out, waiting or active */
void entra_schedule_end(entra_schedule_t *s, entra_fetch_t *f,
    entra_fetch_end_e how, int64_t now);

/* any that waits, or NULL */
entra_fetch_t *entra_schedule_waiting(const entra_schedule_t *s);

/* for tests: how many are active, and with a connection of their own */
unsigned entra_schedule_active(const entra_schedule_t *s);
unsigned entra_schedule_connections(const entra_schedule_t *s);


#endif /* ENTRA_SCHEDULE_H */
