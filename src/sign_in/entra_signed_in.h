
/*
 * Copyright (C) nginx-entra authors
 *
 * Who has signed in: the refresh token of a person, where it is kept, and how
 * tokens are got with it.  Shared by the types device_code and
 * interactive_browser.
 *
 * The refresh token is in the workers' shared store; after a restart it is
 * read from state_file.
 */

#ifndef ENTRA_SIGNED_IN_H
#define ENTRA_SIGNED_IN_H


#include "entra_acquire.h"
#include "entra_file.h"
#include "entra_session.h"


#define ENTRA_SIGNED_IN_TOKEN_MAX  (16 * 1024)  /* of a refresh token */
#define ENTRA_SIGNED_IN_USER       128
#define ENTRA_SIGNED_IN_WHY        400

/* the application of the Azure CLI, which Azure Identity signs in by default */
#define ENTRA_SIGNED_IN_CLIENT  "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

/* work and school accounts of any tenant, as in Azure Identity */
#define ENTRA_SIGNED_IN_TENANT  "organizations"

/* asked for with each scope: a refresh token, and who it is */
#define ENTRA_SIGNED_IN_SCOPES  "openid profile offline_access"

#define ENTRA_SIGNED_IN_CALLBACK  "/callback"


/* conf of these types */

typedef struct {
    char               *state_file;             /* parameters */
    char               *state_key_file;
    char               *redirect_uri;

    entra_file_t        key;
    char               *page;                   /* owned, or NULL */

    /* sign-ins, "": none: of the tokens in use; that watch() saw last */
    char                id[ENTRA_SESSION_WORD];
    char                seen[ENTRA_SESSION_WORD];
} entra_signed_in_conf_t;


/* the record */

typedef struct {
    char     id[ENTRA_SESSION_WORD];    /* of this sign-in, random */
    char    *refresh_token;             /* owned; NULL: a sign-in is due */
    int64_t  since;                     /* seconds since the epoch */
    char     user[ENTRA_SIGNED_IN_USER];
    char     why[ENTRA_SIGNED_IN_WHY];  /* it is due, "": nobody ever did */
    int64_t  aadsts;                    /* the code of that, 0: none */
} entra_signed_in_t;


/* RFC 6749, appendix A.17: visible ASCII and spaces; bounded */
int entra_signed_in_token_ok(const char *refresh_token);

/* wipes */
void entra_signed_in_free(entra_signed_in_t *record);

/* the text that is kept; 0, or -1.  Public for tests */
int entra_signed_in_write(const entra_signed_in_t *record, entra_buf_t *out);
int entra_signed_in_read(entra_str_t text, entra_signed_in_t *record);

/*
 * From the store, else from the file, which then goes to the store.  0, and a
 * record whose refresh_token may be NULL; -1 and err: the file cannot be used.
 */
int entra_signed_in_load(entra_credential_t *c, entra_signed_in_t *record,
    entra_err_t *err);

/*
 * To the store, and to the file.  0; 1 and err: kept, but not in the file, so
 * that it ends with nginx; -1 and err: it cannot be kept anywhere.
 */
int entra_signed_in_save(entra_credential_t *c,
    const entra_signed_in_t *record, entra_err_t *err);

/*
 * This refresh token is no longer accepted: discards it, unless it has been
 * replaced already.  why, and the AADSTS code (0: none), are shown to the
 * operator.
 */
void entra_signed_in_discard(entra_credential_t *c, const char *refresh_token,
    const char *why, uint32_t aadsts, entra_err_t *err);

/* the state_file of both, each of which would replace the other's; or NULL */
const char *entra_signed_in_same_file(const entra_credential_t *one,
    const entra_credential_t *two);


/* for entra_credential_type_t */

extern const entra_param_t  entra_signed_in_params[];

int entra_signed_in_init(entra_credential_t *c, entra_err_t *err);
void entra_signed_in_conf_free(entra_credential_t *c);
int entra_signed_in_watch(entra_credential_t *c, entra_err_t *err);
void entra_signed_in_identity(const entra_credential_t *c, entra_buf_t *out);
void entra_signed_in_secrets(const entra_credential_t *c, entra_buf_t *out);


/* entra_signed_in_step.c: tokens with the refresh token */

typedef struct {
    entra_signed_in_t   record;
    char                lock[ENTRA_SESSION_WORD];
    unsigned            waited;                 /* ms */
    unsigned            asked:1;
} entra_signed_in_state_t;

entra_next_e entra_signed_in_step(entra_acquire_t *a);
void entra_signed_in_state_free(entra_acquire_t *a);

/* what these types have in common */

#define ENTRA_SIGNED_IN_TYPE                                                  \
    .conf_size = sizeof(entra_signed_in_conf_t),                              \
    .state_size = sizeof(entra_signed_in_state_t),                            \
    .params = { entra_signed_in_params },                                     \
    .interactive = 1,                                                         \
    .delegated = 1,                                                           \
    .init = entra_signed_in_init,                                             \
    .free = entra_signed_in_conf_free,                                        \
    .step = entra_signed_in_step,                                             \
    .state_free = entra_signed_in_state_free,                                 \
    .watch = entra_signed_in_watch,                                           \
    .identity = entra_signed_in_identity,                                     \
    .secrets = entra_signed_in_secrets

/*
 * a->request with this grant for the acquisition's scope and
 * ENTRA_SIGNED_IN_SCOPES; otherwise as entra_token_request_begin().
 */
int entra_signed_in_request(entra_acquire_t *a, const char *grant_type);


#endif /* ENTRA_SIGNED_IN_H */
