//! Which of the kernels' instruction sets this machine uses: what `RES2LAB_VECTORS` names,
//! else the fastest, which is measured once for the processor and the build and kept beside the
//! data.
use res2lab_error::Error;
use res2lab_kernels::instruction_set::{self, InstructionSet};
use res2lab_store::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What was decided, and why.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The instruction set.
    pub set: InstructionSet,
    /// Why, in words.
    pub reason: String,
}

/// One machine's line of `vectors.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    #[serde(alias = "level")]
    set: String,
    /// Images/s of a few convolutions, relative to the first instruction set.
    speeds: BTreeMap<String, f64>,
}

/// Decides, and uses the instruction set in this process from now on. `data` is the folder of data sets.
pub fn choose(data: &Path) -> Result<Chosen, Error> {
    let chosen = match std::env::var("RES2LAB_VECTORS") {
        Ok(name) => Chosen { set: named(&name)?, reason: "RES2LAB_VECTORS".into() },
        Err(_) if instruction_set::highest() < InstructionSet::Avx512 => {
            Chosen { set: instruction_set::highest(), reason: "all that this processor has".into() }
        }
        Err(_) => measured(data),
    };
    instruction_set::use_instruction_set(chosen.set);
    Ok(chosen)
}

fn named(name: &str) -> Result<InstructionSet, Error> {
    let names = InstructionSet::ALL.map(InstructionSet::name).join(", ");
    let set = InstructionSet::from_name(name).ok_or_else(|| {
        Error::input(
            format!("RES2LAB_VECTORS={name}: there are {names}"),
            "leave it unset to use the fastest",
        )
    })?;
    if set.is_available() {
        return Ok(set);
    }
    let highest = instruction_set::highest().name();
    let cause = format!("RES2LAB_VECTORS={name}: this processor has {highest} at most");
    Err(Error::input(cause, "leave it unset to use the fastest that there is"))
}

fn measured(data: &Path) -> Chosen {
    let path = data.join(".cache").join("vectors.json");
    let here = res2lab_train::environment::processor();
    let code = crate::program::code();
    let key = format!("{here}, res2lab {} {}", code.version, code.commit);
    // A damaged or missing file costs the tenth of a second to measure again.
    let mut kept: BTreeMap<String, Measured> =
        atomic::read_json(&path).ok().flatten().unwrap_or_default();
    let known = kept.get(&key).and_then(|m| {
        Some((InstructionSet::from_name(&m.set).filter(|set| set.is_available())?, m.clone()))
    });
    let (set, found) = known.unwrap_or_else(|| {
        let (set, speeds) = res2lab_kernels::fastest();
        let speeds = speeds
            .into_iter()
            .map(|(set, speed)| (set.name().to_owned(), (speed * 1e3).round() / 1e3));
        let found = Measured { set: set.name().to_owned(), speeds: speeds.collect() };
        kept.insert(key, found.clone());
        // A folder of data sets is not made for this.
        if data.is_dir() {
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = atomic::write_json(&path, &kept);
        }
        (set, found)
    });
    let speeds: Vec<String> =
        found.speeds.iter().map(|(name, speed)| format!("{name} {speed:.2}")).collect();
    Chosen { set, reason: format!("measured once, relative speeds: {}", speeds.join(", ")) }
}
