
/*
 * Copyright (C) nginx-entra authors
 *
 * The token meets the upstream request: $entra_authorization has a value
 * only while that request is being made, and only when the decision about
 * exactly this request and the egress guard allow it.  Whatever speaks
 * against it ends the request before a byte is sent.
 */

#include "ngx_http_entra_module.h"


static ngx_int_t ngx_http_entra_inject_now(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_inject(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_inject_allowed(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_inject_line(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static void ngx_http_entra_refuse(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_refuse_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);


/* an upstream that has no peers */

static ngx_http_upstream_srv_conf_t  ngx_http_entra_nowhere = {
    .peer = { .init = ngx_http_entra_refuse_peer }
};


/*
 * nginx makes the upstream request in create_request(): the upstream has its
 * configuration by then, and not yet its output chain and cleanup handler.
 * After a failed connect the handler is gone again, and for an answer from
 * the cache no request is made at all.
 */

static ngx_int_t
ngx_http_entra_inject_now(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || u->conf == NULL || u->output.pool || u->cleanup
        || u->request_sent || r->header_sent || r->logged
        || r->main->count == 0)
    {
        return 0;
    }

#if (NGX_HTTP_CACHE)
    return !r->cached;
#else
    return 1;
#endif
}


ngx_int_t
ngx_http_entra_authorization(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    v->not_found = 1;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->auth == NULL || !ngx_http_entra_inject_now(r)) {
        return NGX_OK;
    }

    ctx = ngx_http_entra_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_entra_inject(r, ctx) != NGX_OK || ctx->value.len == 0) {
        return NGX_OK;
    }

    /*
     * The worker's copy, not one of the request's: it cannot change before
     * create_request() returns, and nothing looks at it later
     */

    v->len = ctx->value.len;
    v->data = ctx->value.data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_entra_second_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                  i;
    ngx_str_t                  *header;
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_token_t     *token;
    ngx_http_entra_second_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    v->not_found = 1;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->seconds == NULL || !ngx_http_entra_inject_now(r)) {
        return NGX_OK;
    }

    ctx = ngx_http_entra_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_entra_inject(r, ctx) != NGX_OK) {
        return NGX_OK;
    }

    second = lcf->seconds->elts;

    for (i = 0; i < lcf->seconds->nelts; i++) {
        if (second[i].index != (ngx_int_t) data) {
            continue;
        }

        token = second[i].auth->token;

        if (!ngx_http_entra_token_usable(token, ngx_http_entra_clock())
            || ngx_http_entra_egress_check(r, ctx, token) != NGX_OK)
        {
            ngx_http_entra_refuse(r, ctx);
            return NGX_OK;
        }

        header = &token->header;

        v->len = header->len - (sizeof("Bearer ") - 1);
        v->data = header->data + sizeof("Bearer ") - 1;
        v->valid = 1;
        v->no_cacheable = 1;
        v->not_found = 0;

        break;
    }

    return NGX_OK;
}


/* once for each upstream request; then the same answer again */

static ngx_int_t
ngx_http_entra_inject(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ctx->upstream == u) {
        return ctx->refused ? NGX_DECLINED : NGX_OK;
    }

    ctx->upstream = u;
    ctx->refused = 0;
    ngx_str_null(&ctx->value);

    if (ngx_http_entra_inject_allowed(r, ctx) != NGX_OK) {
        ngx_http_entra_refuse(r, ctx);
        return NGX_DECLINED;
    }

    ngx_http_entra_replay_hook(r, ctx);

    if (ctx->token) {
        ctx->value = ctx->token->header;
        ctx->generation = ctx->token->generation;
    }

    return NGX_OK;
}


/*
 * Cloned subrequests begin at the content phase, modules may have changed the
 * URI since the decision: nothing is taken for granted here.
 */

static ngx_int_t
ngx_http_entra_inject_allowed(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    if (ngx_http_entra_resolve(r, ctx) != NGX_OK
        || ngx_http_entra_decide(r, ctx, 0) != NGX_OK
        || ngx_http_entra_inject_line(r, ctx) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ctx->token == NULL) {
        return NGX_OK;
    }

    if (ctx->token->credential->core->type->per_caller
        && ctx->token->assertion == NULL
        && ngx_http_entra_obo(r, ctx) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (!ngx_http_entra_token_usable(ctx->token, ngx_http_entra_clock())) {

        ctx->status = ctx->token->header.len ? NGX_HTTP_ENTRA_EXPIRED
                                             : NGX_HTTP_ENTRA_ERROR;
        ngx_http_entra_token_kick(ctx->token);

        (void) ngx_http_entra_answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "No access token for the upstream is "
                                     "available at present.", 1);
        return NGX_DECLINED;
    }

    if (ctx->status == NGX_HTTP_ENTRA_NONE) {
        ctx->status = NGX_HTTP_ENTRA_HIT;
    }

    return ngx_http_entra_egress_check(r, ctx, ctx->token);
}


/*
 * proxy_pass with variables sends what they hold, as does "rewrite" with
 * variables in its arguments: decoded spaces and new lines would end the
 * request line, and begin another request that gets the token without being
 * judged
 */

static ngx_int_t
ngx_http_entra_inject_line(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    size_t                  i;
    ngx_str_t               uri;
    ngx_http_entra_pass_t  *pass;

    pass = ctx->lcf->pass;

    /* the client's own URI, which nginx has parsed, is none of these */

    if (pass == NULL || !pass->proxy
        || (!pass->variables && r->valid_unparsed_uri))
    {
        return NGX_OK;
    }

    if (ngx_http_entra_upstream_uri(r, ctx->lcf, 0, &uri) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = 0; i < uri.len; i++) {
        if (uri.data[i] <= ' ' || uri.data[i] == 0x7f) {
            break;
        }
    }

    if (i == uri.len) {
        return NGX_OK;
    }

    ctx->status = NGX_HTTP_ENTRA_BLOCKED;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "entra: the request line for the upstream would have a "
                  "space or a control character in its URI; in \"proxy_pass\" "
                  "use $request_uri, or no variables, instead of $uri");

    (void) ngx_http_entra_answer(r, ctx, NGX_HTTP_BAD_REQUEST,
                                 "The request path is ambiguous.", 0);
    return NGX_DECLINED;
}


/*
 * The variable's handler cannot stop the request that is being made, but it
 * can send it nowhere: nginx asks for a peer next, before it connects.
 */

static void
ngx_http_entra_refuse(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *conf;

    ctx->refused = 1;
    u = r->upstream;

    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));
    if (conf == NULL) {

        /* still no token: the variable stays empty */
        return;
    }

    *conf = *u->conf;
    conf->upstream = &ngx_http_entra_nowhere;

    u->conf = conf;
    u->resolved = NULL;
}


static ngx_int_t
ngx_http_entra_refuse_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    /* nginx answers 500, which the header filter turns into ours */

    return NGX_ERROR;
}
