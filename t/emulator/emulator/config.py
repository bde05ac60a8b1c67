"""What exists: tenants, apps, identities, endpoints.  See docs/emulator.md.

Everything has a default, so that an empty configuration is a useful one.
"""

import copy
import fnmatch
import json
import os
import time

from . import jwt, tls

TENANT = '11111111-1111-4111-8111-111111111111'
OTHER_TENANT = '22222222-2222-4222-8222-222222222222'
CLIENT = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
CERT_CLIENT = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb'
FEDERATED_CLIENT = 'cccccccc-cccc-4ccc-8ccc-cccccccccccc'
PUBLIC_CLIENT = 'dddddddd-dddd-4ddd-8ddd-dddddddddddd'
WEAK_CLIENT = 'eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee'
SECRET = 'emu8Q~scoring.secret+with/odd=chars&~'
SUBSCRIPTION = '99999999-9999-4999-8999-999999999999'
SCORE = 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints/' \
    'score/action'
AZURE_CLI = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'

# built-in roles of Azure: (actions, not actions)
ML = 'Microsoft.MachineLearningServices/'
BUILT_IN = {
    'Reader': (('*/read',), ()),
    'Contributor': (('*',), (
        'Microsoft.Authorization/*/delete', 'Microsoft.Authorization/*/write',
        'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*')),
    'AzureML Data Scientist': (
        tuple(ML + 'workspaces/*/' + x
              for x in ('read', 'action', 'delete', 'write')),
        tuple(ML + x for x in (
            'workspaces/delete', 'workspaces/write',
            'workspaces/computes/*/write', 'workspaces/computes/*/delete',
            'workspaces/computes/listKeys/action',
            'workspaces/listKeys/action', 'workspaces/hubs/write',
            'workspaces/hubs/delete'))),
    'Storage Blob Data Contributor': ((
        'Microsoft.Storage/storageAccounts/blobServices/containers/*',), ()),
    'Storage Blob Data Reader': ((
        'Microsoft.Storage/storageAccounts/blobServices/containers/*read',),
        ()),
}

DEFAULTS = {
    # issuer of v2 tokens; %s is the tenant.  null: the emulator's own URL
    'issuer_v1': 'https://sts.windows.net/%s/',
    'issuer_v2': None,

    'tenants': [
        {'id': TENANT, 'domain': 'contoso.example'},
        {'id': OTHER_TENANT, 'domain': 'fabrikam.example'},
    ],

    'apps': [
        {'client_id': CLIENT, 'name': 'scoring', 'tenant': TENANT,
         'secrets': [{'value': SECRET}], 'actions': [SCORE],
         'redirect_uris': ['http://localhost/cb'], 'certificates': []},
        {'client_id': CERT_CLIENT, 'name': 'certificate', 'tenant': TENANT,
         'certificates': ['client.pem'], 'actions': [SCORE]},
        {'client_id': FEDERATED_CLIENT, 'name': 'workload', 'tenant': TENANT,
         'actions': [SCORE], 'federated': [{
             'issuer': 'https://oidc.example/cluster/',
             'subject': 'system:serviceaccount:default:gateway',
             'audience': 'api://AzureADTokenExchange',
             'key': 'federated.pem'}]},
        {'client_id': PUBLIC_CLIENT, 'name': 'sign-in', 'tenant': TENANT,
         'public': True, 'redirect_uris': [
             'http://localhost', 'http://localhost/cb']},
        {'client_id': AZURE_CLI, 'name': 'Microsoft Azure CLI',
         'tenant': TENANT, 'public': True, 'redirect_uris': [
             'http://localhost', 'http://localhost/',
             'https://login.microsoftonline.com/common/oauth2/nativeclient']},
        {'client_id': WEAK_CLIENT, 'name': 'no-roles', 'tenant': TENANT,
         'secrets': [{'value': SECRET}]},
    ],

    # a resource's audience and the names that clients use for it
    'resources': [
        'https://ml.azure.com', 'https://ml.azure.cn', 'https://ml.azure.us',
        'https://management.azure.com', 'https://management.azure.com/',
        'https://management.core.windows.net/',
        'https://management.chinacloudapi.cn',
        'https://management.usgovcloudapi.net',
        'https://storage.azure.com', 'https://storage.azure.com/',
        'https://vault.azure.net', 'https://vault.azure.cn',
        'https://vault.usgovcloudapi.net',
        'https://graph.microsoft.com', 'https://graph.microsoft.us',
        'https://microsoftgraph.chinacloudapi.cn',
        'https://cognitiveservices.azure.com', 'https://ai.azure.com',
        'https://containerregistry.azure.net', 'api://AzureADTokenExchange',
        {'uri': 'api://gateway', 'version': 2,
         'audience': 'a9a9a9a9-a9a9-4a9a-8a9a-a9a9a9a9a9a9'},
    ],

    'user': {'oid': '77777777-7777-4777-8777-777777777777',
             'name': 'Alice Example', 'upn': 'alice@contoso.example',
             'actions': [SCORE]},

    # managed identities of "this machine"
    'identities': {
        'system': {'client_id': 'f0000000-0000-4000-8000-000000000001',
                   'object_id': 'f0000000-0000-4000-8000-000000000002',
                   'actions': [SCORE]},
        'user': [
            {'client_id': 'f1000000-0000-4000-8000-000000000001',
             'object_id': 'f1000000-0000-4000-8000-000000000002',
             'actions': [SCORE],
             'resource_id': '/subscriptions/' + SUBSCRIPTION +
             '/resourceGroups/rg/providers/Microsoft.ManagedIdentity'
             '/userAssignedIdentities/gateway'}],
        'secret': 'emulator-identity-header',
        'arc_token_dir': '/var/opt/azcmagent/tokens',
    },

    # Azure ML
    'workspaces': [{
        'subscription_id': SUBSCRIPTION, 'resource_group': 'rg',
        'name': 'ws', 'region': 'westeurope', 'tenant': TENANT}],
    'endpoints': [
        {'name': 'fraud', 'auth_mode': 'aad_token',
         'deployments': ['blue', 'green']},
        {'name': 'keyed', 'auth_mode': 'key', 'deployments': ['blue']},
        {'name': 'tokened', 'auth_mode': 'aml_token',
         'deployments': ['blue']},
        {'name': 'nightly', 'auth_mode': 'aad_token', 'batch': True,
         'deployments': ['default']},
    ],

    # may be changed while running, through /control/settings
    'settings': {
        'expires_in': 3599,         # of access tokens, seconds
        'refresh_in': None,         # sent when set
        'clock_offset': 0,          # seconds that our clock is ahead
        'sign_in': 'auto',          # or "ask": a page with a button
        'device': 'ask',            # or "auto": approved after device_polls
        'device_polls': 1,
        'device_interval': 5, 'device_expires_in': 900,
        'refresh_token_reuse': True,  # an old refresh token goes on working
        'validate': True,           # upstream checks tokens
        'challenge': 'insufficient_claims',   # 401 of a revoked token;
                                              # or "plain"
        'aml_token_lifetime': 3600,
        'score_refused': 401,       # without the role; or 403
        'identity_cache': True,     # managed identities: the same token again
        'identity_rate': None,      # requests a second, then 429
        'loop': None,               # equal requests a minute, then 50196
        'propagation': 0,           # seconds until Entra knows a change
        'max_body': None,           # of answers in /control/requests
    },
}


class Config:
    def __init__(self, given, state_dir):
        data = copy.deepcopy(DEFAULTS)
        for key, value in given.items():
            if key not in data:
                raise ValueError('unknown member "%s"; there are: %s'
                                 % (key, ', '.join(sorted(data))))
            if key in ('settings', 'identities', 'user'):
                data[key].update(value)
            else:
                data[key] = value
        self.dir = state_dir
        self.settings = data['settings']
        self.issuer_v1 = data['issuer_v1']
        self.issuer_v2 = data['issuer_v2']
        self.tenants = data['tenants']
        self.resources = {}
        for r in data['resources']:
            r = {'uri': r} if isinstance(r, str) else r
            self.resources[r['uri']] = r
        self.user = data['user']
        self.identities = data['identities']
        self.workspaces = data['workspaces']
        self.endpoints = data['endpoints']
        self.apps = {}
        for app in data['apps']:
            self.add_app(app)
        self.write_samples(data['apps'])

    def add_app(self, app):
        app = dict(app)
        app.setdefault('name', app['client_id'])
        app.setdefault('object_id', 'b' + app['client_id'][1:])
        app.setdefault('tenant', TENANT)
        for member in ('secrets', 'certificates', 'federated',
                       'redirect_uris'):
            app.setdefault(member, [])
        self.apps[app['client_id'].lower()] = app
        return app

    def path(self, file):
        return os.path.join(self.dir, file)

    def write_samples(self, apps):
        """Files that a gateway's configuration can name at once."""
        for app in apps:
            files = list(app.get('certificates', ()))
            files += [f['key'] for f in app.get('federated', ())
                      if 'key' in f]
            for file in files:
                if '-----BEGIN' in file or os.path.exists(self.path(file)):
                    continue
                key, cert = tls.self_signed(app.get('name', 'app'))
                tls.write_private(self.path(file),
                                  tls.key_pem(key) + tls.cert_pem(cert))
        self.write('client.secret', SECRET + '\n')
        self.write('workspace.json', json.dumps({
            'subscription_id': SUBSCRIPTION, 'resource_group': 'rg',
            'workspace_name': 'ws'}, indent=4) + '\n')
        federated = self.path('federated.pem')
        if os.path.exists(federated):
            with open(federated, 'rb') as f:
                key = tls.load_key(f.read())
            app = self.apps.get(FEDERATED_CLIENT)
            if app is not None and app['federated']:
                trust = app['federated'][0]
                self.write('federated.jwt', jwt.sign_raw(
                    key, {'alg': 'RS256', 'typ': 'JWT'},
                    {'iss': trust['issuer'], 'sub': trust['subject'],
                     'aud': [trust['audience']], 'exp': 4102444800,
                     'iat': 1700000000}))

    def write(self, file, text):
        tls.write_private(self.path(file), text.encode())

    def read(self, file):
        """A certificate or key: PEM text, or a file in the state dir."""
        if '-----BEGIN' in file:
            return file.encode()
        with open(os.path.join(self.dir, file), 'rb') as f:
            return f.read()

    def tenant(self, name):
        """By GUID or domain; None when there is none."""
        for tenant in self.tenants:
            if name.lower() in (tenant['id'].lower(),
                                tenant.get('domain', '').lower()):
                return tenant
        return None

    def app(self, client_id):
        app = self.apps.get(client_id.lower())
        if app is not None:
            now = time.time()
            due = [c for at, c in app.get('pending', ()) if at <= now]
            for change in due:
                app.update(change)
            if due:
                app['pending'] = [(at, c) for at, c in app['pending']
                                  if at > now]
            if app.get('known_from', 0) > now:
                return None
        return app

    def change_app(self, app, change):
        """At once, or as late as Entra's replicas know of it."""
        delay = float(self.settings['propagation'])
        if delay:
            app.setdefault('pending', []).append((time.time() + delay,
                                                  change))
        else:
            app.update(change)

    def new_app(self, given):
        app = self.add_app(given)
        if self.settings['propagation']:
            app['known_from'] = time.time() \
                + float(self.settings['propagation'])
        return app

    def principals(self):
        yield from self.apps.values()
        yield self.identities.get('system') or {}
        yield from self.identities.get('user', ())
        yield self.user

    def may(self, claims, action):
        """Azure RBAC: what the roles of this principal allow."""
        if claims.get('oid') == 'anyone':       # tokens are not checked
            return True
        for principal in self.principals():
            if 'oid' in claims and claims['oid'] == principal.get(
                    'object_id', principal.get('oid')):
                return any(allows(a, action)
                           for a in principal.get('actions') or ())
        return False


def allows(granted, action):
    """An action with "*", or the name of a built-in role."""
    actions, not_actions = BUILT_IN.get(granted, ((granted,), ()))
    return any(matches(action, a) for a in actions) \
        and not any(matches(action, a) for a in not_actions)


def matches(action, pattern):
    """Of the role with workspaces/*/write, NotActions name workspaces/write:
    the star may be nothing.
    """
    return any(fnmatch.fnmatchcase(action.lower(), p.lower())
               for p in (pattern, pattern.replace('/*/', '/')))
