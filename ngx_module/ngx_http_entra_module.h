
/*
 * Copyright (C) nginx-entra authors
 *
 * The functions that the glue's files share, file by file.
 */

#ifndef _NGX_HTTP_ENTRA_MODULE_H_INCLUDED_
#define _NGX_HTTP_ENTRA_MODULE_H_INCLUDED_


#include "ngx_http_entra_types.h"


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

/* ngx_http_entra_keys.c: callers' tokens and the keys that sign them */

char *ngx_http_entra_caller_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_entra_keys_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_keys_authority(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *out);
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

/* ngx_http_entra_zone.c */

void *ngx_http_entra_zone_create(ngx_conf_t *cf);
ngx_int_t ngx_http_entra_zone_init(ngx_shm_zone_t *zone, void *data);
entra_store_t *ngx_http_entra_zone_store(ngx_http_entra_main_conf_t *mcf);
ngx_atomic_t *ngx_http_entra_zone_counters(ngx_http_entra_main_conf_t *mcf);

/* this process begins, or ends */
void ngx_http_entra_zone_join(ngx_http_entra_main_conf_t *mcf);

/* says so, at most once a minute in a worker */
void ngx_http_entra_zone_full(ngx_http_entra_main_conf_t *mcf);

/* says what a worker that was killed has left */
void ngx_http_entra_zone_watch(ngx_http_entra_main_conf_t *mcf);

typedef enum {
    NGX_HTTP_ENTRA_COUNT_ALLOW = 0,
    NGX_HTTP_ENTRA_COUNT_DENY,
    NGX_HTTP_ENTRA_COUNT_UNDETERMINED,
    NGX_HTTP_ENTRA_COUNT_EGRESS,
    NGX_HTTP_ENTRA_COUNT_PATH,

    /* what was not allowed, by entra_reason_e; NONE: undetermined */
    NGX_HTTP_ENTRA_COUNT_REASON,

    NGX_HTTP_ENTRA_ZONE_COUNTERS = NGX_HTTP_ENTRA_COUNT_REASON
                                   + ENTRA_REASON_WORKSPACE + 1
} ngx_http_entra_counter_e;

/* ngx_http_entra_worker.c */

extern ngx_http_entra_worker_t  *ngx_http_entra_worker;

ngx_int_t ngx_http_entra_worker_init(ngx_cycle_t *cycle);
ngx_int_t ngx_http_entra_worker_begin(ngx_http_entra_worker_t *worker);
void ngx_http_entra_worker_end(ngx_http_entra_worker_t *worker);
void ngx_http_entra_worker_free(ngx_http_entra_worker_t *worker);
int64_t ngx_http_entra_clock(void);             /* boot clock, ms */
void ngx_http_entra_event(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_uint_t cancelable);

#define ngx_http_entra_of(member_ptr, type, member)                           \
    ((type *) ((u_char *) (member_ptr) - offsetof(type, member)))

/* ngx_http_entra_watch.c: signs of life, and files */

ngx_int_t ngx_http_entra_watch_init(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf);
void ngx_http_entra_watch_exit(void);


/* ngx_http_entra_token.c: one token's life in a worker */

ngx_int_t ngx_http_entra_token_attach(ngx_http_entra_token_t *token);
void ngx_http_entra_token_detach(ngx_http_entra_token_t *token);

/* whatever else is done with its record: it has one then, if only its own */
ngx_int_t ngx_http_entra_token_hold(ngx_http_entra_token_t *token);

/* of a caller's that nobody waits for: its record may be evicted */
void ngx_http_entra_token_rest(ngx_http_entra_token_t *token);

/* a copy of the record; all zero when there is none */
void ngx_http_entra_token_peek(ngx_http_entra_token_t *token,
    entra_store_snapshot_t *record);

/* the token may be sent now; takes over what another worker has fetched */
ngx_int_t ngx_http_entra_token_usable(ngx_http_entra_token_t *token,
    int64_t now);

/* a caller's token is used: others are evicted before it */
void ngx_http_entra_token_touch(ngx_http_entra_token_t *token);

/* its secret changed: fetches now, keeps the token until then */
void ngx_http_entra_token_due(ngx_http_entra_token_t *token);

/* another input, not a secret: what fails is fetched now */
void ngx_http_entra_token_retry(ngx_http_entra_token_t *token);

/* the worker's copy, and when to look again */
void ngx_http_entra_token_set_local(ngx_http_entra_token_t *token,
    const char *value, size_t len);
void ngx_http_entra_token_arm(ngx_http_entra_token_t *token, int64_t now);

/* wipes the copies that were replaced */
void ngx_http_entra_token_free_retired(void);

/* ngx_http_entra_token_fetch.c: one fetch across all workers */

/* starts a fetch if it is time and nobody else does */
void ngx_http_entra_token_kick(ngx_http_entra_token_t *token);

/* called every few seconds: those that are fetched are so still */
void ngx_http_entra_token_heartbeat(void);

/*
 * The upstream refused this generation: asks for another one, with claims or
 * NULL.  NGX_OK: a newer one is there or on its way; NGX_DECLINED: not now.
 */
ngx_int_t ngx_http_entra_token_force(ngx_http_entra_token_t *token,
    ngx_atomic_uint_t generation, ngx_str_t *claims);

/* a fetch is under way in some worker */
ngx_int_t ngx_http_entra_token_pending(ngx_http_entra_token_t *token);


/* for the log; buf: NGX_HTTP_ENTRA_NAME_MAX bytes, cut to them */
#define NGX_HTTP_ENTRA_NAME_MAX  512
char *ngx_http_entra_token_name(ngx_http_entra_token_t *token, u_char *buf);

/* ms until the next attempt, 0: at once */
int64_t ngx_http_entra_token_next(ngx_http_entra_token_t *token);

/* ngx_http_entra_request.c: the phases */

ngx_int_t ngx_http_entra_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_precontent_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_log_handler(ngx_http_request_t *r);
ngx_http_entra_ctx_t *ngx_http_entra_create_ctx(ngx_http_request_t *r);

/* what is known of the request, also after a redirect to an error page */
ngx_http_entra_ctx_t *ngx_http_entra_kept_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_entra_resolve_auth(ngx_http_request_t *r,
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
void ngx_http_entra_obo_retry(ngx_http_entra_credential_t *credential);
ngx_uint_t ngx_http_entra_obo_settled(ngx_http_entra_token_t *token);
ngx_uint_t ngx_http_entra_obo_refused(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token,
    const char **detail);

/* ngx_http_entra_decide.c */

ngx_int_t ngx_http_entra_judge(ngx_http_request_t *r,
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

extern const ngx_http_entra_upstream_values_t  ngx_http_entra_inject_values;

/* the Host of the upstream request, evaluated once */
ngx_int_t ngx_http_entra_upstream_host(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_complex_value_t *value,
    ngx_str_t *host);

/* ngx_http_entra_attempt.c: each attempt of nginx to send the request */

void ngx_http_entra_attempt_hook(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
/* left: ms of the token's life */
ngx_int_t ngx_http_entra_attempt_watch(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, int64_t left);

/* ngx_http_entra_egress.c */

ngx_int_t ngx_http_entra_egress_check(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token);

/* ngx_http_entra_replay_twin.c: when the configuration is read */

ngx_int_t ngx_http_entra_replay_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* ngx_http_entra_replay.c: at run time */

void ngx_http_entra_replay_hook(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
void ngx_http_entra_replay_wrap(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx);
ngx_http_entra_kept_t *ngx_http_entra_replay_kept(ngx_http_request_t *r);
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

/* entra_reason_e as a word: "block", "no_grant", ...; NONE: "undetermined" */
const char *ngx_http_entra_reason(ngx_uint_t reason);


/* ngx_http_entra_status.c */

extern const ngx_str_t  ngx_http_entra_status_names[];

char *ngx_http_entra_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

static ngx_inline void
ngx_http_entra_variable_set(ngx_http_variable_value_t *v, const void *data,
    size_t len)
{
    v->len = len;
    v->data = (u_char *) data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
}


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


/*
 * NGX_OK: nothing against it; NGX_AGAIN: parked until keys are there;
 * otherwise the status of an answer.  early: in the access phase, where
 * variables of proxy_pass are not final.
 */

static ngx_inline ngx_int_t
ngx_http_entra_decide(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_uint_t early)
{
    if (ctx->policies == NULL && !ctx->lcf->second_policies
        && !ctx->lcf->confine)
    {
        return NGX_OK;
    }

    return ngx_http_entra_judge(r, ctx, early);
}


#endif /* _NGX_HTTP_ENTRA_MODULE_H_INCLUDED_ */
