
/*
 * Copyright (C) nginx-entra authors
 *
 * The glue's own structures and the functions that its files share.
 */

#ifndef _NGX_HTTP_ENTRA_MODULE_H_INCLUDED_
#define _NGX_HTTP_ENTRA_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "entra_acquire.h"
#include "entra_credential.h"
#include "entra_egress.h"
#include "entra_decision.h"
#include "entra_path.h"
#include "entra_session.h"
#include "entra_sign_in.h"
#include "entra_workspace.h"

#include "ngx_http_entra_compat.h"


#define NGX_HTTP_ENTRA_WATCH       2000     /* ms between looks at files */
#define NGX_HTTP_ENTRA_STAY        1000     /* ms beyond fetch_timeout */
#define NGX_HTTP_ENTRA_LEASE       15000    /* ms, renewed while fetching */
#define NGX_HTTP_ENTRA_FORCE       30000    /* ms between forced fetches */
#define NGX_HTTP_ENTRA_CLAIMS_MAX  4096


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


/* of a record: per token status, or per result of a policy */
#define NGX_HTTP_ENTRA_COUNTERS  10


typedef struct ngx_http_entra_credential_s  ngx_http_entra_credential_t;
typedef struct ngx_http_entra_token_s       ngx_http_entra_token_t;
typedef struct ngx_http_entra_record_s      ngx_http_entra_record_t;
typedef struct ngx_http_entra_waiter_s      ngx_http_entra_waiter_t;
typedef struct ngx_http_entra_session_s     ngx_http_entra_session_t;
typedef struct ngx_http_entra_keys_s        ngx_http_entra_keys_t;
typedef struct ngx_http_entra_curl_s        ngx_http_entra_curl_t;


/*
 * A value in shared memory: the token of one credential for one scope, found
 * by what it depends on.  Everything but the atomics is read and written
 * under the zone's mutex; all times are of the boot clock, in ms.
 */

struct ngx_http_entra_record_s {
    ngx_rbtree_node_t     node;
    u_char                key[32];

    /* changes whenever the value does; read without the mutex */
    ngx_atomic_t          generation;

    u_char               *value;
    size_t                len;
    int64_t               obtained;
    int64_t               expires;
    int64_t               refresh;
    u_char                material[32];         /* what it was obtained with */

    /* who fetches, and until when that is believed */
    ngx_pid_t             owner;
    int64_t               lease;

    int64_t               next;                 /* no attempt before */
    ngx_uint_t            fails;                /* in a row */
    uint32_t              config;               /* that reset fails last */
    int64_t               used;                 /* by any worker */

    /* a fetch that the upstream's 401 asked for */
    int64_t               forced;
    ngx_atomic_uint_t     forced_generation;    /* the one that was refused */
    u_char               *claims;
    size_t                claims_len;

    /* the last failure */
    time_t                tried;                /* wall clock, 0: never */
    time_t                failed;               /* wall clock, 0: none */
    ngx_uint_t            error_class;
    ngx_uint_t            error_status;
    uint32_t              error_aadsts;
    u_char                error_name[32];       /* OAuth "error" */
    u_char                error_id[64];         /* correlation id */
    u_char                error_text[512];
    u_char                error_advice[256];

    u_char                note[512];            /* which of a chain won */

    ngx_atomic_t          fetches;
    ngx_atomic_t          failures;
    ngx_atomic_t          fetch_ms;             /* sum */
    ngx_atomic_t          waits;
    ngx_atomic_t          replays;
    ngx_atomic_t          upstream_401;
    ngx_atomic_t          upstream_403;
    ngx_atomic_t          upstream_424;
    ngx_atomic_t          upstream_429;
    ngx_atomic_t          counters[NGX_HTTP_ENTRA_COUNTERS];
};


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
    u_char                        key[32];
    ngx_uint_t                    preload;      /* unsigned  preload:1 */
    entra_egress_t                known;        /* Azure's hosts of the scope */
    entra_egress_t               *egress;       /* where it may go */

    ngx_http_entra_record_t      *record;       /* never NULL in a worker */

    /* the worker's copy, "Bearer " and value; NULL: none */
    ngx_str_t                     header;
    ngx_atomic_uint_t             generation;
    int64_t                       expires;
    int64_t                       refresh;

    /* on_behalf_of: what the caller presented, else NULL */
    char                         *assertion;

    entra_acquire_t              *acquire;      /* under way in this worker */
    int64_t                       started;
    ngx_event_t                   timer;
    ngx_uint_t                    polls;
    ngx_queue_t                   waiters;
    unsigned                      reported:1;   /* the zone is too small */
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
    ngx_uint_t                    blanked;      /* bits of override headers */
    ngx_uint_t                    forwarded;
    ngx_flag_t                    pass_headers; /* the client's */

    ngx_str_t                     replay_name;  /* "@..." */

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
} ngx_http_entra_kept_t;


/* process-wide state of a worker */

typedef struct {
    ngx_cycle_t                  *cycle;
    ngx_http_entra_main_conf_t   *conf;
    entra_world_t                 world;
    ngx_http_entra_curl_t        *curl;
    entra_session_store_t         store;        /* of sign-ins */
    entra_sign_in_t              *site;
    ngx_queue_t                   sent;         /* requests under way */
    ngx_event_t                   watch;
    ngx_uint_t                    reading;      /* a long list, in pieces */
    ngx_connection_t              dummy;        /* for events without a fd */
} ngx_http_entra_worker_t;


/* ngx_http_entra_module.c */

extern ngx_module_t              ngx_http_entra_module;


/* ngx_http_entra_conf.c */

extern ngx_conf_enum_t  ngx_http_entra_path_modes[];

void *ngx_http_entra_create_main_conf(ngx_conf_t *cf);
char *ngx_http_entra_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_entra_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_entra_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
char *ngx_http_entra_names(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_entra_shared_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_entra_http_proxy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_entra_trusted(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_entra_check_wait(ngx_conf_t *cf, void *post, void *data);
ngx_int_t ngx_http_entra_conf_words(ngx_conf_t *cf, entra_str_t *words,
    ngx_uint_t max);
char *ngx_http_entra_conf_block(ngx_conf_t *cf, ngx_conf_handler_pt handler,
    void *conf);

/* ngx_http_entra_auth.c: which credential, which token */

char *ngx_http_entra_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_entra_second(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* after the last directive */
ngx_int_t ngx_http_entra_auth_resolve(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_auth_t *auth);

/* of a variable's value: its index, or one past the last */
ngx_uint_t ngx_http_entra_auth_lookup(ngx_http_entra_auth_t *auth,
    ngx_str_t *name);

/* ngx_http_entra_credential.c: the block */

char *ngx_http_entra_credential(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_http_entra_credential_t *ngx_http_entra_credential_find(
    ngx_http_entra_main_conf_t *mcf, ngx_str_t *name);

/* ngx_http_entra_credential_init.c: after the last directive */

ngx_int_t ngx_http_entra_credential_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
ngx_http_entra_token_t *ngx_http_entra_credential_token(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential,
    ngx_str_t *scope);

/* the digests of the secrets now in use; 1: there is a new one */
ngx_uint_t ngx_http_entra_credential_material(
    ngx_http_entra_credential_t *credential);

/* ngx_http_entra_rule.c: a block of Conditional Access */

#define NGX_HTTP_ENTRA_RULE_LOCATION    0
#define NGX_HTTP_ENTRA_RULE_CALLER      1
#define NGX_HTTP_ENTRA_RULE_OPERATIONS  2
#define NGX_HTTP_ENTRA_RULE_POLICY      3

char *ngx_http_entra_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_entra_trusted_proxies(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_entra_rules.c: all of them */

ngx_int_t ngx_http_entra_rules_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
ngx_http_entra_policies_t *ngx_http_entra_rules_of(
    ngx_http_entra_location_t *location,
    ngx_http_entra_credential_t *credential);
void ngx_http_entra_rules_attach(ngx_http_entra_main_conf_t *mcf);
ngx_uint_t ngx_http_entra_rules_watch(ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_lint.c */

ngx_int_t ngx_http_entra_lint(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_status_rules.c */

void ngx_http_entra_status_json_rules(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);
void ngx_http_entra_prometheus_rules(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);

/* "enabled", "report_only", "disabled" */
const char *ngx_http_entra_policy_state(const entra_policy_t *policy);

/* ngx_http_entra_keys.c: callers' tokens and the keys that sign them */

char *ngx_http_entra_caller_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_entra_keys_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_keys_free(ngx_http_entra_main_conf_t *mcf);
ngx_uint_t ngx_http_entra_keys_number(ngx_http_entra_main_conf_t *mcf);
ngx_http_entra_token_t *ngx_http_entra_keys_token(
    ngx_http_entra_main_conf_t *mcf);           /* NULL: no caller tokens */
ngx_int_t ngx_http_entra_keys_signal(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals);

/* ngx_http_entra_workspace.c */

char *ngx_http_entra_workspace(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_entra_workspace_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_entra_what_if.c */

char *ngx_http_entra_what_if(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_entra_sign_in.c */

char *ngx_http_entra_sign_in(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_entra_sign_in_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
ngx_int_t ngx_http_entra_sign_in_init(ngx_http_entra_worker_t *worker);

/* ngx_http_entra_session.c */

void ngx_http_entra_session_store(ngx_http_entra_main_conf_t *mcf,
    entra_session_store_t *store);

/* ngx_http_entra_check.c: what is known when the configuration is read */

ngx_int_t ngx_http_entra_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_observe.c */

/* its bit, when the header may ask for another method or path; or 0 */
ngx_uint_t ngx_http_entra_override(ngx_str_t *name);

ngx_uint_t ngx_http_entra_same_header(ngx_str_t *header, const char *name,
    ngx_uint_t *exact);

ngx_int_t ngx_http_entra_observe(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_observe_end(ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_zone.c */

void *ngx_http_entra_zone_create(ngx_conf_t *cf);
ngx_int_t ngx_http_entra_zone_init(ngx_shm_zone_t *zone, void *data);
ngx_slab_pool_t *ngx_http_entra_zone_pool(ngx_http_entra_main_conf_t *mcf);
ngx_http_entra_record_t *ngx_http_entra_zone_record(
    ngx_http_entra_main_conf_t *mcf, u_char *key, ngx_log_t *log);
ngx_int_t ngx_http_entra_zone_store(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec, const char *value, size_t len);
ngx_int_t ngx_http_entra_zone_claims(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_record_t *rec, ngx_str_t *claims);
ngx_atomic_t *ngx_http_entra_zone_counters(ngx_http_entra_main_conf_t *mcf);
ngx_rbtree_t *ngx_http_entra_zone_sessions(ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_zone_lock(ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_zone_unlock(ngx_http_entra_main_conf_t *mcf);

typedef enum {
    NGX_HTTP_ENTRA_COUNT_ALLOW = 0,
    NGX_HTTP_ENTRA_COUNT_DENY,
    NGX_HTTP_ENTRA_COUNT_UNDETERMINED,
    NGX_HTTP_ENTRA_COUNT_EGRESS,
    NGX_HTTP_ENTRA_COUNT_PATH
} ngx_http_entra_counter_e;

/* ngx_http_entra_worker.c */

extern ngx_http_entra_worker_t  *ngx_http_entra_worker;

ngx_int_t ngx_http_entra_worker_init(ngx_cycle_t *cycle);
void ngx_http_entra_worker_exit(ngx_cycle_t *cycle);
int64_t ngx_http_entra_clock(void);             /* boot clock, ms */
void ngx_http_entra_event(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_uint_t cancelable);

#define ngx_http_entra_of(member_ptr, type, member)                           \
    ((type *) ((u_char *) (member_ptr) - offsetof(type, member)))

/* ngx_http_entra_token.c: one token's life in a worker */

ngx_int_t ngx_http_entra_token_attach(ngx_http_entra_token_t *token);
void ngx_http_entra_token_detach(ngx_http_entra_token_t *token);

/* the token may be sent now; takes over what another worker has fetched */
ngx_int_t ngx_http_entra_token_usable(ngx_http_entra_token_t *token,
    int64_t now);

/* its secret changed: fetches now, keeps the token until then */
void ngx_http_entra_token_due(ngx_http_entra_token_t *token);

/* the worker's copy, and when to look again */
void ngx_http_entra_token_set_local(ngx_http_entra_token_t *token,
    const char *value, size_t len);
void ngx_http_entra_token_arm(ngx_http_entra_token_t *token, int64_t now);

/* ngx_http_entra_token_fetch.c: one fetch across all workers */

/* starts a fetch if it is time and nobody else does */
void ngx_http_entra_token_kick(ngx_http_entra_token_t *token);

/* called every few seconds */
void ngx_http_entra_token_heartbeat(ngx_http_entra_token_t *token);

/*
 * The upstream refused this generation: asks for another one, with claims or
 * NULL.  NGX_OK: a newer one is there or on its way; NGX_DECLINED: not now.
 */
ngx_int_t ngx_http_entra_token_force(ngx_http_entra_token_t *token,
    ngx_atomic_uint_t generation, ngx_str_t *claims);

/* a fetch is under way in some worker */
ngx_int_t ngx_http_entra_token_pending(ngx_http_entra_token_t *token);

/* ms until the next attempt, 0: at once */
int64_t ngx_http_entra_token_next(ngx_http_entra_token_t *token);

/* ngx_http_entra_request.c: the phases */

ngx_int_t ngx_http_entra_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_precontent_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_log_handler(ngx_http_request_t *r);
ngx_http_entra_ctx_t *ngx_http_entra_get_ctx(ngx_http_request_t *r);

/* what is known of the request, also after a redirect to an error page */
ngx_http_entra_ctx_t *ngx_http_entra_kept_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_resolve(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);

/* ngx_http_entra_park.c: parking, resuming */

/* NGX_AGAIN: it waits now; NGX_DECLINED: waiting would not help */
ngx_int_t ngx_http_entra_park(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token);

/* a fetch has ended, one way or the other */
void ngx_http_entra_wake(ngx_http_entra_token_t *token);

/* ngx_http_entra_obo.c */

void ngx_http_entra_obo_init(void);
void ngx_http_entra_obo_exit(void);
ngx_int_t ngx_http_entra_obo(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx);
ngx_uint_t ngx_http_entra_obo_refused(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);

/* ngx_http_entra_decide.c */

ngx_int_t ngx_http_entra_decide(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_uint_t early);

/* ngx_http_entra_signals.c */

ngx_int_t ngx_http_entra_signals(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals);

/* headers by which the client says what is done, beside method and path */
ngx_int_t ngx_http_entra_signal_headers(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf, ngx_http_entra_judged_t *judged);

/* ngx_http_entra_uri.c */

ngx_int_t ngx_http_entra_upstream_uri(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf, ngx_uint_t early, ngx_str_t *uri);

/* ngx_http_entra_inject.c */

ngx_int_t ngx_http_entra_authorization(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_entra_second_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_entra_egress.c */

ngx_int_t ngx_http_entra_egress_check(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);

/* ngx_http_entra_replay_twin.c: when the configuration is read */

ngx_int_t ngx_http_entra_replay_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_replay.c: at run time */

void ngx_http_entra_replay_hook(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
ngx_http_entra_kept_t *ngx_http_entra_replay_kept(ngx_http_request_t *r);
ngx_uint_t ngx_http_entra_replay_foreign(ngx_http_request_t *r);
ngx_uint_t ngx_http_entra_replay_waits(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);

/* ngx_http_entra_answer.c: application/problem+json */

ngx_int_t ngx_http_entra_answer_init(ngx_conf_t *cf);
ngx_int_t ngx_http_entra_answer(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_uint_t status, const char *detail,
    time_t retry_after);
void ngx_http_entra_request_id(ngx_http_request_t *r, ngx_str_t *id);
void ngx_http_entra_answer_claims(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_str_t claims);
void ngx_http_entra_answer_step_up(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, const char *acrs);
ngx_int_t ngx_http_entra_answer_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, entra_buf_t *body);

/* ngx_http_entra_variables.c */

ngx_int_t ngx_http_entra_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_entra_variables_index(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_variable_set(ngx_http_variable_value_t *v,
    const void *data, size_t len);

/* ngx_http_entra_status.c */

extern const ngx_str_t  ngx_http_entra_status_names[];

char *ngx_http_entra_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* "valid", "expired", "none", and whether somebody is on it */
const char *ngx_http_entra_status_state(ngx_http_entra_token_t *token,
    ngx_http_entra_record_t *rec, int64_t now);

/* a copy of the record, taken under the mutex */
void ngx_http_entra_status_record(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_token_t *token, ngx_http_entra_record_t *rec);

/* ngx_http_entra_status_format.c */

typedef enum {
    NGX_HTTP_ENTRA_JSON = 0,
    NGX_HTTP_ENTRA_PROMETHEUS,
    NGX_HTTP_ENTRA_HTML,
    NGX_HTTP_ENTRA_UNKNOWN
} ngx_http_entra_format_e;

ngx_http_entra_format_e ngx_http_entra_status_format(ngx_http_request_t *r);

/* ngx_http_entra_status_text.c */

void ngx_http_entra_status_prometheus(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);

/* ngx_http_entra_status_html.c */

void ngx_http_entra_status_html(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);


#endif /* _NGX_HTTP_ENTRA_MODULE_H_INCLUDED_ */
