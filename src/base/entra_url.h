
/*
 * Copyright (C) nginx-entra authors
 *
 * The parts of an absolute http or https URL, strictly: endpoints come from
 * environment variables and nginx.conf, and are put together with a query.
 */

#ifndef ENTRA_URL_H
#define ENTRA_URL_H


#include "entra_err.h"


#define ENTRA_URL_MAX  2048


/* borrowed from the text that was parsed */
typedef struct {
    unsigned     https:1;
    unsigned     has_query:1;
    entra_str_t  host;                  /* [::1] with its brackets */
    entra_str_t  port;                  /* digits, len 0: the scheme's */
    entra_str_t  origin;                /* https://host:port */
    entra_str_t  target;                /* path and query, may be empty */
} entra_url_t;


/*
 * Bytes of the host that the text begins with: a name or IPv4 address, or an
 * IPv6 address in brackets; 0: none.
 */
size_t entra_url_host(entra_str_t text);

/* ":1" to ":65535"; 0 and *port, which is 0 for no text; or -1 */
int entra_url_port(entra_str_t text, unsigned *port);

/*
 * RFC 3986, less: no user information, no fragment, no blanks, quotes,
 * backslashes or bytes above 0x7e; at most ENTRA_URL_MAX bytes.  0, or -1.
 */
int entra_url_parse(entra_str_t text, entra_url_t *url);

/*
 * Checks a URL that somebody configured; `what` names it in the message
 * ("IDENTITY_ENDPOINT").  0; or -1 and err (configuration), which does not
 * repeat the value: it may hold a password.
 */
int entra_url_check(const char *what, entra_str_t text, entra_url_t *url,
    entra_err_t *err);


#endif /* ENTRA_URL_H */
