#!/usr/bin/env bash
# Goal of this test: a hundred clients of haechi-engine, many leaving in the middle: right answers, no leak, none stuck.
#   CROWD_SECONDS=600 CROWD_CLIENTS=100 CROWD_MODEL=M.gguf tests/scenarios/13-engine-crowd.sh
set -eu
cd "$(dirname "$0")/../.."
engine=${BUILD:-build}/haechi-engine
model=${CROWD_MODEL:-inference/demo/haechi-demo.gguf}
[ -x "$engine" ] && [ -f "$model" ] || { echo "skip: no $engine or no $model"; exit 77; }
exec python3 tests/scenarios/_engine_crowd.py "$engine" "$model" "${CROWD_SECONDS:-12}" "${CROWD_CLIENTS:-100}"
