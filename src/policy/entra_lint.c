
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_lint.h"
#include "entra_lint_relation.h"
#include "entra_suggest.h"
#include "entra_time.h"


#define ENTRA_LINT_TEXT_MAX  1024


/* Entra's authentication contexts: c1 to c99 */

static int
entra_lint_context(const char *value)
{
    return value[0] == 'c' && value[1] >= '1' && value[1] <= '9'
           && (value[2] == '\0'
               || (value[2] >= '0' && value[2] <= '9' && value[3] == '\0'));
}


/* what Entra writes into amr, as far as it is documented or seen */

static const char *const  entra_lint_methods[] = {
    "pwd", "mfa", "rsa", "otp", "fed", "wia", "wiaormfa", "ngcmfa", "fido",
    "hwk", "swk", "sms", "tel", "pop", "face", "fpt", "sc", "user", "mca",
    "kba", "pin", "geo", "iris", "vbm", "retina", "rba", NULL
};


static int
entra_lint_method(const char *value)
{
    unsigned  i;

    for (i = 0; entra_lint_methods[i]; i++) {
        if (strcmp(value, entra_lint_methods[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


/* values of claims that no token has; what: the block that asks for it */

static void
entra_lint_claim(const entra_claim_match_t *claim, const char *directive,
    const char *name, const char *where, entra_lint_pt lint, void *data)
{
    char         meant[ENTRA_SUGGEST_TEXT];
    entra_buf_t  text;

    entra_buf_init(&text, ENTRA_LINT_TEXT_MAX);

    if (claim->claim == ENTRA_CLAIM_ACRS && !entra_lint_context(claim->value))
    {
        entra_buf_addf(&text, "%s \"%s\" asks for \"acrs=%.64s\", which is"
                       " none of Entra's authentication contexts, c1 to c99;"
                       " write the ID of one, not its name", directive, name,
                       claim->value);

    } else if (claim->claim == ENTRA_CLAIM_AMR
               && !entra_lint_method(claim->value))
    {
        entra_buf_addf(&text, "%s \"%s\" asks for \"amr=%.64s\", which is none"
                       " of the methods that Entra's tokens name%s", directive,
                       name, claim->value,
                       entra_suggest(meant, entra_str_c(claim->value),
                                     entra_lint_methods)
                           ? meant : "; write amr=mfa, or another of them");
    }

    if (text.len) {
        lint(data, where, entra_buf_str(&text).data);
    }

    entra_buf_free(&text);
}


static void
entra_lint_claims(const entra_policy_t *policy, entra_lint_pt lint,
    void *data)
{
    unsigned                i;
    const entra_control_t  *control;

    for (i = 0; i < policy->ncontrols; i++) {
        control = &policy->controls[i];

        if (control->kind == ENTRA_CONTROL_CLAIM) {
            entra_lint_claim(&control->claim, "entra_policy", policy->name,
                             policy->lines[ENTRA_POLICY_LINE_OUTCOME], lint,
                             data);
        }
    }
}


static void
entra_lint_callers(const entra_rules_t *rules, entra_lint_pt lint, void *data)
{
    unsigned                    i, j, k;
    const entra_caller_t       *caller;
    const entra_caller_line_t  *line;

    for (i = 0; (caller = entra_rules_caller_nth(rules, i)) != NULL; i++) {
        for (j = 0; j < caller->nlines; j++) {
            line = &caller->lines[j];

            for (k = 0; k < line->nclaims; k++) {
                entra_lint_claim(&line->claims[k], "entra_caller",
                                 caller->name, line->where, lint, data);
            }
        }
    }
}


/* without a certificate of the client nobody is this caller */

static const char *
entra_lint_certified(const entra_refs_t *refs)
{
    unsigned               i, j;
    const entra_caller_t  *caller;

    for (i = 0; i < refs->nnames; i++) {
        caller = refs->found.callers[i];

        for (j = 0; j < caller->nlines && caller->lines[j].certificate; j++) {
            /* void */
        }

        if (j == caller->nlines) {
            return caller->name;
        }
    }

    return NULL;
}


static int
entra_lint_demands(const entra_policy_t *policy, entra_control_e kind)
{
    unsigned  i, n;

    for (i = n = 0; i < policy->ncontrols; i++) {
        n += policy->controls[i].kind == kind;
    }

    return policy->require_any ? n && n == policy->ncontrols : n != 0;
}


/* what a client can show depends on the servers */

static void
entra_lint_unmet(const entra_policy_t *policy, entra_buf_t *text,
    entra_lint_pt lint, void *data)
{
    const char                *name, *where;
    const entra_assignment_t  *callers;

    if (!policy->located) {
        return;
    }

    entra_buf_reset(text);

    where = policy->lines[ENTRA_POLICY_LINE_OUTCOME];
    callers = &policy->assignments[ENTRA_DIM_CALLERS];

    if (!policy->serves_tls && entra_lint_demands(policy, ENTRA_CONTROL_TLS)) {
        entra_buf_addf(text, "entra_policy \"%s\" asks for TLS, but no server"
                       " in which it decides listens with it, so it grants"
                       " nothing; write \"listen PORT ssl;\"", policy->name);

    } else if (!policy->asks_certificates
               && entra_lint_demands(policy, ENTRA_CONTROL_CERTIFICATE))
    {
        entra_buf_addf(text, "entra_policy \"%s\" asks for a certificate, but"
                       " no server in which it decides asks clients for one,"
                       " so it grants nothing; write \"ssl_verify_client on;\""
                       " or \"optional\" there", policy->name);

    } else if (!policy->asks_certificates
               && (policy->stated & 1u << ENTRA_DIM_CALLERS))
    {
        where = policy->lines[ENTRA_DIM_CALLERS];
        name = entra_lint_certified(&callers->include);

        if (name == NULL) {
            name = entra_lint_certified(&callers->except);
        }

        if (name) {
            entra_buf_addf(text, "entra_policy \"%s\" names caller \"%s\", who"
                           " is known by a certificate, but no server in which"
                           " it decides asks clients for one; write"
                           " \"ssl_verify_client on;\" or \"optional\" there",
                           policy->name, name);
        }
    }

    if (text->len) {
        lint(data, where, entra_buf_str(text).data);
    }
}


static void
entra_lint_policy(const entra_policy_t *policy, int64_t now,
    entra_lint_pt lint, void *data)
{
    unsigned     dim;
    entra_buf_t  text;

    entra_buf_init(&text, ENTRA_LINT_TEXT_MAX);

    for (dim = 0; dim < ENTRA_DIM_TIME; dim++) {

        if ((policy->stated & 1u << dim)
            && entra_lint_nothing(&policy->assignments[dim],
                                  (entra_dim_e) dim))
        {
            entra_buf_reset(&text);
            entra_buf_addf(&text, "entra_policy \"%s\" can never apply:"
                           " \"except\" takes away all that \"%s\" includes;"
                           " take something out of \"except\", or write"
                           " \"%s any except ...;\"", policy->name,
                           entra_dim_name((entra_dim_e) dim),
                           entra_dim_name((entra_dim_e) dim));
            lint(data, policy->lines[dim], entra_buf_str(&text).data);
        }
    }

    if (policy->state == ENTRA_POLICY_REPORT_ONLY && policy->until
        && policy->until <= now)
    {
        entra_buf_reset(&text);
        entra_buf_addf(&text, "entra_policy \"%s\" was to be report_only until"
                       " ", policy->name);
        entra_time_format(policy->until, &text);
        entra_buf_add_c(&text, ", which is past: it still decides nothing;"
                        " write \"state enabled;\", or a new date");
        lint(data, policy->lines[ENTRA_POLICY_LINE_STATE],
             entra_buf_str(&text).data);
    }

    entra_lint_claims(policy, lint, data);
    entra_lint_unmet(policy, &text, lint, data);

    entra_buf_free(&text);
}


void
entra_lint_rules(const entra_rules_t *rules, int64_t now,
    int (*used)(void *data, const entra_policy_t *policy),
    entra_lint_pt lint, void *data)
{
    unsigned               i;
    const entra_policy_t  *policy;

    for (i = 0; (policy = entra_rules_policy_nth(rules, i)) != NULL; i++) {

        if (policy->state == ENTRA_POLICY_DISABLED
            || (used && !used(data, policy)))
        {
            continue;
        }

        entra_lint_policy(policy, now, lint, data);
    }

    entra_lint_callers(rules, lint, data);
}


typedef struct {
    const char     *instead;
    entra_lint_pt   lint;
    void           *data;
} entra_lint_unused_t;


static void
entra_lint_unused_one(void *data, const char *directive, const char *name,
    const char *where)
{
    entra_buf_t           text;
    entra_lint_unused_t  *u = data;

    entra_buf_init(&text, ENTRA_LINT_TEXT_MAX);
    entra_buf_addf(&text, "%s \"%s\" is not used: %s, or remove it", directive,
                   name, u->instead);

    u->lint(u->data, where, entra_buf_str(&text).data);
    entra_buf_free(&text);
}


void
entra_lint_unused(const entra_rules_t *rules, unsigned logged_callers,
    unsigned logged_locations, entra_lint_pt lint, void *data)
{
    entra_lint_unused_t  u;

    u.lint = lint;
    u.data = data;

    u.instead = "name it in \"policies\" of a credential or in"
                " \"entra_policies\" of a location";
    entra_rules_unused(rules, ENTRA_RULE_POLICY, entra_lint_unused_one, &u);

    u.instead = "name it in \"operations\" of an entra_policy";
    entra_rules_unused(rules, ENTRA_RULE_OPERATIONS, entra_lint_unused_one,
                       &u);

    if (!logged_callers) {
        u.instead = "name it in \"callers\" of an entra_policy";
        entra_rules_unused(rules, ENTRA_RULE_CALLER, entra_lint_unused_one,
                           &u);
    }

    if (!logged_locations) {
        u.instead = "name it in \"locations\" or \"peers\" of an"
                    " entra_policy";
        entra_rules_unused(rules, ENTRA_RULE_LOCATION, entra_lint_unused_one,
                           &u);
    }
}


/* could somebody who presents nothing meet it? */

static int
entra_lint_anonymous(const entra_policy_t *grant)
{
    unsigned  i, tls;

    if ((grant->stated & 1u << ENTRA_DIM_CALLERS)
        && !grant->assignments[ENTRA_DIM_CALLERS].include.any)
    {
        return 0;
    }

    tls = 0;

    for (i = 0; i < grant->ncontrols; i++) {
        tls += grant->controls[i].kind == ENTRA_CONTROL_TLS;
    }

    return grant->require_any ? tls > 0 : tls == grant->ncontrols;
}


static int
entra_lint_unconditional(const entra_policy_t *grant)
{
    unsigned  dim;

    if (grant->ncontrols || (grant->stated & 1u << ENTRA_DIM_TIME)) {
        return 0;
    }

    for (dim = 0; dim < ENTRA_DIM_TIME; dim++) {
        if ((grant->stated & 1u << dim)
            && !entra_assignment_void(&grant->assignments[dim]))
        {
            return 0;
        }
    }

    return 1;
}


/* the addresses that a grant lets in, and those that a block leaves alone */

static int
entra_lint_proxy_inside(const entra_policy_t *policy,
    const entra_cidr_set_t *proxies)
{
    int                        rc;
    entra_cidr_set_t           set;
    const entra_assignment_t  *a = &policy->assignments[ENTRA_DIM_LOCATIONS];

    if (!(policy->stated & 1u << ENTRA_DIM_LOCATIONS)
        || (policy->grant && a->include.any))
    {
        return 0;
    }

    rc = policy->grant ? entra_lint_effective(&set, a)
                       : entra_lint_set(&set, &a->except);
    rc = rc == 0 && entra_cidr_set_meets(&set, proxies);

    entra_cidr_set_free(&set);

    return rc;
}


typedef struct {
    const entra_policy_t *const  *policies;
    unsigned                      n;
    const char                   *what;
    entra_lint_pt                 lint;
    void                         *data;
} entra_lint_t;


/* "$" is policy the first time, other the second time */

static void
entra_lint_say(const entra_lint_t *l, const entra_policy_t *policy,
    const entra_policy_t *other, const char *fmt)
{
    char                   text[ENTRA_LINT_TEXT_MAX / 2];
    entra_buf_t            line;
    const entra_policy_t  *next;

    entra_buf_init(&line, ENTRA_LINT_TEXT_MAX);
    entra_err_clean(text, sizeof(text), entra_str_c(l->what));

    entra_buf_addf(&line, "%s: ", text);
    next = policy;

    for ( /* void */ ; *fmt; fmt++) {
        if (*fmt != '$') {
            entra_buf_add_char(&line, *fmt);

        } else {
            entra_buf_addf(&line, "entra_policy \"%s\"", next->name);
            next = other;
        }
    }

    l->lint(l->data, policy ? policy->where : NULL,
            entra_buf_str(&line).data);
    entra_buf_free(&line);
}


static const entra_policy_t *
entra_lint_nth(const entra_lint_t *l, unsigned i)
{
    return l->policies[i]->state == ENTRA_POLICY_ENABLED ? l->policies[i]
                                                         : NULL;
}


/* grants among themselves and against the blocks */

static void
entra_lint_grants(const entra_lint_t *l)
{
    unsigned               i, k, blocks, grants;
    const entra_policy_t  *grant, *block;

    grants = blocks = 0;

    for (i = 0; i < l->n; i++) {
        block = entra_lint_nth(l, i);
        blocks += block && block->block;
    }

    for (i = 0; i < l->n; i++) {
        grant = entra_lint_nth(l, i);

        if (grant == NULL || !grant->grant) {
            continue;
        }

        grants++;

        if (blocks == 0 && entra_lint_unconditional(grant)) {
            entra_lint_say(l, grant, NULL, "$ grants everybody everything, and"
                           " nothing blocks; write who or what it is for"
                           " (\"callers\", \"locations\", \"operations\"), or"
                           " \"policies none;\" if that is meant");
        }

        for (k = 0; k < l->n; k++) {
            block = entra_lint_nth(l, k);

            if (block && block->block && entra_lint_covers(block, grant)) {
                entra_lint_say(l, grant, block, "$ can never grant: $ blocks"
                               " the same or more; write what is granted as"
                               " \"except\" of the block, or remove one of"
                               " them");
                break;
            }
        }
    }

    if (grants == 0) {
        entra_lint_say(l, NULL, NULL, "none of its enabled policies grants"
                       " anything, so every request is denied; add a"
                       " policy with \"grant;\"");
    }
}


static void
entra_lint_escapes(const entra_lint_t *l)
{
    unsigned                   i, k;
    const entra_policy_t      *block, *grant;
    const entra_assignment_t  *callers;

    for (i = 0; i < l->n; i++) {
        block = entra_lint_nth(l, i);

        if (block == NULL || !block->block
            || !(block->stated & 1u << ENTRA_DIM_CALLERS))
        {
            continue;
        }

        callers = &block->assignments[ENTRA_DIM_CALLERS];

        if (callers->include.any) {
            continue;
        }

        for (k = 0; k < l->n; k++) {
            grant = entra_lint_nth(l, k);

            if (grant && grant->grant && entra_lint_anonymous(grant)) {
                entra_lint_say(l, block, grant, "$ blocks callers who can"
                               " escape it by presenting no credential, as $"
                               " asks for none; name the callers that are"
                               " allowed instead, or write \"grant all"
                               " token;\" or \"grant all certificate;\" there");
                break;
            }
        }
    }
}


void
entra_lint_policies(const entra_policy_t *const *policies, unsigned n,
    const char *what, const entra_cidr_set_t *trusted_proxies,
    entra_lint_pt lint, void *data)
{
    unsigned               i;
    entra_lint_t           l;
    const entra_policy_t  *policy;

    l.policies = policies;
    l.n = n;
    l.what = what;
    l.lint = lint;
    l.data = data;

    entra_lint_grants(&l);
    entra_lint_escapes(&l);

    for (i = 0; i < n && trusted_proxies; i++) {
        policy = entra_lint_nth(&l, i);

        if (policy && entra_lint_proxy_inside(policy, trusted_proxies)) {
            entra_lint_say(&l, policy, NULL, policy->grant
                               ? "a trusted proxy is in the locations that $"
                                 " grants, where its own address is never a"
                                 " client's; remove it from them, or write it"
                                 " after \"except\""
                               : "a trusted proxy is in the locations that $"
                                 " excepts; remove its address from them");
        }
    }
}


static const char *
entra_lint_refs_ipv4(const entra_refs_t *refs)
{
    unsigned     i;
    const char  *name;

    name = refs->ranges.nv4 ? "" : NULL;

    if (refs->ranges.nv6) {
        return NULL;
    }

    for (i = 0; i < refs->nnames; i++) {

        if (refs->found.locations[i]->set.nv6) {
            return NULL;
        }

        if (name == NULL
            && entra_named_location_ipv4_only(refs->found.locations[i]))
        {
            name = refs->names[i];
        }
    }

    return name;
}


const char *
entra_lint_ipv4_only(const entra_policy_t *policy)
{
    unsigned                   dim;
    const char                *name;
    const entra_assignment_t  *a;

    if (policy->state == ENTRA_POLICY_DISABLED) {
        return NULL;
    }

    for (dim = ENTRA_DIM_LOCATIONS; dim <= ENTRA_DIM_PEERS; dim++) {
        a = &policy->assignments[dim];

        name = entra_lint_refs_ipv4(&a->include);
        if (name == NULL) {
            name = entra_lint_refs_ipv4(&a->except);
        }

        if (name) {
            return name;
        }
    }

    return NULL;
}


static int
entra_lint_no_tokens(const char *what, const char *name, const char *where,
    entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "%s \"%s\" asks for a token of the caller, which is"
                         " never looked at: write \"entra_caller_token {"
                         " tenant_id ...; audience ...; }\"%s", what, name,
                         where ? where : "");
}


int
entra_lint_tokens(const entra_rules_t *rules, entra_err_t *err)
{
    unsigned               i, k;
    const entra_caller_t  *caller;
    const entra_policy_t  *policy;

    for (i = 0; (caller = entra_rules_caller_nth(rules, i)) != NULL; i++) {
        for (k = 0; k < caller->nlines; k++) {
            if (caller->lines[k].token) {
                return entra_lint_no_tokens("entra_caller", caller->name,
                                            caller->lines[k].where, err);
            }
        }
    }

    for (i = 0; (policy = entra_rules_policy_nth(rules, i)) != NULL; i++) {
        for (k = 0; k < policy->ncontrols; k++) {
            if (policy->controls[k].kind == ENTRA_CONTROL_TOKEN
                || policy->controls[k].kind == ENTRA_CONTROL_CLAIM)
            {
                return entra_lint_no_tokens("entra_policy", policy->name,
                                  policy->lines[ENTRA_POLICY_LINE_OUTCOME],
                                  err);
            }
        }
    }

    return 0;
}


int
entra_lint_sees_locations(const entra_policy_t *policy)
{
    return policy->state != ENTRA_POLICY_DISABLED
           && (policy->stated & 1u << ENTRA_DIM_LOCATIONS)
           && !entra_assignment_void(&policy->assignments[ENTRA_DIM_LOCATIONS]);
}
