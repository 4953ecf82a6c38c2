#!/usr/bin/env python3
"""haechi-engine's attention in a latent (MLA: DeepSeek's architecture, Kanana 2, A.X K1) beside the papers' formulae in
float64, where each head's keys and values are made of the latent, as the engine never does.

Models of random weights in both layouts of files (attn_kv_b; attn_k_b and attn_v_b), with queries made at once or by way of
a short vector, with experts (softmax, sigmoid, groups, shared ones) and without, with YaRN and without, in every type.
F32: logits within 1e-3 and the same greedy tokens, whatever the batch. Other types: a mean error of the ten best logits
within LIMITS, measured as 1.25 times llama.cpp's on such models; the same best token where the gap is over 1. Where
LLAMA_PEER names a program that asks llama.cpp (engine_peer.sh), it must take every file, agree on F32 within 1e-3 and make
the same greedy tokens, and its error on the same model is the limit. What is not known is refused by name. Skipped visibly where numpy, or the generator and the oracle of $HAECHI_SHARED (or
../shared), are absent. Usage: engine_latent.py ENGINE [SEED [KEEP]] (KEEP: a folder that the files stay in)
"""
import json, math, os, random, struct, subprocess, sys, tempfile

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
shared = os.environ.get('HAECHI_SHARED') or os.path.join(os.path.dirname(root), 'shared')
sys.path.insert(0, os.path.join(shared, 'tools'))
try:
    import numpy as np
    import gen_gguf
    import ref_np
except ImportError as missing:
    print('SKIP attention in a latent:', missing)
    sys.exit(77)

A = 'deepseek2.'
LIMITS = {'f16': 0.008, 'bf16': 0.047, 'q8_0': 0.166, 'q4_0': 0.156, 'q4_k': 0.18, 'q6_k': 0.22}


def enc_1(kind, values):
    """Q4_1 and Q5_1, which engines make of attn_k_b where rows are no whole blocks of Q5_K: a step and a least value"""
    most = 15 if kind == 'q4_1' else 31
    v = values.reshape(-1, 32)
    least = v.min(1, keepdims=True)
    step = (v.max(1, keepdims=True) - least) / most
    q = np.clip(np.round((v - least) / np.where(step > 0, step, 1)), 0, most).astype(np.uint32)
    out = [step.astype('<f2').view(np.uint8), least.astype('<f2').view(np.uint8)]
    if kind == 'q5_1':
        out.append(((q >> 4) << np.arange(32, dtype=np.uint32)).sum(1, dtype=np.uint32).astype('<u4')[:, None].view(np.uint8))
    return np.concatenate(out + [((q[:, :16] & 15) | (q[:, 16:] & 15) << 4).astype(np.uint8)], 1).tobytes()


def deq_1(data, offset, shape, kind):
    if kind not in (3, 7):
        return known(data, offset, shape, kind)
    count, size = int(np.prod(shape)) // 32, 20 if kind == 3 else 24
    a = np.frombuffer(data, np.uint8, count * size, offset).reshape(-1, size)
    half = lambda x: np.ascontiguousarray(x).view('<f2').astype(np.float64)
    q = np.concatenate([a[:, -16:] & 15, a[:, -16:] >> 4], 1).astype(np.float64)
    if kind == 7:
        q += 16.0 * (np.ascontiguousarray(a[:, 4:8]).view('<u4') >> np.arange(32, dtype=np.uint32) & 1)
    return (half(a[:, :2]) * q + half(a[:, 2:4])).reshape(shape[::-1])


known, ref_np.deq = ref_np.deq, deq_1
gen_gguf.GT.update(q4_1=(3, 32, 20), q5_1=(7, 32, 24))


def encode(kind, values, rng, name):
    """bytes of a matrix, and the type they are of: floats where its rows are no whole blocks"""
    block = gen_gguf.GT[kind][1]
    if values.shape[-1] % block:
        kind = 'q8_0' if values.shape[-1] % 32 == 0 else 'f16'
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    if kind.endswith('_1'):
        return kind, enc_1(kind, flat)
    if kind in ('q4_k', 'q6_k'):  # drawn, not rounded: of the same spread
        return kind, gen_gguf.kblocks(kind, gen_gguf.Rng(rng, name), 0, flat.size // 256, float(flat.std()) * 3 ** .5)
    return kind, gen_gguf.enc(kind, flat)


def make(path, o, seed):
    g = np.random.default_rng(seed)
    d, H, R, T, N, VS, Q = o['width'], o['heads'], o['latent'], o['turned'], o['still'], o['value'], o['short']
    tensors = []

    def put(name, values, kind=None):
        kind, data = encode(kind or o['type'], values, seed, name) if values.ndim > 1 else ('f32', values.astype('<f4').tobytes())
        tensors.append((name, values.shape[::-1], gen_gguf.GT[kind][0], data))
    mat = lambda *shape, by=1.0: g.normal(0, by / shape[-1] ** .5, shape)
    norm = lambda n: 1 + .2 * g.standard_normal(n)
    put('token_embd.weight', g.normal(0, 4 / d ** .5, (o['vocab'], d)))
    put('output_norm.weight', norm(d) * np.where(np.arange(d) % 2, -1, 1))
    if o['untied']:
        put('output.weight', g.normal(0, 4 / d ** .5, (o['vocab'], d)))
    for i in range(o['layers'] + o['further']):
        p = 'blk.%d.' % i
        put(p + 'attn_norm.weight', norm(d))
        if Q:
            put(p + 'attn_q_a.weight', mat(Q, d))
            put(p + 'attn_q_a_norm.weight', norm(Q))
            put(p + 'attn_q_b.weight', mat(H * (N + T), Q, by=1.5))
        else:
            put(p + 'attn_q.weight', mat(H * (N + T), d, by=1.5))
        put(p + 'attn_kv_a_mqa.weight', mat(R + T, d, by=1.5))
        put(p + 'attn_kv_a_norm.weight', norm(R))
        if o['older']:
            put(p + 'attn_kv_b.weight', mat(H * (N + VS), R, by=1.2), o['enter'])
        else:
            put(p + 'attn_k_b.weight', g.normal(0, 1.2 / R ** .5, (H, R, N)), o['enter'])
            put(p + 'attn_v_b.weight', mat(H, VS, R, by=1.2))
        put(p + 'attn_output.weight', mat(d, H * VS))
        put(p + 'ffn_norm.weight', norm(d))
        if o['experts'] and i >= o['dense']:
            E, F, S = o['experts'], o['expert_ffn'], o['expert_ffn'] * o['shared']
            put(p + 'ffn_gate_inp.weight', mat(E, d, by=2), 'f32')
            if o['bias']:
                put(p + 'exp_probs_b.bias', .3 * g.standard_normal(E))
            put(p + 'ffn_gate_exps.weight', mat(E, F, d, by=1.2))
            put(p + 'ffn_up_exps.weight', mat(E, F, d, by=1.2))
            put(p + 'ffn_down_exps.weight', mat(E, d, F, by=1.2))
            put(p + 'ffn_gate_shexp.weight', mat(S, d, by=1.2))
            put(p + 'ffn_up_shexp.weight', mat(S, d, by=1.2))
            put(p + 'ffn_down_shexp.weight', mat(d, S, by=1.2))
        else:
            put(p + 'ffn_gate.weight', mat(o['ffn'], d, by=1.2))
            put(p + 'ffn_up.weight', mat(o['ffn'], d, by=1.2))
            put(p + 'ffn_down.weight', mat(d, o['ffn'], by=1.2))
        if o['after']:  # A.X K1
            put(p + 'post_ffw_norm.weight', norm(d))
        if i >= o['layers']:
            put(p + 'nextn.eh_proj.weight', mat(d, 2 * d))
            put(p + 'nextn.enorm.weight', norm(d))
            put(p + 'nextn.hnorm.weight', norm(d))
    vocabulary = gen_gguf.read_kv(os.path.join(shared, 'data/engine/tokenizer/ggml-vocab-gpt-2.gguf'))
    vocabulary = {k: v for k, v in vocabulary.items() if k.startswith('tokenizer.')}
    gen_gguf.cut_vocab(vocabulary, o['vocab'])
    vocabulary['tokenizer.ggml.pre'] = (8, o['pre'])
    keys = [('general.architecture', 8, 'deepseek2'), (A + 'block_count', 4, o['layers'] + o['further']),
            (A + 'context_length', 4, 512), (A + 'embedding_length', 4, d), (A + 'feed_forward_length', 4, o['ffn']),
            (A + 'vocab_size', 4, o['vocab']), (A + 'attention.head_count', 4, H),
            (A + 'attention.layer_norm_rms_epsilon', 6, 1e-6), (A + 'attention.kv_lora_rank', 4, R),
            (A + 'rope.dimension_count', 4, T), (A + 'rope.freq_base', 6, 10000.0),
            (A + 'leading_dense_block_count', 4, o['dense'] if o['experts'] else o['layers']),
            (A + 'expert_feed_forward_length', 4, o['expert_ffn']),
            (A + 'expert_shared_count', 4, o['shared'] if o['experts'] else 0)]
    if o['older']:
        keys += [(A + 'attention.head_count_kv', 4, H), (A + 'attention.key_length', 4, N + T),
                 (A + 'attention.value_length', 4, VS)]
    else:
        keys += [(A + 'attention.head_count_kv', 4, 1), (A + 'attention.key_length', 4, R + T),
                 (A + 'attention.value_length', 4, R), (A + 'attention.key_length_mla', 4, N + T),
                 (A + 'attention.value_length_mla', 4, VS)]
    if Q:
        keys += [(A + 'attention.q_lora_rank', 4, Q)]
    if o['experts']:
        keys += [(A + 'expert_count', 4, o['experts']), (A + 'expert_used_count', 4, o['used'])]
        keys += [(A + 'expert_weights_scale', 6, o['scale'])] if o['scale'] else []
        keys += [(A + 'expert_weights_norm', 7, True)] if o['normal'] else []
        keys += [(A + 'expert_gating_func', 4, o['gating'])] if o['gating'] else []
        if o['groups']:
            keys += [(A + 'expert_group_count', 4, o['groups'][0]), (A + 'expert_group_used_count', 4, o['groups'][1])]
    if o['yarn']:
        keys += [(A + 'rope.scaling.type', 8, 'yarn'), (A + 'rope.scaling.factor', 6, o['yarn'][0]),
                 (A + 'rope.scaling.original_context_length', 4, o['yarn'][1]),
                 (A + 'rope.scaling.yarn_log_multiplier', 6, 0.1 * o['yarn'][2])]
    if o['further']:
        keys += [(A + 'nextn_predict_layers', 4, o['further'])]
    keys += [(A + k, 8 if isinstance(v, str) else 6 if isinstance(v, float) else 4, v) for k, v in o['keys'].items()]
    keys += [(k, t, v) for k, (t, v) in vocabulary.items()]
    info, offset = b'', 0
    for name, shape, kind, data in tensors:
        info += gen_gguf.s_(name) + struct.pack('<I', len(shape)) + struct.pack('<%dQ' % len(shape), *shape)
        info += struct.pack('<IQ', kind, offset)
        offset += (len(data) + 31) // 32 * 32
    head = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)) + b''.join(gen_gguf.kvb(*k) for k in keys) + info
    with open(path, 'wb') as out:
        out.write(head + b'\0' * (-len(head) % 32))
        for _, _, _, data in tensors:
            out.write(data + b'\0' * (-len(data) % 32))


def turns(key, turned, positions):
    """cosine and sine for each position and pair (YaRN: Peng et al. 2023), and what scores are multiplied by besides"""
    base, factor = key('rope.freq_base', 10000.0), key('rope.scaling.factor', 1.0)
    inverse = base ** (-np.arange(0, turned, 2) / turned)
    grown = 1.0
    if key('rope.scaling.type') == b'yarn':
        original = key('rope.scaling.original_context_length')
        where = lambda rounds: turned * math.log(original / (rounds * 2 * math.pi)) / (2 * math.log(base))
        low = max(math.floor(where(key('rope.scaling.yarn_beta_fast', 32.0))), 0)
        high = min(math.ceil(where(key('rope.scaling.yarn_beta_slow', 1.0))), turned - 1)
        ramp = np.clip((np.arange(turned // 2) - low) / max(high - low, 0.001), 0, 1)
        inverse = inverse / factor * ramp + inverse * (1 - ramp)
        grown = 1 + key('rope.scaling.yarn_log_multiplier', 0.0) * math.log(factor)
    angle = positions[:, None] * inverse
    return np.cos(angle), np.sin(angle), grown * grown


def forward(path, ids):
    keys, W = ref_np.load(path)
    key = lambda name, usual=None: keys.get(A + name, usual)
    newer = key('attention.key_length_mla') is not None
    H, R, T = key('attention.head_count'), key('attention.kv_lora_rank'), key('rope.dimension_count')
    size = key('attention.key_length_mla') if newer else key('attention.key_length')
    value = key('attention.value_length_mla') if newer else key('attention.value_length')
    N, count, E = size - T, len(ids), key('expert_count', 0)
    rms = lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + key('attention.layer_norm_rms_epsilon')) * w
    net = lambda x, gate, up, down: (x @ gate.T / (1 + np.exp(-(x @ gate.T))) * (x @ up.T)) @ down.T
    cosine, sine, grown = turns(key, T, np.arange(count))

    def rope(x):  # pairs of neighbours
        c, s, y = cosine[:, None], sine[:, None], x.copy()
        y[..., 0::2] = x[..., 0::2] * c - x[..., 1::2] * s
        y[..., 1::2] = x[..., 0::2] * s + x[..., 1::2] * c
        return y
    hide = np.arange(count)[None, :] > np.arange(count)[:, None]
    x = W['token_embd.weight'][ids]
    for i in range(key('block_count') - key('nextn_predict_layers', 0)):
        w = lambda name: W.get('blk.%d.%s.weight' % (i, name))
        n = rms(x, w('attn_norm'))
        q = n @ w('attn_q').T if w('attn_q') is not None else rms(n @ w('attn_q_a').T, w('attn_q_a_norm')) @ w('attn_q_b').T
        q = q.reshape(count, H, N + T)
        both = n @ w('attn_kv_a_mqa').T
        latent = rms(both[:, :R], w('attn_kv_a_norm'))
        if newer:
            still, v = np.einsum('hrn,sr->shn', w('attn_k_b'), latent), np.einsum('hvr,sr->shv', w('attn_v_b'), latent)
        else:
            made = (latent @ w('attn_kv_b').T).reshape(count, H, N + value)
            still, v = made[..., :N], made[..., N:]
        turned = rope(both[:, None, R:]).repeat(H, 1)
        a = np.einsum('thd,shd->hts', np.concatenate([q[..., :N], rope(q[..., N:])], -1), np.concatenate([still, turned], -1))
        a = np.where(hide, -np.inf, a * grown / math.sqrt(size))
        a = np.exp(a - a.max(-1, keepdims=True))
        a /= a.sum(-1, keepdims=True)
        x = x + np.einsum('hts,shv->thv', a, v).reshape(count, -1) @ w('attn_output').T
        n = rms(x, w('ffn_norm'))
        if E and i >= key('leading_dense_block_count'):
            z = n @ w('ffn_gate_inp').T
            z -= z.max(-1, keepdims=True) * (key('expert_gating_func', 1) == 1)
            p = 1 / (1 + np.exp(-z)) if key('expert_gating_func', 1) == 2 else np.exp(z) / np.exp(z).sum(-1, keepdims=True)
            b = net(n, w('ffn_gate_shexp'), w('ffn_up_shexp'), w('ffn_down_shexp'))
            for t in range(count):
                rank = p[t] + W.get('blk.%d.exp_probs_b.bias' % i, np.zeros(E)).reshape(-1)
                groups = key('expert_group_count', 1)
                if groups > 1:
                    promise = np.sort(rank.reshape(groups, -1), -1)[:, -2:].sum(-1)
                    best = np.argsort(-promise, kind='stable')[:key('expert_group_used_count')]
                    rank = np.where(np.isin(np.arange(E) // (E // groups), best), rank, -np.inf)
                top = np.argsort(-rank, kind='stable')[:key('expert_used_count')]
                weight = p[t, top] / (p[t, top].sum() if key('expert_weights_norm') else 1) * (key('expert_weights_scale') or 1)
                for e, y in zip(top, weight):
                    b[t] += y * net(n[t:t + 1], *(w('ffn_%s_exps' % m)[e] for m in ('gate', 'up', 'down')))[0]
        else:
            b = net(n, w('ffn_gate'), w('ffn_up'), w('ffn_down'))
        x = x + (rms(b, w('post_ffw_norm')) if w('post_ffw_norm') is not None else b)
    return rms(x, W['output_norm.weight']) @ W.get('output.weight', W['token_embd.weight']).T


BASE = dict(width=64, ffn=96, layers=3, heads=4, latent=32, turned=16, still=32, value=32, short=0, vocab=600, type='f32',
            older=False, untied=True, further=0, experts=0, expert_ffn=32, shared=0, used=0, dense=0, gating=0, bias=False,
            groups=None, scale=0.0, normal=False, yarn=None, after=False, pre='deepseek-v3', enter=None, keys={})
# as Kanana 2 (queries made at once, 27 layers, which other engines know such models by) and A.X K1 have it, made small
LITE = dict(layers=27, experts=8, used=3, shared=2, dense=1, gating=2, bias=True, scale=2.448, normal=True, pre='kanana2')
LARGE = dict(short=48, experts=12, used=4, shared=1, dense=1, gating=2, bias=True, scale=2.5, normal=True, groups=(4, 2))
YARN = (40.0, 64, 1.0)


def cases(rng):
    pick = lambda **more: {**BASE, 'heads': rng.choice([1, 3, 4, 7]), 'latent': rng.choice([32, 48, 96]),
                           'turned': rng.choice([8, 16]), 'still': rng.choice([16, 32, 24]), 'value': rng.choice([8, 32, 40]),
                           'untied': rng.random() < .5, 'older': rng.random() < .5, **more}
    for older in (False, True):
        yield pick(short=48, older=older)
        yield pick(short=40, older=older, yarn=YARN)
        yield pick(**LITE, older=older)
        yield pick(**LARGE, older=older, yarn=(rng.choice([2.0, 8.0]), 128, rng.choice([0.707, 1.0])))
        yield pick(short=64, experts=6, used=2, shared=2, dense=0, scale=rng.choice([0.0, 16.0]), older=older)
    yield pick(**LARGE, older=False, after=True)
    yield pick(**LARGE, older=False, further=1)
    for kind, older in (('q4_1', False), ('q5_1', False), ('q5_1', True)):
        yield pick(short=48, enter=kind, still=32, latent=96, older=older)
    for kind in ('f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'):
        for older in (False, True):
            size = dict(type=kind, older=older, heads=rng.choice([2, 5]), width=256, latent=rng.choice([256, 512]), still=32,
                        value=rng.choice([32, 64]), ffn=256)
            if kind.endswith('k'):
                size.update(still=256 if older else 128, value=64, heads=4)
            # Every expert is used: else a rounding chooses another one, and the error says nothing.
            yield pick(**{**LARGE, 'short': 256, 'expert_ffn': 256, 'yarn': (4.0, 64, 1.0), 'scale': 1.0, 'experts': 3, 'used': 3, 'groups': None, 'layers': 2, **size})


REFUSED = [{'rope.scaling.type': 'linear', 'rope.scaling.factor': 4.0}, {'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4.0},
           {'attention.temperature_scale': 0.1}, {'rope.scaling.attn_factor': 0.5}, {'expert_gating_func': 3},
           {'expert_group_count': 5, 'expert_group_used_count': 2}, {'rope.scaling.yarn_attn_factor': 0.5,
            'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4.0, 'rope.scaling.yarn_log_multiplier': 0.1}]


def beside(peer, path, o, ids, lines, greedy):
    """what is wrong beside llama.cpp, and our error as a part of its own"""
    ask = lambda *force: subprocess.run([peer, 'logits', path, ','.join(map(str, ids)), '8', '10', *force],
                                        capture_output=True, text=True)
    out = ask(','.join(map(str, greedy)))
    if out.returncode:
        return 'llama.cpp refuses it: ' + out.stderr.strip()[-200:], 0
    theirs = [json.loads(line) for line in out.stdout.splitlines()][:-1]
    exact = forward(path, [line['token'] for line in theirs])
    error = lambda all: float(np.mean([abs(exact[line['pos']][i] - v) for line in all for i, v in line['top']]))
    ratio, mine = error(lines) / error(theirs), [line['top'][0][0] for line in lines]
    if o['type'] != 'f32' or o['enter'] is not None:
        return 'an error over 1.25 of llama.cpp' if ratio > 1.25 else '', ratio
    apart = max(abs(dict(a['top'])[i] - v) for a, b in zip(lines, theirs) for i, v in b['top'] if i in dict(a['top']))
    other = any(m != b['top'][0][0] and b['top'][0][1] - b['top'][1][1] > 1e-4 for m, b in zip(mine, theirs))
    return 'llama.cpp is %.1e away' % apart if apart > 1e-3 else 'another token than llama.cpp' if other else '', ratio


def main():
    engine, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng, failures, count, peer = random.Random(seed), 0, 0, os.environ.get('LLAMA_PEER')
    with tempfile.TemporaryDirectory() as folder:
        folder = sys.argv[3] if len(sys.argv) > 3 else folder
        for count, o in enumerate(cases(rng), 1):
            path = os.path.join(folder, 'latent-%d.gguf' % (count if len(sys.argv) > 3 else 0))
            make(path, o, seed * 1000 + count)
            ids = [rng.randrange(o['vocab']) for _ in range(70)]
            label = ' '.join('%s=%s' % (k, v) for k, v in o.items() if v != BASE[k])
            for extra in ([], ['--batch', '7'], ['--plain', '--batch', '1', '--threads', '2']):
                out = subprocess.run([engine, 'logits', '--model', path, '--tokens', ','.join(map(str, ids)), '--top', '10',
                                      '--steps', '8', *extra], capture_output=True, text=True)
                if out.returncode:
                    failures += 1
                    print('FAIL', label, *extra, out.stderr.strip()[:300])
                    continue
                lines = [json.loads(line) for line in out.stdout.splitlines()]
                greedy = lines.pop()['greedy']
                exact = forward(path, [line['token'] for line in lines])
                errors = [abs(exact[line['pos']][i] - v) for line in lines for i, v in line['top']]
                crossed = max(exact[line['pos']].max() - exact[line['pos']][line['top'][0][0]] for line in lines)
                # Halves in place of a type that no kernel knows: its values are rounded to 11 bits.
                limit = 1e-3 if o['enter'] is None else 2e-2
                bad = max(errors) >= limit or crossed > limit / 10 if o['type'] == 'f32' else \
                    np.mean(errors) > LIMITS[o['type']] * max(1, exact.std() / 4.2) or crossed > 1
                other = ''
                if peer and not extra and not o['after']:  # no other engine knows A.X K1's norm
                    wrong, ratio = beside(peer, path, o, ids, lines, greedy)
                    other, bad = ' %.2f of llama.cpp' % ratio + (': ' + wrong if wrong else ''), bool(wrong)
                failures += bad
                print('%s%-12s %-22s mean %.1e max %.1e crossed %.2f%s  %s' % ('FAIL ' if bad else '', o['type'],
                      ' '.join(extra), np.mean(errors), max(errors), crossed, other, label[:180]), flush=True)
        for keys in REFUSED:
            path = os.path.join(folder, 'refused.gguf')
            make(path, {**BASE, **LARGE, 'gating': 0 if 'expert_gating_func' in keys else 2, 'groups': None, 'keys': keys}, seed)
            out = subprocess.run([engine, 'logits', '--model', path, '--tokens', '1,2'], capture_output=True, text=True)
            # By its own name, or as one of several.
            good = out.returncode == 2 and any(k in out.stderr or k.rsplit('.', 1)[0] in out.stderr for k in keys) or \
                'groups' in out.stderr and 'expert_group_count' in keys
            failures += not good
            if not good:
                print('FAIL not refused:', keys, out.stderr[:300])
    print('attention in a latent: %d models, %d failures' % (count, failures))
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
