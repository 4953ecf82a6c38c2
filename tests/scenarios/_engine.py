"""An engine that plays parts, on a Unix socket: the model's name in the request says which. For answers a real model
cannot be made to give: identifiers cut into pieces, streams that break off, other weights, words that are no JSON."""
import http.server, json, os, socketserver, sys

RRN = "900101-1990006"
# The same number as it is, in escapes, and as a bare number: what a client parses must not hold it.
ARGUMENTS = '{"who":"%s","also":"900101\\u002d\\u0031990006","number":9001011990006,"ok":true}' % RRN
SAYS = f"담당자 번호는 {RRN} 입니다. 끝."


class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        part, stream = asked["model"], asked.get("stream", False)
        seen = json.dumps(asked, ensure_ascii=False)
        with open(sys.argv[2], "a") as log:
            log.write(seen + "\n")
        says = asked["messages"][-1]["content"] if part == "echoes" else SAYS
        fingerprint = "sha256:" + ("ab" if part == "other-weights" else "cd") * 32
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        if part == "fails":
            return self.send(500, "application/json", json.dumps({"error": {"message": "the prompt was " + seen}}).encode())
        if part == "rejects":
            return self.send(400, "application/json", json.dumps({"error": {"message": "the prompt was " + seen}}).encode())
        if part == "lacks":
            return self.send(501, "application/json", json.dumps({"error": {"code": 501, "message": "not here: " + seen}}).encode())
        if part == "overflows":
            error = {"code": 400, "type": "exceed_context_size_error", "message": "too much: " + seen}
            return self.send(400, "application/json", json.dumps({"error": error}).encode())
        if part == "busy":
            error = {"message": "the prompt was " + seen, "code": "busy", "queue_position": 64, "retry_after": 7}
            return self.send(429, "application/json", json.dumps({"error": error}).encode())
        if part == "babbles":
            return self.send(200, "application/json", b"<html>" + seen.encode())
        call = {"id": "c", "type": "function", "function": {"name": "find_person", "arguments": ARGUMENTS}}
        if part == "calls" and not stream:
            body = {"id": "x", "object": "chat.completion", "model": part, "system_fingerprint": fingerprint, "usage": usage,
                    "choices": [{"index": 0, "finish_reason": "tool_calls",
                                 "message": {"role": "assistant", "content": None, "tool_calls": [call]}}]}
            return self.send(200, "application/json", json.dumps(body).encode())
        if not stream:
            body = {"id": "x", "object": "chat.completion", "model": part, "system_fingerprint": fingerprint, "usage": usage,
                    "evil": seen, "choices": [{"index": 0, "finish_reason": "stop",
                                               "message": {"role": "assistant", "content": says, "evil": 1}}]}
            return self.send(200, "application/json", json.dumps(body).encode())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def event(delta, finish=None, **more):
            one = {"id": "x", "object": "chat.completion.chunk", "model": part, "system_fingerprint": fingerprint,
                   "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
            self.chunk("data: " + json.dumps(one, ensure_ascii=False) + "\n\n")

        event({"role": "assistant", "content": ""})
        if part == "calls":
            event({"tool_calls": [{**call, "index": 0, "function": {"name": "find_person", "arguments": ""}}]})
            for letter in ARGUMENTS:
                event({"tool_calls": [{"index": 0, "function": {"arguments": letter}}]})
        for i, letter in enumerate("" if part == "calls" else says):
            if part == "breaks-off" and i == 8:
                self.close_connection = True
                return
            if part == "ends-early" and i == 8:
                self.chunk("")  # an orderly end of the body, without finish_reason and [DONE]
                return
            event({"content": letter})
        if part == "long":
            for _ in range(3000):
                event({"content": "긴 글입니다. " * 4})
        event({}, "tool_calls" if part == "calls" else "stop")
        self.chunk("data: " + json.dumps({"choices": [], "usage": usage}) + "\n\n")
        self.chunk("data: [DONE]\n\n")
        self.chunk("")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def server_bind(self):
        super().server_bind()
        self.server_name, self.server_port = "engine", 0


if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
Server(sys.argv[1], Engine).serve_forever()
