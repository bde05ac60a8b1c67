
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_cidr.h"


#define ENTRA_CIDR_TEXT_MAX     64              /* bytes of one range */

/* IPv4 lies in ::ffff:0:0/96 */

#define ENTRA_CIDR_MAPPED       0xffff00000000ULL
#define ENTRA_CIDR_MAPPED_LAST  0xffffffffffffULL


static int
entra_cidr_cmp(entra_cidr_key_t a, entra_cidr_key_t b)
{
    if (a.hi != b.hi) {
        return a.hi < b.hi ? -1 : 1;
    }

    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}


static entra_cidr_key_t
entra_cidr_next(entra_cidr_key_t key)
{
    key.lo++;
    key.hi += key.lo == 0;

    return key;
}


static entra_cidr_key_t
entra_cidr_previous(entra_cidr_key_t key)
{
    key.hi -= key.lo == 0;
    key.lo--;

    return key;
}


static int
entra_cidr_is_v4(entra_cidr_key_t key)
{
    return key.hi == 0 && key.lo >= ENTRA_CIDR_MAPPED
           && key.lo <= ENTRA_CIDR_MAPPED_LAST;
}


static uint64_t
entra_cidr_be64(const unsigned char *p)
{
    unsigned  i;
    uint64_t  value = 0;

    for (i = 0; i < 8; i++) {
        value = value << 8 | p[i];
    }

    return value;
}


static uint32_t
entra_cidr_be32(const unsigned char *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8
           | p[3];
}


static entra_cidr_key_t
entra_cidr_key(const entra_addr_t *addr)
{
    entra_cidr_key_t  key;

    if (addr->family == ENTRA_ADDR_V4) {
        key.hi = 0;
        key.lo = ENTRA_CIDR_MAPPED | entra_cidr_be32(addr->bytes);

    } else {
        key.hi = entra_cidr_be64(addr->bytes);
        key.lo = entra_cidr_be64(addr->bytes + 8);
    }

    return key;
}


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


static int
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


static void
entra_cidr_addr(entra_addr_t *addr, entra_cidr_key_t key)
{
    unsigned       i;
    unsigned char  bytes[16];

    for (i = 0; i < 8; i++) {
        bytes[i] = (unsigned char) (key.hi >> (56 - 8 * i));
        bytes[8 + i] = (unsigned char) (key.lo >> (56 - 8 * i));
    }

    entra_addr_v6(addr, bytes);
}


/* the last address of a network; bits: of the 128, the prefix */

static entra_cidr_key_t
entra_cidr_last(entra_cidr_key_t first, unsigned bits)
{
    if (bits <= 64) {
        first.hi |= bits == 0 ? ~0ULL : bits == 64 ? 0 : ~0ULL >> bits;
        first.lo = ~0ULL;

    } else if (bits < 128) {
        first.lo |= ~0ULL >> (bits - 64);
    }

    return first;
}


static int
entra_cidr_host_bits(entra_str_t text, const entra_addr_t *addr,
    unsigned prefix, entra_err_t *err)
{
    char              network[ENTRA_ADDR_TEXT_MAX], host[ENTRA_ADDR_TEXT_MAX];
    unsigned          bits, max;
    entra_addr_t      masked;
    entra_cidr_key_t  key, last;

    max = addr->family == ENTRA_ADDR_V4 ? 32 : 128;
    bits = prefix + 128 - max;

    key = entra_cidr_key(addr);
    last = entra_cidr_last((entra_cidr_key_t) { 0, 0 }, bits);
    key.hi &= ~last.hi;
    key.lo &= ~last.lo;
    entra_cidr_addr(&masked, key);

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\" has bits set after its prefix: write"
                         " \"%s/%u\" for the network or \"%s/%u\" for the host",
                         (int) text.len, text.data,
                         entra_addr_text(&masked, network), prefix,
                         entra_addr_text(addr, host), max);
}


static int
entra_cidr_too_wide(entra_str_t text, unsigned min, entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\" is wider than /%u, which is usually a"
                         " mistake: write longer prefixes, or \"any\" in the"
                         " policy when all addresses are meant",
                         (int) text.len, text.data, min);
}


/* 1 to 3 digits, no leading zero; -1: not a prefix */

static int
entra_cidr_prefix(entra_str_t text)
{
    int64_t  value;

    if (text.len == 0 || text.len > 3
        || (text.len > 1 && text.data[0] == '0')
        || entra_str_int(text, &value) != 0)
    {
        return -1;
    }

    return (int) value;
}


/*
 * "::ffff:10.0.0.0/104" is 10.0.0.0/8; shorter prefixes would hold more than
 * IPv4.  Either way the text has a colon and the address is of IPv4.
 */

static int
entra_cidr_unmap(entra_str_t text, const entra_addr_t *addr, int prefix)
{
    if (addr->family == ENTRA_ADDR_V4 && memchr(text.data, ':', text.len)) {
        return prefix < 96 ? -1 : prefix - 96;
    }

    return prefix;
}


static int
entra_cidr_bad(entra_str_t text, entra_err_t *err)
{
    char  clean[ENTRA_CIDR_TEXT_MAX];

    entra_err_clean(clean, sizeof(clean), text);

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%s\" is not an address or a CIDR, as in"
                         " 198.51.100.0/24 or 2001:db8::/48 (no leading"
                         " zeros, ports, brackets or zones)", clean);
}


static int
entra_cidr_add_network(entra_cidr_set_t *set, entra_str_t text,
    const entra_addr_t *addr, unsigned prefix, entra_err_t *err)
{
    unsigned            min, bits;
    entra_cidr_range_t  range;

    if (addr->family == ENTRA_ADDR_V4) {
        min = ENTRA_CIDR_V4_MIN;
        bits = prefix + 96;

    } else {
        min = ENTRA_CIDR_V6_MIN;
        bits = prefix;
    }

    if (prefix < min) {
        return entra_cidr_too_wide(text, min, err);
    }

    range.first = entra_cidr_key(addr);
    range.last = entra_cidr_last(range.first, bits);

    if (entra_cidr_cmp(entra_cidr_last((entra_cidr_key_t) { 0, 0 }, bits),
                       (entra_cidr_key_t) { range.first.hi ^ range.last.hi,
                                            range.first.lo ^ range.last.lo }))
    {
        return entra_cidr_host_bits(text, addr, prefix, err);
    }

    if (addr->family == ENTRA_ADDR_V6 && range.first.hi == 0
        && range.first.lo <= ENTRA_CIDR_MAPPED
        && entra_cidr_cmp(range.last,
                          (entra_cidr_key_t) { 0, ENTRA_CIDR_MAPPED }) >= 0)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" holds all of IPv4 (as ::ffff:0:0/96):"
                             " write ranges of IPv4 as such",
                             (int) text.len, text.data);
    }

    if (entra_cidr_push(set, range, err) != 0) {
        return -1;
    }

    set->entries++;

    return 0;
}


int
entra_cidr_set_add(entra_cidr_set_t *set, entra_str_t text, entra_err_t *err)
{
    int           prefix;
    const char   *slash;
    entra_str_t   left;
    entra_addr_t  addr;

    if (text.len == 0 || text.len >= ENTRA_CIDR_TEXT_MAX) {
        return entra_cidr_bad(text, err);
    }

    left = text;
    slash = memchr(text.data, '/', text.len);

    if (slash) {
        left.len = (size_t) (slash - text.data);
    }

    if (entra_addr_parse(&addr, left) != 0) {
        return entra_cidr_bad(text, err);
    }

    if (slash == NULL) {
        prefix = addr.family == ENTRA_ADDR_V4 ? 32 : 128;

    } else {
        prefix = entra_cidr_prefix((entra_str_t) { text.len - left.len - 1,
                                                   slash + 1 });
        prefix = entra_cidr_unmap(left, &addr, prefix);
    }

    if (prefix < 0 || prefix > (addr.family == ENTRA_ADDR_V4 ? 32 : 128)) {
        return entra_cidr_bad(text, err);
    }

    return entra_cidr_add_network(set, text, &addr, (unsigned) prefix, err);
}


int
entra_cidr_set_add_range(entra_cidr_set_t *set, const entra_addr_t *first,
    const entra_addr_t *last, entra_err_t *err)
{
    char                a[ENTRA_ADDR_TEXT_MAX], b[ENTRA_ADDR_TEXT_MAX];
    unsigned            wide;
    entra_cidr_range_t  range;

    (void) entra_addr_text(first, a);
    (void) entra_addr_text(last, b);

    if (first->family != last->family
        || (first->family != ENTRA_ADDR_V4 && first->family != ENTRA_ADDR_V6))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" to \"%s\" is not a range of one family",
                             a, b);
    }

    range.first = entra_cidr_key(first);
    range.last = entra_cidr_key(last);

    if (entra_cidr_cmp(range.first, range.last) > 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" to \"%s\" is a range that ends before it"
                             " begins", a, b);
    }

    if (first->family == ENTRA_ADDR_V4) {
        wide = range.last.lo - range.first.lo >= 1ULL << 24;

    } else {
        wide = range.last.hi - range.first.hi >= 1ULL << 48;
    }

    if (wide) {
        return entra_cidr_too_wide(entra_str_c(a),
                                   first->family == ENTRA_ADDR_V4
                                       ? ENTRA_CIDR_V4_MIN : ENTRA_CIDR_V6_MIN,
                                   err);
    }

    if (first->family == ENTRA_ADDR_V6 && range.first.hi == 0
        && range.first.lo < ENTRA_CIDR_MAPPED
        && (range.last.hi || range.last.lo >= ENTRA_CIDR_MAPPED))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" to \"%s\" holds all of IPv4", a, b);
    }

    if (entra_cidr_push(set, range, err) != 0) {
        return -1;
    }

    set->entries++;

    return 0;
}


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
