//! Compiles the shim against libtorch's headers, and passes the arguments that every user of
//! libtorch needs.

use std::path::{Path, PathBuf};

#[path = "link_args.rs"]
mod link_args;

/// Headers of Gloo that c10d's header includes and the wheel lacks; `gloo_declarations.h` stands
/// for all of them.
const GLOO_HEADERS: [&str; 5] =
    ["algorithm.h", "common/error.h", "context.h", "rendezvous/store.h", "transport/device.h"];

fn main() {
    link_args::main();
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH")
        .expect("LIBTORCH is set by .cargo/config.toml; run `just setup` first");
    let libtorch = Path::new(&libtorch);
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").warnings(false);
    build
        .include(libtorch.join("include"))
        .include(libtorch.join("include/torch/csrc/api/include"));
    build.include("src").include(gloo_headers());
    if libtorch.join("lib/libtorch_cuda.so").exists() {
        add_cuda(&mut build, libtorch);
    }
    for name in ["shim", "device", "group", "sync_batch_norm", "reducer", "graph"] {
        build.file(format!("src/{name}.cpp"));
    }
    build.compile("res2lab_shim");
}

fn gloo_headers() -> PathBuf {
    let root = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("headers");
    for name in GLOO_HEADERS {
        let path = root.join("gloo").join(name);
        std::fs::create_dir_all(path.parent().expect("a header lies in a folder"))
            .expect("OUT_DIR can be written");
        std::fs::write(path, "#include \"gloo_declarations.h\"\n").expect("OUT_DIR can be written");
    }
    root
}

/// NCCL, with the headers of the wheels that PyTorch's own wheel brings.
fn add_cuda(build: &mut cc::Build, libtorch: &Path) {
    for flag in ["RES2LAB_CUDA", "USE_CUDA", "USE_NCCL", "USE_C10D_NCCL"] {
        build.define(flag, None);
    }
    // The wheels of CUDA 13 share one folder; those of CUDA 12.6 have one each.
    for part in ["cu13", "cuda_runtime", "cuda_cccl", "cublas", "cusparse", "nccl", "cudnn"] {
        let headers = libtorch.join("../nvidia").join(part).join("include");
        if headers.exists() {
            build.include(headers);
        }
    }
}
