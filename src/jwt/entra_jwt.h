
/*
 * Copyright (C) nginx-entra authors
 *
 * Access tokens that callers show: JSON Web Signatures in compact form
 * (RFC 7515, 7519, hardened as RFC 8725 says), issued by Microsoft Entra for
 * this gateway.
 */

#ifndef ENTRA_JWT_H
#define ENTRA_JWT_H


#include "entra_caller_token.h"
#include "entra_claims.h"
#include "entra_jwks.h"


#define ENTRA_JWT_MAX  (16 * 1024)          /* bytes of a token */


typedef enum {
    ENTRA_JWT_VALID = 0,
    ENTRA_JWT_INVALID,              /* 401, whatever else would let pass */

    /*
     * The rest cannot be told now.  UNKNOWN_KID: nothing is wrong with the
     * token but that no key has its id: the keys may have changed, see
     * entra_caller_keys_absent().  UNAVAILABLE: keys were never loaded, or no
     * memory.
     */
    ENTRA_JWT_UNKNOWN_KID,
    ENTRA_JWT_UNAVAILABLE
} entra_jwt_result_e;


/*
 * The value of an Authorization header.  1: it presents a bearer token, which
 * may be anything, also nothing; 0: it does not (absent, or another scheme).
 */
int entra_jwt_bearer(entra_str_t authorization, entra_str_t *token);

/*
 * Validates token by the rules of conf at the time now (seconds since the
 * epoch).  keys may be NULL: never loaded.  VALID: claims are filled, to be
 * freed with entra_claims_free(); else they are empty and err says why:
 * denied for INVALID, transient for the others.  err never holds the token;
 * it may quote a claim, shortened and without special characters.
 */
entra_jwt_result_e entra_jwt_verify(entra_str_t token,
    const entra_keyset_t *keys, const entra_caller_token_conf_t *conf,
    int64_t now, entra_claims_t *claims, entra_err_t *err);

/*
 * The id of the key that signed it, as its header says: kid takes
 * ENTRA_KID_MAX bytes and a zero.  0, or -1: there is none.
 */
int entra_jwt_kid(entra_str_t token, char *kid);


#endif /* ENTRA_JWT_H */
