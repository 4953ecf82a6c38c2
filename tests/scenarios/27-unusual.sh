#!/usr/bin/env bash
# Goal of this test: what seldom happens to a log has a defined end each: a second daemon, a hung signer, a journal that is unlinked,
# replaced or moved away, a clock that goes back, a full disk. Evidence is kept or the request is refused, the log never forks, and
# operators are told why in both languages.
. "$(dirname "$0")/_lib.sh"
. "$(dirname "$0")/_unusual.sh"
SEGMENT=65536
haechi_up

several 3
until_true 20 settled

# ---- a second daemon, on another port ----------------------------------------------------------------------------------
cp "$WORK/haechi.yaml" "$WORK/first.yaml"
sed -i -e "s|^  - 127.0.0.1:.*|  - 127.0.0.1:$(free_port)|" -e "s|^control:.*|control: second.sock|" "$WORK/haechi.yaml"
not_started "a second daemon" '다른 haechid' 'another haechid'
cp "$WORK/first.yaml" "$WORK/haechi.yaml"
answers || fail "the first one does not go on"

# ---- a signer that hangs -----------------------------------------------------------------------------------------------
signer=$(pgrep -P "$HAECHID_PID" | head -n 1)
kill -STOP "$signer"
begin=$(date +%s)
[ "$(status_now)" = 503 ] || fail "hung signer: $(status_of)"
[ $(($(date +%s) - begin)) -le 30 ] || fail "a hung signer is waited for too long"
kill -CONT "$signer"
refused "a signer that answered too late"
told '서명자 프로세스' 'the signer process'
again "hung signer"

# ---- the journal under the daemon's feet -------------------------------------------------------------------------------
segment=$(newest)
cp -p "$segment" "$WORK/kept.segment"
mv "$segment" "$WORK/away.segment"
refused "unlinked segment"
told '지워졌거나 바뀌었습니다' 'was removed, replaced or resized'
mv "$WORK/away.segment" "$segment"
again "unlinked segment"
segment=$(newest)
cp -p "$segment" "$WORK/copy.segment"
mv "$WORK/copy.segment" "$segment"
refused "replaced segment"
down
# The copy lacks what was written behind its back, but nothing that was acknowledged.
haechid_up
answers || fail "replaced segment: after a restart"
mv "$STATE/ledger" "$STATE/ledger.away"
cp -a "$STATE/ledger.away" "$STATE/ledger"
refused "moved folder"
told '저널 폴더' 'was moved or replaced'
rm -r "$STATE/ledger"
mv "$STATE/ledger.away" "$STATE/ledger"
again "moved folder"
until_true 20 settled
verify

# ---- a clock that goes back, then far ahead ------------------------------------------------------------------------------
if [ -f "$BUILD/tools/faulty.so" ]; then
	down
	truncate -s 300M "$WORK/faulty"
	shift_clock() { python3 -c 'import struct,sys; f = open(sys.argv[1], "r+b"); f.seek(56); f.write(struct.pack("q", int(sys.argv[2])))' "$WORK/faulty" "$1"; }
	export LD_PRELOAD=$PWD/$BUILD/tools/faulty.so FAULTY=$WORK/faulty FAULTY_STATE=$STATE
	"$BUILD/haechid" -c "$WORK/haechi.yaml" >>"$WORK/haechid.log" 2>&1 &
	HAECHID_PID=$!
	unset LD_PRELOAD FAULTY FAULTY_STATE
	until_true 30 curl -fsS "$BASE_URL/readyz"
	several 2
	for by in -1 -3600 -8640000 40000000 0; do
		shift_clock $by
		several 2
	done
	until_true 20 settled
	verify
	[ "$(sql -c "SELECT count(DISTINCT id) = count(*) FROM haechi.entry")" = t ] || fail "an entry's name was given twice"
	[ "$(sql -c "SELECT count(DISTINCT date_trunc('month', wall)) >= 3 FROM haechi.entry")" = t ] || fail "the clock was not believed"
	again "clock"
fi

# ---- a disk that fills: to the reserve, then wholly (a write that fails is 18-faults') -----------------------------------------------------------
down
mkdir "$WORK/disk"
if mount -t tmpfs -o size=6m,mode=700 tmpfs "$WORK/disk" 2>/dev/null; then
	cp -a "$STATE/ledger/." "$WORK/disk/"
	sed -i -e "s|^  directory: ledger.*|  directory: $WORK/disk|" -e 's/^\( *reserve:\).*/\1 2097152/' "$WORK/haechi.yaml"
	haechid_up
	answers || fail "on a small disk"
	dd if=/dev/zero of="$WORK/disk/filler" bs=65536 count=63 status=none || true
	sleep 0.3
	refused "reserve reached"
	told 'disk-reserve-reached' 'event=disk-reserve-reached'
	rm "$WORK/disk/filler"
	until_true 5 answers
	# No room at all: no segment can be begun, and nothing is half written.
	dd if=/dev/zero of="$WORK/disk/filler" bs=4096 status=none 2>/dev/null || true
	sleep 0.3
	refused "full disk"
	rm "$WORK/disk/filler"
	until_true 5 answers
	again "full disk"
	until_true 20 settled
	verify
	down
else
	echo "no file system of its own for the full disk (mount needs root): that part was not tested"
fi
