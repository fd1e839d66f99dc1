#!/usr/bin/env bash
# Installs the programs that scripts/verify.sh checks with: Python tools in .tools, and, as root on
# Debian, Chromium and SLURM. It only needs the network, so .ci/run does this beside the compiler.
# What fails here is tried again, and told, by the check that needs it.
set -uo pipefail
cd "$(dirname "$0")/.."

just _tensorboard _verify-tools
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  missing=()
  command -v chromium >/dev/null || missing+=(chromium)
  command -v slurmctld >/dev/null || missing+=(slurm-wlm munge)
  [ ${#missing[@]} = 0 ] || { apt-get update -qq && apt-get install -y -qq "${missing[@]}"; }
fi
exit 0
