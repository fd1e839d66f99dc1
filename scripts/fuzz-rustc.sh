#!/bin/sh
# Compiler wrapper of a build for fuzzing (RUSTC_WORKSPACE_WRAPPER). The crates that read user input
# are compiled with libFuzzer's coverage instrumentation, debug assertions and overflow checks, at
# optimization level 1, which shortens the build by a fifth. Cargo does not use the wrapper for
# dependencies, so they are shared with the ordinary build.
case " $* " in
  *" --crate-name res2lab_arch "* | *" --crate-name res2lab_data "* | *" --crate-name fuzz "* | *" --crate-name res2lab_fuzz "* | *" --crate-name res2lab_nn "* | *" --crate-name res2lab_experiment "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on -Coverflow-checks=on -Copt-level=1
    ;;
  # No reader computes with these crates, so they are built without optimization, which is faster.
  *" --crate-name res2lab_kernels "* | *" --crate-name res2lab_planned "*) exec "$@" -Copt-level=0 ;;
  *) exec "$@" ;;
esac
