
/*
 * Copyright (C) nginx-entra authors
 *
 * A private key and certificates, out of a PEM or PKCS#12 file.  For
 * entra_certificate.c, which knows what they have to be.
 */

#ifndef ENTRA_BUNDLE_H
#define ENTRA_BUNDLE_H


#include <openssl/evp.h>
#include <openssl/x509.h>

#include "entra_err.h"


#define ENTRA_BUNDLE_MAX  (256 * 1024)          /* bytes of a file */


typedef struct {
    EVP_PKEY        *key;
    X509            *leaf;          /* NULL: not known yet, one of others */
    STACK_OF(X509)  *others;
} entra_bundle_t;


/*
 * PEM if it has a "-----BEGIN", else PKCS#12, old encryption included.
 * Never asks a terminal for a password.  0; or -1 and err, with nothing to
 * free.
 */
int entra_bundle_read(entra_bundle_t *bundle, entra_str_t content,
    const char *password, entra_err_t *err);
void entra_bundle_free(entra_bundle_t *bundle);         /* not itself */


#endif /* ENTRA_BUNDLE_H */
