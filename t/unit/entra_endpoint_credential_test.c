
/*
 * Copyright (C) nginx-entra authors
 *
 * endpoint_key and endpoint_token.
 */

#include <openssl/evp.h>

#include "credentials.h"


#define SUB   "11112222-3333-4444-5555-666677778888"
#define BASE  "https://management.azure.com/subscriptions/" SUB                \
              "/resourceGroups/rg/providers/"                                  \
              "Microsoft.MachineLearningServices/workspaces/ws"                \
              "/onlineEndpoints/fraud"
#define ARM   "{\"token_type\":\"Bearer\",\"expires_in\":3599,"                \
              "\"access_token\":\"ARM-TOKEN\"}"


static entra_env_t  *no_env;


static void
control(credentials_t *m)
{
    entra_err_t  err;

    fixture_write("secret", "s3cret");

    credentials_add(m, "client_secret", "control", "tenant_id t.example;"
               "client_id id; client_secret_file @/secret", no_env, &err);
}


static void
refuse(const char *type, const char *block, const char *want)
{
    int                  rc;
    credentials_t        m = { .n = 0 };
    entra_err_t          err;
    entra_credential_t  *c;

    control(&m);
    credentials_add(&m, "endpoint_key", "key", "key_file @/key", no_env, &err);
    c = credentials_add(&m, type, "e", block, no_env, &err);

    rc = c ? entra_credential_init(c, &err) : -1;

    ok(rc == -1 && err.class == ENTRA_ERR_CONFIG, "%s refused: %s", type,
       block);

    if (!ok(strstr(err.text, want) != NULL, "%s", want)) {
        printf("# %s\n", err.text);
    }

    credentials_free(&m);
}


#define ASK  "endpoint fraud; workspace @/config.json; using control;"


static void
configuration(void)
{
    fixture_write("config.json", "{\"subscription_id\":\"" SUB "\","
                  "\"resource_group\":\"rg\",\"workspace_name\":\"ws\"}");
    fixture_write("bad.json", "{\"subscription_id\":\"a/b\"}");
    fixture_write("key", "k1\n");
    fixture_write("empty", " ");
    fixture_write("words", "a b");

    refuse("endpoint_key", "", "no key: write \"key_file FILE [FILE2];\"");
    refuse("endpoint_key", "key_file @/nothing", "cannot open");
    refuse("endpoint_key", "key_file @/empty", "is empty");
    refuse("endpoint_key", "key_file @/words", "does not hold a key");
    refuse("endpoint_key", "key_file @/key @/nothing", "cannot open");
    refuse("endpoint_key", "key_file @/key; endpoint x",
           "\"endpoint\" and \"key_file\" are mutually");
    refuse("endpoint_key", "key_file @/key; using x",
           "\"using\" and \"key_file\" are mutually");
    refuse("endpoint_key", "endpoint fraud", "\"workspace\" is missing");
    refuse("endpoint_key", "key 1234", "\"key_file FILE;\"");
    refuse("endpoint_key", "scope aml;" ASK, "has no scope");
    refuse("endpoint_token", "", "\"endpoint\" is missing");
    refuse("endpoint_token", "key_file @/key", "belongs to the type");
    refuse("endpoint_token", "endpoint a; workspace @/config.json",
           "\"using\" is missing");
    refuse("endpoint_token", "endpoint a/b; workspace @/config.json;"
           "using control", "not a URL");
    refuse("endpoint_token", "endpoint a; workspace @/config.json;"
           "using nobody", "\"using nobody\" names no entra_credential");
    refuse("endpoint_token", "endpoint a; workspace @/config.json;"
           "using key", "gets no token for Resource Manager");
    refuse("endpoint_token", "endpoint a; workspace @/nowhere;"
           "using control", "there is no workspace file");
    refuse("endpoint_token", "endpoint a; workspace @/bad.json;"
           "using control", "bad.json\": \"subscription_id\"");
    refuse("endpoint_token", "resource_manager http://localhost;" ASK,
           "https URL");
    refuse("endpoint_token", "resource_manager management.azure.com;" ASK,
           "is not a URL");
    refuse("endpoint_token", "resource_manager https://x/?a;" ASK,
           "https URL");
}


static void
sha256(const char *text, unsigned char digest[32])
{
    unsigned  n;

    EVP_Digest(text, strlen(text), digest, &n, EVP_sha256(), NULL);
}


/* the key that the upstream refused, as the gateway tells it */

static fake_outcome_t *
acquire_refused(fake_platform_t *w, entra_credential_t *c, const char *key)
{
    entra_acquire_t  *a;

    a = fake_start(w, c, "", NULL, NULL);
    a->has_refused = 1;
    sha256(key, a->refused);
    fake_run(w);

    return &w->outcome;
}


static void
key_files(void)
{
    credentials_t        m = { .n = 0 };
    entra_err_t          err;
    fake_platform_t      w;
    unsigned char        one[32], two[32];
    entra_credential_t  *c;

    fixture_write("k1", "primary\n");
    fixture_write("k2", "secondary\n");

    c = credentials_add(&m, "endpoint_key", "e", "key_file @/k1 @/k2", no_env,
                        &err);
    ok(entra_credential_init(c, &err) == 0, "two files");

    fake_init(&w);
    is(fake_acquire(&w, c, "", NULL)->token, "primary", "the first");
    ok(w.outcome.lifetime == ENTRA_LIFETIME_MAX
       && w.outcome.refresh_in == 3600, "kept long, looked at every hour");
    is(acquire_refused(&w, c, "primary")->token, "secondary",
       "refused: the other");
    is(fake_acquire(&w, c, "", NULL)->token, "secondary", "and it stays so");
    is(acquire_refused(&w, c, "secondary")->token, "primary",
       "that refused: the first again");

    entra_credential_secret_digest(c, one);
    fixture_write("k1", "regenerated\n");
    ok(c->type->watch(c, &err) == 1, "a new key is seen");
    entra_credential_secret_digest(c, two);
    ok(memcmp(one, two, 32) != 0, "and makes a difference");
    is(acquire_refused(&w, c, "primary")->token, "regenerated", "and used");

    fixture_write("k1", "");
    ok(c->type->watch(c, &err) == -1, "an empty file");
    is(fake_acquire(&w, c, "", NULL)->token, "regenerated",
       "leaves the last good one");
    fixture_write("k1", "two words");
    ok(!fake_acquire(&w, c, "", NULL)->ok
       && strstr(w.outcome.err.text, "two words") == NULL,
       "nonsense is not sent, nor told");

    ok(w.nrequests == 0, "nobody was asked");
    fake_free(&w);
    credentials_free(&m);

    c = credentials_add(&m, "endpoint_key", "e", "key_file @/k2", no_env, &err);
    ok(entra_credential_init(c, &err) == 0, "one file");
    fake_init(&w);
    is(acquire_refused(&w, c, "secondary")->token, "secondary",
       "there is no other");
    fake_free(&w);
    credentials_free(&m);
}


static void
key_asked(void)
{
    credentials_t        m = { .n = 0 };
    entra_err_t          err;
    fake_platform_t      w;
    entra_credential_t  *c;

    c = credentials_add(&m, "endpoint_key", "e", ASK, no_env, &err);
    control(&m);

    if (!ok(entra_credential_init(c, &err) == 0, "asked for")) {
        printf("# %s\n", err.text);
        return;
    }

    fake_init(&w);
    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"primaryKey\":\"P1\",\"secondaryKey\":\"S1\"}");
    is(fake_acquire(&w, c, "", "{\"access_token\":{}}")->token, "P1",
       "the primary key");
    ok(w.nrequests == 2, "two requests");
    is(w.requests[0].url, "https://login.microsoftonline.com/t.example"
       "/oauth2/v2.0/token", "a token first");
    ok(strstr(w.requests[0].body, "&scope=https%3A%2F%2Fmanagement.azure.com"
              "%2F.default&") != NULL, "for Resource Manager");
    ok(strstr(w.requests[0].body, "claims") == NULL,
       "without the claims of the endpoint's challenge");
    is(w.requests[1].method, "POST", "method");
    is(w.requests[1].url, BASE "/listKeys?api-version=2024-04-01", "URL");
    is(w.requests[1].headers, "Authorization: Bearer ARM-TOKEN\n"
       "Accept: application/json\nContent-Type: application/json\n",
       "headers");
    is(w.requests[1].body, "", "no body");
    ok(!w.requests[1].local, "verified TLS, proxy if there is one");
    ok(w.outcome.lifetime == ENTRA_LIFETIME_MAX
       && w.outcome.refresh_in == 3600, "life");

    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"primaryKey\":\"P1\",\"secondaryKey\":\"S1\"}");
    is(acquire_refused(&w, c, "P1")->token, "S1", "refused: the other");

    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"primaryKey\":\"P2\",\"secondaryKey\":\"S1\"}");
    is(acquire_refused(&w, c, "P1")->token, "P2", "regenerated: the new");

    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"secondaryKey\":\"S1\"}");
    is(fake_acquire(&w, c, "", NULL)->token, "S1", "the only one");

    fake_reply(&w, 401, "{\"error\":\"invalid_client\",\"error_description\":"
               "\"AADSTS7000215: Invalid client secret\"}");
    ok(!fake_acquire(&w, c, "", NULL)->ok
       && w.outcome.err.class == ENTRA_ERR_DENIED
       && w.outcome.err.aadsts == 7000215
       && strstr(w.outcome.err.text, "\"using control\": login.") != NULL,
       "no token for Resource Manager: %s", w.outcome.err.text);

    ok(fake_pending(&w) == 0, "nothing left");
    fake_free(&w);
    credentials_free(&m);
}


typedef struct {
    const char         *type;
    int                 status;
    const char         *body;
    entra_err_class_e   class;
    const char         *text;
    const char         *advice;
} answer_t;


static const answer_t  answers[] = {
    { "endpoint_key", 200, "{}", ENTRA_ERR_PROTOCOL, "no primaryKey",
      "auth_mode" },
    { "endpoint_key", 200, "<html>", ENTRA_ERR_PROTOCOL, "no primaryKey",
      "auth_mode" },
    { "endpoint_key", 200, "{\"primaryKey\":1}", ENTRA_ERR_PROTOCOL,
      "no primaryKey", NULL },
    { "endpoint_key", 200, "{\"primaryKey\":\"a b\"}", ENTRA_ERR_PROTOCOL,
      "character", NULL },
    { "endpoint_key", 403, "{\"error\":{\"code\":\"AuthorizationFailed\","
      "\"message\":\"no action\"}}", ENTRA_ERR_DENIED,
      "Azure Resource Manager: status 403, AuthorizationFailed: no action",
      "onlineEndpoints/listKeys/action" },
    { "endpoint_key", 401, "{\"error\":{\"code\":\"InvalidAuthenticationToken"
      "\"}}", ENTRA_ERR_DENIED, "InvalidAuthenticationToken", NULL },
    { "endpoint_key", 404, "{\"error\":{\"code\":\"ResourceNotFound\"}}",
      ENTRA_ERR_CONFIG, "ResourceNotFound", "endpoint and workspace" },
    { "endpoint_key", 429, "", ENTRA_ERR_THROTTLED, "status 429", NULL },
    { "endpoint_key", 503, "", ENTRA_ERR_TRANSIENT, "status 503", NULL },
    { "endpoint_key", 0, "", ENTRA_ERR_TRANSIENT, "no answer", NULL },
    { "endpoint_key", 302, "", ENTRA_ERR_PROTOCOL, "status 302",
      "resource_manager" },

    { "endpoint_token", 200, "[]", ENTRA_ERR_PROTOCOL, "not a JSON object",
      NULL },
    { "endpoint_token", 200, "{\"expiryTimeUtc\":1800000000}",
      ENTRA_ERR_PROTOCOL, "no accessToken", "auth_mode" },
    { "endpoint_token", 200, "{\"accessToken\":\"T\"}", ENTRA_ERR_PROTOCOL,
      "when the token expires", NULL },
    { "endpoint_token", 200, "{\"accessToken\":\"T\",\"expiryTimeUtc\":1}",
      ENTRA_ERR_PROTOCOL, "expired already", NULL },
    { "endpoint_token", 200, "{\"accessToken\":\"T\",\"expiryTimeUtc\":"
      "1800000000,\"tokenType\":\"MAC\"}", ENTRA_ERR_PROTOCOL,
      "not of the type Bearer", NULL },
    { "endpoint_token", 200, "{\"accessToken\":\"a\\tb\",\"expiryTimeUtc\":"
      "1800000000}", ENTRA_ERR_PROTOCOL, "", NULL },
    { "endpoint_token", 403, "{\"error\":{\"code\":\"AuthorizationFailed\"}}",
      ENTRA_ERR_DENIED, "AuthorizationFailed",
      "onlineEndpoints/token/action" },

    { NULL, 0, NULL, 0, NULL, NULL }
};


static void
replies(void)
{
    credentials_t        m = { .n = 0 };
    entra_err_t          err;
    fake_platform_t      w;
    fake_outcome_t      *o;
    const answer_t      *r;
    entra_credential_t  *c;

    for (r = answers; r->type; r++) {
        c = credentials_add(&m, r->type, "e", ASK, no_env, &err);
        control(&m);
        ok(entra_credential_init(c, &err) == 0, "%s", r->type);

        fake_init(&w);
        fake_reply(&w, 200, ARM);
        fake_reply(&w, r->status, r->body);
        o = fake_acquire(&w, c, "", NULL);

        ok(o->done == 1 && !o->ok && o->err.class == r->class, "%d %s: %s",
           r->status, r->body, entra_err_class_name(o->err.class));

        if (!ok(strstr(o->err.text, r->text) != NULL, "%s", r->text)) {
            printf("# %s\n", o->err.text);
        }

        ok(r->advice == NULL
           || (o->err.advice && strstr(o->err.advice, r->advice)), "advice");
        ok(strstr(o->err.text, "ARM-TOKEN") == NULL, "no token in it");

        fake_free(&w);
        credentials_free(&m);
    }
}


static void
token(void)
{
    credentials_t        m = { .n = 0 };
    entra_err_t          err;
    fake_platform_t      w;
    entra_credential_t  *c;

    c = credentials_add(&m, "endpoint_token", "e", ASK
            "resource_manager https://localhost:8443/arm/", no_env, &err);
    control(&m);
    ok(entra_credential_init(c, &err) == 0, "a token");

    fake_init(&w);
    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"accessToken\":\"T1\",\"expiryTimeUtc\":1700003600,"
               "\"refreshAfterTimeUtc\":1700001800,\"tokenType\":\"Bearer\"}");
    is(fake_acquire(&w, c, "", NULL)->token, "T1", "a token");
    ok(w.outcome.lifetime == 3600 && w.outcome.refresh_in == 1800,
       "life %d, refresh in %d", (int) w.outcome.lifetime,
       (int) w.outcome.refresh_in);
    is(w.requests[1].url, "https://localhost:8443/arm/subscriptions/" SUB
       "/resourceGroups/rg/providers/Microsoft.MachineLearningServices"
       "/workspaces/ws/onlineEndpoints/fraud/token?api-version=2024-04-01",
       "URL of another Resource Manager");
    ok(strstr(w.requests[0].body, "management.azure.com") != NULL,
       "the audience is the cloud's");

    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"accessToken\":\"T2\",\"expiryTimeUtc\":"
               "\"1700003600\",\"refreshAfterTimeUtc\":0}");
    is(fake_acquire(&w, c, "", NULL)->token, "T2", "numbers as strings");
    ok(w.outcome.lifetime == 3600 && w.outcome.refresh_in == 0,
       "a refresh in the past is none");

    fake_free(&w);
    credentials_free(&m);

    c = credentials_add(&m, "endpoint_token", "e", ASK, no_env, &err);
    fixture_write("secret", "s3cret");
    credentials_add(&m, "client_secret", "control", "tenant_id t.example;"
               "client_id id; client_secret_file @/secret; cloud usgov", no_env,
               &err);
    ok(entra_credential_init(c, &err) == 0, "in another cloud");
    fake_init(&w);
    fake_reply(&w, 200, ARM);
    fake_reply(&w, 200, "{\"accessToken\":\"T\",\"expiryTimeUtc\":1700003600}");
    ok(fake_acquire(&w, c, "", NULL)->ok, "a token");
    ok(strstr(w.requests[0].body, "management.usgovcloudapi.net") != NULL
       && strstr(w.requests[1].url, "https://management.usgovcloudapi.net/")
          == w.requests[1].url, "the cloud is that of the credential used");
    fake_free(&w);
    credentials_free(&m);
}


int
main(void)
{
    no_env = entra_env_create(NULL, 0);
    configuration();
    key_files();
    key_asked();
    replies();
    token();

    entra_env_free(no_env);

    return done();
}
