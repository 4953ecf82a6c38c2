#!/usr/bin/env bash
# Goal of this test: PostgreSQL stops under load for AWAY seconds (8; 30 by hand); requests go on, entries arrive afterwards, and the
# log verifies.
. "$(dirname "$0")/_lib.sh"
haechi_up
AWAY=${AWAY:-8}

python3 tests/scenarios/_load.py "$BASE_URL" "$KEY_GUIDE" 4 $((AWAY + 5)) "$WORK/promised" >"$WORK/counts" &
load=$!
sleep 2
deploy/cluster.sh stop "$WORK/pg"
before=$(wc -l <"$WORK/promised")
sleep "$AWAY"
during=$(wc -l <"$WORK/promised")
database_up
wait $load
cat "$WORK/counts"
[ $((during - before)) -gt 10 ] || fail "only $((during - before)) answers while the database was away"
python3 -c 'import json,sys; c = json.load(open(sys.argv[1])); sys.exit(set(c) != {"200"})' "$WORK/counts" || fail "not every request was answered"
until_true 60 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "verify"
sql -c "SELECT id FROM haechi.entry WHERE kind = 'decision'" | sort >"$WORK/decisions"
[ -z "$(sort -u "$WORK/promised" | comm -23 - "$WORK/decisions")" ] || fail "answers without entries"
echo "$((during - before)) answers while the database was away, all recorded"
