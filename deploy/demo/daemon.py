"""Background processes that outlive the script that started them: a pid file, a log, a line that says it is ready."""

import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time


class Failed(Exception):
    """What went wrong, for people; the text may name a log."""


def wait_until(what, condition, seconds=30.0):
    """The first true answer of `condition`, asked again and again until the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.02)


def free_port():
    """Below the range that outgoing connections are given, so that it stays free while its owner restarts."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Daemon:
    def __init__(self, work, name, ready):
        work = pathlib.Path(work)
        self.name, self._ready = name, re.compile(ready)
        self.log = work / "log" / f"{name}.log"
        self._pid_file = work / "run" / f"{name}.pid"
        self._process = None
        for directory in (self.log.parent, self._pid_file.parent):
            directory.mkdir(parents=True, exist_ok=True)

    def start(self, *command, wait=True):
        """Answers the match of the ready line, which was printed by this very start."""
        self._from = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, start_new_session=True)
        self._pid_file.write_text(f"{self._process.pid} {start_time(self._process.pid)}")
        return self.ready() if wait else None

    def ready(self, seconds=30.0):
        return wait_until(f"{self.name} becoming ready", self._look, seconds)

    def _look(self):
        match = self._ready.search(self.output())
        if not match and self._process.poll() is not None:
            raise Failed(f"{self.name} ended with status {self._process.returncode}:\n{self.tail()}")
        return match

    def output(self):
        """What the present process has printed."""
        with open(self.log, errors="replace") as log:
            log.seek(self._from)
            return log.read()

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def pid(self):
        """Of the process that runs now; None when it is gone (also when its number belongs to another by now)."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        try:
            pid, started = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == started else None

    def signal(self, number):
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)

    def wait(self, seconds=30.0):
        wait_until(f"{self.name} ending", lambda: self.pid() is None, seconds)
        self._pid_file.unlink(missing_ok=True)
        return self._process.returncode if self._process else None

    def stop(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except Failed:
            self.kill()
            raise

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()


def start_time(pid):
    """Tells a process from a later one with the same number; None when there is none, or only its remains."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
