"""An upstream that tells what it received, exactly."""

import asyncio
import base64
import hashlib
import json

from .server import Response, reply_json


class Echo:
    """Any token, any path.  The query may ask for more:

    status=N, bytes=N (a body of that size), sse=N (N events),
    interval=SECONDS (between them), delay=SECONDS, header=NAME:VALUE.
    """

    async def answer(self, request):
        query = request.query
        if request.header('upgrade').lower() == 'websocket':
            return websocket(request)
        if 'delay' in query:
            await asyncio.sleep(float(query['delay']))
        status = int(query.get('status', 200))
        if 'sse' in query:
            response = Response(status, headers=[
                ('Content-Type', 'text/event-stream'),
                ('Cache-Control', 'no-cache')])
            response.stream = events(int(query['sse']),
                                     float(query.get('interval', 0.1)))
        elif 'bytes' in query:
            response = Response(status, b'x' * int(query['bytes']), [
                ('Content-Type', 'application/octet-stream')])
        else:
            response = reply_json(self.seen(request), status)
        if 'header' in query:
            name, _, value = query['header'].partition(':')
            response.headers.append((name, value))
        return response

    def seen(self, request):
        record = request.record()
        if record['body_length'] > 65536:
            record['body'] = None
        return record


async def events(count, interval):
    for n in range(count):
        data = json.dumps({'n': n})
        yield ('data: %s\n\n' % data).encode()
        await asyncio.sleep(interval)
    yield b'data: [DONE]\n\n'


def websocket(request):
    """Accepts the upgrade and sends every byte back as it came."""
    key = request.header('sec-websocket-key')
    accept = base64.b64encode(hashlib.sha1(
        (key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode())
        .digest()).decode()
    response = Response(101, b'', [
        ('Upgrade', 'websocket'), ('Connection', 'Upgrade'),
        ('Sec-WebSocket-Accept', accept)])
    response.takeover = send_back
    return response


async def send_back(reader, writer):
    while True:
        data = await reader.read(65536)
        if not data:
            return
        writer.write(data)
        await writer.drain()
