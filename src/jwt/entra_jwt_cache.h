
/*
 * Copyright (C) nginx-entra authors
 *
 * Tokens that were validated before, so that the next request with the same
 * token pays for one hash and not for a signature.  Bounded in entries and in
 * bytes, least recently used first out.  One per set of rules (audience,
 * tenant, leeway) and worker: what is found in it was valid by those rules.
 */

#ifndef ENTRA_JWT_CACHE_H
#define ENTRA_JWT_CACHE_H


#include "entra_claims.h"


#define ENTRA_JWT_CACHE_ENTRIES  4096
#define ENTRA_JWT_CACHE_BYTES    (8 * 1024 * 1024)


typedef struct entra_jwt_cache_s  entra_jwt_cache_t;
typedef struct entra_jwt_entry_s  entra_jwt_entry_t;

/*
 * A keyed hash of the whole token, whose text is not kept: its length, and NH
 * of UMAC, encrypted by AES-128, with random keys of each cache.  Under 2^-128
 * of the keys two given tokens have the same id; the cipher makes a
 * pseudorandom function of it, so that whoever measures what the cache does
 * learns nothing of the keys, and ids never leave the worker.  SHA-256 where
 * the compiler has no integers of 128 bits.
 */
typedef struct {
    unsigned char  digest[32];
    size_t         len;
} entra_jwt_id_t;


/* entries 0 or bytes 0: the bounds above; NULL without memory, randomness */
entra_jwt_cache_t *entra_jwt_cache_create(unsigned entries, size_t bytes);
void entra_jwt_cache_free(entra_jwt_cache_t *cache);

/* 0; -1: libcrypto refuses, or longer than ENTRA_JWT_MAX: not cached */
int entra_jwt_cache_id(entra_jwt_cache_t *cache, entra_str_t token,
    entra_jwt_id_t *id);

/*
 * What was put under id, with a reference for the caller, or NULL.  NULL also
 * when the token has expired by now (leeway does not count here: at the exp
 * second the entry is gone and the token is validated again) or not valid yet
 * (a clock that was set back).  A generation of the key set other than at the
 * last call empties the cache first: a key that was removed signs nothing.
 */
entra_jwt_entry_t *entra_jwt_cache_get(entra_jwt_cache_t *cache,
    const entra_jwt_id_t *id, uint64_t generation, int64_t now);

/*
 * Takes the content of claims over (claims is empty afterwards), and returns
 * it with a reference for the caller; NULL without memory: then claims are
 * freed.  What has no id (NULL), is too large for the cache or expires now,
 * is returned but not kept.  generation is that of the key set that the token
 * was validated with.
 */
entra_jwt_entry_t *entra_jwt_cache_put(entra_jwt_cache_t *cache,
    const entra_jwt_id_t *id, uint64_t generation, int64_t now,
    entra_claims_t *claims);

/* valid until the reference is given back, whatever the cache does */
const entra_claims_t *entra_jwt_entry_claims(const entra_jwt_entry_t *entry);
void entra_jwt_entry_release(entra_jwt_entry_t *entry);


#endif /* ENTRA_JWT_CACHE_H */
