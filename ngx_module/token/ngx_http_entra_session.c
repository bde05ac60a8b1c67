
/*
 * Copyright (C) nginx-entra authors
 *
 * The store of sign-ins, for the core: blobs by key, each with its end.
 */

#include "ngx_http_entra_conf.h"
#include "entra_session.h"


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
    store->data = ngx_http_entra_zone_store(mcf);
    store->put = ngx_http_entra_session_put;
    store->add = ngx_http_entra_session_add;
    store->get = ngx_http_entra_session_get;
    store->take = ngx_http_entra_session_take;
    store->remove = ngx_http_entra_session_remove;
}


static int
ngx_http_entra_session_put(void *data, const unsigned char *key,
    entra_str_t text, unsigned ttl)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    return text.len > ENTRA_SESSION_BLOB_MAX
           ? -1
           : entra_store_put(data, key, text,
                             ttl ? now + (int64_t) ttl * 1000 : 0, now);
}


static int
ngx_http_entra_session_add(void *data, const unsigned char *key,
    entra_str_t text, unsigned ttl)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    return text.len > ENTRA_SESSION_BLOB_MAX
           ? -1
           : entra_store_add(data, key, text,
                             ttl ? now + (int64_t) ttl * 1000 : 0, now);
}


static int
ngx_http_entra_session_get(void *data, const unsigned char *key,
    entra_buf_t *text)
{
    return entra_store_get(data, key, ngx_http_entra_clock(), 0, text);
}


static int
ngx_http_entra_session_take(void *data, const unsigned char *key,
    entra_buf_t *text)
{
    return entra_store_get(data, key, ngx_http_entra_clock(), 1, text);
}


static void
ngx_http_entra_session_remove(void *data, const unsigned char *key)
{
    (void) entra_store_get(data, key, ngx_http_entra_clock(), 1, NULL);
}
