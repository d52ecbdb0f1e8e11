#!/usr/bin/env bash
# Runs the official Node clients against `twinstream sink` and against the gRPC door of `twinstream serve`, which gets a
# PostgreSQL of its own. TWINSTREAM_BINARY names the program; the packages come from the registry that npm is configured
# for and are kept in node_modules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
[[ -d node_modules ]] || npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
exec node --test
