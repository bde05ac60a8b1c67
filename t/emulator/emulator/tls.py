"""The emulator's own certificate authority and server certificates."""

import datetime
import hashlib
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def write_private(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, 'wb') as f:
        f.write(data)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def cert_pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def load_key(data):
    return serialization.load_pem_private_key(data, None)


def builder(subject, issuer, public_key, days=(-1, 825)):
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder()
            .subject_name(subject).issuer_name(issuer).public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1])))


def name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME,
                                         common_name[:64])])


def self_signed(common_name, days=(-1, 825), bits=2048):
    """An RSA key and certificate, as an app registration has them."""
    key = rsa.generate_private_key(65537, bits)
    subject = name(common_name)
    cert = builder(subject, subject, key.public_key(), days).sign(
        key, hashes.SHA256())
    return key, cert


def alt_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """Makes a server certificate for whatever name a client asks for.

    The CA is kept in the state directory, so that a restart changes nothing
    for those who trust it.
    """

    def __init__(self, state_dir, names):
        self.dir = state_dir
        self.names = ['localhost', '127.0.0.1', '::1'] + list(names)
        self.contexts = {}
        self.strict = False         # only the given names, no matter the SNI
        self.expired = False        # certificates that ended yesterday
        self.load()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.reset()

    def path(self, file):
        return os.path.join(self.dir, file)

    def load(self):
        try:
            with open(self.path('ca.key'), 'rb') as f:
                self.ca_key = load_key(f.read())
            with open(self.path('ca.pem'), 'rb') as f:
                self.ca = x509.load_pem_x509_certificate(f.read())
        except FileNotFoundError:
            self.make_ca()

    def make_ca(self):
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        subject = name('nginx-entra emulator CA')
        self.ca = (builder(subject, subject, self.ca_key.public_key(),
                           (-1, 3650))
                   .add_extension(x509.BasicConstraints(True, 0), True)
                   .add_extension(x509.KeyUsage(
                       False, False, False, False, False, True, True, False,
                       False), True)
                   .sign(self.ca_key, hashes.SHA256()))
        write_private(self.path('ca.key'), key_pem(self.ca_key))
        with open(self.path('ca.pem'), 'wb') as f:
            f.write(cert_pem(self.ca))

    def issue(self, names):
        days = (-30, -1) if self.expired else (-1, 825)
        return (builder(name(names[0]), self.ca.subject,
                        self.key.public_key(), days)
                .add_extension(x509.SubjectAlternativeName(
                    [alt_name(n) for n in names]), False)
                .add_extension(x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH]), False)
                .sign(self.ca_key, hashes.SHA256()))

    def reset(self):
        """After a change of names, strict or expired."""
        self.contexts.clear()
        cert = self.issue(self.names)
        der = cert.public_bytes(serialization.Encoding.DER)
        self.sha1 = hashlib.sha1(der).hexdigest().upper()
        self.default = self.make_context(cert, 'server')
        self.default.sni_callback = self.choose

    def make_context(self, cert, file):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        pem, key = self.path(file + '.pem'), self.path(file + '.key')
        with open(pem, 'wb') as f:
            f.write(cert_pem(cert) + cert_pem(self.ca))
        write_private(key, key_pem(self.key))
        context.load_cert_chain(pem, key)
        return context

    def choose(self, tls, server_name, _context):
        tls.emulator_sni = server_name
        if server_name is None or self.strict or server_name in self.names:
            return None
        context = self.contexts.get(server_name)
        if context is None:
            if len(self.contexts) > 256:
                self.contexts.clear()
            try:
                cert = self.issue([server_name])
            except ValueError:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            context = self.make_context(cert, 'by-name')
            self.contexts[server_name] = context
        tls.context = context
        return None

    def context(self):
        return self.default
