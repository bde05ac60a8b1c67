
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


/* the bytes that token->header points to */

struct ngx_http_entra_header_s {
    ngx_http_entra_header_t  *next;         /* of those that were replaced */
    size_t                    len;
    u_char                    data[1];
};


static void ngx_http_entra_token_copy(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_retire(ngx_http_entra_header_t *header);
static void ngx_http_entra_token_wipe(ngx_event_t *ev);
static void ngx_http_entra_token_forget(ngx_http_entra_token_t *token);
static ngx_int_t ngx_http_entra_token_accepted(ngx_http_entra_token_t *token,
    u_char *material);
static void ngx_http_entra_token_learn(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_timer(ngx_event_t *ev);


ngx_int_t
ngx_http_entra_token_attach(ngx_http_entra_token_t *token)
{
    int64_t                      now;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    rec = ngx_http_entra_zone_record(mcf, token->key, ngx_cycle->log);
    if (rec == NULL) {
        return NGX_ERROR;
    }

    token->record = rec;
    token->generation = 0;

    ngx_http_entra_event(&token->timer, ngx_http_entra_token_timer, 1);

    now = ngx_http_entra_clock();

    ngx_http_entra_zone_lock(mcf);

    /* what failed may have been mended by this configuration */

    if (rec->config != mcf->config) {
        rec->config = mcf->config;
        rec->fails = 0;
        rec->next = 0;
    }

    ngx_http_entra_zone_unlock(mcf);

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

        if (token->record->owner == ngx_pid) {
            token->record->lease = 0;
        }

        ngx_http_entra_zone_unlock(mcf);
    }

    ngx_http_entra_token_forget(token);
    token->record = NULL;
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


static void
ngx_http_entra_token_copy(ngx_http_entra_token_t *token)
{
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;

    ngx_http_entra_token_learn(token);

    ngx_http_entra_zone_lock(mcf);

    token->generation = rec->generation;

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

    if (c->core->type->watch
        && !ngx_http_entra_token_accepted(token, token->record->material))
    {
        entra_err_clear(&err);

        if (c->core->type->watch(c->core, &err) == 1) {
            (void) ngx_http_entra_credential_material(c);
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
    ngx_http_entra_main_conf_t  *mcf;

    if (token->record->value == NULL && !token->preload
        && ngx_queue_empty(&token->waiters))
    {
        return;
    }

    mcf = ngx_http_entra_worker->conf;

    ngx_http_entra_zone_lock(mcf);

    /* the failures were those of the old secret */

    if (ngx_memcmp(token->record->material, token->credential->material[0], 32)
        != 0)
    {
        token->record->next = 0;
    }

    ngx_http_entra_zone_unlock(mcf);

    ngx_http_entra_token_kick(token);
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
        || ngx_memcmp(token->record->material, token->credential->material[0],
                      32)
           != 0)
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
    ngx_http_entra_record_t  *rec;

    rec = token->record;

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

    if (!ngx_queue_empty(&token->waiters) && rec->lease > now) {

        /* each of a thousand requests that park comes here */

        if (token->polls && token->timer.timer_set) {
            return;
        }

        wait = ngx_min(NGX_HTTP_ENTRA_POLL_FIRST << ngx_min(token->polls, 8),
                       NGX_HTTP_ENTRA_POLL_MAX);
        token->polls++;

    } else if (rec->lease > now) {
        wait = NGX_HTTP_ENTRA_POLL_IDLE;
        token->polls = 0;

    } else if (token->generation != rec->generation) {

        /* another worker has ended its fetch this moment */

        wait = 0;
        token->polls = 0;

    } else {
        wait = ngx_max(token->refresh, rec->next) - now;
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
