#!/usr/bin/env bash
# Goal of this test: what a live haechid publishes is accepted by programs that were not written here, and what they make by ours:
# checkpoints, tiles, receipts, consistency proofs; another witness cosigns our log, and another log's client clocks our witness.
# TLOG_PEER=program made by tests/peers/tlog/build.sh; skipped where there is none.
[ -n "${TLOG_PEER:-}" ] || { echo "TLOG_PEER is not set (tests/peers/tlog/build.sh)"; exit 77; }
. "$(dirname "$0")/_lib.sh"
haechi_up

# The log, to x/mod, torchwood and transparency-dev's ECDSA keys.
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/older"
for i in 1 2 3 4 5 6 7; do ask "$KEY_GUIDE" "안녕하세요 $i" >/dev/null; done
entry=$(head_of X-Haechi-Entry)
until_true 20 settled
"$HAECHI" audit receipt "$entry" --out "$WORK/receipt" >/dev/null
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/newer"
until_true 20 settled
"$HAECHI" audit proof --older "$(sed -n 2p "$WORK/older")" --newer "$(sed -n 2p "$WORK/newer")" >"$WORK/consistency"
"$TLOG_PEER" verify "$BASE_URL/log" "$STATE/log.vkey" "$WORK/receipt" "$WORK/older" "$WORK/newer" "$WORK/consistency" || fail "not accepted"
# It would notice: another byte in the receipt, another head.
python3 - "$WORK/receipt" "$WORK/forged" <<'PYTHON'
import base64, sys
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
entry = bytearray(base64.b64decode(lines[1][6:])); entry[40] ^= 1
lines[1] = "extra " + base64.b64encode(entry).decode()
open(sys.argv[2], "w", encoding="utf-8").write("\n".join(lines))
PYTHON
! "$TLOG_PEER" verify "$BASE_URL/log" "$STATE/log.vkey" "$WORK/forged" "$WORK/older" "$WORK/newer" "$WORK/consistency" 2>/dev/null || fail "a forgery passed"

# Entry bundles, to an auditor.
auditor=$("$HAECHI" key create --agency haneul --service inspection --usecase civil-guide --role auditor --socket "$CONTROL" --json |
	python3 -c 'import json,sys; print(json.load(sys.stdin)["key"])')
# Reading them is an entry too: the next try meets a longer log, so what the good one said is kept.
entries() { "$TLOG_PEER" entries "$BASE_URL/log" "$STATE/log.vkey" "Bearer $auditor" >"$WORK/entries"; }
until_true 20 entries
cat "$WORK/entries"

# Their client, our witness: from nothing, then from what it remembers.
port=$(free_port)
"$BUILD/haechi-witness" -s "$WORK/ours" --name ours.example/w --logs "$STATE/log.vkey" --listen "127.0.0.1:$port" >"$WORK/ours.log" 2>&1 &
PIDS+=($!)
until_true 20 curl -fsS "http://127.0.0.1:$port/healthz"
vkey=$(curl -fsS "http://127.0.0.1:$port/vkey")
"$TLOG_PEER" submit "$BASE_URL/log" "$STATE/log.vkey" "http://127.0.0.1:$port" "$vkey" | grep ', from 0$' || fail "first cosignature"
ask "$KEY_GUIDE" '하나 더' >/dev/null
"$TLOG_PEER" submit "$BASE_URL/log" "$STATE/log.vkey" "http://127.0.0.1:$port" "$vkey" | grep ', from [1-9]' || fail "grown"

# Their witness, our client.
other=$(free_port)
"$TLOG_PEER" witness "127.0.0.1:$other" theirs.example/w "$STATE/log.vkey" >"$WORK/theirs.log" 2>&1 &
PIDS+=($!)
until_true 20 curl -fsS "http://127.0.0.1:$other/healthz"
printf 'witness theirs %s http://127.0.0.1:%s\nquorum theirs\n' "$(head -n 1 "$WORK/theirs.log")" "$other" >"$WORK/witness.policy"
printf 'witness:\n  policy: %s\n  interval_seconds: 1\n' "$WORK/witness.policy" >>"$WORK/haechi.yaml"
kill "$HAECHID_PID" && wait "$HAECHID_PID"
haechid_up
for i in 1 2; do
	ask "$KEY_GUIDE" "증인 $i" >/dev/null
	cosigned() { [ "$(curl -fsS "$BASE_URL/log/checkpoint.cosigned" | sed -n 2p)" = "$(curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p)" ]; }
	until_true 20 cosigned
done
curl -fsS "$BASE_URL/log/checkpoint.cosigned" | grep '— theirs.example/w ' || fail "no cosignature of theirs"
