#!/usr/bin/env bash
# Goal of this test: hostile bodies and headers behind a good key are refused by name or answered, never 5xx, and leave nothing behind.
. "$(dirname "$0")/_lib.sh"
haechi_up
resident() { awk '/^VmRSS/ {print $2}' "/proc/$HAECHID_PID/status"; }
python3 tests/scenarios/_bodies.py "127.0.0.1:$PORT" "$KEY_GUIDE" || fail "bodies"
before=$(resident)
for _ in 1 2 3; do python3 tests/scenarios/_bodies.py "127.0.0.1:$PORT" "$KEY_GUIDE" >/dev/null || fail "bodies again"; done
[ $(($(resident) - before)) -lt 8192 ] || fail "grew from $before to $(resident) KiB"
complete() {
	[ "$(sql -c "SELECT count(*) FROM haechi.entry d WHERE kind = 'decision' AND 1 <>
		(SELECT count(*) FROM haechi.entry o WHERE o.kind = 'outcome' AND o.of = d.id)")" = 0 ]
}
until_true 20 settled
complete || fail "a request without its two entries"
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" >/dev/null || fail "verify"
