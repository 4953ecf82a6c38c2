#!/usr/bin/env bash
# Goal of this test: whatever a client does, a request leaves exactly one decision and one outcome, and no entry holds content.
. "$(dirname "$0")/_lib.sh"
haechi_up
python3 tests/scenarios/_evidence.py "127.0.0.1:$PORT" "$KEY_GUIDE" "$KEY_WELFARE" "$CONTROL" "$HAECHI" || fail "clients"
complete() {
	[ "$(sql -c "SELECT count(*) FROM haechi.entry d WHERE kind = 'decision' AND 1 <>
		(SELECT count(*) FROM haechi.entry o WHERE o.kind = 'outcome' AND o.of = d.id)")" = 0 ]
}
until_true 30 complete
until_true 20 settled
[ "$(sql -c "SELECT count(*) FROM haechi.entry WHERE kind = 'outcome' AND of NOT IN
	(SELECT id FROM haechi.entry WHERE kind = 'decision')")" = 0 ] || fail "an outcome without its decision"
# One of each by the caller's own id, but for the fetched ticket: it is decided once more, by its own request's id.
twice=$(sql -c "SELECT string_agg(request_id || ' ' || n, ', ') FROM (SELECT request_id, count(*) n FROM haechi.entry
	WHERE kind = 'decision' GROUP BY 1 HAVING count(*) > 1) each")
[ -z "$twice" ] || fail "decided twice: $twice"
for name in plain stream nokey badkey badjson badmember nomodel usecase engine-refuses completion embedding held-refused held-approved; do
	[ "$(sql -c "SELECT count(*) FILTER (WHERE kind = 'decision') || '/' || count(*) FILTER (WHERE kind = 'outcome')
		FROM haechi.entry WHERE request_id = '$name'")" = 1/1 ] || fail "$name: not one decision and one outcome"
done
[ "$(sql -c "SELECT count(*) FROM haechi.entry WHERE kind = 'decision' AND request_id LIKE 'fetch-%'")" = 1 ] ||
	fail "the approval was used $(sql -c "SELECT count(*) FROM haechi.entry WHERE kind = 'decision' AND request_id LIKE 'fetch-%'") times"
[ "$(sql -c "SELECT count(*) FROM haechi.entry WHERE position('해치카나리아' IN convert_from(bytes, 'UTF8')) > 0")" = 0 ] ||
	fail "content in an entry"
"$HAECHI" audit verify --vkey "$STATE/keys/log.vkeys" >/dev/null || fail "verify"
echo "decisions: $(sql -c "SELECT count(*) FROM haechi.entry WHERE kind = 'decision'"), each with its outcome"
