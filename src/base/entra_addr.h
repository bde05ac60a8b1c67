
/*
 * Copyright (C) nginx-entra authors
 *
 * Addresses of clients and peers, and the one spelling of them that is read.
 */

#ifndef ENTRA_ADDR_H
#define ENTRA_ADDR_H


#include "entra_str.h"


#define ENTRA_ADDR_TEXT_MAX  46                 /* with the NUL */


typedef enum {
    ENTRA_ADDR_UNKNOWN = 0,     /* cannot be told; zeroed memory is this */
    ENTRA_ADDR_V4,
    ENTRA_ADDR_V6,
    ENTRA_ADDR_UNIX             /* a unix socket: has no address */
} entra_addr_family_e;


typedef struct {
    entra_addr_family_e  family;
    unsigned char        bytes[16];     /* network order; IPv4: the first 4 */
} entra_addr_t;


/*
 * Strict: dotted quads without leading zeros, the text forms of RFC 4291,
 * section 2.2.  No port, brackets, zone id, short, octal or hexadecimal
 * IPv4: other programs read them in other ways.  0, or -1 (addr is unknown).
 *
 * ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2) is the IPv4 address: it is how a
 * dual-stack socket spells it.  Other embeddings (2002::/16, 64:ff9b::/96,
 * ::a.b.c.d) name hosts of IPv6 and stay IPv6.
 */
int entra_addr_parse(entra_addr_t *addr, entra_str_t text);

void entra_addr_v4(entra_addr_t *addr, const unsigned char bytes[4]);
void entra_addr_v6(entra_addr_t *addr, const unsigned char bytes[16]);
void entra_addr_unix(entra_addr_t *addr);

int entra_addr_eq(const entra_addr_t *a, const entra_addr_t *b);

/* RFC 5952, "unix:" or "unknown"; returns text */
const char *entra_addr_text(const entra_addr_t *addr,
    char text[ENTRA_ADDR_TEXT_MAX]);


#endif /* ENTRA_ADDR_H */
