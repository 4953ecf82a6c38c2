# What every scenario begins with: the whole of Haechi in a folder of its own, on real parts, on a free port.
#   . tests/scenarios/_lib.sh; haechi_up; ... ; everything is stopped by pid and removed at exit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=${BUILD:-build}
HAECHI=$PWD/$BUILD/haechi
MODEL=${MODEL:-inference/demo/haechi-demo.gguf}

WORK=$(mktemp -d)
chmod 711 "$WORK"
STATE=$WORK/state
PIDS=()

cleanup() {
	local status=$?
	[ -z "${HAECHID_PID:-}" ] || kill "$HAECHID_PID" 2>/dev/null || true
	[ -z "${ENGINE_PID:-}" ] || kill "$ENGINE_PID" 2>/dev/null || true
	for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
	[ ! -d "$WORK/pg" ] || deploy/cluster.sh stop "$WORK/pg" || true
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		for log in "$WORK"/*.log; do
			[ -f "$log" ] && { echo "--- ${log##*/}"; tail -n 25 "$log"; }
		done
	fi
	wait 2>/dev/null || true
	! mountpoint -q "$WORK/disk" || umount -l "$WORK/disk"
	[ -n "${KEEP:-}" ] && echo "kept: $WORK" || rm -rf "$WORK"
	exit $status
}
trap cleanup EXIT

fail() { echo "FAIL: $*" >&2; exit 1; }
skip() { echo "$*"; exit 77; }

# With pipefail, a `grep -q` that leaves at its first match makes whoever writes to it fail: here it reads to the end.
grep() {
	if [[ ${1-} =~ ^-[a-zA-Z]*q ]]; then
		command grep "${1/q/c}" "${@:2}" >/dev/null
	else
		command grep "$@"
	fi
}

# until_true SECONDS COMMAND...
until_true() {
	local deadline=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $deadline ] || fail "never became true: $*"
		sleep 0.05
	done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

database_up() { PGSOCKET=$(deploy/cluster.sh start "$WORK/pg"); }
sql() { psql -qAtX -v ON_ERROR_STOP=1 -h "$PGSOCKET" -U haechi_admin -d haechi "$@"; }

engine_up() {
	"$BUILD/haechi-engine" serve --model "$MODEL" --listen "unix:$STATE/engine.sock" >>"$WORK/engine.log" 2>&1 &
	ENGINE_PID=$!
	until_true 60 curl -fsS --unix-socket "$STATE/engine.sock" http://engine/healthz
}

haechid_up() {
	"$BUILD/haechid" -c "$WORK/haechi.yaml" >>"$WORK/haechid.log" 2>&1 &
	HAECHID_PID=$!
	local deadline=$(($(date +%s) + 60))
	until curl -fsS "$BASE_URL/readyz" >/dev/null 2>&1; do
		kill -0 "$HAECHID_PID" 2>/dev/null || fail "haechid ended at start"
		[ "$(date +%s)" -lt $deadline ] || fail "haechid never became ready"
		sleep 0.05
	done
}

# Database, tables, logins, demo use cases, demo keys, engine, gateway: what `make run` does, by the same script.
# SEGMENT, when set: bytes of a journal file.
haechi_up() {
	[ -f "$MODEL" ] || skip "no model at $MODEL"
	mkdir -p "$STATE"
	chmod 700 "$STATE"
	database_up
	PORT=$(free_port)
	BASE_URL=http://127.0.0.1:$PORT
	CONTROL=$STATE/control.sock
	export BASE_URL CONTROL HAECHI
	deploy/prepare.sh "$STATE" "$PGSOCKET" "127.0.0.1:$PORT" >"$WORK/prepare.log" 2>&1 || fail "prepare"
	cp "$STATE/haechi.yaml" "$WORK/haechi.yaml"
	# A journal of small files goes on to the next one, and lets go of one, within a scenario.
	[ -z "${SEGMENT:-}" ] || sed -i "s/^\( *\)reserve:.*/&\n\1segment: $SEGMENT/" "$WORK/haechi.yaml"
	export HAECHI_DATABASE="host=$PGSOCKET user=haechi_auditor_login dbname=haechi"
	engine_up
	haechid_up
	deploy/demo.sh "$STATE" >>"$WORK/prepare.log" 2>&1 || fail "demo keys"
	# shellcheck disable=SC1091
	. "$STATE/demo-keys"
	export KEY_GUIDE KEY_WELFARE KEY_DRAFT
}

# ask KEY TEXT [CURL OPTION...]: body on standard output, head in $WORK/head
ask() {
	local key=$1 text=$2
	shift 2
	curl -sS -D "$WORK/head" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
		-d "$(python3 -c 'import json,sys; print(json.dumps({"model":"haechi-demo","temperature":0,"max_tokens":64,"messages":[{"role":"user","content":sys.argv[1]}]}))' "$text")" "$@"
}
head_of() { awk -v name="$1:" 'tolower($1) == tolower(name) { sub(/\r$/, ""); print $2 }' "$WORK/head"; }
status_of() { awk 'NR == 1 { print $2 }' "$WORK/head"; }
# How many entries the database has; how many the log has.
shipped() { sql -c 'SELECT count(*) FROM haechi.entry'; }
# Everything acknowledged is in the database.
settled() { [ "$(shipped)" = "$(curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p)" ]; }
