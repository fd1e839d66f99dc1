//! The linker's arguments for libtorch.

#[path = "../libtorch/link_args.rs"]
mod link_args;

fn main() {
    link_args::main();
}
