
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_cloud.h"
#include "entra_enc.h"
#include "entra_endpoint.h"
#include "entra_reply.h"
#include "entra_url.h"


#define ENTRA_ENDPOINT_API   "2024-04-01"
#define ENTRA_ENDPOINT_FROM  "Azure Resource Manager"
#define ENTRA_ENDPOINT_NAME  64             /* bytes of an endpoint's name */
#define ENTRA_ENDPOINT_URL   4096


const entra_param_t  entra_endpoint_params[] = {
    { "endpoint", ENTRA_PARAM_STRING, offsetof(entra_endpoint_t, endpoint) },
    { "workspace", ENTRA_PARAM_FILE, offsetof(entra_endpoint_t, workspace) },
    { "using", ENTRA_PARAM_STRING, offsetof(entra_endpoint_t, using) },
    { "resource_manager", ENTRA_PARAM_STRING,
      offsetof(entra_endpoint_t, resource_manager) },
    { NULL, 0, 0 }
};


static int
entra_endpoint_name_ok(const char *name)
{
    return entra_str_is_word(entra_str_c(name), "-")
           && strlen(name) <= ENTRA_ENDPOINT_NAME && name[0] != '-';
}


static int
entra_endpoint_check(const entra_endpoint_t *e, entra_err_t *err)
{
    if (e->endpoint == NULL || e->workspace == NULL || e->using == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" is missing: write \"endpoint NAME; "
                             "workspace FILE; using CREDENTIAL;\" with the "
                             "online endpoint, the config.json of its "
                             "workspace, and the credential that may ask for "
                             "its keys",
                             e->endpoint == NULL ? "endpoint"
                             : e->workspace == NULL ? "workspace" : "using");
    }

    if (!entra_endpoint_name_ok(e->endpoint)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"endpoint\" is the name of an online endpoint: "
                             "letters, digits and \"-\", not a URL");
    }

    return 0;
}


static int
entra_endpoint_using(entra_credential_t *c, entra_endpoint_t *e,
    entra_err_t *err)
{
    char                 meant[ENTRA_SUGGEST_TEXT];
    entra_credential_t  *other;

    other = c->find ? c->find(c->find_data, e->using) : NULL;

    if (other == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"using %s\" names no entra_credential%s",
                             e->using,
                             entra_credential_meant(c, e->using, meant));
    }

    if (other->type->no_scope
        || strcmp(other->type->name, "on_behalf_of") == 0)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"using %s\" names a credential of type \"%s\", "
                             "which gets no token for Resource Manager",
                             e->using, other->type->name);
    }

    if (entra_credential_init(other, err) != 0) {
        return entra_err_set(err, err->class, "\"using %s\": %s", e->using,
                             err->text);
    }

    e->other = other;

    return 0;
}


/* a token goes there: nothing but verified TLS */

static int
entra_endpoint_url(entra_endpoint_t *e, const entra_cloud_t *cloud,
    entra_err_t *err)
{
    entra_buf_t   b;
    entra_str_t   base;
    entra_url_t   url;

    base = entra_str_c(e->resource_manager ? e->resource_manager
                                           : cloud->resource_manager);

    while (base.len && base.data[base.len - 1] == '/') {
        base.len--;
    }

    if (entra_url_check("resource_manager", base, &url, err) != 0) {
        return -1;
    }

    if (!url.https || url.has_query) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "resource_manager has to be an https URL without "
                             "a query, such as https://management.azure.com");
    }

    entra_buf_init(&b, ENTRA_ENDPOINT_URL);
    entra_buf_add_str(&b, base);
    entra_workspace_path(&e->ws, &b);
    entra_buf_addf(&b, "/onlineEndpoints/%s", e->endpoint);

    e->url = entra_buf_steal(&b);

    return e->url ? 0 : entra_err_no_memory(err);
}


int
entra_endpoint_init(entra_credential_t *c, entra_err_t *err)
{
    entra_endpoint_t     *e = c->conf;
    const entra_cloud_t  *cloud;

    if (entra_endpoint_check(e, err) != 0
        || entra_endpoint_using(c, e, err) != 0
        || entra_workspace_load(&e->ws, e->workspace, err) != 0)
    {
        return -1;
    }

    cloud = c->cloud_given ? c->cloud : e->other->cloud;

    e->scope = entra_cloud_scope(cloud, entra_str("arm"), err);
    if (e->scope == NULL) {
        return -1;
    }

    return entra_endpoint_url(e, cloud, err);
}


void
entra_endpoint_free(entra_credential_t *c)
{
    entra_endpoint_t  *e = c->conf;

    entra_workspace_free(&e->ws);
    free(e->url);
    free(e->scope);
}


void
entra_endpoint_identity(const entra_credential_t *c, entra_buf_t *out)
{
    unsigned char            key[32];
    const entra_endpoint_t  *e = c->conf;

    if (e->other == NULL) {
        return;
    }

    entra_credential_key(e->other, entra_str_c(e->scope), key);

    entra_buf_addf(out, "%s ", e->url);
    entra_enc_hex(out, key, sizeof(key));
}


entra_credential_t *
entra_endpoint_uses(const entra_credential_t *c, unsigned n)
{
    const entra_endpoint_t  *e = c->conf;

    return n ? NULL : e->other;
}


entra_next_e
entra_endpoint_ask(entra_acquire_t *a)
{
    const entra_endpoint_t  *e = a->credential->conf;

    a->other = e->other;
    a->other_scope = entra_str_dup(entra_str_c(e->scope));

    if (a->other_scope == NULL) {
        (void) entra_err_no_memory(&a->err);
        return ENTRA_NEXT_FAILED;
    }

    /* what the endpoint refused or challenged is not Resource Manager's */

    free(a->claims);
    a->claims = NULL;
    a->has_refused = 0;

    return ENTRA_NEXT_CREDENTIAL;
}


entra_next_e
entra_endpoint_post(entra_acquire_t *a, const char *action)
{
    int                      rc;
    entra_buf_t              url, bearer;
    const entra_endpoint_t  *e = a->credential->conf;

    if (a->inner->err.class != ENTRA_ERR_NONE) {
        a->err = a->inner->err;
        entra_err_set(&a->err, a->err.class, "\"using %s\": %s", e->using,
                      a->inner->err.text);
        return ENTRA_NEXT_FAILED;
    }

    entra_buf_init(&url, ENTRA_ENDPOINT_URL);
    entra_buf_addf(&url, "%s/%s?api-version=" ENTRA_ENDPOINT_API, e->url,
                   action);

    entra_buf_init(&bearer, ENTRA_TOKEN_MAX + 16);
    entra_buf_add_c(&bearer, "Bearer ");
    entra_buf_add(&bearer, a->inner->token.value, a->inner->token.len);

    /* no body: the transport says Content-Length: 0, which ARM insists on */

    a->request.method = "POST";
    a->request.url = entra_buf_steal(&url);

    rc = a->request.url && entra_buf_ok(&bearer)
         ? entra_http_request_header(&a->request, "Authorization",
                                     entra_buf_str(&bearer))
         : -1;

    entra_buf_free(&bearer);

    if (rc != 0
        || entra_http_request_header(&a->request, "Accept",
                                     entra_str("application/json")) != 0
        || entra_http_request_header(&a->request, "Content-Type",
                                     entra_str("application/json")) != 0)
    {
        (void) entra_err_no_memory(&a->err);
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_HTTP;
}


entra_next_e
entra_endpoint_failed(entra_acquire_t *a, const char *advice)
{
    (void) entra_reply_error(a->reply, ENTRA_ENDPOINT_FROM, &a->err);

    switch (a->reply->status) {

    case 401:
    case 403:
        a->err.advice = advice;
        break;

    case 404:
        a->err.advice = "check that endpoint and workspace exist, and that "
                        "resource_manager is the one of their cloud";
        break;

    default:
        if (a->err.class == ENTRA_ERR_PROTOCOL) {
            a->err.advice = "check that resource_manager is a Resource Manager";
        }
    }

    return ENTRA_NEXT_FAILED;
}


entra_next_e
entra_endpoint_unusable(entra_acquire_t *a, const char *what)
{
    entra_err_clear(&a->err);
    a->err.http_status = a->reply->status;

    entra_err_set(&a->err, ENTRA_ERR_PROTOCOL, ENTRA_ENDPOINT_FROM
                  ": status %d, but %s", a->reply->status, what);
    a->err.advice = "check that resource_manager is a Resource Manager, and "
                    "that the endpoint's auth_mode is the one of this "
                    "credential type";

    return ENTRA_NEXT_FAILED;
}
