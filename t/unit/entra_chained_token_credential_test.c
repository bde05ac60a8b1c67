
/*
 * Copyright (C) nginx-entra authors
 *
 * chain and default: who is asked, in which order, and what is said of it.
 */

#include "entra_chain.h"
#include "credentials.h"


#define SCOPE    "https://ml.azure.com/.default"
#define TENANT   "72f988bf-0000-0000-0000-000000000000"
#define SECRET   "tenant_id " TENANT "; client_id id;"                        \
                 "client_secret_file @/secret"
#define GOOD     "{\"token_type\":\"Bearer\",\"expires_in\":3599,"             \
                 "\"access_token\":\"TOKEN\"}"
#define REFUSED  "{\"error\":\"invalid_client\",\"error_description\":"        \
                 "\"AADSTS7000215: Invalid client secret provided.\","         \
                 "\"correlation_id\":\"11-22\"}"


static entra_env_t  *no_env;


static entra_credential_t *
add(credentials_t *m, const char *type, const char *name, const char *block,
    entra_env_t *env)
{
    entra_err_t          err;
    entra_credential_t  *c;

    c = credentials_add(m, type, name, block, env, &err);

    if (c == NULL) {
        printf("# %s\n", err.text);
        abort();
    }

    return c;
}


static int
init_ok(entra_credential_t *c)
{
    entra_err_t  err;

    entra_err_clear(&err);

    if (entra_credential_init(c, &err) != 0) {
        printf("# %s\n", err.text);
        return 0;
    }

    return 1;
}


static void
refused(entra_credential_t *c, const char *want)
{
    entra_err_t  err;

    entra_err_clear(&err);

    ok(entra_credential_init(c, &err) == -1 && err.class == ENTRA_ERR_CONFIG,
       "refused: %s", want);

    if (!ok(strstr(err.text, want) != NULL, "and told so")) {
        printf("# %s\n", err.text);
    }
}


static void
configuration(void)
{
    unsigned             i;
    char                 name[16], many[256] = "use";
    credentials_t        m = { .n = 0 };
    entra_credential_t  *c;

    c = add(&m, "chain", "c", "", no_env);
    refused(c, "\"use NAME ...;\"");
    credentials_free(&m);

    c = add(&m, "chain", "c", "use nobody", no_env);
    refused(c, "\"use\" of \"c\" names \"nobody\", but");
    credentials_free(&m);

    c = add(&m, "chain", "c", "use c", no_env);
    refused(c, "names the chain itself");
    credentials_free(&m);

    c = add(&m, "chain", "a", "use b", no_env);
    add(&m, "chain", "b", "use a", no_env);
    refused(c, "chains that use each other");
    credentials_free(&m);

    c = add(&m, "chain", "a", "use b", no_env);
    add(&m, "chain", "b", "use c", no_env);
    add(&m, "chain", "c", "use mi", no_env);
    add(&m, "managed_identity", "mi", "", no_env);
    refused(c, "nested more than 1 deep");
    ok(init_ok(m.items[1]), "one deep is fine");
    credentials_free(&m);

    c = add(&m, "chain", "c", "use key", no_env);
    add(&m, "endpoint_key", "key", "key_file /nonexistent", no_env);
    refused(c, "cannot be in a chain: its tokens are an endpoint's own");
    credentials_free(&m);

    c = add(&m, "chain", "c", "use wi", no_env);
    add(&m, "workload_identity", "wi", "", no_env);
    refused(c, "its member \"wi\": tenant_id is missing");
    credentials_free(&m);

    for (i = 0; i < 17; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        add(&m, "managed_identity", name, "", no_env);
        snprintf(many + strlen(many), sizeof(many) - strlen(many), " m%u", i);
    }

    c = add(&m, "chain", "c", many, no_env);
    refused(c, "more than 16 credentials");
    credentials_free(&m);
}


/* unavailable goes on, the first token wins, and it stays */

static void
walk(void)
{
    credentials_t        m = { .n = 0 };
    fake_platform_t      w;
    entra_credential_t  *c;

    c = add(&m, "chain", "c", "use mi secret; scope aml", no_env);
    add(&m, "managed_identity", "mi", "", no_env);
    add(&m, "client_secret", "secret", SECRET, no_env);
    ok(init_ok(c) && init_ok(m.items[1]) && init_ok(m.items[2]),
       "a chain before its members");

    fake_init(&w);

    fake_reply(&w, 0, "")->timed_out = 1;
    fake_reply(&w, 401, REFUSED);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 2, "unavailable, then refused");
    ok(strstr(w.requests[0].url, "169.254.169.254") != NULL
       && w.requests[0].timeout == 1000, "the first was probed");
    ok(w.outcome.err.class == ENTRA_ERR_DENIED
       && w.outcome.err.aadsts == 7000215 && !w.outcome.err.unavailable,
       "the refusal is the error");
    ok(strstr(w.outcome.err.text, "\"secret\" (client_secret): login.micro")
       == w.outcome.err.text, "of the second");
    ok(strstr(w.outcome.err.text, "(not available: \"mi\" (managed_identity): "
              "no managed identity:") != NULL, "and says why not the first");
    is(w.outcome.err.correlation_id, "11-22", "correlation id");
    is(c->note, w.outcome.err.text, "so does the status");

    fake_reply(&w, 0, "")->timed_out = 1;
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok && w.nrequests == 4, "walked again until there is one");
    is(w.outcome.token, "TOKEN", "a token");
    ok(w.outcome.lifetime == 3599, "its life");
    ok(strstr(c->note, "\"secret\" (client_secret) is used; not: \"mi\" "
              "(managed_identity): no managed identity") == c->note, "note: "
       "%s", c->note);

    fake_reply(&w, 503, "");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 5
       && strstr(w.requests[4].url, "login.microsoftonline.com"),
       "then the winner alone is asked");
    ok(w.outcome.err.class == ENTRA_ERR_TRANSIENT, "its failure is the one");
    ok(strstr(c->note, "is used") != NULL, "the note stays");

    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok && w.nrequests == 6, "and asked again");

    ok(fake_pending(&w) == 0, "nothing left");
    fake_free(&w);
    credentials_free(&m);
}


static void
first(void)
{
    credentials_t        m = { .n = 0 };
    fake_platform_t      w;
    entra_credential_t  *c;

    add(&m, "managed_identity", "mi", "", no_env);
    add(&m, "client_secret", "secret", SECRET, no_env);
    c = add(&m, "chain", "c", "use secret mi", no_env);
    ok(init_ok(c), "a chain after its members");

    fake_init(&w);

    fake_reply(&w, 401, REFUSED);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 1, "refused: the walk ends");

    fake_reply(&w, 200, "<html>");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 2
       && w.outcome.err.class == ENTRA_ERR_PROTOCOL, "nonsense, too");

    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok, "a token of the first");
    is(c->note, "\"secret\" (client_secret) is used", "note");

    fake_free(&w);
    credentials_free(&m);
}


static void
nobody(void)
{
    unsigned             i;
    char                 name[80], use[1500] = "use";
    credentials_t        m = { .n = 0 };
    fake_platform_t      w;
    entra_credential_t  *c, *outer;

    for (i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "m%02u-with-a-long-name-that-takes-its-"
                 "share-of-the-room", i);
        add(&m, "managed_identity", name, "", no_env);
        snprintf(use + strlen(use), sizeof(use) - strlen(use), " %s", name);
    }

    c = add(&m, "chain", "c", use, no_env);
    ok(init_ok(c), "sixteen");
    fake_init(&w);

    for (i = 0; i < 16; i++) {
        fake_reply(&w, 0, "");
    }

    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 16, "nobody is there");
    ok(strstr(w.outcome.err.text, "none of 16 credentials is available: "
              "\"m00-") == w.outcome.err.text, "one message");

    for (i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "\"m%02u-", i);
        ok(strstr(w.outcome.err.text, name) != NULL, "tells of %u", i);
    }

    ok(w.outcome.err.unavailable, "unavailable in an outer chain");
    ok(w.outcome.err.class == ENTRA_ERR_CONFIG, "an operator's matter");

    fake_free(&w);
    credentials_free(&m);

    outer = add(&m, "chain", "outer", "use inner secret", no_env);
    add(&m, "chain", "inner", "use mi", no_env);
    add(&m, "managed_identity", "mi", "", no_env);
    add(&m, "client_secret", "secret", SECRET, no_env);
    ok(init_ok(outer), "a chain in a chain");
    fake_init(&w);
    fake_reply(&w, 0, "");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, outer, SCOPE, NULL);
    ok(w.outcome.ok && w.nrequests == 2, "the outer one goes on");
    fake_free(&w);
    credentials_free(&m);
}


/* who shares tokens, and who does not */

static void
keys(void)
{
    unsigned char        one[32], two[32], three[32];
    credentials_t        m = { .n = 0 };
    entra_err_t          err;
    entra_credential_t  *c, *d, *e;

    c = add(&m, "chain", "c", "use mi secret", no_env);
    d = add(&m, "chain", "d", "use secret mi", no_env);
    e = add(&m, "chain", "e", "use mi secret", no_env);
    add(&m, "managed_identity", "mi", "client_id x", no_env);
    add(&m, "client_secret", "secret", SECRET, no_env);
    ok(init_ok(c) && init_ok(d) && init_ok(e), "three chains");

    entra_credential_key(c, entra_str(SCOPE), one);
    entra_credential_key(d, entra_str(SCOPE), two);
    entra_credential_key(e, entra_str(SCOPE), three);
    ok(memcmp(one, two, 32) != 0, "the order matters");
    ok(memcmp(one, three, 32) != 0, "so does its name");

    ok(c->type->watch(c, &err) == 0, "nothing new");
    fixture_write("secret", "hunter3");
    ok(c->type->watch(c, &err) == 0, "the member looks at its file itself");
    ok(m.items[4]->type->watch(m.items[4], &err) == 1, "and has seen it");
    ok(c->type->watch(c, &err) == 1, "so the chain has, too");
    ok(c->type->watch(c, &err) == 0, "once");

    credentials_free(&m);
}


static entra_env_t *
env_of(const char *name, const char *value)
{
    entra_env_t  *env;

    env = entra_env_create(NULL, 0);

    /* no tools: whatever this machine has installed */
    entra_env_set(env, entra_str("PATH"), entra_str("/nonexistent"));

    if (name) {
        entra_env_set(env, entra_str_c(name), entra_str_c(value));
    }

    return env;
}


static void
default_order(const char *choice, const char *want)
{
    char                   got[512] = "";
    unsigned               i;
    credentials_t          m = { .n = 0 };
    entra_env_t           *env;
    entra_chain_t         *chain;
    entra_credential_t    *c;

    env = env_of("AZURE_TOKEN_CREDENTIALS", choice);
    c = add(&m, "default", "d", "", env);
    ok(init_ok(c), "AZURE_TOKEN_CREDENTIALS=%s", choice);

    chain = c->conf;

    for (i = 0; i < chain->n; i++) {
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s ",
                 chain->members[i].label,
                 chain->members[i].insist ? "!" : "");
    }

    is(got, want, choice);

    credentials_free(&m);
    entra_env_free(env);
}


static void
default_choice(void)
{
    credentials_t        m = { .n = 0 };
    entra_env_t         *env;
    entra_credential_t  *c;

    default_order("", "EnvironmentCredential WorkloadIdentityCredential "
                  "ManagedIdentityCredential AzureCliCredential "
                  "AzurePowerShellCredential AzureDeveloperCliCredential ");
    default_order(" \t", "EnvironmentCredential WorkloadIdentityCredential "
                  "ManagedIdentityCredential AzureCliCredential "
                  "AzurePowerShellCredential AzureDeveloperCliCredential ");
    default_order(" Prod ", "EnvironmentCredential WorkloadIdentityCredential "
                  "ManagedIdentityCredential ");
    default_order("DEV", "AzureCliCredential AzurePowerShellCredential "
                  "AzureDeveloperCliCredential ");
    default_order("managedidentitycredential", "ManagedIdentityCredential! ");

    env = env_of("AZURE_TOKEN_CREDENTIALS", "VisualStudioCodeCredential");
    c = add(&m, "default", "d", "", env);
    refused(c, "AZURE_TOKEN_CREDENTIALS is \"VisualStudioCodeCredential\"");
    credentials_free(&m);
    entra_env_free(env);
}


static void
default_walk(void)
{
    credentials_t        m = { .n = 0 };
    entra_env_t         *env;
    fake_platform_t      w;
    entra_credential_t  *c;

    /* nothing configured but what IMDS may be */

    env = env_of("AZURE_TOKEN_CREDENTIALS", "prod");
    entra_env_set(env, entra_str("AZURE_CLIENT_ID"), entra_str("from-env"));
    c = add(&m, "default", "d", "scope aml", env);
    ok(init_ok(c), "default");
    fake_init(&w);
    fake_reply(&w, 400, "");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok && w.nrequests == 2, "probed, asked");
    ok(strstr(w.requests[1].url, "&client_id=from-env") != NULL,
       "for the identity of AZURE_CLIENT_ID");
    ok(strstr(c->note, "ManagedIdentityCredential is used; not: "
              "EnvironmentCredential: ") == c->note
       && strstr(c->note, "; WorkloadIdentityCredential: ") != NULL, "%s",
       c->note);
    fake_free(&w);
    credentials_free(&m);

    c = add(&m, "default", "d", "scope aml; client_id mine", env);
    ok(init_ok(c), "default with client_id");
    fake_init(&w);
    fake_reply(&w, 400, "");
    fake_reply(&w, 400, "{\"error\":\"invalid_request\"}");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(strstr(w.requests[1].url, "&client_id=mine") != NULL,
       "what is written wins");
    ok(!w.outcome.ok && w.outcome.err.unavailable
       && strstr(w.outcome.err.text, "none of 3 credentials") != NULL,
       "nobody");
    fake_free(&w);
    credentials_free(&m);
    entra_env_free(env);

    /* chosen by name: no probe */

    env = env_of("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential");
    c = add(&m, "default", "d", "", env);
    ok(init_ok(c), "one");
    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok && w.nrequests == 1
       && strstr(w.requests[0].headers, "Metadata: true"), "not probed");
    fake_free(&w);
    credentials_free(&m);
    entra_env_free(env);

    /* configured and refused: the end */

    env = env_of("AZURE_TENANT_ID", TENANT);
    entra_env_set(env, entra_str("AZURE_CLIENT_ID"), entra_str("id"));
    entra_env_set(env, entra_str("AZURE_CLIENT_SECRET"), entra_str("s"));
    entra_env_set(env, entra_str("AZURE_AUTHORITY_HOST"),
                  entra_str("login.example"));
    c = add(&m, "default", "d", "", env);
    ok(init_ok(c), "with a secret in the environment");
    fake_init(&w);
    fake_reply(&w, 401, REFUSED);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 1 && !w.outcome.err.unavailable,
       "refused: the walk ends");
    is(w.requests[0].url, "https://login.example/" TENANT
       "/oauth2/v2.0/token", "at the authority of the environment");
    fake_free(&w);
    credentials_free(&m);
    entra_env_free(env);

    /* a member that cannot be set up says so, the others are asked */

    env = env_of("AZURE_CLIENT_ID", "id");
    entra_env_set(env, entra_str("AZURE_TOKEN_CREDENTIALS"),
                  entra_str("prod"));
    entra_env_set(env, entra_str("MSI_ENDPOINT"), entra_str("http://x/"));
    c = add(&m, "default", "d", "", env);
    ok(init_ok(c), "with an identity that Cloud Shell cannot choose");
    fake_init(&w);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(!w.outcome.ok && w.nrequests == 0
       && strstr(w.outcome.err.text, "ManagedIdentityCredential: Cloud Shell"),
       "%s", w.outcome.err.text);
    fake_free(&w);
    credentials_free(&m);
    entra_env_free(env);
}


/* a developer's tool that fails is passed over, whatever it says */

static void
forgiving(void)
{
    credentials_t         m = { .n = 0 };
    entra_err_t           err;
    fake_platform_t       w;
    entra_chain_t        *chain;
    entra_credential_t   *c;

    c = add(&m, "chain", "c", "use secret mi", no_env);
    add(&m, "client_secret", "secret", SECRET, no_env);
    add(&m, "managed_identity", "mi", "", no_env);
    ok(init_ok(c), "a chain");

    chain = c->conf;
    ok(chain->n == 2, "its members");
    chain->members[0].forgiving = 1;

    fake_init(&w);
    fake_reply(&w, 401, REFUSED);
    fake_reply(&w, 400, "");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok && w.nrequests == 3, "refused, and passed over");
    fake_free(&w);

    entra_err_clear(&err);
    ok(entra_chain_add(chain, "x", NULL, "broken", &err) == 0, "added");
    credentials_free(&m);
}


int
main(void)
{
    no_env = entra_env_create(NULL, 0);
    fixture_write("secret", "hunter2");

    configuration();
    walk();
    first();
    nobody();
    keys();
    default_choice();
    default_walk();
    forgiving();

    entra_env_free(no_env);

    return done();
}
