
/*
 * Copyright (C) nginx-entra authors
 *
 * Managed identity of virtual machines, scale sets and AKS nodes: the
 * Instance Metadata Service on 169.254.169.254.
 */

#include <stdlib.h>

#include "entra_env.h"
#include "entra_json.h"
#include "entra_mi_source.h"
#include "entra_url.h"


#define ENTRA_MI_IMDS_HOST     "http://169.254.169.254"
#define ENTRA_MI_IMDS_PATH     "/metadata/identity/oauth2/token"
#define ENTRA_MI_IMDS_API      "2018-02-01"
#define ENTRA_MI_IMDS_VAR      "AZURE_POD_IDENTITY_AUTHORITY_HOST"

#define ENTRA_MI_PROBE_TIME    1000         /* ms */

/* the address is the host's own: it answers at once or is not there */
#define ENTRA_MI_IMDS_CONNECT  2000         /* ms */

/*
 * In one acquisition: 404, 408, 429 and 5xx are tried again after 1, 2 and
 * 4 s; 410 (the service is being upgraded, up to 70 s as documented) after
 * 10 s, 7 times.  Whoever started the acquisition backs off on top of it.
 */

#define ENTRA_MI_RETRIES       3
#define ENTRA_MI_RETRY_FIRST   1000         /* ms */
#define ENTRA_MI_GONE_RETRIES  7
#define ENTRA_MI_GONE_WAIT     10000        /* ms */
#define ENTRA_MI_WAIT_MAX      10           /* s, of a Retry-After */


static int
entra_mi_imds_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    return 1;
}


static int
entra_mi_imds_init(entra_credential_t *c, entra_err_t *err)
{
    const char   *host;
    entra_mi_t   *mi = c->conf;
    entra_buf_t   url;
    entra_str_t   base;
    entra_url_t   parts;

    host = entra_env_get(c->env, ENTRA_MI_IMDS_VAR);
    mi->probed = host != NULL;

    base = entra_str_c(host ? host : ENTRA_MI_IMDS_HOST);

    while (base.len && base.data[base.len - 1] == '/') {
        base.len--;
    }

    if (entra_url_check(ENTRA_MI_IMDS_VAR, base, &parts, err) != 0) {
        return -1;
    }

    if (parts.has_query) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "%s has a query: write "
                             "http://host[:port] only", ENTRA_MI_IMDS_VAR);
    }

    entra_buf_init(&url, ENTRA_URL_MAX + sizeof(ENTRA_MI_IMDS_PATH));
    entra_buf_add_str(&url, base);
    entra_buf_add_c(&url, ENTRA_MI_IMDS_PATH);

    mi->endpoint = entra_buf_steal(&url);
    if (mi->endpoint == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


/*
 * Without its header the service refuses at once, and so tells that it is
 * there; where it is not, an insisting request would hang for minutes.
 */

static entra_next_e
entra_mi_imds_probe(entra_acquire_t *a)
{
    entra_mi_state_t  *state = a->state;

    if (entra_mi_get(a, ENTRA_MI_IMDS_API) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    a->request.connect_timeout = ENTRA_MI_PROBE_TIME;
    a->request.timeout = ENTRA_MI_PROBE_TIME;
    state->probing = 1;

    return ENTRA_NEXT_HTTP;
}


static entra_next_e
entra_mi_imds_ask(entra_acquire_t *a)
{
    if (entra_mi_get(a, ENTRA_MI_IMDS_API) != 0
        || entra_mi_header(a, "Metadata", "true") != 0)
    {
        return ENTRA_NEXT_FAILED;
    }

    a->request.connect_timeout = ENTRA_MI_IMDS_CONNECT;

    return ENTRA_NEXT_HTTP;
}


static entra_next_e
entra_mi_imds_unavailable(entra_acquire_t *a, const char *why)
{
    entra_err_unavailable(&a->err, "%s", why);
    a->err.http_status = a->reply->status;

    return ENTRA_NEXT_FAILED;
}


/*
 * Docker Desktop answers for link-local addresses by itself: 403 with words
 * like "connecting to 169.254.169.254:80: ... network is unreachable".
 */

static int
entra_mi_imds_docker(const entra_http_reply_t *reply)
{
    return reply->status == 403
           && entra_str_has(reply->body, "unreachable");
}


static int
entra_mi_imds_json(entra_str_t body)
{
    entra_json_t  *root;

    root = entra_json_parse(body, ENTRA_HTTP_BODY_MAX, ENTRA_JSON_OBJECT);
    entra_json_free(root);

    return root != NULL;
}


/* ms to wait before the next attempt, 0: no further one */

static unsigned
entra_mi_imds_wait(const entra_http_reply_t *reply,
    const entra_mi_state_t *state)
{
    int       s = reply->status;
    unsigned  wait;

    if (s == 410) {
        return state->retries < ENTRA_MI_GONE_RETRIES ? ENTRA_MI_GONE_WAIT : 0;
    }

    if (!(s == 404 || s == 408 || s == 429 || (s >= 500 && s <= 599))
        || state->retries >= ENTRA_MI_RETRIES)
    {
        return 0;
    }

    wait = ENTRA_MI_RETRY_FIRST << state->retries;

    if (reply->retry_after > ENTRA_MI_WAIT_MAX) {
        return 0;
    }

    if (reply->retry_after * 1000 > (int64_t) wait) {
        wait = (unsigned) reply->retry_after * 1000;
    }

    return wait;
}


static entra_next_e
entra_mi_imds_answer(entra_acquire_t *a)
{
    entra_next_e               next;
    entra_mi_state_t          *state = a->state;
    const entra_http_reply_t  *reply = a->reply;

    if (reply->status == 0) {
        entra_mi_error(a);
        a->err.unavailable = 1;
        return ENTRA_NEXT_FAILED;
    }

    if (entra_mi_imds_docker(reply)) {
        return entra_mi_imds_unavailable(a, "no managed identity: the "
                                         "metadata service is unreachable, a "
                                         "proxy of the container host "
                                         "answered in its place");
    }

    if (reply->status == 400) {
        entra_mi_error(a);
        a->err.class = ENTRA_ERR_CONFIG;
        a->err.unavailable = 1;
        return ENTRA_NEXT_FAILED;
    }

    a->sleep = entra_mi_imds_wait(reply, state);

    if (a->sleep) {
        state->retries++;
        state->slept = 1;
        return ENTRA_NEXT_SLEEP;
    }

    next = entra_mi_finish(a);

    if (next == ENTRA_NEXT_FAILED) {

        /* a captive portal or a proxy, not the metadata service */

        a->err.unavailable = reply->status == 200
                             && !entra_mi_imds_json(reply->body);

        /* both pass: the service is being set up, or upgraded */

        if (reply->status == 404 || reply->status == 410) {
            a->err.class = ENTRA_ERR_TRANSIENT;
        }
    }

    return next;
}


static entra_next_e
entra_mi_imds_step(entra_acquire_t *a)
{
    entra_mi_t        *mi = a->credential->conf;
    entra_mi_state_t  *state = a->state;

    if (a->step == 0) {
        return a->in_chain && !mi->probed ? entra_mi_imds_probe(a)
                                          : entra_mi_imds_ask(a);
    }

    if (state->slept) {
        state->slept = 0;
        return entra_mi_imds_ask(a);
    }

    if (!state->probing) {
        return entra_mi_imds_answer(a);
    }

    state->probing = 0;

    if (a->reply->status == 0) {
        return entra_mi_imds_unavailable(a, "no managed identity: the metadata "
                                         "service on " ENTRA_MI_IMDS_HOST
                                         " does not answer");
    }

    if (entra_mi_imds_docker(a->reply)) {
        return entra_mi_imds_answer(a);
    }

    mi->probed = 1;

    return entra_mi_imds_ask(a);
}


const entra_mi_source_t  entra_mi_imds = {
    .name = "the Instance Metadata Service",
    .names = { NULL, "client_id", "object_id", "msi_res_id" },
    .detect = entra_mi_imds_detect,
    .init = entra_mi_imds_init,
    .step = entra_mi_imds_step
};
