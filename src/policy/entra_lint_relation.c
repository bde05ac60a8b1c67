
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_lint_relation.h"


#define ENTRA_LINT_MONDAY  (4 * 86400)          /* 1970-01-05 */


int
entra_lint_set(entra_cidr_set_t *set, const entra_refs_t *refs)
{
    unsigned     i;
    entra_err_t  err;

    entra_cidr_set_init(set);

    if (refs->has_ranges
        && entra_cidr_set_add_set(set, &refs->ranges, &err) != 0)
    {
        return -1;
    }

    for (i = 0; i < refs->nnames; i++) {
        if (entra_cidr_set_add_set(set, &refs->found.locations[i]->set, &err)
            != 0)
        {
            return -1;
        }
    }

    return entra_cidr_set_seal(set);
}


int
entra_lint_effective(entra_cidr_set_t *set, const entra_assignment_t *a)
{
    int               rc;
    entra_cidr_set_t  include, except;

    entra_cidr_set_init(set);
    entra_cidr_set_init(&except);

    rc = entra_lint_set(&include, &a->include) != 0
         || entra_lint_set(&except, &a->except) != 0
         || entra_cidr_set_minus(set, &include, &except) != 0 ? -1 : 0;

    entra_cidr_set_free(&include);
    entra_cidr_set_free(&except);

    return rc;
}


static int
entra_lint_has_name(const entra_refs_t *refs, const char *name)
{
    unsigned  i;

    for (i = 0; i < refs->nnames; i++) {
        if (strcmp(refs->names[i], name) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
entra_lint_has_operation(const entra_refs_t *refs,
    const entra_operation_pattern_t *pattern)
{
    unsigned  i;

    for (i = 0; i < refs->operations.n; i++) {
        if (refs->operations.patterns[i].kind == pattern->kind
            && strcmp(refs->operations.patterns[i].text, pattern->text) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* everything that a names, b names too */

static int
entra_lint_subset(const entra_refs_t *a, const entra_refs_t *b)
{
    unsigned  i;

    if (b->any) {
        return 1;
    }

    if (a->any || (a->none && !b->none)) {
        return 0;
    }

    for (i = 0; i < a->nnames; i++) {
        if (!entra_lint_has_name(b, a->names[i])) {
            return 0;
        }
    }

    for (i = 0; i < a->operations.n; i++) {
        if (!entra_lint_has_operation(b, &a->operations.patterns[i])) {
            return 0;
        }
    }

    return 1;
}


int
entra_lint_nothing(const entra_assignment_t *a, entra_dim_e dim)
{
    int               rc;
    entra_cidr_set_t  set;

    if (a->include.any || entra_refs_empty(&a->except)) {
        return 0;
    }

    if (dim != ENTRA_DIM_LOCATIONS && dim != ENTRA_DIM_PEERS) {
        return entra_lint_subset(&a->include, &a->except);
    }

    rc = entra_lint_effective(&set, a) == 0 && entra_cidr_set_empty(&set);
    entra_cidr_set_free(&set);

    return rc;
}


/* does every address of b's assignment lie in a's? */

static int
entra_lint_covers_addresses(const entra_assignment_t *a,
    const entra_assignment_t *b)
{
    int               rc;
    entra_cidr_set_t  x, y;

    entra_cidr_set_init(&x);
    entra_cidr_set_init(&y);
    rc = 0;

    if (a->include.any && b->include.any) {

        /* what a leaves out, b has to leave out */

        rc = entra_lint_set(&x, &a->except) == 0
             && entra_lint_set(&y, &b->except) == 0
             && entra_cidr_set_within(&x, &y);

    } else if (a->include.any) {
        rc = entra_lint_set(&x, &a->except) == 0
             && entra_lint_effective(&y, b) == 0
             && !entra_cidr_set_meets(&x, &y);

    } else if (!b->include.any) {
        rc = entra_lint_effective(&x, a) == 0
             && entra_lint_effective(&y, b) == 0
             && entra_cidr_set_within(&y, &x);
    }

    entra_cidr_set_free(&x);
    entra_cidr_set_free(&y);

    return rc;
}


static int
entra_lint_covers_time(const entra_policy_t *a, const entra_policy_t *b)
{
    int64_t        now, i;
    entra_truth_t  x, y;

    entra_signals_t  signals;

    memset(&signals, 0, sizeof(entra_signals_t));

    for (i = 0; i < ENTRA_WEEK_MINUTES; i++) {
        now = ENTRA_LINT_MONDAY + i * 60;
        signals.now = now;

        x = entra_policy_dim(a, ENTRA_DIM_TIME, &signals, 0);
        y = entra_policy_dim(b, ENTRA_DIM_TIME, &signals, 0);

        if (x.lo != ENTRA_TRUE && y.lo == ENTRA_TRUE) {
            return 0;
        }
    }

    return 1;
}


int
entra_lint_covers(const entra_policy_t *a, const entra_policy_t *b)
{
    unsigned                   dim;
    entra_assignment_t         all;
    const entra_assignment_t  *x, *y;

    memset(&all, 0, sizeof(entra_assignment_t));
    all.include.any = 1;

    for (dim = 0; dim < ENTRA_DIM_TIME; dim++) {

        if (!(a->stated & 1u << dim)
            || entra_assignment_void(&a->assignments[dim]))
        {
            continue;
        }

        x = &a->assignments[dim];
        y = b->stated & 1u << dim ? &b->assignments[dim] : &all;

        if (dim == ENTRA_DIM_LOCATIONS || dim == ENTRA_DIM_PEERS) {

            if (!entra_lint_covers_addresses(x, y)) {
                return 0;
            }

        } else if (!entra_lint_subset(&y->include, &x->include)
                   || !entra_lint_subset(&x->except, &y->except))
        {
            return 0;
        }
    }

    return !(a->stated & 1u << ENTRA_DIM_TIME) || entra_lint_covers_time(a, b);
}
