#!/usr/bin/env bash
# Goal of this test: the same facts give the same decision. Whatever was decided - permitted, masked, held and approved, denied by a
# policy, refused by the gateway - comes out the same when it is made again from its entry alone; another policy flips exactly what it
# must; a changed registry row is named; and `haechi explain` says why in words an official reads.
. "$(dirname "$0")/_lib.sh"
haechi_up

review() { "$HAECHI" review "$@" --socket "$CONTROL"; }
entry_of() { head_of X-Haechi-Entry; }
expect() { [ "$(status_of)" = "$1" ] && [ "$(head_of X-Haechi-Decision)" = "$2" ] || fail "$3: $(status_of) $(head_of X-Haechi-Decision)"; }
field() { python3 -c 'import json,sys
value = [json.loads(line) for line in open(sys.argv[1])]
print(eval(sys.argv[2], {"lines": value[:-1], "last": value[-1]}))' "$@"; }

ask "$KEY_GUIDE" '고영향 인공지능이 뭐예요?' >/dev/null
expect 200 permit permit
permitted=$(entry_of)
ask "$KEY_DRAFT" '제 주민등록번호는 900101-1234568 입니다. 안내문을 써 주세요.' >/dev/null
expect 200 redact redact
redacted=$(entry_of)
ask "$KEY_WELFARE" '이 가구의 생계급여 자격을 판단해 주세요.' >"$WORK/held"
expect 202 hold hold
held=$(entry_of)
ticket=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["id"])' "$WORK/held")
review show "$ticket" >/dev/null
review approve "$ticket" --reason '소득 자료와 대조함' >/dev/null
curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL/haechi/v1/tickets/$ticket" -H "Authorization: Bearer $KEY_WELFARE"
expect 200 permit "the approved request"
approved=$(entry_of)
# Classified work: no engine here stands in a zone for it.
sed -e 's/"office-drafting"/"classified-notes"/' -e 's/"grade": "S"/"grade": "C"/' deploy/demo/office-drafting.json >"$WORK/classified.json"
"$HAECHI" usecase add "$WORK/classified.json" --socket "$CONTROL" >/dev/null
key=$("$HAECHI" key create --agency haneul --service notes --usecase classified-notes --socket "$CONTROL" --json | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')
ask "$key" '회의록을 다듬어 주세요.' >/dev/null
expect 403 deny "classified work"
denied=$(entry_of)
curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d '{"model":"nobody-serves-this","messages":[{"role":"user","content":"안녕"}]}'
[ "$(status_of)" = 404 ] || fail "a model nobody serves: $(status_of)"
curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d '{"model":'
[ "$(status_of)" = 400 ] || fail "malformed: $(status_of)"
malformed=$(entry_of)
ask "hk-nobody.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" '안녕' >/dev/null
[ "$(status_of)" = 401 ] || fail "unknown key: $(status_of)"

until_true 20 settled
replay() { "$HAECHI" replay --json "$@" >"$WORK/replay"; }

# ---- the policies that decided ----------------------------------------------------------------------------------------
replay || fail "a decision came out differently: $(cat "$WORK/replay")"
[ "$(field "$WORK/replay" 'last["holds"], last["differences"], last["flips"], last["unreplayable"], last["other_bundle"], len(lines)')" = "(True, 0, 0, 0, 0, 0)" ] ||
	fail "not all the same: $(cat "$WORK/replay")"
[ "$(field "$WORK/replay" 'last["entries"] == last["same_bundle"] + last["gateway"] and last["same_bundle"] == 6 and last["gateway"] == 2')" = True ] ||
	fail "not every decision was looked at: $(cat "$WORK/replay")"
"$HAECHI" policy replay --limit 1 --json >"$WORK/replay"
[ "$(field "$WORK/replay" 'last["entries"]')" = 1 ] || fail "--limit"
"$HAECHI" replay

# ---- other policies: what would flip --------------------------------------------------------------------------------
cp -R policy/agency "$WORK/agency"
sed -i '/^@id("forbid.high-impact-without-review")/,/^};/d' "$WORK/agency/access.cedar"
cat >"$WORK/agency/zz-test.cedar" <<'CEDAR'
@id("test.no-guide")
@title_ko("시험: 민원 안내 금지") @title_en("test: no guide")
forbid (principal, action in Action::"ask", resource)
when { context has use && context.use.id == "civil-guide" };
CEDAR
replay --policies "$WORK/agency" || fail "what would flip is no defect: $(cat "$WORK/replay")"
flip() { field "$WORK/replay" "[(l['old']['decision'], l['new']['decision'], l['new']['policies']) for l in lines if l['entry'] == '$1']"; }
[ "$(flip "$permitted")" = "[('permit', 'deny', ['test.no-guide'])]" ] || fail "the guide: $(flip "$permitted")"
[ "$(flip "$redacted")" = "[]" ] || fail "drafting: $(flip "$redacted")"
[ "$(field "$WORK/replay" "[(l['old']['decision'], l['new']['decision']) for l in lines if l['entry'] == '$held']")" = "[('hold', 'permit')]" ] ||
	fail "the held one: $(cat "$WORK/replay")"
[ "$(field "$WORK/replay" 'last["same_bundle"], last["decisions"]["hold->permit"]')" = "(0, 1)" ] || fail "counts: $(cat "$WORK/replay")"
"$HAECHI" replay --policies "$WORK/agency"

# ---- why ------------------------------------------------------------------------------------------------------------
for id in "$permitted" "$redacted" "$held" "$approved" "$denied" "$malformed"; do
	"$HAECHI" explain "$id" >"$WORK/why" || fail "explain $id"
	grep -q "$id" "$WORK/why" || fail "explain does not name its entry"
	cat "$WORK/why"
done
"$HAECHI" explain "$held" --json >"$WORK/why.json"
python3 - "$WORK/why.json" "$approved" <<'PY' || fail "what is explained of the hold: $(cat "$WORK/why.json")"
import json, sys
why = json.load(open(sys.argv[1]))
assert why["decision"] == "hold" and why["same_bundle"], why
assert any(p["id"] == "forbid.high-impact-without-review" and p["title_ko"] and p["message_ko"] and p["law"] for p in why["policies"])
assert why["assessment"]["rules"] and all(r["law"] and r["title_ko"] for r in why["assessment"]["rules"])
kinds = [(e["kind"], e["id"]) for e in why["followed_by"]]
assert ("decision", sys.argv[2]) in kinds, kinds
assert [k for k, _ in kinds].count("outcome") == 2 and any(e["kind"] == "review" and e["body"]["action"] == "approve" for e in why["followed_by"])
PY
outcome=$(sql -c "SELECT id FROM haechi.entry WHERE of = '$redacted' AND kind = 'outcome'")
"$HAECHI" explain "$outcome" --json | grep -q "\"entry\":\"$redacted\"" || fail "an outcome does not lead to its decision"
"$HAECHI" explain "$held" --policies "$WORK/agency" | grep -q '제목은 보이지 않습니다' || fail "titles of other policies were told"
"$HAECHI" explain 01890000-0000-7000-8000-000000000000 2>/dev/null && fail "an entry that is not there"

# ---- the registry was changed behind the log's back: whoever owns the database cannot make it agree -------------------
sql -c "ALTER TABLE haechi.usecase DISABLE TRIGGER ALL; UPDATE haechi.usecase SET document = replace(convert_from(document, 'UTF8'), '\"public\"', '\"internal\"')::bytea WHERE id = 'civil-guide'"
replay && fail "a changed document went unseen"
grep -q '"unreplayable"' "$WORK/replay" && grep -q "$permitted" "$WORK/replay" || fail "the entry is not named: $(cat "$WORK/replay")"
sql -c "UPDATE haechi.usecase SET digest = encode(sha256(document), 'hex') WHERE id = 'civil-guide'"
replay && fail "a changed document with its digest went unseen"
[ "$(field "$WORK/replay" "[l['kind'] for l in lines if l['entry'] == '$permitted']")" = "['defect']" ] || fail "the entry is not named: $(cat "$WORK/replay")"
