#!/usr/bin/env bash
# Goal of this test: what an implant inside haechid tries - to call an undeclared port or host, to make other sockets, to run a
# program - fails in the kernel, haechid goes on answering, and every attempt is an entry that says where to and how often; the
# declared engine is reached all the while.
. "$(dirname "$0")/_lib.sh"
implant=$PWD/$BUILD/tools/implant.so
[ -f "$implant" ] || skip "no $implant"
haechi_up
grep -q "landlock=[0-9]*(files,ports" "$WORK/haechid.log" || skip "this kernel's Landlock does not hold ports"

orders() { printf '%s\n' "$@" >"$STATE/orders.new"; mv "$STATE/orders.new" "$STATE/orders"; }
# Any connection makes the implant act.
acted() { curl -fsS "$BASE_URL/healthz" && [ -f "$STATE/orders.did" ]; }
came_to() {
	until_true 30 acted
	[ "$(cat "$STATE/orders.did")" = "$(printf '%s\n' "$@")" ] || fail "the implant came to: $(cat "$STATE/orders.did")"
	rm "$STATE/orders.did"
}
again() {
	kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || fail "haechid ended badly"
	export LD_PRELOAD=$implant IMPLANT=$STATE/orders
	haechid_up
	unset LD_PRELOAD IMPLANT
}
# entries ACTION CALL ADDRESS: the sum of their counts
entries() {
	"$HAECHI" audit query --kind lifecycle --limit 200 --json | python3 -c '
import json, sys
notes = [row["entry"]["body"] for row in map(json.loads, sys.stdin)]
facts = [note["facts"] for note in notes if note["action"] == sys.argv[1]]
print(sum(f["count"] for f in facts if f["call"] == sys.argv[2] and f.get("address", "") == sys.argv[3]))' "$@"
}
told() { [ "$(entries "$1" "$2" "$3")" = "$4" ]; }

# Engines on Unix sockets only: no Internet socket can be made at all.
again
orders "tcp 127.0.0.3 443 30" raw packet run
came_to "tcp 1" "raw 1" "packet 1" "run 1"
[ "$(ask "$KEY_GUIDE" "민원 창구는 몇 시에 여나요?" -o "$WORK/answer" -w '%{http_code}')" = 200 ] || fail "no answer behind an attempt"

# One engine by TCP: its port on its host, and nothing else. The first attempts are told at once, the rest when it ends.
ENGINE_PORT=$(free_port)
python3 -c '
import socket, sys
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    listener.accept()[0].close()' "$ENGINE_PORT" &
PIDS+=($!)
python3 - "$WORK/haechi.yaml" "$ENGINE_PORT" <<'PY'
import sys
text = open(sys.argv[1]).read()
end = text.index("\n", text.index("\nengines:") + 1) + 1
engine = "  - name: far\n    address: http://127.0.0.1:%s\n    zone: kr-gov\n    grade: S\n    models:\n      - name: far\n" % sys.argv[2]
open(sys.argv[1], "w").write(text[:end] + engine + text[end:])
PY
again
orders "tcp 127.0.0.1 $ENGINE_PORT" "tcp 127.0.0.3 $ENGINE_PORT" "tcp 127.0.0.3 443 5" bad udp raw run
came_to "tcp 0" "tcp 13" "tcp 13" "bad 14" "udp 1" "raw 1" "run 1"
until_true 30 told egress-refused connect "127.0.0.3:$ENGINE_PORT" 1
until_true 30 told egress-refused connect 127.0.0.3:443 1
again
until_true 30 told egress-refused connect 127.0.0.3:443 5
until_true 30 told egress-refused socket AF_INET,1 30
until_true 30 told egress-refused socket AF_INET,3 2
until_true 30 told egress-refused socket AF_INET,2 1
until_true 30 told egress-refused socket AF_PACKET,3 1
until_true 30 told call-refused execve "" 2
"$HAECHI" audit query --kind lifecycle --limit 30 >"$WORK/table"
grep -q "반출 차단" "$WORK/table" || fail "the table does not say it in Korean"
"$HAECHI" audit verify >"$WORK/verify" || fail "the log does not verify"
echo "egress: refused by the kernel, told by the log"
