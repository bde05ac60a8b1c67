
/*
 * Copyright (C) nginx-entra authors
 *
 * One acquisition: getting one token with one credential for one scope.
 * Drives the credential's steps on the platform, to one callback.
 * No caching, no retry policy: those are the caller's (the shared store).
 */

#ifndef ENTRA_ACQUIRE_H
#define ENTRA_ACQUIRE_H


#include "entra_credential.h"
#include "entra_iface.h"
#include "entra_token.h"


#define ENTRA_ACQUIRE_STEPS_MAX  256        /* a runaway is a protocol error */
#define ENTRA_ACQUIRE_DEPTH_MAX  4          /* chains within chains */


typedef void (*entra_acquire_done_pt)(void *data, entra_acquire_t *a);


struct entra_acquire_s {
    entra_credential_t            *credential;
    char                          *scope;           /* owned */
    char                          *claims;          /* JSON or NULL, owned */
    char                          *assertion;       /* on-behalf-of, or NULL */
    unsigned                       step;            /* 0, 1, 2, ... */
    unsigned                       depth;
    unsigned                       in_chain:1;      /* probe, do not insist */

    /*
     * SHA-256 of the token that this one is to replace because its receiver
     * refused it.  Set by whoever started the acquisition, right after the
     * start; inner ones inherit it.
     */
    unsigned                       has_refused:1;
    unsigned char                  refused[32];

    void                          *state;           /* type->state_size */

    /* asked for by the last step */
    entra_http_request_t           request;
    entra_process_t                process;
    unsigned                       sleep;           /* ms */
    entra_credential_t            *other;
    unsigned                       other_in_chain:1;    /* its in_chain */
    char                          *other_scope;     /* owned, driver frees */

    /* the outcome of it, valid during the next step only */
    const entra_http_reply_t      *reply;
    const entra_process_result_t  *result;
    entra_acquire_t               *inner;           /* done: token or err */

    /* the outcome of it all */
    entra_token_t                  token;
    entra_err_t                    err;
    char                          *challenge;   /* claims that it asks of the
                                                   caller, JSON; or NULL */

    /* the driver's own */
    entra_platform_t              *platform;
    entra_acquire_done_pt          done;
    void                          *done_data;
    void                          *handle;
    entra_next_e                   waiting;
    unsigned                       finished:1;
};


/*
 * Starts.  claims and assertion may be NULL.  done() is called exactly once,
 * never from inside this function, with a->err.class == ENTRA_ERR_NONE and
 * a->token, or with a->err; the acquisition is freed when done() returns.
 * NULL: no memory.
 */
entra_acquire_t *entra_acquire_start(entra_platform_t *platform,
    entra_credential_t *credential, entra_str_t scope, const char *claims,
    const char *assertion, entra_acquire_done_pt done, void *data);

/*
 * Stops whatever is under way, inner acquisitions too, and frees; done() is
 * not called.  From inside done() it does nothing.
 */
void entra_acquire_cancel(entra_acquire_t *a);

/* the platform's clock, seconds since the epoch */
int64_t entra_acquire_now(const entra_acquire_t *a);


#endif /* ENTRA_ACQUIRE_H */
