
/*
 * Copyright (C) nginx-entra authors
 *
 * Tokens with the refresh token of somebody who has signed in.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_reply.h"
#include "entra_signed_in.h"
#include "entra_time.h"
#include "entra_token_request.h"


/*
 * One refresh of a credential at a time: with rotation, servers take a refresh
 * token that is used twice for stolen, and revoke the sign-in.
 */

#define ENTRA_SIGNED_IN_LOCK       "refresh"
#define ENTRA_SIGNED_IN_LOCK_TTL   60       /* seconds */
#define ENTRA_SIGNED_IN_LOCK_POLL  200      /* ms */
#define ENTRA_SIGNED_IN_LOCK_WAIT  20000    /* ms */


static const char  entra_signed_in_again[] =
    "sign in again on the page of entra_sign_in";


int
entra_signed_in_request(entra_acquire_t *a, const char *grant_type)
{
    int           rc;
    char         *scope = a->scope;
    entra_buf_t   b;

    entra_buf_init(&b, 4096);
    entra_buf_addf(&b, "%s%s" ENTRA_SIGNED_IN_SCOPES, scope,
                   scope[0] ? " " : "");

    if (!entra_buf_ok(&b)) {
        entra_buf_free(&b);
        return entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "the scope is too long");
    }

    a->scope = b.data;
    rc = entra_token_request_begin(a, grant_type);
    a->scope = scope;

    entra_buf_free(&b);

    if (rc == 0) {
        a->request.once = 1;
        entra_enc_form_pair(&a->request.body, "client_info", entra_str("1"));
    }

    return rc;
}


static void
entra_signed_in_log(entra_acquire_t *a, const char *what,
    const entra_err_t *err)
{
    char  line[sizeof(err->text) + 256];

    snprintf(line, sizeof(line), "credential \"%.64s\": %s%s%s",
             a->credential->name, what, err->text[0] ? ": " : "", err->text);

    a->platform->log(a->platform->data, ENTRA_LOG_ERR, line);
}


static entra_next_e
entra_signed_in_due(entra_acquire_t *a, const entra_signed_in_t *record)
{
    entra_credential_t      *c = a->credential;
    entra_signed_in_conf_t  *conf = c->conf;

    (void) entra_err_unavailable(&a->err, "sign-in is due%s%.300s%s: open %s",
                                 record->why[0] ? " (" : "", record->why,
                                 record->why[0] ? ")" : "",
                                 conf->page ? conf->page
                                            : "the page of entra_sign_in");
    a->err.aadsts = (uint32_t) record->aadsts;

    entra_credential_note(c, entra_str_c(a->err.text));

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_signed_in_send(entra_acquire_t *a)
{
    entra_signed_in_conf_t   *conf = a->credential->conf;
    entra_signed_in_state_t  *state = a->state;

    state->asked = 1;

    if (entra_signed_in_load(a->credential, &state->record, &a->err) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (state->record.refresh_token == NULL) {
        return entra_signed_in_due(a, &state->record);
    }

    memcpy(conf->id, state->record.id, sizeof(conf->id));

    if (entra_signed_in_request(a, "refresh_token") != 0) {
        return ENTRA_NEXT_FAILED;
    }

    entra_enc_form_pair(&a->request.body, "refresh_token",
                        entra_str_c(state->record.refresh_token));

    return entra_token_request_send(a);
}


static entra_next_e
entra_signed_in_wait(entra_acquire_t *a)
{
    entra_signed_in_state_t  *state = a->state;

    if (entra_session_lock(a->credential, ENTRA_SIGNED_IN_LOCK, 0,
                           ENTRA_SIGNED_IN_LOCK_TTL, state->lock) == 0)
    {
        return entra_signed_in_send(a);
    }

    if (state->waited >= ENTRA_SIGNED_IN_LOCK_WAIT) {
        (void) entra_err_set(&a->err, ENTRA_ERR_TRANSIENT,
                             "another refresh of the same sign-in has not"
                             " ended in time");
        return ENTRA_NEXT_FAILED;
    }

    state->waited += ENTRA_SIGNED_IN_LOCK_POLL;
    a->sleep = ENTRA_SIGNED_IN_LOCK_POLL;

    return ENTRA_NEXT_SLEEP;
}


static void
entra_signed_in_rotate(entra_acquire_t *a)
{
    char                     *fresh;
    entra_err_t               err;
    entra_signed_in_state_t  *state = a->state;

    fresh = entra_reply_member(a->reply, "refresh_token");

    if (fresh == NULL || !entra_signed_in_token_ok(fresh)
        || strcmp(fresh, state->record.refresh_token) == 0)
    {
        entra_free_secret(fresh);
        return;
    }

    entra_free_secret(state->record.refresh_token);
    state->record.refresh_token = fresh;

    entra_err_clear(&err);

    if (entra_signed_in_save(a->credential, &state->record, &err) != 0) {
        entra_signed_in_log(a, "the new refresh token could not be kept",
                            &err);
    }
}


static void
entra_signed_in_note(entra_credential_t *c, const entra_signed_in_t *record)
{
    entra_buf_t  note;

    entra_buf_init(&note, 1024);
    entra_buf_addf(&note, "signed in as %s since ",
                   record->user[0] ? record->user : "somebody");
    entra_time_format(record->since, &note);

    entra_credential_note(c, entra_buf_str(&note));
    entra_buf_free(&note);
}


static entra_next_e
entra_signed_in_failed(entra_acquire_t *a)
{
    char                      why[ENTRA_SIGNED_IN_WHY];
    entra_err_t               err;
    entra_signed_in_state_t  *state = a->state;

    entra_reply_redact(&a->err, state->record.refresh_token);

    /* the same one may be good again as soon as a policy is met */

    if (a->err.remedy != ENTRA_REMEDY_SIGN_IN) {
        if (a->err.remedy == ENTRA_REMEDY_INTERACTION) {
            a->err.advice = entra_signed_in_again;
        }

        return ENTRA_NEXT_FAILED;
    }

    snprintf(why, sizeof(why), "the last one has ended: %.300s", a->err.text);

    if (a->err.aadsts) {
        snprintf(why, sizeof(why), "the last one has ended: AADSTS%u, %.300s",
                 (unsigned) a->err.aadsts, a->err.text);
    }

    entra_err_clear(&err);
    entra_signed_in_discard(a->credential, state->record.refresh_token, why,
                            a->err.aadsts, &err);

    if (err.class != ENTRA_ERR_NONE) {
        entra_signed_in_log(a, "the rejected refresh token could not be"
                            " discarded", &err);
    }

    (void) entra_err_set(&a->err, ENTRA_ERR_DENIED, "sign-in is due: %s",
                         a->err.text);
    a->err.unavailable = 1;
    a->err.advice = entra_signed_in_again;
    entra_credential_note(a->credential, entra_str_c(a->err.text));

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_signed_in_receive(entra_acquire_t *a)
{
    entra_signed_in_state_t  *state = a->state;

    if (entra_token_request_receive(a) == ENTRA_NEXT_FAILED) {
        return entra_signed_in_failed(a);
    }

    entra_signed_in_rotate(a);
    entra_signed_in_note(a->credential, &state->record);

    return ENTRA_NEXT_DONE;
}


entra_next_e
entra_signed_in_step(entra_acquire_t *a)
{
    entra_signed_in_state_t  *state = a->state;

    return state->asked ? entra_signed_in_receive(a)
                        : entra_signed_in_wait(a);
}


void
entra_signed_in_state_free(entra_acquire_t *a)
{
    entra_signed_in_state_t  *state = a->state;

    entra_session_unlock(a->credential, ENTRA_SIGNED_IN_LOCK, 0, state->lock);
    entra_signed_in_free(&state->record);
}
