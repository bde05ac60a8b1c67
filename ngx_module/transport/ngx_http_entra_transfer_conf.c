
/*
 * Copyright (C) nginx-entra authors
 *
 * What all transfers share, and what libcurl has to be able to do.
 */

#include "ngx_http_entra_transfer.h"
#include "ngx_http_entra_compat.h"


#define NGX_HTTP_ENTRA_CONNECT_TIMEOUT  3000    /* ms, defaults */
#define NGX_HTTP_ENTRA_FETCH_TIMEOUT    10000


static ngx_int_t ngx_http_entra_transfer_library(
    ngx_http_entra_transfer_conf_t *tconf);
static char *ngx_http_entra_transfer_string(ngx_pool_t *pool, ngx_str_t *s);


ngx_int_t
ngx_http_entra_transfer_conf(ngx_http_entra_transfer_conf_t *tconf,
    ngx_cycle_t *cycle, ngx_http_entra_curl_conf_t *conf)
{
    tconf->log = cycle->log;
    tconf->connect_timeout = conf->connect_timeout
                             ? conf->connect_timeout
                             : NGX_HTTP_ENTRA_CONNECT_TIMEOUT;
    tconf->fetch_timeout = conf->fetch_timeout ? conf->fetch_timeout
                                               : NGX_HTTP_ENTRA_FETCH_TIMEOUT;

    if (ngx_http_entra_transfer_library(tconf) != NGX_OK) {
        return NGX_ERROR;
    }

    tconf->proxy = ngx_http_entra_transfer_string(cycle->pool, &conf->proxy);

    if (tconf->proxy == NULL) {
        return NGX_ERROR;
    }

    if (conf->ca_pem.len) {
        tconf->store = ngx_http_entra_transfer_tls_store(
                                              (char *) conf->ca_pem.data,
                                              conf->ca_pem.len);
        if (tconf->store == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "the trusted certificates could not be read");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (conf->ca_file.len) {
        tconf->ca_file = ngx_http_entra_transfer_string(cycle->pool,
                                                        &conf->ca_file);
        if (tconf->ca_file == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_transfer_library(ngx_http_entra_transfer_conf_t *tconf)
{
    curl_version_info_data  *info;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, tconf->log, 0,
                      "curl_global_init() failed");
        return NGX_ERROR;
    }

    info = curl_version_info(CURLVERSION_NOW);

    if (!(info->features & CURL_VERSION_SSL)) {
        ngx_log_error(NGX_LOG_EMERG, tconf->log, 0,
                      "libcurl %s was built without TLS", info->version);
        return NGX_ERROR;
    }

    if (!(info->features & CURL_VERSION_ASYNCHDNS)) {
        ngx_log_error(NGX_LOG_WARN, tconf->log, 0,
                      "libcurl %s was built without an asynchronous resolver: "
                      "a slow name server will block nginx", info->version);
    }

    tconf->bundle = (info->cainfo != NULL);
    tconf->http2 = (info->features & CURL_VERSION_HTTP2) ? 1 : 0;
    tconf->openssl = ngx_http_entra_transfer_tls_shared(info);

    return NGX_OK;
}


static char *
ngx_http_entra_transfer_string(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);
    if (p == NULL) {
        return NULL;
    }

    (void) ngx_cpystrn(p, s->data, s->len + 1);

    return (char *) p;
}
