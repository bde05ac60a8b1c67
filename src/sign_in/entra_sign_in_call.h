
/*
 * Copyright (C) nginx-entra authors
 *
 * Private to the files of the sign-in page.  There is one site in a worker,
 * and a call for each request of a browser.
 */

#ifndef ENTRA_SIGN_IN_CALL_H
#define ENTRA_SIGN_IN_CALL_H


#include "entra_acquire.h"
#include "entra_session.h"
#include "entra_sign_in.h"
#include "entra_signed_in.h"


typedef struct entra_sign_in_poll_s  entra_sign_in_poll_t;


struct entra_sign_in_s {
    entra_platform_t          *platform;
    entra_sign_in_signed_pt    signed_in;
    void                      *data;

    entra_credential_t       **credentials;
    unsigned                   n;

    entra_sign_in_poll_t      *polls;       /* device codes of this worker */
    void                      *tick;        /* timer */
};


struct entra_sign_in_call_s {
    entra_sign_in_t           *site;
    entra_sign_in_done_pt      done;
    void                      *data;
    void                      *timer;       /* of the answer's delivery */

    entra_sign_in_response_t   response;
    char                      *home;        /* URL path of the page */
    char                      *prefix;      /* the same without a last "/" */

    /* of the browser */
    char                       browser[ENTRA_SESSION_WORD];  /* its cookie */
    char                       csrf[ENTRA_SESSION_WORD];
    unsigned                   https:1;
    unsigned                   csrf_new:1;

    /* the sign-in, and the request to Entra that it waits for */
    entra_credential_t        *credential;
    entra_session_t            session;
    entra_acquire_t            a;
    void                      *http;
    void                     (*received)(entra_sign_in_call_t *call);
};


/*
 * "__Host-": set over TLS by this host for this host, whoever else may set
 * cookies for its domain.
 */

#define ENTRA_SIGN_IN_HOST    "__Host-"
#define ENTRA_SIGN_IN_COOKIE  "entra-sign-in"
#define ENTRA_SIGN_IN_CSRF    "entra-csrf"


/* entra_sign_in.c */

void entra_sign_in_call_free(entra_sign_in_call_t *call);
void entra_sign_in_header(entra_sign_in_call_t *call, const char *name,
    entra_str_t value);
void entra_sign_in_cookie(entra_sign_in_call_t *call, int secure,
    const char *name, const char *value, const char *same_site);

/* the answer is complete: done() follows */
void entra_sign_in_answer(entra_sign_in_call_t *call, int status);

/* a page with a sentence; advice may be NULL; refresh < 0: no reload */
void entra_sign_in_say(entra_sign_in_call_t *call, int status,
    const char *title, const char *text, const char *advice, int refresh);

/* 502, or 503 when the cause is on this machine, with the text of err */
void entra_sign_in_fail(entra_sign_in_call_t *call, const entra_err_t *err);

/* 303 to the page */
void entra_sign_in_go_home(entra_sign_in_call_t *call);

/*
 * The cookie that binds the sign-in to this browser, made unless there is
 * one.  secure: TLS, if not here then in front of nginx.  0, or -1.
 */
int entra_sign_in_bind(entra_sign_in_call_t *call, int secure);

/* call->a for a request to Entra, with the credential's first scope */
int entra_sign_in_prepare(entra_acquire_t *a, entra_platform_t *platform,
    entra_credential_t *c);

/* sends call->a.request; received() is called with call->a.reply */
void entra_sign_in_ask(entra_sign_in_call_t *call,
    void (*received)(entra_sign_in_call_t *call));

/* "credential \"x\": " and text */
void entra_sign_in_log(entra_sign_in_t *site, const entra_credential_t *c,
    entra_log_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));


/* entra_sign_in_accept.c */

/*
 * a->reply is the answer to an authorization or device code: checks it and
 * keeps the refresh token.  nonce: that of the ID token, NULL: it has none.
 * 0, and who it is; or -1 and err.
 */
int entra_sign_in_accept(entra_sign_in_t *site, entra_acquire_t *a,
    const char *nonce, char user[ENTRA_SIGNED_IN_USER], entra_err_t *err);


/* entra_sign_in_code.c */

void entra_sign_in_code_begin(entra_sign_in_call_t *call);
void entra_sign_in_code_callback(entra_sign_in_call_t *call,
    const entra_sign_in_request_t *request);


/* entra_sign_in_device.c */

void entra_sign_in_device_begin(entra_sign_in_call_t *call);


/* entra_sign_in_poll.c */

/* polls for the sign-in in this slot, unless somebody does */
void entra_sign_in_poll(entra_sign_in_t *site, entra_credential_t *c,
    unsigned slot);

/* takes over sign-ins that no worker polls for any more */
void entra_sign_in_poll_orphans(entra_sign_in_t *site);

void entra_sign_in_poll_free(entra_sign_in_t *site);


#endif /* ENTRA_SIGN_IN_CALL_H */
