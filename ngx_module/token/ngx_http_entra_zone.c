
/*
 * Copyright (C) nginx-entra authors
 *
 * The shared zone: records of tokens, and counters.  It survives a reload;
 * the master only adopts pointers, workers fill it.
 */

#include "ngx_http_entra_module.h"


/* of this layout: another one starts with an empty zone */
#define NGX_HTTP_ENTRA_ZONE_MAGIC     0x656e7403

/* records that no worker has looked at for so long are forgotten, ms */
#define NGX_HTTP_ENTRA_ZONE_UNUSED    (10 * 60 * 1000)

/* between two lines that say that the zone is full, ms */
#define NGX_HTTP_ENTRA_ZONE_LOG       (60 * 1000)


typedef struct {
    uint32_t              magic;
    uint32_t              size;                 /* of a record */
    ngx_rbtree_t          records;
    ngx_rbtree_node_t     sentinel;
    ngx_atomic_uint_t     generation;           /* the last one */
    ngx_http_entra_record_t  *free;             /* those that were evicted */
    size_t                callers;              /* bytes of their tokens */
    ngx_rbtree_t          sessions;
    ngx_rbtree_node_t     sessions_sentinel;
    ngx_atomic_t          counters[NGX_HTTP_ENTRA_COUNTERS];
} ngx_http_entra_shared_t;


typedef struct {
    ngx_http_entra_shared_t  *shared;
    ngx_slab_pool_t          *pool;
} ngx_http_entra_zone_t;


static ngx_int_t ngx_http_entra_zone_check(ngx_shm_zone_t *shm_zone);
static void ngx_http_entra_zone_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_entra_record_t *ngx_http_entra_zone_lookup(
    ngx_http_entra_shared_t *shared, u_char *key);
static ngx_http_entra_record_t *ngx_http_entra_zone_alloc(
    ngx_http_entra_zone_t *zone, ngx_uint_t caller);
static size_t ngx_http_entra_zone_charge(ngx_http_entra_record_t *rec);
static ngx_int_t ngx_http_entra_zone_limit(ngx_http_entra_zone_t *zone,
    size_t more, ngx_http_entra_record_t *except);
static ngx_http_entra_record_t *ngx_http_entra_zone_oldest(
    ngx_http_entra_zone_t *zone, ngx_uint_t caller,
    ngx_http_entra_record_t *except);
static ngx_int_t ngx_http_entra_zone_expire(ngx_http_entra_zone_t *zone,
    ngx_http_entra_record_t *except);
static void ngx_http_entra_zone_evict(ngx_http_entra_zone_t *zone,
    ngx_http_entra_record_t *rec);
static u_char *ngx_http_entra_zone_dup(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec, const void *data, size_t len);
static void ngx_http_entra_zone_wipe(ngx_slab_pool_t *pool, u_char **data,
    size_t *len);


void *
ngx_http_entra_zone_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_zone_t));
}


ngx_int_t
ngx_http_entra_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_entra_zone_t  *old = data;

    size_t                    len;
    ngx_http_entra_zone_t    *zone;
    ngx_http_entra_shared_t  *shared;

    zone = shm_zone->data;

    if (old) {
        zone->shared = old->shared;
        zone->pool = old->pool;
        return ngx_http_entra_zone_check(shm_zone);
    }

    zone->pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->shared = zone->pool->data;
        return ngx_http_entra_zone_check(shm_zone);
    }

    shared = ngx_slab_calloc(zone->pool, sizeof(ngx_http_entra_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    shared->magic = NGX_HTTP_ENTRA_ZONE_MAGIC;
    shared->size = sizeof(ngx_http_entra_record_t);

    ngx_rbtree_init(&shared->records, &shared->sentinel,
                    ngx_http_entra_zone_insert);
    ngx_rbtree_init(&shared->sessions, &shared->sessions_sentinel,
                    ngx_rbtree_insert_value);

    zone->shared = shared;
    zone->pool->data = shared;

    len = sizeof(" in entra zone \"\"") + shm_zone->shm.name.len;

    zone->pool->log_ctx = ngx_slab_alloc(zone->pool, len);
    if (zone->pool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(zone->pool->log_ctx, " in entra zone \"%V\"%Z",
                &shm_zone->shm.name);

    /* a full zone is reported by us, with what to write */
    zone->pool->log_nomem = 0;

    return NGX_OK;
}


/* of another version of the module, its memory cannot be read */

static ngx_int_t
ngx_http_entra_zone_check(ngx_shm_zone_t *shm_zone)
{
    ngx_http_entra_zone_t  *zone = shm_zone->data;

    if (zone->shared
        && zone->shared->magic == NGX_HTTP_ENTRA_ZONE_MAGIC
        && zone->shared->size == sizeof(ngx_http_entra_record_t))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "entra zone \"%V\" is of another version of the module; "
                  "restart nginx, or write another name in "
                  "\"entra_shared_zone\"", &shm_zone->shm.name);

    return NGX_ERROR;
}


static void
ngx_http_entra_zone_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t        **p;
    ngx_http_entra_record_t   *rec, *r;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = node->key < temp->key ? &temp->left : &temp->right;

        } else {
            rec = (ngx_http_entra_record_t *) node;
            r = (ngx_http_entra_record_t *) temp;

            p = ngx_memcmp(rec->key, r->key, 32) < 0 ? &temp->left
                                                     : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static ngx_http_entra_record_t *
ngx_http_entra_zone_lookup(ngx_http_entra_shared_t *shared, u_char *key)
{
    ngx_int_t                 rc;
    ngx_rbtree_key_t          hash;
    ngx_rbtree_node_t        *node, *sentinel;
    ngx_http_entra_record_t  *rec;

    ngx_memcpy(&hash, key, sizeof(ngx_rbtree_key_t));

    node = shared->records.root;
    sentinel = shared->records.sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = hash < node->key ? node->left : node->right;
            continue;
        }

        rec = (ngx_http_entra_record_t *) node;

        rc = ngx_memcmp(key, rec->key, 32);

        if (rc == 0) {
            return rec;
        }

        node = rc < 0 ? node->left : node->right;
    }

    return NULL;
}


ngx_http_entra_record_t *
ngx_http_entra_zone_find(ngx_http_entra_main_conf_t *mcf, u_char *key)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    return ngx_http_entra_zone_lookup(zone->shared, key);
}


ngx_http_entra_record_t *
ngx_http_entra_zone_make(ngx_http_entra_main_conf_t *mcf, u_char *key,
    ngx_uint_t caller)
{
    ngx_http_entra_zone_t    *zone;
    ngx_http_entra_record_t  *rec;

    zone = mcf->zone->data;

    rec = ngx_http_entra_zone_alloc(zone, caller);
    if (rec == NULL) {
        return NULL;
    }

    /* those who still point to it have to see that it is another one */

    rec->generation = ngx_http_entra_zone_generation(mcf);

    ngx_memzero(&rec->value, sizeof(ngx_http_entra_record_t)
                             - offsetof(ngx_http_entra_record_t, value));

    rec->caller = caller;
    rec->config = mcf->config;
    rec->used = ngx_http_entra_clock();

    ngx_memcpy(rec->key, key, 32);
    ngx_memcpy(&rec->node.key, key, sizeof(ngx_rbtree_key_t));
    ngx_rbtree_insert(&zone->shared->records, &rec->node);

    if (caller) {
        zone->shared->callers += ngx_http_entra_zone_charge(rec);
    }

    return rec;
}


ngx_atomic_uint_t
ngx_http_entra_zone_generation(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    return ++zone->shared->generation;
}


static ngx_http_entra_record_t *
ngx_http_entra_zone_alloc(ngx_http_entra_zone_t *zone, ngx_uint_t caller)
{
    ngx_http_entra_record_t  *rec;

    if (caller) {
        ngx_http_entra_zone_limit(zone, sizeof(ngx_http_entra_record_t), NULL);
    }

    do {
        rec = zone->shared->free;

        if (rec) {
            zone->shared->free = rec->next_free;
            return rec;
        }

        rec = ngx_slab_calloc_locked(zone->pool,
                                     sizeof(ngx_http_entra_record_t));
        if (rec) {
            return rec;
        }

    } while (ngx_http_entra_zone_expire(zone, NULL));

    return NULL;
}


/* memory of the slab that a record takes, roughly */

static size_t
ngx_http_entra_zone_charge(ngx_http_entra_record_t *rec)
{
    return sizeof(ngx_http_entra_record_t) + rec->len + rec->claims_len;
}


/* callers' tokens leave a quarter to what all requests need */

static ngx_int_t
ngx_http_entra_zone_limit(ngx_http_entra_zone_t *zone, size_t more,
    ngx_http_entra_record_t *except)
{
    size_t                    max;
    ngx_http_entra_record_t  *rec;

    max = (zone->pool->end - (u_char *) zone->pool) / 4 * 3;

    while (zone->shared->callers + more > max) {

        rec = ngx_http_entra_zone_oldest(zone, 1, except);
        if (rec == NULL) {
            return NGX_DECLINED;
        }

        ngx_http_entra_zone_evict(zone, rec);
    }

    return NGX_OK;
}


/*
 * The one that was used longest ago: of callers' tokens any that nobody
 * fetches, of others those that only an earlier configuration knew
 */

static ngx_http_entra_record_t *
ngx_http_entra_zone_oldest(ngx_http_entra_zone_t *zone, ngx_uint_t caller,
    ngx_http_entra_record_t *except)
{
    int64_t                   now;
    ngx_rbtree_node_t        *node;
    ngx_http_entra_record_t  *rec, *oldest;

    now = ngx_http_entra_clock();
    oldest = NULL;

    if (zone->shared->records.root == &zone->shared->sentinel) {
        return NULL;
    }

    node = ngx_rbtree_min(zone->shared->records.root,
                          &zone->shared->sentinel);

    for ( ; node; node = ngx_rbtree_next(&zone->shared->records, node)) {
        rec = (ngx_http_entra_record_t *) node;

        if (rec == except || rec->caller != caller || rec->lease > now
            || (!caller && now - rec->used < NGX_HTTP_ENTRA_ZONE_UNUSED))
        {
            continue;
        }

        if (oldest == NULL || rec->used < oldest->used) {
            oldest = rec;
        }
    }

    return oldest;
}


static ngx_int_t
ngx_http_entra_zone_expire(ngx_http_entra_zone_t *zone,
    ngx_http_entra_record_t *except)
{
    ngx_http_entra_record_t  *rec;

    rec = ngx_http_entra_zone_oldest(zone, 0, except);

    if (rec == NULL) {
        rec = ngx_http_entra_zone_oldest(zone, 1, except);
    }

    if (rec == NULL) {
        return 0;
    }

    ngx_http_entra_zone_evict(zone, rec);

    return 1;
}


/* its memory stays a record: see ngx_http_entra_record_t */

static void
ngx_http_entra_zone_evict(ngx_http_entra_zone_t *zone,
    ngx_http_entra_record_t *rec)
{
    ngx_rbtree_delete(&zone->shared->records, &rec->node);

    if (rec->caller) {
        zone->shared->callers -= ngx_http_entra_zone_charge(rec);
    }

    ngx_memzero(rec->key, 32);
    rec->generation = ++zone->shared->generation;

    ngx_http_entra_zone_wipe(zone->pool, &rec->value, &rec->len);
    ngx_http_entra_zone_wipe(zone->pool, &rec->claims, &rec->claims_len);

    rec->next_free = zone->shared->free;
    zone->shared->free = rec;
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
                  &mcf->zone_name, &mcf->zone_name);
}


static void
ngx_http_entra_zone_wipe(ngx_slab_pool_t *pool, u_char **data, size_t *len)
{
    u_char  *p;

    p = *data;

    if (p == NULL) {
        return;
    }

    *data = NULL;

    ngx_explicit_memzero(p, *len);
    *len = 0;

    ngx_slab_free_locked(pool, p);
}


ngx_uint_t
ngx_http_entra_zone_holds(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    return (u_char *) rec >= (u_char *) zone->pool
           && (u_char *) rec < zone->pool->end;
}


/* a copy in the zone, or NULL */

static u_char *
ngx_http_entra_zone_dup(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec, const void *data, size_t len)
{
    u_char                 *p;
    ngx_http_entra_zone_t  *zone;

    zone = mcf->zone->data;

    if (!ngx_http_entra_zone_holds(mcf, rec)
        || (rec->caller
            && ngx_http_entra_zone_limit(zone, len, rec) != NGX_OK))
    {
        return NULL;
    }

    do {
        p = ngx_slab_alloc_locked(zone->pool, len);

        if (p) {
            ngx_memcpy(p, data, len);
            return p;
        }

    } while (ngx_http_entra_zone_expire(zone, rec));

    return NULL;
}


/*
 * Called with the mutex held.  The new bytes are complete before the record
 * points to them: a worker killed in between leaves a record that can be
 * read.
 */

ngx_int_t
ngx_http_entra_zone_store(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec, const char *value, size_t len)
{
    size_t                  old_len;
    u_char                 *p, *old;
    ngx_http_entra_zone_t  *zone;

    zone = mcf->zone->data;

    p = ngx_http_entra_zone_dup(mcf, rec, value, len);

    old = rec->value;
    old_len = rec->len;

    rec->value = p;
    rec->len = p ? len : 0;

    if (rec->caller) {
        zone->shared->callers += rec->len;
        zone->shared->callers -= old_len;
    }

    ngx_http_entra_zone_wipe(zone->pool, &old, &old_len);

    return p ? NGX_OK : NGX_DECLINED;
}


/* called with the mutex held; NULL forgets them */

ngx_int_t
ngx_http_entra_zone_claims(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec, ngx_str_t *claims)
{
    ngx_http_entra_zone_t  *zone;

    zone = mcf->zone->data;

    if (rec->caller) {
        zone->shared->callers -= rec->claims_len;
    }

    ngx_http_entra_zone_wipe(zone->pool, &rec->claims, &rec->claims_len);

    if (claims == NULL || claims->len == 0
        || claims->len > NGX_HTTP_ENTRA_CLAIMS_MAX)
    {
        return NGX_OK;
    }

    rec->claims = ngx_http_entra_zone_dup(mcf, rec, claims->data, claims->len);
    if (rec->claims == NULL) {
        return NGX_DECLINED;
    }

    rec->claims_len = claims->len;

    if (rec->caller) {
        zone->shared->callers += rec->claims_len;
    }

    return NGX_OK;
}


void
ngx_http_entra_zone_lock(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    ngx_shmtx_lock(&zone->pool->mutex);
}


void
ngx_http_entra_zone_unlock(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    ngx_shmtx_unlock(&zone->pool->mutex);
}


ngx_slab_pool_t *
ngx_http_entra_zone_pool(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    return zone->pool;
}


ngx_rbtree_t *
ngx_http_entra_zone_sessions(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    return &zone->shared->sessions;
}


ngx_atomic_t *
ngx_http_entra_zone_counters(ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_zone_t  *zone = mcf->zone->data;

    return zone->shared->counters;
}
