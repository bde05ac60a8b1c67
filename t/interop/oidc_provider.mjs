// npm's oidc-provider as an identity provider with Entra's paths and names.
//
//     node oidc_provider.mjs DIR CONFIG      DIR has node_modules
//
// CONFIG is a file with JSON: port, tenant, key and certificate of its TLS,
// secret, certificate (JWK) of its clients, callback.  Prints "ready" on one
// line; what it refused goes to stderr.

import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.argv[2] + '/');
const url = (name) => pathToFileURL(require.resolve(name)).href;
const { Provider, interactionPolicy } = await import(url('oidc-provider'));
const { generateKeyPair, exportJWK } = await import(url('jose'));

const config = JSON.parse(readFileSync(process.argv[3]));
const issuer = `https://localhost:${config.port}`;
const base = `/${config.tenant}/oauth2/v2.0`;
const aml = 'https://ml.azure.com/.default';

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const signing = { ...await exportJWK(privateKey), kid: 'one', use: 'sig',
                  alg: 'RS256' };

// the gateway asks for prompt=select_account
const { Prompt, base: policy } = interactionPolicy;
const prompts = policy();
prompts.add(new Prompt({ name: 'select_account', requestable: true }), 0);

const machine = { grant_types: ['client_credentials'], redirect_uris: [],
                  response_types: [] };
const person = { token_endpoint_auth_method: 'none',
                 application_type: 'native' };

const provider = new Provider(issuer, {
  clients: [
    { ...machine, client_id: 'secret', client_secret: config.secret,
      token_endpoint_auth_method: 'client_secret_post' },
    { ...machine, client_id: 'certificate',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'PS256',
      jwks: { keys: [config.certificate] } },
    { ...person, client_id: 'device', redirect_uris: [], response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code',
                    'refresh_token'] },
    { ...person, client_id: 'browser', redirect_uris: [config.callback],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'] },
  ],
  jwks: { keys: [signing] },
  scopes: ['openid', 'profile', 'offline_access'],
  routes: {
    authorization: `${base}/authorize`,
    token: `${base}/token`,
    device_authorization: `${base}/devicecode`,
    jwks: `/${config.tenant}/discovery/v2.0/keys`,
  },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://ml.azure.com',
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: aml, audience: resource, accessTokenFormat: 'jwt',
        accessTokenTTL: client.redirectUris.length || client.clientId === 'device'
          ? config.life : 3600,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  interactions: { policy: prompts, url: (ctx, i) => `/interaction/${i.uid}` },
  pkce: { required: () => true },
  clientAuthSigningAlgValues: ['PS256', 'RS256'],
  enabledJWA: { clientAuthSigningAlgValues: ['PS256', 'RS256'],
                idTokenSigningAlgValues: ['RS256'] },
  // each refresh token is good for one use, as Entra may have it
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: `${id}@example.com` }),
  }),
  claims: { openid: ['sub'], profile: ['preferred_username'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['a test'] },
  ttl: { DeviceCode: 600, AuthorizationCode: 60, IdToken: 3600,
         RefreshToken: 86400, Session: 3600, Interaction: 600,
         Grant: 86400 },
});

for (const event of ['grant.error', 'authorization.error', 'server_error',
                     'device_authorization.error', 'code_verification.error']) {
  provider.on(event, (ctx, e) => {
    console.error(`${event}: ${e.message} ${e.error_description ?? ''}`
                  + ` ${e.error_detail ?? ''} ${e.cause ?? ''}`);
  });
}

// Signs in Alice, who grants what is asked for.

async function interaction(req, res) {
  const details = await provider.interactionDetails(req, res);
  const { params, session, prompt } = details;
  let result = { login: { accountId: 'alice' }, select_account: {} };
  if (prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: session.accountId,
                                       clientId: params.client_id });
    grant.addOIDCScope('openid profile offline_access');
    grant.addResourceScope('https://ml.azure.com', aml);
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(req, res, result,
                                     { mergeWithLastSubmission: true });
}

// OpenID Connect Core, section 11: offline access needs prompt=consent; at
// Entra consent was given once

provider.use((ctx, next) => {
  if (ctx.path.endsWith('/authorize')) {
    ctx.query = { ...ctx.query, prompt: `${ctx.query.prompt} consent` };
  }
  return next();
});

const handle = provider.callback();

createServer({ key: readFileSync(config.tls_key),
               cert: readFileSync(config.tls_certificate) }, (req, res) => {
  if (req.url.startsWith('/interaction/')) {
    interaction(req, res).catch((e) => {
      console.error(`interaction: ${e.message}`);
      res.statusCode = 500;
      res.end();
    });
    return;
  }
  handle(req, res);
}).listen(config.port, '127.0.0.1', () => console.log('ready'));
