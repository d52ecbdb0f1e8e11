"""Writes and pass-through measured in one run on one machine, so that the ratios mean something.

PostgreSQL is durable (fsync on), every step has 64 concurrent clients (where it says so, 256) on kept connections and,
for writes, about a thousand streams. CPU is that of the processes that do the work (Twinstream, PostgreSQL, the sink,
nginx), not of the load generators. A step's CPU is counted until
the mirror has caught up, so that work put off is not left out. A machine's speed drifts: each step stands between two
runs of its baseline, its ratios are to their mean, and all is measured several times; the medians are what counts.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "demo"))

from daemon import Daemon, free_port, wait_until  # noqa: E402
from stack import Stack  # noqa: E402

CONNECTIONS = 64
MANY = 256
PAYLOAD = {"action": "configure", "version": "2.36-9+deb12u10", "architecture": "amd64", "fill": "x" * 120}
TICK = os.sysconf("SC_CLK_TCK")

INSERT = f"""\\set event :event + 1
INSERT INTO public.inventory_events (category, name, version, event_id, kind, payload)
VALUES ('bench', 'direct-' || :run || '-' || :client_id || '-' || :event % 16, :event / 16 + 1, gen_random_uuid(), 'configure',
        '{json.dumps(PAYLOAD)}');
"""

NGINX = """daemon off; worker_processes $workers; pid $work/$name.pid; error_log $work/$name.error;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/f;
  uwsgi_temp_path $work/u; scgi_temp_path $work/s; keepalive_requests 100000000;
  $content
}
"""


def children():
    """parent pid -> pids"""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.setdefault(int(fields[1]), []).append((pid, sum(map(int, fields[11:15]))))
    return found


def cpu_seconds(pids):
    """Of these processes with all their descendants, those that have ended included."""
    family = children()
    own = {pid: ticks for members in family.values() for pid, ticks in members}
    total, waiting = 0, list(pids)
    while waiting:
        pid = waiting.pop()
        total += own.get(pid, 0)
        waiting += [child for child, _ in family.get(pid, [])]
    return total / TICK


class Row(NamedTuple):
    name: str
    requests: int
    rate: float  # a second
    cpu: float   # microseconds a request
    p50_us: int | None
    p99_us: int | None

    def line(self, rate_ratio=1, cpu_ratio=1):
        times = f"{self.p50_us / 1000:7.2f} {self.p99_us / 1000:7.2f}" if self.p50_us else ""
        return (f"{self.name:44} {self.requests:8} {self.rate:9.0f} {rate_ratio:6.2f}x {self.cpu:8.1f} "
                f"{cpu_ratio:6.2f}x {times}")


class Bench:
    def __init__(self, arguments, work):
        self.arguments, self.work = arguments, work
        self.stack = Stack(work, arguments.build / "proxy" / "twinstream")
        self.load_binary = arguments.build / "tests" / "bench" / "bench_load"
        self.plain = Stack(work / "plain")  # a PostgreSQL of its own, which nobody else reads
        self.runs, self.nginxes, self.medians = 0, [], []

    def measure(self, name, pids, load, settled=lambda: None):
        """`load(requests)` answers events per second. The first one touches every stream, and a second short one finds
        how many requests fill the time."""
        load(2000)
        settled()
        rate = load(4000)["per_second"]
        settled()
        requests = max(2000, int(rate * self.arguments.seconds))
        before = cpu_seconds(pids)
        result = load(requests)
        settled()
        if result.get("errors"):
            raise SystemExit(f"bench: {name}: {result['errors']} answers were errors, the last {result['last_error']}")
        cpu = (cpu_seconds(pids) - before) / result["requests"] * 1e6
        return Row(name, result["requests"], result["per_second"], cpu, result.get("p50_us"), result.get("p99_us"))

    def compare(self, baseline, steps):
        """Both are functions that measure; the baseline is measured before, between and after the steps."""
        before = baseline()
        print(before.line(), flush=True)
        ratios = {}
        for step in steps * self.arguments.rounds:
            row, after = step(), baseline()
            rate = row.rate / statistics.mean([before.rate, after.rate])
            cpu = row.cpu / statistics.mean([before.cpu, after.cpu])
            print(row.line(rate, cpu), after.line(), sep="\n", flush=True)
            ratios.setdefault(row.name, []).append((rate, cpu))
            before = after
        self.medians += [(f"{name} / {before.name.partition(': ')[2]}", *map(statistics.median, zip(*pairs)))
                         for name, pairs in ratios.items()]

    def http(self, port, method, path, body=None, connections=CONNECTIONS):
        def load(requests):
            command = [self.load_binary, "--port", port, "--method", method, "--path", path, "--requests", requests,
                       "--connections", connections]
            if body:
                command += ["--body", json.dumps(body), "--header", "Content-Type: application/json"]
            return json.loads(subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True).stdout)
        return load

    def pgbench(self, requests):
        self.runs += 1
        each = max(1, requests // CONNECTIONS)
        done = subprocess.run(["pgbench", "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-t", str(each),
                               "-D", "event=0", "-D", f"run={self.runs}", "-f", "-", self.plain.postgres_url],
                              input=INSERT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        rate = re.search(r"tps = ([\d.]+) \(without initial", done.stdout)
        if done.returncode or not rate:
            raise SystemExit(f"bench: pgbench failed:\n{done.stdout}")
        latency = float(re.search(r"latency average = ([\d.]+) ms", done.stdout)[1])
        return {"requests": each * CONNECTIONS, "per_second": float(rate[1]), "average_ms": latency}

    # steps

    def writes(self):
        everything = [postmaster(self.stack), self.stack.sink.pid(), self.stack.serve.pid()]
        def write(clients=CONNECTIONS):
            return self.http(self.stack.settings["listen"].rpartition(":")[2], "POST", "/audits/bench-{}/events",
                             {"kind": "configure", "payload": PAYLOAD}, clients)

        def dual_write(ack, clients=CONNECTIONS):
            self.enter("dual-write", ack=ack, ack_timeout="10s")
            name = f"write: dual-write, ack {ack}" + ("" if clients == CONNECTIONS else f", {clients} clients")
            return self.measure(name, everything, write(clients), self.stack.wait_for_mirror)

        def direct():
            return self.measure("write: direct INSERT + commit (pgbench)", [postmaster(self.plain)], self.pgbench)

        self.compare(direct, [lambda: self.measure("write: observe", everything, write())])
        self.compare(direct, [lambda: dual_write("authority"), lambda: dual_write("both"),
                              lambda: dual_write("both", MANY)])

    def enter(self, phase, **changes):
        self.stack.apply(phase=phase, **changes)
        self.stack.wait_for_phase(phase)
        self.stack.wait_for_mirror(600)

    def pass_through(self, backend_port):
        front = free_port()
        proxy = self.nginx("nginx-front", os.cpu_count(), f"""
          upstream backend {{ server 127.0.0.1:{backend_port}; keepalive 128; }}
          server {{ listen 127.0.0.1:{front} reuseport; location / {{
            proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""", front)
        port = self.stack.settings["listen"].rpartition(":")[2]
        get = lambda name, daemon, at: lambda: self.measure(f"pass-through: {name}", [daemon.pid()],
                                                            self.http(at, "GET", "/item/{}"))
        self.compare(get("nginx", proxy, front), [get("twinstream", self.stack.serve, port)])

    def nginx(self, name, workers, content, port):
        config = self.work / f"{name}.conf"
        values = {"workers": str(workers), "work": str(self.work), "name": name, "content": content}
        text = re.sub(r"\$(workers|work|name|content)\b", lambda match: values[match[1]], NGINX)
        config.write_text(text)
        daemon = Daemon(self.work, name, "")
        daemon.start("nginx", "-p", self.work, "-e", self.work / f"{name}.error", "-c", config)
        self.nginxes.append(daemon)
        wait_until(f"{name} listening", lambda: accepts(port))
        return daemon

    def run(self):
        backend = free_port()
        self.nginx("nginx-backend", 1,
                   f'server {{ listen 127.0.0.1:{backend}; location / {{ return 200 "ok\\n"; }} }}', backend)
        self.plain.start_postgres()
        self.stack.start_postgres()
        self.stack.start_sink()
        self.stack.settings["backend"] = f"127.0.0.1:{backend}"
        for stack in (self.plain, self.stack):
            subprocess.run(["psql", "-q", stack.postgres_url, "-f", ROOT / "deploy/demo/schema.sql"], check=True)
        self.stack.write_config()
        self.stack.must_run("init")
        self.stack.start_serve()
        print(f"{'':44} {'requests':>8} {'per sec':>9} {'ratio':>7} {'CPU us':>8} {'ratio':>7} {'p50 ms':>7} "
              f"{'p99 ms':>7}")
        self.writes()
        self.pass_through(backend)
        print(f"\n{'median of ' + str(self.arguments.rounds):72} {'rate':>7} {'CPU':>7}")
        for name, rate, cpu in self.medians:
            print(f"{name:72} {rate:6.2f}x {cpu:6.2f}x")

    def close(self):
        for daemon in self.nginxes:
            if daemon.pid():
                daemon.stop()
        self.stack.stop()
        self.plain.stop()


def postmaster(stack):
    return int((stack.work / "postgres/data/postmaster.pid").read_text().split()[0])


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options.add_argument("--seconds", type=float, default=5, help="per step, about")
    options.add_argument("--rounds", type=int, default=5, help="of all steps")
    arguments = options.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="twinstream-bench."))
    work.chmod(0o755)
    bench = Bench(arguments, work)
    try:
        bench.run()
    finally:
        bench.close()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
