
/*
 * Copyright (C) nginx-entra authors
 *
 * For unit tests: what workers share, in an array.  Time is that of a fake
 * platform.  Two credentials with the same configuration and this store are
 * two workers.
 */

#ifndef FAKE_STORE_H
#define FAKE_STORE_H


#include <stdlib.h>
#include <string.h>

#include "entra_session.h"
#include "fake_platform.h"


#define FAKE_STORE_MAX  64


typedef struct {
    unsigned char           key[ENTRA_SESSION_KEY];
    char                   *blob;           /* NULL: free */
    size_t                  len;
    int64_t                 until;          /* of mono, 0: for ever */
} fake_blob_t;


typedef struct {
    entra_session_store_t   store;
    fake_platform_t        *platform;
    fake_blob_t             blobs[FAKE_STORE_MAX];
    int                     full;
    size_t                  largest;
} fake_store_t;


static fake_blob_t *
fake_store_find(fake_store_t *s, const unsigned char *key)
{
    unsigned  i;

    for (i = 0; i < FAKE_STORE_MAX; i++) {
        if (s->blobs[i].blob && s->blobs[i].until
            && s->blobs[i].until <= s->platform->mono)
        {
            free(s->blobs[i].blob);
            s->blobs[i].blob = NULL;
        }

        if (s->blobs[i].blob
            && memcmp(s->blobs[i].key, key, ENTRA_SESSION_KEY) == 0)
        {
            return &s->blobs[i];
        }
    }

    return NULL;
}


static void
fake_store_remove(void *data, const unsigned char *key)
{
    fake_blob_t  *b;

    b = fake_store_find(data, key);

    if (b) {
        free(b->blob);
        b->blob = NULL;
    }
}


static int
fake_store_put(void *data, const unsigned char *key, entra_str_t blob,
    unsigned ttl)
{
    unsigned       i;
    fake_store_t  *s = data;

    fake_store_remove(data, key);

    for (i = 0; i < FAKE_STORE_MAX && !s->full; i++) {
        if (s->blobs[i].blob == NULL) {
            memcpy(s->blobs[i].key, key, ENTRA_SESSION_KEY);
            s->blobs[i].blob = malloc(blob.len ? blob.len : 1);
            memcpy(s->blobs[i].blob, blob.data, blob.len);
            s->blobs[i].len = blob.len;
            s->blobs[i].until = ttl ? s->platform->mono + (int64_t) ttl * 1000
                                    : 0;

            if (blob.len > s->largest) {
                s->largest = blob.len;
            }

            return 0;
        }
    }

    return -1;
}


static int
fake_store_add(void *data, const unsigned char *key, entra_str_t blob,
    unsigned ttl)
{
    return fake_store_find(data, key) ? 1 : fake_store_put(data, key, blob,
                                                           ttl);
}


static int
fake_store_get(void *data, const unsigned char *key, entra_buf_t *blob)
{
    fake_blob_t  *b;

    b = fake_store_find(data, key);

    if (b) {
        entra_buf_add(blob, b->blob, b->len);
    }

    return b != NULL;
}


static int
fake_store_take(void *data, const unsigned char *key, entra_buf_t *blob)
{
    int  found;

    found = fake_store_get(data, key, blob);
    fake_store_remove(data, key);

    return found;
}


__attribute__((unused))
static void
fake_store_init(fake_store_t *s, fake_platform_t *platform)
{
    memset(s, 0, sizeof(fake_store_t));
    s->platform = platform;
    s->store.data = s;
    s->store.put = fake_store_put;
    s->store.add = fake_store_add;
    s->store.get = fake_store_get;
    s->store.take = fake_store_take;
    s->store.remove = fake_store_remove;
}


__attribute__((unused))
static unsigned
fake_store_count(fake_store_t *s)
{
    unsigned       i, n = 0;
    unsigned char  none[ENTRA_SESSION_KEY] = { 0 };

    (void) fake_store_find(s, none);

    for (i = 0; i < FAKE_STORE_MAX; i++) {
        n += s->blobs[i].blob != NULL;
    }

    return n;
}


/* all of it is gone, as after a restart */

__attribute__((unused))
static void
fake_store_clear(fake_store_t *s)
{
    unsigned  i;

    for (i = 0; i < FAKE_STORE_MAX; i++) {
        free(s->blobs[i].blob);
        s->blobs[i].blob = NULL;
    }
}


#endif /* FAKE_STORE_H */
