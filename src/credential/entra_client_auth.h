
/*
 * Copyright (C) nginx-entra authors
 *
 * How an application proves who it is at the token endpoint: with one of two
 * secrets, or with a certificate.  Shared by client_secret,
 * client_certificate, environment and on_behalf_of.
 */

#ifndef ENTRA_CLIENT_AUTH_H
#define ENTRA_CLIENT_AUTH_H


#include "entra_acquire.h"
#include "entra_certificate.h"
#include "entra_client_secret.h"
#include "entra_service_principal.h"


/* what a type allows */
#define ENTRA_CLIENT_AUTH_SECRET       1
#define ENTRA_CLIENT_AUTH_CERTIFICATE  2


typedef struct {
    /* parameters of nginx.conf, see the macros below */
    char                       *secret_files[2];
    char                       *secret_env;
    char                       *principal_path;
    char                       *certificate_path;
    char                       *password_path;
    char                       *signing_algorithm;
    int                         send_chain;             /* -1 unset */

    /* what is used: one of the two */
    entra_client_secret_t       secrets[2];
    unsigned                    nsecrets;
    unsigned                    first;          /* the one that worked last */

    entra_certificate_t        *certificate;
    entra_file_t                certificate_file;
    entra_file_t                password_file;
    char                       *password;       /* of the environment */
    unsigned                    flags;          /* ENTRA_ASSERTION_* */

    entra_file_t                principal_file;
    entra_service_principal_t   principal;

    /* new material, and a bad file, that watch() has not told of yet */
    unsigned                    changed:1;
    entra_err_t                 problem;
} entra_client_auth_t;


/* zeroed state of one acquisition; the type's state begins with it */

typedef struct {
    unsigned                    current;        /* of secrets[] */
    unsigned                    tried;          /* bits of secrets[] */
    unsigned                    again:1;        /* once with fresh files */
} entra_client_auth_state_t;


/* rows of a type's parameter table; at: of the entra_client_auth_t in conf */

#define entra_client_auth_param(name, kind, at, field)                       \
    { name, kind, (at) + offsetof(entra_client_auth_t, field) }

#define ENTRA_CLIENT_AUTH_SECRET_PARAMS(at)                                  \
    entra_client_auth_param("client_secret_file", ENTRA_PARAM_FILES, at,     \
                            secret_files),                                   \
    entra_client_auth_param("client_secret_env", ENTRA_PARAM_STRING, at,     \
                            secret_env)

#define ENTRA_CLIENT_AUTH_CERTIFICATE_PARAMS(at)                             \
    entra_client_auth_param("client_certificate", ENTRA_PARAM_FILE, at,      \
                            certificate_path),                               \
    entra_client_auth_param("client_certificate_password_file",              \
                            ENTRA_PARAM_FILE, at, password_path),            \
    entra_client_auth_param("send_certificate_chain", ENTRA_PARAM_FLAG, at,  \
                            send_chain),                                     \
    entra_client_auth_param("signing_algorithm", ENTRA_PARAM_STRING, at,     \
                            signing_algorithm)

#define ENTRA_CLIENT_AUTH_PRINCIPAL_PARAM(at)                                \
    entra_client_auth_param("service_principal_file", ENTRA_PARAM_FILE, at,  \
                            principal_path)


/*
 * For type->load: reads the service principal's JSON, if there is one, and
 * sets tenant, client id and authority where they are unset.
 */
int entra_client_auth_load(entra_credential_t *c, entra_client_auth_t *auth,
    entra_err_t *err);

/*
 * For type->init: takes the secret or certificate from the block, else from
 * the service principal, else from c->env (AZURE_CLIENT_SECRET,
 * AZURE_CLIENT_CERTIFICATE_PATH, ..._PASSWORD, AZURE_CLIENT_SEND_...), and
 * checks it.  allowed: ENTRA_CLIENT_AUTH_*.
 */
int entra_client_auth_init(entra_credential_t *c, entra_client_auth_t *auth,
    unsigned allowed, entra_err_t *err);

/*
 * Reads the certificate out of its file's content again; the one before stays
 * when that fails.  Dates worth a warning go to c->warnings.  0, or -1 and
 * err.
 */
int entra_client_auth_certificate_read(entra_credential_t *c,
    entra_client_auth_t *auth, entra_err_t *err);

/* is there a secret or certificate in c->env? */
int entra_client_auth_in_env(const entra_credential_t *c);

/* for type->free, without the parameters; watch; files; material */
void entra_client_auth_free(entra_client_auth_t *auth);
int entra_client_auth_watch(entra_credential_t *c, entra_client_auth_t *auth,
    entra_err_t *err);
void entra_client_auth_files(const entra_client_auth_t *auth,
    entra_file_visit_pt visit, void *data);
void entra_client_auth_material(const entra_client_auth_t *auth,
    entra_buf_t *out);

/*
 * For type->step: one token request with this grant; fill() (may be NULL)
 * adds further pairs to a->request.body.  Tries the other secret on
 * invalid_client, and once more when the files have changed or the
 * assertion's time was not accepted.
 */
typedef void (*entra_client_auth_fill_pt)(entra_acquire_t *a);

entra_next_e entra_client_auth_step(entra_acquire_t *a,
    entra_client_auth_t *auth, entra_client_auth_state_t *state,
    const char *grant_type, entra_client_auth_fill_pt fill);


#endif /* ENTRA_CLIENT_AUTH_H */
