#!/usr/bin/env bash
# The whole of Haechi on this machine, in the foreground: PostgreSQL, engine, gateway. What is kept lives in STATE (var/).
#   MODEL=path.gguf LISTEN=127.0.0.1:8080 STATE=var deploy/run.sh
set -euo pipefail
cd "$(dirname "$0")/.."
model=${MODEL:-inference/demo/haechi-demo.gguf}
listen=${LISTEN:-127.0.0.1:8080}
export BUILD=${BUILD:-build}
mkdir -p "${STATE:-var}"
state=$(cd "${STATE:-var}" && pwd -P)
chmod 711 "$state"
# A second one here would stop the first one's database on its way out.
exec 9>"$state/run.lock"
flock -n 9 || {
	echo "이미 실행 중입니다: $state (다른 곳에서: STATE=/다른/경로 LISTEN=127.0.0.1:8081 make run)" >&2
	echo "already running: $state (elsewhere: STATE=/another/path LISTEN=127.0.0.1:8081 make run)" >&2
	exit 2
}
# A socket's whole path must fit 107 bytes.
[ ${#state} -lt 90 ] || {
	echo "경로가 너무 깁니다: STATE=/짧은/경로 make run / the path is too long: STATE=/a/shorter/path make run" >&2
	exit 2
}

stop() {
	trap - EXIT INT TERM
	echo
	echo "멈추는 중입니다 / stopping"
	[ -z "${gateway:-}" ] || { kill -TERM "$gateway" 2>/dev/null && wait "$gateway" || true; }
	[ -z "${engine:-}" ] || { kill -TERM "$engine" 2>/dev/null && wait "$engine" || true; }
	deploy/cluster.sh stop "$state/postgres" || true
}
trap stop EXIT
trap 'exit 0' INT TERM

wait_for() { # PID WHAT LOG COMMAND...
	local pid=$1 what=$2 log=$3
	shift 3
	for _ in $(seq 1200); do
		"$@" >/dev/null 2>&1 && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	echo "$what: 시작하지 못했습니다 / could not be started; $log:" >&2
	tail -n 20 "$log" >&2
	exit 2
}

echo "데이터베이스 / database"
socket=$(deploy/cluster.sh start "$state/postgres" 9>&-)

echo "추론 엔진 / engine: $model"
"$BUILD/haechi-engine" serve --model "$model" --listen "unix:$state/engine.sock" >>"$state/engine.log" 2>&1 9>&- &
engine=$!
wait_for "$engine" haechi-engine "$state/engine.log" curl -fsS --unix-socket "$state/engine.sock" http://engine/healthz
name=$(curl -fsS --unix-socket "$state/engine.sock" http://engine/v1/models | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -n 1)

echo "게이트웨이 / gateway"
deploy/prepare.sh "$state" "$socket" "$listen" "$name" >"$state/prepare.log" 2>&1 || {
	cat "$state/prepare.log" >&2
	exit 2
}
# Another model or address than last time: the configuration is kept, these two lines follow; other engines are not ours.
sed -i -e "/^  - name: local/,/^      - name: /s|^      - name: .*|      - name: $name|" \
	-e "/^listen:/{n;s|^  - .*|  - $listen|}" "$state/haechi.yaml"
"$BUILD/haechid" -c "$state/haechi.yaml" >>"$state/haechid.log" 2>&1 9>&- &
gateway=$!
wait_for "$gateway" haechid "$state/haechid.log" curl -fsS "http://$listen/readyz"
deploy/demo.sh "$state" >>"$state/prepare.log" 2>&1 || {
	tail -n 20 "$state/prepare.log" >&2
	exit 2
}
# shellcheck disable=SC1091
. "$state/demo-keys"

cat <<TEXT

  해치가 준비되었습니다 / Haechi is ready

  주소 / base URL    http://$listen/v1
  콘솔 / console     http://$listen/console/
  모델 / model       $name

  용도 / use of AI                             키 / demo key
  civil-guide          민원 안내 (허용)        $KEY_GUIDE
  welfare-eligibility  복지 자격 판정 (보류)   $KEY_WELFARE
  office-drafting      문서 초안 (가림)        $KEY_DRAFT

  curl http://$listen/v1/chat/completions -H "Authorization: Bearer $KEY_GUIDE" \\
       -H "Content-Type: application/json" \\
       -d '{"model":"$name","messages":[{"role":"user","content":"고영향 인공지능이 뭐예요?"}]}'

  기록 / evidence    export HAECHI_DATABASE="host=$socket user=haechi_auditor_login dbname=haechi"
                     $BUILD/haechi audit query
                     $BUILD/haechi audit verify --vkey $state/keys/log.vkeys
  검토 / review      $BUILD/haechi review list --socket $state/control.sock
  로그 / logs        $state/haechid.log $state/engine.log

  멈추려면 Ctrl-C / stop with Ctrl-C
TEXT
wait -n "$gateway" "$engine" || true
echo "게이트웨이나 엔진이 끝났습니다 / the gateway or the engine has ended" >&2
tail -n 5 "$state/haechid.log" "$state/engine.log" >&2
exit 2
