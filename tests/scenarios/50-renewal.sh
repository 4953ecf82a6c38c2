#!/usr/bin/env bash
# Goal of this test: a certificate that ends is renewed while the gateway serves, as tools for that do it: a new file in the old one's
# place, or a link that leads to another. A connection from before stays; a key that does not fit changes nothing; and what a reload
# has read but only a restart applies is said, not passed over.
. "$(dirname "$0")/_lib.sh"
haechi_up
kill -TERM "$HAECHID_PID"
wait "$HAECHID_PID" || fail "haechid's end"

# ---- as certbot keeps them: live/*.pem are links into archive/ ----------------------------------------------------------------
tls=$WORK/tls
mkdir -p "$tls/live" "$tls/archive"
certificate() { # NUMBER
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=gateway-$1" -addext 'subjectAltName=IP:127.0.0.1' \
		-keyout "$tls/archive/key$1.pem" -out "$tls/archive/chain$1.pem" 2>/dev/null
}
link() { # NUMBER OF THE CHAIN, OF THE KEY
	ln -s "../archive/chain$1.pem" "$tls/live/chain.new" && mv -T "$tls/live/chain.new" "$tls/live/chain.pem"
	ln -s "../archive/key$2.pem" "$tls/live/key.new" && mv -T "$tls/live/key.new" "$tls/live/key.pem"
}
certificate 1
link 1 1
printf 'tls:\n  certificate: %s\n  key: %s\n' "$tls/live/chain.pem" "$tls/live/key.pem" >>"$WORK/haechi.yaml"
BASE_URL=https://127.0.0.1:$PORT
export CURL_HOME=$WORK
echo insecure >"$WORK/.curlrc"
haechid_up
served() { openssl s_client -connect "127.0.0.1:$PORT" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
serves() { [[ $(served) == *"gateway-$1" ]]; }
serves 1 || fail "the first certificate: $(served)"

# A connection from before goes on through all that follows.
cat >"$WORK/kept.py" <<'PY'
import http.client, ssl, sys
context = ssl._create_unverified_context()
kept = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=context)
def healthy():
    kept.request("GET", "/healthz")
    answer = kept.getresponse()
    return answer.status == 200 and answer.read() == b"ok\n"
assert healthy()
print("ready", flush=True)
sys.stdin.readline()
assert healthy()
print("kept", flush=True)
PY
coproc KEPT { python3 "$WORK/kept.py" "$PORT"; }
read -r said <&"${KEPT[0]}"
[ "$said" = ready ] || fail "the connection from before"

certificate 2
link 2 2
kill -HUP "$HAECHID_PID"
until_true 20 serves 2
# The key of another certificate: refused whole, and the one before is served on.
certificate 3
link 3 2
kill -HUP "$HAECHID_PID"
until_true 20 grep -q 'reload-refused' "$WORK/haechid.log"
serves 2 || fail "a key that does not fit was taken"
! "$HAECHI" status --reload --socket "$CONTROL" >"$WORK/said" 2>&1 || fail "status --reload of a key that does not fit"
link 3 3
"$HAECHI" status --reload --socket "$CONTROL" >"$WORK/said" || fail "reload"
serves 3 || fail "status --reload did not renew: $(served)"
! grep -q 'restart' "$WORK/said" || fail "something waits for a restart: $(cat "$WORK/said")"
echo go >&"${KEPT[1]}"
read -r said <&"${KEPT[0]}"
[ "$said" = kept ] || fail "the connection from before was cut"

# ---- what waits for a restart is named ------------------------------------------------------------------------------------------
cp "$WORK/haechi.yaml" "$WORK/before.yaml"
python3 - "$WORK/haechi.yaml" "$(free_port)" <<'PY'
import sys
text = open(sys.argv[1]).read()
text = text.replace("review:", "  - name: elsewhere\n    address: http://127.0.0.1:%s\n    zone: kr-gov\n    grade: S\n    models:\n      - name: other\n\nreview:" % sys.argv[2], 1)
open(sys.argv[1], "w").write(text + "limits:\n  body: 2097152\nlog:\n  level: debug\n")
PY
"$HAECHI" status --reload --socket "$CONTROL" --json >"$WORK/said" || fail "reload with more"
python3 -c 'import json,sys
assert json.load(open(sys.argv[1]))["restart_needed"] == ["limits", "engines.elsewhere"], open(sys.argv[1]).read()' "$WORK/said" || fail "what waits"
"$HAECHI" status --socket "$CONTROL" | grep -q 'engines.elsewhere' || fail "status does not say what waits"
grep -q 'event=restart-needed member=engines.elsewhere' "$WORK/haechid.log" || fail "the log does not say what waits"
grep -q 'event=restart-needed member=limits' "$WORK/haechid.log" || fail "the log does not say that limits wait"
curl -fsS "$BASE_URL/healthz" -X GET >/dev/null
curl -sS -o /dev/null "$BASE_URL/healthz" -H 'X-A: b' -H 'X-A: c'
curl -sS -o /dev/null -X BREW "$BASE_URL/healthz"
until_true 10 grep -q ' debug ' "$WORK/haechid.log"
cp "$WORK/before.yaml" "$WORK/haechi.yaml"
sed -i '/^tls:/,$d' "$WORK/haechi.yaml"
! "$HAECHI" status --reload --socket "$CONTROL" >/dev/null 2>"$WORK/said" || fail "TLS was switched off while running"
grep -q '^ *tls:' "$WORK/said" || fail "the refusal does not name tls: $(cat "$WORK/said")"
