#!/usr/bin/env bash
# haechi-engine against logits, tokens and texts of other engines, where that data is at hand.
set -eu
cd "$(dirname "$0")/../.."
engine=${BUILD:-build}/haechi-engine
[ -x "$engine" ] || { echo "skip: no $engine"; exit 77; }
python=python3
/usr/bin/python3 -c 'import numpy' 2>/dev/null && python=/usr/bin/python3
$python tests/vectors/engine.py "$engine"
$python tests/vectors/engine.py "$engine" --plain
$python tests/vectors/engine_seeds.py "$engine" "${SEED:-$(date +%Y%m%d)}" "${MODELS:-12}"
$python tests/vectors/engine_experts.py "$engine"
$python tests/vectors/engine_latent.py "$engine"
$python tests/vectors/engine_rope.py "$engine"
