"""What the tests of real processes share: the demo's stack in a directory of its own, taken down whatever happens."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "demo"))

from daemon import Daemon  # noqa: E402
from stack import DEMO, Stack  # noqa: E402


@contextmanager
def running_stack(binary, history=0, **settings):
    """Everything is up and initialised; `history` events are in the inventory's table before Twinstream is."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="twinstream-test."))
    work.chmod(0o755)
    stack = Stack(work, binary)
    try:
        stack.start_postgres()
        import_history(stack, history)
        stack.start_backend()
        stack.start_sink()
        stack.write_config(**settings)
        stack.must_run("init")
        stack.start_serve()
        yield stack
    except BaseException:
        print(stack.tails(), file=sys.stderr)
        raise
    finally:
        stack.stop()
        shutil.rmtree(work, ignore_errors=True)


def import_history(stack, events):
    log = stack.work / "dpkg.log"
    log.write_text("".join(f"2024-03-01 12:{n // 60 % 60:02}:{n % 60:02} status installed old-{n % 97}:amd64 1.{n}\n"
                           for n in range(events)))
    subprocess.run([sys.executable, DEMO / "import_dpkg.py", "--database", stack.postgres_url, "--log", log],
                   stdout=subprocess.DEVNULL, check=True)


def start_traffic(stack, record, *options):
    record.touch()
    traffic = Daemon(stack.work, "traffic", r"")
    traffic.start(sys.executable, DEMO / "traffic.py", "--target", stack.settings["listen"], "--record", record,
                  *options)
    return traffic
