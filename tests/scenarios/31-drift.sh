#!/usr/bin/env bash
# Goal of this test: a text that leaves its registered use is told apart, with the reason; a use that drifts often is shown for
# re-assessment everywhere and an entry records it; what is found raises the grade of the data and never lowers it, in answers too.
. "$(dirname "$0")/_lib.sh"
haechi_up
usecase() { "$HAECHI" usecase "$@" --socket "$CONTROL"; }
sed -i -e '/^drift:/,/^$/ s/^  least:.*/  least: 4/' "$WORK/haechi.yaml"
"$HAECHI" status --reload --socket "$CONTROL" >/dev/null || fail "reload"
DECIDE='이 지원자의 자기소개서와 면접 점수를 종합해 합격 여부를 최종 결정해 주세요. 기준에 못 미치면 탈락 처리하세요.'

# No drift, then certain drift: held, and the entry says why without the text.
ask "$KEY_GUIDE" '민원실은 몇 시에 문을 여나요?' >/dev/null
[ "$(status_of)" = 200 ] || fail "plain question: $(status_of)"
plain=$(head_of X-Haechi-Entry)
ask "$KEY_GUIDE" "$DECIDE" >/dev/null
[ "$(status_of)" = 202 ] || fail "certain drift is not held: $(status_of)"
drifted=$(head_of X-Haechi-Entry)
until_true 60 settled
"$HAECHI" explain "$plain" | grep -q '이탈 drift.*none' || "$HAECHI" explain "$plain" --json | grep -q '"drift":"none"' || fail "no drift"
"$HAECHI" explain "$drifted" --json | python3 -c '
import json, sys
facts = json.load(sys.stdin)["facts"]
evidence = facts["drift_evidence"]
assert facts["drift"] == "certain" and evidence["domain"] == "hiring_lending" and evidence["why"] == "undeclared", facts
assert evidence["score"] >= 850 and evidence["rule"], evidence
' || fail "why it drifted"
"$HAECHI" explain "$drifted" | grep -q '이 용도에 등록되지 않은 영역' || fail "explain tells no reason: $("$HAECHI" explain "$drifted")"
! sql -c "SELECT convert_from(bytes, 'UTF8') FROM haechi.entry WHERE id = '$drifted'" | grep -q 지원자 || fail "the entry holds the text"

# Often: two of four.
ask "$KEY_GUIDE" '여권은 어디서 만드나요?' >/dev/null
! "$HAECHI" status --socket "$CONTROL" --json | grep -q '"what":"drift"' || fail "one of three already"
ask "$KEY_GUIDE" "$DECIDE" >/dev/null
often() { "$HAECHI" status --socket "$CONTROL" --json | grep -q '"what":"drift"'; }
until_true 60 often
"$HAECHI" status --socket "$CONTROL" | grep -q '주의.*civil-guide' || fail "status"
usecase list | grep civil-guide | grep -q '이탈 잦음' || fail "list"
usecase show civil-guide | grep -q '다시 판단하십시오' || fail "show"
curl -fsS "$BASE_URL/metrics" | grep -q 'haechi_usecase_drift_often{agency="haneul",usecase="civil-guide"} 1' || fail "metric"
recorded() { until_true 60 settled; "$HAECHI" audit query --usecase civil-guide --kind usecase --json | grep -q '"action":"drift"'; }
until_true 60 recorded
kill "$HAECHID_PID"
wait "$HAECHID_PID" 2>/dev/null || true
haechid_up
until_true 60 often
until_true 60 settled
[ "$("$HAECHI" audit query --usecase civil-guide --kind usecase --json | grep -c '"action":"drift"')" = 1 ] || fail "told again after a restart"
# Assessed anew: a new version begins anew.
sed 's/"frequency": "continuous"/"frequency": "daily"/' deploy/demo/civil-guide.json >"$WORK/guide.json"
usecase edit "$WORK/guide.json" >/dev/null
not_often() { ! often; }
until_true 60 not_often

# The grade: declared O, raised to S by a telephone number; business numbers raise nothing.
grade() { "$HAECHI" explain "$1" --json | python3 -c 'import json,sys; f = json.load(sys.stdin)["facts"]; print(f["grade_declared"], f["grade"])'; }
ask "$KEY_GUIDE" '제 번호 010-2345-6789로 연락 주세요.' >/dev/null
raised=$(head_of X-Haechi-Entry)
ask "$KEY_GUIDE" '사업자등록번호 124-81-00998은 어느 회사인가요?' >/dev/null
company=$(head_of X-Haechi-Entry)
ask "$KEY_DRAFT" '회의록 초안을 써 주세요.' >/dev/null
declared=$(head_of X-Haechi-Entry)
until_true 60 settled
[ "$(grade "$raised")" = "O S" ] || fail "raised: $(grade "$raised")"
[ "$(grade "$company")" = "O O" ] || fail "a company is no person: $(grade "$company")"
[ "$(grade "$declared")" = "S S" ] || fail "never lowered: $(grade "$declared")"
"$HAECHI" explain "$raised" | grep -q '등록은 O' || fail "explain tells nothing of the raise"
# The outcome carries the grade of the exchange, the answer's findings included.
"$HAECHI" explain "$raised" --json | python3 -c '
import json, sys
outcome = [e["body"] for e in json.load(sys.stdin)["followed_by"] if e["kind"] == "outcome"][0]
assert outcome["grade"] == "S" and isinstance(outcome["found"], dict), outcome
' || fail "the outcome's grade"
"$HAECHI" replay >"$WORK/replayed" || fail "replay: $(cat "$WORK/replayed")"
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
