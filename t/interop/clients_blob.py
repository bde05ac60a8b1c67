"""azure-storage-blob, which the gateway serves.  Prints TAP lines.

    clients_blob.py make ACCOUNT_URL KEY    the container, past the gateway
    clients_blob.py use GATEWAY_URL         blobs of any kind, through it
    clients_blob.py refused GATEWAY_URL STATUS
"""

import os
import sys

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient


class Nothing:
    """The gateway brings the token."""

    def get_token(self, *scopes, **kwargs):
        return AccessToken('the-clients-own', 4102444800)


def ok(good, name):
    print('%s - azure-storage-blob: %s' % ('ok' if good else 'not ok', name))


def status(call):
    try:
        call()
    except HttpResponseError as e:
        return e.status_code
    return None


def make(url, key):
    service = BlobServiceClient(url, credential=key)
    service.create_container('azureml-blobstore')
    service.create_container('secret')
    service.get_blob_client('secret', 'blob').upload_blob(b'not for you')
    ok(True, 'containers, with the key of the account')


def use(url):
    service = BlobServiceClient(url, credential=Nothing(),
                                max_block_size=1 << 20,
                                max_single_put_size=1 << 20,
                                max_chunk_get_size=1 << 20,
                                max_single_get_size=1 << 20)
    container = service.get_container_client('azureml-blobstore')
    container.upload_blob('small.txt', b'weights')
    ok(container.download_blob('small.txt').readall() == b'weights',
       'a blob goes up and comes down')
    data = os.urandom(5 << 20)
    container.upload_blob('models/a b/large.bin', data)
    ok(container.download_blob('models/a b/large.bin').readall() == data,
       'one in blocks, with a blank in its name')
    container.upload_blob('models/caf\u00e9+1.txt', b'x', overwrite=True)
    ok(container.download_blob('models/caf\u00e9+1.txt').readall() == b'x',
       'one whose name needs encoding')
    names = sorted(b.name for b in container.list_blobs(results_per_page=2))
    ok(names == ['models/a b/large.bin', 'models/caf\u00e9+1.txt',
                 'small.txt'], 'the list, over two pages: %s' % names)
    ok(container.get_blob_client('small.txt').get_blob_properties().size == 7,
       'properties')
    ok(status(lambda: container.upload_blob('50%2Fx', b'x')) == 400,
       'none whose name could be read in two ways')
    ok(status(lambda: container.delete_blob('small.txt')) == 403,
       'nothing is deleted')
    ok(status(lambda: service.get_container_client('secret')
              .download_blob('blob')) == 404, 'no other container')
    ok(status(lambda: service.create_container('new')) == 405,
       'no new container')
    copy = container.get_blob_client('copy')
    ok(status(lambda: copy.start_copy_from_url(
        'https://mlstore.blob.core.windows.net/secret/blob')) is not None
       and not copy.exists(), 'none through a copy')


def refused(url, want):
    container = BlobServiceClient(url, credential=Nothing()) \
        .get_container_client('azureml-blobstore')
    got = status(lambda: container.download_blob('small.txt'))
    ok(got == int(want), 'refused with %s' % got)


if __name__ == '__main__':
    {'make': make, 'use': use, 'refused': refused}[sys.argv[1]](*sys.argv[2:])
