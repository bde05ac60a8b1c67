"""CPU time of the worker per request: ours, and other ways to do the same.

The gateway's worker has one core, load generator and upstream the other.
Every variant is an nginx of its own that differs in the location alone; the
variants are measured in turns, so that what disturbs the machine disturbs
them all.
"""

import random

from .world import GATEWAY_CPU, OTHER_CPU, UPSTREAM, Scratch, burst, get, \
    spread, wait_for

GATEWAY_APP = 'a9a9a9a9-a9a9-4a9a-8a9a-a9a9a9a9a9a9'

FRESH = 10                      # turns until all processes are new ones

NAMES = {
    'none': 'no Authorization header',
    'literal': '`proxy_set_header Authorization` with a literal',
    'ours': '**nginx-entra**',
    'lua': 'Lua: `access_by_lua`, shared dict',
    'njs': 'njs: `js_set` variable',
    'auth_request': '`auth_request` to a local token server',
    'policies': 'nginx-entra, 4 policies, 10,000 ranges',
    'anonymous': 'nginx-entra, a caller\'s token that nobody looks at',
    'callers': 'nginx-entra, the caller\'s token validated, seen before',
}

COMMON = '''
    upstream service { server 127.0.0.1:%d; keepalive 64; }
    %s
    server {
        listen 127.0.0.1:PORT;
        proxy_http_version 1.1;
        %s
        location / {
            %s
            proxy_set_header Connection "";
            proxy_pass http://service;
        }
    }
'''

OURS = '''entra_auth scoring;
            proxy_set_header Authorization $entra_authorization;'''

POLICIES = '''
    entra_named_location office { file %s; }
    entra_policy office   { locations any except office; block; }
    entra_policy scoring  { operations "GET,POST /score/*"; grant; }
    entra_policy deploy   { operations "PUT,DELETE /*"; block; }
    entra_policy hours    { time mon-sun 00:00-24:00; operations any;
                            grant; }
'''

CALLERS = '''
    entra_caller_token { tenant_id %s; audience %s;
                         authority_host %s; }
    entra_caller app { token appid=%s; }
    entra_policy callers { callers app; grant; }
'''


def variants(scratch, emulator, upstream, tokens):
    token = emulator.token()
    trusted = emulator.trusted()
    credential = emulator.credential()

    ranges = ['127.0.0.0/8']
    chosen = random.Random(1)
    while len(ranges) < 10000:
        ranges.append('%d.%d.%d.0/24' % (chosen.randrange(128, 223),
                                         chosen.randrange(256),
                                         chosen.randrange(256)))
    office = scratch.write('office.cidr', '\n'.join(ranges) + '\n')

    script = scratch.write('token.js', '''
var token = 'Bearer %s';
function get(r) { return token; }
export default {get};
''' % token)

    return {
        'none': dict(name=NAMES['none']),
        'literal': dict(
            name=NAMES['literal'],
            location='proxy_set_header Authorization "Bearer %s";' % token),
        'ours': dict(
            name=NAMES['ours'], http=trusted + credential,
            location=OURS),
        'lua': dict(
            name=NAMES['lua'],
            load=['ndk_http_module.so', 'ngx_http_lua_module.so'],
            http='''lua_shared_dict tokens 1m;
    init_by_lua_block { ngx.shared.tokens:set("t", "Bearer %s") }''' % token,
            location='''access_by_lua_block {
                ngx.req.set_header("Authorization",
                                   ngx.shared.tokens:get("t")) }'''),
        'njs': dict(
            name=NAMES['njs'], load=['ngx_http_js_module.so'],
            http='js_import token from %s; js_set $njs_token token.get;'
                 % script,
            location='proxy_set_header Authorization $njs_token;'),
        'auth_request': dict(
            name=NAMES['auth_request'],
            http='upstream tokens { server 127.0.0.1:%d; keepalive 64; }'
                 % tokens,
            server='''location = /token {
            internal;
            proxy_pass http://tokens;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
        }''',
            location='''auth_request /token;
            auth_request_set $fetched $upstream_http_x_token;
            proxy_set_header Authorization $fetched;'''),
        'policies': dict(
            name=NAMES['policies'],
            http=trusted + POLICIES % office + emulator.credential(
                more='policies office scoring deploy hours;'),
            location=OURS),
        'anonymous': dict(
            name=NAMES['anonymous'],
            http=trusted + credential, location=OURS, caller=True),
        'callers': dict(
            name=NAMES['callers'],
            http=trusted + CALLERS % (
                emulator.tenant_id, GATEWAY_APP, emulator.authority_host,
                emulator.client_id) + emulator.credential(
                    more='policies callers;'),
            location=OURS, caller=True),
    }


def token_server(scratch, emulator):
    return scratch.nginx('''
    server {
        listen 127.0.0.1:PORT;
        location / { add_header X-Token "Bearer %s"; return 204; }
    }''' % emulator.token(), cpu=OTHER_CPU, entra=False)


def caller_token(emulator):
    return emulator.call('mint', {
        'client_id': emulator.client_id,
        'claims': {'aud': GATEWAY_APP}})['token']


def configure(scratch, port, variant):
    return scratch.configure(
        COMMON % (port, variant.get('http', ''), variant.get('server', ''),
                  variant.get('location', '')),
        cpu=GATEWAY_CPU, load=variant.get('load', ()),
        entra='entra_' in variant.get('http', ''))


def measure(rounds=150, only=None, say=print):
    with Scratch() as scratch:
        emulator = scratch.emulator()
        upstream = scratch.nginx(UPSTREAM, cpu=OTHER_CPU, entra=False)
        tokens = token_server(scratch, emulator)
        every = variants(scratch, emulator, upstream.port, tokens.port)
        if only:
            every = {k: v for k, v in every.items() if k in only}

        caller = caller_token(emulator)
        for key, variant in list(every.items()):
            variant['headers'] = \
                ['Authorization: Bearer ' + caller] \
                if variant.get('caller') else []
            try:
                variant['nginx'] = configure(scratch, upstream.port, variant)
                restart(variant)
            except (RuntimeError, TimeoutError) as e:
                say('  %s left out: %s' % (key, e))
                del every[key]
                continue
            variant['us'] = []

        for n in range(rounds):
            if n % FRESH == 0:
                for variant in every.values():
                    restart(variant)
            keys = list(every)
            random.shuffle(keys)
            for key in keys:
                every[key]['us'].append(one(every[key]))
            if n % 25 == 0:
                say('  turn %d of %d' % (n, rounds))

        return summary(every)


def restart(variant):
    """Which pages a process gets is luck, worth a percent or two."""
    nginx = variant['nginx']
    nginx.stop()
    nginx.start()
    headers = dict(h.split(': ') for h in variant['headers'])
    wait_for(lambda: answers(nginx, headers), 10)
    one(variant)                                # warms up
    one(variant)


def answers(nginx, headers):
    try:
        return get(nginx.url('/score/x'), headers) == b'ok\n'
    except OSError:
        return False


def one(variant, requests=4000):
    nginx = variant['nginx']
    before = nginx.cpu_seconds()
    burst(nginx.url('/score/x'), requests, headers=variant['headers'])
    return (nginx.cpu_seconds() - before) / requests * 1e6


def summary(every):
    result = {}
    for key, variant in every.items():
        median, low, high = spread(variant['us'])
        result[key] = {'name': variant['name'], 'us': median, 'low': low,
                       'high': high, 'rounds': len(variant['us'])}
        # pairs of one round: what disturbed it disturbed both
        base = every.get('literal')
        if base:
            ratios = [a / b for a, b in zip(variant['us'], base['us'])]
            result[key]['ratio'], result[key]['ratio_low'], \
                result[key]['ratio_high'] = spread(ratios)
    for key, base in (('policies', 'ours'), ('callers', 'anonymous')):
        if key in every and base in every:
            differences = [a - b for a, b in zip(every[key]['us'],
                                                 every[base]['us'])]
            result[key]['added'], result[key]['added_low'], \
                result[key]['added_high'] = spread(differences)
    return result
