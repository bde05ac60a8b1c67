"""A thousand first requests at once: one token request, all answered."""

import asyncio
import resource
import time

from .world import UPSTREAM, Scratch

GATEWAY = '''
    %s %s
    upstream service { server 127.0.0.1:%d; keepalive 64; }
    server {
        listen 127.0.0.1:PORT backlog=4096;
        location / {
            entra_auth scoring;
            proxy_set_header Authorization $entra_authorization;
            proxy_pass http://service/checked;
        }
    }
'''


async def herd(port, count):
    gate = asyncio.Event()
    ready = asyncio.Semaphore(0)

    async def client():
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        ready.release()
        await gate.wait()
        start = time.monotonic()
        writer.write(b'GET / HTTP/1.1\r\nHost: gateway\r\n'
                     b'Connection: close\r\n\r\n')
        answer = await reader.read()
        writer.close()
        return answer[9:12].decode(), time.monotonic() - start

    tasks = [asyncio.create_task(client()) for _ in range(count)]
    for _ in range(count):
        await ready.acquire()
    gate.set()
    return await asyncio.gather(*tasks)


def run(slow, count):
    with Scratch() as scratch:
        emulator = scratch.emulator(cpu=None)
        upstream = scratch.nginx(UPSTREAM, entra=False)
        gateway = scratch.nginx(GATEWAY % (
            emulator.trusted(),
            emulator.credential(more='policies none; preload off;'),
            upstream.port), workers=2)
        if slow:
            emulator.call('faults', {'at': 'token', 'delay': slow})
        before = emulator.token_requests()
        answers = asyncio.run(herd(gateway.port, count))
        times = sorted(t for _, t in answers)
        return {
            'slow': slow, 'requests': count,
            'answered': sum(s == '200' for s, _ in answers),
            'token_requests': emulator.token_requests() - before,
            'median': times[len(times) // 2], 'max': times[-1],
        }


def measure(count=1000, say=print):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    result = []
    for slow in (0, 1):
        result.append(run(slow, count))
        say('  identity provider %d s slow: %d answered, %d token requests'
            % (slow, result[-1]['answered'], result[-1]['token_requests']))
    return result
