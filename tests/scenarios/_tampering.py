#!/usr/bin/env python3
"""Every kind of tampering with what left the database, each named by haechi-verify: what, and where.

_tampering.py FOLDER HAECHI_VERIFY    FOLDER holds receipt, other.receipt, checkpoint, old.checkpoint, export/, report/,
log.vkey and stranger.vkey. Whoever tampers may do so with skill: digests and manifest are made anew
and signed with a key of his own where the kind says "signed anew".
"""
import base64, hashlib, os, re, shutil, subprocess, sys

folder, program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
os.chdir(folder)

def read(path):
    with open(path, "rb") as file:
        return file.read()

def write(path, data):
    with open(path, "wb") as file:
        file.write(data)

def verify(path, *keys):
    arguments = [program, path]
    for key in keys or ("log.vkey",):
        arguments += ["--vkey", key]
    result = subprocess.run(arguments, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr

# ---- a forger's hands ---------------------------------------------------------------------------------------------------
def flip(path, at=None, bit=1):
    data = bytearray(read(path))
    data[len(data) // 2 if at is None else at] ^= bit
    write(path, data)

def lines(path):
    return read(path).split(b"\n")

def change_lines(path, change):
    all_lines = lines(path)
    changed = change(all_lines)
    write(path, b"\n".join(all_lines if changed is None else changed))

def replace(path, old, new, count=1):
    data = read(path)
    assert old in data, (path, old)
    write(path, data.replace(old, new, count))

def later(path):
    """The fourth entry happened a little later: canonical as before."""
    change_lines(path, lambda l: l.__setitem__(3, re.sub(rb'("monotonic_us":\d*)(\d)', lambda m: m[1] + (b"5" if m[2] != b"5" else b"6"), l[3])))

def forger_key():
    if not os.path.exists("forger.pem"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "forger.pem"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", "forger.pem", "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    return der[-32:]

def sign_anew(bundle):
    """All digests right, the manifest signed by the forger, whose key lies in the bundle as the exporter's did."""
    name, public = b"forger.report", forger_key()
    key_id = hashlib.sha256(name + b"\n\x01" + public).digest()[:4]
    vkey = name + b"+" + key_id.hex().encode() + b"+" + base64.b64encode(b"\x01" + public)
    keys = [line for line in lines(bundle + "/keys") if line and b".report+" not in line]
    write(bundle + "/keys", b"\n".join(keys + [vkey]) + b"\n")
    text = read(bundle + "/manifest").split(b"\n\n")[0] + b"\n"
    def digest(match):
        data = read(f"{bundle}/{match[3].decode()}")
        return b"%s %s %d %s" % (match[1], hashlib.sha256(data).hexdigest().encode(), len(data), match[3])
    text = re.sub(rb"(?m)^(file|sealed) [0-9a-f]{64} \d+ (.*)$", lambda m: digest({1: m[1], 3: m[2]}), text)
    write("forged.text", text)
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", "forger.pem", "-rawin", "-in", "forged.text"],
                               check=True, capture_output=True).stdout
    write(bundle + "/manifest", text + b"\n\xe2\x80\x94 " + name + b" " + base64.b64encode(key_id + signature) + b"\n")

def drop_entry(bundle, number, runs):
    """An entry out of an export, with the selection's runs, the index and all digests as if it had never been asked for."""
    change_lines(bundle + "/logs/1/entries.jsonl", lambda all_lines: all_lines[:number] + all_lines[number + 1:])
    if runs:
        runs(bundle + "/logs/1/proof")
    sign_anew(bundle)

# ---- kinds --------------------------------------------------------------------------------------------------------------
# name, what is changed ("receipt", "export", ...), how, words of the English (or Korean) sentence, keys
def note_part(path):
    """(text and proof before the checkpoint's note, the note)"""
    head, note = read(path).split(b"\n\n", 1)
    return head, note

def receipt_extra(path, change):
    def edit(all_lines):
        entry = base64.b64decode(all_lines[1][6:])
        all_lines[1] = b"extra " + base64.b64encode(change(entry))
    change_lines(path, edit)

def swap(all_lines, a, b):
    all_lines[a], all_lines[b] = all_lines[b], all_lines[a]

def line_with(start, change):
    def edit(all_lines):
        at = next(i for i, line in enumerate(all_lines) if line.startswith(start))
        all_lines[at] = change(all_lines[at])
    return edit

def bump(line):
    return re.sub(rb"\d+$", lambda m: str(int(m[0]) + 1).encode(), line)

def signature_byte(line):
    at = line.rindex(b" ") + 20
    return line[:at] + (b"A" if line[at:at + 1] != b"A" else b"B") + line[at + 1:]

DASH = b"\xe2\x80\x94"
def without_signature(number):
    def edit(all_lines):
        at = [i for i, line in enumerate(all_lines) if line.startswith(DASH)][number]
        return all_lines[:at] + all_lines[at + 1:]
    return edit

def proof_hash(all_lines):
    return next(i for i, line in enumerate(all_lines) if line.startswith(b"index ")) + 1

R = "receipt"
KINDS = [
    (R, "a digit of the entry", lambda p: receipt_extra(p, lambda e: e.replace(b'"retention_days":', b'"retention_days":1', 1)), ""),
    (R, "the decision turned round", lambda p: receipt_extra(p, lambda e: e.replace(b'"access":"permit"', b'"access":"deny"', 1)), ""),
    (R, "white space in the entry", lambda p: receipt_extra(p, lambda e: e + b" "), "canonical|정규"),
    (R, "the entry of another receipt", lambda p: change_lines(p, lambda l: l[:1] + [lines("other.receipt")[1]] + l[2:]), ""),
    (R, "the index", lambda p: change_lines(p, line_with(b"index ", bump)), ""),
    (R, "one hash of the proof", lambda p: change_lines(p, lambda l: l.__setitem__(proof_hash(l), base64.b64encode(bytes(32)))), ""),
    (R, "a hash of the proof removed", lambda p: change_lines(p, lambda l: l[:proof_hash(l)] + l[proof_hash(l) + 1:]), ""),
    (R, "a hash of the proof added", lambda p: change_lines(p, lambda l: l[:proof_hash(l)] + [l[proof_hash(l)]] + l[proof_hash(l):]), ""),
    (R, "the size of the checkpoint", lambda p: change_lines(p, lambda l: l.__setitem__(l.index(b"") + 2, bump(l[l.index(b"") + 2]))), "sign|서명"),
    (R, "the root of the checkpoint", lambda p: change_lines(p, lambda l: l.__setitem__(l.index(b"") + 3, base64.b64encode(bytes(32)))), "sign|서명"),
    (R, "the log's name in the checkpoint", lambda p: change_lines(p, lambda l: l.__setitem__(l.index(b"") + 1, b"haechi.other/node1")), ""),
    (R, "a line added to the checkpoint", lambda p: change_lines(p, lambda l: l[:l.index(b"") + 4] + [b"more"] + l[l.index(b"") + 4:]), ""),
    (R, "a byte of the Ed25519 signature", lambda p: change_lines(p, line_with(DASH, signature_byte)), "sign|서명"),
    (R, "the ECDSA signature removed", lambda p: change_lines(p, without_signature(1)), "ECDSA"),
    (R, "the Ed25519 signature removed", lambda p: change_lines(p, without_signature(0)), "Ed25519"),
    (R, "both signatures removed", lambda p: write(p, read(p)[:read(p).index(DASH)]), ""),
    (R, "an older checkpoint, truly signed, that does not cover it", lambda p: write(p, note_part(p)[0] + b"\n\n" + read("old.checkpoint")), ""),
    (R, "cut short", lambda p: write(p, read(p)[:-40]), ""),
    (R, "bytes behind the end", lambda p: write(p, read(p) + b"x\n"), ""),
    (R, "the format's name", lambda p: replace(p, b"tlog-proof@v1", b"tlog-proof@v2"), ""),
    (R, "looked at with another log's keys", lambda p: None, "key|키", "stranger.vkey"),
    ("log.vkey", "a byte of a verifier key", lambda p: replace(p, lines(p)[0][-8:-4], b"AAAA"), ""),
    ("log.vkey", "the names of two logs' keys exchanged", lambda p: replace(p, b"haechi.haneul/node1", b"haechi.haneul/node2"), ""),
    ("checkpoint", "the size", lambda p: change_lines(p, lambda l: l.__setitem__(1, bump(l[1]))), "sign|서명"),
    ("checkpoint", "a signature of another checkpoint", lambda p: write(p, read(p).split(b"\n\n")[0] + b"\n\n" + read("old.checkpoint").split(b"\n\n")[1]), "sign|서명"),
]
BUNDLE = [
    ("a digit of an entry", lambda b: later(b + "/logs/1/entries.jsonl"), "entries.jsonl"),
    ("an entry deleted", lambda b: change_lines(b + "/logs/1/entries.jsonl", lambda l: l[:3] + l[4:]), "entries.jsonl"),
    ("two entries exchanged", lambda b: change_lines(b + "/logs/1/entries.jsonl", lambda l: swap(l, 3, 4)), "entries.jsonl"),
    ("an entry twice", lambda b: change_lines(b + "/logs/1/entries.jsonl", lambda l: l[:4] + [l[3]] + l[4:]), "entries.jsonl"),
    ("a byte of the proof", lambda b: flip(b + "/logs/1/proof"), "proof"),
    ("a byte of the checkpoint", lambda b: flip(b + "/logs/1/checkpoint"), "checkpoint"),
    ("a byte of the keys", lambda b: flip(b + "/keys"), ""),
    ("a cell of the table", lambda b: flip(b + "/entries.csv", -20), "entries.csv"),
    ("a file removed", lambda b: os.unlink(b + "/entries.csv"), "entries.csv"),
    ("a file added", lambda b: write(b + "/more.txt", b"more"), "more.txt"),
    ("the manifest's period", lambda b: replace(b + "/manifest", b"from 2", b"from 1"), ""),
    ("who made it", lambda b: replace(b + "/manifest", b"by haechi_auditor_login", b"by nobody"), ""),
    ("the manifest without its signature", lambda b: write(b + "/manifest", read(b + "/manifest").split(b"\n\n")[0] + b"\n"), ""),
    ("no manifest", lambda b: os.unlink(b + "/manifest"), ""),
    ("a digit of an entry, signed anew", lambda b: (later(b + "/logs/1/entries.jsonl"), sign_anew(b)), ""),
    ("an entry deleted, signed anew", lambda b: drop_entry(b, 3, None), ""),
    ("the newest entry deleted, its run shortened, signed anew",
     lambda b: drop_entry(b, len(lines(b + "/logs/1/entries.jsonl")) - 2,
                          lambda p: change_lines(p, line_with(b"run ", lambda l: l[:l.rindex(b" ") + 1] + str(int(l.split()[-1]) - 1).encode()))), ""),
    ("the first entry deleted, its run shortened, signed anew",
     lambda b: drop_entry(b, 0, lambda p: change_lines(p, line_with(b"run ", lambda l: b"run %d %s" % (int(l.split()[1]) + 1, l.split()[2])))), ""),
    ("two entries exchanged, signed anew", lambda b: (change_lines(b + "/logs/1/entries.jsonl", lambda l: swap(l, 3, 4)), sign_anew(b)), ""),
    ("a cell of the table, signed anew", lambda b: (flip(b + "/entries.csv", -20), sign_anew(b)), "entries.csv"),
    ("another period, signed anew", lambda b: (write(b + "/manifest", read(b + "/manifest").replace(b"\nfrom 20", b"\nfrom 19").replace(b"\nto 20", b"\nto 19")), sign_anew(b)), ""),
    ("the root of the checkpoint, signed anew", lambda b: (change_lines(b + "/logs/1/checkpoint", lambda l: l.__setitem__(2, base64.b64encode(bytes(32)))), sign_anew(b)), "sign|서명"),
]
REPORT = [
    ("a number of the report", lambda b: flip(b + "/report.json", -30), "report.json"),
    ("a byte of the page", lambda b: flip(b + "/report.html"), "report.html"),
    ("a number of the report, signed anew", lambda b: (write(b + "/report.json", re.sub(rb"\d+(?=\D*$)", lambda m: str(int(m[0]) + 1).encode(), read(b + "/report.json"), count=1)), sign_anew(b)), "report.json"),
    ("the page, signed anew", lambda b: (replace(b + "/report.html", b"</body>", b"<p>all is well</p></body>"), sign_anew(b)), "report.html"),
    ("the table's byte order mark, signed anew", lambda b: (write(b + "/entries.csv", read(b + "/entries.csv")[3:]), sign_anew(b)), "entries.csv"),
]
def main():
    for what in ("receipt", "other.receipt", "export", "report", "checkpoint", "old.checkpoint"):
        if os.path.exists(what):
            status, said = verify(what)
            if status != 0:
                print(f"FAIL: a false alarm: {what}: {said}")
                return 1
    wrong, count = [], 0
    kinds = [(what, name, how, says, *keys) for what, name, how, says, *keys in KINDS]
    kinds += [("export", *kind) for kind in BUNDLE] + [("report", *kind) for kind in BUNDLE + REPORT]
    for what, name, how, says, *keys in kinds:
        target = "changed"
        shutil.rmtree(target, ignore_errors=True)
        if os.path.isdir(what):
            shutil.copytree(what, target)
        else:
            shutil.rmtree(target, ignore_errors=True)
            if os.path.exists(target):
                os.unlink(target)
            shutil.copy(what, target)
        how(target)
        status, said = verify("receipt", target) if what == "log.vkey" else verify(target, *keys)
        if status not in ((1, 2) if what == "log.vkey" else (1,)) or not re.search(says, said) or not re.search("[가-힣]", said):
            wrong.append(f"{what}: {name}: exit {status}, wanted '{says}': {said[:300]}")
        if os.environ.get("VERBOSE"):
            print(f"{what:11} {name}: {said.splitlines()[1] if len(said.splitlines()) > 1 else said}")
        if os.path.isdir(target):
            shutil.rmtree(target)
        else:
            os.unlink(target)
        count += 1
    for each in wrong:
        print("FAIL:", each)
    print(f"{count} kinds of tampering with receipts, keys, checkpoints, exports and reports, {count - len(wrong)} named")
    return 1 if wrong else 0

sys.exit(main())
