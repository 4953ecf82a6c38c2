#!/usr/bin/env bash
# Goal of this test: one Korean question goes the whole way on real parts - answered by the engine, marked, recorded, queried,
# verified in the database and offline from its receipt alone.
. "$(dirname "$0")/_lib.sh"
haechi_up

answer=$(ask "$KEY_GUIDE" '고영향 인공지능이 뭐예요?')
[ "$(status_of)" = 200 ] || fail "status $(status_of): $answer"
grep -q '고영향' <<<"$answer" || fail "no sensible answer: $answer"
entry=$(head_of X-Haechi-Entry)
[ "$(head_of X-Haechi-Decision)" = permit ] || fail "decision"
[ "$(head_of X-Haechi-Verdict)" = NOT_HIGH_IMPACT ] || fail "verdict"
[ "$(head_of X-Haechi-AI-Generated)" = true ] || fail "Art. 31 header"
[ -n "$(head_of X-Request-ID)" ] || fail "request id"

curl -fsS --unix-socket "$STATE/engine.sock" http://engine/metrics >"$WORK/engine.metrics"
grep -q '^haechi_engine_agency_tokens_total{agency="haneul"} [1-9]' "$WORK/engine.metrics" ||
	fail "the engine does not know whose request it was: $(grep agency "$WORK/engine.metrics")"

until_true 20 settled
"$HAECHI" audit query --entry "$entry" --json | grep -q '"decision"' || fail "the decision is not found"
"$HAECHI" audit query --kind outcome --json | grep -q "$entry" || fail "no outcome follows it"
# The console's page runs only the script and the style whose hashes its own head names.
curl -fsS -D "$WORK/page.head" "$BASE_URL/console/" | python3 -c '
import base64, hashlib, re, sys
page, head = sys.stdin.read(), open(sys.argv[1]).read()
for part in re.findall("<(?:script|style)>(.*?)</", page, re.S):
    hash = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
    assert f"sha256-{hash}" in head, hash' "$WORK/page.head" || fail "the page may not run its own script"
! "$HAECHI" audit query --json >/dev/full 2>"$WORK/full" || fail "a full disk is no good answer"
grep -q '쓰지 못했습니다' "$WORK/full" || fail "a full disk is not told"
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "verify"
"$HAECHI" audit receipt "$entry" >"$WORK/receipt" || fail "receipt"
"$BUILD/haechi-verify" "$WORK/receipt" --vkey "$STATE/keys/log.vkeys" || fail "haechi-verify"
# A receipt with one letter changed is no receipt.
sed 's/haneul/haneol/' "$WORK/receipt" >"$WORK/forged"
cmp -s "$WORK/receipt" "$WORK/forged" && fail "nothing was changed"
"$BUILD/haechi-verify" "$WORK/forged" --vkey "$STATE/keys/log.vkeys" && fail "a forged receipt was accepted"
[ "$("$HAECHI" status --socket "$CONTROL" --json | python3 -c 'import json,sys; json.load(sys.stdin); print("json")')" = json ] || fail "status"
# One version everywhere, and the log says which one ran.
for program in haechi haechid haechi-engine haechi-verify haechi-witness; do
	[ "$("$BUILD/$program" --version)" = "$program $("$HAECHI" --version | cut -d' ' -f2)" ] || fail "version of $program"
done
"$HAECHI" audit query --kind lifecycle --json | grep '"action":"start"' | grep -q "\"version\":\"$("$HAECHI" --version | cut -d' ' -f2)\"" || fail "the start does not tell its version"
