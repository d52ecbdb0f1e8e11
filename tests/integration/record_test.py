"""The verifier that the crash test relies on sees every kind of planted fault."""

import json
import pathlib
import tempfile
import unittest

import support  # noqa: F401  (makes the demo's modules importable)

from record import Record, Stored, check_store, compare_stores


def stored(revision, event_id, data=None):
    return Stored(revision, event_id, "note", data or {"n": revision}, "2024-03-01T12:00:00.000000Z")


def ack(revision, event_id):
    return {"ack": "streams", "stream": "note-1", "revision": revision, "id": event_id, "type": "note",
            "data": {"n": revision}}


class PlantedFaults(unittest.TestCase):
    def record(self, *lines):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "record"
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            return Record(path)

    def problems(self, events, *lines):
        record = self.record(*(lines or (ack(0, "a"), ack(1, "b"))))
        return record.problems + check_store(record, "postgres", {"note-1": events})

    def test_equal_is_no_problem(self):
        self.assertEqual([], self.problems([stored(0, "a"), stored(1, "b")]))

    def test_a_lost_event(self):
        self.assertTrue(any("LOST b" in problem for problem in self.problems([stored(0, "a")])))

    def test_a_changed_payload(self):
        self.assertTrue(self.problems([stored(0, "a"), stored(1, "b", {"n": 2})]))

    def test_swapped_revisions(self):
        self.assertTrue(self.problems([stored(0, "b", {"n": 1}), stored(1, "a", {"n": 0})]))

    def test_a_hole(self):
        self.assertTrue(self.problems([stored(0, "a"), stored(2, "b")]))

    def test_a_duplicated_event(self):
        self.assertTrue(any("twice" in problem for problem in
                            self.problems([stored(0, "a"), stored(1, "b"), stored(2, "b", {"n": 1})])))

    def test_a_refused_event_that_is_there(self):
        self.assertTrue(self.problems([stored(0, "a")], ack(0, "a"), {"refused": "a", "stream": "note-1"}))

    def test_two_answers_to_one_event(self):
        self.assertTrue(self.problems([stored(0, "a")], ack(0, "a"), ack(1, "a")))

    def test_stores_that_differ(self):
        one = {"note-1": [stored(0, "a")]}
        self.assertEqual([], compare_stores(one, one))
        self.assertTrue(compare_stores(one, {}))
        self.assertTrue(compare_stores(one, {"note-1": [stored(0, "a", {"n": 9})]}))


if __name__ == "__main__":
    unittest.main()
