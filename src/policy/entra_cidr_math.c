
/*
 * Copyright (C) nginx-entra authors
 *
 * Relations of sets: for the checks of a configuration.
 */

#include "entra_cidr_key.h"


int
entra_cidr_set_empty(const entra_cidr_set_t *set)
{
    return set->nv4 == 0 && set->nv6 == 0 && !set->unix_socket;
}


int
entra_cidr_set_within(const entra_cidr_set_t *a, const entra_cidr_set_t *b)
{
    int               rc;
    entra_cidr_set_t  rest;

    entra_cidr_set_init(&rest);

    rc = entra_cidr_set_minus(&rest, a, b) == 0 && entra_cidr_set_empty(&rest);

    entra_cidr_set_free(&rest);

    return rc;
}


int
entra_cidr_set_meets(const entra_cidr_set_t *a, const entra_cidr_set_t *b)
{
    size_t              i, k;
    entra_cidr_range_t  x, y;

    if (a->unix_socket && b->unix_socket) {
        return 1;
    }

    i = k = 0;

    while (entra_cidr_set_range(a, i, &x) && entra_cidr_set_range(b, k, &y)) {

        /* IPv4 comes first in both, whatever its place among numbers is */

        if (entra_cidr_is_v4(x.first) != entra_cidr_is_v4(y.first)) {
            if (entra_cidr_is_v4(x.first)) {
                i++;

            } else {
                k++;
            }

        } else if (entra_cidr_cmp(x.last, y.first) < 0) {
            i++;

        } else if (entra_cidr_cmp(y.last, x.first) < 0) {
            k++;

        } else {
            return 1;
        }
    }

    return 0;
}


/* the parts of a range that are in no range of b from *k on */

static int
entra_cidr_cut(entra_cidr_set_t *out, entra_cidr_range_t range,
    const entra_cidr_set_t *b, size_t *k)
{
    entra_err_t         err;
    entra_cidr_range_t  hole, left;

    for ( /* void */ ; entra_cidr_set_range(b, *k, &hole); (*k)++) {

        if (entra_cidr_is_v4(hole.first) != entra_cidr_is_v4(range.first)) {
            if (entra_cidr_is_v4(hole.first)) {
                continue;
            }

            break;
        }

        if (entra_cidr_cmp(hole.last, range.first) < 0) {
            continue;
        }

        if (entra_cidr_cmp(hole.first, range.last) > 0) {
            break;
        }

        if (entra_cidr_cmp(hole.first, range.first) > 0) {
            left.first = range.first;
            left.last = entra_cidr_previous(hole.first);

            if (entra_cidr_push(out, left, &err) != 0) {
                return -1;
            }
        }

        if (entra_cidr_cmp(hole.last, range.last) >= 0) {
            return 0;
        }

        range.first = entra_cidr_next(hole.last);
    }

    return entra_cidr_push(out, range, &err);
}


int
entra_cidr_set_minus(entra_cidr_set_t *out, const entra_cidr_set_t *a,
    const entra_cidr_set_t *b)
{
    size_t              i, k;
    entra_cidr_range_t  range;

    k = 0;

    for (i = 0; entra_cidr_set_range(a, i, &range); i++) {
        if (entra_cidr_cut(out, range, b, &k) != 0) {
            return -1;
        }
    }

    out->unix_socket = a->unix_socket && !b->unix_socket;

    return entra_cidr_set_seal(out);
}
