
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_what_if: what the running configuration would decide about a
 * described request, by the evaluator itself.
 */

#include "ngx_http_entra_page.h"
#include "ngx_http_entra_what_if.h"
#include "entra_enc.h"
#include "entra_html.h"


/* a query, its form, its answer */
#define NGX_HTTP_ENTRA_WHAT_IF_PAGE  (512 * 1024)


typedef struct {
    ngx_uint_t       html;      /* unsigned  html:1 */
    entra_str_t      asked;     /* as it came, for the form */
} ngx_http_entra_what_if_way_t;


static ngx_int_t ngx_http_entra_what_if_handler(ngx_http_request_t *r);
static void ngx_http_entra_what_if_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_what_if_read(ngx_http_request_t *r,
    entra_buf_t *query);
static ngx_int_t ngx_http_entra_what_if_get(ngx_http_request_t *r);
static void ngx_http_entra_what_if_clean(entra_str_t query, ngx_uint_t html,
    entra_buf_t *out);
static ngx_int_t ngx_http_entra_what_if_query(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, entra_str_t query);
static ngx_int_t ngx_http_entra_what_if_decide(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, entra_what_if_t *what_if);
static ngx_http_entra_policies_t *ngx_http_entra_what_if_policies(
    ngx_http_request_t *r, entra_what_if_t *what_if, const char **error);
static ngx_http_entra_policies_t *ngx_http_entra_what_if_location(
    ngx_http_entra_main_conf_t *mcf, entra_what_if_t *what_if,
    ngx_http_entra_credential_t *credential, const char **error);
static ngx_uint_t ngx_http_entra_what_if_server(
    ngx_http_entra_location_t *location, entra_str_t name);
static ngx_int_t ngx_http_entra_what_if_error(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, const char *text);
static ngx_int_t ngx_http_entra_what_if_send(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, ngx_uint_t status,
    const char *type, entra_buf_t *b);


char *
ngx_http_entra_what_if(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_http_entra_page_at(cf, lcf, "entra_what_if");

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_entra_what_if_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_entra_what_if_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method == NGX_HTTP_POST) {

        if (r->headers_in.content_length_n > ENTRA_WHAT_IF_MAX) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

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

    return ngx_http_entra_what_if_get(r);
}


/* JSON, or the form for a browser and the answer below it */

static ngx_int_t
ngx_http_entra_what_if_get(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    entra_buf_t                   b;
    ngx_http_entra_what_if_way_t  way;

    way.html = ngx_http_entra_status_format(r) == NGX_HTTP_ENTRA_HTML;
    way.asked.len = r->args.len;
    way.asked.data = (char *) r->args.data;

    entra_buf_init(&b, ENTRA_WHAT_IF_MAX);
    ngx_http_entra_what_if_clean(way.asked, way.html, &b);

    if (!entra_buf_ok(&b)) {
        rc = NGX_HTTP_REQUEST_URI_TOO_LARGE;

    } else if (way.html && b.len == 0) {
        entra_buf_free(&b);
        entra_buf_init(&b, NGX_HTTP_ENTRA_WHAT_IF_PAGE);
        ngx_http_entra_what_if_form(r, way.asked, &b);
        entra_html_tail(&b);

        rc = ngx_http_entra_what_if_send(r, &way, NGX_HTTP_OK, NULL, &b);

    } else {
        rc = ngx_http_entra_what_if_query(r, &way, entra_buf_str(&b));
    }

    entra_buf_free(&b);

    return rc;
}


/* without "format", and without what a form sends of fields left empty */

static void
ngx_http_entra_what_if_clean(entra_str_t query, ngx_uint_t html,
    entra_buf_t *out)
{
    entra_str_t  pair, name, value;

    while (query.len) {
        pair = entra_str_cut(&query, '&');

        value = pair;
        name = entra_str_cut(&value, '=');

        if ((html && value.len == 0)
            || (entra_str_eq_c(name, "format")
                && (entra_str_eq_c(value, "html")
                    || entra_str_eq_c(value, "json"))))
        {
            continue;
        }

        if (out->len) {
            entra_buf_add_char(out, '&');
        }

        entra_buf_add_str(out, pair);
    }
}


static void
ngx_http_entra_what_if_body(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    entra_buf_t                   query;
    ngx_http_entra_what_if_way_t  way;

    ngx_memzero(&way, sizeof(ngx_http_entra_what_if_way_t));
    entra_buf_init(&query, ENTRA_WHAT_IF_MAX);

    if (ngx_http_entra_what_if_read(r, &query) != NGX_OK) {
        rc = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;

    } else if (query.len == 0) {
        rc = ngx_http_entra_what_if_error(r, &way, "the body is empty");

    } else {
        rc = ngx_http_entra_what_if_query(r, &way, entra_buf_str(&query));
    }

    entra_buf_free(&query);

    ngx_http_finalize_request(r, rc);
}


/* all of the body, which may be in a file */

static ngx_int_t
ngx_http_entra_what_if_read(ngx_http_request_t *r, entra_buf_t *query)
{
    off_t         offset;
    size_t        size;
    ssize_t       n;
    u_char        part[4096];
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = r->request_body ? r->request_body->bufs : NULL;

    for ( /* void */ ; cl && entra_buf_ok(query); cl = cl->next) {
        b = cl->buf;

        if (!b->in_file) {
            entra_buf_add(query, (char *) b->pos, b->last - b->pos);
            continue;
        }

        for (offset = b->file_pos;
             offset < b->file_last && entra_buf_ok(query);
             offset += n)
        {
            size = (size_t) ngx_min(b->file_last - offset,
                                    (off_t) sizeof(part));

            n = ngx_read_file(b->file, part, size, offset);
            if (n <= 0) {
                return NGX_ERROR;
            }

            entra_buf_add(query, (char *) part, n);
        }
    }

    return entra_buf_ok(query) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_entra_what_if_query(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, entra_str_t query)
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
        rc = ngx_http_entra_what_if_error(r, way, err.text);

    } else {
        rc = ngx_http_entra_what_if_decide(r, way, what_if);
    }

    entra_what_if_free(what_if);

    return rc;
}


static ngx_int_t
ngx_http_entra_what_if_decide(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, entra_what_if_t *what_if)
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
        return ngx_http_entra_what_if_error(r, way, error);
    }

    decision = ngx_palloc(r->pool, sizeof(entra_decision_t));
    if (decision == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&info, sizeof(entra_decision_info_t));
    info.credential = what_if->credential;
    info.location = what_if->location;
    info.micros = -1;

    if (mcf->address.has_trusted_proxies) {
        entra_what_if_proxies(what_if, &mcf->address.trusted_proxies);
    }

    entra_decide(set->policies, set->n, &what_if->signals, decision);

    entra_buf_init(&b, NGX_HTTP_ENTRA_WHAT_IF_PAGE);

    if (way->html) {
        ngx_http_entra_what_if_form(r, way->asked, &b);
        ngx_http_entra_what_if_table(what_if, decision, &b);
        entra_html_tail(&b);

    } else {
        entra_what_if_answer(what_if, decision, mcf->rules, &info, &b);
    }

    rc = ngx_http_entra_what_if_send(r, way, NGX_HTTP_OK, "application/json",
                                     &b);

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

    if (what_if->location.len) {
        return ngx_http_entra_what_if_location(mcf, what_if, credential,
                                               error);
    }

    if (credential->policies_none) {
        *error = "the credential has \"policies none\": everybody may use it";
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


/* the name may be in several servers, as long as they agree */

static ngx_http_entra_policies_t *
ngx_http_entra_what_if_location(ngx_http_entra_main_conf_t *mcf,
    entra_what_if_t *what_if, ngx_http_entra_credential_t *credential,
    const char **error)
{
    ngx_uint_t                  i;
    ngx_http_entra_location_t  *location;
    ngx_http_entra_policies_t  *set, *found;

    location = mcf->locations.elts;
    found = NULL;

    for (i = 0; i < mcf->locations.nelts; i++) {

        if (location[i].clcf->noname
            || location[i].clcf->name.len != what_if->location.len
            || ngx_memcmp(location[i].clcf->name.data, what_if->location.data,
                          what_if->location.len)
               != 0
            || !ngx_http_entra_what_if_server(&location[i], what_if->server))
        {
            continue;
        }

        set = ngx_http_entra_rules_of(&location[i], credential);

        if (set && found && set != found
            && (set->n != found->n
                || ngx_memcmp(set->policies, found->policies,
                              set->n * sizeof(void *))
                   != 0))
        {
            *error = "several servers have a location of this name, with "
                     "different policies; say \"server\" too";
            return NULL;
        }

        if (set) {
            found = set;
        }
    }

    if (found == NULL) {
        *error = "no location of this name uses the credential with policies";
    }

    return found;
}


/* its first name: the others are not kept */

static ngx_uint_t
ngx_http_entra_what_if_server(ngx_http_entra_location_t *location,
    entra_str_t name)
{
    ngx_str_t  *server;

    server = &location->cscf->server_name;

    return name.len == 0
           || (server->len == name.len
               && ngx_strncasecmp(server->data, (u_char *) name.data, name.len)
                  == 0);
}


static ngx_int_t
ngx_http_entra_what_if_error(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, const char *text)
{
    ngx_int_t    rc;
    entra_buf_t  b;

    entra_buf_init(&b, NGX_HTTP_ENTRA_WHAT_IF_PAGE);

    if (way->html) {
        ngx_http_entra_what_if_form(r, way->asked, &b);
        entra_buf_add_c(&b, "<p class=\"bad\" role=\"alert\">");
        entra_html_c(&b, text);
        entra_buf_add_c(&b, "</p>\n");
        entra_html_tail(&b);

    } else {
        entra_buf_add_c(&b, "{\"type\":\"about:blank\",\"title\":\"Bad "
                        "Request\",\"status\":400,\"detail\":");
        entra_enc_json(&b, entra_str_c(text));
        entra_buf_add_c(&b, "}\n");
    }

    rc = ngx_http_entra_what_if_send(r, way, NGX_HTTP_BAD_REQUEST,
                                     "application/problem+json", &b);
    entra_buf_free(&b);

    return rc;
}


static ngx_int_t
ngx_http_entra_what_if_send(ngx_http_request_t *r,
    const ngx_http_entra_what_if_way_t *way, ngx_uint_t status,
    const char *type, entra_buf_t *b)
{
    if (ngx_http_entra_page_header(r, "Vary", "Accept") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_entra_answer_text(r, status, way->html
                                      ? "text/html; charset=utf-8" : type, b);
}
