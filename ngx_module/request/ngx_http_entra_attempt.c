
/*
 * Copyright (C) nginx-entra authors
 *
 * nginx makes the upstream request once, and then tries one server after the
 * other with it; it may wait long for a connection, too.  The request is made
 * once more, with a token that is valid then, when that in it has expired
 * before it is sent; without such a token it is not sent.
 */

#include "ngx_http_entra_request.h"


/* more addresses than a name has, usually */
#define NGX_HTTP_ENTRA_ATTEMPTS  64


/* a request whose token may expire before it is sent */

typedef struct {
    ngx_event_t            event;
    ngx_http_request_t    *request;
    ngx_http_upstream_t   *upstream;
} ngx_http_entra_unsent_t;


static ngx_int_t ngx_http_entra_attempt_again(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static int64_t ngx_http_entra_attempt_max(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_uint_t ngx_http_entra_attempt_number(ngx_http_upstream_t *u);
static void ngx_http_entra_attempt_expired(ngx_event_t *ev);
static void ngx_http_entra_attempt_end(ngx_http_request_t *r);
static void ngx_http_entra_attempt_cleanup(void *data);


/* what was sent is about to be sent to another server */

ngx_int_t
ngx_http_entra_attempt_reinit(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_upstream_t   *u;
    ngx_http_entra_ctx_t  *ctx;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    rc = ctx->sent.reinit_request(r);

    /* the protocol sets its own process_header again */

    ngx_http_entra_replay_wrap(r, ctx);

    /* a state with a status is that of an attempt that has ended: nginx is
       about to answer from its cache */

    if (rc != NGX_OK || ngx_http_entra_clock() < ctx->sent.expires
        || u->state == NULL || u->state->status)
    {
        return rc;
    }

    return ngx_http_entra_attempt_again(r, ctx);
}


/* NGX_ERROR: no token; the answer is prepared */

static ngx_int_t
ngx_http_entra_attempt_again(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    ctx->sent.upstream = NULL;
    ctx->sent.host_upstream = NULL;

    u->request_bufs = r->request_body ? r->request_body->bufs : NULL;

    if (u->create_request(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ctx->sent.upstream == u && !ctx->sent.refused ? NGX_OK : NGX_ERROR;
}


/* arms a timer for the rare request that may outlive its token unsent */

ngx_int_t
ngx_http_entra_attempt_watch(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    int64_t left)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_entra_unsent_t   *unsent;

    if (left >= ngx_http_entra_attempt_max(r, ctx)) {
        return NGX_OK;
    }

    unsent = ctx->sent.unsent;

    if (unsent == NULL) {
        unsent = ngx_palloc(r->pool, sizeof(ngx_http_entra_unsent_t));
        cln = ngx_http_cleanup_add(r, 0);

        if (unsent == NULL || cln == NULL) {
            return NGX_ERROR;
        }

        ngx_http_entra_event(&unsent->event, ngx_http_entra_attempt_expired,
                             1);

        unsent->request = r;
        ctx->sent.unsent = unsent;

        cln->handler = ngx_http_entra_attempt_cleanup;
        cln->data = unsent;
    }

    unsent->upstream = r->upstream;

    if (unsent->event.timer_set) {
        ngx_del_timer(&unsent->event);
    }

    ngx_add_timer(&unsent->event, (ngx_msec_t) ngx_max(left, 1));

    return NGX_OK;
}


/* ms: longer than nginx tries, in the location of the request */

static int64_t
ngx_http_entra_attempt_max(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    int64_t                     each, max;
    ngx_http_upstream_t        *u;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_entra_loc_conf_t  *lcf;

    u = r->upstream;
    lcf = ctx->lcf;

    if (lcf->attempt.conf == u->conf && u->resolved == NULL) {
        return lcf->attempt.max;
    }

    /* a connection and a TLS handshake, each has that time */

    each = 2 * (int64_t) u->conf->connect_timeout;

    max = each * ngx_http_entra_attempt_number(u);

    if (u->conf->next_upstream_timeout) {
        max = ngx_min(max, (int64_t) u->conf->next_upstream_timeout + each);
    }

    if (u->resolved) {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
        return max + clcf->resolver_timeout;
    }

    lcf->attempt.conf = u->conf;
    lcf->attempt.max = max;

    return max;
}


static ngx_uint_t
ngx_http_entra_attempt_number(ngx_http_upstream_t *u)
{
    ngx_uint_t                     i, n;
    ngx_http_upstream_server_t    *server;
    ngx_http_upstream_srv_conf_t  *us;
    ngx_http_upstream_rr_peers_t  *peers;

    if (u->resolved) {
        return u->resolved->sockaddr ? 1 : NGX_HTTP_ENTRA_ATTEMPTS;
    }

    us = u->conf->upstream;

    if (us == NULL) {
        return 1;
    }

    if (us->flags == 0) {

        /* no block of the user's: always balanced by nginx's round robin */

        peers = us->peer.data;
        return peers ? peers->number : NGX_HTTP_ENTRA_ATTEMPTS;
    }

    if (us->servers == NULL) {
        return NGX_HTTP_ENTRA_ATTEMPTS;
    }

    server = us->servers->elts;
    n = 0;

    for (i = 0; i < us->servers->nelts; i++) {
        n += server[i].naddrs ? server[i].naddrs : NGX_HTTP_ENTRA_ATTEMPTS;
    }

    return n;
}


static void
ngx_http_entra_attempt_expired(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_upstream_t      *u;
    ngx_http_entra_ctx_t     *ctx;
    ngx_http_entra_unsent_t  *unsent;

    unsent = ngx_http_entra_of(ev, ngx_http_entra_unsent_t, event);

    r = unsent->request;
    c = r->connection;
    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (u == NULL || u != unsent->upstream || u->request_sent
        || u->cleanup == NULL || ctx == NULL || ctx->sent.upstream != u)
    {
        return;
    }

    ngx_http_set_log_request(c->log, r);

    if (ngx_http_entra_attempt_again(r, ctx) != NGX_OK) {
        ngx_http_entra_attempt_end(r);
    }

    ngx_http_run_posted_requests(c);
}


/*
 * The function that ends an upstream is nginx's own, known by the request's
 * list of cleanups; it releases one reference, as after an answer.
 */

static void
ngx_http_entra_attempt_end(ngx_http_request_t *r)
{
    ngx_http_cleanup_pt  cleanup;

    cleanup = *r->upstream->cleanup;

    r->main->count++;

    cleanup(r);

    ngx_http_finalize_request(r, NGX_HTTP_SERVICE_UNAVAILABLE);
}


static void
ngx_http_entra_attempt_cleanup(void *data)
{
    ngx_http_entra_unsent_t  *unsent = data;

    if (unsent->event.timer_set) {
        ngx_del_timer(&unsent->event);
    }
}
