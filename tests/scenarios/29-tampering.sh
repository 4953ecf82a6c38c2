#!/usr/bin/env bash
# Goal of this test: every kind of tampering with what left the database - receipts, keys, checkpoints, exports, reports, also by
# somebody who makes all digests and the manifest's signature anew - is named by haechi-verify; every kind of tampering with the
# journal, the signer's memory and the keys is named at haechid's start, which refuses. Untouched evidence raises no alarm.
# (What a superuser can do inside PostgreSQL is unit/verify's.)
. "$(dirname "$0")/_lib.sh"
SEGMENT=65536
haechi_up

mkdir "$WORK/evidence"
export_of() { "$HAECHI" "$@" >>"$WORK/export.log" 2>&1 || fail "$*: $(tail -n 3 "$WORK/export.log")"; }
for i in 1 2 3; do ask "$KEY_GUIDE" '안녕하세요' >/dev/null; done
first=$(head_of X-Haechi-Entry)
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/evidence/old.checkpoint"
for i in 1 2 3 4 5 6 7 8; do ask "$KEY_GUIDE" '안녕하세요' >/dev/null; done
second=$(head_of X-Haechi-Entry)
ask "$KEY_WELFARE" '급여 자격을 판정해 주세요' >/dev/null
until_true 20 settled
from=$(date -u -d '-1 hour' +%Y-%m-%dT%H:%M:%SZ) to=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
export_of audit receipt "$second" --out "$WORK/evidence/receipt"
export_of audit receipt "$first" --out "$WORK/evidence/other.receipt"
export_of audit export --from "$from" --to "$to" --out "$WORK/evidence/export"
export_of report export --from "$from" --to "$to" --out "$WORK/evidence/report"
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/evidence/checkpoint"
cp "$STATE/log.vkey" "$WORK/evidence/log.vkey"
mkdir "$WORK/stranger"
sed -e "s|^state: .*|state: $WORK/stranger|" -e 's/^agency: .*/agency: stranger/' -e "s|127.0.0.1:$PORT|127.0.0.1:$(free_port)|" \
	-e 's/^  socket: .*/  socket: nowhere/' "$WORK/haechi.yaml" >"$WORK/stranger.yaml"
"$BUILD/haechid" -c "$WORK/stranger.yaml" >"$WORK/stranger.log" 2>&1 &
PIDS+=($!)
until_true 20 test -s "$WORK/stranger/log.vkey"
stranger_begun() { find "$WORK/stranger/ledger" -name '*.segment' | grep -q .; }
until_true 20 stranger_begun
cp "$WORK/stranger/log.vkey" "$WORK/evidence/stranger.vkey"
python3 tests/scenarios/_tampering.py "$WORK/evidence" "$BUILD/haechi-verify" || fail "tampering with what left the database"

# ---- the journal, the signer's memory, the keys: haechid does not start, exit 2, and says what and where ---------------------
for i in $(seq 12); do ask "$KEY_GUIDE" '안녕하세요' >/dev/null; done
deploy/cluster.sh stop "$WORK/pg" # the journal keeps what is not shipped: several files of it
for i in $(seq 12); do ask "$KEY_GUIDE" '안녕하세요' >/dev/null; done
kill -KILL "$HAECHID_PID"; wait "$HAECHID_PID" 2>/dev/null || true
HAECHID_PID=
kinds=0
segments=$(cd "$STATE/ledger" && ls ./*.segment | wc -l)
[ "$segments" -ge 3 ] || fail "only $segments journal files"
cp -a "$STATE" "$WORK/sound"
edit() { python3 - "$STATE" "$WORK" <<PY
import glob, os, shutil, struct, sys
state, work = sys.argv[1], sys.argv[2]
files = sorted(glob.glob(state + "/ledger/*.segment"))
def read(path): return bytearray(open(path, "rb").read())
def write(path, data): open(path, "wb").write(data)
def batches(data): # (offset, size), each whole blocks of 4096
    at, found = 4096, []
    while at < len(data) and data[at:at + 8] == b"HAECHIB1":
        size = (128 + struct.unpack(">Q", data[at + 24:at + 32])[0] + 4095) // 4096 * 4096
        found.append((at, size)); at += size
    return found
head = state + "/keys/last-head"
$1
PY
}
# named WHAT EDIT KOREAN ENGLISH
named() {
	local status=0
	rm -rf "$STATE" && cp -a "$WORK/sound" "$STATE"
	edit "$2" || fail "$1: the edit"
	timeout 60 "$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/start.log" 2>&1 || status=$?
	[ $status = 2 ] || fail "$1: exit $status: $(tail -n 3 "$WORK/start.log")"
	grep -Eq "$3" "$WORK/start.log" && grep -Eq "$4" "$WORK/start.log" || fail "$1: $(tail -n 3 "$WORK/start.log")"
	[ -z "${VERBOSE:-}" ] || echo "$1: $(tail -n 1 "$WORK/start.log")"
	kinds=$((kinds + 1))
}
until_ready() { # false: it has ended
	for _ in $(seq 1200); do
		curl -fsS "$BASE_URL/readyz" >/dev/null 2>&1 && return 0
		kill -0 "$HAECHID_PID" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}
flip='d[at] ^= 1; write(f, d)'
named "a byte of an entry in the oldest file" "f = files[0]; d = read(f); at = batches(d)[2][0] + 700; $flip" '손상되었습니다' 'segment.*damaged from byte [0-9]+ on \(entry [0-9]+\)'
named "a byte of an entry in the newest file" "f = files[-1]; d = read(f); at = batches(d)[0][0] + 700; $flip" '손상되었습니다' 'damaged'
named "a byte of the last batch" "f = files[-1]; d = read(f); at = batches(d)[-1][0] + 700; $flip" '되살리십시오' 'signed up to size'
named "a byte of a batch's root" "f = files[0]; d = read(f); at = batches(d)[1][0] + 70; $flip" '손상' 'damaged from byte'
named "a byte of a file's head" "f = files[1]; d = read(f); at = 40; $flip" '머리 블록' 'head block'
named "the oldest file's head" "f = files[0]; d = read(f); at = 40; $flip" '머리 블록' 'head block'
named "a file removed from the middle" "os.unlink(files[1])" '이어지지 않습니다' 'does not follow'
named "the newest file removed" "os.unlink(files[-1])" '되살리십시오' 'rolled back or lost'
named "all files removed" "[os.unlink(f) for f in files]" '서명했는데|서명자' 'signed up to|signer'
named "two files' names exchanged" "os.rename(files[0], files[0] + 'x'); os.rename(files[1], files[0]); os.rename(files[0] + 'x', files[1])" '이어지지|다릅니다|맞지' 'follow|fit|hold'
named "a file cut at a batch" "d = read(files[0]); write(files[0], d[:batches(d)[-1][0]])" '이어지지 않습니다' 'does not follow'
named "the last batches zeroed" "d = read(files[-1]); at = batches(d)[-2][0] if len(batches(d)) > 1 else batches(d)[-1][0]; write(files[-1], d[:at] + bytes(len(d) - at))" '되살리십시오' 'rolled back or lost'
named "two batches exchanged" "d = read(files[0]); (a, n), (b, m) = batches(d)[1:3]; write(files[0], d[:a] + d[b:b + m] + d[a:a + n] + d[b + m:])" '이어지지' 'does not follow'
named "a batch copied behind the end" "d = read(files[-1]); a, n = batches(d)[0]; e = sum(batches(d)[-1]); d[e:e + n] = d[a:a + n]; write(files[-1], d)" '이어지지' 'does not follow'
named "another log's journal" "[os.unlink(f) for f in files]; [shutil.copy(f, state + '/ledger') for f in glob.glob(work + '/stranger/ledger/*.segment')]" '다른 기록의 것' 'another log'
named "the signer's memory, one byte in each block" "d = read(head); [d.__setitem__(at, d[at] ^ 1) for at in (20, 4116, 8212)]; write(head, d)" 'last-head' 'last-head'
named "the signer's memory cut" "write(head, read(head)[:5000])" 'last-head' 'last-head'
named "the signer's memory of another log" "shutil.copy(work + '/stranger/keys/last-head', head)" '서명자|저널' 'signer|journal'
named "the signer's memory removed" "os.unlink(head)" '나머지 키 파일' 'not all key files'
rm -rf "$STATE" && cp -a "$WORK/sound" "$STATE"
database_up
haechid_up
until_true 30 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "a false alarm in the end"
# A log key exchanged for another: the log goes on, but not for whoever holds the key he was given.
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || true
cp "$WORK/stranger/keys/log.ed25519" "$STATE/keys/log.ed25519"
status=0
"$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/start.log" 2>&1 &
HAECHID_PID=$!
if until_ready; then
	ask "$KEY_GUIDE" '안녕하세요' >/dev/null
	until_true 30 settled
	"$HAECHI" audit verify --vkey "$WORK/evidence/log.vkey" >"$WORK/said" 2>&1 || status=$?
	[ $status = 1 ] || fail "a log key exchanged: verify says $status: $(cat "$WORK/said")"
	grep -q 'Ed25519' "$WORK/said" || fail "a log key exchanged: $(cat "$WORK/said")"
else
	grep -q '키' "$WORK/start.log" && grep -q 'key' "$WORK/start.log" || fail "a log key exchanged: $(cat "$WORK/start.log")"
	HAECHID_PID=
fi
kinds=$((kinds + 1))
echo "$kinds kinds of tampering with journal, signer's memory and keys, each refused by name"
