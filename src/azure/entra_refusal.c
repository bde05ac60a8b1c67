
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>
#include <string.h>

#include "entra_aadsts.h"
#include "entra_refusal.h"


typedef struct {
    const char         *name;
    entra_err_class_e   class;
    entra_remedy_e      remedy;
} entra_refusal_row_t;


/*
 * RFC 6749, section 5.2, OpenID Connect Core, section 3.1.2.6, and those of
 * Entra.  Only those with a remedy are about the user's grant.
 */

static const entra_refusal_row_t  entra_refusal_errors[] = {
    { "invalid_client", ENTRA_ERR_DENIED, ENTRA_REMEDY_NONE },
    { "invalid_grant", ENTRA_ERR_DENIED, ENTRA_REMEDY_SIGN_IN },
    { "unauthorized_client", ENTRA_ERR_DENIED, ENTRA_REMEDY_NONE },
    { "access_denied", ENTRA_ERR_DENIED, ENTRA_REMEDY_POLICY },
    { "interaction_required", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "login_required", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "consent_required", ENTRA_ERR_DENIED, ENTRA_REMEDY_CONSENT },
    { "user_password_expired", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "invalid_request", ENTRA_ERR_CONFIG, ENTRA_REMEDY_NONE },
    { "invalid_scope", ENTRA_ERR_CONFIG, ENTRA_REMEDY_NONE },
    { "invalid_resource", ENTRA_ERR_CONFIG, ENTRA_REMEDY_NONE },
    { "invalid_instance", ENTRA_ERR_CONFIG, ENTRA_REMEDY_NONE },
    { "unsupported_grant_type", ENTRA_ERR_CONFIG, ENTRA_REMEDY_NONE },
    { "temporarily_unavailable", ENTRA_ERR_TRANSIENT, ENTRA_REMEDY_NONE },
    { "server_error", ENTRA_ERR_TRANSIENT, ENTRA_REMEDY_NONE },
    { "request_timeout", ENTRA_ERR_TRANSIENT, ENTRA_REMEDY_NONE },
    { NULL, ENTRA_ERR_NONE, ENTRA_REMEDY_NONE }
};


/* MSAL: UiRequiredExceptionClassification and the internal ones beside it */

static const entra_refusal_row_t  entra_refusal_suberrors[] = {
    { "bad_token", ENTRA_ERR_DENIED, ENTRA_REMEDY_SIGN_IN },
    { "token_expired", ENTRA_ERR_DENIED, ENTRA_REMEDY_SIGN_IN },
    { "client_mismatch", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "basic_action", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "additional_action", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "user_password_expired", ENTRA_ERR_DENIED, ENTRA_REMEDY_INTERACTION },
    { "device_authentication_failed", ENTRA_ERR_DENIED,
      ENTRA_REMEDY_INTERACTION },
    { "consent_required", ENTRA_ERR_DENIED, ENTRA_REMEDY_CONSENT },
    { "message_only", ENTRA_ERR_DENIED, ENTRA_REMEDY_POLICY },
    { "protection_policy_required", ENTRA_ERR_DENIED, ENTRA_REMEDY_POLICY },
    { NULL, ENTRA_ERR_NONE, ENTRA_REMEDY_NONE }
};


static const entra_refusal_row_t *
entra_refusal_find(const entra_refusal_row_t *row, const char *name)
{
    while (row->name && strcmp(row->name, name) != 0) {
        row++;
    }

    return row;
}


/* for a user's token, where no number says more */

static const char *
entra_refusal_advice(entra_remedy_e remedy)
{
    switch (remedy) {
    case ENTRA_REMEDY_NONE:
        break;
    case ENTRA_REMEDY_SIGN_IN:
    case ENTRA_REMEDY_TOKEN:
        return "sign in again";
    case ENTRA_REMEDY_INTERACTION:
        return "Entra asks for something that only the user can do: sign in"
               " interactively";
    case ENTRA_REMEDY_CONSENT:
        return "the user or an administrator has to consent to this"
               " application's delegated permissions";
    case ENTRA_REMEDY_POLICY:
        return "a policy of the tenant refuses this user: look the"
               " correlation id up in the user's sign-in logs";
    }

    return NULL;
}


static entra_remedy_e
entra_refusal_remedy(const entra_refusal_row_t *error,
    const entra_refusal_row_t *suberror, const entra_aadsts_t *known,
    uint32_t code)
{
    if (error->remedy == ENTRA_REMEDY_NONE) {
        return ENTRA_REMEDY_NONE;
    }

    if (suberror->name) {
        return suberror->remedy;
    }

    if (known && (known->remedy != ENTRA_REMEDY_NONE
                  || known->class != ENTRA_ERR_DENIED))
    {
        return known->remedy;
    }

    /*
     * RFC 6749: invalid_grant is the end of the grant.  Entra says so of
     * conditions that pass, too: with a number that is not known, nothing is
     * thrown away ("could be caused by new MFA policy", MSAL for Python).
     */

    return code && error->remedy == ENTRA_REMEDY_SIGN_IN
           ? ENTRA_REMEDY_INTERACTION : error->remedy;
}


void
entra_refusal(const char *error, const char *suberror, uint32_t code,
    int user, entra_refusal_t *refusal)
{
    const entra_aadsts_t       *known;
    const entra_refusal_row_t  *row, *sub;

    row = entra_refusal_find(entra_refusal_errors, error);
    sub = entra_refusal_find(entra_refusal_suberrors, suberror);
    known = entra_aadsts_find(code);

    refusal->class = sub->name ? sub->class : known ? known->class
                                                    : row->class;
    refusal->remedy = entra_refusal_remedy(row, sub, known, code);

    if (known && (sub->name == NULL || known->remedy == sub->remedy)) {
        refusal->advice = user && known->user ? known->user : known->advice;

    } else {
        refusal->advice = user ? entra_refusal_advice(refusal->remedy) : NULL;
    }

    if (refusal->advice == NULL && known) {
        refusal->advice = known->advice;
    }
}
