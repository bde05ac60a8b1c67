
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_workspace: the workspace of a config.json, its variables, and
 * "confine".
 */

#include "ngx_http_entra_conf.h"


static void ngx_http_entra_workspace_cleanup(void *data);


char *
ngx_http_entra_workspace(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_str_t           *value;
    entra_err_t          err;
    ngx_pool_cleanup_t  *cln;

    if (lcf->workspace != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 3) {
        if (ngx_strcmp(value[2].data, "confine") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"; only \"confine\" "
                               "may follow the file", &value[2]);
            return NGX_CONF_ERROR;
        }

        lcf->confine = 1;

    } else {
        lcf->confine = 0;
    }

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(entra_workspace_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->workspace = cln->data;
    ngx_memzero(lcf->workspace, sizeof(entra_workspace_t));
    cln->handler = ngx_http_entra_workspace_cleanup;

    entra_err_clear(&err);

    if (entra_workspace_load(lcf->workspace, (char *) value[1].data, &err)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void
ngx_http_entra_workspace_cleanup(void *data)
{
    entra_workspace_free(data);
}


/* data: 0 subscription, 1 resource group, 2 name, 3 the path of all three */

ngx_int_t
ngx_http_entra_workspace_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                     *p;
    entra_buf_t                 path;
    const char                 *text;
    entra_workspace_t          *ws;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);
    ws = lcf->workspace;

    if (ws == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (data < 3) {
        text = data == 0 ? ws->subscription_id
               : data == 1 ? ws->resource_group : ws->name;

        ngx_http_entra_variable_set(v, text, ngx_strlen(text));
        return NGX_OK;
    }

    entra_buf_init(&path, ENTRA_WORKSPACE_PATH_MAX);
    entra_workspace_path(ws, &path);

    p = entra_buf_ok(&path) ? ngx_pnalloc(r->pool, path.len) : NULL;

    if (p) {
        ngx_memcpy(p, path.data, path.len);
        ngx_http_entra_variable_set(v, p, path.len);
    }

    entra_buf_free(&path);

    return p ? NGX_OK : NGX_ERROR;
}
