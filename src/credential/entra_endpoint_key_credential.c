
/*
 * Copyright (C) nginx-entra authors
 *
 * The keys of an online endpoint with auth_mode "key": from files, or asked
 * for with another credential.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_endpoint.h"
#include "entra_file.h"
#include "entra_json.h"


#define ENTRA_ENDPOINT_KEY_MAX      4096


static const entra_file_want_t  entra_endpoint_key_want = {
    .form = ENTRA_FORM_VALUE,
    .what = "one key of the endpoint only",
    .make = "az ml online-endpoint get-credentials --name NAME --query"
            " primaryKey -o tsv > FILE",
    .json = "write it with \"az ml online-endpoint get-credentials --name NAME"
            " --query primaryKey -o tsv > FILE\"",
    .pem = "it is not what an endpoint takes"
};


/*
 * A key is good until somebody makes a new one.  So it is kept for as long
 * as a token can be, also when Resource Manager is away, and asked for again
 * every hour; a 401 of the endpoint asks at once.
 */

#define ENTRA_ENDPOINT_KEY_REFRESH  3600


typedef struct {
    entra_endpoint_t    endpoint;               /* the first */
    char               *key_file[2];            /* parameter */

    entra_file_t        files[2];
    unsigned            nfiles;

    /* the key that was refused last, so that the next choice is not it */
    unsigned            has_refused:1;
    unsigned char       refused[32];
} entra_endpoint_key_t;


/* what cannot be sent is better known at once */

static int
entra_endpoint_key_check(const entra_file_t *file, entra_err_t *err)
{
    entra_token_t  token;

    entra_token_init(&token);

    if (entra_token_set(&token, entra_file_text(file), 1, 0, err) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" does not hold a key: %s", file->path,
                             err->text);
    }

    entra_token_free(&token);

    return 0;
}


static int
entra_endpoint_key_files(entra_endpoint_key_t *conf, entra_err_t *err)
{
    unsigned       i;
    entra_file_t  *file;

    for (i = 0; i < 2 && conf->key_file[i]; i++) {
        file = &conf->files[i];

        if (entra_file_init(file, conf->key_file[i], ENTRA_ENDPOINT_KEY_MAX)
            != 0)
        {
            return entra_err_no_memory(err);
        }

        conf->nfiles++;
        file->want = &entra_endpoint_key_want;

        if (entra_file_refresh(file, err) < 0
            || entra_endpoint_key_check(file, err) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
entra_endpoint_key_init(entra_credential_t *c, entra_err_t *err)
{
    entra_endpoint_key_t  *conf = c->conf;
    entra_endpoint_t      *e = &conf->endpoint;

    if (conf->key_file[0] == NULL) {

        if (e->endpoint == NULL && e->workspace == NULL && e->using == NULL) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "no key: write \"key_file FILE [FILE2];\", "
                                 "or \"endpoint NAME; workspace FILE; using "
                                 "CREDENTIAL;\" to have them asked for");
        }

        return entra_endpoint_init(c, err);
    }

    if (e->endpoint || e->workspace || e->using || e->resource_manager) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" and \"key_file\" are mutually exclusive: "
                             "the key is read from a file, or requested",
                             e->endpoint ? "endpoint"
                             : e->workspace ? "workspace"
                             : e->using ? "using" : "resource_manager");
    }

    if (entra_endpoint_key_files(conf, err) != 0) {
        return -1;
    }

    entra_credential_secret_file(c, conf->key_file[0]);
    entra_credential_secret_file(c, conf->key_file[1]);

    return 0;
}


static void
entra_endpoint_key_free(entra_credential_t *c)
{
    unsigned               i;
    entra_endpoint_key_t  *conf = c->conf;

    for (i = 0; i < 2; i++) {
        entra_file_free(&conf->files[i]);
    }

    entra_endpoint_free(c);
}


static int
entra_endpoint_key_refused(const entra_endpoint_key_t *conf, entra_str_t key)
{
    unsigned char  digest[ENTRA_SHA256_LEN];

    return conf->has_refused && entra_sha256(key, digest) == 0
           && memcmp(digest, conf->refused, sizeof(digest)) == 0;
}


/* the first that is not known to be bad; when all are, the first */

static entra_next_e
entra_endpoint_key_take(entra_acquire_t *a, entra_str_t first,
    entra_str_t second)
{
    entra_str_t            key = first;
    entra_endpoint_key_t  *conf = a->credential->conf;

    if (second.len
        && (first.len == 0 || (entra_endpoint_key_refused(conf, first)
                               && !entra_endpoint_key_refused(conf, second))))
    {
        key = second;
    }

    return entra_token_set(&a->token, key, ENTRA_LIFETIME_MAX,
                           ENTRA_ENDPOINT_KEY_REFRESH, &a->err)
           == 0 ? ENTRA_NEXT_DONE : ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_endpoint_key_from_files(entra_acquire_t *a)
{
    unsigned               i;
    entra_err_t            err;
    entra_str_t            key[2] = { entra_str_null, entra_str_null };
    entra_endpoint_key_t  *conf = a->credential->conf;

    for (i = 0; i < conf->nfiles; i++) {
        entra_err_clear(&err);

        if (entra_file_refresh(&conf->files[i], &err) < 0) {
            a->platform->log(a->platform->data, ENTRA_LOG_ERR, err.text);
        }

        key[i] = entra_file_text(&conf->files[i]);
    }

    return entra_endpoint_key_take(a, key[0], key[1]);
}


static entra_next_e
entra_endpoint_key_received(entra_acquire_t *a)
{
    entra_next_e   next;
    entra_str_t    first, second;
    entra_json_t  *root;

    if (a->reply->status != 200 || a->reply->too_large) {
        return entra_endpoint_failed(a,
                    "give the credential of \"using\" a role with the action "
                    "Microsoft.MachineLearningServices/workspaces/"
                    "onlineEndpoints/listKeys/action");
    }

    root = entra_json_parse(a->reply->body, ENTRA_HTTP_BODY_MAX,
                            ENTRA_JSON_OBJECT);

    first = entra_json_member_string(root, "primaryKey");
    second = entra_json_member_string(root, "secondaryKey");

    if (first.len == 0 && second.len == 0) {
        entra_json_free(root);
        return entra_endpoint_unusable(a, "no primaryKey or secondaryKey in"
                                          " it");
    }

    next = entra_endpoint_key_take(a, first, second);

    entra_json_free(root);

    return next;
}


static entra_next_e
entra_endpoint_key_step(entra_acquire_t *a)
{
    entra_endpoint_key_t  *conf = a->credential->conf;

    switch (a->step) {

    case 0:
        if (a->has_refused) {
            conf->has_refused = 1;
            memcpy(conf->refused, a->refused, sizeof(conf->refused));
        }

        return conf->nfiles ? entra_endpoint_key_from_files(a)
                            : entra_endpoint_ask(a);

    case 1:
        return entra_endpoint_post(a, "listKeys");

    default:
        return entra_endpoint_key_received(a);
    }
}


static int
entra_endpoint_key_watch(entra_credential_t *c, entra_err_t *err)
{
    int                    rc, changed = 0, failed = 0;
    unsigned               i;
    entra_endpoint_key_t  *conf = c->conf;

    for (i = 0; i < conf->nfiles; i++) {
        rc = entra_file_refresh(&conf->files[i], err);

        changed |= rc == 1;
        failed |= rc == -1;
    }

    c->stale_files = conf->files[0].stale + conf->files[1].stale;

    return changed ? 1 : failed ? -1 : 0;
}


static void
entra_endpoint_key_visit(const entra_credential_t *c,
    entra_file_visit_pt visit, void *data)
{
    unsigned                     i;
    const entra_endpoint_key_t  *conf = c->conf;

    for (i = 0; i < conf->nfiles; i++) {
        visit(data, &conf->files[i]);
    }
}


static void
entra_endpoint_key_identity(const entra_credential_t *c, entra_buf_t *out)
{
    unsigned               i;
    entra_endpoint_key_t  *conf = c->conf;

    for (i = 0; i < conf->nfiles; i++) {
        entra_buf_addf(out, "file=%s ", conf->files[i].path);
    }

    entra_endpoint_identity(c, out);
}


static void
entra_endpoint_key_secrets(const entra_credential_t *c, entra_buf_t *out)
{
    unsigned               i;
    entra_endpoint_key_t  *conf = c->conf;

    for (i = 0; i < conf->nfiles; i++) {
        entra_buf_add_str(out, entra_file_text(&conf->files[i]));
        entra_buf_add_char(out, '\n');
    }
}


static const entra_param_t  entra_endpoint_key_params[] = {
    { "key_file", ENTRA_PARAM_FILES,
      offsetof(entra_endpoint_key_t, key_file) },
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_endpoint_key_credential = {
    .name = "endpoint_key",
    .azure_name = "onlineEndpoints/listKeys",
    .conf_size = sizeof(entra_endpoint_key_t),
    .params = { entra_endpoint_key_params, entra_endpoint_params },
    .no_scope = 1,
    .init = entra_endpoint_key_init,
    .free = entra_endpoint_key_free,
    .step = entra_endpoint_key_step,
    .watch = entra_endpoint_key_watch,
    .files = entra_endpoint_key_visit,
    .uses = entra_endpoint_uses,
    .identity = entra_endpoint_key_identity,
    .secrets = entra_endpoint_key_secrets
};
