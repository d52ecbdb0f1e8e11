#!/usr/bin/env bash
# Installs what deploy/packages.txt lists, on Debian 12 as root. Does nothing when all of it is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

wanted=()
while read -r package; do
  case "$package" in
    '' | '#'*) continue ;;
    # Another Node.js than Debian's brings its own npm and refuses Debian's package.
    nodejs) command -v node >/dev/null && continue ;;
    npm) command -v npm >/dev/null && continue ;;
  esac
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || wanted+=("$package")
done <"$here/packages.txt"
[ ${#wanted[@]} -eq 0 ] && exit 0

[ "$(id -u)" -eq 0 ] || { echo "install-packages: must run as root to install: ${wanted[*]}" >&2; exit 1; }
echo "installing ${#wanted[@]} packages: ${wanted[*]}"
# Only private clusters are wanted: keep the package from making and starting one of its own.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
