#!/usr/bin/env python3
"""haechi-engine's further architectures beside formulae in numpy: mixtures of experts (exaone-moe, glm4moe), models with
factors (granite), with norms on both sides (hyperclovax). F32: logits within 1e-3 of float64, whatever the batch.

Models of random weights with a cut vocabulary from $HAECHI_SHARED (or ../shared); skipped visibly where that or numpy is
absent. Usage: engine_experts.py ENGINE [SEED]
"""
import json, os, random, struct, subprocess, sys, tempfile
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
shared = os.environ.get('HAECHI_SHARED') or os.path.join(os.path.dirname(root), 'shared')
sys.path.insert(0, os.path.join(shared, 'tools'))
try: import numpy as np
except ImportError: print('SKIP further architectures: no numpy'); sys.exit(77)
try: import gen_gguf
except ImportError: print('SKIP further architectures: no generator in', shared); sys.exit(77)
engine = sys.argv[1]; seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1; rng = random.Random(seed)

def make(path, arch, o, g):
    """weights by name, and the file"""
    d, f, L, H, KV, hd, E, F, S, V = (o[k] for k in ('dim', 'ffn', 'layers', 'heads', 'kv', 'hd', 'experts', 'effn', 'shared', 'vocab'))
    W = {'token_embd.weight': g.normal(0, 4 / d ** .5, (V, d)), 'output_norm.weight': 1 + .2 * g.standard_normal(d), 'output.weight': g.normal(0, 4 / d ** .5, (V, d))}
    mat = lambda r, c, s=1.0: g.normal(0, s / c ** .5, (r, c)); norm = lambda n: 1 + .2 * g.standard_normal(n)
    for i in range(L + o.get('next', 0)):
        p = 'blk.%d.' % i
        W[p + 'attn_q.weight'] = mat(H * hd, d, 1.5); W[p + 'attn_k.weight'] = mat(KV * hd, d, 1.5); W[p + 'attn_v.weight'] = mat(KV * hd, d); W[p + 'attn_output.weight'] = mat(d, H * hd)
        W[p + 'attn_norm.weight'] = norm(d); W[p + ('post_attention_norm' if arch == 'glm4moe' else 'ffn_norm') + '.weight'] = norm(d)
        if o['qk']: W[p + 'attn_q_norm.weight'] = norm(hd); W[p + 'attn_k_norm.weight'] = norm(hd)
        if o['bias']:
            for c, n in (('q', H * hd), ('k', KV * hd), ('v', KV * hd)): W[p + 'attn_%s.bias' % c] = .5 * g.standard_normal(n)
        if o['both']: W[p + 'post_attention_norm.weight'] = norm(d); W[p + 'post_ffw_norm.weight'] = norm(d)
        if E and i >= o['dense']:
            W[p + 'ffn_gate_inp.weight'] = mat(E, d, 2); W[p + 'exp_probs_b.bias'] = .3 * g.standard_normal(E)
            for n, r, c in (('gate', F, d), ('up', F, d), ('down', d, F)): W[p + 'ffn_%s_exps.weight' % n] = g.normal(0, 1.2 / c ** .5, (E, r, c))
            if S:
                for n, r, c in (('gate', S, d), ('up', S, d), ('down', d, S)): W[p + 'ffn_%s_shexp.weight' % n] = mat(r, c, 1.2)
        else:
            for n, r, c in (('gate', f, d), ('up', f, d), ('down', d, f)): W[p + 'ffn_%s.weight' % n] = mat(r, c, 1.2)
        if i >= L: W[p + 'nextn.eh_proj.weight'] = mat(d, 2 * d); W[p + 'nextn.enorm.weight'] = norm(d); W[p + 'nextn.hnorm.weight'] = norm(d)
    W = {k: v.astype(np.float32) for k, v in W.items()}
    kv = {k: v for k, v in gen_gguf.read_kv(os.path.join(shared, 'data/engine/tokenizer/ggml-vocab-gpt-2.gguf')).items() if k.startswith('tokenizer.')}
    gen_gguf.cut_vocab(kv, V)
    A = arch + '.'; md = [('general.architecture', 8, arch)] + [(A + k, t, v) for k, t, v in [('block_count', 4, L + o.get('next', 0)), ('context_length', 4, 512), ('embedding_length', 4, d), ('feed_forward_length', 4, f), ('attention.head_count', 4, H),
        ('attention.head_count_kv', 4, KV), ('attention.key_length', 4, hd), ('attention.value_length', 4, hd), ('rope.dimension_count', 4, o['rot']), ('rope.freq_base', 6, 10000.0), ('attention.layer_norm_rms_epsilon', 6, 1e-5)]]
    if E: md += [(A + k, t, v) for k, t, v in [('expert_count', 4, E), ('expert_used_count', 4, o['used']), ('expert_feed_forward_length', 4, F), ('leading_dense_block_count', 4, o['dense']), ('expert_gating_func', 4, o['gate']), ('expert_weights_scale', 6, o['scale']), ('expert_weights_norm', 7, o['renorm'])]]
    if S: md += [(A + 'expert_shared_count', 4, S // F)]
    if o.get('next'): md += [(A + 'nextn_predict_layers', 4, o['next'])]
    if arch == 'exaone-moe': md += [(A + 'attention.sliding_window', 4, 8)]
    if o['factors']: md += [(A + k, 6, v) for k, v in zip(('embedding_scale', 'residual_scale', 'logit_scale', 'attention.scale'), o['factors'])]
    md += [(k, t, v) for k, (t, v) in kv.items()]
    written = dict(W)
    for i in range(L + o.get('next', 0)) if o.get('fused') else ():  # as converters do when asked
        p = 'blk.%d.' % i; fuse = lambda new, axis, *old: written.__setitem__(p + new, np.concatenate([written.pop(p + n) for n in old], axis)) if p + old[0] in written else None
        fuse('attn_qkv.weight', 0, *('attn_%s.weight' % z for z in 'qkv')); fuse('attn_qkv.bias', 0, *('attn_%s.bias' % z for z in 'qkv')); fuse('ffn_gate_up_exps.weight', 1, 'ffn_gate_exps.weight', 'ffn_up_exps.weight')
    info, off, plan = b'', 0, []
    for n, w in written.items(): info += gen_gguf.s_(n) + struct.pack('<I', w.ndim) + b''.join(struct.pack('<Q', x) for x in w.shape[::-1]) + struct.pack('<IQ', 0, off); plan.append((off, w)); off = (off + w.nbytes + 31) // 32 * 32
    head = b'GGUF' + struct.pack('<IQQ', 3, len(written), len(md)) + b''.join(gen_gguf.kvb(*x) for x in md) + info; head += b'\0' * (-len(head) % 32)
    with open(path, 'wb') as out:
        out.write(head)
        for at, w in plan: out.seek(len(head) + at); out.write(w.tobytes())
    return {k: v.astype(np.float64) for k, v in W.items()}

def forward(arch, o, W, ids):
    H, KV, hd, rot = o['heads'], o['kv'], o['hd'], o['rot']; T = len(ids); pos = np.arange(T)
    em, rs, ls, asc = o['factors'] or (1, 1, 1, 1 / hd ** .5)
    rms = lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w
    silu = lambda x: x / (1 + np.exp(-x)); net = lambda x, g, u, dn: (silu(x @ g.T) * (x @ u.T)) @ dn.T
    inv = 10000.0 ** (-np.arange(0, rot, 2) / rot); c, s = np.cos(pos[:, None] * inv)[:, None], np.sin(pos[:, None] * inv)[:, None]
    def rope(x):
        y = x.copy(); a, b = (slice(0, rot, 2), slice(1, rot, 2)) if not o['neox'] else (slice(0, rot // 2), slice(rot // 2, rot))
        y[..., a] = x[..., a] * c - x[..., b] * s; y[..., b] = x[..., a] * s + x[..., b] * c; return y
    x = W['token_embd.weight'][ids] * em
    for i in range(o['layers']):
        w = lambda n: W['blk.%d.%s' % (i, n)]; n = rms(x, w('attn_norm.weight'))
        q, k, v = (n @ w('attn_%s.weight' % z).T + (w('attn_%s.bias' % z) if o['bias'] else 0) for z in 'qkv'); q = q.reshape(T, H, hd); k = k.reshape(T, KV, hd); v = v.reshape(T, KV, hd)
        if o['qk']: q = rms(q, w('attn_q_norm.weight')); k = rms(k, w('attn_k_norm.weight'))
        local = arch == 'exaone-moe' and i % 4 < 3
        if arch != 'exaone-moe' or local: q = rope(q); k = rope(k)
        k = k.repeat(H // KV, 1); v = v.repeat(H // KV, 1); a = np.einsum('thd,shd->hts', q, k) * asc
        hide = pos[None, :] > pos[:, None]
        if local: hide = hide | (pos[None, :] <= pos[:, None] - 8)
        a = np.where(hide, -1e30, a); a = np.exp(a - a.max(-1, keepdims=True)); a /= a.sum(-1, keepdims=True)
        b = np.einsum('hts,shd->thd', a, v).reshape(T, -1) @ w('attn_output.weight').T
        if o['both']: b = rms(b, w('post_attention_norm.weight'))
        x = x + rs * b; n = rms(x, w('post_attention_norm.weight' if arch == 'glm4moe' else 'ffn_norm.weight'))
        if o['experts'] and i >= o['dense']:
            z = n @ w('ffn_gate_inp.weight').T; p = 1 / (1 + np.exp(-z)) if o['gate'] == 2 else np.exp(z - z.max(-1, keepdims=True)) / np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)
            b = net(n, *(w('ffn_%s_shexp.weight' % m) for m in ('gate', 'up', 'down'))) if o['shared'] else np.zeros_like(n)
            for t in range(T):
                top = np.argsort(-(p[t] + w('exp_probs_b.bias')), kind='stable')[:o['used']]; wt = p[t, top]
                if o['renorm']: wt = wt / wt.sum()
                for e, y in zip(top, wt * o['scale']): b[t] += y * net(n[t:t + 1], *(w('ffn_%s_exps.weight' % m)[e] for m in ('gate', 'up', 'down')))[0]
        else: b = net(n, *(w('ffn_%s.weight' % m) for m in ('gate', 'up', 'down')))
        if o['both']: b = rms(b, w('post_ffw_norm.weight'))
        x = x + rs * b
    return rms(x, W['output_norm.weight']) @ W['output.weight'].T / ls

base = dict(dim=64, ffn=96, layers=5, heads=4, kv=2, hd=16, rot=16, vocab=600, experts=0, effn=32, shared=0, used=0, dense=0, gate=2, scale=1.0, renorm=True, qk=False, bias=False, both=False, neox=True, factors=None)
moe = lambda **k: {**base, 'experts': rng.choice([4, 7, 16]), 'used': rng.choice([1, 2, 4]), 'dense': rng.choice([0, 1, 2]), 'effn': rng.choice([32, 64]), **k}
cases = []
for _ in range(3):
    m = moe(qk=True, scale=2.5, renorm=True, next=1, fused=rng.random() < .5); m['shared'] = m['effn']; cases.append(('exaone-moe', m))
    m = moe(qk=rng.random() < .5, bias=True, scale=1.0, renorm=rng.random() < .5, rot=8, next=1, fused=rng.random() < .5, gate=rng.choice([1, 2])); m['shared'] = m['effn'] * rng.choice([0, 1, 2]); cases.append(('glm4moe', m))
    cases.append(('granite', {**base, 'neox': False, 'factors': (rng.choice([2.0, 12.0]), .22, rng.choice([1.0, 4.0]), .0625)}))
    cases.append(('hyperclovax', {**base, 'neox': False, 'both': True, 'factors': (1.5, .5, 2.0, .125)}))
failures = 0
with tempfile.TemporaryDirectory() as folder:
    for number, (arch, o) in enumerate(cases):
        path = os.path.join(folder, 'm.gguf'); W = make(path, arch, o, np.random.default_rng(seed * 1000 + number)); ids = [rng.randrange(o['vocab']) for _ in range(40)]
        for extra in ([], ['--batch', '7'], ['--plain', '--batch', '1']):
            out = subprocess.run([engine, 'logits', '--model', path, '--tokens', ','.join(map(str, ids)), '--top', '10', '--steps', '8', *extra], capture_output=True, text=True)
            name = '%s %s%s' % (arch, {k: v for k, v in o.items() if v != base[k]} if all(k in base for k in o) else {k: v for k, v in o.items() if base.get(k) != v}, ' ' + ' '.join(extra) if extra else '')
            if out.returncode: failures += 1; print('FAIL', name, out.stderr.strip()[:300]); continue
            lines = [json.loads(x) for x in out.stdout.splitlines()][:-1]; X = forward(arch, o, W, [p['token'] for p in lines])
            worst = max(abs(X[p['pos']][i] - v) for p in lines for i, v in p['top']); bad = worst >= 1e-3 or any(int(X[p['pos']].argmax()) != p['top'][0][0] for p in lines); failures += bad
            print('%s%-20s within %.1e' % ('FAIL ' if bad else '', name[:200], worst), flush=True)
print('further architectures: %d models, %d failures' % (len(cases), failures)); sys.exit(1 if failures else 0)
