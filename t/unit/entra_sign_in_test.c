
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_enc.h"
#include "entra_form.h"
#include "entra_sign_in.h"
#include "entra_signed_in.h"
#include "credentials.h"
#include "fake_store.h"


#define SCOPE     "https://ml.azure.com/.default"
#define REDIRECT  "https://gw.test/in/callback"
#define DEVICE    "{\"user_code\":\"ABCD-EFGH\",\"device_code\":\"DEV1\"," \
                  "\"verification_uri\":"                                  \
                  "\"https://microsoft.com/devicelogin\","                 \
                  "\"expires_in\":900,\"interval\":5}"
#define PENDING   "{\"error\":\"authorization_pending\","                      \
                  "\"error_codes\":[70016]}"
#define SLOW      "{\"error\":\"slow_down\"}"


/* two workers of one gateway, and a browser */

typedef struct {
    fake_platform_t       w;
    fake_store_t          s;
    entra_env_t          *env;
    entra_credential_t   *browse[2];
    entra_credential_t   *device[2];
    entra_sign_in_t      *site[2];
    int                   signed_in;

    /* the browser's */
    char                  jar[1024];
    char                  csrf[64];

    /* the last answer */
    int                   answers;
    int                   status;
    char                  headers[4096];
    char                  body[65536];
} gateway_t;


static void
on_signed_in(void *data, entra_credential_t *c)
{
    ((gateway_t *) data)->signed_in++;
}


static void
up_worker(gateway_t *g, int n, const char *more)
{
    char         block[512];
    entra_err_t  err;

    snprintf(block, sizeof(block), "client_id app;tenant_id t1;scope aml;"
             "redirect_uri " REDIRECT "%s", more);
    g->browse[n] = fake_credential("interactive_browser", block, g->env,
                                   &err);
    g->device[n] = fake_credential("device_code", "tenant_id t2;scope arm",
                                   g->env, &err);

    if (g->browse[n] == NULL || g->device[n] == NULL) {
        printf("# %s\n", err.text);
        exit(2);
    }

    free(g->browse[n]->name);
    free(g->device[n]->name);
    g->browse[n]->name = strdup("alice");
    g->device[n]->name = strdup("b<o>b");
    g->browse[n]->store = &g->s.store;
    g->device[n]->store = &g->s.store;

    g->site[n] = entra_sign_in_create(&g->w.platform, on_signed_in, g);
    entra_sign_in_add(g->site[n], g->browse[n]);
    entra_sign_in_add(g->site[n], g->device[n]);
}


static void
down_worker(gateway_t *g, int n)
{
    entra_sign_in_free(g->site[n]);
    entra_credential_free(g->browse[n]);
    entra_credential_free(g->device[n]);
    g->site[n] = NULL;
}


static gateway_t *
up(const char *more)
{
    gateway_t  *g;

    g = calloc(1, sizeof(gateway_t));
    fake_init(&g->w);
    fake_store_init(&g->s, &g->w);
    g->env = fixture_env("");
    up_worker(g, 0, more);
    up_worker(g, 1, more);

    return g;
}


static void
down(gateway_t *g)
{
    down_worker(g, 0);
    down_worker(g, 1);
    ok(fake_pending(&g->w) == 0, "nothing is left under way");
    entra_env_free(g->env);
    fake_store_clear(&g->s);
    fake_free(&g->w);
    free(g);
}


/* "name=value; ...", over one of the same name */

static void
set_cookie(gateway_t *g, const char *header)
{
    char    old[1024], *pair, *rest;
    size_t  n = strcspn(header, "=") + 1;

    snprintf(old, sizeof(old), "%s", g->jar);
    snprintf(g->jar, sizeof(g->jar), "%.*s", (int) strcspn(header, ";"),
             header);

    for (pair = strtok_r(old, "; ", &rest); pair;
         pair = strtok_r(NULL, "; ", &rest))
    {
        if (strncmp(pair, header, n) != 0) {
            snprintf(g->jar + strlen(g->jar), sizeof(g->jar) - strlen(g->jar),
                     "; %s", pair);
        }
    }
}


static void
answered(void *data, const entra_sign_in_response_t *r)
{
    unsigned    i;
    gateway_t  *g = data;

    g->answers++;
    g->status = r->status;
    g->headers[0] = '\0';

    for (i = 0; i < r->nheaders; i++) {
        snprintf(g->headers + strlen(g->headers),
                 sizeof(g->headers) - strlen(g->headers), "%s: %s\n",
                 r->headers[i].name, r->headers[i].value);

        if (strcmp(r->headers[i].name, "Set-Cookie") == 0) {
            set_cookie(g, r->headers[i].value);
        }
    }

    snprintf(g->body, sizeof(g->body), "%s",
             r->body.data ? r->body.data : "");
}


static entra_sign_in_request_t
request(gateway_t *g, const char *method, const char *path)
{
    entra_sign_in_request_t  r;

    memset(&r, 0, sizeof(r));
    r.method = entra_str_c(method);
    r.base = entra_str("/in");
    r.path = entra_str_c(path);
    r.cookie = entra_str_c(g->jar);
    r.host = entra_str("gw.test");
    r.https = 1;

    return r;
}


/* runs until the answer is there; timers of the far future wait */

static void
send_request(gateway_t *g, int worker, const entra_sign_in_request_t *r)
{
    int  i, before = g->answers;

    g->status = 0;

    if (entra_sign_in_handle(g->site[worker], r, answered, g) == NULL) {
        printf("# no call\n");
        return;
    }

    for (i = 0; i < 10 && g->answers == before; i++) {
        if (!fake_step(&g->w)) {
            return;
        }
    }
}


static void
get(gateway_t *g, int worker, const char *path, const char *query)
{
    entra_sign_in_request_t  r;

    r = request(g, "GET", path);
    r.query = entra_str_c(query ? query : "");
    send_request(g, worker, &r);
}


static entra_sign_in_request_t
form(gateway_t *g, const char *body)
{
    entra_sign_in_request_t  r;

    r = request(g, "POST", "/begin");
    r.body = entra_str_c(body);
    r.content_type = entra_str("application/x-www-form-urlencoded");
    r.origin = entra_str("https://gw.test");
    r.fetch_site = entra_str("same-origin");

    return r;
}


static void
read_csrf(gateway_t *g)
{
    char  *p;

    p = strstr(g->body, "name=\"csrf\" value=\"");
    snprintf(g->csrf, sizeof(g->csrf), "%.43s",
             p ? p + strlen("name=\"csrf\" value=\"") : "");
}


static void
begin(gateway_t *g, int worker, const char *name)
{
    char                     body[256];
    entra_sign_in_request_t  r;

    get(g, worker, "", NULL);
    read_csrf(g);
    snprintf(body, sizeof(body), "csrf=%s&credential=%s", g->csrf, name);
    r = form(g, body);
    send_request(g, worker, &r);
}


/* a parameter of the URL that the browser is sent to */

static const char *
away(gateway_t *g, const char *name)
{
    char         *p, *end, key[64];
    static char   value[512];

    snprintf(key, sizeof(key), "&amp;%s=", name);
    p = strstr(g->body, key);

    if (p == NULL) {
        return "";
    }

    p += strlen(key);
    end = strpbrk(p, "&\"");
    snprintf(value, sizeof(value), "%.*s", (int) (end - p), p);

    return value;
}


static const char *
tokens(const char *refresh, const char *claims)
{
    entra_buf_t  b;
    static char  text[4096];

    entra_buf_init(&b, 2048);

    if (claims) {
        entra_enc_base64url(&b, claims, strlen(claims));
    }

    snprintf(text, sizeof(text), "{\"token_type\":\"Bearer\",\"expires_in\":"
             "3599,\"access_token\":\"TOKEN\"%s%s%s%s%s%s}",
             refresh ? ",\"refresh_token\":\"" : "", refresh ? refresh : "",
             refresh ? "\"" : "", claims ? ",\"id_token\":\"e30." : "",
             claims ? b.data : "", claims ? ".c2ln\"" : "");
    entra_buf_free(&b);

    return text;
}


static const char *
id_claims(gateway_t *g, const char *aud, const char *nonce)
{
    static char  text[512];

    snprintf(text, sizeof(text), "{\"aud\":\"%s\",\"exp\":%lld,\"nonce\":"
             "\"%s\",\"preferred_username\":\"alice@contoso.com\"}", aud,
             (long long) g->w.wall + 3600, nonce);

    return text;
}


static int
has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}


static void
page(void)
{
    gateway_t                *g;
    entra_sign_in_request_t   r;

    g = up("");
    get(g, 0, "", NULL);
    ok(g->status == 200 && has(g->body, "<h2>alice</h2>")
       && has(g->body, "<h2>b&lt;o&gt;b</h2>")
       && has(g->body, "value=\"b&lt;o&gt;b\""), "both credentials, escaped");
    ok(has(g->body, "Sign-in is due.") && !has(g->body, "http-equiv"),
       "due, and it does not refresh");
    ok(!has(g->body, "<script") && !has(g->body, "javascript:")
       && !has(g->body, " on"), "no script");
    ok(has(g->headers, "Content-Security-Policy: default-src 'none'; "
           "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
           "style-src 'sha256-")
       && has(g->headers, "X-Frame-Options: DENY\n")
       && has(g->headers, "Cache-Control: no-store\n")
       && has(g->headers, "X-Content-Type-Options: nosniff\n")
       && has(g->headers, "Referrer-Policy: same-origin\n"), "headers");
    ok(has(g->headers, "Set-Cookie: __Host-entra-csrf=")
       && has(g->headers, "; Path=/; Max-Age=86400; HttpOnly; "
              "SameSite=Strict; Secure\n"), "cookie");
    ok(fake_store_count(&g->s) == 0, "looking at it stores nothing");

    get(g, 1, "/", NULL);
    ok(g->status == 200 && !has(g->headers, "Set-Cookie"),
       "a second look, another worker: the same cookie");

    r = request(g, "GET", "");
    r.https = 0;
    r.cookie = entra_str_null;
    send_request(g, 0, &r);
    ok(has(g->headers, "Set-Cookie: entra-csrf=")
       && !has(g->headers, "Secure"), "plain http: the cookie says so");

    r = request(g, "HEAD", "");
    send_request(g, 0, &r);
    ok(g->status == 200, "HEAD");
    r = request(g, "DELETE", "");
    send_request(g, 0, &r);
    ok(g->status == 405 && has(g->headers, "Allow: GET, HEAD\n"), "DELETE");
    get(g, 0, "/begin", NULL);
    ok(g->status == 405 && has(g->headers, "Allow: POST\n"), "GET /begin");
    get(g, 0, "/other", NULL);
    ok(g->status == 404, "another path");

    r = request(g, "GET", "begin");
    r.base = entra_str("/in/");
    send_request(g, 0, &r);
    ok(g->status == 405, "a location that ends in a slash");
    r.path = entra_str("");
    send_request(g, 0, &r);
    ok(has(g->body, "action=\"/in/begin\""), "its form");

    down(g);
}


static void
forgery(void)
{
    char                      body[256], other[256], jar[1024];
    gateway_t                *g;
    entra_sign_in_request_t   r;

    g = up("");
    get(g, 0, "", NULL);
    read_csrf(g);
    snprintf(jar, sizeof(jar), "%s", g->jar);
    snprintf(body, sizeof(body), "csrf=%s&credential=alice", g->csrf);

    r = form(g, body);
    r.cookie = entra_str_null;
    send_request(g, 0, &r);
    ok(g->status == 403, "without the cookie");

    r = form(g, "credential=alice");
    r.cookie = entra_str_c(jar);
    send_request(g, 0, &r);
    ok(g->status == 403, "without the token");

    snprintf(other, sizeof(other), "csrf=%c%s&credential=alice",
             g->csrf[0] == 'A' ? 'B' : 'A', g->csrf + 1);
    r = form(g, other);
    r.cookie = entra_str_c(jar);
    send_request(g, 0, &r);
    ok(g->status == 403, "another token");

    /* the cookie itself is not the token */
    snprintf(other, sizeof(other), "csrf=%.43s&credential=alice",
             strstr(jar, "csrf=") + 5);
    r = form(g, other);
    r.cookie = entra_str_c(jar);
    send_request(g, 0, &r);
    ok(g->status == 403, "the cookie as token");

    r = form(g, body);
    r.cookie = entra_str_c(jar);
    r.fetch_site = entra_str_null;
    r.origin = entra_str("https://evil.test");
    send_request(g, 0, &r);
    ok(g->status == 403, "from another origin");
    r.origin = entra_str("null");
    send_request(g, 0, &r);
    ok(g->status == 403, "from no origin");
    r.origin = entra_str("https://gw.test.evil.test");
    send_request(g, 0, &r);
    ok(g->status == 403, "from an origin that begins alike");
    r.origin = entra_str("https://gw.test/");
    send_request(g, 0, &r);
    ok(g->status == 403, "not an origin");
    r.origin = entra_str("http://gw.test");
    send_request(g, 0, &r);
    ok(g->status == 403, "from plain http");
    r.origin = entra_str("https://gw.test");
    r.fetch_site = entra_str("same-site");
    send_request(g, 0, &r);
    ok(g->status == 403, "from another host of the site");

    r = form(g, body);
    r.cookie = entra_str_c(jar);
    r.content_type = entra_str("text/plain");
    send_request(g, 0, &r);
    ok(g->status == 400, "not a form");

    snprintf(other, sizeof(other), "csrf=%s&credential=eve", g->csrf);
    r = form(g, other);
    r.cookie = entra_str_c(jar);
    send_request(g, 0, &r);
    ok(g->status == 404, "no such credential");
    ok(fake_store_count(&g->s) == 0, "nothing was begun");

    r = form(g, body);
    r.cookie = entra_str_c(jar);
    r.content_type = entra_str("application/x-www-form-urlencoded; charset=x");
    r.origin = entra_str_null;
    r.fetch_site = entra_str_null;
    send_request(g, 0, &r);
    ok(g->status == 200, "an old browser, which says less");

    r.host = entra_str("10.0.0.1");
    r.origin = entra_str("https://gw.test");
    r.fetch_site = entra_str("same-origin");
    send_request(g, 0, &r);
    ok(g->status == 200 && has(g->body, "oauth2/v2.0/authorize"),
       "a proxy in front, which gives another host");
    r.origin = entra_str("https://GW.test:443");
    send_request(g, 0, &r);
    ok(has(g->body, "oauth2/v2.0/authorize"), "the same address");
    r.origin = entra_str("https://localhost");
    send_request(g, 0, &r);
    ok(g->status == 200 && has(g->body, "0;url=https://gw.test/in\"")
       && !has(g->headers, "entra-sign-in="),
       "another address: to the page at that of redirect_uri");

    down(g);
}


static void
code(void)
{
    char                      query[512], state[64], want[256], nonce[64];
    char                      digest[ENTRA_SESSION_WORD];
    gateway_t                *g;
    entra_buf_t               verifier;
    entra_credential_t       *c;
    entra_err_t               err;
    entra_signed_in_t         record;

    g = up("");
    begin(g, 0, "alice");
    ok(g->status == 200
       && has(g->body, "<meta http-equiv=\"refresh\" content=\"0;url="
              "https://login.microsoftonline.com/t1/oauth2/v2.0/authorize?"
              "client_id=app&amp;response_type=code&amp;response_mode=query"
              "&amp;redirect_uri=https%3A%2F%2Fgw.test%2Fin%2Fcallback"
              "&amp;scope=https%3A%2F%2Fml.azure.com%2F.default%20openid%20"
              "profile%20offline_access&amp;state="), "away to Entra");
    is(away(g, "code_challenge_method"), "S256", "PKCE");
    is(away(g, "prompt"), "select_account", "prompt");
    ok(has(g->headers, "Set-Cookie: __Host-entra-sign-in=")
       && has(g->headers, "; HttpOnly; SameSite=Lax; Secure\n"), "cookie");

    snprintf(state, sizeof(state), "%s", away(g, "state"));
    snprintf(nonce, sizeof(nonce), "%s", away(g, "nonce"));
    ok(strlen(state) == 43 && strlen(nonce) == 43
       && strcmp(state, nonce) != 0, "state and nonce");
    snprintf(want, sizeof(want), "%s", away(g, "code_challenge"));

    /* back in the other worker */

    fake_reply(&g->w, 200, tokens("RT1", id_claims(g, "app", nonce)));
    snprintf(query, sizeof(query), "code=C%%2F1&state=%s&session_state=x",
             state);
    get(g, 1, "/callback", query);
    ok(g->status == 200 && has(g->body, "You are signed in as "
                                        "alice@contoso.com."), "signed in");
    ok(g->signed_in == 1, "the caller is told");
    is(g->w.requests[0].url,
       "https://login.microsoftonline.com/t1/oauth2/v2.0/token", "URL");
    ok(has(g->w.requests[0].body, "client_id=app&grant_type=authorization_code"
           "&scope=https%3A%2F%2Fml.azure.com%2F.default%20openid%20profile"
           "%20offline_access&client_info=1&code=C%2F1&redirect_uri="
           "https%3A%2F%2Fgw.test%2Fin%2Fcallback&code_verifier="), "body");

    entra_buf_init(&verifier, 64);
    ok(entra_form_field(entra_str_c(g->w.requests[0].body), "code_verifier",
                        &verifier) == 1 && verifier.len == 43, "verifier");
    entra_session_digest(entra_buf_str(&verifier), digest);
    is(digest, want, "which is that of the challenge");
    entra_buf_free(&verifier);

    c = g->browse[0];
    entra_err_clear(&err);
    ok(entra_signed_in_load(c, &record, &err) == 0
       && record.refresh_token && strcmp(record.refresh_token, "RT1") == 0,
       "the first worker has the refresh token");
    entra_signed_in_free(&record);

    fake_reply(&g->w, 200, tokens("RT2", id_claims(g, "app", nonce)));
    get(g, 1, "/callback", query);
    ok(g->status == 400 && g->w.nrequests == 1, "once only");

    get(g, 0, "", NULL);
    ok(has(g->body, "Signed in as <b>alice@contoso.com</b> since "
           "2023-11-14T22:13:20Z"), "on the page");
    ok(has(g->body, ">Sign in again<"), "and again");

    ok(has(g->w.log.data, "credential \"alice\": alice@contoso.com has signed"
                          " in"), "in the log");
    ok(!has(g->w.log.data, "RT1") && !has(g->w.log.data, state),
       "without secrets");
    down(g);
}


/* each is a callback that must not sign anybody in */

static void
code_refused(const char *name, const char *query_of, const char *reply,
    int keep_cookie, int want, const char *text)
{
    char        query[1024], state[64], nonce[64], claims[512];
    gateway_t  *g;

    g = up("");
    begin(g, 0, "alice");
    snprintf(state, sizeof(state), "%s", away(g, "state"));
    snprintf(nonce, sizeof(nonce), "%s", away(g, "nonce"));
    snprintf(query, sizeof(query), query_of, state);

    if (reply && reply[0] == '=') {
        snprintf(claims, sizeof(claims), "%s",
                 id_claims(g, strcmp(reply, "=aud") == 0 ? "other" : "app",
                           strcmp(reply, "=nonce") == 0 ? state : nonce));
        fake_reply(&g->w, 200,
                   tokens(strcmp(reply, "=refresh") == 0 ? NULL : "RT",
                          strcmp(reply, "=id") == 0 ? NULL : claims));
        ((fake_reply_t *) &g->w.replies[0])->reply.status = 200;

    } else if (reply) {
        fake_reply(&g->w, 400, reply);
    }

    if (!keep_cookie) {
        snprintf(g->jar, sizeof(g->jar), "__Host-entra-sign-in=%s", state);
    }

    get(g, 0, "/callback", query);

    if (!ok(g->status == want && has(g->body, text) && g->signed_in == 0,
            "%s", name))
    {
        }

    ok(!has(g->body, "<evil>") && !has(g->body, state), "nothing raw");
    down(g);
}


static void
code_refusals(void)
{
    code_refused("no state", "code=x", NULL, 1, 400, "not an answer");
    code_refused("another state", "code=x&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                 "AAAAAAAAAAAA", NULL, 1, 400, "no sign-in that is under way");
    code_refused("an empty state", "code=x&state=", NULL, 1, 400,
                 "no sign-in");
    code_refused("two states", "code=x&state=%s&state=y", NULL, 1, 400,
                 "not an answer");
    code_refused("another browser", "code=x&state=%s", NULL, 0, 403,
                 "started in another browser");
    code_refused("two codes", "code=x&state=%s&code=y", NULL, 1, 400,
                 "code in the answer is invalid");
    code_refused("declined", "error=access_denied&error_description=AADSTS65004"
                 ":+User+%%3Cevil%%3E%%0D%%0Adeclined&state=%s", NULL, 1, 400,
                 "login.microsoftonline.com did not sign you in: access_denied"
                 ", AADSTS65004: User &lt;evil&gt;  declined");
    code_refused("neither code nor error", "state=%s", NULL, 1, 400,
                 "did not sign you in");
    code_refused("an error without state says nothing", "error=x&"
                 "error_description=%%3Cevil%%3E", NULL, 1, 400,
                 "not an answer");
    code_refused("another issuer", "code=x&state=%s&iss=https%%3A%%2F%%2F"
                 "evil.test%%2Ft1", NULL, 1, 400, "not from the authority");
    code_refused("an issuer of the same beginning", "code=x&state=%s&iss="
                 "https://login.microsoftonline.com.evil.test/", NULL, 1, 400,
                 "not from the authority");
    code_refused("a code that is refused", "code=x&state=%s",
                 "{\"error\":\"invalid_grant\",\"error_description\":"
                 "\"AADSTS70008: <evil> expired\",\"error_codes\":[70008]}",
                 1, 502, "AADSTS70008");
    code_refused("nonce", "code=x&state=%s", "=nonce", 1, 502,
                 "its nonce differs");
    code_refused("audience", "code=x&state=%s", "=aud", 1, 502,
                 "for another application");
    code_refused("no ID token", "code=x&state=%s", "=id", 1, 502,
                 "there is no ID token");
    code_refused("no refresh token", "code=x&state=%s", "=refresh", 1, 502,
                 "there is no refresh token");
}


static void
code_more(void)
{
    int         i;
    char        query[256], state[64];
    gateway_t  *g;

    /* too late */

    g = up("");
    begin(g, 0, "alice");
    snprintf(state, sizeof(state), "%s", away(g, "state"));
    snprintf(query, sizeof(query), "code=x&state=%s", state);
    g->w.mono += 901 * 1000;
    g->w.wall += 901;
    get(g, 0, "/callback", query);
    ok(g->status == 400 && has(g->body, "it came too late"), "after 15 min");
    down(g);

    /* many browsers begin: the oldest gives way, the store stays small */

    g = up("");

    for (i = 0; i < 30; i++) {
        g->jar[0] = '\0';
        g->w.wall++;
        g->w.mono += 1000;
        begin(g, i % 2, "alice");

        if (i == 0) {
            snprintf(state, sizeof(state), "%s", away(g, "state"));
        }
    }

    ok(fake_store_count(&g->s) == ENTRA_SESSION_SLOTS, "%u at a time",
       fake_store_count(&g->s));
    snprintf(query, sizeof(query), "code=x&state=%s", state);
    get(g, 0, "/callback", query);
    ok(g->status == 400, "the first one is gone");
    snprintf(query, sizeof(query), "error=x&state=%s", "");
    down(g);

    /* the same browser again: the last one counts */

    g = up("");
    begin(g, 0, "alice");
    snprintf(state, sizeof(state), "%s", away(g, "state"));
    begin(g, 1, "alice");
    ok(fake_store_count(&g->s) == 1, "one for each browser");
    snprintf(query, sizeof(query), "code=x&state=%s", state);
    get(g, 0, "/callback", query);
    ok(g->status == 400, "the older one has ended");
    down(g);

    /* a full zone */

    g = up("");
    g->s.full = 1;
    begin(g, 0, "alice");
    ok(g->status == 503 && has(g->body, "entra_shared_zone"), "no room");
    down(g);

    /* the client goes away */

    g = up("");
    begin(g, 0, "alice");
    {
        entra_sign_in_call_t     *call;
        entra_sign_in_request_t   r;

        snprintf(query, sizeof(query), "code=x&state=%s", away(g, "state"));
        r = request(g, "GET", "/callback");
        r.query = entra_str_c(query);
        call = entra_sign_in_handle(g->site[0], &r, answered, g);
        ok(call != NULL && g->w.nrequests == 1, "under way");
        entra_sign_in_cancel(call);
        r = request(g, "GET", "");
        call = entra_sign_in_handle(g->site[0], &r, answered, g);
        entra_sign_in_cancel(call);
    }
    down(g);

    /* no connection */

    g = up("");
    begin(g, 0, "alice");
    snprintf(query, sizeof(query), "code=x&state=%s", away(g, "state"));
    fake_reply(&g->w, 0, "")->refused = 1;
    get(g, 0, "/callback", query);
    ok(g->status == 503 && has(g->body, "the connection was refused"),
       "no connection");
    down(g);
}


/* the next poll of the device code, time moves there */

static void
poll(gateway_t *g)
{
    unsigned  i, n = g->w.nrequests;

    for (i = 0; i < 50 && g->w.nrequests == n; i++) {
        fake_step(&g->w);
    }

    fake_step(&g->w);
}


static void
device(void)
{
    char        jar[1024];
    int64_t     before;
    gateway_t  *g;

    g = up("");
    fake_reply(&g->w, 200, DEVICE);
    begin(g, 0, "b%3Co%3Eb");
    ok(g->status == 303 && has(g->headers, "Location: /in\n"),
       "begun, back to the page");
    is(g->w.requests[0].url,
       "https://login.microsoftonline.com/t2/oauth2/v2.0/devicecode", "URL");
    is(g->w.requests[0].body, "client_id=" ENTRA_SIGNED_IN_CLIENT "&scope="
       "https%3A%2F%2Fmanagement.azure.com%2F.default%20openid%20profile%20"
       "offline_access", "body");

    get(g, 1, "", NULL);
    ok(has(g->body, "<p class=\"code\">ABCD-EFGH</p>")
       && has(g->body, "href=\"https://microsoft.com/devicelogin\"")
       && has(g->body, "content=\"5\"") && has(g->body, "in 15 minutes"),
       "the code, in any worker, and it looks again");
    ok(!has(g->body, "DEV1"), "the device code is not shown");

    snprintf(jar, sizeof(jar), "%s", g->jar);
    g->jar[0] = '\0';
    get(g, 1, "", NULL);
    ok(!has(g->body, "ABCD-EFGH"), "other browsers do not see it");
    snprintf(g->jar, sizeof(g->jar), "%s", jar);

    before = g->w.mono;
    fake_reply(&g->w, 400, PENDING);
    poll(g);
    ok(g->w.mono - before == 5000, "polled after the interval");
    ok(has(g->w.requests[1].body, "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3A"
           "grant-type%3Adevice_code&")
       && has(g->w.requests[1].body, "&device_code=DEV1"), "body");

    before = g->w.mono;
    fake_reply(&g->w, 400, SLOW);
    poll(g);
    ok(g->w.mono - before == 5000, "again");

    before = g->w.mono;
    fake_reply(&g->w, 503, "");
    poll(g);
    ok(g->w.mono - before == 10000, "slow_down: 5 s more");

    before = g->w.mono;
    fake_reply(&g->w, 200, tokens("RT1", "{\"aud\":\"" ENTRA_SIGNED_IN_CLIENT
                                  "\",\"exp\":2000000000,\"upn\":\"bob@x\"}"));
    poll(g);
    ok(g->w.mono - before == 15000, "an outage: 5 s more");
    ok(g->signed_in == 1, "signed in");

    get(g, 1, "", NULL);
    ok(has(g->body, "Done: bob@x has signed in")
       && has(g->body, "Signed in as <b>bob@x</b>")
       && !has(g->body, "http-equiv"), "the page says so");
    ok(g->w.nrequests == 5, "one worker polls");

    g->w.mono += 601 * 1000;
    g->w.wall += 601;
    get(g, 1, "", NULL);
    ok(!has(g->body, "Done:"), "for ten minutes");
    down(g);
}


static void
device_ended(const char *name, int status, const char *reply,
    const char *text)
{
    gateway_t  *g;

    g = up("");
    fake_reply(&g->w, 200, DEVICE);
    begin(g, 0, "b%3Co%3Eb");
    fake_reply(&g->w, status, reply);
    poll(g);
    get(g, 0, "", NULL);

    if (!ok(has(g->body, text) && !has(g->body, "http-equiv"), "%s", name)) {
        printf("# %s\n", g->body);
    }

    fake_reply(&g->w, 400, PENDING);
    fake_step(&g->w);
    fake_step(&g->w);
    ok(g->w.nrequests == 2 && g->signed_in == 0, "polled no more");
    down(g);
}


static void
device_more(void)
{
    unsigned    i;
    gateway_t  *g;

    device_ended("declined", 400, "{\"error\":\"authorization_declined\"}",
                 "The sign-in was declined.");
    device_ended("declined, RFC", 400, "{\"error\":\"access_denied\"}",
                 "The sign-in was declined.");
    device_ended("expired", 400, "{\"error\":\"expired_token\"}",
                 "The code expired");
    device_ended("wrong", 400, "{\"error\":\"bad_verification_code\","
                 "\"error_description\":\"AADSTS7000014: <evil>\"}",
                 "bad_verification_code: &lt;evil&gt;");
    device_ended("no refresh token", 200, tokens(NULL, NULL),
                 "there is no refresh token");

    /* nobody signs in */

    g = up("");
    fake_reply(&g->w, 200, "{\"user_code\":\"A\",\"device_code\":\"B\","
               "\"verification_uri\":\"https://x/\",\"expires_in\":200}");
    begin(g, 0, "b%3Co%3Eb");

    for (i = 0; i < 60; i++) {
        fake_reply(&g->w, 400, PENDING);
    }

    for (i = 0; i < 300 && g->w.mono < 5000 + 220 * 1000; i++) {
        fake_step(&g->w);
    }

    get(g, 0, "", NULL);
    ok(has(g->body, "The code expired") && g->w.nrequests == 40,
       "expired: %u requests", g->w.nrequests);
    down(g);

    /* the worker that polls is replaced: another one goes on */

    g = up("");
    fake_reply(&g->w, 200, DEVICE);
    begin(g, 0, "b%3Co%3Eb");
    fake_reply(&g->w, 400, PENDING);
    poll(g);
    down_worker(g, 0);
    fake_reply(&g->w, 200, tokens("RT1", NULL));
    poll(g);
    ok(g->signed_in == 1 && g->w.nrequests == 3, "another worker goes on");
    up_worker(g, 0, "");
    down(g);

    /* started over: the first code is forgotten */

    g = up("");
    fake_reply(&g->w, 200, DEVICE);
    begin(g, 0, "b%3Co%3Eb");
    fake_reply(&g->w, 200, "{\"user_code\":\"SECOND\",\"device_code\":\"DEV2\""
               ",\"verification_uri\":\"https://x/\",\"expires_in\":\"900\"}");
    begin(g, 1, "b%3Co%3Eb");
    get(g, 0, "", NULL);
    ok(has(g->body, "SECOND") && !has(g->body, "ABCD-EFGH"), "started over");
    fake_reply(&g->w, 400, PENDING);
    fake_reply(&g->w, 400, PENDING);
    poll(g);
    poll(g);
    ok(has(g->w.requests[2].body, "device_code=DEV2")
       && has(g->w.requests[3].body, "device_code=DEV2"),
       "only the second is polled for");
    down(g);

    /* wrong answers to the first request */

    g = up("");
    fake_reply(&g->w, 400, "{\"error\":\"unauthorized_client\","
               "\"error_description\":\"AADSTS700016: no such app\"}");
    begin(g, 0, "b%3Co%3Eb");
    ok(g->status == 502 && has(g->body, "AADSTS700016")
       && has(g->body, "What to do: no such application"), "refused");
    fake_reply(&g->w, 200, "{\"user_code\":\"A\",\"device_code\":\"B\","
               "\"verification_uri\":\"http://x/\",\"expires_in\":900}");
    begin(g, 0, "b%3Co%3Eb");
    ok(g->status == 502 && has(g->body, "not a device code"),
       "a link that is not https");
    fake_reply(&g->w, 200, "{\"user_code\":\"A\",\"device_code\":\"B\","
               "\"verification_uri\":\"javascript:x\",\"expires_in\":900}");
    begin(g, 0, "b%3Co%3Eb");
    ok(g->status == 502, "a link that is a script");
    fake_reply(&g->w, 200, "<html>");
    begin(g, 0, "b%3Co%3Eb");
    ok(g->status == 502, "no JSON");
    down(g);
}


static void
sessions(void)
{
    entra_buf_t      b;
    entra_session_t  one, two;

    memset(&one, 0, sizeof(one));
    one.kind = ENTRA_SESSION_DEVICE;
    one.progress = ENTRA_SESSION_FAILED;
    one.created = 1;
    one.expires = 2;
    one.interval = 3;
    memset(one.browser, 'b', sizeof(one.browser) - 1);
    memset(one.state, 's', sizeof(one.state) - 1);
    memset(one.verifier, 'v', sizeof(one.verifier) - 1);
    memset(one.nonce, 'n', sizeof(one.nonce) - 1);
    memset(one.device_code, '"', sizeof(one.device_code) - 1);
    memset(one.user_code, '\\', sizeof(one.user_code) - 1);
    memset(one.uri, 'u', sizeof(one.uri) - 1);
    memset(one.text, '\\', sizeof(one.text) - 1);

    entra_buf_init(&b, ENTRA_SESSION_BLOB_MAX);
    ok(entra_session_write(&one, &b) == 0, "the largest session");
    ok(entra_session_read(entra_buf_str(&b), &two) == 0
       && memcmp(&one, &two, sizeof(one)) == 0, "there and back");
    ok(entra_session_read(entra_str("{}"), &two) == -1, "no session");
    ok(entra_session_read(entra_str("{\"v\":2}"), &two) == -1,
       "of another version");
    entra_buf_free(&b);
}


int
main(void)
{
    sessions();
    page();
    forgery();
    code();
    code_refusals();
    code_more();
    device();
    device_more();

    return done();
}
