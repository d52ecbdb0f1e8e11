"""The record of acknowledged writes, and its comparison with what the stores hold.

  record.py verify --record FILE --postgres URL [--proxy HOST:PORT] [--history N]

reads every event from PostgreSQL by SQL and, with --proxy, every stream again through Twinstream's /streams, and
checks: every acknowledged event is there once, at its revision, with its type and data; no refused one is; revisions
have no gaps; both stores hold the same; and there is nothing but the history and what was acknowledged.
"""

import argparse
import json
import threading
from collections import Counter, defaultdict
from typing import NamedTuple
from urllib.parse import quote

import psycopg2

from client import Client

PAGE = 500


class Recorder:
    """Writes the record, one JSON object a line. Thread safe."""

    def __init__(self, path):
        self._file = open(path, "a", buffering=1, encoding="utf-8")
        self._lock = threading.Lock()
        self._counts = Counter()
        self._latencies = []

    def acknowledged(self, via, stream, revision, events, mirror):
        with self._lock:
            for offset, (event_id, kind, data) in enumerate(events):
                self._write({"ack": via, "stream": stream, "revision": revision + offset, "id": event_id,
                             "type": kind, "data": data})
            self._counts["events"] += len(events)
            self._counts[f"mirror {mirror}"] += 1

    def refused(self, write):
        with self._lock:
            self._counts["refused"] += 1
            for event_id, _, _ in write.events:
                if event_id:
                    self._write({"refused": event_id, "stream": write.stream})

    def anomaly(self, what, detail):
        with self._lock:
            self._counts["anomalies"] += 1
            self._write({"anomaly": what, "detail": detail})

    def repeated(self):
        with self._lock:
            self._counts["repeated"] += 1

    def read(self):
        with self._lock:
            self._counts["reads"] += 1

    def latency(self, seconds):
        with self._lock:
            self._latencies.append(seconds)

    def close(self, seconds):
        self._file.close()
        slowest = sorted(self._latencies) or [0.0]
        names = ["events", "refused", "repeated", "reads", "anomalies"]
        summary = {name: self._counts[name] for name in names}
        summary |= {name: count for name, count in sorted(self._counts.items()) if name.startswith("mirror ")}
        summary["ms write p50"] = round(slowest[len(slowest) // 2] * 1000, 1)
        summary["ms write p99"] = round(slowest[len(slowest) * 99 // 100] * 1000, 1)
        summary["seconds"] = round(seconds, 1)
        return summary

    def _write(self, line):
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


class Stored(NamedTuple):
    revision: int
    id: str
    type: str
    data: object
    created: str


class Record:
    def __init__(self, path):
        self.acknowledged, self.refused, self.problems = {}, {}, []
        with open(path, encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                self._add(line)

    def _add(self, line):
        if "anomaly" in line:
            self.problems.append(f"anomaly: {line['anomaly']}: {line['detail']}")
        elif "refused" in line:
            self.refused[line["refused"]] = line["stream"]
        elif self.acknowledged.setdefault(line["id"], line) != line:
            self.problems.append(f"event {line['id']} was acknowledged twice with different results")


def acknowledged_count(path):
    with open(path, encoding="utf-8") as lines:
        return sum(1 for line in lines if line.startswith('{"ack"'))


def postgres_streams(url):
    """stream -> events as the inventory's table holds them; versions from 1 become revisions from 0."""
    streams = defaultdict(list)
    with psycopg2.connect(url) as connection, connection.cursor("events") as cursor:
        cursor.execute("SELECT category || '-' || name, version - 1, event_id::text, kind, payload,"
                       " to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                       " FROM public.inventory_events ORDER BY category, name, version")
        for stream, *event in cursor:
            streams[stream].append(Stored(*event))
    return dict(streams)


def read_stream(client, stream):
    """Every event of one stream through /streams, oldest first."""
    events, ended = [], False
    while not ended:
        path = f"/streams/{quote(stream, safe='')}/{len(events)}/forward/{PAGE}?embed=body"
        status, _, body = client.until_answered("GET", path, headers={"Accept": "application/json"})
        if status == 404:
            return events
        if status != 200:
            raise RuntimeError(f"reading {stream} through /streams was answered {status}")
        page = json.loads(body)
        for entry in reversed(page["entries"]):
            events.append(Stored(entry["eventNumber"], entry["eventId"], entry["eventType"],
                                 json.loads(entry["data"]), in_microseconds(entry["updated"])))
        ended = page["headOfStream"] or not page["entries"]
    return events


def in_microseconds(time):
    """Feeds leave out the zeros at the end of a fraction."""
    seconds, _, fraction = time.rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<6.6}Z"


def check_store(record, name, streams):
    """Problems of one store against the record."""
    problems, found = [], {}
    for stream, events in streams.items():
        if [event.revision for event in events] != list(range(len(events))):
            problems.append(f"{name}: revisions of {stream} are not 0..{len(events) - 1}")
        for event in events:
            if event.id in found:
                problems.append(f"{name}: event {event.id} is there twice")
            found[event.id] = (stream, event)
    for event_id, line in record.acknowledged.items():
        stream, event = found.get(event_id, (None, None))
        if event is None:
            problems.append(f"{name}: LOST {event_id}, acknowledged as {line['stream']}@{line['revision']}")
        elif (stream, event.revision, event.type, event.data) != (
                line["stream"], line["revision"], line["type"], line["data"]):
            problems.append(f"{name}: {event_id} differs from what was acknowledged: {stream}@{event.revision}")
    problems += [f"{name}: refused event {event_id} is in {stream}"
                 for event_id, stream in record.refused.items() if event_id in found]
    return problems


def compare_stores(postgres, eventstore):
    problems = []
    for stream, expected in postgres.items():
        actual = eventstore.get(stream, [])
        if actual == expected:
            continue
        place = next((n for n, pair in enumerate(zip(expected, actual)) if pair[0] != pair[1]),
                     min(len(expected), len(actual)))
        problems.append(f"{stream}: postgres {len(expected)} events, /streams {len(actual)}, different from {place}")
    return problems


def verify(record_path, postgres_url, proxy=None, history=None):
    """(lines for people, problems)"""
    record = Record(record_path)
    problems = list(record.problems)
    postgres = postgres_streams(postgres_url)
    total = sum(map(len, postgres.values()))
    lines = [f"record: {len(record.acknowledged)} events acknowledged, {len(record.refused)} refused",
             f"postgres: {total} events in {len(postgres)} streams"]
    problems += check_store(record, "postgres", postgres)
    if history is not None:
        lines.append(f"balance: {history} history + {len(record.acknowledged)} acknowledged = "
                     f"{history + len(record.acknowledged)}, stored {total}")
        if history + len(record.acknowledged) != total:
            problems.append("the balance does not add up")
    if proxy:
        client = Client(proxy)
        streams = {stream: read_stream(client, stream) for stream in postgres}
        lines.append(f"/streams: {sum(map(len, streams.values()))} events in {len(streams)} streams")
        problems += check_store(record, "/streams", streams) + compare_stores(postgres, streams)
    return lines, problems


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verb = options.add_subparsers(dest="verb", required=True).add_parser("verify")
    verb.add_argument("--record", required=True)
    verb.add_argument("--postgres", required=True, metavar="URL")
    verb.add_argument("--proxy", metavar="HOST:PORT")
    verb.add_argument("--history", type=int, help="events that were there before the first recorded one")
    arguments = options.parse_args()
    lines, problems = verify(arguments.record, arguments.postgres, arguments.proxy, arguments.history)
    print("\n".join(lines + problems[:50]))
    print(f"verdict: {'EQUAL' if not problems else f'{len(problems)} PROBLEMS'}")
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
