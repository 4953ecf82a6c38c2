#!/usr/bin/env bash
# haechi-engine against logits, tokens and texts of other engines, where that data is at hand.
set -eu
cd "$(dirname "$0")/../.."
engine=${BUILD:-build}/haechi-engine
[ -x "$engine" ] || { echo "skip: no $engine"; exit 77; }
python=python3
/usr/bin/python3 -c 'import numpy' 2>/dev/null && python=/usr/bin/python3
$python tests/vectors/engine.py "$engine"
# The best kernels, then those of lesser processors.
for kernels in avx512-vnni avx2 plain; do
	if "$engine" logits --kernels $kernels --model / --tokens 1 2>&1 | grep -q "kernels '$kernels'"; then
		echo "SKIP kernels $kernels: not on this processor"
	else
		$python tests/vectors/engine.py "$engine" --kernels $kernels
	fi
done
$python tests/vectors/engine_seeds.py "$engine" "${SEED:-$(date +%s)}" "${MODELS:-12}"
$python tests/vectors/engine_experts.py "$engine"
$python tests/vectors/engine_latent.py "$engine"
$python tests/vectors/engine_rope.py "$engine"
