
/*
 * Copyright (C) nginx-entra authors
 *
 * What the sources of managed identity tokens share: a request, an answer.
 */

#include <string.h>

#include "entra_cloud.h"
#include "entra_enc.h"
#include "entra_env.h"
#include "entra_mi_source.h"
#include "entra_reply.h"
#include "entra_url.h"


#define ENTRA_MI_QUERY_MAX  (8 * 1024)
#define ENTRA_MI_HALF       7200            /* seconds, see entra_mi_finish() */


/* what goes into a header has to be one, before the first request is made */

static int
entra_mi_secret_ok(const char *secret)
{
    for ( /* void */ ; *secret; secret++) {
        if (*secret < ' ' || *secret > 0x7e) {
            return 0;
        }
    }

    return 1;
}


int
entra_mi_endpoint(entra_credential_t *c, const char *endpoint,
    const char *secret, entra_err_t *err)
{
    const char   *value;
    entra_mi_t   *mi = c->conf;
    entra_url_t   url;

    value = entra_env_get(c->env, endpoint);

    if (entra_url_check(endpoint, entra_str_c(value), &url, err) != 0) {
        return -1;
    }

    mi->endpoint = entra_str_dup(entra_str_c(value));
    if (mi->endpoint == NULL) {
        return entra_err_no_memory(err);
    }

    if (secret == NULL) {
        return 0;
    }

    value = entra_env_get(c->env, secret);

    if (!entra_mi_secret_ok(value)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s holds characters that a header cannot",
                             secret);
    }

    mi->secret = entra_str_dup(entra_str_c(value));

    return mi->secret ? 0 : entra_err_no_memory(err);
}


int
entra_mi_get(entra_acquire_t *a, const char *api_version)
{
    entra_mi_t   *mi = a->credential->conf;
    entra_buf_t   url, query;

    entra_buf_init(&query, ENTRA_MI_QUERY_MAX);
    entra_enc_form_pair(&query, "api-version", entra_str_c(api_version));
    entra_enc_form_pair(&query, "resource",
                        entra_cloud_resource(entra_str_c(a->scope)));

    if (mi->kind != ENTRA_MI_SYSTEM) {
        entra_enc_form_pair(&query, mi->source->names[mi->kind],
                            entra_str_c(mi->selector));
    }

    entra_buf_init(&url, ENTRA_URL_MAX + ENTRA_MI_QUERY_MAX);
    entra_buf_add_c(&url, mi->endpoint);
    entra_buf_add_char(&url, strchr(mi->endpoint, '?') ? '&' : '?');
    entra_buf_add_str(&url, entra_buf_str(&query));

    if (!entra_buf_ok(&query)) {
        entra_buf_free(&query);
        entra_buf_free(&url);
        return entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "the scope or the identity's id is too long");
    }

    a->request.method = "GET";
    a->request.url = entra_buf_steal(&url);
    a->request.local = 1;

    entra_buf_free(&query);

    return a->request.url ? 0 : entra_err_no_memory(&a->err);
}


int
entra_mi_header(entra_acquire_t *a, const char *name, const char *value)
{
    if (entra_http_request_header(&a->request, name, entra_str_c(value))
        != 0)
    {
        return entra_err_no_memory(&a->err);
    }

    return 0;
}


/*
 * What is said of token endpoints in general does not fit here: a refusal is
 * one, whatever its body looks like, and no authority is concerned.
 */

static void
entra_mi_explain(entra_acquire_t *a)
{
    int           status = a->reply->status;
    entra_mi_t   *mi = a->credential->conf;
    entra_err_t  *err = &a->err;

    if (err->class == ENTRA_ERR_PROTOCOL && status >= 400 && status < 500) {
        err->class = status == 401 || status == 403 ? ENTRA_ERR_DENIED
                                                    : ENTRA_ERR_CONFIG;
        err->advice = NULL;
    }

    if (err->class == ENTRA_ERR_PROTOCOL) {
        err->advice = "check what answers at the managed identity endpoint: a "
                      "proxy, a container host, a wrong "
                      "IDENTITY_ENDPOINT or MSI_ENDPOINT?";

    } else if (status == 400) {
        err->advice = mi->selector
            ? "assign this user-assigned identity to the machine or app, or "
              "correct client_id, object_id or resource_id"
            : "assign a managed identity to the machine or app; if it has "
              "several user-assigned ones, choose one by client_id";
    }

    entra_reply_redact(err, mi->secret);
}


void
entra_mi_error(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    (void) entra_reply_error(a->reply, mi->source->name, &a->err);

    entra_mi_explain(a);
}


/*
 * An old Arc agent ignores the selector and gives the token of the machine:
 * of another identity, with other rights.  So its answer has to name the one
 * that was asked for.
 */

static int
entra_mi_echoed(entra_acquire_t *a)
{
    int          same;
    char        *echo;
    entra_mi_t  *mi = a->credential->conf;

    if (!mi->source->echoes || mi->kind == ENTRA_MI_SYSTEM) {
        return 1;
    }

    echo = entra_reply_member(a->reply, mi->source->names[mi->kind]);

    same = echo && entra_str_case_eq_c(entra_str_c(echo), mi->selector);

    entra_free_secret(echo);

    return same;
}


entra_next_e
entra_mi_finish(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    if (entra_reply_token(a->reply, mi->source->name, ENTRA_REPLY_LOCAL,
                          entra_acquire_now(a), &a->token, &a->err)
        != 0)
    {
        entra_mi_explain(a);
        return ENTRA_NEXT_FAILED;
    }

    if (!entra_mi_echoed(a)) {
        entra_token_free(&a->token);
        entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                      "%s gave a token without saying that it is of the "
                      "user-assigned identity that was asked for: not used",
                      mi->source->name);
        a->err.advice = "update the agent, or use the system-assigned "
                        "identity: remove client_id, object_id or "
                        "resource_id";
        return ENTRA_NEXT_FAILED;
    }

    /* such tokens live for a day: permissions and keys change meanwhile */

    if (a->token.refresh_in == 0 && a->token.lifetime >= ENTRA_MI_HALF) {
        a->token.refresh_in = a->token.lifetime / 2;
    }

    return ENTRA_NEXT_DONE;
}


entra_next_e
entra_mi_simple(entra_acquire_t *a, const char *api_version,
    const char *header, const char *value)
{
    if (a->step) {
        return entra_mi_finish(a);
    }

    if (entra_mi_get(a, api_version) != 0
        || entra_mi_header(a, header, value) != 0)
    {
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_HTTP;
}
