"""Where the inventory keeps its events: its own table, or Twinstream's /streams once it has been moved over."""

import http.client
import json
import pathlib
import queue
import threading
from contextlib import contextmanager
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

import psycopg2
import psycopg2.extras


class Written(NamedTuple):
    version: int
    event_id: str


class Conflict(Exception):
    def __init__(self, version):
        super().__init__(f"the current version is {version}")
        self.version = version


class Refused(Exception):
    """Never will be written: the event id belongs to another event."""


class Unavailable(Exception):
    """The outcome may be unknown; repeating the same event id is safe."""


class Storage(Protocol):
    def append(self, category, name, kind, payload, meta, expected, event_id) -> Written: ...


INSERT = """
INSERT INTO public.inventory_events (category, name, version, event_id, kind, payload, meta)
SELECT %(category)s, %(name)s, coalesce(max(version), 0) + 1, %(event_id)s, %(kind)s, %(payload)s, %(meta)s
  FROM public.inventory_events WHERE category = %(category)s AND name = %(name)s
HAVING %(expected)s IS NULL OR coalesce(max(version), 0) = %(expected)s
RETURNING version"""

FIND = """
SELECT version, category = %(category)s AND name = %(name)s FROM public.inventory_events
 WHERE event_id = %(event_id)s"""

CURRENT = """
SELECT coalesce(max(version), 0) FROM public.inventory_events WHERE category = %(category)s AND name = %(name)s"""

READ = """
SELECT version, event_id::text, kind, payload,
       to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS recorded_at
  FROM public.inventory_events WHERE category = %s AND name = %s ORDER BY version"""


class TableStorage:
    def __init__(self, url, connections):
        self._url = url
        self._idle = queue.LifoQueue()
        for _ in range(connections):
            self._idle.put(None)

    def create(self):
        schema = pathlib.Path(__file__).with_name("schema.sql").read_text()
        with self._cursor() as cursor:
            cursor.execute(schema)

    def append(self, category, name, kind, payload, meta, expected, event_id):
        values = {
            "category": category, "name": name, "kind": kind, "expected": expected, "event_id": event_id,
            "payload": psycopg2.extras.Json(payload), "meta": None if meta is None else psycopg2.extras.Json(meta),
        }
        while True:
            with self._cursor() as cursor:
                try:
                    cursor.execute(INSERT, values)
                    if cursor.rowcount == 1:
                        return Written(cursor.fetchone()[0], event_id)
                except psycopg2.errors.UniqueViolation:
                    pass
                cursor.execute(FIND, values)
                found = cursor.fetchone()
                if found:
                    if not found[1]:
                        raise Refused("the event id is taken by another event")
                    return Written(found[0], event_id)
                cursor.execute(CURRENT, values)
                current = cursor.fetchone()[0]
                if expected is not None and expected != current:
                    raise Conflict(current)
                # Somebody else took the version at this moment, and the caller does not mind or expects it now.

    def read(self, category, name):
        with self._cursor() as cursor:
            cursor.execute(READ, (category, name))
            keys = [column.name for column in cursor.description]
            return [dict(zip(keys, row)) for row in cursor]

    def names(self, category):
        with self._cursor() as cursor:
            cursor.execute("SELECT name, max(version) FROM public.inventory_events WHERE category = %s"
                           " GROUP BY name ORDER BY name", (category,))
            return [{"name": name, "version": version} for name, version in cursor]

    def count(self):
        with self._cursor() as cursor:
            cursor.execute("SELECT count(*) FROM public.inventory_events")
            return cursor.fetchone()[0]

    @contextmanager
    def _cursor(self):
        """A connection in autocommit mode for one caller; a broken one is replaced at its next use."""
        connection = self._idle.get()
        try:
            if connection is None or connection.closed:
                connection = psycopg2.connect(self._url, connect_timeout=3)
                connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            if connection is not None:
                connection.close()
            raise Unavailable("the database does not answer") from None
        finally:
            self._idle.put(connection)


class StreamsStorage:
    """Appends through Twinstream's /streams, one event as a batch so that its metadata goes along."""

    def __init__(self, url):
        self.url = url
        self._address = urlsplit(url).netloc
        self._local = threading.local()

    def append(self, category, name, kind, payload, meta, expected, event_id):
        event = {"eventId": event_id, "eventType": kind, "data": payload}
        if meta is not None:
            event["metadata"] = meta
        headers = {"Content-Type": "application/vnd.eventstore.events+json",
                   "ES-ExpectedVersion": str(-2 if expected is None else expected - 1)}
        path = f"/streams/{quote(category, safe='')}-{quote(name, safe='')}"
        response = self._post(path, json.dumps([event]), headers)
        if response.status == 201:
            return Written(int(response.headers["Location"].rsplit("/", 1)[1]) + 1, event_id)
        if response.status == 400 and "ES-CurrentVersion" in response.headers:
            raise Conflict(int(response.headers["ES-CurrentVersion"]) + 1)
        if response.status >= 500:
            raise Unavailable(f"Twinstream answered {response.status}")
        raise Refused(f"Twinstream answered {response.status}")

    def _post(self, path, body, headers):
        for reused in (True, False):
            if not reused or not hasattr(self._local, "connection"):
                self._local.connection = http.client.HTTPConnection(self._address, timeout=30)
            try:
                self._local.connection.request("POST", path, body, headers)
                response = self._local.connection.getresponse()
                response.read()
                return response
            except (OSError, http.client.HTTPException):
                self._local.connection.close()
        raise Unavailable("Twinstream does not answer")
