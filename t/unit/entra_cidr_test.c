
/*
 * Copyright (C) nginx-entra authors
 *
 * Sets of addresses against a naive reference, at each boundary.
 */

#include <stdlib.h>
#include <time.h>

#include "entra_cidr.h"
#include "entra_cidr.h"
#include "tap.h"


#define RANGES  400


#define MAPPED  0xffff00000000ULL       /* ::ffff:0:0/96 */


static entra_cidr_key_t
next_key(entra_cidr_key_t key)
{
    key.lo++;
    key.hi += key.lo == 0;

    return key;
}


static entra_cidr_key_t
previous_key(entra_cidr_key_t key)
{
    key.hi -= key.lo == 0;
    key.lo--;

    return key;
}


static int
is_v4(entra_cidr_key_t key)
{
    return key.hi == 0 && key.lo >> 32 == MAPPED >> 32;
}


static uint64_t  seed = 88172645463325252ULL;


static uint64_t
rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}


static void
refuses(const char *text, const char *says)
{
    entra_err_t       err;
    entra_cidr_set_t  set;

    entra_err_clear(&err);
    entra_cidr_set_init(&set);

    ok(entra_cidr_set_add(&set, entra_str_c(text), &err) == -1
       && strstr(err.text, says), "refuses %s: %s", text, err.text);

    entra_cidr_set_free(&set);
}


static void
add(entra_cidr_set_t *set, const char *text)
{
    entra_err_t  err;

    entra_err_clear(&err);

    if (entra_cidr_set_add(set, entra_str_c(text), &err) != 0) {
        ok(0, "adds %s: %s", text, err.text);
    }
}


static int
has(const entra_cidr_set_t *set, const char *text)
{
    entra_addr_t  addr;

    if (strcmp(text, "unix:") == 0) {
        entra_addr_unix(&addr);

    } else if (entra_addr_parse(&addr, entra_str_c(text)) != 0) {
        return -1;
    }

    return entra_cidr_set_has(set, &addr);
}


static void
key_addr(entra_addr_t *addr, entra_cidr_key_t key)
{
    int            i;
    unsigned char  bytes[16];

    for (i = 0; i < 8; i++) {
        bytes[i] = (unsigned char) (key.hi >> (56 - 8 * i));
        bytes[i + 8] = (unsigned char) (key.lo >> (56 - 8 * i));
    }

    entra_addr_v6(addr, bytes);
}


static int
key_le(entra_cidr_key_t a, entra_cidr_key_t b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo <= b.lo);
}


/* what the set is compared with: looks at each range as it was written */

static int
naive(const entra_cidr_range_t *ranges, size_t n, entra_cidr_key_t key)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (key_le(ranges[i].first, key) && key_le(key, ranges[i].last)) {
            return 1;
        }
    }

    return 0;
}


static entra_cidr_range_t
random_range(char text[64], int v6)
{
    char                a[ENTRA_ADDR_TEXT_MAX];
    unsigned            bits, prefix, host;
    entra_addr_t        addr;
    entra_cidr_key_t    key, mask;
    entra_cidr_range_t  range;

    /* few different places, so that ranges overlap and touch */

    if (v6) {
        prefix = 16 + (unsigned) (rnd() % 113);
        key.hi = 0x20010db800000000ULL | (rnd() & 0x0000000f0000ffffULL);
        key.lo = rnd() % 4 ? rnd() & 0xff : rnd();
        host = 128 - prefix;

    } else {
        prefix = 8 + (unsigned) (rnd() % 25);
        key.hi = 0;
        key.lo = MAPPED | 0x0a000000 | (rnd() & 0x0003ffff);
        host = 32 - prefix;
    }

    bits = host > 64 ? host - 64 : 0;
    mask.hi = bits ? (1ULL << bits) - 1 : 0;
    mask.lo = host >= 64 ? ~0ULL : (1ULL << host) - 1;

    range.first.hi = key.hi & ~mask.hi;
    range.first.lo = key.lo & ~mask.lo;
    range.last.hi = key.hi | mask.hi;
    range.last.lo = key.lo | mask.lo;

    key_addr(&addr, range.first);
    snprintf(text, 64, "%s/%u", entra_addr_text(&addr, a), prefix);

    return range;
}


static unsigned
probe(const entra_cidr_set_t *set, const entra_cidr_range_t *ranges, size_t n,
    entra_cidr_key_t key)
{
    entra_addr_t  addr;

    key_addr(&addr, key);

    return entra_cidr_set_has(set, &addr)
           != (naive(ranges, n, key) ? 1 : 0);
}


static void
property(int round)
{
    int                 v6;
    char                text[64];
    size_t              i, n, inside;
    unsigned            wrong;
    entra_err_t         err;
    entra_cidr_key_t    key;
    entra_cidr_set_t    set;
    entra_cidr_range_t  ranges[RANGES], r, last;

    entra_cidr_set_init(&set);
    n = 1 + rnd() % RANGES;

    for (i = 0; i < n; i++) {
        v6 = round % 3 == 0 ? 0 : round % 3 == 1 ? 1 : (int) (rnd() & 1);
        ranges[i] = random_range(text, v6);

        if (entra_cidr_set_add(&set, entra_str_c(text), &err) != 0) {
            ok(0, "adds %s", text);
        }
    }

    ok(entra_cidr_set_seal(&set) == 0, "seals %zu ranges", n);

    wrong = 0;

    for (i = 0; i < n; i++) {
        r = ranges[i];
        wrong += probe(&set, ranges, n, r.first);
        wrong += probe(&set, ranges, n, r.last);
        wrong += probe(&set, ranges, n, previous_key(r.first));
        wrong += probe(&set, ranges, n, next_key(r.last));
    }

    for (i = 0; i < 500; i++) {
        key.hi = rnd() & 1 ? 0 : 0x20010db800000000ULL
                                 | (rnd() & 0x0000000f0000ffffULL);
        key.lo = key.hi ? rnd() & 0x1ff
                        : MAPPED | 0x0a000000
                          | (rnd() & 0x000fffff);
        wrong += probe(&set, ranges, n, key);
    }

    ok(wrong == 0, "as the reference at %zu boundaries and 500 places",
       4 * n);

    /* sorted, apart from each other */

    inside = 0;
    memset(&last, 0, sizeof(last));

    for (i = 0; entra_cidr_set_range(&set, i, &r); i++) {
        inside += !key_le(r.first, r.last);

        if (i && is_v4(r.first) == is_v4(last.first)) {
            key = next_key(last.last);
            inside += key_le(r.first, key);
        }

        last = r;
    }

    ok(inside == 0 && i <= n, "%zu intervals, merged", i);

    entra_cidr_set_free(&set);
}


static void
algebra(void)
{
    int               i, k, v6;
    char              text[64];
    size_t            n;
    unsigned          wrong;
    entra_err_t       err;
    entra_addr_t      addr;
    entra_cidr_key_t  key;
    entra_cidr_set_t  a, b, c;

    wrong = 0;

    for (i = 0; i < 200; i++) {
        entra_cidr_set_init(&a);
        entra_cidr_set_init(&b);
        entra_cidr_set_init(&c);

        for (n = rnd() % 12; n; n--) {
            v6 = (int) (rnd() & 1);
            random_range(text, v6);
            wrong += entra_cidr_set_add(rnd() & 1 ? &a : &b,
                                        entra_str_c(text), &err) != 0;
        }

        a.unix_socket = rnd() & 1;
        b.unix_socket = rnd() & 1;

        wrong += entra_cidr_set_seal(&a) || entra_cidr_set_seal(&b)
                 || entra_cidr_set_minus(&c, &a, &b);

        for (k = 0; k < 400; k++) {
            key.hi = rnd() & 1 ? 0 : 0x20010db800000000ULL
                                     | (rnd() & 0x0000000f0000ffffULL);
            key.lo = key.hi ? rnd() & 0x1ff
                            : MAPPED | 0x0a000000
                              | (rnd() & 0x0003ffff);
            key_addr(&addr, key);

            wrong += entra_cidr_set_has(&c, &addr)
                     != (entra_cidr_set_has(&a, &addr)
                         && !entra_cidr_set_has(&b, &addr));

            if (entra_cidr_set_has(&a, &addr)
                && entra_cidr_set_has(&b, &addr))
            {
                wrong += !entra_cidr_set_meets(&a, &b);
            }
        }

        wrong += entra_cidr_set_meets(&c, &b);
        wrong += !entra_cidr_set_within(&c, &a);
        wrong += entra_cidr_set_within(&a, &b) != entra_cidr_set_empty(&c);

        entra_cidr_set_free(&a);
        entra_cidr_set_free(&b);
        entra_cidr_set_free(&c);
    }

    ok(wrong == 0, "differences of sets are as their members say");
}


static void
many(void)
{
    int               i;
    char              text[64];
    double            ms;
    unsigned          wrong;
    entra_err_t       err;
    entra_addr_t      addr;
    struct timespec   t0, t1;
    entra_cidr_set_t  set;

    entra_cidr_set_init(&set);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    wrong = 0;

    for (i = 0; i < 100000; i++) {
        snprintf(text, sizeof(text), "%d.%d.%d.0/25", 11 + i * 7919 % 100000
                 / 65536, i * 7919 % 100000 / 256 % 256,
                 i * 7919 % 100000 % 256);
        wrong += entra_cidr_set_add(&set, entra_str_c(text), &err) != 0;
    }

    wrong += entra_cidr_set_seal(&set) != 0;
    clock_gettime(CLOCK_MONOTONIC, &t1);

    ms = (double) (t1.tv_sec - t0.tv_sec) * 1e3
         + (double) (t1.tv_nsec - t0.tv_nsec) / 1e6;

    ok(wrong == 0 && set.nv4 > 70000, "100000 ranges, %zu different, in %.0f"
       " ms (with the sanitizers)", set.nv4, ms);

    for (i = 0; i < 65536; i++) {
        snprintf(text, sizeof(text), "11.%d.%d.%d", i / 256, i % 256,
                 i & 1 ? 127 : 128);
        (void) entra_addr_parse(&addr, entra_str_c(text));
        wrong += entra_cidr_set_has(&set, &addr) != (i & 1);
    }

    ok(wrong == 0, "and all are found, and nothing else");

    entra_cidr_set_free(&set);
}


static void
families(void)
{
    entra_err_t       err;
    entra_addr_t      first, last, unknown;
    entra_cidr_set_t  set, copy;

    entra_cidr_set_init(&set);
    add(&set, "10.0.0.0/8");
    add(&set, "192.0.2.1");
    add(&set, "255.255.255.255/32");
    add(&set, "0.0.0.0/32");
    add(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    add(&set, "::1/128");
    add(&set, "2001:db8:10::/48");
    add(&set, "::ffff:172.16.0.0/108");
    ok(entra_cidr_set_seal(&set) == 0, "a set of both families");

    ok(has(&set, "10.255.255.255") == 1 && has(&set, "11.0.0.0") == 0
       && has(&set, "9.255.255.255") == 0, "first and last of IPv4");
    ok(has(&set, "255.255.255.255") == 1 && has(&set, "255.255.255.254") == 0
       && has(&set, "0.0.0.0") == 1 && has(&set, "0.0.0.1") == 0,
       "the ends of IPv4");
    ok(has(&set, "::1") == 1 && has(&set, "::2") == 0 && has(&set, "::") == 0
       && has(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == 1,
       "the ends of IPv6");
    ok(has(&set, "::ffff:10.1.1.1") == 1, "a mapped address is IPv4 (T06)");
    ok(has(&set, "172.31.255.255") == 1 && has(&set, "172.32.0.0") == 0,
       "and so is a mapped range");
    ok(has(&set, "2002:0a01:0101::1") == 0 && has(&set, "64:ff9b::a01:101") == 0
       && has(&set, "::10.1.1.1") == 0, "other embeddings are not (T07)");
    ok(has(&set, "unix:") == 0, "a unix socket is in no range (T09)");

    memset(&unknown, 0, sizeof(unknown));
    ok(!entra_cidr_set_has(&set, &unknown), "nor is an unknown address");

    entra_cidr_set_init(&copy);
    ok(entra_cidr_set_add_set(&copy, &set, &err) == 0
       && entra_cidr_set_seal(&copy) == 0
       && entra_cidr_set_within(&copy, &set)
       && entra_cidr_set_within(&set, &copy) && copy.entries == set.entries,
       "a copy is the same");
    entra_cidr_set_free(&copy);
    entra_cidr_set_free(&set);

    entra_cidr_set_init(&set);
    ok(entra_cidr_set_seal(&set) == 0 && has(&set, "0.0.0.0") == 0
       && has(&set, "::") == 0 && entra_cidr_set_empty(&set), "an empty set");
    entra_cidr_set_free(&set);

    entra_cidr_set_init(&set);
    (void) entra_addr_parse(&first, entra_str("10.0.0.5"));
    (void) entra_addr_parse(&last, entra_str("10.0.0.9"));
    ok(entra_cidr_set_add_range(&set, &first, &last, &err) == 0, "a range");
    ok(entra_cidr_set_add_range(&set, &last, &first, &err) != 0,
       "that ends before it begins: %s", err.text);
    (void) entra_addr_parse(&last, entra_str("2001:db8::"));
    ok(entra_cidr_set_add_range(&set, &first, &last, &err) != 0,
       "of two families: %s", err.text);
    (void) entra_addr_parse(&last, entra_str("11.0.0.5"));
    ok(entra_cidr_set_add_range(&set, &first, &last, &err) != 0,
       "wider than /8: %s", err.text);
    (void) entra_addr_parse(&first, entra_str("::1"));
    (void) entra_addr_parse(&last, entra_str("::ffff:ffff:ffff:1"));
    ok(entra_cidr_set_add_range(&set, &first, &last, &err) != 0,
       "around IPv4: %s", err.text);
    ok(entra_cidr_set_seal(&set) == 0 && has(&set, "10.0.0.4") == 0
       && has(&set, "10.0.0.5") && has(&set, "10.0.0.9")
       && has(&set, "10.0.0.10") == 0, "the good one is all that is in it");
    entra_cidr_set_free(&set);
}


int
main(void)
{
    int  i;

    refuses("10.0.0.1/8", "write \"10.0.0.0/8\" for the network or"
            " \"10.0.0.1/32\" for the host");
    refuses("2001:db8::1/48", "write \"2001:db8::/48\"");
    refuses("0.0.0.0/0", "\"any\" in the policy");
    refuses("::/0", "\"any\" in the policy");
    refuses("0.0.0.0/7", "wider than /8");
    refuses("10.0.0.0/7", "wider than /8");
    refuses("2000::/3", "wider than /16");
    refuses("::/16", "holds all of IPv4");
    refuses("::fffe:0:0/95", "holds all of IPv4");
    refuses("::ffff:0.0.0.0/95", "is not an address");
    refuses("::ffff:0.0.0.0/96", "wider than /8");
    refuses("10.0.0.0/33", "is not an address");
    refuses("::/129", "is not an address");
    refuses("10.0.0.0/", "is not an address");
    refuses("10.0.0.0/08", "is not an address");
    refuses("10.0.0.0/+8", "is not an address");
    refuses("10.0.0.0/255.0.0.0", "is not an address");
    refuses("10.0.0.0/8/8", "is not an address");
    refuses("10.12/16", "is not an address");
    refuses("/8", "is not an address");
    refuses("", "is not an address");
    refuses("corp", "is not an address");
    refuses("10.0.0.0/8\x01", "is not an address");

    families();

    for (i = 0; i < 30; i++) {
        property(i);
    }

    algebra();
    many();

    return done();
}
