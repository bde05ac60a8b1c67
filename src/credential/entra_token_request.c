
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "entra_challenge.h"
#include "entra_cloud.h"
#include "entra_enc.h"
#include "entra_reply.h"
#include "entra_token_request.h"


#define ENTRA_TOKEN_URL_MAX  1024


int
entra_token_request_is_adfs(const entra_credential_t *c)
{
    return c->tenant_id
           && entra_str_case_eq_c(entra_str_c(c->tenant_id), "adfs");
}


int
entra_token_request_url(const entra_credential_t *c, const char *name,
    entra_buf_t *out)
{
    if (!entra_cloud_tenant_ok(entra_str_c(c->tenant_id))) {
        return -1;
    }

    entra_buf_add_c(out, c->authority_host);

    if (entra_token_request_is_adfs(c)) {
        entra_buf_addf(out, "/adfs/oauth2/%s", name);

    } else {
        entra_buf_addf(out, "/%s/oauth2/v2.0/%s", c->tenant_id, name);
    }

    return entra_buf_ok(out) ? 0 : -1;
}


const char *
entra_token_request_from(const entra_credential_t *c)
{
    const char  *host;

    host = strstr(c->authority_host, "://");

    return host ? host + 3 : c->authority_host;
}


int
entra_token_request_uuid(char uuid[ENTRA_UUID_LEN])
{
    unsigned       i;
    unsigned char  r[16];
    char          *p = uuid;

    static const char  hex[] = "0123456789abcdef";

    if (RAND_bytes(r, sizeof(r)) != 1) {
        return -1;
    }

    r[6] = (unsigned char) ((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char) ((r[8] & 0x3f) | 0x80);

    for (i = 0; i < sizeof(r); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }

        *p++ = hex[r[i] >> 4];
        *p++ = hex[r[i] & 15];
    }

    *p = '\0';

    return 0;
}


static int
entra_token_request_headers(entra_http_request_t *request)
{
    char  uuid[ENTRA_UUID_LEN];

    if (entra_token_request_uuid(uuid) != 0
        || entra_http_request_header(request, "Content-Type",
                  entra_str("application/x-www-form-urlencoded")) != 0
        || entra_http_request_header(request, "Accept",
                                     entra_str("application/json")) != 0
        || entra_http_request_header(request, "client-request-id",
                                     entra_str_c(uuid)) != 0)
    {
        return -1;
    }

    return 0;
}


/* AD FS knows resources: "https://x/.default" is "https://x" there */

static entra_str_t
entra_token_request_scope(const entra_acquire_t *a)
{
    entra_str_t  scope = entra_str_c(a->scope);

    return entra_token_request_is_adfs(a->credential)
           ? entra_cloud_resource(scope) : scope;
}


/*
 * cp1 only together with claims: without it, nobody has to answer a claims
 * challenge that this request cannot be sent again for.
 */

static int
entra_token_request_claims(entra_acquire_t *a)
{
    int          rc;
    entra_buf_t  claims;

    if (a->claims == NULL) {
        return 0;
    }

    entra_buf_init(&claims, ENTRA_CLAIMS_MAX * 2);

    rc = entra_challenge_claims(a->claims, 1, &claims);

    if (rc == 0) {
        entra_enc_form_pair(&a->request.body, "claims",
                            entra_buf_str(&claims));
    }

    entra_buf_free(&claims);

    return rc;
}


int
entra_token_request_begin(entra_acquire_t *a, const char *grant_type)
{
    entra_buf_t                url;
    entra_http_request_t      *request = &a->request;
    const entra_credential_t  *c = a->credential;

    entra_buf_init(&url, ENTRA_TOKEN_URL_MAX);

    if (entra_token_request_url(c, "token", &url) != 0) {
        entra_buf_free(&url);
        return entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "no valid tenant_id for the token endpoint");
    }

    request->method = "POST";
    request->url = entra_buf_steal(&url);

    if (request->url == NULL || entra_token_request_headers(request) != 0) {
        return entra_err_set(&a->err, ENTRA_ERR_TRANSIENT,
                             "no memory or randomness for a request");
    }

    entra_enc_form_pair(&request->body, "client_id",
                        entra_str_c(c->client_id));
    entra_enc_form_pair(&request->body, "grant_type",
                        entra_str_c(grant_type));
    entra_enc_form_pair(&request->body, "scope",
                        entra_token_request_scope(a));

    if (entra_token_request_claims(a) != 0) {
        return entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "the claims of the challenge are not a JSON"
                             " object");
    }

    return 0;
}


void
entra_token_request_secret(entra_acquire_t *a, const char *secret)
{
    entra_enc_form_pair(&a->request.body, "client_secret",
                        entra_str_c(secret));
}


void
entra_token_request_assertion(entra_acquire_t *a, const char *assertion)
{
    entra_enc_form_pair(&a->request.body, "client_assertion_type",
        entra_str("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    entra_enc_form_pair(&a->request.body, "client_assertion",
                        entra_str_c(assertion));
}


entra_next_e
entra_token_request_send(entra_acquire_t *a)
{
    if (!entra_buf_ok(&a->request.body)) {
        (void) entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "the token request is longer than %d bytes",
                             ENTRA_HTTP_BODY_MAX);
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_HTTP;
}


entra_next_e
entra_token_request_receive(entra_acquire_t *a)
{
    int       rc;
    unsigned  flags;

    flags = a->credential->type->delegated ? ENTRA_REPLY_USER : 0;

    rc = entra_reply_token(a->reply, entra_token_request_from(a->credential),
                           flags, entra_acquire_now(a), &a->token, &a->err);

    return rc == 0 ? ENTRA_NEXT_DONE : ENTRA_NEXT_FAILED;
}
