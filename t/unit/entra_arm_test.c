
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_arm.h"
#include "entra_path.h"
#include "tap.h"


#define SUB  "/subscriptions/00000000-0000-0000-0000-000000000001"
#define RG   SUB "/resourceGroups/rg"
#define ML   RG "/providers/Microsoft.MachineLearningServices"
#define WS   ML "/workspaces/ws"

#define ml   "microsoft.machinelearningservices"


static void
action(const char *method, const char *path, const char *want)
{
    char         text[ENTRA_ARM_ACTION_MAX + 1];
    size_t       len;
    entra_arm_e  rc;

    rc = entra_arm_action(entra_str_c(method), entra_str_c(path), text, &len);
    text[len] = '\0';

    ok(rc == ENTRA_ARM_ACTION, "%s %.90s", method, path);
    is(text, want, "is that");
}


static void
other(const char *path, entra_arm_e want)
{
    char         text[ENTRA_ARM_ACTION_MAX];
    size_t       len;
    entra_arm_e  rc;

    rc = entra_arm_action(entra_str("GET"), entra_str_c(path), text, &len);

    /* as entra_operation_init() does */

    if (entra_path_check(entra_str_c(path))) {
        rc = ENTRA_ARM_UNKNOWN;
    }

    ok(rc == want, "%.90s is %s", path,
       want == ENTRA_ARM_OTHER ? "not of Resource Manager" : "unknown");
}


static void
match(const char *pattern, const char *text, int want)
{
    char         *p;
    entra_err_t   err;

    p = entra_arm_pattern(entra_str_c(pattern), &err);

    ok(p && entra_arm_match(p, entra_str_c(text)) == want, "%s %s %s", pattern,
       want ? "matches" : "does not match", text);
    free(p);
}


static void
refuses(const char *pattern)
{
    char         *p;
    entra_err_t   err;

    p = entra_arm_pattern(entra_str_c(pattern), &err);
    ok(p == NULL, "refuses %.40s: %s", pattern, err.text);
    free(p);
}


/* each pattern against each text, and a recursive reference */

static int
naive(const char *p, const char *s)
{
    if (*p == '\0') {
        return *s == '\0';
    }

    if (*p == '*') {
        return naive(p + 1, s) || (*s && naive(p, s + 1));
    }

    return *p == *s && naive(p + 1, s + 1);
}


static void
globs(void)
{
    int       i, k, n;
    char      p[8], s[9];
    unsigned  wrong, seed;

    wrong = 0;
    seed = 1;

    for (i = 0; i < 300000; i++) {
        seed = seed * 1103515245 + 12345;

        n = (int) (seed >> 8 & 7);
        for (k = 0; k < n; k++) {
            seed = seed * 1103515245 + 12345;
            p[k] = "ab/*"[seed >> 16 & 3];
        }
        p[k] = '\0';

        n = (int) (seed >> 20 & 7);
        for (k = 0; k < n; k++) {
            seed = seed * 1103515245 + 12345;
            s[k] = "ab/a"[seed >> 16 & 3];
        }
        s[k] = '\0';

        wrong += entra_arm_match(p, entra_str_c(s)) != naive(p, s);
    }

    ok(wrong == 0, "\"*\" as in the reference, 300000 times");
}


int
main(void)
{
    int     i;
    char    path[4096], text[ENTRA_ARM_ACTION_MAX];
    size_t  len;

    /* the table of docs: what Azure ML calls need */

    action("GET", WS, ml "/workspaces/read");
    action("HEAD", WS, ml "/workspaces/read");
    action("PUT", WS, ml "/workspaces/write");
    action("PATCH", WS, ml "/workspaces/write");
    action("DELETE", WS, ml "/workspaces/delete");
    action("GET", ML "/workspaces", ml "/workspaces/read");
    action("GET", WS "/onlineEndpoints", ml "/workspaces/onlineendpoints/read");
    action("GET", WS "/onlineEndpoints/e", ml
           "/workspaces/onlineendpoints/read");
    action("PUT", WS "/onlineEndpoints/e/deployments/blue", ml
           "/workspaces/onlineendpoints/deployments/write");
    action("POST", WS "/onlineEndpoints/e/deployments/blue/getLogs", ml
           "/workspaces/onlineendpoints/deployments/getlogs/action");
    action("POST", WS "/onlineEndpoints/e/score", ml
           "/workspaces/onlineendpoints/score/action");
    action("POST", WS "/onlineEndpoints/e/listKeys", ml
           "/workspaces/onlineendpoints/listkeys/action");
    action("POST", WS "/onlineEndpoints/e/token", ml
           "/workspaces/onlineendpoints/token/action");
    action("POST", WS "/onlineEndpoints/e/regenerateKeys", ml
           "/workspaces/onlineendpoints/regeneratekeys/action");
    action("POST", WS "/jobs/j/cancel", ml "/workspaces/jobs/cancel/action");
    action("POST", WS "/listStorageAccountKeys", ml
           "/workspaces/liststorageaccountkeys/action");
    action("POST", WS "/computes/c/listKeys", ml
           "/workspaces/computes/listkeys/action");

    /* T22: letter case is of no importance, in anything */

    action("GET", "/SUBSCRIPTIONS/s/RESOURCEGROUPS/rg/PROVIDERS/"
           "MICROSOFT.machinelearningSERVICES/WorkSpaces/ws",
           ml "/workspaces/read");
    action("POST", WS "/onlineendpoints/e/LISTKEYS", ml
           "/workspaces/onlineendpoints/listkeys/action");

    /* T24: names that look like actions, odd and even */

    action("POST", WS "/onlineEndpoints/listKeys", ml
           "/workspaces/onlineendpoints/action");
    action("GET", WS "/onlineEndpoints/score", ml
           "/workspaces/onlineendpoints/read");
    action("POST", WS "/onlineEndpoints/score/listKeys", ml
           "/workspaces/onlineendpoints/listkeys/action");
    action("GET", WS "/onlineEndpoints/e/listKeys", ml
           "/workspaces/onlineendpoints/listkeys/read");
    action("DELETE", WS "/onlineEndpoints", ml
           "/workspaces/onlineendpoints/delete");
    action("GET", WS "/", ml "/workspaces/read");

    /* extension resources: the last provider counts */

    action("PUT", WS "/providers/Microsoft.Authorization/roleAssignments/x",
           "microsoft.authorization/roleassignments/write");
    action("GET", WS "/providers/Microsoft.Insights/metrics",
           "microsoft.insights/metrics/read");
    action("PUT", SUB "/providers/Microsoft.Authorization/roleAssignments/x",
           "microsoft.authorization/roleassignments/write");
    action("PUT", "/providers/Microsoft.Management/managementGroups/m/"
           "providers/Microsoft.Authorization/policyAssignments/p",
           "microsoft.authorization/policyassignments/write");
    action("PUT", WS "/providers/A.B/t/n/providers/C.D/u/m", "c.d/u/write");
    action("POST", WS "/providers/A.B/t/n/providers/C.D/u/m/act",
           "c.d/u/act/action");

    /* scopes without a provider */

    action("GET", "/subscriptions", "microsoft.resources/subscriptions/read");
    action("GET", SUB, "microsoft.resources/subscriptions/read");
    action("GET", SUB "/resourceGroups",
           "microsoft.resources/subscriptions/resourcegroups/read");
    action("DELETE", RG,
           "microsoft.resources/subscriptions/resourcegroups/delete");
    action("POST", RG "/moveResources",
           "microsoft.resources/subscriptions/resourcegroups/moveresources/"
           "action");
    action("PUT", RG "/deployments/d",
           "microsoft.resources/subscriptions/resourcegroups/deployments/"
           "write");
    action("PUT", RG "/providers/Microsoft.Resources/deployments/d",
           "microsoft.resources/deployments/write");
    action("GET", SUB "/locations",
           "microsoft.resources/subscriptions/locations/read");
    action("GET", SUB "/providers",
           "microsoft.resources/subscriptions/providers/read");
    action("GET", SUB "/providers/Microsoft.MachineLearningServices",
           "microsoft.resources/subscriptions/providers/read");
    action("POST", SUB "/providers/Microsoft.MachineLearningServices/register",
           ml "/register/action");
    action("GET", "/providers", "microsoft.resources/providers/read");
    action("GET", "/providers/Microsoft.X", "microsoft.resources/providers/"
           "read");
    action("POST", "/providers/Microsoft.ResourceGraph/resources",
           "microsoft.resourcegraph/resources/action");
    action("GET", "/tenants", "microsoft.resources/tenants/read");
    action("POST", "/batch", "microsoft.resources/batch/action");
    action("POST", "/Batch/", "microsoft.resources/batch/action");

    other("/", ENTRA_ARM_OTHER);
    other("/score", ENTRA_ARM_OTHER);
    other("/subscription/x", ENTRA_ARM_OTHER);
    other("/mlflow/v1.0" WS, ENTRA_ARM_OTHER);
    other("/subscr%69ptions/x", ENTRA_ARM_OTHER);

    action("GET", WS "/jobs/a%20b",
           "microsoft.machinelearningservices/workspaces/jobs/read");
    action("GET", "/subscriptions/s/resourceGroups/R%C3%A4ume-ml%28prod%29/"
           "providers/Microsoft.MachineLearningServices/workspaces/w/jobs/j",
           "microsoft.machinelearningservices/workspaces/jobs/read");
    other(WS "/jobs/provider%73", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs/%50roviders/X.Y/z", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs/provider%C5%BF/X.Y/z", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs/%EF%BD%90roviders/X.Y/z", ENTRA_ARM_UNKNOWN);
    other("/subscriptions/provider%73/x", ENTRA_ARM_UNKNOWN);
    other(WS "/job%73/a", ENTRA_ARM_UNKNOWN);
    other(WS "/provider%73/X.Y/z", ENTRA_ARM_UNKNOWN);
    other(WS "/%6aobs", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs/..", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs/./x", ENTRA_ARM_UNKNOWN);
    other(WS "//jobs", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs;x=y", ENTRA_ARM_UNKNOWN);
    other(WS "/jobs\\x", ENTRA_ARM_UNKNOWN);
    other("/subscriptions//x", ENTRA_ARM_UNKNOWN);
    other(WS "/\xc4\xb0obs", ENTRA_ARM_UNKNOWN);        /* dotted capital I */
    other(WS "/job\xe2\x84\xaas", ENTRA_ARM_UNKNOWN);   /* Kelvin sign */
    other("/batch/x", ENTRA_ARM_UNKNOWN);
    other("/tenants/x", ENTRA_ARM_UNKNOWN);
    other(SUB "/resourceGroups/providers/providers/Microsoft.X/t/n",
          ENTRA_ARM_UNKNOWN);
    other(WS "/jobs/providers/A.B/t", ENTRA_ARM_UNKNOWN);

    ok(entra_arm_action(entra_str("get"), entra_str(WS), text, &len)
       == ENTRA_ARM_UNKNOWN, "a method in lower case");
    ok(entra_arm_action(entra_str("OPTIONS"), entra_str(WS), text, &len)
       == ENTRA_ARM_UNKNOWN, "a method that Resource Manager does not have");

    memcpy(path, WS, sizeof(WS));
    for (i = 0; i < 200; i++) {
        strncat(path, "/typetype/n", sizeof(path) - strlen(path) - 1);
    }
    other(path, ENTRA_ARM_UNKNOWN);

    match("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/"
          "action", ml "/workspaces/onlineendpoints/score/action", 1);
    match("Microsoft.MachineLearningServices/workspaces/*/read", ml
          "/workspaces/onlineendpoints/deployments/read", 1);
    match("Microsoft.MachineLearningServices/workspaces/*/read", ml
          "/workspaces/read", 0);
    match("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/*/"
          "action", ml "/workspaces/onlineendpoints/listkeys/action", 1);
    match("*/read", "microsoft.x/y/read", 1);
    match("*/read", "microsoft.x/y/reads", 0);
    match("*", "microsoft.x/y/read", 1);
    match("Microsoft.X/*", "microsoft.xy/z", 0);

    refuses("");
    refuses("score");
    refuses("/subscriptions/x");
    refuses("Microsoft.X/%2e/read");
    refuses("Microsoft.X/\xc4\xb0/read");
    refuses("Microsoft X/y/read");
    memset(path, 'a', 300);
    path[1] = '/';
    path[300] = '\0';
    refuses(path);

    globs();

    return done();
}
