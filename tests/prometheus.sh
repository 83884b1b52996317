#!/usr/bin/env bash
# Print the folder that holds the programs prometheus and promtool: the machine's own, or those of
# Debian's package, unpacked into the cache without being installed (its service would start).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cluster/common.sh"

if command -v prometheus promtool >/dev/null; then
  dirname "$(command -v promtool)"
  exit
fi
folder=$CACHE/prometheus
if [ ! -x "$folder/usr/bin/promtool" ]; then
  command -v apt-get >/dev/null || fail "prometheus and promtool are not on PATH: install Prometheus (https://prometheus.io/download)"
  package=$(mktemp -d)
  trap 'rm -rf "$package"' EXIT
  [ "$(id -u)" != 0 ] || timed "updating the package lists" apt-get update --quiet
  cd "$package"
  timed "fetching Debian's prometheus" apt-get download --quiet prometheus
  rm -rf "$folder" "$folder.part"
  dpkg-deb --extract prometheus_*.deb "$folder.part"
  mv "$folder.part" "$folder"
fi
printf '%s\n' "$folder/usr/bin"
