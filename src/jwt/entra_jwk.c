
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_jwk.h"


#define ENTRA_JWK_TEXT_MAX  (ENTRA_SIG_MAX / 3 * 4 + 4)     /* of a number */


static const char  entra_tenantid[] = "{tenantid}";


void
entra_jwk_free(entra_jwk_t *key)
{
    free(key->kid);
    free(key->issuer);
    free(key->n);
    free(key->e);
    EVP_PKEY_free(key->pkey);
}


int
entra_kid_ok(entra_str_t kid)
{
    return kid.len <= ENTRA_KID_MAX && entra_str_is_word(kid, "_-");
}


int
entra_issuer_ok(entra_str_t issuer)
{
    char    c;
    size_t  i;

    for (i = 0; i < issuer.len; i++) {
        c = issuer.data[i];

        if (c <= ' ' || c > '~' || c == '"' || c == '\\') {
            return 0;
        }
    }

    return issuer.len > 0 && issuer.len <= ENTRA_ISSUER_MAX;
}


int
entra_issuer_matches(const char *pattern, entra_str_t tenant_id,
    const char *issuer)
{
    size_t       before;
    const char  *p;

    p = strstr(pattern, entra_tenantid);

    if (p == NULL) {
        return strcmp(pattern, issuer) == 0;
    }

    before = (size_t) (p - pattern);

    return strncmp(pattern, issuer, before) == 0
           && strncmp(issuer + before, tenant_id.data, tenant_id.len) == 0
           && strcmp(p + sizeof(entra_tenantid) - 1,
                     issuer + before + tenant_id.len) == 0;
}


static entra_kty_e
entra_jwk_kty(const entra_json_t *jwk)
{
    entra_str_t  kty;

    kty = entra_json_member_string(jwk, "kty");

    if (entra_str_eq_c(kty, "RSA")) {
        return ENTRA_KTY_RSA;
    }

    if (entra_str_eq_c(kty, "EC")
        && entra_str_eq_c(entra_json_member_string(jwk, "crv"), "P-256"))
    {
        return ENTRA_KTY_EC;
    }

    return ENTRA_KTY_UNKNOWN;
}


static int
entra_jwk_verifies(const entra_json_t *ops)
{
    entra_str_t          op;
    const entra_json_t  *item;

    if (entra_json_type(ops) != ENTRA_JSON_IS_ARRAY) {
        return 0;
    }

    for (item = entra_json_first(ops); item; item = entra_json_next(item)) {
        if (entra_json_string(item, &op) == 0
            && entra_str_eq_c(op, "verify"))
        {
            return 1;
        }
    }

    return 0;
}


/* is it meant for signatures, by an algorithm that we know, and public? */

static int
entra_jwk_usable(const entra_json_t *jwk, entra_kty_e kty, entra_alg_e *alg)
{
    entra_str_t  text;

    *alg = ENTRA_ALG_UNKNOWN;

    if (entra_json_member(jwk, "use")
        && !entra_str_eq_c(entra_json_member_string(jwk, "use"), "sig"))
    {
        return 0;
    }

    if (entra_json_member(jwk, "key_ops")
        && !entra_jwk_verifies(entra_json_member(jwk, "key_ops")))
    {
        return 0;
    }

    /* whose private half is published, anybody signs with */

    if (entra_json_member(jwk, "d")) {
        return 0;
    }

    if (entra_json_member(jwk, "alg") == NULL) {
        return 1;
    }

    text = entra_json_member_string(jwk, "alg");
    *alg = entra_alg_find(text);

    return entra_alg_kty(*alg) == kty;
}


static EVP_PKEY *
entra_jwk_pkey(entra_kty_e kty, entra_str_t first, entra_str_t second)
{
    EVP_PKEY     *pkey = NULL;
    entra_buf_t   a, b;

    entra_buf_init(&a, ENTRA_SIG_MAX);
    entra_buf_init(&b, ENTRA_SIG_MAX);

    if (entra_dec_base64url(&a, first) == 0
        && entra_dec_base64url(&b, second) == 0)
    {
        pkey = kty == ENTRA_KTY_RSA
               ? entra_sig_rsa_key(entra_buf_str(&a), entra_buf_str(&b))
               : entra_sig_ec_key(entra_buf_str(&a), entra_buf_str(&b));
    }

    entra_buf_free(&a);
    entra_buf_free(&b);

    return pkey;
}


int
entra_jwk_parse(const entra_json_t *jwk, entra_jwk_t *key)
{
    int          rsa;
    entra_str_t  kid, n, e, issuer;

    memset(key, 0, sizeof(entra_jwk_t));

    key->kty = entra_jwk_kty(jwk);
    rsa = key->kty == ENTRA_KTY_RSA;

    kid = entra_json_member_string(jwk, "kid");
    n = entra_json_member_string(jwk, rsa ? "n" : "x");
    e = entra_json_member_string(jwk, rsa ? "e" : "y");
    issuer = entra_json_member_string(jwk, "issuer");

    if (key->kty == ENTRA_KTY_UNKNOWN
        || !entra_jwk_usable(jwk, key->kty, &key->alg)
        || !entra_kid_ok(kid)
        || n.len > ENTRA_JWK_TEXT_MAX || e.len > ENTRA_JWK_TEXT_MAX
        || (entra_json_member(jwk, "issuer") && !entra_issuer_ok(issuer)))
    {
        return 0;
    }

    key->pkey = entra_jwk_pkey(key->kty, n, e);
    if (key->pkey == NULL) {
        return 0;
    }

    key->kid = entra_str_dup(kid);
    key->n = entra_str_dup(n);
    key->e = entra_str_dup(e);
    key->issuer = issuer.len ? entra_str_dup(issuer) : NULL;

    if (key->kid == NULL || key->n == NULL || key->e == NULL
        || (issuer.len && key->issuer == NULL))
    {
        entra_jwk_free(key);
        return -1;
    }

    return 1;
}


static int
entra_str_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}


int
entra_jwk_same(const entra_jwk_t *a, const entra_jwk_t *b)
{
    return a->kty == b->kty && a->alg == b->alg
           && strcmp(a->n, b->n) == 0 && strcmp(a->e, b->e) == 0
           && entra_str_same(a->issuer, b->issuer);
}
