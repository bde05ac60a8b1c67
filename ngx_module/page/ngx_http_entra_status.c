
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status: the status in three forms; ready and live for load balancers
 * and orchestrators.
 */

#include "ngx_http_entra_page.h"
#include "entra_enc.h"


/* 10,000 credentials in any form */
#define NGX_HTTP_ENTRA_STATUS_MAX  (96 * 1024 * 1024)


static char *ngx_http_entra_status_names_of(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_status_live(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_status_show(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_status_ready(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_uint_t ngx_http_entra_status_wanted(
    ngx_http_entra_loc_conf_t *lcf, const ngx_http_entra_shown_token_t *t);
static ngx_int_t ngx_http_entra_status_ready_answer(ngx_http_request_t *r,
    entra_buf_t *list, ngx_uint_t missing);


char *
ngx_http_entra_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    char                      *rc;
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    ngx_http_entra_page_at(cf, lcf, "entra_status");

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "live") == 0) {
        lcf->page.live = 1;

    } else if (cf->args->nelts > 1) {

        if (ngx_strcmp(value[1].data, "ready") != 0) {
            return "takes no parameter, \"live\", or \"ready\" and names of "
                   "credentials";
        }

        rc = ngx_http_entra_status_names_of(cf, lcf);

        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_entra_status_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_entra_status_names_of(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    value = cf->args->elts;
    lcf->page.ready = 1;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    lcf->page.ready_names = ngx_array_create(cf->pool, cf->args->nelts,
                                        sizeof(ngx_str_t));
    if (lcf->page.ready_names == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        name = ngx_array_push(lcf->page.ready_names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_entra_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_entra_loc_conf_t  *lcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (lcf->page.live) {
        return ngx_http_entra_status_live(r);
    }

    return lcf->page.ready ? ngx_http_entra_status_ready(r, lcf)
                      : ngx_http_entra_status_show(r);
}


/* a worker answers: that is all */

static ngx_int_t
ngx_http_entra_status_live(ngx_http_request_t *r)
{
    ngx_int_t    rc;
    entra_buf_t  b;

    entra_buf_init(&b, 64);
    entra_buf_add_c(&b, "{\"live\":true}\n");

    rc = ngx_http_entra_answer_text(r, NGX_HTTP_OK, "application/json", &b);

    entra_buf_free(&b);

    return rc;
}


static ngx_int_t
ngx_http_entra_status_show(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    entra_buf_t                 b;
    ngx_uint_t                  status;
    const char                 *type;
    ngx_http_entra_view_t       view;
    ngx_http_entra_format_e     format;
    ngx_http_entra_snapshot_t  *s;

    format = ngx_http_entra_status_format(r);
    s = ngx_http_entra_snapshot(r, format == NGX_HTTP_ENTRA_HTML);

    if (s == NULL || ngx_http_entra_view(r, &view) != NGX_OK
        || ngx_http_entra_page_header(r, "Vary", "Accept") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    entra_buf_init(&b, NGX_HTTP_ENTRA_STATUS_MAX);
    status = NGX_HTTP_OK;

    switch (format) {

    case NGX_HTTP_ENTRA_PROMETHEUS:
        ngx_http_entra_status_prometheus(s, &b);
        type = "text/plain; version=0.0.4; charset=utf-8";
        break;

    case NGX_HTTP_ENTRA_HTML:
        ngx_http_entra_status_html(s, &view, &b);
        type = "text/html; charset=utf-8";
        break;

    case NGX_HTTP_ENTRA_UNKNOWN:
        entra_buf_add_c(&b, "{\"type\":\"about:blank\",\"title\":\"Bad "
                        "Request\",\"status\":400,\"detail\":\"format is json, "
                        "prometheus or html\"}\n");
        type = "application/problem+json";
        status = NGX_HTTP_BAD_REQUEST;
        break;

    default:
        ngx_http_entra_status_json(s, &view, &b);
        type = "application/json";
    }

    rc = ngx_http_entra_answer_text(r, status, type, &b);

    entra_buf_free(&b);

    return rc;
}


static ngx_int_t
ngx_http_entra_status_ready(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf)
{
    ngx_int_t                      rc;
    ngx_uint_t                     i, missing;
    entra_buf_t                    b;
    ngx_http_entra_snapshot_t     *s;
    ngx_http_entra_shown_token_t  *t;

    s = ngx_http_entra_snapshot(r, 0);

    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    missing = 0;

    entra_buf_init(&b, NGX_HTTP_ENTRA_STATUS_MAX);
    entra_buf_add_c(&b, "\"not_ready\":[");

    for (i = 0; i <= s->ntokens; i++) {
        t = i < s->ntokens ? &s->tokens[i] : s->keys;

        if (t == NULL || t->usable || !ngx_http_entra_status_wanted(lcf, t)) {
            continue;
        }

        entra_buf_addf(&b, "%s{\"credential\":", missing++ ? "," : "");
        entra_enc_json(&b, (entra_str_t) { t->credential.len,
                                           (char *) t->credential.data });
        entra_buf_add_c(&b, ",\"scope\":");
        entra_enc_json(&b, (entra_str_t) { t->scope.len,
                                           (char *) t->scope.data });
        entra_buf_addf(&b, ",\"state\":\"%s\",",
                       ngx_http_entra_states[t->state]);
        ngx_http_entra_status_json_error(t->error, &b);
        entra_buf_add_char(&b, '}');
    }

    entra_buf_add_char(&b, ']');

    rc = ngx_http_entra_status_ready_answer(r, &b, missing);

    entra_buf_free(&b);

    return rc;
}


/* does readiness require it?  With names, only those are required. */

static ngx_uint_t
ngx_http_entra_status_wanted(ngx_http_entra_loc_conf_t *lcf,
    const ngx_http_entra_shown_token_t *t)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (!t->preload || lcf->page.ready_names == NULL) {
        return t->preload;
    }

    name = lcf->page.ready_names->elts;

    for (i = 0; i < lcf->page.ready_names->nelts; i++) {
        if (!t->is_keys && name[i].len == t->credential.len
            && ngx_memcmp(name[i].data, t->credential.data, name[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_entra_status_ready_answer(ngx_http_request_t *r, entra_buf_t *list,
    ngx_uint_t missing)
{
    ngx_int_t    rc;
    entra_buf_t  b;

    if (missing
        && ngx_http_entra_page_header(r, "Retry-After", "1") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    entra_buf_init(&b, NGX_HTTP_ENTRA_STATUS_MAX);

    entra_buf_addf(&b, "{\"ready\":%s,", missing ? "false" : "true");
    entra_buf_add_str(&b, entra_buf_str(list));
    entra_buf_add_c(&b, "}\n");

    rc = ngx_http_entra_answer_text(r, missing ? NGX_HTTP_SERVICE_UNAVAILABLE
                                               : NGX_HTTP_OK,
                                    "application/json", &b);
    entra_buf_free(&b);

    return rc;
}
