
/*
 * Copyright (C) nginx-entra authors
 *
 * AzureCliCredential: the account that "az login" has signed in.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_cli.h"
#include "entra_cloud.h"
#include "entra_json.h"
#include "entra_time.h"


static const char  entra_az_sign_in[] =
    "run \"az login\" as the user of nginx's workers, with the same"
    " AZURE_CONFIG_DIR (config_dir)";

static const char  *const entra_az_places[] = {
    "/usr/bin/az", "/usr/local/bin/az", "/opt/az/bin/az",
    "/opt/homebrew/bin/az", "/home/linuxbrew/.linuxbrew/bin/az", NULL
};

static const entra_cli_tool_t  entra_az = {
    .name = "the Azure CLI",
    .command = "az",
    .places = entra_az_places,
    .install = "install the Azure CLI, or write \"executable PATH;\"",
    .config_env = "AZURE_CONFIG_DIR"
};


static int
entra_az_init(entra_credential_t *c, entra_err_t *err)
{
    entra_cli_t  *conf = c->conf;

    if (c->tenant_id && conf->subscription) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id and subscription: az takes one of"
                             " them, a subscription has its tenant");
    }

    return entra_cli_init(c, &entra_az, err);
}


static entra_next_e
entra_az_start(entra_acquire_t *a)
{
    char               *resource;
    const entra_cli_t  *conf = a->credential->conf;

    if (entra_cli_begin(a, &entra_az) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    resource = entra_str_dup(entra_cloud_resource(entra_str_c(a->scope)));
    if (resource == NULL) {
        (void) entra_err_no_memory(&a->err);
        return ENTRA_NEXT_FAILED;
    }

    entra_cli_arg(a, "account");
    entra_cli_arg(a, "get-access-token");
    entra_cli_arg(a, "--output");
    entra_cli_arg(a, "json");
    entra_cli_arg(a, "--resource");
    entra_cli_arg(a, resource);
    free(resource);

    if (a->credential->tenant_id) {
        entra_cli_arg(a, "--tenant");
        entra_cli_arg(a, a->credential->tenant_id);
    }

    if (conf->subscription) {
        entra_cli_arg(a, "--subscription");
        entra_cli_arg(a, conf->subscription);
    }

    entra_cli_env(a, "AZURE_CORE_NO_COLOR", "true");
    entra_cli_env(a, "AZURE_CORE_COLLECT_TELEMETRY", "false");
    entra_cli_env(a, "AZURE_CORE_SURVEY_MESSAGE", "false");

    return entra_cli_run(a);
}


static entra_next_e
entra_az_refused(entra_acquire_t *a)
{
    entra_str_t  said = a->result->err;

    if (entra_cli_says(said, "AADSTS")) {
        return entra_cli_failed(a, &entra_az, entra_az_sign_in);
    }

    if (entra_cli_says(said, "az account set")) {
        (void) entra_err_unavailable(&a->err, "the Azure CLI has no"
                                     " subscription to use");
        a->err.advice = "run \"az account set --subscription ID\", write"
                        " \"subscription ID;\" or \"tenant_id ID;\"";
        return ENTRA_NEXT_FAILED;
    }

    if (entra_cli_says(said, "az login")) {
        (void) entra_err_unavailable(&a->err, "nobody has signed in to the"
                                     " Azure CLI");
        a->err.advice = entra_az_sign_in;
        return ENTRA_NEXT_FAILED;
    }

    (void) entra_cli_failed(a, &entra_az, entra_az_sign_in);

    if (entra_cli_says(said, "subscription")
        && (entra_cli_says(said, "not found")
            || entra_cli_says(said, "doesn't exist")))
    {
        a->err.class = ENTRA_ERR_CONFIG;
        a->err.advice = "write in \"subscription\" one that \"az account"
                        " list\" shows";
    }

    return ENTRA_NEXT_FAILED;
}


/* "expires_on" since 2.54; "expiresOn" is local time, that of TZ */

static int
entra_az_expiry(const entra_json_t *root, int64_t *at)
{
    if (entra_json_member_int64(root, "expires_on", at) == 0) {
        return 0;
    }

    return entra_time_parse(entra_json_member_string(root, "expiresOn"), at);
}


static entra_next_e
entra_az_step(entra_acquire_t *a)
{
    int64_t        at;
    entra_str_t    token, type;
    entra_next_e   next;
    entra_json_t  *root;

    if (a->step == 0) {
        return entra_az_start(a);
    }

    if (entra_cli_ended(a, &entra_az) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (a->result->status != 0) {
        return entra_az_refused(a);
    }

    root = entra_json_parse(a->result->out, ENTRA_PROCESS_OUT_MAX,
                            ENTRA_JSON_OBJECT);
    token = entra_json_member_string(root, "accessToken");
    type = entra_json_member_string(root, "tokenType");

    if (token.len && (type.len == 0 || entra_str_case_eq_c(type, "Bearer"))
        && entra_az_expiry(root, &at) == 0)
    {
        next = entra_cli_token(a, &entra_az, token, at,
                               "run \"az logout\" and \"az login\", newer ones"
                               " take --claims-challenge");

    } else {
        next = entra_cli_nonsense(a, &entra_az);
    }

    entra_json_free(root);

    return next;
}


static const entra_param_t  entra_az_params[] = {
    ENTRA_CLI_PARAMS,
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_azure_cli_credential = {
    .name = "azure_cli",
    .azure_name = "AzureCliCredential",
    .conf_size = sizeof(entra_cli_t),
    .params = { entra_az_params },
    .init = entra_az_init,
    .free = entra_cli_free,
    .step = entra_az_step,
    .identity = entra_cli_identity
};
