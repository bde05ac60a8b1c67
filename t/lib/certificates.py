#!/usr/bin/python3
"""Certificates of clients, good and bad, for 410-client-certificates.t and others.

    certificates.py DIR

writes NAME.pem (certificate, what is between it and its CA, key) for each,
ca.pem, other-ca.pem, crl.pem, server.pem, and digests.json: the SHA-256 of
certificate and public key of each name.
"""

import base64
import datetime
import hashlib
import json
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM
USE = ExtendedKeyUsageOID

digests = {}


def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def subject(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(name, issuer=None, sans=(), ca=False, start=-1, end=30, key=None,
         use=USE.CLIENT_AUTH, raw=None, common=None):
    """(certificate, key); issuer: the same of its CA, or None: by itself."""
    key = key or ec_key()
    who = subject(common or name)
    builder = (x509.CertificateBuilder()
               .subject_name(who)
               .issuer_name(issuer[0].subject if issuer else who)
               .public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(NOW + start * DAY)
               .not_valid_after(NOW + end * DAY)
               .add_extension(x509.BasicConstraints(ca, None), True))
    if raw is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(
            x509.ObjectIdentifier('2.5.29.17'), raw), False)
    elif sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(list(sans)), False)
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def save(folder, name, pair, *between):
    cert, key = pair
    with open(os.path.join(folder, name + '.pem'), 'wb') as f:
        for one in (cert,) + between:
            f.write(one.public_bytes(PEM))
        f.write(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    spki = cert.public_key().public_bytes(
        DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    spki = hashlib.sha256(spki)
    digests[name] = {
        'cert': hashlib.sha256(cert.public_bytes(DER)).hexdigest(),
        'spki': spki.hexdigest(),
        'spki64': base64.b64encode(spki.digest()).decode(),
    }


def uri(text):
    return x509.UniformResourceIdentifier(text)


def dns(text):
    return x509.DNSName(text)


def der(tag, data):
    size = bytes([len(data)]) if len(data) < 128 \
        else bytes([0x82]) + len(data).to_bytes(2, 'big')
    return bytes([tag]) + size + data


def main(folder):
    ca = make('Corp CA', ca=True)
    other = make('Other CA', ca=True)
    between = make('Corp issuing CA', ca, ca=True)
    same = make('Corp CA', ca=True)         # the name alone is the CA's

    for name, pair in ('ca', ca), ('other-ca', other):
        with open(os.path.join(folder, name + '.pem'), 'wb') as f:
            f.write(pair[0].public_bytes(PEM))

    shop = 'spiffe://corp.example/shop'
    save(folder, 'server', make('server', use=USE.SERVER_AUTH, sans=[
        dns('a.test'), dns('b.test'), dns('localhost')]))
    save(folder, 'shop', make('shop', ca, [
        uri(shop), dns('Shop.Example.COM'), dns('second.example.com')]))
    save(folder, 'rsa', make('rsa', ca, [dns('x.y.example.com')],
                             key=rsa.generate_private_key(65537, 2048)))
    save(folder, 'deep', make('deep', between, [uri(shop)]), between[0])
    save(folder, 'on-call', make('on-call', ca, [
        uri('spiffe://corp.example/on-call')]))
    save(folder, 'eu', make('eu', ca, [
        uri('spiffe://corp.example/eu/scoring')]))
    save(folder, 'plain', make('plain', ca))
    save(folder, 'common', make('common', ca, common=shop))
    save(folder, 'near', make('near', ca, [
        uri(shop + '/'), uri(shop + 'x'), uri('SPIFFE://corp.example/shop'),
        uri('spiffe://corp.example/shop?x'), dns('shop.example.com.evil.test'),
        dns('xshop.example.com.'), uri('spiffe://corp.example/eu/x/scoring'),
        uri('spiffe://corp.example//scoring')]))
    save(folder, 'star', make('star', ca, [
        dns('*.example.com'), uri('spiffe://corp.example/*')]))
    save(folder, 'kinds', make('kinds', ca, [
        x509.RFC822Name('shop@example.com'), x509.DirectoryName(
            subject('shop.example.com')),
        x509.OtherName(x509.ObjectIdentifier('1.2.3.4'),
                       der(0x0c, shop.encode()))]))
    # a name with NUL, one that is not ASCII, one with a line end, none, junk
    for name, text in (('nul', b'shop.example.com\0.evil.test'),
                       ('utf8', 'shop\u00e9.example.com'.encode()),
                       ('line', b'shop.example.com\nadmin'),
                       ('nothing', b'')):
        save(folder, name, make(name, ca, raw=der(0x30, der(
            0x86, shop.encode()) + der(0x82, text))))
    save(folder, 'junk', make('junk', ca, raw=b'\x30\x03\x82\x7fx'))
    save(folder, 'many', make('many', ca, [
        uri('spiffe://corp.example/n/%d' % i) for i in range(400)]
        + [uri(shop)]))

    save(folder, 'expired', make('expired', ca, [uri(shop)], start=-9,
                                 end=-2))
    save(folder, 'future', make('future', ca, [uri(shop)],
                                start=5))
    save(folder, 'stranger', make('stranger', other, [uri(shop)]))
    save(folder, 'impostor', make('impostor', same, [uri(shop)]))
    save(folder, 'self', make('self', None, [uri(shop)]))
    save(folder, 'wrong-use', make('wrong-use', ca, [uri(shop)],
                                   use=USE.SERVER_AUTH))
    revoked = make('revoked', ca, [uri(shop)])
    save(folder, 'revoked', revoked)
    crl = (x509.CertificateRevocationListBuilder()
           .issuer_name(ca[0].subject).last_update(NOW - DAY)
           .next_update(NOW + 30 * DAY)
           .add_revoked_certificate(
               x509.RevokedCertificateBuilder()
               .serial_number(revoked[0].serial_number)
               .revocation_date(NOW - DAY).build())
           .sign(ca[1], hashes.SHA256()))
    with open(os.path.join(folder, 'crl.pem'), 'wb') as f:
        f.write(crl.public_bytes(PEM))
    with open(os.path.join(folder, 'digests.json'), 'w') as f:
        json.dump(digests, f)


main(sys.argv[1])
