"""Mixed live traffic against the demo, with a record of everything that was acknowledged.

Each client keeps one connection, writes in every way that the demo offers, repeats some requests, sends some that must
be refused, and reads. A request that got no answer is repeated with the same event id until there is one, so whatever
the processes behind it go through, every write ends as acknowledged or refused. SIGTERM ends it after the requests
under way; record.py compares the record with the stores.
"""

import argparse
import json
import random
import signal
import threading
import time
import uuid
from urllib.parse import quote

from client import Client, NoAnswer
from record import Recorder

KINDS = ["install", "upgrade", "configure", "remove", "note"]


class Write:
    """One write request and what it means: events with ids known beforehand, or an id that the answer tells."""

    def __init__(self, via, stream, path, body, headers, events, expected, must_fail=False):
        self.via, self.stream, self.path = via, stream, path
        self.body, self.headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        self.events, self.expected, self.must_fail = events, expected, must_fail


class Heads:
    """The highest revision of every stream that was acknowledged to anybody; -1 for none."""

    def __init__(self):
        self._heads, self._lock = {}, threading.Lock()

    def of(self, stream):
        with self._lock:
            return self._heads.get(stream, -1)

    def raise_to(self, stream, revision):
        with self._lock:
            self._heads[stream] = max(revision, self._heads.get(stream, -1))


def payload(rng):
    return {"n": rng.randrange(10**12), "ratio": rng.choice([0, 1.5, -2.25e-7]), "text": rng.choice(
        ["plain", "żółw 🐢", 'quote " and \\ backslash', "line\nbreak\ttab", ""]),
        "deep": {"list": [None, True, {"k": []}, [1, "2"]], "": {}}, "fill": "x" * rng.randrange(200)}


def captured_write(rng, category, name, expected, must_fail):
    """To the inventory's own endpoints: packages by the backend, audits by whoever captures them."""
    event_id, kind, data = str(uuid.uuid4()), rng.choice(KINDS), payload(rng)
    body, headers = {"kind": kind, "payload": data, "meta": {"by": "traffic", "n": rng.randrange(100)}}, {}
    if category == "audit" and rng.random() < 0.5:
        headers, event_id = {"Idempotency-Key": event_id}, None
    else:
        body["event_id"] = event_id
    if expected is not None:
        body["expected_version"] = expected + 1
    return Write(category, f"{category}-{name}", f"/{category}s/{quote(name, safe='')}/events", body, headers,
                 [(event_id, kind, data)], expected, must_fail)


def streams_write(rng, stream, expected, must_fail):
    """To Twinstream's /streams: one to three events in one atomic batch."""
    events = [(str(uuid.uuid4()), rng.choice(KINDS), payload(rng)) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    body = [{"eventId": event_id, "eventType": kind, "data": data, "metadata": {"by": "traffic"}}
            for event_id, kind, data in events]
    headers = {"Content-Type": "application/vnd.eventstore.events+json",
               "ES-ExpectedVersion": str(-2 if expected is None else expected)}
    return Write("streams", stream, f"/streams/{quote(stream, safe='')}", body, headers, events, expected, must_fail)


class Driver:
    def __init__(self, arguments):
        self.arguments = arguments
        self.stop = threading.Event()
        self.heads = Heads()
        self.recorder = Recorder(arguments.record)
        self._left = arguments.requests
        self._lock = threading.Lock()
        self.packages = [f"demo-{n}" for n in range(arguments.streams)]

    def learn_packages(self):
        """Half of the packages written to are ones that have a history."""
        status, _, body = Client(self.arguments.target, self.stop).until_answered("GET", "/packages")
        if status != 200:
            raise SystemExit(f"traffic: GET /packages was answered {status}")
        known = json.loads(body)
        for package in known:
            self.heads.raise_to(f"package-{package['name']}", package["version"] - 1)
        rng = random.Random(self.arguments.seed)
        names = [package["name"] for package in known]
        self.packages += rng.sample(names, min(len(names), self.arguments.streams))

    def take(self):
        """False when there is nothing left to do."""
        with self._lock:
            if self.stop.is_set() or self._left == 0:
                return False
            self._left -= 1
            return True

    def run(self):
        self.learn_packages()
        threads = [threading.Thread(target=self.client, args=(n,)) for n in range(self.arguments.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def client(self, number):
        rng = random.Random(f"{self.arguments.seed}/{number}")
        client = Client(self.arguments.target, self.stop)
        interval = self.arguments.clients / self.arguments.rate if self.arguments.rate else 0
        due = time.monotonic() + rng.random() * interval
        while self.take():
            self.stop.wait(max(0, due - time.monotonic()))
            due = max(due + interval, time.monotonic() - 1)
            self.one_request(client, rng)

    def one_request(self, client, rng):
        try:
            if rng.random() < 0.2:
                self.read(client, rng)
            else:
                self.write(client, self.choose_write(rng), again=rng.random() < 0.1)
        except NoAnswer as error:
            self.recorder.anomaly("no answer", str(error))

    def choose_write(self, rng):
        ways = ["package"] * 4 + ["audit"] * 3 + ([] if self.arguments.direct else ["streams"] * 3)
        way = rng.choice(ways)
        name = rng.choice(self.packages) if way == "package" else f"a-{rng.randrange(self.arguments.streams)}"
        stream = f"{'note' if way == 'streams' else way}-{name}"
        head, expected, must_fail = self.heads.of(stream), None, False
        if rng.random() < 0.25:
            expected = head
        elif rng.random() < 0.08 and head >= 0:
            expected, must_fail = rng.randrange(-1, head), True
        if way == "streams":
            return streams_write(rng, stream, expected, must_fail)
        return captured_write(rng, way, name, expected, must_fail)

    def write(self, client, write, again):
        began = time.monotonic()
        status, headers, body = client.until_answered("POST", write.path, write.body, write.headers)
        self.recorder.latency(time.monotonic() - began)
        if status == 201:
            self.acknowledged(write, headers, body)
            if again:
                self.repeat(client, write, first_revision(headers, body))
        elif status == 409 or (status == 400 and "ES-CurrentVersion" in headers):
            self.recorder.refused(write)
            if write.expected is None:
                self.recorder.anomaly("conflict without an expectation", f"{write.stream} {body[:200]!r}")
        else:
            self.recorder.anomaly("unexpected answer", f"{status} to {write.via} {write.stream}: {body[:200]!r}")

    def acknowledged(self, write, headers, body):
        revision = first_revision(headers, body)
        if write.must_fail:
            self.recorder.anomaly("stale version accepted", f"{write.stream} {write.expected} gave {revision}")
        if write.expected is not None and revision != write.expected + 1:
            self.recorder.anomaly("revision does not follow the expected one", f"{write.stream} {revision}")
        events = write.events
        if events[0][0] is None:
            events = [(event_id_of(body), *events[0][1:])]
        self.recorder.acknowledged(write.via, write.stream, revision, events, headers.get("Twinstream-Mirror"))
        self.heads.raise_to(write.stream, revision + len(events) - 1)

    def repeat(self, client, write, revision):
        status, headers, body = client.until_answered("POST", write.path, write.body, write.headers)
        self.recorder.repeated()
        if status != 201 or first_revision(headers, body) != revision:
            self.recorder.anomaly("repeating gave another answer",
                                  f"{write.stream}@{revision}: {status} {body[:200]!r}")

    def read(self, client, rng):
        if self.arguments.direct or rng.random() < 0.7:
            category, name = "package", rng.choice(self.packages)
            path, highest = f"/packages/{quote(name, safe='')}/events", highest_version
        else:
            category, name = "note", f"a-{rng.randrange(self.arguments.streams)}"
            path, highest = f"/streams/{category}-{name}/head/backward/1?embed=rich", highest_event_number
        stream = f"{category}-{name}"
        acknowledged = self.heads.of(stream)
        status, _, body = client.until_answered("GET", path, headers={"Accept": "application/json"})
        self.recorder.read()
        if status not in (200, 404):
            self.recorder.anomaly("unexpected answer", f"{status} to a read of {stream}: {body[:200]!r}")
            return
        found = highest(body) if status == 200 else -1
        if found < acknowledged:
            self.recorder.anomaly("a read went back in time", f"{stream}: {found} after {acknowledged}")


def first_revision(headers, body):
    """Of a 201. The inventory's endpoints count from 1, whoever answers them; /streams counts from 0."""
    if "Location" in headers and not body:
        return int(headers["Location"].rsplit("/", 1)[1])
    answer = json.loads(body)
    return (answer["version"] if "version" in answer else answer["revision"]) - 1


def event_id_of(body):
    answer = json.loads(body)
    return answer["event_id"] if "event_id" in answer else answer["id"]


def highest_version(body):
    return max((event["version"] for event in json.loads(body)), default=0) - 1


def highest_event_number(body):
    return max((entry["eventNumber"] for entry in json.loads(body)["entries"]), default=-1)


def main():
    options = argparse.ArgumentParser(description="live traffic for the demo")
    options.add_argument("--target", required=True, metavar="HOST:PORT", help="of the proxy")
    options.add_argument("--direct", action="store_true", help="the target is the backend itself: no /streams")
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--requests", type=int, default=-1, help="stop after so many; default: at SIGTERM")
    options.add_argument("--rate", type=float, default=0, help="requests per second of all clients; default: no limit")
    options.add_argument("--streams", type=int, default=40, help="written to, of each kind")
    options.add_argument("--seed", default="1")
    options.add_argument("--record", required=True, metavar="FILE")
    arguments = options.parse_args()

    driver = Driver(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: driver.stop.set())
    began = time.monotonic()
    driver.run()
    summary = driver.recorder.close(time.monotonic() - began)
    print("traffic: " + ", ".join(f"{value} {name}" for name, value in summary.items()))
    raise SystemExit(1 if summary["anomalies"] else 0)


if __name__ == "__main__":
    main()
