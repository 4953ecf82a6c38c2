#!/usr/bin/env bash
# Goal of this test: human oversight is measured, not claimed (law T11, T12) - a use that is not high-impact because people review it
# becomes HIGH_IMPACT by rule T12 when they approve everything within seconds, says so everywhere, stays so over a restart and
# a new version, and returns by evidence alone: reviews that weigh and change.
. "$(dirname "$0")/_lib.sh"
haechi_up
review() { "$HAECHI" review "$@" --socket "$CONTROL"; }
usecase() { "$HAECHI" usecase "$@" --socket "$CONTROL"; }
verdict() { usecase show counsel-match --json | grep -o '"verdict":"[A-Z_]*"' | cut -d'"' -f4; }
is() { [ "$(verdict)" = "$1" ]; }

# Thresholds are configuration: six decisions instead of fifty.
sed -i -e 's/^  window: 100 .*/  window: 8/' -e 's/^  least_decisions:.*/  least_decisions: 6/' -e 's/^  least_changed:.*/  least_changed: 100/' \
	-e 's/^  hasty_seconds:.*/  hasty_seconds: 60/' "$WORK/haechi.yaml"
"$BUILD/haechid" -nn -c "$WORK/haechi.yaml" | grep -q 'least_decisions: 6' || fail "configuration"
"$HAECHI" status --reload --socket "$CONTROL" >/dev/null || fail "reload"

cat >"$WORK/use.json" <<'JSON'
{"id": "counsel-match", "agency": "haneul", "title": {"ko": "복지 상담사 배정 순위", "en": "ranking for counsellors"},
 "purpose": "상담 신청의 순위를 매기고 담당자가 검토하여 확정한다", "grade": "S", "channel": "api", "actor_role": "deployer",
 "audience": "internal", "domains": ["public_service"], "sub_function": "provision_priority", "decision_effect": "midstage",
 "human_review": "substantive", "reviewer": {"name": "김복지", "contact": "02-120", "may_exclude": true, "may_modify": true,
 "may_refuse": true, "decisions": 200, "changed": 40}, "facts": {"discretion": true, "generative": true}}
JSON
usecase add "$WORK/use.json" >/dev/null || fail "register"
is NOT_HIGH_IMPACT || fail "declared evidence of review: $(verdict)"
KEY=$("$HAECHI" key create --agency haneul --service counsel --usecase counsel-match --socket "$CONTROL" --json | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')

hold() {
	ask "$KEY" "$1" >"$WORK/held"
	[ "$(status_of)" = 202 ] || fail "a use that rests on review is not reviewed: $(status_of)"
	python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["id"])' "$WORK/held"
}
# Approved as fast as a machine can.
for i in 1 2 3 4 5; do
	ticket=$(hold "상담 신청 $i번의 순서를 정해 주세요.")
	review show "$ticket" >/dev/null
	review approve "$ticket" --reason 확인 >/dev/null
done
five() { review stats counsel-match --json | grep -q '"decisions":5'; }
until_true 60 five
is NOT_HIGH_IMPACT || fail "five of six decide nothing: $(verdict)"
[ "$(head_of X-Haechi-Verdict)" = NOT_HIGH_IMPACT ] || fail "the header before"
ticket=$(hold "상담 신청 6번의 순서를 정해 주세요.")
review show "$ticket" >/dev/null
review approve "$ticket" --reason 확인 >/dev/null
until_true 60 is HIGH_IMPACT

# The next request is treated so, and its entry names the rule.
ask "$KEY" "상담 신청 7번의 순서를 정해 주세요." >"$WORK/held"
[ "$(status_of) $(head_of X-Haechi-Verdict)" = "202 HIGH_IMPACT" ] || fail "the next request: $(status_of) $(head_of X-Haechi-Verdict)"
entry=$(head_of X-Haechi-Entry)
until_true 60 settled
"$HAECHI" explain "$entry" | tee "$WORK/explained" | grep -q 'T12.rubber-stamp' || fail "explain does not name T12"
grep -q 'forbid.high-impact-without-review' "$WORK/explained" || fail "held by another policy"

# Told: entry, status, console's source, metric, list, show, stats.
"$HAECHI" audit query --usecase counsel-match --kind usecase --json | grep '"action":"reassess"' >"$WORK/told" || fail "no entry tells of it"
[ "$(wc -l <"$WORK/told")" = 1 ] || fail "told more than once"
for word in '"from":"NOT_HIGH_IMPACT"' '"verdict":"HIGH_IMPACT"' 'T12.rubber-stamp' '"decisions":6' '"changed":0' '"least_decisions":6'; do
	grep -q -- "$word" "$WORK/told" || fail "the entry lacks $word: $(cat "$WORK/told")"
done
"$HAECHI" status --socket "$CONTROL" | grep -q '주의.*counsel-match.*T12' || fail "status"
curl -fsS "$BASE_URL/haechi/v1/status" | grep -q '"what":"oversight"' || fail "status over HTTP"
curl -fsS "$BASE_URL/metrics" >"$WORK/metrics"
grep -q 'haechi_usecase_oversight_failed{agency="haneul",usecase="counsel-match"} 1' "$WORK/metrics" || fail "metric"
grep -q 'haechi_usecase_reviews{agency="haneul",usecase="counsel-match"} 6' "$WORK/metrics" || fail "metric of reviews"
usecase list | grep 'counsel-match' | grep -q T12 || fail "list"
usecase show counsel-match | grep -q '측정된 6건' || fail "show"
review stats | grep -q 'rubber-stamped' || fail "stats"
review stats counsel-match --json | python3 -c '
import json, sys
whole = json.loads(sys.stdin.read())
assert (whole["decisions"], whole["changed"], whole["hasty"], whole["standing"]) == (6, 0, 6, "rubber-stamped"), whole
assert whole["verdict"] == "HIGH_IMPACT" and whole["rule"].startswith("T12."), whole
assert 0 <= whole["median_ms"] < 60000, whole
assert len(whole["reviewers"]) == 1 and whole["reviewers"][0]["decisions"] == 6, whole
' || fail "stats as JSON"

# It is not forgotten by a restart, nor by registering anew; and not told twice.
kill "$HAECHID_PID"
wait "$HAECHID_PID" 2>/dev/null || true
haechid_up
is HIGH_IMPACT || fail "forgotten by a restart: $(verdict)"
sed -i 's/김복지/이복지/' "$WORK/use.json"
usecase edit "$WORK/use.json" | grep -q HIGH_IMPACT || fail "a new version undoes what was measured"
is HIGH_IMPACT || fail "a new version: $(verdict)"
until_true 60 settled
"$HAECHI" audit query --usecase counsel-match --kind usecase --json | grep '"action":"edit"' >"$WORK/edited" || fail "no entry of the edit"
grep -q '"changed":"reviewer.name"' "$WORK/edited" || fail "what was changed: $(cat "$WORK/edited")"
! grep -q 이복지 "$WORK/edited" || fail "the entry holds a name"
until_true 60 settled
[ "$("$HAECHI" audit query --usecase counsel-match --kind usecase --json | grep -c '"action":"reassess"')" = 1 ] || fail "told again"

# Reversible by evidence: reviews that change something and take their time push the hasty ones out of the window.
for i in 8 9; do
	ticket=$(hold "상담 신청 $i번의 순서를 정해 주세요.")
	review refuse "$ticket" --reason '자료가 모자람' >/dev/null
done
hasty_now() { review stats counsel-match --json | grep -q '"standing":"hasty"'; }
until_true 60 hasty_now
is HIGH_IMPACT || fail "changed enough, but still hasty: $(verdict)"
tickets=()
for i in 10 11 12; do
	tickets+=("$(hold "상담 신청 $i번의 순서를 정해 주세요.")")
	review show "${tickets[-1]}" >/dev/null
done
# The reviewer reads for two minutes: the hour at which he was shown them is put back.
sql -c "UPDATE haechi.ticket SET opened_at = opened_at - interval '2 minutes' WHERE state = 'waiting'"
for ticket in "${tickets[@]}"; do review approve "$ticket" --reason '대조함' >/dev/null; done
until_true 60 is NOT_HIGH_IMPACT
until_true 60 settled
"$HAECHI" audit query --usecase counsel-match --kind usecase --json | grep '"action":"reassess"' | grep '"from":"HIGH_IMPACT"' | grep -q '"verdict":"NOT_HIGH_IMPACT"' || fail "the return is not told"
! "$HAECHI" status --socket "$CONTROL" | grep -q '주의.*counsel-match' || fail "status still complains"

# The same facts give the same decisions, thresholds included.
"$HAECHI" replay >"$WORK/replayed" || fail "replay: $(cat "$WORK/replayed")"
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
