
/*
 * Copyright (C) nginx-entra authors
 *
 * How policies relate to each other, as far as their text can tell: for
 * entra_lint.c.
 */

#ifndef ENTRA_LINT_RELATION_H
#define ENTRA_LINT_RELATION_H


#include "entra_policy.h"


/*
 * All addresses of a list, "any" left aside; what an assignment includes
 * without what it excepts.  The set is initialized in any case.  0, or -1
 * without memory.
 */
int entra_lint_set(entra_cidr_set_t *set, const entra_refs_t *refs);
int entra_lint_effective(entra_cidr_set_t *set, const entra_assignment_t *a);

/* except takes away all that is included */
int entra_lint_nothing(const entra_assignment_t *a, entra_dim_e dim);

/* a applies whenever b does; 0 also when that cannot be told */
int entra_lint_covers(const entra_policy_t *a, const entra_policy_t *b);


#endif /* ENTRA_LINT_RELATION_H */
