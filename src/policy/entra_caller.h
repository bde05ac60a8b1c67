
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_caller NAME { ... }: who calls, by certificate or access token.
 */

#ifndef ENTRA_CALLER_H
#define ENTRA_CALLER_H


#include "entra_claim_match.h"
#include "entra_signals.h"


#define ENTRA_CALLER_KEYS_MAX  16              /* of a kind, in a line */
#define ENTRA_CALLER_LINES_MAX  256


typedef struct {
    const char           *where;                /* " in FILE:LINE", or NULL */
    unsigned              certificate:1;        /* one has to be there */
    unsigned              token:1;
    entra_cert_match_t    *certs;
    unsigned              ncerts;
    entra_claim_match_t   *claims;
    unsigned              nclaims;
} entra_caller_line_t;


typedef struct {
    char                 *name;
    entra_caller_line_t  *lines;
    unsigned              nlines;
    const char           *where;                /* as of a line; of the block */
    unsigned              used;                 /* a policy names it */
} entra_caller_t;


void entra_caller_free(entra_caller_t *caller);         /* not itself */

/*
 * One line: certificate KEY=VALUE ...; or token KEY=VALUE ...; or both, one
 * after the other.  Lines are alternatives, the keys of one must all match.
 * "certificate" alone: any that is verified.  0, or -1 and err.
 */
int entra_caller_line(entra_caller_t *caller, const entra_str_t *words,
    unsigned nwords, entra_err_t *err);

/* absent: false for all; invalid, unknown: unknown.  See entra_truth.h */
entra_truth_t entra_caller_match(const entra_caller_t *caller,
    const entra_signals_t *signals, unsigned open);


#endif /* ENTRA_CALLER_H */
