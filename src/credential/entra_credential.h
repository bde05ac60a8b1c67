
/*
 * Copyright (C) nginx-entra authors
 *
 * A credential: who the gateway is towards Microsoft Entra.
 */

#ifndef ENTRA_CREDENTIAL_H
#define ENTRA_CREDENTIAL_H


#include "entra_access.h"
#include "entra_suggest.h"
#include "entra_credential_type.h"


#define ENTRA_SCOPES_MAX  8


struct entra_credential_s {
    const entra_credential_type_t  *type;
    char                           *name;          /* in nginx.conf */
    void                           *conf;          /* type->conf_size */

    /* common parameters, owned; NULL when not given */
    char                           *tenant_id;
    char                           *client_id;
    char                           *authority_host;   /* https://host[:port] */
    char                           *authority_written;  /* or NULL */
    const struct entra_cloud_s     *cloud;           /* never NULL */
    unsigned                        cloud_given:1;
    unsigned                        ready:1;           /* init() is done */
    unsigned                        changed:1;         /* see below */
    char                           *scopes[ENTRA_SCOPES_MAX];  /* full URIs */
    char                           *written[ENTRA_SCOPES_MAX]; /* or NULL */
    unsigned                        nscopes;           /* 0 is possible */

    /* what init() and watch() want to be logged, separated by LF */
    entra_buf_t                     warnings;

    /* of nginx's workers, set by the nginx module; or ENTRA_ACCESS_NO_GROUP */
    gid_t                           group;
    const entra_access_user_t      *user;          /* NULL: not known */

    struct entra_env_s             *env;               /* borrowed */

    /* all types, for errors that name another one; NULL: they do not */
    const entra_credential_type_t  *const *types;

    /*
     * Finds another credential of the configuration by name, or NULL; so is
     * find itself until all blocks are read.
     */
    entra_credential_t           *(*find)(void *find_data, const char *name);
    void                          (*offer)(void *find_data,
                                           struct entra_suggest_s *s);
    void                           *find_data;

    /*
     * What the workers share about a sign-in (entra_session.h).  Set by the
     * nginx module when a worker starts; NULL while the configuration is read.
     */
    const struct entra_session_store_s  *store;

    /*
     * Which member of a chain won, and why the others did not; written by
     * the chain, read by the status page.  Bounded text, no secrets; NULL:
     * none.
     */
    char                           *note;

    /* also for the status page */
    const char                     *member;        /* that won, or NULL */
    const char                     *page;          /* to sign in, or NULL */
    int64_t                         cert_expires;  /* seconds, 0: none */
    unsigned                        stale_files;   /* see entra_file.h */
};


entra_credential_t *entra_credential_create(
    const entra_credential_type_t *type, entra_str_t name,
    struct entra_env_s *env);
void entra_credential_free(entra_credential_t *c);

/*
 * One line of the block: words[0] is the parameter.  Handles tenant_id,
 * client_id, authority_host, cloud, scope and the type's own parameters.
 * 0; or -1 and err with what to write instead (unknown parameter: the
 * possible ones; "client_secret VALUE": that secrets are never literal;
 * duplicates).  policies, upstreams and preload are the
 * nginx module's.
 */
int entra_credential_param(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err);

/* words[0] of a line could be that, also policies, upstreams and preload */
int entra_credential_is_param(const entra_credential_t *c, entra_str_t name);

/* ", did you mean "NAME"?" of a credential that find() has not found, or "" */
const char *entra_credential_meant(const entra_credential_t *c,
    const char *name, char text[ENTRA_SUGGEST_TEXT]);

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
 * entra_cloud_scope(); app-only tokens require "/.default".  Heap copy, or
 * NULL and err.
 */
char *entra_credential_scope(const entra_credential_t *c, entra_str_t name,
    entra_err_t *err);

/* replaces c->note; cut and cleaned as for a log */
void entra_credential_note(entra_credential_t *c, entra_str_t text);

/* adds a line to c->warnings */
void entra_credential_warn(entra_credential_t *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * For init(), of every file that holds a secret: warns if others can read or
 * write it.  Nothing for NULL.
 */
void entra_credential_secret_file(entra_credential_t *c, const char *path);

/* init() of another one that c has made: its warnings become c's */
int entra_credential_init_inner(entra_credential_t *c,
    entra_credential_t *inner, entra_err_t *err);

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

/* SHA-256 of the secrets in use, all zero when the type has none */
void entra_credential_secret_digest(const entra_credential_t *c,
    unsigned char digest[32]);


#endif /* ENTRA_CREDENTIAL_H */
