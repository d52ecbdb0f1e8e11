#!/usr/bin/env bash
# Runs the official Node clients against `twinstream sink` and against the gRPC door of `twinstream serve`, which gets a
# PostgreSQL of its own. TWINSTREAM_BINARY names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./packages.sh
exec node --test
