#!/usr/bin/env bash
# Goal of this test: spoilt HTTP never crashes the whole daemon, never gets 5xx, never two answers for one request.
. "$(dirname "$0")/_lib.sh"
haechi_up
before=$(awk '/^VmRSS/ {print $2}' "/proc/$HAECHID_PID/status")
for seed in 1 2 3; do
	"$BUILD/tools/hostile" "127.0.0.1:$PORT" 1500 $seed || fail "seed $seed"
done
kill -0 "$HAECHID_PID" || fail "haechid has gone"
ask "$KEY_GUIDE" "주민등록등본은 어디에서 발급받나요?" >/dev/null
[ "$(status_of)" = 200 ] || fail "does not answer any more: $(status_of)"
after=$(awk '/^VmRSS/ {print $2}' "/proc/$HAECHID_PID/status")
[ $((after - before)) -lt 20480 ] || fail "grew from $before to $after KiB"
echo "resident: $before KiB before, $after KiB after"
