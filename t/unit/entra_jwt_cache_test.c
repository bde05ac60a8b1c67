
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_jwt.h"
#include "entra_jwt_cache.h"
#include "tap.h"


static entra_jwt_cache_t  *cache;


static entra_jwt_id_t
id_of(unsigned n)
{
    char            text[32];
    entra_jwt_id_t  id;

    (void) snprintf(text, sizeof(text), "token %u", n);
    (void) entra_jwt_cache_id(cache, entra_str_c(text), &id);

    return id;
}


static entra_jwt_entry_t *
put_sized(unsigned n, uint64_t generation, int64_t now, size_t size)
{
    char            text[32];
    entra_buf_t     b;
    entra_jwt_id_t  id = id_of(n);
    entra_claims_t  claims;

    memset(&claims, 0, sizeof(claims));
    (void) snprintf(text, sizeof(text), "%u", n);
    claims.oid = entra_str_dup(entra_str_c(text));
    claims.nbf = 100;
    claims.exp = 200;

    entra_buf_init(&b, size);
    while (b.len < size) {
        entra_buf_add_char(&b, 'x');
    }
    claims.sub = entra_buf_steal(&b);

    return entra_jwt_cache_put(cache, &id, generation, now, &claims);
}


static void
put(unsigned n, uint64_t generation, int64_t now)
{
    entra_jwt_entry_release(put_sized(n, generation, now, 10));
}


static int
has(unsigned n, uint64_t generation, int64_t now)
{
    char                text[32];
    int                 same;
    entra_jwt_id_t      id = id_of(n);
    entra_jwt_entry_t  *entry;

    entry = entra_jwt_cache_get(cache, &id, generation, now);
    if (entry == NULL) {
        return 0;
    }

    (void) snprintf(text, sizeof(text), "%u", n);
    same = strcmp(entra_jwt_entry_claims(entry)->oid, text) == 0;
    entra_jwt_entry_release(entry);

    return same;
}


/* of the tokens 0 to n - 1 */

static unsigned
count(unsigned n, uint64_t generation)
{
    unsigned  i, found = 0;

    for (i = 0; i < n; i++) {
        found += has(i, generation, 150);
    }

    return found;
}


static void
lifetimes(void)
{
    entra_jwt_entry_t  *entry;

    cache = entra_jwt_cache_create(0, 0);

    ok(!has(1, 1, 150), "empty");
    put(1, 1, 150);
    ok(has(1, 1, 150), "found");
    ok(!has(2, 1, 150), "another token is not");
    ok(has(1, 1, 199), "until the last second");
    ok(!has(1, 1, 200), "never past exp");
    ok(!has(1, 1, 150), "and then forgotten");

    put(1, 1, 150);
    ok(!has(1, 1, 99), "the clock was set back before nbf");

    put(1, 1, 200);
    ok(!has(1, 1, 150), "what is valid by leeway only");

    put(1, 1, 150);
    put(2, 1, 150);
    entry = put_sized(3, 1, 150, 10);
    ok(!has(1, 2, 150) && !has(2, 2, 150), "new keys flush");
    ok(count(10, 2) == 0, "all of it");
    is(entra_jwt_entry_claims(entry)->oid, "3", "a reference outlives it");
    entra_jwt_entry_release(entry);

    put(1, 2, 150);
    put(1, 2, 150);
    ok(count(10, 2) == 1, "put twice, kept once");
    entry = put_sized(2, 3, 150, 10);
    ok(count(10, 3) == 1 && !has(1, 3, 150), "put with new keys flushes");

    entra_jwt_cache_free(cache);
    is(entra_jwt_entry_claims(entry)->oid, "2", "outlives the cache itself");
    entra_jwt_entry_release(entry);
    entra_jwt_entry_release(NULL);
}


static void
bounds(void)
{
    int       all = 1;
    unsigned  i;

    cache = entra_jwt_cache_create(100, 0);

    for (i = 0; i < 1000; i++) {
        put(i, 1, 150);
        all = all && has(0, 1, 150);
    }

    ok(all && count(1000, 1) == 100,
       "100 entries at most, the one in use stays");
    ok(has(999, 1, 150) && has(901, 1, 150) && !has(900, 1, 150),
       "the least recently used go");
    entra_jwt_cache_free(cache);

    cache = entra_jwt_cache_create(0, 100000);

    for (all = 1, i = 0; i < 100; i++) {
        entra_jwt_entry_release(put_sized(i, 1, 150, 5000 + i * 100));
        all = all && has(i, 1, 150);
    }

    ok(all && count(100, 1) < 8, "bytes are bounded");
    entra_jwt_entry_release(put_sized(1000, 1, 150, 200000));
    ok(!has(1000, 1, 150) && has(99, 1, 150), "one too large evicts nobody");
    entra_jwt_cache_free(cache);
    entra_jwt_cache_free(NULL);
}


/* of text, which is put under its own name */

static void
put_text(entra_str_t text)
{
    entra_jwt_id_t  id;
    entra_claims_t  claims;

    memset(&claims, 0, sizeof(claims));
    claims.oid = entra_str_dup(text);
    claims.nbf = 100;
    claims.exp = 200;

    (void) entra_jwt_cache_id(cache, text, &id);
    entra_jwt_entry_release(entra_jwt_cache_put(cache, &id, 1, 150, &claims));
}


static int
has_text(entra_str_t text)
{
    entra_jwt_id_t      id;
    entra_jwt_entry_t  *entry;

    if (entra_jwt_cache_id(cache, text, &id) != 0) {
        return 0;
    }

    entry = entra_jwt_cache_get(cache, &id, 1, 150);
    entra_jwt_entry_release(entry);

    return entry != NULL;
}


/* no change of a single bit, no two words in each other's place */

static unsigned
taken_for(char *token, size_t len)
{
    char      word[8];
    size_t    i, k;
    unsigned  found = 0;

    for (i = 0; i < len; i++) {
        for (k = 0; k < 8; k++) {
            token[i] ^= (char) (1 << k);
            found += has_text((entra_str_t) { len, token });
            token[i] ^= (char) (1 << k);
        }
    }

    for (i = 0; i + 8 <= len; i += 8) {
        for (k = i + 8; k + 8 <= len; k += 8) {
            memcpy(word, token + i, 8);
            memcpy(token + i, token + k, 8);
            memcpy(token + k, word, 8);

            found += has_text((entra_str_t) { len, token });

            memcpy(word, token + i, 8);
            memcpy(token + i, token + k, 8);
            memcpy(token + k, word, 8);
        }
    }

    return found;
}


static void
near_equal(size_t len)
{
    char      *token;
    size_t     i;
    uint32_t   next = 1;
    unsigned   found = 0;

    cache = entra_jwt_cache_create(0, 0);
    token = calloc(1, ENTRA_JWT_MAX + 1);

    for (i = 0; i < len; i++) {
        next = next * 1103515245 + 12345;
        token[i] = (char) ('!' + (next >> 16) % 90);
    }

    put_text((entra_str_t) { len, token });

    ok(has_text((entra_str_t) { len, token }), "a token of %zu bytes", len);
    ok(taken_for(token, len) == 0, "near-equal ones are not taken for it");

    /* what follows is zero, as its padding is */

    for (i = 0; i < len; i++) {
        found += has_text((entra_str_t) { i, token });
    }

    for (i = len + 1; i <= len + 64 && i <= ENTRA_JWT_MAX; i++) {
        found += has_text((entra_str_t) { i, token });
    }

    ok(found == 0, "nor are its beginnings, and what begins with it");
    ok(has_text((entra_str_t) { len, token }), "it is still there");

    free(token);
    entra_jwt_cache_free(cache);
}


/* many of equal length, of which some were evicted: each has its own claims */

static void
equal_length(void)
{
    unsigned  i, n = 0;

    cache = entra_jwt_cache_create(500, 0);

    for (i = 100000; i < 120000; i++) {
        put(i, 1, 150);
    }

    for (i = 100000; i < 119500; i++) {
        entra_jwt_id_t      id = id_of(i);
        entra_jwt_entry_t  *entry = entra_jwt_cache_get(cache, &id, 1, 150);

        n += entry != NULL;
        entra_jwt_entry_release(entry);
    }

    ok(n == 0, "those that were evicted are nobody else");

    for (n = 0, i = 119500; i < 120000; i++) {
        n += has(i, 1, 150);
    }

    ok(n == 500, "each of equal length finds its own claims");
    entra_jwt_cache_free(cache);
}


static void
keys(void)
{
    char                text[2] = "x";
    entra_jwt_id_t      id, other;
    entra_claims_t      claims;
    entra_jwt_entry_t  *entry;
    entra_jwt_cache_t  *second;

    cache = entra_jwt_cache_create(0, 0);
    second = entra_jwt_cache_create(0, 0);

    (void) entra_jwt_cache_id(cache, entra_str_c(text), &id);
    (void) entra_jwt_cache_id(second, entra_str_c(text), &other);
    ok(memcmp(id.digest, other.digest, 16) != 0
       && memcmp(id.digest + 16, other.digest + 16, 16) != 0,
       "each cache has keys of its own");

    ok(memcmp(id.digest, id.digest + 16, 16) != 0,
       "both halves of an id differ");

    ok(entra_jwt_cache_id(cache, (entra_str_t) { ENTRA_JWT_MAX + 1, NULL },
                          &id) == -1,
       "one that is too long has no id");

    memset(&claims, 0, sizeof(claims));
    claims.oid = entra_str_dup(entra_str_c("a"));
    claims.exp = 200;
    entry = entra_jwt_cache_put(cache, NULL, 1, 150, &claims);
    is(entra_jwt_entry_claims(entry)->oid, "a", "and is not kept");
    entra_jwt_entry_release(entry);

    entra_jwt_cache_free(cache);
    entra_jwt_cache_free(second);
}


/* each half alone tells near-equal tokens apart */

static void
halves(void)
{
    char            token[] = "eyJhbGciOiJub25lIn0.eyJvaWQiOiIxIn0.c2lnbmF0dXI";
    size_t          i;
    unsigned        k, same = 0;
    entra_jwt_id_t  id, other;

    cache = entra_jwt_cache_create(0, 0);
    (void) entra_jwt_cache_id(cache, entra_str_c(token), &id);

    for (i = 0; token[i]; i++) {
        for (k = 0; k < 7; k++) {
            token[i] ^= (char) (1 << k);
            (void) entra_jwt_cache_id(cache,
                                      (entra_str_t) { sizeof(token) - 1,
                                                      token },
                                      &other);
            token[i] ^= (char) (1 << k);

            same += memcmp(id.digest, other.digest, 16) == 0;
            same += memcmp(id.digest + 16, other.digest + 16, 16) == 0;
        }
    }

    ok(same == 0, "each half of an id depends on each bit");
    entra_jwt_cache_free(cache);
}


int
main(void)
{
    halves();
    near_equal(1);
    near_equal(15);
    near_equal(16);
    near_equal(1044);
    near_equal(ENTRA_JWT_MAX / 8);
    equal_length();
    keys();
    lifetimes();
    bounds();

    return done();
}
