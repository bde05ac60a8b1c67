"""Every request that came in, for whoever wants to look."""

import collections


class Recorder:
    KEEP = 50000

    def __init__(self):
        self.requests = collections.deque(maxlen=self.KEEP)
        self.counters = collections.Counter()
        self.next = 1

    def add(self, request):
        record = request.record()
        record['n'] = self.next
        self.next += 1
        self.requests.append(record)
        self.counters['requests'] += 1
        self.counters[request.endpoint] += 1
        if request.client_id:
            self.counters['%s client_id=%s' % (request.endpoint,
                                               request.client_id)] += 1
        return record

    def done(self, record, response, rule):
        record['status'] = response.status if response else None
        if rule is not None:
            record['fault'] = rule['id']

    def clear(self):
        self.requests.clear()
        self.counters.clear()

    def find(self, query):
        """Filters: at, client_id, host, method, path, since, last, status."""
        found = []
        for r in self.requests:
            at = query.get('at')
            if at and r['endpoint'] != at \
                    and not r['endpoint'].startswith(at + '.'):
                continue
            if any(k in query and str(r[k]) != query[k]
                   for k in ('client_id', 'method', 'host', 'listener')):
                continue
            if 'path' in query and not r['path'].startswith(query['path']):
                continue
            if 'since' in query and r['n'] <= int(query['since']):
                continue
            if 'status' in query and str(r.get('status')) != query['status']:
                continue
            found.append(r)
        if 'last' in query:
            found = found[-int(query['last']):]
        return found
