
/*
 * Copyright (C) nginx-entra authors
 *
 * A credential: who the gateway is towards Microsoft Entra.  Each type is one
 * file, named after the Azure Identity class of the same job, that exports one
 * entra_credential_type_t; entra_credential_types.c lists them.  Adding a
 * type is one new file plus one line there.
 */

#ifndef ENTRA_CREDENTIAL_H
#define ENTRA_CREDENTIAL_H


#include "entra_cloud.h"
#include "entra_env.h"
#include "entra_err.h"
#include "entra_file.h"
#include "entra_iface.h"
#include "entra_token.h"


typedef struct entra_credential_s       entra_credential_t;
typedef struct entra_credential_type_s  entra_credential_type_t;
typedef struct entra_acquire_s          entra_acquire_t;


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
    ENTRA_PARAM_FILE,           /* char *: path, made absolute by the glue */
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
     * Own parameters, ended by a NULL name; the common ones are not here.
     * The core fills them in conf and frees them after free().
     */
    const entra_param_t  *params;

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

    /*
     * One step of an acquisition, see entra_acquire.h.  Never blocks.
     * a->step counts from 0.
     */
    entra_next_e        (*step)(entra_acquire_t *a);
    void                (*state_free)(entra_acquire_t *a);

    /*
     * In a worker, every few seconds: looks whether files changed
     * (entra_file_refresh()).  1: other material than before, a refresh of
     * the tokens is due; 0: nothing new; -1 and err: something is wrong with
     * the file, the last good value is kept (reported once per change).
     * NULL: no files.
     */
    int                 (*watch)(entra_credential_t *c, entra_err_t *err);

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

    /*
     * The secret material in use (secrets, keys, certificates), so that its
     * SHA-256 can be compared.  NULL: none.
     */
    void                (*material)(const entra_credential_t *c,
                             entra_buf_t *out);
};


#define ENTRA_SCOPES_MAX  8


struct entra_credential_s {
    const entra_credential_type_t  *type;
    char                           *name;          /* in nginx.conf */
    void                           *conf;          /* type->conf_size */

    /* common parameters, owned; NULL when not given */
    char                           *tenant_id;
    char                           *client_id;
    char                           *authority_host;   /* https://host[:port] */
    const entra_cloud_t            *cloud;             /* never NULL */
    unsigned                        cloud_given:1;
    unsigned                        ready:1;           /* init() is done */
    unsigned                        changed:1;         /* see below */
    char                           *scopes[ENTRA_SCOPES_MAX];  /* full URIs */
    unsigned                        nscopes;           /* 0 is possible */

    /* what init() and watch() want to be logged: lines that end in LF */
    entra_buf_t                     warnings;

    entra_env_t                    *env;               /* borrowed */

    /*
     * Finds another credential of the configuration by name, or NULL; so is
     * find itself until all blocks are read.
     */
    entra_credential_t           *(*find)(void *find_data, const char *name);
    void                           *find_data;

    /*
     * What the workers share about a sign-in (entra_session.h).  Set by the
     * glue when a worker starts; NULL while the configuration is read.
     */
    const struct entra_session_store_s  *store;

    /*
     * Which member of a chain won, and why the others did not; written by
     * the chain, read by the status page.  Bounded text, no secrets.
     */
    char                            note[1024];
};


/* the type, or NULL */
const entra_credential_type_t *entra_credential_type(entra_str_t name);

/* n-th type for lists in error messages, or NULL */
const entra_credential_type_t *entra_credential_type_nth(unsigned n);

entra_credential_t *entra_credential_create(
    const entra_credential_type_t *type, entra_str_t name, entra_env_t *env);
void entra_credential_free(entra_credential_t *c);

/*
 * One line of the block: words[0] is the parameter.  Handles tenant_id,
 * client_id, authority_host, cloud, scope and the type's own parameters.
 * 0; or -1 and err with what to write instead (unknown parameter: the
 * possible ones; "client_secret VALUE": that secrets are never literal;
 * duplicates).  policies, upstreams and preload are the glue's.
 */
int entra_credential_param(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err);

/* the type's own parameter of this name, or NULL: is it a file? */
const entra_param_t *entra_credential_param_find(
    const entra_credential_type_t *type, entra_str_t name);

/*
 * End of the block: type->load(), then what is unset from the environment
 * (AZURE_AUTHORITY_HOST, too), the cloud that belongs to the authority, the
 * scopes' URIs, then type->init().
 *
 * May be called again and is then nothing: a chain initializes its members,
 * wherever in the configuration they are, before its own key is asked for.
 */
int entra_credential_init(entra_credential_t *c, entra_err_t *err);

/*
 * The full URI of a scope for this credential, also for "scope=" elsewhere:
 * entra_cloud_scope(), and "/.default" is a must for tokens that are not a
 * user's.  Heap copy, or NULL and err.
 */
char *entra_credential_scope(const entra_credential_t *c, entra_str_t name,
    entra_err_t *err);

/* adds a line to c->warnings */
void entra_credential_warn(entra_credential_t *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Sets a common parameter (&c->tenant_id ...) that is unset to a copy.  0, or
 * -1 without memory; nothing for NULL and "".
 */
int entra_credential_default(char **field, const char *value);

/*
 * SHA-256 over name, type, authority, tenant, client id, identity() and scope:
 * two configurations share a token only when all are equal.  The name is among
 * them because counters, failures and forced fetches are those of a credential,
 * not of an identity that two of them may have in common.
 */
void entra_credential_key(const entra_credential_t *c, entra_str_t scope,
    unsigned char key[32]);

/*
 * Whether the files of it, or of one that it asks, have just changed: of each
 * credential watch() was called and "changed" set when that returned 1.  What
 * has failed before is then worth another attempt, whether or not a token that
 * was obtained before stays good.
 */
int entra_credential_changed(const entra_credential_t *c);

/* SHA-256 of material(), all zero when the type has none */
void entra_credential_material(const entra_credential_t *c,
    unsigned char digest[32]);


#endif /* ENTRA_CREDENTIAL_H */
