#!/usr/bin/env python3
"""haechi-engine on models nobody has seen: other seeds, shapes, vocabularies, types, prompts, beside an exact float64
oracle, and beside llama.cpp itself where LLAMA_PEER names a program that asks it (engine_peer.sh).

Uses the generator and the oracle of $HAECHI_SHARED (or ../shared), which are not part of the repository: skipped
visibly where they or numpy are absent. F32: logits within 1e-3 and the same greedy tokens. Quantised: the mean error of
the ten best logits, teacher-forced, is at most 1.25 times llama.cpp's on the same model; where llama.cpp is not at
hand, 1.25 times that of the oracle with its activations rounded as the weights' type has them (8 bits to a block of 32
or 256, or half precision). The best token is the same wherever the gap to the second is over 1. With llama-quantize in
LLAMA_CPP also files as it makes them: mixtures of types, and what columns fall back to that are no multiple of 256; Q4_1
and Q5_1, which we keep as halves, round nothing, so that the two errors have nothing in common (0.16-1.46 measured).
Usage: engine_seeds.py ENGINE [SEED [MODELS]]
"""
import json, os, random, subprocess, sys, tempfile
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
shared = os.environ.get('HAECHI_SHARED') or os.path.join(os.path.dirname(root), 'shared')
sys.path.insert(0, os.path.join(shared, 'tools'))
try: import numpy as np
except ImportError: print('SKIP other seeds: no numpy'); sys.exit(77)
try: import gen_gguf, ref_np
except ImportError: print('SKIP other seeds: no generator and oracle in', shared); sys.exit(77)
engine = sys.argv[1]; seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20260122; peer = os.environ.get('LLAMA_PEER')
rng = random.Random(seed); vocabs = os.path.join(shared, 'data/engine/tokenizer/ggml-vocab-')
SHAPES = [ # dim, ffn, layers, heads, kv heads, head dim
    (64, 192, 2, 4, 2, 16), (96, 160, 3, 6, 2, 16), (128, 352, 2, 8, 1, 16), (160, 96, 1, 5, 5, 32), (64, 64, 4, 2, 1, 64), (192, 224, 2, 12, 3, 16), (192, 224, 2, 12, 3, 8), (32, 64, 2, 1, 1, 32), (320, 448, 3, 5, 1, 64),
    (256, 768, 2, 4, 4, 64), (256, 512, 3, 16, 2, 16), (256, 320, 2, 8, 4, 32), (512, 256, 2, 4, 2, 128), (512, 1280, 6, 8, 8, 64), (768, 512, 2, 6, 3, 128)]

# ---- types that the oracle does not know: Q4_1, Q5_0, Q5_1
known = ref_np.deq; halves = set() # whether a file has types that we keep as halves
def deq(data, offset, shape, kind):
    if kind in (3, 7): halves.add(kind)
    if kind not in (3, 6, 7): return known(data, offset, shape, kind)
    size = {3: 20, 6: 22, 7: 24}[kind]; a = np.frombuffer(data, np.uint8, int(np.prod(shape)) // 32 * size, offset).reshape(-1, size)
    q = np.concatenate([a[:, -16:] & 15, a[:, -16:] >> 4], 1).astype(np.float64); half = lambda x: np.ascontiguousarray(x).view(np.float16).astype(np.float64)
    if kind != 3: q += 16.0 * (np.ascontiguousarray(a[:, size - 20:size - 16]).view(np.uint32) >> np.arange(32, dtype=np.uint32) & 1)
    return (half(a[:, :2]) * (q - 16 if kind == 6 else q) + (half(a[:, 2:4]) if kind != 6 else 0)).reshape(shape[::-1])
ref_np.deq = deq

# ---- the oracle with rounded activations
def rounded(x, kind):
    if kind == 1: return x.astype(np.float16).astype(np.float64)
    if kind == 30: return ((x.astype(np.float32).view(np.uint32).astype(np.uint64) + 0x8000 >> 16 << 16).astype(np.uint32)).view(np.float32).astype(np.float64)
    wide = 256 if kind in (12, 13, 14) else 32; b = x.reshape(-1, wide); most = np.abs(b).max(1, keepdims=True); most[most == 0] = 1
    return (np.rint(b * (127 / most)) * (most / 127 if wide == 256 else (most / 127).astype(np.float16))).reshape(x.shape)
class Weight:
    __array_ufunc__ = None # so that `x @ w.T` comes here
    def __init__(self, values, kind): self.values, self.kind, self.T = values, kind, self
    def __getitem__(self, at): return self.values[at]
    def __rmatmul__(self, x): return rounded(x, self.kind) @ self.values.T
def rounding_error(path, tokens, X):
    exact = ref_np.deq
    def deq(data, offset, shape, kind):
        values = exact(data, offset, shape, kind)
        return values if kind == 0 or len(shape) < 2 else Weight(values, kind)
    ref_np.deq = deq
    try: Y = ref_np.Model(path).fwd(tokens)
    finally: ref_np.deq = exact
    return float(np.mean([np.abs(x - y)[np.argsort(-y)[:10]] for x, y in zip(X, Y)]))

# ---- engines
def ask(command):
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode: return None, out.stderr.strip()[-300:]
    lines = [json.loads(x) for x in out.stdout.splitlines()]
    return lines[:-1], lines[-1]['greedy']
def error_of(lines, X): return float(np.mean([abs(x[i] - v) for p, x in zip(lines, X) for i, v in p['top'][:10]]))
def compare(path, name, exact, ids, steps, more):
    """What is wrong, and the ratio of our error to the other's."""
    ask_us = lambda *extra: ask([engine, 'logits', '--model', path, '--tokens', ','.join(map(str, ids)), '--top', '11', '--steps', str(steps), *more, *extra])
    theirs, greedy = ask([peer, 'logits', path, ','.join(map(str, ids)), str(steps), '11']) if peer else (None, '')
    if peer and theirs is None: print('     llama.cpp refuses %s: %s' % (name, greedy.split('\n')[0][-120:]))
    free, ours_greedy = ask_us()
    if free is None: return 'refused: ' + ours_greedy, 0, ''
    if theirs is None: greedy = ours_greedy
    halves.clear(); lines, _ = ask_us('--force', ','.join(map(str, greedy)))
    tokens = [p['token'] for p in lines]; X = ref_np.Model(path).fwd(tokens); mean = error_of(lines, X); wrong = []
    for p, x, q in zip(lines, X, theirs or [None] * len(lines)):
        mine = p['top'][0][0]; best, second = np.argsort(-x)[:2]
        if q is not None and q['top'][0][1] - q['top'][1][1] > (1e-4 if exact else 1.0) and q['top'][0][0] != mine: wrong.append('another token at %d over a gap of %.2f' % (p['pos'], q['top'][0][1] - q['top'][1][1]))
        if q is None and x[best] - x[mine] > (1e-4 if exact else 1.0): wrong.append('not the best token at %d by %.2f' % (p['pos'], x[best] - x[mine]))
    if exact:
        worst = max(abs(x[i] - v) for p, x in zip(lines, X) for i, v in p['top'])
        if worst > 1e-3: wrong.append('logits differ by %.1e' % worst)
        if greedy != ours_greedy: # only where two tokens were equal in float
            at = next(i for i, (a, b) in enumerate(zip(greedy, ours_greedy)) if a != b); top = theirs[len(ids) - 1 + at]['top']
            if top[0][1] - top[1][1] > 1e-4: wrong.append('greedy tokens differ at %d' % at)
        return '; '.join(wrong), 0, 'logits within %.1e' % worst
    other = error_of(theirs, X) if theirs is not None else rounding_error(path, tokens, X)
    if mean > (2 if halves else 1.25) * other: wrong.append('error over %s' % (2 if halves else 1.25))
    return '; '.join(wrong), mean / other, 'mean |dlogit| %.2e, %s %.2e (%.2fx)' % (mean, 'llama.cpp' if theirs is not None else 'rounded activations', other, mean / other)

cases = []
for arch in ('llama', 'qwen2', 'qwen3', 'exaone', 'exaone4', 'exaone4swa'):
    for kind in ('f32', 'f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k', 'q4_k_m'):
        shapes = [s for s in SHAPES if (s[0] >= 256) == kind.startswith(('q4_k', 'q6_k'))] if kind.startswith('q') else SHAPES
        cases.append((arch, kind, rng.choice([s for s in shapes if arch != 'exaone4swa' or s[0] < 512]), rng.choice([257, 500, 769, 1023, 1500]), rng.randrange(1 << 30), rng.random() < 0.5))
rng.shuffle(cases)
quantize = os.path.join(os.environ.get('LLAMA_CPP', '/nonexistent'), 'llama-quantize')
if os.access(quantize, os.X_OK):
    MIXTURES = ['Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q4_K_S', 'Q4_K_M', 'Q5_K_S', 'Q5_K_M', 'Q6_K', '--pure Q4_K', '--pure Q5_K', '--leave-output-tensor Q4_K_M', '--tensor-type attn_v=q8_0 Q4_K_M', '--token-embedding-type f16 Q5_K_M']
    mixed = [(rng.choice(['llama', 'qwen2', 'qwen3', 'exaone', 'exaone4']), m, rng.choice([(96, 160, 3, 6, 2, 16), (288, 544, 3, 9, 3, 32), (256, 320, 2, 8, 4, 32), (256, 512, 4, 8, 4, 32), (512, 256, 3, 4, 2, 128)]), 777, rng.randrange(1 << 30), rng.random() < 0.5) for m in MIXTURES]
    cases = [c for pair in zip(cases, mixed) for c in pair] + cases[len(mixed):]
else: print('SKIP mixtures of types: no llama-quantize in LLAMA_CPP')
KERNELS = [k for k in ('avx512-vnni', 'avx2', 'plain') if "'%s'" % k not in subprocess.run([engine, 'logits', '--kernels', k, '--model', '/', '--tokens', '1'], capture_output=True, text=True).stderr]
if len(sys.argv) > 3: cases = cases[:int(sys.argv[3])]
failures, ratios = 0, {}
print('other seeds: %d models beside %s, SEED=%d' % (len(cases), 'llama.cpp' if peer else 'the oracle with rounded activations (no LLAMA_PEER)', seed))
with tempfile.TemporaryDirectory() as folder:
    for arch, kind, shape, nv, s, untied in cases:
        gen_gguf.SIZES['own'] = shape; path = os.path.join(folder, 'm.gguf'); length = rng.choice([1, 2, 17, 48, 48, 150])
        kernels = rng.choice(KERNELS) if rng.random() < 0.6 else ''; more = ['--kernels', kernels] if kernels else []
        sys.argv = ['gen', '--arch', arch, '--size', 'own', '--type', kind if kind.islower() and '-' not in kind else 'f32', '--vocab', vocabs + rng.choice(['gpt-2', 'llama-bpe', 'qwen2']) + '.gguf', '--nvocab', str(nv), '--seed', str(s), '-o', path] + (['--untied'] if untied else [])
        stdout, sys.stdout = sys.stdout, open(os.devnull, 'w')
        try: gen_gguf.main()
        finally: sys.stdout.close(); sys.stdout = stdout
        if sys.argv[6] != kind: # made by llama-quantize
            made = subprocess.run([quantize, *kind.split()[:-1], path, path + '.mixed', kind.split()[-1], '1'], capture_output=True, text=True)
            if made.returncode: failures += 1; print('FAIL llama-quantize', kind, shape, made.stderr.strip()[-200:]); continue
            os.replace(path + '.mixed', path)
        name = '%s %s %s vocab %d, %d tokens%s%s' % (arch, kind, shape, nv, length, ' untied' if untied else '', ' ' + kernels if kernels else '')
        wrong, ratio, text = compare(path, name, kind == 'f32', [rng.randrange(nv) for _ in range(length)], 24, more + ['--batch', str(rng.choice([1, 7, 64]))])
        failures += wrong != ''; ratios.setdefault(kind, []).append(ratio)
        print('%s%-78s %s%s' % ('FAIL ' if wrong else '', name, text, ': ' + wrong if wrong else ''), flush=True)
for kind, list_ in ratios.items():
    if kind != 'f32': print('%-36s %3d models: %.2fx in the mean, %.2fx at worst' % (kind, len(list_), sum(list_) / len(list_), max(list_)))
print('other seeds: %d models, %d failed (SEED=%d)' % (len(cases), failures, seed)); sys.exit(1 if failures else 0)
