
/*
 * Copyright (C) nginx-entra authors
 *
 * The token of an online endpoint with auth_mode "aml_token".
 */

#include <stdlib.h>
#include <string.h>

#include "entra_endpoint.h"
#include "entra_json.h"


/* NULL, or what is wrong with it */

static const char *
entra_endpoint_token_take(entra_acquire_t *a, const entra_json_t *root)
{
    int64_t      now, expiry, refresh;
    entra_str_t  type, token;

    now = entra_acquire_now(a);

    type = entra_json_member_string(root, "tokenType");

    if (type.len && !entra_str_case_eq_c(type, "Bearer")) {
        return "the token is not of the type Bearer";
    }

    token = entra_json_member_string(root, "accessToken");

    if (token.len == 0) {
        return "there is no accessToken in it";
    }

    if (entra_json_member_seconds(root, "expiryTimeUtc", &expiry) != 0) {
        return "expiryTimeUtc does not tell when the token expires";
    }

    if (expiry <= now) {
        return "the token has expired already: is the clock of this machine "
               "right?";
    }

    if (entra_json_member_seconds(root, "refreshAfterTimeUtc", &refresh) != 0
        || refresh <= now || refresh >= expiry)
    {
        refresh = now;
    }

    return entra_token_set(&a->token, token, expiry - now, refresh - now,
                           &a->err)
           == 0 ? NULL : "the token holds characters that a header cannot";
}


static entra_next_e
entra_endpoint_token_received(entra_acquire_t *a)
{
    const char    *wrong;
    entra_json_t  *root;

    if (a->reply->status != 200 || a->reply->too_large) {
        return entra_endpoint_failed(a,
                    "give the credential of \"using\" a role with the action "
                    "Microsoft.MachineLearningServices/workspaces/"
                    "onlineEndpoints/token/action");
    }

    root = entra_json_parse(a->reply->body, ENTRA_HTTP_BODY_MAX,
                            ENTRA_JSON_OBJECT);

    wrong = root ? entra_endpoint_token_take(a, root)
                 : "the body is not a JSON object";

    entra_json_free(root);

    return wrong ? entra_endpoint_unusable(a, wrong) : ENTRA_NEXT_DONE;
}


static entra_next_e
entra_endpoint_token_step(entra_acquire_t *a)
{
    switch (a->step) {

    case 0:
        return entra_endpoint_ask(a);

    case 1:
        return entra_endpoint_post(a, "token");

    default:
        return entra_endpoint_token_received(a);
    }
}


const entra_credential_type_t  entra_endpoint_token_credential = {
    .name = "endpoint_token",
    .azure_name = "onlineEndpoints/token",
    .conf_size = sizeof(entra_endpoint_t),
    .params = { entra_endpoint_params },
    .no_scope = 1,
    .init = entra_endpoint_init,
    .free = entra_endpoint_free,
    .step = entra_endpoint_token_step,
    .uses = entra_endpoint_uses,
    .identity = entra_endpoint_identity
};
