#!/usr/bin/env bash
# Goal of this test: whole months of an agency's content go at once, and what need not be kept any longer goes by itself, for good -
# a backup of the whole database from before, put back, opens nothing of it with the keys of after - while receipts, proofs and the
# erasure itself hold; content is opened for somebody with a reason, and he can check it against the log; key files that change under
# the daemon are noticed.
. "$(dirname "$0")/_lib.sh"
CLOCK=$PWD/$BUILD/tools/clock.so
[ -f "$CLOCK" ] || skip "no $CLOCK: make tests"
DAY=86400
haechi_up
down() { kill "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true; }
# at DAYS: haechid lives that many days from now
at() { down; LD_PRELOAD=$CLOCK HAECHI_CLOCK_OFFSET=$(($1 * DAY)) haechid_up; }
shred() { "$HAECHI" audit shred --socket "$CONTROL" "$@"; }
expire() { "$HAECHI" audit expire --socket "$CONTROL" "$@"; }
receipt() { "$HAECHI" audit receipt --socket "$CONTROL" "$@"; }
opens() { receipt "$1" --open --reason '열람 청구 2026-7' --out "$WORK/opened" >"$WORK/said" 2>&1; }
gone() { ! opens "$1" || fail "$1 still opens"; grep -q "${2:-destroyed}" "$WORK/said" || fail "$1: $(cat "$WORK/said")"; }
offline() { "$BUILD/haechi-verify" --vkey "$STATE/log.vkey" "$@" >"$WORK/said" 2>&1; }
member() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
verified() { "$HAECHI" audit verify --vkey "$STATE/log.vkey" >"$WORK/verify" 2>&1 || fail "verify: $(cat "$WORK/verify")"; }
size() { curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p; }
held() { # PERSON: a request of his waits for a reviewer, sealed; its entry
	curl -sS -D "$WORK/head" -o /dev/null "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_WELFARE" -H 'Content-Type: application/json' \
		-d "{\"model\":\"haechi-demo\",\"user\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$1의 급여 자격을 판정해 주세요.\"}]}"
	head_of X-Haechi-Entry
}
FIRST=$(date -u -d "-65 days +9 hours" +%Y-%m) SECOND=$(date -u -d "-34 days +9 hours" +%Y-%m) # in Korea
[ "$FIRST" != "$SECOND" ] || fail "the same month twice: $FIRST"

# Two months ago, a month ago, now.
at -65; hong=$(held hong); kim=$(held kim)
at -34; lee=$(held lee)
at 0; park=$(held park)
until_true 30 settled
for entry in "$hong" "$lee" "$park"; do receipt "$entry" --out "$WORK/$entry.receipt"; done
[ "$(find "$STATE/seal/periods" -type f | wc -l)" = 3 ] || fail "not a file of keys for each month: $(ls "$STATE/seal/periods")"

# Opened for a citizen: with a reason, which is an entry before he has it; checked offline; a letter changed is found.
! receipt "$hong" --open --out "$WORK/opened" 2>"$WORK/said" || fail "opened without a reason"
! receipt "$hong" --open --reason '900101-1990006 의 청구' 2>/dev/null || fail "an identifier in the reason"
opens "$hong" || fail "$(cat "$WORK/said")"
[ "$(stat -c %a "$WORK/opened")" = 600 ] || fail "others may read the opened receipt"
offline "$WORK/opened" --content "$WORK/content" || fail "$(cat "$WORK/said")"
grep -q 'what the content proves' "$WORK/said" || fail "$(cat "$WORK/said")"
grep -q 'hong의 급여' "$WORK/content" || fail "content: $(cat "$WORK/content")"
until_true 30 settled
"$HAECHI" audit query --kind access --json >"$WORK/entries"
grep '"action":"open"' "$WORK/entries" | grep "entry=$hong" | grep -q '열람 청구' || fail "the opening is no entry"

# Many at once, as a table of people and as JSON: each opening is an entry of its own, whose id comes with the content.
query() { "$HAECHI" audit query --usecase welfare-eligibility --kind decision "$@"; }
! query --open --socket "$CONTROL" >"$WORK/said" 2>&1 || fail "query --open without a reason"
! query --open --csv --reason x --socket "$CONTROL" >"$WORK/said" 2>&1 || fail "query --open as CSV"
query --open --reason '정기 점검 2026-8' --socket "$CONTROL" --json >"$WORK/content" || fail "query --open"
query --open --reason '정기 점검 2026-8' --socket "$CONTROL" --entry "$kim" >"$WORK/said" || fail "query --open for people"
grep -q 'kim의 급여' "$WORK/said" && ! grep -q 'hong의 급여' "$WORK/said" || fail "query --open for people: $(cat "$WORK/said")"
until_true 30 settled
"$HAECHI" audit query --kind access --json --limit 0 >"$WORK/entries"
python3 - "$WORK/content" "$WORK/entries" "$hong" "$kim" "$lee" "$park" <<'PY' || fail "query --open: $(cut -c1-300 "$WORK/content")"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
accesses = {row["id"]: row["entry"]["body"] for row in map(json.loads, open(sys.argv[2])) if row["action"] == "open"}
assert {row["id"] for row in rows} == set(sys.argv[3:]), [row["id"] for row in rows]
for row in rows:
    content = row["content"]
    asked = json.loads(content["text"])
    assert content["part"] == "prompt" and "의 급여" in asked["messages"][0]["content"], content
    told = accesses[content["access"]]["facts"]
    assert told["about"] == "entry=" + row["id"] and told["reason"] == "정기 점검 2026-8", told
PY
told() { [ "$("$HAECHI" audit query --kind access --json --limit 0 | grep -c '정기 점검')" = 7 ]; } # the two readings become entries, too
until_true 30 told
python3 - "$WORK" "$lee" <<'PY'
import base64, json, sys
opened = json.load(open(sys.argv[1] + "/opened"))
def write(name, **change): json.dump(opened | change, open(f"{sys.argv[1]}/bad.{name}", "w"), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
text = base64.b64decode(opened["content"]).decode()
write("content", content=base64.b64encode(text.replace("급여", "급료").encode()).decode())
write("salt", salt="00" + opened["salt"][2:] if opened["salt"][:2] != "00" else "01" + opened["salt"][2:])
write("part", part="answer")
write("receipt", receipt=open(f"{sys.argv[1]}/{sys.argv[2]}.receipt").read())
PY
for bad in content salt part receipt; do
	status=0; offline "$WORK/bad.$bad" || status=$?
	[ $status = 1 ] || fail "changed $bad: exit $status: $(cat "$WORK/said")"
done

# A backup of everything. Then the first month goes whole.
pg_dump -h "$PGSOCKET" -U haechi_admin --data-only -t 'haechi.content*' -t haechi.ticket haechi >"$WORK/backup.sql"
cp -rp "$STATE/seal" "$WORK/seal.before"
put_back() {
	sql -c "TRUNCATE haechi.content; TRUNCATE haechi.ticket" >/dev/null
	psql -qAtX -v ON_ERROR_STOP=1 -h "$PGSOCKET" -U haechi_admin -d haechi -f "$WORK/backup.sql" >/dev/null || fail "restore"
}
status=0; shred --from "$FIRST-01" --to "$SECOND-01" --agency nobody --reason x >/dev/null || status=$?
[ $status = 1 ] || fail "another agency: exit $status"
shred --from "$FIRST-01" --to "$SECOND-01" --dry-run >"$WORK/said" || fail "dry run"
grep -q "$FIRST.*haneul" "$WORK/said" || fail "$(cat "$WORK/said")"
opens "$hong" || fail "a dry run destroyed keys"
shred --from "$FIRST-01" --to "$SECOND-01" --agency haneul --reason '기관의 폐지' --json >"$WORK/done" 2>"$WORK/said" || fail "shred: $(cat "$WORK/said")"
python3 - "$WORK/done" "$FIRST" <<'PY' || fail "what was erased: $(cat "$WORK/done")"
import hashlib, json, sys
done = json.load(open(sys.argv[1]))
assert done["items"] == [] and done["entries"] == 2 and done["rows"] == 2, done
assert [(p["agency"], p["month"], p["entries"]) for p in done["periods"]] == [("haneul", sys.argv[2], 2)]
assert done["digest"] == hashlib.sha256(f"haneul/{sys.argv[2]}\n".encode()).hexdigest()
PY
order=$(member shred <"$WORK/done")
gone "$hong" 'no sealed content'
put_back
gone "$hong"; gone "$kim"
opens "$lee" || fail "another month was erased: $(cat "$WORK/said")"
# What came back with the backup goes again; then there is nothing left.
shred --from "$FIRST-01" --to "$SECOND-01" --reason '백업에서 되살아난 행' >"$WORK/said" || fail "again: $(cat "$WORK/said")"
status=0; shred --from "$FIRST-01" --to "$SECOND-01" --reason again >"$WORK/said" || status=$?
[ $status = 1 ] || fail "a third time: exit $status: $(cat "$WORK/said")"

# One person in the second month and the present one; park's by the hours of a day, entry by entry.
shred --user lee --agency haneul --reason '삭제 요구' >/dev/null || fail "subject"
shred --from "$(date -u -d '-1 hour' +%Y-%m-%dT%H:%M:%SZ)" --to "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)" --agency haneul --reason '시험 기간' --json >"$WORK/done" || fail "hours"
[ "$(python3 -c 'import json,sys; d = json.load(sys.stdin); print(len(d["items"]), len(d["periods"]))' <"$WORK/done")" = '1 0' ] || fail "$(cat "$WORK/done")"
at 0
put_back
for entry in "$hong" "$kim" "$lee" "$park"; do gone "$entry"; done

# A key file that goes, or an older one in its place: noticed before anything is asked, and nothing is sealed beside it.
file=$(ls -t "$STATE"/seal/periods/* | head -n 1)
attention() { "$HAECHI" status --socket "$CONTROL" | grep -q 'changed files'; }
! attention || fail "$("$HAECHI" status --socket "$CONTROL")"
mv "$file" "$WORK/away"
until_true 20 attention
grep -q 'event=not-as-written' "$WORK/haechid.log" || fail "not in the log"
[ "$(curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_WELFARE" -H 'Content-Type: application/json' -d '{"model":"haechi-demo","messages":[{"role":"user","content":"자격을 판정해 주세요."}]}')" = 503 ] || fail "sealed without keys on disk"
mv "$WORK/away" "$file"
quiet() { ! attention; }
until_true 20 quiet

# An old copy of the whole key folder, put back while the daemon is down: the journal knows how many orders there were.
down
mv "$STATE/seal" "$WORK/seal.now"
cp -rp "$WORK/seal.before" "$STATE/seal"
haechid_up
until_true 20 attention
"$HAECHI" status --socket "$CONTROL" | grep -q 'an old copy' || fail "$("$HAECHI" status --socket "$CONTROL")"
gone "$hong" 'an old copy'
down
rm -r "$STATE/seal"
mv "$WORK/seal.now" "$STATE/seal"
haechid_up
until_true 20 quiet

# Five years on (AI34), and a day before: what was high-impact is kept until then. Choi's is of now.
choi=$(held choi)
until_true 30 settled
status=0; expire --dry-run >"$WORK/said" || status=$?
[ $status = 1 ] || fail "nothing has ended yet: exit $status: $(cat "$WORK/said")"
at 1826
until_true 30 settled
expire >"$WORK/said" || fail "what came back with the backup, of a month before: $(cat "$WORK/said")"
status=0; expire >"$WORK/said" || status=$?
[ $status = 1 ] || fail "a day too early: exit $status: $(cat "$WORK/said")"
opens "$choi" || fail "$(cat "$WORK/said")"
at 1828
until_true 30 settled
expire --dry-run >"$WORK/said" || fail "dry run: $(cat "$WORK/said")"
grep -q "$(date -u -d "+9 hours" +%Y-%m).*haneul" "$WORK/said" || fail "$(cat "$WORK/said")"
expire --json >"$WORK/done" || fail "expire: $(cat "$WORK/done")"
expiry=$(member shred <"$WORK/done")
status=0; expire >/dev/null || status=$?
[ $status = 1 ] || fail "twice: exit $status"
gone "$choi" 'no sealed content'
at 0

# Everything proves: the log, receipts of before, the erasures; and they say what they did.
until_true 30 settled
verified
for entry in "$hong" "$lee" "$park"; do offline "$WORK/$entry.receipt" || fail "$entry: $(cat "$WORK/said")"; done
for entry in "$order" "$expiry" "$hong"; do
	receipt "$entry" --out "$WORK/now.receipt"
	offline "$WORK/now.receipt" || fail "$entry: $(cat "$WORK/said")"
done
"$HAECHI" audit query --kind shred --json >"$WORK/entries"
grep "$order" "$WORK/entries" | grep -F "\"periods\":\"haneul/$FIRST\"" | grep -F '"selector":"period"' | grep -qF '"action":"erase"' || fail "$(cat "$WORK/entries")"
grep "$expiry" "$WORK/entries" | grep -F '"selector":"expired"' | grep -qF '"action":"expire"' || fail "$(cat "$WORK/entries")"
