
/*
 * Copyright (C) nginx-entra authors
 *
 * A cache must not answer one caller with what another one got: where an
 * answer depends on the caller, the key of the cache has to.
 */

#include "ngx_http_entra_conf.h"

#include "entra_caller.h"


/* what the key of a cache has to hold */

#define NGX_HTTP_ENTRA_BY_TOKEN        0x01
#define NGX_HTTP_ENTRA_BY_CERTIFICATE  0x02


static const char *ngx_http_entra_cache_credential(
    ngx_http_entra_location_t *location,
    ngx_http_entra_credential_t *credential, ngx_uint_t by);
static const char *ngx_http_entra_cache_policies(
    ngx_http_entra_policies_t *set, ngx_uint_t by);
static const char *ngx_http_entra_cache_prefix(ngx_uint_t protocol);
static ngx_uint_t ngx_http_entra_cache_knows(const entra_refs_t *refs,
    ngx_uint_t by);


ngx_int_t
ngx_http_entra_check_cache(ngx_conf_t *cf, ngx_http_entra_location_t *location)
{
    ngx_uint_t                       i, by;
    const char                      *what;
    ngx_http_entra_auth_t           *auth;
    ngx_http_entra_pass_t           *pass;
    ngx_http_entra_token_t         **token;
    ngx_http_entra_sent_cache_t     *cache;
    ngx_http_entra_second_token_t   *second;

    pass = location->lcf->sent.pass;
    cache = &location->lcf->sent.cache;
    auth = location->lcf->auth;

    if (!(cache->on & pass->protocol)) {
        return NGX_OK;
    }

    by = (cache->by_token & pass->protocol ? NGX_HTTP_ENTRA_BY_TOKEN : 0)
         | (cache->by_certificate & pass->protocol
            ? NGX_HTTP_ENTRA_BY_CERTIFICATE : 0);
    what = NULL;

    if (auth && auth->token) {
        what = ngx_http_entra_cache_credential(location,
                                               auth->token->credential, by);

    } else if (auth) {
        token = auth->tokens->elts;

        for (i = 0; i < auth->tokens->nelts && what == NULL; i++) {
            what = ngx_http_entra_cache_credential(location,
                                                   token[i]->credential, by);
        }
    }

    if (location->lcf->second_tokens) {
        second = location->lcf->second_tokens->elts;

        for (i = 0; i < location->lcf->second_tokens->nelts && what == NULL;
             i++)
        {
            what = ngx_http_entra_cache_credential(location,
                                        second[i].auth->token->credential, by);
        }
    }

    if (what == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the cache of location \"%V\" in %s:%ui could answer one "
                  "caller with what another one got: %s, and its key does not "
                  "hold the caller; write \"$entra_caller_id\" into "
                  "\"%s_cache_key\", or \"%s_cache off\"",
                  &location->clcf->name, pass->file, pass->line, what,
                  ngx_http_entra_cache_prefix(pass->protocol),
                  ngx_http_entra_cache_prefix(pass->protocol));

    return NGX_ERROR;
}


/* of its directives */

static const char *
ngx_http_entra_cache_prefix(ngx_uint_t protocol)
{
    switch (protocol) {

    case NGX_HTTP_ENTRA_FASTCGI:
        return "fastcgi";

    case NGX_HTTP_ENTRA_UWSGI:
        return "uwsgi";

    case NGX_HTTP_ENTRA_SCGI:
        return "scgi";

    default:
        return "proxy";
    }
}


/* NULL, or what makes answers of this location a caller's own */

static const char *
ngx_http_entra_cache_credential(ngx_http_entra_location_t *location,
    ngx_http_entra_credential_t *credential, ngx_uint_t by)
{
    if (credential->core->type->per_caller && !(by & NGX_HTTP_ENTRA_BY_TOKEN))
    {
        return "its tokens are those of each caller";
    }

    return ngx_http_entra_cache_policies(ngx_http_entra_rules_of(location,
                                                                 credential),
                                         by);
}


static const char *
ngx_http_entra_cache_policies(ngx_http_entra_policies_t *set, ngx_uint_t by)
{
    ngx_uint_t                 i;
    const entra_policy_t      *policy;
    const entra_assignment_t  *callers;

    for (i = 0; set && i < set->n; i++) {
        policy = set->policies[i];

        /* who decides nothing makes no difference, until then */

        if (policy->state == ENTRA_POLICY_DISABLED
            || (policy->state == ENTRA_POLICY_REPORT_ONLY
                && policy->until == 0)
            || !(policy->stated & 1u << ENTRA_DIM_CALLERS))
        {
            continue;
        }

        callers = &policy->assignments[ENTRA_DIM_CALLERS];

        if (!ngx_http_entra_cache_knows(&callers->include, by)
            || !ngx_http_entra_cache_knows(&callers->except, by))
        {
            return "its policies name callers";
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_entra_cache_knows(const entra_refs_t *refs, ngx_uint_t by)
{
    ngx_uint_t                  i, k;
    const entra_caller_line_t  *line;

    for (i = 0; i < refs->nnames; i++) {
        for (k = 0; k < refs->found.callers[i]->nlines; k++) {
            line = &refs->found.callers[i]->lines[k];

            if (!(line->token && (by & NGX_HTTP_ENTRA_BY_TOKEN))
                && !(line->certificate && (by & NGX_HTTP_ENTRA_BY_CERTIFICATE)))
            {
                return 0;
            }
        }
    }

    return 1;
}
