
/*
 * Copyright (C) nginx-entra authors
 *
 * Presets of operations.  Those for a block (secrets, run, escape) err on the
 * wide side, those for a grant (score, read) on the narrow side.  Operations
 * that Azure ML adds later are unknown: blocked, and not granted.
 */

#include <string.h>

#include "entra_operation.h"
#include "entra_operation_ml.h"
#include "entra_path.h"


static const char *const  entra_preset_names[] = {
    "score", "read", "secrets", "escape", "run"
};


/* in lower case; paths are those of services beside Resource Manager */

static const char *const  entra_score_actions[] = {
    "microsoft.machinelearningservices/workspaces/onlineendpoints/score/action",
    "microsoft.machinelearningservices/workspaces/batchendpoints/score/action",
    NULL
};

static const char *const  entra_score_paths[] = {
    "/score",
    "/v2/models/*/infer",                           /* Triton */
    "/v2/models/*/versions/*/infer",
    "/chat/completions",                            /* serverless, Foundry */
    "/v1/chat/completions",
    "/completions",
    "/v1/completions",
    "/embeddings",
    "/v1/embeddings",
    NULL
};


/*
 * Last names: of a path, or before the verb of an action, which for POST is
 * what is done (listKeys), else a type of resources.
 */

static const char *const  entra_secrets_names[] = {
    "list",                                         /* of app settings */
    "list*key*", "list*secret*", "list*credential*", "list*password*",
    "list*token*", "list*connectionstring*", "*sas", "*sasuri",
    "get*secret*", "get*credential*", "get*token*", "generate*key*",
    "generate*token*", "regenerate*", "rotate*", "readsecrets", "secrets",
    "token", "publishxml", "addpassword", "addkey",
    "*pendingupload*", "getblobreference*",         /* SAS URIs */
    "credentials-for-read", "credentials-for-write",
    NULL
};

/* of Azure ML's data plane: answers with SAS URIs */

static const char *const  entra_secrets_paths[] = {
    "*/contentinfo/*", "*/contentinfo", "*/temporarydatareference*",
    "*/artifacts/*/contentinfo*", NULL
};

static const char *const  entra_secrets_actions[] = {
    "*/secrets/*",
    NULL
};


/*
 * Beside those of Azure ML: services that run what they are given.  The names
 * are of POST actions, and of paths that are not Resource Manager's: a batch
 * endpoint's /jobs, published pipelines.
 */

static const char *const  entra_run_names[] = {
    "jobs", "submit", "pipelinesubmit", "startrun", "snapshotrun",
    "runcommand", "run", "execute", "invoke", NULL
};

static const char *const  entra_run_actions[] = {
    "microsoft.app/*/write", "microsoft.app/*/action",
    "microsoft.automation/*/write", "microsoft.automation/*/action",
    "microsoft.batch/*/write", "microsoft.batch/*/action",
    "microsoft.compute/*/write", "microsoft.compute/*/action",
    "microsoft.containerinstance/*/write",
    "microsoft.containerinstance/*/action",
    "microsoft.containerregistry/*/action",
    "microsoft.containerregistry/*tasks/write",
    "microsoft.containerservice/*/write",
    "microsoft.containerservice/*/action",
    "microsoft.databricks/*/write", "microsoft.databricks/*/action",
    "microsoft.datafactory/*/write", "microsoft.datafactory/*/action",
    "microsoft.hybridcompute/*/write", "microsoft.hybridcompute/*/action",
    "microsoft.logic/*/write", "microsoft.logic/*/action",
    "microsoft.resources/deploymentscripts/write",
    "microsoft.synapse/*/write", "microsoft.synapse/*/action",
    "microsoft.web/*/write", "microsoft.web/*/action",
    NULL
};


static const char *const  entra_escape_names[] = {
    "batch", "$batch", "moveresources", "validatemoveresources", NULL
};

static const char *const  entra_escape_actions[] = {
    "microsoft.resources/batch/*",
    "microsoft.resources/*deployment*",
    "microsoft.authorization/*",
    "microsoft.managedidentity/*",
    "microsoft.resourcegraph/*",
    NULL
};


int
entra_preset_find(entra_str_t name, entra_preset_e *preset)
{
    unsigned  i;

    for (i = 0; i <= ENTRA_PRESET_RUN; i++) {
        if (entra_str_eq_c(name, entra_preset_names[i])) {
            *preset = (entra_preset_e) i;
            return 0;
        }
    }

    return -1;
}


static int
entra_preset_any(const char *const *patterns, entra_str_t text)
{
    for ( /* void */ ; *patterns; patterns++) {
        if (entra_arm_match(*patterns, text)) {
            return 1;
        }
    }

    return 0;
}


/* what is behind the last slash of the first len bytes */

static entra_str_t
entra_preset_last(entra_str_t text, size_t len)
{
    size_t  i;

    for (i = len; i > 0 && text.data[i - 1] != '/'; i--) {
        /* void */
    }

    return (entra_str_t) { len - i, text.data + i };
}


static entra_str_t
entra_preset_name(const entra_operation_t *op)
{
    entra_str_t  verb;

    if (op->arm != ENTRA_ARM_ACTION) {
        return entra_preset_last(op->loose, op->loose.len);
    }

    verb = entra_preset_last(op->action, op->action.len);

    return entra_preset_last(op->action, op->action.len - verb.len - 1);
}


static unsigned
entra_preset_named(const char *const *names, const char *const *actions,
    int flag, const entra_operation_t *op)
{
    int  ml;

    if (op->ambiguous || op->arm == ENTRA_ARM_UNKNOWN) {
        return ENTRA_UNKNOWN;
    }

    ml = op->arm == ENTRA_ARM_ACTION ? entra_operation_ml(op->action) : -1;

    if (ml >= 0) {
        return ml & flag ? ENTRA_TRUE : ENTRA_FALSE;
    }

    if (entra_preset_any(names, entra_preset_name(op))
        || (op->arm == ENTRA_ARM_ACTION
            && entra_preset_any(actions, op->action)))
    {
        return ENTRA_TRUE;
    }

    return ml == -2 ? ENTRA_UNKNOWN : ENTRA_FALSE;
}


static unsigned
entra_preset_secrets(const entra_operation_t *op)
{
    unsigned  match;

    match = entra_preset_named(entra_secrets_names, entra_secrets_actions,
                               ENTRA_ML_SECRET, op);

    /* Key Vault and its like: /secrets/NAME */

    if (match == ENTRA_FALSE && op->arm == ENTRA_ARM_OTHER
        && (entra_str_starts(op->loose, "/secrets/")
            || entra_preset_any(entra_secrets_paths, op->loose)))
    {
        match = ENTRA_TRUE;
    }

    return match;
}


/* reading what has run, and taking it away, runs nothing */

static unsigned
entra_preset_run(const entra_operation_t *op)
{
    unsigned  match;

    match = entra_preset_named(entra_run_names, entra_run_actions,
                               ENTRA_ML_RUN, op);

    if (match == ENTRA_TRUE && (op->methods & (ENTRA_METHOD_GET
                                               | ENTRA_METHOD_HEAD)))
    {
        return ENTRA_FALSE;
    }

    return match;
}


static unsigned
entra_preset_score(const entra_operation_t *op)
{
    unsigned            best;
    const char *const  *p;

    if (op->ambiguous || op->arm == ENTRA_ARM_UNKNOWN) {
        return ENTRA_UNKNOWN;
    }

    if (op->arm == ENTRA_ARM_ACTION) {
        return entra_preset_any(entra_score_actions, op->action) ? ENTRA_TRUE
                                                                 : ENTRA_FALSE;
    }

    best = ENTRA_FALSE;

    for (p = entra_score_paths; *p && best != ENTRA_TRUE; p++) {

        if ((op->methods & ENTRA_METHOD_POST)
            && entra_path_match(entra_str_c(*p), op->path))
        {
            best = ENTRA_TRUE;

        } else if ((op->methods_loose & ENTRA_METHOD_POST)
                   && entra_path_match(entra_str_c(*p), op->loose))
        {
            best = ENTRA_UNKNOWN;
        }
    }

    return best;
}


static unsigned
entra_preset_read(const entra_operation_t *op)
{
    unsigned  read, secrets;

    read = op->methods & (ENTRA_METHOD_GET | ENTRA_METHOD_HEAD)
           ? ENTRA_TRUE
           : op->methods_loose & (ENTRA_METHOD_GET | ENTRA_METHOD_HEAD)
             ? ENTRA_UNKNOWN : ENTRA_FALSE;

    secrets = entra_preset_secrets(op);

    return read < ENTRA_TRUE - secrets ? read : ENTRA_TRUE - secrets;
}


unsigned
entra_preset_match(entra_preset_e preset, const entra_operation_t *operation)
{
    switch (preset) {

    case ENTRA_PRESET_SCORE:
        return entra_preset_score(operation);

    case ENTRA_PRESET_READ:
        return entra_preset_read(operation);

    case ENTRA_PRESET_SECRETS:
        return entra_preset_secrets(operation);

    case ENTRA_PRESET_ESCAPE:
        return entra_preset_named(entra_escape_names, entra_escape_actions,
                                  ENTRA_ML_CARRY, operation);

    case ENTRA_PRESET_RUN:
        return entra_preset_run(operation);
    }

    return ENTRA_UNKNOWN;
}
