
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_caller_keys.h"
#include "entra_credential_types.h"
#include "entra_discovery.h"
#include "fake_platform.h"
#include "jwt_make.h"
#include "tap.h"


static entra_err_t   err;
static EVP_PKEY     *key;
static char         *jwks, *fetched;


static void
keep(void *data, entra_acquire_t *a)
{
    err = a->err;

    if (a->token.value) {
        free(fetched);
        fetched = strdup(a->token.value);
        ok(strlen(fetched) == a->token.len, "length");
        ok(a->token.lifetime == ENTRA_CALLER_KEYS_LIFETIME
           && a->token.refresh_in == ENTRA_CALLER_KEYS_REFRESH, "times");
    }
}


static entra_credential_t *
credential(const char *authority)
{
    entra_str_t                 words[2];
    entra_credential_t         *c;
    entra_caller_token_conf_t   conf;

    jwt_conf(&conf);
    if (authority) {
        free(conf.authority_host);
        conf.authority_host = NULL;
        words[0] = entra_str("authority_host");
        words[1] = entra_str_c(authority);
        (void) entra_caller_token_conf_param(&conf, words, 2, &err);
    }

    c = entra_caller_keys_create(&conf, entra_env_create(NULL, 0), &err);
    entra_caller_token_conf_free(&conf);

    return c;
}


static void
done_with(entra_credential_t *c)
{
    entra_env_free(c->env);
    entra_credential_free(c);
}


static char *
document(const char *issuer, const char *uri)
{
    entra_buf_t  b;

    entra_buf_init(&b, 65536);
    entra_buf_addf(&b, "{\"issuer\":\"%s\",\"jwks_uri\":\"%s\"}", issuer, uri);

    return entra_buf_steal(&b);
}


static void
run(fake_platform_t *w, entra_credential_t *c)
{
    entra_err_clear(&err);
    (void) entra_acquire_start(&w->platform, c, entra_str(""), NULL, NULL, keep,
                               NULL);
    fake_run(w);
}


static void
fetches(void)
{
    char                *v1, *v2;
    fake_platform_t      w;
    entra_keyset_t       set;
    entra_credential_t  *c = credential(NULL);

    v1 = document(JWT_ISS_V1, "https://login.windows.net/common/discovery/"
                  "keys");
    v2 = document(JWT_ISS_V2, "https://login.microsoftonline.com/" JWT_TENANT
                  "/discovery/v2.0/keys");

    fake_init(&w);
    fake_reply(&w, 200, v1);
    fake_reply(&w, 200, jwks);
    fake_reply(&w, 200, v2);
    fake_reply(&w, 200, jwks);
    run(&w, c);

    ok(err.class == ENTRA_ERR_NONE && w.nrequests == 4, "four requests");
    is(w.requests[0].url, "https://login.microsoftonline.com/" JWT_TENANT
       "/.well-known/openid-configuration", "v1 document");
    is(w.requests[1].url, "https://login.windows.net/common/discovery/keys",
       "v1 keys");
    is(w.requests[2].url, "https://login.microsoftonline.com/" JWT_TENANT
       "/v2.0/.well-known/openid-configuration", "v2 document");
    is(w.requests[3].url, "https://login.microsoftonline.com/" JWT_TENANT
       "/discovery/v2.0/keys", "v2 keys");
    is(w.requests[0].method, "GET", "with GET");
    ok(!w.requests[0].local && w.requests[0].body[0] == '\0', "and no body");

    entra_keyset_init(&set);
    ok(entra_keyset_read(&set, entra_str_c(fetched), &err) == 0
       && set.n == 1 && set.keys[0].versions == 3
       && strcmp(set.issuer[0], JWT_ISS_V1) == 0
       && strcmp(set.issuer[1], JWT_ISS_V2) == 0, "what is to be shared");
    entra_keyset_free(&set);

    fake_free(&w);
    free(v1);
    free(v2);
    done_with(c);
}


static void
fails_with(const char *name, int status, const char *body, int before,
    entra_err_class_e class, const char *says)
{
    int                  i;
    char                *v1;
    fake_platform_t      w;
    entra_credential_t  *c = credential(NULL);

    v1 = document(JWT_ISS_V1, "https://login.microsoftonline.com/k");
    free(fetched);
    fetched = NULL;

    fake_init(&w);
    for (i = 0; i < before; i++) {
        fake_reply(&w, 200, i % 2 ? jwks : v1);
    }
    fake_reply(&w, status, body);
    run(&w, c);

    ok(fetched == NULL && err.class == class && strstr(err.text, says)
       && w.nrequests == (unsigned) before + 1, "%s: %s", name, err.text);

    fake_free(&w);
    free(v1);
    done_with(c);
}


static void
failures(void)
{
    fails_with("down", 0, "", 0, ENTRA_ERR_TRANSIENT, "login.microsoft");
    fails_with("500", 500, "oops", 1, ENTRA_ERR_TRANSIENT, "500");
    fails_with("throttled", 429, "", 1, ENTRA_ERR_THROTTLED, "429");
    fails_with("redirect", 302, "", 0, ENTRA_ERR_PROTOCOL, "not followed");
    fails_with("redirected keys", 307, "", 1, ENTRA_ERR_PROTOCOL,
               "keys of v1");
    fails_with("HTML", 200, "<html>", 0, ENTRA_ERR_PROTOCOL,
               "discovery document of v1");
    fails_with("HTML for keys", 200, "<html>", 1, ENTRA_ERR_PROTOCOL,
               "keys of v1");
    fails_with("HTML for v2", 200, "<html>", 2, ENTRA_ERR_PROTOCOL,
               "discovery document of v2");
    fails_with("no keys", 200, "{\"keys\":[]}", 3, ENTRA_ERR_PROTOCOL,
               "keys of v2");
    fails_with("unknown tenant", 400, "{\"error\":\"invalid_tenant\","
               "\"error_description\":\"AADSTS90002: Tenant not found.\"}", 0,
               ENTRA_ERR_CONFIG, "Tenant not found");
}


static void
too_large(void)
{
    fake_platform_t      w;
    entra_credential_t  *c = credential(NULL);

    fake_init(&w);
    fake_reply(&w, 200, "")->too_large = 1;
    run(&w, c);
    ok(err.class == ENTRA_ERR_PROTOCOL, "10 MB: %s", err.text);
    fake_free(&w);
    done_with(c);
}


static int
discovers(const char *authority, const char *issuer, const char *uri)
{
    int                rc;
    char              *text = document(issuer, uri);
    entra_discovery_t  d;

    entra_err_clear(&err);
    rc = entra_discovery_parse(&d, entra_str_c(text), authority, JWT_TENANT,
                               &err);
    if (rc == 0) {
        entra_discovery_free(&d);
    }

    free(text);

    return rc == 0;
}


static void
other_hosts(void)
{
    unsigned     i;
    const char  *mso = "https://login.microsoftonline.com";

    static const char  *uris[] = {
        "", "x", "http://login.microsoftonline.com/k",
        "https://login.microsoftonline.com.evil.example/k",
        "https://evil.example/k", "https://169.254.169.254/metadata",
        "https://login.microsoftonline.com:8443/k",
        "https://login.microsoftonline.com@evil.example/k",
        "https://login.microsoftonline.us/k", "file:///etc/passwd",
        "https://login.microsoftonline.com/k#f",
        "https://login.microsoftonline.com./k", NULL
    };

    static const char  *bad_issuers[] = {
        "", "http://sts.windows.net/" JWT_TENANT "/",
        "https://sts.windows.net/99999999-2222-4333-8444-555555555555/",
        "https://sts.windows.net/{tenantid}/",
        "https://sts.windows.net/x" JWT_TENANT "/",
        "https://" JWT_TENANT ".example/", "https://sts.windows.net/",
        "https://sts.windows.net/?/" JWT_TENANT "/", NULL
    };

    for (i = 0; uris[i]; i++) {
        ok(!discovers(mso, JWT_ISS_V2, uris[i]), "refused: \"%s\"", uris[i]);
    }

    for (i = 0; bad_issuers[i]; i++) {
        ok(!discovers(mso, bad_issuers[i],
                      "https://login.microsoftonline.com/k"),
           "refused: issuer \"%s\"", bad_issuers[i]);
    }

    ok(discovers(mso, JWT_ISS_V2, "https://LOGIN.microsoftonline.com:443/k"),
       "the same, written otherwise");
    ok(discovers("https://login.chinacloudapi.cn",
                 "https://login.partner.microsoftonline.cn/" JWT_TENANT
                 "/v2.0", "https://login.partner.microsoftonline.cn/k"),
       "China");
    ok(discovers("https://localhost:8443", "https://localhost:8443/" JWT_TENANT
                 "/v2.0", "https://localhost:8443/k"), "an emulator");
    ok(!discovers("https://localhost:8443", JWT_ISS_V2,
                  "https://localhost:8444/k"), "beside the emulator");
    ok(discovers("https://[::1]:8443", JWT_ISS_V2, "https://[::1]:8443/k"),
       "an emulator on IPv6");
}


static entra_absent_kids_t  absent;


static void
kids(void)
{
    memset(&absent, 0, sizeof(absent));

    ok(entra_caller_keys_due(0, 5000) == 5000, "never fetched: at once");
    ok(entra_caller_keys_due(5000, 5000 + ENTRA_CALLER_KEYS_INTERVAL) == 7000,
       "long ago: at once");
    ok(entra_caller_keys_due(5000, 5001) == 5000 + ENTRA_CALLER_KEYS_INTERVAL,
       "just now: after the interval");
    ok(entra_caller_keys_due(9000, 5000) == 5000, "of another clock: at once");

    ok(!entra_caller_keys_absent(&absent, "a", 1000, 999, 1001),
       "fetched before it was seen: it cannot be told");
    ok(!entra_caller_keys_absent(&absent, "a", 1000, 2000, 1500),
       "nor by a fetch that is of another clock");
    ok(!entra_caller_keys_absent(&absent, "a", 1500, 0, 1500),
       "nor without one");
    ok(entra_caller_keys_absent(&absent, "a", 1000, 1000, 1100),
       "fetched since: not published");
    ok(entra_caller_keys_absent(&absent, "a", 1200, 1000, 1200),
       "and so for the next request");
    ok(!entra_caller_keys_absent(&absent, "b", 1200, 1000, 1200),
       "not for another kid");
    ok(entra_caller_keys_absent(&absent, "a", 10999, 1000, 10999)
       && !entra_caller_keys_absent(&absent, "a", 11000, 1000, 11000),
       "for ten seconds");
}


/*
 * The gateway in the hands of someone who makes up a kid a millisecond.  One
 * fetch at a time, whose answer is of the moment at which it begins.
 */

#define FLOOD     100000
#define TOOK      150
#define ROTATION  50050

typedef struct {
    int64_t   refresh, begun, fetching;     /* 0: no fetch is under way */
    int64_t   waiting[FLOOD];               /* since when, 0: answered */
    int64_t   genuine, accepted;
    unsigned  from, fetches, refused, wrong, longest;
    int       rotated;                      /* the new key is at hand */
} flood_t;


/* 1: answered */

static int
flood_ask(flood_t *f, const char *kid, int64_t seen, int64_t now)
{
    int64_t  due;

    if (entra_caller_keys_absent(&absent, kid, seen, f->begun, now)) {
        return 1;
    }

    due = entra_caller_keys_due(f->begun, now);
    f->refresh = due < f->refresh ? due : f->refresh;

    return 0;
}


static void
flood_genuine(flood_t *f, int64_t now)
{
    if (f->accepted || now < ROTATION + 1) {
        return;
    }

    if (f->genuine == 0) {
        f->genuine = now;
    }

    if (f->rotated) {
        f->accepted = now;

    } else if (flood_ask(f, "genuine", f->genuine, now)) {
        f->wrong++;
    }
}


static void
flood_fetched(flood_t *f, int64_t now)
{
    char      kid[32];
    unsigned  i;

    f->begun = f->fetching;
    f->fetching = 0;
    f->refresh = now + ENTRA_CALLER_KEYS_REFRESH * 1000;
    f->rotated = f->begun >= ROTATION;

    for (i = f->from; i < FLOOD; i++) {
        if (f->waiting[i] == 0) {
            continue;
        }

        (void) snprintf(kid, sizeof(kid), "made-up-%u", i);

        if (flood_ask(f, kid, f->waiting[i], now)) {
            f->longest = now - f->waiting[i] > f->longest
                         ? (unsigned) (now - f->waiting[i]) : f->longest;
            f->waiting[i] = 0;
            f->refused++;
            f->from = i;
        }
    }
}


static void
flood(void)
{
    char      kid[32];
    int64_t   now;
    unsigned  i;
    flood_t  *f = calloc(1, sizeof(flood_t));

    memset(&absent, 0, sizeof(absent));
    f->refresh = INT64_MAX;
    f->begun = 1;

    for (now = 5000, i = 0; now < 5000 + FLOOD + 5000; now++, i++) {

        if (f->fetching && now - f->fetching >= TOOK) {
            flood_fetched(f, now);
        }

        if (i < FLOOD) {
            (void) snprintf(kid, sizeof(kid), "made-up-%u", i);
            f->waiting[i] = now;
            f->wrong += flood_ask(f, kid, now, now);
        }

        flood_genuine(f, now);

        if (f->fetching == 0 && f->refresh <= now) {
            f->fetching = now;
            f->fetches++;
        }
    }

    ok(f->fetches >= 2 && f->fetches <= FLOOD / ENTRA_CALLER_KEYS_INTERVAL + 2,
       "%d kids that were made up in %d s: %u fetches", FLOOD, FLOOD / 1000,
       f->fetches);
    ok(f->accepted && f->accepted - f->genuine
                      <= ENTRA_CALLER_KEYS_INTERVAL + 2 * TOOK,
       "a caller with the new key waited %d ms",
       (int) (f->accepted - f->genuine));
    ok(f->wrong == 0, "nobody is refused for keys from before the request");
    ok(f->refused == FLOOD, "each kid that was made up is refused");
    ok(f->longest <= ENTRA_CALLER_KEYS_INTERVAL + 2 * TOOK,
       "after %u ms at most", f->longest);

    free(f);
}


/* a client that does not stop, with one kid */

static void
again(void)
{
    int64_t   now, seen = 0;
    flood_t  *f = calloc(1, sizeof(flood_t));

    memset(&absent, 0, sizeof(absent));
    f->refresh = INT64_MAX;
    f->begun = 1;

    for (now = 5000; now < 5000 + 60000; now++) {

        if (f->fetching && now - f->fetching >= TOOK) {
            flood_fetched(f, now);
        }

        seen = seen ? seen : now;

        if (flood_ask(f, "stale", seen, now)) {
            seen = 0;
        }

        if (f->fetching == 0 && f->refresh <= now) {
            f->fetching = now;
            f->fetches++;
        }
    }

    ok(f->fetches == 60000 / ENTRA_CALLER_KEYS_ABSENT,
       "one kid again and again for a minute: %u fetches", f->fetches);

    free(f);
}


static void
elsewhere(void)
{
    fake_platform_t      w;
    entra_credential_t  *c = credential("localhost:8443");

    ok(c != NULL && entra_credential_type(entra_str("caller_keys")) == NULL,
       "not for nginx.conf");

    fake_init(&w);
    fake_reply(&w, 0, "");
    run(&w, c);
    is(w.requests[0].url, "https://localhost:8443/" JWT_TENANT
       "/.well-known/openid-configuration", "emulator's URL");
    fake_free(&w);
    done_with(c);
}


int
main(void)
{
    entra_buf_t  b;

    key = EVP_RSA_gen(2048);
    entra_buf_init(&b, 65536);
    entra_buf_add_c(&b, "{\"keys\":[");
    jwt_add_jwk(&b, key, "a", ",\"use\":\"sig\",\"x5c\":[\"MIIB\"]");
    entra_buf_add_c(&b, "]}");
    jwks = entra_buf_steal(&b);

    fetches();
    failures();
    too_large();
    other_hosts();
    kids();
    flood();
    again();
    elsewhere();

    free(jwks);
    free(fetched);
    EVP_PKEY_free(key);

    return done();
}
