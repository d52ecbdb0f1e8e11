#!/usr/bin/env bash
# What Twinstream costs, beside PostgreSQL alone and beside nginx, in one run: see bench.py. Needs the built tree.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cmake --build "$root/build" --target bench_load twinstream >/dev/null
exec /usr/bin/python3 -B "$root/tests/bench/bench.py" "$@"
