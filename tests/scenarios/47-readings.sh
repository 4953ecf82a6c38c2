#!/usr/bin/env bash
# Goal of this test: every command and route that reads the evidence leaves a signed entry with the account, the time, the place, whose
# data, what was done, and the reason (PIPA 29; safety measures, Art. 8). Whoever adds a command or a route says here which it is.
. "$(dirname "$0")/_lib.sh"
haechi_up

ask "$KEY_GUIDE" '안녕하세요' >/dev/null
entry=$(head_of X-Haechi-Entry)
ticket=$(ask "$KEY_WELFARE" '급여 자격을 판정해 주세요.' | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
until_true 20 settled
auditor=$("$HAECHI" key create --agency haneul --service inspection --usecase civil-guide --role auditor --socket "$CONTROL" --json |
	python3 -c 'import json,sys; print(json.load(sys.stdin)["key"])')
mkdir "$WORK/out"

# NAME OF THE READING | action of the entry | what about has | the command; REASON is put in. "-": no reason can be given there.
cat >"$WORK/readings" <<TABLE
audit query|query|agency=haneul|audit query --agency haneul --json --reason REASON
audit query --csv|query|decision=permit|audit query --decision permit --csv --reason REASON
audit query --open|query|entry=$entry|audit query --entry $entry --open --socket $CONTROL --json --reason REASON
audit tail|tail|kind=outcome|audit tail --kind outcome --reason REASON
audit receipt|receipt|entry=$entry|audit receipt $entry --reason REASON
audit receipt --open|receipt|entry=$entry|audit receipt $entry --open --socket $CONTROL --reason REASON
audit proof|proof|entry=$entry|audit proof $entry --reason REASON
audit verify|verify|all|audit verify --reason REASON
audit export|export|usecase=civil-guide|audit export --usecase civil-guide --out $WORK/out/export --key $WORK/report.key --socket $CONTROL --reason REASON
audit archive|archive|from=2020-01|audit archive --month 2020-01 --out $WORK/out/archive --key $WORK/report.key --socket $CONTROL --reason REASON
audit archives|archives|all|audit archives --reason REASON
report export|report|from=|report export --from 2026-01-01 --to 2036-01-01 --out $WORK/out/report --key $WORK/report.key --socket $CONTROL --reason REASON
explain|explain|$entry|explain $entry --reason REASON
replay|replay||replay --reason REASON
review list|list|tickets=waiting|review list --socket $CONTROL --reason REASON
review show|show|ticket=$ticket|review show $ticket --socket $CONTROL --reason REASON
GET /log/tile/entries|entry-bundle|entries=0-|-
TABLE
# What reads no evidence of anybody's, and why.
cat >"$WORK/exempt" <<'TABLE'
audit checkpoint|heads and who confirms them: hashes
audit detach|an export entry of its own tells of it
audit shred|a shred entry of its own tells of it
audit expire|a shred entry of its own tells of it
review approve|a review entry of its own tells of it
review refuse|a review entry of its own tells of it
review edit|a review entry of its own tells of it
review stats|figures
report help|a text
GET /v1|what a caller asks for himself: decision and outcome entries
GET /haechi/v1/tickets|a caller fetches his own answer: an outcome entry
GET /haechi/v1/usecases|the register of uses: of no person
GET /haechi/v1/status|figures
GET /haechi/v1/reviews|what an application reports: a review entry
GET /log|hashes, heads, keys
GET /metrics|figures
GET /healthz|a word
GET /readyz|a word
GET /console|a page; what it shows is /haechi/v1/status
GET /|a way to the console
TABLE
number=0
while IFS='|' read -r name action about command; do
	number=$((number + 1))
	if [ "$command" = - ]; then
		size=$(curl -fsS "$BASE_URL/log/checkpoint" | sed -n 2p)
		width=$((size < 256 ? size : 256))
		read_it() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$BASE_URL/log/tile/entries/000.p/$width" -H "Authorization: Bearer $auditor")" = 200 ]; }
		until_true 20 read_it
	else
		# shellcheck disable=SC2086 # words of the table
		"$HAECHI" ${command//REASON/사유-$number-끝} >"$WORK/said" 2>&1 || case $name in
		*--open | "audit archive") ;; # nothing is sealed for it, or of that month: the attempt is told all the same
		*) fail "$name: $(tail -n 3 "$WORK/said")" ;;
		esac
	fi
	echo "$number|$name|$action|$about|$command" >>"$WORK/expected"
done <"$WORK/readings"

# All of them have become entries; then each is looked at.
carried() { [ -z "$(sql -c 'SELECT 1 FROM haechi.access a WHERE NOT EXISTS (SELECT FROM haechi.access_carried c WHERE c.access_id = a.access_id) LIMIT 1')" ]; }
until_true 30 carried
until_true 20 settled
sql -c "SELECT convert_from(bytes, 'UTF8') FROM haechi.entry WHERE kind = 'access' ORDER BY index" >"$WORK/entries"
python3 - "$WORK" <<'PYTHON' || fail "the entries of what was read"
import json, sys
work = sys.argv[1]
entries = [json.loads(line) for line in open(work + "/entries")]
missing = 0
for line in open(work + "/expected"):
    number, name, action, about, command = line.rstrip("\n").split("|", 4)
    reason = None if command == "-" else f"사유-{number}-끝"
    found = [e for e in entries if e["body"]["action"] == action and about in e["body"]["facts"].get("about", "")
             and (reason is None or e["body"]["facts"].get("reason") == reason)]
    if not found:
        print(f"{name}: no entry", file=sys.stderr)
        missing += 1
        continue
    entry, facts = found[0], found[0]["body"]["facts"]
    for fact in ("login", "place", "about"): # account, place, whose data; the time and what was done every entry has
        if not facts.get(fact):
            print(f"{name}: no {fact} in {facts}", file=sys.stderr)
            missing += 1
    assert entry["time"] and entry["agency"], name
    print(f"{name}: {facts['login']} {facts['place']} {facts['about']}")
sys.exit(missing > 0)
PYTHON

# Nothing that reads is in neither list: words of the usage texts, and the routes of the gateway.
for command in audit report review; do
	"$HAECHI" "$command" --help
done >"$WORK/help"
command grep -oE 'haechi (audit|report|review) [a-z]+(\|[a-z]+| \| [a-z]+)*' "$WORK/help" | sed 's/^haechi //' | while read -r command words; do
	for word in ${words//|/ }; do echo "$command $word"; done
done | sort -u >"$WORK/words"
[ "$(wc -l <"$WORK/words")" -gt 12 ] || fail "usage texts: $(cat "$WORK/words")"
sed -n '/^} routes\[\] = {/,/^};/p' gateway/governance.c | command grep -oE '"/[^"]*"' | tr -d '"' | sed 's/^/GET /' >>"$WORK/words"
sed -n 's/^#define [A-Z]* *"\(\/[^"]*\)"$/GET \1/p' gateway/governance.c >>"$WORK/words"
command grep -q '^GET /log/tile/' "$WORK/words" || fail "the routes were not found"
unknown=0
while read -r word; do
	listed=0
	while IFS='|' read -r name _; do
		case $word in "$name" | "$name "* | "$name"/* | "$name".*) listed=1 ;; esac
		case $name in "$word" | "$word "* | "$word"/*) listed=1 ;; esac
	done < <(cat "$WORK/readings" "$WORK/exempt")
	[ "$listed" = 1 ] || { echo "neither a reading nor exempt: $word" >&2; unknown=1; }
done <"$WORK/words"
[ "$unknown" = 0 ] || fail "add it to this test"
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail verify
