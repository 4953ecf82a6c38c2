#!/usr/bin/env bash
# Runs every test there is and closes with `N passed, N failed, N skipped`. Each test is a program or script of its own:
# exit 0 passed, 77 skipped (its last line says why), anything else failed and its output is shown.
#   tests/run.sh BUILD_FOLDER [PATTERN]      PATTERN: only tests whose name matches
set -u
cd "$(dirname "$0")/.."
export BUILD=$1
pattern=${2:-.}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
failures=()

one() { # NAME COMMAND...
	local name=$1 begin status
	shift
	[[ $name =~ $pattern ]] || return 0
	begin=$(date +%s%N)
	timeout --kill-after=10 "${TEST_TIMEOUT:-900}" "$@" >"$log/out" 2>&1 </dev/null
	status=$?
	local took=$((($(date +%s%N) - begin) / 1000000))
	case $status in
	0)
		passed=$((passed + 1))
		printf 'ok    %-44s %6d ms\n' "$name" "$took"
		;;
	77)
		skipped=$((skipped + 1))
		printf 'skip  %-44s %s\n' "$name" "$(tail -n 1 "$log/out")"
		;;
	*)
		failed=$((failed + 1))
		failures+=("$name")
		printf 'FAIL  %-44s exit %d\n' "$name" "$status"
		tail -n 60 "$log/out" | sed 's/^/      | /'
		;;
	esac
}

one floors tests/floors.sh
for program in "$BUILD"/tests/test_*; do
	[ -x "$program" ] && [[ $program != *.d ]] && one "unit/${program##*/test_}" "$program"
done
[ -x "$BUILD/tests/test_cuda" ] || one unit/cuda sh -c 'echo "nvcc is not here"; exit 77'
for program in "$BUILD"/tests/replay_fuzz_*; do
	[ -x "$program" ] && [[ $program != *.d ]] || continue
	name=${program##*/replay_fuzz_}
	one "fuzz/$name" "$program" "tests/fuzz/corpus/$name"
done
for script in tests/vectors/*.sh tests/policies/*.sh tests/scenarios/*.sh tests/clients/*.sh tests/console/*.sh; do
	[ -x "$script" ] && [[ ${script##*/} != _* ]] && one "${script#tests/}" "$script"
done

[ $failed -eq 0 ] || printf 'failed: %s\n' "${failures[*]}"
printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ] && [ $passed -gt 0 ]
