#!/usr/bin/env bash
# Goal of this test: content reaches nothing but sealed content - a canary and a synthetic resident number go through every path
# (answered, masked, held, denied, malformed, streamed, abandoned) and are then looked for in every log, in the
# metrics, the journal and a dump of the database.
. "$(dirname "$0")/_lib.sh"
haechi_up

canary=카나리아-7f3a9b RRN=900101-1990006
ask "$KEY_GUIDE" "$canary 안녕하세요" >/dev/null
ask "$KEY_DRAFT" "$canary $RRN 님의 신청서를 요약해 주세요" >"$WORK/masked"
[ "$(head_of X-Haechi-Decision)" = redact ] || fail "not redacted: $(cat "$WORK/masked")"
ask "$KEY_WELFARE" "$canary $RRN 급여 자격을 판정해 주세요" >/dev/null
ask "$KEY_GUIDE" "$canary" -H 'X-Haechi-Use-Case: no-such-use' >/dev/null
ask hk_wrong_key "$canary" >/dev/null
curl -sS "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d "{\"$canary\": \"$RRN" >/dev/null
curl -sS "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d "{\"model\":\"haechi-demo\",\"messages\":[{\"role\":\"user\",\"content\":\"$canary\"}],\"$canary\":1}" >/dev/null
timeout 0.2 curl -sSN "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d "{\"model\":\"haechi-demo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$canary\"}]}" >/dev/null || true
kill -HUP "$HAECHID_PID"
sleep 1
until_true 20 settled
curl -fsS "$BASE_URL/metrics" >"$WORK/metrics.txt"
curl -fsS --unix-socket "$STATE/engine.sock" http://engine/metrics >>"$WORK/metrics.txt"
pg_dump -h "$PGSOCKET" -U haechi_admin haechi >"$WORK/dump.sql"
# Bytea columns are dumped in hex: look for both spellings.
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
digits=${RRN/-/}
for word in "$canary" "$RRN" "$digits" "$(hex "$canary")" "$(hex "$RRN")"; do
	found=$(grep -rlaF -- "$word" "$WORK" --exclude=masked 2>/dev/null || true)
	[ -z "$found" ] || fail "'$word' is in: $found"
done
kill -TERM "$HAECHID_PID"
wait "$HAECHID_PID" || fail "haechid did not end well"
HAECHID_PID=
found=$(grep -rlaF -- "$canary" "$STATE" 2>/dev/null || true)
[ -z "$found" ] || fail "the canary is in: $found"
