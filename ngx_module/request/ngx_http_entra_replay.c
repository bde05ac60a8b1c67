
/*
 * Copyright (C) nginx-entra authors
 *
 * A request that the upstream answered with 401 is sent once more with a new
 * token.  At configuration time each location gets a hidden named clone whose
 * rewrite rules are empty (they have been applied already); at run time the
 * wrapper of process_header makes nginx believe that the upstream asked for
 * a redirect to it.  nginx keeps method, URI and body for named locations.
 *
 * The clones have no rules that guard them: a request enters that of its own
 * location, once, after this file has said so.  An upstream that names one in
 * X-Accel-Redirect would have to guess the name, and is refused even so.
 */

#include "ngx_http_entra_request.h"
#include "entra_challenge.h"


static ngx_int_t ngx_http_entra_replay_status(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx) ngx_http_entra_cold;
static ngx_int_t ngx_http_entra_replay_possible(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_int_t ngx_http_entra_replay_refused(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static void ngx_http_entra_replay_claims(ngx_http_request_t *r,
    ngx_str_t *claims);
static ngx_int_t ngx_http_entra_replay_redirect(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
static ngx_http_entra_replay_state_t *ngx_http_entra_replay_state_add(
    ngx_http_request_t *r);
static void ngx_http_entra_replay_marker(void *data);


/* protocols change process_header between the status line and the headers */

ngx_int_t
ngx_http_entra_replay_process_header(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_upstream_t   *u;
    ngx_http_entra_ctx_t  *ctx;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    u->process_header = ctx->sent.process_header;

    rc = u->process_header(r);

    if (u != r->upstream) {
        return rc;
    }

    ngx_http_entra_replay_wrap(r, ctx);

    if (rc != NGX_OK || ctx->token == NULL
        || u->headers_in.status_n < NGX_HTTP_UNAUTHORIZED)
    {
        return rc;
    }

    return ngx_http_entra_replay_status(r, ctx);
}


static ngx_int_t
ngx_http_entra_replay_status(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    switch (r->upstream->headers_in.status_n) {

    case NGX_HTTP_UNAUTHORIZED:
        return ngx_http_entra_replay_refused(r, ctx);

    case NGX_HTTP_FORBIDDEN:
        (void) ngx_atomic_fetch_add(&ctx->token->record->upstream_403, 1);
        break;

    case 424:
        (void) ngx_atomic_fetch_add(&ctx->token->record->upstream_424, 1);
        break;

    case NGX_HTTP_TOO_MANY_REQUESTS:
        (void) ngx_atomic_fetch_add(&ctx->token->record->upstream_429, 1);
        break;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_replay_refused(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_str_t                claims;
    ngx_http_entra_token_t  *token;
    ngx_http_entra_replay_state_t   *kept;

    token = ctx->token;

    (void) ngx_atomic_fetch_add(&token->record->upstream_401, 1);

    kept = ngx_http_entra_replay_state(r);

    if (kept && kept->replayed) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "entra credential \"%V\": the upstream answered 401 to a "
                      "new token, too: check scope and auth_mode, and the "
                      "role of the credential (Azure ML answers 401 without "
                      "onlineEndpoints/score/action; docs/azure-ml.md)",
                      &token->credential->name);
        return NGX_OK;
    }

    ngx_http_entra_replay_claims(r, &claims);

    /* also when this request cannot be repeated: the next ones profit */

    rc = ngx_http_entra_token_invalidate(token, ctx->sent.generation,
                                    claims.len ? &claims : NULL);

    if (rc != NGX_OK || !ngx_http_entra_replay_possible(r, ctx)) {
        return NGX_OK;
    }

    return ngx_http_entra_replay_redirect(r, ctx);
}


/* the body is there as it was, and nothing was sent to the client */

static ngx_int_t
ngx_http_entra_replay_possible(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    if (ctx->lcf->clone.name.len == 0 || r->request_body_no_buffering
        || r->reading_body || r->header_sent || r != r->main
        || ngx_terminate)
    {
        return 0;
    }

    if (r->headers_in.content_length_n > 0 || r->headers_in.chunked) {
        return r->request_body != NULL;
    }

    return 1;
}


static ngx_int_t
ngx_http_entra_replay_redirect(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    ngx_table_elt_t           *h;
    ngx_http_upstream_t       *u;
    ngx_http_entra_replay_state_t     *kept;
    ngx_http_upstream_conf_t  *conf;

    u = r->upstream;

    kept = ngx_http_entra_replay_state_add(r);
    h = ngx_pcalloc(r->pool, sizeof(ngx_table_elt_t));
    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));

    if (kept == NULL || h == NULL || conf == NULL) {
        return NGX_ERROR;
    }

    kept->replayed = 1;
    kept->next = ctx->lcf->clone.location;
    kept->refused = ctx->sent.generation;
    kept->token = ctx->token;

    (void) ngx_atomic_fetch_add(&ctx->token->record->replays, 1);

    h->hash = 1;
    ngx_str_set(&h->key, "X-Accel-Redirect");
    h->lowcase_key = (u_char *) "x-accel-redirect";
    h->value = ctx->lcf->clone.name;

    /*
     * Nothing of the refused answer stays: its headers are not copied, its
     * status is not intercepted, proxy_ignore_headers does not count, and
     * X-Accel-Limit-Rate and X-Accel-Charset are taken back
     */

    r->limit_rate = ctx->before.limit_rate;
    r->limit_rate_set = ctx->before.limit_rate_set;
    r->headers_out.override_charset = ctx->before.charset;

    u->headers_in.headers.part.nelts = 0;
    u->headers_in.headers.part.next = NULL;
    u->headers_in.headers.last = &u->headers_in.headers.part;
    u->headers_in.status_n = NGX_HTTP_OK;
    u->headers_in.x_accel_redirect = h;

    *conf = *u->conf;
    conf->ignore_headers &= ~NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT;
    u->conf = conf;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "entra credential \"%V\": the upstream answered 401, the "
                  "request is sent again with a new token",
                  &ctx->token->credential->name);

    return NGX_OK;
}


/* of a claims challenge, as JSON in the request's pool; or empty */

static void
ngx_http_entra_replay_claims(ngx_http_request_t *r, ngx_str_t *claims)
{
    ngx_uint_t          i;
    ngx_list_part_t    *part;
    ngx_table_elt_t    *h;
    entra_challenge_t   challenge;

    ngx_str_null(claims);

    part = &r->upstream->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != sizeof("WWW-Authenticate") - 1
            || ngx_strncasecmp(h[i].key.data, (u_char *) "WWW-Authenticate",
                               h[i].key.len)
               != 0)
        {
            continue;
        }

        entra_challenge_parse((entra_str_t) { h[i].value.len,
                                              (char *) h[i].value.data },
                              &challenge);

        if (challenge.claims) {
            claims->len = ngx_strlen(challenge.claims);
            claims->data = ngx_pnalloc(r->pool, claims->len);

            if (claims->data) {
                ngx_memcpy(claims->data, challenge.claims, claims->len);

            } else {
                claims->len = 0;
            }

            entra_challenge_free(&challenge);
            return;
        }

        entra_challenge_free(&challenge);
    }
}


/*
 * Module contexts do not survive an internal redirect, cleanups of the pool
 * do: the way ngx_http_realip_module remembers.
 */

ngx_http_entra_replay_state_t *
ngx_http_entra_replay_state(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_entra_replay_state_t  *kept;

    if (!r->internal) {
        return NULL;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_entra_replay_marker) {
            kept = cln->data;

            if (kept->request == r) {
                return kept;
            }
        }
    }

    return NULL;
}


static ngx_http_entra_replay_state_t *
ngx_http_entra_replay_state_add(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_entra_replay_state_t  *kept;

    kept = ngx_http_entra_replay_state(r);

    if (kept) {
        return kept;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_entra_replay_state_t));
    if (cln == NULL) {
        return NULL;
    }

    kept = cln->data;

    ngx_memzero(kept, sizeof(ngx_http_entra_replay_state_t));
    kept->request = r;
    cln->handler = ngx_http_entra_replay_marker;

    return kept;
}


static void
ngx_http_entra_replay_marker(void *data)
{
    /* found by its address */
}


/* a repeated request waits for a token that is not the refused one */

ngx_uint_t
ngx_http_entra_replay_waits(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    ngx_http_entra_replay_state_t  *kept;

    kept = ngx_http_entra_replay_state(r);

    return kept && kept->token == token
           && kept->refused == token->generation
           && ngx_http_entra_token_pending(token);
}


/* in a clone of a location: is it not the one that the request was sent to? */

ngx_uint_t
ngx_http_entra_replay_foreign(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_loc_conf_t *lcf)
{
    ngx_http_entra_replay_state_t  *kept;

    if (ctx->replay) {
        return 0;
    }

    kept = ngx_http_entra_replay_state(r);

    if (kept && kept->next == lcf->clone.location) {
        kept->next = NULL;
        ctx->replay = 1;
        return 0;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "entra: a redirect to the location for repeated requests "
                  "of \"%V\" is refused", &lcf->clone.of);
    return 1;
}
