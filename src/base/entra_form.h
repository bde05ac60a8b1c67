
/*
 * Copyright (C) nginx-entra authors
 *
 * What a browser sends: forms, queries and cookies.
 */

#ifndef ENTRA_FORM_H
#define ENTRA_FORM_H


#include "entra_str.h"


#define ENTRA_FORM_MAX  (32 * 1024)         /* of a query or body, bytes */


/*
 * Appends a name or value of a form, decoded.  0; or -1: a "%" without two
 * digits, a NUL, longer than out may be.
 */
int entra_form_decode(entra_str_t text, entra_buf_t *out);

/*
 * Appends the decoded value of a field of application/x-www-form-urlencoded
 * text (a body, or a query without its "?").  1: it is there; 0: it is not;
 * -1: it is a duplicate, longer than out may be, a "%" without two digits, a
 * NUL, or the text is longer than ENTRA_FORM_MAX.
 */
int entra_form_field(entra_str_t text, const char *name, entra_buf_t *out);

/*
 * The value of a cookie (RFC 6265, section 4.2.1; several Cookie headers are
 * joined by "; "), borrowed from the header.  Length 0: it is not there, or a
 * duplicate: which of them is whose cannot be told.
 */
entra_str_t entra_form_cookie(entra_str_t header, const char *name);


#endif /* ENTRA_FORM_H */
