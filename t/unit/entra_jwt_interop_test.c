
/*
 * Copyright (C) nginx-entra authors
 *
 * Tokens and key sets made by PyJWT and cryptography: t/interop/make_jwts.py,
 * run from the top of the source tree (or ENTRA_TOP).  Skipped without them.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_discovery.h"
#include "entra_jwt.h"
#include "fixture.h"
#include "tap.h"


#define NOW     1800000000
#define TENANT  "11111111-2222-4333-8444-555555555555"


static entra_keyset_t             keys;
static entra_caller_token_conf_t  conf;
static unsigned                   cases, good, bad;


static char *
load(const char *dir, const char *name)
{
    char         path[512], chunk[4096];
    FILE        *f;
    size_t       n;
    entra_buf_t  b;

    (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (f == NULL) {
        return NULL;
    }

    entra_buf_init(&b, 8 * 1024 * 1024);

    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        entra_buf_add(&b, chunk, n);
    }

    fclose(f);

    return entra_buf_steal(&b);
}


static void
load_version(entra_keyset_t *set, const char *dir,
    entra_token_version_e version)
{
    int                 v2 = version == ENTRA_TOKEN_V2;
    char               *document, *jwks;
    entra_err_t         err;
    entra_discovery_t   d;

    entra_err_clear(&err);

    document = load(dir, v2 ? "openid_v2.json" : "openid_v1.json");
    jwks = load(dir, v2 ? "jwks_v2.json" : "jwks_v1.json");

    ok(entra_discovery_parse(&d, entra_str_c(document), conf.authority_host,
                             TENANT, &err) == 0
       && entra_keyset_issuer(set, version, entra_str_c(d.issuer), &err) == 0
       && entra_keyset_add_jwks(set, version, entra_str_c(jwks), &err) == 0,
       "documents and keys of v%d are read: %s", v2 + 1, err.text);

    entra_discovery_free(&d);
    free(document);
    free(jwks);
}


static void
load_keys(const char *dir)
{
    char            *text;
    entra_buf_t      out;
    entra_err_t      err;
    entra_keyset_t   set;

    entra_keyset_init(&set);
    entra_err_clear(&err);

    load_version(&set, dir, ENTRA_TOKEN_V1);
    load_version(&set, dir, ENTRA_TOKEN_V2);

    entra_buf_init(&out, ENTRA_KEYSET_MAX);
    ok(entra_keyset_write(&set, &out) == 0, "and written");
    ok(strstr(out.data, "x5c") == NULL && strpbrk(out.data, " \n") == NULL,
       "without certificates and blanks");

    entra_keyset_init(&keys);
    ok(entra_keyset_read(&keys, entra_buf_str(&out), &err) == 0,
       "and read again: %s", err.text);
    ok(keys.n == set.n, "all of them, %u", keys.n);

    text = strdup(out.data);
    entra_buf_reset(&out);
    (void) entra_keyset_write(&keys, &out);
    is(out.data, text, "and written as before");

    free(text);
    entra_buf_free(&out);
    entra_keyset_free(&set);
}


static entra_str_t
unhex(char *text)
{
    size_t    i, n = strlen(text) / 2;
    unsigned  byte;

    for (i = 0; i < n; i++) {
        (void) sscanf(text + 2 * i, "%2x", &byte);
        text[i] = (char) byte;
    }

    return (entra_str_t) { n, text };
}


/* "a b" against a list, in order */

static int
list_is(const entra_claims_list_t *list, const char *want)
{
    unsigned     i;
    entra_buf_t  b;
    int          same;

    entra_buf_init(&b, 65536);

    for (i = 0; i < list->n; i++) {
        entra_buf_addf(&b, "%s%s", i ? " " : "", list->items[i]);
    }

    same = entra_str_eq_c(entra_buf_str(&b), want);
    entra_buf_free(&b);

    return same;
}


static int
claim_is(const entra_claims_t *c, const char *name, const char *want)
{
    unsigned     i;
    const char  *text;

    const struct {
        const char                 *name;
        const char                 *text;
        const entra_claims_list_t  *list;
    } table[] = {
        { "iss", c->iss, NULL }, { "aud", c->aud, NULL },
        { "tid", c->tid, NULL }, { "oid", c->oid, NULL },
        { "sub", c->sub, NULL }, { "appid", c->appid, NULL },
        { "appidacr", c->appidacr, NULL }, { "idtyp", c->idtyp, NULL },
        { "ver", c->ver, NULL }, { "uti", c->uti, NULL },
        { "roles", NULL, &c->roles }, { "groups", NULL, &c->groups },
        { "scp", NULL, &c->scp }, { "amr", NULL, &c->amr },
        { "acrs", NULL, &c->acrs }, { "wids", NULL, &c->wids },
        { NULL, NULL, NULL }
    };

    if (strcmp(name, "overage") == 0) {
        return c->groups_overage == (unsigned) atoi(want);
    }

    if (strcmp(name, "cp1") == 0) {
        return c->claims_capable == (unsigned) atoi(want);
    }

    if (strcmp(name, "exp") == 0) {
        return c->exp == atoll(want);
    }

    for (i = 0; table[i].name; i++) {
        if (strcmp(table[i].name, name) == 0) {
            text = table[i].text ? table[i].text : "";
            return table[i].list ? list_is(table[i].list, want)
                                 : strcmp(text, want) == 0;
        }
    }

    return 0;
}


static int
claims_say(const entra_claims_t *c, char *says)
{
    char  *item, *value, *next;

    for (item = says; item && *item; item = next) {
        next = strchr(item, ',');
        if (next) {
            *next++ = '\0';
        }

        value = strchr(item, '=');
        *value++ = '\0';

        if (!claim_is(c, item, value)) {
            printf("# %s is not %s\n", item, value);
            return 0;
        }
    }

    return 1;
}


static void
judge(const char *name, const char *verdict, char *says, char *hex)
{
    entra_err_t         err;
    entra_str_t         token = unhex(hex);
    entra_claims_t      claims;
    entra_jwt_result_e  result;

    entra_err_clear(&err);
    result = entra_jwt_verify(token, &keys, &conf, NOW, &claims, &err);
    cases++;

    if (strcmp(verdict, "valid") == 0) {
        good++;
        ok(result == ENTRA_JWT_VALID && claims_say(&claims, says),
           "%s: %s", name, err.text);
        entra_claims_free(&claims);
        return;
    }

    bad++;
    ok(result == (strcmp(verdict, "invalid") == 0 ? ENTRA_JWT_INVALID
                                                  : ENTRA_JWT_UNKNOWN_KID)
       && claims.exp == 0 && claims.aud == NULL
       && strstr(err.text, says) != NULL, "%s: %s", name, err.text);

    if (result == ENTRA_JWT_VALID) {
        entra_claims_free(&claims);
    }
}


static void
run(const char *dir)
{
    char  *text, *line, *next, *says, *verdict, *hex;

    text = load(dir, "cases.tsv");

    for (line = text; line && *line; line = next) {
        next = strchr(line, '\n');
        *next++ = '\0';

        verdict = strchr(line, '\t');
        *verdict++ = '\0';
        says = strchr(verdict, '\t');
        *says++ = '\0';
        hex = strchr(says, '\t');
        *hex++ = '\0';

        judge(line, verdict, says, hex);
    }

    free(text);

    ok(cases > 300 && good > 30 && bad > 250,
       "%u tokens: %u good, %u bad", cases, good, bad);
}


static int
generate(const char *dir)
{
    char         command[2048];
    const char  *top = getenv("ENTRA_TOP");

    (void) snprintf(command, sizeof(command),
                    "/usr/bin/python3 %s/t/interop/make_jwts.py %s 2>&1"
                    " | sed 's/^/# /'; test -s %s/cases.tsv",
                    top ? top : ".", dir, dir);

    return system(command) == 0;
}


static int
possible(void)
{
    return system("/usr/bin/python3 -c 'import jwt, cryptography'"
                  " 2>/dev/null") == 0;
}


int
main(void)
{
    char        *slash, dir[512];
    entra_str_t  line[3];
    entra_err_t  err;

    if (!possible()) {
        printf("1..0 # SKIP needs python3-jwt and python3-cryptography\n");
        return 0;
    }

    (void) fixture_path("openid_v1.json");
    (void) fixture_path("openid_v2.json");
    (void) fixture_path("jwks_v1.json");
    (void) fixture_path("jwks_v2.json");
    (void) snprintf(dir, sizeof(dir), "%s", fixture_path("cases.tsv"));
    slash = strrchr(dir, '/');
    *slash = '\0';

    ok(generate(dir), "tokens made");

    entra_caller_token_conf_init(&conf);
    line[0] = entra_str("tenant_id");
    line[1] = entra_str(TENANT);
    (void) entra_caller_token_conf_param(&conf, line, 2, &err);
    line[0] = entra_str("audience");
    line[1] = entra_str("aaaaaaaa-0000-4000-8000-000000000001");
    line[2] = entra_str("api://gateway.example");
    (void) entra_caller_token_conf_param(&conf, line, 3, &err);
    ok(entra_caller_token_conf_done(&conf, &err) == 0, "configured");

    load_keys(dir);
    run(dir);

    entra_keyset_free(&keys);
    entra_caller_token_conf_free(&conf);

    return done();
}
