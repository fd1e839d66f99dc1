//! Compiles the shim against libtorch's headers, and passes the arguments that every user of libtorch needs.

#[path = "link_args.rs"]
mod link_args;

fn main() {
    link_args::main();
    println!("cargo::rerun-if-changed=src/shim.cpp");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").expect("LIBTORCH is set by .cargo/config.toml; run `just setup` first");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .warnings(false)
        .include(format!("{libtorch}/include"))
        .include(format!("{libtorch}/include/torch/csrc/api/include"))
        .file("src/shim.cpp")
        .compile("res2lab_shim");
}
