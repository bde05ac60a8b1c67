#!/usr/bin/python3
"""Tokens of an attacker, and a few good ones, for 421-token-attacks.t.

    attacks.py STATE-DIR ISSUER-V1 ISSUER-V2 TENANT AUDIENCE

STATE-DIR is the emulator's, whose signing key makes what only Entra could.
Prints a JSON list of [name, wanted status, token].  Made with PyJWT and
cryptography: not with the library that has to see through them.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

folder, ISS1, ISS2, TENANT, AUDIENCE = sys.argv[1:]
OTHER = '22222222-2222-4222-8222-222222222222'
CONSUMERS = '9188040d-6c67-4b5b-b112-36a304b66dad'
APP = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
NOW = int(time.time())
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo

with open(os.path.join(folder, 'signing.pem'), 'rb') as f:
    data = f.read()
KEY = serialization.load_pem_private_key(data, None)
CERT = x509.load_pem_x509_certificate(data)
PUBLIC = KEY.public_key()
STRANGER = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())

cases = []


def b64(data):
    data = data if isinstance(data, bytes) else data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


KID = b64(hashlib.sha1(CERT.public_bytes(DER)).digest())
HEAD = {'typ': 'JWT', 'alg': 'RS256', 'kid': KID}
V2 = {'aud': AUDIENCE, 'iss': ISS2, 'iat': NOW - 60, 'nbf': NOW - 60,
      'exp': NOW + 3600, 'azp': APP, 'azpacr': '1', 'idtyp': 'app',
      'oid': APP, 'sub': APP, 'tid': TENANT, 'uti': 'u', 'ver': '2.0'}
V1 = dict(V2, aud='api://gateway', iss=ISS1, appid=APP, appidacr='1',
          ver='1.0')
del V1['azp'], V1['azpacr']


def rs256(data, key=KEY):
    return key.sign(data.encode(), padding.PKCS1v15(), hashes.SHA256())


def raw(head, body, sign=rs256):
    """A token of these bytes."""
    text = (head if isinstance(head, str) else json.dumps(head),
            body if isinstance(body, str) else json.dumps(body))
    data = b64(text[0].encode()) + '.' + b64(text[1].encode())
    return data + '.' + b64(sign(data))


def bad(name, token):
    cases.append([name, 401, token])


def ok(name, token):
    cases.append([name, 200, token])


def head(name, **more):
    bad('header: ' + name, raw({k: v for k, v in dict(HEAD, **more).items()
                                if v is not None}, V2))


def claims(name, base=V2, **more):
    bad('claims: ' + name, raw(HEAD, {
        k: v for k, v in dict(base, **more).items() if v is not None}))


def text(name, old, new):
    body = json.dumps(V2)
    assert old in body, old
    bad('claims: ' + name, raw(HEAD, body.replace(old, new, 1)))


ok('PyJWT, v2', jwt.encode(V2, KEY, 'RS256', headers={'kid': KID}))
ok('PyJWT, v1', jwt.encode(V1, KEY, 'RS256', headers={'kid': KID}))
good = raw(HEAD, V2)
ok('by hand', good)
h, p, s = good.split('.')

# the algorithm
for alg in 'none', 'None', 'nOnE', 'NONE', '':
    bad('alg %s, no signature' % alg, raw(dict(HEAD, alg=alg), V2,
                                          lambda data: b''))
    bad('alg %s, the real signature' % alg, raw(dict(HEAD, alg=alg), V2))
bad('PyJWT, none', jwt.encode(V2, None, 'none', headers={'kid': KID}))
bad('no signature', h + '.' + p + '.')
bad('two parts', h + '.' + p)
bad('signature of zeros', raw(HEAD, V2, lambda data: b'\0' * 256))
numbers = PUBLIC.public_numbers()
modulus = numbers.n.to_bytes(256, 'big')
for name, secret in (('PEM', PUBLIC.public_bytes(PEM, SPKI)),
                     ('PEM, trimmed', PUBLIC.public_bytes(PEM, SPKI).strip()),
                     ('DER', PUBLIC.public_bytes(DER, SPKI)),
                     ('n', modulus), ('n in base64', b64(modulus).encode()),
                     ('x5c', base64.b64encode(CERT.public_bytes(DER))),
                     ('certificate', CERT.public_bytes(PEM)),
                     ('nothing', b'')):
    for alg in 'HS256', 'HS512', 'RS256':
        digest = {'HS512': hashlib.sha512}.get(alg, hashlib.sha256)
        bad('%s with the public key: %s' % (alg, name), raw(
            dict(HEAD, alg=alg), V2, lambda data: hmac.new(
                secret, data.encode(), digest).digest()))
for alg in 'ES256', 'PS256', 'RS384', 'rs256', 'RS256 ', 'EdDSA', 'RS1':
    head('alg ' + alg, alg=alg)
head('alg a number', alg=256)
head('no alg', alg=None)
head('alg a list', alg=['RS256'])
bad('ES256, r and s zero', raw(dict(HEAD, alg='ES256'), V2,
                               lambda data: b'\0' * 64))
bad('another key', jwt.encode(V2, STRANGER, 'RS256', headers={'kid': KID}))
bad('a curve under the kid', jwt.encode(V2, CURVE, 'ES256',
                                        headers={'kid': KID}))
bad('SHA-1', raw(HEAD, V2, lambda data: KEY.sign(
    data.encode(), padding.PKCS1v15(), hashes.SHA1())))
bad('no padding of RSA', raw(HEAD, V2, lambda data: pow(
    int.from_bytes(hashlib.sha256(data.encode()).digest(), 'big'), 1,
    numbers.n).to_bytes(256, 'big')))
bad('a byte more', raw(HEAD, V2, lambda data: rs256(data) + b'\0'))
bad('a zero before', raw(HEAD, V2, lambda data: b'\0' + rs256(data)))

# a key that comes with the token
n = STRANGER.public_key().public_numbers()
jwk = {'kty': 'RSA', 'n': b64(n.n.to_bytes(256, 'big')), 'e': 'AQAB',
       'kid': KID, 'use': 'sig'}
for more in ({'jwk': jwk}, {'jku': 'https://127.0.0.1:1/keys'},
             {'x5u': 'https://127.0.0.1:1/x'}, {'x5c': ['MIIB']},
             {'jwk': jwk, 'kid': 'new'}):
    bad('header: ' + ', '.join(more), jwt.encode(
        V2, STRANGER, 'RS256', headers=dict({'kid': KID}, **more)))
    bad('header: %s, the real key' % ', '.join(more), raw(
        dict(HEAD, **dict(more, kid=KID)), V2))
for name, value in (('crit', ['exp']), ('crit', []), ('b64', False),
                    ('b64', True), ('zip', 'DEF'), ('enc', 'A256GCM'),
                    ('cty', 'JWT')):
    head('%s %s' % (name, value), **{name: value})
head('crit b64', crit=['b64'], b64=False)
for typ in 'JWE', 'logout+jwt', 'dpop+jwt', 'JOSE', '', 7:
    head('typ %s' % typ, typ=typ)
for name, kid in (('absent', None), ('empty', ''), ('a number', 7),
                  ('null', 'null\0'), ('traversal', '../../etc/passwd'),
                  ('a file', '/dev/null'), ('a URL', 'https://evil.test/k'),
                  ('SQL', "x' UNION SELECT 'a"), ('a command', '|id'),
                  ('long', 'a' * 129), ('very long', 'a' * 5000),
                  ('a line', KID + '\r\nX: y'), ('padded', KID + '='),
                  ('blank', ' ' + KID), ('another case', KID.swapcase()),
                  ('cut', KID[:-1]), ('unknown', 'unknown-1')):
    head('kid ' + name, kid=kid)
head('x5t only', kid=None, x5t=KID)

# the form
for name, token in (
        ('four parts', good + '.x'), ('six parts', good + '.' + good),
        ('JWE', '.'.join([b64('{"alg":"RSA-OAEP","enc":"A256GCM"}')]
                         + ['AAAA'] * 4)),
        ('padded header', h + '=.' + p + '.' + s),
        ('padded signature', good + '=='), ('a blank', h + ' .' + p + '.' + s),
        ('standard base64', good[:-4] + '++//'),
        ('empty header', '.' + p + '.' + s),
        ('empty claims', h + '..' + s), ('a tail', good + 'A'),
        ('percent', good.replace('.', '%2e')), ('quoted', '"' + good + '"'),
        ('JSON form', b64(json.dumps({'payload': p, 'protected': h,
                                      'signature': s}))),
        ('nested', raw(dict(HEAD, cty='JWT'), good))):
    bad('form: ' + name, token)
tail = s[:-1] + chr(ord(s[-1]) + 1)         # the same bytes, other bits
assert base64.urlsafe_b64decode(tail + '==') \
    == base64.urlsafe_b64decode(s + '==')
bad('form: not canonical base64', h + '.' + p + '.' + tail)
for name, body in (
        ('no JSON', 'x'), ('an array', '[%s]' % json.dumps(V2)),
        ('a string', '"x"'), ('null', 'null'), ('nothing', '{}'),
        ('cut', json.dumps(V2)[:-1]), ('two objects', json.dumps(V2) * 2),
        ('a comment', json.dumps(V2)[:-1] + '/**/}'),
        ('a comma', json.dumps(V2)[:-1] + ',}'),
        ('NaN', json.dumps(dict(V2, x=float('nan')))),
        ('deep', json.dumps(V2)[:-1] + ',"x":' + '[' * 2000 + ']' * 2000
         + '}'),
        ('NUL behind', json.dumps(V2) + '\0'),
        ('a mark before', '\ufeff' + json.dumps(V2)),
        ('lone surrogate', json.dumps(V2)[:-1] + ',"x":"\\ud800"}')):
    bad('claims: ' + name, raw(HEAD, body))
for name, more in (('aud', AUDIENCE), ('tid', TENANT), ('exp', NOW + 9999),
                   ('iss', ISS2), ('roles', [])):
    body = json.dumps(dict(V2, roles=[]))
    bad('claims: two of ' + name, raw(
        HEAD, body[:-1] + ', "%s": %s}' % (name, json.dumps(more))))
bad('claims: two, one escaped', raw(
    HEAD, json.dumps(V2)[:-1] + ', "\\u0061ud": "x"}'))
bad('header: two of alg', raw('{"alg":"none","alg":"RS256","kid":"%s"}'
                              % KID, V2))

# dates
for name in 'exp', 'nbf', 'iat':
    for value in (str(NOW + 60), NOW + 60.5, -1, 2 ** 63, -2 ** 63, 1e30, None,
                  True, [], NOW * 1000):
        claims('%s %s' % (name, repr(value)[:30]), **{name: value})
text('exp 1e400', '"exp": %d' % V2['exp'], '"exp": 1e400')
text('exp 0x', '"exp": %d' % V2['exp'], '"exp": 0x7fffffff')
text('exp -0', '"exp": %d' % V2['exp'], '"exp": -0')
text('exp 99 digits', '"exp": %d' % V2['exp'], '"exp": ' + '9' * 99)
claims('expired', exp=NOW - 61)
claims('expired this second', exp=NOW - 60, iat=NOW - 90, nbf=NOW - 90)
ok('within the leeway', raw(HEAD, dict(V2, exp=NOW - 5)))
ok('nbf within the leeway', raw(HEAD, dict(V2, nbf=NOW + 40, iat=NOW + 40)))
claims('not yet', nbf=NOW + 300)
claims('issued in the future', iat=NOW + 300)
claims('only iat', exp=None, nbf=None)

# who issued it, and for whom
claims('v1 issuer in v2', iss=ISS1)
claims('v2 issuer in v1', V1, iss=ISS2)
claims('v2 claims as 1.0', ver='1.0')
claims('v1 claims as 2.0', V1, ver='2.0')
for ver in None, '3.0', '2', 2, 2.0, '', '2.0 ':
    claims('ver %s' % repr(ver), ver=ver)
claims('issuer with a slash', iss=ISS2 + '/')
claims('v1 issuer without', V1, iss=ISS1.rstrip('/'))
claims('issuer in capitals', iss=ISS2.upper())
claims('issuer of another tenant', iss=ISS2.replace(TENANT, OTHER))
claims('tid of another tenant', tid=OTHER)
claims('another tenant', iss=ISS2.replace(TENANT, OTHER), tid=OTHER)
claims('consumers', iss=ISS2.replace(TENANT, CONSUMERS), tid=CONSUMERS)
claims('common', iss=ISS2.replace(TENANT, 'common'))
claims('the template', iss=ISS2.replace(TENANT, '{tenantid}'))
claims('evil issuer', iss='https://evil.test/%s/v2.0' % TENANT)
claims('issuer with a suffix', iss=ISS2 + '.evil.test')
claims('no iss', iss=None)
claims('no tid', tid=None)
claims('tid in capitals', tid=TENANT.upper().replace('1', 'A'))
claims('iss a list', iss=[ISS2])
claims('tid a list', tid=[TENANT])
for aud in (None, '', [], [AUDIENCE, 'x'], ['x', AUDIENCE], [[AUDIENCE]],
            {'aud': AUDIENCE}, AUDIENCE + ' ', AUDIENCE + '\0',
            AUDIENCE.upper(), 'https://graph.microsoft.com',
            '00000003-0000-0000-c000-000000000000',
            'https://management.azure.com/', 'https://ml.azure.com', APP):
    claims('aud %s' % repr(aud), aud=aud)
claims('ID token: nonce', nonce='x')
claims('ID token: at_hash', at_hash='x')
claims('ID token: no azp', azp=None)
claims('v1 without appid', V1, appid=None)
claims('v1 with azp', V1, appid=None, azp=APP)
claims('azp empty', azp='')

print(json.dumps(cases))
