
/*
 * Copyright (C) nginx-entra authors
 *
 * What a caller's TLS certificate says, as far as it can be relied on: its
 * digests and its subject alternative names.  Never its subject: text of a
 * distinguished name can be made to look like another one.
 */

#ifndef ENTRA_CERT_H
#define ENTRA_CERT_H


#include <openssl/x509.h>

#include "entra_claims.h"
#include "entra_err.h"
#include "entra_truth.h"


#define ENTRA_CERT_NAME_MAX  2048               /* bytes of one name */


typedef struct {
    unsigned char        sha256[32];            /* of the DER */
    unsigned char        spki_sha256[32];       /* of the public key's DER */
    entra_claims_list_t  uris;                  /* SAN URI, as they are */
    entra_claims_list_t  dns;                   /* SAN DNS, lower case */

    /* there are more names than are kept: what is not found is unknown */
    unsigned             overflow:1;
} entra_cert_t;


/*
 * 0; or -1 and err: a name with a NUL, a control or a non-ASCII character, or
 * longer than the bound.  No legitimate certificate has those: it is invalid.
 * cert is to be zeroed before, and freed after.
 */
int entra_cert_read(entra_cert_t *cert, X509 *x509, entra_err_t *err);
void entra_cert_free(entra_cert_t *cert);               /* not itself */


typedef enum {
    ENTRA_CERT_SAN_URI,
    ENTRA_CERT_SAN_DNS,
    ENTRA_CERT_SPKI_SHA256,
    ENTRA_CERT_SHA256
} entra_cert_key_e;


typedef struct {
    entra_cert_key_e   key;
    char              *value;           /* owned; of names */
    unsigned           wildcard:1;
    unsigned char      digest[32];
} entra_cert_match_t;


/*
 * "san_uri=URI" (a segment "*" is any one segment), "san_dns=NAME"
 * ("*.example.com" is any one label), "spki_sha256=", "cert_sha256=" (64
 * hexadecimal digits, also with colons, or base64).  0; 1: not a key of
 * certificates; -1 and err.
 */
int entra_cert_match_parse(entra_cert_match_t *match, entra_str_t word,
    entra_err_t *err);
void entra_cert_match_free(entra_cert_match_t *match);     /* not itself */

/* ENTRA_FALSE, ENTRA_UNKNOWN or ENTRA_TRUE */
unsigned entra_cert_match(const entra_cert_match_t *match,
    const entra_cert_t *cert);


#endif /* ENTRA_CERT_H */
