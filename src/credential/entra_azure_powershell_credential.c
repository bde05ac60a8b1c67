
/*
 * Copyright (C) nginx-entra authors
 *
 * AzurePowerShellCredential: the account that Connect-AzAccount has signed
 * in.
 */

#include <stdlib.h>

#include "entra_cli.h"
#include "entra_cloud.h"
#include "entra_enc.h"


#define ENTRA_PWSH_MARK      "nginx-entra:"
#define ENTRA_PWSH_ENCODED   (16 * 1024)


static const char  *const entra_pwsh_places[] = {
    "/usr/bin/pwsh", "/usr/local/bin/pwsh", "/opt/microsoft/powershell/7/pwsh",
    "/snap/bin/pwsh", "/opt/homebrew/bin/pwsh", NULL
};


/*
 * Never changes: what is asked for comes in environment variables, so that
 * nothing is ever quoted.  One line of JSON after a mark is the answer;
 * modules write all kinds of things around it.
 */

static const char  entra_pwsh_script[] =
    "$ErrorActionPreference = 'Stop'\n"
    "$ProgressPreference = 'SilentlyContinue'\n"
    "$WarningPreference = 'SilentlyContinue'\n"
    "function Answer($a) {\n"
    "    [Console]::Out.WriteLine('" ENTRA_PWSH_MARK "'"
    " + (ConvertTo-Json $a -Compress))\n"
    "    exit 0\n"
    "}\n"
    "Import-Module Az.Accounts -MinimumVersion 2.2.0"
    " -ErrorAction SilentlyContinue\n"
    "$get = Get-Command Get-AzAccessToken -ErrorAction SilentlyContinue\n"
    "if (-not $get) { Answer @{ problem = 'module' } }\n"
    "$ask = @{ ResourceUrl = $env:ENTRA_RESOURCE }\n"
    "if ($env:ENTRA_TENANT) { $ask.TenantId = $env:ENTRA_TENANT }\n"
    "if ($env:ENTRA_SUBSCRIPTION) {\n"
    "    $ask.DefaultProfile = Get-AzContext -ListAvailable |\n"
    "        Where-Object { $_.Subscription.Id -eq $env:ENTRA_SUBSCRIPTION"
    " -or $_.Subscription.Name -eq $env:ENTRA_SUBSCRIPTION } |\n"
    "        Select-Object -First 1\n"
    "    if (-not $ask.DefaultProfile) {"
    " Answer @{ problem = 'subscription' } }\n"
    "}\n"
    "if ($get.Parameters.ContainsKey('AsSecureString')) {"
    " $ask.AsSecureString = $true }\n"
    "$t = Get-AzAccessToken @ask\n"
    "$v = $t.Token\n"
    "if ($v -is [Security.SecureString]) {"
    " $v = [Net.NetworkCredential]::new('', $v).Password }\n"
    "Answer @{ token = $v; expires_on = $t.ExpiresOn.ToUnixTimeSeconds() }\n";


/* base64 of UTF-16LE, as -EncodedCommand wants it; the script is ASCII */

static char *
entra_pwsh_encode(void)
{
    size_t       i;
    entra_buf_t  wide, out;

    entra_buf_init(&wide, ENTRA_PWSH_ENCODED);
    entra_buf_init(&out, ENTRA_PWSH_ENCODED);

    for (i = 0; i < sizeof(entra_pwsh_script) - 1; i++) {
        entra_buf_add_char(&wide, entra_pwsh_script[i]);
        entra_buf_add_char(&wide, '\0');
    }

    entra_enc_base64(&out, wide.data, wide.len);
    entra_buf_free(&wide);

    return entra_buf_steal(&out);
}


static void
entra_pwsh_start(entra_acquire_t *a)
{
    char               *script, *resource;
    const entra_cli_t  *conf = a->credential->conf;

    script = entra_pwsh_encode();
    resource = entra_cli_resource(a);

    if (script && resource) {
        entra_cli_arg(a, "-NoProfile");
        entra_cli_arg(a, "-NonInteractive");
        entra_cli_arg(a, "-EncodedCommand");
        entra_cli_arg(a, script);
        entra_cli_env(a, "ENTRA_RESOURCE", resource);

    } else {
        (void) entra_err_no_memory(&a->err);
    }

    free(script);
    free(resource);

    if (a->credential->tenant_id) {
        entra_cli_env(a, "ENTRA_TENANT", a->credential->tenant_id);
    }

    if (conf->subscription) {
        entra_cli_env(a, "ENTRA_SUBSCRIPTION", conf->subscription);
    }

    entra_cli_env(a, "POWERSHELL_TELEMETRY_OPTOUT", "1");
    entra_cli_env(a, "POWERSHELL_UPDATECHECK", "Off");
}


static void
entra_pwsh_failed(entra_acquire_t *a, entra_str_t text)
{
    if (entra_cli_has(text, "AADSTS")) {
        entra_cli_unknown(a, text);
        return;
    }

    if (entra_cli_has(text, "Connect-AzAccount")) {
        entra_cli_signed_out(a);
        return;
    }

    entra_cli_unknown(a, text);
    a->err.unavailable = 1;

    if (entra_cli_has(text, "AuthorizationManager check failed")) {
        a->err.class = ENTRA_ERR_CONFIG;
        a->err.advice = "PowerShell's execution policy forbids its modules:"
                        " change it with Set-ExecutionPolicy";
    }
}


/* what follows the mark, up to the end of its line */

static entra_str_t
entra_pwsh_answer(entra_str_t out)
{
    entra_str_t  line;

    while (out.len) {
        line = entra_str_trim(entra_str_cut(&out, '\n'));

        if (entra_str_starts(line, ENTRA_PWSH_MARK)) {
            line.data += sizeof(ENTRA_PWSH_MARK) - 1;
            line.len -= sizeof(ENTRA_PWSH_MARK) - 1;
            return line;
        }
    }

    return entra_str_null;
}


static int
entra_pwsh_problem(entra_acquire_t *a, entra_str_t problem)
{
    const entra_cli_t  *conf = a->credential->conf;

    if (entra_str_eq_c(problem, "module")) {
        a->err.advice = "run \"Install-Module Az.Accounts\" in pwsh, for all"
                        " users or for that of nginx's workers";
        return entra_err_unavailable(&a->err, "PowerShell has no module"
                                     " Az.Accounts 2.2.0 or later");
    }

    a->err.advice = "write in \"subscription\" one that \"Get-AzContext"
                    " -ListAvailable\" shows";

    return entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                         "Azure PowerShell has no context with the"
                         " subscription \"%s\"",
                         conf->subscription ? conf->subscription : "");
}


static int
entra_pwsh_token(entra_acquire_t *a, const entra_json_t *root,
    entra_str_t *token, int64_t *expires_on)
{
    entra_str_t  problem;

    problem = entra_json_member_string(root, "problem");

    if (problem.len) {
        return entra_pwsh_problem(a, problem);
    }

    *token = entra_json_member_string(root, "token");

    return entra_json_member_seconds(root, "expires_on", expires_on);
}


/* its profile is in $HOME/.Azure, and no variable of its own names another */

static const entra_cli_tool_t  entra_pwsh = {
    .name = "Azure PowerShell",
    .places = entra_pwsh_places,
    .install = "install PowerShell 7 with the module Az.Accounts, or write"
               " \"executable PATH;\"",
    .sign_in = "run \"Connect-AzAccount\" in pwsh as the user of nginx's"
               " workers, with the same HOME (config_dir)",
    .start = entra_pwsh_start,
    .answer = entra_pwsh_answer,
    .token = entra_pwsh_token,
    .failed = entra_pwsh_failed
};


const entra_credential_type_t  entra_azure_powershell_credential = {
    .name = "azure_powershell",
    .azure_name = "AzurePowerShellCredential",
    .conf_size = sizeof(entra_cli_t),
    .params = { entra_cli_params },
    .tool = &entra_pwsh,
    .init = entra_cli_init,
    .free = entra_cli_free,
    .step = entra_cli_step,
    .identity = entra_cli_identity
};
