"""The transformer that GGUF's architecture "llama" means, small: RMSNorm, interleaved rotary positions, grouped-query
attention, SwiGLU, and the embedding used again as output."""
import torch
import torch.nn.functional as F

SHAPE = {"layers": 4, "width": 256, "heads": 4, "heads_kv": 2, "hidden": 512, "context": 1024, "epsilon": 1e-5, "base": 10000.0}


def tensors_of(shape, vocabulary):
    """Name and shape of every tensor, in GGUF's words, in the order of the file."""
    width, hidden, head = shape["width"], shape["hidden"], shape["width"] // shape["heads"]
    out = {"token_embd.weight": (vocabulary, width), "output_norm.weight": (width,)}
    for layer in range(shape["layers"]):
        here = f"blk.{layer}."
        out |= {here + "attn_norm.weight": (width,), here + "attn_q.weight": (width, width),
                here + "attn_k.weight": (shape["heads_kv"] * head, width),
                here + "attn_v.weight": (shape["heads_kv"] * head, width), here + "attn_output.weight": (width, width),
                here + "ffn_norm.weight": (width,), here + "ffn_gate.weight": (hidden, width),
                here + "ffn_up.weight": (hidden, width), here + "ffn_down.weight": (width, hidden)}
    return out


def begin(shape, vocabulary, generator):
    """Fresh weights: norms one, matrices normal, those that write into the residual stream smaller."""
    weights = {}
    for name, size in tensors_of(shape, vocabulary).items():
        deviation = 0.02
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            deviation /= (2 * shape["layers"]) ** 0.5
        fresh = torch.ones(size) if len(size) == 1 else torch.randn(size, generator=generator) * deviation
        weights[name] = fresh.requires_grad_()
    return weights


def norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotate(x, cosine, sine):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(-2)


def hidden_states(weights, shape, tokens, half=False):
    """The last layer's normed states [batch, time, width]. half: matrices in bfloat16, for training."""
    heads, kv, head = shape["heads"], shape["heads_kv"], shape["width"] // shape["heads"]
    batch, time = tokens.shape

    def linear(x, matrix):
        return F.linear(x.bfloat16(), matrix.bfloat16()) if half else F.linear(x, matrix)
    angle = torch.arange(time)[:, None] * shape["base"] ** (-torch.arange(0, head, 2) / head)
    cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
    future = torch.full((time, time), float("-inf")).triu(1)
    x = F.embedding(tokens, weights["token_embd.weight"])
    for layer in range(shape["layers"]):
        w = {name: weights[f"blk.{layer}.{name}.weight"] for name in (
            "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")}
        c = norm(x, w["attn_norm"], shape["epsilon"])
        if half:
            c = c.bfloat16()
        q = rotate(linear(c, w["attn_q"]).view(batch, time, heads, head).float(), cosine, sine)
        k = rotate(linear(c, w["attn_k"]).view(batch, time, kv, head).float(), cosine, sine)
        v = linear(c, w["attn_v"]).view(batch, time, kv, head)
        if half:
            q, k = q.bfloat16(), k.bfloat16()
        group = heads // kv  # the query heads of one key head lie side by side
        q = q.view(batch, time, kv, group, head).permute(0, 2, 3, 1, 4).reshape(batch * kv, group * time, head)
        k = k.permute(0, 2, 3, 1).reshape(batch * kv, head, time)
        v = v.permute(0, 2, 1, 3).reshape(batch * kv, time, head)
        scores = torch.bmm(q * head ** -0.5, k).float().view(batch * kv, group, time, time) + future
        mixed = torch.bmm(scores.softmax(-1).to(v.dtype).view(batch * kv, group * time, time), v)
        mixed = mixed.view(batch, kv, group, time, head).permute(0, 3, 1, 2, 4).reshape(batch, time, heads * head)
        x = x + linear(mixed, w["attn_output"])
        c = norm(x, w["ffn_norm"], shape["epsilon"])
        if half:
            c = c.bfloat16()
        x = x + linear(F.silu(linear(c, w["ffn_gate"])) * linear(c, w["ffn_up"]), w["ffn_down"])
    return norm(x, weights["output_norm.weight"], shape["epsilon"])


def logits(weights, states, half=False):
    matrix = weights["token_embd.weight"]
    return F.linear(states.bfloat16(), matrix.bfloat16()).float() if half else F.linear(states, matrix)


@torch.no_grad()
def greedy(weights, shape, tokens, stop, limit=200):
    """The most likely continuation of one prompt, computed anew for every token: slow and plain."""
    tokens, start = list(tokens), len(tokens)
    while len(tokens) - start < limit:
        states = hidden_states(weights, shape, torch.tensor([tokens]))
        token = int(logits(weights, states[0, -1]).argmax())
        if token == stop:
            break
        tokens.append(token)
    return tokens[start:]
