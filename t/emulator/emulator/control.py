"""The control API, on a port of its own; see docs/emulator.md."""

import time

from . import config as config_module
from . import jwt
from .server import reply_json, reply_text


class Control:
    def __init__(self, app):
        self.app = app
        self.routes = {
            'faults': self.faults, 'requests': self.requests,
            'counters': self.counters, 'keys': self.keys,
            'tokens': self.tokens, 'secrets': self.secrets,
            'apps': self.apps, 'settings': self.settings,
            'tls': self.tls, 'mint': self.mint, 'device': self.device,
            'endpoints': self.endpoints, 'info': self.info,
            'refresh_tokens': self.refresh_tokens, 'user': self.user,
            'identities': self.identities,
        }

    async def answer(self, request):
        parts = request.path.strip('/').split('/')
        if parts == ['']:
            return reply_text('/control/' + '\n/control/'.join(
                sorted(self.routes)) + '\n')
        if parts[0] != 'control' or len(parts) < 2 \
                or parts[1] not in self.routes:
            return reply_json({'error': 'no such control'}, 404)
        try:
            result = self.routes[parts[1]](request, parts[2:])
        except (ValueError, KeyError, TypeError, IndexError) as e:
            return reply_json({'error': '%s: %s' % (type(e).__name__, e)},
                              400)
        return reply_json(result)

    def faults(self, request, rest):
        faults = self.app.faults
        if request.method == 'POST':
            rules = request.json()
            rules = rules if isinstance(rules, list) else [rules]
            return [faults.add(rule) for rule in rules]
        if request.method == 'DELETE':
            faults.clear(int(rest[0]) if rest else None)
        return faults.rules

    def requests(self, request, rest):
        if request.method == 'DELETE':
            self.app.recorder.clear()
            return []
        return self.app.recorder.find(request.query)

    def counters(self, request, rest):
        counters = dict(self.app.recorder.counters)
        for name, listener in self.app.listeners.items():
            counters['connections.' + name] = listener.accepted
            counters['open.' + name] = listener.open
        return counters

    def keys(self, request, rest):
        if request.method == 'POST' and rest == ['rotate']:
            keep = request.json().get('keep', True)
            return {'kid': self.app.keys.rotate(keep)}
        return [{'kid': k.kid} for k in self.app.keys.keys]

    def tokens(self, request, rest):
        """GET: those issued.  POST revoke: {"all"|"uti"|"client_id"}."""
        issuer = self.app.issuer
        if request.method == 'POST' and rest == ['revoke']:
            what = request.json()
            hit = [t for t in issuer.issued
                   if what.get('all') or t['uti'] == what.get('uti')
                   or t['client_id'] == what.get('client_id')]
            issuer.revoked.update(t['uti'] for t in hit)
            return {'revoked': len(hit)}
        return [dict(t, revoked=t['uti'] in issuer.revoked)
                for t in issuer.issued]

    def secrets(self, request, rest):
        """POST {"client_id", "secrets": [{"value", "expires"}]}."""
        given = request.json()
        app = self.app.config.apps[
            given.get('client_id', config_module.CLIENT).lower()]
        secrets = [{'value': s} if isinstance(s, str) else s
                   for s in given['secrets']]
        self.app.config.change_app(app, {'secrets': secrets})
        return secrets

    def apps(self, request, rest):
        """POST: a new app, or changed members of one; DELETE /ID."""
        config = self.app.config
        if request.method == 'POST':
            given = request.json()
            app = config.apps.get(given['client_id'].lower())
            if app is None:
                return config.new_app(given)
            config.change_app(app, given)
            return app
        if request.method == 'DELETE':
            del config.apps[rest[0].lower()]
        return list(config.apps.values())

    def settings(self, request, rest):
        settings = self.app.config.settings
        if request.method == 'POST':
            given = request.json()
            for name in given:
                if name not in settings:
                    raise ValueError('no setting "%s"; there are: %s' % (
                        name, ', '.join(sorted(settings))))
            settings.update(given)
        return settings

    def tls(self, request, rest):
        """POST {"strict": bool, "expired": bool}."""
        tls = self.app.tls
        if request.method == 'POST':
            given = request.json()
            tls.strict = bool(given.get('strict', tls.strict))
            tls.expired = bool(given.get('expired', tls.expired))
            tls.reset()
        return {'strict': tls.strict, 'expired': tls.expired,
                'sha1': tls.sha1}

    def mint(self, request, rest):
        """A token with any content: {"claims", "header", "alg", "key"}.

        key: "current", "foreign" (a key that is published nowhere) or PEM.
        Without "exact", what an access token always has is filled in.
        """
        given = request.json()
        claims = given.get('claims', {})
        issuer = self.app.issuer
        if not given.get('exact'):
            config = self.app.config
            tenant = config.tenant(given.get('tenant',
                                             config_module.TENANT))
            app = config.app(given.get('client_id', config_module.CLIENT))
            version = int(given.get('version', 2))
            base = issuer.claims(
                tenant, app, {'uri': claims.get('aud', 'api://gateway'),
                              'version': version},
                user=config.user if given.get('user') else None,
                scope=given.get('scope', ''))
            base.update(claims)
            claims = {k: v for k, v in base.items() if v is not None}
        current = issuer.keys.current
        key = current.key
        header = {'typ': 'JWT', 'alg': given.get('alg', 'RS256'),
                  'kid': current.kid, 'x5t': current.x5t}
        header.update(given.get('header', {}))
        header = {k: v for k, v in header.items() if v is not None}
        if given.get('key') == 'foreign':
            key = foreign_key()
        elif given.get('key', 'current') != 'current':
            key = jwt.tls.load_key(given['key'].encode())
        token = jwt.sign_raw(key, header, claims, given.get('alg', 'RS256'))
        if given.get('remember', True):
            issuer.remember(claims, token)
        return {'token': token, 'claims': claims}

    def device(self, request, rest):
        """POST {"user_code" or nothing for all, "state"}."""
        devices = self.app.sign_in.devices
        if request.method == 'POST':
            given = request.json()
            for device in devices.values():
                if given.get('user_code', device['user_code']) \
                        == device['user_code']:
                    device['state'] = given.get('state', 'approved')
        return list(devices.values())

    def user(self, request, rest):
        """GET: who signs in; POST changes members."""
        user = self.app.config.user
        if request.method == 'POST':
            user.update(request.json())
        return user

    def identities(self, request, rest):
        """GET: managed identities; POST changes members."""
        identities = self.app.config.identities
        if request.method == 'POST':
            identities.update(request.json())
        return identities

    def refresh_tokens(self, request, rest):
        """POST revoke: every refresh token of before now is refused."""
        if request.method == 'POST' and rest == ['revoke']:
            self.app.sign_in.revoked_before = time.time()
        return {'revoked_before': self.app.sign_in.revoked_before}

    def endpoints(self, request, rest):
        """Azure ML endpoints; POST changes members of one by name."""
        endpoints = self.app.config.endpoints
        if request.method == 'POST':
            given = request.json()
            for endpoint in endpoints:
                if endpoint['name'] == given['name']:
                    endpoint.update(given)
                    break
            else:
                endpoints.append(given)
        return endpoints

    def info(self, request, rest):
        app = self.app
        return {
            'ports': {n: x.port for n, x in app.listeners.items()},
            'state_dir': app.config.dir,
            'ca': app.tls.path('ca.pem'), 'sha1': app.tls.sha1,
            'base': app.issuer.base,
        }


_foreign = []


def foreign_key():
    if not _foreign:
        _foreign.append(jwt.tls.self_signed('foreign')[0])
    return _foreign[0]
