#!/usr/bin/env bash
# What governance costs, as ratios measured side by side in one run: the same upstream behind
#   nginx-bare   proxy_pass as one writes it first: a new upstream connection for every request
#   nginx        proxy_pass with an upstream keep-alive pool, as well as it can be told
#   bare         door, server and engine client of the gateway, nothing between them
#   haechid      every step on, every entry durable and shipped to a real PostgreSQL
# at 1, 16 and 64 connections, interleaved ROUNDS times; medians. Beside it what one fdatasync costs on this disk.
#   tests/bench/run.sh BUILD_DIR [table|json]      ROUNDS=3 SECONDS_EACH=2
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${1:-build}
FORM=${2:-table}
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-2}
export BUILD

for tool in nginx wrk; do
	command -v $tool >/dev/null || { echo "no $tool here: nothing measured"; exit 77; }
done
# shellcheck disable=SC1091
[ -f tests/scenarios/_lib.sh ] && . tests/scenarios/_lib.sh
say() { echo "$@" >&2; }
mkdir -p "$STATE"
chmod 700 "$STATE"

start() { # NAME COMMAND...: in the background, its pid in $STARTED
	local name=$1
	shift
	"$@" >"$WORK/$name.log" 2>&1 &
	STARTED=$!
	PIDS+=("$STARTED")
}

# ---- the upstream and its proxies -------------------------------------------------------------------------------------
UP=$WORK/up.sock
start responder "$BUILD/bench/responder" "unix:$UP" "unix:$STATE/engine.sock"
declare -A PORT_OF PROCESSES NOTE
PORT_OF=([nginx-bare]=$(free_port) [nginx]=$(free_port) [bare]=$(free_port))
cat >"$WORK/nginx.conf" <<CONF
daemon off; pid $WORK/nginx.pid; error_log $WORK/nginx-error.log; worker_processes $(nproc);
events { worker_connections 4096; }
http {
	access_log off; keepalive_requests 100000000; client_body_temp_path $WORK/n1; proxy_temp_path $WORK/n2;
	fastcgi_temp_path $WORK/n3; uwsgi_temp_path $WORK/n4; scgi_temp_path $WORK/n5;
	upstream kept { server unix:$UP; keepalive 128; keepalive_requests 100000000; }
	server { listen 127.0.0.1:${PORT_OF[nginx-bare]} reuseport; location / { proxy_pass http://unix:$UP:; } }
	server { listen 127.0.0.1:${PORT_OF[nginx]} reuseport;
		location / { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
CONF
until_true 5 test -S "$UP"
chmod 666 "$UP"
chmod 711 "$WORK"
start nginx nginx -c "$WORK/nginx.conf" -p "$WORK"
PROCESSES[nginx]=$STARTED
PROCESSES[nginx-bare]=$STARTED
start bare "$BUILD/bench/bare" "127.0.0.1:${PORT_OF[bare]}" "unix:$UP"
PROCESSES[bare]=$STARTED
TARGETS=(nginx-bare nginx bare)

# ---- the gateway, whole -----------------------------------------------------------------------------------------------
if [ -x "$BUILD/haechid" ] && [ -x deploy/prepare.sh ]; then
	database_up
	PORT_OF[haechid]=$(free_port)
	BASE_URL=http://127.0.0.1:${PORT_OF[haechid]}
	CONTROL=$STATE/control.sock
	export BASE_URL CONTROL HAECHI
	deploy/prepare.sh "$STATE" "$PGSOCKET" "127.0.0.1:${PORT_OF[haechid]}" >"$WORK/prepare.log" 2>&1 || fail "prepare"
	cp "$STATE/haechi.yaml" "$WORK/haechi.yaml"
	export HAECHI_DATABASE="host=$PGSOCKET user=haechi_auditor_login dbname=haechi"
	haechid_up
	deploy/demo.sh "$STATE" >>"$WORK/prepare.log" 2>&1 || fail "demo keys"
	# shellcheck disable=SC1091
	. "$STATE/demo-keys"
	export BENCH_KEY=$KEY_GUIDE
	PROCESSES[haechid]=$HAECHID_PID
	TARGETS+=(haechid)
	NOTE[rss]=$(awk '/^VmRSS/ {print $2}' "/proc/$HAECHID_PID/status")
else
	say "haechid is not built: only the bare ways are measured"
fi
export BENCH_BODY='{"model":"haechi-demo","messages":[{"role":"system","content":"당신은 민원 안내 도우미입니다."},{"role":"user","content":"주민등록등본은 어디에서 발급받을 수 있나요?"}]}'
PATH_OF=/v1/chat/completions
for target in "${TARGETS[@]}"; do
	until_true 10 curl -fsS -o /dev/null -H "Authorization: Bearer ${BENCH_KEY:-none}" -H 'Content-Type: application/json' \
		-d "$BENCH_BODY" "http://127.0.0.1:${PORT_OF[$target]}$PATH_OF"
done

# ---- measuring --------------------------------------------------------------------------------------------------------
ticks() { # of a process and its children, in clock ticks
	local pid=$1 each
	for each in "$pid" $(pgrep -P "$pid" || true); do cat "/proc/$each/stat" 2>/dev/null || true; done |
		awk '{sum += $14 + $15} END {print sum + 0}'
}
TICKS=$(getconf CLK_TCK)
: >"$WORK/results"
for ((round = 1; round <= ROUNDS; round++)); do
	for connections in 1 16 64; do
		for target in "${TARGETS[@]}"; do
			before=$(ticks "${PROCESSES[$target]}")
			result=$(wrk -t1 -c$connections -d"${SECONDS_EACH}s" -s tests/bench/chat.lua \
				"http://127.0.0.1:${PORT_OF[$target]}$PATH_OF" | awk '/^RESULT/ {print $2, $3, $4, $5, $6}')
			after=$(ticks "${PROCESSES[$target]}")
			echo "$target $connections $((after - before)) $result" >>"$WORK/results"
		done
	done
	say "round $round of $ROUNDS"
done
read -r FSYNC FSYNC99 INPLACE INPLACE99 <<<"$("$BUILD/bench/fsync" "$STATE")"

awk -v ticks="$TICKS" -v form="$FORM" -v fsync="$FSYNC" -v fsync99="$FSYNC99" -v inplace="$INPLACE" -v inplace99="$INPLACE99" -v rss="${NOTE[rss]:-0}" -v cores="$(nproc)" '
function median(text,    part, n, i, j, x) {
	n = split(text, part, " ")
	for (i = 2; i <= n; i++) for (j = i; j > 1 && part[j - 1] + 0 > part[j] + 0; j--) { x = part[j]; part[j] = part[j - 1]; part[j - 1] = x }
	return n % 2 ? part[(n + 1) / 2] : (part[n / 2] + part[n / 2 + 1]) / 2
}
{
	key = $1 " " $2
	if (!(key in rps)) order[++count] = key
	rps[key] = rps[key] " " $4 / ($5 / 1000000); p50[key] = p50[key] " " $6; p99[key] = p99[key] " " $7
	cpu[key] = cpu[key] " " $3 / ticks * 1000000 / $4; wrong[key] += $8
}
END {
	if (form == "table") printf "%-11s %5s %10s %8s %9s %9s %8s %8s %7s\n", "", "conns", "req/s", "x nginx", "p50 us", "p99 us", "p50 x", "cpu us", "errors"
	for (i = 1; i <= count; i++) {
		key = order[i]; split(key, part, " "); base = "nginx " part[2]
		if (form == "table")
			printf "%-11s %5d %10.0f %8.2f %9.0f %9.0f %8.2f %8.1f %7d\n", part[1], part[2], median(rps[key]), median(rps[key]) / median(rps[base]), median(p50[key]), median(p99[key]), median(p50[key]) / median(p50[base]), median(cpu[key]), wrong[key]
		else
			printf "{\"target\":\"%s\",\"connections\":%d,\"requests_per_second\":%.0f,\"of_nginx\":%.3f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"p50_of_nginx\":%.3f,\"cpu_us\":%.1f,\"errors\":%d}\n", part[1], part[2], median(rps[key]), median(rps[key]) / median(rps[base]), median(p50[key]), median(p99[key]), median(p50[key]) / median(p50[base]), median(cpu[key]), wrong[key]
	}
	if (form == "table") {
		printf "fdatasync of 4 KiB on the same disk: appended %.0f us (p99 %.0f), in place %.0f us (p99 %.0f); %d cores\n", fsync, fsync99, inplace, inplace99, cores
		if (rss > 0) printf "haechid at rest: %.1f MiB resident\n", rss / 1024
	} else
		printf "{\"fdatasync_median_us\":%.1f,\"fdatasync_p99_us\":%.1f,\"fdatasync_in_place_median_us\":%.1f,\"fdatasync_in_place_p99_us\":%.1f,\"cores\":%d,\"rss_idle_kib\":%d}\n", fsync, fsync99, inplace, inplace99, cores, rss
}' "$WORK/results"

# Judging a use of AI against the whole Act beside deciding one request.
if [ "$FORM" = table ]; then
	"$BUILD/bench/assess" | python3 -c 'import json,sys; b = json.load(sys.stdin); print(f"assessment of a use: {b['"'"'assess_us'"'"']:.1f} us, {b['"'"'decisions_per_assessment'"'"']:.2f} decisions (at most {b['"'"'at_most'"'"']}), over {b['"'"'uses'"'"']} uses")'
else
	"$BUILD/bench/assess"
fi
