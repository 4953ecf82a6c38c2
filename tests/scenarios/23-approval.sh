#!/usr/bin/env bash
# Goal of this test: an approval is bound to who gave it, his role, its time and the request as approved; what was approved without
# a look or a reason says so, counts as oversight that was not exercised (T11, T12), and is refused where the agency wants that.
. "$(dirname "$0")/_lib.sh"
haechi_up
review() { "$HAECHI" review "$@" --socket "$CONTROL"; }
fetch() { curl -sS -D "$WORK/head" -o "$WORK/answer" -w '%{http_code}' "$BASE_URL/haechi/v1/tickets/$1" -H "Authorization: Bearer $KEY_WELFARE"; }
hold() { # TEXT [USER]
	curl -sS "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_WELFARE" -H 'Content-Type: application/json' -d "$(python3 -c '
import json, sys
body = {"model": "haechi-demo", "max_tokens": 8, "messages": [{"role": "user", "content": sys.argv[1]}]}
if len(sys.argv) > 2: body["user"] = sys.argv[2]
print(json.dumps(body))' "$@")" | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])'
}
entry_of() { sql -c "SELECT convert_from(bytes, 'UTF8')::json->'body' FROM haechi.entry WHERE kind = 'review' AND position('$1' in convert_from(bytes, 'UTF8')) > 0"; }
recorded() { [ -n "$(entry_of "$1")" ]; }

# Bare: allowed, and the entry says what it was.
ticket=$(hold '급여 자격을 판정해 주세요.')
review approve "$ticket" >/dev/null || fail "a bare approval"
until_true 20 recorded "$ticket"
entry_of "$ticket" | grep -q '"viewed": *false' || fail "not recorded as unseen: $(entry_of "$ticket")"
! entry_of "$ticket" | grep -q '"reason"' || fail "a reason out of nothing"
[ "$(fetch "$ticket")" = 200 ] || fail "approved: $(cat "$WORK/answer")"

# Seen: recorded too.
ticket=$(hold '두 번째')
review show "$ticket" >/dev/null
review approve "$ticket" --reason '대조함' >/dev/null
until_true 20 recorded "$ticket"
entry_of "$ticket" | grep -q '"viewed": *true' || fail "a look is not recorded: $(entry_of "$ticket")"

# A changed request: bytes exchanged in the queue, or a digest; nothing of it is answered.
other=$(hold '다른 요청')
sql -c "UPDATE haechi.ticket SET content = (SELECT content FROM haechi.ticket WHERE ticket = '$other') WHERE ticket = '$ticket'"
code=$(fetch "$ticket")
[ "$code" != 200 ] && ! grep -q choices "$WORK/answer" || fail "another request was answered under this approval: $code"
ticket=$(hold '세 번째')
review approve "$ticket" --reason '대조함' >/dev/null
sql -c "UPDATE haechi.ticket SET content = set_byte(content, length(content) / 2, get_byte(content, length(content) / 2) # 1) WHERE ticket = '$ticket'"
code=$(fetch "$ticket")
[ "$code" != 200 ] && ! grep -q choices "$WORK/answer" || fail "a changed request was answered: $code"
ticket=$(hold '네 번째')
review approve "$ticket" --reason '대조함' >/dev/null
sql -c "UPDATE haechi.ticket SET request_digest = repeat('0', 64) WHERE ticket = '$ticket'"
code=$(fetch "$ticket")
[ "$code" != 200 ] && ! grep -q choices "$WORK/answer" || fail "answered though its digest is another: $code"

# The wrong role: one that nobody gave him, one that the policy does not want, one that was changed behind the gateway's back.
ticket=$(hold '다섯 번째')
! review approve "$ticket" --role mayor 2>"$WORK/said" || fail "a role nobody gave"
grep -q "역할 'mayor'" "$WORK/said" || fail "the role is not named: $(cat "$WORK/said")"
! review approve "$ticket" --role privacy-officer 2>"$WORK/said" || fail "a role the policy does not want"
grep -q "역할 'reviewer'" "$WORK/said" || fail "the wanted role is not named: $(cat "$WORK/said")"
review approve "$ticket" >/dev/null
sql -c "UPDATE haechi.ticket SET approver_role = 'janitor' WHERE ticket = '$ticket'"
[ "$(fetch "$ticket")" != 200 ] || fail "approved by a janitor"

# Expired: between approval and fetching.
ticket=$(hold '여섯 번째')
review approve "$ticket" >/dev/null
sql -c "UPDATE haechi.ticket SET expires_at = clock_timestamp() - interval '1 second' WHERE ticket = '$ticket'"
[ "$(fetch "$ticket")" = 409 ] || fail "an approval past its time"

# Nobody approves what he asked for; refusing it harms nobody.
ticket=$(hold '일곱 번째' "$(id -un)")
! review approve "$ticket" 2>"$WORK/said" || fail "approved his own request"
grep -q '자신이 한 요청' "$WORK/said" && grep -q 'his own request' "$WORK/said" || fail "own request: $(cat "$WORK/said")"
printf '{"model":"haechi-demo","messages":[{"role":"user","content":"x"}]}' >"$WORK/edited"
! review edit "$ticket" --request "$WORK/edited" 2>/dev/null || fail "edited his own request"
review refuse "$ticket" >/dev/null || fail "refuse without a reason"
ticket=$(hold '여덟 번째' 'hong')
review approve "$ticket" >/dev/null || fail "somebody else's"

# Where the agency wants it, what was not shown is not approved.
sed -i 's/^  look_first: no/  look_first: yes/' "$WORK/haechi.yaml"
"$HAECHI" status --reload --socket "$CONTROL" >/dev/null
ticket=$(hold '아홉 번째')
! review approve "$ticket" 2>"$WORK/said" || fail "approved unseen"
grep -q "haechi review show $ticket" "$WORK/said" || fail "what to do is not told: $(cat "$WORK/said")"
review show "$ticket" >/dev/null
review approve "$ticket" >/dev/null || fail "approved after a look"
until_true 30 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
