#!/usr/bin/env bash
# Goal of this test: whatever an engine says, only a whole, masked, marked answer in our own words goes out: identifiers cut into
# single letters, streams that break off, other weights, errors that quote the prompt. An engine that plays parts is used,
# since no model can be made to do these things.
. "$(dirname "$0")/_lib.sh"
haechi_up
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID"
RRN=900101-1990006 canary=카나리아-7f3a9b
python3 tests/scenarios/_engine.py "$STATE/parts.sock" "$WORK/seen" >"$WORK/parts.log" 2>&1 &
PIDS+=($!)
until_true 10 test -S "$STATE/parts.sock"
python3 - "$WORK/haechi.yaml" <<'PY'
import sys
text = open(sys.argv[1]).read()
models = "".join(f"      - name: {name}\n" for name in "says calls busy lacks overflows fails rejects babbles breaks-off ends-early long".split())
models += "      - name: other-weights\n        weights: " + "cd" * 32 + "\n      - name: right-weights\n        weights: " + "cd" * 32 + "\n"
engine = "  - name: parts\n    address: unix:parts.sock\n    zone: kr-gov\n    grade: S\n    models:\n" + models
engine += "  - name: nobody\n    address: http://127.0.0.1:1\n    zone: kr-gov\n    grade: S\n    models:\n      - name: nobody-there\n"
at = text.index("engines:")
end = text.index("\n", at) + 1
open(sys.argv[1], "w").write(text[:end] + engine + text[end:])
PY
haechid_up

say() { # MODEL STREAM: body; head in $WORK/head
	curl -sSN -D "$WORK/head" --max-time 20 "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" \
		-d "{\"model\":\"$1\",\"stream\":$2,\"messages\":[{\"role\":\"user\",\"content\":\"$canary 안녕하세요\"}]}" || true
}
texts() { sed -n 's/^data: //p' | python3 -c 'import json,sys
for line in sys.stdin:
    if line.strip() == "[DONE]": print("[DONE]"); continue
    one = json.loads(line)
    if "error" in one: print("[ERROR]"); continue
    for choice in one["choices"]: sys.stdout.write(choice["delta"].get("content") or "")
'; }

say says false >"$WORK/plain"
grep -q '주민등록번호' "$WORK/plain" || fail "not masked: $(cat "$WORK/plain")"
! grep -q "$RRN\|evil" "$WORK/plain" || fail "copied: $(cat "$WORK/plain")"
grep -q '"masked":{"rrn":1}' "$WORK/plain" || fail "masks are not counted"

say says true >"$WORK/stream"
texts <"$WORK/stream" >"$WORK/text"
! grep -q "$RRN\|1990006" "$WORK/stream" "$WORK/text" || fail "a number in pieces came through: $(cat "$WORK/text")"
grep -q '주민등록번호' "$WORK/text" || fail "not masked in the stream: $(cat "$WORK/text")"
grep -q '생성형 인공지능' "$WORK/text" || fail "no notice in the stream"
grep -qF '[DONE]' "$WORK/text" || fail "no end"
plain=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["choices"][0]["message"]["content"])' "$WORK/plain")
[ "$plain" = "$(grep -vF '[DONE]' "$WORK/text" | sed 's/\[DONE\]$//')" ] || [ "$plain" = "$(sed 's/\[DONE\]$//' "$WORK/text")" ] || fail "stream and plain differ"

# Arguments of a call are looked at as content is: as they are, in escapes, as a bare number; and stay JSON.
say calls false >"$WORK/call"
say calls true >"$WORK/calls"
! grep -q "1990006" "$WORK/call" "$WORK/calls" || fail "a number in arguments came through"
python3 - "$WORK/call" "$WORK/calls" <<'PY' || fail "calls: $(cat "$WORK/call" "$WORK/calls")"
import json, sys
plain = json.load(open(sys.argv[1]))
assert plain["haechi"]["masked"] == {"rrn": 3}, plain["haechi"]
assert plain["choices"][0]["finish_reason"] == "tool_calls"
one = plain["choices"][0]["message"]["tool_calls"][0]["function"]
name, text, finish = "", "", None
for line in open(sys.argv[2]):
    if not line.startswith("data: {"): continue
    for choice in json.loads(line[6:])["choices"]:
        finish = choice["finish_reason"] or finish
        for call in choice["delta"].get("tool_calls", []):
            name += call["function"].get("name", "")
            text += call["function"].get("arguments", "")
assert (name, text, finish) == (one["name"], one["arguments"], "tool_calls"), (name, text, finish)
made = json.loads(text)
assert name == "find_person" and made["ok"] is True, made
assert all("주민등록번호" in json.dumps(made[key], ensure_ascii=False) for key in ("who", "also", "number")), made
PY

for part in fails rejects lacks overflows nobody-there babbles other-weights; do
	body=$(say $part false)
	case $part in rejects | lacks | overflows) want=400 ;; *) want=503 ;; esac
	[ "$(status_of)" = $want ] || fail "$part: $(status_of): $body"
	! grep -q "$canary\|html" <<<"$body" || fail "$part: the engine's words came through: $body"
	! grep -q '127\.0\.0\.1\|\.sock' <<<"$body" || fail "$part: where the engine is came through: $body"
	[ $part != overflows ] || grep -q context_length_exceeded <<<"$body" || fail "$part: $body"
	[ "$(head_of X-Haechi-AI-Generated)" = "" ] || fail "$part: an error is no machine's answer"
done
body=$(say busy false)
[ "$(status_of)" = 429 ] && [ "$(head_of Retry-After)" = 7 ] && grep -q '64 requests' <<<"$body" && grep -q engine_busy <<<"$body" ||
	fail "busy: $(status_of) $(head_of Retry-After) $body"
! grep -q "$canary" <<<"$body" || fail "busy: the engine's words came through"
say right-weights false | grep -q '주민등록번호' || fail "the right weights are refused"
for part in breaks-off ends-early other-weights; do
	say $part true 2>/dev/null | texts >"$WORK/text" || true
	! grep -qF '[DONE]' "$WORK/text" || fail "$part: told to be whole: $(cat "$WORK/text")"
done
say long true | texts >"$WORK/text"
grep -qF '[DONE]' "$WORK/text" || fail "a long stream did not end"
[ "$(wc -c <"$WORK/text")" -gt 200000 ] || fail "a long stream lost something: $(wc -c <"$WORK/text")"
# A reader who takes a little at a time gets the same.
say long true | (while IFS= read -r -n 4000 -d '' piece || [ -n "$piece" ]; do printf %s "$piece"; sleep 0.002; done) | texts >"$WORK/slow"
cmp "$WORK/text" "$WORK/slow" || fail "a slow reader got something else"

until_true 30 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
decisions=$(sql -c "SELECT count(*) FROM haechi.entry WHERE kind = 'decision'")
outcomes=$(sql -c "SELECT count(DISTINCT of) FROM haechi.entry WHERE kind = 'outcome'")
[ "$decisions" = "$outcomes" ] || fail "$decisions decisions, $outcomes outcomes"
! grep -q "$canary" "$WORK/haechid.log" || fail "content in the log"
