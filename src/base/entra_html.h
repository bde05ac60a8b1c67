
/*
 * Copyright (C) nginx-entra authors
 *
 * HTML of the module's pages: one style sheet for all of them, and
 * the Content-Security-Policy that names it.  No JavaScript.
 */

#ifndef ENTRA_HTML_H
#define ENTRA_HTML_H


#include "entra_str.h"


/* entra_enc_html() of a C string */
void entra_html_c(entra_buf_t *out, const char *text);

/*
 * Begin and end of every page, <main> and <h1> included.  refresh < 0: none;
 * else after so many seconds to the URL, or to the same page for NULL.
 */
void entra_html_head(entra_buf_t *out, const char *title, int refresh,
    const char *url);
void entra_html_tail(entra_buf_t *out);

/*
 * A bar of which done of 1000 parts are filled, with a mark (< 0: none);
 * label says the same in words.
 */
void entra_html_bar(entra_buf_t *out, const char *class, int done, int mark,
    const char *label);

/* appends the value of Content-Security-Policy */
void entra_html_csp(entra_buf_t *out);


#endif /* ENTRA_HTML_H */
