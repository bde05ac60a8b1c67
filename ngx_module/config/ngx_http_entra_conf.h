
/*
 * Copyright (C) nginx-entra authors
 *
 * What nginx.conf says: the structures, which all rooms read, and the
 * directives.
 */

#ifndef _NGX_HTTP_ENTRA_CONF_H_INCLUDED_
#define _NGX_HTTP_ENTRA_CONF_H_INCLUDED_


#include "ngx_http_entra_token.h"

#include "entra_cidr.h"
#include "entra_env.h"
#include "entra_rules.h"
#include "entra_workspace.h"


/* entra_auth: where a location's token comes from; shared by inheritance */

typedef struct {
    ngx_str_t                     name;         /* empty with a variable */
    ngx_http_complex_value_t     *value;
    ngx_str_t                     scope;        /* as written, or empty */
    ngx_http_entra_token_t       *token;        /* of a fixed name */
    ngx_array_t                  *tokens;       /* of a variable: all, sorted */
    u_char                       *file;
    ngx_uint_t                    line;
    ngx_uint_t                    passed;       /* some location proxies */
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
} ngx_http_entra_second_token_t;


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


/* a cache of answers; masks of protocols */

typedef struct {
    ngx_uint_t                    on;
    ngx_uint_t                    set;          /* in this location */
    ngx_uint_t                    key_set;      /* in this location */
    ngx_uint_t                    by_token;     /* the key has the caller's */
    ngx_uint_t                    by_certificate;
} ngx_http_entra_sent_cache_t;


/* what other modules' directives say of upstream requests, see ..._observe.c */

typedef struct {
    ngx_http_entra_pass_t        *pass;
    ngx_http_complex_value_t     *method;       /* proxy_method */

    /* masks of protocols */
    ngx_uint_t                    ssl_verify;   /* is "on" */
    ngx_uint_t                    ssl_verify_set;   /* in this location */
    ngx_uint_t                    headers;      /* some *_set_header, here */
    ngx_uint_t                    with_token;   /* one of them has ours */

    ngx_http_entra_sent_cache_t   cache;
    ngx_http_entra_sent_header_t  host[2];      /* proxy, grpc */
    ngx_http_entra_sent_header_t  authorization[2];
    ngx_http_complex_value_t     *deployment;   /* header that is set here */
    ngx_uint_t                    deployments;  /* how often */

    ngx_http_complex_value_t     *ssl_name[2];  /* proxy, grpc */

    ngx_uint_t                    blanked;      /* bits of override headers */
    ngx_uint_t                    forwarded;
    ngx_flag_t                    pass_headers; /* the client's */
} ngx_http_entra_sent_conf_t;


/* who may come in, as far as other modules' directives say */

typedef struct {
    ngx_flag_t                    denied;       /* some "deny" */
    ngx_flag_t                    asked;        /* auth_basic and its like */
    ngx_flag_t                    certificates; /* ssl_verify_client */
    ngx_flag_t                    verified;     /* the same, without one: no */
    ngx_flag_t                    ssl;          /* the old "ssl on" */
} ngx_http_entra_guard_conf_t;


/* a page of the module's own */

typedef struct {
    unsigned                      is_page:1;
    const char                   *directive;
    u_char                       *file;
    ngx_uint_t                    line;
    unsigned                      ready:1;
    unsigned                      live:1;
    ngx_array_t                  *ready_names;  /* ngx_str_t, NULL: preloaded */
} ngx_http_entra_page_conf_t;


typedef struct {
    ngx_http_entra_auth_t        *auth;         /* NULL: off */
    ngx_array_t                  *second_tokens;    /* of entra_token */
    ngx_msec_t                    wait;
    ngx_flag_t                    replay;
    ngx_uint_t                    path_raw;
    entra_workspace_t            *workspace;
    ngx_uint_t                    confine;      /* unsigned  confine:1 */

    /* entra_policies, and of all: [0], or in the order of auth->tokens */
    ngx_array_t                  *policy_names; /* ngx_str_t */
    u_char                       *file;
    ngx_uint_t                    line;
    unsigned                      own_policies:1;   /* written here */
    unsigned                      applied:1;    /* see ..._effect.c */
    void                         *parent;       /* ..._loc_conf_t */
    ngx_http_entra_policies_t   **policies;
    unsigned                      operations:1; /* some policy sees them */
    unsigned                      second_policies:1;
    unsigned                      no_decision:1;    /* but the path */

    /*
     * Variables have other values once the body was read, or whenever they
     * like: what they say is evaluated again when the request is made
     */
    unsigned                      varies:1;

    ngx_http_entra_sent_conf_t    sent;
    ngx_http_entra_guard_conf_t   guard;
    ngx_http_entra_page_conf_t    page;

    /* the hidden named clone that a repeated request goes to */
    struct {
        ngx_str_t                 name;
        ngx_http_core_loc_conf_t *location;
        ngx_str_t                 of;           /* name of this location */
    } clone;

    /* how long a request may be under way unsent, see ..._attempt.c */
    struct {
        void                     *conf;
        int64_t                   max;          /* ms */
    } attempt;

    /* a fixed upstream that the egress guard has allowed */
    struct {
        void                     *conf;
        void                     *token;
        ngx_uint_t                ssl;          /* unsigned  ssl:1 */
    } egress;

    unsigned                      warned_missing_header:1;
} ngx_http_entra_loc_conf_t;


typedef struct {
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_entra_loc_conf_t    *lcf;
} ngx_http_entra_location_t;


/* a line of a block, for what is found out later */

typedef struct {
    ngx_str_t                    *words;
    ngx_uint_t                    n;
    u_char                       *file;
    ngx_uint_t                    line;
} ngx_http_entra_line_t;


struct ngx_http_entra_main_conf_s {
    ngx_array_t                   credentials;  /* ..._credential_t * */
    ngx_rbtree_t                  names;        /* of credentials */
    ngx_rbtree_node_t             names_sentinel;
    ngx_array_t                   tokens;       /* ngx_http_entra_token_t * */
    ngx_array_t                   known;        /* see ..._credential_init.c */
    ngx_array_t                   locations;    /* ngx_http_entra_location_t */
    ngx_array_t                   auths;        /* ngx_http_entra_auth_t * */
    entra_env_t                  *env;
    entra_rules_t                *rules;

    uint32_t                      config;       /* random, of this reading */

    struct {
        ngx_str_t                 name;
        size_t                    size;
        ngx_shm_zone_t           *zone;
        ngx_shm_zone_t           *recent;       /* see ..._recent.h */
        ngx_str_t                 state_file;
        ngx_str_t                 state_key_file;
        ngx_http_entra_state_t   *state;        /* NULL: none */
        u_char                   *file;         /* where it is written */
        ngx_uint_t                line;
    } shared;

    /* how Entra and its like are asked */
    struct {
        ngx_str_t                 trusted_certificate;
        ngx_str_t                 trusted_pem;
        ngx_str_t                 proxy;
        ngx_msec_t                connect_timeout;
        ngx_msec_t                fetch_timeout;
    } provider;

    /* whose address a client's is */
    struct {
        entra_cidr_set_t          trusted_proxies;
        ngx_uint_t                has_trusted_proxies;
        ngx_int_t                 peer_index;   /* $realip_remote_addr */
        ngx_str_t                 realip;       /* the first set_real_ip_from */
        u_char                   *realip_file;
        ngx_uint_t                realip_line;
    } address;

    /* see ..._upstream_value.c */
    struct {
        ngx_array_t              *tokens;
        ngx_array_t              *uses;
        ngx_array_t              *hosts;
        u_char                    suffix[16];   /* of private names */
        const ngx_http_entra_upstream_values_t  *values;
    } private;

    ngx_array_t                  *servers;      /* ..._line_t, of upstreams */
    entra_access_user_t          *user;         /* of workers, or NULL */
    ngx_int_t                     ctx_index;    /* see ..._find_ctx() */
    ngx_http_entra_caller_token_t  *caller_token;
    ngx_uint_t                    sign_in;      /* there is a page */

    void                         *observed;
};


/* a block of lines that are the core's: see ngx_http_entra_conf_block() */

typedef struct {
    void                         *data;         /* of all of these */

    /* 0, or -1 and err */
    int                         (*line)(ngx_conf_t *cf, void *data,
                                        entra_str_t *words, ngx_uint_t n,
                                        entra_err_t *err);

    /* n: all words behind the name are paths; 2: the first one is; 0: none */
    ngx_uint_t                  (*paths)(void *data, ngx_str_t *name,
                                         ngx_uint_t n);

    /* a line could begin with the word */
    int                         (*is_param)(void *data, entra_str_t word);

    /* its values may be any names; NULL: those of all lines may */
    ngx_uint_t                  (*names)(ngx_str_t *name);

    ngx_array_t                  *lines;        /* ngx_http_entra_line_t */
} ngx_http_entra_block_t;


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
void ngx_http_entra_page_at(ngx_conf_t *cf, ngx_http_entra_loc_conf_t *lcf,
    const char *directive);
char *ngx_http_entra_check_wait(ngx_conf_t *cf, void *post, void *data);

/* some directive, or a line of a "map" and the like, asks for this variable */
ngx_uint_t ngx_http_entra_conf_asked(ngx_conf_t *cf, ngx_str_t *name);

char *ngx_http_entra_conf_block(ngx_conf_t *cf,
    ngx_http_entra_block_t *block);
ngx_http_entra_line_t *ngx_http_entra_conf_about(ngx_array_t *lines,
    const char *text);
ngx_http_entra_line_t *ngx_http_entra_conf_find(ngx_array_t *lines,
    const char *name);
char *ngx_http_entra_conf_where(ngx_conf_t *cf);

/* ngx_http_entra_auth.c: which credential, which token */

char *ngx_http_entra_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_entra_token_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

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
char *ngx_http_entra_credential_meant(ngx_http_entra_main_conf_t *mcf,
    ngx_str_t *name, char *text);

/* ngx_http_entra_credential_init.c: after the last directive */

ngx_int_t ngx_http_entra_credential_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
ngx_http_entra_token_t *ngx_http_entra_credential_token(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential,
    ngx_str_t *scope);

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

/* ngx_http_entra_check_cache.c */

ngx_int_t ngx_http_entra_check_cache(ngx_conf_t *cf,
    ngx_http_entra_location_t *location);

/* ngx_http_entra_lint.c */

ngx_int_t ngx_http_entra_lint(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_workspace.c */

char *ngx_http_entra_workspace(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_entra_workspace_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_entra_check.c: what is known when the configuration is read */

ngx_int_t ngx_http_entra_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_effect.c: what is written, and has none */

ngx_int_t ngx_http_entra_effect(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_guard.c: pages that anybody can open */

void ngx_http_entra_guard(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf);

/* of a listening address of the server */
typedef ngx_uint_t (*ngx_http_entra_address_pt)(ngx_http_conf_addr_t *addr);
ngx_uint_t ngx_http_entra_some_address(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_entra_address_pt test);

/* ngx_http_entra_ready.c */

ngx_int_t ngx_http_entra_ready_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_observe.c */

/* its bit, when the header may ask for another method or path; or 0 */
ngx_uint_t ngx_http_entra_override(ngx_str_t *name);

ngx_uint_t ngx_http_entra_same_header(ngx_str_t *header, const char *name,
    ngx_uint_t *exact);

ngx_int_t ngx_http_entra_observe(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_observe_end(ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_upstream_value.c */

/* around the handler of each directive of another module */
ngx_int_t ngx_http_entra_upstream_value_use(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_entra_upstream_value_used(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);

/* of names that have no value where a user writes them */
ngx_int_t ngx_http_entra_no_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* of entra_token $name: the index of the variable behind it, or NGX_ERROR */
ngx_int_t ngx_http_entra_token_variable(ngx_conf_t *cf, ngx_str_t *name);

/* after the last directive: no other one asks for a token */
ngx_int_t ngx_http_entra_upstream_value_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);


#endif /* _NGX_HTTP_ENTRA_CONF_H_INCLUDED_ */
