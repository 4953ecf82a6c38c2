#!/usr/bin/env python3
"""A decoder of the 8 B bench model's shape in PyTorch, as fast as it goes without a server: bf16, static cache, SDPA, its layer
compiled once, a whole step recorded as a CUDA graph. One JSON line. Exit 77 where there is no torch or no GPU.
  torch_decoder.py [SMALL]    SMALL: a tiny shape, to see whether it runs at all (also on a processor, uncompiled)"""
import json, sys, time
try: import torch, torch.nn.functional as F
except ImportError: print('SKIP PyTorch: no torch', file=sys.stderr); sys.exit(77)
small = len(sys.argv) > 1; gpu = torch.cuda.is_available()
if not gpu and not small: print('SKIP PyTorch: no GPU', file=sys.stderr); sys.exit(77)
width, ffn, layers, heads, kv_heads, size, vocabulary = (64, 192, 2, 4, 2, 16, 500) if small else (4096, 14336, 32, 32, 8, 128, 128256)
device, kind = ('cuda' if gpu else 'cpu'), torch.bfloat16
torch.manual_seed(1); torch.set_grad_enabled(False)
def matrix(rows, columns): return torch.randn(rows, columns, device=device, dtype=kind) * columns ** -0.5
def norm(x, w): return F.rms_norm(x, (x.shape[-1],), w, 1e-5)
weights = [[torch.ones(width, device=device, dtype=kind), matrix((heads + 2 * kv_heads) * size, width), matrix(width, heads * size),
            torch.ones(width, device=device, dtype=kind), matrix(2 * ffn, width), matrix(width, ffn)] for _ in range(layers)]
embedding, last = matrix(vocabulary, width), torch.ones(width, device=device, dtype=kind)
frequencies = 500000.0 ** (-torch.arange(0, size, 2, device=device) / size)

def turn(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(kind)

def layer(x, w0, w1, w2, w3, w4, w5, keys, values, at, cos, sin, mask, causal: bool):
    batch, rows, _ = x.shape
    q, k, v = F.linear(norm(x, w0), w1).split((heads * size, kv_heads * size, kv_heads * size), -1)
    q, k, v = (z.view(batch, rows, -1, size).transpose(1, 2) for z in (q, k, v))
    q, k = turn(q, cos, sin), turn(k, cos, sin)
    keys.index_copy_(2, at, k); values.index_copy_(2, at, v)
    if causal: o = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    else: o = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)
    x = x + F.linear(o.transpose(1, 2).reshape(batch, rows, heads * size), w2)
    gate, up = F.linear(norm(x, w3), w4).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, w5)

def median_seconds(run, times):
    found = []
    for i in range(times + 3):
        if gpu: torch.cuda.synchronize()
        start = time.perf_counter(); run()
        if gpu: torch.cuda.synchronize()
        if i >= 3: found.append(time.perf_counter() - start)
    return sorted(found)[len(found) // 2]

def measure(batch, rows, context, times):
    """Seconds of a step of `rows` rows each of `batch` sequences, the last at `context`."""
    torch._dynamo.reset() if gpu else None
    one = torch.compile(layer, fullgraph=True, dynamic=False, options={'coordinate_descent_tuning': True}) if gpu else layer
    length = (context + 127) // 128 * 128
    caches = [(torch.zeros(batch, kv_heads, length, size, device=device, dtype=kind), torch.zeros(batch, kv_heads, length, size, device=device, dtype=kind)) for _ in range(layers)]
    tokens = torch.randint(0, vocabulary, (batch, rows), device=device); at = torch.arange(context - rows, context, device=device)
    def step():
        angle = at[:, None].float() * frequencies; cos, sin = angle.cos(), angle.sin()
        mask = (torch.arange(length, device=device)[None, :] <= at[:, None])[None, None]
        x = F.embedding(tokens, embedding)
        for w, (k, v) in zip(weights, caches): x = one(x, *w, k, v, at, cos, sin, mask, rows > 1)
        return F.linear(norm(x[:, -1], last), embedding).argmax(-1)
    step()
    if not gpu: return median_seconds(step, times)
    stream = torch.cuda.Stream(); stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3): step()
    torch.cuda.current_stream().wait_stream(stream); graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph): step()
    return median_seconds(graph.replay, times)

out = {'torch': torch.__version__}
for name, batch, rows, context, times in (('decode', 1, 1, 128, 30), ('parallel', 64, 1, 1024, 20), ('prefill', 1, 2048, 2048, 10)):
    if small: batch, rows, context, times = min(batch, 3), min(rows, 40), min(context, 64), 2
    try: out[name + '_tokens_per_second'] = round(batch * rows / measure(batch, rows, context, times), 1)
    except Exception as error: out[name + '_failed'] = str(error)[:300]
print(json.dumps(out))
