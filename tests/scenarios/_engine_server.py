#!/usr/bin/env python3
"""haechi-engine is stopped, refused what it needs, and leant on; what its clients and its operator see is looked at.

Usage: _engine_server.py ENGINE MODEL
"""
import json, os, re, resource, shutil, signal, socket, subprocess, sys, tempfile, threading, time

ENGINE, MODEL = sys.argv[1:3]
folder = tempfile.mkdtemp()
bad = 0


def check(what, good, seen=''):
    global bad
    bad += not good
    print('ok   ' if good else 'FAIL ', what, '' if good else repr(seen)[:600])


class Engine:
    def __init__(self, *options, model=MODEL, files=None):
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        self.process = subprocess.Popen([ENGINE, 'serve', '--model', model, '--listen', 'tcp:127.0.0.1:0', *options],
                                        stderr=subprocess.PIPE, preexec_fn=limit)
        self.log = ''
        while 'event=listening' not in self.log:
            line = self.process.stderr.readline().decode()
            assert line, self.log
            self.log += line
        self.port = int(re.search(r'event=listening address=tcp:127.0.0.1:(\d+)', self.log)[1])
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.log += line.decode()

    def connect(self):
        connection = socket.create_connection(('127.0.0.1', self.port))
        connection.settimeout(30)
        return connection

    def send(self, text):
        connection = self.connect()
        try:
            connection.sendall(text)
        except OSError:
            pass
        return connection

    def ask(self, **more):
        body = json.dumps({'prompt': '고영향', 'max_tokens': 500, 'ignore_eos': True} | more).encode()
        return self.send(b'POST /v1/completions HTTP/1.1\r\nHost: e\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)

    def metric(self, name):
        text = everything(self.send(b'GET /metrics HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n'))
        return float(re.search(r'^haechi_engine_%s (\S+)$' % name, text, re.M)[1])

    def until(self, name, value):
        end = time.monotonic() + 20
        while self.metric(name) != value and time.monotonic() < end:
            time.sleep(0.01)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.reader.join()
        return code


def everything(connection):
    text = b''
    try:
        while piece := connection.recv(65536):
            text += piece
    except OSError as error:
        text += b'<%s>' % type(error).__name__.encode()
    return text.decode('utf-8', 'replace')


GET = b'GET /healthz HTTP/1.1\r\nHost: e\r\n'

# ---- the end ----------------------------------------------------------------------------------------------------------
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    engine = Engine()
    stream, whole, idle = engine.ask(stream=True), engine.ask(), engine.connect()
    stream.recv(1)
    engine.until('active', 2)
    code = engine.end(number)
    told = everything(stream), everything(whole)
    check(f'{number.name}: answers on their way are finished', code == 0 and '[DONE]' in told[0] and '"usage"' in told[1], (code, told))
    check(f'{number.name}: who only waited is let go', everything(idle) == '')

# Answers that would take an hour are told of the end, at the second signal at once.
engine = Engine('--parallel', '1')
stream = engine.ask(stream=True, n=16)
waiting = engine.ask(n=16)
stream.recv(1)
engine.until('waiting', 31)
engine.process.send_signal(signal.SIGTERM)
started = time.monotonic()
time.sleep(0.05)
code = engine.end()
told = everything(stream), everything(waiting)
check('a second signal ends at once', code == 0 and time.monotonic() - started < 5, (code, time.monotonic() - started))
check('what is not finished is told so', ('[DONE]' in told[0] or '"unavailable"' in told[0]) and
      ('HTTP/1.1 503' in told[1] and '"unavailable"' in told[1] or '"usage"' in told[1]), told)

# ---- heads and bodies ---------------------------------------------------------------------------------------------------
engine = Engine()
for what, text, status in [
    ('a line without CR is refused at once', b'GET /healthz HTTP/1.1\nHost: e\n', 400),
    ('HTTP/1.1 without Host', b'GET /healthz HTTP/1.1\r\n\r\n', 400),
    ('a chunked body', b'POST /v1/completions HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 501),
    ('a length that is too large', b'POST /v1/completions HTTP/1.1\r\nHost: e\r\nContent-Length: 99999999\r\n\r\n', 413),
    ('a large head', GET + b'X: ' + b'a' * 20000 + b'\r\n\r\n', 431),
    ('another method', b'DELETE /v1/models HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n', 405),
    ('close among other options', GET + b'Connection: foo, Close\r\n\r\n', 200),
]:
    started = time.monotonic()
    told = everything(engine.send(text))
    check(what, told.startswith(f'HTTP/1.1 {status} ') and time.monotonic() - started < 5, told)
told = everything(engine.send(b'POST /v1/completions HTTP/1.1\r\nHost: e\r\nContent-Length: 40000000\r\n\r\n' + b' ' * 40000000))
check('a body that is too large is told so, though it was sent', told.startswith('HTTP/1.1 413 ') and '32 MiB' in told, told)

# ---- many -----------------------------------------------------------------------------------------------------------------
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
idle = [engine.connect() for _ in range(1400)]
started = time.monotonic()
told = everything(engine.ask(max_tokens=2))
check('who asks nothing makes room for who asks', '"usage"' in told and time.monotonic() - started < 10, told)
check('and connections stay bounded', engine.metric('connections') <= 1024)
for connection in idle:
    connection.close()
engine.until('connections', 1)
check('all are let go', engine.metric('connections') == 1)
check('an end in peace', engine.end() == 0)

engine = Engine(files=40)
idle = [engine.connect() for _ in range(80)]


def burnt():
    return sum(map(int, open(f'/proc/{engine.process.pid}/stat').read().rsplit(')', 1)[1].split()[11:13]))


time.sleep(0.3)
before = burnt()
time.sleep(1)
check('out of files, it waits and does not spin', burnt() - before < 20, burnt() - before)
for connection in idle:
    connection.close()
check('and goes on when there are some', '"usage"' in everything(engine.ask(max_tokens=2)))
engine.end()

# ---- confinement: what the kernel says of the process -------------------------------------------------------------------
nobody = {'user': 'nobody', 'group': 'nogroup', 'extra_groups': []} if os.geteuid() == 0 else {}
os.chmod(folder, 0o777)
shutil.copy(MODEL, folder + '/m.gguf')
os.chmod(folder + '/m.gguf', 0o644)
process = subprocess.Popen([os.path.abspath(ENGINE), 'serve', '--model', folder + '/m.gguf', '--listen', f'unix:{folder}/socket', '--require-confinement'],
                           stderr=subprocess.PIPE, env={'HOME': '/root', 'PATH': '/bin'}, cwd='/', **nobody)
log = ''
while 'event=confined' not in log:
    line = process.stderr.readline().decode()
    assert line, log
    log += line
tasks = [open(f'/proc/{process.pid}/task/{task}/status').read() for task in os.listdir(f'/proc/{process.pid}/task')]
check('all threads: a filter for calls, no new privileges, no rights', all(
    re.search(r'Seccomp:\s+2', task) and re.search(r'NoNewPrivs:\s+1', task) and re.search(r'CapEff:\s+0+\n', task) for task in tasks), tasks)
check('no core', re.search(r'core file size\s+0\s+0', open(f'/proc/{process.pid}/limits').read()))
if subprocess.run(['unshare', '-Un', 'true'], stderr=subprocess.DEVNULL, **nobody).returncode == 0:
    devices = open(f'/proc/{process.pid}/net/dev').read()
    check('no network but a loopback that is down', 'no_network=1' in log and re.findall(r'^ *(\S+):', devices, re.M) == ['lo'], (log, devices))
else:
    print('skip  a network of its own: this kernel gives none to users')
process.terminate()
check('and it ends', process.wait(20) == 0)

# ---- what the operator sees ---------------------------------------------------------------------------------------------
def refused(*options):
    done = subprocess.run([ENGINE, *options], capture_output=True, timeout=20)
    return done.returncode, done.stderr.decode()


for what, options, words in [
    ('a port that does not exist', ('serve', '--model', MODEL, '--listen', 'tcp:127.0.0.1:65536'), '0-65535'),
    ('a command that does not exist', ('dance',), 'dance'),
    ('a page instead of a model', ('inspect', folder + '/page.gguf'), 'a web page'),
    ('a model cut short', ('inspect', folder + '/half.gguf'), 'cut short'),
]:
    open(folder + '/page.gguf', 'w').write('<!DOCTYPE html><p>404')
    open(folder + '/half.gguf', 'wb').write(open(MODEL, 'rb').read()[:-1000])
    code, said = refused(*options)
    check(what, code == 2 and words in said and re.search('[가-힣]', said), (code, said))
for command in ('inspect ' + MODEL, f'logits --model {MODEL} --tokens 1', f'tokenize --model {MODEL} --text a'):
    code = subprocess.run(f'{ENGINE} {command} >/dev/full', shell=True, stderr=subprocess.DEVNULL).returncode
    check('what could not be written was not answered: ' + command.split()[0], code == 2, code)
shutil.copy(MODEL, folder + '/model.gguf')
engine = Engine(model=folder + '/model.gguf')
os.truncate(folder + '/model.gguf', 1000)
everything(engine.ask(max_tokens=4))
code = engine.end()
check('weights cut short under it: it says so, if it reads them', code == 0 or 'cut short' in engine.log, (code, engine.log))
shutil.rmtree(folder)
sys.exit(1 if bad else 0)
