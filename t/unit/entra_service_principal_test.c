
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_service_principal.h"
#include "tap.h"


static entra_err_t                err;
static entra_service_principal_t  sp;


static int
parse(const char *text)
{
    entra_err_clear(&err);
    entra_service_principal_free(&sp);

    return entra_service_principal_parse(&sp, entra_str_c(text), &err);
}


static void
refused(const char *text, const char *want, const char *name)
{
    ok(parse(text) != 0 && err.class == ENTRA_ERR_CONFIG
       && strstr(err.text, want) && sp.client_id == NULL, "refused: %s",
       name);
}


int
main(void)
{
    ok(parse("{\"appId\":\"a\",\"displayName\":\"n\",\"password\":\"p\","
             "\"tenant\":\"t\"}") == 0, "az's default");
    is(sp.client_id, "a", "client id");
    is(sp.secret, "p", "secret");
    is(sp.tenant_id, "t", "tenant");
    ok(sp.certificate == NULL && sp.authority_host == NULL, "no more");

    ok(parse("\xef\xbb\xbf{\"clientId\":\"a\",\"clientSecret\":\"p\","
             "\"subscriptionId\":\"s\",\"tenantId\":\"t\","
             "\"activeDirectoryEndpointUrl\":\"https://l\","
             "\"resourceManagerEndpointUrl\":\"https://m/\","
             "\"activeDirectoryGraphResourceId\":\"https://g/\","
             "\"sqlManagementEndpointUrl\":null,"
             "\"galleryEndpointUrl\":null,"
             "\"managementEndpointUrl\":null}") == 0,
       "--json-auth, with a byte order mark");
    is(sp.authority_host, "https://l", "authority");
    is(sp.resource_manager, "https://m/", "resource manager");
    is(sp.subscription_id, "s", "subscription");

    ok(parse("{\"appId\":\"a\",\"password\":null,\"tenant\":\"t\","
             "\"fileWithCertAndPrivateKey\":\"/x.pem\"}") == 0,
       "--create-cert");
    is(sp.certificate, "/x.pem", "its path");
    ok(parse("{\"clientId\":\"a\",\"clientCertificate\":\"/x.pem\","
             "\"tenantId\":\"t\",\"activeDirectoryEndpointUrl\":null}") == 0,
       "--create-cert --json-auth");
    is(sp.certificate, "/x.pem", "its path");

    refused("", "not a JSON", "empty");
    refused("secret", "not a JSON", "a secret alone");
    refused("[]", "not a JSON", "an array");
    refused("{}", "clientId", "nothing in it");
    refused("{\"appId\":\"a\",\"password\":\"p\"}", "tenantId", "no tenant");
    refused("{\"appId\":\"a\",\"tenant\":\"t\"}", "clientSecret", "no secret");
    refused("{\"appId\":\"\",\"tenant\":\"t\",\"password\":\"p\"}",
            "clientId", "an empty one");
    refused("{\"appId\":5,\"tenant\":\"t\",\"password\":\"p\"}", "clientId",
            "a number");
    refused("{\"appId\":\"a\",\"appId\":\"b\",\"tenant\":\"t\","
            "\"password\":\"p\"}", "not a JSON", "the same member twice");

    entra_service_principal_free(&sp);

    return done();
}
