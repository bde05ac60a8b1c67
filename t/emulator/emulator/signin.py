"""What needs a person: authorize, codes, device codes, refresh tokens."""

import hashlib
import html
import os
import secrets
import time
import urllib.parse
import uuid

from . import jwt, tls
from .errors import Refusal, error_reply
from .server import Response, reply_json, reply_text

CODE_LIFETIME = 600
REFRESH_LIFETIME = 90 * 86400


def platform_of(app, uri):
    """web, spa or native: how this redirect URI is registered; or None."""
    for known in app['redirect_uris']:
        if not isinstance(known, dict):
            known = {'uri': known, 'type': 'native' if app.get('public')
                     else 'web'}
        if same_redirect(known['uri'], uri):
            return known['type']
    return None


def same_redirect(known, uri):
    """To the letter; of http on loopback the port does not matter."""
    if known == uri:
        return True
    one, two = urllib.parse.urlsplit(known), urllib.parse.urlsplit(uri)
    return one.scheme == two.scheme == 'http' \
        and one.hostname == two.hostname \
        and one.hostname in ('localhost', '127.0.0.1') \
        and (one.path or '/', one.query) == (two.path or '/', two.query)


class SignIn:
    def __init__(self, config, state_dir, base_of):
        self.config = config
        self.base_of = base_of
        self.codes = {}
        self.used_codes = set()
        self.devices = {}
        self.used_refresh = set()
        self.revoked_before = 0
        path = os.path.join(state_dir, 'refresh.key')
        try:
            with open(path, 'rb') as f:
                self.key = f.read()
        except FileNotFoundError:
            self.key = os.urandom(32)
            tls.write_private(path, self.key)

    # authorization code

    async def authorize(self, request, tenant_name):
        query = dict(request.query)
        query.update(request.form)
        app = self.config.app(query.get('client_id', ''))
        if app is None:
            return error_reply(request, Refusal(
                700016, query.get('client_id'), tenant_name))
        redirect = query.get('redirect_uri', '')
        kind = platform_of(app, redirect)
        if kind is None:
            return error_reply(request, Refusal(50011))
        if query.get('response_type') != 'code':
            return self.back(query, error='unsupported_response_type')
        if request.method == 'GET' \
                and self.config.settings['sign_in'] == 'ask':
            return self.ask(request, app, query)
        if query.get('decision') == 'decline':
            return self.back(query, error='access_denied',
                             error_description='AADSTS65004: User declined '
                             'to consent to access the app.')
        code = '0.' + secrets.token_urlsafe(48)
        self.codes[code] = {
            'client_id': app['client_id'], 'redirect_uri': redirect,
            'scope': query.get('scope', ''), 'nonce': query.get('nonce'),
            'challenge': query.get('code_challenge'),
            'method': query.get('code_challenge_method', 'plain'),
            'kind': kind,
            'expires': time.time() + CODE_LIFETIME}
        return self.back(query, code=code,
                         session_state=str(uuid.uuid4()))

    def back(self, query, **values):
        if 'state' in query:
            values['state'] = query['state']
        uri = query.get('redirect_uri', '')
        sep = '&' if '?' in uri else '?'
        return Response(302, b'', [
            ('Location', uri + sep + urllib.parse.urlencode(values)),
            ('Cache-Control', 'no-store')])

    def ask(self, request, app, query):
        fields = ''.join(
            '<input type="hidden" name="%s" value="%s">'
            % (html.escape(k), html.escape(v)) for k, v in query.items())
        return reply_text(
            '<!doctype html><title>Sign in (emulator)</title>'
            '<h1>Sign in as %s?</h1><p>For the app <b>%s</b>.</p>'
            '<form method="post" action="%s">%s'
            '<button name="decision" value="accept">Accept</button> '
            '<button name="decision" value="decline">Decline</button></form>'
            % (html.escape(self.config.user['upn']),
               html.escape(app['name']), html.escape(request.path), fields),
            kind='text/html; charset=utf-8')

    def redeem_code(self, request, app):
        form = request.form
        code = form.get('code', '')
        if not code:
            raise Refusal(900144, 'code')
        if code in self.used_codes:
            raise Refusal(54005)
        held = self.codes.pop(code, None)
        if held is None or held['client_id'] != app['client_id']:
            raise Refusal(70000)
        self.used_codes.add(code)
        if held['expires'] < time.time():
            raise Refusal(70008)
        if held['redirect_uri'] != form.get('redirect_uri', ''):
            raise Refusal(500112)
        self.check_pkce(held, form.get('code_verifier', ''))
        return held

    def check_pkce(self, held, verifier):
        if held['challenge'] is None:
            return
        if held['method'] == 'S256':
            verifier = jwt.b64(hashlib.sha256(verifier.encode()).digest())
        if verifier != held['challenge']:
            raise Refusal(501481)

    # refresh tokens: signed by us, so that they outlive a restart

    def new_refresh_token(self, tenant, app, user, scope, kind=None):
        return '0.A' + jwt.sign_raw(self.key, {'alg': 'HS256'}, {
            'cid': app['client_id'], 'tid': tenant['id'],
            'oid': user['oid'], 'scope': scope, 'iat': time.time(),
            'jti': secrets.token_hex(8), 'kind': kind}, 'HS256')

    def redeem_refresh_token(self, token, app):
        try:
            header, held, _, _ = jwt.split(token[3:])
        except jwt.Bad:
            raise Refusal(70000)
        again = '0.A' + jwt.sign_raw(self.key, header, held, 'HS256')
        if again != token or held['cid'] != app['client_id']:
            raise Refusal(70000)
        if held['iat'] <= self.revoked_before:
            raise Refusal(50173)
        if held['iat'] + REFRESH_LIFETIME < time.time():
            raise Refusal(70008)
        if held['jti'] in self.used_refresh \
                and not self.config.settings['refresh_token_reuse']:
            raise Refusal(70000)
        self.used_refresh.add(held['jti'])
        return held

    # device code

    async def devicecode(self, request, tenant_name):
        form, settings = request.form, self.config.settings
        try:
            if not form.get('client_id'):
                raise Refusal(900144, 'client_id')
            app = self.config.app(form['client_id'])
            if app is None:
                raise Refusal(700016, form['client_id'], tenant_name)
            if not form.get('scope'):
                raise Refusal(900144, 'scope')
        except Refusal as refusal:
            return error_reply(request, refusal)
        code = secrets.token_urlsafe(48)
        user_code = ''.join(secrets.choice('ABCDEFGHJKLMNPQRSTUVWXYZ23456789')
                            for _ in range(9))
        self.devices[code] = {
            'user_code': user_code, 'client_id': app['client_id'],
            'scope': form['scope'], 'state': 'pending', 'polls': 0,
            'last': 0, 'interval': settings['device_interval'],
            'expires': time.time() + settings['device_expires_in']}
        uri = self.base_of() + '/devicelogin'
        return reply_json({
            'user_code': user_code, 'device_code': code,
            'verification_uri': uri,
            'expires_in': settings['device_expires_in'],
            'interval': settings['device_interval'],
            'message': 'To sign in, use a web browser to open the page %s '
                       'and enter the code %s to authenticate.'
                       % (uri, user_code)})

    def redeem_device(self, request, app):
        form, settings = request.form, self.config.settings
        device = self.devices.get(form.get('device_code')
                                  or form.get('code', ''))
        if device is None or device['client_id'] != app['client_id']:
            raise Refusal(7000014)
        now = time.time()
        early = device['last'] and now - device['last'] \
            < device['interval'] - 0.25
        device['last'] = now
        device['polls'] += 1
        if device['state'] == 'pending' and settings['device'] == 'auto' \
                and device['polls'] > settings['device_polls']:
            device['state'] = 'approved'
        if now > device['expires'] or device['state'] == 'expired':
            raise Refusal(70019)
        if device['state'] == 'declined':
            raise Refusal(70020)
        if device['state'] == 'pending':
            if early:
                device['interval'] += 5
                raise Refusal(70016, error='slow_down')
            raise Refusal(70016)
        for code, held in list(self.devices.items()):
            if held is device:
                del self.devices[code]
        return device

    def decide(self, user_code, state):
        for device in self.devices.values():
            if device['user_code'] == user_code.strip().upper():
                device['state'] = state
                return True
        return False

    async def devicelogin(self, request):
        if request.method == 'POST':
            state = 'declined' if request.form.get('decision') == 'decline' \
                else 'approved'
            known = self.decide(request.form.get('otc', ''), state)
            return reply_text(
                '<!doctype html><title>Device sign-in (emulator)</title><h1>'
                + ('You have %s.' % state if known else 'Unknown code.')
                + '</h1>', 200 if known else 400,
                'text/html; charset=utf-8')
        return reply_text(
            '<!doctype html><title>Device sign-in (emulator)</title>'
            '<h1>Enter code</h1><form method="post"><input name="otc"> '
            '<button name="decision" value="accept">Accept</button> '
            '<button name="decision" value="decline">Decline</button>'
            '</form>', kind='text/html; charset=utf-8')
