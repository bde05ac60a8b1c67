
/*
 * Copyright (C) nginx-entra authors
 *
 * The signals of a request, and the decision about it.
 */

#include "ngx_http_entra_module.h"


ngx_int_t
ngx_http_entra_decide(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_uint_t early)
{
    return NGX_OK;
}
