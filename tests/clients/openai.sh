#!/usr/bin/env bash
# Goal of this test: the real openai package, from npm, against the real gateway. The tests themselves are in client.mjs.
. "$(dirname "$0")/../scenarios/_lib.sh"
[ -d tests/clients/node_modules/openai ] || (cd tests/clients && npm install --no-save --silent >"$WORK/npm.log" 2>&1) ||
	{ [ -z "${CI:-}" ] && skip "the openai package could not be installed"; fail "npm install"; }
haechi_up
# A second engine, whose template knows tools.
"$BUILD/haechi-engine" serve --model "$MODEL" --listen "unix:$STATE/tools.sock" --chat-template tests/clients/tools.jinja 2>>"$WORK/tools.log" &
PIDS+=($!)
until_true 60 curl -fsS --unix-socket "$STATE/tools.sock" http://engine/healthz
kill -TERM "$HAECHID_PID"
wait "$HAECHID_PID" || fail "haechid ended with $?"
sed -i '/^engines:/a\  - name: tools\n    address: unix:tools.sock\n    zone: kr-gov\n    grade: S\n    models:\n      - name: tools\n        upstream: haechi-demo' "$WORK/haechi.yaml"
haechid_up
node tests/clients/client.mjs
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys"
