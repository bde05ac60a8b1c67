
/*
 * Copyright (C) nginx-entra authors
 *
 * A certificate with its private key, as Microsoft Entra takes it from an
 * application: RSA, from PEM or PKCS#12.
 */

#ifndef ENTRA_CERTIFICATE_H
#define ENTRA_CERTIFICATE_H


#include "entra_err.h"


#define ENTRA_CERTIFICATE_MAX   (256 * 1024)    /* bytes of a file */
#define ENTRA_CERTIFICATE_BITS  2048            /* of the key, at least */


typedef struct entra_certificate_s  entra_certificate_t;


/*
 * PEM: the key and the certificate in any order, with other certificates as
 * its chain, in any order, too; the one that belongs to the key is the leaf,
 * of several the first that is valid.  Anything else is read as PKCS#12.
 * password may be NULL.  Or NULL and err: not readable, no key, no
 * certificate, no match, not RSA, too short, wrong password.  Never asks a
 * terminal.
 */
entra_certificate_t *entra_certificate_parse(entra_str_t content,
    const char *password, entra_err_t *err);
void entra_certificate_free(entra_certificate_t *cert);

/* the leaf's notAfter, seconds since the epoch; 0 when it cannot be read */
int64_t entra_certificate_expires(const entra_certificate_t *cert);

/*
 * 1 and a sentence in out when it has expired, will within 14 days, or is not
 * valid yet; else 0.
 */
int entra_certificate_warning(const entra_certificate_t *cert, int64_t now,
    entra_buf_t *out);

/* base64url, no padding: x5t#S256 of SHA-256, x5t of SHA-1 (RFC 7515) */
void entra_certificate_x5t_s256(const entra_certificate_t *cert,
    entra_buf_t *out);
void entra_certificate_x5t(const entra_certificate_t *cert, entra_buf_t *out);

/* JSON array, base64 of DER each: the leaf, and each one's issuer after it */
void entra_certificate_x5c(const entra_certificate_t *cert, entra_buf_t *out);

/* what changes when it does: SHA-256 of the leaf, in hex */
void entra_certificate_id(const entra_certificate_t *cert, entra_buf_t *out);

/*
 * Appends the signature: PS256 (salt of 32 bytes), or RS256.  0, or -1 when
 * the library refuses.
 */
int entra_certificate_sign(const entra_certificate_t *cert, int rs256,
    entra_str_t text, entra_buf_t *out);


#endif /* ENTRA_CERTIFICATE_H */
