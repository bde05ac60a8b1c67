
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_signed_in.h"
#include "entra_state_file.h"
#include "credentials.h"
#include "fake_store.h"
#include "refusals.h"


#define CLIENT  "77777777-7777-4777-8777-777777777777"
#define SCOPE   "https://ml.azure.com/.default"
#define BROWSE  "client_id " CLIENT ";"                                        \
                "redirect_uri https://gw.test/in/callback;scope aml"
#define GOOD    "{\"token_type\":\"Bearer\",\"expires_in\":3599,"              \
                "\"access_token\":\"TOKEN\"}"
#define BODY    "client_id=" CLIENT "&grant_type=refresh_token&scope="         \
                "https%3A%2F%2Fml.azure.com%2F.default%20openid%20profile%20"  \
                "offline_access"                                               \
                "&client_info=1&refresh_token="
#define ENDED   "{\"error\":\"invalid_grant\",\"error_description\":"          \
                "\"AADSTS700082: The refresh token has expired due to"         \
                " inactivity.\",\"error_codes\":[700082]}"

#define refused(type, block, want)                                             \
    credential_refused(type, block, env, want)


static entra_env_t  *env;
static const char   *key_file;


static entra_credential_t *
make(const char *type, const char *block, fake_store_t *store)
{
    entra_credential_t  *c;

    c = credential_made(type, block, env);
    c->store = store ? &store->store : NULL;

    return c;
}


static const char *
with_state(const char *state)
{
    static char  block[1024];

    snprintf(block, sizeof(block), BROWSE ";state_file %s;state_key_file %s",
             state, key_file);

    return block;
}


static void
sign_in(entra_credential_t *c, const char *id, const char *token)
{
    entra_err_t        err;
    entra_signed_in_t  r;

    memset(&r, 0, sizeof(r));
    entra_err_clear(&err);
    snprintf(r.id, sizeof(r.id), "%s", id);
    snprintf(r.user, sizeof(r.user), "alice@contoso.com");
    r.since = 1700000000;
    r.refresh_token = strdup(token);

    if (entra_signed_in_save(c, &r, &err) != 0) {
        printf("# save: %s\n", err.text);
    }

    entra_signed_in_free(&r);
}


static void
configuration(void)
{
    char                     block[900];
    const char              *short_key;
    entra_credential_t      *c;
    entra_signed_in_conf_t  *conf;

    c = make("device_code", "", NULL);
    is(c->client_id, ENTRA_SIGNED_IN_CLIENT, "device_code: default client");
    is(c->tenant_id, "organizations", "default tenant");
    entra_credential_free(c);

    c = make("interactive_browser", BROWSE ";tenant_id common", NULL);
    conf = c->conf;
    is(conf->page, "https://gw.test/in", "the page");
    entra_credential_free(c);

    c = make("interactive_browser", "client_id x;redirect_uri "
             "http://localhost:8080/callback;scope https://x/User.Read", NULL);
    ok(c != NULL, "localhost, a delegated scope");
    entra_credential_free(c);

    refused("interactive_browser", "redirect_uri https://x/callback",
            "client_id is missing: register");
    refused("interactive_browser", "client_id x", "redirect_uri is missing");
    refused("interactive_browser", "client_id x;redirect_uri "
            "http://gw.test/callback", "redirect_uri is plain http");
    refused("interactive_browser", "client_id x;redirect_uri "
            "https://gw.test/back", "does not end in \"/callback\"");
    refused("interactive_browser", "client_id x;redirect_uri "
            "https://gw.test/callback?x=/callback", "does not end in");
    refused("interactive_browser", "client_id x;redirect_uri "
            "https://u@gw.test/callback", "redirect_uri is not a URL");
    refused("interactive_browser", "client_id x;redirect_uri /callback",
            "redirect_uri is not a URL");
    refused("device_code", "tenant_id adfs", "AD FS");
    refused("device_code", "state_file /tmp/x",
            "there is no file \"/tmp/x.key\"");
    refused("device_code", "state_key_file /tmp/x", "without state_file");
    refused("device_code", "refresh_token x", "state_file FILE;");

    snprintf(block, sizeof(block), "state_file /nonexistent/x;"
             "state_key_file %s", key_file);
    refused("device_code", block, "the directory of state_file");
    snprintf(block, sizeof(block), "state_file %s;state_key_file %s",
             key_file, key_file);
    refused("device_code", block, "are the same");
    refused("device_code", "state_file @/state;state_key_file /nonexistent/x",
            "there is no file \"/nonexistent/x\"");

    short_key = fixture_write("short", "too short\n");
    snprintf(block, sizeof(block), "state_file %s;state_key_file %s",
             fixture_path("state"), short_key);
    refused("device_code", block, "holds less than 32 bytes");

    c = make("interactive_browser", with_state(fixture_path("state")), NULL);
    ok(c->warnings.len == 0, "nothing to warn of");
    entra_credential_free(c);

    chmod(key_file, 0644);
    c = make("interactive_browser", with_state(fixture_path("state")), NULL);
    ok(c->warnings.len == 0, "a directory of our own");
    entra_credential_free(c);

    chmod(fixture_dir, 0711);
    c = make("interactive_browser", with_state(fixture_path("state")), NULL);
    ok(strstr(c->warnings.data, "can be read by everybody") != NULL,
       "an open key file");
    entra_credential_free(c);
    chmod(fixture_dir, 0700);
    chmod(key_file, 0600);

    fixture_write("state", "rubbish");
    chmod(fixture_path("state"), 0600);
    c = make("interactive_browser", with_state(fixture_path("state")), NULL);
    ok(strstr(c->warnings.data, "cannot be decrypted") != NULL,
       "a file that is of no use");
    entra_credential_free(c);
    unlink(fixture_path("state"));
}


static void
due(void)
{
    fake_platform_t      w;
    fake_store_t         s;
    entra_credential_t  *c;

    fake_init(&w);
    fake_store_init(&s, &w);
    c = make("interactive_browser", BROWSE, &s);

    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.nrequests == 0 && w.outcome.err.class == ENTRA_ERR_CONFIG
       && w.outcome.err.unavailable, "nobody has signed in");
    is(w.outcome.err.text, "sign-in is due: open https://gw.test/in",
       "and where to");
    is(c->note, w.outcome.err.text, "the status, too");
    ok(fake_store_count(&s) == 0, "the lock is given back");
    entra_credential_free(c);

    c = make("device_code", "", NULL);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.outcome.err.text, "sign-in is due: open the page of entra_sign_in",
       "without a redirect_uri, without a store");
    entra_credential_free(c);

    fake_store_clear(&s);
    fake_free(&w);
}


static void
refresh(void)
{
    fake_platform_t      w;
    fake_store_t         s;
    unsigned char        one[32], two[32];
    entra_err_t          err;
    entra_acquire_t     *a;
    entra_credential_t  *c, *other;

    entra_err_clear(&err);
    fake_init(&w);
    fake_store_init(&s, &w);
    c = make("interactive_browser", BROWSE, &s);
    other = make("interactive_browser", BROWSE, &s);

    entra_credential_secret_digest(other, one);
    ok(other->type->watch(other, &err) == 0, "nothing so far");
    sign_in(c, "id-1", "RT1");
    ok(other->type->watch(other, &err) == 1, "another worker sees it");
    ok(other->type->watch(other, &err) == 0, "once");
    ok(c->type->watch(c, &err) == 1, "so does this one");
    entra_credential_secret_digest(other, two);
    ok(memcmp(one, two, 32) != 0, "other material");
    entra_credential_secret_digest(c, one);
    ok(memcmp(one, two, 32) == 0, "the same for both");

    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok, "a token");
    is(w.requests[0].url,
       "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
       "URL");
    is(w.requests[0].body, BODY "RT1", "body");
    is(c->note, "signed in as alice@contoso.com since 2023-11-14T22:13:20Z",
       "note");

    /* rotation */

    fake_reply(&w, 200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
               "\"access_token\":\"T2\",\"refresh_token\":\"RT2\"}");
    (void) fake_acquire(&w, other, SCOPE, NULL);
    is(w.requests[1].body, BODY "RT1", "the answer had none: kept");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[2].body, BODY "RT2", "rotated, for both workers");
    entra_credential_secret_digest(other, two);
    ok(memcmp(one, two, 32) == 0 && c->type->watch(c, &err) == 0,
       "which is no other sign-in");

    /* claims */

    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, "{\"access_token\":{\"nbf\":{}}}");
    ok(strstr(w.requests[3].body, "&claims=%7B%22access_token") != NULL,
       "claims of a challenge");

    /* what does not end it */

    fake_reply(&w, 503, "");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.class == ENTRA_ERR_TRANSIENT, "an outage");
    fake_reply(&w, 400, "{\"error\":\"interaction_required\"}");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.advice
       && strstr(w.outcome.err.advice, "sign in again") != NULL,
       "interaction_required");
    fake_reply(&w, 400, "{\"error\":\"invalid_grant\",\"error_description\":"
               "\"AADSTS53003: blocked\",\"error_codes\":[53003]}");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.aadsts == 53003, "a policy");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[7].body, BODY "RT2", "still the same");

    /* what does */

    fake_reply(&w, 400, ENDED);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.class == ENTRA_ERR_DENIED && w.outcome.err.unavailable
       && w.outcome.err.aadsts == 700082
       && strstr(w.outcome.err.text, "sign-in is due: ") == w.outcome.err.text
       && strstr(w.outcome.err.advice, "sign in again") != NULL,
       "invalid_grant: %s", w.outcome.err.text);
    (void) fake_acquire(&w, other, SCOPE, NULL);
    ok(w.nrequests == 9 && w.outcome.err.aadsts == 700082
       && strstr(w.outcome.err.text, "sign-in is due (the last one has ended: "
                 "AADSTS700082, ") == w.outcome.err.text,
       "the other worker knows: %s", w.outcome.err.text);
    ok(c->type->watch(c, &err) == 1 && other->type->watch(other, &err) == 1,
       "both see the change");

    /* a sign-in while the refresh of the old one is under way */

    sign_in(c, "id-2", "RT3");
    a = fake_start(&w, c, SCOPE, NULL, NULL);
    fake_step(&w);
    ok(a != NULL && w.nrequests == 10, "a refresh is under way");
    sign_in(other, "id-3", "RT4");
    fake_reply(&w, 400, ENDED);
    fake_run(&w);
    ok(w.outcome.done == 1 && !w.outcome.ok, "and fails");
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[10].body, BODY "RT4", "the new one is not thrown away");

    ok(strstr(w.log.data ? w.log.data : "", "RT") == NULL, "nothing leaked");
    entra_credential_free(c);
    entra_credential_free(other);
    fake_store_clear(&s);
    fake_free(&w);
}


/* what ends a sign-in, and what it survives */

static void
survives(void)
{
    int                  ended;
    unsigned             i;
    fake_platform_t         w;
    fake_store_t         s;
    const refusal_t     *row;
    entra_credential_t  *c;

    for (i = 0; i < REFUSALS; i++) {
        row = &refusals[i];

        fake_init(&w);
        fake_store_init(&s, &w);
        c = make("interactive_browser", BROWSE, &s);
        sign_in(c, "id-1", "RT1");

        fake_reply(&w, row->status, refusal_body(row, NULL));
        (void) fake_acquire(&w, c, SCOPE, NULL);

        fake_reply(&w, 200, GOOD);
        (void) fake_acquire(&w, c, SCOPE, NULL);

        ended = !w.outcome.ok && w.nrequests == 1;

        ok(ended == (row->remedy == ENTRA_REMEDY_SIGN_IN)
           && (ended || (w.outcome.ok && w.nrequests == 2)),
           "%s: %s", refusal_name(row), ended ? "ended" : "kept");

        entra_credential_free(c);
        fake_store_clear(&s);
        fake_free(&w);
    }
}


/* two workers, or two scopes, at the same time */

static void
one_at_a_time(void)
{
    fake_platform_t      w;
    fake_store_t         s;
    fake_outcome_t       second;
    entra_acquire_t     *a;
    entra_credential_t  *c;

    fake_init(&w);
    fake_store_init(&s, &w);
    c = make("interactive_browser", BROWSE, &s);
    sign_in(c, "id", "RT1");

    (void) fake_start(&w, c, SCOPE, NULL, NULL);
    memset(&second, 0, sizeof(second));
    (void) entra_acquire_start(&w.platform, c, entra_str("https://x/.default"),
                               NULL, NULL, fake_acquire_done, &second);
    fake_step(&w);
    fake_step(&w);
    fake_step(&w);
    ok(w.nrequests == 1 && w.nsleeps == 2, "the second one waits");

    fake_reply(&w, 200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
               "\"access_token\":\"T2\",\"refresh_token\":\"RT2\"}");
    fake_reply(&w, 200, GOOD);
    fake_run(&w);
    ok(w.outcome.ok && second.ok, "both have a token");
    ok(strstr(w.requests[1].body, "&refresh_token=RT2") != NULL,
       "the second one with the new refresh token");

    /* a worker that died with the lock */

    a = fake_start(&w, c, SCOPE, NULL, NULL);
    fake_step(&w);
    (void) entra_acquire_start(&w.platform, c, entra_str(SCOPE), NULL, NULL,
                               fake_acquire_done, &second);
    second.done = 0;
    fake_run(&w);
    ok(second.done == 1 && second.err.class == ENTRA_ERR_TRANSIENT,
       "does not wait for ever");
    w.mono += 61000;
    fake_reply(&w, 200, GOOD);
    entra_acquire_cancel(a);
    ok(fake_acquire(&w, c, SCOPE, NULL)->ok, "the lock has ended");
    ok(fake_store_count(&s) == 1, "no lock is left");

    entra_credential_free(c);
    fake_store_clear(&s);
    fake_free(&w);
}


static void
state_file(void)
{
    char                 path[512];
    entra_err_t          err;
    struct stat          st;
    fake_platform_t      w;
    fake_store_t         s;
    unsigned char        before[32], after[32];
    entra_credential_t  *c;

    entra_err_clear(&err);
    fake_init(&w);
    fake_store_init(&s, &w);
    snprintf(path, sizeof(path), "%s", fixture_path("state"));

    c = make("interactive_browser", with_state(path), &s);
    sign_in(c, "id-1", "RT1");
    entra_credential_secret_digest(c, before);
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "a file, 0600");
    entra_credential_free(c);

    /* a restart */

    fake_store_clear(&s);
    c = make("interactive_browser", with_state(path), &s);
    ok(c->warnings.len == 0, "read at the start");
    entra_credential_secret_digest(c, after);
    ok(memcmp(before, after, 32) == 0, "the same sign-in as before");
    fake_reply(&w, 200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
               "\"access_token\":\"T\",\"refresh_token\":\"RT2\"}");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[0].body, BODY "RT1", "from the file");
    ok(fake_store_count(&s) == 1, "now shared");
    entra_credential_free(c);

    /* another one, after a rotation */

    fake_store_clear(&s);
    c = make("interactive_browser", with_state(path), &s);
    fake_reply(&w, 200, GOOD);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[1].body, BODY "RT2", "the new one is in the file");

    /* another key */

    fixture_write("key", "another key, another key, another key\n");
    chmod(key_file, 0600);
    ok(c->type->watch(c, &err) == 0, "a new key");
    entra_credential_free(c);
    fake_store_clear(&s);
    c = make("interactive_browser", with_state(path), &s);
    ok(c->warnings.len == 0, "the file was written again with it");
    entra_credential_free(c);

    fixture_write("key", "a third key, a third key, a third key\n");
    chmod(key_file, 0600);
    c = make("interactive_browser", with_state(path), &s);
    ok(strstr(c->warnings.data, "cannot be decrypted") != NULL,
       "a wrong key is a warning");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.nrequests == 2 && w.outcome.err.class == ENTRA_ERR_CONFIG
       && strstr(w.outcome.err.text, "cannot be decrypted") != NULL,
       "and an error");
    sign_in(c, "id-2", "RT3");
    fake_reply(&w, 400, ENDED);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    is(w.requests[2].body, BODY "RT3", "a new sign-in mends it");
    ok(access(path, F_OK) == -1, "invalid_grant removes the file");
    entra_credential_free(c);

    /* for another credential */

    c = make("interactive_browser", with_state(path), &s);
    sign_in(c, "id-4", "RT4");
    entra_credential_free(c);
    fake_store_clear(&s);
    {
        char  block[1100];

        snprintf(block, sizeof(block), "%s;tenant_id contoso.com",
                 with_state(path));
        c = make("interactive_browser", block, &s);
    }
    ok(strstr(c->warnings.data, "cannot be decrypted") != NULL,
       "of another tenant");
    entra_credential_free(c);

    fake_store_clear(&s);
    fake_free(&w);
}


static void
no_room(void)
{
    char                 path[512];
    entra_err_t          err;
    fake_platform_t      w;
    fake_store_t         s;
    entra_signed_in_t    r;
    entra_credential_t  *c;

    fake_init(&w);
    fake_store_init(&s, &w);
    s.full = 1;
    memset(&r, 0, sizeof(r));
    strcpy(r.id, "id");
    r.refresh_token = strdup("RT");
    entra_err_clear(&err);

    c = make("interactive_browser", BROWSE, &s);
    ok(entra_signed_in_save(c, &r, &err) == -1
       && strstr(err.text, "no room in the shared zone") != NULL,
       "a full zone");
    entra_credential_free(c);

    snprintf(path, sizeof(path), "%s", fixture_path("state2"));
    c = make("interactive_browser", with_state(path), &s);
    ok(entra_signed_in_save(c, &r, &err) == 0, "a full zone, with a file");
    fake_reply(&w, 200, GOOD);
    ok(fake_acquire(&w, c, SCOPE, NULL)->ok, "goes on with the file");

    s.full = 0;
    {
        char  gone[700];

        snprintf(gone, sizeof(gone), "%s.dir", path);
        free(((entra_signed_in_conf_t *) c->conf)->state_file);
        strcat(gone, "/state");
        ((entra_signed_in_conf_t *) c->conf)->state_file = strdup(gone);
    }
    entra_err_clear(&err);
    ok(entra_signed_in_save(c, &r, &err) == 1
       && strstr(err.text, "cannot create") != NULL, "%s", err.text);
    entra_credential_free(c);

    entra_signed_in_free(&r);
    fake_store_clear(&s);
    fake_free(&w);
}


int
main(void)
{
    env = fixture_env("AZURE_TENANT_ID=ignored\nAZURE_CLIENT_ID=ignored\n");
    key_file = fixture_write("key", "0123456789abcdef0123456789abcdef\n");
    chmod(key_file, 0600);

    configuration();
    due();
    refresh();
    survives();
    one_at_a_time();
    state_file();
    no_room();

    entra_env_free(env);

    return done();
}
