
/*
 * Copyright (C) nginx-entra authors
 *
 * Azure Arc: its challenge, and whose token its answer is.
 */

#include <sys/stat.h>
#include <unistd.h>

#include "fake_mi.h"
#include "tap.h"


#define ARC_ENV   "IDENTITY_ENDPOINT=http://127.0.0.1:40342/metadata/"         \
                  "identity/oauth2/token;IMDS_ENDPOINT=http://127.0.0.1:40342"
#define ARC_URL   "http://127.0.0.1:40342/metadata/identity/oauth2/token"      \
                  "?api-version=2020-06-01&resource=" RESOURCE



typedef struct {
    const char  *header;            /* %s: the directory */
    int          good;
    const char  *text;
} challenge_t;


static const challenge_t  challenges[] = {
    { "Basic realm=%s/a.key", 1, NULL },
    { "basic REALM=\"%s/0123-ab_c.key\"", 1, NULL },
    { "  Basic realm=%s/a.key  ", 1, NULL },

    { "", 0, "without" },
    { "Basic", 0, "without" },
    { "Basic ", 0, "without" },
    { "Basic realm=", 0, "without" },
    { "Basic realm=\"\"", 0, "without" },
    { "Bearer realm=%s/a.key", 0, "without" },
    { "Basicrealm=%s/a.key", 0, "without" },
    { "Basic foo=%s/a.key", 0, "without" },
    { "Basic realm=/etc/passwd", 0, "not in" },
    { "Basic realm=a.key", 0, "not in" },
    { "Basic realm=%s", 0, "not in" },
    { "Basic realm=%s/", 0, "not in" },
    { "Basic realm=%sx/a.key", 0, "not in" },
    { "Basic realm=/x%s/a.key", 0, "not in" },
    { "Basic realm=%s/../a.key", 0, "plain" },
    { "Basic realm=%s/b/a.key", 0, "plain" },
    { "Basic realm=%s//a.key", 0, "plain" },
    { "Basic realm=%s/.key", 0, "plain" },
    { "Basic realm=%s/..key", 0, "plain" },
    { "Basic realm=%s/.a.key", 0, "plain" },
    { "Basic realm=%s/a.keys", 0, "plain" },
    { "Basic realm=%s/a.KEY", 0, "plain" },
    { "Basic realm=%s/a", 0, "plain" },
    { "Basic realm=%s/a\\b.key", 0, "plain" },
    { "Basic realm=%s/a b.key", 0, "plain" },
    { "Basic realm=%s/a.key, charset=x", 0, "plain" },
    { "Basic realm=%s/a.key\", x=\"y", 0, "plain" },
    { NULL, 0, NULL }
};


static void
arc_challenges(void)
{
    char                *got, header[512];
    const char          *dir = fixture_top();
    entra_err_t          err;
    const challenge_t   *c;

    for (c = challenges; c->header; c++) {
        snprintf(header, sizeof(header), c->header, dir);
        entra_err_clear(&err);
        got = entra_mi_arc_challenge(entra_str_c(header), dir, &err);

        ok((got != NULL) == c->good, "challenge: %s", header);

        if (c->good) {
            ok(got && strncmp(got, dir, strlen(dir)) == 0, "in the directory");

        } else {
            ok(strstr(err.text, c->text) != NULL, "%s", err.text);
        }

        free(got);
    }

    memset(header, 'a', sizeof(header));
    got = entra_mi_arc_challenge((entra_str_t) { sizeof(header), header }, dir,
                                 &err);
    ok(got == NULL, "without an end");
}


static const char *
arc_header(char *header, size_t size, const char *name)
{
    snprintf(header, size, "Basic realm=%s", fixture_path(name));

    return header;
}


static void
arc_key(const char *name, const char *want)
{
    char                 header[256];
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    env = env_of(ARC_ENV);
    c = credential("", env, "/nonexistent", &err);
    fake_init(&w);
    fake_challenge(&w, 401, arc_header(header, sizeof(header), name));
    fake_reply(&w, 200, GOOD);

    o = fake_acquire(&w, c, SCOPE, NULL);

    is(w.requests[0].url, ARC_URL, "Arc: URL");
    is(w.requests[0].headers, "Metadata: true\n", "Arc: headers");
    ok(w.requests[0].local, "Arc: never through a proxy");

    if (want == NULL) {
        ok(!o->ok && w.nrequests == 1, "Arc: %s is not sent: %s", name,
           o->err.text);
        ok(!o->err.unavailable, "and this ends a chain");

    } else {
        ok(o->ok, "Arc: %s is sent", name);
        is(w.requests[1].url, ARC_URL, "Arc: the same URL");
        is(w.requests[1].headers, want, "Arc: the key as it is");
        ok(w.requests[1].local, "Arc: never through a proxy");
    }

    fake_free(&w);
    entra_credential_free(c);
    entra_env_free(env);
}


static void
arc_keys(void)
{
    char  big[4097], want[4200];

    fixture_bytes("a.key", "c2VjcmV0/+=\n", 12);
    arc_key("a.key", "Metadata: true\nAuthorization: Basic c2VjcmV0/+=\n");

    fixture_bytes("empty.key", " \n", 2);
    arc_key("empty.key", NULL);
    fixture_bytes("lines.key", "a\r\nX-Other: b", 13);
    arc_key("lines.key", NULL);
    fixture_bytes("nul.key", "a\0b", 3);
    arc_key("nul.key", NULL);
    arc_key("missing.key", NULL);
    arc_key("a.txt", NULL);

    memset(big, 'x', sizeof(big));
    fixture_bytes("big.key", big, sizeof(big));
    arc_key("big.key", NULL);
    fixture_bytes("limit.key", big, 4096);
    snprintf(want, sizeof(want), "Metadata: true\nAuthorization: Basic %.*s\n",
             4096, big);
    arc_key("limit.key", want);

    ok(mkfifo(fixture_path("fifo.key"), 0600) == 0, "a FIFO");
    arc_key("fifo.key", NULL);
    ok(mkdir(fixture_path("dir.key"), 0700) == 0, "a directory");
    arc_key("dir.key", NULL);
}


/* an answer without the identity that was asked for is of another one */

static void
arc_echo(const char *block, const char *parameter, const char *echo,
    int want)
{
    char                 header[256], body[512], url[512];
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    env = env_of(ARC_ENV);
    c = credential(block, env, "/nonexistent", &err);
    fake_init(&w);
    fake_challenge(&w, 401, arc_header(header, sizeof(header), "a.key"));
    snprintf(body, sizeof(body), "{\"access_token\":\"T\",\"expires_in\":60"
             "%s}", echo);
    fake_reply(&w, 200, body);

    o = fake_acquire(&w, c, SCOPE, NULL);

    snprintf(url, sizeof(url), "%s&%s", ARC_URL, parameter);
    is(w.requests[1].url, url, "Arc: the selector is sent");
    ok(o->ok == want, "Arc: %s answered by %s: %s", parameter, echo,
       want ? "taken" : "refused");

    if (!want) {
        ok(o->err.class == ENTRA_ERR_CONFIG && o->err.advice
           && strstr(o->err.advice, "update the agent"), "told what to do");
    }

    fake_free(&w);
    entra_credential_free(c);
    entra_env_free(env);
}


static void
arc_echoes(void)
{
    fixture_bytes("a.key", "key", 3);

    arc_echo("client_id AbC", "client_id=AbC", ",\"client_id\":\"aBc\"", 1);
    arc_echo("client_id AbC", "client_id=AbC", "", 0);
    arc_echo("client_id AbC", "client_id=AbC", ",\"client_id\":\"x\"", 0);
    arc_echo("client_id AbC", "client_id=AbC", ",\"client_id\":null", 0);
    arc_echo("object_id AbC", "object_id=AbC", ",\"client_id\":\"AbC\"", 0);
    arc_echo("object_id AbC", "object_id=AbC", ",\"object_id\":\"abc\"", 1);
    arc_echo("resource_id /a", "msi_res_id=%2Fa", ",\"msi_res_id\":\"/A\"",
             1);
}


static void
arc_agent(void)
{
    entra_err_t          err;
    entra_env_t         *env;
    entra_mi_t          *mi;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    fixture_bytes("a.key", "key", 3);

    env = env_of("X=y");
    c = credential("", env, fixture_path("a.key"), &err);
    mi = c->conf;
    is(mi->source->name, "Azure Arc", "the agent's program is enough");
    is(mi->endpoint, "http://127.0.0.1:40342/metadata/identity/oauth2/token",
       "its own address");

    fake_init(&w);
    fake_reply(&w, 200, GOOD);
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(!o->ok && strstr(o->err.text, "without a challenge"),
       "a token without a challenge");
    fake_free(&w);

    fake_init(&w);
    fake_reply(&w, 500, "");
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(!o->ok && o->err.class == ENTRA_ERR_TRANSIENT, "an ailing agent");
    fake_free(&w);

    fake_init(&w);
    fake_challenge(&w, 401, "Basic realm=/etc/shadow.key");
    o = fake_acquire(&w, c, SCOPE, NULL);
    ok(!o->ok && w.nrequests == 1, "a file elsewhere");
    fake_free(&w);

    entra_credential_free(c);
    entra_env_free(env);
}


int
main(void)
{
    arc_challenges();
    arc_keys();
    arc_echoes();
    arc_agent();

    return done();
}
