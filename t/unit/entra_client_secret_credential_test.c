
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_enc.h"
#include "credentials.h"


#define SCOPE  "https://ml.azure.com/.default"
#define TOKEN  "{\"token_type\":\"Bearer\",\"expires_in\":3599,"            \
               "\"ext_expires_in\":3599,\"access_token\":\"T%s\"}"
#define DENIED  "{\"error\":\"invalid_client\",\"error_description\":"       \
                "\"AADSTS7000215: Invalid client secret provided. Ensure it" \
                " is right.\\r\\nTrace ID: 1\\r\\nCorrelation ID: 2\","      \
                "\"error_codes\":[7000215],\"trace_id\":\"tr-1\","           \
                "\"correlation_id\":\"co-1\"}"


static entra_env_t  *no_env;
static char          text[4096];


static const char *
block(const char *more)
{
    snprintf(text, sizeof(text), "tenant_id tenant-1;client_id client-1;"
             "scope aml;%s", more);

    return text;
}


static entra_credential_t *
credential(const char *more)
{
    return credential_made("client_secret", block(more), no_env);
}


static void
test_wire(void)
{
    fake_platform_t      w;
    fake_request_t      *r;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    fixture_write("one", "s3cr+t/&=~\n");
    c = credential("client_secret_file @/one;");
    is(c->scopes[0], SCOPE, "scope");
    is(c->authority_host, "https://login.microsoftonline.com", "authority");

    fake_init(&w);
    fake_reply(&w, 200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
                        "\"access_token\":\"T1\",\"refresh_in\":1800}");
    o = fake_acquire(&w, c, SCOPE, NULL);
    r = &w.requests[0];

    ok(o->ok && o->lifetime == 3599 && o->refresh_in == 1800, "lifetime");
    is(o->token, "T1", "token");
    is(r->method, "POST", "method");
    is(r->url, "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token",
       "URL");
    is(r->body, "client_id=client-1&grant_type=client_credentials"
                "&scope=https%3A%2F%2Fml.azure.com%2F.default"
                "&client_secret=s3cr%2Bt%2F%26%3D~",
       "body, without the file's newline");
    ok(strstr(r->headers, "Content-Type: application/x-www-form-urlencoded\n")
       && strstr(r->headers, "client-request-id: "), "headers");
    ok(!r->local, "may go through a proxy");

    fake_reply(&w, 200, "{\"token_type\":\"Bearer\",\"expires_in\":\"60\","
                        "\"access_token\":\"T2\"}");
    o = fake_acquire(&w, c, SCOPE, "{\"access_token\":{\"nbf\":"
                                   "{\"essential\":true,\"value\":\"1\"}}}");
    ok(o->ok && o->lifetime == 60, "again");
    ok(strstr(w.requests[1].body,
              "&claims=%7B%22access_token%22%3A%7B%22nbf%22%3A%7B%22essential"
              "%22%3Atrue%2C%22value%22%3A%221%22%7D%2C%22xms_cc%22%3A%7B%22"
              "values%22%3A%5B%22cp1%22%5D%7D%7D%7D&") != NULL,
       "claims of a challenge, merged");
    ok(strcmp(w.requests[0].headers, w.requests[1].headers) != 0,
       "each request has its own id");

    fake_reply(&w, 401, DENIED);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->err.class == ENTRA_ERR_DENIED && o->err.aadsts == 7000215,
       "denied");
    is(o->err.error, "invalid_client", "error");
    is(o->err.correlation_id, "co-1", "correlation id");
    is(o->err.text, "login.microsoftonline.com: status 401, invalid_client:"
                    " Invalid client secret provided. Ensure it is right.",
       "one line");
    ok(o->err.advice != NULL, "advice");
    ok(w.nrequests == 3, "no second attempt with one secret");

    fake_reply(&w, 400, "{\"error\":\"invalid_client\","
                        "\"error_description\":\"secret s3cr+t/&=~ bad\"}");
    o = fake_acquire(&w, c, SCOPE, NULL);
    is(o->err.text, "login.microsoftonline.com: status 400, invalid_client:"
                    " secret [...] bad", "an echoed secret is hidden");

    entra_credential_free(c);
    fake_free(&w);
}


static void
test_two(void)
{
    int                  rc;
    entra_err_t          err;
    fake_platform_t      w;
    fake_outcome_t      *o;
    unsigned char        before[32], after[32];
    entra_credential_t  *c;

    fixture_write("one", "first");
    fixture_write("two", "second");
    c = credential("client_secret_file @/one @/two;");
    entra_credential_secret_digest(c, before);

    fake_init(&w);
    fake_reply(&w, 401, DENIED);
    fake_reply(&w, 200, TOKEN);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok && w.nrequests == 2, "the second one in the same acquisition");
    ok(strstr(w.requests[0].body, "&client_secret=first")
       && strstr(w.requests[1].body, "&client_secret=second"), "in order");

    fake_reply(&w, 200, TOKEN);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok && w.nrequests == 3
       && strstr(w.requests[2].body, "&client_secret=second"),
       "the one that worked is remembered");

    fake_reply(&w, 401, DENIED);
    fake_reply(&w, 401, DENIED);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(!o->ok && w.nrequests == 5 && o->err.class == ENTRA_ERR_DENIED,
       "both denied");

    fake_reply(&w, 503, "<html>")->retry_after = 7;
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->err.class == ENTRA_ERR_TRANSIENT && o->err.retry_after == 7
       && w.nrequests == 6, "an outage is no reason for the other one");

    /* changed on disk, and found before watch() looked */

    fixture_write("one", "third");
    fake_reply(&w, 401, DENIED);
    fake_reply(&w, 401, DENIED);
    fake_reply(&w, 200, TOKEN);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(o->ok && strstr(w.requests[w.nrequests - 1].body,
                       "&client_secret=third"), "a fresh one is found");

    entra_err_clear(&err);
    rc = entra_credential_type(entra_str("client_secret"))->watch(c, &err);
    ok(rc == 1, "and watch() tells of it nevertheless");
    rc = c->type->watch(c, &err);
    ok(rc == 0, "once");

    entra_credential_secret_digest(c, after);
    ok(memcmp(before, after, 32) != 0, "the material is another");

    fixture_write("two", "");
    fake_reply(&w, 401, DENIED);
    fake_reply(&w, 401, DENIED);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(c->type->watch(c, &err) == -1 && strstr(err.text, "empty"),
       "a bad file that an acquisition saw first is told, too");
    ok(c->type->watch(c, &err) == 0, "once");

    entra_credential_free(c);
    fake_free(&w);
}


static void
test_watch(void)
{
    entra_err_t          err;
    const char          *path;
    unsigned char        before[32], after[32];
    entra_credential_t  *c;

    path = fixture_write("target-a", "aaa\n");
    unlink(fixture_path("link"));
    if (symlink(path, fixture_path("link")) != 0) {
        perror("symlink");
    }

    c = credential("client_secret_file @/link;");
    entra_credential_secret_digest(c, before);

    entra_err_clear(&err);
    ok(c->type->watch(c, &err) == 0, "nothing new");

    path = fixture_write("target-b", "bbb\n");
    unlink(fixture_path("link"));
    if (symlink(path, fixture_path("link")) != 0) {
        perror("symlink");
    }
    ok(c->type->watch(c, &err) == 1, "symlink swapped");
    entra_credential_secret_digest(c, after);
    ok(memcmp(before, after, 32) != 0, "other material");

    fixture_write("target-b", "");
    ok(c->type->watch(c, &err) == -1 && strstr(err.text, "is empty"),
       "emptied: an error");
    ok(c->type->watch(c, &err) == 0, "told once");
    entra_credential_secret_digest(c, before);
    ok(memcmp(before, after, 32) == 0, "the last good one stays");

    fixture_write("target-b", "two\nlines\n");
    ok(c->type->watch(c, &err) == -1, "nonsense: an error");
    entra_credential_secret_digest(c, before);
    ok(memcmp(before, after, 32) == 0, "the last good one stays");

    fixture_write("target-b", "ccc\n");
    ok(c->type->watch(c, &err) == 1, "good again");

    unlink(fixture_path("link"));
    ok(c->type->watch(c, &err) == -1, "gone: an error");
    ok(c->type->watch(c, &err) == 0, "told once");

    entra_credential_free(c);
}


static void
refused(const char *more, const char *want, const char *name)
{
    entra_err_t          err;
    entra_credential_t  *c;

    c = fake_credential("client_secret", more, no_env, &err);

    if (!ok(c == NULL && strstr(err.text, want), "refused: %s", name)) {
        printf("# %s\n", c ? "accepted" : err.text);
    }

    entra_credential_free(c);
}


static void
test_refused(void)
{
    fixture_write("good", "secret");

    refused("client_secret xyz", "client_secret_file", "a literal secret");
    refused("password xyz", "client_secret_file", "a literal password");
    refused(block(""), "client_secret_file", "no secret");
    refused("client_id x;client_secret_env X", "tenant_id", "no tenant");
    refused("tenant_id x;client_secret_env X", "client_id", "no client");
    refused(block("client_secret_env NOPE"), "NOPE", "unset variable");
    refused(block("client_secret_file /nonexistent/x"), "/nonexistent/x",
            "no such file");
    refused(block("tenant_id y"), "duplicate \"tenant_id\"", "duplicate");
    refused(block("federated_token_file x"), "unknown parameter",
            "parameter of another type");
    refused(block("client_certificate x"), "client_certificate",
            "parameter of the certificate type");
    refused("tenant_id common;client_id x", "for users", "tenant common");
    refused("tenant_id a/b;client_id x", "not a tenant", "tenant with slash");
    refused("scope https://ml.azure.com", "https://ml.azure.com/.default",
            "a bare resource");
    refused("scope https://graph.microsoft.com/User.Read", "/.default",
            "a delegated scope");
    refused("authority_host http://x", "https", "authority by http");
    refused("cloud moon", "public, china or usgov", "unknown cloud");
    refused("tenant_id", "no value", "no value");
    refused("tenant_id a b", "too many", "two values");

    refused(block("client_secret_file @/good;client_secret_env X"),
            "mutually exclusive", "file and variable");
    refused(block("client_secret_file @/good @/good"), "the same",
            "twice the same file");
    fixture_write("empty", " \n");
    refused(block("client_secret_file @/empty"), "is empty", "empty file");
    fixture_write("json", "{\"appId\":1}");
    refused(block("client_secret_file @/json"), "service_principal_file",
            "JSON as secret");
    fixture_write("pem", "-----BEGIN X");
    refused(block("client_secret_file @/pem"), "client_certificate",
            "PEM as secret");
    refused(block("client_secret_file /dev/null"), "regular", "a device");
    refused("cloud china;authority_host login.microsoftonline.us;tenant_id x;"
            "client_id y", "belongs to", "authority of another cloud");
}


static void
test_sources(void)
{
    char                 more[1200];
    entra_env_t         *env;
    entra_err_t          err;
    fake_platform_t      w;
    entra_credential_t  *c;

    env = fixture_env("AZURE_TENANT_ID=\"envtenant\\n\"\n"
                      "AZURE_CLIENT_ID=\" envclient\\r\\n\"\n"
                      "AZURE_CLIENT_SECRET=envsecret\nMY=mysecret\n"
                      "AZURE_AUTHORITY_HOST=login.chinacloudapi.cn/\n");

    c = fake_credential("client_secret", "scope aml arm", env, &err);
    fake_init(&w);
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, c->scopes[0], NULL);
    is(w.requests[0].url,
       "https://login.chinacloudapi.cn/envtenant/oauth2/v2.0/token",
       "all from the environment");
    is(w.requests[0].body,
       "client_id=envclient&grant_type=client_credentials"
       "&scope=https%3A%2F%2Fml.azure.cn%2F.default&client_secret=envsecret",
       "scope names are those of the authority's cloud");
    entra_credential_free(c);

    c = fake_credential("client_secret", "cloud usgov;client_secret_env MY",
                        env, &err);
    ok(c && strcmp(c->authority_host, "https://login.microsoftonline.us")
            == 0, "the cloud of the block wins");
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(strstr(w.requests[1].body, "&client_secret=mysecret") != NULL,
       "client_secret_env");
    entra_credential_free(c);

    fixture_write("sp.json", "{\"clientId\":\"spc\",\"clientSecret\":"
                         "\"sps\",\"tenantId\":\"spt\","
                         "\"activeDirectoryEndpointUrl\":"
                         "\"https://login.microsoftonline.us/\"}");
    snprintf(more, sizeof(more), "scope arm;client_id mine;"
             "service_principal_file %s", fixture_path("sp.json"));
    c = fake_credential("client_secret", more, env, &err);
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, c->scopes[0], NULL);
    is(w.requests[2].url,
       "https://login.microsoftonline.us/spt/oauth2/v2.0/token",
       "service principal");
    is(w.requests[2].body, "client_id=mine&grant_type=client_credentials"
       "&scope=https%3A%2F%2Fmanagement.usgovcloudapi.net%2F.default"
       "&client_secret=sps", "what is in the block wins");

    fixture_write("sp.json", "{\"appId\":\"spc\",\"password\":"
                         "\"new\",\"tenant\":\"spt\"}");
    entra_err_clear(&err);
    ok(c->type->watch(c, &err) == 1, "a new secret of it is seen");
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, c->scopes[0], NULL);
    ok(strstr(w.requests[3].body, "&client_secret=new") != NULL, "and used");

    fixture_write("sp.json", "{\"appId\":\"other\",\"password\":"
                         "\"new\",\"tenant\":\"spt\"}");
    ok(c->type->watch(c, &err) == -1 && strstr(err.text, "reload"),
       "another application wants a reload");
    entra_credential_free(c);

    fixture_write("sp.json", "{\"appId\":\"a\",\"password\":null,"
                         "\"tenant\":\"t\",\"fileWithCertAndPrivateKey\":"
                         "\"/x.pem\"}");
    c = fake_credential("client_secret", more, env, &err);
    ok(c == NULL && strstr(err.text, "client_certificate"),
       "one with a certificate is refused here");

    fixture_write("id", "11111111-2222-3333-4444-555555555555");
    c = fake_credential("client_secret", "tenant_id t;client_id c;"
                        "client_secret_file @/id /nonexistent/two", env,
                        &err);
    ok(c && strstr(entra_buf_str(&c->warnings).data, "/nonexistent/two")
       && strstr(entra_buf_str(&c->warnings).data, "secret's ID"),
       "warnings: the second file, an ID instead of a secret");
    entra_credential_free(c);

    entra_env_free(env);
    fake_free(&w);
}


static void
test_adfs(void)
{
    entra_env_t         *env;
    entra_err_t          err;
    fake_platform_t      w;
    entra_credential_t  *c;

    env = fixture_env("AZURE_CLIENT_SECRET=s\n");
    c = fake_credential("client_secret", "tenant_id adfs;client_id c;"
                        "authority_host https://FS.example.com:8443;"
                        "scope https://x/.default", env, &err);
    fake_init(&w);
    fake_reply(&w, 200, TOKEN);
    (void) fake_acquire(&w, c, c->scopes[0], NULL);
    is(w.requests[0].url, "https://fs.example.com:8443/adfs/oauth2/token",
       "AD FS: URL");
    ok(strstr(w.requests[0].body, "&scope=https%3A%2F%2Fx&") != NULL,
       "AD FS: a resource");
    entra_credential_free(c);
    entra_env_free(env);
    fake_free(&w);
}


static void
test_keys(void)
{
    char                 more[600];
    unsigned char        a[32], b[32];
    entra_credential_t  *one, *two;

    snprintf(more, sizeof(more), "client_secret_file %s;",
             fixture_write("k", "k"));
    one = credential(more);
    two = credential(more);

    entra_credential_key(one, entra_str("s"), a);
    entra_credential_key(two, entra_str("s"), b);
    ok(memcmp(a, b, 32) == 0, "equal credentials have one key");
    entra_credential_key(two, entra_str("s2"), b);
    ok(memcmp(a, b, 32) != 0, "another scope");
    free(two->tenant_id);
    two->tenant_id = strdup("tenant-2");
    entra_credential_key(two, entra_str("s"), b);
    ok(memcmp(a, b, 32) != 0, "another tenant");

    entra_credential_free(one);
    entra_credential_free(two);
}


int
main(void)
{
    no_env = fixture_env("");

    test_wire();
    test_two();
    test_watch();
    test_refused();
    test_sources();
    test_adfs();
    test_keys();

    entra_env_free(no_env);

    return done();
}
