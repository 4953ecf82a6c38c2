#!/usr/bin/env bash
# Goal of this test: whoever reads the evidence leaves evidence: an auditor's query becomes a signed entry with his login, place, the
# filters and the reason, and it stays when the auditor is the database's owner.
. "$(dirname "$0")/_lib.sh"
haechi_up

ask "$KEY_GUIDE" '안녕하세요' >/dev/null
until_true 20 settled
"$HAECHI" audit query --agency haneul --reason '민원 2026-17' --json >"$WORK/read"
carried() { "$HAECHI" audit query --kind access --json | grep -q '"reason":"민원 2026-17"'; }
until_true 20 carried
"$HAECHI" audit query --kind access --json | grep '민원 2026-17' | grep '"about":"agency=haneul"' | grep '"login":"haechi_auditor_login"' |
	grep -q '"place":"local"' || fail "the five facts are not all there"
sql -c "DELETE FROM haechi.access" >/dev/null 2>&1 && fail "the access log was emptied without a word"
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" || fail "verify"
