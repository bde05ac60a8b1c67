
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_what_if: a described request, judged by the running configuration
 * with the same evaluator as a real one.
 */

#ifndef ENTRA_WHAT_IF_H
#define ENTRA_WHAT_IF_H


#include "entra_decision.h"


#define ENTRA_WHAT_IF_MAX   (64 * 1024)         /* of a query */


typedef struct {
    entra_signals_t      signals;
    entra_str_t          credential;        /* empty: not given */
    entra_str_t          location;          /* whose policies add; or empty */

    entra_operation_t    operation;
    entra_cert_t         cert;
    entra_claims_t       claims;
    unsigned             given;             /* mask of parameters */
    char                *bytes;             /* what the strings borrow */
    char                *scratch;
} entra_what_if_t;


/*
 * A query string (name=value&..., percent-encoded, "+" is a space), or a
 * JSON object with the same names, where values may be lists.  now: unless
 * the query says a time.
 *
 *   credential, location
 *   address, peer          an address, "unix:", or "unknown"
 *   method, path           as the upstream would get them
 *   time                   RFC 3339
 *   deployment             may be there twice
 *   tls                    1.2, 1.3
 *   certificate            none | valid | invalid | unknown
 *   san_uri, san_dns, cert_sha256, spki_sha256
 *   token                  none | valid | invalid | unknown
 *   appid, oid, tid, sub, idtyp, azpacr, iat, groups_overage, claims_capable
 *   roles, groups, wids, scp, amr, acrs        (each may be there often)
 *
 * What is not said of address, peer and operation is unknown; credentials
 * are absent and there is no deployment header, unless described.  0, or -1
 * and err.
 */
int entra_what_if_parse(entra_what_if_t *what_if, entra_str_t query,
    int64_t now, entra_err_t *err);
void entra_what_if_free(entra_what_if_t *what_if);

/* the decision, all policies with all that they miss, and what was not said */
void entra_what_if_answer(const entra_what_if_t *what_if,
    const entra_decision_t *decision, const entra_rules_t *rules,
    const entra_decision_info_t *info, entra_buf_t *out);


#endif /* ENTRA_WHAT_IF_H */
