
/*
 * Copyright (C) nginx-entra authors
 *
 * A caller's token.  The first byte chooses: a token as it is ('t'), header
 * and claims as JSON with a zero byte between ('j'), or claims whose signature
 * is taken for good ('c').
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_json.h"
#include "entra_json_strict.h"
#include "entra_jwt.h"
#include "entra_jwt_claims.h"


#define TENANT  "11111111-2222-4333-8444-555555555555"
#define NOW     1800000000


static const char  stored[] =
    "{\"keys\":[{\"v\":3,\"kid\":\"ec\",\"kty\":\"EC\",\"crv\":\"P-256\","
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}],"
    "\"iss1\":\"https://sts.windows.net/" TENANT "/\","
    "\"iss2\":\"https://login.microsoftonline.com/" TENANT "/v2.0\"}";


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_token(entra_str_t token, const entra_keyset_t *keys,
    const entra_caller_token_conf_t *conf)
{
    entra_err_t     err;
    entra_claims_t  claims;

    entra_err_clear(&err);

    /* nobody has the private half */

    if (entra_jwt_verify(token, keys, conf, NOW, &claims, &err)
        == ENTRA_JWT_VALID)
    {
        abort();
    }

    if (err.class == ENTRA_ERR_NONE || err.text[0] == '\0') {
        abort();
    }
}


static void
fuzz_json(entra_str_t text, const entra_keyset_t *keys,
    const entra_caller_token_conf_t *conf)
{
    const char   *zero;
    entra_str_t   head = text, body = entra_str_null;
    entra_buf_t   b;

    zero = memchr(text.data, '\0', text.len);
    if (zero) {
        head.len = (size_t) (zero - text.data);
        body.data = zero + 1;
        body.len = text.len - head.len - 1;
    }

    entra_buf_init(&b, 65536);
    entra_enc_base64url(&b, head.data, head.len);
    entra_buf_add_char(&b, '.');
    entra_enc_base64url(&b, body.data, body.len);
    entra_buf_add_c(&b, ".");
    entra_enc_base64url(&b, stored, 64);

    if (entra_buf_ok(&b)) {
        fuzz_token(entra_buf_str(&b), keys, conf);
    }

    entra_buf_free(&b);
}


static void
fuzz_claims(entra_str_t text, const entra_caller_token_conf_t *conf)
{
    entra_err_t             err;
    entra_json_t           *root;
    entra_claims_t          claims;
    entra_token_version_e   version = ENTRA_TOKEN_V1;

    memset(&claims, 0, sizeof(claims));

    if (!entra_json_strict(text)) {
        return;
    }

    root = entra_json_parse(text, 0, ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);

    if (root) {
        (void) entra_jwt_claims_check(root, conf, NOW, &version, &err);

        if (entra_jwt_claims_read(root, conf, version, &claims, &err) == 0
            && (claims.aud == NULL || claims.exp < 0))
        {
            abort();
        }

        (void) entra_claims_size(&claims);
        entra_claims_free(&claims);
    }

    entra_json_free(root);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                       *copy;
    entra_err_t                 err;
    entra_str_t                 text, words[3];
    entra_keyset_t              keys;
    entra_caller_token_conf_t   conf;

    if (size < 1) {
        return 0;
    }

    entra_caller_token_conf_init(&conf);
    words[0] = entra_str("tenant_id");
    words[1] = entra_str(TENANT);
    (void) entra_caller_token_conf_param(&conf, words, 2, &err);
    words[0] = entra_str("audience");
    words[1] = entra_str("api://a");
    words[2] = entra_str("api://b");
    (void) entra_caller_token_conf_param(&conf, words, 3, &err);
    (void) entra_caller_token_conf_done(&conf, &err);

    entra_keyset_init(&keys);
    if (entra_keyset_read(&keys, entra_str(stored), &err) != 0
        || keys.n != 1)
    {
        abort();
    }

    /* its own memory, so that a read beyond its end is seen */

    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    text.data = copy;
    text.len = size - 1;

    switch (data[0]) {

    case 'j':
        fuzz_json(text, &keys, &conf);
        break;

    case 'c':
        fuzz_claims(text, &conf);
        break;

    default:
        fuzz_token(text, &keys, &conf);
    }

    free(copy);
    entra_keyset_free(&keys);
    entra_caller_token_conf_free(&conf);

    return 0;
}
