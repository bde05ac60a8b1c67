"""The results as a page."""

import os
import platform
import subprocess

from . import cpu as cpu_module
from . import survival as survival_module
from . import world

HEAD = '''# Performance

Written by `make bench`, which measures everything on this page again and
prints it as well. One part alone is `t/bench/run PART`.

Machine: %(cpu)s, %(cores)s cores, %(kernel)s, %(nginx)s, %(curl)s.
'''


def machine():
    with open('/proc/cpuinfo') as f:
        models = [line.split(':')[1].strip() for line in f
                  if line.startswith('model name')]
    nginx = subprocess.run([world.BINARY, '-v'], stderr=subprocess.PIPE,
                           text=True).stderr.strip().split()[-1]
    try:
        curl = 'libcurl ' + subprocess.run(
            ['pkg-config', '--modversion', 'libcurl'],
            stdout=subprocess.PIPE, text=True).stdout.strip()
    except OSError:
        curl = 'libcurl'
    return {'cpu': models[0] if models else platform.machine(),
            'cores': os.cpu_count(),
            'kernel': 'Linux ' + platform.release().split('-')[0],
            'nginx': nginx, 'curl': curl}


def table(head, rows):
    lines = ['| %s |' % ' | '.join(head),
             '|%s|' % '|'.join('---' for _ in head)]
    lines += ['| %s |' % ' | '.join(str(c) for c in row) for row in rows]
    return '\n'.join(lines) + '\n'


def cpu(got):
    rows = [(v['name'], '%.2f' % v['us'],
             '%.2f - %.2f' % (v['low'], v['high']),
             '%.3f' % v['ratio'] if 'ratio' in v else '-',
             '%.3f - %.3f' % (v['ratio_low'], v['ratio_high'])
             if 'ratio' in v else '-')
            for k, v in got.items()
            if k not in ('anonymous', 'callers', 'policies')]
    text = '''
## CPU time of a request

What the worker spends on one proxied request: CPU time of the process over
the requests it answered. The worker has one core; load generator (h2load, 16
connections) and upstream have the other. Plain HTTP with keepalive to the
upstream. Each line is an nginx of its own whose location differs in what the
name says; they are measured in turns of 4,000 requests, some tenths of a
second, so that what disturbs the machine disturbs them all. The ratio is taken
within a turn. Every ten turns all processes are started anew, because which
pages a process gets is worth a percent or two. Spread: quartiles of %d turns.
Requests per second swing far more on a shared machine, and are not shown.

''' % max((v['rounds'] for v in got.values()), default=0)
    text += table(('location', 'us per request', 'quartiles',
                   'ratio', 'quartiles'), rows)
    added = [(got[k]['name'], '%.2f' % got[k]['us'],
              '%.2f' % got[k]['added'],
              '%.2f - %.2f' % (got[k]['added_low'], got[k]['added_high']),
              base)
             for k, base in (
                 ('policies', 'nginx-entra without policies'),
                 ('callers', 'nginx-entra, the same request, the caller\'s '
                  'token ignored'))
             if k in got and 'added' in got[k]]
    if added:
        text += '''
What a decision costs beyond that, within the noise of whole requests (without
the noise: below):

'''
        text += table(('location', 'us per request', 'added us', 'quartiles',
                       'over'), added)
    return text


def instructions(got):
    if not got:
        return ''
    base = got.get('literal')
    return '''
## Instructions of a request

Of the worker in user space, counted by valgrind: the same to a few in a
thousand, whatever else the machine does. Most of a request's time is spent in
the kernel, which is not counted here.

''' + table(('location', 'instructions', 'over the literal header'), [
        (cpu_module.NAMES[k], '{:,.0f}'.format(n),
         '{:+,.0f}'.format(n - base) if base else '-')
        for k, n in got.items()])


def decision(got):
    return '''
## A decision, and a caller's token

The functions on their own, CPU time. Four policies: a block by location, a
block of presets, a block by caller and time, a grant by location and operation
with a control. Reading method and path is done once for a request. A token
of 11 kB does not fit into the header buffers that nginx has by default.

''' + table(('operation', 'ranges', 'look-up', 'read', 'decision', 'in all',
                 'at most', 'loading the list'),
                [(p['operation'], p['ranges'], '%d ns' % p['lookup_ns'],
                  '%d ns' % p['read_ns'], '%d ns' % p['decision_ns'],
                  '%d ns' % (p['read_ns'] + p['decision_ns']),
                  '1,000 ns' if p['ranges'].startswith('10,') else '-',
                  '%.0f ms' % p['load_ms']) for p in got['policies']]) \
        + '\n' + table(("a caller's token", 'us', 'least - most', 'at most'),
                       [(t['what'], '%.2f' % t['us'],
                         '%.2f - %.2f' % (t['low'], t['high']),
                         '2' if seen_before(t) else '-')
                        for t in got['tokens']])


def seen_before(token):
    """And small enough for the header buffers of nginx."""
    size = int(token['what'].split(' bytes')[0].split()[-1])
    return token['what'].startswith('seen') and size < 8192


def herd(got):
    return '''
## A thousand first requests at once

No token yet, two workers, a thousand open connections that send at the same
moment.

''' + table(('identity provider', 'requests', 'answered 200',
             'token requests', 'median', 'slowest'),
            [('%d s slow' % g['slow'] if g['slow'] else 'as it is',
              g['requests'], g['answered'], g['token_requests'],
              '%.2f s' % g['median'], '%.2f s' % g['max']) for g in got])


def milliseconds(values):
    middle, low, high = world.spread(values)
    return '%.2f ms (%.2f - %.2f)' % (middle, low, high)


def refresh(got):
    return '''
## Refreshing each second under load

%d s of load each, in turns with and without a token that is refreshed each
second (`refresh_in` 1), two workers, 32 connections. Latency: median of the
turns, and quartiles. The identity provider and the load generator share the
machine with the gateway.

''' % got['seconds'] + table(
        ('', 'requests', 'failed', 'token requests', 'p50', 'p99'),
        [(name, got[k]['requests'], got[k]['failed'],
          got[k]['token_requests'], milliseconds(got[k]['p50']),
          milliseconds(got[k]['p99']))
         for k, name in (('without', 'no refresh'),
                         ('with', 'a refresh each second'))])


def memory(got):
    bare, ours = got['worker']['bare'], got['worker']['ours']
    many = got['many']
    text = '''
## Memory

A worker after two seconds of load and a token request. Private is what only
this process has; PSS counts a shared page by its share; resident counts it in
full, libcurl and the libraries it brings along included.

''' + table(('worker of', 'private', 'PSS', 'resident'), [
        (name, *('%d kB' % seen[k] for k in ('private', 'pss', 'rss')))
        for name, seen in (('bare nginx, literal header', bare),
                           ('nginx-entra, one credential', ours))] + [
        ('difference', *('%d kB' % (ours[k] - bare[k])
                         for k in ('private', 'pss', 'rss')))])
    return text + '''
## A thousand credentials

''' + table(('', ''), [
        ('credentials', many['count']),
        ('all of them ready after start', '%.1f s' % many['ready_seconds']),
        ('token requests until then', many['token_requests']),
        ('shared zone per token (of %d bytes)' % many['token_bytes'],
         '%.1f kB' % many['kb_per_token']),
        ('private memory of a worker', '%d kB' % many['worker_kb']['private']),
        ('reload, until new workers have replaced the old',
         '%.2f s' % many['reload_seconds']),
        ('token requests in the 10 s after the reload',
         many['after_reload']),
    ])


# as measured before the shared store was made anew, on another machine
MANY_BEFORE = {
    'wrong': '134-198 / 2', 'cold': '32 / 503', 'dead': '> 30 s',
    'in_turn': '+2.4 kB each', 'errors': '51,126', 'p99': '5.3',
    'private': '85 MB', 'tested': '0.62 s', 'repaired': '14-21 s',
}


def many(got):
    """A row for each that was measured: it, before, now, at most."""
    rows = []

    def row(key, what, now, most):
        rows.append((what, MANY_BEFORE[key], now, most))

    if 'churn' in got:
        c = got['churn']
        row('wrong', 'tokens of another caller / workers that died, %d s of '
            'churn with 8 times as many callers as the store holds, %d runs '
            'with %s requests' % (c['seconds'], c['runs'],
                                  '{:,}'.format(c['asked'])),
            '%d / %d' % (c['wrong'], c['killed']), '0 / 0')
    if 'cold' in got:
        c = got['cold']
        row('cold', '%d cold callers, provider 2 s slow, `entra_wait` 3 s: '
            'answered 200 / a cold shared credential among them'
            % c['callers'], ', '.join(
                '%d / %s' % (r['good'], '%.2f s' % r['cold_seconds']
                             if r['cold'] == '200' else r['cold'])
                for r in c['rounds']), '%d / 2.1 s' % c['callers'])
    if 'dead' in got:
        row('dead', '%d credentials of a provider that accepts nobody, one '
            'healthy: first 200' % got['dead']['count'],
            ', '.join('%.2f s' % s for s in got['dead']['seconds']), '0.2 s')
    if 'in_turn' in got:
        t = got['in_turn']
        seen = t['private']
        row('in_turn', '%s callers in turn, 2 MB zone: private memory of a '
            'worker' % '{:,}'.format(t['count']),
            'after each fifth: %s kB' % ', '.join(map(str, seen)), 'flat')
    if 'at_rest' in got:
        many_at_rest(got['at_rest'], row)
    if 'repaired' in got:
        row('repaired', '`workload_identity` repaired by the swap of a '
            'symbolic link during back-off: first 200',
            ', '.join('%.1f s' % s for s in got['repaired']), '2.5 s')
    return MANY_TEXT + table(('', 'before', 'now', 'at most'), rows)


def many_at_rest(got, row):
    what = '%s credentials: ' % '{:,}'.format(got['count'])
    row('errors', what + 'error lines at start', got['errors'], '0')
    row('p99', what + 'p99 of `return 200` over that with one, in turns: '
        'median (quartiles)', '%.2f (%.2f - %.2f)' % tuple(got['ratio']),
        '1.1')
    row('private', what + 'private memory of a worker, beyond that with one',
        '%.1f MB' % ((got['private'][1] - got['private'][0]) / 1024),
        '20 MB')
    tested, one = (
        '%.2f s, CPU %.2f s, %d MB' % (t[0], t[1], t[2] / 1024)
        for t in (got['tested'], got['one_tested']))
    row('tested', what + '`nginx -t`, its CPU time and largest resident size',
        '%s (with one: %s)' % (tested, one), '0.4 s')


MANY_TEXT = '''
## Many callers, many credentials

Each scenario has an nginx and an emulated provider of its own. Private memory
counts the pages of the shared zone that no other worker has touched, too.

'''


def survival(got):
    rows = []
    for name, seen in got.items():
        for key, who in (('bare', 'bare nginx'), ('ours', 'nginx-entra')):
            s = seen[key]
            rows.append((name, who, s['events'], s['requests'], s['refused'],
                         s['errors'],
                         s['token_requests'] if key == 'ours' else '-'))
    return '''
## Reloads, a killed worker, binary upgrades

Under load by wrk, 16 connections, one connection a request, two workers.
Refused: an answer other than 200. Connection errors: those that the killed
process had open, with any nginx; it is always the busiest worker that is
killed. Bare nginx is the same configuration with a literal header. A new
binary begins with a copy of the old one's tokens.

''' + table(('', '', 'times', 'requests', 'refused', 'connection errors',
             'token requests'), rows)


def text(results):
    page = HEAD % results['machine']
    for part in (cpu, instructions, decision, herd, refresh, memory, many,
                 survival):
        if part.__name__ in results:
            page += part(results[part.__name__])
    return page


def verdict(results):
    """0 when what can be held against a limit is within it."""
    bad = []

    def check(good, what):
        if not good:
            bad.append(what)

    if 'cpu' in results and 'ratio' in results['cpu'].get('ours', {}):
        ratio = results['cpu']['ours']['ratio']
        check(ratio <= 1.02, 'ratio %.3f, at most 1.02' % ratio)
    if 'decision' in results:
        for p in results['decision']['policies']:
            ns = p['decision_ns']
            check(ns <= 1000 or not p['ranges'].startswith('10,'),
                  'decision: %d ns, %s' % (ns, p['ranges']))
        for t in results['decision']['tokens']:
            check(t['us'] < 2 or not seen_before(t),
                  '%s: %.2f us' % (t['what'], t['us']))
    for g in results.get('herd', ()):
        check(g['answered'] == g['requests'] and g['token_requests'] == 1,
              'herd: %d of %d answered, %d token requests' % (
                  g['answered'], g['requests'], g['token_requests']))
        check(g['max'] < g['slow'] + 1.5,
              'herd: a request took %.2f s' % g['max'])
    if 'refresh' in results:
        failed = results['refresh']['with']['failed']
        check(failed == 0, 'refresh: %d requests failed' % failed)
    if 'memory' in results:
        worker = results['memory']['worker']
        more = worker['ours']['private'] - worker['bare']['private']
        check(more <= 4096, 'worker: %d kB more, at most 4096' % more)
        after = results['memory']['many']['after_reload']
        check(after == 0, 'reload: %d token requests' % after)
    many_verdict(results.get('many', {}), check)
    for name, seen in results.get('survival', {}).items():
        ours, bare = seen['ours'], seen['bare']
        check(ours['refused'] <= bare['refused'],
              '%s: %d refused' % (name, ours['refused']))
        # a killed worker takes along what it had open, and no more
        lost = survival_module.CONNECTIONS * ours['events'] \
            if 'killed' in name else bare['errors']
        check(ours['errors'] <= lost, '%s: %d connection errors' % (
            name, ours['errors']))

    print('\n'.join('NOT MET: ' + b for b in bad)
          or 'all limits are met')
    return 1 if bad else 0


def many_verdict(got, check):
    if 'churn' in got:
        check(got['churn']['wrong'] == got['churn']['killed'] == 0,
              'churn: %s' % got['churn'])
    for c in got.get('cold', {}).get('rounds', ()):
        check(c['good'] == got['cold']['callers'] and c['cold'] == '200'
              and c['cold_seconds'] <= 2.1, 'cold: %s' % c)
    if 'dead' in got:
        check(max(got['dead']['seconds']) <= 0.2, 'black hole: %s'
              % got['dead']['seconds'])
    if 'in_turn' in got:
        seen = got['in_turn']['private']
        check(got['in_turn']['good'] == got['in_turn']['count']
              and seen[-1] - seen[1] < 1024, 'in turn: %s' % seen)
    if 'at_rest' in got:
        rest = got['at_rest']
        check(rest['errors'] == 0, 'at rest: %d lines' % rest['errors'])
        check(rest['ratio'][0] <= 1.1, 'at rest: p99 %.2f times'
              % rest['ratio'][0])
        check(rest['private'][1] - rest['private'][0] <= 20 * 1024,
              'at rest: private %s kB' % rest['private'])
        check(rest['tested'][0] <= 0.4, 'nginx -t: %.2f s'
              % rest['tested'][0])
    if 'repaired' in got:
        check(max(got['repaired']) <= 2.5, 'repaired: %s' % got['repaired'])
