"""Memory of a worker over bare nginx; and a thousand credentials."""

import re
import signal
import time

from .world import Load, Scratch, UPSTREAM, get, wait_for

SERVER = '''
    upstream service { server 127.0.0.1:%d; keepalive 64; }
    server {
        listen 127.0.0.1:PORT;
        proxy_http_version 1.1;
        location / {
            %s
            proxy_set_header Connection "";
            proxy_pass http://service;
        }
        %s
    }
'''

AUTH = '''entra_auth %s;
            proxy_set_header Authorization $entra_authorization;'''

READY = 'location = /ready { entra_status ready; }'

APP = '0abcdef0-0000-4000-8000-%012d'


def memory_of(pid):
    """kB: resident, its fair share of what is shared, and its own."""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        text = f.read()

    def field(name):
        return sum(int(x) for x in re.findall(r'%s:\s+(\d+)' % name, text))

    return {'rss': field('Rss'), 'pss': field('Pss'),
            'private': field('Private_Clean') + field('Private_Dirty')}


def zone_pages(pid, size_kb):
    """kB touched of a shared mapping of this size."""
    with open('/proc/%d/smaps' % pid) as f:
        text = f.read()
    for size, rss in re.findall(
            r'rw-s .*\nSize:\s+(\d+) kB(?:\n(?!Rss).*)*\nRss:\s+(\d+)', text):
        if int(size) == size_kb:
            return int(rss)
    return 0


def worker(say=print):
    result = {}
    with Scratch() as scratch:
        emulator = scratch.emulator(cpu=None)
        upstream = scratch.nginx(UPSTREAM, entra=False)
        literal = 'proxy_set_header Authorization "Bearer %s";' \
            % emulator.token()
        for key, http, location, entra in (
                ('bare', '', literal, False),
                ('ours', emulator.trusted() + emulator.credential(),
                 AUTH % 'scoring', True)):
            nginx = scratch.nginx(
                http + SERVER % (upstream.port, location,
                                 READY if entra else ''),
                entra=entra, workers=2, connections=1024)
            wait_for(lambda: ready(nginx) if entra else True)
            Load(nginx.url(), 2, cpu=None).wait()
            seen = [memory_of(p) for p in nginx.workers()]
            result[key] = {k: max(s[k] for s in seen) for k in seen[0]}
            say('  worker of %s: %s' % (key, result[key]))
    return result


def ready(nginx):
    try:
        get(nginx.url('/ready'))
        return True
    except OSError:
        return False


def many(count=1000, say=print):
    size_mb = 16
    with Scratch() as scratch:
        emulator = scratch.emulator(cpu=None)
        upstream = scratch.nginx(UPSTREAM, entra=False)
        secret = open(emulator.client_secret_file).read().strip()
        for n in range(count):
            emulator.call('apps', {'client_id': APP % n,
                                   'secrets': [{'value': secret}]})

        def start(number):
            emulator.call('requests', method='DELETE')
            credentials = ''.join(emulator.credential('c%d' % n, APP % n)
                                  for n in range(number))
            begun = time.monotonic()
            nginx = scratch.nginx(
                emulator.trusted()
                + 'entra_shared_zone zone=entra:%dm;' % size_mb + credentials
                + SERVER % (upstream.port, AUTH % 'c0', READY), workers=2)
            wait_for(lambda: ready(nginx), 120, 0.1)
            return nginx, time.monotonic() - begun

        one, _ = start(1)
        base = zone_pages(one.workers()[0], size_mb * 1024)
        one.stop()

        nginx, seconds = start(count)
        fetched = emulator.token_requests()
        used = max(zone_pages(p, size_mb * 1024) for p in nginx.workers())
        memory = memory_of(nginx.workers()[0])
        say('  %d tokens after %.1f s with %d token requests' % (
            count, seconds, fetched))

        old = set(nginx.workers())
        begun = time.monotonic()
        nginx.signal(signal.SIGHUP)
        wait_for(lambda: len(set(nginx.workers()) - old) == 2, 60)
        reload = time.monotonic() - begun
        time.sleep(10)
        after = emulator.token_requests() - fetched
        say('  reload in %.2f s, %d token requests after it' % (reload,
                                                                after))
        return {
            'count': count, 'ready_seconds': seconds,
            'token_requests': fetched, 'zone_kb': used, 'zone_base_kb': base,
            'kb_per_token': (used - base) / (count - 1),
            'reload_seconds': reload, 'after_reload': after,
            'still_ready': ready(nginx), 'worker_kb': memory,
            'token_bytes': len(emulator.token()),
        }


def measure(count=1000, say=print):
    return {'worker': worker(say), 'many': many(count, say)}
