
/*
 * Copyright (C) nginx-entra authors
 *
 * The life of one token in a worker: a copy of the shared value for the
 * request path, and a timer that refreshes ahead or looks at the others.
 */

#include "ngx_http_entra_module.h"


/* looks at what another worker fetches, ms */
#define NGX_HTTP_ENTRA_POLL_FIRST     25
#define NGX_HTTP_ENTRA_POLL_MAX       250
#define NGX_HTTP_ENTRA_POLL_IDLE      1000


static ngx_http_entra_record_t *ngx_http_entra_token_own(
    ngx_http_entra_token_t *token);
static void ngx_http_entra_token_copy(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_forget(ngx_http_entra_token_t *token);
static ngx_int_t ngx_http_entra_token_accepted(ngx_http_entra_token_t *token,
    u_char *material);
static void ngx_http_entra_token_learn(ngx_http_entra_token_t *token);
static ngx_uint_t ngx_http_entra_token_outdated(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_timer(ngx_event_t *ev);


/* of those that have none: no key, no value, never changed */
static ngx_http_entra_record_t  ngx_http_entra_token_none;


ngx_int_t
ngx_http_entra_token_attach(ngx_http_entra_token_t *token)
{
    int64_t                      now;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    token->record = &ngx_http_entra_token_none;
    token->generation = 0;

    ngx_http_entra_event(&token->timer, ngx_http_entra_token_timer, 1);

    now = ngx_http_entra_clock();

    ngx_http_entra_zone_lock(mcf);

    /* a caller's is made when it is fetched */

    rec = ngx_http_entra_token_record(token, token->assertion == NULL);

    if (rec == NULL && token->assertion == NULL) {
        ngx_http_entra_zone_unlock(mcf);
        return NGX_ERROR;
    }

    /* what failed may have been mended by this configuration */

    if (rec && rec->config != mcf->config) {
        rec->config = mcf->config;
        rec->fails = 0;
        rec->next = 0;
    }

    ngx_http_entra_zone_unlock(mcf);

    if (token->own) {
        ngx_http_entra_zone_full(mcf);
    }

    (void) ngx_http_entra_token_usable(token, now);

    /* a little apart, so that not all workers ask for the lease at once */

    if (token->header.len || token->preload) {
        ngx_add_timer(&token->timer, 1 + ngx_worker * 10);
    }

    return NGX_OK;
}


void
ngx_http_entra_token_detach(ngx_http_entra_token_t *token)
{
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    if (token->record == NULL) {
        return;
    }

    mcf = ngx_http_entra_worker->conf;

    if (token->timer.timer_set) {
        ngx_del_timer(&token->timer);
    }

    if (token->acquire) {
        entra_acquire_cancel(token->acquire);
        token->acquire = NULL;

        ngx_http_entra_zone_lock(mcf);

        rec = ngx_http_entra_token_record(token, 0);

        if (rec && rec->owner == ngx_pid) {
            rec->lease = 0;
        }

        ngx_http_entra_zone_unlock(mcf);
    }

    ngx_http_entra_token_forget(token);
    token->record = NULL;

    ngx_free(token->own);
    token->own = NULL;
}


ngx_http_entra_record_t *
ngx_http_entra_token_record(ngx_http_entra_token_t *token, ngx_uint_t make)
{
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;

    /* there may be room by now, or a worker that had found some */

    if (ngx_memcmp(rec->key, token->key, 32) == 0
        && (rec != token->own || !make))
    {
        return rec;
    }

    rec = ngx_http_entra_zone_find(mcf, token->key);

    if (rec == NULL && make) {
        rec = ngx_http_entra_zone_make(mcf, token->key,
                                       token->assertion != NULL);
    }

    if (rec == NULL) {
        return make ? ngx_http_entra_token_own(token) : NULL;
    }

    ngx_free(token->own);
    token->own = NULL;

    /* whatever it holds has not been looked at yet */

    token->record = rec;
    token->generation = 0;

    return rec;
}


/* with no room in the zone: nothing is shared then, but fetched as ever */

static ngx_http_entra_record_t *
ngx_http_entra_token_own(ngx_http_entra_token_t *token)
{
    if (token->own == NULL) {
        token->own = ngx_calloc(sizeof(ngx_http_entra_record_t),
                                ngx_cycle->log);
        if (token->own == NULL) {
            return NULL;
        }

        ngx_memcpy(token->own->key, token->key, 32);
        token->own->generation = ngx_http_entra_zone_generation(
                                     ngx_http_entra_worker->conf);

        token->record = token->own;
        token->generation = token->own->generation;
    }

    return token->own;
}


/* the request path: one comparison of generations, one of times */

ngx_int_t
ngx_http_entra_token_usable(ngx_http_entra_token_t *token, int64_t now)
{
    if (token->generation != token->record->generation) {
        ngx_http_entra_token_copy(token);
    }

    return token->header.len && now < token->expires;
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

    if (now - token->record->used >= 1000
        && token->record != &ngx_http_entra_token_none)
    {
        token->record->used = now;
    }
}


static void
ngx_http_entra_token_copy(ngx_http_entra_token_t *token)
{
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    ngx_http_entra_zone_lock(mcf);

    rec = ngx_http_entra_token_record(token, 0);

    if (rec && rec->value
        && !ngx_http_entra_token_accepted(token, rec->material))
    {
        ngx_http_entra_zone_unlock(mcf);

        ngx_http_entra_token_learn(token);

        ngx_http_entra_zone_lock(mcf);

        rec = ngx_http_entra_token_record(token, 0);
    }

    if (rec == NULL) {

        /* evicted: what this worker has is good until its end */

        token->record = &ngx_http_entra_token_none;
        token->generation = 0;

        ngx_http_entra_zone_unlock(mcf);
        return;
    }

    token->generation = rec->generation;
    rec->used = ngx_http_entra_clock();

    if (rec->value == NULL) {

        /* stored by a worker that found no room: each has its own */

        ngx_http_entra_zone_unlock(mcf);
        return;
    }

    /*
     * One of another secret is left alone: whoever stored it is of another
     * configuration, and what this worker has is still good.
     */

    if (ngx_http_entra_token_accepted(token, rec->material)) {
        ngx_http_entra_token_set_local(token, (char *) rec->value, rec->len);
        token->expires = rec->expires;
        token->refresh = rec->refresh;
    }

    ngx_http_entra_zone_unlock(mcf);

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
ngx_http_entra_token_accepted(ngx_http_entra_token_t *token, u_char *material)
{
    ngx_uint_t                    i;
    ngx_http_entra_credential_t  *c;

    c = token->credential;

    for (i = 0; i < c->nmaterial; i++) {
        if (ngx_memcmp(c->material[i], material, 32) == 0) {
            return 1;
        }
    }

    return 0;
}


/* another worker may have seen a changed file a moment earlier */

static void
ngx_http_entra_token_learn(ngx_http_entra_token_t *token)
{
    entra_err_t                   err;
    ngx_http_entra_credential_t  *c;

    c = token->credential;

    if (c->core->type->watch) {
        entra_err_clear(&err);

        if (c->core->type->watch(c->core, &err) == 1) {
            (void) ngx_http_entra_credential_material(c);
        }
    }
}


static void
ngx_http_entra_token_forget(ngx_http_entra_token_t *token)
{
    if (token->header.data) {
        ngx_explicit_memzero(token->header.data, token->header.len);
        ngx_free(token->header.data);
    }

    ngx_str_null(&token->header);
    token->expires = 0;
    token->refresh = 0;
}


void
ngx_http_entra_token_set_local(ngx_http_entra_token_t *token,
    const char *value, size_t len)
{
    u_char  *p;

    ngx_http_entra_token_forget(token);

    p = ngx_alloc(sizeof("Bearer ") - 1 + len, ngx_cycle->log);
    if (p == NULL) {
        return;
    }

    token->header.data = p;
    token->header.len = sizeof("Bearer ") - 1 + len;

    p = ngx_cpymem(p, "Bearer ", sizeof("Bearer ") - 1);
    ngx_memcpy(p, value, len);
}


void
ngx_http_entra_token_due(ngx_http_entra_token_t *token)
{
    ngx_uint_t                   wanted;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    wanted = token->preload || !ngx_queue_empty(&token->waiters);

    ngx_http_entra_zone_lock(mcf);

    rec = ngx_http_entra_token_record(token, 0);

    if (rec) {
        wanted |= rec->value != NULL;

        /* the failures were those of the old secret */

        if (ngx_memcmp(rec->material, token->credential->material[0], 32)
            != 0)
        {
            rec->next = 0;
        }
    }

    ngx_http_entra_zone_unlock(mcf);

    if (wanted) {
        ngx_http_entra_token_kick(token);
    }
}


/* it was obtained with another secret than the one that is in use now */

static ngx_uint_t
ngx_http_entra_token_outdated(ngx_http_entra_token_t *token)
{
    ngx_uint_t                   outdated;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    ngx_http_entra_zone_lock(mcf);

    rec = ngx_http_entra_token_record(token, 0);

    outdated = rec && ngx_memcmp(rec->material, token->credential->material[0],
                                 32)
                      != 0;

    ngx_http_entra_zone_unlock(mcf);

    return outdated;
}


/* who fetches and when, as of now; nobody and at once for one without any */

void
ngx_http_entra_token_peek(ngx_http_entra_token_t *token,
    ngx_http_entra_record_t *copy)
{
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    ngx_http_entra_zone_lock(mcf);

    rec = ngx_http_entra_token_record(token, 0);

    if (rec == NULL) {
        rec = &ngx_http_entra_token_none;
    }

    copy->owner = rec->owner;
    copy->lease = rec->lease;
    copy->next = rec->next;
    copy->generation = rec == &ngx_http_entra_token_none
                       ? token->generation : rec->generation;

    ngx_http_entra_zone_unlock(mcf);
}


static void
ngx_http_entra_token_timer(ngx_event_t *ev)
{
    int64_t                  now;
    ngx_http_entra_token_t  *token;

    token = ngx_http_entra_of(ev, ngx_http_entra_token_t, timer);
    now = ngx_http_entra_clock();

    /* also when another worker has failed: each decides what to do then */

    if (ngx_http_entra_token_usable(token, now)
        || !ngx_http_entra_token_pending(token))
    {
        ngx_http_entra_wake(token);
    }

    if (token->header.len == 0 && !token->preload
        && ngx_queue_empty(&token->waiters))
    {
        return;
    }

    if (token->header.len == 0 || token->refresh <= now
        || ngx_http_entra_token_outdated(token))
    {
        ngx_http_entra_token_kick(token);

    } else if (!token->timer.timer_set) {
        ngx_http_entra_token_arm(token, now);
    }
}


/* when to look again: at the refresh, after the backoff, or at the others */

void
ngx_http_entra_token_arm(ngx_http_entra_token_t *token, int64_t now)
{
    int64_t                   wait;
    ngx_http_entra_record_t   rec;

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
        || ((token->header.len == 0 || token->assertion) && !token->preload
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

    } else if (token->generation != rec.generation) {

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
