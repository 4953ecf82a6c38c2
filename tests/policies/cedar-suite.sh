#!/usr/bin/env bash
# Goal of this test: Haechi decides and validates as the public Cedar integration suite says. It asks `haechi policy serve`
# a fixed, stratified part: every handwritten test, and of the 7,809 generated ones those whose names begin with a few hex
# digits (CEDAR_PART, an extended regular expression; '.' is all of them: 62,546 requests and 7,831 validations).
# Behind the runner's line stands what it is worth: the requests that differ, and what a stub would pass.
# The data is looked for in $HAECHI_SHARED, else ../shared; without it the test is skipped.
set -eu
cd "$(dirname "$0")/../.."
data=${HAECHI_SHARED:-../shared}/data/cedar
runner=${HAECHI_SHARED:-../shared}/tools/run_cedar_suite.py
if [ ! -r "$data/corpus-tests.tar.gz" ] || [ ! -r "$runner" ] || ! command -v python3 >/dev/null; then
	echo "the public Cedar suite is not here (HAECHI_SHARED)"
	exit 77
fi
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
tar -xzf "$data/corpus-tests.tar.gz" -C "$corpus"
find "$corpus/corpus-tests" -type f -printf '%f\n' | grep -Ev "^(${CEDAR_PART:-0|5|a|f0})" | (cd "$corpus/corpus-tests" && xargs -r rm -f)
CEDAR_BIN=${BUILD:-build}/haechi CEDAR_SUITE=$data CEDAR_CORPUS=$corpus CEDAR_STDERR=/dev/stderr \
	python3 "$runner" --serve -j 2
tests/policies/cedar_suite_figures.py "$corpus" "$data"
