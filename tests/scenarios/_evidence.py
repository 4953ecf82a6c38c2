"""Clients of every manner: refused, held, leaving at every moment, ten for one approval. Prints what each kind should leave.
   _evidence.py HOST:PORT KEY_GUIDE KEY_WELFARE CONTROL HAECHI"""
import json
import socket
import subprocess
import sys
import threading
import time

host, port = sys.argv[1].rsplit(":", 1)
guide, welfare, control, haechi = sys.argv[2:6]
CANARY = "해치카나리아0427"
failures = []


def connect():
    s = socket.create_connection((host, int(port)), timeout=60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def request(key, body, name, method="POST", path="/v1/chat/completions", extra=""):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return (f"{method} {path} HTTP/1.1\r\nHost: a\r\n{authorization}X-Request-ID: {name}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(raw)}\r\n{extra}\r\n").encode() + raw


def answer(raw):
    with connect() as s:
        s.sendall(raw)
        got = b""
        while piece := s.recv(65536):
            got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), {n.lower(): v for n, _, v in (line.partition(": ") for line in lines[1:])}, body


def chat(**more):
    return {"model": "haechi-demo", "max_tokens": 24, "messages": [{"role": "user", "content": f"{CANARY} 안녕하세요"}], **more}


def expect(name, got, wanted):
    if got != wanted:
        failures.append(f"{name}: {got} instead of {wanted}")


def ask(name, key, body, status, decision, **more):
    code, head, text = answer(request(key, body, name, **more))
    expect(name, (code, head.get("x-haechi-decision"), head.get("x-request-id")), (status, decision, name))
    if not head.get("x-haechi-entry") or not head.get("x-haechi-verdict"):
        failures.append(f"{name}: no entry or verdict in the head: {head}")
    return text


# ---- every kind of answer
ask("plain", guide, chat(), 200, "permit")
ask("stream", guide, chat(stream=True), 200, "permit")
ask("nokey", None, chat(), 401, "deny")
ask("badkey", "hk_none_x", chat(), 401, "deny")
ask("badjson", guide, b"{" + CANARY.encode(), 400, "deny")
ask("badmember", guide, chat(temperature="hot"), 400, "deny")
ask("nomodel", guide, chat(model="none"), 404, "permit")
ask("usecase", guide, chat(), 403, "deny", extra="X-Haechi-Use-Case: welfare-eligibility\r\n")
ask("engine-refuses", guide, chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]), 400, "permit")
ask("completion", guide, {"model": "haechi-demo", "prompt": CANARY, "max_tokens": 3}, 200, "permit", path="/v1/completions")
ask("embedding", guide, {"model": "haechi-demo", "input": CANARY}, 200, "permit", path="/v1/embeddings")


# ---- tickets
def hold(name):
    return json.loads(ask(name, welfare, chat(), 202, "hold"))["id"]


def review(word, ticket, *more):
    subprocess.run([haechi, "review", word, ticket, "--socket", control, *more], check=True, stdout=subprocess.DEVNULL)


def fetch(ticket, name):
    code, head, _ = answer(request(welfare, b"", name, "GET", f"/haechi/v1/tickets/{ticket}"))
    expect(name + ": entry in the head", bool(head.get("x-haechi-entry")), True)
    return code, head.get("x-haechi-decision")


refused, approved, waiting = hold("held-refused"), hold("held-approved"), hold("held-waiting")
review("refuse", refused, "--reason", "자료가 모자람")
expect("refused", fetch(refused, "fetch-refused"), (403, "deny"))
expect("waiting", fetch(waiting, "fetch-waiting"), (202, "hold"))
review("show", approved)
review("approve", approved, "--reason", "자료와 대조함")
codes = []
threads = [threading.Thread(target=lambda i=i: codes.append(fetch(approved, f"fetch-{i}")[0])) for i in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
expect("ten fetch one approval", sorted(codes), [200] + [409] * 9)
expect("once more", fetch(approved, "fetch-again")[0], 409)

# ---- leaving: with each share of the request said, at once or after a while, hard (RST) or softly
for i in range(60):
    raw = request(guide, chat(stream=i % 2 == 0, max_tokens=200), f"leave-{i}")
    s = connect()
    s.sendall(raw[: len(raw) * (i + 1) // 40] if i < 40 else raw)
    if i >= 30:
        time.sleep((i % 10) * 0.01)
    if i >= 50:
        s.recv(200)
    if i % 3 == 0:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()

for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
