
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_operation.h"
#include "tap.h"
#include "words.h"


#define WS  "/subscriptions/s/resourceGroups/rg/providers/"                   \
            "Microsoft.MachineLearningServices/workspaces/ws"


static const char *const  truth[] = { "false", "unknown", "true" };


static unsigned
judge(const entra_operation_list_t *list, const char *method, const char *path)
{
    char               *scratch;
    unsigned            match;
    entra_operation_t   operation;

    /* of exactly the size that is asked for: the sanitizer watches it */

    scratch = malloc(entra_operation_scratch(strlen(path)));

    entra_operation_init(&operation, entra_str_c(method), entra_str_c(path),
                         scratch);
    match = entra_operation_list_match(list, &operation);

    free(scratch);

    return match;
}


static void
is_match(const char *line, const char *method, const char *path, unsigned want)
{
    unsigned                n, match;
    entra_err_t             err;
    entra_str_t             words[WORDS_MAX];
    entra_operation_list_t  list;

    memset(&list, 0, sizeof(list));
    entra_err_clear(&err);

    n = words_of(line, words);

    if (entra_operation_list_line(&list, words, n, &err) != 0) {
        ok(0, "reads %s: %s", line, err.text);

    } else {
        match = judge(&list, method, path);
        ok(match == want, "%s: %s %.80s: %s", line, method, path,
           truth[match]);
    }

    entra_operation_list_free(&list);
}


static void
refuses(const char *line, const char *says)
{
    unsigned                n;
    entra_err_t             err;
    entra_str_t             words[WORDS_MAX];
    entra_operation_list_t  list;

    memset(&list, 0, sizeof(list));
    entra_err_clear(&err);

    n = words_of(line, words);

    ok(entra_operation_list_line(&list, words, n, &err) == -1
       && strstr(err.text, says), "refuses %s: %s", line, err.text);

    entra_operation_list_free(&list);
}


static void
texts(const char *method, const char *path, const char *want)
{
    char               *scratch;
    entra_buf_t         b;
    entra_operation_t   operation;

    scratch = malloc(entra_operation_scratch(strlen(path)));
    entra_operation_init(&operation, entra_str_c(method), entra_str_c(path),
                         scratch);
    entra_buf_init(&b, 1024);
    entra_operation_text(&operation, &b);
    is(entra_buf_str(&b).data, want, "as text");
    entra_buf_free(&b);
    free(scratch);
}


int
main(void)
{
    char  big[9000];

    is_match("\"POST /score\"", "POST", "/score", ENTRA_TRUE);
    is_match("\"POST /score\"", "GET", "/score", ENTRA_FALSE);
    is_match("\"POST /score\"", "POST", "/scores", ENTRA_FALSE);
    is_match("\"POST /score\"", "POST", "/", ENTRA_FALSE);
    is_match("\"GET /x\"", "HEAD", "/x", ENTRA_TRUE);
    is_match("\"HEAD /x\"", "GET", "/x", ENTRA_FALSE);
    is_match("\"GET,POST /x\"", "POST", "/x", ENTRA_TRUE);
    is_match("\"* /x\"", "FOO", "/x", ENTRA_TRUE);
    is_match("\"POST /x\"", "FOO", "/x", ENTRA_FALSE);
    is_match("\"POST /score/*\"", "POST", "/score/a/b", ENTRA_TRUE);
    is_match("\"POST /score/*\"", "POST", "/score/", ENTRA_FALSE);
    is_match("\"POST /score/*\"", "POST", "/score", ENTRA_FALSE);
    is_match("\"POST /a\" \"POST /b\"", "POST", "/b", ENTRA_TRUE);

    /* T23: the query string is never part of it */

    is_match("\"POST /score\"", "POST", "/score?x=y", ENTRA_TRUE);
    is_match("\"POST /score\"", "POST", "/admin?/score", ENTRA_FALSE);
    is_match("\"POST /score\"", "POST", "?/score", ENTRA_UNKNOWN);

    /* what a lax upstream would take for the same is unknown */

    is_match("\"POST /score\"", "POST", "/Score", ENTRA_UNKNOWN);
    is_match("\"POST /score\"", "POST", "/score/", ENTRA_UNKNOWN);
    is_match("\"POST /score\"", "post", "/score", ENTRA_UNKNOWN);
    is_match("\"POST /score/\"", "POST", "/score", ENTRA_UNKNOWN);
    is_match("\"POST /a$b\"", "POST", "/a%24b", ENTRA_UNKNOWN);
    is_match("\"POST /score/*\"", "POST", "/SCORE/x", ENTRA_UNKNOWN);
    is_match("\"POST /score\"", "POST", "/%73core", ENTRA_TRUE);
    is_match("\"POST /a%2Cb\"", "POST", "/a%2cb", ENTRA_TRUE);
    is_match("\"POST /ml(prod)/x\"", "POST", "/ml%28prod%29/x", ENTRA_TRUE);
    is_match("\"POST /ml(prod)/x\"", "POST", "/ml(prod)/x", ENTRA_TRUE);
    is_match("\"POST /ml(prod)/*\"", "POST", "/ml%28prod%29/x", ENTRA_TRUE);
    is_match("\"POST /ml(prod)/x\"", "POST", "/ml%28prod%2f/x", ENTRA_UNKNOWN);

    /* ambiguous paths: entra_path raw lets them come here */

    is_match("\"POST /score\"", "POST", "/x/../score", ENTRA_UNKNOWN);
    is_match("\"POST /score\"", "POST", "/admin%2f", ENTRA_UNKNOWN);
    is_match("\"POST /score\"", "POST", "//score", ENTRA_UNKNOWN);
    is_match("\"POST /score\"", "OPTIONS", "*", ENTRA_UNKNOWN);
    is_match("arm */read", "GET", "/%2e%2e/x", ENTRA_UNKNOWN);
    is_match("preset secrets", "GET", "/a//b", ENTRA_UNKNOWN);
    is_match("preset read", "GET", "/a//b", ENTRA_UNKNOWN);
    is_match("preset read", "POST", "/a//b", ENTRA_FALSE);

    is_match("arm Microsoft.MachineLearningServices/workspaces/*/read", "GET",
             WS "/jobs/j", ENTRA_TRUE);
    is_match("arm Microsoft.MachineLearningServices/workspaces/*/read", "GET",
             WS "/jobs/j?api-version=1", ENTRA_TRUE);
    is_match("arm Microsoft.MachineLearningServices/workspaces/*/read", "GET",
             WS "/jobs/a%20b", ENTRA_TRUE);
    is_match("arm Microsoft.MachineLearningServices/workspaces/*/read", "GET",
             "/score", ENTRA_FALSE);
    is_match("arm A.B/c/read Microsoft.MachineLearningServices/workspaces/"
             "read", "GET", WS, ENTRA_TRUE);

    is_match("preset score", "POST", "/score", ENTRA_TRUE);
    is_match("preset score", "GET", "/score", ENTRA_FALSE);
    is_match("preset score", "POST", "/SCORE", ENTRA_UNKNOWN);
    is_match("preset score", "POST", "/v2/models/m/infer", ENTRA_TRUE);
    is_match("preset score", "POST", "/v1/chat/completions", ENTRA_TRUE);
    is_match("preset score", "POST", "/jobs", ENTRA_FALSE);
    is_match("preset score", "POST", WS "/onlineEndpoints/e/score",
             ENTRA_TRUE);
    is_match("preset score", "POST", WS "/onlineEndpoints/e/listKeys",
             ENTRA_FALSE);

    is_match("preset read", "GET", "/anything/at/all", ENTRA_TRUE);
    is_match("preset read", "HEAD", WS, ENTRA_TRUE);
    is_match("preset read", "POST", WS "/jobs", ENTRA_FALSE);
    is_match("preset read", "get", WS, ENTRA_UNKNOWN);
    is_match("preset read", "GET", WS "/metadata/m/secrets/s", ENTRA_FALSE);
    is_match("preset read", "GET", WS "/listNotebookAccessToken", ENTRA_FALSE);
    is_match("preset read", "GET", "/secrets/name", ENTRA_FALSE);

    is_match("preset secrets", "POST", WS "/listKeys", ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/LISTKEYS", ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/onlineEndpoints/e/listKeys",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/onlineEndpoints/e/token",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/onlineEndpoints/e/regenerateKeys",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/listStorageAccountKeys",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/datastores/d/listSecrets",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/connections/c/listsecrets",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/environments/e/readSecrets",
             ENTRA_TRUE);
    is_match("preset secrets", "GET", WS "/listNotebookAccessToken",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", "/datastore/v1.0/x/listSecrets/",
             ENTRA_TRUE);
    is_match("preset secrets", "POST", WS "/onlineEndpoints/e/score",
             ENTRA_FALSE);
    is_match("preset secrets", "GET", WS "/onlineEndpoints/listKeys",
             ENTRA_FALSE);
    is_match("preset secrets", "POST", "/score", ENTRA_FALSE);

    is_match("preset escape", "POST", "/batch?api-version=2020-06-01",
             ENTRA_TRUE);
    is_match("preset escape", "POST", "/Batch/", ENTRA_TRUE);
    is_match("preset escape", "POST", "/v1.0/$batch", ENTRA_TRUE);
    is_match("preset escape", "POST", "/v1.0/%24batch", ENTRA_TRUE);
    is_match("preset escape", "PUT", "/subscriptions/s/resourceGroups/g/"
             "providers/Microsoft.Resources/deployments/d", ENTRA_TRUE);
    is_match("preset escape", "PUT", "/subscriptions/s/resourcegroups/g/"
             "deployments/d", ENTRA_TRUE);
    is_match("preset escape", "PUT", WS "/providers/Microsoft.Authorization/"
             "roleAssignments/r", ENTRA_TRUE);
    is_match("preset escape", "POST", "/subscriptions/s/resourceGroups/g/"
             "moveResources", ENTRA_TRUE);
    is_match("preset escape", "POST",
             "/providers/Microsoft.ResourceGraph/resources", ENTRA_TRUE);
    is_match("preset escape", "PUT", WS "/onlineEndpoints/e/deployments/blue",
             ENTRA_FALSE);
    is_match("preset escape", "POST", "/api/2.0/mlflow/runs/log-batch",
             ENTRA_FALSE);
    is_match("preset escape", "FOO", WS, ENTRA_UNKNOWN);

    refuses("/score", "METHOD PATH");
    refuses("POST /score", "METHOD PATH");
    refuses("\"post /score\"", "not a method");
    refuses("\"POST,/score\"", "METHOD PATH");
    refuses("\"POST, /score\"", "not a method");
    refuses("\"POST,,GET /score\"", "not a method");
    refuses("\"POST score\"", "does not begin with a slash");
    refuses("\"POST /score?x=y\"", "query string");
    refuses("\"POST /a/../b\"", "dot segment");
    refuses("\"POST /sc*re\"", "whole segment");
    refuses("\"POST /score*\"", "whole segment");
    refuses("\"POST /**\"", "whole segment");
    refuses("\"POST /%73core\"", "write that");
    refuses("\"POST /a%2cb\"", "write that");
    refuses("\"POST \"", "slash");
    refuses("arm", "an action");
    refuses("arm score", "not an action");
    refuses("preset", "a name");
    refuses("preset everything", "unknown preset");

    snprintf(big, sizeof(big), "\"POST /%08990d\"", 0);
    refuses(big, "more than");

    texts("POST", "/score?x", "POST /score");
    texts("POST", "/a\x1b[31m//", "POST /a [31m//");
    texts("GET", WS, "microsoft.machinelearningservices/workspaces/read");

    return done();
}
