//! `res2lab env`: this machine and the libtorch in use.

use crate::args::EnvArgs;
use crate::{print, records};
use res2lab_error::Error;
use res2lab_kernels::instruction_set::InstructionSet;
use res2lab_nn::{Conditions, Engine};
use serde_json::json;
use tch::{Cuda, Device};

/// Prints what env.json would hold, and how libtorch was linked.
pub(crate) fn run(args: &EnvArgs) -> Result<u8, Error> {
    let device = if Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let here =
        res2lab_train::environment::environment(device, threads, res2lab_lab::program::code());
    let vectors = res2lab_lab::vectors::choose(&args.folders.data)?;
    let (engine, reason) = Engine::choose(&Conditions::on(device));
    let cuda_linked = tch::utils::has_cudart();
    let config = res2lab_libtorch::show_config();
    if !args.output.is_text() {
        let mut value = json!(here);
        let available: Vec<&str> = InstructionSet::ALL
            .into_iter()
            .filter(|l| l.is_available())
            .map(InstructionSet::name)
            .collect();
        let set = vectors.set.name();
        value["vectors"] =
            json!({ "level": set, "reason": vectors.reason, "available": available });
        value["engine"] = json!({ "name": engine.name(), "reason": reason });
        value["cuda_linked"] = json!(cuda_linked);
        value["cuda_devices"] = json!(Cuda::device_count());
        value["libtorch_config"] = json!(config);
        records::print(args.output.format(), &value, &[&value])?;
        return Ok(0);
    }
    let gpus = if here.gpus.is_empty() { "none".into() } else { here.gpus.join(", ") };
    let cuda = if cuda_linked { "linked" } else { "not linked (this libtorch is for the CPU)" };
    let rows = [
        ("res2lab", format!("{} {}", here.code.version, here.code.commit)),
        ("host", here.host),
        ("system", here.os),
        ("processor", format!("{}, {} cores", here.cpu, here.cores)),
        ("vectors", format!("{} ({})", vectors.set.name(), vectors.reason)),
        ("engine", format!("{} ({reason})", engine.name())),
        ("memory", format!("{} GiB", here.memory_gib)),
        ("GPUs", gpus),
        ("libtorch", here.libtorch),
        ("CUDA", cuda.to_owned()),
        ("device", here.device),
    ];
    for (name, value) in rows {
        print::line(&format!("{name:10} {value}"));
    }
    print::line(&config);
    Ok(0)
}
