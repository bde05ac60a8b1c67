"""Reloads, a killed worker and a binary upgrade under load.

Beside bare nginx with the same requests and the same disturbance: what it
would lose too is not held against the module.
"""

import os
import signal
import time

from .world import Load, Scratch, UPSTREAM, alive, cpu_seconds, wait_for
from .refresh import GATEWAY, answers

BARE = '''
    upstream service { server 127.0.0.1:%d; keepalive 64; }
    server {
        listen 127.0.0.1:PORT;
        proxy_http_version 1.1;
        location / {
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer %s";
            proxy_pass http://service/checked;
        }
    }
'''


def reload_each_second(nginx, until):
    count = 0
    while time.monotonic() < until - 1.5:
        time.sleep(1)
        nginx.signal(signal.SIGHUP)
        count += 1
    return count


def kill_a_worker(nginx, until):
    """The busiest: an idle one would prove nothing."""
    count = 0
    while time.monotonic() < until - 1.5:
        before = wait_for(lambda: two_workers(nginx), 10)
        time.sleep(1)
        spent = {pid: cpu_seconds(pid) - was for pid, was in before.items()}
        pid = max(spent, key=spent.get)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in nginx.workers(), 10)
        count += 1
    return count


def two_workers(nginx):
    """Their CPU time; or None while the killed one is not replaced."""
    workers = [pid for pid in nginx.workers() if alive(pid)]
    return {pid: cpu_seconds(pid) for pid in workers} \
        if len(workers) == 2 else None


def upgrade_the_binary(nginx, until):
    count = 0
    while time.monotonic() < until - 4:
        time.sleep(1)
        old = nginx.master()
        os.kill(old, signal.SIGUSR2)
        wait_for(lambda: new_master(nginx, old), 10)
        time.sleep(1)
        os.kill(old, signal.SIGQUIT)
        wait_for(lambda: not os.path.exists(nginx.dir + '/pid.oldbin'), 20)
        count += 1
    return count


def new_master(nginx, old):
    try:
        return nginx.master() != old and nginx.workers()
    except (OSError, ValueError):
        return False


EVENTS = {
    'a reload each second': reload_each_second,
    'a worker killed each second': kill_a_worker,
    'binary upgrades': upgrade_the_binary,
}


CONNECTIONS = 16


def measure(seconds=20, say=print):
    result = {}
    for name, event in EVENTS.items():
        result[name] = {}
        for key in ('bare', 'ours'):
            with Scratch() as scratch:
                emulator = scratch.emulator(cpu=None)
                upstream = scratch.nginx(UPSTREAM, entra=False)
                if key == 'bare':
                    http = BARE % (upstream.port, emulator.token())
                else:
                    http = GATEWAY % (emulator.trusted(),
                                      emulator.credential(), upstream.port)
                nginx = scratch.nginx(http, workers=2, entra=key == 'ours')
                wait_for(lambda: answers(nginx), 10)
                before = emulator.token_requests()
                # a connection a request: a kept one may be closed by a
                # reload just when it is used again, with any nginx
                load = Load(nginx.url(), seconds, connections=CONNECTIONS,
                            cpu=None,
                            headers=['Connection: close'])
                events = event(nginx, time.monotonic() + seconds)
                load.wait()
                result[name][key] = {
                    'events': events, 'requests': load.requests,
                    'refused': load.refused, 'errors': load.errors,
                    'token_requests': emulator.token_requests() - before,
                    'alerts': sum('[alert]' in line and
                                  'exited on signal 9' not in line
                                  for line in nginx.errors().split('\n'))}
                say('  %s, %s: %s' % (name, key, result[name][key]))
    return result
