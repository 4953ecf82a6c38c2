#!/usr/bin/env bash
# Line coverage of the last `make coverage`, a line a source file, worst first.
cd "$(dirname "$0")/.." || exit 2
find build/coverage/obj -name '*.gcda' | while read -r data; do
	gcov -n -o "$(dirname "$data")" "$data" 2>/dev/null | awk '
		/^File / { file = $2; gsub(/\x27/, "", file) }
		/^Lines executed/ { split($0, part, /[:%]/); split($0, of, " of "); if (file !~ /^\//) printf "%6.1f %% of %5d  %s\n", part[2], of[2], file; file = "/" }'
done | sort -n
