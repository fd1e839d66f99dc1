#!/usr/bin/env bash
# Puts libtorch (from the PyPI wheel of PyTorch) into .libtorch/. Does nothing where that is done already.
#
# Without a GPU: the wheel and the two small CUDA libraries that libtorch_cpu itself loads, 1.2 GB on disk.
# With a GPU (nvidia-smi answers), or with RES2LAB_CUDA=13 or 12.6: the whole of it, about 9 GB on disk.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.13.0
fail() { echo "error: $1" >&2; echo "help: $2" >&2; exit 1; }

# "driver compute-capability" of each GPU, e.g. "580.65 9.0". nvidia-smi can hang where a GPU is ill.
gpus=""
if [ "${RES2LAB_CUDA:-}" != 0 ] && command -v nvidia-smi >/dev/null; then
  gpus=$(timeout 20 nvidia-smi --query-gpu=driver_version,compute_cap --format=csv,noheader 2>/dev/null | tr -d ' ' | tr ',' ' ') || gpus=""
fi
if [ -z "$gpus" ] && [ -z "${RES2LAB_CUDA:-}" ] && [ -e "${RES2LAB_NVIDIA_PROC:-/proc/driver/nvidia}/version" ]; then
  fail "there is an NVIDIA driver here, but nvidia-smi does not answer" \
    "mend the driver (a restart after an update may do); or give RES2LAB_CUDA=1 for CUDA all the same, RES2LAB_CUDA=0 to train on the CPU"
fi

# Which wheel of PyTorch. That of CUDA 13 needs driver 580 and compute capability 7.5; that of CUDA 12.6 goes down to driver
# 525 and capability 5.0. Several GPUs must all be able to use it.
kind=cpu
case "${RES2LAB_CUDA:-}" in
  0) ;;
  1 | 13) kind=cuda ;;
  12.6) kind=cuda126 ;;
  "") [ -z "$gpus" ] || kind=cuda ;;
  *) fail "RES2LAB_CUDA=$RES2LAB_CUDA is no choice of libtorch" "give 0 (none), 13 or 12.6, or leave it out" ;;
esac
if [ $kind = cuda ] && [ "${RES2LAB_CUDA:-}" != 13 ] && [ -n "$gpus" ]; then
  oldest=$(awk '{ split($1, v, "."); print v[1] }' <<< "$gpus" | sort -n | head -1)
  weakest=$(awk '{ split($2, v, "."); print 10 * v[1] + v[2] }' <<< "$gpus" | sort -n | head -1)
  if [ "$oldest" -lt 525 ] || [ "$weakest" -lt 50 ]; then
    fail "this GPU (compute capability $((weakest / 10)).$((weakest % 10))) with driver $oldest is too old for libtorch $version" \
      "update the driver to 580, or give RES2LAB_CUDA=0 to train on the CPU"
  fi
  if [ "$oldest" -lt 580 ] || [ "$weakest" -lt 75 ]; then kind=cuda126; fi
fi
stamp="$version $kind"
[ "$(cat .libtorch/complete 2>/dev/null)" = "$stamp" ] && exit 0

command -v c++ >/dev/null || fail "there is no C++ compiler (c++)" "install one, e.g. apt-get install g++"
command -v python3 >/dev/null || fail "there is no python3, whose pip brings libtorch" "install it, e.g. apt-get install python3 python3-pip"
python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip, which brings libtorch" "install it, e.g. apt-get install python3-pip"
[ "$(uname -sm)" = "Linux x86_64" ] || fail "this is $(uname -sm); libtorch is brought for Linux x86_64 only" "use such a machine"

needed_gb=3; [ $kind = cpu ] || needed_gb=16
free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
[ "$free_kb" -ge $((needed_gb * 1000 * 1000)) ] ||
  fail "libtorch needs $needed_gb GB of disk here, $((free_kb / 1000 / 1000)) GB are free" "free some space, or clone to another disk"

new=.libtorch.new
trap 'rm -rf $new $new.tmp $new.log' EXIT
rm -rf $new $new.tmp
# The wheel's own Python does not matter: only its libraries and headers are used.
pip=(python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --root-user-action=ignore --target $new
     --only-binary=:all: --implementation cp --python-version 3.12)
# pip takes only the exact tags it is given, and the wheels name different versions of glibc.
for glibc in $(seq 28 -1 5); do pip+=(--platform "manylinux_2_${glibc}_x86_64"); done
pip+=(--platform manylinux2014_x86_64)
echo "setup: bringing libtorch $version ($kind); this is done once" >&2
case $kind in
  # The last two are headers that those of NCCL include.
  cuda) bring=("${pip[@]}" "torch==$version" nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85) ;;
  # This wheel is on PyTorch's own index only, which pip must know.
  cuda126) bring=("${pip[@]}" "torch==$version+cu126") ;;
  cpu) bring=("${pip[@]}" --no-deps "torch==$version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85) ;;
esac
# pip unpacks where TMPDIR says, and /tmp is often small; a cache of 3 GB may be more than a home may hold.
mkdir -p $new.tmp
[ $kind = cpu ] || bring+=(--no-cache-dir)
export TMPDIR=$PWD/$new.tmp
if ! "${bring[@]}" 2>$new.log; then
  tail -3 $new.log >&2; reason=$(tail -1 $new.log); rm -f $new.log
  case "$reason" in
    *"No matching distribution"*cu126*) fail "pip knows no torch $version+cu126, which this driver or GPU needs" \
      "set PIP_EXTRA_INDEX_URL to PyTorch's index of wheels for CUDA 12.6 (pytorch.org, Get Started), update the driver to 580, or give RES2LAB_CUDA=0" ;;
    *"No space left"*) fail "the disk is full" "free some space and repeat the command" ;;
    *) fail "pip could not bring torch $version" "check that this machine reaches PyPI (a proxy is set by PIP_PROXY or pip config), and repeat the command" ;;
  esac
fi
rm -f $new.log

# For the linker: without libtorch_cuda unless it is wanted, and with libtorch.so standing for libtorch_cpu, so that
# nothing asks for CUDA where there is none.
mkdir -p $new/link/lib
libraries=(libc10.so libtorch_cpu.so)
if [ $kind != cpu ]; then
  libraries+=(libc10_cuda.so libtorch_cuda.so)
  # The architectures that its kernels were compiled for stand in a string of the library.
  built=$(grep -aoE '(sm_[0-9]+ )+sm_[0-9]+' $new/torch/lib/libtorch_python.so 2>/dev/null | head -1 || true)
  while read -r _ capability; do
    [ -n "$built" ] && [ -n "$capability" ] || continue
    major=${capability%.*}; minor=${capability#*.}; runs=no
    for architecture in $built; do
      number=${architecture#sm_}
      if [ "${number%?}" = "$major" ] && [ "${number#"${number%?}"}" -le "$minor" ]; then runs=yes; fi
    done
    [ $runs = yes ] || fail "libtorch $version ($kind) has no kernels for a GPU of compute capability $capability (it has $built)" \
      "give RES2LAB_CUDA=12.6 for older GPUs, or RES2LAB_CUDA=0 to train on the CPU"
  done <<< "$gpus"
fi
for library in "${libraries[@]}"; do ln -s ../../torch/lib/$library $new/link/lib/$library; done
ln -s ../../torch/lib/libtorch_cpu.so $new/link/lib/libtorch.so
ln -s ../torch/include $new/link/include
echo "$version" > $new/link/build-version
echo "$stamp" > $new/complete
rm -rf .libtorch
mv $new .libtorch
