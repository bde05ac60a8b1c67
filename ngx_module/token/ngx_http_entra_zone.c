
/*
 * Copyright (C) nginx-entra authors
 *
 * The shared zone: records of tokens, and counters.  It survives a reload;
 * the master only adopts pointers, workers fill it.
 */

#include "ngx_http_entra_module.h"


/* of this layout: another one starts with an empty zone */
#define NGX_HTTP_ENTRA_ZONE_MAGIC     0x656e7402

/* records that no worker has looked at for so long are forgotten, ms */
#define NGX_HTTP_ENTRA_ZONE_UNUSED    (10 * 60 * 1000)


typedef struct {
    uint32_t              magic;
    uint32_t              size;                 /* of a record */
    ngx_rbtree_t          records;
    ngx_rbtree_node_t     sentinel;
    ngx_rbtree_t          sessions;
    ngx_rbtree_node_t     sessions_sentinel;
    ngx_atomic_t          counters[NGX_HTTP_ENTRA_ZONE_COUNTERS];
} ngx_http_entra_shared_t;


typedef struct {
    ngx_http_entra_shared_t  *shared;
    ngx_slab_pool_t          *pool;
} ngx_http_entra_zone_t;


static void ngx_http_entra_zone_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_entra_record_t *ngx_http_entra_zone_lookup(
    ngx_http_entra_shared_t *shared, u_char *key);
static void ngx_http_entra_zone_expire(ngx_http_entra_zone_t *zone);
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
        return NGX_OK;
    }

    zone->pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->shared = zone->pool->data;
        return NGX_OK;
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


/*
 * Finds or makes the record.  With no room left the worker goes on with one
 * of its own: nothing is shared then, but requests get their tokens.
 */

ngx_http_entra_record_t *
ngx_http_entra_zone_record(ngx_http_entra_main_conf_t *mcf, u_char *key,
    ngx_log_t *log)
{
    ngx_http_entra_zone_t    *zone;
    ngx_http_entra_record_t  *rec;

    zone = mcf->zone->data;

    ngx_shmtx_lock(&zone->pool->mutex);

    rec = ngx_http_entra_zone_lookup(zone->shared, key);

    if (rec == NULL) {
        rec = ngx_slab_calloc_locked(zone->pool,
                                     sizeof(ngx_http_entra_record_t));

        if (rec == NULL) {
            ngx_http_entra_zone_expire(zone);
            rec = ngx_slab_calloc_locked(zone->pool,
                                         sizeof(ngx_http_entra_record_t));
        }

        if (rec) {
            ngx_memcpy(rec->key, key, 32);
            ngx_memcpy(&rec->node.key, key, sizeof(ngx_rbtree_key_t));
            rec->used = ngx_http_entra_clock();
            ngx_rbtree_insert(&zone->shared->records, &rec->node);
        }
    }

    if (rec) {
        rec->used = ngx_http_entra_clock();
    }

    ngx_shmtx_unlock(&zone->pool->mutex);

    if (rec) {
        return rec;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "entra zone \"%V\" is full, workers do not share this "
                  "token or counter; write a larger "
                  "\"entra_shared_zone zone=%V:SIZE\"",
                  &mcf->zone_name, &mcf->zone_name);

    rec = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_entra_record_t));
    if (rec) {
        ngx_memcpy(rec->key, key, 32);
    }

    return rec;
}


/* those that only an earlier configuration knew */

static void
ngx_http_entra_zone_expire(ngx_http_entra_zone_t *zone)
{
    int64_t                   now;
    ngx_rbtree_node_t        *node, *next;
    ngx_http_entra_record_t  *rec;

    now = ngx_http_entra_clock();

    if (zone->shared->records.root == &zone->shared->sentinel) {
        return;
    }

    node = ngx_rbtree_min(zone->shared->records.root,
                          &zone->shared->sentinel);

    for ( ; node; node = next) {
        next = ngx_rbtree_next(&zone->shared->records, node);
        rec = (ngx_http_entra_record_t *) node;

        if (now - rec->used < NGX_HTTP_ENTRA_ZONE_UNUSED) {
            continue;
        }

        ngx_http_entra_zone_wipe(zone->pool, &rec->value, &rec->len);
        ngx_http_entra_zone_wipe(zone->pool, &rec->claims, &rec->claims_len);

        ngx_rbtree_delete(&zone->shared->records, node);
        ngx_slab_free_locked(zone->pool, rec);
    }
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


static ngx_int_t
ngx_http_entra_zone_shared(ngx_http_entra_zone_t *zone, void *p)
{
    return (u_char *) p >= (u_char *) zone->pool
           && (u_char *) p < zone->pool->end;
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

    if (!ngx_http_entra_zone_shared(zone, rec)) {
        return NGX_DECLINED;
    }

    p = ngx_slab_alloc_locked(zone->pool, len);

    if (p == NULL) {
        ngx_http_entra_zone_expire(zone);
        p = ngx_slab_alloc_locked(zone->pool, len);
    }

    old = rec->value;
    old_len = rec->len;

    if (p) {
        ngx_memcpy(p, value, len);
    }

    rec->value = p;
    rec->len = p ? len : 0;

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

    if (!ngx_http_entra_zone_shared(zone, rec)) {
        return NGX_DECLINED;
    }

    ngx_http_entra_zone_wipe(zone->pool, &rec->claims, &rec->claims_len);

    if (claims == NULL || claims->len == 0
        || claims->len > NGX_HTTP_ENTRA_CLAIMS_MAX)
    {
        return NGX_OK;
    }

    rec->claims = ngx_slab_alloc_locked(zone->pool, claims->len);
    if (rec->claims == NULL) {
        return NGX_DECLINED;
    }

    ngx_memcpy(rec->claims, claims->data, claims->len);
    rec->claims_len = claims->len;

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
