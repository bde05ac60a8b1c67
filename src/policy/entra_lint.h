
/*
 * Copyright (C) nginx-entra authors
 *
 * Policies that do not do what they seem to do: found when the
 * configuration is read.
 */

#ifndef ENTRA_LINT_H
#define ENTRA_LINT_H


#include "entra_rules.h"


/* where: of the line; NULL: what the set of policies belongs to, or unknown */

typedef void (*entra_lint_pt)(void *data, const char *where,
    const char *text);


/*
 * Each policy by itself: include without except leaves nothing, report_only
 * past its date, acrs and amr that no token has, certificates and TLS that
 * no client can show where it decides.  Only policies for which used() is
 * true (NULL: all), none that are disabled.  Then what nobody uses: policies,
 * operations and, unless the log says which ones a request meets, callers
 * and locations.
 */
void entra_lint_rules(const entra_rules_t *rules, int64_t now,
    int (*used)(void *data, const entra_policy_t *policy),
    entra_lint_pt lint, void *data);
void entra_lint_unused(const entra_rules_t *rules, unsigned logged_callers,
    unsigned logged_locations, entra_lint_pt lint, void *data);

/*
 * The policies that decide together about a credential, those of them that
 * are enabled: no grant; a grant that a block of the same or a wider
 * assignment makes useless; a block for some callers that others, or the
 * same ones without their credentials, escape as there is a grant for them;
 * a grant for everybody, and no block; a trusted proxy (NULL: none) among
 * the addresses that a grant allows or a block excepts.  what: "credential
 * \"scoring\"", for the text.
 */
void entra_lint_policies(const entra_policy_t *const *policies, unsigned n,
    const char *what, const entra_cidr_set_t *trusted_proxies,
    entra_lint_pt lint, void *data);

/*
 * A list of addresses in the policy has ranges of IPv4 but none of IPv6, which
 * matters when there are IPv6 listeners.  The name of its first location ("":
 * ranges written in the policy), or NULL.
 */
const char *entra_lint_ipv4_only(const entra_policy_t *policy);

/* it looks at the client's address, and is not disabled */
int entra_lint_sees_locations(const entra_policy_t *policy);

/*
 * Without entra_caller_token nobody shows a token: a caller and a control
 * that ask for one are mistakes.  0, or -1 and err.
 */
int entra_lint_tokens(const entra_rules_t *rules, entra_err_t *err);


#endif /* ENTRA_LINT_H */
