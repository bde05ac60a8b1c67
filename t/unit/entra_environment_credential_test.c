
/*
 * Copyright (C) nginx-entra authors
 */

#include "credentials.h"


#define SCOPE  "https://ml.azure.com/.default"
#define TOKEN  "{\"token_type\":\"Bearer\",\"expires_in\":3599,"            \
               "\"access_token\":\"T\"}"


static void
test_variables(void)
{
    entra_env_t         *env;
    entra_err_t          err;
    fake_platform_t      w;
    entra_credential_t  *c;

    env = fixture_env("AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\n"
                      "AZURE_CLIENT_SECRET=s\n"
                      "AZURE_CLIENT_CERTIFICATE_PATH=/nonexistent\n");
    c = fake_credential("environment", "scope aml", env, &err);
    fake_init(&w);
    fake_reply(&w, 200, TOKEN);
    ok(fake_acquire(&w, c, SCOPE, NULL)->ok, "a secret goes before a"
       " certificate");
    is(w.requests[0].body, "client_id=c&grant_type=client_credentials"
       "&scope=https%3A%2F%2Fml.azure.com%2F.default&client_secret=s", "body");
    entra_credential_free(c);

    c = fake_credential("environment", "client_id mine", env, &err);
    is(c->client_id, "mine", "what is in the block wins");
    entra_credential_free(c);
    entra_env_free(env);

    env = fixture_env("AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=\n"
                      "AZURE_CLIENT_SECRET=s\n");
    c = fake_credential("environment", "", env, &err);
    ok(c == NULL && err.unavailable
       && strstr(err.text, "AZURE_CLIENT_ID is not set"),
       "an empty variable is not set, and that is unavailable");
    entra_env_free(env);

    env = fixture_env("AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\n"
                      "AZURE_USERNAME=u\nAZURE_PASSWORD=p\n");
    c = fake_credential("environment", "", env, &err);
    ok(c == NULL && err.unavailable && strstr(err.text, "not supported"),
       "user name and password");
    entra_env_free(env);

    env = fixture_env("AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\n"
                      "AZURE_CLIENT_CERTIFICATE_PATH=/nonexistent\n");
    c = fake_credential("environment", "", env, &err);
    ok(c == NULL && !err.unavailable && strstr(err.text, "/nonexistent"),
       "a broken one is not unavailable");
    entra_env_free(env);

    fake_free(&w);
}


static void
test_dotenv(void)
{
    entra_env_t         *env;
    entra_err_t          err;
    fake_platform_t      w;
    unsigned char        a[32], b[32];
    entra_credential_t  *c;

    env = fixture_env("AZURE_TENANT_ID=outer\nAZURE_CLIENT_ID=outer\n"
                      "BASE=https://login.microsoftonline.us\nN=1\n");
    fixture_write("env", "export AZURE_CLIENT_ID='inner' # ours\n"
                  "AZURE_CLIENT_SECRET=\"se${N}cret\"\n"
                  "AZURE_AUTHORITY_HOST=${BASE}/\n");
    c = fake_credential("environment", "dotenv @/env;scope arm", env, &err);
    ok(c != NULL, "read");
    is(c->tenant_id, "outer", "what the file does not set");
    is(c->client_id, "inner", "what it does");
    is(c->authority_host, "https://login.microsoftonline.us", "authority");
    is(c->scopes[0], "https://management.usgovcloudapi.net/.default",
       "and its cloud");

    fake_init(&w);
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(strstr(w.requests[0].body, "&client_secret=se1cret"), "expanded");

    entra_credential_secret_digest(c, a);
    entra_err_clear(&err);
    fixture_write("env", "# the same\nAZURE_CLIENT_SECRET=se${N}cret");
    ok(c->type->watch(c, &err) == 0, "only a comment has changed");
    fixture_write("env", "AZURE_CLIENT_SECRET=se${N}cret2");
    ok(c->type->watch(c, &err) == 1, "another secret");
    entra_credential_secret_digest(c, b);
    ok(memcmp(a, b, 32) != 0, "other material");
    fixture_write("env", "AZURE_CLIENT_SECRET='open");
    ok(c->type->watch(c, &err) == -1 && strstr(err.text, "line 1"),
       "broken: an error");
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(strstr(w.requests[1].body, "&client_secret=se1cret2"),
       "the last good one is used");
    entra_credential_free(c);

    fixture_write("env", "A=1\n\nAZURE_CLIENT_SECRET s\n");
    c = fake_credential("environment", "dotenv @/env", env, &err);
    ok(c == NULL && !err.unavailable && strstr(err.text, "line 3")
       && strstr(err.text, "/env\""), "a mistake, with file and line");
    fixture_write("env", "A=1\n");
    c = fake_credential("environment", "dotenv @/env", env, &err);
    ok(c == NULL && err.unavailable && strstr(err.text, "/env\""),
       "not configured, with the file's name");
    c = fake_credential("environment", "dotenv /nonexistent/.env", env, &err);
    ok(c == NULL && strstr(err.text, "/nonexistent"), "no such file");

    entra_env_free(env);
    fake_free(&w);
}


int
main(void)
{
    test_variables();
    test_dotenv();

    return done();
}
