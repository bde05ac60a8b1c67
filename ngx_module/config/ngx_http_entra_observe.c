
/*
 * Copyright (C) nginx-entra authors
 *
 * What other modules' directives say of a location: where it passes requests
 * to, which headers it sets, whether it verifies certificates.  Their
 * structures are private and change with each nginx; their directives do
 * not.  While the http block is read, the handlers of all directives are
 * wrapped: ours notes the words in our own configuration of the same
 * location, and calls theirs.  Every directive is seen, because a token must
 * not be asked for in any of them but those that make the upstream request.
 */

#include "ngx_http_entra_conf.h"
#include "entra_ascii.h"


typedef ngx_int_t (*ngx_http_entra_note_pt)(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);


typedef struct {
    const char               *directive;
    ngx_http_entra_note_pt    note;
} ngx_http_entra_noted_t;


/* a module whose table of directives is exchanged for a copy of ours */

typedef struct {
    ngx_module_t             *module;
    ngx_command_t            *own;
    ngx_command_t            *copy;
    ngx_uint_t                n;
} ngx_http_entra_observed_t;


static ngx_int_t ngx_http_entra_observe_module(ngx_conf_t *cf,
    ngx_module_t *module, ngx_array_t *observed);
static char *ngx_http_entra_observe_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static const ngx_http_entra_noted_t *ngx_http_entra_observe_find(
    ngx_str_t *name);
static ngx_int_t ngx_http_entra_note_pass(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static void ngx_http_entra_note_pass_uri(ngx_http_entra_pass_t *pass);
static ngx_int_t ngx_http_entra_note_header(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_sent(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf, ngx_uint_t protocol);
static ngx_int_t ngx_http_entra_note_verify(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_operation(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf, ngx_str_t *value);
static ngx_int_t ngx_http_entra_note_pass_headers(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_method(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t **value);
static ngx_int_t ngx_http_entra_note_cache(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_cache_key(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_uint_t ngx_http_entra_note_variable(ngx_str_t *text,
    const char *name);
static ngx_uint_t ngx_http_entra_note_protocol(ngx_str_t *directive);
static ngx_int_t ngx_http_entra_note_realip(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_ssl_name(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_allow(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_certificates(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_ssl(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_server(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_int_t ngx_http_entra_note_asked(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf);
static ngx_uint_t ngx_http_entra_note_has(ngx_str_t *word, const char *name);


static const ngx_http_entra_noted_t  ngx_http_entra_noted[] = {
    { "proxy_pass", ngx_http_entra_note_pass },
    { "grpc_pass", ngx_http_entra_note_pass },
    { "fastcgi_pass", ngx_http_entra_note_pass },
    { "uwsgi_pass", ngx_http_entra_note_pass },
    { "scgi_pass", ngx_http_entra_note_pass },
    { "proxy_set_header", ngx_http_entra_note_header },
    { "grpc_set_header", ngx_http_entra_note_header },
    { "fastcgi_param", ngx_http_entra_note_header },
    { "uwsgi_param", ngx_http_entra_note_header },
    { "scgi_param", ngx_http_entra_note_header },
    { "proxy_ssl_verify", ngx_http_entra_note_verify },
    { "grpc_ssl_verify", ngx_http_entra_note_verify },
    { "uwsgi_ssl_verify", ngx_http_entra_note_verify },
    { "proxy_method", ngx_http_entra_note_method },
    { "proxy_pass_request_headers", ngx_http_entra_note_pass_headers },
    { "proxy_cache", ngx_http_entra_note_cache },
    { "fastcgi_cache", ngx_http_entra_note_cache },
    { "uwsgi_cache", ngx_http_entra_note_cache },
    { "scgi_cache", ngx_http_entra_note_cache },
    { "proxy_cache_key", ngx_http_entra_note_cache_key },
    { "fastcgi_cache_key", ngx_http_entra_note_cache_key },
    { "uwsgi_cache_key", ngx_http_entra_note_cache_key },
    { "scgi_cache_key", ngx_http_entra_note_cache_key },
    { "set_real_ip_from", ngx_http_entra_note_realip },
    { "proxy_ssl_name", ngx_http_entra_note_ssl_name },
    { "grpc_ssl_name", ngx_http_entra_note_ssl_name },
    { "allow", ngx_http_entra_note_allow },
    { "deny", ngx_http_entra_note_allow },
    { "ssl_verify_client", ngx_http_entra_note_certificates },
    { "ssl", ngx_http_entra_note_ssl },
    { "server", ngx_http_entra_note_server },
    { NULL, NULL }
};


static const ngx_http_entra_noted_t  ngx_http_entra_noted_asked = {
    NULL, ngx_http_entra_note_asked
};


ngx_int_t
ngx_http_entra_observe(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t    i;
    ngx_array_t  *observed;

    observed = ngx_array_create(cf->pool, 64,
                                sizeof(ngx_http_entra_observed_t));
    if (observed == NULL) {
        return NGX_ERROR;
    }

    mcf->observed = observed;

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE
            || cf->cycle->modules[i]->commands == NULL
            || cf->cycle->modules[i] == &ngx_http_entra_module)
        {
            continue;
        }

        if (ngx_http_entra_observe_module(cf, cf->cycle->modules[i], observed)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_observe_module(ngx_conf_t *cf, ngx_module_t *module,
    ngx_array_t *observed)
{
    ngx_uint_t                  i, n;
    ngx_http_entra_observed_t  *o;

    for (n = 0; module->commands[n].name.len; n++) { /* void */ }

    o = ngx_array_push(observed);
    if (o == NULL) {
        return NGX_ERROR;
    }

    o->module = module;
    o->own = module->commands;
    o->n = n;

    o->copy = ngx_palloc(cf->pool, (n + 1) * sizeof(ngx_command_t));
    if (o->copy == NULL) {
        observed->nelts--;
        return NGX_ERROR;
    }

    ngx_memcpy(o->copy, o->own, (n + 1) * sizeof(ngx_command_t));

    for (i = 0; i < n; i++) {
        if (o->copy[i].set) {
            o->copy[i].set = ngx_http_entra_observe_set;
        }
    }

    module->commands = o->copy;

    return NGX_OK;
}


/* also when reading the configuration has failed: from a pool's cleanup */

void
ngx_http_entra_observe_end(ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_array_t                *observed;
    ngx_http_entra_observed_t  *o;

    observed = mcf->observed;

    if (observed == NULL) {
        return;
    }

    o = observed->elts;

    for (i = 0; i < observed->nelts; i++) {
        if (o[i].module->commands == o[i].copy) {
            o[i].module->commands = o[i].own;
        }
    }

    mcf->observed = NULL;
}


static const ngx_http_entra_noted_t *
ngx_http_entra_observe_find(ngx_str_t *name)
{
    ngx_uint_t                     i;
    const ngx_http_entra_noted_t  *noted;

    static const char *const  asked[] = {
        "auth_basic", "auth_request", "auth_jwt", "auth_digest", "auth_gss",
        "auth_ldap", "auth_pam", "auth_oidc", "access_by_lua",
        "access_by_lua_block", "access_by_lua_file", "js_access", NULL
    };

    for (noted = ngx_http_entra_noted; noted->directive; noted++) {
        if (ngx_strcmp(name->data, noted->directive) == 0) {
            return noted;
        }
    }

    for (i = 0; asked[i]; i++) {
        if (ngx_strcmp(name->data, asked[i]) == 0) {
            return &ngx_http_entra_noted_asked;
        }
    }

    return NULL;
}


static char *
ngx_http_entra_observe_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                          *rv;
    ngx_uint_t                     i;
    ngx_array_t                   *observed;
    ngx_http_entra_observed_t     *o;
    ngx_http_entra_loc_conf_t     *lcf;
    ngx_http_entra_main_conf_t    *mcf;
    const ngx_http_entra_noted_t  *noted;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);
    lcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_entra_module);

    noted = ngx_http_entra_observe_find(&cmd->name);

    if (noted && noted->note(cf, lcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    observed = mcf->observed;
    o = observed->elts;

    for (i = 0; /* void */ ; i++) {

        if (i == observed->nelts) {
            return NGX_CONF_ERROR;
        }

        if (cmd >= o[i].copy && cmd < o[i].copy + o[i].n) {
            cmd = &o[i].own[cmd - o[i].copy];
            break;
        }
    }

    if (ngx_http_entra_upstream_value_use(cf, cmd, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = cmd->set(cf, cmd, conf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_entra_upstream_value_used(cf, cmd, conf) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_entra_note_pass(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t                 *value;
    ngx_http_entra_pass_t     *pass;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    pass = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_pass_t));
    if (pass == NULL) {
        return NGX_ERROR;
    }

    pass->url = value[1];
    pass->location = clcf->name;
    pass->proxy = ngx_strcmp(value[0].data, "proxy_pass") == 0;
    pass->grpc = ngx_strcmp(value[0].data, "grpc_pass") == 0;
    pass->protocol = ngx_http_entra_note_protocol(&value[0]);
    pass->variables = ngx_http_script_variables_count(&value[1]) != 0;
    pass->file = cf->conf_file->file.name.data;
    pass->line = cf->conf_file->line;

    lcf->sent.pass = pass;

    if (!pass->proxy) {
        return NGX_OK;
    }

    if (pass->variables) {
        return ngx_http_entra_note_value(cf, &pass->url, &pass->value);
    }

    ngx_http_entra_note_pass_uri(pass);

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_note_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t **value)
{
    ngx_http_compile_complex_value_t  ccv;

    *value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*value == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = *value;

    return ngx_http_compile_complex_value(&ccv);
}


/* "http://unix:/socket:/uri" and "https://host/uri": what follows the host */

static void
ngx_http_entra_note_pass_uri(ngx_http_entra_pass_t *pass)
{
    u_char  *p, *last;

    last = pass->url.data + pass->url.len;
    p = (u_char *) ngx_strstr(pass->url.data, "://");

    if (p == NULL) {
        return;
    }

    p += 3;

    if (last - p > 5 && ngx_strncasecmp(p, (u_char *) "unix:", 5) == 0) {
        p = ngx_strlchr(p + 5, last, ':');
        if (p) {
            p++;
        }

    } else {
        while (p < last && *p != '/' && *p != '?') {
            p++;
        }
    }

    if (p && p < last) {
        pass->uri.data = p;
        pass->uri.len = last - p;
    }
}


static ngx_int_t
ngx_http_entra_note_header(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t   *value;
    ngx_uint_t   protocol;

    value = cf->args->elts;

    protocol = ngx_http_entra_note_protocol(&value[0]);
    lcf->sent.headers |= protocol;

    if (cf->args->nelts < 3) {
        return NGX_OK;
    }

    if (ngx_http_entra_note_sent(cf, lcf, protocol) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_entra_note_operation(cf, lcf, value);
}


/* headers of which the upstream is to get one, and the one that we know */

static ngx_int_t
ngx_http_entra_note_sent(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf,
    ngx_uint_t protocol)
{
    ngx_str_t                     *value;
    ngx_uint_t                     exact, host;
    ngx_http_entra_sent_header_t  *sent;

    value = cf->args->elts;

    if (ngx_http_entra_note_has(&value[2], "entra_authorization")) {
        lcf->sent.with_token |= protocol;
    }

    host = ngx_http_entra_same_header(&value[1], "host", &exact)
           || ngx_http_entra_same_header(&value[1], ":authority", &exact);

    if (host && (protocol & NGX_HTTP_ENTRA_PROXY_GRPC)) {
        sent = &lcf->sent.host[protocol == NGX_HTTP_ENTRA_GRPC];

    } else if (ngx_http_entra_same_header(&value[1], "authorization", &exact)
               || ngx_http_entra_same_header(&value[1], "http-authorization",
                                             &exact))
    {
        if (!(protocol & NGX_HTTP_ENTRA_PROXY_GRPC)) {
            return NGX_OK;
        }

        sent = &lcf->sent.authorization[protocol == NGX_HTTP_ENTRA_GRPC];

    } else {
        return NGX_OK;
    }

    /* an empty one is not sent */

    if (value[2].len == 0 && !host) {
        return NGX_OK;
    }

    /* of two, the one to complain about is that without our token */

    /* nginx sends a ":authority" of its own, beside this one */

    sent->n += value[1].data[0] == ':';

    if (sent->n++ == 0
        || !ngx_http_entra_note_has(&value[2], "entra_authorization"))
    {
        sent->file = cf->conf_file->file.name.data;
        sent->line = cf->conf_file->line;
    }

    return host ? ngx_http_entra_note_value(cf, &value[2], &sent->value)
                : NGX_OK;
}


/* headers that say what is done: set by the location, or the client's? */

static ngx_int_t
ngx_http_entra_note_operation(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf,
    ngx_str_t *value)
{
    ngx_uint_t  bit, exact;

    bit = ngx_http_entra_override(&value[1]);

    if (bit && ngx_http_script_variables_count(&value[2])) {
        lcf->sent.forwarded |= bit;

    } else if (bit) {
        lcf->sent.blanked |= bit;
    }

    if (!ngx_http_entra_same_header(&value[1], "azureml-model-deployment",
                                    &exact)
        || !exact)
    {
        return NGX_OK;
    }

    lcf->sent.deployments++;

    return ngx_http_entra_note_value(cf, &value[2], &lcf->sent.deployment);
}


ngx_uint_t
ngx_http_entra_override(ngx_str_t *name)
{
    ngx_uint_t  i, exact;

    /* ngx_http_entra_signal_headers() knows that all begin with "x" */

    static const char *const  names[] = {
        "x-http-method-override", "x-http-method", "x-method-override",
        "x-original-url", "x-original-uri", "x-rewrite-url", NULL
    };

    for (i = 0; names[i]; i++) {
        if (ngx_http_entra_same_header(name, names[i], &exact)) {

            /* beside "X-A" a location does not know "X_A" */

            return (ngx_uint_t) (exact ? 1 : 0x100) << i;
        }
    }

    return 0;
}


/* in any letter case, and with "_" for "-", as some servers read it */

ngx_uint_t
ngx_http_entra_same_header(ngx_str_t *header, const char *name,
    ngx_uint_t *exact)
{
    u_char  c;
    size_t  i;

    *exact = 1;

    for (i = 0; i < header->len; i++) {
        c = ngx_tolower(header->data[i]);

        if (c == '_' && name[i] == '-') {
            *exact = 0;

        } else if (c != (u_char) name[i]) {
            return 0;
        }
    }

    return name[i] == '\0';
}


static ngx_int_t
ngx_http_entra_note_pass_headers(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;
    lcf->sent.pass_headers = ngx_strcasecmp(value[1].data, (u_char *) "off")
                             != 0;

    return NGX_OK;
}


/* proxy_*, grpc_*, ...: what is said for one says nothing for another */

static ngx_int_t
ngx_http_entra_note_cache(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t                    *value;
    ngx_http_entra_sent_cache_t  *cache;

    value = cf->args->elts;
    cache = &lcf->sent.cache;

    cache->set |= ngx_http_entra_note_protocol(&value[0]);

    if (ngx_strcmp(value[1].data, "off") != 0) {
        cache->on |= ngx_http_entra_note_protocol(&value[0]);
    }

    return NGX_OK;
}


/* what of the caller is in the key */

static ngx_int_t
ngx_http_entra_note_cache_key(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t                    *value;
    ngx_uint_t                    i, protocol;
    ngx_http_entra_sent_cache_t  *cache;

    static const char *const  certificate[] = {
        "ssl_client_fingerprint", "ssl_client_s_dn", "ssl_client_cert",
        "ssl_client_raw_cert", "ssl_client_escaped_cert", NULL
    };

    value = cf->args->elts;
    cache = &lcf->sent.cache;
    protocol = ngx_http_entra_note_protocol(&value[0]);

    cache->key_set |= protocol;

    if (ngx_http_entra_note_variable(&value[1], "entra_caller_id")) {
        cache->by_token |= protocol;
        cache->by_certificate |= protocol;
    }

    if (ngx_http_entra_note_variable(&value[1], "http_authorization")) {
        cache->by_token |= protocol;
    }

    for (i = 0; certificate[i]; i++) {
        if (ngx_http_entra_note_variable(&value[1], certificate[i])) {
            cache->by_certificate |= protocol;
        }
    }

    return NGX_OK;
}


/* "$name" or "${name}", whole */

static ngx_uint_t
ngx_http_entra_note_variable(ngx_str_t *text, const char *name)
{
    u_char  *p, *last;
    size_t   len;

    len = ngx_strlen(name);
    last = text->data + text->len;

    for (p = text->data; (p = ngx_strlchr(p, last, '$')) != NULL; /* void */) {

        p++;

        if (p < last && *p == '{') {
            p++;
        }

        if ((size_t) (last - p) >= len
            && ngx_strncasecmp(p, (u_char *) name, len) == 0
            && (p + len == last
                || (!entra_is_alnum(p[len]) && p[len] != '_')))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_entra_note_protocol(ngx_str_t *directive)
{
    switch (directive->data[0]) {

    case 'p':
        return NGX_HTTP_ENTRA_PROXY;

    case 'g':
        return NGX_HTTP_ENTRA_GRPC;

    case 'f':
        return NGX_HTTP_ENTRA_FASTCGI;

    case 'u':
        return NGX_HTTP_ENTRA_UWSGI;

    default:                    /* scgi */
        return NGX_HTTP_ENTRA_SCGI;
    }
}


static ngx_uint_t
ngx_http_entra_note_has(ngx_str_t *word, const char *name)
{
    return ngx_http_script_variables_count(word)
           && ngx_strstr(word->data, name) != NULL;
}


static ngx_int_t
ngx_http_entra_note_verify(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t   *value;
    ngx_uint_t   protocol;

    value = cf->args->elts;

    protocol = ngx_http_entra_note_protocol(&value[0]);
    lcf->sent.ssl_verify_set |= protocol;

    if (ngx_strcasecmp(value[1].data, (u_char *) "on") == 0) {
        lcf->sent.ssl_verify |= protocol;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_note_ssl_name(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_entra_note_value(cf, &value[1],
                                  &lcf->sent.ssl_name[value[0].data[0] == 'g']);
}


/* as ngx_http_access_module: without "deny" all may come in */

static ngx_int_t
ngx_http_entra_note_allow(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (lcf->guard.denied == NGX_CONF_UNSET) {
        lcf->guard.denied = 0;
    }

    if (value[0].data[0] == 'd') {
        lcf->guard.denied = 1;
    }

    return NGX_OK;
}


/* of an upstream block: where it is written */

static ngx_int_t
ngx_http_entra_note_server(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t                   *value;
    ngx_http_entra_line_t       *line;
    ngx_http_entra_main_conf_t  *mcf;

    if (cf->args->nelts < 2) {
        return NGX_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    if (mcf->servers == NULL) {
        mcf->servers = ngx_array_create(cf->temp_pool, 8,
                                        sizeof(ngx_http_entra_line_t));
        if (mcf->servers == NULL) {
            return NGX_ERROR;
        }
    }

    line = ngx_array_push(mcf->servers);
    value = ngx_palloc(cf->temp_pool, sizeof(ngx_str_t));

    if (line == NULL || value == NULL) {
        return NGX_ERROR;
    }

    *value = ((ngx_str_t *) cf->args->elts)[1];

    line->words = value;
    line->n = 1;
    line->file = cf->conf_file->file.name.data;
    line->line = cf->conf_file->line;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_note_asked(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    lcf->guard.asked = cf->args->nelts < 2
                       || ngx_strcmp(value[1].data, "off") != 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_note_certificates(ngx_conf_t *cf,
    ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    lcf->guard.certificates = ngx_strcmp(value[1].data, "off") != 0;
    lcf->guard.verified = ngx_strcmp(value[1].data, "on") == 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_note_ssl(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    lcf->guard.ssl = ngx_strcmp(value[1].data, "on") == 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_note_method(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_entra_note_value(cf, &value[1], &lcf->sent.method);
}


/* somebody else says what the client's address is */

static ngx_int_t
ngx_http_entra_note_realip(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf)
{
    ngx_str_t                   *value;
    ngx_http_entra_main_conf_t  *mcf;

    value = cf->args->elts;
    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    if (mcf->address.realip.len == 0) {
        mcf->address.realip = value[1];
        mcf->address.realip_file = cf->conf_file->file.name.data;
        mcf->address.realip_line = cf->conf_file->line;
    }

    return NGX_OK;
}
