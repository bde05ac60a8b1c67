
/*
 * Copyright (C) nginx-entra authors
 *
 * The glue's own structures: in shared memory, of the configuration, of a
 * worker, of a request.
 */

#ifndef _NGX_HTTP_ENTRA_TYPES_H_INCLUDED_
#define _NGX_HTTP_ENTRA_TYPES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "entra_acquire.h"
#include "entra_cloud.h"
#include "entra_credential.h"
#include "entra_credential_types.h"
#include "entra_egress.h"
#include "entra_env.h"
#include "entra_decision.h"
#include "entra_path.h"
#include "entra_session.h"
#include "entra_sign_in.h"
#include "entra_store.h"
#include "entra_workspace.h"

#include "ngx_http_entra_compat.h"


#define NGX_HTTP_ENTRA_WATCH       2000     /* ms between looks at files */
#define NGX_HTTP_ENTRA_STAY        1000     /* ms beyond fetch_timeout */
#define NGX_HTTP_ENTRA_CLAIMS_MAX  ENTRA_STORE_CLAIMS


/* $entra_token_status, and an index of counters */

typedef enum {
    NGX_HTTP_ENTRA_NONE = 0,
    NGX_HTTP_ENTRA_HIT,
    NGX_HTTP_ENTRA_WAIT,
    NGX_HTTP_ENTRA_EXPIRED,
    NGX_HTTP_ENTRA_ERROR,
    NGX_HTTP_ENTRA_BLOCKED,
    NGX_HTTP_ENTRA_STATUSES
} ngx_http_entra_status_e;


/* protocols of *_pass, as bits: what is said for one is not for another */

#define NGX_HTTP_ENTRA_PROXY       0x01
#define NGX_HTTP_ENTRA_GRPC        0x02
#define NGX_HTTP_ENTRA_FASTCGI     0x04
#define NGX_HTTP_ENTRA_UWSGI       0x08
#define NGX_HTTP_ENTRA_SCGI        0x10

#define NGX_HTTP_ENTRA_PROXY_GRPC  (NGX_HTTP_ENTRA_PROXY|NGX_HTTP_ENTRA_GRPC)


/* attempts by how long they took, see entra_store_took[] */
#define NGX_HTTP_ENTRA_FETCH_BUCKETS  ENTRA_STORE_TOOK


typedef struct ngx_http_entra_credential_s  ngx_http_entra_credential_t;
typedef struct ngx_http_entra_token_s       ngx_http_entra_token_t;
typedef struct ngx_http_entra_waiter_s      ngx_http_entra_waiter_t;
typedef struct ngx_http_entra_session_s     ngx_http_entra_session_t;
typedef struct ngx_http_entra_keys_s        ngx_http_entra_keys_t;
typedef struct ngx_http_entra_header_s      ngx_http_entra_header_t;
typedef struct ngx_http_entra_curl_s        ngx_http_entra_curl_t;


struct ngx_http_entra_credential_s {
    ngx_str_t             name;
    entra_credential_t   *core;
    entra_egress_t        egress;               /* as written */
    ngx_flag_t            preload;
    ngx_uint_t            upstreams;            /* unsigned  upstreams:1 */
    ngx_uint_t            policies_none;        /* unsigned  policies_none:1 */
    ngx_array_t           policy_names;         /* ngx_str_t */
    ngx_array_t           tokens;               /* ngx_http_entra_token_t * */
    u_char               *file;
    ngx_uint_t            line;

    /* digests of the secrets this process has held: their tokens are good */
    u_char                material[4][32];
    ngx_uint_t            nmaterial;
};


/* one credential for one scope, as a worker sees it */

struct ngx_http_entra_token_s {
    ngx_http_entra_credential_t  *credential;
    ngx_str_t                     scope;
    ngx_uint_t                    nth;          /* from 1; 0: a caller's */
    ngx_uint_t                    preload;      /* unsigned  preload:1 */
    entra_egress_t                known;        /* Azure's hosts of the scope */
    entra_egress_t               *egress;       /* where it may go */

    entra_store_ref_t             ref;          /* by its key */
    entra_store_t                *store;        /* its own: the zone is full */

    /* without the lock; never NULL in a worker; may be another's by now */
    entra_store_atomics_t        *record;

    /* the worker's copy, "Bearer " and value; NULL: none */
    ngx_str_t                     header;
    ngx_atomic_uint_t             generation;
    int64_t                       expires;
    int64_t                       refresh;

    /* on_behalf_of: what the caller presented, else NULL */
    char                         *assertion;

    entra_acquire_t              *acquire;      /* under way in this worker */
    ngx_queue_t                   fetching;     /* of those */
    int64_t                       started;
    ngx_event_t                   timer;
    ngx_uint_t                    polls;
    ngx_queue_t                   waiters;
    unsigned                      again:1;      /* should this fetch fail */
};


/* entra_auth: where a location's token comes from; shared by inheritance */

typedef struct {
    ngx_str_t                     name;         /* empty with a variable */
    ngx_http_complex_value_t     *value;
    ngx_str_t                     scope;        /* as written, or empty */
    ngx_http_entra_token_t       *token;        /* of a fixed name */
    ngx_array_t                  *tokens;       /* of a variable: all, sorted */
    u_char                       *file;
    ngx_uint_t                    line;
    unsigned                      second:1;     /* of entra_token */
} ngx_http_entra_auth_t;


/* all policies that decide about one credential in one location */

typedef struct {
    const entra_policy_t        **policies;
    ngx_uint_t                    n;
} ngx_http_entra_policies_t;


/* entra_token $name CREDENTIAL [scope=SCOPE] */

typedef struct {
    ngx_int_t                     index;        /* of the variable */
    ngx_http_entra_auth_t        *auth;
    ngx_http_entra_policies_t    *policies;     /* NULL: none */
} ngx_http_entra_second_t;


/* what other modules' directives of a location say, see ..._observe.c */

typedef struct {
    ngx_str_t                     url;          /* of the *_pass directive */
    ngx_str_t                     location;     /* name at that place */
    ngx_http_complex_value_t     *value;        /* of a URL with variables */
    ngx_str_t                     uri;          /* static URI part */
    ngx_uint_t                    proxy;        /* unsigned  proxy:1 */
    ngx_uint_t                    grpc;         /* unsigned  grpc:1 */
    ngx_uint_t                    protocol;     /* a bit, of the directive */
    ngx_uint_t                    variables;    /* unsigned  variables:1 */
    u_char                       *file;
    ngx_uint_t                    line;
} ngx_http_entra_pass_t;


/* the values behind private names: config/ngx_http_entra_upstream_value.c */

typedef struct {
    ngx_http_get_variable_pt      authorization;
    ngx_http_get_variable_pt      token;        /* data: the index */
    ngx_http_get_variable_pt      host;         /* data: as written */
} ngx_http_entra_upstream_values_t;


/* a header that a location sets, and of which the upstream gets one */

typedef struct {
    ngx_uint_t                    n;            /* how often it is set */
    ngx_http_complex_value_t     *value;        /* of Host; NULL: not set */
    u_char                       *file;
    ngx_uint_t                    line;
} ngx_http_entra_sent_header_t;


typedef struct {
    ngx_http_entra_auth_t        *auth;         /* NULL: off */
    ngx_array_t                  *policy_names; /* ngx_str_t */
    ngx_array_t                  *seconds;      /* ngx_http_entra_second_t */
    ngx_msec_t                    wait;
    ngx_flag_t                    replay;
    ngx_uint_t                    path_raw;
    entra_workspace_t            *workspace;
    ngx_uint_t                    confine;      /* unsigned  confine:1 */
    ngx_uint_t                    ready;        /* unsigned  ready:1 */
    ngx_uint_t                    live;         /* unsigned  live:1 */
    ngx_array_t                  *ready_names;  /* ngx_str_t, NULL: preloaded */

    /* [0], or in the order of auth->tokens; a NULL one: none */
    ngx_http_entra_policies_t   **policies;
    unsigned                      operations:1; /* some policy sees them */
    unsigned                      second_policies:1;

    u_char                       *file;         /* of entra_policies */
    ngx_uint_t                    line;

    /* observed */
    ngx_http_entra_pass_t        *pass;
    ngx_http_complex_value_t     *method;       /* proxy_method */
    ngx_uint_t                    ssl_verify;   /* masks of protocols: "on", */
    ngx_uint_t                    ssl_verify_set;   /* something here, */
    ngx_uint_t                    headers;      /* any *_set_header here, */
    ngx_uint_t                    authorization;    /* with our variable */
    ngx_http_complex_value_t     *deployment;   /* header that is set here */
    ngx_uint_t                    deployments;  /* how often */
    ngx_http_entra_sent_header_t  host[2];      /* proxy, grpc */
    ngx_http_entra_sent_header_t  authorization_sent[2];
    ngx_uint_t                    blanked;      /* bits of override headers */
    ngx_uint_t                    forwarded;
    ngx_flag_t                    pass_headers; /* the client's */

    /* the hidden named clone that a repeated request goes to */
    ngx_str_t                     replay_name;
    ngx_http_core_loc_conf_t     *replay_location;
    ngx_str_t                     name;         /* of the location itself */

    /* how long a request may be under way unsent, see ..._attempt.c */
    void                         *attempt_conf;
    int64_t                       attempt_max;  /* ms */

    /* the last verdict of the egress guard about a fixed upstream */
    void                         *egress_conf;
    void                         *egress_token;
    ngx_uint_t                    egress_ssl;   /* unsigned  egress_ssl:1 */

    unsigned                      own:1;        /* a page of the module's */
    unsigned                      forgotten:1;  /* the header, reported */
} ngx_http_entra_loc_conf_t;


typedef struct {
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_entra_loc_conf_t    *lcf;
} ngx_http_entra_location_t;


typedef struct {
    ngx_array_t                   credentials;  /* ..._credential_t * */
    ngx_array_t                   tokens;       /* ngx_http_entra_token_t * */
    ngx_array_t                   locations;    /* ngx_http_entra_location_t */
    ngx_array_t                   auths;        /* ngx_http_entra_auth_t * */
    entra_env_t                  *env;
    entra_rules_t                *rules;

    ngx_str_t                     zone_name;
    size_t                        zone_size;
    ngx_shm_zone_t               *zone;
    ngx_shm_zone_t               *recent;       /* see ..._recent.h */
    uint32_t                      config;       /* random, of this reading */

    ngx_str_t                     trusted_certificate;
    ngx_str_t                     trusted_pem;
    ngx_str_t                     http_proxy;
    ngx_msec_t                    connect_timeout;
    ngx_msec_t                    fetch_timeout;

    entra_cidr_set_t              trusted_proxies;
    ngx_uint_t                    has_trusted_proxies;
    ngx_int_t                     peer_index;   /* $realip_remote_addr */
    ngx_int_t                     kept_index;   /* see ..._kept_ctx() */
    ngx_http_entra_keys_t        *keys;         /* entra_caller_token */
    ngx_uint_t                    sign_in;      /* there is a page */
    ngx_array_t                  *token_variables;  /* ..._upstream_value.c */
    ngx_array_t                  *uses;
    ngx_array_t                  *hosts;        /* of requests, likewise */
    u_char                        suffix[16];   /* of private names */
    const ngx_http_entra_upstream_values_t  *values;

    /* the first set_real_ip_from */
    ngx_str_t                     realip;
    u_char                       *realip_file;
    ngx_uint_t                    realip_line;

    void                         *observed;
} ngx_http_entra_main_conf_t;


/* a decision with what it was made of */

typedef struct {
    entra_signals_t               signals;
    entra_operation_t             operation;
    entra_str_t                   path;
    entra_decision_t              decision;
    ngx_http_entra_credential_t  *credential;   /* whose policies decided */
    unsigned                      made:1;
    unsigned                      overridden:1; /* by a header, as it seems */
    unsigned                      counted:1;    /* as allowed */
    unsigned                      denied:1;     /* counted and logged */
} ngx_http_entra_judged_t;


/* a parked request */

struct ngx_http_entra_waiter_s {
    ngx_queue_t                   queue;
    ngx_http_entra_token_t       *token;        /* NULL: not parked */
    ngx_http_request_t           *request;
    ngx_event_t                   timer;
};


typedef struct ngx_http_entra_ctx_s  ngx_http_entra_ctx_t;

struct ngx_http_entra_ctx_s {
    ngx_http_request_t           *request;
    ngx_http_entra_ctx_t         *earlier;      /* see ..._kept_ctx() */

    ngx_http_entra_loc_conf_t    *lcf;          /* that all below is about */
    ngx_str_t                     location;     /* its name */
    ngx_http_entra_token_t       *token;
    ngx_http_entra_status_e       status;
    ngx_atomic_uint_t             generation;   /* of the token that was sent */
    ngx_msec_t                    deadline;     /* of waiting, 0: not begun */
    ngx_http_entra_waiter_t      *waiter;       /* while it is parked */

    /* the upstream request that got the token, or was refused it */
    ngx_http_upstream_t          *upstream;
    ngx_str_t                     value;
    int64_t                       expires;      /* of the first of its tokens */
    void                         *unsent;       /* see ..._attempt.c */

    /* the Host of that request, once it was evaluated */
    ngx_http_upstream_t          *host_upstream;
    ngx_str_t                     host;

    ngx_http_entra_policies_t    *policies;     /* of token here, or NULL */
    ngx_http_entra_judged_t      *judged;

    /* what the decision was made about: another request line, another one */
    ngx_str_t                     judged_uri;
    ngx_str_t                     judged_args;
    ngx_str_t                     judged_method;
    unsigned                      judged_unparsed:1;
    unsigned                      judged_internal:1;

    /* an answer of the module's own */
    ngx_uint_t                    problem;      /* HTTP status, 0: none */
    const char                   *detail;
    const char                   *challenge;    /* after "Bearer" */
    ngx_buf_t                    *body;

    ngx_int_t                   (*process_header)(ngx_http_request_t *r);
    ngx_int_t                   (*reinit_request)(ngx_http_request_t *r);

    /* of the request, before the upstream's answer came */
    size_t                        limit_rate;
    ngx_str_t                    *charset;
    unsigned                      limit_rate_set:1;

    unsigned                      resolved:1;   /* token is that of lcf */
    unsigned                      path_checked:1;
    unsigned                      refused:1;    /* the token, see upstream */
    unsigned                      exact:1;      /* it was, and allowed */
    unsigned                      waited:1;
    unsigned                      counted:1;
    unsigned                      answering:1;
    unsigned                      replay:1;     /* this is the second time */
};


/* what has to outlive an internal redirect, see ..._replay.c */

typedef struct {
    ngx_http_request_t           *request;
    ngx_atomic_uint_t             refused;      /* generation */
    ngx_http_entra_token_t       *token;
    ngx_uint_t                    replayed;     /* unsigned  replayed:1 */
    ngx_http_core_loc_conf_t     *next;         /* the clone it may enter */
} ngx_http_entra_kept_t;


/* process-wide state of a worker */

typedef struct {
    ngx_cycle_t                  *cycle;
    ngx_http_entra_main_conf_t   *conf;
    entra_platform_t              world;
    ngx_http_entra_curl_t        *curl;
    entra_session_store_t         store;        /* of sign-ins */
    entra_sign_in_t              *site;
    ngx_queue_t                   sent;         /* requests under way */
    ngx_queue_t                   fetching;     /* ngx_http_entra_token_t */
    ngx_event_t                   watch;
    ngx_event_t                   retire;       /* frees what follows */
    ngx_http_entra_header_t      *retired;      /* copies that were replaced */
    ngx_uint_t                  (*watch_lists)(
                                      ngx_http_entra_main_conf_t *mcf);
    void                        (*retry_callers)(
                                      ngx_http_entra_credential_t *c);
    ngx_uint_t                    reading;      /* a long list, in pieces */
    int64_t                       full;         /* the zone, when logged */
    unsigned                      rebuilds;     /* of the zone, logged */
    ngx_connection_t              dummy;        /* for events without a fd */
} ngx_http_entra_worker_t;


#endif /* _NGX_HTTP_ENTRA_TYPES_H_INCLUDED_ */
