
/*
 * Copyright (C) nginx-entra authors
 *
 * A request that waits for a token: out of the phases, into the token's
 * queue, and back when a fetch has ended or the time is over.
 */

#include "ngx_http_entra_request.h"


static void ngx_http_entra_unpark(void *data);
static void ngx_http_entra_park_timeout(ngx_event_t *ev);
static void ngx_http_entra_park_wake(ngx_http_entra_waiter_t *w);
static void ngx_http_entra_resume(ngx_http_request_t *r);


/* NGX_AGAIN: it waits now; NGX_DECLINED: waiting would not help */

ngx_int_t
ngx_http_entra_park(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    int64_t                     left;
    ngx_http_cleanup_t         *cln;
    ngx_http_entra_waiter_t    *w;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (ctx->deadline == 0) {
        ctx->deadline = ngx_http_entra_clock() + lcf->wait;
    }

    left = ctx->deadline - ngx_http_entra_clock();

    if (left <= 0
        || (!ngx_http_entra_token_pending(token)
            && ngx_http_entra_token_next(token) >= left))
    {
        return NGX_DECLINED;
    }

    w = ctx->waiter;

    if (w == NULL) {
        w = ngx_pcalloc(r->pool, sizeof(ngx_http_entra_waiter_t));
        if (w == NULL) {
            return NGX_ERROR;
        }

        cln = ngx_http_cleanup_add(r, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_entra_unpark;
        cln->data = w;
        w->request = r;
        w->wake = ngx_http_entra_park_wake;

        /* a worker that shuts down stays for its clients */

        ngx_http_entra_event(&w->timer, ngx_http_entra_park_timeout, 0);
        ctx->waiter = w;
    }

    if (r == r->main) {
        if (r->connection->read->ready) {
            ngx_post_event(r->connection->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    w->token = token;
    ngx_queue_insert_tail(&token->waiters, &w->queue);
    ngx_add_timer(&w->timer, (ngx_msec_t) left);

    ctx->waited = 1;
    (void) ngx_atomic_fetch_add(&token->record->waits, 1);

    ngx_http_entra_token_start_fetch(token);

    return NGX_AGAIN;
}


static void
ngx_http_entra_unpark(void *data)
{
    ngx_http_entra_waiter_t  *w = data;

    if (w->token == NULL) {
        return;
    }

    ngx_queue_remove(&w->queue);
    w->token = NULL;

    if (w->timer.timer_set) {
        ngx_del_timer(&w->timer);
    }
}


static void
ngx_http_entra_park_timeout(ngx_event_t *ev)
{
    ngx_http_request_t       *r;
    ngx_http_entra_waiter_t  *w;

    w = ngx_http_entra_of(ev, ngx_http_entra_waiter_t, timer);
    r = w->request;

    ngx_http_entra_unpark(w);
    ngx_http_entra_resume(r);
}


/* a fetch has ended, one way or the other: the request looks for itself */

static void
ngx_http_entra_park_wake(ngx_http_entra_waiter_t *w)
{
    ngx_http_request_t  *r;

    r = w->request;

    ngx_http_entra_unpark(w);
    ngx_http_entra_resume(r);
}


static void
ngx_http_entra_resume(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (r == r->main) {
        r->read_event_handler = ngx_http_block_reading;
    }

    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}
