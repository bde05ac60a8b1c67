
/*
 * Copyright (C) nginx-entra authors
 *
 * Adds a header to a page; ngx_http_entra_answer_text() adds those that all
 * pages have.
 */

#include "ngx_http_entra_page.h"


ngx_int_t
ngx_http_entra_page_header(ngx_http_request_t *r, const char *key,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_http_entra_header_next(h);
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}
