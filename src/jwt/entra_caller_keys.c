
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_caller_keys.h"
#include "entra_discovery.h"
#include "entra_env.h"
#include "entra_reply.h"
#include "entra_token_request.h"
#include "entra_url.h"


typedef struct {
    entra_discovery_t  discovery;           /* of the version under way */
    entra_keyset_t     keys;
} entra_caller_keys_state_t;


/* steps: document and keys of version 1, document and keys of version 2 */

static entra_token_version_e
entra_caller_keys_version(unsigned request)
{
    return request < 2 ? ENTRA_TOKEN_V1 : ENTRA_TOKEN_V2;
}


static entra_next_e
entra_caller_keys_no_memory(entra_acquire_t *a)
{
    (void) entra_err_no_memory(&a->err);

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_caller_keys_ask(entra_acquire_t *a, unsigned request)
{
    entra_buf_t                 url;
    const entra_credential_t   *c = a->credential;
    entra_caller_keys_state_t  *state = a->state;

    entra_buf_init(&url, ENTRA_URL_MAX);

    if (request % 2 == 0) {
        entra_discovery_url(c->authority_host, c->tenant_id,
                            entra_caller_keys_version(request), &url);
    } else {
        entra_buf_add_c(&url, state->discovery.jwks_uri);
    }

    a->request.method = "GET";
    a->request.url = entra_buf_steal(&url);

    if (a->request.url == NULL
        || entra_http_request_header(&a->request, "Accept",
                                     entra_str("application/json")) != 0)
    {
        return entra_caller_keys_no_memory(a);
    }

    return ENTRA_NEXT_HTTP;
}


static const char *
entra_caller_keys_document(unsigned request)
{
    return request % 2 ? "keys" : "discovery document";
}


/* the error of a step says from where, and for which version */

static void
entra_caller_keys_where(entra_acquire_t *a, unsigned request)
{
    entra_err_t  inner = a->err;

    (void) entra_err_set(&a->err, inner.class, "%s: %s of %s tokens: %.800s",
                         entra_token_request_from(a->credential),
                         entra_caller_keys_document(request),
                         request < 2 ? "v1" : "v2", inner.text);
}


static int
entra_caller_keys_take(entra_acquire_t *a, unsigned request)
{
    entra_token_version_e       version = entra_caller_keys_version(request);
    const entra_credential_t   *c = a->credential;
    entra_caller_keys_state_t  *state = a->state;

    if (request % 2) {
        return entra_keyset_add_jwks(&state->keys, version, a->reply->body,
                                     &a->err);
    }

    entra_discovery_free(&state->discovery);

    if (entra_discovery_parse(&state->discovery, a->reply->body,
                              c->authority_host, c->tenant_id, &a->err) != 0)
    {
        return -1;
    }

    return entra_keyset_issuer(&state->keys, version,
                               entra_str_c(state->discovery.issuer), &a->err);
}


static int
entra_caller_keys_receive(entra_acquire_t *a, unsigned request)
{
    char                       from[256];
    const entra_http_reply_t  *reply = a->reply;

    if (reply->status == 200 && !reply->too_large) {

        if (entra_caller_keys_take(a, request) == 0) {
            return 0;
        }

        entra_caller_keys_where(a, request);
        return -1;
    }

    if (reply->status >= 300 && reply->status < 400) {
        a->err.http_status = reply->status;
        (void) entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "a redirect (status %d), which is not followed",
                             reply->status);
        entra_caller_keys_where(a, request);
        return -1;
    }

    (void) snprintf(from, sizeof(from), "%s, %s of %s tokens",
                    entra_token_request_from(a->credential),
                    entra_caller_keys_document(request),
                    request < 2 ? "v1" : "v2");

    return entra_reply_error(reply, from, &a->err);
}


static entra_next_e
entra_caller_keys_finish(entra_acquire_t *a)
{
    size_t                      len;
    entra_buf_t                 out;
    entra_caller_keys_state_t  *state = a->state;

    entra_buf_init(&out, ENTRA_KEYSET_MAX);

    if (entra_keyset_write(&state->keys, &out) != 0) {
        entra_buf_free(&out);
        return entra_caller_keys_no_memory(a);
    }

    len = out.len;

    entra_token_free(&a->token);
    a->token.value = entra_buf_steal(&out);
    a->token.len = len;
    a->token.lifetime = ENTRA_CALLER_KEYS_LIFETIME;
    a->token.refresh_in = ENTRA_CALLER_KEYS_REFRESH;

    return a->token.value ? ENTRA_NEXT_DONE : entra_caller_keys_no_memory(a);
}


static entra_next_e
entra_caller_keys_step(entra_acquire_t *a)
{
    entra_caller_keys_state_t  *state = a->state;

    if (a->step == 0) {
        entra_keyset_init(&state->keys);
        return entra_caller_keys_ask(a, 0);
    }

    if (entra_caller_keys_receive(a, a->step - 1) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (a->step == 4) {
        return entra_caller_keys_finish(a);
    }

    return entra_caller_keys_ask(a, a->step);
}


static void
entra_caller_keys_state_free(entra_acquire_t *a)
{
    entra_caller_keys_state_t  *state = a->state;

    entra_discovery_free(&state->discovery);
    entra_keyset_free(&state->keys);
}


static const entra_credential_type_t  entra_caller_keys_type = {
    .name = "caller_keys",
    .azure_name = "-",
    .state_size = sizeof(entra_caller_keys_state_t),
    .no_scope = 1,
    .needs_tenant = 1,
    .step = entra_caller_keys_step,
    .state_free = entra_caller_keys_state_free,
};


entra_credential_t *
entra_caller_keys_create(const entra_caller_token_conf_t *conf,
    entra_env_t *env, entra_err_t *err)
{
    entra_credential_t  *c;

    c = entra_credential_create(&entra_caller_keys_type,
                                entra_str("entra_caller_token"), env);
    if (c == NULL) {
        (void) entra_err_no_memory(err);
        return NULL;
    }

    c->tenant_id = entra_str_dup(entra_str_c(conf->tenant_id));
    c->authority_host = entra_str_dup(entra_str_c(conf->authority_host));
    c->cloud = conf->cloud;

    if (c->tenant_id == NULL || c->authority_host == NULL) {
        (void) entra_err_no_memory(err);
        entra_credential_free(c);
        return NULL;
    }

    if (entra_credential_init(c, err) != 0) {
        entra_credential_free(c);
        return NULL;
    }

    return c;
}


/* FNV-1a: who finds two kids of one slot gains a fetch, which is limited */

static unsigned
entra_caller_keys_slot(const char *kid)
{
    uint32_t  hash = 2166136261u;

    for ( /* void */ ; *kid; kid++) {
        hash = (hash ^ (unsigned char) *kid) * 16777619u;
    }

    return hash % ENTRA_ABSENT_KIDS;
}


int
entra_caller_keys_absent(entra_absent_kids_t *absent, const char *kid,
    int64_t seen, int64_t begun, int64_t now)
{
    unsigned  n = entra_caller_keys_slot(kid);

    if (begun >= seen && begun <= now) {
        (void) snprintf(absent->slots[n].kid, sizeof(absent->slots[n].kid),
                        "%s", kid);
        absent->slots[n].until = begun + ENTRA_CALLER_KEYS_ABSENT;
        return 1;
    }

    return now < absent->slots[n].until
           && strcmp(absent->slots[n].kid, kid) == 0;
}


int64_t
entra_caller_keys_due(int64_t begun, int64_t now)
{
    int64_t  due = begun + ENTRA_CALLER_KEYS_INTERVAL;

    return begun && begun <= now && due > now ? due : now;
}
