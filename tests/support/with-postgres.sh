#!/usr/bin/env bash
# Runs a command beside a PostgreSQL cluster of its own and answers the command's status:
#
#   tests/support/with-postgres.sh COMMAND [ARGUMENT...]
#
# The command finds the cluster's URL in TWINSTREAM_TEST_POSTGRES. The cluster is stopped and deleted at the end,
# whatever happens to the command.
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

cluster=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../deploy" && pwd)/private-postgres.sh
directory=$(mktemp -d "${TMPDIR:-/tmp}/twinstream-pg.XXXXXX")
child=
finish() {
  if [[ -n $child ]]; then kill "$child" 2>/dev/null || true; wait "$child" 2>/dev/null || true; fi
  "$cluster" stop "$directory" immediate || true
  rm -rf "$directory"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

TWINSTREAM_TEST_POSTGRES=$("$cluster" start "$directory")
export TWINSTREAM_TEST_POSTGRES
# In the background, so that a signal to this script is acted upon at once.
"$@" <&0 &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
