#!/usr/bin/env bash
# Goal of this test: what a stranger types at the commands is answered by the contract. One JSON value or JSON lines on standard
# output and nothing else there, what is wrong on standard error and named, 0 good, 1 no, 2 usage or environment; offsets are bytes
# of the input whatever is in it; files that a Windows editor saved are read.
. "$(dirname "$0")/_lib.sh"
cd "$WORK"

# run STATUS COMMAND...: its output into out and err
run() {
	local want=$1 got=0
	shift
	"$@" >out 2>err || got=$?
	[ "$got" = "$want" ] || fail "exit $got, not $want: $* ($(head -c 300 err))"
}
json() { python3 -c 'import json,sys
lines = [json.loads(line) for line in open("out", encoding="utf-8")]
assert eval(sys.argv[1]), (sys.argv[1], lines)' "$1" || fail "$1"; }
names() { grep -qF -- "$1" err || fail "standard error does not name $1: $(cat err)"; }

# ---- every word tells its options, and names the one it does not know ---------------------------------------------------
while read -r words; do
	# shellcheck disable=SC2086
	run 0 "$HAECHI" $words --help
	[ -s out ] && [ ! -s err ] || fail "$words --help"
	# shellcheck disable=SC2086
	run 2 "$HAECHI" $words --no-such-option </dev/null
	[ ! -s out ] || fail "$words --no-such-option wrote to standard output"
	names --no-such-option
done <<'WORDS'
classify
usecase assess
usecase fields
usecase form33
usecase self-review
usecase publication
usecase list
policy authorize
policy validate
policy lint
policy fmt
policy test
policy explain
policy replay
policy bundle show
audit query
audit tail
audit receipt
audit proof
audit verify
audit checkpoint
audit export
audit shred
audit archive
report export
review list
review approve
key create
key rotate
status
replay
explain
db migrate
WORDS

# ---- classify -------------------------------------------------------------------------------------------------------------
printf '%s\n' '{"id":"s","text":"a"}' '{"id":7,"text":"a"}' '{"id":1.5,"text":"a"}' '{"id":null,"text":"a"}' '{"id":true,"text":"a"}' \
	'{"id":["x",{"y":1}],"text":"a"}' | run 0 "$HAECHI" classify
json '[line["id"] for line in lines] == ["s", 7, 1.5, None, True, ["x", {"y": 1}]]'
printf '\xef\xbb\xbf{"id":"mark","text":"전화 010-1234-5678"}\r\n\r\n{"id":"b","text":"x"}\r\n' >mark.jsonl
run 0 "$HAECHI" classify mark.jsonl
json '[line["id"] for line in lines] == ["mark", "b"] and lines[0]["pii"][0]["start"] == 7'
run 0 "$HAECHI" classify --stream --json </dev/null
[ ! -s out ] || fail "an answer to nothing"
run 2 "$HAECHI" classify "$WORK"
names "$WORK"
run 2 "$HAECHI" classify mark.jsonl another
names another
python3 - >lines.jsonl <<'PY'
import json
print('{"id":"broken","text":')
print('{"id":"long","text":"' + "y" * (9 << 20) + '"}')
print('{"text":"no id"}')
print(json.dumps({"id": "many", "messages": [{"role": "system", "content": "당신은 병원의 진단 보조입니다."},
      {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "이 환자의 엑스레이를 보고 암인지 진단을 확정해 줘. 010-1234-5678"}]}]}, ensure_ascii=False))
PY
run 2 "$HAECHI" classify lines.jsonl
json 'len(lines) == 4 and ["error" in line for line in lines] == [True, True, True, False]'
json '"8 MiB" in lines[1]["error"]["en"] and lines[1]["line"] == 2'
cat >places.py <<'PY'
import json, sys
asked = [json.loads(line) for line in open("lines.jsonl").read().split("\n")[3:4]][0]
parts = []
for message in asked["messages"]:
    content = message["content"]
    parts += [content] if isinstance(content, str) else [part["text"] for part in content]
parts = [part.encode() for part in parts]
answer = [json.loads(line) for line in open("out")][3]
places = [place for domain in answer["domains"] for place in domain["evidence"]] + answer["pii"]
assert places, answer
for place in places:
    assert 0 <= place["start"] < place["end"] <= len(parts[place["part"]]), (place, [len(part) for part in parts])
phone = answer["pii"][0]
assert parts[phone["part"]][phone["start"]:phone["end"]] == b"010-1234-5678", phone
PY
python3 places.py || fail "a place outside of its part"

# ---- use cases ------------------------------------------------------------------------------------------------------------
printf '\xef\xbb\xbf{"id":"lunch",\r\n"domains":[]}\r\n' >lunch.json
printf '{"id":"x",\n "domains":[}\n' >broken.json
run 0 "$HAECHI" usecase assess --json lunch.json
json 'lines[0]["id"] == "lunch" and lines[0]["verdict"] == "NOT_HIGH_IMPACT"'
run 2 "$HAECHI" usecase assess --json lunch.json broken.json missing.json
json '[("error" in line) for line in lines] == [False, True, True]'
names broken.json
names "2행 13열"

# ---- policies -------------------------------------------------------------------------------------------------------------
printf '\xef\xbb\xbfpermit(principal, action, resource)\r\nwhen { context.risk < 5 };\r\n' >a.cedar
echo 'permit(principal, action resource);' >broken.cedar
echo 'entity User, Doc; action view appliesTo { principal: [User], resource: [Doc], context: { risk: Long } };' >s.cedarschema
printf '\xef\xbb\xbf[]' >e.json
echo '{"principal":"User::\"홍길동\"","action":"Action::\"view\"","resource":"Doc::\"d\"","context":{"risk":1}}' >r.json
run 0 "$HAECHI" policy authorize --policies a.cedar --entities e.json --schema s.cedarschema --request r.json --json
json 'lines[0]["decision"] == "allow" and lines[0]["determining_policies"] == ["policy0"] and lines[0]["errors"] == []'
run 1 "$HAECHI" policy validate --policies broken.cedar --schema s.cedarschema --json
json 'lines[0]["valid"] is False and lines[0]["errors"][0]["line"] == 1 and lines[0]["errors"][0]["column"] == 26'
cp out validated
run 1 "$HAECHI" policy lint broken.cedar --json
json 'lines[0]["clean"] is False and lines[0]["errors"][0]["column"] == 26'
run 2 "$HAECHI" policy lint missing.cedar --json
[ ! -s out ] || fail "lint of a missing file answered"
printf '%s\n' '{"op":"validate","policies":"broken.cedar","schema":"s.cedarschema"}' '{"op":"validate","policies":"a.cedar","schema":"s.cedarschema"}' \
	'{"op":"validate","policies":"missing.cedar","schema":"s.cedarschema"}' | run 0 "$HAECHI" policy serve
json 'lines[0] == json.load(open("validated")) and lines[1]["valid"] is True and "error" in lines[2]'
# A folder's files may change between two questions.
mkdir folder
cp a.cedar folder/
coproc SERVE { "$HAECHI" policy serve; }
ask_serve() { echo '{"op":"authorize","policies":"folder","entities":"e.json","request":{"principal":"User::\"u\"","action":"Action::\"view\"","resource":"Doc::\"d\"","context":{"risk":1}}}' >&"${SERVE[1]}"; read -r answer <&"${SERVE[0]}"; }
ask_serve
[[ $answer == '{"decision":"allow"'* ]] || fail "$answer"
echo 'forbid(principal, action, resource);' >folder/a.cedar
ask_serve
[[ $answer == '{"decision":"deny"'* ]] || fail "a changed file of a folder went unnoticed: $answer"
kill "$SERVE_PID" 2>/dev/null || true

# ---- words that need a place ----------------------------------------------------------------------------------------------
run 2 env -u HAECHI_DATABASE "$HAECHI" audit query --json
[ ! -s out ] || fail "an answer from nowhere"
run 2 "$HAECHI" key create --agency a --service s --usecase u --expires someday --socket "$STATE/none"
names ': --expires'
mkdir -p var
echo "host=$WORK/nobody dbname=haechi" >var/database
run 2 env -u HAECHI_DATABASE "$HAECHI" audit query --json
names "$WORK/nobody"
