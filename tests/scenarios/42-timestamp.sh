#!/usr/bin/env bash
# Goal of this test: heads of a live haechid are stamped by an authority (openssl ts, RFC 3161) and cosigned by a witness; exports and
# checkpoints prove both to haechi-verify and to openssl; audit verify holds them against the entries; an answer that is replayed is
# not taken; a stamp or a cosigned head that was tampered with is named.
. "$(dirname "$0")/_lib.sh"
haechi_up

tsa=$(free_port) witness=$(free_port)
python3 "$(dirname "$0")/_tsa.py" "$WORK/tsa" "$tsa" >"$WORK/tsa.log" 2>&1 &
PIDS+=($!)
"$BUILD/haechi-witness" -s "$WORK/w" --name busan.example/w --logs "$STATE/log.vkey" --listen "127.0.0.1:$witness" >"$WORK/w.log" 2>&1 &
PIDS+=($!)
until_true 30 test -f "$WORK/tsa/ca.pem"
until_true 20 curl -fsS "http://127.0.0.1:$witness/healthz"
wkey=$(curl -fsS "http://127.0.0.1:$witness/vkey")
{ sed 's/^/log /' "$STATE/log.vkey"; printf 'witness busan %s http://127.0.0.1:%s\nquorum busan\n' "$wkey" "$witness"; } >"$WORK/witness.policy"
cat >>"$WORK/haechi.yaml" <<YAML
witness:
  policy: $WORK/witness.policy
  interval_seconds: 1
timestamp:
  url: http://127.0.0.1:$tsa/
  roots: $WORK/tsa/ca.pem
  interval_seconds: 1
YAML
kill "$HAECHID_PID" && wait "$HAECHID_PID"
haechid_up
for i in 1 2 3; do ask "$KEY_GUIDE" "안녕하세요 $i" >/dev/null; done
entry=$(head_of X-Haechi-Entry)
size=$(curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p)
stamped() { [ "$(curl -fsS "$BASE_URL/log/checkpoint.stamped" | sed -n 2p)" -ge "$size" ]; }
until_true 20 stamped
until_true 20 settled
kept() { [ "$(sql -c "SELECT count(*) FROM haechi.stamped WHERE size >= $size")" -gt 0 ]; }
until_true 20 kept

# The live head, to openssl and to haechi-verify.
curl -fsS "$BASE_URL/log/checkpoint.stamped" >"$WORK/head"
curl -fsS "$BASE_URL/log/checkpoint.tsr" >"$WORK/head.tsr"
openssl ts -verify -in "$WORK/head.tsr" -data "$WORK/head" -CAfile "$WORK/tsa/ca.pem" 2>&1 | grep 'Verification: OK' || fail "openssl says no"
"$BUILD/haechi-verify" checkpoint "$WORK/head" --policy "$WORK/witness.policy" --timestamp "$WORK/head.tsr" --roots "$WORK/tsa/ca.pem" \
	| tee "$WORK/said"
grep -q 'meets the witness policy' "$WORK/said" && grep -q 'existed not later than' "$WORK/said" || fail "not said"
echo >>"$WORK/head.tsr"
! "$BUILD/haechi-verify" checkpoint "$WORK/head" --policy "$WORK/witness.policy" --timestamp "$WORK/head.tsr" >/dev/null || fail "another answer passed"

# Receipts and exports by the cosigned head; what the policy wants is insisted on.
"$HAECHI" audit receipt "$entry" --policy "$WORK/witness.policy" --out "$WORK/receipt"
"$BUILD/haechi-verify" "$WORK/receipt" --policy "$WORK/witness.policy"
{ grep -v '^quorum' "$WORK/witness.policy"; printf 'witness other %s\nquorum other\n' "$("$BUILD/haechi-witness" -s "$WORK/other" --name other.example/w --vkey)"; } >"$WORK/other.policy"
! "$BUILD/haechi-verify" "$WORK/receipt" --policy "$WORK/other.policy" >"$WORK/said" || fail "a policy that is not met passed"
grep -q 'witnesses are missing' "$WORK/said" || fail "why is not said"
! "$HAECHI" audit receipt "$entry" --policy "$WORK/other.policy" >/dev/null 2>&1 || fail "a receipt against the policy"
"$HAECHI" audit export --policy "$WORK/witness.policy" --out "$WORK/export" --key "$WORK/report.key" >/dev/null
test -f "$WORK/export/logs/1/stamped.tsr" || fail "no stamp in the export"
"$BUILD/haechi-verify" "$WORK/export" --policy "$WORK/witness.policy" --roots "$WORK/tsa/ca.pem" | tee "$WORK/said"
grep -q 'existed not later than' "$WORK/said" || fail "the export's stamp is not said"
! "$BUILD/haechi-verify" "$WORK/export" --policy "$WORK/other.policy" >/dev/null || fail "an export against the policy passed"
"$HAECHI" audit checkpoint --json >"$WORK/heads"
python3 -c 'import json,sys; h=json.load(open(sys.argv[1])); assert h["cosigned"]["witnesses"] == ["busan.example/w"] and h["stamped"]["at"]' "$WORK/heads"
"$HAECHI" audit checkpoint --cosigned >"$WORK/cosigned"
"$HAECHI" status --socket "$STATE/control.sock"

# A replayed answer is not taken.
touch "$WORK/tsa/replay"
ask "$KEY_GUIDE" '하나 더' >/dev/null
refused() { grep -q 'event=not-stamped' "$WORK/haechid.log"; }
until_true 20 refused
grep 'event=not-stamped' "$WORK/haechid.log" | tail -n 1
kill "$HAECHID_PID" && wait "$HAECHID_PID"
HAECHID_PID=

# What was confirmed is of the history that is there, or verify names it.
verify() { "$HAECHI" audit verify --vkey "$STATE/log.vkey" --json; }
verify | python3 -c 'import json,sys; v=json.load(sys.stdin); assert v["holds"] and v["confirmed"] >= 2, v'
named() { # WHAT SQL
	sql -c "BEGIN; CREATE TABLE public.kept AS SELECT * FROM haechi.$1; SET LOCAL session_replication_role = replica; $2; COMMIT"
	! verify >"$WORK/said" || fail "$2: not found"
	grep -q "\"first\"" "$WORK/said" || fail "$2: not named"
	sed 's/.*"en":"\([^"]*\)".*/  \1/' "$WORK/said"
	sql -c "BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM haechi.$1; INSERT INTO haechi.$1 SELECT * FROM public.kept; DROP TABLE public.kept; COMMIT"
}
named stamped "UPDATE haechi.stamped SET answer = set_byte(answer, 120, get_byte(answer, 120) # 1)"
named stamped "UPDATE haechi.stamped SET note = replace(note, E'\\n$size\\n', E'\\n$((size + 1))\\n')"
named stamped "UPDATE haechi.stamped SET wall = wall - interval '1 day'"
named cosigned "UPDATE haechi.cosigned SET size = size - 1 WHERE size > 1"
named cosigned "UPDATE haechi.cosigned SET size = size + 1000000"
verify >/dev/null || fail "a false alarm after mending"
