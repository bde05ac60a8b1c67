
/*
 * Copyright (C) nginx-entra authors
 *
 * HTTP requests of the core on nginx's event loop: libcurl's multi interface,
 * driven by nginx events.  One object per worker, made in init_process, since
 * neither a multi handle nor a resolver thread survives a fork.
 *
 * Nothing here holds a worker that is shutting down: timers are cancelable,
 * and a fetch dies with its worker.  A parked request keeps the worker by its
 * own timer.
 */

#ifndef _NGX_HTTP_ENTRA_CURL_H_INCLUDED_
#define _NGX_HTTP_ENTRA_CURL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "entra_iface.h"


typedef struct ngx_http_entra_curl_s  ngx_http_entra_curl_t;


/* copied by ngx_http_entra_curl_create(), but for ca_pem: parsed there */

typedef struct {
    ngx_str_t    ca_file;           /* empty: the system's bundle */
    ngx_str_t    ca_pem;            /* preferred when not empty */
    ngx_str_t    proxy;             /* of what is not local; empty: none */
    ngx_msec_t   connect_timeout;   /* with name resolution and TLS; 0: 3 s */
    ngx_msec_t   fetch_timeout;     /* of the whole request; 0: 10 s */
} ngx_http_entra_curl_conf_t;


/* NULL: logged why */
ngx_http_entra_curl_t *ngx_http_entra_curl_create(ngx_cycle_t *cycle,
    ngx_http_entra_curl_conf_t *conf);

/* gives up all requests without calling back; NULL is allowed */
void ngx_http_entra_curl_destroy(ngx_http_entra_curl_t *curl);

/*
 * entra_platform_t.http and http_cancel.  The request has to live until the
 * callback or the cancel.  The callback comes from a posted event, never from
 * inside send; it may send and cancel others.  Some requests are under way at
 * a time (entra_schedule.h says which), others wait for their turn, and their
 * time-outs begin with it.
 */
void *ngx_http_entra_curl_send(void *curl, const entra_http_request_t *request,
    entra_http_done_pt done, void *ctx);
void ngx_http_entra_curl_cancel(void *curl, void *handle);


#endif /* _NGX_HTTP_ENTRA_CURL_H_INCLUDED_ */
