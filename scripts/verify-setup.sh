#!/usr/bin/env bash
# Checks setup.sh on a machine without a compiler, network or free disk space. The error has a cause
# and a remedy, and no libtorch folder remains.
set -euo pipefail
cd "$(dirname "$0")/.."

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
mkdir -p "$there/scripts" "$there/bin"
cp scripts/setup.sh "$there/scripts/"
python=$(python3 -c 'import sys; print(sys.executable)')
for tool in bash dirname cat df awk uname rm mkdir tail; do ln -s "$(command -v $tool)" "$there/bin/$tool"; done
ln -s "$python" "$there/bin/python3"

refuses() { # WHAT EXPECTED [VARIABLE=VALUE]...
  local what=$1 expected=$2; shift 2
  if said=$(env "$@" PATH="$there/bin" "$there/scripts/setup.sh" 2>&1); then echo "FAILED  set-up went on with $what"; exit 1; fi
  grep -q "^error: .*$expected" <<< "$said" && grep -q '^help: ' <<< "$said" || { echo "FAILED  $what: $said"; exit 1; }
  [ ! -e "$there/.libtorch" ] && [ ! -e "$there/.libtorch.new" ] || { echo "FAILED  $what left files behind"; exit 1; }
  echo "ok      $what is told"
}

refuses "no C++ compiler" "no C++ compiler"
ln -s "$(command -v c++)" "$there/bin/c++"
refuses "no network" "could not bring torch" PIP_INDEX_URL=http://127.0.0.1:9/simple PIP_FIND_LINKS= PIP_RETRIES=0 PIP_TIMEOUT=3
printf '#!/bin/sh\nprintf "Filesystem\\nx 1 1 1000 1 /\\n"\n' > "$there/bin/df.new" && chmod +x "$there/bin/df.new" && mv "$there/bin/df.new" "$there/bin/df"
refuses "a full disk" "GB of disk"
