#!/usr/bin/env bash
# Installs what is missing and builds in build/, optimised. Arguments are targets; without any, everything is built.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/deploy/install-packages.sh"
if [ ! -e "$root/build/build.ninja" ]; then
  cmake -S "$root" -B "$root/build" -G Ninja -DCMAKE_CXX_COMPILER=clang++-19 >/dev/null
fi
exec cmake --build "$root/build" --target "${@:-all}"
