"""The regional data plane with MLflow tracking, and blob storage."""

import hashlib
import time
import uuid

from .aml import Unauthorized, bearer_claims, challenge, forbidden
from .arm import audiences, error
from .server import Response, reply_json

BLOBS = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/'
ACTIONS = {'PUT': 'write', 'POST': 'write', 'DELETE': 'delete'}
STORAGE = ('https://storage.azure.com', 'https://storage.azure.com/')


class DataPlane:
    def __init__(self, config, issuer):
        self.config = config
        self.issuer = issuer
        self.experiments = {'0': {'experiment_id': '0', 'name': 'Default',
                                  'lifecycle_stage': 'active'}}
        self.runs = {}

    async def answer(self, request):
        path = request.path
        if path.rstrip('/').endswith('/discovery'):
            return self.discovery(request)
        try:
            claims = bearer_claims(self.config, self.issuer, request,
                                   audiences(request.host))
        except Unauthorized as refused:
            return error(401, 'UserError', 'Bearer token not accepted: %s'
                         % refused, [('WWW-Authenticate', challenge(
                             self.config, self.issuer, refused))])
        action = 'Microsoft.MachineLearningServices/workspaces/experiments/' \
            'runs/%s' % ('read' if request.method == 'GET' or
                         path.endswith('/search') else 'write')
        if not self.config.may(claims, action):
            return forbidden(claims, action, path)
        if '/api/2.0/mlflow/' in path:
            return self.mlflow(request, path.partition('/mlflow/')[2]
                               .partition('/api/2.0/mlflow/')[2])
        return reply_json({'received': {
            'method': request.method, 'path': path,
            'host': request.header('host'),
            'body_length': request.body_length}})

    def discovery(self, request):
        base = 'https://' + request.header('host')
        return reply_json({name: base for name in (
            'api', 'history', 'experimentation', 'modelmanagement',
            'pipelines', 'hyperdrive', 'studiocoreservices')})

    def mlflow(self, request, call):
        call = call.strip('/')
        body = dict(request.query)
        if request.body:
            body.update(request.json())
        function = {
            'experiments/create': self.create_experiment,
            'experiments/get-by-name': self.get_experiment,
            'experiments/get': self.get_experiment,
            'experiments/search': self.search_experiments,
            'experiments/list': self.search_experiments,
            'runs/create': self.create_run, 'runs/get': self.get_run,
            'runs/update': self.update_run, 'runs/log-metric': self.log,
            'runs/log-parameter': self.log, 'runs/log-batch': self.log,
            'runs/set-tag': self.log, 'runs/search': self.search_runs,
        }.get(call)
        if function is None:
            return reply_json({'error_code': 'ENDPOINT_NOT_FOUND',
                               'message': call}, 404)
        result = function(body)
        if result is None:
            return reply_json({'error_code': 'RESOURCE_DOES_NOT_EXIST',
                               'message': 'not found'}, 404)
        return reply_json(result)

    def create_experiment(self, body):
        number = str(len(self.experiments))
        self.experiments[number] = {
            'experiment_id': number, 'name': body.get('name', ''),
            'lifecycle_stage': 'active',
            'artifact_location': 'azureml://experiments/' + number}
        return {'experiment_id': number}

    def get_experiment(self, body):
        for e in self.experiments.values():
            if body.get('experiment_name') == e['name'] \
                    or body.get('experiment_id') == e['experiment_id']:
                return {'experiment': e}
        return None

    def search_experiments(self, body):
        return {'experiments': list(self.experiments.values())}

    def create_run(self, body):
        run_id = str(uuid.uuid4())
        info = {'run_id': run_id, 'run_uuid': run_id, 'status': 'RUNNING',
                'experiment_id': body.get('experiment_id', '0'),
                'start_time': int(time.time() * 1000),
                'artifact_uri': 'azureml://runs/' + run_id,
                'lifecycle_stage': 'active'}
        self.runs[run_id] = {'info': info, 'data': {
            'metrics': [], 'params': [], 'tags': body.get('tags', [])}}
        return {'run': self.runs[run_id]}

    def get_run(self, body):
        run = self.runs.get(body.get('run_id') or body.get('run_uuid'))
        return {'run': run} if run else None

    def update_run(self, body):
        found = self.get_run(body)
        if found is None:
            return None
        found['run']['info']['status'] = body.get('status', 'FINISHED')
        return {'run_info': found['run']['info']}

    def log(self, body):
        found = self.get_run(body)
        if found is None:
            return None
        data = found['run']['data']
        if 'timestamp' in body:
            data['metrics'].append({k: body.get(k) for k in (
                'key', 'value', 'timestamp', 'step')})
        elif 'key' in body:
            data['params'].append({'key': body['key'],
                                   'value': body.get('value')})
        for kind in ('metrics', 'params', 'tags'):
            data[kind] += body.get(kind, [])
        return {}

    def search_runs(self, body):
        return {'runs': [r for r in self.runs.values()
                         if r['info']['experiment_id']
                         in body.get('experiment_ids', [])]}


class Blob:
    def __init__(self, config, issuer):
        self.config = config
        self.issuer = issuer
        self.blobs = {}             # (account, path): bytes
        self.blocks = {}

    async def answer(self, request):
        account = request.params[0]
        try:
            claims = bearer_claims(
                self.config, self.issuer, request,
                STORAGE + ('https://%s' % request.host,))
        except Unauthorized as refused:
            return storage_error(401, 'InvalidAuthenticationInfo',
                                 'Server failed to authenticate the request: '
                                 '%s' % refused, [
                                     ('WWW-Authenticate', challenge(
                                         self.config, self.issuer, refused))])
        if request.header('x-ms-version') < '2017-11-09':
            return storage_error(403, 'AuthenticationFailed', 'x-ms-version '
                                 'must be 2017-11-09 or later with OAuth.')
        action = ACTIONS.get(request.method, 'read')
        if not self.config.may(claims, BLOBS + action):
            return storage_error(403, 'AuthorizationPermissionMismatch', 'This '
                                 'request is not authorized to perform this '
                                 'operation using this permission.')
        key = (account, request.path)
        if request.method == 'PUT':
            return self.put(request, key)
        if request.method == 'DELETE':
            self.blobs.pop(key, None)
            return Response(202)
        if request.query.get('comp') == 'list':
            return self.list(request, key)
        data = self.blobs.get(key)
        if data is None:
            return storage_error(404, 'BlobNotFound', 'The specified blob '
                                 'does not exist.')
        return self.get(request, data)

    def put(self, request, key):
        comp = request.query.get('comp')
        if request.query.get('restype') == 'container':
            return Response(201)
        if comp == 'block':
            self.blocks.setdefault(key, []).append(request.body)
        elif comp == 'blocklist':
            self.blobs[key] = b''.join(self.blocks.pop(key, []))
        else:
            self.blobs[key] = request.body
        return Response(201, b'', [
            ('ETag', '"%s"' % request.body_sha256[:16]),
            ('x-ms-request-id', str(uuid.uuid4())),
            ('x-emulator-sha256', request.body_sha256),
            ('x-emulator-length', str(request.body_length))])

    def get(self, request, data):
        headers = [('Content-Type', 'application/octet-stream'),
                   ('ETag', '"%s"' % hashlib.sha256(data).hexdigest()[:16]),
                   ('x-ms-blob-type', 'BlockBlob')]
        span = request.header('x-ms-range') or request.header('range')
        if span.startswith('bytes='):
            first, _, last = span[6:].partition('-')
            first = int(first or 0)
            last = min(int(last or len(data) - 1), len(data) - 1)
            headers.append(('Content-Range', 'bytes %d-%d/%d'
                            % (first, last, len(data))))
            return Response(206, data[first:last + 1], headers)
        return Response(200, data, headers)

    def list(self, request, key):
        names = [p[len(key[1]) + 1:] for a, p in sorted(self.blobs)
                 if a == key[0] and p.startswith(key[1] + '/')]
        xml = '<?xml version="1.0" encoding="utf-8"?><EnumerationResults>' \
            '<Blobs>%s</Blobs><NextMarker/></EnumerationResults>' % ''.join(
                '<Blob><Name>%s</Name></Blob>' % n for n in names)
        return Response(200, xml, [('Content-Type', 'application/xml')])


def storage_error(status, code, message, headers=()):
    xml = '<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code>' \
        '<Message>%s</Message></Error>' % (code, message)
    return Response(status, xml, [('Content-Type', 'application/xml'),
                                  ('x-ms-error-code', code), *headers])
