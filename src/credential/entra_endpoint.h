
/*
 * Copyright (C) nginx-entra authors
 *
 * What endpoint_key and endpoint_token share: an online endpoint of an Azure
 * ML workspace, and a credential that asks Resource Manager about it.
 */

#ifndef ENTRA_ENDPOINT_H
#define ENTRA_ENDPOINT_H


#include "entra_acquire.h"
#include "entra_workspace.h"


/* what c->conf of these types begins with */

typedef struct {
    char                *endpoint;              /* parameters */
    char                *workspace;
    char                *using;
    char                *resource_manager;

    entra_workspace_t    ws;
    char                *url;           /* up to and with the endpoint */
    char                *scope;         /* of Resource Manager */
    entra_credential_t  *other;         /* using */
} entra_endpoint_t;


extern const entra_param_t  entra_endpoint_params[];


/*
 * Members of these types.  init() checks the parameters, reads the workspace
 * file and initializes the other credential.
 */
int entra_endpoint_init(entra_credential_t *c, entra_err_t *err);
void entra_endpoint_free(entra_credential_t *c);
void entra_endpoint_identity(const entra_credential_t *c, entra_buf_t *out);
entra_credential_t *entra_endpoint_uses(const entra_credential_t *c,
    unsigned n);

/* the token of the other credential is needed first */
entra_next_e entra_endpoint_ask(entra_acquire_t *a);

/* with it: POST .../onlineEndpoints/NAME/<action>, "listKeys" or "token" */
entra_next_e entra_endpoint_post(entra_acquire_t *a, const char *action);

/* ENTRA_NEXT_FAILED, a->err from an answer that is not a success */
entra_next_e entra_endpoint_failed(entra_acquire_t *a, const char *advice);

/* the same for a success that holds nothing to use */
entra_next_e entra_endpoint_unusable(entra_acquire_t *a, const char *what);


#endif /* ENTRA_ENDPOINT_H */
