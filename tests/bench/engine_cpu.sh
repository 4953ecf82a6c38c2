#!/usr/bin/env bash
# haechi-engine beside llama.cpp on the processor: the same weights and threads, interleaved, as ratios.
#   LLAMA_CPP=DIR tests/bench/engine_cpu.sh BUILD_DIR [table|json] [PART...]       ROUNDS=3 THREADS=(all)
# DIR holds llama-bench, llama-simple and llama-server. Parts: alone (decode, prefill), server (8 and 16 requests), busy (8
# requests, and a busy process on each core), tiny (stories260K), load (to the first token, memory); all if none is named.
# The 0.5 B model is made by gen_gguf.py of HAECHI_SHARED (or ../shared), once, in ${HAECHI_BENCH_DIR:-BUILD_DIR/bench/models}.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${1:-build}
FORM=${2:-table}
shift $(($# < 2 ? $# : 2))
[ -x "$BUILD/haechi-engine" ] || { echo "SKIP engine beside llama.cpp: no $BUILD/haechi-engine"; exit 77; }
if [ ! -x "${LLAMA_CPP:-/nonexistent}/llama-bench" ]; then
	echo "SKIP 엔진을 llama.cpp와 견주기: LLAMA_CPP=DIR가 없습니다 (engine beside llama.cpp: no LLAMA_CPP=DIR with llama-bench)"
	exit 77
fi
shared=${HAECHI_SHARED:-../shared}
models=${HAECHI_BENCH_DIR:-$BUILD/bench/models}
python=python3
/usr/bin/python3 -c 'import numpy' 2>/dev/null && python=/usr/bin/python3
mkdir -p "$models"
for type in q8_0 q4_k_m f16; do
	[ -s "$models/b-$type.gguf" ] && continue
	if [ ! -r "$shared/tools/gen_gguf.py" ] || ! $python -c 'import numpy' 2>/dev/null; then
		echo "SKIP engine beside llama.cpp: no $models/b-$type.gguf, and no generator in $shared or no numpy to make it"
		exit 77
	fi
	$python "$shared/tools/gen_gguf.py" --arch llama --size bench --type $type -o "$models/b-$type.part" \
		--vocab "$shared/data/engine/tokenizer/ggml-vocab-llama-bpe.gguf" >&2
	mv "$models/b-$type.part" "$models/b-$type.gguf"
done
STORIES=$shared/data/engine/stories/stories260K-f32.gguf LD_LIBRARY_PATH=$LLAMA_CPP${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
	exec "$python" tests/bench/engine_cpu.py "$(readlink -f "$BUILD/haechi-engine")" "$LLAMA_CPP" "$models" "$FORM" "$@"
