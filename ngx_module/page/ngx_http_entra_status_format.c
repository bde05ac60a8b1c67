
/*
 * Copyright (C) nginx-entra authors
 *
 * In which form the status is asked for: "format" of the query, or Accept
 * (RFC 9110, section 12.5.1).
 */

#include "ngx_http_entra_page.h"


static void ngx_http_entra_accept(entra_str_t value, ngx_int_t *best,
    ngx_http_entra_format_e *format);
static ngx_http_entra_format_e ngx_http_entra_accept_type(entra_str_t type);
static ngx_int_t ngx_http_entra_accept_quality(entra_str_t params);


ngx_http_entra_format_e
ngx_http_entra_status_format(ngx_http_request_t *r)
{
    ngx_int_t                 best;
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_list_part_t          *part;
    ngx_table_elt_t          *h;
    ngx_http_entra_format_e   format;

    if (ngx_http_arg(r, (u_char *) "format", 6, &value) == NGX_OK) {

        if (value.len == 10 && ngx_strncmp(value.data, "prometheus", 10) == 0)
        {
            return NGX_HTTP_ENTRA_PROMETHEUS;
        }

        if (value.len == 4 && ngx_strncmp(value.data, "html", 4) == 0) {
            return NGX_HTTP_ENTRA_HTML;
        }

        return value.len == 4 && ngx_strncmp(value.data, "json", 4) == 0
               ? NGX_HTTP_ENTRA_JSON : NGX_HTTP_ENTRA_UNKNOWN;
    }

    format = NGX_HTTP_ENTRA_JSON;
    best = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == 6
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Accept", 6) == 0)
            {
                ngx_http_entra_accept((entra_str_t) { h[i].value.len,
                                          (char *) h[i].value.data },
                                      &best, &format);
            }
        }
    }

    return format;
}


/* of the same quality the first one, as a browser writes them */

static void
ngx_http_entra_accept(entra_str_t value, ngx_int_t *best,
    ngx_http_entra_format_e *format)
{
    ngx_int_t                quality;
    entra_str_t              range, type;
    ngx_http_entra_format_e  one;

    while (value.len) {
        range = entra_str_cut(&value, ',');
        type = entra_str_trim(entra_str_cut(&range, ';'));

        one = ngx_http_entra_accept_type(type);
        quality = ngx_http_entra_accept_quality(range);

        if (one != NGX_HTTP_ENTRA_UNKNOWN && quality > *best) {
            *best = quality;
            *format = one;
        }
    }
}


static ngx_http_entra_format_e
ngx_http_entra_accept_type(entra_str_t type)
{
    ngx_uint_t  i;

    static const struct {
        const char               *type;
        ngx_http_entra_format_e   format;
    } types[] = {
        { "application/json", NGX_HTTP_ENTRA_JSON },
        { "application/*", NGX_HTTP_ENTRA_JSON },
        { "*/*", NGX_HTTP_ENTRA_JSON },
        { "text/html", NGX_HTTP_ENTRA_HTML },
        { "application/xhtml+xml", NGX_HTTP_ENTRA_HTML },
        { "text/plain", NGX_HTTP_ENTRA_PROMETHEUS },
        { "application/openmetrics-text", NGX_HTTP_ENTRA_PROMETHEUS }
    };

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (ngx_strlen(types[i].type) == type.len
            && ngx_strncasecmp((u_char *) types[i].type, (u_char *) type.data,
                               type.len)
               == 0)
        {
            return types[i].format;
        }
    }

    return NGX_HTTP_ENTRA_UNKNOWN;
}


/* in thousandths; one that cannot be read counts as 1 */

static ngx_int_t
ngx_http_entra_accept_quality(entra_str_t params)
{
    ngx_int_t    quality;
    entra_str_t  param;

    while (params.len) {
        param = entra_str_trim(entra_str_cut(&params, ';'));

        if (param.len < 3 || (param.data[0] | 0x20) != 'q'
            || param.data[1] != '=')
        {
            continue;
        }

        quality = ngx_atofp((u_char *) param.data + 2, param.len - 2, 3);

        return quality == NGX_ERROR ? 1000 : ngx_min(quality, 1000);
    }

    return 1000;
}
