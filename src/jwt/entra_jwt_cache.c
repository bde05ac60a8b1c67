
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "entra_jwt.h"
#include "entra_jwt_cache.h"


#define ENTRA_AES_KEY   16
#define ENTRA_NH_SIZE   32                  /* bytes, of two rounds */
#define ENTRA_NH_WORDS  (ENTRA_JWT_MAX / 8 + 2)


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
    uint64_t             key[ENTRA_NH_WORDS];
    EVP_CIPHER_CTX      *cipher;            /* has a key of its own */
    EVP_MD              *md;                /* when there is no cipher */
    EVP_MD_CTX          *md_ctx;
};


#ifdef __SIZEOF_INT128__

/*
 * NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway: CRYPTO '99) with
 * words of 64 bits, twice, the second time with the key two words on: of two
 * strings of equal length it is the same under 2^-128 of the keys
 */

static void
entra_jwt_cache_nh(const uint64_t *key, const char *p, size_t len,
    unsigned char *out)
{
    size_t             n;
    uint64_t           m[2];
    unsigned __int128  sum[2] = { 0, 0 };

    for ( /* void */ ; len; len -= n, p += n, key += 2) {

        if (len >= sizeof(m)) {
            n = sizeof(m);
            memcpy(m, p, sizeof(m));

        } else {
            n = len;
            m[0] = 0;
            m[1] = 0;
            memcpy(m, p, n);
        }

        sum[0] += (unsigned __int128) (m[0] + key[0]) * (m[1] + key[1]);
        sum[1] += (unsigned __int128) (m[0] + key[2]) * (m[1] + key[3]);
    }

    memcpy(out, sum, sizeof(sum));
}


/* 1: libcrypto has no such cipher */

static int
entra_jwt_cache_cipher(entra_jwt_cache_t *cache)
{
    int            rc;
    EVP_CIPHER    *aes;
    unsigned char  key[ENTRA_AES_KEY];

    aes = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    if (aes == NULL) {
        ERR_clear_error();
        return 1;
    }

    cache->cipher = EVP_CIPHER_CTX_new();

    rc = cache->cipher
         && RAND_bytes((unsigned char *) cache->key, sizeof(cache->key)) == 1
         && RAND_bytes(key, sizeof(key)) == 1
         && EVP_EncryptInit_ex2(cache->cipher, aes, key, NULL, NULL) == 1
         && EVP_CIPHER_CTX_set_padding(cache->cipher, 0) == 1
         ? 0 : -1;

    entra_wipe(key, sizeof(key));
    EVP_CIPHER_free(aes);

    return rc;
}

#else

#define entra_jwt_cache_nh(key, p, len, out)
#define entra_jwt_cache_cipher(cache)  1

#endif


static int
entra_jwt_cache_hash(entra_jwt_cache_t *cache)
{
    int  rc;

    rc = entra_jwt_cache_cipher(cache);

    if (rc != 1) {
        return rc;
    }

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
    EVP_CIPHER_CTX_free(cache->cipher);
    EVP_MD_CTX_free(cache->md_ctx);
    EVP_MD_free(cache->md);
    free(cache->buckets);
    free(cache);
}


int
entra_jwt_cache_id(entra_jwt_cache_t *cache, entra_str_t token,
    entra_jwt_id_t *id)
{
    int            ok, n;
    unsigned char  nh[ENTRA_NH_SIZE];

    if (token.len > ENTRA_JWT_MAX) {
        return -1;
    }

    id->len = token.len;

    if (cache->cipher) {
        entra_jwt_cache_nh(cache->key, token.data, token.len, nh);

        ok = EVP_EncryptUpdate(cache->cipher, id->digest, &n, nh, sizeof(nh))
                 == 1
             && n == sizeof(nh);

    } else {
        ok = EVP_DigestInit_ex2(cache->md_ctx, cache->md, NULL) == 1
             && EVP_DigestUpdate(cache->md_ctx, token.data, token.len) == 1
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

    entry->refs = 1;
    entry->claims = *claims;
    entry->size = sizeof(entra_jwt_entry_t) + entra_claims_size(claims);
    memset(claims, 0, sizeof(entra_claims_t));

    entra_jwt_cache_generation(cache, generation);

    if (id && now < entry->claims.exp && now >= entry->claims.nbf
        && entry->size <= cache->max_bytes)
    {
        entry->id = *id;
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
