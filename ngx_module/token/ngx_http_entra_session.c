
/*
 * Copyright (C) nginx-entra authors
 *
 * The store of sign-ins in the shared zone: blobs by key, each with its end.
 * Rare and small, so that every access is one critical section.
 */

#include "ngx_http_entra_module.h"
#include "entra_session.h"


typedef struct {
    ngx_rbtree_node_t     node;
    u_char                key[ENTRA_SESSION_KEY];
    int64_t               expires;              /* boot clock, ms; 0: never */
    size_t                len;
    u_char                data[1];
} ngx_http_entra_blob_t;


static ngx_http_entra_blob_t *ngx_http_entra_session_find(
    ngx_http_entra_main_conf_t *mcf, const unsigned char *key);
static void ngx_http_entra_session_free(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_blob_t *blob);
static int ngx_http_entra_session_insert(ngx_http_entra_main_conf_t *mcf,
    const unsigned char *key, entra_str_t text, unsigned ttl);
static int ngx_http_entra_session_put(void *data, const unsigned char *key,
    entra_str_t text, unsigned ttl);
static int ngx_http_entra_session_add(void *data, const unsigned char *key,
    entra_str_t text, unsigned ttl);
static int ngx_http_entra_session_get(void *data, const unsigned char *key,
    entra_buf_t *text);
static int ngx_http_entra_session_take(void *data, const unsigned char *key,
    entra_buf_t *text);
static void ngx_http_entra_session_remove(void *data,
    const unsigned char *key);


void
ngx_http_entra_session_store(ngx_http_entra_main_conf_t *mcf,
    entra_session_store_t *store)
{
    store->data = mcf;
    store->put = ngx_http_entra_session_put;
    store->add = ngx_http_entra_session_add;
    store->get = ngx_http_entra_session_get;
    store->take = ngx_http_entra_session_take;
    store->remove = ngx_http_entra_session_remove;
}


/* with the mutex held, as all that follows; what has expired is not there */

static ngx_http_entra_blob_t *
ngx_http_entra_session_find(ngx_http_entra_main_conf_t *mcf,
    const unsigned char *key)
{
    ngx_rbtree_t           *tree;
    ngx_rbtree_key_t        hash;
    ngx_rbtree_node_t      *node;
    ngx_http_entra_blob_t  *blob;

    tree = ngx_http_entra_zone_sessions(mcf);
    ngx_memcpy(&hash, key, sizeof(ngx_rbtree_key_t));

    node = tree->root;

    while (node != tree->sentinel) {

        if (hash != node->key) {
            node = hash < node->key ? node->left : node->right;
            continue;
        }

        blob = (ngx_http_entra_blob_t *) node;

        if (ngx_memcmp(blob->key, key, ENTRA_SESSION_KEY) != 0) {

            /* 8 bytes of a SHA-256 that are equal by chance */
            return NULL;
        }

        if (blob->expires && blob->expires <= ngx_http_entra_clock()) {
            ngx_http_entra_session_free(mcf, blob);
            return NULL;
        }

        return blob;
    }

    return NULL;
}


static void
ngx_http_entra_session_free(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_blob_t *blob)
{
    ngx_rbtree_delete(ngx_http_entra_zone_sessions(mcf), &blob->node);
    ngx_explicit_memzero(blob->data, blob->len);
    ngx_slab_free_locked(ngx_http_entra_zone_pool(mcf), blob);
}


static int
ngx_http_entra_session_insert(ngx_http_entra_main_conf_t *mcf,
    const unsigned char *key, entra_str_t text, unsigned ttl)
{
    ngx_http_entra_blob_t  *blob;

    if (text.len > ENTRA_SESSION_BLOB_MAX) {
        return -1;
    }

    blob = ngx_slab_alloc_locked(ngx_http_entra_zone_pool(mcf),
                                 offsetof(ngx_http_entra_blob_t, data)
                                 + ngx_max(text.len, 1));
    if (blob == NULL) {
        return -1;
    }

    ngx_memcpy(blob->key, key, ENTRA_SESSION_KEY);
    ngx_memcpy(&blob->node.key, key, sizeof(ngx_rbtree_key_t));
    ngx_memcpy(blob->data, text.data, text.len);

    blob->len = text.len;
    blob->expires = ttl ? ngx_http_entra_clock() + (int64_t) ttl * 1000 : 0;

    ngx_rbtree_insert(ngx_http_entra_zone_sessions(mcf), &blob->node);

    return 0;
}


static int
ngx_http_entra_session_put(void *data, const unsigned char *key,
    entra_str_t text, unsigned ttl)
{
    int                     rc;
    ngx_http_entra_blob_t  *blob;

    ngx_http_entra_zone_lock(data);

    blob = ngx_http_entra_session_find(data, key);
    if (blob) {
        ngx_http_entra_session_free(data, blob);
    }

    rc = ngx_http_entra_session_insert(data, key, text, ttl);

    ngx_http_entra_zone_unlock(data);

    return rc;
}


static int
ngx_http_entra_session_add(void *data, const unsigned char *key,
    entra_str_t text, unsigned ttl)
{
    int  rc;

    ngx_http_entra_zone_lock(data);

    rc = ngx_http_entra_session_find(data, key)
         ? 1 : ngx_http_entra_session_insert(data, key, text, ttl);

    ngx_http_entra_zone_unlock(data);

    return rc;
}


static int
ngx_http_entra_session_get(void *data, const unsigned char *key,
    entra_buf_t *text)
{
    ngx_http_entra_blob_t  *blob;

    ngx_http_entra_zone_lock(data);

    blob = ngx_http_entra_session_find(data, key);
    if (blob) {
        entra_buf_add(text, blob->data, blob->len);
    }

    ngx_http_entra_zone_unlock(data);

    return blob != NULL;
}


static int
ngx_http_entra_session_take(void *data, const unsigned char *key,
    entra_buf_t *text)
{
    ngx_http_entra_blob_t  *blob;

    ngx_http_entra_zone_lock(data);

    blob = ngx_http_entra_session_find(data, key);
    if (blob) {
        entra_buf_add(text, blob->data, blob->len);
        ngx_http_entra_session_free(data, blob);
    }

    ngx_http_entra_zone_unlock(data);

    return blob != NULL;
}


static void
ngx_http_entra_session_remove(void *data, const unsigned char *key)
{
    ngx_http_entra_blob_t  *blob;

    ngx_http_entra_zone_lock(data);

    blob = ngx_http_entra_session_find(data, key);
    if (blob) {
        ngx_http_entra_session_free(data, blob);
    }

    ngx_http_entra_zone_unlock(data);
}
