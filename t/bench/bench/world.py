"""What a measurement needs: nginx, the emulator, load, clocks."""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '../../..'))
BUILD = os.environ.get('ENTRA_BUILD') or os.path.join(TOP, 'build')
BINARY = shutil.which(os.environ.get('TEST_NGINX_BINARY')
                      or 'nginx') or '/usr/sbin/nginx'
MODULE = os.environ.get('ENTRA_MODULE') or os.path.join(
    BUILD, 'ngx_http_entra_module.so')
MODULES = '/usr/lib/nginx/modules'

GATEWAY_CPU, OTHER_CPU = 0, 1


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def on_cpu(number):
    """For preexec_fn: this process and its children on one core."""
    def pin():
        if number is not None and os.cpu_count() > 1:
            os.sched_setaffinity(0, {number})
    return pin


def wait_for(what, seconds=20, every=0.02):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = what()
        if result:
            return result
        time.sleep(every)
    raise TimeoutError('waited %d s for nothing' % seconds)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def cpu_seconds(pid):
    """CPU time of another process, to the nanosecond (CPUCLOCK_SCHED)."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def children(pid):
    try:
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def title(pid):
    try:
        with open('/proc/%d/cmdline' % pid) as f:
            return f.read()
    except OSError:
        return ''


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def get(url, headers=None, timeout=10):
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read()


class Scratch:
    """A directory and everything started in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='entra-bench-')
        os.chmod(self.dir, 0o755)
        self.things = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def configure(self, http, **options):
        nginx = Nginx(self, http, **options)
        self.things.append(nginx)
        return nginx

    def nginx(self, http, **options):
        return self.configure(http, **options).start()

    def emulator(self, **options):
        emulator = Emulator(self, **options)
        self.things.append(emulator)
        return emulator

    def close(self):
        for thing in reversed(self.things):
            thing.stop()
        subprocess.run(['rm', '-rf', self.dir], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Nginx:
    count = 0

    def __init__(self, scratch, http, port=None, workers=1, cpu=None,
                 load=(), entra=True, connections=8192, log='error'):
        Nginx.count += 1
        self.dir = scratch.path('nginx%d' % Nginx.count)
        os.mkdir(self.dir)
        self.port = port or free_port()
        self.cpu = cpu
        modules = ['load_module %s/%s;' % (MODULES, m) for m in load]
        if entra and MODULE:
            modules.append('load_module %s;' % MODULE)
        user = 'user root;' if os.geteuid() == 0 else ''
        temp = ''.join(
            '%s_temp_path %s/%s;' % (n, self.dir, n) for n in
            ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        self.conf = os.path.join(self.dir, 'nginx.conf')
        with open(self.conf, 'w') as f:
            f.write('''%s
%s
worker_processes %d;
worker_rlimit_nofile 20000;
pid %s/pid;
error_log %s/error.log %s;
events { worker_connections %d; }
http {
    %s
    access_log off;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    %s
}
''' % ('\n'.join(modules), user, workers, self.dir, self.dir, log,
                connections, temp, http.replace('PORT', str(self.port))))

    def url(self, path='/'):
        return 'http://127.0.0.1:%d%s' % (self.port, path)

    def start(self):
        done = subprocess.run(
            [BINARY, '-c', self.conf, '-p', self.dir], text=True,
            preexec_fn=on_cpu(self.cpu), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError('nginx did not start:\n' + done.stdout)
        wait_for(lambda: os.path.exists(self.dir + '/pid') and self.workers()
                 and listening(self.port))
        return self

    def errors(self):
        with open(os.path.join(self.dir, 'error.log')) as f:
            return f.read()

    def master(self):
        with open(os.path.join(self.dir, 'pid')) as f:
            return int(f.read())

    def workers(self):
        return [p for p in children(self.master())
                if 'worker process' in title(p)
                and 'shutting down' not in title(p)]

    def signal(self, number):
        os.kill(self.master(), number)

    def cpu_seconds(self):
        return sum(cpu_seconds(p) for p in self.workers())

    def stop(self):
        try:
            master = self.master()
        except (OSError, ValueError):
            return
        family = children(master) + [master]
        os.kill(master, signal.SIGQUIT)
        try:
            wait_for(lambda: not any(map(alive, family)), 5)
        except TimeoutError:
            for pid in filter(alive, family):
                os.kill(pid, signal.SIGKILL)


class Emulator:
    def __init__(self, scratch, cpu=OTHER_CPU):
        self.dir = scratch.path('emulator')
        self.process = subprocess.Popen(
            [os.path.join(TOP, 't/emulator/entra-emulator'), '--state-dir',
             self.dir], stdout=subprocess.PIPE, text=True,
            preexec_fn=on_cpu(cpu), stdin=subprocess.DEVNULL)
        self.__dict__.update(json.loads(self.process.stdout.readline()))

    def call(self, path, body=None, method=None):
        request = urllib.request.Request(
            self.control + path, method=method,
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def token_requests(self):
        return self.call('counters').get('token', 0)

    def token(self):
        return self.call('mint', {'client_id': self.client_id, 'claims': {
            'aud': 'https://ml.azure.com'}, 'version': 1})['token']

    def credential(self, name='scoring', client_id=None, more=''):
        return '''
    entra_credential %s client_secret {
        authority_host      %s;
        tenant_id           %s;
        client_id           %s;
        client_secret_file  %s;
        scope               aml;
        upstreams           http://127.0.0.1;
        %s
    }
''' % (name, self.authority_host, self.tenant_id,
            client_id or self.client_id, self.client_secret_file,
            more or 'policies none;')

    def trusted(self):
        return 'entra_trusted_certificate %s;' % self.ca

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Load:
    """One run of wrk, and what it says."""

    def __init__(self, url, seconds, connections=16, threads=1, headers=(),
                 cpu=OTHER_CPU):
        command = ['wrk', '-t%d' % threads, '-c%d' % connections,
                   '-d%ds' % seconds, '--latency', '--timeout', '10s']
        for header in headers:
            command += ['-H', header]
        self.process = subprocess.Popen(
            command + [url], stdout=subprocess.PIPE, text=True,
            preexec_fn=on_cpu(cpu), stdin=subprocess.DEVNULL)

    def wait(self):
        text = self.process.communicate()[0]
        self.requests = number(r'(\d+) requests in', text)
        self.refused = number(r'Non-2xx or 3xx responses: (\d+)', text)
        errors = re.search(r'Socket errors: connect (\d+), read (\d+), '
                           r'write (\d+), timeout (\d+)', text)
        self.errors = sum(map(int, errors.groups())) if errors else 0
        self.p50, self.p99 = (milliseconds(p, text) for p in ('50', '99'))
        return self


def burst(url, requests, connections=16, headers=(), cpu=OTHER_CPU):
    """So many requests at once, all of which have to be answered 200."""
    command = ['h2load', '--h1', '-t1', '-c%d' % connections,
               '-n%d' % requests]
    for header in headers:
        command += ['-H', header]
    text = subprocess.run(
        command + [url], stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=on_cpu(cpu), stdin=subprocess.DEVNULL).stdout
    good = number(r'status codes: (\d+) 2xx', text)
    if good != requests:
        raise RuntimeError('%d of %d answered' % (good, requests))


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def milliseconds(percentile, text):
    found = re.search(r'%s%%\s+([\d.]+)(us|ms|s|m)\b' % percentile, text)
    if not found:
        return None
    factor = {'us': 0.001, 'ms': 1, 's': 1000, 'm': 60000}[found.group(2)]
    return float(found.group(1)) * factor


def spread(values):
    """Median and quartiles."""
    values = sorted(values)
    if len(values) < 4:
        return statistics.median(values), values[0], values[-1]
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, low, high


UPSTREAM = '''
    server {
        listen 127.0.0.1:PORT backlog=4096;
        location / { return 200 "ok\\n"; }
        location /checked {
            if ($http_authorization = "") { return 401; }
            return 200 "ok\\n";
        }
    }
'''
