
/*
 * Copyright (C) nginx-entra authors
 *
 * A decision as text: names of policies, a line for the error log, a JSON
 * object after Entra's sign-in logs for the access log.
 */

#ifndef ENTRA_DECISION_H
#define ENTRA_DECISION_H


#include "entra_rules.h"


#define ENTRA_DECISION_JSON_MAX  (32 * 1024)
#define ENTRA_DECISION_TEXT_MAX  512            /* of a value that is logged */


/* what only the nginx module knows; what is empty is left out */

typedef struct {
    entra_str_t    id;                  /* of the decision */
    entra_str_t    request_id;
    entra_str_t    credential;
    entra_str_t    location;            /* nginx's location block */
    entra_str_t    host;
    entra_str_t    ip_source;           /* "peer", "realip", ... */
    int64_t        micros;              /* it took, -1: not measured */
} entra_decision_info_t;


/* "allow", "deny", "undetermined" */
const char *entra_outcome_name(entra_outcome_e outcome);

/*
 * Names of the policies of a mask (denied_by, would_deny), with commas; "-"
 * for none.
 */
void entra_decision_names(const entra_decision_t *decision, uint64_t mask,
    entra_buf_t *out);

/*
 * One line that says why: "denied by policy "office" (block); client
 * 203.0.113.9, peer 10.0.0.4, caller -, operation POST /score".  All that
 * came with the request is cleaned of control characters and cut.
 */
void entra_decision_line(const entra_decision_t *decision,
    const entra_signals_t *signals, entra_buf_t *out);

/*
 * Who calls, for logs: "oid=... appid=..." of the token, a name or the key of
 * the certificate, both; "-" for nobody; at most 1 KB.
 */
void entra_signals_caller(const entra_signals_t *signals, entra_buf_t *out);

/*
 * One JSON object, at most ENTRA_DECISION_JSON_MAX bytes: no line ends, no
 * control characters.  Policies that would not fit are counted in "omitted".
 * info and rules may be NULL.  all: also policies that did not apply; without
 * it they are there only when no grant applied, which is the reason then.
 */
void entra_decision_json(const entra_decision_t *decision,
    const entra_signals_t *signals, const entra_rules_t *rules,
    const entra_decision_info_t *info, int all, entra_buf_t *out);


#endif /* ENTRA_DECISION_H */
