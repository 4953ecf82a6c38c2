#!/usr/bin/env bash
# Builds llama_peer against a llama.cpp that lies outside the tree; nothing of it is part of Haechi.
#   tests/peers/llama/build.sh SOURCES LIBRARIES OUTPUT     SOURCES has include/llama.h, LIBRARIES has libllama.so
# Then: LLAMA_PEER=OUTPUT tests/vectors/engine.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
libraries=$(cd "$2" && pwd -P)
"${CC:-cc}" -std=c17 -D_DEFAULT_SOURCE -O2 -Wall -Wextra -I "$1/include" -I "$1/ggml/include" "$here/main.c" -o "$3" \
	-L "$libraries" -Wl,-rpath,"$libraries" -Wl,-rpath-link,"$libraries" -lllama -lggml -lggml-base -lm
