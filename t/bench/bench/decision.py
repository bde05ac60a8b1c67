"""The evaluator and the cache of callers' tokens on their own: no nginx, no
kernel, so that fractions of a microsecond can be told."""

import glob
import os
import re
import subprocess

from . import world

LIBS = ['-lcjson', '-lssl', '-lcrypto', '-lm', '-lpthread']


def run(name):
    program = os.path.join(world.BUILD, name)
    sources = sorted(glob.glob('src/**/*.c', recursive=True,
                               root_dir=world.TOP))
    rooms = sorted(glob.glob('src/*/', root_dir=world.TOP))
    subprocess.run(
        [os.environ.get('CC', 'cc'), '-std=gnu99', '-O2', '-It/unit',
         '-o', program, 't/bench/%s.c' % name]
        + ['-I' + room for room in rooms] + sources + LIBS,
        cwd=world.TOP, check=True)
    return subprocess.run([program], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def policies(text):
    """Rows of policy_bench: operation, ranges, ns."""
    result = []
    for table in re.split(r'\n(?=(?:GET|POST) /)', text)[1:]:
        operation = table.split('\n')[0]
        once = int(re.search(r'once per request: (\d+) ns', table).group(1))
        for row in re.findall(
                r'^([\d,]+ IPv[46])\s+([\d.]+)\s+(\d+)\s+(\d+)\s+(\d+)$',
                table, re.M):
            result.append({
                'operation': operation.split('/')[0] + (
                    '/score' if len(operation) < 40
                    else "a path of Resource Manager's"),
                'ranges': row[0], 'load_ms': float(row[1]),
                'lookup_ns': int(row[2]), 'read_ns': once,
                'decision_ns': max(int(row[3]), int(row[4]))})
    return result


def tokens(text):
    """Rows of jwt_bench: what, us, low, high."""
    return [{'what': what.strip(), 'us': float(us), 'low': float(low),
             'high': float(high)}
            for what, us, low, high in re.findall(
                r'^(.+?)\s+([\d.]+) us\s+\(([\d.]+) to ([\d.]+)\)$', text,
                re.M)]


def measure(say=print):
    result = {'policies': policies(run('policy_bench')),
              'tokens': tokens(run('jwt_bench'))}
    if not result['policies'] or not result['tokens']:
        raise RuntimeError('the benches print something else now')
    for row in result['policies']:
        say('  %(operation)s, %(ranges)s: %(decision_ns)d ns' % row)
    for row in result['tokens']:
        say('  %(what)s: %(us).2f us' % row)
    return result
