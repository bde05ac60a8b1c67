"""MLClient of azure-ai-ml, which the gateway serves.  Prints TAP lines.

    clients_mlclient.py DIR [writing]       DIR holds a config.json
    clients_mlclient.py found PATH=NAME ... what from_config finds from there
"""

import sys

from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError


class Nothing:
    """The gateway brings the token."""

    def get_token(self, *scopes, **kwargs):
        return AccessToken('the-clients-own', 4102444800)


def ok(good, name):
    """On a line of its own: MLClient prints dots while it waits."""
    print('\n%s - MLClient: %s' % ('ok' if good else 'not ok', name))


def refused(name, call):
    try:
        call()
    except HttpResponseError as e:
        ok(e.status_code == 403, '%s: %s' % (name, e.status_code))
    else:
        ok(False, '%s: is not refused' % name)


def reading(client):
    workspace = client.workspaces.get(client.workspace_name)
    ok(workspace.name == 'ws' and workspace.location == 'westeurope',
       'the workspace')
    names = sorted(e.name for e in client.online_endpoints.list())
    ok(names == ['churn', 'fraud', 'keyed', 'tokened'],
       'its endpoints, over two pages: %s' % names)
    endpoint = client.online_endpoints.get('fraud')
    ok(endpoint.auth_mode == 'aad_token', 'one of them: %s'
       % endpoint.auth_mode)
    ok([e.name for e in client.batch_endpoints.list()] == ['nightly'],
       'batch endpoints')
    refused('keys of an endpoint',
            lambda: client.online_endpoints.get_keys('keyed'))
    refused('another workspace', lambda: MLClient(
        Nothing(), client.subscription_id, client.resource_group_name,
        'other').online_endpoints.get('fraud'))


def writing(client):
    """An endpoint is made and deleted: states of operations are polled."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint
    made = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name='fresh', auth_mode='aad_token')).result()
    ok(made.name == 'fresh', 'an endpoint is made')
    client.online_endpoints.begin_delete('fresh').result()
    ok('fresh' not in [e.name for e in client.online_endpoints.list()],
       'and deleted')


def found(pairs):
    for pair in pairs:
        path, _, name = pair.partition('=')
        got = MLClient.from_config(Nothing(), path=path).workspace_name
        ok(got == name, 'from_config finds what entra_workspace does: %s'
           % (got if got == name else '%s, not %s' % (got, name)))


if __name__ == '__main__':
    if sys.argv[1] == 'found':
        sys.exit(found(sys.argv[2:]))
    ml_client = MLClient.from_config(Nothing(), path=sys.argv[1])
    ok(ml_client.workspace_name == 'ws', 'from_config')
    (writing if 'writing' in sys.argv else reading)(ml_client)
