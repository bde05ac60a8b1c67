
/*
 * Copyright (C) nginx-entra authors
 *
 * Answers made by the module: application/problem+json (RFC 9457).  The phase
 * returns the status, so that error_page works as for nginx's own errors;
 * where none applies, the filters put our text into nginx's answer.
 */

#include "ngx_http_entra_request.h"
#include "entra_enc.h"
#include "entra_html.h"


static ngx_table_elt_t *ngx_http_entra_answer_header(ngx_http_request_t *r,
    const char *key, ngx_str_t *value);
static ngx_int_t ngx_http_entra_answer_challenge(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static void ngx_http_entra_answer_challenge_claims(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_str_t claims, const char *more);
static ngx_int_t ngx_http_entra_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_answer_headers(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx) ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_entra_answer_instead(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_chain_t *in) ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_answer_body(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_answer_guard(ngx_http_request_t *r,
    ngx_uint_t page);
static ngx_int_t ngx_http_entra_answer_csp(ngx_pool_t *pool,
    ngx_str_t *value);
static ngx_int_t ngx_http_entra_answer_default(ngx_http_request_t *r,
    const char *key, ngx_str_t *value);
static const char *ngx_http_entra_answer_title(ngx_uint_t status);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_entra_answer_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_entra_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_entra_body_filter;

    return NGX_OK;
}


/* returns status, for the phase to return */

ngx_int_t
ngx_http_entra_answer(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_uint_t status, const char *detail, time_t retry_after)
{
    ngx_str_t  value;

    ctx->answer.detail = detail;

    if (ctx->answer.status == status) {

        /* again in a later phase: "satisfy any" took back the challenge */

        if (status == NGX_HTTP_UNAUTHORIZED && r->headers_out.www_authenticate)
        {
            r->headers_out.www_authenticate->hash = 1;
        }

        return status;
    }

    ctx->answer.status = status;

    if (retry_after > 0) {
        value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
        if (value.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        value.len = ngx_sprintf(value.data, "%T", retry_after) - value.data;

        if (ngx_http_entra_answer_header(r, "Retry-After", &value) == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_entra_answer_challenge(r, ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return status;
}


static ngx_table_elt_t *
ngx_http_entra_answer_header(ngx_http_request_t *r, const char *key,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    ngx_http_entra_header_next(h);
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value = *value;

    return h;
}


/* RFC 6750 section 3 */

static ngx_int_t
ngx_http_entra_answer_challenge(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx)
{
    u_char           *p;
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    value.len = sizeof("Bearer") - 1
                + (ctx->answer.challenge
                   ? 1 + ngx_strlen(ctx->answer.challenge) : 0);

    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(value.data, "Bearer", sizeof("Bearer") - 1);

    if (ctx->answer.challenge) {
        *p++ = ' ';
        ngx_memcpy(p, ctx->answer.challenge, ngx_strlen(ctx->answer.challenge));
    }

    h = ngx_http_entra_answer_header(r, "WWW-Authenticate", &value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_out.www_authenticate = h;

    return NGX_OK;
}


/*
 * The caller's token could be stepped up to an authentication context, and
 * its client has said that it understands the challenge (xms_cc)
 */

void
ngx_http_entra_answer_step_up(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    const char *acrs)
{
    entra_buf_t  claims;

    entra_buf_init(&claims, 1024);

    entra_buf_add_c(&claims, "{\"access_token\":{\"acrs\":{\"essential\":true,"
                    "\"value\":");
    entra_enc_json(&claims, entra_str_c(acrs));
    entra_buf_add_c(&claims, "}}}");

    if (entra_buf_ok(&claims)) {
        ngx_http_entra_answer_challenge_claims(r, ctx, entra_buf_str(&claims),
                                               ", cc_type=\"authcontext\"");
    }

    entra_buf_free(&claims);
}


void
ngx_http_entra_answer_claims(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    entra_str_t claims)
{
    ngx_http_entra_answer_challenge_claims(r, ctx, claims, "");
}


/*
 * A claims challenge, as the Microsoft identity platform defines it ("Claims
 * challenges, claims requests, and client capabilities"): MSAL takes its
 * authority from authorization_uri; client_id and cc_type as in Microsoft's
 * sample of authentication contexts
 */

static void
ngx_http_entra_answer_challenge_claims(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_str_t claims, const char *more)
{
    u_char                      *p;
    entra_buf_t                  text;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    entra_buf_init(&text, 1024 + NGX_HTTP_ENTRA_CLAIMS_MAX * 2);

    ngx_http_entra_caller_token_authority(mcf, &text);
    entra_buf_add_c(&text, "error=\"insufficient_claims\", claims=\"");
    entra_enc_base64(&text, claims.data, claims.len);
    entra_buf_addf(&text, "\"%s", more);

    if (entra_buf_ok(&text)) {
        p = ngx_pnalloc(r->pool, text.len + 1);

        if (p) {
            ngx_memcpy(p, text.data, text.len + 1);
            ctx->answer.challenge = (char *) p;
        }
    }

    entra_buf_free(&text);
}


/* $request_id, the one that access_log shows */

void
ngx_http_entra_request_id(ngx_http_request_t *r, ngx_str_t *id)
{
    ngx_str_t                   name = ngx_string("request_id");
    ngx_http_variable_value_t  *v;

    v = ngx_http_get_variable(r, &name, ngx_hash_key(name.data, name.len));

    if (v == NULL || v->not_found) {
        ngx_str_set(id, "-");
        return;
    }

    id->len = v->len;
    id->data = v->data;
}


static ngx_int_t
ngx_http_entra_header_filter(ngx_http_request_t *r)
{
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx == NULL || ctx->answer.status == 0 || ctx->answer.sending) {
        return ngx_http_next_header_filter(r);
    }

    return ngx_http_entra_answer_headers(r, ctx);
}


static ngx_int_t
ngx_http_entra_answer_headers(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    /* only nginx's own page for this error, or for the refused upstream */

    if (r->headers_out.status != ctx->answer.status
        && !(ctx->sent.refused
             && r->headers_out.status == NGX_HTTP_INTERNAL_SERVER_ERROR))
    {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_entra_answer_body(r, ctx) != NGX_OK) {
        return ngx_http_next_header_filter(r);
    }

    ctx->answer.sending = 1;

    r->headers_out.status = ctx->answer.status;
    ngx_str_null(&r->headers_out.status_line);

    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = ctx->answer.body->last
                                      - ctx->answer.body->pos;

    if (ngx_http_entra_answer_guard(r, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_entra_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    if (ctx == NULL || !ctx->answer.sending || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    return ngx_http_entra_answer_instead(r, ctx, in);
}


static ngx_int_t
ngx_http_entra_answer_instead(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_chain_t  out, *cl;

    /* what nginx wrote is not sent */

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
    }

    if (ctx->answer.body == NULL) {
        return NGX_OK;
    }

    out.buf = ctx->answer.body;
    out.next = NULL;
    ctx->answer.body = NULL;

    return ngx_http_next_body_filter(r, &out);
}


static ngx_int_t
ngx_http_entra_answer_body(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    u_char      *p;
    size_t       len;
    ngx_buf_t   *b;
    ngx_str_t    id;
    const char  *title;

    ngx_http_entra_request_id(r, &id);

    title = ngx_http_entra_answer_title(ctx->answer.status);

    len = sizeof("{\"type\":\"about:blank\",\"title\":\"\",\"status\":,"
                 "\"detail\":\"\",\"request_id\":\"\"}\n")
          + ngx_strlen(title) + NGX_INT_T_LEN + ngx_strlen(ctx->answer.detail)
          + id.len;

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(b->pos, "{\"type\":\"about:blank\",\"title\":\"%s\","
                    "\"status\":%ui,\"detail\":\"%s\",\"request_id\":\"%V\"}\n",
                    title, ctx->answer.status, ctx->answer.detail, &id);

    b->last = p;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    ctx->answer.body = b;

    return NGX_OK;
}


static const char *
ngx_http_entra_answer_title(ngx_uint_t status)
{
    switch (status) {
    case NGX_HTTP_BAD_REQUEST:
        return "Bad Request";
    case NGX_HTTP_UNAUTHORIZED:
        return "Unauthorized";
    case NGX_HTTP_FORBIDDEN:
        return "Forbidden";
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}


/*
 * What a browser may do with an answer of the module: not keep it, not guess
 * its type; and with a page: show it, run nothing, load nothing, tell nobody.
 * Headers that the answer brings along are its own.
 */

static ngx_int_t
ngx_http_entra_answer_guard(ngx_http_request_t *r, ngx_uint_t page)
{
    ngx_str_t  csp;

    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  nosniff = ngx_string("nosniff");
    static ngx_str_t  no_referrer = ngx_string("no-referrer");

    if (ngx_http_entra_answer_default(r, "Cache-Control", &no_store) != NGX_OK
        || ngx_http_entra_answer_default(r, "X-Content-Type-Options", &nosniff)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!page) {
        return NGX_OK;
    }

    if (ngx_http_entra_answer_csp(r->pool, &csp) != NGX_OK
        || ngx_http_entra_answer_default(r, "Content-Security-Policy", &csp)
           != NGX_OK
        || ngx_http_entra_answer_default(r, "Referrer-Policy", &no_referrer)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_answer_csp(ngx_pool_t *pool, ngx_str_t *value)
{
    entra_buf_t  b;

    entra_buf_init(&b, 512);
    entra_html_csp(&b);

    value->len = b.len;
    value->data = entra_buf_ok(&b) ? ngx_pnalloc(pool, b.len) : NULL;

    if (value->data) {
        ngx_memcpy(value->data, b.data, b.len);
    }

    entra_buf_free(&b);

    return value->data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_entra_answer_default(ngx_http_request_t *r, const char *key,
    ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(key);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) key, len) == 0)
            {
                return NGX_OK;
            }
        }
    }

    return ngx_http_entra_answer_header(r, key, value) ? NGX_OK : NGX_ERROR;
}


/* for the content handlers: a complete answer from a core buffer */

ngx_int_t
ngx_http_entra_answer_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, entra_buf_t *body)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    if (!entra_buf_ok(body)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = ngx_create_temp_buf(r->pool, body->len + 1);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->last = ngx_cpymem(b->last, body->data ? body->data : "", body->len);
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    r->headers_out.status = status;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_length_n = body->len;

    if (ngx_http_entra_answer_guard(r, ngx_strncmp(type, "text/html", 9) == 0)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (body->len == 0) {
        b->memory = 0;
        b->temporary = 0;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
