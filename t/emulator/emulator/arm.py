"""Azure Resource Manager, as far as an Azure ML workspace needs it."""

import copy
import re
import uuid

from .aml import Unauthorized, bearer_claims, challenge, forbidden
from .server import Response, reply_json

ARM = ('https://management.azure.com', 'https://management.azure.com/',
       'https://management.core.windows.net',
       'https://management.core.windows.net/')
CLOUDS = {'cn': ('https://management.chinacloudapi.cn',
                 'https://management.chinacloudapi.cn/'),
          'net': ('https://management.usgovcloudapi.net',
                  'https://management.usgovcloudapi.net/'),
          'us': ('https://management.usgovcloudapi.net',
                 'https://management.usgovcloudapi.net/')}
PROVIDER = 'Microsoft.MachineLearningServices'
WORKSPACE = re.compile(
    r'^/subscriptions/([^/]+)/resourcegroups/([^/]+)/providers/'
    r'microsoft\.machinelearningservices/workspaces/([^/]+)(/.*)?$', re.I)
OPERATION = re.compile(
    r'^/subscriptions/[^/]+/providers/microsoft\.machinelearningservices/'
    r'locations/[^/]+/mfeOperation(sStatus|Results)/([^/]+)$', re.I)
VERBS = {'GET': 'read', 'HEAD': 'read', 'PUT': 'write', 'PATCH': 'write',
         'DELETE': 'delete'}


def audiences(host):
    """Of a host's cloud; experiments.azureml.net is of the public one."""
    if host.endswith('.azureml.net'):
        return ARM
    return CLOUDS.get(host.rpartition('.')[2], ARM)


def error(status, code, message, headers=()):
    return reply_json({'error': {'code': code, 'message': message}}, status,
                      headers)


class ResourceManager:
    def __init__(self, config, issuer, aml):
        self.config = config
        self.issuer = issuer
        self.aml = aml
        self.things = {}            # lower-case path: resource
        self.operations = {}

    async def answer(self, request):
        path = request.path.rstrip('/')
        if path == '/metadata/endpoints':
            return reply_json([{'name': 'AzureCloud', 'portal':
                                'https://portal.azure.com'}])
        try:
            claims = bearer_claims(self.config, self.issuer, request,
                                   audiences(request.host))
        except Unauthorized as refused:
            missing = str(refused) == 'no bearer token'
            if str(refused) == 'issuer':
                return error(401, 'InvalidAuthenticationTokenTenant',
                             'The access token is from the wrong issuer.')
            return error(
                401, 'AuthenticationFailed' if missing
                else 'ExpiredAuthenticationToken'
                if str(refused) == 'expired' else
                'InvalidAuthenticationToken',
                "Authentication failed. The 'Authorization' header is "
                'missing.' if missing else
                'The access token is invalid: %s.' % refused,
                [('WWW-Authenticate',
                  challenge(self.config, self.issuer, refused))])
        if 'api-version' not in {k.lower() for k in request.query}:
            return error(400, 'MissingApiVersionParameter', 'The api-version '
                         'query parameter (?api-version=) is required for '
                         'all requests.')
        if request.method == 'POST' and not request.header('content-length') \
                and not request.header('transfer-encoding'):
            return Response(411)
        return self.resource(request, path, claims)

    def resource(self, request, path, claims):
        match = OPERATION.match(path)
        if match is not None:
            return self.operation(request, path, *match.groups())
        match = WORKSPACE.match(path)
        if match is None:
            return self.outside(request, path)
        subscription, group, name, rest = match.groups()
        action = self.action(request.method, rest or '')
        if not self.config.may(claims, action):
            return forbidden(claims, action, path)
        workspace = self.workspace(subscription, group, name)
        if workspace is None:
            return error(404, 'ResourceNotFound', "The Resource 'Microsoft."
                         "MachineLearningServices/workspaces/%s' under "
                         "resource group '%s' was not found."
                         % (name, group))
        return self.inside(request, path, workspace, rest or '')

    def action(self, method, rest):
        """The RBAC action of a method and path, as ARM computes it."""
        parts = [p for p in rest.split('/') if p]
        types = parts[0::2]
        base = '/'.join([PROVIDER, 'workspaces'] + types)
        if method == 'POST':
            return base + '/action'
        return base + '/' + VERBS.get(method, 'read')

    def workspace(self, subscription, group, name):
        for w in self.config.workspaces:
            if (w['subscription_id'].lower(), w['resource_group'].lower(),
                    w['name'].lower()) == (subscription.lower(),
                                           group.lower(), name.lower()):
                return w
        return None

    def outside(self, request, path):
        parts = path.strip('/').split('/')
        if parts[0].lower() == 'subscriptions' and len(parts) == 2:
            return reply_json({
                'id': path, 'subscriptionId': parts[1],
                'tenantId': self.config.tenants[0]['id'],
                'displayName': 'Emulated', 'state': 'Enabled'})
        if path.lower() == '/subscriptions':
            return reply_json({'value': [
                {'id': '/subscriptions/' + w['subscription_id'],
                 'subscriptionId': w['subscription_id'],
                 'displayName': 'Emulated', 'state': 'Enabled'}
                for w in self.config.workspaces[:1]]})
        if len(parts) == 4 and parts[2].lower() == 'resourcegroups':
            return reply_json({'id': path, 'name': parts[3],
                               'location': 'westeurope', 'properties':
                               {'provisioningState': 'Succeeded'}})
        if path.lower().endswith('/workspaces') and len(parts) == 7:
            return reply_json({'value': [
                self.workspace_json(w) for w in self.config.workspaces]})
        return error(404, 'InvalidResourceType', 'The resource type could '
                     'not be found in the namespace.')

    def workspace_id(self, w):
        return '/subscriptions/%s/resourceGroups/%s/providers/%s/' \
            'workspaces/%s' % (w['subscription_id'], w['resource_group'],
                               PROVIDER, w['name'])

    def workspace_json(self, w):
        region, wid = w['region'], self.workspace_id(w)
        return {
            'id': wid, 'name': w['name'], 'location': region,
            'type': PROVIDER + '/workspaces', 'tags': {},
            'sku': {'name': 'Basic', 'tier': 'Basic'},
            'identity': {'type': 'SystemAssigned',
                         'tenantId': self.config.tenants[0]['id'],
                         'principalId': str(uuid.uuid5(
                             uuid.NAMESPACE_URL, wid))},
            'properties': {
                'friendlyName': w['name'], 'provisioningState': 'Succeeded',
                'workspaceId': str(uuid.uuid5(uuid.NAMESPACE_DNS, wid)),
                'discoveryUrl': 'https://%s.api.azureml.ms/discovery'
                                % region,
                'mlFlowTrackingUri': 'azureml://%s.api.azureml.ms/mlflow/'
                                     'v1.0%s' % (region, wid),
                'storageAccount': '/subscriptions/%s/resourceGroups/%s/'
                'providers/Microsoft.Storage/storageAccounts/wsstore'
                % (w['subscription_id'], w['resource_group']),
            }}

    def inside(self, request, path, workspace, rest):
        parts = [p for p in rest.split('/') if p]
        method = request.method
        if not parts:
            return reply_json(self.workspace_json(workspace))
        if method == 'POST':
            return self.act(request, workspace, parts)
        if method in ('PUT', 'PATCH'):
            return self.write(request, path, parts)
        if method == 'DELETE':
            self.things.pop(path.lower(), None)
            return self.accepted(request, 202)
        if len(parts) % 2:
            return self.list(request, path, workspace, parts)
        return self.read(path, workspace, parts)

    def act(self, request, workspace, parts):
        verb = parts[-1].lower()
        if len(parts) == 3 and parts[0].lower() in ('onlineendpoints',
                                                    'serverlessendpoints'):
            endpoint = self.aml.endpoint(parts[1])
            if endpoint is None:
                return error(404, 'ResourceNotFound', 'No such endpoint')
            name = endpoint['name']
            if verb == 'listkeys':
                keys = self.aml.endpoint_keys(name)
                return reply_json({'primaryKey': keys[0],
                                   'secondaryKey': keys[1]})
            if verb == 'token':
                return reply_json(self.aml.new_token(name))
            if verb == 'regeneratekeys':
                self.aml.regenerate(name, request.json().get('keyType', ''))
                return self.accepted(request, 202)
        if verb in ('listkeys', 'listsecrets', 'liststorageaccountkeys'):
            return reply_json({'userStorageKey': 'emulated'})
        if verb == 'diagnose':
            return self.accepted(request, 202)
        return error(404, 'InvalidResourceType', 'No such action')

    def write(self, request, path, parts):
        new = path.lower() not in self.things
        body = request.json()
        body.update(id=path, name=parts[-1],
                    type='/'.join([PROVIDER, 'workspaces'] + parts[0::2]))
        body.setdefault('properties', {})['provisioningState'] = 'Succeeded'
        self.things[path.lower()] = body
        response = reply_json(body, 201 if new else 200)
        if new and parts[0].lower().endswith('endpoints'):
            self.add_polling(request, response)
        return response

    def accepted(self, request, status):
        response = Response(status)
        self.add_polling(request, response)
        return response

    def add_polling(self, request, response):
        number = str(uuid.uuid4())
        self.operations[number] = 0
        version = request.query.get('api-version', '2023-10-01')
        w = self.config.workspaces[0]
        url = 'https://%s/subscriptions/%s/providers/%s/locations/%s/' \
            'mfeOperationsStatus/oe:%s?api-version=%s' % (
                request.header('host'), w['subscription_id'], PROVIDER,
                w['region'], number, version)
        response.set('Azure-AsyncOperation', url)
        response.set('Location', url.replace('OperationsStatus',
                                             'OperationResults'))
        response.set('Retry-After', '0')

    def operation(self, request, path, kind, name):
        number = name.rpartition(':')[2]
        if number not in self.operations:
            return error(404, 'NotFound', 'No such operation')
        self.operations[number] += 1
        done = self.operations[number] > 1
        if kind.lower() == 'results':
            return Response(200 if done else 202)
        return reply_json({'id': path, 'name': name, 'status':
                           'Succeeded' if done else 'InProgress'})

    def collection(self, path, workspace, parts):
        known = [copy.deepcopy(v) for k, v in sorted(self.things.items())
                 if k.startswith(path.lower() + '/')
                 and '/' not in k[len(path) + 1:]]
        if [p.lower() for p in parts] in (['onlineendpoints'],
                                          ['batchendpoints']):
            batch = parts[0].lower() == 'batchendpoints'
            known += [self.endpoint_json(path + '/' + e['name'], workspace,
                                         e)
                      for e in self.config.endpoints
                      if bool(e.get('batch')) == batch]
        return known

    def list(self, request, path, workspace, parts):
        """One per page, so that nextLink is met at once."""
        known = self.collection(path, workspace, parts)
        skip = int(request.query.get('$skip', '0'))
        body = {'value': known[skip:skip + 2]}
        if skip + 2 < len(known):
            body['nextLink'] = 'https://%s%s?api-version=%s&$skip=%d' % (
                request.header('host'), request.path,
                request.query.get('api-version', ''), skip + 2)
        return reply_json(body)

    def read(self, path, workspace, parts):
        held = self.things.get(path.lower())
        if held is not None:
            return reply_json(held)
        endpoint = self.aml.endpoint(parts[1])
        if len(parts) == 2 and endpoint is not None \
                and parts[0].lower() in ('onlineendpoints',
                                         'batchendpoints'):
            return reply_json(self.endpoint_json(path, workspace, endpoint))
        if len(parts) == 4 and endpoint is not None \
                and parts[3] in endpoint.get('deployments', ()):
            return reply_json({'id': path, 'name': parts[3], 'location':
                               workspace['region'], 'properties':
                               {'provisioningState': 'Succeeded',
                                'endpointComputeType': 'Managed'}})
        return error(404, 'ResourceNotFound', 'The Resource was not found.')

    def endpoint_json(self, path, workspace, endpoint):
        modes = {'aad_token': 'AADToken', 'key': 'Key',
                 'aml_token': 'AMLToken'}
        host = '%s.%s.inference.ml.azure.com' % (endpoint['name'],
                                                 workspace['region'])
        return {
            'id': path, 'name': endpoint['name'],
            'type': PROVIDER + '/workspaces/onlineEndpoints',
            'location': workspace['region'], 'kind': 'Managed', 'tags': {},
            'identity': {'type': 'SystemAssigned'},
            'properties': {
                'authMode': modes[endpoint['auth_mode']],
                'provisioningState': 'Succeeded',
                'publicNetworkAccess': 'Enabled', 'properties': {},
                'scoringUri': 'https://%s/%s' % (
                    host, 'jobs' if endpoint.get('batch') else 'score'),
                'swaggerUri': 'https://%s/swagger.json' % host,
                'traffic': {(endpoint.get('deployments') or ['blue'])[0]:
                            100}}}
