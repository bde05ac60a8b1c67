"""What both clients talk to: records each request, answers as it is told.

Two listeners on loopback: a plain one for the endpoints of a machine, and
one with TLS for Entra, Service Fabric and the upstream.  An answer is
{"status", "headers", "body"}, or {"close": True} for none.
"""

import json
import os
import secrets
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recorder:
    def __init__(self, cert, key, arc_dir):
        self.arc_dir = arc_dir
        self.private = None
        self.lock = threading.Lock()
        self.reset([])
        self.plain = self.listen()
        self.tls = self.listen(cert, key)

    def listen(self, cert=None, key=None):
        recorder = self

        class Handler(Answer):
            pass

        Handler.recorder = recorder
        Handler.listener = 'tls' if cert else 'plain'
        server = Server(('127.0.0.1', 0), Handler)
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            server.socket = context.wrap_socket(
                server.socket, server_side=True,
                do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def reset(self, replies):
        """Forgets; these answers come next, the last one again and again."""
        with self.lock:
            self.requests = []
            self.upstream = []
            self.replies = list(replies)

    # a caller's own token, which is exchanged on its behalf

    def key(self):
        if self.private is None:
            from cryptography.hazmat.primitives.asymmetric import rsa
            self.private = rsa.generate_private_key(65537, 2048)
        return self.private

    def caller_key(self):
        import jwt
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(
            self.key().public_key()))
        jwk.update(kid='caller', use='sig')
        jwk.pop('key_ops', None)
        return jwk

    def issuer(self, base, tenant, path):
        if '/v2.0/' in path:
            return '%s/%s/v2.0' % (base, tenant)
        return 'https://sts.windows.net/%s/' % tenant

    def caller_token(self, tenant, audience):
        import jwt
        now = int(time.time())
        return jwt.encode({
            'iss': 'https://localhost:%d/%s/v2.0' % (self.tls, tenant),
            'aud': audience, 'tid': tenant, 'azp': audience, 'ver': '2.0',
            'oid': '77777777-7777-4777-8777-777777777777', 'sub': 'someone',
            'scp': 'user_impersonation', 'iat': now, 'nbf': now,
            'exp': now + 3600}, self.key(), 'RS256',
            headers={'kid': 'caller'})

    def next_reply(self):
        with self.lock:
            if len(self.replies) > 1:
                return self.replies.pop(0)
            return self.replies[0] if self.replies else {'status': 500}

    def add(self, record):
        with self.lock:
            self.requests.append(record)

    def seen(self):
        with self.lock:
            return list(self.requests)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass                        # a client that hangs up is no news


class Answer(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    recorder = None
    listener = None

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.connection.settimeout(20)

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        length = int(self.headers.get('content-length') or 0)
        body = self.rfile.read(length).decode('utf-8', 'replace')
        url = urllib.parse.urlsplit(self.path)

        if url.path.startswith('/upstream'):
            self.upstream()
        elif url.path.endswith('/.well-known/openid-configuration'):
            self.discovery(url.path)
        elif url.path.endswith('/keys'):
            self.reply({'status': 200, 'body': json.dumps(
                {'keys': [self.recorder.caller_key()]})})
        elif '/discovery/instance' in url.path:
            self.reply({'status': 200, 'body': json.dumps({
                'tenant_discovery_endpoint': 'https://%s/t/v2.0/.well-known/'
                'openid-configuration' % self.headers['host'],
                'metadata': []})})
        elif url.path.startswith('/fallback/'):
            self.reply({'status': 200, 'body': json.dumps({
                'access_token': 'FALLBACK', 'token_type': 'Bearer',
                'expires_in': 3599})})
        else:
            self.token(url, body)

    def upstream(self):
        value = self.headers.get('authorization') or ''
        self.recorder.upstream.append(value.partition(' ')[2])
        self.reply({'status': 200, 'body': '{}'})

    def discovery(self, path):
        base = 'https://' + self.headers['host']
        tenant = path.split('/')[1]
        self.reply({'status': 200, 'body': json.dumps({
            'token_endpoint': '%s/%s/oauth2/v2.0/token' % (base, tenant),
            'authorization_endpoint': '%s/%s/oauth2/v2.0/authorize'
            % (base, tenant),
            'issuer': self.recorder.issuer(base, tenant, path),
            'jwks_uri': '%s/%s/discovery/v2.0/keys' % (base, tenant)})})

    def token(self, url, body):
        query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        self.recorder.add({
            'listener': self.listener, 'method': self.command,
            'path': url.path, 'query': dict(query),
            'headers': {k.lower(): v for k, v in self.headers.items()},
            'body': body})
        if url.path.startswith('/arc/') \
                and not self.headers.get('authorization'):
            self.challenge()
            return
        self.reply(self.recorder.next_reply())

    def challenge(self):
        path = os.path.join(self.recorder.arc_dir,
                            secrets.token_hex(8) + '.key')
        with open(path, 'w') as f:
            f.write('the key')
        os.chmod(path, 0o644)
        self.reply({'status': 401, 'headers': {
            'WWW-Authenticate': 'Basic realm=' + path}, 'body': ''})

    def reply(self, reply):
        if reply.get('close'):
            self.close_connection = True
            self.connection.close()
            return
        text = reply.get('body', '').replace(
            '@IN-AN-HOUR@', str(int(time.time()) + 3600))
        text = text.replace('@DATE@', time.strftime(
            '%m/%d/%Y %H:%M:%S +00:00', time.gmtime(time.time() + 3600)))
        body = text.encode()
        headers = {'Content-Type': 'application/json'}
        headers.update(reply.get('headers', {}))
        self.send_response(reply['status'])
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
