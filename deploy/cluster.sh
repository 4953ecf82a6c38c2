#!/usr/bin/env bash
# A private PostgreSQL cluster on a Unix socket, for `make run` and for tests.
#   deploy/cluster.sh start FOLDER      makes it if need be, starts it, prints the socket's folder
#   deploy/cluster.sh stop FOLDER       fast shutdown, by the pid in its own pid file
#   deploy/cluster.sh pid FOLDER        prints the postmaster's pid
# The cluster belongs to `postgres` when root asks (the server refuses root), else to whoever asks. Who may log in as
# whom is settled by the kernel's word for the peer (peer authentication), not by passwords.
set -euo pipefail

action=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd -P)
data=$folder/data
# A socket's whole path must fit 107 bytes.
socket=$folder/socket
[ ${#socket} -lt 80 ] || socket=/tmp/haechi-pg-$(printf %s "$folder" | sha256sum | cut -c1-16)
binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$binaries" ] || {
	echo "PostgreSQL 이 없습니다: deploy/setup run / PostgreSQL is not installed: deploy/setup run" >&2
	exit 2
}

owner=$(id -un)
as_owner=()
if [ "$(id -u)" = 0 ]; then
	owner=postgres
	as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups)
	chown postgres:postgres "$folder"
	# The owner must be able to reach its folder.
	"${as_owner[@]}" test -x "$folder" || {
		echo "사용자 postgres 가 $folder 에 닿지 못합니다 (상위 폴더에 o+x 필요)" >&2
		echo "user postgres cannot reach $folder (its parents need o+x)" >&2
		exit 2
	}
fi
control() { (cd "$folder" && "${as_owner[@]}" "$binaries/pg_ctl" -D "$data" -s -w "$@"); }

case $action in
start)
	chmod 711 "$folder"
	if [ ! -f "$data/PG_VERSION" ]; then
		(cd "$folder" && "${as_owner[@]}" "$binaries/initdb" -D "$data" -E UTF8 --locale=C -U haechi_admin \
			--auth-local=peer --auth-host=reject --data-checksums >"$folder/initdb.log" 2>&1) || {
			cat "$folder/initdb.log" >&2
			exit 2
		}
		printf 'local all all peer map=haechi\n' >"$data/pg_hba.conf"
		for role in haechi_admin haechid haechi_operator haechi_auditor_login haechi_regulator_login; do
			printf 'haechi %s %s\n' "$(id -un)" "$role"
			[ "$owner" = "$(id -un)" ] || printf 'haechi %s %s\n' "$owner" "$role"
		done >"$data/pg_ident.conf"
		chown "$owner" "$data/pg_hba.conf" "$data/pg_ident.conf"
		cat >>"$data/postgresql.conf" <<-CONF
			listen_addresses = ''
			unix_socket_permissions = 0777
			shared_buffers = 64MB
			max_connections = 40
			logging_collector = off
			log_min_messages = warning
			log_min_error_statement = panic
		CONF
	fi
	mkdir -p "$socket"
	[ "$owner" = "$(id -un)" ] || chown "$owner" "$socket"
	# Only the owner, and root, come as far as the socket.
	chmod 700 "$socket"
	if ! control status >/dev/null 2>&1; then
		control -l "$folder/postgres.log" -o "-c unix_socket_directories='$socket'" start || {
			tail -n 20 "$folder/postgres.log" >&2
			exit 2
		}
	fi
	"$binaries/psql" -qAt -h "$socket" -U haechi_admin -d postgres \
		-c "SELECT 1 FROM pg_database WHERE datname = 'haechi'" | grep -q 1 ||
		"$binaries/createdb" -h "$socket" -U haechi_admin haechi
	printf '%s\n' "$socket"
	;;
stop)
	[ ! -f "$data/postmaster.pid" ] || control -m fast stop
	;;
pid)
	head -n 1 "$data/postmaster.pid"
	;;
*)
	echo "deploy/cluster.sh start|stop|pid FOLDER" >&2
	exit 2
	;;
esac
