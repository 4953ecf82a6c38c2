#!/usr/bin/env python3
"""The real haechid with its signer and PostgreSQL, under a disk and sockets that fail (tests/preload/faulty.c), life after life.

Each life begins with the recovery of the one before. In it the n-th call of a chosen sort (of journal, signer's memory,
tile files, signer's socket, PostgreSQL's sockets) ends the process, fails, is cut short or torn; after an end the power may go as well: what no
finished sync covers is then dropped, torn at 512 bytes or zeroed, names included. Every few lives there is one without faults, in
which everything must hold:
  - each entry id a client was shown is in the verified log; each answer received whole has its outcome too
  - a client saw an answer, a refusal with an OpenAI error object, or a broken connection; nothing else
  - sizes never go back, and every checkpoint that was ever published is consistent with the newest log
  - after a failed write or sync of the journal: 503 until the restart, and not one more write to it

_faults.py FAULTY.so LIVES SEED     (0 lives: every n of every sort once)    environment: see 18-faults.sh
"""
import collections, json, mmap, os, random, signal, struct, sys, time
from errno import ECONNREFUSED, ECONNRESET, EINTR, EIO, EMFILE, ENOSPC, EPIPE, ETIMEDOUT
from _promises import GUIDE, WELFARE, Daemon, Promises, Wrong, get

library, lives, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
env = os.environ
state, work = env["STATE"], env["WORK"]
chance = random.Random(seed)
promises = Promises(chance)
counts = promises.counts

# ---- the shared memory of faulty.c ----------------------------------------------------------------------------------------
KINDS = ["nothing", "journal", "head", "tiles", "signer", "database"]
CALLS = ["open", "read", "write", "resize", "sync", "name", "unlink", "connect", "send", "receive"]
COUNT, CRASH, FAIL, SHORT, TORN, DROP, FAIL_ON, DELAY = range(8)
MODES = ["count", "crash", "fail", "short", "torn", "drop", "fail-on", "delay"]
BYTES, SIZE, SYNCED, CREATED, RENAMED, REMOVED, FOLDER = range(1, 8)
CALLS_AT, OPS_AT, OP = 64, 65848, struct.Struct("II6Q64s64s")
DATA_AT = OPS_AT + 65536 * OP.size
shared_path = work + "/faulty"
with open(shared_path, "wb") as file:
    file.truncate(DATA_AT + 256 * 1024 * 1024)
os.chmod(shared_path, 0o600)
shared = mmap.mmap(os.open(shared_path, os.O_RDWR), DATA_AT + 256 * 1024 * 1024)

def plan_set(kind, call, at, mode, error):
    only = 1 << KINDS.index(kind) | 1 << 16 + CALLS.index(call) if kind else 0
    shared[0:OPS_AT] = struct.pack("4I", only, at, mode, error).ljust(OPS_AT, b"\0")

def seen():
    counted, fired, kind, call, after, cut, _, ops = struct.unpack_from("8I", shared, 16)
    return collections.namedtuple("seen", "counted fired kind call after cut ops")(counted, fired, KINDS[kind], CALLS[call], after, cut, ops)

def calls_seen():
    """{(kind, call): count} of a life."""
    counts = struct.unpack_from("60I", shared, CALLS_AT)
    return {(kind, call): counts[10 * k + c] for k, kind in enumerate(KINDS) for c, call in enumerate(CALLS) if counts[10 * k + c]}

# ---- the power goes -------------------------------------------------------------------------------------------------------
def power_cut(mode):
    """Take away what no finished sync covers. mode 0: all of it; 1: torn; 2: torn and zeroed; 3: nothing."""
    ops = [OP.unpack_from(shared, OPS_AT + i * OP.size) for i in range(seen().ops)]
    where, forced, names_forced, taken, names = {}, collections.Counter(), 0, 0, []
    for folder in (state + "/ledger", state + "/keys"):
        for name in os.listdir(folder):
            where[os.stat(folder + "/" + name).st_ino] = folder + "/" + name
    for i in range(len(ops) - 1, -1, -1):
        change, begin, inode, offset, size, old_size, data, old_bytes, name, to = ops[i]
        if change == SYNCED:
            forced[inode] = max(forced[inode], begin)
        elif change == FOLDER:
            names_forced = max(names_forced, begin)
        elif change in (CREATED, RENAMED, REMOVED):
            if i >= names_forced:
                names.append((change, inode, name.rstrip(b"\0").decode().split("/")[-1], to.rstrip(b"\0").decode().split("/")[-1]))
        elif i >= forced[inode] and inode in where and mode != 3:
            old = shared[DATA_AT + data:DATA_AT + data + old_bytes]
            with open(where[inode], "r+b") as file:
                if change == SIZE:
                    if mode == 0 or chance.random() < 0.5:
                        file.truncate(old_size)
                        file.seek(offset)
                        file.write(old)
                        taken += 1
                    continue
                old += bytes(size - old_bytes)
                for at in range(0, size, 512):
                    fate = 1 if mode == 0 else chance.randrange(2 if mode == 1 else 3)
                    if fate == 0:
                        continue
                    piece = old[at:at + 512] if fate == 1 else bytes(min(512, size - at))
                    file.seek(offset + at)
                    file.write(piece)
                    taken += 1
    # A file system that journals keeps the order of names: the newest are undone first, as far as it comes.
    count = len(names) if mode == 0 else 0 if mode == 3 else chance.randrange(len(names) + 1)
    folder = state + "/ledger/"
    for change, inode, name, to in names[:count]:
        if change == CREATED and os.path.exists(folder + name):
            os.unlink(folder + name)
        elif change == RENAMED and os.path.exists(folder + to):
            os.rename(folder + to, folder + name)
        elif change == REMOVED and os.path.exists(f"{folder}{name}.kept{inode}"):
            os.rename(f"{folder}{name}.kept{inode}", folder + name)
    return taken + count

def forget_kept():
    for name in os.listdir(state + "/ledger"):
        if ".kept" in name:
            os.unlink(state + "/ledger/" + name)

# ---- one life -------------------------------------------------------------------------------------------------------------
FAULTY = {"LD_PRELOAD": library, "FAULTY": shared_path, "FAULTY_STATE": state}

def ready(daemon):
    """Until it is, has ended, or has met a fault that keeps it from being ready."""
    end = time.monotonic() + 40
    while time.monotonic() < end and daemon.alive() and not seen().cut:
        if daemon.ready():
            return True
        if seen().fired and get("/healthz")[0] == 200:
            return daemon.ready()
        time.sleep(0.01)
    return False

def everything_holds():
    """A life without faults: it recovers, ships all, verifies, and holds what was promised."""
    plan_set(None, None, 0, COUNT, 0)
    daemon = Daemon(FAULTY)
    if not ready(daemon):
        raise Wrong("without a fault it does not start:\n" + daemon.said()[-2000:])
    promises.load(3, 4)
    for sort, count in calls_seen().items():
        every[sort] = max(count, every.get(sort, 0))
    promises.hold()
    daemon.end(signal.SIGKILL if chance.random() < 0.5 else signal.SIGTERM)

every = {}
FATES = {
    "open": [(CRASH, 0), (FAIL, EIO), (FAIL, EMFILE), (FAIL, ENOSPC)],
    "read": [(CRASH, 0), (FAIL, EIO), (FAIL, EINTR), (SHORT, 0)],
    "write": [(CRASH, 0), (TORN, 0), (TORN, 0), (FAIL, EIO), (FAIL, ENOSPC), (FAIL_ON, ENOSPC), (FAIL, EINTR), (SHORT, 0)],
    "resize": [(CRASH, 0), (FAIL, ENOSPC), (FAIL_ON, ENOSPC)],
    "sync": [(CRASH, 0), (CRASH, 0), (FAIL, EIO), (DROP, EIO), (DROP, EIO), (FAIL_ON, EIO)],
    "name": [(CRASH, 0), (FAIL, EIO), (FAIL, ENOSPC)],
    "unlink": [(CRASH, 0), (FAIL, EIO)],
    "connect": [(CRASH, 0), (FAIL, ECONNREFUSED), (FAIL, ETIMEDOUT)],
    "send": [(CRASH, 0), (TORN, 0), (FAIL, ECONNRESET), (FAIL, EPIPE), (FAIL, EINTR), (SHORT, 0), (DELAY, 1)],
    "receive": [(CRASH, 0), (FAIL, ECONNRESET), (FAIL, ETIMEDOUT), (FAIL, EINTR), (SHORT, 0), (DELAY, 1)],
}
hits = collections.Counter()

def ended(daemon):
    """Its own start may be the entry that could not be kept: then it is about to end."""
    end = time.monotonic() + 20
    while daemon.alive() and get("/healthz")[0] != 200 and time.monotonic() < end:
        time.sleep(0.01)
    return not daemon.alive()

def life(kind, call, at, mode, error):
    plan_set(kind, call, at, mode, error)
    daemon = Daemon(FAULTY)
    started = ready(daemon)
    begun = seen().fired
    if started:
        promises.load(3, 4)
    state_now = seen()
    if state_now.fired:
        hits[(state_now.kind, state_now.call, MODES[mode])] += 1
    refused = mode in (FAIL, FAIL_ON, DROP)
    if not started and not state_now.cut and not (state_now.fired and refused and error != EINTR):
        raise Wrong("it does not start:\n" + daemon.said()[-2000:])
    if not state_now.cut and state_now.fired and refused and ended(daemon):
        started = False # it was ready for a moment, and its own entry could not be kept
        if daemon.process.returncode != 2:
            raise Wrong(f"at start: exit {daemon.process.returncode}\n" + daemon.said()[-2000:])
        counts["refused at start"] += 1
    # A failed change of the journal is final.
    if started and not begun and state_now.fired and refused and error != EINTR and state_now.kind == "journal" and \
            state_now.call in ("write", "resize", "sync", "name"):
        for key in (GUIDE, WELFARE):
            status = promises.ask(key)
            if status != 503 and not (status == "broken" and ended(daemon)):
                raise Wrong(f"after a failed {state_now.call} of the journal a request is answered with {status}")
        if daemon.alive() and get("/readyz")[0] != 503:
            raise Wrong("after a failed write readyz says ready")
        counts["stayed refused"] += 1
        if seen().after:
            raise Wrong(f"after a failed {state_now.call} the journal was written {seen().after} more times")
    cut = state_now.cut or chance.random() < 0.6
    daemon.end(signal.SIGKILL if cut else signal.SIGTERM)
    lost = 0
    if cut and chance.random() < 0.75:
        lost = power_cut(chance.randrange(4))
        counts["power cuts"] += 1
    forget_kept()
    return lost

def main():
    print(f"faults: seed {seed}", flush=True)
    begin = time.monotonic()
    everything_holds()
    everything_holds() # now with all that recovery has to do
    if lives:
        tries = []
        while len(tries) < lives: # kinds of calls alike, however often each is made
            tries += [(kind, call, chance.randrange(every[kind, call]) + 1) for kind, call in chance.sample(list(every), len(every))]
        tries = tries[:lives]
    else:
        tries = [(kind, call, at + 1) for kind, call in every for at in range(every[kind, call])]
        chance.shuffle(tries)
    print("calls of a life:", ", ".join(f"{kind} {call} {count}" for (kind, call), count in every.items()), "; lives:", len(tries), flush=True)
    for number, (kind, call, at) in enumerate(tries):
        mode, error = chance.choice(FATES[call])
        try:
            lost = life(kind, call, at, mode, error)
            if env.get("VERBOSE"):
                print(number, kind, call, at, MODES[mode], error, seen(), lost, flush=True)
            if number % 8 == 7 or number == len(tries) - 1:
                everything_holds()
        except Wrong as why:
            print(f"FAIL: seed {seed}, life {number}: {kind} {call} {at}, {MODES[mode]} {error}; {seen()}: {why}")
            sys.exit(1)
    fired = sum(hits.values())
    for (kind, call, mode), count in sorted(hits.items()) if env.get("VERBOSE") or len(tries) > 100 else []:
        print(f"  {kind:9}{call:9}{mode:9}{count:5}")
    print(f"faults: {len(tries)} lives, {fired} met their fault ({len(hits)} kinds of it), {counts['power cuts']} power cuts, answers",
          json.dumps(counts, default=str), f"; {len(promises.shown)} entries shown, none lost; {len(promises.notes)} checkpoints, all of one history; size {promises.newest};",
          f"{time.monotonic() - begin:.0f} s")

main()
