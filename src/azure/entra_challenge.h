
/*
 * Copyright (C) nginx-entra authors
 *
 * WWW-Authenticate (RFC 9110, section 11.6.1) and the claims challenge of
 * Continuous Access Evaluation (Entra, "claims-challenge").
 */

#ifndef ENTRA_CHALLENGE_H
#define ENTRA_CHALLENGE_H


#include "entra_str.h"


#define ENTRA_CHALLENGE_MAX  (16 * 1024)        /* bytes of a header */
#define ENTRA_CLAIMS_MAX     (8 * 1024)         /* bytes of claims as JSON */


typedef struct {
    unsigned      bearer:1;             /* there is a Bearer challenge */
    char          error[64];            /* "insufficient_claims", or "" */
    char         *claims;               /* a JSON object, owned; or NULL */
} entra_challenge_t;


/*
 * Reads all challenges of one header; of several Bearer ones that with
 * claims counts, else the first.  Hostile text gives whatever could be read.
 */
void entra_challenge_parse(entra_str_t header, entra_challenge_t *challenge);
void entra_challenge_free(entra_challenge_t *challenge);

/*
 * Appends the "claims" of a token request: those of a challenge (JSON, or
 * NULL), merged with the client capability cp1 ("xms_cc") when capable is
 * set.  Nothing when there is nothing to say.  0, or -1: not a JSON object,
 * too long, no memory.
 */
int entra_challenge_claims(const char *claims, int capable,
    entra_buf_t *out);


#endif /* ENTRA_CHALLENGE_H */
