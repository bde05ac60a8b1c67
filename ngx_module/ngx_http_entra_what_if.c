
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_what_if: what the running configuration would decide about a
 * described request, by the evaluator itself.
 */

#include "ngx_http_entra_module.h"
#include "entra_enc.h"
#include "entra_what_if.h"


static ngx_int_t ngx_http_entra_what_if_handler(ngx_http_request_t *r);
static void ngx_http_entra_what_if_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_what_if_query(ngx_http_request_t *r,
    entra_str_t query);
static ngx_int_t ngx_http_entra_what_if_decide(ngx_http_request_t *r,
    entra_what_if_t *what_if);
static ngx_http_entra_policies_t *ngx_http_entra_what_if_policies(
    ngx_http_request_t *r, entra_what_if_t *what_if, const char **error);
static ngx_int_t ngx_http_entra_what_if_error(ngx_http_request_t *r,
    const char *text);


char *
ngx_http_entra_what_if(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    lcf->own = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_entra_what_if_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_entra_what_if_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method == NGX_HTTP_POST) {
        r->request_body_in_single_buf = 1;

        rc = ngx_http_read_client_request_body(r, ngx_http_entra_what_if_body);

        return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_entra_what_if_query(r, (entra_str_t) {
                                               r->args.len,
                                               (char *) r->args.data });
}


static void
ngx_http_entra_what_if_body(ngx_http_request_t *r)
{
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_chain_t  *cl;

    cl = r->request_body ? r->request_body->bufs : NULL;

    if (cl == NULL || cl->next || cl->buf->in_file) {
        rc = ngx_http_entra_what_if_error(r, cl ? "the query is larger than "
                                             "client_body_buffer_size"
                                             : "the body is empty");

    } else {
        b = cl->buf;
        rc = ngx_http_entra_what_if_query(r, (entra_str_t) {
                                                 b->last - b->pos,
                                                 (char *) b->pos });
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_entra_what_if_query(ngx_http_request_t *r, entra_str_t query)
{
    ngx_int_t         rc;
    entra_err_t       err;
    entra_what_if_t  *what_if;

    what_if = ngx_pcalloc(r->pool, sizeof(entra_what_if_t));
    if (what_if == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    entra_err_clear(&err);

    if (entra_what_if_parse(what_if, query, ngx_time(), &err) != 0) {
        rc = ngx_http_entra_what_if_error(r, err.text);

    } else {
        rc = ngx_http_entra_what_if_decide(r, what_if);
    }

    entra_what_if_free(what_if);

    return rc;
}


static ngx_int_t
ngx_http_entra_what_if_decide(ngx_http_request_t *r, entra_what_if_t *what_if)
{
    ngx_int_t                    rc;
    entra_buf_t                  b;
    const char                  *error;
    entra_decision_t            *decision;
    entra_decision_info_t        info;
    ngx_http_entra_policies_t   *set;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    set = ngx_http_entra_what_if_policies(r, what_if, &error);
    if (set == NULL) {
        return ngx_http_entra_what_if_error(r, error);
    }

    decision = ngx_palloc(r->pool, sizeof(entra_decision_t));
    if (decision == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&info, sizeof(entra_decision_info_t));
    info.credential = what_if->credential;
    info.location = what_if->location;
    info.micros = -1;

    entra_decide(set->policies, set->n, &what_if->signals, decision);

    entra_buf_init(&b, 256 * 1024);
    entra_what_if_answer(what_if, decision, mcf->rules, &info, &b);

    rc = ngx_http_entra_answer_text(r, NGX_HTTP_OK, "application/json", &b);

    entra_buf_free(&b);

    return rc;
}


/*
 * Those of the location (its name as written) for the credential; without a
 * location those of the credential alone.
 */

static ngx_http_entra_policies_t *
ngx_http_entra_what_if_policies(ngx_http_request_t *r,
    entra_what_if_t *what_if, const char **error)
{
    ngx_str_t                     name, *policy;
    ngx_uint_t                    i;
    ngx_http_entra_location_t    *location;
    ngx_http_entra_policies_t    *set;
    ngx_http_entra_main_conf_t   *mcf;
    ngx_http_entra_credential_t  *credential;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    name.data = (u_char *) what_if->credential.data;
    name.len = what_if->credential.len;

    credential = name.len ? ngx_http_entra_credential_find(mcf, &name) : NULL;

    if (credential == NULL) {
        *error = name.len ? "no credential has this name"
                          : "the query names no credential";
        return NULL;
    }

    if (credential->policies_none && what_if->location.len == 0) {
        *error = "the credential has \"policies none\": everybody may use it";
        return NULL;
    }

    location = mcf->locations.elts;

    for (i = 0; what_if->location.len && i < mcf->locations.nelts; i++) {

        if (location[i].clcf->name.len != what_if->location.len
            || ngx_memcmp(location[i].clcf->name.data, what_if->location.data,
                          what_if->location.len)
               != 0
            || location[i].lcf->auth == NULL)
        {
            continue;
        }

        set = ngx_http_entra_rules_of(&location[i], credential);

        if (set) {
            return set;
        }
    }

    if (what_if->location.len) {
        *error = "no location of this name uses the credential with policies";
        return NULL;
    }

    set = ngx_pcalloc(r->pool, sizeof(ngx_http_entra_policies_t));

    if (set) {
        set->policies = ngx_palloc(r->pool, credential->policy_names.nelts
                                            * sizeof(void *));
    }

    if (set == NULL || set->policies == NULL) {
        *error = "no memory";
        return NULL;
    }

    policy = credential->policy_names.elts;

    for (i = 0; i < credential->policy_names.nelts; i++) {
        set->policies[set->n++] = entra_rules_policy(mcf->rules,
            (entra_str_t) { policy[i].len, (char *) policy[i].data });
    }

    return set;
}


static ngx_int_t
ngx_http_entra_what_if_error(ngx_http_request_t *r, const char *text)
{
    ngx_int_t    rc;
    entra_buf_t  b;

    entra_buf_init(&b, 8192);
    entra_buf_add_c(&b, "{\"type\":\"about:blank\",\"title\":\"Bad Request\","
                    "\"status\":400,\"detail\":");
    entra_enc_json(&b, entra_str_c(text));
    entra_buf_add_c(&b, "}\n");

    rc = ngx_http_entra_answer_text(r, NGX_HTTP_BAD_REQUEST,
                                    "application/problem+json", &b);
    entra_buf_free(&b);

    return rc;
}
