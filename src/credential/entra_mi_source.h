
/*
 * Copyright (C) nginx-entra authors
 *
 * The places that hand out managed identity tokens: each is one file,
 * entra_mi_<place>.c, that exports one entra_mi_source_t.  Private to the
 * managed_identity credential and its tests.
 */

#ifndef ENTRA_MI_SOURCE_H
#define ENTRA_MI_SOURCE_H


#include "entra_acquire.h"


typedef struct entra_mi_source_s  entra_mi_source_t;


/* which identity is asked for */

typedef enum {
    ENTRA_MI_SYSTEM = 0,        /* nothing said: the platform's default */
    ENTRA_MI_CLIENT_ID,
    ENTRA_MI_OBJECT_ID,
    ENTRA_MI_RESOURCE_ID,
    ENTRA_MI_KINDS
} entra_mi_kind_e;


/* the conf of a managed_identity credential */

typedef struct {
    char                     *object_id;        /* parameters */
    char                     *resource_id;

    /*
     * For unit tests, which set them between entra_credential_create() and
     * entra_credential_init(); NULL: the agent's own paths.  No directive and
     * no variable sets them: the directory decides which files a challenge
     * may name.
     */
    const char               *arc_agent;        /* /opt/azcmagent/bin/himds */
    const char               *arc_tokens;       /* /var/opt/azcmagent/tokens */

    const entra_mi_source_t  *source;
    entra_mi_kind_e           kind;
    const char               *selector;         /* its value, borrowed */

    char                     *endpoint;         /* checked URL */
    char                     *secret;           /* of the endpoint, or NULL */
    char                     *thumbprint;       /* 40 hex digits, or NULL */
    char                     *default_id;       /* Azure ML only, or NULL */
    entra_credential_t       *exchange;         /* token exchange only */

    unsigned                  probed:1;         /* IMDS answered once */
} entra_mi_t;


typedef struct {
    unsigned                  probing:1;
    unsigned                  challenged:1;
    unsigned                  slept:1;
    unsigned                  retries;
} entra_mi_state_t;


struct entra_mi_source_s {
    const char               *name;             /* "Azure Arc" */

    /* its name for each kind of selector; NULL: it cannot honour it */
    const char               *names[ENTRA_MI_KINDS];
    const char               *refusal;          /* what to do instead */

    /* its answer has to repeat the selector, or is of another identity */
    unsigned                  echoes:1;

    /* does the environment say that this is the place? */
    int                     (*detect)(const entra_mi_t *mi,
                                 const struct entra_env_s *env);

    /* takes what it needs from c->env; 0, or -1 and err */
    int                     (*init)(entra_credential_t *c, entra_err_t *err);

    entra_next_e            (*step)(entra_acquire_t *a);
};


extern const entra_mi_source_t  entra_mi_service_fabric;
extern const entra_mi_source_t  entra_mi_app_service;
extern const entra_mi_source_t  entra_mi_azure_ml;
extern const entra_mi_source_t  entra_mi_cloud_shell;
extern const entra_mi_source_t  entra_mi_arc;
extern const entra_mi_source_t  entra_mi_token_exchange;
extern const entra_mi_source_t  entra_mi_imds;


/* What sources share, entra_mi.c. */

/* mi->endpoint and mi->secret from variables; secret may be NULL */
int entra_mi_endpoint(entra_credential_t *c, const char *endpoint,
    const char *secret, entra_err_t *err);

/*
 * Fills a->request: GET endpoint[?]api-version&resource[&selector], local.
 * The selector's name is the source's, its value mi->selector.  0; or -1,
 * and a->err is set.
 */
int entra_mi_get(entra_acquire_t *a, const char *api_version);

/* adds a header; 0, or -1 and a->err */
int entra_mi_header(entra_acquire_t *a, const char *name, const char *value);

/* takes a->reply: ENTRA_NEXT_DONE with a->token, or ENTRA_NEXT_FAILED */
entra_next_e entra_mi_finish(entra_acquire_t *a);

/* a->err from an answer that is not 200, or from none */
void entra_mi_error(entra_acquire_t *a);

/*
 * The path of the key file that an Arc agent's WWW-Authenticate names, if it
 * is a *.key directly in dir: anything else would let whoever answers on the
 * agent's port have a file of its choice sent to itself.  Heap, or NULL and
 * err.  Public for tests.
 */
char *entra_mi_arc_challenge(entra_str_t header, const char *dir,
    entra_err_t *err);

/* one GET with one header: the step of a simple source */
entra_next_e entra_mi_simple(entra_acquire_t *a, const char *api_version,
    const char *header, const char *value);


#endif /* ENTRA_MI_SOURCE_H */
