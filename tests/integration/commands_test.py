"""What the commands print and what they end with: operators and their scripts rely on both."""

import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from support import running_stack

import psycopg2
from client import Client

BINARY = sys.argv.pop(1)
HISTORY = 3000
PROGRESS = r"[\d.]+ %  \d+ events read, \d+ carried, \d+/s, (\?|\d+:\d\d) left"


def read_until(descriptor, pattern):
    """Everything up to the first match, or up to the end when there is no pattern."""
    text = ""
    while pattern is None or not re.search(pattern, text):
        try:
            more = os.read(descriptor, 4096).decode()
        except OSError:  # what a terminal says when nobody writes to it any more
            more = ""
        if not more:
            break
        text += more
    return text


class Commands(unittest.TestCase):
    """Observed only: the stores differ until a command carries something. Tests run in the order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.stack = cls.enterClassContext(running_stack(BINARY, history=HISTORY))
        cls.configure()

    @classmethod
    def configure(cls, **changes):
        """A command connects once and does not wait for a machine that is busy with other tests."""
        cls.stack.write_config(**changes)
        cls.stack.replace_config(cls.stack.config.read_text().replace("postgres:\n", "postgres:\n  connect_timeout: 30s\n", 1))

    def check(self, *arguments):
        return self.stack.run("check", "--patience", "0", *arguments)

    def report(self, *arguments):
        done = self.check("--json", *arguments)
        report = json.loads(done.stdout)
        parts = ("equal", "different", "missing", "extra", "unknown")
        self.assertEqual(report["streams"], sum(report[part] for part in parts), "the account is balanced")
        return done.returncode, report

    def backfill(self, output, *arguments):
        command = [BINARY, "backfill", "--config", self.stack.config, *arguments]
        self.complaints = tempfile.TemporaryFile("w+")
        self.addCleanup(self.complaints.close)
        process = subprocess.Popen(command, stdout=output, stderr=self.complaints)
        self.addCleanup(process.kill)
        return process

    def held_up(self, output, descriptor, pattern):
        """What a backfill says while EventStore hangs, and what after."""
        self.stack.sink.signal(signal.SIGSTOP)
        try:
            process = self.backfill(output, "--restart")
            os.close(output)
            during = read_until(descriptor, pattern)
        finally:
            self.stack.sink.signal(signal.SIGCONT)
        after = read_until(descriptor, None)
        os.close(descriptor)
        status = process.wait(60)
        self.complaints.seek(0)
        self.assertEqual(0, status, during + after + self.complaints.read())
        return during, after

    def test_1_check_ends_with_1_when_stores_differ_and_details_are_bounded(self):
        done = self.check("--max-differences", "2")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("differences (2 of 97)", done.stdout)
        self.assertIn("verdict: different", done.stdout)
        status, report = self.report("--category", "package", "--max-differences", "3")
        self.assertEqual((1, "different", 97), (status, report["verdict"], report["missing"]))
        self.assertEqual(3, len(report["differences"]))
        status, report = self.report("--category", "none")
        self.assertEqual((0, 0), (status, report["streams"]))

    def test_2_a_backfill_is_stopped_and_continued(self):
        self.stack.sink.signal(signal.SIGSTOP)
        try:
            process = self.backfill(subprocess.PIPE)
            self.addCleanup(process.stdout.close)
            self.assertRegex(process.stdout.readline().decode(), PROGRESS)
            process.send_signal(signal.SIGINT)
        finally:
            self.stack.sink.signal(signal.SIGCONT)
        self.assertEqual(1, process.wait(60))
        self.assertRegex(self.stack.must_run("backfill"), r"backfill complete: \d+ events read, \d+ carried in")
        status, report = self.report()
        self.assertEqual((0, "equal", HISTORY), (status, report["verdict"], report["eventstore_events"]))
        self.assertIn("backfill complete: 0 events read, 0 carried", self.stack.must_run("backfill"))

    def test_3_a_backfill_prints_plain_lines_where_there_is_no_terminal(self):
        reading, writing = os.pipe()
        during, after = self.held_up(writing, reading, "left.*\n")
        line = r"[^\r\n\033]*\n"
        self.assertRegex(during + after, rf"\A( *{PROGRESS}{line})+backfill complete: {HISTORY} events read, {line}\Z")

    def test_4_a_backfill_writes_over_one_line_on_a_terminal(self):
        reading, writing = pty.openpty()
        during, after = self.held_up(writing, reading, "left.*\033")
        self.assertRegex(during, rf"\A(\r *{PROGRESS}[^\r\n]*\033\[K)+\Z")
        self.assertRegex(after, rf"\rbackfill complete: {HISTORY} events read, ")

    def test_5_check_ends_with_0_under_live_writes_that_are_not_lost(self):
        self.configure(phase="dual-write")
        self.stack.wait_for_phase("dual-write")
        client = Client(self.stack.settings["listen"])
        self.addCleanup(client.close)
        checking = subprocess.Popen([BINARY, "check", "--config", self.stack.config], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL)
        self.addCleanup(checking.stdout.close)
        n = 0
        while checking.poll() is None:
            body = json.dumps({"kind": "note", "payload": {"n": n}})
            self.assertEqual(201, client.once("POST", f"/audits/live-{n % 7}/events", body,
                                              {"Content-Type": "application/json"})[0])
            n += 1
        self.assertEqual(0, checking.returncode, checking.stdout.read().decode())

    def test_6_status_shows_what_serve_says(self):
        shown = self.stack.must_run("status")
        for expected in ("postgres: up", "eventstore: up", "events pending, lag"):
            self.assertIn(expected, shown)
        self.assertRegex(shown, r"(?m)^package +dual-write +dual-write +postgres ")
        self.assertEqual(json.loads(self.stack.must_run("status", "--json"))["version"], self.stack.status()["version"])

    def test_7_doctor_ends_with_0_when_ready_and_1_when_refused(self):
        output = self.stack.must_run("doctor")
        self.assertNotIn("REFUSED", output)
        self.assertTrue(output.endswith("ready\n"), output)
        with psycopg2.connect(self.stack.postgres_url) as connection, connection.cursor() as cursor:
            cursor.execute("ALTER SEQUENCE inventory_events_seq_seq CACHE 10")
        done = self.stack.run("doctor")
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stdout, r"REFUSED .*cache")
        with psycopg2.connect(self.stack.postgres_url) as connection, connection.cursor() as cursor:
            cursor.execute("ALTER SEQUENCE inventory_events_seq_seq CACHE 1")

    def test_8_what_cannot_be_checked_is_2_and_no_verdict(self):
        self.stack.sink.kill()
        status, report = self.report()
        self.assertEqual((2, "unknown"), (status, report["verdict"]))
        self.assertTrue(report["trouble"])
        self.stack.stop_postgres("immediate")
        self.assertEqual(2, self.check().returncode)
        self.stack.replace_config("postgres: {urll: x}")
        done = self.check()
        self.assertEqual(2, done.returncode)
        self.assertIn("did you mean `url`?", done.stderr)


class Sink(unittest.TestCase):
    def setUp(self):
        self.data = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def sink(self, *arguments):
        return subprocess.run([BINARY, "sink", "--data", self.data, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)

    def test_addresses_that_other_machines_reach_need_tls_or_a_word(self):
        done = self.sink("--listen", "0.0.0.0:0")
        self.assertEqual(1, done.returncode)
        self.assertIn("is reachable from other machines", done.stderr)
        self.assertIn("--insecure", done.stderr)
        allowed = subprocess.Popen([BINARY, "sink", "--data", self.data, "--listen", "0.0.0.0:0", "--insecure"],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(allowed.stdout.close)
        self.assertIn("listening on 0.0.0.0:", allowed.stdout.readline())
        allowed.terminate()
        self.assertEqual(0, allowed.wait(30))

    def test_a_store_is_verified_and_scavenged_at_rest(self):
        running = subprocess.Popen([BINARY, "sink", "--data", self.data, "--listen", "127.0.0.1:0"],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(running.stdout.close)
        running.stdout.readline()
        self.assertEqual(2, self.sink("verify").returncode, "a store in use")
        running.terminate()
        self.assertEqual(0, running.wait(30))
        verified = self.sink("verify")
        self.assertEqual((0, "whole"), (verified.returncode, verified.stdout.splitlines()[-1]))
        self.assertIn("0 events removed", self.sink("scavenge").stdout)
        file = self.data / "events.sqlite"
        content = bytearray(file.read_bytes())
        content[100:] = b"\x5a" * (len(content) - 100)
        file.write_bytes(content)
        damaged = self.sink("verify")
        self.assertEqual(1, damaged.returncode, damaged.stdout + damaged.stderr)
        self.assertIn("damage", damaged.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
