
/*
 * Copyright (C) nginx-entra authors
 *
 * The credentials that "entra_status ready" names, once all are known.
 */

#include "ngx_http_entra_conf.h"


static ngx_int_t ngx_http_entra_ready_name(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_loc_conf_t *lcf,
    ngx_str_t *name);


ngx_int_t
ngx_http_entra_ready_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_str_t                  *name;
    ngx_uint_t                  i, j;
    ngx_array_t                *names;
    ngx_http_entra_location_t  *location;

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        names = location[i].lcf->page.ready_names;
        name = names ? names->elts : NULL;

        for (j = 0; names && j < names->nelts; j++) {
            if (ngx_http_entra_ready_name(cf, mcf, location[i].lcf,
                                                 &name[j])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_ready_name(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_loc_conf_t *lcf,
    ngx_str_t *name)
{
    char                          meant[ENTRA_SUGGEST_TEXT];
    const char                   *wrong;
    ngx_http_entra_credential_t  *c;

    meant[0] = '\0';

    c = ngx_http_entra_credential_find(mcf, name);

    if (c == NULL) {
        wrong = "there is no such credential";
        (void) ngx_http_entra_credential_meant(mcf, name, meant);

    } else if (c->core->type->per_caller) {
        wrong = "its tokens are those of callers, there is none to wait for";

    } else if (c->preload == 0) {
        wrong = "with \"preload off\" it has no token before the first "
                "request, which would wait for this";

    } else {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"entra_status ready\" names credential \"%V\": %s%s in "
                  "%s:%ui", name, wrong, meant, lcf->page.file,
                  lcf->page.line);

    return NGX_ERROR;
}
