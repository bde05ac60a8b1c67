
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_acquire.h"


static void entra_acquire_run(entra_acquire_t *a);


static void
entra_acquire_wanted_free(entra_acquire_t *a)
{
    entra_http_request_free(&a->request);
    entra_process_free(&a->process);

    free(a->other_scope);
    a->other_scope = NULL;
    a->other = NULL;
    a->other_in_chain = 0;
    a->sleep = 0;
}


static void
entra_acquire_free(entra_acquire_t *a)
{
    const entra_credential_type_t  *type = a->credential->type;

    if (a->state) {
        if (type->state_free) {
            type->state_free(a);
        }

        entra_wipe(a->state, type->state_size);
        free(a->state);
    }

    entra_acquire_wanted_free(a);
    entra_token_free(&a->token);
    entra_free_secret(a->assertion);
    entra_free_secret(a->challenge);
    free(a->claims);
    free(a->scope);
    free(a);
}


static void
entra_acquire_finish(entra_acquire_t *a)
{
    a->finished = 1;

    entra_acquire_wanted_free(a);

    a->done(a->done_data, a);

    entra_acquire_free(a);
}


static void
entra_acquire_succeed(entra_acquire_t *a)
{
    if (a->token.value == NULL) {
        (void) entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "no token at the end of the acquisition");

    } else {
        entra_err_clear(&a->err);
    }

    entra_acquire_finish(a);
}


static void
entra_acquire_fail(entra_acquire_t *a)
{
    if (a->err.class == ENTRA_ERR_NONE) {
        (void) entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "the acquisition failed without a reason");
    }

    entra_token_free(&a->token);
    entra_acquire_finish(a);
}


static void
entra_acquire_timer_done(void *ctx)
{
    entra_acquire_t  *a = ctx;

    a->handle = NULL;

    entra_acquire_run(a);
}


static void
entra_acquire_http_done(void *ctx, const entra_http_reply_t *reply)
{
    entra_acquire_t  *a = ctx;

    a->handle = NULL;
    a->reply = reply;

    entra_acquire_run(a);
}


static void
entra_acquire_process_done(void *ctx, const entra_process_result_t *result)
{
    entra_acquire_t  *a = ctx;

    a->handle = NULL;
    a->result = result;

    entra_acquire_run(a);
}


/* the inner acquisition frees itself after this */

static void
entra_acquire_inner_done(void *data, entra_acquire_t *inner)
{
    entra_acquire_t  *a = data;

    a->handle = NULL;
    a->inner = inner;

    entra_acquire_run(a);
}


static entra_acquire_t *
entra_acquire_create(entra_platform_t *platform,
    entra_credential_t *credential, entra_str_t scope, const char *claims,
    const char *assertion)
{
    entra_acquire_t  *a;

    a = calloc(1, sizeof(entra_acquire_t));
    if (a == NULL) {
        return NULL;
    }

    a->platform = platform;
    a->credential = credential;

    entra_err_clear(&a->err);
    entra_token_init(&a->token);
    entra_http_request_init(&a->request);
    entra_process_init(&a->process);

    a->scope = entra_str_dup(scope);
    a->claims = claims ? entra_str_dup(entra_str_c(claims)) : NULL;
    a->assertion = assertion ? entra_str_dup(entra_str_c(assertion)) : NULL;

    if (a->scope == NULL
        || (claims && a->claims == NULL)
        || (assertion && a->assertion == NULL))
    {
        entra_acquire_free(a);
        return NULL;
    }

    if (credential->type->state_size) {
        a->state = calloc(1, credential->type->state_size);

        if (a->state == NULL) {
            entra_acquire_free(a);
            return NULL;
        }
    }

    return a;
}


entra_acquire_t *
entra_acquire_start(entra_platform_t *platform, entra_credential_t *credential,
    entra_str_t scope, const char *claims, const char *assertion,
    entra_acquire_done_pt done, void *data)
{
    entra_acquire_t  *a;

    a = entra_acquire_create(platform, credential, scope, claims, assertion);
    if (a == NULL) {
        return NULL;
    }

    a->done = done;
    a->done_data = data;
    a->waiting = ENTRA_NEXT_SLEEP;

    /* the caller gets its pointer before anything can come back */

    a->handle = platform->timer(platform->data, 0, entra_acquire_timer_done,
                                a);

    if (a->handle == NULL) {
        entra_acquire_free(a);
        return NULL;
    }

    return a;
}


void
entra_acquire_cancel(entra_acquire_t *a)
{
    entra_platform_t  *platform = a->platform;

    if (a->finished) {
        return;
    }

    if (a->handle) {
        switch (a->waiting) {

        case ENTRA_NEXT_HTTP:
            platform->http_cancel(platform->data, a->handle);
            break;

        case ENTRA_NEXT_PROCESS:
            platform->process_cancel(platform->data, a->handle);
            break;

        case ENTRA_NEXT_SLEEP:
            platform->timer_cancel(platform->data, a->handle);
            break;

        case ENTRA_NEXT_CREDENTIAL:
            entra_acquire_cancel(a->handle);
            break;

        default:
            break;
        }
    }

    entra_acquire_free(a);
}


int64_t
entra_acquire_now(const entra_acquire_t *a)
{
    return a->platform->wall(a->platform->data);
}


static entra_next_e
entra_acquire_step(entra_acquire_t *a)
{
    entra_next_e  next;

    entra_acquire_wanted_free(a);

    if (a->step == ENTRA_ACQUIRE_STEPS_MAX) {
        (void) entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "no end after %d steps",
                             ENTRA_ACQUIRE_STEPS_MAX);
        return ENTRA_NEXT_FAILED;
    }

    next = a->credential->type->step(a);

    a->step++;
    a->reply = NULL;
    a->result = NULL;
    a->inner = NULL;

    return next;
}


static entra_acquire_t *
entra_acquire_inner(entra_acquire_t *a)
{
    const char       *scope;
    entra_acquire_t  *inner;

    if (a->other == NULL) {
        (void) entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "no such credential");
        return NULL;
    }

    if (a->depth == ENTRA_ACQUIRE_DEPTH_MAX) {
        (void) entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "credentials that use credentials, more than %d"
                             " deep", ENTRA_ACQUIRE_DEPTH_MAX);
        return NULL;
    }

    scope = a->other_scope ? a->other_scope : a->scope;

    inner = entra_acquire_start(a->platform, a->other, entra_str_c(scope),
                                a->claims, a->assertion,
                                entra_acquire_inner_done, a);
    if (inner == NULL) {
        (void) entra_err_no_memory(&a->err);
        return NULL;
    }

    inner->depth = a->depth + 1;
    inner->in_chain = a->other_in_chain;
    inner->has_refused = a->has_refused;
    memcpy(inner->refused, a->refused, sizeof(inner->refused));

    return inner;
}


/* with no handle the step goes on at once, and sees why it was not started */

static int
entra_acquire_begin(entra_acquire_t *a, entra_http_reply_t *no_reply,
    entra_process_result_t *no_result)
{
    entra_platform_t  *platform = a->platform;

    switch (a->waiting) {

    case ENTRA_NEXT_HTTP:
        a->request.caller = a->assertion ? 1 : 0;
        a->handle = platform->http(platform->data, &a->request,
                                   entra_acquire_http_done, a);
        a->reply = a->handle ? NULL : no_reply;
        return 0;

    case ENTRA_NEXT_PROCESS:
        a->handle = platform->process(platform->data, &a->process,
                                      entra_acquire_process_done, a);
        a->result = a->handle ? NULL : no_result;
        return 0;

    case ENTRA_NEXT_SLEEP:
        a->handle = platform->timer(platform->data, a->sleep,
                                    entra_acquire_timer_done, a);
        if (a->handle == NULL) {
            return entra_err_no_memory(&a->err);
        }

        return 0;

    default:    /* ENTRA_NEXT_CREDENTIAL */
        a->handle = entra_acquire_inner(a);
        return a->handle ? 0 : -1;
    }
}


static void
entra_acquire_run(entra_acquire_t *a)
{
    entra_http_reply_t      no_reply;
    entra_process_result_t  no_result;

    memset(&no_reply, 0, sizeof(entra_http_reply_t));
    no_reply.retry_after = -1;
    entra_err_clean(no_reply.error, sizeof(no_reply.error),
                    entra_str("the request could not be started"));

    memset(&no_result, 0, sizeof(entra_process_result_t));
    no_result.status = -1;

    do {
        a->waiting = entra_acquire_step(a);

        if (a->waiting == ENTRA_NEXT_DONE) {
            entra_acquire_succeed(a);
            return;
        }

        if (a->waiting == ENTRA_NEXT_FAILED
            || entra_acquire_begin(a, &no_reply, &no_result) != 0)
        {
            entra_acquire_fail(a);
            return;
        }

    } while (a->handle == NULL);
}
