#!/usr/bin/python3
"""Tokens and key sets made by another library, good ones and attacks.

    make_jwts.py DIR

writes into DIR
    openid_v1.json openid_v2.json   the tenant's discovery documents
    jwks_v1.json jwks_v2.json       its key sets
    cases.tsv                       one token a line: name, verdict, what the
                                    reason or the claims must say, token (hex)

Needs PyJWT and cryptography (Debian: python3-jwt, python3-cryptography).
jwt_interop_test.c reads it with the clock at NOW.
"""

import base64
import hashlib
import hmac
import json
import os
import sys

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature)

NOW = 1800000000
TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-2222-4333-8444-555555555555"
CONSUMERS = "9188040d-6c67-4b5b-b112-36a304b66dad"
AUDIENCE = "aaaaaaaa-0000-4000-8000-000000000001"
AUDIENCE_URI = "api://gateway.example"
CLIENT = "cccccccc-0000-4000-8000-000000000002"
OID = "dddddddd-0000-4000-8000-000000000003"
ISS_V1 = "https://sts.windows.net/%s/" % TENANT
ISS_V2 = "https://login.microsoftonline.com/%s/v2.0" % TENANT
GRAPH = "00000003-0000-0000-c000-000000000000"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


def rsa_jwk(key, kid, **more):
    n = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "n": number(n.n), "e": number(n.e),
            **more}


def ec_jwk(key, kid, crv="P-256", size=32, **more):
    n = key.public_key().public_numbers()
    return {"kty": "EC", "kid": kid, "crv": crv, "x": number(n.x, size),
            "y": number(n.y, size), **more}


RSA = rsa.generate_private_key(65537, 2048)
RSA3 = rsa.generate_private_key(65537, 3072)
WEAK = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())
EC384 = ec.generate_private_key(ec.SECP384R1())
STRANGER = rsa.generate_private_key(65537, 2048)

HEAD = {"typ": "JWT", "alg": "RS256", "kid": "rsa"}

# what Entra puts into a token of an application (v2) ...
V2 = {
    "aud": AUDIENCE, "iss": ISS_V2, "iat": NOW - 300, "nbf": NOW - 300,
    "exp": NOW + 3600, "aio": "E2ZgYA==", "azp": CLIENT, "azpacr": "2",
    "idtyp": "app", "oid": OID, "rh": "0.AAAA.", "roles": ["Score.Invoke"],
    "sub": OID, "tid": TENANT, "uti": "uti-1", "ver": "2.0",
}

# ... and of a person (v1)
V1 = {
    "aud": AUDIENCE_URI, "iss": ISS_V1, "iat": NOW - 300, "nbf": NOW - 300,
    "exp": NOW + 3600, "acr": "1", "acrs": ["c1", "p1"],
    "amr": ["pwd", "mfa"], "appid": CLIENT, "appidacr": "0",
    "groups": ["10000000-0000-4000-8000-00000000000%d" % i for i in range(3)],
    "idtyp": "user", "ipaddr": "198.51.100.7", "name": "Zo\u00eb", "oid": OID,
    "scp": "score.read score.write", "sub": "pairwise", "tid": TENANT,
    "unique_name": "zoe@example.com", "uti": "uti-2", "ver": "1.0",
    "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"], "xms_cc": ["CP1"],
}


class Corpus:
    def __init__(self):
        self.rows = []
        self.names = set()

    def add(self, name, verdict, says, token):
        assert name not in self.names, name
        self.names.add(name)
        if isinstance(token, str):
            token = token.encode("utf-8", "surrogateescape")
        self.rows.append((name, verdict, says, token.hex()))

    def good(self, name, token, says=""):
        self.add(name, "valid", says, token)

    def bad(self, name, says, token):
        self.add(name, "invalid", says, token)

    def unknown(self, name, token):
        self.add(name, "unknown_kid", "no key", token)


def without(claims, *names):
    return {k: v for k, v in claims.items() if k not in names}


def token(claims=None, head=None, key=None, alg="RS256", **changed):
    """A token by PyJWT."""
    claims = dict(V2 if claims is None else claims, **changed)
    head = dict(HEAD if head is None else head, alg=alg)
    return jwt.encode(claims, key or RSA, algorithm=alg, headers=head)


def rs256(data, key=None):
    return (key or RSA).sign(data, padding.PKCS1v15(), hashes.SHA256())


def raw(head, body, sign=rs256):
    """A correctly signed token of any bytes whatever."""
    if isinstance(head, dict):
        head = json.dumps(head)
    if isinstance(body, dict):
        body = json.dumps(body)
    text = b64(head.encode()) + "." + b64(body.encode())
    return text + "." + b64(sign(text.encode()))


def body_with(text, claims=None):
    """The claims as JSON, with text put before the closing brace."""
    return json.dumps(V2 if claims is None else claims)[:-1] + text + "}"


def good(c):
    c.good("v2 app RS256", token(),
           "appid=%s,appidacr=2,idtyp=app,oid=%s,roles=Score.Invoke,aud=%s,"
           "groups=,overage=0,cp1=0,uti=uti-1,exp=%d"
           % (CLIENT, OID, AUDIENCE, NOW + 3600))
    c.good("v1 user", token(V1),
           "appid=%s,appidacr=0,idtyp=user,scp=score.read score.write,"
           "amr=pwd mfa,acrs=c1 p1,overage=0,cp1=1,aud=%s,ver=1.0,"
           "wids=b79fbf4d-3ef9-4689-8143-76b194e85509"
           % (CLIENT, AUDIENCE_URI))
    c.good("RS384", token(alg="RS384"))
    c.good("RS512", token(alg="RS512"))
    c.good("PS256", token(alg="PS256"))
    c.good("3072 bits", token(head=dict(HEAD, kid="rsa3"), key=RSA3))
    c.good("ES256", token(head=dict(HEAD, kid="ec"), key=EC, alg="ES256"))
    c.good("at+jwt", token(head=dict(HEAD, typ="at+jwt")))
    c.good("no typ", raw(without(HEAD, "typ"), V2))
    c.good("x5t beside kid (v1)", token(V1, dict(HEAD, x5t="rsa")))
    c.good("audience in a list", token(aud=[AUDIENCE]))
    c.good("two audiences, both ours", token(aud=[AUDIENCE, AUDIENCE_URI]))
    c.good("key with this tenant's issuer",
           token(head=dict(HEAD, kid="fixed-issuer")))
    c.good("v1 token, key of the v2 issuer",
           token(V1, dict(HEAD, kid="v1-template")))
    c.good("same kid twice, same key", token(head=dict(HEAD, kid="twice")))
    c.good("key with alg RS512",
           token(head=dict(HEAD, kid="rs512"), alg="RS512"))
    c.good("exp 18000036e2", raw(HEAD, body_with(
        ',"exp":18000036e2', without(V2, "exp"))))
    c.good("iat 0", token(iat=0))
    c.good("expired within leeway", token(exp=NOW - 59))
    c.good("nbf within leeway", token(nbf=NOW + 60))
    c.good("iat within leeway", token(iat=NOW + 60))
    c.good("no groups, no roles", token(without(V2, "roles")),
           "roles=,groups=,overage=0")
    c.good("groups overage",
           token(_claim_names={"groups": "src1"},
                 _claim_sources={"src1": {"endpoint": "https://graph"}}),
           "overage=1")
    c.good("hasgroups", token(hasgroups=True), "overage=1")
    c.good("hasgroups false", token(hasgroups=False), "overage=0")
    c.good("_claim_names of something else",
           token(_claim_names={"jobTitle": "src1"}), "overage=0")
    c.good("delegated token, allowed azp",
           token(idtyp="user", scp="a", roles=["r"]), "idtyp=user,scp=a")
    c.good("scp with odd blanks", token(scp=" a  b "), "scp=a b")
    c.good("200 groups", token(groups=["10000000-0000-4000-8000-%012d" % i
                                       for i in range(200)]), "overage=0")


def algorithms(c):
    unsigned = raw(dict(HEAD, alg="none"), V2, lambda data: b"")
    c.bad("alg none, empty signature", "", unsigned)
    for name in ("none", "None", "nOnE", "NONE"):
        c.bad("alg %s, kept signature" % name, "algorithm",
              raw(dict(HEAD, alg=name), V2))
    c.bad("PyJWT's own none", "",
          jwt.encode(V2, None, algorithm="none", headers={"kid": "rsa"}))

    public = RSA.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM,
                              serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER,
                              serialization.PublicFormat.SubjectPublicKeyInfo)
    n = public.public_numbers().n
    for name, secret in (("PEM", pem), ("DER", der),
                         ("n", number(n).encode()),
                         ("n bytes", n.to_bytes(256, "big")),
                         ("empty", b"")):
        c.bad("HS256 with the public key as %s" % name, "algorithm",
              raw(dict(HEAD, alg="HS256"), V2,
                  lambda data: hmac.new(secret, data,
                                        hashlib.sha256).digest()))
    for alg in ("rs256", "RS256 ", "RS", "", "ES384", "EdDSA", "PS384"):
        c.bad("alg %r" % alg, "algorithm", raw(dict(HEAD, alg=alg), V2))
    c.bad("alg missing", "algorithm", raw(without(HEAD, "alg"), V2))
    c.bad("alg is a list", "algorithm", raw(dict(HEAD, alg=["RS256"]), V2))
    c.bad("PS256 header, PKCS1 signature", "signature",
          raw(dict(HEAD, alg="PS256"), V2))
    c.bad("PS256 with a salt of 20", "signature",
          raw(dict(HEAD, alg="PS256"), V2,
              lambda data: RSA.sign(data, padding.PSS(
                  padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())))
    c.bad("RS256 with an EC key", "algorithm",
          raw(dict(HEAD, kid="ec"), V2))
    c.bad("ES256 with an RSA key", "algorithm",
          token(key=EC, alg="ES256"))
    c.bad("RS256 with a key for RS512", "algorithm",
          token(head=dict(HEAD, kid="rs512")))
    c.bad("ES384 header", "algorithm",
          token(head=dict(HEAD, kid="ec384"), key=EC384, alg="ES384"))


def signatures(c):
    whole = token()
    head, body, sig = whole.split(".")
    c.bad("empty signature", "", "%s.%s." % (head, body))
    c.bad("signature cut", "signature", whole[:-4])
    c.bad("signature of zeros", "signature",
          "%s.%s.%s" % (head, body, b64(bytes(256))))
    c.bad("other body", "signature",
          "%s.%s.%s" % (head, b64(json.dumps(
              dict(V2, roles=["Admin"])).encode()), sig))
    c.bad("other header", "signature",
          "%s.%s.%s" % (b64(json.dumps(dict(HEAD, a=1)).encode()), body, sig))
    c.bad("signed by a stranger, our kid", "signature", token(key=STRANGER))
    c.bad("signed by the tenant's other key", "signature", token(key=RSA3))

    def es256(data):
        r, s = decode_dss_signature(EC.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    es = dict(HEAD, alg="ES256", kid="ec")
    c.bad("ES256 r = s = 0", "signature", raw(es, V2, lambda d: bytes(64)))
    c.bad("ES256 as DER", "signature",
          raw(es, V2, lambda d: EC.sign(d, ec.ECDSA(hashes.SHA256()))))
    c.bad("ES256 65 bytes", "signature",
          raw(es, V2, lambda d: b"\0" + es256(d)))
    order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
    c.bad("ES256 r = s = order", "signature",
          raw(es, V2, lambda d: order.to_bytes(32, "big") * 2))


def headers(c):
    jwk = rsa_jwk(STRANGER, "rsa")
    for name, value in (
            ("jwk", jwk), ("jku", "https://evil.example/jwks"),
            ("x5u", "https://evil.example/cert"), ("x5c", ["MIIB"]),
            ("zip", "DEF"), ("b64", False), ("b64", True),
            ("crit", ["b64"]), ("crit", []), ("enc", "A256GCM"),
            ("cty", "JWT")):
        c.bad("header %s %s" % (name, json.dumps(value)[:12]), '"%s"' % name,
              raw(dict(HEAD, **{name: value}), V2))
    c.bad("jwk with the stranger's key", '"jwk"',
          raw(dict(HEAD, jwk=jwk), V2, lambda d: rs256(d, STRANGER)))
    for typ in ("id_token", "logout+jwt", "pop", "JWE", "", 1, None):
        c.bad("typ %r" % (typ,), "type", raw(dict(HEAD, typ=typ), V2))
    for kid, name in (("../../../../dev/null", "traversal"),
                      ("https://evil.example/k", "URL"),
                      ("x' UNION SELECT 'k", "SQL"), ("", "empty"),
                      ("a" * 129, "129 bytes"), ("rsa\n", "line feed"),
                      ("rsa ", "blank"), ("r\u00e9", "not ASCII")):
        c.bad("kid %s" % name, "kid", raw(dict(HEAD, kid=kid), V2))
    c.bad("kid NUL", "header", raw(dict(HEAD, kid="rsa\0x"), V2))
    c.bad("kid missing", "kid", raw(without(HEAD, "kid"), V2))
    c.bad("kid is a number", "kid", raw(dict(HEAD, kid=1), V2))
    c.bad("header is a list", "header", raw("[]", V2))
    c.bad("header is null", "header", raw("null", V2))
    c.bad("header is empty text", "", raw("", V2))
    c.bad("header with trailing bytes", "header",
          raw(json.dumps(HEAD) + "{}", V2))
    c.bad("duplicate alg", "header",
          raw('{"alg":"none","typ":"JWT","kid":"rsa","alg":"RS256"}', V2))
    c.bad("duplicate kid", "header",
          raw('{"alg":"RS256","kid":"rsa","kid":"rsa"}', V2))
    c.bad("duplicate alg by escape", "header",
          raw('{"alg":"RS256","kid":"rsa","\\u0061lg":"none"}', V2))
    c.good("Alg is not alg", raw('{"alg":"RS256","kid":"rsa","Alg":"none"}',
                                 V2))
    c.bad("deep header", "header",
          raw('{"alg":"RS256","kid":"rsa","x":' + "[" * 500 + "]" * 500 + "}",
              V2))
    c.bad("header not UTF-8", "header",
          b64(b'{"alg":"RS256","kid":"rsa","x":"\xff"}')
          + token()[token().index("."):])


def shapes(c):
    whole = token()
    head, body, sig = whole.split(".")
    c.bad("two parts", "parts", "%s.%s" % (head, body))
    c.bad("four parts", "parts", whole + "." + sig)
    c.bad("five parts (JWE)", "parts", ".".join([head, "", body, sig, sig]))
    c.bad("six parts", "parts", ".".join([head, body, sig] * 2))
    c.bad("one part", "parts", head)
    c.bad("nothing", "", "")
    c.bad("only dots", "parts", "..")
    c.bad("no header", "parts", ".%s.%s" % (body, sig))
    c.bad("no body", "parts", "%s..%s" % (head, sig))
    c.bad("text", "parts", "not-a-token")
    c.bad("opaque token", "parts", "0.AAAA" + "x" * 900)
    c.bad("padding", "base64url", whole + "==")
    c.bad("padding in the header", "base64url",
          "%s=.%s.%s" % (head, body, sig))
    c.bad("standard alphabet", "base64url", whole[:-3] + "+/+")
    for name, blank in (("blank", " "), ("line feed", "\n"), ("tab", "\t"),
                        ("NUL", "\0"), ("high byte", "\xe9")):
        c.bad("%s inside" % name, "base64url",
              "%s.%s%s.%s" % (head, body, blank, sig))
        c.bad("%s behind" % name, "base64url", whole + blank)

    # the last character of 256 bytes carries 4 unused bits
    alphabet = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                "0123456789-_")
    last = alphabet.index(sig[-1])
    c.bad("signature not canonical", "base64url",
          whole[:-1] + alphabet[last + 1])
    c.bad("dangling character", "base64url",
          "%s.%s.%s" % (head, body, sig[:-1]))
    c.bad("over 16 KB", "larger", token(filler="x" * 16384))
    c.bad("nested token", "", raw(dict(HEAD, cty="JWT"), '"%s"' % whole))
    c.bad("body is a token", "claims", raw(HEAD, '"%s"' % whole))
    c.bad("a JWS in JSON", "", json.dumps(
        {"protected": head, "payload": body, "signature": sig}))
    c.good("just under 16 KB", token(filler="x" * 11400))


def dates(c):
    for name in ("exp", "nbf", "iat"):
        for value in (str(V2[name]), float(V2[name]) + .5, -1, True, None,
                      [V2[name]], {}, 2 ** 63, 2 ** 64, 10 ** 30):
            if name == "exp" or value != -1:
                c.bad("%s %r" % (name, value), '"%s"' % name,
                      raw(HEAD, dict(V2, **{name: value})))
        for text in ("1800003600.25", "1E400", "18e-1",
                     "-9223372036854775808"):
            c.bad("%s %s" % (name, text), '"%s"' % name,
                  raw(HEAD, body_with(',"%s":%s' % (name, text),
                                      without(V2, name))))
        c.bad("duplicate %s" % name, "claims",
              raw(HEAD, body_with(',"%s":%d' % (name, V2[name]))))
    for text in ("NaN", "Infinity", "01800003600", "+1800003600", "0x1", "1."):
        c.bad("exp %s" % text, "", raw(HEAD, body_with(',"exp":%s' % text,
                                                       without(V2, "exp"))))
    c.bad("expired", "expired", token(exp=NOW - 60))
    c.bad("expired a year ago", "expired", token(exp=NOW - 31536000))
    c.bad("exp 0", "expired", token(exp=0))
    c.bad("exp in milliseconds", '"exp"', token(exp=2 ** 53 + 1))
    c.bad("nbf in the future", "not valid yet", token(nbf=NOW + 61))
    c.bad("iat in the future", "future", token(iat=NOW + 61))
    c.bad("iat only", '"exp"', token(without(V2, "exp", "nbf")))
    c.bad("no iat", '"iat"', token(without(V2, "iat")))
    c.bad("no nbf", '"nbf"', token(without(V2, "nbf")))


def issuers(c):
    iss = '"iss"'
    c.bad("v1 issuer in a v2 token", iss, token(iss=ISS_V1))
    c.bad("v2 issuer in a v1 token", iss, token(V1, iss=ISS_V2))
    c.bad("issuer with a slash more", iss, token(iss=ISS_V2 + "/"))
    c.bad("issuer with a slash less", iss, token(V1, iss=ISS_V1[:-1]))
    c.bad("issuer in upper case", iss, token(iss=ISS_V2.upper()))
    c.bad("issuer of another tenant", iss,
          token(iss=ISS_V2.replace(TENANT, OTHER_TENANT)))
    c.bad("another tenant altogether", '"tid"',
          token(iss=ISS_V2.replace(TENANT, OTHER_TENANT), tid=OTHER_TENANT))
    c.bad("consumer accounts", '"tid"',
          token(iss=ISS_V2.replace(TENANT, CONSUMERS), tid=CONSUMERS))
    c.bad("issuer's template", iss,
          token(iss=ISS_V2.replace(TENANT, "{tenantid}")))
    c.bad("issuer as a prefix", iss, token(iss=ISS_V2 + ".evil.example"))
    c.bad("issuer with NUL", "", token(iss=ISS_V2 + "\0.evil.example"))
    c.bad("issuer missing", iss, token(without(V2, "iss")))
    c.bad("issuer is a list", iss, raw(HEAD, dict(V2, iss=[ISS_V2])))
    c.bad("duplicate issuer", "claims",
          raw(HEAD, body_with(',"iss":"https://evil.example"')))
    c.bad("duplicate tid by escape", "claims",
          raw(HEAD, body_with(',"t\\u0069d":"%s"' % OTHER_TENANT)))
    c.bad("tid of another tenant", '"tid"', token(tid=OTHER_TENANT))
    c.bad("tid missing", '"tid"', token(without(V2, "tid")))
    c.bad("tid no GUID", '"tid"', token(tid="contoso.onmicrosoft.com"))
    c.bad("tid is a number", '"tid"', token(tid=1))
    c.bad("ver missing", '"ver"', token(without(V2, "ver")))
    c.bad("ver 3.0", '"ver"', token(ver="3.0"))
    c.bad("ver is a number", '"ver"', token(ver=2.0))
    c.bad("ver 1.0 with v2 claims", "application", token(ver="1.0"))
    c.bad("ver 1.0 with the v2 issuer", iss, token(ver="1.0", appid=CLIENT))
    c.bad("key of another issuer", "key",
          token(head=dict(HEAD, kid="other-issuer")))
    c.bad("key of another cloud", "key",
          token(head=dict(HEAD, kid="other-cloud")))


def audiences(c):
    aud = '"aud"'
    c.bad("audience missing", aud, token(without(V2, "aud")))
    for name in (GRAPH, "https://management.azure.com",
                 "https://management.azure.com/", "https://ml.azure.com",
                 "https://graph.microsoft.com",
                 "0736f41a-0425-4b46-bdb5-1563eff02385",
                 "18a66f5f-dbdf-4c17-9dd7-1634712a9cbe",
                 AUDIENCE_URI + "/", AUDIENCE.upper(), " " + AUDIENCE,
                 AUDIENCE[:-1], AUDIENCE + "0", CLIENT, ""):
        c.bad("audience %r" % name, aud, token(aud=name))
    for value in ([], [GRAPH], [AUDIENCE, GRAPH], [GRAPH, AUDIENCE],
                  [AUDIENCE, 1], [[AUDIENCE]], {"0": AUDIENCE}, 1, None, True,
                  [AUDIENCE] * 20):
        c.bad("audience %s" % json.dumps(value)[:60], aud,
              raw(HEAD, dict(V2, aud=value)))
    c.bad("duplicate audience", "claims",
          raw(HEAD, body_with(',"aud":"%s"' % GRAPH)))


def actors(c):
    c.bad("ID token v2", "ID token",
          token(without(V2, "azp", "azpacr", "roles", "idtyp"),
                name="Zoe", nonce="n-1", preferred_username="zoe@example.com"))
    c.bad("ID token v2 without nonce", "application",
          token(without(V2, "azp", "azpacr", "roles", "idtyp"), name="Zoe"))
    c.bad("ID token v1", "application", token(without(V1, "appid")))
    c.bad("nonce in the claims", "ID token", token(nonce="n-1"))
    c.bad("at_hash", "ID token", token(at_hash="x"))
    c.bad("c_hash", "ID token", token(c_hash="x"))
    c.bad("azp in a v1 token only", "application",
          token(without(V1, "appid"), azp=CLIENT))
    c.bad("appid in a v2 token only", "application",
          token(without(V2, "azp"), appid=CLIENT))
    c.bad("azp is a list", "application", token(azp=[CLIENT]))
    c.bad("azp empty", "application", token(azp=""))
    for name in ("roles", "groups", "wids", "amr", "acrs"):
        for value in ("Admin", 1, {"a": 1}, ["a", 1], [["a"]], None, [None]):
            c.bad("%s %s" % (name, json.dumps(value)), '"%s"' % name,
                  raw(HEAD, dict(V2, **{name: value})))
        c.bad("%s with NUL" % name, "", token(**{name: ["a\0b"]}))
        c.bad("300 %s" % name, '"%s"' % name, token(**{name: ["a"] * 300}))
    for name in ("scp", "oid", "sub", "idtyp", "uti", "azpacr"):
        for value in (["a"], 1, {}, None):
            c.bad("%s %s" % (name, json.dumps(value)), '"%s"' % name,
                  raw(HEAD, dict(V2, **{name: value})))
    c.bad("300 scopes", '"scp"', token(scp="a " * 300))
    c.bad("_claim_names is text", "_claim_names",
          token(_claim_names="groups"))
    c.bad("hasgroups is text", "hasgroups", token(hasgroups="true"))
    c.bad("duplicate roles", "claims",
          raw(HEAD, body_with(',"roles":["Admin"]')))
    c.bad("duplicate deep inside", "claims",
          raw(HEAD, body_with(',"x":{"a":1,"a":2}')))
    c.bad("deep claims", "claims",
          raw(HEAD, body_with(',"x":' + "[" * 500 + "]" * 500)))
    c.bad("claims are a list", "claims", raw(HEAD, "[]"))
    c.bad("claims with trailing bytes", "claims",
          raw(HEAD, json.dumps(V2) + "x"))
    c.bad("claims with a byte order mark", "claims",
          raw(HEAD, "\ufeff" + json.dumps(V2)))


def key_ids(c):
    c.unknown("kid unknown", token(head=dict(HEAD, kid="nobody")))
    c.unknown("kid in other case", token(head=dict(HEAD, kid="RSA")))
    c.unknown("kid of 128 bytes", token(head=dict(HEAD, kid="a" * 128)))
    for kid, key, alg in (
            ("weak", WEAK, "RS256"), ("enc", RSA, "RS256"),
            ("x5c-only", RSA, "RS256"), ("conflict", RSA, "RS256"),
            ("ec384", EC, "ES256"), ("e-one", RSA, "RS256"),
            ("hmac-alg", RSA, "RS256"), ("private", RSA, "RS256"),
            ("oct", RSA, "RS256"), ("off-curve", EC, "ES256"),
            ("sign-only", RSA, "RS256"), ("even", RSA, "RS256")):
        c.unknown("kid of a key left out: %s" % kid,
                  token(head=dict(HEAD, kid=kid), key=key, alg=alg))
    c.unknown("v1 key for a v2 token", token(head=dict(HEAD, kid="v1-only")))
    c.unknown("v2 key for a v1 token",
              token(V1, dict(HEAD, kid="v2-only")))
    c.good("v1 key for a v1 token", token(V1, dict(HEAD, kid="v1-only")))
    c.good("v2 key for a v2 token", token(head=dict(HEAD, kid="v2-only")))


def key_sets():
    template = ISS_V2.replace(TENANT, "{tenantid}")
    v1 = [rsa_jwk(RSA, "rsa", use="sig", x5t="rsa", x5c=["MIIB" * 300]),
          rsa_jwk(RSA, "v1-only"),
          rsa_jwk(RSA, "v1-template", issuer=template)]
    v2 = [
        {"kty": "oct", "kid": "oct", "k": b64(b"secret")},
        rsa_jwk(RSA, "rsa", use="sig", x5t="rsa", issuer=template,
                x5c=["MIIB" * 300]),
        rsa_jwk(RSA3, "rsa3", use="sig", alg="RS256"),
        ec_jwk(EC, "ec", use="sig", alg="ES256"),
        rsa_jwk(RSA, "v2-only"),
        rsa_jwk(RSA, "fixed-issuer", issuer=ISS_V2),
        rsa_jwk(RSA, "other-issuer",
                issuer=ISS_V2.replace(TENANT, OTHER_TENANT)),
        rsa_jwk(RSA, "other-cloud", issuer="https://login.microsoftonline.us/"
                "{tenantid}/v2.0"),
        rsa_jwk(RSA, "twice"), rsa_jwk(RSA, "twice"),
        rsa_jwk(RSA, "conflict"), rsa_jwk(STRANGER, "conflict"),
        rsa_jwk(RSA, "rs512", alg="RS512"),
        rsa_jwk(WEAK, "weak"),
        rsa_jwk(RSA, "enc", use="enc"),
        rsa_jwk(RSA, "hmac-alg", alg="HS256"),
        rsa_jwk(RSA, "sign-only", key_ops=["sign"]),
        rsa_jwk(RSA, "private",
                d=number(RSA.private_numbers().d)),
        dict(rsa_jwk(RSA, "e-one"), e="AQ"),
        dict(rsa_jwk(RSA, "even"),
             n=number(RSA.public_key().public_numbers().n + 1)),
        {"kty": "RSA", "kid": "x5c-only", "x5c": ["MIIB" * 300]},
        ec_jwk(EC384, "ec384", "P-384", 48),
        dict(ec_jwk(EC, "off-curve"), y=b64(b"\1" * 32)),
        rsa_jwk(RSA, "../traversal"), rsa_jwk(RSA, ""),
        {k: v for k, v in rsa_jwk(RSA, "x").items() if k != "kid"},
    ]
    return {"keys": v1}, {"keys": v2}


def discovery(issuer, path):
    host = "https://login.microsoftonline.com/" + TENANT
    return {"token_endpoint": host + "/oauth2/v2.0/token",
            "jwks_uri": host + path, "issuer": issuer,
            "response_types_supported": ["code", "id_token"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["sub", "iss", "tid"],
            "cloud_instance_name": "microsoftonline.com"}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    c = Corpus()
    for part in (good, algorithms, signatures, headers, shapes, dates,
                 issuers, audiences, actors, key_ids):
        part(c)

    v1, v2 = key_sets()
    files = {
        "openid_v1.json": discovery(ISS_V1, "/discovery/keys"),
        "openid_v2.json": discovery(ISS_V2, "/discovery/v2.0/keys"),
        "jwks_v1.json": v1, "jwks_v2.json": v2}
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as f:
            json.dump(content, f)

    with open(os.path.join(folder, "cases.tsv"), "w") as f:
        for row in c.rows:
            f.write("\t".join(row) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
