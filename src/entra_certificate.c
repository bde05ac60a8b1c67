
/*
 * Copyright (C) nginx-entra authors
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "entra_certificate.h"
#include "entra_enc.h"
#include "entra_time.h"


#define ENTRA_CHAIN_MAX         16          /* certificates of a file */
#define ENTRA_MAC_ROUNDS_MAX    2000000     /* about a second */
#define ENTRA_SIGNATURE_MAX     2048        /* bytes: RSA of 16384 bits */
#define ENTRA_EXPIRY_SOON       (14 * 86400)


struct entra_certificate_s {
    EVP_PKEY        *key;
    X509            *leaf;
    STACK_OF(X509)  *others;
};


static void
entra_certificate_reset(entra_certificate_t *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->leaf);
    sk_X509_pop_free(cert->others, X509_free);
    memset(cert, 0, sizeof(entra_certificate_t));
}


void
entra_certificate_free(entra_certificate_t *cert)
{
    if (cert == NULL) {
        return;
    }

    entra_certificate_reset(cert);
    free(cert);
}


/* without a callback of ours the library would ask at the terminal */

static int
entra_certificate_password(char *buf, int size, int rwflag, void *data)
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
entra_certificate_error(entra_err_t *err, const char *what)
{
    ERR_clear_error();

    return entra_err_set(err, ENTRA_ERR_CONFIG, "%s", what);
}


static int
entra_pem_has(entra_str_t content, const char *text)
{
    size_t  i, n = strlen(text);

    for (i = 0; i + n <= content.len; i++) {
        if (content.data[i] == text[0]
            && memcmp(content.data + i, text, n) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
entra_pem_key(entra_certificate_t *cert, entra_str_t content,
    const char *password, entra_err_t *err)
{
    BIO  *bio;

    bio = BIO_new_mem_buf(content.data, (int) content.len);
    if (bio == NULL) {
        return entra_certificate_error(err, "no memory");
    }

    cert->key = PEM_read_bio_PrivateKey(bio, NULL, entra_certificate_password,
                                        (void *) (uintptr_t) password);
    BIO_free(bio);

    if (cert->key) {
        return 0;
    }

    if (!entra_pem_has(content, "PRIVATE KEY-----")) {
        return entra_certificate_error(err, "it holds no private key: put"
                   " certificate and key into the same PEM file");
    }

    if (entra_pem_has(content, "ENCRYPTED")) {
        return entra_certificate_error(err, password
                   ? "the password does not open its private key"
                   : "its private key is encrypted: write"
                     " \"client_certificate_password_file FILE;\"");
    }

    return entra_certificate_error(err, "its private key cannot be read");
}


static int
entra_pem_certificates(entra_certificate_t *cert, entra_str_t content,
    entra_err_t *err)
{
    BIO   *bio;
    X509  *x;

    bio = BIO_new_mem_buf(content.data, (int) content.len);
    cert->others = sk_X509_new_null();

    if (bio == NULL || cert->others == NULL) {
        BIO_free(bio);
        return entra_certificate_error(err, "no memory");
    }

    while (sk_X509_num(cert->others) <= ENTRA_CHAIN_MAX
           && (x = PEM_read_bio_X509(bio, NULL, entra_certificate_password,
                                     NULL)) != NULL)
    {
        if (sk_X509_push(cert->others, x) == 0) {
            X509_free(x);
            break;
        }
    }

    BIO_free(bio);

    if (sk_X509_num(cert->others) == 0) {
        return entra_certificate_error(err, "it holds no certificate: put"
                   " certificate and key into the same PEM file");
    }

    if (sk_X509_num(cert->others) > ENTRA_CHAIN_MAX) {
        return entra_certificate_error(err, "it holds too many certificates");
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
entra_pkcs12_open(entra_certificate_t *cert, entra_str_t content,
    const char *password, OSSL_LIB_CTX *lib)
{
    int      rc;
    PKCS12  *p12;

    p12 = entra_pkcs12_decode(content, lib);
    if (p12 == NULL) {
        return -1;
    }

    rc = entra_pkcs12_rounds_ok(p12)
         && PKCS12_parse(p12, password ? password : "", &cert->key,
                         &cert->leaf, &cert->others)
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
entra_pkcs12_move(entra_certificate_t *cert, entra_certificate_t *from)
{
    int    i;
    X509  *x;

    cert->key = from->key ? entra_pkcs12_copy_key(from->key) : NULL;
    cert->leaf = from->leaf ? entra_pkcs12_copy(from->leaf) : NULL;
    cert->others = sk_X509_new_null();

    if (cert->key == NULL || cert->others == NULL) {
        return -1;
    }

    for (i = 0; i < sk_X509_num(from->others); i++) {
        x = entra_pkcs12_copy(sk_X509_value(from->others, i));

        if (x == NULL || sk_X509_push(cert->others, x) == 0) {
            X509_free(x);
            return -1;
        }
    }

    return 0;
}


/* RC2 and other old ciphers, as Azure Key Vault and Windows export with */

static int
entra_pkcs12_open_legacy(entra_certificate_t *cert, entra_str_t content,
    const char *password)
{
    int                   rc = -1;
    OSSL_LIB_CTX         *lib;
    OSSL_PROVIDER        *legacy, *base;
    entra_certificate_t   opened;

    memset(&opened, 0, sizeof(entra_certificate_t));

    lib = OSSL_LIB_CTX_new();
    if (lib == NULL) {
        return -1;
    }

    legacy = OSSL_PROVIDER_load(lib, "legacy");
    base = OSSL_PROVIDER_load(lib, "default");

    if (legacy && base
        && entra_pkcs12_open(&opened, content, password, lib) == 0)
    {
        rc = entra_pkcs12_move(cert, &opened);
    }

    entra_certificate_reset(&opened);

    if (legacy) {
        OSSL_PROVIDER_unload(legacy);
    }

    if (base) {
        OSSL_PROVIDER_unload(base);
    }

    OSSL_LIB_CTX_free(lib);

    return rc;
}


static int
entra_pkcs12(entra_certificate_t *cert, entra_str_t content,
    const char *password, entra_err_t *err)
{
    int      wrong;
    PKCS12  *p12;

    p12 = entra_pkcs12_decode(content, NULL);
    if (p12 == NULL) {
        return entra_certificate_error(err, "it is neither PEM nor PKCS#12");
    }

    PKCS12_free(p12);

    if (entra_pkcs12_open(cert, content, password, NULL) == 0) {
        return 0;
    }

    wrong = ERR_GET_REASON(ERR_peek_last_error())
            == PKCS12_R_MAC_VERIFY_FAILURE;
    entra_certificate_reset(cert);

    if (wrong) {
        return entra_certificate_error(err, password
                   ? "the password does not open it"
                   : "it is encrypted: write"
                     " \"client_certificate_password_file FILE;\"");
    }

    if (entra_pkcs12_open_legacy(cert, content, password) == 0) {
        return 0;
    }

    entra_certificate_reset(cert);

    return entra_certificate_error(err, "it cannot be opened: its encryption"
               " is old or unknown, convert it with \"openssl pkcs12 -legacy"
               " -nodes -in FILE -out FILE.pem\"");
}


/* of PEM: takes the leaf out of the others; of PKCS#12: checks it */

static int
entra_certificate_match(entra_certificate_t *cert, entra_err_t *err)
{
    int  i;

    if (cert->key == NULL) {
        return entra_certificate_error(err, "it holds no private key");
    }

    for (i = 0; cert->leaf == NULL && i < sk_X509_num(cert->others); i++) {
        if (X509_check_private_key(sk_X509_value(cert->others, i), cert->key)
            == 1)
        {
            cert->leaf = sk_X509_delete(cert->others, i);
        }
    }

    if (cert->leaf == NULL
        || X509_check_private_key(cert->leaf, cert->key) != 1)
    {
        return entra_certificate_error(err, "its private key belongs to none"
                   " of its certificates: put the certificate of this key"
                   " there");
    }

    ERR_clear_error();

    return 0;
}


static int
entra_certificate_check(entra_certificate_t *cert, entra_err_t *err)
{
    if (entra_certificate_match(cert, err) != 0) {
        return -1;
    }

    if (EVP_PKEY_get_base_id(cert->key) != EVP_PKEY_RSA) {
        return entra_certificate_error(err, "its key is not RSA, and"
                   " Microsoft Entra takes no other: create a certificate"
                   " with \"-newkey rsa:2048\"");
    }

    if (EVP_PKEY_get_bits(cert->key) < ENTRA_CERTIFICATE_BITS
        || EVP_PKEY_get_size(cert->key) > ENTRA_SIGNATURE_MAX)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "its key has %d bits: use an RSA key of 2048 or"
                             " more", EVP_PKEY_get_bits(cert->key));
    }

    return 0;
}


entra_certificate_t *
entra_certificate_parse(entra_str_t content, const char *password,
    entra_err_t *err)
{
    int                   rc;
    entra_certificate_t  *cert;

    if (content.len == 0 || content.len > ENTRA_CERTIFICATE_MAX) {
        (void) entra_certificate_error(err, content.len ? "it is too large"
                                                        : "it is empty");
        return NULL;
    }

    cert = calloc(1, sizeof(entra_certificate_t));
    if (cert == NULL) {
        (void) entra_certificate_error(err, "no memory");
        return NULL;
    }

    ERR_clear_error();

    if (entra_pem_has(content, "-----BEGIN")) {
        rc = entra_pem_key(cert, content, password, err);

        if (rc == 0) {
            rc = entra_pem_certificates(cert, content, err);
        }

    } else {
        rc = entra_pkcs12(cert, content, password, err);
    }

    if (rc != 0 || entra_certificate_check(cert, err) != 0) {
        entra_certificate_free(cert);
        return NULL;
    }

    return cert;
}


static int
entra_certificate_time(const ASN1_TIME *time, int64_t *at)
{
    struct tm  tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return -1;
    }

    *at = entra_time_days(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday)
          * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;

    return 0;
}


int
entra_certificate_warning(const entra_certificate_t *cert, int64_t now,
    entra_buf_t *out)
{
    int64_t  from, until;

    if (entra_certificate_time(X509_get0_notBefore(cert->leaf), &from) != 0
        || entra_certificate_time(X509_get0_notAfter(cert->leaf), &until)
           != 0)
    {
        entra_buf_add_c(out, "the certificate's dates cannot be read");
        return 1;
    }

    if (now < from) {
        entra_buf_add_c(out, "the certificate is not valid before ");
        entra_time_format(from, out);
        return 1;
    }

    if (until - now > ENTRA_EXPIRY_SOON) {
        return 0;
    }

    entra_buf_add_c(out, until < now ? "the certificate has expired at "
                                     : "the certificate will expire at ");
    entra_time_format(until, out);

    return 1;
}


static void
entra_certificate_digest(const entra_certificate_t *cert, const EVP_MD *md,
    int hex, entra_buf_t *out)
{
    unsigned       n;
    unsigned char  digest[EVP_MAX_MD_SIZE];

    if (X509_digest(cert->leaf, md, digest, &n) != 1) {
        out->failed = 1;
        return;
    }

    if (hex) {
        entra_enc_hex(out, digest, n);

    } else {
        entra_enc_base64url(out, digest, n);
    }
}


void
entra_certificate_x5t_s256(const entra_certificate_t *cert, entra_buf_t *out)
{
    entra_certificate_digest(cert, EVP_sha256(), 0, out);
}


void
entra_certificate_x5t(const entra_certificate_t *cert, entra_buf_t *out)
{
    entra_certificate_digest(cert, EVP_sha1(), 0, out);
}


void
entra_certificate_id(const entra_certificate_t *cert, entra_buf_t *out)
{
    entra_certificate_digest(cert, EVP_sha256(), 1, out);
}


static void
entra_certificate_der(X509 *x, entra_buf_t *out)
{
    int             len;
    unsigned char  *der = NULL;

    len = i2d_X509(x, &der);

    if (len <= 0) {
        out->failed = 1;
        return;
    }

    entra_buf_add_char(out, '"');
    entra_enc_base64(out, der, (size_t) len);
    entra_buf_add_char(out, '"');

    OPENSSL_free(der);
}


void
entra_certificate_x5c(const entra_certificate_t *cert, entra_buf_t *out)
{
    int  i;

    entra_buf_add_char(out, '[');
    entra_certificate_der(cert->leaf, out);

    for (i = 0; i < sk_X509_num(cert->others); i++) {
        entra_buf_add_char(out, ',');
        entra_certificate_der(sk_X509_value(cert->others, i), out);
    }

    entra_buf_add_char(out, ']');
}


static int
entra_certificate_padding(EVP_PKEY_CTX *pctx, int rs256)
{
    if (rs256) {
        return EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) > 0;
    }

    return EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0
           && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32) > 0;
}


int
entra_certificate_sign(const entra_certificate_t *cert, int rs256,
    entra_str_t text, entra_buf_t *out)
{
    int             rc = -1;
    size_t          n = ENTRA_SIGNATURE_MAX;
    EVP_MD_CTX     *ctx;
    EVP_PKEY_CTX   *pctx;
    unsigned char   signature[ENTRA_SIGNATURE_MAX];

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return -1;
    }

    if (EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, cert->key) == 1
        && entra_certificate_padding(pctx, rs256)
        && EVP_DigestSign(ctx, signature, &n,
                          (const unsigned char *) text.data, text.len) == 1)
    {
        entra_buf_add(out, signature, n);
        rc = entra_buf_ok(out) ? 0 : -1;
    }

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();

    return rc;
}
