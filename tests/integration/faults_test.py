"""Each part fails once, in real processes; what clients and operators then see is what the documentation says."""

import json
import signal
import subprocess
import sys
import unittest
import uuid

from support import running_stack, start_traffic

import psycopg2
import record
from client import Client
from daemon import wait_until

BINARY = sys.argv.pop(1)
MIRRORED = {"phase": "dual-write", "ack": "authority"}


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = cls.enterClassContext(running_stack(BINARY, response_timeout="1s", **MIRRORED))
        cls.stack.wait_for_phase("dual-write")
        cls.serve = cls.stack.serve.pid()

    def setUp(self):
        self.client = Client(self.stack.settings["listen"])
        self.addCleanup(lambda: self.client.close())

    def tearDown(self):
        self.assertEqual(self.serve, self.stack.serve.pid(), "serve has ended:\n" + self.stack.serve.tail())

    def configure(self, **changes):
        self.stack.apply(**(MIRRORED | changes))

    def audit(self, name, event_id=None, **more):
        body = {"kind": "note", "payload": {"n": 1}, "event_id": event_id or str(uuid.uuid4()), **more}
        return self.post(f"/audits/{name}/events", body)

    def package(self, name, event_id=None, **more):
        body = {"kind": "note", "payload": {"n": 1}, "event_id": event_id or str(uuid.uuid4()), **more}
        return self.post(f"/packages/{name}/events", body)

    def post(self, path, body, headers=None):
        return self.client.once("POST", path, json.dumps(body), {"Content-Type": "application/json"} | (headers or {}))

    def stored(self, category, name):
        with psycopg2.connect(self.stack.postgres_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT event_id::text FROM public.inventory_events WHERE category = %s AND name = %s"
                           " ORDER BY version", (category, name))
            return [row[0] for row in cursor]

    def assert_equal_stores(self):
        self.stack.wait_for_mirror()
        self.stack.must_run("check")

    def test_a_hanging_sink_does_not_touch_clients_who_asked_for_the_authority_only(self):
        self.configure(ack="authority")
        self.stack.sink.signal(signal.SIGSTOP)
        try:
            for n in range(20):
                self.assertEqual(201, self.audit(f"hang-{n % 5}")[0])
                self.assertEqual(201, self.package(f"hang-{n % 5}")[0])
            self.stack.wait_for_status("events pending", lambda status: status["mirror"]["pending_events"] > 0)
        finally:
            self.stack.sink.signal(signal.SIGCONT)
        self.assert_equal_stores()

    def test_with_ack_both_a_dead_sink_makes_writes_pending_and_they_are_carried_later(self):
        self.configure(ack="both", ack_timeout="300ms")
        status, headers, _ = self.audit("both")
        self.assertEqual((201, "done"), (status, headers["Twinstream-Mirror"]))
        self.stack.sink.kill()
        for write in (self.audit, self.package):
            status, headers, _ = write("both")
            self.assertEqual((201, "pending"), (status, headers["Twinstream-Mirror"]))
        self.stack.wait_for_status("the sink seen as down", lambda now: not now["stores"]["eventstore"]["up"])
        self.stack.start_sink()
        self.stack.wait_for_status("the sink seen as up", lambda now: now["stores"]["eventstore"]["up"])
        self.assert_equal_stores()

    def test_without_postgres_writes_are_refused_with_retry_after_and_nothing_is_half_written(self):
        self.configure()
        before, refused = self.audit("down", str(uuid.uuid4())), str(uuid.uuid4())
        self.assertEqual(201, before[0])
        self.stack.stop_postgres("immediate")
        try:
            status, headers, _ = self.audit("down", refused)
            self.assertEqual(503, status)
            self.assertGreater(int(headers["Retry-After"]), 0)
        finally:
            self.stack.start_postgres()
        self.assertNotIn(refused, self.stored("audit", "down"))
        for _ in range(2):
            status, _, _ = self.client.until_answered(
                "POST", "/audits/down/events", json.dumps({"kind": "note", "payload": {"n": 1}, "event_id": refused}),
                {"Content-Type": "application/json"})
            self.assertEqual(201, status)
        self.assertEqual(1, self.stored("audit", "down").count(refused))
        self.assertEqual(2, len(self.stored("audit", "down")))
        self.assert_equal_stores()

    def test_a_dead_backend_is_502_and_a_slow_one_504(self):
        self.configure()
        self.stack.backend.signal(signal.SIGSTOP)
        try:
            self.assertEqual(504, self.client.once("GET", "/packages")[0])
        finally:
            self.stack.backend.signal(signal.SIGCONT)
        self.stack.backend.kill()
        self.assertEqual(502, self.client.once("GET", "/packages")[0])
        self.assertEqual(502, self.package("dead")[0])
        self.assertEqual(201, self.audit("needs-no-backend")[0])
        self.stack.start_backend()
        self.assertEqual(200, self.client.until_answered("GET", "/packages")[0])
        self.assert_equal_stores()

    def test_a_write_whose_answer_came_too_late_is_carried_all_the_same(self):
        self.configure()
        event_id = str(uuid.uuid4())
        self.assertEqual(201, self.package("late")[0])
        self.stack.backend.signal(signal.SIGSTOP)
        try:
            self.assertEqual(504, self.package("late", event_id)[0])
        finally:
            self.stack.backend.signal(signal.SIGCONT)
        wait_until("the backend writing what it was sent", lambda: event_id in self.stored("package", "late"))
        self.assert_equal_stores()

    def test_a_second_serve_is_refused_while_the_first_goes_on(self):
        second = subprocess.run([BINARY, "serve", "--config", self.stack.config], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertNotEqual(0, second.returncode)
        self.assertIn("is being served already", second.stdout)
        self.assertEqual(201, self.audit("first-goes-on")[0])

    def test_a_broken_configuration_is_not_taken_and_the_error_names_the_line(self):
        self.configure()
        good = self.stack.config.read_text()
        broken = good.replace("phase: dual-write", "phase: dual-wrote", 1)
        place = next(n for n, text in enumerate(broken.splitlines(), 1) if "dual-wrote" in text)
        self.stack.replace_config(broken)
        status = self.stack.wait_for_status("the error", lambda now: now["config"]["error"])
        self.assertIn(str(place), status["config"]["error"])
        self.assertIn("dual-wrote", status["config"]["error"])
        self.assertEqual(201, self.audit("old-configuration-serves")[0])
        self.assertTrue(all(row["phase"] == "dual-write" for row in status["categories"]))
        self.stack.replace_config(good)
        self.stack.wait_for_status("the mended file", lambda now: now["config"]["error"] is None)

    def test_a_body_over_the_limit_is_413_and_the_next_request_works(self):
        self.configure()
        status, _, _ = self.post("/audits/large/events", {"kind": "note", "payload": {"fill": "x" * 9 * 1024 * 1024}})
        self.assertEqual(413, status)
        self.client = Client(self.stack.settings["listen"])
        self.assertEqual(201, self.audit("large")[0])
        self.assertEqual(1, len(self.stored("audit", "large")))

    def test_a_wrong_version_is_409_on_captured_routes_and_400_with_the_current_one_on_streams(self):
        self.configure()
        self.assertEqual(201, self.audit("versions", expected_version=0)[0])
        self.assertEqual(201, self.package("versions", expected_version=0)[0])
        self.assertEqual(409, self.audit("versions", expected_version=0)[0])
        self.assertEqual(409, self.package("versions", expected_version=0)[0])
        status, headers, _ = self.post("/streams/audit-versions", {"n": 2}, {
            "ES-EventId": str(uuid.uuid4()), "ES-EventType": "note", "ES-ExpectedVersion": "-1"})
        self.assertEqual((400, "0"), (status, headers["ES-CurrentVersion"]))
        self.assertEqual(1, len(self.stored("audit", "versions")))

    def test_writes_go_on_through_restarts_of_sink_backend_and_postgres(self):
        self.configure()
        path = self.stack.work / "record.jsonl"
        traffic = start_traffic(self.stack, path, "--rate", "300", "--streams", "20")

        def more(count=150):
            had = record.acknowledged_count(path)
            wait_until("writes going on", lambda: record.acknowledged_count(path) >= had + count, 60)

        try:
            more()
            self.stack.sink.kill()
            more()
            self.stack.start_sink()
            self.stack.backend.kill()
            self.stack.start_backend()
            more()
            self.stack.stop_postgres("immediate")
            self.stack.start_postgres()
            more()
        finally:
            traffic.signal(signal.SIGTERM)
        self.assertEqual(0, traffic.wait(120), traffic.output())
        self.assert_equal_stores()
        _, problems = record.verify(path, self.stack.postgres_url)
        self.assertEqual([], problems)


class LogReader(unittest.TestCase):
    def test_serve_outlives_whoever_reads_its_log(self):
        stack = self.enterContext(running_stack(BINARY))
        stack.serve.stop()
        serve = subprocess.Popen([BINARY, "serve", "--config", stack.config], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        self.addCleanup(serve.kill)
        wait_until("serve answering", stack.status)
        serve.stdout.close()
        serve.stderr.close()
        stack.replace_config("listen: [")
        serve.send_signal(signal.SIGHUP)  # it complains, to nobody

        def complained():
            self.assertIsNone(serve.poll(), "serve has ended")
            return (stack.status() or {"config": {"error": None}})["config"]["error"]

        wait_until("the file being refused", complained)
        serve.terminate()
        self.assertEqual(0, serve.wait(30))


if __name__ == "__main__":
    unittest.main(verbosity=2)
