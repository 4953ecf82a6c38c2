#!/usr/bin/env bash
# Goal of this test: one byte of one stored entry is changed by the database's superuser; verify exits 1 and names it.
. "$(dirname "$0")/_lib.sh"
haechi_up

for i in 1 2 3; do ask "$KEY_GUIDE" '안녕하세요' >/dev/null; done
entry=$(head_of X-Haechi-Entry)
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "a false alarm"
index=$(sql -c "SELECT index FROM haechi.entry WHERE id = '$entry'")
sql -c "SET session_replication_role = replica; UPDATE haechi.entry SET bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1) WHERE id = '$entry'"
status=0
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" >"$WORK/said" 2>&1 || status=$?
cat "$WORK/said"
[ $status -eq 1 ] || fail "exit $status instead of 1"
grep -q "$index" "$WORK/said" || fail "entry $index is not named"
# Put back, it is good again.
sql -c "SET session_replication_role = replica; UPDATE haechi.entry SET bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1) WHERE id = '$entry'"
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" || fail "a false alarm after mending"
