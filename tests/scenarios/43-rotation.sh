#!/usr/bin/env bash
# Goal of this test: the log's signing keys are rotated: made, both sign for a while, the old ones end. Each step is an entry; receipts
# of every time verify by the keys of after; keys of before verify what they signed; an old key that signs something new is refused.
. "$(dirname "$0")/_lib.sh"
haechi_up

restart() { kill "$HAECHID_PID" && wait "$HAECHID_PID"; haechid_up; }
rotate() { "$HAECHI" key rotate -c "$WORK/haechi.yaml" "$@"; }
signatures() { curl -fsS "$BASE_URL/log/checkpoint" | grep -c '^— '; }
receipt() { # NAME
	ask "$KEY_GUIDE" "$1" >/dev/null
	until_true 20 settled
	"$HAECHI" audit receipt "$(head_of X-Haechi-Entry)" --out "$WORK/$1"
}
holds() { "$BUILD/haechi-verify" "$WORK/$1" --vkey "$WORK/$2" >"$WORK/said" || { cat "$WORK/said"; fail "$1 by $2"; }; }
not() { ! "$BUILD/haechi-verify" "$WORK/$1" --vkey "$WORK/$2" >"$WORK/said" || fail "$1 by $2 holds"; }

cp "$STATE/log.vkey" "$WORK/before"
cp -a "$STATE/keys" "$WORK/stolen"
receipt first
! rotate --finish 2>"$WORK/said" || fail "nothing to finish"
cat "$WORK/said"
rotate
! rotate 2>/dev/null || fail "twice"
! rotate --finish 2>"$WORK/said" || fail "keys that never signed"
[ "$(signatures)" = 2 ] || fail "signs with new keys before a start"
restart
[ "$(signatures)" = 4 ] || fail "not four signatures"
cp "$STATE/log.vkey" "$WORK/during"
curl -fsS "$BASE_URL/log/vkey" | cmp - "$WORK/during"
grep -c '^# valid [1-9]' "$WORK/during" | grep -qx 2 || fail "the new keys have no beginning"
receipt second
rotate --finish
receipt third # the running daemon still signs with both
restart
[ "$(signatures)" = 2 ] || fail "not two signatures"
cp "$STATE/log.vkey" "$WORK/after"
cat "$WORK/after"
receipt fourth
restart # nothing more to tell
until_true 20 settled
told=$(sql -c "SELECT string_agg(action, ' ' ORDER BY index) FROM haechi.entry WHERE kind = 'key' AND action LIKE 'log-key%'")
[ "$told" = 'log-key-added log-key-retired' ] || fail "entries: $told"

for name in first second third fourth; do holds $name after; done
for name in first second third; do holds $name before; done
not fourth before
holds second during
"$HAECHI" audit verify --vkey "$WORK/after" || fail "a false alarm"
"$HAECHI" audit verify || fail "a false alarm by the database's keys"

# Who stole the old keys signs a head that is larger than the last they may: haechi-verify names the key.
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/head"
python3 - "$WORK/head" "$WORK/stolen/log.ed25519" "$WORK/forged" <<'PYTHON'
import base64, subprocess, sys, tempfile, os
text = open(sys.argv[1], encoding="utf-8").read().split("\n\n")[0] + "\n"
line = open(sys.argv[2]).read().strip().split("+", 4)
name, ident, key = line[2], line[3], base64.b64decode(line[4])
with tempfile.TemporaryDirectory() as d:
    open(d + "/k", "wb").write(bytes.fromhex("302e020100300506032b657004220420") + key[1:])
    open(d + "/t", "w", encoding="utf-8").write(text)
    sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", d + "/k", "-keyform", "DER", "-rawin", "-in", d + "/t"], check=True, stdout=subprocess.PIPE).stdout
open(sys.argv[3], "w", encoding="utf-8").write(text + "\n— %s %s\n" % (name, base64.b64encode(bytes.fromhex(ident) + sig).decode()))
PYTHON
not forged after
grep -q 'out of its time' "$WORK/said" || fail "why is not said"
sed -n 2p "$WORK/said"
[ ! -e "$STATE/keys/next.ed25519" ] || fail "the new key is still called next"
