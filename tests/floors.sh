#!/bin/sh
# The floors hold: a wing includes itself and the ground, the ground includes itself, one header alone opens each wing.
cd "$(dirname "$0")/.." || exit 2
git ls-files 'schema/*.[ch]' 'policy/*.[ch]' 'audit/*.[ch]' 'inference/*.[ch]' 'gateway/*.[ch]' 'inference/*.cu' | xargs awk '
	BEGIN { may["schema"] = "schema"; may["policy"] = "schema policy"; may["audit"] = "schema audit"
	        may["inference"] = "schema inference"; may["gateway"] = "schema policy audit gateway"
	        doors["audit"] = "audit/audit.h"; doors["policy"] = "policy/policy.h" }
	/^#include "/ {
		split(FILENAME, from, "/"); split($2, to, /["\/]/); count++
		if (index(" " may[from[1]] " ", " " to[2] " ") == 0) { print FILENAME ":" FNR ": may not include " $2; bad = 1 }
	}
	END { if (count == 0) { print "floors: no includes seen"; exit 1 } exit bad }'
status=$?
# A name used twice makes a stack trace or an include ambiguous.
twice=$(git ls-files '*.c' | grep -v '^tests/' | sed 's|.*/||' | sort | uniq -d)
[ -z "$twice" ] || { echo "source names used twice: $twice"; status=1; }
exit $status
