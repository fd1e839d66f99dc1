#!/bin/sh
# The compiler of a build for fuzzing (RUSTC_WORKSPACE_WRAPPER): the crates that read what people bring tell libFuzzer which
# of their code an input reached, and check their arithmetic; optimized once, which builds in four fifths of the time.
# Dependencies are compiled as always, and once.
case " $* " in
  *" --crate-name res2lab_arch "* | *" --crate-name res2lab_data "* | *" --crate-name fuzz "* | *" --crate-name res2lab_fuzz "* | *" --crate-name res2lab_nn "* | *" --crate-name res2lab_experiment "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on -Coverflow-checks=on -Copt-level=1
    ;;
  # No reader multiplies matrices: what would take long to make fast is left slow.
  *" --crate-name res2lab_kernels "* | *" --crate-name res2lab_planned "*) exec "$@" -Copt-level=0 ;;
  *) exec "$@" ;;
esac
