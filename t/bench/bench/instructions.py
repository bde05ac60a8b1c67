"""Instructions of the worker per request, counted by valgrind.

What the clock cannot tell on a machine that others use too: the count is the
same to a few in a thousand, whatever else runs.  It leaves out the kernel,
where a proxied request spends most of its time.
"""

import http.client
import os
import re
import shutil
import signal
import subprocess

from . import cpu, world
from .world import Scratch, wait_for

FEW, MANY = 200, 1200


def count(nginx, headers, requests):
    """Instructions of a whole run with this many requests."""
    report = os.path.join(nginx.dir, 'valgrind.%d' % requests)
    process = subprocess.Popen(
        ['valgrind', '--tool=cachegrind', '--cache-sim=no',
         '--cachegrind-out-file=/dev/null', '--log-file=' + report,
         world.BINARY, '-c', nginx.conf, '-p', nginx.dir,
         '-g', 'daemon off; master_process off;'],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: cpu.answers(nginx, headers), 60)
        client = http.client.HTTPConnection('127.0.0.1', nginx.port)
        for _ in range(requests):
            client.request('GET', '/score/x', headers=headers)
            if client.getresponse().read() != b'ok\n':
                raise RuntimeError('not answered')
        client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    with open(report) as f:
        refs = re.search(r'I\s+refs:\s+([\d,]+)', f.read())
    return int(refs.group(1).replace(',', ''))


def per_request(nginx, headers):
    return (count(nginx, headers, MANY) - count(nginx, headers, FEW)) \
        / (MANY - FEW)


def measure(only=None, say=print):
    if shutil.which('valgrind') is None:
        say('  valgrind is not installed')
        return {}
    result = {}
    with Scratch() as scratch:
        emulator = scratch.emulator(cpu=None)
        upstream = scratch.nginx(world.UPSTREAM, entra=False)
        tokens = cpu.token_server(scratch, emulator)
        caller = cpu.caller_token(emulator)
        every = cpu.variants(scratch, emulator, upstream.port, tokens.port)
        for key, variant in every.items():
            if only and key not in only:
                continue
            nginx = cpu.configure(scratch, upstream.port, variant)
            headers = {'Authorization': 'Bearer ' + caller} \
                if variant.get('caller') else {}
            try:
                result[key] = per_request(nginx, headers)
                say('  %s: %d' % (variant['name'], result[key]))
            except (RuntimeError, TimeoutError, OSError) as e:
                say('  %s left out: %s' % (key, e))
    return result
