#!/bin/sh
# Build the library of trees.c for this machine's kind of processor, against no C library.
# Usage: compile.sh PYTHON FOLDER    PYTHON has ziglang, the compiler
set -eu
machine=$(uname -m)
case $machine in x86_64) processor=x86_64_v2 ;; *) processor=baseline ;; esac
mkdir -p "$2"
"$1" -m ziglang cc -target "$machine-linux-musl" -mcpu="$processor" -std=c17 -O3 -Wall -Wextra -Werror \
  -shared -nostdlib -o "$2/trees-$machine.so" "$(dirname "$0")/trees.c"
