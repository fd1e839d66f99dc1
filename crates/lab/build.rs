//! The linker's arguments for libtorch, and the git commit for the code's id.

#[path = "../libtorch/link_args.rs"]
mod link_args;

use std::process::Command;

fn main() {
    link_args::main();
    // A change of any source may make the checkout differ from its commit, or be part of a new one.
    for path in ["../../.git/HEAD", "../../.git/index", "..", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rustc-env=RES2LAB_COMMIT={}", commit().unwrap_or_default());
}

/// The short hash of HEAD, with `-dirty` if a tracked file under crates/ differs from it.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain", "--untracked-files=no", "--", ".."])?.is_empty();
    Some(if changed { format!("{hash}-dirty") } else { hash })
}
