#!/usr/bin/env bash
# Goal of this test: haechid, its signer, PostgreSQL's server processes and PostgreSQL itself are killed with SIGKILL in random
# mixture under load; nothing shown to a client is lost, sizes never go back, and every checkpoint is of one history.
# KILLS=500 for long; SEED=n: the same choices again.
. "$(dirname "$0")/_lib.sh"
SEGMENT=262144
haechi_up
kill -TERM "$HAECHID_PID"; wait "$HAECHID_PID" || true
HAECHID_PID=
export STATE WORK PGSOCKET HAECHID=$PWD/$BUILD/haechid CONFIG=$WORK/haechi.yaml
python3 tests/scenarios/_kills.py "${KILLS:-16}" "${SEED:-$RANDOM}" || fail "kills"
