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

# GCC takes common.h.gch where a file common.h lies beside it or none does.
printf '#include "%s"\n' "$here/common.h" > "$out/common.h.new"
cmp -s "$out/common.h.new" "$out/common.h" || cp "$out/common.h.new" "$out/common.h"
rm "$out/common.h.new"

# A unit is several sources, for most of the time of each compiler goes into reading the headers.
unit() {
  local name=$1 part
  shift
  for part in "$@"; do echo "#include \"$here/$part.cpp\""; done > "$out/$name.new"
  if ! cmp -s "$out/$name.new" "$out/$name.cpp"; then cp "$out/$name.new" "$out/$name.cpp"; fi
  rm "$out/$name.new"
  local sources=()
  for part in "$@"; do sources+=("$here/$part.cpp"); done
  outdated "$out/$name.o" "${sources[@]}" "$out/$name.cpp" "$here"/*.h "$out/common.h.gch" \
    "$here"/../src/{recording,gloo_declarations}.h || return 0
  c++ "${flags[@]}" -include "$out/common.h" -I"$out/headers" -I"$here" -I"$here/../src" \
    -c "$out/$name.cpp" -o "$out/$name.o"
}

# Two halves that take about as long as each other.
first() {
  unit state settings clock usage space limit memory late launch tape counts report
  unit device allocators guard hooks start
  unit kernels kernels
  unit planted_main planted planted_devices planted_streams planted_graph
}
second() {
  unit operators call operators factories copies graph
  unit group nccl collective
  unit planted_rest planted_kernels planted_networks planted_group
}
first & first_half=$!
second & second_half=$!
wait $first_half || { wait $second_half; exit 1; }
wait $second_half

objects=()
for name in state device operators kernels group; do objects+=("$out/$name.o"); done
if outdated "$out/pretend_device.so" "${objects[@]}"; then
  c++ -shared -o "$out/pretend_device.so" "${objects[@]}" "${libraries[@]}"
fi
if outdated "$out/pretend.so" "$here/preload.c"; then
  cc -O1 -shared -fPIC -fvisibility=hidden "$here/preload.c" -o "$out/pretend.so"
fi
if outdated "$out/planted" "$out/planted_main.o" "$out/planted_rest.o"; then
  c++ -o "$out/planted" "$out/planted_main.o" "$out/planted_rest.o" "${libraries[@]}"
fi
