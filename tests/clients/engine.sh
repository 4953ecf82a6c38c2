#!/usr/bin/env bash
# Goal of this test: the real openai package, from npm, against haechi-engine itself. The tests are in engine.mjs.
set -eu
cd "$(dirname "$0")/../.."
engine=${BUILD:-build}/haechi-engine
model=inference/demo/haechi-demo.gguf
[ -x "$engine" ] && [ -f "$model" ] || { echo "skip: no $engine or no $model"; exit 77; }
command -v node >/dev/null || { echo "skip: no node"; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
[ -d tests/clients/node_modules/openai ] || (cd tests/clients && npm install --no-save --silent >"$work/npm.log" 2>&1) ||
	{ [ -n "${CI:-}" ] || { echo "skip: the openai package could not be installed"; exit 77; }; exit 1; }
"$engine" serve --model "$model" --listen tcp:127.0.0.1:0 --chat-template tests/clients/tools.jinja --queue 2 --parallel 4 2>"$work/log" &
pid=$!
while ! address=$(grep -o 'event=listening address=[^ ]*' "$work/log"); do
	kill -0 "$pid" || { cat "$work/log"; exit 1; }
	read -r -t 0.05 <> <(:) || true
done
BASE_URL=http://${address#*address=tcp:} node tests/clients/engine.mjs || { tail -n 5 "$work/log"; exit 1; }
kill "$pid"
wait "$pid"
pid=
