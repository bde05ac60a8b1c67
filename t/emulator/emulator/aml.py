"""Azure ML stand-ins: online and batch endpoints.

A token is checked as Azure checks it; what comes back is what was received,
with the token's claims but never the token.
"""

import base64
import hashlib
import json
import secrets
import uuid

from . import jwt
from .echo import events
from .server import Response, reply_json

AUDIENCES = {'cn': 'https://ml.azure.cn', 'us': 'https://ml.azure.us'}
AML = 'https://ml.azure.com'
HIDDEN = {'authorization', 'x-azureml-token', 'cookie'}


class Unauthorized(Exception):
    def __init__(self, why, claims=None):
        super().__init__(why)
        self.claims = claims


def bearer_claims(config, issuer, request, audiences):
    """Claims of the request's Entra token; raises Unauthorized.

    It has to be of the tenant in which the resource is.
    """
    token = request.bearer
    if not token:
        raise Unauthorized('no bearer token')
    if not config.settings['validate']:
        return {'aud': audiences[0], 'oid': 'anyone'}
    try:
        claims = issuer.check(token, audiences)
    except jwt.Bad as e:
        raise Unauthorized(str(e))
    if claims.get('tid') != config.workspaces[0].get(
            'tenant', config.tenants[0]['id']):
        raise Unauthorized('issuer')
    if issuer.is_revoked(claims):
        raise Unauthorized('revoked', claims)
    return claims


def challenge(config, issuer, refused):
    """The WWW-Authenticate of a 401."""
    if refused.claims is not None \
            and config.settings['challenge'] == 'insufficient_claims':
        wanted = {'access_token': {'nbf': {
            'essential': True, 'value': str(int(issuer.now()))}}}
        return ('Bearer realm="", authorization_uri="%s/common/oauth2/'
                'authorize", error="insufficient_claims", claims="%s"' % (
                    issuer.base,
                    base64.b64encode(json.dumps(wanted).encode()).decode()))
    return ('Bearer authorization_uri="https://login.windows.net/%s", '
            'error="invalid_token", error_description="%s"'
            % (config.tenants[0]['id'], refused))


def forbidden(claims, action, scope):
    return reply_json({'error': {
        'code': 'AuthorizationFailed',
        'message': "The client '%s' with object id '%s' does not have "
                   "authorization to perform action '%s' over scope '%s' or "
                   'the scope is invalid. If access was recently granted, '
                   'please refresh your credentials.' % (
                       claims.get('appid', '?'), claims.get('oid', '?'),
                       action, scope)}}, 403)


class AzureML:
    def __init__(self, config, issuer, echo):
        self.config = config
        self.issuer = issuer
        self.echo = echo
        self.keys = {}              # endpoint: [primary, secondary]
        self.old_keys = set()
        self.tokens = {}            # aml_token: (endpoint, expiry)
        self.jobs = {}

    def endpoint(self, name):
        for endpoint in self.config.endpoints:
            if endpoint['name'] == name.lower():
                return endpoint
        return None

    def endpoint_keys(self, name):
        if name not in self.keys:
            self.keys[name] = [secrets.token_urlsafe(32),
                               secrets.token_urlsafe(32)]
        return self.keys[name]

    def regenerate(self, name, which):
        keys = self.endpoint_keys(name)
        keys[1 if which.lower() == 'secondary' else 0] = \
            secrets.token_urlsafe(32)

    def new_token(self, name):
        now = int(self.issuer.now())
        lifetime = self.config.settings['aml_token_lifetime']
        token = jwt.sign_raw(b'emulator', {'alg': 'HS256', 'typ': 'JWT'}, {
            'endpointName': name, 'exp': now + lifetime,
            'jti': str(uuid.uuid4())}, 'HS256')
        self.tokens[token] = (name, now + lifetime)
        return {'accessToken': token, 'tokenType': 'Bearer',
                'expiryTimeUtc': now + lifetime,
                'refreshAfterTimeUtc': now + lifetime * 3 // 4}

    def caller(self, request, endpoint):
        """Claims of whoever calls; raises Unauthorized."""
        mode = endpoint['auth_mode']
        if mode == 'key':
            if request.bearer not in self.endpoint_keys(endpoint['name']):
                raise Unauthorized('key_auth_access_denied')
            return {'auth_mode': 'key'}
        if mode == 'aml_token':
            name, expiry = self.tokens.get(request.bearer, (None, 0))
            if name != endpoint['name'] or expiry <= self.issuer.now():
                raise Unauthorized('aml_token is not valid')
            return {'auth_mode': 'aml_token'}
        return bearer_claims(
            self.config, self.issuer, request,
            (AUDIENCES.get(request.host.rpartition('.')[2], AML),))

    async def answer(self, request):
        name, region = request.params
        endpoint = self.endpoint(name)
        if endpoint is None:
            return Response(404, 'Could not find endpoint "%s"' % name)
        if request.path == '/' and request.method == 'GET':
            return Response(200, 'Healthy')
        try:
            claims = self.caller(request, endpoint)
        except Unauthorized as refused:
            return self.unauthorized(endpoint, refused)
        action = 'Microsoft.MachineLearningServices/workspaces/%s' % (
            'batchEndpoints/write' if endpoint.get('batch')
            else 'onlineEndpoints/score/action')
        if endpoint['auth_mode'] == 'aad_token' \
                and not self.config.may(claims, action):
            return self.role_missing(claims, action, name)
        wanted = request.header('azureml-model-deployment')
        if wanted and wanted not in endpoint.get('deployments', ()):
            return Response(404, 'No deployment "%s"' % wanted)
        if not endpoint.get('deployments'):
            return Response(404, 'No valid deployment with positive weight')
        if endpoint.get('batch'):
            return self.batch(request, endpoint)
        return self.score(request, endpoint, claims, wanted)

    def role_missing(self, claims, action, name):
        """401 in Azure ML's table of status codes, not 403; not measured."""
        if self.config.settings['score_refused'] == 403:
            return forbidden(claims, action, name)
        return Response(401, 'You don\'t have permission to do the requested '
                        'action (%s), or your token is expired or in the '
                        'wrong format' % action,
                        [('Content-Type', 'text/plain')])

    def unauthorized(self, endpoint, refused):
        headers = [('Content-Type', 'text/plain')]
        if endpoint['auth_mode'] == 'aad_token':
            headers.append(('WWW-Authenticate',
                            challenge(self.config, self.issuer, refused)))
        return Response(401, str(refused), headers)

    def score(self, request, endpoint, claims, wanted):
        headers = [
            ('azureml-model-deployment',
             wanted or (endpoint.get('deployments') or ['blue'])[0]),
            ('x-ms-request-id', str(uuid.uuid4()))]
        if endpoint.get('failing'):
            headers += [('ms-azureml-model-error-statuscode', '500'),
                        ('ms-azureml-model-error-reason', 'model_error')]
            return reply_json({'message': 'An unexpected error occurred in '
                               'scoring script.'}, 424, headers)
        if endpoint.get('busy'):
            return reply_json({'error': {'code': 'TooManyRequests',
                                         'message': 'Rate limit reached'}},
                              429, headers + [('Retry-After', '3')])
        if request.path.endswith('/chat/completions') \
                and b'"stream"' in request.body:
            return Response(200, headers=headers + [
                ('Content-Type', 'text/event-stream')],
                stream=events(5, 0.1))
        return reply_json(self.received(request, claims), 200, headers)

    def received(self, request, claims):
        record = self.echo.seen(request)
        token = request.bearer
        return {
            'received': {
                'method': request.method, 'target': request.target,
                'host': request.header('host'),
                'headers': [(k, v) for k, v in request.headers
                            if k.lower() not in HIDDEN],
                'body': record['body'], 'body_length': request.body_length,
                'body_sha256': request.body_sha256},
            'token': {
                'sha256': hashlib.sha256(token.encode()).hexdigest(),
                'length': len(token), 'claims': claims},
        }

    def batch(self, request, endpoint):
        base = 'https://%s' % request.header('host')
        parts = request.path.strip('/').split('/')
        if parts[0] != 'jobs':
            return Response(404)
        if request.method == 'POST' and len(parts) == 1:
            given = request.header('repeatability_request-id') \
                or request.header('repeatability-request-id')
            job = next((j for j in self.jobs.values()
                        if given and j['request_id'] == given), None)
            if job is None:
                name = 'batchjob-' + str(uuid.uuid4())
                job = self.jobs[name] = {
                    'name': name, 'request_id': given, 'polls': 0}
            return reply_json(
                self.job(base, job), 201,
                [('Location', '%s/jobs/%s' % (base, job['name']))])
        if request.method == 'GET' and len(parts) == 1:
            return reply_json({
                'value': [self.job(base, j) for j in self.jobs.values()],
                'nextLink': base + '/jobs?$skip=1' if len(self.jobs) > 1
                and '$skip' not in request.query else None})
        job = self.jobs.get(parts[1])
        if job is None:
            return Response(404)
        job['polls'] += 1
        return reply_json(self.job(base, job))

    def job(self, base, job):
        return {'id': '/jobs/' + job['name'], 'name': job['name'],
                'type': 'Microsoft.MachineLearningServices/workspaces/'
                        'batchEndpoints/jobs',
                'properties': {
                    'status': 'Completed' if job['polls'] > 1
                    else 'Running',
                    'interactionEndpoints': {'Tracking': {
                        'endpoint': base + '/jobs/' + job['name']}}}}
