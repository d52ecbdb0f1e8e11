"""The inventory: an ordinary hand-written events service, the kind that Twinstream is put in front of.

It keeps what happened to packages as events in one PostgreSQL table (schema.sql) and knows nothing about EventStore.

  POST /packages/{name}/events  {"kind", "payload", "meta"?, "expected_version"?, "event_id"?}
                                201 {"name", "version", "event_id"}, 409 when expected_version is not the current one
  GET  /packages/{name}/events  [{"version", "event_id", "kind", "payload", "recorded_at"}]
  POST, GET /audits/{name}/events   the same for audit records
  GET  /packages                names and versions
  GET  /health
  GET, PUT /storage             {"append_to": null | "http://host:port"}: own table, or Twinstream's /streams there
"""

import argparse
import json
import re
import signal
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from storage import Conflict, Refused, Storage, StreamsStorage, TableStorage, Unavailable

EVENTS = re.compile(r"/(package|audit)s/([^/]+)/events")
KEY_NAMESPACE = uuid.UUID("6b0d2a5e-94c1-4f0e-8a35-0c8f9e1d7b42")
MAX_BODY = 4 * 1024 * 1024


class BadRequest(Exception):
    pass


class Inventory:
    """The service's state: where events are appended to. Reads always come from the own table."""

    def __init__(self, table: TableStorage):
        self.table = table
        self._storage: Storage = table
        self._changed = threading.Condition()
        self._appending = 0
        self._moving = False

    def append(self, *event):
        with self._changed:
            self._changed.wait_for(lambda: not self._moving)
            self._appending += 1
            storage = self._storage
        try:
            return storage.append(*event)
        finally:
            with self._changed:
                self._appending -= 1
                self._changed.notify_all()

    def append_to(self):
        return getattr(self._storage, "url", None)

    def move(self, url):
        """When it returns, no append to the former place is under way and none will begin."""
        with self._changed:
            self._changed.wait_for(lambda: not self._moving)
            self._moving = True
            self._changed.wait_for(lambda: self._appending == 0)
            self._storage = StreamsStorage(url) if url else self.table
            self._moving = False
            self._changed.notify_all()


def parse_event(body, idempotency_key):
    try:
        event = json.loads(body)
    except ValueError:
        raise BadRequest("the body is not JSON") from None
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str) or not event["kind"]:
        raise BadRequest("an event needs a kind")
    if not isinstance(event.get("payload"), dict):
        raise BadRequest("an event needs a payload, a JSON object")
    if not isinstance(event.get("meta"), (dict, type(None))):
        raise BadRequest("meta must be a JSON object")
    expected = event.get("expected_version")
    if expected is not None and (not isinstance(expected, int) or isinstance(expected, bool) or expected < 0):
        raise BadRequest("expected_version must be a number from 0")
    return event["kind"], event["payload"], event.get("meta"), expected, event_id_of(event, idempotency_key)


def event_id_of(event, idempotency_key):
    if "event_id" in event:
        try:
            return str(uuid.UUID(event["event_id"]))
        except (ValueError, AttributeError, TypeError):
            raise BadRequest("event_id must be a UUID") from None
    return str(uuid.uuid5(KEY_NAMESPACE, idempotency_key) if idempotency_key else uuid.uuid4())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    inventory: Inventory

    def do_GET(self):
        self.answer(self.get)

    def do_POST(self):
        self.answer(self.post)

    def do_PUT(self):
        self.answer(self.put)

    def get(self):
        events = EVENTS.fullmatch(self.path)
        if events:
            found = self.inventory.table.read(events[1], unquote(events[2]))
            return (200, found) if found else (404, {"error": "nothing is known of it"})
        if self.path == "/packages":
            return 200, self.inventory.table.names("package")
        if self.path == "/storage":
            return 200, {"append_to": self.inventory.append_to()}
        if self.path == "/health":
            return 200, {"events": self.inventory.table.count()}
        return 404, {"error": "no such resource"}

    def post(self):
        body = self.body()
        events = EVENTS.fullmatch(self.path)
        if not events:
            return 404, {"error": "no such resource"}
        event = parse_event(body, self.headers.get("Idempotency-Key"))
        name = unquote(events[2])
        written = self.inventory.append(events[1], name, *event)
        return 201, {"name": name, "version": written.version, "event_id": written.event_id}

    def put(self):
        body = self.body()
        if self.path != "/storage":
            return 404, {"error": "no such resource"}
        self.inventory.move(json.loads(body)["append_to"])
        return 200, {"append_to": self.inventory.append_to()}

    def body(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            raise BadRequest("the body is too large")
        return self.rfile.read(length)

    def answer(self, work):
        headers = {}
        try:
            status, content = work()
        except BadRequest as error:
            status, content = 400, {"error": str(error)}
        except Conflict as conflict:
            status, content = 409, {"error": "version conflict", "version": conflict.version}
        except Refused as error:
            status, content = 422, {"error": str(error)}
        except Unavailable as error:
            status, content, headers = 503, {"error": str(error)}, {"Retry-After": "1"}
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """A client that went away is not worth a traceback."""


def main():
    options = argparse.ArgumentParser(description="the demo's events service")
    options.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    options.add_argument("--database", required=True, metavar="URL")
    options.add_argument("--connections", type=int, default=8, help="to the database, at most")
    arguments = options.parse_args()

    table = TableStorage(arguments.database, arguments.connections)
    table.create()
    Handler.inventory = Inventory(table)
    host, _, port = arguments.listen.rpartition(":")
    server = Server((host, int(port)), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"inventory: listening on {host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
