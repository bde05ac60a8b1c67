
/*
 * Copyright (C) nginx-entra authors
 *
 * The egress guard at run time: where is this upstream request about to go?
 */

#include "ngx_http_entra_request.h"


static ngx_uint_t ngx_http_entra_egress_fixed(
    ngx_http_entra_loc_conf_t *lcf, ngx_http_upstream_conf_t *conf);
static ngx_http_complex_value_t *ngx_http_entra_egress_host_value(
    ngx_http_entra_loc_conf_t *lcf);
static const char *ngx_http_entra_egress_host(ngx_http_request_t *r,
    ngx_http_entra_ctx_t *ctx, ngx_http_entra_token_t *token, ngx_str_t *host);
static ngx_uint_t ngx_http_entra_egress_name(ngx_http_request_t *r,
    ngx_http_entra_token_t *token, ngx_str_t *name, ngx_str_t *host);
static const char *ngx_http_entra_egress_refusal(ngx_http_request_t *r,
    ngx_http_entra_token_t *token, ngx_str_t *host);
static const char *ngx_http_entra_egress_block(entra_egress_t *egress,
    ngx_http_upstream_srv_conf_t *uscf, entra_egress_target_t *target,
    ngx_str_t *host);
static ngx_http_upstream_srv_conf_t *ngx_http_entra_egress_named(
    ngx_http_request_t *r, ngx_http_upstream_resolved_t *resolved);
static const char *ngx_http_entra_egress_ssl_name(ngx_http_request_t *r,
    ngx_http_entra_token_t *token, ngx_str_t *host);


/* see ngx_http_entra_egress() */

ngx_int_t
ngx_http_entra_egress_check(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token)
{
    ngx_str_t                     host;
    const char                   *reason;
    ngx_http_upstream_t          *u;
    ngx_http_entra_loc_conf_t    *lcf;
    ngx_http_entra_credential_t  *credential;

    u = r->upstream;
    credential = token->credential;
    lcf = ctx->lcf;

    ngx_str_null(&host);

    reason = ngx_http_entra_egress_refusal(r, token, &host);

    if (reason == NULL) {
        reason = ngx_http_entra_egress_host(r, ctx, token, &host);
    }

    if (reason == NULL) {
        if (u->resolved == NULL && ngx_http_entra_egress_fixed(lcf, u->conf)) {
            lcf->egress.conf = u->conf;
            lcf->egress.token = token;
            lcf->egress.ssl = u->ssl;
        }

        return NGX_OK;
    }

    ctx->status = NGX_HTTP_ENTRA_BLOCKED;

    (void) ngx_atomic_fetch_add(ngx_http_entra_zone_counters(
                                    ngx_http_entra_worker->conf)
                                + NGX_HTTP_ENTRA_COUNT_EGRESS, 1);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "entra egress guard: the token of credential \"%V\" does "
                  "not go to \"%V\": %s", &credential->name, &host, reason);

    (void) ngx_http_entra_answer(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                 "The gateway's configuration does not let "
                                 "the token go to this upstream.", 0);
    return NGX_DECLINED;
}


/* nothing in it depends on the request */

static ngx_uint_t
ngx_http_entra_egress_fixed(ngx_http_entra_loc_conf_t *lcf,
    ngx_http_upstream_conf_t *conf)
{
    ngx_http_complex_value_t  *host;

    host = ngx_http_entra_egress_host_value(lcf);

    if (host && host->lengths) {
        return 0;
    }

#if (NGX_HTTP_SSL)
    return conf->ssl_name == NULL || conf->ssl_name->lengths == NULL;
#else
    return 1;
#endif
}


static const char *
ngx_http_entra_egress_refusal(ngx_http_request_t *r,
    ngx_http_entra_token_t *token, ngx_str_t *host)
{
    entra_egress_t                *egress;
    const char                    *reason;
    ngx_http_upstream_t           *u;
    entra_egress_target_t          target;
    ngx_http_upstream_srv_conf_t  *uscf;

    u = r->upstream;
    egress = token->egress;

    ngx_memzero(&target, sizeof(entra_egress_target_t));

#if (NGX_HTTP_SSL)
    target.tls = u->ssl;
    target.verified = u->conf->ssl_verify;
#endif

    if (u->resolved) {
        *host = u->resolved->host;
        uscf = ngx_http_entra_egress_named(r, u->resolved);

    } else {
        uscf = u->conf->upstream;

        if (uscf == NULL) {
            return "the upstream is not known";
        }

        *host = uscf->host;
    }

    if (uscf && uscf->flags) {
        reason = ngx_http_entra_egress_block(egress, uscf, &target, host);

    } else {
        target.host = (entra_str_t) { host->len, (char *) host->data };
        target.port = u->resolved ? u->resolved->port : uscf->port;

        reason = entra_egress_refusal(egress, &target);
    }

    if (reason == NULL && target.tls && target.verified) {
        reason = ngx_http_entra_egress_ssl_name(r, token, host);
    }

    return reason;
}


/* the way nginx itself looks for it, in ngx_http_upstream_init_request() */

static ngx_http_upstream_srv_conf_t *
ngx_http_entra_egress_named(ngx_http_request_t *r,
    ngx_http_upstream_resolved_t *resolved)
{
    ngx_uint_t                       i;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_get_module_main_conf(r, ngx_http_upstream_module);
    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (uscfp[i]->host.len == resolved->host.len
            && ((uscfp[i]->port == 0 && resolved->no_port)
                || uscfp[i]->port == resolved->port)
            && ngx_strncasecmp(uscfp[i]->host.data, resolved->host.data,
                               resolved->host.len)
               == 0)
        {
            return uscfp[i];
        }
    }

    return NULL;
}


/* all servers of a block, those marked "backup" and "down" too */

static const char *
ngx_http_entra_egress_block(entra_egress_t *egress,
    ngx_http_upstream_srv_conf_t *uscf, entra_egress_target_t *target,
    ngx_str_t *host)
{
    u_char                      *colon;
    ngx_str_t                    name;
    ngx_int_t                    port;
    ngx_uint_t                   i;
    const char                  *reason;
    ngx_http_upstream_server_t  *server;

    if (uscf->servers == NULL || uscf->servers->nelts == 0) {
        return "the upstream block has no servers";
    }

    server = uscf->servers->elts;

    for (i = 0; i < uscf->servers->nelts; i++) {
        name = server[i].name;
        target->port = 0;

        if (name.len < 5 || ngx_strncmp(name.data, "unix:", 5) != 0) {

            colon = ngx_strlchr(name.data, name.data + name.len, ']');
            colon = ngx_strlchr(colon ? colon : name.data,
                                name.data + name.len, ':');

            if (colon) {
                port = ngx_atoi(colon + 1, name.data + name.len - colon - 1);
                target->port = port > 0 ? port : 65536;
                name.len = colon - name.data;

            } else {

                /* "server HOST;" is port 80 whatever the scheme */
                target->port = 80;
            }
        }

        target->host = (entra_str_t) { name.len, (char *) name.data };
        *host = server[i].name;

        reason = entra_egress_refusal(egress, target);

        if (reason) {
            return reason;
        }
    }

    return NULL;
}


/*
 * The certificate is verified for proxy_ssl_name.  One that depends on the
 * request must be one of the upstreams, or of Azure's hosts for the scope:
 * else the client could choose any name, and whoever holds a valid
 * certificate for that gets the token.
 */

static const char *
ngx_http_entra_egress_ssl_name(ngx_http_request_t *r,
    ngx_http_entra_token_t *token, ngx_str_t *host)
{
#if (NGX_HTTP_SSL)

    ngx_str_t                  name;
    ngx_http_complex_value_t  *value;

    value = r->upstream->conf->ssl_name;

    if (value == NULL || value->lengths == NULL) {
        return NULL;
    }

    if (ngx_http_complex_value(r, value, &name) != NGX_OK)
    {
        return "proxy_ssl_name has no value";
    }

    if (ngx_http_entra_egress_name(r, token, &name, host)) {
        return NULL;
    }

    *host = name;

    return "proxy_ssl_name is not in the credential's upstreams";

#else
    return NULL;
#endif
}


/*
 * Front ends choose the service by Host, whatever the address: it has to be
 * one of the upstreams as well.  The header that nginx sets by itself names
 * the host of *_pass, which has been checked.
 */

static const char *
ngx_http_entra_egress_host(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token, ngx_str_t *host)
{
    u_char                    *colon;
    ngx_str_t                  name;
    ngx_http_complex_value_t  *value;

    value = ngx_http_entra_egress_host_value(ctx->lcf);

    if (value == NULL) {
        return NULL;
    }

    if (ngx_http_entra_upstream_host(r, ctx, value, &name) != NGX_OK) {
        return "Host has no value";
    }

    /* without the port */

    colon = ngx_strlchr(name.data, name.data + name.len, ']');
    colon = ngx_strlchr(colon ? colon : name.data, name.data + name.len, ':');

    if (colon) {
        name.len = colon - name.data;
    }

    if (ngx_http_entra_egress_name(r, token, &name, host)) {
        return NULL;
    }

    *host = name;

    return "Host is not in the credential's upstreams";
}


/* NULL: the location does not set it */

static ngx_http_complex_value_t *
ngx_http_entra_egress_host_value(ngx_http_entra_loc_conf_t *lcf)
{
    if (lcf->sent.pass == NULL
        || !(lcf->sent.pass->protocol & NGX_HTTP_ENTRA_PROXY_GRPC))
    {
        return NULL;
    }

    return lcf->sent.host[lcf->sent.pass->grpc].value;
}


/* a name that the client may have chosen: one of those that are meant? */

static ngx_uint_t
ngx_http_entra_egress_name(ngx_http_request_t *r,
    ngx_http_entra_token_t *token, ngx_str_t *name, ngx_str_t *host)
{
    entra_str_t                    text;
    ngx_http_upstream_t           *u;
    ngx_http_upstream_srv_conf_t  *uscf;

    if (name->len == host->len
        && ngx_strncasecmp(name->data, host->data, name->len) == 0)
    {
        return 1;
    }

    /* the upstream block that it goes to, as $proxy_host names it */

    u = r->upstream;
    uscf = u->resolved ? ngx_http_entra_egress_named(r, u->resolved)
                       : u->conf->upstream;

    if (uscf && uscf->flags && name->len == uscf->host.len
        && ngx_strncasecmp(name->data, uscf->host.data, name->len) == 0)
    {
        return 1;
    }

    text.len = name->len;
    text.data = (char *) name->data;

    return entra_egress_host(token->egress, text)
           || entra_egress_host(token->known, text);
}
