"""haechi-engine on a GPU; see engine_gpu.sh, which calls this."""
import csv, io, json, os, re, subprocess, sys, time
form, *parts = sys.argv[1:]
parts = parts or ['rates', 'check', 'decode', 'parallel', 'prefill', 'torch', 'variants', 'kernels']
engine, kit, python, models, size, device = (os.environ[k] for k in ('ENGINE', 'KIT', 'PYTHON', 'MODELS', 'SIZE', 'DEVICE'))
here, rows, failed = os.path.dirname(os.path.abspath(__file__)), [], 0
width, ffn, layers, heads, kv_heads, head = {'tiny': (64, 192, 2, 4, 2, 16), 'small': (256, 512, 4, 8, 4, 32), 'bench': (1024, 4096, 24, 16, 8, 64), '8b': (4096, 14336, 32, 32, 8, 128)}[size]
many, depth, length, prompt = (64, 768, 512, 2048) if size == '8b' else (3, 64, 32, 128)

def say(text): print(text, file=sys.stderr, flush=True)
def row(what, value, unit, of=None, goal=None):
    """`of`: what it is a share of; the goal is of that share, or of the value itself."""
    share = value / of if of else None; reached = None if goal is None else (value if share is None else share) >= goal
    rows.append({'what': what, 'value': round(value, 3), 'unit': unit, 'share': None if share is None else round(share, 3), 'goal': goal, 'reached': reached})
    if form == 'table': print('%-62s %12.1f %-8s %7s%s' % (what, value, unit, '' if share is None else '%.3f' % share, '' if goal is None else '  목표 (goal) %g%s' % (goal, '' if reached else '  못 미침 (missed)')), flush=True)
def run(command, **more):
    start = time.monotonic(); done = subprocess.run(command, capture_output=True, text=True, **more)
    say('  %6.1f s  %s' % (time.monotonic() - start, ' '.join(command)[:150]))
    return done
def must(command, **more):
    done = run(command, **more)
    if done.returncode: sys.exit('%s: ended with %d\n%s' % (' '.join(command), done.returncode, (done.stdout + done.stderr)[-2000:]))
    return done.stdout
def model(kind):
    path = os.path.join(models, '%s-%s.gguf' % (size, kind))
    if not os.path.exists(path):
        must([python, os.path.join(here, 'gpu/make_model.py'), os.path.join(kit, 'weights.so'), os.environ['TOOLS'], '--size', size, '--type', kind, '--vocab', os.environ['VOCABULARY'], '--ctx', '8192', '-o', path + '.part'])
        os.rename(path + '.part', path)
    return path
def bench(kind, *arguments):
    answer = json.loads(must([engine, 'bench', '--model', model(kind), '--device', device, '--json', *map(str, arguments)]))
    return answer, answer['runs'][0]
kept = os.path.join(models, 'rates.json')
def given():
    if not os.path.exists(kept): rates()
    with open(kept) as file: return json.load(file)

def rates():
    found = {'device': 'none', 'copy_bytes_per_second': 1e10, 'bf16_flops_per_second': 1e11} if device != 'cuda' else json.loads(must([os.path.join(kit, 'rates')]))
    with open(kept, 'w') as file: json.dump(found, file)
    say('  ' + json.dumps(found))
    row('%s: 복사 (copy), 읽기와 쓰기 (read and written)' % found['device'], found['copy_bytes_per_second'] * 1e-9, 'GB/s')
    row('bf16 행렬 곱 (matrix products)', found['bf16_flops_per_second'] * 1e-12, 'TFLOP/s')

def check():
    global failed
    if not os.access(os.environ['TEST'], os.X_OK): say('SKIP check: no test_cuda'); return
    done = run([os.environ['TEST']]); text = done.stdout + done.stderr
    say('\n'.join(re.findall(r'.*(?:error|differ|FAILED|ERROR|LINE).*', text)[-120:]))
    failed += done.returncode not in (0, 77)
    row('커널 대조 (kernels beside their twins), %s' % ('같음 (equal)' if done.returncode == 0 else '끝값 (exit) %d' % done.returncode), text.count('[       OK ]'), 'models')

def decode():
    copy = given()['copy_bytes_per_second']
    for kind, goal in (('bf16', 0.80), ('q8_0', 0.70), ('q4_k_m', 0.70)):
        answer, one = bench(kind, '-p', 16, '-n', 256 if size == '8b' else 32, '-r', 3)
        row('%s 답 하나 (one answer)' % kind, one['answer_tokens_per_second'], 'tok/s')
        row('  읽은 가중치 / 복사 (weights read, of the copy)', one['weight_bytes_per_second'] * 1e-9, 'GB/s', copy * 1e-9, goal)
        row('  올리는 데 (loaded in)', answer['load_seconds'], 's')
        if kind != 'bf16': os.unlink(model(kind))

def parallel():
    copy = given()['copy_bytes_per_second']
    answer, one = bench('bf16', '-p', 16, '-n', length, '-r', 1, '--parallel', many, '--depth', depth)
    context = depth + length / 2
    read = one['weight_bytes_per_second'] / (one['answer_tokens_per_second'] / many) + many * context * layers * kv_heads * head * 2 * 2
    row('bf16 답 %d개, 문맥 약 %d (parallel, context about)' % (many, context), one['answer_tokens_per_second'], 'tok/s', None, 9000)
    row('  자기 지붕선의 몫 (of its own roofline)', one['answer_tokens_per_second'], 'tok/s', many * copy / read, 0.75)

def prefill():
    answer, one = bench('bf16', '-p', prompt, '-n', 2, '-r', 4)
    each = 2 * layers * (width * head * (2 * heads + 2 * kv_heads) + 3 * width * ffn)
    row('bf16 프롬프트 (prefill) %d' % prompt, one['prompt_tokens_per_second'], 'tok/s')
    row('  행렬 곱의 몫 (of the matrix rate)', one['prompt_tokens_per_second'] * each * 1e-12, 'TFLOP/s', given()['bf16_flops_per_second'] * 1e-12, 0.50)

def torch():
    done = run([python, os.path.join(here, 'gpu/torch_decoder.py'), *([] if size == '8b' else ['small'])], timeout=420)
    if done.returncode: say('SKIP torch: ' + (done.stdout + done.stderr).strip()[-500:]); return
    found = json.loads(done.stdout.splitlines()[-1]); say('  ' + json.dumps(found))
    for name, mine in (('decode', 'bf16 답 하나 (one answer)'), ('parallel', 'bf16 답 %d개' % many), ('prefill', 'bf16 프롬프트')):
        theirs, ours = found.get(name + '_tokens_per_second'), [r['value'] for r in rows + before if r['what'].startswith(mine)]
        if theirs: row('PyTorch %s, %s' % (found['torch'], name), theirs, 'tok/s')
        if theirs and ours: row('  우리 / PyTorch (ours of theirs)', ours[0], 'tok/s', theirs, 1.0)

def variants():
    for names in ([], ['--kernels', 'recorded'], ['--kernels', 'plain']):
        one = bench('bf16', '-p', 16, '-n', 128 if size == '8b' else 16, '-r', 2, *(names if device == 'cuda' else []))[1]
        row('bf16 답 하나 (one answer) %s' % ' '.join(names), one['answer_tokens_per_second'], 'tok/s')

def kernels():
    """What each kernel took in one token, by ncu; its launches are replayed, so only shares mean anything."""
    metrics = 'gpu__time_duration.sum,dram__bytes_read.sum'
    for kind in ('bf16', 'q4_k_m'):
        try: done = run(['ncu', '--clock-control', 'none', '--csv', '--metrics', metrics, '--launch-skip', '3000', '--launch-count', '340', engine, 'bench', '--model', model(kind), '--device', device, '--kernels', 'plain', '-p', '16', '-n', '12', '-r', '1', '--json'], timeout=200)
        except (OSError, subprocess.TimeoutExpired) as error: say('SKIP kernels: %s' % error); return
        found = {}; lines = [l for l in done.stdout.splitlines() if l.startswith('"')]
        for line in csv.DictReader(io.StringIO('\n'.join(lines))):
            name = line['Kernel Name'].split('(')[0]; value = float(line['Metric Value'].replace(',', '')) * {'us': 1e3, 'usecond': 1e3, 'ms': 1e6, 'Kbyte': 1e3, 'Mbyte': 1e6, 'Gbyte': 1e9}.get(line['Metric Unit'], 1)
            one = found.setdefault(name, [0, 0, 0])
            if 'time' in line['Metric Name']: one[0] += 1; one[1] += value
            else: one[2] += value
        for name, (count, nanoseconds, read) in sorted(found.items(), key=lambda x: -x[1][1]):
            row('%s %s x%d, %.0f GB/s' % (kind, name, count, read / nanoseconds if nanoseconds else 0), nanoseconds * 1e-3, 'us')
        if not found: say((done.stdout + done.stderr)[-800:])

last = os.path.join(models, 'rows.json'); before = []
if os.path.exists(last):
    with open(last) as file: before = json.load(file)
for part in parts:
    say('== ' + part); {'rates': rates, 'check': check, 'decode': decode, 'parallel': parallel, 'prefill': prefill, 'torch': torch, 'variants': variants, 'kernels': kernels}[part]()
    with open(last, 'w') as file: json.dump(before + rows, file, ensure_ascii=False)
if form != 'table': print(json.dumps({'size': size, 'rows': rows}, ensure_ascii=False))
sys.exit(1 if failed else 0)
