
/*
 * Copyright (C) nginx-entra authors
 *
 * What "az ad sp create-for-rbac" prints, in all its forms: by default
 * (appId, password, tenant), with --json-auth or --sdk-auth (clientId,
 * clientSecret, tenantId, endpoints), and with a certificate of either.
 */

#ifndef ENTRA_SERVICE_PRINCIPAL_H
#define ENTRA_SERVICE_PRINCIPAL_H


#include "entra_err.h"


#define ENTRA_SERVICE_PRINCIPAL_MAX  (64 * 1024)        /* bytes */


typedef struct {
    char  *tenant_id;               /* all owned; NULL when not there */
    char  *client_id;
    char  *secret;
    char  *certificate;             /* path of a PEM with its key */
    char  *authority_host;
    char  *resource_manager;
    char  *subscription_id;
} entra_service_principal_t;


/* 0; or -1 and err: not JSON, no ids, neither secret nor certificate */
int entra_service_principal_parse(entra_service_principal_t *sp,
    entra_str_t text, entra_err_t *err);
void entra_service_principal_free(entra_service_principal_t *sp);   /* wipes */


#endif /* ENTRA_SERVICE_PRINCIPAL_H */
