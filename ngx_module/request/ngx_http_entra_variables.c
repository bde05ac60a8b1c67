
/*
 * Copyright (C) nginx-entra authors
 *
 * The variables that tell of a request: for access_log, add_header, map.
 * Those that hold a token are in ngx_http_entra_inject.c.
 */

#include "ngx_http_entra_request.h"


typedef enum {
    NGX_HTTP_ENTRA_DECISION = 0,
    NGX_HTTP_ENTRA_DENIED_BY,
    NGX_HTTP_ENTRA_WOULD_DENY,
    NGX_HTTP_ENTRA_OPERATION,
    NGX_HTTP_ENTRA_LOCATION,
    NGX_HTTP_ENTRA_DECISION_JSON
} ngx_http_entra_about_e;


static ngx_int_t ngx_http_entra_variable_credential(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_expires(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_replayed(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_caller(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_decision(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_entra_variable_about(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, uintptr_t data, entra_buf_t *b);
static void ngx_http_entra_variable_json(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_buf_t *b);


static ngx_http_variable_t  ngx_http_entra_vars[] = {

    /* its value is behind a private name: see ngx_http_entra_inject.c */

    { ngx_string("entra_authorization"), NULL,
      ngx_http_entra_no_value, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_NOHASH, 0 },

    { ngx_string("entra_credential"), NULL,
      ngx_http_entra_variable_credential, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_scope"), NULL, ngx_http_entra_variable_credential, 1,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_token_status"), NULL, ngx_http_entra_variable_status,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_reason"), NULL, ngx_http_entra_variable_reason, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_token_expires_in"), NULL,
      ngx_http_entra_variable_expires, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_replayed"), NULL, ngx_http_entra_variable_replayed, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_decision"), NULL, ngx_http_entra_variable_decision,
      NGX_HTTP_ENTRA_DECISION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_denied_by"), NULL, ngx_http_entra_variable_decision,
      NGX_HTTP_ENTRA_DENIED_BY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_would_deny"), NULL, ngx_http_entra_variable_decision,
      NGX_HTTP_ENTRA_WOULD_DENY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_caller"), NULL, ngx_http_entra_variable_caller, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_caller_id"), NULL, ngx_http_entra_variable_caller, 1,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_operation"), NULL, ngx_http_entra_variable_decision,
      NGX_HTTP_ENTRA_OPERATION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_location"), NULL, ngx_http_entra_variable_decision,
      NGX_HTTP_ENTRA_LOCATION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_decision_json"), NULL,
      ngx_http_entra_variable_decision, NGX_HTTP_ENTRA_DECISION_JSON,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    /* no configuration can name it: see ngx_http_entra_find_ctx() */

    { ngx_string("entra context"), NULL, ngx_http_entra_no_value, 0, 0,
      0 },

    { ngx_string("entra_subscription_id"), NULL,
      ngx_http_entra_workspace_variable, 0, 0, 0 },

    { ngx_string("entra_resource_group"), NULL,
      ngx_http_entra_workspace_variable, 1, 0, 0 },

    { ngx_string("entra_workspace_name"), NULL,
      ngx_http_entra_workspace_variable, 2, 0, 0 },

    { ngx_string("entra_workspace_path"), NULL,
      ngx_http_entra_workspace_variable, 3, 0, 0 },

      ngx_http_null_variable
};


const ngx_str_t  ngx_http_entra_status_names[] = {
    ngx_string("-"),
    ngx_string("HIT"),
    ngx_string("WAIT"),
    ngx_string("EXPIRED"),
    ngx_string("ERROR"),
    ngx_string("BLOCKED")
};


ngx_int_t
ngx_http_entra_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_entra_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_entra_variables_index(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_str_t  name = ngx_string("entra context");

    mcf->ctx_index = ngx_http_get_variable_index(cf, &name);

    return mcf->ctx_index == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


ngx_uint_t
ngx_http_entra_variables_caller(ngx_conf_t *cf)
{
    ngx_str_t  caller = ngx_string("entra_caller");
    ngx_str_t  id = ngx_string("entra_caller_id");

    return ngx_http_entra_conf_asked(cf, &caller)
           || ngx_http_entra_conf_asked(cf, &id);
}


static ngx_int_t
ngx_http_entra_variable_credential(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             *text;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx == NULL || ctx->token == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    text = data ? &ctx->token->scope : &ctx->token->credential->name;

    ngx_http_entra_variable_set(v, text->data, text->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const ngx_str_t       *name;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx == NULL || ctx->status == NGX_HTTP_ENTRA_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = &ngx_http_entra_status_names[ctx->status];

    ngx_http_entra_variable_set(v, name->data, name->len);

    return NGX_OK;
}


const char *
ngx_http_entra_reason(ngx_uint_t reason)
{
    static const char *const  names[] = {
        "undetermined", "invalid_certificate", "invalid_token", "block",
        "controls", "no_grant", "too_many_policies", "other_workspace"
    };

    return names[reason];
}


/* why the module itself answered, "-" when it did not */

static ngx_int_t
ngx_http_entra_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char               *word;
    ngx_http_entra_ctx_t     *ctx;
    ngx_http_entra_decision_t  *decision;

    ctx = ngx_http_entra_find_ctx(r);
    decision = ctx ? ctx->decision : NULL;

    if (ctx == NULL || ctx->answer.status == 0) {
        word = "-";

    } else if (decision && decision->made
               && decision->result.outcome != ENTRA_ALLOW)
    {
        word = ngx_http_entra_reason(decision->result.outcome
                                     == ENTRA_UNDETERMINED
                                     ? ENTRA_REASON_NONE
                                     : decision->result.reason);

    } else {
        switch (ctx->answer.status) {
        case NGX_HTTP_BAD_REQUEST:
            word = "ambiguous_path";
            break;
        case NGX_HTTP_UNAUTHORIZED:
            word = "not_exchanged";
            break;
        case NGX_HTTP_FORBIDDEN:
            word = "no_credential";
            break;
        case NGX_HTTP_SERVICE_UNAVAILABLE:
            word = "no_token";
            break;
        default:
            word = "egress";
        }
    }

    ngx_http_entra_variable_set(v, word, ngx_strlen(word));

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_variable_expires(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                *p;
    int64_t                left;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx == NULL || ctx->token == NULL || ctx->token->expires == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    left = (ctx->token->expires - ngx_http_entra_clock()) / 1000;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_entra_variable_set(v, p, ngx_sprintf(p, "%L", ngx_max(left, 0))
                                      - p);
    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_variable_replayed(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_entra_ctx_t   *ctx;
    ngx_http_entra_replay_state_t  *kept;

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx == NULL || ctx->token == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    kept = ngx_http_entra_replay_state(r);

    ngx_http_entra_variable_set(v, kept && kept->replayed ? "1" : "0", 1);

    return NGX_OK;
}


/* in each phase and location, whether something was decided or not */

static ngx_int_t
ngx_http_entra_variable_caller(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                *p;
    entra_buf_t            b;
    entra_signals_t        now, *signals;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx && ctx->decision && ctx->decision->made) {
        signals = &ctx->decision->signals;

    } else {

        if (ctx == NULL || !ctx->caller.known) {
            ctx = ngx_http_entra_get_ctx(r);
            if (ctx == NULL) {
                return NGX_ERROR;
            }
        }

        ngx_http_entra_signal_caller(r, ctx, &now);
        signals = &now;
    }

    entra_buf_init(&b, 2048);

    if (data) {
        entra_signals_caller_id(signals, &b);

    } else {
        entra_signals_caller(signals, &b);
    }

    p = entra_buf_ok(&b) ? ngx_pnalloc(r->pool, b.len) : NULL;

    if (p == NULL) {
        entra_buf_free(&b);
        return NGX_ERROR;
    }

    ngx_memcpy(p, b.data, b.len);
    ngx_http_entra_variable_set(v, p, b.len);

    entra_buf_free(&b);

    return NGX_OK;
}


/* "-" where nothing was decided; of the object nothing, for "if=" of a log */

static ngx_int_t
ngx_http_entra_variable_decision(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                *p;
    entra_buf_t            b;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_entra_find_ctx(r);

    if (ctx == NULL || ctx->decision == NULL || !ctx->decision->made) {

        if (data == NGX_HTTP_ENTRA_DECISION_JSON) {
            v->not_found = 1;

        } else {
            ngx_http_entra_variable_set(v, "-", 1);
        }

        return NGX_OK;
    }

    entra_buf_init(&b, ENTRA_DECISION_JSON_MAX);
    ngx_http_entra_variable_about(r, ctx, data, &b);

    if (b.len == 0) {
        entra_buf_add_char(&b, '-');
    }

    p = entra_buf_ok(&b) ? ngx_pnalloc(r->pool, b.len) : NULL;

    if (p == NULL) {
        entra_buf_free(&b);
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_memcpy(p, b.data, b.len);
    ngx_http_entra_variable_set(v, p, b.len);

    entra_buf_free(&b);

    return NGX_OK;
}


static void
ngx_http_entra_variable_about(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    uintptr_t data, entra_buf_t *b)
{
    entra_decision_t            *result;
    ngx_http_entra_decision_t   *decision;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    decision = ctx->decision;
    result = &decision->result;

    switch (data) {

    case NGX_HTTP_ENTRA_DECISION:
        entra_buf_add_c(b, entra_outcome_name(result->outcome));
        break;

    case NGX_HTTP_ENTRA_DENIED_BY:
        entra_decision_names(result, result->denied_by, b);
        break;

    case NGX_HTTP_ENTRA_WOULD_DENY:
        entra_decision_names(result, result->would_deny, b);
        break;

    case NGX_HTTP_ENTRA_OPERATION:
        if (decision->signals.operation) {
            entra_operation_text(decision->signals.operation, b);
        }

        break;

    case NGX_HTTP_ENTRA_LOCATION:
        entra_rules_locations_of(mcf->rules, &decision->signals.address, b);
        break;

    default:
        ngx_http_entra_variable_json(r, ctx, b);
    }
}


static void
ngx_http_entra_variable_json(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    entra_buf_t *b)
{
    ngx_str_t                    id, *name;
    entra_decision_info_t        info;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    ngx_memzero(&info, sizeof(entra_decision_info_t));

    ngx_http_entra_request_id(r, &id);

    info.request_id = (entra_str_t) { id.len, (char *) id.data };
    info.location = (entra_str_t) { ctx->location.len,
                                    (char *) ctx->location.data };
    info.host = (entra_str_t) { r->headers_in.server.len,
                                (char *) r->headers_in.server.data };
    info.micros = -1;

    if (ctx->decision->credential) {
        name = &ctx->decision->credential->name;
        info.credential = (entra_str_t) { name->len, (char *) name->data };
    }

    entra_decision_json(&ctx->decision->result, &ctx->decision->signals,
                        mcf->rules, &info, 0, b);
}
