"""Hostile bodies and headers from a caller with a good key, over raw sockets: each gets one answer, 200 to 4xx, refusals with an
   OpenAI error object in both languages, and nothing of what was said comes back as a header or an event. Spoilt framing is the
   business of test_door and 14-hostile.
   _bodies.py HOST:PORT KEY"""
import json
import re
import socket
import sys
import time

host, port = sys.argv[1].rsplit(":", 1)
KEY = sys.argv[2]
MODEL = "haechi-demo"
failures, counts = [], {}
REFUSED = {400, 401, 403, 404, 413, 415, 431}
ANY = REFUSED | {200, 202}


def said(body, path="/v1/chat/completions", extra=b"", authorization=b"Bearer " + KEY.encode(), method=b"POST"):
    head = method + b" " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
    if authorization is not None:
        head += b"Authorization: " + authorization + b"\r\n"
    return head + b"Content-Length: %d\r\n" % len(body) + extra + b"\r\n" + body


def case(name, raw, wanted=REFUSED):
    with socket.create_connection((host, int(port)), timeout=30) as s:
        try:
            s.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = b""
        try:
            while piece := s.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
        except TimeoutError:
            failures.append(f"{name}: hangs")
            return
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) .*", lines[0])
    if not match:
        failures.append(f"{name}: no answer: {got[:80]!r}")
        return
    status = int(match[1])
    counts[status] = counts.get(status, 0) + 1
    if status not in wanted:
        failures.append(f"{name}: {status}, wanted {sorted(wanted)}: {body[:160]!r}")
    if any(line.lower().startswith(b"x-evil") for line in lines) or b"\ndata: evil" in body:
        failures.append(f"{name}: what was said came back as a header or an event")
    if len(re.findall(rb"HTTP/1\.1 \d{3} ", got)) != 1:
        failures.append(f"{name}: more than one answer")
    if status >= 400:
        try:
            error = json.loads(body)["error"]
            if not (isinstance(error["type"], str) and "param" in error and "code" in error and
                    re.search("[가-힣].*[/.] .*[a-z]", error["message"])):
                failures.append(f"{name}: error object {error}")
        except (ValueError, KeyError, TypeError):
            failures.append(f"{name}: no error object: {body[:160]!r}")


def body_of(**more):
    return json.dumps({"model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": "안녕"}]} | more).encode()


def text(content):
    return body_of(messages=[{"role": "user", "content": content}])


GOOD = body_of()
INSIDE = json.dumps("안녕")[1:-1].encode()

# ---- no JSON, or other JSON than a request
for raw in (b"", b"  ", b"null", b"[]", b"{}", b'"x"', b"1", GOOD[:-1], GOOD + b"x", GOOD + GOOD, b"[" * 100000, b'{"a":' * 100000,
            b'{"x":' + b"[" * 100000 + b"]" * 100000 + b"," + GOOD[1:], b'{"model":"x",' + GOOD[1:], GOOD[:-1] + b',"messages":[]}',
            b'{"mo\\u0064el":"x",' + GOOD[1:], GOOD.replace(b'"role": "user"', b'"role":"user","role":"system"')):
    case(f"body {raw[:30]!r}", said(raw))
case("50,000 members", said(json.dumps({f"k{i}": 1 for i in range(50000)}).encode()))
case("byte order mark", said(b"\xef\xbb\xbf" + GOOD), ANY)

# ---- strings that are none, everywhere a string may stand
for bad in (b"\\ud800", b"\\udc00", b"\\udc00\\ud800", b"\\ud800\\ud800", b"\\u12g4", b"\\x41", b"\0", b"\t", b"\n", b"\xff", b"\xc0\xaf",
            b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xed\x95"):
    case(f"text {bad!r}", said(GOOD.replace(INSIDE, b"a" + bad + b"b")), {400})
    case(f"model {bad!r}", said(GOOD.replace(MODEL.encode(), b"a" + bad)), {400})
    case(f"name {bad!r}", said(b'{"a' + bad + b'":1,' + GOOD[1:]), {400})
case("U+0000 in a text", said(GOOD.replace(INSIDE, b"\\u0000")), ANY)

# ---- numbers, and everything else where a number belongs
for value in (b"1e999", b"-1e999", b"NaN", b"Infinity", b"1e", b"01", b".5", b"+1", b"0x1", b"9" * 400, b"9" * 100000, b"1e-999",
              b"9223372036854775808", b"true", b'"1"', b"[]", b"{}", b"-1", b"2.5", b"0"):
    for name in (b"max_tokens", b"temperature", b"seed", b"n", b"stream", b"x_unknown", b"stop", b"top_logprobs"):
        case(f"{name.decode()} = {value[:20].decode()}",
             said(b'{"model":"haechi-demo","messages":[{"role":"user","content":"a"}],"max_completion_tokens":2,"' + name + b'":' + value + b"}"),
             ANY)

# ---- members of the wrong kind
for name in ("stop", "user", "metadata", "tools", "tool_choice", "response_format", "stream_options", "logit_bias", "modalities"):
    for value in (None, "", 5, True, [], {}, [""], [5], [None], "a" * 100000, ["a"] * 1000, {"a": {"b": []}}):
        case(f"{name} = {json.dumps(value)[:20]}", said(body_of(**{name: value, "stream": name == "stream_options"})), ANY)
for value in (None, "", 5, [], {}, MODEL + "\0", MODEL + "\u200b", "ｈaechi-demo", "HAECHI-DEMO", MODEL + "\r\nX-Evil: 1", "../" + MODEL,
              "a" * 100000, "\u202eomed", "h\u0430echi-demo", "*", MODEL + " "):
    case(f"model {str(value)[:20]!r}", said(body_of(model=value)), {400, 403, 404})
for value in (None, "", 5, [], {}, [None], ["x"], [[]], [{}], [{"role": "user"}], [{"content": "x"}], [{"role": "user", "content": 5}],
              [{"role": "user", "content": {}}], [{"role": "user", "content": [5]}], [{"role": "user", "content": [{"type": "text"}]}],
              [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}], [{"role": "root", "content": "x"}],
              [{"role": 5, "content": "x"}], [{"role": "user\r\n", "content": "x"}], [{"role": "tool", "content": "x"}],
              [{"role": "assistant", "tool_calls": 5}], [{"role": "user", "content": "x", "name": 5}]):
    case(f"messages {json.dumps(value)[:60]}", said(body_of(messages=value)), {400})
for path, name in (("/v1/completions", "prompt"), ("/v1/embeddings", "input")):
    for value in (None, 5, True, {}, [], [[]], [None], [{}], ["a", 5], "", [""], ["a"] * 3000, [1, 2, 3], [1.5], [-1], [[99999999999999999999]]):
        case(f"{path} {json.dumps(value)[:30]}", said(json.dumps({"model": MODEL, name: value}).encode(), path), ANY)

# ---- much of it
case("10,000 messages", said(body_of(messages=[{"role": "user", "content": "a"}] * 10000)))
case("2 MB", said(text("a" * 2000000)), {413})
for content in ("가" * 290000, "\u200b" * 100000, "e" + "\u0301" * 100000, "9" * 500000, "a@b." * 100000, "900101-1990006 " * 30000,
                "QUFB" * 100000, "%25" * 100000):
    case(f"long {content[:12]!r}", said(text(content)), ANY)

# ---- what might come back
case("event in a text", said(body_of(stream=True, user="\n\ndata: evil\n\n", messages=[{"role": "user", "content": "\n\ndata: evil\n\n"}])), ANY)
for value in (b"a" * 129, b"", b"a b", b"a/b", b'a"b', "가".encode(), b"a,b", b"%0d%0aX-Evil:1", b"<script>", b"../x", b"a\tb"):
    case(f"request id {value[:12]!r}", said(GOOD, extra=b"X-Request-ID: " + value + b"\r\n"), {400})
    case(f"request id {value[:12]!r} of a list", said(b"", "/v1/models", extra=b"X-Request-ID: " + value + b"\r\n", method=b"GET"), {400})
for value in (b"nope", b"", b"../civil-guide", b"civil-guide\xff", b"a" * 5000, b"civil-guide,x", b"CIVIL-GUIDE", b"' OR 1=1 --"):
    case(f"use case {value[:12]!r}", said(GOOD, extra=b"X-Haechi-Use-Case: " + value + b"\r\n"), {400, 403})
for value in (None, b"Bearer", b"Bearer x", b"Basic YTpi", b"Bearer " + KEY.encode()[:-1], b"Bearer " + KEY.encode() + b" x",
              b"Bearer " + b"a" * 5000, b"Bearer " + KEY[:16].encode(), b"Bearer \xff", b"Negotiate"):
    case(f"authorization {value if value is None else value[:12]!r}", said(GOOD, authorization=value), {400, 401})

begun = time.monotonic()
case("and a good one", said(GOOD), {200})
if time.monotonic() - begun > 10:
    failures.append("slow after all that")
print(sum(counts.values()), "cases:", ", ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
