
/*
 * Copyright (C) nginx-entra authors
 *
 * What all rooms of the module know.
 */

#ifndef _NGX_HTTP_ENTRA_H_INCLUDED_
#define _NGX_HTTP_ENTRA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "entra_str.h"

#include "ngx_http_entra_compat.h"


extern ngx_module_t  ngx_http_entra_module;


/* $entra_token_status, and an index of counters */

typedef enum {
    NGX_HTTP_ENTRA_NONE = 0,
    NGX_HTTP_ENTRA_HIT,
    NGX_HTTP_ENTRA_WAIT,
    NGX_HTTP_ENTRA_EXPIRED,
    NGX_HTTP_ENTRA_ERROR,
    NGX_HTTP_ENTRA_BLOCKED,
    NGX_HTTP_ENTRA_STATUSES
} ngx_http_entra_status_e;


/* protocols of *_pass, as bits: what is said for one is not for another */

#define NGX_HTTP_ENTRA_PROXY       0x01
#define NGX_HTTP_ENTRA_GRPC        0x02
#define NGX_HTTP_ENTRA_FASTCGI     0x04
#define NGX_HTTP_ENTRA_UWSGI       0x08
#define NGX_HTTP_ENTRA_SCGI        0x10

#define NGX_HTTP_ENTRA_PROXY_GRPC  (NGX_HTTP_ENTRA_PROXY|NGX_HTTP_ENTRA_GRPC)


typedef struct ngx_http_entra_credential_s    ngx_http_entra_credential_t;
typedef struct ngx_http_entra_token_s         ngx_http_entra_token_t;
typedef struct ngx_http_entra_waiter_s        ngx_http_entra_waiter_t;
typedef struct ngx_http_entra_session_s       ngx_http_entra_session_t;
typedef struct ngx_http_entra_state_s         ngx_http_entra_state_t;
typedef struct ngx_http_entra_main_conf_s     ngx_http_entra_main_conf_t;
typedef struct ngx_http_entra_header_s        ngx_http_entra_header_t;
typedef struct ngx_http_entra_curl_s          ngx_http_entra_curl_t;
typedef struct ngx_http_entra_caller_token_s  ngx_http_entra_caller_token_t;


#define ngx_http_entra_of(member_ptr, type, member)                           \
    ((type *) ((u_char *) (member_ptr) - offsetof(type, member)))


static ngx_inline void
ngx_http_entra_variable_set(ngx_http_variable_value_t *v, const void *data,
    size_t len)
{
    v->len = len;
    v->data = (u_char *) data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
}


#endif /* _NGX_HTTP_ENTRA_H_INCLUDED_ */
