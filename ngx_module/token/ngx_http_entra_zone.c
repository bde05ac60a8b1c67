
/*
 * Copyright (C) nginx-entra authors
 *
 * The shared zone: the store's memory, nginx's mutex around it, and what is
 * said about it.  It survives a reload; the master only adopts it, workers
 * fill it.
 */

#include "ngx_http_entra_conf.h"

#include <signal.h>


/* between two lines that say that the zone is full, ms */
#define NGX_HTTP_ENTRA_ZONE_LOG  (60 * 1000)


typedef struct {
    entra_store_t     store;
    ngx_slab_pool_t  *pool;
} ngx_http_entra_zone_t;


static ngx_int_t ngx_http_entra_zone_format(ngx_shm_zone_t *shm_zone);
static void ngx_http_entra_zone_lock(void *data);
static void ngx_http_entra_zone_unlock(void *data);
static int ngx_http_entra_zone_alive(int64_t pid);


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
