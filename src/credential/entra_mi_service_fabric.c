
/*
 * Copyright (C) nginx-entra authors
 *
 * Managed identity in a Service Fabric cluster.  The endpoint is https with
 * a self-signed certificate, named by its SHA-1 in the environment.
 */

#include <stdlib.h>

#include "entra_ascii.h"
#include "entra_enc.h"
#include "entra_env.h"
#include "entra_mi_source.h"
#include "entra_url.h"


#define ENTRA_MI_SHA1_HEX  40
#define ENTRA_MI_URL_MAX   (16 * 1024)


static int
entra_mi_fabric_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    return entra_env_get(env, "IDENTITY_ENDPOINT")
           && entra_env_get(env, "IDENTITY_HEADER")
           && entra_env_get(env, "IDENTITY_SERVER_THUMBPRINT");
}


/* "AB:CD ..." to "abcd...": people copy it out of certificate dialogs */

static char *
entra_mi_fabric_thumbprint(const char *text)
{
    char         c, hex[ENTRA_MI_SHA1_HEX];
    size_t       n = 0;

    for ( /* void */ ; *text; text++) {
        c = *text;

        if (c == ' ' || c == ':') {
            continue;
        }

        if (entra_hex_digit(c) < 0 || n == sizeof(hex)) {
            return NULL;
        }

        hex[n++] = (char) entra_lower(c);
    }

    if (n != sizeof(hex)) {
        return NULL;
    }

    return entra_str_dup((entra_str_t) { n, hex });
}


static int
entra_mi_fabric_init(entra_credential_t *c, entra_err_t *err)
{
    entra_mi_t   *mi = c->conf;
    entra_url_t   url;

    if (entra_mi_endpoint(c, "IDENTITY_ENDPOINT", "IDENTITY_HEADER", err)
        != 0)
    {
        return -1;
    }

    if (entra_url_parse(entra_str_c(mi->endpoint), &url) != 0 || !url.https) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "IDENTITY_ENDPOINT of Service Fabric is not an "
                             "https URL, but IDENTITY_SERVER_THUMBPRINT "
                             "names a certificate; unset one of them");
    }

    mi->thumbprint = entra_mi_fabric_thumbprint(
                         entra_env_get(c->env, "IDENTITY_SERVER_THUMBPRINT"));

    if (mi->thumbprint == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "IDENTITY_SERVER_THUMBPRINT is not a SHA-1 "
                             "thumbprint of 40 hexadecimal digits");
    }

    return 0;
}


/*
 * The endpoint caches; this makes it get another token than the one that
 * somebody refused.
 */

static int
entra_mi_fabric_refused(entra_acquire_t *a)
{
    entra_buf_t  url;

    if (!a->has_refused) {
        return 0;
    }

    entra_buf_init(&url, ENTRA_MI_URL_MAX);
    entra_buf_add_c(&url, a->request.url);
    entra_buf_add_c(&url, "&token_sha256_to_refresh=");
    entra_enc_hex(&url, a->refused, sizeof(a->refused));

    free(a->request.url);
    a->request.url = entra_buf_steal(&url);

    return a->request.url
           ? 0 : entra_err_no_memory(&a->err);
}


static entra_next_e
entra_mi_fabric_step(entra_acquire_t *a)
{
    entra_mi_t  *mi = a->credential->conf;

    if (a->step) {
        return entra_mi_finish(a);
    }

    if (entra_mi_get(a, "2019-07-01-preview") != 0
        || entra_mi_fabric_refused(a) != 0
        || entra_mi_header(a, "Secret", mi->secret) != 0)
    {
        return ENTRA_NEXT_FAILED;
    }

    a->request.pinned_sha1 = entra_str_dup(entra_str_c(mi->thumbprint));
    if (a->request.pinned_sha1 == NULL) {
        entra_err_no_memory(&a->err);
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_HTTP;
}


const entra_mi_source_t  entra_mi_service_fabric = {
    .name = "Service Fabric",
    .refusal = "Service Fabric chooses the identity in the application's "
               "manifest: remove the parameter",
    .detect = entra_mi_fabric_detect,
    .init = entra_mi_fabric_init,
    .step = entra_mi_fabric_step
};
