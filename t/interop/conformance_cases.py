"""What is compared, and which differences are meant.

A case of WIRE is one acquisition by each client: what they send is compared.
A case of VERDICT is a set of answers to one kind of request: what each client
makes of them is, in a chain with a credential that always has a token.
"""

import json

TENANT = '11111111-1111-4111-8111-111111111111'
CLIENT = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
USER = 'f1000000-0000-4000-8000-000000000001'
OBJECT = 'f1000000-0000-4000-8000-000000000002'
IDENTITY = ('/subscriptions/99999999-9999-4999-8999-999999999999'
            '/resourceGroups/rg/providers/Microsoft.ManagedIdentity'
            '/userAssignedIdentities/gateway')
SECRET = 'a~secret.with_odd-chars+/=&% and a space'
ML = 'https://ml.azure.com/.default'
ARM_SLASH = 'https://management.azure.com//.default'

BOTH = ('python', 'node')

# What docs/developers/conformance.md names: python3-azure and python3-msal of
# Debian 12; @azure/identity of npm, which brings its MSAL.  A newer one that
# was looked at goes in here.
COMPARED = {
    'python': (('azure-identity', '1.13.0b2'), ('msal', '1.21.0')),
    'node': (('@azure/identity', '4.14.1'), ('@azure/msal-node', '7.2.3')),
}
NODE = ('node',)

# answers that are tokens

ENTRA_GOOD = json.dumps({
    'token_type': 'Bearer', 'expires_in': 3599, 'ext_expires_in': 3599,
    'access_token': 'TOKEN'})
LOCAL_GOOD = json.dumps({
    'access_token': 'TOKEN', 'refresh_token': '', 'expires_in': '3600',
    'expires_on': '@IN-AN-HOUR@', 'not_before': '1', 'token_type': 'Bearer',
    'resource': 'https://ml.azure.com', 'client_id': USER,
    'object_id': OBJECT, 'msi_res_id': IDENTITY})
AZ_GOOD = json.dumps({
    'accessToken': 'TOKEN', 'expiresOn': '@LOCAL-IN-AN-HOUR@',
    'expires_on': '@NUMBER-IN-AN-HOUR@', 'subscription': 's', 'tenant': 't',
    'tokenType': 'Bearer'})
AZD_GOOD = json.dumps({'token': 'TOKEN', 'expiresOn': '@ISO-IN-AN-HOUR@'})

# the environment of each source of managed identities; %s: its listener

SOURCES = {
    'imds': {'AZURE_POD_IDENTITY_AUTHORITY_HOST': '%(plain)s'},
    'app-service': {'IDENTITY_ENDPOINT': '%(plain)s/app/msi/token',
                    'IDENTITY_HEADER': 'header-secret'},
    'azure-ml': {'MSI_ENDPOINT': '%(plain)s/aml/msi/token',
                 'MSI_SECRET': 'msi-secret'},
    'cloud-shell': {'MSI_ENDPOINT': '%(plain)s/cloudshell/oauth2/token'},
    'arc': {'IDENTITY_ENDPOINT':
            '%(plain)s/arc/metadata/identity/oauth2/token',
            'IMDS_ENDPOINT': '%(plain)s'},
    'service-fabric': {'IDENTITY_ENDPOINT':
                       '%(tls)s/sf/metadata/identity/oauth2/token',
                       'IDENTITY_HEADER': 'header-secret',
                       'IDENTITY_SERVER_THUMBPRINT': '%(sha1)s'},
}

RESOURCE_PARAMETER = {'imds': 'msi_res_id', 'arc': 'msi_res_id',
                      'app-service': 'mi_res_id', 'azure-ml': 'mi_res_id',
                      'cloud-shell': 'mi_res_id',
                      'service-fabric': 'mi_res_id'}


def case(name, kind, type_, block, args=None, env=None, scope=ML,
         clients=BOTH, reply=ENTRA_GOOD, tool=None):
    return {'name': name, 'kind': kind, 'type': type_, 'block': block,
            'args': args or {}, 'env': env or {}, 'scope': scope,
            'clients': clients, 'reply': reply, 'tool': tool}


def application(name, kind, type_, block, args=None, **more):
    given = {'tenant_id': TENANT, 'client_id': CLIENT, 'authority': '%(tls)s'}
    given.update(args or {})
    return case(name, kind, type_,
                'authority_host %%(tls)s; tenant_id %s; client_id %s; %s'
                % (TENANT, CLIENT, block), given, **more)


def managed(source, selector=None):
    args, block = {}, ''
    if selector == 'client_id':
        args = {'client_id': USER}
        block = 'client_id %s;' % USER
    elif selector == 'object_id':
        args = {'object_id': OBJECT, 'config': {'object_id': OBJECT}}
        block = 'object_id %s;' % OBJECT
    elif selector == 'resource_id':
        args = {'resource_id': IDENTITY,
                'config': {RESOURCE_PARAMETER[source]: IDENTITY}}
        block = 'resource_id %s;' % IDENTITY
    return case('managed_identity %s%s' % (source, selector and
                                           ' ' + selector or ''),
                'managed', 'managed_identity', block, args, SOURCES[source],
                reply=LOCAL_GOOD)


ENVIRONMENT = {'AZURE_TENANT_ID': TENANT, 'AZURE_CLIENT_ID': CLIENT,
               'AZURE_AUTHORITY_HOST': '%(tls)s'}
POD = dict(ENVIRONMENT, AZURE_FEDERATED_TOKEN_FILE='%(dir)s/federated')

WIRE = [
    application('client_secret', 'secret', 'client_secret',
                'client_secret_file %(dir)s/secret;', {'secret': SECRET}),
    application('client_secret double slash', 'secret', 'client_secret',
                'client_secret_file %(dir)s/secret;', {'secret': SECRET},
                scope=ARM_SLASH),
    application('client_certificate', 'certificate', 'client_certificate',
                'client_certificate %(dir)s/app.pem;',
                {'path': '%(dir)s/app.pem'}),
    application('client_certificate chain', 'certificate',
                'client_certificate', 'client_certificate %(dir)s/app.pem;'
                ' send_certificate_chain on;',
                {'path': '%(dir)s/app.pem', 'chain': True}),
    application('client_certificate pkcs12', 'certificate',
                'client_certificate', 'client_certificate %(dir)s/app.p12;'
                ' client_certificate_password_file %(dir)s/password;',
                {'path': '%(dir)s/app.p12', 'password': 'pw'},
                clients=('python',)),
    application('on_behalf_of', 'behalf', 'on_behalf_of',
                'client_secret_file %(dir)s/secret;',
                {'secret': SECRET, 'assertion': '%(caller)s'}),
    case('environment secret', 'environment', 'environment', '', {},
         dict(ENVIRONMENT, AZURE_CLIENT_SECRET=SECRET)),
    case('environment certificate', 'environment', 'environment', '', {},
         dict(ENVIRONMENT,
              AZURE_CLIENT_CERTIFICATE_PATH='%(dir)s/app.pem')),
    case('workload_identity', 'workload', 'workload_identity', '', {}, POD),
    case('managed_identity token exchange', 'managed', 'managed_identity',
         '', {'client_id': CLIENT}, POD),
    case('managed_identity azure-ml default identity', 'managed',
         'managed_identity', '', {},
         dict(SOURCES['azure-ml'], DEFAULT_IDENTITY_CLIENT_ID=USER),
         reply=LOCAL_GOOD),
    case('default environment', 'default', 'default', '', {},
         dict(ENVIRONMENT, AZURE_CLIENT_SECRET=SECRET)),
    case('default workload', 'default', 'default', '', {}, POD),
    case('default managed', 'default', 'default', '', {},
         dict(SOURCES['app-service'], AZURE_CLIENT_ID=USER),
         reply=LOCAL_GOOD),
    case('azure_cli', 'az', 'azure_cli', 'executable %(bin)s/az;',
         reply=AZ_GOOD, tool='az'),
    case('azure_cli tenant', 'az', 'azure_cli',
         'executable %%(bin)s/az; tenant_id %s;' % TENANT,
         {'tenant_id': TENANT}, reply=AZ_GOOD, tool='az'),
    case('azure_developer_cli', 'azd', 'azure_developer_cli',
         'executable %(bin)s/azd;', reply=AZD_GOOD, tool='azd',
         clients=NODE),
    case('azure_developer_cli tenant', 'azd', 'azure_developer_cli',
         'executable %%(bin)s/azd; tenant_id %s;' % TENANT,
         {'tenant_id': TENANT}, reply=AZD_GOOD, tool='azd', clients=NODE),
] + [managed(source, selector)
     for source in sorted(SOURCES)
     for selector in (None, 'client_id', 'object_id', 'resource_id')]


# answers, and what is made of them

def answer(status, body='', **headers):
    return {'status': status, 'body': body, 'headers': headers}


def tell(**members):
    return answer(200, json.dumps(members))


def aadsts(status, error, *numbers, **more):
    return answer(status, json.dumps(dict({
        'error': error, 'error_codes': numbers,
        'error_description': 'AADSTS%d: Something. Trace ID: x\r\n'
        % numbers[0], 'correlation_id': 'c', 'trace_id': 't'}, **more)))


CLAIMS = json.dumps({'access_token': {'capolids': {
    'essential': True, 'values': ['f2000000-0000-4000-8000-000000000001']}}})


ENTRA_REPLIES = {
    'a token': answer(200, ENTRA_GOOD),
    'numbers as strings': tell(token_type='Bearer', expires_in='3599',
                               access_token='TOKEN'),
    'expires_on beside': tell(token_type='Bearer', expires_in='3599',
                              expires_on='@IN-AN-HOUR@',
                              access_token='TOKEN'),
    'unknown members': tell(token_type='Bearer', expires_in=3599,
                            access_token='TOKEN', more={'a': [1]}),
    'no access_token': tell(token_type='Bearer', expires_in=3599),
    'no expiry': tell(token_type='Bearer', access_token='TOKEN'),
    'another type': tell(token_type='pop', expires_in=3599,
                         access_token='TOKEN'),
    'already expired': tell(token_type='Bearer', expires_in=0,
                            access_token='TOKEN'),
    'line feed in the token': tell(token_type='Bearer', expires_in=3599,
                                   access_token='TO\nKEN'),
    'html': answer(200, '<html>', **{'Content-Type': 'text/html'}),
    'nothing': answer(200, ''),
    'an array': answer(200, '[]'),
    'half of it': answer(200, ENTRA_GOOD[:40]),
    'wrong secret': aadsts(401, 'invalid_client', 7000215),
    'unknown tenant': aadsts(400, 'invalid_request', 90002),
    'unauthorized client': aadsts(400, 'unauthorized_client', 700016),
    'conditional access': aadsts(400, 'invalid_grant', 53003, claims=CLAIMS,
                                 suberror='message_only'),
    'conditional access, of old': aadsts(400, 'access_denied', 53003),
    'no service principal': aadsts(401, 'invalid_client', 7000229),
    'another cloud': aadsts(401, 'invalid_client', 700023),
    'several codes': aadsts(401, 'invalid_client', 70002, 7000215),
    'no consent': aadsts(400, 'invalid_grant', 65001,
                         suberror='consent_required'),
    'no assignment': aadsts(400, 'invalid_grant', 501051),
    'a loop': aadsts(400, 'invalid_grant', 50196),
    'Graph is down': aadsts(400, 'invalid_grant', 90091),
    'throttled': answer(429, '{}', **{'Retry-After': '60'}),
    'server error': answer(500, '{"error":"server_error"}'),
    'html 502': answer(502, '<html>', **{'Content-Type': 'text/html'}),
    'redirect': answer(302, '', Location='https://localhost:1/'),
    'no answer': {'close': True},
}

LOCAL_REPLIES = {
    'a token': answer(200, LOCAL_GOOD),
    'expires_on only': tell(access_token='TOKEN', token_type='Bearer',
                            expires_on='@IN-AN-HOUR@', client_id=USER,
                            resource='https://ml.azure.com'),
    'numbers': answer(200, LOCAL_GOOD.replace('"3600"', '3600')),
    'a cached token': answer(200, LOCAL_GOOD.replace('"3600"', '"86400"')),
    'no token_type': tell(access_token='TOKEN', expires_in='3600',
                          expires_on='@IN-AN-HOUR@',
                          resource='https://ml.azure.com'),
    'no access_token': tell(expires_in='3600', token_type='Bearer',
                            expires_on='@IN-AN-HOUR@', resource='r'),
    'no expiry': tell(access_token='TOKEN', token_type='Bearer',
                      resource='https://ml.azure.com'),
    'html': answer(200, '<html>', **{'Content-Type': 'text/html'}),
    'nothing': answer(200, ''),
    'not found': answer(400, json.dumps({
        'error': 'invalid_request',
        'error_description': 'Identity not found'})),
    'unauthorized': answer(401, '{"statusCode":401,"message":"no"}'),
    'forbidden': answer(403, '{"error":"forbidden"}'),
    'unreachable': answer(403, 'connecting to 169.254.169.254:80: connecting'
                          ' to 169.254.169.254:80: dial tcp'
                          ' 169.254.169.254:80: connectex: A socket operation'
                          ' was attempted to an unreachable network.'),
    'not there yet': answer(404, '{}'),
    'throttled': answer(429, '{}'),
    'server error': answer(500, '{"statusCode":500,"message":"no"}'),
    'no answer': {'close': True},
}

DATE_REPLY = {'a date': tell(access_token='TOKEN', token_type='Bearer',
                             expires_on='@DATE@',
                             resource='https://ml.azure.com')}

AZ_REPLIES = {
    'a token': {'out': AZ_GOOD},
    'local time only': {'out': json.dumps({
        'accessToken': 'TOKEN', 'expiresOn': '@LOCAL-IN-AN-HOUR@',
        'tokenType': 'Bearer'})},
    'not logged in': {'rc': 1, 'err': "ERROR: Please run 'az login' to setup"
                      ' account.'},
    'login expired': {'rc': 1, 'err': 'ERROR: AADSTS700082: The refresh token'
                      ' has expired due to inactivity. To re-authenticate,'
                      ' please run:\naz login'},
    'no subscription': {'rc': 1, 'err': 'ERROR: No subscription found. Run'
                        " 'az account set' to select a subscription."},
    'something else': {'rc': 1, 'err': 'ERROR: it broke'},
    'command not found': {'rc': 127, 'err': 'sh: az: not found'},
    'garbage': {'out': 'hello'},
    'nothing': {'out': ''},
}


def verdict(name, case_, replies, clients=BOTH, but=()):
    return {'name': name, 'case': case_, 'clients': clients,
            'replies': {k: v for k, v in replies.items() if k not in but}}


def wire(name):
    return [c for c in WIRE if c['name'] == name][0]


VERDICT = [
    verdict('client_secret', wire('client_secret'), ENTRA_REPLIES),
    verdict('workload_identity', wire('workload_identity'),
            {k: ENTRA_REPLIES[k] for k in ('a token', 'wrong secret', 'html',
                                           'server error', 'no answer')}),
] + [verdict('managed_identity ' + source,
             wire('managed_identity ' + source),
             dict(LOCAL_REPLIES, **(DATE_REPLY if source == 'azure-ml'
                                    else {})))
     for source in sorted(SOURCES)] + [
    verdict('azure_cli', wire('azure_cli'), AZ_REPLIES),
]


# Differences that are meant: case, client, what, why.  Names may have
# wildcards.  One that is no longer seen fails the test, too.

CAPABLE = ('it declares that it can answer claims challenges (cp1) in every '
           'request; the gateway does in the one that answers a challenge, '
           'because a token that was obtained with cp1 lives for a day and '
           'obliges to answer each (the later libraries: on request only)')
INFO = 'for its cache of user accounts; an application has none'
PS256 = ('RS256 with a SHA-1 thumbprint is its old default; PS256 with '
         'SHA-256 is what Microsoft documents and the later MSALs send')
SELECTOR = ('it sends a parameter that the source does not know, and gets '
            'the token of another identity; the gateway refuses the '
            'configuration')
OLD_ARC = ('it knows system-assigned identities on Arc only; the gateway '
           'does as the later MSALs: it sends the selector, and refuses an '
           'answer that does not name the identity')
LENIENT = ('the gateway takes no token whose type, life or characters it '
           'cannot put into a header and refresh ahead of its end')
AUTOMATION = ('Azure Automation has the variables of App Service and insists '
              'on it (MSAL for Python); App Service does not look at it')
NOT_IMDS = ('not JSON: something stands in the place of the metadata service '
            '(a portal, a proxy); the later libraries go on, too')
JS_CHAIN = ('there, a chain goes on after nearly every failure; here, as in '
            'Python, Go and .NET, after what is unavailable, and stops at '
            'what is refused: it would hide a wrong secret')
JS_LOCAL = ('its managed identity credential calls every failure '
            'unavailable; here, as in Python and Go, an endpoint that the '
            'environment names and that fails ends the walk')

DIFFERENCES = [
    ('client_secret*', 'python', 'body.claims', CAPABLE),
    ('client_certificate*', 'python', 'body.claims', CAPABLE),
    ('environment*', 'python', 'body.claims', CAPABLE),
    ('default environment', 'python', 'body.claims', CAPABLE),
    ('client_secret*', 'python', 'body.client_info', INFO),
    ('client_certificate*', 'python', 'body.client_info', INFO),
    ('environment*', 'python', 'body.client_info', INFO),
    ('default environment', 'python', 'body.client_info', INFO),

    ('on_behalf_of', '*', 'body.client_info', INFO),
    ('on_behalf_of', '*', 'body.scope *',
     'for an ID token and a refresh token; the gateway needs neither: it '
     'exchanges the caller\'s token anew'),
    ('on_behalf_of', 'python', 'body.claims', CAPABLE),

    ('*certificate*', 'python', 'assertion.header.alg', PS256),
    ('*certificate*', 'python', 'assertion.header.x5t', PS256),
    ('*certificate*', 'python', 'assertion.header.x5t#S256', PS256),
    ('*certificate*', 'python', 'assertion.claim.nbf',
     'optional; Microsoft\'s documents have it'),
    ('*certificate*', 'python', 'assertion.life',
     'cannot be told without nbf; both are 10 minutes'),

    ('managed_identity app-service*', '*', 'header.metadata', AUTOMATION),
    ('default managed', '*', 'header.metadata', AUTOMATION),
    ('managed_identity azure-ml default identity', 'python',
     'query.clientid', 'a compute cluster with several identities names its '
     'default one in DEFAULT_IDENTITY_CLIENT_ID (MSAL for JavaScript, .NET '
     'and Go)'),
    ('managed_identity azure-ml*', 'node', 'header.metadata',
     'not needed there (MSAL for Python and Go do not send it)'),
    ('managed_identity imds*', 'node', 'path',
     'a slash at the end, when AZURE_POD_IDENTITY_AUTHORITY_HOST is set; '
     'the documented path has none'),
    ('managed_identity arc*', 'python', '*.query.api-version',
     'the version of its time; the later libraries send this one'),
    ('managed_identity arc *', 'python', '*.request', OLD_ARC),
    ('managed_identity arc *', 'python', 'outcome', OLD_ARC),
    ('managed_identity azure-ml *_id', 'python', 'request', SELECTOR),
    ('managed_identity azure-ml *_id', 'python', 'outcome', SELECTOR),
    ('managed_identity cloud-shell *_id', 'python', 'request', SELECTOR),
    ('managed_identity cloud-shell *_id', 'python', 'outcome', SELECTOR),
    ('managed_identity service-fabric *_id', 'python', 'request', SELECTOR),
    ('managed_identity service-fabric *_id', 'python', 'outcome', SELECTOR),

    ('verdict client_secret: another type', 'python',
     'verdict token, ours error', LENIENT),
    ('verdict client_secret: already expired', '*',
     'verdict token, ours error', LENIENT),
    ('verdict client_secret: line feed in the token', '*',
     'verdict token, ours error', LENIENT),
    ('verdict client_secret: no expiry', 'node',
     'verdict token, ours error', LENIENT),
    ('verdict managed_identity *: no expiry', 'node',
     'verdict token, ours error', LENIENT),
    ('verdict managed_identity azure-ml: a date', 'node', 'life',
     'it does not read this form of expires_on, which Azure Identity for '
     'Python documents, and asks again each time'),

    ('verdict client_secret: *', 'node',
     'verdict unavailable, ours error', JS_CHAIN),
    ('verdict workload_identity: *', 'node',
     'verdict unavailable, ours error', JS_CHAIN),
    ('verdict managed_identity *', 'node',
     'verdict unavailable, ours error', JS_LOCAL),

    ('verdict managed_identity imds: html', 'python',
     'verdict error, ours unavailable', NOT_IMDS),
    ('verdict managed_identity imds: nothing', 'python',
     'verdict error, ours unavailable', NOT_IMDS),
    ('verdict managed_identity imds: unreachable', 'python',
     'verdict error, ours unavailable',
     'Docker Desktop answers so where there is no metadata service; the '
     'later libraries go on, too'),
    ('verdict managed_identity imds: no answer', 'python',
     'verdict error, ours unavailable',
     'no metadata service; the later libraries go on, too'),

    ('verdict azure_cli: login expired', '*',
     'verdict unavailable, ours error',
     'somebody was signed in and is refused now: as in the later library '
     'for Python and in Go, an AADSTS number ends the walk (inside `default` '
     'it does not)'),
    ('verdict azure_cli: something else', 'node',
     'verdict unavailable, ours error', JS_CHAIN),
    ('verdict azure_cli: garbage', 'node',
     'verdict unavailable, ours error', JS_CHAIN),
    ('verdict azure_cli: nothing', 'node',
     'verdict unavailable, ours error', JS_CHAIN),
]
