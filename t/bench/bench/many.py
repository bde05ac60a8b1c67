"""Many callers, many credentials: the figures of the shared store."""

import asyncio
import base64
import concurrent.futures
import json
import os
import re
import socket
import subprocess
import time

from .world import BINARY, Load, Scratch, get, spread, wait_for
from .memory import memory_of

ECHO = '''
    server {
        listen 127.0.0.1:PORT backlog=4096;
        location / { return 200 $http_authorization; }
    }
'''

PROXY = '''proxy_set_header Authorization $entra_authorization;
            proxy_pass http://127.0.0.1:%d;'''


class Callers:
    """A gateway with on_behalf_of, and callers with tokens of their own."""

    def __init__(self, scratch, zone, workers=2, more='', connections=4096):
        self.emulator = e = scratch.emulator(cpu=None)
        self.upstream = scratch.nginx(ECHO, entra=False)
        self.made = {}
        proxy = PROXY % self.upstream.port
        behalf = e.credential('behalf').replace(
            ' client_secret {', ' on_behalf_of {')
        self.nginx = scratch.nginx('''
    %s %s %s
    entra_shared_zone zone=entra:%s;
    entra_caller_token {
        tenant_id %s; audience %s; authority_host %s;
    }
    server {
        listen 127.0.0.1:PORT reuseport backlog=4096;
        entra_wait 3s;
        location / { entra_auth behalf; %s }
        location /cold { entra_auth cold; %s }
        location /app { entra_auth app; %s }
        %s
    }
''' % (e.trusted(), behalf,
            e.credential('app') + e.credential('cold',
                                               more='preload off;'
                                                    ' policies none;'),
            zone, e.tenant_id, e.client_id, e.authority_host, proxy, proxy,
            proxy, more), workers=workers, connections=connections)

    def mint(self, names):
        def one(name):
            return name, self.emulator.call('mint', {
                'user': True, 'scope': 'access_as_user', 'claims': {
                    'aud': self.emulator.client_id, 'oid': name, 'sub': name,
                    'name': name, 'exp': int(time.time()) + 7200}})['token']

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.made.update(pool.map(one, names))

    def ask(self, names, at_once=None):
        """
        (name, status, whose token the upstream got, seconds) of each: a
        caller, or a path.  Without at_once they are connected first.
        """
        return asyncio.run(self.asked(names, at_once))

    async def asked(self, names, at_once):
        gate = asyncio.Semaphore(at_once or len(names))
        ready = asyncio.Semaphore(0)
        start = asyncio.Event()

        async def one(name):
            async with gate:
                reader, writer = await asyncio.open_connection(
                    '127.0.0.1', self.nginx.port)
                ready.release()
                await start.wait()
                begun = time.monotonic()
                writer.write(self.request(name))
                answer = await asyncio.wait_for(reader.read(), 60)
                writer.close()
                return (name, answer[9:12].decode(), whose(answer),
                        time.monotonic() - begun)

        tasks = [asyncio.create_task(one(name)) for name in names]
        for _ in range(0 if at_once else len(names)):
            await ready.acquire()
        start.set()
        return await asyncio.gather(*tasks)

    def request(self, name):
        path, head = name, ''
        if name[0] != '/':
            path, head = '/', 'Authorization: Bearer %s\r\n' \
                % self.made[name]
        return ('GET %s HTTP/1.1\r\nHost: gateway\r\n%s'
                'Connection: close\r\n\r\n' % (path, head)).encode()


def whose(answer):
    found = re.search(rb'Bearer [^.]+\.([^.]+)\.', answer)
    if not found:
        return None
    text = found.group(1)
    return json.loads(base64.urlsafe_b64decode(text + b'=' * (-len(text) % 4))
                      ).get('oid')


def churn_once(seconds):
    """A zone of 128k, and eight times as many callers as it holds."""
    with Scratch() as scratch:
        world = Callers(scratch, '128k')
        names = ['c%d' % n for n in range(320)]
        stay = ['s%d' % n for n in range(8)]
        world.mint(names + stay)
        world.emulator.call('settings', {'expires_in': 4})

        asked = wrong = refused = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for at in range(0, len(names), 40):
                for name, status, oid, _ in world.ask(
                        names[at:at + 40] + stay + stay):
                    asked += 1
                    refused += status != '200'
                    wrong += oid is not None and oid != name
                if time.monotonic() > end:
                    break
        return {'asked': asked, 'wrong': wrong, 'refused': refused,
                'killed': world.nginx.errors().count('exited on signal')}


def churn(runs, seconds, say):
    """Two at a time: the machine has two cores."""
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        got = list(pool.map(churn_once, [seconds] * runs))
    total = {key: sum(g[key] for g in got) for key in got[0]}
    total.update(runs=runs, seconds=seconds)
    say('  churn: %s' % total)
    return total


def cold(callers, rounds, say):
    """A provider that is 2 s slow, callers and a shared credential."""
    got = []
    for _ in range(rounds):
        with Scratch() as scratch:
            world = Callers(scratch, '8m', workers=1)
            names = ['c%d' % n for n in range(callers)]
            world.mint(names + ['first'])
            world.ask(['first'])                # keys of callers' tokens
            world.emulator.call('faults', {'at': 'token', 'delay': 2})
            answers = world.ask(names + ['/cold'])
            got.append({
                'good': sum(a[1] == '200' for a in answers[:-1]),
                'cold': answers[-1][1], 'cold_seconds': answers[-1][3],
                'last': max(a[3] for a in answers[:-1])})
            say('  cold: %s' % got[-1])
    return {'callers': callers, 'rounds': got}


def dead(count, rounds, say):
    """Credentials of a provider that accepts nobody, and a healthy one."""
    got = []
    for _ in range(rounds):
        hole = socket.socket()
        hole.bind(('127.0.0.1', 0))
        hole.listen(1)
        full = [socket.socket() for _ in range(4)]
        for s in full:
            s.setblocking(False)
            s.connect_ex(hole.getsockname())

        with Scratch() as scratch:
            e = scratch.emulator(cpu=None)
            upstream = scratch.nginx(ECHO, entra=False)
            away = ''.join(e.credential('dead%d' % n) for n in range(count)
                           ).replace(e.authority_host, 'https://localhost:%d'
                                     % hole.getsockname()[1])
            nginx = scratch.nginx('''
    %s entra_shared_zone zone=entra:8m; %s
    server {
        listen 127.0.0.1:PORT;
        entra_wait 60s;
        location / { entra_auth healthy; %s }
    }
''' % (e.trusted(), away + e.credential('healthy'), PROXY % upstream.port))
            begun = time.monotonic()
            get(nginx.url(), timeout=60)
            got.append(time.monotonic() - begun)
            say('  black hole: first answer after %.3f s' % got[-1])

        for s in full + [hole]:
            s.close()
    return {'count': count, 'seconds': got}


def in_turn(count, say):
    """Callers one after the other in the default zone: memory of a worker."""
    with Scratch() as scratch:
        world = Callers(scratch, '2m', workers=1)
        names = ['c%d' % n for n in range(count)]
        pid = world.nginx.workers()[0]
        seen, good, part = [], 0, count // 5

        for at in range(0, count, part):
            some = names[at:at + part]
            world.mint(some)
            good += sum(a[1] == '200' and a[2] == a[0]
                        for a in world.ask(some, 16))
            seen.append(memory_of(pid)['private'])
            say('  %d callers: %d kB' % (at + part, seen[-1]))
        return {'count': count, 'good': good, 'private': seen}


FILED = '''
    entra_credential c%d client_secret {
        authority_host %s; tenant_id %s; client_id %s;
        client_secret_file %s/%d;
        scope aml; upstreams http://127.0.0.1; policies none;
    }
'''

HELLO = '''
    server {
        listen 127.0.0.1:PORT;
        location = /hello { return 200 hello; }
        location = /ready { entra_status ready; }
        location / { entra_auth c0; %s }
    }
'''


def config_test(nginx, times):
    """Seconds of nginx -t, of these on a CPU, and its peak size in kB."""
    seconds, cpu, peak = [], [], 0
    for _ in range(times):
        begun = time.monotonic()
        child = os.spawnv(os.P_NOWAIT, BINARY, [
            BINARY, '-t', '-q', '-c', nginx.conf, '-p', nginx.dir])
        _, status, usage = os.wait4(child, 0)
        if status:
            raise RuntimeError('nginx -t failed')
        seconds.append(time.monotonic() - begun)
        cpu.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss)
    return spread(seconds)[0], spread(cpu)[0], peak


def ready(nginx):
    try:
        get(nginx.url('/ready'))
        return True
    except OSError:
        return False


def at_rest(count, turns, say):
    """Credentials with a file each, beside an nginx with one."""
    with Scratch() as scratch:
        e = scratch.emulator(cpu=None)
        upstream = scratch.nginx(ECHO, entra=False)
        with open(e.client_secret_file) as f:
            secret = f.read()
        for n in range(count):
            path = scratch.write('secret%d' % n, secret)
            os.chmod(path, 0o640)
        time.sleep(10)                          # files that were there before

        def start(number):
            nginx = scratch.configure(
                e.trusted() + 'entra_shared_zone zone=entra:64m;'
                + ''.join(FILED % (n, e.authority_host, e.tenant_id,
                                   e.client_id, scratch.path(''), n)
                          for n in range(number)).replace(
                              scratch.path('') + '/', scratch.path('secret'))
                + HELLO % (PROXY % upstream.port), workers=2)
            tested = config_test(nginx, 7)
            begun = time.monotonic()
            nginx.start()
            wait_for(lambda: ready(nginx), 300, 0.2)
            return nginx, tested, time.monotonic() - begun

        one, one_tested, _ = start(1)
        many, tested, seconds = start(count)
        time.sleep(10)
        memory = [max(memory_of(p)['private'] for p in nginx.workers())
                  for nginx in (one, many)]
        say('  %d credentials: ready after %.1f s, nginx -t %.2f s (CPU %.2f)'
            ' and %d kB, private %d kB, with one %d kB' % (
                count, seconds, *tested, memory[1], memory[0]))

        # in turns: what disturbs the machine disturbs both
        p99 = [[], []]
        for _ in range(turns):
            for seen, nginx in zip(p99, (one, many)):
                seen.append(Load(nginx.url('/hello'), 2, cpu=None).wait().p99)
        ratios = [b / a for a, b in zip(*p99)]
        say('  p99: %s' % p99)
        return {'count': count, 'ready': seconds, 'errors':
                len(many.errors().splitlines()), 'private': memory,
                'tested': tested, 'one_tested': one_tested,
                'p99': [spread(p)[0] for p in p99], 'ratio': spread(ratios)}


def repaired(rounds, say):
    """The token of a pod becomes good while the next attempt is far."""
    got = []
    for _ in range(rounds):
        with Scratch() as scratch:
            e = scratch.emulator(cpu=None)
            upstream = scratch.nginx(ECHO, entra=False)
            with open(e.federated_token_file) as f:
                good = f.read().strip()
            project(scratch, 1, good[:-8] + 'AAAAAAAA')
            nginx = scratch.nginx('''
    %s
    entra_credential pod workload_identity {
        authority_host %s; tenant_id %s; client_id %s;
        federated_token_file %s; scope aml;
        upstreams http://127.0.0.1; policies none;
    }
    server {
        listen 127.0.0.1:PORT;
        entra_wait 100ms;
        location = /status { entra_status; }
        location / { entra_auth pod; %s }
    }
''' % (e.trusted(), e.authority_host, e.tenant_id, e.federated_client_id,
                scratch.path('token'), PROXY % upstream.port), workers=2)

            wait_for(lambda: next_attempt(nginx) >= 8, 60)
            project(scratch, 2, good)
            begun = time.monotonic()
            wait_for(lambda: answers(nginx), 60, 0.01)
            got.append(time.monotonic() - begun)
            say('  repaired: first answer after %.2f s' % got[-1])
    return got


def project(scratch, generation, token):
    """As the kubelet does it."""
    name = '..%d' % generation
    os.mkdir(scratch.path(name))
    scratch.write(name + '/token', token)
    os.symlink(name, scratch.path('..new'))
    os.rename(scratch.path('..new'), scratch.path('..data'))
    if generation == 1:
        os.symlink('..data/token', scratch.path('token'))


def next_attempt(nginx):
    status = json.loads(get(nginx.url('/status'),
                            {'Accept': 'application/json'}))
    return status['credentials'][0].get('next_attempt_in') or 0


def answers(nginx):
    try:
        get(nginx.url())
        return True
    except OSError:
        return False


def measure(quick=False, only=None, kept=None, say=print):
    rows = {
        'cold': lambda: cold(300, 1 if quick else 3, say),
        'dead': lambda: dead(400, 1 if quick else 3, say),
        'repaired': lambda: repaired(1 if quick else 5, say),
        'at_rest': lambda: at_rest(500 if quick else 10000,
                                   2 if quick else 12, say),
        'in_turn': lambda: in_turn(1000 if quick else 10000, say),
        'churn': lambda: churn(2 if quick else 10, 5 if quick else 40, say),
    }
    got = dict(kept or {})
    for name, row in rows.items():
        if not only or name in only:
            got[name] = row()
    return got
