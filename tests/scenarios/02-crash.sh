#!/usr/bin/env bash
# Goal of this test: haechid is killed with SIGKILL under load, several times; after every restart the log verifies and each
# answer any client received whole has its decision and its outcome entry.
. "$(dirname "$0")/_lib.sh"
haechi_up

: >"$WORK/promised"
for round in 1 2 3 4 5; do
	python3 tests/scenarios/_load.py "$BASE_URL" "$KEY_GUIDE" 8 4 "$WORK/round" >"$WORK/counts.$round" &
	load=$!
	sleep "1.$((RANDOM % 9))"
	kill -KILL "$HAECHID_PID"
	wait "$HAECHID_PID" 2>/dev/null || true
	haechid_up
	wait $load
	cat "$WORK/round" >>"$WORK/promised"
done
cat "$WORK"/counts.*
[ "$(wc -l <"$WORK/promised")" -gt 20 ] || fail "too few answers to say anything"
until_true 30 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "verify"
sort -u "$WORK/promised" >"$WORK/wanted"
sql -c "SELECT id FROM haechi.entry WHERE kind = 'decision'" | sort >"$WORK/decisions"
sql -c "SELECT of FROM haechi.entry WHERE kind = 'outcome'" | sort >"$WORK/outcomes"
[ -z "$(comm -23 "$WORK/wanted" "$WORK/decisions")" ] || fail "answers without a decision: $(comm -23 "$WORK/wanted" "$WORK/decisions" | wc -l)"
[ -z "$(comm -23 "$WORK/wanted" "$WORK/outcomes")" ] || fail "answers without an outcome: $(comm -23 "$WORK/wanted" "$WORK/outcomes" | wc -l)"
echo "$(wc -l <"$WORK/wanted") answers, each with its entries"
