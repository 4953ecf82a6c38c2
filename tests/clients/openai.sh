#!/usr/bin/env bash
# Goal of this test: the real openai package, from npm, against the real gateway. The tests themselves are in client.mjs.
. "$(dirname "$0")/../scenarios/_lib.sh"
[ -d tests/clients/node_modules/openai ] || (cd tests/clients && npm install --no-save --silent >"$WORK/npm.log" 2>&1) ||
	{ [ -z "${CI:-}" ] && skip "the openai package could not be installed"; fail "npm install"; }
haechi_up
node tests/clients/client.mjs
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys"
