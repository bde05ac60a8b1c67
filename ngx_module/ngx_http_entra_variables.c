
/*
 * Copyright (C) nginx-entra authors
 *
 * The variables that tell of a request: for access_log, add_header, map.
 * Those that hold a token are in ngx_http_entra_inject.c.
 */

#include "ngx_http_entra_module.h"


#define NGX_HTTP_ENTRA_DECISION_JSON_MAX  8192


static ngx_int_t ngx_http_entra_variable_credential(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_expires(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_entra_variable_replayed(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_entra_vars[] = {

    { ngx_string("entra_authorization"), NULL, ngx_http_entra_authorization,
      0, NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_NOHASH, 0 },

    { ngx_string("entra_credential"), NULL,
      ngx_http_entra_variable_credential, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_scope"), NULL, ngx_http_entra_variable_credential, 1,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_token_status"), NULL, ngx_http_entra_variable_status,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_token_expires_in"), NULL,
      ngx_http_entra_variable_expires, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("entra_replayed"), NULL, ngx_http_entra_variable_replayed, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

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


void
ngx_http_entra_variable_set(ngx_http_variable_value_t *v, const void *data,
    size_t len)
{
    v->len = len;
    v->data = (u_char *) data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
}


static ngx_int_t
ngx_http_entra_variable_credential(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             *text;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

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

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx == NULL || ctx->status == NGX_HTTP_ENTRA_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = &ngx_http_entra_status_names[ctx->status];

    ngx_http_entra_variable_set(v, name->data, name->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_variable_expires(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                *p;
    int64_t                left;
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx == NULL || ctx->token == NULL || ctx->token->header.len == 0) {
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
    ngx_http_entra_kept_t  *kept;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx == NULL || ctx->token == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    kept = ngx_http_entra_replay_kept(r);

    ngx_http_entra_variable_set(v, kept && kept->replayed ? "1" : "0", 1);

    return NGX_OK;
}
