#!/usr/bin/env bash
# Builds llama_peer against a llama.cpp that lies outside the tree; nothing of it is part of Haechi.
#   tests/peers/llama/build.sh DIR OUTPUT     DIR has libllama.so, and include/llama.h in it or in the sources around it
# Run it with LD_LIBRARY_PATH=DIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
libraries=$(cd "$1" && pwd -P)
for sources in "$libraries" "$libraries/.." "$libraries/../.." "$libraries/../src" "$libraries/../../src"; do
	[ -e "$sources/include/llama.h" ] && break
done
[ -e "$sources/include/llama.h" ] || { echo "no include/llama.h in or around $libraries" >&2; exit 1; }
"${CC:-cc}" -std=c17 -D_DEFAULT_SOURCE -O2 -Wall -Wextra -I "$sources/include" -I "$sources/ggml/include" "$here/main.c" \
	-o "$2" -L "$libraries" -Wl,-rpath-link,"$libraries" -lllama -lggml -lggml-base -lm
