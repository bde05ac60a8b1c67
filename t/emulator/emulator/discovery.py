"""Discovery documents, signing keys and instance metadata."""

import urllib.parse

from .errors import Refusal, error_reply
from .server import reply_json

KNOWN = [
    ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com',
     'sts.windows.net'],
    ['login.partner.microsoftonline.cn', 'login.chinacloudapi.cn'],
    ['login.microsoftonline.us', 'login.usgovcloudapi.net'],
]


class Discovery:
    def __init__(self, config, issuer, names):
        self.config = config
        self.issuer = issuer
        self.names = names

    def tenant_id(self, name):
        if name.lower() in ('common', 'organizations', 'consumers'):
            return '{tenantid}', name
        tenant = self.config.tenant(name)
        if tenant is None:
            raise Refusal(90002, name)
        return tenant['id'], tenant['id']

    def document(self, request, name, version):
        try:
            tid, path = self.tenant_id(name)
        except Refusal as refusal:
            return error_reply(request, refusal)
        base = '%s/%s' % (request.base, path)
        oauth = base + ('/oauth2/v2.0' if version == 2 else '/oauth2')
        return reply_json({
            'token_endpoint': oauth + '/token',
            'token_endpoint_auth_methods_supported': [
                'client_secret_post', 'private_key_jwt',
                'client_secret_basic'],
            'jwks_uri': base + ('/discovery/v2.0/keys' if version == 2
                                else '/discovery/keys'),
            'response_modes_supported': ['query', 'fragment', 'form_post'],
            'subject_types_supported': ['pairwise'],
            'id_token_signing_alg_values_supported': ['RS256'],
            'response_types_supported': ['code', 'id_token',
                                         'code id_token'],
            'scopes_supported': ['openid', 'profile', 'email',
                                 'offline_access'],
            'issuer': self.issuer.issuer(tid, version),
            'request_uri_parameter_supported': False,
            'authorization_endpoint': oauth + '/authorize',
            'device_authorization_endpoint': oauth + '/devicecode',
            'tenant_region_scope': 'EU',
            'cloud_instance_name': 'microsoftonline.com',
        })

    async def v2(self, request, name):
        return self.document(request, name, 2)

    async def v1(self, request, name):
        return self.document(request, name, 1)

    def keys(self, request, name, version):
        try:
            tid, _ = self.tenant_id(name)
        except Refusal as refusal:
            return error_reply(request, refusal)
        issuer = self.issuer.issuer(tid, 2) if version == 2 else None
        return reply_json({'keys': [k.jwk(issuer)
                                    for k in self.issuer.keys.keys]},
                          headers=[('Cache-Control', 'private')])

    async def keys_v2(self, request, name):
        return self.keys(request, name, 2)

    async def keys_v1(self, request, name):
        return self.keys(request, name, 1)

    async def instance(self, request):
        wanted = urllib.parse.urlsplit(
            request.query.get('authorization_endpoint', '')).netloc.lower()
        own = [request.header('host').lower()] + self.names
        metadata = [{'preferred_network': group[0],
                     'preferred_cache': group[-1], 'aliases': group}
                    for group in KNOWN]
        metadata += [{'preferred_network': n, 'preferred_cache': n,
                      'aliases': [n]} for n in own]
        if not any(wanted in m['aliases'] for m in metadata):
            return reply_json({
                'error': 'invalid_instance',
                'error_description': 'AADSTS50049: Unknown or invalid '
                'instance.', 'error_codes': [50049]}, 400)
        tenant = request.query['authorization_endpoint'].split('/')[3]
        return reply_json({
            'tenant_discovery_endpoint':
                '%s/%s/v2.0/.well-known/openid-configuration'
                % (request.base, tenant),
            'api-version': '1.1', 'metadata': metadata})
