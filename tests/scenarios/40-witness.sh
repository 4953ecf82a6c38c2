#!/usr/bin/env bash
# Goal of this test: a witness cosigns the log of a live haechid, k of n is shown, and what was put back to yesterday is refused with
# an explanation: database, journal and keys together; a fork that grew past what the witness saw; while a database alone is filled up.
. "$(dirname "$0")/_lib.sh"

witness_up() { # NAME PORT
	"$BUILD/haechi-witness" -s "$WORK/$1" --name "$1.example/w" --logs "$STATE/log.vkey" --listen "127.0.0.1:$2" \
		>>"$WORK/$1.log" 2>&1 &
	WITNESS_PID=$!
	PIDS+=($!)
	until_true 20 curl -fsS "http://127.0.0.1:$2/healthz"
}
haechid_down() {
	kill "$HAECHID_PID"
	wait "$HAECHID_PID" || fail "haechid did not end well"
	HAECHID_PID=
}
# haechid must refuse to start; what it said is in $WORK/said
refused() {
	local status=0
	timeout 30 "$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/said" 2>&1 || status=$?
	[ $status -eq 2 ] || fail "exit $status instead of 2"
	grep '^haechid:' -A1 "$WORK/said"
}
size_of() { sed -n 2p "$1"; }
cosigned_at_least() { curl -fsS "$BASE_URL/log/checkpoint.cosigned" >"$WORK/cosigned" && [ "$(size_of "$WORK/cosigned")" -ge "$1" ]; }
log_size() { curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p; }
backup() { # TO: everything of yesterday, all of it stopped
	deploy/cluster.sh stop "$WORK/pg"
	mkdir "$1" && cp -a "$STATE" "$1/state" && cp -a "$WORK/pg" "$1/pg"
	database_up
}
restore() { # FROM
	deploy/cluster.sh stop "$WORK/pg"
	rm -rf "$STATE/ledger" "$STATE/keys" "$WORK/pg"
	cp -a "$1/state/ledger" "$1/state/keys" "$STATE/"
	cp -a "$1/pg" "$WORK/pg"
	database_up
}

haechi_up
busan=$(free_port) daegu=$(free_port) nobody=$(free_port)
witness_up busan "$busan"
busan_pid=$WITNESS_PID
witness_up daegu "$daegu"
daegu_pid=$WITNESS_PID
cat >"$WORK/witness.policy" <<POLICY
$(sed 's/^/log /' "$STATE/log.vkey")
witness busan $(curl -fsS "http://127.0.0.1:$busan/vkey") http://127.0.0.1:$busan
witness daegu $(curl -fsS "http://127.0.0.1:$daegu/vkey") http://127.0.0.1:$daegu/
witness away $("$BUILD/haechi-witness" -s "$WORK/away" --name away.example/w --vkey) http://127.0.0.1:$nobody
group agencies 2 busan daegu away
quorum agencies
POLICY
printf 'witness:\n  policy: %s\n  interval_seconds: 1\n  deadline_seconds: 3\n' "$WORK/witness.policy" >>"$WORK/haechi.yaml"
haechid_down
haechid_up
ask "$KEY_GUIDE" '안녕하세요' >/dev/null
until_true 20 cosigned_at_least "$(log_size)"
"$BUILD/haechi-verify" checkpoint "$WORK/cosigned" --vkey "$STATE/log.vkey" | grep -q '2\|Ed25519' || fail "the cosigned head does not verify"
grep -c '— \(busan\|daegu\).example/w ' "$WORK/cosigned" | grep -qx 2 || fail "not two cosignatures"
published() { curl -fsS "$BASE_URL/log/checkpoint" | grep -q '— busan.example/w '; }
until_true 20 published
curl -fsS "$BASE_URL/haechi/v1/status" >"$WORK/status"
python3 - "$WORK/status" <<'PYTHON'
import json, sys
w = json.load(open(sys.argv[1]))["witness"]
assert w["quorum"] is True and w["cosigners"] == 2 and w["of"] == 3, w
states = {x["name"]: x["state"] for x in w["witnesses"]}
assert states == {"busan": "cosigned", "daegu": "cosigned", "away": "unreachable"}, states
PYTHON
until_true 20 settled
stored() { [ "$(sql -c 'SELECT count(*) > 0 FROM haechi.cosigned')" = t ]; }
until_true 20 stored
sql -c "SELECT count(*) FROM haechi.entry WHERE kind = 'witness' AND action = 'quorum-met'" | grep -qx 1 || fail "the quorum is no entry"

# Yesterday.
haechid_down
backup "$WORK/yesterday"
haechid_up
for i in 1 2 3; do ask "$KEY_GUIDE" "오늘 $i" >/dev/null; done
until_true 20 settled
until_true 20 cosigned_at_least "$(log_size)"
today=$(size_of "$WORK/cosigned")
haechid_down
backup "$WORK/today"

# 1. Everything is put back, so everything here agrees with itself: only the witnesses know.
restore "$WORK/yesterday"
refused
grep -q "$today" "$WORK/said" || fail "the size that the witness saw is not named"
grep -q 'busan\|daegu' "$WORK/said" || fail "the witness is not named"

# 2. Somebody who starts it without its witnesses and lets it grow past them has forked it: the root differs.
sed '/^witness:/,$d' "$WORK/haechi.yaml" >"$WORK/alone.yaml"
cp "$WORK/haechi.yaml" "$WORK/witnessed.yaml"
cp "$WORK/alone.yaml" "$WORK/haechi.yaml"
haechid_up
while [ "$(log_size)" -le "$today" ]; do ask "$KEY_GUIDE" '다른 역사' >/dev/null; done
haechid_down
cp "$WORK/witnessed.yaml" "$WORK/haechi.yaml"
refused
grep -q "forked" "$WORK/said" || fail "the fork is not called one"

# 3. Put back while no witness could be asked, it starts; the first that comes again has the proof, and nothing more is recorded.
restore "$WORK/yesterday"
kill "$busan_pid" "$daegu_pid"
wait "$busan_pid" "$daegu_pid"
haechid_up
witness_up busan "$busan"
busan_pid=$WITNESS_PID
unready() { [ "$(curl -s -o "$WORK/ready" -w '%{http_code}' "$BASE_URL/readyz")" = 503 ]; }
until_true 20 unready
grep -q 'put back from an old backup' "$WORK/ready" || fail "why is not said"
ask "$KEY_GUIDE" '아직 됩니까' >/dev/null
[ "$(status_of)" = 503 ] || fail "$(status_of) instead of 503"
kill "$HAECHID_PID"
wait "$HAECHID_PID" || true
HAECHID_PID=
witness_up daegu "$daegu"

# 4. The true state goes on; yesterday's database alone is no harm: the journal has the rest.
restore "$WORK/today"
deploy/cluster.sh stop "$WORK/pg"
rm -rf "$WORK/pg"
cp -a "$WORK/yesterday/pg" "$WORK/pg"
database_up
haechid_up
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" || fail "a false alarm"
haechid_down

# 5. Nobody to ask: it starts and says so; where witnesses are required it does not.
sed -e "s/:$busan/:$nobody/; s/:$daegu/:$nobody/" -i "$WORK/witness.policy"
haechid_up
grep -q 'event=unreachable witness=busan' "$WORK/haechid.log" || fail "nobody says that the witness is away"
haechid_down
echo '  required: true' >>"$WORK/haechi.yaml"
refused
grep -q 'witness.required' "$WORK/said" || fail "the reason is not named"
