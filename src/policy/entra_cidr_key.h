
/*
 * Copyright (C) nginx-entra authors
 *
 * What the files of entra_cidr share: addresses as numbers.
 */

#ifndef ENTRA_CIDR_KEY_H
#define ENTRA_CIDR_KEY_H


#include "entra_cidr.h"


/* IPv4 lies in ::ffff:0:0/96 */

#define ENTRA_CIDR_MAPPED       0xffff00000000ULL
#define ENTRA_CIDR_MAPPED_LAST  0xffffffffffffULL


static inline int
entra_cidr_cmp(entra_cidr_key_t a, entra_cidr_key_t b)
{
    if (a.hi != b.hi) {
        return a.hi < b.hi ? -1 : 1;
    }

    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}


static inline entra_cidr_key_t
entra_cidr_next(entra_cidr_key_t key)
{
    key.lo++;
    key.hi += key.lo == 0;

    return key;
}


static inline entra_cidr_key_t
entra_cidr_previous(entra_cidr_key_t key)
{
    key.hi -= key.lo == 0;
    key.lo--;

    return key;
}


static inline int
entra_cidr_is_v4(entra_cidr_key_t key)
{
    return key.hi == 0 && key.lo >= ENTRA_CIDR_MAPPED
           && key.lo <= ENTRA_CIDR_MAPPED_LAST;
}


static inline uint64_t
entra_cidr_be64(const unsigned char *p)
{
    unsigned  i;
    uint64_t  value = 0;

    for (i = 0; i < 8; i++) {
        value = value << 8 | p[i];
    }

    return value;
}


static inline uint32_t
entra_cidr_be32(const unsigned char *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8
           | p[3];
}


static inline entra_cidr_key_t
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


/* entra_cidr.c: adds a range as it is */
int entra_cidr_push(entra_cidr_set_t *set, entra_cidr_range_t range,
    entra_err_t *err);


#endif /* ENTRA_CIDR_KEY_H */
