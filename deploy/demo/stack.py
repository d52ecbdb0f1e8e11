"""The demo's processes: a private PostgreSQL, the sink, the inventory and Twinstream, all on 127.0.0.1.

Used by the quickstart, and by the tests and the bench, which drive the same real processes.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.request

from daemon import Daemon, Failed, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "demo"
CATEGORIES = ["package", "audit", "note"]


class Stack:
    def __init__(self, work, twinstream=ROOT / "build" / "proxy" / "twinstream"):
        self.work, self.binary = pathlib.Path(work).resolve(), str(twinstream)
        self.work.mkdir(parents=True, exist_ok=True)
        self.config = self.work / "twinstream.yaml"
        self.sink = Daemon(self.work, "sink", r"listening on 127\.0\.0\.1:(\d+)")
        self.backend = Daemon(self.work, "inventory", r"listening on (\S+)")
        self.serve = Daemon(self.work, "serve", r"proxy on (\S+), admin on (\S+)")
        self.settings = {
            "listen": f"127.0.0.1:{free_port()}", "admin": f"127.0.0.1:{free_port()}", "phase": "observe",
            "ack": "authority", "ack_timeout": "1s", "reads": "from: backend", "response_timeout": "30s",
        }
        self.postgres_url = None

    # processes

    def start_postgres(self):
        answer = subprocess.run([ROOT / "deploy" / "private-postgres.sh", "start", self.work / "postgres"],
                                stdout=subprocess.PIPE, text=True, check=True)
        self.postgres_url = self.settings["postgres"] = answer.stdout.strip()

    def stop_postgres(self, mode="fast"):
        if (self.work / "postgres").exists():
            subprocess.run([ROOT / "deploy" / "private-postgres.sh", "stop", self.work / "postgres", mode], check=True)

    def start_sink(self):
        port = self.settings.get("sink", "0")
        ready = self.sink.start(self.binary, "sink", "--data", self.work / "sink", "--listen", f"127.0.0.1:{port}")
        self.settings["sink"] = ready[1]

    def start_backend(self):
        listen = self.settings.get("backend", "127.0.0.1:0")
        ready = self.backend.start(sys.executable, DEMO / "inventory.py", "--listen", listen,
                                   "--database", self.postgres_url)
        self.settings["backend"] = ready[1]

    def start_serve(self):
        self.serve.start(self.binary, "serve", "--config", self.config)

    def stop(self):
        for daemon in (self.serve, self.backend, self.sink):
            if daemon.pid():
                daemon.stop()
        self.stop_postgres()

    def tails(self):
        return "\n".join(f"--- {daemon.log}\n{daemon.tail()}" for daemon in (self.sink, self.backend, self.serve)
                         if daemon.log.exists())

    # configuration and commands

    def write_config(self, **changes):
        """As an editor would: the new file takes the place of the old one at once."""
        self.settings |= changes
        template = (DEMO / "twinstream.yaml").read_text()
        if self.settings.get("moved"):
            template = re.sub(r"(?ms)^  # the inventory writes its own table.*?\n\n", "", template)
        self.replace_config(re.sub(r"@(\w+)@", lambda name: str(self.settings[name[1]]), template))

    def apply(self, **changes):
        """Writes the configuration and waits until serve has taken it over."""
        before = self.wait_for_status("serve answering", lambda _: True)["config"]["loaded"]
        self.write_config(**changes)
        self.serve.signal(signal.SIGHUP)
        self.wait_for_status(f"taking over {changes}", lambda status: status["config"]["error"] is None and
                             status["config"]["loaded"] != before)

    def replace_config(self, text):
        written = self.config.with_suffix(".new")
        written.touch(mode=0o600)
        written.write_text(text)
        os.replace(written, self.config)

    def run(self, verb, *arguments):
        return subprocess.run([self.binary, verb, "--config", self.config, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def must_run(self, verb, *arguments):
        done = self.run(verb, *arguments)
        if done.returncode != 0:
            raise Failed(f"twinstream {verb} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    # what serve says

    def admin(self, path):
        with urllib.request.urlopen(f"http://{self.settings['admin']}{path}", timeout=10) as answer:
            return answer.read().decode()

    def status(self):
        """None while serve does not answer."""
        try:
            return json.loads(self.admin("/status"))
        except OSError:
            return None

    def wait_for_status(self, what, condition, seconds=60.0):
        last = None

        def look():
            nonlocal last
            if self.serve.pid() is None:
                raise Failed(f"serve ended, while {what} was waited for:\n{self.serve.tail(30)}")
            last = self.status() or last
            return last if last and condition(last) else None

        try:
            return wait_until(what, look, seconds)
        except Failed as error:
            raise Failed(f"{error}; the last status was {json.dumps(last)}") from None

    def wait_for_phase(self, phase, seconds=60.0):
        return self.wait_for_status(f"phase {phase}", lambda status: all(
            category["phase"] == phase for category in categories(status).values()), seconds)

    def wait_for_mirror(self, seconds=60.0):
        return self.wait_for_status("the mirror being caught up", lambda status: status["mirror"]["caught_up"], seconds)


def categories(status):
    return {category["name"]: category for category in status["categories"] if category["name"] in CATEGORIES}
