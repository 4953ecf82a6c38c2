#!/usr/bin/env python3
"""The generator of random-weight models with its inner loops in C (weights.c): the same bytes, an 8 B model in seconds.
  make_model.py LIBRARY GENERATOR_FOLDER ARGUMENTS...    ARGUMENTS as for gen_gguf.py
  make_model.py LIBRARY GENERATOR_FOLDER --check VOCAB   small models of every type, byte for byte beside the generator's
"""
import ctypes, filecmp, os, subprocess, sys, tempfile
library, folder, *arguments = sys.argv[1:]
if arguments[:1] == ['--check']:
    with tempfile.TemporaryDirectory() as place:
        wrong = 0
        for size, kind in (('tiny', 'f32'), ('tiny', 'bf16'), ('tiny', 'f16'), ('tiny', 'q8_0'), ('small', 'q4_k'), ('small', 'q6_k'), ('small', 'q4_k_m')):
            options = ['--size', size, '--type', kind, '--vocab', arguments[1], '--nvocab', '500']
            for tool, name in (([os.path.join(folder, 'gen_gguf.py')], 'a'), ([sys.argv[0], library, folder], 'b')):
                subprocess.run([sys.executable, *tool, *options, '-o', os.path.join(place, name)], check=True, stdout=subprocess.DEVNULL)
            same = filecmp.cmp(os.path.join(place, 'a'), os.path.join(place, 'b'), shallow=False); wrong += not same
            print('%-6s %-7s %s' % (size, kind, 'equal' if same else 'DIFFERS'))
    sys.exit(1 if wrong else 0)
sys.path.insert(0, folder)
import numpy as np
import gen_gguf as g
c = ctypes.CDLL(os.path.abspath(library)); u64, real, whole = ctypes.c_uint64, ctypes.c_double, ctypes.c_int

class Elements:
    """amp * uniform + middle, not computed yet"""
    def __init__(self, base, first, count, amp=1.0, middle=0.0): self.base, self.first, self.count, self.amp, self.middle = base, first, count, amp, middle
    def __mul__(self, by): return Elements(self.base, self.first, self.count, self.amp * by, self.middle)
    def __add__(self, more): return Elements(self.base, self.first, self.count, self.amp, self.middle + more)
slow_uni, slow_f32, slow_enc = g.Rng.uni, g.f32, g.enc
g.f32 = lambda v: v if isinstance(v, Elements) else slow_f32(v)
def enc(kind, v):
    if not isinstance(v, Elements): return slow_enc(kind, v)
    out = np.empty(v.count // g.GT[kind][1] * g.GT[kind][2], np.uint8); to = out.ctypes.data_as(ctypes.c_void_p)
    if kind == 'q8_0': c.weights_q8(u64(v.base), u64(v.first), u64(v.count), real(v.amp), real(v.middle), to)
    else: c.weights_sixteen(u64(v.base), u64(v.first), u64(v.count), real(v.amp), real(v.middle), whole(kind == 'bf16'), to)
    return memoryview(out)
def kblocks(kind, rng, first, count, amp):
    out = np.empty(count * (144 if kind == 'q4_k' else 210), np.uint8); d = g.half(amp / (7.5 * 56 if kind == 'q4_k' else 32 * 96))
    head = g.struct.pack('<ee', d, 7.5 * d if kind == 'q4_k' else 0)
    c.weights_k(u64(rng.base), u64(first), u64(count), whole(kind == 'q6_k'), head, out.ctypes.data_as(ctypes.c_void_p))
    return memoryview(out)
g.enc, g.kblocks = enc, kblocks
fast = '--type' in arguments and arguments[arguments.index('--type') + 1] in ('bf16', 'f16', 'q8_0')
# A tensor is a matrix where its type is asked for; norms are F32 and take the slow way.
plain_tensors = g.tensors
def tensors(a, arch):
    global norms
    out = plain_tensors(a, arch); norms = {(42 ^ g.fnv(n)) & g.M64 for n, dims, kind, amp in out if kind != 'w'}
    return out
g.tensors = tensors
g.Rng.uni = lambda self, first, count: Elements(self.base, first, count) if fast and self.base not in norms else slow_uni(self, first, count)
sys.argv = [sys.argv[0], *arguments]
g.main()
