#!/usr/bin/env bash
# Goal of this test: policies travel as one signed file. What is signed, newer and tested comes into force without a restart and is
# what decisions name; what is not is refused, changes nothing and is told; a restart finds the last good one; a candidate in the
# shadow is counted and never answers; pulling asks again only for what changed.
. "$(dirname "$0")/_lib.sh"
haechi_up
bundle() { local word=$1; shift; "$HAECHI" policy bundle "$word" "$@"; }
to_daemon() { bundle "$@" --socket "$CONTROL"; }
status() { "$HAECHI" status --socket "$CONTROL" --json | python3 -c 'import json,sys; v = json.load(sys.stdin)["policy"]
for part in sys.argv[1].split("."): v = v[part] if isinstance(v, dict) and part in v else ""
print(v)' "$1"; }
in_force() { "$HAECHI" status --socket "$CONTROL" --json | grep -o '"bundle":"[0-9a-f]*"' | head -n 1; }
metric() { curl -fsS "$BASE_URL/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
decision() {
	curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -H 'Content-Type: application/json' \
		-d "{\"model\":\"haechi-demo\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"${1:-안녕하세요}\"}]}"
	head_of X-Haechi-Decision
}
key=$STATE/policy-keys/operator
mkdir "$WORK/other" "$WORK/agency" "$WORK/tests"
cp -R policy/agency/. "$WORK/agency"
cp tests/policies/agency.jsonl "$WORK/tests/"
build() { bundle build --agency "$WORK/agency" --tests "$WORK/tests" --name haneul "$@"; }
refused() { # WHAT SAYS COMMAND...
	local what=$1 says=$2 before
	shift 2
	before=$(in_force)
	if "$@" >"$WORK/said" 2>&1; then fail "$what: taken"; fi
	grep -q "$says" "$WORK/said" || fail "$what: $(cat "$WORK/said")"
	[ "$(in_force)" = "$before" ] || fail "$what: something changed"
}

[ "$(status source)" = folders ] && [ "$(decision)" = permit ] || fail "the beginning"

# Built the same twice is the same; signed, verified, put in force while it runs.
build --revision 1 --out "$WORK/1.bundle" --created 2026-11-01 >"$WORK/said" || fail "build: $(cat "$WORK/said")"
build --revision 1 --out "$WORK/1b.bundle" --created 2026-11-01 >/dev/null
cmp "$WORK/1.bundle" "$WORK/1b.bundle" || fail "one content, two bundles"
tar tf "$WORK/1.bundle" >"$WORK/listing" && grep -q '^manifest.json$' "$WORK/listing" || fail "tar cannot read it"
refused "unsigned" '서명이 모자랍니다' to_daemon activate "$WORK/1.bundle"
bundle keygen stranger --out "$WORK/other" >/dev/null
bundle sign "$WORK/1.bundle" --key "$WORK/other/stranger.key" --out "$WORK/stranger.bundle" >/dev/null
refused "a stranger's" 'too few signatures' to_daemon activate "$WORK/stranger.bundle"
bundle sign "$WORK/1.bundle" --key "$key.key" >/dev/null || fail "sign"
bundle verify "$WORK/1.bundle" --key "$key.pub" | grep -q '맞습니다' || fail "verify"
! bundle verify "$WORK/1.bundle" --key "$WORK/other/stranger.pub" 2>/dev/null || fail "verified by the wrong key"
to_daemon activate "$WORK/1.bundle" || fail "activate"
digest=$(bundle show "$WORK/1.bundle" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["bundle"])')
[ "$(status bundle)" = "$digest" ] && [ "$(status source)" = bundle ] && [ "$(status revision)" = 1 ] || fail "not in force"
[ "$(decision)" = permit ] || fail "the same policies, another decision"
recorded() { "$HAECHI" audit query --kind decision --limit 1 --json | grep -q "$digest"; }
until_true 20 recorded
refused "again" '이미 시행 중' to_daemon activate "$WORK/1.bundle"

# Another policy changes the decision at once.
cat >"$WORK/agency/zz.cedar" <<'CEDAR'
@id("test.no-greeting") @title_ko("시험: 모두 거절") @title_en("test: everything is denied")
forbid (principal, action in Action::"ask", resource) when { context.grade == Grade::"O" };
CEDAR
refused "tests that do not pass" '통과하지 못했습니다' build --revision 2 --out "$WORK/2.bundle" --key "$key.key"
build --revision 2 --out "$WORK/broken.bundle" --key "$key.key" --unproven >/dev/null
refused "tests that do not pass, signed" 'did not pass' to_daemon activate "$WORK/broken.bundle"
mv "$WORK/tests/agency.jsonl" "$WORK/tests-before"
echo '{"name":"denied","facts":{"grade":"O"},"access":"deny","reasons":["test.no-greeting"],"permits":["permit.open"]}' >"$WORK/tests/agency.jsonl"
build --revision 2 --out "$WORK/2.bundle" --key "$key.key" >/dev/null || fail "build 2"
# As a closed network does it: carried in first, put in force by its revision later.
to_daemon import "$WORK/2.bundle" >/dev/null && [ "$(status revision)" = 1 ] || fail "import"
to_daemon list >"$WORK/listing" && grep -q '들여옴 imported' "$WORK/listing" || fail "imported: $(cat "$WORK/listing")"
to_daemon activate 2 >/dev/null || fail "activate 2"
[ "$(decision)" = deny ] && grep -q test.no-greeting "$WORK/answer" || fail "revision 2 does not rule: $(cat "$WORK/answer")"

# Nothing older, nothing changed on the way, nothing that is no bundle.
refused "an older revision" '되돌림을 막았습니다' to_daemon activate "$WORK/1.bundle"
refused "an older revision without a reason" '까닭' to_daemon activate "$WORK/1.bundle" --allow-rollback
python3 - "$WORK/2.bundle" "$WORK/tampered.bundle" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"test: everything is denied")
data[at] ^= 1
open(sys.argv[2], "wb").write(data)
PY
refused "tampered" 'agency/zz.cedar' to_daemon activate "$WORK/tampered.bundle"
head -c 3000 "$WORK/2.bundle" >"$WORK/cut.bundle"
refused "cut off" '끊겼습니다' to_daemon activate "$WORK/cut.bundle"
(cd "$WORK" && tar cf evil.bundle --absolute-names ../../etc/hostname 2>/dev/null || tar cf evil.bundle 1.bundle)
refused "no bundle" '묶음' to_daemon activate "$WORK/evil.bundle"
[ "$(metric haechi_bundle_refusals_total)" -ge 7 ] || fail "refusals are not counted: $(metric haechi_bundle_refusals_total)"
[ -n "$(status refused.ko)" ] || fail "the last refusal is not in the status"

# A restart finds what was in force; when its file is broken, the one before serves on, with an alarm.
restart() { kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || fail "haechid's end"; HAECHID_PID=; haechid_up; }
restart
[ "$(status revision)" = 2 ] && [ "$(decision)" = deny ] || fail "a restart forgot the bundle"
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID"; HAECHID_PID=
truncate -s -700 "$STATE"/bundles/*2-*.bundle
haechid_up
[ "$(status revision)" = 1 ] && [ "$(status fell_back)" = True ] || fail "no last good one: $(status revision)"
[ "$(decision)" = permit ] || fail "the last good one does not rule"
[ "$(metric haechi_bundle_fall_backs_total)" = 1 ] || fail "falling back raises no alarm"
refused "its revision stays used up" '되돌림을 막았습니다' to_daemon activate "$WORK/2.bundle"

# By an operator's word, with a reason, and recorded.
to_daemon activate "$WORK/2.bundle" --allow-rollback --reason '파일이 깨져 다시 시행' >/dev/null || fail "rollback by word"
[ "$(decision)" = deny ] || fail "not back"
to_daemon rollback --reason '오탐이 많음' | grep -q '되돌렸습니다' || fail "rollback"
[ "$(decision)" = permit ] && [ "$(status highest)" = 2 ] || fail "after rollback"
to_daemon list | grep -q '시행 active' || fail "list"
to_daemon export 2 --out "$WORK/exported.bundle"
cmp "$WORK/exported.bundle" "$WORK/2.bundle" || fail "what comes out is not what went in"

# In the shadow: counted, logged, in the entry, never in the answer; errors hurt nobody.
python3 - "$WORK/agency/zz.cedar" <<'PY'
import sys
open(sys.argv[1], "a").write('''
@id("test.overflow") @title_ko("시험: 넘침") @title_en("test: overflow")
forbid (principal, action in Action::"ask", resource)
when { context.found.contains(Identifier::"phone") && context.now.toTime().toMilliseconds() + 9223372036854775807 > 0 };
''')
PY
build --revision 9 --out "$WORK/candidate.bundle" --unproven >/dev/null
[ "$(metric haechi_shadow_decisions_total)" = 0 ] || fail "a shadow without a candidate"
to_daemon shadow "$WORK/candidate.bundle" >/dev/null || fail "shadow"
for _ in 1 2 3; do [ "$(decision)" = permit ] || fail "the shadow answers"; done
[ "$(decision '제 번호는 010-1234-5678 입니다')" = permit ] || fail "an error in the shadow hurts"
[ "$(metric haechi_shadow_decisions_total)" = 4 ] || fail "shadow decisions: $(metric haechi_shadow_decisions_total)"
[ "$(metric 'haechi_shadow_differences_total{enforced="permit",candidate="deny"}')" = 4 ] || fail "differences"
[ "$(metric haechi_shadow_errors_total)" = 1 ] || fail "errors in the shadow"
to_daemon shadow | grep -q 'permit->deny: 4' || fail "shadow: $(to_daemon shadow)"
grep -q 'event=differs.*candidate=deny.*policy=test.no-greeting' "$WORK/haechid.log" || fail "differences are not logged"
! grep -q '010-1234' "$WORK/haechid.log" || fail "content in the log"
shadowed() { "$HAECHI" audit query --kind decision --limit 2 --json | grep -q '"shadow":{"access":"deny"'; }
until_true 20 shadowed
# A restart goes on with it, and counts anew; once it is ended, a restart does not bring it back.
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || true
haechid_up
[ "$(decision)" = permit ] || fail "the shadow answers after a restart"
[ "$(metric haechi_shadow_decisions_total)" = 1 ] || fail "the shadow is lost at a restart: $(metric haechi_shadow_decisions_total)"
to_daemon shadow | grep -q 'permit->deny: 1' || fail "shadow after a restart: $(to_daemon shadow)"
to_daemon shadow --off >/dev/null
[ ! -e "$STATE/bundles/shadow" ] || fail "the ended candidate is kept"
decision >/dev/null
[ "$(metric haechi_shadow_decisions_total)" = 1 ] || fail "the shadow goes on"

# Pulled from a web server: ETag, 304, then the new one; a broken one is refused once and not asked for again.
mkdir "$WORK/www"
WEB_PORT=$(free_port)
mkdir -p "$WORK/nginx"
cat >"$WORK/nginx/nginx.conf" <<NGINX
daemon off; pid $WORK/nginx/pid; error_log $WORK/nginx/error.log; worker_processes 1;
events {}
http { access_log $WORK/nginx/access.log; server { listen 127.0.0.1:$WEB_PORT; listen unix:$WORK/nginx/sock; root $WORK/www; } }
NGINX
chmod 755 "$WORK/www"
nginx -e "$WORK/nginx/error.log" -c "$WORK/nginx/nginx.conf" -g 'user root;' >"$WORK/nginx.log" 2>&1 &
PIDS+=($!)
cp "$WORK/1.bundle" "$WORK/www/haneul.bundle"
until_true 10 curl -fsS -o /dev/null "http://127.0.0.1:$WEB_PORT/haneul.bundle"
sed -i "s|^    signatures: 1.*|    signatures: 1\n    pull: http://127.0.0.1:$WEB_PORT/haneul.bundle\n    pull_seconds: 1|" "$WORK/haechi.yaml"
restart # where it may connect to is settled before it is confined
asked() { [ "$(grep -c " $1 " "$WORK/nginx/access.log")" -ge "$2" ]; }
until_true 20 asked 304 2
[ "$(status pull.outcome)" = unchanged ] && [ "$(metric haechi_bundle_pulls_failed_total)" = 0 ] || fail "pull: $(status pull)"
rm "$WORK/agency/zz.cedar"
cp "$WORK/tests-before" "$WORK/tests/agency.jsonl"
build --revision 10 --out "$WORK/10.bundle" --key "$key.key" >/dev/null
cp "$WORK/10.bundle" "$WORK/www/new" && mv "$WORK/www/new" "$WORK/www/haneul.bundle"
is_ten() { [ "$(status revision)" = 10 ]; }
until_true 20 is_ten
cp "$WORK/broken.bundle" "$WORK/www/new" && mv "$WORK/www/new" "$WORK/www/haneul.bundle"
failed() { [ "$(metric haechi_bundle_pulls_failed_total)" = 1 ]; }
until_true 20 failed
before=$(grep -c ' 304 ' "$WORK/nginx/access.log")
until_true 20 asked 304 $((before + 2))
failed && is_ten || fail "a refused one is taken, or asked for again"
to_daemon pull | grep -q '그대로' || fail "pull by hand"

# The same over a Unix socket and from a file; exchanged under load, nobody notices.
pulled_from() {
	sed -i "s|^    pull: .*|    pull: $1|" "$WORK/haechi.yaml"
	restart
	unchanged() { [ "$(status pull.outcome)" = unchanged ] && [ "$(status pull.from)" = "$1" ]; }
	until_true 20 unchanged "$1"
}
cp "$WORK/10.bundle" "$WORK/www/haneul.bundle"
pulled_from "unix:$WORK/nginx/sock:/haneul.bundle"
pulled_from "file:$WORK/www/haneul.bundle"
python3 tests/scenarios/_load.py "$BASE_URL" "$KEY_GUIDE" 4 3 "$WORK/promised" >"$WORK/counts" &
load=$!
for revision in 1 10 1 10; do to_daemon rollback $revision --reason '시험: 부하 속에서 바꿈' >/dev/null || fail "rollback under load"; done
wait $load
grep -q '^{"200": [0-9]*}$' "$WORK/counts" || fail "somebody noticed: $(cat "$WORK/counts")"
"$HAECHI" replay -c "$WORK/haechi.yaml" --limit 5 --database "$HAECHI_DATABASE" >"$WORK/said" 2>&1 || fail "replay by the bundle in force: $(cat "$WORK/said")"

# Replayed: what the old bundle would flip.
until_true 30 settled
"$HAECHI" replay "$WORK/2.bundle" --json >"$WORK/replay" 2>"$WORK/said" || fail "replay: $(cat "$WORK/said")"
grep -q '"kind":"flip"' "$WORK/replay" || fail "nothing flips: $(head -c 600 "$WORK/replay")"
# Every change, refusal and return is an entry, and the log holds.
actions=$("$HAECHI" audit query --kind policy --json | grep -o '"action":"[a-z-]*"' | sort -u | tr '\n' ' ')
for action in activate refuse rollback fall-back shadow shadow-end; do grep -q "\"$action\"" <<<"$actions" || fail "no entry tells of $action: $actions"; done
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "verify"
