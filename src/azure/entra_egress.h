
/*
 * Copyright (C) nginx-entra authors
 *
 * The egress guard: where a token may go.  Pure, no allocation on the
 * request path.
 */

#ifndef ENTRA_EGRESS_H
#define ENTRA_EGRESS_H


#include "entra_err.h"


#define ENTRA_EGRESS_MAX  64                /* entries of one list */


/*
 * One entry of upstreams:
 *     HOST              https, any port
 *     HOST:PORT         https, this port
 *     *.SUFFIX          https, one or more labels before the suffix
 *     https://HOST      the same as HOST
 *     http://HOST[:PORT]    plain http too
 *     http://unix:PATH  a unix socket
 */

typedef struct {
    char        *host;                      /* owned, lower case, no "*" */
    unsigned     port;                      /* 0: any */
    unsigned     plain:1;
    unsigned     suffix:1;                  /* ".inference.ml.azure.com" */
} entra_egress_rule_t;

typedef struct {
    entra_egress_rule_t *rules;             /* owned */
    unsigned             n;
    unsigned             unverified:1;      /* verify=off */
} entra_egress_t;


/* where a request is about to go */

typedef struct {
    entra_str_t          host;              /* no brackets needed for IPv6 */
    unsigned             port;              /* 0: the scheme's default */
    unsigned             tls:1;
    unsigned             verified:1;        /* proxy_ssl_verify on */
} entra_egress_target_t;


void entra_egress_free(entra_egress_t *egress);

/* one entry or "verify=off"; 0, or -1 and err with what to write instead */
int entra_egress_add(entra_egress_t *egress, entra_str_t text,
    entra_err_t *err);

/* NULL: allowed; otherwise why not, a static sentence for the log */
const char *entra_egress_refusal(const entra_egress_t *egress,
    const entra_egress_target_t *target);

/* some entry is about this host, whatever its scheme and port */
int entra_egress_host(const entra_egress_t *egress, entra_str_t host);

/*
 * A suffix under which whoever likes can have a name: a top-level domain, or
 * one that Azure gives names of its customers in.
 */
int entra_egress_public(const entra_egress_rule_t *rule);


#endif /* ENTRA_EGRESS_H */
