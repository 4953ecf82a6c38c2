#!/usr/bin/env bash
# Goal of this test: the same random policies, schemas, entities and requests give the same answers here and in the reference.
# It needs the npm package @cedar-policy/cedar-wasm (4.10 to 4.12) under $CEDAR_WASM/node_modules; without it it is skipped.
# CEDAR_SEED and CEDAR_COUNT choose other questions.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${CEDAR_WASM:-}" ] || [ ! -d "$CEDAR_WASM/node_modules/@cedar-policy/cedar-wasm" ]; then
	echo "the reference is not here (CEDAR_WASM)"
	exit 77
fi
CEDAR_ANSWER=${BUILD:-build}/tools/cedar_answer tests/policies/cedar_differential.py --seed "${CEDAR_SEED:-1}" \
	--count "${CEDAR_COUNT:-400}"
