
/*
 * Copyright (C) nginx-entra authors
 */

#include "ngx_http_entra_page.h"
#include "ngx_http_entra_recent.h"


static ngx_int_t ngx_http_entra_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_entra_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_entra_phases(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_uint_t ngx_http_entra_decisions(ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_entra_init_process(ngx_cycle_t *cycle);
static void ngx_http_entra_exit_process(ngx_cycle_t *cycle);


static ngx_conf_post_t  ngx_http_entra_wait_post = {
    ngx_http_entra_check_wait
};


static ngx_command_t  ngx_http_entra_commands[] = {

    { ngx_string("entra_credential"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE2,
      ngx_http_entra_credential,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_named_location"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_entra_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      NGX_HTTP_ENTRA_RULE_LOCATION,
      NULL },

    { ngx_string("entra_caller"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_entra_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      NGX_HTTP_ENTRA_RULE_CALLER,
      NULL },

    { ngx_string("entra_operations"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_entra_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      NGX_HTTP_ENTRA_RULE_OPERATIONS,
      NULL },

    { ngx_string("entra_policy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_entra_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      NGX_HTTP_ENTRA_RULE_POLICY,
      NULL },

    { ngx_string("entra_trusted_proxies"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_entra_trusted_proxies,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_caller_token"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS,
      ngx_http_entra_caller_token,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_shared_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_http_entra_shared_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_trusted_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_entra_trusted,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_http_proxy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_entra_http_proxy,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_connect_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_entra_main_conf_t, provider.connect_timeout),
      &ngx_http_entra_wait_post },

    { ngx_string("entra_fetch_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_entra_main_conf_t, provider.fetch_timeout),
      &ngx_http_entra_wait_post },

    { ngx_string("entra_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE12,
      ngx_http_entra_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_policies"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_1MORE,
      ngx_http_entra_names,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_wait"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_entra_loc_conf_t, wait),
      NULL },

    { ngx_string("entra_replay"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_entra_loc_conf_t, replay),
      NULL },

    { ngx_string("entra_path"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_entra_loc_conf_t, path_raw),
      &ngx_http_entra_path_modes },

    { ngx_string("entra_workspace"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_entra_workspace,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_entra_token_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_sign_in"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_entra_sign_in,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_entra_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("entra_what_if"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_entra_what_if,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_entra_module_ctx = {
    ngx_http_entra_preconfiguration,       /* preconfiguration */
    ngx_http_entra_postconfiguration,      /* postconfiguration */

    ngx_http_entra_create_main_conf,       /* create main configuration */
    ngx_http_entra_init_main_conf,         /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_entra_create_loc_conf,        /* create location configuration */
    ngx_http_entra_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_entra_module = {
    NGX_MODULE_V1,
    &ngx_http_entra_module_ctx,            /* module context */
    ngx_http_entra_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_entra_init_module,            /* init module */
    ngx_http_entra_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_entra_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_entra_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    ngx_http_entra_handover_find();

    mcf->private.values = &ngx_http_entra_inject_values;

    return ngx_http_entra_variables(cf) == NGX_OK
           ? ngx_http_entra_observe(cf, mcf) : NGX_ERROR;
}


static ngx_int_t
ngx_http_entra_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    ngx_http_entra_observe_end(mcf);

    if (ngx_http_entra_upstream_value_check(cf, mcf) != NGX_OK
        || ngx_http_entra_variables_index(cf, mcf) != NGX_OK
        || ngx_http_entra_credential_init(cf, mcf) != NGX_OK
        || ngx_http_entra_sign_in_check(cf, mcf) != NGX_OK
        || ngx_http_entra_caller_token_init(cf, mcf) != NGX_OK
        || ngx_http_entra_rules_init(cf, mcf) != NGX_OK
        || ngx_http_entra_check(cf, mcf) != NGX_OK
        || ngx_http_entra_ready_check(cf, mcf) != NGX_OK
        || ngx_http_entra_effect(cf, mcf) != NGX_OK
        || ngx_http_entra_recent_init(cf, mcf) != NGX_OK
        || ngx_http_entra_state_conf(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_entra_guard(cf, mcf);

    if (mcf->tokens.nelts == 0 && mcf->caller_token == NULL) {
        return NGX_OK;
    }

    if (ngx_http_entra_replay_init(cf, mcf) != NGX_OK
        || ngx_http_entra_answer_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_entra_phases(cf, mcf);
}


/*
 * The access phase answers early what is denied; it is skipped by
 * subrequests and overruled by "satisfy any", so the precontent phase decides
 * again, and the injection refuses what neither has allowed.
 */

static ngx_int_t
ngx_http_entra_phases(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    /* the last one of a phase comes first: before those of limits */

    if (ngx_http_entra_variables_caller(cf)) {
        h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_entra_preaccess_handler;
    }

    if (ngx_http_entra_decisions(mcf)) {
        h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_entra_access_handler;
    }

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_entra_precontent_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_entra_log_handler;

    return NGX_OK;
}


/* which locations have something to decide about, and how many of them */

static ngx_uint_t
ngx_http_entra_decisions(ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i, n;
    ngx_http_entra_auth_t      *auth;
    ngx_http_entra_location_t  *location;
    ngx_http_entra_loc_conf_t  *lcf;

    location = mcf->locations.elts;
    n = 0;

    for (i = 0; i < mcf->locations.nelts; i++) {
        lcf = location[i].lcf;
        auth = lcf->auth;

        if (auth == NULL && lcf->second_tokens == NULL) {
            continue;
        }

        lcf->no_decision = !lcf->second_policies && !lcf->confine
                           && (auth == NULL
                               || (auth->token && lcf->policies[0] == NULL));

        lcf->varies = (lcf->operations || lcf->confine)
                      && ((lcf->sent.pass && lcf->sent.pass->variables)
                          || (lcf->sent.method && lcf->sent.method->lengths)
                          || (lcf->sent.deployment
                              && lcf->sent.deployment->lengths));

        n += !lcf->no_decision;
    }

    return n;
}


static ngx_int_t
ngx_http_entra_init_module(ngx_cycle_t *cycle)
{
    if (ngx_http_entra_handover_init(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_entra_state_load(cycle);

    return NGX_OK;
}


/* the parts of a worker know what is below them; this is where they meet */

static ngx_int_t
ngx_http_entra_init_process(ngx_cycle_t *cycle)
{
    ngx_http_entra_worker_t  *worker;

    if (ngx_http_entra_worker_init(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    worker = ngx_http_entra_worker;

    if (worker == NULL) {
        return NGX_OK;
    }

    worker->watch_lists = ngx_http_entra_rules_watch;
    worker->retry_callers = ngx_http_entra_obo_retry;

    ngx_http_entra_obo_init();

    if (ngx_http_entra_sign_in_init(worker) != NGX_OK
        || ngx_http_entra_worker_begin(worker) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_entra_rules_attach(worker->conf);

    return NGX_OK;
}


static void
ngx_http_entra_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_entra_worker_t  *worker;

    worker = ngx_http_entra_worker;

    if (worker == NULL) {
        return;
    }

    ngx_http_entra_worker_end(worker);
    ngx_http_entra_state_exit(worker);
    ngx_http_entra_obo_exit();
    ngx_http_entra_zone_join(worker->conf);
    entra_sign_in_free(worker->site);
    ngx_http_entra_worker_free(worker);
}
