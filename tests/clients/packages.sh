#!/usr/bin/env bash
# Installs the official Node clients into node_modules, from the registry that npm is configured for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
[[ -d node_modules ]] || npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
