
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_chain.h"
#include "entra_enc.h"


int
entra_chain_add(entra_chain_t *chain, const char *label,
    entra_credential_t *credential, const char *why, entra_err_t *err)
{
    entra_chain_member_t  *member;

    if (chain->n == ENTRA_CHAIN_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %d credentials in a chain",
                             ENTRA_CHAIN_MAX);
    }

    member = &chain->members[chain->n];
    memset(member, 0, sizeof(entra_chain_member_t));

    member->label = entra_str_dup(entra_str_c(label));
    member->why = why ? entra_str_dup(entra_str_c(why)) : NULL;
    member->credential = credential;

    if (member->label == NULL || (why && member->why == NULL)) {
        free(member->label);
        free(member->why);
        return entra_err_no_memory(err);
    }

    chain->n++;

    return 0;
}


void
entra_chain_free(entra_credential_t *c)
{
    unsigned        i;
    entra_chain_t  *chain = c->conf;

    for (i = 0; i < chain->n; i++) {
        free(chain->members[i].label);
        free(chain->members[i].why);
    }

    chain->n = 0;
}


/* every member gets its share of the room, so that the last is told too */

static void
entra_chain_reason(entra_chain_state_t *state, const entra_chain_t *chain,
    const char *label, const char *text)
{
    int     n;
    size_t  room, left;

    room = sizeof(state->reasons) / chain->n;
    left = sizeof(state->reasons) - state->len;

    if (room > left) {
        room = left;
    }

    n = snprintf(state->reasons + state->len, room, "%s%s: %s",
                 state->len ? "; " : "", label, text);

    if (n > 0) {
        state->len += (size_t) n < room ? (size_t) n : room - 1;
    }
}


static void
entra_chain_note(entra_credential_t *c, const entra_chain_member_t *member,
    const entra_chain_state_t *state)
{
    entra_buf_t  note;

    entra_buf_init(&note, 2048);
    entra_buf_addf(&note, "%s is used%s%s", member->label,
                   state->len ? "; not: " : "", state->reasons);

    entra_credential_note(c, entra_buf_str(&note));
    entra_buf_free(&note);
}


/* all members were asked, none is available */

static entra_next_e
entra_chain_nobody(entra_acquire_t *a, const entra_chain_t *chain)
{
    entra_chain_state_t  *state = a->state;

    entra_err_clear(&a->err);
    entra_err_unavailable(&a->err, "none of %u credentials is available: %s",
                          chain->n, state->reasons);

    if (state->transient) {
        a->err.class = ENTRA_ERR_TRANSIENT;
    }

    entra_credential_note(a->credential, entra_str_c(a->err.text));

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_chain_try(entra_acquire_t *a, entra_chain_t *chain)
{
    entra_chain_state_t   *state = a->state;
    entra_chain_member_t  *member;

    for ( /* void */ ; state->current < chain->n; state->current++) {
        member = &chain->members[state->current];

        if (member->credential == NULL) {
            entra_chain_reason(state, chain, member->label,
                               member->why ? member->why : "not available");
            continue;
        }

        a->other = member->credential;
        a->other_scope = entra_str_dup(entra_str_c(a->scope));
        a->other_in_chain = !member->insist;

        if (a->other_scope == NULL) {
            entra_err_no_memory(&a->err);
            return ENTRA_NEXT_FAILED;
        }

        return ENTRA_NEXT_CREDENTIAL;
    }

    return entra_chain_nobody(a, chain);
}


/* keeps the class, the codes and the advice of the one that was refused */

static entra_next_e
entra_chain_stop(entra_acquire_t *a, const entra_chain_member_t *member)
{
    entra_chain_state_t  *state = a->state;

    a->err = a->inner->err;

    entra_err_set(&a->err, a->err.class, "%s: %s%s%s%s", member->label,
                  a->inner->err.text,
                  state->len ? " (not available: " : "", state->reasons,
                  state->len ? ")" : "");

    if (state->walking) {
        entra_credential_note(a->credential, entra_str_c(a->err.text));
    }

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_chain_won(entra_acquire_t *a, entra_chain_t *chain)
{
    entra_chain_state_t  *state = a->state;

    entra_token_free(&a->token);
    a->token = a->inner->token;
    entra_token_init(&a->inner->token);

    chain->winner = state->current + 1;
    a->credential->member = chain->members[state->current].label;

    if (state->walking) {
        entra_chain_note(a->credential, &chain->members[state->current],
                         state);
    }

    return ENTRA_NEXT_DONE;
}


entra_next_e
entra_chain_step(entra_acquire_t *a)
{
    entra_chain_t         *chain = a->credential->conf;
    const entra_err_t     *err;
    entra_chain_state_t   *state = a->state;
    entra_chain_member_t  *member;

    if (a->step == 0) {
        state->walking = chain->winner == 0;
        state->current = chain->winner ? chain->winner - 1 : 0;

        return entra_chain_try(a, chain);
    }

    err = &a->inner->err;

    if (err->class == ENTRA_ERR_NONE) {
        return entra_chain_won(a, chain);
    }

    member = &chain->members[state->current];

    if (!state->walking || !(err->unavailable || member->forgiving)) {
        return entra_chain_stop(a, member);
    }

    if (err->class == ENTRA_ERR_TRANSIENT
        || err->class == ENTRA_ERR_THROTTLED)
    {
        state->transient = 1;
    }

    entra_chain_reason(state, chain, member->label, err->text);

    state->current++;

    return entra_chain_try(a, chain);
}


void
entra_chain_identity(const entra_credential_t *c, entra_buf_t *out)
{
    unsigned              i;
    unsigned char         key[32];
    const entra_chain_t  *chain = c->conf;

    for (i = 0; i < chain->n; i++) {
        if (chain->members[i].credential == NULL) {
            continue;
        }

        entra_credential_key(chain->members[i].credential, entra_str_null,
                             key);
        entra_buf_addf(out, "%u=", i);
        entra_enc_hex(out, key, sizeof(key));
        entra_buf_add_char(out, ' ');
    }
}


entra_credential_t *
entra_chain_uses(const entra_credential_t *c, unsigned n)
{
    unsigned              i;
    const entra_chain_t  *chain = c->conf;

    for (i = 0; i < chain->n; i++) {
        if (chain->members[i].credential && n-- == 0) {
            return chain->members[i].credential;
        }
    }

    return NULL;
}


void
entra_chain_secrets(const entra_credential_t *c, entra_buf_t *out)
{
    unsigned              i;
    unsigned char         digest[32];
    const entra_chain_t  *chain = c->conf;

    for (i = 0; i < chain->n; i++) {
        if (chain->members[i].credential == NULL) {
            continue;
        }

        entra_credential_secret_digest(chain->members[i].credential, digest);
        entra_buf_add(out, digest, sizeof(digest));
    }
}
