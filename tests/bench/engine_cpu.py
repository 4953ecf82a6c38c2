"""haechi-engine beside llama.cpp; see engine_cpu.sh, which calls this. Each figure is the best of ROUNDS interleaved runs: what
disturbs a run only ever makes it slower."""
import http.client, json, os, random, signal, socket, statistics, subprocess, sys, tempfile, threading, time

engine, llama, models, form, *parts = sys.argv[1:]
parts = parts or ['alone', 'server', 'busy', 'tiny', 'load']
rounds, threads = int(os.environ.get('ROUNDS', 3)), int(os.environ.get('THREADS', len(os.sched_getaffinity(0))))
rows, tops = [], {}

def row(what, ours, theirs, unit, goal, less=False):
    ratio = (theirs / ours if less else ours / theirs) if ours and theirs else 0
    rows.append({'what': what, 'unit': unit, 'haechi': round(ours, 3), 'llama_cpp': round(theirs, 3), 'ratio': round(ratio, 3), 'goal': goal})
    if form == 'table':
        good = '' if goal is None else '  목표 (goal) %.2f%s' % (goal, '' if ratio >= goal else '  못 미침 (missed)')
        print('%-42s %10.2f %10.2f %-9s %6.2fx%s' % (what, ours, theirs, unit, ratio, good), flush=True)

def fact(what, value, unit, limit, at_most):
    rows.append({'what': what, 'unit': unit, 'haechi': round(value, 3), 'limit': limit})
    if form == 'table':
        good = value <= limit if at_most else value >= limit
        print('%-42s %10.2f %10s %-9s         목표 (goal) %s %.2f%s' % (what, value, '', unit, '<=' if at_most else '>=', limit, '' if good else '  못 미침 (missed)'), flush=True)

def run(command):
    """Its output, seconds, and peak memory in MiB."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        out.seek(0)
        text = out.read().decode('utf-8', 'replace')
    if child.returncode != 0:
        sys.exit('%s: ended with %d' % (' '.join(command), child.returncode))
    return text, seconds, usage.ru_maxrss / 1024

def ours(model, prompt, length, *more):
    return json.loads(run([engine, 'bench', '--model', model, '-p', str(prompt), '-n', str(length), '-r', '1', '--json', *more])[0])

def theirs(model, prompt, length):
    text = run([llama + '/llama-bench', '-m', model, '-t', str(threads), '-p', str(prompt), '-n', str(length), '-r', '1', '-o', 'json'])[0]
    return max(x['avg_ts'] for x in json.loads(text))

def alone():
    for kind, decode, prefill in (('q8_0', 1.4, 2.5), ('q4_k_m', 1.4, 2.5), ('f16', 1.0, 1.2)):
        model, got, share = '%s/b-%s.gguf' % (models, kind), ([], [], [], []), []
        for _ in range(rounds):
            answer = ours(model, 512, 64, '--threads', str(threads), '--memory')
            one = answer['runs'][0]
            got[0].append(one['answer_tokens_per_second']); got[2].append(one['prompt_tokens_per_second'])
            share.append(one['memory_share'])
            got[1].append(theirs(model, 0, 64)); got[3].append(theirs(model, 512, 0))
        row('%s 답 (decode), %d threads' % (kind, threads), max(got[0]), max(got[1]), 'tok/s', decode)
        row('%s 프롬프트 (prefill) 512' % kind, max(got[2]), max(got[3]), 'tok/s', prefill)
        if kind != 'f16': fact('%s 메모리 대역폭 몫 (share of bandwidth)' % kind, max(share), '', 0.80, False)

# ---- servers -----------------------------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

class Server:
    def __init__(self, command, port):
        self.port, self.child = port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        for _ in range(600):
            if self.child.poll() is not None: sys.exit('%s: ended' % ' '.join(command))
            try:
                connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10); connection.request('GET', '/v1/models')
                self.name = json.loads(connection.getresponse().read())['data'][0]['id']; connection.request('GET', '/health')
                if command[0] == engine or connection.getresponse().status == 200: return
            except (OSError, KeyError, ValueError, http.client.HTTPException): pass
            time.sleep(0.1)
        sys.exit('%s: does not answer' % ' '.join(command))
    def close(self):
        self.child.send_signal(signal.SIGTERM)
        try: self.child.wait(20)
        except subprocess.TimeoutExpired: self.child.kill(); self.child.wait()

def crowd(server, many, seed, length=32):
    """`many` answers at once: tokens a second of all together, mean seconds to the first event."""
    rng, firsts, failed = random.Random(seed), [], []
    prompts = [' '.join(rng.choice(('agency', 'citizen', 'document', 'law', 'review', 'record', 'safety', 'water', 'energy')) for _ in range(48)) for _ in range(many)]
    def ask(prompt):
        try:
            connection, start = http.client.HTTPConnection('127.0.0.1', server.port, timeout=600), time.monotonic()
            connection.request('POST', '/v1/completions', json.dumps({'model': server.name, 'prompt': prompt, 'max_tokens': length, 'temperature': 0,
                               'stream': True, 'ignore_eos': True}), {'Content-Type': 'application/json'})
            answer, first = connection.getresponse(), None
            for line in answer:
                if line.startswith(b'data:') and first is None: first = time.monotonic() - start
            if answer.status != 200 or first is None: failed.append(answer.status)
            else: firsts.append(first)
        except OSError as error: failed.append(error)
    workers, start = [threading.Thread(target=ask, args=(p,)) for p in prompts], time.monotonic()
    for w in workers: w.start()
    for w in workers: w.join()
    if failed: sys.exit('%d of %d requests failed: %s' % (len(failed), many, failed[0]))
    return many * length / (time.monotonic() - start), statistics.mean(firsts)

def servers(kind, many):
    model, a, b = '%s/b-%s.gguf' % (models, kind), free_port(), free_port()
    return (Server([engine, 'serve', '--model', model, '--listen', 'tcp:127.0.0.1:%d' % a, '--threads', str(threads), '--parallel', str(many), '--context', '512'], a),
            Server([llama + '/llama-server', '-m', model, '--host', '127.0.0.1', '--port', str(b), '-t', str(threads), '-np', str(many), '-c', str(512 * many)], b))

def parallel(kind, many, goal, what, times):
    mine, other = servers(kind, many); got = ([], [], [], [])
    try:
        for side in (mine, other): crowd(side, 2, 7, 4)
        for r in range(times):
            for i, side in enumerate((mine, other)):
                rate, first = crowd(side, many, 100 * r + many); got[i].append(rate); got[2 + i].append(first)
    finally: mine.close(); other.close()
    row('%s %s' % (kind, what), max(got[0]), max(got[1]), 'tok/s', goal)
    row('%s %s, 첫 토큰 (first)' % (kind, what), min(got[2]), min(got[3]), 's', 1.0, less=True)

def server():
    for kind in ('q8_0', 'q4_k_m'):
        for many in (8, 16): parallel(kind, many, 2.0, '%d개 동시 (parallel)' % many, rounds)

def busy():
    others = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(threads)]
    try: parallel('q8_0', 8, 3.0, '8개 동시 + 바쁜 이웃 (busy)', min(rounds, 2))
    finally:
        for o in others: o.kill(); o.wait()

def tiny():
    model = os.environ.get('STORIES', '')
    if not os.path.exists(model): print('SKIP stories260K: not there', file=sys.stderr); return
    got = ([], [])
    for _ in range(rounds): got[0].append(ours(model, 8, 256)['runs'][0]['answer_tokens_per_second']); got[1].append(theirs(model, 0, 256))
    row('stories260K 답 (decode)', max(got[0]), max(got[1]), 'tok/s', 10.0)

def load():
    for kind in ('q8_0', 'q4_k_m', 'f16'):
        model, got = '%s/b-%s.gguf' % (models, kind), ([], [])
        for _ in range(rounds):
            got[0].append(run([engine, 'logits', '--model', model, '--tokens', '1', '--top', '1'])[1])
            got[1].append(run([llama + '/llama-simple', '-m', model, '-n', '1', 'a'])[1])
        row('%s 올려 첫 토큰까지 (load to first token)' % kind, min(got[0]), min(got[1]), 's', 1 / 1.5, less=True)
    for kind in ('q8_0', 'q4_k_m', 'f16'):
        model = '%s/b-%s.gguf' % (models, kind); text, _, peak = run([engine, 'bench', '--model', model, '-p', '512', '-n', '32', '-r', '1', '--json'])
        answer = json.loads(text); over = peak - (answer['weight_bytes'] + answer['cache_bytes']) / 2 ** 20
        other = run([llama + '/llama-bench', '-m', model, '-t', str(threads), '-p', '512', '-n', '32', '-r', '1', '-o', 'json'])[2]
        row('%s 가장 많이 쓴 메모리 (peak memory)' % kind, peak, other, 'MiB', None, less=True)
        fact('%s 가중치와 캐시 말고 (beside weights, cache)' % kind, over, 'MiB', 150, True)

if form == 'table': print('%-42s %10s %10s' % ('', 'haechi', 'llama.cpp'))
for part in parts: {'alone': alone, 'server': server, 'busy': busy, 'tiny': tiny, 'load': load}[part]()
if form != 'table': print(json.dumps({'threads': threads, 'rounds': rounds, 'rows': rows}, ensure_ascii=False))
