#!/usr/bin/env python3
"""Goal of this test: a crowd of streaming clients, many of whom leave in the middle, cannot harm haechi-engine.

Answers that are heard to the end must equal those given alone (greedy); afterwards nothing runs, waits or holds pages,
and memory has not grown. Usage: _engine_crowd.py ENGINE MODEL [seconds] [clients]
"""
import http.client, json, os, random, re, signal, socket, subprocess, sys, tempfile, threading, time
engine, model = sys.argv[1:3]; seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 8; clients = int(sys.argv[4]) if len(sys.argv) > 4 else 100
folder = tempfile.mkdtemp(); path = folder + '/engine.sock'
server = subprocess.Popen([engine, 'serve', '--model', model, '--listen', 'unix:' + path, '--parallel', '16', '--queue', '200', '--context', '512'], stderr=open(folder + '/log', 'w'))
class Unix(http.client.HTTPConnection):
    def connect(self): self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(120); self.sock.connect(path)
for _ in range(300):
    if os.path.exists(path): break
    time.sleep(0.1)
def get(target): c = Unix('engine'); c.request('GET', target); return c.getresponse().read().decode()
prompts = ['해치는 무엇입니까? %d' % i for i in range(25)]
def body(i, stream): return json.dumps({'messages': [{'role': 'user', 'content': prompts[i]}], 'temperature': 0, 'max_tokens': 60, 'stream': stream}).encode()
def whole(i):
    c = Unix('engine'); c.request('POST', '/v1/chat/completions', body(i, False), {'Content-Type': 'application/json'}); return json.loads(c.getresponse().read())['choices'][0]['message']['content']
def memory(): return int(re.search(r'VmRSS:\s+(\d+)', open('/proc/%d/status' % server.pid).read())[1])
alone = [whole(i) for i in range(len(prompts))]
heard, left, wrong, refused = [0], [0], [], [0]
stop = time.time() + seconds
def client(seed):
    rng = random.Random(seed)
    while time.time() < stop:
        i = rng.randrange(len(prompts)); leave = rng.random() < 0.4
        try:
            c = Unix('engine'); c.request('POST', '/v1/chat/completions', body(i, True), {'Content-Type': 'application/json'})
            if leave and rng.random() < 0.3: time.sleep(rng.random() * 0.05); c.close(); left[0] += 1; continue
            r = c.getresponse()
            if r.status == 429: refused[0] += 1; r.read(); continue
            text, count, done = '', 0, False
            for line in r:
                if not line.startswith(b'data: '): continue
                if line.strip() == b'data: [DONE]': done = True; break
                for choice in json.loads(line[6:])['choices']: text += choice['delta'].get('content') or ''
                count += 1
                if leave and count > rng.randrange(1, 30): break
            if not done: c.close(); left[0] += 1; continue
            if text != alone[i]: wrong.append((prompts[i], text, alone[i]))
            heard[0] += 1; c.close()
        except Exception as e: wrong.append(repr(e)); return
def crowd():
    threads = [threading.Thread(target=client, args=(s,)) for s in range(clients)]
    for t in threads: t.start()
    for t in threads: t.join()
crowd(); before = memory(); stop = time.time() + seconds; crowd()
for _ in range(100):
    metrics = dict(re.findall(r'^haechi_engine_(\w+) (\S+)$', get('/metrics'), re.M))
    if float(metrics['active']) == float(metrics['waiting']) == float(metrics['cache_pages_used']) == 0: break
    time.sleep(0.1)
after = memory(); again = [whole(i) for i in range(len(prompts))]
server.send_signal(signal.SIGTERM); status = server.wait(20)
print('heard %d, left %d, refused %d, wrong %d; memory %d -> %d KiB; %s' % (heard[0], left[0], refused[0], len(wrong), before, after, {k: metrics[k] for k in ('active', 'waiting', 'cache_pages_used', 'cancelled_total')}))
for w in wrong[:3]: print(w)
good = not wrong and heard[0] > 0 and left[0] > 0 and again == alone and status == 0 and after < before + 20000 and float(metrics['active']) == float(metrics['waiting']) == float(metrics['cache_pages_used']) == 0
sys.exit(0 if good else 1)
