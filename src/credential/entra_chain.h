
/*
 * Copyright (C) nginx-entra authors
 *
 * Credentials tried in order: what `chain` and `default` share.
 *
 * As in Azure Identity: a member that is unavailable (not configured, not
 * there) is passed over, one that is refused ends the walk, and the first
 * that gave a token is asked alone from then on, for the life of the process,
 * so that the gateway does not change its identity because of a bad minute.
 */

#ifndef ENTRA_CHAIN_H
#define ENTRA_CHAIN_H


#include "entra_acquire.h"


#define ENTRA_CHAIN_MAX      16
#define ENTRA_CHAIN_REASONS  900            /* bytes, of all members */


typedef struct {
    char                *label;             /* owned, for messages */
    entra_credential_t  *credential;        /* NULL: see why */
    char                *why;               /* owned, or NULL */

    /* whatever fails in a developer's tool, the next one is tried */
    unsigned             forgiving:1;

    /* chosen by name: not probed first, but waited for */
    unsigned             insist:1;
} entra_chain_member_t;


/* what c->conf of these types begins with */

typedef struct {
    entra_chain_member_t  members[ENTRA_CHAIN_MAX];
    unsigned              n;
    unsigned              winner;           /* 1, 2, ...; 0: none so far */
} entra_chain_t;


/* the state of an acquisition */

typedef struct {
    unsigned              current;
    unsigned              walking:1;
    unsigned              transient:1;
    char                  reasons[ENTRA_CHAIN_REASONS];
    size_t                len;
} entra_chain_state_t;


/* label and why are copied, why may be NULL; 0, or -1 and err */
int entra_chain_add(entra_chain_t *chain, const char *label,
    entra_credential_t *credential, const char *why, entra_err_t *err);

/*
 * Members of these types.  free() frees labels and reasons, not the
 * credentials; step() writes credential->note.
 */
void entra_chain_free(entra_credential_t *c);
entra_next_e entra_chain_step(entra_acquire_t *a);
void entra_chain_identity(const entra_credential_t *c, entra_buf_t *out);
void entra_chain_secrets(const entra_credential_t *c, entra_buf_t *out);

/* the n-th member that can be asked, or NULL */
entra_credential_t *entra_chain_uses(const entra_credential_t *c, unsigned n);


#endif /* ENTRA_CHAIN_H */
