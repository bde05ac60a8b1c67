
/*
 * Copyright (C) nginx-entra authors
 *
 * Pages of the module that anybody can open: a warning each, with what to
 * write.
 */

#include "ngx_http_entra_conf.h"


static ngx_uint_t ngx_http_entra_guarded(ngx_conf_t *cf,
    ngx_http_entra_location_t *location);
static ngx_uint_t ngx_http_entra_guard_public(ngx_http_conf_addr_t *addr);
static const char *ngx_http_entra_guard_why(const char *directive);


void
ngx_http_entra_guard(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                   i;
    ngx_http_entra_location_t   *location;
    ngx_http_entra_page_conf_t  *page;

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        page = &location[i].lcf->page;

        /* those for probes tell nothing else */

        if (!page->is_page || page->ready || page->live
            || ngx_http_entra_guarded(cf, &location[i]))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "anybody can open \"%s\" in location \"%V\"%s; write "
                      "\"allow ADDRESS;\" of those who may and \"deny all;\" "
                      "there, or \"auth_basic\", or \"listen 127.0.0.1:PORT;\" "
                      "in the server in %s:%ui",
                      page->directive, &location[i].clcf->name,
                      ngx_http_entra_guard_why(page->directive), page->file,
                      page->line);
    }
}


static ngx_uint_t
ngx_http_entra_guarded(ngx_conf_t *cf, ngx_http_entra_location_t *location)
{
    ngx_http_entra_guard_conf_t  *guard;

    guard = &location->lcf->guard;

    return guard->denied || guard->asked || guard->verified
           || location->clcf->internal || location->clcf->named
           || !ngx_http_entra_some_address(cf, location->cscf,
                                           ngx_http_entra_guard_public);
}


static const char *
ngx_http_entra_guard_why(const char *directive)
{
    if (ngx_strcmp(directive, "entra_sign_in") == 0) {
        return ", and replace the identity that the gateway acts as";
    }

    if (ngx_strcmp(directive, "entra_what_if") == 0) {
        return ", and try out who gets past the policies";
    }

    return ", and read names, errors and callers there";
}


static ngx_uint_t
ngx_http_entra_guard_public(ngx_http_conf_addr_t *addr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (addr->opt.sockaddr->sa_family) {

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        return 0;
#endif

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) addr->opt.sockaddr;
        return !IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
#endif

    default:
        sin = (struct sockaddr_in *) addr->opt.sockaddr;
        return ntohl(sin->sin_addr.s_addr) >> 24 != 127;
    }
}


ngx_uint_t
ngx_http_entra_some_address(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_entra_address_pt test)
{
    ngx_uint_t                   i, j, k;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **server;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    port = cmcf->ports ? cmcf->ports->elts : NULL;

    for (i = 0; port && i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (j = 0; j < port[i].addrs.nelts; j++) {
            server = addr[j].servers.elts;

            for (k = 0; k < addr[j].servers.nelts; k++) {
                if (server[k] == cscf && test(&addr[j])) {
                    return 1;
                }
            }
        }
    }

    return 0;
}
