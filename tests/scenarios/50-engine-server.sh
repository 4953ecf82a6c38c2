#!/usr/bin/env bash
# Goal of this test: haechi-engine as a server ends well, says what is wrong, and is open to whoever has something to ask.
set -u
cd "$(dirname "$0")/../.."
engine=${BUILD:-build}/haechi-engine
model=inference/demo/haechi-demo.gguf
[ -x "$engine" ] && [ -f "$model" ] || { echo "skip: no $engine or no $model"; exit 77; }
exec python3 tests/scenarios/_engine_server.py "$engine" "$model"
