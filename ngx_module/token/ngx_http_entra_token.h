
/*
 * Copyright (C) nginx-entra authors
 *
 * Tokens: the shared zone, one token's life in a worker, who fetches, and what
 * a worker does for all of them.
 */

#ifndef _NGX_HTTP_ENTRA_TOKEN_H_INCLUDED_
#define _NGX_HTTP_ENTRA_TOKEN_H_INCLUDED_


#include "ngx_http_entra.h"

#include "entra_acquire.h"
#include "entra_credential.h"
#include "entra_decision.h"
#include "entra_egress.h"
#include "entra_session.h"
#include "entra_sign_in.h"
#include "entra_store.h"
#include "entra_store_copy.h"


#define NGX_HTTP_ENTRA_WATCH          2000  /* ms between looks at files */
#define NGX_HTTP_ENTRA_SHUTDOWN_HOLD  1000  /* ms beyond fetch_timeout */
#define NGX_HTTP_ENTRA_CLAIMS_MAX     ENTRA_STORE_CLAIMS
#define NGX_HTTP_ENTRA_REFUSAL_LOG   60000  /* ms between lines of refusals */


/* attempts by how long they took, see entra_store_took[] */
#define NGX_HTTP_ENTRA_FETCH_BUCKETS  ENTRA_STORE_TOOK


struct ngx_http_entra_credential_s {
    ngx_str_node_t        node;                 /* of the configuration's */
    ngx_str_t             name;
    entra_credential_t   *core;
    entra_egress_t        egress;               /* as written */
    ngx_flag_t            preload;
    ngx_uint_t            upstreams;            /* unsigned  upstreams:1 */
    ngx_uint_t            policies_none;        /* unsigned  policies_none:1 */
    ngx_array_t           policy_names;         /* ngx_str_t */
    ngx_array_t           tokens;               /* ngx_http_entra_token_t * */
    u_char               *file;
    ngx_uint_t            line;
    ngx_array_t          *lines;                /* ngx_http_entra_line_t */
    ngx_uint_t            used;                 /* unsigned  used:1 */

    /* digests of the secrets this process has held: their tokens are good */
    u_char                digests[4][32];
    ngx_uint_t            ndigests;
};


/* one credential for one scope, as a worker sees it */

struct ngx_http_entra_token_s {
    ngx_http_entra_credential_t  *credential;
    ngx_str_t                     scope;
    ngx_uint_t                    nth;          /* from 1; 0: a caller's */
    ngx_uint_t                    preload;      /* unsigned  preload:1 */
    ngx_uint_t                    caller_keys;  /* not a token: keys */
    entra_egress_t               *known;        /* Azure's hosts of the scope */
    entra_egress_t               *egress;       /* where it may go */

    entra_store_ref_t             ref;          /* by its key */
    entra_store_t                *store;        /* its own: the zone is full */

    /* without the lock; never NULL in a worker; may be another's by now */
    entra_store_atomics_t        *record;

    ngx_str_t                     header;       /* the worker's copy, */
                                                /* "Bearer " and value */
    ngx_atomic_uint_t             generation;
    int64_t                       expires;      /* 0: there is no token */
    int64_t                       refresh;

    /* on_behalf_of: what the caller presented, else NULL */
    char                         *assertion;

    entra_acquire_t              *acquire;      /* under way in this worker */
    ngx_queue_t                   fetching;     /* of those */
    int64_t                       started;
    ngx_event_t                   timer;
    ngx_uint_t                    polls;
    ngx_queue_t                   waiters;
    unsigned                      again:1;      /* should this fetch fail */

    int64_t                       refusal;      /* when one was logged */
    ngx_uint_t                    refusals;     /* since then */
};


/* a parked request */

struct ngx_http_entra_waiter_s {
    ngx_queue_t                   queue;
    void                        (*wake)(ngx_http_entra_waiter_t *w);
    ngx_http_entra_token_t       *token;        /* NULL: not parked */
    ngx_http_request_t           *request;
    ngx_event_t                   timer;
};


/* process-wide state of a worker */

typedef struct {
    ngx_cycle_t                  *cycle;
    ngx_http_entra_main_conf_t   *conf;
    entra_platform_t              platform;
    ngx_http_entra_curl_t        *curl;
    entra_session_store_t         store;        /* of sign-ins */
    entra_sign_in_t              *site;
    ngx_queue_t                   sent;         /* requests under way */
    ngx_queue_t                   fetching;     /* ngx_http_entra_token_t */
    ngx_uint_t                    fetches;      /* since memory was trimmed */
    ngx_uint_t                    fetches_seen; /* by the last round */
    ngx_event_t                   watch;
    ngx_event_t                   retire;       /* frees what follows */
    ngx_http_entra_header_t      *retired;      /* copies that were replaced */
    ngx_uint_t                  (*watch_lists)(
                                      ngx_http_entra_main_conf_t *mcf);
    void                        (*retry_callers)(
                                      ngx_http_entra_credential_t *c);
    ngx_uint_t                    reading;      /* a long list, in pieces */
    int64_t                       full;         /* the zone, when logged */
    unsigned                      rebuilds;     /* of the zone, logged */
    ngx_uint_t                    first_told;   /* first tokens, logged */
    ngx_uint_t                    first_more;   /* and those to be summed up */
    ngx_connection_t              dummy;        /* for events without a fd */
} ngx_http_entra_worker_t;


/* ngx_http_entra_secret_digest.c */

/* the digests of the secrets now in use; 1: there is a new one */
ngx_uint_t ngx_http_entra_secret_digest(
    ngx_http_entra_credential_t *credential);

/* ngx_http_entra_session.c */

void ngx_http_entra_session_store(ngx_http_entra_main_conf_t *mcf,
    entra_session_store_t *store);

/* ngx_http_entra_zone.c */

void *ngx_http_entra_zone_create(ngx_conf_t *cf);
ngx_int_t ngx_http_entra_zone_init(ngx_shm_zone_t *zone, void *data);
entra_store_t *ngx_http_entra_zone_store(ngx_http_entra_main_conf_t *mcf);
ngx_uint_t ngx_http_entra_zone_fresh(ngx_http_entra_main_conf_t *mcf);
ngx_atomic_t *ngx_http_entra_zone_counters(ngx_http_entra_main_conf_t *mcf);

/* this process begins, or ends */
void ngx_http_entra_zone_join(ngx_http_entra_main_conf_t *mcf);

/* says so, at most once a minute in a worker */
void ngx_http_entra_zone_full(ngx_http_entra_main_conf_t *mcf);

/* says what a worker that was killed has left */
void ngx_http_entra_zone_watch(ngx_http_entra_main_conf_t *mcf);

/* NGX_AGAIN: there is more; NGX_ERROR: somebody does not give the lock back */
ngx_int_t ngx_http_entra_zone_export(ngx_http_entra_main_conf_t *mcf,
    entra_store_copy_t *copy, entra_buf_t *out);
ngx_int_t ngx_http_entra_zone_import(ngx_http_entra_main_conf_t *mcf,
    entra_store_copy_t *copy, entra_str_t records);

typedef enum {
    NGX_HTTP_ENTRA_COUNT_ALLOW = 0,
    NGX_HTTP_ENTRA_COUNT_DENY,
    NGX_HTTP_ENTRA_COUNT_UNDETERMINED,
    NGX_HTTP_ENTRA_COUNT_EGRESS,
    NGX_HTTP_ENTRA_COUNT_PATH,

    /* what was not allowed, by entra_reason_e; NONE: undetermined */
    NGX_HTTP_ENTRA_COUNT_REASON,

    NGX_HTTP_ENTRA_ZONE_COUNTERS = NGX_HTTP_ENTRA_COUNT_REASON
                                   + ENTRA_REASON_WORKSPACE + 1
} ngx_http_entra_counter_e;

/* ngx_http_entra_handover.c: an upgrade of the binary */

void ngx_http_entra_handover_find(void);
ngx_int_t ngx_http_entra_handover_init(ngx_cycle_t *cycle);

/* ngx_http_entra_state.c: a file that tokens are in over a restart */

ngx_int_t ngx_http_entra_state_conf(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* init_module: into a zone that is empty; nginx -t only looks at it */
void ngx_http_entra_state_load(ngx_cycle_t *cycle);

void ngx_http_entra_state_init(ngx_http_entra_worker_t *worker);
void ngx_http_entra_state_exit(ngx_http_entra_worker_t *worker);

/* ngx_http_entra_clock.c */

extern ngx_http_entra_worker_t  *ngx_http_entra_worker;

/* of the event loop, and when it began; now is 0: not known yet */

typedef struct {
    ngx_msec_t                    msec;
    int64_t                       now;
} ngx_http_entra_turn_t;

extern ngx_http_entra_turn_t  ngx_http_entra_turn;

int64_t ngx_http_entra_clock_read(void);


/*
 * The boot clock, ms.  Asked for once in a turn of the event loop, as nginx
 * does with its own clocks: on the request path it would be a fifth of all
 * that the module costs.
 */

static ngx_inline int64_t
ngx_http_entra_clock(void)
{
    if (ngx_http_entra_turn.msec == ngx_current_msec
        && ngx_http_entra_turn.now)
    {
        return ngx_http_entra_turn.now;
    }

    return ngx_http_entra_clock_read();
}


void ngx_http_entra_event(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_uint_t cancelable);

/* ngx_http_entra_worker.c */

ngx_int_t ngx_http_entra_worker_init(ngx_cycle_t *cycle);
ngx_int_t ngx_http_entra_worker_begin(ngx_http_entra_worker_t *worker);
void ngx_http_entra_worker_end(ngx_http_entra_worker_t *worker);
void ngx_http_entra_worker_free(ngx_http_entra_worker_t *worker);

/* ngx_http_entra_watch.c: signs of life, and files */

ngx_int_t ngx_http_entra_watch_init(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_watch_exit(void);

/* ngx_http_entra_token.c: one token's life in a worker */

ngx_int_t ngx_http_entra_token_attach(ngx_http_entra_token_t *token);
void ngx_http_entra_token_detach(ngx_http_entra_token_t *token);

/* whatever else is done with its record: it has one then, if only its own */
ngx_int_t ngx_http_entra_token_hold(ngx_http_entra_token_t *token);

/* of a caller's that nobody waits for: its record may be evicted */
void ngx_http_entra_token_rest(ngx_http_entra_token_t *token);

/* a copy of the record; all zero when there is none */
void ngx_http_entra_token_peek(ngx_http_entra_token_t *token,
    entra_store_snapshot_t *record);

/*
 * Takes over what the store has.  The bytes of a token are copied when a
 * request asks for them: most of many are not asked for in each worker.
 */

void ngx_http_entra_token_sync(ngx_http_entra_token_t *token, ngx_uint_t copy);


/*
 * The token may be sent now.  The request path: one comparison of generations,
 * one of times.
 */

static ngx_inline ngx_int_t
ngx_http_entra_token_usable(ngx_http_entra_token_t *token, int64_t now)
{
    if (token->generation != token->record->generation
        || (token->header.len == 0 && token->expires))
    {
        ngx_http_entra_token_sync(token, 1);
    }

    return token->header.len && now < token->expires;
}


/* there is one, in the store if not in this worker */

static ngx_inline ngx_int_t
ngx_http_entra_token_valid(ngx_http_entra_token_t *token, int64_t now)
{
    if (token->generation != token->record->generation) {
        ngx_http_entra_token_sync(token, 0);
    }

    return now < token->expires;
}


/* a caller's token is used: others are evicted before it */
void ngx_http_entra_token_touch(ngx_http_entra_token_t *token);

/* its secret changed: fetches now, keeps the token until then */
void ngx_http_entra_token_due(ngx_http_entra_token_t *token);

/* another input, not a secret: what fails is fetched now */
void ngx_http_entra_token_retry(ngx_http_entra_token_t *token);

/* the worker's copy, and when to look again */
void ngx_http_entra_token_set_local(ngx_http_entra_token_t *token,
    const char *value, size_t len);
void ngx_http_entra_token_arm(ngx_http_entra_token_t *token, int64_t now);

/* the requests that wait for it */
void ngx_http_entra_token_wake(ngx_http_entra_token_t *token);

/* wipes the copies that were replaced */
void ngx_http_entra_token_free_retired(void);

/* ngx_http_entra_token_fetch.c: one fetch across all workers */

/* starts a fetch if it is time and nobody else does */
void ngx_http_entra_token_start_fetch(ngx_http_entra_token_t *token);

/* called every few seconds: those that are fetched are so still */
void ngx_http_entra_token_heartbeat(void);

/*
 * The upstream refused this generation: asks for another one, with claims or
 * NULL.  NGX_OK: a newer one is there or on its way; NGX_DECLINED: not now.
 */
ngx_int_t ngx_http_entra_token_invalidate(ngx_http_entra_token_t *token,
    ngx_atomic_uint_t generation, ngx_str_t *claims);

/* this generation is fetched anew then, if not sooner */
ngx_int_t ngx_http_entra_token_refresh_at(ngx_http_entra_token_t *token,
    int64_t when);

/* a fetch is under way in some worker */
ngx_int_t ngx_http_entra_token_pending(ngx_http_entra_token_t *token);

/* for the log; buf: NGX_HTTP_ENTRA_NAME_MAX bytes, cut to them */
#define NGX_HTTP_ENTRA_NAME_MAX  512
char *ngx_http_entra_token_name(ngx_http_entra_token_t *token, u_char *buf);

/* ms until the next attempt, 0: at once */
int64_t ngx_http_entra_token_next(ngx_http_entra_token_t *token);


#endif /* _NGX_HTTP_ENTRA_TOKEN_H_INCLUDED_ */
