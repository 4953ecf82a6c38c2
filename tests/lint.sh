#!/usr/bin/env bash
# Warnings are bugs: gcc and clang with -Werror, gcc's analyzer, clang-tidy, cppcheck, floors, manual pages.
#   tests/lint.sh [quick]      quick: compilers and floors only
set -u
cd "$(dirname "$0")/.."
bad=0
say() { printf '\n== %s\n' "$*"; }

say floors
tests/floors.sh || bad=1
for compiler in gcc clang; do
	command -v $compiler >/dev/null || { echo "skip: no $compiler"; continue; }
	say "$compiler -Werror"
	make -s -j"$(nproc)" VARIANT=lint-$compiler CC=$compiler ERRORS=-Werror programs tests >build/lint-$compiler.log 2>&1 || {
		grep -E 'error|warning' build/lint-$compiler.log | sort -u | head -n 40
		bad=1
	}
done
[ "${1:-}" = quick ] && exit $bad
sources=$(git ls-files 'schema/*.c' 'policy/*.c' 'audit/*.c' 'inference/*.c' 'gateway/*.c')
say "gcc -fanalyzer"
for source in $sources; do
	gcc -std=c17 -D_DEFAULT_SOURCE -O1 -I. -Ibuild/gen -fanalyzer -Wno-analyzer-malloc-leak -c -o /dev/null "$source" 2>&1 | grep -E 'warning:' && bad=1
done
if command -v clang-tidy >/dev/null; then
	say clang-tidy
	printf '%s\n' $sources | xargs -P "$(nproc)" -I{} clang-tidy --quiet {} -- -std=c17 -D_DEFAULT_SOURCE -I. -Ibuild/gen | grep -E '(warning|error):' && bad=1
fi
if command -v cppcheck >/dev/null; then
	say cppcheck
	cppcheck --quiet --std=c11 --inline-suppr --enable=warning,performance,portability --suppress=missingIncludeSystem \
		--suppress=unknownMacro --error-exitcode=1 -I. $sources || bad=1
fi
if command -v mandoc >/dev/null; then
	say mandoc
	for page in $(git ls-files '*.1' '*.5' '*.8'); do
		mandoc -T lint -W warning "$page" || bad=1
	done
fi
exit $bad
