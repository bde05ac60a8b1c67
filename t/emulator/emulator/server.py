"""An HTTP/1.1 server on asyncio that can also misbehave on purpose.

It accepts sockets itself, so that a fault can strike before TLS begins.
"""

import asyncio
import base64
import hashlib
import json
import socket
import time
import urllib.parse

HEAD_MAX = 128 * 1024
KEEP_BODY = 8 * 1024 * 1024


class BadRequest(Exception):
    pass


class Request:
    """One request as it came in; header names keep their case."""

    def __init__(self, listener, connection):
        self.listener = listener
        self.connection = connection
        self.method = self.target = self.version = ''
        self.path = self.raw_query = ''
        self.query = {}
        self.headers = []
        self.body = b''
        self.body_length = 0
        self.body_sha256 = ''
        self.time = time.time()
        self.endpoint = ''
        self.form = {}
        self.client_id = ''
        self.params = ()

    def header(self, name, default=''):
        name = name.lower()
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return default

    @property
    def host(self):
        """The name the client meant, without the port, lower case."""
        host = self.header('host').lower()
        if host.startswith('['):
            return host[1:host.find(']')]
        return host.split(':')[0]

    @property
    def base(self):
        """scheme://host:port, as the client wrote it."""
        return '%s://%s' % (self.connection.scheme, self.header('host'))

    @property
    def bearer(self):
        scheme, _, token = self.header('authorization').partition(' ')
        return token.strip() if scheme.lower() == 'bearer' else ''

    def parse_target(self):
        target = self.target
        if '://' in target.split('?')[0]:
            target = '/' + target.split('://', 1)[1].partition('/')[2]
        self.path, _, self.raw_query = target.partition('?')
        self.query = dict(urllib.parse.parse_qsl(
            self.raw_query, keep_blank_values=True))

    def parse_form(self):
        kind = self.header('content-type').split(';')[0].strip().lower()
        if kind == 'application/x-www-form-urlencoded':
            self.form = dict(urllib.parse.parse_qsl(
                self.body.decode('utf-8', 'replace'), keep_blank_values=True))

    def json(self):
        try:
            value = json.loads(self.body or b'{}')
        except ValueError:
            raise BadRequest('the body is not JSON')
        return value

    def record(self):
        try:
            body, encoding = self.body.decode('utf-8'), 'utf-8'
        except UnicodeDecodeError:
            body, encoding = base64.b64encode(self.body).decode(), 'base64'
        return {
            'time': self.time, 'listener': self.listener.name,
            'endpoint': self.endpoint, 'method': self.method,
            'url': self.base + self.target if '://' not in self.target
                   else self.target,
            'target': self.target, 'path': self.path, 'query': self.query,
            'version': self.version, 'host': self.header('host'),
            'sni': self.connection.sni, 'headers': self.headers,
            'body': body, 'body_encoding': encoding,
            'body_length': self.body_length, 'body_sha256': self.body_sha256,
            'form': self.form, 'client_id': self.client_id,
            'peer': self.connection.peer, 'connection': self.connection.number,
            'nth_on_connection': self.connection.requests,
        }


class Response:
    """body is bytes, or an async iterator of bytes (sent chunked)."""

    def __init__(self, status=200, body=b'', headers=(), stream=None):
        self.status = status
        self.headers = list(headers)
        self.body = body.encode() if isinstance(body, str) else body
        self.stream = stream
        self.takeover = None        # async f(reader, writer): no HTTP after
        self.close = False

    def set(self, name, value):
        self.headers = [h for h in self.headers
                        if h[0].lower() != name.lower()]
        self.headers.append((name, str(value)))

    def header(self, name, default=''):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default


def reply_json(value, status=200, headers=()):
    return Response(status, json.dumps(value),
                    [('Content-Type', 'application/json; charset=utf-8'),
                     *headers])


def reply_text(text, status=200, kind='text/plain; charset=utf-8'):
    return Response(status, text, [('Content-Type', kind)])


REASONS = {
    100: 'Continue', 101: 'Switching Protocols', 200: 'OK', 201: 'Created',
    202: 'Accepted', 204: 'No Content', 206: 'Partial Content', 302: 'Found',
    307: 'Temporary Redirect', 400: 'Bad Request', 401: 'Unauthorized',
    403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
    409: 'Conflict', 410: 'Gone', 411: 'Length Required',
    412: 'Precondition Failed', 415: 'Unsupported Media Type',
    424: 'Failed Dependency', 429: 'Too Many Requests',
    500: 'Internal Server Error', 502: 'Bad Gateway',
    503: 'Service Unavailable', 504: 'Gateway Timeout',
}


class Connection:
    def __init__(self, listener, number, peer, scheme):
        self.listener = listener
        self.number = number
        self.peer = peer
        self.scheme = scheme
        self.sni = None
        self.requests = 0


async def read_head(reader):
    try:
        head = await reader.readuntil(b'\r\n\r\n')
    except asyncio.LimitOverrunError:
        raise BadRequest('header too large')
    except asyncio.IncompleteReadError as e:
        if e.partial.strip():
            raise BadRequest('header cut short')
        return None
    return head.decode('latin-1').split('\r\n')[:-2]


async def body_parts(reader, request):
    """Yields the decoded body piece by piece."""
    coding = request.header('transfer-encoding').lower()
    if coding == 'chunked':
        while True:
            size = int((await reader.readline()).split(b';')[0], 16)
            if size == 0:
                while (await reader.readline()).strip():
                    pass
                return
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    left = int(request.header('content-length', '0'))
    while left > 0:
        part = await reader.read(min(left, 65536))
        if not part:
            raise BadRequest('body cut short')
        left -= len(part)
        yield part


async def read_request(listener, connection, reader, writer):
    lines = await read_head(reader)
    if lines is None:
        return None
    while lines and lines[0] == '':
        lines.pop(0)
    request = Request(listener, connection)
    try:
        request.method, request.target, request.version = lines[0].split(' ')
        for line in lines[1:]:
            name, colon, value = line.partition(':')
            if not colon:
                raise ValueError
            request.headers.append((name, value.strip()))
        request.parse_target()
    except (ValueError, IndexError):
        raise BadRequest('malformed request')

    if request.header('expect').lower() == '100-continue':
        writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
    kept, digest = [], hashlib.sha256()
    try:
        async for part in body_parts(reader, request):
            digest.update(part)
            if request.body_length < KEEP_BODY:
                kept.append(part)
            request.body_length += len(part)
    except (ValueError, asyncio.IncompleteReadError):
        raise BadRequest('malformed body')
    request.body = b''.join(kept)
    request.body_sha256 = digest.hexdigest()
    request.parse_form()
    return request


def response_head(request, response, keep):
    lines = ['HTTP/1.1 %d %s' % (response.status,
                                 REASONS.get(response.status, 'Status'))]
    lines += ['%s: %s' % (k, v) for k, v in response.headers]
    has = {k.lower() for k, _ in response.headers}
    if response.stream is not None:
        lines.append('Transfer-Encoding: chunked')
    elif 'content-length' not in has and response.status not in (101, 204):
        lines.append('Content-Length: %d' % len(response.body))
    if 'date' not in has:
        lines.append('Date: ' + time.strftime('%a, %d %b %Y %H:%M:%S GMT',
                                              time.gmtime()))
    if response.takeover is None:
        lines.append('Connection: ' + ('keep-alive' if keep else 'close'))
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1', 'replace')


def abort(writer):
    """Resets the connection, where a close would be polite."""
    sock = writer.get_extra_info('socket')
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            b'\1\0\0\0\0\0\0\0')
        except OSError:
            pass
    writer.transport.abort()


async def send_dripping(writer, data, seconds):
    for i in range(len(data)):
        writer.write(data[i:i + 1])
        await writer.drain()
        await asyncio.sleep(seconds)


async def send(request, response, writer, keep, fault=None):
    """Writes the response; False when the connection is over."""
    head = response_head(request, response, keep)
    body = b'' if request.method == 'HEAD' else response.body
    if fault is not None and fault.get('cut') == 'body':
        writer.write(head + body[:len(body) // 2])
        await writer.drain()
        abort(writer)
        return False
    if fault is not None and fault.get('cut') == 'head':
        writer.write(head[:len(head) // 2])
        await writer.drain()
        abort(writer)
        return False
    if fault is not None and fault.get('drip'):
        await send_dripping(writer, head + body, float(fault['drip']))
        return keep
    writer.write(head)
    if response.stream is not None and request.method != 'HEAD':
        async for part in response.stream:
            if part:
                writer.write(b'%x\r\n%s\r\n' % (len(part), part))
                await writer.drain()
        writer.write(b'0\r\n\r\n')
    else:
        writer.write(body)
    await writer.drain()
    return keep


class Listener:
    """One listening port.  app.handle() answers, app.faults may strike."""

    def __init__(self, name, app, tls=None):
        self.name = name
        self.app = app
        self.tls = tls
        self.scheme = 'https' if tls else 'http'
        self.port = 0
        self.accepted = 0
        self.open = 0
        self.tasks = set()
        self.sock = None

    def bind(self, address, port):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(4096)
        sock.setblocking(False)
        self.sock = sock
        self.port = sock.getsockname()[1]

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(self.sock)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self.accepted += 1
            task = loop.create_task(self.connection(sock, peer, self.accepted))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def connection(self, sock, peer, number):
        self.open += 1
        try:
            await self.connected(sock, peer, number)
        except (ConnectionError, OSError, asyncio.IncompleteReadError):
            pass                    # clients come and go
        finally:
            self.open -= 1

    async def connected(self, sock, peer, number):
        loop = asyncio.get_running_loop()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fault = self.app.faults.take_connection(self.name)
        if fault is not None and await self.strike_connection(fault, sock):
            sock.close()
            return
        reader = asyncio.StreamReader(limit=HEAD_MAX, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        context = self.tls.context() if self.tls else None
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, sock, ssl=context)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        connection = Connection(self, number, '%s:%d' % peer[:2], self.scheme)
        tls = writer.get_extra_info('ssl_object')
        if tls is not None:
            connection.sni = getattr(tls, 'emulator_sni', None)
        try:
            await self.serve(connection, reader, writer)
        finally:
            writer.close()

    async def strike_connection(self, fault, sock):
        """A fault before the first byte.  True: nothing more to do."""
        if fault.get('connection') == 'hang':
            await asyncio.sleep(float(fault.get('seconds', 3600)))
            return True
        if fault.get('connection') == 'slow':
            await asyncio.sleep(float(fault.get('seconds', 1)))
            return False
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        b'\1\0\0\0\0\0\0\0')
        return True

    async def serve(self, connection, reader, writer):
        keep = True
        while keep:
            try:
                request = await read_request(self, connection, reader, writer)
            except BadRequest as e:
                writer.write(b'HTTP/1.1 400 Bad Request\r\nConnection: close'
                             b'\r\n\r\n' + str(e).encode())
                await writer.drain()
                return
            if request is None:
                return
            connection.requests += 1
            keep = (request.version == 'HTTP/1.1'
                    and request.header('connection').lower() != 'close')
            response, fault = await self.app.handle(request, writer)
            if response is None:
                return
            if response.close:
                keep = False
            keep = await send(request, response, writer, keep, fault)
            if response.takeover is not None:
                await response.takeover(reader, writer)
                return
