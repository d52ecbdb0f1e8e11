#!/usr/bin/env bash
# A PostgreSQL cluster of one's own in one directory: for tests, demonstrations and first steps.
#
#   deploy/private-postgres.sh start DIR [PORT]   creates it when needed, starts it, prints its URL on stdout
#   deploy/private-postgres.sh stop  DIR [MODE]   MODE is fast (default), smart or immediate (as in a crash)
#
# It listens on 127.0.0.1 only, with a password kept in DIR, and writes durably (fsync on). A cluster that was stopped
# starts again with its data and its port. Delete DIR after `stop` to be rid of it. PostgreSQL refuses to run as root:
# root gets the cluster run by the user in TWINSTREAM_POSTGRES_USER (default: postgres).
set -euo pipefail

fail() { echo "private-postgres: $*" >&2; exit 1; }
usage() { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }

find_binaries() {
  if [[ -n ${TWINSTREAM_POSTGRES_BIN:-} ]]; then echo "$TWINSTREAM_POSTGRES_BIN"; return; fi
  local candidate
  candidate=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  if [[ -x $candidate ]]; then dirname "$candidate"; return; fi
  candidate=$(command -v initdb) || fail "no PostgreSQL server programs found; install package postgresql-15 or set" \
    "TWINSTREAM_POSTGRES_BIN to the directory that holds initdb"
  dirname "$candidate"
}

# Runs a command as the user who owns the cluster.
as_owner() {
  if [[ $(id -u) -eq 0 ]]; then
    runuser -u "$owner" -- env -i PATH="$PATH" LC_ALL=C TZ=UTC "$@"
  else
    env -i PATH="$PATH" LC_ALL=C TZ=UTC "$@"
  fi
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

random_port() {
  local port
  for _ in {1..50}; do
    port=$((20000 + (RANDOM << 15 | RANDOM) % 12000))  # below the range that outgoing connections are given
    if port_is_free "$port"; then echo "$port"; return; fi
  done
  fail "no free port found"
}

create_cluster() {
  local password_file=$1/password
  (umask 077; head -c 18 /dev/urandom | base64 | tr '+/' 'ab' >"$password_file")
  [[ $(id -u) -ne 0 ]] || chown "$owner" "$password_file"
  as_owner "$binaries/initdb" -D "$1/data" -U postgres --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust \
    --auth-host=scram-sha-256 --pwfile="$password_file" >"$1/initdb.log" 2>&1 ||
    fail "initdb failed: $(tail -n 3 "$1/initdb.log")"
  as_owner tee -a "$1/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$1'
max_connections = 200
max_prepared_transactions = 10
shared_buffers = 128MB
fsync = on
synchronous_commit = on
CONF
}

# A random port may be taken between the choice and the start: then another one is tried.
start_cluster() {
  local port=$2 wanted=$3 attempt
  for attempt in {1..5}; do
    if as_owner "$binaries/pg_ctl" start -w -t 60 -D "$1/data" -l "$1/server.log" -o "-p $port" >"$1/start.log" 2>&1; then
      echo "$port" >"$1/port"
      return
    fi
    if [[ -n $wanted || $attempt -eq 5 ]]; then break; fi
    port=$(random_port)
  done
  fail "the server did not start: $(tail -n 3 "$1/server.log")"
}

start() {
  mkdir -p "$1"
  local dir port wanted=${2:-}
  dir=$(cd "$1" && pwd -P)
  # The kernel limits the path of a socket to 107 bytes.
  [[ ${#dir} -le 85 ]] || fail "the path $dir is too long for a unix socket; use a shorter one"
  chmod 700 "$dir"
  [[ $(id -u) -ne 0 ]] || chown "$owner" "$dir"
  as_owner test -w "$dir" || fail "user $owner cannot reach $dir; use a directory below one that is open to it"
  [[ -e $dir/data/PG_VERSION ]] || create_cluster "$dir"
  if [[ -z $wanted && -s $dir/port ]]; then wanted=$(<"$dir/port"); fi
  port=${wanted:-$(random_port)}
  start_cluster "$dir" "$port" "$wanted"
  echo "postgresql://postgres:$(<"$dir/password")@127.0.0.1:$(<"$dir/port")/postgres"
}

stop() {
  [[ -d $1 ]] || fail "no directory $1"
  local dir
  dir=$(cd "$1" && pwd -P)
  [[ -e $dir/data/postmaster.pid ]] || return 0
  as_owner "$binaries/pg_ctl" stop -w -t 60 -D "$dir/data" -m "${2:-fast}" >/dev/null ||
    fail "the server in $dir did not stop; see $dir/server.log"
}

[[ $# -ge 2 && $# -le 3 ]] || usage
owner=${TWINSTREAM_POSTGRES_USER:-postgres}
[[ $(id -u) -ne 0 ]] || id "$owner" >/dev/null 2>&1 || fail "there is no user $owner to run the cluster as"
binaries=$(find_binaries)
case $1 in
  start) start "$2" "${3:-}" ;;
  stop) stop "$2" "${3:-}" ;;
  *) usage ;;
esac
