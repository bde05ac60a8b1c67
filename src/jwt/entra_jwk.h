
/*
 * Copyright (C) nginx-entra authors
 *
 * One public key of a JSON Web Key Set (RFC 7517), as Entra publishes it.
 */

#ifndef ENTRA_JWK_H
#define ENTRA_JWK_H


#include "entra_json.h"
#include "entra_sig.h"


#define ENTRA_KID_MAX     128
#define ENTRA_ISSUER_MAX  512


typedef struct {
    char         *kid;
    char         *issuer;       /* signs for it only; NULL: for all */
    char         *n;            /* RSA: n and e, EC: x and y, base64url */
    char         *e;
    entra_kty_e   kty;
    entra_alg_e   alg;          /* for it only, or ENTRA_ALG_UNKNOWN: all */
    unsigned      versions;     /* the key set's, see entra_jwks.h */
    unsigned      conflict:1;
    EVP_PKEY     *pkey;
} entra_jwk_t;


/*
 * 1: key is filled, content owned by it; 0: not a key to use: other type,
 * curve, use or algorithm, RSA under 2048 bits, private, without kid or with
 * an odd one, or given as a certificate only; -1: no memory.
 */
int entra_jwk_parse(const entra_json_t *jwk, entra_jwk_t *key);
void entra_jwk_free(entra_jwk_t *key);              /* content, not itself */

/* same key, algorithm and issuer; kid and versions do not count */
int entra_jwk_same(const entra_jwk_t *a, const entra_jwk_t *b);

/* [0-9A-Za-z_-], 1 to ENTRA_KID_MAX bytes */
int entra_kid_ok(entra_str_t kid);

/* visible ASCII that JSON does not escape, 1 to ENTRA_ISSUER_MAX bytes */
int entra_issuer_ok(entra_str_t issuer);

/* whether issuer is pattern, in which "{tenantid}" stands for tenant_id */
int entra_issuer_matches(const char *pattern, entra_str_t tenant_id,
    const char *issuer);


#endif /* ENTRA_JWK_H */
