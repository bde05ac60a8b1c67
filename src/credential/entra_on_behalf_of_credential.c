
/*
 * Copyright (C) nginx-entra authors
 *
 * OnBehalfOfCredential: the caller's own access token, which was issued for
 * this application, is exchanged for one of the same user for the upstream
 * (Microsoft identity platform, "on-behalf-of flow"; grant of RFC 7523).
 */

#include <string.h>

#include "entra_acquire.h"
#include "entra_client_auth.h"
#include "entra_enc.h"
#include "entra_reply.h"


#define ENTRA_OBO_GRANT  "urn:ietf:params:oauth:grant-type:jwt-bearer"


static const char  entra_on_behalf_of_ended[] =
    "the user's sign-in has ended: the caller has to get a new token";


static int
entra_on_behalf_of_init(entra_credential_t *c, entra_err_t *err)
{
    if (strcmp(c->tenant_id, "common") == 0
        || strcmp(c->tenant_id, "organizations") == 0
        || strcmp(c->tenant_id, "consumers") == 0)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id \"%s\": a caller's token is exchanged"
                             " in the tenant that issued it, write its"
                             " directory (tenant) ID", c->tenant_id);
    }

    return entra_client_auth_init(c, err);
}


static void
entra_on_behalf_of_fill(entra_acquire_t *a)
{
    entra_enc_form_pair(&a->request.body, "assertion",
                        entra_str_c(a->assertion));
    entra_enc_form_pair(&a->request.body, "requested_token_use",
                        entra_str("on_behalf_of"));
}


/*
 * What the caller's next token has to have: the caller is told.  Entra says
 * so with invalid_grant or interaction_required; of a token that has ended
 * another one of any kind is needed.
 */

static void
entra_on_behalf_of_refused(entra_acquire_t *a)
{
    switch (a->err.remedy) {

    case ENTRA_REMEDY_NONE:
        return;

    case ENTRA_REMEDY_SIGN_IN:
        a->err.advice = entra_on_behalf_of_ended;
        return;

    case ENTRA_REMEDY_TOKEN:
        return;

    case ENTRA_REMEDY_INTERACTION:
    case ENTRA_REMEDY_CONSENT:
    case ENTRA_REMEDY_POLICY:
        break;
    }

    if (a->reply && a->challenge == NULL) {
        a->challenge = entra_reply_member(a->reply, "claims");
    }
}


static entra_next_e
entra_on_behalf_of_step(entra_acquire_t *a)
{
    entra_next_e  next;

    /* never the application's own token in its place */

    if (a->assertion == NULL || a->assertion[0] == '\0') {
        (void) entra_err_set(&a->err, ENTRA_ERR_DENIED,
                             "the caller sent no access token to exchange");
        return ENTRA_NEXT_FAILED;
    }

    next = entra_client_auth_grant(a, ENTRA_OBO_GRANT,
                                   entra_on_behalf_of_fill);

    if (next == ENTRA_NEXT_FAILED) {
        entra_reply_redact(&a->err, a->assertion);

        entra_on_behalf_of_refused(a);
    }

    return next;
}


const entra_credential_type_t  entra_on_behalf_of_credential = {
    .name = "on_behalf_of",
    .azure_name = "OnBehalfOfCredential",
    .params = { entra_client_secret_params, entra_client_certificate_params,
                entra_service_principal_params },
    .client_auth = ENTRA_CLIENT_AUTH_SECRET | ENTRA_CLIENT_AUTH_CERTIFICATE,
    .per_caller = 1,
    .delegated = 1,
    .init = entra_on_behalf_of_init,
    .step = entra_on_behalf_of_step,
    ENTRA_CLIENT_AUTH_TYPE
};
