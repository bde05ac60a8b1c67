// @azure/identity: makes acquisitions, one per line of stdin.
//
//     node conformance_azure.mjs DIR        DIR has node_modules

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.argv[2] + '/');
const identity = require('@azure/identity');
const versions = Object.fromEntries(
  ['@azure/identity', '@azure/msal-node'].map((name) =>
    [name, require(`${name}/package.json`).version]));

const ours = /^(AZURE_|IDENTITY_|MSI_|IMDS_|DEFAULT_IDENTITY_)/;

const fallback = {
  getToken: async () => ({
    token: 'FALLBACK', expiresOnTimestamp: Date.now() + 3599000,
  }),
};

function create(kind, a) {
  const common = { disableInstanceDiscovery: true };
  if (a.authority) common.authorityHost = a.authority;
  if (!a.retry) common.retryOptions = { maxRetries: 0 };
  switch (kind) {
    case 'secret':
      return new identity.ClientSecretCredential(
        a.tenant_id, a.client_id, a.secret, common);
    case 'certificate':
      return new identity.ClientCertificateCredential(
        a.tenant_id, a.client_id,
        { certificatePath: a.path, certificatePassword: a.password },
        { ...common, sendCertificateChain: !!a.chain });
    case 'environment':
      return new identity.EnvironmentCredential(common);
    case 'workload':
      return new identity.WorkloadIdentityCredential(common);
    case 'managed':
      return new identity.ManagedIdentityCredential({
        ...common, clientId: a.client_id, objectId: a.object_id,
        resourceId: a.resource_id,
      });
    case 'behalf':
      return new identity.OnBehalfOfCredential({
        ...common, tenantId: a.tenant_id, clientId: a.client_id,
        clientSecret: a.secret, userAssertionToken: a.assertion,
      });
    case 'az':
      return new identity.AzureCliCredential({ tenantId: a.tenant_id });
    case 'azd':
      return new identity.AzureDeveloperCliCredential({
        tenantId: a.tenant_id,
      });
    case 'powershell':
      return new identity.AzurePowerShellCredential();
    case 'default':
      return new identity.DefaultAzureCredential(common);
  }
  throw new Error(`no ${kind}`);
}

async function acquire(job) {
  for (const name of Object.keys(process.env)) {
    if (ours.test(name)) delete process.env[name];
  }
  Object.assign(process.env, job.env);
  let credential = create(job.kind, job.args);
  if (job.chain) {
    credential = new identity.ChainedTokenCredential(credential, fallback);
  }
  const token = await credential.getToken(job.scope);
  return {
    token: token.token,
    expires_in: Math.floor((token.expiresOnTimestamp - Date.now()) / 1000),
  };
}

console.log(JSON.stringify(versions));

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await acquire(JSON.parse(line));
  } catch (e) {
    answer = { error: `${e.name}: ${e.message}` };
  }
  console.log(JSON.stringify(answer));
}
