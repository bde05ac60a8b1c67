
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_credential: the block and its lines.
 */

#include "ngx_http_entra_conf.h"
#include "entra_credential_types.h"


static char *ngx_http_entra_credential_read(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential);
static int ngx_http_entra_credential_line(ngx_conf_t *cf, void *data,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err);
static ngx_uint_t ngx_http_entra_credential_paths(void *data, ngx_str_t *name,
    ngx_uint_t n);
static int ngx_http_entra_credential_is_param(void *data, entra_str_t word);
static ngx_uint_t ngx_http_entra_credential_names(ngx_str_t *name);
static int ngx_http_entra_credential_policies(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential, entra_str_t *words,
    ngx_uint_t n, entra_err_t *err);
static int ngx_http_entra_credential_upstreams(
    ngx_http_entra_credential_t *credential, entra_str_t *words, ngx_uint_t n,
    entra_err_t *err);
static int ngx_http_entra_credential_preload(
    ngx_http_entra_credential_t *credential, entra_str_t *words, ngx_uint_t n,
    entra_err_t *err);
static ngx_int_t ngx_http_entra_credential_name(ngx_str_t *name);
static void ngx_http_entra_credential_types(ngx_conf_t *cf, ngx_str_t *type);
static entra_credential_t *ngx_http_entra_credential_find_core(void *data,
    const char *name);
static void ngx_http_entra_credential_offer(void *data, entra_suggest_t *s);


char *
ngx_http_entra_credential(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

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
    credential->core->offer = ngx_http_entra_credential_offer;
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

    return ngx_http_entra_credential_read(cf, credential);
}


static char *
ngx_http_entra_credential_read(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential)
{
    char                    *rv;
    ngx_http_entra_block_t   block;

    ngx_memzero(&block, sizeof(ngx_http_entra_block_t));

    block.data = credential;
    block.line = ngx_http_entra_credential_line;
    block.paths = ngx_http_entra_credential_paths;
    block.is_param = ngx_http_entra_credential_is_param;
    block.names = ngx_http_entra_credential_names;

    rv = ngx_http_entra_conf_block(cf, &block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    credential->lines = block.lines;

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
    u_char           *p, names[NGX_MAX_CONF_ERRSTR / 2];
    ngx_uint_t        i;
    entra_suggest_t   s;

    entra_suggest_begin(&s, (entra_str_t) { type->len, (char *) type->data });
    p = names;

    for (i = 0; entra_credential_types[i]; i++) {
        entra_suggest_offer(&s, entra_str_c(entra_credential_types[i]->name));
    }

    if (s.name.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown credential type \"%V\", did you mean "
                           "\"%*s\"?", type, s.name.len, s.name.data);
        return;
    }

    for (i = 0; entra_credential_types[i]; i++) {
        p = ngx_slprintf(p, names + sizeof(names), "%s%s", i ? ", " : "",
                         entra_credential_types[i]->name);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown credential type \"%V\"; write one of %*s",
                       type, (size_t) (p - names), names);
}


static int
ngx_http_entra_credential_line(ngx_conf_t *cf, void *data, entra_str_t *words,
    ngx_uint_t n, entra_err_t *err)
{
    ngx_http_entra_credential_t *credential = data;

    if (entra_str_eq_c(words[0], "policies")) {
        return ngx_http_entra_credential_policies(cf, credential, words, n,
                                                  err);
    }

    if (entra_str_eq_c(words[0], "upstreams")) {
        return ngx_http_entra_credential_upstreams(credential, words, n, err);
    }

    if (entra_str_eq_c(words[0], "preload")) {
        return ngx_http_entra_credential_preload(credential, words, n, err);
    }

    return entra_credential_param(credential->core, words, n, err);
}


static ngx_uint_t
ngx_http_entra_credential_paths(void *data, ngx_str_t *name, ngx_uint_t n)
{
    const entra_param_t          *param;
    ngx_http_entra_credential_t  *credential = data;

    param = entra_credential_param_find(credential->core->type,
                                        entra_str_c((char *) name->data));

    return param && (param->kind == ENTRA_PARAM_FILE
                     || param->kind == ENTRA_PARAM_FILES
                     || param->kind == ENTRA_PARAM_DIR)
           ? n : 0;
}


static int
ngx_http_entra_credential_is_param(void *data, entra_str_t word)
{
    ngx_http_entra_credential_t *credential = data;

    return entra_credential_is_param(credential->core, word);
}


static ngx_uint_t
ngx_http_entra_credential_names(ngx_str_t *name)
{
    return ngx_strcmp(name->data, "policies") == 0
           || ngx_strcmp(name->data, "use") == 0;
}


static int
ngx_http_entra_credential_policies(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential, entra_str_t *words,
    ngx_uint_t n, entra_err_t *err)
{
    ngx_str_t   *name;
    ngx_uint_t   i, j;

    if (n < 2) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"policies\" needs names, or \"none\"");
    }

    for (i = 1; i < n; i++) {

        if (entra_str_eq_c(words[i], "none")) {
            credential->policies_none = 1;
            continue;
        }

        for (j = 1; j < i; j++) {
            if (entra_str_eq(words[i], words[j])) {
                return entra_err_set(err, ENTRA_ERR_CONFIG,
                                     "duplicate \"%.*s\" in \"policies\"",
                                     (int) words[i].len, words[i].data);
            }
        }

        name = ngx_array_push(&credential->policy_names);
        if (name == NULL) {
            return entra_err_no_memory(err);
        }

        name->data = (u_char *) words[i].data;
        name->len = words[i].len;
    }

    if (credential->policies_none && credential->policy_names.nelts) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"policies none\" cannot stand beside names of "
                             "policies");
    }

    return 0;
}


static int
ngx_http_entra_credential_upstreams(ngx_http_entra_credential_t *credential,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err)
{
    ngx_uint_t  i;

    if (n < 2) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"upstreams\" needs hosts");
    }

    for (i = 1; i < n; i++) {
        if (entra_egress_add(&credential->egress, words[i], err) != 0) {
            return -1;
        }
    }

    /* "upstreams verify=off;" alone leaves the default list */

    credential->upstreams = credential->egress.n != 0;

    return 0;
}


static int
ngx_http_entra_credential_preload(ngx_http_entra_credential_t *credential,
    entra_str_t *words, ngx_uint_t n, entra_err_t *err)
{
    if (credential->preload != NGX_CONF_UNSET) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "\"preload\" is duplicate");
    }

    if (n == 2 && entra_str_eq_c(words[1], "on")) {
        credential->preload = 1;
        return 0;
    }

    if (n == 2 && entra_str_eq_c(words[1], "off")) {
        credential->preload = 0;
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"preload\" must be \"on\" or \"off\"");
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
    if (credential == NULL) {
        return NULL;
    }

    credential->used = 1;

    return credential->core;
}


/* ", did you mean "NAME"?" of an unknown one, or empty */

char *
ngx_http_entra_credential_meant(ngx_http_entra_main_conf_t *mcf,
    ngx_str_t *name, char *text)
{
    entra_suggest_t  s;

    entra_suggest_begin(&s, (entra_str_t) { name->len, (char *) name->data });
    ngx_http_entra_credential_offer(mcf, &s);

    (void) entra_suggest_text(&s, text);

    return text;
}


static void
ngx_http_entra_credential_offer(void *data, entra_suggest_t *s)
{
    ngx_uint_t                     i;
    ngx_http_entra_credential_t  **c;
    ngx_http_entra_main_conf_t    *mcf = data;

    c = mcf->credentials.elts;

    for (i = 0; i < mcf->credentials.nelts; i++) {
        entra_suggest_offer(s, (entra_str_t) { c[i]->name.len,
                                               (char *) c[i]->name.data });
    }
}
