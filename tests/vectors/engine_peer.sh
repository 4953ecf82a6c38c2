#!/usr/bin/env bash
# haechi-engine beside llama.cpp itself, where somebody has it: logits of models drawn anew, tokens of texts drawn anew.
#   LLAMA_CPP=DIR tests/vectors/engine_peer.sh      DIR has libllama.so (tests/peers/llama/build.sh)     SEED= MODELS= TEXTS=
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
engine=$BUILD/haechi-engine
[ -x "$engine" ] || { echo "SKIP: no $engine"; exit 77; }
if [ ! -e "${LLAMA_CPP:-/nonexistent}/libllama.so" ]; then
	echo "SKIP 엔진을 llama.cpp와 견주기: LLAMA_CPP=DIR가 없습니다 (engine beside llama.cpp: no LLAMA_CPP=DIR with libllama.so)"
	exit 77
fi
python=python3
/usr/bin/python3 -c 'import numpy' 2>/dev/null && python=/usr/bin/python3
tests/peers/llama/build.sh "$LLAMA_CPP" "$BUILD/llama_peer"
export LLAMA_PEER=$PWD/$BUILD/llama_peer LD_LIBRARY_PATH=$LLAMA_CPP${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
seed=${SEED:-$(date +%s)}
$python tests/vectors/engine_tokens.py "$engine" "$seed" "${TEXTS:-300}"
$python tests/vectors/engine_seeds.py "$engine" "$seed" "${MODELS:-24}"
$python tests/vectors/engine_latent.py "$engine" "$seed"
