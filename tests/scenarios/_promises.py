"""What clients were promised, and whether the log keeps it. Used by the campaigns of crashes and faults.

Environment: BASE_URL KEY_GUIDE KEY_WELFARE STATE WORK PGSOCKET HAECHI HAECHID CONFIG, as the scenarios' library has them.
"""
import collections, fcntl, http.client, json, os, subprocess, threading, time, urllib.parse

env = os.environ
state, work = env["STATE"], env["WORK"]
address = urllib.parse.urlsplit(env["BASE_URL"]).netloc
GUIDE, WELFARE = env["KEY_GUIDE"], env["KEY_WELFARE"]

class Wrong(Exception):
    pass

def get(path):
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()

def sql(text):
    return subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", env["PGSOCKET"], "-U", "haechi_admin", "-d", "haechi", "-c", text],
                          check=True, capture_output=True, text=True).stdout.split()

class Daemon:
    def __init__(self, extra={}):
        self.log = open(work + "/haechid.log", "ab")
        self.log.write(b"--- a life begins\n")
        self.log.flush()
        self.log_from = self.log.tell()
        self.process = subprocess.Popen([env["HAECHID"], "-c", env["CONFIG"]], stderr=self.log, stdout=self.log, env={**env, **extra})

    def alive(self):
        return self.process.poll() is None

    def ready(self):
        return get("/readyz")[0] == 200

    def signer(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return next((int(pid) for pid in children.read().split()), None)

    def end(self, how):
        if self.alive():
            self.process.send_signal(how)
        try:
            self.process.wait(75)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Wrong("haechid does not end by SIGTERM")
        self.log.close()
        # The signer dies with its parent; it holds its memory locked until it is gone.
        with open(state + "/keys/last-head", "rb") as head:
            for _ in range(4000):
                try:
                    fcntl.flock(head, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except OSError:
                    time.sleep(0.005)
        raise Wrong("the signer outlives its parent")

    def said(self):
        with open(work + "/haechid.log", "rb") as log:
            log.seek(self.log_from)
            return log.read().decode(errors="replace")

class Promises:
    """shown: entry ids in heads of answers; whole: of answers received to the end; notes: every checkpoint that was published."""

    def __init__(self, chance):
        self.chance = chance
        self.shown, self.whole, self.notes, self.newest = set(), set(), [], 0
        self.counts, self.lock = collections.Counter(), threading.Lock()

    def ask(self, key):
        """The status, or "broken". A promise is noted as soon as its head is here."""
        connection = http.client.HTTPConnection(address, timeout=40)
        body = json.dumps({"model": "haechi-demo", "max_tokens": 1, "temperature": 0,
                           "messages": [{"role": "user", "content": "안녕하세요" * self.chance.randrange(1, 200)}]})
        try:
            connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
            answer = connection.getresponse()
            entry = answer.getheader("X-Haechi-Entry")
            if answer.status < 500:
                if not entry:
                    raise Wrong(f"status {answer.status} without an entry")
                with self.lock:
                    self.shown.add(entry)
            text = answer.read()
            if answer.status not in (200, 202, 503):
                raise Wrong(f"status {answer.status}: {text[:300]}")
            if answer.status == 503:
                error = json.loads(text)["error"]
                if not error["message"] or not error["type"] or "choices" in json.loads(text):
                    raise Wrong(f"no OpenAI error object: {text[:300]}")
            elif answer.status == 200:
                with self.lock:
                    self.whole.add(entry)
            return answer.status
        except (OSError, http.client.HTTPException):
            return "broken"
        finally:
            connection.close()

    def checkpoint(self):
        with self.lock:
            status, note = get("/log/checkpoint")
            if status != 200 or not note:
                return 0
            size = int(note.split(b"\n")[1])
            if size < self.newest:
                raise Wrong(f"the log was {self.newest} long and is {size} long now")
            self.newest = size
            self.notes.append(note)
            return size

    def load(self, clients, requests, go_on=None):
        """Each client asks `requests` times, or while go_on() says so, then breaks are part of it."""
        wrong = []
        def client(number):
            i = 0
            try:
                while go_on() if go_on else i < requests:
                    status = self.ask(WELFARE if (number + i) % 3 == 2 else GUIDE)
                    with self.lock:
                        self.counts[status] += 1
                    if status == "broken" and not go_on:
                        return
                    if status != 200 and status != 202:
                        time.sleep(0.02)
                    if number == 0 and status in (200, 202):
                        self.checkpoint()
                    i += 1
            except Exception as why:
                wrong.append(why)
        threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
        for each in threads: each.start()
        for each in threads: each.join()
        if wrong:
            raise wrong[0] if isinstance(wrong[0], Wrong) else Wrong(repr(wrong[0]))

    def hold(self):
        """Under a quiet, healthy daemon: everything arrives in the database, verifies with every head kept, and is all there."""
        end = time.monotonic() + 60
        while int(sql("SELECT count(*) FROM haechi.entry")[0]) != self.checkpoint():
            if time.monotonic() > end:
                raise Wrong("entries do not arrive in the database")
            time.sleep(0.05)
        arguments = [env["HAECHI"], "audit", "verify", "--vkey", state + "/log.vkey"]
        picked = self.notes if len(self.notes) <= 12 else [self.notes[0], self.notes[-1]] + self.chance.sample(self.notes, 10)
        for i, note in enumerate(picked):
            with open(f"{work}/witness.{i}", "wb") as file:
                file.write(note)
            arguments += ["--witness", f"{work}/witness.{i}"]
        result = subprocess.run(arguments, capture_output=True, text=True)
        if result.returncode != 0:
            raise Wrong("verify: " + result.stdout[-1500:] + result.stderr[-1500:])
        lost = self.shown - set(sql("SELECT id FROM haechi.entry WHERE kind = 'decision'"))
        if lost:
            raise Wrong(f"{len(lost)} shown entries are not in the log, one of them {lost.pop()}")
        lost = self.whole - set(sql("SELECT of FROM haechi.entry WHERE kind = 'outcome'"))
        if lost:
            raise Wrong(f"{len(lost)} whole answers have no outcome, one of them {lost.pop()}")
