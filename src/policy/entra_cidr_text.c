
/*
 * Copyright (C) nginx-entra authors
 *
 * Ranges as they are written.
 */

#include <string.h>

#include "entra_cidr_key.h"


#define ENTRA_CIDR_TEXT_MAX  64                 /* bytes of one range */


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
                         "\"%.*s\" has bits behind its prefix: write \"%s/%u\""
                         " for the network or \"%s/%u\" for the host",
                         (int) text.len, text.data,
                         entra_addr_text(&masked, network), prefix,
                         entra_addr_text(addr, host), max);
}


static int
entra_cidr_too_wide(entra_str_t text, unsigned min, entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\" is wider than /%u, which is mostly a slip"
                         " of the finger: write longer prefixes, or \"any\" in"
                         " the policy when all addresses are meant",
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
