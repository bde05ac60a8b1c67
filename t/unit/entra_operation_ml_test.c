
/*
 * Copyright (C) nginx-entra authors
 *
 * The presets against the whole surface of Azure ML.  Each operation is
 * classified by what it does:
 *
 *   R  reads        S  discloses or replaces a key, a token or a SAS
 *   X  runs code, now or later, mostly under another identity
 *   G  carries or grants other operations
 *   -  changes something, and none of these
 *   ?  nobody has looked at it
 *
 * The first part is generated from the operation specs of npm's
 * @azure/arm-machinelearning, 2.1.1 (all of its 119); "~" is a resource
 * group's provider, "^" a subscription's.
 */

#include <stdlib.h>

#include "entra_operation.h"
#include "tap.h"


#define PROVIDER  "/providers/Microsoft.MachineLearningServices"
#define GROUP     "/subscriptions/s/resourceGroups/rg" PROVIDER


typedef struct {
    const char  *name;
    const char  *method;
    const char  *path;
    char         class;
} surface_t;


static const surface_t  surface[] = {

    { "operations.list", "GET",
      "/providers/Microsoft.MachineLearningServices/operations", 'R' },
    { "quotas.list", "GET",
      "^/locations/we/quotas", 'R' },
    { "quotas.update", "POST",
      "^/locations/we/updateQuotas", '-' },
    { "usages.list", "GET",
      "^/locations/we/usages", 'R' },
    { "virtualMachineSizes.list", "GET",
      "^/locations/we/vmSizes", 'R' },
    { "workspaces.listBySubscription", "GET",
      "^/workspaces", 'R' },
    { "workspaces.listByResourceGroup", "GET",
      "~/workspaces", 'R' },
    { "workspaces.delete", "DELETE",
      "~/workspaces/ws", '-' },
    { "workspaces.get", "GET",
      "~/workspaces/ws", 'R' },
    { "workspaces.update", "PATCH",
      "~/workspaces/ws", '-' },
    { "workspaces.createOrUpdate", "PUT",
      "~/workspaces/ws", '-' },
    { "batchEndpoints.list", "GET",
      "~/workspaces/ws/batchEndpoints", 'R' },
    { "batchEndpoints.delete", "DELETE",
      "~/workspaces/ws/batchEndpoints/e", '-' },
    { "batchEndpoints.get", "GET",
      "~/workspaces/ws/batchEndpoints/e", 'R' },
    { "batchEndpoints.update", "PATCH",
      "~/workspaces/ws/batchEndpoints/e", '-' },
    { "batchEndpoints.createOrUpdate", "PUT",
      "~/workspaces/ws/batchEndpoints/e", '-' },
    { "batchDeployments.list", "GET",
      "~/workspaces/ws/batchEndpoints/e/deployments", 'R' },
    { "batchDeployments.delete", "DELETE",
      "~/workspaces/ws/batchEndpoints/e/deployments/d", '-' },
    { "batchDeployments.get", "GET",
      "~/workspaces/ws/batchEndpoints/e/deployments/d", 'R' },
    { "batchDeployments.update", "PATCH",
      "~/workspaces/ws/batchEndpoints/e/deployments/d", 'X' },
    { "batchDeployments.createOrUpdate", "PUT",
      "~/workspaces/ws/batchEndpoints/e/deployments/d", 'X' },
    { "batchEndpoints.listKeys", "POST",
      "~/workspaces/ws/batchEndpoints/e/listkeys", 'S' },
    { "codeContainers.list", "GET",
      "~/workspaces/ws/codes", 'R' },
    { "codeContainers.delete", "DELETE",
      "~/workspaces/ws/codes/a", '-' },
    { "codeContainers.get", "GET",
      "~/workspaces/ws/codes/a", 'R' },
    { "codeContainers.createOrUpdate", "PUT",
      "~/workspaces/ws/codes/a", '-' },
    { "codeVersions.list", "GET",
      "~/workspaces/ws/codes/a/versions", 'R' },
    { "codeVersions.delete", "DELETE",
      "~/workspaces/ws/codes/a/versions/1", '-' },
    { "codeVersions.get", "GET",
      "~/workspaces/ws/codes/a/versions/1", 'R' },
    { "codeVersions.createOrUpdate", "PUT",
      "~/workspaces/ws/codes/a/versions/1", '-' },
    { "componentContainers.list", "GET",
      "~/workspaces/ws/components", 'R' },
    { "componentContainers.delete", "DELETE",
      "~/workspaces/ws/components/a", '-' },
    { "componentContainers.get", "GET",
      "~/workspaces/ws/components/a", 'R' },
    { "componentContainers.createOrUpdate", "PUT",
      "~/workspaces/ws/components/a", '-' },
    { "componentVersions.list", "GET",
      "~/workspaces/ws/components/a/versions", 'R' },
    { "componentVersions.delete", "DELETE",
      "~/workspaces/ws/components/a/versions/1", '-' },
    { "componentVersions.get", "GET",
      "~/workspaces/ws/components/a/versions/1", 'R' },
    { "componentVersions.createOrUpdate", "PUT",
      "~/workspaces/ws/components/a/versions/1", '-' },
    { "computeOperations.list", "GET",
      "~/workspaces/ws/computes", 'R' },
    { "computeOperations.delete", "DELETE",
      "~/workspaces/ws/computes/c", '-' },
    { "computeOperations.get", "GET",
      "~/workspaces/ws/computes/c", 'R' },
    { "computeOperations.update", "PATCH",
      "~/workspaces/ws/computes/c", 'X' },
    { "computeOperations.createOrUpdate", "PUT",
      "~/workspaces/ws/computes/c", 'X' },
    { "computeOperations.listKeys", "POST",
      "~/workspaces/ws/computes/c/listKeys", 'S' },
    { "computeOperations.listNodes", "POST",
      "~/workspaces/ws/computes/c/listNodes", '-' },
    { "computeOperations.restart", "POST",
      "~/workspaces/ws/computes/c/restart", 'X' },
    { "computeOperations.start", "POST",
      "~/workspaces/ws/computes/c/start", 'X' },
    { "computeOperations.stop", "POST",
      "~/workspaces/ws/computes/c/stop", '-' },
    { "workspaceConnections.list", "GET",
      "~/workspaces/ws/connections", 'R' },
    { "workspaceConnections.delete", "DELETE",
      "~/workspaces/ws/connections/n", '-' },
    { "workspaceConnections.get", "GET",
      "~/workspaces/ws/connections/n", 'R' },
    { "workspaceConnections.create", "PUT",
      "~/workspaces/ws/connections/n", '-' },
    { "dataContainers.list", "GET",
      "~/workspaces/ws/data", 'R' },
    { "dataContainers.delete", "DELETE",
      "~/workspaces/ws/data/a", '-' },
    { "dataContainers.get", "GET",
      "~/workspaces/ws/data/a", 'R' },
    { "dataContainers.createOrUpdate", "PUT",
      "~/workspaces/ws/data/a", '-' },
    { "dataVersions.list", "GET",
      "~/workspaces/ws/data/a/versions", 'R' },
    { "dataVersions.delete", "DELETE",
      "~/workspaces/ws/data/a/versions/1", '-' },
    { "dataVersions.get", "GET",
      "~/workspaces/ws/data/a/versions/1", 'R' },
    { "dataVersions.createOrUpdate", "PUT",
      "~/workspaces/ws/data/a/versions/1", '-' },
    { "datastores.list", "GET",
      "~/workspaces/ws/datastores", 'R' },
    { "datastores.delete", "DELETE",
      "~/workspaces/ws/datastores/a", '-' },
    { "datastores.get", "GET",
      "~/workspaces/ws/datastores/a", 'R' },
    { "datastores.createOrUpdate", "PUT",
      "~/workspaces/ws/datastores/a", '-' },
    { "datastores.listSecrets", "POST",
      "~/workspaces/ws/datastores/a/listSecrets", 'S' },
    { "workspaces.diagnose", "POST",
      "~/workspaces/ws/diagnose", '-' },
    { "environmentContainers.list", "GET",
      "~/workspaces/ws/environments", 'R' },
    { "environmentContainers.delete", "DELETE",
      "~/workspaces/ws/environments/a", '-' },
    { "environmentContainers.get", "GET",
      "~/workspaces/ws/environments/a", 'R' },
    { "environmentContainers.createOrUpdate", "PUT",
      "~/workspaces/ws/environments/a", '-' },
    { "environmentVersions.list", "GET",
      "~/workspaces/ws/environments/a/versions", 'R' },
    { "environmentVersions.delete", "DELETE",
      "~/workspaces/ws/environments/a/versions/1", '-' },
    { "environmentVersions.get", "GET",
      "~/workspaces/ws/environments/a/versions/1", 'R' },
    { "environmentVersions.createOrUpdate", "PUT",
      "~/workspaces/ws/environments/a/versions/1", 'X' },
    { "workspaceFeatures.list", "GET",
      "~/workspaces/ws/features", 'R' },
    { "jobs.list", "GET",
      "~/workspaces/ws/jobs", 'R' },
    { "jobs.delete", "DELETE",
      "~/workspaces/ws/jobs/j", '-' },
    { "jobs.get", "GET",
      "~/workspaces/ws/jobs/j", 'R' },
    { "jobs.createOrUpdate", "PUT",
      "~/workspaces/ws/jobs/j", 'X' },
    { "jobs.cancel", "POST",
      "~/workspaces/ws/jobs/j/cancel", '-' },
    { "workspaces.listKeys", "POST",
      "~/workspaces/ws/listKeys", 'S' },
    { "workspaces.listNotebookAccessToken", "POST",
      "~/workspaces/ws/listNotebookAccessToken", 'S' },
    { "workspaces.listNotebookKeys", "POST",
      "~/workspaces/ws/listNotebookKeys", 'S' },
    { "workspaces.listStorageAccountKeys", "POST",
      "~/workspaces/ws/listStorageAccountKeys", 'S' },
    { "modelContainers.list", "GET",
      "~/workspaces/ws/models", 'R' },
    { "modelContainers.delete", "DELETE",
      "~/workspaces/ws/models/a", '-' },
    { "modelContainers.get", "GET",
      "~/workspaces/ws/models/a", 'R' },
    { "modelContainers.createOrUpdate", "PUT",
      "~/workspaces/ws/models/a", '-' },
    { "modelVersions.list", "GET",
      "~/workspaces/ws/models/a/versions", 'R' },
    { "modelVersions.delete", "DELETE",
      "~/workspaces/ws/models/a/versions/1", '-' },
    { "modelVersions.get", "GET",
      "~/workspaces/ws/models/a/versions/1", 'R' },
    { "modelVersions.createOrUpdate", "PUT",
      "~/workspaces/ws/models/a/versions/1", '-' },
    { "onlineEndpoints.list", "GET",
      "~/workspaces/ws/onlineEndpoints", 'R' },
    { "onlineEndpoints.delete", "DELETE",
      "~/workspaces/ws/onlineEndpoints/e", '-' },
    { "onlineEndpoints.get", "GET",
      "~/workspaces/ws/onlineEndpoints/e", 'R' },
    { "onlineEndpoints.update", "PATCH",
      "~/workspaces/ws/onlineEndpoints/e", '-' },
    { "onlineEndpoints.createOrUpdate", "PUT",
      "~/workspaces/ws/onlineEndpoints/e", '-' },
    { "onlineDeployments.list", "GET",
      "~/workspaces/ws/onlineEndpoints/e/deployments", 'R' },
    { "onlineDeployments.delete", "DELETE",
      "~/workspaces/ws/onlineEndpoints/e/deployments/d", '-' },
    { "onlineDeployments.get", "GET",
      "~/workspaces/ws/onlineEndpoints/e/deployments/d", 'R' },
    { "onlineDeployments.update", "PATCH",
      "~/workspaces/ws/onlineEndpoints/e/deployments/d", 'X' },
    { "onlineDeployments.createOrUpdate", "PUT",
      "~/workspaces/ws/onlineEndpoints/e/deployments/d", 'X' },
    { "onlineDeployments.getLogs", "POST",
      "~/workspaces/ws/onlineEndpoints/e/deployments/d/getLogs", '-' },
    { "onlineDeployments.listSkus", "GET",
      "~/workspaces/ws/onlineEndpoints/e/deployments/d/skus", 'R' },
    { "onlineEndpoints.listKeys", "POST",
      "~/workspaces/ws/onlineEndpoints/e/listKeys", 'S' },
    { "onlineEndpoints.regenerateKeys", "POST",
      "~/workspaces/ws/onlineEndpoints/e/regenerateKeys", 'S' },
    { "onlineEndpoints.getToken", "POST",
      "~/workspaces/ws/onlineEndpoints/e/token", 'S' },
    { "workspaces.listOutboundNetworkDependenciesEndpoints", "GET",
      "~/workspaces/ws/outboundNetworkDependenciesEndpoints", 'R' },
    { "workspaces.prepareNotebook", "POST",
      "~/workspaces/ws/prepareNotebook", 'X' },
    { "privateEndpointConnections.list", "GET",
      "~/workspaces/ws/privateEndpointConnections", 'R' },
    { "privateEndpointConnections.delete", "DELETE",
      "~/workspaces/ws/privateEndpointConnections/p", '-' },
    { "privateEndpointConnections.get", "GET",
      "~/workspaces/ws/privateEndpointConnections/p", 'R' },
    { "privateEndpointConnections.createOrUpdate", "PUT",
      "~/workspaces/ws/privateEndpointConnections/p", '-' },
    { "privateLinkResources.list", "GET",
      "~/workspaces/ws/privateLinkResources", 'R' },
    { "workspaces.resyncKeys", "POST",
      "~/workspaces/ws/resyncKeys", '-' },
    { "schedules.list", "GET",
      "~/workspaces/ws/schedules", 'R' },
    { "schedules.delete", "DELETE",
      "~/workspaces/ws/schedules/a", '-' },
    { "schedules.get", "GET",
      "~/workspaces/ws/schedules/a", 'R' },
    { "schedules.createOrUpdate", "PUT",
      "~/workspaces/ws/schedules/a", 'X' },

    /* later API versions (azure-rest-api-specs, 2023-04 to 2024-10) and the
       registries */

    { "codeVersions.createOrGetStartPendingUpload", "POST",
      "~/workspaces/ws/codes/a/versions/1/startPendingUpload", 'S' },
    { "dataVersions.startPendingUpload", "POST",
      "~/workspaces/ws/data/a/versions/1/startPendingUpload", 'S' },
    { "modelVersions.startPendingUpload", "POST",
      "~/workspaces/ws/models/a/versions/1/startPendingUpload", 'S' },
    { "modelVersions.package", "POST",
      "~/workspaces/ws/models/a/versions/1/package", 'X' },
    { "workspaceConnections.listSecrets", "POST",
      "~/workspaces/ws/connections/n/listsecrets", 'S' },
    { "managedNetworkSettingsRule.createOrUpdate", "PUT",
      "~/workspaces/ws/outboundRules/a", '-' },
    { "managedNetworkSettingsRule.list", "GET",
      "~/workspaces/ws/outboundRules", 'R' },
    { "managedNetworkProvisions.provisionManagedNetwork", "POST",
      "~/workspaces/ws/provisionManagedNetwork", '-' },
    { "serverlessEndpoints.get", "GET",
      "~/workspaces/ws/serverlessEndpoints/e", 'R' },
    { "serverlessEndpoints.createOrUpdate", "PUT",
      "~/workspaces/ws/serverlessEndpoints/e", '-' },
    { "serverlessEndpoints.listKeys", "POST",
      "~/workspaces/ws/serverlessEndpoints/e/listKeys", 'S' },
    { "serverlessEndpoints.regenerateKeys", "POST",
      "~/workspaces/ws/serverlessEndpoints/e/regenerateKeys", 'S' },
    { "marketplaceSubscriptions.createOrUpdate", "PUT",
      "~/workspaces/ws/marketplaceSubscriptions/a", '-' },
    { "featuresetVersions.createOrUpdate", "PUT",
      "~/workspaces/ws/featuresets/a/versions/1", 'X' },
    { "featuresetVersions.backfill", "POST",
      "~/workspaces/ws/featuresets/a/versions/1/backfill", 'X' },
    { "featurestoreEntityVersions.get", "GET",
      "~/workspaces/ws/featurestoreEntities/a/versions/1", 'R' },
    { "labelingJobs.exportLabels", "POST",
      "~/workspaces/ws/labelingJobs/j/exportLabels", '-' },
    { "compute.updateCustomServices", "POST",
      "~/workspaces/ws/computes/c/customServices", 'X' },
    { "compute.updateIdleShutdownSetting", "POST",
      "~/workspaces/ws/computes/c/updateIdleShutdownSetting", '-' },
    { "schedules.trigger", "POST",
      "~/workspaces/ws/schedules/a/trigger", 'X' },
    { "registries.get", "GET", "~/registries/r", 'R' },
    { "registries.createOrUpdate", "PUT", "~/registries/r", '-' },
    { "registryCodeVersions.createOrGetStartPendingUpload", "POST",
      "~/registries/r/codes/a/versions/1/startPendingUpload", 'S' },
    { "registryDataVersions.createOrGetStartPendingUpload", "POST",
      "~/registries/r/data/a/versions/1/startPendingUpload", 'S' },
    { "registryDataReferences.getBlobReferenceSAS", "POST",
      "~/registries/r/data/a/versions/1/getBlobReferenceSAS", 'S' },
    { "registryModelVersions.createOrGetStartPendingUpload", "POST",
      "~/registries/r/models/a/versions/1/startPendingUpload", 'S' },
    { "registryEnvironmentVersions.createOrUpdate", "PUT",
      "~/registries/r/environments/a/versions/1", 'X' },

    /* documented routes of the data plane, of batch endpoints, MLflow */

    { "batch endpoint, invoke", "POST", "/jobs", 'X' },
    { "batch endpoint, its jobs", "GET", "/jobs", 'R' },
    { "batch endpoint, a job", "GET", "/jobs/j", 'R' },
    { "published pipeline", "POST",
      "/pipelines/v1.0%/PipelineRuns/PipelineSubmit", 'X' },
    { "asset store, upload", "POST",
      "/assetstore/v1.0%/temporaryDataReference/createOrGet", 'S' },
    { "artifacts, SAS of one", "GET",
      "/artifact/v2.0%/artifacts/contentinfo/ExperimentRun/dcid.r", 'S' },
    { "datastore, its secret", "GET",
      "/datastore/v1.0%/datastores/default/listSecrets", 'S' },
    { "MLflow, credentials of an artifact", "POST",
      "/mlflow/v1.0%/api/2.0/mlflow/artifacts/credentials-for-read", 'S' },
    { "MLflow, a run", "POST",
      "/mlflow/v1.0%/api/2.0/mlflow/runs/create", '-' },
    { "MLflow, a run's data", "GET",
      "/mlflow/v1.0%/api/2.0/mlflow/runs/get", 'R' },
    { "run history", "GET", "/history/v1.0%/experiments", 'R' },

    /* what carries and grants, what runs beside Azure ML */

    { "batch of Resource Manager", "POST", "/batch", 'G' },
    { "role assignment", "PUT",
      "~/workspaces/ws/providers/Microsoft.Authorization/roleAssignments/a",
      'G' },
    { "deployment of a template", "PUT",
      "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Resources/"
      "deployments/d", 'G' },
    { "federated credential of an identity", "PUT",
      "/subscriptions/s/resourceGroups/rg/providers/"
      "Microsoft.ManagedIdentity/userAssignedIdentities/i/"
      "federatedIdentityCredentials/f", 'G' },
    { "command in a virtual machine", "POST",
      "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/"
      "virtualMachines/v/runCommand", 'X' },
    { "container instance", "PUT",
      "/subscriptions/s/resourceGroups/rg/providers/"
      "Microsoft.ContainerInstance/containerGroups/c", 'X' },
    { "storage account, its keys", "POST",
      "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/"
      "storageAccounts/a/listKeys", 'S' },
    { "storage account, a SAS", "POST",
      "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/"
      "storageAccounts/a/ListAccountSas", 'S' },

    /* nobody has classified these: in doubt, wherever a preset asks */

    { "an action that there is not", "POST",
      "~/workspaces/ws/jobs/j/listSomethingNew", '?' },
    { "an action of a workspace", "POST",
      "~/workspaces/ws/exportEverything", '?' },
    { "a type that there is not", "PUT", "~/workspaces/ws/agents/a", '?' },
    { "a type that there is not", "GET", "~/workspaces/ws/agents/a", '?' },
    { "a type that there is not", "DELETE", "~/workspaces/ws/agents/a", '?' },
    { "a new kind of resources", "GET", "~/galleries/g", '?' }
};


/* "~", "^" at the start, "%" for the workspace in the data plane's paths */

static const char *
path_of(const char *text)
{
    const char   *p;
    static char   path[1024];

    if (text[0] == '~' || text[0] == '^') {
        snprintf(path, sizeof(path), "%s%s",
                 text[0] == '~' ? GROUP : "/subscriptions/s" PROVIDER,
                 text + 1);
        return path;
    }

    p = strchr(text, '%');

    if (p) {
        snprintf(path, sizeof(path), "%.*s" GROUP "/workspaces/ws%s",
                 (int) (p - text), text, p + 1);
        return path;
    }

    return text;
}


static unsigned
match(const surface_t *row, entra_preset_e preset)
{
    char               *scratch;
    unsigned            value;
    const char         *path = path_of(row->path);
    entra_operation_t   op;

    scratch = malloc(entra_operation_scratch(strlen(path)));
    entra_operation_init(&op, entra_str_c(row->method), entra_str_c(path),
                         scratch);
    value = entra_preset_match(preset, &op);
    free(scratch);

    return value;
}


/* of the class: matched; not of it: not; in doubt: neither */

static int
right(const surface_t *row, entra_preset_e preset, char class)
{
    unsigned  value = match(row, preset);

    if (row->class == '?') {

        /* what asks for GET only is not in doubt about a POST */

        return preset == ENTRA_PRESET_READ
               ? value != ENTRA_TRUE : value != ENTRA_FALSE;
    }

    return value == (row->class == class ? ENTRA_TRUE : ENTRA_FALSE);
}


int
main(void)
{
    int               read, secrets, run, escape;
    unsigned          i, n = sizeof(surface) / sizeof(surface[0]);
    const surface_t  *row;

    for (i = 0; i < n; i++) {
        row = &surface[i];

        read = right(row, ENTRA_PRESET_READ, 'R');
        secrets = right(row, ENTRA_PRESET_SECRETS, 'S');
        run = right(row, ENTRA_PRESET_RUN, 'X');
        escape = right(row, ENTRA_PRESET_ESCAPE, 'G');

        ok(read && secrets && run && escape
           && match(row, ENTRA_PRESET_SCORE) != ENTRA_TRUE,
           "%c %s %s: %s", row->class, row->method, row->path, row->name);

        if (!read || !secrets || !run || !escape) {
            printf("# wrong:%s%s%s%s\n", read ? "" : " read",
                   secrets ? "" : " secrets", run ? "" : " run",
                   escape ? "" : " escape");
        }
    }

    return done();
}
