
/*
 * Copyright (C) nginx-entra authors
 *
 * A block of Conditional Access and its lines, and entra_trusted_proxies.
 */

#include "ngx_http_entra_conf.h"


#define NGX_HTTP_ENTRA_WORDS  512


static ngx_int_t ngx_http_entra_rule_where(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_str_t *name);
static char *ngx_http_entra_rule_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);


char *
ngx_http_entra_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    char         *rv;
    ngx_str_t    *value;
    entra_err_t   err;

    value = cf->args->elts;
    entra_err_clear(&err);

    if (entra_rules_begin(mcf->rules, (entra_rule_e) cmd->offset,
                          (entra_str_t) { value[1].len,
                                          (char *) value[1].data }, &err)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_entra_rule_where(cf, mcf, &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_entra_conf_block(cf, ngx_http_entra_rule_line, mcf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (entra_rules_end(mcf->rules, ngx_time(), &err) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* for what is found out only when all blocks have been read */

static ngx_int_t
ngx_http_entra_rule_where(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_str_t *name)
{
    u_char          *where;
    entra_policy_t  *policy;

    policy = entra_rules_policy(mcf->rules,
                                (entra_str_t) { name->len,
                                                (char *) name->data });

    if (policy == NULL || policy->where) {
        return NGX_OK;
    }

    where = ngx_pnalloc(cf->pool, sizeof(" in :") + NGX_INT_T_LEN
                                  + cf->conf_file->file.name.len);
    if (where == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(where, " in %V:%ui%Z", &cf->conf_file->file.name,
                cf->conf_file->line);
    policy->where = (char *) where;

    return NGX_OK;
}


static char *
ngx_http_entra_rule_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    ngx_int_t     n;
    ngx_str_t    *value;
    entra_err_t   err;
    entra_str_t   words[NGX_HTTP_ENTRA_WORDS];

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    if (ngx_strcmp(value[0].data, "file") == 0 && cf->args->nelts > 1
        && value[1].len
        && ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_entra_conf_words(cf, words, NGX_HTTP_ENTRA_WORDS);
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    entra_err_clear(&err);

    if (entra_rules_line(mcf->rules, words, n, &err) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_entra_trusted_proxies(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    ngx_str_t    *value;
    ngx_uint_t    i;
    entra_err_t   err;

    if (!mcf->address.has_trusted_proxies) {
        entra_cidr_set_init(&mcf->address.trusted_proxies);
        mcf->address.has_trusted_proxies = 1;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        entra_err_clear(&err);

        if (ngx_strcmp(value[i].data, "unix") == 0) {
            mcf->address.trusted_proxies.unix_socket = 1;
            continue;
        }

        if (entra_cidr_set_add(&mcf->address.trusted_proxies,
                               (entra_str_t) { value[i].len,
                                               (char *) value[i].data }, &err)
            != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "entra_trusted_proxies: "
                               "%s", err.text);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
