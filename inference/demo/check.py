#!/usr/bin/python3
"""Measures a demo model from its GGUF file alone: which held-out phrasings get the right answer, greedily.

    /usr/bin/python3 inference/demo/check.py [FILE] [--ask "고영향이 뭐야?"] [--wrong]
"""
import argparse
import pathlib
import random

import torch

import bpe
import corpus
import gguf
import model


def load(path):
    """(weights, shape, tokenizer) of a GGUF file, its Q8_0 matrices as float32."""
    metadata, tensors = gguf.read(path)
    shape = {name: metadata["llama." + key] for name, key in (
        ("layers", "block_count"), ("width", "embedding_length"), ("heads", "attention.head_count"),
        ("heads_kv", "attention.head_count_kv"), ("hidden", "feed_forward_length"), ("context", "context_length"),
        ("epsilon", "attention.layer_norm_rms_epsilon"), ("base", "rope.freq_base"))}
    controls = [token for token, kind in zip(metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]) if kind == 3]
    tokenizer = bpe.Tokenizer([tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]], controls)
    if tokenizer.tokens != metadata["tokenizer.ggml.tokens"]:
        raise SystemExit(f"{path}: the merges do not give the tokens")
    return {name: torch.from_numpy(array) for name, array in tensors.items()}, shape, tokenizer


def prompt(tokenizer, turns):
    """ChatML up to where the assistant speaks."""
    start, end, line = tokenizer.ids["<|im_start|>"], tokenizer.ids["<|im_end|>"], tokenizer.encode("\n")
    tokens = []
    for role, text in turns:
        tokens += [start, *tokenizer.encode(role), *line, *tokenizer.encode(text), end, *line]
    return tokens + [start, *tokenizer.encode("assistant"), *line]


@torch.no_grad()
def exact(weights, shape, tokenizer, turns, answer):
    """Would greedy decoding say exactly this answer? So it is when every token of it is the likeliest after those before."""
    before = prompt(tokenizer, turns)
    after = [*tokenizer.encode(answer), tokenizer.ids["<|im_end|>"]]
    states = model.hidden_states(weights, shape, torch.tensor([before + after]))
    said = model.logits(weights, states[0, len(before) - 1:-1]).argmax(-1)
    return said.tolist() == after


def measure(path, wrong=False):
    torch.set_num_threads(1)
    weights, shape, tokenizer = load(path)
    entries, around = corpus.read()
    generator = random.Random(7)
    asked = {"learnt": [], "held out, written": [], "held out, written, noisy": [], "held out, from templates": []}
    for entry in entries.values():
        asked["learnt"] += [(entry, [("user", text)], entry.answer) for text in generator.sample(entry.asks, min(2, len(entry.asks)))]
        asked["held out, written"] += [(entry, [("user", text)], entry.answer) for text in entry.held]
        asked["held out, written, noisy"] += [
            (entry, [("user", corpus.noisy(text, entry.language, generator))], entry.answer) for text in entry.held]
        made = generator.sample(entry.made_held, min(2, len(entry.made_held)))
        asked["held out, from templates"] += [(entry, [("user", text)], entry.answer) for text in made]
    speaker = corpus.Speaker(entries, around, generator)
    asked["follow-up after a held-out question"] = []
    for entry in entries.values():
        question, say = speaker.follow(entry)
        turns = [("user", entry.held[0]), ("assistant", entry.answer), ("user", question)]
        asked["follow-up after a held-out question"].append((entry, turns, say))
    figures = {}
    for name, items in asked.items():
        right = {"ko": [], "en": []}
        for entry, turns, answer in items:
            good = exact(weights, shape, tokenizer, turns, answer)
            right[entry.language].append(good)
            if wrong and not good and name != "learnt":
                end = tokenizer.ids["<|im_end|>"]
                said = tokenizer.decode(model.greedy(weights, shape, prompt(tokenizer, turns), end))
                print(f"  {name} [{entry.name}] {turns[-1][1]} -> {said}")
        figures[name] = right
        both = right["ko"] + right["en"]
        print(f"{name:38} {sum(both):4d}/{len(both):4d} {100 * sum(both) / len(both):5.1f} %   ko "
              f"{100 * sum(right['ko']) / len(right['ko']):5.1f} %   en {100 * sum(right['en']) / len(right['en']):5.1f} %", flush=True)
    return figures


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("file", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent / "haechi-demo.gguf")
    options.add_argument("--ask", action="append", help="a question to answer; again for the next turn")
    options.add_argument("--wrong", action="store_true", help="show what was said instead")
    given = options.parse_args()
    if not given.ask:
        measure(given.file, given.wrong)
        return
    weights, shape, tokenizer = load(given.file)
    turns = []
    for question in given.ask:
        turns.append(("user", question))
        said = tokenizer.decode(model.greedy(weights, shape, prompt(tokenizer, turns), tokenizer.ids["<|im_end|>"]))
        turns.append(("assistant", said))
        print(said)


if __name__ == "__main__":
    main()
