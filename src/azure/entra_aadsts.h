
/*
 * Copyright (C) nginx-entra authors
 *
 * What the AADSTS numbers of Entra's errors mean to an operator.  Microsoft:
 * "reference-error-codes": programs must not depend on them.  So they choose
 * words, how long to wait, and, where "error" and "suberror" are silent,
 * whether a sign-in has ended; never what is sent.
 */

#ifndef ENTRA_AADSTS_H
#define ENTRA_AADSTS_H


#include "entra_err.h"


typedef struct {
    uint32_t            code;
    entra_err_class_e   class;
    entra_remedy_e      remedy;         /* when a user's token is asked for */
    const char         *advice;         /* or NULL */
    const char         *user;           /* when it is a user's, or NULL */
} entra_aadsts_t;


/* loops were detected: ask again after minutes only */
#define ENTRA_AADSTS_LOOP     50196
#define ENTRA_AADSTS_LOOP_WAIT  300     /* seconds */

/* the assertion's time: another one may be accepted */
#define ENTRA_AADSTS_ASSERTION_TIME  700024

/* or NULL when it is not known */
const entra_aadsts_t *entra_aadsts_find(uint32_t code);

/* n-th one, for documentation and tests; or NULL */
const entra_aadsts_t *entra_aadsts_nth(unsigned n);


#endif /* ENTRA_AADSTS_H */
