
/*
 * Copyright (C) nginx-entra authors
 *
 * EnvironmentCredential: an application with a secret or a certificate, as
 * the AZURE_* variables say.
 */

#include <stdlib.h>

#include "entra_client_auth.h"
#include "entra_credential.h"
#include "entra_env.h"
#include "entra_file.h"


#define ENTRA_ENVIRONMENT_ODD  1024     /* bytes about odd lines */


typedef struct {
    entra_client_auth_conf_t   client_auth;     /* the first */
    char                      *dotenv_path;
    entra_file_t               dotenv_file;
    entra_buf_t                odd;             /* lines that were skipped */
    entra_env_t               *env;             /* the file's, over ... */
    entra_env_t               *outer;           /* ... nginx's own, borrowed */
} entra_environment_t;


static const entra_param_t  entra_environment_params[] = {
    { "dotenv", ENTRA_PARAM_FILE, offsetof(entra_environment_t, dotenv_path) },
    { NULL, 0, 0 }
};


static const entra_file_want_t  entra_dotenv_want = {
    .form = ENTRA_FORM_DOTENV,
    .what = "lines of the form NAME=value",
    .json = "write \"service_principal_file FILE;\" in a credential of the"
            " type client_secret if it is what \"az ad sp create-for-rbac\""
            " printed",
    .pem = "use the type client_certificate"
};


static int
entra_environment_read(entra_environment_t *conf, entra_env_t **env,
    entra_buf_t *odd, entra_err_t *err)
{
    char  text[sizeof(err->text)];

    *env = entra_env_create(conf->outer, 0);
    if (*env == NULL) {
        return entra_err_no_memory(err);
    }

    if (entra_env_parse(*env, entra_buf_str(&conf->dotenv_file.content), odd,
                        err)
        == 0)
    {
        return 0;
    }

    entra_env_free(*env);
    *env = NULL;

    entra_err_clean(text, sizeof(text), entra_str_c(err->text));

    return entra_err_set(err, err->class, "\"%.400s\": %.500s",
                         conf->dotenv_path, text);
}


static int
entra_environment_file(entra_credential_t *c, entra_err_t *err)
{
    int                   rc;
    entra_buf_t          *odd;
    entra_environment_t  *conf = c->conf;

    if (entra_file_init(&conf->dotenv_file, conf->dotenv_path,
                        ENTRA_DOTENV_MAX)
        != 0)
    {
        return entra_err_no_memory(err);
    }

    conf->dotenv_file.want = &entra_dotenv_want;

    if (entra_file_refresh(&conf->dotenv_file, err) < 0) {
        return -1;
    }

    odd = &conf->odd;
    entra_buf_init(odd, ENTRA_ENVIRONMENT_ODD);

    rc = entra_environment_read(conf, &conf->env, odd, err);

    if (rc == 0) {
        c->env = conf->env;
        entra_credential_secret_file(c, conf->dotenv_path);

        if (odd->len) {
            entra_credential_warn(c, "\"%s\": %s", conf->dotenv_path,
                                  odd->data);
        }
    }

    return rc;
}


static int
entra_environment_load(entra_credential_t *c, entra_err_t *err)
{
    entra_environment_t  *conf = c->conf;

    conf->client_auth.send_chain = -1;
    conf->outer = c->env;

    if (conf->dotenv_path && entra_environment_file(c, err) != 0) {
        return -1;
    }

    if (entra_credential_default(&c->tenant_id,
                                 entra_env_get(c->env, "AZURE_TENANT_ID"))
        != 0
        || entra_credential_default(&c->client_id,
                                    entra_env_get(c->env, "AZURE_CLIENT_ID"))
           != 0)
    {
        return entra_err_no_memory(err);
    }

    return entra_client_auth_load(c, err);
}


/* what is missing makes it unavailable: in a chain the next one is asked */

static int
entra_environment_init(entra_credential_t *c, entra_err_t *err)
{
    const char           *missing;
    entra_environment_t  *conf = c->conf;

    missing = c->tenant_id == NULL ? "AZURE_TENANT_ID"
              : c->client_id == NULL ? "AZURE_CLIENT_ID"
              : !entra_client_auth_in_env(c)
                ? "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH"
                : NULL;

    if (missing == NULL) {
        return entra_client_auth_init(c, err);
    }

    if (entra_env_get(c->env, "AZURE_USERNAME")) {
        return entra_err_unavailable(err, "AZURE_USERNAME and AZURE_PASSWORD"
                                     " are not supported (no second factor"
                                     " is possible): use a client secret or"
                                     " certificate");
    }

    if (conf->odd.len) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s is not set in \"%.400s\": %s", missing,
                             conf->dotenv_path, conf->odd.data);
    }

    return entra_err_unavailable(err, "%s is not set in %s%s%s: set it there,"
                                 " or use another type of credential",
                                 missing,
                                 conf->dotenv_path ? "\"" : "",
                                 conf->dotenv_path ? conf->dotenv_path
                                                   : "nginx's environment",
                                 conf->dotenv_path ? "\"" : "");
}


static void
entra_environment_free(entra_credential_t *c)
{
    entra_environment_t  *conf = c->conf;

    entra_client_auth_free(c);
    entra_file_free(&conf->dotenv_file);
    entra_buf_free(&conf->odd);
    entra_env_free(conf->env);
}


/* of the .env file, only another secret can be taken while running */

static int
entra_environment_changed(entra_credential_t *c, entra_err_t *err)
{
    int                   rc;
    const char           *value;
    entra_buf_t           odd;
    entra_env_t          *env;
    entra_environment_t  *conf = c->conf;

    entra_buf_init(&odd, ENTRA_ENVIRONMENT_ODD);

    rc = entra_environment_read(conf, &env, &odd, err);

    if (rc == 0) {
        value = entra_env_get(env, "AZURE_CLIENT_SECRET");

        if (value) {
            rc = entra_client_auth_env_changed(c, value, err);

        } else if (entra_env_get(conf->env, "AZURE_CLIENT_SECRET")) {
            rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                               "\"%.400s\" has no AZURE_CLIENT_SECRET any"
                               " more%s%s", conf->dotenv_path,
                               odd.len ? ": " : "", odd.len ? odd.data : "");
        }

        entra_env_free(env);
    }

    entra_buf_free(&odd);

    return rc;
}


static int
entra_environment_watch(entra_credential_t *c, entra_err_t *err)
{
    int                   rc;
    entra_environment_t  *conf = c->conf;

    rc = conf->dotenv_path ? entra_file_refresh(&conf->dotenv_file, err) : 0;

    if (rc == 1) {
        rc = entra_environment_changed(c, err);
    }

    return rc < 0 ? -1 : entra_client_auth_watch(c, err);
}


static void
entra_environment_files(const entra_credential_t *c, entra_file_visit_pt visit,
    void *data)
{
    const entra_environment_t  *conf = c->conf;

    visit(data, &conf->dotenv_file);
    entra_client_auth_files(c, visit, data);
}


const entra_credential_type_t  entra_environment_credential = {
    .name = "environment",
    .azure_name = "EnvironmentCredential",
    .conf_size = sizeof(entra_environment_t),
    .state_size = sizeof(entra_client_auth_state_t),
    .params = { entra_environment_params },
    .client_auth = ENTRA_CLIENT_AUTH_SECRET | ENTRA_CLIENT_AUTH_CERTIFICATE,
    .load = entra_environment_load,
    .init = entra_environment_init,
    .free = entra_environment_free,
    .step = entra_client_auth_step,
    .watch = entra_environment_watch,
    .files = entra_environment_files,
    .secrets = entra_client_auth_secrets
};
