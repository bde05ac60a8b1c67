
/*
 * Copyright (C) nginx-entra authors
 *
 * Tests of a claim in a validated access token: for entra_caller and for the
 * controls of a grant.
 */

#ifndef ENTRA_CLAIM_MATCH_H
#define ENTRA_CLAIM_MATCH_H


#include "entra_claims.h"
#include "entra_err.h"
#include "entra_suggest.h"
#include "entra_truth.h"


#define ENTRA_CLAIM_VALUE_MAX  512


typedef enum {
    ENTRA_CLAIM_APPID = 0,      /* also "azp" */
    ENTRA_CLAIM_OID,
    ENTRA_CLAIM_TID,
    ENTRA_CLAIM_ROLES,
    ENTRA_CLAIM_GROUPS,
    ENTRA_CLAIM_WIDS,
    ENTRA_CLAIM_SCP,
    ENTRA_CLAIM_AMR,
    ENTRA_CLAIM_ACRS,
    ENTRA_CLAIM_IDTYP,
    ENTRA_CLAIM_AZPACR,         /* also "appidacr" */
    ENTRA_CLAIM_MAX_AGE         /* of the token, since iat */
} entra_claim_e;


typedef struct {
    entra_claim_e   claim;
    char           *value;              /* owned; GUIDs in lower case */
    int64_t         seconds;            /* of max_age */
    unsigned        guid:1;

    /* the line says idtyp=user, so appid is meant to be a user's client */
    unsigned        delegated:1;
} entra_claim_match_t;


/*
 * "appid=GUID", "roles=Score.Invoke" ...  0; 1: not a claim that can be
 * tested; -1 and err, whose text says what to write instead.
 */
int entra_claim_match_parse(entra_claim_match_t *match, entra_str_t word,
    entra_err_t *err);
void entra_claim_match_free(entra_claim_match_t *match);   /* not itself */

/* of a word that is none: ", did you mean "appid=..."?", or empty and 0 */
int entra_claim_match_meant(char text[ENTRA_SUGGEST_TEXT], entra_str_t word);

/*
 * ENTRA_FALSE, ENTRA_UNKNOWN or ENTRA_TRUE.
 *
 * Lists (roles, groups, wids, scp, amr, acrs): is the value in it?  Without
 * the claim: no; groups with overage: unknown, unless it is in what is there.
 * oid, tid, appid, azpacr: is it the value?  Without the claim: unknown.
 *
 * appid says who calls only in a token that an application got for itself
 * (idtyp "app").  In a user's token, or in one that does not tell (idtyp is
 * an optional claim), an equal appid is unknown; with "idtyp=user" on the same
 * line a user's token is what is meant, and it counts.
 *
 * idtyp: without the claim, scp tells a user's token; without both: unknown.
 * max_age: unknown for tokens from the future (60 s are forgiven).
 */
unsigned entra_claim_match(const entra_claim_match_t *match,
    const entra_claims_t *claims, int64_t now);

/* for messages: "appid, oid, ..." */
const char *entra_claim_match_names(void);


#endif /* ENTRA_CLAIM_MATCH_H */
