#!/usr/bin/env bash
# Goal of this test: an old month leaves the database for an archive, whatever kills the command meanwhile: nothing is in fewer
# places than one, every receipt holds and is made again, verify takes database and archive together, and a person whose content
# lies in the archive is erased all the same.
. "$(dirname "$0")/_lib.sh"
CLOCK=$PWD/$BUILD/tools/clock.so
[ -f "$CLOCK" ] || skip "no $CLOCK: make tests"
OFFSET=-5184000 # sixty days
MONTH=$(date -u -d "$OFFSET seconds" +%Y-%m)
haechi_up
ADMIN="host=$PGSOCKET user=haechi_admin dbname=haechi"
down() { kill "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true; }
load() { python3 tests/scenarios/_load.py "$BASE_URL" "$KEY_GUIDE" 4 "$1" "$WORK/promised" >/dev/null; }
size() { curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p; }
holds() { "$HAECHI" audit verify --vkey "$STATE/log.vkey" "$@" >"$WORK/verify" 2>&1 || fail "verify: $(cat "$WORK/verify")"; }
offline() { "$BUILD/haechi-verify" --vkey "$STATE/log.vkey" "$@" >"$WORK/said" 2>&1 || fail "$*: $(cat "$WORK/said")"; }
# Entries leave the database here: what counts is how far it has come.
settled() { [ "$(sql -c 'SELECT max(index) + 1 FROM haechi.entry')" = "$(size)" ]; }
old() { sql -c "SELECT count(*) FROM haechi.entry WHERE wall < now() - interval '55 days'"; }

# Sixty days ago (the clock goes back, as clocks do, and then forward again): Hong waits for a reviewer, others are answered.
down
LD_PRELOAD=$CLOCK HAECHI_CLOCK_OFFSET=$OFFSET haechid_up
curl -sS -D "$WORK/head" -o /dev/null "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_WELFARE" -H 'Content-Type: application/json' \
	-d '{"model":"haechi-demo","user":"hong","messages":[{"role":"user","content":"홍의 급여 자격을 판정해 주세요."}]}'
hong=$(head_of X-Haechi-Entry)
load 1
until_true 20 settled
"$HAECHI" audit receipt "$hong" --out "$WORK/before.receipt"
[ "$(sql -c "SELECT count(*) FROM haechi.content WHERE entry_id = '$hong'")" = 1 ] || fail "nothing is sealed for hong"
down
# Now again: a month goes only when the log has grown beyond it.
haechid_up
until_true 30 settled
months=$(old)
[ "$months" -gt 20 ] || fail "only $months old entries"
while [ "$(size)" -lt $((months + 600)) ]; do load 1; done
until_true 30 settled
holds
promised=$(head -n 1 "$WORK/promised")

"$HAECHI" audit archive --month "$MONTH" --out "$WORK/archive" --key "$WORK/report.key" --socket "$CONTROL" --reason '분기 보관' --json >"$WORK/made" || fail archive
offline "$WORK/archive"
grep -q 'to be kept' "$WORK/said" || fail "$(cat "$WORK/said")"
holds --archive "$WORK/archive"
! "$HAECHI" audit archive --month "$(date -u +%Y-%m)" --out "$WORK/now" 2>/dev/null || fail "a month that is not over"
! "$HAECHI" audit detach "$WORK/archive" --database "$ADMIN" --socket "$CONTROL" 2>/dev/null || fail "without keys from outside"
! "$HAECHI" audit detach "$WORK/archive" --vkey "$STATE/log.vkey" --socket "$CONTROL" >"$WORK/said" 2>&1 || fail "an auditor detached"
grep -q 'owner of the tables' "$WORK/said" || fail "$(cat "$WORK/said")"
[ "$(old)" = "$months" ] || fail "something is gone"
# While the daemon is away nothing goes.
down
! "$HAECHI" audit detach "$WORK/archive" --vkey "$STATE/log.vkey" --database "$ADMIN" --socket "$CONTROL" 2>/dev/null || fail "without the log's word"
[ "$(old)" = "$months" ] || fail "something is gone without the log's word"
haechid_up

# Killed at any moment, evidence is in the database, or it is in the archive and the log says so.
quiet() { [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE usename = 'haechi_admin' AND application_name = 'haechi'")" = 0 ]; }
detach() { exec "$HAECHI" audit detach "$WORK/archive" --vkey "$STATE/log.vkey" --database "$ADMIN" --socket "$CONTROL"; }
for pause in 0.02 0.1 0.25 0.5; do
	detach >/dev/null 2>&1 &
	pid=$!
	sleep $pause
	kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	until_true 20 settled
	holds
	holds --archive "$WORK/archive"
	until_true 20 quiet # the server ends what it was told, or forgets it
	left=$(old)
	listed=$(sql -c "SELECT coalesce(sum(entries), 0) FROM haechi.archive")
	[ $((left + listed)) = "$months" ] || fail "$left entries in the database, $listed detached, $months in all"
done
[ "$(old)" = 0 ] || (detach) >"$WORK/said" 2>&1 || fail "detach: $(cat "$WORK/said")"
[ "$(old)" = 0 ] || fail "the month is still there"
[ "$(sql -c "SELECT count(*) FROM haechi.content WHERE entry_id = '$hong'")" = 0 ] || fail "sealed content stayed"
"$HAECHI" audit archives | grep -q "$MONTH" || fail "not listed"
"$HAECHI" audit archives --json | python3 -c 'import json,sys; assert json.loads(sys.stdin.readline())["entries"] == int(sys.argv[1])' "$months" || fail "archives --json"

# The log goes on, also in a new daemon; old receipts hold, new ones are made of the archive, wherever it lies.
load 1
down
haechid_up
until_true 30 settled
holds
grep -q 'not looked at: the bytes' "$WORK/verify" || fail "it does not say what it did not look at: $(cat "$WORK/verify")"
holds --archive "$WORK/archive"
offline "$WORK/before.receipt"
"$HAECHI" audit receipt "$hong" --out "$WORK/after.receipt" || fail "no receipt out of the archive"
offline "$WORK/after.receipt"
"$HAECHI" audit proof "$promised" >/dev/null || fail "no proof of $promised"
mv "$WORK/archive" "$WORK/elsewhere"
! "$HAECHI" audit receipt "$hong" >/dev/null 2>"$WORK/said" || fail "a receipt out of nothing"
grep -q -- '--archive' "$WORK/said" || fail "it does not say where to look: $(cat "$WORK/said")"
"$HAECHI" audit receipt "$hong" --archive "$WORK/elsewhere" >"$WORK/after.receipt" || fail "not found by --archive"
offline "$WORK/after.receipt"
# A byte of the archive.
cp -r "$WORK/elsewhere" "$WORK/bent"
sed -i '3s/"monotonic_us":[0-9]/"monotonic_us":9/' "$WORK/bent/logs/1/entries.jsonl"
! "$HAECHI" audit verify --vkey "$STATE/log.vkey" --archive "$WORK/bent" >"$WORK/said" 2>&1 || fail "a changed archive holds"
grep -q 'entries.jsonl' "$WORK/said" || fail "$(cat "$WORK/said")"

# Hong asks to be erased: what is sealed in the archive is found by what stayed, and opens no more.
"$HAECHI" audit shred --user hong --agency haneul --reason '삭제 요구' --socket "$CONTROL" --json >"$WORK/shred" || fail "nothing of hong was found"
python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); assert sys.argv[2] in [i["entry"] for i in d["items"]]' "$WORK/shred" "$hong" || fail "$(cat "$WORK/shred")"
status=0; "$HAECHI" audit shred --user hong --agency haneul --reason again --socket "$CONTROL" >/dev/null || status=$?
[ $status = 1 ] || fail "a second time: exit $status"
until_true 20 settled
holds --archive "$WORK/elsewhere"
offline "$WORK/elsewhere"
