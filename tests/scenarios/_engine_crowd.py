#!/usr/bin/env python3
"""Goal of this test: a crowd of clients, many of whom leave in the middle, cannot harm haechi-engine.

Answers that are heard to the end equal those given alone (greedy): streams, whole answers, answers kept to a schema,
embeddings. Three agencies of two weights crowd, a fourth asks now and then. Refusals say how many come first and when
to come back. Nobody hears nothing for a minute. Afterwards nothing runs, waits or holds pages, connections and files
are as many as before, and memory has not grown since a tenth of the time had passed.
Usage: _engine_crowd.py ENGINE MODEL [SECONDS] [CLIENTS]
"""
import asyncio, http.client, json, os, random, re, shutil, signal, socket, subprocess, sys, tempfile, time

ENGINE, MODEL = sys.argv[1:3]
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 12
CLIENTS = int(sys.argv[4]) if len(sys.argv) > 4 else 100
PARALLEL, QUEUE = 16, 60  # fewer than the clients: some are refused
SILENCE = 60              # seconds without a byte: stuck
GROWTH = 8 << 10          # KiB of memory that may come in nine tenths of the time

folder = tempfile.mkdtemp()
path = folder + '/engine.sock'
server = subprocess.Popen([ENGINE, 'serve', '--model', MODEL, '--listen', 'unix:' + path, '--parallel', str(PARALLEL),
                           '--queue', str(QUEUE), '--context', '512', '--weight', 'crowd1=3'], stderr=open(folder + '/log', 'w'))


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SILENCE)
        self.sock.connect(path)


def ask(method, target, body=None):
    connection = Unix('engine')
    connection.request(method, target, body, {'Content-Type': 'application/json'})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def metrics():
    return {name: float(value) for name, value in
            re.findall(r'^haechi_engine_(\w+) (\S+)$', ask('GET', '/metrics')[1], re.M)}


def memory():
    return int(re.search(r'VmRSS:\s+(\d+)', open('/proc/%d/status' % server.pid).read())[1])


def files():
    return len(os.listdir('/proc/%d/fd' % server.pid))


# ---- what is asked: the same questions alone and in the crowd ---------------------------------------------------------

SCHEMA = {'type': 'json_schema', 'json_schema': {'name': 'verdict', 'schema': {
    'type': 'object', 'properties': {'high': {'type': 'boolean'}, 'domain': {'enum': ['energy', 'education']}},
    'required': ['high', 'domain'], 'additionalProperties': False}}}
LONG = '기관의 이용 사례를 하나씩 살펴봅니다. ' * 8


def question(number):
    """A target and a body without `stream`."""
    text = '해치는 무엇입니까? %d' % number
    if number % 10 == 8:
        return '/v1/embeddings', {'input': [text, LONG]}
    body = {'messages': [{'role': 'user', 'content': (LONG if number % 3 == 0 else '') + text}],
            'temperature': 0, 'max_tokens': 20 + number % 5 * 20}
    if number % 10 == 9:
        body['response_format'] = SCHEMA
    elif number % 10 == 7:
        body['n'] = 2
    return '/v1/chat/completions', body


def meaning(answer):
    """What two whole answers to one question share."""
    if answer['object'] == 'list':
        return [item['embedding'] for item in answer['data']]
    return [choice['message']['content'] for choice in answer['choices']]


QUESTIONS = [question(i) for i in range(30)]


# ---- one client ---------------------------------------------------------------------------------------------------------

class Gone(Exception):
    """The client has left of its own will."""


class Tally:
    heard = left = refused = 0
    wrong, stuck, hasty = [], [], []
    longest = 0.0


async def read_head(reader):
    head = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), SILENCE)
    fields = dict(line.lower().split(': ', 1) for line in head.decode().split('\r\n')[1:] if ': ' in line)
    return int(head[9:12]), fields


async def read_events(reader, rng, leave):
    """The text of each choice of a stream."""
    texts, count, patience, slow = {}, 0, rng.randrange(1, 40), rng.random() < 0.05
    while True:
        size = int(await asyncio.wait_for(reader.readline(), SILENCE), 16)
        chunk = (await asyncio.wait_for(reader.readexactly(size + 2), SILENCE))[:-2]
        if size == 0:
            return None  # without [DONE]
        for line in chunk.split(b'\n'):
            if line == b'data: [DONE]':
                return [texts[i] for i in sorted(texts)]
            if not line.startswith(b'data: '):
                continue
            for choice in json.loads(line[6:])['choices']:
                texts[choice['index']] = texts.get(choice['index'], '') + (choice['delta'].get('content') or '')
        count += 1
        if leave and count >= patience:
            raise Gone
        if slow:
            await asyncio.sleep(0.02)


async def exchange(rng, number, alone, agency):
    target, body = QUESTIONS[number]
    leave = rng.random() < 0.4
    stream = target.startswith('/v1/chat') and rng.random() < 0.85
    data = json.dumps({**body, 'stream': stream} if stream else body).encode()
    data = ('POST %s HTTP/1.1\r\nHost: engine\r\nX-Haechi-Agency: %s\r\nContent-Type: application/json\r\n'
            'Content-Length: %d\r\n\r\n' % (target, agency, len(data))).encode() + data
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 22)
    begin = time.monotonic()
    try:
        if leave and rng.random() < 0.1:  # in the middle of the question
            writer.write(data[:rng.randrange(len(data))])
            await asyncio.sleep(rng.random() * 0.02)
            raise Gone
        writer.write(data)
        if leave and rng.random() < 0.3:  # before anything of an answer
            await asyncio.sleep(rng.random() * 0.05)
            raise Gone
        status, fields = await read_head(reader)
        if status == 429:
            error = json.loads(await asyncio.wait_for(reader.readexactly(int(fields['content-length'])), SILENCE))
            if not 1 <= error['error']['queue_position'] <= 2 * QUEUE + PARALLEL or not 1 <= int(fields['retry-after']) <= 600:
                Tally.hasty.append(error)
            Tally.refused += 1
            await asyncio.sleep(rng.random() * 0.2)
            return
        if stream:
            got = await read_events(reader, rng, leave)
        else:
            if leave:
                raise Gone
            got = meaning(json.loads(
                await asyncio.wait_for(reader.readexactly(int(fields['content-length'])), SILENCE)))
        if status != 200 or got != alone[number]:
            Tally.wrong.append((number, status, got, alone[number]))
        Tally.heard += 1
        Tally.longest = max(Tally.longest, time.monotonic() - begin)
    finally:
        writer.close()


async def client(seed, alone, stop):
    rng = random.Random(seed)
    while time.monotonic() < stop and not Tally.stuck and len(Tally.wrong) < 10:
        number = rng.randrange(len(QUESTIONS))
        try:
            await exchange(rng, number, alone, 'quiet' if seed == 0 else 'crowd%d' % (seed % 3))
        except Gone:
            Tally.left += 1
        except asyncio.TimeoutError:
            Tally.stuck.append(number)
        except Exception as error:  # a connection that broke, a body that is no JSON
            Tally.wrong.append((number, repr(error)))


async def watch(samples, stop):
    while time.monotonic() < stop:
        samples.append((memory(), files()))
        await asyncio.sleep(SECONDS / 100)


async def crowd(alone, samples):
    stop = time.monotonic() + SECONDS
    await asyncio.gather(watch(samples, stop), *(client(seed, alone, stop) for seed in range(CLIENTS)))


# ---- the whole ----------------------------------------------------------------------------------------------------------

def main():
    while server.poll() is None:  # a socket is there before the model
        if os.path.exists(path) and ask('GET', '/healthz')[0] == 200:
            break
        time.sleep(0.02)
    alone = [meaning(json.loads(ask('POST', target, json.dumps(body))[1])) for target, body in QUESTIONS]
    before, samples = metrics(), []
    files_before = files()
    asyncio.run(crowd(alone, samples))
    for _ in range(300):
        after = metrics()
        if after['active'] == after['waiting'] == after['cache_pages_used'] == 0 and after['connections'] == 1:
            break
        time.sleep(0.1)
    again = [meaning(json.loads(ask('POST', target, json.dumps(body))[1])) for target, body in QUESTIONS]
    for _ in range(100):
        if files() <= files_before:  # the last connection may still be closing
            break
        time.sleep(0.05)
    settled, memory_end, files_end = samples[len(samples) // 10][0], memory(), files()
    server.send_signal(signal.SIGTERM)
    status = server.wait(20)
    figures = {
        'seconds': SECONDS, 'clients': CLIENTS, 'requests': Tally.heard + Tally.left + Tally.refused,
        'heard': Tally.heard, 'left': Tally.left, 'refused': Tally.refused, 'mismatches': len(Tally.wrong),
        'stuck': len(Tally.stuck), 'dishonest_refusals': len(Tally.hasty),
        'longest_seconds': round(Tally.longest, 2),
        'tokens': int(after['completion_tokens_total'] - before['completion_tokens_total']),
        'interrupted': int(after['interrupted_total']),
        'cancelled': int(after['cancelled_total'] - before['cancelled_total']),
        'memory_kib': [settled] + [samples[len(samples) * i // 4][0] for i in (1, 2, 3)] + [memory_end],
        'files': [files_before, files_end], 'cache_pages': int(after['cache_pages']),
        'cache_pages_used': int(after['cache_pages_used']), 'active': int(after['active']),
        'waiting': int(after['waiting']), 'connections': int(after['connections']) - 1,
        'alone_again_equal': again == alone, 'exit': status}
    print(json.dumps(figures))
    for problem in (Tally.wrong + Tally.hasty)[:3]:
        print(str(problem)[:2000])
    good = (Tally.heard > 0 and Tally.left > 0 and again == alone and status == 0 and
            not (Tally.wrong or Tally.stuck or Tally.hasty) and memory_end < settled + GROWTH and
            after['interrupted_total'] < Tally.heard + Tally.left and files_end <= files_before and after['active'] == after['waiting'] == after['cache_pages_used'] == 0 and
            after['connections'] == 1)
    return 0 if good else 1


try:
    result = main()
finally:
    if server.poll() is None:
        server.kill()
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(result)
