
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_cidr_key.h"


void
entra_cidr_set_init(entra_cidr_set_t *set)
{
    memset(set, 0, sizeof(entra_cidr_set_t));
}


void
entra_cidr_set_free(entra_cidr_set_t *set)
{
    free(set->v4_first);
    free(set->v4_last);
    free(set->v6_first);
    free(set->v6_last);
    free(set->ranges);

    entra_cidr_set_init(set);
}


int
entra_cidr_push(entra_cidr_set_t *set, entra_cidr_range_t range,
    entra_err_t *err)
{
    size_t               capacity;
    entra_cidr_range_t  *ranges;

    if (set->nranges == ENTRA_CIDR_RANGES_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %u ranges", ENTRA_CIDR_RANGES_MAX);
    }

    if (set->nranges == set->capacity) {
        capacity = set->capacity ? 2 * set->capacity : 8;

        ranges = realloc(set->ranges, capacity * sizeof(entra_cidr_range_t));
        if (ranges == NULL) {
            return entra_err_no_memory(err);
        }

        set->ranges = ranges;
        set->capacity = capacity;
    }

    set->ranges[set->nranges++] = range;

    return 0;
}


int
entra_cidr_set_add_set(entra_cidr_set_t *set, const entra_cidr_set_t *other,
    entra_err_t *err)
{
    size_t               i, need;
    entra_cidr_range_t   range, *ranges;

    need = set->nranges + other->nv4 + other->nv6;

    if (need > set->capacity) {
        ranges = realloc(set->ranges, need * sizeof(entra_cidr_range_t));
        if (ranges == NULL) {
            return entra_err_no_memory(err);
        }

        set->ranges = ranges;
        set->capacity = need;
    }

    for (i = 0; entra_cidr_set_range(other, i, &range); i++) {
        if (entra_cidr_push(set, range, err) != 0) {
            return -1;
        }
    }

    set->entries += other->entries;
    set->unix_socket |= other->unix_socket;

    return 0;
}


/* runs of width, each in order, become runs of twice that in out */

static void
entra_cidr_merge_runs(const entra_cidr_range_t *in, entra_cidr_range_t *out,
    size_t n, size_t width)
{
    size_t  start, left, right, middle, end, i;

    for (start = 0; start < n; start = end) {
        middle = start + width < n ? start + width : n;
        end = middle + width < n ? middle + width : n;

        left = start;
        right = middle;

        for (i = start; i < end; i++) {
            out[i] = left < middle
                     && (right == end
                         || entra_cidr_cmp(in[left].first, in[right].first)
                            <= 0)
                     ? in[left++] : in[right++];
        }
    }
}


/* merge sort: qsort() would call a function for each comparison */

static int
entra_cidr_sort(entra_cidr_set_t *set)
{
    size_t               width;
    entra_cidr_range_t  *from, *to, *other;

    to = malloc(set->nranges * sizeof(entra_cidr_range_t));
    if (to == NULL) {
        return -1;
    }

    from = set->ranges;

    for (width = 1; width < set->nranges; width *= 2) {
        entra_cidr_merge_runs(from, to, set->nranges, width);

        other = from;
        from = to;
        to = other;
    }

    free(to);

    /* there may have been room for more, which is not needed any longer */

    set->ranges = from;
    set->capacity = set->nranges;

    return 0;
}


int
entra_cidr_set_sort(entra_cidr_set_t *set)
{
    size_t  i;

    for (i = 1; i < set->nranges; i++) {
        if (entra_cidr_cmp(set->ranges[i - 1].first, set->ranges[i].first) > 0)
        {
            return entra_cidr_sort(set);
        }
    }

    return 0;
}


/* sorted, without overlaps; neighbours become one range */

static int
entra_cidr_merge(entra_cidr_set_t *set)
{
    size_t              i, n;
    entra_cidr_range_t  *r;

    if (entra_cidr_set_sort(set) != 0) {
        return -1;
    }

    r = set->ranges;

    n = 0;

    for (i = 0; i < set->nranges; i++) {

        /*
         * The address after the last one of IPv6 is 0, which begins no range
         * that is sorted behind it; IPv4 and what is next to it stay apart.
         */

        if (n > 0
            && (entra_cidr_cmp(r[i].first, r[n - 1].last) <= 0
                || entra_cidr_cmp(r[i].first, entra_cidr_next(r[n - 1].last))
                   == 0)
            && entra_cidr_is_v4(r[i].first) == entra_cidr_is_v4(r[n - 1].last))
        {
            if (entra_cidr_cmp(r[i].last, r[n - 1].last) > 0) {
                r[n - 1].last = r[i].last;
            }

            continue;
        }

        r[n++] = r[i];
    }

    set->nranges = n;

    return 0;
}


/* an array of n, or NULL; never of nothing, which malloc() may not give */

static void *
entra_cidr_array(size_t n, size_t size)
{
    return malloc((n ? n : 1) * size);
}


int
entra_cidr_set_seal(entra_cidr_set_t *set)
{
    size_t               i, n4, n6;
    entra_cidr_range_t  *r;

    if (entra_cidr_merge(set) != 0) {
        entra_cidr_set_free(set);
        return -1;
    }

    r = set->ranges;
    n4 = 0;

    for (i = 0; i < set->nranges; i++) {
        n4 += (size_t) entra_cidr_is_v4(r[i].first);
    }

    n6 = set->nranges - n4;

    set->v4_first = entra_cidr_array(n4, sizeof(uint32_t));
    set->v4_last = entra_cidr_array(n4, sizeof(uint32_t));
    set->v6_first = entra_cidr_array(n6, sizeof(entra_cidr_key_t));
    set->v6_last = entra_cidr_array(n6, sizeof(entra_cidr_key_t));

    if (set->v4_first == NULL || set->v4_last == NULL
        || set->v6_first == NULL || set->v6_last == NULL)
    {
        entra_cidr_set_free(set);
        return -1;
    }

    for (i = 0; i < set->nranges; i++) {
        if (entra_cidr_is_v4(r[i].first)) {
            set->v4_first[set->nv4] = (uint32_t) r[i].first.lo;
            set->v4_last[set->nv4++] = (uint32_t) r[i].last.lo;

        } else {
            set->v6_first[set->nv6] = r[i].first;
            set->v6_last[set->nv6++] = r[i].last;
        }
    }

    free(set->ranges);
    set->ranges = NULL;
    set->nranges = 0;
    set->capacity = 0;

    return 0;
}


/*
 * In both searches: how many ranges begin at or before the address; the last
 * one of them is the only one that can hold it.  Without branches that
 * depend on the data, as random addresses are not predictable.
 */

static int
entra_cidr_has_v4(const entra_cidr_set_t *set, uint32_t key)
{
    size_t           n, half;
    const uint32_t  *base;

    base = set->v4_first;
    n = set->nv4;

    if (n == 0 || *base > key) {
        return 0;
    }

    while (n > 1) {
        half = n / 2;
        base += base[half] <= key ? half : 0;
        n -= half;
    }

    return key <= set->v4_last[base - set->v4_first];
}


static int
entra_cidr_has_v6(const entra_cidr_set_t *set, entra_cidr_key_t key)
{
    size_t                   n, half;
    const entra_cidr_key_t  *base, *p;

    base = set->v6_first;
    n = set->nv6;

    if (n == 0 || entra_cidr_cmp(*base, key) > 0) {
        return 0;
    }

    while (n > 1) {
        half = n / 2;
        p = base + half;
        base += ((p->hi < key.hi) | ((p->hi == key.hi) & (p->lo <= key.lo)))
                ? half : 0;
        n -= half;
    }

    return entra_cidr_cmp(key, set->v6_last[base - set->v6_first]) <= 0;
}


int
entra_cidr_set_has(const entra_cidr_set_t *set, const entra_addr_t *addr)
{
    switch (addr->family) {

    case ENTRA_ADDR_V4:
        return entra_cidr_has_v4(set, entra_cidr_be32(addr->bytes));

    case ENTRA_ADDR_V6:
        return entra_cidr_has_v6(set, entra_cidr_key(addr));

    case ENTRA_ADDR_UNIX:
        return set->unix_socket;

    default:
        return 0;
    }
}


int
entra_cidr_set_range(const entra_cidr_set_t *set, size_t i,
    entra_cidr_range_t *range)
{
    if (i < set->nv4) {
        range->first.hi = 0;
        range->first.lo = ENTRA_CIDR_MAPPED | set->v4_first[i];
        range->last.hi = 0;
        range->last.lo = ENTRA_CIDR_MAPPED | set->v4_last[i];
        return 1;
    }

    i -= set->nv4;

    if (i < set->nv6) {
        range->first = set->v6_first[i];
        range->last = set->v6_last[i];
        return 1;
    }

    return 0;
}
