#!/usr/bin/env bash
# Goal of this test: haechid is killed before any call by which an order to erase changes something - its note, the count, the key
# files, their old bytes, the token, PostgreSQL, the entry - and afterwards content opens as before, or the next start finishes the
# order by itself: then it is gone, told once, and all proofs hold. Keys are in a token, so that a copy of the key folder from before
# opens nothing either.
# CALLS=all: every call once (minutes); else a handful by chance; SEED=n: the same ones again.
command -v softhsm2-util >/dev/null || { echo "softhsm2 is not installed"; exit 77; }
. "$(dirname "$0")/_lib.sh"
stopper=$PWD/$BUILD/tools/stopper.so
[ -f "$stopper" ] || skip "no $stopper: make tests"
module=$(ls /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so 2>/dev/null | head -n 1)
export SOFTHSM2_CONF=$WORK/softhsm2.conf
mkdir -p "$WORK/tokens" "$STATE/seal"
chmod 700 "$STATE" "$STATE/seal"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$WORK/tokens" >"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label haechi --pin 4821 --so-pin 5678 >/dev/null
(umask 077; echo 4821 >"$WORK/pin"; printf 'module %s\ntoken haechi\npin-file %s\n' "$module" "$WORK/pin" >"$STATE/seal/custodian")
haechi_up

export STOPPER=$WORK/stopper STOPPER_FOLDER=$STATE/seal
truncate -s 12 "$STOPPER"
plan() { python3 -c 'import struct,sys; open(sys.argv[1], "r+b").write(struct.pack("3I", *map(int, sys.argv[2:])))' "$STOPPER" "$@"; }
counted() { python3 -c 'import struct,sys; print(struct.unpack("3I", open(sys.argv[1], "rb").read())[1])' "$STOPPER"; }
stopped_up() { LD_PRELOAD=$stopper haechid_up; }
down() { kill "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true; }
member() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
opens() { "$HAECHI" audit receipt "$1" --open --reason '시험' --socket "$CONTROL" --out "$WORK/opened" >"$WORK/said" 2>&1; }
erased() { "$HAECHI" audit query --kind shred --json --limit 0 | grep -c "subject=$1" || true; }
finished() { [ ! -e "$STATE/seal/shred.pending" ]; }
held() { # PERSON
	curl -sS -D "$WORK/head" -o /dev/null "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_WELFARE" -H 'Content-Type: application/json' \
		-d "{\"model\":\"haechi-demo\",\"user\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$1의 급여 자격을 판정해 주세요.\"}]}"
	head_of X-Haechi-Entry
}
shred() { "$HAECHI" audit shred --user "$1" --agency haneul --reason '삭제 요구' --socket "$CONTROL" --json; }

down
stopped_up
other=$(held other)
first=$(held first)
until_true 20 settled
# A copy of the key folder, and of the database's rows, from before anything was erased.
cp -rp "$STATE/seal" "$WORK/seal.before"
pg_dump -h "$PGSOCKET" -U haechi_admin --data-only -t 'haechi.content*' haechi >"$WORK/backup.sql"
plan 0 0 1
shred first >"$WORK/done" || fail "shred: $(cat "$WORK/done")"
calls=$(counted)
plan 0 0 0
[ "$calls" -gt 20 ] || fail "only $calls calls"
SEED=${SEED:-$RANDOM}
if [ "${CALLS:-}" = all ]; then
	chosen=$(seq "$calls")
else
	chosen=$(python3 -c 'import random,sys; random.seed(int(sys.argv[2])); print(*sorted(random.sample(range(1, int(sys.argv[1]) + 1), 6)))' "$calls" "$SEED")
fi
echo "seed $SEED: of $calls calls" $chosen

before=0 after=0
for call in $chosen; do
	entry=$(held "p$call")
	until_true 20 settled
	"$HAECHI" audit receipt "$entry" --out "$WORK/p.receipt"
	subject=$(sql -c "SELECT subject FROM haechi.entry WHERE id = '$entry'")
	plan "$call" 0 1
	status=0
	shred "p$call" >"$WORK/done" 2>&1 || status=$?
	# a little noise of other threads moves the last calls: then the order came to its end
	if kill -0 "$HAECHID_PID" 2>/dev/null && [ $status = 0 ]; then
		plan 0 0 0
	else
		wait "$HAECHID_PID" 2>/dev/null || true
		plan 0 0 0
		begun=; [ ! -e "$STATE/seal/shred.pending" ] || begun=yes
		stopped_up
		until_true 20 finished
		until_true 20 settled
		if [ -z "$begun" ] && opens "$entry"; then
			before=$((before + 1))
			[ "$(erased "$subject")" = 0 ] || fail "call $call: not erased, and an entry says it was"
			shred "p$call" >"$WORK/done" || fail "call $call: again: $(cat "$WORK/done")"
		else
			after=$((after + 1))
		fi
	fi
	! opens "$entry" || fail "call $call: it opens"
	grep -q 'no sealed content' "$WORK/said" || fail "call $call: $(cat "$WORK/said")"
	until_true 20 settled
	[ "$(erased "$subject")" = 1 ] || fail "call $call: $(erased "$subject") entries of it"
	"$BUILD/haechi-verify" --vkey "$STATE/log.vkey" "$WORK/p.receipt" >"$WORK/said" 2>&1 || fail "call $call: $(cat "$WORK/said")"
	! ls "$STATE"/seal/*.old "$STATE"/seal/*.new "$STATE"/seal/periods/*.old "$STATE"/seal/periods/*.new 2>/dev/null || fail "call $call: old keys lie about"
	opens "$other" || fail "call $call: somebody else's was lost: $(cat "$WORK/said")"
done
echo "killed before the note $before times, after it $after times"
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >"$WORK/verify" 2>&1 || fail "verify: $(cat "$WORK/verify")"

# The rows come back with a backup of the database: they do not open. Nor does the key folder of before help: its key is in no token.
sql -c "TRUNCATE haechi.content" && psql -qAtX -v ON_ERROR_STOP=1 -h "$PGSOCKET" -U haechi_admin -d haechi -f "$WORK/backup.sql" >/dev/null
! opens "$first" || fail "the backup opens"
grep -q destroyed "$WORK/said" || fail "$(cat "$WORK/said")"
opens "$other" || fail "$(cat "$WORK/said")"
down
mv "$STATE/seal" "$WORK/seal.after"
cp -rp "$WORK/seal.before" "$STATE/seal"
status=0
timeout 30 "$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/refused.log" 2>&1 || status=$?
HAECHID_PID=
[ $status = 2 ] || fail "a key folder of before: exit $status"
grep -q 'a copy from before something was destroyed' "$WORK/refused.log" || fail "$(tail -n 3 "$WORK/refused.log")"
