#!/usr/bin/env bash
# Goal of this test: what a live haechid publishes under /log/ is a tlog-tiles log to somebody who has none of our code: signatures by
# openssl, tree by a dozen lines of Python.
. "$(dirname "$0")/_lib.sh"
haechi_up

for i in 1 2 3 4 5; do ask "$KEY_GUIDE" "안녕하세요 $i" >/dev/null; done
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/first"
ask "$KEY_GUIDE" '하나 더' >/dev/null
until_true 20 settled
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/checkpoint"
curl -fsS "$BASE_URL/log/vkey" >"$WORK/vkeys"
size=$(sed -n 2p "$WORK/checkpoint")
[ "$size" -gt "$(sed -n 2p "$WORK/first")" ] || fail "the log did not grow"
curl -fsS -D "$WORK/head" "$BASE_URL/log/tile/0/000.p/$size" >"$WORK/tile" || fail "no tile of width $size"
grep -qi '^cache-control:.*immutable' "$WORK/head" || fail "a tile that may not be cached"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$BASE_URL/log/tile/0/000.p/$((size + 1))")" = 404 ] || fail "a tile of what is not signed"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$BASE_URL/log/tile/0/../0/000")" = 404 ] || fail "another spelling"
sql -c 'SELECT encode(bytes, $$hex$$) FROM haechi.entry ORDER BY index' >"$WORK/entries"

python3 - "$WORK" <<'PYTHON'
import base64, hashlib, subprocess, sys
work = sys.argv[1]
def node(a, b): return hashlib.sha256(b"\1" + a + b).digest()
def root(h):
    if not h: return hashlib.sha256(b"").digest()
    if len(h) == 1: return h[0]
    k = 1
    while k * 2 < len(h): k *= 2
    return node(root(h[:k]), root(h[k:]))
tile = open(work + "/tile", "rb").read()
leaves = [tile[i:i + 32] for i in range(0, len(tile), 32)]
entries = [bytes.fromhex(line) for line in open(work + "/entries").read().split()]
assert [hashlib.sha256(b"\0" + e).digest() for e in entries] == leaves, "tile and entries differ"
for name in ("first", "checkpoint"):
    text, lines = open(work + "/" + name, encoding="utf-8").read().rsplit("\n\n", 1)
    text += "\n"
    origin, size, head = text.split("\n")[:3]
    assert base64.b64decode(head) == root(leaves[:int(size)]), name + ": another root"
    good = 0
    for vkey in open(work + "/vkeys").read().split():
        who, ident, key = vkey.split("+", 2)
        key = base64.b64decode(key)
        for line in lines.strip().split("\n"):
            dash, signer, signature = line.split(" ")
            signature = base64.b64decode(signature)
            if signer != who or signature[:4].hex() != ident: continue
            der = bytes.fromhex("302a300506032b6570032100") + key[1:] if key[0] == 1 else key[1:]
            for path, data in (("key", der), ("text", text.encode()), ("signature", signature[4:])):
                open(work + "/" + path, "wb").write(data)
            extra = ["-rawin"] if key[0] == 1 else ["-rawin", "-digest", "sha256"]
            subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", work + "/key", "-in",
                            work + "/text", "-sigfile", work + "/signature"] + extra, check=True, stdout=subprocess.DEVNULL)
            good += 1
    assert origin == who and good == 2, name + ": not both signatures"
print("a log of", len(leaves), "entries, two heads, four signatures")
PYTHON

# Entry bundles: not everybody's. With an auditor's key they are the leaves, and the read is an entry.
code() { curl -s -o "$WORK/bundle" -D "$WORK/head" -w '%{http_code}' "$BASE_URL/log/tile/entries/$1" ${2:+-H "Authorization: Bearer $2"}; }
[ "$(code 000.p/$size)" = 401 ] || fail "entries for nobody"
[ "$(code 000.p/$size "$KEY_GUIDE")" = 403 ] || fail "entries for a service"
auditor=$("$HAECHI" key create --agency haneul --service inspection --usecase civil-guide --role auditor --socket "$CONTROL" --json |
	python3 -c 'import json,sys; print(json.load(sys.stdin)["key"])')
known() { [ "$(code 000.p/$size "$auditor")" = 200 ]; }
until_true 10 known
grep -qi '^cache-control:.*private' "$WORK/head" || fail "a bundle for shared caches"
[ "$(code 000.p/200 "$auditor")" = 404 ] || fail "a bundle of what is not there"
[ "$(code 0 "$auditor")" = 404 ] || fail "another spelling"
known
python3 - "$WORK" <<'PYTHON'
import hashlib, sys
work = sys.argv[1]
tile, bundle, count = open(work + "/tile", "rb").read(), open(work + "/bundle", "rb").read(), 0
while bundle:
    size = int.from_bytes(bundle[:2], "big")
    assert hashlib.sha256(b"\0" + bundle[2:2 + size]).digest() == tile[32 * count:32 * count + 32], count
    bundle, count = bundle[2 + size:], count + 1
assert count == len(tile) // 32
print(count, "entries are the leaves")
PYTHON
read_is_told() { sql -c "SELECT count(*) > 0 FROM haechi.entry WHERE kind = 'access' AND action = 'entry-bundle'" | grep -qx t; }
until_true 20 read_is_told
