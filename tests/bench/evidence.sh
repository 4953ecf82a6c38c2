#!/usr/bin/env bash
# The ledger beside what it is made of, in one run: journal and disk; shipping and COPY; verify and COPY with SHA-256; auditors' queries and
# the same SQL by hand. Ratios count: what disturbs one side disturbs the other. JSON lines.
#   tests/bench/evidence.sh [BUILD_DIR]      ENTRIES=300000 generated entries (10000000: twenty minutes and 20 GB)
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=$(realpath "${1:-build}")
ENTRIES=${ENTRIES:-300000}
PACE=$((ENTRIES > 3000000 ? 3 : 1))
WORK=$(mktemp -d "${TMPDIR:-/tmp}/haechi-bench-XXXXXX")
finish() {
	deploy/cluster.sh stop "$WORK/cluster" >/dev/null 2>&1 || true
	rm -rf "$WORK"
}
trap finish EXIT
chmod 711 "$WORK"
SOCKET=$(deploy/cluster.sh start "$WORK/cluster")
ADMIN="host=$SOCKET user=haechi_admin"

"$BUILD/bench/ledger_rate" "$WORK" 10

psql -qAtX "$ADMIN dbname=haechi" -c "CREATE DATABASE shipping"
"$BUILD/haechi" db migrate --database "$ADMIN dbname=shipping" >/dev/null
"$BUILD/bench/ship_rate" "$ADMIN dbname=shipping" 20000 5
psql -qAtX "$ADMIN dbname=haechi" -c "DROP DATABASE shipping"

"$BUILD/haechi" db migrate --database "$ADMIN dbname=haechi" >/dev/null
"$BUILD/haechi" db login haechi_auditor_login --role auditor --agency '*' --database "$ADMIN dbname=haechi" >/dev/null
"$BUILD/tools/evidence_fill" "$ADMIN dbname=haechi" "$ENTRIES" "$WORK/vkeys" "$PACE"
psql -qAtX "$ADMIN dbname=haechi" -c "VACUUM (ANALYZE) haechi.entry"
"$BUILD/bench/verify_rate" "$ADMIN dbname=haechi" "$WORK/vkeys" 5
tests/bench/queries.sh "$BUILD" "host=$SOCKET user=haechi_auditor_login dbname=haechi"
