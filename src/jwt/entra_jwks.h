
/*
 * Copyright (C) nginx-entra authors
 *
 * The keys that a tenant signs tokens with: what its discovery documents and
 * JSON Web Key Sets (RFC 7517) say, and the compact text of it that workers
 * share.
 */

#ifndef ENTRA_JWKS_H
#define ENTRA_JWKS_H


#include "entra_jwk.h"


#define ENTRA_JWKS_KEYS_MAX  1000           /* in one document, all kinds */
#define ENTRA_KEYSET_MAX     (64 * 1024)    /* bytes of the compact text */


/* versions of the token endpoint, of its documents and of its tokens */
typedef enum {
    ENTRA_TOKEN_V1 = 0,
    ENTRA_TOKEN_V2,
    ENTRA_TOKEN_VERSIONS
} entra_token_version_e;


typedef struct {
    char         *issuer[ENTRA_TOKEN_VERSIONS];
    entra_jwk_t  *keys;
    unsigned      n;
    unsigned      cap;
    size_t        size;         /* of the compact text, at most */
} entra_keyset_t;


void entra_keyset_init(entra_keyset_t *set);
void entra_keyset_free(entra_keyset_t *set);        /* content, not itself */

/* takes a copy; visible ASCII, at most ENTRA_ISSUER_MAX; 0, or -1 and err */
int entra_keyset_issuer(entra_keyset_t *set, entra_token_version_e version,
    entra_str_t issuer, entra_err_t *err);

/*
 * Adds the usable keys of a JWKS document.  Left out without a word: keys of
 * other types, curves, uses and algorithms, RSA under 2048 bits, private
 * ones, those without kid or with an odd one ([0-9A-Za-z_-], 128 bytes at
 * most), those given as a certificate only, and every key whose kid another
 * key of the document has.  The same key in both versions is kept once.
 * 0; or -1 and err (protocol): no JWKS, more than ENTRA_JWKS_KEYS_MAX keys,
 * no usable key, over ENTRA_KEYSET_MAX.
 */
int entra_keyset_add_jwks(entra_keyset_t *set, entra_token_version_e version,
    entra_str_t document, entra_err_t *err);

/*
 * The set as text: visible ASCII without spaces, at most ENTRA_KEYSET_MAX
 * bytes (out has its own bound), and back.  0, or -1 (and err).
 */
int entra_keyset_write(const entra_keyset_t *set, entra_buf_t *out);
int entra_keyset_read(entra_keyset_t *set, entra_str_t text,
    entra_err_t *err);

/* NULL: no such key for tokens of that version */
const entra_jwk_t *entra_keyset_find(const entra_keyset_t *set,
    entra_token_version_e version, entra_str_t kid);

/*
 * Whether key may sign for the tenant's issuer of that version: it names no
 * issuer, or this one; a v1 token is also content with the v2 issuer, which
 * is what Microsoft's keys carry.
 */
int entra_keyset_signs_for(const entra_keyset_t *set, const entra_jwk_t *key,
    entra_token_version_e version, entra_str_t tenant_id);

#endif /* ENTRA_JWKS_H */
