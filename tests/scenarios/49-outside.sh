#!/usr/bin/env bash
# Goal of this test: what stands before and behind the gateway in other people's machine rooms. A proxy that speaks HTTP/1.0 is
# served, whole answers and streams alike; every answer, also the door's refusals, carries a request id that can be asked about.
. "$(dirname "$0")/_lib.sh"
haechi_up

chat='{"model":"haechi-demo","temperature":0,"max_tokens":12,"messages":[{"role":"user","content":"고영향 인공지능이 뭐예요?"}]'
post() { # CURL OPTION... : body into answer, head into head
	curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -H 'Content-Type: application/json' "$@"
}
content() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["choices"][0]["message"]["content"])' "$1"; }
streamed() { python3 -c 'import json,sys
text = ""
for line in open(sys.argv[1], encoding="utf-8"):
    if line.startswith("data: {"):
        for choice in json.loads(line[6:])["choices"]:
            text += choice["delta"].get("content") or ""
assert line.strip() == "" and "data: [DONE]" in open(sys.argv[1]).read()
print(text)' "$1"; }

# ---- HTTP/1.0 -------------------------------------------------------------------------------------------------------------
post -d "$chat}"
[ "$(status_of)" = 200 ] || fail "HTTP/1.1: $(status_of)"
content "$WORK/answer" >"$WORK/expected"
post --http1.0 -d "$chat}"
[ "$(status_of)" = 200 ] || fail "HTTP/1.0: $(status_of)"
content "$WORK/answer" | cmp -s - "$WORK/expected" || fail "HTTP/1.0 answers something else"
post --http1.0 -d "$chat,\"stream\":true}"
! grep -qi '^transfer-encoding' "$WORK/head" || fail "chunks for HTTP/1.0"
streamed "$WORK/answer" | cmp -s - "$WORK/expected" || fail "a stream by HTTP/1.0 says something else"
curl -sS --http1.0 -I "$BASE_URL/healthz" >"$WORK/head"
[ "$(status_of)" = 200 ] || fail "HEAD by HTTP/1.0"
if command -v nginx >/dev/null; then
	PROXY=$(free_port)
	cat >"$WORK/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $WORK/nginx.pid; error_log $WORK/nginx.log;
events {}
http {
	access_log off;
	client_body_temp_path $WORK/nginx-body; proxy_temp_path $WORK/nginx-proxy; fastcgi_temp_path $WORK/nginx-f; uwsgi_temp_path $WORK/nginx-u; scgi_temp_path $WORK/nginx-s;
	server { listen 127.0.0.1:$PROXY; location / { proxy_pass $BASE_URL; proxy_http_version 1.0; proxy_buffering off; } }
}
CONF
	nginx -p "$WORK" -c "$WORK/nginx.conf" >>"$WORK/nginx.log" 2>&1 &
	PIDS+=($!)
	until_true 20 curl -fsS "http://127.0.0.1:$PROXY/healthz"
	for round in 1 2 3; do
		curl -sS -o "$WORK/answer" "http://127.0.0.1:$PROXY/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d "$chat,\"stream\":true}"
		streamed "$WORK/answer" | cmp -s - "$WORK/expected" || fail "a stream through nginx, $round"
		curl -sS -o "$WORK/answer" "http://127.0.0.1:$PROXY/v1/chat/completions" -H "Authorization: Bearer $KEY_GUIDE" -d "$chat}"
		content "$WORK/answer" | cmp -s - "$WORK/expected" || fail "an answer through nginx, $round"
	done
fi

# ---- request ids ------------------------------------------------------------------------------------------------------------
named() { [ "$(head_of X-Request-ID)" = "$1" ] || fail "$2: X-Request-ID '$(head_of X-Request-ID)'"; }
made() { [[ $(head_of X-Request-ID) =~ ^[0-9a-f]{8}-[0-9a-f-]{27}$ ]] || fail "$1: X-Request-ID '$(head_of X-Request-ID)'"; }
head -c 2000000 /dev/zero | tr '\0' x >"$WORK/large"
post -H 'X-Request-ID: ask.1' -H 'Expect:' --data-binary "@$WORK/large" || true
[ "$(status_of)" = 413 ] || fail "2 MB: $(status_of)"
named ask.1 413
post -H 'X-Request-ID: ask.2' -H 'Content-Encoding: gzip' -d x
[ "$(status_of)" = 415 ] || fail "gzip: $(status_of)"
named ask.2 415
post -H "X-Long: $(head -c 20000 /dev/zero | tr '\0' y)" -d x
[ "$(status_of)" = 431 ] || fail "a long head: $(status_of)"
made 431
for path in /nothing /v1/chat/completions /healthz /readyz /metrics /log/checkpoint /console/ /haechi/v1/usecases; do
	curl -sS -D "$WORK/head" -o "$WORK/answer" -H 'X-Request-ID: ask.3' "$BASE_URL$path"
	named ask.3 "$path"
	curl -sS -D "$WORK/head" -o "$WORK/answer" "$BASE_URL$path"
	made "$path"
done

# ---- metrics, as strictly as promtool reads them ---------------------------------------------------------------------------
curl -fsS "$BASE_URL/metrics" >"$WORK/metrics"
python3 - "$WORK/metrics" <<'PY' || fail "metrics"
import re, sys
kinds, told, seen, families = {}, set(), set(), []
text = open(sys.argv[1]).read()
assert text.endswith("\n")
for line in text.splitlines():
    if line.startswith("# HELP "):
        name = line.split(" ", 3)[2]
        assert name not in told, line
        told.add(name)
    elif line.startswith("# TYPE "):
        _, _, name, kind = line.split(" ")
        assert name not in kinds and name in told, line
        assert kind != "counter" or name.endswith("_total"), line
        assert kind == "counter" or not name.endswith("_total"), line
        assert not re.search(r"_(ms|us|kb|mb|count|sum|bucket)$", name), line
        kinds[name] = kind
    else:
        sample = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*",?)+\})? (-?[0-9.e+-]+)', line)
        assert sample and sample.group(1, 2) not in seen, line
        seen.add(sample.group(1, 2))
        family = sample[1] if sample[1] in kinds else re.sub(r"_(bucket|sum|count)$", "", sample[1])
        assert family in kinds, line
        assert not families or families[-1] == family or family not in families, "in two places: " + line
        if not families or families[-1] != family:
            families.append(family)
assert len(kinds) > 20
PY

# ---- every route is described, and every description is a route -----------------------------------------------------------
described=$(sed -n 's/^  \(\/[^:]*\):$/\1/p' schema/openapi.yaml)
[ "$(wc -l <<<"$described")" -ge 20 ] || fail "the description has lost its paths"
for path in $described; do
	at=$(sed -e 's/{level}/0/' -e 's/tile\/entries\/{number}/tile\/entries\/000/' -e 's/{number}/000/' -e 's/{id}/x/' <<<"$path")
	curl -sS -o "$WORK/answer" -X OPTIONS -D "$WORK/head" "$BASE_URL$at"
	[ "$(status_of)" = 405 ] || fail "$path is described and no route: $(status_of)"
done
routes=$(sed -n 's/.*{METHOD_[A-Z]*, *"\(\/[^"]*\)".*/\1/p' gateway/governance.c)
[ "$(wc -l <<<"$routes")" -ge 15 ] || fail "where are the routes?"
for path in $routes; do
	grep -qxF -- "$path" <<<"$described" || fail "$path is a route that schema/openapi.yaml lacks"
done
