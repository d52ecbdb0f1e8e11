#!/usr/bin/env bash
# Installs, builds and runs every test against real processes. Arguments go to ctest: `tests/run.sh -R crash`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/deploy/build.sh"
exec "$root/tests/support/with-postgres.sh" ctest --test-dir "$root/build" --output-on-failure -j2 "$@"
