
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_json.h"
#include "entra_jwks.h"


/* what a key takes beside its texts: {"v":3,"kid":"",...} and a comma */
#define ENTRA_JWK_FRAME     96

#define ENTRA_KEYSET_VERSIONS  ((1u << ENTRA_TOKEN_VERSIONS) - 1)


static const char *const  entra_issuer_names[ENTRA_TOKEN_VERSIONS] = {
    "iss1", "iss2"
};


void
entra_keyset_init(entra_keyset_t *set)
{
    memset(set, 0, sizeof(entra_keyset_t));
    set->size = ENTRA_JWK_FRAME;
}


void
entra_keyset_free(entra_keyset_t *set)
{
    unsigned  i;

    for (i = 0; i < set->n; i++) {
        entra_jwk_free(&set->keys[i]);
    }

    for (i = 0; i < ENTRA_TOKEN_VERSIONS; i++) {
        free(set->issuer[i]);
    }

    free(set->keys);
    entra_keyset_init(set);
}


int
entra_keyset_issuer(entra_keyset_t *set, entra_token_version_e version,
    entra_str_t issuer, entra_err_t *err)
{
    if (!entra_issuer_ok(issuer)) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the issuer of the tenant is missing or"
                             " malformed");
    }

    set->size += issuer.len;

    free(set->issuer[version]);
    set->issuer[version] = entra_str_dup(issuer);

    return set->issuer[version] ? 0 : entra_err_no_memory(err);
}


static int
entra_keyset_append(entra_keyset_t *set, const entra_jwk_t *key)
{
    size_t        size;
    unsigned      cap;
    entra_jwk_t  *keys;

    size = ENTRA_JWK_FRAME + strlen(key->kid) + strlen(key->n)
           + strlen(key->e) + (key->issuer ? strlen(key->issuer) : 0);

    if (set->size + size > ENTRA_KEYSET_MAX) {
        return -1;
    }

    if (set->n == set->cap) {
        cap = set->cap ? 2 * set->cap : 8;

        keys = realloc(set->keys, cap * sizeof(entra_jwk_t));
        if (keys == NULL) {
            return -1;
        }

        set->keys = keys;
        set->cap = cap;
    }

    set->keys[set->n++] = *key;
    set->size += size;

    return 0;
}


/* takes key over; -1: the set is full */

static int
entra_keyset_put(entra_keyset_t *set, entra_jwk_t *key)
{
    int           clash = 0;
    unsigned      i;
    entra_jwk_t  *old, *same = NULL;

    for (i = 0; i < set->n; i++) {
        old = &set->keys[i];

        if (strcmp(old->kid, key->kid) != 0) {
            continue;
        }

        if (entra_jwk_same(old, key)) {
            same = old;

        } else if (old->versions & key->versions) {
            old->conflict = 1;
            clash = 1;
        }
    }

    if (same) {
        same->versions |= key->versions;
        same->conflict |= clash ? 1 : 0;
    }

    if (same || clash) {
        entra_jwk_free(key);
        return 0;
    }

    if (entra_keyset_append(set, key) != 0) {
        entra_jwk_free(key);
        return -1;
    }

    return 0;
}


/* which of two keys a kid means would depend on the order of the document */

static void
entra_keyset_settle(entra_keyset_t *set, unsigned versions)
{
    unsigned      i, n = 0;
    entra_jwk_t  *key;

    for (i = 0; i < set->n; i++) {
        key = &set->keys[i];

        if (key->conflict) {
            key->versions &= ~versions;
            key->conflict = 0;
        }

        if (key->versions == 0) {
            entra_jwk_free(key);
            continue;
        }

        set->keys[n++] = *key;
    }

    set->n = n;
}


/* versions 0: each key says its own, in the compact text */

static int
entra_keyset_add(entra_keyset_t *set, unsigned versions,
    const entra_json_t *list, entra_err_t *err)
{
    int                  rc;
    int64_t              v = versions;
    entra_jwk_t          key;
    const entra_json_t  *item;

    if (entra_json_type(list) != ENTRA_JSON_IS_ARRAY) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the key set has no list \"keys\"");
    }

    if (entra_json_count(list) > ENTRA_JWKS_KEYS_MAX) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the key set has more than %d keys",
                             ENTRA_JWKS_KEYS_MAX);
    }

    for (item = entra_json_first(list); item; item = entra_json_next(item)) {

        if (versions == 0
            && (entra_json_member_int64(item, "v", &v) != 0
                || v < 1 || v > ENTRA_KEYSET_VERSIONS))
        {
            continue;
        }

        rc = entra_jwk_parse(item, &key);
        if (rc == 0) {
            continue;
        }

        if (rc == -1) {
            return entra_err_no_memory(err);
        }

        key.versions = (unsigned) v;

        if (entra_keyset_put(set, &key) != 0) {
            return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                                 "the tenant's keys take more than %d bytes",
                                 ENTRA_KEYSET_MAX);
        }
    }

    return 0;
}


static unsigned
entra_keyset_count(const entra_keyset_t *set, entra_token_version_e version)
{
    unsigned  i, n = 0;

    for (i = 0; i < set->n; i++) {
        n += set->keys[i].versions >> version & 1;
    }

    return n;
}


int
entra_keyset_add_jwks(entra_keyset_t *set, entra_token_version_e version,
    entra_str_t document, entra_err_t *err)
{
    int            rc;
    entra_json_t  *root;

    root = entra_json_parse(document, 0,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the key set is not a JSON object");
    }

    rc = entra_keyset_add(set, 1u << version, entra_json_member(root, "keys"),
                          err);
    entra_json_free(root);
    entra_keyset_settle(set, 1u << version);

    if (rc == 0 && entra_keyset_count(set, version) == 0) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the key set has no usable key (RSA of at least"
                             " %d bits or EC P-256, with a kid)",
                             ENTRA_SIG_RSA_BITS_MIN);
    }

    return rc;
}


static void
entra_keyset_pair(entra_buf_t *out, const char *name, const char *value)
{
    if (value) {
        entra_buf_addf(out, ",\"%s\":\"%s\"", name, value);
    }
}


static void
entra_keyset_write_key(const entra_jwk_t *key, entra_buf_t *out)
{
    int  rsa = key->kty == ENTRA_KTY_RSA;

    entra_buf_addf(out, "{\"v\":%u", key->versions);
    entra_keyset_pair(out, "kid", key->kid);
    entra_keyset_pair(out, "kty", rsa ? "RSA" : "EC");
    entra_keyset_pair(out, "crv", rsa ? NULL : "P-256");
    entra_keyset_pair(out, rsa ? "n" : "x", key->n);
    entra_keyset_pair(out, rsa ? "e" : "y", key->e);
    entra_keyset_pair(out, "alg", entra_alg_name(key->alg));
    entra_keyset_pair(out, "issuer", key->issuer);
    entra_buf_add_char(out, '}');
}


/* nothing in it needs escapes: that was checked when it was read */

int
entra_keyset_write(const entra_keyset_t *set, entra_buf_t *out)
{
    unsigned  i;

    entra_buf_add_c(out, "{\"keys\":[");

    for (i = 0; i < set->n; i++) {
        if (i) {
            entra_buf_add_char(out, ',');
        }

        entra_keyset_write_key(&set->keys[i], out);
    }

    entra_buf_add_char(out, ']');

    for (i = 0; i < ENTRA_TOKEN_VERSIONS; i++) {
        entra_keyset_pair(out, entra_issuer_names[i], set->issuer[i]);
    }

    entra_buf_add_char(out, '}');

    return entra_buf_ok(out) ? 0 : -1;
}


static int
entra_keyset_read_root(entra_keyset_t *set, const entra_json_t *root,
    entra_err_t *err)
{
    unsigned     i;
    entra_str_t  issuer;

    for (i = 0; i < ENTRA_TOKEN_VERSIONS; i++) {
        issuer = entra_json_member_string(root, entra_issuer_names[i]);

        if (entra_keyset_issuer(set, (entra_token_version_e) i, issuer, err)
            != 0)
        {
            return -1;
        }
    }

    return entra_keyset_add(set, 0, entra_json_member(root, "keys"), err);
}


int
entra_keyset_read(entra_keyset_t *set, entra_str_t text, entra_err_t *err)
{
    int            rc;
    entra_json_t  *root;

    root = entra_json_parse(text, ENTRA_KEYSET_MAX,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the stored key set is damaged");
    }

    rc = entra_keyset_read_root(set, root, err);
    entra_json_free(root);
    entra_keyset_settle(set, ENTRA_KEYSET_VERSIONS);

    return rc;
}


const entra_jwk_t *
entra_keyset_find(const entra_keyset_t *set, entra_token_version_e version,
    entra_str_t kid)
{
    unsigned  i;

    for (i = 0; i < set->n; i++) {
        if ((set->keys[i].versions >> version & 1)
            && entra_str_eq_c(kid, set->keys[i].kid))
        {
            return &set->keys[i];
        }
    }

    return NULL;
}


int
entra_keyset_signs_for(const entra_keyset_t *set, const entra_jwk_t *key,
    entra_token_version_e version, entra_str_t tenant_id)
{
    return key->issuer == NULL
           || entra_issuer_matches(key->issuer, tenant_id,
                                   set->issuer[version])
           || (version == ENTRA_TOKEN_V1
               && entra_issuer_matches(key->issuer, tenant_id,
                                       set->issuer[ENTRA_TOKEN_V2]));
}
