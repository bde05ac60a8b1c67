
/*
 * Copyright (C) nginx-entra authors
 */

#include "ngx_http_entra_conf.h"
#include "ngx_http_entra_recent.h"


typedef struct {
    ngx_uint_t                  ntokens;
    ngx_uint_t                  denied;         /* ever: where the next goes */
    ngx_http_entra_denial_t     denials[NGX_HTTP_ENTRA_DENIALS];
    ngx_http_entra_attempts_t   attempts[1];    /* ntokens */
} ngx_http_entra_recent_t;


static ngx_int_t ngx_http_entra_recent_zone(ngx_shm_zone_t *zone, void *data);
static void ngx_http_entra_recent_text(u_char *dst, size_t size,
    entra_str_t text);


ngx_int_t
ngx_http_entra_recent_init(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    size_t                    size;
    ngx_str_t                 name;
    ngx_uint_t                i;
    ngx_http_entra_token_t  **token;

    if (mcf->shared.zone == NULL) {
        return NGX_OK;
    }

    token = mcf->tokens.elts;

    for (i = 0; i < mcf->tokens.nelts; i++) {
        token[i]->nth = i + 1;
    }

    /* another number of tokens is another zone: the size of one is fixed */

    name.data = ngx_pnalloc(cf->pool, sizeof("entra recent ") + NGX_INT_T_LEN);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    name.len = ngx_sprintf(name.data, "entra recent %ui", mcf->tokens.nelts)
               - name.data;

    size = sizeof(ngx_http_entra_recent_t)
           + mcf->tokens.nelts * sizeof(ngx_http_entra_attempts_t);

    /* the pool counts its pages itself, 32 bytes for each */

    size += size / 64 + 16 * ngx_pagesize;

    mcf->shared.recent = ngx_shared_memory_add(cf, &name, ngx_align(size,
                                                             ngx_pagesize),
                                        &ngx_http_entra_module);
    if (mcf->shared.recent == NULL) {
        return NGX_ERROR;
    }

    mcf->shared.recent->init = ngx_http_entra_recent_zone;
    mcf->shared.recent->data = mcf;

    return NGX_OK;
}


/* the zone's data: mcf until here, the memory from here on */

static ngx_int_t
ngx_http_entra_recent_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t             *pool;
    ngx_http_entra_recent_t     *recent;
    ngx_http_entra_main_conf_t  *mcf = zone->data;

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    recent = data ? data : zone->shm.exists ? pool->data : NULL;

    if (recent == NULL) {
        recent = ngx_slab_calloc(pool, sizeof(ngx_http_entra_recent_t)
                                       + mcf->tokens.nelts
                                         * sizeof(ngx_http_entra_attempts_t));
        if (recent == NULL) {
            return NGX_ERROR;
        }

        recent->ntokens = mcf->tokens.nelts;
        pool->data = recent;
    }

    zone->data = recent;

    return NGX_OK;
}


/* with the mutex locked; NULL: there is no zone */

static ngx_http_entra_recent_t *
ngx_http_entra_recent_lock(ngx_http_entra_main_conf_t *mcf)
{
    if (mcf->shared.recent == NULL) {
        return NULL;
    }

    ngx_shmtx_lock(&((ngx_slab_pool_t *) mcf->shared.recent->shm.addr)->mutex);

    return mcf->shared.recent->data;
}


static void
ngx_http_entra_recent_unlock(ngx_http_entra_main_conf_t *mcf)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) mcf->shared.recent->shm.addr;

    ngx_shmtx_unlock(&pool->mutex);
}


void
ngx_http_entra_recent_attempt(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_token_t *token, int64_t ms, ngx_uint_t class)
{
    ngx_http_entra_recent_t    *recent;
    ngx_http_entra_attempt_t   *attempt;
    ngx_http_entra_attempts_t  *row;

    if (token->nth == 0) {
        return;
    }

    recent = ngx_http_entra_recent_lock(mcf);
    if (recent == NULL) {
        return;
    }

    row = &recent->attempts[token->nth - 1];

    /* of a token that a reload has put elsewhere */

    if (ngx_memcmp(row->key, token->ref.key, sizeof(row->key)) != 0) {
        ngx_memzero(row, sizeof(ngx_http_entra_attempts_t));
        ngx_memcpy(row->key, token->ref.key, sizeof(row->key));
    }

    attempt = &row->ring[row->n++ % NGX_HTTP_ENTRA_ATTEMPTS];

    attempt->at = (uint32_t) ngx_time();
    attempt->took = (uint16_t) ngx_min(ms / 10, 65535);
    attempt->class = (uint8_t) class;

    ngx_http_entra_recent_unlock(mcf);
}


void
ngx_http_entra_recent_denial(ngx_http_entra_main_conf_t *mcf,
    ngx_uint_t status, ngx_uint_t reason, ngx_str_t *credential,
    entra_str_t text)
{
    ngx_http_entra_denial_t  *denial;
    ngx_http_entra_recent_t  *recent;

    recent = ngx_http_entra_recent_lock(mcf);
    if (recent == NULL) {
        return;
    }

    denial = &recent->denials[recent->denied++ % NGX_HTTP_ENTRA_DENIALS];

    denial->time = ngx_time();
    denial->status = status;
    denial->reason = reason;

    ngx_http_entra_recent_text(denial->credential, sizeof(denial->credential),
                               credential ? (entra_str_t) {
                                                credential->len,
                                                (char *) credential->data }
                                          : entra_str_null);
    ngx_http_entra_recent_text(denial->text, sizeof(denial->text), text);

    ngx_http_entra_recent_unlock(mcf);
}


static void
ngx_http_entra_recent_text(u_char *dst, size_t size, entra_str_t text)
{
    size_t  n;

    n = ngx_min(text.len, size - 1);

    ngx_memcpy(dst, text.data ? text.data : "", n);
    dst[n] = '\0';
}


ngx_uint_t
ngx_http_entra_recent(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_attempts_t *attempts, ngx_http_entra_denial_t *denials)
{
    ngx_uint_t                i, n;
    ngx_http_entra_recent_t  *recent;

    recent = ngx_http_entra_recent_lock(mcf);
    if (recent == NULL) {
        return 0;
    }

    n = ngx_min(recent->denied, NGX_HTTP_ENTRA_DENIALS);

    for (i = 0; i < n; i++) {
        denials[i] = recent->denials[(recent->denied - 1 - i)
                                     % NGX_HTTP_ENTRA_DENIALS];
    }

    if (attempts) {
        ngx_memcpy(attempts, recent->attempts,
                   recent->ntokens * sizeof(ngx_http_entra_attempts_t));
    }

    ngx_http_entra_recent_unlock(mcf);

    return n;
}
