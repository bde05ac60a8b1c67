
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_enc.h"
#include "entra_json.h"
#include "entra_json_strict.h"
#include "entra_jwt.h"
#include "entra_jwt_claims.h"


typedef struct {
    entra_str_t    header;              /* three parts, base64url */
    entra_str_t    payload;
    entra_str_t    signature;
    entra_str_t    input;               /* what is signed: the first two */

    entra_alg_e    alg;
    char           kid[ENTRA_KID_MAX + 1];
} entra_jwt_t;


/*
 * Members of a header that change what a signature means, bring a key with
 * them, or say that this is not a signed token.  Entra writes none.
 */

static const char *const  entra_jwt_refused[] = {
    "crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc", "cty", NULL
};


int
entra_jwt_bearer(entra_str_t authorization, entra_str_t *token)
{
    size_t       n = sizeof("Bearer") - 1;
    entra_str_t  s = entra_str_trim(authorization);

    if (s.len < n || !entra_str_case_eq_c((entra_str_t) { n, s.data },
                                          "Bearer")
        || (s.len > n && s.data[n] != ' '))
    {
        return 0;
    }

    s.data += n;
    s.len -= n;

    *token = entra_str_trim(s);

    return 1;
}


static int
entra_jwt_split(entra_jwt_t *jwt, entra_str_t token, entra_err_t *err)
{
    size_t       i;
    unsigned     n = 0;
    entra_str_t  parts[3];

    if (token.len > ENTRA_JWT_MAX) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token is larger than %d bytes",
                             ENTRA_JWT_MAX);
    }

    parts[0] = (entra_str_t) { 0, token.data };

    for (i = 0; i < token.len; i++) {

        if (token.data[i] != '.') {
            parts[n].len++;
            continue;
        }

        if (++n == 3) {
            break;
        }

        parts[n] = (entra_str_t) { 0, token.data + i + 1 };
    }

    if (n != 2 || parts[0].len == 0 || parts[1].len == 0 || parts[2].len == 0)
    {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token does not have three parts");
    }

    jwt->header = parts[0];
    jwt->payload = parts[1];
    jwt->signature = parts[2];
    jwt->input.data = token.data;
    jwt->input.len = parts[0].len + 1 + parts[1].len;

    return 0;
}


/* NULL and err; what names the part in the message */

static entra_json_t *
entra_jwt_object(entra_str_t part, const char *what, entra_err_t *err)
{
    entra_buf_t    text;
    entra_json_t  *root = NULL;

    entra_buf_init(&text, ENTRA_JWT_MAX);

    if (entra_dec_base64url(&text, part) != 0) {
        (void) entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's %s is not base64url", what);

    } else {
        if (entra_json_strict(entra_buf_str(&text))) {
            root = entra_json_parse(entra_buf_str(&text), ENTRA_JWT_MAX,
                                    ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
        }

        if (root == NULL) {
            (void) entra_err_set(err, ENTRA_ERR_DENIED,
                                 "the token's %s is not a JSON object without"
                                 " duplicates", what);
        }
    }

    entra_buf_free(&text);

    return root;
}


static int
entra_jwt_type(const entra_json_t *header, entra_err_t *err)
{
    entra_str_t  typ;

    typ = entra_json_member_string(header, "typ");

    if (entra_json_member(header, "typ") == NULL
        || entra_str_case_eq_c(typ, "JWT")
        || entra_str_case_eq_c(typ, "at+jwt")
        || entra_str_case_eq_c(typ, "application/at+jwt"))
    {
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_DENIED,
                         "the token's type is not that of an access token");
}


static int
entra_jwt_header(entra_jwt_t *jwt, const entra_json_t *header,
    entra_err_t *err)
{
    entra_str_t         kid;
    const char *const  *name;

    for (name = entra_jwt_refused; *name; name++) {
        if (entra_json_member(header, *name)) {
            return entra_err_set(err, ENTRA_ERR_DENIED,
                                 "the token's header has \"%s\"", *name);
        }
    }

    if (entra_jwt_type(header, err) != 0) {
        return -1;
    }

    jwt->alg = entra_alg_find(entra_json_member_string(header, "alg"));
    if (jwt->alg == ENTRA_ALG_UNKNOWN) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's algorithm is not accepted");
    }

    kid = entra_json_member_string(header, "kid");
    if (!entra_kid_ok(kid)) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's kid is missing or malformed");
    }

    memcpy(jwt->kid, kid.data, kid.len);
    jwt->kid[kid.len] = '\0';

    return 0;
}


static entra_jwt_result_e
entra_jwt_signature(const entra_jwt_t *jwt, const entra_jwk_t *key,
    entra_err_t *err)
{
    int          ok;
    entra_buf_t  sig;

    entra_buf_init(&sig, ENTRA_SIG_MAX);

    if (entra_dec_base64url(&sig, jwt->signature) != 0) {
        (void) entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's signature is not base64url or too"
                             " long");
        entra_buf_free(&sig);
        return ENTRA_JWT_INVALID;
    }

    ok = entra_sig_verify(jwt->alg, key->pkey, jwt->input,
                          entra_buf_str(&sig));
    entra_buf_free(&sig);

    if (!ok) {
        (void) entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's signature is wrong");
        return ENTRA_JWT_INVALID;
    }

    return ENTRA_JWT_VALID;
}


static entra_jwt_result_e
entra_jwt_key(const entra_jwt_t *jwt, const entra_keyset_t *keys,
    const entra_caller_token_conf_t *conf, entra_token_version_e version,
    entra_err_t *err)
{
    const entra_jwk_t  *key;

    key = entra_keyset_find(keys, version, entra_str_c(jwt->kid));

    if (key == NULL) {
        (void) entra_err_set(err, ENTRA_ERR_TRANSIENT,
                             "no key \"%s\" in the tenant's key set",
                             jwt->kid);
        return ENTRA_JWT_UNKNOWN_KID;
    }

    if (key->kty != entra_alg_kty(jwt->alg)
        || (key->alg != ENTRA_ALG_UNKNOWN && key->alg != jwt->alg))
    {
        (void) entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's algorithm does not fit its key");
        return ENTRA_JWT_INVALID;
    }

    if (!entra_keyset_signs_for(keys, key, version,
                                entra_str_c(conf->tenant_id)))
    {
        (void) entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's key signs for another issuer,"
                             " \"%.128s\"", key->issuer);
        return ENTRA_JWT_INVALID;
    }

    return entra_jwt_signature(jwt, key, err);
}


/*
 * From cheap to dear: a token for somebody else costs no signature.  What the
 * claims say is not believed before that held.
 */

static entra_jwt_result_e
entra_jwt_judge(const entra_jwt_t *jwt, const entra_json_t *payload,
    const entra_keyset_t *keys, const entra_caller_token_conf_t *conf,
    int64_t now, entra_claims_t *claims, entra_err_t *err)
{
    entra_jwt_result_e     result;
    entra_token_version_e  version;

    if (entra_jwt_claims_check(payload, conf, now, &version, err) != 0) {
        return ENTRA_JWT_INVALID;
    }

    if (keys == NULL) {
        (void) entra_err_set(err, ENTRA_ERR_TRANSIENT,
                             "the tenant's keys are not loaded yet");
        return ENTRA_JWT_UNAVAILABLE;
    }

    if (entra_jwt_claims_issuer(payload, keys->issuer[version], err) != 0) {
        return ENTRA_JWT_INVALID;
    }

    result = entra_jwt_key(jwt, keys, conf, version, err);

    if (result == ENTRA_JWT_VALID
        && entra_jwt_claims_read(payload, conf, version, claims, err) != 0)
    {
        result = err->class == ENTRA_ERR_DENIED ? ENTRA_JWT_INVALID
                                                : ENTRA_JWT_UNAVAILABLE;
    }

    return result;
}


entra_jwt_result_e
entra_jwt_verify(entra_str_t token, const entra_keyset_t *keys,
    const entra_caller_token_conf_t *conf, int64_t now,
    entra_claims_t *claims, entra_err_t *err)
{
    entra_jwt_t          jwt;
    entra_json_t        *header, *payload = NULL;
    entra_jwt_result_e   result = ENTRA_JWT_INVALID;

    memset(claims, 0, sizeof(entra_claims_t));

    if (entra_jwt_split(&jwt, token, err) != 0) {
        return result;
    }

    header = entra_jwt_object(jwt.header, "header", err);

    if (header && entra_jwt_header(&jwt, header, err) == 0) {
        payload = entra_jwt_object(jwt.payload, "claims", err);
    }

    if (payload) {
        result = entra_jwt_judge(&jwt, payload, keys, conf, now, claims, err);
    }

    entra_json_free(payload);
    entra_json_free(header);

    if (result != ENTRA_JWT_VALID) {
        entra_claims_free(claims);
    }

    return result;
}


int
entra_jwt_kid(entra_str_t token, char *kid)
{
    int            rc = -1;
    entra_err_t    err;
    entra_jwt_t    jwt;
    entra_json_t  *header = NULL;

    entra_err_clear(&err);

    if (entra_jwt_split(&jwt, token, &err) == 0) {
        header = entra_jwt_object(jwt.header, "header", &err);
    }

    if (header && entra_jwt_header(&jwt, header, &err) == 0) {
        memcpy(kid, jwt.kid, sizeof(jwt.kid));
        rc = 0;
    }

    entra_json_free(header);

    return rc;
}
