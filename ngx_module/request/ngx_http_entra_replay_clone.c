
/*
 * Copyright (C) nginx-entra authors
 *
 * Hidden named clones of locations, which a request that is sent once more
 * goes to: their rewrite rules are empty, because they have been applied
 * already.  ngx_http_entra_replay.c says more.
 */

#include "ngx_http_entra_request.h"

#include <openssl/rand.h>


#define NGX_HTTP_ENTRA_CLONE_RANDOM  16


typedef struct {
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_core_loc_conf_t     *clcf;
} ngx_http_entra_clone_t;


static ngx_int_t ngx_http_entra_replay_clone(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_array_t *clones);
static ngx_int_t ngx_http_entra_replay_add(ngx_conf_t *cf,
    ngx_array_t *clones);
static ngx_module_t *ngx_http_entra_replay_module(ngx_cycle_t *cycle,
    const char *name);


ngx_int_t
ngx_http_entra_replay_init(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_array_t                 clones;
    ngx_http_entra_location_t  *location;

    if (ngx_array_init(&clones, cf->temp_pool, 8,
                       sizeof(ngx_http_entra_clone_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {

        if ((location[i].lcf->auth == NULL
             && location[i].lcf->second_tokens == NULL)
            || !location[i].lcf->replay || location[i].clcf->handler == NULL
            || location[i].lcf->sent.pass == NULL)
        {
            continue;
        }

        if (ngx_http_entra_replay_clone(cf, &location[i], &clones) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_entra_replay_add(cf, &clones);
}


static ngx_int_t
ngx_http_entra_replay_clone(ngx_conf_t *cf, ngx_http_entra_location_t *location,
    ngx_array_t *clones)
{
    u_char                      random[NGX_HTTP_ENTRA_CLONE_RANDOM], *p;
    void                       *rewrite;
    ngx_uint_t                  modules;
    ngx_module_t               *module;
    ngx_http_module_t          *ctx;
    ngx_http_entra_clone_t      *clone;
    ngx_http_core_loc_conf_t   *clcf;

    module = ngx_http_entra_replay_module(cf->cycle, "ngx_http_rewrite_module");

    clcf = ngx_palloc(cf->pool, sizeof(ngx_http_core_loc_conf_t));
    if (clcf == NULL) {
        return NGX_ERROR;
    }

    *clcf = *location->clcf;

    clcf->name.data = ngx_pnalloc(cf->pool, sizeof("@entra-")
                                            + 2 * NGX_HTTP_ENTRA_CLONE_RANDOM
                                            + NGX_INT_T_LEN);
    if (clcf->name.data == NULL) {
        return NGX_ERROR;
    }

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no random bytes");
        return NGX_ERROR;
    }

    p = ngx_cpymem(clcf->name.data, "@entra-", sizeof("@entra-") - 1);
    p = ngx_hex_dump(p, random, sizeof(random));
    *p = '\0';

    clcf->name.len = p - clcf->name.data;
    clcf->named = 1;
    clcf->exact_match = 0;
    clcf->noname = 0;
    clcf->auto_redirect = 0;

    /* the block of limit_except has a clone of its own */

    clcf->limit_except = 0;
    clcf->limit_except_loc_conf = NULL;

    modules = ngx_http_max_module;

    clcf->loc_conf = ngx_palloc(cf->pool, sizeof(void *) * modules);
    if (clcf->loc_conf == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(clcf->loc_conf, location->clcf->loc_conf,
               sizeof(void *) * modules);

    clcf->loc_conf[ngx_http_core_module.ctx_index] = clcf;

    if (module) {
        ctx = module->ctx;

        rewrite = ctx->create_loc_conf(cf);
        if (rewrite == NULL) {
            return NGX_ERROR;
        }

        clcf->loc_conf[module->ctx_index] = rewrite;
    }

    location->lcf->clone.name = clcf->name;
    location->lcf->clone.location = clcf;
    location->lcf->clone.of = location->clcf->name;

    clone = ngx_array_push(clones);
    if (clone == NULL) {
        return NGX_ERROR;
    }

    clone->cscf = location->cscf;
    clone->clcf = clcf;

    return NGX_OK;
}


/* the list of a server ends with NULL and was built before us */

static ngx_int_t
ngx_http_entra_replay_add(ngx_conf_t *cf, ngx_array_t *clones)
{
    ngx_uint_t                   i, j, old, new;
    ngx_http_entra_clone_t       *clone;
    ngx_http_core_loc_conf_t   **clcfp;

    clone = clones->elts;

    for (i = 0; i < clones->nelts; i++) {

        if (clone[i].clcf == NULL) {
            continue;
        }

        old = 0;
        new = 0;

        if (clone[i].cscf->named_locations) {
            while (clone[i].cscf->named_locations[old]) {
                old++;
            }
        }

        for (j = i; j < clones->nelts; j++) {
            new += clone[j].cscf == clone[i].cscf;
        }

        clcfp = ngx_palloc(cf->pool, (old + new + 1) * sizeof(void *));
        if (clcfp == NULL) {
            return NGX_ERROR;
        }

        if (old) {
            ngx_memcpy(clcfp, clone[i].cscf->named_locations,
                       old * sizeof(void *));
        }

        clone[i].cscf->named_locations = clcfp;
        clcfp += old;

        for (j = i; j < clones->nelts; j++) {
            if (clone[j].cscf == clone[i].cscf) {
                *clcfp++ = clone[j].clcf;

                if (j != i) {
                    clone[j].clcf = NULL;
                }
            }
        }

        *clcfp = NULL;
    }

    return NGX_OK;
}


static ngx_module_t *
ngx_http_entra_replay_module(ngx_cycle_t *cycle, const char *name)
{
    ngx_uint_t  i;

    for (i = 0; cycle->modules[i]; i++) {
        if (ngx_strcmp(cycle->modules[i]->name, name) == 0) {
            return cycle->modules[i];
        }
    }

    return NULL;
}
