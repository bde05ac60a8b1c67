
/*
 * Copyright (C) nginx-entra authors
 *
 * All the blocks of Conditional Access together: which policies decide in
 * which location; in a worker, the policies' counters and files that change.
 */

#include "ngx_http_entra_conf.h"
#include "entra_lint.h"

#include <openssl/evp.h>


static ngx_int_t ngx_http_entra_rules_peer(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_rules_credentials(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_rules_location(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_location_t *location);
static ngx_int_t ngx_http_entra_rules_set(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential,
    ngx_http_entra_location_t *location, ngx_http_entra_policies_t **set);
static ngx_int_t ngx_http_entra_rules_add(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential,
    ngx_array_t *names, ngx_http_entra_policies_t *set, u_char *file,
    ngx_uint_t line);
static entra_store_atomics_t *ngx_http_entra_rules_counters(
    ngx_http_entra_main_conf_t *mcf, u_char *key);
static void ngx_http_entra_rules_log(void *data, entra_log_level_e level,
    const char *text);


ngx_int_t
ngx_http_entra_rules_init(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    entra_err_t                 err;
    ngx_http_entra_location_t  *location;

    entra_err_clear(&err);

    if (mcf->address.has_trusted_proxies
        && entra_cidr_set_seal(&mcf->address.trusted_proxies) != 0)
    {
        return NGX_ERROR;
    }

    if (entra_rules_finish(mcf->rules, &err) != 0
        || (mcf->caller_token == NULL
            && entra_lint_tokens(mcf->rules, &err) != 0))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s", err.text);
        return NGX_ERROR;
    }

    if (ngx_http_entra_rules_peer(cf, mcf) != NGX_OK
        || ngx_http_entra_rules_credentials(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        if (ngx_http_entra_rules_location(cf, mcf, &location[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_entra_lint(cf, mcf);
}


/* the address of the peer itself, where ngx_http_realip_module changes it */

static ngx_int_t
ngx_http_entra_rules_peer(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_str_t   name = ngx_string("realip_remote_addr");
    ngx_uint_t  i;

    /* without an address that is trusted it changes none */

    if (mcf->address.realip.len == 0) {
        return NGX_OK;
    }

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, "ngx_http_realip_module")
            == 0)
        {
            mcf->address.peer_index = ngx_http_get_variable_index(cf, &name);
            return mcf->address.peer_index == NGX_ERROR ? NGX_ERROR : NGX_OK;
        }
    }

    return NGX_OK;
}


/* also those that no location uses: members of chains, spare ones */

static ngx_int_t
ngx_http_entra_rules_credentials(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_http_entra_policies_t      set;
    ngx_http_entra_credential_t  **c;

    c = mcf->credentials.elts;

    for (i = 0; i < mcf->credentials.nelts; i++) {

        if (c[i]->policy_names.nelts == 0) {
            continue;
        }

        set.n = 0;
        set.policies = ngx_palloc(cf->temp_pool, c[i]->policy_names.nelts
                                                 * sizeof(void *));
        if (set.policies == NULL
            || ngx_http_entra_rules_add(cf, mcf, c[i], &c[i]->policy_names,
                                        &set, c[i]->file, c[i]->line)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the policies of each credential that the location may use, with its own */

static ngx_int_t
ngx_http_entra_rules_location(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_location_t *location)
{
    ngx_uint_t                    i;
    ngx_http_entra_auth_t        *auth;
    ngx_http_entra_token_t      **token;
    ngx_http_entra_second_token_t      *second;
    ngx_http_entra_loc_conf_t    *lcf;
    ngx_http_entra_policies_t   **sets;

    lcf = location->lcf;
    auth = lcf->auth;

    if (auth) {
        sets = ngx_pcalloc(cf->pool, (auth->tokens ? auth->tokens->nelts : 1)
                                     * sizeof(void *));
        if (sets == NULL) {
            return NGX_ERROR;
        }

        lcf->policies = sets;

        if (auth->token) {
            if (ngx_http_entra_rules_set(cf, mcf, auth->token->credential,
                                         location, &sets[0])
                != NGX_OK)
            {
                return NGX_ERROR;
            }

        } else {
            token = auth->tokens->elts;

            for (i = 0; i < auth->tokens->nelts; i++) {
                if (ngx_http_entra_rules_set(cf, mcf, token[i]->credential,
                                             location, &sets[i])
                    != NGX_OK)
                {
                    return NGX_ERROR;
                }
            }
        }
    }

    if (lcf->second_tokens == NULL) {
        return NGX_OK;
    }

    second = lcf->second_tokens->elts;

    for (i = 0; i < lcf->second_tokens->nelts; i++) {
        if (ngx_http_entra_rules_set(cf, mcf,
                                     second[i].auth->token->credential,
                                     location, &second[i].policies)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (second[i].policies) {
            lcf->second_policies = 1;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_rules_set(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_credential_t *credential,
    ngx_http_entra_location_t *location, ngx_http_entra_policies_t **result)
{
    ngx_uint_t                  n;
    ngx_array_t                *names;
    ngx_http_entra_policies_t  *set;

    names = location->lcf->policy_names;
    n = credential->policy_names.nelts + (names ? names->nelts : 0);

    *result = NULL;

    if (n == 0) {
        return NGX_OK;
    }

    set = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_policies_t));
    if (set == NULL) {
        return NGX_ERROR;
    }

    set->policies = ngx_palloc(cf->pool, n * sizeof(void *));
    if (set->policies == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_entra_rules_add(cf, mcf, credential,
                                 &credential->policy_names, set,
                                 credential->file, credential->line)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (names && ngx_http_entra_rules_add(cf, mcf, NULL, names, set,
                                          location->lcf->file,
                                          location->lcf->line)
                 != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (set->n > ENTRA_POLICIES_MAX) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "%ui policies decide about credential \"%V\" in "
                      "location \"%V\", where %d are possible; join some of "
                      "them, each line of a policy takes many names, in "
                      "%s:%ui", set->n, &credential->name,
                      &location->clcf->name, ENTRA_POLICIES_MAX,
                      names ? location->lcf->file : credential->file,
                      names ? location->lcf->line : credential->line);
        return NGX_ERROR;
    }

    if (entra_policies_see_operations(set->policies, set->n)) {
        location->lcf->operations = 1;
    }

    *result = set;

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_rules_add(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_credential_t *credential, ngx_array_t *names,
    ngx_http_entra_policies_t *set, u_char *file, ngx_uint_t line)
{
    ngx_str_t       *name;
    ngx_uint_t       i, j;
    entra_err_t      err;
    entra_str_t      text;
    entra_policy_t  *policy;

    ngx_http_entra_line_t  *at;
    entra_credential_t     *core;

    core = credential ? credential->core : NULL;
    at = credential ? ngx_http_entra_conf_find(credential->lines, "policies")
                    : NULL;
    if (at) {
        file = at->file;
        line = at->line;
    }

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {
        text.data = (char *) name[i].data;
        text.len = name[i].len;

        policy = entra_rules_policy(mcf->rules, text);

        if (policy == NULL) {
            entra_err_clear(&err);
            (void) entra_rules_unknown(mcf->rules, ENTRA_RULE_POLICY, text,
                                       &err);
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s%s in %s:%ui",
                          err.text,
                          core && entra_credential_is_param(core, text)
                              ? ", is a ';' missing before it?" : "",
                          file, line);
            return NGX_ERROR;
        }

        for (j = 0; j < set->n; j++) {
            if (set->policies[j] == policy) {
                break;
            }
        }

        if (j == set->n) {
            set->policies[set->n++] = policy;
        }

        /* in use; a worker puts the record of its counters here */

        policy->data = mcf;
        policy->used = 1;
    }

    return NGX_OK;
}


/* NULL: the location has none for it, or does not use that credential */

ngx_http_entra_policies_t *
ngx_http_entra_rules_of(ngx_http_entra_location_t *location,
    ngx_http_entra_credential_t *credential)
{
    ngx_uint_t                  i;
    ngx_http_entra_auth_t      *auth;
    ngx_http_entra_token_t    **token;
    ngx_http_entra_second_token_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = location->lcf;
    auth = lcf->auth;

    if (auth && auth->token && auth->token->credential == credential) {
        return lcf->policies[0];
    }

    token = auth && auth->tokens ? auth->tokens->elts : NULL;

    for (i = 0; token && i < auth->tokens->nelts; i++) {
        if (token[i]->credential == credential) {
            return lcf->policies[i];
        }
    }

    second = lcf->second_tokens ? lcf->second_tokens->elts : NULL;

    for (i = 0; second && i < lcf->second_tokens->nelts; i++) {
        if (second[i].auth->token->credential == credential) {
            return second[i].policies;
        }
    }

    return NULL;
}


/* in a worker: counters of policies, which survive a reload by their names */

void
ngx_http_entra_rules_attach(ngx_http_entra_main_conf_t *mcf)
{
    u_char           key[32];
    ngx_uint_t       i;
    entra_buf_t      text;
    entra_policy_t  *policy;

    for (i = 0; (policy = entra_rules_policy_nth(mcf->rules, i)) != NULL; i++)
    {
        if (policy->data == NULL) {
            continue;
        }

        entra_buf_init(&text, 1024);
        entra_buf_addf(&text, "policy:%s", policy->name);

        (void) EVP_Digest(text.data, text.len, key, NULL, EVP_sha256(), NULL);
        entra_buf_free(&text);

        policy->data = ngx_http_entra_rules_counters(mcf, key);
    }
}


/*
 * With no room in the zone each worker counts for itself; NULL: the policy
 * still decides, it is only not counted
 */

static entra_store_atomics_t *
ngx_http_entra_rules_counters(ngx_http_entra_main_conf_t *mcf, u_char *key)
{
    entra_store_t      *store;
    entra_store_ref_t   ref;

    store = ngx_http_entra_zone_store(mcf);

    ngx_memzero(&ref, sizeof(entra_store_ref_t));
    ngx_memcpy(ref.key, key, ENTRA_STORE_KEY);
    ref.kind = ENTRA_STORE_SHARED;

    /* it stays as long as this process does */

    if (entra_store_attach(store, &ref, mcf->config, ngx_http_entra_clock())
        == 0)
    {
        return entra_store_atomics(store, &ref);
    }

    ngx_http_entra_zone_full(mcf);

    return ngx_pcalloc(ngx_cycle->pool, sizeof(entra_store_atomics_t));
}


/* 1: a long list is not all read yet */

ngx_uint_t
ngx_http_entra_rules_watch(ngx_http_entra_main_conf_t *mcf)
{
    return entra_rules_watch(mcf->rules, ngx_time(), ngx_http_entra_rules_log,
                             NULL);
}


static void
ngx_http_entra_rules_log(void *data, entra_log_level_e level, const char *text)
{
    ngx_uint_t  n;

    /* all workers look at the same files: one of them says it */

    if (ngx_worker != 0) {
        return;
    }

    n = level == ENTRA_LOG_ERR ? NGX_LOG_ERR : NGX_LOG_NOTICE;

    ngx_log_error(n, ngx_cycle->log, 0, "entra: %s", text);
}
