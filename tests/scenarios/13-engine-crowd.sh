#!/usr/bin/env bash
# Goal of this test: a hundred streaming clients of haechi-engine, many leaving in the middle: right answers, no leak.
set -eu
cd "$(dirname "$0")/../.."
engine=${BUILD:-build}/haechi-engine
model=inference/demo/haechi-demo.gguf
[ -x "$engine" ] && [ -f "$model" ] || { echo "skip: no $engine or no $model"; exit 77; }
exec python3 tests/scenarios/_engine_crowd.py "$engine" "$model" "${SECONDS_EACH:-6}" 100
