
/*
 * Copyright (C) nginx-entra authors
 *
 * What is written and has no effect, or not the one that is meant: warnings
 * when the configuration is read.
 */

#include "ngx_http_entra_conf.h"


static void ngx_http_entra_effect_locations(ngx_http_entra_main_conf_t *mcf);
static void ngx_http_entra_effect_auths(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static void ngx_http_entra_effect_policies(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static void ngx_http_entra_effect_credentials(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_effect_callers(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static void ngx_http_entra_effect_files(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);


ngx_int_t
ngx_http_entra_effect(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_effect_locations(mcf);
    ngx_http_entra_effect_auths(cf, mcf);
    ngx_http_entra_effect_policies(cf, mcf);
    ngx_http_entra_effect_credentials(cf, mcf);

    if (mcf->user) {
        ngx_http_entra_effect_files(cf, mcf);
    }

    return ngx_http_entra_effect_callers(cf, mcf);
}


/* which directives have come to a location that proxies */

static void
ngx_http_entra_effect_locations(ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                      i, j;
    ngx_http_entra_loc_conf_t      *lcf;
    ngx_http_entra_location_t      *location;
    ngx_http_entra_second_token_t  *second;

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        lcf = location[i].lcf;

        if (lcf->auth == NULL && lcf->second_tokens == NULL) {
            continue;
        }

        if (lcf->sent.pass) {

            if (lcf->auth) {
                lcf->auth->passed = 1;
            }

            second = lcf->second_tokens ? lcf->second_tokens->elts : NULL;

            for (j = 0; second && j < lcf->second_tokens->nelts; j++) {
                second[j].auth->passed = 1;
            }
        }

        for ( /* void */ ; lcf && !lcf->applied; lcf = lcf->parent) {
            lcf->applied = 1;
        }
    }
}


static void
ngx_http_entra_effect_auths(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_http_entra_auth_t  **auth;

    auth = mcf->auths.elts;

    for (i = 0; i < mcf->auths.nelts; i++) {

        if (auth[i]->passed) {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"%s\" sends no token: no location that it applies to "
                      "passes requests on; write it beside \"proxy_pass "
                      "https://HOST;\" or \"grpc_pass\" in %s:%ui",
                      auth[i]->second ? "entra_token" : "entra_auth",
                      auth[i]->file, auth[i]->line);
    }
}


static void
ngx_http_entra_effect_policies(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_http_entra_loc_conf_t  *lcf;
    ngx_http_entra_location_t  *location;

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {

        for (lcf = location[i].lcf;
             lcf && !lcf->applied;
             lcf = lcf->parent)
        {
            lcf->applied = 1;

            if (lcf->own_policies) {
                ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                              "\"entra_policies\" has no effect, and nobody "
                              "is denied: policies decide who may use a "
                              "credential; write \"entra_auth NAME;\" beside "
                              "it in %s:%ui", lcf->file, lcf->line);
            }
        }
    }
}


static void
ngx_http_entra_effect_credentials(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_http_entra_credential_t  **c;

    c = mcf->credentials.elts;

    for (i = 0; i < mcf->credentials.nelts; i++) {

        if (c[i]->used) {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "credential \"%V\" is not used: write \"entra_auth %V;\" "
                      "in a location, or remove it in %s:%ui",
                      &c[i]->name, &c[i]->name, c[i]->file, c[i]->line);
    }
}


/* nobody's token is exchanged where nobody's token is looked at */

static ngx_int_t
ngx_http_entra_effect_callers(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_http_entra_credential_t  **c;

    c = mcf->credentials.elts;

    for (i = 0; mcf->caller_token == NULL && i < mcf->credentials.nelts; i++) {

        if (!c[i]->used || !c[i]->core->type->per_caller) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "credential \"%V\" exchanges the caller's token, which "
                      "is never looked at: write \"entra_caller_token { "
                      "tenant_id ...; audience ...; }\" in %s:%ui",
                      &c[i]->name, c[i]->file, c[i]->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* those of named locations; a credential's own are its type's to tell */

static void
ngx_http_entra_effect_files(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    unsigned                       j;
    ngx_uint_t                     i;
    entra_buf_t                    text;
    const entra_named_location_t  *location;

    for (i = 0;
         (location = entra_rules_location_nth(mcf->rules, i)) != NULL;
         i++)
    {
        for (j = 0; j < location->nfiles; j++) {
            entra_buf_init(&text, ENTRA_ACCESS_TEXT);
            entra_access_readable(location->files[j].file.path, mcf->user,
                                  &text);

            if (text.len) {
                ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                              "entra_named_location \"%s\": %s%s",
                              location->name, text.data,
                              location->files[j].where
                                  ? location->files[j].where : "");
            }

            entra_buf_free(&text);
        }
    }
}
