
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_cloud.h"
#include "tap.h"


static entra_err_t  err;


static const char *
scope(const char *cloud, const char *name)
{
    char         *p;

    static char   copy[1100];

    entra_err_clear(&err);
    p = entra_cloud_scope(entra_cloud_find(cloud), entra_str_c(name), &err);
    snprintf(copy, sizeof(copy), "%s", p ? p : "refused");
    free(p);

    return copy;
}


static const char *
authority(const char *text)
{
    char         *p;

    static char   copy[300];

    entra_err_clear(&err);
    p = entra_cloud_authority(entra_str_c(text), &err);
    snprintf(copy, sizeof(copy), "%s", p ? p : "refused");
    free(p);

    return copy;
}


static void
test_scope(void)
{
    is(scope(NULL, "aml"), "https://ml.azure.com/.default", "aml");
    is(scope("public", "arm"), "https://management.azure.com/.default",
       "arm");
    is(scope("china", "aml"), "https://ml.azure.cn/.default", "china");
    is(scope("usgov", "keyvault"), "https://vault.usgovcloudapi.net/.default",
       "usgov");
    is(scope("usgov", "graph"), "https://graph.microsoft.us/.default",
       "graph");
    is(scope(NULL, "storage"), "https://storage.azure.com/.default",
       "storage");
    is(scope(NULL, "https://x//.default"), "https://x//.default",
       "a trailing slash of the resource is kept");
    is(scope(NULL, "api://1-2/.default"), "api://1-2/.default", "api");
    is(scope(NULL, "499b84ac-1321-427f-aa17-267ca6975798/.default"),
       "499b84ac-1321-427f-aa17-267ca6975798/.default", "an id");
    is(scope(NULL, "https://graph.microsoft.com/User.Read"),
       "https://graph.microsoft.com/User.Read", "of a user");

    is(scope(NULL, "https://ml.azure.com"), "refused", "bare");
    ok(strstr(err.text, "\"https://ml.azure.com/.default\""), "and told");
    is(scope(NULL, "https://ml.azure.com/"), "refused", "bare with slash");
    ok(strstr(err.text, "\"https://ml.azure.com//.default\""), "and told");
    is(scope(NULL, "api://1-2"), "refused", "bare api");
    is(scope(NULL, "AML"), "refused", "unknown name");
    is(scope(NULL, ""), "refused", "empty");
    is(scope(NULL, "/.default"), "refused", "nothing before it");
    is(scope(NULL, "https://a/.default https://b/.default"), "refused",
       "two in one");
    is(scope(NULL, "https://a/.default,https://b/.default"), "refused",
       "two with a comma");
    is(scope(NULL, "https://a/.default\n"), "refused", "control character");
    is(scope(NULL, "https://a\"/.default"), "refused", "quote");
    is(scope(NULL, "https://a/.default/.default"), "refused", "twice");
    ok(entra_cloud_find("moon") == NULL, "unknown cloud");
}


static void
test_hosts(void)
{
    const char           *hosts[ENTRA_CLOUD_HOSTS_MAX];
    const entra_cloud_t  *cloud = entra_cloud_find(NULL);

    ok(entra_cloud_hosts(cloud, "https://ml.azure.com/.default", hosts) >= 1,
       "aml");
    is(hosts[0], "*.inference.ml.azure.com", "its host");
    ok(entra_cloud_hosts(cloud, "https://management.azure.com//.default",
                         hosts) == 2, "arm");
    is(hosts[0], "management.azure.com", "its host");
    is(hosts[1], "*.api.azureml.ms", "and the data plane");
    ok(entra_cloud_hosts(cloud, "https://ml.azure.cn/.default", hosts) == 0,
       "of another cloud");
    ok(entra_cloud_hosts(entra_cloud_find("china"),
                         "https://storage.azure.com/.default", hosts) == 5,
       "storage");
    is(hosts[0], "*.blob.core.chinacloudapi.cn", "in China");
    ok(entra_cloud_hosts(cloud, "api://x/.default", hosts) == 0, "unknown");

    ok(entra_str_eq_c(entra_cloud_resource(
                          entra_str("https://x//.default")), "https://x/"),
       "resource: exactly one suffix");
    ok(entra_str_eq_c(entra_cloud_resource(entra_str("x")), "x"),
       "resource without it");
}


static void
test_authority(void)
{
    is(authority("login.microsoftonline.com"),
       "https://login.microsoftonline.com", "a host");
    is(authority("https://Login.Microsoftonline.US/"),
       "https://login.microsoftonline.us", "with scheme and slash");
    is(authority("HTTPS://127.0.0.1:8443"), "https://127.0.0.1:8443", "port");
    is(authority("[::1]:8443"), "https://[::1]:8443", "IPv6");
    is(authority("http://x"), "refused", "http");
    is(authority("HTTP://x"), "refused", "http in capitals");
    is(authority(""), "refused", "empty");
    is(authority("https://"), "refused", "no host");
    is(authority("https:///"), "refused", "no host but a slash");
    is(authority("https://x/tenant"), "refused", "a path");
    ok(strstr(err.text, "tenant_id"), "and told");
    is(authority("https://login.microsoftonline.com:443/t"), "refused",
       "a port and a path");
    is(authority("https://x:0"), "refused", "port 0");
    is(authority("https://x:65536"), "refused", "port 65536");
    is(authority("https://x:"), "refused", "no port");
    is(authority("https://u:p@x"), "refused", "user info");
    is(authority("https://x?y"), "refused", "query");
    is(authority("https://x#y"), "refused", "fragment");
    is(authority("https://a..b"), "refused", "empty label");
    is(authority("https://x\r\nHost: y"), "refused", "control characters");
    is(authority("ftp://x"), "refused", "another scheme");
    is(authority("[::1"), "refused", "open bracket");
}


static void
test_tenant(void)
{
    ok(entra_cloud_tenant_ok(entra_str("72f988bf-86f1-41af-91ab-2d7cd011db47")
                             ), "an id");
    ok(entra_cloud_tenant_ok(entra_str("contoso.onmicrosoft.com")), "a name");
    ok(!entra_cloud_tenant_ok(entra_str("")), "empty");
    ok(!entra_cloud_tenant_ok(entra_str("a/b")), "slash");
    ok(!entra_cloud_tenant_ok(entra_str("..")), "dots");
    ok(!entra_cloud_tenant_ok(entra_str("a..b")), "dots inside");
    ok(!entra_cloud_tenant_ok(entra_str(".a")), "dot first");
    ok(!entra_cloud_tenant_ok(entra_str("a.")), "dot last");
    ok(!entra_cloud_tenant_ok(entra_str("a%2fb")), "escape");
    ok(!entra_cloud_tenant_ok(entra_str("a\0b")), "NUL");
    ok(!entra_cloud_tenant_ok(entra_str_null), "nothing");
}


int
main(void)
{
    test_scope();
    test_hosts();
    test_authority();
    test_tenant();

    return done();
}
