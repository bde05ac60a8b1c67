
/*
 * Copyright (C) nginx-entra authors
 *
 * Configuration structures, their inheritance, and the simple directives.
 */

#include "entra_ascii.h"
#include "ngx_http_entra_conf.h"


#define NGX_HTTP_ENTRA_WORDS      512       /* on a line */
#define NGX_HTTP_ENTRA_VALUE_MIN  4         /* bytes: "on" is in every text */


static void ngx_http_entra_cleanup_main_conf(void *data);
static void ngx_http_entra_merge_cache(ngx_http_entra_sent_cache_t *conf,
    ngx_http_entra_sent_cache_t *prev);
static ngx_int_t ngx_http_entra_merge_names(ngx_conf_t *cf,
    ngx_array_t **conf, ngx_array_t *prev);
static char *ngx_http_entra_conf_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static void ngx_http_entra_conf_semicolon(ngx_conf_t *cf,
    ngx_http_entra_block_t *block, ngx_str_t *next);
static ngx_int_t ngx_http_entra_conf_paths(ngx_conf_t *cf,
    ngx_http_entra_block_t *block);
static ngx_int_t ngx_http_entra_conf_note(ngx_conf_t *cf,
    ngx_http_entra_block_t *block);
static ngx_uint_t ngx_http_entra_conf_mentions(const char *text,
    ngx_str_t *name);
static ngx_uint_t ngx_http_entra_conf_in_word(u_char c);
static ngx_int_t ngx_http_entra_conf_words(ngx_conf_t *cf,
    entra_str_t *words);
static ngx_int_t ngx_http_entra_zone_add(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_shared_param(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_str_t *value);
static ngx_int_t ngx_http_entra_shared_size(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_str_t *value, ngx_str_t text);


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
        || ngx_array_init(&mcf->known, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&mcf->auths, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&mcf->locations, cf->pool, 8,
                          sizeof(ngx_http_entra_location_t))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_rbtree_init(&mcf->names, &mcf->names_sentinel,
                    ngx_str_rbtree_insert_value);

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
    entra_egress_t               **known;
    ngx_http_entra_credential_t  **credential;

    ngx_http_entra_observe_end(mcf);

    credential = mcf->credentials.elts;

    for (i = 0; i < mcf->credentials.nelts; i++) {
        entra_credential_free(credential[i]->core);
        entra_egress_free(&credential[i]->egress);
    }

    known = mcf->known.elts;

    for (i = 0; i < mcf->known.nelts; i++) {
        entra_egress_free(known[i]);
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

    if (mcf->credentials.nelts == 0 && mcf->caller_token == NULL
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
    lcf->guard.denied = NGX_CONF_UNSET;
    lcf->guard.asked = NGX_CONF_UNSET;
    lcf->guard.certificates = NGX_CONF_UNSET;
    lcf->guard.verified = NGX_CONF_UNSET;
    lcf->guard.ssl = NGX_CONF_UNSET;
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
    ngx_conf_merge_value(conf->guard.denied, prev->guard.denied, 0);
    ngx_conf_merge_value(conf->guard.asked, prev->guard.asked, 0);
    ngx_conf_merge_value(conf->guard.certificates, prev->guard.certificates,
                         0);
    ngx_conf_merge_value(conf->guard.verified, prev->guard.verified, 0);
    ngx_conf_merge_value(conf->guard.ssl, prev->guard.ssl, 0);

    if (ngx_http_entra_merge_names(cf, &conf->policy_names, prev->policy_names)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    conf->parent = prev;

    if (conf->file == NULL) {
        conf->file = prev->file;
        conf->line = prev->line;
    }

    /* as proxy_set_header: one at this level hides those of the level above */

    if (conf->sent.headers == 0) {
        conf->sent.deployment = prev->sent.deployment;
        conf->sent.deployments = prev->sent.deployments;
        conf->sent.blanked = prev->sent.blanked;
        conf->sent.forwarded = prev->sent.forwarded;
    }

    for (i = 0; i < 2; i++) {
        if (conf->sent.ssl_name[i] == NULL) {
            conf->sent.ssl_name[i] = prev->sent.ssl_name[i];
        }

        if (!(conf->sent.headers & (NGX_HTTP_ENTRA_PROXY << i))) {
            conf->sent.host[i] = prev->sent.host[i];
            conf->sent.authorization[i] = prev->sent.authorization[i];
        }
    }

    ngx_http_entra_merge_cache(&conf->sent.cache, &prev->sent.cache);

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


static void
ngx_http_entra_merge_cache(ngx_http_entra_sent_cache_t *conf,
    ngx_http_entra_sent_cache_t *prev)
{
    conf->on |= prev->on & ~conf->set;
    conf->by_token |= prev->by_token & ~conf->key_set;
    conf->by_certificate |= prev->by_certificate & ~conf->key_set;
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
        lcf->own_policies = 1;
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

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (mcf->shared.name.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    mcf->shared.file = cf->conf_file->file.name.data;
    mcf->shared.line = cf->conf_file->line;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_entra_shared_param(cf, mcf, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return mcf->shared.name.len ? NGX_CONF_OK : "needs zone=NAME:SIZE";
}


static ngx_int_t
ngx_http_entra_shared_param(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_str_t *value)
{
    ngx_str_t  text;

    text = *value;

    if (text.len > 5 && ngx_strncmp(text.data, "zone=", 5) == 0) {
        text.data += 5;
        text.len -= 5;

        return ngx_http_entra_shared_size(cf, mcf, value, text);
    }

    if (text.len > 11 && ngx_strncmp(text.data, "state_file=", 11) == 0) {
        text.data += 11;
        text.len -= 11;
        mcf->shared.state_file = text;

        return ngx_conf_full_name(cf->cycle, &mcf->shared.state_file, 1);
    }

    if (text.len > 15 && ngx_strncmp(text.data, "state_key_file=", 15) == 0) {
        text.data += 15;
        text.len -= 15;
        mcf->shared.state_key_file = text;

        return ngx_conf_full_name(cf->cycle, &mcf->shared.state_key_file, 1);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\"; write zone=NAME:SIZE, for "
                       "example zone=entra:2m, state_file=FILE or "
                       "state_key_file=FILE", value);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_entra_shared_size(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_str_t *value, ngx_str_t text)
{
    u_char   *colon;
    ssize_t   size;

    colon = (u_char *) ngx_strchr(text.data, ':');

    if (colon == NULL || colon == text.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\"; write zone=NAME:SIZE, "
                           "for example zone=entra:2m", value);
        return NGX_ERROR;
    }

    mcf->shared.name.data = text.data;
    mcf->shared.name.len = colon - text.data;

    text.len -= mcf->shared.name.len + 1;
    text.data = colon + 1;

    size = ngx_parse_size(&text);

    if (size < (ssize_t) (16 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size in \"%V\"; write at least "
                           "%uzk, for example zone=entra:2m", value,
                           16 * ngx_pagesize / 1024);
        return NGX_ERROR;
    }

    mcf->shared.size = size;

    return NGX_OK;
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


void
ngx_http_entra_page_at(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf,
    const char *directive)
{
    lcf->page.is_page = 1;
    lcf->page.directive = directive;
    lcf->page.file = cf->conf_file->file.name.data;
    lcf->page.line = cf->conf_file->line;
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


/* a block whose lines are not nginx directives, but the core's */

char *
ngx_http_entra_conf_block(ngx_conf_t *cf, ngx_http_entra_block_t *block)
{
    char        *rv;
    ngx_conf_t   save;

    block->lines = ngx_array_create(cf->pool, 8,
                                    sizeof(ngx_http_entra_line_t));
    if (block->lines == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_entra_conf_line;
    cf->handler_conf = (void *) block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_http_entra_conf_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_entra_block_t *block = conf;

    ngx_int_t     n, rc;
    ngx_str_t    *value, next;
    entra_err_t   err;
    entra_str_t   words[NGX_HTTP_ENTRA_WORDS];

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    ngx_http_entra_conf_semicolon(cf, block, &next);

    if (ngx_http_entra_conf_paths(cf, block) != NGX_OK
        || ngx_http_entra_conf_note(cf, block) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_entra_conf_words(cf, words);
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    entra_err_clear(&err);

    rc = block->line(cf, block->data, words, n, &err);

    /* where a value may be any name, it is one as long as all is well */

    if (next.len
        && (rc != 0 || (block->names && !block->names(&value[0]))))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in \"%V\" is another parameter, is a ';' "
                           "missing before it?", &next, &value[0]);
        return NGX_CONF_ERROR;
    }

    if (rc != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* "scope aml" without its ";" takes the next line for more scopes */

static void
ngx_http_entra_conf_semicolon(ngx_conf_t *cf, ngx_http_entra_block_t *block,
    ngx_str_t *next)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    ngx_str_null(next);
    value = cf->args->elts;

    for (i = 0; block->is_param && i < cf->args->nelts; i++) {

        if (block->is_param(block->data,
                            (entra_str_t) { value[i].len,
                                            (char *) value[i].data }))
        {
            if (i) {
                *next = value[i];
                return;
            }

        } else if (i == 0) {
            return;
        }
    }
}


/* they are relative to nginx.conf, as those of ssl_certificate */

static ngx_int_t
ngx_http_entra_conf_paths(ngx_conf_t *cf, ngx_http_entra_block_t *block)
{
    ngx_str_t   *value;
    ngx_uint_t   i, n;

    value = cf->args->elts;

    n = block->paths ? block->paths(block->data, &value[0], cf->args->nelts)
                     : 0;

    for (i = 1; i < n; i++) {
        if (value[i].len
            && ngx_conf_full_name(cf->cycle, &value[i], 1) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_conf_note(ngx_conf_t *cf, ngx_http_entra_block_t *block)
{
    ngx_str_t              *value;
    ngx_http_entra_line_t  *line;

    /* thousands of addresses, one a line, say where they are themselves */

    if (cf->args->nelts == 1) {
        return NGX_OK;
    }

    line = ngx_array_push(block->lines);
    if (line == NULL) {
        return NGX_ERROR;
    }

    line->n = cf->args->nelts;
    line->file = cf->conf_file->file.name.data;
    line->line = cf->conf_file->line;

    value = ngx_palloc(cf->pool, line->n * sizeof(ngx_str_t));
    if (value == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value, cf->args->elts, line->n * sizeof(ngx_str_t));
    line->words = value;

    return NGX_OK;
}


/* the line of a block that a text found out later is about, or NULL */

ngx_http_entra_line_t *
ngx_http_entra_conf_about(ngx_array_t *lines, const char *text)
{
    ngx_str_t              *word;
    ngx_uint_t              i, j;
    ngx_http_entra_line_t  *line;

    line = lines ? lines->elts : NULL;

    /* one that holds a value, such as a path, means it more than a name */

    for (i = 0; line && i < lines->nelts; i++) {
        for (j = 1; j < line[i].n; j++) {
            word = &line[i].words[j];

            if (word->len >= NGX_HTTP_ENTRA_VALUE_MIN
                && ngx_strstr(text, (char *) word->data))
            {
                return &line[i];
            }
        }
    }

    for (i = 0; line && i < lines->nelts; i++) {
        if (ngx_http_entra_conf_mentions(text, &line[i].words[0])) {
            return &line[i];
        }
    }

    return NULL;
}


/* as a word of its own: "client_secret_file" is not about client_secret */

static ngx_uint_t
ngx_http_entra_conf_mentions(const char *text, ngx_str_t *name)
{
    const char  *p;

    for (p = text; (p = ngx_strstr(p, (char *) name->data)) != NULL; p++) {
        if ((p == text || !ngx_http_entra_conf_in_word((u_char) p[-1]))
            && !ngx_http_entra_conf_in_word((u_char) p[name->len]))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_entra_conf_in_word(u_char c)
{
    return c == '_' || c == '-' || (c >= '0' && c <= '9')
           || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}


/* the first line with that parameter, or NULL */

ngx_http_entra_line_t *
ngx_http_entra_conf_find(ngx_array_t *lines, const char *name)
{
    ngx_uint_t              i;
    ngx_http_entra_line_t  *line;

    line = lines ? lines->elts : NULL;

    for (i = 0; line && i < lines->nelts; i++) {
        if (ngx_strcmp(line[i].words[0].data, name) == 0) {
            return &line[i];
        }
    }

    return NULL;
}


/* " in FILE:LINE" of where the configuration is read now, or NULL */

char *
ngx_http_entra_conf_where(ngx_conf_t *cf)
{
    u_char  *where;

    where = ngx_pnalloc(cf->pool, sizeof(" in :") + NGX_INT_T_LEN
                                  + cf->conf_file->file.name.len);
    if (where) {
        ngx_sprintf(where, " in %V:%ui%Z", &cf->conf_file->file.name,
                    cf->conf_file->line);
    }

    return (char *) where;
}


ngx_uint_t
ngx_http_entra_conf_asked(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (v[i].name.len == name->len
            && ngx_strncasecmp(v[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* the words of the current line, for the core; their number, or -1 */

static ngx_int_t
ngx_http_entra_conf_words(ngx_conf_t *cf, entra_str_t *words)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (cf->args->nelts > NGX_HTTP_ENTRA_WORDS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d words on one line",
                           NGX_HTTP_ENTRA_WORDS);
        return NGX_ERROR;
    }

    value = cf->args->elts;

    for (i = 0; i < cf->args->nelts; i++) {
        words[i].data = (char *) value[i].data;
        words[i].len = value[i].len;
    }

    return i;
}
