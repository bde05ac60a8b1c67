
/*
 * Copyright (C) nginx-entra authors
 *
 * What is asked of each source of managed identities, and what is made of
 * its answers.
 */

#include "fake_mi.h"
#include "tap.h"


#define CLIENT    "11111111-2222-3333-4444-555555555555"
#define IDENTITY  "/subscriptions/s/resourceGroups/r/providers/"               \
                  "Microsoft.ManagedIdentity/userAssignedIdentities/mi"
#define THUMB     "00112233445566778899aabbccddeeff00112233"


typedef struct {
    const char  *name;
    const char  *env;
    const char  *block;
    const char  *method;
    const char  *url;
    const char  *headers;
    const char  *body;
} request_t;


#define SF_ENV    "IDENTITY_ENDPOINT=https://localhost:2377/metadata/"         \
                  "identity/oauth2/token;IDENTITY_HEADER=s3cret;"              \
                  "IDENTITY_SERVER_THUMBPRINT=" THUMB
#define APP_ENV   "IDENTITY_ENDPOINT=http://127.0.0.1:41741/msi/token/;"       \
                  "IDENTITY_HEADER=s3cret"
#define AML_ENV   "MSI_ENDPOINT=http://127.0.0.1:46808/MSI/auth/;"             \
                  "MSI_SECRET=s3cret"
#define SHELL_ENV "MSI_ENDPOINT=http://localhost:50342/oauth2/token"

#define APP_URL   "http://127.0.0.1:41741/msi/token/?api-version=2019-08-01"   \
                  "&resource=" RESOURCE
#define AML_URL   "http://127.0.0.1:46808/MSI/auth/?api-version=2017-09-01"    \
                  "&resource=" RESOURCE
#define IMDS_PATH "/metadata/identity/oauth2/token?api-version=2018-02-01"     \
                  "&resource=" RESOURCE
#define IMDS_URL  "http://169.254.169.254" IMDS_PATH

#define APP_HEADERS  "X-IDENTITY-HEADER: s3cret\nMetadata: true\n"


static const request_t  requests[] = {
    { "Service Fabric", SF_ENV, "", "GET",
      "https://localhost:2377/metadata/identity/oauth2/token"
      "?api-version=2019-07-01-preview&resource=" RESOURCE,
      "Secret: s3cret\n", "" },

    { "App Service", APP_ENV, "", "GET", APP_URL, APP_HEADERS, "" },
    { "App Service, client id", APP_ENV, "client_id " CLIENT, "GET",
      APP_URL "&client_id=" CLIENT, APP_HEADERS, "" },
    { "App Service, object id", APP_ENV, "object_id " CLIENT, "GET",
      APP_URL "&object_id=" CLIENT, APP_HEADERS, "" },
    { "App Service, resource id", APP_ENV, "resource_id \"/a/b c\"", "GET",
      APP_URL "&mi_res_id=%2Fa%2Fb%20c", APP_HEADERS, "" },
    { "App Service before Azure ML", APP_ENV ";" AML_ENV, "", "GET", APP_URL,
      APP_HEADERS, "" },
    { "App Service with a query",
      "IDENTITY_ENDPOINT=http://h/t?x=y;IDENTITY_HEADER=s3cret", "", "GET",
      "http://h/t?x=y&api-version=2019-08-01&resource=" RESOURCE,
      APP_HEADERS, "" },

    { "Azure ML", AML_ENV, "", "GET", AML_URL, "secret: s3cret\n", "" },
    { "Azure ML, default identity",
      AML_ENV ";DEFAULT_IDENTITY_CLIENT_ID=" CLIENT, "", "GET",
      AML_URL "&clientid=" CLIENT, "secret: s3cret\n", "" },
    { "Azure ML, client id", AML_ENV ";DEFAULT_IDENTITY_CLIENT_ID=other",
      "client_id " CLIENT, "GET", AML_URL "&clientid=" CLIENT,
      "secret: s3cret\n", "" },

    { "Cloud Shell", SHELL_ENV, "", "POST",
      "http://localhost:50342/oauth2/token",
      "Metadata: true\nContent-Type: application/x-www-form-urlencoded\n",
      "resource=" RESOURCE },

    { "IMDS", "X=y", "", "GET", IMDS_URL, "Metadata: true\n", "" },
    { "IMDS, client id", "X=y", "client_id " CLIENT, "GET",
      IMDS_URL "&client_id=" CLIENT, "Metadata: true\n", "" },
    { "IMDS, object id", "X=y", "object_id " CLIENT, "GET",
      IMDS_URL "&object_id=" CLIENT, "Metadata: true\n", "" },
    { "IMDS, resource id", "X=y", "resource_id " IDENTITY, "GET",
      IMDS_URL "&msi_res_id=%2Fsubscriptions%2Fs%2FresourceGroups%2Fr"
      "%2Fproviders%2FMicrosoft.ManagedIdentity%2FuserAssignedIdentities%2Fmi",
      "Metadata: true\n", "" },
    { "IMDS elsewhere",
      "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:8080/", "", "GET",
      "http://127.0.0.1:8080" IMDS_PATH, "Metadata: true\n", "" },
    { "half an environment is none",
      "IDENTITY_HEADER=x;IDENTITY_SERVER_THUMBPRINT=y;MSI_SECRET=z", "",
      "GET", IMDS_URL, "Metadata: true\n", "" },
    { "an endpoint alone is nobody's", "IDENTITY_ENDPOINT=http://x/", "",
      "GET", IMDS_URL, "Metadata: true\n", "" },
    { "empty variables are unset",
      "IDENTITY_ENDPOINT=http://x/;IDENTITY_HEADER=;MSI_ENDPOINT=", "",
      "GET", IMDS_URL, "Metadata: true\n", "" },

    { NULL, NULL, NULL, NULL, NULL, NULL, NULL }
};


static void
wire(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    fake_outcome_t      *o;
    const request_t     *r;
    entra_credential_t  *c;

    for (r = requests; r->name; r++) {
        env = env_of(r->env);
        c = credential(r->block, env, "/nonexistent", &err);

        if (!ok(c != NULL, "%s: configured", r->name)) {
            printf("# %s\n", err.text);
            continue;
        }

        fake_init(&w);
        fake_reply(&w, 200, GOOD);
        o = fake_acquire(&w, c, SCOPE, NULL);

        ok(o->done == 1 && o->ok, "%s: a token", r->name);
        is(o->token, "TOKEN", r->name);
        ok(o->lifetime == 3599, "%s: lifetime", r->name);
        ok(w.nrequests == 1, "%s: one request", r->name);
        is(w.requests[0].method, r->method, r->name);
        is(w.requests[0].url, r->url, r->name);
        is(w.requests[0].headers, r->headers, r->name);
        is(w.requests[0].body, r->body, r->name);
        ok(w.requests[0].local, "%s: never through a proxy", r->name);
        ok(fake_pending(&w) == 0, "%s: nothing left", r->name);

        if (strcmp(r->name, "Service Fabric") == 0) {
            is(w.requests[0].pinned_sha1, THUMB, "pinned");

        } else {
            ok(w.requests[0].pinned_sha1 == NULL, "%s: not pinned", r->name);
        }

        fake_free(&w);
        entra_credential_free(c);
        entra_env_free(env);
    }
}


static void
refuse(const char *environment, const char *block, const char *want)
{
    entra_err_t          err;
    entra_env_t         *env;
    entra_credential_t  *c;

    env = env_of(environment);
    c = credential(block, env, "/nonexistent", &err);

    ok(c == NULL && err.class == ENTRA_ERR_CONFIG, "refused: %s",
       block[0] ? block : environment);

    if (!ok(strstr(err.text, want) != NULL, "%s", want)) {
        printf("# %s\n", err.text);
    }

    entra_credential_free(c);
    entra_env_free(env);
}


static void
configuration(void)
{
    refuse("X=y", "client_id a;object_id b", "client_id and object_id are "
           "mutually exclusive");
    refuse("X=y", "object_id a;resource_id /b", "object_id and resource_id");
    refuse("X=y", "resource_id mi", "resource_id is the identity's path");

    refuse(SF_ENV, "client_id a", "Service Fabric, the source of managed");
    refuse(SF_ENV, "object_id a", "application's manifest");
    refuse(AML_ENV, "object_id a", "by client id only");
    refuse(AML_ENV, "resource_id /a", "by client id only");
    refuse(SHELL_ENV, "client_id a", "only the identity of its user");

    refuse("IDENTITY_ENDPOINT=http://x/;IDENTITY_HEADER=h;"
           "IDENTITY_SERVER_THUMBPRINT=" THUMB, "", "is not an https URL");
    refuse("IDENTITY_ENDPOINT=https://x/;IDENTITY_HEADER=h;"
           "IDENTITY_SERVER_THUMBPRINT=0011", "", "40 hexadecimal digits");
    refuse("IDENTITY_ENDPOINT=https://x/;IDENTITY_HEADER=h;"
           "IDENTITY_SERVER_THUMBPRINT=" THUMB "0", "",
           "40 hexadecimal digits");
    refuse("IDENTITY_ENDPOINT=ftp://x/;IDENTITY_HEADER=h", "",
           "IDENTITY_ENDPOINT is not a URL");
    refuse("IDENTITY_ENDPOINT=http://u:pw@x/;IDENTITY_HEADER=h", "",
           "IDENTITY_ENDPOINT is not a URL");
    refuse("IDENTITY_ENDPOINT=http://x/;IDENTITY_HEADER=a\nb: c", "",
           "IDENTITY_HEADER holds characters");
    refuse("MSI_ENDPOINT=nothing", "", "MSI_ENDPOINT is not a URL");
    refuse("AZURE_POD_IDENTITY_AUTHORITY_HOST=localhost", "",
           "AZURE_POD_IDENTITY_AUTHORITY_HOST is not a URL");
    refuse("AZURE_POD_IDENTITY_AUTHORITY_HOST=http://localhost?a", "",
           "has a query");

    refuse("AZURE_AUTHORITY_HOST=https://login.microsoftonline.com;"
           "AZURE_TENANT_ID=t;AZURE_FEDERATED_TOKEN_FILE=/nonexistent",
           "object_id a", "belongs to a client id");
    refuse("AZURE_AUTHORITY_HOST=https://login.microsoftonline.com;"
           "AZURE_TENANT_ID=t;AZURE_FEDERATED_TOKEN_FILE=/nonexistent",
           "", "client_id is missing");
    refuse("AZURE_AUTHORITY_HOST=https://login.microsoftonline.com;"
           "AZURE_TENANT_ID=t;AZURE_FEDERATED_TOKEN_FILE=/nonexistent",
           "client_id c", "cannot open \"/nonexistent\"");
}


/* one answer, and what it comes to */

typedef struct {
    const char         *env;
    int                 status;
    const char         *body;
    int64_t             lifetime;           /* 0: an error */
    int64_t             refresh_in;
    entra_err_class_e   class;
    int                 unavailable;
    const char         *text;
} answer_t;


static const answer_t  answers[] = {
    { "X=y", 200, "{\"access_token\":\"T\",\"expires_in\":\"86400\"}",
      86400, 43200, 0, 0, NULL },
    { "X=y", 200, "{\"access_token\":\"T\",\"expires_in\":7200}",
      7200, 3600, 0, 0, NULL },
    { "X=y", 200, "{\"access_token\":\"T\",\"expires_in\":7199}",
      7199, 0, 0, 0, NULL },
    { "X=y", 200, "{\"access_token\":\"T\",\"expires_in\":86400,"
      "\"refresh_in\":\"1000\"}", 86400, 1000, 0, 0, NULL },
    { "X=y", 200, "{\"access_token\":\"T\",\"expires_on\":\"1700000100\"}",
      100, 0, 0, 0, NULL },
    { APP_ENV, 200, "{\"access_token\":\"T\",\"expires_on\":\"1700000100\","
      "\"client_id\":\"c\"}", 100, 0, 0, 0, NULL },
    { AML_ENV, 200, "{\"access_token\":\"T\",\"expires_on\":"
      "\"11/14/2023 22:14:20 +00:00\"}", 60, 0, 0, 0, NULL },
    { AML_ENV, 200, "{\"access_token\":\"T\",\"expires_on\":"
      "\"11/14/2023 10:14:20 PM +00:00\"}", 60, 0, 0, 0, NULL },
    { AML_ENV, 200, "{\"access_token\":\"T\",\"expires_on\":1700000060}",
      60, 0, 0, 0, NULL },

    { "X=y", 200, "{\"access_token\":\"T\",\"expires_on\":\"1699999999\"}",
      0, 0, ENTRA_ERR_PROTOCOL, 0, "expired already" },
    { "X=y", 200, "{\"access_token\":\"T\"}", 0, 0, ENTRA_ERR_PROTOCOL, 0,
      "neither expires_in nor expires_on" },
    { "X=y", 200, "{\"expires_in\":1}", 0, 0, ENTRA_ERR_PROTOCOL, 0,
      "no access_token" },
    { "X=y", 200, "{\"access_token\":\"a\\nb\",\"expires_in\":1}", 0, 0,
      ENTRA_ERR_PROTOCOL, 0, "a character that no header can hold" },
    { "X=y", 200, "<html>", 0, 0, ENTRA_ERR_PROTOCOL, 1,
      "not a JSON object" },
    { APP_ENV, 200, "<html>", 0, 0, ENTRA_ERR_PROTOCOL, 0,
      "not a JSON object" },
    { "X=y", 302, "", 0, 0, ENTRA_ERR_PROTOCOL, 0, "status 302" },

    { "X=y", 400, "{\"error\":\"invalid_request\",\"error_description\":"
      "\"Identity not found\"}", 0, 0, ENTRA_ERR_CONFIG, 1,
      "status 400, invalid_request: Identity not found" },
    { "X=y", 403, "{\"error\":\"x\"}", 0, 0, ENTRA_ERR_DENIED, 0,
      "status 403" },
    { "X=y", 403, "connecting to 169.254.169.254:80: connect: a socket "
      "operation was attempted to an unreachable network.", 0, 0,
      ENTRA_ERR_CONFIG, 1, "is unreachable" },

    { APP_ENV, 400, "{\"statusCode\":400,\"message\":\"No User Assigned\"}",
      0, 0, ENTRA_ERR_CONFIG, 0, "status 400: No User Assigned" },
    { APP_ENV, 500, "{\"statusCode\":500,\"message\":\"wrong\"}", 0, 0,
      ENTRA_ERR_TRANSIENT, 0, "status 500: wrong" },
    { APP_ENV, 401, "s3cret is not right", 0, 0, ENTRA_ERR_DENIED, 0,
      "status 401" },
    { SHELL_ENV, 400, "{\"error\":{\"code\":\"bad_resource\",\"message\":"
      "\"no\"}}", 0, 0, ENTRA_ERR_CONFIG, 0, "status 400, bad_resource: no" },
    { SF_ENV, 404, "{\"error\":{\"code\":\"ManagedIdentityNotFound\","
      "\"message\":\"none for s3cret\"}}", 0, 0, ENTRA_ERR_CONFIG, 0,
      "ManagedIdentityNotFound: none for [...]" },
    { SF_ENV, 0, "", 0, 0, ENTRA_ERR_TRANSIENT, 0,
      "Service Fabric: there was no answer" },
    { "X=y", 0, "", 0, 0, ENTRA_ERR_TRANSIENT, 1, "there was no answer" },

    { NULL, 0, NULL, 0, 0, 0, 0, NULL }
};


static void
replies(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    fake_outcome_t      *o;
    const answer_t      *r;
    entra_credential_t  *c;

    for (r = answers; r->env; r++) {
        env = env_of(r->env);
        c = credential("", env, "/nonexistent", &err);

        fake_init(&w);
        fake_reply(&w, r->status, r->body);
        o = fake_acquire(&w, c, SCOPE, NULL);

        ok(o->done == 1, "answered: %d %s", r->status, r->body);
        ok(w.nrequests == 1, "asked once");

        if (r->lifetime) {
            ok(o->ok, "a token");
            ok(o->lifetime == r->lifetime && o->refresh_in == r->refresh_in,
               "lives %d, refresh in %d", (int) o->lifetime,
               (int) o->refresh_in);

        } else {
            ok(!o->ok && o->err.class == r->class, "an error: %s",
               entra_err_class_name(o->err.class));
            ok(o->err.unavailable == (unsigned) r->unavailable,
               "unavailable: %d", r->unavailable);

            if (!ok(strstr(o->err.text, r->text) != NULL, "%s", r->text)) {
                printf("# %s\n", o->err.text);
            }

            ok(strstr(o->err.text, "s3cret") == NULL, "without the secret");
        }

        fake_free(&w);
        entra_credential_free(c);
        entra_env_free(env);
    }
}


/* statuses of IMDS in a row, and the waits between */

static void
retry(const char *statuses, int64_t retry_after, const char *want_waits,
    int want_ok)
{
    char                *copy, *p, *save, waits[256] = "";
    unsigned             i;
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    env = env_of("X=y");
    c = credential("", env, "/nonexistent", &err);
    fake_init(&w);

    copy = strdup(statuses);

    for (p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
        fake_reply(&w, atoi(p), atoi(p) == 200 ? GOOD : "{\"error\":\"x\"}")
            ->retry_after = retry_after;
    }

    free(copy);

    o = fake_acquire(&w, c, SCOPE, NULL);

    for (i = 0; i < w.nsleeps; i++) {
        snprintf(waits + strlen(waits), sizeof(waits) - strlen(waits), "%u ",
                 w.sleeps[i]);
    }

    ok(o->done == 1 && o->ok == want_ok, "%s: %s", statuses,
       want_ok ? "a token" : "an error");
    is(waits, want_waits, statuses);
    ok(w.next_reply == w.nreplies, "%s: all asked for", statuses);
    ok(o->ok || o->err.class == ENTRA_ERR_TRANSIENT
       || o->err.class == ENTRA_ERR_THROTTLED, "%s: to be tried again",
       statuses);

    for (i = 1; i < w.nrequests; i++) {
        ok(strcmp(w.requests[i].url, w.requests[0].url) == 0
           && strcmp(w.requests[i].headers, w.requests[0].headers) == 0,
           "the same again");
    }

    fake_free(&w);
    entra_credential_free(c);
    entra_env_free(env);
}


static void
retries(void)
{
    retry("404 200", -1, "1000 ", 1);
    retry("429 500 503 200", -1, "1000 2000 4000 ", 1);
    retry("404 404 404 404", -1, "1000 2000 4000 ", 0);
    retry("500 500 500 500", -1, "1000 2000 4000 ", 0);
    retry("429 429 429 429", -1, "1000 2000 4000 ", 0);
    retry("429 200", 7, "7000 ", 1);
    retry("429", 60, "", 0);
    retry("410 200", -1, "10000 ", 1);
    retry("410 410 410 410 410 410 410 200", -1,
          "10000 10000 10000 10000 10000 10000 10000 ", 1);
    retry("410 410 410 410 410 410 410 410", -1,
          "10000 10000 10000 10000 10000 10000 10000 ", 0);
}


/* in a chain: a probe first, without the header, for a second */

static entra_acquire_t *
start_in_chain(fake_platform_t *w, entra_credential_t *c)
{
    entra_acquire_t  *a;

    a = fake_start(w, c, SCOPE, NULL, NULL);
    a->in_chain = 1;

    return a;
}


static void
probe(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    entra_credential_t  *c;

    env = env_of("X=y");
    c = credential("client_id " CLIENT, env, "/nonexistent", &err);

    fake_init(&w);
    fake_reply(&w, 0, "")->timed_out = 1;
    (void) start_in_chain(&w, c);
    fake_run(&w);
    ok(!w.outcome.ok && w.outcome.err.unavailable, "no answer: unavailable");
    ok(strstr(w.outcome.err.text, "does not answer") != NULL, "told so");
    ok(w.nrequests == 1, "one request");
    is(w.requests[0].url, IMDS_URL "&client_id=" CLIENT, "probe: URL");
    is(w.requests[0].headers, "", "probe: no Metadata header");
    ok(w.requests[0].timeout == 1000 && w.requests[0].connect_timeout == 1000,
       "probe: a second");
    ok(w.requests[0].local, "probe: not through a proxy");
    fake_free(&w);

    fake_init(&w);
    fake_reply(&w, 403, "... network is unreachable");
    (void) start_in_chain(&w, c);
    fake_run(&w);
    ok(!w.outcome.ok && w.outcome.err.unavailable, "a container host");
    ok(w.nrequests == 1, "is not asked further");
    fake_free(&w);

    fake_init(&w);
    fake_reply(&w, 500, "any answer will do");
    fake_reply(&w, 200, GOOD);
    (void) start_in_chain(&w, c);
    fake_run(&w);
    ok(w.outcome.ok, "an answer: asked");
    ok(w.nrequests == 2, "two requests");
    is(w.requests[1].headers, "Metadata: true\n", "the second with header");
    ok(w.requests[1].timeout == 0, "and the usual time");
    fake_free(&w);

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    (void) start_in_chain(&w, c);
    fake_run(&w);
    ok(w.outcome.ok && w.nrequests == 1, "probed once in a process");
    fake_free(&w);

    entra_credential_free(c);
    entra_env_free(env);

    env = env_of("AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1");
    c = credential("", env, "/nonexistent", &err);

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    (void) start_in_chain(&w, c);
    fake_run(&w);
    ok(w.outcome.ok && w.nrequests == 1, "no probe of a named host");
    fake_free(&w);

    entra_credential_free(c);
    entra_env_free(env);
}


/* Service Fabric is told which token was refused, the others ask as ever */

static void
refused(void)
{
    unsigned             i;
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    entra_acquire_t     *a;
    entra_credential_t  *c;

    static const char  *const envs[] = { SF_ENV, APP_ENV, "X=y" };

    for (i = 0; i < 3; i++) {
        env = env_of(envs[i]);
        c = credential("", env, "/nonexistent", &err);

        fake_init(&w);
        fake_reply(&w, 200, GOOD);
        a = fake_start(&w, c, SCOPE, "{}", NULL);
        a->has_refused = 1;
        memset(a->refused, 0xab, sizeof(a->refused));
        fake_run(&w);

        ok(w.outcome.ok, "a token again");
        ok((strstr(w.requests[0].url, "&resource=" RESOURCE
                   "&token_sha256_to_refresh=abababab") != NULL) == (i == 0),
           "%s", w.requests[0].url);

        fake_free(&w);
        entra_credential_free(c);
        entra_env_free(env);
    }
}


int
main(void)
{
    wire();
    configuration();
    replies();
    retries();
    probe();
    refused();

    return done();
}
