#!/usr/bin/env bash
# What the embedded server does over gRPC, beside a server of the same protocol that only counts, in one run:
#   grpc.sh [--seconds 2]                       appends, batches, reads, fan-out to 100 subscribers
#   grpc.sh growth [--events 1000000]           rates at 100,000 events and at more, memory of the sink
# Needs the built tree. The data goes to TMPDIR and is deleted.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${TWINSTREAM_BUILD:-$root/build}
[ -n "${TWINSTREAM_NO_BUILD:-}" ] || cmake --build "$build" --target bench_grpc twinstream >/dev/null
bench=$build/tests/bench/bench_grpc
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

# listening FILE: the address in the server's first line
listening() {
  for _ in $(seq 300); do
    if grep -q 'listening on' "$1"; then sed -n 's/.*listening on \([^, ]*\).*/\1/p' "$1"; return; fi
    sleep 0.1
  done
  echo "a server did not start: $(cat "$1")" >&2
  exit 1
}

mode=compare
if [ "${1:-}" = growth ]; then mode=growth; shift; fi

"$build/proxy/twinstream" sink --listen 127.0.0.1:0 --data "$work/data" --max-append-size 8388608 >"$work/sink" 2>&1 &
pids+=($!)
arguments=(--sink "$(listening "$work/sink")" --sink-pid "${pids[0]}")
if [ "$mode" = compare ]; then
  mkfifo "$work/open"
  "$bench" floor <"$work/open" >"$work/floor" 2>&1 &
  pids+=($!)
  exec 9>"$work/open"
  arguments+=(--floor "$(listening "$work/floor")" --floor-pid "${pids[1]}")
fi
"$bench" "$mode" "${arguments[@]}" "$@"
