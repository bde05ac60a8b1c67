
/*
 * Copyright (C) nginx-entra authors
 *
 * A type of credential: one file, named after the Azure Identity class of the
 * same job, that exports one entra_credential_type_t; it is listed in
 * entra_credential_types.c.
 */

#ifndef ENTRA_CREDENTIAL_TYPE_H
#define ENTRA_CREDENTIAL_TYPE_H


#include "entra_err.h"


#define ENTRA_PARAM_TABLES_MAX  4


typedef struct entra_credential_s       entra_credential_t;
typedef struct entra_credential_type_s  entra_credential_type_t;
typedef struct entra_acquire_s          entra_acquire_t;


struct entra_file_s;

/* of files(): a file without a path is none */
typedef void (*entra_file_visit_pt)(void *data,
    const struct entra_file_s *file);


/* what a step of an acquisition asks for next */

typedef enum {
    ENTRA_NEXT_HTTP,            /* a->request is filled; then a->reply */
    ENTRA_NEXT_PROCESS,         /* a->process is filled; then a->result */
    ENTRA_NEXT_SLEEP,           /* a->sleep ms; then the next step */
    ENTRA_NEXT_CREDENTIAL,      /* a->other, a->other_scope; then a->inner */
    ENTRA_NEXT_DONE,            /* a->token is filled */
    ENTRA_NEXT_FAILED           /* a->err is filled */
} entra_next_e;


typedef enum {
    ENTRA_PARAM_STRING,         /* char * */
    ENTRA_PARAM_FILE,           /* char *: path, made absolute by nginx */
    ENTRA_PARAM_FILES,          /* char *[2]: one or two paths */
    ENTRA_PARAM_DIR,            /* char * */
    ENTRA_PARAM_FLAG,           /* int: on | off, -1 unset */
    ENTRA_PARAM_MSEC,           /* int64_t: nginx time, -1 unset */
    ENTRA_PARAM_NAMES           /* char **: NULL-terminated list of names */
} entra_param_kind_e;


typedef struct {
    const char          *name;          /* as in nginx.conf */
    entra_param_kind_e   kind;
    size_t               offset;        /* into the type's own conf struct */
} entra_param_t;


/*
 * Written with designated initializers (.name = ...), so that a member that
 * is added here later does not touch the types that do not use it.
 */

struct entra_credential_type_s {
    const char           *name;         /* "client_secret" */
    const char           *azure_name;   /* "ClientSecretCredential" */

    /* zeroed memory of this size is c->conf and a->state */
    size_t                conf_size;
    size_t                state_size;

    /*
     * Tables of the type's own parameters, each ended by a NULL name; the
     * common ones are not here.  They are filled in conf and freed after
     * free() by entra_credential.c.
     */
    const entra_param_t  *params[ENTRA_PARAM_TABLES_MAX];

    /* for types that have one implementation: which secrets, or which tool */
    unsigned              client_auth;         /* ENTRA_CLIENT_AUTH_* */
    const struct entra_cli_tool_s  *tool;

    /*
     * What has to be known when init() is called; unset ones are taken from
     * AZURE_TENANT_ID and AZURE_CLIENT_ID of c->env before.
     */
    unsigned              needs_tenant:1;
    unsigned              needs_client_id:1;
    unsigned              no_scope:1;          /* endpoint_key ... */
    unsigned              interactive:1;       /* a person has to sign in */
    unsigned              per_caller:1;        /* on_behalf_of */
    unsigned              delegated:1;         /* tokens of a user */

    /*
     * At configuration time, before the common parameters are completed from
     * the environment: fills in those that are unset from another source (a
     * service principal's JSON, a .env file).  May be NULL.
     */
    int                 (*load)(entra_credential_t *c, entra_err_t *err);

    /*
     * At configuration time, as root, once all parameters are set and the
     * common ones complete: takes what is unset from c->env, loads files,
     * checks everything that can be known.  0; or -1 and err, whose text says
     * what to write instead.  Mistakes one can live with go to
     * entra_credential_warn().
     */
    int                 (*init)(entra_credential_t *c, entra_err_t *err);
    void                (*free)(entra_credential_t *c);

    /* one step, see entra_acquire.h; never blocks; a->step counts from 0 */
    entra_next_e        (*step)(entra_acquire_t *a);
    void                (*state_free)(entra_acquire_t *a);

    /*
     * In a worker, every few seconds: looks whether files changed
     * (entra_file_refresh()).  1: other secrets than before, a refresh of
     * the tokens is due; 0: nothing new; -1 and err: something is wrong with
     * the file, the last good value is kept (reported once per change).
     * NULL: no files.
     */
    int                 (*watch)(entra_credential_t *c, entra_err_t *err);

    /* all that watch() looks at; NULL: it looks at more than files */
    void                (*files)(const entra_credential_t *c,
                             entra_file_visit_pt visit, void *data);

    /*
     * The n-th other credential of the configuration that it asks, or NULL: a
     * change of that one's files may be the end of this one's failures, too.
     * NULL: none.
     */
    entra_credential_t *(*uses)(const entra_credential_t *c, unsigned n);

    /*
     * What the tokens depend on beside the common parameters (authority,
     * tenant, client id, type): written as text that changes with it, not a
     * secret itself: "object_id=...".  NULL: nothing.
     */
    void                (*identity)(const entra_credential_t *c,
                             entra_buf_t *out);

    /* secrets, keys and certificates in use, for their digest; NULL: none */
    void                (*secrets)(const entra_credential_t *c,
                             entra_buf_t *out);
};


/* n-th own parameter, in all tables of the type, or NULL */
const entra_param_t *entra_credential_param_nth(
    const entra_credential_type_t *type, unsigned n);

/* the type's own parameter of this name, or NULL: is it a file? */
const entra_param_t *entra_credential_param_find(
    const entra_credential_type_t *type, entra_str_t name);


#endif /* ENTRA_CREDENTIAL_TYPE_H */
