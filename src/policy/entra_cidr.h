
/*
 * Copyright (C) nginx-entra authors
 *
 * Sets of addresses: filled range by range, sealed once into merged, sorted
 * intervals, then looked up by binary search.
 */

#ifndef ENTRA_CIDR_H
#define ENTRA_CIDR_H


#include "entra_addr.h"
#include "entra_err.h"


#define ENTRA_CIDR_RANGES_MAX  1000000          /* of one set, as written */

/* shorter prefixes are taken for mistakes: "any" says it clearly */
#define ENTRA_CIDR_V4_MIN      8
#define ENTRA_CIDR_V6_MIN      16


/* an address as a number; IPv4 as ::ffff:0:0/96, where no IPv6 can be */

typedef struct {
    uint64_t            hi;
    uint64_t            lo;
} entra_cidr_key_t;


typedef struct {
    entra_cidr_key_t    first;
    entra_cidr_key_t    last;
} entra_cidr_range_t;


typedef struct {

    /* sealed: what is searched; the starts by themselves, close together */
    uint32_t            *v4_first;
    uint32_t            *v4_last;
    size_t               nv4;
    entra_cidr_key_t    *v6_first;
    entra_cidr_key_t    *v6_last;
    size_t               nv6;

    /* until it is sealed */
    entra_cidr_range_t  *ranges;
    size_t               nranges;
    size_t               capacity;

    size_t               entries;       /* ranges as written */
    unsigned             unix_socket:1;
} entra_cidr_set_t;


void entra_cidr_set_init(entra_cidr_set_t *set);
void entra_cidr_set_free(entra_cidr_set_t *set);    /* may be used again */

/*
 * Adds "CIDR" or a single address.  Refused, with what to write instead: any
 * bit set behind the prefix, prefixes shorter than the minimum, IPv6 ranges
 * that hold IPv4-mapped addresses (::ffff:10.0.0.0/104 is read as
 * 10.0.0.0/8).  0, or -1 and err.
 */
int entra_cidr_set_add(entra_cidr_set_t *set, entra_str_t text,
    entra_err_t *err);

/* the same for first to last, both included */
int entra_cidr_set_add_range(entra_cidr_set_t *set, const entra_addr_t *first,
    const entra_addr_t *last, entra_err_t *err);

/* adds the ranges of a set that is sealed, and its unix flag */
int entra_cidr_set_add_set(entra_cidr_set_t *set,
    const entra_cidr_set_t *other, entra_err_t *err);

/* the sort step of the next, to bound the work of a turn; -1 without memory */
int entra_cidr_set_sort(entra_cidr_set_t *set);

/* sorts and merges; nothing can be added after.  0, or -1 without memory */
int entra_cidr_set_seal(entra_cidr_set_t *set);

/* of a sealed set; an unknown address is in none */
int entra_cidr_set_has(const entra_cidr_set_t *set, const entra_addr_t *addr);

/*
 * For checks of a configuration and for tests, on sealed sets.  Ranges in
 * their order (IPv4 first), 0 when there is no i-th one.
 */
int entra_cidr_set_range(const entra_cidr_set_t *set, size_t i,
    entra_cidr_range_t *range);
int entra_cidr_set_empty(const entra_cidr_set_t *set);

/* every address of a is in b */
int entra_cidr_set_within(const entra_cidr_set_t *a,
    const entra_cidr_set_t *b);

/* some address is in both */
int entra_cidr_set_meets(const entra_cidr_set_t *a, const entra_cidr_set_t *b);

/* out (initialized, empty) becomes a without b, sealed; -1 without memory */
int entra_cidr_set_minus(entra_cidr_set_t *out, const entra_cidr_set_t *a,
    const entra_cidr_set_t *b);


#endif /* ENTRA_CIDR_H */
