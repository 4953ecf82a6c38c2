#!/usr/bin/env bash
# Goal of this test: Cedar's messages are as they were read and found good: place, offending word, how to mend it, in Korean
# and English. After a change of words: build/tools/cedar_messages <cedar-messages.txt >x, read x, and put it in its place.
set -eu
cd "$(dirname "$0")/../.."
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"${BUILD:-build}/tools/cedar_messages" <tests/policies/cedar-messages.txt >"$said"
diff tests/policies/cedar-messages.txt "$said"
