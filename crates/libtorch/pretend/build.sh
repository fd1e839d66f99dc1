#!/usr/bin/env bash
# Builds the pretend device for LD_PRELOAD: build.sh [FOLDER], by default target/pretend.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=${1:-$root/target/pretend}
torch=$root/.libtorch/torch
mkdir -p "$out"
flags=(-std=c++20 -O1 -fPIC -fvisibility=hidden -w
  -I"$torch/include" -I"$torch/include/torch/csrc/api/include")
libraries=(-L"$torch/lib" -Wl,--no-as-needed -ltorch_cpu -lc10 -ldl "-Wl,-rpath,$torch/lib")

# Headers of Gloo that the wheel lacks; one file of the shim stands for all.
for name in algorithm common/error context rendezvous/store transport/device; do
  header=$out/headers/gloo/$name.h
  [ -f "$header" ] && continue
  mkdir -p "$(dirname "$header")"
  echo '#include "gloo_declarations.h"' > "$header"
done

# Whether $1 is missing or older than one of the others.
outdated() {
  local target=$1 file
  shift
  [ -f "$target" ] || return 0
  for file in "$@"; do
    if [ "$file" -nt "$target" ]; then return 0; fi
  done
  return 1
}

# libtorch's headers are most of the work, so they are compiled once.
if outdated "$out/common.h.gch" "$here/common.h" "$here/build.sh" "$root/.libtorch/complete"; then
  c++ "${flags[@]}" -x c++-header "$here/common.h" -o "$out/common.h.gch"
fi

compile() {
  c++ "${flags[@]}" -include "$out/common.h" -I"$out/headers" -I"$here/../src" \
    -c "$here/$1.cpp" -o "$out/$1.o"
}

# GCC takes common.h.gch where a file common.h lies beside it or none does.
printf '#include "%s"\n' "$here/common.h" > "$out/common.h.new"
cmp -s "$out/common.h.new" "$out/common.h" || cp "$out/common.h.new" "$out/common.h"
rm "$out/common.h.new"

objects=() waiting=() failed=0
for source in "$here"/*.cpp; do
  part=$(basename "$source" .cpp)
  [[ $part == planted* ]] || objects+=("$out/$part.o")
  outdated "$out/$part.o" "$source" "$here"/*.h "$out/common.h.gch" "$here"/../src/*.h || continue
  compile "$part" &
  waiting+=($!)
  # Two at a time.
  if [ ${#waiting[@]} -ge 2 ]; then
    wait "${waiting[0]}" || failed=1
    waiting=("${waiting[@]:1}")
  fi
done
for job in "${waiting[@]}"; do wait "$job" || failed=1; done
[ "$failed" = 0 ] || exit 1

if outdated "$out/pretend_device.so" "${objects[@]}"; then
  c++ -shared -o "$out/pretend_device.so" "${objects[@]}" "${libraries[@]}"
fi
if outdated "$out/pretend.so" "$here/preload.c"; then
  cc -O1 -shared -fPIC -fvisibility=hidden "$here/preload.c" -o "$out/pretend.so"
fi
if ls "$here"/planted*.cpp > /dev/null 2>&1 && outdated "$out/planted" "$out"/planted*.o; then
  c++ -o "$out/planted" "$out"/planted*.o "${libraries[@]}"
fi
