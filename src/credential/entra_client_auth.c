
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "entra_aadsts.h"
#include "entra_acquire.h"
#include "entra_ascii.h"
#include "entra_assertion.h"
#include "entra_client_auth.h"
#include "entra_client_secret.h"
#include "entra_env.h"
#include "entra_reply.h"
#include "entra_service_principal.h"
#include "entra_token_request.h"


#define ENTRA_PASSWORD_MAX  4096
#define ENTRA_PATH_MAX      4096


typedef struct entra_client_auth_s {

    /* what is used: one of the two */
    entra_client_secret_t       secrets[2];
    unsigned                    nsecrets;
    unsigned                    first;          /* the one that worked last */

    entra_certificate_t        *certificate;
    entra_file_t                certificate_file;
    entra_file_t                password_file;
    char                       *password;       /* of the environment */
    unsigned                    flags;          /* ENTRA_ASSERTION_* */

    entra_file_t                principal_file;
    entra_service_principal_t   principal;

    /* a new secret, and a bad file, that watch() has not told of yet */
    unsigned                    changed:1;
    entra_err_t                *problem;        /* NULL: none */
} entra_client_auth_t;


static const entra_file_want_t  entra_certificate_want = {
    .form = ENTRA_FORM_CERTIFICATE,
    .what = "a certificate and its private key, PEM or PKCS#12",
    .make = "az keyvault secret download --encoding base64 --id ID --file"
            " FILE",
    .json = "write \"service_principal_file FILE;\" if it is what \"az ad sp"
            " create-for-rbac\" printed"
};


static const entra_file_want_t  entra_password_want = {
    .form = ENTRA_FORM_PASSWORD,
    .what = "the certificate's password only",
    .pem = "the certificate is named with \"client_certificate FILE;\""
};


static const entra_file_want_t  entra_principal_want = {
    .form = ENTRA_FORM_JSON,
    .what = "the JSON of a service principal",
    .make = "az ad sp create-for-rbac --name NAME > FILE",
    .pem = "write \"client_certificate FILE;\""
};


#define entra_client_auth_param(name, kind, field)                           \
    { name, kind, offsetof(entra_client_auth_conf_t, field) }


const entra_param_t  entra_client_secret_params[] = {
    entra_client_auth_param("client_secret_file", ENTRA_PARAM_FILES,
                            secret_files),
    entra_client_auth_param("client_secret_env", ENTRA_PARAM_STRING,
                            secret_env),
    { NULL, 0, 0 }
};


const entra_param_t  entra_client_certificate_params[] = {
    entra_client_auth_param("client_certificate", ENTRA_PARAM_FILE,
                            certificate_path),
    entra_client_auth_param("client_certificate_password_file",
                            ENTRA_PARAM_FILE, password_path),
    entra_client_auth_param("send_certificate_chain", ENTRA_PARAM_FLAG,
                            send_chain),
    entra_client_auth_param("signing_algorithm", ENTRA_PARAM_STRING,
                            signing_algorithm),
    { NULL, 0, 0 }
};


const entra_param_t  entra_service_principal_params[] = {
    entra_client_auth_param("service_principal_file", ENTRA_PARAM_FILE,
                            principal_path),
    { NULL, 0, 0 }
};


/* an error that began as a sentence about "it" */

static int
entra_client_auth_about(entra_err_t *err, const char *path)
{
    char  text[sizeof(err->text)];

    entra_err_clean(text, sizeof(text), entra_str_c(err->text));

    return entra_err_set(err, err->class, "\"%.400s\": %.500s", path, text);
}


static entra_client_auth_t *
entra_client_auth_of(const entra_credential_t *c)
{
    const entra_client_auth_conf_t  *conf = c->conf;

    return conf->auth;
}


int
entra_client_auth_load(entra_credential_t *c, entra_err_t *err)
{
    entra_client_auth_t        *auth;
    entra_client_auth_conf_t   *conf = c->conf;
    entra_service_principal_t  *sp;

    conf->auth = auth = calloc(1, sizeof(entra_client_auth_t));
    if (auth == NULL) {
        return entra_err_no_memory(err);
    }

    if (conf->principal_path == NULL) {
        return 0;
    }

    sp = &auth->principal;

    if (entra_file_init(&auth->principal_file, conf->principal_path,
                        ENTRA_SERVICE_PRINCIPAL_MAX)
        != 0)
    {
        return entra_err_no_memory(err);
    }

    auth->principal_file.want = &entra_principal_want;

    if (entra_file_refresh(&auth->principal_file, err) < 0) {
        return -1;
    }

    if (entra_service_principal_parse(sp,
                                   entra_file_text(&auth->principal_file),
                                   err)
        != 0)
    {
        return entra_client_auth_about(err, conf->principal_path);
    }

    if (entra_credential_default(&c->tenant_id, sp->tenant_id) != 0
        || entra_credential_default(&c->client_id, sp->client_id) != 0
        || (!c->cloud_given
            && entra_credential_default(&c->authority_host,
                                        sp->authority_host) != 0))
    {
        return entra_err_no_memory(err);
    }

    return 0;
}


static void
entra_client_auth_warn_id(entra_credential_t *c,
    const entra_client_secret_t *secret)
{
    if (secret->value && entra_str_is_guid(entra_str_c(secret->value))) {
        entra_credential_warn(c, "the client secret of \"%s\" looks like the"
                              " secret's ID: Microsoft Entra wants its value",
                              c->name);
    }
}


/* one of two files may be missing: it is the one that is not there yet */

static int
entra_client_auth_secret_files(entra_credential_t *c, entra_err_t *err)
{
    int                              good = 0;
    unsigned                         i;
    entra_err_t                      problem;
    entra_client_auth_t             *auth = entra_client_auth_of(c);
    const entra_client_auth_conf_t  *conf = c->conf;

    auth->nsecrets = conf->secret_files[1] ? 2 : 1;

    for (i = 0; i < auth->nsecrets; i++) {
        entra_err_clear(&problem);

        if (entra_client_secret_open(&auth->secrets[i],
                                     conf->secret_files[i], &problem)
            == 0)
        {
            good = 1;
            entra_client_auth_warn_id(c, &auth->secrets[i]);
            continue;
        }

        *err = problem;

        if (auth->nsecrets == 2) {
            entra_credential_warn(c, "%s", problem.text);
        }
    }

    if (good) {
        entra_err_clear(err);
        return 0;
    }

    return -1;
}


static int
entra_client_auth_secret_value(entra_credential_t *c, const char *value,
    entra_err_t *err)
{
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    auth->nsecrets = 1;

    if (entra_client_secret_set(&auth->secrets[0], entra_str_c(value), err)
        != 0)
    {
        return -1;
    }

    entra_client_auth_warn_id(c, &auth->secrets[0]);

    return 0;
}


static int
entra_client_auth_env_name(const char *name)
{
    return entra_str_is_word(entra_str_c(name), "_")
           && !entra_is_digit(name[0]);
}


static int
entra_client_auth_secret_env(entra_credential_t *c, const char *name,
    entra_err_t *err)
{
    const char  *value;

    /* not repeated: it may be the secret itself */

    if (!entra_client_auth_env_name(name)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "client_secret_env is the name of an environment"
                             " variable, without \"$\", not the secret:"
                             " write \"client_secret_env VAR;\"");
    }

    value = entra_env_get(c->env, name);

    if (value == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s is not set in nginx's environment (with"
                             " systemd: Environment= or LoadCredential= of"
                             " the unit)", name);
    }

    return entra_client_auth_secret_value(c, value, err);
}


/* what opens the certificate, or NULL; out holds what is from a file */

static const char *
entra_client_auth_password(entra_client_auth_t *auth, entra_buf_t *out)
{
    if (!auth->password_file.loaded) {
        return auth->password;
    }

    entra_buf_add_str(out, entra_file_text(&auth->password_file));

    return entra_buf_str(out).data;
}


static void
entra_client_auth_warn_dates(entra_credential_t *c,
    const entra_client_auth_t *auth)
{
    entra_buf_t  b;

    entra_buf_init(&b, 256);

    if (entra_certificate_warning(auth->certificate, (int64_t) time(NULL),
                                  &b))
    {
        entra_credential_warn(c, "\"%s\": %s", auth->certificate_file.path,
                              entra_buf_str(&b).data);
    }

    entra_buf_free(&b);
}


/* again out of its file's content; the one before stays when that fails */

static int
entra_client_auth_certificate_read(entra_credential_t *c, entra_err_t *err)
{
    const char           *password;
    entra_buf_t           b;
    entra_str_t           content;
    entra_certificate_t  *cert;
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    entra_buf_init(&b, ENTRA_PASSWORD_MAX);

    password = entra_client_auth_password(auth, &b);

    /* PKCS#12 may end with what white space is, so it is not trimmed */

    content = entra_buf_str(&auth->certificate_file.content);

    if (entra_str_starts(content, "\xef\xbb\xbf")) {
        content.data += 3;
        content.len -= 3;
    }

    cert = entra_certificate_parse(content, password, err);

    if (cert == NULL && b.len && entra_file_kind_quoted(entra_buf_str(&b))
        && err->advice == NULL)
    {
        err->advice = "the password's file has quotes around it, which are"
                      " taken as part of the password";
    }

    entra_buf_free(&b);

    if (cert == NULL) {
        return entra_client_auth_about(err, auth->certificate_file.path);
    }

    entra_certificate_free(auth->certificate);
    auth->certificate = cert;
    c->cert_expires = entra_certificate_expires(cert);

    entra_client_auth_warn_dates(c, auth);

    return 0;
}


static int
entra_client_auth_algorithm(entra_credential_t *c, entra_err_t *err)
{
    const char                      *chain;
    entra_client_auth_t             *auth = entra_client_auth_of(c);
    const entra_client_auth_conf_t  *conf = c->conf;

    if (conf->signing_algorithm == NULL) {
        auth->flags = c->tenant_id && strcmp(c->tenant_id, "adfs") == 0
                      ? ENTRA_ASSERTION_RS256 : 0;

    } else if (strcmp(conf->signing_algorithm, "RS256") == 0) {
        auth->flags = ENTRA_ASSERTION_RS256;

    } else if (strcmp(conf->signing_algorithm, "PS256") == 0) {
        auth->flags = 0;

    } else {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "signing_algorithm is PS256 (the default) or"
                             " RS256, not \"%s\"", conf->signing_algorithm);
    }

    chain = entra_env_get(c->env, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");

    if (conf->send_chain == 1
        || (conf->send_chain == -1 && chain
            && (strcmp(chain, "1") == 0
                || entra_str_case_eq_c(entra_str_c(chain), "true"))))
    {
        auth->flags |= ENTRA_ASSERTION_CHAIN;
    }

    return 0;
}


/* a relative path in a service principal's JSON is beside that file */

static char *
entra_client_auth_path(const entra_client_auth_conf_t *conf,
    const char *path)
{
    const char   *slash;
    entra_buf_t   b;

    if (path[0] == '/' || conf->principal_path == NULL) {
        return entra_str_dup(entra_str_c(path));
    }

    entra_buf_init(&b, ENTRA_PATH_MAX);

    slash = strrchr(conf->principal_path, '/');

    if (slash) {
        entra_buf_add(&b, conf->principal_path,
                      (size_t) (slash - conf->principal_path) + 1);
    }

    entra_buf_add_c(&b, path);

    return entra_buf_steal(&b);
}


static int
entra_client_auth_certificate(entra_credential_t *c, const char *path,
    entra_err_t *err)
{
    int                              rc;
    char                            *full;
    const char                      *password;
    entra_client_auth_t             *auth = entra_client_auth_of(c);
    const entra_client_auth_conf_t  *conf = c->conf;

    if (entra_client_auth_algorithm(c, err) != 0) {
        return -1;
    }

    full = entra_client_auth_path(conf, path);
    rc = full ? entra_file_init(&auth->certificate_file, full,
                                ENTRA_CERTIFICATE_MAX) : -1;
    free(full);

    if (rc != 0
        || (conf->password_path
            && entra_file_init(&auth->password_file, conf->password_path,
                               ENTRA_PASSWORD_MAX) != 0))
    {
        return entra_err_no_memory(err);
    }

    auth->certificate_file.want = &entra_certificate_want;
    auth->password_file.want = &entra_password_want;

    if (conf->password_path) {
        rc = entra_file_refresh(&auth->password_file, err);

    } else {
        password = entra_env_get(c->env, "AZURE_CLIENT_CERTIFICATE_PASSWORD");
        auth->password = password ? entra_str_dup(entra_str_c(password))
                                  : NULL;
        rc = password && auth->password == NULL ? -1 : 0;
    }

    if (rc < 0 || entra_file_refresh(&auth->certificate_file, err) < 0) {
        return -1;
    }

    return entra_client_auth_certificate_read(c, err);
}


static int
entra_client_auth_contradiction(const char *one, const char *other,
    entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%s\" and \"%s\" are mutually exclusive",
                         one, other);
}


static int
entra_client_auth_check(const entra_client_auth_conf_t *conf,
    entra_err_t *err)
{
    const char  *secret;

    secret = conf->secret_files[0] ? "client_secret_file"
             : conf->secret_env ? "client_secret_env" : NULL;

    if (conf->secret_files[0] && conf->secret_env) {
        return entra_client_auth_contradiction("client_secret_file",
                                               "client_secret_env", err);
    }

    if (secret && conf->certificate_path) {
        return entra_client_auth_contradiction(secret, "client_certificate",
                                               err);
    }

    return 0;
}


static int
entra_client_auth_missing(unsigned allowed, entra_err_t *err)
{
    switch (allowed) {

    case ENTRA_CLIENT_AUTH_SECRET:
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "no client secret: write \"client_secret_file"
                             " FILE;\", \"client_secret_env VAR;\" or"
                             " \"service_principal_file FILE;\", or set"
                             " AZURE_CLIENT_SECRET");

    case ENTRA_CLIENT_AUTH_CERTIFICATE:
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "no client certificate: write"
                             " \"client_certificate FILE;\" or"
                             " \"service_principal_file FILE;\", or set"
                             " AZURE_CLIENT_CERTIFICATE_PATH");
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "neither a client secret nor a client certificate:"
                         " write \"client_secret_file FILE;\" or"
                         " \"client_certificate FILE;\"");
}


static int
entra_client_auth_principal(entra_credential_t *c, entra_err_t *err)
{
    unsigned                          allowed = c->type->client_auth;
    const entra_client_auth_t        *auth = entra_client_auth_of(c);
    const entra_service_principal_t  *sp = &auth->principal;

    if (sp->secret && (allowed & ENTRA_CLIENT_AUTH_SECRET)) {
        return entra_client_auth_secret_value(c, sp->secret, err);
    }

    if (sp->certificate && (allowed & ENTRA_CLIENT_AUTH_CERTIFICATE)) {
        return entra_client_auth_certificate(c, sp->certificate, err);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.400s\" holds a %s: use the type \"%s\"",
                         auth->principal_file.path,
                         sp->secret ? "secret" : "certificate",
                         sp->secret ? "client_secret"
                                    : "client_certificate");
}


static int
entra_client_auth_env(entra_credential_t *c, entra_err_t *err)
{
    unsigned     allowed = c->type->client_auth;
    const char  *value;

    value = entra_env_get(c->env, "AZURE_CLIENT_SECRET");

    if (value && (allowed & ENTRA_CLIENT_AUTH_SECRET)) {
        return entra_client_auth_secret_value(c, value, err);
    }

    value = entra_env_get(c->env, "AZURE_CLIENT_CERTIFICATE_PATH");

    if (value && (allowed & ENTRA_CLIENT_AUTH_CERTIFICATE)) {
        return entra_client_auth_certificate(c, value, err);
    }

    return entra_client_auth_missing(allowed, err);
}


int
entra_client_auth_in_env(const entra_credential_t *c)
{
    return entra_env_get(c->env, "AZURE_CLIENT_SECRET") != NULL
           || entra_env_get(c->env, "AZURE_CLIENT_CERTIFICATE_PATH") != NULL;
}


static int
entra_client_auth_source(entra_credential_t *c, entra_err_t *err)
{
    const entra_client_auth_conf_t  *conf = c->conf;

    if (entra_client_auth_check(conf, err) != 0) {
        return -1;
    }

    if (conf->secret_files[0]) {
        return entra_client_auth_secret_files(c, err);
    }

    if (conf->secret_env) {
        return entra_client_auth_secret_env(c, conf->secret_env, err);
    }

    if (conf->certificate_path) {
        return entra_client_auth_certificate(c, conf->certificate_path, err);
    }

    if (conf->principal_path) {
        return entra_client_auth_principal(c, err);
    }

    return entra_client_auth_env(c, err);
}


int
entra_client_auth_init(entra_credential_t *c, entra_err_t *err)
{
    const entra_client_auth_t  *auth = entra_client_auth_of(c);

    if (entra_client_auth_source(c, err) != 0) {
        return -1;
    }

    entra_credential_secret_file(c, auth->secrets[0].file.path);
    entra_credential_secret_file(c, auth->secrets[1].file.path);
    entra_credential_secret_file(c, auth->principal_file.path);
    entra_credential_secret_file(c, auth->certificate_file.path);
    entra_credential_secret_file(c, auth->password_file.path);

    return 0;
}


void
entra_client_auth_free(entra_credential_t *c)
{
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    if (auth == NULL) {
        return;
    }

    entra_client_secret_free(&auth->secrets[0]);
    entra_client_secret_free(&auth->secrets[1]);
    entra_certificate_free(auth->certificate);
    entra_file_free(&auth->certificate_file);
    entra_file_free(&auth->password_file);
    entra_file_free(&auth->principal_file);
    entra_free_secret(auth->password);
    entra_service_principal_free(&auth->principal);
    free(auth);
}


void
entra_client_auth_secrets(const entra_credential_t *c, entra_buf_t *out)
{
    unsigned                    i;
    const entra_client_auth_t  *auth = entra_client_auth_of(c);

    for (i = 0; auth && i < auth->nsecrets; i++) {
        if (auth->secrets[i].value) {
            entra_buf_addf(out, "secret %zu ",
                           strlen(auth->secrets[i].value));
            entra_buf_add_c(out, auth->secrets[i].value);
        }
    }

    if (auth && auth->certificate) {
        entra_buf_add_c(out, "certificate ");
        entra_certificate_id(auth->certificate, out);
    }
}


static int
entra_client_auth_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}


/* 1: another secret; what else is in the JSON cannot change while running */

static int
entra_client_auth_watch_principal(entra_credential_t *c, entra_err_t *err)
{
    int                              rc;
    entra_client_auth_t             *auth = entra_client_auth_of(c);
    entra_service_principal_t        sp, *old = &auth->principal;
    const entra_client_auth_conf_t  *conf = c->conf;

    rc = auth->principal_file.path
         ? entra_file_refresh(&auth->principal_file, err) : 0;

    if (rc != 1) {
        return rc;
    }

    if (entra_service_principal_parse(&sp,
                                   entra_file_text(&auth->principal_file),
                                   err)
        != 0)
    {
        return -1;
    }

    if (!entra_client_auth_same(sp.client_id, old->client_id)
        || !entra_client_auth_same(sp.tenant_id, old->tenant_id)
        || !entra_client_auth_same(sp.certificate, old->certificate))
    {
        entra_service_principal_free(&sp);
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.400s\" names another application or"
                             " certificate than before: reload nginx to use"
                             " it", auth->principal_file.path);
    }

    rc = 0;

    /* when the block names a secret of its own, this one is not used */

    if (auth->secrets[0].file.path == NULL && auth->nsecrets == 1
        && sp.secret && conf->secret_env == NULL
        && strcmp(sp.secret, auth->secrets[0].value) != 0)
    {
        rc = entra_client_secret_set(&auth->secrets[0],
                                     entra_str_c(sp.secret), err)
             == 0 ? 1 : -1;
    }

    entra_service_principal_free(old);
    *old = sp;

    return rc;
}


static int
entra_client_auth_watch_certificate(entra_credential_t *c, entra_err_t *err)
{
    int                   file, password;
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    if (auth->certificate_file.path == NULL) {
        return 0;
    }

    password = auth->password_file.path
               ? entra_file_refresh(&auth->password_file, err) : 0;
    file = entra_file_refresh(&auth->certificate_file, err);

    if (file < 0) {
        return -1;
    }

    if (file == 0 && password != 1) {
        return password;
    }

    if (entra_client_auth_certificate_read(c, err) != 0) {
        auth->certificate_file.stale = 1;
        return -1;
    }

    return 1;
}


/* looks at all files; -1 when one of them is bad, the others count */

static int
entra_client_auth_look(entra_credential_t *c, entra_err_t *err)
{
    int                   rc[4], bad = 0;
    unsigned              i, stale;
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    rc[0] = entra_client_secret_watch(&auth->secrets[0], err);
    rc[1] = entra_client_secret_watch(&auth->secrets[1], err);
    rc[2] = entra_client_auth_watch_principal(c, err);
    rc[3] = entra_client_auth_watch_certificate(c, err);

    for (i = 0; i < 4; i++) {
        if (rc[i] == 1) {
            auth->changed = 1;
        }

        bad |= rc[i] < 0;
    }

    stale = auth->secrets[0].file.stale
            + auth->secrets[1].file.stale
            + auth->principal_file.stale
            + auth->certificate_file.stale
            + auth->password_file.stale;

    /* workers share what none of them writes */

    if (c->stale_files != stale) {
        c->stale_files = stale;
    }

    return bad ? -1 : 0;
}


void
entra_client_auth_files(const entra_credential_t *c, entra_file_visit_pt visit,
    void *data)
{
    const entra_client_auth_t  *auth = entra_client_auth_of(c);

    visit(data, &auth->secrets[0].file);
    visit(data, &auth->secrets[1].file);
    visit(data, &auth->principal_file);
    visit(data, &auth->certificate_file);
    visit(data, &auth->password_file);
}


int
entra_client_auth_watch(entra_credential_t *c, entra_err_t *err)
{
    int                   rc;
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    rc = entra_client_auth_look(c, err);

    if (rc == 0 && auth->problem) {
        *err = *auth->problem;
        free(auth->problem);
        auth->problem = NULL;
        return -1;
    }

    /* the caller hears of the bad file first, and of the good one next */

    if (rc == 0 && auth->changed) {
        auth->changed = 0;
        rc = 1;
    }

    return rc;
}


int
entra_client_auth_env_changed(entra_credential_t *c, const char *secret,
    entra_err_t *err)
{
    entra_str_t           text = entra_str_trim(entra_str_c(secret));
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    if (auth->secrets[0].value == NULL
        || entra_str_eq_c(text, auth->secrets[0].value))
    {
        return 0;
    }

    if (entra_client_secret_set(&auth->secrets[0], text, err) != 0) {
        return -1;
    }

    auth->changed = 1;

    return 1;
}


static entra_next_e
entra_client_auth_send_secret(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    const char  *secret;

    secret = auth->secrets[state->current].value;

    state->tried |= 1u << state->current;
    entra_token_request_secret(a, secret);

    return entra_token_request_send(a);
}


static entra_next_e
entra_client_auth_send_assertion(entra_acquire_t *a,
    entra_client_auth_t *auth)
{
    char  *assertion;

    /* the audience is what the request goes to */

    assertion = entra_assertion_create(auth->certificate,
                                       a->credential->client_id,
                                       a->request.url, entra_acquire_now(a),
                                       auth->flags, &a->err);
    if (assertion == NULL) {
        return ENTRA_NEXT_FAILED;
    }

    entra_token_request_assertion(a, assertion);
    entra_free_secret(assertion);

    return entra_token_request_send(a);
}


static entra_next_e
entra_client_auth_send(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state, const char *grant,
    void (*fill)(entra_acquire_t *a))
{
    if (entra_token_request_begin(a, grant) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (fill) {
        fill(a);
    }

    if (auth->certificate) {
        return entra_client_auth_send_assertion(a, auth);
    }

    return entra_client_auth_send_secret(a, auth, state);
}


/* a secret that was not tried yet and is another one: 1, and it is current */

static int
entra_client_auth_other(entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    unsigned  other = 1 - state->current;

    if (auth->nsecrets < 2
        || (state->tried & 1u << other)
        || auth->secrets[other].value == NULL
        || entra_client_auth_same(auth->secrets[0].value,
                                  auth->secrets[1].value))
    {
        return 0;
    }

    state->current = other;

    return 1;
}


/* without memory it is not told */

static void
entra_client_auth_keep(entra_client_auth_t *auth, const entra_err_t *problem)
{
    if (auth->problem == NULL) {
        auth->problem = malloc(sizeof(entra_err_t));
    }

    if (auth->problem) {
        *auth->problem = *problem;
    }
}


/* once an acquisition: files that changed since they were looked at */

static int
entra_client_auth_fresh(entra_credential_t *c,
    entra_client_auth_state_t *state)
{
    unsigned              before;
    entra_err_t           problem;
    entra_client_auth_t  *auth = entra_client_auth_of(c);

    if (state->again) {
        return 0;
    }

    state->again = 1;
    before = auth->changed;
    auth->changed = 0;
    entra_err_clear(&problem);

    /* what is wrong with a file is watch()'s to tell */

    if (entra_client_auth_look(c, &problem) != 0) {
        entra_client_auth_keep(auth, &problem);
    }

    if (!auth->changed) {
        auth->changed = before;
        return 0;
    }

    state->tried = 0;

    return 1;
}


static int
entra_client_auth_once_more(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    if (auth->certificate && a->err.aadsts == ENTRA_AADSTS_ASSERTION_TIME
        && !state->again)
    {
        (void) entra_client_auth_fresh(a->credential, state);
        return 1;
    }

    if (strcmp(a->err.error, "invalid_client") != 0) {
        return 0;
    }

    return entra_client_auth_other(auth, state)
           || entra_client_auth_fresh(a->credential, state);
}


entra_next_e
entra_client_auth_step(entra_acquire_t *a)
{
    return entra_client_auth_grant(a, "client_credentials", NULL);
}


entra_next_e
entra_client_auth_grant(entra_acquire_t *a, const char *grant,
    void (*fill)(entra_acquire_t *a))
{
    entra_next_e                next;
    entra_client_auth_t        *auth = entra_client_auth_of(a->credential);
    entra_client_auth_state_t  *state = a->state;

    if (a->reply == NULL) {
        state->current = auth->first;

        if (auth->certificate == NULL
            && auth->secrets[state->current].value == NULL)
        {
            state->current = 1 - state->current;
        }

        return entra_client_auth_send(a, auth, state, grant, fill);
    }

    next = entra_token_request_receive(a);

    if (next == ENTRA_NEXT_DONE) {
        if (auth->first != state->current) {
            auth->first = state->current;
        }

        return next;
    }

    if (auth->certificate == NULL) {
        entra_reply_redact(&a->err, auth->secrets[0].value);
        entra_reply_redact(&a->err, auth->secrets[1].value);
    }

    if (entra_client_auth_once_more(a, auth, state)) {
        return entra_client_auth_send(a, auth, state, grant, fill);
    }

    return next;
}
