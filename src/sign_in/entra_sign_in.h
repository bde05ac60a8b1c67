
/*
 * Copyright (C) nginx-entra authors
 *
 * The page on which an operator signs in: authorization code with PKCE (RFC
 * 6749, 7636) for interactive_browser, device code (RFC 8628) for
 * device_code.  The nginx module only moves bytes.
 *
 *     site = entra_sign_in_create(platform, signed_in, data);     in a worker
 *     entra_sign_in_add(site, credential);                     each one
 *
 *     call = entra_sign_in_handle(site, &request, done, data); per request
 *     entra_sign_in_cancel(call);                if the client goes away
 *
 *     entra_sign_in_free(site);                                at its end
 */

#ifndef ENTRA_SIGN_IN_H
#define ENTRA_SIGN_IN_H


#include "entra_credential.h"
#include "entra_iface.h"


#define ENTRA_SIGN_IN_BODY_MAX     4096         /* of a request, bytes */
#define ENTRA_SIGN_IN_PAGE_MAX     (256 * 1024)
#define ENTRA_SIGN_IN_HEADERS_MAX  12


typedef struct entra_sign_in_s       entra_sign_in_t;
typedef struct entra_sign_in_call_s  entra_sign_in_call_t;


/*
 * All strings are borrowed for the time of entra_sign_in_handle() only;
 * entra_str_null for what the request does not have.
 */

typedef struct {
    entra_str_t   method;
    entra_str_t   base;             /* the location, as the browser sees it:
                                       "/entra/sign-in", "/sign-in/" */
    entra_str_t   path;             /* what follows it: "", "/callback" or
                                       "callback" */
    entra_str_t   query;            /* without "?" */
    entra_str_t   body;
    entra_str_t   content_type;
    entra_str_t   cookie;           /* several headers joined by "; " */
    entra_str_t   host;             /* these as they came */
    entra_str_t   origin;
    entra_str_t   fetch_site;       /* Sec-Fetch-Site */
    unsigned      https:1;
} entra_sign_in_request_t;


/*
 * Valid during the callback.  A HEAD request gets the answer of GET.  All
 * headers are to be sent: they keep the page from caches and frames.
 */

typedef struct {
    int                   status;
    const char           *content_type;         /* with its charset */
    entra_http_header_t   headers[ENTRA_SIGN_IN_HEADERS_MAX];
    unsigned              nheaders;
    entra_buf_t           body;
} entra_sign_in_response_t;


/* called once, never from inside entra_sign_in_handle() */
typedef void (*entra_sign_in_done_pt)(void *data,
    const entra_sign_in_response_t *response);

/*
 * Somebody has signed in, in this worker: the secret of the credential has
 * changed, and its tokens are due.  Other workers notice in type->watch().
 */
typedef void (*entra_sign_in_signed_pt)(void *data, entra_credential_t *c);


/* NULL without memory; signed_in may be NULL */
entra_sign_in_t *entra_sign_in_create(entra_platform_t *platform,
    entra_sign_in_signed_pt signed_in, void *data);

/*
 * Credentials of other types are ignored.  c->store must be set before.  0, or
 * -1 without memory.
 */
int entra_sign_in_add(entra_sign_in_t *site, entra_credential_t *c);

/*
 * Stops polling in the background; another worker takes over.  All calls must
 * have ended, or been cancelled, before.
 */
void entra_sign_in_free(entra_sign_in_t *site);

/* NULL without memory */
entra_sign_in_call_t *entra_sign_in_handle(entra_sign_in_t *site,
    const entra_sign_in_request_t *request, entra_sign_in_done_pt done,
    void *data);
void entra_sign_in_cancel(entra_sign_in_call_t *call);


#endif /* ENTRA_SIGN_IN_H */
