
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_credential: the block and its lines.
 */

#include "ngx_http_entra_conf.h"
#include "entra_credential_types.h"


#define NGX_HTTP_ENTRA_WORDS  64


static char *ngx_http_entra_credential_line(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_entra_credential_policies(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential);
static char *ngx_http_entra_credential_upstreams(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential);
static char *ngx_http_entra_credential_preload(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential);
static ngx_int_t ngx_http_entra_credential_paths(ngx_conf_t *cf,
    const entra_credential_type_t *type);
static ngx_int_t ngx_http_entra_credential_name(ngx_str_t *name);
static void ngx_http_entra_credential_types(ngx_conf_t *cf, ngx_str_t *type);
static entra_credential_t *ngx_http_entra_credential_find_core(void *data,
    const char *name);


char *
ngx_http_entra_credential(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    char                           *rv;
    ngx_str_t                      *value;
    entra_str_t                     name;
    const entra_credential_type_t  *type;
    ngx_http_entra_credential_t    *credential, **c;

    value = cf->args->elts;

    if (ngx_http_entra_credential_find(mcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate credential \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_entra_credential_name(&value[1]) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a credential cannot be named \"%V\"; write up to "
                           "64 letters, digits, \"_\", \"-\" and \".\", and "
                           "not \"off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    name.data = (char *) value[2].data;
    name.len = value[2].len;

    type = entra_credential_type(name);
    if (type == NULL) {
        ngx_http_entra_credential_types(cf, &value[2]);
        return NGX_CONF_ERROR;
    }

    credential = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_credential_t));
    if (credential == NULL) {
        return NGX_CONF_ERROR;
    }

    credential->name = value[1];
    credential->preload = NGX_CONF_UNSET;
    credential->file = cf->conf_file->file.name.data;
    credential->line = cf->conf_file->line;

    if (ngx_array_init(&credential->policy_names, cf->pool, 2,
                       sizeof(ngx_str_t))
        != NGX_OK
        || ngx_array_init(&credential->tokens, cf->pool, 1, sizeof(void *))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    name.data = (char *) value[1].data;
    name.len = value[1].len;

    credential->core = entra_credential_create(type, name, mcf->env);
    if (credential->core == NULL) {
        return NGX_CONF_ERROR;
    }

    credential->core->types = entra_credential_types;
    credential->core->find = ngx_http_entra_credential_find_core;
    credential->core->find_data = mcf;

    c = ngx_array_push(&mcf->credentials);
    if (c == NULL) {
        entra_credential_free(credential->core);
        return NGX_CONF_ERROR;
    }

    *c = credential;

    credential->node.str = credential->name;
    credential->node.node.key = ngx_crc32_long(credential->name.data,
                                               credential->name.len);
    ngx_rbtree_insert(&mcf->names, &credential->node.node);

    rv = ngx_http_entra_conf_block(cf, ngx_http_entra_credential_line,
                                   credential);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (credential->policy_names.nelts == 0 && !credential->policies_none) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "credential \"%V\" has no \"policies\"; write "
                           "\"policies NAME ...;\" with the entra_policy "
                           "blocks that say who may use it, or \"policies "
                           "none;\"", &credential->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* it is part of log lines, labels of metrics and values of variables */

static ngx_int_t
ngx_http_entra_credential_name(ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    if (name->len == 0 || name->len > 64
        || ngx_strcmp(name->data, "off") == 0)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')
            && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_entra_credential_types(ngx_conf_t *cf, ngx_str_t *type)
{
    u_char      *p, names[NGX_MAX_CONF_ERRSTR / 2];
    ngx_uint_t   i;

    p = names;

    for (i = 0; entra_credential_types[i]; i++) {
        p = ngx_slprintf(p, names + sizeof(names), "%s%s", i ? ", " : "",
                         entra_credential_types[i]->name);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown credential type \"%V\"; write one of %*s",
                       type, (size_t) (p - names), names);
}


static char *
ngx_http_entra_credential_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_entra_credential_t *credential = conf;

    ngx_int_t     n;
    ngx_str_t    *value;
    entra_err_t   err;
    entra_str_t   words[NGX_HTTP_ENTRA_WORDS];

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    if (ngx_strcmp(value[0].data, "policies") == 0) {
        return ngx_http_entra_credential_policies(cf, credential);
    }

    if (ngx_strcmp(value[0].data, "upstreams") == 0) {
        return ngx_http_entra_credential_upstreams(cf, credential);
    }

    if (ngx_strcmp(value[0].data, "preload") == 0) {
        return ngx_http_entra_credential_preload(cf, credential);
    }

    if (ngx_http_entra_credential_paths(cf, credential->core->type)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_entra_conf_words(cf, words, NGX_HTTP_ENTRA_WORDS);
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    entra_err_clear(&err);

    if (entra_credential_param(credential->core, words, n, &err) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* paths are relative to nginx.conf, as those of ssl_certificate */

static ngx_int_t
ngx_http_entra_credential_paths(ngx_conf_t *cf,
    const entra_credential_type_t *type)
{
    ngx_str_t            *value;
    ngx_uint_t            i;
    const entra_param_t  *param;

    value = cf->args->elts;

    param = entra_credential_param_find(type,
                                        entra_str_c((char *) value[0].data));

    if (param == NULL
        || (param->kind != ENTRA_PARAM_FILE && param->kind != ENTRA_PARAM_FILES
            && param->kind != ENTRA_PARAM_DIR))
    {
        return NGX_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (value[i].len
            && ngx_conf_full_name(cf->cycle, &value[i], 1) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static char *
ngx_http_entra_credential_policies(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential)
{
    ngx_str_t   *value, *name;
    ngx_uint_t   i, j;

    if (cf->args->nelts < 2) {
        return "\"policies\" needs names, or \"none\"";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "none") == 0) {
            credential->policies_none = 1;
            continue;
        }

        for (j = 1; j < i; j++) {
            if (ngx_strcmp(value[i].data, value[j].data) == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate \"%V\" in \"policies\"",
                                   &value[i]);
                return NGX_CONF_ERROR;
            }
        }

        name = ngx_array_push(&credential->policy_names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    if (credential->policies_none && credential->policy_names.nelts) {
        return "\"policies none\" cannot stand beside names of policies";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_entra_credential_upstreams(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential)
{
    ngx_str_t    *value;
    ngx_uint_t    i;
    entra_err_t   err;

    if (cf->args->nelts < 2) {
        return "\"upstreams\" needs hosts";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        entra_err_clear(&err);

        if (entra_egress_add(&credential->egress,
                             (entra_str_t) { value[i].len,
                                             (char *) value[i].data }, &err)
            != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
            return NGX_CONF_ERROR;
        }
    }

    /* "upstreams verify=off;" alone leaves the default list */

    credential->upstreams = credential->egress.n != 0;

    return NGX_CONF_OK;
}


static char *
ngx_http_entra_credential_preload(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (credential->preload != NGX_CONF_UNSET) {
        return "\"preload\" is duplicate";
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "on") == 0) {
        credential->preload = 1;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        credential->preload = 0;
        return NGX_CONF_OK;
    }

    return "\"preload\" must be \"on\" or \"off\"";
}


ngx_http_entra_credential_t *
ngx_http_entra_credential_find(ngx_http_entra_main_conf_t *mcf,
    ngx_str_t *name)
{
    ngx_str_node_t  *node;

    node = ngx_str_rbtree_lookup(&mcf->names, name,
                                 ngx_crc32_long(name->data, name->len));

    return node ? ngx_http_entra_of(node, ngx_http_entra_credential_t, node)
                : NULL;
}


static entra_credential_t *
ngx_http_entra_credential_find_core(void *data, const char *name)
{
    ngx_str_t                     text;
    ngx_http_entra_credential_t  *credential;

    text.data = (u_char *) name;
    text.len = ngx_strlen(name);

    credential = ngx_http_entra_credential_find(data, &text);

    return credential ? credential->core : NULL;
}
