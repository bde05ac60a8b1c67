
/*
 * Copyright (C) nginx-entra authors
 *
 * What is known of a request when it is decided.  Zeroed memory is a request
 * of which nothing is known, and that is denied.
 */

#ifndef ENTRA_SIGNALS_H
#define ENTRA_SIGNALS_H


#include "entra_cert.h"
#include "entra_cidr.h"
#include "entra_operation.h"


typedef enum {
    ENTRA_SIGNAL_UNKNOWN = 0,   /* the gateway itself cannot tell: keys that
                                   were never loaded */
    ENTRA_SIGNAL_ABSENT,        /* the caller presents nothing */
    ENTRA_SIGNAL_VALID,
    ENTRA_SIGNAL_INVALID        /* presented, and bad: 401, never "absent" */
} entra_signal_e;


typedef enum {
    ENTRA_DEPLOYMENT_UNKNOWN = 0,       /* more than one header */
    ENTRA_DEPLOYMENT_NONE,              /* no header: the endpoint's traffic */
    ENTRA_DEPLOYMENT_NAMED
} entra_deployment_e;


/* the last set of ranges that was looked through: policies share locations */

typedef struct {
    const entra_cidr_set_t   *set;              /* NULL: none was */
    unsigned                  peer:1;           /* for the peer's address */
    unsigned                  has:1;
} entra_looked_up_t;


typedef struct {
    entra_addr_t              address;          /* the client's */
    entra_addr_t              peer;             /* of the TCP connection */

    /*
     * VALID: chain verified in this handshake, for the server name that the
     * request is for.  cert and claims are looked at, and have to be there,
     * for VALID only.
     */
    entra_signal_e            certificate;
    const entra_cert_t       *cert;
    entra_signal_e            token;
    const entra_claims_t     *claims;
    const char               *failure;          /* of one of them; or NULL */

    const entra_operation_t  *operation;        /* NULL: unknown */
    entra_deployment_e        deployment;
    entra_str_t               deployment_name;

    int64_t                   now;              /* seconds since the epoch */
    unsigned                  tls;              /* 0x0303: TLS 1.2; 0: none */

    /*
     * The upstream request does not exist yet: operation and deployment are
     * ignored, and the decision is ALLOW if some request could be allowed.
     */
    unsigned                  early:1;

    entra_looked_up_t        *looked_up;        /* entra_decide()'s own */
} entra_signals_t;


/*
 * The client's address, where the gateway is behind proxies that it trusts
 * (entra_trusted_proxies; NULL: none are named).  client and peer are what
 * nginx has after and before realip, or the PROXY protocol.
 *
 * Unknown, when a trusted proxy would be the client: it conveyed no
 * address, or one that could not be read, and nginx fell back to the proxy's
 * own; and when another peer than those was believed.
 */
void entra_signals_address(entra_signals_t *signals,
    const entra_addr_t *client, const entra_addr_t *peer,
    const entra_cidr_set_t *trusted_proxies);

/* value of the azureml-model-deployment header, and how many there are */
void entra_signals_deployment(entra_signals_t *signals, entra_str_t value,
    unsigned headers);

/*
 * Who calls, as a key: two callers never have the same one.  Of a valid token
 * "oid:TENANT/OBJECT", where it has no oid "sub:TENANT/SUBJECT"; else of a
 * valid certificate "cert:SHA256".  Who is nobody, in one of three ways, is
 * told apart by address: "none:203.0.113.9", "invalid:2001:db8::/64",
 * "unknown:...".  At most 2 KB.
 */
void entra_signals_caller_id(const entra_signals_t *signals,
    entra_buf_t *out);

/* is a valid one presented?  See entra_truth.h for open */
entra_truth_t entra_signals_certificate(const entra_signals_t *signals,
    unsigned open);
entra_truth_t entra_signals_token(const entra_signals_t *signals,
    unsigned open);


#endif /* ENTRA_SIGNALS_H */
