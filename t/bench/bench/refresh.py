"""A refresh each second under load, beside the same load without one."""

from .world import OTHER_CPU, UPSTREAM, Load, Scratch, get, wait_for

GATEWAY = '''
    %s %s
    upstream service { server 127.0.0.1:%d; keepalive 64; }
    server {
        listen 127.0.0.1:PORT;
        proxy_http_version 1.1;
        location / {
            entra_auth scoring;
            proxy_set_header Connection "";
            proxy_set_header Authorization $entra_authorization;
            proxy_pass http://service/checked;
        }
    }
'''


def gateway_of(scratch, emulator, upstream, settings):
    emulator.call('settings', settings)
    gateway = scratch.nginx(GATEWAY % (
        emulator.trusted(), emulator.credential(), upstream.port), workers=2)
    wait_for(lambda: answers(gateway), 10)
    return gateway


def answers(gateway):
    try:
        return get(gateway.url()) == b'ok\n'
    except OSError:
        return False


def measure(seconds=60, slices=6, say=print):
    with Scratch() as scratch:
        # each with an identity provider of its own, which counts
        emulators = {key: scratch.emulator(cpu=OTHER_CPU)
                     for key in ('without', 'with')}
        upstream = scratch.nginx(UPSTREAM, entra=False)
        gateways = {
            'without': gateway_of(scratch, emulators['without'], upstream,
                                  {'expires_in': 3599, 'refresh_in': None}),
            'with': gateway_of(scratch, emulators['with'], upstream,
                               {'expires_in': 20, 'refresh_in': 1}),
        }
        result = {key: {'requests': 0, 'failed': 0, 'p50': [], 'p99': [],
                        'token_requests': 0} for key in gateways}

        # in turns, so that the machine's moods are shared
        for _ in range(slices):
            for key, gateway in gateways.items():
                before = emulators[key].token_requests()
                load = Load(gateway.url(), seconds // slices, connections=32,
                            cpu=None).wait()
                got = result[key]
                got['token_requests'] += emulators[key].token_requests() \
                    - before
                got['requests'] += load.requests
                got['failed'] += load.refused + load.errors
                got['p50'].append(load.p50)
                got['p99'].append(load.p99)
                say('  %s refresh: p99 %.2f ms, %d failed' % (
                    key, load.p99, load.refused + load.errors))
        result['seconds'] = seconds // slices * slices
        return result
