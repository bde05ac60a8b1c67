
/*
 * Copyright (C) nginx-entra authors
 */

#include "jwt_make.h"
#include "tap.h"

#include "entra_json_strict.h"


static entra_err_t                err;
static entra_caller_token_conf_t  conf;
static EVP_PKEY                  *key, *other;


static entra_jwt_result_e
verify(const char *token, const entra_keyset_t *keys, int64_t now)
{
    entra_claims_t      claims;
    entra_jwt_result_e  result;

    entra_err_clear(&err);
    result = entra_jwt_verify(entra_str_c(token), keys, &conf, now, &claims,
                              &err);
    entra_claims_free(&claims);

    return result;
}


static void
bearer(void)
{
    entra_str_t  t;

    ok(!entra_jwt_bearer(entra_str(""), &t), "no header");
    ok(!entra_jwt_bearer(entra_str("Basic dTpw"), &t), "another scheme");
    ok(!entra_jwt_bearer(entra_str("BearerX y"), &t), "a longer scheme");
    ok(entra_jwt_bearer(entra_str("Bearer abc"), &t)
       && entra_str_eq_c(t, "abc"), "bearer");
    ok(entra_jwt_bearer(entra_str(" bEARER   abc "), &t)
       && entra_str_eq_c(t, "abc"), "case and blanks");
    ok(entra_jwt_bearer(entra_str("Bearer"), &t) && t.len == 0,
       "presented, but nothing");
    ok(entra_jwt_bearer(entra_str("Bearer a b"), &t)
       && entra_str_eq_c(t, "a b"), "nonsense is still presented");
}


static void
rotation(void)
{
    char            *claims = jwt_claims(""), *first, *second, *expired;
    entra_keyset_t   old = jwt_keyset(key, "one");
    entra_keyset_t   new = jwt_keyset(other, "two");

    first = jwt_sign(key, "one", claims);
    second = jwt_sign(other, "two", claims);
    expired = jwt_sign(key, "one", "{\"exp\":1}");

    ok(verify(first, &old, JWT_NOW) == ENTRA_JWT_VALID, "old key, old set");
    ok(verify(second, &old, JWT_NOW) == ENTRA_JWT_UNKNOWN_KID,
       "new key, old set: unknown");
    ok(err.class == ENTRA_ERR_TRANSIENT, "which is no verdict");
    ok(verify(second, &new, JWT_NOW) == ENTRA_JWT_VALID, "new key, new set");
    ok(verify(first, &new, JWT_NOW) == ENTRA_JWT_UNKNOWN_KID,
       "a key that was removed");

    ok(verify(first, NULL, JWT_NOW) == ENTRA_JWT_UNAVAILABLE,
       "keys never loaded");
    ok(verify(expired, NULL, JWT_NOW) == ENTRA_JWT_INVALID,
       "what is bad without keys is bad");
    ok(verify("", NULL, JWT_NOW) == ENTRA_JWT_INVALID, "as is nothing");
    ok(err.class == ENTRA_ERR_DENIED, "denied");

    free(first);
    free(second);
    free(expired);
    free(claims);
    entra_keyset_free(&old);
    entra_keyset_free(&new);
}


static void
clock_jumps(void)
{
    char            *claims = jwt_claims(""), *token;
    entra_keyset_t   set = jwt_keyset(key, "one");

    token = jwt_sign(key, "one", claims);

    ok(verify(token, &set, JWT_NOW) == ENTRA_JWT_VALID, "now");
    ok(verify(token, &set, JWT_NOW + 3659) == ENTRA_JWT_VALID, "leeway after");
    ok(verify(token, &set, JWT_NOW + 3660) == ENTRA_JWT_INVALID, "expired");
    ok(verify(token, &set, JWT_NOW - 360) == ENTRA_JWT_VALID, "leeway before");
    ok(verify(token, &set, JWT_NOW - 361) == ENTRA_JWT_INVALID, "not yet");
    ok(verify(token, &set, 0) == ENTRA_JWT_INVALID, "1970");
    ok(verify(token, &set, INT64_MAX / 2) == ENTRA_JWT_INVALID, "far future");

    free(token);
    free(claims);
    entra_keyset_free(&set);
}


static void
nothing_leaks(void)
{
    char            *claims = jwt_claims(",\"nonce\":\"\\u001b[31m\\r\\nX\"");
    char            *token;
    entra_keyset_t   set = jwt_keyset(key, "one");

    token = jwt_sign(key, "one", claims);
    ok(verify(token, &set, JWT_NOW) == ENTRA_JWT_INVALID
       && strstr(err.text, token) == NULL, "no token in the error");
    free(token);
    free(claims);

    token = jwt_sign(key, "one", "{\"ver\":\"2.0\",\"aud\":\"\\u001b[31m"
                     "\\r\\nevil\\u0000\"}");
    ok(verify(token, &set, JWT_NOW) == ENTRA_JWT_INVALID, "NUL");
    free(token);

    token = jwt_sign(key, "one", "{\"ver\":\"2.0\",\"aud\":\"\\u001b[31m"
                     "\\r\\nevil\"}");
    ok(verify(token, &set, JWT_NOW) == ENTRA_JWT_INVALID
       && strpbrk(err.text, "\x1b\r\n") == NULL && strstr(err.text, "evil"),
       "control characters of a claim: %s", err.text);
    free(token);

    entra_keyset_free(&set);
}


static void
strict(void)
{
    unsigned  i;

    static const char  *good[] = {
        "{}", "[]", "{\"a\":[1,-0,0.5,1e5,1E-5,2e+1,true,false,null]}",
        "\"\xc3\xa9 \\\" \\u00e9\"", " \t\r\n1 ", NULL
    };

    static const char  *bad[] = {
        "01", "-01", "+1", "1.", ".5", "1e", "1e+", "--1", "-", "0x1", "NaN",
        "Infinity", "True", "nul", "nulll", "'a'", "\xef\xbb\xbf{}", "\"a",
        "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"",
        "/**/1", "\"a\\", "1_0", NULL
    };

    for (i = 0; good[i]; i++) {
        ok(entra_json_strict(entra_str_c(good[i])), "strict: %u", i);
    }

    for (i = 0; bad[i]; i++) {
        ok(!entra_json_strict(entra_str_c(bad[i])), "not strict: %u", i);
    }
}


int
main(void)
{
    key = EVP_RSA_gen(2048);
    other = EVP_RSA_gen(2048);
    jwt_conf(&conf);

    bearer();
    rotation();
    clock_jumps();
    nothing_leaks();
    strict();

    entra_caller_token_conf_free(&conf);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);

    return done();
}
