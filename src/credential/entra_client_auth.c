
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "entra_assertion.h"
#include "entra_client_auth.h"


#define ENTRA_PASSWORD_MAX  4096
#define ENTRA_PATH_MAX      4096


static int
entra_client_auth_no_memory(entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_TRANSIENT, "no memory");
}


/* an error that began as a sentence about "it" */

static int
entra_client_auth_about(entra_err_t *err, const char *path)
{
    char  text[sizeof(err->text)];

    entra_err_clean(text, sizeof(text), entra_str_c(err->text));

    return entra_err_set(err, err->class, "\"%.400s\": %.500s", path, text);
}


int
entra_client_auth_load(entra_credential_t *c, entra_client_auth_t *auth,
    entra_err_t *err)
{
    entra_service_principal_t  *sp = &auth->principal;

    if (auth->principal_path == NULL) {
        return 0;
    }

    if (entra_file_init(&auth->principal_file, auth->principal_path,
                        ENTRA_SERVICE_PRINCIPAL_MAX)
        != 0)
    {
        return entra_client_auth_no_memory(err);
    }

    if (entra_file_refresh(&auth->principal_file, err) < 0) {
        return -1;
    }

    if (entra_service_principal_parse(sp,
                                   entra_file_text(&auth->principal_file),
                                   err)
        != 0)
    {
        return entra_client_auth_about(err, auth->principal_path);
    }

    if (entra_credential_default(&c->tenant_id, sp->tenant_id) != 0
        || entra_credential_default(&c->client_id, sp->client_id) != 0
        || (!c->cloud_given
            && entra_credential_default(&c->authority_host,
                                        sp->authority_host) != 0))
    {
        return entra_client_auth_no_memory(err);
    }

    return 0;
}


static void
entra_client_auth_warn_id(entra_credential_t *c,
    const entra_client_secret_t *secret)
{
    if (secret->value && entra_client_secret_is_id(secret->value)) {
        entra_credential_warn(c, "the client secret of \"%s\" looks like the"
                              " secret's ID: Microsoft Entra wants its value",
                              c->name);
    }
}


/* one of two files may be missing: it is the one that is not there yet */

static int
entra_client_auth_secret_files(entra_credential_t *c,
    entra_client_auth_t *auth, entra_err_t *err)
{
    int          good = 0;
    unsigned     i;
    entra_err_t  problem;

    auth->nsecrets = auth->secret_files[1] ? 2 : 1;

    for (i = 0; i < auth->nsecrets; i++) {
        entra_err_clear(&problem);

        if (entra_client_secret_open(&auth->secrets[i],
                                     auth->secret_files[i], &problem)
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
entra_client_auth_secret_value(entra_credential_t *c,
    entra_client_auth_t *auth, const char *value, entra_err_t *err)
{
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
    const char  *p;

    for (p = name; *p; p++) {
        if (*p != '_' && !(*p >= 'A' && *p <= 'Z')
            && !(*p >= 'a' && *p <= 'z')
            && (p == name || !(*p >= '0' && *p <= '9')))
        {
            return 0;
        }
    }

    return p != name;
}


static int
entra_client_auth_secret_env(entra_credential_t *c,
    entra_client_auth_t *auth, entra_err_t *err)
{
    const char  *value;

    /* not repeated: it may be the secret itself */

    if (!entra_client_auth_env_name(auth->secret_env)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "client_secret_env is the name of an environment"
                             " variable, without \"$\", not the secret:"
                             " write \"client_secret_env VAR;\"");
    }

    value = entra_env_get(c->env, auth->secret_env);

    if (value == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s is not set in nginx's environment (with"
                             " systemd: Environment= or LoadCredential= of"
                             " the unit)", auth->secret_env);
    }

    return entra_client_auth_secret_value(c, auth, value, err);
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


int
entra_client_auth_certificate_read(entra_credential_t *c,
    entra_client_auth_t *auth, entra_err_t *err)
{
    const char           *password;
    entra_buf_t           b;
    entra_certificate_t  *cert;

    entra_buf_init(&b, ENTRA_PASSWORD_MAX);

    password = entra_client_auth_password(auth, &b);

    /* PKCS#12 may begin with what white space is, so it is not trimmed */

    cert = entra_certificate_parse(entra_buf_str(
                                       &auth->certificate_file.content),
                                   password, err);
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
entra_client_auth_algorithm(entra_credential_t *c, entra_client_auth_t *auth,
    entra_err_t *err)
{
    const char  *chain;

    if (auth->signing_algorithm == NULL) {
        auth->flags = c->tenant_id && strcmp(c->tenant_id, "adfs") == 0
                      ? ENTRA_ASSERTION_RS256 : 0;

    } else if (strcmp(auth->signing_algorithm, "RS256") == 0) {
        auth->flags = ENTRA_ASSERTION_RS256;

    } else if (strcmp(auth->signing_algorithm, "PS256") == 0) {
        auth->flags = 0;

    } else {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "signing_algorithm is PS256 (the default) or"
                             " RS256, not \"%s\"", auth->signing_algorithm);
    }

    chain = entra_env_get(c->env, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");

    if (auth->send_chain == 1
        || (auth->send_chain == -1 && chain
            && (strcmp(chain, "1") == 0
                || entra_str_case_eq_c(entra_str_c(chain), "true"))))
    {
        auth->flags |= ENTRA_ASSERTION_CHAIN;
    }

    return 0;
}


/* a relative path in a service principal's JSON is beside that file */

static char *
entra_client_auth_path(const entra_client_auth_t *auth, const char *path)
{
    const char   *slash;
    entra_buf_t   b;

    if (path[0] == '/' || auth->principal_path == NULL) {
        return entra_str_dup(entra_str_c(path));
    }

    entra_buf_init(&b, ENTRA_PATH_MAX);

    slash = strrchr(auth->principal_path, '/');

    if (slash) {
        entra_buf_add(&b, auth->principal_path,
                      (size_t) (slash - auth->principal_path) + 1);
    }

    entra_buf_add_c(&b, path);

    return entra_buf_steal(&b);
}


static int
entra_client_auth_certificate(entra_credential_t *c,
    entra_client_auth_t *auth, const char *path, entra_err_t *err)
{
    char        *full;
    int          rc;
    const char  *password;

    if (entra_client_auth_algorithm(c, auth, err) != 0) {
        return -1;
    }

    full = entra_client_auth_path(auth, path);
    rc = full ? entra_file_init(&auth->certificate_file, full,
                                ENTRA_CERTIFICATE_MAX) : -1;
    free(full);

    if (rc != 0
        || (auth->password_path
            && entra_file_init(&auth->password_file, auth->password_path,
                               ENTRA_PASSWORD_MAX) != 0))
    {
        return entra_client_auth_no_memory(err);
    }

    if (auth->password_path) {
        rc = entra_file_refresh(&auth->password_file, err);

    } else {
        password = entra_env_get(c->env, "AZURE_CLIENT_CERTIFICATE_PASSWORD");
        rc = entra_credential_default(&auth->password, password);
    }

    if (rc < 0 || entra_file_refresh(&auth->certificate_file, err) < 0) {
        return -1;
    }

    return entra_client_auth_certificate_read(c, auth, err);
}


static int
entra_client_auth_contradiction(const char *one, const char *other,
    entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "both \"%s\" and \"%s\" are there: keep one of them",
                         one, other);
}


static int
entra_client_auth_check(const entra_client_auth_t *auth, entra_err_t *err)
{
    const char  *secret;

    secret = auth->secret_files[0] ? "client_secret_file"
             : auth->secret_env ? "client_secret_env" : NULL;

    if (auth->secret_files[0] && auth->secret_env) {
        return entra_client_auth_contradiction("client_secret_file",
                                               "client_secret_env", err);
    }

    if (secret && auth->certificate_path) {
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
entra_client_auth_principal(entra_credential_t *c, entra_client_auth_t *auth,
    unsigned allowed, entra_err_t *err)
{
    const entra_service_principal_t  *sp = &auth->principal;

    if (sp->secret && (allowed & ENTRA_CLIENT_AUTH_SECRET)) {
        return entra_client_auth_secret_value(c, auth, sp->secret, err);
    }

    if (sp->certificate && (allowed & ENTRA_CLIENT_AUTH_CERTIFICATE)) {
        return entra_client_auth_certificate(c, auth, sp->certificate, err);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.400s\" holds a %s: use the type \"%s\"",
                         auth->principal_path,
                         sp->secret ? "secret" : "certificate",
                         sp->secret ? "client_secret"
                                    : "client_certificate");
}


static int
entra_client_auth_env(entra_credential_t *c, entra_client_auth_t *auth,
    unsigned allowed, entra_err_t *err)
{
    const char  *value;

    value = entra_env_get(c->env, "AZURE_CLIENT_SECRET");

    if (value && (allowed & ENTRA_CLIENT_AUTH_SECRET)) {
        return entra_client_auth_secret_value(c, auth, value, err);
    }

    value = entra_env_get(c->env, "AZURE_CLIENT_CERTIFICATE_PATH");

    if (value && (allowed & ENTRA_CLIENT_AUTH_CERTIFICATE)) {
        return entra_client_auth_certificate(c, auth, value, err);
    }

    return entra_client_auth_missing(allowed, err);
}


int
entra_client_auth_in_env(const entra_credential_t *c)
{
    return entra_env_get(c->env, "AZURE_CLIENT_SECRET") != NULL
           || entra_env_get(c->env, "AZURE_CLIENT_CERTIFICATE_PATH") != NULL;
}


int
entra_client_auth_init(entra_credential_t *c, entra_client_auth_t *auth,
    unsigned allowed, entra_err_t *err)
{
    if (entra_client_auth_check(auth, err) != 0) {
        return -1;
    }

    if (auth->secret_files[0]) {
        return entra_client_auth_secret_files(c, auth, err);
    }

    if (auth->secret_env) {
        return entra_client_auth_secret_env(c, auth, err);
    }

    if (auth->certificate_path) {
        return entra_client_auth_certificate(c, auth, auth->certificate_path,
                                             err);
    }

    if (auth->principal_path) {
        return entra_client_auth_principal(c, auth, allowed, err);
    }

    return entra_client_auth_env(c, auth, allowed, err);
}


void
entra_client_auth_free(entra_client_auth_t *auth)
{
    entra_client_secret_free(&auth->secrets[0]);
    entra_client_secret_free(&auth->secrets[1]);

    entra_certificate_free(auth->certificate);
    auth->certificate = NULL;

    entra_file_free(&auth->certificate_file);
    entra_file_free(&auth->password_file);
    entra_file_free(&auth->principal_file);

    entra_free_secret(auth->password);
    auth->password = NULL;

    entra_service_principal_free(&auth->principal);
}


void
entra_client_auth_material(const entra_client_auth_t *auth, entra_buf_t *out)
{
    unsigned  i;

    for (i = 0; i < auth->nsecrets; i++) {
        if (auth->secrets[i].value) {
            entra_buf_addf(out, "secret %zu ",
                           strlen(auth->secrets[i].value));
            entra_buf_add_c(out, auth->secrets[i].value);
        }
    }

    if (auth->certificate) {
        entra_buf_add_c(out, "certificate ");
        entra_certificate_id(auth->certificate, out);
    }
}
