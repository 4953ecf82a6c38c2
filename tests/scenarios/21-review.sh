#!/usr/bin/env bash
# Goal of this test: what a reviewer does holds - an edited one is what is sent, an approval
# works once and ends in time, others cannot fetch it, and each step is an entry.
. "$(dirname "$0")/_lib.sh"
haechi_up
review() { "$HAECHI" review "$@" --socket "$CONTROL"; }
hold() { ask "$KEY_WELFARE" "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])'; }
fetch() { curl -sS -o "$WORK/answer" -w '%{http_code}' "$BASE_URL/haechi/v1/tickets/$1" -H "Authorization: Bearer ${2:-$KEY_WELFARE}"; }

ticket=$(hold '급여 자격을 판정해 주세요.')
[ "$(fetch "$ticket")" = 202 ] || fail "not waiting"
[ "$(fetch "$ticket" "$KEY_GUIDE")" = 404 ] || fail "another service sees it"
[ "$(fetch "$ticket" hk_no_key)" = 401 ] || fail "nobody sees it"
review show "$ticket" | grep -q '급여 자격을' || fail "show"
! review approve "$ticket" --reason x --role mayor 2>/dev/null || fail "approved in a role nobody gave"
printf '{"model":"haechi-demo","max_tokens":16,"messages":[{"role":"user","content":"제도만 설명해 주세요."}],"mystery":1}' >"$WORK/edited"
! review edit "$ticket" --reason x --request "$WORK/edited" 2>/dev/null || fail "an edited request with an unknown member"
printf '{"model":"haechi-demo","max_tokens":16,"messages":[{"role":"user","content":"제도만 설명해 주세요."}]}' >"$WORK/edited"
review edit "$ticket" --reason '판정을 뺐음' --request "$WORK/edited" || fail "edit"
[ "$(fetch "$ticket")" = 200 ] || fail "edited and approved: $(cat "$WORK/answer")"
[ "$(fetch "$ticket")" = 409 ] || fail "answered twice"
! review refuse "$ticket" --reason late 2>/dev/null || fail "refused after it was answered"

ticket=$(hold '두 번째 요청')
review refuse "$ticket" --reason '자료가 모자람' || fail "refuse"
[ "$(fetch "$ticket")" = 403 ] || fail "refused"
grep -q '자료가 모자람' "$WORK/answer" || fail "the reviewer's reason is not told"

# Two at once: one answer.
ticket=$(hold '세 번째 요청')
review show "$ticket" >/dev/null
review approve "$ticket" --reason '대조함' >/dev/null
codes=$(for _ in 1 2 3 4; do curl -sS -o /dev/null -w '%{http_code}\n' "$BASE_URL/haechi/v1/tickets/$ticket" -H "Authorization: Bearer $KEY_WELFARE" & done; wait)
[ "$(grep -c 200 <<<"$codes")" = 1 ] || fail "four at once: $codes"

# The engine is away: the approval is not used up.
ticket=$(hold '네 번째 요청')
review show "$ticket" >/dev/null
review approve "$ticket" --reason '대조함' >/dev/null
kill -KILL "$ENGINE_PID"; wait "$ENGINE_PID" 2>/dev/null || true
[ "$(fetch "$ticket")" = 503 ] || fail "no engine"
rm -f "$STATE/engine.sock"
engine_up
answered() { [ "$(fetch "$ticket")" = 200 ]; }
until_true 10 answered

# Time is over: an entry, and no answer.
ticket=$(hold '다섯 번째 요청')
review show "$ticket" >/dev/null
sql -c "UPDATE haechi.ticket SET expires_at = clock_timestamp() - interval '1 second' WHERE ticket = '$ticket'"
! review approve "$ticket" --reason late 2>/dev/null || fail "approved after its time"
[ "$(fetch "$ticket")" = 409 ] || fail "expired"
expired() { [ "$(sql -c "SELECT state FROM haechi.ticket WHERE ticket = '$ticket'")" = expired ]; }
until_true 10 expired
[ -z "$(sql -c "SELECT 1 FROM haechi.ticket WHERE state IN ('answered', 'refused', 'expired') AND content IS NOT NULL")" ] || fail "content kept"

# The database is away: what must be held is refused, the rest goes on.
deploy/cluster.sh stop "$WORK/pg"
ask "$KEY_WELFARE" '여섯 번째' >/dev/null
[ "$(status_of)" = 503 ] || fail "held without a queue: $(status_of)"
ask "$KEY_GUIDE" '안녕하세요' >/dev/null
[ "$(status_of)" = 200 ] || fail "others must go on"
database_up
until_true 60 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
actions=$("$HAECHI" audit query --kind review --json | grep -o '"action":"[a-z]*"' | sort | uniq -c | tr -s ' \n' ' ')
for action in approve edit refuse expire; do grep -q "\"$action\"" <<<"$actions" || fail "no entry tells of $action: $actions"; done
