
/*
 * Copyright (C) nginx-entra authors
 *
 * The life of one token in a worker: a copy of the shared value for the
 * request path, and a timer that refreshes ahead or looks at the others.
 */

#include "ngx_http_entra_conf.h"


/* looks at what another worker fetches, ms */
#define NGX_HTTP_ENTRA_POLL_FIRST     25
#define NGX_HTTP_ENTRA_POLL_MAX       250
#define NGX_HTTP_ENTRA_POLL_IDLE      1000

/* more than any value in the store */
#define NGX_HTTP_ENTRA_HEADER_MAX     (1024 * 1024)

/* the bytes that token->header points to */

struct ngx_http_entra_header_s {
    ngx_http_entra_header_t  *next;         /* of those that were replaced */
    size_t                    len;
    u_char                    data[1];
};


static void ngx_http_entra_token_retire(ngx_http_entra_header_t *header);
static void ngx_http_entra_token_wipe(ngx_event_t *ev);
static ngx_int_t ngx_http_entra_token_hold_own(ngx_http_entra_token_t *token,
    int64_t now);
static void ngx_http_entra_token_lost(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_take(ngx_http_entra_token_t *token,
    entra_buf_t *header, entra_store_value_t *v);
static void ngx_http_entra_token_forget(ngx_http_entra_token_t *token);
static ngx_int_t ngx_http_entra_token_accepted(ngx_http_entra_token_t *token,
    u_char *digest);
static void ngx_http_entra_token_reload_secret(ngx_http_entra_token_t *token);
static ngx_uint_t ngx_http_entra_token_outdated(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_timer(ngx_event_t *ev);


/* of those that have no record: of no generation */
static entra_store_atomics_t  ngx_http_entra_token_none;


ngx_int_t
ngx_http_entra_token_attach(ngx_http_entra_token_t *token)
{
    token->store = ngx_http_entra_zone_store(ngx_http_entra_worker->conf);
    token->ref.kind = token->assertion ? ENTRA_STORE_CALLER
                                       : ENTRA_STORE_SHARED;
    token->ref.index = (uint32_t) -1;
    token->ref.attached = 0;
    token->record = &ngx_http_entra_token_none;
    token->generation = 0;

    ngx_http_entra_event(&token->timer, ngx_http_entra_token_timer, 1);

    /* a caller's record is made when it is fetched */

    if (token->assertion == NULL
        && ngx_http_entra_token_hold(token) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_entra_token_sync(token, 0);

    /* a little apart, so that not all workers ask for the lease at once */

    if (token->expires || token->preload) {
        ngx_add_timer(&token->timer, 1 + ngx_worker * 10);
    }

    return NGX_OK;
}


void
ngx_http_entra_token_detach(ngx_http_entra_token_t *token)
{
    if (token->record == NULL) {
        return;
    }

    if (token->timer.timer_set) {
        ngx_del_timer(&token->timer);
    }

    if (token->acquire) {
        entra_acquire_cancel(token->acquire);
        ngx_queue_remove(&token->fetching);
        token->acquire = NULL;
    }

    entra_store_detach(token->store, &token->ref);

    if (token->store->lock == NULL) {
        entra_store_private_free(token->store);
    }

    ngx_http_entra_token_forget(token);
    token->store = NULL;
    token->record = NULL;
}


/*
 * With no room left the worker goes on with a record of its own: nothing is
 * shared then, but requests get their tokens.
 */

ngx_int_t
ngx_http_entra_token_hold(ngx_http_entra_token_t *token)
{
    int64_t                      now;
    entra_store_t               *store;
    entra_store_ref_t            ref;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    store = ngx_http_entra_zone_store(mcf);
    now = ngx_http_entra_clock();
    ref = token->ref;

    if (store != token->store) {
        ref.index = (uint32_t) -1;
        ref.attached = 0;
    }

    if (entra_store_attach(store, &ref, mcf->config, now) != 0) {
        ngx_http_entra_zone_full(mcf);
        return ngx_http_entra_token_hold_own(token, now);
    }

    if (store != token->store) {
        entra_store_private_free(token->store);
        token->store = store;
        token->generation = 0;
    }

    token->ref = ref;
    token->record = entra_store_atomics(store, &ref);

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_token_hold_own(ngx_http_entra_token_t *token, int64_t now)
{
    entra_store_t               *store;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    if (token->store->lock == NULL) {
        return NGX_OK;
    }

    store = entra_store_private();
    if (store == NULL) {
        return NGX_ERROR;
    }

    token->ref.index = (uint32_t) -1;
    token->ref.attached = 0;

    if (entra_store_attach(store, &token->ref, mcf->config, now) != 0) {
        entra_store_private_free(store);
        return NGX_ERROR;
    }

    token->store = store;
    token->record = entra_store_atomics(store, &token->ref);
    token->generation = 0;

    return NGX_OK;
}


void
ngx_http_entra_token_rest(ngx_http_entra_token_t *token)
{
    if (token->assertion && token->ref.attached && token->acquire == NULL
        && ngx_queue_empty(&token->waiters))
    {
        entra_store_detach(token->store, &token->ref);
    }
}


void
ngx_http_entra_token_peek(ngx_http_entra_token_t *token,
    entra_store_snapshot_t *record)
{
    (void) entra_store_peek(token->store, &token->ref, ngx_http_entra_clock(),
                            record);
}


/*
 * Without the mutex, and not for each of a thousand requests.  Should the
 * record be another's by now, then that one stays a little longer.
 */

void
ngx_http_entra_token_touch(ngx_http_entra_token_t *token)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    if (now - token->record->used >= 1000) {
        token->record->used = now;
    }
}


void
ngx_http_entra_token_sync(ngx_http_entra_token_t *token, ngx_uint_t copy)
{
    int                  rc;
    entra_buf_t          header;
    entra_store_value_t  v;

    static const char  begin[offsetof(ngx_http_entra_header_t, data)];

    /* a ngx_http_entra_header_t, made in place */

    entra_buf_init(&header, NGX_HTTP_ENTRA_HEADER_MAX);
    entra_buf_add(&header, begin, sizeof(begin));
    entra_buf_add_c(&header, "Bearer ");

    copy |= token->header.len || token->assertion;

    rc = entra_store_read(token->store, &token->ref, ngx_http_entra_clock(),
                          copy ? &header : NULL, &v);

    if (rc == -1) {

        /* evicted: what this worker has is good until its end */

        token->record = &ngx_http_entra_token_none;
        token->generation = 0;

    } else {
        token->record = entra_store_atomics(token->store, &token->ref);
        token->generation = v.generation;
    }

    /* 0: stored by a worker that found no room: each has its own */

    if (rc == 1) {
        ngx_http_entra_token_take(token, copy ? &header : NULL, &v);

    } else if (token->header.len == 0) {
        ngx_http_entra_token_lost(token);
    }

    entra_buf_free(&header);
}


/* neither the store nor this worker has it */

static void
ngx_http_entra_token_lost(ngx_http_entra_token_t *token)
{
    if (ngx_http_entra_clock() < token->expires) {
        token->expires = 0;
        token->refresh = 0;
    }
}


static void
ngx_http_entra_token_take(ngx_http_entra_token_t *token, entra_buf_t *header,
    entra_store_value_t *v)
{
    size_t                    len;
    ngx_http_entra_header_t  *h;

    if (!ngx_http_entra_token_accepted(token, v->digest)) {
        ngx_http_entra_token_reload_secret(token);
    }

    /*
     * One of another secret is left alone: whoever stored it is of another
     * configuration, and what this worker has is still good.  A worker that
     * is leaving and has nothing takes it.
     */

    if ((ngx_http_entra_token_accepted(token, v->digest)
         || (ngx_exiting && token->header.len == 0))
        && (header == NULL || entra_buf_ok(header)))
    {
        ngx_http_entra_token_forget(token);

        if (header) {
            len = header->len - offsetof(ngx_http_entra_header_t, data);
            h = (ngx_http_entra_header_t *) entra_buf_steal(header);
            h->len = len;

            token->header.len = len;
            token->header.data = h->data;
        }

        token->expires = v->expires;
        token->refresh = v->refresh;
    }

    ngx_http_entra_token_arm(token, ngx_http_entra_clock());

    /*
     * It may be a request that came later which finds the token first: those
     * that wait for it are not to wait for the refresh, to which the timer was
     * just moved
     */

    if (!ngx_queue_empty(&token->waiters) && token->timer.timer_set) {
        ngx_del_timer(&token->timer);
        ngx_add_timer(&token->timer, 1);
    }
}


/*
 * A token is good for this process if it was obtained with a secret that the
 * process knows: a reload with another secret drops it, a file that changed
 * under a running worker does not.
 */

static ngx_int_t
ngx_http_entra_token_accepted(ngx_http_entra_token_t *token, u_char *digest)
{
    ngx_uint_t                    i;
    ngx_http_entra_credential_t  *c;

    c = token->credential;

    for (i = 0; i < c->ndigests; i++) {
        if (ngx_memcmp(c->digests[i], digest, 32) == 0) {
            return 1;
        }
    }

    return 0;
}


/* another worker may have seen a changed file a moment earlier */

static void
ngx_http_entra_token_reload_secret(ngx_http_entra_token_t *token)
{
    entra_err_t                   err;
    ngx_http_entra_credential_t  *c;

    c = token->credential;

    if (c->core->type->watch) {
        entra_err_clear(&err);

        if (c->core->type->watch(c->core, &err) == 1) {
            (void) ngx_http_entra_secret_digest(c);
        }
    }
}


static void
ngx_http_entra_token_forget(ngx_http_entra_token_t *token)
{
    ngx_http_entra_header_t  *header;

    if (token->header.data) {
        header = (ngx_http_entra_header_t *)
                     (token->header.data - offsetof(ngx_http_entra_header_t,
                                                    data));
        ngx_http_entra_token_retire(header);
    }

    ngx_str_null(&token->header);
    token->expires = 0;
    token->refresh = 0;
}


/*
 * A request that is being made evaluates the header twice, its length and its
 * bytes, and what it evaluates between may replace the token: the old bytes
 * stay until this turn of the event loop ends.
 */

static void
ngx_http_entra_token_retire(ngx_http_entra_header_t *header)
{
    ngx_http_entra_worker_t  *worker;

    worker = ngx_http_entra_worker;

    header->next = worker->retired;
    worker->retired = header;

    if (!worker->retire.posted) {
        ngx_http_entra_event(&worker->retire, ngx_http_entra_token_wipe, 1);
        ngx_post_event(&worker->retire, &ngx_posted_next_events);
    }
}


static void
ngx_http_entra_token_wipe(ngx_event_t *ev)
{
    ngx_http_entra_token_free_retired();
}


void
ngx_http_entra_token_free_retired(void)
{
    ngx_http_entra_header_t  *header, *next;

    for (header = ngx_http_entra_worker->retired; header; header = next) {
        next = header->next;

        ngx_explicit_memzero(header->data, header->len);
        ngx_free(header);
    }

    ngx_http_entra_worker->retired = NULL;
}


void
ngx_http_entra_token_set_local(ngx_http_entra_token_t *token,
    const char *value, size_t len)
{
    u_char                   *p;
    ngx_http_entra_header_t  *header;

    ngx_http_entra_token_forget(token);

    header = ngx_alloc(offsetof(ngx_http_entra_header_t, data)
                       + sizeof("Bearer ") - 1 + len, ngx_cycle->log);
    if (header == NULL) {
        return;
    }

    p = header->data;
    header->len = sizeof("Bearer ") - 1 + len;

    token->header.data = p;
    token->header.len = header->len;

    p = ngx_cpymem(p, "Bearer ", sizeof("Bearer ") - 1);
    ngx_memcpy(p, value, len);
}


void
ngx_http_entra_token_due(ngx_http_entra_token_t *token)
{
    /* the failures were those of the old secret */

    if (entra_store_renewed(token->store, &token->ref, ngx_http_entra_clock(),
                            token->credential->digests[0])
        || token->preload || !ngx_queue_empty(&token->waiters))
    {
        ngx_http_entra_token_start_fetch(token);
    }
}


/* what it is made of has changed: if it fails, that may be over */

void
ngx_http_entra_token_retry(ngx_http_entra_token_t *token)
{
    /* a fetch that is under way may have read it before */

    token->again = token->acquire != NULL;

    if (entra_store_retry(token->store, &token->ref, ngx_http_entra_clock())
        && (token->preload || token->expires
            || !ngx_queue_empty(&token->waiters)))
    {
        ngx_http_entra_token_start_fetch(token);
    }
}


/* it was obtained with another secret than the one that is in use now */

static ngx_uint_t
ngx_http_entra_token_outdated(ngx_http_entra_token_t *token)
{
    entra_store_snapshot_t  rec;

    return entra_store_peek(token->store, &token->ref, ngx_http_entra_clock(),
                            &rec)
           == 0
           && ngx_memcmp(rec.digest, token->credential->digests[0], 32) != 0;
}


static void
ngx_http_entra_token_timer(ngx_event_t *ev)
{
    int64_t                  now;
    ngx_http_entra_token_t  *token;

    token = ngx_http_entra_of(ev, ngx_http_entra_token_t, timer);
    now = ngx_http_entra_clock();

    /* also when another worker has failed: each decides what to do then */

    if (ngx_http_entra_token_valid(token, now)
        || !ngx_http_entra_token_pending(token))
    {
        ngx_http_entra_token_wake(token);
    }

    if (token->expires == 0 && !token->preload
        && ngx_queue_empty(&token->waiters))
    {
        return;
    }

    if (token->expires == 0 || token->refresh <= now
        || ngx_http_entra_token_outdated(token))
    {
        ngx_http_entra_token_start_fetch(token);

    } else if (!token->timer.timer_set) {
        ngx_http_entra_token_arm(token, now);
    }
}


/* when to look again: at the refresh, after the backoff, or at the others */

void
ngx_http_entra_token_arm(ngx_http_entra_token_t *token, int64_t now)
{
    int64_t                 wait;
    entra_store_snapshot_t  rec;

    if (ngx_terminate
        || (ngx_exiting && ngx_queue_empty(&token->waiters)))
    {
        return;
    }

    /*
     * The end of a fetch arms the timer; nobody needs what nobody asks for,
     * a caller's token least of all
     */

    if (token->acquire
        || ((token->expires == 0 || token->assertion) && !token->preload
            && ngx_queue_empty(&token->waiters)))
    {
        return;
    }

    ngx_http_entra_token_peek(token, &rec);

    if (!ngx_queue_empty(&token->waiters) && rec.lease > now) {

        /* each of a thousand requests that park comes here */

        if (token->polls && token->timer.timer_set) {
            return;
        }

        wait = ngx_min(NGX_HTTP_ENTRA_POLL_FIRST << ngx_min(token->polls, 8),
                       NGX_HTTP_ENTRA_POLL_MAX);
        token->polls++;

    } else if (rec.lease > now) {
        wait = NGX_HTTP_ENTRA_POLL_IDLE;
        token->polls = 0;

    } else if (token->generation != token->record->generation) {

        /* another worker has ended its fetch this moment */

        wait = 0;
        token->polls = 0;

    } else {
        wait = ngx_max(token->refresh, rec.next) - now;
        token->polls = 0;
    }

    /* a day at most: ngx_msec_t and long-lived tokens */

    wait = ngx_max(wait, 1);
    wait = ngx_min(wait, 24 * 3600 * 1000);

    if (token->timer.timer_set) {
        ngx_del_timer(&token->timer);
    }

    ngx_add_timer(&token->timer, (ngx_msec_t) wait);
}


/* a fetch has ended, one way or the other: each waiter looks for itself */

void
ngx_http_entra_token_wake(ngx_http_entra_token_t *token)
{
    ngx_queue_t               waiters;
    ngx_http_entra_waiter_t  *w;

    if (ngx_queue_empty(&token->waiters)) {
        return;
    }

    /* those who wait again are not met again here */

    ngx_queue_init(&waiters);
    ngx_queue_add(&waiters, &token->waiters);
    ngx_queue_init(&token->waiters);

    while (!ngx_queue_empty(&waiters)) {
        w = ngx_queue_data(ngx_queue_head(&waiters), ngx_http_entra_waiter_t,
                           queue);
        w->wake(w);
    }
}
