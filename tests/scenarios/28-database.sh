#!/usr/bin/env bash
# Goal of this test: a database that is read-only, full, slow, silent, without its tables or an old backup: answers go on up to
# ledger.max_unshipped or are refused, entries arrive afterwards, an old backup is refused and never forked, and operators are told
# why in both languages.
. "$(dirname "$0")/_lib.sh"
. "$(dirname "$0")/_unusual.sh"
SEGMENT=65536
haechi_up
cp "$WORK/haechi.yaml" "$WORK/first.yaml"

# ---- the database says no ----------------------------------------------------------------------------------------------
# shipping_stops WHAT: requests are answered, entries do not arrive
shipping_stops() {
	sql_admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'haechid'" >/dev/null
	several 3
	! settled || fail "$1: entries arrive"
}
sql_admin() { PGOPTIONS='-c default_transaction_read_only=off' sql -c "$1"; }
sql_admin "ALTER DATABASE haechi SET default_transaction_read_only = on"
shipping_stops "read-only"
sql_admin "ALTER DATABASE haechi RESET default_transaction_read_only"
sql_admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'haechid'" >/dev/null
until_true 20 settled
sql_admin "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END \$\$;
	GRANT EXECUTE ON FUNCTION public.full() TO PUBLIC;
	CREATE TRIGGER full_ BEFORE INSERT ON haechi.entry FOR EACH ROW EXECUTE FUNCTION public.full()"
shipping_stops "full"
sql_admin "DROP TRIGGER full_ ON haechi.entry"
until_true 20 settled
psql -qAtX -h "$PGSOCKET" -U haechi_admin -d haechi -c 'BEGIN; LOCK TABLE haechi.entry IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)' >/dev/null 2>&1 &
locker=$!
locked() { sql -c "SELECT 1 FROM pg_locks WHERE relation = 'haechi.entry'::regclass AND mode = 'AccessExclusiveLock' AND granted" | grep -q 1; }
until_true 10 locked
several 5
locked || fail "the lock did not last"
sql_admin "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'haechi.entry'::regclass AND mode = 'AccessExclusiveLock'" >/dev/null
wait "$locker" || true
until_true 20 settled
verify

# ---- a database that falls silent: a limit to what is not yet shipped, then 503 ----------------------------------------------
mkdir -p "$WORK/proxy"
python3 - "$PGSOCKET/.s.PGSQL.5432" "$WORK/proxy/.s.PGSQL.5432" <<'PY' &
import os, socket, sys, threading
def pump(a, b):
    try:
        while (data := a.recv(65536)):
            while os.path.exists(sys.argv[2] + ".silent"):
                threading.Event().wait(0.05)
            b.sendall(data)
    except OSError:
        pass
    for each in (a, b):
        try: each.shutdown(socket.SHUT_RDWR)
        except OSError: pass
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[2]); listener.listen(16)
while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX); far.connect(sys.argv[1])
    for pair in ((near, far), (far, near)): threading.Thread(target=pump, args=pair, daemon=True).start()
PY
proxy=$!
PIDS+=($proxy)
until_true 10 test -S "$WORK/proxy/.s.PGSQL.5432"
down
sed -i -e "s|^  socket: .*|  socket: $WORK/proxy|" -e 's/^\( *max_unshipped:\).*/\1 120000/' "$WORK/haechi.yaml"
haechid_up
several 2
until_true 20 settled
touch "$WORK/proxy/.s.PGSQL.5432.silent"
count=0
while [ "$(status_now)" = 200 ]; do
	count=$((count + 1))
	[ $count -lt 60 ] || fail "a silent database: no limit to what is not shipped"
done
[ $count -ge 3 ] || fail "a silent database stops answers at once"
refused "evidence that cannot be shipped"
rm "$WORK/proxy/.s.PGSQL.5432.silent"
until_true 30 answers
cp "$WORK/first.yaml" "$WORK/haechi.yaml"
again "silent database"
kill "$proxy"
until_true 20 settled
verify

# ---- no tables: said, and refused; with them again, a restart goes on ---------------------------------------------------
sql_admin "ALTER SCHEMA haechi RENAME TO put_aside"
ask "$KEY_GUIDE" '안녕하세요' >/dev/null
until_true 20 grep -q 'run haechi db migrate first' "$WORK/haechid.log"
told 'haechi db migrate 를 먼저' 'lacks Haechi'
refused "no tables"
sql_admin "ALTER SCHEMA put_aside RENAME TO haechi"
again "no tables"
until_true 20 settled

# ---- an old backup of the database, under the running log ----------------------------------------------------------------
until_true 20 settled
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/head.before"
deploy/cluster.sh stop "$WORK/pg"
cp -a "$WORK/pg/data" "$WORK/old"
database_up
until_true 20 answers
let_go=$(basename "$(newest)")
until [ "$(find "$STATE/ledger" -name '*.segment' | sort | head -n 1 | xargs basename)" \> "$let_go" ]; do several 4; done
until_true 20 settled
size=$(size_now)
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/head.after"
deploy/cluster.sh stop "$WORK/pg"
mv "$WORK/pg/data" "$WORK/new"
mv "$WORK/old" "$WORK/pg/data"
database_up
ask "$KEY_GUIDE" '안녕하세요' >/dev/null
until_true 20 grep -q 'an old backup was restored' "$WORK/haechid.log"
refused "an old backup"
told '오래된 백업이 복원' 'restore a newer one'
status=0
"$HAECHI" audit verify --vkey "$STATE/log.vkey" --witness "$WORK/head.after" >"$WORK/said" 2>&1 || status=$?
[ $status = 1 ] || fail "verify with a head kept outside does not see the rollback: $status $(cat "$WORK/said")"
grep -q 'rolled back' "$WORK/said" || fail "it does not say so: $(cat "$WORK/said")"
verify --witness "$WORK/head.before"
grep -qi 'witness\|kept outside' "$WORK/verify" || true
down
not_started "an old backup" '오래된 백업' 'an old backup was restored'
deploy/cluster.sh stop "$WORK/pg"
rm -rf "$WORK/pg/data"
mv "$WORK/new" "$WORK/pg/data"
database_up
haechid_up
answers || fail "the newer backup: $(status_of)"
[ "$(size_now)" -gt "$size" ] || fail "the log became shorter"
until_true 20 settled
verify --witness "$WORK/head.before" --witness "$WORK/head.after"

