
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_lint.h"
#include "entra_lint_relation.h"
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


static void
entra_lint_acrs(const entra_policy_t *policy, const char *caller,
    const entra_claim_match_t *claim, entra_lint_pt lint, void *data)
{
    entra_buf_t  text;

    if (claim->claim != ENTRA_CLAIM_ACRS || entra_lint_context(claim->value)) {
        return;
    }

    entra_buf_init(&text, ENTRA_LINT_TEXT_MAX);

    entra_buf_addf(&text, "%s \"%s\" asks for \"acrs=%.64s\", which is none of"
                   " Entra's authentication contexts, c1 to c99; write the ID"
                   " of one, not its name", caller ? "entra_caller"
                                                   : "entra_policy",
                   caller ? caller : policy->name, claim->value);
    lint(data, policy, entra_buf_str(&text).data);

    entra_buf_free(&text);
}


static void
entra_lint_callers(const entra_policy_t *policy, const entra_refs_t *refs,
    entra_lint_pt lint, void *data)
{
    unsigned                    i, k, n;
    const entra_caller_t       *caller;
    const entra_caller_line_t  *line;

    for (i = 0; i < refs->nnames; i++) {
        caller = refs->found.callers[i];

        for (k = 0; k < caller->nlines; k++) {
            line = &caller->lines[k];

            for (n = 0; n < line->nclaims; n++) {
                entra_lint_acrs(policy, caller->name, &line->claims[n], lint,
                                data);
            }
        }
    }
}


static void
entra_lint_contexts(const entra_policy_t *policy, entra_lint_pt lint,
    void *data)
{
    unsigned                   i;
    const entra_control_t     *control;
    const entra_assignment_t  *callers;

    for (i = 0; i < policy->ncontrols; i++) {
        control = &policy->controls[i];

        if (control->kind == ENTRA_CONTROL_CLAIM) {
            entra_lint_acrs(policy, NULL, &control->claim, lint, data);
        }
    }

    callers = &policy->assignments[ENTRA_DIM_CALLERS];

    entra_lint_callers(policy, &callers->include, lint, data);
    entra_lint_callers(policy, &callers->except, lint, data);
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
            lint(data, policy, entra_buf_str(&text).data);
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
        lint(data, policy, entra_buf_str(&text).data);
    }

    entra_lint_contexts(policy, lint, data);

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

    l->lint(l->data, policy, entra_buf_str(&line).data);
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
                                            NULL, err);
            }
        }
    }

    for (i = 0; (policy = entra_rules_policy_nth(rules, i)) != NULL; i++) {
        for (k = 0; k < policy->ncontrols; k++) {
            if (policy->controls[k].kind == ENTRA_CONTROL_TOKEN
                || policy->controls[k].kind == ENTRA_CONTROL_CLAIM)
            {
                return entra_lint_no_tokens("entra_policy", policy->name,
                                            policy->where, err);
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
