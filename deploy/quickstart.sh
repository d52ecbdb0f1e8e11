#!/usr/bin/env bash
# From a bare Debian 12 to a finished migration under live traffic. As root:
#
#   deploy/quickstart.sh               installs, builds, migrates, proves both stores equal, leaves it running
#   deploy/quickstart.sh --exit        the same, then stops everything; status 0 only if every count balances
#   deploy/quickstart.sh --stop        stops what an earlier one left running
#
#   --work DIR   where its data, logs and configuration are kept (default: /tmp/twinstream-quickstart)
#   --log FILE   history to import instead of /var/log/dpkg.log*; may be repeated
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

case " $* " in
  *' --help '* | *' -h '*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *' --stop '*) ;;
  *) "$root/deploy/build.sh" twinstream ;;
esac
exec /usr/bin/python3 -B "$root/deploy/demo/walk.py" "$@"
