
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "entra_jwt_cache.h"


#define ENTRA_SIPHASH_KEY  16


struct entra_jwt_entry_s {
    entra_jwt_id_t       id;
    entra_claims_t       claims;
    size_t               size;
    unsigned             refs;

    entra_jwt_entry_t   *chain;             /* same bucket */
    entra_jwt_entry_t   *newer;
    entra_jwt_entry_t   *older;
};


struct entra_jwt_cache_s {
    entra_jwt_entry_t  **buckets;
    size_t               mask;
    entra_jwt_entry_t   *newest;
    entra_jwt_entry_t   *oldest;

    unsigned             n;
    unsigned             max_entries;
    size_t               bytes;
    size_t               max_bytes;
    uint64_t             generation;

    /* fetched once: a lookup by name costs more than the hash itself */
    unsigned char        key[ENTRA_SIPHASH_KEY];
    EVP_MAC_CTX         *mac;
    EVP_MD              *md;                /* when there is no mac */
    EVP_MD_CTX          *md_ctx;
};


static int
entra_jwt_cache_hash(entra_jwt_cache_t *cache)
{
    EVP_MAC  *mac;

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);

    if (mac) {
        cache->mac = EVP_MAC_CTX_new(mac);
        EVP_MAC_free(mac);

        return cache->mac && RAND_bytes(cache->key, ENTRA_SIPHASH_KEY) == 1
               ? 0 : -1;
    }

    ERR_clear_error();

    cache->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    cache->md_ctx = EVP_MD_CTX_new();

    return cache->md && cache->md_ctx ? 0 : -1;
}


static entra_jwt_entry_t **
entra_jwt_cache_bucket(entra_jwt_cache_t *cache, const entra_jwt_id_t *id)
{
    uint32_t  hash;

    memcpy(&hash, id->digest, sizeof(hash));

    return &cache->buckets[hash & cache->mask];
}


static void
entra_jwt_cache_unlink(entra_jwt_cache_t *cache, entra_jwt_entry_t *entry)
{
    if (entry->newer) {
        entry->newer->older = entry->older;

    } else {
        cache->newest = entry->older;
    }

    if (entry->older) {
        entry->older->newer = entry->newer;

    } else {
        cache->oldest = entry->newer;
    }
}


static void
entra_jwt_cache_link(entra_jwt_cache_t *cache, entra_jwt_entry_t *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;

    if (cache->newest) {
        cache->newest->newer = entry;

    } else {
        cache->oldest = entry;
    }

    cache->newest = entry;
}


static void
entra_jwt_cache_remove(entra_jwt_cache_t *cache, entra_jwt_entry_t *entry)
{
    entra_jwt_entry_t  **p;

    p = entra_jwt_cache_bucket(cache, &entry->id);

    while (*p != entry) {
        p = &(*p)->chain;
    }

    *p = entry->chain;

    entra_jwt_cache_unlink(cache, entry);
    cache->n--;
    cache->bytes -= entry->size;

    entra_jwt_entry_release(entry);
}


static void
entra_jwt_cache_flush(entra_jwt_cache_t *cache)
{
    while (cache->oldest) {
        entra_jwt_cache_remove(cache, cache->oldest);
    }
}


entra_jwt_cache_t *
entra_jwt_cache_create(unsigned entries, size_t bytes)
{
    size_t              n;
    entra_jwt_cache_t  *cache;

    cache = calloc(1, sizeof(entra_jwt_cache_t));
    if (cache == NULL) {
        return NULL;
    }

    cache->max_entries = entries ? entries : ENTRA_JWT_CACHE_ENTRIES;
    cache->max_bytes = bytes ? bytes : ENTRA_JWT_CACHE_BYTES;

    for (n = 1; n < cache->max_entries; n *= 2) { /* void */ }

    cache->mask = n - 1;
    cache->buckets = calloc(n, sizeof(entra_jwt_entry_t *));

    if (cache->buckets == NULL || entra_jwt_cache_hash(cache) != 0) {
        entra_jwt_cache_free(cache);
        return NULL;
    }

    return cache;
}


void
entra_jwt_cache_free(entra_jwt_cache_t *cache)
{
    if (cache == NULL) {
        return;
    }

    entra_jwt_cache_flush(cache);
    entra_wipe(cache->key, sizeof(cache->key));
    EVP_MAC_CTX_free(cache->mac);
    EVP_MD_CTX_free(cache->md_ctx);
    EVP_MD_free(cache->md);
    free(cache->buckets);
    free(cache);
}


int
entra_jwt_cache_id(entra_jwt_cache_t *cache, entra_str_t token,
    entra_jwt_id_t *id)
{
    int                   ok;
    size_t                len;
    const unsigned char  *p = (const unsigned char *) token.data;

    memset(id, 0, sizeof(entra_jwt_id_t));

    if (cache->mac) {
        ok = EVP_MAC_init(cache->mac, cache->key, ENTRA_SIPHASH_KEY, NULL)
                 == 1
             && EVP_MAC_update(cache->mac, p, token.len) == 1
             && EVP_MAC_final(cache->mac, id->digest, &len,
                              sizeof(id->digest)) == 1;

    } else {
        ok = EVP_DigestInit_ex2(cache->md_ctx, cache->md, NULL) == 1
             && EVP_DigestUpdate(cache->md_ctx, p, token.len) == 1
             && EVP_DigestFinal_ex(cache->md_ctx, id->digest, NULL) == 1;
    }

    return ok ? 0 : -1;
}


static void
entra_jwt_cache_generation(entra_jwt_cache_t *cache, uint64_t generation)
{
    if (cache->generation != generation) {
        entra_jwt_cache_flush(cache);
        cache->generation = generation;
    }
}


static entra_jwt_entry_t *
entra_jwt_cache_find(entra_jwt_cache_t *cache, const entra_jwt_id_t *id)
{
    entra_jwt_entry_t  *entry;

    entry = *entra_jwt_cache_bucket(cache, id);

    while (entry && memcmp(&entry->id, id, sizeof(entra_jwt_id_t)) != 0) {
        entry = entry->chain;
    }

    return entry;
}


entra_jwt_entry_t *
entra_jwt_cache_get(entra_jwt_cache_t *cache, const entra_jwt_id_t *id,
    uint64_t generation, int64_t now)
{
    entra_jwt_entry_t  *entry;

    entra_jwt_cache_generation(cache, generation);

    entry = entra_jwt_cache_find(cache, id);
    if (entry == NULL) {
        return NULL;
    }

    if (now >= entry->claims.exp || now < entry->claims.nbf) {
        entra_jwt_cache_remove(cache, entry);
        return NULL;
    }

    if (entry != cache->newest) {
        entra_jwt_cache_unlink(cache, entry);
        entra_jwt_cache_link(cache, entry);
    }

    entry->refs++;

    return entry;
}


static void
entra_jwt_cache_keep(entra_jwt_cache_t *cache, entra_jwt_entry_t *entry)
{
    entra_jwt_entry_t  *old, **bucket;

    old = entra_jwt_cache_find(cache, &entry->id);
    if (old) {
        entra_jwt_cache_remove(cache, old);
    }

    while (cache->oldest
           && (cache->n >= cache->max_entries
               || entry->size > cache->max_bytes - cache->bytes))
    {
        entra_jwt_cache_remove(cache, cache->oldest);
    }

    bucket = entra_jwt_cache_bucket(cache, &entry->id);
    entry->chain = *bucket;
    *bucket = entry;

    entra_jwt_cache_link(cache, entry);

    entry->refs++;
    cache->n++;
    cache->bytes += entry->size;
}


entra_jwt_entry_t *
entra_jwt_cache_put(entra_jwt_cache_t *cache, const entra_jwt_id_t *id,
    uint64_t generation, int64_t now, entra_claims_t *claims)
{
    entra_jwt_entry_t  *entry;

    entry = calloc(1, sizeof(entra_jwt_entry_t));
    if (entry == NULL) {
        entra_claims_free(claims);
        return NULL;
    }

    entry->id = *id;
    entry->refs = 1;
    entry->claims = *claims;
    entry->size = sizeof(entra_jwt_entry_t) + entra_claims_size(claims);
    memset(claims, 0, sizeof(entra_claims_t));

    entra_jwt_cache_generation(cache, generation);

    if (now < entry->claims.exp && now >= entry->claims.nbf
        && entry->size <= cache->max_bytes)
    {
        entra_jwt_cache_keep(cache, entry);
    }

    return entry;
}


const entra_claims_t *
entra_jwt_entry_claims(const entra_jwt_entry_t *entry)
{
    return &entry->claims;
}


void
entra_jwt_entry_release(entra_jwt_entry_t *entry)
{
    if (entry && --entry->refs == 0) {
        entra_claims_free(&entry->claims);
        free(entry);
    }
}
