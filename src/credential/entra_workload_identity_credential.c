
/*
 * Copyright (C) nginx-entra authors
 *
 * WorkloadIdentityCredential: a token of another issuer, in a file that it
 * keeps fresh (AKS projects one into pods), is exchanged for one of Entra.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_aadsts.h"
#include "entra_cloud.h"
#include "entra_enc.h"
#include "entra_json.h"
#include "entra_token_proxy.h"
#include "entra_token_request.h"


#define ENTRA_WORKLOAD_VAR   "AZURE_FEDERATED_TOKEN_FILE"
#define ENTRA_WORKLOAD_MAX   (16 * 1024)


typedef struct {
    char                 *federated_token_file;     /* parameter */

    entra_file_t          file;
    entra_token_proxy_t   proxy;
} entra_workload_t;


typedef struct {
    unsigned              again:1;          /* the file was read once more */
    unsigned char         sent[32];         /* SHA-256 of the token */
} entra_workload_state_t;


static const entra_file_want_t  entra_workload_want = {
    .form = ENTRA_FORM_TOKEN,
    .what = "a federated token (JWT) only",
    .make = "kubectl create token SERVICEACCOUNT --audience"
            " api://AzureADTokenExchange > FILE",
    .pem = "use the type client_certificate"
};


/* one word of visible ASCII, whatever it means */

static int
entra_workload_token_ok(entra_str_t token)
{
    return token.len && entra_str_is_visible(token);
}


static int
entra_workload_aud_is(const entra_json_t *aud, const char *want)
{
    entra_str_t          text;
    const entra_json_t  *item;

    if (entra_json_string(aud, &text) == 0) {
        return entra_str_eq_c(text, want);
    }

    for (item = entra_json_first(aud); item; item = entra_json_next(item)) {
        if (entra_json_string(item, &text) == 0
            && entra_str_eq_c(text, want))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * The audience is a convention between the token's issuer and the federated
 * credential of the app, so another one is a reason to warn only.
 */

static void
entra_workload_audience(entra_credential_t *c, entra_str_t token)
{
    char                *first, *second;
    entra_buf_t          payload;
    entra_str_t          part;
    entra_json_t        *claims = NULL;
    const entra_json_t  *aud;

    first = memchr(token.data, '.', token.len);
    if (first == NULL) {
        return;
    }

    part.data = first + 1;
    part.len = token.len - (size_t) (part.data - token.data);

    second = memchr(part.data, '.', part.len);
    if (second == NULL) {
        return;
    }

    part.len = (size_t) (second - part.data);

    entra_buf_init(&payload, ENTRA_WORKLOAD_MAX);

    if (entra_dec_base64url(&payload, part) == 0) {
        claims = entra_json_parse(entra_buf_str(&payload), ENTRA_WORKLOAD_MAX,
                                  ENTRA_JSON_OBJECT);
    }

    aud = entra_json_member(claims, "aud");

    if (aud && !entra_workload_aud_is(aud, c->cloud->exchange_audience)) {
        entra_credential_warn(c, "the federated token's audience is not %s, "
                              "which federated credentials in the cloud "
                              "\"%s\" expect by default",
                              c->cloud->exchange_audience, c->cloud->name);
    }

    entra_json_free(claims);
    entra_buf_free(&payload);
}


static int
entra_workload_file(entra_credential_t *c, entra_err_t *err)
{
    const char        *path;
    entra_str_t        token;
    entra_workload_t  *conf = c->conf;

    path = conf->federated_token_file;

    if (path == NULL) {
        path = entra_env_get(c->env, ENTRA_WORKLOAD_VAR);
    }

    if (path == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "no federated token: write "
                             "\"federated_token_file FILE;\" or set "
                             ENTRA_WORKLOAD_VAR ", as AKS does in pods with "
                             "the label azure.workload.identity/use: "
                             "\"true\"");
    }

    if (path[0] != '/') {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             ENTRA_WORKLOAD_VAR " is not an absolute path");
    }

    if (entra_file_init(&conf->file, path, ENTRA_WORKLOAD_MAX) != 0) {
        return entra_err_no_memory(err);
    }

    conf->file.want = &entra_workload_want;

    if (entra_file_refresh(&conf->file, err) < 0) {
        return -1;
    }

    token = entra_file_text(&conf->file);

    if (!entra_workload_token_ok(token)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" does not hold a token, a single word",
                             path);
    }

    if (conf->proxy.base == NULL) {
        entra_workload_audience(c, token);
    }

    entra_credential_secret_file(c, path);

    return 0;
}


static int
entra_workload_init(entra_credential_t *c, entra_err_t *err)
{
    entra_workload_t  *conf = c->conf;

    if (entra_token_proxy_init(&conf->proxy, c->env, err) != 0) {
        return -1;
    }

    return entra_workload_file(c, err);
}


static void
entra_workload_free(entra_credential_t *c)
{
    entra_workload_t  *conf = c->conf;

    entra_file_free(&conf->file);
    entra_token_proxy_free(&conf->proxy);
}


static entra_next_e
entra_workload_send(entra_acquire_t *a)
{
    char                    *token;
    entra_workload_t        *conf = a->credential->conf;
    entra_workload_state_t  *state = a->state;

    if (!entra_workload_token_ok(entra_file_text(&conf->file))) {
        entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                      "\"%s\" does not hold a token, a single word",
                      conf->file.path);
        return ENTRA_NEXT_FAILED;
    }

    if (entra_token_request_begin(a, "client_credentials") != 0) {
        return ENTRA_NEXT_FAILED;
    }

    token = entra_str_dup(entra_file_text(&conf->file));
    if (token == NULL
        || entra_sha256(entra_file_text(&conf->file), state->sent) != 0)
    {
        entra_free_secret(token);
        entra_err_no_memory(&a->err);
        return ENTRA_NEXT_FAILED;
    }

    entra_token_request_assertion(a, token);
    entra_free_secret(token);

    if (conf->proxy.base && entra_token_proxy_apply(&conf->proxy, a) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    return entra_token_request_send(a);
}


/*
 * The file may have been replaced while the request was under way, with
 * watch() having seen it already, or on a file system whose times do not
 * tell: it is read again whatever they say, and compared with what was sent.
 */

static int
entra_workload_reread(entra_acquire_t *a)
{
    entra_err_t              ignored;
    unsigned char            digest[32];
    entra_workload_t        *conf = a->credential->conf;
    entra_workload_state_t  *state = a->state;

    conf->file.mtime_ns = -1;

    entra_err_clear(&ignored);
    (void) entra_file_refresh(&conf->file, &ignored);

    return entra_sha256(entra_file_text(&conf->file), digest) == 0
           && memcmp(digest, state->sent, sizeof(digest)) != 0;
}


static entra_next_e
entra_workload_receive(entra_acquire_t *a)
{
    entra_next_e             next;
    entra_workload_state_t  *state = a->state;

    next = entra_token_request_receive(a);

    if (next != ENTRA_NEXT_FAILED
        || a->err.aadsts != ENTRA_AADSTS_ASSERTION_TIME)
    {
        return next;
    }

    if (!state->again && entra_workload_reread(a)) {
        state->again = 1;
        entra_err_clear(&a->err);
        return entra_workload_send(a);
    }

    a->err.advice = "check that the federated token file is still being "
                    "renewed, and that the clocks are right";

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_workload_step(entra_acquire_t *a)
{
    char               line[sizeof(a->err.text) + 64];
    entra_err_t        err;
    entra_workload_t  *conf = a->credential->conf;

    if (a->step) {
        return entra_workload_receive(a);
    }

    entra_err_clear(&err);

    /* whoever looks at a file first is told of its faults, and only once */

    if (entra_file_refresh(&conf->file, &err) < 0) {
        (void) snprintf(line, sizeof(line), "%s; the last good token is used",
                        err.text);
        a->platform->log(a->platform->data, ENTRA_LOG_ERR, line);
    }

    return entra_workload_send(a);
}


static int
entra_workload_watch(entra_credential_t *c, entra_err_t *err)
{
    int                rc;
    entra_workload_t  *conf = c->conf;

    rc = entra_file_refresh(&conf->file, err);
    c->stale_files = conf->file.stale;

    return rc;
}


static void
entra_workload_files(const entra_credential_t *c, entra_file_visit_pt visit,
    void *data)
{
    const entra_workload_t  *conf = c->conf;

    visit(data, &conf->file);
}


static const entra_param_t  entra_workload_params[] = {
    { "federated_token_file", ENTRA_PARAM_FILE,
      offsetof(entra_workload_t, federated_token_file) },
    { NULL, 0, 0 }
};


/*
 * No secrets(): a new federated token says the same of the same workload,
 * and what was obtained with the last one stays good.
 */

const entra_credential_type_t  entra_workload_identity_credential = {
    .name = "workload_identity",
    .azure_name = "WorkloadIdentityCredential",
    .conf_size = sizeof(entra_workload_t),
    .state_size = sizeof(entra_workload_state_t),
    .params = { entra_workload_params },
    .needs_tenant = 1,
    .needs_client_id = 1,
    .init = entra_workload_init,
    .free = entra_workload_free,
    .step = entra_workload_step,
    .watch = entra_workload_watch,
    .files = entra_workload_files
};
