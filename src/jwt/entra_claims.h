
/*
 * Copyright (C) nginx-entra authors
 *
 * What a validated Entra access token of a caller says: filled by
 * entra_jwt.c, matched by entra_policy.c.
 */

#ifndef ENTRA_CLAIMS_H
#define ENTRA_CLAIMS_H


#include "entra_str.h"


#define ENTRA_CLAIMS_LIST_MAX  256


typedef struct {
    char      **items;                  /* NUL-terminated, owned */
    unsigned    n;
} entra_claims_list_t;


typedef struct {
    char                 *iss;
    char                 *aud;          /* the one that was accepted */
    char                 *tid;
    char                 *oid;
    char                 *sub;
    char                 *appid;        /* v1 appid, v2 azp */
    char                 *appidacr;     /* v1 appidacr, v2 azpacr */
    char                 *idtyp;        /* "app", "user"; NULL: absent */
    char                 *ver;
    char                 *uti;          /* id of the token, for logs */

    entra_claims_list_t   roles;
    entra_claims_list_t   groups;
    entra_claims_list_t   scp;          /* split at spaces */
    entra_claims_list_t   amr;
    entra_claims_list_t   acrs;
    entra_claims_list_t   wids;

    /* more groups than the token holds: membership is unknown, not false */
    unsigned              groups_overage:1;

    /* xms_cc has cp1: the client can answer a claims challenge */
    unsigned              claims_capable:1;

    int64_t               exp;          /* seconds since the epoch */
    int64_t               nbf;
    int64_t               iat;
} entra_claims_t;


void entra_claims_free(entra_claims_t *claims);      /* content, not itself */

/* takes a copy; -1: ENTRA_CLAIMS_LIST_MAX are in it, or no memory */
int entra_claims_add(entra_claims_list_t *list, entra_str_t value);

/* bytes of memory that it holds, about: what a cache charges for it */
size_t entra_claims_size(const entra_claims_t *claims);


#endif /* ENTRA_CLAIMS_H */
