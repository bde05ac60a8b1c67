
/*
 * Copyright (C) nginx-entra authors
 *
 * The parameters of credentials that a person signs in.
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entra_credential.h"
#include "entra_signed_in.h"
#include "entra_state_file.h"
#include "entra_token_request.h"
#include "entra_url.h"


const entra_param_t  entra_signed_in_params[] = {
    { "state_file", ENTRA_PARAM_FILE,
      offsetof(entra_signed_in_conf_t, state_file) },
    { "state_key_file", ENTRA_PARAM_FILE,
      offsetof(entra_signed_in_conf_t, state_key_file) },
    { "redirect_uri", ENTRA_PARAM_STRING,
      offsetof(entra_signed_in_conf_t, redirect_uri) },
    { NULL, 0, 0 }
};


static int
entra_signed_in_is_local(entra_str_t host)
{
    return entra_str_case_eq_c(host, "localhost")
           || entra_str_eq_c(host, "127.0.0.1")
           || entra_str_eq_c(host, "[::1]");
}


/* RFC 8252, section 7.3: plain http never leaves the machine */

static int
entra_signed_in_redirect(entra_signed_in_conf_t *conf, entra_err_t *err)
{
    entra_str_t  uri;
    entra_url_t  url;

    if (conf->redirect_uri == NULL) {
        return 0;
    }

    uri = entra_str_c(conf->redirect_uri);

    if (entra_url_check("redirect_uri", uri, &url, err) != 0) {
        return -1;
    }

    if (!url.https && !entra_signed_in_is_local(url.host)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "redirect_uri is plain http: write https://, or"
                             " http://localhost to sign in on this machine");
    }

    if (url.has_query
        || !entra_str_ends(url.target, ENTRA_SIGNED_IN_CALLBACK))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "redirect_uri does not end in \"/callback\":"
                             " write the address of the page of entra_sign_in"
                             " and \"/callback\"");
    }

    uri.len -= sizeof(ENTRA_SIGNED_IN_CALLBACK) - 1;
    conf->page = entra_str_dup(uri);

    return conf->page ? 0 : entra_err_no_memory(err);
}


static const entra_file_want_t  entra_signed_in_key_want = {
    .form = ENTRA_FORM_KEY,
    .what = "random bytes that nobody else knows",
    .make = "openssl rand -base64 32 > FILE",
    .pem = "write it with \"openssl rand -base64 32 > FILE\""
};


static int
entra_signed_in_key(entra_credential_t *c, entra_err_t *err)
{
    entra_signed_in_conf_t  *conf = c->conf;

    if (strcmp(conf->state_file, conf->state_key_file) == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file and state_key_file are the same");
    }

    if (entra_file_init(&conf->key, conf->state_key_file, ENTRA_STATE_KEY_MAX)
        != 0)
    {
        return entra_err_no_memory(err);
    }

    if (access(conf->state_key_file, F_OK) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file is encrypted with a key, and there is"
                             " no file \"%s\": make it with \"openssl rand"
                             " -base64 32\", readable by root only, or name"
                             " another with \"state_key_file FILE;\"",
                             conf->state_key_file);
    }

    conf->key.want = &entra_signed_in_key_want;

    if (entra_file_refresh(&conf->key, err) < 0) {
        return -1;
    }

    if (entra_file_text(&conf->key).len < ENTRA_STATE_KEY_MIN) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_key_file \"%s\" holds less than %d bytes:"
                             " make one with \"openssl rand -base64 32\"",
                             conf->state_key_file, ENTRA_STATE_KEY_MIN);
    }

    /* for root alone: a worker has it from the start */

    entra_access_secret(conf->state_key_file, c->group, &c->warnings);

    return 0;
}


/* state_file's name and ".key" */

static int
entra_signed_in_key_beside(entra_signed_in_conf_t *conf)
{
    entra_buf_t  b;

    entra_buf_init(&b, ENTRA_STATE_PATH_MAX);
    entra_buf_addf(&b, "%s.key", conf->state_file);

    conf->state_key_file = entra_buf_ok(&b) ? entra_str_dup(entra_buf_str(&b))
                                            : NULL;
    entra_buf_free(&b);

    return conf->state_key_file ? 0 : -1;
}


static int
entra_signed_in_dir(const char *path, entra_err_t *err)
{
    char         *dir;
    const char   *slash;
    struct stat   st;
    int           found;

    slash = strrchr(path, '/');

    if (slash == NULL || path[0] != '/') {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file \"%s\" is not an absolute path",
                             path);
    }

    dir = entra_str_dup((entra_str_t) { (size_t) (slash - path + 1), path });
    found = dir && stat(dir, &st) == 0 && S_ISDIR(st.st_mode);
    free(dir);

    if (!found) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the directory of state_file \"%s\" does not"
                             " exist: make it, and let the user of nginx's"
                             " workers write it", path);
    }

    return 0;
}


/* a file that cannot be used is replaced by the next sign-in */

static int
entra_signed_in_state(entra_credential_t *c, entra_err_t *err)
{
    entra_err_t              why;
    entra_signed_in_t        record;
    entra_signed_in_conf_t  *conf = c->conf;

    if (conf->state_file == NULL && conf->state_key_file == NULL) {
        return 0;
    }

    if (conf->state_file == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_key_file without state_file");
    }

    if (conf->state_key_file == NULL
        && entra_signed_in_key_beside(conf) != 0)
    {
        return entra_err_no_memory(err);
    }

    if (entra_signed_in_dir(conf->state_file, err) != 0
        || entra_signed_in_key(c, err) != 0)
    {
        return -1;
    }

    /* the file itself is checked when it is loaded */

    entra_access_directory(conf->state_file, c->group, &c->warnings);

    if (c->user) {
        entra_access_writable(conf->state_file, c->user, &c->warnings);
    }

    entra_err_clear(&why);

    if (entra_signed_in_load(c, &record, &why) != 0) {
        entra_credential_warn(c, "%s", why.text);

    } else {
        memcpy(conf->id, record.id, sizeof(conf->id));
        memcpy(conf->seen, record.id, sizeof(conf->seen));
        entra_signed_in_free(&record);
    }

    return 0;
}


const char *
entra_signed_in_same_file(const entra_credential_t *one,
    const entra_credential_t *two)
{
    const entra_signed_in_conf_t  *a = one->conf, *b = two->conf;

    return a->state_file && b->state_file
           && strcmp(a->state_file, b->state_file) == 0 ? a->state_file : NULL;
}


int
entra_signed_in_init(entra_credential_t *c, entra_err_t *err)
{
    entra_signed_in_conf_t  *conf = c->conf;

    if (entra_token_request_is_adfs(c)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "signing in to AD FS (tenant_id adfs) is not"
                             " supported");
    }

    if (entra_signed_in_redirect(conf, err) != 0) {
        return -1;
    }

    c->page = conf->page;

    return entra_signed_in_state(c, err);
}


void
entra_signed_in_conf_free(entra_credential_t *c)
{
    entra_signed_in_conf_t  *conf = c->conf;

    entra_file_free(&conf->key);
    free(conf->page);
    conf->page = NULL;
}
