
/*
 * Copyright (C) nginx-entra authors
 *
 * Values that exist in an upstream request and nowhere else: tokens, and the
 * Host that the egress guard has seen.
 *
 * nginx evaluates proxy_set_header, grpc_set_header, *_param and
 * proxy_set_body in create_request() and at no other time.  In these
 * directives, and in them alone, $entra_authorization and the variables of
 * entra_token are replaced by variables with private names while the
 * configuration is read.  The private names hold the values; those that the
 * user writes are empty wherever nginx, a map, or a script evaluates them.
 * A private name has a random part: nothing that is written in advance can
 * be it.
 */

#include "ngx_http_entra_conf.h"

#include <openssl/rand.h>


#define NGX_HTTP_ENTRA_PRIVATE_MAX  64


/* where a directive keeps the text that it compiles later */

typedef enum {
    NGX_HTTP_ENTRA_ELSEWHERE = 0,
    NGX_HTTP_ENTRA_HEADER,                  /* an array of ngx_keyval_t */
    NGX_HTTP_ENTRA_PARAM,                   /* of ngx_http_upstream_param_t */
    NGX_HTTP_ENTRA_BODY                     /* a ngx_str_t */
} ngx_http_entra_use_e;


/* a directive that has variables in its parameters */

typedef struct {
    ngx_http_entra_use_e     kind;
    ngx_array_t             *array;
    ngx_uint_t               element;
    ngx_str_t               *text;          /* of no array */

    ngx_str_t                directive;
    ngx_str_t                value;         /* as written */
    u_char                  *file;
    ngx_uint_t               line;
} ngx_http_entra_use_t;


typedef struct {
    ngx_str_t                name;          /* without "$" */
    ngx_str_t                private;
    ngx_int_t                index;         /* of the private one */
    ngx_uint_t               told;          /* that it is used elsewhere */
} ngx_http_entra_token_variable_t;


/* a Host with variables */

typedef struct {
    ngx_str_t                 text;
    ngx_http_complex_value_t *value;
    ngx_str_t                 private;
} ngx_http_entra_host_t;


static ngx_http_entra_use_e ngx_http_entra_use_kind(ngx_command_t *cmd);
static ngx_http_entra_use_t *ngx_http_entra_use_add(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_str_t *value);
static ngx_str_t *ngx_http_entra_use_text(ngx_http_entra_use_t *use);
static ngx_int_t ngx_http_entra_use_host(ngx_conf_t *cf,
    ngx_http_entra_use_t *use);
static ngx_http_entra_host_t *ngx_http_entra_host_add(ngx_conf_t *cf,
    ngx_str_t *text, ngx_http_complex_value_t *value);
static u_char *ngx_http_entra_use_find(ngx_str_t *text, ngx_str_t *name,
    u_char **end);
static ngx_int_t ngx_http_entra_use_replace(ngx_conf_t *cf,
    ngx_http_entra_use_t *use, ngx_http_entra_token_variable_t *variable);
static ngx_int_t ngx_http_entra_private_variable(ngx_conf_t *cf,
    const char *what, ngx_uint_t n, ngx_http_get_variable_pt handler,
    uintptr_t data, ngx_str_t *name);
static ngx_http_entra_token_variable_t *ngx_http_entra_token_variable_add(
    ngx_conf_t *cf, ngx_str_t *name, ngx_http_get_variable_pt handler);
static ngx_array_t *ngx_http_entra_token_variables(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_use_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_use_t *use,
    ngx_http_entra_token_variable_t *one);
static ngx_int_t ngx_http_entra_use_refuse(ngx_conf_t *cf,
    ngx_http_entra_use_t *use, ngx_str_t *name);
static ngx_int_t ngx_http_entra_use_indexed(ngx_conf_t *cf, ngx_str_t *name);


/* before the directive's own handler: what it must not ask for */

ngx_int_t
ngx_http_entra_upstream_value_use(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_entra_use_t        *use;
    ngx_http_entra_main_conf_t  *mcf;

    if (ngx_http_entra_use_kind(cmd) != NGX_HTTP_ENTRA_ELSEWHERE) {
        return NGX_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '$')
            == NULL)
        {
            continue;
        }

        use = ngx_http_entra_use_add(cf, cmd, &value[i]);

        if (use == NULL
            || ngx_http_entra_use_check(cf, mcf, use, NULL) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* after it: the text that it stored is still to be compiled */

ngx_int_t
ngx_http_entra_upstream_value_used(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_str_t                        *value, *last;
    ngx_uint_t                        i;
    ngx_array_t                      *variables;
    ngx_http_entra_use_t             *use;
    ngx_http_entra_use_e              kind;
    ngx_http_entra_main_conf_t       *mcf;
    ngx_http_entra_token_variable_t  *variable;

    kind = ngx_http_entra_use_kind(cmd);

    if (kind == NGX_HTTP_ENTRA_ELSEWHERE) {
        return NGX_OK;
    }

    value = cf->args->elts;
    last = &value[kind == NGX_HTTP_ENTRA_BODY ? 1 : 2];

    if (ngx_strlchr(last->data, last->data + last->len, '$') == NULL) {
        return NGX_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);
    variables = ngx_http_entra_token_variables(cf, mcf);

    use = ngx_http_entra_use_add(cf, cmd, last);

    if (variables == NULL || use == NULL) {
        return NGX_ERROR;
    }

    use->kind = kind;

    if (kind == NGX_HTTP_ENTRA_BODY) {
        use->text = (ngx_str_t *) ((u_char *) conf + cmd->offset);

    } else {
        use->array = *(ngx_array_t **) ((u_char *) conf + cmd->offset);
        use->element = use->array->nelts - 1;
    }

    variable = variables->elts;

    for (i = 0; i < variables->nelts; i++) {
        if (ngx_http_entra_use_replace(cf, use, &variable[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return kind == NGX_HTTP_ENTRA_HEADER ? ngx_http_entra_use_host(cf, use)
                                         : NGX_OK;
}


/* what the handler does is told by its address, where it is one of nginx's */

static ngx_http_entra_use_e
ngx_http_entra_use_kind(ngx_command_t *cmd)
{
    if (cmd->set == ngx_conf_set_keyval_slot
        && (ngx_strcmp(cmd->name.data, "proxy_set_header") == 0
            || ngx_strcmp(cmd->name.data, "grpc_set_header") == 0))
    {
        return NGX_HTTP_ENTRA_HEADER;
    }

    if (cmd->set == ngx_http_upstream_param_set_slot) {
        return NGX_HTTP_ENTRA_PARAM;
    }

    if (cmd->set == ngx_conf_set_str_slot
        && ngx_strcmp(cmd->name.data, "proxy_set_body") == 0)
    {
        return NGX_HTTP_ENTRA_BODY;
    }

    return NGX_HTTP_ENTRA_ELSEWHERE;
}


static ngx_http_entra_use_t *
ngx_http_entra_use_add(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *value)
{
    ngx_http_entra_use_t        *use;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    if (mcf->private.uses == NULL) {
        mcf->private.uses = ngx_array_create(cf->temp_pool, 64,
                                     sizeof(ngx_http_entra_use_t));
        if (mcf->private.uses == NULL) {
            return NULL;
        }
    }

    use = ngx_array_push(mcf->private.uses);
    if (use == NULL) {
        return NULL;
    }

    ngx_memzero(use, sizeof(ngx_http_entra_use_t));

    use->directive = cmd->name;
    use->value = *value;
    use->file = cf->conf_file->file.name.data;
    use->line = cf->conf_file->line;

    return use;
}


/* the array may have moved since */

static ngx_str_t *
ngx_http_entra_use_text(ngx_http_entra_use_t *use)
{
    ngx_keyval_t               *header;
    ngx_http_upstream_param_t  *param;

    switch (use->kind) {

    case NGX_HTTP_ENTRA_HEADER:
        header = use->array->elts;
        return &header[use->element].value;

    case NGX_HTTP_ENTRA_PARAM:
        param = use->array->elts;
        return &param[use->element].value;

    default:
        return use->text;
    }
}


/*
 * A Host with variables is evaluated once, by the guard, and sent as the guard
 * saw it
 */

static ngx_int_t
ngx_http_entra_use_host(ngx_conf_t *cf, ngx_http_entra_use_t *use)
{
    ngx_str_t                  *text;
    ngx_uint_t                  exact, grpc;
    ngx_keyval_t               *header;
    ngx_http_entra_host_t      *host;
    ngx_http_entra_loc_conf_t  *lcf;

    header = use->array->elts;

    if (!ngx_http_entra_same_header(&header[use->element].key, "host", &exact))
    {
        return NGX_OK;
    }

    lcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_entra_module);
    grpc = ngx_strcmp(use->directive.data, "grpc_set_header") == 0;

    host = ngx_http_entra_host_add(cf, &use->value, lcf->sent.host[grpc].value);
    if (host == NULL) {
        return NGX_ERROR;
    }

    /* handed on through the location: the same for all who inherit it */

    lcf->sent.host[grpc].value = host->value;

    text = ngx_http_entra_use_text(use);

    text->data = ngx_pnalloc(cf->pool, host->private.len + 2);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "$%V%Z", &host->private)
                - text->data - 1;

    return NGX_OK;
}


/* one for all directives of the same text: each has a slot in each request */

static ngx_http_entra_host_t *
ngx_http_entra_host_add(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t *value)
{
    ngx_uint_t                   i;
    ngx_http_entra_host_t       *host;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    if (mcf->private.hosts == NULL) {
        mcf->private.hosts = ngx_array_create(cf->pool, 4,
                                      sizeof(ngx_http_entra_host_t));
        if (mcf->private.hosts == NULL) {
            return NULL;
        }
    }

    host = mcf->private.hosts->elts;

    for (i = 0; i < mcf->private.hosts->nelts; i++) {
        if (host[i].text.len == text->len
            && ngx_memcmp(host[i].text.data, text->data, text->len) == 0)
        {
            return &host[i];
        }
    }

    host = ngx_array_push(mcf->private.hosts);
    if (host == NULL) {
        return NULL;
    }

    host->text = *text;
    host->value = value;

    return ngx_http_entra_private_variable(cf, "host",
                                           mcf->private.hosts->nelts,
                                           mcf->private.values->host,
                                           (uintptr_t) value, &host->private)
           == NGX_ERROR ? NULL : host;
}


/* the next "$name" or "${name}" of a text, and what follows it; or NULL */

static u_char *
ngx_http_entra_use_find(ngx_str_t *text, ngx_str_t *name, u_char **end)
{
    u_char      c, *p, *last, *start;
    ngx_uint_t  bracket;

    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        if (*p != '$') {
            continue;
        }

        start = p + 1;
        bracket = start < last && *start == '{';
        start += bracket;

        if (last - start < (ssize_t) name->len
            || ngx_strncasecmp(start, name->data, name->len) != 0)
        {
            continue;
        }

        start += name->len;

        if (bracket) {
            if (start == last || *start != '}') {
                continue;
            }

            start++;

        } else if (start < last) {
            c = ngx_tolower(*start);

            if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
                continue;
            }
        }

        *end = start;
        return p;
    }

    return NULL;
}


static ngx_int_t
ngx_http_entra_use_replace(ngx_conf_t *cf, ngx_http_entra_use_t *use,
    ngx_http_entra_token_variable_t *variable)
{
    u_char     *p, *from, *end;
    ngx_str_t  *text, rest, new;

    text = ngx_http_entra_use_text(use);

    for ( ;; ) {

        from = ngx_http_entra_use_find(text, &variable->name, &end);
        if (from == NULL) {
            return NGX_OK;
        }

        rest.data = end;
        rest.len = text->data + text->len - end;

        new.data = ngx_pnalloc(cf->pool, from - text->data + sizeof("${}")
                                         + variable->private.len + rest.len);
        if (new.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(new.data, text->data, from - text->data);
        p = ngx_sprintf(p, "${%V}%V", &variable->private, &rest);
        *p = '\0';

        new.len = p - new.data;
        *text = new;
    }
}


/* its name and index; only what is compiled from that name leads to it */

static ngx_int_t
ngx_http_entra_private_variable(ngx_conf_t *cf, const char *what,
    ngx_uint_t n, ngx_http_get_variable_pt handler, uintptr_t data,
    ngx_str_t *name)
{
    ngx_int_t                    index;
    ngx_http_variable_t         *var;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    name->data = ngx_pnalloc(cf->pool, NGX_HTTP_ENTRA_PRIVATE_MAX);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "entra_%s_%ui_%*s", what, n,
                            sizeof(mcf->private.suffix), mcf->private.suffix)
                - name->data;

    var = ngx_http_add_variable(cf, name, NGX_HTTP_VAR_NOCACHEABLE
                                          |NGX_HTTP_VAR_NOHASH);
    if (var == NULL) {
        return NGX_ERROR;
    }

    index = ngx_http_get_variable_index(cf, name);
    if (index == NGX_ERROR) {
        return NGX_ERROR;
    }

    var->get_handler = handler;
    var->data = data ? data : (uintptr_t) index;

    return index;
}


/* those of this configuration; $entra_authorization is the first */

static ngx_array_t *
ngx_http_entra_token_variables(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    u_char     random[sizeof(mcf->private.suffix) / 2];
    ngx_str_t  name = ngx_string("entra_authorization");

    if (mcf->private.tokens) {
        return mcf->private.tokens;
    }

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no random bytes");
        return NULL;
    }

    ngx_hex_dump(mcf->private.suffix, random, sizeof(random));

    mcf->private.tokens = ngx_array_create(cf->pool, 2,
                                      sizeof(ngx_http_entra_token_variable_t));
    if (mcf->private.tokens == NULL
        || ngx_http_entra_token_variable_add(cf, &name,
                                     mcf->private.values->authorization)
           == NULL)
    {
        return NULL;
    }

    return mcf->private.tokens;
}


ngx_int_t
ngx_http_entra_token_variable(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    ngx_array_t                      *variables;
    ngx_http_entra_use_t             *use;
    ngx_http_entra_main_conf_t       *mcf;
    ngx_http_entra_token_variable_t  *variable;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    variables = ngx_http_entra_token_variables(cf, mcf);
    if (variables == NULL) {
        return NGX_ERROR;
    }

    variable = variables->elts;

    for (i = 0; i < variables->nelts; i++) {
        if (variable[i].name.len == name->len
            && ngx_strncasecmp(variable[i].name.data, name->data, name->len)
               == 0)
        {
            return variable[i].index;
        }
    }

    variable = ngx_http_entra_token_variable_add(cf, name,
                                                 mcf->private.values->token);
    if (variable == NULL) {
        return NGX_ERROR;
    }

    /* directives that came before the variable was declared */

    use = mcf->private.uses ? mcf->private.uses->elts : NULL;

    for (i = 0; use && i < mcf->private.uses->nelts; i++) {
        rc = use[i].kind == NGX_HTTP_ENTRA_ELSEWHERE
             ? ngx_http_entra_use_check(cf, mcf, &use[i], variable)
             : ngx_http_entra_use_replace(cf, &use[i], variable);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return variable->index;
}


static ngx_http_entra_token_variable_t *
ngx_http_entra_token_variable_add(ngx_conf_t *cf, ngx_str_t *name,
    ngx_http_get_variable_pt handler)
{
    ngx_http_entra_main_conf_t       *mcf;
    ngx_http_entra_token_variable_t  *variable;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    variable = ngx_array_push(mcf->private.tokens);
    if (variable == NULL) {
        return NULL;
    }

    ngx_memzero(variable, sizeof(ngx_http_entra_token_variable_t));

    variable->name = *name;

    variable->index = ngx_http_entra_private_variable(cf, "token",
                                          mcf->private.tokens->nelts,
                                          handler, 0, &variable->private);

    return variable->index == NGX_ERROR ? NULL : variable;
}


ngx_int_t
ngx_http_entra_upstream_value_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                        i;
    ngx_array_t                      *variables;
    ngx_http_entra_token_variable_t  *variable;

    variables = ngx_http_entra_token_variables(cf, mcf);
    if (variables == NULL) {
        return NGX_ERROR;
    }

    variable = variables->elts;

    for (i = 0; i < variables->nelts; i++) {
        if (!variable[i].told
            && ngx_http_entra_use_indexed(cf, &variable[i].name) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    mcf->private.uses = NULL;

    return NGX_OK;
}


/* a directive against one of the variables, or all that are known by now */

static ngx_int_t
ngx_http_entra_use_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_use_t *use, ngx_http_entra_token_variable_t *one)
{
    u_char                           *end;
    ngx_uint_t                        i;
    ngx_array_t                      *variables;
    ngx_http_entra_token_variable_t  *variable;

    variables = ngx_http_entra_token_variables(cf, mcf);
    if (variables == NULL) {
        return NGX_ERROR;
    }

    variable = variables->elts;

    for (i = 0; i < variables->nelts; i++) {

        if ((one && one != &variable[i])
            || ngx_http_entra_use_find(&use->value, &variable[i].name, &end)
               == NULL)
        {
            continue;
        }

        variable[i].told = 1;

        if (ngx_http_entra_use_refuse(cf, use, &variable[i].name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* in a log format it does no harm, and the documentation says it is empty */

static ngx_int_t
ngx_http_entra_use_refuse(ngx_conf_t *cf, ngx_http_entra_use_t *use,
    ngx_str_t *name)
{
    ngx_uint_t  log, level;

    log = ngx_strcmp(use->directive.data, "log_format") == 0;
    level = log ? NGX_LOG_WARN : NGX_LOG_EMERG;

    ngx_log_error(level, cf->log, 0,
                  "\"$%V\" has no value in \"%V\": a token exists in the "
                  "upstream request only; write it in \"proxy_set_header\", "
                  "\"grpc_set_header\" or a \"*_param\" directive, and "
                  "$entra_credential or $entra_token_status here in %s:%ui",
                  name, &use->directive, use->file, use->line);

    return log ? NGX_OK : NGX_ERROR;
}


/* lines of blocks such as "map" are no directives: no line is known */

static ngx_int_t
ngx_http_entra_use_indexed(ngx_conf_t *cf, ngx_str_t *name)
{
    if (!ngx_http_entra_conf_asked(cf, name)) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"$%V\" has no value in a block such as \"map\": a token "
                  "exists in the upstream request only; write it in "
                  "\"proxy_set_header\", \"grpc_set_header\" or a \"*_param\" "
                  "directive, and choose between credentials with \"entra_auth "
                  "$variable;\"", name);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_entra_no_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    v->not_found = 1;

    return NGX_OK;
}
