
/*
 * Copyright (C) nginx-entra authors
 *
 * A block of Conditional Access and its lines, and entra_trusted_proxies.
 */

#include "ngx_http_entra_conf.h"


static int ngx_http_entra_rule_line(ngx_conf_t *cf, void *data,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err);
static ngx_uint_t ngx_http_entra_rule_paths(void *data, ngx_str_t *name,
    ngx_uint_t n);
static int ngx_http_entra_rule_is_param(void *data, entra_str_t word);


char *
ngx_http_entra_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    char                    *rv;
    ngx_str_t               *value;
    entra_err_t              err;
    const char              *fault;
    ngx_http_entra_line_t   *line;
    ngx_http_entra_block_t   block;

    value = cf->args->elts;
    entra_err_clear(&err);
    entra_rules_where(mcf->rules, ngx_http_entra_conf_where(cf));

    if (entra_rules_begin(mcf->rules, (entra_rule_e) cmd->offset,
                          (entra_str_t) { value[1].len,
                                          (char *) value[1].data }, &err)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&block, sizeof(ngx_http_entra_block_t));

    block.data = mcf;
    block.line = ngx_http_entra_rule_line;
    block.paths = ngx_http_entra_rule_paths;
    block.is_param = ngx_http_entra_rule_is_param;

    rv = ngx_http_entra_conf_block(cf, &block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (entra_rules_end(mcf->rules, ngx_time(), &err) != 0) {
        fault = entra_rules_fault(mcf->rules);
        line = ngx_http_entra_conf_about(block.lines, err.text);

        if (fault) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s%s", err.text, fault);

        } else if (line) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s in %s:%ui", err.text,
                          line->file, line->line);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        }

        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static int
ngx_http_entra_rule_line(ngx_conf_t *cf, void *data, entra_str_t *words,
    ngx_uint_t n, entra_err_t *err)
{
    ngx_http_entra_main_conf_t *mcf = data;

    /* for what is found out later, which is never about a single address */

    if (n > 1 || words[0].len == 0 || words[0].data[0] < '0'
        || words[0].data[0] > '9')
    {
        entra_rules_where(mcf->rules, ngx_http_entra_conf_where(cf));
    }

    return entra_rules_line(mcf->rules, words, n, err);
}


/* "file PATH" and what is to be selected from it */

static ngx_uint_t
ngx_http_entra_rule_paths(void *data, ngx_str_t *name, ngx_uint_t n)
{
    return ngx_strcmp(name->data, "file") == 0 ? ngx_min(n, 2) : 0;
}


static int
ngx_http_entra_rule_is_param(void *data, entra_str_t word)
{
    ngx_http_entra_main_conf_t *mcf = data;

    return entra_rules_is_param(mcf->rules, word);
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
