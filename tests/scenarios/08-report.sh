#!/usr/bin/env bash
# Goal of this test: a period's report is one folder that haechi-verify accepts with nothing else, and refuses after any change.
. "$(dirname "$0")/_lib.sh"
haechi_up

for i in 1 2 3; do ask "$KEY_GUIDE" '안녕하세요' >/dev/null; done
ask "$KEY_WELFARE" '급여 자격을 판정해 주세요' >/dev/null
until_true 20 settled
from=$(date -u -d '-1 hour' +%Y-%m-%dT%H:%M:%SZ) to=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
"$HAECHI" report export --from "$from" --to "$to" --out "$WORK/report" || fail "export"
ls -l "$WORK/report"
for file in report.json entries.csv report.html; do [ -s "$WORK/report/$file" ] || fail "no $file"; done
[ "$(head -c 3 "$WORK/report/entries.csv" | od -An -tx1 | tr -d ' ')" = efbbbf ] || fail "entries.csv has no byte order mark"
mv "$WORK/report" "$WORK/elsewhere"
deploy/cluster.sh stop "$WORK/pg"
"$BUILD/haechi-verify" "$WORK/elsewhere" --vkey "$STATE/keys/log.vkeys" || fail "haechi-verify"
for file in $(cd "$WORK/elsewhere" && find . -type f); do
	cp -R "$WORK/elsewhere" "$WORK/changed"
	python3 -c 'import sys; p = sys.argv[1]; b = bytearray(open(p, "rb").read()); b[len(b) // 2] ^= 1; open(p, "wb").write(b)' "$WORK/changed/$file"
	! "$BUILD/haechi-verify" "$WORK/changed" --vkey "$STATE/keys/log.vkeys" >/dev/null 2>&1 || fail "a change in $file was not seen"
	rm -rf "$WORK/changed"
done
