#!/usr/bin/env bash
# Goal of this test: bundles are pulled over https from the server that is meant - its authority, its key, with our token - and from
# nobody else; a server without ETags does not make one refusal into many; what it sends is trusted for its signatures alone.
. "$(dirname "$0")/_lib.sh"
haechi_up
key=$STATE/policy-keys/operator
WEB_PORT=$(free_port)
mkdir "$WORK/www"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=policy -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$WORK/tls.key" -out "$WORK/tls.pem" 2>/dev/null
pin=sha256//$(openssl x509 -in "$WORK/tls.pem" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
echo open-sesame >"$STATE/pull-token"
chmod 600 "$STATE/pull-token"
cat >"$WORK/web.py" <<'PY'
import http.server, os, ssl, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") != "Bearer open-sesame":
            self.send_error(401)
        else:
            super().do_GET()
os.chdir(sys.argv[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[4])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
python3 "$WORK/web.py" "$WEB_PORT" "$WORK/www" "$WORK/tls.pem" "$WORK/tls.key" >"$WORK/web.log" 2>&1 &
PIDS+=($!)
until_true 10 curl -sS -o /dev/null --cacert "$WORK/tls.pem" "https://127.0.0.1:$WEB_PORT/"
"$HAECHI" policy bundle build --out "$WORK/www/b" --revision 5 --name haneul --tests tests/policies/agency.jsonl --key "$key.key" >/dev/null || fail "build"
status() { "$HAECHI" status --socket "$CONTROL" --json | python3 -c 'import json,sys; v = json.load(sys.stdin)["policy"]
for part in sys.argv[1].split("."): v = v[part] if isinstance(v, dict) and part in v else ""
print(v)' "$1"; }
metric() { curl -fsS "$BASE_URL/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
cp "$WORK/haechi.yaml" "$WORK/before.yaml"
pull_with() { # MEMBER...: restarted with these beside `pull`
	local more=
	for member in "$@"; do more="$more\n    $member"; done
	sed "s|^    signatures: 1.*|    signatures: 1\n    pull: https://127.0.0.1:$WEB_PORT/b\n    pull_seconds: 1$more|" "$WORK/before.yaml" >"$WORK/haechi.yaml"
	kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || fail "end"; HAECHID_PID=; haechid_up
}
says() { status pull.error.en | grep -q "$1" && [ "$(status source)" = folders ]; }

pull_with "token_file: pull-token"
until_true 10 says 'certificate' # nobody vouches for it
pull_with "token_file: pull-token" "ca: $WORK/tls.pem" "pin: sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
until_true 10 says 'public key' # vouched for, but not the one
pull_with "ca: $WORK/tls.pem" "pin: $pin"
until_true 10 says 'the answer is 401'
pull_with "token_file: pull-token" "ca: $WORK/tls.pem" "pin: $pin"
is_five() { [ "$(status revision)" = 5 ]; }
until_true 10 is_five
! grep -q open-sesame "$WORK/haechid.log" || fail "the token is in the log"

# Garbage, again and again without an ETag: refused once.
looked() { [ "$(metric haechi_bundle_pulls_total)" -ge "$1" ]; }
refused() { [ "$(metric haechi_bundle_refusals_total)" -ge 1 ]; }
echo garbage >"$WORK/www/b"
until_true 10 refused
until_true 15 looked $(($(metric haechi_bundle_pulls_total) + 3))
[ "$(metric haechi_bundle_refusals_total)" = 1 ] && is_five || fail "refused $(metric haechi_bundle_refusals_total) times"
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"

# A server that takes the question and says nothing: whoever asks for the bundle waits, no other operator does.
SILENT_PORT=$(free_port)
python3 -c 'import socket, sys, time
silent = socket.create_server(("127.0.0.1", int(sys.argv[1])))
kept = []
while True:
    kept.append(silent.accept())' "$SILENT_PORT" &
PIDS+=($!)
until_true 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$SILENT_PORT"
sed "s|^    signatures: 1.*|    signatures: 1\n    pull: http://127.0.0.1:$SILENT_PORT/b\n    pull_seconds: 3600|" "$WORK/before.yaml" >"$WORK/haechi.yaml"
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || fail "end"; HAECHID_PID=; haechid_up
"$HAECHI" policy bundle pull --socket "$CONTROL" >"$WORK/said" 2>&1 &
asker=$!
for _ in 1 2 3; do
	timeout 4 "$HAECHI" status --socket "$CONTROL" >/dev/null || fail "an operator waits for the silent server"
	sleep 0.3
done
kill -0 "$asker" || fail "the pull ended: $(cat "$WORK/said")"
! wait "$asker" || fail "a silent server gave a bundle"
