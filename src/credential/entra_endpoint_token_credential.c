
/*
 * Copyright (C) nginx-entra authors
 *
 * The token of an online endpoint with auth_mode "aml_token".
 */

#include <stdlib.h>
#include <string.h>

#include "entra_endpoint.h"
#include "entra_json.h"


static int
entra_endpoint_token_init(entra_credential_t *c, entra_err_t *err)
{
    return entra_endpoint_init(c, c->conf, err);
}


static void
entra_endpoint_token_free(entra_credential_t *c)
{
    entra_endpoint_free(c->conf);
}


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

    if (entra_json_member_int64(root, "expiryTimeUtc", &expiry) != 0) {
        return "expiryTimeUtc does not tell when the token expires";
    }

    if (expiry <= now) {
        return "the token has expired already: is the clock of this machine "
               "right?";
    }

    if (entra_json_member_int64(root, "refreshAfterTimeUtc", &refresh) != 0
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
    const char        *wrong;
    entra_json_t      *root;
    entra_endpoint_t  *e = a->credential->conf;

    if (a->reply->status != 200 || a->reply->too_large) {
        return entra_endpoint_failed(a, e,
                    "give the credential of \"using\" a role with the action "
                    "Microsoft.MachineLearningServices/workspaces/"
                    "onlineEndpoints/token/action");
    }

    root = entra_json_parse(a->reply->body, ENTRA_HTTP_BODY_MAX,
                            ENTRA_JSON_OBJECT);

    wrong = root ? entra_endpoint_token_take(a, root)
                 : "the body is not a JSON object";

    entra_json_free(root);

    return wrong ? entra_endpoint_nonsense(a, e, wrong) : ENTRA_NEXT_DONE;
}


static entra_next_e
entra_endpoint_token_step(entra_acquire_t *a)
{
    switch (a->step) {

    case 0:
        return entra_endpoint_ask(a, a->credential->conf);

    case 1:
        return entra_endpoint_post(a, a->credential->conf, "token");

    default:
        return entra_endpoint_token_received(a);
    }
}


static void
entra_endpoint_token_identity(const entra_credential_t *c, entra_buf_t *out)
{
    entra_endpoint_identity(c->conf, out);
}


static entra_credential_t *
entra_endpoint_token_uses(const entra_credential_t *c, unsigned n)
{
    return entra_endpoint_uses(c->conf, n);
}


static const entra_param_t  entra_endpoint_token_params[] = {
    { "endpoint", ENTRA_PARAM_STRING, offsetof(entra_endpoint_t, endpoint) },
    { "workspace", ENTRA_PARAM_FILE, offsetof(entra_endpoint_t, workspace) },
    { "using", ENTRA_PARAM_STRING, offsetof(entra_endpoint_t, using) },
    { "resource_manager", ENTRA_PARAM_STRING,
      offsetof(entra_endpoint_t, resource_manager) },
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_endpoint_token_credential = {
    .name = "endpoint_token",
    .azure_name = "onlineEndpoints/token",
    .conf_size = sizeof(entra_endpoint_t),
    .params = entra_endpoint_token_params,
    .no_scope = 1,
    .init = entra_endpoint_token_init,
    .free = entra_endpoint_token_free,
    .step = entra_endpoint_token_step,
    .uses = entra_endpoint_token_uses,
    .identity = entra_endpoint_token_identity
};
