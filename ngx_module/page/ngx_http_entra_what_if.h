
/*
 * Copyright (C) nginx-entra authors
 */

#ifndef _NGX_HTTP_ENTRA_WHAT_IF_H_INCLUDED_
#define _NGX_HTTP_ENTRA_WHAT_IF_H_INCLUDED_


#include "ngx_http_entra_page.h"
#include "entra_what_if.h"


/* the page's begin, with the query in its fields; entra_html_tail() ends it */
void ngx_http_entra_what_if_form(ngx_http_request_t *r, entra_str_t query,
    entra_buf_t *b);
void ngx_http_entra_what_if_table(const entra_what_if_t *what_if,
    const entra_decision_t *decision, entra_buf_t *b);


#endif /* _NGX_HTTP_ENTRA_WHAT_IF_H_INCLUDED_ */
