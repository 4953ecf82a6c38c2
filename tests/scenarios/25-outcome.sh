#!/usr/bin/env bash
# Goal of this test: what policies say reaches the caller as it was said. A marked forbid masks or waits, an unmarked one is final
# whatever else could be met, satisfied permits stand in the entry of a denial, and a policy that cannot be evaluated denies with
# an alarm in log and metrics, never an answer.
. "$(dirname "$0")/_lib.sh"
haechi_up
cp -R policy/agency "$WORK/agency"
sed -i "s|^  agency: .*policy.*|  agency: $WORK/agency|" "$WORK/haechi.yaml"
cat >"$WORK/agency/zz.cedar" <<'CEDAR'
@id("test.final") @title_ko("시험: 최종") @title_en("test: final")
forbid (principal, action in Action::"ask", resource) when { context.found.contains(Identifier::"vehicle") };
@id("test.email") @title_ko("시험: 전자우편") @title_en("test: e-mail")
@remedy("redact") @redact("email")
forbid (principal, action in Action::"ask", resource)
when { context.found.contains(Identifier::"email") && !context.redacted.contains(Identifier::"email") };
@id("test.card") @title_ko("시험: 카드") @title_en("test: card") @remedy("hold") @approver("privacy-officer") @hold_ttl("PT30M")
forbid (principal, action in Action::"ask", resource) when { context.found.contains(Identifier::"card") } unless { context has approval };
@id("test.broken") @title_ko("시험: 오류") @title_en("test: error")
forbid (principal, action in Action::"ask", resource)
when { context.found.contains(Identifier::"phone") && context.now.toTime().toMilliseconds() + 9223372036854775807 > 0 };
CEDAR
"$HAECHI" status --reload --socket "$CONTROL" >/dev/null || fail "reload"
metric() { curl -fsS "$BASE_URL/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
outcome() { # TEXT WANTED STATUS
	curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -H 'Content-Type: application/json' \
		-d "{\"model\":\"haechi-demo\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"
	[ "$(head_of X-Haechi-Decision)" = "$2" ] && [ "$(status_of)" = "$3" ] ||
		fail "$1: $(head_of X-Haechi-Decision) $(status_of), wanted $2 $3: $(head -c 400 "$WORK/answer")"
	head_of X-Haechi-Entry >"$WORK/entry"
}
entry() { "$HAECHI" explain "$(cat "$WORK/entry")" --json >"$WORK/explained" 2>/dev/null && [ -s "$WORK/explained" ]; }
mail='메일은 hong@example.go.kr 입니다'
card='카드는 4111-1111-1111-1111 입니다'
car='차량번호 12가3456 조회'
phone='제 번호는 010-1234-5678 입니다'

outcome '안녕하세요' permit 200
outcome "$mail" redact 200
outcome "$card" hold 202
outcome "$mail $card" hold 202
outcome "$car" deny 403
grep -q test.final "$WORK/answer" || fail "the final forbid is not named"
outcome "$car $mail $card" deny 403
grep -q test.final "$WORK/answer" || fail "a remedy softened a final forbid"
until_true 20 entry
grep -q '"permits":\[{[^]]*permit.sensitive\|permit.open' "$WORK/explained" || fail "a denial hides what permitted: $(cat "$WORK/explained")"

# An error denies, whatever permits; the alarm names the policy, never the text.
[ "$(metric haechi_policy_errors_total)" = 0 ] || fail "errors before there are any"
outcome "$phone" deny 403
outcome "$phone $mail" deny 403
[ "$(metric haechi_policy_errors_total)" = 2 ] || fail "errors: $(metric haechi_policy_errors_total)"
grep -q 'error decide event=policy-error policy=test.broken' "$WORK/haechid.log" || fail "no alarm in the log"
! grep -q '010-1234' "$WORK/haechid.log" || fail "content in the log"
! grep -q choices "$WORK/answer" || fail "answered in spite of an error"

# A hold goes to the role the policy names, ends when it says, and is answered once that person approved.
outcome "$card" hold 202
ticket=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["id"])' "$WORK/answer")
"$HAECHI" review list --socket "$CONTROL" --json | grep "$ticket" >"$WORK/row"
grep -q '"approver_role":"privacy-officer"' "$WORK/row" || fail "another role: $(cat "$WORK/row")"
python3 - "$WORK/row" <<'PY' || fail "another end: $(cat "$WORK/row")"
import datetime, json, sys
row = json.load(open(sys.argv[1]))
moment = lambda name: datetime.datetime.fromisoformat(row[name].replace("Z", "+00:00"))
sys.exit(abs((moment("expires_at") - moment("created_at")).total_seconds() - 1800) > 5)
PY
"$HAECHI" review approve "$ticket" --socket "$CONTROL" >/dev/null || fail "approve"
[ "$(curl -sS -o "$WORK/answer" -w '%{http_code}' "$BASE_URL/haechi/v1/tickets/$ticket" -H "Authorization: Bearer $KEY_GUIDE")" = 200 ] || fail "approved: $(cat "$WORK/answer")"
until_true 30 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
