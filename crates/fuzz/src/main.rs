//! The fuzzer: `RES2LAB_FUZZ=TARGET fuzz [libFuzzer's arguments]`. `scripts/fuzz.sh` builds it with
//! coverage instrumentation and runs it.
#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls the functions of the macro by their names")]

use res2lab_fuzz::Target;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("RES2LAB_FUZZ").unwrap_or_default();
        let names = || res2lab_fuzz::TARGETS.map(|target| target.name).join(", ");
        let target = res2lab_fuzz::find(&name).unwrap_or_else(|| panic!("set RES2LAB_FUZZ to one of {}", names()));
        TARGET.get_or_init(|| target);
        // libFuzzer's own hook ends the program at every panic, including those that a reader
        // catches. Without this hook, an uncaught panic still ends the program and is reported as a
        // finding.
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    },
    |bytes: &[u8]| (TARGET.get().expect("a target").run)(bytes)
);
