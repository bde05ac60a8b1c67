
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_policy.h"
#include "entra_suggest.h"


/* bits of policy->given, beside those of the dimensions */

#define ENTRA_POLICY_STATE    0x100
#define ENTRA_POLICY_OUTCOME  0x200


static const char *const  entra_policy_names[] = {
    "state", "locations", "peers", "callers", "operations", "deployments",
    "time", "block", "grant", NULL
};


void
entra_policy_free(entra_policy_t *policy)
{
    unsigned  i;

    for (i = 0; i < ENTRA_DIM_TIME; i++) {
        entra_assignment_free(&policy->assignments[i]);
    }

    for (i = 0; i < policy->ncontrols; i++) {
        free(policy->controls[i].text);
        entra_claim_match_free(&policy->controls[i].claim);
    }

    free(policy->name);
    memset(policy, 0, sizeof(entra_policy_t));
}


static int
entra_policy_time(entra_policy_t *policy, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    if (policy->nwindows == ENTRA_POLICY_WINDOWS_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %u lines of time",
                             ENTRA_POLICY_WINDOWS_MAX);
    }

    if (entra_time_window_parse(&policy->windows[policy->nwindows], words + 1,
                                nwords - 1, err)
        != 0)
    {
        return -1;
    }

    policy->nwindows++;
    policy->stated |= 1u << ENTRA_DIM_TIME;

    return 0;
}


/* enabled | report_only [until=DATE] | disabled */

static int
entra_policy_state(entra_policy_t *policy, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    char         meant[ENTRA_SUGGEST_TEXT];
    unsigned     i;
    entra_str_t  date;

    static const char *const  states[] = {
        "enabled", "report_only", "disabled", NULL
    };

    for (i = 0; nwords > 1 && i < 3; i++) {
        if (entra_str_eq_c(words[1], states[i])) {
            break;
        }
    }

    if (nwords < 2 || i == 3 || nwords > 3
        || (nwords == 3 && i != ENTRA_POLICY_REPORT_ONLY))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a state is enabled, report_only [until=DATE] or"
                             " disabled%s",
                             nwords > 1 && i == 3
                             && entra_suggest(meant, words[1], states)
                                 ? meant : "");
    }

    policy->state = (entra_policy_state_e) i;

    if (nwords < 3) {
        return 0;
    }

    date = words[2];

    if (entra_str_starts(date, "until=")) {
        date.data += sizeof("until=") - 1;
        date.len -= sizeof("until=") - 1;

        if (entra_time_moment(date, &policy->until) == 0) {

            /* a date means the whole of its day */

            policy->until += date.len == sizeof("2026-12-31") - 1
                             ? 24 * 3600 : 0;
            return 0;
        }
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\": write until=2026-12-31 (the end of that"
                         " day in UTC), or until=2026-12-31T18:00Z",
                         (int) words[2].len, words[2].data);
}


static int
entra_policy_tls(entra_control_t *control, entra_str_t word)
{
    control->kind = ENTRA_CONTROL_TLS;

    if (entra_str_eq_c(word, "tls")) {
        control->tls = 0x0301;
        return 0;
    }

    if (entra_str_eq_c(word, "tls=1.2")) {
        control->tls = 0x0303;
        return 0;
    }

    if (entra_str_eq_c(word, "tls=1.3")) {
        control->tls = 0x0304;
        return 0;
    }

    return 1;
}


static int
entra_policy_no_control(entra_str_t word, entra_err_t *err)
{
    char  meant[ENTRA_SUGGEST_TEXT];

    static const char *const  names[] = {
        "certificate", "token", "tls", "tls=1.2", "tls=1.3", NULL
    };

    if (entra_suggest(meant, word, names)
        || entra_claim_match_meant(meant, word))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "unknown control \"%.*s\"%s", (int) word.len,
                             word.data, meant);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "unknown control \"%.*s\": there are certificate,"
                         " token, tls, tls=1.2, tls=1.3, and CLAIM=VALUE with"
                         " one of %s", (int) word.len, word.data,
                         entra_claim_match_names());
}


static int
entra_policy_add_control(entra_policy_t *policy, entra_str_t word,
    entra_err_t *err)
{
    int               rc;
    entra_control_t  *control;

    if (policy->ncontrols == ENTRA_POLICY_CONTROLS_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "more than %u controls",
                             ENTRA_POLICY_CONTROLS_MAX);
    }

    control = &policy->controls[policy->ncontrols];
    memset(control, 0, sizeof(entra_control_t));

    if (entra_str_eq_c(word, "certificate")) {
        control->kind = ENTRA_CONTROL_CERTIFICATE;

    } else if (entra_str_eq_c(word, "token")) {
        control->kind = ENTRA_CONTROL_TOKEN;

    } else if (entra_policy_tls(control, word) != 0) {

        control->kind = ENTRA_CONTROL_CLAIM;
        rc = entra_claim_match_parse(&control->claim, word, err);

        if (rc == 1) {
            return entra_policy_no_control(word, err);
        }

        if (rc != 0) {
            return -1;
        }
    }

    policy->ncontrols++;

    control->text = entra_str_dup(word);
    if (control->text == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


/* grant [all | any CONTROL ...] */

static int
entra_policy_grant(entra_policy_t *policy, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    unsigned  i = 1;

    policy->grant = 1;

    if (nwords > 1 && (entra_str_eq_c(words[1], "all")
                       || entra_str_eq_c(words[1], "any")))
    {
        policy->require_any = entra_str_eq_c(words[1], "any") != 0;

        if (nwords == 2) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"grant %.*s\" needs controls; without any"
                                 " it is \"grant;\"", (int) words[1].len,
                                 words[1].data);
        }

        i = 2;
    }

    for ( /* void */ ; i < nwords; i++) {
        if (entra_policy_add_control(policy, words[i], err) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
entra_policy_outcome(entra_policy_t *policy, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    if (entra_str_eq_c(words[0], "grant")) {
        return entra_policy_grant(policy, words, nwords, err);
    }

    if (nwords != 1) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"block\" stands alone");
    }

    policy->block = 1;

    return 0;
}


int
entra_policy_is_param(entra_str_t name)
{
    unsigned  i;

    for (i = 0; entra_policy_names[i]; i++) {
        if (entra_str_eq_c(name, entra_policy_names[i])) {
            return 1;
        }
    }

    return 0;
}


int
entra_policy_line(entra_policy_t *policy, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    char          meant[ENTRA_SUGGEST_TEXT];
    unsigned      bit, dim;
    entra_str_t   name = words[0];

    for (dim = 0; dim < ENTRA_DIMS; dim++) {
        if (entra_str_eq_c(name, entra_dim_name((entra_dim_e) dim))) {
            break;
        }
    }

    bit = dim < ENTRA_DIMS ? 1u << dim
          : entra_str_eq_c(name, "state") ? ENTRA_POLICY_STATE
          : entra_str_eq_c(name, "block") || entra_str_eq_c(name, "grant")
            ? ENTRA_POLICY_OUTCOME : 0;

    if (bit == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "unknown parameter \"%.*s\" of entra_policy"
                             " \"%s\"%s", (int) name.len, name.data,
                             policy->name,
                             entra_suggest(meant, name, entra_policy_names)
                                 ? meant
                                 : "; it has state, locations, peers, callers,"
                                   " operations, deployments, time, and block"
                                   " or grant");
    }

    if ((policy->given & bit) && dim != ENTRA_DIM_TIME) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             bit == ENTRA_POLICY_OUTCOME
                                 ? "a policy has one outcome, block or grant:"
                                   " \"%.*s\" is a second one"
                                 : "duplicate \"%.*s\": write all on one line",
                             (int) name.len, name.data);
    }

    policy->given |= bit;
    policy->lines[dim < ENTRA_DIMS ? dim
                  : bit == ENTRA_POLICY_STATE ? ENTRA_POLICY_LINE_STATE
                  : ENTRA_POLICY_LINE_OUTCOME] = policy->line;

    if (dim == ENTRA_DIM_TIME) {
        return entra_policy_time(policy, words, nwords, err);
    }

    if (dim < ENTRA_DIM_TIME) {
        policy->stated |= bit;
        return entra_assignment_parse(&policy->assignments[dim],
                                      (entra_dim_e) dim, words, nwords, err);
    }

    if (bit == ENTRA_POLICY_STATE) {
        return entra_policy_state(policy, words, nwords, err);
    }

    return entra_policy_outcome(policy, words, nwords, err);
}


/* "callers apps grant;": the words of the next line are names of this one */

static int
entra_policy_semicolon(entra_policy_t *policy, entra_err_t *err)
{
    unsigned             i, dim;
    const char          *name;
    const entra_refs_t  *refs;

    for (dim = 0; dim < ENTRA_DIM_TIME; dim++) {
        refs = &policy->assignments[dim].except;

        if (refs->nnames == 0) {
            refs = &policy->assignments[dim].include;
        }

        for (i = 0; i < refs->nnames; i++) {
            name = refs->names[i];

            if (entra_policy_is_param(entra_str_c(name))) {
                policy->fault = policy->lines[dim];

                return entra_err_set(err, ENTRA_ERR_CONFIG,
                                     "\"%s\" in \"%s\" is another parameter,"
                                     " is a ';' missing before it?", name,
                                     entra_dim_name((entra_dim_e) dim));
            }
        }
    }

    return 0;
}


int
entra_policy_done(entra_policy_t *policy, entra_err_t *err)
{
    if (!(policy->given & ENTRA_POLICY_OUTCOME)) {

        if (entra_policy_semicolon(policy, err) != 0) {
            return -1;
        }

        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a policy says what follows: write \"block;\" or"
                             " \"grant;\"");
    }

    return 0;
}


int
entra_policies_see_operations(const entra_policy_t *const *policies,
    unsigned n)
{
    unsigned  i, dim;

    for (i = 0; i < n; i++) {

        if (policies[i]->state == ENTRA_POLICY_DISABLED) {
            continue;
        }

        for (dim = ENTRA_DIM_OPERATIONS; dim <= ENTRA_DIM_DEPLOYMENTS; dim++) {
            if ((policies[i]->stated & 1u << dim)
                && !entra_assignment_void(&policies[i]->assignments[dim]))
            {
                return 1;
            }
        }
    }

    return 0;
}
