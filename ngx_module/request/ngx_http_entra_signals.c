
/*
 * Copyright (C) nginx-entra authors
 *
 * What the gateway can know of a caller: addresses, certificate, token, the
 * deployment header, the time.
 */

#include "ngx_http_entra_request.h"


typedef struct {
    ngx_ssl_conn_t   *connection;
    entra_cert_t      cert;
    entra_signal_e    state;
    char              failure[128];
} ngx_http_entra_cert_t;


static void ngx_http_entra_signal_addresses(ngx_http_request_t *r,
    entra_signals_t *signals);
static void ngx_http_entra_sockaddr(struct sockaddr *sa, entra_addr_t *addr);
static void ngx_http_entra_signal_tls(ngx_http_request_t *r,
    entra_signals_t *signals);
static ngx_http_entra_cert_t *ngx_http_entra_connection_cert(
    ngx_http_request_t *r);
static void ngx_http_entra_read_cert(ngx_http_request_t *r,
    ngx_http_entra_cert_t *kept);
static ngx_uint_t ngx_http_entra_server_name_matches(ngx_http_request_t *r);
static ngx_uint_t ngx_http_entra_session_matches(ngx_http_request_t *r);
static ngx_uint_t ngx_http_entra_default_server(ngx_http_request_t *r);
static void ngx_http_entra_free_cert(void *data);
static ngx_uint_t ngx_http_entra_request_headers(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);


/* NGX_OK; NGX_AGAIN: parked until the keys of tokens are there */

ngx_int_t
ngx_http_entra_signals(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    entra_signals_t *signals)
{
    signals->failure = NULL;

    ngx_http_entra_signal_addresses(r, signals);
    ngx_http_entra_signal_tls(r, signals);

    signals->now = ngx_time();

    return ngx_http_entra_caller_token_signal(r, ctx, signals);
}


void
ngx_http_entra_signal_caller(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    entra_signals_t *signals)
{
    ngx_memzero(signals, sizeof(entra_signals_t));

    ngx_http_entra_signal_addresses(r, signals);
    ngx_http_entra_signal_tls(r, signals);

    /* who a request came from does not change while it is under way */

    if (ctx->caller.known) {
        signals->token = ctx->caller.token;
        signals->claims = ctx->caller.claims;
        return;
    }

    if (ngx_http_entra_caller_token_look(r, ctx, signals) == NGX_ERROR) {
        signals->token = ENTRA_SIGNAL_UNKNOWN;
        signals->claims = NULL;
    }
}


static void
ngx_http_entra_signal_addresses(ngx_http_request_t *r,
    entra_signals_t *signals)
{
    ngx_str_t                     ignored;
    entra_addr_t                  client, peer;
    ngx_http_variable_value_t    *v;
    ngx_http_entra_main_conf_t   *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    ngx_http_entra_sockaddr(r->connection->sockaddr, &client);
    peer = client;

    if (mcf->address.peer_index != NGX_ERROR) {
        v = ngx_http_get_indexed_variable(r, mcf->address.peer_index);

        if (v && !v->not_found
            && (v->len != r->connection->addr_text.len
                || ngx_memcmp(v->data, r->connection->addr_text.data, v->len)
                   != 0))
        {
            if (v->len == 5 && ngx_memcmp(v->data, "unix:", 5) == 0) {
                entra_addr_unix(&peer);

            } else {
                (void) entra_addr_parse(&peer,
                                        (entra_str_t) { v->len,
                                                        (char *) v->data });
            }
        }

        /* of two, realip takes the first, which may be the caller's own */

        if (!entra_addr_eq(&client, &peer)
            && ngx_http_entra_request_headers(r, "x-real-ip", &ignored) > 1)
        {
            ngx_memzero(&client, sizeof(entra_addr_t));
        }
    }

    entra_signals_address(signals, &client, &peer,
                          mcf->address.has_trusted_proxies
                          ? &mcf->address.trusted_proxies : NULL);
}


static void
ngx_http_entra_sockaddr(struct sockaddr *sa, entra_addr_t *addr)
{
    ngx_memzero(addr, sizeof(entra_addr_t));

    switch (sa->sa_family) {

    case AF_INET:
        entra_addr_v4(addr, (u_char *)
                            &((struct sockaddr_in *) sa)->sin_addr.s_addr);
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        entra_addr_v6(addr, ((struct sockaddr_in6 *) sa)->sin6_addr.s6_addr);
        break;
#endif

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        entra_addr_unix(addr);
        break;
#endif
    }
}


static void
ngx_http_entra_signal_tls(ngx_http_request_t *r, entra_signals_t *signals)
{
    ngx_http_entra_cert_t  *kept;

    signals->tls = 0;
    signals->certificate = ENTRA_SIGNAL_ABSENT;
    signals->cert = NULL;

#if (NGX_HTTP_SSL)

    if (r->connection->ssl == NULL) {
        return;
    }

    signals->tls = (unsigned) SSL_version(r->connection->ssl->connection);

    kept = ngx_http_entra_connection_cert(r);

    if (kept == NULL) {
        signals->certificate = ENTRA_SIGNAL_UNKNOWN;
        return;
    }

    signals->certificate = kept->state;

    if (kept->state == ENTRA_SIGNAL_ABSENT) {
        return;
    }

    /* verified by the rules of another server: it proves nothing here */

    if (!ngx_http_entra_server_name_matches(r)
        || !ngx_http_entra_session_matches(r))
    {
        signals->certificate = ENTRA_SIGNAL_INVALID;
        signals->failure = "it was shown to a server of another name";
        return;
    }

    if (kept->state == ENTRA_SIGNAL_VALID) {
        signals->cert = &kept->cert;

    } else {
        signals->failure = kept->failure;
    }

#else
    (void) kept;
#endif
}


#if (NGX_HTTP_SSL)

/* a certificate is parsed once for a connection */

static ngx_http_entra_cert_t *
ngx_http_entra_connection_cert(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_entra_cert_t  *kept;

    for (cln = r->connection->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_entra_free_cert) {
            kept = cln->data;

            if (kept->connection == r->connection->ssl->connection) {
                return kept;
            }
        }
    }

    cln = ngx_pool_cleanup_add(r->connection->pool,
                               sizeof(ngx_http_entra_cert_t));
    if (cln == NULL) {
        return NULL;
    }

    kept = cln->data;
    ngx_memzero(kept, sizeof(ngx_http_entra_cert_t));

    cln->handler = ngx_http_entra_free_cert;
    kept->connection = r->connection->ssl->connection;

    ngx_http_entra_read_cert(r, kept);

    return kept;
}


static void
ngx_http_entra_read_cert(ngx_http_request_t *r, ngx_http_entra_cert_t *kept)
{
    X509         *x509;
    entra_err_t   err;
    const char   *failure;

    x509 = SSL_get_peer_certificate(kept->connection);

    if (x509 == NULL) {
        kept->state = ENTRA_SIGNAL_ABSENT;
        return;
    }

    kept->state = ENTRA_SIGNAL_INVALID;
    entra_err_clear(&err);

    failure = NULL;

    if (SSL_get_verify_result(kept->connection) != X509_V_OK) {
        failure = X509_verify_cert_error_string(
                      SSL_get_verify_result(kept->connection));

    } else if (entra_cert_read(&kept->cert, x509, &err) != 0) {
        failure = err.text;

    } else {
        kept->state = ENTRA_SIGNAL_VALID;
    }

    if (failure) {
        entra_err_clean(kept->failure, sizeof(kept->failure),
                        entra_str_c(failure));

        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "entra: the client's certificate is refused: %s",
                      kept->failure);
    }

    X509_free(x509);

    /* nginx takes what it finds there for its own */

    ERR_clear_error();
}


static ngx_uint_t
ngx_http_entra_server_name_matches(ngx_http_request_t *r)
{
    const char  *name;

    name = SSL_get_servername(r->connection->ssl->connection,
                              TLSEXT_NAMETYPE_host_name);

    if (name == NULL) {
        return ngx_http_entra_default_server(r);
    }

    return r->headers_in.server.len == ngx_strlen(name)
           && ngx_strncasecmp(r->headers_in.server.data, (u_char *) name,
                              r->headers_in.server.len)
              == 0;
}


/*
 * A resumed session brings the certificate of its first handshake, and what
 * the server of that one made of it.  With TLS 1.3 OpenSSL resumes it for
 * another name too (CVE-2025-23419).
 */

static ngx_uint_t
ngx_http_entra_session_matches(ngx_http_request_t *r)
{
    SSL         *ssl;
    const char  *name, *first;

    ssl = r->connection->ssl->connection;

    if (!SSL_session_reused(ssl)) {
        return 1;
    }

    first = SSL_SESSION_get0_hostname(SSL_get_session(ssl));

    if (first == NULL) {

        /* none, or one that no server has */

        return ngx_http_entra_default_server(r);
    }

    name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    return name && ngx_strcasecmp((u_char *) name, (u_char *) first) == 0;
}


/* without a name the handshake was the default server's */

static ngx_uint_t
ngx_http_entra_default_server(ngx_http_request_t *r)
{
    ngx_http_core_srv_conf_t  *cscf, *def;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    def = r->http_connection->addr_conf->default_server;

    return cscf == def;
}

#endif


static void
ngx_http_entra_free_cert(void *data)
{
    ngx_http_entra_cert_t  *kept = data;

    entra_cert_free(&kept->cert);
}


ngx_int_t
ngx_http_entra_signal_headers(ngx_http_request_t *r,
    ngx_http_entra_loc_conf_t *lcf, ngx_http_entra_decision_t *decision)
{
    u_char            c;
    ngx_str_t         value;
    ngx_uint_t        i, n, bit, exact;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_str_null(&value);
    n = 0;
    decision->overridden = 0;

    /* what the location sets instead of the client's; an empty one is none */

    if (lcf->sent.deployment) {
        if (ngx_http_complex_value(r, lcf->sent.deployment, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        n = lcf->sent.deployments > 1 ? 2 : value.len != 0;
    }

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; lcf->sent.pass_headers; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        /* of most headers the first letter, or the length, says enough */

        c = h[i].key.len ? h[i].key.data[0] | 0x20 : 0;

        if (c == 'a' && h[i].key.len == sizeof("azureml-model-deployment") - 1
            && ngx_http_entra_same_header(&h[i].key,
                                          "azureml-model-deployment", &exact))
        {
            if (lcf->sent.deployment == NULL || !exact) {
                value = h[i].value;
                n++;
            }

            continue;
        }

        if (c == 'x') {
            bit = ngx_http_entra_override(&h[i].key);

            if (bit & ~(lcf->sent.blanked & ~lcf->sent.forwarded)) {
                decision->overridden = 1;
            }
        }
    }

    entra_signals_deployment(&decision->signals,
                             (entra_str_t) { value.len, (char *) value.data },
                             n);

    return NGX_OK;
}


/* how many there are of that name; value: the last one's */

static ngx_uint_t
ngx_http_entra_request_headers(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_uint_t        i, n, exact;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_str_null(value);
    n = 0;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (ngx_http_entra_same_header(&h[i].key, name, &exact)) {
            *value = h[i].value;
            n++;
        }
    }

    return n;
}
