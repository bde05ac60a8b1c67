
/*
 * Copyright (C) nginx-entra authors
 *
 * Compared with each operation of @azure/arm-machinelearning and with the
 * later API versions in t/unit/entra_operation_ml_test.c.
 */

#include <string.h>

#include "entra_operation_ml.h"


#define SECRET  ENTRA_ML_SECRET
#define RUN     ENTRA_ML_RUN


typedef struct {
    const char  *name;
    int          flags;
} entra_ml_row_t;


static const char  entra_ml_provider[] = "microsoft.machinelearningservices/";


/*
 * Types, in lower case, and what putting one does.  Reading one discloses
 * nothing that is a secret, deleting one runs nothing.
 */

static const entra_ml_row_t  entra_ml_types[] = {
    { "operations", 0 },
    { "locations/mfeoperationresults", 0 },
    { "locations/mfeoperationsstatus", 0 },
    { "locations/quotas", 0 },
    { "locations/usages", 0 },
    { "locations/vmsizes", 0 },
    { "locations/workspaceoperationsstatus", 0 },
    { "workspaces", 0 },
    { "workspaces/batchendpoints", 0 },
    { "workspaces/batchendpoints/deployments", RUN },
    { "workspaces/batchendpoints/jobs", RUN },
    { "workspaces/codes", 0 },
    { "workspaces/codes/versions", 0 },
    { "workspaces/components", 0 },
    { "workspaces/components/versions", 0 },
    { "workspaces/computes", RUN },
    { "workspaces/connections", 0 },
    { "workspaces/data", 0 },
    { "workspaces/data/versions", 0 },
    { "workspaces/datastores", 0 },
    { "workspaces/environments", 0 },

    /* a Dockerfile's commands are run when its image is built */
    { "workspaces/environments/versions", RUN },

    { "workspaces/experiments", 0 },
    { "workspaces/experiments/runs", 0 },
    { "workspaces/features", 0 },
    { "workspaces/featuresets", 0 },

    /* with a schedule of materialization */
    { "workspaces/featuresets/versions", RUN },

    { "workspaces/featurestoreentities", 0 },
    { "workspaces/featurestoreentities/versions", 0 },
    { "workspaces/jobs", RUN },
    { "workspaces/labelingjobs", 0 },
    { "workspaces/marketplacesubscriptions", 0 },
    { "workspaces/models", 0 },
    { "workspaces/models/versions", 0 },
    { "workspaces/onlineendpoints", 0 },
    { "workspaces/onlineendpoints/deployments", RUN },
    { "workspaces/onlineendpoints/deployments/skus", 0 },
    { "workspaces/outboundnetworkdependenciesendpoints", 0 },
    { "workspaces/outboundrules", 0 },
    { "workspaces/privateendpointconnections", 0 },
    { "workspaces/privatelinkresources", 0 },
    { "workspaces/schedules", RUN },
    { "workspaces/serverlessendpoints", 0 },
    { "registries", 0 },
    { "registries/codes", 0 },
    { "registries/codes/versions", 0 },
    { "registries/components", 0 },
    { "registries/components/versions", 0 },
    { "registries/data", 0 },
    { "registries/data/versions", 0 },
    { "registries/environments", 0 },
    { "registries/environments/versions", RUN },
    { "registries/models", 0 },
    { "registries/models/versions", 0 },
    { NULL, 0 }
};


/* below a type of resources: what POST asks for */

static const entra_ml_row_t  entra_ml_actions[] = {
    { "locations/updatequotas", 0 },
    { "workspaces/batchendpoints/jobs", RUN },
    { "workspaces/batchendpoints/listkeys", SECRET },
    { "workspaces/batchendpoints/score", 0 },
    { "workspaces/codes/versions/startpendingupload", SECRET },
    { "workspaces/computes/customservices", RUN },
    { "workspaces/computes/listkeys", SECRET },
    { "workspaces/computes/listnodes", 0 },
    { "workspaces/computes/resize", 0 },
    { "workspaces/computes/restart", RUN },
    { "workspaces/computes/start", RUN },
    { "workspaces/computes/stop", 0 },
    { "workspaces/computes/updateidleshutdownsetting", 0 },
    { "workspaces/connections/listsecrets", SECRET },
    { "workspaces/data/versions/startpendingupload", SECRET },
    { "workspaces/datastores/listsecrets", SECRET },
    { "workspaces/diagnose", 0 },
    { "workspaces/featuresets/versions/backfill", RUN },
    { "workspaces/jobs/cancel", 0 },
    { "workspaces/labelingjobs/exportlabels", 0 },
    { "workspaces/labelingjobs/pause", 0 },
    { "workspaces/labelingjobs/resume", 0 },
    { "workspaces/listkeys", SECRET },
    { "workspaces/listnotebookaccesstoken", SECRET },
    { "workspaces/listnotebookkeys", SECRET },
    { "workspaces/liststorageaccountkeys", SECRET },
    { "workspaces/models/versions/package", RUN },
    { "workspaces/models/versions/startpendingupload", SECRET },
    { "workspaces/onlineendpoints/deployments/getlogs", 0 },
    { "workspaces/onlineendpoints/listkeys", SECRET },
    { "workspaces/onlineendpoints/regeneratekeys", SECRET },
    { "workspaces/onlineendpoints/score", 0 },
    { "workspaces/onlineendpoints/token", SECRET },
    { "workspaces/preparenotebook", RUN },
    { "workspaces/provisionmanagednetwork", 0 },
    { "workspaces/resynckeys", 0 },
    { "workspaces/schedules/trigger", RUN },
    { "workspaces/serverlessendpoints/getstatus", 0 },
    { "workspaces/serverlessendpoints/listkeys", SECRET },
    { "workspaces/serverlessendpoints/regeneratekeys", SECRET },
    { "registries/codes/versions/startpendingupload", SECRET },
    { "registries/data/versions/getblobreferencesas", SECRET },
    { "registries/data/versions/startpendingupload", SECRET },
    { "registries/models/versions/startpendingupload", SECRET },
    { "registries/removeregions", 0 },
    { NULL, 0 }
};


static int
entra_ml_find(const entra_ml_row_t *row, entra_str_t name)
{
    for ( /* void */ ; row->name; row++) {
        if (entra_str_eq_c(name, row->name)) {
            return row->flags;
        }
    }

    return -2;
}


int
entra_operation_ml(entra_str_t action)
{
    int          put;
    size_t       i;
    entra_str_t  name, verb;

    if (!entra_str_starts(action, entra_ml_provider)) {
        return -1;
    }

    name.data = action.data + sizeof(entra_ml_provider) - 1;
    name.len = action.len - (sizeof(entra_ml_provider) - 1);

    for (i = name.len; i > 0 && name.data[i - 1] != '/'; i--) {
        /* void */
    }

    if (i == 0) {
        return -2;
    }

    verb.data = name.data + i;
    verb.len = name.len - i;
    name.len = i - 1;

    if (entra_str_eq_c(verb, "action")) {
        return entra_ml_find(entra_ml_actions, name);
    }

    put = entra_ml_find(entra_ml_types, name);

    if (put < 0) {
        return put;
    }

    return entra_str_eq_c(verb, "read") ? ENTRA_ML_READ
           : entra_str_eq_c(verb, "write") ? put : ENTRA_ML_OTHER;
}
