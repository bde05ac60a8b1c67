
/*
 * Copyright (C) nginx-entra authors
 *
 * Client authentication in a worker: files that change, and the steps of an
 * acquisition.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_aadsts.h"
#include "entra_assertion.h"
#include "entra_client_auth.h"
#include "entra_reply.h"
#include "entra_token_request.h"


static int
entra_client_auth_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}


/* 1: another secret; what else is in the JSON cannot change while running */

static int
entra_client_auth_watch_principal(entra_client_auth_t *auth,
    entra_err_t *err)
{
    int                         rc;
    entra_service_principal_t   sp, *old = &auth->principal;

    rc = auth->principal_file.path
         ? entra_file_refresh(&auth->principal_file, err) : 0;

    if (rc != 1) {
        return rc;
    }

    if (entra_service_principal_parse(&sp,
                                   entra_file_text(&auth->principal_file),
                                   err)
        != 0)
    {
        return -1;
    }

    if (!entra_client_auth_same(sp.client_id, old->client_id)
        || !entra_client_auth_same(sp.tenant_id, old->tenant_id)
        || !entra_client_auth_same(sp.certificate, old->certificate))
    {
        entra_service_principal_free(&sp);
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.400s\" names another application or"
                             " certificate than before: reload nginx to use"
                             " it", auth->principal_file.path);
    }

    rc = 0;

    /* when the block names a secret of its own, this one is not used */

    if (auth->secrets[0].file.path == NULL && auth->nsecrets == 1
        && sp.secret && auth->secret_env == NULL
        && strcmp(sp.secret, auth->secrets[0].value) != 0)
    {
        rc = entra_client_secret_set(&auth->secrets[0],
                                     entra_str_c(sp.secret), err)
             == 0 ? 1 : -1;
    }

    entra_service_principal_free(old);
    *old = sp;

    return rc;
}


static int
entra_client_auth_watch_certificate(entra_credential_t *c,
    entra_client_auth_t *auth, entra_err_t *err)
{
    int  file, password;

    if (auth->certificate_file.path == NULL) {
        return 0;
    }

    password = auth->password_file.path
               ? entra_file_refresh(&auth->password_file, err) : 0;
    file = entra_file_refresh(&auth->certificate_file, err);

    if (file < 0) {
        return -1;
    }

    if (file == 0 && password != 1) {
        return password;
    }

    if (entra_client_auth_certificate_read(c, auth, err) != 0) {
        auth->certificate_file.stale = 1;
        return -1;
    }

    return 1;
}


/* looks at all files; -1 when one of them is bad, the others count */

static int
entra_client_auth_look(entra_credential_t *c, entra_client_auth_t *auth,
    entra_err_t *err)
{
    int          rc[4], bad = 0;
    unsigned     i;

    rc[0] = entra_client_secret_watch(&auth->secrets[0], err);
    rc[1] = entra_client_secret_watch(&auth->secrets[1], err);
    rc[2] = entra_client_auth_watch_principal(auth, err);
    rc[3] = entra_client_auth_watch_certificate(c, auth, err);

    for (i = 0; i < 4; i++) {
        if (rc[i] == 1) {
            auth->changed = 1;
        }

        bad |= rc[i] < 0;
    }

    c->stale_files = auth->secrets[0].file.stale
                     + auth->secrets[1].file.stale
                     + auth->principal_file.stale
                     + auth->certificate_file.stale
                     + auth->password_file.stale;

    return bad ? -1 : 0;
}


int
entra_client_auth_watch(entra_credential_t *c, entra_client_auth_t *auth,
    entra_err_t *err)
{
    int  rc;

    rc = entra_client_auth_look(c, auth, err);

    if (rc == 0 && auth->problem.class != ENTRA_ERR_NONE) {
        *err = auth->problem;
        auth->problem.class = ENTRA_ERR_NONE;
        return -1;
    }

    /* the caller hears of the bad file first, and of the good one next */

    if (rc == 0 && auth->changed) {
        auth->changed = 0;
        rc = 1;
    }

    return rc;
}


static entra_next_e
entra_client_auth_send_secret(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    const char  *secret;

    secret = auth->secrets[state->current].value;

    state->tried |= 1u << state->current;
    entra_token_request_secret(a, secret);

    return entra_token_request_send(a);
}


static entra_next_e
entra_client_auth_send_assertion(entra_acquire_t *a,
    entra_client_auth_t *auth)
{
    char  *assertion;

    /* the audience is what the request goes to */

    assertion = entra_assertion_create(auth->certificate,
                                       a->credential->client_id,
                                       a->request.url, entra_acquire_now(a),
                                       auth->flags, &a->err);
    if (assertion == NULL) {
        return ENTRA_NEXT_FAILED;
    }

    entra_token_request_assertion(a, assertion);
    entra_free_secret(assertion);

    return entra_token_request_send(a);
}


static entra_next_e
entra_client_auth_send(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state, const char *grant_type,
    entra_client_auth_fill_pt fill)
{
    if (entra_token_request_begin(a, grant_type) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (fill) {
        fill(a);
    }

    if (auth->certificate) {
        return entra_client_auth_send_assertion(a, auth);
    }

    return entra_client_auth_send_secret(a, auth, state);
}


/* a secret that was not tried yet and is another one: 1, and it is current */

static int
entra_client_auth_other(entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    unsigned  other = 1 - state->current;

    if (auth->nsecrets < 2
        || (state->tried & 1u << other)
        || auth->secrets[other].value == NULL
        || entra_client_auth_same(auth->secrets[0].value,
                                  auth->secrets[1].value))
    {
        return 0;
    }

    state->current = other;

    return 1;
}


/* once an acquisition: files that changed since they were looked at */

static int
entra_client_auth_fresh(entra_credential_t *c, entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    unsigned     before = auth->changed;
    entra_err_t  problem;

    if (state->again) {
        return 0;
    }

    state->again = 1;
    auth->changed = 0;
    entra_err_clear(&problem);

    /* what is wrong with a file is watch()'s to tell */

    if (entra_client_auth_look(c, auth, &problem) != 0) {
        auth->problem = problem;
    }

    if (!auth->changed) {
        auth->changed = before;
        return 0;
    }

    state->tried = 0;

    return 1;
}


static int
entra_client_auth_once_more(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state)
{
    if (auth->certificate && a->err.aadsts == ENTRA_AADSTS_ASSERTION_TIME
        && !state->again)
    {
        (void) entra_client_auth_fresh(a->credential, auth, state);
        return 1;
    }

    if (strcmp(a->err.error, "invalid_client") != 0) {
        return 0;
    }

    return entra_client_auth_other(auth, state)
           || entra_client_auth_fresh(a->credential, auth, state);
}


entra_next_e
entra_client_auth_step(entra_acquire_t *a, entra_client_auth_t *auth,
    entra_client_auth_state_t *state, const char *grant_type,
    entra_client_auth_fill_pt fill)
{
    entra_next_e  next;

    if (a->reply == NULL) {
        state->current = auth->first;

        if (auth->certificate == NULL
            && auth->secrets[state->current].value == NULL)
        {
            state->current = 1 - state->current;
        }

        return entra_client_auth_send(a, auth, state, grant_type, fill);
    }

    next = entra_token_request_receive(a);

    if (next == ENTRA_NEXT_DONE) {
        auth->first = state->current;
        return next;
    }

    if (auth->certificate == NULL) {
        entra_reply_redact(&a->err, auth->secrets[0].value);
        entra_reply_redact(&a->err, auth->secrets[1].value);
    }

    if (entra_client_auth_once_more(a, auth, state)) {
        return entra_client_auth_send(a, auth, state, grant_type, fill);
    }

    return next;
}
