#!/usr/bin/env python3
"""haechi-engine with scaled positions, beside an exact float64 oracle: linear, YaRN, and divisors of the frequencies.

Takes models of $HAECHI_SHARED (or ../shared), gives them keys of scaling, and computes the frequencies anew from the
papers (linear: Chen et al. 2023; YaRN: Peng et al. 2023, as transformers' modeling_rope_utils has it; Llama 3's are
divisors in rope_freqs.weight). F32: logits within 1e-3, the same best token. What is not known is refused by name.
Skipped visibly where data, oracle or numpy are absent. Usage: engine_rope.py ENGINE
"""
import json, math, os, struct, subprocess, sys, tempfile

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
shared = os.environ.get('HAECHI_SHARED') or os.path.join(os.path.dirname(root), 'shared')
sys.path.insert(0, os.path.join(shared, 'tools'))
try:
    import numpy as np
    import ref_np
except ImportError:
    print('SKIP scaled positions: no numpy, or no oracle in', shared)
    sys.exit(0)
ENGINE = sys.argv[1]
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class Gguf:
    """A file as keys in their bytes and tensors in theirs, so that both can be changed."""

    def __init__(self, path):
        self.bytes, at = open(path, 'rb').read(), 24
        self.tensor_count, count = struct.unpack_from('<QQ', self.bytes, 8)
        self.keys = {}
        for _ in range(count):
            begin = at
            name, at = self.string(at)
            kind, at = struct.unpack_from('<I', self.bytes, at)[0], at + 4
            at = self.skip(kind, at)
            self.keys[name.decode()] = self.bytes[begin:at]
        self.tensors = []
        for _ in range(self.tensor_count):
            name, at = self.string(at)
            dims = struct.unpack_from('<I', self.bytes, at)[0]
            shape = struct.unpack_from('<%dQ' % dims, self.bytes, at + 4)
            kind, offset = struct.unpack_from('<IQ', self.bytes, at + 4 + 8 * dims)
            at += 16 + 8 * dims
            self.tensors.append([name, shape, kind, offset])
        data = self.bytes[(at + 31) // 32 * 32:]
        ends = sorted(t[3] for t in self.tensors) + [len(data)]
        for tensor in self.tensors:
            tensor[3] = data[tensor[3]:ends[ends.index(tensor[3]) + 1]]

    def string(self, at):
        size = struct.unpack_from('<Q', self.bytes, at)[0]
        return self.bytes[at + 8:at + 8 + size], at + 8 + size

    def skip(self, kind, at):
        if kind == 8:
            return self.string(at)[1]
        if kind != 9:
            return at + SIZES[kind]
        element, count = struct.unpack_from('<IQ', self.bytes, at)
        at += 12
        if element != 8:
            return at + count * SIZES[element]
        for _ in range(count):
            at = self.string(at)[1]
        return at

    def put(self, name, value):
        text = lambda s: struct.pack('<Q', len(s.encode())) + s.encode()
        raw = (struct.pack('<I', 8) + text(value) if isinstance(value, str) else
               struct.pack('<II', 4, value) if isinstance(value, int) else struct.pack('<If', 6, value))
        self.keys[name] = text(name) + raw

    def write(self, path):
        out, infos, data = b'', b'', b''
        for name, shape, kind, values in self.tensors:
            infos += struct.pack('<Q', len(name)) + name + struct.pack('<I', len(shape))
            infos += struct.pack('<%dQ' % len(shape), *shape) + struct.pack('<IQ', kind, len(data))
            data += values + b'\0' * (-len(values) % 32)
        out = b'GGUF' + struct.pack('<IQQ', 3, len(self.tensors), len(self.keys)) + b''.join(self.keys.values()) + infos
        open(path, 'wb').write(out + b'\0' * (-len(out) % 32) + data)


def expected(model, scaling, context):
    """Frequencies and the factor of cosine and sine, by the papers."""
    dim, base = model.rd, model.base
    inverse = base ** (-np.arange(0, dim, 2) / dim)
    if 'rope_freqs.weight' in model.w:
        inverse = inverse / model.w['rope_freqs.weight'].reshape(-1)
    kind = scaling.get('rope.scaling.type', 'linear')
    factor = scaling.get('rope.scaling.factor', scaling.get('rope.scale_linear', 1.0))
    if kind == 'none':
        return inverse, 1.0
    if kind == 'linear':
        return inverse / factor, 1.0
    original = scaling.get('rope.scaling.original_context_length', context)
    where = lambda turns: dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))
    low = max(math.floor(where(scaling.get('rope.scaling.yarn_beta_fast', 32.0))), 0)
    high = min(math.ceil(where(scaling.get('rope.scaling.yarn_beta_slow', 1.0))), dim - 1)
    ramp = np.clip((np.arange(dim // 2) - low) / max(high - low, 0.001), 0, 1)
    magnitude = (0.1 * math.log(factor) + 1 if factor > 1 else 1.0) * scaling.get('rope.scaling.attn_factor', 1.0)
    return inverse / factor * ramp + inverse * (1 - ramp), magnitude


def turned(model, magnitude):
    plain = model.rope

    def rope(x, position):
        y = plain(x, position)
        y[..., :model.rd] *= magnitude
        return y
    model.rope = rope


def logits(path, ids):
    return subprocess.run([ENGINE, 'logits', '--model', path, '--tokens', ','.join(map(str, ids)), '--top', '10'],
                          capture_output=True, text=True)


YARN = {'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4.0, 'rope.scaling.original_context_length': 64}
CASES = [{'rope.scaling.type': 'linear', 'rope.scaling.factor': 4.0}, {'rope.scaling.factor': 2.0},
         {'rope.scale_linear': 2.0},
         {'rope.scaling.type': 'none', 'rope.scaling.factor': 4.0}, YARN,
         {**YARN, 'rope.scaling.factor': 16.0, 'rope.scaling.original_context_length': 4096},
         {**YARN, 'rope.scaling.attn_factor': 0.8, 'rope.scaling.yarn_beta_fast': 8.0, 'rope.scaling.yarn_beta_slow': 2.0},
         {**YARN, 'rope.scaling.factor': 0.5}, {**YARN, 'rope.scaling.yarn_ext_factor': 1.0}]
REFUSED = [{'rope.scaling.type': 'longrope', 'rope.scaling.factor': 4.0}, {**YARN, 'rope.scaling.yarn_log_multiplier': 0.1},
           {**YARN, 'rope.scaling.yarn_ext_factor': 0.5}]
failures = count = 0
with tempfile.TemporaryDirectory() as folder:
    path, other = os.path.join(folder, 'm.gguf'), os.path.join(folder, 'same.gguf')
    for name in ('llama-tiny-f32', 'qwen3-tiny-f32', 'exaone-tiny-f32'):
        source = os.path.join(shared, 'data/engine/models', name + '.gguf')
        if not os.path.exists(source):
            print('SKIP', name)
            continue
        architecture = name.split('-')[0]
        for scaling in CASES + [dict(YARN, divisors=1)] + REFUSED:
            gguf = Gguf(source)
            for key, value in scaling.items():
                if key != 'divisors':
                    gguf.put(architecture + '.' + key, value)
            pairs = ref_np.Model(source).rd // 2
            if 'divisors' in scaling and not any(t[0] == b'rope_freqs.weight' for t in gguf.tensors):
                gguf.tensors.append([b'rope_freqs.weight', (pairs,), 0,
                                     struct.pack('<%df' % pairs, *(1 + 7 * i / pairs for i in range(pairs)))])
            gguf.write(path)
            ids = [(i * 37 + 11) % 200 for i in range(70)]
            out, count = logits(path, ids), count + 1
            label = '%s %s' % (name, ' '.join('%s=%s' % (k.split('.')[-1], v) for k, v in scaling.items()))
            if scaling in REFUSED:
                good = out.returncode == 2 and 'rope.scaling' in out.stderr
                failures += not good
                if not good:
                    print('FAIL not refused:', label, out.stderr[:200])
                continue
            if out.returncode:
                failures += 1
                print('FAIL', label, out.stderr[:300])
                continue
            lines = [json.loads(line) for line in out.stdout.splitlines()]
            lines = [line for line in lines if 'pos' in line]
            model = ref_np.Model(path)
            context = ref_np.load(path)[0][architecture + '.context_length']
            model.inv, magnitude = expected(model, scaling, context)
            turned(model, magnitude)
            errors, same = [], True
            for line, exact in zip(lines, model.fwd(ids)):
                errors += [abs(exact[i] - value) for i, value in line['top']]
                same &= exact.max() - exact[line['top'][0][0]] < 1e-5
            bad = max(errors) >= 1e-3 or not same
            failures += bad
            print('%s%-110s max |dlogit| %.1e' % ('FAIL ' if bad else '', label, max(errors)))
print('scaled positions: %d models, %d failed' % (count, failures))
sys.exit(1 if failures else 0)
