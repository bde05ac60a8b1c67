
/*
 * Copyright (C) nginx-entra authors
 *
 * Keys, key sets and RS256 tokens for tests.  See t/interop/make_jwts.py for
 * the ones of another library.
 */

#ifndef JWT_MAKE_H
#define JWT_MAKE_H


#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "entra_enc.h"
#include "entra_jwt.h"


#define JWT_TENANT    "11111111-2222-4333-8444-555555555555"
#define JWT_AUDIENCE  "aaaaaaaa-0000-4000-8000-000000000001"
#define JWT_ISS_V1    "https://sts.windows.net/" JWT_TENANT "/"
#define JWT_ISS_V2    "https://login.microsoftonline.com/" JWT_TENANT "/v2.0"
#define JWT_NOW       1800000000


__attribute__((unused))
static char *
jwt_number(EVP_PKEY *key, const char *name)
{
    int             len;
    BIGNUM         *n = NULL;
    entra_buf_t     b;
    unsigned char   bytes[1024];

    (void) EVP_PKEY_get_bn_param(key, name, &n);
    len = BN_bn2bin(n, bytes);
    BN_free(n);

    entra_buf_init(&b, 4096);
    entra_enc_base64url(&b, bytes, (size_t) len);

    return entra_buf_steal(&b);
}


/* one key of a key set; more is text like ,"use":"sig" */

__attribute__((unused))
static void
jwt_add_jwk(entra_buf_t *out, EVP_PKEY *key, const char *kid,
    const char *more)
{
    char  *n = jwt_number(key, OSSL_PKEY_PARAM_RSA_N);
    char  *e = jwt_number(key, OSSL_PKEY_PARAM_RSA_E);

    entra_buf_addf(out, "%s{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\","
                   "\"e\":\"%s\"%s}",
                   out->len && out->data[out->len - 1] == '}' ? "," : "",
                   kid, n, e, more);
    free(n);
    free(e);
}


__attribute__((unused))
static entra_keyset_t
jwt_keyset(EVP_PKEY *key, const char *kid)
{
    unsigned        i;
    entra_buf_t     b;
    entra_err_t     err;
    entra_keyset_t  set;

    entra_keyset_init(&set);
    entra_buf_init(&b, 65536);
    entra_buf_add_c(&b, "{\"keys\":[");
    jwt_add_jwk(&b, key, kid, "");
    entra_buf_add_c(&b, "]}");

    for (i = 0; i < ENTRA_TOKEN_VERSIONS; i++) {
        (void) entra_keyset_issuer(&set, (entra_token_version_e) i,
                                   i ? entra_str(JWT_ISS_V2)
                                     : entra_str(JWT_ISS_V1), &err);
        (void) entra_keyset_add_jwks(&set, (entra_token_version_e) i,
                                     entra_buf_str(&b), &err);
    }

    entra_buf_free(&b);

    return set;
}


/* the claims of an application's v2 token; more is text like ,"a":1 */

__attribute__((unused))
static char *
jwt_claims(const char *more)
{
    entra_buf_t  b;

    entra_buf_init(&b, 65536);
    entra_buf_addf(&b, "{\"aud\":\"" JWT_AUDIENCE "\",\"iss\":\""
                   JWT_ISS_V2 "\",\"iat\":%d,\"nbf\":%d,\"exp\":%d,"
                   "\"azp\":\"cccccccc-0000-4000-8000-000000000002\","
                   "\"oid\":\"dddddddd-0000-4000-8000-000000000003\","
                   "\"azpacr\":\"2\",\"idtyp\":\"app\",\"tid\":\""
                   JWT_TENANT "\",\"ver\":\"2.0\"%s}",
                   JWT_NOW - 300, JWT_NOW - 300, JWT_NOW + 3600, more);

    return entra_buf_steal(&b);
}


__attribute__((unused))
static char *
jwt_sign(EVP_PKEY *key, const char *kid, const char *claims)
{
    char            header[256];
    size_t          len = 1024;
    EVP_MD_CTX     *ctx = EVP_MD_CTX_new();
    entra_buf_t     b;
    unsigned char   sig[1024];

    entra_buf_init(&b, 65536);
    (void) snprintf(header, sizeof(header),
                    "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"%s\"}", kid);
    entra_enc_base64url(&b, header, strlen(header));
    entra_buf_add_char(&b, '.');
    entra_enc_base64url(&b, claims, strlen(claims));

    (void) EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key);
    (void) EVP_DigestSign(ctx, sig, &len, (unsigned char *) b.data, b.len);
    EVP_MD_CTX_free(ctx);

    entra_buf_add_char(&b, '.');
    entra_enc_base64url(&b, sig, len);

    return entra_buf_steal(&b);
}


__attribute__((unused))
static void
jwt_conf(entra_caller_token_conf_t *conf)
{
    entra_err_t  err;
    entra_str_t  words[2];

    entra_caller_token_conf_init(conf);

    words[0] = entra_str("tenant_id");
    words[1] = entra_str(JWT_TENANT);
    (void) entra_caller_token_conf_param(conf, words, 2, &err);
    words[0] = entra_str("audience");
    words[1] = entra_str(JWT_AUDIENCE);
    (void) entra_caller_token_conf_param(conf, words, 2, &err);
    (void) entra_caller_token_conf_done(conf, &err);
}


#endif /* JWT_MAKE_H */
