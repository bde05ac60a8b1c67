
/*
 * Copyright (C) nginx-entra authors
 *
 * The HTML of the sign-in page.  Pure; everything that is shown is escaped.
 * No JavaScript: forms, and a meta refresh while a device code is waited for.
 */

#ifndef ENTRA_SIGN_IN_PAGE_H
#define ENTRA_SIGN_IN_PAGE_H


#include "entra_session.h"
#include "entra_str.h"


/* a credential on the page; NULL and 0 for what is not so */

typedef struct {
    const char             *name;
    const char             *type;
    const char             *client_id;
    const char             *tenant;
    char *const            *scopes;         /* what the tokens are for */
    unsigned                nscopes;
    int                     signed_in;
    const char             *user;
    int64_t                 since;
    const char             *why;        /* a sign-in is due, or NULL */
    const char             *wrong;      /* the state file, or NULL */
    const entra_session_t  *session;    /* of this browser, or NULL */
    int64_t                 left;       /* seconds until it expires */
} entra_sign_in_view_t;


/* one credential, with the form that begins a sign-in */
void entra_sign_in_view(entra_buf_t *out, const entra_sign_in_view_t *view,
    entra_str_t base, const char *csrf);

/* a page with a sentence, perhaps what to do, and a link to the page */
void entra_sign_in_message(entra_buf_t *out, const char *title,
    const char *text, const char *advice, entra_str_t base, int refresh);

/* the way to Entra: a link, taken by itself where the browser allows it */
void entra_sign_in_leave(entra_buf_t *out, const char *url, const char *host);


#endif /* ENTRA_SIGN_IN_PAGE_H */
