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
for tool in bash dirname cat df awk uname rm mkdir tail head sort tr seq grep timeout; do ln -s "$(command -v $tool)" "$there/bin/$tool"; done
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

# GPUs: which libtorch each driver and card gets, by stubs of nvidia-smi and of pip, which notes what it is asked for.
df=$(command -v df)
rm "$there/bin/df" "$there/bin/python3"
ln -s "$df" "$there/bin/df"
cat > "$there/bin/nvidia-smi" <<'STUB'
#!/bin/sh
[ "$SMI" = broken ] && exit 9
[ "$SMI" = hangs ] && exec sleep 60
printf '%s\n' "$SMI"
STUB
cat > "$there/bin/python3" <<'STUB'
#!/bin/sh
case "$*" in
  *--version*) exit 0 ;;
  *cu126*) echo "ERROR: No matching distribution found for torch==2.13.0+cu126" >&2 ;;
  *) echo "ERROR: this stub of pip brings nothing" >&2 ;;
esac
echo "$TMPDIR $*" > "$ASKED"
exit 1
STUB
chmod +x "$there/bin/nvidia-smi" "$there/bin/python3"

asks() { # WHAT EXPECTED [VARIABLE=VALUE]...
  local what=$1 expected=$2; shift 2
  rm -f "$there/asked"
  env ASKED="$there/asked" RES2LAB_NVIDIA_PROC="$there/none" "$@" PATH="$there/bin" "$there/scripts/setup.sh" >/dev/null 2>&1 || true
  grep -q -- "$expected" "$there/asked" 2>/dev/null || { echo "FAILED  $what: pip was asked for $(cat "$there/asked" 2>/dev/null)"; exit 1; }
  echo "ok      $what"
}

asks "a new driver and card get CUDA 13" "torch==2.13.0 nvidia-cuda-crt" SMI="580.65.06, 9.0"
asks "an older driver gets CUDA 12.6" "torch==2.13.0+cu126" SMI="535.183.01, 8.0"
asks "an older card gets CUDA 12.6" "torch==2.13.0+cu126" SMI="580.65.06, 7.0"
asks "the oldest of several cards decides" "torch==2.13.0+cu126" SMI="580.65.06, 9.0
580.65.06, 6.1"
asks "RES2LAB_CUDA=13 insists" "torch==2.13.0 nvidia-cuda-crt" SMI="535.183.01, 8.0" RES2LAB_CUDA=13
asks "RES2LAB_CUDA=0 insists" "--no-deps torch==2.13.0 " SMI="580.65.06, 9.0" RES2LAB_CUDA=0
asks "without a GPU there is no CUDA" "--no-deps torch==2.13.0 " SMI=broken
asks "pip unpacks beside the checkout" "^$there/.libtorch.new.tmp .*--no-cache-dir" SMI="580.65.06, 9.0"
stub=(ASKED="$there/asked" RES2LAB_NVIDIA_PROC="$there/none")
refuses "an index without CUDA 12.6" "no torch 2.13.0+cu126" "${stub[@]}" SMI="535.183.01, 8.0"
refuses "a card that is too old" "compute capability 3.7" "${stub[@]}" SMI="470.10, 3.7"
refuses "an impossible RES2LAB_CUDA" "RES2LAB_CUDA=11" "${stub[@]}" SMI=broken RES2LAB_CUDA=11
mkdir "$there/driver" && touch "$there/driver/version"
refuses "a driver that does not answer" "nvidia-smi does not answer" "${stub[@]}" SMI=broken RES2LAB_NVIDIA_PROC="$there/driver"
