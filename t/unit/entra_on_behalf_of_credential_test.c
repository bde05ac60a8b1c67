
/*
 * Copyright (C) nginx-entra authors
 */

#include "credentials.h"
#include "refusals.h"


#define SCOPE   "https://storage.azure.com/user_impersonation"
#define CALLER  "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ"       \
                ".eyJhdWQiOiJhIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
#define GOOD    "{\"token_type\":\"Bearer\",\"expires_in\":3599,"           \
                "\"scope\":\"x\",\"access_token\":\"T1\"}"


static entra_env_t   *no_env;
static entra_err_t    err;


static entra_credential_t *
credential(const char *more)
{
    char                 text[2048];
    entra_credential_t  *c;

    snprintf(text, sizeof(text), "client_id client-1;%s", more);
    c = fake_credential("on_behalf_of", text, no_env, &err);

    return c;
}


static fake_outcome_t *
exchange(fake_platform_t *w, entra_credential_t *c, const char *claims,
    const char *assertion)
{
    (void) fake_start(w, c, SCOPE, claims, assertion);
    fake_run(w);

    return &w->outcome;
}


static void
wire(void)
{
    fake_platform_t      w;
    fake_request_t      *r;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    fixture_write("one", "s3cret+\n");
    c = credential("tenant_id tenant-1;client_secret_file @/one;scope " SCOPE);
    ok(c != NULL, "configured: %s", err.text);
    is(c->scopes[0], SCOPE, "a delegated scope");
    ok(c->type->per_caller, "a token for each caller");

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    o = exchange(&w, c, NULL, CALLER);
    r = &w.requests[0];

    ok(o->ok && o->lifetime == 3599, "exchanged");
    is(o->token, "T1", "token");
    is(r->url, "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token",
       "URL");
    is(r->body, "client_id=client-1"
       "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
       "&scope=https%3A%2F%2Fstorage.azure.com%2Fuser_impersonation"
       "&assertion=" CALLER "&requested_token_use=on_behalf_of"
       "&client_secret=s3cret%2B", "body");

    o = exchange(&w, c, NULL, NULL);
    ok(!o->ok && o->err.class == ENTRA_ERR_DENIED && w.nrequests == 1,
       "no token of the caller, no request: %s", o->err.text);
    o = exchange(&w, c, NULL, "");
    ok(!o->ok && w.nrequests == 1, "nor with an empty one");

    fake_reply(&w, 400, "{\"error\":\"invalid_grant\",\"error_description\":"
               "\"AADSTS500133: Assertion is not within its valid time range:"
               " " CALLER "\",\"error_codes\":[500133]}");
    o = exchange(&w, c, NULL, CALLER);
    ok(!o->ok && o->err.aadsts == 500133 && w.nrequests == 2,
       "expired assertion: %s", o->err.text);
    ok(strstr(o->err.text, "eyJ") == NULL, "which is not repeated");

    fake_reply(&w, 400, "{\"error\":\"invalid_grant\",\"error_description\":"
               "\"bad assertion opaque-token-of-caller\"}");
    o = exchange(&w, c, NULL, "opaque-token-of-caller");
    ok(!o->ok && strstr(o->err.text, "opaque-token") == NULL,
       "nor one that is not a JWT: %s", o->err.text);

    fake_reply(&w, 200, GOOD);
    o = exchange(&w, c, "{\"access_token\":{\"nbf\":{\"essential\":true}}}",
                 CALLER);
    ok(o->ok && strstr(w.requests[3].body, "&claims=%7B"),
       "with the claims of a challenge");
    ok(fake_pending(&w) == 0, "nothing is left");

    fake_free(&w);
    entra_credential_free(c);
}


/* of what the caller is told the claims that its next token has to have */

static void
challenges(void)
{
    int                  told, wanted;
    unsigned             i;
    fake_platform_t         w;
    const refusal_t     *row;
    entra_credential_t  *c;

    c = credential("tenant_id t;client_secret_file @/one");

    for (i = 0; i < REFUSALS; i++) {
        row = &refusals[i];

        fake_init(&w);
        fake_reply(&w, row->status, refusal_body(row,
                   "{\\\"access_token\\\":{\\\"acrs\\\":1}}"));
        (void) exchange(&w, c, NULL, CALLER);

        told = strcmp(w.outcome.challenge, "{\"access_token\":{\"acrs\":1}}")
               == 0;
        wanted = row->remedy == INTERACTION || row->remedy == CONSENT
                 || row->remedy == POLICY;

        ok(told == wanted && w.outcome.err.remedy == row->remedy, "%s: %s",
           refusal_name(row), told ? "claims" : "no claims");
        fake_free(&w);
    }

    entra_credential_free(c);
}


static void
two_secrets(void)
{
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    fixture_write("old", "old-secret");
    fixture_write("new", "new-secret");
    c = credential("tenant_id tenant-1;client_secret_file @/old @/new");

    fake_init(&w);
    fake_reply(&w, 401, "{\"error\":\"invalid_client\","
               "\"error_description\":\"AADSTS7000215: Invalid secret.\"}");
    fake_reply(&w, 200, GOOD);
    o = exchange(&w, c, NULL, CALLER);
    ok(o->ok && w.nrequests == 2
       && strstr(w.requests[1].body, "&assertion=" CALLER "&")
       && strstr(w.requests[1].body, "&client_secret=new-secret"),
       "the other secret, with the same assertion");

    fake_free(&w);
    entra_credential_free(c);
}


static void
certificate(void)
{
    char                *pem;
    X509                *cert;
    EVP_PKEY            *key = fixture_key(2048);
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    cert = fixture_cert(key, "gateway", -60, 90 * 24 * 3600);
    pem = fixture_pem(cert, key, NULL, NULL);
    fixture_write("c.pem", pem);
    c = credential("tenant_id tenant-1;client_certificate @/c.pem");
    ok(c != NULL, "with a certificate: %s", err.text);

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    o = exchange(&w, c, NULL, CALLER);
    ok(o->ok && strstr(w.requests[0].body, "client_assertion_type=urn%3A")
       && strstr(w.requests[0].body, "&client_assertion=eyJ")
       && strstr(w.requests[0].body, "&assertion=" CALLER "&"),
       "the application's assertion and the caller's");

    fake_free(&w);
    entra_credential_free(c);
    free(pem);
    X509_free(cert);
    EVP_PKEY_free(key);
}


static void
refused(const char *more, const char *says)
{
    entra_credential_t  *c = credential(more);

    ok(c == NULL && strstr(err.text, says), "refused: %s", err.text);
    entra_credential_free(c);
}


static void
mistakes(void)
{
    refused("tenant_id tenant-1", "client_secret_file");
    refused("client_secret_file /nonexistent", "tenant_id");

    refused("tenant_id common;client_secret_file @/one",
            "write its directory (tenant) ID");

    refused("tenant_id t;client_secret_file @/one;client_certificate @/c.pem",
            "mutually exclusive");
}


int
main(void)
{
    no_env = entra_env_create(NULL, 0);

    wire();
    challenges();
    two_secrets();
    certificate();
    mistakes();

    entra_env_free(no_env);

    return done();
}
