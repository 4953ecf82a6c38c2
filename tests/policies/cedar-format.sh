#!/usr/bin/env bash
# Goal of this test: the rules of the Act and the sample policies of an agency are written as `haechi policy fmt` writes them.
set -eu
cd "$(dirname "$0")/../.."
"${BUILD:-build}/haechi" policy fmt --check policy/act/*/*.cedar policy/agency/*.cedar ||
	{ echo "haechi policy fmt --write … puts them right"; exit 1; }
