
/*
 * Copyright (C) nginx-entra authors
 *
 * A request: what is known of it, the phases, the decision, the token on the
 * upstream request, the repeat after a 401, and answers.
 */

#ifndef _NGX_HTTP_ENTRA_REQUEST_H_INCLUDED_
#define _NGX_HTTP_ENTRA_REQUEST_H_INCLUDED_


#include "ngx_http_entra_conf.h"

#include "entra_path.h"


/* a decision with what it was made of */

typedef struct {
    entra_signals_t               signals;
    entra_operation_t             operation;
    entra_str_t                   path;
    ngx_http_entra_credential_t  *credential;   /* whose policies decided */
    unsigned                      made:1;
    unsigned                      overridden:1; /* by a header, as it seems */
    unsigned                      counted:1;    /* as allowed */
    unsigned                      denied:1;     /* counted and logged */
    entra_decision_t              result;       /* ends in a long array */
} ngx_http_entra_decision_t;


typedef struct ngx_http_entra_ctx_s  ngx_http_entra_ctx_t;

/* the upstream request that got the token, or was refused it */

typedef struct {
    ngx_http_upstream_t          *upstream;
    ngx_str_t                     value;
    ngx_atomic_uint_t             generation;
    int64_t                       expires;      /* of the first of its tokens */
    void                         *unsent;       /* see ..._attempt.c */

    /* its Host, once it was evaluated */
    ngx_http_upstream_t          *host_upstream;
    ngx_str_t                     host;

    /* nginx's own handlers */
    ngx_int_t                   (*process_header)(ngx_http_request_t *r);
    ngx_int_t                   (*reinit_request)(ngx_http_request_t *r);

    unsigned                      refused:1;
} ngx_http_entra_sent_t;


/* what a decision was about: of another request line there is another one */

typedef struct {
    ngx_str_t                     uri;
    ngx_str_t                     args;
    ngx_str_t                     method;
    unsigned                      unparsed:1;
    unsigned                      internal:1;
    unsigned                      exact:1;      /* the whole, and allowed */
} ngx_http_entra_decided_t;


/* an answer of the module's own */

typedef struct {
    ngx_uint_t                    status;       /* 0: none */
    const char                   *detail;
    const char                   *challenge;    /* after "Bearer" */
    ngx_buf_t                    *body;
    unsigned                      sending:1;
} ngx_http_entra_answer_t;


/* what the caller's token says, looked at once */

typedef struct {
    entra_signal_e                token;
    const entra_claims_t         *claims;
    const char                   *failure;
    ngx_atomic_uint_t             keys;         /* that it was judged by */
    int64_t                       unknown_kid;  /* since when, 0: it is not */
    unsigned                      known:1;      /* valid or invalid */
} ngx_http_entra_caller_t;


struct ngx_http_entra_ctx_s {
    ngx_http_request_t           *request;
    ngx_http_entra_ctx_t         *earlier;      /* see ..._find_ctx() */

    ngx_http_entra_loc_conf_t    *lcf;          /* that all below is about */
    ngx_str_t                     location;     /* its name */
    ngx_http_entra_token_t       *token;
    ngx_http_entra_status_e       status;

    ngx_msec_t                    deadline;     /* of waiting, 0: not begun */
    ngx_http_entra_waiter_t      *waiter;       /* while it is parked */

    ngx_http_entra_caller_t       caller;
    ngx_http_entra_policies_t    *policies;     /* of token here, or NULL */
    ngx_http_entra_decision_t    *decision;

    ngx_http_entra_decided_t      decided;
    ngx_http_entra_sent_t         sent;
    ngx_http_entra_answer_t       answer;

    /* of the request, before the upstream's answer came */
    struct {
        size_t                    limit_rate;
        ngx_str_t                *charset;
        unsigned                  limit_rate_set:1;
    } before;

    size_t                        plain;        /* path, 0: decode it */

    unsigned                      resolved:1;   /* token is that of lcf */
    unsigned                      path_checked:1;
    unsigned                      waited:1;
    unsigned                      counted:1;
    unsigned                      replay:1;     /* this is the second time */
};


/* what has to outlive an internal redirect, see ..._replay.c */

typedef struct {
    ngx_http_request_t           *request;
    ngx_atomic_uint_t             refused;      /* generation */
    ngx_http_entra_token_t       *token;
    ngx_uint_t                    replayed;     /* unsigned  replayed:1 */
    ngx_http_core_loc_conf_t     *next;         /* the clone it may enter */
} ngx_http_entra_replay_state_t;


/* ngx_http_entra_keys.c: callers' tokens and the keys that sign them */

char *ngx_http_entra_caller_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_entra_caller_token_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_caller_token_authority(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *out);
ngx_uint_t ngx_http_entra_caller_token_nkeys(ngx_http_entra_main_conf_t *mcf);
ngx_http_entra_token_t *ngx_http_entra_caller_token_keys(
    ngx_http_entra_main_conf_t *mcf);           /* NULL: no caller tokens */
ngx_int_t ngx_http_entra_caller_token_signal(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals);
/* the same without parking: NGX_AGAIN, it is not known yet */
ngx_int_t ngx_http_entra_caller_token_look(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals);
/* many requests wait for keys: others are to be limited before they do */
ngx_uint_t ngx_http_entra_caller_token_crowded(
    ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_request.c: the phases */

ngx_int_t ngx_http_entra_preaccess_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_precontent_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_log_handler(ngx_http_request_t *r);
ngx_http_entra_ctx_t *ngx_http_entra_create_ctx(ngx_http_request_t *r);

/* what is known of the request, also after a redirect to an error page */
ngx_http_entra_ctx_t *ngx_http_entra_find_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_resolve_auth(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);

/* ngx_http_entra_park.c: parking, resuming */

/* NGX_AGAIN: it waits now; NGX_DECLINED: waiting would not help */
ngx_int_t ngx_http_entra_park(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token);

/* ngx_http_entra_obo.c */

void ngx_http_entra_obo_init(void);
void ngx_http_entra_obo_exit(void);
ngx_int_t ngx_http_entra_obo(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx);
void ngx_http_entra_obo_retry(ngx_http_entra_credential_t *credential);
ngx_uint_t ngx_http_entra_obo_settled(ngx_http_entra_token_t *token);
ngx_uint_t ngx_http_entra_obo_refused(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token,
    const char **detail);

/* ngx_http_entra_decide.c */

ngx_int_t ngx_http_entra_evaluate(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_uint_t early);

/* ngx_http_entra_signals.c */

ngx_int_t ngx_http_entra_signals(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals);

/* who calls, as far as it is known now: of no request that is being decided */
void ngx_http_entra_signal_caller(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, entra_signals_t *signals);

/* headers by which the client says what is done, beside method and path */
ngx_int_t ngx_http_entra_signal_headers(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf, ngx_http_entra_decision_t *decision);

/* ngx_http_entra_uri.c */

ngx_int_t ngx_http_entra_upstream_uri(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf, ngx_uint_t early, ngx_str_t *uri);

/* ngx_http_entra_inject.c */

extern const ngx_http_entra_upstream_values_t  ngx_http_entra_inject_values;

/* the Host of the upstream request, evaluated once */
ngx_int_t ngx_http_entra_upstream_host(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_complex_value_t *value,
    ngx_str_t *host);

/* ngx_http_entra_attempt.c: each attempt of nginx to send the request */

ngx_int_t ngx_http_entra_attempt_reinit(ngx_http_request_t *r);
/* left: ms of the token's life */
ngx_int_t ngx_http_entra_attempt_watch(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, int64_t left);

/* ngx_http_entra_egress.c */

ngx_int_t ngx_http_entra_egress_check(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);

/* ngx_http_entra_replay_clone.c: when the configuration is read */

ngx_int_t ngx_http_entra_replay_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_replay.c: at run time */

ngx_int_t ngx_http_entra_replay_process_header(ngx_http_request_t *r);
ngx_http_entra_replay_state_t *ngx_http_entra_replay_state(
    ngx_http_request_t *r);
ngx_uint_t ngx_http_entra_replay_foreign(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_loc_conf_t *lcf);
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
/* some directive has $entra_caller or $entra_caller_id */
ngx_uint_t ngx_http_entra_variables_caller(ngx_conf_t *cf);

/* entra_reason_e as a word: "block", "no_grant", ...; NONE: "undetermined" */
const char *ngx_http_entra_reason(ngx_uint_t reason);


/*
 * What each request does several times, and what is mostly done already: the
 * short way is taken without a call
 */

static ngx_inline ngx_http_entra_ctx_t *
ngx_http_entra_get_ctx(ngx_http_request_t *r)
{
    ngx_http_entra_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_entra_module);

    return ctx ? ctx : ngx_http_entra_create_ctx(r);
}


static ngx_inline void
ngx_http_entra_replay_wrap(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    if (r->upstream->process_header != ngx_http_entra_replay_process_header) {
        ctx->sent.process_header = r->upstream->process_header;
        r->upstream->process_header = ngx_http_entra_replay_process_header;
    }
}


/*
 * The egress guard: NGX_OK, or NGX_DECLINED with the answer prepared and the
 * reason logged.  What is written in the configuration is checked once.
 */

static ngx_inline ngx_int_t
ngx_http_entra_egress(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    ngx_http_upstream_t        *u;
    ngx_http_entra_loc_conf_t  *lcf;

    u = r->upstream;
    lcf = ctx->lcf;

    if (u->resolved == NULL && lcf->egress.conf == u->conf
        && lcf->egress.token == token
        && lcf->egress.ssl == u->ssl)
    {
        return NGX_OK;
    }

    return ngx_http_entra_egress_check(r, ctx, token);
}


/* which credential, which token: once per request and location */

static ngx_inline ngx_int_t
ngx_http_entra_resolve(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    if (ctx->resolved
        && ctx->lcf == ngx_http_get_module_loc_conf(r, ngx_http_entra_module))
    {
        return NGX_OK;
    }

    return ngx_http_entra_resolve_auth(r, ctx);
}


/* a HEAD that becomes a GET, for the cache; known when it is sent */

static ngx_inline ngx_uint_t
ngx_http_entra_converted(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    return ctx->sent.upstream && ctx->sent.upstream == r->upstream
           && r->upstream->method.len;
}


/* all that the decision was about is as it was */

static ngx_inline ngx_uint_t
ngx_http_entra_decided(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    return ctx->decided.exact
           && !ngx_http_entra_converted(r, ctx)
           && !ctx->lcf->varies
           && ctx->decided.uri.data == r->uri.data
           && ctx->decided.uri.len == r->uri.len
           && ctx->decided.args.data == r->args.data
           && ctx->decided.args.len == r->args.len
           && ctx->decided.method.data == r->method_name.data
           && ctx->decided.unparsed == r->valid_unparsed_uri
           && ctx->decided.internal == r->internal;
}


/*
 * NGX_OK: nothing against it; NGX_AGAIN: parked until keys are there;
 * otherwise the status of an answer.  early: in the access phase, where
 * variables of proxy_pass are not final.
 */

static ngx_inline ngx_int_t
ngx_http_entra_decide(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_uint_t early)
{
    if ((ctx->policies == NULL && !ctx->lcf->second_policies
         && !ctx->lcf->confine)
        || ngx_http_entra_decided(r, ctx))
    {
        return NGX_OK;
    }

    return ngx_http_entra_evaluate(r, ctx, early);
}


#endif /* _NGX_HTTP_ENTRA_REQUEST_H_INCLUDED_ */
