
/*
 * Copyright (C) nginx-entra authors
 */

#include "jwt_make.h"
#include "tap.h"


static entra_err_t   err;
static EVP_PKEY     *key, *other;
static entra_buf_t   doc;


static void
begin(void)
{
    entra_buf_reset(&doc);
    entra_buf_add_c(&doc, "{\"keys\":[");
}


static int
end(entra_keyset_t *set, entra_token_version_e version)
{
    entra_buf_add_c(&doc, "]}");
    entra_err_clear(&err);

    return entra_keyset_add_jwks(set, version, entra_buf_str(&doc), &err);
}


static int
text(const char *document)
{
    int             rc;
    entra_keyset_t  set;

    entra_keyset_init(&set);
    entra_err_clear(&err);
    rc = entra_keyset_add_jwks(&set, ENTRA_TOKEN_V2, entra_str_c(document),
                               &err);
    entra_keyset_free(&set);

    return rc;
}


static void
documents(void)
{
    ok(text("") != 0 && err.class == ENTRA_ERR_PROTOCOL, "empty");
    ok(text("<html>sign in</html>") != 0, "HTML");
    ok(text("[]") != 0, "a list");
    ok(text("{}") != 0 && strstr(err.text, "no list"), "no keys");
    ok(text("{\"keys\":{}}") != 0, "keys is an object");
    ok(text("{\"keys\":[]}") != 0 && strstr(err.text, "no usable key"),
       "no key at all");
    ok(text("{\"keys\":[1,null,\"x\",[],{}]}") != 0
       && strstr(err.text, "no usable key"), "nonsense keys");
    ok(text("{\"keys\":[],\"keys\":[]}") != 0, "duplicate keys");
}


/* the versions in which kid is found, as bits */

static unsigned
found(const entra_keyset_t *set, const char *kid)
{
    unsigned  i, bits = 0;

    for (i = 0; i < ENTRA_TOKEN_VERSIONS; i++) {
        if (entra_keyset_find(set, (entra_token_version_e) i,
                              entra_str_c(kid)))
        {
            bits |= 1u << i;
        }
    }

    return bits;
}


static void
duplicates(void)
{
    entra_keyset_t  set;

    entra_keyset_init(&set);

    begin();
    jwt_add_jwk(&doc, key, "a", "");
    jwt_add_jwk(&doc, key, "b", "");
    jwt_add_jwk(&doc, key, "c", "");
    jwt_add_jwk(&doc, key, "d", "");
    ok(end(&set, ENTRA_TOKEN_V1) == 0 && set.n == 4, "v1 keys");

    begin();
    jwt_add_jwk(&doc, key, "a", "");            /* as in v1 */
    jwt_add_jwk(&doc, other, "b", "");          /* another than in v1 */
    jwt_add_jwk(&doc, other, "c", "");          /* two in v2 ... */
    jwt_add_jwk(&doc, key, "c", "");
    jwt_add_jwk(&doc, key, "d", "");            /* ... in the other order */
    jwt_add_jwk(&doc, other, "d", "");
    jwt_add_jwk(&doc, other, "e", "");
    jwt_add_jwk(&doc, key, "e", "");
    jwt_add_jwk(&doc, other, "e", "");
    jwt_add_jwk(&doc, key, "f", ",\"alg\":\"RS256\"");
    jwt_add_jwk(&doc, key, "f", ",\"alg\":\"RS384\"");
    ok(end(&set, ENTRA_TOKEN_V2) == 0, "v2 keys");

    ok(found(&set, "a") == 3, "the same key in both");
    ok(found(&set, "b") == 3, "a kid that changes its key with the version");
    ok(entra_keyset_find(&set, ENTRA_TOKEN_V1, entra_str("b"))
       != entra_keyset_find(&set, ENTRA_TOKEN_V2, entra_str("b")),
       "is two keys");
    ok(found(&set, "c") == 1, "ambiguous in v2, good in v1");
    ok(found(&set, "d") == 1, "in any order");
    ok(found(&set, "e") == 0, "three times");
    ok(found(&set, "f") == 0, "same material, other algorithm");
    ok(found(&set, "A") == 0 && found(&set, "") == 0, "no such kid");

    entra_keyset_free(&set);
}


static void
bounds(void)
{
    int             rc;
    char            kid[16];
    unsigned        i;
    entra_buf_t     out;
    entra_keyset_t  set, again;

    entra_keyset_init(&set);
    begin();
    for (i = 0; i < 1001; i++) {
        entra_buf_add_c(&doc, i ? ",{}" : "{}");
    }
    ok(end(&set, ENTRA_TOKEN_V2) != 0 && strstr(err.text, "more than 1000"),
       "1001 keys");

    begin();
    for (i = 0; i < 300; i++) {
        (void) snprintf(kid, sizeof(kid), "k%u", i);
        jwt_add_jwk(&doc, key, kid, "");
    }
    ok(end(&set, ENTRA_TOKEN_V2) != 0 && strstr(err.text, "65536 bytes"),
       "more than fits");
    entra_keyset_free(&set);

    entra_keyset_init(&set);
    (void) entra_keyset_issuer(&set, ENTRA_TOKEN_V1, entra_str(JWT_ISS_V1),
                               &err);
    (void) entra_keyset_issuer(&set, ENTRA_TOKEN_V2, entra_str(JWT_ISS_V2),
                               &err);
    for (i = 0, rc = 0; rc == 0; i++) {
        begin();
        (void) snprintf(kid, sizeof(kid), "k%u", i);
        jwt_add_jwk(&doc, key, kid, ",\"issuer\":\"https://x/{tenantid}\"");
        rc = end(&set, ENTRA_TOKEN_V2);
    }
    ok(set.n > 100, "%u keys fit", set.n);

    entra_buf_init(&out, ENTRA_KEYSET_MAX);
    ok(entra_keyset_write(&set, &out) == 0, "as text, %zu bytes", out.len);
    entra_keyset_init(&again);
    ok(entra_keyset_read(&again, entra_buf_str(&out), &err) == 0
       && again.n == set.n, "and back");

    entra_keyset_free(&again);
    out.data[out.len / 2] = '\0';
    entra_keyset_init(&again);
    ok(entra_keyset_read(&again, entra_str_c(out.data), &err) != 0,
       "damaged text");

    entra_keyset_free(&again);
    entra_keyset_free(&set);
    entra_buf_free(&out);
}


static void
issuers(void)
{
    entra_str_t  t = entra_str("T");

    ok(entra_issuer_matches("https://a/{tenantid}/v2.0", t,
                            "https://a/T/v2.0"), "template");
    ok(!entra_issuer_matches("https://a/{tenantid}/v2.0", t,
                             "https://a/U/v2.0"), "of another tenant");
    ok(!entra_issuer_matches("https://a/{tenantid}/v2.0", t,
                             "https://a/T/v2.0/"), "with more");
    ok(!entra_issuer_matches("https://a/{tenantid}/v2.0", t,
                             "https://a/T"), "with less");
    ok(!entra_issuer_matches("https://a/{tenantid}", t, "https://a/"),
       "without tenant");
    ok(!entra_issuer_matches("https://a/{tenantid}", t, "https"), "short");
    ok(entra_issuer_matches("https://a/T", t, "https://a/T"), "fixed");
    ok(!entra_issuer_matches("https://a/T", t, "https://a/TT"), "not fixed");
    ok(entra_issuer_matches("{tenantid}{tenantid}", t, "T{tenantid}"),
       "the first one only");

    ok(entra_keyset_issuer(NULL, ENTRA_TOKEN_V1, entra_str("a b"), &err)
       != 0, "blank in an issuer");
    ok(!entra_issuer_ok(entra_str("a\"b")) && !entra_issuer_ok(entra_str(""))
       && !entra_issuer_ok(entra_str("a\\b"))
       && !entra_issuer_ok(entra_str("\xc3\xa9")), "characters");
}


int
main(void)
{
    key = EVP_RSA_gen(2048);
    other = EVP_RSA_gen(2048);
    entra_buf_init(&doc, 1024 * 1024);

    documents();
    duplicates();
    bounds();
    issuers();

    entra_buf_free(&doc);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);

    return done();
}
