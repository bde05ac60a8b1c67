
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_env.h"
#include "entra_file.h"
#include "entra_token_proxy.h"
#include "entra_url.h"


#define ENTRA_PROXY_URL   "AZURE_KUBERNETES_TOKEN_PROXY"
#define ENTRA_PROXY_SNI   "AZURE_KUBERNETES_SNI_NAME"
#define ENTRA_PROXY_FILE  "AZURE_KUBERNETES_CA_FILE"
#define ENTRA_PROXY_DATA  "AZURE_KUBERNETES_CA_DATA"

#define ENTRA_PROXY_CA_MAX  (256 * 1024)


static int
entra_token_proxy_ca(entra_token_proxy_t *proxy, const char *file,
    const char *data, entra_err_t *err)
{
    if (file && data) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "both %s and %s are set: one CA is possible",
                             ENTRA_PROXY_FILE, ENTRA_PROXY_DATA);
    }

    if (data) {
        if (strstr(data, "-----BEGIN CERTIFICATE-----") == NULL) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "%s is not a certificate in PEM",
                                 ENTRA_PROXY_DATA);
        }

        proxy->ca_data = entra_str_dup(entra_str_c(data));

        return proxy->ca_data ? 0 : entra_err_no_memory(err);
    }

    if (file == NULL) {
        return 0;
    }

    if (entra_file_init(&proxy->ca_file, file, ENTRA_PROXY_CA_MAX) != 0) {
        return entra_err_no_memory(err);
    }

    return entra_file_refresh(&proxy->ca_file, err) < 0 ? -1 : 0;
}


/*
 * The URL names what the certificate is to name; where to connect to is said
 * beside it when that is another host.
 */

static int
entra_token_proxy_base(entra_token_proxy_t *proxy, const entra_url_t *url,
    const char *sni)
{
    entra_str_t  path = url->target;
    entra_str_t  port = url->port.len ? url->port : entra_str("443");
    entra_buf_t  base, to, host;

    while (path.len && path.data[path.len - 1] == '/') {
        path.len--;
    }

    entra_buf_init(&base, 2 * ENTRA_URL_MAX);
    entra_buf_init(&to, ENTRA_URL_MAX);
    entra_buf_init(&host, ENTRA_URL_MAX);

    entra_buf_addf(&base, "https://%.*s:%.*s%.*s",
                   sni ? (int) strlen(sni) : (int) url->host.len,
                   sni ? sni : url->host.data,
                   (int) port.len, port.data, (int) path.len, path.data);

    entra_buf_addf(&to, "%.*s:%.*s", (int) url->host.len, url->host.data,
                   (int) port.len, port.data);

    entra_buf_add_str(&host, url->host);

    if (url->port.len) {
        entra_buf_add_char(&host, ':');
        entra_buf_add_str(&host, url->port);
    }

    proxy->base = entra_buf_steal(&base);
    proxy->host = entra_buf_steal(&host);

    if (sni) {
        proxy->connect_to = entra_buf_steal(&to);
    }

    entra_buf_free(&to);

    return proxy->base && proxy->host && (sni == NULL || proxy->connect_to)
           ? 0 : -1;
}


static int
entra_token_proxy_name_ok(const char *name)
{
    entra_buf_t  text;
    entra_url_t  url;
    int          rc;

    entra_buf_init(&text, ENTRA_URL_MAX);
    entra_buf_addf(&text, "https://%s", name);

    rc = entra_buf_ok(&text)
         && entra_url_parse(entra_buf_str(&text), &url) == 0
         && url.host.len == strlen(name) && name[0] != '[';

    entra_buf_free(&text);

    return rc;
}


int
entra_token_proxy_init(entra_token_proxy_t *proxy, const entra_env_t *env,
    entra_err_t *err)
{
    const char   *value, *sni, *file, *data;
    entra_url_t   url;

    memset(proxy, 0, sizeof(entra_token_proxy_t));

    value = entra_env_get(env, ENTRA_PROXY_URL);
    sni = entra_env_get(env, ENTRA_PROXY_SNI);
    file = entra_env_get(env, ENTRA_PROXY_FILE);
    data = entra_env_get(env, ENTRA_PROXY_DATA);

    if (value == NULL) {
        if (sni == NULL && file == NULL && data == NULL) {
            return 0;
        }

        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s, %s or %s is set, but %s is not",
                             ENTRA_PROXY_SNI, ENTRA_PROXY_FILE,
                             ENTRA_PROXY_DATA, ENTRA_PROXY_URL);
    }

    if (entra_url_check(ENTRA_PROXY_URL, entra_str_c(value), &url, err) != 0) {
        return -1;
    }

    if (!url.https || url.has_query) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s has to be an https URL without a query",
                             ENTRA_PROXY_URL);
    }

    if (sni && !entra_token_proxy_name_ok(sni)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "%s is not a host name",
                             ENTRA_PROXY_SNI);
    }

    if (entra_token_proxy_ca(proxy, file, data, err) != 0) {
        return -1;
    }

    if (entra_token_proxy_base(proxy, &url, sni) != 0) {
        return entra_err_no_memory(err);
    }

    return 0;
}


void
entra_token_proxy_free(entra_token_proxy_t *proxy)
{
    free(proxy->base);
    free(proxy->host);
    free(proxy->connect_to);
    free(proxy->ca_data);
    entra_file_free(&proxy->ca_file);
    memset(proxy, 0, sizeof(entra_token_proxy_t));
}


static int
entra_token_proxy_copy(char **field, const char *text)
{
    if (text == NULL) {
        return 0;
    }

    *field = entra_str_dup(entra_str_c(text));

    return *field ? 0 : -1;
}


int
entra_token_proxy_apply(entra_token_proxy_t *proxy, entra_acquire_t *a)
{
    char                  *ca = proxy->ca_data;
    entra_err_t            ignored;
    entra_buf_t            full;
    entra_url_t            url;
    entra_http_request_t  *request = &a->request;

    if (entra_url_parse(entra_str_c(request->url), &url) != 0) {
        return entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "no valid URL for the token request");
    }

    entra_buf_init(&full, 4 * ENTRA_URL_MAX);
    entra_buf_add_c(&full, proxy->base);
    entra_buf_add_str(&full, url.target);

    free(request->url);
    request->url = entra_buf_steal(&full);

    if (proxy->ca_file.path) {
        entra_err_clear(&ignored);
        (void) entra_file_refresh(&proxy->ca_file, &ignored);
        ca = (char *) entra_buf_str(&proxy->ca_file.content).data;
    }

    /* it is in the cluster: no proxy for the outside leads to it */
    request->local = 1;

    if (request->url == NULL
        || entra_token_proxy_copy(&request->ca_pem, ca) != 0
        || entra_token_proxy_copy(&request->connect_to, proxy->connect_to)
           != 0
        || (proxy->connect_to
            && entra_http_request_header(request, "Host",
                                         entra_str_c(proxy->host)) != 0))
    {
        return entra_err_no_memory(&a->err);
    }

    return 0;
}
