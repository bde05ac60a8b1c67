
/*
 * Copyright (C) nginx-entra authors
 *
 * A request on its way through the phases: which token is for it, early
 * answers, counting.
 */

#include "ngx_http_entra_request.h"


static ngx_int_t ngx_http_entra_begin(ngx_http_request_t *r,
    ngx_http_entra_ctx_t **result);
static ngx_int_t ngx_http_entra_path(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_prepare(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);
static ngx_int_t ngx_http_entra_prepare_second_tokens(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf);
static void ngx_http_entra_log_refusal(ngx_http_request_t *r,
    ngx_http_entra_token_t *token);
static ngx_int_t ngx_http_entra_no_token(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);
static void ngx_http_entra_missing_header(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf);


/*
 * NGX_DECLINED when there is nothing against the request: NGX_OK would let
 * "satisfy any" pass everything.
 */

ngx_int_t
ngx_http_entra_access_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_entra_ctx_t  *ctx;

    rc = ngx_http_entra_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_entra_decide(r, ctx, 1);

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


/* in both phases; NGX_DECLINED: the module has nothing to do here */

static ngx_int_t
ngx_http_entra_begin(ngx_http_request_t *r, ngx_http_entra_ctx_t **result)
{
    ngx_int_t                   rc;
    ngx_http_entra_ctx_t       *ctx;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

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

    rc = ngx_http_entra_path(r, ctx, lcf);
    if (rc != NGX_OK) {
        return rc;
    }

    *result = ctx;

    return ngx_http_entra_resolve(r, ctx);
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
ngx_http_entra_path(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_loc_conf_t *lcf)
{
    u_char       *p;
    entra_str_t   path;
    const char   *reason;

    if (lcf->path_raw || r != r->main || ctx->path_checked) {
        return NGX_OK;
    }

    path.data = (char *) r->unparsed_uri.data;
    path.len = r->unparsed_uri.len;

    p = memchr(path.data, '?', path.len);
    if (p) {
        path.len = p - (u_char *) path.data;
    }

    reason = entra_path_check(path);

    if (reason == NULL) {
        ctx->path_checked = 1;
        return NGX_OK;
    }

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
    char                        clean[64];
    ngx_str_t                   name;
    ngx_uint_t                  i;
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

    if (ngx_http_complex_value(r, auth->value, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    i = ngx_http_entra_auth_lookup(auth, &name);

    if (i < auth->tokens->nelts) {
        ctx->token = ((ngx_http_entra_token_t **) auth->tokens->elts)[i];
        ctx->policies = lcf->policies[i];
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

    rc = ngx_http_entra_begin(r, &ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_entra_decide(r, ctx, 0);
    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    /* nothing goes to an upstream from here: no token is needed */

    if (lcf->sent.pass == NULL) {
        return NGX_DECLINED;
    }

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

    if (lcf->second_tokens) {
        rc = ngx_http_entra_prepare_second_tokens(r, ctx, lcf);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


/* NGX_OK: there is a token; NGX_AGAIN: parked; otherwise an answer */

static ngx_int_t
ngx_http_entra_prepare(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    int64_t    now;
    ngx_int_t  rc;

    now = ngx_http_entra_clock();

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


static ngx_int_t
ngx_http_entra_prepare_second_tokens(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_http_entra_second_token_t  *second;

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

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx == NULL || ctx->token == NULL || ctx->counted
        || ctx->token->record == NULL)
    {
        return NGX_OK;
    }

    ctx->counted = 1;

    (void) ngx_atomic_fetch_add(&ctx->token->record->counters[ctx->status], 1);

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (ctx->lcf == lcf && ctx->sent.upstream == NULL
        && !lcf->warned_missing_header)
    {
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
