#!/usr/bin/env bash
# The writing path, killed at random moments (daemon, or its signer alone), loses nothing it acknowledged. ROUNDS=500 for long.
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=${BUILD:-build}/tools/ledger_crash
[ -x "$tool" ] || { echo "no $tool"; exit 77; }
"$tool" "${ROUNDS:-40}" "${SEED:-$RANDOM}"
