
/*
 * Copyright (C) nginx-entra authors
 *
 * Signatures of JSON Web Signatures (RFC 7518 section 3), public half only.
 * The algorithms that this module accepts are this list: there is no "none"
 * and no HMAC in it, so a token cannot ask for them.
 */

#ifndef ENTRA_SIG_H
#define ENTRA_SIG_H


#include <openssl/evp.h>

#include "entra_err.h"


#define ENTRA_SIG_RSA_BITS_MIN  2048
#define ENTRA_SIG_RSA_BITS_MAX  8192        /* bounds the cost of a check */
#define ENTRA_SIG_MAX           (ENTRA_SIG_RSA_BITS_MAX / 8)


typedef enum {
    ENTRA_ALG_UNKNOWN = 0,
    ENTRA_ALG_RS256,
    ENTRA_ALG_RS384,
    ENTRA_ALG_RS512,
    ENTRA_ALG_PS256,            /* salt of 32 bytes, as RFC 7518 says */
    ENTRA_ALG_ES256
} entra_alg_e;


typedef enum {
    ENTRA_KTY_UNKNOWN = 0,
    ENTRA_KTY_RSA,
    ENTRA_KTY_EC                /* P-256 */
} entra_kty_e;


/* names are case-sensitive (RFC 7515 section 4.1.1) */
entra_alg_e entra_alg_find(entra_str_t name);
entra_kty_e entra_alg_kty(entra_alg_e alg);
const char *entra_alg_name(entra_alg_e alg);            /* NULL: unknown */

/*
 * A public key of big-endian numbers.  RSA: 2048 to 8192 bits, odd modulus,
 * odd exponent over 2 of at most 32 bits.  EC: a point on P-256, 32 bytes for
 * each coordinate.  NULL: not such a key (or no memory).
 */
EVP_PKEY *entra_sig_rsa_key(entra_str_t n, entra_str_t e);
EVP_PKEY *entra_sig_ec_key(entra_str_t x, entra_str_t y);

/*
 * 1: sig is a signature by key over data; 0: it is not, or key is not one for
 * alg.  ES256: sig is r and s, 32 bytes each (RFC 7518 section 3.4).
 */
int entra_sig_verify(entra_alg_e alg, EVP_PKEY *key, entra_str_t data,
    entra_str_t sig);


#endif /* ENTRA_SIG_H */
