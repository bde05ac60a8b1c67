
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "entra_bundle.h"


#define ENTRA_BUNDLE_CERTS    16            /* certificates of a file */
#define ENTRA_MAC_ROUNDS_MAX  2000000       /* about a second */


void
entra_bundle_free(entra_bundle_t *bundle)
{
    EVP_PKEY_free(bundle->key);
    X509_free(bundle->leaf);
    sk_X509_pop_free(bundle->others, X509_free);
    memset(bundle, 0, sizeof(entra_bundle_t));
}


/* without a callback of ours the library would ask at the terminal */

static int
entra_bundle_password(char *buf, int size, int rwflag, void *data)
{
    size_t       len;
    const char  *password = data;

    if (password == NULL) {
        return -1;
    }

    len = strlen(password);

    if (len > (size_t) size) {
        return -1;
    }

    memcpy(buf, password, len);

    return (int) len;
}


static int
entra_bundle_error(entra_err_t *err, const char *what)
{
    ERR_clear_error();

    return entra_err_set(err, ENTRA_ERR_CONFIG, "%s", what);
}


static const char *
entra_pem_not_a_key(entra_str_t content)
{
    if (entra_str_has(content, "BEGIN PKCS7")) {
        return "it is PKCS#7 (.p7b), which has no private key: put"
               " certificate and key into the same PEM file";
    }

    if (entra_str_has(content, "CERTIFICATE REQUEST-----")
        && !entra_str_has(content, "BEGIN CERTIFICATE-----"))
    {
        return "it is a certificate signing request, not a certificate";
    }

    if (entra_str_has(content, "PUBLIC KEY-----")
        && !entra_str_has(content, "BEGIN CERTIFICATE-----"))
    {
        return "it is a public key, and no certificate and private key";
    }

    return "it holds no private key: put certificate and key into the same"
           " PEM file";
}


static int
entra_pem_key(entra_bundle_t *bundle, entra_str_t content,
    const char *password, entra_err_t *err)
{
    BIO  *bio;

    bio = BIO_new_mem_buf(content.data, (int) content.len);
    if (bio == NULL) {
        return entra_bundle_error(err, "no memory");
    }

    bundle->key = PEM_read_bio_PrivateKey(bio, NULL, entra_bundle_password,
                                        (void *) (uintptr_t) password);
    BIO_free(bio);

    if (bundle->key) {
        return 0;
    }

    if (!entra_str_has(content, "PRIVATE KEY-----")) {
        return entra_bundle_error(err, entra_pem_not_a_key(content));
    }

    if (entra_str_has(content, "BEGIN OPENSSH")) {
        return entra_bundle_error(err, "its private key is one of OpenSSH:"
                   " convert it with \"ssh-keygen -p -m PKCS8 -f FILE\"");
    }

    if (entra_str_has(content, "ENCRYPTED")) {
        return entra_bundle_error(err, password
                   ? "the password does not open its private key"
                   : "its private key is encrypted: write"
                     " \"client_certificate_password_file FILE;\"");
    }

    return entra_bundle_error(err, "its private key cannot be read");
}


static int
entra_pem_certificates(entra_bundle_t *bundle, entra_str_t content,
    entra_err_t *err)
{
    BIO   *bio;
    X509  *x;

    bio = BIO_new_mem_buf(content.data, (int) content.len);
    bundle->others = sk_X509_new_null();

    if (bio == NULL || bundle->others == NULL) {
        BIO_free(bio);
        return entra_bundle_error(err, "no memory");
    }

    while (sk_X509_num(bundle->others) <= ENTRA_BUNDLE_CERTS
           && (x = PEM_read_bio_X509(bio, NULL, entra_bundle_password,
                                     NULL)) != NULL)
    {
        if (sk_X509_push(bundle->others, x) == 0) {
            X509_free(x);
            break;
        }
    }

    BIO_free(bio);

    if (sk_X509_num(bundle->others) == 0) {
        return entra_bundle_error(err, "it holds no certificate: put"
                   " certificate and key into the same PEM file");
    }

    if (sk_X509_num(bundle->others) > ENTRA_BUNDLE_CERTS) {
        return entra_bundle_error(err, "it holds too many certificates");
    }

    ERR_clear_error();

    return 0;
}


/* the library derives keys for as many rounds as the file says */

static int
entra_pkcs12_rounds_ok(PKCS12 *p12)
{
    const ASN1_INTEGER  *rounds = NULL;

    PKCS12_get0_mac(NULL, NULL, NULL, &rounds, p12);

    return rounds == NULL
           || (ASN1_INTEGER_get(rounds) >= 0
               && ASN1_INTEGER_get(rounds) <= ENTRA_MAC_ROUNDS_MAX);
}


static PKCS12 *
entra_pkcs12_decode(entra_str_t content, OSSL_LIB_CTX *lib)
{
    PKCS12               *p12;
    const unsigned char  *p = (const unsigned char *) content.data;

    p12 = PKCS12_init_ex(NID_pkcs7_data, lib, NULL);
    if (p12 == NULL) {
        return NULL;
    }

    /* on failure it is freed and set to NULL */
    (void) d2i_PKCS12(&p12, &p, (long) content.len);

    return p12;
}


static int
entra_pkcs12_open(entra_bundle_t *bundle, entra_str_t content,
    const char *password, OSSL_LIB_CTX *lib)
{
    int      rc;
    PKCS12  *p12;

    p12 = entra_pkcs12_decode(content, lib);
    if (p12 == NULL) {
        return -1;
    }

    rc = entra_pkcs12_rounds_ok(p12)
         && PKCS12_parse(p12, password ? password : "", &bundle->key,
                         &bundle->leaf, &bundle->others)
         ? 0 : -1;

    PKCS12_free(p12);

    return rc;
}


static X509 *
entra_pkcs12_copy(X509 *x)
{
    int                   len;
    X509                 *copy;
    unsigned char        *der = NULL;
    const unsigned char  *p;

    len = i2d_X509(x, &der);
    if (len <= 0) {
        return NULL;
    }

    p = der;
    copy = d2i_X509(NULL, &p, len);
    OPENSSL_free(der);

    return copy;
}


static EVP_PKEY *
entra_pkcs12_copy_key(EVP_PKEY *key)
{
    int                   len;
    EVP_PKEY             *copy;
    unsigned char        *der = NULL;
    const unsigned char  *p;

    len = i2d_PrivateKey(key, &der);
    if (len <= 0) {
        return NULL;
    }

    p = der;
    copy = d2i_AutoPrivateKey(NULL, &p, len);
    OPENSSL_clear_free(der, (size_t) len);

    return copy;
}


/* what was opened in a library context has to outlive it */

static int
entra_pkcs12_move(entra_bundle_t *bundle, entra_bundle_t *from)
{
    int    i;
    X509  *x;

    bundle->key = from->key ? entra_pkcs12_copy_key(from->key) : NULL;
    bundle->leaf = from->leaf ? entra_pkcs12_copy(from->leaf) : NULL;
    bundle->others = sk_X509_new_null();

    if (bundle->key == NULL || bundle->others == NULL) {
        return -1;
    }

    for (i = 0; i < sk_X509_num(from->others); i++) {
        x = entra_pkcs12_copy(sk_X509_value(from->others, i));

        if (x == NULL || sk_X509_push(bundle->others, x) == 0) {
            X509_free(x);
            return -1;
        }
    }

    return 0;
}


/* RC2 and other old ciphers, as Azure Key Vault and Windows export with */

static int
entra_pkcs12_open_legacy(entra_bundle_t *bundle, entra_str_t content,
    const char *password)
{
    int                   rc = -1;
    OSSL_LIB_CTX         *lib;
    OSSL_PROVIDER        *legacy, *base;
    entra_bundle_t   opened;

    memset(&opened, 0, sizeof(entra_bundle_t));

    lib = OSSL_LIB_CTX_new();
    if (lib == NULL) {
        return -1;
    }

    legacy = OSSL_PROVIDER_load(lib, "legacy");
    base = OSSL_PROVIDER_load(lib, "default");

    if (legacy && base
        && entra_pkcs12_open(&opened, content, password, lib) == 0)
    {
        rc = entra_pkcs12_move(bundle, &opened);
    }

    entra_bundle_free(&opened);

    if (legacy) {
        OSSL_PROVIDER_unload(legacy);
    }

    if (base) {
        OSSL_PROVIDER_unload(base);
    }

    OSSL_LIB_CTX_free(lib);

    return rc;
}


/* what else is in DER */

static const char *
entra_bundle_der(entra_str_t content)
{
    X509                 *x;
    EVP_PKEY             *key;
    const unsigned char  *p = (const unsigned char *) content.data;

    x = d2i_X509(NULL, &p, (long) content.len);

    if (x) {
        X509_free(x);
        return "it is a certificate (DER) without its private key: put"
               " certificate and key into the same PEM file";
    }

    p = (const unsigned char *) content.data;
    key = d2i_AutoPrivateKey(NULL, &p, (long) content.len);

    if (key) {
        EVP_PKEY_free(key);
        return "it is a private key (DER) without its certificate: put"
               " certificate and key into the same PEM file";
    }

    return "it is neither PEM nor PKCS#12";
}


static int
entra_pkcs12(entra_bundle_t *bundle, entra_str_t content,
    const char *password, entra_err_t *err)
{
    int      wrong;
    PKCS12  *p12;

    p12 = entra_pkcs12_decode(content, NULL);
    if (p12 == NULL) {
        return entra_bundle_error(err, entra_bundle_der(content));
    }

    PKCS12_free(p12);

    if (entra_pkcs12_open(bundle, content, password, NULL) == 0) {
        return 0;
    }

    wrong = ERR_GET_REASON(ERR_peek_last_error())
            == PKCS12_R_MAC_VERIFY_FAILURE;
    entra_bundle_free(bundle);

    if (wrong) {
        return entra_bundle_error(err, password
                   ? "the password does not open it"
                   : "it is encrypted: write"
                     " \"client_certificate_password_file FILE;\"");
    }

    if (entra_pkcs12_open_legacy(bundle, content, password) == 0) {
        return 0;
    }

    entra_bundle_free(bundle);

    return entra_bundle_error(err, "it cannot be opened: its encryption"
               " is old or unknown, convert it with \"openssl pkcs12 -legacy"
               " -nodes -in FILE -out FILE.pem\"");
}


int
entra_bundle_read(entra_bundle_t *bundle, entra_str_t content,
    const char *password, entra_err_t *err)
{
    int  rc;

    memset(bundle, 0, sizeof(entra_bundle_t));
    ERR_clear_error();

    if (content.len == 0 || content.len > ENTRA_BUNDLE_MAX) {
        return entra_bundle_error(err, content.len ? "it is too large"
                                                   : "it is empty");
    }

    if (!entra_str_has(content, "-----BEGIN")) {
        rc = entra_pkcs12(bundle, content, password, err);

    } else {
        rc = entra_pem_key(bundle, content, password, err);

        if (rc == 0) {
            rc = entra_pem_certificates(bundle, content, err);
        }
    }

    if (rc != 0) {
        entra_bundle_free(bundle);
    }

    return rc;
}
