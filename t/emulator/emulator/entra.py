"""The token endpoint: who asks, for what, and the tokens themselves."""

import hashlib
import json
import re
import time
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from . import jwt
from .errors import (BLOCKING_POLICY, Refusal, correlation_id, entra_headers,
                     error_reply)
from .server import reply_json

ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
OIDC_SCOPES = {'openid', 'offline_access', 'profile', 'email'}
DEFAULT = '/.default'
LEEWAY = 300
ASSERTION_LIFE = 86400
LOOP_TIME = 60


GUID = re.compile(r'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', re.I)


class Issuer:
    """Makes access tokens and remembers them, to find or revoke them."""

    def __init__(self, config, keys):
        self.config = config
        self.keys = keys
        self.issued = []
        self.revoked = set()            # uti
        self.revoked_before = 0         # iat
        self.base = ''                  # https://localhost:port

    def now(self):
        return time.time() + float(self.config.settings['clock_offset'])

    def issuer(self, tenant_id, version):
        if version == 1:
            return self.config.issuer_v1 % tenant_id
        template = self.config.issuer_v2 or self.base + '/%s/v2.0'
        return template % tenant_id

    def claims(self, tenant, app, resource, user=None, scope='',
               lifetime=None, extra=None):
        # as Entra's 3599 of an hour: a token lives as long as is said, though
        # its dates are whole seconds
        now = int(self.now())
        lifetime = int(lifetime or self.config.settings['expires_in']) + 1
        version = resource.get('version', 1)
        tid = tenant['id']
        claims = {
            'aud': resource.get('audience', resource['uri']),
            'iss': self.issuer(tid, version),
            'iat': now, 'nbf': now,
            'exp': now + lifetime,
            'aio': jwt.b64(hashlib.sha256(uuid.uuid4().bytes).digest()),
            'rh': '0.' + jwt.b64(uuid.uuid4().bytes), 'tid': tid,
            'uti': jwt.b64(uuid.uuid4().bytes), 'ver': '%d.0' % version,
        }
        if version == 1:
            claims.update(appid=app['client_id'], appidacr='1',
                          idp=self.issuer(tid, 1))
        else:
            claims.update(azp=app['client_id'], azpacr='1')
        if user is None:
            claims.update(idtyp='app', oid=app['object_id'],
                          sub=app['object_id'])
            roles = app.get('roles')
            if roles:
                claims['roles'] = roles
        else:
            claims.update(
                oid=user['oid'], name=user['name'], scp=scope,
                sub=jwt.b64(hashlib.sha256(
                    (user['oid'] + app['client_id']).encode()).digest()),
                **{'upn' if version == 1 else 'preferred_username':
                   user['upn']})
            claims['amr' if version == 1 else 'acrs'] = \
                ['pwd', 'mfa'] if version == 1 else ['p1']
        claims.update(app.get('claims', {}))
        claims.update(extra or {})
        return claims

    def issue(self, *args, **kwargs):
        claims = self.claims(*args, **kwargs)
        token = self.keys.sign(claims)
        self.remember(claims, token)
        return token, claims

    def remember(self, claims, token):
        self.issued.append({
            'uti': claims.get('uti'), 'aud': claims.get('aud'),
            'client_id': claims.get('appid') or claims.get('azp'),
            'iat': claims.get('iat'), 'exp': claims.get('exp'),
            'sha256': hashlib.sha256(token.encode()).hexdigest(),
            'token': token})
        del self.issued[:-20000]

    def is_revoked(self, claims):
        return claims.get('uti') in self.revoked \
            or claims.get('iat', 0) < self.revoked_before

    def check(self, token, audiences):
        """Claims of a token of ours for this audience; raises jwt.Bad."""
        claims = self.keys.check(token)
        if claims.get('aud') not in audiences:
            raise jwt.Bad('audience "%s"' % claims.get('aud'))
        if claims.get('exp', 0) <= self.now():
            raise jwt.Bad('expired')
        if claims.get('nbf', 0) > self.now() + LEEWAY:
            raise jwt.Bad('not yet valid')
        return claims


class TokenEndpoint:
    def __init__(self, config, issuer, sign_in):
        self.config = config
        self.issuer = issuer
        self.sign_in = sign_in          # codes, refresh tokens, device codes
        self.asked = {}                 # equal requests: when
        self.grants = {
            'client_credentials': self.client_credentials,
            'authorization_code': self.authorization_code,
            'refresh_token': self.refresh_token,
            'urn:ietf:params:oauth:grant-type:device_code': self.device_code,
            'device_code': self.device_code,
            'urn:ietf:params:oauth:grant-type:jwt-bearer': self.on_behalf_of,
        }

    async def v2(self, request, tenant_name):
        return self.answer(request, tenant_name, 2)

    async def v1(self, request, tenant_name):
        return self.answer(request, tenant_name, 1)

    def answer(self, request, tenant_name, version):
        try:
            body = self.token(request, tenant_name, version)
        except Refusal as refusal:
            return error_reply(request, refusal)
        return reply_json(body, 200, entra_headers(
            str(uuid.uuid4()), correlation_id(request)))

    def token(self, request, tenant_name, version):
        form = request.form
        if request.method != 'POST':
            raise Refusal(900561, request.method)
        grant = required(form, 'grant_type')
        client_id = required(form, 'client_id')
        handler = self.grants.get(grant)
        if handler is None:
            raise Refusal(70003)
        tenant = self.tenant(tenant_name, grant)
        self.loop(form)
        app = self.config.app(client_id)
        if app is None or app['tenant'] != tenant['id'] \
                and not app.get('multitenant'):
            raise Refusal(700016, client_id, tenant['domain'])
        if app.get('disabled'):
            raise Refusal(7000112, client_id, app['name'])
        if version == 2 and 'resource' in form:
            raise Refusal(901002)
        if app.get('blocked'):
            raise Refusal(53003)
        body = handler(request, tenant, app, version)
        if version == 1:
            for member in ('expires_in', 'ext_expires_in'):
                body[member] = str(body[member])
            now = int(self.issuer.now())
            body['expires_on'] = str(now + int(body['expires_in']))
            body['not_before'] = str(now)
            body['resource'] = form.get('resource', '')
        return body

    def loop(self, form):
        """The same again and again: a client that does not cache."""
        limit = self.config.settings['loop']
        if not limit:
            return
        key = tuple(sorted((k, v) for k, v in form.items()
                           if k in ('grant_type', 'client_id', 'scope',
                                    'refresh_token', 'assertion')))
        now = time.time()
        times = [t for t in self.asked.get(key, ()) if t > now - LOOP_TIME]
        self.asked[key] = times + [now]
        if len(times) >= limit:
            raise Refusal(50196)

    def tenant(self, tenant_name, grant):
        if tenant_name.lower() in ('common', 'consumers', 'organizations'):
            if grant == 'client_credentials':
                raise Refusal(9001023)
            return self.config.tenants[0]
        tenant = self.config.tenant(tenant_name)
        if tenant is None:
            raise Refusal(90002 if GUID.match(tenant_name)
                          or '.' in tenant_name else 900023, tenant_name)
        return tenant

    # who asks

    def authenticate(self, request, tenant, app, grant):
        form = request.form
        if 'client_assertion' in form:
            if app.get('public'):
                raise Refusal(700025)
            if form.get('client_assertion_type') != ASSERTION_TYPE:
                raise Refusal(900144, 'client_assertion_type')
            return self.assertion(request, tenant, app,
                                  form['client_assertion'])
        if form.get('client_secret'):
            if app.get('public'):
                raise Refusal(700025)
            return self.secret(app, form['client_secret'])
        if app.get('public') and grant != 'client_credentials':
            return None
        raise Refusal(7000216 if grant == 'client_credentials' else 7000218)

    def secret(self, app, given):
        for secret in app['secrets']:
            if secret['value'] == given:
                if secret.get('expires', 1 << 60) <= self.issuer.now():
                    raise Refusal(7000222, app['client_id'])
                return
        raise Refusal(7000215, app['client_id'])

    def assertion(self, request, tenant, app, assertion):
        try:
            header, claims, data, signature = jwt.split(assertion)
        except jwt.Bad:
            raise Refusal(50027)
        own = app['client_id'].lower() in (
            str(claims.get('iss')).lower(), str(claims.get('sub')).lower())
        if not own and (app['federated'] or 'x5t' not in str(header)):
            return self.federated(app, header, claims, data, signature)
        if not str(claims.get('iss')).lower() \
                == str(claims.get('sub')).lower() == app['client_id'].lower():
            raise Refusal(700021)
        cert = self.certificate(app, header)
        try:
            jwt.verify(cert.public_key(), header.get('alg'), data, signature)
        except jwt.Bad as e:
            raise Refusal(700027, str(e))
        if claims.get('aud') not in self.audiences(request, tenant):
            raise Refusal(700023)
        if header.get('typ') != 'JWT' or not claims.get('jti'):
            raise Refusal(50027)
        self.lifetime(claims, ASSERTION_LIFE)

    def audiences(self, request, tenant):
        """The endpoint that was asked, by either name of the tenant."""
        path = request.path.partition('/oauth2/')[2]
        return {'%s/%s/oauth2/%s' % (base, name, path)
                for base in (request.base, self.issuer.base)
                for name in (tenant['id'], tenant.get('domain'))}

    def lifetime(self, claims, longest=None):
        now = self.issuer.now()
        exp, nbf = jwt.number(claims.get('exp')), jwt.number(
            claims.get('nbf', 0))
        if exp is None or nbf is None:
            raise Refusal(50027)
        if exp <= now or nbf > now + LEEWAY \
                or longest and exp > now + longest + LEEWAY:
            raise Refusal(700024)

    def certificate(self, app, header):
        """The registered certificate that the header points at."""
        names = {'PS256': 'x5t#S256', 'RS256': 'x5t'}
        name = names.get(header.get('alg'))
        if name is None:
            raise Refusal(50027)
        try:
            wanted = jwt.unb64(str(header.get(name, '')))
        except jwt.Bad:
            raise Refusal(50027)
        make = hashlib.sha256 if name == 'x5t#S256' else hashlib.sha1
        for file in app['certificates']:
            cert = x509.load_pem_x509_certificate(self.config.read(file))
            der = cert.public_bytes(serialization.Encoding.DER)
            if make(der).digest() == wanted:
                if cert.not_valid_after.timestamp() < time.time():
                    raise Refusal(700027, 'The key used is expired.')
                return cert
        if 'x5c' in header and app.get('subject_name'):
            return self.chain(app, header['x5c'], make, wanted)
        raise Refusal(700027, 'The key was not found.')

    def chain(self, app, x5c, make, wanted):
        """Subject name and issuer authentication."""
        try:
            certs = [x509.load_der_x509_certificate(jwt.unb64(c))
                     for c in x5c]
        except (jwt.Bad, ValueError, TypeError):
            raise Refusal(50027)
        leaf = certs[0]
        der = leaf.public_bytes(serialization.Encoding.DER)
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if make(der).digest() != wanted or not names \
                or names[0].value != app['subject_name']:
            raise Refusal(700030)
        if app.get('subject_issuer'):
            issuer = x509.load_pem_x509_certificate(
                self.config.read(app['subject_issuer']))
            if issuer.subject != leaf.issuer:
                raise Refusal(700030)
        return leaf

    def federated(self, app, header, claims, data, signature):
        if not app['federated']:
            raise Refusal(70025)
        aud = claims.get('aud')
        auds = aud if isinstance(aud, list) else [aud]
        trusts = [t for t in app['federated']
                  if t['issuer'] == claims.get('iss')]
        if not trusts:
            raise Refusal(700211, claims.get('iss'))
        trusts = [t for t in trusts if t['audience'] in auds]
        if not trusts:
            raise Refusal(700212, aud)
        trusts = [t for t in trusts if t['subject'] == claims.get('sub')]
        if not trusts:
            raise Refusal(700213, claims.get('sub'))
        try:
            if 'key' in trusts[0]:
                key = load_public(self.config.read(trusts[0]['key']))
                jwt.verify(key, header.get('alg'), data, signature)
            else:
                self.issuer.keys.check(
                    (data + b'.').decode() + jwt.b64(signature))
        except jwt.Bad as e:
            raise Refusal(700027, str(e))
        self.lifetime(claims)

    # for what

    def resource(self, request, tenant, version, app_only):
        """(resource, other scopes) that were asked for."""
        form = request.form
        if version == 1:
            name = required(form, 'resource')
            return self.known(name, tenant), []
        names = required(form, 'scope').split(' ')
        names = [n for n in names if n and n not in OIDC_SCOPES]
        if not names and app_only:
            raise Refusal(70011, 'scope')
        if not names:                   # a person, and no more than that
            return self.known('https://graph.microsoft.com', tenant), names
        found = set()
        for name in names:
            if name.endswith(DEFAULT):
                found.add(name[:-len(DEFAULT)])
            elif app_only:
                raise Refusal(1002012, name)
            else:
                found.add(name.rpartition('/')[0])
        if len(found) > 1:
            raise Refusal(28000)
        return self.known(found.pop(), tenant), names

    def known(self, uri, tenant):
        resource = self.config.resources.get(uri)
        if resource is None:
            raise Refusal(500011, uri, tenant['domain'])
        return resource

    def extra_claims(self, request, app):
        """What the claims parameter adds to the token."""
        text = request.form.get('claims')
        if not text:
            return {}
        try:
            wanted = json.loads(text).get('access_token', {})
            values = {k: v or {} for k, v in wanted.items()}
        except (ValueError, AttributeError):
            raise Refusal(9002313)
        extra = {}
        if 'cp1' in [v.lower() for v in
                     values.get('xms_cc', {}).get('values', [])]:
            extra['xms_cc'] = ['CP1']
        acrs = values.get('acrs', {})
        if acrs.get('essential'):
            if acrs.get('value') not in app.get('acrs', []):
                raise Refusal(50076, claims=text)
            extra['acrs'] = [acrs['value']]
        return extra

    def answer_body(self, app, token, claims, **more):
        lifetime = claims['exp'] - claims['iat'] - 1
        body = {'token_type': 'Bearer', 'expires_in': lifetime,
                'ext_expires_in': lifetime}
        refresh_in = app.get('refresh_in',
                             self.config.settings['refresh_in'])
        if refresh_in is not None:
            body['refresh_in'] = refresh_in
        body.update(more)
        body['access_token'] = token
        return body

    def client_credentials(self, request, tenant, app, version):
        self.authenticate(request, tenant, app, 'client_credentials')
        resource, _ = self.resource(request, tenant, version, True)
        if app.get('assignment_required') and not app.get('assigned'):
            raise Refusal(501051, app['client_id'], app['name'],
                          resource['uri'])
        token, claims = self.issuer.issue(
            tenant, app, resource, lifetime=app.get('expires_in'),
            extra=self.extra_claims(request, app))
        return self.answer_body(app, token, claims)

    # with a person

    def may_sign_in(self, app, scope, fresh, strong):
        """What a tenant asks of a person.

        fresh: there was a browser, in which the person could agree; strong:
        multifactor authentication was done.
        """
        if app.get('assignment_required') and not app.get('assigned'):
            raise Refusal(50105, app['client_id'], app['name'])
        if app.get('consent', True) is False and not fresh:
            raise Refusal(65001, app['client_id'], app['name'])
        if app.get('consent') == 'admin':
            raise Refusal(90094, app['tenant'], app['name'])
        if app.get('mfa') and not fresh and not strong:
            raise Refusal(50076, scope)

    def user_answer(self, request, tenant, app, version, user, scope,
                    refresh_token=True, fresh=False, strong=False,
                    held=None):
        self.may_sign_in(app, request.form.get('scope', scope), fresh, strong)
        request.form.setdefault('scope', scope)
        resource, names = self.resource(request, tenant, version, False)
        short = ' '.join(n.rpartition('/')[2] for n in names)
        token, claims = self.issuer.issue(
            tenant, app, resource, user=user, scope=short
            .replace('.default', 'user_impersonation'),
            lifetime=app.get('expires_in'),
            extra=self.extra_claims(request, app))
        more = {'scope': ' '.join(names)}
        asked = set(request.form['scope'].split(' ')) | set(scope.split(' '))
        if refresh_token and 'offline_access' in asked:
            more['refresh_token'] = self.sign_in.new_refresh_token(
                tenant, app, user, ' '.join(sorted(asked)),
                (held or {}).get('kind'))
        if 'openid' in asked:
            more['id_token'] = self.id_token(tenant, app, user,
                                             request.form.get('nonce'))
        if request.form.get('client_info') == '1':
            more['client_info'] = jwt.b64(json.dumps(
                {'uid': user['oid'], 'utid': tenant['id']}).encode())
        return self.answer_body(app, token, claims, **more)

    def id_token(self, tenant, app, user, nonce):
        now = int(self.issuer.now())
        claims = {'aud': app['client_id'], 'tid': tenant['id'],
                  'iss': self.issuer.issuer(tenant['id'], 2),
                  'iat': now, 'nbf': now, 'exp': now + 3600, 'ver': '2.0',
                  'oid': user['oid'], 'name': user['name'],
                  'preferred_username': user['upn'], 'sub': user['oid']}
        if nonce:
            claims['nonce'] = nonce
        return self.issuer.keys.sign(claims)

    def authorization_code(self, request, tenant, app, version):
        code = self.sign_in.redeem_code(request, app)
        self.platform(request, tenant, app, code['kind'])
        request.form['nonce'] = code['nonce']
        return self.user_answer(request, tenant, app, version,
                                self.config.user, code['scope'], fresh=True,
                                held=code)

    def platform(self, request, tenant, app, kind):
        """Who may redeem is said by the platform of the redirect URI."""
        if kind == 'spa' and not request.header('origin'):
            raise Refusal(9002327)
        if kind == 'web' and app.get('public') \
                and not request.form.get('client_secret') \
                and 'client_assertion' not in request.form:
            raise Refusal(7000218)
        if kind != 'web' or not app.get('public'):
            self.authenticate(request, tenant, app, 'authorization_code')
        elif 'client_assertion' in request.form:
            self.assertion(request, tenant, app,
                           request.form['client_assertion'])
        else:
            self.secret(app, request.form['client_secret'])

    def refresh_token(self, request, tenant, app, version):
        held = self.sign_in.redeem_refresh_token(
            required(request.form, 'refresh_token'), app)
        self.platform(request, tenant, app, held.get('kind'))
        return self.user_answer(request, tenant, app, version,
                                self.config.user, held['scope'], held=held)

    def device_code(self, request, tenant, app, version):
        self.authenticate(request, tenant, app, 'device_code')
        device = self.sign_in.redeem_device(request, app)
        return self.user_answer(request, tenant, app, version,
                                self.config.user, device['scope'], fresh=True)

    def on_behalf_of(self, request, tenant, app, version):
        form = request.form
        if form.get('requested_token_use') != 'on_behalf_of':
            raise Refusal(900144, 'requested_token_use')
        self.authenticate(request, tenant, app, 'jwt-bearer')
        try:
            claims = self.issuer.keys.check(required(form, 'assertion'))
        except jwt.Bad:
            raise Refusal(50013)
        if claims.get('exp', 0) <= self.issuer.now():
            raise Refusal(500133)
        names = (app['client_id'], 'api://' + app['client_id'])
        if claims.get('aud') not in names \
                and claims.get('aud') not in app.get('audiences', ()):
            raise Refusal(500131)
        if claims.get('idtyp') == 'app' or 'scp' not in claims:
            raise Refusal(70000)
        user = {'oid': claims.get('oid'), 'name': claims.get('name'),
                'upn': claims.get('upn')
                or claims.get('preferred_username')}
        return self.user_answer(
            request, tenant, app, version, user, form.get('scope', ''),
            strong='mfa' in claims.get('amr', ())
            or BLOCKING_POLICY in claims.get('capolids', ()))


def required(form, name):
    value = form.get(name, '')
    if value == '':
        raise Refusal(900144, name)
    return value


def load_public(pem):
    if b'CERTIFICATE' in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    if b'PRIVATE' in pem:
        return serialization.load_pem_private_key(pem, None).public_key()
    return serialization.load_pem_public_key(pem)
