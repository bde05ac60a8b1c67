
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_caller_token.h"
#include "tap.h"


#define TENANT  "72F988BF-86f1-41af-91ab-2d7cd011db47"


static entra_err_t                err;
static entra_caller_token_conf_t  conf;


/* words separated by one blank */

static int
param(const char *line)
{
    unsigned     n = 0;
    const char  *p;
    entra_str_t  words[20];

    for ( ;; ) {
        p = strchr(line, ' ');
        words[n].data = line;
        words[n++].len = p ? (size_t) (p - line) : strlen(line);

        if (p == NULL) {
            break;
        }

        line = p + 1;
    }

    entra_err_clear(&err);

    return entra_caller_token_conf_param(&conf, words, n, &err);
}


static void
refused(const char *line, const char *says)
{
    ok(param(line) != 0 && strstr(err.text, says)
       && err.class == ENTRA_ERR_CONFIG, "refused: %s", line);

    if (strstr(err.text, says) == NULL) {
        printf("# %s\n", err.text);
    }
}


static void
audiences(void)
{
    static const char  *foreign[] = {
        "0736f41a-0425-4b46-bdb5-1563eff02385",
        "0736F41A-0425-4B46-BDB5-1563EFF02385",
        "18a66f5f-dbdf-4c17-9dd7-1634712a9cbe", "https://ml.azure.com",
        "https://ml.azure.com/", "https://ML.azure.cn",
        "https://management.azure.com", "https://management.azure.com/",
        "https://management.core.windows.net/",
        "https://management.azure.com:443/",
        "797f4846-ba00-4fd7-ba43-dac1f8f63013", "https://graph.microsoft.com",
        "00000003-0000-0000-c000-000000000000", "https://storage.azure.com/",
        "https://vault.azure.net", "api://AzureADTokenExchange", NULL
    };

    unsigned  i;
    char      line[256];

    for (i = 0; foreign[i]; i++) {
        (void) snprintf(line, sizeof(line), "audience %s", foreign[i]);
        refused(line, "Register an application for the gateway");
    }

    refused("audience api://x/.default", "without");
    refused("audience a\x01z", "special character");
    refused("audience a\xc3\xa9z", "special character");
    refused("audience", "number of arguments");
    refused("audience ", "1 to");
    ok(conf.naudiences == 0, "nothing was taken");

    ok(param("audience AAAAAAAA-0000-4000-8000-000000000001"
             " api://Gateway") == 0, "two audiences on a line");
    is(conf.audiences[0], "aaaaaaaa-0000-4000-8000-000000000001",
       "a GUID in lower case");
    is(conf.audiences[1], "api://Gateway", "a URI as it is");
    refused("audience aaaaaaaa-0000-4000-8000-000000000001", "duplicate");
    ok(param("audience b c d e f g h i j k l m n o") == 0, "16 audiences");
    refused("audience p", "more than");
}


static void
required(void)
{
    ok(entra_caller_token_conf_done(&conf, &err) != 0
       && strstr(err.text, "no tenant_id"), "tenant_id is required");

    refused("tenant_id contoso.onmicrosoft.com", "GUID");
    refused("tenant_id common", "GUID");
    refused("tenant_id 72f988bf-86f1-41af-91ab-2d7cd011db4", "GUID");
    refused("tenant_id 72f988bf086f1-41af-91ab-2d7cd011db47", "GUID");
    refused("tenant_id g2f988bf-86f1-41af-91ab-2d7cd011db47", "GUID");
    ok(param("tenant_id " TENANT) == 0, "tenant_id");
    is(conf.tenant_id, "72f988bf-86f1-41af-91ab-2d7cd011db47", "lower case");
    refused("tenant_id " TENANT, "duplicate");

    ok(entra_caller_token_conf_done(&conf, &err) != 0
       && strstr(err.text, "no audience"), "audience is required");
}


static void
others(void)
{
    refused("issuer x", "tenant_id, audience");
    refused("tenant_id", "number of arguments");
    refused("tenant_id a b", "number of arguments");

    refused("leeway 301s", "leeway is a time");
    refused("leeway 6m", "leeway is a time");
    refused("leeway -1", "leeway is a time");
    refused("leeway 500ms", "leeway is a time");
    refused("leeway s", "leeway is a time");
    ok(param("leeway 5m") == 0 && conf.leeway == 300, "leeway in minutes");
    refused("leeway 1", "duplicate");

    refused("cloud mars", "unknown cloud");
    ok(param("cloud china") == 0, "cloud");
    refused("cloud china", "duplicate");
    refused("authority_host http://x", "http");
}


/* a claims challenge names the application where an audience does */

static void
challenge(const char *audience, const char *client_id)
{
    char         want[256];
    entra_buf_t  out;

    entra_caller_token_conf_init(&conf);
    ok(param("tenant_id " TENANT) == 0 && param(audience) == 0
       && entra_caller_token_conf_done(&conf, &err) == 0, "%s", audience);

    entra_buf_init(&out, 1024);
    entra_caller_token_challenge(&conf, &out);

    snprintf(want, sizeof(want), "authorization_uri=\"https://login."
             "microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47"
             "/oauth2/v2.0/authorize\"%s", client_id);
    is(out.data, want, "its challenge");

    entra_buf_free(&out);
    entra_caller_token_conf_free(&conf);
}


int
main(void)
{
    entra_caller_token_conf_init(&conf);

    required();
    others();
    audiences();

    ok(entra_caller_token_conf_done(&conf, &err) == 0, "complete");
    is(conf.authority_host, "https://login.chinacloudapi.cn",
       "authority of the cloud");
    ok(conf.leeway == 300, "leeway kept");

    entra_caller_token_conf_free(&conf);

    ok(param("authority_host https://localhost:8443/") == 0, "an emulator");
    ok(param("tenant_id " TENANT) == 0 && param("audience x") == 0, "rest");
    ok(entra_caller_token_conf_done(&conf, &err) == 0, "complete again");
    is(conf.authority_host, "https://localhost:8443", "authority_host wins");
    ok(conf.leeway == 60, "leeway by default");

    entra_caller_token_conf_free(&conf);

    challenge("audience api://gateway", "");
    challenge("audience 3FEC8E78-0000-4000-8000-000000000000",
              ", client_id=\"3fec8e78-0000-4000-8000-000000000000\"");
    challenge("audience api://gateway api://3fec8e78-0000-4000-8000-"
              "000000000000", ", client_id=\"3fec8e78-0000-4000-8000-"
              "000000000000\"");

    return done();
}
