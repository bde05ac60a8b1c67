#!/usr/bin/python3
"""Client assertions of this module, judged by another library.

    check_assertion.py make DIR          writes DIR/client.pem (a chain)
    check_assertion.py check DIR NOW     judges the ones in DIR/assertions.tsv:
                                         algorithm, "chain" or "-", assertion
"""

import base64
import datetime
import hashlib
import json
import os
import sys

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

CLIENT = "cccccccc-0000-4000-8000-000000000002"
AUDIENCE = ("https://login.microsoftonline.com/"
            "11111111-2222-4333-8444-555555555555/oauth2/v2.0/token")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def certificate(name, key, issuer, issuer_key):
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(
                NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(
                NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .sign(issuer_key, hashes.SHA256()))


def make(folder):
    key = rsa.generate_private_key(65537, 2048)
    ca_key = rsa.generate_private_key(65537, 2048)
    leaf = certificate("gateway", key, "ca", ca_key)
    ca = certificate("ca", ca_key, "ca", ca_key)
    pem = serialization.Encoding.PEM
    with open(os.path.join(folder, "client.pem"), "wb") as f:
        # the key is not first, and the leaf is not either
        f.write(ca.public_bytes(pem) + leaf.public_bytes(pem))
        f.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))


def chain(folder):
    with open(os.path.join(folder, "client.pem"), "rb") as f:
        parts = f.read().split(b"-----END CERTIFICATE-----")[:2]
    ca, leaf = [x509.load_pem_x509_certificate(
        p + b"-----END CERTIFICATE-----") for p in parts]
    return leaf, ca


def check(assertion, alg, with_chain, leaf, ca, now):
    der = leaf.public_bytes(serialization.Encoding.DER)
    key = leaf.public_key()

    claims = jwt.decode(assertion, key, algorithms=[alg], audience=AUDIENCE,
                        issuer=CLIENT, options={
                            "require": ["exp", "nbf", "iat", "jti", "sub"],
                            "verify_exp": False, "verify_nbf": False,
                            "verify_iat": False})
    assert claims["sub"] == CLIENT, claims
    assert set(claims) == {"aud", "iss", "sub", "jti", "nbf", "iat",
                           "exp"}, claims
    assert claims["nbf"] == now and claims["iat"] == now, claims
    assert 300 <= claims["exp"] - now <= 600, claims
    assert len(claims["jti"]) == 36, claims

    header = jwt.get_unverified_header(assertion)
    names = {"alg", "typ", "x5t#S256" if alg == "PS256" else "x5t"}
    assert set(header) == names | ({"x5c"} if with_chain else set()), header
    assert header["typ"] == "JWT"
    if alg == "PS256":
        assert header["x5t#S256"] == b64(hashlib.sha256(der).digest())
    else:
        assert header["x5t"] == b64(hashlib.sha1(der).digest())
    if with_chain:
        assert [base64.b64decode(c, validate=True) for c in header["x5c"]] \
            == [der, ca.public_bytes(serialization.Encoding.DER)]

    # not only some salt: exactly that of RFC 7518
    signed, _, sig = assertion.rpartition(".")
    if alg == "PS256":
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    else:
        scheme = padding.PKCS1v15()
    key.verify(unb64(sig), signed.encode(), scheme, hashes.SHA256())

    for part in assertion.split("."):
        assert b64(unb64(part)) == part, "not canonical"
    json.loads(unb64(assertion.split(".")[1]))

    return claims["jti"]


def main():
    folder = sys.argv[2]
    if sys.argv[1] == "make":
        make(folder)
        return

    leaf, ca = chain(folder)
    seen = set()
    with open(os.path.join(folder, "assertions.tsv")) as f:
        for line in f:
            alg, with_chain, assertion = line.rstrip("\n").split("\t")
            seen.add(check(assertion, alg, with_chain == "chain", leaf, ca,
                           int(sys.argv[3])))
            print("%s %s: good" % (alg, with_chain))
    assert len(seen) == 4, "four assertions with an id each"


if __name__ == "__main__":
    main()
