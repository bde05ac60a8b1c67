
/*
 * Copyright (C) nginx-entra authors
 *
 * Configuration structures, their inheritance, and the simple directives.
 */

#include "entra_ascii.h"
#include "ngx_http_entra_conf.h"


static void ngx_http_entra_cleanup_main_conf(void *data);
static ngx_int_t ngx_http_entra_merge_names(ngx_conf_t *cf,
    ngx_array_t **conf, ngx_array_t *prev);
static ngx_int_t ngx_http_entra_zone_add(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);


ngx_conf_enum_t  ngx_http_entra_path_modes[] = {
    { ngx_string("strict"), 0 },
    { ngx_string("raw"), 1 },
    { ngx_null_string, 0 }
};


void *
ngx_http_entra_create_main_conf(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->credentials, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&mcf->tokens, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&mcf->auths, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&mcf->locations, cf->pool, 8,
                          sizeof(ngx_http_entra_location_t))
           != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_entra_cleanup_main_conf;
    cln->data = mcf;

    mcf->env = entra_env_create(NULL, 1);
    mcf->rules = entra_rules_create();

    if (mcf->env == NULL || mcf->rules == NULL) {
        return NULL;
    }

    mcf->address.peer_index = NGX_ERROR;
    mcf->provider.connect_timeout = NGX_CONF_UNSET_MSEC;
    mcf->provider.fetch_timeout = NGX_CONF_UNSET_MSEC;
    mcf->config = (uint32_t) ngx_random() ^ (uint32_t) ngx_time();

    return mcf;
}


static void
ngx_http_entra_cleanup_main_conf(void *data)
{
    ngx_http_entra_main_conf_t  *mcf = data;

    ngx_uint_t                     i;
    ngx_http_entra_token_t       **token;
    ngx_http_entra_credential_t  **credential;

    ngx_http_entra_observe_end(mcf);

    credential = mcf->credentials.elts;

    for (i = 0; i < mcf->credentials.nelts; i++) {
        entra_credential_free(credential[i]->core);
        entra_egress_free(&credential[i]->egress);
    }

    token = mcf->tokens.elts;

    for (i = 0; i < mcf->tokens.nelts; i++) {
        entra_egress_free(&token[i]->known);
    }

    entra_rules_free(mcf->rules);

    if (mcf->address.has_trusted_proxies) {
        entra_cidr_set_free(&mcf->address.trusted_proxies);
    }

    entra_env_free(mcf->env);
}


char *
ngx_http_entra_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_entra_main_conf_t  *mcf = conf;

    ngx_conf_init_msec_value(mcf->provider.connect_timeout, 3000);
    ngx_conf_init_msec_value(mcf->provider.fetch_timeout, 10000);

    if (mcf->credentials.nelts == 0 && mcf->keys == NULL
        && mcf->auths.nelts == 0)
    {
        return NGX_CONF_OK;
    }

    return ngx_http_entra_zone_add(cf, mcf) == NGX_OK ? NGX_CONF_OK
                                                      : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_entra_zone_add(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    if (mcf->shared.name.len == 0) {
        ngx_str_set(&mcf->shared.name, "entra");
        mcf->shared.size = 2 * 1024 * 1024;
    }

    mcf->shared.zone = ngx_shared_memory_add(cf, &mcf->shared.name,
                                             mcf->shared.size,
                                             &ngx_http_entra_module);
    if (mcf->shared.zone == NULL) {
        return NGX_ERROR;
    }

    if (mcf->shared.zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" of \"entra_shared_zone\" is already "
                           "used; choose another name", &mcf->shared.name);
        return NGX_ERROR;
    }

    mcf->shared.zone->init = ngx_http_entra_zone_init;
    mcf->shared.zone->data = ngx_http_entra_zone_create(cf);

    return mcf->shared.zone->data ? NGX_OK : NGX_ERROR;
}


void *
ngx_http_entra_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->auth = NGX_CONF_UNSET_PTR;
    lcf->wait = NGX_CONF_UNSET_MSEC;
    lcf->replay = NGX_CONF_UNSET;
    lcf->path_raw = NGX_CONF_UNSET_UINT;
    lcf->workspace = NGX_CONF_UNSET_PTR;
    lcf->confine = NGX_CONF_UNSET_UINT;
    lcf->sent.method = NGX_CONF_UNSET_PTR;
    lcf->sent.pass_headers = NGX_CONF_UNSET;
    lcf->second_tokens = NGX_CONF_UNSET_PTR;

    return lcf;
}


char *
ngx_http_entra_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_entra_loc_conf_t  *prev = parent;
    ngx_http_entra_loc_conf_t  *conf = child;

    ngx_uint_t                   i;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_entra_location_t   *location;
    ngx_http_entra_main_conf_t  *mcf;

    ngx_conf_merge_ptr_value(conf->auth, prev->auth, NULL);
    ngx_conf_merge_ptr_value(conf->second_tokens, prev->second_tokens, NULL);
    ngx_conf_merge_msec_value(conf->wait, prev->wait, 3000);
    ngx_conf_merge_value(conf->replay, prev->replay, 1);
    ngx_conf_merge_uint_value(conf->path_raw, prev->path_raw, 0);
    ngx_conf_merge_ptr_value(conf->workspace, prev->workspace, NULL);
    ngx_conf_merge_uint_value(conf->confine, prev->confine, 0);
    ngx_conf_merge_ptr_value(conf->sent.method, prev->sent.method, NULL);
    ngx_conf_merge_value(conf->sent.pass_headers, prev->sent.pass_headers, 1);

    if (ngx_http_entra_merge_names(cf, &conf->policy_names, prev->policy_names)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* as proxy_set_header: one at this level hides those of the level above */

    if (conf->sent.headers == 0) {
        conf->sent.deployment = prev->sent.deployment;
        conf->sent.deployments = prev->sent.deployments;
        conf->sent.blanked = prev->sent.blanked;
        conf->sent.forwarded = prev->sent.forwarded;
    }

    for (i = 0; i < 2; i++) {
        if (!(conf->sent.headers & (NGX_HTTP_ENTRA_PROXY << i))) {
            conf->sent.host[i] = prev->sent.host[i];
            conf->sent.authorization[i] = prev->sent.authorization[i];
        }
    }

    conf->sent.with_token |= prev->sent.with_token & ~conf->sent.headers;
    conf->sent.ssl_verify |= prev->sent.ssl_verify & ~conf->sent.ssl_verify_set;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" blocks inherit the handler, nothing else does */

    if (conf->sent.pass == NULL && clcf->noname) {
        conf->sent.pass = prev->sent.pass;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    location = ngx_array_push(&mcf->locations);
    if (location == NULL) {
        return NGX_CONF_ERROR;
    }

    location->cscf = ngx_http_conf_get_module_srv_conf(cf,
                                                       ngx_http_core_module);
    location->clcf = clcf;
    location->lcf = conf;

    return NGX_CONF_OK;
}


/* entra_policies add up: a location cannot shake off those of its server */

static ngx_int_t
ngx_http_entra_merge_names(ngx_conf_t *cf, ngx_array_t **conf,
    ngx_array_t *prev)
{
    ngx_str_t   *names;
    ngx_array_t  *all;

    if (prev == NULL) {
        return NGX_OK;
    }

    if (*conf == NULL) {
        *conf = prev;
        return NGX_OK;
    }

    all = ngx_array_create(cf->pool, prev->nelts + (*conf)->nelts,
                           sizeof(ngx_str_t));
    if (all == NULL) {
        return NGX_ERROR;
    }

    names = ngx_array_push_n(all, prev->nelts);
    ngx_memcpy(names, prev->elts, prev->nelts * sizeof(ngx_str_t));

    names = ngx_array_push_n(all, (*conf)->nelts);
    ngx_memcpy(names, (*conf)->elts, (*conf)->nelts * sizeof(ngx_str_t));

    *conf = all;

    return NGX_OK;
}


char *
ngx_http_entra_names(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_str_t    *value, *name;
    ngx_uint_t    i;
    ngx_array_t  **names;

    names = &lcf->policy_names;

    if (*names == NULL) {
        *names = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (*names == NULL) {
            return NGX_CONF_ERROR;
        }

        lcf->file = cf->conf_file->file.name.data;
        lcf->line = cf->conf_file->line;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        name = ngx_array_push(*names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_http_entra_shared_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    u_char     *colon;
    ssize_t     size;
    ngx_str_t  *value, text;

    if (mcf->shared.name.len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    text = value[1];

    if (text.len > 5 && ngx_strncmp(text.data, "zone=", 5) == 0) {
        text.data += 5;
        text.len -= 5;

        colon = (u_char *) ngx_strchr(text.data, ':');

        if (colon && colon != text.data) {
            mcf->shared.name.data = text.data;
            mcf->shared.name.len = colon - text.data;

            text.len -= mcf->shared.name.len + 1;
            text.data = colon + 1;

            size = ngx_parse_size(&text);

            if (size >= (ssize_t) (16 * ngx_pagesize)) {
                mcf->shared.size = size;
                return NGX_CONF_OK;
            }

            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid zone size in \"%V\"; write at least "
                               "%uzk, for example zone=entra:2m", &value[1],
                               16 * ngx_pagesize / 1024);
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\"; write zone=NAME:SIZE, for "
                       "example zone=entra:2m", &value[1]);

    return NGX_CONF_ERROR;
}


static const entra_file_want_t  ngx_http_entra_proxy_want = {
    .form = ENTRA_FORM_PASSWORD,
    .what = "the proxy's USER:PASSWORD only",
    .pem = "certificates for the proxy are not supported"
};


/* URL becomes SCHEME://USER:PASSWORD@HOST, encoded; read here, as root */

static char *
ngx_http_entra_proxy_credentials(ngx_conf_t *cf, ngx_str_t *url,
    ngx_str_t *name)
{
    u_char        *p, *host;
    size_t         i;
    entra_str_t    text;
    entra_err_t    err;
    entra_buf_t    b;
    entra_file_t   file;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK
        || entra_file_init(&file, (char *) name->data, 4096) != 0)
    {
        return NGX_CONF_ERROR;
    }

    file.want = &ngx_http_entra_proxy_want;
    entra_err_clear(&err);

    if (entra_file_refresh(&file, &err) != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        entra_file_free(&file);
        return NGX_CONF_ERROR;
    }

    text = entra_file_text(&file);

    if (memchr(text.data, ':', text.len) == NULL || text.data[0] == ':') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" should hold"
                           " USER:PASSWORD in one line", name);
        entra_file_free(&file);
        return NGX_CONF_ERROR;
    }

    host = (u_char *) ngx_strstr(url->data, "://") + 3;

    entra_buf_init(&b, 16 * 1024);
    entra_buf_add(&b, url->data, (size_t) (host - url->data));

    for (i = 0; i < text.len; i++) {
        if (entra_is_alnum(text.data[i])
            || (text.data[i] == ':' && memchr(text.data, ':', i) == NULL))
        {
            entra_buf_add_char(&b, text.data[i]);

        } else {
            entra_buf_addf(&b, "%%%02X", (unsigned char) text.data[i]);
        }
    }

    entra_buf_add_char(&b, '@');
    entra_buf_add(&b, host, (size_t) (url->data + url->len - host));
    entra_file_free(&file);

    p = entra_buf_ok(&b) ? ngx_pnalloc(cf->pool, b.len + 1) : NULL;

    if (p) {
        url->len = b.len;
        url->data = p;
        ngx_memcpy(p, b.data, b.len + 1);
    }

    entra_buf_free(&b);

    return p ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_entra_http_proxy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->provider.proxy.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 3
        && (ngx_strncmp(value[2].data, "credentials=", 12) != 0
            || value[2].len == 12
            || ngx_strcmp(value[1].data, "off") == 0))
    {
        return "takes a URL and \"credentials=FILE\"";
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        mcf->provider.proxy.data = (u_char *) "";
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "http://", 7) != 0
        && ngx_strncmp(value[1].data, "https://", 8) != 0)
    {
        return "needs a URL, http://HOST:PORT, or \"off\"";
    }

    if (ngx_strchr(value[1].data, '@')) {
        return "must not hold a user and password, which nginx -T prints:"
               " write \"credentials=FILE\" behind it";
    }

    mcf->provider.proxy = value[1];

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    value[2].data += 12;
    value[2].len -= 12;

    return ngx_http_entra_proxy_credentials(cf, &mcf->provider.proxy,
                                            &value[2]);
}


/* read here, as root: a worker may not be able to */

char *
ngx_http_entra_trusted(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_main_conf_t *mcf = conf;

    ngx_str_t     *value;
    entra_str_t    text;
    entra_err_t    err;
    entra_file_t   file;

    if (mcf->provider.trusted_certificate.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    mcf->provider.trusted_certificate = value[1];

    entra_err_clear(&err);

    if (entra_file_init(&file, (char *) value[1].data, 1024 * 1024) != 0) {
        return NGX_CONF_ERROR;
    }

    if (entra_file_refresh(&file, &err) != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        entra_file_free(&file);
        return NGX_CONF_ERROR;
    }

    text = entra_file_text(&file);

    if (ngx_strnstr((u_char *) text.data, "-----BEGIN", text.len) == NULL) {
        entra_file_free(&file);
        return "needs a PEM file of CA certificates";
    }

    mcf->provider.trusted_pem.len = text.len;
    mcf->provider.trusted_pem.data = ngx_pnalloc(cf->pool, text.len);
    if (mcf->provider.trusted_pem.data == NULL) {
        entra_file_free(&file);
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(mcf->provider.trusted_pem.data, text.data, text.len);
    entra_file_free(&file);

    return NGX_CONF_OK;
}


char *
ngx_http_entra_check_wait(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t  *value = data;

    if (*value == 0) {
        return "must not be 0";
    }

    return NGX_CONF_OK;
}


/* a block whose lines are not nginx directives: handler gets each of them */

char *
ngx_http_entra_conf_block(ngx_conf_t *cf, ngx_conf_handler_pt handler,
    void *conf)
{
    char        *rv;
    ngx_conf_t   save;

    save = *cf;
    cf->handler = handler;
    cf->handler_conf = conf;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


/* the words of the current line, for the core; their number, or -1 */

ngx_int_t
ngx_http_entra_conf_words(ngx_conf_t *cf, entra_str_t *words, ngx_uint_t max)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (cf->args->nelts > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %ui words on one line", max);
        return NGX_ERROR;
    }

    value = cf->args->elts;

    for (i = 0; i < cf->args->nelts; i++) {
        words[i].data = (char *) value[i].data;
        words[i].len = value[i].len;
    }

    return i;
}
