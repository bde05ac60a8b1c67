
/*
 * Copyright (C) nginx-entra authors
 *
 * What all pages of the module have in common.
 */

#include "ngx_http_entra_page.h"
#include "entra_html.h"


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


ngx_int_t
ngx_http_entra_page_headers(ngx_http_request_t *r, ngx_uint_t html)
{
    u_char       *p;
    entra_buf_t   csp;

    if (ngx_http_entra_page_header(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_http_entra_page_header(r, "X-Content-Type-Options", "nosniff")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!html) {
        return NGX_OK;
    }

    entra_buf_init(&csp, 512);
    entra_html_csp(&csp);

    p = entra_buf_ok(&csp) ? ngx_pnalloc(r->pool, csp.len + 1) : NULL;

    if (p) {
        ngx_memcpy(p, csp.data, csp.len + 1);
    }

    entra_buf_free(&csp);

    if (p == NULL
        || ngx_http_entra_page_header(r, "Content-Security-Policy",
                                      (char *) p) != NGX_OK
        || ngx_http_entra_page_header(r, "X-Frame-Options", "DENY") != NGX_OK
        || ngx_http_entra_page_header(r, "Referrer-Policy", "no-referrer")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
