"""Misbehaviour on order.  A rule is a JSON object; see docs/emulator.md."""

import asyncio
import json

from .errors import Refusal, error_reply
from .server import Response, abort

PRESETS = {
    'malformed': {'body': '{"token_type":"Bearer","access_token":"eyJ',
                  'status': 200, 'content_type': 'application/json'},
    'empty': {'body': '', 'status': 200, 'content_type': 'application/json'},
    'html': {'body': '<html><body>Sign in to the hotel network</body></html>',
             'status': 200, 'content_type': 'text/html'},
    'oversized': {'oversized': 2 * 1024 * 1024},
    'throttle': {'error': 90055, 'headers': {'Retry-After': '5'}},
    'unavailable': {'status': 503, 'body': 'Service Unavailable',
                    'content_type': 'text/html'},
    'server_error': {'status': 500, 'body': 'Internal Server Error',
                     'content_type': 'text/html'},
    'never': {'hang': True},
    'down': {'connection': 'cut'},
    'wrong_token_type': {'set': {'token_type': 'pop'}},
    'no_token': {'unset': ['access_token']},
    'redirect': {'status': 302, 'headers': {
        'Location': 'https://elsewhere.example/token'}},
}

MEMBERS = {
    'id', 'preset', 'at', 'client_id', 'host', 'path', 'method', 'scope',
    'listener', 'times', 'skip', 'delay', 'drip', 'hang', 'cut', 'status',
    'headers', 'body', 'json', 'content_type', 'oversized', 'error', 'set',
    'unset', 'claims', 'connection', 'seconds', 'hits', 'challenge',
}


class Faults:
    def __init__(self):
        self.rules = []
        self.next_id = 1

    def add(self, rule):
        if isinstance(rule, str):
            rule = {'preset': rule}
        rule = dict(rule)
        preset = rule.pop('preset', None)
        if preset is not None:
            if preset not in PRESETS:
                raise ValueError('unknown preset "%s"; there are: %s'
                                 % (preset, ', '.join(PRESETS)))
            rule = {**PRESETS[preset], **rule}
        unknown = set(rule) - MEMBERS
        if unknown:
            raise ValueError('unknown member "%s"; there are: %s' % (
                unknown.pop(), ', '.join(sorted(MEMBERS))))
        if 'connection' in rule:
            rule.setdefault('listener', 'entra')
        else:
            rule.setdefault('at', 'token')
        rule['id'] = self.next_id
        rule['hits'] = 0
        self.next_id += 1
        self.rules.append(rule)
        return rule

    def clear(self, number=None):
        self.rules = [r for r in self.rules
                      if number is not None and r['id'] != number]

    def use(self, rule):
        """Counts a match; False when the rule does not strike this time."""
        rule['hits'] += 1
        skip, times = rule.get('skip', 0), rule.get('times')
        if rule['hits'] <= skip:
            return False
        return times is None or rule['hits'] <= skip + times

    def take_connection(self, listener):
        for rule in self.rules:
            if 'connection' in rule and rule['listener'] == listener \
                    and self.use(rule):
                return rule
        return None

    def take(self, request):
        for rule in self.rules:
            if 'connection' not in rule and matches(rule, request) \
                    and self.use(rule):
                return rule
        return None


def matches(rule, request):
    at = rule.get('at', 'token')
    if at != 'any' and request.endpoint != at \
            and not request.endpoint.startswith(at + '.'):
        return False
    if 'listener' in rule and rule['listener'] != request.listener.name:
        return False
    if 'client_id' in rule and rule['client_id'] != request.client_id:
        return False
    if 'host' in rule and rule['host'] != request.host:
        return False
    if 'method' in rule and rule['method'] != request.method:
        return False
    if 'path' in rule and not request.path.startswith(rule['path']):
        return False
    return 'scope' not in rule or rule['scope'] in (
        request.form.get('scope'), request.form.get('resource'),
        request.query.get('resource'))


async def before(rule, request, writer):
    """What happens instead of the real answer.

    Returns a Response; or None when the real one is to be made; raises
    ConnectionError when the connection was cut.
    """
    if rule.get('delay'):
        await asyncio.sleep(float(rule['delay']))
    if rule.get('hang'):
        await asyncio.sleep(float(rule.get('seconds', 3600)))
        raise ConnectionError
    if rule.get('cut') == 'start':
        abort(writer)
        raise ConnectionError
    if 'error' in rule:
        return error_reply(request, Refusal(int(rule['error'])))
    if rule.get('oversized'):
        return Response(200, b'{"access_token":"' + b'A' * rule['oversized']
                        + b'"}', [('Content-Type', 'application/json')])
    if 'json' in rule:
        return Response(int(rule.get('status', 200)),
                        json.dumps(rule['json']),
                        [('Content-Type', 'application/json')])
    if 'body' in rule or 'status' in rule:
        return Response(int(rule.get('status', 200)), rule.get('body', ''),
                        [('Content-Type',
                          rule.get('content_type', 'text/plain'))])
    return None


def after(rule, response):
    """Changes to the real answer, or to the one above."""
    for name, value in rule.get('headers', {}).items():
        response.set(name, value)
    if 'set' in rule or 'unset' in rule:
        try:
            body = json.loads(response.body)
        except ValueError:
            return
        body.update(rule.get('set', {}))
        for member in rule.get('unset', ()):
            body.pop(member, None)
        response.body = json.dumps(body).encode()
