"""GGUF version 3: written from a model and its tokenizer, read back for measuring."""
import struct

import numpy as np

F32, Q8_0 = 0, 8
ALIGNMENT = 32
SCALAR = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def quantise(matrix):
    """Q8_0: blocks of 32 values, a half-precision scale and 32 signed bytes; rounding half away from zero."""
    blocks = np.ascontiguousarray(matrix, np.float32).reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / np.float32(127)).astype(np.float32)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)
    scaled = blocks * inverse[:, None]
    out = np.empty((len(blocks), 34), np.uint8)
    out[:, :2] = scale.astype("<f2").view(np.uint8).reshape(-1, 2)
    out[:, 2:] = (np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))).astype(np.int8).view(np.uint8)
    return out.tobytes()


def string(text):
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def value(kind, item):
    return string(item) if kind == STRING else struct.pack("<" + SCALAR[kind], item)


def write(path, pairs, tensors):
    """pairs: (key, type, value), an array's type being (ARRAY, element type). tensors: name -> float32 array."""
    head, data = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(pairs))], []
    for key, kind, item in pairs:
        if isinstance(kind, tuple):
            head += [string(key), struct.pack("<IIQ", ARRAY, kind[1], len(item))] + [value(kind[1], one) for one in item]
        else:
            head += [string(key), struct.pack("<I", kind), value(kind, item)]
    offset = 0
    for name, array in tensors.items():
        kind = Q8_0 if array.ndim == 2 else F32
        raw = quantise(array) if kind == Q8_0 else array.astype("<f4").tobytes()
        head += [string(name), struct.pack("<I", array.ndim), struct.pack(f"<{array.ndim}Q", *reversed(array.shape)),
                 struct.pack("<IQ", kind, offset)]
        raw += bytes(-len(raw) % ALIGNMENT)
        data.append(raw)
        offset += len(raw)
    head = b"".join(head)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT) + b"".join(data))


def read(path):
    """(metadata, tensors as float32) of a file that write() made."""
    raw, at = open(path, "rb").read(), 4

    def take(kind):
        nonlocal at
        if kind == STRING:
            length = take(10)
            at += length
            return raw[at - length:at].decode("utf-8")
        if kind == ARRAY:
            element, count = take(U32), take(10)
            return [take(element) for _ in range(count)]
        item = struct.unpack_from("<" + SCALAR[kind], raw, at)[0]
        at += struct.calcsize("<" + SCALAR[kind])
        return item
    if raw[:4] != b"GGUF" or take(U32) != 3:
        raise SystemExit(f"{path}: not GGUF version 3")
    tensor_count, pair_count = take(10), take(10)
    metadata = {}
    for _ in range(pair_count):
        key = take(STRING)
        metadata[key] = take(take(U32))
    infos = []
    for _ in range(tensor_count):
        name = take(STRING)
        shape = [take(10) for _ in range(take(U32))]
        infos.append((name, shape[::-1], take(U32), take(10)))
    start, tensors = -(-at // ALIGNMENT) * ALIGNMENT, {}
    for name, shape, kind, offset in infos:
        size = int(np.prod(shape))
        if kind == F32:
            array = np.frombuffer(raw, "<f4", size, start + offset)
        else:
            blocks = np.frombuffer(raw, np.uint8, size // 32 * 34, start + offset).reshape(-1, 34)
            scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
            array = scale * blocks[:, 2:].view(np.int8)
        tensors[name] = array.reshape(shape).astype(np.float32)
    return metadata, tensors
