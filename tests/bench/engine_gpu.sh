#!/usr/bin/env bash
# haechi-engine on a GPU: shares of what the GPU gives, measured in the same run, and beside PyTorch where that is.
#   tests/bench/engine_gpu.sh BUILD_DIR [table|json] [PART...]
#   tests/bench/engine_gpu.sh pack BUILD_DIR FOLDER     gather what is needed into FOLDER, for a machine with only a GPU
#   KIT=FOLDER tests/bench/engine_gpu.sh ...            use what was gathered instead of building
# Parts, in this order if none is named, with the time that each takes on a machine of sixteen cores, about:
#   rates     copy bandwidth and bf16 matrix rate                                             20 s   (others need it: it is kept)
#   check     every kernel against the processor's (unit/cuda)                                30 s
#   decode    one answer: bf16, Q8_0, Q4_K_M of the 8 B model                                150 s
#   parallel  64 answers at about 1,000 tokens of context, bf16                              60 s
#   prefill   a prompt of 2,048, bf16                                                        40 s
#   torch     the same shapes in PyTorch, compiled and recorded                              150 s
#   variants  one answer, bf16, with kernels that do not overlap, and launched one by one    60 s
#   kernels   time and bytes of each kernel of a token, where ncu is                         90 s
# No call need be longer than ten minutes: "rates check decode", then "parallel prefill torch", then "variants kernels".
# The models are made by gen_gguf.py of HAECHI_SHARED (or ../shared, or the kit), its loops in C, in ${HAECHI_BENCH_DIR:-/tmp/haechi-gpu};
# SIZE=8b. Dry run without a GPU: DEVICE=cpu SIZE=tiny (figures mean nothing then).
set -euo pipefail
cd "$(dirname "$0")/../.."
GPU=tests/bench/gpu
NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
CUDA_ARCH=${CUDA_ARCH:--arch=sm_90}

helpers() { # FOLDER: the programs beside the engine
	mkdir -p "$1"
	[ "$1/weights.so" -nt $GPU/weights.c ] ||
		"${CC:-gcc}" -std=c17 -D_DEFAULT_SOURCE -O2 -fopenmp -ffp-contract=off -fPIC -shared -o "$1/weights.so" $GPU/weights.c -lm
	if [ -x "$NVCC" ] && ! [ "$1/rates" -nt $GPU/rates.cu ]; then
		# shellcheck disable=SC2086
		"$NVCC" -std=c++20 -O2 $CUDA_ARCH -o "$1/rates" $GPU/rates.cu -ldl
	fi
}

if [ "${1:-}" = pack ]; then
	BUILD=$2 KIT=$3
	shared=${HAECHI_SHARED:-../shared}
	[ -x "$NVCC" ] || { echo "nvcc가 없습니다 (there is no nvcc)" >&2; exit 2; }
	make "$BUILD/tests/test_cuda" "$BUILD/gpu/haechi-engine"
	helpers "$KIT"
	cp "$BUILD/gpu/haechi-engine" "$BUILD/tests/test_cuda" "$shared/tools/gen_gguf.py" "$shared/data/engine/tokenizer/ggml-vocab-llama-bpe.gguf" "$KIT"
	# What a bare machine lacks: every library of the test but the C library's own.
	ldd "$KIT/test_cuda" | awk '/=> \// && !/lib(c|m|dl|rt|pthread)\.so/ {print $3}' | xargs -r cp -Lt "$KIT"
	strip "$KIT/haechi-engine" "$KIT/test_cuda"
	du -sh "$KIT"
	exit 0
fi

BUILD=${1:-build}
FORM=${2:-table}
shift $(($# < 2 ? $# : 2))
if [ "${DEVICE:-cuda}" = cuda ] && ! nvidia-smi -L >/dev/null 2>&1; then
	echo "SKIP 엔진을 GPU에서 재기: GPU가 없습니다 (engine on a GPU: there is none)"
	exit 77
fi
if [ -n "${KIT:-}" ]; then
	ENGINE=$KIT/haechi-engine TEST=$KIT/test_cuda
	export LD_LIBRARY_PATH=$KIT${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	shared_tools=$KIT vocabulary=$KIT/ggml-vocab-llama-bpe.gguf
else
	KIT=$BUILD/bench/gpu ENGINE=$BUILD/haechi-engine TEST=$BUILD/tests/test_cuda
	shared_tools=${HAECHI_SHARED:-../shared}/tools
	vocabulary=${HAECHI_SHARED:-../shared}/data/engine/tokenizer/ggml-vocab-llama-bpe.gguf
	[ "${DEVICE:-cuda}" != cuda ] || make "$ENGINE" "$TEST" >&2
	helpers "$KIT" >&2
fi
for need in "$ENGINE" "$shared_tools/gen_gguf.py" "$vocabulary"; do
	[ -r "$need" ] || { echo "SKIP 엔진을 GPU에서 재기: $need이(가) 없습니다 (engine on a GPU: $need is missing)"; exit 77; }
done
python=python3
$python -c 'import numpy' 2>/dev/null || python=/usr/bin/python3
$python -c 'import numpy' 2>/dev/null || { echo "SKIP 엔진을 GPU에서 재기: numpy가 없습니다 (engine on a GPU: no numpy)"; exit 77; }
export ENGINE TEST KIT PYTHON=$python TOOLS=$shared_tools VOCABULARY=$vocabulary SIZE=${SIZE:-8b} DEVICE=${DEVICE:-cuda}
export MODELS=${HAECHI_BENCH_DIR:-/tmp/haechi-gpu}
mkdir -p "$MODELS"
exec "$python" tests/bench/engine_gpu.py "$FORM" "$@"
