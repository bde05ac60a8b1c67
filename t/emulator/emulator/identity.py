"""The endpoints of "this machine": IMDS, App Service, Azure ML and others.

All are on one plain listener, told apart by path (Service Fabric is on the
TLS one):

    /metadata/identity/oauth2/token         IMDS
    /arc/metadata/identity/oauth2/token     Azure Arc
    /appservice/msi/token                   App Service 2019-08-01
    /aml/msi/token                          Azure ML compute 2017-09-01
    /cloudshell/oauth2/token                Cloud Shell
    /sf/metadata/identity/oauth2/token      Service Fabric
"""

import json
import os
import secrets
import time

from .server import Response, reply_json

IMDS_VERSIONS = {'2018-02-01', '2018-10-01', '2019-03-11', '2019-06-01',
                 '2019-06-04', '2019-08-01', '2019-08-15', '2019-11-01',
                 '2020-06-01', '2020-07-15', '2020-09-01', '2020-10-01',
                 '2020-12-01', '2021-01-01', '2021-02-01', '2021-12-13',
                 '2023-07-01', '2023-11-15'}
SELECTORS = {'client_id', 'clientid', 'object_id', 'principal_id',
             'msi_res_id', 'mi_res_id', 'resource_id'}
ARC_VERSIONS = {'2019-11-01', '2020-06-01', '2021-02-01'}


class ManagedIdentity:
    def __init__(self, config, issuer):
        self.config = config
        self.issuer = issuer
        self.arc_keys = {}
        self.cache = {}             # (identity, resource, life): (body, until)
        self.times = []             # of requests, for identity_rate
        self.sources = {
            '/metadata/identity/oauth2/token': ('imds', self.imds),
            '/arc/metadata/identity/oauth2/token': ('arc', self.arc),
            '/appservice/msi/token': ('appservice', self.appservice),
            '/aml/msi/token': ('amlmsi', self.aml),
            '/cloudshell/oauth2/token': ('cloudshell', self.cloudshell),
            '/sf/metadata/identity/oauth2/token': ('sf', self.fabric),
        }

    def route(self, request):
        endpoint, function = self.sources.get(request.path,
                                              ('unknown', unknown))
        request.endpoint = 'identity.' + endpoint
        request.client_id = request.query.get(
            'client_id', request.query.get('clientid', ''))
        return function

    def find(self, request, names):
        """The identity asked for; names maps our member to the parameter."""
        for member, parameters in names.items():
            for parameter in parameters:
                wanted = request.query.get(parameter)
                if wanted:
                    return self.by(member, wanted)
        known = self.config.identities
        if known.get('system'):
            return known['system']
        return known['user'][0] if len(known['user']) == 1 else None

    def by(self, member, value):
        known = self.config.identities
        for identity in [known.get('system') or {}] + known['user']:
            if identity.get(member, '').lower() == value.lower():
                return identity
        return None

    def token(self, request, identity, resource):
        """(answer's members with numbers, or None for no such resource)"""
        known = self.config.resources.get(resource)
        if known is None:
            return None
        lifetime = self.config.settings['expires_in'] * 24
        key = (identity['client_id'], resource, lifetime)
        body, renew = self.cache.get(key, (None, 0))
        if self.config.settings['identity_cache'] \
                and renew > self.issuer.now():
            # what is left of it, and no more
            return dict(body, expires_in=int(body['expires_on']
                                             - self.issuer.now()))
        app = {'client_id': identity['client_id'],
               'object_id': identity['object_id']}
        extra = {}
        if 'resource_id' in identity:
            extra['xms_mirid'] = identity['resource_id']
        token, claims = self.issuer.issue(
            self.config.tenants[0], app, known, extra=extra,
            lifetime=lifetime)
        body = {
            'access_token': token, 'client_id': identity['client_id'],
            'expires_in': claims['exp'] - claims['iat'] - 1,
            'expires_on': claims['exp'], 'not_before': claims['nbf'],
            'resource': resource, 'token_type': 'Bearer'}
        # a new one when half of it is over
        self.cache[key] = (body, claims['iat'] + lifetime / 2)
        return dict(body)

    def throttled(self):
        rate = self.config.settings['identity_rate']
        now = time.time()
        self.times = [t for t in self.times if t > now - 1]
        if rate and len(self.times) >= rate:
            return True
        if rate:
            self.times.append(now)
        return False

    IMDS_NAMES = {'client_id': ['client_id'], 'object_id': ['object_id'],
                  'resource_id': ['msi_res_id', 'mi_res_id']}

    def imds_answer(self, request, names):
        resource = request.query.get('resource')
        if 'api-version' not in request.query:
            return oauth_error(400, 'invalid_request',
                               'Required query variable \'api-version\' is '
                               'missing')
        if not resource:
            return oauth_error(400, 'invalid_request',
                               'Required query variable \'resource\' is '
                               'missing')
        given = SELECTORS & set(request.query)
        if given - {n for names_ in names.values() for n in names_} \
                or len(given) > 1:
            return oauth_error(400, 'invalid_request', 'Identity not found')
        identity = self.find(request, names)
        if identity is None:
            return oauth_error(400, 'invalid_request', 'Identity not found')
        body = self.token(request, identity, resource)
        if body is None:
            return oauth_error(400, 'invalid_resource',
                               'AADSTS500011: The resource principal named '
                               '%s was not found.' % resource)
        body['refresh_token'] = ''
        for member in ('expires_in', 'expires_on', 'not_before'):
            body[member] = str(body[member])
        return reply_json(body)

    async def imds(self, request):
        if request.header('metadata') != 'true':
            return oauth_error(400, 'bad_request_102',
                               'Required metadata header not specified')
        if request.method != 'GET':
            return Response(405)
        if request.header('x-forwarded-for'):
            return oauth_error(400, 'bad_request_104',
                               'Requests through a proxy are refused')
        if request.query.get('api-version') not in IMDS_VERSIONS:
            return reply_json({
                'error': 'Bad request. api-version is invalid or was not '
                'specified in the request. For more information refer to '
                'aka.ms/azureimds', 'newest-versions': [
                    '2023-11-15', '2023-07-01', '2021-12-13']}, 400)
        if self.throttled():
            return Response(429, json.dumps(
                {'error': 'invalid_request', 'error_description':
                 'Too many requests'}), [('Content-Type', 'application/json'),
                                         ('Retry-After', '1')])
        return self.imds_answer(request, self.IMDS_NAMES)

    async def arc(self, request):
        if request.header('metadata') != 'true':
            return oauth_error(400, 'invalid_request',
                               'Required metadata header not specified')
        if request.query.get('api-version') not in ARC_VERSIONS:
            return oauth_error(400, 'invalid_request', 'api-version')
        scheme, _, given = request.header('authorization').partition(' ')
        if scheme.lower() == 'basic' and given in self.arc_keys:
            try:
                os.unlink(self.arc_keys.pop(given))
            except OSError:
                pass
            return self.imds_answer(request, self.IMDS_NAMES)
        return self.arc_challenge()

    def arc_challenge(self):
        directory = self.config.identities['arc_token_dir']
        path = os.path.join(directory, secrets.token_hex(8) + '.key')
        value = secrets.token_hex(32)
        try:
            os.makedirs(directory, exist_ok=True)
            with open(path, 'w') as f:
                f.write(value)
            os.chmod(path, 0o644)
        except OSError as e:
            return oauth_error(500, 'server_error', str(e))
        self.arc_keys[value] = path
        return Response(401, b'', [
            ('WWW-Authenticate', 'Basic realm=' + path)])

    async def appservice(self, request):
        if request.header('x-identity-header') \
                != self.config.identities['secret']:
            return reply_json({'statusCode': 401, 'message': 'Unauthorized'},
                              401)
        if request.query.get('api-version') != '2019-08-01':
            return reply_json({'statusCode': 400, 'message': 'api-version'},
                              400)
        identity = self.find(request, {
            'client_id': ['client_id'],
            'object_id': ['principal_id', 'object_id'],
            'resource_id': ['mi_res_id']})
        if identity is None:
            return reply_json({
                'statusCode': 400,
                'message': 'No User Assigned or Delegated Managed Identity '
                           'found for specified ClientId/ResourceId/'
                           'PrincipalId.'}, 400)
        body = self.token(request, identity,
                          request.query.get('resource', ''))
        if body is None:
            return reply_json({'statusCode': 500, 'message': 'An unexpected '
                               'error occurred while fetching the AAD '
                               'Token.'}, 500)
        for member in ('expires_in', 'not_before'):
            del body[member]
        body['expires_on'] = str(body['expires_on'])
        return reply_json(body)

    async def aml(self, request):
        if request.header('secret') != self.config.identities['secret']:
            return reply_json({'statusCode': 401,
                               'message': 'Invalid secret token header'}, 401)
        if request.query.get('api-version') not in ('2017-09-01',
                                                    '2018-02-01'):
            return reply_json({'statusCode': 400, 'message': 'api-version'},
                              400)
        identity = self.find(request, {'client_id': ['clientid']})
        if identity is None:
            return reply_json({'statusCode': 400, 'message':
                               'Specified client id is not found'}, 400)
        body = self.token(request, identity,
                          request.query.get('resource', ''))
        if body is None:
            return reply_json({'statusCode': 500, 'message': 'resource'}, 500)
        for member in ('expires_in', 'not_before'):
            del body[member]
        if self.config.identities.get('aml_dates'):
            body['expires_on'] = time.strftime(
                '%m/%d/%Y %H:%M:%S +00:00', time.gmtime(body['expires_on']))
        return reply_json(body)

    async def cloudshell(self, request):
        if request.method != 'POST' or request.header('metadata') != 'true':
            return arm_error(400, 'BadRequest', 'Metadata header')
        body = self.token(request, self.config.identities['system'],
                          request.form.get('resource', ''))
        if body is None:
            return arm_error(400, 'InvalidResource', 'resource')
        for member in ('expires_in', 'expires_on', 'not_before'):
            body[member] = str(body[member])
        del body['client_id']
        return reply_json(body)

    async def fabric(self, request):
        if request.header('secret') != self.config.identities['secret']:
            return arm_error(400, 'SecretHeaderNotFound',
                             'Secret is not found in the request headers.')
        if request.query.get('api-version') != '2019-07-01-preview':
            return arm_error(400, 'InvalidApiVersion', 'api-version')
        body = self.token(request, self.config.identities['system'],
                          request.query.get('resource', ''))
        if body is None:
            return arm_error(400, 'ArgumentNullOrEmpty', 'resource')
        return reply_json({'token_type': 'Bearer',
                           'access_token': body['access_token'],
                           'expires_on': body['expires_on'],
                           'resource': body['resource']})


def oauth_error(status, error, text):
    return reply_json({'error': error, 'error_description': text}, status)


def arm_error(status, code, text):
    return reply_json({'error': {'code': code, 'message': text}}, status)


async def unknown(request):
    return Response(404, b'')
