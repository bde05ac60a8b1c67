
/*
 * Copyright (C) nginx-entra authors
 *
 * Whom a transfer trusts: the system's CAs, configured ones, ones that come
 * with the request, or exactly one certificate.
 */

#include "ngx_http_entra_transfer.h"
#include "ngx_http_entra_compat.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>


#define NGX_HTTP_ENTRA_CA_CACHE  86400          /* seconds */


static int ngx_http_entra_transfer_tls_pin(ngx_http_entra_transfer_t *t);
static CURLcode ngx_http_entra_transfer_tls_context(CURL *easy, void *ssl_ctx,
    void *data);
static int ngx_http_entra_transfer_tls_verify(X509_STORE_CTX *x, void *data);
static int ngx_http_entra_transfer_tls_password(char *buf, int size,
    int writing, void *data);


ngx_uint_t
ngx_http_entra_transfer_tls_shared(curl_version_info_data *info)
{
    char  version[64];

    if (info->ssl_version == NULL) {
        return 0;
    }

    (void) ngx_snprintf((u_char *) version, sizeof(version), "OpenSSL/%s%Z",
                        OpenSSL_version(OPENSSL_VERSION_STRING));

    return ngx_strcmp(info->ssl_version, version) == 0;
}


X509_STORE *
ngx_http_entra_transfer_tls_store(const char *pem, size_t len)
{
    BIO          *bio;
    X509         *cert;
    ngx_uint_t    n, bad;
    X509_STORE   *store;

    store = X509_STORE_new();
    bio = BIO_new_mem_buf(pem, (int) len);

    n = 0;
    bad = (store == NULL || bio == NULL);

    while (!bad) {
        cert = PEM_read_bio_X509(bio, NULL,
                                 ngx_http_entra_transfer_tls_password, NULL);
        if (cert == NULL) {
            bad = ERR_GET_REASON(ERR_peek_last_error())
                  != PEM_R_NO_START_LINE;
            break;
        }

        bad = X509_STORE_add_cert(store, cert) != 1;
        X509_free(cert);
        n++;
    }

    BIO_free(bio);
    ERR_clear_error();

    if (bad || n == 0) {
        X509_STORE_free(store);
        return NULL;
    }

    /* as libcurl does for its own: an intermediate CA may be the anchor */

    X509_STORE_set_flags(store,
                         X509_V_FLAG_TRUSTED_FIRST|X509_V_FLAG_PARTIAL_CHAIN);

    return store;
}


/* a worker has nobody to ask */

static int
ngx_http_entra_transfer_tls_password(char *buf, int size, int writing,
    void *data)
{
    return -1;
}


int
ngx_http_entra_transfer_tls(ngx_http_entra_transfer_t *t)
{
    int                                    rc;
    CURL                                  *easy;
    ngx_uint_t                             own;
    const ngx_http_entra_transfer_conf_t  *conf;

    easy = t->easy;
    conf = t->conf;

    own = (t->request->pinned_sha1 || t->request->ca_pem || conf->store);

    if (own && !conf->openssl) {
        ngx_http_entra_transfer_fail(t, "libcurl does not use the OpenSSL "
                                     "library that nginx uses: it cannot be "
                                     "told which certificates to trust");
        return -1;
    }

    rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    rc |= curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                           (long) CURL_SSLVERSION_TLSv1_2);

    /* a resumed session was verified once, for somebody who trusts others */

    rc |= curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);

    if (!own) {
        if (conf->ca_file) {
            rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, conf->ca_file);
        }

        /* a directory would be looked at as well, and forbids the cache */

        if (conf->ca_file || conf->bundle) {
            rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        }

        ngx_http_entra_curl_ca_cache(easy, NGX_HTTP_ENTRA_CA_CACHE);

        return rc;
    }

    /* nothing for libcurl to load: no cost, and no store of its own wins */

    rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    ngx_http_entra_curl_ca_cache(easy, 0);

    rc |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION,
                           ngx_http_entra_transfer_tls_context);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, t);

    if (t->request->pinned_sha1) {
        rc |= ngx_http_entra_transfer_tls_pin(t);
        rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }

    return rc;
}


static int
ngx_http_entra_transfer_tls_pin(ngx_http_entra_transfer_t *t)
{
    size_t       i;
    u_char      *hex;
    ngx_int_t    n;

    hex = (u_char *) t->request->pinned_sha1;

    if (ngx_strlen(hex) != 2 * NGX_HTTP_ENTRA_TRANSFER_PIN) {
        goto invalid;
    }

    for (i = 0; i < NGX_HTTP_ENTRA_TRANSFER_PIN; i++) {
        n = ngx_hextoi(hex + 2 * i, 2);

        if (n == NGX_ERROR) {
            goto invalid;
        }

        t->pin[i] = (u_char) n;
    }

    return 0;

invalid:

    ngx_http_entra_transfer_fail(t, "the thumbprint of the server's "
                                 "certificate is not 40 hex digits");
    return -1;
}


static CURLcode
ngx_http_entra_transfer_tls_context(CURL *easy, void *ssl_ctx, void *data)
{
    ngx_http_entra_transfer_t *t = data;

    const char  *pem;
    X509_STORE  *store;

    if (t->request->pinned_sha1) {
        SSL_CTX_set_cert_verify_callback(ssl_ctx,
                                         ngx_http_entra_transfer_tls_verify, t);
        return CURLE_OK;
    }

    pem = t->request->ca_pem;

    if (pem == NULL) {
        SSL_CTX_set1_cert_store(ssl_ctx, t->conf->store);
        return CURLE_OK;
    }

    store = ngx_http_entra_transfer_tls_store(pem, ngx_strlen(pem));

    if (store == NULL) {
        ngx_http_entra_transfer_fail(t, "the CA certificates to trust could "
                                     "not be read");
        return CURLE_SSL_CACERT_BADFILE;
    }

    SSL_CTX_set_cert_store(ssl_ctx, store);     /* takes it over */

    return CURLE_OK;
}


/*
 * Replaces the verification of the chain: the thumbprint is all that is known
 * of the certificate.
 */

static int
ngx_http_entra_transfer_tls_verify(X509_STORE_CTX *x, void *data)
{
    ngx_http_entra_transfer_t *t = data;

    X509      *cert;
    u_char     sha1[EVP_MAX_MD_SIZE];
    unsigned   len;

    cert = X509_STORE_CTX_get0_cert(x);

    if (cert
        && X509_digest(cert, EVP_sha1(), sha1, &len) == 1
        && len == NGX_HTTP_ENTRA_TRANSFER_PIN
        && CRYPTO_memcmp(sha1, t->pin, NGX_HTTP_ENTRA_TRANSFER_PIN) == 0)
    {
        /* libcurl looks at it again after the handshake */
        X509_STORE_CTX_set_error(x, X509_V_OK);
        return 1;
    }

    t->mismatch = 1;
    X509_STORE_CTX_set_error(x, X509_V_ERR_CERT_REJECTED);

    return 0;
}
