"""Puts the parts together: which listener serves what."""

import asyncio
import re

from . import faults as faults_module
from .aml import AzureML
from .arm import ResourceManager
from .control import Control
from .dataplane import Blob, DataPlane
from .discovery import Discovery
from .echo import Echo
from .entra import Issuer, TokenEndpoint
from .faults import Faults
from .identity import ManagedIdentity
from .jwt import KeyRing
from .recorder import Recorder
from .server import BadRequest, Listener, Response, reply_text
from .signin import SignIn
from .tls import Authority

INFERENCE = re.compile(
    r'^([a-z0-9-]+)\.([a-z0-9]+)\.(inference\.ml\.azure\.(com|cn|us)'
    r'|models\.ai\.azure\.com)$')
MANAGEMENT = {'management.azure.com', 'management.chinacloudapi.cn',
              'management.usgovcloudapi.net', 'management.localhost'}
REGIONAL = re.compile(
    r'^.+\.(api\.azureml\.ms|api\.ml\.azure\.(cn|us)'
    r'|experiments\.azureml\.net)$')
BLOB = re.compile(r'^([a-z0-9]+)\.blob\.core\.[a-z.]+$')


class App:
    def __init__(self, config, state_dir, names=()):
        self.config = config
        self.faults = Faults()
        self.recorder = Recorder()
        self.keys = KeyRing(state_dir)
        self.tls = Authority(state_dir, names)
        self.issuer = Issuer(config, self.keys)
        self.sign_in = SignIn(config, state_dir, lambda: self.issuer.base)
        self.token = TokenEndpoint(config, self.issuer, self.sign_in)
        self.discovery = Discovery(config, self.issuer, list(names))
        self.identity = ManagedIdentity(config, self.issuer)
        self.echo = Echo()
        self.aml = AzureML(config, self.issuer, self.echo)
        self.arm = ResourceManager(config, self.issuer, self.aml)
        self.dataplane = DataPlane(config, self.issuer)
        self.blob = Blob(config, self.issuer)
        self.control = Control(self)
        self.listeners = {
            'entra': Listener('entra', self, self.tls),
            'upstream': Listener('upstream', self, self.tls),
            'upstream_plain': Listener('upstream_plain', self),
            'identity': Listener('identity', self),
            'identity_tls': Listener('identity_tls', self, self.tls),
            'control': Listener('control', self),
        }
        self.entra_routes = self.make_entra_routes()

    def make_entra_routes(self):
        t, d, s = self.token, self.discovery, self.sign_in
        routes = [
            (r'/([^/]+)/oauth2/v2\.0/token', 'token', t.v2),
            (r'/([^/]+)/oauth2/token', 'token.v1', t.v1),
            (r'/([^/]+)/oauth2/(?:v2\.0/)?devicecode', 'devicecode',
             s.devicecode),
            (r'/([^/]+)/oauth2/(?:v2\.0/)?authorize', 'authorize',
             s.authorize),
            (r'/devicelogin', 'devicelogin', s.devicelogin),
            (r'/([^/]+)/v2\.0/\.well-known/openid-configuration',
             'discovery', d.v2),
            (r'/([^/]+)/\.well-known/openid-configuration', 'discovery.v1',
             d.v1),
            (r'/([^/]+)/discovery/v2\.0/keys', 'keys', d.keys_v2),
            (r'/([^/]+)/discovery/keys', 'keys.v1', d.keys_v1),
            (r'/common/discovery/instance', 'instance', d.instance),
        ]
        return [(re.compile(r'^/*' + p[1:] + '$'), n, f)
                for p, n, f in routes]

    # routing: sets request.endpoint, returns a coroutine function

    def route(self, request):
        name = request.listener.name
        if name == 'control':
            request.endpoint = 'control'
            return self.control.answer
        if name == 'entra':
            return self.route_entra(request)
        if name.startswith('identity'):
            return self.identity.route(request)
        return self.route_upstream(request)

    def route_entra(self, request):
        request.client_id = request.form.get('client_id', '')
        for pattern, endpoint, function in self.entra_routes:
            match = pattern.match(request.path)
            if match:
                request.endpoint = endpoint
                request.params = match.groups()
                return lambda r: function(r, *r.params)
        request.endpoint = 'unknown'
        return not_found

    def route_upstream(self, request):
        host = request.host
        if INFERENCE.match(host):
            request.params = INFERENCE.match(host).groups()[:2]
            request.endpoint = 'upstream.aml'
            return self.aml.answer
        if host in MANAGEMENT:
            request.endpoint = 'upstream.arm'
            return self.arm.answer
        if REGIONAL.match(host):
            request.endpoint = 'upstream.regional'
            return self.dataplane.answer
        if BLOB.match(host):
            request.params = BLOB.match(host).groups()
            request.endpoint = 'upstream.blob'
            return self.blob.answer
        request.endpoint = 'upstream.echo'
        return self.echo.answer

    # one request

    async def handle(self, request, writer):
        function = self.route(request)
        if request.endpoint == 'control':
            return await self.guarded(function, request), None
        rule = self.faults.take(request)
        record = self.recorder.add(request)
        response = None
        try:
            if rule is not None:
                response = await faults_module.before(rule, request, writer)
            if response is None:
                response = await self.guarded(function, request, rule)
            if rule is not None:
                faults_module.after(rule, response)
        finally:
            self.recorder.done(record, response, rule)
        return response, rule

    async def guarded(self, function, request, rule=None):
        if rule is not None and 'claims' in rule:
            return await self.lying(function, request, rule['claims'])
        try:
            return await function(request)
        except BadRequest as e:
            return reply_text(str(e) + '\n', 400)

    async def lying(self, function, request, claims):
        """The real answer, but with other claims in the token."""
        real = self.issuer.claims

        def changed(*args, **kwargs):
            return {**real(*args, **kwargs), **claims}

        self.issuer.claims = changed
        try:
            return await function(request)
        finally:
            self.issuer.claims = real

    async def start(self, address, ports):
        for name, listener in self.listeners.items():
            listener.bind(address, ports.get(name, 0))
        self.issuer.base = 'https://localhost:%d' \
            % self.listeners['entra'].port
        loop = asyncio.get_running_loop()
        return [loop.create_task(listener.run())
                for listener in self.listeners.values()]


async def not_found(request):
    return Response(404, b'')
