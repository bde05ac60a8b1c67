// @azure/arm-machinelearning of npm, which the gateway serves.  Prints TAP
// lines.
//
//     clients_arm.mjs NODE_MODULES_DIR BASE_URL [writing]

import { createRequire } from 'node:module';

const [where, host, writing] = process.argv.slice(2);
const { AzureMachineLearningWorkspaces } =
    createRequire(where + '/')('@azure/arm-machinelearning');

// the gateway brings the token
const nothing = {
    getToken: async () => ({ token: 'the-clients-own',
                             expiresOnTimestamp: 4102444800000 }),
};
const client = new AzureMachineLearningWorkspaces(
    nothing, '99999999-9999-4999-8999-999999999999', { endpoint: host });
const at = ['rg', 'ws'];

function ok(good, name) {
    console.log(`${good ? 'ok' : 'not ok'} - arm-machinelearning: ${name}`);
}

async function refused(name, promise) {
    const status = await promise.then(() => 'none', e => e.statusCode);
    ok(status === 403, `${name}: ${status}`);
}

async function names(pages) {
    const found = [];
    for await (const thing of pages) {
        found.push(thing.name);
    }
    return found.sort().join(' ');
}

const workspace = await client.workspaces.get(...at);
ok(workspace.name === 'ws', 'the workspace');

const endpoints = await names(client.onlineEndpoints.list(...at));
ok(endpoints.startsWith('churn fraud keyed tokened'),
   `endpoints, over two pages: ${endpoints}`);

await refused('keys', client.onlineEndpoints.listKeys(...at, 'keyed'));
await refused('another workspace', client.workspaces.get('rg', 'other'));

if (writing) {
    const made = await client.onlineEndpoints.beginCreateOrUpdateAndWait(
        ...at, 'new', { location: 'westeurope',
                        properties: { authMode: 'AADToken' } });
    ok(made.name === 'new', 'an endpoint is made, its state is polled');
    await client.onlineEndpoints.beginDeleteAndWait(...at, 'new');
    ok(!(await names(client.onlineEndpoints.list(...at))).includes('new'),
       'and deleted');
}
