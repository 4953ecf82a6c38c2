#!/usr/bin/env bash
# Goal of this test: an application reports what its official did with an answer; it is an entry, is measured like a review in the
# queue, and turns the verdict by T12 when everything is followed unseen; what is not a first report of an own answer is
# refused with its reason, and nothing is recorded then.
. "$(dirname "$0")/_lib.sh"
haechi_up
sed -i -e 's/^  window: 100 .*/  window: 8/' -e 's/^  least_decisions:.*/  least_decisions: 3/' -e 's/^  least_changed:.*/  least_changed: 100/' \
	-e 's/^  hasty_seconds:.*/  hasty_seconds: 60/' "$WORK/haechi.yaml"
"$HAECHI" status --reload --socket "$CONTROL" >/dev/null || fail "reload"

# report KEY JSON: the status; the body in $WORK/body
report() { curl -sS -o "$WORK/body" -w '%{http_code}' "$BASE_URL/haechi/v1/reviews" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "$2"; }
refused() {
	local status
	status=$(report "$2" "$3")
	[ "$status" = "$1" ] || fail "$3: $status $(cat "$WORK/body")"
	python3 -c 'import json,sys; e = json.load(open(sys.argv[1]))["error"]; assert " / " in e["message"] or "\n" in e["message"], e' "$WORK/body" || fail "no error object: $(cat "$WORK/body")"
}
answered() { [ "$(sql -c "SELECT count(*) FROM haechi.entry WHERE of = '$ENTRY' AND action = 'answered'")" = 1 ]; }
answer() { # sets ENTRY
	ask "$KEY_GUIDE" "여권을 새로 받으려면 무엇을 가져가야 하나요? ($1)" >/dev/null
	[ "$(status_of)" = 200 ] || fail "no answer: $(status_of)"
	ENTRY=$(head_of X-Haechi-Entry)
	until_true 60 answered
}
answer 1
refused 400 "$KEY_GUIDE" '{"entry":'
refused 400 "$KEY_GUIDE" '[]'
refused 400 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"ignore\",\"reviewer\":\"kim\"}"
refused 400 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"김복지\"}"
refused 400 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\"}"
refused 400 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"kim\",\"verdict\":\"x\"}"
refused 400 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"kim\",\"shown_ms\":-1}"
refused 400 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"kim\",\"shown_ms\":86400000}"
refused 400 "$KEY_GUIDE" "{\"entry\":7,\"action\":\"approve\",\"reviewer\":\"kim\"}"
refused 404 "$KEY_GUIDE" '{"entry":"00000000-0000-7000-8000-000000000000","action":"approve","reviewer":"kim"}'
refused 404 "$KEY_WELFARE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"kim\"}"
refused 401 "wrong" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"kim\"}"
until_true 60 settled
[ "$("$HAECHI" audit query --kind review --json | wc -l)" = 0 ] || fail "a refused report was recorded"

[ "$(report "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"refuse\",\"reviewer\":\"lee.7\",\"role\":\"officer\",\"reason\":\"수수료가 틀림\",\"shown_ms\":5}")" = 201 ] ||
	fail "report: $(cat "$WORK/body")"
grep -q "\"of\":\"$ENTRY\"" "$WORK/body" || fail "what was reported: $(cat "$WORK/body")"
refused 409 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"lee.7\"}"
until_true 60 settled
refused 409 "$KEY_GUIDE" "{\"entry\":\"$ENTRY\",\"action\":\"approve\",\"reviewer\":\"lee.7\"}"
"$HAECHI" audit query --kind review --json >"$WORK/reviews"
python3 - "$WORK/reviews" "$ENTRY" <<'PY'
import json, sys
rows = [json.loads(line)["entry"] for line in open(sys.argv[1])]
assert len(rows) == 1, rows
body = rows[0]["body"]
assert rows[0]["of"] == sys.argv[2] and rows[0]["usecase"] and rows[0]["key"], rows
assert (body["action"], body["changed"], body["reviewer"], body["shown_ms"]) == ("refuse", True, "lee.7", 5) and "ticket" not in body, body
PY

# Followed unseen, again and again: measured like the queue's, and the use turns.
entries=()
for i in 2 3 4 5 6 7 8 9; do
	answer $i
	entries+=("$ENTRY")
done
for entry in "${entries[@]}"; do
	[ "$(report "$KEY_GUIDE" "{\"entry\":\"$entry\",\"action\":\"approve\",\"reviewer\":\"kim\"}")" = 201 ] || fail "report: $(cat "$WORK/body")"
done
counted() { "$HAECHI" review stats --socket "$CONTROL" --json | grep -q '"decisions":8,"changed":0'; }
until_true 60 counted
"$HAECHI" review stats --socket "$CONTROL" | tee "$WORK/stats" | grep -q 'rubber-stamped' || fail "stats: $(cat "$WORK/stats")"
turned() { ask "$KEY_GUIDE" "여권 창구는 어디인가요?" >"$WORK/held" && [ "$(status_of) $(head_of X-Haechi-Verdict)" = "202 HIGH_IMPACT" ]; }
until_true 60 turned
until_true 60 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
echo "reported reviews are measured"
