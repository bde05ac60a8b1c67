
/*
 * Copyright (C) nginx-entra authors
 *
 * AzureCliCredential: the account that "az login" has signed in.
 */

#include <stdlib.h>

#include "entra_cli.h"
#include "entra_time.h"


static const char  *const entra_az_places[] = {
    "/usr/bin/az", "/usr/local/bin/az", "/opt/az/bin/az",
    "/opt/homebrew/bin/az", "/home/linuxbrew/.linuxbrew/bin/az", NULL
};


static int
entra_az_init(entra_credential_t *c, entra_err_t *err)
{
    const entra_cli_t  *conf = c->conf;

    if (c->tenant_id && conf->subscription) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id and subscription: az takes one of"
                             " them, a subscription has its tenant");
    }

    return entra_cli_init(c, err);
}


static void
entra_az_start(entra_acquire_t *a)
{
    char               *resource;
    const entra_cli_t  *conf = a->credential->conf;

    resource = entra_cli_resource(a);
    if (resource == NULL) {
        return;
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
}


static void
entra_az_failed(entra_acquire_t *a, entra_str_t text)
{
    if (entra_cli_has(text, "AADSTS")) {
        entra_cli_unknown(a, text);
        return;
    }

    if (entra_cli_has(text, "az account set")) {
        (void) entra_err_unavailable(&a->err, "the Azure CLI has no"
                                     " subscription to use");
        a->err.advice = "run \"az account set --subscription ID\", write"
                        " \"subscription ID;\" or \"tenant_id ID;\"";
        return;
    }

    if (entra_cli_has(text, "az login")) {
        entra_cli_signed_out(a);
        return;
    }

    entra_cli_unknown(a, text);

    if (entra_cli_has(text, "subscription")
        && (entra_cli_has(text, "not found")
            || entra_cli_has(text, "doesn't exist")))
    {
        a->err.class = ENTRA_ERR_CONFIG;
        a->err.advice = "write in \"subscription\" one that \"az account"
                        " list\" shows";
    }
}


/* "expires_on" since 2.54; "expiresOn" is local time, that of TZ */

static int
entra_az_token(entra_acquire_t *a, const entra_json_t *root,
    entra_str_t *token, int64_t *expires_on)
{
    entra_str_t  type;

    type = entra_json_member_string(root, "tokenType");
    *token = entra_json_member_string(root, "accessToken");

    if (type.len && !entra_str_case_eq_c(type, "Bearer")) {
        return -1;
    }

    if (entra_json_member_seconds(root, "expires_on", expires_on) == 0) {
        return 0;
    }

    return entra_time_parse(entra_json_member_string(root, "expiresOn"),
                            expires_on);
}


static const entra_cli_tool_t  entra_az = {
    .name = "the Azure CLI",
    .places = entra_az_places,
    .install = "install the Azure CLI, or write \"executable PATH;\"",
    .sign_in = "run \"az login\" as the user of nginx's workers, with the"
               " same AZURE_CONFIG_DIR (config_dir)",
    .claims = "run \"az logout\" and \"az login\", newer ones take"
              " --claims-challenge",
    .config_env = "AZURE_CONFIG_DIR",
    .start = entra_az_start,
    .token = entra_az_token,
    .failed = entra_az_failed
};


const entra_credential_type_t  entra_azure_cli_credential = {
    .name = "azure_cli",
    .azure_name = "AzureCliCredential",
    .conf_size = sizeof(entra_cli_t),
    .params = { entra_cli_params },
    .tool = &entra_az,
    .init = entra_az_init,
    .free = entra_cli_free,
    .step = entra_cli_step,
    .identity = entra_cli_identity
};
