
/*
 * Copyright (C) nginx-entra authors
 *
 * The token meets the upstream request.  These handlers are behind private
 * variables, which only directives that make that request have (see
 * config/ngx_http_entra_upstream_value.c): nginx calls them in
 * create_request() and at no other time.  They give a token only when the
 * decision about exactly this request and the egress guard allow it.
 * Whatever speaks against it ends the request before a byte is sent.
 */

#include "ngx_http_entra_request.h"


typedef struct {
    ngx_event_t            event;
    ngx_log_t             *log;
    ngx_uint_t             level;
} ngx_http_entra_mute_t;


static ngx_int_t ngx_http_entra_inject_authorization(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_inject_second_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_inject_host(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_mute(ngx_http_request_t *r)
    ngx_http_entra_cold;
static void ngx_http_entra_unmute(ngx_event_t *ev);
static void ngx_http_entra_unmute_cleanup(void *data);
static ngx_int_t ngx_http_entra_inject_no_token(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx) ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_inject_line(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx) ngx_http_entra_cold;
static void ngx_http_entra_refuse(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx) ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_refuse_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);


const ngx_http_entra_upstream_values_t  ngx_http_entra_inject_values = {
    .authorization = ngx_http_entra_inject_authorization,
    .token = ngx_http_entra_inject_second_token,
    .host = ngx_http_entra_inject_host
};


/* an upstream that has no peers */

static ngx_http_upstream_srv_conf_t  ngx_http_entra_nowhere = {
    .peer = { .init = ngx_http_entra_refuse_peer }
};


/* when the first of its tokens ends */

static ngx_http_entra_hot int64_t
ngx_http_entra_inject_expires(ngx_http_entra_ctx_t *ctx)
{
    int64_t                   expires;
    ngx_uint_t                i;
    ngx_http_entra_second_token_t  *second;

    expires = ctx->token ? ctx->token->expires : INT64_MAX;

    if (ctx->lcf->second_tokens) {
        second = ctx->lcf->second_tokens->elts;

        for (i = 0; i < ctx->lcf->second_tokens->nelts; i++) {
            expires = ngx_min(expires, second[i].auth->token->expires);
        }
    }

    return expires;
}


/*
 * Cloned subrequests begin at the content phase, modules may have changed the
 * URI since the decision: nothing is taken for granted here.
 */

static ngx_http_entra_hot ngx_int_t
ngx_http_entra_inject_allowed(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    int64_t now)
{
    ngx_http_entra_pass_t  *pass;

    if (ngx_http_entra_resolve(r, ctx) != NGX_OK
        || ngx_http_entra_decide(r, ctx, 0) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* the client's own URI, which nginx has parsed, needs no other look */

    pass = ctx->lcf->sent.pass;

    if (pass && pass->proxy && (pass->variables || !r->valid_unparsed_uri)
        && ngx_http_entra_inject_line(r, ctx) != NGX_OK)
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

    if (!ngx_http_entra_token_usable(ctx->token, now)) {
        return ngx_http_entra_inject_no_token(r, ctx);
    }

    if (ctx->status == NGX_HTTP_ENTRA_NONE) {
        ctx->status = NGX_HTTP_ENTRA_HIT;
    }

    return ngx_http_entra_egress(r, ctx, ctx->token);
}


/* nginx's own handlers, around which are those of this module */

static ngx_http_entra_hot void
ngx_http_entra_inject_hook(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->reinit_request == ngx_http_entra_attempt_reinit) {
        return;
    }

    ctx->sent.reinit_request = u->reinit_request;
    u->reinit_request = ngx_http_entra_attempt_reinit;

    /* what headers of an answer set in the request itself */

    ctx->before.limit_rate = r->limit_rate;
    ctx->before.limit_rate_set = r->limit_rate_set;
    ctx->before.charset = r->headers_out.override_charset;

    ctx->sent.process_header = NULL;
    ngx_http_entra_replay_wrap(r, ctx);
}


/* once for each upstream request; then the same answer again */

static ngx_http_entra_hot ngx_int_t
ngx_http_entra_inject(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    int64_t               now;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ctx->sent.upstream == u) {
        return ctx->sent.refused ? NGX_DECLINED : NGX_OK;
    }

    ctx->sent.upstream = u;
    ctx->sent.refused = 0;
    ngx_str_null(&ctx->sent.value);

    now = ngx_http_entra_clock();

    if (((r->connection->log->log_level & NGX_LOG_DEBUG_HTTP)
         && ngx_http_entra_mute(r) != NGX_OK)
        || ngx_http_entra_inject_allowed(r, ctx, now) != NGX_OK)
    {
        ngx_http_entra_refuse(r, ctx);
        return NGX_DECLINED;
    }

    ctx->sent.expires = ngx_http_entra_inject_expires(ctx);

    /* that the location's requests are sent before is mostly known */

    if ((ctx->lcf->attempt.conf != u->conf || u->resolved
         || ctx->sent.expires - now < ctx->lcf->attempt.max)
        && ngx_http_entra_attempt_watch(r, ctx, ctx->sent.expires - now)
           != NGX_OK)
    {
        ngx_http_entra_refuse(r, ctx);
        return NGX_DECLINED;
    }

    ngx_http_entra_inject_hook(r, ctx);

    if (ctx->token) {
        ctx->sent.value = ctx->token->header;
        ctx->sent.generation = ctx->token->generation;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_inject_authorization(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    v->not_found = 1;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->auth == NULL || r->upstream == NULL) {
        return NGX_OK;
    }

    ctx = ngx_http_entra_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_entra_inject(r, ctx) != NGX_OK || ctx->sent.value.len == 0) {
        return NGX_OK;
    }

    /*
     * The worker's copy, not one of the request's: nothing looks at it after
     * create_request(), and one that was replaced is freed later
     */

    v->len = ctx->sent.value.len;
    v->data = ctx->sent.value.data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_inject_second_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                  i;
    ngx_str_t                  *header;
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_token_t     *token;
    ngx_http_entra_second_token_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    v->not_found = 1;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->second_tokens == NULL || r->upstream == NULL) {
        return NGX_OK;
    }

    ctx = ngx_http_entra_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_entra_inject(r, ctx) != NGX_OK) {
        return NGX_OK;
    }

    second = lcf->second_tokens->elts;

    for (i = 0; i < lcf->second_tokens->nelts; i++) {
        if (second[i].index != (ngx_int_t) data) {
            continue;
        }

        token = second[i].auth->token;

        if (!ngx_http_entra_token_usable(token, ngx_http_entra_clock())
            || ngx_http_entra_egress(r, ctx, token) != NGX_OK)
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


/*
 * A Host that has variables: the one that the guard has seen, or sees when it
 * comes to it.  data is the value as written.
 */

static ngx_int_t
ngx_http_entra_inject_host(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t                   host;
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->auth == NULL && lcf->second_tokens == NULL) {
        if (ngx_http_complex_value(r, (ngx_http_complex_value_t *) data, &host)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else {
        ctx = ngx_http_entra_get_ctx(r);

        if (ctx == NULL
            || ngx_http_entra_upstream_host(r, ctx,
                                            (ngx_http_complex_value_t *) data,
                                            &host)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_entra_variable_set(v, host.data, host.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_entra_upstream_host(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_complex_value_t *value, ngx_str_t *host)
{
    if (ctx->sent.host_upstream != r->upstream) {

        if (ngx_http_complex_value(r, value, &ctx->sent.host) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->sent.host_upstream = r->upstream;
    }

    *host = ctx->sent.host;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_inject_no_token(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx)
{
    ctx->status = ctx->token->expires ? NGX_HTTP_ENTRA_EXPIRED
                                      : NGX_HTTP_ENTRA_ERROR;

    ngx_http_entra_token_start_fetch(ctx->token);

    (void) ngx_http_entra_answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                 "No access token for the upstream is "
                                 "available at present.", 1);
    return NGX_DECLINED;
}


/*
 * proxy_pass with variables sends what they hold, as does "rewrite" with
 * variables in its arguments: decoded spaces and new lines would end the
 * request line, and begin another request that gets the token without a
 * decision
 */

static ngx_int_t
ngx_http_entra_inject_line(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    size_t     i;
    ngx_str_t  uri;

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

    ctx->sent.refused = 1;
    u = r->upstream;

    if (u->cleanup) {

        /* made once more for another attempt, which ends here */

        return;
    }

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


/*
 * A log at debug level has all that nginx writes into the upstream request.
 * The lines of HTTP are left out until this turn of the event loop ends.
 */

static ngx_int_t
ngx_http_entra_mute(ngx_http_request_t *r)
{
    ngx_log_t              *log;
    ngx_http_cleanup_t     *cln;
    ngx_http_entra_mute_t  *mute;

    log = r->connection->log;

    mute = ngx_palloc(r->pool, sizeof(ngx_http_entra_mute_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (mute == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_entra_unmute_cleanup;
    cln->data = mute;

    ngx_http_entra_event(&mute->event, ngx_http_entra_unmute, 1);

    mute->log = log;
    log->log_level &= ~NGX_LOG_DEBUG_HTTP;
    mute->level = log->log_level;

    ngx_post_event(&mute->event, &ngx_posted_next_events);

    return NGX_OK;
}


static void
ngx_http_entra_unmute(ngx_event_t *ev)
{
    ngx_http_entra_mute_t  *mute;

    mute = ngx_http_entra_of(ev, ngx_http_entra_mute_t, event);

    /* another location may have set its own since */

    if (mute->log->log_level == mute->level) {
        mute->log->log_level |= NGX_LOG_DEBUG_HTTP;
    }
}


static void
ngx_http_entra_unmute_cleanup(void *data)
{
    ngx_http_entra_mute_t  *mute = data;

    if (mute->event.posted) {
        ngx_delete_posted_event(&mute->event);
        ngx_http_entra_unmute(&mute->event);
    }
}
