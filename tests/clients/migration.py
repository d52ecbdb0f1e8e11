"""The official client after a migration: the demo's system walks through all phases under live traffic, then the client
reads every stream from EventStore and finds what PostgreSQL holds: ids, order, revisions, types, data.

  migration.py TWINSTREAM
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "deploy" / "demo"))

import record  # noqa: E402
import walk  # noqa: E402
from daemon import Failed  # noqa: E402
from stack import Stack  # noqa: E402

PACKAGES = 60
EVENTS = 25  # of history, of each package


def history(path):
    """A log of packages: most streams have history that is carried only when they are touched, or by the backfill."""
    lines = []
    for event in range(EVENTS):
        for package in range(PACKAGES):
            time = f"2026-01-{event + 1:02} 10:{package:02}:00"
            lines.append(f"{time} upgrade demo-{package}:amd64 1.{event} 1.{event + 1}")
    path.write_text("\n".join(lines) + "\n")


def client_agrees(work, postgres_url, sink_port):
    expected = work / "postgres.json"
    streams = record.postgres_streams(postgres_url)
    expected.write_text(json.dumps({stream: [event._asdict() for event in events] for stream, events in streams.items()}))
    environment = os.environ | {"EXPECTED": str(expected), "EVENTSTORE": f"esdb://127.0.0.1:{sink_port}?tls=false"}
    return subprocess.run(["node", "--test", HERE / "migration.mjs"], env=environment).returncode == 0


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    walk.EVENTS_PER_STAGE = 150
    root = pathlib.Path(tempfile.mkdtemp(prefix="twinstream-migration."))
    root.chmod(0o755)
    work = root / "demo"
    history(root / "dpkg.log")
    walked = None
    try:
        walk.clean(work)
        walked = walk.Walk(work, [str(root / "dpkg.log")], Stack(work, binary))
        walked.prepare()
        walked.run()
        walked.finish()
        good = client_agrees(root, walked.stack.postgres_url, walked.stack.settings["sink"])
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"migration: {error}\n{walked.stack.tails() if walked else ''}", file=sys.stderr)
        good = False
    finally:
        walk.stop(work)
        shutil.rmtree(root, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
