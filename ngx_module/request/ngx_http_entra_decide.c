
/*
 * Copyright (C) nginx-entra authors
 *
 * The decision about a request: which policies, which signals, what follows.
 */

#include "ngx_http_entra_request.h"
#include "ngx_http_entra_recent.h"


static ngx_int_t ngx_http_entra_decide_sets(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_uint_t early);
static ngx_int_t ngx_http_entra_decide_set(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_policies_t *set,
    ngx_http_entra_credential_t *credential, ngx_uint_t early);
static ngx_int_t ngx_http_entra_decide_operation(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_uint_t early);
static void ngx_http_entra_decide_read(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_str_t *method, ngx_str_t *uri,
    char *scratch);
static ngx_int_t ngx_http_entra_decide_workspace(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_decide_method(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_str_t *method);
static void ngx_http_entra_decide_remember(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static void ngx_http_entra_decide_count(ngx_http_entra_decision_t *decision);
static ngx_int_t ngx_http_entra_decide_answer(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_credential_t *credential);
static ngx_int_t ngx_http_entra_decide_refuse(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_decision_t *decision);


/* there are policies, or a workspace: see ngx_http_entra_decide() */

ngx_int_t
ngx_http_entra_evaluate(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_uint_t early)
{
    ngx_int_t                   rc;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ctx->lcf;

    if (ctx->decision == NULL) {
        ctx->decision = ngx_palloc(r->pool, sizeof(ngx_http_entra_decision_t));
        if (ctx->decision == NULL) {
            return NGX_ERROR;
        }

        /* results of policies are only looked at where there is one */

        ngx_memzero(ctx->decision, offsetof(ngx_http_entra_decision_t,
                                            result.results));
    }

    rc = ngx_http_entra_signals(r, ctx, &ctx->decision->signals);

    if (rc == NGX_OK) {
        rc = ngx_http_entra_signal_headers(r, lcf, ctx->decision);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_entra_decide_operation(r, ctx, early);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_entra_decide_sets(r, ctx, early);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ctx->decision->signals.early) {
        ctx->decision->counted = 1;
        ngx_http_entra_decide_remember(r, ctx);
    }

    return NGX_OK;
}


/* the policies of every credential whose token the request would get */

static ngx_int_t
ngx_http_entra_decide_sets(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_uint_t early)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_http_entra_second_token_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ctx->lcf;

    if (lcf->second_policies) {
        second = lcf->second_tokens->elts;

        for (i = 0; i < lcf->second_tokens->nelts; i++) {
            rc = ngx_http_entra_decide_set(r, ctx, second[i].policies,
                                           second[i].auth->token->credential,
                                           early);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return ngx_http_entra_decide_set(r, ctx, ctx->policies,
                                     ctx->policies
                                     ? ctx->token->credential : NULL, early);
}


static ngx_int_t
ngx_http_entra_decide_set(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_policies_t *set, ngx_http_entra_credential_t *credential,
    ngx_uint_t early)
{
    ngx_http_entra_decision_t  *decision;

    if (set == NULL) {
        return NGX_OK;
    }

    decision = ctx->decision;

    entra_decide(set->policies, set->n, &decision->signals, &decision->result);
    decision->credential = credential;
    decision->made = 1;

    if (decision->result.outcome == ENTRA_ALLOW) {

        if (!decision->signals.early && !decision->counted) {
            ngx_http_entra_decide_count(decision);
        }

        return NGX_OK;
    }

    /* once, although "satisfy any" asks on */

    if (!decision->denied) {
        ngx_http_entra_decide_count(decision);
    }

    return ngx_http_entra_decide_answer(r, ctx, credential);
}


/* what the upstream will get; unknown while it cannot be told */

static ngx_int_t
ngx_http_entra_decide_operation(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_uint_t early)
{
    char                       *scratch;
    ngx_int_t                   rc;
    ngx_str_t                   uri, method;
    ngx_http_entra_decision_t    *decision;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ctx->lcf;
    decision = ctx->decision;

    decision->signals.early = 0;
    decision->signals.operation = NULL;

    if (!lcf->operations && !lcf->confine) {
        return NGX_OK;
    }

    if (lcf->sent.pass == NULL && r->content_handler == NULL) {

        /* nothing is sent from here (try_files, an index): where it goes on
           to, it is evaluated again */

        decision->signals.early = 1;
        return NGX_OK;
    }

    rc = ngx_http_entra_upstream_uri(r, lcf, early, &uri);

    if (rc == NGX_AGAIN || (early && lcf->varies)) {
        decision->signals.early = 1;
        return NGX_OK;
    }

    if (rc != NGX_OK
        || ngx_http_entra_decide_method(r, ctx, &method) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    scratch = ngx_pnalloc(r->pool, entra_operation_scratch(uri.len));
    if (scratch == NULL) {
        return NGX_ERROR;
    }

    ngx_http_entra_decide_read(r, ctx, &method, &uri, scratch);

    if (decision->overridden && decision->operation.ambiguous == NULL) {
        decision->operation.ambiguous = "is overridden by a header";
    }

    decision->signals.operation = &decision->operation;
    decision->path = (entra_str_t) { uri.len, (char *) uri.data };

    return lcf->confine ? ngx_http_entra_decide_workspace(r, ctx) : NGX_OK;
}


/* the client's own request line was looked at before */

static void
ngx_http_entra_decide_read(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_str_t *method, ngx_str_t *uri, char *scratch)
{
    entra_str_t         name, path;
    entra_operation_t  *operation;

    operation = &ctx->decision->operation;

    name.data = (char *) method->data;
    name.len = method->len;

    path.data = (char *) uri->data;

    if (ctx->plain && uri->data == r->unparsed_uri.data
        && uri->len == r->unparsed_uri.len)
    {
        path.len = ctx->plain;
        entra_operation_init_plain(operation, name, path, scratch);

    } else {
        path.len = uri->len;
        entra_operation_init(operation, name, path, scratch);
    }
}


/* as ngx_http_proxy_create_request() finds it */

static ngx_int_t
ngx_http_entra_decide_method(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_str_t *method)
{
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ctx->lcf;
    *method = r->method_name;

    if (lcf->sent.pass == NULL || !lcf->sent.pass->proxy) {
        return NGX_OK;
    }

    if (ngx_http_entra_converted(r, ctx)) {
        *method = r->upstream->method;
        return NGX_OK;
    }

    return lcf->sent.method
           ? ngx_http_complex_value(r, lcf->sent.method, method) : NGX_OK;
}


/* entra_workspace FILE confine */

static ngx_int_t
ngx_http_entra_decide_workspace(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx)
{
    u_char                       *query;
    entra_str_t                   path;
    ngx_http_entra_credential_t  *credential;

    path = ctx->decision->path;

    query = memchr(path.data, '?', path.len);
    if (query) {
        path.len = query - (u_char *) path.data;
    }

    if (entra_workspace_match(ctx->lcf->workspace, path)
        == ENTRA_WORKSPACE_SAME)
    {
        return NGX_OK;
    }

    credential = ctx->token ? ctx->token->credential : NULL;

    entra_decide_workspace(&ctx->decision->result);
    ctx->decision->credential = credential;
    ctx->decision->made = 1;

    if (!ctx->decision->denied) {
        ngx_http_entra_decide_count(ctx->decision);
    }

    return ngx_http_entra_decide_answer(r, ctx, credential);
}


static void
ngx_http_entra_decide_remember(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx)
{
    ctx->decided.exact = 1;
    ctx->decided.uri = r->uri;
    ctx->decided.args = r->args;
    ctx->decided.method = r->method_name;
    ctx->decided.unparsed = r->valid_unparsed_uri;
    ctx->decided.internal = r->internal;
}


static void
ngx_http_entra_decide_count(ngx_http_entra_decision_t *decision)
{
    ngx_uint_t                    i;
    ngx_atomic_t                 *counters;
    entra_store_atomics_t        *rec;
    const entra_policy_result_t  *result;

    counters = ngx_http_entra_zone_counters(ngx_http_entra_worker->conf);

    switch (decision->result.outcome) {
    case ENTRA_ALLOW:
        counters += NGX_HTTP_ENTRA_COUNT_ALLOW;
        break;
    case ENTRA_UNDETERMINED:
        counters += NGX_HTTP_ENTRA_COUNT_UNDETERMINED;
        break;
    default:
        counters += NGX_HTTP_ENTRA_COUNT_DENY;
    }

    (void) ngx_atomic_fetch_add(counters, 1);

    if (decision->result.outcome != ENTRA_ALLOW) {
        counters = ngx_http_entra_zone_counters(ngx_http_entra_worker->conf)
                   + NGX_HTTP_ENTRA_COUNT_REASON;

        (void) ngx_atomic_fetch_add(&counters[decision->result.outcome
                                              == ENTRA_UNDETERMINED
                                              ? ENTRA_REASON_NONE
                                              : decision->result.reason], 1);
    }

    for (i = 0; i < decision->result.npolicies; i++) {
        rec = decision->result.policies[i]->data;
        result = &decision->result.results[i];

        if (rec) {
            (void) ngx_atomic_fetch_add(&rec->counters[result->result], 1);
        }
    }
}


static ngx_int_t
ngx_http_entra_decide_answer(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_credential_t *credential)
{
    entra_buf_t              line;
    entra_decision_t        *decision;

    decision = &ctx->decision->result;
    ctx->status = NGX_HTTP_ENTRA_BLOCKED;

    entra_buf_init(&line, ENTRA_DECISION_JSON_MAX);
    entra_decision_line(decision, &ctx->decision->signals, &line);

    if (line.data && credential && !ctx->decision->denied) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "entra credential \"%V\": %s", &credential->name,
                      line.data);

    } else if (line.data && !ctx->decision->denied) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "entra: %s",
                      line.data);
    }

    if (line.data && !ctx->decision->denied) {
        ngx_http_entra_recent_denial(ngx_http_entra_worker->conf,
                                     decision->status,
                                     decision->outcome == ENTRA_UNDETERMINED
                                     ? ENTRA_REASON_NONE : decision->reason,
                                     credential ? &credential->name : NULL,
                                     entra_buf_str(&line));
    }

    entra_buf_free(&line);
    ctx->decision->denied = 1;

    return ngx_http_entra_decide_refuse(r, ctx, decision);
}


static ngx_int_t
ngx_http_entra_decide_refuse(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    entra_decision_t *decision)
{
    switch (decision->status) {

    case NGX_HTTP_UNAUTHORIZED:
        ctx->answer.challenge = decision->reason == ENTRA_REASON_INVALID_TOKEN
                         ? "error=\"invalid_token\"" : NULL;

        return ngx_http_entra_answer(r, ctx, NGX_HTTP_UNAUTHORIZED,
                                     "Authentication of the caller is "
                                     "required or has failed.", 0);

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return ngx_http_entra_answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "The gateway cannot decide about this "
                                     "request at present.", 5);

    default:

        if (decision->step_up) {
            ngx_http_entra_answer_step_up(r, ctx, decision->step_up);

            return ngx_http_entra_answer(r, ctx, NGX_HTTP_UNAUTHORIZED,
                                         "Access needs an authentication "
                                         "context that the caller's token "
                                         "does not have; the claims challenge "
                                         "asks for it.", 0);
        }

        return ngx_http_entra_answer(r, ctx, NGX_HTTP_FORBIDDEN,
                                     decision->no_step_up
                                     ? "Access needs an authentication "
                                       "context, and the caller's token does "
                                       "not say that its client can answer a "
                                       "claims challenge (xms_cc)."
                                     : "Access has been blocked by "
                                       "Conditional Access policies.", 0);
    }
}
