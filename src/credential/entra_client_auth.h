
/*
 * Copyright (C) nginx-entra authors
 *
 * How an application proves who it is at the token endpoint: with one of two
 * secrets, or with a certificate.  Shared by client_secret,
 * client_certificate, environment and on_behalf_of.
 */

#ifndef ENTRA_CLIENT_AUTH_H
#define ENTRA_CLIENT_AUTH_H


#include "entra_credential_type.h"


/* bits of type->client_auth */
#define ENTRA_CLIENT_AUTH_SECRET       1
#define ENTRA_CLIENT_AUTH_CERTIFICATE  2


/* what c->conf of such a type begins with */

typedef struct {
    char                        *secret_files[2];       /* parameters */
    char                        *secret_env;
    char                        *principal_path;
    char                        *certificate_path;
    char                        *password_path;
    char                        *signing_algorithm;
    int                          send_chain;            /* -1 unset */

    struct entra_client_auth_s  *auth;          /* what load() made of them */
} entra_client_auth_conf_t;


/* what a->state begins with */

typedef struct {
    unsigned                     current;       /* of the two secrets */
    unsigned                     tried;         /* bits of them */
    unsigned                     again:1;       /* once with fresh files */
} entra_client_auth_state_t;


extern const entra_param_t  entra_client_secret_params[];
extern const entra_param_t  entra_client_certificate_params[];
extern const entra_param_t  entra_service_principal_params[];


/*
 * Members of a type.  load() takes tenant, client id and authority from the
 * service principal's JSON where they are unset; init() takes the secret or
 * certificate from the block, else from the service principal, else from
 * c->env (AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH, ..._PASSWORD,
 * AZURE_CLIENT_SEND_...).
 */
int entra_client_auth_load(entra_credential_t *c, entra_err_t *err);
int entra_client_auth_init(entra_credential_t *c, entra_err_t *err);
void entra_client_auth_free(entra_credential_t *c);
int entra_client_auth_watch(entra_credential_t *c, entra_err_t *err);
void entra_client_auth_files(const entra_credential_t *c,
    entra_file_visit_pt visit, void *data);
void entra_client_auth_secrets(const entra_credential_t *c, entra_buf_t *out);

/* what types with such a conf have in common */

#define ENTRA_CLIENT_AUTH_TYPE                                                \
    .conf_size = sizeof(entra_client_auth_conf_t),                            \
    .state_size = sizeof(entra_client_auth_state_t),                          \
    .needs_tenant = 1,                                                        \
    .needs_client_id = 1,                                                     \
    .load = entra_client_auth_load,                                           \
    .free = entra_client_auth_free,                                           \
    .watch = entra_client_auth_watch,                                         \
    .files = entra_client_auth_files,                                         \
    .secrets = entra_client_auth_secrets

/* with the grant "client_credentials" */
entra_next_e entra_client_auth_step(entra_acquire_t *a);

/*
 * The same with another grant; fill() adds pairs to a->request.body.  Tries
 * the other secret on invalid_client, and once more when the files have
 * changed or the assertion's time was not accepted.
 */
entra_next_e entra_client_auth_grant(entra_acquire_t *a, const char *grant,
    void (*fill)(entra_acquire_t *a));

/* is there a secret or certificate in c->env? */
int entra_client_auth_in_env(const entra_credential_t *c);

/* AZURE_CLIENT_SECRET changed: 1 when it is in use, 0; or -1 and err */
int entra_client_auth_env_changed(entra_credential_t *c, const char *secret,
    entra_err_t *err);


#endif /* ENTRA_CLIENT_AUTH_H */
