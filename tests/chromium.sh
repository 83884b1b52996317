#!/usr/bin/env bash
# Print the path of a Chromium: the machine's own, or Debian's package, which is installed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cluster/common.sh"

found() { command -v chromium chromium-browser google-chrome google-chrome-stable | head -n 1; }

if [ -z "$(found)" ]; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    fail "no Chromium is on PATH: install it (apt-get install chromium)"
  fi
  install_packages chromium
fi
found
