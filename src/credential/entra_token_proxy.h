
/*
 * Copyright (C) nginx-entra authors
 *
 * AKS identity bindings: token requests of a pod go to a proxy in the
 * cluster, which speaks for it to Entra.  The variables that the webhook sets
 * are AZURE_KUBERNETES_TOKEN_PROXY, _SNI_NAME, _CA_FILE and _CA_DATA.
 */

#ifndef ENTRA_TOKEN_PROXY_H
#define ENTRA_TOKEN_PROXY_H


#include "entra_acquire.h"
#include "entra_env.h"
#include "entra_file.h"


typedef struct {
    char          *base;            /* https://server-name:port/path */
    char          *host;            /* host[:port] of the proxy, for Host */
    char          *connect_to;      /* host:port, NULL without a server name */
    char          *ca_data;         /* PEM, or NULL */
    entra_file_t   ca_file;         /* path NULL: none */
} entra_token_proxy_t;


/*
 * From the environment; base stays NULL when the variables are not set.  0;
 * or -1 and err: the URL is not plain https, two CAs, others without the URL.
 */
int entra_token_proxy_init(entra_token_proxy_t *proxy,
    const entra_env_t *env, entra_err_t *err);
void entra_token_proxy_free(entra_token_proxy_t *proxy);

/*
 * Turns a->request, a token request, into one to the proxy: its path is
 * appended to the proxy's.  The CA file is read again when it changed; an
 * empty one, in the middle of a rotation, leaves the last.  0, or -1 and
 * a->err.
 */
int entra_token_proxy_apply(entra_token_proxy_t *proxy, entra_acquire_t *a);


#endif /* ENTRA_TOKEN_PROXY_H */
