#!/usr/bin/python3
"""Makes haechi-demo.gguf: learns a vocabulary and a small transformer from corpus/ and writes both as GGUF.

    nice /usr/bin/python3 inference/demo/train.py --tokens 8 --out inference/demo/haechi-demo.gguf

Needs Debian's python3-torch and python3-numpy and one core; no network, no other text than corpus/.
"""
import argparse
import collections
import math
import pathlib
import random
import time

import torch
import torch.nn.functional as F

import bpe
import check
import corpus
import gguf
import model

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
DESCRIPTION = ("해치의 시연용 소형 모델. 해치와 인공지능기본법에 대한 문답만 배웠으며 법률 자문이 아니다. / "
               "Haechi's small demo model. It learned only questions and answers about Haechi and Korea's AI Basic Act, "
               "and is no legal advice.")


def learn_vocabulary(entries, around, size):
    """Merges from what the model will read and say; answers count more than phrasings because they recur more."""
    counts = collections.Counter()

    def count(text, times):
        for piece in bpe.pieces(text):
            counts[piece] += times
    for entry in entries.values():
        count(entry.answer, 20)
        count(corpus.basis(entry) or "", 3)
        for text in entry.asks + entry.made:
            count(text, 2)
    for texts in [*around["follow"].values(), *around["system"].values()]:
        for text in texts:
            count(text, 2)
    for role in ("system", "user", "assistant"):
        count(role, 1000)
    return bpe.Tokenizer(bpe.learn(counts, size - 256 - len(CONTROLS)), CONTROLS)


def to_tokens(tokenizer, turns, generator):
    """ChatML token ids, and which of them are learnt: the answers and the token that ends them."""
    start, end, line = tokenizer.ids["<|im_start|>"], tokenizer.ids["<|im_end|>"], tokenizer.encode("\n")
    tokens, learnt = [], []
    for role, text in turns:
        head = [start, *tokenizer.encode(role), *line]
        whole = role == "assistant" or generator.random() < 0.65
        body = [*(tokenizer.encode(text) if whole else tokenizer.encode_broken(text, 0.1, generator)), end]
        tokens += head + body + line
        learnt += [False] * len(head) + [role == "assistant"] * len(body) + [False] * len(line)
    return tokens, learnt


def smudge(tokens, learnt, tokenizer, generator, share=0.04):
    """Replace a few tokens of the questions by others, so that no single one decides."""
    return [generator.randrange(tokenizer.normal) if not keep and token < tokenizer.normal and generator.random() < share
            else token for token, keep in zip(tokens, learnt)]


def telling_lengths(entries, tokenizer):
    """How many of an answer's first tokens it takes to know it among all, and one more."""
    answers = {entry.answer: tokenizer.encode(entry.answer) for entry in entries.values()}
    lengths = {}
    for text, mine in answers.items():
        shared = max(next((i for i, (a, b) in enumerate(zip(mine, other)) if a != b), min(len(mine), len(other)))
                     for name, other in answers.items() if name != text)
        lengths[text] = min(len(mine), shared + 2)
    return lengths


def batches(speaker, tokenizer, generator, budget, cut):
    """Endless batches of (tokens, places of the states that predict, what they predict), padded, of about `budget` tokens.

    cut: the share of single questions whose answer is broken off once it is clear which it is: that is the hard part,
    and the same work sees several times more questions."""
    end, enough = tokenizer.ids["<|im_end|>"], telling_lengths(speaker.entries, tokenizer)
    while True:
        pool = []
        for _ in range(1024):
            if generator.random() < 0.02:
                question, answer = speaker.plain()
                head, body = tokenizer.encode(question), [*tokenizer.encode(answer), end]
                tokens, learnt = head + body, [False] * len(head) + [True] * len(body)
            else:
                turns = speaker.conversation(single=cut)
                tokens, learnt = to_tokens(tokenizer, turns, generator)
                if len(turns) == 2 and generator.random() < cut:
                    stop = learnt.index(True) + enough[turns[1][1]]
                    tokens, learnt = tokens[:stop], learnt[:stop]
            pool.append((smudge(tokens, learnt, tokenizer, generator), tokens, learnt))
        pool.sort(key=lambda item: len(item[0]))
        groups, group = [], []
        for item in pool:
            if group and (len(group) + 1) * len(item[0]) > budget:
                groups.append(group)
                group = []
            group.append(item)
        generator.shuffle(groups)
        for group in groups:
            width = max(len(item[0]) for item in group)
            inputs = torch.tensor([item[0] + [0] * (width - len(item[0])) for item in group])
            places = [row * width + at - 1 for row, item in enumerate(group) for at, keep in enumerate(item[2]) if keep]
            wanted = [item[1][at] for item in group for at, keep in enumerate(item[2]) if keep]
            yield inputs, torch.tensor(places), torch.tensor(wanted)


def train(weights, shape, source, tokens, rate, report):
    """AdamW under a cosine over `tokens`: by work and not by the clock, so that a busy machine learns the same."""
    matrices = [tensor for tensor in weights.values() if tensor.ndim == 2]
    vectors = [tensor for tensor in weights.values() if tensor.ndim == 1]
    optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                  betas=(0.9, 0.98), eps=1e-8)
    begun, step, seen, shown, total = time.time(), 0, 0, 0, 0.0
    while seen < tokens:
        now = rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * (1 + math.cos(math.pi * seen / tokens)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = now
        inputs, places, wanted = next(source)
        states = model.hidden_states(weights, shape, inputs, half=True).flatten(0, 1)
        loss = F.cross_entropy(model.logits(weights, states[places], half=True), wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimiser.step()
        step, seen, total = step + 1, seen + inputs.numel(), total + loss.item()
        if step % report == 0:
            spent = (time.time() - begun) / 60
            print(f"{spent:6.1f} min  step {step:6d}  tokens {seen / 1e6:6.2f} M  loss {total / (step - shown):.4f}  "
                  f"{seen / 60 / max(spent, 0.01):.0f} tokens/s", flush=True)
            shown, total = step, 0.0
    return step, seen


def write(path, weights, shape, tokenizer):
    ends = {token: number for token, number in tokenizer.ids.items() if token in CONTROLS}
    normal = len(tokenizer.tokens) - len(CONTROLS)
    pairs = [
        ("general.architecture", gguf.STRING, "llama"), ("general.name", gguf.STRING, "haechi-demo"),
        ("general.author", gguf.STRING, "The Haechi project"), ("general.license", gguf.STRING, "apache-2.0"),
        ("general.description", gguf.STRING, DESCRIPTION), ("general.languages", (gguf.ARRAY, gguf.STRING), ["ko", "en"]),
        ("general.file_type", gguf.U32, 7), ("general.quantization_version", gguf.U32, 2),
        ("llama.block_count", gguf.U32, shape["layers"]), ("llama.context_length", gguf.U32, shape["context"]),
        ("llama.embedding_length", gguf.U32, shape["width"]), ("llama.feed_forward_length", gguf.U32, shape["hidden"]),
        ("llama.attention.head_count", gguf.U32, shape["heads"]),
        ("llama.attention.head_count_kv", gguf.U32, shape["heads_kv"]),
        ("llama.attention.layer_norm_rms_epsilon", gguf.FLOAT, shape["epsilon"]),
        ("llama.rope.dimension_count", gguf.U32, shape["width"] // shape["heads"]),
        ("llama.rope.freq_base", gguf.FLOAT, shape["base"]), ("llama.vocab_size", gguf.U32, len(tokenizer.tokens)),
        ("tokenizer.ggml.model", gguf.STRING, "gpt2"), ("tokenizer.ggml.pre", gguf.STRING, "llama-bpe"),
        ("tokenizer.ggml.tokens", (gguf.ARRAY, gguf.STRING), tokenizer.tokens),
        ("tokenizer.ggml.token_type", (gguf.ARRAY, gguf.I32), [1] * normal + [3] * len(CONTROLS)),
        ("tokenizer.ggml.merges", (gguf.ARRAY, gguf.STRING), [" ".join(pair) for pair in tokenizer.merges]),
        ("tokenizer.ggml.bos_token_id", gguf.U32, ends["<|endoftext|>"]),
        ("tokenizer.ggml.eos_token_id", gguf.U32, ends["<|im_end|>"]),
        ("tokenizer.ggml.eot_token_id", gguf.U32, ends["<|im_end|>"]),
        ("tokenizer.ggml.padding_token_id", gguf.U32, ends["<|endoftext|>"]),
        ("tokenizer.ggml.add_bos_token", gguf.BOOL, False), ("tokenizer.ggml.add_eos_token", gguf.BOOL, False),
        ("tokenizer.chat_template", gguf.STRING, TEMPLATE),
    ]
    gguf.write(path, pairs, {name: tensor.detach().numpy() for name, tensor in weights.items()})


def main():
    here = pathlib.Path(__file__).parent
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tokens", type=float, default=8, help="millions of tokens to learn from")
    options.add_argument("--out", type=pathlib.Path, default=here / "haechi-demo.gguf")
    options.add_argument("--vocabulary", type=int, default=3072)
    options.add_argument("--rate", type=float, default=2e-3)
    options.add_argument("--batch", type=int, default=2048, help="tokens a batch")
    options.add_argument("--cut", type=float, default=0.5, help="share of single questions with the answer broken off")
    options.add_argument("--start", type=pathlib.Path, help="go on from this file's weights and vocabulary")
    options.add_argument("--seed", type=int, default=20260122)
    given = options.parse_args()
    torch.set_num_threads(1)
    shape = model.SHAPE
    entries, around = corpus.read()
    if given.start:
        weights, shape, tokenizer = check.load(given.start)
        weights = {name: tensor.requires_grad_() for name, tensor in weights.items()}
    else:
        tokenizer = learn_vocabulary(entries, around, given.vocabulary)
        weights = model.begin(shape, len(tokenizer.tokens), torch.Generator().manual_seed(given.seed))
    generator = random.Random(given.seed)
    print(f"{len(entries)} answers, {sum(len(e.asks) + len(e.made) for e in entries.values())} phrasings, "
          f"{len(tokenizer.tokens)} tokens, {sum(t.numel() for t in weights.values())} parameters", flush=True)
    speaker = corpus.Speaker(entries, around, generator)
    step, seen = train(weights, shape, batches(speaker, tokenizer, generator, given.batch, given.cut), given.tokens * 1e6, given.rate, 50)
    write(given.out, weights, shape, tokenizer)
    print(f"{step} steps, {seen} tokens; wrote {given.out}, {given.out.stat().st_size} bytes", flush=True)
    check.measure(given.out)


if __name__ == "__main__":
    main()
