
/*
 * Copyright (C) nginx-entra authors
 *
 * The Azure clouds: authority, Resource Manager, and what a scope name and the
 * default egress list of a scope mean in each.
 */

#ifndef ENTRA_CLOUD_H
#define ENTRA_CLOUD_H


#include "entra_err.h"


#define ENTRA_CLOUD_HOSTS_MAX  12


typedef struct entra_cloud_s {
    const char  *name;                  /* "public", "china", "usgov" */
    const char  *authority_host;        /* https://login.microsoftonline.com */
    const char  *resource_manager;      /* https://management.azure.com */
    const char  *aml;                   /* https://ml.azure.com */
    const char  *storage;
    const char  *keyvault;
    const char  *graph;
    const char  *exchange_audience;     /* api://AzureADTokenExchange */
} entra_cloud_t;


/* public for NULL; NULL when unknown */
const entra_cloud_t *entra_cloud_find(const char *name);

/*
 * The scope URI of "aml", "arm", "storage", "keyvault", "graph" or of any URI
 * (kept byte for byte, a trailing slash of the resource matters).  A bare
 * resource URI without "/.default" is a mistake and refused with what to
 * write.  Heap copy, or NULL and err.
 */
char *entra_cloud_scope(const entra_cloud_t *cloud, entra_str_t name,
    entra_err_t *err);

/*
 * Hosts that tokens of this scope may go to when upstreams is not given;
 * patterns as in upstreams ("*.inference.ml.azure.com").  Returns their
 * number, 0 for a scope that is not known (upstreams must then be written).
 */
unsigned entra_cloud_hosts(const entra_cloud_t *cloud, const char *scope,
    const char *hosts[ENTRA_CLOUD_HOSTS_MAX]);

/* scope without its "/.default" (exactly one), as IMDS and az want it */
entra_str_t entra_cloud_resource(entra_str_t scope);

/* "host", "https://host/" ... to "https://host[:port]"; http is refused */
char *entra_cloud_authority(entra_str_t text, entra_err_t *err);

/* the error about a name that entra_cloud_find() does not know: -1 */
int entra_cloud_unknown(entra_str_t name, entra_err_t *err);

/* [0-9A-Za-z.-]+ , bounded: a tenant never changes the URL's shape */
int entra_cloud_tenant_ok(entra_str_t tenant);


#endif /* ENTRA_CLOUD_H */
