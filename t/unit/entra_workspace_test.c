
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_workspace.h"
#include "fixture.h"
#include "tap.h"


#define SUB     "11112222-3333-4444-5555-666677778888"
#define OPERATION                                                             \
    "/subscriptions/" SUB "/providers/Microsoft.MachineLearningServices/"     \
    "locations/westeurope/"

#define PATH    "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"        \
                "Microsoft.MachineLearningServices/workspaces/ws_1"
#define CONFIG  "{\"subscription_id\":\"" SUB "\","                            \
                "\"resource_group\":\"rg-1\",\"workspace_name\":\"ws_1\"}"


static void
parse_good(const char *json, const char *name)
{
    entra_buf_t        path;
    entra_err_t        err;
    entra_workspace_t  ws;

    entra_err_clear(&err);
    entra_buf_init(&path, ENTRA_WORKSPACE_PATH_MAX);

    if (!ok(entra_workspace_parse(&ws, entra_str_c(json), &err) == 0,
            "parsed: %s", name))
    {
        printf("# %s\n", err.text);
        return;
    }

    entra_workspace_path(&ws, &path);
    is(entra_buf_str(&path).data, PATH, name);

    entra_workspace_free(&ws);
    entra_buf_free(&path);
}


static void
parse_bad(const char *json, const char *want)
{
    entra_err_t        err;
    entra_workspace_t  ws;

    entra_err_clear(&err);

    ok(entra_workspace_parse(&ws, entra_str_c(json), &err) == -1,
       "refused: %s", json);
    ok(strstr(err.text, want) != NULL, "because: %s", err.text);
    ok(ws.subscription_id == NULL && ws.resource_group == NULL
       && ws.name == NULL, "and empty");
}


static void
parse(void)
{
    parse_good(CONFIG, "the studio's form");
    parse_good("\xef\xbb\xbf" CONFIG, "with a byte order mark");
    parse_good("{\"Scope\":\"" PATH "\"}", "the old form");
    parse_good("{\"Id\":null,\"Scope\":\"" PATH "\",\"x\":{\"y\":[1]}}",
               "the old form with more");
    parse_good("{\"Scope\":\"\",\"tenant_id\":\"t\",\"subscription_id\":\""
               SUB "\",\"resource_group\":\"rg-1\",\"workspace_name\":"
               "\"ws_1\"}", "an empty Scope is none");

    parse_bad("", "not a JSON object");
    parse_bad("[]", "not a JSON object");
    parse_bad("{", "not a JSON object");
    parse_bad(CONFIG "x", "not a JSON object");
    parse_bad("{\"subscription_id\":\"a\",\"subscription_id\":\"b\"}",
              "not a JSON object");
    parse_bad("{}", "\"subscription_id\" is missing");
    parse_bad("{\"subscription_id\":\"a\"}", "\"resource_group\" is missing");
    parse_bad("{\"subscription_id\":\"a\",\"resource_group\":\"b\"}",
              "\"workspace_name\" is missing");
    parse_bad("{\"subscription_id\":1,\"resource_group\":\"b\","
              "\"workspace_name\":\"c\"}", "\"subscription_id\" is missing");
    parse_bad("{\"subscription_id\":\"a/b\",\"resource_group\":\"b\","
              "\"workspace_name\":\"c\"}", "\"subscription_id\" has other");
    parse_bad("{\"subscription_id\":\"a\",\"resource_group\":\"..\","
              "\"workspace_name\":\"c\"}", "\"resource_group\" has other");
    parse_bad("{\"subscription_id\":\"a\",\"resource_group\":\"b%2f\","
              "\"workspace_name\":\"c\"}", "\"resource_group\" has other");
    parse_bad("{\"subscription_id\":\"a\",\"resource_group\":\"b\","
              "\"workspace_name\":\"c?x\"}", "\"workspace_name\" has other");
    parse_bad("{\"subscription_id\":\"a\",\"resource_group\":\"b\","
              "\"workspace_name\":\"c\\u0000d\"}", "not a JSON object");
    parse_bad("{\"subscription_id\":\"a\",\"resource_group\":\"b\","
              "\"workspace_name\":\"\xc3\xa9\"}", "\"workspace_name\" has");
    parse_bad("{\"Scope\":\"" PATH "/jobs/x\"}", "\"Scope\" is not");
    parse_bad("{\"Scope\":\"" PATH "/\"}", "\"Scope\" is not");
    parse_bad("{\"Scope\":\"x" PATH "\"}", "\"Scope\" is not");
    parse_bad("{\"Scope\":\"/subscriptions/s\"}", "\"Scope\" is not");
    parse_bad("{\"Scope\":\"/subscriptions//resourceGroups/r/providers/"
              "Microsoft.MachineLearningServices/workspaces/w\"}",
              "\"subscription_id\" is missing");
}


static void
found(const char *from, const char *want, const char *name)
{
    char         path[512], expected[512], *got;
    entra_err_t  err;

    snprintf(path, sizeof(path), "%s%s", fixture_top(), from);
    snprintf(expected, sizeof(expected), "%s%s", fixture_top(), want);

    entra_err_clear(&err);
    got = entra_workspace_find(path, &err);
    is(got, expected, name);
    free(got);
}


/* in MLClient's order: the kind of place first, then how far up it is */

static void
find(void)
{
    const char        *path;
    entra_err_t        err;
    entra_workspace_t  ws;

    mkdir(fixture_path("a"), 0700);
    mkdir(fixture_path("a/b"), 0700);
    mkdir(fixture_path("a/b/c"), 0700);

    fixture_write("a/project.json", CONFIG);
    found("/a/b/c", "/a/project.json", "a project.json far up");

    fixture_write("a/b/c/config.json", CONFIG);
    found("/a/b/c", "/a/b/c/config.json", "config.json goes first");
    found("/a/b/c/", "/a/b/c/config.json", "a slash at the end");
    found("/a/b", "/a/project.json", "not below");
    found("/a/b/c/config.json", "/a/b/c/config.json", "a file is taken");

    mkdir(fixture_path("aml_config"), 0700);
    fixture_write("aml_config/project.json", CONFIG);
    found("/a/b/c", "/aml_config/project.json", "aml_config goes first");

    mkdir(fixture_path(".azureml"), 0700);
    mkdir(fixture_path(".azureml/config.json"), 0700);
    found("/a/b/c", "/aml_config/project.json", "a directory is no file");
    rmdir(fixture_path(".azureml/config.json"));

    fixture_write(".azureml/config.json", "{}");
    found("/a/b/c", "/.azureml/config.json", ".azureml goes first");

    entra_err_clear(&err);
    ok(entra_workspace_find(fixture_path("nothing"), &err) == NULL,
       "nothing there");
    ok(strstr(err.text, "there is no workspace file") == err.text,
       "and told so");

    entra_err_clear(&err);
    path = fixture_path("a");
    ok(entra_workspace_load(&ws, path, &err) == -1, "load of a bad file");
    ok(strstr(err.text, ".azureml/config.json\": \"subscription_id\" is "
              "missing") != NULL, "names file and member");

    fixture_write(".azureml/config.json", " ");
    entra_err_clear(&err);
    ok(entra_workspace_load(&ws, path, &err) == -1, "load of an empty file");
    ok(strstr(err.text, "is empty") != NULL, "and told so");

    fixture_write(".azureml/config.json", "\n" CONFIG "\n");
    entra_err_clear(&err);
    ok(entra_workspace_load(&ws, path, &err) == 0, "load");
    is(ws.name, "ws_1", "workspace");
    is(ws.resource_group, "rg-1", "resource group");
    is(ws.subscription_id, SUB, "subscription");
    entra_workspace_free(&ws);

    entra_err_clear(&err);
    ok(entra_workspace_find("/", &err) == NULL, "nothing in the root");
}


static entra_workspace_t  ws_1 = { SUB, "rg-1", "ws_1" };


static void
match(const char *path, entra_workspace_match_e want)
{
    ok(entra_workspace_match(&ws_1, entra_str_c(path)) == want, "%s: %s",
       want == ENTRA_WORKSPACE_SAME ? "same"
       : want == ENTRA_WORKSPACE_OTHER ? "other" : "unclear", path);
}


static void
matches(void)
{
    size_t  i;

    static const char  *const same[] = {
        PATH, PATH "/", PATH "/jobs/x", PATH "/jobs/a%20b",
        PATH "/data/%C3%A9", PATH "/azureml%3A%2bx",
        "/SUBSCRIPTIONS/" SUB "/resourcegroups/RG-1/PROVIDERS/"
        "microsoft.machinelearningservices/WORKSPACES/Ws_1/jobs",
        "/mlflow/v1.0" PATH "/api/2.0/mlflow/runs/search",
        "/history/v1.0" PATH, "/mlflow/V2.0" PATH,
        PATH "/providers/Microsoft.MachineLearningServices/workspaces/WS_1",
        PATH "/jobs/workspaces/x",
        "/%73ubscriptions/" SUB "/resourceGroups/rg%2D1/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws%5f1",
        PATH "/providers/Microsoft.MachineLearningServices/workspaces/ws%5F1",
        OPERATION "mfeOperationsStatus/oe:1:2",
        OPERATION "mfeOperationResults/x",
        OPERATION "WORKSPACEOPERATIONSSTATUS/x",
        OPERATION "computeOperationsResults/x", NULL
    };

    static const char  *const other[] = {
        "/", "/subscriptions", "/subscriptions/" SUB, PATH "2", PATH "_",
        "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"
        "Microsoft.MachineLearningServices/workspaces",
        "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"
        "Microsoft.MachineLearningServices/workspaces/",
        "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws_2",
        "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"
        "Microsoft.MachineLearningServices/registries/ws_1",
        "/subscriptions/other/resourceGroups/rg-1/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws_1",
        "/subscriptions/other" PATH, "/subscriptions/v1" PATH,
        "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws%5f2",
        "/subscriptions/" SUB "/resourceGroups/rg%2D2/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws_1",
        "/%73ubscriptions/v1" PATH, "/provider%73/v1" PATH,
        "/providers/v1" PATH, "/mlflow" PATH, "/mlflow/v1.0/x" PATH,
        "/mlflow/v" PATH, "/mlflow/latest" PATH, "/mlflow/v1.0",
        PATH "/providers/Microsoft.MachineLearningServices/workspaces/ws_2",
        PATH "/providers/microsoft.machinelearningservices/WORKSPACES/ws_2/x",
        PATH "/x/microsoft.Machine%4cearningServices/%57orkspaces/ws_2",
        PATH "/a/b/providers/Microsoft.MachineLearningServices/workspaces/",
        OPERATION "mfeOperationsStatus", OPERATION "mfeOperationsStatus/",
        OPERATION "mfeOperationsStatus/x/y", OPERATION "OperationsStatus/x",
        OPERATION "usages/x", OPERATION "mfeOperationsStatus2/x",
        "/subscriptions/other/providers/Microsoft.MachineLearningServices/"
        "locations/westeurope/mfeOperationsStatus/x",
        "/subscriptions/" SUB "/providers/Microsoft.Compute/"
        "locations/westeurope/mfeOperationsStatus/x", NULL
    };

    static const char  *const unclear[] = {
        "", "x", "subscriptions", "/" PATH, PATH "//jobs", PATH "/..",
        PATH "/../ws_2", PATH "/./x", PATH "/.", PATH "/x/../../ws_2/jobs",
        PATH "/%2e%2e/ws_2", PATH "/%2E", PATH "%2fx", PATH "/a%2Fb",
        PATH "/a%5cb", PATH "/a\\b", PATH "/a;b", PATH "/%00", PATH "/%0a",
        PATH "/%25%32%65", PATH "/%", PATH "/%2", PATH "/%zz", PATH "/a b",
        OPERATION "mfeOperationsStatus/a%2Fb",
        OPERATION "mfeOperationsStatus/..",
        PATH "/\x01", PATH "/\xc3\xa9", PATH "?x", PATH "#x", PATH "/%3f",
        PATH "/%3Bx", PATH "/%7f", PATH "//",
        "/subscriptions/" SUB "/resourceGroups/rg-1%2f/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws_1",
        "/subscriptions/" SUB "/resourceGroups/%2e%2e/providers/"
        "Microsoft.MachineLearningServices/workspaces/ws_1",
        "/subscriptions/" SUB "/resourceGroups/rg-1/providers/"
        "Microsoft%2eMachineLearningServices/workspaces/ws_1", NULL
    };

    for (i = 0; same[i]; i++) {
        match(same[i], ENTRA_WORKSPACE_SAME);
    }

    for (i = 0; other[i]; i++) {
        match(other[i], ENTRA_WORKSPACE_OTHER);
    }

    for (i = 0; unclear[i]; i++) {
        match(unclear[i], ENTRA_WORKSPACE_UNCLEAR);
    }
}


/* azure-cli#799, azure-sdk-for-net#2291, azure-sdk-for-java#1250 */

static void
names(void)
{
    size_t             i;
    entra_err_t        err;
    entra_buf_t        path;
    entra_workspace_t  ws;

    static const char  *const good[][2] = {
        { "ml(prod)", "ml%28prod%29" },
        { "ml(prod)", "ml(prod)" },
        { "ml(prod)", "ML%28PROD)" },
        { "R\xc3\xa4ume-ml", "R%C3%A4ume-ml" },
        { "R\xc3\xa4ume-ml", "r%c3%a4ume%2Dml" },
        { "FORMACI\xc3\x93N", "formaci%C3%93N" },
        { "\xe6\xa9\x9f\xe6\xa2\xb0", "%E6%A9%9F%E6%A2%B0" }
    };

    static const char  *const bad[] = {
        "a\xc2\xa0" "b", "a\xe2\x80\xae" "b", "a\xe3\x80\x80" "b", "a\xff" "b",
        "a\xc0\xaf", "\xef\xbc\x8f", "\xef\xbb\xbf" "a", "a/b", "a%b", "a\\\\b"
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        entra_buf_init(&path, 4096);
        entra_buf_addf(&path, "{\"subscription_id\":\"" SUB "\","
                       "\"resource_group\":\"%s\",\"workspace_name\":\"w\"}",
                       good[i][0]);
        entra_err_clear(&err);
        ok(entra_workspace_parse(&ws, entra_buf_str(&path), &err) == 0,
           "%s %s", good[i][0], err.text);
        entra_buf_reset(&path);

        if (ws.name == NULL) {
            continue;
        }

        entra_buf_addf(&path, "/subscriptions/" SUB "/resourceGroups/%s/"
                       "providers/Microsoft.MachineLearningServices/"
                       "workspaces/w/jobs", good[i][1]);
        ok(entra_workspace_match(&ws, entra_buf_str(&path))
           == ENTRA_WORKSPACE_SAME, "%s", good[i][1]);
        entra_buf_reset(&path);
        entra_workspace_path(&ws, &path);
        ok(entra_workspace_match(&ws, entra_buf_str(&path))
           == ENTRA_WORKSPACE_SAME, "its own: %s", path.data);
        entra_buf_free(&path);
        entra_workspace_free(&ws);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        entra_buf_init(&path, 4096);
        entra_buf_addf(&path, "{\"subscription_id\":\"" SUB "\","
                       "\"resource_group\":\"%s\",\"workspace_name\":\"w\"}",
                       bad[i]);
        ok(entra_workspace_parse(&ws, entra_buf_str(&path), &err) == -1,
           "no name: %zu", i);
        entra_buf_free(&path);
    }

    ok(entra_workspace_parse(&ws, entra_str("{\"subscription_id\":\"" SUB "\","
                             "\"resource_group\":\"a\",\"workspace_name\":"
                             "\"w\xc3\xa4\"}"), &err) == -1,
       "workspaces have ASCII names");
}


int
main(void)
{
    parse();
    find();
    matches();
    names();

    return done();
}
