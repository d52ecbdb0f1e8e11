"""Fills the inventory's table with the history of this machine's packages: one stream per package from dpkg's log.

Reads /var/log/dpkg.log and its rotated predecessors, oldest first, or the files given with --log. Repeating an import
adds nothing.
"""

import argparse
import glob
import gzip
import json
import re
import uuid

import psycopg2

from storage import TableStorage

ID_NAMESPACE = uuid.UUID("d3a7d0c2-5f1b-4e58-9d6c-2b7f4a90e815")
LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\S+) (.+)")
ACTIONS = {"install", "upgrade", "configure", "trigproc", "disappear", "remove", "purge"}

LOAD = """
INSERT INTO public.inventory_events (category, name, version, event_id, kind, payload, meta, recorded_at)
SELECT 'package', name, version, event_id, kind, payload, meta, recorded_at FROM imported ORDER BY place
ON CONFLICT (event_id) DO NOTHING"""


def parse(line):
    """(package, kind, payload, time) of a log line, or None when it is not about a package."""
    match = LINE.fullmatch(line.strip())
    if not match:
        return None
    time, action, words = match[1], match[2], match[3].split()
    if action == "status" and len(words) == 3:
        return words[1], "status", {"state": words[0], "version": words[2]}, time
    if action in ACTIONS and len(words) == 3:
        versions = {"from": words[1], "to": words[2]}
        return words[0], action, {key: value for key, value in versions.items() if value != "<none>"}, time
    return None


def default_logs():
    """Oldest first: dpkg.log.12.gz ... dpkg.log.2.gz, dpkg.log.1, dpkg.log."""
    def age(path):
        number = re.search(r"\.log\.(\d+)", path)
        return int(number[1]) if number else 0
    return sorted(glob.glob("/var/log/dpkg.log*"), key=age, reverse=True)


def lines_of(path):
    with gzip.open(path, "rt", errors="replace") if path.endswith(".gz") else open(path, errors="replace") as log:
        yield from log


def rows(paths, skipped):
    versions = {}
    for path in paths:
        for number, line in enumerate(lines_of(path), 1):
            event = parse(line)
            if event is None:
                skipped.append(line)
                continue
            package, kind, payload, time = event
            version = versions[package] = versions.get(package, 0) + 1
            event_id = uuid.uuid5(ID_NAMESPACE, f"{package}/{version}/{line.strip()}")
            meta = {"source": path.rsplit("/", 1)[-1], "line": number}
            yield package, str(version), str(event_id), kind, json.dumps(payload), json.dumps(meta), time + "+00"


def copy_text(row):
    escaped = (field.replace("\\", "\\\\").replace("\t", "\\t") for field in row)
    return "\t".join(escaped) + "\n"


class RowStream:
    """The rows as a file that COPY can read from, without having them all in memory."""

    def __init__(self, source):
        self._source = source
        self._rest = ""

    def read(self, size):
        while len(self._rest) < size:
            row = next(self._source, None)
            if row is None:
                break
            self._rest += copy_text(row)
        part, self._rest = self._rest[:size], self._rest[size:]
        return part


def main():
    options = argparse.ArgumentParser(description="import dpkg's history into the inventory")
    options.add_argument("--database", required=True, metavar="URL")
    options.add_argument("--log", action="append", metavar="FILE", help="instead of /var/log/dpkg.log*")
    arguments = options.parse_args()

    TableStorage(arguments.database, 1).create()
    skipped = []
    with psycopg2.connect(arguments.database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE imported (place serial, name text, version int, event_id uuid,"
                       " kind text, payload jsonb, meta jsonb, recorded_at timestamptz) ON COMMIT DROP")
        source = RowStream(rows(arguments.log or default_logs(), skipped))
        cursor.copy_expert("COPY imported (name, version, event_id, kind, payload, meta, recorded_at) FROM STDIN",
                           source)
        cursor.execute(LOAD)
        added = cursor.rowcount
        cursor.execute("SELECT count(*), count(DISTINCT name) FROM imported")
        events, packages = cursor.fetchone()
    print(f"import: {events} events of {packages} packages, {added} new, {len(skipped)} lines about no package")


if __name__ == "__main__":
    main()
