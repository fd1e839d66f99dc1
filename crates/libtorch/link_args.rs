//! The build script of every crate whose binary or tests load libtorch: where the loader finds it,
//! and, if a CUDA libtorch was set up, that it is linked although nothing names its symbols (the
//! linker would drop it silently).

use std::path::Path;

/// Prints the arguments for cargo.
pub(crate) fn main() {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.libtorch");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.join("torch/lib").display());
    let cuda = libraries.join("link/lib/libtorch_cuda.so");
    println!("cargo::rerun-if-changed={}", libraries.join("link/lib").display());
    if cuda.exists() {
        println!("cargo::rustc-link-arg=-L{}", libraries.join("link/lib").display());
        println!("cargo::rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo::rustc-link-arg=-ltorch_cuda");
        println!("cargo::rustc-link-arg=-Wl,--as-needed");
    }
}
