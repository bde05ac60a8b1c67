
/*
 * Copyright (C) nginx-entra authors
 *
 * The POST to a token endpoint, as all flows share it.
 */

#ifndef ENTRA_TOKEN_REQUEST_H
#define ENTRA_TOKEN_REQUEST_H


#include "entra_acquire.h"


/*
 * Appends "https://host/tenant/oauth2/v2.0/token" of the credential's
 * authority; for the tenant "adfs", "https://host/adfs/oauth2/token".  The
 * last segment is name: "token", "devicecode", "authorize".  0, or -1: the
 * tenant is not one.
 */
int entra_token_request_url(const entra_credential_t *c, const char *name,
    entra_buf_t *out);

/* tenant "adfs": RS256, and resources instead of scopes */
int entra_token_request_is_adfs(const entra_credential_t *c);

/*
 * Fills a->request: POST, URL, headers (with a new client-request-id), and
 * the body "client_id=...&grant_type=...&scope=...[&claims=...]" with the
 * acquisition's scope and claims (merged with cp1).  The caller adds its own
 * pairs with entra_enc_form_pair(&a->request.body, ...) and ends with
 * entra_token_request_send().  0, or -1 and a->err.
 */
int entra_token_request_begin(entra_acquire_t *a, const char *grant_type);

/* the client secret; or the assertion and its type (RFC 7523) */
void entra_token_request_secret(entra_acquire_t *a, const char *secret);
void entra_token_request_assertion(entra_acquire_t *a,
    const char *assertion);

/* ENTRA_NEXT_HTTP; or ENTRA_NEXT_FAILED when something was too long */
entra_next_e entra_token_request_send(entra_acquire_t *a);

/*
 * Reads a->reply into a->token: ENTRA_NEXT_DONE, or ENTRA_NEXT_FAILED and
 * a->err.
 */
entra_next_e entra_token_request_receive(entra_acquire_t *a);

/*
 * "login.microsoftonline.com": the authority without its scheme, what errors
 * begin with.  Borrowed from the credential.
 */
const char *entra_token_request_from(const entra_credential_t *c);

/* a random UUID (RFC 9562, version 4) with its NUL; -1 without randomness */
#define ENTRA_UUID_LEN  37

int entra_token_request_uuid(char uuid[ENTRA_UUID_LEN]);


#endif /* ENTRA_TOKEN_REQUEST_H */
