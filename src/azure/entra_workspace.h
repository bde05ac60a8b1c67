
/*
 * Copyright (C) nginx-entra authors
 *
 * An Azure ML workspace as config.json names it, found and read as
 * MLClient.from_config() does (azure-ai-ml 1.34), and the question whether a
 * request's path lies in it.
 */

#ifndef ENTRA_WORKSPACE_H
#define ENTRA_WORKSPACE_H


#include "entra_err.h"


#define ENTRA_WORKSPACE_FILE_MAX  (64 * 1024)
#define ENTRA_WORKSPACE_PATH_MAX  2048          /* of entra_workspace_path() */


typedef struct {
    char  *subscription_id;                     /* owned, charset checked */
    char  *resource_group;
    char  *name;
} entra_workspace_t;


typedef enum {
    ENTRA_WORKSPACE_OTHER = 0,      /* another workspace, or none at all */
    ENTRA_WORKSPACE_SAME,
    ENTRA_WORKSPACE_UNCLEAR         /* encoded or ambiguous: to be refused */
} entra_workspace_match_e;


/*
 * The file for `path`: itself when it is a file; else from this directory up
 * to the root, at most 20 levels: .azureml/config.json, then
 * .azureml/project.json, aml_config/config.json, aml_config/project.json,
 * config.json, project.json, each looked for on all levels before the next.
 * Heap, or NULL and err.  Blocks on the disk: configuration time only.
 * Public for tests, as the next.
 */
char *entra_workspace_find(const char *path, entra_err_t *err);

/*
 * {"subscription_id", "resource_group", "workspace_name"}, or the old
 * {"Scope": "/subscriptions/.../workspaces/..."}; other members are ignored.
 * 0; or -1 and err, and ws is empty.  Public for tests.
 */
int entra_workspace_parse(entra_workspace_t *ws, entra_str_t json,
    entra_err_t *err);

/* finds, reads and parses; err names the file */
int entra_workspace_load(entra_workspace_t *ws, const char *path,
    entra_err_t *err);

void entra_workspace_free(entra_workspace_t *ws);   /* content, not itself */

/*
 * /subscriptions/S/resourceGroups/RG/providers/
 * Microsoft.MachineLearningServices/workspaces/WS, with %XX for what is not
 * ASCII
 */
void entra_workspace_path(const entra_workspace_t *ws, entra_buf_t *out);

/*
 * Compares the path of a request, as the upstream will get it (no query): that
 * of Resource Manager, or of the regional data plane and MLflow, where a
 * service and a version come first (/mlflow/v1.0/subscriptions/...); or the
 * state of an operation in the same subscription (/subscriptions/S/providers/
 * Microsoft.MachineLearningServices/locations/REGION/mfeOperationsStatus/ID).
 * Letter case is ignored, as in Resource Manager.  What names another
 * workspace further down is OTHER.
 *
 * Names are compared decoded: Python's SDK writes "ml(prod)" as ml%28prod%29.
 *
 * UNCLEAR, never SAME, is what an upstream may read differently: a '%' that
 * encodes '.', '/', '\', '%', ';', '?', '#' or a control character; '\', ';',
 * dot segments, empty segments, bytes outside of visible ASCII anywhere.
 */
entra_workspace_match_e entra_workspace_match(const entra_workspace_t *ws,
    entra_str_t path);


#endif /* ENTRA_WORKSPACE_H */
