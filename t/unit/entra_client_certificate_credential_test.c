
/*
 * Copyright (C) nginx-entra authors
 */

#include <openssl/provider.h>

#include "entra_assertion.h"
#include "entra_enc.h"
#include "entra_json.h"
#include "credentials.h"


#define SCOPE  "https://ml.azure.com/.default"
#define TOKEN  "{\"token_type\":\"Bearer\",\"expires_in\":3599,"            \
               "\"access_token\":\"T\"}"


#define CLIENT  "77777777-7777-4777-8777-777777777777"


static EVP_PKEY     *key, *other_key;
static X509         *cert, *other_cert;
static entra_env_t  *no_env;


static char *
keep(const char *name, char *pem)
{
    fixture_write(name, pem);
    free(pem);

    return (char *) (uintptr_t) fixture_path(name);
}


static entra_credential_t *
credential(const char *path, const char *more, entra_err_t *err)
{
    char  block[2048];

    snprintf(block, sizeof(block), "tenant_id t;client_id " CLIENT ";scope aml;"
             "client_certificate %s;%s", path, more);

    return fake_credential("client_certificate", block, no_env, err);
}


/* the pair "name=value" of a form, the value as it is encoded there */

static entra_str_t
pair(const char *body, const char *name)
{
    const char  *p;

    p = strstr(body, name);
    p = p ? p + strlen(name) : "";

    return (entra_str_t) { strcspn(p, "&"), p };
}


/* 1: signature of the compact JWS holds */

static int
verify(entra_str_t jwt, int rs256, EVP_PKEY *with)
{
    int            rc;
    const char    *dot;
    entra_buf_t    sig;
    entra_str_t    signed_part, last;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;

    for (dot = jwt.data + jwt.len - 1; *dot != '.'; dot--) { /* void */ }

    signed_part.data = jwt.data;
    signed_part.len = (size_t) (dot - jwt.data);
    last.data = dot + 1;
    last.len = jwt.len - signed_part.len - 1;

    entra_buf_init(&sig, 4096);
    if (entra_dec_base64url(&sig, last) != 0) {
        return 0;
    }

    ctx = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(ctx, &pctx, EVP_sha256(), NULL, with);

    if (!rs256) {
        EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32);
    }

    rc = EVP_DigestVerify(ctx, (unsigned char *) sig.data, sig.len,
                          (const unsigned char *) signed_part.data,
                          signed_part.len);
    EVP_MD_CTX_free(ctx);
    entra_buf_free(&sig);

    return rc == 1;
}


static entra_json_t *
part(entra_str_t jwt, unsigned n)
{
    entra_buf_t    b;
    entra_str_t    text;
    const char    *p = jwt.data;
    entra_json_t  *root;

    while (n--) {
        p = strchr(p, '.') + 1;
    }

    text.data = p;
    text.len = strcspn(p, ".");

    entra_buf_init(&b, 100000);
    (void) entra_dec_base64url(&b, text);
    root = entra_json_parse(entra_buf_str(&b), 0,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    entra_buf_free(&b);

    return root;
}


static const char *
member(const entra_json_t *root, const char *name)
{
    return entra_json_member_string(root, name).data;
}


static void
test_wire(void)
{
    int64_t              nbf, exp, iat;
    entra_err_t          err;
    entra_str_t          jwt;
    entra_buf_t          x5t;
    fake_platform_t      w;
    unsigned char        digest[32];
    entra_json_t        *header, *claims;
    entra_credential_t  *c;

    c = credential(keep("a.pem", fixture_pem(cert, key, NULL, NULL)), "",
                   &err);
    ok(c && c->warnings.len == 0, "PEM");

    fake_init(&w);
    fake_reply(&w, 200, TOKEN);
    ok(fake_acquire(&w, c, SCOPE, NULL)->ok, "token");

    ok(strstr(w.requests[0].body, "&client_assertion_type=urn%3Aietf%3Aparams"
              "%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
              "&client_assertion=") != NULL, "assertion type");
    ok(strstr(w.requests[0].body, "client_secret") == NULL, "no secret");

    jwt = pair(w.requests[0].body, "&client_assertion=");
    ok(verify(jwt, 0, key), "PS256 with a salt of 32 bytes");
    ok(!verify(jwt, 0, other_key), "of this key");

    header = part(jwt, 0);
    claims = part(jwt, 1);
    is(member(header, "alg"), "PS256", "alg");
    is(member(header, "typ"), "JWT", "typ");
    ok(entra_json_count(header) == 3, "nothing else in the header");

    X509_digest(cert, EVP_sha256(), digest, NULL);
    entra_buf_init(&x5t, 100);
    entra_enc_base64url(&x5t, digest, 32);
    is(member(header, "x5t#S256"), x5t.data, "x5t#S256");
    entra_buf_free(&x5t);

    is(member(claims, "aud"), w.requests[0].url, "aud is the token endpoint");
    is(member(claims, "iss"), CLIENT, "iss");
    is(member(claims, "sub"), CLIENT, "sub");
    ok(strlen(member(claims, "jti")) == 36, "jti");
    ok(entra_json_member_int64(claims, "nbf", &nbf) == 0
       && entra_json_member_int64(claims, "iat", &iat) == 0
       && entra_json_member_int64(claims, "exp", &exp) == 0, "times");
    ok(nbf == w.wall && iat == nbf && exp == nbf + 600, "ten minutes");
    entra_json_free(header);
    entra_json_free(claims);
    entra_credential_free(c);

    c = credential(fixture_path("a.pem"), "signing_algorithm RS256;"
                   "send_certificate_chain on", &err);
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    jwt = pair(w.requests[1].body, "&client_assertion=");
    ok(verify(jwt, 1, key), "RS256 where asked");
    header = part(jwt, 0);
    is(member(header, "alg"), "RS256", "alg");
    ok(strlen(member(header, "x5t")) == 27
       && member(header, "x5t#S256") == NULL, "x5t");
    ok(entra_json_count(entra_json_member(header, "x5c")) == 1, "x5c");
    entra_json_free(header);
    entra_credential_free(c);

    fake_free(&w);
}


static void
test_retry(void)
{
    entra_str_t          one, two;
    entra_err_t          err;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    static const char  skew[] = "{\"error\":\"invalid_client\","
        "\"error_description\":\"AADSTS700024: x\",\"error_codes\":[700024]}";

    c = credential(keep("a.pem", fixture_pem(cert, key, NULL, NULL)), "",
                   &err);
    fake_init(&w);
    fake_reply(&w, 401, skew);
    fake_reply(&w, 200, TOKEN);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok && w.nrequests == 2, "700024: rebuilt once");
    one = pair(w.requests[0].body, "&client_assertion=");
    two = pair(w.requests[1].body, "&client_assertion=");
    ok(!entra_str_eq(one, two), "another assertion");

    fake_reply(&w, 401, skew);
    fake_reply(&w, 401, skew);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(!o->ok && w.nrequests == 4 && o->err.aadsts == 700024, "only once");

    /* renewed on disk, and the old one removed from the application */

    (void) keep("a.pem", fixture_pem(other_cert, other_key, NULL, NULL));
    fake_reply(&w, 401, "{\"error\":\"invalid_client\"}");
    fake_reply(&w, 200, TOKEN);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok && verify(pair(w.requests[w.nrequests - 1].body,
                            "&client_assertion="), 0, other_key),
       "a renewed certificate is found");
    ok(c->type->watch(c, &err) == 1, "and told");

    entra_credential_free(c);
    fake_free(&w);
}


static void
test_files(void)
{
    int                  n;
    char                 more[1200];
    char                *both;
    entra_err_t          err;
    unsigned char       *der;
    entra_credential_t  *c;

    fixture_write("pw", "pass word\n");

    c = credential(keep("b.pem", fixture_pem(NULL, key, NULL, cert)), "",
                   &err);
    ok(c != NULL, "the key first");
    entra_credential_free(c);

    c = credential(keep("b.pem", fixture_pem(other_cert, key, NULL, cert)),
                   "", &err);
    ok(c != NULL, "a chain before the leaf");
    entra_credential_free(c);

    (void) keep("b.pem", fixture_pem(cert, key, "pass word", NULL));
    snprintf(more, sizeof(more), "client_certificate_password_file %s",
             fixture_path("pw"));
    c = credential(fixture_path("b.pem"), more, &err);
    ok(c != NULL, "encrypted PEM");
    entra_credential_free(c);

    c = credential(fixture_path("b.pem"), "", &err);
    ok(c == NULL && strstr(err.text, "client_certificate_password_file"),
       "encrypted PEM without password");

    der = fixture_p12(cert, key, "pass word", &n);
    fixture_bytes("c.p12", der, (size_t) n);
    OPENSSL_free(der);
    c = credential(fixture_path("c.p12"), more, &err);
    ok(c != NULL, "PKCS#12");
    entra_credential_free(c);

    c = credential(fixture_path("c.p12"), "", &err);
    ok(c == NULL && strstr(err.text, "client_certificate_password_file"),
       "PKCS#12 without password");

    fixture_write("pw", "wrong\n");
    c = credential(fixture_path("c.p12"), more, &err);
    ok(c == NULL && strstr(err.text, "password does not"), "wrong password");
    c = credential(fixture_path("b.pem"), more, &err);
    ok(c == NULL && strstr(err.text, "password does not"), "wrong password");

    der = fixture_p12(cert, key, "", &n);
    fixture_bytes("c.p12", der, (size_t) n);
    OPENSSL_free(der);
    c = credential(fixture_path("c.p12"), "", &err);
    ok(c != NULL, "PKCS#12 with an empty password");
    entra_credential_free(c);

    both = fixture_pem(cert, NULL, NULL, NULL);
    (void) keep("b.pem", both);
    c = credential(fixture_path("b.pem"), "", &err);
    ok(c == NULL && strstr(err.text, "private key"), "no key");

    (void) keep("b.pem", fixture_pem(NULL, key, NULL, NULL));
    c = credential(fixture_path("b.pem"), "", &err);
    ok(c == NULL && strstr(err.text, "no certificate"), "no certificate");

    (void) keep("b.pem", fixture_pem(other_cert, key, NULL, NULL));
    c = credential(fixture_path("b.pem"), "", &err);
    ok(c == NULL && strstr(err.text, "belongs to none"), "no match");

    fixture_write("b.pem", "hello");
    c = credential(fixture_path("b.pem"), "", &err);
    ok(c == NULL && strstr(err.text, "neither PEM nor PKCS#12"), "neither");

    c = credential(fixture_path("b.pem"), "client_secret_file x", &err);
    ok(c == NULL && strstr(err.text, "unknown parameter"), "a secret, too");
    c = credential("-----BEGIN", "", &err);
    ok(c == NULL && strstr(err.text, "name of a file"), "PEM in nginx.conf");
}


/* as Azure Key Vault and older Windows export: RC2 of 40 bits */

static void
test_legacy(void)
{
    int                  n;
    PKCS12              *p12;
    entra_err_t          err;
    OSSL_LIB_CTX        *lib;
    OSSL_PROVIDER       *legacy, *base;
    unsigned char       *der = NULL;
    entra_credential_t  *c;

    lib = OSSL_LIB_CTX_new();
    legacy = OSSL_PROVIDER_load(lib, "legacy");
    base = OSSL_PROVIDER_load(lib, "default");

    if (legacy == NULL) {
        ok(1, "old PKCS#12 # SKIP no legacy provider");

    } else {
        p12 = PKCS12_create_ex("", "name", key, cert, NULL,
                               NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                               NID_pbe_WithSHA1And40BitRC2_CBC, 0, 0, 0, lib,
                               NULL);
        n = i2d_PKCS12(p12, &der);
        PKCS12_free(p12);
        fixture_bytes("old.pfx", der, (size_t) n);
        OPENSSL_free(der);

        c = credential(fixture_path("old.pfx"), "", &err);
        if (!ok(c != NULL, "old PKCS#12")) {
            printf("# %s\n", err.text);
        }
        entra_credential_free(c);
    }

    OSSL_PROVIDER_unload(legacy);
    OSSL_PROVIDER_unload(base);
    OSSL_LIB_CTX_free(lib);
}


static void
test_keys(void)
{
    X509                *x;
    EVP_PKEY            *k;
    entra_err_t          err;
    entra_credential_t  *c;

    k = fixture_key(0);
    x = fixture_cert(k, "ec", -10, 86400 * 100);
    c = credential(keep("d.pem", fixture_pem(x, k, NULL, NULL)), "", &err);
    ok(c == NULL && strstr(err.text, "RSA"), "EC");
    X509_free(x);
    EVP_PKEY_free(k);

    k = fixture_key(1024);
    x = fixture_cert(k, "short", -10, 86400 * 100);
    c = credential(keep("d.pem", fixture_pem(x, k, NULL, NULL)), "", &err);
    ok(c == NULL && strstr(err.text, "1024 bits"), "short");
    X509_free(x);
    EVP_PKEY_free(k);

    x = fixture_cert(key, "old", -86400 * 10, -86400);
    c = credential(keep("d.pem", fixture_pem(x, key, NULL, NULL)), "", &err);
    ok(c && strstr(entra_buf_str(&c->warnings).data, "has expired at 20"),
       "expired: a warning");
    entra_credential_free(c);
    X509_free(x);

    x = fixture_cert(key, "soon", -86400 * 10, 86400);
    c = credential(keep("d.pem", fixture_pem(x, key, NULL, NULL)), "", &err);
    ok(c && strstr(entra_buf_str(&c->warnings).data, "will expire at 20"),
       "expires soon: a warning");
    entra_credential_free(c);
    X509_free(x);

    x = fixture_cert(key, "new", 86400, 86400 * 100);
    c = credential(keep("d.pem", fixture_pem(x, key, NULL, NULL)), "", &err);
    ok(c && strstr(entra_buf_str(&c->warnings).data, "not valid before 20"),
       "not yet valid: a warning");
    entra_credential_free(c);
    X509_free(x);
}


static void
test_watch(void)
{
    entra_err_t          err;
    unsigned char        a[32], b[32];
    entra_credential_t  *c;

    entra_err_clear(&err);
    fixture_write("pw2", "one");
    (void) keep("e.pem", fixture_pem(cert, key, "one", NULL));
    c = credential(fixture_path("e.pem"),
                   "client_certificate_password_file @/pw2", &err);
    entra_credential_secret_digest(c, a);
    ok(c->type->watch(c, &err) == 0, "nothing new");

    (void) keep("e.pem", fixture_pem(other_cert, other_key, "two", NULL));
    ok(c->type->watch(c, &err) == -1 && strstr(err.text, "password"),
       "the certificate before its password: an error");
    entra_credential_secret_digest(c, b);
    ok(memcmp(a, b, 32) == 0, "the last good one stays");
    ok(c->type->watch(c, &err) == 0, "told once");

    fixture_write("pw2", "two");
    ok(c->type->watch(c, &err) == 1, "both are there");
    entra_credential_secret_digest(c, b);
    ok(memcmp(a, b, 32) != 0, "other material");

    fixture_write("e.pem", "-----BEGIN half");
    ok(c->type->watch(c, &err) == -1, "half written: an error");
    (void) keep("e.pem", fixture_pem(cert, key, NULL, NULL));
    ok(c->type->watch(c, &err) == 1, "and good again");

    entra_credential_free(c);
}


static void
test_sources(void)
{
    char                 text[1024];
    entra_env_t         *env;
    entra_err_t          err;
    entra_str_t          jwt;
    entra_json_t        *header;
    fake_platform_t      w;
    entra_credential_t  *c;

    (void) keep("f.pem", fixture_pem(cert, key, "pw", NULL));
    snprintf(text, sizeof(text), "AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\n"
             "AZURE_CLIENT_CERTIFICATE_PATH=%s\n"
             "AZURE_CLIENT_CERTIFICATE_PASSWORD=pw\n"
             "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=True\n",
             fixture_path("f.pem"));
    env = fixture_env(text);
    c = fake_credential("client_certificate", "", env, &err);
    ok(c != NULL, "from the environment");
    fake_init(&w);
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    jwt = pair(w.requests[0].body, "&client_assertion=");
    header = part(jwt, 0);
    ok(entra_json_member(header, "x5c") != NULL, "with its chain");
    entra_json_free(header);
    entra_credential_free(c);
    entra_env_free(env);

    (void) keep("g.pem", fixture_pem(NULL, key, NULL, cert));
    fixture_write("sp.json", "{\"appId\":\"a\",\"password\":null,"
                         "\"tenant\":\"adfs\",\"fileWithCertAndPrivateKey\":"
                         "\"g.pem\"}");
    snprintf(text, sizeof(text), "service_principal_file %s",
             fixture_path("sp.json"));
    c = fake_credential("client_certificate", text, no_env, &err);
    ok(c != NULL, "service principal, a path beside its file");
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(verify(pair(w.requests[1].body, "&client_assertion="), 1, key),
       "RS256 for AD FS");
    entra_credential_free(c);

    c = fake_credential("client_secret", text, no_env, &err);
    ok(c == NULL && strstr(err.text, "\"client_certificate\""),
       "the type is named");
    c = fake_credential("client_certificate", "tenant_id t;client_id c",
                        no_env, &err);
    ok(c == NULL && strstr(err.text, "no client certificate"), "none at all");
    snprintf(text, sizeof(text), "tenant_id t;client_id c;"
             "client_certificate %s;signing_algorithm ES256",
             fixture_path("g.pem"));
    c = fake_credential("client_certificate", text, no_env, &err);
    ok(c == NULL && strstr(err.text, "PS256"), "unknown algorithm");

    fake_free(&w);
}


int
main(void)
{
    no_env = fixture_env("");
    key = fixture_key(2048);
    other_key = fixture_key(2048);
    cert = fixture_cert(key, "gateway", -60, 86400 * 100);
    other_cert = fixture_cert(other_key, "other", -60, 86400 * 100);

    test_wire();
    test_retry();
    test_files();
    test_legacy();
    test_keys();
    test_watch();
    test_sources();

    X509_free(cert);
    X509_free(other_cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    entra_env_free(no_env);

    return done();
}
