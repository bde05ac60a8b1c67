
/*
 * Copyright (C) nginx-entra authors
 *
 * Which credentials of the status are asked for: ?search=, ?state=, ?page=,
 * ?refresh=.  Invalid values are ignored.
 */

#include "ngx_http_entra_page.h"
#include "entra_form.h"


#define NGX_HTTP_ENTRA_SEARCH_MAX   128
#define NGX_HTTP_ENTRA_REFRESH      10          /* seconds */


static ngx_int_t ngx_http_entra_view_search(ngx_http_request_t *r,
    ngx_http_entra_view_t *view);
static ngx_uint_t ngx_http_entra_view_number(entra_str_t args,
    const char *name, int64_t max, int64_t *n);


ngx_int_t
ngx_http_entra_view(ngx_http_request_t *r, ngx_http_entra_view_t *view)
{
    int64_t       n;
    ngx_uint_t    i;
    entra_buf_t   state;
    entra_str_t   args;

    ngx_memzero(view, sizeof(ngx_http_entra_view_t));

    args.data = (char *) r->args.data;
    args.len = r->args.len;

    view->state = NGX_ERROR;

    entra_buf_init(&state, 32);

    if (entra_form_field(args, "state", &state) == 1) {
        for (i = 0; i < NGX_HTTP_ENTRA_STATES; i++) {
            if (entra_str_eq_c(entra_buf_str(&state),
                               ngx_http_entra_states[i]))
            {
                view->state = i;
            }
        }
    }

    entra_buf_free(&state);

    view->page = 1;

    if (ngx_http_entra_view_number(args, "page", 1000000, &n) && n) {
        view->page = (ngx_uint_t) n;
    }

    view->refresh = NGX_HTTP_ENTRA_REFRESH;

    if (ngx_http_entra_view_number(args, "refresh", 86400, &n)) {
        view->refresh = n ? (ngx_int_t) n : -1;
    }

    return ngx_http_entra_view_search(r, view);
}


static ngx_int_t
ngx_http_entra_view_search(ngx_http_request_t *r, ngx_http_entra_view_t *view)
{
    u_char       *p;
    ngx_int_t     rc;
    entra_buf_t   value;

    entra_buf_init(&value, NGX_HTTP_ENTRA_SEARCH_MAX + 1);
    rc = NGX_OK;

    if (entra_form_field((entra_str_t) { r->args.len, (char *) r->args.data },
                         "search", &value)
        == 1
        && entra_buf_ok(&value) && value.len)
    {
        p = ngx_pnalloc(r->pool, value.len);

        if (p) {
            ngx_strlow(p, (u_char *) value.data, value.len);
            view->search.data = p;
            view->search.len = value.len;

        } else {
            rc = NGX_ERROR;
        }
    }

    entra_buf_free(&value);

    return rc;
}


/* of 1 to max, or "off", which is 0 */

static ngx_uint_t
ngx_http_entra_view_number(entra_str_t args, const char *name, int64_t max,
    int64_t *n)
{
    ngx_uint_t   found;
    entra_buf_t  value;

    entra_buf_init(&value, 32);

    found = entra_form_field(args, name, &value) == 1;

    if (found && entra_str_eq_c(entra_buf_str(&value), "off")) {
        *n = 0;

    } else if (found) {
        found = entra_str_int(entra_buf_str(&value), n) == 0
                && *n > 0 && *n <= max;
    }

    entra_buf_free(&value);

    return found;
}


ngx_uint_t
ngx_http_entra_view_has(const ngx_http_entra_view_t *view,
    const ngx_http_entra_shown_token_t *t)
{
    size_t  n;

    if (view->state != NGX_ERROR && view->state != (ngx_int_t) t->state) {
        return 0;
    }

    n = view->search.len;

    return n == 0
           || ngx_strlcasestrn(t->credential.data,
                               t->credential.data + t->credential.len,
                               view->search.data, n - 1)
           || ngx_strlcasestrn(t->scope.data, t->scope.data + t->scope.len,
                               view->search.data, n - 1)
           || ngx_strlcasestrn((u_char *) t->type,
                               (u_char *) t->type + ngx_strlen(t->type),
                               view->search.data, n - 1);
}
