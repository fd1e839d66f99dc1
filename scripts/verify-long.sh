#!/usr/bin/env bash
# The property tests of everything that reads what people bring, with many more cases than `just test` draws.
set -euo pipefail
cd "$(dirname "$0")/.."

cases=${RES2LAB_CASES:-20000}
export PROPTEST_CASES=$cases RES2LAB_FLIPS=$cases
cargo test --release --workspace --lib --test damage --quiet
