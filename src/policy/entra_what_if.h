
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_what_if: a described request, evaluated by the running configuration
 * with the same evaluator as a real one.
 */

#ifndef ENTRA_WHAT_IF_H
#define ENTRA_WHAT_IF_H


#include "entra_decision.h"


#define ENTRA_WHAT_IF_MAX     (64 * 1024)       /* bytes of a query */
#define ENTRA_WHAT_IF_VALUES  1024


typedef enum {
    ENTRA_WHAT_IF_CREDENTIAL = 0,
    ENTRA_WHAT_IF_LOCATION,
    ENTRA_WHAT_IF_SERVER,
    ENTRA_WHAT_IF_METHOD,
    ENTRA_WHAT_IF_PATH,
    ENTRA_WHAT_IF_DEPLOYMENT,
    ENTRA_WHAT_IF_TEXTS
} entra_what_if_text_e;


/* what it holds points into itself: it is not copied */

typedef struct {
    entra_signals_t      signals;
    entra_str_t          credential;        /* empty: not given */
    entra_str_t          location;          /* whose policies add; or empty */
    entra_str_t          server;            /* of the location; or empty */

    char                *texts[ENTRA_WHAT_IF_TEXTS];     /* owned, or NULL */

    entra_operation_t    operation;
    entra_cert_t         cert;
    entra_claims_t       claims;

    uint64_t             given;             /* mask of parameters */
    unsigned             deployments;       /* how many of them */
    unsigned             values;            /* in all */
    char                *scratch;
} entra_what_if_t;


/*
 * A query string (name=value&..., percent-encoded, "+" is a space), or a
 * JSON object with the same names, where values may be lists.  now: unless
 * the query says a time.
 *
 *   credential, location, server
 *   address, peer          an address, "unix:", or "unknown"
 *   method, path           as the upstream would get them
 *   time                   RFC 3339
 *   deployment             may be given twice
 *   tls                    1.2, 1.3
 *   certificate            none | valid | invalid | unknown
 *   san_uri, san_dns, cert_sha256, spki_sha256
 *   token                  none | valid | invalid | unknown
 *   appid, oid, tid, sub, idtyp, azpacr, iat, groups_overage, claims_capable
 *   roles, groups, wids, scp, amr, acrs        (each may be there often)
 *
 * What is not said of address, peer and operation is unknown; credentials
 * are absent and there is no deployment header, unless described.  0, or -1
 * and err; to be freed in both cases.
 */
int entra_what_if_parse(entra_what_if_t *what_if, entra_str_t query,
    int64_t now, entra_err_t *err);

/*
 * As entra_signals_address() does for a real request: a client that would be
 * a trusted proxy is unknown.
 */
void entra_what_if_proxies(entra_what_if_t *what_if,
    const entra_cidr_set_t *trusted_proxies);

void entra_what_if_free(entra_what_if_t *what_if);

/*
 * One JSON object: decision (entra_decision_json() with all policies and all
 * that they miss), explanation (entra_decision_line()), notGiven.
 */
void entra_what_if_answer(const entra_what_if_t *what_if,
    const entra_decision_t *decision, const entra_rules_t *rules,
    const entra_decision_info_t *info, entra_buf_t *out);


#endif /* ENTRA_WHAT_IF_H */
