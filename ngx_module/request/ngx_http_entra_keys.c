
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


struct ngx_http_entra_keys_s {
    entra_caller_token_conf_t     conf;
    ngx_http_entra_credential_t   credential;
    ngx_http_entra_token_t       *token;
    u_char                       *file;
    ngx_uint_t                    line;

    /* of a worker */
    entra_keyset_t                set;
    ngx_atomic_uint_t             generation;   /* of set */
    entra_jwt_cache_t            *cache;
};


static void ngx_http_entra_keys_free(void *data);
static int ngx_http_entra_caller_token_line(ngx_conf_t *cf, void *data,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err);
static int ngx_http_entra_caller_token_is_param(void *data, entra_str_t word);
static ngx_uint_t ngx_http_entra_caller_token_names(ngx_str_t *name);
static ngx_int_t ngx_http_entra_keys_load(ngx_http_entra_keys_t *keys);
static ngx_int_t ngx_http_entra_keys_judge(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_keys_t *keys, entra_str_t token,
    entra_signals_t *signals);
static ngx_int_t ngx_http_entra_keys_unknown(ngx_http_entra_keys_t *keys);
static ngx_int_t ngx_http_entra_keys_hold(ngx_http_request_t *r,
    entra_jwt_entry_t *entry);
static void ngx_http_entra_keys_release(void *data);


char *
ngx_http_entra_caller_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    char                    *rv;
    entra_err_t              err;
    ngx_pool_cleanup_t      *cln;
    ngx_http_entra_keys_t   *keys;
    ngx_http_entra_block_t   block;

    if (mcf->keys) {
        return "is duplicate";
    }

    keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_keys_t));
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    entra_caller_token_conf_init(&keys->conf);
    entra_keyset_init(&keys->set);
    mcf->keys = keys;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_entra_keys_free;
    cln->data = keys;

    keys->file = cf->conf_file->file.name.data;
    keys->line = cf->conf_file->line;

    ngx_memzero(&block, sizeof(ngx_http_entra_block_t));

    block.data = keys;
    block.line = ngx_http_entra_caller_token_line;
    block.is_param = ngx_http_entra_caller_token_is_param;
    block.names = ngx_http_entra_caller_token_names;

    rv = ngx_http_entra_conf_block(cf, &block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    entra_err_clear(&err);

    if (entra_caller_token_conf_done(&keys->conf, &err) != 0) {
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
    ngx_http_entra_keys_t *keys = data;

    return entra_caller_token_conf_param(&keys->conf, words, n, err);
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
ngx_http_entra_keys_init(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_str_t                     scope;
    entra_err_t                   err;
    ngx_http_entra_keys_t        *keys;
    ngx_http_entra_credential_t  *credential;

    keys = mcf->keys;

    if (keys == NULL) {
        return NGX_OK;
    }

    credential = &keys->credential;

    ngx_str_set(&credential->name, "entra_caller_token");
    credential->file = keys->file;
    credential->line = keys->line;
    credential->preload = 1;

    entra_err_clear(&err);

    credential->core = entra_caller_keys_create(&keys->conf, mcf->env, &err);
    if (credential->core == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "entra_caller_token: %s in %s:%ui", err.text,
                      keys->file, keys->line);
        return NGX_ERROR;
    }

    if (ngx_array_init(&credential->tokens, cf->pool, 1, sizeof(void *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_http_entra_secret_digest(credential);

    ngx_str_null(&scope);

    keys->token = ngx_http_entra_credential_token(cf, mcf, credential, &scope);
    if (keys->token == NULL) {
        return NGX_ERROR;
    }

    keys->token->preload = 1;
    keys->token->keys = 1;

    return NGX_OK;
}


static void
ngx_http_entra_keys_free(void *data)
{
    ngx_http_entra_keys_t *keys = data;

    if (keys->credential.core) {
        entra_credential_free(keys->credential.core);
    }

    if (keys->cache) {
        entra_jwt_cache_free(keys->cache);
    }

    entra_keyset_free(&keys->set);
    entra_caller_token_conf_free(&keys->conf);
}


ngx_http_entra_token_t *
ngx_http_entra_keys_token(ngx_http_entra_main_conf_t *mcf)
{
    return mcf->keys ? mcf->keys->token : NULL;
}


/* how many there are now, 0: none came yet */

ngx_uint_t
ngx_http_entra_keys_number(ngx_http_entra_main_conf_t *mcf)
{
    if (mcf->keys == NULL || ngx_http_entra_keys_load(mcf->keys) != NGX_OK) {
        return 0;
    }

    return mcf->keys->set.n;
}


/*
 * What the caller presents in Authorization.  NGX_OK: signals are set;
 * NGX_AGAIN: parked until keys are there.
 */

ngx_int_t
ngx_http_entra_keys_signal(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    entra_signals_t *signals)
{
    ngx_str_t                   *value;
    entra_str_t                  token;
    ngx_http_entra_keys_t       *keys;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);
    keys = mcf->keys;

    signals->token = ENTRA_SIGNAL_ABSENT;
    signals->claims = NULL;

    if (keys == NULL || r->headers_in.authorization == NULL) {
        return NGX_OK;
    }

    value = &r->headers_in.authorization->value;

    if (!entra_jwt_bearer((entra_str_t) { value->len, (char *) value->data },
                          &token))
    {
        return NGX_OK;
    }

    return ngx_http_entra_keys_judge(r, ctx, keys, token, signals);
}


static ngx_int_t
ngx_http_entra_keys_judge(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_keys_t *keys, entra_str_t token, entra_signals_t *signals)
{
    ngx_int_t            rc;
    ngx_str_t            failure;
    entra_err_t          err;
    entra_claims_t       claims;
    entra_jwt_id_t       id;
    entra_jwt_entry_t   *entry;
    entra_jwt_result_e   result;

    rc = ngx_http_entra_keys_load(keys);

    if (rc == NGX_OK && token.len <= ENTRA_JWT_MAX
        && entra_jwt_cache_id(keys->cache, token, &id) == 0)
    {
        entry = entra_jwt_cache_get(keys->cache, &id, keys->generation,
                                    ngx_time());
        if (entry) {
            signals->token = ENTRA_SIGNAL_VALID;
            signals->claims = entra_jwt_entry_claims(entry);
            return ngx_http_entra_keys_hold(r, entry);
        }
    }

    ngx_memzero(&claims, sizeof(entra_claims_t));
    entra_err_clear(&err);

    result = entra_jwt_verify(token, rc == NGX_OK ? &keys->set : NULL,
                              &keys->conf, ngx_time(), &claims, &err);

    if (result == ENTRA_JWT_VALID) {
        entry = entra_jwt_cache_put(keys->cache, &id, keys->generation,
                                    ngx_time(), &claims);
        if (entry == NULL) {
            signals->token = ENTRA_SIGNAL_UNKNOWN;
            return NGX_OK;
        }

        signals->token = ENTRA_SIGNAL_VALID;
        signals->claims = entra_jwt_entry_claims(entry);
        return ngx_http_entra_keys_hold(r, entry);
    }

    if (result == ENTRA_JWT_UNKNOWN_KID) {
        rc = ngx_http_entra_keys_unknown(keys);

        if (rc == NGX_BUSY) {
            return ngx_http_entra_keys_judge(r, ctx, keys, token, signals);
        }

        if (rc == NGX_DECLINED) {
            result = ENTRA_JWT_INVALID;
        }

    } else {
        rc = NGX_AGAIN;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "entra: the caller's token is %s: %s",
                  result == ENTRA_JWT_INVALID ? "refused" : "not validated yet",
                  err.text);

    failure.len = ngx_strlen(err.text) + 1;
    failure.data = (u_char *) err.text;

    signals->failure = (char *) ngx_pstrdup(r->pool, &failure);

    if (result == ENTRA_JWT_INVALID) {
        signals->token = ENTRA_SIGNAL_INVALID;
        return NGX_OK;
    }

    signals->token = ENTRA_SIGNAL_UNKNOWN;

    if (rc == NGX_AGAIN && r->upstream == NULL) {
        rc = ngx_http_entra_park(r, ctx, keys->token);
        return rc == NGX_DECLINED ? NGX_OK : rc;
    }

    return NGX_OK;
}


/* the worker's parsed copy of the shared text */

static ngx_int_t
ngx_http_entra_keys_load(ngx_http_entra_keys_t *keys)
{
    entra_err_t              err;
    entra_str_t              text;
    ngx_http_entra_token_t  *token;

    token = keys->token;

    if (!ngx_http_entra_token_usable(token, ngx_http_entra_clock())) {
        return NGX_DECLINED;
    }

    if (keys->cache == NULL) {
        keys->cache = entra_jwt_cache_create(0, 0);
        if (keys->cache == NULL) {
            return NGX_DECLINED;
        }
    }

    if (keys->generation == token->generation && keys->set.n) {
        return NGX_OK;
    }

    text.data = (char *) token->header.data + sizeof("Bearer ") - 1;
    text.len = token->header.len - (sizeof("Bearer ") - 1);

    entra_keyset_free(&keys->set);
    entra_keyset_init(&keys->set);
    entra_err_clear(&err);

    if (entra_keyset_read(&keys->set, text, &err) != 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "entra_caller_token: %s", err.text);
        return NGX_DECLINED;
    }

    keys->generation = token->generation;

    return NGX_OK;
}


/*
 * NGX_AGAIN: they are fetched; NGX_BUSY: there are others by now, to be tried;
 * NGX_DECLINED: 401; NGX_OK: it stays unknown
 */

static ngx_int_t
ngx_http_entra_keys_unknown(ngx_http_entra_keys_t *keys)
{
    entra_store_snapshot_t  rec;

    if (ngx_http_entra_token_pending(keys->token)) {
        return NGX_AGAIN;
    }

    /*
     * A fetch of another worker may have ended since the keys were looked at:
     * that was "moments ago", but this token was not validated with those
     */

    ngx_http_entra_token_peek(keys->token, &rec);

    if (rec.generation && rec.generation != keys->token->generation) {
        return NGX_BUSY;
    }

    switch (entra_caller_keys_unknown_kid(rec.tried, rec.fails != 0,
                                          ngx_time()))
    {

    case ENTRA_CALLER_KEYS_FETCH:
        return ngx_http_entra_token_invalidate(keys->token, keys->generation,
                                               NULL)
               == NGX_OK ? NGX_AGAIN : NGX_OK;

    case ENTRA_CALLER_KEYS_FINAL:
        return NGX_DECLINED;

    default:
        return NGX_OK;
    }
}


/* the claims are used until the request is logged */

static ngx_int_t
ngx_http_entra_keys_hold(ngx_http_request_t *r, entra_jwt_entry_t *entry)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        entra_jwt_entry_release(entry);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_entra_keys_release;
    cln->data = entry;

    return NGX_OK;
}


static void
ngx_http_entra_keys_release(void *data)
{
    entra_jwt_entry_release(data);
}


/* whom callers ask for a token, as a claims challenge says */

void
ngx_http_entra_keys_authority(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *out)
{
    if (mcf->keys) {
        entra_caller_token_challenge(&mcf->keys->conf, out);
        entra_buf_add_c(out, ", ");
    }
}
