
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_auth and entra_token: the directives, and which tokens they name once
 * all credentials are known.
 */

#include "ngx_http_entra_conf.h"
#include "entra_cloud.h"


static ngx_int_t ngx_http_entra_auth_line(ngx_conf_t *cf,
    ngx_http_entra_auth_t *auth, ngx_str_t *value, ngx_uint_t n);
static ngx_int_t ngx_http_entra_auth_all(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_auth_t *auth);
static ngx_http_entra_token_t *ngx_http_entra_auth_scoped(
    ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_credential_t *credential, ngx_http_entra_auth_t *auth);
static int ngx_libc_cdecl ngx_http_entra_auth_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_http_entra_name_cmp(ngx_str_t *a, ngx_str_t *b);


char *
ngx_http_entra_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_str_t              *value;
    ngx_http_entra_auth_t  *auth;

    if (lcf->auth != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        if (cf->args->nelts > 2) {
            return "\"off\" takes no scope";
        }

        lcf->auth = NULL;
        return NGX_CONF_OK;
    }

    auth = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_auth_t));
    if (auth == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_entra_auth_line(cf, auth, &value[1], cf->args->nelts - 1)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    lcf->auth = auth;

    return NGX_CONF_OK;
}


char *
ngx_http_entra_token_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_int_t                 index;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_http_variable_t      *var;
    ngx_http_entra_second_token_t  *second;

    value = cf->args->elts;

    if (value[1].len < 2 || value[1].data[0] != '$') {
        return "needs a variable first: entra_token $name CREDENTIAL";
    }

    value[1].len--;
    value[1].data++;

    var = ngx_http_add_variable(cf, &value[1], NGX_HTTP_VAR_CHANGEABLE
                                               |NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    if (var->get_handler && var->get_handler != ngx_http_entra_no_value) {
        return "names a variable that exists already";
    }

    /* where no upstream request is made it is empty */

    var->get_handler = ngx_http_entra_no_value;

    index = ngx_http_entra_token_variable(cf, &value[1]);
    if (index == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (lcf->second_tokens == NGX_CONF_UNSET_PTR) {
        lcf->second_tokens = ngx_array_create(cf->pool, 1,
                                        sizeof(ngx_http_entra_second_token_t));
        if (lcf->second_tokens == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    second = lcf->second_tokens->elts;

    for (i = 0; i < lcf->second_tokens->nelts; i++) {
        if (second[i].index == index) {
            return "is duplicate";
        }
    }

    second = ngx_array_push(lcf->second_tokens);
    if (second == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(second, sizeof(ngx_http_entra_second_token_t));

    second->index = index;

    /* the array may move: the auth is on its own */

    second->auth = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_auth_t));
    if (second->auth == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_entra_auth_line(cf, second->auth, &value[2],
                                 cf->args->nelts - 2)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (second->auth->value) {
        return "needs the name of a credential, not a variable";
    }

    second->auth->second = 1;

    return NGX_CONF_OK;
}


/* value[0] is the name or the variable, value[1] may be scope= */

static ngx_int_t
ngx_http_entra_auth_line(ngx_conf_t *cf, ngx_http_entra_auth_t *auth,
    ngx_str_t *value, ngx_uint_t n)
{
    ngx_http_entra_auth_t             **a;
    ngx_http_entra_main_conf_t         *mcf;
    ngx_http_compile_complex_value_t    ccv;

    auth->file = cf->conf_file->file.name.data;
    auth->line = cf->conf_file->line;

    if (n == 2) {
        if (ngx_strncmp(value[1].data, "scope=", 6) != 0
            || value[1].len == 6)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"; only "
                               "\"scope=SCOPE\" may follow the credential",
                               &value[1]);
            return NGX_ERROR;
        }

        auth->scope.data = value[1].data + 6;
        auth->scope.len = value[1].len - 6;
    }

    if (ngx_http_script_variables_count(&value[0])) {
        auth->value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (auth->value == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[0];
        ccv.complex_value = auth->value;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        auth->name = value[0];
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    a = ngx_array_push(&mcf->auths);
    if (a == NULL) {
        return NGX_ERROR;
    }

    *a = auth;

    return NGX_OK;
}


ngx_int_t
ngx_http_entra_auth_resolve(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_auth_t *auth)
{
    char                          meant[ENTRA_SUGGEST_TEXT];
    ngx_http_entra_credential_t  *credential;

    if (auth->value) {
        return ngx_http_entra_auth_all(cf, mcf, auth);
    }

    credential = ngx_http_entra_credential_find(mcf, &auth->name);

    if (credential) {
        credential->used = 1;

    } else if (ngx_http_entra_credential_meant(mcf, &auth->name, meant)[0]) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown credential \"%V\"%s in %s:%ui", &auth->name,
                      meant, auth->file, auth->line);
        return NGX_ERROR;

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown credential \"%V\"; define it with "
                      "\"entra_credential %V TYPE { ... }\" in the http block "
                      "in %s:%ui",
                      &auth->name, &auth->name, auth->file, auth->line);
        return NGX_ERROR;
    }

    /* the phase exchanges the token of one credential, entra_auth's */

    if (auth->second && credential->core->type->per_caller) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "entra_token cannot use credential \"%V\": a token of "
                      "type \"%s\" is made from the caller's own one, for "
                      "entra_auth only; write \"entra_auth %V;\", and name "
                      "a credential of the gateway itself here in %s:%ui",
                      &credential->name, credential->core->type->name,
                      &credential->name, auth->file, auth->line);
        return NGX_ERROR;
    }

    auth->token = ngx_http_entra_auth_scoped(cf, mcf, credential, auth);

    return auth->token ? NGX_OK : NGX_ERROR;
}


static ngx_http_entra_token_t *
ngx_http_entra_auth_scoped(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential,
    ngx_http_entra_auth_t *auth)
{
    char                    *uri;
    ngx_str_t                scope;
    entra_err_t              err;
    entra_credential_t      *core;
    ngx_http_entra_token_t  **token;

    core = credential->core;
    token = credential->tokens.elts;

    if (auth->scope.len == 0) {
        if (credential->tokens.nelts) {
            return token[0];
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "credential \"%V\" has no scope; write \"scope aml;\" "
                      "in its block, or \"scope=aml\" here in %s:%ui",
                      &credential->name, auth->file, auth->line);
        return NULL;
    }

    if (core->type->no_scope) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "credential \"%V\" is of type \"%s\", which takes no "
                      "scope in %s:%ui", &credential->name, core->type->name,
                      auth->file, auth->line);
        return NULL;
    }

    entra_err_clear(&err);

    uri = entra_cloud_scope(core->cloud,
                            (entra_str_t) { auth->scope.len,
                                            (char *) auth->scope.data }, &err);
    if (uri == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s in %s:%ui",
                      err.text, auth->file, auth->line);
        return NULL;
    }

    scope.len = ngx_strlen(uri);
    scope.data = ngx_pnalloc(cf->pool, scope.len + 1);
    if (scope.data == NULL) {
        free(uri);
        return NULL;
    }

    ngx_memcpy(scope.data, uri, scope.len + 1);
    free(uri);

    return ngx_http_entra_credential_token(cf, mcf, credential, &scope);
}


/* a variable may name any credential: a sorted list to look it up in */

static ngx_int_t
ngx_http_entra_auth_all(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_auth_t *auth)
{
    ngx_uint_t                     i;
    ngx_http_entra_token_t        *token, **t;
    ngx_http_entra_credential_t  **c;

    if (mcf->credentials.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no credential is defined; write \"entra_credential "
                      "NAME TYPE { ... }\" in the http block in %s:%ui",
                      auth->file, auth->line);
        return NGX_ERROR;
    }

    auth->tokens = ngx_array_create(cf->pool, mcf->credentials.nelts,
                                    sizeof(void *));
    if (auth->tokens == NULL) {
        return NGX_ERROR;
    }

    c = mcf->credentials.elts;

    for (i = 0; i < mcf->credentials.nelts; i++) {

        if (c[i]->tokens.nelts == 0 && auth->scope.len == 0) {
            continue;
        }

        if (c[i]->core->type->no_scope && auth->scope.len) {
            continue;
        }

        token = ngx_http_entra_auth_scoped(cf, mcf, c[i], auth);
        if (token == NULL) {
            return NGX_ERROR;
        }

        c[i]->used = 1;

        t = ngx_array_push(auth->tokens);
        if (t == NULL) {
            return NGX_ERROR;
        }

        *t = token;
    }

    ngx_qsort(auth->tokens->elts, auth->tokens->nelts, sizeof(void *),
              ngx_http_entra_auth_cmp);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_entra_auth_cmp(const void *one, const void *two)
{
    ngx_str_t  *a, *b;

    a = &(*(ngx_http_entra_token_t **) one)->credential->name;
    b = &(*(ngx_http_entra_token_t **) two)->credential->name;

    return ngx_http_entra_name_cmp(a, b);
}


static ngx_int_t
ngx_http_entra_name_cmp(ngx_str_t *a, ngx_str_t *b)
{
    ngx_int_t  rc;

    rc = ngx_memcmp(a->data, b->data, ngx_min(a->len, b->len));

    if (rc) {
        return rc;
    }

    return a->len < b->len ? -1 : a->len > b->len;
}


/* its index, or one past the last */

ngx_uint_t
ngx_http_entra_auth_lookup(ngx_http_entra_auth_t *auth, ngx_str_t *name)
{
    ngx_int_t                 rc;
    ngx_uint_t                low, high, middle;
    ngx_http_entra_token_t  **token;

    token = auth->tokens->elts;
    low = 0;
    high = auth->tokens->nelts;

    while (low < high) {
        middle = (low + high) / 2;

        rc = ngx_http_entra_name_cmp(name, &token[middle]->credential->name);

        if (rc == 0) {
            return middle;
        }

        if (rc < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return auth->tokens->nelts;
}
