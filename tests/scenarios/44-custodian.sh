#!/usr/bin/env bash
# Goal of this test: the log's signing keys and the key-encryption key live in a PKCS#11 token (softhsm2) and never in a file: heads
# verify, content opens after a restart, keys rotate inside the token; a wrong PIN, a missing token and a missing module are said
# clearly, and the PIN is nowhere.
command -v softhsm2-util >/dev/null || { echo "softhsm2 is not installed"; exit 77; }
. "$(dirname "$0")/_lib.sh"

module=$(ls /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so 2>/dev/null | head -n 1)
pin=7391-canary-pin
export SOFTHSM2_CONF=$WORK/softhsm2.conf
mkdir -p "$WORK/tokens" "$STATE/keys" "$STATE/seal"
chmod 700 "$STATE" "$STATE/keys" "$STATE/seal"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$WORK/tokens" >"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label haechi --pin "$pin" --so-pin 5678 >/dev/null
(umask 077; echo "$pin" >"$WORK/pin"
for folder in keys seal; do printf '# the log of this agency\nmodule %s\ntoken haechi\npin-file %s\n' "$module" "$WORK/pin" >"$STATE/$folder/custodian"; done)

haechi_up
[ -f "$STATE/keys/log.p256.pem.pkcs11" ] && [ -f "$STATE/keys/log.ed25519.pkcs11" ] && [ -f "$STATE/seal/kek.pkcs11" ] || fail "not in the token"
! ls "$STATE"/keys/*.pem "$STATE"/keys/log.ed25519 "$STATE"/seal/kek 2>/dev/null || fail "a secret in a file"
ask "$KEY_WELFARE" '신청인은 기초연금을 받을 수 있습니까?' >/dev/null # held: its prompt is sealed
ask "$KEY_GUIDE" '안녕하세요' >/dev/null
until_true 20 settled
curl -fsS "$BASE_URL/log/checkpoint" >"$WORK/head"
"$BUILD/haechi-verify" checkpoint "$WORK/head" --vkey "$STATE/log.vkey" | grep 'Ed25519 + ECDSA P-256' || fail "not both signatures"
restart() { kill "$HAECHID_PID" && wait "$HAECHID_PID"; haechid_up; }
ticket=$("$HAECHI" review list --socket "$CONTROL" --json | sed -n "s|.*\"ticket\":\"\([^\"]*\)\".*|\1|p" | head -n 1)
[ -n "$ticket" ] || { "$HAECHI" review list --socket "$CONTROL" --json; fail "no ticket"; }
restart
"$HAECHI" review show "$ticket" --socket "$CONTROL" | grep -q '기초연금' || fail "sealed content does not open after a restart"

# Rotation, inside the token: two more objects, then the old two are destroyed.
objects() { ls "$WORK"/tokens/*/*.object | wc -l; }
before=$(objects)
"$HAECHI" key rotate -c "$WORK/haechi.yaml"
restart
[ "$(curl -fsS "$BASE_URL/log/checkpoint" | grep -c '^— ')" = 4 ] || fail "not four signatures"
"$HAECHI" key rotate --finish -c "$WORK/haechi.yaml"
[ "$(objects)" = "$before" ] || fail "the old keys are still in the token: $before, $(objects)"
restart
ask "$KEY_GUIDE" '다시' >/dev/null
until_true 20 settled
"$HAECHI" audit verify --vkey "$STATE/log.vkey" >/dev/null || fail "a false alarm"
kill "$HAECHID_PID" && wait "$HAECHID_PID"
HAECHID_PID=

refused() { # WORD
	local status=0
	timeout 30 "$BUILD/haechid" -c "$WORK/haechi.yaml" >"$WORK/refused.log" 2>&1 || status=$?
	[ $status -eq 2 ] || fail "exit $status instead of 2"
	grep '^haechid:' -A1 "$WORK/refused.log" | tee "$WORK/said"
	grep -q -- "$1" "$WORK/said" || fail "not said: $1"
}
cp "$WORK/pin" "$WORK/pin.kept"
echo wrong-canary-pin >"$WORK/pin"
refused 'the PIN is wrong'
cp "$WORK/pin.kept" "$WORK/pin"
chmod 644 "$WORK/pin"
refused 'may be read by others'
chmod 600 "$WORK/pin"
mv "$WORK/tokens" "$WORK/tokens.away" && mkdir "$WORK/tokens"
refused 'no token called'
rmdir "$WORK/tokens" && mv "$WORK/tokens.away" "$WORK/tokens"
sed -i 's|^module .*|module /nowhere.so|' "$STATE/keys/custodian"
refused 'cannot be loaded'
rm "$STATE/keys/custodian"
refused 'names it'
! grep -r 'canary-pin' "$WORK"/*.log "$STATE"/*.log 2>/dev/null || fail "the PIN is in a log"
