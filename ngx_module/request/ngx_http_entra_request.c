
/*
 * Copyright (C) nginx-entra authors
 *
 * A request on its way through the phases: which token is for it, early
 * answers, counting.
 */

#include "ngx_http_entra_request.h"


static ngx_int_t ngx_http_entra_path(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_path_refuse(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, const char *reason) ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_resolve_variable(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_auth_t *auth)
    ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_prepare_slowly(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token, int64_t now)
    ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_prepare_all(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf)
    ngx_http_entra_cold;
static void ngx_http_entra_log_refusal(ngx_http_request_t *r,
    ngx_http_entra_token_t *token);
static ngx_int_t ngx_http_entra_no_token(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);
static void ngx_http_entra_missing_header(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf)
    ngx_http_entra_cold;


/*
 * Before limit_req and limit_conn, when some directive asks who calls: that
 * is known to them, or the time is over, or too many wait already: the others
 * are limited as unknown, by address, and wait in the access phase.
 */

ngx_int_t
ngx_http_entra_preaccess_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    entra_signals_t              signals;
    ngx_http_entra_ctx_t        *ctx;
    ngx_http_entra_loc_conf_t   *lcf;
    ngx_http_entra_main_conf_t  *mcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if ((lcf->auth == NULL && lcf->second_tokens == NULL)
        || lcf->page.is_page || r->headers_in.authorization == NULL)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_entra_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->waiter && ctx->waiter->token) {
        return NGX_AGAIN;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    if (ngx_http_entra_caller_token_crowded(mcf)) {
        return NGX_DECLINED;
    }

    rc = ngx_http_entra_caller_token_signal(r, ctx, &signals);

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


/* in both phases; NGX_DECLINED: the module has nothing to do here */

static ngx_http_entra_hot ngx_int_t
ngx_http_entra_begin(ngx_http_request_t *r, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_int_t              rc;
    ngx_http_entra_ctx_t  *ctx;

    if ((lcf->auth == NULL && lcf->second_tokens == NULL)
        || lcf->page.is_page)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_entra_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->waiter && ctx->waiter->token) {
        return NGX_AGAIN;
    }

    if (ngx_http_get_module_loc_conf(r, ngx_http_core_module)
        == lcf->clone.location
        && ngx_http_entra_replay_foreign(r, ctx, lcf))
    {
        return NGX_HTTP_NOT_FOUND;
    }

    if (!lcf->path_raw && r == r->main && !ctx->path_checked) {
        rc = ngx_http_entra_path(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_http_entra_resolve(r, ctx);
}


/* NGX_OK: there is a token; NGX_AGAIN: parked; otherwise an answer */

static ngx_http_entra_hot ngx_int_t
ngx_http_entra_prepare(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    if (!ngx_http_entra_token_usable(token, now) || now >= token->refresh
        || r->internal)
    {
        return ngx_http_entra_prepare_slowly(r, ctx, token, now);
    }

    ctx->status = ctx->waited ? NGX_HTTP_ENTRA_WAIT : NGX_HTTP_ENTRA_HIT;

    return NGX_OK;
}


/*
 * NGX_DECLINED when there is nothing against the request: NGX_OK would let
 * "satisfy any" pass everything.  Where nothing is decided, what remains to be
 * done is done before the content.
 */

ngx_int_t
ngx_http_entra_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->no_decision) {
        return NGX_DECLINED;
    }

    rc = ngx_http_entra_begin(r, lcf);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    rc = ngx_http_entra_decide(r, ctx, 1);

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


/*
 * An internal redirect forgets the contexts of modules, but not the values of
 * variables: one that nobody can ask for leads to the earlier contexts of a
 * request and of its subrequests.
 */

ngx_http_entra_ctx_t *
ngx_http_entra_create_ctx(ngx_http_request_t *r)
{
    ngx_http_entra_ctx_t        *ctx;
    ngx_http_variable_value_t   *v;
    ngx_http_entra_main_conf_t  *mcf;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_entra_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);
    v = &r->variables[mcf->ctx_index];

    ctx->request = r;
    ctx->earlier = (ngx_http_entra_ctx_t *) v->data;
    v->data = (u_char *) ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_entra_module);

    return ctx;
}


/* NULL: the module had nothing to do with it */

ngx_http_entra_ctx_t *
ngx_http_entra_find_ctx(ngx_http_request_t *r)
{
    ngx_http_entra_ctx_t        *ctx, *kept;
    ngx_http_entra_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx && (ctx->resolved || ctx->answer.status)) {
        return ctx;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);
    kept = (ngx_http_entra_ctx_t *) r->variables[mcf->ctx_index].data;

    while (kept && (kept->request != r || kept == ctx)) {
        kept = kept->earlier;
    }

    return kept ? kept : ctx;
}


/* a path that can be read in two ways is refused, not evaluated */

static ngx_int_t
ngx_http_entra_path(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    entra_str_t   target;
    const char   *reason;

    target.len = r->unparsed_uri.len;
    target.data = (char *) r->unparsed_uri.data;

    ctx->plain = entra_path_plain(target);

    if (ctx->plain == 0) {
        reason = entra_path_check_target(target);

        if (reason) {
            return ngx_http_entra_path_refuse(r, ctx, reason);
        }
    }

    ctx->path_checked = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_path_refuse(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    const char *reason)
{
    (void) ngx_atomic_fetch_add(ngx_http_entra_zone_counters(
                                    ngx_http_entra_worker->conf)
                                + NGX_HTTP_ENTRA_COUNT_PATH, 1);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "entra: the path %s (entra_path strict)", reason);

    return ngx_http_entra_answer(r, ctx, NGX_HTTP_BAD_REQUEST,
                                 "The request path is ambiguous.", 0);
}


/* see ngx_http_entra_resolve() */

ngx_int_t
ngx_http_entra_resolve_auth(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_http_entra_auth_t      *auth;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);
    auth = lcf->auth;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ctx->resolved = 1;
    ctx->lcf = lcf;
    ctx->location = clcf == lcf->clone.location ? lcf->clone.of : clcf->name;
    ctx->decided.exact = 0;
    ctx->token = NULL;
    ctx->policies = NULL;

    if (auth == NULL) {
        return NGX_OK;
    }

    if (auth->token) {
        ctx->token = auth->token;
        ctx->policies = lcf->policies[0];
        return NGX_OK;
    }

    return ngx_http_entra_resolve_variable(r, ctx, auth);
}


/* the variable names one of the credentials */

static ngx_int_t
ngx_http_entra_resolve_variable(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_auth_t *auth)
{
    char        clean[64];
    ngx_str_t   name;
    ngx_uint_t  i;

    if (ngx_http_complex_value(r, auth->value, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    i = ngx_http_entra_auth_lookup(auth, &name);

    if (i < auth->tokens->nelts) {
        ctx->token = ((ngx_http_entra_token_t **) auth->tokens->elts)[i];
        ctx->policies = ctx->lcf->policies[i];
        return NGX_OK;
    }

    ctx->resolved = 0;
    ctx->status = NGX_HTTP_ENTRA_BLOCKED;

    entra_err_clean(clean, sizeof(clean),
                    (entra_str_t) { name.len, (char *) name.data });

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "entra_auth: the variable names no credential: \"%s\"",
                  clean);

    return ngx_http_entra_answer(r, ctx, NGX_HTTP_FORBIDDEN,
                                 "No credential is configured for this "
                                 "request.", 0);
}


/*
 * Runs for every request that goes on to the content phase, subrequests and
 * internal redirects included.  It may be entered again while the request is
 * parked.  NGX_DECLINED lets mirror and try_files run.
 */

ngx_int_t
ngx_http_entra_precontent_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    rc = ngx_http_entra_begin(r, lcf);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    rc = ngx_http_entra_decide(r, ctx, 0);
    if (rc != NGX_OK) {
        return rc;
    }

    /* nothing goes to an upstream from here: no token is needed */

    if (lcf->sent.pass == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->token == NULL || lcf->second_tokens
        || ctx->token->credential->core->type->per_caller)
    {
        rc = ngx_http_entra_prepare_all(r, ctx, lcf);

    } else {
        rc = ngx_http_entra_prepare(r, ctx, ctx->token);
    }

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


/* there is none, one that has to be refreshed, or perhaps a refused one */

static ngx_int_t
ngx_http_entra_prepare_slowly(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token, int64_t now)
{
    ngx_int_t  rc;

    if (ngx_http_entra_token_usable(token, now)) {

        if (now >= token->refresh && token->acquire == NULL) {
            ngx_http_entra_token_start_fetch(token);
        }

        if (!ngx_http_entra_replay_waits(r, ctx, token)) {
            ctx->status = ctx->waited ? NGX_HTTP_ENTRA_WAIT
                                      : NGX_HTTP_ENTRA_HIT;
            return NGX_OK;
        }

        rc = ngx_http_entra_park(r, ctx, token);

        /* the old token, and the upstream's own answer to it */

        return rc == NGX_DECLINED ? NGX_OK : rc;
    }

    rc = token->assertion && ngx_http_entra_obo_settled(token)
         ? NGX_DECLINED : ngx_http_entra_park(r, ctx, token);

    return rc == NGX_DECLINED ? ngx_http_entra_no_token(r, ctx, token) : rc;
}


/* a caller's token, and those of entra_token */

static ngx_int_t
ngx_http_entra_prepare_all(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_loc_conf_t *lcf)
{
    ngx_int_t                       rc;
    ngx_uint_t                      i;
    ngx_http_entra_second_token_t  *second;

    if (ctx->token && ctx->token->credential->core->type->per_caller
        && ctx->token->assertion == NULL)
    {
        rc = ngx_http_entra_obo(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ctx->token) {
        rc = ngx_http_entra_prepare(r, ctx, ctx->token);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (lcf->second_tokens == NULL) {
        return NGX_OK;
    }

    second = lcf->second_tokens->elts;

    for (i = 0; i < lcf->second_tokens->nelts; i++) {
        rc = ngx_http_entra_prepare(r, ctx, second[i].auth->token);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_no_token(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    int64_t      after;
    ngx_uint_t   status;
    const char  *detail;

    ctx->status = token->expires ? NGX_HTTP_ENTRA_EXPIRED
                                 : NGX_HTTP_ENTRA_ERROR;

    after = (ngx_http_entra_token_next(token) + 999) / 1000;

    status = token->assertion
             ? ngx_http_entra_obo_refused(r, ctx, token, &detail) : 0;

    if (status) {
        return ngx_http_entra_answer(r, ctx, status, detail, 0);
    }

    ngx_http_entra_log_refusal(r, token);

    return ngx_http_entra_answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                 "No access token for the upstream is "
                                 "available at present.", ngx_max(after, 1));
}


/* an outage does not write a line for each request: they are counted */

static void
ngx_http_entra_log_refusal(ngx_http_request_t *r,
    ngx_http_entra_token_t *token)
{
    u_char   name[NGX_HTTP_ENTRA_NAME_MAX];
    int64_t  now;

    now = ngx_http_entra_clock();

    if (token->refusal && now - token->refusal < NGX_HTTP_ENTRA_REFUSAL_LOG) {
        token->refusals++;
        return;
    }

    (void) ngx_http_entra_token_name(token, name);

    if (token->refusals) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "%s: no valid token, the request is refused, as %ui "
                      "others were since the last such line; the reason is in "
                      "the log of the last attempt and in entra_status",
                      name, token->refusals);

    } else {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "%s: no valid token, the request is refused; the reason "
                      "is in the log of the last attempt and in entra_status",
                      name);
    }

    token->refusal = now;
    token->refusals = 0;
}


ngx_int_t
ngx_http_entra_log_handler(ngx_http_request_t *r)
{
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx == NULL || !ctx->resolved) {
        ctx = ngx_http_entra_find_ctx(r);
    }

    if (ctx == NULL || ctx->token == NULL || ctx->counted
        || ctx->token->record == NULL)
    {
        return NGX_OK;
    }

    ctx->counted = 1;

    (void) ngx_atomic_fetch_add(&ctx->token->record->counters[ctx->status], 1);

    if (ctx->sent.upstream) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (ctx->lcf == lcf && !lcf->warned_missing_header) {
        ngx_http_entra_missing_header(r, ctx, lcf);
    }

    return NGX_OK;
}


static void
ngx_http_entra_missing_header(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_loc_conf_t *lcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->auth == NULL || r->upstream == NULL || !r->upstream->request_sent
        || r->upstream->conf == NULL)
    {
        return;
    }

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return;
    }
#endif

    lcf->warned_missing_header = 1;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "location \"%V\" uses entra_auth, but its requests go out "
                  "without the token; write \"include entra_proxy.conf;\" or "
                  "\"proxy_set_header Authorization $entra_authorization;\" "
                  "at that level", &clcf->name);
}
