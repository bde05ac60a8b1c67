
/*
 * Copyright (C) nginx-entra authors
 *
 * The shared zone: the store's memory, nginx's mutex around it, and what is
 * said about it.  It survives a reload; the master only adopts it, workers
 * fill it.
 */

#include "ngx_http_entra_conf.h"
#include "entra_store_copy.h"

#include <signal.h>


/* between two lines that say that the zone is full, ms */
#define NGX_HTTP_ENTRA_ZONE_LOG  (60 * 1000)

/* how long somebody who has no time waits for the lock, ms */
#define NGX_HTTP_ENTRA_ZONE_TRY  2000


typedef struct {
    entra_store_t     store;
    ngx_slab_pool_t  *pool;
    ngx_uint_t        fresh;        /* unsigned  fresh:1 */
} ngx_http_entra_zone_t;


static ngx_int_t ngx_http_entra_zone_format(ngx_shm_zone_t *shm_zone);
static void ngx_http_entra_zone_lock(void *data);
static void ngx_http_entra_zone_unlock(void *data);
static int ngx_http_entra_zone_alive(int64_t pid);
static int ngx_http_entra_zone_wanted(void *data, entra_store_kind_e kind,
    const unsigned char *key);
static int ngx_libc_cdecl ngx_http_entra_zone_compare(const void *one,
    const void *two);


void *
ngx_http_entra_zone_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_zone_t));
}


ngx_int_t
ngx_http_entra_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_entra_zone_t  *old = data;

    size_t                  size;
    ngx_http_entra_zone_t  *zone;

    zone = shm_zone->data;
    zone->pool = old ? old->pool : (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone->fresh = old == NULL;

    if (old == NULL && !shm_zone->shm.exists
        && ngx_http_entra_zone_format(shm_zone) != NGX_OK)
    {
        return NGX_ERROR;
    }

    size = zone->pool->end - (u_char *) zone->pool->data;

    if (zone->pool->data == NULL
        || entra_store_check(zone->pool->data, size & ~(ngx_pagesize - 1)) != 0)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "entra zone \"%V\" is of another version of the module; "
                      "restart nginx, or write another name in "
                      "\"entra_shared_zone\"", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    entra_store_open(&zone->store, zone->pool->data);

    zone->store.lock = ngx_http_entra_zone_lock;
    zone->store.unlock = ngx_http_entra_zone_unlock;
    zone->store.alive = ngx_http_entra_zone_alive;
    zone->store.data = &zone->pool->mutex;

    return NGX_OK;
}


/* all the pages that are left: the slab's own lists are of no use for us */

static ngx_int_t
ngx_http_entra_zone_format(ngx_shm_zone_t *shm_zone)
{
    size_t            size;
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    size = sizeof(" in entra zone \"\"") + shm_zone->shm.name.len;

    pool->log_ctx = ngx_slab_alloc(pool, size);
    if (pool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(pool->log_ctx, " in entra zone \"%V\"%Z", &shm_zone->shm.name);

    size = pool->pfree * ngx_pagesize;

    pool->data = ngx_slab_alloc(pool, size);

    if (pool->data == NULL || entra_store_format(pool->data, size) != 0) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


entra_store_t *
ngx_http_entra_zone_store(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->shared.zone->data;

    return &zone->store;
}


/* made for this configuration: no worker has used it */

ngx_uint_t
ngx_http_entra_zone_fresh(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->shared.zone->data;

    return zone->fresh;
}


ngx_atomic_t *
ngx_http_entra_zone_counters(ngx_http_entra_main_conf_t *mcf)
{
    return entra_store_counters(ngx_http_entra_zone_store(mcf));
}


/* the master gives no number twice while the process is alive */

void
ngx_http_entra_zone_join(ngx_http_entra_main_conf_t *mcf)
{
    entra_store_t  *store;

    store = ngx_http_entra_zone_store(mcf);

    store->process = ngx_process_slot;
    store->pid = ngx_pid;

    entra_store_join(store);
}


void
ngx_http_entra_zone_full(ngx_http_entra_main_conf_t *mcf)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    if (ngx_http_entra_worker->full
        && now - ngx_http_entra_worker->full < NGX_HTTP_ENTRA_ZONE_LOG)
    {
        return;
    }

    ngx_http_entra_worker->full = now;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "entra zone \"%V\" is full, workers do not share all tokens "
                  "and counters; write a larger "
                  "\"entra_shared_zone zone=%V:SIZE\"",
                  &mcf->shared.name, &mcf->shared.name);
}


void
ngx_http_entra_zone_watch(ngx_http_entra_main_conf_t *mcf)
{
    unsigned  n, lost;

    n = entra_store_rebuilds(ngx_http_entra_zone_store(mcf), &lost);

    if (n == ngx_http_entra_worker->rebuilds) {
        return;
    }

    ngx_http_entra_worker->rebuilds = n;

    /* all workers see it: one of them says it */

    if (ngx_worker == 0) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "entra zone \"%V\" was rebuilt, as a worker was killed "
                      "while it changed it; %ui of its records were lost",
                      &mcf->shared.name, (ngx_uint_t) lost);
    }
}


static void
ngx_http_entra_zone_lock(void *data)
{
    ngx_shmtx_lock(data);
}


static void
ngx_http_entra_zone_unlock(void *data)
{
    ngx_shmtx_unlock(data);
}


static int
ngx_http_entra_zone_alive(int64_t pid)
{
    return pid == ngx_pid || kill((ngx_pid_t) pid, 0) == 0
           || ngx_errno != NGX_ESRCH;
}


/* with a bound for the lock, as the master's child may not wait for a worker */

ngx_int_t
ngx_http_entra_zone_export(ngx_http_entra_main_conf_t *mcf,
    entra_store_copy_t *copy, entra_buf_t *out)
{
    int                     more;
    ngx_uint_t              tries;
    entra_store_t           store;
    ngx_http_entra_zone_t  *zone;

    zone = mcf->shared.zone->data;

    store = zone->store;
    store.lock = NULL;
    store.unlock = NULL;

    for (tries = NGX_HTTP_ENTRA_ZONE_TRY;
         !ngx_shmtx_trylock(&zone->pool->mutex);
         tries--)
    {
        if (tries == 0) {
            return NGX_ERROR;
        }

        ngx_msleep(1);
    }

    copy->now = ngx_http_entra_clock();
    more = entra_store_export(&store, copy, out);

    ngx_shmtx_unlock(&zone->pool->mutex);

    return more ? NGX_AGAIN : NGX_OK;
}


/* the tokens that this configuration has, and whatever it has not named */

ngx_int_t
ngx_http_entra_zone_import(ngx_http_entra_main_conf_t *mcf,
    entra_store_copy_t *copy, entra_str_t records)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_array_t               keys;
    ngx_http_entra_token_t  **token, **key;

    if (ngx_array_init(&keys, ngx_cycle->pool, mcf->tokens.nelts + 1,
                       sizeof(ngx_http_entra_token_t *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    token = mcf->tokens.elts;

    for (i = 0; i < mcf->tokens.nelts; i++) {
        key = ngx_array_push(&keys);
        *key = token[i];
    }

    ngx_qsort(keys.elts, keys.nelts, sizeof(ngx_http_entra_token_t *),
              ngx_http_entra_zone_compare);

    copy->now = ngx_http_entra_clock();
    copy->wanted = ngx_http_entra_zone_wanted;
    copy->data = &keys;

    rc = entra_store_import(ngx_http_entra_zone_store(mcf), copy, records);

    ngx_array_destroy(&keys);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


static int
ngx_http_entra_zone_wanted(void *data, entra_store_kind_e kind,
    const unsigned char *key)
{
    ngx_array_t *keys = data;

    ngx_http_entra_token_t  token, *what;

    if (kind != ENTRA_STORE_SHARED) {
        return 1;
    }

    ngx_memcpy(token.ref.key, key, ENTRA_STORE_KEY);
    what = &token;

    return bsearch(&what, keys->elts, keys->nelts,
                   sizeof(ngx_http_entra_token_t *),
                   ngx_http_entra_zone_compare)
           != NULL;
}


static int ngx_libc_cdecl
ngx_http_entra_zone_compare(const void *one, const void *two)
{
    const ngx_http_entra_token_t *const *a = one;
    const ngx_http_entra_token_t *const *b = two;

    return ngx_memcmp((*a)->ref.key, (*b)->ref.key, ENTRA_STORE_KEY);
}
