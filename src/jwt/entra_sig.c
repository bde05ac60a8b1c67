
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "entra_sig.h"


#define ENTRA_P256_LEN   32
#define ENTRA_RSA_E_LEN  4


typedef struct {
    const char   *name;
    entra_alg_e   alg;
    entra_kty_e   kty;
    const char   *digest;
} entra_alg_t;


static const entra_alg_t  entra_algs[] = {
    { "RS256", ENTRA_ALG_RS256, ENTRA_KTY_RSA, "SHA256" },
    { "RS384", ENTRA_ALG_RS384, ENTRA_KTY_RSA, "SHA384" },
    { "RS512", ENTRA_ALG_RS512, ENTRA_KTY_RSA, "SHA512" },
    { "PS256", ENTRA_ALG_PS256, ENTRA_KTY_RSA, "SHA256" },
    { "ES256", ENTRA_ALG_ES256, ENTRA_KTY_EC, "SHA256" },
    { NULL, ENTRA_ALG_UNKNOWN, ENTRA_KTY_UNKNOWN, NULL }
};


entra_alg_e
entra_alg_find(entra_str_t name)
{
    const entra_alg_t  *a;

    for (a = entra_algs; a->name; a++) {
        if (entra_str_eq_c(name, a->name)) {
            break;
        }
    }

    return a->alg;
}


static const entra_alg_t *
entra_alg_get(entra_alg_e alg)
{
    const entra_alg_t  *a;

    for (a = entra_algs; a->name; a++) {
        if (a->alg == alg) {
            break;
        }
    }

    return a;
}


entra_kty_e
entra_alg_kty(entra_alg_e alg)
{
    return entra_alg_get(alg)->kty;
}


const char *
entra_alg_name(entra_alg_e alg)
{
    return entra_alg_get(alg)->name;
}


static EVP_PKEY *
entra_sig_key(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY      *key = NULL;
    OSSL_PARAM    *params;
    EVP_PKEY_CTX  *ctx;

    params = OSSL_PARAM_BLD_to_param(build);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        key = NULL;
    }

    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);

    return key;
}


static int
entra_sig_rsa_ok(const BIGNUM *n, const BIGNUM *e)
{
    int  bits = BN_num_bits(n);

    /* an exponent of 1 makes every message its own signature */

    return bits >= ENTRA_SIG_RSA_BITS_MIN && bits <= ENTRA_SIG_RSA_BITS_MAX
           && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e);
}


EVP_PKEY *
entra_sig_rsa_key(entra_str_t n, entra_str_t e)
{
    BIGNUM          *bn, *be;
    EVP_PKEY        *key = NULL;
    OSSL_PARAM_BLD  *build;

    if (n.len > ENTRA_SIG_MAX || e.len > ENTRA_RSA_E_LEN) {
        return NULL;
    }

    bn = BN_bin2bn((const unsigned char *) n.data, (int) n.len, NULL);
    be = BN_bin2bn((const unsigned char *) e.data, (int) e.len, NULL);
    build = OSSL_PARAM_BLD_new();

    if (bn && be && build && entra_sig_rsa_ok(bn, be)
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) == 1
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be) == 1)
    {
        key = entra_sig_key("RSA", build);
    }

    OSSL_PARAM_BLD_free(build);
    BN_free(bn);
    BN_free(be);
    ERR_clear_error();

    return key;
}


EVP_PKEY *
entra_sig_ec_key(entra_str_t x, entra_str_t y)
{
    EVP_PKEY        *key = NULL;
    unsigned char    point[1 + 2 * ENTRA_P256_LEN];
    OSSL_PARAM_BLD  *build;

    if (x.len != ENTRA_P256_LEN || y.len != ENTRA_P256_LEN) {
        return NULL;
    }

    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, x.data, ENTRA_P256_LEN);
    memcpy(point + 1 + ENTRA_P256_LEN, y.data, ENTRA_P256_LEN);

    build = OSSL_PARAM_BLD_new();

    if (build
        && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
                                           "prime256v1", 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, sizeof(point)) == 1)
    {
        key = entra_sig_key("EC", build);
    }

    OSSL_PARAM_BLD_free(build);
    ERR_clear_error();

    return key;
}


/* r and s to the DER that OpenSSL wants; its length, or 0 */

static size_t
entra_sig_der(entra_str_t sig, unsigned char *der, size_t size)
{
    int                   len = 0;
    BIGNUM               *r, *s;
    ECDSA_SIG            *pair;
    const unsigned char  *p = (const unsigned char *) sig.data;

    if (sig.len != 2 * ENTRA_P256_LEN) {
        return 0;
    }

    pair = ECDSA_SIG_new();
    r = BN_bin2bn(p, ENTRA_P256_LEN, NULL);
    s = BN_bin2bn(p + ENTRA_P256_LEN, ENTRA_P256_LEN, NULL);

    if (pair == NULL || r == NULL || s == NULL
        || ECDSA_SIG_set0(pair, r, s) != 1)
    {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return 0;
    }

    if (i2d_ECDSA_SIG(pair, NULL) <= (int) size) {
        len = i2d_ECDSA_SIG(pair, &der);
    }

    ECDSA_SIG_free(pair);

    return len > 0 ? (size_t) len : 0;
}


static int
entra_sig_check(const entra_alg_t *a, EVP_PKEY *key, entra_str_t data,
    entra_str_t sig)
{
    int            ok;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx = NULL;

    ctx = EVP_MD_CTX_new();

    ok = ctx != NULL
         && EVP_DigestVerifyInit_ex(ctx, &pctx, a->digest, NULL, NULL, key,
                                    NULL) == 1;

    if (ok && a->alg == ENTRA_ALG_PS256) {
        ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1
             && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST)
                == 1;
    }

    ok = ok && EVP_DigestVerify(ctx, (const unsigned char *) sig.data, sig.len,
                                (const unsigned char *) data.data, data.len)
               == 1;

    EVP_MD_CTX_free(ctx);

    return ok;
}


int
entra_sig_verify(entra_alg_e alg, EVP_PKEY *key, entra_str_t data,
    entra_str_t sig)
{
    int                 ok;
    unsigned char       der[2 * ENTRA_P256_LEN + 16];
    const entra_alg_t  *a;

    a = entra_alg_get(alg);

    switch (a->kty) {

    case ENTRA_KTY_RSA:
        if (!EVP_PKEY_is_a(key, "RSA")
            || sig.len != (size_t) EVP_PKEY_get_size(key))
        {
            return 0;
        }

        break;

    case ENTRA_KTY_EC:
        if (!EVP_PKEY_is_a(key, "EC")) {
            return 0;
        }

        sig.len = entra_sig_der(sig, der, sizeof(der));
        sig.data = (const char *) der;

        if (sig.len == 0) {
            return 0;
        }

        break;

    default:
        return 0;
    }

    ok = entra_sig_check(a, key, data, sig);

    /* a later SSL_get_error() of nginx must not find our errors */
    ERR_clear_error();

    return ok;
}
