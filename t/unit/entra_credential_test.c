
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_credential_types.h"
#include "fake_platform.h"
#include "tap.h"
#include "words.h"


typedef struct {
    char      *string;
    char      *file;
    char      *files[2];
    char     **names;
    int        flag;
    int64_t    msec;
} conf_t;


static const entra_param_t  params[] = {
    { "string", ENTRA_PARAM_STRING, offsetof(conf_t, string) },
    { "file", ENTRA_PARAM_FILE, offsetof(conf_t, file) },
    { "files", ENTRA_PARAM_FILES, offsetof(conf_t, files) },
    { "names", ENTRA_PARAM_NAMES, offsetof(conf_t, names) },
    { "flag", ENTRA_PARAM_FLAG, offsetof(conf_t, flag) },
    { "msec", ENTRA_PARAM_MSEC, offsetof(conf_t, msec) },
    { NULL, 0, 0 }
};


static const entra_credential_type_t  type = {
    .name = "test",
    .conf_size = sizeof(conf_t),
    .params = { params }
};


static const entra_credential_type_t  user_type = {
    .name = "user",
    .delegated = 1
};


static const entra_credential_type_t  key_type = {
    .name = "key",
    .no_scope = 1
};


static entra_err_t  err;


/* "name value ..." */

static int
set(entra_credential_t *c, const char *line)
{
    entra_str_t  words[WORDS_MAX];

    entra_err_clear(&err);

    return entra_credential_param(c, words, words_of(line, words), &err);
}


static int64_t
msec(const char *text)
{
    char                 line[100];
    int64_t              value;
    entra_credential_t  *c;

    c = entra_credential_create(&type, entra_str("c"), NULL);
    snprintf(line, sizeof(line), "msec %s", text);
    value = set(c, line) == 0 ? ((conf_t *) c->conf)->msec : -1;
    entra_credential_free(c);

    return value;
}


static void
test_kinds(void)
{
    conf_t              *conf;
    entra_credential_t  *c;

    c = entra_credential_create(&type, entra_str("c"), NULL);
    conf = c->conf;
    ok(conf->flag == -1 && conf->msec == -1 && conf->string == NULL, "unset");

    ok(set(c, "string s") == 0 && set(c, "file /f") == 0
       && set(c, "files /a /b") == 0 && set(c, "names x y z") == 0
       && set(c, "flag on") == 0 && set(c, "msec 500ms") == 0, "all kinds");
    is(conf->string, "s", "string");
    is(conf->files[1], "/b", "the second file");
    is(conf->names[2], "z", "the third name");
    ok(conf->names[3] == NULL, "the end of the names");
    ok(conf->flag == 1 && conf->msec == 500, "flag and time");

    ok(set(c, "string t") != 0 && set(c, "files /c") != 0
       && set(c, "names q") != 0 && set(c, "flag on") != 0
       && set(c, "msec 1s") != 0, "none of them twice");
    is(conf->string, "s", "the first one is kept");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), NULL);
    c->types = entra_credential_types;
    ok(set(c, "flag yes") != 0 && strstr(err.text, "\"on\" or \"off\""),
       "flag");
    ok(set(c, "files /a /a") != 0, "twice the same file");
    ok(set(c, "files") != 0 && set(c, "files a b c") != 0, "0 or 3 files");
    ok(set(c, "names") != 0, "no names");
    ok(set(c, "names a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3"
              " 4 5 6 7") != 0, "too many names");
    ok(set(c, "string a\nb") != 0, "control character");
    ok(set(c, "string -----BEGIN") != 0, "PEM");
    ok(set(c, "nope x") != 0 && strstr(err.text, "string, file, files"),
       "unknown, with what there is");
    ok(set(c, "client_secret_file x") != 0
       && strstr(err.text, "type \"client_secret\""), "of another type");
    entra_credential_free(c);

    ok(msec("10s") == 10000, "10s");
    ok(msec("10") == 10000, "10");
    ok(msec("1m30s") == 90000, "1m30s");
    ok(msec("1h") == 3600000, "1h");
    ok(msec("1d") == 86400000, "1d");
    ok(msec("2d") == -1 && msec("99999999999d") == -1, "too long");
    ok(msec("0") == -1 && msec("-1") == -1 && msec("x") == -1
       && msec("1x") == -1 && msec("s") == -1, "nonsense");
}


static int
init(entra_credential_t *c)
{
    entra_err_clear(&err);

    return entra_credential_init(c, &err);
}


static void
test_common(void)
{
    char                *scope;
    entra_env_t         *env;
    entra_credential_t  *c;

    env = entra_env_create(NULL, 0);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "scope aml https://x/.default") == 0
       && set(c, "cloud usgov") == 0 && init(c) == 0,
       "scope before its cloud");
    is(c->scopes[0], "https://ml.azure.us/.default", "is resolved at the end");
    ok(c->nscopes == 2, "two of them");
    is(c->authority_host, "https://login.microsoftonline.us", "authority");
    ok(set(c, "scope arm") != 0 && set(c, "cloud public") != 0, "not twice");

    entra_err_clear(&err);
    scope = entra_credential_scope(c, entra_str("arm"), &err);
    is(scope, "https://management.usgovcloudapi.net/.default",
       "a scope of elsewhere");
    free(scope);
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "scope aml https://ml.azure.com/.default") == 0
       && init(c) != 0 && strstr(err.text, "duplicate"), "a scope twice");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "scope https://x/User.Read") != 0, "of a user: not here");
    ok(set(c, "authority_host https://login.partner.microsoftonline.cn") == 0
       && set(c, "scope arm") == 0 && init(c) == 0, "authority alone");
    is(c->cloud->name, "china", "its cloud");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "authority_host https://login.usgovcloudapi.net") == 0
       && set(c, "scope aml") == 0 && init(c) == 0, "an alias of usgov");
    is(c->scopes[0], "https://ml.azure.us/.default", "its resources");
    ok(c->warnings.len == 0, "known");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "authority_host https://login.sovcloud-identity.fr") == 0
       && set(c, "scope aml https://x/.default") == 0 && init(c) == 0
       && c->warnings.len && strstr(c->warnings.data, "scope aml is taken"
                                    " to be the public cloud's"),
       "a cloud of which no resources are known");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "authority_host https://login.sovcloud-identity.fr") == 0
       && set(c, "scope https://x/.default") == 0 && init(c) == 0
       && c->warnings.len == 0, "with a URI: nothing to warn of");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    ok(set(c, "authority_host https://localhost:8443") == 0
       && set(c, "scope aml") == 0 && init(c) == 0 && c->warnings.len == 0,
       "nor of an emulator");
    entra_credential_free(c);

    c = entra_credential_create(&user_type, entra_str("c"), env);
    ok(set(c, "scope https://x/User.Read") == 0
       && set(c, "tenant_id common") == 0 && init(c) == 0, "but there");
    entra_credential_free(c);

    c = entra_credential_create(&key_type, entra_str("c"), env);
    ok(set(c, "scope aml") != 0 && strstr(err.text, "no scope"),
       "a type without scopes");
    entra_credential_free(c);

    (void) entra_env_set(env, entra_str("AZURE_AUTHORITY_HOST"),
                         entra_str("http://x"));
    c = entra_credential_create(&type, entra_str("c"), env);
    ok(init(c) != 0 && strstr(err.text, "http"),
       "the environment is checked, too");
    entra_credential_free(c);
    (void) entra_env_set(env, entra_str("AZURE_AUTHORITY_HOST"),
                         entra_str("https://emulator:8443/"));
    c = entra_credential_create(&type, entra_str("c"), env);
    ok(init(c) == 0, "another authority");
    is(c->authority_host, "https://emulator:8443", "as it is");
    is(c->cloud->name, "public", "of the usual cloud");
    entra_credential_free(c);

    c = entra_credential_create(&type, entra_str("c"), env);
    entra_credential_warn(c, "a\nb %d", 5);
    is(entra_buf_str(&c->warnings).data, "a b 5", "a warning");
    entra_credential_free(c);
    entra_credential_free(NULL);

    entra_env_free(env);
}


/* what a token is found by: all that it depends on, and whose it is */

static void
test_key(void)
{
    int                  i;
    entra_env_t         *env;
    entra_credential_t  *c;
    unsigned char        key[5][32];
    static const char   *made[][2] = {
        { "a", "client_id 1fec8e78-0000-4000-8000-000000000000" },
        { "a", "client_id 1fec8e78-0000-4000-8000-000000000000" },
        { "b", "client_id 1fec8e78-0000-4000-8000-000000000000" },
        { "a", "client_id 2fec8e78-0000-4000-8000-000000000000" }
    };

    env = entra_env_create(NULL, 0);

    for (i = 0; i < 4; i++) {
        c = entra_credential_create(&type, entra_str_c(made[i][0]), env);
        (void) set(c, made[i][1]);
        entra_credential_key(c, entra_str("https://x/.default"), key[i]);

        if (i == 0) {
            entra_credential_key(c, entra_str("https://y/.default"), key[4]);
        }

        entra_credential_free(c);
    }

    ok(memcmp(key[0], key[1], 32) == 0, "key: the same after a reload");
    ok(memcmp(key[0], key[2], 32) != 0, "key: another credential");
    ok(memcmp(key[0], key[3], 32) != 0, "key: another client");
    ok(memcmp(key[0], key[4], 32) != 0, "key: another scope");

    entra_env_free(env);
}


int
main(void)
{
    unsigned                        n;
    const entra_credential_type_t  *t;

    test_kinds();
    test_common();
    test_key();

    for (n = 0; (t = entra_credential_types[n]) != NULL; n++) {
        ok(t->name && t->azure_name && t->step
           && entra_credential_type(entra_str_c(t->name)) == t, "type %s",
           t->name);
    }

    ok(entra_credential_type(entra_str("nope")) == NULL, "unknown type");

    return done();
}
