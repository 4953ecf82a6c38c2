#!/usr/bin/env python3
"""haechi-engine on models nobody has seen: other seeds, shapes, vocabularies, types, beside an exact float64 oracle.

Uses the generator and the oracle of $HAECHI_SHARED (or ../shared), which are not part of the repository: skipped
visibly where they or numpy are absent. F32: logits within 1e-3 and the same greedy tokens. Quantised: mean error of
the ten best logits, teacher-forced, within 1.25 times what another engine's rounding of activations makes on models of
the same kind (its published figures scale with the logits' spread), and the same best token where the gap is over 1.
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
engine = sys.argv[1]; seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20260122
rng = random.Random(seed); vocabs = os.path.join(shared, 'data/engine/tokenizer/ggml-vocab-')
known = {}
for line in open(os.path.join(shared, 'data/engine/oracle_vs_llamacpp.txt')):
    name, rest = line.split(None, 1); known[name[:-5]] = float(rest.split('mean ')[1].split()[0])
SHAPES = [ # dim, ffn, layers, heads, kv heads, head dim
    (64, 192, 2, 4, 2, 16), (96, 160, 3, 6, 2, 16), (128, 352, 2, 8, 1, 16), (160, 96, 1, 5, 5, 32), (64, 64, 4, 2, 1, 64), (192, 224, 2, 12, 3, 8), (32, 64, 2, 1, 1, 32), (256, 768, 2, 4, 4, 64), (256, 512, 3, 16, 2, 16), (512, 256, 2, 8, 2, 128)]
cases = []
for arch in ('llama', 'qwen2', 'qwen3', 'exaone', 'exaone4', 'exaone4swa'):
    for kind in ('f32', 'f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k', 'q4_k_m'):
        shapes = [s for s in SHAPES if (s[0] % 256 == 0) == kind.startswith(('q4_k', 'q6_k'))] if kind.startswith('q') else SHAPES
        cases.append((arch, kind, rng.choice(shapes), rng.choice([257, 500, 769, 1023, 1500]), rng.randrange(1 << 30), rng.random() < 0.5))
rng.shuffle(cases)
if len(sys.argv) > 3: cases = cases[:int(sys.argv[3])]
failures = 0
with tempfile.TemporaryDirectory() as folder:
    for arch, kind, shape, nv, s, untied in cases:
        gen_gguf.SIZES['own'] = shape; path = os.path.join(folder, 'm.gguf'); plain = ['--plain'] if rng.random() < 0.3 else []
        sys.argv = ['gen', '--arch', arch, '--size', 'own', '--type', kind, '--vocab', vocabs + rng.choice(['gpt-2', 'llama-bpe', 'qwen2']) + '.gguf', '--nvocab', str(nv), '--seed', str(s), '-o', path] + (['--untied'] if untied else [])
        stdout, sys.stdout = sys.stdout, open(os.devnull, 'w')
        try: gen_gguf.main()
        finally: sys.stdout.close(); sys.stdout = stdout
        ids = [rng.randrange(nv) for _ in range(rng.randrange(20, 60))]; steps = 12
        args = [engine, 'logits', '--model', path, '--tokens', ','.join(map(str, ids)), '--top', '10', '--batch', str(rng.choice([1, 7, 64])), *plain]
        out = subprocess.run(args + ['--steps', str(steps)], capture_output=True, text=True)
        name = '%s %s %s vocab %d%s%s' % (arch, kind, shape, nv, ' untied' if untied else '', ' plain' if plain else '')
        if out.returncode: failures += 1; print('FAIL', name, out.stderr.strip()[:300]); continue
        lines = [json.loads(x) for x in out.stdout.splitlines()]; greedy = lines[-1]['greedy']; lines = lines[:-1]
        X = ref_np.Model(path).fwd([p['token'] for p in lines]); errors, crossed = [], 0.0
        for p, x in zip(lines, X):
            errors += [abs(x[i] - v) for i, v in p['top']]; best = p['top'][0][0]
            if int(x.argmax()) != best: crossed = max(crossed, float(x.max() - x[best]))
        spread = float(X.std()); mean = float(np.mean(errors)); bad = ''
        if kind == 'f32':
            if max(errors) >= 1e-3 or crossed > 1e-5: bad = 'FAIL '
        else:
            base = arch if arch != 'exaone4swa' else 'exaone4swa'; size = 'small' if kind.startswith(('q4_k', 'q6_k')) else 'tiny'
            limit = known.get('%s-%s-%s' % (base, size, kind)) or known['exaone4-%s-%s' % (size, kind)]
            layers = 64 if arch == 'exaone4swa' else shape[2]; trained = 64 if base == 'exaone4swa' and size == 'tiny' else 4 if size == 'small' else 2
            limit *= 1.25 * max(1.0, (layers / trained) ** 0.5) * max(1.0, spread / 4.2) * (1.3 if layers == 64 else 1.0) * (1.5 if shape[0] < 64 or shape[5] < 16 else 1.0)
            if mean > limit or crossed > 1.0: bad = 'FAIL over %.3f ' % limit
        failures += bad != ''
        print('%s%-58s mean |dlogit| %.2e max %.2e crossed %.2f spread %.1f' % (bad, name, mean, max(errors), crossed, spread), flush=True)
print('other seeds: %d models, %d failed (seed %d)' % (len(cases), failures, seed)); sys.exit(1 if failures else 0)
