#!/usr/bin/env bash
# Goal of this test: identifiers are masked by the configured mode of their kind and use case; tokens are the same for the same
# value in every turn of a conversation and in no other; answers are restored for whom a policy allows it, whole and streamed
# letter by letter, and for nobody else; nothing of it is kept. An engine that repeats what it is told is used.
. "$(dirname "$0")/_lib.sh"
haechi_up
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID"
python3 tests/scenarios/_engine.py "$STATE/parts.sock" "$WORK/seen" >"$WORK/parts.log" 2>&1 &
PIDS+=($!)
until_true 60 test -S "$STATE/parts.sock"
python3 - "$WORK/haechi.yaml" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
engine = "  - name: parts\n    address: unix:parts.sock\n    zone: kr-gov\n    grade: S\n    models:\n      - name: echoes\n"
at = text.index("engines:")
end = text.index("\n", at) + 1
text = text[:end] + engine + text[end:]
at = text.index("redaction:")
text = text[:at] + """redaction:
  mode: title
  kinds:
    - {kind: passport, mode: length}
  usecases:
    - usecase: office-drafting
      mode: token
      kinds:
        - {kind: driver_license, mode: length}

""" + text[text.index("label:", at):]
open(sys.argv[1], "w").write(text)
PY
"$BUILD/haechid" -n -c "$WORK/haechi.yaml" || fail "configuration"
sed 's/mode: length}$/mode: rot13}/' "$WORK/haechi.yaml" >"$WORK/bad.yaml"
! "$BUILD/haechid" -n -c "$WORK/bad.yaml" 2>"$WORK/complaint" || fail "a mode that does not exist"
grep -q rot13 "$WORK/complaint" || fail "the complaint names it not"
haechid_up
RRN=900101-1990006 OTHER=851231-2987651
KEY_CASE=$("$HAECHI" key create --agency haneul --service case-desk --usecase office-drafting --role case-officer --socket "$CONTROL" --json | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')

say() { # KEY MESSAGES-JSON STREAM [CURL OPTION...]: the content that came
	local key=$1 messages=$2 stream=$3
	shift 3
	curl -sSN -D "$WORK/head" --max-time 20 "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $key" "$@" \
		-d "{\"model\":\"echoes\",\"stream\":$stream,\"messages\":$messages}" >"$WORK/answer"
	python3 - "$WORK/answer" "$stream" <<'PY'
import json, sys
body = open(sys.argv[1]).read()
if sys.argv[2] == "false":
    print(json.loads(body)["choices"][0]["message"]["content"])
else:
    print("".join(json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in body.split("\n")
                  if line.startswith("data: {") and json.loads(line[6:])["choices"]))
PY
}
user() { printf '[{"role":"user","content":"%s"}]' "$1"; }
last_seen() { tail -1 "$WORK/seen"; }

# Not allowed to see: tokens stay tokens. The engine never saw the number.
plain=$(say "$KEY_DRAFT" "$(user "신청인 $RRN 에게 보낼 공문")" false)
token=$(grep -o '\[주민등록번호-[A-Z]*\]' <<<"$plain") || fail "no token: $plain"
! grep -q "$RRN" "$WORK/seen" || fail "the engine saw the number"
! grep -q "$RRN" <<<"$plain" || fail "restored for nobody"
# The next turns of the conversation: the same value, however written, has the same token; another one has another.
turn='[{"role":"user","content":"신청인 '$RRN' 에게 보낼 공문"},{"role":"assistant","content":"'$token' 님께"},{"role":"user","content":"'${RRN/-/ }' 과 '$OTHER' 은 가족"}]'
second=$(say "$KEY_DRAFT" "$turn" false)
grep -qF "$token 과 [주민등록번호-" <<<"$second" || fail "another token in the next turn: $second, first $token"
[ "$(grep -o '\[주민등록번호-[A-Z]*\]' <<<"$second" | sort -u | wc -l)" = 2 ] || fail "two values, one token"
# Another conversation: another token. A named one: the same whatever it begins with, and apart from others of the name elsewhere.
third=$(say "$KEY_DRAFT" "$(user "다른 대화 $RRN")" false)
! grep -qF "$token" <<<"$third" || fail "tokens tell conversations together"
named=$(say "$KEY_DRAFT" "$(user "처음 $RRN")" false -H 'X-Haechi-Conversation: case-17' | grep -o '\[주민등록번호-[A-Z]*\]')
got=$(say "$KEY_DRAFT" "$(user "나중에 $RRN")" false -H 'X-Haechi-Conversation: case-17')
grep -qF -- "$named" <<<"$got" || fail "the named conversation: $got"
got=$(say "$KEY_DRAFT" "$(user "처음 $RRN")" false -H 'X-Haechi-Conversation: case-18')
! grep -qF -- "$named" <<<"$got" || fail "another name: $got"
curl -sS -o /dev/null -w '%{http_code}' "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_DRAFT" -H 'X-Haechi-Conversation: a b' \
	-d "{\"model\":\"echoes\",\"messages\":$(user x)}" | grep -q 400 || fail "a name that is none"
# The same over a restart: nothing was kept, and nothing need be.
kill "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true
haechid_up
got=$(say "$KEY_DRAFT" "$(user "다시 $RRN")" false -H 'X-Haechi-Conversation: case-17')
grep -qF -- "$named" <<<"$got" || fail "another token after a restart: $got"

# Whom the policy allows gets his answer with the values, whole and streamed; the engine sees tokens all the same.
: >"$WORK/seen"
whole=$(say "$KEY_CASE" "$(user "신청인 $RRN 과 [참고] $OTHER")" false)
[ "$whole" = "신청인 $RRN 과 [참고] $OTHER" ] || fail "not restored: $whole"
entry=$(head_of X-Haechi-Entry)
streamed=$(say "$KEY_CASE" "$(user "신청인 $RRN 과 [참고] $OTHER")" true)
[ "$streamed" = "신청인 $RRN 과 [참고] $OTHER" ] || fail "not restored in a stream: $streamed"
! grep -q "$RRN\|$OTHER" "$WORK/seen" || fail "the engine saw the number"
until_true 60 settled
"$HAECHI" explain "$entry" --json | python3 -c '
import json, sys
e = json.load(sys.stdin)
outcome = [x["body"] for x in e["followed_by"] if x["kind"] == "outcome"][0]
assert e["duties"]["restore_answer"] is True and outcome["restored"] == {"rrn": 2} and outcome["found"]["rrn"] == 2, (e["duties"], outcome)
' || fail "the entries do not tell of it"

# By kind: a licence keeps its length there, a passport elsewhere; the rest has its title.
got=$(say "$KEY_CASE" "$(user '운전면허번호 11-20-123456-70')" false)
grep -qF -- '**-**-******-**' <<<"$got" || fail "length of a licence: $got"
got=$(say "$KEY_GUIDE" "$(user '여권번호 M12345678')" false)
grep -qF -- '*********' <<<"$got" || fail "length of a passport: $got"
got=$(say "$KEY_GUIDE" "$(user "번호 $RRN")" false)
grep -qF -- '[주민등록번호]' <<<"$got" || fail "the title: $got"

# Nothing of it is left anywhere but in sealed content.
until_true 60 settled
! grep -rqa "$RRN" "$STATE" "$WORK/haechid.log" || fail "kept: $(grep -rla "$RRN" "$STATE" "$WORK/haechid.log")"
[ -z "$(sql -c "SELECT 1 FROM haechi.entry WHERE position('$RRN'::bytea IN bytes) > 0 LIMIT 1")" ] || fail "in an entry"
"$HAECHI" replay >"$WORK/replayed" || fail "replay: $(cat "$WORK/replayed")"
