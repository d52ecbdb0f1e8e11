"""The quickstart's walk: a running system is migrated, phase by phase, while clients write to it."""

import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import record
from client import Client
from daemon import Daemon, Failed, wait_until
from stack import CATEGORIES, DEMO, ROOT, Stack, categories

MARK = ".twinstream-quickstart"
EVENTS_PER_STAGE = 600  # acknowledged under live traffic before the walk goes on
RATE = 300              # requests per second: enough to be busy, little enough for a laptop
HEADINGS = ["stage", "seconds", "written", "mirrored", "pending", "lag s", "reads b/p/e", "verdict"]
WIDTHS = [24, 7, 7, 8, 7, 6, 13, 0]


def line(cells):
    return "  ".join(f"{cell:<{width}}" if place in (0, 6, 7) else f"{cell:>{width}}"
                     for place, (cell, width) in enumerate(zip(cells, WIDTHS)))


class Totals:
    """What the counters of all categories say at one moment."""

    def __init__(self, status, acknowledged):
        rows = categories(status).values()
        self.acknowledged = acknowledged
        self.mirrored = status["mirror"]["mirrored_events"]
        self.reads = {source: sum(row["reads"][source] for row in rows)
                      for source in ("backend", "postgres", "eventstore")}


class Walk:
    def __init__(self, work, logs, stack=None):
        self.stack, self.logs = stack or Stack(work), logs
        self.traffic = Daemon(work, "traffic", r"")
        self.record = self.stack.work / "record.jsonl"
        self.history = 0

    def prepare(self):
        stack = self.stack
        stack.start_postgres()
        done = subprocess.run([sys.executable, DEMO / "import_dpkg.py", "--database", stack.postgres_url,
                               *(word for log in self.logs for word in ("--log", log))],
                              stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout.strip())
        stack.start_backend()
        self.history = json.loads(Client(stack.settings["backend"]).until_answered("GET", "/health")[2])["events"]
        stack.start_sink()
        stack.write_config()
        print(stack.must_run("init").strip())
        stack.start_serve()
        self.record.touch()
        self.traffic.start(sys.executable, DEMO / "traffic.py", "--target", stack.settings["listen"],
                           "--rate", RATE, "--record", self.record)

    def stage(self, name, change, reached, verdict):
        """Makes a change under live traffic, waits until it is in force and events were written in it."""
        began, before = time.monotonic(), self.totals()
        change()
        self.stack.serve.signal(signal.SIGHUP)
        self.stack.wait_for_status(name, reached, 90)
        wait_until(f"traffic during {name}", lambda: self.enough_since(before), 60)
        # Under traffic something is always on its way; nothing may be for long.
        status = self.stack.wait_for_status(f"the mirror after {name}",
                                            lambda now: now["mirror"]["lag_seconds"] < 1 or not mirrored(now), 60)
        after = Totals(status, record.acknowledged_count(self.record))
        reads = "/".join(str(after.reads[source] - before.reads[source]) for source in after.reads)
        cells = [name, f"{time.monotonic() - began:.1f}", after.acknowledged - before.acknowledged,
                 after.mirrored - before.mirrored, status["mirror"]["pending_events"],
                 f"{status['mirror']['lag_seconds']:.2f}", reads, verdict(status)]
        print(line(cells), flush=True)

    def enough_since(self, before):
        if self.traffic.pid() is None:
            raise Failed(f"the traffic ended:\n{self.traffic.tail()}")
        return record.acknowledged_count(self.record) - before.acknowledged >= EVENTS_PER_STAGE

    def totals(self):
        status = self.stack.wait_for_status("serve answering", lambda _: True)
        return Totals(status, record.acknowledged_count(self.record))

    def run(self):
        config = self.stack.write_config
        print("\n" + line(HEADINGS))
        self.stage("observe", lambda: None, both_up, lambda _: "both stores answer")
        self.stage("dual-write", lambda: config(phase="dual-write"), in_phase("dual-write"), lambda _: "mirror on")
        self.stage("backfill", lambda: config(phase="backfill"), in_phase("backfill", "backfilled", "checked_equal"),
                   lambda _: "history carried, checked equal")
        self.stage("compare reads", lambda: config(reads="compare_percent: 100%"), in_phase("backfill"), self.compared)
        self.stage("read-switch 50%", lambda: config(phase="read-switch", ack="both", reads="eventstore_percent: 50%"),
                   in_phase("read-switch"), self.check)
        self.stage("read-switch 100%", lambda: config(reads="from: eventstore"), in_phase("read-switch"), self.check)
        self.stage("retire too early", lambda: config(phase="retire"), lambda status: status["config"]["error"],
                   lambda status: "refused: the backend writes its own table")
        self.stage("backend moved over", self.move, in_phase("read-switch"), self.check)
        self.stage("retire", lambda: config(phase="retire"), in_phase("retire"), authority)
        self.stage("back to read-switch", lambda: config(phase="read-switch"), in_phase("read-switch"), authority)

    def move(self):
        target = json.dumps({"append_to": f"http://{self.stack.settings['listen']}"})
        status, _, body = Client(self.stack.settings["backend"]).until_answered("PUT", "/storage", target)
        if status != 200:
            raise Failed(f"moving the backend was answered {status}: {body!r}")
        self.stack.write_config(moved=True, phase="read-switch")

    def compared(self, _status):
        """The backend's answers to reads against the same ones made from a store, in the backend's own shape."""
        found = re.findall(r'^twinstream_read_comparisons_total{.*result="(\w+)".*} (\d+)',
                           self.stack.admin("/metrics"), re.MULTILINE)
        counts = {result: sum(int(count) for name, count in found if name == result)
                  for result in ("equal", "different")}
        if counts["different"] or not counts["equal"]:
            raise Failed(f"reads compared: {counts}")
        return f"{counts['equal']} answers compared, equal"

    def check(self, _status=None):
        self.stack.must_run("check")
        return "checked equal"

    def finish(self):
        """Ends the traffic and proves that both stores hold exactly what they should."""
        self.traffic.signal(signal.SIGTERM)
        self.traffic.wait(90)
        print("\n" + self.traffic.output().strip())
        self.stack.wait_for_mirror()
        print("\n" + self.stack.must_run("check").strip() + "\n")
        before = self.totals().reads
        lines, problems = record.verify(self.record, self.stack.postgres_url, self.stack.settings["listen"],
                                        self.history)
        after = self.totals().reads
        lines.append(f"read for this from eventstore: {after['eventstore'] - before['eventstore']}, "
                     f"from postgres: {after['postgres'] - before['postgres']}")
        if after["postgres"] != before["postgres"]:
            problems.append("some streams were not read from EventStore")
        print("\n".join(lines + problems[:20]))
        if problems:
            raise Failed(f"{len(problems)} problems")
        print("verdict: PostgreSQL and EventStore hold the same, and exactly what was acknowledged")

    def addresses(self):
        settings = self.stack.settings
        print(f"""
running:  proxy http://{settings['listen']}  (try /packages, /streams/note-a-1/head/backward/5?embed=body)
          admin http://{settings['admin']}/status, /metrics
          sink esdb://127.0.0.1:{settings['sink']}?tls=false, backend http://{settings['backend']}
          configuration, data and logs: {self.stack.work}
stop:     deploy/quickstart.sh --stop --work {self.stack.work}""")


def mirrored(status):
    return any(row["phase"] != "observe" for row in categories(status).values())


def both_up(status):
    return all(status["stores"][store]["up"] for store in ("postgres", "eventstore"))


def in_phase(phase, *flags):
    return lambda status: len(categories(status)) == len(CATEGORIES) and all(
        row["phase"] == phase and all(row[flag] for flag in flags) for row in categories(status).values())


def authority(status):
    row = categories(status)["package"]
    return f"{row['authority']} decides, epoch {row['epoch']}"


def clean(work):
    """An earlier quickstart's directory is emptied; one that is not ours is not touched."""
    if work.exists() and any(work.iterdir()):
        if not (work / MARK).exists():
            raise SystemExit(f"quickstart: {work} is not empty and not from a quickstart; use --work with another one")
        stop(work)
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    (work / MARK).touch()


def stop(work):
    if not (work / MARK).exists():
        raise SystemExit(f"quickstart: there is no quickstart in {work}")
    traffic = Daemon(work, "traffic", r"")
    if traffic.pid():
        traffic.stop()
    Stack(work).stop()


def walk(work, logs, leave_running):
    clean(work)
    subject = Walk(work, logs)
    done = False
    try:
        subject.prepare()
        subject.run()
        subject.finish()
        done = True
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"\nquickstart: {error}\n{subject.stack.tails()}", file=sys.stderr)
    finally:
        if not (done and leave_running):
            stop(work)
    if done and leave_running:
        subject.addresses()
    return 0 if done else 1


def main():
    options = argparse.ArgumentParser(prog="deploy/quickstart.sh")
    options.add_argument("--exit", action="store_true")
    options.add_argument("--stop", action="store_true")
    options.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/twinstream-quickstart"))
    options.add_argument("--log", action="append", default=[])
    arguments = options.parse_args()
    if arguments.stop:
        stop(arguments.work)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return walk(arguments.work, arguments.log, leave_running=not arguments.exit)


if __name__ == "__main__":
    sys.exit(main())
