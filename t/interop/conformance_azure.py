#!/usr/bin/python3
"""azure-identity for Python: makes acquisitions, one per line of stdin."""

import json
import logging
import os
import sys
import time

from azure.core.credentials import AccessToken
from azure import identity

OURS = ('AZURE_', 'IDENTITY_', 'MSI_', 'IMDS_', 'DEFAULT_IDENTITY_')


class Fallback:
    def get_token(self, *scopes, **kwargs):
        return AccessToken('FALLBACK', int(time.time()) + 3599)


def versions():
    import azure.identity._version as v
    import msal
    return {'azure-identity': v.VERSION, 'msal': msal.__version__}


def create(kind, a):
    common = {}
    if 'authority' in a:
        common['authority'] = a['authority']
    if kind in ('secret', 'certificate', 'environment', 'default', 'behalf'):
        # the name of the option until and since 1.13.0b4
        common['instance_discovery'] = False
        common['disable_instance_discovery'] = True
    if not a.get('retry'):
        common.update(retry_total=0, retry_status=0)
    if kind == 'secret':
        return identity.ClientSecretCredential(
            a['tenant_id'], a['client_id'], a['secret'], **common)
    if kind == 'certificate':
        if a.get('password'):
            common['password'] = a['password']
        return identity.CertificateCredential(
            a['tenant_id'], a['client_id'], a['path'],
            send_certificate_chain=bool(a.get('chain')), **common)
    if kind == 'environment':
        return identity.EnvironmentCredential(**common)
    if kind in ('managed', 'workload'):
        if a.get('client_id'):
            common['client_id'] = a['client_id']
        if a.get('config'):
            common['identity_config'] = a['config']
        return identity.ManagedIdentityCredential(**common)
    if kind == 'behalf':
        return identity.OnBehalfOfCredential(
            a['tenant_id'], a['client_id'], client_secret=a['secret'],
            user_assertion=a['assertion'], **common)
    if kind == 'az':
        return identity.AzureCliCredential(
            tenant_id=a.get('tenant_id', ''))
    if kind == 'powershell':
        return identity.AzurePowerShellCredential()
    if kind == 'default':
        return identity.DefaultAzureCredential(
            exclude_shared_token_cache_credential=True, **common)
    raise ValueError('no ' + kind)


def acquire(job):
    for name in list(os.environ):
        if name.startswith(OURS):
            del os.environ[name]
    os.environ.update(job['env'])
    credential = create(job['kind'], job['args'])
    if job.get('chain'):
        credential = identity.ChainedTokenCredential(credential, Fallback())
    token = credential.get_token(job['scope'])
    return {'token': token.token,
            'expires_in': int(token.expires_on - time.time())}


def main():
    logging.disable(logging.CRITICAL)
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    print(json.dumps(versions()), file=out, flush=True)
    for line in sys.stdin:
        try:
            answer = acquire(json.loads(line))
        except Exception as e:                      # whatever it raises
            answer = {'error': '%s: %s' % (type(e).__name__, e)}
        print(json.dumps(answer), file=out, flush=True)


main()
