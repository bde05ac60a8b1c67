
/*
 * Copyright (C) nginx-entra authors
 *
 * The first byte chooses whether there is a password, and whether a good key
 * follows; the rest is the file.
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "entra_assertion.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* made here: repositories with private keys in them alarm people */

static const char *
good_key(void)
{
    BIO          *bio;
    char         *data;
    long          n;
    EVP_PKEY     *key;

    static char   pem[8192];

    if (pem[0] == '\0') {
        key = EVP_RSA_gen(2048);
        bio = BIO_new(BIO_s_mem());
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
        n = BIO_get_mem_data(bio, &data);

        if (n > 0 && (size_t) n < sizeof(pem)) {
            memcpy(pem, data, (size_t) n);
        }

        BIO_free(bio);
        EVP_PKEY_free(key);
    }

    return pem;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 *jwt;
    entra_buf_t           b, file;
    entra_err_t           err;
    entra_str_t           text;
    entra_certificate_t  *cert;

    if (size == 0) {
        return 0;
    }

    entra_buf_init(&file, ENTRA_CERTIFICATE_MAX);
    entra_buf_add(&file, data + 1, size - 1);

    if (data[0] & 2) {
        entra_buf_add_c(&file, good_key());
    }

    text = entra_buf_str(&file);

    entra_err_clear(&err);

    cert = entra_certificate_parse(text, data[0] & 1 ? "password" : NULL,
                                   &err);
    entra_buf_free(&file);

    if (cert == NULL) {
        if (err.class == ENTRA_ERR_NONE) {
            abort();
        }

        return 0;
    }

    entra_buf_init(&b, 256);
    (void) entra_certificate_warning(cert, 1700000000, &b);
    entra_buf_free(&b);

    jwt = entra_assertion_create(cert, "client", "https://x/", 1700000000,
                                 ENTRA_ASSERTION_CHAIN, &err);
    entra_free_secret(jwt);
    entra_certificate_free(cert);

    return 0;
}
