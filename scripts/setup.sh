#!/usr/bin/env bash
# Puts libtorch (from the PyPI wheel of PyTorch) into .libtorch/. Does nothing where that is done already.
#
# Without a GPU: the wheel and the two small CUDA libraries that libtorch_cpu itself loads, 1.2 GB on disk.
# With a GPU (nvidia-smi answers), or with RES2LAB_CUDA=1: the whole of it, about 9 GB on disk.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.13.0
kind=cpu
if [ "${RES2LAB_CUDA:-}" = 1 ] || { [ "${RES2LAB_CUDA:-}" != 0 ] && nvidia-smi -L >/dev/null 2>&1; }; then kind=cuda; fi
stamp="$version $kind"
[ "$(cat .libtorch/complete 2>/dev/null)" = "$stamp" ] && exit 0

fail() { echo "error: $1" >&2; echo "help: $2" >&2; exit 1; }

command -v c++ >/dev/null || fail "there is no C++ compiler (c++)" "install one, e.g. apt-get install g++"
command -v python3 >/dev/null || fail "there is no python3, whose pip brings libtorch" "install it, e.g. apt-get install python3 python3-pip"
python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip, which brings libtorch" "install it, e.g. apt-get install python3-pip"
[ "$(uname -sm)" = "Linux x86_64" ] || fail "this is $(uname -sm); libtorch is brought for Linux x86_64 only" "use such a machine"

needed_gb=3; [ $kind = cuda ] && needed_gb=16
free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
[ "$free_kb" -ge $((needed_gb * 1000 * 1000)) ] ||
  fail "libtorch needs $needed_gb GB of disk here, $((free_kb / 1000 / 1000)) GB are free" "free some space, or clone to another disk"

new=.libtorch.new
trap 'rm -rf $new' EXIT
rm -rf $new
# The wheel's own Python does not matter: only its libraries and headers are used.
pip=(python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --root-user-action=ignore --target $new
     --only-binary=:all: --implementation cp --python-version 3.12)
# pip takes only the exact tags it is given, and the wheels name different versions of glibc.
for glibc in $(seq 28 -1 5); do pip+=(--platform "manylinux_2_${glibc}_x86_64"); done
pip+=(--platform manylinux2014_x86_64)
echo "setup: bringing libtorch $version ($kind); this is done once" >&2
if [ $kind = cuda ]; then
  # The last two are headers that those of NCCL include.
  bring=("${pip[@]}" "torch==$version" nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85)
else
  bring=("${pip[@]}" --no-deps "torch==$version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
fi
if ! "${bring[@]}" 2>$new.log; then
  tail -3 $new.log >&2; reason=$(tail -1 $new.log); rm -f $new.log
  case "$reason" in
    *"No space left"*) fail "the disk is full" "free some space and repeat the command" ;;
    *) fail "pip could not bring torch $version" "check that this machine reaches PyPI (a proxy is set by PIP_PROXY or pip config), and repeat the command" ;;
  esac
fi
rm -f $new.log

# For the linker: without libtorch_cuda unless it is wanted, and with libtorch.so standing for libtorch_cpu, so that
# nothing asks for CUDA where there is none.
mkdir -p $new/link/lib
libraries=(libc10.so libtorch_cpu.so)
[ $kind = cuda ] && libraries+=(libc10_cuda.so libtorch_cuda.so)
for library in "${libraries[@]}"; do ln -s ../../torch/lib/$library $new/link/lib/$library; done
ln -s ../../torch/lib/libtorch_cpu.so $new/link/lib/libtorch.so
ln -s ../torch/include $new/link/include
echo "$version" > $new/link/build-version
echo "$stamp" > $new/complete
rm -rf .libtorch
mv $new .libtorch
