#!/bin/sh
# Debian's packages that `just setup` and `cargo build` need; as root on Debian 13 (trixie). Rust
# comes from the backports, because Debian 13 itself has 1.85.
set -eu
export DEBIAN_FRONTEND=noninteractive
sed -i 's/^Suites: trixie trixie-updates$/& trixie-backports/' /etc/apt/sources.list.d/debian.sources
apt-get update
apt-get install --yes --no-install-recommends ca-certificates g++ git just python3 python3-pip
apt-get install --yes --no-install-recommends --target-release trixie-backports cargo rustc
rm -rf /var/lib/apt/lists/*
