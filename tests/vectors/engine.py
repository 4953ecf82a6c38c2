#!/usr/bin/env python3
"""haechi-engine against reference data of other engines: logits, greedy tokens, tokenizers.

The data is not part of the repository: it is looked for in $HAECHI_SHARED or ../shared, and skipped visibly where it
is absent. Exact weights in float64 (numpy) judge quantised models; without numpy that part is skipped, and said so.
Usage: engine.py [path of haechi-engine] [--kernels NAME]
"""
import json, os, re, subprocess, sys
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
arguments = [a for a in sys.argv[1:] if not a.startswith('-')]
engine = arguments[0] if arguments else os.path.join(root, 'build/haechi-engine')
flags = sys.argv[sys.argv.index('--kernels'):][:2] if '--kernels' in sys.argv else []
shared = os.environ.get('HAECHI_SHARED') or os.path.join(os.path.dirname(root), 'shared')
data = os.path.join(shared, 'data/engine')
if not os.path.isdir(data):
    print('SKIP engine vectors: no reference data at', data); sys.exit(77)
try:
    import numpy as np
    sys.path.insert(0, os.path.join(shared, 'tools')); import ref_np
except ImportError:
    np = None; print('SKIP exact float64 comparison: no numpy')
failures = 0
def check(good, what):
    global failures
    if not good: failures += 1; print('FAIL', what)
    return good

allowed = {}
for line in open(os.path.join(data, 'oracle_vs_llamacpp.txt')):
    m = re.match(r'(\S+)\s+top-10 \|dlogit\|: mean (\S+)', line)
    if m: allowed[m[1]] = float(m[2])

def run_logits(model, prompt, force, extra=[]):
    out = subprocess.run([engine, 'logits', '--model', model, '--tokens', ','.join(map(str, prompt)), '--top', '10', '--steps', str(len(force)),
                          *(['--force', ','.join(map(str, force))] if force else []), *flags, *extra], capture_output=True, text=True)
    if out.returncode: print(out.stderr); return [], []
    lines = [json.loads(x) for x in out.stdout.splitlines()]
    return lines[:-1], lines[-1]['greedy']

def compare(path, ref):
    name = os.path.basename(path); ref = json.load(open(ref)); exact = 'f32' in name
    lines, greedy = run_logits(path, ref['prompt'], ref['greedy'])
    if not check(len(lines) == len(ref['positions']), name + ': positions'): return
    if exact:
        worst = max(abs(dict(map(tuple, p['top'])).get(i, v + 9) - v) for p, r in zip(lines, ref['positions']) for i, v in r['top'][:9])
        check(worst < 1e-3, '%s: logits differ by %g' % (name, worst)); check(greedy == ref['greedy'], name + ': greedy tokens')
        free, tokens = run_logits(path, ref['prompt'], [], ['--steps', str(len(ref['greedy'])), '--batch', '7'])
        check(tokens == ref['greedy'], name + ': greedy tokens, run freely in chunks of 7')
        print('%-28s F32 logits within %.1e, %d greedy tokens equal' % (name, worst, len(greedy)))
    elif np is not None:
        model = ref_np.Model(path); X = model.fwd([p['token'] for p in lines]); errors, crossed = [], 0.0
        for p, x in zip(lines, X):
            errors += [abs(x[i] - v) for i, v in p['top']]; best = p['top'][0][0]
            if int(x.argmax()) != best: crossed = max(crossed, float(x.max() - x[best]))
        mean = sum(errors) / len(errors); limit = 1.25 * allowed.get(name, 0)
        check(mean <= limit, '%s: mean error %.3g over %.3g' % (name, mean, limit)); check(crossed <= 1.0, '%s: argmax crossed a gap of %.2f' % (name, crossed))
        print('%-28s mean |dlogit| %.2e, llama.cpp %.2e (%.2fx), largest gap crossed %.2f' % (name, mean, allowed.get(name, 0), mean / allowed[name] if name in allowed else 0, crossed))

for name in sorted(os.listdir(data + '/ref')): compare(data + '/models/' + name.replace('.json', '.gguf'), data + '/ref/' + name)
for name in sorted(os.listdir(data + '/stories')):
    if name.endswith('.json') and os.path.exists(data + '/stories/' + name.replace('.json', '.gguf')): compare(data + '/stories/' + name.replace('.json', '.gguf'), data + '/stories/' + name)

def tokenize(vocab, texts, extra=[]):
    lines = ''.join(json.dumps({'hex': t.hex()}) + '\n' for t in texts)
    out = subprocess.run([engine, 'tokenize', '--lines', '--model', vocab, *extra], input=lines, capture_output=True, text=True)
    if out.returncode: print(out.stderr)
    return [json.loads(x) for x in out.stdout.splitlines()]
for name in sorted(os.listdir(data + '/tokenizer')):
    if not name.endswith('.inp'): continue
    vocab = data + '/tokenizer/' + name[:-4]
    texts = open(data + '/tokenizer/' + name, 'rb').read().split(b'\n__ggml_vocab_test__\n')
    want = [list(map(int, x.split())) for x in open(vocab + '.out').read().splitlines()]
    got = tokenize(vocab, texts); bad = [(t, g, w) for t, g, w in zip(texts, got, want) if g != w]
    check(not bad and len(got) == len(texts), '%s: %d of %d texts differ, %d answers' % (name, len(bad), len(texts), len(got)))
    for t, g, w in bad[:3]: print('   ', t, '\n    got ', g, '\n    want', w)
    print('%-28s %d texts' % (name, len(texts)))
cases = {}
for line in open(data + '/tokenizer/ko_tokens.jsonl'): c = json.loads(line); cases.setdefault((c['vocab'], c['pre']), []).append(c)
for (vocab, pre), list_ in sorted(cases.items()):
    path = data + '/tokenizer/ggml-vocab-%s.gguf' % vocab; texts = [bytes.fromhex(c['hex']) for c in list_]; extra = ['--pre', pre] if pre else []
    for key, more in (('ids', []), ('ids_special', ['--special'])):
        got = tokenize(path, texts, extra + more); bad = [(t, g, c[key]) for t, g, c in zip(texts, got, list_) if g != c[key]]
        check(not bad and len(got) == len(texts), 'ko %s/%s %s: %d of %d differ' % (vocab, pre, key, len(bad), len(texts)))
        for t, g, w in bad[:2]: print('   ', t.decode('utf-8', 'replace'), '\n    got ', g, '\n    want', w)
    print('%-28s %d Korean texts' % (vocab + '/' + pre, len(texts)))
print('FAILED %d' % failures if failures else 'engine vectors: all good'); sys.exit(1 if failures else 0)
