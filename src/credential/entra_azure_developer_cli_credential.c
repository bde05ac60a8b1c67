
/*
 * Copyright (C) nginx-entra authors
 *
 * AzureDeveloperCliCredential: the account that "azd auth login" has signed
 * in.
 */

#include <string.h>

#include "entra_cli.h"
#include "entra_enc.h"
#include "entra_time.h"


#define ENTRA_AZD_CLAIMS_MAX  (16 * 1024)


static const char  *const entra_azd_places[] = {
    "/usr/local/bin/azd", "/usr/bin/azd", "/opt/microsoft/azd/azd",
    "/opt/homebrew/bin/azd", "/home/linuxbrew/.linuxbrew/bin/azd", NULL
};


static void
entra_azd_claims(entra_acquire_t *a)
{
    entra_buf_t  b;

    entra_buf_init(&b, ENTRA_AZD_CLAIMS_MAX);
    entra_enc_base64(&b, a->claims, strlen(a->claims));

    entra_cli_arg(a, "--claims");
    entra_cli_arg(a, entra_buf_str(&b).data);

    entra_buf_free(&b);
}


static void
entra_azd_start(entra_acquire_t *a)
{
    entra_cli_arg(a, "auth");
    entra_cli_arg(a, "token");
    entra_cli_arg(a, "--output");
    entra_cli_arg(a, "json");
    entra_cli_arg(a, "--no-prompt");
    entra_cli_arg(a, "--scope");
    entra_cli_arg(a, a->scope);

    if (a->credential->tenant_id) {
        entra_cli_arg(a, "--tenant-id");
        entra_cli_arg(a, a->credential->tenant_id);
    }

    if (a->claims) {
        entra_azd_claims(a);
    }

    entra_cli_env(a, "NO_COLOR", "true");
    entra_cli_env(a, "AZURE_DEV_COLLECT_TELEMETRY", "no");
    entra_cli_env(a, "AZD_SKIP_UPDATE_CHECK", "true");
}


/*
 * Lines of JSON (Azure/azure-dev#7728): {"error":..,"message":..,
 * "suggestion":..} since 1.23.7, of which "error" alone has Entra's words;
 * until 1.23.15 after an empty one of {"type":"consoleMessage","data":
 * {"message":..}}, the form of those before.  1: an "error", which goes before
 * all others; 0: the last message, or none.
 */

static int
entra_azd_message(entra_str_t text, entra_buf_t *out)
{
    int            is_error = 0;
    entra_str_t    message;
    entra_json_t  *root;

    while (text.len && !is_error) {
        root = entra_json_parse(entra_str_trim(entra_str_cut(&text, '\n')),
                                ENTRA_PROCESS_OUT_MAX, ENTRA_JSON_OBJECT);
        message = entra_str_trim(entra_json_member_string(root, "error"));
        is_error = message.len != 0;

        if (message.len == 0) {
            message = entra_str_trim(entra_json_member_string(root,
                                                              "message"));
        }

        if (message.len == 0) {
            message = entra_str_trim(entra_json_member_string(
                          entra_json_member(root, "data"), "message"));
        }

        if (message.len) {
            entra_buf_reset(out);
            entra_buf_add_str(out, message);
        }

        entra_json_free(root);
    }

    return is_error;
}


static void
entra_azd_explain(entra_acquire_t *a, entra_str_t text)
{
    int  mfa;

    if (entra_cli_has(text, "unknown flag: --claims")) {
        (void) entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "this version of the Azure Developer CLI cannot"
                             " answer a claims challenge");
        a->err.advice = "install azd 1.18.1 or later, or sign in again";
        return;
    }

    mfa = entra_cli_has(text, "multi-factor")
          || entra_cli_has(text, "reauthentication");

    if (!mfa && !entra_cli_has(text, "AADSTS")
        && (entra_cli_has(text, "not logged in")
            || entra_cli_has(text, "azd auth login")
            || entra_cli_has(text, "azd login")))
    {
        entra_cli_signed_out(a);
        return;
    }

    entra_cli_unknown(a, text);

    if (a->err.aadsts == 0 && mfa) {
        a->err.class = ENTRA_ERR_DENIED;
        a->err.advice = a->credential->type->tool->sign_in;
    }
}


static void
entra_azd_failed(entra_acquire_t *a, entra_str_t text)
{
    entra_buf_t  message;

    entra_buf_init(&message, ENTRA_PROCESS_OUT_MAX);

    /* on stdout, where some versions write it, or on stderr */

    if (!entra_azd_message(a->result->out, &message)) {
        (void) entra_azd_message(text, &message);
    }

    entra_azd_explain(a, message.len ? entra_buf_str(&message) : text);

    entra_buf_free(&message);
}


static int
entra_azd_token(entra_acquire_t *a, const entra_json_t *root,
    entra_str_t *token, int64_t *expires_on)
{
    *token = entra_json_member_string(root, "token");

    return entra_time_rfc3339(entra_json_member_string(root, "expiresOn"),
                              expires_on);
}


static const entra_cli_tool_t  entra_azd = {
    .name = "the Azure Developer CLI",
    .places = entra_azd_places,
    .install = "install the Azure Developer CLI, or write"
               " \"executable PATH;\"",
    .sign_in = "run \"azd auth login\" as the user of nginx's workers, with"
               " the same AZD_CONFIG_DIR (config_dir)",
    .config_env = "AZD_CONFIG_DIR",
    .no_subscription = "subscription has no meaning here: azd knows none when"
                       " it gives tokens, write \"tenant_id ID;\"",
    .start = entra_azd_start,
    .token = entra_azd_token,
    .failed = entra_azd_failed
};


const entra_credential_type_t  entra_azure_developer_cli_credential = {
    .name = "azure_developer_cli",
    .azure_name = "AzureDeveloperCliCredential",
    .conf_size = sizeof(entra_cli_t),
    .params = { entra_cli_params },
    .tool = &entra_azd,
    .delegated = 1,
    .init = entra_cli_init,
    .free = entra_cli_free,
    .step = entra_cli_step,
    .identity = entra_cli_identity
};
