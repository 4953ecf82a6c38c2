#!/usr/bin/env python3
"""Clients that note what they were promised: entry ids of every answer received whole, one a line.

_load.py BASE_URL KEY CLIENTS SECONDS OUT   (connections that break are what the scenario is about: counted, not errors)
"""
import http.client, json, sys, threading, time, urllib.parse

base, key, clients, seconds, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
address = urllib.parse.urlsplit(base).netloc
end = time.monotonic() + seconds
lock, file, counts = threading.Lock(), open(out, "w"), {}
body = json.dumps({"model": "haechi-demo", "max_tokens": 4, "temperature": 0, "messages": [{"role": "user", "content": "안녕하세요"}]})
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}

def note(what, line=None):
    with lock:
        counts[what] = counts.get(what, 0) + 1
        if line:
            file.write(line + "\n")
            file.flush()

def client():
    connection = None
    while time.monotonic() < end:
        try:
            connection = connection or http.client.HTTPConnection(address, timeout=20)
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
            entry = answer.getheader("X-Haechi-Entry")
            note(answer.status, entry if answer.status == 200 else None)
        except (OSError, http.client.HTTPException):
            note("broken")
            if connection:
                connection.close()
            connection = None
            time.sleep(0.05)

threads = [threading.Thread(target=client) for _ in range(clients)]
for each in threads: each.start()
for each in threads: each.join()
print(json.dumps(counts, default=str))
