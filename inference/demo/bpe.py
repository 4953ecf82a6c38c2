"""Byte-level byte-pair encoding as GGUF's tokenizer model "gpt2" with the pre-tokenizer "llama-bpe" means it."""
import collections

ENDINGS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


def byte_alphabet():
    """GPT-2's printable character for every byte."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, spare = {}, 0
    for byte in range(256):
        if byte in keep:
            table[byte] = chr(byte)
        else:
            table[byte], spare = chr(256 + spare), spare + 1
    return table


ALPHABET = byte_alphabet()


def kind(c):
    import unicodedata
    if c.isspace():
        return "s"
    first = unicodedata.category(c)[0]
    return first if first in "LN" else "o"


def pieces(text):
    """Cut text by the rule of llama-bpe: contractions, words with one mark before, numbers of three, marks, spaces."""
    kinds, at, end, out = [kind(c) for c in text], 0, len(text), []

    def run(start, test):
        while start < end and test(start):
            start += 1
        return start
    while at < end:
        c, k = text[at], kinds[at]
        ending = next((e for e in ENDINGS if text[at:at + len(e)].lower() == e), None) if c == "'" else None
        if ending:
            stop = at + len(ending)
        elif k == "L" or (c not in "\r\n" and k != "N" and at + 1 < end and kinds[at + 1] == "L"):
            stop = run(at + 1, lambda i: kinds[i] == "L")
        elif k == "N":
            stop = min(run(at, lambda i: kinds[i] == "N"), at + 3)
        elif k == "o" or (c == " " and at + 1 < end and kinds[at + 1] == "o"):
            stop = run(at + (c == " "), lambda i: kinds[i] == "o")
            stop = run(stop, lambda i: text[i] in "\r\n")
        else:
            stop = run(at, lambda i: kinds[i] == "s")
            breaks = [i for i in range(at, stop) if text[i] in "\r\n"]
            if breaks:
                stop = breaks[-1] + 1
            elif stop < end and stop - at > 1:
                stop -= 1
        out.append(text[at:stop])
        at = stop
    return out


def spell(piece):
    return [ALPHABET[byte] for byte in piece.encode("utf-8")]


def learn(counts, size):
    """Merges from piece counts: always the most frequent pair (ties: the smaller), until there are `size` of them."""
    words = [(spell(piece), count) for piece, count in sorted(counts.items())]
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for number, (word, count) in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += count
            where[pair].add(number)
    merges = []
    while len(merges) < size:
        best = min(pairs.items(), key=lambda item: (-item[1], item[0]))[0]
        if pairs[best] < 2:
            break
        merges.append(best)
        for number in list(where[best]):
            word, count = words[number]
            for pair in zip(word, word[1:]):
                pairs[pair] -= count
                where[pair].discard(number)
            words[number] = (join(word, best), count)
            for pair in zip(words[number][0], words[number][0][1:]):
                pairs[pair] += count
                where[pair].add(number)
        del pairs[best]
        if len(merges) % 100 == 0:
            pairs = collections.Counter({pair: count for pair, count in pairs.items() if count > 0})
    return merges


def join(word, pair):
    out, at = [], 0
    while at < len(word):
        if at + 1 < len(word) and (word[at], word[at + 1]) == pair:
            out.append(word[at] + word[at + 1])
            at += 2
        else:
            out.append(word[at])
            at += 1
    return out


class Tokenizer:
    def __init__(self, merges, controls):
        self.merges = merges
        self.tokens = [ALPHABET[byte] for byte in range(256)]
        for left, right in merges:
            if left + right not in self.tokens[256:]:
                self.tokens.append(left + right)
        self.normal = len(self.tokens)
        self.tokens += controls
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        self.rank = {pair: number for number, pair in enumerate(merges)}
        self.bytes = {c: byte for byte, c in ALPHABET.items()}
        self.known = {}

    def piece(self, piece):
        if piece in self.known:
            return self.known[piece]
        word = spell(piece)
        if "".join(word) in self.ids:  # what GGUF calls ignore_merges
            word = ["".join(word)]
        while len(word) > 1:
            best = min(zip(word, word[1:]), key=lambda pair: self.rank.get(pair, len(self.rank)))
            if best not in self.rank:
                break
            word = join(word, best)
        self.known[piece] = [self.ids[token] for token in word]
        return self.known[piece]

    def piece_broken(self, piece, share, random):
        """The piece with merges left out by chance: what lies inside the usual tokens is seen too (BPE dropout)."""
        word = spell(piece)
        while len(word) > 1:
            pairs = [pair for pair in zip(word, word[1:]) if pair in self.rank and random.random() >= share]
            if not pairs:
                break
            word = join(word, min(pairs, key=self.rank.get))
        return [self.ids[token] for token in word]

    def encode_broken(self, text, share, random):
        return [number for piece in pieces(text) for number in self.piece_broken(piece, share, random)]

    def encode(self, text):
        return [number for piece in pieces(text) for number in self.piece(piece)]

    def decode(self, numbers):
        text = "".join(self.tokens[number] for number in numbers if number < self.normal)
        return bytes(self.bytes[c] for c in text).decode("utf-8", "replace")
