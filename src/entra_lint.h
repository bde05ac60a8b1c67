
/*
 * Copyright (C) nginx-entra authors
 *
 * Policies that do not do what they seem to do: found when the
 * configuration is read.
 */

#ifndef ENTRA_LINT_H
#define ENTRA_LINT_H


#include "entra_rules.h"


typedef void (*entra_lint_pt)(void *data, entra_log_level_e level,
    const char *text);


/*
 * Each policy by itself: include without except leaves nothing, report_only
 * past its date, a block that a caller escapes by presenting nothing, a grant
 * without any condition.  Only policies for which used() is true (NULL: all).
 */
void entra_lint_rules(const entra_rules_t *rules, int64_t now,
    int (*used)(void *data, const entra_policy_t *policy),
    entra_lint_pt lint, void *data);

/*
 * All policies that decide together about a credential: no grant among them,
 * grants that a block of the same or a wider assignment makes useless, a
 * trusted proxy inside of an address range that a grant allows or that a
 * block excepts.  what: "credential \"scoring\"", for the text.
 */
void entra_lint_policies(const entra_policy_t *const *policies, unsigned n,
    const char *what, const entra_cidr_set_t *trusted_proxies,
    entra_lint_pt lint, void *data);

/*
 * Some list of addresses that the policies use has no range of IPv6: for
 * listeners that have an IPv6 address.  The name of the first one ("" for
 * ranges in a policy), or NULL.
 */
const char *entra_lint_ipv4_only(const entra_policy_t *const *policies,
    unsigned n);


#endif /* ENTRA_LINT_H */
