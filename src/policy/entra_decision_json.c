
/*
 * Copyright (C) nginx-entra authors
 *
 * A decision as one JSON object.  What Entra's sign-in logs have too bears
 * their names.
 */

#include "entra_decision.h"
#include "entra_enc.h"
#include "entra_json_write.h"
#include "entra_time.h"


#define ENTRA_JSON_TAIL        256              /* what comes after the list */
#define ENTRA_JSON_POLICY_MAX  4096
#define ENTRA_JSON_NAMES_MAX   2048


/* a member, cut to its bound; nothing when it is empty */

static void
entra_json_text(entra_buf_t *out, const char *name, entra_str_t value)
{
    if (value.len == 0) {
        return;
    }

    if (value.len > ENTRA_DECISION_TEXT_MAX) {
        value.len = ENTRA_DECISION_TEXT_MAX;
    }

    entra_json_add(out, name, value);
}


static void
entra_json_c(entra_buf_t *out, const char *name, const char *value)
{
    entra_json_text(out, name, entra_str_c(value));
}


static const char *
entra_json_reason(const entra_decision_t *decision)
{
    switch (decision->reason) {

    case ENTRA_REASON_NONE:
        return NULL;

    case ENTRA_REASON_INVALID_CERTIFICATE:
        return "invalidCertificate";

    case ENTRA_REASON_INVALID_TOKEN:
        return "invalidToken";

    case ENTRA_REASON_BLOCK:
        return "block";

    case ENTRA_REASON_CONTROLS:
        return "controlsNotSatisfied";

    case ENTRA_REASON_NO_GRANT:
        return "noGrant";

    case ENTRA_REASON_WORKSPACE:
        return "otherWorkspace";

    case ENTRA_REASON_TOO_MANY:
        break;
    }

    return "tooManyPolicies";
}


static void
entra_json_outcome(entra_buf_t *out, const entra_decision_t *decision,
    const entra_signals_t *signals)
{
    const char  *status;

    status = decision->outcome == ENTRA_ALLOW ? "success" : "failure";

    entra_json_c(out, "decision", entra_outcome_name(decision->outcome));
    entra_json_add_int(out, "httpStatus", decision->status);
    entra_json_c(out, "conditionalAccessStatus", status);
    entra_json_c(out, "reason", entra_json_reason(decision));

    if (decision->outcome != ENTRA_ALLOW) {
        entra_json_c(out, "failureReason", signals->failure);
    }

    if (decision->missing) {
        entra_json_open(out, "notPresented", '[');

        if (decision->missing & ENTRA_MISSING_TOKEN) {
            entra_json_c(out, NULL, "token");
        }

        if (decision->missing & ENTRA_MISSING_CERTIFICATE) {
            entra_json_c(out, NULL, "certificate");
        }

        entra_buf_add_char(out, ']');
    }

    entra_json_c(out, "stepUp", decision->step_up);
}


static const char *
entra_json_signal(entra_signal_e state)
{
    switch (state) {

    case ENTRA_SIGNAL_VALID:
        return "valid";

    case ENTRA_SIGNAL_INVALID:
        return "invalid";

    case ENTRA_SIGNAL_ABSENT:
        return NULL;

    case ENTRA_SIGNAL_UNKNOWN:
        break;
    }

    return "unknown";
}


static void
entra_json_caller(entra_buf_t *out, const entra_signals_t *signals,
    const entra_rules_t *rules)
{
    entra_buf_t            text;
    const entra_claims_t  *claims = signals->claims;

    entra_json_open(out, "caller", '{');
    entra_json_c(out, "token", entra_json_signal(signals->token));

    if (signals->token == ENTRA_SIGNAL_VALID) {
        entra_json_c(out, "oid", claims->oid);
        entra_json_c(out, "appId", claims->appid);
        entra_json_c(out, "tid", claims->tid);
        entra_json_c(out, "idtyp", claims->idtyp);
        entra_json_c(out, "uniqueTokenIdentifier", claims->uti);
    }

    entra_json_c(out, "certificate", entra_json_signal(signals->certificate));

    if (signals->certificate == ENTRA_SIGNAL_VALID) {
        entra_json_c(out, "sanUri", signals->cert->uris.n
                                    ? signals->cert->uris.items[0] : NULL);
        entra_json_c(out, "sanDns", signals->cert->dns.n
                                    ? signals->cert->dns.items[0] : NULL);

        entra_buf_init(&text, 128);
        entra_enc_hex(&text, signals->cert->spki_sha256, 32);
        entra_json_text(out, "spkiSha256", entra_buf_str(&text));
        entra_buf_free(&text);
    }

    if (rules) {
        entra_buf_init(&text, ENTRA_DECISION_TEXT_MAX);
        entra_rules_callers_of(rules, signals, &text);
        entra_json_text(out, "names", entra_buf_str(&text));
        entra_buf_free(&text);
    }

    entra_buf_add_char(out, '}');
}


static void
entra_json_networks(entra_buf_t *out, const entra_signals_t *signals,
    const entra_rules_t *rules)
{
    entra_buf_t  names;
    entra_str_t  rest;

    entra_buf_init(&names, ENTRA_JSON_NAMES_MAX);
    entra_rules_locations_of(rules, &signals->address, &names);

    rest = entra_buf_str(&names);
    entra_json_open(out, "networkNames", '[');

    while (rest.len) {
        entra_json_text(out, NULL, entra_str_cut(&rest, ','));
    }

    entra_buf_add_char(out, ']');
    entra_buf_free(&names);
}


static void
entra_json_request(entra_buf_t *out, const entra_signals_t *signals,
    const entra_rules_t *rules, const entra_decision_info_t *info)
{
    char          text[ENTRA_ADDR_TEXT_MAX];
    entra_buf_t   operation;

    entra_json_caller(out, signals, rules);

    entra_json_c(out, "ipAddress", entra_addr_text(&signals->address, text));
    entra_json_c(out, "peerAddress", entra_addr_text(&signals->peer, text));

    if (info) {
        entra_json_text(out, "ipSource", info->ip_source);
    }

    if (rules) {
        entra_json_networks(out, signals, rules);
    }

    if (info) {
        entra_json_text(out, "host", info->host);
    }

    if (signals->operation == NULL) {
        return;
    }

    entra_json_text(out, "method", signals->operation->method);
    entra_json_text(out, "path", signals->operation->path);

    entra_buf_init(&operation, 1024);
    entra_operation_text(signals->operation, &operation);
    entra_json_text(out, "operation", entra_buf_str(&operation));
    entra_buf_free(&operation);

    if (signals->deployment == ENTRA_DEPLOYMENT_NAMED) {
        entra_json_text(out, "deployment", signals->deployment_name);
    }
}


static void
entra_json_dims(entra_buf_t *out, const char *name, unsigned mask)
{
    unsigned  dim;

    if (mask == 0) {
        return;
    }

    entra_json_open(out, name, '[');

    for (dim = 0; dim < ENTRA_DIMS; dim++) {
        if (mask >> dim & 1) {
            entra_json_c(out, NULL, entra_dim_name((entra_dim_e) dim));
        }
    }

    entra_buf_add_char(out, ']');
}


static void
entra_json_controls(entra_buf_t *out, const char *name,
    const entra_policy_t *policy, uint32_t mask)
{
    unsigned  i;

    entra_json_open(out, name, '[');

    if (policy->block) {
        entra_json_c(out, NULL, "block");
    }

    for (i = 0; i < policy->ncontrols; i++) {
        if (mask >> i & 1) {
            entra_json_c(out, NULL, policy->controls[i].text);
        }
    }

    entra_buf_add_char(out, ']');
}


static void
entra_json_policy(entra_buf_t *out, const entra_policy_t *policy,
    const entra_policy_result_t *result)
{
    unsigned  not;

    entra_json_open(out, NULL, '{');
    entra_json_c(out, "displayName", policy->name);
    entra_json_c(out, "result",
                 entra_result_name((entra_result_e) result->result));

    if (result->result != ENTRA_RESULT_NOT_ENABLED) {

        not = result->not_satisfied | result->unknown;

        if (policy->block || policy->ncontrols) {
            entra_json_controls(out, "enforcedGrantControls", policy,
                                0xffffffff);
        }

        entra_json_dims(out, "conditionsSatisfied", policy->stated & ~not);
        entra_json_dims(out, "conditionsNotSatisfied", result->not_satisfied);
        entra_json_dims(out, "conditionsUnknown", result->unknown);

        if (result->controls_unmet) {
            entra_json_controls(out, "grantControlsNotSatisfied", policy,
                                result->controls_unmet);
        }

        if (result->undetermined) {
            entra_json_add_true(out, "undetermined");
        }
    }

    entra_buf_add_char(out, '}');
}


static int
entra_json_wanted(const entra_decision_t *decision, unsigned i, int all)
{
    switch (decision->results[i].result) {

    case ENTRA_RESULT_NOT_APPLIED:
        return all || (decision->reason == ENTRA_REASON_NO_GRANT
                       && decision->policies[i]->grant);

    case ENTRA_RESULT_NOT_ENABLED:
    case ENTRA_RESULT_REPORT_ONLY_NOT_APPLIED:
        return all;

    default:
        return 1;
    }
}


static void
entra_json_policies(entra_buf_t *out, const entra_decision_t *decision,
    int all)
{
    size_t       max;
    unsigned     i, omitted;
    entra_buf_t  one;

    max = out->max < ENTRA_DECISION_JSON_MAX ? out->max
                                             : ENTRA_DECISION_JSON_MAX;
    omitted = 0;

    entra_json_open(out, "appliedConditionalAccessPolicies", '[');

    for (i = 0; i < decision->npolicies; i++) {

        if (!entra_json_wanted(decision, i, all)) {
            continue;
        }

        entra_buf_init(&one, ENTRA_JSON_POLICY_MAX);
        entra_json_policy(&one, decision->policies[i], &decision->results[i]);

        if (entra_buf_ok(&one)
            && out->len + one.len + ENTRA_JSON_TAIL < max)
        {
            entra_json_add_raw(out, NULL, entra_buf_str(&one));

        } else {
            omitted++;
        }

        entra_buf_free(&one);
    }

    entra_buf_add_char(out, ']');

    if (omitted) {
        entra_json_add_int(out, "omitted", omitted);
    }
}


void
entra_decision_json(const entra_decision_t *decision,
    const entra_signals_t *signals, const entra_rules_t *rules,
    const entra_decision_info_t *info, int all, entra_buf_t *out)
{
    entra_buf_add_c(out, "{\"createdDateTime\":\"");
    entra_time_format(signals->now, out);
    entra_buf_add_char(out, '"');

    if (info) {
        entra_json_text(out, "id", info->id);
        entra_json_text(out, "requestId", info->request_id);
        entra_json_text(out, "credential", info->credential);
        entra_json_text(out, "location", info->location);
    }

    entra_json_outcome(out, decision, signals);
    entra_json_request(out, signals, rules, info);
    entra_json_policies(out, decision, all);

    if (info && info->micros >= 0) {
        entra_json_add_int(out, "evaluationMicroseconds", info->micros);
    }

    entra_buf_add_char(out, '}');
}
