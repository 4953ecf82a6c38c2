#!/usr/bin/env python3
"""SIGKILL at random moments under load: haechid, its signer, a server process of PostgreSQL, or all of PostgreSQL.

_kills.py KILLS SEED      environment: see _promises.py; BUILD_CLUSTER: "deploy/cluster.sh start FOLDER" starts PostgreSQL again
Who is killed is started again by this script, as a supervisor would. Between rounds everything that clients were promised is held
against the verified log.
"""
import collections, os, random, signal, subprocess, sys, threading, time
from _promises import Daemon, Promises, Wrong, get, sql

kills, seed, folder = int(sys.argv[1]), int(sys.argv[2]), os.environ["WORK"] + "/pg"
chance = random.Random(seed)
promises, done = Promises(random.Random(seed + 1)), collections.Counter()

def up(daemon, seconds=40):
    end = time.monotonic() + seconds
    while not daemon.ready():
        if not daemon.alive():
            raise Wrong("it does not start again:\n" + daemon.said()[-2000:])
        if time.monotonic() > end:
            raise Wrong("it never becomes ready:\n" + daemon.said()[-2000:])
        time.sleep(0.01)
    return daemon

def start():
    daemon = Daemon()
    # One in five is killed while it starts, too: recovery must bear it.
    if chance.random() < 0.2 and sum(done.values()) < kills:
        time.sleep(chance.random() * 0.4)
        daemon.end(signal.SIGKILL)
        done["haechid while it starts"] += 1
        return start()
    return up(daemon)

def kill(daemon):
    what = chance.choices(["haechid", "signer", "backend", "postgresql"], [5, 3, 3, 1])[0]
    if what == "haechid":
        daemon.end(signal.SIGKILL)
        done[what] += 1
        return start()
    if what == "signer":
        pid = daemon.signer()
        if pid is None:
            raise Wrong("no signer")
        os.kill(pid, signal.SIGKILL)
        done[what] += 1
        end = time.monotonic() + 20
        while get("/readyz")[0] != 503:
            if time.monotonic() > end:
                raise Wrong("the signer is dead and haechid says it is ready")
            time.sleep(0.005)
        time.sleep(chance.random() * 0.1)
        daemon.end(chance.choice([signal.SIGTERM, signal.SIGKILL]))
        return start()
    if what == "backend":
        backends = sql("SELECT pid FROM pg_stat_activity WHERE usename = 'haechid'")
        if backends:
            os.kill(int(chance.choice(backends)), signal.SIGKILL)
            done[what] += 1
        return daemon
    pid = int(subprocess.run(["deploy/cluster.sh", "pid", folder], check=True, capture_output=True, text=True).stdout)
    os.kill(pid, signal.SIGKILL)
    done[what] += 1
    time.sleep(chance.random() * 0.5)
    end = time.monotonic() + 60
    while subprocess.run(["deploy/cluster.sh", "start", folder], capture_output=True).returncode != 0:
        if time.monotonic() > end:
            raise Wrong("PostgreSQL does not start again")
        time.sleep(0.2)
    return daemon

def database_back():
    end = time.monotonic() + 60
    while True:
        try:
            return sql("SELECT 1")
        except subprocess.CalledProcessError:
            if time.monotonic() > end:
                raise Wrong("PostgreSQL never comes back")
            time.sleep(0.1)

def main():
    print(f"kills: seed {seed}", flush=True)
    begin, daemon = time.monotonic(), start()
    while sum(done.values()) < kills:
        going, wrong = threading.Event(), []
        def clients():
            try:
                promises.load(6, 0, lambda: not going.is_set())
            except Wrong as why:
                wrong.append(why)
        load = threading.Thread(target=clients)
        load.start()
        try:
            for _ in range(min(20, kills)):
                if sum(done.values()) >= kills:
                    break
                time.sleep(chance.random() * 0.6)
                database_back()
                daemon = kill(daemon)
        finally:
            going.set()
            load.join()
        if wrong:
            raise wrong[0]
        database_back()
        up(daemon)
        promises.hold()
        print(f"  {sum(done.values())} kills, {len(promises.shown)} entries shown, size {promises.newest}, {time.monotonic() - begin:.0f} s", flush=True)
    daemon.end(signal.SIGTERM)
    print(f"kills: {sum(done.values())} ({', '.join(f'{count} {what}' for what, count in sorted(done.items()))}); answers",
          ", ".join(f"{count} {what}" for what, count in promises.counts.items()),
          f"; {len(promises.shown)} entries shown, none lost; {len(promises.notes)} checkpoints, all of one history; size {promises.newest}")

try:
    main()
except Wrong as why:
    print(f"FAIL: seed {seed}, after {sum(done.values())} kills: {why}")
    sys.exit(1)
