
/*
 * Copyright (C) nginx-entra authors
 *
 * A tenant's OpenID Provider configuration document (OpenID Connect Discovery
 * 1.0 section 3), of which two members are of interest.
 */

#ifndef ENTRA_DISCOVERY_H
#define ENTRA_DISCOVERY_H


#include "entra_jwks.h"


typedef struct {
    char  *issuer;
    char  *jwks_uri;
} entra_discovery_t;


/*
 * "https://host/tenant/.well-known/openid-configuration", for version 2
 * "https://host/tenant/v2.0/.well-known/openid-configuration".
 */
void entra_discovery_url(const char *authority_host, const char *tenant_id,
    entra_token_version_e version, entra_buf_t *out);

/*
 * Reads a document that was fetched for the tenant from authority_host.  The
 * issuer has to be an https URL with the tenant's id as one of its segments;
 * jwks_uri an https URL on the authority's host and port, or on a host that
 * Microsoft documents as another name of it, so that no document makes the
 * gateway ask elsewhere.  0; or -1 and err (protocol).
 */
int entra_discovery_parse(entra_discovery_t *d, entra_str_t document,
    const char *authority_host, const char *tenant_id, entra_err_t *err);
void entra_discovery_free(entra_discovery_t *d);    /* content, not itself */


#endif /* ENTRA_DISCOVERY_H */
