#!/usr/bin/env bash
# Goal of this test: SIGHUP takes a new policy whole or not at all, SIGTERM ends with what is under way answered.
. "$(dirname "$0")/_lib.sh"
haechi_up

ask "$KEY_GUIDE" '안녕하세요' >/dev/null
[ "$(status_of)" = 200 ] || fail "at the beginning"
bundle() { "$HAECHI" status --socket "$CONTROL" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["policy"]["bundle"])'; }
first=$(bundle)
cp -R policy/agency "$WORK/agency"
sed -i "s|^  agency: .*policy.*|  agency: $WORK/agency|" "$WORK/haechi.yaml"

echo 'permit (principal, action, resource) when { principal. };' >"$WORK/agency/zz-broken.cedar"
kill -HUP "$HAECHID_PID"
until_true 10 grep -q 'zz-broken.cedar:1' "$WORK/haechid.log"
[ "$(bundle)" = "$first" ] || fail "a broken policy was taken"
ask "$KEY_GUIDE" '안녕하세요' >/dev/null
[ "$(status_of)" = 200 ] || fail "after a refused reload"

cat >"$WORK/agency/zz-broken.cedar" <<'CEDAR'
@id("test.no-chat")
@title_ko("시험: 대화 금지") @title_en("test: no chat")
@message_ko("시험 중에는 대화할 수 없습니다.") @message_en("No chat during the test.")
forbid (principal, action, resource);
CEDAR
kill -HUP "$HAECHID_PID"
changed() { [ "$(bundle)" != "$first" ]; }
until_true 10 changed
body=$(ask "$KEY_GUIDE" '안녕하세요')
[ "$(status_of)" = 403 ] || fail "the new policy does not rule: $(status_of)"
grep -q 'test.no-chat' <<<"$body" || fail "the denial does not name its policy: $body"
grep -q '시험 중에는' <<<"$body" || fail "the denial does not say why in Korean: $body"
[ "$(head_of X-Haechi-Decision)" = deny ] || fail "decision header"
rm "$WORK/agency/zz-broken.cedar"
kill -HUP "$HAECHID_PID"
restored() { [ "$(bundle)" = "$first" ]; }
until_true 10 restored

until_true 20 settled
"$HAECHI" audit query --kind policy --json | grep -q reload || "$HAECHI" audit query --kind policy --json | grep -q activate || fail "the change left no entry"
python3 tests/scenarios/_load.py "$BASE_URL" "$KEY_GUIDE" 6 3 "$WORK/promised" >"$WORK/counts" &
load=$!
sleep 1.2
kill -TERM "$HAECHID_PID"
wait "$HAECHID_PID" || fail "haechid's end: $?"
HAECHID_PID=
wait $load
cat "$WORK/counts"
haechid_up
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "verify"
sql -c "SELECT of FROM haechi.entry WHERE kind = 'outcome'" | sort >"$WORK/outcomes"
[ -z "$(sort -u "$WORK/promised" | comm -23 - "$WORK/outcomes")" ] || fail "answers without outcomes"
