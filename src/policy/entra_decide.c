
/*
 * Copyright (C) nginx-entra authors
 *
 * The decision.  One function, entra_effect(), says what a policy does to a
 * request; the passes differ only in what they leave open.
 */

#include <string.h>

#include "entra_policy.h"


/* with "open": what could still be, in the best case */

typedef struct {
    entra_truth_t  applies;
    entra_truth_t  met;
    unsigned       denies:1;
    unsigned       permits:1;
} entra_effect_t;


static const char *const  entra_results[] = {
    "notEnabled",
    "notApplied",
    "success",
    "failure",
    "reportOnlyNotApplied",
    "reportOnlySuccess",
    "reportOnlyFailure"
};


const char *
entra_result_name(entra_result_e result)
{
    return entra_results[result];
}


static inline entra_truth_t
entra_policy_stated_dim(const entra_policy_t *policy, entra_dim_e dim,
    const entra_signals_t *signals, unsigned open)
{
    unsigned  i;

    if (dim != ENTRA_DIM_TIME) {
        return entra_assignment_match(&policy->assignments[dim], dim, signals,
                                      open);
    }

    for (i = 0; i < policy->nwindows; i++) {
        if (entra_time_window_has(&policy->windows[i], signals->now)) {
            return entra_truth(ENTRA_TRUE);
        }
    }

    return entra_truth(ENTRA_FALSE);
}


entra_truth_t
entra_policy_dim(const entra_policy_t *policy, entra_dim_e dim,
    const entra_signals_t *signals, unsigned open)
{
    if (!(policy->stated & 1u << dim)) {
        return entra_truth(ENTRA_TRUE);
    }

    return entra_policy_stated_dim(policy, dim, signals, open);
}


static entra_truth_t
entra_policy_claim(const entra_control_t *control,
    const entra_signals_t *signals, unsigned open)
{
    unsigned  match;

    if (signals->token != ENTRA_SIGNAL_VALID) {
        return entra_signals_token(signals, open);
    }

    match = entra_claim_match(&control->claim, signals->claims, signals->now);

    if (match == ENTRA_FALSE && control->claim.claim == ENTRA_CLAIM_ACRS) {
        return entra_truth_open(match, ENTRA_OPEN_ACRS, open);
    }

    return entra_truth(match);
}


static entra_truth_t
entra_policy_control(const entra_control_t *control,
    const entra_signals_t *signals, unsigned open)
{
    switch (control->kind) {

    case ENTRA_CONTROL_CERTIFICATE:
        return entra_signals_certificate(signals, open);

    case ENTRA_CONTROL_TOKEN:
        return entra_signals_token(signals, open);

    case ENTRA_CONTROL_TLS:
        return entra_truth_bool(signals->tls >= control->tls);

    case ENTRA_CONTROL_CLAIM:
        return entra_policy_claim(control, signals, open);
    }

    return entra_truth(ENTRA_UNKNOWN);
}


/* an interval that is not a single value is reported as unknown */

static unsigned
entra_collapse(entra_truth_t value)
{
    return value.lo == value.hi ? value.lo : ENTRA_UNKNOWN;
}


static inline entra_truth_t
entra_policy_applies(const entra_policy_t *policy,
    const entra_signals_t *signals, unsigned open,
    entra_policy_result_t *result)
{
    unsigned       dim, stated, value;
    entra_truth_t  applies, match;

    applies = entra_truth(ENTRA_TRUE);

    for (stated = policy->stated; stated; stated &= stated - 1) {

        dim = (unsigned) __builtin_ctz(stated);

        match = entra_policy_stated_dim(policy, (entra_dim_e) dim, signals,
                                        open);

        if (match.lo == ENTRA_TRUE) {
            continue;
        }

        applies = entra_truth_and(applies, match);

        if (result) {
            value = entra_collapse(match);
            result->not_satisfied |= (unsigned char)
                                     ((value == ENTRA_FALSE) << dim);
            result->unknown |= (unsigned char)
                               ((value == ENTRA_UNKNOWN) << dim);

        } else if (applies.hi == ENTRA_FALSE) {
            break;
        }
    }

    return applies;
}


static entra_truth_t
entra_policy_met(const entra_policy_t *policy,
    const entra_signals_t *signals, unsigned open,
    entra_policy_result_t *result)
{
    unsigned       i;
    entra_truth_t  met, one;

    met = entra_truth(policy->require_any ? ENTRA_FALSE : ENTRA_TRUE);

    for (i = 0; i < policy->ncontrols; i++) {
        one = entra_policy_control(&policy->controls[i], signals, open);

        met = policy->require_any ? entra_truth_or(met, one)
                                  : entra_truth_and(met, one);

        if (result && entra_collapse(one) != ENTRA_TRUE) {
            result->controls_unmet |= (uint32_t) 1 << i;
        }
    }

    return met;
}


/* result: filled with what was not satisfied, or NULL */

static inline __attribute__((always_inline)) entra_effect_t
entra_effect(const entra_policy_t *policy, const entra_signals_t *signals,
    unsigned open, entra_policy_result_t *result)
{
    entra_effect_t  v;

    v.applies = entra_policy_applies(policy, signals, open, result);
    v.met = !policy->grant ? entra_truth(ENTRA_FALSE)
            : policy->ncontrols == 0 ? entra_truth(ENTRA_TRUE)
            : entra_policy_met(policy, signals, open, result);

    /* a block, and a grant with unmet controls, restrict when they may apply */

    v.denies = v.applies.lo != ENTRA_FALSE
               && (policy->block || v.met.hi != ENTRA_TRUE);

    v.permits = policy->grant && v.applies.hi == ENTRA_TRUE
                && v.met.hi == ENTRA_TRUE;

    return v;
}


/* could it be allowed, with what is left open in the caller's favour? */

static int
entra_decide_pass(const entra_policy_t *const *policies, unsigned n,
    const entra_signals_t *signals, unsigned open)
{
    unsigned         i, permitted;
    entra_effect_t  v;

    permitted = 0;

    for (i = 0; i < n; i++) {

        if (policies[i]->state != ENTRA_POLICY_ENABLED) {
            continue;
        }

        v = entra_effect(policies[i], signals, open, NULL);

        if (v.denies) {
            return 0;
        }

        permitted |= v.permits;
    }

    return permitted != 0;
}


static void
entra_decide_result(entra_decision_t *decision, unsigned i,
    const entra_signals_t *signals, unsigned open, unsigned *permitted)
{
    entra_effect_t         v;
    const entra_policy_t   *policy = decision->policies[i];
    entra_policy_result_t  *result = &decision->results[i];

    if (policy->state == ENTRA_POLICY_DISABLED) {
        result->result = ENTRA_RESULT_NOT_ENABLED;
        return;
    }

    v = entra_effect(policy, signals, open, result);

    result->result = v.denies ? ENTRA_RESULT_FAILURE
                     : v.permits ? ENTRA_RESULT_SUCCESS
                                 : ENTRA_RESULT_NOT_APPLIED;

    result->applies = (unsigned char) entra_collapse(v.applies);
    result->undetermined = result->applies == ENTRA_UNKNOWN
                           || (result->applies == ENTRA_TRUE && policy->grant
                               && entra_collapse(v.met) == ENTRA_UNKNOWN);

    if (policy->state == ENTRA_POLICY_REPORT_ONLY) {
        result->result += ENTRA_RESULT_REPORT_ONLY_NOT_APPLIED
                          - ENTRA_RESULT_NOT_APPLIED;

        if (v.denies) {
            decision->would_deny |= (uint64_t) 1 << i;
        }

        return;
    }

    if (v.denies) {
        decision->denied_by |= (uint64_t) 1 << i;
        decision->reason = policy->block ? ENTRA_REASON_BLOCK
                           : decision->reason ? decision->reason
                                              : ENTRA_REASON_CONTROLS;
    }

    *permitted |= v.permits;
}


/*
 * Another token or certificate in place of the one presented would be allowed:
 * the caller is identified and not authorized, and nothing else is missing
 */

static int
entra_decide_insufficient(const entra_decision_t *decision,
    const entra_signals_t *signals, unsigned open)
{
    unsigned         mask;
    entra_signals_t  other;

    mask = 0;
    other = *signals;

    if (signals->token == ENTRA_SIGNAL_VALID) {
        other.token = ENTRA_SIGNAL_ABSENT;
        mask |= ENTRA_OPEN_TOKEN;
    }

    if (signals->certificate == ENTRA_SIGNAL_VALID) {
        other.certificate = ENTRA_SIGNAL_ABSENT;
        mask |= ENTRA_OPEN_CERTIFICATE;
    }

    return mask && entra_decide_pass(decision->policies, decision->npolicies,
                                     &other, open | mask);
}


/* the credentials that the caller did not present and would need */

static unsigned
entra_decide_missing(const entra_decision_t *decision,
    const entra_signals_t *signals, unsigned open)
{
    unsigned  i, token, certificate, mask, tries[3];

    if (entra_decide_insufficient(decision, signals, open)) {
        return 0;
    }

    token = signals->token == ENTRA_SIGNAL_ABSENT ? ENTRA_OPEN_TOKEN : 0;
    certificate = signals->certificate == ENTRA_SIGNAL_ABSENT
                  ? ENTRA_OPEN_CERTIFICATE : 0;

    tries[0] = token;
    tries[1] = certificate;
    tries[2] = token | certificate;

    for (i = 0; i < 3; i++) {
        mask = tries[i];

        if (mask && entra_decide_pass(decision->policies, decision->npolicies,
                                      signals, open | mask))
        {
            return (mask & ENTRA_OPEN_TOKEN ? ENTRA_MISSING_TOKEN : 0)
                   | (mask & ENTRA_OPEN_CERTIFICATE
                      ? ENTRA_MISSING_CERTIFICATE : 0);
        }
    }

    return 0;
}


/* the first authentication context that is asked for and not there */

static const char *
entra_decide_step_up(const entra_decision_t *decision)
{
    unsigned                i, k;
    const entra_policy_t   *policy;
    const entra_control_t  *control;

    for (i = 0; i < decision->npolicies; i++) {
        policy = decision->policies[i];

        if (!(decision->denied_by >> i & 1) || policy->block) {
            continue;
        }

        for (k = 0; k < policy->ncontrols; k++) {
            control = &policy->controls[k];

            if (control->kind == ENTRA_CONTROL_CLAIM
                && control->claim.claim == ENTRA_CLAIM_ACRS
                && (decision->results[i].controls_unmet >> k & 1))
            {
                return control->claim.value;
            }
        }
    }

    return NULL;
}


/* a denial: 401, 403 or 503? */

static void
entra_decide_status(entra_decision_t *decision,
    const entra_signals_t *signals, unsigned open)
{
    if (entra_decide_pass(decision->policies, decision->npolicies, signals,
                          open | ENTRA_OPEN_OURS))
    {
        decision->outcome = ENTRA_UNDETERMINED;
        decision->status = 503;
        return;
    }

    open |= ENTRA_OPEN_OURS;
    decision->missing = entra_decide_missing(decision, signals, open);

    if (decision->missing) {
        decision->status = 401;
        return;
    }

    decision->status = 403;

    if (signals->token != ENTRA_SIGNAL_VALID
        || !entra_decide_pass(decision->policies, decision->npolicies, signals,
                              open | ENTRA_OPEN_ACRS))
    {
        return;
    }

    if (signals->claims->claims_capable) {
        decision->step_up = entra_decide_step_up(decision);

    } else {
        decision->no_step_up = entra_decide_step_up(decision);
    }
}


static entra_reason_e
entra_decide_invalid(const entra_signals_t *signals)
{
    if (signals->certificate == ENTRA_SIGNAL_INVALID) {
        return ENTRA_REASON_INVALID_CERTIFICATE;
    }

    return signals->token == ENTRA_SIGNAL_INVALID ? ENTRA_REASON_INVALID_TOKEN
                                                  : ENTRA_REASON_NONE;
}


void
entra_decide(const entra_policy_t *const *policies, unsigned n,
    const entra_signals_t *signals, entra_decision_t *decision)
{
    unsigned           i, open, permitted;
    entra_reason_e     invalid;
    entra_signals_t    own;
    entra_looked_up_t  looked_up;

    memset(decision, 0, offsetof(entra_decision_t, results));

    decision->outcome = ENTRA_DENY;
    decision->status = 403;

    if (n > ENTRA_POLICIES_MAX) {
        decision->reason = ENTRA_REASON_TOO_MANY;
        return;
    }

    memset(decision->results, 0, n * sizeof(entra_policy_result_t));

    decision->policies = policies;
    decision->npolicies = n;

    looked_up.set = NULL;
    own = *signals;
    own.looked_up = &looked_up;
    signals = &own;

    open = signals->early ? ENTRA_OPEN_OPERATION : 0;
    permitted = 0;

    for (i = 0; i < n; i++) {
        entra_decide_result(decision, i, signals, open, &permitted);
    }

    invalid = entra_decide_invalid(signals);

    if (invalid) {
        decision->reason = invalid;
        decision->status = 401;
        decision->denied_by = 0;
        return;
    }

    if (permitted && decision->denied_by == 0) {
        decision->outcome = ENTRA_ALLOW;
        decision->status = 200;
        return;
    }

    if (decision->denied_by == 0) {
        decision->reason = ENTRA_REASON_NO_GRANT;
    }

    entra_decide_status(decision, signals, open);
}


void
entra_decide_workspace(entra_decision_t *decision)
{
    memset(decision, 0, offsetof(entra_decision_t, results));

    decision->status = 403;
    decision->reason = ENTRA_REASON_WORKSPACE;
}
