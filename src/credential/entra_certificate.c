
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "entra_bundle.h"
#include "entra_certificate.h"
#include "entra_enc.h"
#include "entra_time.h"


#define ENTRA_SIGNATURE_MAX     2048        /* bytes: RSA of 16384 bits */
#define ENTRA_EXPIRY_SOON       (14 * 86400)


struct entra_certificate_s {
    entra_bundle_t  bundle;
};


void
entra_certificate_free(entra_certificate_t *cert)
{
    if (cert == NULL) {
        return;
    }

    entra_bundle_free(&cert->bundle);
    free(cert);
}


static int
entra_certificate_error(entra_err_t *err, const char *what)
{
    ERR_clear_error();

    return entra_err_set(err, ENTRA_ERR_CONFIG, "%s", what);
}


static int
entra_certificate_is_valid(const X509 *x)
{
    return X509_cmp_current_time(X509_get0_notBefore(x)) < 0
           && X509_cmp_current_time(X509_get0_notAfter(x)) > 0;
}


/* is a rather the one to use? */

static int
entra_certificate_better(const X509 *a, const X509 *b)
{
    int  valid, seconds, days;

    if (b == NULL) {
        return 1;
    }

    valid = entra_certificate_is_valid(a);

    if (valid != entra_certificate_is_valid(b)) {
        return valid;
    }

    /* of two that are valid, the first in the file */

    return !valid
           && ASN1_TIME_diff(&days, &seconds, X509_get0_notAfter(b),
                             X509_get0_notAfter(a)) == 1
           && (days > 0 || seconds > 0);
}


/* a key may have several certificates: one for each renewal */

static int
entra_certificate_match(entra_bundle_t *b, entra_err_t *err)
{
    int    i, found = -1;
    X509  *x, *best = NULL;

    if (b->key == NULL) {
        return entra_certificate_error(err, "it holds no private key");
    }

    if (b->others == NULL) {
        b->others = sk_X509_new_null();
    }

    if (b->leaf && b->others && sk_X509_unshift(b->others, b->leaf) > 0) {
        b->leaf = NULL;
    }

    for (i = 0; i < sk_X509_num(b->others); i++) {
        x = sk_X509_value(b->others, i);

        if (X509_check_private_key(x, b->key) == 1
            && entra_certificate_better(x, best))
        {
            best = x;
            found = i;
        }
    }

    ERR_clear_error();

    if (found < 0) {
        return entra_certificate_error(err, "its private key belongs to none"
                   " of its certificates: put the certificate of this key"
                   " there");
    }

    X509_free(b->leaf);
    b->leaf = sk_X509_delete(b->others, found);

    return 0;
}


static int
entra_certificate_issued(X509 *issuer, X509 *subject)
{
    int  rc;

    rc = X509_NAME_cmp(X509_get_subject_name(issuer),
                       X509_get_issuer_name(subject)) == 0
         && X509_verify(subject, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();

    return rc;
}


/*
 * Files have them in any order, root first with Azure Key Vault, and other
 * certificates between them.  In "x5c" each certifies the one before it
 * (RFC 7515, 4.1.6).
 */

static int
entra_certificate_order(entra_bundle_t *b, entra_err_t *err)
{
    int              i, found;
    X509            *x, *best, *last = b->leaf;
    STACK_OF(X509)  *chain;

    chain = sk_X509_new_null();
    if (chain == NULL) {
        return entra_err_no_memory(err);
    }

    while (!entra_certificate_issued(last, last)) {
        best = NULL;
        found = 0;

        for (i = 0; i < sk_X509_num(b->others); i++) {
            x = sk_X509_value(b->others, i);

            if (entra_certificate_issued(x, last)
                && entra_certificate_better(x, best))
            {
                best = x;
                found = i;
            }
        }

        if (best == NULL) {
            break;
        }

        if (sk_X509_push(chain, best) == 0) {
            sk_X509_pop_free(chain, X509_free);
            return entra_err_no_memory(err);
        }

        (void) sk_X509_delete(b->others, found);
        last = best;
    }

    sk_X509_pop_free(b->others, X509_free);
    b->others = chain;

    return 0;
}


static int
entra_certificate_check(entra_bundle_t *b, entra_err_t *err)
{
    if (entra_certificate_match(b, err) != 0
        || entra_certificate_order(b, err) != 0)
    {
        return -1;
    }

    if (EVP_PKEY_get_base_id(b->key) != EVP_PKEY_RSA) {
        return entra_certificate_error(err, "its key is not RSA, and"
                   " Microsoft Entra takes no other: create a certificate"
                   " with \"-newkey rsa:2048\"");
    }

    if (EVP_PKEY_get_bits(b->key) < ENTRA_CERTIFICATE_BITS
        || EVP_PKEY_get_size(b->key) > ENTRA_SIGNATURE_MAX)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "its key has %d bits: use an RSA key of 2048 or"
                             " more", EVP_PKEY_get_bits(b->key));
    }

    return 0;
}


entra_certificate_t *
entra_certificate_parse(entra_str_t content, const char *password,
    entra_err_t *err)
{
    entra_certificate_t  *cert;

    cert = calloc(1, sizeof(entra_certificate_t));
    if (cert == NULL) {
        (void) entra_err_no_memory(err);
        return NULL;
    }

    if (entra_bundle_read(&cert->bundle, content, password, err) != 0
        || entra_certificate_check(&cert->bundle, err) != 0)
    {
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


int64_t
entra_certificate_expires(const entra_certificate_t *cert)
{
    int64_t  at;

    return entra_certificate_time(X509_get0_notAfter(cert->bundle.leaf), &at)
           == 0 ? at : 0;
}


int
entra_certificate_warning(const entra_certificate_t *cert, int64_t now,
    entra_buf_t *out)
{
    int64_t      from, until;
    const X509  *leaf = cert->bundle.leaf;

    if (entra_certificate_time(X509_get0_notBefore(leaf), &from) != 0
        || entra_certificate_time(X509_get0_notAfter(leaf), &until) != 0)
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

    if (X509_digest(cert->bundle.leaf, md, digest, &n) != 1) {
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
    entra_certificate_der(cert->bundle.leaf, out);

    for (i = 0; i < sk_X509_num(cert->bundle.others); i++) {
        entra_buf_add_char(out, ',');
        entra_certificate_der(sk_X509_value(cert->bundle.others, i), out);
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

    if (EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, cert->bundle.key)
        == 1
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
