# What the scenarios of unusual conditions share: refusals as they must be, restarts, the newest journal file. After _lib.sh.
verify() { "$HAECHI" audit verify --vkey "$STATE/log.vkey" "$@" >"$WORK/verify" 2>&1 || fail "verify: $(cat "$WORK/verify")"; }
status_now() { ask "$KEY_GUIDE" '안녕하세요' >"$WORK/body"; status_of; }
answers() { [ "$(status_now)" = 200 ]; }
refused() { # WHAT
	[ "$(status_now)" = 503 ] || fail "$1: status $(status_of)"
	python3 -c 'import json,sys; b = json.load(open(sys.argv[1])); assert b["error"]["message"] and b["error"]["type"] and "choices" not in b' "$WORK/body" || fail "$1: $(cat "$WORK/body")"
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/readyz")" = 503 ] || fail "$1: readyz says ready"
}
told() { grep -q "$1" "$WORK/haechid.log" && grep -q "$2" "$WORK/haechid.log" || fail "the log does not say: $1 / $2"; }
down() { kill "-${1:-TERM}" "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true; HAECHID_PID=; }
again() { down; haechid_up; answers || fail "$1: after a restart $(status_of)"; }
# Does not start, with exit 2, and says why in both languages.
not_started() { # WHAT KOREAN ENGLISH
	local status=0
	timeout 30 "$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/refused.log" 2>&1 || status=$?
	[ $status = 2 ] || fail "$1: exit $status: $(cat "$WORK/refused.log")"
	grep -q "$2" "$WORK/refused.log" && grep -q "$3" "$WORK/refused.log" || fail "$1: $(cat "$WORK/refused.log")"
}
size_now() { curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p; }
several() { for _ in $(seq "$1"); do answers || fail "status $(status_of)"; done; }
# shellcheck disable=SC2012
newest() { ls "$STATE"/ledger/*.segment | tail -n 1; }
