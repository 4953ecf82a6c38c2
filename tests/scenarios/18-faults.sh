#!/usr/bin/env bash
# Goal of this test: whatever call of the writing path fails, is torn or is the last one before a crash or a power cut - in start,
# recovery and rotation too - nothing shown to a client is lost, nothing is answered without evidence, and the log never forks.
# LIVES=0: every call once; SEED=n: the same choices again; VERBOSE=1.
. "$(dirname "$0")/_lib.sh"
faulty=$PWD/$BUILD/tools/faulty.so
[ -f "$faulty" ] || skip "no $faulty"
SEGMENT=65536
haechi_up
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || true
HAECHID_PID=
export STATE WORK PGSOCKET HAECHID=$PWD/$BUILD/haechid CONFIG=$WORK/haechi.yaml
python3 tests/scenarios/_faults.py "$faulty" "${LIVES:-14}" "${SEED:-$RANDOM}" || fail "faults"
