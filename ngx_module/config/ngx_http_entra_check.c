
/*
 * Copyright (C) nginx-entra authors
 *
 * What can be known of a location when the configuration is read: where its
 * token would go, whether it goes at all.
 */

#include "ngx_http_entra_conf.h"


static void ngx_http_entra_check_zone(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_check_location(ngx_conf_t *cf,
    ngx_http_entra_location_t *location);
static ngx_int_t ngx_http_entra_check_target(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_entra_auth_t *auth);
static ngx_int_t ngx_http_entra_check_host(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_entra_auth_t *auth,
    ngx_url_t *u, unsigned tls);
static void ngx_http_entra_check_port(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf, ngx_url_t *server);
static void ngx_http_entra_check_name(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_upstream_srv_conf_t *uscf,
    ngx_url_t *server);
static ngx_uint_t ngx_http_entra_check_own_name(
    ngx_http_complex_value_t *value);
static ngx_http_upstream_srv_conf_t *ngx_http_entra_check_block(ngx_conf_t *cf,
    ngx_url_t *u);
static ngx_int_t ngx_http_entra_check_one(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_entra_auth_t *auth,
    entra_egress_target_t *target);
static ngx_int_t ngx_http_entra_check_sent(ngx_conf_t *cf,
    ngx_http_entra_location_t *location);
static ngx_int_t ngx_http_entra_check_sent_host(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_entra_sent_header_t *sent);
static ngx_uint_t ngx_http_entra_check_named(
    ngx_http_entra_location_t *location, entra_str_t name);
static void ngx_http_entra_check_header(ngx_conf_t *cf,
    ngx_http_entra_location_t *location);
static ngx_int_t ngx_http_entra_check_operations(ngx_conf_t *cf,
    ngx_http_entra_location_t *location);
static void ngx_http_entra_check_underscores(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);


static ngx_str_t  ngx_http_entra_check_nothing = ngx_null_string;


ngx_int_t
ngx_http_entra_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_http_entra_location_t  *location;

    ngx_http_entra_check_zone(cf, mcf);

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        if (ngx_http_entra_check_location(cf, &location[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_entra_check_underscores(cf, mcf);

    return NGX_OK;
}


/* a record and a token of up to 4 KB each; see entra_store_layout() */

static void
ngx_http_entra_check_zone(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    size_t           need;
    ngx_uint_t       i, n;
    entra_policy_t  *policy;

    if (mcf->shared.zone == NULL) {
        return;
    }

    n = 0;

    for (i = 0; (policy = entra_rules_policy_nth(mcf->rules, i)) != NULL; i++)
    {
        n += policy->data != NULL;
    }

    need = mcf->tokens.nelts * (2048 + 4096) + n * 2304 + 64 * 1024;

    if (need <= mcf->shared.size) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "the entra zone \"%V\" may be too small for %ui tokens and "
                  "the counters of %ui policies; write \"entra_shared_zone "
                  "zone=%V:%uzm\"",
                  &mcf->shared.name, mcf->tokens.nelts, n, &mcf->shared.name,
                  need / (1024 * 1024) + 1);
}


static ngx_int_t
ngx_http_entra_check_location(ngx_conf_t *cf,
    ngx_http_entra_location_t *location)
{
    ngx_uint_t                  i;
    ngx_http_entra_second_token_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = location->lcf;

    if (lcf->sent.pass == NULL) {
        return NGX_OK;
    }

    if (ngx_http_entra_check_operations(cf, location) != NGX_OK
        || ngx_http_entra_check_cache(cf, location) != NGX_OK
        || ngx_http_entra_check_sent(cf, location) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (lcf->auth && lcf->auth->token) {
        if (ngx_http_entra_check_target(cf, location, lcf->auth) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (lcf->auth) {
        ngx_http_entra_check_header(cf, location);
    }

    if (lcf->second_tokens) {
        second = lcf->second_tokens->elts;

        for (i = 0; i < lcf->second_tokens->nelts; i++) {
            if (ngx_http_entra_check_target(cf, location, second[i].auth)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_check_target(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_entra_auth_t *auth)
{
    unsigned                tls;
    ngx_url_t               u;
    ngx_str_t              *url;
    ngx_http_entra_pass_t  *pass;

    pass = location->lcf->sent.pass;

    if (pass->variables) {
        return NGX_OK;
    }

    url = &pass->url;
    tls = 0;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *url;

    if (url->len > 8 && (ngx_strncasecmp(url->data, (u_char *) "https://", 8)
                         == 0
                         || ngx_strncasecmp(url->data, (u_char *) "grpcs://", 8)
                            == 0))
    {
        tls = 1;
        u.url.data += 8;
        u.url.len -= 8;

    } else if (url->len > 7
               && (ngx_strncasecmp(url->data, (u_char *) "http://", 7) == 0
                   || ngx_strncasecmp(url->data, (u_char *) "grpc://", 7) == 0))
    {
        u.url.data += 7;
        u.url.len -= 7;
    }

    u.uri_part = 1;
    u.no_resolve = 1;
    u.default_port = tls ? 443 : 80;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {

        /* nginx has said so itself */
        return NGX_OK;
    }

    return ngx_http_entra_check_host(cf, location, auth, &u, tls);
}


static ngx_int_t
ngx_http_entra_check_host(ngx_conf_t *cf, ngx_http_entra_location_t *location,
    ngx_http_entra_auth_t *auth, ngx_url_t *u, unsigned tls)
{
    ngx_url_t                      server;
    ngx_uint_t                     i;
    entra_egress_target_t          target;
    ngx_http_upstream_server_t    *servers;
    ngx_http_upstream_srv_conf_t  *uscf;

    ngx_memzero(&target, sizeof(entra_egress_target_t));

    target.tls = tls;
    target.verified = (location->lcf->sent.ssl_verify
                       & location->lcf->sent.pass->protocol)
                      != 0;

    uscf = ngx_http_entra_check_block(cf, u);

    if (uscf == NULL) {
        target.host = (entra_str_t) { u->host.len, (char *) u->host.data };
        target.port = u->port;

        return ngx_http_entra_check_one(cf, location, auth, &target);
    }

    if (uscf->servers == NULL) {
        return NGX_OK;
    }

    servers = uscf->servers->elts;

    for (i = 0; i < uscf->servers->nelts; i++) {
        ngx_memzero(&server, sizeof(ngx_url_t));

        server.url = servers[i].name;
        server.default_port = 80;
        server.no_resolve = 1;

        if (ngx_parse_url(cf->pool, &server) != NGX_OK) {
            continue;
        }

        target.host = (entra_str_t) { server.host.len,
                                      (char *) server.host.data };
        target.port = server.port;

        if (server.family == AF_UNIX) {
            target.host = (entra_str_t) { servers[i].name.len,
                                          (char *) servers[i].name.data };
            target.port = 0;
        }

        if (ngx_http_entra_check_one(cf, location, auth, &target) != NGX_OK) {
            return NGX_ERROR;
        }

        if (tls && server.family != AF_UNIX) {
            ngx_http_entra_check_port(cf, uscf, &server);

            if (i == 0) {
                ngx_http_entra_check_name(cf, location, uscf, &server);
            }
        }
    }

    return NGX_OK;
}


/* "server HOST;" is port 80, whatever the scheme of proxy_pass */

static void
ngx_http_entra_check_port(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *uscf,
    ngx_url_t *server)
{
    u_char                      *file;
    ngx_uint_t                   i, line;
    ngx_array_t                 *servers;
    ngx_http_entra_line_t       *noted;
    ngx_http_entra_main_conf_t  *mcf;

    if (!server->no_port) {
        return;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_entra_module);

    servers = mcf->servers;
    noted = servers ? servers->elts : NULL;
    file = uscf->file_name;
    line = uscf->line;

    for (i = 0; noted && i < servers->nelts; i++) {
        if (noted[i].words[0].len == server->url.len
            && ngx_strncmp(noted[i].words[0].data, server->url.data,
                           server->url.len)
               == 0)
        {
            file = noted[i].file;
            line = noted[i].line;

            if (line > uscf->line) {
                break;
            }
        }
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"server %V;\" is port 80, and requests with a token go to "
                  "upstream \"%V\" by https; write \"server %V:443;\" in "
                  "%s:%ui", &server->url, &uscf->host, &server->url, file,
                  line);
}


/* of a block with a name of its own, nginx asks by that name */

static void
ngx_http_entra_check_name(ngx_conf_t *cf, ngx_http_entra_location_t *location,
    ngx_http_upstream_srv_conf_t *uscf, ngx_url_t *server)
{
    const char                  *directive;
    ngx_uint_t                   host, name;
    ngx_http_entra_pass_t       *pass;
    ngx_http_entra_sent_conf_t  *sent;

    sent = &location->lcf->sent;
    pass = sent->pass;

    if (!(pass->protocol & NGX_HTTP_ENTRA_PROXY_GRPC)
        || ngx_inet_addr(server->host.data, server->host.len) != INADDR_NONE
        || ngx_strlchr(server->host.data,
                       server->host.data + server->host.len, ':')
        || ngx_strlchr(uscf->host.data, uscf->host.data + uscf->host.len, '.')
        || (uscf->host.len == server->host.len
            && ngx_strncasecmp(uscf->host.data, server->host.data,
                               uscf->host.len)
               == 0))
    {
        return;
    }

    directive = pass->grpc ? "grpc" : "proxy";
    host = ngx_http_entra_check_own_name(sent->host[pass->grpc].value);
    name = (sent->ssl_verify & pass->protocol)
           && ngx_http_entra_check_own_name(sent->ssl_name[pass->grpc]);

    if (!host && !name) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "upstream \"%V\" is asked for as \"%V\", which its server "
                  "\"%V\" does not know: write%s%s%s%V%s%s%s%s%s%V%s in %s:%ui",
                  &uscf->host, &uscf->host, &server->host,
                  host ? " \"" : "", host ? directive : "",
                  host ? "_set_header Host " : "",
                  host ? &server->host : &ngx_http_entra_check_nothing,
                  host ? ";\"" : "", host && name ? " and" : "",
                  name ? " \"" : "", name ? directive : "",
                  name ? "_ssl_name " : "",
                  name ? &server->host : &ngx_http_entra_check_nothing,
                  name ? ";\"" : "", pass->file, pass->line);
}


static ngx_uint_t
ngx_http_entra_check_own_name(ngx_http_complex_value_t *value)
{
    return value == NULL
           || (value->value.len == sizeof("$proxy_host") - 1
               && ngx_strncmp(value->value.data, "$proxy_host",
                              sizeof("$proxy_host") - 1)
                  == 0);
}


static ngx_http_upstream_srv_conf_t *
ngx_http_entra_check_block(ngx_conf_t *cf, ngx_url_t *u)
{
    ngx_uint_t                       i;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {
        if (uscfp[i]->flags && uscfp[i]->host.len == u->host.len
            && ngx_strncasecmp(uscfp[i]->host.data, u->host.data, u->host.len)
               == 0)
        {
            return uscfp[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_entra_check_one(ngx_conf_t *cf, ngx_http_entra_location_t *location,
    ngx_http_entra_auth_t *auth, entra_egress_target_t *target)
{
    const char                   *reason;
    ngx_http_entra_credential_t  *credential;

    credential = auth->token->credential;

    if (target->host.len > 5 && ngx_strncmp(target->host.data, "unix:", 5) == 0)
    {
        target->port = 0;
    }

    reason = entra_egress_refusal(auth->token->egress, target);

    if (reason == NULL) {
        return NGX_OK;
    }

    if (auth->token->egress->n == 0) {
        reason = "its scope has no known hosts; write \"upstreams HOST ...;\" "
                 "in its block";
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the token of credential \"%V\" must not go to \"%*s\": %s "
                  "in %s:%ui", &credential->name, target->host.len,
                  target->host.data, reason, location->lcf->sent.pass->file,
                  location->lcf->sent.pass->line);

    return NGX_ERROR;
}


/* the upstream gets one Authorization and one Host, which names it */

static ngx_int_t
ngx_http_entra_check_sent(ngx_conf_t *cf, ngx_http_entra_location_t *location)
{
    const char                    *name;
    ngx_http_entra_loc_conf_t     *lcf;
    ngx_http_entra_sent_header_t  *host, *sent;

    lcf = location->lcf;

    if ((lcf->auth == NULL && lcf->second_tokens == NULL)
        || !(lcf->sent.pass->protocol & NGX_HTTP_ENTRA_PROXY_GRPC))
    {
        return NGX_OK;
    }

    host = &lcf->sent.host[lcf->sent.pass->grpc];
    sent = &lcf->sent.authorization[lcf->sent.pass->grpc];
    name = "Authorization";

    if (sent->n < 2) {
        sent = host;
        name = "Host";
    }

    if (sent->n >= 2) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" sets the header \"%s\" more than "
                      "once, and the upstream would get each; remove this one "
                      "in %s:%ui",
                      &location->clcf->name, name, sent->file, sent->line);
        return NGX_ERROR;
    }

    return host->n && host->value->lengths == NULL
           ? ngx_http_entra_check_sent_host(cf, location, host) : NGX_OK;
}


static ngx_int_t
ngx_http_entra_check_sent_host(ngx_conf_t *cf,
    ngx_http_entra_location_t *location, ngx_http_entra_sent_header_t *sent)
{
    u_char                  *colon;
    ngx_str_t                host;
    entra_str_t              name;
    ngx_http_entra_auth_t   *auth;
    ngx_http_entra_token_t  *token;

    auth = location->lcf->auth;

    if (auth == NULL || auth->token == NULL) {
        return NGX_OK;
    }

    token = auth->token;
    host = sent->value->value;

    colon = ngx_strlchr(host.data, host.data + host.len, ']');
    colon = ngx_strlchr(colon ? colon : host.data, host.data + host.len, ':');

    name.data = (char *) host.data;
    name.len = colon ? (size_t) (colon - host.data) : host.len;

    if (entra_egress_host(token->egress, name)
        || entra_egress_host(token->known, name)
        || ngx_http_entra_check_named(location, name))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the token of credential \"%V\" must not be sent with "
                  "\"Host: %V\": front ends choose the service by it, and it "
                  "is not in the credential's \"upstreams\"; write the host "
                  "of the service in %s:%ui",
                  &token->credential->name, &host, sent->file, sent->line);

    return NGX_ERROR;
}


/*
 * The host of *_pass, as nginx itself names it: an upstream block's, too.
 * With variables it is known when there is a request.
 */

static ngx_uint_t
ngx_http_entra_check_named(ngx_http_entra_location_t *location,
    entra_str_t name)
{
    u_char                 *p, *last;
    ngx_http_entra_pass_t  *pass;

    pass = location->lcf->sent.pass;

    if (pass->variables) {
        return 1;
    }

    p = (u_char *) ngx_strstr(pass->url.data, "://");
    p = p ? p + 3 : pass->url.data;
    last = pass->url.data + pass->url.len;

    return (size_t) (last - p) >= name.len
           && ngx_strncasecmp(p, (u_char *) name.data, name.len) == 0
           && (p + name.len == last || p[name.len] == ':'
               || p[name.len] == '/' || p[name.len] == '?');
}


static void
ngx_http_entra_check_header(ngx_conf_t *cf, ngx_http_entra_location_t *location)
{
    const char             *name;
    ngx_http_entra_pass_t  *pass;

    pass = location->lcf->sent.pass;

    if (location->lcf->sent.with_token & pass->protocol) {
        return;
    }

    name = pass->grpc ? "grpc" : "proxy";

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "location \"%V\" uses \"entra_auth\", but its requests go "
                  "out without the token; write \"include entra_%s.conf;\" "
                  "or \"%s_set_header Authorization "
                  "$entra_authorization;\" at the level of its other "
                  "%s_set_header directives in %s:%ui",
                  &location->clcf->name, name, name, name, pass->file,
                  pass->line);
}


/* method and path that FastCGI and its like pass on are parameters */

static ngx_int_t
ngx_http_entra_check_operations(ngx_conf_t *cf,
    ngx_http_entra_location_t *location)
{
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = location->lcf;

    if (lcf->sent.pass->proxy || lcf->sent.pass->grpc
        || (!lcf->operations && !lcf->confine))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "location \"%V\" has policies with operations, which are "
                  "evaluated for \"proxy_pass\" and \"grpc_pass\" only, as "
                  "the others pass on what their parameters say, in %s:%ui",
                  &location->clcf->name, lcf->sent.pass->file,
                  lcf->sent.pass->line);

    return NGX_ERROR;
}


static void
ngx_http_entra_check_underscores(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_http_entra_location_t  *location;

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {

        if (location[i].lcf->auth == NULL || location[i].lcf->sent.pass == NULL
            || (!location[i].cscf->underscores_in_headers
                && location[i].cscf->ignore_invalid_headers))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"%s\" beside \"entra_auth\": a header like "
                      "X_Ms_Client_Principal passes by the proxy_set_header "
                      "of X-Ms-Client-Principal, and some upstreams take "
                      "them for the same",
                      location[i].cscf->underscores_in_headers
                          ? "underscores_in_headers on"
                          : "ignore_invalid_headers off");
        return;
    }
}
