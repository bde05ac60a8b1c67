"""Compact JWS: the signing keys, making tokens and checking them."""

import base64
import hashlib
import json
import os
import uuid

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from . import tls


class Bad(Exception):
    """A token that is not what it should be; the text says why."""


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def unb64(text):
    """base64 or base64url, padded or not."""
    text = text.replace('+', '-').replace('/', '_').rstrip('=')
    try:
        return base64.b64decode(text + '=' * (-len(text) % 4), b'-_', True)
    except ValueError:
        raise Bad('not base64')


def number(value):
    """NumericDate: Entra takes strings of digits too."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def split(token):
    parts = token.split('.')
    if len(parts) != 3:
        raise Bad('not three parts')
    try:
        header = json.loads(unb64(parts[0]))
        claims = json.loads(unb64(parts[1]))
    except ValueError:
        raise Bad('not JSON')
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Bad('not a JSON object')
    return header, claims, (parts[0] + '.' + parts[1]).encode(), \
        unb64(parts[2])


PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def verify(public_key, alg, data, signature):
    """RS256, and PS256 with a salt of 32 bytes exactly."""
    pads = {'RS256': padding.PKCS1v15(), 'PS256': PSS}
    if alg not in pads:
        raise Bad('alg "%s" is not accepted' % alg)
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise Bad('not an RSA key')
    try:
        public_key.verify(signature, data, pads[alg], hashes.SHA256())
    except InvalidSignature:
        raise Bad('signature is wrong')


def sign_raw(key, header, claims, alg='RS256'):
    data = b64(json.dumps(header).encode()) + '.' \
        + b64(json.dumps(claims).encode())
    if alg == 'none':
        return data + '.'
    if alg == 'HS256':
        mac = hmac.HMAC(key if isinstance(key, bytes) else tls.key_pem(key),
                        hashes.SHA256())
        mac.update(data.encode())
        return data + '.' + b64(mac.finalize())
    pad = PSS if alg == 'PS256' else padding.PKCS1v15()
    return data + '.' + b64(key.sign(data.encode(), pad, hashes.SHA256()))


class SigningKey:
    def __init__(self, key, cert):
        self.key = key
        self.cert = cert
        self.der = cert.public_bytes(serialization.Encoding.DER)
        self.x5t = b64(hashlib.sha1(self.der).digest())
        self.kid = self.x5t

    def jwk(self, issuer=None):
        numbers = self.key.public_key().public_numbers()
        jwk = {
            'kty': 'RSA', 'use': 'sig', 'kid': self.kid, 'x5t': self.x5t,
            'n': b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8,
                                        'big')),
            'e': b64(numbers.e.to_bytes(3, 'big')),
            'x5c': [base64.b64encode(self.der).decode()],
        }
        if issuer:
            jwk['cloud_instance_name'] = 'microsoftonline.com'
            jwk['issuer'] = issuer
        return jwk


class KeyRing:
    """The keys that sign tokens: one current, others still published."""

    def __init__(self, state_dir):
        self.dir = state_dir
        self.keys = []
        self.withdrawn = []
        try:
            with open(os.path.join(state_dir, 'signing.pem'), 'rb') as f:
                data = f.read()
            self.keys.append(SigningKey(
                tls.load_key(data), x509.load_pem_x509_certificate(data)))
        except FileNotFoundError:
            self.rotate()

    @property
    def current(self):
        return self.keys[0]

    def rotate(self, keep=True):
        """A new current key; the old ones stay published, or do not."""
        key, cert = tls.self_signed('accounts.accesscontrol.windows.net')
        if not keep:
            self.withdrawn += self.keys
            self.keys = []
        self.keys.insert(0, SigningKey(key, cert))
        tls.write_private(os.path.join(self.dir, 'signing.pem'),
                          tls.key_pem(key) + tls.cert_pem(cert))
        return self.current.kid

    def sign(self, claims):
        key = self.current
        header = {'typ': 'JWT', 'alg': 'RS256', 'x5t': key.x5t,
                  'kid': key.kid}
        return sign_raw(key.key, header, claims)

    def check(self, token):
        """The claims of a token that one of the published keys signed."""
        header, claims, data, signature = split(token)
        for key in self.keys:
            if key.kid == header.get('kid'):
                if header.get('alg') != 'RS256':
                    raise Bad('alg')
                verify(key.key.public_key(), 'RS256', data, signature)
                return claims
        raise Bad('unknown kid')


def new_id():
    return str(uuid.uuid4())
