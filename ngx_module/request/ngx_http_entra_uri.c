
/*
 * Copyright (C) nginx-entra authors
 *
 * The request line that the upstream will get, before nginx makes it: what
 * the decision is about has to be what is sent.  Follows
 * ngx_http_proxy_create_request().
 */

#include "ngx_http_entra_request.h"


static ngx_int_t ngx_http_entra_uri_variable(ngx_http_request_t *r,
    ngx_http_entra_pass_t *pass, ngx_str_t *base);
static ngx_int_t ngx_http_entra_uri_rewritten(ngx_http_request_t *r,
    ngx_str_t *base, size_t location, ngx_str_t *uri);


/* NGX_AGAIN: it depends on variables, which are not final yet */

ngx_int_t
ngx_http_entra_upstream_uri(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf, ngx_uint_t early, ngx_str_t *uri)
{
    size_t                  location;
    ngx_str_t               base;
    ngx_http_entra_pass_t  *pass;

    pass = lcf->sent.pass;
    ngx_str_null(&base);

    if (pass && pass->variables && pass->value) {

        if (early) {
            return NGX_AGAIN;
        }

        if (ngx_http_entra_uri_variable(r, pass, &base) != NGX_OK) {
            return NGX_ERROR;
        }

        if (base.len) {
            *uri = base;
            return NGX_OK;
        }

    } else if (pass) {
        base = pass->uri;
    }

    if (base.len == 0 && r->valid_unparsed_uri) {
        *uri = r->unparsed_uri;
        return NGX_OK;
    }

    location = r->valid_location && base.len ? pass->location.len : 0;

    if (!r->valid_location) {
        ngx_str_null(&base);
    }

    return ngx_http_entra_uri_rewritten(r, &base, location, uri);
}


/* the URI part of what proxy_pass evaluates to, as ngx_http_proxy_eval() */

static ngx_int_t
ngx_http_entra_uri_variable(ngx_http_request_t *r,
    ngx_http_entra_pass_t *pass, ngx_str_t *base)
{
    u_char     *p, *last;
    ngx_str_t   url;

    if (ngx_http_complex_value(r, pass->value, &url) != NGX_OK) {
        return NGX_ERROR;
    }

    last = url.data + url.len;

    if (url.len > 8 && ngx_strncasecmp(url.data, (u_char *) "https://", 8) == 0)
    {
        p = url.data + 8;

    } else if (url.len > 7
               && ngx_strncasecmp(url.data, (u_char *) "http://", 7) == 0)
    {
        p = url.data + 7;

    } else {
        return NGX_ERROR;
    }

    if (last - p > 5 && ngx_strncasecmp(p, (u_char *) "unix:", 5) == 0) {
        p = ngx_strlchr(p + 5, last, ':');
        p = p ? p + 1 : last;

    } else {
        while (p < last && *p != '/' && *p != '?') {
            p++;
        }
    }

    if (p == last) {
        return NGX_OK;
    }

    if (*p == '/') {
        base->data = p;
        base->len = last - p;
        return NGX_OK;
    }

    base->len = last - p + 1;
    base->data = ngx_pnalloc(r->pool, base->len);
    if (base->data == NULL) {
        return NGX_ERROR;
    }

    base->data[0] = '/';
    ngx_memcpy(base->data + 1, p, last - p);

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_uri_rewritten(ngx_http_request_t *r, ngx_str_t *base,
    size_t location, ngx_str_t *uri)
{
    size_t      rest;
    u_char     *p;
    uintptr_t   escape;

    if (location > r->uri.len) {
        return NGX_ERROR;
    }

    rest = r->uri.len - location;
    escape = 0;

    if (r->quoted_uri || r->internal) {
        escape = 2 * ngx_escape_uri(NULL, r->uri.data + location, rest,
                                    NGX_ESCAPE_URI);
    }

    p = ngx_pnalloc(r->pool, base->len + rest + escape + 1 + r->args.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    uri->data = p;

    if (base->len) {
        p = ngx_cpymem(p, base->data, base->len);
    }

    if (escape) {
        p = (u_char *) ngx_escape_uri(p, r->uri.data + location, rest,
                                      NGX_ESCAPE_URI);

    } else {
        p = ngx_cpymem(p, r->uri.data + location, rest);
    }

    if (r->args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    uri->len = p - uri->data;

    return uri->len ? NGX_OK : NGX_ERROR;
}
