#!/usr/bin/env bash
# Goal of this test: each dependency cut in turn gives 503 (or 502/504 for an engine's silence) with an OpenAI error object and no
# partial answer; when it is back, answers are back.
. "$(dirname "$0")/_lib.sh"
haechi_up

refuses() { # WHAT KEY
	local body
	body=$(ask "${2:-$KEY_GUIDE}" '안녕하세요')
	[ "$(status_of)" = 503 ] || fail "$1: status $(status_of): $body"
	python3 -c 'import json,sys; e = json.loads(sys.argv[1])["error"]; assert e["message"] and e["type"] and "choices" not in json.loads(sys.argv[1])' "$body" || fail "$1: $body"
	# Paths, processes, what a library said: the operator's, under the request's id.
	! grep -qi "\.sock\|pid\|PGSQL\|errno\|No such file\|$WORK" <<<"$body" || fail "$1: told to a client: $body"
}
answers() { [ "$(ask "$KEY_GUIDE" '안녕하세요' >/dev/null; status_of)" = 200 ]; }

answers || fail "at the beginning"
kill -KILL "$ENGINE_PID"; wait "$ENGINE_PID" 2>/dev/null || true
refuses "engine killed"
rm -f "$STATE/engine.sock"
refuses "engine's socket gone"
engine_up
until_true 10 answers

signer=$(pgrep -P "$HAECHID_PID" | head -n 1)
[ -n "$signer" ] || fail "no signer process"
kill -KILL "$signer"
sleep 0.3
refuses "signer killed"
grep "request_id=$(head_of X-Request-ID)" "$WORK/haechid.log" | grep -q 'signer process' || fail "the log does not say why, by the request's id"
curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/readyz" | grep -q 503 || fail "readyz says ready without a signer"
curl -fsS "$BASE_URL/healthz" >/dev/null || fail "healthz: the daemon is alive"
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || true
haechid_up
answers || fail "after a restart"
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "verify"

# Who must wait for a person waits in the database; others are answered without it.
deploy/cluster.sh stop "$WORK/pg"
refuses "database gone, a held request" "$KEY_WELFARE"
answers || fail "answers need the database"
database_up
held() { [ "$(ask "$KEY_WELFARE" '안녕하세요' >/dev/null; status_of)" = 202 ]; }
until_true 20 held
until_true 20 settled

# A journal that cannot grow: the reserve is larger than the disk. haechid does not start, and says why.
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || true
sed -i 's/^\( *reserve:\).*/\1 900000000000000/' "$WORK/haechi.yaml"
grep -q 'reserve: 900000000000000' "$WORK/haechi.yaml" || fail "no reserve in the configuration"
HAECHID_PID=
status=0
timeout 20 "$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/full.log" 2>&1 || status=$?
[ $status -ne 0 ] && [ $status -ne 124 ] || fail "haechid runs without room for evidence: $status"
grep -q '공간이 부족' "$WORK/full.log" || fail "it does not say why in Korean"
grep -q 'nearly full' "$WORK/full.log" || fail "it does not say why in English"
