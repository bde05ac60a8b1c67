
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_policy NAME { ... }, and the decision that policies make about a
 * request.  Pure: entra_decide() allocates nothing, and the order of policies
 * does not matter.
 */

#ifndef ENTRA_POLICY_H
#define ENTRA_POLICY_H


#include "entra_assignment.h"
#include "entra_time_window.h"


#define ENTRA_POLICIES_MAX         64           /* in one decision */
#define ENTRA_POLICY_WINDOWS_MAX   32
#define ENTRA_POLICY_CONTROLS_MAX  32


typedef struct entra_policy_s  entra_policy_t;


typedef enum {
    ENTRA_POLICY_ENABLED = 0,
    ENTRA_POLICY_REPORT_ONLY,
    ENTRA_POLICY_DISABLED
} entra_policy_state_e;


typedef enum {
    ENTRA_CONTROL_CERTIFICATE,
    ENTRA_CONTROL_TOKEN,
    ENTRA_CONTROL_TLS,
    ENTRA_CONTROL_CLAIM
} entra_control_e;


/* policy->lines: a dimension, or one of these */

typedef enum {
    ENTRA_POLICY_LINE_STATE = ENTRA_DIMS,
    ENTRA_POLICY_LINE_OUTCOME,
    ENTRA_POLICY_LINES
} entra_policy_line_e;


typedef struct {
    entra_control_e               kind;
    char                         *text;         /* as written, owned */
    unsigned                      tls;          /* minimum version */
    entra_claim_match_t            claim;
} entra_control_t;


struct entra_policy_s {
    char                         *name;
    entra_policy_state_e          state;
    int64_t                       until;        /* of report_only, 0: none */

    unsigned                      stated;       /* mask of dimensions */
    entra_assignment_t            assignments[ENTRA_DIM_TIME];
    entra_time_window_t           windows[ENTRA_POLICY_WINDOWS_MAX];
    unsigned                      nwindows;

    unsigned                      block:1;
    unsigned                      grant:1;
    unsigned                      require_any:1;
    entra_control_t               controls[ENTRA_POLICY_CONTROLS_MAX];
    unsigned                      ncontrols;

    unsigned                      index;        /* in the configuration */
    unsigned                      given;        /* lines seen, for duplicates */
    void                         *data;         /* the nginx module's */

    /* " in FILE:LINE", or NULL: of the block, and of its lines */
    const char                   *where;
    const char                   *lines[ENTRA_POLICY_LINES];
    const char                   *line;         /* that is being read */
    const char                   *fault;        /* of entra_policy_done() */
    unsigned                      used;         /* as of the other rules */

    /* some server in which it decides */
    unsigned                      located:1;
    unsigned                      asks_certificates:1;  /* of clients */
    unsigned                      serves_tls:1;
};


/* policy: zeroed memory, name set */
void entra_policy_free(entra_policy_t *policy);         /* not itself */

/*
 * A line of the block; the end of the block.  Names are resolved later, by
 * entra_rules_finish().  0, or -1 and err with what to write instead.
 */
int entra_policy_line(entra_policy_t *policy, const entra_str_t *words,
    unsigned nwords, entra_err_t *err);
int entra_policy_done(entra_policy_t *policy, entra_err_t *err);

/* words[0] of a line could be that */
int entra_policy_is_param(entra_str_t name);

/* some policy that is not disabled looks at operations or deployments */
int entra_policies_see_operations(const entra_policy_t *const *policies,
    unsigned n);


/* entra_decide.c */

/*
 * Does the dimension match?  True when it is not stated.  What is unknown is
 * unknown, but for "any".
 */
entra_truth_t entra_policy_dim(const entra_policy_t *policy, entra_dim_e dim,
    const entra_signals_t *signals, unsigned open);


typedef enum {
    ENTRA_RESULT_NOT_ENABLED = 0,
    ENTRA_RESULT_NOT_APPLIED,
    ENTRA_RESULT_SUCCESS,
    ENTRA_RESULT_FAILURE,
    ENTRA_RESULT_REPORT_ONLY_NOT_APPLIED,
    ENTRA_RESULT_REPORT_ONLY_SUCCESS,
    ENTRA_RESULT_REPORT_ONLY_FAILURE,
    ENTRA_RESULTS
} entra_result_e;


/*
 * A policy and a request.  A block that applies, or may apply, and a grant
 * that does with its controls unmet, is a failure.  A grant that applies for
 * certain with its controls met is a success.
 */

typedef struct {
    unsigned char   result;             /* entra_result_e */
    unsigned char   applies;            /* ENTRA_FALSE, _UNKNOWN, _TRUE */
    unsigned char   not_satisfied;      /* masks of dimensions: false */
    unsigned char   unknown;
    unsigned char   undetermined;       /* 1: something unknown decided it */
    uint32_t        controls_unmet;     /* bit i: controls[i] */
} entra_policy_result_t;


typedef enum {
    ENTRA_DENY = 0,                     /* zeroed memory is a denial */
    ENTRA_ALLOW,
    ENTRA_UNDETERMINED
} entra_outcome_e;


typedef enum {
    ENTRA_REASON_NONE = 0,
    ENTRA_REASON_INVALID_CERTIFICATE,
    ENTRA_REASON_INVALID_TOKEN,
    ENTRA_REASON_BLOCK,                 /* of the policies in denied_by */
    ENTRA_REASON_CONTROLS,              /* unmet, of those in denied_by */
    ENTRA_REASON_NO_GRANT,              /* none applies: denied by default */
    ENTRA_REASON_TOO_MANY,              /* over ENTRA_POLICIES_MAX */
    ENTRA_REASON_WORKSPACE              /* entra_decide_workspace() */
} entra_reason_e;


/* what was not presented, and could have changed the decision */

#define ENTRA_MISSING_CERTIFICATE  1
#define ENTRA_MISSING_TOKEN        2


typedef struct {
    entra_outcome_e               outcome;
    unsigned                      status;       /* 200, 401, 403, 503 */
    entra_reason_e                reason;
    unsigned                      missing;      /* with 401 */

    /*
     * With 403: an authentication context that the caller's token could be
     * stepped up to (xms_cc says it can answer a claims challenge), and
     * with which it would be allowed; or NULL.
     */
    const char                   *step_up;

    /* the same of a client that does not say so; or NULL */
    const char                   *no_step_up;

    uint64_t                      denied_by;    /* bit i: policies[i] */
    uint64_t                      would_deny;   /* of report-only ones */

    /* borrowed */
    const entra_policy_t *const  *policies;
    unsigned                      npolicies;

    entra_policy_result_t         results[ENTRA_POLICIES_MAX];
} entra_decision_t;


/*
 * Fills the decision completely.  Enabled policies alone decide:
 *
 *   a credential that was presented and is invalid: deny, 401
 *   a block that applies or may apply: deny
 *   a grant that applies or may apply, its controls not all (or, with any,
 *   not one) met for certain: deny
 *   no grant that applies for certain with its controls met: deny
 *   else: allow
 *
 * A denial is 401 when a credential that the caller did not present could
 * have changed it, undetermined and 503 when what the gateway itself does
 * not know could have, else 403.  No policies: deny.
 *
 * With signals->early ALLOW only means that some operation could be allowed;
 * any other outcome is final, whatever the operation will be.
 */
void entra_decide(const entra_policy_t *const *policies, unsigned n,
    const entra_signals_t *signals, entra_decision_t *decision);

/* denied without policies: it is about another workspace (confine) */
void entra_decide_workspace(entra_decision_t *decision);

/* "success", "reportOnlyFailure", ...: as in Entra's sign-in logs */
const char *entra_result_name(entra_result_e result);


#endif /* ENTRA_POLICY_H */
