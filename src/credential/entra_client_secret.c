
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entra_client_secret.h"


static const entra_file_want_t  entra_client_secret_want = {
    .form = ENTRA_FORM_VALUE,
    .what = "the client secret only",
    .make = "az ad app credential reset --append --id CLIENT_ID --query"
            " password -o tsv > FILE",
    .json = "write \"service_principal_file FILE;\" if it is what \"az ad sp"
            " create-for-rbac\" printed",
    .pem = "use the type client_certificate",
    .jwt = "write \"federated_token_file FILE;\" in a credential of the type"
           " workload_identity if it is a federated token"
};


static int
entra_client_secret_check(entra_str_t value, const char *path,
    entra_err_t *err)
{
    char  size[ENTRA_SIZE_LEN], max[ENTRA_SIZE_LEN];

    if (value.len == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the client secret is empty");
    }

    if (value.len > ENTRA_CLIENT_SECRET_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s%.400s%s is %s bytes, a client secret has at"
                             " most %s", path ? "\"" : "",
                             path ? path : "the value", path ? "\"" : "",
                             entra_size(size, value.len),
                             entra_size(max, ENTRA_CLIENT_SECRET_MAX));
    }

    return path ? 0 : entra_file_kind_check(&entra_client_secret_want, NULL,
                                            value, err);
}


static int
entra_client_secret_replace(entra_client_secret_t *secret, entra_str_t value,
    entra_err_t *err)
{
    char  *copy;

    if (entra_client_secret_check(value, secret->file.path, err) != 0) {
        return -1;
    }

    copy = entra_str_dup(value);
    if (copy == NULL) {
        return entra_err_no_memory(err);
    }

    entra_free_secret(secret->value);
    secret->value = copy;

    return 0;
}


int
entra_client_secret_set(entra_client_secret_t *secret, entra_str_t value,
    entra_err_t *err)
{
    return entra_client_secret_replace(secret, entra_str_trim(value), err);
}


/* those that Entra makes have 40 characters, one of them this */

static int
entra_client_secret_is_secret(const char *path)
{
    const char  *name = strrchr(path, '/');

    name = name ? name + 1 : path;

    return strlen(name) >= 32 && strchr(name, '~') != NULL
           && strchr(name, '.') != name;
}


int
entra_client_secret_open(entra_client_secret_t *secret, const char *path,
    entra_err_t *err)
{
    if (entra_file_init(&secret->file, path, ENTRA_CLIENT_SECRET_MAX * 2)
        != 0)
    {
        return entra_err_no_memory(err);
    }

    secret->file.want = &entra_client_secret_want;

    if (entra_client_secret_watch(secret, err) >= 0) {
        return 0;
    }

    if (access(path, F_OK) != 0 && entra_client_secret_is_secret(path)) {

        /* what has been said so far repeats it */

        entra_err_clear(err);
        return entra_err_set(err, ENTRA_ERR_CONFIG, "client_secret_file is"
                             " the name of a file, and this looks like the"
                             " secret itself: write it into a file that"
                             " only root and nginx's workers can read");
    }

    return -1;
}


int
entra_client_secret_watch(entra_client_secret_t *secret, entra_err_t *err)
{
    int          rc;
    entra_str_t  text;

    if (secret->file.path == NULL) {
        return 0;
    }

    rc = entra_file_refresh(&secret->file, err);
    if (rc != 1) {
        return rc;
    }

    text = entra_file_text(&secret->file);

    if (secret->value && entra_str_eq_c(text, secret->value)) {
        return 0;
    }

    if (entra_client_secret_replace(secret, text, err) != 0) {
        secret->file.stale = 1;
        return -1;
    }

    return 1;
}


void
entra_client_secret_free(entra_client_secret_t *secret)
{
    entra_file_free(&secret->file);
    entra_free_secret(secret->value);
    secret->value = NULL;
}
