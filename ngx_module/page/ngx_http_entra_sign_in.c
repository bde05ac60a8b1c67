
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_sign_in: moves bytes between a request and the page of the core.
 */

#include "ngx_http_entra_page.h"
#include "entra_sign_in.h"
#include "entra_signed_in.h"


typedef struct {
    ngx_http_request_t     *request;
    entra_sign_in_call_t   *call;
    ngx_event_t             hold;       /* the worker does not exit meanwhile */
    unsigned                done:1;
} ngx_http_entra_sign_in_ctx_t;


static ngx_int_t ngx_http_entra_sign_in_handler(ngx_http_request_t *r);
static void ngx_http_entra_sign_in_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_sign_in_start(ngx_http_request_t *r,
    entra_str_t body);
static void ngx_http_entra_sign_in_fill(ngx_http_request_t *r,
    entra_sign_in_request_t *request);
static entra_str_t ngx_http_entra_sign_in_header(ngx_http_request_t *r,
    const char *name);
static void ngx_http_entra_sign_in_done(void *data,
    const entra_sign_in_response_t *response);
static ngx_int_t ngx_http_entra_sign_in_headers(ngx_http_request_t *r,
    const entra_sign_in_response_t *response);
static void ngx_http_entra_sign_in_timeout(ngx_event_t *ev);
static void ngx_http_entra_sign_in_abort(void *data);
static void ngx_http_entra_signed_in(void *data, entra_credential_t *c);


char *
ngx_http_entra_sign_in(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_entra_main_conf_t  *mcf;

    ngx_http_entra_page_at(cf, lcf, "entra_sign_in");

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);
    mcf->sign_in = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
        || clcf->regex
#endif
        )
    {
        return "needs a location that begins alike for \"/begin\" and "
               "\"/callback\", too: \"location /entra/sign-in { ... }\"";
    }

    clcf->handler = ngx_http_entra_sign_in_handler;

    return NGX_CONF_OK;
}


/* once all credentials are known */

ngx_int_t
ngx_http_entra_sign_in_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                     i, j, n;
    const char                    *file;
    ngx_http_entra_credential_t  **c;

    c = mcf->credentials.elts;
    n = 0;

    for (i = 0; i < mcf->credentials.nelts; i++) {

        if (!c[i]->core->type->interactive) {
            continue;
        }

        if (n++ == 0 && !mcf->sign_in) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "credential \"%V\": there is no page on which "
                          "somebody could sign in; write \"location "
                          "/entra/sign-in { entra_sign_in; }\" in %s:%ui",
                          &c[i]->name, c[i]->file, c[i]->line);
        }

        for (j = 0; j < i; j++) {

            if (!c[j]->core->type->interactive) {
                continue;
            }

            file = entra_signed_in_same_file(c[i]->core, c[j]->core);

            if (file) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "credential \"%V\": state_file \"%s\" is that "
                              "of credential \"%V\"; each needs its own "
                              "in %s:%ui", &c[i]->name, file, &c[j]->name,
                              c[i]->file, c[i]->line);
                return NGX_ERROR;
            }
        }
    }

    if (mcf->sign_in && n == 0) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "there is an \"entra_sign_in\" page, but no credential "
                      "of type device_code or interactive_browser");
    }

    return NGX_OK;
}


/* in a worker: the store that workers share, the site with its credentials */

ngx_int_t
ngx_http_entra_sign_in_init(ngx_http_entra_worker_t *worker)
{
    ngx_uint_t                     i;
    ngx_http_entra_credential_t  **c;

    ngx_http_entra_session_store(worker->conf, &worker->store);

    worker->site = entra_sign_in_create(&worker->platform,
                                        ngx_http_entra_signed_in, worker);
    if (worker->site == NULL) {
        return NGX_ERROR;
    }

    c = worker->conf->credentials.elts;

    for (i = 0; i < worker->conf->credentials.nelts; i++) {

        /* the others are not written: workers share them */

        if (c[i]->core->type->interactive) {
            c[i]->core->store = &worker->store;
        }

        if (entra_sign_in_add(worker->site, c[i]->core) != 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_entra_signed_in(void *data, entra_credential_t *core)
{
    ngx_http_entra_worker_t *worker = data;

    ngx_uint_t                     i, j;
    ngx_http_entra_token_t       **token;
    ngx_http_entra_credential_t  **c;

    c = worker->conf->credentials.elts;

    for (i = 0; i < worker->conf->credentials.nelts; i++) {

        if (c[i]->core != core) {
            continue;
        }

        (void) ngx_http_entra_secret_digest(c[i]);

        token = c[i]->tokens.elts;

        for (j = 0; j < c[i]->tokens.nelts; j++) {
            ngx_http_entra_token_due(token[j]);
        }
    }
}


static ngx_int_t
ngx_http_entra_sign_in_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method == NGX_HTTP_POST) {

        if (r->headers_in.content_length_n > ENTRA_SIGN_IN_BODY_MAX) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

        r->request_body_in_single_buf = 1;

        rc = ngx_http_read_client_request_body(r, ngx_http_entra_sign_in_body);

        return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_entra_sign_in_start(r, entra_str_null);

    if (rc == NGX_DONE) {
        r->main->count++;
    }

    return rc;
}


static void
ngx_http_entra_sign_in_body(ngx_http_request_t *r)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;
    entra_str_t   body;

    body = entra_str_null;
    cl = r->request_body ? r->request_body->bufs : NULL;

    if (cl) {
        b = cl->buf;

        if (cl->next || b->in_file
            || b->last - b->pos > ENTRA_SIGN_IN_BODY_MAX)
        {
            ngx_http_finalize_request(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);
            return;
        }

        body.data = (char *) b->pos;
        body.len = b->last - b->pos;
    }

    rc = ngx_http_entra_sign_in_start(r, body);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* NGX_DONE: the answer comes later */

static ngx_int_t
ngx_http_entra_sign_in_start(ngx_http_request_t *r, entra_str_t body)
{
    ngx_http_cleanup_t            *cln;
    entra_sign_in_request_t        request;
    ngx_http_entra_sign_in_ctx_t  *ctx;

    if (ngx_http_entra_worker == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_entra_sign_in_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ctx == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;

    ngx_memzero(&request, sizeof(entra_sign_in_request_t));
    ngx_http_entra_sign_in_fill(r, &request);
    request.body = body;

    ctx->call = entra_sign_in_handle(ngx_http_entra_worker->site, &request,
                                     ngx_http_entra_sign_in_done, ctx);
    if (ctx->call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_entra_sign_in_abort;
    cln->data = ctx;

    ngx_http_entra_event(&ctx->hold, ngx_http_entra_sign_in_timeout, 0);
    ngx_add_timer(&ctx->hold,
                  ngx_http_entra_worker->conf->provider.fetch_timeout
                  + NGX_HTTP_ENTRA_SHUTDOWN_HOLD);

    return NGX_DONE;
}


static void
ngx_http_entra_sign_in_fill(ngx_http_request_t *r,
    entra_sign_in_request_t *request)
{
    size_t                     base;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* "location /entra/sign-in" and "location /entra/sign-in/" are the same */

    base = ngx_min(clcf->name.len, r->uri.len);

    if (base > 1 && r->uri.data[base - 1] == '/') {
        base--;
    }

    request->method = (entra_str_t) { r->method_name.len,
                                      (char *) r->method_name.data };
    request->base = (entra_str_t) { base, (char *) r->uri.data };
    request->path = (entra_str_t) { r->uri.len - base,
                                    (char *) r->uri.data + base };
    request->query = (entra_str_t) { r->args.len, (char *) r->args.data };

    request->content_type = ngx_http_entra_sign_in_header(r, "content-type");
    request->cookie = ngx_http_entra_sign_in_header(r, "cookie");
    request->host = ngx_http_entra_sign_in_header(r, "host");
    request->origin = ngx_http_entra_sign_in_header(r, "origin");
    request->fetch_site = ngx_http_entra_sign_in_header(r, "sec-fetch-site");

#if (NGX_HTTP_SSL)
    request->https = r->connection->ssl != NULL;
#endif
}


/* several of a name are joined as those of Cookie may be (RFC 9113, 8.2.3) */

static entra_str_t
ngx_http_entra_sign_in_header(ngx_http_request_t *r, const char *name)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i;
    entra_str_t       value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    value = entra_str_null;
    len = ngx_strlen(name);

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return value;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != len
            || ngx_strncasecmp(h[i].key.data, (u_char *) name, len) != 0)
        {
            continue;
        }

        if (value.len == 0) {
            value.data = (char *) h[i].value.data;
            value.len = h[i].value.len;
            continue;
        }

        p = ngx_pnalloc(r->pool, value.len + 2 + h[i].value.len);
        if (p == NULL) {
            return value;
        }

        ngx_memcpy(ngx_cpymem(ngx_cpymem(p, value.data, value.len), "; ", 2),
                   h[i].value.data, h[i].value.len);

        value.data = (char *) p;
        value.len += 2 + h[i].value.len;
    }
}


static void
ngx_http_entra_sign_in_done(void *data,
    const entra_sign_in_response_t *response)
{
    ngx_http_entra_sign_in_ctx_t *ctx = data;

    ngx_int_t            rc;
    entra_buf_t          body;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ctx->done = 1;

    if (ctx->hold.timer_set) {
        ngx_del_timer(&ctx->hold);
    }

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_entra_sign_in_headers(r, response);

    if (rc == NGX_OK) {
        body = response->body;
        rc = ngx_http_entra_answer_text(r, response->status,
                                        response->content_type, &body);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/*
 * Location stays a path: from headers_out.location nginx would make a URL with
 * the scheme, port and Host that came here, and not those that the browser
 * sees
 */

static ngx_int_t
ngx_http_entra_sign_in_headers(ngx_http_request_t *r,
    const entra_sign_in_response_t *response)
{
    u_char           *p;
    size_t            name, value;
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    for (i = 0; i < response->nheaders; i++) {
        name = ngx_strlen(response->headers[i].name);
        value = ngx_strlen(response->headers[i].value);

        h = ngx_list_push(&r->headers_out.headers);
        p = ngx_pnalloc(r->pool, name + value);

        if (h == NULL || p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        h->hash = 1;
        ngx_http_entra_header_next(h);

        h->key.data = p;
        h->key.len = name;
        p = ngx_cpymem(p, response->headers[i].name, name);

        h->value.data = p;
        h->value.len = value;
        ngx_memcpy(p, response->headers[i].value, value);
    }

    return NGX_OK;
}


/* not before the request to Entra has timed out, which answers */

static void
ngx_http_entra_sign_in_timeout(ngx_event_t *ev)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_entra_sign_in_ctx_t  *ctx;

    ctx = ngx_http_entra_of(ev, ngx_http_entra_sign_in_ctx_t, hold);
    r = ctx->request;
    c = r->connection;

    ngx_http_entra_sign_in_abort(ctx);

    ngx_http_finalize_request(r, NGX_HTTP_GATEWAY_TIME_OUT);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_entra_sign_in_abort(void *data)
{
    ngx_http_entra_sign_in_ctx_t *ctx = data;

    if (ctx->hold.timer_set) {
        ngx_del_timer(&ctx->hold);
    }

    if (!ctx->done) {
        ctx->done = 1;
        entra_sign_in_cancel(ctx->call);
    }
}
