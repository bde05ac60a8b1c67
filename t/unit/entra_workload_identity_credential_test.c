
/*
 * Copyright (C) nginx-entra authors
 */

#include "credentials.h"


#define TENANT  "72f988bf-0000-0000-0000-000000000000"
#define CLIENT  "1fec8e78-0000-0000-0000-000000000000"
#define SCOPE   "https://ml.azure.com/.default"
#define URL     "https://login.microsoftonline.com/" TENANT "/oauth2/v2.0/token"
#define GOOD    "{\"token_type\":\"Bearer\",\"expires_in\":3599,"              \
                "\"access_token\":\"TOKEN\"}"
#define LATE    "{\"error\":\"invalid_client\",\"error_description\":"         \
                "\"AADSTS700024: Client assertion is not within its valid "    \
                "time range.\",\"error_codes\":[700024]}"


static entra_env_t *
aks(const char *name, const char *value)
{
    entra_env_t  *env;

    env = entra_env_create(NULL, 0);
    entra_env_set(env, entra_str("AZURE_TENANT_ID"), entra_str(TENANT));
    entra_env_set(env, entra_str("AZURE_CLIENT_ID"), entra_str(CLIENT));
    entra_env_set(env, entra_str("AZURE_FEDERATED_TOKEN_FILE"),
                  entra_str_c(fixture_path("token")));
    entra_env_set(env, entra_str("AZURE_AUTHORITY_HOST"),
                  entra_str("https://login.microsoftonline.com/"));

    if (name) {
        entra_env_set(env, entra_str_c(name), entra_str_c(value));
    }

    return env;
}


static const char *
body_of(const char *assertion)
{
    static char  body[512];

    snprintf(body, sizeof(body), "client_id=" CLIENT
             "&grant_type=client_credentials"
             "&scope=https%%3A%%2F%%2Fml.azure.com%%2F.default"
             "&client_assertion_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3A"
             "client-assertion-type%%3Ajwt-bearer&client_assertion=%s",
             assertion);

    return body;
}


static void
wire(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    fixture_write("token", "\n first.one.sig \n");
    env = aks(NULL, NULL);
    c = fake_credential("workload_identity", "scope aml", env, &err);

    if (!ok(c != NULL, "from the variables of AKS")) {
        printf("# %s\n", err.text);
        return;
    }

    ok(c->warnings.len == 0, "no warning");

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    o = fake_acquire(&w, c, SCOPE, NULL);
    is(o->token, "TOKEN", "a token");
    is(w.requests[0].method, "POST", "method");
    is(w.requests[0].url, URL, "URL");
    is(w.requests[0].body, body_of("first.one.sig"), "body, trimmed");
    ok(strstr(w.requests[0].headers,
              "Content-Type: application/x-www-form-urlencoded\n") != NULL,
       "content type");
    ok(!w.requests[0].local, "through a proxy, if there is one");

    fixture_write("token", "second.one.sig.longer");
    fake_reply(&w, 200, GOOD);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok, "again");
    is(w.requests[1].body, body_of("second.one.sig.longer"),
       "the file is looked at each time");

    fixture_write("token", "");
    fake_reply(&w, 200, GOOD);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok, "an empty file");
    is(w.requests[2].body, body_of("second.one.sig.longer"),
       "leaves the last good one");
    ok(strstr(w.log.data, "is empty; the last good token is used") != NULL,
       "and is reported");

    entra_buf_reset(&w.log);
    fake_reply(&w, 200, GOOD);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok && w.log.len == 0, "once");

    fixture_write("token", "two words");
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(!o->ok && o->err.class == ENTRA_ERR_CONFIG
       && strstr(o->err.text, "does not hold a token"),
       "nonsense is not sent");

    fake_free(&w);
    entra_credential_free(c);
    entra_env_free(env);
}


static void
watch(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    entra_credential_t  *c;

    fixture_write("token", "a.b.c");
    env = aks(NULL, NULL);
    c = fake_credential("workload_identity", "", env, &err);

    ok(c->type->watch(c, &err) == 0, "nothing new");
    fixture_write("token", "a.b.changed");
    ok(c->type->watch(c, &err) == 1, "a new token");
    ok(c->type->watch(c, &err) == 0, "seen");
    fixture_write("token", " ");
    ok(c->type->watch(c, &err) == -1, "an empty one");
    ok(c->type->watch(c, &err) == 0, "told once");

    entra_credential_free(c);
    entra_env_free(env);
}


/* the file is replaced while the first request is under way */

static void
late(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    entra_credential_t  *c;

    fixture_write("token", "old.one.sig");
    env = aks(NULL, NULL);
    c = fake_credential("workload_identity", "", env, &err);

    fake_init(&w);
    (void) fake_start(&w, c, SCOPE, NULL, NULL);
    fake_run(&w);
    ok(w.nrequests == 1 && w.outcome.done == 0, "asked");
    fixture_write("token", "new.one.sig");
    ok(c->type->watch(c, &err) == 1, "and the new one was seen meanwhile");
    fake_reply(&w, 401, LATE);
    fake_reply(&w, 200, GOOD);
    fake_run(&w);
    ok(w.outcome.ok && w.nrequests == 2, "AADSTS700024: once more");
    is(w.requests[1].body, body_of("new.one.sig"), "with the new one");
    fake_free(&w);

    fake_init(&w);
    fake_reply(&w, 401, LATE);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 1, "not with the same one");
    ok(w.outcome.err.aadsts == 700024 && w.outcome.err.advice
       && strstr(w.outcome.err.advice, "still being renewed"), "what to do");
    fake_free(&w);

    fake_init(&w);
    (void) fake_start(&w, c, SCOPE, NULL, NULL);
    fake_run(&w);
    fixture_write("token", "third.one.sig");
    fake_reply(&w, 401, LATE);
    fake_step(&w);
    fixture_write("token", "fourth.one.sig");
    fake_reply(&w, 401, LATE);
    fake_run(&w);
    ok(!w.outcome.ok && w.nrequests == 2, "and not a third time");
    fake_free(&w);

    fake_init(&w);
    fake_reply(&w, 400, "{\"error\":\"invalid_request\",\"error_description\":"
               "\"AADSTS70021: No matching federated identity record\"}");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 1 && w.outcome.err.aadsts == 70021,
       "other refusals are final");
    ok(!w.outcome.err.unavailable, "and end a chain");
    fake_free(&w);

    entra_credential_free(c);
    entra_env_free(env);
}


static void
refuse(const char *name, const char *value, const char *block,
    const char *want)
{
    entra_err_t          err;
    entra_env_t         *env;
    entra_credential_t  *c;

    env = aks(name, value);
    c = fake_credential("workload_identity", block, env, &err);

    ok(c == NULL, "refused: %s=%s %s", name, value, block);

    if (!ok(strstr(err.text, want) != NULL, "%s", want)) {
        printf("# %s\n", err.text);
    }

    entra_credential_free(c);
    entra_env_free(env);
}


static void
configuration(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    entra_credential_t  *c;

    fixture_write("token", "a.b.c");
    fixture_write("empty", "\n");
    fixture_write("words", "a b");

    refuse("AZURE_TENANT_ID", "", "", "tenant_id is missing");
    refuse("AZURE_CLIENT_ID", "", "", "client_id is missing");
    refuse("AZURE_FEDERATED_TOKEN_FILE", "", "", "no federated token");
    refuse("AZURE_FEDERATED_TOKEN_FILE", "token", "", "not an absolute path");
    refuse("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent", "", "cannot open");
    refuse("X", "y", "federated_token eyJx", "federated_token_file FILE");

    refuse("X", "y", "federated_token_file @/empty", "is empty");
    refuse("X", "y", "federated_token_file @/words", "does not hold a token");

    refuse("AZURE_KUBERNETES_SNI_NAME", "x", "", "but AZURE_KUBERNETES_TOKEN_"
           "PROXY is not");
    refuse("AZURE_KUBERNETES_TOKEN_PROXY", "http://x", "", "https URL");
    refuse("AZURE_KUBERNETES_TOKEN_PROXY", "https://x/?a", "", "https URL");
    refuse("AZURE_KUBERNETES_TOKEN_PROXY", "https://u@x/", "", "not a URL");

    /* {"aud":"api://other"} */
    fixture_write("jwt", "e30.eyJhdWQiOiJhcGk6Ly9vdGhlciJ9.sig");
    env = aks(NULL, NULL);
    c = fake_credential("workload_identity", "federated_token_file @/jwt", env,
                      &err);
    ok(c && strstr(c->warnings.data,
                   "audience is not api://AzureADTokenExchange,"),
       "a warning about the audience");
    entra_credential_free(c);
    entra_env_free(env);

    /* {"aud":["x","api://AzureADTokenExchangeChina"]} */
    fixture_write("jwt", "e30.eyJhdWQiOlsieCIsImFwaTovL0F6dXJlQURUb2tlbkV4Y2hh"
                  "bmdlQ2hpbmEiXX0.sig");
    env = aks("AZURE_AUTHORITY_HOST", "");
    c = fake_credential("workload_identity", "federated_token_file @/jwt;"
                      " cloud china", env, &err);
    ok(c && c->warnings.len == 0, "none about the one of the cloud");
    entra_credential_free(c);
    entra_env_free(env);
}


static void
proxy(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    entra_credential_t  *c;

    fixture_write("token", "a.b.c");
    fixture_write("ca", "-----BEGIN CERTIFICATE-----\n1\n");

    env = aks("AZURE_KUBERNETES_TOKEN_PROXY", "https://10.0.0.1:8443/id/");
    entra_env_set(env, entra_str("AZURE_KUBERNETES_SNI_NAME"),
                  entra_str("proxy.ests.aks"));
    entra_env_set(env, entra_str("AZURE_KUBERNETES_CA_FILE"),
                  entra_str_c(fixture_path("ca")));
    c = fake_credential("workload_identity", "", env, &err);

    if (!ok(c != NULL, "identity binding")) {
        printf("# %s\n", err.text);
        return;
    }

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok, "a token");
    is(w.requests[0].url, "https://proxy.ests.aks:8443/id/" TENANT
       "/oauth2/v2.0/token", "the name of the certificate, the proxy's path");
    is(w.requests[0].connect_to, "10.0.0.1:8443", "where to connect to");
    ok(strstr(w.requests[0].headers, "Host: 10.0.0.1:8443\n") != NULL,
       "Host is the proxy's");
    is(w.requests[0].body, body_of("a.b.c"), "the same body");
    is(w.requests[0].ca_pem, "-----BEGIN CERTIFICATE-----\n1\n", "its CA");
    ok(w.requests[0].local, "and no other proxy");

    fixture_write("ca", "-----BEGIN CERTIFICATE-----\n2 or so\n");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[1].ca_pem, "-----BEGIN CERTIFICATE-----\n2 or so\n",
       "a new CA");

    fixture_write("ca", "");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[2].ca_pem, "-----BEGIN CERTIFICATE-----\n2 or so\n",
       "an empty file, in the middle of a rotation");
    fake_free(&w);

    entra_env_set(env, entra_str("AZURE_KUBERNETES_CA_DATA"),
                  entra_str("-----BEGIN CERTIFICATE-----"));
    ok(fake_credential("workload_identity", "", env, &err) == NULL
       && strstr(err.text, "one CA is possible"), "two CAs");
    entra_env_set(env, entra_str("AZURE_KUBERNETES_CA_FILE"), entra_str(""));
    entra_env_set(env, entra_str("AZURE_KUBERNETES_CA_DATA"),
                  entra_str("what"));
    ok(fake_credential("workload_identity", "", env, &err) == NULL
       && strstr(err.text, "not a certificate"), "no CA");
    entra_env_set(env, entra_str("AZURE_KUBERNETES_CA_DATA"), entra_str(""));
    entra_env_set(env, entra_str("AZURE_KUBERNETES_SNI_NAME"),
                  entra_str("a/b"));
    ok(fake_credential("workload_identity", "", env, &err) == NULL
       && strstr(err.text, "is not a host name"), "no name");

    entra_credential_free(c);
    entra_env_free(env);

    env = aks("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example");
    entra_env_set(env, entra_str("AZURE_KUBERNETES_CA_DATA"),
                  entra_str("-----BEGIN CERTIFICATE-----\n3\n"));
    c = fake_credential("workload_identity", "", env, &err);
    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[0].url, "https://proxy.example:443/" TENANT
       "/oauth2/v2.0/token", "without a name of its own");
    ok(w.requests[0].connect_to == NULL, "connected to as named");
    is(w.requests[0].ca_pem, "-----BEGIN CERTIFICATE-----\n3\n", "CA data");
    fake_free(&w);
    entra_credential_free(c);
    entra_env_free(env);
}


/* managed_identity in such a pod, as Azure Identity does it */

static void
exchange(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    entra_credential_t  *c;

    fixture_write("token", "a.b.c");
    env = aks(NULL, NULL);
    c = fake_credential("managed_identity", "scope aml", env, &err);

    if (!ok(c != NULL, "managed_identity in a pod")) {
        printf("# %s\n", err.text);
        return;
    }

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.outcome.token, "TOKEN", "a token");
    is(w.requests[0].url, URL, "of Entra");
    is(w.requests[0].body, body_of("a.b.c"), "exchanged");

    fake_reply(&w, 400, "{\"error\":\"invalid_request\"}");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.outcome.err.class == ENTRA_ERR_CONFIG, "refused");
    ok(c->type->watch(c, &err) == 0, "watched");

    fake_free(&w);
    entra_credential_free(c);
    entra_env_free(env);
}


int
main(void)
{
    wire();
    watch();
    late();
    configuration();
    proxy();
    exchange();

    return done();
}
