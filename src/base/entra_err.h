
/*
 * Copyright (C) nginx-entra authors
 *
 * Errors: classified once, where they are understood; logged once, by the
 * caller at the top.  No text here ever holds a token, a secret, an
 * assertion or a control character.
 */

#ifndef ENTRA_ERR_H
#define ENTRA_ERR_H


#include "entra_str.h"


typedef enum {
    ENTRA_ERR_NONE = 0,
    ENTRA_ERR_CONFIG,           /* an operator has to change something */
    ENTRA_ERR_DENIED,           /* the identity provider refuses this client */
    ENTRA_ERR_THROTTLED,        /* retry_after says for how long */
    ENTRA_ERR_TRANSIENT,        /* network, time-out, 5xx: back off, retry */
    ENTRA_ERR_PROTOCOL          /* an answer that makes no sense: retried too */
} entra_err_class_e;


/* what would make the same request for this user's token succeed */

typedef enum {
    ENTRA_REMEDY_NONE = 0,      /* it is not for the user to do something */
    ENTRA_REMEDY_SIGN_IN,       /* the grant has ended: a new sign-in */
    ENTRA_REMEDY_TOKEN,         /* the caller's token: another one */
    ENTRA_REMEDY_INTERACTION,   /* a second factor, a new password, ... */
    ENTRA_REMEDY_CONSENT,       /* to the application's permissions */
    ENTRA_REMEDY_POLICY         /* an administrator has to allow it */
} entra_remedy_e;


typedef struct {
    entra_err_class_e  class;

    /* in a chain: not configured or not there, the next one is tried */
    unsigned           unavailable:1;

    int                http_status;             /* 0: no answer */
    int64_t            retry_after;             /* seconds, -1: not given */
    uint32_t           aadsts;                  /* 0: none */
    entra_remedy_e     remedy;

    char               error[64];               /* OAuth "error" */
    char               suberror[40];            /* Entra's, or "" */
    char               correlation_id[64];
    char               trace_id[64];
    char               text[1024];              /* one line, what happened */
    const char        *advice;              /* what to do, static; or NULL */
} entra_err_t;


void entra_err_clear(entra_err_t *err);

/*
 * Sets class and text (cut to its bound, control characters replaced by a
 * space).  Keeps the other fields.  Returns -1, so that it ends a function:
 * return entra_err_set(err, ENTRA_ERR_CONFIG, "...");
 */
int entra_err_set(entra_err_t *err, entra_err_class_e class, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* the same, and marks the credential as unavailable (a chain goes on) */
int entra_err_unavailable(entra_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* transient, "no memory" */
int entra_err_no_memory(entra_err_t *err);

/* "configuration", "denied", "throttled", "transient", "protocol" */
const char *entra_err_class_name(entra_err_class_e class);

/*
 * Appends text, AADSTS code, correlation id and advice as one line for the
 * log: "<text>, AADSTS7000215, correlation id <id>; <advice>".
 */
void entra_err_line(const entra_err_t *err, entra_buf_t *out);

/* copies src into dst[size], control characters and non-ASCII replaced */
void entra_err_clean(char *dst, size_t size, entra_str_t src);

/*
 * Bytes at the beginning of s that may all be of one token or secret: letters,
 * digits and -_.~+/=%, as JWTs, base64 and what is percent-encoded have them.
 * Text from outside is searched for long words with this.
 */
size_t entra_err_word(entra_str_t s);


#endif /* ENTRA_ERR_H */
