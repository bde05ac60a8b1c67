
/*
 * Copyright (C) nginx-entra authors
 */

#include <openssl/evp.h>

#include "entra_cli.h"
#include "entra_enc.h"
#include "credentials.h"


#define SCOPE  "https://ml.azure.com/.default"
#define TOOL   "executable /bin/true;"
#define LONG   "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwcyJ9.c2ln"

#define refused(type, block, want)                                             \
    credential_refused(type, block, env, want)
#define make(type, block)  credential_made(type, block, env)


static entra_env_t  *env;


static void
configuration(void)
{
    char         block[600];
    const char  *tool;

    refused("azure_cli", "executable az", "is not an absolute path");
    refused("azure_cli", "executable /nonexistent/az", "does not exist");
    refused("azure_cli", "executable /etc", "is not a regular file");
    refused("azure_cli", "executable /etc/passwd", "cannot be executed");

    refused("azure_cli", "executable /bin/true;config_dir /nonexistent",
            "config_dir \"/nonexistent\" is not a directory");

    /* whoever may make files where it is: see entra_access_test.c, too */

    tool = fixture_write("az", "#!/bin/sh\n");
    chmod(tool, 0777);
    snprintf(block, sizeof(block), "executable %s", tool);
    refused("azure_cli", block, "everybody on this machine");

    refused("azure_cli", TOOL "client_id x", "client_id has no meaning here");
    refused("azure_cli", TOOL "subscription $(reboot)",
            "subscription can hold letters");
    refused("azure_cli", TOOL "subscription --debug", "subscription can hold");
    refused("azure_cli", TOOL "tenant_id -x", "tenant_id begins with");
    refused("azure_cli", TOOL "tenant_id t;subscription s",
            "az takes one of them");
    refused("azure_cli", TOOL "scope api://a&b/.default",
            "cannot be given to a command line tool");
    refused("azure_cli", TOOL "scope api://a/b", "does not end in");
    refused("azure_cli", TOOL "process_timeout 10ms",
            "process_timeout is between");
    refused("azure_developer_cli", TOOL "subscription s",
            "subscription has no meaning here");
    refused("azure_powershell", TOOL "process_timeout 6m",
            "process_timeout is between");
}


static void
az_command(void)
{
    fake_platform_t      w;
    entra_credential_t  *c;

    c = make("azure_cli", TOOL "scope aml");
    fake_init(&w);
    fake_result(&w, 0, "{\"accessToken\":\"T\",\"expires_on\":1700003600,"
                "\"expiresOn\":\"2001-01-01 00:00:00.000000\","
                "\"tokenType\":\"Bearer\"}", "WARNING: x\n");
    (void) fake_acquire(&w, c, SCOPE, NULL);

    is(w.outcome.token, "T", "az: a token");
    ok(w.outcome.lifetime == 3600, "az: expires_on comes first");
    is(w.commands[0].path, "/bin/true", "az: path");
    is(w.commands[0].argv, "/bin/true\naccount\nget-access-token\n--output\n"
       "json\n--resource\nhttps://ml.azure.com\n", "az: arguments");
    is(w.commands[0].env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
       "/usr/bin:/sbin:/bin\nLANG=C.UTF-8\nTZ=UTC\nHOME=/home/me\n"
       "HTTPS_PROXY=http://proxy:3128\nAZURE_CORE_NO_COLOR=true\n"
       "AZURE_CORE_COLLECT_TELEMETRY=false\nAZURE_CORE_SURVEY_MESSAGE=false\n",
       "az: environment, nothing else");
    ok(w.commands[0].timeout == 10000, "az: 10 s");

    fake_free(&w);
    entra_credential_free(c);

    c = make("azure_cli", TOOL "tenant_id contoso.com;config_dir /tmp;"
             "process_timeout 3s");
    fake_init(&w);
    fake_result(&w, 0, "{\"accessToken\":\"T\","
                "\"expiresOn\":\"2023-11-14 23:13:20.123456\"}", "");
    (void) fake_acquire(&w, c, "https://x//.default", NULL);

    ok(w.outcome.ok && w.outcome.lifetime == 3600,
       "az before 2.54: expiresOn is in TZ, which is UTC");
    ok(strstr(w.commands[0].argv, "--resource\nhttps://x/\n--tenant\n"
              "contoso.com\n") != NULL, "tenant, and the resource's slash");
    ok(strstr(w.commands[0].env, "HOME=/tmp\nAZURE_CONFIG_DIR=/tmp\n") != NULL,
       "config_dir");
    ok(w.commands[0].timeout == 3000, "process_timeout");

    fake_free(&w);
    entra_credential_free(c);

    c = make("azure_cli", TOOL "subscription Pay-As_you.go");
    fake_init(&w);
    (void) fake_acquire(&w, c, "--debug", NULL);
    ok(w.ncommands == 0 && w.outcome.err.class == ENTRA_ERR_CONFIG,
       "a scope that is an option");
    (void) fake_acquire(&w, c, "https://x/.default --debug", NULL);
    ok(w.ncommands == 0, "a scope with a space");
    fake_result(&w, 0, "", "");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(strstr(w.commands[0].argv, "--subscription\nPay-As_you.go\n") != NULL,
       "subscription");
    fake_free(&w);
    entra_credential_free(c);
}


/* what the tool does, and what is made of it */

typedef struct {
    const char         *type;
    int                 status;
    const char         *out;
    const char         *err;
    entra_err_class_e   class;
    int                 unavailable;
    uint32_t            aadsts;
    const char         *text;
    const char         *advice;
} failure_t;


/*
 * azd is in no distribution: its forms are those of Azure/azure-dev#7857 to
 * #7859 and Azure/azure-sdk-for-net#58616, before 1.23.7, until 1.23.15 (the
 * blank line, too), and from 1.24.0 on.
 */

#define AZD_TIME    "\"timestamp\":\"2026-04-14T22:03:37.687535934Z\","
#define AZD_OLD(m)  "{\"type\":\"consoleMessage\"," AZD_TIME                 \
                    "\"data\":{\"message\":\"\\nERROR: " m "\\n\\n\"}}\n"
#define AZD_BLANK   "{\"type\":\"consoleMessage\"," AZD_TIME                 \
                    "\"data\":{\"message\":\"\\n\"}}\n"
#define AZD_NEW(m)  "{\"error\":\"" m "\",\"links\":[{\"title\":\"azd auth"  \
                    " login reference\",\"url\":\"https://learn.microsoft."  \
                    "com/azure/developer/azure-developer-cli/reference#azd"  \
                    "-auth-login\"}],\"message\":\"Authentication with"      \
                    " Azure failed.\",\"suggestion\":\"Run 'azd auth"        \
                    " login' to sign"                                        \
                    " in again.\"}\n"
#define AZD_TENANT  "fetching token: failed to authenticate:\\n"              \
                    "(invalid_tenant) AADSTS90002: Tenant 'test' not found."


static const failure_t  failures[] = {

    { "azure_cli", 1, "", "ERROR: Please run 'az login' to setup account.\n",
      ENTRA_ERR_CONFIG, 1, 0, "nobody has signed in to the Azure CLI",
      "run \"az login\" as the user" },

    { "azure_cli", 1, "", "ERROR: No subscription found. Run 'az account set'"
      " to select a subscription.\n",
      ENTRA_ERR_CONFIG, 1, 0, "has no subscription to use",
      "az account set" },

    { "azure_cli", 1, "", "WARNING: a\nERROR: The subscription of 'x' doesn't"
      " exist in cloud 'AzureCloud'.\n",
      ENTRA_ERR_CONFIG, 0, 0,
      "failed (exit code 1): The subscription of 'x' doesn't exist",
      "az account list" },

    { "azure_cli", 1, "", "ERROR: AADSTS70043: The refresh token has expired"
      " or is invalid due to sign-in frequency checks.\r\nTrace ID: x\n"
      "To re-authenticate, please run:\naz login --scope x\n",
      ENTRA_ERR_DENIED, 0, 70043,
      "AADSTS70043: The refresh token has expired", "run \"az login\"" },

    { "azure_cli", 1, "", "ERROR: AADSTS700082: inactive. az login",
      ENTRA_ERR_DENIED, 0, 700082, "AADSTS700082: inactive", "az login" },

    { "azure_cli", 1, "", "ERROR: AADSTS90033: transient\n",
      ENTRA_ERR_TRANSIENT, 0, 90033, "AADSTS90033", NULL },

    { "azure_cli", 1, "", "ERROR: AADSTS50999999999999: strange\n",
      ENTRA_ERR_DENIED, 0, 509999999, "strange", "az login" },

    { "azure_cli", 1, "", "Traceback (most recent call last):\n  File x\n"
      "PermissionError: [Errno 13] Permission denied: '/root/.azure'\n\n",
      ENTRA_ERR_CONFIG, 0, 0,
      "(exit code 1): PermissionError: [Errno 13] Permission denied",
      "config_dir DIR" },

    { "azure_cli", 2, "", "", ENTRA_ERR_PROTOCOL, 0, 0,
      "the Azure CLI failed (exit code 2)", NULL },

    { "azure_cli", 127, "", "sh: 1: python3: not found\n",
      ENTRA_ERR_CONFIG, 1, 0, "could not be run: /bin/true: sh: 1: python3",
      "install the Azure CLI" },

    { "azure_cli", 128 + 9, "", "", ENTRA_ERR_TRANSIENT, 1, 0,
      "was killed by signal 9", NULL },

    { "azure_cli", -1, "", "", ENTRA_ERR_TRANSIENT, 1, 0,
      "ended with an unknown status", NULL },

    { "azure_cli", 255, "", "x\033[31m\n", ENTRA_ERR_PROTOCOL, 0, 0,
      "(exit code 255): x [31m", NULL },

    { "azure_cli", 0, "<html>", "", ENTRA_ERR_PROTOCOL, 0, 0,
      "its output (6 bytes) is not a token", "run the same command" },

    { "azure_cli", 0, "[]", "", ENTRA_ERR_PROTOCOL, 0, 0, "is not a token",
      NULL },

    { "azure_cli", 0, "{\"accessToken\":\"T\"}", "", ENTRA_ERR_PROTOCOL, 0, 0,
      "is not a token", NULL },

    { "azure_cli", 0, "{\"accessToken\":\"T\",\"expires_on\":1}", "",
      ENTRA_ERR_PROTOCOL, 0, 0, "gave a token that has expired", NULL },

    { "azure_cli", 0, "{\"accessToken\":\"T\\n\",\"expires_on\":1700003600}",
      "", ENTRA_ERR_PROTOCOL, 0, 0, "", NULL },

    { "azure_cli", 0, "{\"accessToken\":\"T\",\"expires_on\":1700003600,"
      "\"tokenType\":\"pop\"}", "", ENTRA_ERR_PROTOCOL, 0, 0,
      "is not a token", NULL },

    { "azure_developer_cli", 1, "", "ERROR: not logged in, run `azd auth"
      " login` to login\n", ENTRA_ERR_CONFIG, 1, 0,
      "nobody has signed in to the Azure Developer CLI", "azd auth login" },

    { "azure_developer_cli", 1, "{\"type\":\"consoleMessage\",\"data\":"
      "{\"message\":\"\\nERROR: not logged in, run `azd auth login`\\n\"}}\n",
      "", ENTRA_ERR_CONFIG, 1, 0, "nobody has signed in", "azd auth login" },

    { "azure_developer_cli", 1, "", AZD_OLD("not logged in, run `azd auth"
      " login` to login"),
      ENTRA_ERR_CONFIG, 1, 0, "nobody has signed in", "azd auth login" },
    { "azure_developer_cli", 1, "", AZD_NEW("not logged in, run `azd auth"
      " login` to login"),
      ENTRA_ERR_CONFIG, 1, 0, "nobody has signed in", "azd auth login" },

    { "azure_developer_cli", 1, "", AZD_OLD(AZD_TENANT),
      ENTRA_ERR_CONFIG, 0, 90002, "(invalid_tenant) AADSTS90002: Tenant 'test'"
      " not found", "tenant" },
    { "azure_developer_cli", 1, "", AZD_BLANK AZD_NEW(AZD_TENANT),
      ENTRA_ERR_CONFIG, 0, 90002, "(invalid_tenant) AADSTS90002: Tenant 'test'"
      " not found", "tenant" },
    { "azure_developer_cli", 1, "", AZD_NEW(AZD_TENANT),
      ENTRA_ERR_CONFIG, 0, 90002, "(invalid_tenant) AADSTS90002: Tenant 'test'"
      " not found", "tenant" },
    { "azure_developer_cli", 1, AZD_NEW(AZD_TENANT), "",
      ENTRA_ERR_CONFIG, 0, 90002, "AADSTS90002", "tenant" },

    { "azure_developer_cli", 1, "", AZD_NEW("reauthentication required, run"
      " `azd auth login` to log in"),
      ENTRA_ERR_DENIED, 0, 0, "reauthentication required", "azd auth login" },
    { "azure_developer_cli", 1, "", AZD_OLD("fetching token: failed to"
      " authenticate:\\n(interaction_required) AADSTS50076: Due to a"
      " configuration change made by your administrator, you must use"
      " multi-factor authentication.\\n"),
      ENTRA_ERR_DENIED, 0, 50076, "AADSTS50076", "azd auth login" },
    { "azure_developer_cli", 1, "", AZD_BLANK AZD_NEW("fetching token: failed"
      " to authenticate:\\n(interaction_required) AADSTS50076: Due to a"
      " configuration change made by your administrator, you must use"
      " multi-factor authentication.\\n"),
      ENTRA_ERR_DENIED, 0, 50076, "AADSTS50076", "azd auth login" },

    { "azure_developer_cli", 1, "", "ERROR: AADSTS53003: Access has been"
      " blocked by Conditional Access policies.\n", ENTRA_ERR_DENIED, 0, 53003,
      "AADSTS53003", "blocks this user" },

    { "azure_developer_cli", 1, "", "Error: unknown flag: --claims\n",
      ENTRA_ERR_CONFIG, 0, 0, "cannot answer a claims challenge", "1.18.1" },

    { "azure_developer_cli", 0, "{\"token\":\"T\",\"expiresOn\":\"soon\"}", "",
      ENTRA_ERR_PROTOCOL, 0, 0, "is not a token", NULL },

    /*
     * "Run Connect-AzAccount to login" and "AuthorizationManager check failed"
     * are what azure-identity looks for in pwsh's stderr (azure_powershell.py);
     * "nginx-entra:" is written by the script that the credential runs
     */

    { "azure_powershell", 1, "", "Get-AzAccessToken: \n | Run Connect-AzAccount"
      " to login.\n", ENTRA_ERR_CONFIG, 1, 0,
      "nobody has signed in to Azure PowerShell", "Connect-AzAccount" },

    { "azure_powershell", 0, "nginx-entra:{\"problem\":\"module\"}\n", "",
      ENTRA_ERR_CONFIG, 1, 0, "no module Az.Accounts", "Install-Module" },

    { "azure_powershell", 0, "nginx-entra:{\"problem\":\"subscription\"}", "",
      ENTRA_ERR_CONFIG, 0, 0, "no context with the subscription",
      "ListAvailable" },

    { "azure_powershell", 1, "", "Import-Module: AuthorizationManager check"
      " failed.\n", ENTRA_ERR_CONFIG, 1, 0, "AuthorizationManager",
      "Set-ExecutionPolicy" },

    { "azure_powershell", 1, "", "boom\n", ENTRA_ERR_PROTOCOL, 1, 0, "boom",
      NULL },

    { "azure_powershell", 0, "{\"token\":\"T\"}", "", ENTRA_ERR_PROTOCOL, 0,
      0, "is not a token", NULL },
};


static void
failure(const failure_t *f)
{
    fake_platform_t      w;
    entra_err_t         *err;
    entra_credential_t  *c;

    c = make(f->type, TOOL);
    fake_init(&w);
    fake_result(&w, f->status, f->out, f->err);
    (void) fake_acquire(&w, c, SCOPE, NULL);
    err = &w.outcome.err;

    if (!ok(w.outcome.done == 1 && !w.outcome.ok && err->class == f->class
            && err->unavailable == (unsigned) f->unavailable
            && err->aadsts == f->aadsts
            && strstr(err->text, f->text) != NULL
            && (f->advice == NULL
                || (err->advice && strstr(err->advice, f->advice) != NULL)),
            "%s: %d %.50s%.50s", f->type, f->status, f->text,
            f->advice ? f->advice : ""))
    {
        printf("# %s, unavailable %u, aadsts %u, advice %s\n# %s\n",
               entra_err_class_name(err->class), err->unavailable,
               (unsigned) err->aadsts, err->advice ? err->advice : "-",
               err->text);
    }

    fake_free(&w);
    entra_credential_free(c);
}


static void
ends(void)
{
    fake_platform_t      w;
    entra_credential_t  *c;

    c = make("azure_cli", TOOL "process_timeout 1500ms");
    fake_init(&w);

    fake_result(&w, -1, "", "")->timed_out = 1;
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.class == ENTRA_ERR_TRANSIENT
       && w.outcome.err.unavailable
       && strstr(w.outcome.err.text, "did not finish within 1500 ms") != NULL,
       "time-out");

    fake_result(&w, -1, "", "")->too_large = 1;
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.class == ENTRA_ERR_PROTOCOL
       && strstr(w.outcome.err.text, "wrote more than 65536") != NULL,
       "too much output");

    fake_result(&w, 0, "", "Exec format error")->started = 0;
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.err.unavailable
       && strstr(w.outcome.err.text, "/bin/true: Exec format error") != NULL,
       "not an executable");

    w.refuse = 0;
    fake_free(&w);
    entra_credential_free(c);
}


static void
secrets(void)
{
    unsigned             n;
    fake_platform_t      w;
    entra_credential_t  *c;

    static const char  *const said[] = {
        "ERROR: got {\"accessToken\": \"sesame\", \"x\": 1}\n",
        "ERROR: {'access_token':'sesame'}\n",
        "ERROR: refresh_token=sesame-0.AXYZ&x\n",
        "ERROR: bad token sesame" LONG LONG "\n",
        "x\n{\"token\":\"sesame\"}\n",
        "ACCESSTOKEN sesame\n",
        NULL
    };

    for (n = 0; said[n]; n++) {
        c = make("azure_cli", TOOL);
        fake_init(&w);
        fake_result(&w, 1, said[n], said[n]);
        fake_result(&w, 0, said[n], said[n]);
        (void) fake_acquire(&w, c, SCOPE, NULL);
        ok(!w.outcome.ok && strstr(w.outcome.err.text, "sesame") == NULL,
           "not repeated: %s", w.outcome.err.text);
        (void) fake_acquire(&w, c, SCOPE, NULL);
        ok(!w.outcome.ok && strstr(w.outcome.err.text, "sesame") == NULL,
           "nor from stdout");
        fake_free(&w);
        entra_credential_free(c);
    }
}


/* a long word is cut, whatever of "=+/._-~%" it is made of */

static void
words(void)
{
    char         line[ENTRA_CLI_LINE], text[ENTRA_CLI_LINE + 200];
    size_t       i, n;
    const char  *separator;

    for (separator = "=+/._-~%a"; *separator; separator++) {
        memset(text, 'e', sizeof(text));

        for (i = 6; i < 400; i += 7) {
            text[i] = *separator;
        }

        text[400] = '\0';
        entra_cli_line(entra_str_c(text), line);
        ok(strcmp(line, "[...]") == 0, "words with %c: %s", *separator, line);
    }

    memset(text, '=', sizeof(text));
    memcpy(text, "\"accessToken\":", 14);
    text[200] = '\0';
    entra_cli_line(entra_str_c(text), line);
    is(line, "\"accessToken\":==", "what looks like a long separator");

    memset(text, ' ', sizeof(text));
    n = ENTRA_CLI_LINE - 10;
    memset(text, 'a', 1);
    memset(text + n, 'e', 100);
    text[n + 100] = '\0';
    entra_cli_line(entra_str_c(text), line);
    ok(strchr(line, 'e') == NULL && strstr(line, "[...]"),
       "where the line ends, too");
}


static void
absent(void)
{
    fake_platform_t      w;
    entra_cli_t         *conf;
    entra_credential_t  *c;

    /* what a machine without PowerShell sees, whatever this one has */

    c = make("azure_powershell", "");
    conf = c->conf;
    ok(c->warnings.len == 0, "no tool is no warning: it may be in a chain");

    if (conf->path == NULL) {
        fake_init(&w);
        (void) fake_acquire(&w, c, SCOPE, NULL);
        ok(w.ncommands == 0 && w.outcome.err.unavailable
           && strstr(w.outcome.err.text, "Azure PowerShell was not found at"
                     " any of /usr/bin/pwsh, ") != NULL, "%s",
           w.outcome.err.text);
        fake_free(&w);
    }

    entra_credential_free(c);
}


static void
claims(void)
{
    unsigned             n;
    fake_platform_t      w;
    entra_acquire_t     *a;
    entra_credential_t  *c;

    static const char  good[] =
        "{\"accessToken\":\"T\",\"expires_on\":1700003600}";

    c = make("azure_cli", TOOL);
    fake_init(&w);
    fake_result(&w, 0, good, "");
    a = fake_start(&w, c, SCOPE, "{\"access_token\":{}}", NULL);
    a->has_refused = 1;
    EVP_Digest("T", 1, a->refused, &n, EVP_sha256(), NULL);
    fake_run(&w);
    ok(!w.outcome.ok && w.outcome.err.class == ENTRA_ERR_DENIED
       && strstr(w.outcome.err.text, "claims challenge") != NULL,
       "az: the token that was refused");

    fake_result(&w, 0, good, "");
    a = fake_start(&w, c, SCOPE, "{\"access_token\":{}}", NULL);
    a->has_refused = 1;
    fake_run(&w);
    ok(w.outcome.ok, "az: another one");
    fake_free(&w);
    entra_credential_free(c);

    c = make("azure_developer_cli", TOOL "tenant_id t;config_dir /tmp");
    fake_init(&w);
    fake_result(&w, 0, "{\"token\":\"T\",\"expiresOn\":"
                "\"2023-11-14T23:13:20Z\"}\n", "");
    (void) fake_acquire(&w, c, "api://x/read", "{}");
    ok(w.outcome.ok && w.outcome.lifetime == 3600, "azd: a token");
    is(w.commands[0].argv, "/bin/true\nauth\ntoken\n--output\njson\n"
       "--no-prompt\n--scope\napi://x/read\n--tenant-id\nt\n--claims\ne30=\n",
       "azd: arguments, claims");
    ok(strstr(w.commands[0].env, "AZD_CONFIG_DIR=/tmp\n") != NULL
       && strstr(w.commands[0].env, "NO_COLOR=true\n") != NULL,
       "azd: environment");
    fake_free(&w);
    entra_credential_free(c);
}


/* the script, back from base64 and UTF-16LE */

static void
pwsh_command(void)
{
    char                *script, *line;
    size_t               i;
    entra_buf_t          wide;
    fake_platform_t      w;
    entra_credential_t  *c;

    c = make("azure_powershell", TOOL "tenant_id t;subscription s;"
             "config_dir /tmp");
    fake_init(&w);
    fake_result(&w, 0, "Welcome!\r\nnginx-entra:{\"token\":\"T\","
                "\"expires_on\":1700003600}\r\n", "");
    (void) fake_acquire(&w, c, SCOPE, NULL);
    ok(w.outcome.ok && w.outcome.lifetime == 3600, "pwsh: a token");

    line = strstr(w.commands[0].argv, "-EncodedCommand\n");
    ok(line != NULL && strncmp(w.commands[0].argv, "/bin/true\n-NoProfile\n"
                               "-NonInteractive\n-EncodedCommand\n", 51) == 0,
       "pwsh: arguments");

    entra_buf_init(&wide, 65536);
    line += strlen("-EncodedCommand\n");
    line[strlen(line) - 1] = '\0';
    ok(entra_dec_base64_lenient(&wide, entra_str_c(line)) == 0, "base64");

    script = calloc(1, wide.len / 2 + 1);

    for (i = 0; i < wide.len / 2; i++) {
        script[i] = wide.data[2 * i + 1] ? '?' : wide.data[2 * i];
    }

    ok(strchr(script, '?') == NULL && strstr(script, "Get-AzAccessToken"),
       "UTF-16LE");
    ok(strstr(script, "ml.azure.com") == NULL, "no value is in the script");
    ok(strstr(w.commands[0].env, "ENTRA_RESOURCE=https://ml.azure.com\n"
              "ENTRA_TENANT=t\nENTRA_SUBSCRIPTION=s\n") != NULL,
       "but in the environment");
    ok(strstr(w.commands[0].env, "HOME=/tmp\n") != NULL, "HOME");

    free(script);
    entra_buf_free(&wide);
    fake_free(&w);
    entra_credential_free(c);
}


/* the environment of a process has room for everything that may be set */

static void
full_environment(void)
{
    unsigned              i;
    entra_env_t          *all, *old = env;
    fake_platform_t       w;
    entra_credential_t   *c;

    static const char  *const names[] = {
        "HOME", "AZURE_CONFIG_DIR", "AZD_CONFIG_DIR", "HTTPS_PROXY",
        "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_PRELOAD", "PYTHONPATH", NULL
    };
    static const char  *const types[] = {
        "azure_cli", "azure_developer_cli", "azure_powershell", NULL
    };

    all = entra_env_create(NULL, 0);

    for (i = 0; names[i]; i++) {
        entra_env_set(all, entra_str_c(names[i]), entra_str("/x"));
    }

    env = all;

    for (i = 0; types[i]; i++) {
        c = make(types[i], i == 2 ? TOOL "tenant_id t;subscription s"
                                  : TOOL "tenant_id t");
        fake_init(&w);
        fake_result(&w, 0, "", "");
        (void) fake_acquire(&w, c, SCOPE, NULL);
        ok(w.ncommands == 1 && strstr(w.commands[0].env, "PRELOAD") == NULL
           && strstr(w.commands[0].env, "PYTHON") == NULL, "%s", types[i]);
        fake_free(&w);
        entra_credential_free(c);
    }

    env = old;
    entra_env_free(all);
}


static void
identities(void)
{
    unsigned char        one[32], two[32];
    entra_credential_t  *c, *d;

    c = make("azure_cli", TOOL);
    d = make("azure_cli", TOOL "config_dir /tmp");
    entra_credential_key(c, entra_str(SCOPE), one);
    entra_credential_key(d, entra_str(SCOPE), two);
    ok(memcmp(one, two, 32) != 0, "two profiles share no tokens");
    entra_credential_free(d);

    d = make("azure_cli", TOOL "subscription s");
    entra_credential_key(d, entra_str(SCOPE), two);
    ok(memcmp(one, two, 32) != 0, "nor do two subscriptions");
    entra_credential_free(d);
    entra_credential_free(c);
}


int
main(void)
{
    unsigned  i;

    env = fixture_env("HOME=/home/me\nPATH=/evil\nPYTHONPATH=/evil\n"
                      "HTTPS_PROXY=http://proxy:3128\nSECRET=x\n"
                      "AZURE_CLIENT_ID=ignored\nAZURE_TENANT_ID=ignored\n");

    configuration();
    az_command();

    for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        failure(&failures[i]);
    }

    ends();
    secrets();
    words();
    absent();
    claims();
    pwsh_command();
    full_environment();
    identities();

    entra_env_free(env);

    return done();
}
