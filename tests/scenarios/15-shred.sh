#!/usr/bin/env bash
# Goal of this test: one person's content is erased for good - not even a copy of the database made before, put back, opens with
# today's keys - while everybody else's stays readable, every proof and receipt holds, and the erasure itself is provable.
. "$(dirname "$0")/_lib.sh"
haechi_up
shred() { "$HAECHI" audit shred --socket "$CONTROL" "$@"; }
review() { "$HAECHI" review "$@" --socket "$CONTROL"; }
# as_user KEY USER TEXT
as_user() {
	curl -sS -D "$WORK/head" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
		-d "$(python3 -c 'import json,sys; print(json.dumps({"model":"haechi-demo","temperature":0,"max_tokens":16,"user":sys.argv[1],"messages":[{"role":"user","content":sys.argv[2]}]}))' "$2" "$3")"
}
member() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
rows() { sql -c "SELECT count(*) FROM haechi.content WHERE entry_id $1"; }
verified() { "$HAECHI" audit verify --vkey "$STATE/log.vkey" >"$WORK/verify" 2>&1 || fail "verify: $(cat "$WORK/verify")"; }

# Hong and Kim wait for a reviewer; another request of Hong's was answered after an edit, one of Lee's as it was.
hong=$(as_user "$KEY_WELFARE" hong '홍의 급여 자격을 판정해 주세요.' | member id)
hong_entry=$(head_of X-Haechi-Entry)
kim=$(as_user "$KEY_WELFARE" kim '김의 급여 자격을 판정해 주세요.' | member id)
kim_entry=$(head_of X-Haechi-Entry)
edited=$(as_user "$KEY_WELFARE" hong '홍의 두 번째 신청입니다.' | member id)
review show "$edited" >/dev/null
printf '{"model":"haechi-demo","max_tokens":16,"messages":[{"role":"user","content":"제도만 설명해 주세요."}]}' >"$WORK/edited"
review edit "$edited" --reason '판정을 뺐음' --request "$WORK/edited" >/dev/null || fail edit
curl -sS -o /dev/null "$BASE_URL/haechi/v1/tickets/$edited" -H "Authorization: Bearer $KEY_WELFARE"
as_user "$KEY_DRAFT" hong '회의록 초안을 써 주세요.' >/dev/null # nothing of it is kept: nothing to erase
lee=$(as_user "$KEY_WELFARE" lee '이의 급여 자격을 판정해 주세요.' | member id)
lee_entry=$(head_of X-Haechi-Entry)
review show "$lee" >/dev/null
review approve "$lee" --reason '대조함' >/dev/null || fail approve
[ "$(curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/haechi/v1/tickets/$lee" -H "Authorization: Bearer $KEY_WELFARE")" = 200 ] || fail "no answer for lee"
until_true 20 settled
review show "$hong" | grep -q '홍의 급여' || fail "not readable before"
"$HAECHI" audit receipt "$hong_entry" --out "$WORK/before.receipt"
pseudonym=$(sql -c "SELECT subject FROM haechi.entry WHERE id = '$hong_entry'")
[ ${#pseudonym} = 32 ] || fail "no pseudonym: $pseudonym"
before=$(rows 'IS NOT NULL')
pg_dump -h "$PGSOCKET" -U haechi_admin --data-only -t 'haechi.content*' haechi >"$WORK/backup.sql"
sql -c "CREATE TABLE public.kept AS SELECT * FROM haechi.ticket WHERE content IS NOT NULL"

# Wrong orders, and orders that change nothing.
! shred --subject "$pseudonym" >/dev/null 2>&1 || fail "without a reason"
! shred --subject "$pseudonym" --entry "$hong_entry" --reason x >/dev/null 2>&1 || fail "two selectors"
! shred --subject "$pseudonym" --reason '주민번호 900101-1990006 의 요청' >/dev/null 2>"$WORK/said" || fail "an identifier in the reason"
grep -q 'personal identifier' "$WORK/said" || fail "$(cat "$WORK/said")"
status=0; shred --user nobody --agency haneul --reason x >/dev/null || status=$?
[ $status = 1 ] || fail "nothing to erase: exit $status"
shred --user hong --agency haneul --dry-run --json >"$WORK/dry"
[ "$(rows 'IS NOT NULL')" = "$before" ] || fail "a dry run changed something"
review show "$hong" | grep -q '홍의 급여' || fail "a dry run destroyed a key"

shred --user hong --agency haneul --reason '삭제 요구 2026-31' --json >"$WORK/done" || fail "shred"
python3 - "$WORK/dry" "$WORK/done" "$pseudonym" <<'PY' || fail "what was erased: $(cat "$WORK/done")"
import hashlib, json, sys
dry, done = (json.load(open(name)) for name in sys.argv[1:3])
assert dry["items"] == done["items"] and dry["digest"] == done["digest"] and "shred" not in dry
assert done["about"] == "subject=" + sys.argv[3] and done["entries"] == len(done["items"]) >= 4
assert {"decision", "review", "outcome"} == {item["kind"] for item in done["items"]}
ids = [item["entry"] for item in done["items"]]
assert ids == sorted(ids) and hashlib.sha256("".join(i + "\n" for i in ids).encode()).hexdigest() == done["digest"]
PY
shred=$(member shred <"$WORK/done")
ids=$(python3 -c 'import json,sys; print(",".join("\x27%s\x27" % i["entry"] for i in json.load(open(sys.argv[1]))["items"]))' "$WORK/done")
[ "$(rows "IN ($ids)")" = 0 ] || fail "rows are left"
[ "$(rows 'IS NOT NULL')" = $((before - $(member rows <"$WORK/done"))) ] || fail "other rows are gone"
[ "$(sql -c "SELECT count(*) FROM haechi.ticket WHERE content IS NOT NULL AND entry_id IN ($ids)")" = 0 ] || fail "a ticket keeps the request"
! review show "$hong" 2>/dev/null | grep -q '홍의 급여' || fail "still readable"
review show "$kim" | grep -q '김의 급여' || fail "somebody else's was erased"
of_lee="IN (WITH RECURSIVE c AS (SELECT id FROM haechi.entry WHERE id = '$lee_entry' UNION SELECT e.id FROM haechi.entry e JOIN c ON e.of = c.id) SELECT id FROM c)"
[ "$(rows "$of_lee")" -ge 2 ] || fail "lee's rows are gone"

# The erased tickets have expired, which an entry tells; what is put back below is not in the sweep's hands any more.
swept() { [ "$(sql -c "SELECT count(*) FROM haechi.ticket WHERE state IN ('waiting', 'approved') AND expires_at < clock_timestamp()")" = 0 ]; }
until_true 20 swept

# The backup is put back: the ciphertext is there again, the key is not.
sql -c "TRUNCATE haechi.content"
psql -qAtX -v ON_ERROR_STOP=1 -h "$PGSOCKET" -U haechi_admin -d haechi -f "$WORK/backup.sql" >/dev/null || fail "restore"
sql -c "UPDATE haechi.ticket t SET content = k.content, state = 'waiting', expires_at = now() + interval '1 hour' FROM public.kept k WHERE k.ticket = t.ticket"
[ "$(rows "IN ($ids)")" -ge 4 ] || fail "the backup is not back"
! review show "$hong" >"$WORK/said" 2>&1 || fail "the backup opens: $(cat "$WORK/said")"
grep -q 'destroyed' "$WORK/said" || fail "$(cat "$WORK/said")"
review show "$kim" | grep -q '김의 급여' || fail "kim's does not open from the backup"
verified
# What came back with the backup is erased again; then nothing is left to erase.
shred --subject "$pseudonym" --reason '백업에서 되살아난 행' --json >"$WORK/again" || fail "again"
[ "$(rows "IN ($ids)")" = 0 ] || fail "rows are left after the second time"
status=0; shred --subject "$pseudonym" --reason again >"$WORK/said" || status=$?
[ $status = 1 ] || fail "a third time: exit $status, $(cat "$WORK/said")"

# Everything still proves: the log, a receipt taken before, one taken now, the erasure itself.
until_true 20 settled
verified
"$HAECHI" audit receipt "$hong_entry" --out "$WORK/after.receipt"
"$HAECHI" audit receipt "$shred" --out "$WORK/shred.receipt"
for receipt in before after shred; do
	"$BUILD/haechi-verify" --vkey "$STATE/log.vkey" "$WORK/$receipt.receipt" >"$WORK/said" 2>&1 || fail "$receipt: $(cat "$WORK/said")"
done
"$HAECHI" audit query --kind shred --entry "$shred" --json >"$WORK/entry"
for fact in '"action":"erase"' "\"about\":\"subject=$pseudonym\"" "\"digest\":\"$(member digest <"$WORK/done")\"" '"reason":"삭제 요구 2026-31"' '"selector":"subject"'; do
	grep -qF "$fact" "$WORK/entry" || fail "the entry lacks $fact: $(cat "$WORK/entry")"
done
! grep -q hong "$WORK/entry" "$WORK/haechid.log" || fail "the name is in the entry or the log"

# One entry with its answer; then a period, begun by a daemon that died right after its note: the next one finishes it.
shred --entry "$lee_entry" --reason '시험' | grep -q erased || fail "by entry"
[ "$(rows "$of_lee")" = 0 ] || fail "lee's rows are left"
soon=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
shred --from 2026-01-01 --to "$soon" --agency haneul --dry-run --json >"$WORK/dry"
[ "$(member entries <"$WORK/dry")" = 1 ] || fail "only kim's is left: $(cat "$WORK/dry")"
kill -KILL "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true
python3 - "$WORK/dry" >"$WORK/pending" <<'PY'
import json, sys, time
dry = json.load(open(sys.argv[1]))
note = {name: dry[name] for name in ("about", "bytes", "digest", "entries", "rows", "selector")}
note |= {"agency": "haneul", "begun_ms": int(time.time() * 1000), "by": "root", "job": "019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d61",
         "reason": "보존 기간 만료", "items": [{name: item[name] for name in ("agency", "entry")} for item in dry["items"]]}
print(json.dumps(note))
PY
seal=$(dirname "$(find "$STATE" -name content.keys)")
install -m 600 "$WORK/pending" "$seal/shred.pending"
haechid_up
until_true 20 test ! -e "$seal/shred.pending"
until_true 20 settled
[ "$(rows "= '$kim_entry'")" = 0 ] || fail "not finished after the crash"
! review show "$kim" 2>/dev/null | grep -q '김의 급여' || fail "readable after the crash"
told() { "$HAECHI" audit query --kind shred --json | grep -c 019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d61; }
[ "$(told)" = 1 ] || fail "no entry after the crash"
# And one that died after its entry: told once.
install -m 600 "$WORK/pending" "$seal/shred.pending"
until_true 20 test ! -e "$seal/shred.pending"
until_true 20 settled
[ "$(told)" = 1 ] || fail "told twice"
verified
