
/*
 * Copyright (C) nginx-entra authors
 *
 * AzureDeveloperCliCredential: the account that "azd auth login" has signed
 * in.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_cli.h"
#include "entra_enc.h"
#include "entra_json.h"
#include "entra_time.h"


#define ENTRA_AZD_CLAIMS_MAX  (16 * 1024)


static const char  entra_azd_sign_in[] =
    "run \"azd auth login\" as the user of nginx's workers, with the same"
    " AZD_CONFIG_DIR (config_dir)";

static const char  *const entra_azd_places[] = {
    "/usr/local/bin/azd", "/usr/bin/azd", "/opt/microsoft/azd/azd",
    "/opt/homebrew/bin/azd", "/home/linuxbrew/.linuxbrew/bin/azd", NULL
};

static const entra_cli_tool_t  entra_azd = {
    .name = "the Azure Developer CLI",
    .command = "azd",
    .places = entra_azd_places,
    .install = "install the Azure Developer CLI, or write"
               " \"executable PATH;\"",
    .config_env = "AZD_CONFIG_DIR",
    .no_subscription = "subscription has no meaning here: azd knows none when"
                       " it gives tokens, write \"tenant_id ID;\""
};


static int
entra_azd_init(entra_credential_t *c, entra_err_t *err)
{
    return entra_cli_init(c, &entra_azd, err);
}


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


static entra_next_e
entra_azd_start(entra_acquire_t *a)
{
    if (entra_cli_begin(a, &entra_azd) != 0) {
        return ENTRA_NEXT_FAILED;
    }

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

    return entra_cli_run(a);
}


/*
 * {"error":..,"message":..}, or lines of {"data":{"message":..}}: the last
 * message on stderr, or on stdout where some versions write it.
 */

static void
entra_azd_message(entra_str_t text, entra_buf_t *out)
{
    size_t         n;
    entra_str_t    line, message;
    entra_json_t  *root;

    while (text.len) {
        for (n = 0; n < text.len && text.data[n] != '\n'; n++) { /* void */ }

        line.data = text.data;
        line.len = n;

        root = entra_json_parse(entra_str_trim(line), ENTRA_PROCESS_OUT_MAX,
                                ENTRA_JSON_OBJECT);
        message = entra_json_member_string(root, "message");

        if (message.len == 0) {
            message = entra_json_member_string(
                          entra_json_member(root, "data"), "message");
        }

        if (entra_str_trim(message).len) {
            entra_buf_reset(out);
            entra_buf_add_str(out, entra_str_trim(message));
        }

        entra_json_free(root);

        n += n < text.len;
        text.data += n;
        text.len -= n;
    }
}


static entra_next_e
entra_azd_said(entra_acquire_t *a)
{
    entra_str_t  said = a->result->err;

    if (entra_cli_says(said, "unknown flag: --claims")) {
        (void) entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "this version of the Azure Developer CLI cannot"
                             " answer a claims challenge");
        a->err.advice = "install azd 1.18.1 or later, or sign in again";
        return ENTRA_NEXT_FAILED;
    }

    if (!entra_cli_says(said, "AADSTS")
        && (entra_cli_says(said, "not logged in")
            || entra_cli_says(said, "azd auth login")
            || entra_cli_says(said, "azd login"))
        && !entra_cli_says(said, "multi-factor")
        && !entra_cli_says(said, "reauthentication required"))
    {
        (void) entra_err_unavailable(&a->err, "nobody has signed in to the"
                                     " Azure Developer CLI");
        a->err.advice = entra_azd_sign_in;
        return ENTRA_NEXT_FAILED;
    }

    (void) entra_cli_failed(a, &entra_azd, entra_azd_sign_in);

    if (a->err.aadsts == 0 && (entra_cli_says(said, "multi-factor")
                               || entra_cli_says(said, "reauthentication")))
    {
        a->err.class = ENTRA_ERR_DENIED;
        a->err.advice = entra_azd_sign_in;
    }

    return ENTRA_NEXT_FAILED;
}


static entra_next_e
entra_azd_refused(entra_acquire_t *a)
{
    entra_buf_t                    said;
    entra_next_e                   next;
    entra_process_result_t         result;
    const entra_process_result_t  *original = a->result;

    entra_buf_init(&said, ENTRA_PROCESS_OUT_MAX);
    entra_azd_message(original->out, &said);
    entra_azd_message(original->err, &said);

    result = *original;

    if (said.len) {
        result.err = entra_buf_str(&said);
    }

    a->result = &result;
    next = entra_azd_said(a);
    a->result = original;

    entra_buf_free(&said);

    return next;
}


static entra_next_e
entra_azd_step(entra_acquire_t *a)
{
    int64_t        at;
    entra_str_t    token;
    entra_next_e   next;
    entra_json_t  *root;

    if (a->step == 0) {
        return entra_azd_start(a);
    }

    if (entra_cli_ended(a, &entra_azd) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (a->result->status != 0) {
        return entra_azd_refused(a);
    }

    root = entra_json_parse(a->result->out, ENTRA_PROCESS_OUT_MAX,
                            ENTRA_JSON_OBJECT);
    token = entra_json_member_string(root, "token");

    if (token.len
        && entra_time_rfc3339(entra_json_member_string(root, "expiresOn"), &at)
           == 0)
    {
        next = entra_cli_token(a, &entra_azd, token, at, entra_azd_sign_in);

    } else {
        next = entra_cli_nonsense(a, &entra_azd);
    }

    entra_json_free(root);

    return next;
}


static const entra_param_t  entra_azd_params[] = {
    ENTRA_CLI_PARAMS,
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_azure_developer_cli_credential = {
    .name = "azure_developer_cli",
    .azure_name = "AzureDeveloperCliCredential",
    .conf_size = sizeof(entra_cli_t),
    .params = { entra_azd_params },
    .delegated = 1,
    .init = entra_azd_init,
    .free = entra_cli_free,
    .step = entra_azd_step,
    .identity = entra_cli_identity
};
