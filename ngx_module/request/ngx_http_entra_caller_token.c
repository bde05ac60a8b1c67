
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_caller_token: callers' own tokens.  The tenant's keys are fetched and
 * shared as tokens are; a token that was validated before costs a hash.
 */

#include "ngx_http_entra_request.h"
#include "entra_caller_keys.h"
#include "entra_jwt.h"
#include "entra_jwt_cache.h"

#include <openssl/evp.h>


/* requests of a worker that may wait for keys before limits count them */
#define NGX_HTTP_ENTRA_CROWD  64


struct ngx_http_entra_caller_token_s {
    entra_caller_token_conf_t     conf;
    ngx_http_entra_credential_t   credential;
    ngx_http_entra_token_t       *keys;
    u_char                       *file;
    ngx_uint_t                    line;

    /* of a worker */
    entra_keyset_t                keyset;
    u_char                        digest[32];   /* of its text */
    ngx_atomic_uint_t             generation;   /* the last one with it, */
    ngx_atomic_uint_t             first;        /* and the first */
    entra_absent_kids_t           absent;
    entra_jwt_cache_t            *cache;
};


static void ngx_http_entra_caller_token_free(void *data);
static int ngx_http_entra_caller_token_line(ngx_conf_t *cf, void *data,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err);
static int ngx_http_entra_caller_token_is_param(void *data, entra_str_t word);
static ngx_uint_t ngx_http_entra_caller_token_names(ngx_str_t *name);
static ngx_int_t ngx_http_entra_caller_token_load_keys(
    ngx_http_entra_caller_token_t *ct);
static ngx_int_t ngx_http_entra_caller_token_validate(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_str_t token, ngx_int_t loaded);
static ngx_int_t ngx_http_entra_caller_token_valid(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_jwt_entry_t *entry);
static ngx_int_t ngx_http_entra_caller_token_failed(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_jwt_result_e result, entra_err_t *err);
static ngx_int_t ngx_http_entra_caller_token_unknown_kid(
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_str_t token);
static void ngx_http_entra_caller_token_release(void *data);


char *
ngx_http_entra_caller_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    char                           *rv;
    entra_err_t                     err;
    ngx_pool_cleanup_t             *cln;
    ngx_http_entra_block_t          block;
    ngx_http_entra_caller_token_t  *ct;

    if (mcf->caller_token) {
        return "is duplicate";
    }

    ct = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_caller_token_t));
    if (ct == NULL) {
        return NGX_CONF_ERROR;
    }

    entra_caller_token_conf_init(&ct->conf);
    entra_keyset_init(&ct->keyset);
    mcf->caller_token = ct;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_entra_caller_token_free;
    cln->data = ct;

    ct->file = cf->conf_file->file.name.data;
    ct->line = cf->conf_file->line;

    ngx_memzero(&block, sizeof(ngx_http_entra_block_t));

    block.data = ct;
    block.line = ngx_http_entra_caller_token_line;
    block.is_param = ngx_http_entra_caller_token_is_param;
    block.names = ngx_http_entra_caller_token_names;

    rv = ngx_http_entra_conf_block(cf, &block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    entra_err_clear(&err);

    if (entra_caller_token_conf_done(&ct->conf, &err) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "entra_caller_token: %s",
                           err.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static int
ngx_http_entra_caller_token_line(ngx_conf_t *cf, void *data,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err)
{
    ngx_http_entra_caller_token_t *ct = data;

    return entra_caller_token_conf_param(&ct->conf, words, n, err);
}


static int
ngx_http_entra_caller_token_is_param(void *data, entra_str_t word)
{
    return entra_caller_token_is_param(word);
}


static ngx_uint_t
ngx_http_entra_caller_token_names(ngx_str_t *name)
{
    return 0;
}


/* the keys are one more shared value, which no location can name */

ngx_int_t
ngx_http_entra_caller_token_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf)
{
    ngx_str_t                       scope;
    entra_err_t                     err;
    ngx_http_entra_credential_t    *credential;
    ngx_http_entra_caller_token_t  *ct;

    ct = mcf->caller_token;

    if (ct == NULL) {
        return NGX_OK;
    }

    credential = &ct->credential;

    ngx_str_set(&credential->name, "entra_caller_token");
    credential->file = ct->file;
    credential->line = ct->line;
    credential->preload = 1;

    entra_err_clear(&err);

    credential->core = entra_caller_keys_create(&ct->conf, mcf->env, &err);
    if (credential->core == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "entra_caller_token: %s in %s:%ui", err.text,
                      ct->file, ct->line);
        return NGX_ERROR;
    }

    if (ngx_array_init(&credential->tokens, cf->pool, 1, sizeof(void *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_http_entra_secret_digest(credential);

    ngx_str_null(&scope);

    ct->keys = ngx_http_entra_credential_token(cf, mcf, credential, &scope);
    if (ct->keys == NULL) {
        return NGX_ERROR;
    }

    ct->keys->preload = 1;
    ct->keys->caller_keys = 1;

    return NGX_OK;
}


static void
ngx_http_entra_caller_token_free(void *data)
{
    ngx_http_entra_caller_token_t *ct = data;

    if (ct->credential.core) {
        entra_credential_free(ct->credential.core);
    }

    if (ct->cache) {
        entra_jwt_cache_free(ct->cache);
    }

    entra_keyset_free(&ct->keyset);
    entra_caller_token_conf_free(&ct->conf);
}


ngx_http_entra_token_t *
ngx_http_entra_caller_token_keys(ngx_http_entra_main_conf_t *mcf)
{
    return mcf->caller_token ? mcf->caller_token->keys : NULL;
}


/* how many there are now, 0: none came yet */

ngx_uint_t
ngx_http_entra_caller_token_nkeys(ngx_http_entra_main_conf_t *mcf)
{
    if (mcf->caller_token == NULL
        || ngx_http_entra_caller_token_load_keys(mcf->caller_token) != NGX_OK)
    {
        return 0;
    }

    return mcf->caller_token->keyset.n;
}


/*
 * What the caller presents in Authorization.  NGX_OK: signals are set;
 * NGX_AGAIN: parked until keys are there.
 */

ngx_int_t
ngx_http_entra_caller_token_signal(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals)
{
    ngx_int_t                    rc;
    ngx_http_entra_main_conf_t  *mcf;

    rc = ngx_http_entra_caller_token_look(r, ctx, signals);

    if (rc != NGX_AGAIN || r->upstream) {
        return rc == NGX_AGAIN ? NGX_OK : rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    rc = ngx_http_entra_park(r, ctx, mcf->caller_token->keys);

    return rc == NGX_DECLINED ? NGX_OK : rc;
}


ngx_uint_t
ngx_http_entra_caller_token_crowded(ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t    n;
    ngx_queue_t  *q, *waiters;

    if (mcf->caller_token == NULL) {
        return 0;
    }

    waiters = &mcf->caller_token->keys->waiters;
    n = 0;

    for (q = ngx_queue_head(waiters);
         q != ngx_queue_sentinel(waiters) && n < NGX_HTTP_ENTRA_CROWD;
         q = ngx_queue_next(q))
    {
        n++;
    }

    return n == NGX_HTTP_ENTRA_CROWD;
}


/* validated once for a request, while its keys are those at hand */

ngx_int_t
ngx_http_entra_caller_token_look(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals)
{
    ngx_int_t                       rc;
    ngx_str_t                      *value;
    entra_str_t                     token;
    ngx_http_entra_caller_t        *caller;
    ngx_http_entra_main_conf_t     *mcf;
    ngx_http_entra_caller_token_t  *ct;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);
    ct = mcf->caller_token;
    caller = &ctx->caller;

    signals->token = ENTRA_SIGNAL_ABSENT;
    signals->claims = NULL;

    if (ct == NULL || r->headers_in.authorization == NULL) {
        return NGX_OK;
    }

    value = &r->headers_in.authorization->value;

    if (!entra_jwt_bearer((entra_str_t) { value->len, (char *) value->data },
                          &token))
    {
        return NGX_OK;
    }

    rc = ngx_http_entra_caller_token_load_keys(ct);

    if (!caller->known || caller->keys != ct->first
        || (caller->claims && caller->claims->exp <= ngx_time()))
    {
        rc = ngx_http_entra_caller_token_validate(r, ctx, ct, token, rc);

    } else {
        rc = NGX_OK;
    }

    signals->token = caller->token;
    signals->claims = caller->claims;

    if (caller->failure) {
        signals->failure = caller->failure;
    }

    return rc;
}


/*
 * Sets ctx->caller.  NGX_AGAIN: it is unknown, and may be known when the keys
 * were fetched.  loaded: NGX_OK, there are keys.
 */

static ngx_int_t
ngx_http_entra_caller_token_validate(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_str_t token, ngx_int_t loaded)
{
    ngx_int_t            rc;
    entra_err_t          err;
    entra_claims_t       claims;
    entra_jwt_id_t       id, *cached;
    entra_jwt_entry_t   *entry;
    entra_jwt_result_e   result;

    ctx->caller.known = 0;
    ctx->caller.token = ENTRA_SIGNAL_UNKNOWN;
    ctx->caller.claims = NULL;
    ctx->caller.failure = NULL;

    cached = loaded == NGX_OK
             && entra_jwt_cache_id(ct->cache, token, &id) == 0 ? &id : NULL;

    if (cached) {
        entry = entra_jwt_cache_get(ct->cache, &id, ct->first, ngx_time());
        if (entry) {
            return ngx_http_entra_caller_token_valid(r, ctx, ct, entry);
        }
    }

    ngx_memzero(&claims, sizeof(entra_claims_t));
    entra_err_clear(&err);

    result = entra_jwt_verify(token, loaded == NGX_OK ? &ct->keyset : NULL,
                              &ct->conf, ngx_time(), &claims, &err);

    if (result == ENTRA_JWT_VALID) {
        entry = entra_jwt_cache_put(ct->cache, cached, ct->first, ngx_time(),
                                    &claims);

        return entry ? ngx_http_entra_caller_token_valid(r, ctx, ct, entry)
                     : NGX_OK;
    }

    if (result == ENTRA_JWT_UNKNOWN_KID) {
        rc = ngx_http_entra_caller_token_unknown_kid(ctx, ct, token);

        if (rc == NGX_BUSY) {
            rc = ngx_http_entra_caller_token_load_keys(ct);
            return ngx_http_entra_caller_token_validate(r, ctx, ct, token, rc);
        }

        if (rc == NGX_DECLINED) {
            result = ENTRA_JWT_INVALID;
        }
    }

    return ngx_http_entra_caller_token_failed(r, ctx, ct, result, &err);
}


/* the claims are used until the request is logged */

static ngx_int_t
ngx_http_entra_caller_token_valid(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_jwt_entry_t *entry)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        entra_jwt_entry_release(entry);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_entra_caller_token_release;
    cln->data = entry;

    ctx->caller.token = ENTRA_SIGNAL_VALID;
    ctx->caller.claims = entra_jwt_entry_claims(entry);
    ctx->caller.keys = ct->first;
    ctx->caller.known = 1;

    return NGX_OK;
}


static void
ngx_http_entra_caller_token_release(void *data)
{
    entra_jwt_entry_release(data);
}


static ngx_int_t
ngx_http_entra_caller_token_failed(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_caller_token_t *ct,
    entra_jwt_result_e result, entra_err_t *err)
{
    ngx_str_t  failure;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "entra: the caller's token is %s: %s",
                  result == ENTRA_JWT_INVALID ? "refused"
                                              : "not validated yet",
                  err->text);

    failure.len = ngx_strlen(err->text) + 1;
    failure.data = (u_char *) err->text;

    ctx->caller.failure = (char *) ngx_pstrdup(r->pool, &failure);

    if (result != ENTRA_JWT_INVALID) {
        return NGX_AGAIN;
    }

    ctx->caller.token = ENTRA_SIGNAL_INVALID;
    ctx->caller.keys = ct->first;
    ctx->caller.known = 1;

    return NGX_OK;
}


/* the worker's parsed copy of the shared text */

static ngx_int_t
ngx_http_entra_caller_token_load_keys(ngx_http_entra_caller_token_t *ct)
{
    u_char                   digest[32];
    entra_err_t              err;
    entra_str_t              text;
    ngx_http_entra_token_t  *token;

    token = ct->keys;

    if (!ngx_http_entra_token_usable(token, ngx_http_entra_clock())) {
        return NGX_DECLINED;
    }

    if (ct->cache == NULL) {
        ct->cache = entra_jwt_cache_create(0, 0);
        if (ct->cache == NULL) {
            return NGX_DECLINED;
        }
    }

    if (ct->generation == token->generation && ct->keyset.n) {
        return NGX_OK;
    }

    text.data = (char *) token->header.data + sizeof("Bearer ") - 1;
    text.len = token->header.len - (sizeof("Bearer ") - 1);

    if (EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL)
        != 1)
    {
        return NGX_DECLINED;
    }

    /* the same keys again: what was validated with them stays so */

    if (ct->keyset.n && ngx_memcmp(ct->digest, digest, 32) == 0) {
        ct->generation = token->generation;
        return NGX_OK;
    }

    entra_keyset_free(&ct->keyset);
    entra_keyset_init(&ct->keyset);
    entra_err_clear(&err);

    if (entra_keyset_read(&ct->keyset, text, &err) != 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "entra_caller_token: %s", err.text);
        return NGX_DECLINED;
    }

    ct->generation = token->generation;
    ct->first = token->generation;
    ngx_memcpy(ct->digest, digest, 32);

    return NGX_OK;
}


/*
 * NGX_AGAIN: they are fetched anew, at once or soon; NGX_BUSY: there are
 * others by now, to be tried; NGX_DECLINED: there is no such key
 */

static ngx_int_t
ngx_http_entra_caller_token_unknown_kid(ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_caller_token_t *ct, entra_str_t token)
{
    char                    kid[ENTRA_KID_MAX + 1];
    int64_t                 now;
    entra_store_snapshot_t  rec;

    if (entra_jwt_kid(token, kid) != 0) {
        return NGX_DECLINED;
    }

    ngx_http_entra_token_peek(ct->keys, &rec);

    if (rec.generation && rec.generation != ct->generation) {
        return NGX_BUSY;
    }

    now = ngx_http_entra_clock();

    if (ctx->caller.unknown_kid == 0) {
        ctx->caller.unknown_kid = now;
    }

    if (entra_caller_keys_absent(&ct->absent, kid, ctx->caller.unknown_kid,
                                 rec.begun, now))
    {
        return NGX_DECLINED;
    }

    /* refused when yet another generation came: that one wakes whoever waits */

    (void) ngx_http_entra_token_refresh_at(ct->keys,
                                           entra_caller_keys_due(rec.begun,
                                                                 now));

    return NGX_AGAIN;
}


/* whom callers ask for a token, as a claims challenge says */

void
ngx_http_entra_caller_token_authority(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *out)
{
    if (mcf->caller_token) {
        entra_caller_token_challenge(&mcf->caller_token->conf, out);
        entra_buf_add_c(out, ", ");
    }
}
