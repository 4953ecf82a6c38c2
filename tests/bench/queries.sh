#!/usr/bin/env bash
# What auditors ask for, on a large log: the first page, and a page a hundred thousand rows deep, by the library's own query; beside
# it the plain SQL that somebody would write by hand over the same indexes, in the same session manner, interleaved. Medians of
# ROUNDS, in milliseconds, connection and all.
#   tests/bench/queries.sh BUILD_DIR CONNINFO       a database of tools/evidence_fill CONNINFO 10000000 KEYS 3
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=$1
DATABASE=$2
ROUNDS=${ROUNDS:-7}
OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT
now() { date +%s%N; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)] / 1000000}'; }
SELECT="SELECT e.log_id, e.index, e.wall, e.id, e.kind, e.agency, e.service, e.subject, e.key_id, e.request_id, e.of, e.usecase, e.verdict, e.access, e.domain, e.action, e.model, e.zone, e.bytes FROM haechi.entry e WHERE"
ORDER="ORDER BY e.wall DESC, e.log_id DESC, e.index DESC LIMIT 100"

ask() { # NAME, WHERE, FILTER...
	local name=$1 where=$2 ours=() plain=() begin
	shift 2
	for ((i = 0; i < ROUNDS; i++)); do
		begin=$(now)
		"$BUILD/haechi" audit query --database "$DATABASE" --limit 100 --json "$@" >"$OUT"
		ours+=($(($(now) - begin)))
		begin=$(now)
		psql -qAtX "$DATABASE" -c "SET jit = off" -c "$SELECT $where $ORDER" >/dev/null
		plain+=($(($(now) - begin)))
	done
	printf '%s %s %s %s\n' "$name" "$(wc -l <"$OUT")" "$(printf '%s\n' "${ours[@]}" | median)" "$(printf '%s\n' "${plain[@]}" | median)" |
		awk '{printf "{\"query\":\"%s\",\"rows\":%d,\"ms\":%.1f,\"by_hand_ms\":%.1f,\"ratio\":%.2f}\n", $1, $2, $3, $4, $3 / $4}'
}

# Days of the generated entries: the month that ends with the newest, the year, and a day a third of the way from the oldest.
IFS='|' read -r MONTH YEAR END DEEP REQUEST < <(psql -qAtX "$DATABASE" -c "SELECT
	to_char(newest - interval '1 month', 'YYYY-MM-DD'), to_char(newest - interval '1 year', 'YYYY-MM-DD'), to_char(newest, 'YYYY-MM-DD'),
	to_char(oldest + (newest - oldest) / 3, 'YYYY-MM-DD'),
	(SELECT request_id FROM haechi.entry WHERE wall > oldest + (newest - oldest) / 2 AND request_id IS NOT NULL ORDER BY wall LIMIT 1)
	FROM (SELECT (SELECT wall FROM haechi.entry ORDER BY wall DESC LIMIT 1) AS newest, (SELECT wall FROM haechi.entry ORDER BY wall LIMIT 1) AS oldest) t")

ask agency-month "e.agency = 'agency-3' AND e.wall >= '$MONTH 00:00+09' AND e.wall < '$END 00:00+09'" --agency agency-3 --from "$MONTH" --to "$END"
ask deny "e.access = 'deny'" --decision deny
ask usecase "e.usecase = 'welfare-eligibility'" --usecase welfare-eligibility
ask request "e.request_id = '$REQUEST'" --request-id "$REQUEST"
ask domain-year "e.domain = 'public_service' AND e.wall >= '$YEAR 00:00+09' AND e.wall < '$END 00:00+09'" --domain public_service --from "$YEAR" --to "$END"
ask second-domain "(e.domain = 'education' OR e.also @> ARRAY['education'::text]) AND e.wall >= '$YEAR 00:00+09' AND e.wall < '$END 00:00+09'" --domain education --from "$YEAR" --to "$END"
# Deep: where the first page of an earlier end begins is where a deep page of the whole begins.
ask deny-deep "e.access = 'deny' AND e.wall < '$DEEP 00:00+09'" --decision deny --to "$DEEP"
ask usecase-deep "e.usecase = 'welfare-eligibility' AND e.wall < '$DEEP 00:00+09'" --usecase welfare-eligibility --to "$DEEP"
