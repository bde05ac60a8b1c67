
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_decision.h"
#include "entra_enc.h"


#define ENTRA_DECISION_NAMED  4                 /* policies in a line */


const char *
entra_outcome_name(entra_outcome_e outcome)
{
    switch (outcome) {

    case ENTRA_ALLOW:
        return "allow";

    case ENTRA_UNDETERMINED:
        return "undetermined";

    default:
        return "deny";
    }
}


void
entra_decision_names(const entra_decision_t *decision, uint64_t mask,
    entra_buf_t *out)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < decision->npolicies; i++) {
        if (mask >> i & 1) {
            entra_buf_addf(out, "%s%s", n++ ? "," : "",
                           decision->policies[i]->name);
        }
    }

    if (n == 0) {
        entra_buf_add_char(out, '-');
    }
}


static void
entra_caller_value(entra_buf_t *out, const char *name, const char *value)
{
    char  clean[256];

    if (value) {
        entra_err_clean(clean, sizeof(clean), entra_str_c(value));
        entra_buf_addf(out, "%s%s=%s", out->len ? " " : "", name, clean);
    }
}


static void
entra_caller_certificate(const entra_cert_t *cert, entra_buf_t *out)
{
    entra_buf_t  hex;

    if (cert->uris.n) {
        entra_caller_value(out, "san_uri", cert->uris.items[0]);

    } else if (cert->dns.n) {
        entra_caller_value(out, "san_dns", cert->dns.items[0]);

    } else {
        entra_buf_init(&hex, 128);
        entra_enc_hex(&hex, cert->spki_sha256, 32);
        entra_caller_value(out, "spki_sha256", entra_buf_str(&hex).data);
        entra_buf_free(&hex);
    }
}


void
entra_signals_caller(const entra_signals_t *signals, entra_buf_t *out)
{
    entra_buf_t  text;

    entra_buf_init(&text, 1024);

    if (signals->token == ENTRA_SIGNAL_VALID) {
        entra_caller_value(&text, "oid", signals->claims->oid);
        entra_caller_value(&text, "appid", signals->claims->appid);

    } else if (signals->token != ENTRA_SIGNAL_ABSENT) {
        entra_caller_value(&text, "token",
                           signals->token == ENTRA_SIGNAL_INVALID
                               ? "invalid" : "unknown");
    }

    if (signals->certificate == ENTRA_SIGNAL_VALID) {
        entra_caller_certificate(signals->cert, &text);

    } else if (signals->certificate != ENTRA_SIGNAL_ABSENT) {
        entra_caller_value(&text, "certificate",
                           signals->certificate == ENTRA_SIGNAL_INVALID
                               ? "invalid" : "unknown");
    }

    if (text.len == 0) {
        entra_buf_add_char(&text, '-');
    }

    entra_buf_add_str(out, entra_buf_str(&text));
    entra_buf_free(&text);
}


/* "; unknown: locations, callers", with the first word as given */

static void
entra_decision_dims(const char *intro, unsigned mask, entra_buf_t *out)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < ENTRA_DIMS; i++) {
        if (mask >> i & 1) {
            entra_buf_addf(out, "%s%s", n++ ? ", " : intro,
                           entra_dim_name((entra_dim_e) i));
        }
    }
}


static void
entra_decision_controls(const entra_policy_t *policy, uint32_t unmet,
    entra_buf_t *out)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < policy->ncontrols; i++) {
        if (unmet >> i & 1) {
            entra_buf_addf(out, "%s%.64s", n++ ? ", " : "",
                           policy->controls[i].text);
        }
    }
}


/* "office" (block; unknown: locations) */

static void
entra_decision_policy(const entra_policy_t *policy,
    const entra_policy_result_t *result, entra_buf_t *out)
{
    entra_buf_addf(out, "\"%s\" (", policy->name);

    if (result->result == ENTRA_RESULT_NOT_APPLIED) {
        entra_decision_dims("not: ", result->not_satisfied, out);
        entra_decision_dims(result->not_satisfied ? "; unknown: "
                                                  : "unknown: ",
                            result->unknown, out);

    } else {
        if (policy->block) {
            entra_buf_add_c(out, "block");

        } else {
            entra_buf_addf(out, "grant without %s",
                           policy->require_any ? "any of " : "");
            entra_decision_controls(policy, result->controls_unmet, out);
        }

        entra_decision_dims("; unknown: ", result->unknown, out);
    }

    entra_buf_add_char(out, ')');
}


/* the policies of the reason, the first few of them */

static void
entra_decision_policies(const entra_decision_t *decision, entra_buf_t *out)
{
    unsigned                      i, n;
    const entra_policy_t         *policy;
    const entra_policy_result_t  *result;

    n = 0;

    for (i = 0; i < decision->npolicies; i++) {
        policy = decision->policies[i];
        result = &decision->results[i];

        if (decision->reason == ENTRA_REASON_NO_GRANT
            ? !policy->grant || result->result != ENTRA_RESULT_NOT_APPLIED
            : !(decision->denied_by >> i & 1))
        {
            continue;
        }

        if (n == ENTRA_DECISION_NAMED) {
            entra_buf_add_c(out, ", ...");
            return;
        }

        entra_buf_add_c(out, n++ ? ", " : " ");
        entra_decision_policy(policy, result, out);
    }

    if (n == 0) {
        entra_buf_add_c(out, " there is none that is enabled");
    }
}


/* ": the signature is wrong" */

static void
entra_decision_failure(const entra_signals_t *signals, entra_buf_t *out)
{
    char  clean[ENTRA_DECISION_TEXT_MAX];

    if (signals->failure) {
        entra_err_clean(clean, sizeof(clean), entra_str_c(signals->failure));
        entra_buf_addf(out, ": %s", clean);
    }
}


static void
entra_decision_step_up(const entra_decision_t *decision, entra_buf_t *out)
{
    if (decision->step_up) {
        entra_buf_addf(out, "; only acrs=%s is missing, and the caller is"
                       " asked for it (claims challenge)", decision->step_up);
    }

    if (decision->no_step_up) {
        entra_buf_addf(out, "; only acrs=%s is missing, and the caller's"
                       " client does not declare that it answers claims"
                       " challenges (xms_cc)", decision->no_step_up);
    }
}


static void
entra_decision_why(const entra_decision_t *decision,
    const entra_signals_t *signals, entra_buf_t *out)
{
    if (decision->outcome == ENTRA_ALLOW) {
        entra_buf_add_c(out, "allowed");
        return;
    }

    entra_buf_add_c(out, decision->outcome == ENTRA_UNDETERMINED
                         ? "undetermined, because of what the gateway does"
                           " not know: " : "denied: ");

    switch (decision->reason) {

    case ENTRA_REASON_INVALID_CERTIFICATE:
        entra_buf_add_c(out, "the client certificate is invalid");
        entra_decision_failure(signals, out);
        return;

    case ENTRA_REASON_INVALID_TOKEN:
        entra_buf_add_c(out, "the caller's token is invalid");
        entra_decision_failure(signals, out);
        return;

    case ENTRA_REASON_WORKSPACE:
        entra_buf_add_c(out, "the request is not for the workspace of"
                        " \"entra_workspace ... confine\"");
        return;

    case ENTRA_REASON_TOO_MANY:
        entra_buf_add_c(out, "too many policies");
        return;

    case ENTRA_REASON_NO_GRANT:
        entra_buf_add_c(out, "no grant applies:");
        break;

    default:
        entra_buf_add_c(out, "policy");
    }

    entra_decision_policies(decision, out);

    if (decision->outcome == ENTRA_UNDETERMINED) {
        entra_decision_failure(signals, out);
    }

    entra_decision_step_up(decision, out);

    if (decision->missing) {
        entra_buf_addf(out, "; not presented: %s%s%s",
                       decision->missing & ENTRA_MISSING_TOKEN ? "token" : "",
                       decision->missing == (ENTRA_MISSING_TOKEN
                                             | ENTRA_MISSING_CERTIFICATE)
                           ? ", " : "",
                       decision->missing & ENTRA_MISSING_CERTIFICATE
                           ? "certificate" : "");
    }
}


void
entra_decision_line(const entra_decision_t *decision,
    const entra_signals_t *signals, entra_buf_t *out)
{
    char  client[ENTRA_ADDR_TEXT_MAX], peer[ENTRA_ADDR_TEXT_MAX];

    entra_decision_why(decision, signals, out);

    entra_buf_addf(out, "; client %s, peer %s, caller ",
                   entra_addr_text(&signals->address, client),
                   entra_addr_text(&signals->peer, peer));
    entra_signals_caller(signals, out);

    if (signals->operation && !signals->early) {
        entra_buf_add_c(out, ", operation ");
        entra_operation_text(signals->operation, out);
    }
}
