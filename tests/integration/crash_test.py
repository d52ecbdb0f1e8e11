"""Twinstream, and now and then the sink with it, is killed at random moments in every phase, under mixed traffic;
nothing acknowledged may be lost, duplicated, reordered or contradicted in either store."""

import json
import os
import random
import signal
import sys
import time

from support import running_stack, start_traffic

import record
from client import Client
from daemon import wait_until

HISTORY = 3000
# In the last one EventStore decides; the inventory has been moved over to /streams by then.
PLAN = [("dual-write", 9), ("backfill", 9), ("read-switch", 9), ("retire", 9)]


def kill_and_restart(stack, rng):
    """At any moment of its life, the start included."""
    try_early = rng.random() < 0.2
    if not try_early:
        time.sleep(rng.uniform(0.02, 0.5))
    stack.serve.kill()
    if rng.random() < 0.2:
        stack.sink.kill()
        stack.start_sink()
    stack.serve.start(stack.binary, "serve", "--config", stack.config, wait=False)
    if not (try_early and rng.random() < 0.5):
        stack.serve.ready()


def enter(stack, phase):
    if phase == "retire":
        target = json.dumps({"append_to": f"http://{stack.settings['listen']}"})
        assert Client(stack.settings["backend"]).until_answered("PUT", "/storage", target)[0] == 200
        stack.write_config(phase=phase, moved=True)
    elif phase == "read-switch":
        stack.write_config(phase=phase, ack="both", reads="from: eventstore")
    else:
        stack.write_config(phase=phase)


def crash_through_all_phases(stack, path, rng):
    kills = 0
    for phase, count in PLAN:
        enter(stack, phase)  # the phase is also entered, or not, under kills
        for _ in range(count):
            written = record.acknowledged_count(path)
            kill_and_restart(stack, rng)
            kills += 1
            more = rng.choice([1, 1, 50])  # sometimes it lives long enough to get far
            wait_until("writes going on after a kill", lambda: record.acknowledged_count(path) >= written + more, 90)
        stack.serve.ready()
        stack.wait_for_phase(phase, 90)
        print(f"crash: {count} kills while in or on the way to {phase}, "
              f"{record.acknowledged_count(path)} events acknowledged so far", flush=True)
    return kills


def settle_and_verify(stack, path, traffic):
    traffic.signal(signal.SIGTERM)
    status = traffic.wait(120)
    print(traffic.output().strip())
    assert status == 0, "the traffic saw anomalies; the record tells them"
    stack.write_config(phase="read-switch", reads="from: eventstore, fallback: false")
    stack.wait_for_phase("read-switch", 60)
    stack.wait_for_mirror(120)
    print(stack.must_run("check").strip())
    before = reads(stack)
    lines, problems = record.verify(path, stack.postgres_url, stack.settings["listen"], HISTORY)
    after = reads(stack)
    print("\n".join(lines + problems[:50]))
    assert not problems
    assert after["eventstore"] > before["eventstore"] and after["postgres"] == before["postgres"], (before, after)


def reads(stack):
    rows = stack.wait_for_status("serve answering", lambda _: True)["categories"]
    return {source: sum(row["reads"][source] for row in rows) for source in ("postgres", "eventstore")}


def main():
    seed = os.environ.get("TWINSTREAM_TEST_SEED") or str(random.randrange(10**9))
    print(f"crash: TWINSTREAM_TEST_SEED={seed}", flush=True)
    rng = random.Random(seed)
    with running_stack(sys.argv[1], history=HISTORY) as stack:
        path = stack.work / "record.jsonl"
        traffic = start_traffic(stack, path, "--clients", "8", "--seed", seed, "--rate", "400")
        kills = crash_through_all_phases(stack, path, rng)
        settle_and_verify(stack, path, traffic)
    assert kills >= 30
    print(f"crash: {kills} kills, nothing lost, duplicated, reordered or contradicted")


if __name__ == "__main__":
    main()
