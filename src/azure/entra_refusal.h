
/*
 * Copyright (C) nginx-entra authors
 *
 * What a refusal of the token endpoint means: "error" says of what kind it
 * is, "suberror" what a user can do, and the AADSTS number what an operator
 * reads; in this order, as Microsoft asks of clients (reference-error-codes)
 * and MSAL does.
 */

#ifndef ENTRA_REFUSAL_H
#define ENTRA_REFUSAL_H


#include "entra_err.h"


typedef struct {
    entra_err_class_e   class;          /* ENTRA_ERR_NONE: not known */
    entra_remedy_e      remedy;
    const char         *advice;         /* or NULL */
} entra_refusal_t;


/*
 * suberror may be "", code 0.  user: a user's token was asked for, so that a
 * policy that refuses is the user's, not the application's.
 */
void entra_refusal(const char *error, const char *suberror, uint32_t code,
    int user, entra_refusal_t *refusal);


#endif /* ENTRA_REFUSAL_H */
