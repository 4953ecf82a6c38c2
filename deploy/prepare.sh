#!/usr/bin/env bash
# Everything haechid needs before its first start: a configuration in the state folder, tables and logins in the database.
#   deploy/prepare.sh STATE DATABASE_SOCKET LISTEN [MODEL_NAME]      safe to repeat; an existing haechi.yaml is kept
set -euo pipefail
cd "$(dirname "$0")/.."
state=$1 socket=$2 listen=$3 model=${4:-haechi-demo}
build=${BUILD:-build}

admin="host=$socket user=haechi_admin dbname=haechi"
"$build/haechi" db migrate --database "$admin"
"$build/haechi" db login haechid --role writer --database "$admin"
"$build/haechi" db login haechi_auditor_login --role auditor --agency '*' --database "$admin"
"$build/haechi" db login haechi_regulator_login --role regulator --database "$admin"

# Where `haechi audit` and its like look when nobody names a database.
echo "host=$socket user=haechi_auditor_login dbname=haechi" >"$state/database"

# A key to sign policy bundles with; agencies keep the secret half elsewhere.
mkdir -p "$state/policy-keys"
[ -f "$state/policy-keys/operator.pub" ] || "$build/haechi" policy bundle keygen operator --out "$state/policy-keys" >/dev/null

[ -f "$state/haechi.yaml" ] || sed \
	-e "s|^agency: .*|agency: haneul|" \
	-e "s|^state: .*|state: $state|" \
	-e "s|^  - 127.0.0.1:8080|  - $listen|" \
	-e "s|^  socket: .*|  socket: $socket|" \
	-e "s|^  user: .*|  user: haechid|" \
	-e "s|^      - name: haechi-demo|      - name: $model|" \
	deploy/haechi.yaml >"$state/haechi.yaml"
"$build/haechid" -n -c "$state/haechi.yaml"
