
/*
 * Copyright (C) nginx-entra authors
 *
 * One HTTP request as libcurl sees it: a request becomes options of an easy
 * handle, and what it brings becomes a reply.  Knows no events; used by
 * ngx_http_entra_curl.c only.
 */

#ifndef _NGX_HTTP_ENTRA_TRANSFER_H_INCLUDED_
#define _NGX_HTTP_ENTRA_TRANSFER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <curl/curl.h>
#include <openssl/x509.h>

#include "entra_iface.h"
#include "entra_schedule.h"

#include "ngx_http_entra_curl.h"


#define NGX_HTTP_ENTRA_TRANSFER_PIN  20         /* bytes of SHA-1 */


/* what all transfers of a worker share */

typedef struct {
    ngx_log_t             *log;
    char                  *ca_file;             /* NULL: libcurl's default */
    char                  *proxy;               /* "": none */
    ngx_msec_t             connect_timeout;
    ngx_msec_t             fetch_timeout;
    X509_STORE            *store;               /* NULL: ca_file */
    unsigned               bundle:1;            /* libcurl's default: a file */
    unsigned               openssl:1;           /* libcurl's TLS is ours */
    unsigned               http2:1;             /* libcurl has it */
} ngx_http_entra_transfer_conf_t;


typedef struct {
    ngx_queue_t                            queue;   /* unless waiting */
    entra_fetch_t                          fetch;
    const ngx_http_entra_transfer_conf_t  *conf;

    const entra_http_request_t            *request;
    entra_http_done_pt                     done;
    void                                  *ctx;

    CURL                                  *easy;
    struct curl_slist                     *headers;
    struct curl_slist                     *connect_to;
    u_char                                 pin[NGX_HTTP_ENTRA_TRANSFER_PIN];

    entra_buf_t                            body;
    entra_buf_t                            content_type;
    entra_buf_t                            www_authenticate;
    entra_buf_t                            location;
    size_t                                 header_size;
    entra_http_reply_t                     reply;

    ngx_err_t                              socket_error;
    unsigned                               mismatch:1;  /* with the pin */
    char                                   error[CURL_ERROR_SIZE];
} ngx_http_entra_transfer_t;


ngx_http_entra_transfer_t *ngx_http_entra_transfer_create(
    const ngx_http_entra_transfer_conf_t *conf,
    const entra_http_request_t *request, entra_http_done_pt done, void *ctx);

/*
 * May others use its connection at the same time?  Not where a request says
 * itself whom to trust or where to connect to: libcurl does not look at that.
 */
ngx_uint_t ngx_http_entra_transfer_shareable(
    const ngx_http_entra_transfer_t *t);

/* its connection, which is there, is HTTP/2 */
ngx_uint_t ngx_http_entra_transfer_multiplexed(
    const ngx_http_entra_transfer_t *t);

/* makes the easy handle; on NGX_ERROR the reply says why */
ngx_int_t ngx_http_entra_transfer_prepare(ngx_http_entra_transfer_t *t);

/* fill the reply in: from the easy handle, or with a failure of our own */
void ngx_http_entra_transfer_finish(ngx_http_entra_transfer_t *t, CURLcode rc);
void ngx_http_entra_transfer_fail(ngx_http_entra_transfer_t *t,
    const char *text);

/* the easy handle, which must not be in a multi handle any more */
void ngx_http_entra_transfer_release(ngx_http_entra_transfer_t *t);
void ngx_http_entra_transfer_free(ngx_http_entra_transfer_t *t);


/* ngx_http_entra_transfer_conf.c */

/* from NGX_OK on store has to be freed; NGX_ERROR: logged why */
ngx_int_t ngx_http_entra_transfer_conf(ngx_http_entra_transfer_conf_t *tconf,
    ngx_cycle_t *cycle, ngx_http_entra_curl_conf_t *conf);


/* ngx_http_entra_transfer_tls.c */

/* whether SSL_CTX and X509_STORE are the same for libcurl and for us */
ngx_uint_t ngx_http_entra_transfer_tls_shared(curl_version_info_data *info);

/* the certificates of a PEM text, NULL: none, or what is not one */
X509_STORE *ngx_http_entra_transfer_tls_store(const char *pem, size_t len);

/* 0, or what could not be set */
int ngx_http_entra_transfer_tls(ngx_http_entra_transfer_t *t);


#endif /* _NGX_HTTP_ENTRA_TRANSFER_H_INCLUDED_ */
