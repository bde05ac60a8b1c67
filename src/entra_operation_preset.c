
/*
 * Copyright (C) nginx-entra authors
 *
 * Presets of operations.  Their lists lean to the wide side where they are
 * meant for a block (secrets, escape), to the narrow side where they are
 * meant for a grant (score, read).
 */

#include <string.h>

#include "entra_operation.h"
#include "entra_path.h"


static const char *const  entra_preset_names[] = {
    "score", "read", "secrets", "escape"
};


/*
 * Actions and paths in lower case.  Paths are those of services beside
 * Resource Manager; a last segment is compared when there is no slash.
 */

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


static const char *const  entra_secrets_actions[] = {
    "*/list*key*/action",
    "*/list*secret*/action",
    "*/list*credential*/action",
    "*/list*password*/action",
    "*/list*token*",                                /* one is a .../read */
    "*/list*connectionstring*/action",
    "*/list*sas/action",
    "*/config/list/action",
    "*/regenerate*/action",
    "*/rotate*/action",
    "*/token/action",
    "*/get*token*/action",
    "*/generate*token*/action",
    "*/generate*key*/action",
    "*/readsecrets/action",
    "*/get*secret*/action",
    "*/get*credential*/action",
    "*/publishxml/action",
    "*/secrets/*",
    NULL
};

static const char *const  entra_secrets_segments[] = {
    "list*key*", "list*secret*", "list*credential*", "list*password*",
    "list*token*", "list*connectionstring*", "list*sas", "regenerate*",
    "readsecrets", "get*secret*", "addpassword", "addkey", "secrets", "token",
    NULL
};


static const char *const  entra_escape_actions[] = {
    "microsoft.resources/batch/*",
    "microsoft.resources/*deployment*",
    "*/moveresources/action",
    "*/validatemoveresources/action",
    "microsoft.authorization/*",
    "microsoft.managedidentity/*",
    "microsoft.resourcegraph/*",
    NULL
};

static const char *const  entra_escape_segments[] = {
    "batch", "$batch", NULL
};


int
entra_preset_find(entra_str_t name, entra_preset_e *preset)
{
    unsigned  i;

    for (i = 0; i <= ENTRA_PRESET_ESCAPE; i++) {
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


/* of the path in its loose form: nothing here depends on letter case */

static int
entra_preset_last(const char *const *patterns, entra_str_t path)
{
    size_t  i;

    for (i = path.len; i > 0 && path.data[i - 1] != '/'; i--) {
        /* void */
    }

    return entra_preset_any(patterns,
                            (entra_str_t) { path.len - i, path.data + i });
}


static unsigned
entra_preset_blocked(const char *const *actions, const char *const *segments,
    const entra_operation_t *op)
{
    if (op->ambiguous || op->arm == ENTRA_ARM_UNKNOWN) {
        return ENTRA_UNKNOWN;
    }

    if (op->arm == ENTRA_ARM_ACTION) {
        return entra_preset_any(actions, op->action) ? ENTRA_TRUE
                                                     : ENTRA_FALSE;
    }

    return entra_preset_last(segments, op->loose) ? ENTRA_TRUE : ENTRA_FALSE;
}


/* Key Vault and its like: /secrets/NAME */

static unsigned
entra_preset_secrets(const entra_operation_t *op)
{
    unsigned  match;

    match = entra_preset_blocked(entra_secrets_actions,
                                 entra_secrets_segments, op);

    if (match == ENTRA_FALSE && op->arm == ENTRA_ARM_OTHER
        && entra_str_starts(op->loose, "/secrets/"))
    {
        match = ENTRA_TRUE;
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
        return entra_preset_blocked(entra_escape_actions,
                                    entra_escape_segments, operation);
    }

    return ENTRA_UNKNOWN;
}
